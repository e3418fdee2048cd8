//! The steady state: everything lives equally long, several lifetimes have passed, and what is put goes where
//! something expired. Beside `rawpre`, which writes over extents that were written before, too.
//!
//! Sweeping and checkpoints run in the background as ever; after each round, outside the timed part, they are brought
//! to an end, so that the next one finds the room that a store at this pace would have. How long that takes, for each
//! second of puts, is the figure called `behind`.
//!
//! A round fills about a segment: so the room for the next one is there in one piece, as it is in a store that has
//! been at it for days. With segments much smaller, several would come free at once, of which only few are kept.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Bench;
use super::put::{expect, slice};
use crate::content;
use crate::form::Puts;
use crate::peer::{Role, Setup};

/// The smallest and the largest segment here; the latter is the default of a store that is not small.
const SEGMENT_LEN: Range<u64> = 1 << 20..128 << 20;

pub fn work(bench: &mut Bench<'_>) {
    for puts in bench.form.recycled.clone() {
        one(bench, puts);
    }
}

fn one(bench: &mut Bench<'_>, puts: Puts) {
    let count = puts.threads * puts.each;
    let rounds_alive = bench.form.rounds_alive;
    // Two lifetimes pass before anything counts.
    let warm_up = 2 * rounds_alive as usize;
    let total = (count * (warm_up + bench.form.rounds)) as u64;
    let setup = Setup {
        bytes: total * puts.size as u64,
        puts: total,
        lifetime: Some(count as u64 * rounds_alive),
        segment_len: Some(((count * puts.size) as u64).next_power_of_two().clamp(SEGMENT_LEN.start, SEGMENT_LEN.end)),
    };
    let kinds: Vec<_> =
        bench.kinds.iter().copied().filter(|kind| ["mediacask", "rawpre"].contains(&kind.name)).collect();
    let mut bench = Bench { form: bench.form, kinds: &kinds, dir: bench.dir, report: bench.report };
    let title = format!("put_recycled, {} bytes, {} threads", puts.size, puts.threads);
    let mut field = bench.field(&title, &[Role::Store, Role::Limit], &setup);
    let mut recycled = (0, 0);
    for turn in 0..warm_up + bench.form.rounds {
        let contents = content::some(count, puts.size);
        let first = (turn * count) as u64;
        let before: Vec<_> = field.entrants.iter().map(|entrant| segments(entrant.dir.path())).collect();
        let names: Vec<_> = field.entrants.iter().map(|entrant| entrant.kind.name).collect();
        // The whole slice, however long it takes: the clock goes by puts.
        let round = (turn + 1).saturating_sub(warm_up);
        bench.round(&mut field, round, |entrant| slice(&*entrant.peer, puts, first, &contents, Duration::MAX));
        bench.each(&mut field, |entrant| expect(&*entrant.peer, &content::name(first), &contents[0]));
        bench.each(&mut field, |entrant| {
            let begun = Instant::now();
            entrant.peer.settle()?;
            if round > 0 {
                entrant.tally.add_behind(begun.elapsed());
            }
            Ok(())
        });
        if round > 0 {
            for (name, before) in names.iter().zip(before) {
                let after = field.entrants.iter().find(|entrant| entrant.kind.name == *name);
                let (fresh, again) = after.map_or((0, 0), |entrant| new_segments(&before, entrant.dir.path()));
                recycled = (recycled.0 + fresh, recycled.1 + again);
            }
        }
    }
    for entrant in bench.in_order(field) {
        let mut row = entrant.tally.row("put_recycled", puts.size as u64, puts.threads as u64, entrant.kind.name);
        row.written_per_byte = entrant.tally.written_per_byte(puts.size as u64);
        row.disk_per_byte = entrant.disk_per_byte(count as u64 * rounds_alive * puts.size as u64);
        if let Some(note) = entrant.peer.note() {
            let all = recycled.0 + recycled.1;
            row.note = Some(format!("{} of {all} segments begun went over an earlier one; {note}", recycled.1));
        }
        bench.report.rows.push(row);
    }
}

/// The files of mediacask's log, spares included: name to inode.
fn segments(store: &Path) -> HashMap<String, u64> {
    let entries = fs::read_dir(store.join("segments")).into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.ino())));
    all.collect()
}

/// Segments begun since, over new files and over those that were there.
fn new_segments(before: &HashMap<String, u64>, store: &Path) -> (u64, u64) {
    let mut counts = (0, 0);
    for (name, inode) in segments(store) {
        if name.strip_suffix(".seg").is_none() || before.contains_key(&name) {
            continue;
        }
        if before.values().any(|known| *known == inode) {
            counts.1 += 1;
        } else {
            counts.0 += 1;
        }
    }
    counts
}

//! Many names, of 100 bytes each, that come in no order: loading, looking up, listing by pages of 1,000, a durable
//! put beside them, memory; then opening: clean, after a kill, and, mediacask alone, with neither index nor catalog.
//!
//! An open is timed until the first get has answered. The page cache is warm.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use super::put::{expect, slice};
use super::{Bench, Entrant, Field};
use crate::child::{GROUP, fill_and_kill, items, memory_of};
use crate::content::{self, random_name, scattered};
use crate::form::Puts;
use crate::measure::{on_threads, once};
use crate::peer::{Kind, Peer, Result, Role, Setup};
use crate::report::{Row, Tally, row_of};

pub const SIZE: usize = 100;
const PAGE: usize = 1_000;
const STRIDE: usize = 16;
/// Names a process puts before it is killed.
const KILLED: u64 = 1_000;

pub fn work(bench: &mut Bench<'_>) {
    for count in bench.form.names.clone() {
        one(bench, count);
    }
    let alone: Vec<Kind> = bench.kinds.iter().copied().filter(|kind| kind.name == "mediacask").collect();
    for count in bench.form.names_alone.clone() {
        one(&mut Bench { form: bench.form, kinds: &alone, dir: bench.dir, report: bench.report }, count);
    }
}

fn one(bench: &mut Bench<'_>, count: u64) {
    let mut field = bench.field(&format!("{count} names"), &[Role::Store], &Setup::default());
    load(bench, &mut field, count);
    let mut rows = rows_of(bench, &mut field, "load", SIZE, count);
    for (row, entrant) in rows.iter_mut().zip(&field.entrants) {
        row.disk_per_byte = entrant.disk_per_byte(count * SIZE as u64);
        row.note = Some("each time is of a thousand".to_owned());
    }
    bench.report.rows.extend(rows);
    lookups(bench, &mut field, count);
    let rows = rows_of(bench, &mut field, "get_slice", SIZE, count);
    bench.report.rows.extend(rows);
    lists(bench, &mut field, count);
    let rows = rows_of(bench, &mut field, "list", SIZE, count);
    bench.report.rows.extend(rows);
    puts(bench, &mut field);
    let rows = rows_of(bench, &mut field, "put", bench.form.churn.size, count);
    bench.report.rows.extend(rows);
    let closed = bench.in_order(field).into_iter().map(Entrant::close).collect::<Vec<_>>();
    let mut rows = Vec::new();
    for (kind, dir, _) in &closed {
        if let Err(error) = opens(bench.form.rounds, *kind, dir.path(), count, &mut rows) {
            bench.report.fail(kind.name, "open", &error);
        }
    }
    rows.sort_by_key(|row| {
        ["open", "open_list", "open_killed", "rebuild", "rebuild_list"].iter().position(|work| *work == row.work)
    });
    bench.report.rows.extend(rows);
}

/// The rows of a work that has gone through its rounds; the next begins with nothing.
fn rows_of(bench: &Bench<'_>, field: &mut Field, work: &'static str, size: usize, names: u64) -> Vec<Row> {
    field.entrants.sort_by_key(|entrant| bench.kinds.iter().position(|kind| kind.name == entrant.kind.name));
    let mut rows = Vec::new();
    for entrant in &mut field.entrants {
        let tally = std::mem::take(&mut entrant.tally);
        let mut row = tally.row(work, size as u64, 1, entrant.kind.name);
        row.names = Some(names);
        row.written_per_byte = tally.written_per_byte(size as u64).filter(|_| ["load", "put"].contains(&work));
        rows.push(row);
    }
    rows
}

/// A group for each peer in turn, so that all are loaded side by side.
fn load(bench: &mut Bench<'_>, field: &mut Field, count: u64) {
    for start in (0..count).step_by(GROUP as usize) {
        let items = items(start, GROUP.min(count - start), SIZE);
        bench.round(field, 1, |entrant| {
            let mut slice = once(|| entrant.peer.put_many(&items))?;
            slice.ops = items.len() as u64;
            Ok(slice)
        });
    }
}

fn lookups(bench: &mut Bench<'_>, field: &mut Field, count: u64) {
    let (each, longest) = (bench.form.lookups, bench.form.slice);
    // The names are not made in the timed part.
    let names: Vec<String> = (0..each as u64).map(|turn| random_name(scattered(turn, count))).collect();
    for round in 0..=bench.form.rounds {
        bench.round(field, round, |entrant| {
            let names = &names;
            on_threads(1, each, STRIDE, longest, &|_| {
                let mut reader = entrant.peer.reader()?;
                Ok(Box::new(move |n| {
                    let there = reader.get(&names[n], &mut |bytes| {
                        black_box((bytes.len(), bytes.first().copied()));
                    })?;
                    if there { Ok(()) } else { Err("a name is gone".into()) }
                }))
            })
        });
    }
}

fn lists(bench: &mut Bench<'_>, field: &mut Field, count: u64) {
    for round in 0..=bench.form.rounds {
        bench.round(field, round, |entrant| {
            let mut listed = 0;
            let mut slice = pages(&*entrant.peer, &mut listed)?;
            if listed != count {
                return Err(format!("{listed} names were listed, and {count} were put").into());
            }
            slice.ops = listed;
            Ok(slice)
        });
    }
}

/// Walks all names by pages; each page is an operation. They must come in order.
fn pages(peer: &dyn Peer, listed: &mut u64) -> Result<crate::measure::Slice> {
    let mut reader = peer.reader()?;
    let (mut slice, mut last) = (once(|| Ok(()))?, None::<String>);
    slice.times.reset();
    slice.seconds = 0.0;
    loop {
        let (mut count, mut is_ordered, mut page_end) = (0, true, last.clone());
        let page = once(|| {
            reader.list(last.as_deref(), PAGE, &mut |name| {
                count += 1;
                is_ordered &= page_end.as_deref().is_none_or(|before| before < name);
                let end = page_end.get_or_insert_default();
                end.clear();
                end.push_str(name);
            })
        })?;
        if !is_ordered {
            return Err("names were listed out of order".into());
        }
        slice.times.add(&page.times)?;
        slice.seconds += page.seconds;
        *listed += count;
        last = page_end;
        // A page may be short; an empty one is the end, as none of these stores skips a thousand names.
        if count == 0 {
            return Ok(slice);
        }
    }
}

/// Durable puts beside all those names, which are taken away again.
fn puts(bench: &mut Bench<'_>, field: &mut Field) {
    let puts = Puts { size: bench.form.churn.size, threads: 1, each: bench.form.churn.each };
    let contents = content::some(puts.each, puts.size);
    let (longest, rounds) = (bench.form.slice, bench.form.rounds);
    for round in 0..=rounds {
        bench.round(field, round, |entrant| slice(&*entrant.peer, puts, 0, &contents, longest));
        let names: Vec<String> = (0..puts.each as u64).map(content::name).collect();
        bench.each(field, |entrant| {
            let mut reader = entrant.peer.reader()?;
            let mut there = Vec::new();
            for name in &names {
                if reader.get(name, &mut |_| ())? {
                    there.push(name.clone());
                }
            }
            drop(reader);
            entrant.peer.delete_many(&there)
        });
    }
}

fn opens(rounds: usize, kind: Kind, dir: &Path, count: u64, rows: &mut Vec<Row>) -> Result<()> {
    let memory = memory_of(kind, dir, count)?;
    let (mut clean, mut killed) = (Tally::default(), Tally::default());
    let open = || (kind.open)(dir, &Setup::default());
    let mut row = |tally: &Tally, work| {
        let mut row = tally.row(work, SIZE as u64, 1, kind.name);
        row.names = Some(count);
        row.memory_bytes = Some(memory).filter(|_| work == "open");
        rows.push(row);
    };
    for _ in 0..rounds {
        clean.add(&once(|| expect(&*open()?, &random_name(0), &content::of(0, SIZE)))?)?;
    }
    row(&clean, "open");
    let peer = open()?;
    let (mut first, mut listed) = (Tally::default(), 0);
    first.add(&once(|| pages(&*peer, &mut listed).map(drop))?)?;
    row(&first, "open_list");
    drop(peer);
    for round in 0..rounds as u64 {
        let number = count + round * KILLED;
        fill_and_kill(kind, dir, number, KILLED, SIZE)?;
        let last = number + KILLED - 1;
        killed.add(&once(|| expect(&*open()?, &random_name(last), &content::of(last, SIZE)))?)?;
    }
    row(&killed, "open_killed");
    if kind.name == "mediacask" {
        rebuild(kind, dir, count, rows)?;
    }
    Ok(())
}

/// Opens from the log alone, and lists.
fn rebuild(kind: Kind, dir: &Path, count: u64, rows: &mut Vec<Row>) -> Result<()> {
    fs::remove_file(dir.join("catalog"))?;
    fs::remove_dir_all(dir.join("index"))?;
    let mut peer = None;
    let slice = once(|| {
        let opened = (kind.open)(dir, &Setup::default())?;
        expect(&*opened, &random_name(0), &content::of(0, SIZE))?;
        peer = Some(opened);
        Ok(())
    })?;
    let mut row = row_of(&slice, "rebuild", SIZE as u64, 1, kind.name)?;
    row.names = Some(count);
    rows.push(row);
    if let Some(peer) = peer {
        let mut listed = 0;
        let slice = once(|| pages(&*peer, &mut listed).map(drop))?;
        let mut row = row_of(&slice, "rebuild_list", SIZE as u64, 1, kind.name)?;
        row.names = Some(count);
        rows.push(row);
    }
    Ok(())
}

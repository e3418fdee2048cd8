//! Many names, of 100 bytes each, that come in no order: loading, looking up, listing by pages of 1,000, a durable
//! put beside them, memory; then opening: clean, after a kill, and, mediacask alone, with neither index nor catalog.
//!
//! An open is timed until the first get has answered; what closing takes is not in it. The page cache is warm.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use super::put::{expect, slice};
use super::{Bench, Entrant, Field};
use crate::child::{GROUP, fill_and_kill, items, memory_of};
use crate::content::{self, random_name, scattered};
use crate::form::{Form, Puts};
use crate::measure::{Slice, on_threads, once};
use crate::peer::{Kind, Peer, Result, Role, Setup};
use crate::report::{Row, Tally, row_of};

pub const SIZE: usize = 100;
const PAGE: usize = 1_000;
const STRIDE: usize = 16;
/// Names a process puts before it is killed.
const KILLED: u64 = 1_000;

pub fn work(bench: &mut Bench<'_>) {
    let as_files_max = bench.form.names_as_files_max;
    for count in bench.form.names.clone() {
        let takes_part = |kind: &Kind| count <= as_files_max || !["fs", "cacache"].contains(&kind.name);
        one_of(bench, bench.form, count, takes_part);
    }
    // A walk of them is long enough to be done once.
    let form = Form { rounds: 1, ..bench.form.clone() };
    for count in bench.form.names_alone.clone() {
        one_of(bench, &form, count, |kind| kind.name == "mediacask");
    }
}

fn one_of(bench: &mut Bench<'_>, form: &Form, count: u64, takes_part: impl Fn(&Kind) -> bool) {
    let kinds: Vec<Kind> = bench.kinds.iter().copied().filter(takes_part).collect();
    one(&mut Bench { form, kinds: &kinds, dir: bench.dir, report: bench.report }, count);
    if let Err(error) = bench.report.write() {
        bench.report.fail("the report", "being written", &error);
    }
}

fn one(bench: &mut Bench<'_>, count: u64) {
    let mut field = bench.field(&format!("{count} names"), &[Role::Store], &Setup::default());
    load(bench, &mut field, count);
    let mut loaded = rows_of(bench, &mut field, "load", SIZE, count);
    // Who writes the names' order behind has it written by now.
    bench.each(&mut field, |entrant| {
        let slice = list(&*entrant.peer, count)?;
        entrant.tally.add(&slice)
    });
    let listed = rows_of(bench, &mut field, "load_list", SIZE, count);
    bench.each(&mut field, |entrant| entrant.peer.settle());
    for row in &mut loaded {
        let entrant = field.entrants.iter().find(|entrant| entrant.kind.name == row.peer);
        row.disk_per_byte = entrant.and_then(|entrant| entrant.disk_per_byte(count * SIZE as u64));
        row.note = Some("each time is of a thousand".to_owned());
    }
    bench.report.rows.extend(loaded);
    bench.report.rows.extend(listed);
    lookups(bench, &mut field, count);
    let rows = rows_of(bench, &mut field, "get_slice", SIZE, count);
    bench.report.rows.extend(rows);
    for round in 1..=bench.form.rounds {
        bench.round(&mut field, round, |entrant| list(&*entrant.peer, count));
    }
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
        if work == "load" {
            // All of it: a median would leave out the thousands that had to wait.
            row.ops_per_s = tally.overall();
        }
        row.written_per_byte = tally.written_per_byte(size as u64).filter(|_| ["load", "put"].contains(&work));
        rows.push(row);
    }
    rows
}

/// A group for each peer in turn, so that all are loaded side by side.
fn load(bench: &mut Bench<'_>, field: &mut Field, count: u64) {
    for start in (0..count).step_by(GROUP as usize) {
        if field.entrants.is_empty() {
            return;
        }
        let items = items(start, GROUP.min(count - start), SIZE);
        let first = field.entrants.len().min(1);
        field.entrants.rotate_left(first);
        bench.each(field, |entrant| {
            let mut slice = once(|| entrant.peer.put_many(&items))?;
            slice.ops = items.len() as u64;
            entrant.tally.add(&slice)
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

/// Walks all names, which must be so many.
fn list(peer: &dyn Peer, count: u64) -> Result<Slice> {
    let mut listed = 0;
    let mut slice = pages(peer, &mut listed)?;
    if listed != count {
        return Err(format!("{listed} names were listed, and {count} were put").into());
    }
    slice.ops = listed;
    Ok(slice)
}

/// Walks all names by pages; each page is an operation. They must come in order.
fn pages(peer: &dyn Peer, listed: &mut u64) -> Result<Slice> {
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
    let (longest, rounds) = (bench.form.slice, bench.form.rounds);
    for round in 0..=rounds {
        let contents = content::some(puts.each, puts.size);
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
    for _ in 0..rounds {
        clean.add(&first_get(kind, dir, 0)?.0)?;
    }
    let peer = (kind.open)(dir, &Setup::default())?;
    let (mut first, mut listed) = (Tally::default(), 0);
    first.add(&once(|| pages(&*peer, &mut listed).map(drop))?)?;
    drop(peer);
    for round in 0..rounds as u64 {
        let number = count + round * KILLED;
        fill_and_kill(kind, dir, number, KILLED, SIZE)?;
        killed.add(&first_get(kind, dir, number + KILLED - 1)?.0)?;
    }
    for (tally, work, memory_bytes) in
        [(clean, "open", Some(memory.opened)), (first, "open_list", Some(memory.listed)), (killed, "open_killed", None)]
    {
        let mut row = tally.row(work, SIZE as u64, 1, kind.name);
        (row.names, row.memory_bytes) = (Some(count), memory_bytes);
        row.table_bytes = memory.table.filter(|_| work == "open");
        rows.push(row);
    }
    if kind.name == "mediacask" {
        rebuild(kind, dir, count, rows)?;
    }
    Ok(())
}

/// Opens a store until it has given the content of this number; the store is closed by the caller, unmeasured.
fn first_get(kind: Kind, dir: &Path, number: u64) -> Result<(Slice, Box<dyn Peer>)> {
    let mut peer = None;
    let slice = once(|| {
        let opened = peer.insert((kind.open)(dir, &Setup::default())?);
        expect(&**opened, &random_name(number), &content::of(number, SIZE))
    })?;
    Ok((slice, peer.ok_or("it did not open")?))
}

/// Opens from the log alone, and lists.
fn rebuild(kind: Kind, dir: &Path, count: u64, rows: &mut Vec<Row>) -> Result<()> {
    fs::remove_file(dir.join("catalog"))?;
    fs::remove_dir_all(dir.join("index"))?;
    let (slice, peer) = first_get(kind, dir, 0)?;
    let mut listed = 0;
    let listing = once(|| pages(&*peer, &mut listed).map(drop))?;
    for (slice, work) in [(slice, "rebuild"), (listing, "rebuild_list")] {
        let mut row = row_of(&slice, work, SIZE as u64, 1, kind.name)?;
        row.names = Some(count);
        rows.push(row);
    }
    if listed < count { Err(format!("{listed} names are left of {count}").into()) } else { Ok(()) }
}

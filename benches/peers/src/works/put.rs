//! Durable puts: new names, new content, by one writer and by many.

use std::time::Duration;

use super::Bench;
use crate::content;
use crate::form::Puts;
use crate::measure::{Slice, on_threads};
use crate::peer::{Content, Peer, Result, Role, Setup};

pub fn work(bench: &mut Bench<'_>) {
    for puts in bench.form.puts.clone() {
        one(bench, puts);
    }
}

fn one(bench: &mut Bench<'_>, puts: Puts) {
    let count = puts.threads * puts.each;
    let total = (count * (bench.form.rounds + 1)) as u64;
    let setup = Setup { bytes: total * puts.size as u64, puts: total, ..Setup::default() };
    let title = format!("put, {} bytes, {} threads", puts.size, puts.threads);
    let mut field = bench.field(&title, &[Role::Store, Role::Limit], &setup);
    let longest = bench.form.slice;
    for round in 0..=bench.form.rounds {
        let contents = content::some(count, puts.size);
        let first = (round * count) as u64;
        bench.round(&mut field, round, |entrant| slice(&*entrant.peer, puts, first, &contents, longest));
        bench.each(&mut field, |entrant| expect(&*entrant.peer, &content::name(first), &contents[0]));
    }
    for entrant in bench.in_order(field) {
        let mut row = entrant.tally.row("put", puts.size as u64, puts.threads as u64, entrant.kind.name);
        row.written_per_byte = entrant.tally.written_per_byte(puts.size as u64);
        row.disk_per_byte = entrant.disk_per_byte(entrant.done * puts.size as u64);
        row.note = entrant.peer.note();
        bench.report.rows.push(row);
    }
}

/// Each thread puts its share, under names from `first` on; the first of all is put whatever the time allows.
pub fn slice(peer: &dyn Peer, puts: Puts, first: u64, contents: &[Content], longest: Duration) -> Result<Slice> {
    on_threads(puts.threads, puts.each, 1, longest, &|thread| {
        Ok(Box::new(move |n| {
            let place = n * puts.threads + thread;
            peer.put(&content::name(first + place as u64), &contents[place])
        }))
    })
}

/// Fails unless the name holds these bytes.
pub fn expect(peer: &dyn Peer, name: &str, content: &[u8]) -> Result<()> {
    let mut is_right = false;
    if !peer.reader()?.get(name, &mut |bytes| is_right = bytes == content)? {
        return Err(format!("{name} is not there").into());
    }
    if is_right { Ok(()) } else { Err(format!("{name} does not hold what was put").into()) }
}

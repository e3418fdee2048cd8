//! Cold gets: each name once, by a store that was just opened, of which the system holds nothing in memory.
//!
//! The store is closed, its files are synced and dropped from the page cache (`POSIX_FADV_DONTNEED`), and it is
//! opened again; what opening reads is read outside the timed part. The file system's own tables (inodes, names)
//! stay in memory: dropping those would take the rights of root. A disk of a virtual machine may have a cache
//! below, which nothing here empties.

use std::hint::black_box;

use super::get::sum;
use super::{Bench, Entrant};
use crate::content::{self, name, scattered};
use crate::form::Gets;
use crate::measure::{Slice, make_cold, on_threads};
use crate::peer::{Kind, Peer, Result, Role, Setup};

pub fn work(bench: &mut Bench<'_>) {
    for gets in bench.form.cold.clone() {
        one(bench, gets);
    }
}

fn one(bench: &mut Bench<'_>, gets: Gets) {
    let title = format!("cold gets, {} bytes", gets.size);
    let mut field = bench.field(&title, &[Role::Store], &Setup::default());
    for n in 0..gets.names {
        let item = [(name(n), content::fresh(gets.size))];
        bench.each(&mut field, |entrant| entrant.peer.put_many(&item));
    }
    // Who buffers what was put would read it back into memory when it opens.
    bench.each(&mut field, |entrant| entrant.peer.settle());
    let mut closed: Vec<_> = bench.in_order(field).into_iter().map(Entrant::close).collect();
    for round in 0..bench.form.rounds {
        let first = round % closed.len().max(1);
        closed.rotate_left(first);
        closed.retain_mut(|(kind, dir, tally)| {
            let outcome = cold(*kind, dir.path(), gets).and_then(|slice| tally.add(&slice));
            outcome.inspect_err(|error| bench.report.fail(kind.name, &title, error)).is_ok()
        });
    }
    closed.sort_by_key(|(kind, ..)| bench.kinds.iter().position(|known| known.name == kind.name));
    for (kind, _, tally) in closed {
        bench.report.rows.push(tally.row("get_cold", gets.size as u64, 1, kind.name));
    }
}

fn cold(kind: Kind, dir: &std::path::Path, gets: Gets) -> Result<Slice> {
    make_cold(dir)?;
    let peer: Box<dyn Peer> = (kind.open)(dir, &Setup::default())?;
    // Neighbours in time are no neighbours in the store, so that read-ahead for one is none for the next; each once.
    let mut order: Vec<u64> = (0..gets.names).collect();
    order.sort_by_key(|n| scattered(*n, u64::MAX));
    on_threads(1, gets.each.min(order.len()), 1, std::time::Duration::MAX, &|_| {
        let (mut reader, order) = (peer.reader()?, &order);
        Ok(Box::new(move |n| {
            let there = reader.get(&name(order[n]), &mut |bytes| {
                black_box(sum(bytes));
            })?;
            if there { Ok(()) } else { Err("a name is gone".into()) }
        }))
    })
}

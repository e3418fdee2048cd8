//! A mixed day: four threads put, two get what was put lately, one lists, and what is old expires; all at once.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::Bench;
use super::get::sum;
use crate::content::{self, name, scattered};
use crate::measure::{Slice, on_threads};
use crate::peer::{Content, Peer, Result, Role, Setup};
use crate::report::row_of;

const SIZE: usize = 16 << 10;
const WRITERS: usize = 4;
const READERS: usize = 2;
/// How many puts of each writer live.
const ALIVE: u64 = 1_000;
/// Names that expire together.
const GROUP: u64 = 64;

/// What the threads know of each other: how much each writer has put.
#[derive(Default)]
struct Progress {
    put: [AtomicU64; WRITERS],
    is_over: AtomicBool,
}

pub fn work(bench: &mut Bench<'_>) {
    let setup = Setup { lifetime: Some(ALIVE * WRITERS as u64), ..Setup::default() };
    let mut field = bench.field("day", &[Role::Store], &setup);
    let (longest, mut rows) = (bench.form.day, Vec::new());
    bench.each(&mut field, |entrant| {
        let slices = day(&*entrant.peer, longest)?;
        let alive = slices[0].ops.min(ALIVE * WRITERS as u64);
        let disk = entrant.disk_per_byte(alive * SIZE as u64);
        let works = [("day_put", WRITERS), ("day_get", READERS), ("day_list", 1)];
        for ((work, threads), slice) in works.into_iter().zip(&slices) {
            let mut row = row_of(slice, work, SIZE as u64, threads as u64, entrant.kind.name)?;
            row.disk_per_byte = disk.filter(|_| work == "day_put");
            row.note = entrant.peer.note().filter(|_| work == "day_put");
            rows.push(row);
        }
        Ok(())
    });
    // The sort keeps the order of the peers.
    rows.sort_by_key(|row| ["day_put", "day_get", "day_list"].iter().position(|work| *work == row.work));
    bench.report.rows.extend(rows);
}

fn day(peer: &dyn Peer, longest: Duration) -> Result<[Slice; 3]> {
    let (progress, template) = (Progress::default(), content::fresh(SIZE));
    let (progress, template) = (&progress, &template);
    thread::scope(|scope| {
        let puts = scope.spawn(move || {
            on_threads(WRITERS, usize::MAX, 1, longest, &|writer| {
                Ok(Box::new(move |n| put(peer, progress, template, writer, n as u64)))
            })
        });
        let gets = scope.spawn(move || {
            on_threads(READERS, usize::MAX, 1, longest, &|thread| {
                let mut reader = peer.reader()?;
                Ok(Box::new(move |n| {
                    let turn = (n * READERS + thread) as u64;
                    let writer = scattered(turn, WRITERS as u64);
                    let end = progress.put[writer as usize].load(Ordering::Acquire);
                    let back = scattered(turn, end.clamp(1, ALIVE / 2)) + 1;
                    let name = name(end.saturating_sub(back) * WRITERS as u64 + writer);
                    // It may have expired, or the day has just begun.
                    reader.get(&name, &mut |bytes| {
                        black_box(sum(bytes));
                    })?;
                    Ok(())
                }))
            })
        });
        let lists = scope.spawn(move || {
            on_threads(1, usize::MAX, 1, longest, &|_| {
                let mut reader = peer.reader()?;
                Ok(Box::new(move |_| {
                    reader.list(None, 1_000, &mut |name| {
                        black_box(name);
                    })
                }))
            })
        });
        let expiry = scope.spawn(move || expire(peer, progress));
        let join = |slice: thread::ScopedJoinHandle<'_, Result<Slice>>| -> Result<Slice> {
            slice.join().unwrap_or_else(|_| Err("a thread panicked".into()))
        };
        let slices = (join(puts), join(gets), join(lists));
        progress.is_over.store(true, Ordering::Release);
        expiry.join().unwrap_or_else(|_| Err("the expiry panicked".into()))?;
        Ok([slices.0?, slices.1?, slices.2?])
    })
}

/// The stamp is made in the timed part: a microsecond beside a sync.
fn put(peer: &dyn Peer, progress: &Progress, template: &Content, writer: usize, n: u64) -> Result<()> {
    let number = n * WRITERS as u64 + writer as u64;
    let mut bytes = template.to_vec();
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    peer.put(&name(number), &bytes.into())?;
    progress.put[writer].store(n + 1, Ordering::Release);
    Ok(())
}

/// Ends what is older than the last puts of its writer, for as long as the day goes.
fn expire(peer: &dyn Peer, progress: &Progress) -> Result<()> {
    let mut expired = 0;
    while !progress.is_over.load(Ordering::Acquire) {
        let slowest = progress.put.iter().map(|put| put.load(Ordering::Acquire)).min().unwrap_or(0);
        if slowest < expired + ALIVE + GROUP {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let numbers = expired * WRITERS as u64..(expired + GROUP) * WRITERS as u64;
        peer.expire(&numbers.map(name).collect::<Vec<_>>())?;
        expired += GROUP;
    }
    Ok(())
}

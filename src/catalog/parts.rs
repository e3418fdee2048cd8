//! The shards of a large catalog in a few parts, each filled or counted by a thread of its own while the store is
//! opened: what takes the time is waiting for memory.

use std::panic::resume_unwind;
use std::thread;

use super::SHARDS;

/// Below so many rows one thread is as fast.
const ROWS_MIN: usize = 100_000;
/// Most parts: more threads wait for the same memory.
const PARTS_MAX: usize = 4;

/// How many shards each part has, for so many rows.
pub(super) fn shards_each(rows: usize) -> usize {
    let parts = if rows < ROWS_MIN { 1 } else { thread::available_parallelism().map_or(1, usize::from).min(PARTS_MAX) };
    SHARDS.div_ceil(parts)
}

/// What `task` makes of each part, in their order.
pub(super) fn side_by_side<P: Send, T: Send>(parts: Vec<P>, task: impl Fn(P) -> T + Sync) -> Vec<T> {
    if parts.len() < 2 {
        return parts.into_iter().map(task).collect();
    }
    thread::scope(|scope| {
        let task = &task;
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || task(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// The rows of `len` bytes each that belong to each part, if they come by their shards.
pub(super) fn rows_of_parts(rows: &[u8], len: usize, each: usize, shard: impl Fn(&[u8]) -> usize) -> Vec<&[u8]> {
    let count = rows.len() / len;
    let begin_of = |part: usize| {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            if shard(&rows[middle * len..][..len]) < part * each { low = middle + 1 } else { high = middle }
        }
        low * len
    };
    let parts = SHARDS.div_ceil(each);
    (0..parts)
        .map(|part| &rows[begin_of(part)..if part + 1 == parts { count * len } else { begin_of(part + 1) }])
        .collect()
}

//! What the benches share: a store to fill, content that repeats nowhere, and the physical limit.
//!
//! The limit is `raw`: a file with its room allocated beforehand, to which several threads append, a group
//! at a time, with one vectored write and one fdatasync a group: what any store that keeps its word must do
//! at least. `rawpre` is the same over extents that were written before, in whole pages.

#![allow(dead_code, unreachable_pub)] // Each bench uses its share.

use std::fs::File;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

/// A directory on the disk the build is on: a file system in memory syncs for nothing.
pub fn directory() -> tempfile::TempDir {
    let target = std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&target).expect("a place to measure in");
    tempfile::tempdir_in(target).expect("a place to measure in")
}

/// `len` bytes that no other call gives: the first 8 are a number, the rest is cheap noise.
pub fn content(len: usize) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = vec![0; len];
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    let first = len.min(8);
    bytes[..first].copy_from_slice(&number.to_le_bytes()[..first]);
    bytes
}

/// The physical limit; see above.
pub struct Raw {
    file: File,
    whole_pages: bool,
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: Vec<(u64, Vec<u8>)>,
    next: u64,
    /// Everybody below this number is done.
    done: u64,
    led: bool,
    end: u64,
}

impl Raw {
    /// A file of `len` bytes, allocated; or written beforehand as well.
    pub fn new(dir: &Path, len: u64, prewritten: bool) -> Raw {
        let path = dir.join(if prewritten { "rawpre" } else { "raw" });
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path).expect("a file");
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len).expect("room");
        if prewritten {
            let noise = content(1 << 20);
            for at in (0..len).step_by(noise.len()) {
                rustix::io::pwrite(&file, &noise, at).expect("a write");
            }
        }
        file.sync_all().expect("a sync");
        Raw { file, whole_pages: prewritten, line: Mutex::default(), changed: Condvar::new() }
    }

    /// Appends, durably; in a group with whoever waits along.
    pub fn put(&self, bytes: Vec<u8>) {
        let mut line = self.line.lock().expect("no panics");
        let mine = line.next;
        line.next += 1;
        line.waiting.push((mine, bytes));
        while line.done <= mine {
            if line.led {
                line = self.changed.wait(line).expect("no panics");
                continue;
            }
            line.led = true;
            let group = std::mem::take(&mut line.waiting);
            let start = line.end;
            drop(line);
            let end = self.write(&group, start);
            line = self.line.lock().expect("no panics");
            line.end = end;
            line.done = group.last().expect("its own is in it").0 + 1;
            line.led = false;
            self.changed.notify_all();
        }
    }

    fn write(&self, group: &[(u64, Vec<u8>)], start: u64) -> u64 {
        let len: u64 = group.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let fill = if self.whole_pages { (start + len).next_multiple_of(4096) - start - len } else { 0 };
        let zeros = [0; 4096];
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|(_, bytes)| IoSlice::new(bytes)).collect();
        slices.push(IoSlice::new(&zeros[..fill as usize]));
        let mut slices = &mut slices[..];
        let mut at = start;
        while !slices.is_empty() {
            let written = rustix::io::pwritev(&self.file, &slices[..slices.len().min(1024)], at).expect("a write");
            at += written as u64;
            IoSlice::advance_slices(&mut slices, written);
        }
        self.file.sync_data().expect("a sync");
        start + len
    }
}

/// Runs `work(thread, n)` for n in `0..each` on so many threads, and gives the seconds it took.
pub fn on_threads(threads: usize, each: usize, work: impl Fn(usize, usize) + Sync) -> f64 {
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || (0..each).for_each(|n| work(thread, n)));
        }
    });
    begun.elapsed().as_secs_f64()
}

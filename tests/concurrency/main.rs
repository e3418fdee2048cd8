//! What holds when many threads use one store: versions are whole, conditions and groups decide once,
//! failures reach everybody, blobs that are held never change, and closing is clean.

#[path = "../support/mod.rs"]
mod support;

mod blobs;
mod closing;
mod groups;
mod lists;
mod lock;
mod races;
mod tap;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{Clock, Store, StoreOptions};
use support::Random;
use tempfile::TempDir;

/// Segments of 64 KiB, so that they fill, leave the log and are written again while a test runs.
fn small() -> StoreOptions {
    Store::options().segment_len(64 << 10).file_threshold(16 << 10).index_cache_bytes(1 << 20)
}

/// A directory where no sync waits for a device, if there is one.
fn directory() -> TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("mediacask-test-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a directory for temporary files")
}

/// Content that can be told from every other, and a part of it from the whole: the stamp comes first,
/// the rest follows from it.
fn content(stamp: u64, len: usize) -> Vec<u8> {
    let mut bytes = stamp.to_le_bytes().to_vec();
    let mut random = Random::new(stamp);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len.max(8));
    bytes
}

/// The stamp of content that is whole.
fn stamp_of(bytes: &[u8]) -> u64 {
    let stamp = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes == content(stamp, bytes.len()), "content {stamp} of {} bytes is not what was put", bytes.len());
    stamp
}

/// A clock that stands still until it is set on.
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn new() -> Hands {
        Hands(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }

    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(hands.load(Ordering::SeqCst)))
    }

    fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// The names under which threads and rounds differ, as one number.
fn numbered(thread: u64, n: u64) -> u64 {
    thread << 32 | n
}

//! Where a test's store lives, and a clock that a test sets by hand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::{Account, Clock, Store, StoreOptions, Upkeep};
use tempfile::TempDir;

/// An empty directory that goes with the test; in memory where there is some.
pub(crate) fn temp_dir() -> TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("mediacask-test-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a directory for temporary files")
}

/// A new store that does nothing by itself, and an account of it.
pub(crate) fn by_hand() -> (TempDir, Store, Account) {
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).open(dir.path().join("store")).unwrap();
    let account = store.account("5500001").unwrap();
    (dir, store, account)
}

/// Options of a store whose segments are so small that a few puts fill one.
pub(crate) fn small() -> StoreOptions {
    Store::options().upkeep(Upkeep::ByHand).segment_len(64 << 10).file_threshold(16 << 10)
}

/// The files below a directory, however deep, in order.
pub(crate) fn files_below(path: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(files_below(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

/// A clock set by hand; clones show the same time.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    /// A clock that stands at some day in 2023.
    pub(crate) fn new() -> Hand {
        Hand(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }

    pub(crate) fn clock(&self) -> Clock {
        let ms = self.0.clone();
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(ms.load(Ordering::SeqCst)))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_ms())
    }

    pub(crate) fn set_ms(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

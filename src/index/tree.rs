//! One directory of sled: opened, read, written, flushed, closed, removed. The only file that names
//! sled (0.34.7).
//!
//! What its source and our measurements say, and what is done about it here:
//!
//! - It can panic in any call, so every call goes through [`guard`]. After the first panic or error
//!   a tree answers nothing any more ([`Broken`]).
//! - A call that waits for its I/O pool may wait for ever: when a thread of the pool panicked, and
//!   when a write failed at an unlucky moment (the waiter is not woken). So flushes are waited for
//!   with a limit, and a tree that does not come to rest is leaked instead of dropped: dropping
//!   flushes as well, without a limit.
//! - A crash inside `open` leaves `snap.*.generating`, which every later open takes for the newest
//!   snapshot: such files go first.
//! - The lock on its file (flock) lives until the last task of the pool is done with it, a moment
//!   after the tree was dropped: opening waits for it a little.
//! - It has a thread that flushes, fsyncs and stops for ever at the first error; it is turned off.
//! - `apply_batch` and transactions slow down all later calls of the process; neither is used.
//! - In a child of `fork` its threads are gone: dropped there, a tree is leaked as it stands.

use std::future::Future;
use std::mem;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::disk::locks::{Condvar, Mutex};

use super::guard::{self, Failure, FailureKind};
use super::key::{self, POSITION_KEY, Position};
use super::rows::{Batch, Range, in_order};
use super::{Broken, Change};

/// What the names of the threads of sled's I/O pool begin with.
const POOL_THREADS: &str = "sled-io-";

/// What sled's errors say once a thread of the pool has died.
const POOL_DEAD: [&str; 2] = ["IO thread unexpectedly panicked", "threadpool failed to complete"];

/// How long a flush may take: far beyond what a busy disk needs, and not for ever.
const FLUSH_WAIT_MAX: Duration = Duration::from_mins(1);

/// How long a tree that is let go may take to come to rest.
const REST_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long opening waits for the lock of a tree that was just let go.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);

/// How the error of a held lock begins; it has no kind of its own.
const LOCK_HELD: &str = "could not acquire lock";

/// Counts the trees that are open, to wait for the last.
#[derive(Default)]
pub(super) struct Census {
    /// Guards the count; held for an instant.
    open: Mutex<usize>,
    fewer: Condvar,
}

impl Census {
    /// How many trees are open.
    pub(super) fn open(&self) -> usize {
        *self.open.lock()
    }

    /// Waits until no more than `count` trees are open, but not for ever: who reads may be held up by the disk.
    pub(super) fn wait_for(&self, count: usize) {
        let mut open = self.open.lock();
        let deadline = Instant::now() + FLUSH_WAIT_MAX;
        while *open > count && self.fewer.wait_until(&mut open, deadline) {}
    }
}

/// An open tree. Dropped, it is flushed and closed; removed as well when it was doomed.
pub(super) struct Tree {
    /// `None` only while it is dropped.
    db: Option<sled::Db>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Why nothing is asked of it any more.
    broken: OnceLock<String>,
    /// Whether its directory goes with it.
    doomed: AtomicBool,
    census: Arc<Census>,
}

impl Tree {
    /// Opens the tree in `dir`, a directory that exists, or begins one there.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        cache_bytes: u64,
        census: &Arc<Census>,
    ) -> Result<Tree, Failure> {
        guard::watch(POOL_THREADS);
        remove_unfinished_snapshots(&**disk, dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(None);
        let deadline = Instant::now() + LOCK_WAIT_MAX;
        let db = loop {
            match guard::call_at(dir, || config.open().map_err(|e| failure(&e))) {
                Ok(db) => break db,
                Err(held) if held.kind == FailureKind::Held && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(failure) => return Err(failure),
            }
        };
        *census.open.lock() += 1;
        Ok(Tree {
            db: Some(db),
            disk: Arc::clone(disk),
            dir: dir.to_path_buf(),
            broken: OnceLock::new(),
            doomed: AtomicBool::new(false),
            census: Arc::clone(census),
        })
    }

    pub(super) fn apply(&self, changes: &mut [Change<'_>]) -> Result<(), Broken> {
        self.call(|db| {
            in_order(changes, |key, sequence| {
                let before = match sequence {
                    Some(sequence) => db.insert(key, &sequence.to_le_bytes()),
                    None => db.remove(key),
                };
                before.map(drop).map_err(|e| failure(&e))
            })
        })
    }

    /// Reads up to `rows_max` rows of a range, in order.
    pub(super) fn read(&self, range: &Range<'_>, rows_max: usize, batch: &mut Batch) -> Result<(), Broken> {
        self.call(|db| {
            for row in db.range::<&[u8], _>(range.bounds()).take(rows_max) {
                let (key, value) = row.map_err(|e| failure(&e))?;
                let sequence = key::decode_sequence(&value).ok_or_else(|| {
                    let found = format!("a row's value has {} bytes instead of 8", value.len());
                    Failure::new(FailureKind::Error, found)
                })?;
                batch.push(&key, sequence);
            }
            Ok(())
        })
    }

    pub(super) fn position(&self) -> Result<Option<Position>, Broken> {
        let value = self.call(|db| db.get(POSITION_KEY).map_err(|e| failure(&e)))?;
        Ok(value.and_then(|bytes| Position::decode(&bytes)))
    }

    /// Waits until what was changed is written.
    pub(super) fn push_out(&self) -> Result<(), Broken> {
        self.call(|db| flush(db, FLUSH_WAIT_MAX))
    }

    /// Flushes all rows, then `position`: it is never on the disk before what it speaks of.
    pub(super) fn flush(&self, position: Position) -> Result<(), Broken> {
        self.call(|db| {
            flush(db, FLUSH_WAIT_MAX)?;
            db.insert(POSITION_KEY, &position.encode()).map_err(|e| failure(&e))?;
            flush(db, FLUSH_WAIT_MAX)
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Asks nothing of it any more: what it answered cannot be.
    pub(super) fn condemn(&self, broken: &Broken) {
        self.broken.get_or_init(|| broken.0.clone());
    }

    /// Has the directory removed with the last reader; until then long keys are read from files in it.
    pub(super) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    fn call<T>(&self, call: impl FnOnce(&sled::Db) -> Result<T, Failure>) -> Result<T, Broken> {
        if let Some(why) = guard::given_up() {
            self.broken.get_or_init(|| why.to_owned());
        }
        if let Some(why) = self.broken() {
            return Err(Broken::new(why));
        }
        let Some(db) = &self.db else {
            return Err(Broken::closed());
        };
        guard::call_at(&self.dir, || call(db)).map_err(|failure| {
            if failure.kind == FailureKind::Pool {
                guard::give_up(&failure.why);
            }
            Broken::new(self.broken.get_or_init(|| failure.why).as_str())
        })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if guard::forked() {
            mem::forget(self.db.take());
            return;
        }
        if let Some(db) = self.db.take() {
            let rest = guard::call(|| flush(&db, REST_WAIT_MAX));
            if rest.is_err_and(|failure| failure.kind == FailureKind::Pool) {
                mem::forget(db);
            } else {
                let _ = guard::call(|| {
                    drop(db);
                    Ok(())
                });
            }
        }
        if self.doomed.load(Ordering::Acquire) {
            discard(&*self.disk, &self.dir);
        }
        *self.census.open.lock() -= 1;
        self.census.fewer.notify_all();
    }
}

/// Removes the directory of a tree that is not open. Under another name: what a crash leaves of it is
/// no tree.
pub(super) fn discard(disk: &dyn Disk, dir: &Path) {
    let aside = dir.with_extension("aside");
    let renamed = disk.rename(dir, &aside).is_ok();
    remove(disk, if renamed { &aside } else { dir });
}

/// Removes a directory for good, so that no crash brings back the names in it. What cannot be removed
/// is tried again at the next open.
pub(super) fn remove(disk: &dyn Disk, dir: &Path) {
    // A file that stands where a tree should goes as well.
    let removed = disk.remove_dir_all(dir).or_else(|_| disk.unlink(dir));
    if let (Ok(()), Some(parent)) = (removed, dir.parent()) {
        let _ = disk.sync_dir(parent);
    }
}

fn remove_unfinished_snapshots(disk: &dyn Disk, dir: &Path) -> Result<(), Failure> {
    let io = |e| Failure::new(FailureKind::Error, format!("cannot look into {}: {e}", dir.display()));
    for found in disk.read_dir(dir).map_err(io)? {
        if found.name.starts_with("snap.") && found.name.ends_with(".generating") {
            disk.unlink(&dir.join(&found.name)).map_err(io)?;
        }
    }
    Ok(())
}

/// What an error of sled's means, in words: its own are made for its developers.
fn failure(error: &sled::Error) -> Failure {
    use sled::Error as E;
    let error = match error {
        // The same kind is given to some damage; only these two texts are of the pool.
        E::ReportableBug(text) if POOL_DEAD.iter().any(|dead| text.contains(dead)) => {
            return Failure::new(FailureKind::Pool, "a thread of its I/O pool died");
        }
        E::Io(e) if e.to_string().starts_with(LOCK_HELD) => {
            let why = "another process holds its lock, most likely one that was forked from this";
            return Failure::new(FailureKind::Held, why);
        }
        // A second report of an error has lost its number and has only its kind.
        E::Io(e) if e.raw_os_error().is_none() => e.kind().to_string(),
        E::Io(e) => e.to_string(),
        E::Corruption { .. } => "its files are damaged".to_owned(),
        E::CollectionNotFound(_) | E::Unsupported(_) | E::ReportableBug(_) => error.to_string(),
    };
    Failure::new(FailureKind::Error, error)
}

/// Pushes what was written out to the disk; runs in sled's pool, and is given up after `wait_max`.
fn flush(db: &sled::Db, wait_max: Duration) -> Result<(), Failure> {
    let flushed = wait(db.flush_async(), wait_max).ok_or_else(|| {
        let why = format!("a flush did not end within {} s", wait_max.as_secs());
        Failure::new(FailureKind::Pool, why)
    })?;
    flushed.map(drop).map_err(|e| failure(&e))
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread; `None` when it took too long.
fn wait<T>(future: impl Future<Output = T>, wait_max: Duration) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let deadline = Instant::now() + wait_max;
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use tempfile::TempDir;

    use crate::disk::files::RealDisk;

    use super::super::Index;
    use super::*;

    #[test]
    fn a_row_that_nobody_wrote_breaks_the_rows() {
        for (key, value) in [(&b"a\0name"[..], &b"short"[..]), (b"a\0b\0c", &[0; 8]), (b"no nul", &[0; 8])] {
            let dir = TempDir::new().unwrap();
            let position = Position { segment: 1, offset: 2, store_id: [3; 16] };
            let open = || Index::open(Arc::new(RealDisk), dir.path(), position.store_id, 1 << 20);
            let index = open();
            let mut rows = std::iter::once(("a".to_owned(), "a".to_owned(), 1));
            index.replace(position, &mut rows, &mut |_| ControlFlow::Continue(())).unwrap();
            index.close();
            let db = loop {
                if let Ok(db) = sled::open(dir.path().join("00000002")) {
                    break db;
                }
            };
            db.insert(key, value).unwrap();
            drop(db);
            let index = open();
            assert_eq!(index.position(), Some(position));
            assert!(index.rows_sum("a", &|_, _| 0).is_err() || index.accounts_in_rows().is_err());
            assert!(index.state().broken.is_some(), "{key:?}");
        }
    }

    #[test]
    fn a_flush_that_never_ends_is_given_up() {
        assert_eq!(wait(std::future::pending::<()>(), Duration::from_millis(5)), None);
        assert_eq!(wait(std::future::ready(7), Duration::ZERO), Some(7));
    }

    #[test]
    fn the_death_of_the_pool_is_told_from_other_errors() {
        let dead = failure(&sled::Error::ReportableBug("IO thread unexpectedly panicked".into()));
        assert_eq!(dead.kind, FailureKind::Pool);
        let damage = failure(&sled::Error::ReportableBug("failed to retrieve META page".into()));
        assert_eq!(damage.kind, FailureKind::Error);
        let full = failure(&sled::Error::Io(std::io::ErrorKind::StorageFull.into()));
        assert_eq!(full.kind, FailureKind::Error);
    }
}

//! Group commit for who has none: whoever comes first commits for all who wait by then.
//!
//! It is the shape of mediacask's own commit: no thread of its own, no waiting for company; while one group is
//! being synced the next one gathers. A store behind it sees one transaction for each group.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::{Condvar, Mutex};

use crate::peer::Result;

/// The queue in front of a store.
pub struct Front<T> {
    line: Mutex<Line<T>>,
    moved: Condvar,
}

/// Guarded by the lock of [`Front`].
struct Line<T> {
    waiting: Vec<T>,
    /// The number of the next to come.
    next: u64,
    /// All below this number are done.
    done: u64,
    is_led: bool,
    /// What went wrong; nothing is committed after it.
    failed: Option<String>,
}

impl<T> Front<T> {
    pub fn new() -> Front<T> {
        let line = Line { waiting: Vec::new(), next: 0, done: 0, is_led: false, failed: None };
        Front { line: Mutex::new(line), moved: Condvar::new() }
    }

    /// Has the item committed, with those of the others who wait; returns when it is.
    pub fn submit(&self, item: T, commit: impl FnOnce(Vec<T>) -> Result<()>) -> Result<()> {
        let mut line = self.line.lock();
        let mine = line.next;
        line.next += 1;
        line.waiting.push(item);
        while line.is_led && line.done <= mine {
            self.moved.wait(&mut line);
        }
        if line.done <= mine && line.failed.is_none() {
            line.is_led = true;
            let (group, end) = (std::mem::take(&mut line.waiting), line.next);
            drop(line);
            // A store that panics must not leave the others waiting for ever.
            let outcome = catch_unwind(AssertUnwindSafe(|| commit(group)));
            line = self.line.lock();
            line.failed = match outcome {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("it panicked while it committed a group".to_owned()),
            };
            line.done = end;
            line.is_led = false;
            self.moved.notify_all();
        }
        line.failed.as_deref().map_or(Ok(()), |error| Err(error.into()))
    }
}

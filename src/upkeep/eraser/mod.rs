//! Erasure: what was deleted, overwritten or has expired is in no file of the store when its time is over.
//!
//! What lets go of something says when; the first of it, half its time later, begins a pass. A pass has steps, and
//! between them the background does what else is due:
//! 1. Find the segments that hold anything dead, or the end of a name, which tells it; or remains beside their
//!    records. What the segment that is written now holds of it is ended by beginning the next.
//! 2. Write the catalog down: it holds digests, and what it lists as complete may leave the log.
//! 3. Compact the segments that were found, whatever it is worth, in batches, those with the oldest records first.
//! 4. An end that was copied, since an older put of its name stood in a later batch, has nothing left to hold
//!    back now: the segments that were written in 3 and hold ends are compacted once more, from 2 on.
//! 5. Write the index anew (`renewer.rs`): its files keep rows that were removed.
//! 6. Remove what repair has set aside, when it is old enough. Make all removals durable: no crash brings back a file.
//!
//! A crash after any of them leaves a sound store in which something dead is still to be found: each step is one
//! of the index, of the checkpoint or of compaction. What is owed, and since when, `owed.rs` finds out at open.
//!
//! Files that held content are unlinked and not written again (`log/spares.rs`), those that an earlier process kept
//! as spares at open (`recovery/mend.rs`). What dies during a pass is for the next one.

mod owed;
mod pass;

use std::collections::HashSet;
use std::time::Duration;

use super::compactor::Effort;
use super::{CompactReport, Task, Upkeep};
use crate::error::{ErrorKind, Result};

pub(crate) use owed::Owed;
use pass::{Erased, Pass};

/// The work under way.
#[derive(Default)]
pub(crate) struct Eraser {
    /// Whatever an earlier process has left is owed since then, Unix ms.
    opened_ms: u64,
    has_looked: bool,
    /// The pass under way.
    pass: Option<Pass>,
    /// Complete segments that hold nothing beside their records and footer.
    without_remains: HashSet<u32>,
}

impl Eraser {
    pub(super) fn new(now_ms: u64) -> Eraser {
        Eraser { opened_ms: now_ms, ..Eraser::default() }
    }
}

impl Upkeep {
    /// One step of what is due behind the scenes; nothing while somebody else is at it.
    /// Says whether there is more to do at once.
    pub(super) fn erase_if_due(&self) -> Result<bool> {
        let Some(within) = self.erase_within else { return Ok(false) };
        let Some(mut eraser) = self.eraser.try_lock() else { return Ok(false) };
        if eraser.pass.is_none() && !self.is_due(&mut eraser, within)? {
            return Ok(false);
        }
        self.step(&mut eraser, Effort::Bound { over: 0, room: u64::MAX, pressed: false }).map(|done| done.is_none())
    }

    /// Erases what is due, after a sweep by hand.
    pub(super) fn erase_due_by_hand(&self) -> Result<CompactReport> {
        let Some(within) = self.erase_within else { return Ok(CompactReport::default()) };
        let mut eraser = self.eraser.lock();
        if eraser.pass.is_some() || self.is_due(&mut eraser, within)? {
            return self.whole_pass(&mut eraser);
        }
        Ok(CompactReport::default())
    }

    /// Erases all that is dead or has expired, at once.
    pub(super) fn erase_by_hand(&self) -> Result<CompactReport> {
        if self.erase_within.is_none() {
            return Ok(CompactReport::default());
        }
        self.sweep_all()?;
        let mut eraser = self.eraser.lock();
        self.look(&mut eraser)?;
        // For one that is under way, what died since it has begun is too late.
        eraser.pass = None;
        self.whole_pass(&mut eraser)
    }

    fn whole_pass(&self, eraser: &mut Eraser) -> Result<CompactReport> {
        loop {
            match self.step(eraser, Effort::All { pressed: false }) {
                Ok(None) => {}
                Ok(Some(report)) => return Ok(report),
                // Where there is no room for it, what else was asked for may make some.
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    self.note(Err(error));
                    return Ok(CompactReport::default());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One step of a pass, which is begun when none is under way; gives what it came to, after the last one.
    fn step(&self, eraser: &mut Eraser, effort: Effort) -> Result<Option<CompactReport>> {
        let (_span, begun) = Task::Erasure.begin();
        let outcome = match eraser.pass.take() {
            None => self.begin_pass(eraser).map(|pass| (pass, true)),
            Some(mut pass) => self.go_on(&mut pass, effort).map(|is_more| (pass, is_more)),
        };
        match outcome {
            Ok((pass, true)) => {
                eraser.pass = Some(pass);
                Ok(None)
            }
            Ok((pass, false)) => {
                self.end_pass(&pass);
                Ok(Some(pass.report))
            }
            Err(error) => {
                self.give_up(error.to_string());
                if error.kind() == ErrorKind::Closed {
                    return Err(error);
                }
                self.keep_activity::<Erased>(Task::Erasure, begun, Err(error)).map(|_| None)
            }
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

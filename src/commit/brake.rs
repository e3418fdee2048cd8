//! The brake: who writes faster than room can be made waits for a little, so that the store takes no more of it
//! than it may.
//!
//! It is on while complete segments, and the one that compaction writes, take more than the bound allows, and the one
//! that is written is nearly full: the next would be too many. Each write then waits until compaction has made room, but
//! never longer than [`WAIT`]; what lets go of names does not wait. Where compaction finds nothing to free, nobody waits
//! for it. So on a machine on which compaction hardly comes to run, the store takes more for a while.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::waits::Waits;
use crate::catalog::Catalog;
use crate::disk::locks::{Condvar, Mutex};
use crate::log::{Log, Tail};

/// Longest that one write waits.
const WAIT: Duration = Duration::from_millis(90);

/// The brake of one store.
pub(crate) struct Brake {
    /// How many bytes of segments there may be for each that is needed; `None`: nobody makes room but by hand.
    amplification: Option<f64>,
    /// What complete segments may take though it is beyond the bound: nothing was found to free there.
    accepted: AtomicU64,
    /// Complete segments take more than they may.
    is_beyond: AtomicBool,
    is_on: AtomicBool,
    pub(crate) waits: Waits,
    /// Guards nothing but the waiting.
    gate: Mutex<()>,
    released: Condvar,
}

/// What the segments take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Bytes of complete ones, and of what compaction is gathering for one.
    pub(crate) sealed: u64,
    /// Bytes that are needed, of all.
    pub(crate) live: u64,
}

impl Taken {
    pub(crate) fn of(log: &Log, catalog: &Catalog) -> Taken {
        let lives = catalog.lives();
        let segments = log.segments();
        let sealed = segments.iter().filter(|known| known.trailer().is_some()).map(|known| known.len()).sum::<u64>()
            + log.gathering();
        let live = segments.iter().filter_map(|known| lives.get(&known.id())).map(|live| live.bytes).sum();
        Taken { sealed, live }
    }

    /// What complete segments may take.
    pub(crate) fn bound(&self, amplification: f64) -> u64 {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A bound.
        let bound = (self.live as f64 * amplification) as u64;
        bound
    }
}

impl Brake {
    pub(crate) fn new(amplification: Option<f64>) -> Brake {
        Brake {
            amplification,
            accepted: AtomicU64::new(0),
            is_beyond: AtomicBool::new(false),
            is_on: AtomicBool::new(false),
            waits: Waits::default(),
            gate: Mutex::new(()),
            released: Condvar::new(),
        }
    }

    /// Lets a write pass, at once or after a while.
    pub(super) fn pass(&self) {
        if self.is_on() {
            let mut gate = self.gate.lock();
            if self.is_on() {
                let begun = Instant::now();
                self.released.wait_for(&mut gate, WAIT);
                // What a busy machine takes to go on after that is not the brake's.
                self.waits.note(begun.elapsed().min(WAIT));
            }
        }
    }

    /// Whether writes wait.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Looks how much the segments take: there is one more, or there are fewer.
    pub(crate) fn measure(&self, taken: &Taken) {
        let Some(amplification) = self.amplification else { return };
        let allowed = taken.bound(amplification).max(self.accepted.load(Ordering::Relaxed));
        let is_beyond = taken.sealed > allowed;
        self.is_beyond.store(is_beyond, Ordering::Release);
        if !is_beyond && self.is_on.swap(false, Ordering::AcqRel) {
            // Behind this lock whoever has looked already sleeps.
            drop(self.gate.lock());
            self.released.notify_all();
        }
    }

    /// Takes it that no more can be freed than was, until there is a segment more.
    pub(crate) fn accept(&self, taken: &Taken, segment_len: u64) {
        self.accepted.store(taken.sealed + segment_len, Ordering::Relaxed);
        self.measure(taken);
    }

    /// Takes it that more can be freed: something was.
    pub(crate) fn expect_more(&self, taken: &Taken) {
        self.accepted.store(0, Ordering::Relaxed);
        self.measure(taken);
    }

    /// Looks how full the segment is that is written.
    pub(super) fn look(&self, tail: &Tail) {
        if self.is_beyond.load(Ordering::Acquire) && tail.is_nearly_full() {
            self.is_on.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_what_cannot_be_freed_nor_where_nobody_frees() {
        let taken = Taken { sealed: 1000, live: 100 };
        let beyond = |brake: &Brake| brake.is_beyond.load(Ordering::Relaxed);
        let by_hand = Brake::new(None);
        by_hand.measure(&taken);
        assert!(!beyond(&by_hand));
        let brake = Brake::new(Some(1.3));
        brake.measure(&taken);
        assert!(beyond(&brake));
        brake.accept(&taken, 50);
        assert!(!beyond(&brake));
        brake.measure(&Taken { sealed: 1051, ..taken });
        assert!(beyond(&brake));
        brake.measure(&Taken { sealed: 130, live: 100 });
        assert!(!beyond(&brake));
        brake.expect_more(&Taken { sealed: 131, live: 100 });
        assert!(beyond(&brake), "what was accepted is of another day");
    }
}

//! The brake: who writes faster than room can be made waits for a little, so that the store takes no more of it
//! than it may.
//!
//! The segments may take so many bytes for each that is needed, and two segments (`Log::margin`). So the next one may
//! begin when with it there are no more than that, and what compaction gathers in its next turn finds room as well.
//! As long as it may not, and this one is nearly full, each write waits: a little at first, and soon [`WAIT`]; what
//! lets go of names does not wait. Where compaction finds nothing to free, nobody waits for it. On a machine on which
//! compaction hardly comes to run, the store takes more for a while.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::waits::Waits;
use crate::catalog::Catalog;
use crate::disk::locks::{Condvar, Mutex};
use crate::log::{Log, Tail};

/// Longest that one write waits.
const WAIT: Duration = Duration::from_millis(90);
/// From so many thousandths of a segment on, writes wait; and room for the next is made, or else from so many on,
/// where there are this many segments.
const BEGIN: u64 = 700;
const EARLY: u64 = 250;
const FEW: u64 = 12;
/// A segment is worth compacting when it is dead to this part of what all together may be. Were less dead in each, they
/// would keep to the bound: a store to which nothing was done but put never copies what fills segments badly.
const WORTH: f64 = 0.9;
/// What is needed is counted while others write: so much of the margin is for that.
const UNSEEN: u64 = 32;
/// Room for what compaction writes beside what it copies, as a share of that.
const BESIDE: u64 = 16;

/// The brake of one store.
pub(crate) struct Brake {
    /// How many bytes of segments there may be for each that is needed; `None`: nobody makes room but by hand.
    amplification: Option<f64>,
    /// What there may be though it is beyond the bound: nothing was found to free there.
    accepted: AtomicU64,
    /// The next segment may not begin yet.
    is_beyond: AtomicBool,
    /// How long each write waits, in microseconds.
    wait_us: AtomicU64,
    pub(crate) waits: Waits,
    /// Guards nothing but the waiting.
    gate: Mutex<()>,
    released: Condvar,
}

/// What the segments take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Bytes of the files there are: of complete segments, the active one, what compaction gathers, and what is about
    /// to go.
    there: u64,
    /// Bytes of the next segment.
    next: u64,
    /// Bytes that are to be gathered at a time in the turns that free it, beside what is being gathered.
    turn: u64,
    /// Bytes that are needed, of all.
    live: u64,
    /// Bytes that there may be in any case.
    margin: u64,
}

impl Taken {
    pub(crate) fn of(log: &Log, catalog: &Catalog, amplification: f64) -> Taken {
        let lives = catalog.lives();
        let (segments, beside) = log.present();
        let live_of = |id: u32| lives.get(&id).map_or(0, |live| live.bytes);
        let complete = segments.iter().filter(|known| known.trailer().is_some());
        let complete = complete.map(|known| (known.len(), live_of(known.id())));
        let worth = complete.filter(|(len, live)| is_worth(len.saturating_sub(*live), *len, amplification));
        let (next, gathering) = (log.segment_len(), log.gathering());
        Taken {
            there: segments.iter().map(|known| known.len()).sum::<u64>() + beside,
            next,
            turn: turn_of(worth.collect(), next).saturating_sub(gathering),
            live: segments.iter().map(|known| live_of(known.id())).sum(),
            margin: log.margin(),
        }
    }

    /// What there may be.
    fn bound(&self, amplification: f64) -> u64 {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A bound.
        let bound = (self.live as f64 * amplification) as u64;
        bound + self.margin - self.margin / UNSEEN
    }

    /// What there must be room for when the next segment begins.
    fn wanted(&self) -> u64 {
        self.there + self.next + self.turn
    }

    /// Bytes that must go before the next segment may begin.
    pub(crate) fn beyond(&self, amplification: f64) -> u64 {
        self.wanted().saturating_sub(self.bound(amplification))
    }

    /// Bytes that compaction may gather now.
    pub(crate) fn free(&self, amplification: f64) -> u64 {
        self.bound(amplification).saturating_sub(self.there)
    }

    /// From which thousandth of a segment on room is to be made for the next one. Of few segments none is compacted
    /// before it must be: each moment makes much of them dead.
    pub(crate) fn begin(&self) -> u64 {
        if self.there >= FEW * self.next { EARLY } else { BEGIN }
    }
}

/// Whether so many dead bytes of a segment are worth compacting it, where the store may take so many times what is
/// needed.
#[allow(clippy::cast_precision_loss)] // A share.
pub(crate) fn is_worth(dead: u64, len: u64, amplification: f64) -> bool {
    dead as f64 >= WORTH * (1.0 - 1.0 / amplification) * len as f64
}

/// The most bytes that compaction writes at a time when it frees one segment, taking first what costs least. Given
/// the length of each that is worth it, and what is alive in it.
fn turn_of(mut worth: Vec<(u64, u64)>, segment_len: u64) -> u64 {
    worth.sort_unstable_by_key(|(len, live)| live * 1000 / len.saturating_sub(*live).max(1));
    let (mut freed, mut most) = (0, 0);
    for (len, live) in worth {
        if freed >= segment_len {
            break;
        }
        freed += len.saturating_sub(live);
        most = most.max(live + live / BESIDE);
    }
    most.min(segment_len)
}

/// How long each write waits while the next segment may not begin and so many thousandths of this one are written.
fn wait_at(fill: u64) -> Duration {
    let whole = 1000 - BEGIN;
    let way = fill.saturating_sub(BEGIN).min(whole);
    // Eight times the second power: little at first, all of it from a third of the way on.
    let part = 8 * way.pow(2);
    let wait_us = u64::try_from(WAIT.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros((wait_us * part / whole.pow(2)).min(wait_us))
}

impl Brake {
    pub(crate) fn new(amplification: Option<f64>) -> Brake {
        Brake {
            amplification,
            accepted: AtomicU64::new(0),
            is_beyond: AtomicBool::new(false),
            wait_us: AtomicU64::new(0),
            waits: Waits::default(),
            gate: Mutex::new(()),
            released: Condvar::new(),
        }
    }

    /// Lets a write pass, at once or after a while.
    pub(super) fn pass(&self) {
        if self.is_on() {
            let mut gate = self.gate.lock();
            let wait = Duration::from_micros(self.wait_us.load(Ordering::Acquire));
            if wait > Duration::ZERO {
                let begun = Instant::now();
                self.released.wait_for(&mut gate, wait);
                // What a busy machine takes to go on after that is not the brake's.
                self.waits.note(begun.elapsed().min(wait));
            }
        }
    }

    /// Whether writes wait.
    pub(crate) fn is_on(&self) -> bool {
        self.wait_us.load(Ordering::Acquire) > 0
    }

    /// Looks how much the segments of a store take.
    pub(super) fn measure_all(&self, log: &Log, catalog: &Catalog) {
        if let Some(amplification) = self.amplification {
            self.measure(&Taken::of(log, catalog, amplification));
        }
    }

    /// Looks how much the segments take: there is one more, or there are fewer.
    pub(crate) fn measure(&self, taken: &Taken) {
        let Some(amplification) = self.amplification else { return };
        let allowed = taken.bound(amplification).max(self.accepted.load(Ordering::Relaxed));
        let is_beyond = taken.wanted() > allowed;
        self.is_beyond.store(is_beyond, Ordering::Release);
        if !is_beyond {
            self.release();
        }
    }

    /// Takes it that no more can be freed than was, until there is a segment more.
    pub(crate) fn accept(&self, taken: &Taken) {
        self.accepted.store(taken.wanted() + taken.next, Ordering::Relaxed);
        self.measure(taken);
    }

    /// Takes it that more can be freed: something was.
    pub(crate) fn expect_more(&self, taken: &Taken) {
        self.accepted.store(0, Ordering::Relaxed);
        self.measure(taken);
    }

    /// Looks how full the segment is that is written.
    pub(super) fn look(&self, tail: &Tail) {
        if self.is_beyond.load(Ordering::Acquire) {
            self.wait_us.store(wait_at(tail.fill()).as_micros() as u64, Ordering::Release);
        } else {
            self.release();
        }
    }

    fn release(&self) {
        if self.wait_us.load(Ordering::Acquire) > 0 {
            self.wait_us.store(0, Ordering::Release);
            // Behind this lock whoever has looked already sleeps.
            drop(self.gate.lock());
            self.released.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_what_cannot_be_freed_nor_where_nobody_frees() {
        let taken = |there: u64| Taken { there, next: 50, turn: 0, live: 100, margin: 103 };
        let beyond = |brake: &Brake| brake.is_beyond.load(Ordering::Relaxed);
        let by_hand = Brake::new(None);
        by_hand.measure(&taken(1000));
        assert!(!beyond(&by_hand));
        let brake = Brake::new(Some(1.3));
        brake.measure(&taken(1000));
        assert!(beyond(&brake));
        brake.accept(&taken(1000));
        assert!(!beyond(&brake));
        brake.measure(&taken(1051));
        assert!(beyond(&brake));
        brake.measure(&taken(180));
        assert!(!beyond(&brake));
        brake.expect_more(&taken(181));
        assert!(beyond(&brake), "what was accepted is of another day");
    }

    #[test]
    fn what_is_to_be_gathered_has_its_room_before_a_segment_begins() {
        let brake = Brake::new(Some(1.3));
        let taken = |turn: u64| Taken { there: 150, next: 50, turn, live: 100, margin: 103 };
        for (turn, is_beyond) in [(30, false), (31, true)] {
            brake.measure(&taken(turn));
            assert_eq!(brake.is_beyond.load(Ordering::Relaxed), is_beyond);
        }
        assert_eq!((taken(30).beyond(1.2), taken(30).free(1.2)), (10, 70));
        // The best are taken, until a segment is freed.
        assert_eq!(turn_of(vec![(100, 79), (100, 32), (100, 64), (100, 48)], 100), 48 + 48 / BESIDE);
        assert_eq!(turn_of(vec![(100, 0), (100, 64)], 100), 0);
        assert_eq!(turn_of(Vec::new(), 100), 0);
    }

    #[test]
    #[allow(clippy::cast_precision_loss)] // Small numbers.
    fn what_is_not_worth_it_keeps_to_the_bound_by_itself() {
        for amplification in [1.05, 1.3, 2.0, 100.0] {
            let (len, live) = (1_000_000, |dead: u64| 1_000_000 - dead);
            let most = (0..len).take_while(|dead| !is_worth(*dead, len, amplification)).last().unwrap_or(0);
            assert!(len as f64 <= live(most) as f64 * amplification, "{most} dead bytes at {amplification}");
            assert!(is_worth(most + 1, len, amplification) && is_worth(len, len, amplification));
        }
        // Seven contents of 1 MiB lie in a segment of 8.
        assert!(!is_worth(1, 8, 1.3));
    }

    #[test]
    fn room_is_made_late_where_there_are_few_segments() {
        let taken = |there: u64| Taken { there, next: 50, ..Taken::default() };
        assert_eq!((taken(599).begin(), taken(600).begin()), (BEGIN, EARLY));
    }

    #[test]
    fn writes_wait_the_longer_the_less_is_left_and_never_longer_than_they_may() {
        let waits: Vec<Duration> = (0..=1000).map(wait_at).collect();
        assert!(waits.is_sorted() && waits[700].is_zero() && waits[1000] == WAIT && waits[810] == WAIT);
        assert!(waits[710] < Duration::from_millis(1) && waits[775] == WAIT / 2);
    }

    #[test]
    fn who_waits_goes_on_when_there_is_room() {
        let taken = |there: u64| Taken { there, live: 100, ..Taken::default() };
        let brake = Brake::new(Some(1.3));
        brake.measure(&taken(131));
        brake.wait_us.store(u64::from(u32::MAX), Ordering::Release);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| brake.pass());
            brake.measure(&taken(130));
            waiting.join().unwrap();
        });
        assert!(!brake.is_on());
    }
}

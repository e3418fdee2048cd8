//! How long a leader waits for company: one sync for sixteen writers costs little more than one for eight.
//!
//! Writers who put one thing after the other come back as soon as they are answered. A leader that began at
//! once would sync for half of them while the other half prepare, and the next one for these: twice the syncs.
//! So it expects as many as the group before it had, with those that waited meanwhile, and waits for them for
//! a share of what the last group took. Who leads for one writer never waits, nor who has so much to write that
//! writing takes longer than the sync: then it is better to write while others prepare. When those expected do not
//! come, writers are of another kind, and the next leaders do not wait, for twice as many groups each time.

use std::time::Duration;

/// A leader waits for this share of the time the last group took, at most;
const SHARE: u32 = 3;
/// and not at all when that was less than this: nothing to be spared then.
const WORTH: Duration = Duration::from_micros(80);
/// No longer than this, however slow the disk is.
const LONGEST: Duration = Duration::from_millis(1);
/// Bytes that take about as long to write as a sync takes in any case.
const ENOUGH: u64 = 512 << 10;
/// After this many leaders in a row have waited in vain, and after more, two to this power do not wait.
const VAIN_MAX: u32 = 6;

/// What the queue has learned of those who come.
#[derive(Debug, Default)]
pub(crate) struct Company {
    /// Members of the last group, and who waited when it was done.
    expected: usize,
    /// What the last group took.
    took: Duration,
    /// Leaders in a row that waited in vain.
    vain: u32,
    /// Leaders to come that do not wait.
    skip: u32,
}

impl Company {
    /// How many the next leader should wait for, and how long at most, with so many there who bring so many bytes;
    /// `None` when it should begin.
    pub(crate) fn expect(&mut self, waiting: usize, bytes: u64) -> Option<(usize, Duration)> {
        if waiting >= self.expected || bytes >= ENOUGH || self.took < WORTH {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        Some((self.expected, (self.took / SHARE).min(LONGEST)))
    }

    /// Whether a leader that waits for so many should begin, with those that are there.
    pub(crate) fn is_enough(wanted: usize, waiting: usize, bytes: u64) -> bool {
        waiting >= wanted || bytes >= ENOUGH
    }

    /// Whether those that were expected have come.
    pub(crate) fn came(&mut self, all: bool) {
        self.vain = if all { 0 } else { (self.vain + 1).min(VAIN_MAX) };
        self.skip = if all { 0 } else { 1 << self.vain };
    }

    /// A group of this many is done; so many wait.
    pub(crate) fn done(&mut self, led: usize, waiting: usize, took: Duration) {
        self.expected = led + waiting;
        self.took = took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(400);

    #[test]
    fn a_lone_writer_never_waits() {
        let mut company = Company::default();
        for _ in 0..10 {
            assert_eq!(company.expect(1, 9), None);
            company.done(1, 0, SYNC);
        }
    }

    #[test]
    fn those_who_come_back_are_waited_for() {
        let mut company = Company::default();
        company.done(8, 8, SYNC);
        assert_eq!(company.expect(8, 9), Some((16, SYNC / SHARE)));
        company.came(true);
        company.done(16, 0, SYNC);
        assert_eq!(company.expect(1, 9), Some((16, SYNC / SHARE)));
        assert_eq!(company.expect(16, 9), None, "all are there");
        assert_eq!(company.expect(8, ENOUGH), None, "they bring much");
        assert!(Company::is_enough(16, 8, ENOUGH) && Company::is_enough(16, 16, 0) && !Company::is_enough(16, 15, 9));
    }

    #[test]
    fn who_waits_in_vain_tries_again_ever_more_rarely() {
        let mut company = Company::default();
        let mut tries = Vec::new();
        for group in 0..400 {
            company.done(2, 2, SYNC);
            if company.expect(2, 9).is_some() {
                tries.push(group);
                company.came(false);
            }
        }
        assert_eq!(tries, [0, 3, 8, 17, 34, 67, 132, 197, 262, 327, 392]);
        company.came(true);
        assert!(company.expect(2, 9).is_some());
    }

    #[test]
    fn nobody_is_waited_for_when_nothing_is_synced() {
        let mut company = Company::default();
        company.done(8, 8, Duration::from_micros(20));
        assert_eq!(company.expect(8, 9), None);
    }
}

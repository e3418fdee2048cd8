//! What writers have waited for upkeep: at the brake, and for the right to write while upkeep had it.
//!
//! What the disk or the machine takes is not in it. None is to be longer than 100 ms; where nobody waits, nothing is
//! measured.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A wait longer than this is long.
const LONG: Duration = Duration::from_millis(100);

/// The waits of one sort since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    count: AtomicU64,
    long: AtomicU64,
    longest_us: AtomicU64,
}

impl Waits {
    /// Does what may have to wait.
    pub(crate) fn during<T>(&self, waits: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = waits();
        self.note(begun.elapsed());
        done
    }

    pub(super) fn note(&self, waited: Duration) {
        self.count.fetch_add(1, Relaxed);
        self.long.fetch_add(u64::from(waited > LONG), Relaxed);
        self.longest_us.fetch_max(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many there were, how many of them were long, and the longest.
    pub(crate) fn told(&self) -> (u64, u64, Duration) {
        (self.count.load(Relaxed), self.long.load(Relaxed), Duration::from_micros(self.longest_us.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_longer_than_it_may_be_is_long() {
        let waits = Waits::default();
        assert_eq!(waits.during(|| 7), 7);
        for ms in [100, 101, 3] {
            waits.note(Duration::from_millis(ms));
        }
        let (count, long, longest) = waits.told();
        assert_eq!((count, long, longest), (4, 1, Duration::from_millis(101)));
    }
}

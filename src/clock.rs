//! The clock: the one place that reads the machine's time, and where a test puts its own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::entry::{ms_of, time_of};

/// Where a store reads the time from.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::Arc;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let seconds = Arc::new(AtomicU64::new(1_700_000_000));
/// let hand = seconds.clone();
/// let clock = mediacask::Clock::from_fn(move || UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::Relaxed)));
/// seconds.fetch_add(48 * 3600, Ordering::Relaxed);
/// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 48 * 3600));
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's wall clock.
    pub fn system() -> Clock {
        Clock(Arc::new(SystemTime::now))
    }

    /// A clock of the caller's, for tests and simulations.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    /// The time it shows, in whole milliseconds.
    pub fn now(&self) -> SystemTime {
        time_of(self.now_ms())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        ms_of((self.0)())
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// Time since the machine started, suspension included: nobody can set it.
pub(crate) fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

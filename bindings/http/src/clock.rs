//! The clock of a gateway under test: the machine's, moved by the number that stands in a file.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mediacask::Clock;

/// The wall clock, moved forward by the seconds that stand in `file` at each use; backward with a minus sign.
///
/// For tests only: a file that is missing or holds no number moves nothing.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use std::time::{Duration, SystemTime};
/// let file = dir.path().join("seconds");
/// let clock = mediacask_http::test_clock(file.clone());
/// std::fs::write(&file, "172800\n").unwrap();
/// assert!(clock.now() > SystemTime::now() + Duration::from_hours(47));
/// ```
pub fn test_clock(file: PathBuf) -> Clock {
    Clock::from_fn(move || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let seconds: i64 = text.trim().parse().unwrap_or(0);
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        let moved = if seconds < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
        moved.unwrap_or(now)
    })
}

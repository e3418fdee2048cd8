//! Waiting for what another thread or process does, with an end: a test that waits in vain fails, and says for what.

use std::time::{Duration, Instant};

/// Far longer than a busy machine needs, far shorter than anybody waits for a whole run of the tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// Returns once it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

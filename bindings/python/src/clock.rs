//! A clock that a test sets by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use pyo3::prelude::*;
use pyo3::types::PyDateTime;

use crate::{errors, times};

/// A clock for tests, which stands still until it is told otherwise.
///
/// ``mediacask.open(path, clock=clock)`` reads the time from it, so that a test of what happens in 48 hours
/// takes no 48 hours. It calls nothing in Python: the store may look at it from any thread at any time.
#[pyclass(frozen, module = "mediacask")]
pub(crate) struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// The clock as the store reads it.
    pub(crate) fn hand(&self) -> mediacask::Clock {
        let hand = self.0.clone();
        mediacask::Clock::from_fn(move || times::from_unix_ms(hand.load(Ordering::SeqCst)))
    }
}

#[pymethods]
impl ManualClock {
    #[new]
    #[pyo3(signature = (start=None))]
    fn new(start: Option<&Bound<'_, PyAny>>) -> PyResult<ManualClock> {
        let start = start.map_or_else(|| Ok(SystemTime::now()), |start| times::instant(start, "start"))?;
        Ok(ManualClock(Arc::new(AtomicU64::new(times::unix_ms(start)))))
    }

    /// The time it shows, an aware datetime in UTC.
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        times::datetime(py, times::from_unix_ms(self.0.load(Ordering::SeqCst)))
    }

    /// Sets it to an aware datetime, forward or back.
    #[pyo3(signature = (to, /))]
    fn set(&self, to: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.store(times::unix_ms(times::instant(to, "to")?), Ordering::SeqCst);
        Ok(())
    }

    /// Moves it on by a timedelta or a number of seconds.
    #[pyo3(signature = (by, /))]
    fn advance(&self, by: &Bound<'_, PyAny>) -> PyResult<()> {
        let ms = u64::try_from(times::span(by, "by")?.as_millis()).unwrap_or(u64::MAX);
        let moved = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| now.checked_add(ms));
        moved.map(drop).map_err(|_| errors::invalid(by.py(), "the clock cannot show a time so late"))
    }
}

//! The feed of what happens to names.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::call::{Turn, call};
use crate::{times, values};

/// How long a wait may take before Python is asked whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);

/// The feed of what happens to names; made by `Store.events`.
///
/// Iterating gives what has happened so far; iterating again gives what has happened since. ``wait`` waits for it.
#[pyclass(frozen, module = "mediacask")]
pub(crate) struct Events(Turn<mediacask::Events>);

impl Events {
    pub(crate) fn new(events: mediacask::Events) -> Events {
        Events(Turn::new(events))
    }
}

#[pymethods]
impl Events {
    /// The next event; waits for it as long as ``timeout``, a timedelta or seconds, and gives None after that.
    /// Without one it waits for ever.
    ///
    /// The interpreter lock is released meanwhile, and signals are heard. StoreClosedError when the store is
    /// closed.
    #[pyo3(signature = (timeout=None))]
    fn wait<'py>(&self, py: Python<'py>, timeout: Option<&Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = timeout.map(|timeout| times::span(timeout, "timeout")).transpose()?;
        // Of a time that no clock will show: for ever.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()));
            let event = call(py, || self.0.take().as_mut().map_or(Ok(None), |events| events.wait(left.min(LOOK))))?;
            if let Some(event) = event {
                return values::event(py, event).map(Some);
            }
            if left.is_zero() {
                return Ok(None);
            }
            py.check_signals()?;
        }
    }

    /// The sequence number up to which everything was given: ``Store.events`` goes on from here, in another process,
    /// too. A better thing to keep than the last event's: it falls behind the floor later.
    fn seen(&self, py: Python<'_>) -> PyResult<u64> {
        call(py, || Ok(self.0.take().as_ref().map_or(0, mediacask::Events::seen)))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let event = call(py, || self.0.take().as_mut().and_then(Iterator::next).transpose())?;
        event.map(|event| values::event(py, event)).transpose()
    }
}

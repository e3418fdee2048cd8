//! Spans and instants: `timedelta` or seconds in, aware datetimes in and out, whole milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::Expiry;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDelta};

use crate::errors;

/// A span: a `timedelta`, or a number of seconds.
pub(crate) fn span(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Duration> {
    let py = value.py();
    if value.is_instance_of::<PyDelta>() {
        return value.extract().map_err(|_| errors::invalid(py, &format!("{what} is negative: {value}")));
    }
    let seconds: f64 = value.extract().map_err(|_| {
        errors::wrong_type(format!("{what} is a timedelta or a number of seconds, not {}", kind_of(value)))
    })?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| errors::invalid(py, &format!("{what} is negative, or beyond all time: {seconds} seconds")))
}

/// How long an entry is to live: a span, or one of the words.
pub(crate) fn expiry(value: &Bound<'_, PyAny>) -> PyResult<Expiry> {
    match value.extract::<&str>() {
        Ok("never") => Ok(Expiry::Never),
        Ok("policy") => Ok(Expiry::Policy),
        Ok(word) => Err(errors::invalid(
            value.py(),
            &format!("ttl is a timedelta, seconds, \"never\" or \"policy\", not {word:?}"),
        )),
        Err(_) => span(value, "ttl").map(Expiry::After),
    }
}

/// An instant: an aware datetime. A naive one could mean any of forty instants, and is refused.
pub(crate) fn instant(value: &Bound<'_, PyAny>, what: &str) -> PyResult<SystemTime> {
    let py = value.py();
    let Ok(datetime) = value.cast::<PyDateTime>() else {
        return Err(errors::wrong_type(format!("{what} is an aware datetime, not {}", kind_of(value))));
    };
    if datetime.call_method0("utcoffset")?.is_none() {
        let message = format!("{what} has no time zone: say datetime.now(timezone.utc), or give it one, not {value}");
        return Err(errors::invalid(py, &message));
    }
    datetime.extract().map_err(|_| errors::invalid(py, &format!("{what} is before 1970: {value}")))
}

/// Whole milliseconds since 1970, as the store keeps them.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The instant of so many milliseconds since 1970.
pub(crate) fn from_unix_ms(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms)).unwrap_or(UNIX_EPOCH)
}

/// An aware datetime in UTC.
pub(crate) fn datetime(py: Python<'_>, time: SystemTime) -> PyResult<Bound<'_, PyDateTime>> {
    time.into_pyobject(py)
}

fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string())
}

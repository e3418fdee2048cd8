//! Errors of the store as the exceptions of `mediacask._errors`, by the one table of faces.

use std::io;
use std::path::Path;

use mediacask::Error;
use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// The exception of an error of the store.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    made(py, error.kind().face().python, &error.to_string(), error.path(), error.os_error(), error.holder_pid())
}

/// The exception of what a reader or writer of the store answered.
pub(crate) fn raise_io(py: Python<'_>, error: io::Error) -> PyErr {
    match error.downcast::<Error>() {
        Ok(error) => raise(py, &error),
        Err(error) => PyErr::new::<PyOSError, _>((error.raw_os_error(), error.to_string())),
    }
}

/// No such name.
pub(crate) fn not_found(py: Python<'_>, account: &str, name: &str) -> PyErr {
    let message =
        format!("there is no {name:?} in the account {account:?}: it was never put, was deleted, or its time was over");
    made(py, "BlobNotFoundError", &message, None, None, None)
}

/// A bug in the store.
pub(crate) fn internal(py: Python<'_>, said: &str) -> PyErr {
    let message =
        format!("the store met a bug of its own, and says {said:?}; close it, open it again, and report this");
    made(py, "InternalError", &message, None, None, None)
}

/// An option that makes no sense, found before the store was asked.
pub(crate) fn invalid(py: Python<'_>, message: &str) -> PyErr {
    made(py, "InvalidOptionError", message, None, None, None)
}

/// A name that cannot be one, found before the store was asked.
pub(crate) fn invalid_name(py: Python<'_>, message: &str) -> PyErr {
    made(py, "InvalidNameError", message, None, None, None)
}

/// An argument of a type that is not taken.
pub(crate) fn wrong_type(message: String) -> PyErr {
    PyTypeError::new_err(message)
}

fn made(
    py: Python<'_>,
    class: &str,
    message: &str,
    path: Option<&Path>,
    errno: Option<i32>,
    pid: Option<u32>,
) -> PyErr {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let exception = MODULE
        .get_or_try_init(py, || py.import("mediacask._errors").map(Bound::unbind))
        .and_then(|module| module.bind(py).getattr("_made")?.call1((class, message, path, errno, pid)));
    exception.map_or_else(|broken| broken, PyErr::from_value)
}

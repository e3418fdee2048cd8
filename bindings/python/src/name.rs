//! Names of accounts and blobs, as callers give them.

use std::ops::Deref;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors;

/// A text to be used as a name, where it lies in Python's memory; the store says whether it is one.
///
/// Half a surrogate pair is no text in UTF-8: it is told as every other name that is none.
pub(crate) struct Name<'a>(&'a str);

impl<'a, 'py> FromPyObject<'a, 'py> for Name<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Name<'a>> {
        match object.extract::<&'a str>() {
            Ok(text) => Ok(Name(text)),
            Err(error) => Err(refusal(&object, error)),
        }
    }
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

#[cold]
fn refusal(object: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = object.py();
    if object.is_instance_of::<PyString>() {
        let refused = errors::invalid_name(py, "the name cannot be told in UTF-8: half a surrogate pair stands in it");
        refused.set_cause(py, Some(error));
        return refused;
    }
    let kind = object.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string());
    errors::wrong_type(format!("a name is a str, not {kind}"))
}

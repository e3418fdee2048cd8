//! Digests and entries, by value: they compare, hash, print and pickle.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyString};

use crate::content::Shared;
use crate::{call, errors, times};

/// The BLAKE3 hash of a content: 32 bytes, shown as 64 hex digits.
///
/// Made from hex digits or from 32 bytes; ``Digest.of(data)`` computes one. Digests compare, hash, sort and
/// pickle by value.
#[pyclass(frozen, eq, ord, hash, module = "mediacask")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(pub(crate) mediacask::Digest);

#[pymethods]
impl Digest {
    #[new]
    #[pyo3(signature = (value, /))]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Digest> {
        digest(value).map(Digest)
    }

    /// The digest of a buffer's bytes.
    #[staticmethod]
    #[pyo3(signature = (data, /))]
    fn of(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Digest> {
        let shared = Shared::of(data)?;
        call::call(py, || Ok(Digest(mediacask::Digest::of(&shared.settled()))))
    }

    /// The digest as 64 hex digits.
    fn hexdigest(&self) -> String {
        self.0.to_string()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Digest('{}')", self.0)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_bytes())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (String,)) {
        (slf.get_type().into_any(), (slf.get().0.to_string(),))
    }
}

/// A digest as callers give it: a `Digest`, 64 hex digits or 32 bytes.
pub(crate) fn digest(value: &Bound<'_, PyAny>) -> PyResult<mediacask::Digest> {
    let py = value.py();
    if let Ok(digest) = value.cast::<Digest>() {
        return Ok(digest.get().0);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_str()?.parse().map_err(|error| errors::raise(py, &error));
    }
    bytes_of::<32>(value, "a digest").map(mediacask::Digest::from_bytes)
}

/// A hash of `LEN` bytes as callers give it: the bytes, or twice as many hex digits.
pub(crate) fn bytes_of<const LEN: usize>(value: &Bound<'_, PyAny>, what: &str) -> PyResult<[u8; LEN]> {
    let wrong = || errors::invalid(value.py(), &format!("{what} is {LEN} bytes or {} hex digits", 2 * LEN));
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_str()?;
        let mut bytes = [0; LEN];
        if text.len() != 2 * LEN || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
        }
        return Ok(bytes);
    }
    let Ok(bytes) = value.cast::<PyBytes>() else {
        return Err(errors::wrong_type(format!("{what} is given as bytes or as hex digits")));
    };
    bytes.as_bytes().try_into().map_err(|_| wrong())
}

/// The facts of one name: what it holds, how it is to be served, and since and until when.
///
/// Entries compare, hash and pickle by value. Datetimes are aware, in UTC, in whole milliseconds.
#[pyclass(frozen, eq, hash, module = "mediacask")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// The name, within its account.
    #[pyo3(get)]
    name: String,
    digest: mediacask::Digest,
    /// The length of the content in bytes.
    #[pyo3(get)]
    size: u64,
    /// The media type the content was stored with, if any.
    #[pyo3(get)]
    content_type: Option<String>,
    /// The ``Cache-Control`` it is to be served with, if any.
    #[pyo3(get)]
    cache_control: Option<String>,
    /// The ``Content-Disposition`` it is to be served with, if any.
    #[pyo3(get)]
    content_disposition: Option<String>,
    metadata: BTreeMap<String, String>,
    created_ms: u64,
    updated_ms: u64,
    expires_ms: Option<u64>,
    /// Grows with every change of the name; never used twice in a store.
    #[pyo3(get)]
    generation: u64,
}

impl From<mediacask::Entry> for Entry {
    fn from(entry: mediacask::Entry) -> Entry {
        Entry {
            name: entry.name,
            digest: entry.digest,
            size: entry.size,
            content_type: entry.content_type,
            cache_control: entry.cache_control,
            content_disposition: entry.content_disposition,
            metadata: entry.metadata,
            created_ms: times::unix_ms(entry.created_at),
            updated_ms: times::unix_ms(entry.updated_at),
            expires_ms: entry.expires_at.map(times::unix_ms),
            generation: entry.generation,
        }
    }
}

#[pymethods]
impl Entry {
    #[new]
    #[pyo3(signature = (
        name, digest, size, *, content_type=None, cache_control=None, content_disposition=None, metadata=None,
        created_at, updated_at, expires_at=None, generation
    ))]
    #[allow(clippy::too_many_arguments)] // An entry has that many facts.
    fn new(
        name: String,
        digest: &Bound<'_, PyAny>,
        size: u64,
        content_type: Option<String>,
        cache_control: Option<String>,
        content_disposition: Option<String>,
        metadata: Option<BTreeMap<String, String>>,
        created_at: &Bound<'_, PyAny>,
        updated_at: &Bound<'_, PyAny>,
        expires_at: Option<&Bound<'_, PyAny>>,
        generation: u64,
    ) -> PyResult<Entry> {
        Ok(Entry {
            name,
            digest: self::digest(digest)?,
            size,
            content_type,
            cache_control,
            content_disposition,
            metadata: metadata.unwrap_or_default(),
            created_ms: times::unix_ms(times::instant(created_at, "created_at")?),
            updated_ms: times::unix_ms(times::instant(updated_at, "updated_at")?),
            expires_ms: expires_at.map(|at| times::instant(at, "expires_at")).transpose()?.map(times::unix_ms),
            generation,
        })
    }

    /// The BLAKE3 digest of the content; a good ETag.
    #[getter]
    fn digest(&self) -> Digest {
        Digest(self.digest)
    }

    /// The caller's own pairs; a dict of its own at each call.
    #[getter]
    fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone()
    }

    /// When the name came to life; overwriting keeps it.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        times::datetime(py, times::from_unix_ms(self.created_ms))
    }

    /// When the entry was last put or updated.
    #[getter]
    fn updated_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        times::datetime(py, times::from_unix_ms(self.updated_ms))
    }

    /// From this instant on the name is gone; ``None`` is never.
    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        self.expires_ms.map(|at| times::datetime(py, times::from_unix_ms(at))).transpose()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = PyString::new(py, &self.name).repr()?;
        let hex = self.digest.to_string();
        Ok(format!("<Entry {name}: {} bytes, digest {}..., generation {}>", self.size, &hex[..12], self.generation))
    }

    /// Pickles by value, field by field.
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((String, Digest, u64), Bound<'py, PyDict>)> {
        let named = PyDict::new(py);
        named.set_item("content_type", &self.content_type)?;
        named.set_item("cache_control", &self.cache_control)?;
        named.set_item("content_disposition", &self.content_disposition)?;
        named.set_item("metadata", &self.metadata)?;
        named.set_item("created_at", self.created_at(py)?)?;
        named.set_item("updated_at", self.updated_at(py)?)?;
        named.set_item("expires_at", self.expires_at(py)?)?;
        named.set_item("generation", self.generation)?;
        Ok(((self.name.clone(), Digest(self.digest), self.size), named))
    }
}

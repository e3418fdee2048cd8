//! Blobs: content in Python's hands, without a copy.

use std::ffi::c_int;
use std::ops::Range;

use pyo3::exceptions::{PyBufferError, PyIndexError, PyOverflowError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyMemoryView, PySlice, PyString};

use crate::call;
use crate::content::Shared;
use crate::entry::{Digest, Entry};

/// The content of a name, with the name's facts.
///
/// A read-only buffer over the store's own memory map: ``memoryview(blob)``, ``numpy.frombuffer(blob)`` and
/// slices of it copy nothing. It stays valid after the name was overwritten or deleted and after the store was
/// compacted or closed. ``bytes(blob)`` copies.
// A blob takes the place of the one that was let go of before it: of a short get, making room is a thirtieth.
#[pyclass(frozen, freelist = 16, module = "mediacask", sequence)]
pub(crate) struct Blob {
    blob: mediacask::Blob,
    range: Range<usize>,
}

impl Blob {
    pub(crate) fn new(blob: mediacask::Blob) -> Blob {
        let range = 0..blob.len();
        Blob { blob, range }
    }

    fn bytes(&self) -> &[u8] {
        &self.blob[self.range.clone()]
    }
}

#[pymethods]
impl Blob {
    /// The facts of the name at the time of the read.
    #[getter]
    fn entry(&self) -> Entry {
        self.blob.entry().into()
    }

    /// The BLAKE3 digest of the name's whole content.
    #[getter]
    fn digest(&self) -> Digest {
        Digest(self.blob.digest())
    }

    /// The BLAKE3 digest of the name's whole content, as 64 hex digits.
    fn hexdigest(&self) -> String {
        self.blob.digest().to_string()
    }

    /// A copy of the bytes.
    fn tobytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.__bytes__(py)
    }

    /// The bytes as text.
    #[pyo3(signature = (encoding="utf-8", errors="strict"))]
    fn decode<'py>(slf: &Bound<'py, Self>, encoding: &str, errors: &str) -> PyResult<Bound<'py, PyString>> {
        let text = slf.py().get_type::<PyString>().call1((slf, encoding, errors))?;
        Ok(text.cast_into()?)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        PyBytes::new_with(py, self.range.len(), |room| {
            let bytes = self.bytes();
            call::call(py, || {
                room.copy_from_slice(bytes);
                Ok(())
            })
        })
    }

    fn __len__(&self) -> usize {
        self.range.len()
    }

    fn __bool__(&self) -> bool {
        !self.range.is_empty()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        PyMemoryView::from(slf.as_any())?.try_iter()
    }

    /// A byte, or a part of the content: another blob over the same memory; with a step, bytes.
    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Ok(slice) = index.cast::<PySlice>() else {
            // An index too large for the machine is beyond the end, too, as that of bytes is.
            let beyond = || PyIndexError::new_err("the index is beyond the blob's bytes");
            let index: isize = index
                .extract()
                .map_err(|error: PyErr| if error.is_instance_of::<PyOverflowError>(py) { beyond() } else { error })?;
            let from_end = if index < 0 { self.range.len().cast_signed() + index } else { index };
            let byte = usize::try_from(from_end).ok().and_then(|at| self.bytes().get(at));
            let byte = byte.ok_or_else(beyond)?;
            return Ok(byte.into_pyobject(py)?.into_any());
        };
        let part = slice.indices(self.range.len().cast_signed())?;
        let at = |place: isize| self.range.start + usize::try_from(place).unwrap_or_default();
        if part.step == 1 {
            let range = at(part.start)..at(part.start) + part.slicelength;
            return Ok(Bound::new(py, Blob { blob: self.blob.clone(), range })?.into_any());
        }
        let places = (0..part.slicelength).map(|n| part.start + n.cast_signed() * part.step);
        let bytes: Vec<u8> = places.map(|place| self.blob[at(place)]).collect();
        Ok(PyBytes::new(py, &bytes).into_any())
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let Ok(shared) = Shared::of(other) else { return Ok(py.NotImplemented()) };
        let equal = shared.len() == self.range.len() && call::call(py, || Ok(&*shared.settled() == self.bytes()))?;
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    /// That of equal `bytes`, by way of a copy: a memoryview's asks the hash of what it is a view of.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.__bytes__(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = PyString::new(py, &self.blob.entry().name).repr()?;
        Ok(format!("<Blob {name}: {} bytes>", self.range.len()))
    }

    /// Fills in a view of the bytes; whoever has it keeps this blob, and it the map.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no room for a view"));
        }
        let bytes = slf.get().bytes();
        let (data, len) = (bytes.as_ptr().cast_mut().cast(), bytes.len().cast_signed());
        // SAFETY: `view` is room for a view, as the protocol has it; the bytes are never written to, and stay
        // where they are as long as `slf`, which the view holds from here on.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), data, len, 1, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

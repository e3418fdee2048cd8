//! Content on its way in: buffers, binary files, iterables of buffers.
//!
//! The bytes of `bytes` and of a `Blob` cannot change and go to the store as they are. Those of any other
//! buffer can, while the interpreter lock is released: they are copied piece by piece, and what was copied is
//! what is hashed and written.

use std::borrow::Cow;
use std::ffi::CStr;
use std::io::{self, Read};
use std::mem::MaybeUninit;

use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyString};
use pyo3::{ffi, intern};

use crate::blob::Blob;
use crate::errors;

/// How much is asked of a file in one go, and copied of a buffer in one go.
const PIECE: usize = 256 << 10;

/// The bytes of a contiguous buffer, kept where they are until this is dropped.
pub(crate) struct Shared {
    view: Box<ffi::Py_buffer>,
    /// Nobody can change the bytes.
    stable: bool,
}

// SAFETY: a buffer stays where it is until it is released, from whatever thread it is read; `release` needs
// the interpreter, and `drop` attaches to it.
unsafe impl Send for Shared {}
// SAFETY: as above; shared, it is only read.
unsafe impl Sync for Shared {}

impl Shared {
    /// The bytes of `object`, whatever its item format; fails unless it is one contiguous buffer.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Shared> {
        Shared::get(object, ffi::PyBUF_SIMPLE)
    }

    /// The same, to be written to.
    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Shared> {
        Shared::get(object, ffi::PyBUF_WRITABLE)
    }

    /// Why `object`, which is a buffer, is no content, where `of` has failed with `error`.
    fn refusal(object: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
        // It gives itself out with strides: so it was the lack of them that it refused.
        match Shared::get(object, ffi::PyBUF_FULL_RO) {
            Ok(_) => PyBufferError::new_err(
                "the buffer is not contiguous (C order): copy it first, e.g. bytes(view) or \
                 numpy.ascontiguousarray(array)",
            ),
            Err(_) => error,
        }
    }

    fn get(object: &Bound<'_, PyAny>, flags: i32) -> PyResult<Shared> {
        let mut view = Box::new(MaybeUninit::<ffi::Py_buffer>::uninit());
        // SAFETY: `object` is alive, and `view` is room for one buffer.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: the call has filled it in; a box stays where it is, as some exporters need.
        let view = unsafe { Box::from_raw(Box::into_raw(view).cast::<ffi::Py_buffer>()) };
        let stable = object.is_instance_of::<PyBytes>() || object.is_instance_of::<Blob>();
        Ok(Shared { view, stable })
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.view.len).unwrap_or_default()
    }

    /// The bytes as they are if nobody can change them, else a copy.
    pub(crate) fn settled(&self) -> Cow<'_, [u8]> {
        if self.stable {
            return Cow::Borrowed(self.as_slice());
        }
        let mut copy = vec![0; self.len()];
        self.reader().copy(&mut copy);
        Cow::Owned(copy)
    }

    /// Gives the bytes out piece by piece: those that can change as copies.
    pub(crate) fn pieces(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.stable {
            return take(self.as_slice());
        }
        let mut reader = self.reader();
        let mut piece = vec![0; PIECE.min(self.len())];
        while reader.at < self.len() {
            let len = reader.copy(&mut piece);
            take(&piece[..len])?;
        }
        Ok(())
    }

    fn as_slice(&self) -> &[u8] {
        if self.len() == 0 {
            return &[];
        }
        // SAFETY: the exporter keeps `len` bytes there until the buffer is released, and, `stable` being
        // set wherever this is called, nobody writes to them.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.len()) }
    }

    /// Reads the bytes by copying them.
    fn reader(&self) -> Copied<'_> {
        Copied { shared: self, at: 0 }
    }

    /// Room for `len` bytes to be written to; empty unless it is writable.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.len() == 0 || self.view.readonly != 0 {
            return &mut [];
        }
        // SAFETY: the exporter keeps `len` bytes there, to be written to, until the buffer is released. That
        // no other thread looks at them meanwhile is the caller's part, as in every `readinto`.
        unsafe { std::slice::from_raw_parts_mut(self.view.buf.cast(), self.len()) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let view: *mut ffi::Py_buffer = &raw mut *self.view;
        // SAFETY: the buffer was filled in and is released once, attached to the interpreter. One that shuts
        // down takes nobody in; then the exporter lives as long as the process.
        Python::try_attach(|_| unsafe { ffi::PyBuffer_Release(view) });
    }
}

struct Copied<'a> {
    shared: &'a Shared,
    at: usize,
}

impl Copied<'_> {
    /// Copies as much as there is room for, and says how much.
    fn copy(&mut self, into: &mut [u8]) -> usize {
        let len = into.len().min(self.shared.len() - self.at);
        if len > 0 {
            let from = self.shared.view.buf.cast::<u8>();
            // SAFETY: `at + len` bytes are there until the buffer is released, and `into` is memory of ours,
            // elsewhere. Whoever writes to the buffer meanwhile gets a mixture stored, soundly hashed.
            unsafe { from.add(self.at).copy_to_nonoverlapping(into.as_mut_ptr(), len) };
        }
        self.at += len;
        len
    }
}

impl Read for Copied<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.copy(into))
    }
}

/// Content as callers give it.
pub(crate) enum Content {
    Buffer(Shared),
    File(Py<PyAny>),
    Pieces(Py<PyIterator>),
}

impl Content {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Content> {
        if object.is_instance_of::<PyString>() {
            return Err(errors::wrong_type(
                "content is bytes, and a str is text: encode it first, e.g. text.encode(\"utf-8\")".into(),
            ));
        }
        match Shared::of(object) {
            Ok(shared) if shared.stable => return Ok(Content::Buffer(shared)),
            Ok(shared) => return holds_bytes(object).map(|()| Content::Buffer(shared)),
            // SAFETY: `object` is alive.
            Err(error) if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } != 0 => {
                // Say what is wrong with it, rather than walk it item by item.
                return Err(Shared::refusal(object, error));
            }
            Err(_) => {}
        }
        if object.hasattr(intern!(object.py(), "read"))? {
            return Ok(Content::File(object.clone().unbind()));
        }
        match object.try_iter() {
            Ok(pieces) => Ok(Content::Pieces(pieces.unbind())),
            Err(_) => Err(errors::wrong_type(format!(
                "content is anything with a contiguous buffer (bytes, memoryview, numpy array ...), a binary \
                 file, or an iterable of buffers, not {}",
                object.get_type().name()?
            ))),
        }
    }

    /// Hands the content over to `whole`, or, where it must be copied or comes in pieces, to `stream`.
    pub(crate) fn give<T>(
        self,
        whole: impl FnOnce(&[u8]) -> mediacask::Result<T>,
        stream: impl FnOnce(&mut dyn Read) -> mediacask::Result<T>,
        failed: &mut Option<PyErr>,
    ) -> mediacask::Result<T> {
        match self {
            Content::Buffer(shared) if shared.stable => whole(shared.as_slice()),
            Content::Buffer(shared) => stream(&mut shared.reader()),
            Content::File(file) => stream(&mut Asked { next: Next::File(file), rest: None, failed }),
            Content::Pieces(pieces) => stream(&mut Asked { next: Next::Pieces(pieces), rest: None, failed }),
        }
    }

    /// All of it in memory; what came before `failed` was set is of no use.
    pub(crate) fn gather(self, failed: &mut Option<PyErr>) -> Vec<u8> {
        let all = |reader: &mut dyn Read| {
            let mut bytes = Vec::new();
            // A source that fails has said why in `failed`.
            let _ = reader.read_to_end(&mut bytes);
            Ok(bytes)
        };
        self.give(|bytes| Ok(bytes.to_vec()), all, failed).unwrap_or_default()
    }
}

/// Refuses a buffer whose items are references to Python objects: its bytes are addresses, and of no use to anybody.
fn holds_bytes(object: &Bound<'_, PyAny>) -> PyResult<()> {
    // One that has no words for its items, as numpy for its dates, has none for references either.
    let Ok(shared) = Shared::get(object, ffi::PyBUF_FORMAT | ffi::PyBUF_ND) else { return Ok(()) };
    if shared.view.format.is_null() {
        return Ok(());
    }
    // SAFETY: asked for, and not null, it is a text that the exporter keeps until the buffer is released.
    let format = unsafe { CStr::from_ptr(shared.view.format) }.to_bytes();
    // Between colons stand names of fields.
    if format.split(|byte| *byte == b':').step_by(2).any(|items| items.contains(&b'O')) {
        return Err(errors::wrong_type(
            "the buffer's items are Python objects, and what it holds are their addresses: turn them into bytes, \
             e.g. by pickle.dumps or json"
                .into(),
        ));
    }
    Ok(())
}

/// Bytes asked of Python, piece by piece.
struct Asked<'a> {
    next: Next,
    rest: Option<(Shared, usize)>,
    /// What Python raised, for whoever began.
    failed: &'a mut Option<PyErr>,
}

enum Next {
    File(Py<PyAny>),
    Pieces(Py<PyIterator>),
}

impl Next {
    /// The next piece; an empty one, or none, is a file's end.
    fn piece(&self, py: Python<'_>) -> PyResult<Option<Shared>> {
        let (piece, source) = match self {
            Next::File(file) => (Some(file.bind(py).call_method1(intern!(py, "read"), (PIECE,))?), "the file's read()"),
            Next::Pieces(pieces) => (pieces.bind(py).clone().next().transpose()?, "the iterable"),
        };
        let Some(piece) = piece else { return Ok(None) };
        if piece.is_instance_of::<PyString>() {
            return Err(errors::wrong_type(format!(
                "{source} gave text, and content is bytes: open the file in binary mode, \"rb\", or encode the text"
            )));
        }
        let shared = Shared::of(&piece).map_err(|_| {
            let kind = piece.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string());
            errors::wrong_type(format!("{source} gave {kind}, and content is made of contiguous buffers"))
        })?;
        let over = matches!(self, Next::File(_)) && shared.len() == 0;
        Ok((!over).then_some(shared))
    }
}

impl Read for Asked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((shared, at)) = &mut self.rest {
                let len = Copied { shared, at: *at }.copy(into);
                *at += len;
                if len > 0 {
                    return Ok(len);
                }
            }
            self.rest = None;
            match Python::try_attach(|py| self.next.piece(py)) {
                Some(Ok(Some(shared))) => self.rest = Some((shared, 0)),
                Some(Ok(None)) => return Ok(0),
                Some(Err(error)) => {
                    *self.failed = Some(error);
                    return Err(io::Error::other("the source of the content raised an exception"));
                }
                None => return Err(io::Error::other("the interpreter shuts down")),
            }
        }
    }
}

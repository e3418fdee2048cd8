//! Readers and writers: what the io objects of the package stand on.

use std::io::{Read, Seek, SeekFrom, Write};

use mediacask::BlobReader;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call::{Turn, call};
use crate::content::Shared;
use crate::entry::Entry;
use crate::errors;

/// Reads the content of a name, of any size; each chunk of 64 KiB is checked as it is touched.
#[pyclass(frozen, module = "mediacask._mediacask")]
pub(crate) struct Reader {
    source: Turn<BlobReader>,
    entry: Entry,
    size: u64,
}

impl Reader {
    pub(crate) fn new(reader: BlobReader) -> Reader {
        let (entry, size) = (reader.entry().into(), reader.len());
        Reader { source: Turn::new(reader), entry, size }
    }
}

#[pymethods]
impl Reader {
    /// The facts of the name at the time of the opening.
    #[getter]
    fn entry(&self) -> Entry {
        self.entry.clone()
    }

    /// Fills a writable buffer as far as the content goes; says how far.
    #[pyo3(signature = (buffer, /))]
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut shared = Shared::writable(buffer)?;
        let outcome = call(py, || {
            let mut turn = self.source.take();
            let Some(reader) = turn.as_mut() else { return Ok(None) };
            let room = shared.room();
            let mut filled = 0;
            while filled < room.len() {
                match reader.read(&mut room[filled..]) {
                    Ok(0) => break,
                    Ok(len) => filled += len,
                    Err(error) => return Ok(Some(Err(error))),
                }
            }
            Ok(Some(Ok(filled)))
        })?;
        outcome.ok_or_else(closed)?.map_err(|error| errors::raise_io(py, error))
    }

    /// Moves to an offset: from the start (0), from here (1), or from the end (2).
    #[pyo3(signature = (offset, whence=0, /))]
    fn seek(&self, py: Python<'_>, offset: i64, whence: u8) -> PyResult<u64> {
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| before_the_start())?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            other => return Err(PyValueError::new_err(format!("whence is 0, 1 or 2, not {other}"))),
        };
        let outcome = call(py, || Ok(self.source.take().as_mut().map(|reader| reader.seek(to))))?;
        outcome.ok_or_else(closed)?.map_err(|_| before_the_start())
    }

    /// The length of the content in bytes.
    #[getter]
    fn size(&self) -> u64 {
        self.size
    }

    /// Lets go of the content.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || {
            self.source.take().take();
            Ok(())
        })
    }
}

/// Takes content in pieces; nothing is stored unless it is committed.
#[pyclass(frozen, module = "mediacask._mediacask")]
pub(crate) struct Writer(Turn<mediacask::Writer>);

impl Writer {
    pub(crate) fn new(writer: mediacask::Writer) -> Writer {
        Writer(Turn::new(writer))
    }
}

#[pymethods]
impl Writer {
    /// Takes a buffer's bytes; says how many.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let shared = Shared::of(data)?;
        let outcome = call(py, || {
            let mut turn = self.0.take();
            Ok(turn.as_mut().map(|writer| shared.pieces(|piece| writer.write_all(piece))))
        })?;
        outcome.ok_or_else(closed)?.map_err(|error| errors::raise_io(py, error))?;
        Ok(shared.len())
    }

    /// Stores what was written, all of it or, on an error, nothing.
    fn commit(&self, py: Python<'_>) -> PyResult<Entry> {
        let entry = call(py, || self.0.take().take().map(mediacask::Writer::commit).transpose())?;
        entry.map(Entry::from).ok_or_else(closed)
    }

    /// Lets go of what was written.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || {
            drop(self.0.take().take());
            Ok(())
        })
    }
}

fn closed() -> PyErr {
    PyValueError::new_err("I/O operation on closed file.")
}

fn before_the_start() -> PyErr {
    PyValueError::new_err("a seek before the start of the content")
}

//! Readers and writers: what the io objects of the package stand on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

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

/// How long a file may be read before Python is asked whether a signal has come.
const LOOK: Duration = Duration::from_millis(100);

/// A file that the store reads, without the interpreter: signals are heard while it takes its time, or waits.
pub(crate) struct Heard<'a> {
    file: File,
    looked_at: Instant,
    /// What a handler raised, for whoever began.
    raised: &'a mut Option<PyErr>,
}

impl<'a> Heard<'a> {
    pub(crate) fn new(file: File, raised: &'a mut Option<PyErr>) -> Heard<'a> {
        Heard { file, looked_at: Instant::now(), raised }
    }

    /// Has the handlers of signals run, if any have come.
    fn listen(&mut self) -> io::Result<()> {
        self.looked_at = Instant::now();
        let heard = Python::try_attach(|py| -> PyResult<()> { py.check_signals() });
        match heard {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                *self.raised = Some(error);
                Err(io::Error::other("a signal's handler raised an exception"))
            }
            None => Err(io::Error::other("the interpreter shuts down")),
        }
    }
}

impl Read for Heard<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.looked_at.elapsed() >= LOOK {
            self.listen()?;
        }
        loop {
            match self.file.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.listen()?,
                outcome => return outcome,
            }
        }
    }
}

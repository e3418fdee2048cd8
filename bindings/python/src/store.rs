//! Stores: opened, looked after, closed.

use std::ops::ControlFlow;
use std::path::PathBuf;

use mediacask::{Create, Dedup, ErrorKind, Upkeep, Verify, VerifyOptions};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::call::{Share, call};
use crate::clock::ManualClock;
use crate::entry::{self, Entry};
use crate::events::Events;
use crate::signer::Signer;
use crate::{options, times, values};

/// An open store; `mediacask.Store` is what `mediacask.open` gives.
#[pyclass(frozen, subclass, weakref, module = "mediacask._mediacask")]
pub(crate) struct Store(Share<mediacask::Store>);

impl Store {
    pub(crate) fn core(&self) -> &mediacask::Store {
        &self.0
    }
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (
        path, *, create=true, dedup="account", durability="sync", verify="always", upkeep="background",
        os_sync_interval=None, file_threshold=None, segment_len=None, index_cache_bytes=None,
        space_amplification=None, events_keep=None, erase_within=None, clock=None
    ))]
    #[allow(clippy::too_many_arguments)] // A store has that many options.
    fn new(
        py: Python<'_>,
        path: PathBuf,
        create: bool,
        dedup: &str,
        durability: &str,
        verify: &str,
        upkeep: &str,
        os_sync_interval: Option<&Bound<'_, PyAny>>,
        file_threshold: Option<u64>,
        segment_len: Option<u64>,
        index_cache_bytes: Option<u64>,
        space_amplification: Option<f64>,
        events_keep: Option<&Bound<'_, PyAny>>,
        erase_within: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, ManualClock>>,
    ) -> PyResult<Store> {
        let dedups = [("account", Dedup::Account), ("store", Dedup::Store)];
        let verifies = [("always", Verify::Always), ("once", Verify::Once), ("never", Verify::Never)];
        let upkeeps = [("background", Upkeep::Background), ("by_hand", Upkeep::ByHand)];
        let mut opening = mediacask::Store::options()
            .create(if create { Create::IfMissing } else { Create::Never })
            .dedup(options::word(py, "dedup", dedup, &dedups)?)
            .durability(options::durability(py, durability)?)
            .verify(options::word(py, "verify", verify, &verifies)?)
            .upkeep(options::word(py, "upkeep", upkeep, &upkeeps)?);
        if let Some(interval) = os_sync_interval {
            opening = opening.os_sync_interval(times::span(interval, "os_sync_interval")?);
        }
        if let Some(bytes) = file_threshold {
            opening = opening.file_threshold(bytes);
        }
        if let Some(bytes) = segment_len {
            opening = opening.segment_len(bytes);
        }
        if let Some(bytes) = index_cache_bytes {
            opening = opening.index_cache_bytes(bytes);
        }
        if let Some(times) = space_amplification {
            opening = opening.space_amplification(times);
        }
        if let Some(at_least) = events_keep {
            opening = opening.events_keep(times::span(at_least, "events_keep")?);
        }
        if let Some(at_most) = erase_within {
            opening = opening.erase_within(times::span(at_most, "erase_within")?);
        }
        if let Some(clock) = clock {
            opening = opening.clock(clock.get().hand());
        }
        call(py, || opening.open(&path)).map(|store| Store(Share::new(store)))
    }

    /// The store's directory.
    #[getter]
    fn path(&self) -> PathBuf {
        self.0.path().to_path_buf()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        let is_closed = |error: mediacask::Error| error.kind() == ErrorKind::Closed;
        call(py, || Ok(self.0.account("any").is_err_and(is_closed)))
    }

    /// Signs and verifies grants by the store's own key, with the store's clock. The key's id is ``store``; it is made
    /// with the store, and kept in it and its checkpoints.
    fn signer(&self, py: Python<'_>) -> PyResult<Signer> {
        call(py, || self.0.signer()).map(Signer::of)
    }

    /// The accounts that hold names or have a policy, with what they hold, in the bytewise order of UTF-8.
    fn accounts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let accounts = call(py, || self.0.accounts())?;
        accounts.iter().map(|stats| values::account_stats(py, stats)).collect()
    }

    /// Makes every write that was acknowledged so far durable, those with ``durability="os"``, too.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.0.sync())
    }

    /// Ends every entry whose time has come and frees what can be freed, now; the background does the same
    /// behind. Readers do not need it: what has expired is gone for them at once.
    fn sweep<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let report = call(py, || self.0.sweep())?;
        values::sweep_report(py, &report)
    }

    /// Frees what segments hold that is needed no more, now; the background does the same when the store takes
    /// more than ``space_amplification`` allows. Blobs that are held stay what they are.
    fn compact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let report = call(py, || self.0.compact())?;
        values::compact_report(py, &report)
    }

    /// Reads everything that was written and holds it against its checksums, while others read and write.
    ///
    /// bytes_per_sec
    ///     Most bytes to read in a second, on average; 0 is as many as it can.
    /// resume
    ///     Goes on where an earlier one was broken off: the ``resume`` of its report.
    /// repair
    ///     Whether to set aside what cannot be read, end the names that held it, and write anew what can be
    ///     told from elsewhere; else it is only said what would be done.
    /// progress
    ///     Called with a VerifyProgress now and then. If it returns False, the verification is broken off.
    ///
    /// Gives a VerifyReport. An exception of ``progress``, or a signal's, breaks it off and is raised.
    #[pyo3(signature = (*, bytes_per_sec=0, resume=None, repair=false, progress=None))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        bytes_per_sec: u64,
        resume: Option<&str>,
        repair: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut options = VerifyOptions::new().bytes_per_sec(bytes_per_sec).repair(repair);
        if let Some(resume) = resume {
            options = options.resume(resume);
        }
        let mut raised = None;
        let hearing = &mut raised;
        let report = call(py, || {
            self.0.verify(&options, &mut |so_far| {
                let heard = Python::try_attach(|py| {
                    py.check_signals()?;
                    let Some(progress) = &progress else { return Ok(true) };
                    let answer = progress.call1(py, (values::verify_progress(py, so_far)?,))?;
                    Ok(!answer.bind(py).is(&*PyBool::new(py, false)))
                });
                match heard {
                    Some(Ok(true)) => ControlFlow::Continue(()),
                    // An interpreter that shuts down does not wait for it.
                    Some(Ok(false)) | None => ControlFlow::Break(()),
                    Some(Err(error)) => {
                        *hearing = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })
        });
        match raised {
            Some(error) => Err(error),
            None => values::verify_report(py, &report?),
        }
    }

    /// Makes a consistent copy of the store in the directory ``dest``, while others write: what was acknowledged
    /// before is in it. A store can be opened there, and ``mediacask.restore`` brings it back.
    ///
    /// What never changes any more is linked, where the file system allows, and takes no space; the rest is
    /// copied. Another checkpoint into the same directory brings only what is new. ``dest`` is new, empty, or
    /// holds an earlier checkpoint of this store.
    #[pyo3(signature = (dest))]
    fn checkpoint<'py>(&self, py: Python<'py>, dest: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let report = call(py, || self.0.checkpoint(&dest))?;
        values::checkpoint_report(py, &report)
    }

    /// Writes the catalog down, so that the next open need not read the log; the background and ``close`` do
    /// the same.
    fn checkpoint_catalog(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.0.checkpoint_catalog())
    }

    /// Drops the index and builds it anew from the log; gives the number of rows.
    ///
    /// ``progress(done, total)`` is called as it goes. What it raises is raised when the index is built.
    #[pyo3(signature = (progress=None))]
    fn rebuild_index(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<u64> {
        let mut raised = None;
        let hearing = &mut raised;
        let rows = call(py, || {
            self.0.rebuild_index(&mut |done, total| {
                let Some(progress) = progress.as_ref().filter(|_| hearing.is_none()) else { return };
                // An interpreter that shuts down hears no progress.
                *hearing = Python::try_attach(|py| progress.call1(py, (done, total)).err()).flatten();
            })
        });
        raised.map_or(rows, Err)
    }

    /// Every name, of whatever account, that holds this content: pairs of account and entry. A scan.
    ///
    /// For the owner of the store: a digest is not a permission.
    #[pyo3(signature = (digest, /))]
    fn names_of(&self, py: Python<'_>, digest: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Entry)>> {
        let digest = entry::digest(digest)?;
        let names = call(py, || self.0.names_of(&digest))?;
        Ok(names.into_iter().map(|(account, entry)| (account, entry.into())).collect())
    }

    /// Takes down every name, of whatever account, that holds this content; gives their number.
    ///
    /// While it runs the content cannot be put. If it is broken off, calling it again goes on.
    #[pyo3(signature = (digest, /))]
    fn purge_digest(&self, py: Python<'_>, digest: &Bound<'_, PyAny>) -> PyResult<u64> {
        let digest = entry::digest(digest)?;
        call(py, || self.0.purge_digest(&digest))
    }

    /// The feed of what happens to names, in order: what has a higher sequence number than ``after``.
    ///
    /// ``after`` is the ``sequence`` of the last event that was seen, ``events_floor()``, or 0 for all there is.
    /// What has been compacted away cannot be told: below the floor it raises InvalidTokenError. List the
    /// accounts then, and go on from the floor.
    #[pyo3(signature = (after=0))]
    fn events(&self, py: Python<'_>, after: u64) -> PyResult<Events> {
        call(py, || self.0.events(after)).map(Events::new)
    }

    /// The highest sequence number of which a record may have been compacted away; 0 while all is there.
    fn events_floor(&self, py: Python<'_>) -> PyResult<u64> {
        call(py, || Ok(self.0.events_floor()))
    }

    /// What the store holds and has done, a ``Stats``.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = call(py, || self.0.stats())?;
        values::stats(py, &stats)
    }

    /// How the store does, a ``Health``; works after an error has stopped all writing, and after close, too.
    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let health = call(py, || Ok(self.0.health()))?;
        values::health(py, &health)
    }

    /// Makes everything durable, writes catalog and index down, and lets other processes have the store.
    ///
    /// Whatever was got from it answers StoreClosedError from then on; blobs that are held stay valid. Closing
    /// twice is closing once.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.0.close())
    }
}

/// Brings a checkpoint back into the directory ``dest``, which is new or empty; a store can be opened there then.
///
/// By hard links where the file system allows; the checkpoint stays as it is.
#[pyfunction]
#[pyo3(signature = (checkpoint, dest))]
pub(crate) fn restore(py: Python<'_>, checkpoint: PathBuf, dest: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let report = call(py, || mediacask::Store::restore(&checkpoint, &dest))?;
    values::checkpoint_report(py, &report)
}

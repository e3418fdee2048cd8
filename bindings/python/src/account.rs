//! Accounts: the names of one customer, and what can be done with them.

use std::fs::File;
use std::ops::Bound as End;
use std::path::PathBuf;

use mediacask::{DeleteOptions, ListOptions};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::blob::Blob;
use crate::call::{Share, Turn, call};
use crate::content::Content;
use crate::entry::Entry;
use crate::files::{Heard, Reader, Writer};
use crate::name::Name;
use crate::store::Store;
use crate::{errors, options, values};

/// The names of one account; `mediacask.Account` makes a mapping of it.
#[pyclass(frozen, subclass, module = "mediacask._mediacask")]
pub(crate) struct Account(Share<mediacask::Account>);

impl Account {
    pub(crate) fn core(&self) -> &mediacask::Account {
        &self.0
    }
}

#[pymethods]
impl Account {
    #[new]
    #[pyo3(signature = (store, name))]
    fn new(store: &Bound<'_, Store>, name: Name<'_>) -> PyResult<Account> {
        let core = store.get().core();
        call(store.py(), || core.account(&name)).map(|account| Account(Share::new(account)))
    }

    /// The account's own name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// Stores ``content`` under ``name``, in the place of what was there; the time to live starts anew.
    ///
    /// All or nothing: readers see the old version or the new one. Durable when this returns, unless
    /// ``durability`` says otherwise. Content that the account holds already is not written again.
    ///
    /// ``content`` is anything with a contiguous buffer (bytes, bytearray, memoryview, numpy, array, ...), a
    /// binary file, or an iterable of buffers; files and iterables are read in bounded memory. A ``str`` is
    /// refused: encode it.
    ///
    /// content_type, cache_control, content_disposition
    ///     How the content is to be served.
    /// metadata
    ///     Pairs of texts of your own.
    /// ttl
    ///     How long it lives: a timedelta or seconds; ``"never"`` ends; ``"policy"`` (the default) as the
    ///     account's policy says.
    /// expires_at
    ///     Until when it lives, an aware datetime; instead of ``ttl``.
    /// if_absent, if_match, if_generation
    ///     Only if the name is free; still holds this digest; is still this very entry. Else
    ///     PreconditionFailedError, and nothing was changed.
    /// expect_digest, expect_md5, expect_sha256
    ///     Only if the content has this BLAKE3 digest, MD5, SHA-256. Else DigestMismatchError.
    /// durability
    ///     ``"sync"``: it survives the power cut when this returns. ``"os"``: it survives the death of this
    ///     process; the store syncs behind.
    /// prefix_limit
    ///     A PrefixLimit: how many names, of how many bytes together, may live under a prefix.
    ///
    /// Gives the new entry.
    ///
    /// >>> entry = media.put("logo.png", data, content_type="image/png", ttl=timedelta(hours=48))
    #[pyo3(
        signature = (name, content, **named),
        text_signature = "($self, name, content, *, content_type=None, cache_control=None, \
                          content_disposition=None, metadata=None, ttl=None, expires_at=None, if_absent=False, \
                          if_match=None, if_generation=None, expect_digest=None, expect_md5=None, \
                          expect_sha256=None, durability=None, prefix_limit=None)"
    )]
    fn put(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        content: &Bound<'_, PyAny>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Entry> {
        let options = options::put("put", named)?;
        let content = Content::of(content)?;
        let mut failed = None;
        let failing = &mut failed;
        let outcome = call(py, || {
            content.give(
                |bytes| self.0.put(&name, bytes, &options),
                |reader| self.0.put_reader(&name, reader, &options),
                failing,
            )
        });
        // What the source raised says more than that it failed.
        failed.map_or(outcome.map(Entry::from), Err)
    }

    /// Stores the content of the file at ``path`` under ``name``; takes the options of ``put``.
    ///
    /// The file is read without the interpreter lock, in bounded memory. Signals are heard meanwhile: what their
    /// handler raises, such as KeyboardInterrupt, breaks it off, and nothing is stored.
    #[pyo3(
        signature = (name, path, **named),
        text_signature = "($self, name, path, *, content_type=None, cache_control=None, \
                          content_disposition=None, metadata=None, ttl=None, expires_at=None, if_absent=False, \
                          if_match=None, if_generation=None, expect_digest=None, expect_md5=None, \
                          expect_sha256=None, durability=None, prefix_limit=None)"
    )]
    fn put_file(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        path: PathBuf,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Entry> {
        let options = options::put("put_file", named)?;
        let file = match call(py, || Ok(File::open(&path)))? {
            Ok(file) => file,
            Err(error) => return Err(not_opened(py, &error, path)?),
        };
        let mut failed = None;
        let file = Heard::new(file, &mut failed);
        let outcome = call(py, || self.0.put_reader(&name, file, &options));
        // What a signal's handler raised says more than that the file was not read to its end.
        failed.map_or(outcome.map(Entry::from), Err)
    }

    /// A writer of content in pieces; `open` makes a file of it.
    #[pyo3(signature = (name, **named))]
    fn _writer(&self, py: Python<'_>, name: Name<'_>, named: Option<&Bound<'_, PyDict>>) -> PyResult<Writer> {
        let options = options::put("open", named)?;
        call(py, || self.0.writer(&name, &options)).map(Writer::new)
    }

    /// A reader of the content, ``None`` when there is no such name; `open` makes a file of it.
    #[pyo3(signature = (name, /))]
    fn _reader(&self, py: Python<'_>, name: Name<'_>) -> PyResult<Option<Reader>> {
        Ok(call(py, || self.0.reader(&name))?.map(Reader::new))
    }

    /// The content of ``name``, all of it checked, or ``default`` when there is no such name. No copy is made.
    #[pyo3(signature = (name, default=None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: Name<'_>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match call(py, || self.0.get(&name))? {
            Some(blob) => Ok(Some(Bound::new(py, Blob::new(blob))?.into_any())),
            None => Ok(default),
        }
    }

    /// The bytes from ``start`` to before ``stop`` of the content of ``name``; ``None`` when there is no such
    /// name. Only what they touch is read and checked.
    ///
    /// A stop beyond the content is brought back to it; a start beyond it raises InvalidOptionError.
    #[pyo3(signature = (name, start=0, stop=None))]
    fn get_range(&self, py: Python<'_>, name: Name<'_>, start: u64, stop: Option<u64>) -> PyResult<Option<Blob>> {
        let stop = stop.map_or(End::Unbounded, End::Excluded);
        Ok(call(py, || self.0.get_range(&name, (End::Included(start), stop)))?.map(Blob::new))
    }

    /// The facts of ``name`` without its content; ``None`` when there is no such name.
    #[pyo3(signature = (name))]
    fn head(&self, py: Python<'_>, name: Name<'_>) -> PyResult<Option<Entry>> {
        Ok(call(py, || self.0.head(&name))?.map(Entry::from))
    }

    /// Takes ``name`` down; says whether it was there. Durable when this returns, unless told otherwise.
    #[pyo3(signature = (name, *, if_match=None, if_generation=None, durability=None))]
    fn delete(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        if_match: Option<&Bound<'_, PyAny>>,
        if_generation: Option<u64>,
        durability: Option<&str>,
    ) -> PyResult<bool> {
        let options = options::delete(if_match, if_generation, durability, py)?;
        call(py, || self.0.delete(&name, &options))
    }

    /// One page of names, in the bytewise order of UTF-8.
    ///
    /// prefix
    ///     Only names that begin with it.
    /// delimiter
    ///     Names that hold it after the prefix are rolled up into one common prefix each.
    /// created_from, created_to
    ///     Only entries created at or after, and before, these aware datetimes. A scan.
    /// limit
    ///     Most entries and prefixes on the page, 1 to 1000.
    /// token
    ///     The ``next_token`` of the page before.
    ///
    /// Going from page to page, a name that lives through the whole walk is returned exactly once, whatever is
    /// written meanwhile. A page may be short and still have a token; the last has none.
    #[pyo3(
        signature = (*, prefix="", delimiter=None, created_from=None, created_to=None, limit=None, token=None)
    )]
    #[allow(clippy::too_many_arguments)] // A listing has that many filters.
    fn list<'py>(
        &self,
        py: Python<'py>,
        prefix: &str,
        delimiter: Option<&str>,
        created_from: Option<&Bound<'py, PyAny>>,
        created_to: Option<&Bound<'py, PyAny>>,
        limit: Option<usize>,
        token: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = options::list(prefix, delimiter, (created_from, created_to), limit, token)?;
        let page = call(py, || self.0.list(&options))?;
        values::page(py, page)
    }

    /// All entries that the filters of ``list`` let through, page after page, fetched as you go.
    #[pyo3(
        signature = (*, prefix="", delimiter=None, created_from=None, created_to=None, limit=None, token=None)
    )]
    #[allow(clippy::too_many_arguments)] // A listing has that many filters.
    fn entries<'py>(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        created_from: Option<&Bound<'py, PyAny>>,
        created_to: Option<&Bound<'py, PyAny>>,
        limit: Option<usize>,
        token: Option<String>,
    ) -> PyResult<Entries> {
        let options = options::list(prefix, delimiter, (created_from, created_to), limit, token)?;
        Ok(Entries(Turn::new(self.0.entries(options))))
    }

    /// How many names a walk finds, without making anything of them.
    fn _count(&self, py: Python<'_>) -> PyResult<usize> {
        call(py, || self.0.entries(ListOptions::new()).try_fold(0, |count, entry| entry.map(|_| count + 1)))
    }

    /// Changes facts and lifetime of ``name`` without touching its content.
    #[pyo3(
        signature = (name, **named),
        text_signature = "($self, name, *, content_type=..., cache_control=..., content_disposition=..., \
                          metadata=None, ttl=None, expires_at=None, if_match=None, if_generation=None, \
                          durability=None)"
    )]
    fn update(&self, py: Python<'_>, name: Name<'_>, named: Option<&Bound<'_, PyDict>>) -> PyResult<Option<Entry>> {
        let options = options::update(named)?;
        Ok(call(py, || self.0.update(&name, &options))?.map(Entry::from))
    }

    /// Gives the content of ``source`` a second name, ``target``; ``None`` when there is no such source.
    ///
    /// Within an account no byte is moved. ``account`` puts the copy into another account of the same store.
    /// The options are those of ``put``: facts that are given replace those of the source, whose others come
    /// along; the lifetime is that of the options, not of the source.
    #[pyo3(
        signature = (source, target, *, account=None, **named),
        text_signature = "($self, source, target, *, account=None, content_type=None, cache_control=None, \
                          content_disposition=None, metadata=None, ttl=None, expires_at=None, if_absent=False, \
                          if_match=None, if_generation=None, expect_digest=None, expect_md5=None, \
                          expect_sha256=None, durability=None, prefix_limit=None)"
    )]
    fn copy(
        &self,
        py: Python<'_>,
        source: Name<'_>,
        target: Name<'_>,
        account: Option<&Bound<'_, Account>>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Option<Entry>> {
        let options = options::put("copy", named)?;
        let account = account.map(|account| account.get().core());
        let copied = call(py, || match account {
            None => self.0.copy(&source, &target, &options),
            Some(account) => self.0.copy_to(&source, account, &target, &options),
        })?;
        Ok(copied.map(Entry::from))
    }

    /// Takes down every name that begins with ``prefix``, all of them with ``""``; gives their number.
    ///
    /// In turns, each durable; if it is broken off, calling it again goes on.
    #[pyo3(signature = (prefix))]
    fn purge(&self, py: Python<'_>, prefix: &str) -> PyResult<u64> {
        call(py, || self.0.purge(prefix))
    }

    /// What holds for the puts of this account, a ``Policy``.
    fn policy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let policy = call(py, || self.0.policy())?;
        values::policy(py, &policy)
    }

    /// Sets what holds for the puts of this account from now on; names that are there stay as they are.
    #[pyo3(signature = (policy))]
    fn set_policy(&self, py: Python<'_>, policy: &Bound<'_, PyAny>) -> PyResult<()> {
        let policy = values::policy_of(policy)?;
        call(py, || self.0.set_policy(&policy))
    }

    /// What the account holds in all, counted as it goes; expired names until they are swept.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = call(py, || self.0.stats())?;
        values::account_stats(py, &stats)
    }

    fn __getitem__(&self, py: Python<'_>, name: Name<'_>) -> PyResult<Blob> {
        let blob = call(py, || self.0.get(&name))?;
        blob.map(Blob::new).ok_or_else(|| errors::not_found(py, self.0.name(), &name))
    }

    fn __setitem__(&self, py: Python<'_>, name: Name<'_>, content: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(py, name, content, None).map(drop)
    }

    fn __delitem__(&self, py: Python<'_>, name: Name<'_>) -> PyResult<()> {
        let existed = call(py, || self.0.delete(&name, &DeleteOptions::new()))?;
        if existed { Ok(()) } else { Err(errors::not_found(py, self.0.name(), &name)) }
    }

    fn __contains__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(name) = name.cast::<PyString>() else { return Ok(false) };
        let name: Name<'_> = name.extract()?;
        call(py, || self.0.contains(&name))
    }
}

/// What Python's own `open` would raise.
fn not_opened(py: Python<'_>, error: &std::io::Error, path: PathBuf) -> PyResult<PyErr> {
    // The system was not asked: there is a NUL in the path.
    let Some(number) = error.raw_os_error() else { return Ok(PyValueError::new_err("embedded null byte")) };
    let said = py.import("os")?.call_method1("strerror", (number,))?.unbind();
    Ok(PyOSError::new_err((number, said, path.into_os_string())))
}

/// Entries of a listing, fetched page after page; what `Account.entries` gives.
#[pyclass(frozen, module = "mediacask._mediacask")]
pub(crate) struct Entries(Turn<mediacask::Entries>);

#[pymethods]
impl Entries {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Entry>> {
        let next = call(py, || self.0.take().as_mut().and_then(Iterator::next).transpose())?;
        Ok(next.map(Entry::from))
    }
}

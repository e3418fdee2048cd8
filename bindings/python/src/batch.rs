//! Batches: several puts and deletes, all or nothing.

use mediacask::Outcome;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::account::Account;
use crate::call::{Turn, call};
use crate::content::Content;
use crate::entry::Entry;
use crate::name::Name;
use crate::options;

/// What became of one operation.
#[derive(IntoPyObject)]
pub(crate) enum Answer {
    Put(Entry),
    Deleted(bool),
}

/// Several puts and deletes of one account, all or nothing, across a crash too.
#[pyclass(frozen, subclass, module = "mediacask._mediacask")]
pub(crate) struct Batch(Turn<mediacask::Batch>);

#[pymethods]
impl Batch {
    #[new]
    #[pyo3(signature = (account, *, durability=None))]
    fn new(account: &Bound<'_, Account>, durability: Option<&str>) -> PyResult<Batch> {
        let mut batch = account.get().core().batch();
        if let Some(word) = durability {
            batch.durability(options::durability(account.py(), word)?);
        }
        Ok(Batch(Turn::new(batch)))
    }

    /// Adds a put. Takes what ``Account.put`` takes; the durability is the batch's own.
    #[pyo3(
        signature = (name, content, **named),
        text_signature = "($self, name, content, *, content_type=None, cache_control=None, \
                          content_disposition=None, metadata=None, ttl=None, expires_at=None, if_absent=False, \
                          if_match=None, if_generation=None, expect_digest=None, expect_md5=None, \
                          expect_sha256=None, prefix_limit=None)"
    )]
    fn put(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        content: &Bound<'_, PyAny>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let options = options::put("put", named)?;
        let content = Content::of(content)?;
        let mut failed = None;
        let failing = &mut failed;
        let gathered = call(py, || Ok(content.gather(failing)))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let added = call(py, || {
            self.0.take().as_mut().map(|batch| batch.put(&name, gathered, &options).map(drop)).transpose()
        })?;
        added.ok_or_else(over)
    }

    /// Adds a delete.
    #[pyo3(signature = (name, *, if_match=None, if_generation=None))]
    fn delete(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        if_match: Option<&Bound<'_, PyAny>>,
        if_generation: Option<u64>,
    ) -> PyResult<()> {
        let options = options::delete(if_match, if_generation, None, py)?;
        let added =
            call(py, || self.0.take().as_mut().map(|batch| batch.delete(&name, &options).map(drop)).transpose())?;
        added.ok_or_else(over)
    }

    /// Does all of it, or, on an error, nothing. Gives what became of each operation, in their order: the
    /// entry that a put has made, and whether there was something to delete.
    fn commit(&self, py: Python<'_>) -> PyResult<Vec<Answer>> {
        let outcomes = call(py, || self.0.take().take().map(mediacask::Batch::commit).transpose())?;
        let answers = outcomes.ok_or_else(over)?.into_iter().map(|outcome| match outcome {
            Outcome::Put(entry) => Ok(Answer::Put(entry.into())),
            Outcome::Deleted(existed) => Ok(Answer::Deleted(existed)),
            _ => Err(crate::errors::internal(py, "an outcome this version does not know")),
        });
        answers.collect()
    }

    /// Lets go of it: nothing happens.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || {
            drop(self.0.take().take());
            Ok(())
        })
    }
}

fn over() -> PyErr {
    PyValueError::new_err("the batch was committed or aborted; begin another")
}

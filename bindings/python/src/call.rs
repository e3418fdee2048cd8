//! The way into the store: without the interpreter lock, and no panic gets out.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::errors;

/// Runs `work` detached from the interpreter. An error of the store becomes its exception, a panic an
/// `InternalError`.
#[inline]
pub(crate) fn call<T: Send>(py: Python<'_>, work: impl Send + FnOnce() -> mediacask::Result<T>) -> PyResult<T> {
    // The outcome is written to where it stays: a blob that is handed from frame to frame is copied each time, and a
    // short get notices.
    let mut outcome = None;
    let place = &mut outcome;
    // What a panic leaves half done, the store looks after itself: it poisons what it must.
    let ended = py.detach(|| catch_unwind(AssertUnwindSafe(|| *place = Some(work()))));
    match (outcome, ended) {
        (Some(outcome), _) => outcome.map_err(|error| errors::raise(py, &error)),
        (None, ended) => Err(errors::internal(py, ended.err().as_deref().map_or("no words", said))),
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

/// A share in an open store, let go of detached: the last one closes the store, which waits for the disk.
pub(crate) struct Share<T: Send>(ManuallyDrop<T>);

impl<T: Send> Share<T> {
    pub(crate) fn new(inner: T) -> Share<T> {
        Share(ManuallyDrop::new(inner))
    }
}

impl<T: Send> Deref for Share<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send> Drop for Share<T> {
    fn drop(&mut self) {
        // SAFETY: `drop` runs once, and nothing looks at the field after it.
        let inner = unsafe { ManuallyDrop::take(&mut self.0) };
        let mut inner = Some(inner);
        let let_go = |py: Python<'_>| {
            let inner = &mut inner;
            py.detach(|| catch_unwind(AssertUnwindSafe(|| drop(inner.take()))))
        };
        // An interpreter that shuts down takes nobody in; what is left is dropped here and now.
        if let Some(Err(_)) = Python::try_attach(let_go) {
            // The panic hook has told; a destructor has nobody to tell.
        }
    }
}

/// What one thread at a time uses, until it is used up.
pub(crate) struct Turn<T: Send>(Share<Mutex<Option<T>>>);

impl<T: Send> Turn<T> {
    pub(crate) fn new(inner: T) -> Turn<T> {
        Turn(Share::new(Mutex::new(Some(inner))))
    }

    /// Waits for its turn; to be called from within [`call`] only. A panic in an earlier turn is no reason to
    /// refuse: what it left half done, the store looks after.
    pub(crate) fn take(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

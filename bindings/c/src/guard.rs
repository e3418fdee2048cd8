//! The border: what stands around every call.
//!
//! Nothing unwinds into C: a panic becomes [`MCASK_E_INTERNAL`](crate::status::MCASK_E_INTERNAL). Nor does it
//! say anything on standard error: the hook that would is replaced, once, by one that keeps message and place
//! until the call that panicked asks for them. The library has a Rust runtime of its own, so the hook is its
//! alone.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, Once};
use std::thread::{self, ThreadId};

use crate::error::{Failure, Result, mcask_error};
use crate::status::MCASK_OK;

/// Most panics of which the place is kept; the core catches some by itself and never asks for them.
const PANICS_MAX: usize = 32;

/// Where threads panicked. Guards nothing but this list; only ever tried, for a fork may leave it locked.
static PANICS: Mutex<VecDeque<(ThreadId, String)>> = Mutex::new(VecDeque::new());

/// Runs a call; gives its status, and its error if it failed and the caller wants it.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn call(error: *mut *mut mcask_error, body: impl FnOnce() -> Result<()>) -> i32 {
    // SAFETY: the caller's word.
    unsafe { clear(error) };
    let failure = match caught(body) {
        Ok(()) => return MCASK_OK,
        Err(failure) => failure,
    };
    let code = failure.code();
    if !error.is_null() {
        // SAFETY: the caller's word.
        unsafe { error.write(failure.into_raw()) };
    }
    code
}

/// Runs a call that says nothing when it fails.
pub(crate) fn free(body: impl FnOnce()) {
    let _ = caught(|| {
        body();
        Ok(())
    });
}

fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    // In a test of this crate the runtime is shared with the test.
    if !cfg!(test) {
        QUIET.call_once(|| set_hook(Box::new(keep_place)));
    }
    // What a panic leaves behind half done is the core's, which stands up to a panic at any place.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(panicked(payload)))
}

fn keep_place(info: &PanicHookInfo<'_>) {
    let Ok(mut panics) = PANICS.try_lock() else { return };
    if panics.len() == PANICS_MAX {
        panics.pop_front();
    }
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    panics.push_back((thread::current().id(), place));
}

fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let message = payload
        .downcast::<String>()
        .map(|text| *text)
        .or_else(|payload| payload.downcast::<&str>().map(|text| (*text).to_owned()));
    // What else was thrown may panic again when it is dropped.
    let message = message.map_err(std::mem::forget).ok();
    let me = thread::current().id();
    let place = PANICS.try_lock().ok().and_then(|mut panics| {
        let at = panics.iter().rposition(|(thread, _)| *thread == me)?;
        panics.remove(at)
    });
    Failure::internal(format!(
        "the library failed inside, at {}: {}; close the store and open it again, and report this sentence",
        place.map_or_else(|| "an unknown place".into(), |(_, place)| place),
        message.as_deref().unwrap_or("no message")
    ))
}

/// What an output holds until it is given: NULL, or 0.
pub(crate) trait Empty {
    const EMPTY: Self;
}

impl<T> Empty for *mut T {
    const EMPTY: *mut T = std::ptr::null_mut();
}

impl Empty for u64 {
    const EMPTY: u64 = 0;
}

impl Empty for i64 {
    const EMPTY: i64 = 0;
}

impl Empty for i32 {
    const EMPTY: i32 = 0;
}

impl Empty for usize {
    const EMPTY: usize = 0;
}

/// Empties an output.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn clear<T: Empty>(out: *mut T) {
    // SAFETY: the caller's word.
    unsafe { give(out, T::EMPTY) };
}

/// Fills an output, if the caller wants it.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn give<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: the caller's word.
        unsafe { out.write(value) };
    }
}

/// Refuses a call whose only sense is an output it does not take.
pub(crate) fn wanted<T>(what: &str, out: *mut T) -> Result<()> {
    if out.is_null() {
        return Err(Failure::misuse(format!("the output `{what}` is NULL; give the address of a variable for it")));
    }
    Ok(())
}

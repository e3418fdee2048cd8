//! For tests only, and in no release: a function that panics inside, so that a test can see what C sees of it.

use crate::error::mcask_error;
use crate::guard::call;

/// Panics with "on purpose" inside; to the caller it is a failure like any other.
#[allow(clippy::missing_panics_doc)] // It never leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_test_panic(error: *mut *mut mcask_error) -> i32 {
    // SAFETY: convention 2.
    unsafe { call(error, || panic!("on {}", "purpose")) }
}

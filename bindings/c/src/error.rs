//! Errors as C has them: owned by the caller, nothing global and nothing of the thread's.

use std::ffi::{CString, c_char};
use std::io;

use cask::ErrorKind;

use crate::guard::free;
use crate::status::{MCASK_E_INTERNAL, MCASK_E_MISUSE};

/// Why a call failed. Yours: free it with mcask_error_free().
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_error {
    /// The status that the call returned.
    pub code: i32,
    /// The operating system's errno, or 0 where there is none.
    pub os_error: i32,
    /// The process that holds a store that is MCASK_E_LOCKED, or 0 where it is not known.
    pub holder_pid: i64,
    /// A sentence for an operator: what was tried, on which file and offset, what was found, what to do.
    /// UTF-8, ends with NUL, never NULL.
    pub message: *const c_char,
}

/// What a failed call says, before it goes to C.
#[derive(Debug)]
pub(crate) struct Failure {
    code: i32,
    os_error: i32,
    holder_pid: i64,
    message: String,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_error,
    _message: CString,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Failure {
        Failure { code: kind.face().c_code, os_error: 0, holder_pid: 0, message: message.into() }
    }

    pub(crate) fn misuse(message: impl Into<String>) -> Failure {
        Failure { code: MCASK_E_MISUSE, os_error: 0, holder_pid: 0, message: message.into() }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Failure {
        Failure { code: MCASK_E_INTERNAL, os_error: 0, holder_pid: 0, message: message.into() }
    }

    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    pub(crate) fn into_raw(self) -> *mut mcask_error {
        // No message holds a NUL: if one did, what stands before it is told.
        let text = self.message.split('\0').next().unwrap_or_default();
        let message = CString::new(text).unwrap_or_default();
        let shown = mcask_error {
            code: self.code,
            os_error: self.os_error,
            holder_pid: self.holder_pid,
            message: message.as_ptr(),
        };
        Box::into_raw(Box::new(Kept { shown, _message: message })).cast()
    }
}

impl From<cask::Error> for Failure {
    fn from(error: cask::Error) -> Failure {
        Failure {
            code: error.kind().face().c_code,
            os_error: error.os_error().unwrap_or(0),
            holder_pid: error.holder_pid().unwrap_or(0).into(),
            message: error.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    /// What the core's readers and writers give: an error of its own within.
    fn from(error: io::Error) -> Failure {
        let os_error = error.raw_os_error().unwrap_or(0);
        match error.downcast::<cask::Error>() {
            Ok(error) => error.into(),
            Err(error) => Failure { os_error, ..Failure::new(ErrorKind::Io, error.to_string()) },
        }
    }
}

/// Frees an error; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_error_free(error: *mut mcask_error) {
    // SAFETY: convention 4: it is NULL, or `into_raw` made it and nobody has freed it.
    free(|| drop((!error.is_null()).then(|| unsafe { Box::from_raw(error.cast::<Kept>()) })));
}

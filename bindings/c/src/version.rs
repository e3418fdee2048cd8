//! What the library is called, and what its codes are called.

use std::ffi::{CStr, c_char};
use std::ptr::null;

use crate::status;

/// The version of the library, as text: "0.1.0". Static; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mcask_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The name of a status code, as logs and the other languages have it: "locked" of MCASK_E_LOCKED, "ok" of
/// MCASK_OK; NULL of what is no code. Static; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mcask_status_name(code: i32) -> *const c_char {
    const NAMES: [&CStr; 21] = [
        c"ok",
        c"invalid_name",
        c"invalid_option",
        c"too_large",
        c"quota_exceeded",
        c"precondition_failed",
        c"invalid_token",
        c"digest_mismatch",
        c"corrupt",
        c"locked",
        c"version",
        c"poisoned",
        c"read_only",
        c"no_space",
        c"forked",
        c"closed",
        c"io",
        c"expired_token",
        c"unknown_key",
        c"internal",
        c"misuse",
    ];
    let name = status::name(code);
    NAMES.iter().find(|known| Some(known.to_bytes()) == name.map(str::as_bytes)).map_or(null(), |name| name.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name_and_nothing_else_has_one() {
        let name_of = |code| {
            let name = mcask_status_name(code);
            // SAFETY: it is NULL, or a constant that ends with NUL.
            (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_str().unwrap())
        };
        for face in cask::FACES {
            assert_eq!(name_of(face.c_code), Some(face.name));
        }
        for code in -200..=1 {
            assert_eq!(name_of(code), status::name(code), "{code}");
        }
    }
}

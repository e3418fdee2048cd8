//! Digests: the BLAKE3 of content, as bytes and as text.

use std::ffi::c_char;

use cask::Digest;

use crate::error::{Result, mcask_error};
use crate::guard::{Empty, call, clear, wanted};
use crate::text::{self, DIGEST};

/// The BLAKE3 hash of a content. A plain value, to be copied and compared.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct mcask_digest {
    /// The 32 bytes.
    pub bytes: [u8; 32],
}

impl From<Digest> for mcask_digest {
    fn from(digest: Digest) -> mcask_digest {
        mcask_digest { bytes: *digest.as_bytes() }
    }
}

impl Empty for mcask_digest {
    const EMPTY: mcask_digest = mcask_digest { bytes: [0; 32] };
}

/// The digest at `digest`; `None` of NULL.
///
/// # Safety
/// `digest` is NULL or points to one.
pub(crate) unsafe fn optional(digest: *const mcask_digest) -> Option<Digest> {
    // SAFETY: the caller's word.
    (!digest.is_null()).then(|| Digest::from_bytes(unsafe { digest.read() }.bytes))
}

/// The digest that a call needs.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn needed(digest: *const mcask_digest) -> Result<Digest> {
    wanted("digest", digest.cast_mut())?;
    // SAFETY: the caller's word.
    Ok(unsafe { optional(digest) }.unwrap_or_default())
}

/// Hashes content.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_digest_of(
    data: *const u8,
    len: usize,
    digest: *mut mcask_digest,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(digest);
        call(error, || {
            wanted("digest", digest)?;
            digest.write(Digest::of(text::bytes(data, len)?).into());
            Ok(())
        })
    }
}

/// Reads a digest from its 64 hex digits. Anything else is MCASK_E_INVALID_OPTION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_digest_parse(
    hex: *const c_char,
    hex_len: usize,
    digest: *mut mcask_digest,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(digest);
        call(error, || {
            wanted("digest", digest)?;
            let parsed: Digest = text::needed(&DIGEST, hex, hex_len)?.parse()?;
            digest.write(parsed.into());
            Ok(())
        })
    }
}

/// Writes a digest as 64 lower-case hex digits and a NUL: `hex` has room for 65 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_digest_format(
    digest: *const mcask_digest,
    hex: *mut c_char,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2, and the room that is asked for.
    unsafe {
        call(error, || {
            wanted("hex", hex)?;
            hex.write(0);
            let text = needed(digest)?.to_string();
            std::ptr::copy_nonoverlapping(text.as_ptr(), hex.cast(), text.len());
            hex.add(text.len()).write(0);
            Ok(())
        })
    }
}

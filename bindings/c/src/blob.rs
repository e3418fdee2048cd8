//! Blobs: content without a copy.

use std::ptr::null;

use cask::Blob;

use crate::entry::{lend as lend_entry, mcask_entry};
use crate::error::{Failure, mcask_error};
use crate::guard::{call, clear, free, give, wanted};

/// The content of a name, or a range of it, with the name's entry. Yours: free it with mcask_blob_free().
///
/// Its bytes stay where they are and as they are until then: after the name was overwritten or deleted, after
/// the store was closed and freed, and in a child made by fork. Any number of threads may use it at once.
pub struct mcask_blob {
    blob: Blob,
}

/// A blob for C; NULL of none.
pub(crate) fn lend(blob: Option<Blob>) -> *mut mcask_blob {
    blob.map_or(std::ptr::null_mut(), |blob| Box::into_raw(Box::new(mcask_blob { blob })))
}

/// The first of its mcask_blob_len() bytes. Never NULL, even of empty content, but of a NULL blob. Valid until
/// mcask_blob_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_blob_data(blob: *const mcask_blob) -> *const u8 {
    // SAFETY: convention 2.
    unsafe { blob.as_ref() }.map_or(null(), |blob| blob.blob.as_ptr())
}

/// How many bytes it has; 0 of a NULL blob.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_blob_len(blob: *const mcask_blob) -> usize {
    // SAFETY: convention 2.
    unsafe { blob.as_ref() }.map_or(0, |blob| blob.blob.len())
}

/// The facts of the name at the time of the read; free them with mcask_entry_free(). Of a range, `size` is that
/// of the whole content.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_blob_entry(
    blob: *const mcask_blob,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            wanted("entry", entry)?;
            let blob = blob.as_ref().ok_or_else(|| Failure::misuse("NULL was given for a blob"))?;
            give(entry, lend_entry(&blob.blob.entry()));
            Ok(())
        })
    }
}

/// Frees a blob; NULL is fine. Its bytes are not to be read any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_blob_free(blob: *mut mcask_blob) {
    // SAFETY: convention 4: it is NULL, or `lend` made it and nobody has freed it.
    free(|| drop((!blob.is_null()).then(|| unsafe { Box::from_raw(blob) })));
}

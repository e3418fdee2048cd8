//! Batches: several puts and deletes, all or nothing.

use std::ffi::c_char;
use std::ptr::null;

use cask::{Batch, Outcome};

use crate::account::mcask_account;
use crate::entry::{lend, mcask_entry, release};
use crate::error::{Failure, mcask_error};
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared, turn};
use crate::options::{self, mcask_delete_options, mcask_put_options};
use crate::store::durability as durability_of;
use crate::text::{self, name as text_of};

/// Puts and deletes in one account that happen all together or not at all, across a crash, too. Nothing happens
/// before mcask_batch_commit(). One thread at a time may use it.
pub struct mcask_batch {
    _opaque: [u8; 0],
}

opaque!(mcask_batch, Option<Batch>, b"Ba\0\0", "batch");

/// What became of a batch, operation by operation. Yours: free it with mcask_outcomes_free(), its entries with it.
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_outcomes {
    /// Of each put, the new entry; of each delete, NULL.
    pub entries: *const *const mcask_entry,
    /// Of each delete, whether the name was there: 1 or 0; of each put, 0.
    pub existed: *const i32,
    /// How many there are.
    pub count: usize,
}

/// Outcomes with what they point to.
#[repr(C)]
struct Kept {
    shown: mcask_outcomes,
    entries: Box<[*mut mcask_entry]>,
    _existed: Box<[i32]>,
}

fn lend_outcomes(outcomes: &[Outcome]) -> *mut mcask_outcomes {
    let each = outcomes.iter().map(|outcome| match outcome {
        Outcome::Put(entry) => (lend(entry), 0),
        Outcome::Deleted(existed) => (std::ptr::null_mut(), i32::from(*existed)),
        // Of a kind that this version does not make.
        _ => (std::ptr::null_mut(), 0),
    });
    let (entries, existed): (Vec<_>, Vec<_>) = each.unzip();
    let (entries, existed) = (entries.into_boxed_slice(), existed.into_boxed_slice());
    let count = entries.len();
    let shown = mcask_outcomes {
        entries: if count == 0 { null() } else { entries.as_ptr().cast() },
        existed: if count == 0 { null() } else { existed.as_ptr() },
        count,
    };
    Box::into_raw(Box::new(Kept { shown, entries, _existed: existed })).cast()
}

fn over() -> Failure {
    Failure::misuse("the batch was committed; open another one for more operations, and free this one")
}

/// An empty batch of an account; free it with mcask_batch_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_batch_open(
    account: *const mcask_account,
    batch: *mut *mut mcask_batch,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(batch);
        call(error, || {
            wanted("batch", batch)?;
            give(batch, handle::new(Some(shared(account)?.batch())));
            Ok(())
        })
    }
}

/// Adds a put; the content is copied. At most 1000 operations, and 1 MiB of names and metadata, fit into a batch.
/// `options` may be NULL; their durability is not looked at: that of the commit holds for all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_batch_put(
    batch: *mut mcask_batch,
    name: *const c_char,
    name_len: usize,
    data: *const u8,
    len: usize,
    options: *const mcask_put_options,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let mut batch = turn(batch)?;
            let (name, content) = (text_of(name, name_len)?, text::bytes(data, len)?);
            batch.as_mut().ok_or_else(over)?.put(name, content, &options::put(options)?)?;
            Ok(())
        })
    }
}

/// Adds a delete. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_batch_delete(
    batch: *mut mcask_batch,
    name: *const c_char,
    name_len: usize,
    options: *const mcask_delete_options,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let mut batch = turn(batch)?;
            batch.as_mut().ok_or_else(over)?.delete(text_of(name, name_len)?, &options::delete(options)?)?;
            Ok(())
        })
    }
}

/// Does all of it, in order, or nothing; durable when it returns, unless `durability`, one of MCASK_DURABILITY_, or
/// the store says MCASK_DURABILITY_OS. Whether or not it succeeds, the batch is then only to be freed. `outcomes` may
/// be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_batch_commit(
    batch: *mut mcask_batch,
    durability: i32,
    outcomes: *mut *mut mcask_outcomes,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(outcomes);
        call(error, || {
            let mut batch = turn(batch)?;
            let durability = durability_of(durability)?;
            let mut batch = batch.take().ok_or_else(over)?;
            if let Some(durability) = durability {
                batch.durability(durability);
            }
            let done = batch.commit()?;
            if !outcomes.is_null() {
                give(outcomes, lend_outcomes(&done));
            }
            Ok(())
        })
    }
}

/// Frees outcomes and their entries; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_outcomes_free(outcomes: *mut mcask_outcomes) {
    guard::free(|| {
        if !outcomes.is_null() {
            // SAFETY: convention 4: they were lent here, and their entries with them.
            let kept = unsafe { Box::from_raw(outcomes.cast::<Kept>()) };
            // SAFETY: likewise.
            kept.entries.iter().for_each(|entry| unsafe { release(*entry) });
        }
    });
}

/// Frees a batch; NULL is fine. What was not committed is as if it had never been.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_batch_free(batch: *mut mcask_batch) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(batch) });
}

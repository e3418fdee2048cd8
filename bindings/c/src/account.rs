//! An account: the names of one customer, and what can be done with them.

use std::ffi::c_char;

use cask::Account;

use crate::blob::{lend as lend_blob, mcask_blob};
use crate::entry::{lend, mcask_entry};
use crate::error::mcask_error;
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared};
use crate::options::{self, mcask_delete_options, mcask_put_options, mcask_update_options};
use crate::store::mcask_store;
use crate::text::{self, ACCOUNT, PREFIX, name as text_of};

/// The names of one account. Any number of threads may use it at once.
pub struct mcask_account {
    _opaque: [u8; 0],
}

opaque!(mcask_account, Account, b"Ac\0\0", "account");

/// Gives an account of a store: a handle, to be freed with mcask_account_free(). The account need not exist: it
/// comes to life with its first name. It holds on to the store, in whatever order both are freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_open(
    store: *const mcask_store,
    name: *const c_char,
    name_len: usize,
    account: *mut *mut mcask_account,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(account);
        call(error, || {
            wanted("account", account)?;
            let opened = shared(store)?.account(text::needed(&ACCOUNT, name, name_len)?)?;
            give(account, handle::new(opened));
            Ok(())
        })
    }
}

/// Frees an account; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_free(account: *mut mcask_account) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(account) });
}

/// Stores content under a name, in the place of what was there; the time to live starts anew.
///
/// All or nothing: readers see the old version or the new one. Durable when it returns, unless options or store
/// say MCASK_DURABILITY_OS. Content that the account holds already is not written again. `options` may be NULL;
/// `entry`, which is the new entry, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_put(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    data: *const u8,
    len: usize,
    options: *const mcask_put_options,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            let (account, name) = (shared(account)?, text_of(name, name_len)?);
            let put = account.put(name, text::bytes(data, len)?, &options::put(options)?)?;
            if !entry.is_null() {
                give(entry, lend(&put));
            }
            Ok(())
        })
    }
}

/// The content of a name, all of it checked, without a copy; NULL when there is no such name.
///
/// Free the blob with mcask_blob_free(). Of large content, mcask_account_get_range() and mcask_reader_open()
/// check only what they read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_get(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    blob: *mut *mut mcask_blob,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(blob);
        call(error, || {
            wanted("blob", blob)?;
            give(blob, lend_blob(shared(account)?.get(text_of(name, name_len)?)?));
            Ok(())
        })
    }
}

/// The bytes `start` to `end`, without `end`, of the content of a name; NULL when there is no such name.
///
/// An end beyond the content (UINT64_MAX, for one) is brought back to it; a start beyond the content, or an end
/// before the start, is MCASK_E_INVALID_OPTION. Free the blob with mcask_blob_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_get_range(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    start: u64,
    end: u64,
    blob: *mut *mut mcask_blob,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(blob);
        call(error, || {
            wanted("blob", blob)?;
            give(blob, lend_blob(shared(account)?.get_range(text_of(name, name_len)?, start..end)?));
            Ok(())
        })
    }
}

/// The facts of a name; NULL when there is no such name. Free the entry with mcask_entry_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_head(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            wanted("entry", entry)?;
            if let Some(found) = shared(account)?.head(text_of(name, name_len)?)? {
                give(entry, lend(&found));
            }
            Ok(())
        })
    }
}

/// Whether there is such a name: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_contains(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    contained: *mut i32,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(contained);
        call(error, || {
            wanted("contained", contained)?;
            give(contained, i32::from(shared(account)?.contains(text_of(name, name_len)?)?));
            Ok(())
        })
    }
}

/// Takes a name down; `existed`, which may be NULL, says whether it was there: 1 or 0. Durable when it returns,
/// unless told otherwise. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_delete(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    options: *const mcask_delete_options,
    existed: *mut i32,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(existed);
        call(error, || {
            let (account, name) = (shared(account)?, text_of(name, name_len)?);
            give(existed, i32::from(account.delete(name, &options::delete(options)?)?));
            Ok(())
        })
    }
}

/// Changes facts and expiry of a name without touching its content; `entry`, which may be NULL, is NULL when
/// there is no such name. Durable as a put is. `options` may be NULL: only `updated_at` and `generation` move.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_update(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    options: *const mcask_update_options,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            let (account, name) = (shared(account)?, text_of(name, name_len)?);
            let updated = account.update(name, &options::update(options)?)?;
            if let Some(updated) = updated.filter(|_| !entry.is_null()) {
                give(entry, lend(&updated));
            }
            Ok(())
        })
    }
}

/// Gives the content of `from` a second name, `to`, in another account of the store, or in the same one where
/// `to_account` is NULL. No byte is moved, unless the accounts share none.
///
/// Facts that the options set replace those of the source, whose others come along; the expiry is that of the
/// options. Of the digests that can be expected only the BLAKE3 is compared. `entry`, which may be NULL, is NULL when
/// there is no name `from`. Durable as a put is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_copy(
    account: *const mcask_account,
    from: *const c_char,
    from_len: usize,
    to_account: *const mcask_account,
    to: *const c_char,
    to_len: usize,
    options: *const mcask_put_options,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            let (account, from, to) = (shared(account)?, text_of(from, from_len)?, text_of(to, to_len)?);
            let options = options::put(options)?;
            let copied = if to_account.is_null() {
                account.copy(from, to, &options)?
            } else {
                account.copy_to(from, shared(to_account)?, to, &options)?
            };
            if let Some(copied) = copied.filter(|_| !entry.is_null()) {
                give(entry, lend(&copied));
            }
            Ok(())
        })
    }
}

/// Takes down every name that begins with a prefix, all of them with an empty one, in turns; gives their number,
/// unless `purged` is NULL. Names that are put meanwhile may stay. Durable when it returns. If it is broken off,
/// calling it again goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_purge(
    account: *const mcask_account,
    prefix: *const c_char,
    prefix_len: usize,
    purged: *mut u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(purged);
        call(error, || {
            let account = shared(account)?;
            give(purged, account.purge(text::needed(&PREFIX, prefix, prefix_len)?)?);
            Ok(())
        })
    }
}

/// What the account holds: names, and the bytes of their content, where shared content counts for each of its
/// names. Either may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_stats(
    account: *const mcask_account,
    count: *mut u64,
    bytes: *mut u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(count);
        clear(bytes);
        call(error, || {
            let stats = shared(account)?.stats()?;
            give(count, stats.count);
            give(bytes, stats.bytes);
            Ok(())
        })
    }
}

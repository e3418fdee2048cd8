//! Writers: content of unknown length, in pieces, in bounded memory.

use std::ffi::c_char;
use std::io::Write;

use cask::Writer;

use crate::account::mcask_account;
use crate::entry::{lend, mcask_entry};
use crate::error::{Failure, mcask_error};
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared, turn};
use crate::options::{self, mcask_put_options};
use crate::text::{self, name as text_of};

/// Writes content of unknown length under a name. Nothing happens before mcask_writer_commit(), and nothing at
/// all if it is freed without. One thread at a time may use it.
pub struct mcask_writer {
    _opaque: [u8; 0],
}

opaque!(mcask_writer, Option<Writer>, b"Wr\0\0", "writer");

fn over() -> Failure {
    Failure::misuse("the writer was committed; open another one for more content, and free this one")
}

/// A writer for a name; free it with mcask_writer_free(). `options` may be NULL. Conditions and limits are judged
/// at the commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_writer_open(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    options: *const mcask_put_options,
    writer: *mut *mut mcask_writer,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(writer);
        call(error, || {
            wanted("writer", writer)?;
            let account = shared(account)?;
            let opened = account.writer(text_of(name, name_len)?, &options::put(options)?)?;
            give(writer, handle::new(Some(opened)));
            Ok(())
        })
    }
}

/// Adds bytes. What failed once is not gone on with: free the writer and begin anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_writer_write(
    writer: *mut mcask_writer,
    data: *const u8,
    len: usize,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let mut writer = turn(writer)?;
            let bytes = text::bytes(data, len)?;
            Ok(writer.as_mut().ok_or_else(over)?.write_all(bytes)?)
        })
    }
}

/// Gives what was written its name, as a put does, and as durably. Whether or not it succeeds, the writer is then
/// only to be freed. `entry`, which is the new entry, may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_writer_commit(
    writer: *mut mcask_writer,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            let put = turn(writer)?.take().ok_or_else(over)?.commit()?;
            if !entry.is_null() {
                give(entry, lend(&put));
            }
            Ok(())
        })
    }
}

/// Frees a writer; NULL is fine. What was written and not committed is as if it had never been.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_writer_free(writer: *mut mcask_writer) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(writer) });
}

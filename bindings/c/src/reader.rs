//! Readers: content of any size in bounded memory.

use std::ffi::c_char;
use std::io::{Read, Seek, SeekFrom};
use std::slice;

use cask::BlobReader;

use crate::account::mcask_account;
use crate::entry::{lend, mcask_entry};
use crate::error::{Failure, mcask_error};
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared, turn};
use crate::text::name as text_of;

/// A reader over the content of a name. One thread at a time may use it.
pub struct mcask_reader {
    _opaque: [u8; 0],
}

opaque!(mcask_reader, BlobReader, b"Re\0\0", "reader");

/// A reader over the content of a name; NULL when there is no such name. Free it with mcask_reader_free().
///
/// It reads the version that was current when it was made, whatever becomes of the name, and after the store was
/// closed, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_reader_open(
    account: *const mcask_account,
    name: *const c_char,
    name_len: usize,
    reader: *mut *mut mcask_reader,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(reader);
        call(error, || {
            wanted("reader", reader)?;
            if let Some(found) = shared(account)?.reader(text_of(name, name_len)?)? {
                give(reader, handle::new(found));
            }
            Ok(())
        })
    }
}

/// Reads on, as many bytes as the buffer has room for; `len` says how many. Fewer only at the end of the content.
///
/// Each chunk of 64 KiB is checked before its bytes are given. When a read fails, the position is where it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_reader_read(
    reader: *mut mcask_reader,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(len);
        call(error, || {
            wanted("len", len)?;
            let mut reader = turn(reader)?;
            if capacity == 0 {
                return Ok(());
            }
            wanted("buffer", buffer)?;
            if capacity > isize::MAX as usize {
                return Err(Failure::misuse(format!("a buffer of {capacity} bytes was given; no memory has as many")));
            }
            let buffer = slice::from_raw_parts_mut(buffer, capacity);
            let began = reader.stream_position()?;
            let mut filled = 0;
            while filled < buffer.len() {
                match reader.read(&mut buffer[filled..]) {
                    Ok(0) => break,
                    Ok(more) => filled += more,
                    Err(failed) => {
                        reader.seek(SeekFrom::Start(began))?;
                        return Err(failed.into());
                    }
                }
            }
            give(len, filled);
            Ok(())
        })
    }
}

/// Goes to a position, counted in bytes from the start of the content. Beyond its end, reads give nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_reader_seek(
    reader: *mut mcask_reader,
    position: u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            turn(reader)?.seek(SeekFrom::Start(position))?;
            Ok(())
        })
    }
}

/// The facts of the name at the time the reader was made; free them with mcask_entry_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_reader_entry(
    reader: *mut mcask_reader,
    entry: *mut *mut mcask_entry,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(entry);
        call(error, || {
            wanted("entry", entry)?;
            give(entry, lend(&turn(reader)?.entry()));
            Ok(())
        })
    }
}

/// Frees a reader; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_reader_free(reader: *mut mcask_reader) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(reader) });
}

//! What comes in: texts, bytes, digests and structs, checked before they are looked at.
//!
//! A length is compared with its limit before a byte is read, so that an absurd one is answered and not
//! followed into memory that is not there.

use std::ffi::{CStr, c_char};
use std::slice;

use cask::ErrorKind;

use crate::error::{Failure, Result};

/// The length of a text that ends with a NUL byte.
pub const MCASK_NTS: usize = usize::MAX;

/// A kind of text: what it is called, its longest length in bytes, and what a wrong one is answered with.
pub(crate) struct Kind {
    pub(crate) what: &'static str,
    pub(crate) len_max: usize,
    pub(crate) too_long: ErrorKind,
    pub(crate) unsound: ErrorKind,
}

impl Kind {
    const fn new(what: &'static str, len_max: usize, wrong: ErrorKind) -> Kind {
        Kind { what, len_max, too_long: wrong, unsound: wrong }
    }
}

/// A kind of items: what they are called, how many may be given, and what more are answered with.
pub(crate) struct Items {
    pub(crate) what: &'static str,
    pub(crate) count_max: usize,
    pub(crate) too_many: ErrorKind,
}

pub(crate) const NAME: Kind = Kind::new("name", cask::limits::NAME_LEN_MAX, ErrorKind::InvalidName);
pub(crate) const ACCOUNT: Kind = Kind::new("account", cask::limits::ACCOUNT_LEN_MAX, ErrorKind::InvalidName);
pub(crate) const PREFIX: Kind = Kind::new("prefix", cask::limits::NAME_LEN_MAX, ErrorKind::InvalidOption);
pub(crate) const DELIMITER: Kind = Kind::new("delimiter", cask::limits::NAME_LEN_MAX, ErrorKind::InvalidOption);
/// A token holds a name, and is a few times as long.
pub(crate) const TOKEN: Kind = Kind::new("token", 16 << 10, ErrorKind::InvalidToken);
/// A key's id.
pub(crate) const KEY_ID: Kind = Kind::new("key's id", cask::limits::SIGNING_KEY_ID_LEN_MAX, ErrorKind::InvalidOption);
pub(crate) const DIGEST: Kind = Kind::new("digest", 64, ErrorKind::InvalidOption);
/// Any of the texts that are stored with an entry.
pub(crate) const FACT: Kind = Kind {
    what: "content type, cache control, disposition or metadata",
    len_max: cask::limits::METADATA_LEN_MAX,
    too_long: ErrorKind::TooLarge,
    unsound: ErrorKind::InvalidOption,
};

/// Each pair of metadata takes four bytes beside its texts.
pub(crate) const PAIRS: Items =
    Items { what: "pairs of metadata", count_max: cask::limits::METADATA_LEN_MAX / 4, too_many: ErrorKind::TooLarge };
pub(crate) const KEYS: Items =
    Items { what: "signing keys", count_max: cask::limits::SIGNING_KEYS_MAX, too_many: ErrorKind::InvalidOption };

/// The text at `data`; `None` of NULL.
///
/// # Safety
/// `data` is NULL, or has `len` bytes for `'a`; with [`MCASK_NTS`] it ends with NUL.
pub(crate) unsafe fn optional<'a>(kind: &Kind, data: *const c_char, len: usize) -> Result<Option<&'a str>> {
    if data.is_null() {
        return Ok(None);
    }
    let what = kind.what;
    let bytes = if len == MCASK_NTS {
        // SAFETY: the caller's word.
        unsafe { CStr::from_ptr(data) }.to_bytes()
    } else if len > kind.len_max {
        return Err(too_long(kind, len));
    } else {
        // SAFETY: the caller's word.
        unsafe { slice::from_raw_parts(data.cast(), len) }
    };
    if bytes.len() > kind.len_max {
        return Err(too_long(kind, bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Failure::new(kind.unsound, format!("the {what} is no UTF-8: {error}; texts are UTF-8 throughout"))
    })?;
    Ok(Some(text))
}

fn too_long(kind: &Kind, len: usize) -> Failure {
    let (what, len_max) = (kind.what, kind.len_max);
    Failure::new(kind.too_long, format!("the {what} has {len} bytes; at most {len_max} are allowed"))
}

/// The text at `data`, which the call needs.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn needed<'a>(kind: &Kind, data: *const c_char, len: usize) -> Result<&'a str> {
    // SAFETY: the caller's word.
    unsafe { optional(kind, data, len) }?
        .ok_or_else(|| Failure::misuse(format!("NULL was given for the {}", kind.what)))
}

/// A name.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn name<'a>(data: *const c_char, len: usize) -> Result<&'a str> {
    // SAFETY: the caller's word.
    unsafe { needed(&NAME, data, len) }
}

/// The bytes at `data`; NULL is none if there are to be none.
///
/// # Safety
/// `data` is NULL, or has `len` bytes for `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Result<&'a [u8]> {
    if len > isize::MAX as usize {
        return Err(Failure::misuse(format!("{len} bytes were given; no memory has as many")));
    }
    if data.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(Failure::misuse(format!("{len} bytes were given, at NULL"))) };
    }
    // SAFETY: the caller's word.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// The items at `data`; NULL is none if there are to be none.
///
/// # Safety
/// `data` is NULL, or has `count` items for `'a`.
pub(crate) unsafe fn items<'a, T>(kind: &Items, data: *const T, count: usize) -> Result<&'a [T]> {
    let (what, count_max) = (kind.what, kind.count_max);
    if count > count_max {
        return Err(Failure::new(kind.too_many, format!("{count} {what} were given; at most {count_max} are allowed")));
    }
    if data.is_null() {
        return if count == 0 { Ok(&[]) } else { Err(Failure::misuse(format!("{count} {what} were given, at NULL"))) };
    }
    // SAFETY: the caller's word.
    Ok(unsafe { slice::from_raw_parts(data, count) })
}

/// A struct that callers fill: it begins with its `struct_size`, has no padding, and any bytes are a value of it.
pub(crate) trait Struct: Copy + Default {}

/// What the caller filled of a struct; the rest, and all of it at NULL, is the default.
///
/// # Safety
/// `given` is NULL, or points to as many bytes of a `T` as its `struct_size` says.
pub(crate) unsafe fn options<T: Struct>(given: *const T) -> Result<T> {
    let mut options = T::default();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: every such struct begins with its size; no alignment is asked of it.
    let size = unsafe { given.cast::<usize>().read_unaligned() };
    check_size(size, size_of::<T>())?;
    // SAFETY: the caller's word; not more than a `T` has.
    unsafe { std::ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut options).cast::<u8>(), size) };
    Ok(options)
}

/// Fills as much of the caller's struct as it has room for.
///
/// # Safety
/// `out` is NULL, or has room for as many bytes as its `struct_size` says.
pub(crate) unsafe fn fill<T: Struct>(what: &str, out: *mut T, with: impl FnOnce() -> Result<T>) -> Result<()> {
    crate::guard::wanted(what, out)?;
    // SAFETY: every such struct begins with its size; no alignment is asked of it.
    let size = unsafe { out.cast::<usize>().read_unaligned() };
    check_size(size, size_of::<T>())?;
    let value = with()?;
    // SAFETY: the caller's word; not more than a `T` has, and behind its size.
    unsafe {
        let from = (&raw const value).cast::<u8>().add(size_of::<usize>());
        std::ptr::copy_nonoverlapping(from, out.cast::<u8>().add(size_of::<usize>()), size - size_of::<usize>());
    }
    Ok(())
}

fn check_size(size: usize, known: usize) -> Result<()> {
    let unit = size_of::<usize>();
    if size < unit || !size.is_multiple_of(unit) {
        let message = format!("a struct says that it has {size} bytes; initialize it with its _INIT macro");
        return Err(Failure::misuse(message));
    }
    if size > known {
        return Err(Failure::misuse(format!(
            "a struct says that it has {size} bytes, and this library knows {known} of them: the program was \
             compiled for a newer version, or did not initialize it with its _INIT macro"
        )));
    }
    Ok(())
}

/// A number that stands for a choice.
pub(crate) fn choice<T: Copy>(what: &str, given: i32, choices: &[T]) -> Result<T> {
    let chosen = usize::try_from(given).ok().and_then(|place| choices.get(place));
    chosen.copied().ok_or_else(|| {
        let message = format!("{what} is {given}; it is 0 to {}", choices.len() - 1);
        Failure::new(ErrorKind::InvalidOption, message)
    })
}

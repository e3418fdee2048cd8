//! Entries as C has them: a struct to read, with all it points to in one piece of memory.

use std::ffi::c_char;
use std::ptr::null;
use std::time::{SystemTime, UNIX_EPOCH};

use cask::Entry;

use crate::digest::mcask_digest;
use crate::guard::free;

/// A time that is not there: of an entry that never expires, of a filter that is not set.
pub const MCASK_NO_TIME: i64 = i64::MIN;

/// A pair of the caller's own that is stored with an entry. A length may be MCASK_NTS in what is given; in what
/// the library gives, texts end with NUL, too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_pair {
    /// The key.
    pub key: *const c_char,
    /// Its length.
    pub key_len: usize,
    /// The value.
    pub value: *const c_char,
    /// Its length.
    pub value_len: usize,
}

/// The facts of one name. Yours: free it with mcask_entry_free(), unless it is part of a page, of outcomes or of
/// an event, and freed with those.
///
/// Texts end with NUL beyond their length; those that are not set are NULL. The library may add fields at the
/// end; it alone makes such structs.
#[repr(C)]
pub struct mcask_entry {
    /// The key within its account.
    pub name: *const c_char,
    /// Its length.
    pub name_len: usize,
    /// The BLAKE3 of the content.
    pub digest: mcask_digest,
    /// The length of the content in bytes.
    pub size: u64,
    /// The media type it was stored with.
    pub content_type: *const c_char,
    /// Its length.
    pub content_type_len: usize,
    /// The Cache-Control it is to be served with.
    pub cache_control: *const c_char,
    /// Its length.
    pub cache_control_len: usize,
    /// The Content-Disposition it is to be served with.
    pub content_disposition: *const c_char,
    /// Its length.
    pub content_disposition_len: usize,
    /// The caller's own pairs, in the order of their keys.
    pub metadata: *const mcask_pair,
    /// How many there are.
    pub metadata_count: usize,
    /// When the name came to life; overwriting keeps it. Unix milliseconds, as the next two.
    pub created_at_unix_ms: i64,
    /// When the entry was last put or updated.
    pub updated_at_unix_ms: i64,
    /// From this instant on the name is gone; MCASK_NO_TIME: never.
    pub expires_at_unix_ms: i64,
    /// Grows with every change of the name; never used twice in a store.
    pub generation: u64,
}

/// Texts in one piece of memory, each with a NUL behind it.
pub(crate) struct Texts(Vec<u8>);

impl Texts {
    /// Room for texts of `len` bytes in all, `count` of them.
    pub(crate) fn with_room(len: usize, count: usize) -> Texts {
        Texts(Vec::with_capacity(len + count))
    }

    /// Adds a text; it never moves again.
    pub(crate) fn add(&mut self, text: &str) -> (*const c_char, usize) {
        assert!(self.0.capacity() - self.0.len() > text.len(), "room was made for all");
        let at = self.0.len();
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        // SAFETY: `at` is within, and the vector does not grow beyond its capacity.
        (unsafe { self.0.as_ptr().add(at) }.cast(), text.len())
    }

    fn add_optional(&mut self, text: Option<&str>) -> (*const c_char, usize) {
        text.map_or((null(), 0), |text| self.add(text))
    }
}

/// An entry with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_entry,
    _texts: Texts,
    _pairs: Box<[mcask_pair]>,
}

/// A time as C has it.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An entry for C, to be freed by [`release`].
pub(crate) fn lend(entry: &Entry) -> *mut mcask_entry {
    let facts = [&entry.content_type, &entry.cache_control, &entry.content_disposition].map(Option::as_deref);
    let len = entry.name.len()
        + facts.iter().flatten().map(|fact| fact.len()).sum::<usize>()
        + entry.metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    let mut texts = Texts::with_room(len, 4 + 2 * entry.metadata.len());
    let (name, name_len) = texts.add(&entry.name);
    let [content_type, cache_control, content_disposition] = facts.map(|fact| texts.add_optional(fact));
    let pairs = entry.metadata.iter().map(|(key, value)| {
        let ((key, key_len), (value, value_len)) = (texts.add(key), texts.add(value));
        mcask_pair { key, key_len, value, value_len }
    });
    let pairs: Box<[mcask_pair]> = pairs.collect();
    let shown = mcask_entry {
        name,
        name_len,
        digest: entry.digest.into(),
        size: entry.size,
        content_type: content_type.0,
        content_type_len: content_type.1,
        cache_control: cache_control.0,
        cache_control_len: cache_control.1,
        content_disposition: content_disposition.0,
        content_disposition_len: content_disposition.1,
        metadata: if pairs.is_empty() { null() } else { pairs.as_ptr() },
        metadata_count: pairs.len(),
        created_at_unix_ms: unix_ms(entry.created_at),
        updated_at_unix_ms: unix_ms(entry.updated_at),
        expires_at_unix_ms: entry.expires_at.map_or(MCASK_NO_TIME, unix_ms),
        generation: entry.generation,
    };
    Box::into_raw(Box::new(Kept { shown, _texts: texts, _pairs: pairs })).cast()
}

/// Takes an entry back.
///
/// # Safety
/// It is NULL, or came from [`lend`] and was not taken back.
pub(crate) unsafe fn release(entry: *mut mcask_entry) {
    if !entry.is_null() {
        // SAFETY: the caller's word.
        drop(unsafe { Box::from_raw(entry.cast::<Kept>()) });
    }
}

/// Frees an entry; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_entry_free(entry: *mut mcask_entry) {
    // SAFETY: convention 4.
    free(|| unsafe { release(entry) });
}

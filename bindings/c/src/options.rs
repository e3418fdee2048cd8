//! The options of a put, an update and a delete.

use std::ffi::c_char;
use std::ptr::null;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cask::{DeleteOptions, ErrorKind, Expiry, PrefixLimit, PutOptions, UpdateOptions};

use crate::digest::{self, mcask_digest};
use crate::entry::mcask_pair;
use crate::error::{Failure, Result};
use crate::store::{MCASK_DURABILITY_DEFAULT, durability};
use crate::text::{self, FACT, MCASK_NTS, PAIRS, PREFIX, Struct};

/// Of a put: as MCASK_EXPIRY_POLICY. Of an update: as it was.
pub const MCASK_EXPIRY_DEFAULT: i32 = 0;
/// As the account's policy says; without one, for ever.
pub const MCASK_EXPIRY_POLICY: i32 = 1;
/// For ever; refused where the account's policy has a longest time to live.
pub const MCASK_EXPIRY_NEVER: i32 = 2;
/// For `expiry_ms` milliseconds after the write.
pub const MCASK_EXPIRY_AFTER: i32 = 3;
/// Until `expiry_ms`, in Unix milliseconds.
pub const MCASK_EXPIRY_AT: i32 = 4;

/// The options of a put, a copy or a writer. Begin with MCASK_PUT_OPTIONS_INIT, which sets the lengths of texts
/// to MCASK_NTS. What is NULL is not set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_put_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// The media type to serve it with.
    pub content_type: *const c_char,
    /// Its length.
    pub content_type_len: usize,
    /// The Cache-Control to serve it with.
    pub cache_control: *const c_char,
    /// Its length.
    pub cache_control_len: usize,
    /// The Content-Disposition to serve it with.
    pub content_disposition: *const c_char,
    /// Its length.
    pub content_disposition_len: usize,
    /// Pairs of the caller's own; MCASK_PAIR() makes one.
    pub metadata: *const mcask_pair,
    /// How many there are.
    pub metadata_count: usize,
    /// One of MCASK_EXPIRY_: until when the entry lives.
    pub expiry: i32,
    /// One of MCASK_DURABILITY_.
    pub durability: i32,
    /// With MCASK_EXPIRY_AFTER and MCASK_EXPIRY_AT: milliseconds.
    pub expiry_ms: i64,
    /// Not 0: only if the name is free; else MCASK_E_PRECONDITION_FAILED, as of the next two.
    pub if_absent: i32,
    /// Leave it 0.
    pub reserved: i32,
    /// Only if the name holds this content.
    pub if_match: *const mcask_digest,
    /// Only if the name's entry is this very one.
    pub if_generation: *const u64,
    /// Only if the content has this digest; else MCASK_E_DIGEST_MISMATCH, as of the next two.
    pub expect_digest: *const mcask_digest,
    /// Only if the content has this MD5: 16 bytes.
    pub expect_md5: *const u8,
    /// Only if the content has this SHA-256: 32 bytes.
    pub expect_sha256: *const u8,
    /// Refuse the put with MCASK_E_QUOTA_EXCEEDED when the names that begin with this would be more than
    /// `limit_count`, or of more than `limit_bytes` together. The put's own name must begin so, too.
    pub limit_prefix: *const c_char,
    /// Its length.
    pub limit_prefix_len: usize,
    /// At most 1000.
    pub limit_count: u64,
    /// At most this many bytes.
    pub limit_bytes: u64,
}

impl Struct for mcask_put_options {}

impl Default for mcask_put_options {
    fn default() -> mcask_put_options {
        mcask_put_options {
            struct_size: size_of::<mcask_put_options>(),
            content_type: null(),
            content_type_len: MCASK_NTS,
            cache_control: null(),
            cache_control_len: MCASK_NTS,
            content_disposition: null(),
            content_disposition_len: MCASK_NTS,
            metadata: null(),
            metadata_count: 0,
            expiry: MCASK_EXPIRY_DEFAULT,
            durability: MCASK_DURABILITY_DEFAULT,
            expiry_ms: 0,
            if_absent: 0,
            reserved: 0,
            if_match: null(),
            if_generation: null(),
            expect_digest: null(),
            expect_md5: null(),
            expect_sha256: null(),
            limit_prefix: null(),
            limit_prefix_len: MCASK_NTS,
            limit_count: 0,
            limit_bytes: 0,
        }
    }
}

/// What an update changes of an entry. Begin with MCASK_UPDATE_OPTIONS_INIT, which sets the lengths of texts to
/// MCASK_NTS. What is NULL stays as it is; an empty text takes away what was there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_update_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// The media type to serve it with.
    pub content_type: *const c_char,
    /// Its length.
    pub content_type_len: usize,
    /// The Cache-Control to serve it with.
    pub cache_control: *const c_char,
    /// Its length.
    pub cache_control_len: usize,
    /// The Content-Disposition to serve it with.
    pub content_disposition: *const c_char,
    /// Its length.
    pub content_disposition_len: usize,
    /// Pairs of the caller's own to set; one whose value is NULL is taken away.
    pub metadata: *const mcask_pair,
    /// How many there are.
    pub metadata_count: usize,
    /// One of MCASK_EXPIRY_: MCASK_EXPIRY_POLICY restarts the account's own time to live.
    pub expiry: i32,
    /// One of MCASK_DURABILITY_.
    pub durability: i32,
    /// With MCASK_EXPIRY_AFTER and MCASK_EXPIRY_AT: milliseconds.
    pub expiry_ms: i64,
    /// Only if the name holds this content; else MCASK_E_PRECONDITION_FAILED, as of the next.
    pub if_match: *const mcask_digest,
    /// Only if the name's entry is this very one.
    pub if_generation: *const u64,
}

impl Struct for mcask_update_options {}

impl Default for mcask_update_options {
    fn default() -> mcask_update_options {
        mcask_update_options {
            struct_size: size_of::<mcask_update_options>(),
            content_type: null(),
            content_type_len: MCASK_NTS,
            cache_control: null(),
            cache_control_len: MCASK_NTS,
            content_disposition: null(),
            content_disposition_len: MCASK_NTS,
            metadata: null(),
            metadata_count: 0,
            expiry: MCASK_EXPIRY_DEFAULT,
            durability: MCASK_DURABILITY_DEFAULT,
            expiry_ms: 0,
            if_match: null(),
            if_generation: null(),
        }
    }
}

/// The options of a delete. Begin with MCASK_DELETE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_delete_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// One of MCASK_DURABILITY_.
    pub durability: i32,
    /// Leave it 0.
    pub reserved: i32,
    /// Only if the name holds this content; else MCASK_E_PRECONDITION_FAILED, as of the next.
    pub if_match: *const mcask_digest,
    /// Only if the name's entry is this very one.
    pub if_generation: *const u64,
}

impl Struct for mcask_delete_options {}

impl Default for mcask_delete_options {
    fn default() -> mcask_delete_options {
        mcask_delete_options {
            struct_size: size_of::<mcask_delete_options>(),
            durability: MCASK_DURABILITY_DEFAULT,
            reserved: 0,
            if_match: null(),
            if_generation: null(),
        }
    }
}

/// A time that C gave; before 1970 it is 1970.
pub(crate) fn time(unix_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0))
}

/// The expiry that is asked for; `None` is the default.
fn expiry(given: i32, ms: i64) -> Result<Option<Expiry>> {
    let after = || match u64::try_from(ms) {
        Ok(ms) => Ok(Expiry::After(Duration::from_millis(ms))),
        Err(_) => Err(Failure::new(ErrorKind::InvalidOption, format!("a time to live of {ms} ms was given"))),
    };
    Ok(Some(match given {
        MCASK_EXPIRY_DEFAULT => return Ok(None),
        MCASK_EXPIRY_AFTER => after()?,
        MCASK_EXPIRY_AT => Expiry::At(time(ms)),
        _ => text::choice("expiry less 1", given.wrapping_sub(1), &[Expiry::Policy, Expiry::Never])?,
    }))
}

/// `N` bytes at `data`; `None` of NULL.
///
/// # Safety
/// `data` is NULL, or has that many bytes.
unsafe fn array<const N: usize>(data: *const u8) -> Option<[u8; N]> {
    // SAFETY: the caller's word.
    (!data.is_null()).then(|| unsafe { data.cast::<[u8; N]>().read() })
}

/// The number at `data`; `None` of NULL.
///
/// # Safety
/// `data` is NULL, or points to a number.
unsafe fn number(data: *const u64) -> Option<u64> {
    // SAFETY: the caller's word.
    (!data.is_null()).then(|| unsafe { data.read() })
}

/// The options of a put as the core has them.
///
/// # Safety
/// `given` is NULL, or points to options that keep the header's word.
pub(crate) unsafe fn put(given: *const mcask_put_options) -> Result<PutOptions> {
    let mut options = PutOptions::new();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's word, for all the pointers in it.
    unsafe {
        let given = text::options(given)?;
        if given.reserved != 0 {
            return Err(Failure::misuse("`reserved` is not 0; initialize the options with their _INIT macro"));
        }
        if let Some(value) = text::optional(&FACT, given.content_type, given.content_type_len)? {
            options = options.content_type(value);
        }
        if let Some(value) = text::optional(&FACT, given.cache_control, given.cache_control_len)? {
            options = options.cache_control(value);
        }
        if let Some(value) = text::optional(&FACT, given.content_disposition, given.content_disposition_len)? {
            options = options.content_disposition(value);
        }
        for pair in text::items(&PAIRS, given.metadata, given.metadata_count)? {
            let key = text::needed(&FACT, pair.key, pair.key_len)?;
            options = options.metadata(key, text::needed(&FACT, pair.value, pair.value_len)?);
        }
        if let Some(expiry) = expiry(given.expiry, given.expiry_ms)? {
            options = options.expiry(expiry);
        }
        if let Some(durability) = durability(given.durability)? {
            options = options.durability(durability);
        }
        if given.if_absent != 0 {
            options = options.if_absent();
        }
        if let Some(digest) = digest::optional(given.if_match) {
            options = options.if_match(digest);
        }
        if let Some(generation) = number(given.if_generation) {
            options = options.if_generation(generation);
        }
        if let Some(digest) = digest::optional(given.expect_digest) {
            options = options.expect_digest(digest);
        }
        if let Some(md5) = array(given.expect_md5) {
            options = options.expect_md5(md5);
        }
        if let Some(sha256) = array(given.expect_sha256) {
            options = options.expect_sha256(sha256);
        }
        if let Some(prefix) = text::optional(&PREFIX, given.limit_prefix, given.limit_prefix_len)? {
            options = options.prefix_limit(PrefixLimit::new(prefix, given.limit_count, given.limit_bytes));
        }
    }
    Ok(options)
}

/// The options of an update as the core has them.
///
/// # Safety
/// `given` is NULL, or points to options that keep the header's word.
pub(crate) unsafe fn update(given: *const mcask_update_options) -> Result<UpdateOptions> {
    let mut options = UpdateOptions::new();
    if given.is_null() {
        return Ok(options);
    }
    let fact = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // SAFETY: the caller's word, for all the pointers in it.
    unsafe {
        let given = text::options(given)?;
        if let Some(value) = text::optional(&FACT, given.content_type, given.content_type_len)? {
            options = options.content_type(fact(value));
        }
        if let Some(value) = text::optional(&FACT, given.cache_control, given.cache_control_len)? {
            options = options.cache_control(fact(value));
        }
        if let Some(value) = text::optional(&FACT, given.content_disposition, given.content_disposition_len)? {
            options = options.content_disposition(fact(value));
        }
        for pair in text::items(&PAIRS, given.metadata, given.metadata_count)? {
            let key = text::needed(&FACT, pair.key, pair.key_len)?;
            options = match text::optional(&FACT, pair.value, pair.value_len)? {
                Some(value) => options.set_metadata(key, value),
                None => options.unset_metadata(key),
            };
        }
        if let Some(expiry) = expiry(given.expiry, given.expiry_ms)? {
            options = options.expiry(expiry);
        }
        if let Some(durability) = durability(given.durability)? {
            options = options.durability(durability);
        }
        if let Some(digest) = digest::optional(given.if_match) {
            options = options.if_match(digest);
        }
        if let Some(generation) = number(given.if_generation) {
            options = options.if_generation(generation);
        }
    }
    Ok(options)
}

/// The options of a delete as the core has them.
///
/// # Safety
/// `given` is NULL, or points to options that keep the header's word.
pub(crate) unsafe fn delete(given: *const mcask_delete_options) -> Result<DeleteOptions> {
    let mut options = DeleteOptions::new();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's word, for all the pointers in it.
    unsafe {
        let given = text::options(given)?;
        if given.reserved != 0 {
            return Err(Failure::misuse("`reserved` is not 0; initialize the options with their _INIT macro"));
        }
        if let Some(durability) = durability(given.durability)? {
            options = options.durability(durability);
        }
        if let Some(digest) = digest::optional(given.if_match) {
            options = options.if_match(digest);
        }
        if let Some(generation) = number(given.if_generation) {
            options = options.if_generation(generation);
        }
    }
    Ok(options)
}

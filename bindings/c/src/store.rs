//! A store: opened, closed, and all that concerns it as a whole.

use std::ffi::{OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;
use std::time::{Duration, UNIX_EPOCH};

use cask::{Clock, Create, Dedup, Durability, Store, StoreOptions, Upkeep, Verify};

use crate::digest::{self, mcask_digest};
use crate::error::{Failure, Result, mcask_error};
use crate::guard::{self, call, clear, give, wanted};
use crate::handle::{self, opaque, shared};
use crate::list::{mcask_page, page_of_names};
use crate::text::{self, MCASK_NTS, Struct};

/// An open store. Any number of threads may use it at once.
pub struct mcask_store {
    _opaque: [u8; 0],
}

opaque!(mcask_store, Store, b"St\0\0", "store");

/// A missing or empty directory becomes a store.
pub const MCASK_CREATE_IF_MISSING: i32 = 0;
/// A missing store is an error.
pub const MCASK_CREATE_NEVER: i32 = 1;

/// Equal content is stored once within each account.
pub const MCASK_DEDUP_ACCOUNT: i32 = 0;
/// Equal content is stored once in the whole store. One tenant can then learn by timing what another one has.
pub const MCASK_DEDUP_STORE: i32 = 1;

/// As the store was opened; of a store: MCASK_DURABILITY_SYNC.
pub const MCASK_DURABILITY_DEFAULT: i32 = 0;
/// A write returns after fdatasync: it survives the power cut.
pub const MCASK_DURABILITY_SYNC: i32 = 1;
/// A write returns after the write: it survives the death of the process, not of the machine. The store syncs
/// behind.
pub const MCASK_DURABILITY_OS: i32 = 2;

/// Every chunk of 64 KiB that a read touches is checked, at every read.
pub const MCASK_VERIFY_ALWAYS: i32 = 0;
/// Every chunk is checked the first time it is touched since the store was opened.
pub const MCASK_VERIFY_ONCE: i32 = 1;
/// Nothing is checked; for callers that check the digest themselves.
pub const MCASK_VERIFY_NEVER: i32 = 2;

/// A thread of the store's sweeps, writes checkpoints and prepares segments.
pub const MCASK_UPKEEP_BACKGROUND: i32 = 0;
/// The program does so, by mcask_store_sweep() and mcask_store_sync().
pub const MCASK_UPKEEP_BY_HAND: i32 = 1;

/// A number that the library chooses.
pub const MCASK_DEFAULT: u64 = u64::MAX;

/// How a store is opened. Begin with MCASK_STORE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_store_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// One of MCASK_CREATE_.
    pub create: i32,
    /// One of MCASK_DEDUP_; only a new store takes it, an old one keeps its own.
    pub dedup: i32,
    /// One of MCASK_DURABILITY_, for writes that do not say otherwise.
    pub durability: i32,
    /// One of MCASK_VERIFY_.
    pub verify: i32,
    /// One of MCASK_UPKEEP_.
    pub upkeep: i32,
    /// Leave it 0.
    pub reserved: i32,
    /// How long a MCASK_DURABILITY_OS write may stay unsynced, in milliseconds. MCASK_DEFAULT: 100.
    pub os_sync_interval_ms: u64,
    /// Content of this many bytes or more is kept as a file of its own; at most a quarter of a segment.
    /// MCASK_DEFAULT: 4 MiB.
    pub file_threshold: u64,
    /// Bytes of every segment, 64 KiB to 1 GiB in whole pages of 4 KiB. MCASK_DEFAULT: 8 MiB while the store is
    /// under 256 MiB, 32 MiB while it is under 2 GiB, then 128 MiB.
    pub segment_len: u64,
    /// Bytes that may be cached of the index; it takes about twice that. MCASK_DEFAULT: 64 MiB.
    pub index_cache_bytes: u64,
    /// Bytes that segments may take for each hundred of them that are needed, 105 to 10000. Beyond that, and two
    /// segments more, compaction gathers what is needed and frees the rest. MCASK_DEFAULT: 130.
    pub space_amplification_percent: u64,
    /// How long what happened is kept for feeds of events, in milliseconds, where there is the room: compaction takes
    /// what is older first. MCASK_DEFAULT: an hour.
    pub events_keep_ms: u64,
    /// Where the store reads the time, in Unix milliseconds; NULL: the machine's clock. Called from any thread,
    /// often, until the last handle of the store is freed, and the last signer of it; it must not call the store.
    pub clock: Option<unsafe extern "C" fn(context: *mut c_void) -> i64>,
    /// Given to `clock`.
    pub clock_context: *mut c_void,
    /// What was deleted, overwritten or has expired is in no file of the store when this long has passed, in
    /// milliseconds; at least a minute. With MCASK_UPKEEP_BY_HAND, mcask_store_sweep() erases what is due, and is to be
    /// called at least every half of the time; mcask_store_compact() erases at once. MCASK_DEFAULT: it is gone for
    /// readers at once, and from the disk when its room is needed.
    pub erase_within_ms: u64,
}

impl Struct for mcask_store_options {}

impl Default for mcask_store_options {
    fn default() -> mcask_store_options {
        mcask_store_options {
            struct_size: size_of::<mcask_store_options>(),
            create: MCASK_CREATE_IF_MISSING,
            dedup: MCASK_DEDUP_ACCOUNT,
            durability: MCASK_DURABILITY_DEFAULT,
            verify: MCASK_VERIFY_ALWAYS,
            upkeep: MCASK_UPKEEP_BACKGROUND,
            reserved: 0,
            os_sync_interval_ms: MCASK_DEFAULT,
            file_threshold: MCASK_DEFAULT,
            segment_len: MCASK_DEFAULT,
            index_cache_bytes: MCASK_DEFAULT,
            space_amplification_percent: MCASK_DEFAULT,
            events_keep_ms: MCASK_DEFAULT,
            clock: None,
            clock_context: null_mut(),
            erase_within_ms: MCASK_DEFAULT,
        }
    }
}

/// The caller's clock.
struct Hand {
    read: unsafe extern "C" fn(*mut c_void) -> i64,
    context: *mut c_void,
}

// SAFETY: the header asks of `clock` that it may be called from any thread.
unsafe impl Send for Hand {}
// SAFETY: likewise.
unsafe impl Sync for Hand {}

impl Hand {
    fn now(&self) -> std::time::SystemTime {
        // SAFETY: the header asks that function and context are good until the store is freed.
        let unix_ms = unsafe { (self.read)(self.context) };
        UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0))
    }
}

/// The clock that a caller gives; `None` is the machine's.
pub(crate) fn clock_of(
    read: Option<unsafe extern "C" fn(context: *mut c_void) -> i64>,
    context: *mut c_void,
) -> Option<Clock> {
    let hand = Hand { read: read?, context };
    Some(Clock::from_fn(move || hand.now()))
}

/// The durability that a call asks for; `None` is the store's own.
pub(crate) fn durability(given: i32) -> Result<Option<Durability>> {
    text::choice("durability", given, &[None, Some(Durability::Sync), Some(Durability::Os)])
}

impl mcask_store_options {
    fn to_core(self) -> Result<StoreOptions> {
        let mut options = Store::options()
            .create(text::choice("create", self.create, &[Create::IfMissing, Create::Never])?)
            .dedup(text::choice("dedup", self.dedup, &[Dedup::Account, Dedup::Store])?)
            .durability(durability(self.durability)?.unwrap_or_default())
            .verify(text::choice("verify", self.verify, &[Verify::Always, Verify::Once, Verify::Never])?)
            .upkeep(text::choice("upkeep", self.upkeep, &[Upkeep::Background, Upkeep::ByHand])?);
        if self.reserved != 0 {
            return Err(Failure::misuse("`reserved` is not 0; initialize the options with their _INIT macro"));
        }
        if self.os_sync_interval_ms != MCASK_DEFAULT {
            options = options.os_sync_interval(Duration::from_millis(self.os_sync_interval_ms));
        }
        if self.file_threshold != MCASK_DEFAULT {
            options = options.file_threshold(self.file_threshold);
        }
        if self.segment_len != MCASK_DEFAULT {
            options = options.segment_len(self.segment_len);
        }
        if self.index_cache_bytes != MCASK_DEFAULT {
            options = options.index_cache_bytes(self.index_cache_bytes);
        }
        if self.space_amplification_percent != MCASK_DEFAULT {
            #[allow(clippy::cast_precision_loss)] // What is too large to be told apart is refused.
            let percent = self.space_amplification_percent as f64;
            options = options.space_amplification(percent / 100.0);
        }
        if self.events_keep_ms != MCASK_DEFAULT {
            options = options.events_keep(Duration::from_millis(self.events_keep_ms));
        }
        if let Some(clock) = clock_of(self.clock, self.clock_context) {
            options = options.clock(clock);
        }
        if self.erase_within_ms != MCASK_DEFAULT {
            options = options.erase_within(Duration::from_millis(self.erase_within_ms));
        }
        Ok(options)
    }
}

/// The path at `data`: any bytes but NUL.
///
/// # Safety
/// As [`text::optional`].
pub(crate) unsafe fn path<'a>(data: *const c_char, len: usize) -> Result<&'a Path> {
    // SAFETY: the caller's word.
    let bytes = unsafe {
        match len {
            _ if data.is_null() => return Err(Failure::misuse("NULL was given for the path")),
            MCASK_NTS => std::ffi::CStr::from_ptr(data).to_bytes(),
            // No path of Linux's is longer.
            4097.. => return Err(Failure::misuse(format!("a path of {len} bytes was given"))),
            _ => text::bytes(data.cast(), len)?,
        }
    };
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// Opens the store in a directory, and creates it there unless the options say otherwise.
///
/// Gives a handle: free it with mcask_store_free(). One process has a store at a time; while another one has
/// it, this is MCASK_E_LOCKED. After a crash the store is mended first. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_open(
    path: *const c_char,
    path_len: usize,
    options: *const mcask_store_options,
    store: *mut *mut mcask_store,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(store);
        call(error, || {
            wanted("store", store)?;
            let options = text::options(options)?.to_core()?;
            give(store, handle::new(options.open(self::path(path, path_len)?)?));
            Ok(())
        })
    }
}

/// Makes everything durable, writes down what the next open wants to know, and lets other processes have the
/// store. Calls that are under way end first; later ones that need the store, with whatever handle of it, are
/// MCASK_E_CLOSED, except that closing again is MCASK_OK. Blobs, readers and signers stay good, and so does
/// mcask_store_health(). The handle is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_close(store: *mut mcask_store, error: *mut *mut mcask_error) -> i32 {
    // SAFETY: convention 2.
    unsafe { call(error, || Ok(shared(store)?.close()?)) }
}

/// Frees a store; NULL is fine. If no account, writer, batch or feed of it is left, it is closed as by
/// mcask_store_close(), whose errors are then nobody's; else it is when the last of them is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_free(store: *mut mcask_store) {
    // SAFETY: convention 4.
    guard::free(|| unsafe { handle::free(store) });
}

/// Makes durable all that was written with MCASK_DURABILITY_OS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_sync(store: *const mcask_store, error: *mut *mut mcask_error) -> i32 {
    // SAFETY: convention 2.
    unsafe { call(error, || Ok(shared(store)?.sync()?)) }
}

/// Every name, of whatever account, that holds the content with this digest: a page of all of them, `accounts`
/// set, to be freed with mcask_page_free(). A scan of all names. For the owner of the store: a digest is not a
/// permission.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_names_of(
    store: *const mcask_store,
    digest: *const mcask_digest,
    page: *mut *mut mcask_page,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(page);
        call(error, || {
            wanted("page", page)?;
            let names = shared(store)?.names_of(&digest::needed(digest)?)?;
            give(page, page_of_names(&names));
            Ok(())
        })
    }
}

/// Takes down every name, of whatever account, that holds the content with this digest; gives their number.
/// Durable when it returns. While it runs, the content cannot be put. If it is broken off, calling it again
/// goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_purge_digest(
    store: *const mcask_store,
    digest: *const mcask_digest,
    purged: *mut u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(purged);
        call(error, || {
            give(purged, shared(store)?.purge_digest(&digest::needed(digest)?)?);
            Ok(())
        })
    }
}

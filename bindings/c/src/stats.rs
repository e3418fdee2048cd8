//! What can be counted: of the store, and of each of its accounts.

use std::ffi::{CString, c_char};
use std::ptr::null;

use cask::{AccountStats, Stats};

use crate::error::mcask_error;
use crate::guard::{call, clear, free, give, wanted};
use crate::handle::shared;
use crate::list::c_text;
use crate::policy::mcask_policy;
use crate::store::mcask_store;
use crate::text::{self, Struct};

/// What a store holds and has done. Begin with MCASK_STATS_INIT; fields that a later version appends are filled
/// when `struct_size` has room for them.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct mcask_stats {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Names of all accounts; expired ones until they are swept, normally within a second.
    pub names: u64,
    /// Accounts that hold names or have a policy.
    pub accounts: u64,
    /// Bytes of content of all names; shared content counts for each of its names.
    pub logical_bytes: u64,
    /// Distinct contents.
    pub contents: u64,
    /// Bytes of distinct contents.
    pub content_bytes: u64,
    /// Bytes of records that are needed, about.
    pub live_bytes: u64,
    /// Bytes of segments that are neither needed nor spare, about.
    pub dead_bytes: u64,
    /// Bytes of segments that wait to be written again.
    pub spare_bytes: u64,
    /// Bytes of all segments, spares and blob files; the segment included that compaction is writing.
    pub total_bytes: u64,
    /// Segments in the log.
    pub segments: u64,
    /// Segments that wait to be written again.
    pub spare_segments: u64,
    /// Contents that have files of their own.
    pub blob_files: u64,
    /// fdatasync calls on the log since open.
    pub syncs: u64,
    /// Groups of writes since open.
    pub groups: u64,
    /// Bytes written to the log since open, headers and padding included.
    pub log_bytes_written: u64,
    /// Bytes that compaction has written since open.
    pub compacted_bytes: u64,
    /// Requests to write since open.
    pub puts: u64,
    /// Puts since open whose content was there already.
    pub dedup_hits: u64,
    /// Bytes of memory the catalog takes.
    pub catalog_bytes: u64,
    /// Bytes of the index's files.
    pub index_bytes: u64,
    /// How many bytes of content are kept for each byte that is stored; 1 when nothing is.
    pub dedup_ratio: f64,
    /// Bytes of the catalog's checkpoint.
    pub catalog_checkpoint_bytes: u64,
    /// The last sequence number that the checkpoint covers.
    pub catalog_checkpoint_sequence: u64,
    /// Bytes of the log since then: what an open after a crash would read.
    pub catalog_behind_bytes: u64,
    /// Bytes of the log that the index has not followed yet; UINT64_MAX while it is worked on.
    pub index_behind_bytes: u64,
    /// The last sequence number that is durable: no event has a higher one.
    pub last_sequence: u64,
    /// The highest sequence number of which a record may have left the log; see mcask_events_open().
    pub events_floor: u64,
}

impl Struct for mcask_stats {}

impl From<Stats> for mcask_stats {
    fn from(stats: Stats) -> mcask_stats {
        mcask_stats {
            struct_size: size_of::<mcask_stats>(),
            names: stats.names,
            accounts: stats.accounts,
            logical_bytes: stats.logical_bytes,
            contents: stats.contents,
            content_bytes: stats.content_bytes,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            spare_bytes: stats.spare_bytes,
            total_bytes: stats.total_bytes,
            segments: stats.segments,
            spare_segments: stats.spare_segments,
            blob_files: stats.blob_files,
            syncs: stats.syncs,
            groups: stats.groups,
            log_bytes_written: stats.log_bytes_written,
            compacted_bytes: stats.compacted_bytes,
            puts: stats.puts,
            dedup_hits: stats.dedup_hits,
            catalog_bytes: stats.catalog_bytes,
            index_bytes: stats.index_bytes,
            dedup_ratio: stats.dedup_ratio(),
            catalog_checkpoint_bytes: stats.catalog_checkpoint_bytes,
            catalog_checkpoint_sequence: stats.catalog_checkpoint_sequence,
            catalog_behind_bytes: stats.catalog_behind_bytes,
            index_behind_bytes: stats.index_behind_bytes.unwrap_or(u64::MAX),
            last_sequence: stats.last_sequence,
            events_floor: stats.events_floor,
        }
    }
}

/// What the store holds and has done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_stats(
    store: *const mcask_store,
    stats: *mut mcask_stats,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe { call(error, || text::fill("stats", stats, || Ok(shared(store)?.stats()?.into()))) }
}

/// What one account holds; part of mcask_accounts.
#[repr(C)]
pub struct mcask_account_info {
    /// The account.
    pub name: *const c_char,
    /// Its length.
    pub name_len: usize,
    /// Names.
    pub count: u64,
    /// Bytes of content of all names; shared content counts for each of its names.
    pub bytes: u64,
    /// Its policy; NULL if it has none.
    pub policy: *const mcask_policy,
}

/// The accounts of a store, in bytewise order. Yours: free it with mcask_accounts_free().
#[repr(C)]
pub struct mcask_accounts {
    /// Each of them.
    pub accounts: *const *const mcask_account_info,
    /// How many there are.
    pub count: usize,
}

/// One account with what it points to.
#[repr(C)]
struct KeptInfo {
    shown: mcask_account_info,
    _name: CString,
    _policy: Option<Box<mcask_policy>>,
}

impl KeptInfo {
    fn new(stats: &AccountStats) -> KeptInfo {
        let name = c_text(&stats.account);
        let policy = stats.policy.map(|policy| Box::new(mcask_policy::from(policy)));
        let shown = mcask_account_info {
            name: name.as_ptr(),
            name_len: stats.account.len(),
            count: stats.count,
            bytes: stats.bytes,
            policy: policy.as_deref().map_or(null(), |policy| policy),
        };
        KeptInfo { shown, _name: name, _policy: policy }
    }
}

/// The list with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_accounts,
    _infos: Box<[KeptInfo]>,
    _pointers: Box<[*const mcask_account_info]>,
}

/// The accounts that hold names or have a policy; free them with mcask_accounts_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_accounts(
    store: *const mcask_store,
    accounts: *mut *mut mcask_accounts,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(accounts);
        call(error, || {
            wanted("accounts", accounts)?;
            let infos: Box<[_]> = shared(store)?.accounts()?.iter().map(KeptInfo::new).collect();
            let pointers: Box<[_]> = infos.iter().map(|info| &raw const info.shown).collect();
            let shown = mcask_accounts {
                accounts: if pointers.is_empty() { null() } else { pointers.as_ptr() },
                count: pointers.len(),
            };
            let kept = Box::new(Kept { shown, _infos: infos, _pointers: pointers });
            give(accounts, Box::into_raw(kept).cast());
            Ok(())
        })
    }
}

/// Frees a list of accounts; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_accounts_free(accounts: *mut mcask_accounts) {
    // SAFETY: convention 4: it is NULL, or was made above and nobody has freed it.
    free(|| drop((!accounts.is_null()).then(|| unsafe { Box::from_raw(accounts.cast::<Kept>()) })));
}

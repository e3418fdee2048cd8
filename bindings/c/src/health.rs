//! How a store does.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr::null;

use cask::{Activity, Health, IndexState};

use crate::digest::mcask_digest;
use crate::entry::unix_ms;
use crate::error::mcask_error;
use crate::guard::{call, clear, free, give, wanted};
use crate::handle::shared;
use crate::list::c_text;
use crate::store::mcask_store;

/// The index follows the log.
pub const MCASK_INDEX_CURRENT: i32 = 0;
/// The index is to be built anew; the next listing does it.
pub const MCASK_INDEX_STALE: i32 = 1;
/// The index is kept in memory for this process.
pub const MCASK_INDEX_IN_MEMORY: i32 = 2;

/// Damage in a file of the store.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_damage {
    /// The file.
    pub path: *const c_char,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How far it reaches, in bytes.
    pub len: u64,
    /// What is wrong there.
    pub what: *const c_char,
}

/// A number with its name.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_count {
    /// What is counted: `segments_freed`, say.
    pub name: *const c_char,
    /// How many.
    pub count: u64,
}

/// A run of upkeep; part of mcask_health.
#[repr(C)]
pub struct mcask_activity {
    /// When it ended, by the store's clock, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it failed, or of a run of an earlier process the kind of error alone; NULL when it did not.
    pub error: *const c_char,
    /// What it came to: the fields of its report.
    pub counts: *const mcask_count,
    /// How many there are.
    pub count_count: usize,
}

/// How a store does. Yours: free it with mcask_health_free(). Texts end with NUL.
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_health {
    /// Why nothing can be written any more; NULL when all is well. Reads go on; open the store again.
    pub poisoned: *const c_char,
    /// What went wrong behind the scenes last; NULL when nothing did.
    pub trouble: *const c_char,
    /// Why the index is not current; NULL when it is.
    pub index_reason: *const c_char,
    /// One of MCASK_INDEX_.
    pub index_state: i32,
    /// Whether the store was closed properly before it was opened: 1 or 0.
    pub recovery_clean: i32,
    /// Whether opening it could begin with what the last checkpoint of the catalog knew: 1 or 0.
    pub recovery_from_checkpoint: i32,
    /// 0.
    pub reserved: i32,
    /// Records that opening it read beyond that.
    pub recovery_records_replayed: u64,
    /// Bytes at the end of the log that did not stand and were cut.
    pub recovery_bytes_cut: u64,
    /// Segments that opening it found.
    pub recovery_segments: u64,
    /// How long that took, in milliseconds.
    pub recovery_duration_ms: u64,
    /// Damage that was found when the store was opened, and since.
    pub damage: *const mcask_damage,
    /// How many there are.
    pub damage_count: usize,
    /// Contents that were found damaged when they were read since, and not put again.
    pub damaged_contents: *const mcask_digest,
    /// How many there are.
    pub damaged_content_count: usize,
    /// What upkeep did last of each kind; NULL: nothing that is known of. A process that is killed forgets what it did
    /// after the catalog was written down last.
    pub last_sweep: *const mcask_activity,
    /// Likewise.
    pub last_compaction: *const mcask_activity,
    /// Likewise.
    pub last_verify: *const mcask_activity,
    /// Likewise.
    pub last_catalog_checkpoint: *const mcask_activity,
    /// Likewise: the index was written anew, since its files were far larger than what they held, or slow to open.
    pub last_index_renewal: *const mcask_activity,
    /// Likewise: what was deleted, overwritten or has expired was erased; `late_ms` counts by how much the deadline was
    /// missed.
    pub last_erasure: *const mcask_activity,
    /// By how much what was let go of is late to be erased, and why, as a sentence; NULL when nothing is, or no
    /// `erase_within_ms` was set.
    pub erasure_overdue: *const c_char,
}

/// The health with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_health,
    _texts: Vec<CString>,
    _damage: Box<[mcask_damage]>,
    _contents: Box<[mcask_digest]>,
    _last: [Option<Box<KeptActivity>>; 6],
}

/// An activity with what it points to.
#[repr(C)]
struct KeptActivity {
    shown: mcask_activity,
    _texts: Vec<CString>,
    _counts: Box<[mcask_count]>,
}

fn activity(told: &Activity) -> KeptActivity {
    let mut texts: Vec<CString> = told.counts.iter().map(|(name, _)| c_text(name)).collect();
    let counts =
        told.counts.iter().zip(&texts).map(|((_, count), name)| mcask_count { name: name.as_ptr(), count: *count });
    let counts: Box<[mcask_count]> = counts.collect();
    let error = told.error.as_deref().map(c_text);
    let shown = mcask_activity {
        at_unix_ms: unix_ms(told.at),
        duration_ms: u64::try_from(told.duration.as_millis()).unwrap_or(u64::MAX),
        error: error.as_ref().map_or(null(), |error| error.as_ptr()),
        counts: if counts.is_empty() { null() } else { counts.as_ptr() },
        count_count: counts.len(),
    };
    texts.extend(error);
    KeptActivity { shown, _texts: texts, _counts: counts }
}

/// A path for C: as the system has it, cut at no byte.
pub(crate) fn c_path(path: &Path) -> CString {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

fn lend(health: &Health) -> *mut mcask_health {
    let mut texts = Vec::new();
    let mut keep = |text: CString| {
        let pointer = text.as_ptr();
        texts.push(text);
        pointer
    };
    let mut told = |text: Option<&str>| text.map_or(null(), |text| keep(c_text(text)));
    let (index_state, index_reason) = match &health.index {
        IndexState::Current => (MCASK_INDEX_CURRENT, None),
        IndexState::InMemory { reason } => (MCASK_INDEX_IN_MEMORY, Some(reason.as_str())),
        IndexState::Stale { reason } => (MCASK_INDEX_STALE, Some(reason.as_str())),
        _ => (MCASK_INDEX_STALE, None),
    };
    let (poisoned, trouble) = (told(health.poisoned.as_deref()), told(health.trouble.as_deref()));
    let erasure_overdue = told(health.erasure_overdue.as_deref());
    let index_reason = told(index_reason);
    let damage = health.damage.iter().map(|damage| mcask_damage {
        path: keep(c_path(&damage.path)),
        offset: damage.offset,
        len: damage.len,
        what: keep(c_text(&damage.what)),
    });
    let damage: Box<[mcask_damage]> = damage.collect();
    let contents: Box<[mcask_digest]> = health.damaged_contents.iter().map(|digest| (*digest).into()).collect();
    let recovery = &health.recovery;
    let last = &health.last;
    let (renewal, erasure) = (&last.index_renewal, &last.erasure);
    let last = [&last.sweep, &last.compaction, &last.verify, &last.catalog_checkpoint, renewal, erasure];
    let last = last.map(|told| told.as_ref().map(|told| Box::new(activity(told))));
    let [last_sweep, last_compaction, last_verify, last_catalog_checkpoint, last_index_renewal, last_erasure] =
        last.each_ref().map(|kept| kept.as_ref().map_or(null(), |kept| &raw const kept.shown));
    let shown = mcask_health {
        poisoned,
        trouble,
        index_reason,
        index_state,
        recovery_clean: recovery.clean.into(),
        recovery_from_checkpoint: recovery.from_checkpoint.into(),
        reserved: 0,
        recovery_records_replayed: recovery.records_replayed,
        recovery_bytes_cut: recovery.bytes_cut,
        recovery_segments: recovery.segments,
        recovery_duration_ms: u64::try_from(recovery.duration.as_millis()).unwrap_or(u64::MAX),
        damage: if damage.is_empty() { null() } else { damage.as_ptr() },
        damage_count: damage.len(),
        damaged_contents: if contents.is_empty() { null() } else { contents.as_ptr() },
        damaged_content_count: contents.len(),
        last_sweep,
        last_compaction,
        last_verify,
        last_catalog_checkpoint,
        last_index_renewal,
        last_erasure,
        erasure_overdue,
    };
    Box::into_raw(Box::new(Kept { shown, _texts: texts, _damage: damage, _contents: contents, _last: last })).cast()
}

/// How the store does; works after an error has stopped all writing, and in a child made by fork, too. Free it
/// with mcask_health_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_health(
    store: *const mcask_store,
    health: *mut *mut mcask_health,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        clear(health);
        call(error, || {
            wanted("health", health)?;
            give(health, lend(&shared(store)?.health()));
            Ok(())
        })
    }
}

/// Frees a health; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_health_free(health: *mut mcask_health) {
    // SAFETY: convention 4: it is NULL, or `lend` made it and nobody has freed it.
    free(|| drop((!health.is_null()).then(|| unsafe { Box::from_raw(health.cast::<Kept>()) })));
}

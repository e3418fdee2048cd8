//! Upkeep by hand: sweeping, compacting, verifying, and what the store derives of itself.

use std::ffi::{CString, c_char, c_void};
use std::ops::ControlFlow;
use std::ptr::null;

use cask::{CheckpointReport, Damaged, Store, VerifyOptions, VerifyReport};

use crate::digest::mcask_digest;
use crate::error::{Failure, Result, mcask_error};
use crate::guard::{call, clear, free, give, wanted};
use crate::handle::shared;
use crate::health::c_path;
use crate::list::{TextList, c_text};
use crate::policy::MCASK_NO_LIMIT;
use crate::store::{mcask_store, path as path_of};
use crate::text::{self, MCASK_NTS, Struct, TOKEN};

/// What a sweep did. Begin with MCASK_SWEEP_REPORT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_sweep_report {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Entries that were over.
    pub expired: u64,
    /// Segments that became spares or were removed.
    pub segments_freed: u64,
    /// Files of large contents that were removed.
    pub files_freed: u64,
}

impl Struct for mcask_sweep_report {}

impl Default for mcask_sweep_report {
    fn default() -> mcask_sweep_report {
        mcask_sweep_report {
            struct_size: size_of::<mcask_sweep_report>(),
            expired: 0,
            segments_freed: 0,
            files_freed: 0,
        }
    }
}

/// Ends at once all that is over, and frees its space; with `erase_within_ms` of the options, it erases what is
/// due, too. `report` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_sweep(
    store: *const mcask_store,
    report: *mut mcask_sweep_report,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let store = shared(store)?;
            if report.is_null() {
                store.sweep()?;
                return Ok(());
            }
            text::fill("report", report, || {
                let done = store.sweep()?;
                Ok(mcask_sweep_report {
                    expired: done.expired,
                    segments_freed: done.segments_freed,
                    files_freed: done.files_freed,
                    ..mcask_sweep_report::default()
                })
            })
        })
    }
}

/// Writes the catalog down now, so that the next open reads less of the log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_checkpoint_catalog(
    store: *const mcask_store,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe { call(error, || Ok(shared(store)?.checkpoint_catalog()?)) }
}

/// Drops the index and builds it anew from the log; gives the number of its rows. Never needed: a damaged index
/// is found and mended by itself.
///
/// `progress`, which may be NULL, hears what is done of what there is, in this thread; it must not call the
/// store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_rebuild_index(
    store: *const mcask_store,
    progress: Option<unsafe extern "C" fn(context: *mut c_void, done: u64, total: u64)>,
    context: *mut c_void,
    rows: *mut u64,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2; the progress function is called while the call lasts.
    unsafe {
        clear(rows);
        call(error, || {
            let count = shared(store)?.rebuild_index(&mut |done, total| {
                if let Some(progress) = progress {
                    progress(context, done, total);
                }
            })?;
            give(rows, count);
            Ok(())
        })
    }
}

/// What a compaction did. Begin with MCASK_COMPACT_REPORT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_compact_report {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Segments of which what was needed was gathered elsewhere.
    pub segments_compacted: u64,
    /// Segments that left the log, those in which nothing was needed included.
    pub segments_freed: u64,
    /// Files of large contents that were removed.
    pub files_freed: u64,
    /// Bytes written: what was gathered.
    pub bytes_rewritten: u64,
    /// Bytes of the segments and files that have gone, less those written.
    pub bytes_freed: u64,
}

impl Struct for mcask_compact_report {}

impl Default for mcask_compact_report {
    fn default() -> mcask_compact_report {
        mcask_compact_report {
            struct_size: size_of::<mcask_compact_report>(),
            segments_compacted: 0,
            segments_freed: 0,
            files_freed: 0,
            bytes_rewritten: 0,
            bytes_freed: 0,
        }
    }
}

/// Compacts all segments that are worth it, now. Upkeep does so by itself where space demands it. With
/// `erase_within_ms` of the options, it erases all that was let go of by now, and ends what is over first. `report`
/// may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_compact(
    store: *const mcask_store,
    report: *mut mcask_compact_report,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let store = shared(store)?;
            if report.is_null() {
                store.compact()?;
                return Ok(());
            }
            text::fill("report", report, || {
                let done = store.compact()?;
                Ok(mcask_compact_report {
                    segments_compacted: done.segments_compacted,
                    segments_freed: done.segments_freed,
                    files_freed: done.files_freed,
                    bytes_rewritten: done.bytes_rewritten,
                    bytes_freed: done.bytes_freed,
                    ..mcask_compact_report::default()
                })
            })
        })
    }
}

/// What a checkpoint or a restore did. Begin with MCASK_CHECKPOINT_REPORT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_checkpoint_report {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Files that are in both directories now, by a hard link.
    pub files_linked: u64,
    /// Files whose bytes were copied.
    pub files_copied: u64,
    /// Files that were there from an earlier checkpoint.
    pub files_kept: u64,
    /// Bytes of the files that were linked.
    pub bytes_linked: u64,
    /// Bytes that were copied.
    pub bytes_copied: u64,
    /// The last sequence number that may stand in it: no entry of it has a later generation.
    pub last_sequence: u64,
}

impl Struct for mcask_checkpoint_report {}

impl Default for mcask_checkpoint_report {
    fn default() -> mcask_checkpoint_report {
        mcask_checkpoint_report {
            struct_size: size_of::<mcask_checkpoint_report>(),
            files_linked: 0,
            files_copied: 0,
            files_kept: 0,
            bytes_linked: 0,
            bytes_copied: 0,
            last_sequence: 0,
        }
    }
}

impl From<CheckpointReport> for mcask_checkpoint_report {
    fn from(done: CheckpointReport) -> mcask_checkpoint_report {
        mcask_checkpoint_report {
            struct_size: size_of::<mcask_checkpoint_report>(),
            files_linked: done.files_linked,
            files_copied: done.files_copied,
            files_kept: done.files_kept,
            bytes_linked: done.bytes_linked,
            bytes_copied: done.bytes_copied,
            last_sequence: done.last_sequence,
        }
    }
}

/// Does what gives a report, into the caller's struct or for nobody.
///
/// # Safety
/// As [`text::fill`].
unsafe fn report_to(
    report: *mut mcask_checkpoint_report,
    act: impl FnOnce() -> cask::Result<CheckpointReport>,
) -> Result<()> {
    if report.is_null() {
        act()?;
        return Ok(());
    }
    // SAFETY: the caller's word.
    unsafe { text::fill("report", report, || Ok(act()?.into())) }
}

/// Makes a copy of the store as it is now in a directory, by hard links where that is possible: it opens as a store of
/// its own, and mcask_store_restore() makes one of it elsewhere. A later checkpoint into the same directory moves it on.
/// Durable when it returns. `report` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_checkpoint(
    store: *const mcask_store,
    path: *const c_char,
    path_len: usize,
    report: *mut mcask_checkpoint_report,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let (store, path) = (shared(store)?, path_of(path, path_len)?);
            report_to(report, || store.checkpoint(path))
        })
    }
}

/// Makes a store of a checkpoint in another directory; both are then independent of each other. `report` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_restore(
    checkpoint: *const c_char,
    checkpoint_len: usize,
    path: *const c_char,
    path_len: usize,
    report: *mut mcask_checkpoint_report,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            let (checkpoint, path) = (path_of(checkpoint, checkpoint_len)?, path_of(path, path_len)?);
            report_to(report, || Store::restore(checkpoint, path))
        })
    }
}

/// How a store is verified. Begin with MCASK_VERIFY_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_verify_options {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// Most bytes to read in a second; MCASK_NO_LIMIT: as fast as the disk gives them.
    pub bytes_per_sec: u64,
    /// The `resume` of a report that was broken off, to go on from there; NULL: from the beginning.
    pub resume: *const c_char,
    /// Its length.
    pub resume_len: usize,
    /// Not 0: damage is set aside and put right where that can be done; 0: it is only reported.
    pub repair: i32,
    /// Leave it 0.
    pub reserved: i32,
}

impl Struct for mcask_verify_options {}

impl Default for mcask_verify_options {
    fn default() -> mcask_verify_options {
        mcask_verify_options {
            struct_size: size_of::<mcask_verify_options>(),
            bytes_per_sec: MCASK_NO_LIMIT,
            resume: null(),
            resume_len: MCASK_NTS,
            repair: 0,
            reserved: 0,
        }
    }
}

/// Bytes that are not what was written, and what they cost; part of mcask_verify_report.
#[repr(C)]
pub struct mcask_damaged {
    /// The file.
    pub path: *const c_char,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes are concerned; 0 when the whole file is, or what should be there is missing.
    pub len: u64,
    /// The content that was hit; NULL if none was.
    pub digest: *const mcask_digest,
    /// The names that were hit, and, place for place, their accounts.
    pub names: *const *const c_char,
    /// The accounts of the names.
    pub accounts: *const *const c_char,
    /// How many names there are.
    pub name_count: usize,
    /// What was found, as a sentence.
    pub what: *const c_char,
    /// What repair would do about it; after a repair, what it did.
    pub remedy: *const c_char,
}

/// What a verification found. Yours: free it with mcask_verify_report_free(). Texts end with NUL.
///
/// The library may add fields at the end; it alone makes such structs.
#[repr(C)]
pub struct mcask_verify_report {
    /// Bytes that were read.
    pub bytes_checked: u64,
    /// Contents that were read as a whole and hashed.
    pub contents_checked: u64,
    /// Names whose entries were looked up in the log.
    pub entries_checked: u64,
    /// What is damaged.
    pub damaged: *const *const mcask_damaged,
    /// How many there are.
    pub damaged_count: usize,
    /// Contents whose count of references, in memory, is not the number of their names.
    pub wrong_references: u64,
    /// Accounts whose rows in the index are not what the log says. Listings do not believe such rows.
    pub index_differences: u64,
    /// How many of these were put right or set aside; 0 without repair.
    pub repaired: u64,
    /// Where to go on, if it was broken off; else NULL.
    pub resume: *const c_char,
}

/// One damage with what it points to.
#[repr(C)]
struct KeptDamage {
    shown: mcask_damaged,
    _digest: Option<Box<mcask_digest>>,
    _names: TextList,
    _accounts: TextList,
    _texts: [CString; 3],
}

impl KeptDamage {
    fn new(damaged: &Damaged) -> KeptDamage {
        let digest = damaged.digest.map(|digest| Box::new(mcask_digest::from(digest)));
        let names = TextList::new(damaged.names.iter().map(|(_, name)| name.as_str()));
        let accounts = TextList::new(damaged.names.iter().map(|(account, _)| account.as_str()));
        let texts = [c_path(&damaged.path), c_text(&damaged.what), c_text(&damaged.remedy)];
        let shown = mcask_damaged {
            path: texts[0].as_ptr(),
            offset: damaged.offset,
            len: damaged.len,
            digest: digest.as_deref().map_or(null(), |digest| digest),
            names: names.as_ptr(),
            accounts: accounts.as_ptr(),
            name_count: names.len(),
            what: texts[1].as_ptr(),
            remedy: texts[2].as_ptr(),
        };
        KeptDamage { shown, _digest: digest, _names: names, _accounts: accounts, _texts: texts }
    }
}

/// A report with what it points to.
#[repr(C)]
struct Kept {
    shown: mcask_verify_report,
    _damaged: Box<[KeptDamage]>,
    _pointers: Box<[*const mcask_damaged]>,
    _resume: Option<CString>,
}

fn lend(report: &VerifyReport) -> *mut mcask_verify_report {
    let damaged: Box<[_]> = report.damaged.iter().map(KeptDamage::new).collect();
    let pointers: Box<[_]> = damaged.iter().map(|damaged| &raw const damaged.shown).collect();
    let resume = report.resume.as_deref().map(c_text);
    let shown = mcask_verify_report {
        bytes_checked: report.bytes_checked,
        contents_checked: report.contents_checked,
        entries_checked: report.entries_checked,
        damaged: if pointers.is_empty() { null() } else { pointers.as_ptr() },
        damaged_count: pointers.len(),
        wrong_references: report.wrong_references,
        index_differences: report.index_differences,
        repaired: report.repaired,
        resume: resume.as_ref().map_or(null(), |resume| resume.as_ptr()),
    };
    Box::into_raw(Box::new(Kept { shown, _damaged: damaged, _pointers: pointers, _resume: resume })).cast()
}

/// # Safety
/// `given` is NULL, or points to options that keep the header's word.
unsafe fn verify_options(given: *const mcask_verify_options) -> Result<VerifyOptions> {
    // SAFETY: the caller's word, for all the pointers in it.
    unsafe {
        let given = text::options(given)?;
        if given.reserved != 0 {
            return Err(Failure::misuse("`reserved` is not 0; initialize the options with their _INIT macro"));
        }
        let mut options = VerifyOptions::new().repair(given.repair != 0);
        if given.bytes_per_sec != MCASK_NO_LIMIT {
            options = options.bytes_per_sec(given.bytes_per_sec);
        }
        if let Some(resume) = text::optional(&TOKEN, given.resume, given.resume_len)? {
            options = options.resume(resume);
        }
        Ok(options)
    }
}

/// Reads everything that is stored and checks it: records, contents by CRC and BLAKE3, references, the index. Free
/// the report with mcask_verify_report_free(). `options` may be NULL.
///
/// `progress`, which may be NULL, hears how far it is, in this thread; when it answers anything but 0, the
/// verification breaks off, and the report says where to go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_store_verify(
    store: *const mcask_store,
    options: *const mcask_verify_options,
    progress: Option<
        unsafe extern "C" fn(context: *mut c_void, bytes_checked: u64, bytes_total: u64, damaged: u64) -> i32,
    >,
    context: *mut c_void,
    report: *mut *mut mcask_verify_report,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2; the progress function is called while the call lasts.
    unsafe {
        clear(report);
        call(error, || {
            wanted("report", report)?;
            let found = shared(store)?.verify(&verify_options(options)?, &mut |at| {
                let answer = progress.map(|hear| hear(context, at.bytes_checked, at.bytes_total, at.damaged));
                if answer.unwrap_or(0) == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            give(report, lend(&found));
            Ok(())
        })
    }
}

/// Frees the report of a verification; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_verify_report_free(report: *mut mcask_verify_report) {
    // SAFETY: convention 4: it is NULL, or `lend` made it and nobody has freed it.
    free(|| drop((!report.is_null()).then(|| unsafe { Box::from_raw(report.cast::<Kept>()) })));
}

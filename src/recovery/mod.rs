//! Recovery: from the files of a store to its log and its catalog.
//!
//! ```text
//! 1  find     the segments, spares and blob files there are
//! 2  load     the catalog's checkpoint, if it is whole; it covers the log up to a sequence and a place
//! 3  replay   every segment from that place on, the last one first: from its footer, else from its records;
//!             all of them anew when that shows the checkpoint to be from before a later one
//! 4  cut      the end of the last segment, where the log stops standing
//! 5  ask      the index about names whose records are damaged
//! 6  finish   the catalog: references and totals
//! 7  mend     the disk: the end written again and sealed, what nobody needs removed
//! ```
//!
//! Steps 1 and 2 stand in `find.rs`, 3 and 5 in `replay.rs`, 4 in `ending.rs`, 7 in `mend.rs`; 6 is the
//! catalog's own (`catalog/builder.rs`).
//!
//! Steps 1 to 6 only read. A crash within 7 leaves what 1 to 6 find again, so opening twice is opening
//! once. Without a checkpoint, 3 begins with the first segment.

mod ending;
mod find;
mod mend;
mod replay;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::Catalog;
use crate::catalog::builder::Builder;
use crate::catalog::checkpoint::{Loaded, Stamp};
use crate::digest::Secret;
use crate::disk::Disk;
use crate::error::Result;
use crate::home::Home;
use crate::log::blob_files::BlobFiles;
use crate::log::footer::Rows;
use crate::log::record::OpView;
use crate::log::segment::Segment;
use crate::log::{Log, Position};
use crate::options::StoreOptions;

/// Bytes of a store's files that are not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes are concerned; 0 when the whole file is.
    pub len: u64,
    /// What was found, as a sentence.
    pub what: String,
}

/// What opening the store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The store had been closed; nothing had to be done.
    pub clean: bool,
    /// The checkpoint of the catalog was whole, and only what came after it was read.
    pub from_checkpoint: bool,
    /// Rows of footers and records that were read.
    pub records_replayed: u64,
    /// Bytes at the end of the log that did not stand: writes under way when the power went.
    pub bytes_cut: u64,
    /// Segments in the log.
    pub segments: u64,
    /// How long it took.
    pub duration: Duration,
}

/// What the index remembers, for names whose records are damaged.
pub(crate) struct Witness<'a> {
    /// Up to where in the log it has read.
    pub(crate) end: &'a dyn Fn() -> Option<Position>,
    /// All its rows: (account, name, sequence).
    pub(crate) rows: &'a dyn Fn() -> Vec<(String, String, u64)>,
}

/// A store's state, brought back.
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) catalog: Catalog,
    pub(crate) damage: Vec<Damage>,
    pub(crate) report: RecoveryReport,
    /// The sequence the catalog's checkpoint covers, and the segments it knows to be sealed.
    pub(crate) checkpoint: Option<Stamp>,
    /// The newest time found in the log, Unix ms.
    pub(crate) newest_ms: u64,
}

/// Brings the store back; `witness` is asked only when records are damaged.
pub(crate) fn recover(
    home: &Home,
    options: &StoreOptions,
    files: &BlobFiles,
    witness: &Witness<'_>,
) -> Result<Recovered> {
    let begun = Instant::now();
    let secret = Secret(home.store.secret);
    let mut replay = Replay::find(home, options.disk.clone(), &secret)?;
    let loaded = replay.load(home);
    let mut stamp = loaded.as_ref().map(|loaded| loaded.stamp);
    let mut builder = replay.builder(loaded, home.store.store_wide);
    let mut end = replay.replay(&mut builder, stamp.as_ref())?;
    if stamp.is_some_and(|stamp| replay.is_outdated(&stamp)) {
        replay.begin_again(home);
        stamp = None;
        builder = replay.builder(None, home.store.store_wide);
        end = replay.replay(&mut builder, None)?;
    }
    replay.note_missing();
    replay.note_lost_end(end.as_ref(), witness);
    if !replay.gaps.is_empty() {
        replay.ask(&mut builder, end.as_mut(), witness);
    }
    let catalog = builder.finish();
    let mut report = RecoveryReport {
        clean: end.as_ref().map_or_else(|| replay.was_closed(stamp.as_ref()), |end| end.clean),
        from_checkpoint: stamp.is_some(),
        records_replayed: replay.rows_read,
        bytes_cut: end.as_ref().map_or(0, |end| end.bytes_cut),
        segments: replay.segments.len() as u64,
        duration: Duration::ZERO,
    };
    let newest_ms = replay.newest_ms();
    let damage = replay.damage.clone();
    let log = replay.mend(options, files, &catalog, end)?;
    report.duration = begun.elapsed();
    Ok(Recovered { log, catalog, damage, report, checkpoint: stamp, newest_ms })
}

/// Recovery under way.
struct Replay {
    disk: Arc<dyn Disk>,
    secret: Secret,
    dir: PathBuf,
    staging: PathBuf,
    /// By id.
    segments: Vec<Arc<Segment>>,
    spares: Vec<(PathBuf, u64, bool)>,
    /// Segments that left the log, whose files are still there.
    leftover: Vec<PathBuf>,
    next_segment: u32,
    last_sequence: u64,
    /// The rows the checkpoint has of the segment that was active then.
    active: Vec<u8>,
    rows_read: u64,
    /// Segments that have left the log, and the sequence at which it says so.
    retired: HashMap<u32, u64>,
    /// The segments the checkpoint lists.
    listed: Vec<u32>,
    /// Those of them that are missing.
    missing: Vec<u32>,
    /// Segments of whose header nothing stands: who mends it brings back what is in them.
    unreadable: Vec<u32>,
    /// The sequence the checkpoint covers.
    floor: u64,
    /// A directory where the checkpoint should be.
    in_the_way: Option<PathBuf>,
    damage: Vec<Damage>,
    /// How much of it was found before the replay.
    damage_found: usize,
    gaps: Vec<Gap>,
    /// A place near the end of the log where an operation stands.
    newest: Option<(u32, u32)>,
}

/// A damaged stretch of the log: what was committed there has sequences between those on either side.
struct Gap {
    segment: u32,
    start: u64,
    end: u64,
    before: u64,
    behind: u64,
}

/// The last segment, which was not sealed.
struct End {
    segment: Arc<Segment>,
    rows: Rows,
    /// What is known to be durable.
    proven: u64,
    /// Where the log stops standing.
    cut: u64,
    bytes_cut: u64,
    clean: bool,
}

impl Replay {
    fn note(&mut self, path: &std::path::Path, offset: u64, len: u64, what: &str) {
        self.damage.push(Damage { path: path.to_path_buf(), offset, len, what: what.to_owned() });
    }

    fn builder(&self, loaded: Option<Loaded>, store_wide: bool) -> Builder {
        let segments = self.segments.iter().map(|segment| segment.id()).collect();
        match loaded {
            Some(loaded) => Builder::new(loaded.catalog, loaded.stamp.sequence, store_wide, segments),
            None => Builder::new(Catalog::new(), 0, store_wide, segments),
        }
    }

    /// The segment in which the log goes on, or has gone on last.
    fn last_of_chain(&self) -> Option<&Arc<Segment>> {
        self.segments.iter().rfind(|segment| !segment.is_compacted())
    }

    /// Whether the store was closed with every segment sealed, rather than left between two of them.
    fn was_closed(&self, stamp: Option<&Stamp>) -> bool {
        self.last_of_chain().is_none_or(|last| {
            let ends_there = |stamp: &Stamp| (stamp.segment, stamp.offset) == (last.id(), last.records_end());
            stamp.is_some_and(|stamp| stamp.clean && ends_there(stamp))
        })
    }

    fn newest_ms(&self) -> u64 {
        let segment = self.newest.and_then(|(id, _)| self.segments.iter().find(|segment| segment.id() == id));
        let op = segment.zip(self.newest).and_then(|(segment, (_, offset))| segment.op(offset.into()).ok());
        op.and_then(|bytes| OpView::decode(&bytes).map(|op| op.stamp().at_ms)).unwrap_or(0)
    }
}

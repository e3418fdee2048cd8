//! Writing the catalog down, so that the next open need not read the log.
//!
//! Its lock orders checkpoints against what compaction and recycling do to the set of segments.

use std::collections::HashSet;
use std::io::{ErrorKind as IoKind, IoSlice};
use std::sync::atomic::Ordering::Relaxed;

use super::{Counts, Task, Upkeep};
use crate::catalog::checkpoint::{self, HEADER_LEN, Stamp};
use crate::error::{ErrorKind, Result};
use crate::home::replace_file;
use crate::log::{Log, Position};

/// A checkpoint is due when the log has grown by this many times its length,
const GROWTH: u64 = 8;
/// and by this many segments.
const SEGMENTS: u64 = 2;
/// For compaction, when that copies so many times its length less,
const WORTH: u64 = 2;
/// and this share of a segment.
const LITTLE: u64 = 16;

/// Bytes of a checkpoint written in one go, about.
const WRITE_LEN: usize = 1 << 20;

/// A checkpoint that was written.
struct Written {
    bytes: u64,
    sequence: u64,
    end: Position,
}

impl Counts for Written {
    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("bytes", self.bytes)]
    }
}

/// What the last checkpoint covers.
pub(crate) struct Checkpointer {
    /// Segments that were sealed when it was taken; only these may leave the log.
    pub(super) sealed: HashSet<u32>,
    len: u64,
    written_then: u64,
    /// There is none that counts, though the log holds something.
    is_missing: bool,
}

impl Checkpointer {
    pub(crate) fn new(stamp: Option<&Stamp>, log: &Log) -> Checkpointer {
        let before = |id: u32| stamp.is_some_and(|stamp| id < stamp.segment);
        let segments = log.segments();
        let sealed = segments.iter().map(|segment| segment.id()).filter(|id| before(*id)).collect();
        let is_missing = stamp.is_none() && segments.iter().any(|segment| segment.trailer().is_some());
        Checkpointer { sealed, len: 0, written_then: 0, is_missing }
    }
}

impl Upkeep {
    /// Writes a checkpoint when the log has grown enough since the last.
    pub(crate) fn checkpoint_if_due(&self) -> Result<()> {
        let due = {
            let last = self.checkpointer.lock();
            last.is_missing || self.grown_since(&last) >= (GROWTH * last.len).max(SEGMENTS * self.log.segment_len())
        };
        if due { self.checkpoint_or_none() } else { Ok(()) }
    }

    /// Writes a checkpoint because compaction needs segments that the last one does not know as sealed; unless
    /// the log has grown too little since, compared with what it takes.
    pub(super) fn checkpoint_for_compaction(&self) -> Result<bool> {
        let due = {
            let last = self.checkpointer.lock();
            let grown = self.grown_since(&last) >= last.len.max(self.log.segment_len());
            let is_sealed = |segment: &std::sync::Arc<crate::log::segment::Segment>| segment.trailer().is_some();
            grown && self.log.segments().iter().any(|known| is_sealed(known) && !last.sealed.contains(&known.id()))
        };
        if due {
            self.checkpoint_or_none()?;
        }
        Ok(due)
    }

    /// Whether compaction would copy so much less, with segments that the last checkpoint does not know as complete, or
    /// the index has not read, that writing it down again is little beside it.
    pub(super) fn is_checkpoint_worth_it(&self, to_free: u64) -> bool {
        let len = self.checkpointer.lock().len;
        let may_leave = self.may_leave();
        let (lives, segments) = (self.catalog.lives(), self.log.segments());
        let mut all: Vec<(u64, u64, bool)> = segments
            .iter()
            .filter(|segment| segment.trailer().is_some())
            .map(|segment| {
                let live = lives.get(&segment.id()).map_or(0, |live| live.bytes);
                (live, segment.len().saturating_sub(live), may_leave(segment))
            })
            .collect();
        all.sort_unstable_by_key(|(live, dead, _)| live * 1000 / (*dead).max(1));
        let copied = |some: &mut dyn Iterator<Item = &(u64, u64, bool)>| {
            let (mut freed, mut copied) = (0, 0);
            for (live, dead, _) in some {
                if freed >= to_free {
                    break;
                }
                (freed, copied) = (freed + dead, copied + live);
            }
            // What cannot be had is dear.
            if freed < to_free { u64::MAX } else { copied }
        };
        let (with, without) = (copied(&mut all.iter()), copied(&mut all.iter().filter(|(.., may_leave)| *may_leave)));
        without.saturating_sub(with) > WORTH * len + self.log.segment_len() / LITTLE
    }

    fn grown_since(&self, last: &Checkpointer) -> u64 {
        self.log.counters.bytes_written.load(Relaxed) - last.written_then
    }

    /// Writes a checkpoint, or on a disk that has no room for it does without. Only a checkpoint keeps segments
    /// that were sealed after it from leaving, and the log says it all: so the last one makes way, too, for a new
    /// one, or for what can be freed without any. A crash
    /// 1. before the directory is synced leaves the old one, or none, and nothing has left the log;
    /// 2. after it leaves none.
    pub(super) fn checkpoint_or_none(&self) -> Result<()> {
        match self.checkpoint(false) {
            Err(error) if error.kind() == ErrorKind::NoSpace => {}
            outcome => return outcome,
        }
        let path = self.home.catalog();
        {
            let mut last = self.checkpointer.lock();
            match self.log.disk.unlink(&path) {
                Err(error) if error.kind() != IoKind::NotFound => {
                    return Err(crate::Error::io("remove", &path, error));
                }
                _ => {}
            }
            let failed = |e| crate::Error::io("sync the directory", &self.home.dir, e);
            self.log.disk.sync_dir(&self.home.dir).map_err(failed)?;
            let segments = self.log.segments();
            let sealed = segments.iter().filter(|segment| segment.trailer().is_some()).map(|segment| segment.id());
            let written_then = self.log.counters.bytes_written.load(Relaxed);
            *last = Checkpointer { sealed: sealed.collect(), len: 0, written_then, is_missing: true };
        }
        self.checkpoint(false)
    }

    /// Writes the catalog down; on a full disk, spares beyond the reserve make way for it.
    pub(crate) fn checkpoint(&self, clean: bool) -> Result<()> {
        let (_span, begun) = Task::CatalogCheckpoint.begin();
        loop {
            match self.write_checkpoint(clean) {
                Err(error) if error.kind() == ErrorKind::NoSpace && self.log.give_up_spare()? => {}
                outcome => {
                    let written = self.keep_activity(Task::CatalogCheckpoint, begun, outcome)?;
                    *self.checkpointed.lock() = (written.sequence, written.end);
                    self.save_activities();
                    return Ok(());
                }
            }
        }
    }

    /// What a checkpoint shows is durable before it counts: the log is synced at its stamp, and again
    /// before the file gets its name, since rows are read while others write.
    fn write_checkpoint(&self, clean: bool) -> Result<Written> {
        let mut last = self.checkpointer.lock();
        self.commit.sync()?;
        let (stamp, segments, sealed, active, written) = {
            let mut tail = self.log.tail();
            // Somebody may have written since; what the stamp covers must be durable.
            self.commit.sync_tail(&mut tail)?;
            let position = tail.position();
            let stamp = Stamp {
                store_id: self.home.store.id,
                sequence: tail.last_sequence(),
                segment: position.segment,
                offset: position.offset,
                next_segment: tail.next_segment(),
                clean,
            };
            let segments = self.log.segments();
            let sealed: HashSet<u32> =
                segments.iter().filter(|segment| segment.trailer().is_some()).map(|segment| segment.id()).collect();
            let active = tail.rows().map(|(segment, rows)| (segment.header, rows.clone(), position.offset));
            let missing = self.log.missing.iter().copied().filter(|id| !self.catalog.live(*id).is_nothing());
            let ids: Vec<u32> = segments.iter().map(|segment| segment.id()).chain(missing).collect();
            (stamp, ids, sealed, active, self.log.counters.bytes_written.load(Relaxed))
        };
        let active = active.map_or_else(Vec::new, |(header, rows, end)| rows.encode(&header, end));
        let mut at = HEADER_LEN as u64;
        let mut gathered = Vec::new();
        replace_file(self.log.disk.as_ref(), &self.home.dir, "catalog", &mut |file| {
            let mut write = |gathered: &mut Vec<u8>| {
                let failed = |e| crate::Error::io("write the catalog's checkpoint in", &self.home.dir, e);
                file.write_at(&[IoSlice::new(gathered)], at).map_err(failed)?;
                at += gathered.len() as u64;
                gathered.clear();
                Ok(())
            };
            let mut sink = |bytes: &[u8]| -> Result<()> {
                gathered.extend_from_slice(bytes);
                if gathered.len() < WRITE_LEN { Ok(()) } else { write(&mut gathered) }
            };
            let header = checkpoint::write(&self.catalog, &stamp, &segments, &active, &mut sink)?;
            write(&mut gathered)?;
            file.write_at(&[IoSlice::new(&header)], 0)?;
            Ok(self.commit.sync()?)
        })?;
        *last = Checkpointer { sealed, len: at, written_then: written, is_missing: false };
        let end = Position { segment: stamp.segment, offset: stamp.offset };
        Ok(Written { bytes: at, sequence: stamp.sequence, end })
    }

    /// The sequence number that the checkpoint covers, and bytes of the log since.
    pub(crate) fn checkpointed(&self) -> (u64, u64) {
        let (sequence, end) = *self.checkpointed.lock();
        (sequence, self.log.len_between(end, self.commit.durable()))
    }

    /// Whether a segment may leave the log.
    pub(super) fn is_sealed_before(&self, id: u32) -> bool {
        self.checkpointer.lock().sealed.contains(&id)
    }

    /// The segments that may leave the log.
    pub(super) fn sealed_before_checkpoint(&self) -> HashSet<u32> {
        self.checkpointer.lock().sealed.clone()
    }
}

//! Spares: room that waits to be written, ahead of need.
//!
//! A spare is a file of a whole segment's length under a name of its own. Some were allocated; most had an
//! earlier life as a segment, and writing them again costs the disk the least; where what was deleted is to be
//! erased, none has. One is kept in reserve: on a full disk compaction gathers into it what still counts.

use std::io::ErrorKind as IoKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::format::PAGE;
use super::segment::{Segment, path_of};
use super::{Log, Position, Room, SMALL_SEGMENT_LEN, Tail};
use crate::disk::{Access, fork, map};
use crate::error::{Error, ErrorKind, Result};

/// What lets go of names on a full disk gets this share of a small segment.
const PART: u64 = 4;
/// Spares beyond a sixteenth of the segments and this many are given back to the disk.
const SPARES_MIN: usize = 4;

/// With so many thousandths of a segment written, the next one should wait beside the reserve.
const BEGUN: u64 = 250;

/// A file that waits to be a segment.
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) len: u64,
    /// It had an earlier life: its extents were written before.
    pub(super) rewritten: bool,
}

impl Log {
    /// Spares and their bytes.
    pub(crate) fn spares(&self) -> (u64, u64) {
        let spares = self.spares.lock();
        (spares.len() as u64, spares.iter().map(|spare| spare.len).sum())
    }

    /// A spare for the next segment, in which `least` bytes must find room.
    ///
    /// On a full disk the reserve is compaction's. What lets go of names gets a part of a segment, if there is room
    /// for that: compaction leaves such pieces.
    pub(super) fn take_spare(&self, tail: &mut Tail, room: Room, least: u64) -> Result<Spare> {
        let wanted = self.segment_len();
        // Long enough for whatever a request may ask for.
        let whole = self.segment_len.unwrap_or(SMALL_SEGMENT_LEN);
        if let Some(spare) = self.spare_of(1, |len| len == wanted) {
            return Ok(spare);
        }
        if room != Room::Last && self.spares.lock().is_empty() && !self.table.read().is_empty() {
            // Upkeep has not come to it, or found no room: nothing ordinary goes on without a reserve.
            match self.allocate_spare(tail, whole) {
                Err(error) if error.kind() != ErrorKind::NoSpace || room == Room::Ordinary => return Err(error),
                reserve => self.spares.lock().extend(reserve),
            }
        }
        let error = match self.allocate_spare(tail, wanted) {
            Err(error) if error.kind() == ErrorKind::NoSpace && room != Room::Ordinary => error,
            allocated => return allocated,
        };
        // `least` is an estimate from above.
        let part = (whole / PART).max(least).next_multiple_of(PAGE).min(whole);
        match self.allocate_spare(tail, part) {
            Err(error) if error.kind() == ErrorKind::NoSpace && room == Room::Last => {
                self.spare_of(0, |len| len >= part).ok_or(error).and_then(|spare| self.cut(spare, part))
            }
            allocated => allocated.map_err(|_| error),
        }
    }

    /// A spare that fits, if more than `keep` are there.
    fn spare_of(&self, keep: usize, fits: impl Fn(u64) -> bool) -> Option<Spare> {
        let mut spares = self.spares.lock();
        let place = spares.iter().rposition(|spare| fits(spare.len));
        place.filter(|_| spares.len() > keep).map(|place| spares.swap_remove(place))
    }

    /// Cuts a spare, which nobody has mapped. A crash leaves it as it was, or short: then it is removed.
    fn cut(&self, mut spare: Spare, len: u64) -> Result<Spare> {
        let outcome = self.disk.open(&spare.path, Access::Write).and_then(|file| file.set_len(len));
        if let Err(error) = outcome {
            let error = Error::io("cut", &spare.path, error);
            self.spares.lock().push(spare);
            return Err(error);
        }
        spare.len = len;
        Ok(spare)
    }

    fn allocate_spare(&self, tail: &mut Tail, len: u64) -> Result<Spare> {
        let path = path_of(&self.dir, tail.take_segment(), "spare");
        let allocate = || {
            let file = self.disk.open(&path, Access::Create)?;
            file.allocate(len)
        };
        if let Err(error) = allocate() {
            // What there is of it is of no use, and on a full disk its room is.
            let _ = self.disk.unlink(&path);
            return Err(Error::io("make room for", &path, error));
        }
        // Not synced: the sync of the header, before the spare becomes a segment, covers its length; a crash
        // before leaves a spare that is too short, and removed or passed over.
        Ok(Spare { path, len, rewritten: false })
    }

    /// Keeps one spare ahead of need, so that a full disk still has room for deletes.
    pub(crate) fn prepare_spare(&self) -> Result<()> {
        let wanted = self.segment_len();
        let ready = self.spares.lock().iter().filter(|spare| spare.len == wanted).count();
        if ready > usize::from(self.fill() > BEGUN) {
            return self.give_up_outgrown(wanted);
        }
        let id = self.tail.lock().take_segment();
        let mut scratch = Tail { active: None, predecessor: Position::default(), next_segment: id, next_sequence: 0 };
        let spare = self.allocate_spare(&mut scratch, wanted)?;
        self.spares.lock().push(spare);
        Ok(())
    }

    /// Removes spares of a length that segments had when the log was smaller, or larger.
    fn give_up_outgrown(&self, wanted: u64) -> Result<()> {
        loop {
            let spare = {
                let mut spares = self.spares.lock();
                let place = spares.iter().position(|spare| spare.len != wanted);
                place.map(|place| spares.swap_remove(place))
            };
            let Some(spare) = spare else { return Ok(()) };
            self.disk.unlink(&spare.path).map_err(|e| Error::io("remove", &spare.path, e))?;
        }
    }

    /// Removes a spare, if there is one beyond the reserve; says so.
    pub(crate) fn give_up_spare(&self) -> Result<bool> {
        let mut spares = self.spares.lock();
        let Some(spare) = (spares.len() > 1).then(|| spares.pop()).flatten() else { return Ok(false) };
        drop(spares);
        self.disk.unlink(&spare.path).map_err(|e| Error::io("remove", &spare.path, e))?;
        Ok(true)
    }

    /// Makes spares of the files of segments that were taken out, or removes them; one sync of the directory for
    /// all of them. A file is written again only if nobody can have it mapped and nothing else links to it. Who
    /// maps it is known of segments that this process began: one found at open may be mapped by whoever held the
    /// store before and still holds blobs, or by a forked child that outlived it. A spare found at open was free
    /// of maps when it became one. After an error nobody knows which removals last.
    ///
    /// Until the sync, a crash may bring the files back, and the log says that they were retired. The segment that
    /// says so leaves in a later round, which begins after the sync.
    pub(crate) fn give_back(&self, segments: Vec<Arc<Segment>>) -> Result<()> {
        let mut spares = Vec::new();
        for segment in segments {
            let len = segment.len();
            spares.extend(self.give_back_one(segment, spares.len())?);
            self.leaving.fetch_sub(len, Relaxed);
        }
        self.sync_dir()?;
        self.spares.lock().extend(spares);
        Ok(())
    }

    fn give_back_one(&self, segment: Arc<Segment>, more: usize) -> Result<Option<Spare>> {
        let (path, len, id, file) = (segment.path.clone(), segment.len(), segment.id(), segment.file.clone());
        let forks = fork::forks();
        let watched = id >= self.first_own && !segment.map().fork_since();
        drop(segment);
        let facts = file.facts().map_err(|e| Error::io("look at", &path, e))?;
        let wanted = {
            let spares = self.spares.lock();
            self.recycles
                && len == self.segment_len()
                && spares.len() + more < SPARES_MIN.max(self.table.read().len() / 16)
        };
        let unseen = watched && !map::is_mapped(facts.id) && fork::forks() == forks;
        let alone = unseen && facts.links == 1 && facts.mode & 0o777 == 0o600;
        if wanted && alone {
            let spare = path_of(&self.dir, id, "spare");
            self.disk.rename(&path, &spare).map_err(|e| Error::io("rename to", &spare, e))?;
            return Ok(Some(Spare { path: spare, len, rewritten: true }));
        }
        match self.disk.unlink(&path) {
            Err(error) if error.kind() != IoKind::NotFound => Err(Error::io("remove", &path, error)),
            _ => Ok(None),
        }
    }
}

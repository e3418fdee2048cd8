//! Making room: segments and files that nobody needs.
//!
//! A segment leaves the log when
//! 1. nothing in it is alive, and what killed it is durable (the catalog counts only that);
//! 2. it was sealed before the last durable checkpoint of the catalog;
//! 3. the index has read it, and will not ask for it after a restart;
//! 4. no end in it holds back an older put of the same name that stands in another segment, or compaction has
//!    copied that end.
//!
//! A crash
//! 1. after the log says so leaves a file that recovery removes;
//! 2. after the rename to `.spare`, a spare;
//! 3. before the sync of the directory brings it back, and the log still says so.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Upkeep;
use crate::catalog::LetGo;
use crate::commit::request::{Intent, Refused, Request};
use crate::disk::locks::MutexGuard;
use crate::error::{ErrorKind, Result};
use crate::log::blob_files::BlobFileName;
use crate::log::record::BlobView;
use crate::log::segment::Segment;

/// Segments that one record retires.
const RETIRED_MAX: usize = 128;

/// What is remembered between rounds.
#[derive(Default)]
pub(crate) struct Recycler {
    /// Segments whose ends are still needed, and a segment that holds a put they hold back.
    held_back_by: HashMap<u32, u32>,
    /// What compaction has copied all of; these segments leave together.
    pub(super) carried: Vec<Vec<u32>>,
    /// A removal that may not be durable: nothing more leaves the log in this process.
    pub(super) stopped: bool,
}

/// What made room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Freed {
    pub(crate) segments: u64,
    pub(crate) files: u64,
    /// Of both.
    pub(crate) bytes: u64,
}

impl Freed {
    pub(super) fn add(&mut self, more: Freed) {
        self.segments += more.segments;
        self.files += more.files;
        self.bytes += more.bytes;
    }
}

impl Upkeep {
    /// Lets no segment and no blob file leave the store, for as long as the guard is held.
    pub(crate) fn hold_recycling(&self) -> MutexGuard<'_, Recycler> {
        self.recycler.lock()
    }

    /// Removes files of freed blobs, and takes the segments out that nobody needs.
    pub(crate) fn recycle(&self) -> Result<Freed> {
        self.recycle_with(&mut self.recycler.lock())
    }

    /// 1. Which segments are dead comes first: what killed them is settled then, so that
    /// 2. all files are removed whose records stand in them,
    /// 3. before they leave.
    pub(super) fn recycle_with(&self, recycler: &mut Recycler) -> Result<Freed> {
        let dead = if recycler.stopped { Vec::new() } else { self.dead_segments(recycler)? };
        let mut freed = self.remove_files()?;
        let mut rest = &dead[..];
        while !rest.is_empty() {
            let mut count = 1;
            let of = |count: usize| rest[..count].iter().map(Vec::len).sum::<usize>();
            while count < rest.len() && of(count + 1) <= RETIRED_MAX {
                count += 1;
            }
            match self.retire(recycler, &rest[..count].concat(), &mut freed) {
                // On a full disk there may be room for the word that one goes, and then for all.
                Err(error) if error.kind() == ErrorKind::NoSpace && count > 1 => {
                    count = 1;
                    self.retire(recycler, &rest[0], &mut freed)?;
                }
                outcome => outcome?,
            }
            rest = &rest[count..];
        }
        Ok(freed)
    }

    /// Has these segments leave the log, all together.
    fn retire(&self, recycler: &mut Recycler, ids: &[u32], freed: &mut Freed) -> Result<()> {
        let intents = ids.iter().map(|id| Intent::Retire { segment: *id }).collect();
        let gone: Vec<Arc<Segment>> = {
            // A checkpoint lists the segments there are: it is taken before the log says that these go, or after
            // they have left the table. Else one that was retired before it would be missed.
            let _no_checkpoint = self.checkpointer.lock();
            let request = Request { intents, ..Request::default() };
            if let Err(Refused::Error(error)) = self.commit.submit(request).1 {
                return Err(error);
            }
            ids.iter().for_each(|id| self.catalog.forget_segment(*id));
            ids.iter().filter_map(|id| self.log.take_out(*id)).collect()
        };
        recycler.carried.retain(|batch| !batch.iter().any(|id| ids.contains(id)));
        freed.segments += gone.len() as u64;
        freed.bytes += gone.iter().map(|segment| segment.len()).sum::<u64>();
        self.log.give_back(gone).inspect_err(|_| recycler.stopped = true)
    }

    /// The segments that may leave; those of one list only together.
    fn dead_segments(&self, recycler: &mut Recycler) -> Result<Vec<Vec<u32>>> {
        let may_leave = self.may_leave();
        let all = self.log.segments();
        let is_dead = |id: &u32| self.catalog.live(*id).is_nothing();
        let mut dead: Vec<Vec<u32>> =
            recycler.carried.iter().filter(|batch| batch.iter().all(is_dead)).cloned().collect();
        let carried: HashSet<u32> = dead.concat().into_iter().collect();
        for segment in all.iter().filter(|segment| !carried.contains(&segment.id()) && may_leave(segment)) {
            if is_dead(&segment.id()) && !self.is_held_back(segment, &all, recycler)? {
                dead.push(vec![segment.id()]);
            }
        }
        Ok(dead)
    }

    /// Which segments may leave the log, as far as checkpoint and index are concerned. A compacted one the index
    /// never reads.
    pub(super) fn may_leave(&self) -> impl Fn(&Segment) -> bool + use<> {
        let read_by_index = self.index_flushed().segment;
        let sealed = self.sealed_before_checkpoint();
        move |segment| {
            let is_read = segment.is_compacted() || segment.id() < read_by_index;
            is_read && segment.trailer().is_some() && sealed.contains(&segment.id())
        }
    }

    /// Whether an end in `segment` keeps an older put in another one from coming back.
    fn is_held_back(&self, segment: &Segment, all: &[Arc<Segment>], recycler: &mut Recycler) -> Result<bool> {
        let id = segment.id();
        // Which ends those are may have changed; what is held for too long, compaction carries on.
        if recycler.held_back_by.get(&id).is_some_and(|by| all.iter().any(|other| other.id() == *by)) {
            return Ok(true);
        }
        let ends = self.last_ends(self.ends_of(segment)?.into_iter().map(|(end, _)| end));
        if !ends.is_empty() && self.may_more_come_back() {
            return Ok(true);
        }
        for other in all.iter().filter(|other| other.id() != id && !ends.is_empty()) {
            if self.held_by(&ends, other)?.contains(&true) {
                recycler.held_back_by.insert(id, other.id());
                return Ok(true);
            }
        }
        recycler.held_back_by.remove(&id);
        Ok(false)
    }

    fn remove_files(&self) -> Result<Freed> {
        let mut freed = Freed::default();
        let mut settled = self.commit.take_settled().into_iter();
        while let Some(gone) = settled.next() {
            let file = match self.file_of(&gone) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(error) => {
                    self.commit.return_settled(settled);
                    return Err(error);
                }
            };
            if let Err(error) = self.files.remove(&file) {
                self.commit.return_settled([gone].into_iter().chain(settled));
                return Err(error);
            }
            let LetGo::Blob { len, .. } = gone else { continue };
            freed.files += 1;
            freed.bytes += len;
        }
        Ok(freed)
    }

    /// The file of a content, if it has one.
    fn file_of(&self, gone: &LetGo) -> Result<Option<BlobFileName>> {
        let LetGo::Blob { place, .. } = *gone else { return Ok(None) };
        let Some(segment) = self.log.segment(place.segment) else { return Ok(None) };
        let Some((header, head)) = segment.record(place.record_at())? else { return Ok(None) };
        let blob = BlobView::decode(&header, &head);
        Ok(blob.and_then(|blob| Some(BlobFileName { digest: blob.digest, id: blob.file? })))
    }
}

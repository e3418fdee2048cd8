//! A checkpoint of an open store, consistent while others write.
//!
//! 1. Nothing leaves the log: the recycler's lock is held. It orders linking against recycling.
//! 2. The tail is synced and its place taken, in one go: whole groups, and all that was acknowledged before.
//! 3. Sealed segments and blob files are linked; all the files there are, since those that no record up to that
//!    place names do no harm.
//! 4. The lock is let go. What could not be linked is copied: segments that are held are not written again, blob
//!    files that are let go meanwhile are removed afterwards.

use std::path::Path;
use std::sync::Arc;

use super::CheckpointReport;
use super::place::{Claim, Item, Listed, Place};
use crate::error::Result;
use crate::log::manifest::{ListedFile, ListedSegment};
use crate::log::segment::Segment;
use crate::upkeep::Upkeep;

impl Upkeep {
    /// Takes a checkpoint of the store, as it is now, into a directory.
    pub(crate) fn checkpoint_to(&self, dest: &Path) -> Result<CheckpointReport> {
        // Before anything is made there: a store that is poisoned has nothing to give.
        self.commit.sync()?;
        let disk = self.log.disk.clone();
        let mut place = Place::claim(disk, dest, &self.home.store, Claim::NewOrLater, self.clock.now_ms())?;
        let (left, last_sequence, _held) = {
            let _nothing_leaves = self.hold_recycling();
            let (mut items, last_sequence) = self.segments_as_they_are()?;
            // Before they are listed: puts that are refused remove what they have brought.
            let held = self.files.hold();
            items.extend(self.blob_files_as_they_are()?);
            (place.link(items)?, last_sequence, held)
        };
        place.copy(&left)?;
        place.complete(last_sequence, self.clock.now_ms())
    }

    /// The segments up to the end of the log, which is durable then, and the last sequence number before it.
    fn segments_as_they_are(&self) -> Result<(Vec<Item>, u64)> {
        let mut tail = self.log.tail();
        self.commit.sync_tail(&mut tail)?;
        let end = tail.synced_position();
        let item = |segment: Arc<Segment>| {
            let id = segment.id();
            let (is_tail, len) = match segment.trailer() {
                Some(_) => (false, segment.len()),
                None if id == end.segment => (true, end.offset),
                None => (true, segment.readable()),
            };
            let what = Listed::Segment(ListedSegment { id, is_tail, len });
            Item { what, from: segment.path.clone(), segment: Some(segment) }
        };
        Ok((self.log.segments().into_iter().map(item).collect(), tail.last_sequence()))
    }

    fn blob_files_as_they_are(&self) -> Result<impl Iterator<Item = Item>> {
        let item = |(name, len)| Item {
            what: Listed::File(ListedFile { name, len }),
            from: self.files.path_of(&name),
            segment: None,
        };
        Ok(self.files.list()?.into_iter().map(item))
    }
}

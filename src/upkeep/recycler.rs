//! Making room: segments and files that nobody needs.
//!
//! A segment leaves the log when
//! 1. nothing in it is alive, and what killed it is durable (the catalog counts only that);
//! 2. it was sealed before the last durable checkpoint of the catalog;
//! 3. the index has read it, and will not ask for it after a restart;
//! 4. no end in it holds back an older put of the same name: none that stands in another segment.
//!
//! A crash
//! 1. after the log says so leaves a file that recovery removes;
//! 2. after the rename to `.spare`, a spare.

use std::collections::HashMap;

use super::Upkeep;
use crate::catalog::LetGo;
use crate::commit::request::{Intent, Refused, Request};
use crate::error::Result;
use crate::log::blob_files::BlobFileName;
use crate::log::record::BlobView;
use crate::log::segment::Segment;
use crate::options::Durability;

/// What is remembered between rounds.
#[derive(Default)]
pub(crate) struct Recycler {
    /// Segments whose ends are still needed, and a segment that holds a put they hold back.
    held_back_by: HashMap<u32, u32>,
    /// A removal that may not be durable: nothing more leaves the log in this process.
    stopped: bool,
}

impl Upkeep {
    /// Removes files of freed blobs, then takes the segments out that nobody needs; says how many of each
    /// in the other order.
    pub(crate) fn recycle(&self) -> Result<(u64, u64)> {
        let mut recycler = self.recycler.lock();
        let files = self.remove_files()?;
        if recycler.stopped {
            return Ok((0, files));
        }
        let dead = self.dead_segments(&mut recycler)?;
        if dead.is_empty() {
            return Ok((0, files));
        }
        let intents = dead.iter().map(|segment| Intent::Retire { segment: *segment }).collect();
        let request = Request { intents, durability: Durability::Sync, pins: Vec::new() };
        if let Err(Refused::Error(error)) = self.commit.submit(request).1 {
            return Err(error);
        }
        for id in &dead {
            self.catalog.forget_segment(*id);
            let Some(segment) = self.log.take_out(*id) else { continue };
            if let Err(error) = self.log.give_back(segment) {
                recycler.stopped = true;
                return Err(error);
            }
        }
        Ok((dead.len() as u64, files))
    }

    fn dead_segments(&self, recycler: &mut Recycler) -> Result<Vec<u32>> {
        let sealed = self.sealed_before_checkpoint();
        let read_by_index = self.index_flushed().segment;
        let all = self.log.segments();
        let mut dead = Vec::new();
        for segment in &all {
            let id = segment.id();
            let unneeded = segment.trailer().is_some()
                && sealed.contains(&id)
                && id < read_by_index
                && self.catalog.live(id).is_nothing();
            if unneeded && !self.is_held_back(segment, &all, recycler)? {
                dead.push(id);
            }
        }
        Ok(dead)
    }

    /// Whether an end in `segment` keeps an older put in another one from coming back.
    fn is_held_back(
        &self,
        segment: &Segment,
        all: &[std::sync::Arc<Segment>],
        recycler: &mut Recycler,
    ) -> Result<bool> {
        let id = segment.id();
        if recycler.held_back_by.get(&id).is_some_and(|by| all.iter().any(|other| other.id() == *by)) {
            return Ok(true);
        }
        let ends = segment.with_footer(
            &self.log.secret,
            |footer| footer.ends().map(|end| (end.key, end.sequence)).collect::<Vec<_>>(),
            |rows| rows.ends.iter().map(|end| (end.key, end.sequence)).collect(),
        )?;
        let newest = ends.iter().map(|(_, sequence)| *sequence).max().unwrap_or(0);
        for other in all.iter().filter(|other| other.id() != id) {
            // The active segment holds nothing older than what an earlier one ended.
            let Some(trailer) = other.trailer().filter(|trailer| trailer.lowest_sequence < newest) else { continue };
            let holds = |key, sequence| -> Result<bool> {
                let older = trailer.lowest_sequence < sequence;
                let has_put = |rows: &crate::log::footer::Rows| rows.puts.iter().any(|put| put.key == key);
                Ok(older && other.with_footer(&self.log.secret, |footer| footer.has_put(key), has_put)?)
            };
            for (key, sequence) in &ends {
                if holds(*key, *sequence)? {
                    recycler.held_back_by.insert(id, other.id());
                    return Ok(true);
                }
            }
        }
        recycler.held_back_by.remove(&id);
        Ok(false)
    }

    fn remove_files(&self) -> Result<u64> {
        let mut count = 0;
        for gone in self.commit.take_settled() {
            let LetGo::Blob { place, .. } = gone else { continue };
            let Some(segment) = self.log.segment(place.segment) else { continue };
            let name = match segment.record(place.record_at())? {
                Some((header, head)) => BlobView::decode(&header, &head)
                    .and_then(|blob| Some(BlobFileName { digest: blob.digest, id: blob.file? })),
                None => None,
            };
            if let Some(name) = name {
                self.files.remove(&name)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

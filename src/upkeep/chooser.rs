//! Which segments compaction takes, and what must be kept of them: the first of its steps (`compactor.rs`).
//!
//! Those come first that are worth it: what lets go of most for each byte to be copied, and before that what is old
//! enough for nobody to ask for its events. As many are taken together as one new segment has room for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Upkeep;
use super::compactor::{Compactor, Effort};
use super::survivors::Victim;
use crate::catalog::Live;
use crate::error::{ErrorKind, Result};
use crate::log::gather::frame_len;
use crate::log::record::OpView;
use crate::log::segment::Segment;

/// Most segments that one turn frees.
pub(super) const VICTIMS_MAX: usize = 32;
/// An old segment is taken before younger ones that hold more dead, when this share of it is dead.
const WORTH_OLD: u64 = 4;
/// A compacted segment of at most this share of a full one is small; so many of them are gathered together.
const SMALL: u64 = 8;
const SMALL_COUNT: usize = 8;
/// A turn frees this share of a segment more than it must, so that the next is not due at once.
const MORE: u64 = 16;

impl Upkeep {
    /// Step 1: segments that are worth it, as many as a new one takes that has so much room; with what must be kept
    /// of them. Given the candidates, and all segments there are.
    pub(super) fn choose(
        &self,
        compactor: &mut Compactor,
        (candidates, all): (&[Arc<Segment>], &[Arc<Segment>]),
        effort: Effort,
        room: u64,
    ) -> Result<Option<Vec<Victim>>> {
        let mut count_max = VICTIMS_MAX;
        loop {
            let mut batch = self.gather_victims(compactor, candidates, effort, (room, count_max))?;
            if batch.is_empty() {
                return Ok(None);
            }
            let Some(ends_len) = self.keep_needed_ends(compactor, &mut batch, all)? else { continue };
            let freed: u64 = batch.iter().map(|victim| victim.segment.len()).sum();
            let len: u64 = batch.iter().map(|victim| victim.len).sum::<u64>() + ends_len + frame_len(0);
            let is_too_long = len > room && effort.is_pressed();
            if is_too_long && batch.len() > 1 {
                // With the ends it takes two segments, and there may be room for one.
                count_max = batch.len() - 1;
                continue;
            }
            let is_worth_it = effort.is_worth(freed.saturating_sub(len), freed);
            if is_worth_it && (!is_too_long || room == self.log.segment_len()) {
                return Ok(Some(batch));
            }
            batch.iter().for_each(|victim| self.pass_over(compactor, victim.segment.id()));
            count_max = VICTIMS_MAX;
        }
    }

    /// The best segments, until enough is freed or the room is full.
    fn gather_victims(
        &self,
        compactor: &mut Compactor,
        candidates: &[Arc<Segment>],
        effort: Effort,
        (room, count_max): (u64, usize),
    ) -> Result<Vec<Victim>> {
        let needed = match effort {
            Effort::Bound { over, pressed: false, .. } => over + self.log.segment_len() / MORE,
            _ => u64::MAX,
        };
        // Within the bound, that is; for one segment alone it is gone beyond when none does with less.
        let within = match effort {
            Effort::Bound { room, .. } => room,
            Effort::All { .. } => u64::MAX,
        };
        let mut too_large = None;
        // What is in a whole segment may take more where it is gathered: then it is two.
        let is_whole = room == self.log.segment_len();
        let mut batch: Vec<Victim> = Vec::new();
        let (mut len, mut dead) = (frame_len(0), 0);
        for segment in self.rank(compactor, candidates, effort) {
            if batch.len() == count_max || dead >= needed {
                break;
            }
            let id = segment.id();
            let victim = match self.examine(&segment) {
                Ok(victim) => victim,
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io) => {
                    self.leave_alone(compactor, id, &error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.breathe(Duration::ZERO)?;
            let takes = victim.len + victim.texts;
            let is_worth = effort.is_one_worth(victim.gain(), segment.len(), self.space_amplification);
            if !is_worth && !self.is_small(&segment) {
                self.pass_over(compactor, id);
            } else if len + takes > within {
                too_large.get_or_insert(victim);
            } else if len + takes <= room || (is_whole && batch.is_empty()) {
                len += takes;
                dead += victim.gain();
                batch.push(victim);
            }
        }
        if batch.is_empty() {
            batch.extend(too_large.filter(|victim| is_whole || frame_len(0) + victim.len + victim.texts <= room));
        }
        Ok(batch)
    }

    /// Leaves the ends that are needed for what stays; gives the most bytes that they take. `None` when one of them
    /// does not stand: its segment is left alone.
    pub(super) fn keep_needed_ends(
        &self,
        compactor: &mut Compactor,
        batch: &mut [Victim],
        all: &[Arc<Segment>],
    ) -> Result<Option<u64>> {
        let leaving: HashSet<u32> = batch.iter().map(|victim| victim.segment.id()).collect();
        let others = || all.iter().filter(|segment| !leaving.contains(&segment.id()));
        let mut len = 0;
        for victim in batch {
            let needed = self.needed_ends(victim.ends.iter().map(|(end, _)| *end), others())?;
            match victim.keep_ends(&needed) {
                Ok(more) => len += more,
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io) => {
                    self.leave_alone(compactor, victim.segment.id(), &error);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
            self.breathe(Duration::ZERO)?;
        }
        Ok(Some(len))
    }

    /// The segments that seem to be worth it. First those that are old enough and hold much dead, then by
    /// how much they hold for each byte to be copied; small ones that compaction has made come last, when they
    /// are many.
    fn rank(&self, compactor: &mut Compactor, candidates: &[Arc<Segment>], effort: Effort) -> Vec<Arc<Segment>> {
        let lives = self.catalog.lives();
        let live = |id: u32| lives.get(&id).copied().unwrap_or_else(Live::default).bytes;
        let there: HashSet<u32> = candidates.iter().map(|segment| segment.id()).collect();
        compactor.passed_over.retain(|id, then| there.contains(id) && live(*id) >= *then);
        compactor.written_ms.retain(|id, _| there.contains(id));
        let keep_ms = u64::try_from(self.events_keep.as_millis()).unwrap_or(u64::MAX);
        let old_ms = self.clock.now_ms().saturating_sub(keep_ms);
        let mut ranked = Vec::new();
        for segment in candidates {
            let (id, len) = (segment.id(), segment.len());
            let dead = len.saturating_sub(live(id));
            let is_worth = effort.is_one_worth(dead, len, self.space_amplification);
            if is_worth && !compactor.passed_over.contains_key(&id) {
                let is_old = dead >= len / WORTH_OLD && self.written_ms(compactor, segment) <= old_ms;
                // Bytes to be copied for each thousand that are freed.
                ranked.push((!is_old, live(id) * 1000 / dead.max(1), segment.clone()));
            }
        }
        ranked.sort_by_key(|(is_young, cost, segment)| (*is_young, *cost, segment.id()));
        let mut ranked: Vec<_> = ranked.into_iter().map(|(.., segment)| segment).collect();
        let chosen: HashSet<u32> = ranked.iter().map(|segment| segment.id()).collect();
        let of_small =
            |segment: &&Arc<Segment>| self.is_small(segment) && !compactor.passed_over.contains_key(&segment.id());
        let small: Vec<_> = candidates.iter().filter(of_small).filter(|known| !chosen.contains(&known.id())).collect();
        if !ranked.is_empty() && small.len() >= SMALL_COUNT {
            ranked.extend(small.into_iter().cloned());
        }
        ranked
    }

    fn is_small(&self, segment: &Segment) -> bool {
        segment.is_compacted() && segment.len() <= self.log.segment_len() / SMALL
    }

    /// When what was written last in a segment was written; 0 when that cannot be read.
    fn written_ms(&self, compactor: &mut Compactor, segment: &Segment) -> u64 {
        *compactor.written_ms.entry(segment.id()).or_insert_with(|| {
            let newest = segment.last_op(&self.log.secret);
            let op = newest.ok().flatten().and_then(|offset| segment.op(offset.into()).ok());
            op.and_then(|bytes| OpView::decode(&bytes).map(|op| op.stamp().at_ms)).unwrap_or(0)
        })
    }
}

//! Compaction: what is alive in segments that hold much dead is gathered elsewhere, and they leave the log.
//!
//! The steps of a turn, and what a crash after each leaves:
//! 1. choose the segments, and what must be kept of them: what was.
//! 2. copy it to a new segment, each record with its own sequence, in steps with pauses: the same, and a file in
//!    staging.
//! 3. publish the new segment (`log/gather.rs`): the same records twice; the old place of each counts.
//! 4. move the catalog's rows: the same, that is in memory only.
//! 5. settle what was let go of there meanwhile, by making it durable: the same.
//! 6. retire the old segments, all together and only when nothing in them is alive (`recycler.rs`): the log says
//!    so, and the new places count from then on; the files are there.
//! 7. free the files: one or the other may come back; the log says that they were retired.
//! 8. sync the directory: nothing comes back.
//!
//! Between taking the new segment's id and step 3 no checkpoint is taken (`log/gather.rs` says why), nor while
//! step 6 changes what one would list. Only segments that the last checkpoint knows as sealed are taken, so all of
//! their records are from before it: to who reads it, the copies only say where things stand.
//!
//! Of the ends in them those are copied that are still needed (`ends.rs`). The word that a segment was retired is
//! never copied: what it speaks of left in an earlier turn, and step 8 came after it.
//!
//! Foreground latency comes first: the right to write is held for moments only, never across I/O; what is written
//! reaches the disk step by step, no more than two under way, and pauses follow, the longer the less is needed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::copier::Stop;
use super::recycler::Freed;
use super::survivors::Victim;
use super::{Counts, Task, Upkeep};
use crate::catalog::Live;
use crate::commit::brake::Taken;
use crate::error::{Error, ErrorKind, Result};
use crate::log::gather::frame_len;
use crate::log::record::OpView;
use crate::log::segment::Segment;
use crate::recovery::Damage;

/// Most segments that one turn frees.
const VICTIMS_MAX: usize = 32;
/// A segment is worth compacting when this share of it is freed, or this when there is no room.
const WORTH: u64 = 10;
const WORTH_PRESSED: u64 = 32;
/// An old segment is taken before younger ones that hold more dead, when this share of it is dead.
const WORTH_OLD: u64 = 4;
/// A compacted segment of at most this share of a full one is small; so many of them are gathered together.
const SMALL: u64 = 8;
const SMALL_COUNT: usize = 8;
/// Compaction begins when so many quarters of a segment are taken beyond the bound: of the segments that may come on
/// top, one is for what is written, and of that one the last half is the time there is to make room.
const MARGIN_QUARTERS: u64 = 2;
/// A turn frees this share of a segment more than it must, so that the next is not due at once.
const MORE: u64 = 16;
/// Longest pause after a step.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// What compaction by hand did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Segments of which what was needed was gathered elsewhere.
    pub segments_compacted: u64,
    /// Segments that left the log, those in which nothing was needed included.
    pub segments_freed: u64,
    /// Files of large blobs that were removed.
    pub files_freed: u64,
    /// Bytes written: what was gathered.
    pub bytes_rewritten: u64,
    /// Bytes of the segments and files that have gone, less those written.
    pub bytes_freed: u64,
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// As many bytes as are beyond the bound; without room on the disk, whatever is worth it.
    Bound { over: u64, pressed: bool },
    /// All that is worth it.
    All { pressed: bool },
}

/// What is remembered between turns.
#[derive(Default)]
pub(crate) struct Compactor {
    /// Segments that were found not worth it, or hold something alive that does not stand, and the bytes that were
    /// alive there then: they are looked at again when more of it is dead.
    passed_over: HashMap<u32, u64>,
    /// When what was written last in a segment was written, Unix ms.
    written_ms: HashMap<u32, u64>,
}

impl Counts for CompactReport {
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let CompactReport { segments_compacted, segments_freed, files_freed, bytes_rewritten, bytes_freed } = *self;
        vec![
            ("segments_compacted", segments_compacted),
            ("segments_freed", segments_freed),
            ("files_freed", files_freed),
            ("bytes_rewritten", bytes_rewritten),
            ("bytes_freed", bytes_freed),
        ]
    }
}

impl CompactReport {
    fn add(&mut self, freed: Freed) {
        self.segments_freed += freed.segments;
        self.files_freed += freed.files;
        self.bytes_freed += freed.bytes;
    }
}

impl Effort {
    fn is_pressed(self) -> bool {
        matches!(self, Effort::Bound { pressed: true, .. } | Effort::All { pressed: true })
    }

    fn worth(self) -> u64 {
        if self.is_pressed() { WORTH_PRESSED } else { WORTH }
    }

    /// How long to pause after a step that took so long.
    fn pause(self, step: Duration, segment_len: u64) -> Duration {
        let pause = match self {
            Effort::Bound { over, pressed: false } if over < segment_len => step,
            Effort::Bound { over, pressed: false } if over < 4 * segment_len => step / 2,
            _ => step / 8,
        };
        pause.min(PAUSE_MAX)
    }
}

impl Upkeep {
    /// Compacts what is worth it, one turn at a time, until there is nothing left.
    pub(crate) fn compact_by_hand(&self) -> Result<CompactReport> {
        let (_span, begun) = Task::Compaction.begin();
        self.keep_activity(Task::Compaction, begun, self.compact_all())
    }

    fn compact_all(&self) -> Result<CompactReport> {
        self.commit.sync_if_behind()?;
        self.follow(self.commit.durable())?;
        self.flush_index();
        let pressed = |upkeep: &Upkeep| match upkeep.log.prepare_spare() {
            Err(error) if error.kind() == ErrorKind::NoSpace => Ok(true),
            prepared => prepared.map(|()| false),
        };
        // What is dead already leaves first: then there may be room.
        let mut report = CompactReport::default();
        report.add(self.recycle()?);
        if self.log.segments().iter().any(|known| known.trailer().is_some() && !self.is_sealed_before(known.id())) {
            match self.checkpoint_or_none() {
                Err(error) if error.kind() == ErrorKind::NoSpace => self.note(Err(error)),
                outcome => outcome?,
            }
            report.add(self.recycle()?);
        }
        while let Some(turn) = self.compact(Effort::All { pressed: pressed(self)? })? {
            report.segments_compacted += turn.segments_compacted;
            report.segments_freed += turn.segments_freed;
            report.files_freed += turn.files_freed;
            report.bytes_rewritten += turn.bytes_rewritten;
            report.bytes_freed += turn.bytes_freed;
        }
        Ok(report)
    }

    /// One turn, when the segments take more than they may, or the disk has no room; says whether something was
    /// worth it. When nothing is that may leave the log, index and checkpoint are brought along.
    pub(super) fn compact_if_needed(&self, pressed: bool) -> Result<bool> {
        let outcome = self.compact_within_bound(pressed);
        let taken = Taken::of(&self.log, &self.catalog);
        match outcome {
            Ok(true) => self.commit.brake.measure(&taken),
            Ok(false) | Err(_) => self.commit.brake.accept(&taken, self.log.segment_len()),
        }
        outcome
    }

    fn compact_within_bound(&self, pressed: bool) -> Result<bool> {
        let over = self.bytes_over_bound();
        if over == 0 && !pressed {
            return Ok(false);
        }
        if self.compact_behind(over, pressed)? {
            return Ok(true);
        }
        if over > 0 && (self.bring_index_along()? | self.checkpoint_for_compaction()?) {
            self.recycle()?;
            let over = self.bytes_over_bound();
            return Ok(over == 0 || self.compact_behind(over, pressed)?);
        }
        Ok(false)
    }

    /// Has the index read all that is durable, for good, if that is a segment more than it has; says so.
    fn bring_index_along(&self) -> Result<bool> {
        let durable = self.commit.durable();
        let is_behind = self.index_flushed().segment < durable.segment;
        if is_behind {
            self.follow(durable)?;
            self.flush_index();
        }
        Ok(is_behind)
    }

    /// Bytes that the segments take beyond what is to be kept to, what was written of the last one included: there
    /// is the rest of that to be filled before the bound is reached, and so the time to make room.
    fn bytes_over_bound(&self) -> u64 {
        let taken = Taken::of(&self.log, &self.catalog);
        let active = self.log.tail().position().offset;
        let allowed = taken.bound(self.space_amplification) + self.log.segment_len() / 4 * MARGIN_QUARTERS;
        (taken.sealed + active).saturating_sub(allowed)
    }

    /// One turn behind the scenes; says whether something was worth it.
    fn compact_behind(&self, over: u64, pressed: bool) -> Result<bool> {
        let (_span, begun) = Task::Compaction.begin();
        let outcome = match self.compact(Effort::Bound { over, pressed }) {
            Ok(None) => return Ok(false),
            Ok(Some(report)) => Ok(report),
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            Err(error) => Err(error),
        };
        self.keep_activity(Task::Compaction, begun, outcome).map(|_| true)
    }

    /// One turn; `None` when nothing is worth it. See the steps above.
    fn compact(&self, effort: Effort) -> Result<Option<CompactReport>> {
        let mut compactor = self.compactor.lock();
        let mut recycler = self.recycler.lock();
        if recycler.stopped {
            return Ok(None);
        }
        let may_leave = self.may_leave();
        let (batch, outputs) = {
            let _no_checkpoint = self.checkpointer.lock();
            let all = self.log.segments();
            let candidates: Vec<_> = all.iter().filter(|segment| may_leave(segment)).cloned().collect();
            loop {
                let Some(batch) = self.choose(&mut compactor, &candidates, &all, effort)? else { return Ok(None) };
                let mut begun = Instant::now();
                let mut pause = |_| {
                    let outcome = self.breathe(effort.pause(begun.elapsed(), self.log.segment_len()));
                    begun = Instant::now();
                    outcome
                };
                match self.copy(&batch, &mut pause) {
                    Ok(copied) => {
                        self.catalog.relocate(&copied.moves);
                        break (batch, copied.bytes);
                    }
                    Err(Stop::Damaged(id, error)) => self.leave_alone(&mut compactor, id, &error),
                    Err(Stop::Failed(error)) => {
                        // A segment whose name may not last must not be where something is alive.
                        recycler.stopped |= error.kind() == ErrorKind::Poisoned;
                        return Err(error);
                    }
                }
            }
        };
        self.commit.sync()?;
        let ids: Vec<u32> = batch.iter().map(|victim| victim.segment.id()).collect();
        // Who holds a segment keeps its file from being written again.
        drop(batch);
        if ids.iter().all(|id| self.catalog.live(*id).is_nothing()) {
            recycler.carried.push(ids.clone());
        } else {
            // Something stands there that its footer does not tell of. What was copied is where it should be.
            ids.iter().for_each(|id| self.pass_over(&mut compactor, *id));
        }
        let mut report =
            CompactReport { segments_compacted: ids.len() as u64, bytes_rewritten: outputs, ..Default::default() };
        report.add(self.recycle_with(&mut recycler)?);
        report.bytes_freed = report.bytes_freed.saturating_sub(outputs);
        Ok(Some(report))
    }

    /// Step 1: segments that are worth it, the best first, as many as one new segment takes; with what must be kept
    /// of them.
    fn choose(
        &self,
        compactor: &mut Compactor,
        candidates: &[Arc<Segment>],
        all: &[Arc<Segment>],
        effort: Effort,
    ) -> Result<Option<Vec<Victim>>> {
        let room = self.log.segment_len();
        let mut batch: Vec<Victim> = Vec::new();
        let (mut len, mut dead) = (frame_len(0), 0);
        for segment in self.rank(compactor, candidates, effort) {
            let needed = match effort {
                Effort::Bound { over, pressed: false } => over + room / MORE,
                _ => u64::MAX,
            };
            if batch.len() == VICTIMS_MAX || dead >= needed {
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
            if victim.gain() < segment.len() / effort.worth() && !self.is_small(&segment) {
                self.pass_over(compactor, id);
            } else if batch.is_empty() || len + takes <= room {
                len += takes;
                dead += victim.gain();
                batch.push(victim);
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let freed: u64 = batch.iter().map(|victim| victim.segment.len()).sum();
        len += self.keep_needed_ends(&mut batch, all)?;
        if freed.saturating_sub(len) < freed / effort.worth() {
            batch.iter().for_each(|victim| self.pass_over(compactor, victim.segment.id()));
            return Ok(None);
        }
        Ok(Some(batch))
    }

    /// Leaves the ends that are needed for what stays; gives the most bytes that they take.
    fn keep_needed_ends(&self, batch: &mut [Victim], all: &[Arc<Segment>]) -> Result<u64> {
        let leaving: HashSet<u32> = batch.iter().map(|victim| victim.segment.id()).collect();
        let others = || all.iter().filter(|segment| !leaving.contains(&segment.id()));
        let mut len = 0;
        for victim in batch {
            let needed = self.needed_ends(victim.ends.iter().map(|(end, _)| *end), others())?;
            len += victim.keep_ends(&needed)?;
            self.breathe(Duration::ZERO)?;
        }
        Ok(len)
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
            if dead >= len / effort.worth() && !compactor.passed_over.contains_key(&id) {
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

    /// Leaves a segment as it is: something in it that is alive does not stand.
    fn leave_alone(&self, compactor: &mut Compactor, id: u32, error: &Error) {
        self.pass_over(compactor, id);
        let mut damage = self.damage.lock();
        let path = error.path().map_or_else(|| self.log.path_of(id), std::path::Path::to_path_buf);
        if !damage.iter().any(|known| known.path == path) {
            let what = format!("the segment is not compacted: {error}");
            damage.push(Damage { path, offset: 0, len: 0, what });
        }
    }

    fn pass_over(&self, compactor: &mut Compactor, id: u32) {
        compactor.passed_over.insert(id, self.catalog.live(id).bytes);
    }
}

//! Compaction: what is alive in segments that hold much dead is gathered elsewhere, and they leave the log.
//!
//! The steps of a turn, and what a crash after each leaves:
//! 1. choose the segments, and what must be kept of them (`chooser.rs`): what was.
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

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::copier::Stop;
use super::recycler::Freed;
use super::survivors::Victim;
use super::{Counts, Task, Upkeep};
use crate::commit::brake::{Taken, is_worth};
use crate::commit::request::{Done, Refused, Request};
use crate::error::{Error, ErrorKind, Result};
use crate::log::gather::frame_len;
use crate::log::segment::Segment;
use crate::recovery::Damage;

/// Nothing is compacted of which less than this share is freed, or this where there is no room on the disk.
const WORTH: u64 = 10;
const WORTH_PRESSED: u64 = 32;
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
    /// As many bytes as are beyond the bound, with no more gathered at a time than there is `room` for within it, if
    /// that will do; without room on the disk, whatever is worth it.
    Bound { over: u64, room: u64, pressed: bool },
    /// All that is worth it.
    All { pressed: bool },
}

/// Chooses what a turn compacts, for a new segment that has so much room. Given the segments that may leave, and all
/// there are.
pub(super) type Choose<'a> =
    &'a mut dyn FnMut(&mut Compactor, (&[Arc<Segment>], &[Arc<Segment>]), u64) -> Result<Option<Vec<Victim>>>;

/// What is remembered between turns.
#[derive(Default)]
pub(crate) struct Compactor {
    /// Segments that were found not worth it, or hold something alive that does not stand, and the bytes that were
    /// alive there then: they are looked at again when more of it is dead.
    pub(super) passed_over: HashMap<u32, u64>,
    /// When what was written last in a segment was written, Unix ms.
    pub(super) written_ms: HashMap<u32, u64>,
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
    pub(super) fn add(&mut self, freed: Freed) {
        self.segments_freed += freed.segments;
        self.files_freed += freed.files;
        self.bytes_freed += freed.bytes;
    }

    pub(super) fn include(&mut self, turn: CompactReport) {
        self.segments_compacted += turn.segments_compacted;
        self.segments_freed += turn.segments_freed;
        self.files_freed += turn.files_freed;
        self.bytes_rewritten += turn.bytes_rewritten;
        self.bytes_freed += turn.bytes_freed;
    }
}

impl Effort {
    pub(super) fn is_pressed(self) -> bool {
        matches!(self, Effort::Bound { pressed: true, .. } | Effort::All { pressed: true })
    }

    /// Whether it is worth it that so many bytes of so many are freed.
    pub(super) fn is_worth(self, freed: u64, of: u64) -> bool {
        let share = if self.is_pressed() { WORTH_PRESSED } else { WORTH };
        freed >= of / share
    }

    /// The same for one segment, where the store may take so many times what is needed.
    pub(super) fn is_one_worth(self, dead: u64, len: u64, amplification: f64) -> bool {
        match self {
            Effort::Bound { pressed: false, .. } => is_worth(dead, len, amplification),
            _ => self.is_worth(dead, len),
        }
    }

    /// How long to pause after a step that took so long.
    fn pause(self, step: Duration, segment_len: u64) -> Duration {
        let pause = match self {
            Effort::Bound { over, pressed: false, .. } if over < segment_len => step / 2,
            Effort::Bound { over, pressed: false, .. } if over < 4 * segment_len => step / 4,
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
        let pressed = |upkeep: &Upkeep| match upkeep.log.prepare_spare() {
            Err(error) if error.kind() == ErrorKind::NoSpace => Ok(true),
            prepared => prepared.map(|()| false),
        };
        // What is dead already leaves first: then there may be room.
        let mut report = self.erase_by_hand()?;
        report.add(self.free_the_dead()?);
        loop {
            let turn = match self.compact(Effort::All { pressed: pressed(self)? }) {
                // What had room was done.
                Err(error) if error.kind() == ErrorKind::NoSpace && report.segments_freed > 0 => None,
                outcome => outcome?,
            };
            let Some(turn) = turn else { return Ok(report) };
            report.include(turn);
        }
    }

    /// Frees what is dead, with index and checkpoint brought along so that they hold nothing back.
    fn free_the_dead(&self) -> Result<Freed> {
        self.commit.sync_if_behind()?;
        self.follow(self.commit.durable())?;
        self.flush_index();
        let mut freed = self.recycle()?;
        if self.log.segments().iter().any(|known| known.trailer().is_some() && !self.is_sealed_before(known.id())) {
            match self.checkpoint_or_none() {
                Err(error) if error.kind() == ErrorKind::NoSpace => self.note(Err(error)),
                outcome => outcome?,
            }
            freed.add(self.recycle()?);
        }
        Ok(freed)
    }

    /// Has a request done that lets go of names, and for which there was no room: what others let go before makes
    /// some, and where that is nothing, it gets the rest of the reserve.
    pub(crate) fn let_go_on_full_disk(&self, request: Request) -> Result<Vec<Done>, Refused> {
        let mut request = request;
        // That compaction fails is no reason not to try the rest.
        while self.free_the_dead()?.segments > 0 || self.compact_behind((0, u64::MAX), true).unwrap_or(false) {
            match self.commit.submit(request) {
                (Some(again), Err(Refused::Error(error))) if error.kind() == ErrorKind::NoSpace => request = again,
                (_, answer) => return answer,
            }
        }
        self.commit.submit(Request { is_last_resort: true, ..request }).1
    }

    /// One turn, when the next segment could not begin without the segments taking more than they may, or the disk has
    /// no room; says whether something was worth it. When nothing is that may leave the log, index and checkpoint are
    /// brought along.
    pub(super) fn compact_if_needed(&self, pressed: bool) -> Result<bool> {
        let taken = self.taken();
        self.commit.brake.measure(&taken);
        let over = taken.beyond(self.space_amplification);
        let is_early = over <= self.log.segment_len() && self.log.fill() < taken.begin();
        if !pressed && (over == 0 || is_early) {
            return Ok(false);
        }
        let outcome = self.compact_within_bound(over, pressed);
        let taken = self.taken();
        match outcome {
            Ok(true) => self.commit.brake.expect_more(&taken),
            Ok(false) | Err(_) => self.commit.brake.accept(&taken),
        }
        outcome
    }

    fn compact_within_bound(&self, over: u64, pressed: bool) -> Result<bool> {
        let is_better_with = over > 0 && !pressed && self.is_checkpoint_worth_it(over);
        if is_better_with {
            self.bring_index_along()?;
            self.checkpoint_or_none()?;
            self.recycle()?;
        }
        let needed = |upkeep: &Upkeep| {
            let taken = upkeep.taken();
            (taken.beyond(upkeep.space_amplification), taken.free(upkeep.space_amplification))
        };
        let (over_now, room) = needed(self);
        if (over > 0 && over_now == 0) || self.compact_behind((over_now, room), pressed)? {
            return Ok(true);
        }
        if over > 0 && (self.bring_index_along()? | self.checkpoint_for_compaction()?) {
            self.recycle()?;
            let (over, room) = needed(self);
            return Ok(over == 0 || self.compact_behind((over, room), pressed)?);
        }
        Ok(false)
    }

    /// What the segments take.
    fn taken(&self) -> Taken {
        Taken::of(&self.log, &self.catalog, self.space_amplification)
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

    /// One turn behind the scenes that frees so many bytes, with no more gathered at a time than there is room for;
    /// says whether something was worth it.
    fn compact_behind(&self, (over, room): (u64, u64), pressed: bool) -> Result<bool> {
        let (_span, begun) = Task::Compaction.begin();
        let outcome = match self.compact(Effort::Bound { over, room, pressed }) {
            Ok(None) => return Ok(false),
            Ok(Some(report)) => Ok(report),
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            Err(error) => Err(error),
        };
        self.keep_activity(Task::Compaction, begun, outcome).map(|_| true)
    }

    /// One turn; `None` when nothing is worth it.
    fn compact(&self, effort: Effort) -> Result<Option<CompactReport>> {
        self.compact_what(effort, &mut |compactor, segments, room| self.choose(compactor, segments, effort, room))
    }

    /// One turn with what `choose` has chosen, if anything. See the steps above.
    pub(super) fn compact_what(&self, effort: Effort, choose: Choose<'_>) -> Result<Option<CompactReport>> {
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
            let (mut room, mut no_room) = (self.log.segment_len(), None);
            loop {
                let Some(batch) = choose(&mut compactor, (&candidates, &all), room)? else {
                    return no_room.map_or(Ok(None), Err);
                };
                let mut begun = Instant::now();
                let mut is_counted = false;
                let mut pause = |_| {
                    if !std::mem::replace(&mut is_counted, true) {
                        // What is gathered takes room, too, until what it was gathered from has gone.
                        self.commit.brake.measure(&self.taken());
                    }
                    // Who waits for it waits no longer than it takes.
                    let pause = effort.pause(begun.elapsed(), self.log.segment_len());
                    let outcome = self.breathe(if self.commit.brake.is_on() { Duration::ZERO } else { pause });
                    begun = Instant::now();
                    outcome
                };
                match self.copy(&batch, &mut pause) {
                    Ok(copied) => {
                        self.catalog.relocate(&copied.moves);
                        break (batch, copied.bytes);
                    }
                    Err(Stop::Damaged(id, error)) => self.leave_alone(&mut compactor, id, &error),
                    // There may be room for less.
                    Err(Stop::Failed(error)) if error.kind() == ErrorKind::NoSpace && room > frame_len(0) => {
                        (room, no_room) = (room / 2, Some(error));
                    }
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

    /// Leaves a segment as it is: something in it that is alive does not stand.
    pub(super) fn leave_alone(&self, compactor: &mut Compactor, id: u32, error: &Error) {
        self.pass_over(compactor, id);
        let mut damage = self.damage.lock();
        let path = error.path().map_or_else(|| self.log.path_of(id), std::path::Path::to_path_buf);
        if !damage.iter().any(|known| known.path == path) {
            let what = format!("the segment is not compacted: {error}");
            damage.push(Damage { path, offset: 0, len: 0, what });
        }
    }

    pub(super) fn pass_over(&self, compactor: &mut Compactor, id: u32) {
        compactor.passed_over.insert(id, self.catalog.live(id).bytes);
    }

    /// Tries a segment again that was left as it is: something there may be sound again, or dead.
    pub(super) fn take_up_again(&self, compactor: &mut Compactor, id: u32) {
        if compactor.passed_over.remove(&id).is_some() {
            let path = self.log.path_of(id);
            self.damage.lock().retain(|known| known.path != path);
        }
    }

    /// Whether a segment was left as it is, and not taken up again.
    pub(super) fn is_left_alone(&self, id: u32) -> bool {
        let path = self.log.path_of(id);
        self.damage.lock().iter().any(|known| known.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_the_shorter_the_more_is_to_be_freed_and_never_long() {
        const LEN: u64 = 128 << 20;
        let step = Duration::from_millis(40);
        let within = |over: u64, pressed: bool| Effort::Bound { over, room: LEN, pressed }.pause(step, LEN);
        let pauses = [within(0, false), within(LEN, false), within(4 * LEN, false), within(0, true)];
        assert_eq!(pauses, [20, 10, 5, 5].map(Duration::from_millis));
        assert_eq!(Effort::All { pressed: false }.pause(step, LEN), step / 8);
        let slow = Effort::Bound { over: 0, room: LEN, pressed: false }.pause(Duration::from_secs(9), LEN);
        assert_eq!(slow, Duration::from_millis(50));
    }
}

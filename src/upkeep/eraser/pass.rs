//! One pass: its steps, as the module above numbers them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Eraser, ms};
use crate::error::{Error, ErrorKind, Result};
use crate::log::gather::frame_len;
use crate::log::segment::{Segment, parse_name};
use crate::upkeep::chooser::VICTIMS_MAX;
use crate::upkeep::compactor::{Compactor, Effort};
use crate::upkeep::renewer::Renewal;
use crate::upkeep::survivors::Victim;
use crate::upkeep::{CompactReport, Counts, Task, Upkeep};

/// Why a segment is left.
const COMPACTED_NOT: &str = "holds what was deleted and cannot be compacted: something in it that is needed is \
                             damaged, or a segment is missing; put the content again, or have verify repair it";
/// Why a file is.
const KEPT: &str = "is named by nothing that stands, and was kept since something was damaged when the store was \
                    opened; have verify repair that and open the store again";

/// How often what was written in a pass is gone over for ends that are needed no more; once is enough, unless others
/// compact meanwhile.
const ROUNDS_MAX: u32 = 3;
/// How often the index is begun to be written anew, when others exchange it meanwhile.
const RENEWALS_MAX: u32 = 3;
/// Who reads in the old index, or holds files, is waited for so often, and so long each time.
const WAITS_MAX: u32 = 100;
const WAIT: Duration = Duration::from_millis(20);

/// One pass.
pub(super) struct Pass {
    begun: Instant,
    since_ms: u64,
    /// Segments that held something dead when it began.
    found: HashSet<u32>,
    /// Segments from this one on were begun since, and records above this sequence written.
    first_new: u32,
    last_sequence: u64,
    /// Those of the segments that hold ends from before.
    with_ends: HashSet<u32>,
    rounds: u32,
    /// Segments that were compacted already; if they are still there, something stands in the way.
    tried: HashSet<u32>,
    /// Whether no segment is left to be compacted.
    is_compacted: bool,
    /// The renewal of the index that was begun for it, and how many were.
    renewal: Option<u64>,
    renewals: u32,
    /// How often readers were waited for.
    waited: u32,
    pub(super) report: CompactReport,
}

/// What a pass came to.
pub(super) struct Erased {
    report: CompactReport,
    /// By how much it came too late.
    late_ms: u64,
}

impl Counts for Erased {
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.report.counts();
        counts.push(("late_ms", self.late_ms));
        counts
    }
}

impl Upkeep {
    /// Steps 1 and 2.
    pub(super) fn begin_pass(&self, eraser: &mut Eraser) -> Result<Pass> {
        let begun = Instant::now();
        // What dies from here on is for the next pass.
        let died = self.commit.take_first_death();
        let since_ms = {
            let mut owed = self.owed.lock();
            died.into_iter().for_each(|died_ms| owed.add(died_ms));
            let since = [owed.since_ms.take(), owed.erasing_ms].into_iter().flatten().min();
            let since = since.unwrap_or_else(|| self.clock.now_ms());
            owed.erasing_ms = Some(since);
            since
        };
        self.commit.sync()?;
        let found = self.find_dead(eraser)?;
        let (first_new, last_sequence) = {
            let tail = self.log.tail();
            (tail.next_segment(), tail.last_sequence())
        };
        self.follow(self.commit.durable())?;
        self.flush_index();
        self.checkpoint_or_none()?;
        let mut report = CompactReport::default();
        report.add(self.recycle()?);
        Ok(Pass {
            begun,
            since_ms,
            found,
            first_new,
            last_sequence,
            with_ends: HashSet::new(),
            rounds: 0,
            tried: HashSet::new(),
            is_compacted: false,
            renewal: None,
            renewals: 0,
            waited: 0,
            report,
        })
    }

    /// Step 1: the segments that hold something dead. All of them are complete when this returns.
    fn find_dead(&self, eraser: &mut Eraser) -> Result<HashSet<u32>> {
        // While something moves it counts twice.
        let mut compactor = self.compactor.lock();
        self.remove_staged()?;
        let active = {
            // Who holds the right to write sees counts that do not change.
            let tail = self.log.tail();
            let is_dirty = |id, counts| self.has_dead(id, counts) || tail.has_remains();
            tail.rows().map(|(segment, rows)| (segment.id(), is_dirty(segment.id(), rows.counts())))
        };
        let mut found = HashSet::new();
        for segment in self.log.segments().iter().filter(|segment| segment.trailer().is_some()) {
            let id = segment.id();
            let is_dirty = self.has_dead(id, segment.counts(&self.log.secret)?)
                || (!eraser.without_remains.contains(&id)
                    && (segment.has_remains()? || (self.log.may_have_gaps(segment) && segment.has_gaps()?)));
            self.breathe(Duration::ZERO)?;
            if is_dirty {
                self.take_up_again(&mut compactor, id);
                found.insert(id);
            } else {
                eraser.without_remains.insert(id);
            }
        }
        let there: HashSet<u32> = self.log.segments().iter().map(|segment| segment.id()).collect();
        eraser.without_remains.retain(|id| there.contains(id));
        found.extend(active.filter(|(_, is_dirty)| *is_dirty).map(|(id, _)| id));
        // The last one of the chain can leave only when there is one behind it.
        if active.map_or(!found.is_empty(), |(_, is_dirty)| is_dirty) {
            self.commit.roll()?;
        }
        Ok(found)
    }

    /// Whether of so many puts, ends and blobs in a segment some are dead; ends are.
    fn has_dead(&self, id: u32, (puts, ends, blobs): (u64, u64, u64)) -> bool {
        let live = self.catalog.live(id);
        ends > 0 || live.entries < puts || live.blobs < blobs
    }

    /// Removes what was gathered, or rewritten, and could not be removed when that failed: while the
    /// compactor's and the recycler's locks are held, nobody is at it.
    fn remove_staged(&self) -> Result<()> {
        let _nobody = self.recycler.lock();
        let dir = self.home.staging();
        let found = self.log.disk.read_dir(&dir).map_err(|e| Error::io("list", &dir, e))?;
        let is_gathered = |name: &str| parse_name(name).is_some_and(|(_, extension)| extension == "seg");
        for file in found.iter().filter(|file| is_gathered(&file.name)) {
            let path = dir.join(&file.name);
            self.log.disk.unlink(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }

    /// Steps 3 to 6, a turn at a time; says whether there is more.
    pub(super) fn go_on(&self, pass: &mut Pass, effort: Effort) -> Result<bool> {
        if !pass.is_compacted {
            pass.is_compacted = !self.compact_dead(pass, effort)?;
            return Ok(true);
        }
        if self.renew_for(pass)? {
            return Ok(true);
        }
        self.remove_aside()?;
        self.sync_removals(pass)
    }

    /// Steps 3 and 4, one batch at a time; says whether there is more.
    fn compact_dead(&self, pass: &mut Pass, effort: Effort) -> Result<bool> {
        let todo = if pass.rounds == 0 { &pass.found } else { &pass.with_ends };
        let (tried, mut chosen) = (&pass.tried, Vec::new());
        let turn = self.compact_what(effort, &mut |compactor, (some, all), room| {
            let is_todo = |id: u32| todo.contains(&id) && !tried.contains(&id) && !self.is_left_alone(id);
            let mut some: Vec<_> = some.iter().filter(|segment| is_todo(segment.id())).cloned().collect();
            let batch = self.choose_dead(compactor, &mut some, all, room)?;
            chosen = batch.iter().flatten().map(|victim| victim.segment.id()).collect();
            Ok(batch)
        })?;
        if let Some(turn) = turn {
            pass.tried.extend(chosen);
            pass.report.include(turn);
            return Ok(true);
        }
        if self.recycler.lock().stopped {
            let message = "a segment was removed and may come back; open the store again";
            return Err(Error::new(ErrorKind::Io, message).at(&self.home.dir));
        }
        pass.with_ends.clear();
        for segment in self.log.segments().iter().filter(|known| known.is_compacted() && known.id() >= pass.first_new) {
            if segment.first_end(&self.log.secret)?.is_some_and(|(sequence, _)| sequence <= pass.last_sequence) {
                pass.with_ends.insert(segment.id());
            }
        }
        pass.rounds += 1;
        if pass.with_ends.is_empty() || pass.rounds == ROUNDS_MAX {
            pass.report.add(self.recycle()?);
            return Ok(false);
        }
        self.checkpoint_or_none()?;
        Ok(true)
    }

    /// Step 5, a turn at a time: the index in new files, none of the old ones left. Says whether there is more.
    fn renew_for(&self, pass: &mut Pass) -> Result<bool> {
        let Some(number) = pass.renewal else {
            pass.renewal = Some(self.begin_renewal_anew()?);
            pass.renewals += 1;
            return Ok(true);
        };
        match self.renewal_turn(number)? {
            Renewal::UnderWay => {
                self.breathe(Duration::ZERO)?;
                Ok(true)
            }
            Renewal::Lost if pass.renewals < RENEWALS_MAX => {
                pass.renewal = None;
                Ok(true)
            }
            // The old files go with the last who reads in them.
            Renewal::Done if self.index.remove_leftovers() => Ok(false),
            Renewal::Done if pass.waited < WAITS_MAX => {
                pass.waited += 1;
                self.breathe(WAIT)?;
                Ok(true)
            }
            Renewal::Done => Err(self.index_left_over()),
            Renewal::Lost => {
                let path = self.home.index();
                let message = format!("{} was exchanged as often as it was written anew", path.display());
                Err(Error::new(ErrorKind::Io, message).at(&path))
            }
        }
    }

    /// The end of step 6; says whether there is more: files whose removal a checkpoint of the store holds off.
    fn sync_removals(&self, pass: &mut Pass) -> Result<bool> {
        if self.files.sync_removals()? {
            return Ok(false);
        }
        if pass.waited < WAITS_MAX {
            pass.waited += 1;
            self.breathe(WAIT)?;
            return Ok(true);
        }
        let message = "files of what was deleted are held by a checkpoint that is being taken; call it again after";
        Err(Error::new(ErrorKind::Io, message).at(&self.home.dir))
    }

    /// A batch of a pass: those with the oldest records first, so that ends come after what they hold back.
    fn choose_dead(
        &self,
        compactor: &mut Compactor,
        some: &mut Vec<Arc<Segment>>,
        all: &[Arc<Segment>],
        room: u64,
    ) -> Result<Option<Vec<Victim>>> {
        some.sort_by_key(|segment| (segment.trailer().map_or(0, |trailer| trailer.lowest_sequence), segment.id()));
        loop {
            some.retain(|segment| !self.is_left_alone(segment.id()));
            let mut batch = self.gather_dead(compactor, some, room)?;
            if batch.is_empty() {
                return Ok(None);
            }
            // Else an end that is needed does not stand, and its segment is left alone.
            if self.keep_needed_ends(compactor, &mut batch, all)?.is_some() {
                return Ok(Some(batch));
            }
        }
    }

    fn gather_dead(&self, compactor: &mut Compactor, some: &[Arc<Segment>], room: u64) -> Result<Vec<Victim>> {
        // What is in a whole segment may take more where it is gathered: then it is two.
        let is_whole = room == self.log.segment_len();
        let mut batch: Vec<Victim> = Vec::new();
        let mut len = frame_len(0);
        for segment in some.iter().take(VICTIMS_MAX) {
            let victim = match self.examine(segment) {
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io) => {
                    self.leave_alone(compactor, segment.id(), &error);
                    continue;
                }
                examined => examined?,
            };
            self.breathe(Duration::ZERO)?;
            len += victim.len + victim.texts;
            if len > room && !(is_whole && batch.is_empty()) {
                break;
            }
            batch.push(victim);
        }
        Ok(batch)
    }

    /// Tells how a pass went. What could not be compacted is owed still.
    pub(super) fn end_pass(&self, pass: &Pass) {
        let left = self.log.segments().into_iter().find(|segment| {
            let id = segment.id();
            pass.found.contains(&id) || pass.with_ends.contains(&id)
        });
        let left =
            left.map(|segment| (segment.path.clone(), COMPACTED_NOT)).or_else(|| Some((self.files.unnamed()?, KEPT)));
        let outcome = match left {
            Some((path, why)) => {
                let why = format!("{} {why}", path.display());
                self.give_up(why.clone());
                Err(Error::new(ErrorKind::Corrupt, why).at(&path))
            }
            None => {
                let late_ms = {
                    let mut owed = self.owed.lock();
                    (owed.before_ms, owed.erasing_ms, owed.why) = (None, None, None);
                    let within = self.erase_within.map_or(0, ms);
                    self.clock.now_ms().saturating_sub(pass.since_ms.saturating_add(within))
                };
                Ok(Erased { report: pass.report, late_ms })
            }
        };
        // What is left is told of by health; what else was asked for goes on.
        let _ = self.keep_activity(Task::Erasure, pass.begun, outcome);
        // The next process counts from it.
        self.save_activities();
    }
}

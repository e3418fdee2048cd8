//! Sweeping: entries whose time has come are ended in the log, in bounded turns.
//!
//! There is no index of expiries: each sealed segment's footer lists its puts by expiry, and the catalog
//! keeps those of the segment that is written. The sweeper merges the segments by their next instant. A
//! put that was overtaken since is passed over: the catalog no longer has its sequence.
//!
//! Readers do not wait for it. A clock that jumps forward hides entries at once, but frees nothing for a
//! while: somebody may have set it wrong.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use super::{SweepReport, Task, Upkeep};
use crate::catalog::{Catalog, NameRow};
use crate::clock::since_boot;
use crate::commit::request::{Done, Intent, Refused, Request, Target};
use crate::digest::NameKey;
use crate::error::{ErrorKind, Result};
use crate::log::Log;
use crate::log::record::OpView;

/// Most entries ended in one record, and most bytes of it.
const TURN_ENTRIES: usize = 2048;
const TURN_LEN: usize = 512 << 10;
/// The wall clock has jumped when it gains this much on the time since boot;
const JUMP_MS: u64 = 3_600_000;
/// and nothing is freed for this long after.
const HOLD: Duration = Duration::from_mins(10);

/// How far each segment's expiries were walked.
pub(crate) struct Sweeper {
    /// Per sealed segment: how many of its expiring puts are done with, and when the next one expires.
    cursors: HashMap<u32, (usize, Option<u64>)>,
    /// Wall clock (Unix ms) and time since boot, when they were last compared.
    compared: (u64, Duration),
    /// Nothing is freed until this time since boot.
    held_until: Duration,
}

impl Sweeper {
    /// `newest_ms` is the newest time in the log, 0 if there is none.
    pub(crate) fn new(newest_ms: u64, now_ms: u64) -> Sweeper {
        let boot = since_boot();
        let jumped = newest_ms != 0 && now_ms > newest_ms.saturating_add(JUMP_MS);
        let held_until = if jumped { boot + HOLD } else { Duration::ZERO };
        Sweeper { cursors: HashMap::new(), compared: (now_ms, boot), held_until }
    }

    fn is_held(&mut self, now_ms: u64) -> bool {
        let boot = since_boot();
        let passed = (boot.saturating_sub(self.compared.1)).as_millis() as u64;
        if now_ms > self.compared.0.saturating_add(passed).saturating_add(JUMP_MS) {
            self.held_until = boot + HOLD;
        }
        self.compared = (now_ms, boot);
        boot < self.held_until
    }

    /// Milliseconds until something is due.
    pub(crate) fn next_due(&mut self, log: &Log, catalog: &Catalog, now_ms: u64) -> Option<u64> {
        self.look(log).ok()?;
        let sealed = self.cursors.values().filter_map(|(_, next)| *next).min();
        let next = sealed.into_iter().chain(catalog.next_due()).min()?;
        Some(next.saturating_sub(now_ms))
    }

    /// Takes up segments that were sealed since, and lets go of those that have left the log.
    fn look(&mut self, log: &Log) -> Result<()> {
        let segments = log.segments();
        self.cursors.retain(|id, _| segments.binary_search_by_key(id, |segment| segment.id()).is_ok());
        for segment in segments.iter().filter(|segment| segment.trailer().is_some()) {
            if let Entry::Vacant(cursor) = self.cursors.entry(segment.id()) {
                let next = expiring(log, segment.id(), 0)?.map(|(expires_ms, ..)| expires_ms);
                cursor.insert((0, next));
            }
        }
        Ok(())
    }
}

/// The `n`-th put to expire of a sealed segment.
fn expiring(log: &Log, segment: u32, n: usize) -> Result<Option<(u64, NameKey, u64)>> {
    let Some(segment) = log.segment(segment) else { return Ok(None) };
    let row = segment.with_footer(
        &log.secret,
        |footer| footer.expiring_put(n),
        |rows| {
            let mut puts: Vec<_> = rows.puts.iter().filter(|put| put.expires_ms != 0).collect();
            puts.sort_by_key(|put| put.expires_ms);
            puts.get(n).map(|put| **put)
        },
    )?;
    Ok(row.map(|put| (put.expires_ms, put.key, put.sequence)))
}

impl Upkeep {
    /// Sweeps what is due, unless the clock has just jumped.
    pub(super) fn sweep_due(&self) -> Result<u64> {
        let held = self.sweeper.lock().is_held(self.clock.now_ms());
        let (_span, begun) = Task::Sweep.begin();
        match if held { Ok(0) } else { self.sweep_all() } {
            Ok(0) => Ok(0),
            outcome => {
                let outcome = outcome.map(|expired| SweepReport { expired, ..SweepReport::default() });
                self.keep_activity(Task::Sweep, begun, outcome).map(|report| report.expired)
            }
        }
    }

    /// Sweeps what is due.
    pub(super) fn sweep_all(&self) -> Result<u64> {
        let mut expired = 0;
        loop {
            let mut sweeper = self.sweeper.lock();
            let now_ms = self.clock.now_ms();
            let turn = self.gather(&mut sweeper, now_ms)?;
            if turn.intents.is_empty() {
                turn.keep(&mut sweeper);
                return Ok(expired);
            }
            let Turn { intents, cursors, due, oldest_ms } = turn;
            let request = Request { intents, ..Request::default() };
            let answer = match self.commit.submit(request) {
                (Some(again), Err(Refused::Error(error))) if error.kind() == ErrorKind::NoSpace => {
                    self.let_go_on_full_disk(again)
                }
                (_, answer) => answer,
            };
            match answer {
                Ok(done) => {
                    expired += done.iter().filter(|done| matches!(done, Done::Ended(true))).count() as u64;
                    sweeper.cursors.extend(cursors);
                    self.owe(oldest_ms);
                }
                Err(refused) => {
                    // They are still there, and due.
                    let segment = self.catalog.due_segment();
                    due.iter().for_each(|(at, key, seq)| self.catalog.will_expire(segment, *at, *key, *seq));
                    return match refused {
                        Refused::Error(error) => Err(error),
                        Refused::PrefixUnknown => Ok(expired),
                    };
                }
            }
        }
    }

    /// One turn's entries: from the segment that is written, then from the sealed ones.
    fn gather(&self, sweeper: &mut Sweeper, now_ms: u64) -> Result<Turn> {
        sweeper.look(&self.log)?;
        let mut turn = Turn::new();
        let len_max = TURN_LEN.min(self.log.record_len_max() as usize / 2);
        let mut len = 0;
        while len < len_max && turn.intents.len() < TURN_ENTRIES {
            let Some((expires_ms, key, sequence)) = self.catalog.take_due(now_ms) else { break };
            turn.due.push((expires_ms, key, sequence));
            len += self.add(&mut turn, key, sequence)?;
        }
        let mut due: Vec<u32> = sweeper
            .cursors
            .iter()
            .filter(|(_, (_, next))| next.is_some_and(|at| at <= now_ms))
            .map(|(id, _)| *id)
            .collect();
        due.sort_unstable();
        for segment in due {
            let (mut n, mut next) = sweeper.cursors[&segment];
            while len < len_max && turn.intents.len() < TURN_ENTRIES && next.is_some_and(|at| at <= now_ms) {
                if let Some((_, key, sequence)) = expiring(&self.log, segment, n)? {
                    len += self.add(&mut turn, key, sequence)?;
                }
                n += 1;
                next = expiring(&self.log, segment, n)?.map(|(expires_ms, ..)| expires_ms);
            }
            turn.cursors.push((segment, (n, next)));
        }
        Ok(turn)
    }

    /// Adds an entry to the turn if it is still the name's; gives about what it takes in the record.
    fn add(&self, turn: &mut Turn, key: NameKey, sequence: u64) -> Result<usize> {
        let Some(row) = self.catalog.name(key).filter(|row| row.sequence == sequence) else { return Ok(0) };
        let Some(target) = self.target(&row)? else { return Ok(0) };
        let len = 144 + target.account.len() + target.name.len();
        turn.oldest_ms = turn.oldest_ms.min(row.expires_ms);
        turn.intents.push(Intent::Expire { target, sequence });
        Ok(len)
    }

    /// The name behind a row, as the log has it; `None` if that is damaged, or the name was changed meanwhile.
    pub(super) fn target(&self, row: &NameRow) -> Result<Option<Target>> {
        let mut row = *row;
        loop {
            let segment = self.log.segment(row.place.segment);
            let target = |op: OpView<'_>| {
                let is_put = op.put().is_some() && op.texts_are_sound();
                is_put.then(|| Target { account: op.account().to_owned(), name: op.name().to_owned(), key: row.key })
            };
            match segment.map(|segment| segment.read_op(row.place.offset.into(), target)) {
                Some(Err(error)) if error.kind() != ErrorKind::Corrupt => return Err(error),
                Some(Ok(Some(target))) => return Ok(Some(target)),
                Some(Ok(None) | Err(_)) | None => {}
            }
            // Compaction may have moved it before its segment went.
            match self.catalog.name(row.key).filter(|now| now.sequence == row.sequence && now.place != row.place) {
                Some(moved) => row = moved,
                None => return Ok(None),
            }
        }
    }
}

/// What one turn ends, and how far it has walked.
struct Turn {
    intents: Vec<Intent>,
    cursors: Vec<(u32, (usize, Option<u64>))>,
    /// Taken off the catalog's list of what is due.
    due: Vec<(u64, NameKey, u64)>,
    /// When the first of them expired.
    oldest_ms: u64,
}

impl Turn {
    fn new() -> Turn {
        Turn { intents: Vec::new(), cursors: Vec::new(), due: Vec::new(), oldest_ms: u64::MAX }
    }

    fn keep(self, sweeper: &mut Sweeper) {
        sweeper.cursors.extend(self.cursors);
    }
}

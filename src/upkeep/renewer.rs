//! The index is kept in shape: written anew, in order, into a fresh directory, when its files are far larger than
//! what they hold or were slow to open.
//!
//! What sled's files do, measured with names of a dozen bytes: a tree filled in order takes about 200 bytes a row
//! and opens in 0.1 s a million rows; after each row was written over four times it is 1.35 times as large; with all
//! rows removed it is as large as before. Opening replays what was written since the last open: 8 s for a million
//! rows that were all written over. So
//!
//! - three times the size of a fresh tree is reached by removals, and not by ordinary life;
//! - below 16 MiB it is not worth the work;
//! - opening is slow from eight times the time a fresh tree takes on, and a quarter of a second in any case.
//!
//! It is done in turns of some milliseconds, between which rows are changed and read. Until the last step the old
//! rows serve, and a crash leaves them (`index/renewal.rs`).

use std::time::{Duration, Instant};

use super::activity::{Counts, Task};
use super::{GATHER, Upkeep};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Broken, Copied};

/// The index is written anew when its files take more than this many times what they would then,
const GROWTH_MAX: u64 = 3;
/// and this much more;
const BYTES_MIN: u64 = 16 << 20;
/// or when opening it took longer than this,
const OPENING_MAX: Duration = Duration::from_millis(250);
/// and this for each row.
const OPENING_ROW_MAX: Duration = Duration::from_micros(1);
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// After a failure it is left alone for this long.
const RETRY: Duration = Duration::from_mins(10);
/// Rows copied in one go: no change is made meanwhile, and so no listing begins.
const ROWS: usize = 512;
/// How long a turn takes.
const TURN: Duration = Duration::from_millis(10);

/// What is remembered between turns.
#[derive(Default)]
pub(crate) struct Renewer {
    running: Option<Running>,
    /// When it was looked whether one is due.
    looked: Option<Instant>,
    /// Not before this instant again.
    held_until: Option<Instant>,
    /// Opening was slow; once is enough.
    seen_opening: bool,
    /// After the last renewal: bytes of the files, and rows. The next guess is no lower.
    after_last: Option<(u64, u64)>,
    /// How many were begun, and the number of the last that was done.
    begun: u64,
    done: u64,
}

/// How a renewal that somebody asked for is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    UnderWay,
    Done,
    /// Given up, as a failure has told, or since the rows were exchanged otherwise.
    Lost,
}

struct Running {
    begun: Instant,
    bytes_before: u64,
}

/// What a renewal of the index came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RenewalReport {
    /// Rows that were written anew.
    pub(crate) rows: u64,
    /// Bytes of the index's files before.
    pub(crate) bytes_before: u64,
    /// And after.
    pub(crate) bytes_after: u64,
}

impl Counts for RenewalReport {
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let RenewalReport { rows, bytes_before, bytes_after } = *self;
        vec![("rows", rows), ("bytes_before", bytes_before), ("bytes_after", bytes_after)]
    }
}

impl Upkeep {
    /// How long the thread may sleep: a renewal goes on in short turns.
    pub(super) fn renewal_waits(&self, longest: Duration) -> Duration {
        if self.renewer.lock().running.is_some() { longest.min(GATHER / 2) } else { longest }
    }

    /// Begins a renewal of the index if one is due, or goes on with it for a turn.
    pub(super) fn renew_index_if_due(&self) -> Result<()> {
        let Some(mut renewer) = self.renewer.try_lock() else { return Ok(()) };
        if renewer.running.is_none() {
            let is_early = renewer.looked.is_some_and(|looked| looked.elapsed() < LOOK)
                || renewer.held_until.is_some_and(|until| Instant::now() < until);
            if is_early {
                return Ok(());
            }
            renewer.looked = Some(Instant::now());
            if !self.is_index_due(&mut renewer) {
                return Ok(());
            }
            self.begin_renewal(&mut renewer)?;
        }
        self.turn(&mut renewer)
    }

    /// The same whenever it was looked last, and to its end.
    pub(super) fn renew_index_by_hand(&self) -> Result<()> {
        self.renewer.lock().looked = None;
        loop {
            self.renew_index_if_due()?;
            if self.renewer.lock().running.is_none() {
                return Ok(());
            }
            self.breathe(Duration::ZERO)?;
        }
    }

    /// Writes the index anew, now: when this returns, no file of the one before is there any more, nor anything
    /// that was removed from the rows before the call.
    pub(crate) fn renew_index(&self) -> Result<()> {
        let mut number = self.begin_renewal_anew()?;
        loop {
            match self.renewal_turn(number)? {
                Renewal::Done => break,
                Renewal::Lost => number = self.begin_renewal_anew()?,
                Renewal::UnderWay => self.breathe(Duration::ZERO)?,
            }
        }
        if self.index.is_alone() { Ok(()) } else { Err(self.index_left_over()) }
    }

    /// Begins a renewal into which nothing comes that was removed before; gives its number.
    pub(super) fn begin_renewal_anew(&self) -> Result<u64> {
        let mut renewer = self.renewer.lock();
        // One under way may have copied what was removed since.
        renewer.running = None;
        self.index.renew_abandon();
        self.commit.sync_if_behind()?;
        self.follow(self.commit.durable())?;
        if self.index_trouble().is_some() {
            self.rebuild_index(&mut |_, _| ())?;
            renewer.begun += 1;
        } else {
            self.begin_renewal(&mut renewer)?;
        }
        // Of rows in memory there is nothing to renew.
        if renewer.running.is_none() {
            renewer.done = renewer.begun;
        }
        Ok(renewer.begun)
    }

    /// Goes on for a turn with the renewal of this number, unless it is done; a later one does as well.
    pub(super) fn renewal_turn(&self, number: u64) -> Result<Renewal> {
        let mut renewer = self.renewer.lock();
        self.turn(&mut renewer)?;
        Ok(match renewer.running {
            Some(_) => Renewal::UnderWay,
            None if renewer.done >= number => Renewal::Done,
            None => Renewal::Lost,
        })
    }

    /// Why files of the index before are left, after it was written anew.
    pub(super) fn index_left_over(&self) -> Error {
        let path = self.home.index();
        let message = format!(
            "files of the index before are left in {}: a listing that goes on holds them, or they cannot be removed; \
             call it again when none does",
            path.display()
        );
        Error::new(ErrorKind::Io, message).at(&path)
    }

    fn is_index_due(&self, renewer: &mut Renewer) -> bool {
        if self.index_trouble().is_some() || self.index.in_memory_reason().is_some() {
            return false;
        }
        let rows = self.catalog.names_count();
        if !std::mem::replace(&mut renewer.seen_opening, true) && is_slow(self.index.opened_in(), rows) {
            return true;
        }
        let bytes = self.index.bytes_on_disk();
        if !is_large(bytes, 0) {
            return false;
        }
        let known = renewer.after_last.map_or(0, |(bytes, of)| bytes / of.max(1) * rows);
        is_large(bytes, self.index.bytes_anew(rows).max(known))
    }

    fn begin_renewal(&self, renewer: &mut Renewer) -> Result<()> {
        renewer.begun += 1;
        let bytes_before = self.index.bytes_on_disk();
        let begun = Instant::now();
        match self.index.renew_begin() {
            Ok(true) => renewer.running = Some(Running { begun, bytes_before }),
            Ok(false) => {}
            Err(broken) => return self.end_renewal(renewer, begun, Err(broken)),
        }
        Ok(())
    }

    fn turn(&self, renewer: &mut Renewer) -> Result<()> {
        let until = Instant::now() + TURN;
        while renewer.running.is_some() && Instant::now() < until {
            self.renew_some(renewer)?;
        }
        Ok(())
    }

    /// Copies some rows more; after the last of them, exchanges the trees.
    fn renew_some(&self, renewer: &mut Renewer) -> Result<()> {
        let Some(Running { begun, bytes_before }) = renewer.running else { return Ok(()) };
        let outcome = match self.index.renew_some(ROWS) {
            Ok(Copied::Some(_)) => return Ok(()),
            Ok(Copied::All(_)) => self.exchange_index(bytes_before),
            Ok(Copied::None) => Ok(None),
            Err(broken) => Err(broken),
        };
        self.end_renewal(renewer, begun, outcome)
    }

    fn exchange_index(&self, bytes_before: u64) -> Result<Option<RenewalReport>, Broken> {
        if !self.index.renew_settle()? {
            return Ok(None);
        }
        let ended = {
            let mut applier = self.applier.lock();
            let ended = self.index.renew_end(applier.place(self.home.store.id))?;
            ended.inspect(|_| applier.was_renewed())
        };
        Ok(ended.map(|rows| RenewalReport { rows, bytes_before, bytes_after: self.index.bytes_on_disk() }))
    }

    /// Keeps what came of it. Without a report, the rows were exchanged meanwhile, and that was all.
    fn end_renewal(
        &self,
        renewer: &mut Renewer,
        begun: Instant,
        outcome: Result<Option<RenewalReport>, Broken>,
    ) -> Result<()> {
        renewer.running = None;
        let outcome = match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(report)) => {
                renewer.after_last = Some((report.bytes_after, self.catalog.names_count()));
                renewer.done = renewer.begun;
                Ok(report)
            }
            Err(broken) => {
                self.index.renew_abandon();
                renewer.held_until = Some(Instant::now() + RETRY);
                let message = format!("the index could not be written anew, and is used as it is: {broken}");
                Err(Error::new(ErrorKind::Io, message).at(&self.home.index()))
            }
        };
        self.keep_activity(Task::IndexRenewal, begun, outcome).map(drop)
    }
}

/// Whether opening so many rows took too long.
fn is_slow(opened_in: Duration, rows: u64) -> bool {
    let of_rows = OPENING_ROW_MAX.saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX));
    opened_in > OPENING_MAX.saturating_add(of_rows)
}

/// Whether files of so many bytes are too large for rows that would take `anew`.
fn is_large(bytes: u64, anew: u64) -> bool {
    bytes > anew.saturating_mul(GROWTH_MAX).saturating_add(BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fresh_tree_takes_is_neither_slow_nor_large_and_what_piles_up_is() {
        // As measured: rows, bytes and time to open of a tree that was filled in order; of one whose rows were all
        // written over four times; of one of which a sixth was left.
        for (rows, bytes, opened_ms) in [(1_000, 525_000, 5), (100_000, 22_700_000, 7), (300_000, 54_000_000, 37)] {
            let anew = rows * 203;
            assert!(!is_large(bytes, anew) && !is_slow(Duration::from_millis(opened_ms), rows), "{rows}");
        }
        assert!(!is_large(72_700_000, 300_000 * 203) && is_slow(Duration::from_millis(2_405), 300_000));
        assert!(is_large(72_700_000, 50_000 * 203));
        assert!(!is_slow(Duration::from_mins(1), u64::MAX) && !is_large(u64::MAX, u64::MAX));
    }
}

//! Renewal: the rows written anew, in order, into a fresh tree, while the current one is read and changed.
//!
//! sled's files do not shrink, and what was ever written in them may stand there for as long as they do. A fresh
//! tree holds the rows there are and nothing else.
//!
//! 1. A fresh tree is begun; it has no position. From here on, changes are made to both trees.
//! 2. Rows are copied in the order of their keys, some at a time. No change comes between the reading of some and
//!    their writing: so each row is in the fresh tree as it is in the current one, or is yet to be copied.
//! 3. The fresh tree is closed and opened again: it gets its snapshot, without which the next process would replay
//!    all that was copied, and the cache it is to be read with. Changes wait in memory meanwhile.
//! 4. It gets its position and takes the place of the current tree, whose directory goes with the last reader.
//!
//! A crash before 4 leaves a tree without a position, which is removed at the next open; within 4, two trees, of
//! which the older one is the current one; after it, the fresh one.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::key::{self, Position};
use super::rows::{Range, Rows};
use super::tree::Tree;
use super::{Broken, Change, FLUSH_ROWS, Index, decoded, doom};

/// Most changes that wait while the fresh tree is opened again; with more of them, it is given up.
const WAITING_MAX: usize = 1 << 18;

/// What a row takes in a tree that was filled in order, beside its key: measured, 170 to 210 bytes for rows of 21.
const ROW_LEN: u64 = 190;
/// Rows whose keys are measured.
const SAMPLE_ROWS: usize = 4096;

/// A renewal under way.
pub(super) struct Renewal {
    stage: Stage,
    /// The key that was copied last; empty before the first.
    last: Vec<u8>,
    /// Rows that were copied.
    copied: u64,
}

enum Stage {
    /// Rows are copied, and changes made in the fresh tree as well.
    Copying(Arc<Tree>),
    /// The fresh tree is being opened again; these changes wait for it.
    Waiting(Vec<(String, String, Option<u64>)>),
}

/// How far copying is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// There are rows yet to be copied.
    Some(u64),
    /// All of them are in the fresh tree.
    All(u64),
    /// There is no renewal, or no more: it failed, or the rows were exchanged.
    None,
}

impl Renewal {
    /// Makes changes that were made in the current tree in the fresh one.
    pub(super) fn apply(&mut self, changes: &mut [Change<'_>]) -> Result<(), Broken> {
        match &mut self.stage {
            Stage::Copying(fresh) => fresh.apply(changes),
            Stage::Waiting(waiting) if waiting.len() + changes.len() > WAITING_MAX => {
                Err(Broken::new("too much was written while it was being opened again"))
            }
            Stage::Waiting(waiting) => {
                let owned = |change: &Change<'_>| {
                    let (account, name) = change.name();
                    (account.to_owned(), name.to_owned(), change.sequence())
                };
                waiting.extend(changes.iter().map(owned));
                Ok(())
            }
        }
    }

    fn doom(&self) {
        if let Stage::Copying(fresh) = &self.stage {
            fresh.doom();
        }
    }
}

impl Index {
    /// Step 1; an earlier renewal that is not done is given up. Says whether there is something to renew: rows in
    /// memory are not.
    pub(crate) fn renew_begin(&self) -> Result<bool, Broken> {
        let _one = self.exchange.lock();
        self.renew_abandon();
        if !matches!(&*self.rows(), Rows::Tree(_)) {
            return Ok(false);
        }
        let fresh = self.directory.begin_to_fill().map_err(|failure| Broken::new(failure.why))?;
        let stage = Stage::Copying(Arc::new(fresh));
        *self.renewal.lock() = Some(Renewal { stage, last: Vec::new(), copied: 0 });
        Ok(true)
    }

    /// Step 2: copies up to so many rows more. One thread at a time.
    pub(crate) fn renew_some(&self, rows_max: usize) -> Result<Copied, Broken> {
        let (copied, fresh) = {
            let mut renewal = self.renewal.lock();
            let Some(Renewal { stage: Stage::Copying(fresh), last, copied }) = &mut *renewal else {
                return match self.notes.lock().renewal_failed.take() {
                    Some(why) => Err(Broken::new(why)),
                    None => Ok(Copied::None),
                };
            };
            let mut rows: Vec<(String, String, u64)> = Vec::with_capacity(rows_max);
            let begin = if last.is_empty() { Bound::Included(key::NAMES_BEGIN) } else { Bound::Excluded(&last[..]) };
            self.rows().walk(&Range { begin, end: key::NAMES_END }, rows_max, |key, sequence| {
                let (account, name) = decoded(key)?;
                rows.push((account.to_owned(), name.to_owned(), sequence));
                Ok(ControlFlow::Continue(()))
            })?;
            let Some((account, name, _)) = rows.last() else { return Ok(Copied::All(*copied)) };
            key::encode(last, account, name);
            let made = fresh.apply(&mut rows.iter().map(set).collect::<Vec<_>>());
            if let Err(broken) = made {
                renewal.take().iter().for_each(Renewal::doom);
                return Err(broken);
            }
            let before = *copied;
            *copied += rows.len() as u64;
            // What is not written yet is held in memory.
            let is_much = before / FLUSH_ROWS != *copied / FLUSH_ROWS;
            (*copied, is_much.then(|| Arc::clone(fresh)))
        };
        if let Some(fresh) = fresh {
            fresh.push_out().inspect_err(|_| self.renew_abandon())?;
        }
        Ok(Copied::Some(copied))
    }

    /// Step 3. Says whether the renewal is still under way.
    pub(crate) fn renew_settle(&self) -> Result<bool, Broken> {
        let fresh = {
            let mut renewal = self.renewal.lock();
            let Some(Renewal { stage, .. }) = &mut *renewal else { return Ok(false) };
            match std::mem::replace(stage, Stage::Waiting(Vec::new())) {
                Stage::Copying(fresh) => Arc::into_inner(fresh),
                Stage::Waiting(_) => None,
            }
        };
        // Somebody else still holds it only when two do this at once.
        let Some(fresh) = fresh else {
            self.renew_abandon();
            return Ok(false);
        };
        let settled = match fresh.push_out() {
            Ok(()) => self.directory.finish(fresh).map_err(|failure| Broken::new(failure.why)),
            Err(broken) => {
                fresh.doom();
                Err(broken)
            }
        };
        let fresh = settled.inspect_err(|_| self.renew_abandon())?;
        let mut renewal = self.renewal.lock();
        let Some(Renewal { stage: stage @ Stage::Waiting(_), .. }) = &mut *renewal else {
            fresh.doom();
            return Ok(false);
        };
        let Stage::Waiting(waiting) = std::mem::replace(stage, Stage::Waiting(Vec::new())) else {
            unreachable!("just seen")
        };
        let made = fresh.apply(&mut waiting.iter().map(change).collect::<Vec<_>>());
        *stage = Stage::Copying(Arc::new(fresh));
        made.inspect_err(|broken| self.give_up(&mut renewal, broken)).map(|()| true)
    }

    /// Step 4; all changes before `position` were made. Gives the number of rows that were copied, if the renewal
    /// was still under way.
    pub(crate) fn renew_end(&self, position: Position) -> Result<Option<u64>, Broken> {
        let _one = self.exchange.lock();
        let Some(Renewal { stage: Stage::Copying(fresh), copied, .. }) = self.renewal.lock().take() else {
            return Ok(None);
        };
        let Some(fresh) = Arc::into_inner(fresh) else { return Ok(None) };
        fresh.flush(position).inspect_err(|_| fresh.doom())?;
        // A crash before the old directory loses its name leaves it the current one.
        doom(&self.rows());
        self.put(Rows::Tree(fresh));
        Ok(Some(copied))
    }

    /// Gives a renewal up, if there is one.
    pub(crate) fn renew_abandon(&self) {
        let given_up = self.renewal.lock().take();
        given_up.iter().for_each(Renewal::doom);
    }

    /// Whether the files of the current rows are the only ones; waits for those who read others, but not for ever.
    pub(crate) fn is_alone(&self) -> bool {
        self.directory.wait_for_one();
        self.remove_leftovers()
    }

    /// Removes what failures have left of other rows on the disk; says whether nothing is left of them. Rows that
    /// somebody still reads go with the last reader.
    pub(crate) fn remove_leftovers(&self) -> bool {
        let _one = self.exchange.lock();
        // While the fresh tree is opened again, nobody has it open.
        if self.renewal.lock().is_some() {
            return false;
        }
        match &*self.rows() {
            Rows::Tree(tree) => self.directory.remove_all_but(Some(tree.dir())),
            Rows::Memory(_) => self.directory.remove_all_but(None),
            Rows::Closed => false,
        }
    }

    /// About how many bytes the current rows would take if they were written anew, with so many of them: as long
    /// as the first ones are, on average.
    pub(crate) fn bytes_anew(&self, rows: u64) -> u64 {
        let (mut count, mut len) = (0, 0);
        let range = Range { begin: Bound::Included(key::NAMES_BEGIN), end: key::NAMES_END };
        // Rows that cannot be read are another's trouble.
        let _ = self.rows().walk(&range, SAMPLE_ROWS, |key, _| {
            (count, len) = (count + 1, len + key.len() as u64);
            Ok(ControlFlow::Continue(()))
        });
        rows * (ROW_LEN + u64::checked_div(len, count).unwrap_or(0))
    }

    fn give_up(&self, renewal: &mut Option<Renewal>, broken: &Broken) {
        if let Some(given_up) = renewal.take() {
            given_up.doom();
            self.notes.lock().renewal_failed = Some(broken.0.clone());
        }
    }

    /// Makes changes in the fresh rows as well, if there are any. They alone suffer when that fails.
    pub(super) fn renew_along(&self, renewal: &mut Option<Renewal>, changes: &mut [Change<'_>]) {
        if let Some(Err(broken)) = renewal.as_mut().map(|renewal| renewal.apply(changes)) {
            self.give_up(renewal, &broken);
        }
    }
}

fn set((account, name, sequence): &(String, String, u64)) -> Change<'_> {
    Change::Set { account, name, sequence: *sequence }
}

fn change((account, name, sequence): &(String, String, Option<u64>)) -> Change<'_> {
    match sequence {
        Some(sequence) => Change::Set { account, name, sequence: *sequence },
        None => Change::Remove { account, name },
    }
}

//! The index follows the log.
//!
//! The applier reads records that are durable, in the log's order, and sets and removes rows. It also sums
//! up what each account's rows should be at the very place it stands at, so that a scan of an account's
//! rows can be compared with it: only then are its listings believed, until the store is closed.
//!
//! Whoever holds the applier's lock moves it, a step at a time: the background thread, or a listing that cannot wait.
//! Between steps others have their turn, and closing does not wait for the last one.

use std::collections::{HashMap, HashSet};
use std::ops::{Bound, ControlFlow};
use std::time::{Duration, Instant};

use super::Upkeep;
use crate::catalog::Catalog;
use crate::digest::{NameKey, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Broken, Change, Index, Position as IndexPosition};
use crate::log::format::RECORDS_AT;
use crate::log::record::{Header, Kind, OpView, Tag, operations};
use crate::log::segment::Segment;
use crate::log::{Log, Position};

/// Rows changed in one go.
const BATCH: usize = 4096;
/// Longest wait of who only asks where the index stands.
const WAIT: Duration = Duration::from_millis(50);
/// Longest that the index is moved in one go: then whoever waits for it, and all else of upkeep, has a turn.
const STEP: Duration = Duration::from_millis(50);
/// Longest that closing waits for the index to have read the log. The next open goes on from where it stands.
const LAST_STEP: Duration = Duration::from_secs(2);
/// A rebuild that finds the rows wrong again is tried this often; then listings fail.
const REBUILDS: usize = 3;

/// Where the index stands.
pub(crate) struct Applier {
    /// Everything before it is in the index.
    position: Position,
    /// From here on the sums follow the log; before, they were taken from the catalog.
    summed_from: Position,
    /// Per account: how many rows there should be, and the sum of their shares.
    sums: HashMap<String, (u64, u128)>,
    /// Names that have no row though they should: their entries are damaged, and nobody knows how they are
    /// called. Per key the account and the sequence.
    nameless: HashMap<NameKey, (u32, u64)>,
    /// Rows that can be compared with the sums only from here on: they were gathered until then.
    sound_from: Position,
    /// Accounts whose rows were found to add up.
    checked: HashSet<String>,
    /// Where the index was last flushed.
    flushed: Position,
    /// The rows must be built anew before they are used.
    stale: Option<String>,
}

/// One name's change, owned.
struct RowChange {
    account: String,
    name: String,
    sequence: Option<u64>,
}

impl Applier {
    pub(crate) fn new(log: &Log, catalog: &Catalog, index: &Index, store_id: &[u8; 16]) -> Applier {
        let end = log.tail().synced_position();
        let mut sums = HashMap::new();
        for account in catalog.accounts.all() {
            let totals = account.state.lock().totals;
            sums.insert(account.name.to_string(), (totals.count, totals.sum));
        }
        let known = index.position().filter(|position| position.store_id == *store_id);
        let known = known.map(|position| Position { segment: position.segment, offset: position.offset });
        let follows = |position: &Position| *position <= end && log.segment(position.segment).is_some();
        let (position, stale) = match known.filter(follows) {
            Some(position) => (position, None),
            // An empty log has no rows to miss.
            None if end == Position::default() => (end, None),
            None => (end, Some("the index does not say where in the log it stands".to_owned())),
        };
        Applier {
            position,
            summed_from: end,
            sums,
            nameless: HashMap::new(),
            sound_from: end,
            checked: HashSet::new(),
            flushed: position,
            stale,
        }
    }

    /// The place it stands at, as the index keeps it.
    pub(super) fn place(&self, store_id: [u8; 16]) -> IndexPosition {
        IndexPosition { segment: self.position.segment, offset: self.position.offset, store_id }
    }

    /// The rows were written anew, up to where it stands: they count once they were compared again.
    pub(super) fn was_renewed(&mut self) {
        self.flushed = self.position;
        self.checked.clear();
    }

    fn sum(&mut self, secret: &Secret, op: &OpView<'_>) {
        let key = secret.name_key(op.account(), op.name());
        let stamp = op.stamp();
        self.nameless.remove(&key);
        if !self.sums.contains_key(op.account()) {
            self.sums.insert(op.account().to_owned(), (0, 0));
        }
        let Some((count, sum)) = self.sums.get_mut(op.account()) else { return };
        if stamp.replaces != 0 {
            *count = count.wrapping_sub(1);
            *sum = sum.wrapping_sub(key.share(stamp.replaces));
        }
        if op.tag == Tag::Put {
            *count = count.wrapping_add(1);
            *sum = sum.wrapping_add(key.share(stamp.sequence));
        }
    }
}

impl Upkeep {
    /// Where in the log the index will go on after a restart; one that is to be built anew needs none of it.
    pub(crate) fn index_flushed(&self) -> Position {
        let applier = self.applier.lock();
        if applier.stale.is_some() { applier.position } else { applier.flushed }
    }

    /// Bytes of the log that the index has not read yet; `None` while somebody works on it.
    pub(crate) fn index_behind(&self) -> Option<u64> {
        let position = self.applier.try_lock_for(WAIT)?.position;
        Some(self.log.len_between(position, self.commit.durable()))
    }

    /// Moves the index up to `to`. Rows that are to be built anew are left to who needs them. Others have their turn
    /// between its steps, and closing breaks it off.
    pub(crate) fn follow(&self, to: Position) -> Result<()> {
        while !self.follow_for(STEP, to)? {
            self.note(self.sync_if_due());
            self.rest(Duration::ZERO)?;
        }
        Ok(())
    }

    /// One step of the way to `to`; says whether the index is there.
    pub(super) fn follow_a_step(&self, to: Position) -> Result<bool> {
        self.follow_for(STEP, to)
    }

    /// Moves the index towards all that is durable, for as long as closing may wait for it.
    pub(crate) fn follow_at_last(&self) -> Result<()> {
        self.follow_for(LAST_STEP, self.commit.durable()).map(drop)
    }

    fn follow_for(&self, longest: Duration, to: Position) -> Result<bool> {
        let mut applier = self.applier.lock();
        match self.advance(&mut applier, to, Some(Instant::now() + longest))? {
            Ok(is_there) => Ok(is_there),
            Err(broken) => {
                applier.stale = Some(broken.to_string());
                Ok(true)
            }
        }
    }

    /// Sees to it that the rows of `account` are complete up to `to`: follows the log, compares the sums,
    /// builds the index anew when they differ.
    pub(crate) fn make_current(&self, account: &str, to: Position) -> Result<()> {
        self.follow(to)?;
        let mut applier = self.applier.lock();
        let mut mended = false;
        for _ in 0..=REBUILDS {
            let upto = to.max(applier.sound_from);
            match self.advance(&mut applier, upto, None)? {
                Err(broken) => applier.stale = Some(broken.to_string()),
                Ok(_) if applier.stale.is_none() && applier.checked.contains(account) => return Ok(()),
                Ok(_) if applier.stale.is_none() => match self.adds_up(&applier, account) {
                    Ok(true) => {
                        applier.checked.insert(account.to_owned());
                        return Ok(());
                    }
                    // Its rows alone are mended first; if they are wrong still, all are built anew.
                    Ok(false) if mended => {
                        applier.stale = Some(format!("the rows of account {account:?} do not add up"));
                    }
                    Ok(false) => {
                        mended = true;
                        if let Err(broken) = self.mend(&mut applier, account)? {
                            applier.stale = Some(broken.to_string());
                        }
                        continue;
                    }
                    Err(broken) => applier.stale = Some(broken.to_string()),
                },
                Ok(_) => {}
            }
            self.rebuild(&mut applier, &mut |_, _| ())?;
        }
        let message =
            format!("the names of account {account:?} cannot be put in order: the index failed again and again");
        Err(Error::new(ErrorKind::Io, message))
    }

    fn adds_up(&self, applier: &Applier, account: &str) -> Result<bool, Broken> {
        let share = |name: &str, sequence: u64| self.log.secret.name_key(account, name).share(sequence);
        let (mut count, mut sum) = self.index.rows_sum(account, &share)?;
        let id = self.catalog.accounts.find(account).map(|account| account.id);
        for (key, (_, sequence)) in applier.nameless.iter().filter(|(_, (of, _))| Some(*of) == id) {
            count += 1;
            sum = sum.wrapping_add(key.share(*sequence));
        }
        Ok((count, sum) == applier.sums.get(account).copied().unwrap_or_default())
    }

    /// Whether the rows of an account are not what the log says. Rows that nobody believes, since they are to be
    /// built anew, differ from nothing.
    pub(crate) fn index_differs(&self, account: &str) -> Result<bool> {
        let mut applier = self.applier.lock();
        let to = self.commit.durable().max(applier.sound_from);
        if applier.stale.is_some() || self.advance(&mut applier, to, None)?.is_err() {
            return Ok(applier.stale.is_none());
        }
        Ok(!self.adds_up(&applier, account).unwrap_or(false))
    }

    /// Reads the log from where the index stands up to `to`, and changes rows accordingly; says whether it came
    /// there, or broke off since it was `late`. Where rows cannot be changed, it has read what it tried to change.
    fn advance(&self, applier: &mut Applier, to: Position, late: Option<Instant>) -> Result<Result<bool, Broken>> {
        while applier.position < to {
            let Some(segment) = self.next_segment(applier, to) else { break };
            let (from, until) = (applier.position.offset, end_of(&segment, to));
            let mut changes = Vec::new();
            let id = segment.id();
            let summed_from = applier.summed_from;
            let mut failed = Ok(());
            let mut is_late = false;
            let mut each = |at, header: &Header, head: &[u8]| {
                if header.kind != Kind::Commit || header.copied {
                    return ControlFlow::Continue(());
                }
                let sums = Position { segment: id, offset: at } >= summed_from;
                for (_, op) in operations(head).flatten().filter(|(_, op)| matches!(op.tag, Tag::Put | Tag::End)) {
                    if sums {
                        applier.sum(&self.log.secret, &op);
                    }
                    let sequence = (op.tag == Tag::Put).then(|| op.sequence());
                    changes.push(RowChange { account: op.account().into(), name: op.name().into(), sequence });
                }
                if changes.len() >= BATCH {
                    failed = self.change_rows(&mut changes, applier.stale.is_some());
                    is_late = late.is_some_and(|late| Instant::now() >= late);
                }
                if failed.is_err() || is_late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let end = segment.walk_while(from, until, &mut each, &mut |_, _| ())?;
            failed = failed.and_then(|()| self.change_rows(&mut changes, applier.stale.is_some()));
            applier.position = Position { segment: id, offset: end };
            match failed {
                Err(broken) => return Ok(Err(broken)),
                Ok(()) if is_late => return Ok(Ok(false)),
                Ok(()) => {}
            }
        }
        Ok(Ok(true))
    }

    /// The segment to read next: the one the index stands in, or the one after it. What compaction has copied
    /// was read where it stood first.
    fn next_segment(&self, applier: &mut Applier, to: Position) -> Option<std::sync::Arc<Segment>> {
        loop {
            let here = self.log.segment(applier.position.segment);
            if let Some(segment) = here.filter(|segment| applier.position.offset < end_of(segment, to)) {
                return Some(segment);
            }
            let follows =
                |segment: &std::sync::Arc<Segment>| segment.id() > applier.position.segment && !segment.is_compacted();
            let next = self.log.segments().into_iter().find(follows)?;
            if next.id() > to.segment {
                return None;
            }
            applier.position = Position { segment: next.id(), offset: RECORDS_AT };
        }
    }

    fn change_rows(&self, changes: &mut Vec<RowChange>, stale: bool) -> Result<(), Broken> {
        let mut rows: Vec<Change<'_>> = changes
            .iter()
            .map(|RowChange { account, name, sequence }| match sequence {
                Some(sequence) => Change::Set { account, name, sequence: *sequence },
                None => Change::Remove { account, name },
            })
            .collect();
        let outcome = if stale || rows.is_empty() { Ok(()) } else { self.index.apply(&mut rows) };
        changes.clear();
        outcome
    }

    /// Builds the index anew from the catalog and the log; gives the number of rows.
    pub(crate) fn rebuild_index(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        let mut applier = self.applier.lock();
        self.rebuild(&mut applier, progress)
    }

    fn rebuild(&self, applier: &mut Applier, progress: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        let why = applier.stale.take().unwrap_or_else(|| "it is to be built anew".to_owned());
        applier.checked.clear();
        self.commit.sync_if_behind()?;
        let begin = self.commit.durable();
        // The sums must stand where the rows are followed from; the rows themselves are gathered below.
        applier.stale = Some(why.clone());
        let _ = self.advance(applier, begin, None)?;
        let mut rows = self.gather_rows(applier, None)?;
        self.index.set_aside(&why);
        rows.sort_unstable();
        let total = rows.len() as u64;
        let position = IndexPosition { segment: begin.segment, offset: begin.offset, store_id: self.home.store.id };
        let mut told = |done: u64| {
            progress(done, total);
            ControlFlow::Continue(())
        };
        applier.position = begin;
        match self.index.replace(position, &mut rows.into_iter(), &mut told) {
            Ok(_) => applier.stale = None,
            Err(broken) => applier.stale = Some(broken.to_string()),
        }
        applier.flushed = begin;
        Ok(total)
    }

    /// Puts the rows of one account right, in their place. Nobody reads them: they were not found to add up.
    fn mend(&self, applier: &mut Applier, account: &str) -> Result<Result<(), Broken>> {
        let rows = self.gather_rows(applier, Some(account))?;
        if let Err(broken) = self.index.clear_account(account) {
            return Ok(Err(broken));
        }
        for rows in rows.chunks(BATCH) {
            let set = |(account, name, sequence): &(String, String, u64)| RowChange {
                account: account.clone(),
                name: name.clone(),
                sequence: Some(*sequence),
            };
            let changed = self.change_rows(&mut rows.iter().map(set).collect(), false);
            if changed.is_err() {
                return Ok(changed);
            }
        }
        Ok(Ok(()))
    }

    /// The row of every name, or of those of one account, by reading its entry in the log; if that is damaged,
    /// from the index as it still is. The rows add up from the end of the log as it then is.
    fn gather_rows(&self, applier: &mut Applier, only: Option<&str>) -> Result<Vec<(String, String, u64)>> {
        let id = only.map(|account| self.catalog.accounts.intern(account).id);
        applier.nameless.retain(|_, (account, _)| id.is_some_and(|id| id != *account));
        let (mut rows, mut failed) = (Vec::new(), Ok(()));
        self.catalog.for_each_name(|row| match id.is_none_or(|id| id == row.account).then(|| self.target(row)) {
            Some(Ok(Some(target))) => rows.push((target.account, target.name, row.sequence)),
            // A row that is gone was overtaken: what overtook it is read when the log is followed.
            Some(Ok(None)) if self.catalog.name(row.key).is_some_and(|now| now.sequence == row.sequence) => {
                applier.nameless.insert(row.key, (row.account, row.sequence));
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => failed = Err(error),
        });
        self.commit.sync_if_behind()?;
        applier.sound_from = self.commit.durable();
        failed.map(|()| {
            self.recall(applier, &mut rows);
            rows
        })
    }

    /// Names whose entries are damaged, as far as the index knows how they are called: a name that has the
    /// right key is the right one.
    fn recall(&self, applier: &mut Applier, rows: &mut Vec<(String, String, u64)>) {
        let accounts: HashSet<u32> = applier.nameless.values().map(|(account, _)| *account).collect();
        for account in accounts.into_iter().filter_map(|id| self.catalog.accounts.get(id)) {
            // An index that cannot be read knows nothing.
            let _ = self.index.scan(&account.name, Bound::Unbounded, "", usize::MAX, &mut |name, _| {
                let key = self.log.secret.name_key(&account.name, name);
                if let Some((_, sequence)) = applier.nameless.remove(&key) {
                    rows.push((account.name.to_string(), name.to_owned(), sequence));
                }
                ControlFlow::Continue(())
            });
        }
    }

    /// Pushes the index out to the disk, with the place it stands at.
    pub(crate) fn flush_index(&self) {
        let mut applier = self.applier.lock();
        if applier.stale.is_none() && applier.flushed != applier.position {
            match self.index.flush(applier.place(self.home.store.id)) {
                Ok(()) => applier.flushed = applier.position,
                Err(broken) => applier.stale = Some(broken.to_string()),
            }
        }
    }

    /// Marks the rows as not to be believed: a walk found them wrong.
    pub(crate) fn distrust_index(&self, why: &str) {
        self.applier.lock().stale = Some(why.to_owned());
    }

    /// Why the rows are to be built anew, if they are.
    pub(crate) fn index_trouble(&self) -> Option<String> {
        self.applier.lock().stale.clone()
    }
}

/// Where the records end that may be read of a segment on the way to `to`.
fn end_of(segment: &Segment, to: Position) -> u64 {
    if segment.id() == to.segment { to.offset } else { segment.records_end() }
}

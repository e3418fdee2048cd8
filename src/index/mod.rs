//! The index: the names of each account in order, for listings and for nothing else.
//!
//! A row is (account, name) -> sequence of the entry. Rows are derived from the log, disposable, and
//! never believed: who reads them holds each against the catalog. The index sees neither log nor
//! catalog; a flow feeds it, behind the acknowledgement.
//!
//! Invariants:
//!
//! - One thread changes rows: it alone calls [`Index::apply`], [`Index::flush`],
//!   [`Index::clear_account`], [`Index::set_aside`], [`Index::replace`] and [`Index::renew_end`]. Any thread
//!   reads. The other steps of a renewal (`renewal.rs`) are one thread's, too, which need not be the same.
//! - No call fails for good. Where a panic, an error or a row that cannot be makes the rows
//!   [`Broken`], they stay so until the flow sets them aside or replaces them. Where sled cannot be
//!   used (see `guard`), rows live in memory.
//! - Rows on the disk count only together with a position: a directory without one is what a crash
//!   left of a beginning, and is begun afresh.
//!
//! After `fork` the child forgets the whole `Index` (`mem::forget`); one dropped there touches
//! nothing.

mod directory;
mod guard;
mod key;
mod renewal;
mod rows;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::mem;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::disk::locks::{Mutex, RwLock};

use directory::Directory;
use renewal::Renewal;
use rows::{Memory, Range, Rows};

pub use guard::{Fault, break_index};
pub(crate) use key::Position;
pub(crate) use renewal::Copied;

/// Rows a rebuild inserts in one go, and after which it tells how far it is.
const REBUILD_ROWS: usize = 1024;

/// Rows after which a rebuild waits for the disk: what is not written yet is held in memory.
const FLUSH_ROWS: u64 = 32 * REBUILD_ROWS as u64;

/// A name and the sequence of its row.
pub(crate) type NameAt<'a> = (&'a str, u64);

/// A change of one name's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// The name is there, with the entry of this sequence.
    Set { account: &'a str, name: &'a str, sequence: u64 },
    /// The name is gone.
    Remove { account: &'a str, name: &'a str },
}

impl Change<'_> {
    fn name(&self) -> (&str, &str) {
        match *self {
            Change::Set { account, name, .. } | Change::Remove { account, name } => (account, name),
        }
    }

    fn sequence(&self) -> Option<u64> {
        match *self {
            Change::Set { sequence, .. } => Some(sequence),
            Change::Remove { .. } => None,
        }
    }
}

/// The rows cannot be read or written any more; says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(String);

impl Broken {
    fn new(why: impl Into<String>) -> Broken {
        Broken(why.into())
    }

    fn closed() -> Broken {
        Broken::new("it is closed")
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the index cannot be used: {}", self.0)
    }
}

/// Why a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanEnd {
    /// There are no more names.
    Done,
    /// As many rows were visited as the caller allowed; there may be more.
    Limit,
    /// The visitor broke it off.
    Stopped,
}

/// What an operator may want to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Why the rows cannot be used, until they are set aside or replaced.
    pub(crate) broken: Option<String>,
    /// Why they are kept in memory and not on the disk.
    pub(crate) in_memory: Option<String>,
    /// How many trees were set aside since open, those found unfit at open included.
    pub(crate) set_aside: u64,
    /// Why the last one was.
    pub(crate) last_set_aside: Option<String>,
}

/// The names of each account in order.
pub(crate) struct Index {
    directory: Directory,
    /// Guards which rows are current; held to look or to exchange, never over a call of sled.
    rows: RwLock<Arc<Rows>>,
    /// Held by who exchanges the rows, from beginning the new ones on.
    exchange: Mutex<()>,
    /// Guards the rows that are written anew beside the current ones, and that no change comes between reading some
    /// of these and writing them there. Taken after `exchange`.
    renewal: Mutex<Option<Renewal>>,
    /// How long opening took, of rows that were found.
    opened_in: Duration,
    /// Guards what [`Index::state`] tells, and why the last rebuild failed; held for an instant.
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    set_aside: u64,
    last_set_aside: Option<String>,
    rebuild_failed: Option<String>,
    renewal_failed: Option<String>,
}

impl Notes {
    fn set_aside(&mut self, why: &str) {
        self.set_aside += 1;
        self.last_set_aside = Some(why.to_owned());
    }
}

impl Index {
    /// Opens the index of a store in `dir`, or begins it. Never fails: an index that cannot be read,
    /// is of another store, or was never complete is removed and begun afresh, and where sled cannot
    /// be used at all the rows are kept in memory.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, store_id: [u8; 16], cache_bytes: u64) -> Index {
        let directory = Directory::new(disk, dir, store_id, cache_bytes);
        let mut notes = Notes::default();
        let begun = Instant::now();
        let found = directory.find(&mut |why| notes.set_aside(why));
        let opened_in = if found.is_some() { begun.elapsed() } else { Duration::ZERO };
        let rows = found.map_or_else(|| begin(&directory), Rows::Tree);
        Index {
            directory,
            rows: RwLock::new(Arc::new(rows)),
            exchange: Mutex::default(),
            renewal: Mutex::default(),
            opened_in,
            notes: Mutex::new(notes),
        }
    }

    /// Up to where in the log the rows on the disk are complete, as told to the last
    /// [`Index::flush`]; `None` of an index begun afresh. A hint where to begin to follow the log.
    pub(crate) fn position(&self) -> Option<Position> {
        match &*self.rows() {
            Rows::Tree(tree) => tree.position().ok().flatten(),
            Rows::Memory(_) | Rows::Closed => None,
        }
    }

    /// Makes changes in the order given: of several to one name the last counts. Reorders `changes`.
    pub(crate) fn apply(&self, changes: &mut [Change<'_>]) -> Result<(), Broken> {
        let mut renewal = self.renewal.lock();
        self.rows().apply(changes)?;
        self.renew_along(&mut renewal, changes);
        Ok(())
    }

    /// How long it took to open the rows that were found; nothing, if none were.
    pub(crate) fn opened_in(&self) -> Duration {
        self.opened_in
    }

    /// Pushes all rows out to the disk, then `position`, before which all changes were applied.
    pub(crate) fn flush(&self, position: Position) -> Result<(), Broken> {
        match &*self.rows() {
            Rows::Tree(tree) => tree.flush(position),
            Rows::Memory(_) => Ok(()),
            Rows::Closed => Err(Broken::closed()),
        }
    }

    /// Visits up to `rows_max` names of an account in the order of their bytes: those that begin with
    /// `prefix` and lie at or after `from`, each with its sequence.
    pub(crate) fn scan(
        &self,
        account: &str,
        from: Bound<&str>,
        prefix: &str,
        rows_max: usize,
        visit: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
    ) -> Result<ScanEnd, Broken> {
        self.scan_batches(account, from, prefix, (rows_max, None), &mut |names| {
            names.iter().try_for_each(|(name, sequence)| visit(name, *sequence))
        })
    }

    /// The same, some names at a time, of which so many are likely to be visited, if that is known.
    pub(crate) fn scan_batches(
        &self,
        account: &str,
        from: Bound<&str>,
        prefix: &str,
        (rows_max, likely): (usize, Option<usize>),
        visit: &mut dyn FnMut(&[NameAt<'_>]) -> ControlFlow<()>,
    ) -> Result<ScanEnd, Broken> {
        let (mut begin, mut end) = (Vec::new(), Vec::new());
        key::encode_end(&mut end, account, prefix);
        let begin = match from {
            Bound::Excluded(after) if after >= prefix => {
                key::encode(&mut begin, account, after);
                Bound::Excluded(&begin[..])
            }
            Bound::Included(at) if at >= prefix => {
                key::encode(&mut begin, account, at);
                Bound::Included(&begin[..])
            }
            _ => {
                key::encode(&mut begin, account, prefix);
                Bound::Included(&begin[..])
            }
        };
        self.rows().walk_batches(&Range { begin, end: &end }, rows_max, likely, |batch| {
            let name_of = |(key, sequence)| match decoded(key)? {
                (of, name) if of == account => Ok((name, sequence)),
                _ => Err(Broken::new("a row of another account stands among those of one")),
            };
            let names = batch.iter().map(name_of).collect::<Result<Vec<_>, _>>()?;
            Ok(visit(&names))
        })
    }

    /// How many rows an account has, and the wrapping sum of `share` over their names and sequences.
    pub(crate) fn rows_sum(&self, account: &str, share: &dyn Fn(&str, u64) -> u128) -> Result<(u64, u128), Broken> {
        let (mut count, mut sum) = (0, 0_u128);
        self.scan(account, Bound::Unbounded, "", usize::MAX, &mut |name, sequence| {
            count += 1;
            sum = sum.wrapping_add(share(name, sequence));
            ControlFlow::Continue(())
        })?;
        Ok((count, sum))
    }

    /// The accounts that have rows, in order; found by seeking past each.
    pub(crate) fn accounts_in_rows(&self) -> Result<Vec<String>, Broken> {
        let rows = self.rows();
        let mut accounts: Vec<String> = Vec::new();
        let mut begin = key::NAMES_BEGIN.to_vec();
        loop {
            let mut found = None;
            let range = Range { begin: Bound::Included(&begin), end: key::NAMES_END };
            rows.walk(&range, 1, |key, _| {
                found = Some(decoded(key)?.0.to_owned());
                Ok(ControlFlow::Continue(()))
            })?;
            let Some(account) = found else {
                return Ok(accounts);
            };
            key::encode_end(&mut begin, &account, "");
            accounts.push(account);
        }
    }

    /// Removes all rows of an account, to mend it; says how many there were.
    pub(crate) fn clear_account(&self, account: &str) -> Result<u64, Broken> {
        let mut cleared = 0;
        loop {
            let mut names = Vec::with_capacity(REBUILD_ROWS);
            self.scan(account, Bound::Unbounded, "", REBUILD_ROWS, &mut |name, _| {
                names.push(name.to_owned());
                ControlFlow::Continue(())
            })?;
            if names.is_empty() {
                return Ok(cleared);
            }
            cleared += names.len() as u64;
            let mut removals: Vec<_> = names.iter().map(|name| Change::Remove { account, name }).collect();
            self.apply(&mut removals)?;
        }
    }

    /// Lets go of the current rows for `why`, and begins empty ones. Their directory is gone when the
    /// last reader is done with it.
    pub(crate) fn set_aside(&self, why: &str) {
        let _one = self.exchange.lock();
        if !matches!(&*self.rows(), Rows::Closed) {
            self.notes.lock().set_aside(why);
            self.renew_abandon();
            doom(&self.rows());
            // The old files go first: that the disk is full may be why.
            self.put(Rows::Memory(Memory::new(why)));
            self.put(begin(&self.directory));
        }
    }

    /// Builds new rows from `rows`, which come in order, and puts them in the place of the current
    /// ones; `position` is where in the log to follow on from them. Until then the current rows
    /// serve. `progress` is told the number of rows from time to time and may break it off: then the
    /// current ones stay, as with an error, and `None` is returned, else the number of rows.
    ///
    /// Two calls in a row do not fail: after a failure the next one builds in memory.
    pub(crate) fn replace(
        &self,
        position: Position,
        rows: &mut dyn Iterator<Item = (String, String, u64)>,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<u64>, Broken> {
        let _one = self.exchange.lock();
        if matches!(&*self.rows(), Rows::Closed) {
            return Err(Broken::closed());
        }
        self.renew_abandon();
        let failed = self.notes.lock().rebuild_failed.take();
        let fresh = match failed {
            Some(why) => Err(why),
            None => self.directory.begin_to_fill().map_err(|failure| failure.why),
        };
        let fresh = fresh.map_or_else(|why| Rows::Memory(Memory::new(why)), Rows::Tree);
        let filled = fill(&fresh, position, rows, progress);
        let built = match (filled, fresh) {
            (Ok(Some(count)), Rows::Tree(tree)) => self
                .directory
                .finish(tree)
                .map(|tree| Some((count, Rows::Tree(tree))))
                .map_err(|failure| Broken::new(failure.why)),
            (Ok(Some(count)), fresh) => Ok(Some((count, fresh))),
            (unfilled, fresh) => {
                doom(&fresh);
                unfilled.map(|_| None)
            }
        };
        if let Err(broken) = &built {
            self.notes.lock().rebuild_failed = Some(broken.0.clone());
        }
        Ok(built?.map(|(count, fresh)| {
            // A crash before the old directory loses its name leaves it the current one.
            doom(&self.rows());
            self.put(fresh);
            count
        }))
    }

    /// Flushes and closes. When it returns, sled's lock is free, or will be in an instant.
    pub(crate) fn close(&self) {
        if guard::forked() {
            return;
        }
        let _one = self.exchange.lock();
        self.renew_abandon();
        self.put(Rows::Closed);
        self.directory.wait_for_none();
    }

    /// Bytes of all its files, of trees set aside as well.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.directory.bytes_on_disk()
    }

    pub(crate) fn in_memory_reason(&self) -> Option<String> {
        match &*self.rows() {
            Rows::Memory(memory) => Some(memory.why.clone()),
            Rows::Tree(_) | Rows::Closed => None,
        }
    }

    pub(crate) fn state(&self) -> State {
        let broken = match &*self.rows() {
            Rows::Tree(tree) => tree.broken().map(str::to_owned),
            Rows::Memory(_) | Rows::Closed => None,
        };
        let in_memory = self.in_memory_reason();
        let notes = self.notes.lock();
        let last_set_aside = notes.last_set_aside.clone();
        State { broken, in_memory, set_aside: notes.set_aside, last_set_aside }
    }

    fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows.read())
    }

    /// Makes `rows` the current ones. The old ones are let go outside the lock: their last holder
    /// flushes, closes and, when they are doomed, removes them.
    fn put(&self, rows: Rows) {
        let rows = Arc::new(rows);
        let old = mem::replace(&mut *self.rows.write(), rows);
        drop(old);
    }
}

/// Empty rows: a new tree, or memory where there can be none.
fn begin(directory: &Directory) -> Rows {
    let begun = directory.begin().map(Rows::Tree);
    begun.unwrap_or_else(|failure| Rows::Memory(Memory::new(failure.why)))
}

/// Fills empty rows and flushes them; `None` when it was broken off.
fn fill(
    fresh: &Rows,
    position: Position,
    rows: &mut dyn Iterator<Item = (String, String, u64)>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<u64>, Broken> {
    let mut count = 0;
    let mut some = Vec::with_capacity(REBUILD_ROWS);
    loop {
        some.extend((&mut *rows).take(REBUILD_ROWS));
        if some.is_empty() {
            break;
        }
        let changes = some.iter().map(|(account, name, sequence): &(String, String, u64)| Change::Set {
            account,
            name,
            sequence: *sequence,
        });
        fresh.apply(&mut changes.collect::<Vec<_>>())?;
        count += some.len() as u64;
        some.clear();
        if let Rows::Tree(tree) = fresh
            && count.is_multiple_of(FLUSH_ROWS)
        {
            tree.push_out()?;
        }
        if progress(count).is_break() {
            return Ok(None);
        }
    }
    if let Rows::Tree(tree) = fresh {
        tree.flush(position)?;
    }
    Ok(Some(count))
}

fn doom(rows: &Rows) {
    if let Rows::Tree(tree) = rows {
        tree.doom();
    }
}

fn decoded(key: &[u8]) -> Result<(&str, &str), Broken> {
    key::decode(key).ok_or_else(|| Broken::new(format!("a row's key is none of a name: {}", key.escape_ascii())))
}

//! Rows, wherever they are: in a tree of sled, or in memory where sled cannot be used.
//!
//! Both are read in batches, copied out: what a listing does with a row runs under no lock, inside
//! no call of sled, and keeps no page of its alive.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::guard::Failure;
use super::key;
use super::tree::Tree;
use super::{Broken, Change, ScanEnd};
use crate::disk::locks::RwLock;

/// Most rows in one batch: beyond it, finding the place again costs nothing against reading on.
const BATCH_ROWS_MAX: usize = 512;

/// Rows of the first batch, of who says nothing: who only wants to know what comes next does not pay for 512.
const BATCH_ROWS_FIRST: usize = 16;

/// Where the rows are.
pub(super) enum Rows {
    /// On the disk.
    Tree(Tree),
    /// In memory, until the process ends.
    Memory(Memory),
    /// Nowhere any more.
    Closed,
}

/// Rows in memory, and why they are there.
pub(super) struct Memory {
    pub(super) why: String,
    /// Guards the rows; held for one batch of reads or writes.
    map: RwLock<BTreeMap<Box<[u8]>, u64>>,
}

impl Memory {
    pub(super) fn new(why: impl Into<String>) -> Memory {
        Memory { why: why.into(), map: RwLock::default() }
    }
}

/// Rows copied out: keys one after the other, and for each where it ends and its sequence.
#[derive(Default)]
pub(super) struct Batch {
    keys: Vec<u8>,
    rows: Vec<(usize, u64)>,
}

impl Batch {
    pub(super) fn push(&mut self, key: &[u8], sequence: u64) {
        self.keys.extend_from_slice(key);
        self.rows.push((self.keys.len(), sequence));
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.rows.clear();
    }

    /// The rows in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let begins = std::iter::once(0).chain(self.rows.iter().map(|&(end, _)| end));
        begins.zip(&self.rows).map(|(begin, &(end, sequence))| (&self.keys[begin..end], sequence))
    }
}

/// A run of keys, from `begin` to below `end`.
pub(super) struct Range<'a> {
    pub(super) begin: Bound<&'a [u8]>,
    pub(super) end: &'a [u8],
}

impl Range<'_> {
    /// Whether no key can be in it; such a range is never asked of a map.
    fn is_empty(&self) -> bool {
        match self.begin {
            Bound::Included(begin) | Bound::Excluded(begin) => begin >= self.end,
            Bound::Unbounded => false,
        }
    }

    /// As the standard library and sled take it.
    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.begin, Bound::Excluded(self.end))
    }
}

impl Rows {
    /// Makes changes; of several to one name the last counts.
    pub(super) fn apply(&self, changes: &mut [Change<'_>]) -> Result<(), Broken> {
        match self {
            Rows::Tree(tree) => tree.apply(changes),
            Rows::Memory(memory) => {
                let mut map = memory.map.write();
                let made = in_order(changes, |key, sequence| {
                    match sequence {
                        Some(sequence) => map.insert(key.into(), sequence),
                        None => map.remove(key),
                    };
                    Ok(())
                });
                made.map_err(|failure| Broken::new(failure.why))
            }
            Rows::Closed => Err(Broken::closed()),
        }
    }

    /// Hands out up to `rows_max` rows of a range in the order of their keys, until told to stop. A
    /// walk gives each row that is there all the while exactly once.
    pub(super) fn walk(
        &self,
        range: &Range<'_>,
        rows_max: usize,
        mut visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>, Broken>,
    ) -> Result<ScanEnd, Broken> {
        self.walk_batches(range, rows_max, None, |batch| {
            for (key, sequence) in batch.iter() {
                if visit(key, sequence)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The same, some rows at a time. So many are `likely` to be visited, if that is known: no more are read ahead.
    pub(super) fn walk_batches(
        &self,
        range: &Range<'_>,
        rows_max: usize,
        likely: Option<usize>,
        visit: impl FnMut(&Batch) -> Result<ControlFlow<()>, Broken>,
    ) -> Result<ScanEnd, Broken> {
        let walked = self.read_batches(range, rows_max, likely, visit);
        if let (Err(broken), Rows::Tree(tree)) = (&walked, self) {
            tree.condemn(broken);
        }
        walked
    }

    fn read_batches(
        &self,
        range: &Range<'_>,
        rows_max: usize,
        likely: Option<usize>,
        mut visit: impl FnMut(&Batch) -> Result<ControlFlow<()>, Broken>,
    ) -> Result<ScanEnd, Broken> {
        let mut batch = Batch::default();
        let mut likely = likely.unwrap_or(BATCH_ROWS_FIRST);
        let mut batch_rows = likely.clamp(1, BATCH_ROWS_MAX);
        let mut last: Vec<u8> = Vec::new();
        let mut left = rows_max;
        while left > 0 {
            let wanted = batch_rows.min(left);
            let begin = if last.is_empty() { range.begin } else { Bound::Excluded(&last[..]) };
            batch.clear();
            self.read(&Range { begin, end: range.end }, wanted, &mut batch)?;
            let mut before = &last[..];
            for (key, _) in batch.iter() {
                if key <= before {
                    return Err(Broken::new("its rows are out of order"));
                }
                before = key;
            }
            last = before.to_vec();
            if visit(&batch)?.is_break() {
                return Ok(ScanEnd::Stopped);
            }
            if batch.rows.len() < wanted {
                return Ok(ScanEnd::Done);
            }
            left -= wanted;
            likely = likely.saturating_sub(wanted);
            let more = if likely > 0 { likely } else { batch_rows * 4 };
            batch_rows = BATCH_ROWS_MAX.min(more);
        }
        Ok(ScanEnd::Limit)
    }

    fn read(&self, range: &Range<'_>, rows_max: usize, batch: &mut Batch) -> Result<(), Broken> {
        if range.is_empty() {
            return Ok(());
        }
        match self {
            Rows::Tree(tree) => tree.read(range, rows_max, batch),
            Rows::Memory(memory) => {
                let map = memory.map.read();
                let rows = map.range::<[u8], _>(range.bounds()).take(rows_max);
                rows.for_each(|(key, &sequence)| batch.push(key, sequence));
                Ok(())
            }
            Rows::Closed => Err(Broken::closed()),
        }
    }
}

/// Brings changes into the order of their keys, and hands out the last one to each: its key, and the
/// sequence to set or `None` to remove.
pub(super) fn in_order(
    changes: &mut [Change<'_>],
    mut make: impl FnMut(&[u8], Option<u64>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Stable: changes to one name stay in the order in which they came. Accounts hold no NUL, so
    // the order of pairs is the order of keys.
    changes.sort_by(|one, other| one.name().cmp(&other.name()));
    let mut key = Vec::new();
    let mut rest = changes.iter().peekable();
    while let Some(change) = rest.next() {
        if rest.peek().is_some_and(|next| next.name() == change.name()) {
            continue;
        }
        let (account, name) = change.name();
        key::encode(&mut key, account, name);
        make(&key, change.sequence())?;
    }
    Ok(())
}

//! What of one file is durable, and what has been written since its last sync.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::support::random::Random;

use super::{Crash, Keep, Tear};

const PAGE_LEN: u64 = 4096;

/// The bytes of a file: what no page holds is zero. Copies share their pages.
#[derive(Clone, Default)]
pub(super) struct Bytes {
    pub(super) len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE_LEN as usize]>>,
}

impl Bytes {
    pub(super) fn of(bytes: &[u8]) -> Bytes {
        let mut made = Bytes::default();
        made.write(0, bytes);
        made.set_len(bytes.len() as u64);
        made
    }

    /// Puts bytes in place, beyond the length too; the length stays.
    fn write(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let start = (offset % PAGE_LEN) as usize;
            let len = bytes.len().min(PAGE_LEN as usize - start);
            let empty = || Arc::new([0; PAGE_LEN as usize]);
            let page = self.pages.entry(offset / PAGE_LEN).or_insert_with(empty);
            Arc::make_mut(page)[start..start + len].copy_from_slice(&bytes[..len]);
            offset += len as u64;
            bytes = &bytes[len..];
        }
    }

    /// Forgets what is beyond `len`, and makes it the length.
    fn set_len(&mut self, len: u64) {
        self.len = len;
        drop(self.pages.split_off(&len.div_ceil(PAGE_LEN)));
        let rest = (len % PAGE_LEN) as usize;
        if let Some(page) = self.pages.get_mut(&(len / PAGE_LEN)).filter(|_| rest > 0) {
            Arc::make_mut(page)[rest..].fill(0);
        }
    }

    /// The pieces that are not zeros for want of a page, each with its offset.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pages.iter().map(|(page, bytes)| {
            let offset = page * PAGE_LEN;
            let len = (self.len - offset).min(PAGE_LEN) as usize;
            (offset, &bytes[..len])
        })
    }
}

/// Something done to a file that no sync has made durable yet.
enum Change {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    /// Set, longer or shorter.
    Length(u64),
    /// What is left of a write whose bytes the system dropped after a failed sync.
    AtLeast(u64),
}

/// One file's durable bytes and its changes since.
#[derive(Default)]
pub(super) struct Content {
    durable: Bytes,
    pending: Vec<Change>,
}

impl Content {
    pub(super) fn durable(durable: Bytes) -> Content {
        let pending = Vec::new();
        Content { durable, pending }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        self.pending.push(Change::Write { offset, bytes });
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.pending.push(Change::Length(len));
    }

    /// The writes that no sync has made durable yet: offset and bytes of each.
    pub(super) fn unsynced<'a>(&'a self) -> Vec<(u64, &'a [u8])> {
        let write = |change: &'a Change| match change {
            Change::Write { offset, bytes } => Some((*offset, &bytes[..])),
            Change::Length(_) | Change::AtLeast(_) => None,
        };
        self.pending.iter().filter_map(write).collect()
    }

    /// The length as it is now.
    pub(super) fn len(&self) -> u64 {
        self.pending.iter().fold(self.durable.len, length_after)
    }

    pub(super) fn is_synced(&self) -> bool {
        self.pending.is_empty()
    }

    /// Makes all durable.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// What Linux does with dirty pages it could not write: they count as clean from then on.
    pub(super) fn forget_writes(&mut self) {
        for change in &mut self.pending {
            if let Change::Write { offset, bytes } = change {
                *change = Change::AtLeast(*offset + bytes.len() as u64);
            }
        }
    }

    /// What the disk may hold after the power went.
    pub(super) fn after(&self, crash: Crash, random: &mut Random) -> Bytes {
        let mut left = self.durable.clone();
        match (crash.keep, crash.tear.unit()) {
            (Keep::Nothing, _) => {}
            (Keep::Everything, _) => {
                self.pending.iter().for_each(|change| apply(&mut left, change));
            }
            (Keep::Random(_), None) => {
                let kept = self.pending.iter().filter(|_| random.sixteenths(8));
                kept.for_each(|change| apply(&mut left, change));
            }
            (Keep::Random(_), Some(unit)) => self.tear(&mut left, unit, random),
        }
        left
    }

    /// Keeps any units of the writes, and the length as it was after any of its changes: the bytes
    /// of a file and its length reach the disk apart.
    fn tear(&self, left: &mut Bytes, unit: u64, random: &mut Random) {
        let mut steps_kept = random.below(self.pending.len() as u64 + 1);
        let (mut len_now, mut len_kept) = (left.len, left.len);
        for change in &self.pending {
            // Changes of the length are kept in order, up to one.
            let before = len_now;
            len_now = length_after(len_now, change);
            let keeps_length = len_now != before && steps_kept > 0;
            if len_now != before {
                steps_kept = steps_kept.saturating_sub(1);
            }
            if keeps_length {
                len_kept = len_now;
            }
            match change {
                Change::Write { offset, bytes } => {
                    let chance = [0, 1, 8, 15, 16][random.below(5) as usize];
                    for part in units(*offset, bytes.len() as u64, unit) {
                        if random.sixteenths(chance) {
                            let bytes = &bytes[part.start as usize..part.end as usize];
                            left.write(offset + part.start, bytes);
                        }
                    }
                    // The system may have written the file out to the middle of a write.
                    if keeps_length && steps_kept == 0 && random.sixteenths(8) {
                        let grown = units(before, len_now - before, unit);
                        let parts = random.below(grown.count() as u64 + 1) as usize;
                        let grown = units(before, len_now - before, unit).take(parts).last();
                        len_kept = before + grown.map_or(0, |part| part.end);
                    }
                }
                Change::Length(len) if keeps_length => left.set_len(*len),
                Change::Length(_) | Change::AtLeast(_) => {}
            }
        }
        left.set_len(len_kept);
    }
}

fn apply(bytes: &mut Bytes, change: &Change) {
    let len = length_after(bytes.len, change);
    if let Change::Write { offset, bytes: written } = change {
        bytes.write(*offset, written);
    }
    bytes.set_len(len);
}

fn length_after(len: u64, change: &Change) -> u64 {
    match change {
        Change::Write { offset, bytes } => len.max(offset + bytes.len() as u64),
        Change::Length(new) => *new,
        Change::AtLeast(least) => len.max(*least),
    }
}

/// The ranges within a write of `len` bytes at `offset` that lie in one unit of the file each.
fn units(offset: u64, len: u64, unit: u64) -> impl Iterator<Item = Range<u64>> {
    let end = offset + len;
    (offset / unit..end.div_ceil(unit)).map(move |nth| {
        let from = (nth * unit).max(offset);
        let to = ((nth + 1) * unit).min(end);
        from - offset..to - offset
    })
}

//! The catalog: in memory, where every name and every content stands, and what each account holds.
//!
//! Invariants:
//! - Only the leader of a group changes it (and recovery, before anybody reads): [`Catalog::apply`].
//! - A content's row lives as long as it has references: names, and puts under way that pinned it.
//! - What a change lets go is handed back and counted as dead only by [`Catalog::settle`], once the
//!   change is durable.
//!
//! Names are known by their keys alone. Rows are spread over shards, each behind a lock of its own that
//! guards its table and is held for a look-up or one change.

pub(crate) mod accounts;
pub(crate) mod builder;
pub(crate) mod checkpoint;
pub(crate) mod lives;
mod parts;
pub(crate) mod relocate;
pub(crate) mod table;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::digest::{Digest, NameKey};
use crate::disk::locks::{Mutex, RwLock};
use crate::options::Policy;
use accounts::{Account, Accounts, Member, PolicyRow};
use lives::Alive;
pub(crate) use lives::Live;
use table::{Row, Table};

/// Rows of names, and rows of contents, are each spread over so many shards.
pub(crate) const SHARDS: usize = 64;
const SLOT_BITS: u32 = 26;
/// The scope of content that the whole store shares.
pub(crate) const STORE_SCOPE: u32 = u32::MAX;

/// Where something stands: a segment, and an offset there. Segment 0 is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    /// Of an entry: of its operation. Of a content: of its record, plus 1 if that names a file; records
    /// stand at multiples of 8.
    pub(crate) offset: u32,
}

impl Place {
    /// The offset of a content's record.
    pub(crate) fn record_at(self) -> u64 {
        u64::from(self.offset & !7)
    }

    /// Whether a content has a file of its own.
    pub(crate) fn is_file(self) -> bool {
        self.offset & 1 == 1
    }
}

/// What the catalog knows of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameRow {
    pub(crate) key: NameKey,
    pub(crate) sequence: u64,
    /// Unix ms; 0: never.
    pub(crate) expires_ms: u64,
    /// Where its entry's operation stands.
    pub(crate) place: Place,
    pub(crate) content: ContentId,
    pub(crate) account: u32,
}

impl NameRow {
    /// Whether the entry is gone at `now_ms`.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.expires_ms != 0 && self.expires_ms <= now_ms
    }
}

/// What the catalog knows of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRow {
    pub(crate) digest: Digest,
    pub(crate) len: u64,
    pub(crate) references: u32,
    /// Who shares it: an account's id, or [`STORE_SCOPE`].
    pub(crate) scope: u32,
    /// Where its blob or file record stands.
    pub(crate) place: Place,
}

/// A content's slot, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContentId(u32);

impl ContentId {
    fn new(shard: usize, slot: u32) -> ContentId {
        ContentId((shard as u32) << SLOT_BITS | slot)
    }

    fn shard(self) -> usize {
        (self.0 >> SLOT_BITS) as usize
    }

    fn slot(self) -> u32 {
        self.0 & ((1 << SLOT_BITS) - 1)
    }
}

impl Row for NameRow {
    fn hash(&self) -> u64 {
        name_hash(self.key)
    }
}

impl Row for ContentRow {
    fn hash(&self) -> u64 {
        content_hash(&self.digest, self.scope)
    }
}

fn name_hash(key: NameKey) -> u64 {
    key.0 as u64
}

fn name_shard(key: NameKey) -> usize {
    (key.0 >> 122) as usize
}

fn content_hash(digest: &Digest, scope: u32) -> u64 {
    let word = u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("8 of 32 bytes"));
    word ^ u64::from(scope).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn content_shard(digest: &Digest) -> usize {
    digest.as_bytes()[8] as usize % SHARDS
}

/// One change, as the log has it; applied in the log's order.
pub(crate) enum Change<'a> {
    /// A name gets an entry. `blob` is where its content was written, if it was.
    Put {
        key: NameKey,
        account: Arc<Account>,
        name: &'a str,
        sequence: u64,
        expires_ms: u64,
        place: Place,
        digest: Digest,
        size: u64,
        scope: u32,
        blob: Option<Place>,
    },
    /// A name's life ends.
    End { key: NameKey, account: Arc<Account>, name: &'a str, sequence: u64 },
    /// An account gets a policy.
    Policy { account: Arc<Account>, policy: Policy, sequence: u64, place: Place },
    /// Content was written that no name holds yet; the one reference is a pin.
    Pinned { digest: Digest, size: u64, scope: u32, blob: Place },
    /// A put that had pinned a content is over.
    Unpin { digest: Digest, scope: u32 },
}

/// What a change let go: dead once the change is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetGo {
    Entry(Place),
    Policy(Place),
    Blob { place: Place, digest: Digest, len: u64 },
}

/// Sums over the whole catalog.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) names: u64,
    pub(crate) contents: u64,
    pub(crate) content_bytes: u64,
    pub(crate) memory: u64,
}

/// Where every name and every content stands.
pub(crate) struct Catalog {
    names: Vec<RwLock<Table<NameRow>>>,
    contents: Vec<RwLock<Table<ContentRow>>>,
    pub(crate) accounts: Accounts,
    /// Guards what is alive in each segment.
    lives: Mutex<HashMap<u32, Live>>,
    /// Guards the contents that were found damaged: putting them again writes them again.
    suspects: Mutex<HashSet<Digest>>,
    /// Pins that were begun, counted before they count as references; and those that are over, counted after.
    pins_begun: AtomicU64,
    pins_over: AtomicU64,
    /// Guards what will expire of the segment that is written now; sealed ones say it in their footers.
    due: Mutex<Due>,
}

/// The puts of one segment that have an expiry, the next first.
#[derive(Default)]
struct Due {
    segment: u32,
    puts: BinaryHeap<Reverse<(u64, NameKey, u64)>>,
}

impl Catalog {
    pub(crate) fn new() -> Catalog {
        Catalog {
            names: (0..SHARDS).map(|_| RwLock::new(Table::new())).collect(),
            contents: (0..SHARDS).map(|_| RwLock::new(Table::new())).collect(),
            accounts: Accounts::default(),
            lives: Mutex::default(),
            suspects: Mutex::default(),
            due: Mutex::default(),
            pins_begun: AtomicU64::new(0),
            pins_over: AtomicU64::new(0),
        }
    }

    /// The row of a name, expired or not.
    pub(crate) fn name(&self, key: NameKey) -> Option<NameRow> {
        let table = self.names[name_shard(key)].read();
        table.find(name_hash(key), |row| row.key == key).and_then(|slot| table.get(slot).copied())
    }

    /// The rows of many names at once: for each its own, or none.
    pub(crate) fn names(&self, keys: &[NameKey]) -> Vec<Option<NameRow>> {
        let mut rows = vec![None; keys.len()];
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|place| name_shard(keys[*place]));
        // Under one lock the look-ups have no need of each other: the memory is asked for several at a time.
        for places in order.chunk_by(|one, other| name_shard(keys[*one]) == name_shard(keys[*other])) {
            let table = self.names[name_shard(keys[places[0]])].read();
            for &place in places {
                let key = keys[place];
                let slot = table.find(name_hash(key), |row| row.key == key);
                rows[place] = slot.and_then(|slot| table.get(slot).copied());
            }
        }
        rows
    }

    /// The row of a content by its slot; `None` of one that has gone since the slot was read. Another may
    /// have come in its place: the caller compares digests.
    pub(crate) fn content(&self, id: ContentId) -> Option<ContentRow> {
        self.contents[id.shard()].read().get(id.slot()).copied().filter(|row| row.references > 0)
    }

    /// The row of a content.
    pub(crate) fn content_of(&self, digest: &Digest, scope: u32) -> Option<ContentRow> {
        let table = self.contents[content_shard(digest)].read();
        let slot = table.find(content_hash(digest, scope), |row| row.digest == *digest && row.scope == scope);
        slot.and_then(|slot| table.get(slot).copied())
    }

    /// Keeps a content alive for a put that is under way, if it is alive: until [`Change::Unpin`].
    pub(crate) fn pin(&self, digest: &Digest, scope: u32) -> Option<ContentRow> {
        let mut table = self.contents[content_shard(digest)].write();
        let slot = table.find(content_hash(digest, scope), |row| row.digest == *digest && row.scope == scope)?;
        let row = table.get_mut(slot)?;
        self.pins_begun.fetch_add(1, Relaxed);
        row.references += 1;
        Some(*row)
    }

    /// Makes a group's changes visible, in the log's order; gives what they let go.
    /// 1. Contents get their references: no name shows one that is not there.
    /// 2. The names change, all at once: who sees one part of a batch finds all the others.
    /// 3. What was replaced is let go.
    pub(crate) fn apply(&self, changes: Vec<Change<'_>>) -> Vec<LetGo> {
        let mut let_go = Vec::new();
        let rows: Vec<_> = changes.iter().map(|change| self.row_of(change, &mut let_go)).collect();
        let replaced = self.change_names(&changes, &rows);
        for (change, old) in changes.into_iter().zip(replaced) {
            self.conclude(change, old, &mut let_go);
        }
        let_go
    }

    /// The row a name gets, its content referred to.
    fn row_of(&self, change: &Change<'_>, let_go: &mut Vec<LetGo>) -> Option<NameRow> {
        match *change {
            Change::Put { key, ref account, sequence, expires_ms, place, ref digest, size, scope, blob, .. } => {
                let content = self.refer(digest, size, scope, blob, let_go);
                self.come_alive(Alive::Entry(place));
                Some(NameRow { key, sequence, expires_ms, place, content, account: account.id })
            }
            Change::Pinned { ref digest, size, scope, blob } => {
                self.pins_begun.fetch_add(1, Relaxed);
                self.refer(digest, size, scope, Some(blob), let_go);
                None
            }
            Change::End { .. } | Change::Policy { .. } | Change::Unpin { .. } => None,
        }
    }

    /// Gives names their rows, or takes them away; gives the rows that stood there.
    fn change_names(&self, changes: &[Change<'_>], rows: &[Option<NameRow>]) -> Vec<Option<NameRow>> {
        let key_of = |change: &Change<'_>| match change {
            Change::Put { key, .. } | Change::End { key, .. } => Some(*key),
            _ => None,
        };
        let mut shards: Vec<usize> = changes.iter().filter_map(key_of).map(name_shard).collect();
        shards.sort_unstable();
        shards.dedup();
        // Nobody else holds two of them, and readers hold none while they wait.
        let mut tables: Vec<_> = shards.iter().map(|shard| self.names[*shard].write()).collect();
        let change_name = |(change, row): (&Change<'_>, &Option<NameRow>)| {
            let key = key_of(change)?;
            let table = &mut *tables[shards.binary_search(&name_shard(key)).expect("locked above")];
            match *row {
                Some(row) => set_name(table, row),
                None => remove_name(table, key),
            }
        };
        changes.iter().zip(rows).map(change_name).collect()
    }

    /// Does what a change has done beside names and contents, and lets go of what it replaced.
    fn conclude(&self, change: Change<'_>, old: Option<NameRow>, let_go: &mut Vec<LetGo>) {
        let old_size = old.map(|old| self.drop_entry(&old, let_go));
        match change {
            Change::Put { key, account, name, sequence, expires_ms, place, size, .. } => {
                // Its row comes first: the sweeper passes over what the catalog does not have.
                self.will_expire(place.segment, expires_ms, key, sequence);
                let mut state = account.state.lock();
                state.totals.take_out(key, old.map(|old| old.sequence), old_size);
                state.totals.count += 1;
                state.totals.bytes += size;
                state.totals.sum = state.totals.sum.wrapping_add(key.share(sequence));
                state.changed(key, name, Member { sequence, size: Some(size), expires_ms });
            }
            Change::End { key, account, name, sequence } => {
                let mut state = account.state.lock();
                state.totals.take_out(key, old.map(|old| old.sequence), old_size);
                state.changed(key, name, Member { sequence, size: None, expires_ms: 0 });
            }
            Change::Policy { account, policy, sequence, place } => {
                self.come_alive(Alive::Policy(place));
                let old = account.state.lock().policy.replace(PolicyRow { policy, sequence, place });
                let_go.extend(old.map(|old| LetGo::Policy(old.place)));
            }
            Change::Pinned { .. } => {}
            Change::Unpin { digest, scope } => {
                self.release_of(&digest, scope, let_go);
                self.pins_over.fetch_add(1, Relaxed);
            }
        }
    }

    /// Adds a reference to a content, which is made if it is not there; `blob` is where it was written
    /// anew, and becomes its place.
    fn refer(&self, digest: &Digest, len: u64, scope: u32, blob: Option<Place>, let_go: &mut Vec<LetGo>) -> ContentId {
        let shard = content_shard(digest);
        if let Some(place) = blob {
            self.come_alive(Alive::Blob { place, len });
        }
        let mut table = self.contents[shard].write();
        let found = table.find(content_hash(digest, scope), |row| row.digest == *digest && row.scope == scope);
        let slot = found.unwrap_or_else(|| {
            let place = blob.unwrap_or_default();
            table.insert(ContentRow { digest: *digest, len, references: 0, scope, place })
        });
        let row = table.get_mut(slot).expect("found or inserted");
        row.references += 1;
        if let Some(place) = blob.filter(|place| *place != row.place) {
            if row.place.segment != 0 {
                let_go.push(LetGo::Blob { place: row.place, digest: *digest, len });
            }
            row.place = place;
            self.suspects.lock().remove(digest);
        }
        ContentId::new(shard, slot)
    }

    /// Takes a reference away; the content goes with its last one. Gives its length.
    fn release(&self, id: ContentId, let_go: &mut Vec<LetGo>) -> u64 {
        let mut table = self.contents[id.shard()].write();
        let Some(row) = table.get_mut(id.slot()) else { return 0 };
        row.references -= 1;
        let row = *row;
        if row.references == 0 {
            table.remove(id.slot());
            if row.place.segment != 0 {
                let_go.push(LetGo::Blob { place: row.place, digest: row.digest, len: row.len });
            }
        }
        row.len
    }

    fn release_of(&self, digest: &Digest, scope: u32, let_go: &mut Vec<LetGo>) {
        let shard = content_shard(digest);
        let hash = content_hash(digest, scope);
        let slot = self.contents[shard].read().find(hash, |row| row.digest == *digest && row.scope == scope);
        if let Some(slot) = slot {
            self.release(ContentId::new(shard, slot), let_go);
        }
    }

    fn drop_entry(&self, old: &NameRow, let_go: &mut Vec<LetGo>) -> u64 {
        let_go.push(LetGo::Entry(old.place));
        self.release(old.content, let_go)
    }

    fn set_name(&self, row: NameRow) -> Option<NameRow> {
        set_name(&mut self.names[name_shard(row.key)].write(), row)
    }

    fn remove_name(&self, key: NameKey) -> Option<NameRow> {
        remove_name(&mut self.names[name_shard(key)].write(), key)
    }

    /// Remembers a put of the segment that is written now.
    pub(crate) fn will_expire(&self, segment: u32, expires_ms: u64, key: NameKey, sequence: u64) {
        if expires_ms != 0 {
            let mut due = self.due.lock();
            if due.segment != segment {
                *due = Due { segment, puts: BinaryHeap::new() };
            }
            due.puts.push(Reverse((expires_ms, key, sequence)));
        }
    }

    /// The next put of the segment that is written now whose time has come by `now_ms`; it is taken off.
    pub(crate) fn take_due(&self, now_ms: u64) -> Option<(u64, NameKey, u64)> {
        let mut due = self.due.lock();
        let next = due.puts.peek().is_some_and(|Reverse((expires_ms, ..))| *expires_ms <= now_ms);
        if next { due.puts.pop().map(|Reverse(put)| put) } else { None }
    }

    /// When the next put of the segment that is written now expires.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.lock().puts.peek().map(|Reverse((expires_ms, ..))| *expires_ms)
    }

    /// The segment whose puts are remembered here.
    pub(crate) fn due_segment(&self) -> u32 {
        self.due.lock().segment
    }

    /// Remembers that a content was found damaged.
    pub(crate) fn suspect(&self, digest: &Digest) {
        self.suspects.lock().insert(*digest);
    }

    /// Whether a content was found damaged and not written again since.
    pub(crate) fn is_suspect(&self, digest: &Digest) -> bool {
        self.suspects.lock().contains(digest)
    }

    /// The contents that were found damaged, are not written again since, and are still wanted.
    pub(crate) fn suspects(&self) -> Vec<Digest> {
        let mut suspects: Vec<_> = self.suspects.lock().iter().copied().collect();
        suspects.retain(|digest| !self.contents_of(digest).is_empty());
        suspects.sort_unstable();
        suspects
    }

    /// Calls `each` with every name's row, a shard at a time.
    pub(crate) fn for_each_name(&self, mut each: impl FnMut(&NameRow)) {
        (0..SHARDS).for_each(|shard| self.names_in(shard).iter().for_each(&mut each));
    }

    /// The rows of the names in a shard.
    pub(crate) fn names_in(&self, shard: usize) -> Vec<NameRow> {
        self.names[shard].read().iter().map(|(_, row)| *row).collect()
    }

    /// Calls `each` with every content's row, a shard at a time.
    pub(crate) fn for_each_content(&self, mut each: impl FnMut(ContentId, &ContentRow)) {
        (0..SHARDS).for_each(|shard| self.contents_in(shard).iter().for_each(|(id, row)| each(*id, row)));
    }

    /// The rows of the contents in a shard.
    pub(crate) fn contents_in(&self, shard: usize) -> Vec<(ContentId, ContentRow)> {
        self.contents[shard].read().iter().map(|(slot, row)| (ContentId::new(shard, slot), *row)).collect()
    }

    /// Bytes of the contents that have files of their own and whose records stand at a place or behind it.
    pub(crate) fn file_bytes_from(&self, segment: u32, offset: u64) -> u64 {
        let mut bytes = 0;
        self.for_each_content(|_, ContentRow { place, len, .. }| {
            let is_there = (place.segment, u64::from(place.offset)) >= (segment, offset);
            bytes += if place.is_file() && is_there { *len } else { 0 };
        });
        bytes
    }

    /// Where the records of all contents stand that have files of their own.
    pub(crate) fn file_places(&self) -> Vec<Place> {
        let of_shard = |shard: &RwLock<Table<ContentRow>>| -> Vec<Place> {
            shard.read().iter().map(|(_, row)| row.place).filter(|place| place.is_file()).collect()
        };
        self.contents.iter().flat_map(of_shard).collect()
    }

    /// The slots of a content, in every scope that has it.
    pub(crate) fn contents_of(&self, digest: &Digest) -> Vec<ContentId> {
        let shard = content_shard(digest);
        let table = self.contents[shard].read();
        let of = |(slot, row): (u32, &ContentRow)| (row.digest == *digest).then(|| ContentId::new(shard, slot));
        table.iter().filter_map(of).collect()
    }

    /// How many names there are.
    pub(crate) fn names_count(&self) -> u64 {
        self.names.iter().map(|shard| shard.read().len() as u64).sum()
    }

    /// Sums over all shards.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for shard in &self.names {
            let table = shard.read();
            sums.names += table.len() as u64;
            sums.memory += table.memory() as u64;
        }
        for shard in &self.contents {
            let table = shard.read();
            sums.contents += table.len() as u64;
            sums.content_bytes += table.iter().map(|(_, row)| row.len).sum::<u64>();
            sums.memory += table.memory() as u64;
        }
        sums
    }

    /// Counts references anew: every content's must be the number of its names, and of the puts under way that
    /// pinned it. Gives those for which they are not: digest, scope, names counted, references. While others
    /// write, some may be given that are right.
    pub(crate) fn miscounted(&self) -> Vec<(Digest, u32, u32, u32)> {
        let mut counted: Vec<Vec<u32>> = self.contents.iter().map(|table| vec![0; table.read().slots()]).collect();
        for shard in &self.names {
            for (_, NameRow { content, .. }) in shard.read().iter() {
                let counts = &mut counted[content.shard()];
                if counts.len() <= content.slot() as usize {
                    counts.resize(content.slot() as usize + 1, 0);
                }
                counts[content.slot() as usize] += 1;
            }
        }
        let mut wrong = Vec::new();
        for (table, counts) in self.contents.iter().zip(&counted) {
            for (slot, row) in table.read().iter() {
                let names = counts.get(slot as usize).copied().unwrap_or(0);
                if names != row.references {
                    wrong.push((row.digest, row.scope, names, row.references));
                }
            }
        }
        wrong
    }

    /// How many pins were begun, and how many of them are over.
    pub(crate) fn pins(&self) -> (u64, u64) {
        // Those that are over come first: none of them was begun after those that are counted as begun.
        let over = self.pins_over.load(Relaxed);
        (self.pins_begun.load(Relaxed), over)
    }
}

fn set_name(table: &mut Table<NameRow>, row: NameRow) -> Option<NameRow> {
    match table.find(name_hash(row.key), |known| known.key == row.key) {
        Some(slot) => table.get_mut(slot).map(|known| std::mem::replace(known, row)),
        None => {
            table.insert(row);
            None
        }
    }
}

fn remove_name(table: &mut Table<NameRow>, key: NameKey) -> Option<NameRow> {
    let slot = table.find(name_hash(key), |row| row.key == key)?;
    let row = table.get(slot).copied();
    table.remove(slot);
    row
}

impl accounts::Totals {
    fn take_out(&mut self, key: NameKey, sequence: Option<u64>, size: Option<u64>) {
        if let (Some(sequence), Some(size)) = (sequence, size) {
            self.count -= 1;
            self.bytes -= size;
            self.sum = self.sum.wrapping_sub(key.share(sequence));
        }
    }
}

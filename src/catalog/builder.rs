//! Building the catalog at open: rows of a checkpoint, rows of footers and records, in any order.
//!
//! For every name the highest sequence counts, whether it put or ended it, so ends are kept as rows
//! until all has been read; a content stands where the blob record of the highest sequence put it.
//! References and totals are counted at the end, from what is left.

use std::collections::{HashMap, HashSet};

use super::accounts::{PolicyRow, Totals};
use super::lives::{Alive, Live};
use super::parts::{shards_each, side_by_side};
use super::table::Table;
use super::{Catalog, ContentId, ContentRow, NameRow, Place, STORE_SCOPE, content_hash, content_shard, name_hash};
use crate::digest::{Digest, NameKey};
use crate::disk::locks::RwLock;
use crate::options::Policy;

/// A put that stands somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StandingPut {
    pub(crate) key: NameKey,
    pub(crate) sequence: u64,
    pub(crate) expires_ms: u64,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    pub(crate) place: Place,
}

/// The catalog while it is built.
pub(crate) struct Builder {
    catalog: Catalog,
    /// What is at or below this sequence is in the checkpoint already; such a record is a copy.
    floor: u64,
    store_wide: bool,
    segments: HashSet<u32>,
    ended: HashMap<NameKey, u64>,
    /// Of contents whose place was read from the log: the sequence of the blob record there.
    owners: HashMap<u32, u64>,
}

impl Builder {
    pub(crate) fn new(catalog: Catalog, floor: u64, store_wide: bool, segments: HashSet<u32>) -> Builder {
        Builder { catalog, floor, store_wide, segments, ended: HashMap::new(), owners: HashMap::new() }
    }

    /// Takes segments for gone whose files are still there: what stood in them stands elsewhere.
    pub(crate) fn forget_segments(&mut self, gone: &HashMap<u32, u64>) {
        self.segments.retain(|id| !gone.contains_key(id));
    }

    /// The row a name has so far.
    pub(crate) fn name(&self, key: NameKey) -> Option<NameRow> {
        self.catalog.name(key)
    }

    /// The sequence at which a name ended, if the log said so.
    pub(crate) fn ended(&self, key: NameKey) -> Option<u64> {
        self.ended.get(&key).copied()
    }

    pub(crate) fn put(&mut self, account: &str, put: &StandingPut) {
        if self.ended.get(&put.key).is_some_and(|ended| *ended >= put.sequence) {
            return;
        }
        if let Some(known) = self.catalog.name(put.key) {
            let moves = known.sequence == put.sequence && !self.segments.contains(&known.place.segment);
            if known.sequence > put.sequence || (known.sequence == put.sequence && !moves) {
                return;
            }
        } else if put.sequence <= self.floor {
            // It ended before the checkpoint, which has no row for it.
            return;
        }
        let account = self.catalog.accounts.intern(account).id;
        let content = self.content(&put.digest, put.size, if self.store_wide { STORE_SCOPE } else { account });
        let StandingPut { key, sequence, expires_ms, place, .. } = *put;
        self.catalog.set_name(NameRow { key, sequence, expires_ms, place, content, account });
    }

    pub(crate) fn end(&mut self, key: NameKey, sequence: u64) {
        let ended = self.ended.entry(key).or_default();
        *ended = (*ended).max(sequence);
        if self.catalog.name(key).is_some_and(|known| known.sequence < sequence) {
            self.catalog.remove_name(key);
        }
    }

    pub(crate) fn blob(&mut self, account: Option<&str>, digest: &Digest, len: u64, sequence: u64, place: Place) {
        let scope = account.map_or(STORE_SCOPE, |account| self.catalog.accounts.intern(account).id);
        let id = self.content(digest, len, scope);
        let known = self.catalog.contents[id.shard()].read().get(id.slot()).map(|row| row.place).unwrap_or_default();
        let owner = self.owners.get(&id.0).copied();
        let is_better = match owner {
            Some(owner) => owner <= sequence,
            None => sequence > self.floor || !self.segments.contains(&known.segment),
        };
        if is_better {
            self.owners.insert(id.0, sequence);
            if let Some(row) = self.catalog.contents[id.shard()].write().get_mut(id.slot()) {
                row.place = place;
            }
        }
    }

    pub(crate) fn policy(&mut self, account: &str, policy: Policy, sequence: u64, place: Place) {
        let account = self.catalog.accounts.intern(account);
        let mut state = account.state.lock();
        let lost = state.policy.is_some_and(|known| !self.segments.contains(&known.place.segment));
        if state.policy.is_none_or(|known| known.sequence < sequence || (lost && known.sequence == sequence)) {
            state.policy = Some(PolicyRow { policy, sequence, place });
        }
    }

    fn content(&mut self, digest: &Digest, len: u64, scope: u32) -> ContentId {
        let shard = content_shard(digest);
        let mut table = self.catalog.contents[shard].write();
        let found = table.find(content_hash(digest, scope), |row| row.digest == *digest && row.scope == scope);
        let row = ContentRow { digest: *digest, len, references: 0, scope, place: Place::default() };
        ContentId::new(shard, found.unwrap_or_else(|| table.insert(row)))
    }

    /// The catalog, its references and totals counted.
    pub(crate) fn finish(self) -> Catalog {
        let Builder { mut catalog, segments, .. } = self;
        let accounts = catalog.accounts.all();
        let (names, each) = (&catalog.names, shards_each(catalog.names_count() as usize));
        let parts: Vec<_> = catalog.contents.chunks_mut(each).enumerate().collect();
        let counted = side_by_side(parts, |(part, contents)| {
            let mut counts =
                Counts { lives: LiveCounts::new(&segments), totals: vec![Totals::default(); accounts.len()] };
            counts.count(names, contents, part * each);
            counts
        });
        let mut lives: HashMap<u32, Live> = HashMap::new();
        for Counts { lives: more, totals } in counted {
            more.0.into_iter().for_each(|(segment, live)| lives.entry(segment).or_default().add_all(live));
            accounts.iter().zip(totals).for_each(|(account, totals)| account.state.lock().totals.add(totals));
        }
        for policy in accounts.iter().filter_map(|account| account.state.lock().policy) {
            let alive = Alive::Policy(policy.place);
            lives.entry(alive.segment()).or_default().add(alive);
        }
        *catalog.lives.get_mut() = lives;
        catalog
    }
}

/// What is counted over the contents of a few shards, and the names that hold them.
struct Counts {
    lives: LiveCounts,
    /// By account.
    totals: Vec<Totals>,
}

impl Counts {
    /// Takes in the contents of the shards from `first` on; those that no name holds go.
    fn count(&mut self, names: &[RwLock<Table<NameRow>>], contents: &mut [RwLock<Table<ContentRow>>], first: usize) {
        let mut tables: Vec<_> = contents.iter_mut().map(RwLock::get_mut).collect();
        for shard in names {
            for (_, row) in shard.read().iter() {
                let id = row.content;
                let Some(table) = id.shard().checked_sub(first).and_then(|here| tables.get_mut(here)) else { continue };
                let mut size = 0;
                if let Some(content) = table.get_mut(id.slot()) {
                    content.references += 1;
                    size = content.len;
                }
                self.lives.count(Alive::Entry(row.place));
                let sum = row.key.share(row.sequence);
                self.totals[row.account as usize].add(Totals { count: 1, bytes: size, sum });
            }
        }
        for table in tables {
            table.retain(|_, row| {
                if row.references > 0 {
                    self.lives.count(Alive::Blob { place: row.place, len: row.len });
                }
                row.references > 0
            });
        }
    }
}

/// What is alive in each segment, by id: counted for every row there is, so without hashing.
struct LiveCounts(Vec<(u32, Live)>);

impl LiveCounts {
    fn new(segments: &HashSet<u32>) -> LiveCounts {
        let mut lives: Vec<_> = segments.iter().map(|id| (*id, Live::default())).collect();
        lives.sort_unstable_by_key(|(id, _)| *id);
        LiveCounts(lives)
    }

    /// A segment that is missing counts, too, as long as something should stand in it.
    fn count(&mut self, alive: Alive) {
        let segment = alive.segment();
        let place = self.0.binary_search_by_key(&segment, |(id, _)| *id).unwrap_or_else(|place| {
            self.0.insert(place, (segment, Live::default()));
            place
        });
        self.0[place].1.add(alive);
    }
}

/// Files a name's row of a checkpoint.
pub(super) fn load_name(table: &mut Table<NameRow>, row: NameRow) {
    if table.find(name_hash(row.key), |known| known.key == row.key).is_none() {
        table.insert(row);
    }
}

/// Files a content's row of a checkpoint; gives its slot.
pub(super) fn load_content(table: &mut Table<ContentRow>, row: ContentRow) -> u32 {
    let found = table.find(row_hash(&row), |known| known.digest == row.digest && known.scope == row.scope);
    found.unwrap_or_else(|| table.insert(row))
}

fn row_hash(row: &ContentRow) -> u64 {
    content_hash(&row.digest, row.scope)
}

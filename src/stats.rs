//! What can be counted: the statistics of a store and of its accounts, and its health.

use std::sync::atomic::Ordering::Relaxed;

use crate::digest::Digest;
use crate::disk::Access;
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::options::Policy;
use crate::recovery::{Damage, RecoveryReport};
use crate::telemetry;
use crate::upkeep::Activities;

/// What one account holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountStats {
    /// The account.
    pub account: String,
    /// Names.
    pub count: u64,
    /// Bytes of content of all names; shared content counts for each of its names.
    pub bytes: u64,
    /// Its policy, if it has one.
    pub policy: Option<Policy>,
}

/// What a store holds and has done.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Names of all accounts; expired ones until they are swept, normally within a second.
    pub names: u64,
    /// Accounts that hold names or have a policy.
    pub accounts: u64,
    /// Bytes of content of all names; shared content counts for each of its names.
    pub logical_bytes: u64,
    /// Distinct contents.
    pub contents: u64,
    /// Bytes of distinct contents.
    pub content_bytes: u64,
    /// Bytes of records that are needed, about.
    pub live_bytes: u64,
    /// Bytes of segments that are neither needed nor spare, about.
    pub dead_bytes: u64,
    /// Bytes of segments that wait to be written again.
    pub spare_bytes: u64,
    /// Bytes of all segments, spares and blob files; the segment included that compaction is writing, and those
    /// whose files are about to go.
    pub total_bytes: u64,
    /// Segments in the log.
    pub segments: u64,
    /// Segments that wait to be written again.
    pub spare_segments: u64,
    /// Contents that have files of their own.
    pub blob_files: u64,
    /// fdatasync calls on the log since open.
    pub syncs: u64,
    /// Groups of writes since open.
    pub groups: u64,
    /// Bytes written to the log since open, headers and padding included.
    pub log_bytes_written: u64,
    /// Bytes that compaction has written since open.
    pub compacted_bytes: u64,
    /// Requests to write since open.
    pub puts: u64,
    /// Puts since open whose content was there already.
    pub dedup_hits: u64,
    /// Bytes of memory the catalog takes.
    pub catalog_bytes: u64,
    /// Bytes of the catalog's checkpoint.
    pub catalog_checkpoint_bytes: u64,
    /// The last sequence number that the checkpoint covers.
    pub catalog_checkpoint_sequence: u64,
    /// Bytes of the log since then: what an open after a crash would read.
    pub catalog_behind_bytes: u64,
    /// Bytes of the index's files.
    pub index_bytes: u64,
    /// Bytes of the log that the index has not followed yet; `None` while it is worked on.
    pub index_behind_bytes: Option<u64>,
    /// The last sequence number that is durable: no event has a higher one.
    pub last_sequence: u64,
    /// The highest sequence number of which a record may have left the log; see [`crate::Store::events`].
    pub events_floor: u64,
}

impl Stats {
    /// How many bytes of content are kept for each byte that is stored; 1 when nothing is.
    #[allow(clippy::cast_precision_loss)] // A ratio, for people.
    pub fn dedup_ratio(&self) -> f64 {
        if self.content_bytes == 0 { 1.0 } else { self.logical_bytes as f64 / self.content_bytes as f64 }
    }
}

/// How the index does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexState {
    /// It follows the log.
    Current,
    /// Its rows are to be built anew; the next listing does it.
    Stale {
        /// Why.
        reason: String,
    },
    /// Its rows are kept in memory for this process.
    InMemory {
        /// Why.
        reason: String,
    },
}

/// How a store does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Why nothing can be written any more, if so. Reads go on; open the store again.
    pub poisoned: Option<String>,
    /// How the index does.
    pub index: IndexState,
    /// What went wrong behind the scenes last.
    pub trouble: Option<String>,
    /// Damage that was found when the store was opened, and since: by compaction, and by verifications that did not
    /// repair it.
    pub damage: Vec<Damage>,
    /// Contents that were found damaged when they were read since, and not put again.
    pub damaged_contents: Vec<Digest>,
    /// By how much what was deleted is late to be erased, and why, as a sentence; `None`: nothing is, or no time was
    /// set by [`crate::StoreOptions::erase_within`].
    pub erasure_overdue: Option<String>,
    /// What opening the store found and did.
    pub recovery: RecoveryReport,
    /// What upkeep did last.
    pub last: Activities,
}

pub(crate) fn account(engine: &Engine, name: &str) -> AccountStats {
    let state = engine.catalog.accounts.find(name).map(|account| {
        let state = account.state.lock();
        (state.totals, state.policy.map(|row| row.policy))
    });
    let (totals, policy) = state.unwrap_or_default();
    AccountStats { account: name.to_owned(), count: totals.count, bytes: totals.bytes, policy }
}

pub(crate) fn accounts(engine: &Engine) -> Vec<AccountStats> {
    let all = engine.catalog.accounts.all();
    let mut all: Vec<_> = all.iter().map(|known| account(engine, &known.name)).collect();
    all.retain(|stats| stats.count > 0 || stats.policy.is_some());
    all.sort_by(|a, b| a.account.cmp(&b.account));
    all
}

pub(crate) fn store(engine: &Engine) -> Stats {
    let sums = engine.catalog.sums();
    let accounts = accounts(engine);
    let (segments, beside) = engine.log.present();
    let (spare_segments, spare_bytes) = engine.log.spares();
    let segment_bytes: u64 = segments.iter().map(|segment| segment.len()).sum();
    let live: u64 = segments.iter().map(|segment| engine.catalog.live(segment.id()).bytes).sum();
    let files = engine.files.list().unwrap_or_default();
    let file_bytes: u64 = files.iter().map(|(_, len)| len).sum();
    let counters = &engine.log.counters;
    let (catalog_checkpoint_sequence, catalog_behind_bytes) = engine.upkeep.checkpointed();
    let stats = Stats {
        names: sums.names,
        accounts: accounts.len() as u64,
        logical_bytes: accounts.iter().map(|account| account.bytes).sum(),
        contents: sums.contents,
        content_bytes: sums.content_bytes,
        live_bytes: live + file_bytes,
        dead_bytes: segment_bytes.saturating_sub(live),
        spare_bytes,
        total_bytes: segment_bytes + beside + spare_bytes + file_bytes,
        segments: segments.len() as u64,
        spare_segments,
        blob_files: files.len() as u64,
        syncs: counters.syncs.load(Relaxed),
        groups: counters.groups.load(Relaxed),
        log_bytes_written: counters.bytes_written.load(Relaxed),
        compacted_bytes: counters.bytes_compacted.load(Relaxed),
        puts: engine.commit.puts.load(Relaxed),
        dedup_hits: engine.commit.dedup_hits.load(Relaxed),
        catalog_bytes: sums.memory,
        catalog_checkpoint_bytes: checkpoint_len(engine),
        catalog_checkpoint_sequence,
        catalog_behind_bytes,
        index_bytes: engine.index.bytes_on_disk(),
        index_behind_bytes: engine.upkeep.index_behind(),
        last_sequence: engine.commit.durable_up_to().1,
        events_floor: engine.log.dropped_up_to(),
    };
    tell(&stats);
    stats
}

/// 0 when there is none.
fn checkpoint_len(engine: &Engine) -> u64 {
    let file = engine.options.disk.open(&engine.home.catalog(), Access::Read);
    file.and_then(|file| file.facts()).map_or(0, |facts| facts.len)
}

fn tell(stats: &Stats) {
    telemetry::gauges([
        stats.names,
        stats.accounts,
        stats.logical_bytes,
        stats.content_bytes,
        stats.live_bytes,
        stats.dead_bytes,
        stats.spare_bytes,
        stats.total_bytes,
        stats.segments,
        stats.blob_files,
        stats.catalog_bytes,
        stats.index_bytes,
    ]);
}

pub(crate) fn health(engine: &Engine) -> Health {
    let (mut damage, recovery) = (engine.damage.clone(), engine.report.clone());
    if let Some(forked) = engine.check().err().filter(|error| error.kind() == ErrorKind::Forked) {
        // A thread that is not in this child may have held any of the locks.
        let poisoned = Some(forked.to_string());
        let index = IndexState::Stale { reason: forked.to_string() };
        return Health {
            poisoned,
            index,
            trouble: None,
            damage,
            damaged_contents: Vec::new(),
            erasure_overdue: None,
            recovery,
            last: Activities::default(),
        };
    }
    damage.extend(engine.upkeep.damage());
    damage.extend(engine.upkeep.damage_seen());
    let rows = engine.index.state();
    let index = match (rows.in_memory, rows.broken.or_else(|| engine.upkeep.index_trouble())) {
        (Some(reason), _) => IndexState::InMemory { reason },
        (None, Some(reason)) => IndexState::Stale { reason },
        (None, None) => IndexState::Current,
    };
    Health {
        poisoned: engine.commit.poison().map(ToString::to_string),
        index,
        trouble: engine.upkeep.trouble(),
        damage,
        damaged_contents: engine.catalog.suspects(),
        erasure_overdue: engine.upkeep.erasure_overdue(),
        recovery,
        last: engine.upkeep.activities(),
    }
}

//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use super::invalid;
use crate::clock::Clock;
use crate::disk::{Disk, files::RealDisk};
use crate::error::Result;
use crate::limits::{ERASE_WITHIN_MS_MIN, SEGMENT_LEN_MAX, SEGMENT_LEN_MIN};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// After fdatasync: it survives the power cut. The default.
    #[default]
    Sync,
    /// After the write: it survives the death of this process, not of the machine. The store syncs
    /// behind, at [`StoreOptions::os_sync_interval`], or at [`crate::Store::sync`].
    Os,
}

/// How much of the content is checked against its CRCs when it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Every chunk of 64 KiB that a read touches, at every read. The default.
    #[default]
    Always,
    /// Every chunk, the first time it is touched since the store was opened.
    Once,
    /// None; for callers that check the digest themselves.
    Never,
}

/// Among whose names equal content is stored once. Fixed when the store is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dedup {
    /// Within each account. The default.
    #[default]
    Account,
    /// Across the whole store. One tenant can then learn by timing what another one has.
    Store,
}

/// Whether opening may create the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Create {
    /// A missing or empty directory becomes a store. The default.
    #[default]
    IfMissing,
    /// A missing store is an error.
    Never,
}

/// Who does the upkeep: sweeping, compaction, checkpoints, preparing segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Upkeep {
    /// A thread of the store's. The default.
    #[default]
    Background,
    /// The caller, by [`crate::Store::sweep`], [`crate::Store::compact`] and [`crate::Store::sync`].
    ByHand,
}

/// How a store is opened; made by [`crate::Store::options`].
#[derive(Clone)]
pub struct StoreOptions {
    pub(crate) create: Create,
    pub(crate) dedup: Dedup,
    pub(crate) durability: Durability,
    pub(crate) verify: Verify,
    pub(crate) upkeep: Upkeep,
    pub(crate) os_sync_interval: Duration,
    pub(crate) file_threshold: u64,
    pub(crate) segment_len: Option<u64>,
    pub(crate) index_cache_bytes: u64,
    pub(crate) space_amplification: f64,
    pub(crate) events_keep: Duration,
    pub(crate) erase_within: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) disk: Arc<dyn Disk>,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            create: Create::default(),
            dedup: Dedup::default(),
            durability: Durability::default(),
            verify: Verify::default(),
            upkeep: Upkeep::default(),
            os_sync_interval: Duration::from_millis(100),
            file_threshold: 4 << 20,
            segment_len: None,
            index_cache_bytes: 64 << 20,
            space_amplification: 1.3,
            events_keep: Duration::from_hours(1),
            erase_within: None,
            clock: Clock::system(),
            disk: Arc::new(RealDisk),
        }
    }
}

impl StoreOptions {
    /// Whether a missing store is created. Default: it is.
    #[must_use]
    pub fn create(mut self, create: Create) -> StoreOptions {
        self.create = create;
        self
    }

    /// Among whose names content is shared; only a new store takes it, an old one keeps its own.
    #[must_use]
    pub fn dedup(mut self, dedup: Dedup) -> StoreOptions {
        self.dedup = dedup;
        self
    }

    /// When writes that do not say otherwise are acknowledged.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> StoreOptions {
        self.durability = durability;
        self
    }

    /// How much of the content reads check. Default: [`Verify::Always`].
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> StoreOptions {
        self.verify = verify;
        self
    }

    /// Who does the upkeep. Default: a thread of the store's.
    #[must_use]
    pub fn upkeep(mut self, upkeep: Upkeep) -> StoreOptions {
        self.upkeep = upkeep;
        self
    }

    /// How long a [`Durability::Os`] write may stay unsynced. Default 100 ms.
    #[must_use]
    pub fn os_sync_interval(mut self, interval: Duration) -> StoreOptions {
        self.os_sync_interval = interval;
        self
    }

    /// Content of this many bytes or more is kept as a file of its own. Default 4 MiB; at most a
    /// quarter of a segment.
    #[must_use]
    pub fn file_threshold(mut self, bytes: u64) -> StoreOptions {
        self.file_threshold = bytes;
        self
    }

    /// Bytes of every segment, from 64 KiB to 1 GiB, in whole pages of 4 KiB. Default: 8 MiB while the
    /// store is under 256 MiB, 32 MiB while it is under 2 GiB, then 128 MiB.
    #[must_use]
    pub fn segment_len(mut self, bytes: u64) -> StoreOptions {
        self.segment_len = Some(bytes);
        self
    }

    /// Bytes sled may cache of the index; it takes about twice that. Default 64 MiB.
    #[must_use]
    pub fn index_cache_bytes(mut self, bytes: u64) -> StoreOptions {
        self.index_cache_bytes = bytes;
        self
    }

    /// How many bytes the segments may take for each byte of them that is needed, at least 1.05. Default 1.3. The
    /// bound under steady overwriting, with background upkeep, is
    ///
    /// ```text
    /// segments <= space_amplification * Stats::live_bytes + margin
    /// ```
    ///
    /// where the margin is two segments of [`StoreOptions::segment_len`]; by default 16 MiB while the store is under
    /// 256 MiB, and 256 MiB else. Counted are the segments in whole: complete ones, the one that is written, from its
    /// first byte on, and the one that compaction gathers into while what it was gathered from is still there. Before
    /// the bound is reached compaction gathers what is needed and frees the rest, and who writes faster waits for it,
    /// at most 90 ms each time; it rewrites the more, the closer this is to 1. Deleting lowers the bound at once, and
    /// the segments follow. Not counted are spares, no more than 4 or a sixteenth of the segments, and the files that
    /// held blobs keep. Segments in which what is needed is damaged stay, whatever the bound.
    #[must_use]
    pub fn space_amplification(mut self, times: f64) -> StoreOptions {
        self.space_amplification = times;
        self
    }

    /// For how long what happened is kept to be told of, when there is the room: compaction takes segments that
    /// are older than this first. Default: an hour.
    #[must_use]
    pub fn events_keep(mut self, at_least: Duration) -> StoreOptions {
        self.events_keep = at_least;
        self
    }

    /// What was deleted, overwritten or has expired is in no file of the store when this long has passed: neither its
    /// bytes nor its name, metadata or other facts. At least a minute: each time, everything that shares a segment
    /// with it is written anew, and so is the index. Default: it is gone for readers at once, and from the disk when
    /// its room is needed.
    ///
    /// The background begins when half of the time has passed, and before that does nothing more than without this;
    /// [`crate::Health::erasure_overdue`] tells when the deadline could not be kept, and [`crate::Activities::erasure`]
    /// what was done last. With [`Upkeep::ByHand`], [`crate::Store::sweep`] erases what is due and is to be called
    /// at least every half of the time; [`crate::Store::compact`] erases at once what was deleted by then. What an
    /// earlier process has left counts from when the last erasure began that the store knows of; where it knows of
    /// none, it is due at once.
    ///
    /// No segment is written over any more, so each one is allocated anew. What repair has set aside in
    /// `quarantine/` goes, too, when it has been there for half of the time. Left are: names of accounts; the digest
    /// of what an entry replaced, within that entry; copies outside of the store's directory; and what the disk
    /// itself keeps of blocks that were freed. Where something that is needed is damaged, the segment it
    /// stands in stays until the content is put again or repair has set it aside ([`crate::Store::verify`]).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let options = mediacask::Store::options().upkeep(mediacask::Upkeep::ByHand);
    /// use std::time::Duration;
    /// let store = options.erase_within(Duration::from_secs(24 * 3600)).open(dir.path())?;
    /// let media = store.account("5500001")?;
    /// media.put("passport.png", b"\x89PNG", &Default::default())?;
    /// media.delete("passport.png", &Default::default())?;
    /// store.compact()?; // by hand: at once
    /// assert!(store.health().last.erasure.is_some());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    #[must_use]
    pub fn erase_within(mut self, at_most: Duration) -> StoreOptions {
        self.erase_within = Some(at_most);
        self
    }

    /// Where the store reads the time. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> StoreOptions {
        self.clock = clock;
        self
    }

    /// The machine underneath; tests put one there that fails.
    #[doc(hidden)]
    #[must_use]
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> StoreOptions {
        self.disk = disk;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let smallest = self.segment_len.unwrap_or(8 << 20);
        if !smallest.is_multiple_of(4096) || !(SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&smallest) {
            return Err(invalid(format!(
                "a segment of {smallest} bytes was asked for; it takes whole pages of 4096 bytes, \
                 {SEGMENT_LEN_MIN} to {SEGMENT_LEN_MAX} in all"
            )));
        }
        if self.file_threshold == 0 || (self.file_threshold > smallest / 4 && self.segment_len.is_some()) {
            return Err(invalid(format!(
                "a file threshold of {} bytes was asked for; it is 1 to a quarter of a segment, here {}",
                self.file_threshold,
                smallest / 4
            )));
        }
        if self.file_threshold > 4 << 20 && self.segment_len.is_none() {
            return Err(invalid(format!(
                "a file threshold of {} bytes was asked for; beyond 4 MiB the segments must be set larger, too",
                self.file_threshold
            )));
        }
        let shortest = Duration::from_millis(ERASE_WITHIN_MS_MIN);
        if let Some(within) = self.erase_within.filter(|within| *within < shortest) {
            return Err(invalid(format!(
                "what is deleted was to be erased within {within:?}; it takes {shortest:?} at least, since each \
                 time the index and what shares a segment with it are written anew"
            )));
        }
        if !(1.05..=100.0).contains(&self.space_amplification) {
            return Err(invalid(format!(
                "a space amplification of {} was asked for; it is 1.05 to 100 times what is needed",
                self.space_amplification
            )));
        }
        Ok(())
    }
}

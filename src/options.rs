//! What callers can ask for: the options of a store, of a put, of an update and of a listing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::digest::Digest;
use crate::disk::{Disk, files::RealDisk};
use crate::entry::{Facts, ms_of};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{PREFIX_LIMIT_COUNT_MAX, SEGMENT_LEN_MAX, SEGMENT_LEN_MIN, TTL_MS_MAX};

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

/// Who does the upkeep: sweeping, checkpoints, preparing segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Upkeep {
    /// A thread of the store's. The default.
    #[default]
    Background,
    /// The caller, by [`crate::Store::sweep`] and [`crate::Store::sync`].
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
    /// store is under 256 MiB, then 128 MiB.
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
        Ok(())
    }
}

/// Until when an entry lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As the account's policy says; without one, for ever.
    #[default]
    Policy,
    /// For ever; refused where the account's policy has a longest time to live.
    Never,
    /// For this long after the write, in whole milliseconds, at least one.
    After(Duration),
    /// Until this instant, in whole milliseconds.
    At(SystemTime),
}

impl Expiry {
    /// The instant in Unix milliseconds (0: never) for a write at `now_ms` under `policy`.
    pub(crate) fn instant(self, now_ms: u64, policy: &Policy) -> Result<u64> {
        let longest = policy.longest_ttl.map(ms_of_duration);
        let ttl_ms = match self {
            Expiry::Policy => match policy.default_ttl.map(ms_of_duration).or(longest) {
                Some(ttl_ms) => longest.map_or(ttl_ms, |longest| ttl_ms.min(longest)),
                None => return Ok(0),
            },
            Expiry::Never if longest.is_none() => return Ok(0),
            Expiry::Never => {
                return Err(invalid(
                    "the account's policy has a longest time to live; an entry cannot be kept for ever",
                ));
            }
            Expiry::After(ttl) => ms_of_duration(ttl),
            Expiry::At(time) => ms_of(time).saturating_sub(now_ms),
        };
        if ttl_ms == 0 {
            return Err(invalid("the time to live is under a millisecond, or the instant is past"));
        }
        if ttl_ms > TTL_MS_MAX {
            return Err(invalid(format!(
                "a time to live of {ttl_ms} ms is beyond a hundred years; keep it without one"
            )));
        }
        if let Some(longest) = longest.filter(|longest| ttl_ms > *longest) {
            return Err(invalid(format!(
                "a time to live of {ttl_ms} ms is beyond the account's longest, {longest} ms"
            )));
        }
        Ok(now_ms.saturating_add(ttl_ms))
    }
}

fn ms_of_duration(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What must hold of the name for a write to happen; all that is set must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) absent: bool,
    pub(crate) digest: Option<Digest>,
    pub(crate) generation: Option<u64>,
}

/// How many names, of how many bytes together, may live under a prefix: e.g. 10 media and 5 MB for
/// the parts of one message. A put that would go beyond either is refused with
/// [`ErrorKind::QuotaExceeded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixLimit {
    /// What the counted names begin with; the put's own name must begin with it, too.
    pub prefix: String,
    /// Most names, up to 1000.
    pub count: u64,
    /// Most bytes of content of all of them.
    pub bytes: u64,
}

/// Digests the caller has of the content, all checked before anything is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected {
    pub(crate) digest: Option<Digest>,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) sha256: Option<[u8; 32]>,
}

/// The options of a put.
///
/// ```
/// use mediacask::PutOptions;
/// use std::time::Duration;
///
/// let options = PutOptions::new()
///     .content_type("image/png")
///     .ttl(Duration::from_secs(48 * 3600))
///     .metadata("campaign", "spring")
///     .if_absent();
/// ```
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    pub(crate) facts: Facts,
    pub(crate) expiry: Expiry,
    pub(crate) conditions: Conditions,
    pub(crate) expected: Expected,
    pub(crate) durability: Option<Durability>,
    pub(crate) prefix_limit: Option<PrefixLimit>,
}

impl PutOptions {
    /// No facts, the account's own lifetime, no conditions, the store's own durability.
    pub fn new() -> PutOptions {
        PutOptions::default()
    }

    /// The media type to serve it with.
    #[must_use]
    pub fn content_type(mut self, value: impl Into<String>) -> PutOptions {
        self.facts.content_type = Some(value.into());
        self
    }

    /// The `Cache-Control` to serve it with.
    #[must_use]
    pub fn cache_control(mut self, value: impl Into<String>) -> PutOptions {
        self.facts.cache_control = Some(value.into());
        self
    }

    /// The `Content-Disposition` to serve it with.
    #[must_use]
    pub fn content_disposition(mut self, value: impl Into<String>) -> PutOptions {
        self.facts.content_disposition = Some(value.into());
        self
    }

    /// Adds a pair of the caller's own, or replaces the one of that key.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> PutOptions {
        self.facts.metadata.insert(key.into(), value.into());
        self
    }

    /// Gone this long after the write.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> PutOptions {
        self.expiry(Expiry::After(ttl))
    }

    /// Gone from this instant on.
    #[must_use]
    pub fn expires_at(self, instant: SystemTime) -> PutOptions {
        self.expiry(Expiry::At(instant))
    }

    /// Until when the entry lives. Default: as the account's policy says.
    #[must_use]
    pub fn expiry(mut self, expiry: Expiry) -> PutOptions {
        self.expiry = expiry;
        self
    }

    /// Only if the name is free; else [`ErrorKind::PreconditionFailed`].
    #[must_use]
    pub fn if_absent(mut self) -> PutOptions {
        self.conditions.absent = true;
        self
    }

    /// Only if the name holds this content.
    #[must_use]
    pub fn if_match(mut self, digest: Digest) -> PutOptions {
        self.conditions.digest = Some(digest);
        self
    }

    /// Only if the name's entry is this very one.
    #[must_use]
    pub fn if_generation(mut self, generation: u64) -> PutOptions {
        self.conditions.generation = Some(generation);
        self
    }

    /// Only if the content has this BLAKE3 digest; else [`ErrorKind::DigestMismatch`].
    #[must_use]
    pub fn expect_digest(mut self, digest: Digest) -> PutOptions {
        self.expected.digest = Some(digest);
        self
    }

    /// Only if the content has this MD5 (RFC 1321).
    #[must_use]
    pub fn expect_md5(mut self, md5: [u8; 16]) -> PutOptions {
        self.expected.md5 = Some(md5);
        self
    }

    /// Only if the content has this SHA-256 (FIPS 180-4).
    #[must_use]
    pub fn expect_sha256(mut self, sha256: [u8; 32]) -> PutOptions {
        self.expected.sha256 = Some(sha256);
        self
    }

    /// When this put is acknowledged.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> PutOptions {
        self.durability = Some(durability);
        self
    }

    /// Refuse the put when the names under a prefix would become too many or too large.
    #[must_use]
    pub fn prefix_limit(mut self, limit: PrefixLimit) -> PutOptions {
        self.prefix_limit = Some(limit);
        self
    }

    pub(crate) fn check(&self, name: &str) -> Result<()> {
        self.facts.check()?;
        let Some(limit) = &self.prefix_limit else { return Ok(()) };
        if !name.starts_with(&limit.prefix) {
            return Err(invalid("the name does not begin with the prefix that limits it"));
        }
        if limit.count > PREFIX_LIMIT_COUNT_MAX {
            return Err(invalid(format!(
                "a prefix limit counts up to {PREFIX_LIMIT_COUNT_MAX} names, not {}",
                limit.count
            )));
        }
        Ok(())
    }
}

/// What an update changes of an entry; what is not named stays as it is. The content is never touched.
#[derive(Clone, Debug, Default)]
#[allow(clippy::option_option)] // The outer one: whether to change it; the inner one: to what.
pub struct UpdateOptions {
    pub(crate) content_type: Option<Option<String>>,
    pub(crate) cache_control: Option<Option<String>>,
    pub(crate) content_disposition: Option<Option<String>>,
    pub(crate) set: Vec<(String, String)>,
    pub(crate) unset: Vec<String>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) conditions: Conditions,
    pub(crate) durability: Option<Durability>,
}

impl UpdateOptions {
    /// Changes nothing but `updated_at` and `generation`.
    pub fn new() -> UpdateOptions {
        UpdateOptions::default()
    }

    /// Sets the media type, or takes it away.
    #[must_use]
    pub fn content_type(mut self, value: Option<String>) -> UpdateOptions {
        self.content_type = Some(value);
        self
    }

    /// Sets the `Cache-Control`, or takes it away.
    #[must_use]
    pub fn cache_control(mut self, value: Option<String>) -> UpdateOptions {
        self.cache_control = Some(value);
        self
    }

    /// Sets the `Content-Disposition`, or takes it away.
    #[must_use]
    pub fn content_disposition(mut self, value: Option<String>) -> UpdateOptions {
        self.content_disposition = Some(value);
        self
    }

    /// Sets a pair of the caller's own.
    #[must_use]
    pub fn set_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> UpdateOptions {
        self.set.push((key.into(), value.into()));
        self
    }

    /// Takes a pair of the caller's own away.
    #[must_use]
    pub fn unset_metadata(mut self, key: impl Into<String>) -> UpdateOptions {
        self.unset.push(key.into());
        self
    }

    /// Sets the end of its life: [`Expiry::Policy`] restarts the account's default, [`Expiry::Never`]
    /// keeps it, the others lengthen or shorten.
    #[must_use]
    pub fn expiry(mut self, expiry: Expiry) -> UpdateOptions {
        self.expiry = Some(expiry);
        self
    }

    /// Only if the name holds this content.
    #[must_use]
    pub fn if_match(mut self, digest: Digest) -> UpdateOptions {
        self.conditions.digest = Some(digest);
        self
    }

    /// Only if the name's entry is this very one.
    #[must_use]
    pub fn if_generation(mut self, generation: u64) -> UpdateOptions {
        self.conditions.generation = Some(generation);
        self
    }

    /// When this update is acknowledged.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> UpdateOptions {
        self.durability = Some(durability);
        self
    }
}

/// The options of a delete.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteOptions {
    pub(crate) conditions: Conditions,
    pub(crate) durability: Option<Durability>,
}

impl DeleteOptions {
    /// Unconditional, with the store's own durability.
    pub fn new() -> DeleteOptions {
        DeleteOptions::default()
    }

    /// Only if the name holds this content; else [`ErrorKind::PreconditionFailed`].
    #[must_use]
    pub fn if_match(mut self, digest: Digest) -> DeleteOptions {
        self.conditions.digest = Some(digest);
        self
    }

    /// Only if the name's entry is this very one.
    #[must_use]
    pub fn if_generation(mut self, generation: u64) -> DeleteOptions {
        self.conditions.generation = Some(generation);
        self
    }

    /// When this delete is acknowledged.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> DeleteOptions {
        self.durability = Some(durability);
        self
    }
}

/// Which names a listing shows.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) created_from: Option<SystemTime>,
    pub(crate) created_to: Option<SystemTime>,
    pub(crate) limit: Option<usize>,
    pub(crate) token: Option<String>,
}

impl ListOptions {
    /// Every name of the account, in pages of 1000.
    pub fn new() -> ListOptions {
        ListOptions::default()
    }

    /// Only names that begin with this.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> ListOptions {
        self.prefix = prefix.into();
        self
    }

    /// Names that hold this text after the prefix are rolled up into one common prefix each, which
    /// ends with it.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> ListOptions {
        self.delimiter = Some(delimiter.into());
        self
    }

    /// Only entries created at or after this instant. A scan: every name under the prefix is read.
    #[must_use]
    pub fn created_from(mut self, instant: SystemTime) -> ListOptions {
        self.created_from = Some(instant);
        self
    }

    /// Only entries created before this instant. A scan: every name under the prefix is read.
    #[must_use]
    pub fn created_to(mut self, instant: SystemTime) -> ListOptions {
        self.created_to = Some(instant);
        self
    }

    /// Most entries and prefixes on a page, 1 to 1000. Default 1000.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> ListOptions {
        self.limit = Some(limit);
        self
    }

    /// Where to go on: the `next_token` of the page before, or nothing for the first page.
    #[must_use]
    pub fn token(mut self, token: Option<String>) -> ListOptions {
        self.token = token;
        self
    }
}

/// What holds for all puts of an account. What is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How long an entry lives that was put without saying so. Whole milliseconds.
    pub default_ttl: Option<Duration>,
    /// The longest time to live a put may ask for. Whole milliseconds.
    pub longest_ttl: Option<Duration>,
    /// The largest blob, in bytes.
    pub largest_blob: Option<u64>,
    /// Most bytes of content of all names together; shared content counts for each of its names.
    pub quota_bytes: Option<u64>,
    /// Most names.
    pub quota_count: Option<u64>,
}

impl Policy {
    pub(crate) fn check(&self) -> Result<()> {
        for ttl in [self.default_ttl, self.longest_ttl].into_iter().flatten() {
            if !(1..=TTL_MS_MAX).contains(&ms_of_duration(ttl)) {
                return Err(invalid(format!("a policy's time to live is 1 ms to a hundred years, not {ttl:?}")));
            }
        }
        if let (Some(default), Some(longest)) = (self.default_ttl, self.longest_ttl)
            && default > longest
        {
            return Err(invalid("the policy's default time to live is longer than its longest"));
        }
        Ok(())
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOption, message)
}

//! What a put, an update and a delete are asked to do, and on what conditions.

use std::time::{Duration, SystemTime};

use super::invalid;
use super::policy::Expiry;
use super::store::Durability;
use crate::digest::Digest;
use crate::entry::Facts;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::limits::PREFIX_LIMIT_COUNT_MAX;

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

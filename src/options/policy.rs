//! What holds for an account, and until when an entry lives.

use std::time::{Duration, SystemTime};

use super::invalid;
use crate::entry::ms_of;
use crate::error::Result;
use crate::limits::TTL_MS_MAX;

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

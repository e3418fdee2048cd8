//! The table `[limits]`: how much of everything, each figure within what can be kept.
//!
//! What the store would refuse with every request, or what no clock can count to, is refused here, with its line.

use std::ops::RangeInclusive;
use std::time::Duration;

use mediacask::limits::{BLOB_LEN_MAX, GRANT_TTL_MS_MAX, PREFIX_LIMIT_COUNT_MAX, TTL_MS_MAX};
use serde::Deserialize;
use toml::Spanned;

use super::file::Reading;
use super::{ConfigError, Limits};

/// Longest time that anything is waited for: a year.
pub(super) const PATIENCE_SECS_MAX: u64 = 366 * 24 * 3600;

/// Largest head of a request that can be asked for, and the least that HTTP's library works with.
const HEADER_BYTES: RangeInclusive<u64> = 8192..=16 << 20;

/// Most connections that can be asked for: beyond what the system has descriptors for.
const CONNECTIONS_MAX: u64 = 1 << 20;

/// A number as it stands in the file.
pub(super) type Number = Option<Spanned<u64>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    bandwidth_bytes: Number,
    bandwidth_ttl_secs: Number,
    twilio_media: Number,
    twilio_bytes: Number,
    twilio_link_secs: Number,
    messagebird_bytes: Number,
    native_bytes: Number,
    native_batch_bytes: Number,
    header_bytes: Number,
    connections: Number,
    header_secs: Number,
    stall_secs: Number,
    body_secs: Number,
    shutdown_secs: Number,
}

impl LimitsTable {
    pub(super) fn read(self, reading: &Reading<'_>) -> Result<Limits, ConfigError> {
        let number = |field, given, within, default| reading.number(field, given, within, default);
        let bytes = |field, given, default| number(field, given, 0..=BLOB_LEN_MAX, default);
        let secs = |field, given, within, default| number(field, given, within, default).map(Duration::from_secs);
        let wait = |field, given, default| secs(field, given, 1..=PATIENCE_SECS_MAX, default);
        Ok(Limits {
            bandwidth_bytes: bytes("bandwidth_bytes", self.bandwidth_bytes, 3_932_160)?,
            bandwidth_ttl: secs("bandwidth_ttl_secs", self.bandwidth_ttl_secs, 1..=TTL_MS_MAX / 1000, 48 * 3600)?,
            twilio_media: number("twilio_media", self.twilio_media, 0..=PREFIX_LIMIT_COUNT_MAX, 10)?,
            twilio_bytes: bytes("twilio_bytes", self.twilio_bytes, 5_242_880)?,
            twilio_link: secs("twilio_link_secs", self.twilio_link_secs, 1..=GRANT_TTL_MS_MAX / 1000, 4 * 3600)?,
            messagebird_bytes: bytes("messagebird_bytes", self.messagebird_bytes, 104_857_600)?,
            native_bytes: bytes("native_bytes", self.native_bytes, BLOB_LEN_MAX)?,
            native_batch_bytes: bytes("native_batch_bytes", self.native_batch_bytes, 32 << 20)?,
            header_bytes: number("header_bytes", self.header_bytes, HEADER_BYTES, 64 << 10)? as usize,
            connections: number("connections", self.connections, 1..=CONNECTIONS_MAX, 4096)? as usize,
            header_time: wait("header_secs", self.header_secs, 30)?,
            stall_time: wait("stall_secs", self.stall_secs, 75)?,
            body_time: wait("body_secs", self.body_secs, 3600)?,
            shutdown_time: secs("shutdown_secs", self.shutdown_secs, 0..=PATIENCE_SECS_MAX, 30)?,
        })
    }
}

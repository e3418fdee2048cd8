//! What answers look like: the JSON of entries, pages, events and figures, and the headers of a version.
//!
//! Fields have the names that all faces of the store have; times are RFC 3339 in UTC, to the millisecond.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use mediacask::{
    AccountStats, Activity, CompactReport, Damage, Entry, Event, Health, IndexState, Outcome, Page, Policy, Stats,
    SweepReport, VerifyReport,
};
use serde_json::{Value, json};

use crate::path;

pub(super) fn rfc3339(time: SystemTime) -> String {
    // Beyond the year 9999 there is no such text; the store has no such times but by a broken clock.
    let instant = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    format!("{instant:.3}")
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn entry(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "digest": entry.digest.to_string(),
        "size": entry.size,
        "content_type": entry.content_type,
        "cache_control": entry.cache_control,
        "content_disposition": entry.content_disposition,
        "metadata": entry.metadata,
        "created_at": rfc3339(entry.created_at),
        "updated_at": rfc3339(entry.updated_at),
        "expires_at": entry.expires_at.map(rfc3339),
        "generation": entry.generation,
    })
}

/// The facts of a version that HTTP has no headers for.
pub(super) fn describe(entry: &Entry, headers: &mut HeaderMap) {
    let mut set = |name: &'static str, text: String| {
        let value = HeaderValue::from_str(&text).expect("digits, dates and percent-encoded texts are header text");
        headers.insert(HeaderName::from_static(name), value);
    };
    set("mediacask-digest", entry.digest.to_string());
    set("mediacask-generation", entry.generation.to_string());
    set("mediacask-created-at", rfc3339(entry.created_at));
    set("mediacask-updated-at", rfc3339(entry.updated_at));
    if let Some(time) = entry.expires_at {
        set("mediacask-expires-at", rfc3339(time));
    }
    if !entry.metadata.is_empty() {
        let pair = |(key, value): (&String, &String)| format!("{}={}", path::encoded(key), path::encoded(value));
        set("mediacask-metadata", entry.metadata.iter().map(pair).collect::<Vec<_>>().join(","));
    }
}

pub(super) fn page(page: &Page) -> Value {
    let entries: Vec<_> = page.entries.iter().map(entry).collect();
    json!({ "entries": entries, "prefixes": page.prefixes, "next_token": page.next_token })
}

/// Entries with their accounts.
pub(super) fn holders(names: &[(String, Entry)]) -> Value {
    names.iter().map(|(account, held)| json!({ "account": account, "entry": entry(held) })).collect()
}

pub(super) fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Put(made) => json!({ "put": entry(made) }),
        Outcome::Deleted(existed) => json!({ "deleted": existed }),
        _ => Value::Null,
    }
}

pub(super) fn event(event: &Event) -> Value {
    json!({
        "sequence": event.sequence,
        "kind": event.kind.to_string(),
        "account": event.account,
        "name": event.name,
        "digest": event.digest.to_string(),
        "at": rfc3339(event.at),
    })
}

pub(super) fn policy(policy: &Policy) -> Value {
    json!({
        "default_ttl_ms": policy.default_ttl.map(ms),
        "longest_ttl_ms": policy.longest_ttl.map(ms),
        "largest_blob": policy.largest_blob,
        "quota_bytes": policy.quota_bytes,
        "quota_count": policy.quota_count,
    })
}

pub(super) fn account(stats: &AccountStats) -> Value {
    json!({
        "account": stats.account,
        "count": stats.count,
        "bytes": stats.bytes,
        "policy": stats.policy.as_ref().map(policy),
    })
}

pub(super) fn stats(stats: &Stats) -> Value {
    json!({
        "names": stats.names,
        "accounts": stats.accounts,
        "logical_bytes": stats.logical_bytes,
        "contents": stats.contents,
        "content_bytes": stats.content_bytes,
        "dedup_ratio": stats.dedup_ratio(),
        "live_bytes": stats.live_bytes,
        "dead_bytes": stats.dead_bytes,
        "spare_bytes": stats.spare_bytes,
        "total_bytes": stats.total_bytes,
        "segments": stats.segments,
        "spare_segments": stats.spare_segments,
        "blob_files": stats.blob_files,
        "catalog_bytes": stats.catalog_bytes,
        "catalog_checkpoint_bytes": stats.catalog_checkpoint_bytes,
        "catalog_checkpoint_sequence": stats.catalog_checkpoint_sequence,
        "catalog_behind_bytes": stats.catalog_behind_bytes,
        "index_bytes": stats.index_bytes,
        "index_behind_bytes": stats.index_behind_bytes,
        "syncs": stats.syncs,
        "groups": stats.groups,
        "log_bytes_written": stats.log_bytes_written,
        "compacted_bytes": stats.compacted_bytes,
        "puts": stats.puts,
        "dedup_hits": stats.dedup_hits,
        "last_sequence": stats.last_sequence,
        "events_floor": stats.events_floor,
    })
}

fn damage(damage: &Damage) -> Value {
    let path = damage.path.display().to_string();
    json!({ "path": path, "offset": damage.offset, "len": damage.len, "what": damage.what })
}

fn activity(activity: Option<&Activity>) -> Value {
    let Some(activity) = activity else { return Value::Null };
    let counts: serde_json::Map<_, _> =
        activity.counts.iter().map(|(name, count)| (name.clone(), (*count).into())).collect();
    json!({
        "at": rfc3339(activity.at),
        "duration_ms": ms(activity.duration),
        "error": activity.error,
        "counts": counts,
    })
}

pub(super) fn health(health: &Health) -> Value {
    let index = match &health.index {
        IndexState::Current => json!({ "state": "current", "reason": null }),
        IndexState::Stale { reason } => json!({ "state": "stale", "reason": reason }),
        IndexState::InMemory { reason } => json!({ "state": "in_memory", "reason": reason }),
        _ => json!({ "state": "other", "reason": null }),
    };
    let (recovery, last) = (&health.recovery, &health.last);
    json!({
        "poisoned": health.poisoned,
        "index": index,
        "trouble": health.trouble,
        "damage": health.damage.iter().map(damage).collect::<Vec<_>>(),
        "damaged_contents": health.damaged_contents.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "erasure_overdue": health.erasure_overdue,
        "recovery": {
            "clean": recovery.clean,
            "from_checkpoint": recovery.from_checkpoint,
            "records_replayed": recovery.records_replayed,
            "bytes_cut": recovery.bytes_cut,
            "segments": recovery.segments,
            "duration_ms": ms(recovery.duration),
        },
        "last": {
            "sweep": activity(last.sweep.as_ref()),
            "compaction": activity(last.compaction.as_ref()),
            "erasure": activity(last.erasure.as_ref()),
            "verify": activity(last.verify.as_ref()),
            "catalog_checkpoint": activity(last.catalog_checkpoint.as_ref()),
            "index_renewal": activity(last.index_renewal.as_ref()),
        },
    })
}

pub(super) fn sweep(report: &SweepReport) -> Value {
    json!({
        "expired": report.expired,
        "segments_freed": report.segments_freed,
        "files_freed": report.files_freed,
    })
}

pub(super) fn compaction(report: &CompactReport) -> Value {
    json!({
        "segments_compacted": report.segments_compacted,
        "segments_freed": report.segments_freed,
        "files_freed": report.files_freed,
        "bytes_rewritten": report.bytes_rewritten,
        "bytes_freed": report.bytes_freed,
    })
}

pub(super) fn verification(report: &VerifyReport) -> Value {
    let damaged = report.damaged.iter().map(|found| {
        let names = found.names.iter().map(|(account, name)| json!({ "account": account, "name": name }));
        json!({
            "path": found.path.display().to_string(),
            "offset": found.offset,
            "len": found.len,
            "digest": found.digest.map(|digest| digest.to_string()),
            "names": names.collect::<Vec<_>>(),
            "what": found.what,
            "remedy": found.remedy,
        })
    });
    json!({
        "bytes_checked": report.bytes_checked,
        "contents_checked": report.contents_checked,
        "entries_checked": report.entries_checked,
        "damaged": damaged.collect::<Vec<_>>(),
        "wrong_references": report.wrong_references,
        "index_differences": report.index_differences,
        "repaired": report.repaired,
        "resume": report.resume,
    })
}

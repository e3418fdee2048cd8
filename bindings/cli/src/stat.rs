//! `stat`: what a store holds, and how it does.

use std::collections::BTreeMap;

use mediacask::{AccountStats, Activities, Activity, Health, IndexState, Stats};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{count, counted, printable, rfc3339, size, table};
use crate::session::Session;
use crate::store::account_object;

/// Accounts that are shown to a person.
const ACCOUNTS_SHOWN: usize = 10;

/// `stat`
pub(crate) fn stat(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        let (stats, health, accounts) = (store.stats()?, store.health(), store.accounts()?);
        if out.json() {
            let path = store.path().display().to_string();
            let accounts: Vec<_> = accounts.iter().map(account_object).collect();
            return out.object(&json!({
                "path": path,
                "stats": stats_object(&stats),
                "accounts": accounts,
                "health": health_object(&health),
            }));
        }
        let mut rows = vec![("store", store.path().display().to_string())];
        rows.extend(stats_rows(&stats));
        rows.extend(account_rows(accounts));
        rows.extend(health_rows(&health));
        out.line(format_args!("{}", table(&rows)))
    })
}

fn stats_object(stats: &Stats) -> Value {
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
        "last_sequence": stats.last_sequence,
        "events_floor": stats.events_floor,
    })
}

fn stats_rows(stats: &Stats) -> Vec<(&'static str, String)> {
    vec![
        ("names", format!("{} in {}", count(stats.names), counted(stats.accounts, "account"))),
        ("logical size", size(stats.logical_bytes)),
        (
            "contents",
            format!(
                "{}, {}; shared {:.2} times",
                count(stats.contents),
                size(stats.content_bytes),
                stats.dedup_ratio()
            ),
        ),
        (
            "on the disk",
            format!(
                "{}: {} live, {} dead or not written yet, {} spare",
                size(stats.total_bytes),
                size(stats.live_bytes),
                size(stats.dead_bytes),
                size(stats.spare_bytes)
            ),
        ),
        (
            "files",
            format!(
                "{}, {}, {}",
                counted(stats.segments, "segment"),
                counted(stats.spare_segments, "spare"),
                counted(stats.blob_files, "blob file")
            ),
        ),
        (
            "catalog",
            format!(
                "{} in memory; its checkpoint {}, {} of the log behind",
                size(stats.catalog_bytes),
                size(stats.catalog_checkpoint_bytes),
                size(stats.catalog_behind_bytes)
            ),
        ),
        (
            "index files",
            match stats.index_behind_bytes {
                Some(behind) => format!("{}, {} of the log behind", size(stats.index_bytes), size(behind)),
                None => format!("{}, worked on", size(stats.index_bytes)),
            },
        ),
        ("events", format!("from {} to {}", stats.events_floor, stats.last_sequence)),
    ]
}

/// The accounts that hold most.
fn account_rows(mut accounts: Vec<AccountStats>) -> Vec<(&'static str, String)> {
    accounts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.account.cmp(&b.account)));
    let told = |account: &AccountStats| {
        format!("{}: {}, {}", printable(&account.account), counted(account.count, "name"), size(account.bytes))
    };
    let mut rows: Vec<_> = accounts.iter().take(ACCOUNTS_SHOWN).map(|account| ("account", told(account))).collect();
    if let Some(more) = accounts.len().checked_sub(ACCOUNTS_SHOWN).filter(|more| *more > 0) {
        rows.push(("accounts", format!("{} more; `mediacask accounts` has all", count(more as u64))));
    }
    rows
}

/// What upkeep did last, by what it is called.
fn activities(last: &Activities) -> [(&'static str, &Option<Activity>); 6] {
    [
        ("sweep", &last.sweep),
        ("compaction", &last.compaction),
        ("erasure", &last.erasure),
        ("verify", &last.verify),
        ("catalog_checkpoint", &last.catalog_checkpoint),
        ("index_renewal", &last.index_renewal),
    ]
}

fn activity_object(activity: &Activity) -> Value {
    json!({
        "at": rfc3339(activity.at),
        "duration_ms": u64::try_from(activity.duration.as_millis()).unwrap_or(u64::MAX),
        "error": activity.error,
        "counts": activity.counts.iter().cloned().collect::<BTreeMap<_, _>>(),
    })
}

fn activity_rows(last: &Activities) -> Vec<(&'static str, String)> {
    let labels = ["last sweep", "last compaction", "last erasure", "last verify", "last checkpoint", "index rewritten"];
    let told = |activity: &Activity| {
        let took = activity.duration.as_millis();
        let counts = activity.counts.iter().map(|(name, number)| format!(", {name} {}", count(*number)));
        let outcome = activity.error.as_ref().map_or_else(|| counts.collect(), |error| format!(", failed: {error}"));
        format!("{}, {took} ms{outcome}", rfc3339(activity.at))
    };
    let rows = labels.into_iter().zip(activities(last));
    rows.map(|(label, (_, activity))| (label, activity.as_ref().map_or_else(|| "none known".into(), told))).collect()
}

fn health_object(health: &Health) -> Value {
    let damage = health.damage.iter().map(|damage| {
        json!({
            "path": damage.path.display().to_string(),
            "offset": damage.offset,
            "len": damage.len,
            "what": damage.what,
        })
    });
    let (index, reason) = index_state(&health.index);
    let recovery = &health.recovery;
    json!({
        "poisoned": health.poisoned,
        "index": index,
        "index_reason": reason,
        "trouble": health.trouble,
        "damage": damage.collect::<Vec<_>>(),
        "damaged_contents": health.damaged_contents.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "erasure_overdue": health.erasure_overdue,
        "last": activities(&health.last)
            .into_iter()
            .map(|(task, activity)| (task, activity.as_ref().map(activity_object)))
            .collect::<BTreeMap<_, _>>(),
        "recovery": {
            "clean": recovery.clean,
            "from_checkpoint": recovery.from_checkpoint,
            "segments": recovery.segments,
            "records_replayed": recovery.records_replayed,
            "bytes_cut": recovery.bytes_cut,
            "duration_ms": u64::try_from(recovery.duration.as_millis()).unwrap_or(u64::MAX),
        },
    })
}

fn health_rows(health: &Health) -> Vec<(&'static str, String)> {
    let recovery = &health.recovery;
    let (index, reason) = index_state(&health.index);
    let index = reason.map_or_else(|| index.into(), |reason| format!("{index}: {reason}"));
    let mut rows = vec![
        ("last end", if recovery.clean { "clean" } else { "unclean, recovered" }.into()),
        (
            "opened",
            format!(
                "in {} ms, {} replayed{}, {} cut",
                recovery.duration.as_millis(),
                counted(recovery.records_replayed, "record"),
                if recovery.from_checkpoint { " after the checkpoint" } else { "" },
                size(recovery.bytes_cut)
            ),
        ),
        ("index", index),
        ("writing", health.poisoned.as_ref().map_or_else(|| "yes".into(), |why| format!("stopped: {why}"))),
    ];
    rows.extend(activity_rows(&health.last));
    rows.extend(health.erasure_overdue.as_ref().map(|why| ("erasure", why.clone())));
    rows.extend(health.trouble.as_ref().map(|trouble| ("trouble", trouble.clone())));
    if health.damage.is_empty() {
        rows.push(("damage", "none known".into()));
    }
    for damage in &health.damage {
        let (path, what) = (damage.path.display(), &damage.what);
        rows.push(("damage", format!("{path} at {}, {} bytes: {what}", damage.offset, count(damage.len))));
    }
    rows.extend(health.damaged_contents.iter().map(|digest| ("damaged", digest.to_string())));
    rows
}

/// The state's word and, where there is one, its reason.
fn index_state(index: &IndexState) -> (&'static str, Option<&str>) {
    match index {
        IndexState::Current => ("current", None),
        IndexState::Stale { reason } => ("stale", Some(reason)),
        IndexState::InMemory { reason } => ("in_memory", Some(reason)),
        _ => ("unknown", None),
    }
}

//! `accounts`, `stat`, `sweep`, `rebuild-index` and `dump`: what is asked of a store as a whole.

use mediacask::{AccountStats, Health, IndexState, ListOptions, Policy, Stats};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{EntryObject, count, counted, printable, size, table};
use crate::progress;
use crate::session::Session;

/// `accounts`
pub(crate) fn accounts(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        for account in store.accounts()? {
            if out.json() {
                out.object(&account_object(&account))?;
            } else {
                let (names, bytes) = (counted(account.count, "name"), size(account.bytes));
                let name = printable(&account.account);
                out.line(format_args!("{names:>16}  {bytes:>10}  {name}"))?;
            }
        }
        Ok(())
    })
}

fn account_object(account: &AccountStats) -> Value {
    json!({
        "account": account.account,
        "count": account.count,
        "bytes": account.bytes,
        "policy": account.policy.as_ref().map(policy_object),
    })
}

fn policy_object(policy: &Policy) -> Value {
    let ms = |ttl: std::time::Duration| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    json!({
        "default_ttl_ms": policy.default_ttl.map(ms),
        "longest_ttl_ms": policy.longest_ttl.map(ms),
        "largest_blob": policy.largest_blob,
        "quota_bytes": policy.quota_bytes,
        "quota_count": policy.quota_count,
    })
}

/// `stat`
pub(crate) fn stat(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        let (stats, health) = (store.stats()?, store.health());
        if out.json() {
            let path = store.path().display().to_string();
            return out.object(&json!({
                "path": path, "stats": stats_object(&stats), "health": health_object(&health),
            }));
        }
        let mut rows = vec![("store", store.path().display().to_string())];
        rows.extend(stats_rows(&stats));
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
        "index_bytes": stats.index_bytes,
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
        ("caches", format!("catalog {} in memory, index {}", size(stats.catalog_bytes), size(stats.index_bytes))),
    ]
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
    rows.extend(health.trouble.as_ref().map(|trouble| ("trouble", trouble.clone())));
    if health.damage.is_empty() {
        rows.push(("damage", "none known".into()));
    }
    for damage in &health.damage {
        let (path, what) = (damage.path.display(), &damage.what);
        rows.push(("damage", format!("{path} at {}, {} bytes: {what}", damage.offset, count(damage.len))));
    }
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

/// `sweep`
pub(crate) fn sweep(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        let report = store.sweep()?;
        if out.json() {
            return out.object(&json!({
                "expired": report.expired,
                "segments_freed": report.segments_freed,
                "files_freed": report.files_freed,
            }));
        }
        out.line(format_args!(
            "{} expired; {} and {} freed",
            counted(report.expired, "name"),
            counted(report.segments_freed, "segment"),
            counted(report.files_freed, "file")
        ))
    })
}

/// `rebuild-index`
pub(crate) fn rebuild_index(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        let bar = progress::things(0, "names");
        let rows = store.rebuild_index(&mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let rows = rows?;
        if out.json() {
            out.object(&json!({ "rows": rows }))
        } else {
            out.line(format_args!("index built from the log: {}", counted(rows, "name")))
        }
    })
}

/// A line of `dump`: an entry, and whose it is.
#[derive(Serialize)]
struct Dumped<'a> {
    account: &'a str,
    #[serde(flatten)]
    entry: EntryObject<'a>,
}

/// `dump`
pub(crate) fn dump(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        for account in store.accounts()? {
            for entry in store.account(&account.account)?.entries(ListOptions::new()) {
                let entry = entry?;
                let account = &account.account;
                out.object(&Dumped { account, entry: EntryObject::from(&entry) })?;
            }
        }
        Ok(())
    })
}

//! `accounts`, `sweep`, `compact`, `rebuild-index` and `dump`: what is asked of a store as a whole.

use mediacask::{AccountStats, ListOptions, Policy};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{EntryObject, counted, printable, size};
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

pub(crate) fn account_object(account: &AccountStats) -> Value {
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

/// `compact`
pub(crate) fn compact(session: Session) -> Result<(), Failure> {
    session.with_store(|store, out| {
        let report = store.compact()?;
        if out.json() {
            return out.object(&json!({
                "segments_compacted": report.segments_compacted,
                "segments_freed": report.segments_freed,
                "files_freed": report.files_freed,
                "bytes_rewritten": report.bytes_rewritten,
                "bytes_freed": report.bytes_freed,
            }));
        }
        out.line(format_args!(
            "{} compacted, {} written again; {} and {} freed, {} in all",
            counted(report.segments_compacted, "segment"),
            size(report.bytes_rewritten),
            counted(report.segments_freed, "segment"),
            counted(report.files_freed, "file"),
            size(report.bytes_freed)
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

//! Answers of several fields, as the value classes of `mediacask._values`.

use mediacask::{
    AccountStats, Activity, CheckpointReport, CompactReport, Event, Health, IndexState, Policy, Stats, SweepReport,
    VerifyProgress, VerifyReport,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule};

use crate::entry::{Digest, Entry};
use crate::{errors, times};

/// An instance of `mediacask._values.CLASS`, its fields given by name.
fn made<'py>(py: Python<'py>, class: &str, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("mediacask._values").map(Bound::unbind))?;
    module.bind(py).getattr(class)?.call((), Some(fields))
}

/// A dict of the named fields, e.g. `fields!(py, report: expired, segments_freed)`.
macro_rules! fields {
    ($py:expr, $from:expr => $($field:ident),* $(; $($name:ident = $value:expr),*)?) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(stringify!($field), &$from.$field)?;)*
        $($(fields.set_item(stringify!($name), $value)?;)*)?
        fields
    }};
}

pub(crate) fn page(py: Python<'_>, page: mediacask::Page) -> PyResult<Bound<'_, PyAny>> {
    let entries: Vec<Entry> = page.entries.into_iter().map(Entry::from).collect();
    made(py, "Page", &fields!(py, page => prefixes, next_token; entries = entries))
}

pub(crate) fn policy<'py>(py: Python<'py>, policy: &Policy) -> PyResult<Bound<'py, PyAny>> {
    made(py, "Policy", &fields!(py, policy => default_ttl, longest_ttl, largest_blob, quota_bytes, quota_count))
}

/// A `Policy` as callers give it.
pub(crate) fn policy_of(value: &Bound<'_, PyAny>) -> PyResult<Policy> {
    let field = |name: &str| value.getattr(name).map(|field| (!field.is_none()).then_some(field));
    let ttl = |name: &str| field(name)?.map(|ttl| times::span(&ttl, name)).transpose();
    let count = |name: &str| field(name)?.map(|count| count.extract::<u64>()).transpose();
    Ok(Policy {
        default_ttl: ttl("default_ttl")?,
        longest_ttl: ttl("longest_ttl")?,
        largest_blob: count("largest_blob")?,
        quota_bytes: count("quota_bytes")?,
        quota_count: count("quota_count")?,
    })
}

pub(crate) fn account_stats<'py>(py: Python<'py>, stats: &AccountStats) -> PyResult<Bound<'py, PyAny>> {
    let policy = stats.policy.as_ref().map(|policy| self::policy(py, policy)).transpose()?;
    made(py, "AccountStats", &fields!(py, stats => account, count, bytes; policy = policy))
}

pub(crate) fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyAny>> {
    let fields = fields!(py, stats =>
        names, accounts, logical_bytes, contents, content_bytes, live_bytes, dead_bytes, spare_bytes, total_bytes,
        segments, spare_segments, blob_files, syncs, groups, log_bytes_written, compacted_bytes, puts, dedup_hits,
        catalog_bytes, catalog_checkpoint_bytes, catalog_checkpoint_sequence, catalog_behind_bytes, index_bytes,
        index_behind_bytes, last_sequence, events_floor
    );
    made(py, "Stats", &fields)
}

pub(crate) fn sweep_report<'py>(py: Python<'py>, report: &SweepReport) -> PyResult<Bound<'py, PyAny>> {
    made(py, "SweepReport", &fields!(py, report => expired, segments_freed, files_freed))
}

pub(crate) fn compact_report<'py>(py: Python<'py>, report: &CompactReport) -> PyResult<Bound<'py, PyAny>> {
    let fields = fields!(py, report => segments_compacted, segments_freed, files_freed, bytes_rewritten, bytes_freed);
    made(py, "CompactReport", &fields)
}

pub(crate) fn checkpoint_report<'py>(py: Python<'py>, report: &CheckpointReport) -> PyResult<Bound<'py, PyAny>> {
    let fields = fields!(py, report =>
        files_linked, files_copied, files_kept, bytes_linked, bytes_copied, last_sequence
    );
    made(py, "CheckpointReport", &fields)
}

pub(crate) fn verify_progress<'py>(py: Python<'py>, so_far: &VerifyProgress) -> PyResult<Bound<'py, PyAny>> {
    made(py, "VerifyProgress", &fields!(py, so_far => bytes_checked, bytes_total, damaged))
}

pub(crate) fn verify_report<'py>(py: Python<'py>, report: &VerifyReport) -> PyResult<Bound<'py, PyAny>> {
    let mut damaged = Vec::with_capacity(report.damaged.len());
    for found in &report.damaged {
        let digest = found.digest.map(Digest);
        let fields = fields!(py, found => path, offset, len, names, what, remedy; digest = digest);
        damaged.push(made(py, "Damaged", &fields)?);
    }
    let fields = fields!(py, report =>
        bytes_checked, contents_checked, entries_checked, wrong_references, index_differences, repaired, resume;
        damaged = damaged
    );
    made(py, "VerifyReport", &fields)
}

pub(crate) fn health<'py>(py: Python<'py>, health: &Health) -> PyResult<Bound<'py, PyAny>> {
    let mut damage = Vec::with_capacity(health.damage.len());
    for found in &health.damage {
        damage.push(made(py, "Damage", &fields!(py, found => path, offset, len, what))?);
    }
    let report = &health.recovery;
    let recovery = made(
        py,
        "RecoveryReport",
        &fields!(py, report => clean, records_replayed, bytes_cut, segments, from_checkpoint, duration),
    )?;
    let (index, reason) = match &health.index {
        IndexState::Current => ("current", None),
        IndexState::Stale { reason } => ("stale", Some(reason)),
        IndexState::InMemory { reason } => ("in_memory", Some(reason)),
        _ => return Err(errors::internal(py, "an index state this version does not know")),
    };
    let did = |last: &Option<Activity>| last.as_ref().map(|last| activity(py, last)).transpose();
    let last = fields!(py, health => ;
        sweep = did(&health.last.sweep)?, compaction = did(&health.last.compaction)?,
        erasure = did(&health.last.erasure)?, verify = did(&health.last.verify)?,
        catalog_checkpoint = did(&health.last.catalog_checkpoint)?, index_renewal = did(&health.last.index_renewal)?);
    let last = made(py, "Activities", &last)?;
    let damaged_contents: Vec<Digest> = health.damaged_contents.iter().copied().map(Digest).collect();
    let fields = fields!(py, health => poisoned, trouble, erasure_overdue;
        index = index, index_reason = reason, damage = damage, damaged_contents = damaged_contents,
        recovery = recovery, last = last);
    made(py, "Health", &fields)
}

fn activity<'py>(py: Python<'py>, last: &Activity) -> PyResult<Bound<'py, PyAny>> {
    let counts = PyDict::new(py);
    for (name, count) in &last.counts {
        counts.set_item(name, count)?;
    }
    made(py, "Activity", &fields!(py, last => duration, error; at = times::datetime(py, last.at)?, counts = counts))
}

pub(crate) fn event(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyAny>> {
    let fields = fields!(py, event => sequence, account, name;
        kind = event.kind.to_string(), digest = Digest(event.digest), at = times::datetime(py, event.at)?);
    made(py, "Event", &fields)
}

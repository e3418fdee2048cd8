//! What the store tells while it works, for who collects it: metrics and traces, behind the cargo features
//! `metrics` and `tracing`. Without them none of it is compiled.
//!
//! # Metrics
//!
//! Told to the recorder of the [`metrics`](https://docs.rs/metrics) facade that the program has installed;
//! without one, to nobody. Of all stores of a process together; the gauges are of the one whose
//! [`crate::Store::stats`] was asked for last, and only then: ask before each scrape.
//!
//! | name | what | labels |
//! |---|---|---|
//! | `mediacask_opens_total` | stores opened | `clean`: whether it had been closed: `true`, `false` |
//! | `mediacask_open_seconds` | histogram: time to open a store, recovery included | |
//! | `mediacask_recovery_records_total` | rows and records read by recovery | |
//! | `mediacask_damage_total` | damaged stretches found when stores were opened | |
//! | `mediacask_puts_total` | puts acknowledged | |
//! | `mediacask_put_bytes_total` | bytes of their content | |
//! | `mediacask_dedup_hits_total` | puts whose content was there already | |
//! | `mediacask_deletes_total` | names deleted or purged | |
//! | `mediacask_expired_total` | names whose time had come, as the sweep ended them | |
//! | `mediacask_gets_total` | contents opened for reading | `found`: `true`, `false` |
//! | `mediacask_get_bytes_total` | bytes of content given to readers of slices and ranges | |
//! | `mediacask_errors_total` | calls that failed | `kind`: as [`crate::Face::name`] |
//! | `mediacask_group_commits_total` | groups of requests written to the log | |
//! | `mediacask_group_requests` | histogram: requests in a group | |
//! | `mediacask_group_commit_seconds` | histogram: time to write a group and sync it | |
//! | `mediacask_upkeep_runs_total` | runs of upkeep that did something, or failed | `task`, `outcome`: `ok`, `error` |
//! | `mediacask_upkeep_seconds` | histogram: how long they took | `task` |
//! | `mediacask_upkeep_items_total` | what they came to | `task`, `item`: a field of the task's report |
//! | `mediacask_names` | gauge: names | |
//! | `mediacask_accounts` | gauge: accounts that hold names or have a policy | |
//! | `mediacask_logical_bytes` | gauge: bytes of content of all names | |
//! | `mediacask_content_bytes` | gauge: bytes of distinct contents | |
//! | `mediacask_live_bytes` | gauge: bytes of records and files that are needed | |
//! | `mediacask_dead_bytes` | gauge: bytes of segments that are neither needed nor spare | |
//! | `mediacask_spare_bytes` | gauge: bytes of segments that wait to be written again | |
//! | `mediacask_disk_bytes` | gauge: bytes of all segments, spares and blob files | |
//! | `mediacask_segments` | gauge: segments in the log | |
//! | `mediacask_blob_files` | gauge: contents that have files of their own | |
//! | `mediacask_catalog_bytes` | gauge: memory of the catalog | |
//! | `mediacask_index_bytes` | gauge: files of the index | |
//!
//! `task` is `sweep`, `compaction`, `erasure`, `verify`, `catalog_checkpoint` or `index_renewal`. No label holds
//! an account, a name or a digest.
//!
//! # Traces
//!
//! All of target `mediacask`. Spans: `open`, `recovery` and `close` (info); `sweep`, `compaction`, `erasure`,
//! `verify`, `catalog_checkpoint` and `index_renewal` (debug); `group`, a group commit (trace). Events: a store
//! opened, damage found then (warn), a run of upkeep that did something (debug) or failed (warn), writing stopped
//! (error), a call that failed: of the kinds that tell of the disk (warn) with the message, of others (debug) with
//! the kind alone, since their messages hold names.

use std::time::Duration;

use crate::error::Error;
#[cfg(feature = "tracing")]
use crate::error::ErrorKind;

/// Whether anybody may listen: what is told only to metrics need not be counted otherwise.
pub(crate) const METRICS: bool = cfg!(feature = "metrics");

/// When something began, if that is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    #[cfg(feature = "metrics")]
    begun: std::time::Instant,
}

impl Timer {
    pub(crate) fn start() -> Timer {
        Timer {
            #[cfg(feature = "metrics")]
            begun: std::time::Instant::now(),
        }
    }
}

/// What a span is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Open,
    Recovery,
    Close,
    Group,
    Sweep,
    Compaction,
    Erasure,
    Verify,
    CatalogCheckpoint,
    IndexRenewal,
}

/// A span that is open, until it is dropped.
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    _entered: tracing::span::EnteredSpan,
}

/// Opens a span.
pub(crate) fn span(phase: Phase) -> Span {
    #[cfg(feature = "tracing")]
    {
        let span = match phase {
            Phase::Open => tracing::info_span!(target: "mediacask", "open"),
            Phase::Recovery => tracing::info_span!(target: "mediacask", "recovery"),
            Phase::Close => tracing::info_span!(target: "mediacask", "close"),
            Phase::Group => tracing::trace_span!(target: "mediacask", "group"),
            Phase::Sweep => tracing::debug_span!(target: "mediacask", "sweep"),
            Phase::Compaction => tracing::debug_span!(target: "mediacask", "compaction"),
            Phase::Erasure => tracing::debug_span!(target: "mediacask", "erasure"),
            Phase::Verify => tracing::debug_span!(target: "mediacask", "verify"),
            Phase::IndexRenewal => tracing::debug_span!(target: "mediacask", "index_renewal"),
            Phase::CatalogCheckpoint => tracing::debug_span!(target: "mediacask", "catalog_checkpoint"),
        };
        Span { _entered: span.entered() }
    }
    #[cfg(not(feature = "tracing"))]
    {
        let _ = phase;
        Span {}
    }
}

/// A store was opened.
pub(crate) fn opened(timer: Timer, clean: bool, records: u64, damage: u64) {
    #[cfg(feature = "metrics")]
    {
        describe();
        metrics::counter!("mediacask_opens_total", "clean" => if clean { "true" } else { "false" }).increment(1);
        metrics::histogram!("mediacask_open_seconds").record(timer.begun.elapsed());
        metrics::counter!("mediacask_recovery_records_total").increment(records);
        metrics::counter!("mediacask_damage_total").increment(damage);
    }
    #[cfg(feature = "tracing")]
    tracing::info!(target: "mediacask", clean, records, damage, "store opened");
    let _ = (timer, clean, records, damage);
}

/// Damage was found when the store was opened.
pub(crate) fn damage(path: &std::path::Path, offset: u64, what: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "mediacask", path = %path.display(), offset, "damage: {what}");
    let _ = (path, offset, what);
}

/// A group was written and, unless all of it asked for less, synced.
pub(crate) fn group(timer: Timer, requests: usize, dedup_hits: u64) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("mediacask_group_commits_total").increment(1);
        metrics::counter!("mediacask_dedup_hits_total").increment(dedup_hits);
        #[allow(clippy::cast_precision_loss)] // A few thousand at most.
        metrics::histogram!("mediacask_group_requests").record(requests as f64);
        metrics::histogram!("mediacask_group_commit_seconds").record(timer.begun.elapsed());
    }
    #[cfg(feature = "tracing")]
    tracing::trace!(target: "mediacask", requests, dedup_hits, "group committed");
    let _ = (timer, requests, dedup_hits);
}

/// A put was acknowledged.
pub(crate) fn put(bytes: u64) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("mediacask_puts_total").increment(1);
        metrics::counter!("mediacask_put_bytes_total").increment(bytes);
    }
    let _ = bytes;
}

/// A name ended.
pub(crate) fn ended(expired: bool) {
    #[cfg(feature = "metrics")]
    if expired {
        metrics::counter!("mediacask_expired_total").increment(1);
    } else {
        metrics::counter!("mediacask_deletes_total").increment(1);
    }
    let _ = expired;
}

/// A content was opened for reading, and so many bytes of it were given; `None`: there was no such name.
pub(crate) fn read(bytes: Option<u64>) {
    #[cfg(feature = "metrics")]
    {
        let found = if bytes.is_some() { "true" } else { "false" };
        metrics::counter!("mediacask_gets_total", "found" => found).increment(1);
        metrics::counter!("mediacask_get_bytes_total").increment(bytes.unwrap_or(0));
    }
    let _ = bytes;
}

/// A call failed.
pub(crate) fn failed(error: &Error) {
    #[cfg(feature = "metrics")]
    metrics::counter!("mediacask_errors_total", "kind" => error.kind().face().name).increment(1);
    #[cfg(feature = "tracing")]
    {
        let kind = error.kind().face().name;
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Io | ErrorKind::NoSpace | ErrorKind::Poisoned | ErrorKind::ReadOnly => {
                tracing::warn!(target: "mediacask", kind, "{error}");
            }
            _ => tracing::debug!(target: "mediacask", kind, "a call failed"),
        }
    }
    let _ = error;
}

/// Nothing can be written any more.
pub(crate) fn poisoned(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "mediacask", "{error}");
    let _ = error;
}

/// A run of upkeep ended.
pub(crate) fn upkeep(task: &'static str, took: Duration, error: Option<&Error>, counts: &[(&'static str, u64)]) {
    #[cfg(feature = "metrics")]
    {
        let outcome = if error.is_some() { "error" } else { "ok" };
        metrics::counter!("mediacask_upkeep_runs_total", "task" => task, "outcome" => outcome).increment(1);
        metrics::histogram!("mediacask_upkeep_seconds", "task" => task).record(took);
        for (item, count) in counts {
            metrics::counter!("mediacask_upkeep_items_total", "task" => task, "item" => *item).increment(*count);
        }
    }
    #[cfg(feature = "tracing")]
    match error {
        Some(error) => tracing::warn!(target: "mediacask", task, "upkeep failed: {error}"),
        None => tracing::debug!(target: "mediacask", task, ?took, ?counts, "upkeep done"),
    }
    let _ = (task, took, error, counts);
}

/// The gauges of [`GAUGES`], in its order.
pub(crate) fn gauges(values: [u64; GAUGES.len()]) {
    #[cfg(feature = "metrics")]
    for (name, value) in GAUGES.into_iter().zip(values) {
        #[allow(clippy::cast_precision_loss)] // The facade has no other numbers.
        metrics::gauge!(name).set(value as f64);
    }
    let _ = values;
}

/// What the statistics are called.
pub(crate) const GAUGES: [&str; 12] = [
    "mediacask_names",
    "mediacask_accounts",
    "mediacask_logical_bytes",
    "mediacask_content_bytes",
    "mediacask_live_bytes",
    "mediacask_dead_bytes",
    "mediacask_spare_bytes",
    "mediacask_disk_bytes",
    "mediacask_segments",
    "mediacask_blob_files",
    "mediacask_catalog_bytes",
    "mediacask_index_bytes",
];

/// Tells the recorder what each metric is: the rows of the table above, so that there is one list of them.
#[cfg(feature = "metrics")]
fn describe() {
    for row in include_str!("telemetry.rs").lines().filter_map(|line| line.strip_prefix("//! | `mediacask_")) {
        let mut columns = row.split('|').map(str::trim);
        let (Some(name), Some(what)) = (columns.next(), columns.next()) else { continue };
        let name = format!("mediacask_{}", name.trim_end_matches('`'));
        match what.split_once(": ") {
            Some(("histogram", what)) => metrics::describe_histogram!(name, what),
            Some(("gauge", what)) => metrics::describe_gauge!(name, what),
            _ => metrics::describe_counter!(name, what),
        }
    }
}

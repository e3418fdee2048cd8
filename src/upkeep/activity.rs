//! What upkeep did last: for health, and for who watches a store.
//!
//! Owns one row per [`Task`], since open. A round behind the scenes that found nothing to do leaves no
//! row: what stands there is the last time something came of it, or something went wrong, or somebody
//! asked for it by hand.

use std::time::{Duration, Instant, SystemTime};

use super::Upkeep;
use crate::error::Result;

/// A run of upkeep: when it ended, how, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// When it ended, by the store's clock.
    pub at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed, if so.
    pub error: Option<String>,
    /// What it came to: the fields of its report, by name. Nothing when it failed.
    pub counts: Vec<(&'static str, u64)>,
}

/// What upkeep did last of each kind, since open; `None`: nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activities {
    /// Entries whose time had come were ended.
    pub sweep: Option<Activity>,
    /// Segments were compacted.
    pub compaction: Option<Activity>,
    /// What is stored was read and checked.
    pub verify: Option<Activity>,
    /// The catalog was written down.
    pub catalog_checkpoint: Option<Activity>,
}

/// What a run was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Sweep,
    Compaction,
    Verify,
    CatalogCheckpoint,
}

/// A report that can be told as numbers with names.
pub(crate) trait Counts {
    /// Its fields.
    fn counts(&self) -> Vec<(&'static str, u64)>;
}

impl Upkeep {
    /// Keeps what a run came to, and hands its outcome on.
    pub(crate) fn keep_activity<R: Counts>(&self, task: Task, begun: Instant, outcome: Result<R>) -> Result<R> {
        let activity = Activity {
            at: self.clock.now(),
            duration: begun.elapsed(),
            error: outcome.as_ref().err().map(ToString::to_string),
            counts: outcome.as_ref().map(Counts::counts).unwrap_or_default(),
        };
        let mut last = self.activities.lock();
        let row = match task {
            Task::Sweep => &mut last.sweep,
            Task::Compaction => &mut last.compaction,
            Task::Verify => &mut last.verify,
            Task::CatalogCheckpoint => &mut last.catalog_checkpoint,
        };
        *row = Some(activity);
        outcome
    }

    /// What was done last of each kind.
    pub(crate) fn activities(&self) -> Activities {
        self.activities.lock().clone()
    }
}

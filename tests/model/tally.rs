//! How often each thing happened in a run: a model test that never rotates a segment proves little.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::support::{CallKind, FaultDisk};

/// Counts by what was counted.
#[derive(Default)]
pub(crate) struct Tally {
    counts: BTreeMap<&'static str, u64>,
    /// The calls of the last disk that made names in segments/ durable.
    pub(crate) names_synced: Vec<u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &'static str, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        other.counts.iter().for_each(|(what, count)| self.add(what, *count));
    }

    /// Counts what a disk's log of calls tells. `written_before` are the spares that were segments, on
    /// whatever disk of the world.
    pub(crate) fn take_calls(&mut self, disk: &FaultDisk, written_before: &mut HashSet<String>) {
        self.names_synced.clear();
        let mut nth = 0;
        disk.each_call(|kind, path| {
            nth += 1;
            if (kind, path) == (CallKind::SyncDir, "segments") {
                self.names_synced.push(nth);
            }
            let file = path.strip_prefix("segments/");
            match (kind, file.and_then(|file| file.split_once('.'))) {
                (CallKind::Rename, Some((id, "seg"))) => {
                    written_before.insert(id.to_owned());
                    self.count("segments made spares");
                }
                (CallKind::Rename, Some((id, "spare"))) => {
                    self.count("segments begun");
                    self.add("in a recycled spare", u64::from(written_before.contains(id)));
                }
                (CallKind::Unlink, Some((_, "seg"))) => self.count("segments removed"),
                (CallKind::Rename, None) if path.starts_with("staging/") => self.count("blob files kept"),
                (CallKind::Rename, None) if path.starts_with("catalog") => self.count("checkpoints"),
                _ => {}
            }
            self.count("disk calls");
        });
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts.iter().try_for_each(|(what, count)| writeln!(f, "{count:>12} {what}"))
    }
}

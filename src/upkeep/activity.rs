//! What upkeep did last: for health, and for who watches a store.
//!
//! Owns one row per [`Task`], and the file `activity` that keeps them for the next process. A round behind the
//! scenes that found nothing to do leaves no row: what stands there is the last time something came of it, or
//! something went wrong, or somebody asked for it by hand.
//!
//! ```text
//! activity   a line for each row: task, when it ended (Unix ms), how long it took (ms), "ok" or what
//!            kind of error, then its counts as name=number; the last line: "crc" and the CRC-32 of the others
//! ```
//!
//! The file is derived and disposable: it is not synced, and one that is torn tells nothing. No error's
//! message stands in it, since that may hold names.

use std::fmt::Write;
use std::io::IoSlice;
use std::time::{Duration, Instant, SystemTime};

use super::Upkeep;
use crate::digest::crc;
use crate::disk::Access;
use crate::entry::{ms_of, time_of};
use crate::error::Result;
use crate::home::Home;
use crate::telemetry::{self, Phase, Span};

/// Longest file that is looked at.
const LEN_MAX: u64 = 4096;

/// A run of upkeep: when it ended, how, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// When it ended, by the store's clock.
    pub at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed, if so; of a run of an earlier process, the kind of error alone.
    pub error: Option<String>,
    /// What it came to: the fields of its report, by name. Nothing when it failed.
    pub counts: Vec<(String, u64)>,
}

/// What upkeep did last of each kind; `None`: nothing that is known of. A process that is killed forgets what it
/// did after it last wrote the catalog down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activities {
    /// Entries whose time had come were ended.
    pub sweep: Option<Activity>,
    /// Segments were compacted.
    pub compaction: Option<Activity>,
    /// What was deleted was erased. `late_ms` tells by how much the deadline was missed.
    pub erasure: Option<Activity>,
    /// What is stored was read and checked.
    pub verify: Option<Activity>,
    /// The catalog was written down.
    pub catalog_checkpoint: Option<Activity>,
    /// The index was written anew, since its files were far larger than what they held, or slow to open.
    pub index_renewal: Option<Activity>,
}

/// What a run was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Sweep,
    Compaction,
    Erasure,
    Verify,
    CatalogCheckpoint,
    IndexRenewal,
}

impl Task {
    const ALL: [Task; 6] =
        [Task::Sweep, Task::Compaction, Task::Erasure, Task::Verify, Task::CatalogCheckpoint, Task::IndexRenewal];

    /// A run begins: the span of it, and when that was.
    pub(crate) fn begin(self) -> (Span, Instant) {
        let phase = match self {
            Task::Sweep => Phase::Sweep,
            Task::Compaction => Phase::Compaction,
            Task::Erasure => Phase::Erasure,
            Task::Verify => Phase::Verify,
            Task::CatalogCheckpoint => Phase::CatalogCheckpoint,
            Task::IndexRenewal => Phase::IndexRenewal,
        };
        (telemetry::span(phase), Instant::now())
    }

    fn name(self) -> &'static str {
        match self {
            Task::Sweep => "sweep",
            Task::Compaction => "compaction",
            Task::Erasure => "erasure",
            Task::Verify => "verify",
            Task::CatalogCheckpoint => "catalog_checkpoint",
            Task::IndexRenewal => "index_renewal",
        }
    }
}

/// A report that can be told as numbers with names.
pub(crate) trait Counts {
    /// Its fields. A name is one word.
    fn counts(&self) -> Vec<(&'static str, u64)>;
}

impl Activities {
    fn row(&mut self, task: Task) -> &mut Option<Activity> {
        match task {
            Task::Sweep => &mut self.sweep,
            Task::Compaction => &mut self.compaction,
            Task::Erasure => &mut self.erasure,
            Task::Verify => &mut self.verify,
            Task::CatalogCheckpoint => &mut self.catalog_checkpoint,
            Task::IndexRenewal => &mut self.index_renewal,
        }
    }

    /// `kinds` gives what is written in the place of an error's message.
    fn encode(&mut self, kinds: &[(Task, &'static str)]) -> String {
        let mut text = String::new();
        for task in Task::ALL {
            let Some(activity) = self.row(task) else { continue };
            let kind = kinds.iter().rfind(|(of, _)| *of == task).map(|(_, kind)| *kind);
            let outcome = activity.error.as_deref().map_or("ok", |error| kind.unwrap_or(error));
            let (at_ms, took_ms) = (ms_of(activity.at), activity.duration.as_millis());
            let _ = write!(text, "{} {at_ms} {took_ms} {outcome}", task.name());
            for (name, count) in &activity.counts {
                let _ = write!(text, " {name}={count}");
            }
            text.push('\n');
        }
        let check = crc(text.as_bytes());
        let _ = writeln!(text, "crc {check:08x}");
        text
    }

    /// `None` of a file that is not whole.
    fn decode(text: &str) -> Option<Activities> {
        let (rows, check) = text.strip_suffix('\n')?.rsplit_once("crc ")?;
        if u32::from_str_radix(check, 16) != Ok(crc(rows.as_bytes())) {
            return None;
        }
        let mut all = Activities::default();
        for line in rows.lines() {
            let mut words = line.split(' ');
            let name = words.next()?;
            let mut number = || words.next()?.parse().ok();
            let (at, duration) = (time_of(number()?), Duration::from_millis(number()?));
            let error = words.next().filter(|outcome| *outcome != "ok").map(str::to_owned);
            let count = |word: &str| Some((word.split_once('=')?.0.to_owned(), word.split_once('=')?.1.parse().ok()?));
            let counts = words.map(count).collect::<Option<_>>()?;
            if let Some(task) = Task::ALL.into_iter().find(|task| task.name() == name) {
                *all.row(task) = Some(Activity { at, duration, error, counts });
            }
        }
        Some(all)
    }
}

/// The rows, as they are kept while the store is open.
#[derive(Default)]
pub(super) struct Kept {
    last: Activities,
    /// What kinds of errors there were: all that is written of them.
    kinds: Vec<(Task, &'static str)>,
    /// The file does not say it yet.
    unsaved: bool,
}

impl Kept {
    /// As the last process left them.
    pub(super) fn load(home: &Home, disk: &dyn crate::disk::Disk) -> Kept {
        let read = || -> std::io::Result<String> {
            let file = disk.open(&home.activity(), Access::Read)?;
            let mut bytes = vec![0; file.facts()?.len.min(LEN_MAX) as usize];
            file.read_at(&mut bytes, 0)?;
            String::from_utf8(bytes).map_err(std::io::Error::other)
        };
        let last = read().ok().and_then(|text| Activities::decode(&text)).unwrap_or_default();
        Kept { last, ..Kept::default() }
    }

    pub(super) fn last(&self) -> &Activities {
        &self.last
    }
}

impl Upkeep {
    /// Keeps what a run came to, and hands its outcome on.
    pub(crate) fn keep_activity<R: Counts>(&self, task: Task, begun: Instant, outcome: Result<R>) -> Result<R> {
        let (duration, error) = (begun.elapsed(), outcome.as_ref().err());
        let counts = outcome.as_ref().map(Counts::counts).unwrap_or_default();
        telemetry::upkeep(task.name(), duration, error, &counts);
        let mut kept = self.activities.lock();
        kept.kinds.retain(|(of, _)| *of != task);
        kept.kinds.extend(error.map(|error| (task, error.kind().face().name)));
        // Every close writes the catalog down; that alone is not worth a file.
        kept.unsaved |= task != Task::CatalogCheckpoint;
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let activity = Activity { at: self.clock.now(), duration, error: error.map(ToString::to_string), counts };
        *kept.last.row(task) = Some(activity);
        drop(kept);
        outcome
    }

    /// What was done last of each kind.
    pub(crate) fn activities(&self) -> Activities {
        self.activities.lock().last.clone()
    }

    /// Writes it down for the next process, if there is something new to tell. Nothing rests on it: it is written
    /// aside and renamed, so that it is whole unless the power goes, and when that fails it is left.
    pub(super) fn save_activities(&self) {
        let mut kept = self.activities.lock();
        if !std::mem::take(&mut kept.unsaved) {
            return;
        }
        let kinds = std::mem::take(&mut kept.kinds);
        let text = kept.last.encode(&kinds);
        kept.kinds = kinds;
        drop(kept);
        let (disk, path) = (self.log.disk.as_ref(), self.home.activity());
        let fresh = path.with_extension("new");
        let _ = disk.unlink(&fresh);
        let written = disk.open(&fresh, Access::Create);
        let written = written.and_then(|file| file.write_at(&[IoSlice::new(text.as_bytes())], 0));
        if written.and_then(|()| disk.rename(&fresh, &path)).is_err() {
            let _ = disk.unlink(&fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_again_unless_it_is_torn() {
        let counts = vec![("expired".to_owned(), 3), ("files_freed".to_owned(), 0)];
        let at = time_of(1_700_000_000_000);
        let sweep = Activity { at, duration: Duration::from_millis(12), error: None, counts };
        let error = Some("damage in /a/secret name".to_owned());
        let verify = Activity { at, duration: Duration::ZERO, error, counts: Vec::new() };
        let mut all = Activities { sweep: Some(sweep), verify: Some(verify), ..Activities::default() };
        let text = all.encode(&[(Task::Verify, "corrupt")]);
        assert!(!text.contains("secret"));
        let back = Activities::decode(&text).expect("whole");
        all.verify.as_mut().expect("set above").error = Some("corrupt".to_owned());
        assert_eq!(back, all);
        assert_eq!(back.clone().encode(&[]), text);
        assert!((0..text.len()).all(|end| Activities::decode(&text[..end]).is_none()));
        assert_eq!(Activities::decode(&Activities::default().encode(&[])), Some(Activities::default()));
    }
}

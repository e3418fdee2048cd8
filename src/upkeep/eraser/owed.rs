//! What is to be erased, and by when; what stands in the way.
//!
//! What lets go of something says when. Of what an earlier process has let go of, the log tells the ends of names;
//! whatever else there is died after the last pass began that is known of (`activity.rs`). Where none is, one is due
//! at once: so a process that lives for less than half of the time puts nothing off.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::{Eraser, ms};
use crate::disk::Access;
use crate::entry::ms_of;
use crate::error::{Error, Result};
use crate::log::record::OpView;
use crate::upkeep::Upkeep;
use crate::upkeep::activity::Activity;
use crate::upkeep::verifier::repair::time_of_note;

/// A pass that left something is tried again after this share of the time.
const AGAIN: u64 = 16;
/// The time stands within so much of a note.
const NOTE_LEN_MAX: u64 = 4096;

/// What is to be erased, and by when.
#[derive(Default)]
pub(crate) struct Owed {
    /// When the first of it died, Unix ms.
    pub(super) since_ms: Option<u64>,
    /// What an earlier process has left died after this; it says when to begin, and not how late it is.
    pub(super) before_ms: Option<u64>,
    /// When the first died of what the pass under way erases.
    pub(super) erasing_ms: Option<u64>,
    /// It is not tried again before.
    again_ms: u64,
    /// Why the last pass left something.
    pub(super) why: Option<String>,
    /// What is in `quarantine/`, and since when.
    aside: HashMap<String, u64>,
}

impl Owed {
    /// What is owed at open: whatever there is may hold something.
    pub(in crate::upkeep) fn at_open(is_empty: bool, last: Option<&Activity>) -> Owed {
        let begun =
            last.filter(|last| last.error.is_none()).map(|last| ms_of(last.at).saturating_sub(ms(last.duration)));
        Owed { before_ms: (!is_empty).then_some(begun.unwrap_or(0)), ..Owed::default() }
    }

    pub(super) fn add(&mut self, died_ms: u64) {
        self.since_ms = Some(self.since_ms.map_or(died_ms, |since| since.min(died_ms)));
    }
}

impl Upkeep {
    /// Takes down that something has died.
    pub(in crate::upkeep) fn owe(&self, died_ms: u64) {
        if self.erase_within.is_some() {
            self.owed.lock().add(died_ms);
        }
    }

    /// Takes down that something was set aside in `quarantine/`.
    pub(in crate::upkeep) fn owe_aside(&self, name: &str) {
        self.owed.lock().aside.insert(name.to_owned(), self.clock.now_ms());
    }

    /// How far the deadline is behind, and why, when it is.
    pub(crate) fn erasure_overdue(&self) -> Option<String> {
        let within = self.erase_within?;
        let owed = self.owed.lock();
        let aside = owed.aside.values().min().copied();
        let since = [owed.since_ms, owed.erasing_ms, aside, self.commit.first_death()].into_iter().flatten().min()?;
        let late = self.clock.now_ms().checked_sub(since.saturating_add(ms(within))).filter(|late| *late > 0)?;
        let why = owed.why.as_deref().unwrap_or("nobody has done it yet; call compact, or sweep in time");
        Some(format!("what was deleted should have been erased {:?} ago: {why}", Duration::from_millis(late)))
    }

    /// Whether half the time of the first that died is over.
    pub(super) fn is_due(&self, eraser: &mut Eraser, within: Duration) -> Result<bool> {
        self.look(eraser)?;
        let died = self.commit.take_first_death();
        let now_ms = self.clock.now_ms();
        let mut owed = self.owed.lock();
        died.into_iter().for_each(|died_ms| owed.add(died_ms));
        // A clock that was set back does not put anything off.
        owed.since_ms = owed.since_ms.map(|since| since.min(now_ms));
        owed.again_ms = owed.again_ms.min(now_ms + ms(within) / AGAIN);
        owed.before_ms = owed.before_ms.map(|before| before.min(now_ms));
        owed.aside.values_mut().for_each(|since| *since = (*since).min(now_ms));
        let since = [owed.since_ms, owed.before_ms].into_iter().flatten().chain(owed.aside.values().copied()).min();
        Ok(now_ms >= owed.again_ms && since.is_some_and(|since| now_ms >= since.saturating_add(ms(within) / 2)))
    }

    /// Looks at what an earlier process has left: the oldest end in each segment says since when.
    pub(super) fn look(&self, eraser: &mut Eraser) -> Result<()> {
        if eraser.has_looked {
            return Ok(());
        }
        let active = self.log.tail().rows().and_then(|(segment, rows)| Some((segment.clone(), rows.first_end()?)));
        let mut ends: Vec<_> = active.into_iter().collect();
        for segment in self.log.segments().into_iter().filter(|segment| segment.trailer().is_some()) {
            ends.extend(segment.first_end(&self.log.secret)?.map(|end| (segment, end)));
        }
        for (segment, (_, offset)) in ends {
            // What does not stand says nothing.
            let Ok(bytes) = segment.op(offset.into()) else { continue };
            OpView::decode(&bytes).into_iter().for_each(|op| self.owe(op.stamp().at_ms));
        }
        let dir = self.home.quarantine();
        let found = match self.log.disk.read_dir(&dir) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            // What is in it nobody knows: nothing is said to be erased.
            Err(error) => return Err(Error::io("list", &dir, error)),
        };
        let notes: HashMap<&str, u64> = found
            .iter()
            .filter_map(|file| {
                let stem = file.name.strip_suffix(".txt")?;
                Some((stem, time_of_note(&self.read_note(&dir.join(&file.name)).ok()?)?))
            })
            .collect();
        let mut owed = self.owed.lock();
        for file in &found {
            let stem = [".txt", ".bytes"].iter().find_map(|end| file.name.strip_suffix(end)).unwrap_or(&file.name);
            let since = notes.get(stem).copied().unwrap_or(eraser.opened_ms);
            owed.aside.entry(file.name.clone()).or_insert(since);
        }
        eraser.has_looked = true;
        Ok(())
    }

    /// The beginning of a note, which is text as a rule.
    fn read_note(&self, path: &Path) -> std::io::Result<String> {
        let file = self.log.disk.open(path, Access::Read)?;
        let mut bytes = vec![0; file.facts()?.len.min(NOTE_LEN_MAX) as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What was to be erased is owed still.
    pub(super) fn give_up(&self, why: String) {
        let again = self.erase_within.map_or(0, ms) / AGAIN;
        let mut owed = self.owed.lock();
        let erasing = owed.erasing_ms.take();
        erasing.into_iter().for_each(|since| owed.add(since));
        owed.again_ms = self.clock.now_ms() + again;
        owed.why = Some(why);
    }

    /// Step 6.
    pub(super) fn remove_aside(&self) -> Result<()> {
        let Some(within) = self.erase_within else { return Ok(()) };
        let old_ms = self.clock.now_ms().saturating_sub(ms(within) / 2);
        let old: Vec<String> = {
            let owed = self.owed.lock();
            owed.aside.iter().filter(|(_, since)| **since <= old_ms).map(|(name, _)| name.clone()).collect()
        };
        if old.is_empty() {
            return Ok(());
        }
        let dir = self.home.quarantine();
        for name in &old {
            let path = dir.join(name);
            match self.log.disk.unlink(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, error));
                }
                _ => {}
            }
        }
        self.log.disk.sync_dir(&dir).map_err(|e| Error::io("sync the directory", &dir, e))?;
        self.owed.lock().aside.retain(|name, _| !old.contains(name));
        Ok(())
    }
}

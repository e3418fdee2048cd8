//! Which names of which directories are durable, and what was done to names since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::support::random::Random;

use super::state::Node;
use super::{Crash, Keep};

/// A directory, by its place in [`Names`].
pub(super) type DirId = usize;

/// The directory everything else is below.
pub(super) const TOP: DirId = 0;

/// A name, in a directory.
pub(super) type Slot = (DirId, String);

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Child {
    File(Arc<Mutex<Node>>),
    Dir(DirId),
}

/// Something done to names, all of it or nothing: a creation gives one, an unlinking takes one, a
/// renaming does both.
#[derive(Default)]
struct Change {
    takes: Option<Slot>,
    gives: Option<(Slot, Child)>,
    /// The directory that is no more.
    ends: Option<DirId>,
}

impl Change {
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.takes.iter().chain(self.gives.iter().map(|(slot, _)| slot))
    }

    /// Whether a sync of this directory makes it durable. A renaming to another directory wants
    /// that one synced: the old name does not go before the new one is there.
    fn is_of(&self, dir: DirId) -> bool {
        match (&self.takes, &self.gives) {
            (_, Some(((given_in, _), _))) => *given_in == dir,
            (Some((taken_in, _)), None) => *taken_in == dir,
            (None, None) => false,
        }
    }
}

/// What is in one directory.
pub(super) type Entries = BTreeMap<String, Child>;

/// The tree of directories: as it is now, as it is for certain after a crash, and what lies between.
pub(super) struct Names {
    now: Vec<Entries>,
    durable: Vec<Entries>,
    pending: Vec<Change>,
}

impl Names {
    /// An empty top directory.
    pub(super) fn new() -> Names {
        Names { now: vec![Entries::new()], durable: vec![Entries::new()], pending: Vec::new() }
    }

    pub(super) fn look_up(&self, (dir, name): &Slot) -> Option<&Child> {
        self.now[*dir].get(name)
    }

    /// A directory that has no name yet.
    pub(super) fn new_dir(&mut self) -> DirId {
        self.now.push(Entries::new());
        self.durable.push(Entries::new());
        self.now.len() - 1
    }

    /// Gives a name that is durable from the start.
    pub(super) fn adopt(&mut self, (dir, name): Slot, child: Child) {
        self.now[dir].insert(name.clone(), child.clone());
        self.durable[dir].insert(name, child);
    }

    pub(super) fn give(&mut self, slot: Slot, child: Child) {
        self.change(Change { gives: Some((slot, child)), ..Change::default() });
    }

    /// The names in a directory.
    pub(super) fn below(&self, dir: DirId) -> Vec<String> {
        self.now[dir].keys().cloned().collect()
    }

    pub(super) fn take(&mut self, slot: Slot) {
        let ends = self.dir_at(&slot);
        self.change(Change { takes: Some(slot), ends, ..Change::default() });
    }

    pub(super) fn rename(&mut self, from: Slot, to: Slot) {
        if let Some(child) = self.look_up(&from).cloned() {
            let ends = self.dir_at(&to);
            self.change(Change { takes: Some(from), gives: Some((to, child)), ends });
        }
    }

    /// The names that a sync of this directory makes durable: those given, and those taken.
    pub(super) fn unsynced<'a>(&'a self, dir: DirId) -> (Vec<&'a str>, Vec<&'a str>) {
        let name = |slot: Option<&'a Slot>| slot.filter(|(of, _)| *of == dir).map(|(_, name)| name.as_str());
        let gives = self.pending.iter().filter_map(|change| name(change.gives.as_ref().map(|(slot, _)| slot)));
        let takes = self.pending.iter().filter_map(|change| name(change.takes.as_ref()));
        (gives.collect(), takes.collect())
    }

    fn dir_at(&self, slot: &Slot) -> Option<DirId> {
        match self.look_up(slot)? {
            Child::Dir(dir) => Some(*dir),
            Child::File(_) => None,
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    /// Makes durable what was done to names in this directory, and what that builds upon.
    pub(super) fn sync(&mut self, dir: DirId) {
        let (mut slots, mut ended) = (BTreeSet::new(), BTreeSet::new());
        let mut chosen = vec![false; self.pending.len()];
        for (nth, change) in self.pending.iter().enumerate().rev() {
            let is_needed = |slot: &Slot| slots.contains(slot) || ended.contains(&slot.0);
            if change.is_of(dir) || change.slots().any(is_needed) {
                slots.extend(change.slots().cloned());
                ended.extend(change.ends);
                chosen[nth] = true;
            }
        }
        let mut chosen = chosen.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let is_durable = chosen.next() == Some(true);
            if is_durable {
                apply(durable, change);
            }
            !is_durable
        });
    }

    /// The directories the disk may hold after the power went, in the places they have here.
    pub(super) fn after(&self, crash: Crash, random: &mut Random) -> Vec<Entries> {
        let mut left = self.durable.clone();
        // A journal keeps a prefix of all; else any set in which no change comes without those
        // before it that it builds upon: to the same name, of its directory, in what it removes.
        let prefix = match crash.keep {
            Keep::Nothing => Some(0),
            Keep::Everything => Some(self.pending.len()),
            Keep::Random(_) if random.sixteenths(4) => Some(random.below(self.pending.len() as u64 + 1) as usize),
            Keep::Random(_) => None,
        };
        let chance = [1, 8, 15][random.below(3) as usize];
        let (mut broken, mut unmade) = (BTreeSet::<&Slot>::new(), BTreeSet::new());
        for (nth, change) in self.pending.iter().enumerate() {
            let chosen = prefix.map_or_else(|| random.sixteenths(chance), |prefix| nth < prefix);
            let is_broken = |slot: &Slot| broken.contains(slot) || unmade.contains(&slot.0);
            let ends_broken = change.ends.is_some_and(|dir| broken.iter().any(|slot| slot.0 == dir));
            if chosen && !ends_broken && !change.slots().any(is_broken) {
                apply(&mut left, change);
                continue;
            }
            broken.extend(change.slots());
            if let Some((_, Child::Dir(dir))) = &change.gives {
                unmade.insert(*dir);
            }
        }
        left
    }
}

fn apply(dirs: &mut [Entries], change: &Change) {
    if let Some((dir, name)) = &change.takes {
        dirs[*dir].remove(name);
    }
    if let Some(((dir, name), child)) = &change.gives {
        dirs[*dir].insert(name.clone(), child.clone());
    }
}

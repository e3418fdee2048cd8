//! How the power goes, and what is left: a new disk made of it.

use std::collections::HashMap;
use std::fs;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mediacask::disk::files::{RealDisk, RealFile};
use mediacask::disk::{Access, Disk, DiskFile};
use parking_lot::Mutex;

use crate::support::random::Random;

use super::content::Bytes;
use super::index::Image;
use super::names::{Child, Entries, Names, TOP};
use super::state::{Node, State};
use super::{FaultDisk, label};

/// Which of what was not synced survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None of it.
    Nothing,
    /// All of it, as after `kill -9`.
    Everything,
    /// Any of it, by a seed.
    Random(u64),
}

/// In which units a write survives, with [`Keep::Random`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tear {
    /// As a whole.
    Whole,
    /// Sectors of 512 bytes.
    Sector512,
    /// Pages of 4096 bytes.
    Page4096,
}

impl Tear {
    pub(super) fn unit(self) -> Option<u64> {
        match self {
            Tear::Whole => None,
            Tear::Sector512 => Some(512),
            Tear::Page4096 => Some(4096),
        }
    }
}

/// How the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) keep: Keep,
    pub(crate) tear: Tear,
}

impl Crash {
    /// Only what was synced is left.
    pub(crate) const NOTHING_KEPT: Crash = Crash { keep: Keep::Nothing, tear: Tear::Whole };
    /// All is left.
    pub(crate) const ALL_KEPT: Crash = Crash { keep: Keep::Everything, tear: Tear::Whole };

    /// A crash of a seed, torn in units of the seed.
    pub(crate) fn random(seed: u64) -> Crash {
        let tears = [Tear::Whole, Tear::Sector512, Tear::Page4096];
        let tear = tears[Random::new(!seed).below(3) as usize];
        Crash { keep: Keep::Random(seed), tear }
    }
}

impl FaultDisk {
    /// Cuts the power: a new disk with what may be left, all of it durable there. This one goes on
    /// as if nothing had been; [`FaultDisk::power_off`] stops it.
    pub(crate) fn crash(&self, how: Crash) -> Arc<FaultDisk> {
        let state = self.0.state.lock();
        if let Some(broken) = &state.broken_rule {
            panic!("{broken}");
        }
        let mut random = Random::new(match how.keep {
            Keep::Random(seed) => seed,
            Keep::Nothing | Keep::Everything => 0,
        });
        let left = state.names.after(how, &mut random);
        let disk = FaultDisk::new(random.next());
        let mut new = disk.0.state.lock();
        build(&left, how, &mut random, disk.0.dir.path(), &mut new);

        new.index.clone_from(&state.index);
        let now = Image::take(&self.0.dir.path().join(&state.index));
        let older = state.older_index.clone();
        let index = match how.keep {
            Keep::Nothing => older.clone(),
            Keep::Everything => now.clone(),
            Keep::Random(_) => match random.below(3) {
                0 => None,
                1 => older.clone().or(now.clone()),
                _ => now.clone(),
            },
        };
        // Without its store's directory there is nowhere for it to be.
        let real_index = disk.0.dir.path().join(&state.index);
        if let Some(image) = index.filter(|_| real_index.parent().is_some_and(Path::is_dir)) {
            image.put(&real_index).unwrap();
        }
        new.older_index = now.or(older);
        drop(new);
        disk
    }

    /// Takes what lies in the real directory for durable, whoever put it there: after a test has
    /// copied a store in, or damaged a file by hand. No file may be open.
    pub(crate) fn adopt_all(&self) {
        let mut state = self.0.state.lock();
        (state.names, state.nodes) = (Names::new(), Vec::new());
        let mut seen = HashMap::new();
        let mut dirs = vec![(TOP, PathBuf::new())];
        while let Some((dir, below)) = dirs.pop() {
            for found in RealDisk.read_dir(&self.0.dir.path().join(&below)).unwrap() {
                let path = below.join(&found.name);
                if path == state.index {
                    continue;
                }
                let slot = (dir, found.name);
                if found.is_dir {
                    let inner = state.names.new_dir();
                    state.names.adopt(slot, Child::Dir(inner));
                    dirs.push((inner, path));
                } else {
                    let real = self.0.dir.path().join(&path);
                    let facts = RealFile::open(&real, Access::Read).and_then(|file| file.facts()).unwrap();
                    let node = seen.entry(facts.id).or_insert_with(|| {
                        let node = state.add_node(Bytes::of(&fs::read(&real).unwrap()), label(&path));
                        let mut made = node.lock();
                        (made.names, made.mode, made.durable_mode) = (0, facts.mode, facts.mode);
                        drop(made);
                        node
                    });
                    node.lock().names += 1;
                    let node = node.clone();
                    state.names.adopt(slot, Child::File(node));
                }
            }
        }
    }
}

/// Makes the directories and files that are left, below `root`, and their record.
fn build(left: &[Entries], how: Crash, random: &mut Random, root: &Path, new: &mut State) {
    let mut dirs = vec![(TOP, TOP, PathBuf::new())];
    // Files that were made, by what they were: one that has several names has them again.
    let mut files = HashMap::new();
    while let Some((old_dir, new_dir, below)) = dirs.pop() {
        for (name, child) in &left[old_dir] {
            let path = below.join(name);
            let slot = (new_dir, name.clone());
            match child {
                Child::Dir(inner) => {
                    RealDisk.create_dir(&root.join(&path)).unwrap();
                    let new_inner = new.names.new_dir();
                    new.names.adopt(slot, Child::Dir(new_inner));
                    dirs.push((*inner, new_inner, path));
                }
                Child::File(node) => {
                    let known: Option<&(PathBuf, Arc<Mutex<Node>>)> = files.get(&Arc::as_ptr(node));
                    if let Some((first, node)) = known {
                        RealDisk.hard_link(&root.join(first), &root.join(&path)).unwrap();
                        node.lock().names += 1;
                        new.names.adopt(slot, Child::File(Arc::clone(node)));
                        continue;
                    }
                    let was = node.lock();
                    let bytes = was.content.after(how, random);
                    let mode = match how.keep {
                        Keep::Nothing => was.durable_mode,
                        Keep::Random(_) if was.mode != was.durable_mode && random.sixteenths(8) => was.durable_mode,
                        Keep::Everything | Keep::Random(_) => was.mode,
                    };
                    put(&bytes, mode, &root.join(&path)).unwrap();
                    let now = new.add_node(bytes, label(&path));
                    now.lock().mode = mode;
                    now.lock().durable_mode = mode;
                    files.insert(Arc::as_ptr(node), (path, Arc::clone(&now)));
                    new.names.adopt(slot, Child::File(now));
                }
            }
        }
    }
}

/// Makes a real file of these bytes.
fn put(bytes: &Bytes, mode: u32, path: &Path) -> io::Result<()> {
    let real = RealFile::open(path, Access::Create)?;
    real.set_mode(mode)?;
    real.set_len(bytes.len)?;
    bytes.pieces().try_for_each(|(offset, piece)| real.write_at(&[IoSlice::new(piece)], offset))
}

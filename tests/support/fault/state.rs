//! What a disk remembers beside its real directory.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::support::random::Random;

use super::content::{Bytes, Content};
use super::index::Image;
use super::names::{Child, DirId, Names, Slot, TOP};
use super::plan::{Fault, Plan};
use super::{NAME_ROOM, SyncKind};

/// A file: what is durable of it, and what concerns its room.
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) allocated: u64,
    /// How many names it has.
    pub(super) names: usize,
    /// Its permission bits, and those it had when it was last synced.
    pub(super) mode: u32,
    pub(super) durable_mode: u32,
    pub(super) handles: usize,
    /// Below the store, for whoever reads a log of calls.
    pub(super) path: Arc<str>,
}

/// What a sync is about to make durable.
pub(crate) struct Synced<'a> {
    pub(crate) kind: SyncKind,
    /// Below the store.
    pub(crate) path: &'a str,
    /// Of a file: its length, and the writes with their offsets.
    pub(crate) len: u64,
    pub(crate) writes: Vec<(u64, &'a [u8])>,
    /// Of a directory: names given and taken in it.
    pub(crate) gives: Vec<&'a str>,
    pub(crate) takes: Vec<&'a str>,
}

type Skips = Arc<dyn Fn(&Synced<'_>) -> bool + Send + Sync>;

/// The record, the plan, and the rules of one disk.
pub(super) struct State {
    pub(super) names: Names,
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) nodes: Vec<Weak<Mutex<Node>>>,
    /// How many bytes all files together may have, on a disk that can be full.
    pub(super) room: Option<u64>,
    pub(super) drops_after_failed_sync: bool,
    pub(super) skipped: Vec<(SyncKind, String)>,
    pub(super) skips_where: Option<Skips>,
    pub(super) index: PathBuf,
    pub(super) older_index: Option<Image>,
    pub(super) broken_rule: Option<String>,
    /// Files have one name only, as between two file systems.
    pub(super) refuses_links: bool,
}

impl State {
    pub(super) fn new(seed: u64, index: PathBuf) -> State {
        State {
            names: Names::new(),
            plan: Plan::default(),
            random: Random::new(seed),
            nodes: Vec::new(),
            room: None,
            drops_after_failed_sync: false,
            skipped: Vec::new(),
            skips_where: None,
            index,
            older_index: None,
            broken_rule: None,
            refuses_links: false,
        }
    }

    pub(super) fn add_node(&mut self, bytes: Bytes, path: Arc<str>) -> Arc<Mutex<Node>> {
        let allocated = bytes.len;
        let content = Content::durable(bytes);
        let node = Node { content, allocated, names: 1, mode: 0o600, durable_mode: 0o600, handles: 0, path };
        let node = Arc::new(Mutex::new(node));
        if self.nodes.len() == self.nodes.capacity() {
            self.nodes.retain(|node| node.strong_count() > 0);
        }
        self.nodes.push(Arc::downgrade(&node));
        node
    }

    /// The file of a name. What others put there, a test or sled, is durable from the start.
    pub(super) fn known(&mut self, slot: Slot, real: &Path) -> io::Result<Arc<Mutex<Node>>> {
        if let Some(Child::File(node)) = self.names.look_up(&slot) {
            return Ok(Arc::clone(node));
        }
        let node = self.add_node(Bytes::of(&fs::read(real)?), Arc::from(slot.1.as_str()));
        self.names.adopt(slot, Child::File(Arc::clone(&node)));
        Ok(node)
    }

    /// The directory of a path below the disk's, if the record knows it.
    pub(super) fn dir(&self, below: &Path) -> Option<DirId> {
        below.components().try_fold(TOP, |dir, part| {
            let Component::Normal(name) = part else {
                return None;
            };
            match self.names.look_up(&(dir, name.to_str()?.to_owned()))? {
                Child::Dir(inner) => Some(*inner),
                Child::File(_) => None,
            }
        })
    }

    pub(super) fn slot(&self, below: &Path) -> Option<Slot> {
        let name = below.file_name()?.to_str()?.to_owned();
        Some((self.dir(below.parent()?)?, name))
    }

    pub(super) fn take_name(&mut self, slot: Slot) {
        match self.names.look_up(&slot) {
            Some(Child::File(node)) => node.lock().names -= 1,
            Some(Child::Dir(dir)) => {
                let dir = *dir;
                let below = self.names.below(dir);
                for name in below {
                    self.take_name((dir, name));
                }
            }
            // Nothing the record knows of.
            None => return,
        }
        self.names.take(slot);
    }

    /// Notes a change of a file that another directory shares.
    pub(super) fn check_unshared(&mut self, node: &Node) {
        if node.names > 1 {
            self.broken_rule = Some(format!("{} was changed while it had {} names", node.path, node.names));
        }
    }

    pub(super) fn skips_file(&mut self, node: &Node) -> bool {
        let synced = || Synced {
            kind: SyncKind::File,
            path: &node.path,
            len: node.content.len(),
            writes: node.content.unsynced(),
            gives: Vec::new(),
            takes: Vec::new(),
        };
        let skips = self.skips_where.as_ref().is_some_and(|skips| skips(&synced()));
        self.skips(SyncKind::File, &node.path, skips)
    }

    pub(super) fn skips_dir(&mut self, dir: Option<DirId>, path: &str) -> bool {
        let (gives, takes) = dir.map(|dir| self.names.unsynced(dir)).unwrap_or_default();
        let synced = Synced { kind: SyncKind::Dir, path, len: 0, writes: Vec::new(), gives, takes };
        let skips = self.skips_where.as_ref().is_some_and(|skips| skips(&synced));
        self.skips(SyncKind::Dir, path, skips)
    }

    fn skips(&mut self, kind: SyncKind, path: &str, skips: bool) -> bool {
        let skips = skips
            || self.skipped.iter().any(|(of, pattern)| {
                let is_there = path.ends_with(pattern.as_str()) && (pattern != "." || path == ".");
                *of == kind && (is_there || pattern.ends_with('/') && path.starts_with(pattern.as_str()))
            });
        self.plan.counts.syncs_skipped += u64::from(skips);
        skips
    }

    /// The bytes of all files that have a name or are open.
    pub(super) fn used(&self) -> u64 {
        let nodes = self.nodes.iter().filter_map(Weak::upgrade);
        nodes.map(|node| node.lock().room()).sum()
    }

    pub(super) fn fill_up(&mut self) {
        if self.room.is_none() && self.plan.is_full() {
            self.room = Some(self.used());
        }
    }

    /// How many of `more` bytes there is room for.
    pub(super) fn room_for(&self, more: u64) -> u64 {
        let left = self.room.map_or(u64::MAX, |room| room.saturating_sub(self.used()));
        more.min(left)
    }

    pub(super) fn take_room(&self, more: u64) -> io::Result<()> {
        if self.room_for(more) < more {
            return Err(Fault::Enospc.error());
        }
        Ok(())
    }
}

impl Node {
    fn room(&self) -> u64 {
        let is_there = self.names > 0 || self.handles > 0;
        if is_there { NAME_ROOM + self.allocated } else { 0 }
    }
}

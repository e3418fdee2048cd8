//! The directory of the index: which tree in it is the current one.
//!
//! No directory is used twice: each tree gets the next number, so what is left of one is never taken
//! for the files of another. The lowest number whose tree has a position is the current one: what is
//! to replace it is complete before it loses its name, and what a crash left incomplete has no
//! position.
//!
//! ```text
//! index/00000007         a tree
//! index/00000006.aside   was the current one; removed with its last reader, or at the next open
//! ```
//!
//! Names that are none of these are left alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, Found};

use super::guard::{self, Failure, FailureKind};
use super::tree::{self, Census, Tree};

/// Smallest cache: below a few hundred bytes sled panics, below this it only turns pages over.
const CACHE_BYTES_MIN: u64 = 1 << 20;

/// Cache of a tree that is being filled: names in order fill one page after the other.
const FILL_CACHE_BYTES: u64 = 8 << 20;

/// Where trees are, and what they are opened with.
pub(super) struct Directory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    store_id: [u8; 16],
    cache_bytes: u64,
    /// The number of the next tree.
    next: AtomicU64,
    census: Arc<Census>,
}

impl Directory {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path, store_id: [u8; 16], cache_bytes: u64) -> Directory {
        disk.index_at(path);
        Directory {
            disk,
            path: path.to_path_buf(),
            store_id,
            cache_bytes: cache_bytes.max(CACHE_BYTES_MIN),
            next: AtomicU64::new(1),
            census: Arc::default(),
        }
    }

    /// The current tree, if there is one that can be used; all others are removed, and `tell` is told
    /// why.
    pub(super) fn find(&self, tell: &mut dyn FnMut(&str)) -> Option<Tree> {
        let mut numbers = Vec::new();
        for found in self.list().unwrap_or_default() {
            let stem = found.name.strip_suffix(".aside");
            let Some(number) = number_of(stem.unwrap_or(&found.name)) else {
                continue;
            };
            self.next.fetch_max(number.saturating_add(1), Ordering::Relaxed);
            if stem.is_some() {
                tree::remove(&*self.disk, &self.path.join(&found.name));
            } else {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        let mut current = None;
        for number in numbers {
            let dir = self.path_of(number);
            if current.is_none() && guard::refusal().is_none() {
                current = self.open(&dir, tell);
                if current.is_some() {
                    continue;
                }
            }
            tree::discard(&*self.disk, &dir);
        }
        current
    }

    fn open(&self, dir: &Path, tell: &mut dyn FnMut(&str)) -> Option<Tree> {
        let tree = match Tree::open(&self.disk, dir, self.cache_bytes, &self.census) {
            Ok(tree) => tree,
            Err(failure) => {
                if failure.kind == FailureKind::Pool {
                    guard::give_up(&failure.why);
                }
                tell(&failure.why);
                return None;
            }
        };
        match tree.position() {
            Ok(Some(position)) if position.store_id == self.store_id => return Some(tree),
            Ok(Some(_)) => tell("it belongs to another store"),
            // What a crash left of a beginning, or of a tail: nothing to tell of.
            Ok(None) => {}
            Err(broken) => tell(&broken.to_string()),
        }
        None
    }

    /// A new and empty tree.
    pub(super) fn begin(&self) -> Result<Tree, Failure> {
        self.begin_with(self.cache_bytes)
    }

    /// A new and empty tree, to be filled in order and then [finished](Directory::finish): for that
    /// it needs little of a cache, beside the one of the tree it is to replace.
    pub(super) fn begin_to_fill(&self) -> Result<Tree, Failure> {
        self.begin_with(self.cache_bytes.min(FILL_CACHE_BYTES))
    }

    /// Opens a filled tree again, with the cache it is to be read with. It also gets its snapshot
    /// that way, and later opens do not replay what filled it.
    pub(super) fn finish(&self, filled: Tree) -> Result<Tree, Failure> {
        let dir = filled.dir().to_path_buf();
        drop(filled);
        let finished = Tree::open(&self.disk, &dir, self.cache_bytes, &self.census);
        if finished.is_err() {
            tree::discard(&*self.disk, &dir);
        }
        finished
    }

    fn begin_with(&self, cache_bytes: u64) -> Result<Tree, Failure> {
        if let Some(why) = guard::refusal() {
            return Err(Failure::new(FailureKind::Pool, why));
        }
        let dir = self.path_of(self.next.fetch_add(1, Ordering::Relaxed));
        let made = self.list().and_then(|_| self.disk.create_dir(&dir));
        made.map_err(|e| Failure::new(FailureKind::Error, format!("cannot make {}: {e}", dir.display())))?;
        let begun = Tree::open(&self.disk, &dir, cache_bytes, &self.census);
        if let Err(failure) = &begun {
            tree::discard(&*self.disk, &dir);
            if matches!(failure.kind, FailureKind::Panic | FailureKind::Pool) {
                // In an empty directory there is no damage to blame.
                guard::give_up(&failure.why);
            }
        }
        begun
    }

    /// Removes every tree but the current one, if there is one on the disk; says whether none is left. While
    /// somebody reads in another one, nothing is removed: it goes with its last reader.
    pub(super) fn remove_all_but(&self, current: Option<&Path>) -> bool {
        if self.census.open() > usize::from(current.is_some()) {
            return false;
        }
        let others = || -> io::Result<Vec<PathBuf>> {
            let is_tree = |name: &str| number_of(name.strip_suffix(".aside").unwrap_or(name)).is_some();
            let found = self.list()?.into_iter().filter(|found| is_tree(&found.name));
            Ok(found.map(|found| self.path.join(found.name)).filter(|path| Some(&**path) != current).collect())
        };
        for path in others().unwrap_or_default() {
            if path.extension().is_some() {
                tree::remove(&*self.disk, &path);
            } else {
                tree::discard(&*self.disk, &path);
            }
        }
        others().is_ok_and(|left| left.is_empty())
    }

    /// Waits until all trees are closed.
    pub(super) fn wait_for_none(&self) {
        self.census.wait_for(0);
    }

    /// Waits until one tree is open, or none; not for ever.
    pub(super) fn wait_for_one(&self) {
        self.census.wait_for(1);
    }

    pub(super) fn bytes_on_disk(&self) -> u64 {
        bytes_in(&*self.disk, &self.path)
    }

    /// What is in the directory, which is made if it is not there.
    fn list(&self) -> io::Result<Vec<Found>> {
        self.disk.read_dir(&self.path).or_else(|_| {
            // A file in its place goes; a directory that cannot be read would not.
            let _ = self.disk.unlink(&self.path);
            self.disk.create_dir(&self.path)?;
            self.disk.read_dir(&self.path)
        })
    }

    fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(name_of(number))
    }
}

/// Bytes of the files in a directory and below.
fn bytes_in(disk: &dyn Disk, dir: &Path) -> u64 {
    let found = disk.read_dir(dir).unwrap_or_default().into_iter();
    found.map(|f| if f.is_dir { bytes_in(disk, &dir.join(f.name)) } else { f.len }).sum()
}

/// The number of a tree's directory, unless it is none of ours.
fn number_of(name: &str) -> Option<u64> {
    let number = name.parse().ok()?;
    (name_of(number) == name).then_some(number)
}

fn name_of(number: u64) -> String {
    format!("{number:08}")
}

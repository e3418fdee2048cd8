//! The directory a checkpoint is made in: claimed, filled, completed.
//!
//! A crash
//! 1. before it is claimed leaves a directory that may be claimed again;
//! 2. before it is completed, a MANIFEST that says so, or the earlier one with everything it lists;
//! 3. after that, the new one, and maybe files that it does not list: they do not count.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::same::{Side, is_same};
use super::{
    CheckpointReport, MANIFEST, adopt, copy_file, create_dir, files_of, read_manifest, sync_dir, unlink, write_manifest,
};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Error, Result};
use crate::home::{create_dir_all, lock, read_store, replace_file, sync_parent};
use crate::log::format::StoreFile;
use crate::log::manifest::{ListedFile, ListedSegment, Manifest};
use crate::log::segment::Segment;
use crate::options::invalid;

/// Names that may stand in a directory before it is claimed: a crash leaves them.
const MADE_BEFORE: [&str; 2] = ["LOCK", "MANIFEST.new"];
/// A segment that is shared is of this mode, and so never written again.
const READ_ONLY: u32 = 0o400;

/// What may stand in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing, or something that was broken off.
    New,
    /// An earlier checkpoint of the same store, too.
    NewOrLater,
}

/// A file of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Listed {
    Segment(ListedSegment),
    File(ListedFile),
}

impl Listed {
    pub(super) fn len(&self) -> u64 {
        match self {
            Listed::Segment(segment) => segment.len,
            Listed::File(file) => file.len,
        }
    }

    /// Its place below the directory.
    pub(super) fn below(&self) -> PathBuf {
        match self {
            Listed::Segment(segment) => Path::new("segments").join(segment.file_name()),
            Listed::File(file) => {
                let (subdirectory, name) = file.name.place();
                Path::new("files").join(subdirectory).join(name)
            }
        }
    }
}

/// All that a MANIFEST lists.
pub(super) fn listed(manifest: &Manifest) -> impl Iterator<Item = Listed> {
    let segments = manifest.segments.iter().copied().map(Listed::Segment);
    segments.chain(manifest.files.iter().copied().map(Listed::File))
}

/// A file that is to be in the checkpoint, and where it is now.
pub(super) struct Item {
    pub(super) what: Listed,
    pub(super) from: PathBuf,
    /// Of an open store: keeps the file from being written again for as long as it is copied.
    pub(super) segment: Option<Arc<Segment>>,
}

impl Item {
    fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn DiskFile>> {
        match &self.segment {
            Some(segment) => Ok(segment.file.clone()),
            None => disk.open(&self.from, Access::Read).map_err(|e| Error::io("open", &self.from, e)),
        }
    }
}

/// A directory that is being made a checkpoint of one store.
pub(super) struct Place {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store_id: [u8; 16],
    /// Holds off those who would open it, or make another checkpoint here.
    lock: Arc<dyn DiskFile>,
    /// What the checkpoint that is here already lists, by its place.
    before: HashMap<PathBuf, Listed>,
    /// The files that are here, by their place, with their lengths.
    there: HashMap<PathBuf, u64>,
    /// What will count.
    listed: Vec<Listed>,
    /// Directories in which names were given.
    changed: BTreeSet<PathBuf>,
    report: CheckpointReport,
}

impl Place {
    /// Takes the directory for a checkpoint of `store`; makes it where there is none.
    pub(super) fn claim(disk: Arc<dyn Disk>, dir: &Path, store: &StoreFile, claim: Claim, at_ms: u64) -> Result<Place> {
        let d = disk.as_ref();
        create_dir_all(d, dir)?;
        // Nothing is changed in a directory of somebody else's; what counts is what is there under the lock.
        earlier(d, dir, store, claim)?;
        let lock = lock(d, dir)?;
        let earlier = earlier(d, dir, store, claim)?;
        if earlier.is_none() {
            write_manifest(d, dir, &Manifest::begun(store.id, at_ms))?;
            sync_parent(d, dir)?;
        }
        for name in ["segments", "files", "staging"] {
            create_dir(d, &dir.join(name))?;
        }
        replace_file(d, dir, "STORE", &mut |file| file.write_at(&[IoSlice::new(&store.encode())], 0))?;
        let before = earlier.filter(|manifest| manifest.is_complete);
        let before = before.iter().flat_map(listed).map(|listed| (listed.below(), listed)).collect();
        let there = files_of(d, dir)?;
        Ok(Place {
            disk,
            dir: dir.to_path_buf(),
            store_id: store.id,
            lock,
            before,
            there,
            listed: Vec::new(),
            changed: BTreeSet::from([PathBuf::from("segments"), PathBuf::from("files")]),
            report: CheckpointReport::default(),
        })
    }

    /// Keeps what is here already and links what can be linked; gives what is left to copy. Quick: it is called
    /// while nothing may leave the log.
    pub(super) fn link(&mut self, items: Vec<Item>) -> Result<Vec<Item>> {
        let device = self.lock.facts().map_err(|e| Error::io("look at", &self.dir, e))?.id.device;
        // All of them are looked at before anything is changed: a checkpoint of another history is left as it is.
        let kept: Vec<_> = items.iter().map(|item| self.kept(item)).collect::<Result<_>>()?;
        let mut left = Vec::new();
        for (item, kept) in items.into_iter().zip(kept) {
            if let Some(kept) = kept {
                self.report.files_kept += 1;
                self.listed.push(kept);
            } else if self.is_linked(&item, device)? {
                self.report.files_linked += 1;
                self.report.bytes_linked += item.what.len();
                self.listed.push(item.what);
            } else {
                left.push(item);
            }
        }
        Ok(left)
    }

    /// Copies what could not be linked.
    pub(super) fn copy(&mut self, items: &[Item]) -> Result<()> {
        for item in items {
            let (at, to) = self.make_way(&item.what)?;
            let file = item.open(self.disk.as_ref())?;
            copy_file(self.disk.as_ref(), (file.as_ref(), &item.from), &at, item.what.len())?;
            self.name(&at, &to)?;
            self.report.files_copied += 1;
            self.report.bytes_copied += item.what.len();
            self.listed.push(item.what);
        }
        Ok(())
    }

    /// Makes the checkpoint the one that counts, and removes what only the earlier one had.
    pub(super) fn complete(&mut self, last_sequence: u64, at_ms: u64) -> Result<CheckpointReport> {
        let disk = self.disk.as_ref();
        for below in &self.changed {
            sync_dir(disk, &self.dir.join(below))?;
        }
        let mut manifest = Manifest { is_complete: true, last_sequence, ..Manifest::begun(self.store_id, at_ms) };
        for listed in &self.listed {
            match listed {
                Listed::Segment(segment) => manifest.segments.push(*segment),
                Listed::File(file) => manifest.files.push(*file),
            }
        }
        manifest.segments.sort_unstable_by_key(|segment| segment.id);
        write_manifest(disk, &self.dir, &manifest)?;
        let counts: HashSet<PathBuf> = self.listed.iter().map(Listed::below).collect();
        for below in self.there.keys().filter(|below| !counts.contains(*below)) {
            unlink(disk, &self.dir.join(below))?;
        }
        self.report.last_sequence = last_sequence;
        Ok(self.report)
    }

    /// Makes a store of it; whoever waits for the lock finds one.
    pub(super) fn adopt(self) -> Result<()> {
        adopt(self.disk.as_ref(), &self.dir)
    }

    /// What stands for this file already, if an earlier checkpoint brought it here.
    fn kept(&self, item: &Item) -> Result<Option<Listed>> {
        let below = item.what.below();
        let Some(known) = self.before.get(&below).filter(|known| self.there.get(&below) == Some(&known.len())) else {
            return Ok(None);
        };
        let is_kept = match (item.what, known) {
            (Listed::Segment(wanted), Listed::Segment(_)) => {
                let path = self.dir.join(&below);
                let disk = self.disk.as_ref();
                let here = disk.open(&path, Access::Read).map_err(|e| Error::io("open", &path, e))?;
                let there = item.open(disk)?;
                let (old, now) =
                    (Side { file: here.as_ref(), path: &path }, Side { file: there.as_ref(), path: &item.from });
                is_same(wanted, old, now)?
            }
            // Its name is of its content.
            _ => true,
        };
        Ok(is_kept.then_some(*known))
    }

    /// Links a file, if the system lets us and it is never written again.
    fn is_linked(&mut self, item: &Item, device: u64) -> Result<bool> {
        let is_segment = match item.what {
            Listed::Segment(ListedSegment { is_tail: true, .. }) => return Ok(false),
            Listed::Segment(_) => true,
            Listed::File(_) => false,
        };
        let file = item.open(self.disk.as_ref())?;
        let failed = |e| Error::io("look at", &item.from, e);
        let facts = file.facts().map_err(failed)?;
        if facts.id.device != device {
            return Ok(false);
        }
        let (at, to) = self.make_way(&item.what)?;
        // Read-only first: from then on it is nobody's to write again, whatever becomes of the link.
        let turns = is_segment && facts.mode & 0o777 != READ_ONLY;
        if turns && file.set_mode(READ_ONLY).is_err() {
            return Ok(false);
        }
        let Err(error) = self.disk.hard_link(&item.from, &at) else { return self.name(&at, &to).map(|()| true) };
        if turns {
            // It is still the store's alone. If this fails, it is not recycled, and no more.
            let _ = file.set_mode(facts.mode & 0o777);
        }
        match error.kind() {
            IoKind::CrossesDevices | IoKind::Unsupported | IoKind::TooManyLinks | IoKind::PermissionDenied => Ok(false),
            _ => Err(Error::io("link to", &to, error)),
        }
    }

    /// Where the file is made, and where it goes. Its directory is made, and what stands there removed; but what an
    /// earlier checkpoint lists stays until the file is made.
    fn make_way(&mut self, what: &Listed) -> Result<(PathBuf, PathBuf)> {
        let below = what.below();
        let to = self.dir.join(&below);
        let parent = below.parent().expect("it lies in a directory").to_path_buf();
        if !self.changed.contains(&parent) {
            create_dir(self.disk.as_ref(), &self.dir.join(&parent))?;
            self.changed.insert(parent);
        }
        let stands = self.there.contains_key(&below);
        let counts = stands && self.before.contains_key(&below);
        let at = if counts { to.with_extension("new") } else { to.clone() };
        if stands {
            unlink(self.disk.as_ref(), &at)?;
        }
        Ok((at, to))
    }

    fn name(&self, at: &Path, to: &Path) -> Result<()> {
        if at == to {
            return Ok(());
        }
        self.disk.rename(at, to).map_err(|e| Error::io("rename to", to, e))
    }
}

/// The MANIFEST of an earlier checkpoint, or of one that was broken off, if it is of the same store; an error if
/// the directory may not be claimed.
fn earlier(disk: &dyn Disk, dir: &Path, store: &StoreFile, claim: Claim) -> Result<Option<Manifest>> {
    let refuse = |why: String| Err(invalid(format!("{} {why}", dir.display())).at(dir));
    let found = disk.read_dir(dir).map_err(|e| Error::io("list", dir, e))?;
    let Some(manifest) = read_manifest(disk, dir)? else {
        return match found.iter().find(|found| !MADE_BEFORE.contains(&found.name.as_str())) {
            None => Ok(None),
            Some(other) => refuse(format!(
                "holds {:?} and no {MANIFEST} of this store; give an empty directory, one that does not exist, or \
                 that of an earlier checkpoint of this store",
                other.name
            )),
        };
    };
    if manifest.store_id != store.id {
        return refuse("holds a checkpoint of another store; give another directory".to_owned());
    }
    if claim == Claim::New && manifest.is_complete {
        return refuse("holds a checkpoint already; give an empty directory, or one that does not exist".to_owned());
    }
    if found.iter().any(|found| found.name == "STORE") && read_store(disk, dir)? != *store {
        return refuse(
            "holds a checkpoint that is being made a store of its own: open it once more, and give another directory"
                .to_owned(),
        );
    }
    Ok(Some(manifest))
}

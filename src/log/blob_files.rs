//! Large blobs: one file each, beside the segments.
//!
//! Owns `staging/` and `files/`. A file is written in staging, synced, renamed to a name of its own that
//! never stood before, and its directory synced; only then does a record name it. Its bytes are exactly
//! the content. A file that no record names is harmless, and removed by recovery.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::format::chunks;
use super::segment::Checked;
use crate::digest::Digest;
use crate::disk::locks::Mutex;
use crate::disk::map::Map;
use crate::disk::{Access, Disk, DiskFile, fork};
use crate::error::{Error, ErrorKind, Result};

/// After this many bytes a file under way is pushed out, so that its sync at the end is short.
const PUSH_OUT_LEN: u64 = 1 << 20;

/// What tells one blob's file from another's: the digest, and a random number so that content which
/// comes back never meets its earlier file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlobFileName {
    pub(crate) digest: Digest,
    pub(crate) id: u64,
}

impl BlobFileName {
    fn parse(name: &str) -> Option<BlobFileName> {
        let (digest, id) = name.split_once('.')?;
        let id = (id.len() == 16).then(|| u64::from_str_radix(id, 16).ok()).flatten()?;
        Some(BlobFileName { digest: digest.parse().ok()?, id })
    }

    fn text(&self) -> String {
        format!("{}.{:016x}", self.digest, self.id)
    }

    /// Its place below `files/`: the subdirectory, and the file there.
    pub(crate) fn place(&self) -> (String, String) {
        let text = self.text();
        (text[..2].to_owned(), text)
    }
}

/// A blob's file, mapped.
pub(crate) struct BlobFile {
    pub(crate) path: PathBuf,
    pub(crate) map: Arc<Map>,
    /// One bit a chunk, for as long as the store is open.
    pub(crate) checked: Arc<Checked>,
}

/// What is known of a blob's file since it was opened first.
struct Known {
    /// Its map, while somebody reads it.
    file: Weak<BlobFile>,
    checked: Arc<Checked>,
}

/// The files of large blobs.
pub(crate) struct BlobFiles {
    disk: Arc<dyn Disk>,
    staging: PathBuf,
    files: PathBuf,
    /// Guards which files are mapped now, so that readers of one share a map, and which chunks were checked.
    open: Mutex<HashMap<u64, Known>>,
    /// Guards which subdirectories are known to exist, durably.
    known: Mutex<HashSet<String>>,
    /// Guards how many hold off removals, what waits for them, and that nothing is removed as they begin to.
    held: Mutex<Held>,
    /// Guards the subdirectories of which files were removed that a crash may bring back.
    removed: Mutex<HashSet<PathBuf>>,
    /// Guards the files that no record names, and that were kept at open since one that is damaged may.
    unnamed: Mutex<Vec<BlobFileName>>,
}

#[derive(Default)]
struct Held {
    by: usize,
    removals: Vec<BlobFileName>,
}

/// Holds off the removal of files; with the last one, they go.
pub(crate) struct Hold<'a>(&'a BlobFiles);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut held = self.0.held.lock();
        held.by -= 1;
        // One that stays is tried again before removals are to last, or goes when the store is opened again.
        let _ = self.0.remove_held(&mut held);
    }
}

impl BlobFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, staging: PathBuf, files: PathBuf) -> BlobFiles {
        BlobFiles {
            disk,
            staging,
            files,
            open: Mutex::default(),
            known: Mutex::default(),
            held: Mutex::default(),
            removed: Mutex::default(),
            unnamed: Mutex::default(),
        }
    }

    fn directory_of(&self, digest: &Digest) -> (String, PathBuf) {
        let name = digest.to_string()[..2].to_owned();
        let path = self.files.join(&name);
        (name, path)
    }

    pub(crate) fn path_of(&self, name: &BlobFileName) -> PathBuf {
        self.directory_of(&name.digest).1.join(name.text())
    }

    /// Begins a file whose content is yet to come, with room for `expected_len` bytes.
    pub(crate) fn stage(&self, expected_len: u64) -> Result<StagedFile> {
        let id = getrandom::u64().map_err(|e| Error::new(ErrorKind::Io, format!("no randomness to be had: {e}")))?;
        let path = self.staging.join(format!("{id:016x}"));
        let file = self.disk.open(&path, Access::Create).map_err(|e| Error::io("create", &path, e))?;
        let (disk, process) = (self.disk.clone(), fork::generation());
        let staged = StagedFile { disk, file, path, id, len: 0, pushed: 0, moved: false, process };
        if expected_len > 0 {
            staged.file.allocate(expected_len).map_err(|e| Error::io("make room for", &staged.path, e))?;
        }
        Ok(staged)
    }

    /// Gives a staged file its lasting name. A crash
    /// 1. before the rename leaves it in staging;
    /// 2. after it, a file that no record names. Both are removed at open.
    pub(crate) fn keep(&self, mut staged: StagedFile, digest: Digest) -> Result<BlobFileName> {
        staged.file.sync().map_err(|e| Error::io("sync", &staged.path, e))?;
        let (subdirectory, directory) = self.directory_of(&digest);
        if !self.known.lock().contains(&subdirectory) {
            match self.disk.create_dir(&directory) {
                Err(error) if error.kind() != IoKind::AlreadyExists => {
                    return Err(Error::io("create", &directory, error));
                }
                _ => self.disk.sync_dir(&self.files).map_err(|e| Error::io("sync the directory", &self.files, e))?,
            }
            self.known.lock().insert(subdirectory);
        }
        let name = BlobFileName { digest, id: staged.id };
        let path = self.path_of(&name);
        self.disk.rename(&staged.path, &path).map_err(|e| Error::io("rename to", &path, e))?;
        staged.moved = true;
        self.disk.sync_dir(&directory).map_err(|e| Error::io("sync the directory", &directory, e))?;
        Ok(name)
    }

    /// The file of a blob of `len` bytes.
    pub(crate) fn open(&self, name: &BlobFileName, len: u64) -> Result<Arc<BlobFile>> {
        if let Some(open) = self.open.lock().get(&name.id).and_then(|known| known.file.upgrade()) {
            return Ok(open);
        }
        let path = self.path_of(name);
        let file = match self.disk.open(&path, Access::Read) {
            Err(error) if error.kind() == IoKind::NotFound => {
                return Err(Error::corrupt(&path, 0, "the file of a large blob is missing"));
            }
            opened => opened.map_err(|e| Error::io("open", &path, e))?,
        };
        let facts = file.facts().map_err(|e| Error::io("look at", &path, e))?;
        if facts.len < len {
            return Err(Error::corrupt(&path, facts.len, format!("the file ends there, but has held {len} bytes")));
        }
        let map = Arc::new(file.map(len).map_err(|e| Error::io("map", &path, e))?);
        let mut open = self.open.lock();
        let before = open.get(&name.id).map(|known| known.checked.clone());
        let checked = before.unwrap_or_else(|| Arc::new(Checked::new(chunks(len))));
        let opened = Arc::new(BlobFile { path, map, checked: checked.clone() });
        open.insert(name.id, Known { file: Arc::downgrade(&opened), checked });
        Ok(opened)
    }

    /// Removes the file of a blob nobody refers to. Readers that have it mapped keep it. Not synced,
    /// unless that is [asked for](BlobFiles::sync_removals): should a crash bring it back, no record names it, and
    /// recovery removes it again.
    pub(crate) fn remove(&self, name: &BlobFileName) -> Result<()> {
        self.open.lock().remove(&name.id);
        // Kept while the file goes: who holds off removals finds all files there, or none on its way out.
        let mut held = self.held.lock();
        if held.by > 0 {
            held.removals.push(*name);
            return Ok(());
        }
        self.unlink(name)
    }

    /// Removes what was held off, if nobody holds it off any more; what cannot be removed waits on.
    fn remove_held(&self, held: &mut Held) -> Result<()> {
        let mut outcome = Ok(());
        if held.by == 0 {
            held.removals.retain(|name| match self.unlink(name) {
                Ok(()) => false,
                Err(error) => {
                    outcome = Err(error);
                    true
                }
            });
        }
        outcome
    }

    fn unlink(&self, name: &BlobFileName) -> Result<()> {
        let mut path = self.path_of(name);
        match self.disk.unlink(&path) {
            Err(error) if error.kind() != IoKind::NotFound => return Err(Error::io("remove", &path, error)),
            _ => {}
        }
        path.pop();
        self.removed.lock().insert(path);
        Ok(())
    }

    /// Makes it last that files were removed; says whether all of them are, and none is held.
    pub(crate) fn sync_removals(&self) -> Result<bool> {
        let is_held = {
            let mut held = self.held.lock();
            self.remove_held(&mut held)?;
            !held.removals.is_empty()
        };
        let mut removed = std::mem::take(&mut *self.removed.lock());
        // What was uploaded in vain, or has another name now.
        removed.insert(self.staging.clone());
        for directory in &removed {
            if let Err(error) = self.disk.sync_dir(directory) {
                self.removed.lock().extend(removed.iter().cloned());
                return Err(Error::io("sync the directory", directory, error));
            }
        }
        Ok(!is_held)
    }

    /// Takes down files that no record names, and that are kept.
    pub(crate) fn keep_unnamed(&self, names: Vec<BlobFileName>) {
        *self.unnamed.lock() = names;
    }

    /// One of those that are still there.
    pub(crate) fn unnamed(&self) -> Option<PathBuf> {
        let mut unnamed = self.unnamed.lock();
        unnamed.retain(|name| self.disk.open(&self.path_of(name), Access::Read).is_ok());
        unnamed.first().map(|name| self.path_of(name))
    }

    /// Keeps every file there is where it is, until the guard is dropped. Ask before they are listed.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.held.lock().by += 1;
        Hold(self)
    }

    /// All files there are, and their lengths.
    pub(crate) fn list(&self) -> Result<Vec<(BlobFileName, u64)>> {
        let mut all = Vec::new();
        for directory in self.read_dir(&self.files)? {
            if directory.is_dir {
                let found = self.read_dir(&self.files.join(&directory.name))?;
                all.extend(found.iter().filter_map(|file| Some((BlobFileName::parse(&file.name)?, file.len))));
            }
        }
        Ok(all)
    }

    /// Removes what an earlier process left in staging.
    pub(crate) fn empty_staging(&self) -> Result<()> {
        for found in self.read_dir(&self.staging)? {
            let path = self.staging.join(&found.name);
            let removed = if found.is_dir { self.disk.remove_dir_all(&path) } else { self.disk.unlink(&path) };
            removed.map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }

    fn read_dir(&self, path: &std::path::Path) -> Result<Vec<crate::disk::Found>> {
        self.disk.read_dir(path).map_err(|e| Error::io("list", path, e))
    }
}

/// A file under way in staging; dropped without [`BlobFiles::keep`], it is removed.
pub(crate) struct StagedFile {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    id: u64,
    len: u64,
    pushed: u64,
    moved: bool,
    process: u64,
}

impl StagedFile {
    /// Appends bytes, and starts writing out what has gathered.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(&[IoSlice::new(bytes)], self.len).map_err(|e| Error::io("write", &self.path, e))?;
        self.len += bytes.len() as u64;
        if self.len - self.pushed >= PUSH_OUT_LEN {
            let _ = self.file.push_out(self.pushed, self.len - self.pushed);
            self.pushed = self.len;
        }
        Ok(())
    }
}

impl StagedFile {
    /// What was appended, for content that is to have no file after all; with room for `len` bytes.
    pub(crate) fn read_back(&self, len: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        bytes.resize(self.len as usize, 0);
        self.file.read_at(&mut bytes, 0).map_err(|e| Error::io("read", &self.path, e))?;
        Ok(bytes)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // A forked child leaves its parent's files alone.
        if !self.moved && self.process == fork::generation() {
            let _ = self.disk.unlink(&self.path);
        }
    }
}

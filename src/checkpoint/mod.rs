//! Checkpoints: copies of a store in directories of their own, taken while others write.
//!
//! ```text
//! take     the log of an open store, up to a place, linked or copied into a directory   (take.rs)
//! restore  a checkpoint linked or copied into another directory, and adopted           (restore.rs)
//! adopt    a checkpoint becomes a store: the first open of one does it, too            (adopt.rs)
//! ```
//!
//! The first two fill a [`place::Place`]. What a checkpoint is on the disk is said in `log/format.rs`: its MANIFEST
//! lists what counts. It is written first, as one that is not complete, and last, when all is durable that it
//! lists; a later checkpoint into the same directory leaves everything in place that the earlier MANIFEST lists,
//! until its own has replaced it. So a crash leaves the earlier checkpoint, or the later one, or one that says
//! that it is not complete; never a directory that opens as something else.
//!
//! A file that two directories share is written by neither: a sealed segment is made read-only before it is
//! linked, and who would have to write into one writes a copy of it instead.

mod adopt;
mod place;
mod restore;
mod same;
mod take;

use std::collections::HashMap;
use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::{Path, PathBuf};

use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Error, ErrorKind, Result};
use crate::home::replace_file;
use crate::log::format::{Refusal, VERSION};
use crate::log::manifest::Manifest;

pub(crate) use adopt::adopt;
pub(crate) use restore::restore;

/// The file whose presence makes a directory a checkpoint.
pub(crate) const MANIFEST: &str = "MANIFEST";

/// Bytes copied in one go.
const COPY_LEN: usize = 1 << 20;

/// What taking or restoring a checkpoint did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// Files that are in both directories now, by a hard link.
    pub files_linked: u64,
    /// Files whose bytes were copied.
    pub files_copied: u64,
    /// Files that were there from an earlier checkpoint.
    pub files_kept: u64,
    /// Bytes of the files that were linked.
    pub bytes_linked: u64,
    /// Bytes that were copied.
    pub bytes_copied: u64,
    /// The last sequence number that may stand in it: no entry of it has a later generation.
    pub last_sequence: u64,
}

/// The MANIFEST of a directory, if it has one.
fn read_manifest(disk: &dyn Disk, dir: &Path) -> Result<Option<Manifest>> {
    let path = dir.join(MANIFEST);
    let failed = |e| Error::io("read", &path, e);
    let file = match disk.open(&path, Access::Read) {
        Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let len = file.facts().map_err(failed)?.len;
    let map = file.map(len).map_err(failed)?;
    let bytes = map.bytes(0, len as usize).map_err(failed)?;
    Manifest::decode(&bytes).map(Some).map_err(|refusal| {
        let (kind, found) = match refusal {
            Refusal::Version(version) => (
                ErrorKind::Version,
                format!("has format version {version}; this is a mediacask for version {VERSION}: use a newer one"),
            ),
            Refusal::Damaged => (
                ErrorKind::Corrupt,
                "is damaged: what belongs to this checkpoint is not known; use another one, or take it anew into an \
                 empty directory"
                    .to_owned(),
            ),
        };
        Error::new(kind, format!("{} {found}", path.display())).at(&path)
    })
}

fn write_manifest(disk: &dyn Disk, dir: &Path, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.encode();
    replace_file(disk, dir, MANIFEST, &mut |file| file.write_at(&[IoSlice::new(&bytes)], 0))
}

/// The files of a checkpoint's directory, by their place below it, with their lengths.
fn files_of(disk: &dyn Disk, dir: &Path) -> Result<HashMap<PathBuf, u64>> {
    let list = |below: &Path| match disk.read_dir(&dir.join(below)) {
        Err(error) if error.kind() == IoKind::NotFound => Ok(Vec::new()),
        found => found.map_err(|e| Error::io("list", &dir.join(below), e)),
    };
    let mut all = HashMap::new();
    let mut dirs = vec![PathBuf::from("segments")];
    let of_files = list(Path::new("files"))?;
    dirs.extend(of_files.into_iter().filter(|found| found.is_dir).map(|found| Path::new("files").join(found.name)));
    for below in dirs {
        let files = list(&below)?.into_iter().filter(|found| !found.is_dir);
        all.extend(files.map(|found| (below.join(found.name), found.len)));
    }
    Ok(all)
}

/// Copies the first `len` bytes of a file to a new one, and makes them durable there.
fn copy_file(disk: &dyn Disk, from: (&dyn DiskFile, &Path), to: &Path, len: u64) -> Result<()> {
    let copy = disk.open(to, Access::Create).map_err(|e| Error::io("create", to, e))?;
    let mut bytes = vec![0; COPY_LEN.min(len as usize)];
    let mut at = 0;
    while at < len {
        let part = &mut bytes[..COPY_LEN.min((len - at) as usize)];
        from.0.read_at(part, at).map_err(|e| Error::io("read", from.1, e))?;
        copy.write_at(&[IoSlice::new(part)], at).map_err(|e| Error::io("write", to, e))?;
        let _ = copy.push_out(at, part.len() as u64);
        at += part.len() as u64;
    }
    copy.sync().map_err(|e| Error::io("sync", to, e))
}

/// Removes a file, if it is there.
fn unlink(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != IoKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

fn create_dir(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.create_dir(path) {
        Err(error) if error.kind() != IoKind::AlreadyExists => Err(Error::io("create", path, error)),
        _ => Ok(()),
    }
}

fn sync_dir(disk: &dyn Disk, path: &Path) -> Result<()> {
    disk.sync_dir(path).map_err(|e| Error::io("sync the directory", path, e))
}

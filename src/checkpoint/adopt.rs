//! A checkpoint becomes a store: the first open does it, before anything else, and under the lock.
//!
//! 1. Every file the MANIFEST lists must be there, at its length; else nothing is touched.
//! 2. What it does not list is removed, and whatever was derived of another state.
//! 3. STORE gets a new id; the secret stays, since the log's footers are keyed with it. From here on no other
//!    checkpoint is taken into this directory.
//! 4. The end of the log gets the name it has in a log.
//! 5. The MANIFEST goes, durably: this is a store like any other.
//!
//! A crash after any of them leaves a MANIFEST, and the next open does all of it again.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::{Path, PathBuf};

use super::place::{Listed, listed};
use super::{MANIFEST, copy_file, create_dir, files_of, read_manifest, sync_dir, unlink};
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind, Result};
use crate::home::{random, read_store, replace_file};
use crate::log::format::StoreFile;
use crate::log::manifest::{ListedSegment, Manifest};

/// Makes a store of the checkpoint in `dir`, which the caller has locked. Without a MANIFEST it is one already.
pub(crate) fn adopt(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let Some(manifest) = read_manifest(disk, dir)? else { return Ok(()) };
    check_complete(dir, &manifest)?;
    let store = read_store(disk, dir)?;
    let there = files_of(disk, dir)?;
    let is_begun = store.id != manifest.store_id;
    check_whole(dir, &manifest, &there, is_begun)?;

    for name in ["segments", "files", "staging"] {
        create_dir(disk, &dir.join(name))?;
    }
    remove_unlisted(disk, dir, &manifest, &there)?;
    if !is_begun {
        let store = StoreFile { id: random()?, ..store };
        replace_file(disk, dir, "STORE", &mut |file| file.write_at(&[IoSlice::new(&store.encode())], 0))?;
    }
    for tail in manifest.segments.iter().filter(|segment| segment.is_tail) {
        name_tail(disk, dir, tail)?;
    }
    sync_dir(disk, &dir.join("segments"))?;
    unlink(disk, &dir.join(MANIFEST))?;
    // Before the first write: a MANIFEST that came back would have what is written then removed.
    sync_dir(disk, dir)
}

/// Refuses a checkpoint that was broken off.
pub(super) fn check_complete(dir: &Path, manifest: &Manifest) -> Result<()> {
    if manifest.is_complete {
        return Ok(());
    }
    let path = dir.join(MANIFEST);
    let message = format!(
        "{} says that this checkpoint was broken off before it was complete; take it again into the same directory, \
         or use another one",
        path.display()
    );
    Err(Error::new(ErrorKind::Corrupt, message).at(&path))
}

/// Refuses a checkpoint that lacks something. Where it is being made a store, the end of the log may have its name
/// there already.
pub(super) fn check_whole(
    dir: &Path,
    manifest: &Manifest,
    there: &HashMap<PathBuf, u64>,
    is_begun: bool,
) -> Result<()> {
    for listed in listed(manifest) {
        let renamed = match listed {
            Listed::Segment(segment) if is_begun => there.get(&Path::new("segments").join(segment.name_in_log())),
            _ => None,
        };
        let (below, len) = (listed.below(), listed.len());
        let found = there.get(&below).or(renamed);
        if found != Some(&len) {
            let path = dir.join(&below);
            let found = found.map_or_else(|| "is missing".to_owned(), |found| format!("has {found} bytes"));
            let message = format!(
                "{} {found} where the {MANIFEST} of this checkpoint lists {len} bytes; it is not whole: use another \
                 one, or take it anew into an empty directory",
                path.display()
            );
            return Err(Error::new(ErrorKind::Corrupt, message).at(&path));
        }
    }
    Ok(())
}

/// What does not count: left by a later checkpoint that was broken off, or brought here with the directory.
fn remove_unlisted(disk: &dyn Disk, dir: &Path, manifest: &Manifest, there: &HashMap<PathBuf, u64>) -> Result<()> {
    let mut counts: HashSet<PathBuf> = listed(manifest).map(|listed| listed.below()).collect();
    let in_log = |segment: &ListedSegment| Path::new("segments").join(segment.name_in_log());
    counts.extend(manifest.segments.iter().map(in_log));
    let mut changed = HashSet::new();
    for below in there.keys().filter(|below| !counts.contains(*below)) {
        unlink(disk, &dir.join(below))?;
        changed.extend(below.parent());
    }
    for below in changed {
        sync_dir(disk, &dir.join(below))?;
    }
    for derived in ["catalog", "activity"] {
        unlink(disk, &dir.join(derived))?;
    }
    let index = dir.join("index");
    match disk.remove_dir_all(&index) {
        Err(error) if error.kind() != IoKind::NotFound => Err(Error::io("remove", &index, error)),
        _ => Ok(()),
    }
}

/// Gives the end of the log its name there. It is going to be written: one that is shared is copied.
fn name_tail(disk: &dyn Disk, dir: &Path, tail: &ListedSegment) -> Result<()> {
    let segments = dir.join("segments");
    let (from, to) = (segments.join(tail.file_name()), segments.join(tail.name_in_log()));
    let file = match disk.open(&from, Access::Read) {
        // It was renamed before a crash.
        Err(error) if error.kind() == IoKind::NotFound => return Ok(()),
        opened => opened.map_err(|e| Error::io("open", &from, e))?,
    };
    let facts = file.facts().map_err(|e| Error::io("look at", &from, e))?;
    let source = if facts.links == 1 && facts.mode & 0o200 != 0 {
        from
    } else {
        let copy = segments.join(format!("{}.copy", tail.file_name()));
        copy_file(disk, (file.as_ref(), &from), &copy, tail.len)?;
        copy
    };
    disk.rename(&source, &to).map_err(|e| Error::io("rename to", &to, e))
}

//! A checkpoint brought back: into a new directory, which is a store then.

use std::path::Path;
use std::sync::Arc;

use super::adopt::{check_complete, check_whole};
use super::place::{Claim, Item, Place, listed};
use super::{CheckpointReport, MANIFEST, files_of, read_manifest};
use crate::disk::Disk;
use crate::error::{ErrorKind, Result};
use crate::home::{lock, read_store};
use crate::options::invalid;

/// Links or copies the checkpoint in `from` into `dest`, which is new, empty, or what an earlier restoring left.
/// The checkpoint stays one, and what is done with `dest` later does not touch it.
pub(crate) fn restore(disk: Arc<dyn Disk>, from: &Path, dest: &Path) -> Result<CheckpointReport> {
    let d = disk.as_ref();
    let none = || {
        let message = format!(
            "{} is no checkpoint: it has no {MANIFEST}; of an open store, take one with `mediacask checkpoint`; the \
             directory of a closed store is copied as it is",
            from.display()
        );
        invalid(message).at(from)
    };
    read_manifest(d, from)?.ok_or_else(none)?;
    // It may lie where nothing can be written; nobody makes a store of it there, then.
    let _lock = match lock(d, from) {
        Err(error) if error.kind() == ErrorKind::Locked => return Err(error),
        locked => locked.ok(),
    };
    let manifest = read_manifest(d, from)?.ok_or_else(none)?;
    check_complete(from, &manifest)?;
    let store = read_store(d, from)?;
    if store.id != manifest.store_id {
        let message = format!("{} is being made a store of its own; open it once more for that", from.display());
        return Err(invalid(message).at(from));
    }
    check_whole(from, &manifest, &files_of(d, from)?, false)?;

    let mut place = Place::claim(disk, dest, &store, Claim::New, manifest.at_ms)?;
    let item = |what: super::place::Listed| Item { what, from: from.join(what.below()), segment: None };
    let left = place.link(listed(&manifest).map(item).collect())?;
    place.copy(&left)?;
    let report = place.complete(manifest.last_sequence, manifest.at_ms)?;
    // Whoever wants another copy of the checkpoint takes it of the checkpoint.
    place.adopt()?;
    Ok(report)
}

//! Step 7: the disk as it should be. Each part may be cut by a crash, and is found to do again.

use std::collections::HashSet;
use std::io::ErrorKind as IoKind;
use std::sync::Arc;

use super::{End, Replay};
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::log::blob_files::{BlobFileName, BlobFiles};
use crate::log::format::next_range;
use crate::log::segment::Segment;
use crate::log::{Found, Log, Position, is_whole_segment};
use crate::options::StoreOptions;

impl Replay {
    /// Step 7. A crash after any of its parts leaves a store that is recovered in the same way.
    pub(super) fn mend(
        mut self,
        options: &StoreOptions,
        files: &BlobFiles,
        catalog: &Catalog,
        end: Option<End>,
    ) -> Result<Log> {
        let first_sequence = next_range(self.last_sequence).ok_or_else(|| {
            let message = "the sequence numbers of this store are used up, or one in it was made up; dump what it holds \
                           and import that into a new store";
            Error::new(ErrorKind::TooLarge, message).at(&self.dir)
        })?;
        self.sync_names()?;
        if end.is_none() {
            self.seal_again()?;
        }
        let mut resume = None;
        if let Some(end) = end {
            self.segments.retain(|segment| segment.id() != end.segment.id());
            if end.clean {
                self.segments.push(end.segment.clone());
                resume = Some((end.segment, end.cut, end.rows));
            } else {
                let sealed = self.seal(end)?;
                self.segments.push(Arc::new(sealed));
            }
        }
        let recycles = options.erase_within.is_none();
        let (spares, erased): (Vec<_>, Vec<_>) =
            self.spares.drain(..).partition(|(_, _, rewritten)| recycles || !rewritten);
        self.leftover.extend(erased.into_iter().map(|(path, ..)| path));
        let retired = std::mem::take(&mut self.retired);
        let (gone, segments): (Vec<_>, Vec<_>) = self
            .segments
            .drain(..)
            .partition(|segment| retired.contains_key(&segment.id()) && catalog.live(segment.id()).is_nothing());
        self.leftover.extend(gone.iter().map(|segment| segment.path.clone()));
        drop(gone);
        // One that was being cut is of no segment's length.
        let is_whole = |len: u64| is_whole_segment(len, options.segment_len);
        self.leftover.extend(self.spares.extract_if(.., |(_, len, _)| !is_whole(*len)).map(|(path, ..)| path));
        for path in &self.leftover {
            match self.disk.unlink(path) {
                Err(error) if error.kind() != IoKind::NotFound => return Err(Error::io("remove", path, error)),
                _ => {}
            }
        }
        if !self.leftover.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(|e| Error::io("sync the directory", &self.dir, e))?;
        }
        if let Some(path) = &self.in_the_way {
            self.disk.remove_dir_all(path).map_err(|e| Error::io("remove", path, e))?;
        }
        files.empty_staging()?;
        // Only after a replay without damage: else an entry that does not stand may have them.
        if self.damage.is_empty() {
            for name in unnamed(files, &segments, catalog)? {
                files.remove(&name)?;
            }
        } else if let Ok(names) = unnamed(files, &segments, catalog) {
            files.keep_unnamed(names);
        }
        let last = segments.iter().rfind(|segment| !segment.is_compacted());
        let predecessor = last.map(|s| Position { segment: s.id(), offset: s.records_end() }).unwrap_or_default();
        let found = Found {
            dirs: (self.dir, self.staging),
            segments,
            spares,
            predecessor,
            next_segment: self.next_segment,
            missing: [self.missing, self.unreadable].concat(),
            first_sequence,
            recycles,
            resume,
        };
        Ok(Log::new(self.disk, self.secret, options.segment_len, found))
    }

    /// Makes the names durable that were found: a process that died between a renaming and the sync of its
    /// directory leaves one that reads well and that a power cut takes back.
    pub(super) fn sync_names(&self) -> Result<()> {
        for dir in [Some(&*self.dir), self.dir.parent()].into_iter().flatten() {
            self.disk.sync_dir(dir).map_err(|e| Error::io("sync the directory", dir, e))?;
        }
        Ok(())
    }
}

/// Blob files that no content stands in: what a crash left between rename and record, or between record and
/// removal.
fn unnamed(files: &BlobFiles, segments: &[Arc<Segment>], catalog: &Catalog) -> Result<Vec<BlobFileName>> {
    let found = files.list()?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut named = HashSet::new();
    for place in catalog.file_places() {
        let Some(segment) = segments.iter().find(|segment| segment.id() == place.segment) else { continue };
        let Some((header, head)) = segment.record(place.record_at())? else { return Ok(Vec::new()) };
        let Some(blob) = crate::log::record::BlobView::decode(&header, &head) else { return Ok(Vec::new()) };
        named.extend(blob.file);
    }
    Ok(found.into_iter().map(|(name, _)| name).filter(|name| !named.contains(&name.id)).collect())
}

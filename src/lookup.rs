//! The way of a read: name -> catalog -> entry -> catalog (content) -> log -> blob.
//!
//! A reader takes no lock that a writer holds across I/O. What it finds may be overtaken while it looks:
//! a segment that has left the log, a slot that holds another content. Then it looks the name up again.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::blob::{Blob, BlobReader, EntryBytes, Source};
use crate::catalog::{Catalog, ContentRow, NameRow};
use crate::clock::Clock;
use crate::digest::NameKey;
use crate::entry::{Entry, time_of};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Log;
use crate::log::blob_files::{BlobFileName, BlobFiles};
use crate::log::format::chunks;
use crate::log::record::BlobView;
use crate::options::{Verify, invalid};
use crate::telemetry;

/// How often a look-up that was overtaken begins again: each time somebody has changed the very name or
/// moved the very content meanwhile.
const TRIES: usize = 1000;

/// Bytes of a record's head that are asked about: most have less, and the page that the others begin on tells of them.
const HEAD_LEN: u64 = 512;

/// Reads names and contents.
pub(crate) struct Lookup {
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) files: Arc<BlobFiles>,
    pub(crate) clock: Clock,
    pub(crate) verify: Verify,
}

impl Lookup {
    /// The entry of a name, unless it is absent or expired.
    pub(crate) fn head(&self, key: NameKey) -> Result<Option<Entry>> {
        let found = self.find(key).inspect_err(telemetry::failed);
        Ok(found?.map(|(_, entry)| entry.entry()))
    }

    /// The whole content of a name, checked.
    pub(crate) fn get(&self, key: NameKey) -> Result<Option<Blob>> {
        self.get_range(key, ..)
    }

    /// A range of the content of a name, its chunks checked.
    pub(crate) fn get_range(&self, key: NameKey, range: impl RangeBounds<u64>) -> Result<Option<Blob>> {
        let found = self.slice(key, range).inspect_err(telemetry::failed)?;
        telemetry::read(found.as_ref().map(|blob| blob.len() as u64));
        Ok(found)
    }

    fn slice(&self, key: NameKey, range: impl RangeBounds<u64>) -> Result<Option<Blob>> {
        let Some((entry, source)) = self.open(key)? else { return Ok(None) };
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => source.len,
        };
        if start > source.len || end < start {
            return Err(invalid(format!(
                "a range from {start} to {end} was asked for; the content has {} bytes",
                source.len
            )));
        }
        let view = source.view(start, end.min(source.len) - start, self.verify)?;
        Ok(Some(Blob { view, entry }))
    }

    /// A reader over the content of a name.
    pub(crate) fn reader(&self, key: NameKey) -> Result<Option<BlobReader>> {
        let opened = self.open(key).inspect_err(telemetry::failed)?;
        telemetry::read(opened.as_ref().map(|_| 0));
        Ok(opened.map(|(entry, source)| BlobReader { source, entry, verify: self.verify, position: 0 }))
    }

    /// Whether a name's entry and the first `len` bytes of its content are in memory. A hint, and so asked once: who
    /// is overtaken waits for the disk, or for nothing.
    pub(crate) fn is_at_hand(&self, key: NameKey, len: u64) -> bool {
        let Some(row) = self.catalog.name(key).filter(|row| !row.is_over(self.clock.now_ms())) else { return true };
        let entry = self.log.segment(row.place.segment);
        if !entry.is_some_and(|segment| segment.is_at_hand(row.place.offset.into(), HEAD_LEN)) {
            return false;
        }
        let Some(content) = self.catalog.content(row.content) else { return false };
        let Some(segment) = self.log.segment(content.place.segment) else { return false };
        let at = content.place.record_at();
        if !segment.is_at_hand(at, HEAD_LEN) {
            return false;
        }
        let Ok(Some((header, head))) = segment.record(at) else { return false };
        let in_file = BlobView::decode(&header, &head).is_none_or(|blob| blob.file.is_some());
        !in_file && segment.is_at_hand(at, header.body_at() + len.min(content.len))
    }

    /// A name's row and its entry, as the log has it.
    pub(crate) fn find(&self, key: NameKey) -> Result<Option<(NameRow, EntryBytes)>> {
        for _ in 0..TRIES {
            let Some(row) = self.catalog.name(key).filter(|row| !row.is_over(self.clock.now_ms())) else {
                return Ok(None);
            };
            let found = self.log.segment(row.place.segment).map(|segment| {
                let entry = segment.read_op(row.place.offset.into(), EntryBytes::new)?;
                entry.ok_or_else(|| self.entry_damage(&row))
            });
            match found {
                Some(Ok(entry)) => return Ok(Some((row, entry))),
                Some(Err(error)) if self.catalog.name(key) == Some(row) => return Err(error),
                None if self.catalog.name(key) == Some(row) => return Err(self.entry_damage(&row)),
                _ => {}
            }
        }
        Err(overtaken())
    }

    /// The entry of a name that a listing came upon with this row; `None` when it is gone by now. Of an
    /// entry whose record is damaged, what the catalog knows is shown: it is still there, and reading it
    /// says what is wrong.
    pub(crate) fn listed(&self, name: &str, row: NameRow) -> Result<Option<Entry>> {
        match self.find(row.key) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let content = self.catalog.content(row.content);
                Ok(Some(Entry {
                    name: name.to_owned(),
                    digest: content.map(|content| content.digest).unwrap_or_default(),
                    size: content.map_or(0, |content| content.len),
                    content_type: None,
                    cache_control: None,
                    content_disposition: None,
                    metadata: std::collections::BTreeMap::new(),
                    created_at: time_of(0),
                    updated_at: time_of(0),
                    expires_at: (row.expires_ms != 0).then(|| time_of(row.expires_ms)),
                    generation: row.sequence,
                }))
            }
            found => Ok(found?.map(|(_, entry)| entry.entry())),
        }
    }

    /// A name's entry and where its content is.
    fn open(&self, key: NameKey) -> Result<Option<(EntryBytes, Source)>> {
        for _ in 0..TRIES {
            let Some((row, entry)) = self.find(key)? else { return Ok(None) };
            let digest = entry.digest();
            if let Some(content) = self.catalog.content(row.content).filter(|content| content.digest == digest) {
                match self.source(&content) {
                    Ok(Some(source)) => return Ok(Some((entry, source))),
                    // Not overtaken: it is as it was, and it is not sound.
                    Err(error) if self.catalog.content(row.content) == Some(content) => return Err(error),
                    Ok(None) if self.catalog.content(row.content) == Some(content) => {
                        return Err(self.content_damage(&content));
                    }
                    _ => {}
                }
            }
        }
        Err(overtaken())
    }

    /// Where a content is; `None` when its segment has left the log, or it never had a place.
    fn source(&self, content: &ContentRow) -> Result<Option<Source>> {
        let Some(segment) = self.log.segment(content.place.segment) else { return Ok(None) };
        let at = content.place.record_at();
        let (header, file) = {
            let record = segment.record(at)?;
            let blob = record.as_ref().and_then(|(header, head)| Some((*header, BlobView::decode(header, head)?)));
            let Some((header, blob)) = blob.filter(|(_, blob)| blob.digest == content.digest) else {
                self.catalog.suspect(&content.digest);
                return Err(Error::corrupt(&segment.path, at, "the record of the content does not stand"));
            };
            let name = blob.file.map(|id| BlobFileName { digest: blob.digest, id });
            (header, name.map(|name| self.files.open(&name, blob.len)).transpose())
        };
        if file.is_err() {
            self.catalog.suspect(&content.digest);
        }
        let catalog = self.catalog.clone();
        Ok(Some(Source { segment, at, header, len: content.len, file: file?, catalog }))
    }

    /// Whether the stored copy of a content is sound; each chunk is read once while the store is open.
    pub(crate) fn is_sound(&self, content: &ContentRow) -> bool {
        let last = chunks(content.len).saturating_sub(1);
        match self.source(content) {
            Ok(Some(source)) => content.len == 0 || source.check(0, last, Verify::Once).is_ok(),
            _ => false,
        }
    }

    /// Whether a content stands in the file of this id; `None` when its record cannot be read, or has gone since
    /// the row was looked up.
    pub(crate) fn stands_in(&self, content: &ContentRow, file: u64) -> Option<bool> {
        let segment = self.log.segment(content.place.segment)?;
        let (header, head) = segment.record(content.place.record_at()).ok()??;
        Some(BlobView::decode(&header, &head)?.file == Some(file))
    }

    fn entry_damage(&self, row: &NameRow) -> Error {
        let path = self.segment_path(row.place.segment);
        Error::corrupt(&path, row.place.offset.into(), "the entry that was written there does not stand")
    }

    fn content_damage(&self, content: &ContentRow) -> Error {
        self.catalog.suspect(&content.digest);
        let path = self.segment_path(content.place.segment);
        let found = format!("the content {} that was written there is missing", content.digest);
        Error::corrupt(&path, content.place.record_at(), found)
    }

    fn segment_path(&self, id: u32) -> std::path::PathBuf {
        self.log.path_of(id)
    }
}

fn overtaken() -> Error {
    Error::new(ErrorKind::Io, "the name changed a thousand times while it was looked up; try again")
}

//! Whether a segment that an earlier checkpoint has is the one the store has now.

use std::path::Path;

use crate::disk::{DiskFile, FileFacts};
use crate::error::{Error, Result};
use crate::log::format::{PAGE, SegmentHeader, TRAILER_LEN, Trailer};
use crate::log::manifest::ListedSegment;
use crate::options::invalid;

/// A file to compare.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) file: &'a dyn DiskFile,
    pub(super) path: &'a Path,
}

impl Side<'_> {
    fn facts(self) -> Result<FileFacts> {
        self.file.facts().map_err(|e| Error::io("look at", self.path, e))
    }

    fn bytes(self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        self.file.read_at(&mut bytes, offset).map_err(|e| Error::io("read", self.path, e))?;
        Ok(bytes)
    }

    fn of_another_history(self) -> Error {
        let message = format!(
            "{} is not the segment of that number in this store: the checkpoint there is of another history of it, \
             before or after it was restored; give another directory",
            self.path.display()
        );
        invalid(message).at(self.path)
    }
}

/// Whether the file `old`, of a checkpoint, is what the file `now`, of the store, is to be there: it is the same
/// file, or begins and ends alike. One that was found damaged and written anew since is another.
///
/// A segment of this number with another salt, or of another end, is of another history of the store: of before it
/// was restored, or after. That is refused.
pub(super) fn is_same(wanted: ListedSegment, old: Side<'_>, now: Side<'_>) -> Result<bool> {
    let (was, is) = (old.facts()?, now.facts()?);
    if was.id == is.id {
        return Ok(true);
    }
    let len = wanted.len.min(was.len);
    let (page, first) = (old.bytes(0, PAGE.min(len))?, now.bytes(0, PAGE.min(len))?);
    let headers = SegmentHeader::decode(&page).ok().zip(SegmentHeader::decode(&first).ok());
    let Some((header, other)) = headers else { return Ok(false) };
    if header.salt != other.salt {
        return Err(old.of_another_history());
    }
    let end_len = len.min(TRAILER_LEN as u64);
    let (end, last) = (old.bytes(was.len - end_len, end_len)?, now.bytes(wanted.len - end_len, end_len)?);
    if wanted.is_tail {
        return if end == last { Ok(page == first) } else { Err(old.of_another_history()) };
    }
    let trailers = Trailer::decode(&end, &header, was.len).zip(Trailer::decode(&last, &header, wanted.len));
    let Some((trailer, other)) = trailers else { return Ok(false) };
    if (trailer.records_end, trailer.last_sequence) != (other.records_end, other.last_sequence) {
        return Err(old.of_another_history());
    }
    if page != first || trailer != other || was.len != is.len {
        return Ok(false);
    }
    // On one file system it would be the same file, had it not been written anew, or could files be linked there.
    let footer = |side: Side<'_>| side.bytes(was.len - trailer.footer_len, trailer.footer_len);
    Ok(was.id.device != is.id.device || footer(old)? == footer(now)?)
}

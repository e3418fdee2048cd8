//! Blobs: content in the caller's hands.
//!
//! A [`Blob`] owns what it needs: the map under it lives as long as it does, so its bytes stay valid
//! after overwrite, delete and close. A [`BlobReader`] reads content of any size in bounded memory.
//! Bytes are checked, as the store was asked to, before a caller has them.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::Catalog;
use crate::digest::{Digest, crc};
use crate::disk::map::View;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::log::blob_files::BlobFile;
use crate::log::format::CHUNK;
use crate::log::record::{BlobView, Header, OpView};
use crate::log::segment::Segment;
use crate::options::Verify;

/// An operation's bytes, found to stand when they were copied out of the log.
#[derive(Clone)]
pub(crate) struct EntryBytes(Arc<[u8]>);

impl EntryBytes {
    /// `None` unless the operation is a put, its texts sound.
    pub(crate) fn new(op: OpView<'_>) -> Option<EntryBytes> {
        (op.put().is_some() && op.texts_are_sound()).then(|| EntryBytes(op.bytes().into()))
    }

    pub(crate) fn op(&self) -> OpView<'_> {
        OpView::again(&self.0)
    }

    pub(crate) fn digest(&self) -> Digest {
        self.op().put().expect("only puts are kept").digest
    }

    pub(crate) fn entry(&self) -> Entry {
        self.op().entry().expect("its texts were sound when it was copied")
    }
}

/// Where a content's bytes are, kept alive.
pub(crate) struct Source {
    pub(crate) segment: Arc<Segment>,
    /// Offset of its record.
    pub(crate) at: u64,
    pub(crate) header: Header,
    pub(crate) len: u64,
    /// The file it has of its own.
    pub(crate) file: Option<Arc<BlobFile>>,
    pub(crate) catalog: Arc<Catalog>,
}

impl Source {
    /// The bytes from `offset` on, checked chunk by chunk as `verify` says.
    pub(crate) fn view(&self, offset: u64, len: u64, verify: Verify) -> Result<View> {
        if len > 0 && verify != Verify::Never {
            self.check(offset / CHUNK as u64, (offset + len - 1) / CHUNK as u64, verify)?;
        }
        match &self.file {
            None => self.segment.view(self.at + self.header.body_at() + offset, len),
            Some(file) => file.map.view(offset, len as usize).map_err(|e| Error::io("read", &file.path, e)),
        }
    }

    /// Compares the chunks `first..=last` with their CRCs.
    pub(crate) fn check(&self, first: u64, last: u64, verify: Verify) -> Result<()> {
        let checked = self.file.as_ref().map_or_else(|| self.segment.checked(), |file| &file.checked);
        let body_at = self.at + self.header.body_at();
        let bit = |chunk: u64| match &self.file {
            None => (body_at + chunk * CHUNK as u64) / crate::log::record::HEADER_LEN as u64,
            Some(_) => chunk,
        };
        if verify == Verify::Once && (first..=last).all(|chunk| checked.has(bit(chunk))) {
            return Ok(());
        }
        let head =
            self.segment.bytes(self.at + crate::log::record::HEADER_LEN as u64, self.header.head_len as usize)?;
        let Some(blob) = BlobView::decode(&self.header, &head) else {
            return Err(self.damage(0, "its checksums cannot be read"));
        };
        for chunk in first..=last {
            if verify == Verify::Once && checked.has(bit(chunk)) {
                continue;
            }
            let offset = chunk * CHUNK as u64;
            let len = (self.len - offset).min(CHUNK as u64) as usize;
            let found = match &self.file {
                None => crc(&self.segment.bytes(body_at + offset, len)?),
                Some(file) => crc(&file.map.bytes(offset, len).map_err(|e| Error::io("read", &file.path, e))?),
            };
            if blob.crc(chunk as usize) != Some(found) {
                return Err(
                    self.damage(offset, &format!("a chunk of {len} bytes has CRC {found:08x}, not the stored one"))
                );
            }
            if !checked.has(bit(chunk)) {
                checked.set(bit(chunk));
            }
        }
        Ok(())
    }

    fn damage(&self, offset: u64, found: &str) -> Error {
        let head = self.segment.bytes(self.at + crate::log::record::HEADER_LEN as u64, 32);
        if let Some(digest) = head.ok().and_then(|head| head[..].try_into().ok()).map(Digest::from_bytes) {
            self.catalog.suspect(&digest);
        }
        match &self.file {
            None => Error::corrupt(&self.segment.path, self.at + self.header.body_at() + offset, found),
            Some(file) => Error::corrupt(&file.path, offset, found),
        }
    }
}

/// The content of a name, or a range of it, with the name's entry.
///
/// Dereferences to its bytes, without a copy; stays valid after the name was overwritten or deleted and
/// after the store was closed. Cloning is cheap.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = mediacask::Store::open(dir.path())?;
/// use mediacask::{DeleteOptions, PutOptions};
///
/// let media = store.account("5500001")?;
/// media.put("note.txt", "hello", &PutOptions::new())?;
/// let blob = media.get("note.txt")?.expect("just put");
/// media.delete("note.txt", &DeleteOptions::new())?;
/// assert_eq!(&blob[..], b"hello");
/// # Ok::<(), mediacask::Error>(())
/// ```
#[derive(Clone)]
pub struct Blob {
    pub(crate) view: View,
    pub(crate) entry: EntryBytes,
}

impl Blob {
    /// The facts of the name at the time of the read.
    pub fn entry(&self) -> Entry {
        self.entry.entry()
    }

    /// The digest of the whole content.
    pub fn digest(&self) -> Digest {
        self.entry.digest()
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.view
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.view
    }
}

impl From<Blob> for Bytes {
    /// Shares the bytes; no copy.
    fn from(blob: Blob) -> Bytes {
        Bytes::from_owner(blob)
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("len", &self.len()).field("entry", &self.entry()).finish()
    }
}

/// Reads content of any size, from any offset, a checked chunk of 64 KiB at a time.
///
/// Reads the version that was current when it was made, whatever becomes of the name.
pub struct BlobReader {
    pub(crate) source: Source,
    pub(crate) entry: EntryBytes,
    pub(crate) verify: Verify,
    pub(crate) position: u64,
}

impl BlobReader {
    /// The facts of the name at the time the reader was made.
    pub fn entry(&self) -> Entry {
        self.entry.entry()
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> u64 {
        self.source.len
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.source.len == 0
    }

    /// Whether the next `len` bytes were read before and are still in memory: reading them again waits for no disk.
    /// A hint, as [`Account::is_at_hand`](crate::Account::is_at_hand) is.
    pub fn is_at_hand(&self, len: u64) -> bool {
        let len = len.min(self.source.len.saturating_sub(self.position));
        match &self.source.file {
            None => self.source.segment.is_at_hand(self.source.at + self.source.header.body_at() + self.position, len),
            Some(file) => file.map.is_at_hand(self.position, len as usize),
        }
    }

    /// The next piece of the content, at most to the end of its chunk, without a copy; empty at the end.
    ///
    /// Pieces of content that has a file of its own leave the memory of the process when they are dropped: a reader of
    /// any length takes as much of it as the pieces that are held.
    pub fn next_chunk(&mut self) -> Result<Bytes> {
        let left = self.source.len.saturating_sub(self.position);
        let len = left.min(CHUNK as u64 - self.position % CHUNK as u64);
        let view = self.source.view(self.position.min(self.source.len), len, self.verify)?;
        self.position += len;
        Ok(if self.source.file.is_some() { Bytes::from_owner(view.passing()) } else { Bytes::from_owner(view) })
    }
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len.saturating_sub(self.position);
        let len = left.min(CHUNK as u64 - self.position % CHUNK as u64).min(into.len() as u64);
        if len == 0 {
            return Ok(0);
        }
        let view = self.source.view(self.position, len, self.verify)?;
        into[..len as usize].copy_from_slice(&view);
        self.position += len;
        Ok(len as usize)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.source.len.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a seek before the start of the content");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader").field("position", &self.position).field("len", &self.source.len).finish()
    }
}

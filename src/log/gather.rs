//! Gathering: a segment that compaction writes, out of records of others that still count.
//!
//! It is complete at birth. Written in `staging/`, which is emptied at open, it gets its name only when records and
//! footer are durable; before that it is nothing, and whoever fails drops it:
//!
//! 1. header, records and footer are written, in steps; a crash leaves a file in staging;
//! 2. the file is cut to what it holds, and synced; the same;
//! 3. it is mapped, and renamed to `segments/ID.seg`; a crash leaves it there or in staging;
//! 4. the directory is synced, and the segment stands in the log's table; a crash leaves copies of records whose
//!    originals are still there.
//!
//! Fresh writes never mix with what is gathered, so what lives long comes to lie together. The file takes no
//! more room than it needs: a full disk may have no more.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::footer::Rows;
use super::format::{RECORDS_AT, SegmentHeader, TRAILER_LEN, Trailer};
use super::record::{HEADER_LEN, Header, Kind, OpView, record_len};
use super::segment::{Segment, path_of};
use super::spares::Spare;
use super::{Log, SYNC_FAILED};
use crate::disk::{Access, DiskFile, fork};
use crate::error::{Error, ErrorKind, Result};

/// Bytes written in one step.
const STEP_LEN: usize = 1 << 20;
/// Operations stand in commit records of about this many bytes: a damaged one costs no more than these.
const COMMIT_LEN: usize = 4096;

/// Called after each step with its bytes; an error ends the gathering.
pub(crate) type Breathe<'a> = &'a mut dyn FnMut(u64) -> Result<()>;

/// A segment that is being gathered. Dropped before it is finished, it was never there.
pub(crate) struct Gathering<'a> {
    log: &'a Log,
    header: SegmentHeader,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    rows: Rows,
    /// What is yet to be written, from this offset on.
    buffer: Vec<u8>,
    written: u64,
    /// The step before, which may not have reached the disk yet.
    pushed: (u64, u64),
    /// Operations of the commit record that is next, and the sequence of the first.
    operations: Vec<u8>,
    first: Option<u64>,
    count: u32,
    is_named: bool,
    process: u64,
    /// Bytes that are counted for it while it is no segment.
    taken: u64,
}

/// Bytes that a blob or file record takes, and its row.
pub(crate) fn blob_len(head_len: usize, body_len: u64) -> u64 {
    record_len(head_len, body_len) + 56
}

/// Most bytes that an operation takes, its share in a record and its row.
pub(crate) fn op_len(len: usize) -> u64 {
    record_len(len, 0) + 84
}

/// Bytes of a segment beside its records and rows, at most, with `texts` bytes of accounts.
pub(crate) fn frame_len(texts: u64) -> u64 {
    RECORDS_AT + Rows::new().footer_len(0, 0) + texts
}

impl Log {
    /// Begins a segment for records of `len` bytes at most, rows and all; no sequence in it is below `lowest`. When
    /// the disk has no room, a spare makes way for it, the last one, too.
    ///
    /// No checkpoint of the catalog may be taken until it is finished: the next open would take an id that was
    /// given before it, and that it does not list, for that of a segment that has left the log.
    pub(crate) fn gather(&self, len: u64, lowest: u64) -> Result<Gathering<'_>> {
        let segment = self.tail().take_segment();
        let path = path_of(&self.staging, segment, "seg");
        let salt = getrandom::u64().map_err(|e| Error::new(ErrorKind::Io, format!("no randomness to be had: {e}")))?;
        let (predecessor, predecessor_end) = (0, 0);
        let header =
            SegmentHeader { segment, salt, first_sequence: lowest, predecessor, predecessor_end, compacted: true };
        // Counted before it is there, and until it is not.
        self.gathering.fetch_add(len, Relaxed);
        let file = match self.allocate_at(&path, len) {
            Err(error) if error.kind() == ErrorKind::NoSpace => self.take_spare_to(&path, len).map_err(|_| error),
            file => file,
        };
        let file = file.inspect_err(|_| _ = self.gathering.fetch_sub(len, Relaxed))?;
        let mut gathering = Gathering {
            log: self,
            header,
            path,
            file,
            rows: Rows::new(),
            buffer: Vec::with_capacity(STEP_LEN),
            written: 0,
            pushed: (0, 0),
            operations: Vec::new(),
            first: None,
            count: 0,
            is_named: false,
            process: fork::generation(),
            taken: len,
        };
        gathering.buffer.extend_from_slice(&header.encode());
        Ok(gathering)
    }

    /// Bytes that the segments take which are being gathered.
    pub(crate) fn gathering(&self) -> u64 {
        self.gathering.load(Relaxed)
    }

    fn allocate_at(&self, path: &std::path::Path, len: u64) -> Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, Access::Create).map_err(|e| Error::io("create", path, e))?;
        match file.allocate(len) {
            Ok(()) => Ok(file),
            Err(error) => {
                let _ = self.disk.unlink(path);
                Err(Error::io("make room for", path, error))
            }
        }
    }

    /// A spare of at least `len` bytes, under another name.
    fn take_spare_to(&self, path: &std::path::Path, len: u64) -> Result<Arc<dyn DiskFile>> {
        let spare = {
            let mut spares = self.spares.lock();
            let place = spares.iter().rposition(|spare| spare.len >= len);
            place.map(|place| spares.swap_remove(place))
        };
        let Some(spare) = spare else {
            return Err(Error::new(ErrorKind::NoSpace, "there is no spare segment that is long enough"));
        };
        let Spare { path: from, .. } = &spare;
        if let Err(error) = self.disk.rename(from, path) {
            let error = Error::io("rename to", path, error);
            self.spares.lock().push(spare);
            return Err(error);
        }
        // Its old name must be gone before it is a segment: a spare is written over.
        let opened = self.disk.sync_dir(&self.staging).and_then(|()| self.disk.open(path, Access::Write));
        opened.map_err(|error| {
            let _ = self.disk.unlink(path);
            Error::io("open", path, error)
        })
    }
}

impl Gathering<'_> {
    fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// The id the segment will have.
    pub(crate) fn segment(&self) -> u32 {
        self.header.segment
    }

    /// Copies a blob or file record, which stands; `body` gives its body in pieces, each at the offset it is
    /// called with. Gives the offset of the copy.
    pub(crate) fn copy_blob<'b>(
        &mut self,
        record: (&Header, &[u8]),
        body: &mut dyn FnMut(u64, usize) -> Result<std::borrow::Cow<'b, [u8]>>,
        breathe: Breathe<'_>,
    ) -> Result<u64> {
        let (header, head) = record;
        self.end_commit();
        let at = self.put_front(Header { body_len: header.body_len, ..*header }, head);
        let mut done = 0;
        while done < header.body_len {
            let len = (header.body_len - done).min(STEP_LEN as u64);
            let piece = body(done, len as usize)?;
            self.buffer.extend_from_slice(&piece);
            done += len;
            self.write_steps(breathe)?;
        }
        self.pad();
        self.write_steps(breathe)?;
        Ok(at)
    }

    /// Copies an operation, which stands; gives the offset of the copy.
    pub(crate) fn copy_op(&mut self, bytes: &[u8], breathe: Breathe<'_>) -> Result<u64> {
        if self.operations.len() + bytes.len() > COMMIT_LEN {
            self.end_commit();
            self.write_steps(breathe)?;
        }
        let sequence = OpView::decode(bytes).map_or(0, |op| op.sequence());
        self.first.get_or_insert(sequence);
        let at = self.end() + (HEADER_LEN + self.operations.len()) as u64;
        self.operations.extend_from_slice(bytes);
        self.count += 1;
        Ok(at)
    }

    fn end_commit(&mut self) {
        let Some(sequence) = self.first.take() else { return };
        let (operations, count) = (std::mem::take(&mut self.operations), std::mem::take(&mut self.count));
        let header = Header {
            kind: Kind::Commit,
            copied: true,
            salt: 0,
            segment: 0,
            head_len: operations.len() as u32,
            body_len: 0,
            sequence,
            previous: 0,
            proven: 0,
            count,
        };
        self.put_front(header, &operations);
        self.pad();
    }

    /// Lays out a record's header, as it is to stand here, and its head; takes its rows.
    fn put_front(&mut self, header: Header, head: &[u8]) -> u64 {
        let at = self.end();
        let header = Header {
            copied: true,
            salt: self.header.salt,
            segment: self.header.segment,
            previous: self.rows.last_sequence,
            proven: RECORDS_AT,
            ..header
        };
        self.buffer.extend_from_slice(&header.encode(at, head));
        self.buffer.extend_from_slice(head);
        self.rows.add(&self.log.secret, &header, at, head);
        at
    }

    fn pad(&mut self) {
        let zeros = self.end().next_multiple_of(8) - self.end();
        self.buffer.resize(self.buffer.len() + zeros as usize, 0);
    }

    /// Writes what has gathered, in whole steps.
    fn write_steps(&mut self, breathe: Breathe<'_>) -> Result<()> {
        while self.buffer.len() >= STEP_LEN {
            self.write(STEP_LEN)?;
            breathe(STEP_LEN as u64)?;
        }
        Ok(())
    }

    /// Writes the first bytes of the buffer and has them pushed out. The step before must have reached the disk by
    /// then: the sync at the end, and those of the writers meanwhile, wait for no more than two.
    fn write(&mut self, len: usize) -> Result<()> {
        let bytes = [IoSlice::new(&self.buffer[..len])];
        self.file.write_at(&bytes, self.written).map_err(|e| Error::io("write", &self.path, e))?;
        let _ = self.file.push_out(self.written, len as u64);
        // What could not be written is told of once: here, and not by the sync at the end.
        let failed = |e| Error::io("write", &self.path, e);
        self.file.wait_out(self.pushed.0, self.pushed.1).map_err(failed)?;
        self.pushed = (self.written, len as u64);
        self.written += len as u64;
        self.buffer.drain(..len);
        self.log.counters.bytes_compacted.fetch_add(len as u64, Relaxed);
        Ok(())
    }

    /// Writes what is left and the footer, and makes the segment one of the log's. See the steps above.
    pub(crate) fn finish(mut self, breathe: Breathe<'_>) -> Result<Arc<Segment>> {
        self.end_commit();
        let records_end = self.end();
        let footer = self.rows.encode(&self.header, records_end);
        self.buffer.extend_from_slice(&footer);
        self.write_steps(breathe)?;
        self.write(self.buffer.len())?;
        let len = self.written;
        let failed = |e| Error::io("write", &self.path, e);
        self.file.set_len(len).map_err(failed)?;
        self.file.sync().map_err(failed)?;
        let path = path_of(&self.log.dir, self.header.segment, "seg");
        let segment = Segment::new(self.header, path.clone(), self.file.clone())?;
        let trailer = Trailer::decode(&footer[footer.len() - TRAILER_LEN..], &self.header, len);
        segment.set_sealed(trailer.expect("just encoded"));
        self.log.disk.rename(&self.path, &path).map_err(|e| Error::io("rename to", &path, e))?;
        self.is_named = true;
        let failed =
            |e| Error::io("sync the directory", &self.log.dir, e).become_kind(ErrorKind::Poisoned, SYNC_FAILED);
        self.log.disk.sync_dir(&self.log.dir).map_err(failed)?;
        let segment = Arc::new(segment);
        let mut table = self.log.table.write();
        table.insert(segment.id(), segment.clone());
        self.log.gathering.fetch_sub(std::mem::take(&mut self.taken), Relaxed);
        drop(table);
        Ok(segment)
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        // A forked child leaves its parent's files alone.
        if !self.is_named && self.process == fork::generation() {
            let _ = self.log.disk.unlink(&self.path);
        }
        self.log.gathering.fetch_sub(self.taken, Relaxed);
    }
}

//! One segment: a file of records, mapped once, read below the end that may be read.
//!
//! Owns the map and knows three ends: what may be read ([`Segment::readable`]), where the records end
//! once it is sealed, and the file's. Bytes below the readable end never change while the segment is in
//! the log's table, which is what makes slices of the map sound.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::footer::{FooterView, Rows};
use super::format::{RECORDS_AT, SegmentHeader, TRAILER_LEN, Trailer};
use super::record::{BlobView, HEADER_LEN, Header, MAGIC, OpView};
use crate::digest::Secret;
use crate::disk::map::{Map, View};
use crate::disk::{DiskFile, FileFacts};
use crate::error::{Error, Result};

/// Is shown a record: its place, its header and its head; says whether to go on.
type Visit<'a> = dyn FnMut(u64, &Header, &[u8]) -> ControlFlow<()> + 'a;

/// One file of the log.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) facts: FileFacts,
    map: Arc<Map>,
    readable: AtomicU64,
    trailer: OnceLock<Trailer>,
    /// Rows of a sealed segment whose footer is damaged, found by reading its records.
    reread: OnceLock<Rows>,
    /// Which footers were checked since the store was opened: a footer is checked once.
    footer_checked: OnceLock<bool>,
    checked: OnceLock<Checked>,
}

/// Which chunks were found sound since they were mapped: a bit each, set and never cleared.
pub(crate) struct Checked(Box<[AtomicU64]>);

impl Checked {
    pub(crate) fn new(bits: u64) -> Checked {
        Checked((0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn has(&self, bit: u64) -> bool {
        self.0.get((bit / 64) as usize).is_some_and(|word| word.load(Ordering::Relaxed) >> (bit % 64) & 1 == 1)
    }

    pub(crate) fn set(&self, bit: u64) {
        if let Some(word) = self.0.get((bit / 64) as usize) {
            word.fetch_or(1 << (bit % 64), Ordering::Relaxed);
        }
    }
}

impl Segment {
    /// A segment over an open file; nothing may be read of it yet.
    pub(crate) fn new(header: SegmentHeader, path: PathBuf, file: Arc<dyn DiskFile>) -> Result<Segment> {
        let facts = file.facts().map_err(|e| Error::io("look at", &path, e))?;
        let map = file.map(facts.len).map_err(|e| Error::io("map", &path, e))?;
        Ok(Segment {
            header,
            path,
            file,
            facts,
            map: Arc::new(map),
            readable: AtomicU64::new(0),
            trailer: OnceLock::new(),
            reread: OnceLock::new(),
            footer_checked: OnceLock::new(),
            checked: OnceLock::new(),
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.header.segment
    }

    /// Whether it holds what compaction has gathered, beside the chain of segments.
    pub(crate) fn is_compacted(&self) -> bool {
        self.header.compacted
    }

    /// The length of the file.
    pub(crate) fn len(&self) -> u64 {
        self.facts.len
    }

    /// Slices are cut below this offset only.
    pub(crate) fn readable(&self) -> u64 {
        self.readable.load(Ordering::Acquire)
    }

    /// Lets everything below `end` be read; the caller has written it and, unless the writer asked for
    /// less, synced it.
    pub(crate) fn reveal(&self, end: u64) {
        self.readable.fetch_max(end, Ordering::AcqRel);
    }

    /// The segment is complete: `trailer` is durable, or was found at the end of the file.
    pub(crate) fn set_sealed(&self, trailer: Trailer) {
        self.reveal(self.len());
        let _ = self.trailer.set(trailer);
    }

    pub(crate) fn trailer(&self) -> Option<&Trailer> {
        self.trailer.get()
    }

    /// Where the records end: of a sealed segment for ever, of the active one for now.
    pub(crate) fn records_end(&self) -> u64 {
        self.trailer.get().map_or_else(|| self.readable(), |trailer| trailer.records_end)
    }

    /// Bytes of the file, below the readable end.
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.readable()) {
            let found = format!("{len} bytes were to be read there, beyond the end at {}", self.readable());
            return Err(Error::corrupt(&self.path, offset, found));
        }
        self.map.bytes(offset, len).map_err(|e| Error::io("read", &self.path, e))
    }

    /// Whether these bytes, or those of them that are there, are in memory.
    pub(crate) fn is_at_hand(&self, offset: u64, len: u64) -> bool {
        let len = len.min(self.readable().saturating_sub(offset));
        self.map.is_at_hand(offset, len as usize)
    }

    /// The same, as bytes that outlive the segment's stay in the log.
    pub(crate) fn view(&self, offset: u64, len: u64) -> Result<View> {
        if offset.checked_add(len).is_none_or(|end| end > self.readable()) {
            let found = format!("{len} bytes were to be read there, beyond the end at {}", self.readable());
            return Err(Error::corrupt(&self.path, offset, found));
        }
        self.map.view(offset, len as usize).map_err(|e| Error::io("read", &self.path, e))
    }

    /// The record at `offset` and its head, if it stands and ends below the readable end.
    pub(crate) fn record(&self, offset: u64) -> Result<Option<(Header, Cow<'_, [u8]>)>> {
        let readable = self.readable();
        if offset.checked_add(HEADER_LEN as u64).is_none_or(|end| end > readable) || !offset.is_multiple_of(8) {
            return Ok(None);
        }
        let fixed = self.bytes(offset, HEADER_LEN)?;
        let Some(header) = Header::decode(&fixed, self.id(), self.header.salt) else { return Ok(None) };
        if offset.checked_add(header.len()).is_none_or(|end| end > readable) {
            return Ok(None);
        }
        let head = self.bytes(offset + HEADER_LEN as u64, header.head_len as usize)?;
        Ok(Header::stands(&fixed, offset, &head).then_some((header, head)))
    }

    /// The bytes of the operation at `offset`, which stands.
    pub(crate) fn op(&self, offset: u64) -> Result<Cow<'_, [u8]>> {
        let bytes = self.op_bytes(offset)?;
        match bytes.filter(|bytes| OpView::decode(bytes).is_some()) {
            Some(bytes) => Ok(bytes),
            None => Err(self.fallen_op(offset)),
        }
    }

    /// What `read` makes of the operation at `offset`, which stands, where it lies.
    pub(crate) fn read_op<T>(&self, offset: u64, read: impl FnOnce(OpView<'_>) -> Option<T>) -> Result<Option<T>> {
        let bytes = self.op_bytes(offset)?;
        match bytes.as_deref().and_then(OpView::decode) {
            Some(op) => Ok(read(op)),
            None => Err(self.fallen_op(offset)),
        }
    }

    /// Asks for the operation at `offset`, of which something will be read soon: memory that lies apart is fetched
    /// side by side when it is asked for one after the other.
    pub(crate) fn touch(&self, offset: u64) {
        std::hint::black_box(self.bytes(offset, 1).map(|bytes| bytes[0]).unwrap_or_default());
    }

    fn op_bytes(&self, offset: u64) -> Result<Option<Cow<'_, [u8]>>> {
        let len = OpView::len_at(&self.bytes(offset, 4)?);
        let room = self.readable().saturating_sub(offset);
        len.filter(|len| *len as u64 <= room).map(|len| self.bytes(offset, len)).transpose()
    }

    fn fallen_op(&self, offset: u64) -> Error {
        Error::corrupt(&self.path, offset, "the entry that was written there does not stand")
    }

    /// The chunks of this segment that were found sound: one bit for every 64 bytes, since no two
    /// chunks begin closer to each other than a record's header is long.
    pub(crate) fn checked(&self) -> &Checked {
        self.checked.get_or_init(|| Checked::new(self.len() / HEADER_LEN as u64))
    }

    /// Calls `each` with every record that stands from `from` up to `to`, in order; where one does not
    /// stand, `damage` hears of the gap up to the next header that does. A body whose header stands is
    /// never looked into.
    pub(crate) fn walk(
        &self,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(u64, &Header, &[u8]),
        damage: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let mut all = |at: u64, header: &Header, head: &[u8]| {
            each(at, header, head);
            ControlFlow::Continue(())
        };
        self.walk_while(from, to, &mut all, damage).map(drop)
    }

    /// The same, until `each` breaks it off; gives the place it came to, where a later walk goes on.
    pub(crate) fn walk_while(
        &self,
        from: u64,
        to: u64,
        each: &mut Visit<'_>,
        damage: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        let (mut at, mut gap) = (from, None);
        while at < to {
            match self.record(at)?.filter(|(header, _)| at + header.len() <= to) {
                Some((header, head)) => {
                    if let Some(start) = gap.take() {
                        damage(start, at);
                    }
                    let flow = each(at, &header, &head);
                    at += header.len();
                    if flow.is_break() {
                        return Ok(at);
                    }
                }
                None => {
                    gap.get_or_insert(at);
                    at = self.next_magic(at + 8, to)?;
                }
            }
        }
        if let Some(start) = gap {
            damage(start, to);
        }
        Ok(to)
    }

    /// The first place from `from` on, below `to`, where a record's magic stands; `to` when there is none.
    fn next_magic(&self, from: u64, to: u64) -> Result<u64> {
        const STRIDE: u64 = 1 << 20;
        let mut at = from;
        while at + 8 <= to {
            let len = STRIDE.min(to - at) & !7;
            let bytes = self.bytes(at, len as usize)?;
            if let Some(word) = bytes.chunks_exact(8).position(|word| word.starts_with(MAGIC)) {
                return Ok(at + 8 * word as u64);
            }
            at += len;
        }
        Ok(to)
    }

    /// Whether every chunk of the body of the record at `offset` is what was written.
    pub(crate) fn body_is_sound(&self, offset: u64, header: &Header, head: &[u8]) -> Result<bool> {
        let Some(blob) = BlobView::decode(header, head).filter(|blob| blob.file.is_none()) else { return Ok(true) };
        let body = self.bytes(offset + header.body_at(), header.body_len as usize)?;
        Ok(super::record::chunk_crcs(&body).enumerate().all(|(n, crc)| blob.crc(n) == Some(crc)))
    }

    /// Whether there is something between the records of this sealed segment, where one does not stand.
    pub(crate) fn has_gaps(&self) -> Result<bool> {
        let mut has_gaps = false;
        self.walk(RECORDS_AT, self.records_end(), &mut |_, _, _| (), &mut |_, _| has_gaps = true)?;
        Ok(has_gaps)
    }

    /// Whether anything but zeros lies between the records and the footer of this sealed segment: what an earlier
    /// life of the file has left there, or a write that failed.
    pub(crate) fn has_remains(&self) -> Result<bool> {
        const STRIDE: u64 = 1 << 20;
        let Some(trailer) = self.trailer.get() else { return Ok(false) };
        let (mut at, end) = (trailer.records_end, self.len() - trailer.footer_len);
        while at < end {
            let len = STRIDE.min(end - at);
            if self.bytes(at, len as usize)?.iter().any(|byte| *byte != 0) {
                return Ok(true);
            }
            at += len;
        }
        Ok(false)
    }

    /// What `ask` finds in the footer of this sealed segment; its rows are read from the records when
    /// the footer is damaged, and then they answer.
    pub(crate) fn with_footer<T>(
        &self,
        secret: &Secret,
        of_footer: impl FnOnce(&FooterView<'_>) -> T,
        of_rows: impl FnOnce(&Rows) -> T,
    ) -> Result<T> {
        if let Some(trailer) = self.trailer.get().filter(|_| self.reread.get().is_none()) {
            let at = self.len() - trailer.footer_len;
            let bytes = self.bytes(at, trailer.footer_len as usize)?;
            if let Some(view) = self.footer_stands()?.then(|| FooterView::of_checked(&bytes, trailer)).flatten() {
                return Ok(of_footer(&view));
            }
        }
        Ok(of_rows(self.reread_rows(secret)?))
    }

    /// Whether the footer of this sealed segment is whole.
    pub(crate) fn footer_stands(&self) -> Result<bool> {
        let Some(trailer) = self.trailer.get() else { return Ok(false) };
        if let Some(known) = self.footer_checked.get() {
            return Ok(*known);
        }
        let bytes = self.bytes(self.len() - trailer.footer_len, trailer.footer_len as usize)?;
        Ok(*self.footer_checked.get_or_init(|| FooterView::decode(&bytes, trailer).is_some()))
    }

    /// The rows of this sealed segment, from its footer or else from its records.
    pub(crate) fn rows(&self, secret: &Secret) -> Result<Rows> {
        #[allow(clippy::redundant_closure_for_method_calls)] // The method itself is not general enough.
        let of_footer = self.with_footer(secret, |footer| footer.rows(), |rows| Some(rows.clone()))?;
        of_footer.map_or_else(|| self.reread_rows(secret).cloned(), Ok)
    }

    fn reread_rows(&self, secret: &Secret) -> Result<&Rows> {
        if self.reread.get().is_none() {
            let mut rows = Rows::new();
            let mut each = |at: u64, header: &Header, head: &[u8]| {
                rows.add(secret, header, at, head);
            };
            self.walk(RECORDS_AT, self.records_end(), &mut each, &mut |_, _| ())?;
            let _ = self.reread.set(rows);
        }
        Ok(self.reread.get().expect("set above"))
    }

    /// Whether the footer of this sealed segment was found damaged.
    pub(crate) fn footer_is_damaged(&self) -> bool {
        self.reread.get().is_some()
    }

    /// Seals without a footer: of a segment whose trailer is damaged, but whose successor says where its
    /// records end.
    pub(crate) fn set_ended(&self, records_end: u64) {
        self.reveal(self.len());
        let _ = self.trailer.set(Trailer {
            segment: self.id(),
            salt: self.header.salt,
            footer_len: TRAILER_LEN as u64,
            records_end,
            last_sequence: 0,
            lowest_sequence: 0,
            footer_crc: !0,
        });
        let _ = self.footer_checked.set(false);
    }

    /// Whether the file may be written again once the segment has left the log: nobody else has it
    /// mapped or linked, and no child of a fork may hold a map of it.
    pub(crate) fn map(&self) -> &Arc<Map> {
        &self.map
    }
}

/// What is asked of a sealed segment's footer, or of its records.
#[allow(clippy::redundant_closure_for_method_calls)] // The methods themselves are not general enough.
impl Segment {
    /// How many puts, ends and blobs were written.
    pub(crate) fn counts(&self, secret: &Secret) -> Result<(u64, u64, u64)> {
        self.with_footer(secret, |footer| footer.counts(), Rows::counts)
    }

    /// Sequence and offset of the oldest end.
    pub(crate) fn first_end(&self, secret: &Secret) -> Result<Option<(u64, u32)>> {
        self.with_footer(secret, |footer| footer.first_end(), Rows::first_end)
    }

    /// Offset of the put or end that was written last.
    pub(crate) fn last_op(&self, secret: &Secret) -> Result<Option<u32>> {
        self.with_footer(secret, |footer| footer.last_op(), Rows::last_op)
    }

    /// Offsets of policy and retire operations.
    pub(crate) fn others(&self, secret: &Secret) -> Result<Vec<u32>> {
        self.with_footer(secret, |footer| footer.others(), |rows| rows.others.clone())
    }
}

/// The path of a segment, or of a spare.
pub(crate) fn path_of(segments: &Path, id: u32, extension: &str) -> PathBuf {
    segments.join(format!("{id:010}.{extension}"))
}

/// The id and extension of a name in `segments/`.
pub(crate) fn parse_name(name: &str) -> Option<(u32, &str)> {
    let (id, extension) = name.split_once('.')?;
    (id.len() == 10 && matches!(extension, "seg" | "spare")).then_some((id.parse().ok()?, extension))
}

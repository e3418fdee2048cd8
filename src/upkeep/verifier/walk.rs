//! Step 2: the segments in the order of their ids, their records in the order of the log, and each large
//! blob's file when its record is met.
//!
//! What was appended or sealed since the walk came by is not read; of what compaction moved behind its back,
//! the contents are (rows.rs).

use std::ops::Range;
use std::sync::Arc;

use super::{Found, Kind, PIECE, Run, Stop, difference};
use crate::catalog::Place;
use crate::digest::{Hasher, crc};
use crate::disk::Access;
use crate::error::Result;
use crate::log::Position;
use crate::log::blob_files::BlobFileName;
use crate::log::footer::FooterView;
use crate::log::format::{CHUNK, PAGE, RECORDS_AT, TRAILER_LEN, chunks};
use crate::log::record::{BlobView, HEADER_LEN, Header, Kind as RecordKind, MAGIC, operations};
use crate::log::segment::Segment;

/// Where the second copy of a segment's header begins, and where the page ends.
const HEADER_HALVES: [Range<usize>; 2] = [0..PAGE as usize / 2, PAGE as usize / 2..PAGE as usize];

impl Run<'_, '_> {
    /// Reads every segment there was when the run began, from the position on.
    pub(super) fn walk(&mut self) -> Result<(), Stop> {
        while let Some(segment) = self.next_segment() {
            if segment.id() > self.position.segment {
                self.position = Position { segment: segment.id(), offset: 0 };
            }
            self.segment(&segment)?;
            self.position = self.position.max(Position { segment: segment.id() + 1, offset: 0 });
        }
        self.position = self.position.max(Position { segment: self.last + 1, offset: 0 });
        Ok(())
    }

    fn next_segment(&self) -> Option<Arc<Segment>> {
        let all = self.upkeep.log.segments();
        all.into_iter().find(|segment| segment.id() >= self.position.segment && segment.id() <= self.last)
    }

    fn segment(&mut self, segment: &Arc<Segment>) -> Result<(), Stop> {
        let (end, is_sealed) = self.upkeep.end_of(segment);
        if self.position.offset == 0 {
            self.header_page(segment)?;
        }
        while self.position.offset < end {
            self.position.offset = self.record(segment, self.position.offset, end)?;
        }
        self.walked.insert(segment.id(), end);
        if is_sealed { self.footer(segment) } else { Ok(()) }
    }

    /// The first page, past the map: what repair writes there is behind no slice.
    fn header_page(&mut self, segment: &Arc<Segment>) -> Result<(), Stop> {
        let expected = segment.header.encode();
        let mut page = vec![0; expected.len()];
        for again in [false, true] {
            let read = segment.file.read_at(&mut page, 0);
            if read.is_ok() && page == expected {
                break;
            }
            if !again {
                continue;
            }
            if let Err(error) = read {
                let what = format!("the segment's header cannot be read: {error}");
                self.blame(Found::new(Kind::Header(segment.clone()), &segment.path, 0..PAGE, what));
                break;
            }
            for half in HEADER_HALVES {
                let start = half.start as u64;
                if let Some(place) = difference(&page[half.clone()], &expected[half]) {
                    let place = start + place.start..start + place.end;
                    let what = "a copy of the segment's header, or the zeros behind it, is damaged";
                    self.blame(Found::new(Kind::Header(segment.clone()), &segment.path, place, what));
                }
            }
        }
        self.position.offset = RECORDS_AT;
        self.pace(PAGE)
    }

    /// Reads the record at `at`, and what it brings with it; gives where the next one begins.
    fn record(&mut self, segment: &Arc<Segment>, at: u64, end: u64) -> Result<u64, Stop> {
        let stands = || {
            let found = segment.record(at).ok().flatten().filter(|(header, _)| at + header.len() <= end);
            found.map(|(header, head)| (header, head.into_owned()))
        };
        let Some((header, head)) = stands().or_else(stands) else {
            let next = next_standing(segment, at + 8, end);
            let place = at..next;
            let found = Found::new(Kind::Records(segment.clone()), &segment.path, place.clone(), "");
            self.blame(Found { what: NO_RECORD.into(), ..found.claiming(segment.id(), place) });
            self.position.offset = next;
            self.pace(next - at)?;
            return Ok(next);
        };
        let next = at + header.len();
        self.pace(HEADER_LEN as u64 + head.len() as u64)?;
        match header.kind {
            RecordKind::Begin => {}
            RecordKind::Commit => {
                if operations(&head).any(|found| found.is_none()) {
                    let what = "a record stands whose entries do not add up";
                    let found = Found::new(Kind::Records(segment.clone()), &segment.path, at..next, what);
                    self.blame(found.claiming(segment.id(), at..next));
                }
            }
            RecordKind::Blob | RecordKind::File => self.content(segment, at, &header, &head)?,
        }
        self.padding(segment, at + header.body_at() + header.body_len..next);
        Ok(next)
    }

    /// The zeros behind a record, up to a multiple of 8.
    fn padding(&mut self, segment: &Arc<Segment>, place: Range<u64>) {
        let are_zeros = || {
            let bytes = segment.bytes(place.start, (place.end - place.start) as usize);
            bytes.is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0))
        };
        if !are_zeros() && !are_zeros() {
            let what = "the zeros behind a record are none; nothing is lost by it";
            self.blame(Found::new(Kind::Records(segment.clone()), &segment.path, place, what));
        }
    }

    /// The content that the blob record at `at` tells of: its body, or the file it names, unless nobody
    /// holds that any more.
    pub(super) fn content(
        &mut self,
        segment: &Arc<Segment>,
        at: u64,
        header: &Header,
        head: &[u8],
    ) -> Result<(), Stop> {
        let next = at + header.len();
        let claim = (segment.id(), at..at + 1);
        let Some(blob) = BlobView::decode(header, head) else {
            let what = "a record stands whose checksums of content cannot be read";
            let found = Found::new(Kind::Records(segment.clone()), &segment.path, at..next, what);
            self.blame(found.claiming(claim.0, claim.1));
            return Ok(());
        };
        let Some(id) = blob.file else {
            let body_at = at + header.body_at();
            let piece = |offset, len| segment.bytes(body_at + offset, len).map(std::borrow::Cow::into_owned);
            if let Some((place, what)) = self.bytes_of(&blob, &piece)? {
                let place = body_at + place.start..body_at + place.end;
                let found = Found::new(Kind::Records(segment.clone()), &segment.path, place, what);
                self.blame(Found { digest: Some(blob.digest), ..found.claiming(claim.0, claim.1) });
            }
            return Ok(());
        };
        let name = BlobFileName { digest: blob.digest, id };
        let place = Place { segment: segment.id(), offset: at as u32 | 1 };
        let damage = if self.is_held(&blob, place) { self.file(&name, &blob)? } else { None };
        // What was let go meanwhile may have lost its file rightly.
        if let Some((range, what)) = damage.filter(|_| self.is_held(&blob, place)) {
            let found = Found::new(Kind::File(name), &self.upkeep.files.path_of(&name), range, what);
            self.blame(Found { digest: Some(blob.digest), ..found.claiming(claim.0, claim.1) });
        }
        Ok(())
    }

    /// Whether the record at `place` is the one that the catalog has of its content.
    fn is_held(&self, blob: &BlobView<'_>, place: Place) -> bool {
        let scope = match blob.account {
            "" => Some(crate::catalog::STORE_SCOPE),
            account => self.upkeep.catalog.accounts.find(account).map(|account| account.id),
        };
        let row = scope.and_then(|scope| self.upkeep.catalog.content_of(&blob.digest, scope));
        row.is_some_and(|row| row.place == place)
    }

    fn file(&mut self, name: &BlobFileName, blob: &BlobView<'_>) -> Result<Option<(Range<u64>, String)>, Stop> {
        let path = self.upkeep.files.path_of(name);
        let facts = self.upkeep.log.disk.open(&path, Access::Read).and_then(|file| file.facts());
        let file = match (facts, self.upkeep.files.open(name, blob.len)) {
            (Ok(facts), _) if facts.len != blob.len => {
                let what = format!("the file of a large blob has {} bytes, not {}", facts.len, blob.len);
                return Ok(Some((0..0, what)));
            }
            (Ok(_), Ok(file)) => file,
            (Err(error), _) => return Ok(Some((0..0, format!("the file of a large blob cannot be opened: {error}")))),
            (_, Err(error)) => return Ok(Some((0..0, error.to_string()))),
        };
        let failed = |e| crate::error::Error::io("read", &file.path, e);
        let piece = |offset, len| file.map.bytes(offset, len).map(std::borrow::Cow::into_owned).map_err(failed);
        self.bytes_of(blob, &piece)
    }

    /// Reads a content chunk by chunk; gives the stretch that is not what was written, if any is.
    fn bytes_of(
        &mut self,
        blob: &BlobView<'_>,
        piece: &dyn Fn(u64, usize) -> Result<Vec<u8>>,
    ) -> Result<Option<(Range<u64>, String)>, Stop> {
        let (mut hasher, mut bad, mut count) = (Hasher::default(), None::<Range<u64>>, 0);
        for n in 0..chunks(blob.len) {
            let offset = n * CHUNK as u64;
            let len = (blob.len - offset).min(CHUNK as u64);
            let sound = || piece(offset, len as usize).ok().filter(|bytes| blob.crc(n as usize) == Some(crc(bytes)));
            match sound().or_else(sound) {
                Some(bytes) => hasher.update(&bytes),
                None => {
                    bad = Some(bad.map_or(offset, |bad| bad.start)..offset + len);
                    count += 1;
                }
            }
            self.pace(len)?;
        }
        self.contents_checked += 1;
        if let Some(bad) = bad {
            let all = chunks(blob.len);
            return Ok(Some((bad, format!("{count} of {all} chunks of a content do not have the stored checksum"))));
        }
        if hasher.finish() != blob.digest {
            let what = format!("the content is not {}, though its chunks have the stored checksums", blob.digest);
            return Ok(Some((0..blob.len, what)));
        }
        Ok(None)
    }

    fn footer(&mut self, segment: &Arc<Segment>) -> Result<(), Stop> {
        let Some(trailer) = segment.trailer().copied() else { return Ok(()) };
        let place = segment.len() - trailer.footer_len..segment.len();
        let stands = || {
            let bytes = segment.bytes(place.start, trailer.footer_len as usize);
            bytes.is_ok_and(|bytes| {
                let rows = FooterView::decode(&bytes, &trailer).is_some();
                rows && bytes[bytes.len() - TRAILER_LEN..] == trailer.encode()
            })
        };
        if !stands() && !stands() {
            let what = "the segment's footer is damaged; its records are read instead";
            self.blame(Found::new(Kind::Footer(segment.clone()), &segment.path, place, what));
        }
        self.position = Position { segment: segment.id() + 1, offset: 0 };
        self.pace(trailer.footer_len)
    }
}

/// What is said of a stretch without records.
const NO_RECORD: &str = "records that were written do not stand";

/// Where the next record stands, from `from` on and below `end`; `end` when there is none. Pages that the disk
/// cannot give are passed over.
fn next_standing(segment: &Segment, from: u64, end: u64) -> u64 {
    let mut at = from;
    while at + HEADER_LEN as u64 <= end {
        let len = (PIECE - at % PIECE).min(end - at) & !7;
        let Ok(bytes) = segment.bytes(at, len as usize) else {
            at = (at + 1).next_multiple_of(PAGE);
            continue;
        };
        for word in bytes.chunks_exact(8).enumerate().filter(|(_, word)| word.starts_with(MAGIC)).map(|(n, _)| n) {
            let place = at + 8 * word as u64;
            if matches!(segment.record(place), Ok(Some((header, _))) if place + header.len() <= end) {
                return place;
            }
        }
        at += len;
    }
    end
}

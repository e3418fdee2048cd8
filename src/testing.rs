//! Hooks for tests of the store itself: faults in the index, and the decoders with bytes of one's choosing.
//!
//! A decoder believes nothing before a checksum holds, and random bytes never get past one. Each probe here
//! makes the checksums of its bytes hold first, so that what lies behind them is tried; then it reads all
//! there is to be read. None may panic, and none may take more memory than its bytes call for.

pub use crate::index::{Fault, break_index};

use crate::catalog::checkpoint;
use crate::digest::{Secret, crc, crc_of_two};
use crate::log::blob_files::BlobFileName;
use crate::log::footer::{FooterView, Rows};
use crate::log::format::{SegmentHeader, StoreFile, TRAILER_LEN, Trailer, array_at, u32_at, u64_at};
use crate::log::manifest::{ListedFile, ListedSegment, Manifest};
use crate::log::record::{BlobView, HEADER_LEN, Header, Kind, OpView, operations};
use crate::store::Store;
use crate::token;

/// Numbers in front of an input that stand for the fields of a record's header.
const RECORD_FIELDS: usize = 4 + 8 + 8 + 4;
const OP_CHECK_AT: usize = 20;
/// A segment that a footer may be of, larger than any input.
const SEGMENT_LEN: u64 = 1 << 30;

/// What writers have waited for upkeep since the store was opened: how often, how often for more than 100 ms, and the
/// longest; at the brake, then for the right to write.
pub fn waits_for_upkeep(store: &Store) -> [(u64, u64, std::time::Duration); 2] {
    store
        .engine()
        .map_or_else(|_| Default::default(), |engine| [engine.commit.brake.waits.told(), engine.commit.waits.told()])
}

/// Reads `bytes` as a record: its kind and lengths, then its head.
pub fn read_record(bytes: &[u8]) {
    let _ = Header::decode(bytes, 7, 9);
    let Some((fields, head)) = bytes.split_at_checked(RECORD_FIELDS) else { return };
    let kind = [Kind::Begin, Kind::Blob, Kind::File, Kind::Commit][usize::from(fields[0] % 4)];
    let mut head = head.to_vec();
    make_operations_stand(&mut head);
    let header = Header {
        kind,
        copied: fields[1] & 1 == 1,
        salt: 9,
        segment: 7,
        head_len: head.len() as u32,
        body_len: if kind == Kind::Blob { u64_at(fields, 4) } else { 0 },
        sequence: u64_at(fields, 12),
        previous: 0,
        proven: 4096,
        count: u32_at(fields, 20),
    };
    let mut front = header.encode(4096, &head);
    if fields[2] == 1 {
        front[usize::from(fields[3]) % HEADER_LEN] ^= fields[2];
    }
    let Some(header) = Header::decode(&front, 7, 9).filter(|_| Header::stands(&front, 4096, &head)) else { return };
    if let Some(blob) = BlobView::decode(&header, &head) {
        let last = usize::try_from(blob.len / 65536).unwrap_or(usize::MAX);
        let _ = (blob.crc(0), blob.crc(last), blob.account.len());
    }
    for (_, op) in operations(&head).flatten() {
        // What a reader takes from it agrees with what recovery asked of it.
        assert_eq!(op.texts_are_sound() && op.put().is_some(), op.entry().is_some());
        let _ = (op.stamp(), op.policy(), op.retired(), op.account().len() + op.name().len());
    }
    let mut rows = Rows::new();
    rows.add(&Secret([1; 32]), &header, 4096, &head);
    read_rows(&rows.encode(&segment(), 8192));
}

/// Gives every operation of a commit's head the CRC it should have.
fn make_operations_stand(head: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = head.get(at..).and_then(OpView::len_at) {
        let Some(op) = head.get_mut(at..at + len) else { return };
        let check = crc_of_two(&op[..OP_CHECK_AT], &op[OP_CHECK_AT + 4..]);
        op[OP_CHECK_AT..OP_CHECK_AT + 4].copy_from_slice(&check.to_le_bytes());
        at += len;
    }
}

fn segment() -> SegmentHeader {
    let header =
        SegmentHeader { segment: 7, salt: 9, first_sequence: 1, predecessor: 0, predecessor_end: 0, compacted: false };
    SegmentHeader::decode(&header.encode()).expect("just encoded")
}

/// Reads `bytes` as the rows of a footer.
pub fn read_footer(bytes: &[u8]) {
    let trailer = Trailer {
        segment: 7,
        salt: 9,
        footer_len: (bytes.len() + TRAILER_LEN) as u64,
        records_end: 4096,
        last_sequence: 1,
        lowest_sequence: 1,
        footer_crc: crc(bytes),
    };
    let mut footer = bytes.to_vec();
    footer.extend_from_slice(&trailer.encode());
    read_rows(&footer);
}

fn read_rows(footer: &[u8]) {
    let Some(trailer) = Trailer::decode(&footer[footer.len() - TRAILER_LEN..], &segment(), SEGMENT_LEN) else { return };
    let Some(view) = FooterView::decode(footer, &trailer) else { return };
    if let Some(rows) = view.rows() {
        assert!(rows.puts.iter().all(|row| rows.accounts.len() > row.account as usize));
        let _ = rows.puts.first().is_some_and(|row| view.has_put_before(row.key, row.sequence));
    }
    let _ = (view.expiring_put(0), view.expiring_put(usize::MAX), view.ends().count());
}

/// Reads `bytes` as the file STORE and as a segment's header page.
pub fn read_store_file(bytes: &[u8]) {
    let _ = (StoreFile::decode(bytes).is_ok(), SegmentHeader::decode(bytes).is_ok());
    let mut page = bytes.to_vec();
    for check_at in [64, 48] {
        if let Some(checked) = page.get(..check_at).map(crc)
            && let Some(place) = page.get_mut(check_at..check_at + 4)
        {
            place.copy_from_slice(&checked.to_le_bytes());
        }
        if let Ok(store) = StoreFile::decode(&page) {
            assert!(StoreFile::decode(&store.encode()).is_ok_and(|again| again == store));
        }
        if let Ok(header) = SegmentHeader::decode(&page) {
            assert!(SegmentHeader::decode(&header.encode()).is_ok_and(|again| again == header));
        }
    }
}

/// Reads `bytes` as the file `catalog`.
pub fn read_catalog(bytes: &[u8]) {
    let _ = checkpoint::read(bytes, &[3; 16]);
    let mut file = bytes.to_vec();
    if file.len() < checkpoint::HEADER_LEN {
        return;
    }
    let (header, rest) = file.split_at_mut(checkpoint::HEADER_LEN);
    header[16..32].copy_from_slice(&[3; 16]);
    header[88..96].copy_from_slice(&(rest.len() as u64).to_le_bytes());
    header[96..100].copy_from_slice(&crc(rest).to_le_bytes());
    let checked = crc(&header[..100]);
    header[100..104].copy_from_slice(&checked.to_le_bytes());
    let _ = checkpoint::read(&file, &[3; 16]);
}

/// Reads `bytes` as the file MANIFEST of a checkpoint.
pub fn read_manifest(bytes: &[u8]) {
    let _ = Manifest::decode(bytes);
    let mut file = bytes.to_vec();
    if file.len() < 16 {
        return;
    }
    file[..8].copy_from_slice(b"MCASKMF1");
    file[8..12].copy_from_slice(&1u32.to_le_bytes());
    let checked = crc(&file);
    file.extend_from_slice(&checked.to_le_bytes());
    if let Ok(manifest) = Manifest::decode(&file) {
        assert!(Manifest::decode(&manifest.encode()).is_ok_and(|again| again == manifest));
    }
}

/// Makes the MANIFEST of a checkpoint out of `bytes`; it may list the segment that [`forge_store`] makes, which has
/// `segment_len` bytes. Gives the name that segment goes by there, too.
pub fn forge_manifest(bytes: &[u8], segment_len: u64) -> (Vec<u8>, String) {
    let (fields, rows) = bytes.split_at_checked(16).unwrap_or((&[0; 16], bytes));
    let has = |bit: u8| fields[0] >> bit & 1 == 1;
    let own = ListedSegment { id: 1, is_tail: has(2), len: segment_len };
    let mut manifest = Manifest::begun(if has(1) { [4; 16] } else { [3; 16] }, u64_at(fields, 8));
    (manifest.is_complete, manifest.last_sequence) = (!has(0), u64::from(u32_at(fields, 4)));
    manifest.segments.extend((!has(3)).then_some(own));
    let listed = |row: &[u8]| ListedSegment { id: u32_at(row, 0), is_tail: row[4] & 1 == 1, len: u64_at(row, 8) };
    manifest.segments.extend(rows.chunks_exact(16).take((fields[1] % 4).into()).map(listed));
    let file = |row: &[u8]| {
        let name = BlobFileName { digest: crate::digest::Digest::from_bytes(array_at(row, 0)), id: u64_at(row, 32) };
        ListedFile { name, len: u64_at(row, 40) }
    };
    manifest.files.extend(rows.chunks_exact(48).take((fields[2] % 4).into()).map(file));
    let mut encoded = manifest.encode();
    let place = usize::from(fields[3]) % encoded.len();
    encoded[place] ^= if has(4) { 1 << (fields[3] % 8) } else { 0 };
    (encoded, if has(5) { own.name_in_log() } else { own.file_name() })
}

/// Reads `bytes` as a continuation token, and as the place one goes on from.
pub fn read_token(bytes: &[u8]) {
    let secret = Secret(array_at(&[bytes, &[0; 32]].concat(), 0));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let binding = token::binding("55", "img/", None, None, None);
    assert!(token::open(&secret, &binding, text).is_err(), "nobody made this token");
    for resume in [token::Resume::After(text.to_owned()), token::Resume::Past(text.to_owned())] {
        if !text.is_empty() && text.len() <= crate::limits::NAME_LEN_MAX {
            let sealed = token::seal(&secret, &binding, &resume);
            assert!(token::open(&secret, &binding, &sealed).is_ok_and(|again| again == resume));
        }
    }
}

/// Makes the files STORE and segment 1 of a store out of `bytes`: records that stand and say anything,
/// bodies, footers, and stretches of anything, one after the other.
pub fn forge_store(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let store = StoreFile { id: [3; 16], secret: [1; 32], store_wide: bytes.first().is_some_and(|byte| byte & 1 == 1) };
    let header = SegmentHeader { segment: 1, salt: 9, ..segment() };
    let mut forged = Forged { file: header.encode(), header, rows: Rows::new(), sequence: 1 };
    let mut rest = bytes.get(1..).unwrap_or_default();
    while let Some(([what, low, high], after)) = rest.split_first_chunk::<3>() {
        let len = (usize::from(*low) | usize::from(*high) << 8).min(after.len());
        let (payload, after) = after.split_at(len);
        forged.add(*what, payload);
        rest = after;
    }
    (store.encode(), forged.file)
}

struct Forged {
    file: Vec<u8>,
    header: SegmentHeader,
    rows: Rows,
    sequence: u64,
}

impl Forged {
    fn add(&mut self, what: u8, payload: &[u8]) {
        match what % 8 {
            0 => self.add_record(Kind::Begin, payload, &[]),
            1 => self.add_record(Kind::Blob, payload, &[]),
            2 => self.add_record(Kind::File, payload, &[]),
            3 => {
                let mut head = payload.to_vec();
                make_operations_stand(&mut head);
                self.add_record(Kind::Commit, &head, &[]);
            }
            4 => {
                let digest = crate::digest::Digest::of(payload);
                let head = crate::log::record::encode_blob_head(&digest, crate::log::record::chunk_crcs(payload), "55");
                self.add_record(Kind::Blob, &head, payload);
            }
            5 => {
                let footer = self.rows.encode(&self.header, self.file.len() as u64);
                self.file.extend_from_slice(&footer);
            }
            6 => self.sequence = self.sequence.wrapping_add(payload.len() as u64),
            _ => {
                self.file.extend_from_slice(payload);
                self.file.resize(self.file.len().next_multiple_of(8), 0);
            }
        }
    }

    fn add_record(&mut self, kind: Kind, head: &[u8], body: &[u8]) {
        let offset = self.file.len() as u64;
        let header = Header {
            kind,
            copied: false,
            salt: self.header.salt,
            segment: self.header.segment,
            head_len: head.len() as u32,
            body_len: body.len() as u64,
            sequence: self.sequence,
            previous: self.rows.last_sequence,
            proven: offset,
            count: 1,
        };
        self.sequence = self.sequence.saturating_add(1);
        self.file.extend_from_slice(&header.encode(offset, head));
        self.file.extend_from_slice(head);
        self.file.extend_from_slice(body);
        self.file.resize((offset + header.len()) as usize, 0);
        if Header::decode(&self.file[offset as usize..], header.segment, header.salt).is_some() {
            self.rows.add(&Secret([1; 32]), &header, offset, head);
        }
    }
}

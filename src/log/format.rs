//! The format on disk: the only place that specifies it. All numbers are little-endian.
//!
//! A store is a directory:
//!
//! ```text
//! STORE                 version, store id, secret, dedup scope; written once; two copies, 4096 bytes apart
//! LOCK                  held by the one writing process (flock); its pid in decimal
//! segments/ID.seg       the log: records, appended; ID is ten decimal digits
//! segments/ID.spare     room to be written again; what it holds means nothing
//! files/ab/DIGEST.ID    content of file_threshold bytes or more; ID is 16 hex digits
//! staging/              uploads in flight, and segments that compaction is writing; emptied at open
//! quarantine/           what repair has set aside, and notes on it; the operator's (`upkeep/verifier/repair.rs`)
//! catalog               checkpoint of the catalog; derived (its layout: `catalog/checkpoint.rs`)
//! index/                sled: the names in order; derived
//! activity              what upkeep did last; derived (its layout: `upkeep/activity.rs`)
//! MANIFEST              only in a checkpoint of the store: what belongs to it
//! ```
//!
//! # STORE
//!
//! ```text
//!  0  8  magic "MCASKST1"         8  4  version (1)           12  4  dedup scope: 0 account, 1 store
//! 16 16  store id                32 32  secret                 64  4  CRC-32 of bytes 0..64
//! ```
//!
//! Valid iff the CRC holds in either copy. The id and the secret are random.
//!
//! # Segment
//!
//! ```text
//! page 0   header:  0 8 magic "MCASKSG1"   8 4 version   12 4 segment id     16 8 salt
//!                  24 8 first sequence    32 4 predecessor's id (0: none)   36 4 flags: 1 compacted
//!                  40 8 predecessor's end 48 4 CRC-32 of bytes 0..48; a second copy at 2048; else zeros
//! 4096..   records, each at a multiple of 8
//! end      sealed: a footer, its last 64 bytes the trailer, ends with the file
//! ```
//!
//! The salt is random and new in every life of a segment: neither what an earlier life left behind nor
//! a user's bytes that look like records ever stand.
//!
//! Segments form a chain, each naming the one before it, in the order of their ids. A *compacted* segment
//! stands beside the chain: it holds copies of records that still count, gathered out of segments that have
//! left the log since, with their own sequence numbers, which may be older than those of any segment with a
//! lower id. It is complete, footer and all, before it gets its name, and no predecessor is named in it.
//!
//! # Record
//!
//! ```text
//!  0  4  magic "mcR1"      4  1  kind: 1 begin, 2 blob, 3 file, 4 commit   5  1  flags: 1 copied by compaction
//!  6  2  zero              8  8  salt of the segment                      16  4  segment id
//! 20  4  head length      24  8  body length                              32  8  sequence
//! 40  8  sequence of the record before it in this segment (0: first)      48  8  proven end
//! 56  4  sequence numbers it takes (a commit: its operations; else 1)     60  4  CRC-32: see below
//! 64     head, then body, then zeros to a multiple of 8
//! ```
//!
//! A record *stands* iff magic, salt, segment id and kind are right, the lengths are within the limits
//! and within the segment, no sequence is above 2^64 - 2^35, and the CRC holds: of bytes 0..60, the record's offset
//! in the segment (8 bytes), and the head. So what a body holds never stands, be it this very segment's file. The
//! proven end is the offset up to which the segment was known to be durable when the record was written. The CRCs of
//! the body's chunks stand in the head.
//!
//! ```text
//! begin   head: nothing. Opens a range of sequence numbers in a segment that is gone on with.
//! blob    head: 32 digest, 4 x n chunk CRCs, the account that shares it (nothing: the store). body: the content.
//! file    head: 32 digest, 8 length, 8 file id, 4 x n chunk CRCs, the account. No body: it is files/ab/DIGEST.ID
//! commit  head: operations, one after the other. They hold all together or not at all.
//! ```
//!
//! n is the number of chunks of 65536 bytes, the last one shorter; no content, no chunk.
//!
//! # Operation
//!
//! ```text
//!  0  4  length of the operation          4  1  tag: 1 put, 2 end, 3 policy, 4 retire
//!  5  1  reason (put: 0 put, 1 update, 2 copy; end: 0 delete, 1 expiry, 2 purge)
//!  6  2  account length                   8  2  name length             10  2  content type length
//! 12  2  cache control length            14  2  disposition length      16  4  metadata length
//! 20  4  CRC-32 of the operation without these four bytes
//! 24  8  sequence                        32  8  sequence of the entry it replaces or ends (0: none)
//! 40 32  digest that entry lets go       72  8  time of the operation, Unix ms
//! put:    80 32 digest  112 8 size  120 8 created, Unix ms  128 8 expires, Unix ms (0: never)  136 texts
//! end:    80 texts      retire: 80 4 segment id
//! policy: 80 8 default ttl ms  88 8 longest ttl ms  96 8 largest blob  104 8 quota bytes  112 8 quota count
//!         (each u64::MAX: none)  120 texts
//! texts:  account, name, content type, cache control, disposition, metadata (per pair: 2 key length,
//!         2 value length, key, value); all UTF-8
//! ```
//!
//! # Footer
//!
//! Counts, then rows, then the trailer; it says of every operation and blob of the segment where it is:
//!
//! ```text
//! 0 4 accounts   4 4 puts   8 4 ends   12 4 blobs   16 4 others   20 4 expiring
//! accounts  each: 2 length, text                                   padded to 8 after the last
//! puts      by key: 16 name key, 8 sequence, 8 expires, 8 size, 32 digest, 4 offset, 4 account
//! ends      by key: 16 name key, 8 sequence, 4 offset, 4 account
//! blobs     by offset: 32 digest, 8 length, 8 sequence, 4 offset (plus 1: a file's), 4 account (u32::MAX: the store)
//! others    4 offset of each policy and retire operation            padded to 8 after the last
//! expiring  4 place in puts, by expiry                              padded to 8 after the last
//! trailer    0 8 magic "MCASKFT1"   8 4 version   12 4 segment id   16 8 salt   24 8 footer length, trailer included
//!           32 8 end of the records   40 8 last sequence   48 8 lowest sequence   56 4 CRC-32 of the footer before
//!           the trailer   60 4 CRC-32 of the trailer's first 60 bytes
//! ```
//!
//! # Checkpoint
//!
//! A directory with a MANIFEST is a checkpoint of a store: a copy of its log up to a place, made while others
//! wrote. It has STORE, `segments/` and `files/`, and of what lies there only what the MANIFEST lists counts. It
//! becomes a store when it is opened as one: STORE gets a new id and the MANIFEST goes. A sealed segment and a
//! blob's file are called as in the store, and may be the same file: one with two names, or of mode 0400, is never
//! written. The end of the log, which was not sealed, is `segments/ID.LENGTH.tail`, LENGTH being 16 hex digits.
//!
//! ```text
//!  0  8  magic "MCASKMF1"         8  4  version (1)           12  4  1: complete; 0: still being made
//! 16 16  store id                32  8  last sequence         40  8  time, Unix ms
//! 48  4  segments                52  4  blob files
//! 56     segments, by id: 4 id, 4 kind (0: sealed, 1: the end of the log), 8 length of the file
//!        blob files: 32 digest, 8 id, 8 length of the file
//! end-4  CRC-32 of all before
//! ```
//!
//! Valid iff the CRC holds and the counts make up the length. It is complete iff every file it lists has the
//! length it says. Written last, and swapped in by a rename.
//!
//! # Worked example
//!
//! Segment 7 with salt 0x1122334455667788. Its first record, at offset 4096, sequence 2^40, deletes the name
//! `a.png` of account `55` at 1,700,000,000,000 ms, whose entry had sequence 3 and the digest 0xEE, 32 times.
//! Offsets are within the record; a test (`record.rs`) holds the encoder against it:
//!
//! ```text
//! 0000  6d 63 52 31 04 00 00 00 88 77 66 55 44 33 22 11   magic, commit, no flags; salt
//! 0010  07 00 00 00 57 00 00 00 00 00 00 00 00 00 00 00   segment 7, head of 87 bytes; no body
//! 0020  00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00   sequence; the first record here
//! 0030  00 10 00 00 00 00 00 00 01 00 00 00 4a 96 39 51   proven up to 4096; one operation, CRC
//! 0040  57 00 00 00 02 00 02 00 05 00 00 00 00 00 00 00   87 bytes, end, delete, account 2, name 5; no more texts
//! 0050  00 00 00 00 20 a9 83 4d 00 00 00 00 00 01 00 00   no metadata, CRC; sequence
//! 0060  03 00 00 00 00 00 00 00 ee ee ee ee ee ee ee ee   it ends sequence 3; the digest that lets go
//! 0070  ee ee ee ee ee ee ee ee ee ee ee ee ee ee ee ee
//! 0080  ee ee ee ee ee ee ee ee 00 68 e5 cf 8b 01 00 00   time
//! 0090  35 35 61 2e 70 6e 67 00                           "55", "a.png"; a zero to a multiple of 8
//! ```

use crate::digest::crc;

/// The version of the format this code writes, and the newest it reads.
pub(crate) const VERSION: u32 = 1;
/// Records begin here in every segment.
pub(crate) const RECORDS_AT: u64 = 4096;
/// A page: what the header takes, and what the kernel reads before it can write a part of one.
pub(crate) const PAGE: u64 = 4096;
/// Content is checked in chunks of this many bytes.
pub(crate) const CHUNK: usize = 64 << 10;
/// Each open begins a new range of sequence numbers, at a multiple of this: there is room for two thousand million.
/// A process that counts beyond its range goes on in the next.
pub(crate) const RANGE: u64 = 1 << 32;
/// The first sequence number of a store.
pub(crate) const SEQUENCE_FIRST: u64 = 2 * RANGE;
/// No record has a sequence number beyond this one: what is added to one never wraps.
pub(crate) const SEQUENCE_MAX: u64 = u64::MAX - 8 * RANGE;

/// Where the numbers of a new process begin when `last` is the highest in the log; `None` when they are used
/// up. A whole range is left out: a record that was lost may have been beyond the end of its own.
pub(crate) fn next_range(last: u64) -> Option<u64> {
    Some((last.checked_add(2 * RANGE)? / RANGE) * RANGE).filter(|first| *first <= SEQUENCE_MAX - RANGE)
}
/// Length of a footer's trailer.
pub(crate) const TRAILER_LEN: usize = 64;

const STORE_MAGIC: &[u8; 8] = b"MCASKST1";
const SEGMENT_MAGIC: &[u8; 8] = b"MCASKSG1";
const TRAILER_MAGIC: &[u8; 8] = b"MCASKFT1";
const STORE_LEN: usize = 68;
const STORE_COPY_AT: usize = 4096;
const SEGMENT_HEADER_LEN: usize = 52;
const HEADER_COPY_AT: usize = 2048;

/// How many chunks content of `len` bytes has.
pub(crate) const fn chunks(len: u64) -> u64 {
    len.div_ceil(CHUNK as u64)
}

/// The next multiple of 8.
pub(crate) const fn align(len: u64) -> u64 {
    len.next_multiple_of(8)
}

/// Two bytes at `at`; the caller has checked the length.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

/// Four bytes at `at`; the caller has checked the length.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Eight bytes at `at`; the caller has checked the length.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Sixteen bytes at `at`; the caller has checked the length.
pub(crate) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(bytes[at..at + 16].try_into().expect("sixteen bytes"))
}

/// `N` bytes at `at`; the caller has checked the length.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("as many bytes")
}

/// What the file STORE says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreFile {
    pub(crate) id: [u8; 16],
    pub(crate) secret: [u8; 32],
    pub(crate) store_wide: bool,
}

/// Why a fixed structure was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It was written by this later version of the format.
    Version(u32),
    /// It is not what it should be.
    Damaged,
}

impl StoreFile {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(STORE_LEN);
        copy.extend_from_slice(STORE_MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        copy.extend_from_slice(&u32::from(self.store_wide).to_le_bytes());
        copy.extend_from_slice(&self.id);
        copy.extend_from_slice(&self.secret);
        copy.extend_from_slice(&crc(&copy).to_le_bytes());
        let mut bytes = copy.clone();
        bytes.resize(STORE_COPY_AT, 0);
        bytes.extend_from_slice(&copy);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<StoreFile, Refusal> {
        let second = bytes.get(STORE_COPY_AT..).unwrap_or_default();
        Self::decode_copy(bytes).or_else(|first| Self::decode_copy(second).map_err(|_| first))
    }

    fn decode_copy(bytes: &[u8]) -> Result<StoreFile, Refusal> {
        if bytes.len() < STORE_LEN || &bytes[..8] != STORE_MAGIC || u32_at(bytes, 64) != crc(&bytes[..64]) {
            return Err(Refusal::Damaged);
        }
        match (u32_at(bytes, 8), u32_at(bytes, 12)) {
            (VERSION, scope @ 0..=1) => {
                Ok(StoreFile { id: array_at(bytes, 16), secret: array_at(bytes, 32), store_wide: scope == 1 })
            }
            (VERSION, _) => Err(Refusal::Damaged),
            (version, _) => Err(Refusal::Version(version)),
        }
    }
}

/// The first page of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) segment: u32,
    pub(crate) salt: u64,
    pub(crate) first_sequence: u64,
    pub(crate) predecessor: u32,
    pub(crate) predecessor_end: u64,
    /// It holds what compaction has gathered, and is no part of the chain.
    pub(crate) compacted: bool,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAGE as usize);
        bytes.extend_from_slice(SEGMENT_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.segment.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.first_sequence.to_le_bytes());
        bytes.extend_from_slice(&self.predecessor.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.compacted).to_le_bytes());
        bytes.extend_from_slice(&self.predecessor_end.to_le_bytes());
        bytes.extend_from_slice(&crc(&bytes).to_le_bytes());
        let copy = bytes.clone();
        bytes.resize(HEADER_COPY_AT, 0);
        bytes.extend_from_slice(&copy);
        bytes.resize(PAGE as usize, 0);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, Refusal> {
        let second = bytes.get(HEADER_COPY_AT..).unwrap_or_default();
        Self::decode_copy(bytes).or_else(|first| Self::decode_copy(second).map_err(|_| first))
    }

    fn decode_copy(bytes: &[u8]) -> Result<SegmentHeader, Refusal> {
        if bytes.len() < SEGMENT_HEADER_LEN || &bytes[..8] != SEGMENT_MAGIC || u32_at(bytes, 48) != crc(&bytes[..48]) {
            return Err(Refusal::Damaged);
        }
        if u32_at(bytes, 8) != VERSION {
            return Err(Refusal::Version(u32_at(bytes, 8)));
        }
        Ok(SegmentHeader {
            segment: u32_at(bytes, 12),
            salt: u64_at(bytes, 16),
            first_sequence: u64_at(bytes, 24),
            predecessor: u32_at(bytes, 32),
            predecessor_end: u64_at(bytes, 40),
            compacted: u32_at(bytes, 36) & 1 == 1,
        })
    }
}

/// The last 64 bytes of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) segment: u32,
    pub(crate) salt: u64,
    pub(crate) footer_len: u64,
    pub(crate) records_end: u64,
    pub(crate) last_sequence: u64,
    pub(crate) lowest_sequence: u64,
    pub(crate) footer_crc: u32,
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[..8].copy_from_slice(TRAILER_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.footer_len.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.records_end.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last_sequence.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.lowest_sequence.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.footer_crc.to_le_bytes());
        let check = crc(&bytes[..60]);
        bytes[60..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// The trailer of a segment that has `header` and `file_len` bytes, if it stands.
    pub(crate) fn decode(bytes: &[u8], header: &SegmentHeader, file_len: u64) -> Option<Trailer> {
        if bytes.len() < TRAILER_LEN || &bytes[..8] != TRAILER_MAGIC || u32_at(bytes, 60) != crc(&bytes[..60]) {
            return None;
        }
        let trailer = Trailer {
            segment: u32_at(bytes, 12),
            salt: u64_at(bytes, 16),
            footer_len: u64_at(bytes, 24),
            records_end: u64_at(bytes, 32),
            last_sequence: u64_at(bytes, 40),
            lowest_sequence: u64_at(bytes, 48),
            footer_crc: u32_at(bytes, 56),
        };
        let fits = trailer.footer_len >= TRAILER_LEN as u64
            && trailer.records_end >= RECORDS_AT
            && trailer.footer_len.checked_add(trailer.records_end).is_some_and(|end| end <= file_len);
        (trailer.segment == header.segment && trailer.salt == header.salt && fits).then_some(trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_file_survives_the_loss_of_either_copy_and_not_of_both() {
        let store = StoreFile { id: [3; 16], secret: [9; 32], store_wide: true };
        let bytes = store.encode();
        for place in 0..bytes.len() {
            let mut hit = bytes.clone();
            hit[place] ^= 0x10;
            assert!(StoreFile::decode(&hit).is_ok_and(|read| read == store));
        }
        let mut hit = bytes.clone();
        hit[20] ^= 1;
        hit[STORE_COPY_AT + 20] ^= 1;
        assert!(matches!(StoreFile::decode(&hit), Err(Refusal::Damaged)));
        assert!(matches!(StoreFile::decode(&[]), Err(Refusal::Damaged)));
    }

    #[test]
    fn a_range_of_sequence_numbers_begins_where_no_lost_record_can_have_been() {
        assert_eq!(next_range(0), Some(SEQUENCE_FIRST));
        assert_eq!(next_range(RANGE + 5), Some(3 * RANGE));
        assert_eq!(next_range(3 * RANGE), Some(5 * RANGE));
        assert_eq!(next_range(SEQUENCE_MAX), None);
        assert_eq!(next_range(u64::MAX), None);
    }

    #[test]
    fn headers_and_trailers_come_back_and_refuse_a_flipped_bit() {
        let header = SegmentHeader {
            segment: 7,
            salt: 99,
            first_sequence: RANGE,
            predecessor: 6,
            predecessor_end: 8192,
            compacted: false,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        let compacted = SegmentHeader { predecessor: 0, predecessor_end: 0, compacted: true, ..header };
        assert_eq!(SegmentHeader::decode(&compacted.encode()), Ok(compacted));
        let trailer = Trailer {
            segment: 7,
            salt: 99,
            footer_len: 100,
            records_end: 5000,
            last_sequence: 8,
            lowest_sequence: 5,
            footer_crc: 3,
        };
        assert_eq!(Trailer::decode(&trailer.encode(), &header, 8192), Some(trailer));
        assert_eq!(Trailer::decode(&trailer.encode(), &header, 5099), None);
        for bit in 0..TRAILER_LEN * 8 {
            let mut hit = trailer.encode();
            hit[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::decode(&hit, &header, 8192), None);
        }
        for bit in 0..SEGMENT_HEADER_LEN * 8 {
            let mut hit = bytes.clone();
            hit[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&hit), Ok(header));
            hit[HEADER_COPY_AT + bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&hit).is_err());
        }
    }
}

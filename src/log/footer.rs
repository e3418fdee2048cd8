//! What a segment says of itself: the rows of its footer, gathered while it is written, found again
//! in the footer once it is sealed, or by reading its records.
//!
//! Invariant: the rows name every put, end, blob, policy and retirement of the segment, also those that
//! later operations have overtaken: whether an old put of a name may still come back is read from them.

use std::collections::HashMap;

use super::format::{SegmentHeader, TRAILER_LEN, Trailer, align, array_at, u16_at, u32_at, u64_at, u128_at};
use super::record::{BlobView, Header, Kind, OpView, Tag, operations};
use crate::digest::{Digest, NameKey, Secret, crc};
use crate::limits::BLOB_LEN_MAX;

const COUNTS_LEN: usize = 24;
const PUT_LEN: usize = 80;
const END_LEN: usize = 32;
const BLOB_LEN: usize = 56;
/// The account of content that the whole store shares.
const STORE_WIDE: u32 = u32::MAX;

/// Where a put stands, and what replay needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PutRow {
    pub(crate) key: NameKey,
    pub(crate) sequence: u64,
    /// Unix ms; 0: never.
    pub(crate) expires_ms: u64,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Of the operation, in the segment.
    pub(crate) offset: u32,
    /// Place in the rows' accounts.
    pub(crate) account: u32,
}

/// Where the end of a name's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndRow {
    pub(crate) key: NameKey,
    pub(crate) sequence: u64,
    pub(crate) offset: u32,
    pub(crate) account: u32,
}

/// Where content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobRow {
    pub(crate) digest: Digest,
    pub(crate) len: u64,
    pub(crate) sequence: u64,
    /// Of the record, in the segment; plus 1 if it names a file.
    pub(crate) offset: u32,
    /// Place in the rows' accounts of the account that shares it; `None`: the store.
    pub(crate) account: Option<u32>,
}

/// The rows of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) accounts: Vec<String>,
    pub(crate) puts: Vec<PutRow>,
    pub(crate) ends: Vec<EndRow>,
    pub(crate) blobs: Vec<BlobRow>,
    /// Offsets of policy and retire operations.
    pub(crate) others: Vec<u32>,
    /// Sequence of the segment's last record, the highest of a compacted segment; 0 when there is none.
    pub(crate) last_sequence: u64,
    /// Lowest sequence in the segment, `u64::MAX` when there is none. Compaction brings old ones.
    pub(crate) lowest_sequence: u64,
    accounts_len: usize,
    places: HashMap<String, u32>,
}

impl Rows {
    pub(crate) fn new() -> Rows {
        Rows { lowest_sequence: u64::MAX, ..Rows::default() }
    }

    /// Takes in a record that stands at `offset`. Says `false` when it holds what cannot be read: then
    /// what could be read before it is in the rows, too.
    pub(crate) fn add(&mut self, secret: &Secret, header: &Header, offset: u64, head: &[u8]) -> bool {
        // Copies come in no order, and of what took several numbers some may be left.
        self.last_sequence = if header.copied {
            self.last_sequence.max(header.sequence)
        } else {
            header.sequence + u64::from(header.count.max(1)) - 1
        };
        self.lowest_sequence = self.lowest_sequence.min(header.sequence);
        match header.kind {
            Kind::Begin => true,
            Kind::Blob | Kind::File => BlobView::decode(header, head).is_some_and(|blob| {
                let account = (!blob.account.is_empty()).then(|| self.account(blob.account));
                let BlobView { digest, len, file, .. } = blob;
                let offset = offset as u32 | u32::from(file.is_some());
                self.blobs.push(BlobRow { digest, len, sequence: header.sequence, offset, account });
                true
            }),
            Kind::Commit => {
                let head_at = offset + super::record::HEADER_LEN as u64;
                operations(head).all(|found| {
                    found.is_some_and(|(at, op)| {
                        self.add_op(secret, head_at + at as u64, &op);
                        if header.copied {
                            self.last_sequence = self.last_sequence.max(op.sequence());
                        }
                        true
                    })
                })
            }
        }
    }

    fn add_op(&mut self, secret: &Secret, offset: u64, op: &OpView<'_>) {
        let (offset, sequence) = (offset as u32, op.sequence());
        self.lowest_sequence = self.lowest_sequence.min(sequence);
        match (op.tag, op.put()) {
            (Tag::Put, Some(put)) => {
                let row = PutRow {
                    key: secret.name_key(op.account(), op.name()),
                    sequence,
                    expires_ms: put.expires_ms,
                    size: put.size,
                    digest: put.digest,
                    offset,
                    account: self.account(op.account()),
                };
                self.puts.push(row);
            }
            (Tag::End, _) => {
                let key = secret.name_key(op.account(), op.name());
                let account = self.account(op.account());
                self.ends.push(EndRow { key, sequence, offset, account });
            }
            _ => self.others.push(offset),
        }
    }

    /// How many puts, ends and blobs there are.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.puts.len() as u64, self.ends.len() as u64, self.blobs.len() as u64)
    }

    /// Sequence and offset of the oldest end.
    pub(crate) fn first_end(&self) -> Option<(u64, u32)> {
        self.ends.iter().map(|end| (end.sequence, end.offset)).min()
    }

    /// Offset of the put or end that was written last.
    pub(crate) fn last_op(&self) -> Option<u32> {
        self.puts.iter().map(|put| put.offset).chain(self.ends.iter().map(|end| end.offset)).max()
    }

    /// Whether a put of this name stands in the segment that is older than `sequence`.
    pub(crate) fn has_put_before(&self, key: NameKey, sequence: u64) -> bool {
        self.puts.iter().any(|put| put.key == key && put.sequence < sequence)
    }

    /// The place of an account's text in the rows.
    pub(crate) fn account(&mut self, account: &str) -> u32 {
        if let Some(place) = self.places.get(account) {
            return *place;
        }
        let place = self.accounts.len() as u32;
        self.accounts.push(account.to_owned());
        self.places.insert(account.to_owned(), place);
        self.accounts_len += 2 + account.len();
        place
    }

    /// Bytes of the footer for these rows, and for `more` operations and blobs that are to come with
    /// `texts` bytes of accounts.
    pub(crate) fn footer_len(&self, more: usize, texts: usize) -> u64 {
        let rows = (self.puts.len() + more) * (PUT_LEN + 4)
            + self.ends.len() * END_LEN
            + (self.blobs.len() + more) * BLOB_LEN
            + self.others.len() * 4;
        (COUNTS_LEN + self.accounts_len + texts + rows + 3 * 8 + TRAILER_LEN) as u64
    }

    /// The footer of a segment whose records end at `records_end`, its trailer included.
    pub(crate) fn encode(&self, header: &SegmentHeader, records_end: u64) -> Vec<u8> {
        let (mut puts, mut ends) = (self.puts.clone(), self.ends.clone());
        puts.sort_by_key(|row| (row.key, row.sequence));
        ends.sort_by_key(|row| (row.key, row.sequence));
        let mut expiring: Vec<u32> = (0..puts.len() as u32).filter(|n| puts[*n as usize].expires_ms != 0).collect();
        expiring.sort_by_key(|n| puts[*n as usize].expires_ms);

        let mut bytes = Vec::with_capacity(self.footer_len(0, 0) as usize);
        let counts = [self.accounts.len(), puts.len(), ends.len(), self.blobs.len(), self.others.len(), expiring.len()];
        counts.iter().for_each(|count| put_u32(&mut bytes, *count as u32));
        for account in &self.accounts {
            bytes.extend_from_slice(&(account.len() as u16).to_le_bytes());
            bytes.extend_from_slice(account.as_bytes());
        }
        pad(&mut bytes);
        for row in &puts {
            bytes.extend_from_slice(&row.key.0.to_le_bytes());
            [row.sequence, row.expires_ms, row.size].iter().for_each(|n| put_u64(&mut bytes, *n));
            bytes.extend_from_slice(row.digest.as_bytes());
            [row.offset, row.account].iter().for_each(|n| put_u32(&mut bytes, *n));
        }
        for row in &ends {
            bytes.extend_from_slice(&row.key.0.to_le_bytes());
            put_u64(&mut bytes, row.sequence);
            [row.offset, row.account].iter().for_each(|n| put_u32(&mut bytes, *n));
        }
        for row in &self.blobs {
            bytes.extend_from_slice(row.digest.as_bytes());
            [row.len, row.sequence].iter().for_each(|n| put_u64(&mut bytes, *n));
            [row.offset, row.account.unwrap_or(STORE_WIDE)].iter().for_each(|n| put_u32(&mut bytes, *n));
        }
        self.others.iter().for_each(|offset| put_u32(&mut bytes, *offset));
        pad(&mut bytes);
        expiring.iter().for_each(|place| put_u32(&mut bytes, *place));
        pad(&mut bytes);
        let trailer = Trailer {
            segment: header.segment,
            salt: header.salt,
            footer_len: (bytes.len() + TRAILER_LEN) as u64,
            records_end,
            last_sequence: self.last_sequence,
            lowest_sequence: self.lowest_sequence,
            footer_crc: crc(&bytes),
        };
        bytes.extend_from_slice(&trailer.encode());
        bytes
    }
}

fn put_u32(into: &mut Vec<u8>, number: u32) {
    into.extend_from_slice(&number.to_le_bytes());
}

fn put_u64(into: &mut Vec<u8>, number: u64) {
    into.extend_from_slice(&number.to_le_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(align(bytes.len() as u64) as usize, 0);
}

/// A footer read where it lies, after its CRC was found to hold.
#[derive(Clone, Copy)]
pub(crate) struct FooterView<'a> {
    bytes: &'a [u8],
    trailer: Trailer,
    puts_at: usize,
    puts: usize,
    ends_at: usize,
    ends: usize,
    blobs_at: usize,
    blobs: usize,
    others_at: usize,
    others: usize,
    expiring_at: usize,
    expiring: usize,
}

impl<'a> FooterView<'a> {
    /// The footer in `bytes` (its trailer included), if its CRC holds and its counts add up.
    pub(crate) fn decode(bytes: &'a [u8], trailer: &Trailer) -> Option<FooterView<'a>> {
        let rows = bytes.get(..bytes.len().checked_sub(TRAILER_LEN)?)?;
        if rows.len() < COUNTS_LEN || crc(rows) != trailer.footer_crc {
            return None;
        }
        let view = FooterView::lay_out(rows, trailer)?;
        (view.expiring_at as u64 + align(4 * view.expiring as u64) == rows.len() as u64).then_some(view)
    }

    /// The same without the check, for bytes that were checked before.
    pub(crate) fn of_checked(bytes: &'a [u8], trailer: &Trailer) -> Option<FooterView<'a>> {
        FooterView::lay_out(bytes.get(..bytes.len().checked_sub(TRAILER_LEN)?)?, trailer)
    }

    fn lay_out(rows: &'a [u8], trailer: &Trailer) -> Option<FooterView<'a>> {
        let count = |n: usize| u32_at(rows, 4 * n) as usize;
        let mut at = COUNTS_LEN;
        for _ in 0..count(0) {
            at += 2 + u16_at(rows.get(at..at + 2)?, 0) as usize;
        }
        let puts_at = align(at as u64) as usize;
        let ends_at = puts_at + count(1) * PUT_LEN;
        let blobs_at = ends_at + count(2) * END_LEN;
        let others_at = blobs_at + count(3) * BLOB_LEN;
        let expiring_at = others_at + align(4 * count(4) as u64) as usize;
        (expiring_at + 4 * count(5) <= rows.len()).then_some(FooterView {
            bytes: rows,
            trailer: *trailer,
            puts_at,
            puts: count(1),
            ends_at,
            ends: count(2),
            blobs_at,
            blobs: count(3),
            others_at,
            others: count(4),
            expiring_at,
            expiring: count(5),
        })
    }

    fn put(&self, n: usize) -> PutRow {
        let row = &self.bytes[self.puts_at + n * PUT_LEN..][..PUT_LEN];
        PutRow {
            key: NameKey(u128_at(row, 0)),
            sequence: u64_at(row, 16),
            expires_ms: u64_at(row, 24),
            size: u64_at(row, 32),
            digest: Digest::from_bytes(array_at(row, 40)),
            offset: u32_at(row, 72),
            account: u32_at(row, 76),
        }
    }

    fn end(&self, n: usize) -> EndRow {
        let row = &self.bytes[self.ends_at + n * END_LEN..][..END_LEN];
        EndRow {
            key: NameKey(u128_at(row, 0)),
            sequence: u64_at(row, 16),
            offset: u32_at(row, 24),
            account: u32_at(row, 28),
        }
    }

    fn blob(&self, n: usize) -> BlobRow {
        let row = &self.bytes[self.blobs_at + n * BLOB_LEN..][..BLOB_LEN];
        BlobRow {
            digest: Digest::from_bytes(array_at(row, 0)),
            len: u64_at(row, 32),
            sequence: u64_at(row, 40),
            offset: u32_at(row, 48),
            account: Some(u32_at(row, 52)).filter(|account| *account != STORE_WIDE),
        }
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = EndRow> + '_ {
        (0..self.ends).map(|n| self.end(n))
    }

    /// How many puts, ends and blobs there are.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.puts as u64, self.ends as u64, self.blobs as u64)
    }

    /// Sequence and offset of the oldest end.
    pub(crate) fn first_end(&self) -> Option<(u64, u32)> {
        self.ends().map(|end| (end.sequence, end.offset)).min()
    }

    /// How many puts have an expiry.
    #[cfg(test)]
    pub(crate) fn expiring(&self) -> usize {
        self.expiring
    }

    /// The `n`-th put to expire.
    pub(crate) fn expiring_put(&self, n: usize) -> Option<PutRow> {
        let place = (n < self.expiring).then(|| u32_at(self.bytes, self.expiring_at + 4 * n) as usize)?;
        (place < self.puts).then(|| self.put(place))
    }

    /// Whether a put of this name stands in the segment that is older than `sequence`.
    pub(crate) fn has_put_before(&self, key: NameKey, sequence: u64) -> bool {
        let (mut low, mut high) = (0, self.puts);
        while low < high {
            let middle = usize::midpoint(low, high);
            if u128_at(self.bytes, self.puts_at + middle * PUT_LEN) < key.0 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        // The first of the name's rows is its oldest.
        low < self.puts && self.put(low).key == key && self.put(low).sequence < sequence
    }

    /// Offset of the put or end that was written last.
    pub(crate) fn last_op(&self) -> Option<u32> {
        (0..self.puts).map(|n| self.put(n).offset).chain(self.ends().map(|end| end.offset)).max()
    }

    /// Offsets of policy and retire operations.
    pub(crate) fn others(&self) -> Vec<u32> {
        (0..self.others).map(|n| u32_at(self.bytes, self.others_at + 4 * n)).collect()
    }

    /// All rows; `None` when an account is not UTF-8, a row names one that is not there, or a size no blob can have.
    pub(crate) fn rows(&self) -> Option<Rows> {
        let mut at = COUNTS_LEN;
        let mut rows = Rows::new();
        for _ in 0..u32_at(self.bytes, 0) {
            let len = u16_at(self.bytes, at) as usize;
            rows.account(std::str::from_utf8(&self.bytes[at + 2..at + 2 + len]).ok()?);
            at += 2 + len;
        }
        rows.puts = (0..self.puts).map(|n| self.put(n)).collect();
        rows.ends = self.ends().collect();
        rows.blobs = (0..self.blobs).map(|n| self.blob(n)).collect();
        rows.others = self.others();
        rows.last_sequence = self.trailer.last_sequence;
        rows.lowest_sequence = self.trailer.lowest_sequence;
        let accounts = rows.accounts.len() as u32;
        let known = rows.puts.iter().all(|row| row.account < accounts && row.size <= BLOB_LEN_MAX)
            && rows.ends.iter().all(|row| row.account < accounts)
            && rows.blobs.iter().all(|row| row.len <= BLOB_LEN_MAX)
            && rows.blobs.iter().all(|row| row.account.is_none_or(|account| account < accounts));
        known.then_some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Rows, SegmentHeader) {
        let mut rows = Rows::new();
        let account = rows.account("5500001");
        let other = rows.account("é");
        for n in 0..50u64 {
            let key = NameKey(u128::from(n * 7919 % 101) << 64);
            let digest = Digest::of(&n.to_le_bytes());
            let expires_ms = if n % 3 == 0 { 0 } else { 1000 - n };
            let row = PutRow { key, sequence: n, expires_ms, size: n, digest, offset: n as u32, account };
            rows.puts.push(row);
            rows.blobs.push(BlobRow { digest, len: n, sequence: n, offset: n as u32, account: None });
            rows.ends.push(EndRow { key, sequence: n, offset: 3, account: other });
        }
        rows.others = vec![1, 2, 3];
        rows.last_sequence = 49;
        rows.lowest_sequence = 0;
        let (segment, salt, compacted) = (3, 5, false);
        let header = SegmentHeader { segment, salt, first_sequence: 0, predecessor: 0, predecessor_end: 0, compacted };
        (rows, header)
    }

    #[test]
    fn a_footer_gives_its_rows_back_by_key_and_by_expiry() {
        let (rows, header) = sample();
        let bytes = rows.encode(&header, 4096);
        assert!(bytes.len() as u64 <= rows.footer_len(0, 0));
        let trailer = Trailer::decode(&bytes[bytes.len() - TRAILER_LEN..], &header, 1 << 20).expect("stands");
        let view = FooterView::decode(&bytes, &trailer).expect("stands");
        let back = view.rows().expect("sound");
        assert_eq!((back.puts.len(), &back.others, &back.accounts), (50, &rows.others, &rows.accounts));
        let is_before = |row: &PutRow| view.has_put_before(row.key, row.sequence + 1);
        assert!(rows.puts.iter().all(|row| back.puts.contains(row) && is_before(row)));
        assert!(rows.puts.iter().all(|row| !view.has_put_before(row.key, row.sequence)));
        assert!(!view.has_put_before(NameKey(12345), u64::MAX));
        let order: Vec<u64> = (0..view.expiring()).map(|n| view.expiring_put(n).expect("there").expires_ms).collect();
        assert!(order.is_sorted() && order.len() == 33);
    }

    #[test]
    fn a_flipped_byte_is_seen() {
        let (rows, header) = sample();
        let bytes = rows.encode(&header, 4096);
        let trailer = Trailer::decode(&bytes[bytes.len() - TRAILER_LEN..], &header, 1 << 20).expect("stands");
        for place in 0..bytes.len() - TRAILER_LEN {
            let mut hit = bytes.clone();
            hit[place] ^= 1;
            assert!(FooterView::decode(&hit, &trailer).is_none());
        }
    }
}

//! Records and operations: encoded and decoded here and nowhere else, by the tables in `format.rs`.
//!
//! Decoding takes bytes from a disk: every length is checked before it is used, and nothing is
//! believed before its CRC holds. Views borrow; nothing is copied until a caller asks for it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::format::{CHUNK, SEQUENCE_MAX, align, array_at, chunks, u16_at, u32_at, u64_at};
use crate::digest::{Digest, crc, crc_of_three, crc_of_two};
use crate::entry::{Entry, Facts, time_of};
use crate::limits::BLOB_LEN_MAX;
use crate::options::Policy;

/// Length of the fixed part of a record.
pub(crate) const HEADER_LEN: usize = 64;
/// Longest head: the operations of a batch or a sweep turn, or the chunk CRCs of the largest file.
pub(crate) const HEAD_LEN_MAX: usize = 2 << 20;
/// The first bytes of every record.
pub(crate) const MAGIC: &[u8; 4] = b"mcR1";
const OP_FIXED: usize = 80;
const PUT_TEXTS_AT: usize = 136;
const POLICY_TEXTS_AT: usize = 120;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Begin = 1,
    Blob = 2,
    File = 3,
    Commit = 4,
}

/// The fixed part of a record, its CRC aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) copied: bool,
    pub(crate) salt: u64,
    pub(crate) segment: u32,
    pub(crate) head_len: u32,
    pub(crate) body_len: u64,
    pub(crate) sequence: u64,
    pub(crate) previous: u64,
    pub(crate) proven: u64,
    pub(crate) count: u32,
}

impl Header {
    /// The 64 bytes in front of `head`, of a record that stands at `offset` of its segment.
    pub(crate) fn encode(&self, offset: u64, head: &[u8]) -> [u8; HEADER_LEN] {
        debug_assert_eq!(head.len(), self.head_len as usize);
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = self.kind as u8;
        bytes[5] = u8::from(self.copied);
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.segment.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.head_len.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.proven.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.count.to_le_bytes());
        let check = check(&bytes, offset, head);
        bytes[60..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// The header at the front of `bytes`, if its marks are those of this segment and its lengths are
    /// within the limits. It stands only when [`Header::stands`] says so, too.
    pub(crate) fn decode(bytes: &[u8], segment: u32, salt: u64) -> Option<Header> {
        if bytes.len() < HEADER_LEN || &bytes[..4] != MAGIC || u16_at(bytes, 6) != 0 || bytes[5] > 1 {
            return None;
        }
        let kind = match bytes[4] {
            1 => Kind::Begin,
            2 => Kind::Blob,
            3 => Kind::File,
            4 => Kind::Commit,
            _ => return None,
        };
        let header = Header {
            kind,
            copied: bytes[5] == 1,
            salt: u64_at(bytes, 8),
            segment: u32_at(bytes, 16),
            head_len: u32_at(bytes, 20),
            body_len: u64_at(bytes, 24),
            sequence: u64_at(bytes, 32),
            previous: u64_at(bytes, 40),
            proven: u64_at(bytes, 48),
            count: u32_at(bytes, 56),
        };
        let within = header.segment == segment
            && header.salt == salt
            && header.head_len as usize <= HEAD_LEN_MAX
            && header.body_len <= BLOB_LEN_MAX
            && header.sequence <= SEQUENCE_MAX - u64::from(header.count)
            && (header.body_len == 0 || kind == Kind::Blob);
        within.then_some(header)
    }

    /// Whether the CRC at the end of `bytes`, the encoded header, holds for it, `offset` and `head`.
    pub(crate) fn stands(bytes: &[u8], offset: u64, head: &[u8]) -> bool {
        u32_at(bytes, 60) == check(bytes, offset, head)
    }

    /// Offset of the body within the record.
    pub(crate) fn body_at(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.head_len)
    }

    /// Length of the whole record, its padding included.
    pub(crate) fn len(&self) -> u64 {
        align(self.body_at() + self.body_len)
    }
}

/// The CRC of a record. The offset is part of it: a copy that stands elsewhere, in a body that is a
/// segment's file, is no record.
fn check(header: &[u8], offset: u64, head: &[u8]) -> u32 {
    crc_of_three(&header[..60], &offset.to_le_bytes(), head)
}

/// Length of a record of these parts, its padding included.
pub(crate) fn record_len(head_len: usize, body_len: u64) -> u64 {
    align((HEADER_LEN + head_len) as u64 + body_len)
}

/// The CRCs of content, chunk by chunk.
pub(crate) fn chunk_crcs(content: &[u8]) -> impl Iterator<Item = u32> + '_ {
    content.chunks(CHUNK).map(crc)
}

/// What is told of a blob in the head of its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlobView<'a> {
    pub(crate) digest: Digest,
    pub(crate) len: u64,
    /// The id of its file; `None` when the content is the record's body.
    pub(crate) file: Option<u64>,
    /// The account that shares it; empty for the store.
    pub(crate) account: &'a str,
    crcs: &'a [u8],
}

impl<'a> BlobView<'a> {
    /// The head of a blob or file record that stands.
    pub(crate) fn decode(header: &Header, head: &'a [u8]) -> Option<BlobView<'a>> {
        let (len, file, crcs_at) = match header.kind {
            Kind::Blob => (header.body_len, None, 32),
            Kind::File if head.len() >= 48 => (u64_at(head, 32), Some(u64_at(head, 40)), 48),
            _ => return None,
        };
        if len > BLOB_LEN_MAX {
            return None;
        }
        let crcs_end = crcs_at + 4 * chunks(len) as usize;
        let crcs = head.get(crcs_at..crcs_end)?;
        let account = std::str::from_utf8(&head[crcs_end..]).ok()?;
        Some(BlobView { digest: Digest::from_bytes(array_at(head, 0)), len, file, account, crcs })
    }

    /// The CRC of chunk `n`, if there is one.
    pub(crate) fn crc(&self, n: usize) -> Option<u32> {
        (n < self.crcs.len() / 4).then(|| u32_at(self.crcs, 4 * n))
    }
}

/// The head of a blob record.
pub(crate) fn encode_blob_head(digest: &Digest, crcs: impl Iterator<Item = u32>, account: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(36 + account.len());
    head.extend_from_slice(digest.as_bytes());
    crcs.for_each(|crc| head.extend_from_slice(&crc.to_le_bytes()));
    head.extend_from_slice(account.as_bytes());
    head
}

/// The head of a file record.
pub(crate) fn encode_file_head(digest: &Digest, len: u64, file: u64, crcs: &[u32], account: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(48 + 4 * crcs.len() + account.len());
    head.extend_from_slice(digest.as_bytes());
    head.extend_from_slice(&len.to_le_bytes());
    head.extend_from_slice(&file.to_le_bytes());
    crcs.iter().for_each(|crc| head.extend_from_slice(&crc.to_le_bytes()));
    head.extend_from_slice(account.as_bytes());
    head
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Put = 1,
    End = 2,
    Policy = 3,
    Retire = 4,
}

/// Why a name got a new entry, or lost its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Put,
    Update,
    Copy,
    Delete,
    Expiry,
    Purge,
}

impl Reason {
    fn code(self) -> u8 {
        match self {
            Reason::Put | Reason::Delete => 0,
            Reason::Update | Reason::Expiry => 1,
            Reason::Copy | Reason::Purge => 2,
        }
    }

    fn of(tag: Tag, code: u8) -> Option<Reason> {
        Some(match (tag, code) {
            (Tag::Put | Tag::Policy | Tag::Retire, 0) => Reason::Put,
            (Tag::Put, 1) => Reason::Update,
            (Tag::Put, 2) => Reason::Copy,
            (Tag::End, 0) => Reason::Delete,
            (Tag::End, 1) => Reason::Expiry,
            (Tag::End, 2) => Reason::Purge,
            _ => return None,
        })
    }
}

/// What every operation says: when in the log's order it happened, and what it lets go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) sequence: u64,
    /// Sequence of the entry it replaces or ends; 0 when there was none.
    pub(crate) replaces: u64,
    /// The digest that entry held.
    pub(crate) lets_go: Digest,
    pub(crate) at_ms: u64,
}

/// The parts of a put that are its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PutFields {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) created_ms: u64,
    /// 0: never.
    pub(crate) expires_ms: u64,
}

/// Appends a put, with all facts of the entry it makes.
pub(crate) fn encode_put(
    into: &mut Vec<u8>,
    reason: Reason,
    stamp: &Stamp,
    account: &str,
    name: &str,
    fields: &PutFields,
    facts: &Facts,
) {
    let start = begin_op(into, Tag::Put, reason, stamp, account, name);
    into.extend_from_slice(fields.digest.as_bytes());
    for number in [fields.size, fields.created_ms, fields.expires_ms] {
        into.extend_from_slice(&number.to_le_bytes());
    }
    into.extend_from_slice(account.as_bytes());
    into.extend_from_slice(name.as_bytes());
    for (place, text) in [(10, &facts.content_type), (12, &facts.cache_control), (14, &facts.content_disposition)] {
        let text = text.as_deref().unwrap_or_default();
        into[start + place..start + place + 2].copy_from_slice(&(text.len() as u16).to_le_bytes());
        into.extend_from_slice(text.as_bytes());
    }
    let metadata_at = into.len();
    for (key, value) in &facts.metadata {
        into.extend_from_slice(&(key.len() as u16).to_le_bytes());
        into.extend_from_slice(&(value.len() as u16).to_le_bytes());
        into.extend_from_slice(key.as_bytes());
        into.extend_from_slice(value.as_bytes());
    }
    let metadata_len = (into.len() - metadata_at) as u32;
    into[start + 16..start + 20].copy_from_slice(&metadata_len.to_le_bytes());
    end_op(into, start);
}

/// Appends the end of a name's life.
pub(crate) fn encode_end(into: &mut Vec<u8>, reason: Reason, stamp: &Stamp, account: &str, name: &str) {
    let start = begin_op(into, Tag::End, reason, stamp, account, name);
    into.extend_from_slice(account.as_bytes());
    into.extend_from_slice(name.as_bytes());
    end_op(into, start);
}

/// Appends an account's policy.
pub(crate) fn encode_policy(into: &mut Vec<u8>, stamp: &Stamp, account: &str, policy: &Policy) {
    let start = begin_op(into, Tag::Policy, Reason::Put, stamp, account, "");
    let ms = |ttl: Option<Duration>| ttl.map_or(u64::MAX, |ttl| ttl.as_millis() as u64);
    let none = u64::MAX;
    for number in [
        ms(policy.default_ttl),
        ms(policy.longest_ttl),
        policy.largest_blob.unwrap_or(none),
        policy.quota_bytes.unwrap_or(none),
        policy.quota_count.unwrap_or(none),
    ] {
        into.extend_from_slice(&number.to_le_bytes());
    }
    into.extend_from_slice(account.as_bytes());
    end_op(into, start);
}

/// Appends the word that a segment's file is about to go, because nothing in it is needed.
pub(crate) fn encode_retire(into: &mut Vec<u8>, stamp: &Stamp, segment: u32) {
    let start = begin_op(into, Tag::Retire, Reason::Put, stamp, "", "");
    into.extend_from_slice(&segment.to_le_bytes());
    end_op(into, start);
}

fn begin_op(into: &mut Vec<u8>, tag: Tag, reason: Reason, stamp: &Stamp, account: &str, name: &str) -> usize {
    let start = into.len();
    into.extend_from_slice(&[0, 0, 0, 0, tag as u8, reason.code()]);
    into.extend_from_slice(&(account.len() as u16).to_le_bytes());
    into.extend_from_slice(&(name.len() as u16).to_le_bytes());
    into.extend_from_slice(&[0; 14]);
    into.extend_from_slice(&stamp.sequence.to_le_bytes());
    into.extend_from_slice(&stamp.replaces.to_le_bytes());
    into.extend_from_slice(stamp.lets_go.as_bytes());
    into.extend_from_slice(&stamp.at_ms.to_le_bytes());
    start
}

fn end_op(into: &mut [u8], start: usize) {
    let len = (into.len() - start) as u32;
    into[start..start + 4].copy_from_slice(&len.to_le_bytes());
    let check = crc_of_two(&into[start..start + 20], &into[start + 24..]);
    into[start + 20..start + 24].copy_from_slice(&check.to_le_bytes());
}

/// An operation that stands, read where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpView<'a> {
    bytes: &'a [u8],
    pub(crate) tag: Tag,
    account_end: usize,
    name_end: usize,
    texts_at: usize,
}

impl<'a> OpView<'a> {
    /// The operation at the front of `bytes`, if it stands: lengths that add up, the CRC, and UTF-8.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<OpView<'a>> {
        if bytes.len() < OP_FIXED {
            return None;
        }
        let bytes = bytes.get(..u32_at(bytes, 0) as usize)?;
        if bytes.len() < OP_FIXED || u32_at(bytes, 20) != crc_of_two(&bytes[..20], &bytes[24..]) {
            return None;
        }
        let op = OpView::laid_out(bytes)?;
        let texts: usize = [10, 12, 14].iter().map(|at| u16_at(bytes, *at) as usize).sum();
        let whole = op.name_end + texts + u32_at(bytes, 16) as usize;
        let utf8 = Reason::of(op.tag, bytes[5]).is_some()
            && whole == bytes.len()
            && (op.tag != Tag::Put || u64_at(bytes, 112) <= BLOB_LEN_MAX)
            && std::str::from_utf8(&bytes[op.texts_at..op.account_end]).is_ok()
            && std::str::from_utf8(&bytes[op.account_end..op.name_end]).is_ok();
        utf8.then_some(op)
    }

    /// The same of bytes that are known to stand, without looking at all of them again.
    pub(crate) fn again(bytes: &'a [u8]) -> OpView<'a> {
        OpView::laid_out(bytes).expect("decoded before")
    }

    fn laid_out(bytes: &'a [u8]) -> Option<OpView<'a>> {
        let (tag, texts_at) = match bytes[4] {
            1 => (Tag::Put, PUT_TEXTS_AT),
            2 => (Tag::End, OP_FIXED),
            3 => (Tag::Policy, POLICY_TEXTS_AT),
            4 => (Tag::Retire, OP_FIXED + 4),
            _ => return None,
        };
        let account_end = texts_at + u16_at(bytes, 6) as usize;
        let name_end = account_end + u16_at(bytes, 8) as usize;
        Some(OpView { bytes, tag, account_end, name_end, texts_at })
    }

    /// Its length, from the first four bytes alone: how much must be read to decode it.
    pub(crate) fn len_at(bytes: &[u8]) -> Option<usize> {
        (bytes.len() >= 4).then(|| u32_at(bytes, 0) as usize).filter(|len| (OP_FIXED..=HEAD_LEN_MAX).contains(len))
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            sequence: u64_at(self.bytes, 24),
            replaces: u64_at(self.bytes, 32),
            lets_go: Digest::from_bytes(array_at(self.bytes, 40)),
            at_ms: u64_at(self.bytes, 72),
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        u64_at(self.bytes, 24)
    }

    /// Why it was done.
    pub(crate) fn reason(&self) -> Reason {
        Reason::of(self.tag, self.bytes[5]).expect("checked by decode")
    }

    pub(crate) fn account(&self) -> &'a str {
        std::str::from_utf8(&self.bytes[self.texts_at..self.account_end]).expect("checked by decode")
    }

    pub(crate) fn name(&self) -> &'a str {
        std::str::from_utf8(&self.bytes[self.account_end..self.name_end]).expect("checked by decode")
    }

    /// What a put says of content and times.
    pub(crate) fn put(&self) -> Option<PutFields> {
        (self.tag == Tag::Put).then(|| PutFields {
            digest: Digest::from_bytes(array_at(self.bytes, 80)),
            size: u64_at(self.bytes, 112),
            created_ms: u64_at(self.bytes, 120),
            expires_ms: u64_at(self.bytes, 128),
        })
    }

    /// Whether the texts of a put add up and are UTF-8.
    pub(crate) fn texts_are_sound(&self) -> bool {
        let mut rest = &self.bytes[self.name_end..];
        for at in [10, 12, 14] {
            let Some((text, after)) = rest.split_at_checked(u16_at(self.bytes, at) as usize) else { return false };
            if std::str::from_utf8(text).is_err() {
                return false;
            }
            rest = after;
        }
        while rest.len() >= 4 {
            let (key_len, value_len) = (u16_at(rest, 0) as usize, u16_at(rest, 2) as usize);
            let texts = rest.get(4..4 + key_len + value_len).map(|texts| texts.split_at(key_len));
            if !texts.is_some_and(|(k, v)| std::str::from_utf8(k).is_ok() && std::str::from_utf8(v).is_ok()) {
                return false;
            }
            rest = &rest[4 + key_len + value_len..];
        }
        rest.is_empty()
    }

    /// What a put says of serving; `None` when its metadata does not add up or is not UTF-8.
    pub(crate) fn facts(&self) -> Option<Facts> {
        let mut rest = &self.bytes[self.name_end..];
        let mut text = |at: usize| -> Option<Option<String>> {
            let (text, after) = rest.split_at_checked(u16_at(self.bytes, at) as usize)?;
            rest = after;
            let text = std::str::from_utf8(text).ok()?;
            Some((!text.is_empty()).then(|| text.to_owned()))
        };
        let (content_type, cache_control, content_disposition) = (text(10)?, text(12)?, text(14)?);
        let mut metadata = BTreeMap::new();
        while rest.len() >= 4 {
            let (key_len, value_len) = (u16_at(rest, 0) as usize, u16_at(rest, 2) as usize);
            let key = std::str::from_utf8(rest.get(4..4 + key_len)?).ok()?;
            let value = std::str::from_utf8(rest.get(4 + key_len..4 + key_len + value_len)?).ok()?;
            metadata.insert(key.to_owned(), value.to_owned());
            rest = &rest[4 + key_len + value_len..];
        }
        rest.is_empty().then_some(Facts { content_type, cache_control, content_disposition, metadata })
    }

    /// The entry a put makes.
    pub(crate) fn entry(&self) -> Option<Entry> {
        let (put, facts) = (self.put()?, self.facts()?);
        let stamp = self.stamp();
        Some(Entry {
            name: self.name().to_owned(),
            digest: put.digest,
            size: put.size,
            content_type: facts.content_type,
            cache_control: facts.cache_control,
            content_disposition: facts.content_disposition,
            metadata: facts.metadata,
            created_at: time_of(put.created_ms),
            updated_at: time_of(stamp.at_ms),
            expires_at: (put.expires_ms != 0).then(|| time_of(put.expires_ms)),
            generation: stamp.sequence,
        })
    }

    pub(crate) fn policy(&self) -> Option<Policy> {
        let number = |at: usize| Some(u64_at(self.bytes, at)).filter(|n| *n != u64::MAX);
        (self.tag == Tag::Policy).then(|| Policy {
            default_ttl: number(80).map(Duration::from_millis),
            longest_ttl: number(88).map(Duration::from_millis),
            largest_blob: number(96),
            quota_bytes: number(104),
            quota_count: number(112),
        })
    }

    /// The segment a retire names.
    pub(crate) fn retired(&self) -> Option<u32> {
        (self.tag == Tag::Retire).then(|| u32_at(self.bytes, OP_FIXED))
    }
}

/// The operations of a commit's head, each with its offset there. A head whose record stands but whose
/// operations do not add up ends the walk early with `None`.
pub(crate) fn operations(head: &[u8]) -> impl Iterator<Item = Option<(usize, OpView<'_>)>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = head.get(at..).filter(|rest| !rest.is_empty())?;
        let found = OpView::decode(rest).map(|op| (at, op));
        at = found.map_or(head.len(), |(at, op)| at + op.len());
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of the worked example, out of the specification.
    fn worked_example() -> Vec<u8> {
        let example = include_str!("format.rs").split("# Worked example").nth(1).expect("the format has one");
        let lines = example.lines().skip_while(|line| !line.contains("```text")).skip(1);
        let hex = lines.take_while(|line| !line.contains("```")).flat_map(|line| {
            let row = line.trim_start_matches("//! ");
            row.get(6..row.len().min(53)).unwrap_or_default().split_whitespace()
        });
        hex.map(|byte| u8::from_str_radix(byte, 16).expect("two hex digits")).collect()
    }

    #[test]
    fn the_worked_example_of_the_format_is_what_is_written_and_what_is_read() {
        let stamp =
            Stamp { sequence: 1 << 40, replaces: 3, lets_go: Digest::from_bytes([0xee; 32]), at_ms: 1_700_000_000_000 };
        let mut head = Vec::new();
        encode_end(&mut head, Reason::Delete, &stamp, "55", "a.png");
        let header = Header {
            kind: Kind::Commit,
            copied: false,
            salt: 0x1122_3344_5566_7788,
            segment: 7,
            head_len: head.len() as u32,
            body_len: 0,
            sequence: 1 << 40,
            previous: 0,
            proven: 4096,
            count: 1,
        };
        let mut written = header.encode(4096, &head).to_vec();
        written.extend_from_slice(&head);
        written.resize(header.len() as usize, 0);
        let example = worked_example();
        assert_eq!(written, example);

        assert_eq!(Header::decode(&example, 7, header.salt), Some(header));
        let head = &example[HEADER_LEN..header.body_at() as usize];
        assert!(Header::stands(&example, 4096, head));
        assert!(!Header::stands(&example, 4104, head), "a copy elsewhere is no record");
        let (_, op) = operations(head).next().flatten().expect("it stands");
        assert_eq!((op.tag, op.account(), op.name()), (Tag::End, "55", "a.png"));
        assert_eq!((op.stamp().replaces, op.stamp().at_ms), (3, stamp.at_ms));
        assert_eq!(op.stamp().lets_go, stamp.lets_go);
    }

    #[test]
    fn a_put_gives_its_facts_back_and_a_flipped_bit_is_seen() {
        let mut facts = Facts { content_type: Some("image/png".into()), ..Facts::default() };
        facts.content_disposition = Some("inline".into());
        facts.metadata.insert("campaign".into(), "spring".into());
        let stamp = Stamp { sequence: 9, replaces: 8, lets_go: Digest::default(), at_ms: 7 };
        let fields = PutFields { digest: Digest::of(b"x"), size: 1, created_ms: 5, expires_ms: 6 };
        let mut bytes = Vec::new();
        encode_put(&mut bytes, Reason::Update, &stamp, "55", "é/a", &fields, &facts);
        let op = OpView::decode(&bytes).expect("it stands");
        assert!(op.texts_are_sound());
        assert_eq!(op.facts(), Some(facts));
        let entry = op.entry().expect("a put makes one");
        assert_eq!((entry.name.as_str(), entry.size, entry.generation), ("é/a", 1, 9));
        for bit in 0..bytes.len() * 8 {
            let mut hit = bytes.clone();
            hit[bit / 8] ^= 1 << (bit % 8);
            assert!(OpView::decode(&hit).is_none(), "bit {bit}");
        }
    }
}

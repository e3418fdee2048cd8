//! A group: records that are appended together, laid out before they are written.
//!
//! Invariant: a group lies in one segment, from the end of what was appended there; each of its records says
//! up to where the segment was durable when the group began.

use super::record::{Header, Kind};
use super::{Position, Tail};

/// Records that are written together: laid out one behind the other from the end of the active segment.
pub(crate) struct Group<'a> {
    segment: u32,
    salt: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    synced: u64,
    previous: u64,
    pub(super) pieces: Vec<Piece<'a>>,
}

pub(super) struct Piece<'a> {
    pub(super) header: Header,
    pub(super) offset: u64,
    pub(super) front: Vec<u8>,
    pub(super) body: &'a [u8],
    pub(super) padding: usize,
}

impl<'a> Group<'a> {
    /// An empty group at the end of the active segment, which [`Log::make_room`] has seen to.
    pub(crate) fn begin(tail: &Tail) -> Group<'a> {
        let active = tail.active.as_ref().expect("make_room comes before");
        let header = &active.segment.header;
        Group {
            segment: header.segment,
            salt: header.salt,
            start: active.end,
            end: active.end,
            synced: active.synced,
            previous: active.rows.last_sequence,
            pieces: Vec::new(),
        }
    }

    /// Where the next record will stand.
    pub(crate) fn position(&self) -> Position {
        Position { segment: self.segment, offset: self.end }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds a record that takes `count` sequence numbers from `sequence` on; gives its offset.
    pub(crate) fn push(&mut self, kind: Kind, sequence: u64, count: u32, head: &[u8], body: &'a [u8]) -> u64 {
        let header = Header {
            kind,
            copied: false,
            salt: self.salt,
            segment: self.segment,
            head_len: head.len() as u32,
            body_len: body.len() as u64,
            sequence,
            previous: self.previous,
            proven: self.synced,
            count,
        };
        let offset = self.end;
        let mut front = header.encode(offset, head).to_vec();
        front.extend_from_slice(head);
        let padding = (header.len() - header.body_at() - header.body_len) as usize;
        self.pieces.push(Piece { header, offset, front, body, padding });
        self.end += header.len();
        self.previous = sequence + u64::from(count.max(1)) - 1;
        offset
    }
}

//! The chain: the segments in the order in which they were begun, each naming the one before it. Those that
//! compaction has made stand beside it.
//!
//! What was dropped is not written down anywhere: it is what the chain no longer leads back to. A segment
//! whose predecessor is not there tells that records before its first sequence number are gone; the very
//! first one of a store has no predecessor, and the first sequence number there is.

use super::format::{RECORDS_AT, SEQUENCE_FIRST, SegmentHeader};
use super::{Log, Position};

/// What comes after a segment in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing yet.
    Nothing,
    /// This one.
    Segment(SegmentHeader),
    /// Others that were dropped.
    Dropped,
}

impl Log {
    /// The headers of the chain, by id.
    fn chain(&self) -> Vec<SegmentHeader> {
        let table = self.table.read();
        let of_chain = table.values().filter(|segment| !segment.is_compacted());
        let mut chain: Vec<_> = of_chain.map(|segment| segment.header).collect();
        chain.sort_unstable_by_key(|header| header.segment);
        chain
    }

    /// Whether nothing was dropped between the segment `before`, if any, and the one with `header`.
    fn follows(&self, before: Option<u32>, header: &SegmentHeader) -> bool {
        // Where a header had to be guessed, it names no predecessor.
        let named =
            header.predecessor == before.unwrap_or(0) && (before.is_some() || header.first_sequence <= SEQUENCE_FIRST);
        named && !self.missing.iter().any(|id| before.unwrap_or(0) < *id && *id < header.segment)
    }

    /// The highest sequence number of which a record may have been dropped; 0 when all are there.
    pub(crate) fn dropped_up_to(&self) -> u64 {
        let chain = self.chain();
        if chain.is_empty() {
            let last = self.tail().last_sequence();
            return if last < SEQUENCE_FIRST { 0 } else { last };
        }
        let before = [None].into_iter().chain(chain.iter().map(|header| Some(header.segment)));
        let broken = before.zip(&chain).filter(|(before, header)| !self.follows(*before, header));
        broken.map(|(_, header)| header.first_sequence.saturating_sub(1)).max().unwrap_or(0)
    }

    /// Bytes of the chain from one place to another.
    pub(crate) fn len_between(&self, from: Position, to: Position) -> u64 {
        let chain = self.chain().into_iter().map(|header| header.segment);
        let part = |id: u32| {
            let start = if id == from.segment { from.offset } else { RECORDS_AT };
            let end = if id == to.segment { to.offset } else { self.segment(id)?.records_end() };
            Some(end.saturating_sub(start))
        };
        chain.filter(|id| (from.segment..=to.segment).contains(id)).filter_map(part).sum()
    }

    /// Where to look for records with sequence numbers above `after`; `None` of a log without segments.
    pub(crate) fn place_after(&self, after: u64) -> Option<Position> {
        let chain = self.chain();
        let later = chain.partition_point(|header| header.first_sequence <= after.saturating_add(1));
        let header = chain.get(later.saturating_sub(1))?;
        Some(Position { segment: header.segment, offset: RECORDS_AT })
    }

    /// What follows the segment that `end` lies in. If that was dropped since, `end` must be where its records
    /// ended, or some of them were not seen.
    pub(crate) fn next_in_chain(&self, end: Position) -> Next {
        let Some(header) = self.chain().into_iter().find(|header| header.segment > end.segment) else {
            return Next::Nothing;
        };
        let seen = header.predecessor_end == end.offset || self.table.read().contains_key(&end.segment);
        if seen && self.follows(Some(end.segment), &header) { Next::Segment(header) } else { Next::Dropped }
    }
}

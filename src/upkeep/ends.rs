//! Ends: what keeps a name from coming back, and for how long that is needed.
//!
//! The log alone must say what there is, with catalog and index deleted. There the highest sequence of a name
//! counts. So of a name that has ended, either its last end stands in the log, or no put of it does that is older.
//!
//! An end may be dropped, then, when the name has been put again since, for that put outlives it; or when no
//! segment but those that leave together with it lists an older put of the name in its footer. Segments that
//! have left before are not asked: that they have is durable, and so is the removal of their files.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Upkeep;
use crate::digest::NameKey;
use crate::error::Result;
use crate::log::segment::Segment;

/// The end of a name's life: the name and the sequence.
pub(super) type End = (NameKey, u64);

impl Upkeep {
    /// Which of these ends are needed for what `others` hold.
    pub(super) fn needed_ends<'a>(
        &self,
        ends: impl Iterator<Item = End>,
        others: impl Iterator<Item = &'a Arc<Segment>>,
    ) -> Result<HashSet<End>> {
        let mut open = self.last_ends(ends);
        if self.may_more_come_back() {
            return Ok(open.into_iter().collect());
        }
        let mut needed = HashSet::new();
        for other in others {
            let mut held = self.held_by(&open, other)?.into_iter();
            open.retain(|end| {
                let is_held = held.next().is_some_and(|held| held);
                if is_held {
                    needed.insert(*end);
                }
                !is_held
            });
            self.breathe(Duration::ZERO)?;
        }
        Ok(needed)
    }

    /// Those of these ends whose names have no entry again. If one is not durable yet: it is before anything leaves
    /// the log.
    pub(super) fn last_ends(&self, ends: impl Iterator<Item = End>) -> Vec<End> {
        let was_put_again = |(key, sequence): &End| self.catalog.name(*key).is_some_and(|row| row.sequence > *sequence);
        ends.filter(|end| !was_put_again(end)).collect()
    }

    /// Whether files that were missing at open may be put back, with whatever is in them.
    pub(super) fn may_more_come_back(&self) -> bool {
        !self.log.missing.is_empty()
    }

    /// For each of these ends, whether a segment holds an older put of the name; nothing when it holds none for any.
    /// Only complete ones are asked: what is being written holds nothing older than what an earlier segment has
    /// ended.
    pub(super) fn held_by(&self, ends: &[End], other: &Segment) -> Result<Vec<bool>> {
        let newest = ends.iter().map(|(_, sequence)| *sequence).max().unwrap_or(0);
        if other.trailer().is_none_or(|trailer| trailer.lowest_sequence >= newest) {
            return Ok(Vec::new());
        }
        other.with_footer(
            &self.log.secret,
            |footer| ends.iter().map(|(key, sequence)| footer.has_put_before(*key, *sequence)).collect(),
            |rows| ends.iter().map(|(key, sequence)| rows.has_put_before(*key, *sequence)).collect(),
        )
    }

    /// The ends in a complete segment, and where each stands.
    pub(super) fn ends_of(&self, segment: &Segment) -> Result<Vec<(End, u32)>> {
        segment.with_footer(
            &self.log.secret,
            |footer| footer.ends().map(|end| ((end.key, end.sequence), end.offset)).collect(),
            |rows| rows.ends.iter().map(|end| ((end.key, end.sequence), end.offset)).collect(),
        )
    }
}

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

use super::Upkeep;
use crate::digest::NameKey;
use crate::error::Result;
use crate::log::segment::Segment;

/// The end of a name's life: the name and the sequence.
pub(super) type End = (NameKey, u64);

impl Upkeep {
    /// Which of these ends are needed for what `others` hold. Only those are asked that are complete: what is
    /// being written holds nothing older than what an earlier segment has ended.
    pub(super) fn needed_ends<'a>(
        &self,
        ends: impl Iterator<Item = End>,
        others: impl Iterator<Item = &'a Arc<Segment>>,
    ) -> Result<HashSet<End>> {
        let mut open: Vec<End> = ends.filter(|end| !self.was_put_again(end)).collect();
        // A file that was missing at open may be put back.
        if !self.log.missing.is_empty() {
            return Ok(open.into_iter().collect());
        }
        let mut needed = HashSet::new();
        for other in others {
            let newest = open.iter().map(|(_, sequence)| *sequence).max().unwrap_or(0);
            if other.trailer().is_none_or(|trailer| trailer.lowest_sequence >= newest) {
                continue;
            }
            let held: Vec<bool> = other.with_footer(
                &self.log.secret,
                |footer| open.iter().map(|(key, sequence)| footer.has_put_before(*key, *sequence)).collect(),
                |rows| open.iter().map(|(key, sequence)| rows.has_put_before(*key, *sequence)).collect(),
            )?;
            let mut held = held.into_iter();
            open.retain(|end| {
                let is_held = held.next().is_some_and(|held| held);
                if is_held {
                    needed.insert(*end);
                }
                !is_held
            });
        }
        Ok(needed)
    }

    /// Whether the name has an entry again. If that is not durable yet: it is before anything leaves the log.
    fn was_put_again(&self, (key, sequence): &End) -> bool {
        self.catalog.name(*key).is_some_and(|row| row.sequence > *sequence)
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

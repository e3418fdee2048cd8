//! Steps 3 and 5: what the segments say, in the order from the last to the first, and what the index
//! remembers of what they say no more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{End, Gap, Replay, Witness};
use crate::catalog::Place;
use crate::catalog::builder::{Builder, StandingPut};
use crate::catalog::checkpoint::Stamp;
use crate::error::{ErrorKind, Result};
use crate::log::Position;
use crate::log::footer::{PutRow, Rows};
use crate::log::format::{RANGE, RECORDS_AT, TRAILER_LEN};
use crate::log::record::{Kind, OpView};
use crate::log::segment::{Segment, path_of};

impl Replay {
    /// Steps 3 and 4, from the last segment to the first:
    ///
    /// 1. Down the chain for what left the log: that stands in the chain alone, after what it names, and must be
    ///    known before any row is read. What has left holds nothing that is needed: all that was alive in
    ///    it was copied, durably, before.
    /// 2. Down the chain for the rows, from the segment on that the checkpoint has read a part of.
    /// 3. The compacted segments that the checkpoint does not list. Their records are from before it and only say
    ///    where things stand now.
    pub(super) fn replay(&mut self, builder: &mut Builder, stamp: Option<&Stamp>) -> Result<Option<End>> {
        let from = stamp.map_or(0, |stamp| stamp.segment);
        self.unseal_torn(from)?;
        self.damage_found = self.damage.len();
        let end = self.find_departed(stamp)?;
        builder.forget_segments(&self.retired);
        let (compacted, chain): (Vec<_>, Vec<_>) =
            self.segments.clone().into_iter().partition(|segment| segment.is_compacted());
        let listed: HashSet<u32> = self.listed.iter().copied().collect();
        let unread = |segment: &Arc<Segment>| stamp.is_none() || !listed.contains(&segment.id());
        let of_chain = chain.iter().rev().filter(|segment| segment.id() >= from);
        for segment in of_chain.chain(compacted.iter().rev().filter(|segment| unread(segment))) {
            if self.retired.contains_key(&segment.id()) {
                // A crash, or somebody, has brought its file back.
            } else if let Some(end) = end.as_ref().filter(|end| end.segment.id() == segment.id()) {
                self.take_rows(builder, segment, &end.rows)?;
            } else {
                let rows = segment.rows(&self.secret)?;
                self.take_rows(builder, segment, &rows)?;
                self.note_footer(segment)?;
            }
        }
        Ok(end)
    }

    /// Finds out which segments have left the log, and where the log ends. A segment whose trailer is damaged
    /// ends where its successor says, or with the last record that stands.
    fn find_departed(&mut self, stamp: Option<&Stamp>) -> Result<Option<End>> {
        let from = stamp.map_or(0, |stamp| stamp.segment);
        let chain = self.segments.iter().filter(|segment| !segment.is_compacted());
        let ends: HashMap<u32, u64> = chain.map(|s| (s.header.predecessor, s.header.predecessor_end)).collect();
        let last = self.last_of_chain().map(|segment| segment.id());
        let mut end = None;
        let (compacted, chain): (Vec<_>, Vec<_>) =
            self.segments.clone().into_iter().partition(|segment| segment.is_compacted());
        for segment in chain.into_iter().rev().chain(compacted) {
            let id = segment.id();
            if self.retired.contains_key(&id) {
                continue;
            }
            if segment.trailer().is_none() {
                if Some(id) == last && !ends.contains_key(&id) {
                    let found = self.find_end(segment.clone(), stamp.filter(|stamp| stamp.segment == id))?;
                    self.note_departed(&segment, &found.rows.others)?;
                    end = Some(found);
                    continue;
                }
                self.end_unsealed(&segment, ends.get(&id).copied())?;
            }
            if id >= from && !segment.is_compacted() {
                let others = segment.others(&self.secret)?;
                self.note_departed(&segment, &others)?;
            }
        }
        // Their ids are never given again: what they name must not be taken for something else.
        let newest = self.retired.keys().max().copied().unwrap_or(0);
        self.next_segment = self.next_segment.max(newest.saturating_add(1));
        Ok(end)
    }

    /// Takes down which segments have left the log, as operations of `segment` say.
    fn note_departed(&mut self, segment: &Segment, others: &[u32]) -> Result<()> {
        for offset in others {
            match segment.op(u64::from(*offset)) {
                Ok(bytes) => {
                    let op = OpView::decode(&bytes);
                    self.retired.extend(op.and_then(|op| Some((op.retired()?, op.sequence()))));
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.note(&segment.path, u64::from(*offset), 0, "a policy that was set does not stand");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A segment that is complete, but whose trailer is damaged: where its records end is known from the
    /// header of the next, or else is where the last one stands.
    fn end_unsealed(&mut self, segment: &Arc<Segment>, known_end: Option<u64>) -> Result<()> {
        segment.reveal(segment.len());
        let len = segment.len();
        let end = match known_end {
            Some(end) => end.clamp(RECORDS_AT.min(len), len),
            None => {
                let mut end = RECORDS_AT.min(len);
                segment.walk(end, len, &mut |at, header, _| end = at + header.len(), &mut |_, _| ())?;
                end
            }
        };
        segment.set_ended(end);
        self.note(&segment.path, len.saturating_sub(TRAILER_LEN as u64), TRAILER_LEN as u64, "the footer is damaged");
        Ok(())
    }

    pub(super) fn note_footer(&mut self, segment: &Arc<Segment>) -> Result<()> {
        if segment.footer_is_damaged() {
            // Of a trailer that does not stand it was told when that was found.
            let len = segment.trailer().map_or(0, |trailer| trailer.footer_len);
            let at = segment.len() - len;
            if !self.damage.iter().any(|known| known.path == segment.path && known.offset == at) {
                self.note(&segment.path, at, len, "the footer is damaged; its records were read instead");
            }
            // The rows hold what stands; this notes what does not.
            self.walk_tolerantly(segment, RECORDS_AT, segment.records_end(), Rows::new())?;
        }
        Ok(())
    }

    /// The rows of all records that stand between two places; what lies between them is damage.
    pub(super) fn walk_tolerantly(
        &mut self,
        segment: &Arc<Segment>,
        from: u64,
        to: u64,
        mut rows: Rows,
    ) -> Result<Rows> {
        let secret = self.secret.clone();
        // Copies come in no order: what was lost of them has any sequence.
        let in_order = !segment.is_compacted();
        let after = self.segments.iter().filter(|later| in_order && !later.is_compacted() && later.id() > segment.id());
        let behind = after.map(|later| later.header.first_sequence).min().unwrap_or(u64::MAX);
        let of = |start, end, before| Gap { segment: segment.id(), start, end, before, behind };
        let before = std::cell::Cell::new(self.floor.max(segment.header.first_sequence.saturating_sub(1)));
        let gaps = std::cell::RefCell::new(Vec::new());
        let mut closed = 0;
        segment.walk(
            from,
            to,
            &mut |at, header, head| {
                let mut gaps = gaps.borrow_mut();
                if !rows.add(&secret, header, at, head) {
                    gaps.push(of(at, at + header.len(), before.get()));
                }
                // A body takes its number after the commit that names it, and stands before it.
                if in_order && matches!(header.kind, Kind::Commit | Kind::Begin) {
                    gaps[closed..].iter_mut().filter(|gap| gap.end <= at).for_each(|gap| gap.behind = header.sequence);
                    closed = gaps.len();
                    before.set(rows.last_sequence);
                }
            },
            &mut |start, end| gaps.borrow_mut().push(of(start, end, before.get())),
        )?;
        for gap in gaps.into_inner() {
            self.note(&segment.path, gap.start, gap.end - gap.start, "records that were durable do not stand");
            self.gaps.push(gap);
        }
        Ok(rows)
    }

    pub(super) fn take_rows(&mut self, builder: &mut Builder, segment: &Arc<Segment>, rows: &Rows) -> Result<()> {
        let id = segment.id();
        let place = |offset: u32| Place { segment: id, offset };
        // What the checkpoint covers could only say that something moved out of a segment that is gone.
        let floor = if self.is_covered(id) { self.floor } else { 0 };
        let blobs = rows.blobs.iter().filter(|row| row.sequence > floor);
        let puts = rows.puts.iter().filter(|row| row.sequence > floor);
        let others = rows.ends.len() + rows.others.len();
        self.rows_read += (puts.clone().count() + blobs.clone().count() + others) as u64;
        self.last_sequence = self.last_sequence.max(rows.last_sequence);
        let newest = rows.puts.iter().map(|row| row.offset).chain(rows.ends.iter().map(|row| row.offset)).max();
        self.newest = self.newest.or_else(|| newest.map(|offset| (id, offset)));
        for row in blobs {
            let account = row.account.map(|account| rows.accounts[account as usize].as_str());
            builder.blob(account, &row.digest, row.len, row.sequence, place(row.offset));
        }
        for row in puts {
            let (key, sequence, expires_ms, size, digest) =
                (row.key, row.sequence, row.expires_ms, row.size, row.digest);
            let put = StandingPut { key, sequence, expires_ms, size, digest, place: place(row.offset) };
            builder.put(&rows.accounts[row.account as usize], &put);
        }
        rows.ends.iter().for_each(|row| builder.end(row.key, row.sequence));
        for offset in &rows.others {
            match segment.op(u64::from(*offset)) {
                Ok(bytes) => {
                    let op = OpView::decode(&bytes);
                    if let Some((op, policy)) = op.and_then(|op| Some((op, op.policy()?))) {
                        builder.policy(op.account(), policy, op.sequence(), place(*offset));
                    }
                }
                // Of the chain's it was told before.
                Err(error) if error.kind() == ErrorKind::Corrupt && !segment.is_compacted() => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.note(&segment.path, u64::from(*offset), 0, "a policy that was set does not stand");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the checkpoint has read from a segment, and every other one that it lists is there.
    fn is_covered(&self, segment: u32) -> bool {
        self.listed.contains(&segment) && self.absent().is_empty()
    }

    /// Segments that the checkpoint lists, and that are not there.
    fn absent(&self) -> Vec<u32> {
        let there: HashSet<u32> = self.segments.iter().map(|segment| segment.id()).collect();
        self.listed.iter().copied().filter(|id| !there.contains(id)).collect()
    }

    /// A segment that the checkpoint lists, and that did not leave the log since, is missed.
    pub(super) fn note_missing(&mut self) {
        let absent = self.absent();
        self.listed.clear();
        for id in absent {
            if self.retired.contains_key(&id) {
                continue;
            }
            self.note(&path_of(&self.dir.clone(), id, "seg"), 0, 0, "a segment of the log is missing");
            self.missing.push(id);
        }
    }

    /// The index reads only what is durable: where it has read further than the log goes, there is damage.
    pub(super) fn note_lost_end(&mut self, end: Option<&End>, witness: &Witness<'_>) {
        let Some(end) = end.filter(|end| !end.clean) else { return };
        let Some(read) = (witness.end)() else { return };
        let (segment, start) = (end.segment.id(), end.cut);
        if read > (Position { segment, offset: start }) {
            let puts = end.rows.puts.iter().map(|row| row.sequence);
            let last = puts.chain(end.rows.ends.iter().map(|row| row.sequence)).max();
            let before = last.unwrap_or(end.segment.header.first_sequence.saturating_sub(1)).max(self.floor);
            let path = end.segment.path.clone();
            self.note(&path, start, end.bytes_cut, "the log ends there; records that were durable do not stand");
            self.gaps.push(Gap { segment, start, end: start, before, behind: u64::MAX });
        }
    }

    /// Step 5: a name that the index knows with a sequence out of a damaged stretch was written there. It
    /// is kept, and answers that it is damaged: neither absent nor an older version. The footer that is to be
    /// written of the segment says so from then on.
    pub(super) fn ask(&mut self, builder: &mut Builder, mut end: Option<&mut End>, witness: &Witness<'_>) {
        for (account, name, sequence) in (witness.rows)() {
            let key = self.secret.name_key(&account, &name);
            let known = builder.name(key).map(|row| row.sequence).max(builder.ended(key)).unwrap_or(0);
            let gap = self.gaps.iter().find(|gap| gap.before < sequence && sequence < gap.behind);
            let Some(gap) = gap.filter(|_| known < sequence) else { continue };
            let (digest, offset) = (crate::digest::Digest::default(), gap.start as u32);
            let place = Place { segment: gap.segment, offset };
            builder.put(&account, &StandingPut { key, sequence, expires_ms: 0, size: 0, digest, place });
            if let Some(end) = end.as_mut().filter(|end| end.segment.id() == gap.segment) {
                let account = end.rows.account(&account);
                end.rows.puts.push(PutRow { key, sequence, expires_ms: 0, size: 0, digest, offset, account });
            }
            self.last_sequence = self.last_sequence.max(sequence);
        }
        // A damaged stretch may have opened a range of numbers.
        self.last_sequence = self.last_sequence.saturating_add(RANGE);
    }
}

//! What of a segment compaction must keep: found in its footer, held against the catalog.

use std::collections::HashSet;
use std::sync::Arc;

use super::Upkeep;
use super::ends::End;
use crate::catalog::relocate::Copied;
use crate::catalog::{Place, STORE_SCOPE};
use crate::digest::NameKey;
use crate::error::{Error, ErrorKind, Result};
use crate::log::gather::{blob_len, op_len};
use crate::log::record::OpView;
use crate::log::segment::Segment;

/// A segment that is to be compacted.
pub(super) struct Victim {
    pub(super) segment: Arc<Segment>,
    /// What is alive, by offset: contents' records, entries' and policies' operations.
    pub(super) alive: Vec<Survivor>,
    /// Ends of names, of which some may still be needed, and where they stand.
    pub(super) ends: Vec<(End, u32)>,
    /// Most bytes that what is alive takes where it is gathered.
    pub(super) len: u64,
    /// The same of its accounts, and of the ends that are needed.
    pub(super) texts: u64,
    pub(super) ends_len: u64,
    pub(super) lowest: u64,
}

/// One thing that is alive.
pub(super) struct Survivor {
    /// As the catalog has it.
    pub(super) place: Place,
    pub(super) what: Copied,
    /// Most bytes it takes where it is gathered.
    pub(super) len: u64,
}

impl Upkeep {
    /// What must be kept of a complete segment. Fails with [`crate::ErrorKind::Corrupt`] when some of it does not
    /// stand.
    pub(super) fn examine(&self, segment: &Arc<Segment>) -> Result<Victim> {
        let rows = segment.rows(&self.log.secret)?;
        let id = segment.id();
        let place = |offset: u32| Place { segment: id, offset };
        let mut alive = Vec::new();
        for row in &rows.blobs {
            let account = row.account.map(|account| rows.accounts[account as usize].as_str());
            let scope = match account {
                None => Some(STORE_SCOPE),
                Some(account) => self.catalog.accounts.find(account).map(|account| account.id),
            };
            let known = scope.and_then(|scope| self.catalog.content_of(&row.digest, scope));
            if let Some(known) = known.filter(|known| known.place == place(row.offset)) {
                let at = known.place.record_at();
                let Some((header, _)) = segment.record(at)? else {
                    return Err(Error::corrupt(&segment.path, at, "the record of a content does not stand"));
                };
                let what = Copied::Content { digest: known.digest, scope: known.scope, len: known.len };
                let len = blob_len(header.head_len as usize, header.body_len);
                alive.push(Survivor { place: known.place, what, len });
            }
        }
        for row in &rows.puts {
            if self.stands_at(row.key, row.sequence, place(row.offset)) {
                let what = Copied::Entry { key: row.key, sequence: row.sequence };
                let len = op_len(segment.op(row.offset.into())?.len());
                alive.push(Survivor { place: place(row.offset), what, len });
            }
        }
        for offset in &rows.others {
            let bytes = match segment.op(u64::from(*offset)) {
                // One of another day: no policy stands here.
                Err(error) if error.kind() == ErrorKind::Corrupt && self.catalog.live(id).policies == 0 => continue,
                bytes => bytes?,
            };
            let Some(op) = OpView::decode(&bytes).filter(|op| op.policy().is_some()) else { continue };
            let account = self.catalog.accounts.find(op.account());
            let policy = account
                .filter(|account| account.state.lock().policy.is_some_and(|known| known.place == place(*offset)));
            if let Some(account) = policy {
                let what = Copied::Policy { account };
                alive.push(Survivor { place: place(*offset), what, len: op_len(bytes.len()) });
            }
        }
        alive.sort_unstable_by_key(|survivor| survivor.place.offset);
        let ends = rows.ends.iter().map(|end| ((end.key, end.sequence), end.offset)).collect();
        let len = alive.iter().map(|survivor| survivor.len).sum();
        let texts = rows.accounts.iter().map(|account| 2 + account.len() as u64).sum();
        let (segment, lowest) = (segment.clone(), rows.lowest_sequence);
        Ok(Victim { segment, alive, ends, len, texts, ends_len: 0, lowest })
    }

    /// Whether something stands where it was found still.
    pub(super) fn is_alive(&self, Survivor { place, what, .. }: &Survivor) -> bool {
        match what {
            Copied::Entry { key, sequence } => self.stands_at(*key, *sequence, *place),
            Copied::Content { digest, scope, .. } => {
                self.catalog.content_of(digest, *scope).is_some_and(|known| known.place == *place)
            }
            Copied::Policy { account } => account.state.lock().policy.is_some_and(|known| known.place == *place),
        }
    }

    fn stands_at(&self, key: NameKey, sequence: u64, place: Place) -> bool {
        self.catalog.name(key).is_some_and(|row| row.sequence == sequence && row.place == place)
    }
}

impl Victim {
    /// Bytes that go with it.
    pub(super) fn gain(&self) -> u64 {
        self.segment.len().saturating_sub(self.len)
    }

    /// Drops the ends that nobody needs; gives the most bytes that the others take.
    pub(super) fn keep_ends(&mut self, needed: &HashSet<End>) -> Result<u64> {
        self.ends.retain(|(end, _)| needed.contains(end));
        self.ends_len = 0;
        for (_, offset) in &self.ends {
            self.ends_len += op_len(self.segment.op(u64::from(*offset))?.len());
        }
        Ok(self.ends_len)
    }
}

//! Moving: compaction has copied what stood in one segment to another, and the catalog follows.
//!
//! Everything here is conditional: a row moves only if it still is what was copied and still stands where
//! that was read. What changed meanwhile has its place elsewhere, and the copy is dead at birth.

use std::sync::Arc;

use super::accounts::Account;
use super::lives::Alive;
use super::{Catalog, Place, content_hash, content_shard, name_hash, name_shard};
use crate::digest::{Digest, NameKey};

/// How many rows move before what they have left counts as dead.
const TOGETHER: usize = 64;

/// What was copied.
#[derive(Clone)]
pub(crate) enum Copied {
    /// The entry that a name had at this sequence.
    Entry { key: NameKey, sequence: u64 },
    /// A content and who shares it.
    Content { digest: Digest, scope: u32, len: u64 },
    /// An account's policy.
    Policy { account: Arc<Account> },
}

/// From where to where.
pub(crate) struct Move {
    pub(crate) what: Copied,
    pub(crate) from: Place,
    pub(crate) to: Place,
}

impl Catalog {
    /// Has rows stand where they were copied to; what they leave counts as dead there. The copies are durable.
    pub(crate) fn relocate(&self, moves: &[Move]) {
        // What moves counts twice for a moment: that is little of all that is needed.
        for some in moves.chunks(TOGETHER) {
            let dead = some.iter().map(|copy| {
                // It lives in both until it has moved: neither segment may look empty meanwhile.
                self.come_alive(copy.alive_at(copy.to));
                let has_moved = self.relocate_one(copy);
                copy.alive_at(if has_moved { copy.from } else { copy.to })
            });
            let dead: Vec<_> = dead.collect();
            self.die(dead.into_iter());
        }
    }

    fn relocate_one(&self, Move { what, from, to }: &Move) -> bool {
        let place = |stands: &mut Place| {
            let stays = *stands == *from;
            if stays {
                *stands = *to;
            }
            stays
        };
        match what {
            Copied::Entry { key, sequence } => {
                let mut table = self.names[name_shard(*key)].write();
                let slot = table.find(name_hash(*key), |row| row.key == *key && row.sequence == *sequence);
                slot.and_then(|slot| table.get_mut(slot)).is_some_and(|row| place(&mut row.place))
            }
            Copied::Content { digest, scope, .. } => {
                let mut table = self.contents[content_shard(digest)].write();
                let is_it = |row: &super::ContentRow| row.digest == *digest && row.scope == *scope;
                let slot = table.find(content_hash(digest, *scope), is_it);
                slot.and_then(|slot| table.get_mut(slot)).is_some_and(|row| place(&mut row.place))
            }
            Copied::Policy { account } => {
                let mut state = account.state.lock();
                state.policy.as_mut().is_some_and(|row| place(&mut row.place))
            }
        }
    }
}

impl Move {
    fn alive_at(&self, place: Place) -> Alive {
        match self.what {
            Copied::Entry { .. } => Alive::Entry(place),
            Copied::Content { len, .. } => Alive::Blob { place, len },
            Copied::Policy { .. } => Alive::Policy(place),
        }
    }
}

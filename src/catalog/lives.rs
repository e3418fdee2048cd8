//! What is alive in each segment: how many entries, contents and policies, and about how many bytes.
//!
//! Counted up when something comes to stand in a segment, and down only when what let it go is durable: a
//! segment in which nothing is alive is needed by nobody, after a crash neither.

use std::collections::HashMap;

use super::{Catalog, LetGo, Place};

/// About what an entry takes in the log.
pub(crate) const ENTRY_LEN: u64 = 264;
/// About what a blob takes in the log beside its content.
pub(crate) const BLOB_HEAD_LEN: u64 = 104;

/// What is alive in one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) entries: u64,
    pub(crate) blobs: u64,
    pub(crate) policies: u64,
    /// Of records in the segment, about; what has a file of its own takes little here.
    pub(crate) bytes: u64,
}

/// One thing that stands in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alive {
    Entry(Place),
    Policy(Place),
    Blob { place: Place, len: u64 },
}

impl Alive {
    pub(super) fn segment(self) -> u32 {
        match self {
            Alive::Entry(place) | Alive::Policy(place) | Alive::Blob { place, .. } => place.segment,
        }
    }

    /// The count it is a part of, and about what it takes.
    fn share(self, live: &mut Live) -> (&mut u64, u64) {
        match self {
            Alive::Entry(_) => (&mut live.entries, ENTRY_LEN),
            Alive::Policy(_) => (&mut live.policies, ENTRY_LEN),
            Alive::Blob { place, len } => {
                // Beside the content there is a CRC for each 64 KiB of it.
                let content = if place.is_file() { 0 } else { len };
                (&mut live.blobs, BLOB_HEAD_LEN + 4 * (len >> 16) + content)
            }
        }
    }
}

impl Live {
    pub(crate) fn is_nothing(&self) -> bool {
        self.entries == 0 && self.blobs == 0 && self.policies == 0
    }

    pub(super) fn add(&mut self, alive: Alive) {
        let (count, bytes) = alive.share(self);
        *count += 1;
        self.bytes += bytes;
    }

    pub(super) fn add_all(&mut self, more: Live) {
        let Live { entries, blobs, policies, bytes } = more;
        self.entries += entries;
        self.blobs += blobs;
        self.policies += policies;
        self.bytes += bytes;
    }

    fn take(&mut self, alive: Alive) {
        let (count, bytes) = alive.share(self);
        *count = count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl LetGo {
    pub(super) fn was(&self) -> Alive {
        match *self {
            LetGo::Entry(place) => Alive::Entry(place),
            LetGo::Policy(place) => Alive::Policy(place),
            LetGo::Blob { place, len, .. } => Alive::Blob { place, len },
        }
    }
}

impl Catalog {
    pub(super) fn come_alive(&self, alive: Alive) {
        self.lives.lock().entry(alive.segment()).or_default().add(alive);
    }

    /// Counts what was let go as dead; the changes that let it go are durable.
    pub(crate) fn settle(&self, let_go: &[LetGo]) {
        self.die(let_go.iter().map(LetGo::was));
    }

    pub(super) fn die(&self, gone: impl Iterator<Item = Alive>) {
        let mut lives = self.lives.lock();
        for gone in gone {
            if let Some(live) = lives.get_mut(&gone.segment()) {
                live.take(gone);
            }
        }
    }

    /// What is alive in a segment.
    pub(crate) fn live(&self, segment: u32) -> Live {
        self.lives.lock().get(&segment).copied().unwrap_or_default()
    }

    /// What is alive in each segment.
    pub(crate) fn lives(&self) -> HashMap<u32, Live> {
        self.lives.lock().clone()
    }

    /// Forgets a segment that has left the log.
    pub(crate) fn forget_segment(&self, segment: u32) {
        self.lives.lock().remove(&segment);
    }
}

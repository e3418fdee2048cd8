//! What the leader of a group is asked to do, and what it answers.

use crate::digest::{Digest, NameKey};
use crate::entry::{Entry, Facts};
use crate::error::Error;
use crate::limits::{ACCOUNT_LEN_MAX, METADATA_LEN_MAX};
use crate::log::Room;
use crate::log::blob_files::BlobFileName;
use crate::log::record::{Reason, record_len};
use crate::options::{Conditions, Durability, Expiry, Policy, PrefixLimit, UpdateOptions};

/// Most bytes of an operation beside its texts.
const OP_LEN: usize = 144;
/// Bytes of the word that a segment's file is about to go; so many of them take no more of a footer than one put.
const RETIRE_LEN: usize = 84;
const RETIRES_A_ROW: usize = 32;

/// Intents that happen all together or not at all.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) intents: Vec<Intent>,
    pub(crate) durability: Durability,
    /// Contents (and who shares them) that were pinned for this request; it lets them go, done or not.
    pub(crate) pins: Vec<(Digest, u32)>,
    /// What lets go of names gets all that is left of a full disk.
    pub(crate) is_last_resort: bool,
}

/// One thing to do.
pub(crate) enum Intent {
    Put(PutIntent),
    Update {
        target: Target,
        options: UpdateOptions,
    },
    Copy {
        from: Target,
        to: Target,
        /// What becomes of the facts on the way.
        replace: Box<dyn Fn(&Facts) -> Facts + Send + Sync>,
        expiry: Expiry,
        conditions: Conditions,
        prefix_limit: Option<PrefixLimit>,
    },
    End {
        target: Target,
        reason: Reason,
        conditions: Conditions,
    },
    /// End the entry of this sequence, if it is still there and its time has come.
    Expire {
        target: Target,
        sequence: u64,
    },
    Policy {
        account: String,
        policy: Policy,
    },
    /// Tell the log that a segment's file is about to go.
    Retire {
        segment: u32,
    },
    /// Write content that a later request of the same caller will name; it is pinned until then.
    Stage {
        account: String,
        digest: Digest,
        size: u64,
        body: BodySource,
    },
}

/// A name to act on.
pub(crate) struct Target {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) key: NameKey,
}

/// A put, its content hashed and ready to be written.
pub(crate) struct PutIntent {
    pub(crate) target: Target,
    pub(crate) facts: Facts,
    pub(crate) expiry: Expiry,
    pub(crate) conditions: Conditions,
    pub(crate) prefix_limit: Option<PrefixLimit>,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) body: BodySource,
}

/// Where the bytes of a content are, before they are in the log.
pub(crate) enum BodySource {
    /// Here, with the head of their record.
    Bytes { head: Vec<u8>, content: Vec<u8> },
    /// In a file of their own.
    File { head: Vec<u8>, name: BlobFileName },
    /// In the store already, pinned.
    Pinned,
}

impl BodySource {
    /// Bytes it takes in the log.
    fn len(&self) -> u64 {
        match self {
            BodySource::Bytes { head, content } => record_len(head.len(), content.len() as u64),
            BodySource::File { head, .. } => record_len(head.len(), 0),
            BodySource::Pinned => 0,
        }
    }
}

/// What became of one intent.
pub(crate) enum Done {
    Put {
        sequence: u64,
        created_ms: u64,
        at_ms: u64,
        expires_ms: u64,
    },
    Entry(Entry),
    /// Whether there was something to end.
    Ended(bool),
    /// There is no such entry.
    Absent,
    Nothing,
}

/// Why a request was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    Error(Error),
    /// The names under its prefix limit are to be counted first.
    PrefixUnknown,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Error(error)
    }
}

impl Target {
    fn len(&self) -> usize {
        self.account.len() + self.name.len()
    }
}

impl Intent {
    /// Most bytes its operation takes.
    fn op_len(&self) -> usize {
        if matches!(self, Intent::Retire { .. }) {
            return RETIRE_LEN;
        }
        OP_LEN
            + match self {
                Intent::Put(put) => put.target.len() + put.facts.len(),
                Intent::Update { target, .. } => target.len() + METADATA_LEN_MAX,
                Intent::Copy { to, .. } => to.len() + METADATA_LEN_MAX,
                Intent::End { target, .. } | Intent::Expire { target, .. } => target.len(),
                Intent::Policy { account, .. } => account.len(),
                Intent::Retire { .. } | Intent::Stage { .. } => 0,
            }
    }

    fn body(&self) -> Option<&BodySource> {
        match self {
            Intent::Put(PutIntent { body, .. }) | Intent::Stage { body, .. } => Some(body),
            _ => None,
        }
    }

    /// What it may use of a full disk.
    fn room(&self) -> Room {
        match self {
            Intent::End { .. } | Intent::Expire { .. } => Room::Reserve,
            Intent::Retire { .. } => Room::Last,
            _ => Room::Ordinary,
        }
    }
}

impl Request {
    pub(crate) fn one(intent: Intent, durability: Durability) -> Request {
        Request { intents: vec![intent], durability, ..Request::default() }
    }

    /// Most bytes its commit record takes.
    pub(crate) fn commit_len(&self) -> u64 {
        record_len(self.intents.iter().map(Intent::op_len).sum(), 0)
    }

    /// Most bytes it takes in the log.
    pub(crate) fn len(&self) -> u64 {
        self.commit_len() + self.intents.iter().filter_map(Intent::body).map(BodySource::len).sum::<u64>()
    }

    /// Most rows it adds to a footer, and bytes of accounts' names there.
    pub(crate) fn footer_share(&self) -> (usize, usize) {
        let retires = self.intents.iter().filter(|intent| matches!(intent, Intent::Retire { .. })).count();
        let others = self.intents.len() - retires;
        (others + retires.div_ceil(RETIRES_A_ROW), others * (2 + ACCOUNT_LEN_MAX))
    }

    /// What it may use of a full disk: as much as the least of its intents; `None` when it asks for nothing.
    pub(crate) fn room(&self) -> Option<Room> {
        let room = self.intents.iter().map(Intent::room).min();
        room.map(|room| if self.is_last_resort && room == Room::Reserve { Room::Last } else { room })
    }

    /// The large file that a put of it brought.
    pub(crate) fn blob_files(&self) -> impl Iterator<Item = (BlobFileName, &Intent)> {
        self.intents.iter().filter_map(|intent| match intent.body() {
            Some(BodySource::File { name, .. }) => Some((*name, intent)),
            _ => None,
        })
    }
}

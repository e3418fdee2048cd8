//! The syncs of the engine, each by what it makes durable.

use super::world::Phase;
use crate::support::{SyncKind, Synced};

/// One kind of sync.
#[derive(Clone, Copy)]
pub(crate) struct Sync {
    pub(crate) name: &'static str,
    /// Which run notices that it is missing.
    pub(crate) noticed: Noticed,
    /// How it is known.
    pub(crate) is_it: fn(&Synced<'_>, Phase) -> bool,
}

/// Where a missing sync shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noticed {
    /// In random runs.
    ByChance,
    /// When the power goes while the store is made.
    InCreation,
    /// When a process dies before it syncs a directory, and the power goes during the next one's life.
    AfterKill,
    /// When a process dies before the name of its checkpoint is durable, and the next one frees segments.
    AfterLostCheckpoint,
}

const fn sync(name: &'static str, is_it: fn(&Synced<'_>, Phase) -> bool) -> Sync {
    Sync { name, noticed: Noticed::ByChance, is_it }
}

impl Sync {
    const fn noticed(mut self, noticed: Noticed) -> Sync {
        self.noticed = noticed;
        self
    }
}

/// Every sync without which something can be lost.
pub(crate) const NEEDED: &[Sync] = &[
    sync("the records of a group", |s, phase| {
        is_segment(s) && phase == Phase::Running && !has_footer(s) && !begins_range(s) && !takes_back(s)
    }),
    sync("the record that opens a range of sequence numbers", |s, phase| {
        is_segment(s) && phase == Phase::Running && begins_range(s)
    }),
    sync("the zeros that take an append back", |s, phase| is_segment(s) && phase == Phase::Running && takes_back(s)),
    sync("the footer of a segment", |s, phase| is_segment(s) && phase == Phase::Running && has_footer(s)),
    sync("the header of a segment", |s, _| is_spare(s) && !s.writes.is_empty()),
    sync("the name of a segment that begins", |s, phase| {
        is_dir(s, "segments") && phase == Phase::Running && gives(s, ".seg") && takes(s, ".spare")
    }),
    sync("the bytes of a segment that was gathered", |s, _| is_gathered(s)),
    sync("the name of a segment that was gathered", |s, phase| {
        is_dir(s, "segments") && phase == Phase::Running && gives(s, ".seg") && !takes(s, ".spare")
    }),
    sync("the name of a segment that becomes a spare", |s, phase| {
        is_dir(s, "segments") && phase == Phase::Running && becomes_spare(s)
    }),
    sync("the name of the store's directory", |s, _| is_dir(s, "..")),
    sync("the names in it that come before STORE", |s, _| {
        is_dir(s, ".") && gives(s, "segments") && !gives(s, "STORE.new")
    })
    .noticed(Noticed::InCreation),
    sync("the bytes of STORE", |s, _| is_file(s, "STORE.new")),
    sync("the name of STORE", |s, _| is_dir(s, ".") && gives(s, "STORE")),
    sync("the bytes of the catalog's checkpoint", |s, _| is_file(s, "catalog.new")),
    sync("the name of the catalog's checkpoint", |s, phase| {
        is_dir(s, ".") && phase == Phase::Running && gives(s, "catalog")
    }),
    sync("the bytes of a large blob", |s, _| is_staged(s) && !is_gathered(s)),
    sync("the name of a large blob", |s, _| is_blob_dir(s) && !s.gives.is_empty()),
    sync("the name of a directory of large blobs", |s, _| is_dir(s, "files")),
    sync("the records that recovery writes again", |s, phase| {
        is_segment(s) && phase == Phase::Opening && !has_footer(s)
    }),
    sync("the footer that recovery writes", |s, phase| is_segment(s) && phase == Phase::Opening && has_footer(s)),
    sync("the names that recovery found in segments/", |s, phase| is_dir(s, "segments") && phase == Phase::Opening)
        .noticed(Noticed::AfterKill),
    sync("the names that recovery found beside them", |s, phase| {
        is_dir(s, ".") && phase == Phase::Opening && gives(s, "catalog")
    })
    .noticed(Noticed::AfterLostCheckpoint),
];

fn is_segment(s: &Synced<'_>) -> bool {
    is_file(s, ".seg")
}

fn is_spare(s: &Synced<'_>) -> bool {
    is_file(s, ".spare")
}

fn is_file(s: &Synced<'_>, end: &str) -> bool {
    s.kind == SyncKind::File && s.path.ends_with(end)
}

fn is_staged(s: &Synced<'_>) -> bool {
    s.kind == SyncKind::File && s.path.starts_with("staging/")
}

/// A segment begins with its magic.
fn is_gathered(s: &Synced<'_>) -> bool {
    is_staged(s) && s.writes.iter().any(|(offset, bytes)| *offset == 0 && bytes.starts_with(b"MCASKSG1"))
}

fn is_dir(s: &Synced<'_>, path: &str) -> bool {
    s.kind == SyncKind::Dir && s.path == path
}

fn is_blob_dir(s: &Synced<'_>) -> bool {
    s.kind == SyncKind::Dir && s.path.starts_with("files/")
}

fn gives(s: &Synced<'_>, end: &str) -> bool {
    s.gives.iter().any(|name| name.ends_with(end))
}

fn takes(s: &Synced<'_>, end: &str) -> bool {
    s.takes.iter().any(|name| name.ends_with(end))
}

/// A segment's name was taken, and the same id given to a spare.
fn becomes_spare(s: &Synced<'_>) -> bool {
    let id = |name: &&str, end| name.strip_suffix(end).map(str::to_owned);
    s.takes
        .iter()
        .filter_map(|name| id(name, ".seg"))
        .any(|taken| s.gives.iter().filter_map(|name| id(name, ".spare")).any(|given| given == taken))
}

/// A footer ends with its file.
fn has_footer(s: &Synced<'_>) -> bool {
    s.writes.iter().any(|(offset, bytes)| offset + bytes.len() as u64 == s.len)
}

/// Records begin with a magic of four bytes and their kind; that of kind 1 opens a range.
fn begins_range(s: &Synced<'_>) -> bool {
    s.writes.first().is_some_and(|(_, bytes)| bytes.starts_with(b"mcR1\x01"))
}

fn takes_back(s: &Synced<'_>) -> bool {
    s.writes.last().is_some_and(|(_, bytes)| bytes.len() == 64 && bytes.iter().all(|byte| *byte == 0))
}

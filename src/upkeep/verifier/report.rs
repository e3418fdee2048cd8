//! What a verification is asked, what it tells while it runs, and what it answers; and the text with which
//! one that was broken off goes on.

use std::path::PathBuf;

use crate::digest::{Digest, crc_of_two};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Position;
use crate::upkeep::Counts;

/// How a verification is to be done; see [`crate::Store::verify`].
///
/// ```
/// use mediacask::VerifyOptions;
/// let gently = VerifyOptions::new().bytes_per_sec(8 << 20);
/// let mended = VerifyOptions::new().repair(true);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    pub(super) bytes_per_sec: u64,
    pub(super) resume: Option<String>,
    pub(super) repair: bool,
}

impl VerifyOptions {
    /// As fast as it goes, from the beginning, changing nothing.
    pub fn new() -> VerifyOptions {
        VerifyOptions::default()
    }

    /// Most bytes to read in a second, on average; 0: as many as it can.
    #[must_use]
    pub fn bytes_per_sec(mut self, bytes: u64) -> VerifyOptions {
        self.bytes_per_sec = bytes;
        self
    }

    /// Goes on where an earlier one was broken off, be it in another process: its [`VerifyReport::resume`].
    #[must_use]
    pub fn resume(mut self, resume: &str) -> VerifyOptions {
        self.resume = Some(resume.to_owned());
        self
    }

    /// Whether to set damaged things aside; else it is only said what would be done.
    #[must_use]
    pub fn repair(mut self, repair: bool) -> VerifyOptions {
        self.repair = repair;
        self
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Bytes that this run has read.
    pub bytes_checked: u64,
    /// Bytes that this run has to read, about: others write meanwhile.
    pub bytes_total: u64,
    /// Damaged places that were found so far.
    pub damaged: u64,
}

/// Bytes that are not what was written, and what they cost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes are concerned; 0 when the whole file is, or what should be there is missing.
    pub len: u64,
    /// The content that was hit, if one was.
    pub digest: Option<Digest>,
    /// The names (account, name) that were hit: those that hold the content, or whose own entries stand there.
    /// Empty when nothing alive was.
    pub names: Vec<(String, String)>,
    /// What was found, as a sentence.
    pub what: String,
    /// What repair would do about it; after a repair, what it did.
    pub remedy: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Bytes that were read.
    pub bytes_checked: u64,
    /// Contents that were read as a whole and hashed, those nobody holds any more included.
    pub contents_checked: u64,
    /// Names whose entries were looked up in the log.
    pub entries_checked: u64,
    /// What is damaged.
    pub damaged: Vec<Damaged>,
    /// Contents whose count of references, in memory, is not the number of their names. Opening the store
    /// counts them anew.
    pub wrong_references: u64,
    /// Accounts whose rows in the index are not what the log says. Listings do not believe such rows.
    pub index_differences: u64,
    /// How many of the damaged things and differing accounts were put right or set aside; 0 without repair.
    pub repaired: u64,
    /// Where to go on, if it was broken off: for [`VerifyOptions::resume`].
    pub resume: Option<String>,
}

impl VerifyReport {
    /// Whether something was found that was not put right or set aside.
    pub fn damage_stands(&self) -> bool {
        self.damaged.len() as u64 + self.wrong_references + self.index_differences > self.repaired
    }
}

impl Counts for VerifyReport {
    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("bytes_checked", self.bytes_checked),
            ("contents_checked", self.contents_checked),
            ("entries_checked", self.entries_checked),
            ("damaged", self.damaged.len() as u64),
            ("wrong_references", self.wrong_references),
            ("index_differences", self.index_differences),
            ("repaired", self.repaired),
            ("broken_off", u64::from(self.resume.is_some())),
        ]
    }
}

/// The text with which a verification of the store `store_id` goes on: from a place in the log, so many shards
/// of the catalog's rows read.
pub(super) fn encode_resume(store_id: &[u8; 16], position: Position, shards: usize) -> String {
    let place = format!("{}-{}-{shards}", position.segment, position.offset);
    let check = crc_of_two(store_id, place.as_bytes());
    format!("{place}-{check:08x}")
}

/// Where a text goes on, if it is one of this store's.
pub(super) fn decode_resume(store_id: &[u8; 16], text: &str) -> Result<(Position, usize)> {
    let mut parts = text.splitn(4, '-');
    let place = (|| {
        let position = Position { segment: parts.next()?.parse().ok()?, offset: parts.next()?.parse().ok()? };
        Some((position, parts.next()?.parse().ok()?))
    })();
    place.filter(|(position, shards)| encode_resume(store_id, *position, *shards) == text).ok_or_else(|| {
        let message =
            format!("{text:?} is no place where a verification of this store was broken off; begin anew without it");
        Error::new(ErrorKind::InvalidToken, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_go_on_from_is_of_one_store_and_refuses_what_was_altered() {
        let (store, other) = ([7; 16], [8; 16]);
        let position = Position { segment: 12, offset: 1 << 33 };
        let text = encode_resume(&store, position, 9);
        assert_eq!(decode_resume(&store, &text).expect("ours"), (position, 9));
        let altered =
            [text.replace("12-", "13-"), format!("{text}0"), format!("0{text}"), String::new(), "1-2-3".into()];
        for wrong in altered.iter().chain([&format!("{text}-")]) {
            let error = decode_resume(&store, wrong).expect_err(wrong);
            assert_eq!(error.kind(), ErrorKind::InvalidToken);
        }
        assert!(decode_resume(&other, &text).is_err());
    }
}

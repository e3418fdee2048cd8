//! An entry: the facts of one name, as every face shows them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{ACCOUNT_LEN_MAX, METADATA_LEN_MAX, NAME_LEN_MAX};

/// The facts of one name: what it holds, how it is to be served, and since and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The caller's key within its account: 1 to 1024 bytes of UTF-8 without NUL.
    pub name: String,
    /// The BLAKE3 hash of the content.
    pub digest: Digest,
    /// The length of the content in bytes.
    pub size: u64,
    /// The media type the content was stored with, e.g. `image/png`.
    pub content_type: Option<String>,
    /// The `Cache-Control` it is to be served with.
    pub cache_control: Option<String>,
    /// The `Content-Disposition` it is to be served with.
    pub content_disposition: Option<String>,
    /// The caller's own pairs.
    pub metadata: BTreeMap<String, String>,
    /// When the name came to life; overwriting keeps it. Whole milliseconds.
    pub created_at: SystemTime,
    /// When the entry was last put or updated. Whole milliseconds.
    pub updated_at: SystemTime,
    /// From this instant on the name is gone; `None` is never. Whole milliseconds.
    pub expires_at: Option<SystemTime>,
    /// Grows with every change of the name; never used twice in a store.
    pub generation: u64,
}

/// How an entry is to be served, and the caller's own pairs: what a put or an update sets beside the
/// content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Facts {
    /// Bytes these facts take in a record: the texts, and four for the lengths of each pair.
    pub(crate) fn len(&self) -> usize {
        let text = |t: &Option<String>| t.as_ref().map_or(0, String::len);
        text(&self.content_type)
            + text(&self.cache_control)
            + text(&self.content_disposition)
            + self.metadata.iter().map(|(k, v)| 4 + k.len() + v.len()).sum::<usize>()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let len = self.len();
        if len > METADATA_LEN_MAX {
            let message = format!(
                "content type, cache control, disposition and metadata take {len} bytes together; at most \
                 {METADATA_LEN_MAX} are stored with an entry"
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }
}

/// Refuses a name that is empty, longer than 1024 bytes, or holds NUL.
pub(crate) fn check_name(name: &str) -> Result<()> {
    check_text("name", name, NAME_LEN_MAX)
}

/// Refuses an account that is empty, longer than 255 bytes, or holds NUL.
pub(crate) fn check_account(account: &str) -> Result<()> {
    check_text("account", account, ACCOUNT_LEN_MAX)
}

fn check_text(what: &str, text: &str, len_max: usize) -> Result<()> {
    let complaint = if text.is_empty() {
        format!("an empty {what} was given; it needs 1 to {len_max} bytes")
    } else if text.len() > len_max {
        format!("the {what} has {} bytes; at most {len_max} are allowed", text.len())
    } else if let Some(place) = text.bytes().position(|b| b == 0) {
        format!("the {what} holds a NUL byte at offset {place}; every other character is allowed")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidName, complaint))
}

/// Unix milliseconds as a time; beyond what the platform can hold it is the epoch.
pub(crate) fn time_of(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms)).unwrap_or(UNIX_EPOCH)
}

/// A time as Unix milliseconds, rounded down; before 1970 it is 0.
pub(crate) fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

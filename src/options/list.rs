//! Which names a listing shows.

use std::time::SystemTime;

/// Which names a listing shows.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) created_from: Option<SystemTime>,
    pub(crate) created_to: Option<SystemTime>,
    pub(crate) limit: Option<usize>,
    pub(crate) token: Option<String>,
}

impl ListOptions {
    /// Every name of the account, in pages of 1000.
    pub fn new() -> ListOptions {
        ListOptions::default()
    }

    /// Only names that begin with this.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> ListOptions {
        self.prefix = prefix.into();
        self
    }

    /// Names that hold this text after the prefix are rolled up into one common prefix each, which
    /// ends with it.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> ListOptions {
        self.delimiter = Some(delimiter.into());
        self
    }

    /// Only entries created at or after this instant. A scan: every name under the prefix is read.
    #[must_use]
    pub fn created_from(mut self, instant: SystemTime) -> ListOptions {
        self.created_from = Some(instant);
        self
    }

    /// Only entries created before this instant. A scan: every name under the prefix is read.
    #[must_use]
    pub fn created_to(mut self, instant: SystemTime) -> ListOptions {
        self.created_to = Some(instant);
        self
    }

    /// Most entries and prefixes on a page, 1 to 1000. Default 1000.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> ListOptions {
        self.limit = Some(limit);
        self
    }

    /// Where to go on: the `next_token` of the page before, or nothing for the first page.
    #[must_use]
    pub fn token(mut self, token: Option<String>) -> ListOptions {
        self.token = token;
        self
    }
}

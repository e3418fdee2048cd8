//! Secrets: texts that are compared in constant time and shown by nothing.
//!
//! Whatever is configured to be kept to oneself stands in a [`Secret`] from the moment it is read; there is no way to
//! print one, so no log line and no error message can hold it.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};
use subtle::ConstantTimeEq as _;

/// A password, token or key.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text that is not to be shown.
    ///
    /// ```
    /// let secret = mediacask_http::Secret::new("bwpass");
    /// assert!(secret.is("bwpass") && !secret.is("bwpass "));
    /// assert_eq!(format!("{secret:?}"), "Secret(..)");
    /// ```
    pub fn new(text: impl Into<Box<str>>) -> Secret {
        Secret(text.into())
    }

    /// Whether `given` is this secret. How long it takes tells at most whether the lengths agree.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// What is kept, for who must work with it.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether both are the same.
    pub(crate) fn equals(&self, other: &Secret) -> bool {
        self.is(&other.0)
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// What is no text is not repeated in the complaint: it may be the secret without its quotes.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        let text = String::deserialize(from);
        text.map(Secret::new).map_err(|_| D::Error::custom("a secret is a text in quotes"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

//! What callers can ask for: the options of a store, of writes and of listings, and an account's policy.

mod list;
mod policy;
mod store;
mod write;

pub use list::ListOptions;
pub use policy::{Expiry, Policy};
pub use store::{Create, Dedup, Durability, StoreOptions, Upkeep, Verify};
pub(crate) use write::{Conditions, Expected};
pub use write::{DeleteOptions, PrefixLimit, PutOptions, UpdateOptions};

use crate::error::{Error, ErrorKind};

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOption, message)
}

//! An embedded, crash-safe, content-addressed store for messaging media.
//!
//! A process opens a directory and puts, gets, lists and expires blobs keyed by account and name. Equal
//! content is stored once; what was acknowledged survives the power cut; what has expired is gone to the
//! millisecond.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use mediacask::{ListOptions, PutOptions, Store};
//! use std::time::Duration;
//!
//! let store = Store::open(dir.path())?;
//! let media = store.account("5500001")?;
//!
//! let options = PutOptions::new().content_type("image/png").ttl(Duration::from_secs(48 * 3600));
//! media.put("logo.png", b"\x89PNG...", &options)?;
//!
//! let blob = media.get("logo.png")?.expect("just put");
//! assert_eq!(blob.entry().content_type.as_deref(), Some("image/png"));
//! for entry in media.entries(ListOptions::new().prefix("logo")) {
//!     println!("{}", entry?.name);
//! }
//! # Ok::<(), mediacask::Error>(())
//! ```
//!
//! # How it works
//!
//! **The log is the truth; everything else is a cache of it.** Blobs and names live in append-only segment
//! files that describe themselves. A table in memory, the catalog, finds a name or a content at once; a sled
//! tree, the index, keeps names in order for listings. Delete both, and nothing is lost.
//!
//! ```text
//! put   bytes -> upload.rs       hashed, checksummed, in the caller's thread
//!             -> commit/         the first in line leads: conditions, quotas, dedup in the log's order
//!             -> log/            one vectored write, one fdatasync for the whole group
//!             -> catalog/        shown to readers; acknowledged; the next group is being written already
//!             -> index/          behind: follows the log
//! get   name  -> lookup.rs -> catalog/ -> log/ -> blob.rs      chunks checked as they are touched
//! list  token -> listing.rs -> index/ in order, each row checked against the catalog -> page
//! ```
//!
//! The layers, each importing only from below:
//!
//! ```text
//! facade   store account batch upload buffers prefix listing events stats engine testing
//! flows    commit/ recovery/ upkeep/ checkpoint/ lookup home
//! state    log/ catalog/ index/ blob
//! matter   log/record log/format
//! words    digest entry token signer options/ clock limits error telemetry
//! machine  disk/
//! ```
//!
//! The format on disk is specified in `src/log/format.rs`.

mod account;
mod batch;
mod blob;
mod buffers;
mod catalog;
mod checkpoint;
mod clock;
mod commit;
mod digest;
#[doc(hidden)]
pub mod disk;
mod engine;
mod entry;
mod error;
mod events;
mod home;
mod index;
pub mod limits;
mod listing;
mod log;
mod lookup;
mod options;
mod prefix;
mod recovery;
mod signer;
mod stats;
mod store;
pub mod telemetry;
#[doc(hidden)]
pub mod testing;
mod token;
mod upkeep;
mod upload;

pub use account::{Account, Entries};
pub use batch::{Batch, Outcome};
pub use blob::{Blob, BlobReader};
pub use checkpoint::CheckpointReport;
pub use clock::Clock;
pub use digest::Digest;
pub use entry::Entry;
pub use error::{Error, ErrorKind, FACES, Face, Result};
pub use events::{Event, EventKind, Events};
pub use listing::Page;
pub use options::{
    Create, Dedup, DeleteOptions, Durability, Expiry, ListOptions, Policy, PrefixLimit, PutOptions, StoreOptions,
    UpdateOptions, Upkeep, Verify,
};
pub use recovery::{Damage, RecoveryReport};
pub use signer::{Grant, Method, Signer};
pub use stats::{AccountStats, Health, IndexState, Stats};
pub use store::Store;
pub use upkeep::{
    Activities, Activity, CompactReport, Damaged, SweepReport, VerifyOptions, VerifyProgress, VerifyReport,
};
pub use upload::Writer;

//! The C library: what `include/mediacask.h` declares, over the public Rust interface.
//!
//! A call checks its pointers and lengths, converts, calls, converts; nothing is decided here. What holds for
//! all of them stands numbered on top of the header; the functions' own comments become
//! those of the header, where a C programmer reads them.
//!
//! Invariants:
//! - Every function goes through [`guard::call`] or [`guard::free`]: nothing unwinds into C.
//! - Outputs are emptied before anything else is looked at.
//! - Memory that C gets is freed by the one function of its type, never by libc's `free`.
//! - A struct that C fills or reads by value has no padding, and grows at its end only.

#![allow(non_camel_case_types)] // The types are named as C programs write them.
#![allow(clippy::missing_safety_doc)] // The contract of all functions is that of the header's conventions.
#![allow(clippy::doc_markdown)] // A comment in the header is no Markdown.

pub mod status;

pub mod error;
mod guard;
mod handle;
pub mod text;

pub mod version;

pub mod store;

pub mod account;

pub mod options;

pub mod entry;

pub mod list;

pub mod blob;

pub mod reader;

pub mod writer;

pub mod batch;

pub mod digest;

pub mod policy;

pub mod stats;

pub mod health;

pub mod upkeep;

pub mod events;

pub mod signer;

#[cfg(feature = "panic")]
pub mod panic;

// For the tests, which know the core by this library only: both have the same name.
#[doc(hidden)]
pub use cask::{FACES, Face};

//! The model that the tests hold the store against.

// A part of it is for runs of its own.
#![allow(dead_code)]

#[path = "../../model/compaction.rs"]
pub(crate) mod compaction;
#[path = "../../model/history.rs"]
pub(crate) mod history;
#[path = "../../model/observed.rs"]
pub(crate) mod observed;
#[path = "../../model/operations.rs"]
pub(crate) mod operations;
#[path = "../../model/state.rs"]
pub(crate) mod state;
#[path = "../../model/tally.rs"]
pub(crate) mod tally;
#[path = "../../model/world.rs"]
pub(crate) mod world;

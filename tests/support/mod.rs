//! What the tests share: a disk that can lose its power, and numbers from a seed.

// Each test crate takes its own part of this.
#![allow(dead_code, unused_imports)]

pub(crate) mod fault;
pub(crate) mod place;
pub(crate) mod random;
pub(crate) mod wait;

pub(crate) use fault::{CallKind, Crash, Fault, FaultDisk, Keep, SyncKind, Synced, Tear};
pub(crate) use random::Random;
pub(crate) use wait::wait_until;

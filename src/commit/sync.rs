//! The locks and the clock of the queue, named in one place so that a model checker can put its own here.

pub(crate) use crate::disk::locks::{Condvar, Mutex};
pub(crate) use std::time::Instant;

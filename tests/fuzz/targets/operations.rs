//! Operations, crashes and failures as the bytes have them, on the model's world.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::world::{Setup, World};
use crate::support::Random;

/// Operations of one input, at most.
const OPERATIONS_MAX: usize = 120;
/// Of the lengths that inputs have, one of so many has the index in sled's files. In the others its rows are in memory:
/// most of the time would be spent on what sled's threads say to one another at each opening.
const LENGTHS_WITH_SLED: usize = 8;

pub(crate) fn operations(bytes: &[u8]) {
    let Some((first, script)) = bytes.split_first() else { return };
    let setup = Setup { seed: u64::from(*first), faults: true, skips: None, crash: None, kill: None };
    let mut world = World::new(setup, Arc::new(Mutex::new(Vec::new())));
    world.random = Random::scripted(script);
    world.has_rows_in_memory = !script.len().is_multiple_of(LENGTHS_WITH_SLED);
    world.create();
    for _ in 0..OPERATIONS_MAX.min(script.len() / 4) {
        world.step();
    }
    world.finish();
}

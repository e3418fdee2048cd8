//! Operations, crashes and failures as the bytes have them, on the model's world.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::world::{Setup, World};
use crate::support::Random;

/// Operations of one input, at most.
const OPERATIONS_MAX: usize = 120;

pub(crate) fn operations(bytes: &[u8]) {
    let Some((first, script)) = bytes.split_first() else { return };
    let setup = Setup { seed: u64::from(*first), faults: true, skips: None, crash: None, kill: None };
    let mut world = World::new(setup, Arc::new(Mutex::new(Vec::new())));
    world.random = Random::scripted(script);
    world.create();
    for _ in 0..OPERATIONS_MAX.min(script.len() / 4) {
        world.step();
    }
    world.finish();
}

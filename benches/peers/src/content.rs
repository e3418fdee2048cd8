//! What is put: bytes that no compressor shortens and no two of which are equal, and names for them.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::peer::Content;

/// The bytes of a seed: the same in every process.
pub fn of(seed: u64, len: usize) -> Content {
    let mut bytes = vec![0; len];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes.into()
}

/// Bytes that no other call in this process gives.
pub fn fresh(len: usize) -> Content {
    static SEED: AtomicU64 = AtomicU64::new(1 << 32);
    of(SEED.fetch_add(1, Ordering::Relaxed), len)
}

/// So many contents of that length.
pub fn some(count: usize, len: usize) -> Vec<Content> {
    (0..count).map(|_| fresh(len)).collect()
}

/// The `n`th name: as a provider of messaging names its media, and in the order of the numbers.
pub fn name(n: u64) -> String {
    format!("media/ME{n:010}")
}

/// The `n`th name of those that come in no order: as of random ids. No two are equal.
pub fn random_name(n: u64) -> String {
    // The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), which
    // gives each number another one.
    let mut id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("media/ME{:016x}", id ^ (id >> 31))
}

/// A number below `below` that looks random: the same for the same turn.
pub fn scattered(turn: u64, below: u64) -> u64 {
    // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
    let mixed = turn.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)) % below
}

//! Random numbers that are the same for the same seed (`SplitMix64`), or that somebody has chosen.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
    /// What comes first, the next at its end.
    script: Vec<u8>,
}

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random { seed, script: Vec::new() }
    }

    /// A stream that begins with the numbers of these bytes, two of them each.
    pub(crate) fn scripted(bytes: &[u8]) -> Random {
        Random { seed: bytes.len() as u64, script: bytes.iter().rev().copied().collect() }
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        if let (Some(low), Some(high)) = (self.script.pop(), self.script.pop()) {
            return u64::from(u16::from_le_bytes([low, high]));
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True in `of` cases of sixteen.
    pub(crate) fn sixteenths(&mut self, of: u64) -> bool {
        self.below(16) < of
    }

    /// `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

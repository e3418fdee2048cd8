//! Buffers for content on its way to the log, used again and again: a megabyte of fresh memory costs as
//! much in page faults as the content does in hashing.

use crate::disk::locks::Mutex;

/// Buffers kept at a time, and bytes of the largest that is kept.
const KEPT_MAX: usize = 16;
const KEPT_LEN_MAX: usize = 1 << 20;
/// Smaller ones come from the allocator as fast.
const KEPT_LEN_MIN: usize = 32 << 10;

/// Buffers nobody uses.
#[derive(Default)]
pub(crate) struct Buffers {
    /// Guards the buffers.
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// The same bytes in a buffer of their own.
    pub(crate) fn copy_of(&self, bytes: &[u8]) -> Vec<u8> {
        let kept = || {
            let mut kept = self.kept.lock();
            let place = kept.iter().position(|buffer| buffer.capacity() >= bytes.len())?;
            Some(kept.swap_remove(place))
        };
        let mut buffer = if bytes.len() < KEPT_LEN_MIN { Vec::new() } else { kept().unwrap_or_default() };
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Takes a buffer back.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        if (KEPT_LEN_MIN..=KEPT_LEN_MAX).contains(&buffer.capacity()) {
            let mut kept = self.kept.lock();
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        }
    }
}

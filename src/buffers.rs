//! Buffers for content on its way to the log, used again and again: a megabyte of fresh memory costs as
//! much in page faults as the content does in hashing. And the account of how much of it uploads that are
//! under way may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::disk::locks::Mutex;

/// Bytes that all uploads under way hold in memory together, beyond the little that each has: enough for a dozen
/// of the largest that the log takes. Those that come then go on in files in staging.
const UPLOADS_LEN_MAX: usize = 64 << 20;

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
    /// Bytes that uploads have claimed.
    claimed: Arc<AtomicUsize>,
}

/// A right of an upload to hold bytes in memory; given back when it is dropped.
#[derive(Default)]
pub(crate) struct Claim {
    of: Option<Arc<AtomicUsize>>,
    len: usize,
}

impl Claim {
    /// Makes it one for `len` bytes at least; `false` when others hold what there is.
    pub(crate) fn grow(&mut self, buffers: &Buffers, len: usize) -> bool {
        let more = len.saturating_sub(self.len);
        let claim = |claimed: usize| Some(claimed + more).filter(|sum| *sum <= UPLOADS_LEN_MAX);
        if more > 0 && buffers.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_err() {
            return false;
        }
        self.len += more;
        self.of = Some(buffers.claimed.clone());
        true
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(of) = &self.of {
            of.fetch_sub(self.len, Ordering::Relaxed);
        }
    }
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

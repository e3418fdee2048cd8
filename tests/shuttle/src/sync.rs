//! Shuttle's locks behind the calls of `parking_lot` that the queue makes, and a clock that goes by looks.

use std::ops::{Add, Deref, DerefMut};
use std::time::Duration;

use shuttle::rand::Rng as _;
use shuttle::{rand, sync, thread};

/// Like `std::time::Instant`, of a clock on which every group takes as long as a sync does.
#[derive(Clone, Copy)]
pub(crate) struct Instant;

impl Instant {
    pub(crate) fn now() -> Instant {
        Instant
    }

    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_millis(1)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, _: Duration) -> Instant {
        self
    }
}

/// Like `parking_lot::Mutex`: not poisoned by a panic.
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, held: Some(self.acquire()) }
    }

    fn acquire(&self) -> sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(sync::PoisonError::into_inner)
    }
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// Empty only while its condition variable waits.
    held: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_deref().expect("taken only while waiting")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_deref_mut().expect("taken only while waiting")
    }
}

/// Like `parking_lot::Condvar`.
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar(sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.held.take();
        guard.held = held.map(|held| self.0.wait(held).unwrap_or_else(sync::PoisonError::into_inner));
    }

    /// Waits for a time that the scheduler chooses, told or not.
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> bool {
        while rand::thread_rng().gen_bool(0.5) {
            drop(guard.held.take());
            thread::yield_now();
            guard.held = Some(guard.mutex.acquire());
        }
        false
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

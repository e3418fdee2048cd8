//! The locks of the crate: those of `parking_lot`, and in a child of `fork` locks that only poll.
//!
//! `parking_lot` keeps the threads that wait for any of its locks in one table of the process. A child
//! inherits the table as it stood: with threads in it that do not exist there, with their memory, which the
//! child's first threads are given anew, and perhaps with a part of it locked for good. To wait in that table
//! can take for ever, or loop. So in a child nobody enters it: whoever cannot have a lock at once looks again
//! after a while, an eighth of the time it has waited so far. Nothing is different in a process that was not
//! forked from one that used a store, which is nearly every one.
//!
//! The locks made before a fork are not for the child: their owners answer `Forked`, see [`super::fork`].

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fork;

pub(crate) use parking_lot::{RwLockReadGuard, RwLockWriteGuard};

/// How long who polls sleeps between two looks, at least and at most.
const NAP_MIN: Duration = Duration::from_micros(20);
const NAP_MAX: Duration = Duration::from_millis(5);

/// Whether the table of those who wait is another process' here.
fn must_poll() -> bool {
    fork::generation() > 0
}

/// Looks until there is something, or the deadline has come.
fn poll<T>(deadline: Option<Instant>, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        let now = Instant::now();
        let left = deadline.map_or(NAP_MAX, |deadline| deadline.saturating_duration_since(now));
        if left.is_zero() {
            return None;
        }
        thread::sleep((now.duration_since(began) / 8).clamp(NAP_MIN, NAP_MAX).min(left));
    }
}

/// Has the lock by `attempt`, else by `wait` where that is safe, else by polling.
fn have<G>(attempt: impl Fn() -> Option<G>, wait: impl FnOnce() -> G) -> G {
    if let Some(guard) = attempt() {
        return guard;
    }
    if !must_poll() {
        return wait();
    }
    poll(None, attempt).expect("without a deadline until it is had")
}

/// A mutual exclusion that no panic poisons.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

/// Access to what a [`Mutex`] guards, until it is dropped.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while a [`Condvar`] waits with it.
    held: Option<parking_lot::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    /// A lock that nobody holds.
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    /// Waits until nobody else holds it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, held: Some(self.acquire()) }
    }

    /// Has it at once, if nobody else holds it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        Some(MutexGuard { mutex: self, held: Some(self.0.try_lock()?) })
    }

    /// Waits for `longest` at most.
    pub(crate) fn try_lock_for(&self, longest: Duration) -> Option<MutexGuard<'_, T>> {
        let held = if must_poll() {
            poll(Some(Instant::now() + longest), || self.0.try_lock())?
        } else {
            self.0.try_lock_for(longest)?
        };
        Some(MutexGuard { mutex: self, held: Some(held) })
    }

    /// What it guards: nobody else can hold it.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    fn acquire(&self) -> parking_lot::MutexGuard<'_, T> {
        have(|| self.0.try_lock(), || self.0.lock())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("held but while waiting")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("held but while waiting")
    }
}

/// Many readers, or one writer.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(parking_lot::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock(parking_lot::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        have(|| self.0.try_read(), || self.0.read())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        have(|| self.0.try_write(), || self.0.write())
    }

    /// What it guards: nobody else can hold it.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

/// What threads wait for that hold a [`Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    told: parking_lot::Condvar,
    /// How often it was told, for those who poll.
    times: AtomicU32,
}

impl Condvar {
    /// One that nobody waits for.
    pub(crate) const fn new() -> Condvar {
        Condvar { told: parking_lot::Condvar::new(), times: AtomicU32::new(0) }
    }

    /// Lets go of the lock until told; it may return without having been told.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_before(guard, None);
    }

    /// The same for `longest` at most; says whether it was told.
    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, longest: Duration) -> bool {
        self.wait_before(guard, Instant::now().checked_add(longest))
    }

    /// The same until `deadline`; says whether it was told.
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) -> bool {
        self.wait_before(guard, Some(deadline))
    }

    fn wait_before<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Option<Instant>) -> bool {
        if !must_poll() {
            let held = guard.held.as_mut().expect("held but while waiting");
            let Some(deadline) = deadline else {
                self.told.wait(held);
                return true;
            };
            return !self.told.wait_until(held, deadline).timed_out();
        }
        let before = self.times.load(Ordering::Acquire);
        guard.held = None;
        let told = poll(deadline, || (self.times.load(Ordering::Acquire) != before).then_some(()));
        guard.held = Some(guard.mutex.acquire());
        told.is_some()
    }

    /// Wakes one that waits, if any does.
    pub(crate) fn notify_one(&self) {
        self.times.fetch_add(1, Ordering::Release);
        self.told.notify_one();
    }

    /// Wakes all that wait.
    pub(crate) fn notify_all(&self) {
        self.times.fetch_add(1, Ordering::Release);
        self.told.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::fork::tests::{alone, in_child};
    use std::sync::Arc;

    /// Threads that wait in the parent, and as many that are busy in the child with the memory of those.
    const THREADS: u32 = 24;
    const ROUNDS: u32 = 5;
    const SETS: u32 = 20;

    /// What the child's threads do: one lock, one condition, readers and a writer, all contended.
    #[derive(Default)]
    struct Busy {
        turn: Mutex<u32>,
        turned: Condvar,
        table: RwLock<u32>,
    }

    impl Busy {
        /// Each thread waits for its turn, `ROUNDS` times.
        fn take_turns(&self, me: u32) {
            for _ in 0..ROUNDS {
                let mut turn = self.turn.lock();
                while *turn % THREADS != me {
                    self.turned.wait_for(&mut turn, Duration::from_mins(1));
                }
                *turn += 1;
                self.turned.notify_all();
                drop(turn);
                assert!(*self.table.read() <= THREADS * ROUNDS);
                *self.table.write() += 1;
            }
        }

        /// Whether everybody had every turn, with several sets of locks: each lies elsewhere.
        fn run() -> bool {
            let sets: Vec<Box<Busy>> = (0..SETS).map(|_| Box::default()).collect();
            sets.iter().all(|busy| {
                thread::scope(|scope| (0..THREADS).for_each(|me| drop(scope.spawn(move || busy.take_turns(me)))));
                *busy.turn.lock() == THREADS * ROUNDS && *busy.table.read() == THREADS * ROUNDS
            })
        }
    }

    #[test]
    fn turns_are_taken_by_waiting() {
        assert!(Busy::run());
    }

    #[test]
    fn a_child_whose_parents_threads_all_waited_takes_turns_by_polling() {
        const NAME: &str = "disk::locks::tests::a_child_whose_parents_threads_all_waited_takes_turns_by_polling";
        alone(NAME, || {
            fork::install();
            let places: Arc<Vec<(Mutex<bool>, Condvar)>> = Arc::new((0..THREADS).map(|_| Default::default()).collect());
            for n in 0..THREADS as usize {
                let places = Arc::clone(&places);
                thread::spawn(move || {
                    let (is_there, told) = &places[n];
                    let mut is_there = is_there.lock();
                    *is_there = true;
                    loop {
                        told.wait(&mut is_there);
                    }
                });
            }
            for (is_there, _) in &*places {
                while !*is_there.lock() {
                    thread::yield_now();
                }
            }
            assert!(in_child(Busy::run), "a thread of the child waited in vain");
            assert!(Busy::run(), "the parent goes on as before");
        });
    }

    #[test]
    fn a_deadline_ends_a_wait_in_a_child_too() {
        alone("disk::locks::tests::a_deadline_ends_a_wait_in_a_child_too", || {
            fork::install();
            let look = || {
                let (lock, told) = (Mutex::new(()), Condvar::new());
                let nap = Duration::from_millis(30);
                let began = Instant::now();
                let mut held = lock.lock();
                let in_vain = !told.wait_for(&mut held, nap) && began.elapsed() >= nap;
                let refused =
                    thread::scope(|scope| scope.spawn(|| lock.try_lock_for(nap).is_none()).join().unwrap_or(false));
                drop(held);
                in_vain && refused && lock.try_lock_for(nap).is_some()
            };
            assert!(look());
            assert!(in_child(look));
        });
    }
}

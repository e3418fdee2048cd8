//! Handles: what C holds of a store, an account, a reader, a writer or a batch.
//!
//! A handle is a small shell with a state in front. Its memory outlives it: a freed shell stands in quarantine
//! and becomes a new handle of the same type only when others were freed after it. So a handle that is used or
//! freed once more, by a mistake in the program, is found out and answers `MCASK_E_MISUSE`, as long as it is
//! not too long ago; that is no promise to build on.
//!
//! Stores and accounts are shared by threads. Of the others one thread has its turn at a time, and a second
//! one is told so.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Failure, Result};

/// Freed shells of a type that stay out of use.
const QUARANTINE: usize = 256;

/// What a state is made of: a type's own number, and one of these.
const IDLE: u32 = 1;
const BUSY: u32 = 2;
const FREED: u32 = 3;

/// A type of handle, as the header names it.
pub(crate) trait Opaque: Sized + 'static {
    /// What it stands for.
    type Held: 'static;
    /// Tells the types apart: three letters, and room for a state.
    const MARK: u32;
    /// What it is called.
    const NAME: &'static str;
    fn shells() -> &'static Shells<Self::Held>;
}

/// Says what a type of handle stands for.
macro_rules! opaque {
    ($name:ident, $held:ty, $mark:literal, $called:literal) => {
        impl crate::handle::Opaque for $name {
            type Held = $held;
            const MARK: u32 = u32::from_be_bytes(*$mark);
            const NAME: &'static str = $called;

            fn shells() -> &'static crate::handle::Shells<$held> {
                static SHELLS: crate::handle::Shells<$held> = crate::handle::Shells::new();
                &SHELLS
            }
        }
    };
}
pub(crate) use opaque;

/// What a handle points to.
#[repr(C)] // The state in front, whatever is held.
pub(crate) struct Shell<T> {
    state: AtomicU32,
    /// `None` once freed. Guarded by the state.
    held: UnsafeCell<Option<T>>,
}

/// The freed shells of one type.
pub(crate) struct Shells<T> {
    current: AtomicPtr<Ring<T>>,
}

// SAFETY: a ring's only access to the shells is under its lock, and what they held is gone.
unsafe impl<T> Sync for Shells<T> {}

/// Those of one process: a child made by fork may find the lock of its parent's held for ever.
struct Ring<T> {
    process: u32,
    /// The oldest first. Guards the list.
    freed: Mutex<VecDeque<*mut Shell<T>>>,
    /// The parent's; kept, not used.
    _before: *mut Ring<T>,
}

impl<T> Shells<T> {
    pub(crate) const fn new() -> Shells<T> {
        Shells { current: AtomicPtr::new(null_mut()) }
    }

    fn ring(&self) -> &Ring<T> {
        let process = std::process::id();
        loop {
            let now = self.current.load(Ordering::Acquire);
            // SAFETY: a ring that was ever current is never freed.
            if let Some(ring) = unsafe { now.as_ref() }.filter(|ring| ring.process == process) {
                return ring;
            }
            let new = Box::into_raw(Box::new(Ring { process, freed: Mutex::default(), _before: now }));
            if self.current.compare_exchange(now, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: it was made here, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }

    /// A shell whose turn has come, or a new one.
    fn take(&self) -> *mut Shell<T> {
        let mut freed = self.ring().freed.lock().unwrap_or_else(PoisonError::into_inner);
        let old = if freed.len() > QUARANTINE { freed.pop_front() } else { None };
        old.unwrap_or_else(|| Box::into_raw(Box::new(Shell { state: AtomicU32::new(0), held: UnsafeCell::new(None) })))
    }

    fn give_back(&self, shell: *mut Shell<T>) {
        self.ring().freed.lock().unwrap_or_else(PoisonError::into_inner).push_back(shell);
    }
}

/// A new handle, the caller's to free.
pub(crate) fn new<O: Opaque>(held: O::Held) -> *mut O {
    let shell = O::shells().take();
    // SAFETY: shells are never freed, and this one is nobody's.
    unsafe {
        (*shell).held.get().write(Some(held));
        (*shell).state.store(O::MARK | IDLE, Ordering::Release);
    }
    shell.cast()
}

/// What a handle that threads share stands for.
///
/// # Safety
/// `handle` is NULL, or came from [`new`]; it is not freed while the reference is used.
pub(crate) unsafe fn shared<'a, O: Opaque>(handle: *const O) -> Result<&'a O::Held> {
    // SAFETY: the caller's word; the memory of a freed one is still a shell.
    let shell = unsafe { handle.cast::<Shell<O::Held>>().as_ref() }.ok_or_else(is_null::<O>)?;
    if shell.state.load(Ordering::Acquire) != O::MARK | IDLE {
        return Err(not_one::<O>());
    }
    // SAFETY: while it is idle, nobody changes what it holds but who frees it, which the caller rules out.
    unsafe { &*shell.held.get() }.as_ref().ok_or_else(not_one::<O>)
}

/// One thread's turn at a handle.
pub(crate) struct Turn<'a, O: Opaque> {
    shell: &'a Shell<O::Held>,
    _of: PhantomData<O>,
}

/// Takes the turn at a handle that one thread at a time may use.
///
/// # Safety
/// `handle` is NULL, or came from [`new`].
pub(crate) unsafe fn turn<'a, O: Opaque>(handle: *mut O) -> Result<Turn<'a, O>> {
    // SAFETY: the caller's word; the memory of a freed one is still a shell.
    let shell = unsafe { handle.cast::<Shell<O::Held>>().as_ref() }.ok_or_else(is_null::<O>)?;
    match shell.state.compare_exchange(O::MARK | IDLE, O::MARK | BUSY, Ordering::Acquire, Ordering::Acquire) {
        Ok(_) => Ok(Turn { shell, _of: PhantomData }),
        Err(state) if state == O::MARK | BUSY => Err(Failure::misuse(format!(
            "another thread is in a call with this {}; one thread at a time may use it",
            O::NAME
        ))),
        Err(_) => Err(not_one::<O>()),
    }
}

impl<O: Opaque> Deref for Turn<'_, O> {
    type Target = O::Held;

    fn deref(&self) -> &O::Held {
        // SAFETY: it is busy, so it is this turn's alone.
        unsafe { &*self.shell.held.get() }.as_ref().expect("what is not freed holds something")
    }
}

impl<O: Opaque> DerefMut for Turn<'_, O> {
    fn deref_mut(&mut self) -> &mut O::Held {
        // SAFETY: it is busy, so it is this turn's alone.
        unsafe { &mut *self.shell.held.get() }.as_mut().expect("what is not freed holds something")
    }
}

impl<O: Opaque> Drop for Turn<'_, O> {
    fn drop(&mut self) {
        self.shell.state.store(O::MARK | IDLE, Ordering::Release);
    }
}

/// Frees a handle, and drops what it stands for. NULL, and one that was freed already, do nothing.
///
/// # Safety
/// `handle` is NULL, or came from [`new`]; no call uses it.
pub(crate) unsafe fn free<O: Opaque>(handle: *mut O) {
    // SAFETY: the caller's word; the memory of a freed one is still a shell.
    let Some(shell) = (unsafe { handle.cast::<Shell<O::Held>>().as_ref() }) else { return };
    let freed = shell.state.compare_exchange(O::MARK | IDLE, O::MARK | FREED, Ordering::Acquire, Ordering::Relaxed);
    if freed.is_ok() {
        // SAFETY: whoever made it freed has it alone.
        let held = unsafe { (*shell.held.get()).take() };
        O::shells().give_back(handle.cast());
        drop(held);
    }
}

fn is_null<O: Opaque>() -> Failure {
    Failure::misuse(format!("NULL was given for a {}", O::NAME))
}

fn not_one<O: Opaque>() -> Failure {
    Failure::misuse(format!("what was given is no {0}: it was freed, or it never was a {0}", O::NAME))
}

//! The wall around sled: no panic of its gets out, and what kills it for good is remembered.
//!
//! It owns three things of the process, not of one index:
//!
//! - Whether sled still works here. Its I/O pool is one for the process: after a panic in one of its
//!   threads calls may wait for ever, and a child of `fork` has none of the threads. From then on
//!   every index keeps its rows in memory, until the process ends.
//! - The panic hook, once an index was opened. Panics that are caught here are no news to anybody:
//!   a host whose hook prints, or ends the process, must not do so because a cache was damaged. The
//!   hook set before ours gets all other panics. It is exchanged once: a host that sets its own hook
//!   in the very same instant may lose it; one that sets it later wins, and only gets to see these
//!   panics as well.
//! - The faults tests order, see [`break_index`].

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, Location};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};
use std::thread;
use std::time::Duration;

use crate::disk::locks::Mutex;

/// How a call into sled went wrong.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// An error was returned: these files, or the disk below them.
    Error,
    /// A panic was caught: damaged files, or a defect.
    Panic,
    /// The files are locked by another process.
    Held,
    /// The I/O pool is gone, and with it sled in this process.
    Pool,
    /// A test wanted it.
    Ordered,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, why: impl Into<String>) -> Failure {
        Failure { why: why.into(), kind }
    }
}

/// Why sled works no longer in this process.
static GIVEN_UP: OnceLock<String> = OnceLock::new();

/// The process that used sled first: its I/O pool runs there, and in no child.
static HOME: AtomicU32 = AtomicU32::new(0);

/// Remembers that sled works no longer in this process.
pub(super) fn give_up(why: &str) {
    GIVEN_UP.get_or_init(|| why.to_owned());
}

/// Why sled cannot be used in this process, if so. Cheap.
pub(super) fn given_up() -> Option<&'static str> {
    GIVEN_UP.get().map(String::as_str)
}

/// Why no index can be opened with sled here, if so.
pub(super) fn refusal() -> Option<&'static str> {
    let here = process::id();
    match HOME.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
        Err(home) if home != here => Some("this process was forked from one that used the index"),
        _ => given_up(),
    }
}

/// Whether this is a child of the process that opened its index: there, nothing of it may be touched.
pub(super) fn forked() -> bool {
    HOME.load(Ordering::Relaxed) != process::id()
}

thread_local! {
    /// Whether this thread is inside [`call`], where panics are caught and not to be told to anybody.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic inside arose.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Calls into sled, and turns a panic into a failure.
pub(super) fn call<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let outer = INSIDE.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outer);
    outcome.unwrap_or_else(|payload| {
        let place = PLACE.try_with(Cell::take).ok().flatten();
        let place = place.as_deref().unwrap_or("an unknown place");
        Err(Failure::new(FailureKind::Panic, format!("it panicked at {place}: {}", text_of(&*payload))))
    })
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

/// File and line; the folders are those of the machine this was built on.
fn place_of(location: &Location<'_>) -> String {
    let file = Path::new(location.file()).file_name().unwrap_or_default();
    format!("{}:{}", file.display(), location.line())
}

/// Has panics inside [`call`] caught in silence, and those of the threads whose names begin with
/// `pool_threads` noticed: nothing else tells of them, and calls that need the pool may wait for ever.
pub(super) fn watch(pool_threads: &'static str) {
    static WATCHING: Once = Once::new();
    // The hook cannot be exchanged while this thread unwinds.
    if thread::panicking() {
        return;
    }
    WATCHING.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            let place = || panicked.location().map(place_of);
            if INSIDE.try_with(Cell::get).unwrap_or(false) {
                let _ = PLACE.try_with(|last| last.set(place()));
            } else if thread::current().name().is_some_and(|name| name.starts_with(pool_threads)) {
                let text = text_of(panicked.payload());
                give_up(&format!("its I/O pool panicked at {}: {text}", place().unwrap_or_default()));
            } else {
                before(panicked);
            }
        }));
    });
}

/// What a test wants the index's next calls of sled to do.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Panic.
    Panic,
    /// Return an error.
    Error,
    /// Take so much longer.
    Delay(Duration),
}

static FAULTS: Mutex<Vec<(PathBuf, Fault, u32)>> = Mutex::new(Vec::new());

/// How many faults are ordered: what a call reads when there are none.
static FAULTS_ORDERED: AtomicUsize = AtomicUsize::new(0);

/// For tests: lets the next `calls` calls that the index below `dir` (a store's directory) makes of
/// sled, opening included, end in `fault`. `u32::MAX` is for ever, 0 takes the order back.
#[doc(hidden)]
pub fn break_index(dir: &Path, fault: Fault, calls: u32) {
    let mut faults = FAULTS.lock();
    faults.retain(|(ordered, ..)| ordered != dir);
    if calls > 0 {
        faults.push((dir.to_path_buf(), fault, calls));
    }
    FAULTS_ORDERED.store(faults.len(), Ordering::Release);
}

/// [`call`] for files below `dir`, where tests may have ordered a fault.
pub(super) fn call_at<T>(dir: &Path, f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    if FAULTS_ORDERED.load(Ordering::Acquire) == 0 {
        return call(f);
    }
    match take_fault(dir) {
        None => call(f),
        Some(Fault::Delay(time)) => {
            thread::sleep(time);
            call(f)
        }
        Some(Fault::Error) => Err(Failure::new(FailureKind::Ordered, "a test ordered an error")),
        Some(Fault::Panic) => call(|| panic!("a test ordered a panic"))
            .map_err(|failure| Failure { kind: FailureKind::Ordered, ..failure }),
    }
}

fn take_fault(dir: &Path) -> Option<Fault> {
    let mut faults = FAULTS.lock();
    let place = faults.iter().position(|(below, ..)| dir.starts_with(below))?;
    let (_, fault, calls) = &mut faults[place];
    let fault = *fault;
    if *calls != u32::MAX {
        *calls -= 1;
    }
    if *calls == 0 {
        faults.remove(place);
        FAULTS_ORDERED.store(faults.len(), Ordering::Release);
    }
    Some(fault)
}

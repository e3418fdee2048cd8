//! What `fork` does to this process: it is counted, and a child lets go of the locks it inherited.
//!
//! A child shares the parent's maps and open files. Three things follow, and this file tells them:
//!
//! - A handle made before the fork answers `Forked` in the child: [`generation`] differs there.
//! - A lock (`flock`) lives as long as any process has its descriptor: the child closes it at once,
//!   or a store would stay held after its owner died.
//! - A file whose map a child may hold is never written over: [`Moment`] says whether there was a
//!   fork since, and [`child_of_maps`] whether this process itself is such a child.
//!
//! What runs in the child before `fork` returns there only loads and stores atomics and calls
//! `close`: no lock, no memory, as POSIX asks of the child of a process with threads.

use std::io;
use std::os::fd::RawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};

/// How many locks one process can hold: one for each store it has open.
const LOCKS_MAX: usize = 1024;

const NO_FD: RawFd = -1;

static INSTALLED: Once = Once::new();
static STARTED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
static GENERATION: AtomicU64 = AtomicU64::new(0);
static MAPS: AtomicU64 = AtomicU64::new(0);
static CHILD_OF_MAPS: AtomicBool = AtomicBool::new(false);
static LOCKS: [AtomicI32; LOCKS_MAX] = [const { AtomicI32::new(NO_FD) }; LOCKS_MAX];

/// Has every `fork` of this process from now on counted here. Idempotent and cheap.
///
/// # Panics
/// When there is no memory for a few bytes: a store that could not see forks must not open.
pub fn install() {
    INSTALLED.call_once(|| {
        // SAFETY: the three functions are `extern "C"`, live as long as the program, cannot unwind,
        // and do only what a child of a threaded process may do (see the module's doc).
        let refused = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        assert_eq!(refused, 0, "no memory to watch for fork()");
    });
}

/// How many forks this process, or the ones it was forked from, has begun.
pub fn forks() -> u64 {
    STARTED.load(SeqCst)
}

/// How many forks lie between the first process and this one: another number in every child.
pub fn generation() -> u64 {
    GENERATION.load(SeqCst)
}

/// Whether this process was forked from one that had files mapped, so that what it holds is in no
/// registry of its own.
pub fn child_of_maps() -> bool {
    CHILD_OF_MAPS.load(SeqCst)
}

/// Counts a map that is about to be made, for the children that will inherit it.
pub(super) fn map_begins() {
    MAPS.fetch_add(1, SeqCst);
}

/// The counterpart of [`map_begins`], after the unmapping. Not called for a map that a child was
/// given: its parent's children may hold it for good.
pub(super) fn map_ended() {
    MAPS.fetch_sub(1, SeqCst);
}

/// A moment, to ask later whether a fork has happened since.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    started: u64,
    underway: bool,
}

impl Moment {
    /// This moment.
    pub fn now() -> Moment {
        // Read in this order a fork between the two loads looks underway, which is the safe answer.
        let ended = ENDED.load(SeqCst);
        let started = STARTED.load(SeqCst);
        Moment { started, underway: started != ended }
    }

    /// Whether a child may have been given what this process made after this moment.
    pub fn fork_since(self) -> bool {
        self.underway || self.started != forks()
    }
}

/// Has the children of this process close `fd`. To be called before the lock is taken.
pub fn register_lock_fd(fd: RawFd) -> io::Result<()> {
    install();
    let taken = LOCKS.iter().any(|slot| slot.compare_exchange(NO_FD, fd, SeqCst, SeqCst).is_ok());
    if taken {
        return Ok(());
    }
    let message = format!("this process holds {LOCKS_MAX} stores already; close some");
    Err(io::Error::new(io::ErrorKind::QuotaExceeded, message))
}

/// Takes `fd` back. To be called before it is closed, or a child would close what came after it.
pub fn unregister_lock_fd(fd: RawFd) {
    let _ = LOCKS.iter().any(|slot| slot.compare_exchange(fd, NO_FD, SeqCst, SeqCst).is_ok());
}

extern "C" fn before() {
    STARTED.fetch_add(1, SeqCst);
}

extern "C" fn in_parent() {
    ENDED.fetch_add(1, SeqCst);
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, SeqCst);
    // Forks that other threads had underway end here too: those threads are not in the child.
    ENDED.store(STARTED.load(SeqCst), SeqCst);
    if MAPS.load(SeqCst) > 0 {
        CHILD_OF_MAPS.store(true, SeqCst);
    }
    for slot in &LOCKS {
        let fd = slot.swap(NO_FD, SeqCst);
        if fd != NO_FD {
            // SAFETY: `close` may be called in a child, and `fd` is open here: `RealFile` takes it
            // off the list before it closes it, and in a child never closes it again.
            unsafe { libc::close(fd) };
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::process::Command;

    const ALONE: &str = "MEDIACASK_TEST_ALONE";

    /// Runs the test `name`, whose body this is, in a process of its own: a fork in this one would
    /// disturb the tests beside it.
    pub(in crate::disk) fn alone(name: &str, body: impl FnOnce()) {
        if std::env::var_os(ALONE).is_some() {
            return body();
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", name]).env(ALONE, "1").output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    /// Forks, and says whether `look` was true in the child, within a minute; it may take no lock that another
    /// thread may hold.
    pub(in crate::disk) fn in_child(look: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child runs `look`, which does what a child may, and leaves by `_exit`, or by the alarm.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: the call takes a number.
            unsafe { libc::alarm(60) };
            let code = i32::from(!look());
            // SAFETY: `_exit` may be called anywhere.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: `status` is ours while the call lasts, and `child` is ours to wait for.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    fn is_open(fd: RawFd) -> bool {
        // SAFETY: the call takes numbers only, and may be made in a child.
        unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
    }

    #[test]
    fn a_child_is_another_generation_and_has_no_lock_descriptor() {
        const NAME: &str = "disk::fork::tests::a_child_is_another_generation_and_has_no_lock_descriptor";
        alone(NAME, || {
            let ends = std::os::unix::net::UnixStream::pair().unwrap();
            let (locked, other) = (ends.0.as_raw_fd(), ends.1.as_raw_fd());
            register_lock_fd(locked).unwrap();
            let (here, forked, earlier) = (generation(), forks(), Moment::now());
            assert!(!earlier.fork_since());

            assert!(in_child(|| generation() != here && !is_open(locked) && is_open(other)));

            assert!(is_open(locked) && generation() == here);
            assert_eq!(forks(), forked + 1);
            assert!(earlier.fork_since() && !Moment::now().fork_since());
            unregister_lock_fd(locked);
            assert!(in_child(|| is_open(locked)));
        });
    }

    #[test]
    fn a_moment_while_a_fork_is_underway_counts_as_before_it() {
        let (started, underway) = (forks(), true);
        assert!(Moment { started, underway }.fork_since());
    }
}

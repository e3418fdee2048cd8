//! A disk that loses what was not synced, tears writes, and fails calls.
//!
//! A [`FaultDisk`] is a real directory, so that maps are real maps, and beside it a record of what
//! would survive a power cut: of each file its durable bytes and the writes since its last sync, of
//! each directory its durable names and what was done to names since its last sync.
//! [`FaultDisk::crash`] makes a new directory with something a power cut could have left, and
//! leaves this disk as it is: any number of crashes can be tried from one moment.
//!
//! What it holds against the code under test:
//! - A file's bytes and length are durable after its sync only, its name after its directory's only.
//! - A renaming is there or not, and never neither; to another directory, it is durable with that.
//! - What was unlinked may be back; bytes written over may be the old ones; what was allocated and
//!   not written is zeros.
//! - A file that is mapped is not cut, and one that has two names is not changed: [`FaultDisk::crash`]
//!   and the drop panic if one was.

mod calls;
mod content;
mod crash;
mod index;
mod names;
mod plan;
mod state;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use index::Image;
use names::Slot;
use plan::Verdict;
use state::State;

pub(crate) use crash::{Crash, Keep, Tear};
pub(crate) use plan::{CallKind, Counts, Fault};
pub(crate) use state::Synced;

/// What a new name costs on a disk whose room is limited.
const NAME_ROOM: u64 = 4096;

/// The directory a store is opened at, below the disk's own.
const STORE: &str = "store";

/// What is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncKind {
    File,
    Dir,
}

struct Shared {
    dir: tempfile::TempDir,
    /// Guards the record, and is held while the real directory is changed: both tell one story.
    state: Mutex<State>,
}

/// The disk. See the module.
pub(crate) struct FaultDisk(Arc<Shared>);

impl FaultDisk {
    /// An empty disk. The seed decides where short writes end.
    pub(crate) fn new(seed: u64) -> Arc<FaultDisk> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("mediacask-test-");
        // Memory where there is some: no sync of these tests needs a device.
        let dir = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir());
        let dir = dir.expect("a directory for temporary files");
        let state = State::new(seed, Path::new(STORE).join("index"));
        Arc::new(FaultDisk(Arc::new(Shared { dir, state: Mutex::new(state) })))
    }

    /// Where to open the store. Nothing is there at first.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.dir.path().join(STORE)
    }

    /// Keeps a copy of the index as it is now, which a later crash may bring back.
    pub(crate) fn snapshot_index(&self) {
        let mut state = self.0.state.lock();
        if let Some(image) = Image::take(&self.0.dir.path().join(&state.index)) {
            state.older_index = Some(image);
        }
    }

    /// Has the `nth` call fail, the first being 1. All count but facts and reads.
    pub(crate) fn fail_nth(&self, nth: u64, fault: Fault) {
        self.0.state.lock().plan.fail(None, nth, fault);
    }

    /// Has the `nth` call of one kind fail, the first being 1.
    pub(crate) fn fail_nth_of(&self, kind: CallKind, nth: u64, fault: Fault) {
        self.0.state.lock().plan.fail(Some(kind), nth, fault);
    }

    /// Has every call fail from the `nth` on, until [`FaultDisk::heal`]. With [`Fault::Enospc`] the
    /// disk is full from then on: only what needs room fails, until something is unlinked.
    pub(crate) fn fail_all_from(&self, nth: u64, fault: Fault) {
        self.0.state.lock().plan.fail_from(nth, fault);
    }

    /// Lets files have this many bytes more than they have now.
    pub(crate) fn limit_room(&self, more: u64) {
        let mut state = self.0.state.lock();
        state.room = Some(state.used() + more);
    }

    /// Has every hard link refused, as from one file system to another.
    pub(crate) fn refuse_links(&self) {
        self.0.state.lock().refuses_links = true;
    }

    /// Ends every fault that was planned, and gives room again. Power that is off stays off.
    pub(crate) fn heal(&self) {
        let mut state = self.0.state.lock();
        state.plan.heal();
        state.room = None;
    }

    /// Takes the power away at the `nth` call (counted as by [`FaultDisk::fail_nth`]): it and all
    /// that follow fail, and nothing becomes durable any more. If it is a change, the crash may
    /// find it done.
    pub(crate) fn crash_at_call(&self, nth: u64) {
        self.0.state.lock().plan.die_at(nth);
    }

    /// Takes the power away now.
    pub(crate) fn power_off(&self) {
        self.0.state.lock().plan.is_off = true;
    }

    /// Whether the power is off.
    pub(crate) fn is_off(&self) -> bool {
        self.0.state.lock().plan.is_off
    }

    /// Whether a failed sync drops what it could not write, as Linux does: readers go on seeing it,
    /// later syncs succeed, and it never becomes durable.
    pub(crate) fn lying_fsync_after_failure(&self, lies: bool) {
        self.0.state.lock().drops_after_failed_sync = lies;
    }

    /// Has syncs do nothing and say nothing, to see that a test notices. `path` is below the store:
    /// how the path ends (".seg", "catalog", "segments", "." for the store's directory itself), or
    /// with a slash at its end, where it begins ("files/"). The directory that holds the store is "..".
    pub(crate) fn skip_sync(&self, kind: SyncKind, path: &str) {
        self.0.state.lock().skipped.push((kind, path.to_owned()));
    }

    /// Has those syncs do nothing of which `skips` says so, looking at what is to become durable.
    pub(crate) fn skip_syncs_where(&self, skips: impl Fn(&Synced<'_>) -> bool + Send + Sync + 'static) {
        self.0.state.lock().skips_where = Some(Arc::new(skips));
    }

    /// Tells of every call so far: its kind and its path below the store.
    pub(crate) fn each_call(&self, mut tell: impl FnMut(CallKind, &str)) {
        self.0.state.lock().plan.each_call(&mut tell);
    }

    /// How many calls there were, facts and reads aside.
    pub(crate) fn calls(&self) -> u64 {
        self.0.state.lock().plan.calls()
    }

    /// The `nth` call in words, for the message of a test that failed.
    pub(crate) fn tell(&self, nth: u64) -> String {
        self.0.state.lock().plan.tell(nth).unwrap_or_else(|| format!("no call {nth}"))
    }

    /// How many calls there were of each kind.
    pub(crate) fn counts(&self) -> Counts {
        self.0.state.lock().plan.counts.clone()
    }

    /// The path below this disk's directory, if it is.
    fn below<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(self.0.dir.path()).ok()
    }

    /// Makes a call, or has it fail. `act` changes both the real directory and the record.
    fn call<T>(
        &self,
        kind: CallKind,
        path: &Path,
        act: impl FnOnce(&mut State, Option<Slot>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.0.state.lock();
        let below = self.below(path);
        let verdict = state.plan.call(kind, &label(below.unwrap_or(path)));
        state.fill_up();
        let slot = below.and_then(|below| state.slot(below));
        match verdict {
            Verdict::Go => act(&mut state, slot),
            Verdict::Fail(fault) => Err(fault.error()),
            Verdict::Die => act(&mut state, slot).and(Err(Fault::Eio.error())),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let broken = self.state.get_mut().broken_rule.take();
        if let Some(broken) = broken.filter(|_| !std::thread::panicking()) {
            panic!("{broken}");
        }
    }
}

/// How a path is called in the log of calls: below the store, whose own directory is "." in "..".
fn label(below: &Path) -> Arc<str> {
    if below.as_os_str().is_empty() {
        return Arc::from("..");
    }
    let path = below.strip_prefix(STORE).unwrap_or(below);
    let text = path.to_string_lossy();
    Arc::from(if text.is_empty() { "." } else { &text })
}

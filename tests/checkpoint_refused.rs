//! A checkpoint taken while somebody else's put is refused: what that has brought, a file of its own, goes when nobody
//! lists it, and is neither missed by the checkpoint nor left behind.

mod support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mediacask::disk::files::RealDisk;
use mediacask::disk::{Access, Disk, DiskFile, Found};
use mediacask::{ErrorKind, PutOptions, Store};
use parking_lot::{Condvar, Mutex};
use support::place::{files_below, small, temp_dir};

/// Only to end a test that would hang: far longer than anything takes.
const HANGS: Duration = Duration::from_mins(2);

/// How far the put and the checkpoint have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Apart,
    /// The put is about to begin.
    Awaited,
    /// Its file has its name, and the put has not been refused yet.
    Kept,
    /// The checkpoint has listed it.
    Listed,
    /// The put was refused, and has removed what it may.
    Refused,
}

/// The real disk, on which a put is refused between a checkpoint's listing of the files and what it does with them.
#[derive(Default)]
struct Meeting {
    stage: Mutex<Stage>,
    moved: Condvar,
    /// No file of a large content can be removed.
    keeps_files: AtomicBool,
}

impl Meeting {
    fn reach(&self, stage: Stage) {
        *self.stage.lock() = stage;
        self.moved.notify_all();
    }

    fn wait_for(&self, wanted: Stage) {
        let mut stage = self.stage.lock();
        while *stage < wanted {
            assert!(!self.moved.wait_for(&mut stage, HANGS).timed_out(), "{wanted:?} never came: {stage:?}");
        }
    }

    fn is_at(&self, stage: Stage) -> bool {
        *self.stage.lock() == stage
    }
}

/// Whether a directory is one in which large contents have their files.
fn holds_contents(dir: &Path) -> bool {
    dir.parent().is_some_and(|parent| parent.ends_with("store/files"))
}

impl Disk for Meeting {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.open(path, access)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        let found = RealDisk.read_dir(path);
        if holds_contents(path) && self.is_at(Stage::Kept) {
            self.reach(Stage::Listed);
            self.wait_for(Stage::Refused);
        }
        found
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        if path.parent().is_some_and(holds_contents) && self.keeps_files.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        RealDisk.unlink(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if holds_contents(path) && self.is_at(Stage::Awaited) {
            self.reach(Stage::Kept);
            self.wait_for(Stage::Listed);
        }
        RealDisk.sync_dir(path)
    }
}

/// Takes a checkpoint between whose listing and linking a put with a file of its own is refused.
fn checkpoint_meets_a_refusal(store: &Store, disk: &Meeting, copy: &Path) {
    let account = store.account("5500001").unwrap();
    account.put("taken", b"stays", &PutOptions::new()).unwrap();
    disk.reach(Stage::Awaited);
    thread::scope(|scope| {
        let put = scope.spawn(|| {
            let refused = account.put("taken", vec![7; 40_000], &PutOptions::new().if_absent());
            disk.reach(Stage::Refused);
            refused
        });
        disk.wait_for(Stage::Kept);
        let taken = store.checkpoint(copy);
        assert_eq!(put.join().unwrap().unwrap_err().kind(), ErrorKind::PreconditionFailed);
        taken.unwrap();
    });
    let copy = Store::open(copy).unwrap();
    assert_eq!(copy.account("5500001").unwrap().get("taken").unwrap().unwrap()[..], b"stays"[..]);
    assert!(copy.health().damage.is_empty() && copy.recount().unwrap().is_empty());
}

#[test]
fn a_put_that_is_refused_while_files_are_linked_fails_no_checkpoint() {
    let (dir, disk) = (temp_dir(), Arc::new(Meeting::default()));
    let store = small().disk(disk.clone()).open(dir.path().join("store")).unwrap();
    checkpoint_meets_a_refusal(&store, &disk, &dir.path().join("copy"));
    assert_eq!(files_below(&store.path().join("files")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_file_that_could_not_be_removed_after_a_checkpoint_is_not_said_to_be_erased() {
    let (dir, disk) = (temp_dir(), Arc::new(Meeting::default()));
    let options = small().erase_within(Duration::from_hours(1)).disk(disk.clone());
    let store = options.open(dir.path().join("store")).unwrap();
    disk.keeps_files.store(true, Ordering::SeqCst);
    checkpoint_meets_a_refusal(&store, &disk, &dir.path().join("copy"));
    assert_eq!(files_below(&store.path().join("files")).len(), 1);
    let error = store.compact().unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("files"), "{error}");
    disk.keeps_files.store(false, Ordering::SeqCst);
    store.compact().unwrap();
    assert_eq!(files_below(&store.path().join("files")), Vec::<std::path::PathBuf>::new());
    assert_eq!(store.health().last.erasure.unwrap().error, None);
}

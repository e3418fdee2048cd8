//! What the store asks of the disk, counted: readers sync nothing and write nothing, a group costs one fdatasync,
//! and nobody who reads waits while somebody else syncs. Counts and conditions, not time.

#[path = "support/wait.rs"]
mod wait;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use mediacask::disk::files::RealDisk;
use mediacask::disk::map::Map;
use mediacask::disk::{Access, Disk, DiskFile, FileFacts, Found};
use mediacask::{Account, DeleteOptions, ListOptions, PutOptions, Store, StoreOptions, Upkeep};
use parking_lot::{Condvar, Mutex};
use wait::wait_until;

/// Only to end a test that would hang: far longer than anything takes.
const HANGS: Duration = Duration::from_mins(2);

/// What was asked so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Syncs of segments.
    log_syncs: u64,
    /// Syncs of any file or directory.
    syncs: u64,
    log_writes: u64,
    /// Whatever else changes something: writes, renames, files made or cut or removed.
    changes: u64,
}

#[derive(Default)]
struct Gate {
    counts: Counts,
    /// Syncs of the log wait.
    is_shut: bool,
    /// Of them, so many.
    waiting: usize,
}

/// The real disk, with a counter, and a gate before each sync of the log.
#[derive(Clone, Default)]
struct CountingDisk(Arc<(Mutex<Gate>, Condvar)>);

impl CountingDisk {
    fn counts(&self) -> Counts {
        self.0.0.lock().counts
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.0.0.lock().counts);
    }

    fn change(&self) {
        self.count(|counts| counts.changes += 1);
    }

    /// Lets no sync of the log begin until the answer is dropped.
    fn shut(&self) -> Shut<'_> {
        self.0.0.lock().is_shut = true;
        Shut(self)
    }

    /// Waits until somebody stands before the gate.
    fn wait_for_a_sync(&self) {
        let mut gate = self.0.0.lock();
        while gate.waiting == 0 {
            assert!(!self.0.1.wait_for(&mut gate, HANGS).timed_out(), "no put came to its sync");
        }
    }

    fn pass(&self) {
        let mut gate = self.0.0.lock();
        gate.waiting += 1;
        self.0.1.notify_all();
        while gate.is_shut {
            self.0.1.wait(&mut gate);
        }
        gate.waiting -= 1;
    }
}

struct Shut<'a>(&'a CountingDisk);

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.0.0.lock().is_shut = false;
        self.0.0.1.notify_all();
    }
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access == Access::Create {
            self.change();
        }
        let (disk, file) = (self.clone(), RealDisk.open(path, access)?);
        Ok(Arc::new(CountingFile { disk, file, path: path.to_owned() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change();
        RealDisk.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        RealDisk.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change();
        RealDisk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.change();
        RealDisk.unlink(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change();
        RealDisk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.count(|counts| counts.syncs += 1);
        RealDisk.sync_dir(path)
    }
}

struct CountingFile {
    disk: CountingDisk,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
}

impl CountingFile {
    /// A segment, whose name was `.spare` when it was opened to be one.
    fn is_log(&self) -> bool {
        self.path.parent().is_some_and(|dir| dir.ends_with("segments"))
    }
}

impl DiskFile for CountingFile {
    fn facts(&self) -> io::Result<FileFacts> {
        self.file.facts()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, from: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let is_log = self.is_log();
        self.disk.count(|counts| if is_log { counts.log_writes += 1 } else { counts.changes += 1 });
        self.file.write_at(from, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let is_log = self.is_log();
        self.disk.count(|counts| {
            counts.syncs += 1;
            counts.log_syncs += u64::from(is_log);
        });
        if is_log {
            self.disk.pass();
        }
        self.file.sync()
    }

    fn push_out(&self, offset: u64, len: u64) -> io::Result<()> {
        self.disk.change();
        self.file.push_out(offset, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.change();
        self.file.allocate(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.change();
        self.file.set_len(len)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.disk.change();
        self.file.set_mode(mode)
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        self.file.map(len)
    }

    fn try_lock(&self) -> io::Result<()> {
        self.file.try_lock()
    }
}

/// A store with nothing going on behind, so that every call counted is of the call that was made; and three names:
/// one of several chunks, one of a file of its own, one of the same content as the first.
fn scene() -> (tempfile::TempDir, CountingDisk, Store, Account) {
    let (dir, disk) = (tempfile::tempdir().unwrap(), CountingDisk::default());
    let options: StoreOptions = Store::options().upkeep(Upkeep::ByHand).disk(Arc::new(disk.clone()));
    let store = options.open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    media.put("chunks", content(200_000, 1), &PutOptions::new()).unwrap();
    media.put("file", content(5 << 20, 2), &PutOptions::new()).unwrap();
    media.put("same", content(200_000, 1), &PutOptions::new()).unwrap();
    (dir, disk, store, media)
}

fn content(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|place| (place as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

/// Every way to read: what was put before is there, and what is being put is not.
fn read_everything(store: &Store, media: &Account) {
    for (name, bytes) in [("chunks", content(200_000, 1)), ("file", content(5 << 20, 2))] {
        let blob = media.get(name).unwrap().unwrap();
        assert!(blob[..] == bytes[..], "{name}");
        assert_eq!(store.names_of(&blob.digest()).unwrap().len(), if name == "file" { 1 } else { 2 });
        let part = media.get_range(name, 70_000..140_000).unwrap().unwrap();
        assert!(part[..] == bytes[70_000..140_000], "a range of {name}");
        let mut read = Vec::new();
        io::Read::read_to_end(&mut media.reader(name).unwrap().unwrap(), &mut read).unwrap();
        assert!(read == bytes, "{name}, through a reader");
        assert_eq!(media.head(name).unwrap().unwrap().size, bytes.len() as u64);
    }
    assert!(media.contains("same").unwrap() && !media.contains("late").unwrap());
    assert!(media.get("late").unwrap().is_none() && media.head("absent").unwrap().is_none());
    let listed: Vec<String> = media.entries(ListOptions::new().limit(2)).map(|entry| entry.unwrap().name).collect();
    assert_eq!(listed, ["chunks", "file", "same"]);
    assert_eq!((store.stats().unwrap().names, media.stats().unwrap().count), (3, 3));
    assert_eq!(store.accounts().unwrap().len(), 1);
    assert!(media.policy().is_ok() && store.health().poisoned.is_none());
}

#[test]
fn reads_sync_nothing_and_write_nothing() {
    let (_dir, disk, store, media) = scene();
    let (before, stats) = (disk.counts(), store.stats().unwrap());
    for _ in 0..3 {
        read_everything(&store, &media);
    }
    assert_eq!(disk.counts(), before);
    let after = store.stats().unwrap();
    assert_eq!((after.syncs, after.groups), (stats.syncs, stats.groups));
}

#[test]
fn a_put_a_batch_and_a_delete_cost_one_write_and_one_sync_each() {
    let (_dir, disk, store, media) = scene();
    let costs = |what: &str, act: &dyn Fn()| {
        let (before, stats) = (disk.counts(), store.stats().unwrap());
        act();
        let (after, now) = (disk.counts(), store.stats().unwrap());
        assert_eq!(after.log_writes - before.log_writes, 1, "writes of {what}");
        assert_eq!(after.syncs - before.syncs, 1, "syncs of {what}");
        assert_eq!(after.log_syncs - before.log_syncs, 1, "syncs of the log of {what}");
        assert_eq!(after.changes, before.changes, "what else {what} does");
        assert_eq!((now.syncs - stats.syncs, now.groups - stats.groups), (1, 1), "statistics of {what}");
    };
    costs("a put", &|| drop(media.put("one", content(20_000, 3), &PutOptions::new()).unwrap()));
    costs("a put of what is there", &|| drop(media.put("two", content(20_000, 3), &PutOptions::new()).unwrap()));
    costs("a batch", &|| {
        let mut batch = media.batch();
        for part in 0..100u8 {
            batch.put(&format!("part/{part}"), content(1_000, part), &PutOptions::new()).unwrap();
        }
        batch.commit().unwrap();
    });
    costs("a delete", &|| assert!(media.delete("two", &DeleteOptions::new()).unwrap()));
}

#[test]
fn writers_who_come_while_a_group_is_synced_share_the_next_sync() {
    const WRITERS: usize = 8;
    let (_dir, disk, store, media) = scene();
    let (before, stats) = (disk.counts(), store.stats().unwrap());
    let (mut puts, mut rounds) = (0, 0);
    // Whether they are all in the line when the sync ends is up to the machine; in some round two of them are.
    while store.stats().unwrap().groups - stats.groups == puts {
        assert!(rounds < 1_000, "in {rounds} rounds no two puts ever shared a group");
        let coming = AtomicUsize::new(0);
        thread::scope(|scope| {
            let shut = disk.shut();
            for writer in 0..WRITERS {
                let (media, coming, rounds) = (&media, &coming, rounds);
                scope.spawn(move || {
                    let bytes = content(1_000 + rounds, writer as u8);
                    coming.fetch_add(1, Ordering::AcqRel);
                    media.put(&format!("{rounds}/{writer}"), bytes, &PutOptions::new()).unwrap();
                });
            }
            disk.wait_for_a_sync();
            wait_until("all writers come", || coming.load(Ordering::Acquire) == WRITERS);
            drop(shut);
        });
        puts += WRITERS as u64;
        rounds += 1;
    }
    let (after, now) = (disk.counts(), store.stats().unwrap());
    let groups = now.groups - stats.groups;
    assert_eq!(now.puts - stats.puts, puts);
    assert!(groups < puts);
    assert_eq!(now.syncs - stats.syncs, groups);
    assert_eq!((after.log_syncs - before.log_syncs, after.log_writes - before.log_writes), (groups, groups));
}

#[test]
fn readers_do_not_wait_for_a_sync() {
    let (_dir, disk, store, media) = scene();
    thread::scope(|scope| {
        let shut = disk.shut();
        let late = media.clone();
        let put = scope.spawn(move || late.put("late", content(30_000, 9), &PutOptions::new()).unwrap());
        disk.wait_for_a_sync();
        let (done, has_read) = mpsc::channel();
        let (readers_store, readers_media) = (store.clone(), media.clone());
        let reader = scope.spawn(move || {
            read_everything(&readers_store, &readers_media);
            done.send(()).unwrap();
        });
        let outcome = has_read.recv_timeout(HANGS);
        assert!(!put.is_finished(), "the put is still held back");
        // Opened before the verdict: a reader that waits would wait for ever.
        drop(shut);
        reader.join().unwrap();
        assert!(outcome.is_ok(), "a reader waited for the sync of a writer");
        assert_eq!(put.join().unwrap().name, "late");
    });
    assert!(media.get("late").unwrap().unwrap()[..] == content(30_000, 9)[..]);
}

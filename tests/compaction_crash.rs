//! A power cut at any call of a compaction, a call that fails, a process that dies: what was stored is there, what
//! was deleted is not, and compaction goes on after that. With the catalog's checkpoint, and with the log alone.

mod compaction {
    pub(crate) mod kept;
}
mod support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use compaction::kept::{self, Scene, Wanted};
use mediacask::disk::{Access, Disk, DiskFile, Found};
use mediacask::{Account, DeleteOptions, ListOptions, PutOptions};
use parking_lot::Mutex;
use support::{Crash, Fault, FaultDisk, Random};

/// Whether a name is that of a segment of the log.
fn is_segment(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "seg")
}

/// Opens what a crash has left, holds it against what should be there, and goes on with it.
fn must_hold(disk: &Arc<FaultDisk>, wanted: &Wanted, log_alone: bool, when: &str) {
    if log_alone {
        kept::leave_the_log_alone(disk);
    }
    let store = kept::on(disk).open(disk.root()).unwrap_or_else(|error| panic!("{when}: {error}"));
    kept::compare(&store, wanted, when);
    assert!(store.health().damage.is_empty(), "{when}: {:?}", store.health().damage);
    let (mut wanted, mut random) = (wanted.clone(), Random::new(9));
    kept::churn(&store, &mut wanted, &mut random, 30);
    store.compact().unwrap_or_else(|error| panic!("{when}: {error}"));
    kept::compare(&store, &wanted, &format!("{when}, compacted again"));
    store.close().unwrap();
    drop(store);
    kept::leave_the_log_alone(disk);
    let store = kept::on(disk).open(disk.root()).unwrap();
    kept::compare(&store, &wanted, &format!("{when}, compacted again and rebuilt"));
}

/// Calls of the disk that compacting a scene takes.
fn calls(seed: u64) -> u64 {
    let scene = Scene::new(seed);
    let before = scene.disk.calls();
    let report = scene.store.compact().unwrap();
    assert!(report.segments_compacted >= 4 && report.segments_freed >= 4, "{report:?}");
    scene.disk.calls() - before
}

#[test]
fn a_power_cut_at_any_call_of_a_compaction_loses_nothing_and_brings_nothing_back() {
    for seed in [1, 2] {
        let calls = calls(seed);
        for nth in 1..=calls {
            for how in [Crash::NOTHING_KEPT, Crash::ALL_KEPT, Crash::random(nth), Crash::random(nth + 1000)] {
                let scene = Scene::new(seed);
                scene.disk.crash_at_call(scene.disk.calls() + nth);
                assert!(scene.store.compact().is_err() || scene.disk.is_off(), "call {nth} of {calls}");
                let when = format!("seed {seed}, call {nth} of {calls}, {how:?}");
                let (disk, wanted) = scene.crash(how);
                must_hold(&disk, &wanted, nth % 2 == 0, &when);
            }
        }
    }
}

#[test]
fn a_call_that_fails_in_a_compaction_costs_nothing() {
    let calls = calls(3);
    for nth in 1..=calls {
        for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
            let scene = Scene::new(3);
            scene.disk.fail_nth(scene.disk.calls() + nth, fault);
            let outcome = scene.store.compact();
            let when = format!("call {nth} of {calls} fails with {fault:?}: {:?}", outcome.as_ref().err());
            scene.disk.heal();
            kept::compare(&scene.store, &scene.wanted, &when);
            // It goes on in this process, or in the next.
            let again = scene.store.compact();
            assert!(again.is_ok() || scene.store.health().poisoned.is_some(), "{when}, then {again:?}");
            kept::compare(&scene.store, &scene.wanted, &when);
            let (disk, wanted) = scene.crash(Crash::NOTHING_KEPT);
            must_hold(&disk, &wanted, nth % 2 == 0, &when);
        }
    }
}

/// A disk on which something happens between a removal being asked for and its being done.
struct Between {
    disk: Arc<FaultDisk>,
    armed: AtomicBool,
    /// Guards what is to be done.
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Disk for Between {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path, access)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        self.disk.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        if path.extension().is_some_and(|end| end == "seg") && self.armed.swap(false, Ordering::SeqCst) {
            let act = self.act.lock().take();
            act.expect("armed with something to do")();
        }
        self.disk.unlink(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn index_at(&self, path: &Path) {
        self.disk.index_at(path);
    }
}

fn fill(account: &Account, random: &mut Random, name: &str, times: u64) {
    for _ in 0..times {
        account.put(name, random.bytes(7000), &PutOptions::new()).unwrap();
    }
}

/// The segment in which the log says that another one goes is complete, and the next one begun, before that one's
/// file is removed; then it leaves, too. Whether some power cut brings the deleted name back.
fn comes_back(with_sync: bool) -> bool {
    let faulty = FaultDisk::new(5);
    let between = Arc::new(Between { disk: faulty.clone(), armed: AtomicBool::new(false), act: Mutex::new(None) });
    // Whatever is removed is not written again: blobs of every segment are held.
    let store = kept::options().disk(between.clone()).open(faulty.root()).unwrap();
    let (account, mut random) = (kept::account(&store), Random::new(5));
    account.put("gone", b"deleted", &PutOptions::new()).unwrap();
    let mut held = vec![account.get("gone").unwrap()];
    fill(&account, &mut random, "filler", 10);
    store.checkpoint_catalog().unwrap();
    account.delete("gone", &DeleteOptions::new()).unwrap();
    fill(&account, &mut random, "filler", 1);
    held.push(account.get("filler").unwrap());
    // The index has followed the log: it holds nothing back.
    account.list(&ListOptions::new()).unwrap();
    let (late, mut more) = (account.clone(), random.clone());
    *between.act.lock() = Some(Box::new(move || fill(&late, &mut more, "filler", 9)));
    between.armed.store(true, Ordering::SeqCst);
    if !with_sync {
        faulty.skip_syncs_where(|synced| {
            let is_begun = synced.gives.iter().any(|name| is_segment(name));
            synced.path == "segments" && !is_begun && synced.takes.iter().any(|name| is_segment(name))
        });
    }
    assert!(store.sweep().unwrap().segments_freed > 0, "the segment of the name is dead");
    assert!(!between.armed.load(Ordering::SeqCst), "it was removed, not written again");
    store.checkpoint_catalog().unwrap();
    assert!(store.sweep().unwrap().segments_freed > 0, "what says that it went is dead as well");
    faulty.power_off();
    drop((held, account, store));
    (0..64).any(|seed| {
        let left = faulty.crash(Crash::random(seed));
        kept::leave_the_log_alone(&left);
        let store = kept::on(&left).open(left.root()).unwrap();
        kept::account(&store).contains("gone").unwrap()
    })
}

#[test]
fn a_removal_that_is_not_durable_is_waited_for_before_the_log_forgets_it() {
    assert!(!comes_back(true), "a deleted name came back");
    assert!(comes_back(false), "the sync that this is about was not needed");
}

#[test]
fn a_process_that_dies_in_a_compaction_leaves_what_the_next_one_goes_on_with() {
    let calls = calls(4);
    for nth in 1..=calls {
        let scene = Scene::new(4);
        scene.disk.fail_all_from(scene.disk.calls() + nth, Fault::Eio);
        let outcome = scene.store.compact();
        assert!(outcome.is_err() || nth >= calls - 2, "call {nth} of {calls}: {outcome:?}");
        let Scene { disk, store, wanted } = scene;
        drop(store);
        disk.heal();
        let store = kept::on(&disk).open(disk.root()).unwrap();
        kept::compare(&store, &wanted, &format!("dead at call {nth} of {calls}"));
        store.compact().unwrap();
        store.close().unwrap();
        drop(store);
        // Nothing is left over but what counts.
        let staged = std::fs::read_dir(disk.root().join("staging")).unwrap().count();
        assert_eq!(staged, 0, "dead at call {nth} of {calls}");
        must_hold(&disk, &wanted, true, &format!("dead at call {nth} of {calls}"));
    }
}

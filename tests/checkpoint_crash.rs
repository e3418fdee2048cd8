//! The power may go at any call of a checkpoint, of its becoming a store, and of its restoring: the store is
//! unharmed, and the copy is the earlier one, the later one, or says that it is not whole.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::path::PathBuf;
use std::sync::Arc;

use mediacask::{Create, ErrorKind, PutOptions, Store, StoreOptions};
use scene::{PARTS, Truth, content, happen, options};
use support::{Crash, FaultDisk, Random, SyncKind};

fn on(disk: &Arc<FaultDisk>) -> StoreOptions {
    options().disk(disk.clone()).create(Create::Never)
}

fn beside(disk: &FaultDisk, name: &str) -> PathBuf {
    disk.root().parent().unwrap().join(name)
}

/// A disk with a store of some sealed segments and blob files, open.
fn store_on(seed: u64) -> (Arc<FaultDisk>, Store, Truth) {
    let disk = FaultDisk::new(seed);
    let store = options().disk(disk.clone()).open(disk.root()).unwrap();
    let mut truth = Truth::default();
    for part in 0..PARTS {
        happen(&store, &mut truth, part);
        fill(&store, &mut truth, part);
    }
    (disk, store, truth)
}

fn fill(store: &Store, truth: &mut Truth, round: usize) {
    let account = store.account("fill").unwrap();
    for n in 0..14 {
        truth.put(&account, &format!("{round}/{n}"), &content(n, 3800 + round), &PutOptions::new());
    }
    truth.put(&account, "large", &content(round as u8, 9000), &PutOptions::new());
}

/// The ways the power goes at one call.
fn crashes(nth: u64) -> [Crash; 3] {
    [Crash::NOTHING_KEPT, Crash::ALL_KEPT, Crash::random(nth)]
}

/// Opens what a crash left as `name`, if it opens: it holds one of these states exactly.
fn opens_as(disk: &Arc<FaultDisk>, name: &str, states: &[&Truth], told: &str) -> bool {
    match on(disk).open(beside(disk, name)) {
        Ok(store) => {
            let names: u64 = store.accounts().unwrap().iter().map(|account| account.count).sum();
            let fitting = states.iter().find(|truth| truth.alive().len() as u64 == names);
            let state = fitting.unwrap_or_else(|| panic!("{told}: {name} has {names} names"));
            state.hold(&store, &format!("{told}: {name}"));
            assert!(store.health().damage.is_empty(), "{told}: {name}: {:?}", store.health().damage);
            true
        }
        Err(error) => {
            let is_missing = error.kind() == ErrorKind::Io && !beside(disk, name).exists();
            let is_plain = is_missing || [ErrorKind::Corrupt, ErrorKind::InvalidOption].contains(&error.kind());
            assert!(is_plain, "{told}: {name} answers {error}");
            false
        }
    }
}

/// Cuts the power at every call of `act`, which begins when the disk of what it made is as it is; has `check` look at
/// what each crash left. Gives the number of calls.
fn cut_everywhere<T>(
    make: impl Fn(u64) -> (Arc<FaultDisk>, T),
    act: impl Fn(&Arc<FaultDisk>, &T) -> Result<(), mediacask::Error>,
    check: impl Fn(&Arc<FaultDisk>, &T, &str),
) -> u64 {
    for nth in 1.. {
        let (disk, it) = make(nth);
        let begun = disk.calls();
        disk.crash_at_call(begun + nth);
        let outcome = act(&disk, &it);
        if !disk.is_off() {
            outcome.expect("nothing was in its way");
            return nth;
        }
        for how in crashes(nth) {
            let after = disk.crash(how);
            check(&after, &it, &format!("call {nth}, {}, {how:?}", disk.tell(begun + nth)));
        }
    }
    unreachable!()
}

#[test]
fn a_first_checkpoint_is_cut_anywhere() {
    let calls = cut_everywhere(
        |seed| {
            let (disk, store, truth) = store_on(seed);
            (disk, (store, truth))
        },
        |disk, (store, _)| store.checkpoint(beside(disk, "copy")).map(drop),
        |after, (_, truth), told| {
            truth.hold(&on(after).open(after.root()).unwrap(), told);
            if !opens_as(after, "copy", &[truth], told) {
                // It is taken again, into what is left there.
                let store = on(after).open(after.root()).unwrap();
                store.checkpoint(beside(after, "copy")).unwrap_or_else(|e| panic!("{told}: again: {e}"));
                assert!(opens_as(after, "copy", &[truth], told), "{told}");
            }
        },
    );
    assert!(calls > 40, "{calls} calls");
}

#[test]
fn a_second_checkpoint_is_cut_anywhere_and_there_is_always_one() {
    let calls = cut_everywhere(
        |seed| {
            let (disk, store, first) = store_on(seed);
            store.checkpoint(beside(&disk, "copy")).unwrap();
            let mut second = first.clone();
            fill(&store, &mut second, 7);
            second.delete(&store.account("fill").unwrap(), "large");
            store.sweep().unwrap();
            (disk, (store, first, second))
        },
        |disk, (store, ..)| store.checkpoint(beside(disk, "copy")).map(drop),
        |after, (_, first, second), told| {
            assert!(opens_as(after, "copy", &[first, second], told), "{told}: neither");
            second.hold(&on(after).open(after.root()).unwrap(), told);
        },
    );
    assert!(calls > 30, "{calls} calls");
}

/// A checkpoint alone on a disk, all of it durable; its store is there, too.
fn checkpoint_on(seed: u64) -> (Arc<FaultDisk>, Truth) {
    let (disk, store, truth) = store_on(seed);
    store.checkpoint(beside(&disk, "copy")).unwrap();
    store.close().unwrap();
    drop(store);
    (disk.crash(Crash::ALL_KEPT), truth)
}

#[test]
fn a_checkpoint_becomes_a_store_though_it_is_cut_anywhere() {
    let calls = cut_everywhere(
        checkpoint_on,
        |disk, _| {
            let store = on(disk).open(beside(disk, "copy"))?;
            store.account("fill")?.put("one more", b"1", &PutOptions::new())?;
            Ok(())
        },
        |after, truth, told| {
            let mut more = truth.clone();
            let version = scene::Version { bytes: b"1".to_vec(), content_type: None, generation: 0 };
            more.note("fill", "one more", Some(version));
            let store = on(after).open(beside(after, "copy")).unwrap_or_else(|e| panic!("{told}: {e}"));
            // What was put at last may be there, if it was put.
            if let Some(entry) = store.account("fill").unwrap().head("one more").unwrap() {
                more.names.values_mut().last().unwrap();
                let key = ("fill".to_owned(), "one more".to_owned());
                more.names.get_mut(&key).unwrap()[0].as_mut().unwrap().generation = entry.generation;
                more.hold(&store, told);
            } else {
                truth.hold(&store, told);
            }
            assert!(store.health().damage.is_empty(), "{told}: {:?}", store.health().damage);
            drop(store);
            truth.hold(&on(after).open(after.root()).unwrap(), told);
        },
    );
    assert!(calls > 40, "{calls} calls");
}

#[test]
fn a_restoring_is_cut_anywhere() {
    let calls = cut_everywhere(
        checkpoint_on,
        |disk, _| Store::restore_on(disk.clone(), beside(disk, "copy"), beside(disk, "restored")).map(drop),
        |after, truth, told| {
            if !opens_as(after, "restored", &[truth], told) {
                let again = Store::restore_on(after.clone(), beside(after, "copy"), beside(after, "restored"));
                again.unwrap_or_else(|e| panic!("{told}: again: {e}"));
                assert!(opens_as(after, "restored", &[truth], told), "{told}");
            }
            assert!(opens_as(after, "copy", &[truth], told), "{told}: the checkpoint");
        },
    );
    assert!(calls > 40, "{calls} calls");
}

#[test]
fn a_checkpoint_and_its_restoring_are_durable_when_they_return() {
    for refuse in [false, true] {
        let (disk, store, truth) = store_on(3);
        if refuse {
            disk.refuse_links();
        }
        store.checkpoint(beside(&disk, "copy")).unwrap();
        let after = disk.crash(Crash::NOTHING_KEPT);
        Store::restore_on(after.clone(), beside(&after, "copy"), beside(&after, "restored")).unwrap();
        let after = after.crash(Crash::NOTHING_KEPT);
        assert!(opens_as(&after, "copy", &[&truth], "durable") && opens_as(&after, "restored", &[&truth], "durable"));
    }
}

#[test]
fn each_sync_of_a_checkpoint_is_needed() {
    // What is skipped, and whether links are refused for it to be made.
    let syncs = [
        (SyncKind::File, "copy/MANIFEST.new", false),
        (SyncKind::File, "copy/STORE.new", false),
        (SyncKind::File, ".tail", false),
        (SyncKind::File, ".seg", true),
        (SyncKind::Dir, "copy/segments", false),
        (SyncKind::Dir, "copy/files", false),
        (SyncKind::Dir, "copy", false),
        (SyncKind::Dir, "..", false),
    ];
    for (kind, path, refuse) in syncs {
        let (disk, store, truth) = store_on(4);
        if refuse {
            disk.refuse_links();
        }
        disk.skip_sync(kind, path);
        store.checkpoint(beside(&disk, "copy")).unwrap();
        assert!(disk.counts().syncs_skipped > 0, "there is no {kind:?} sync of {path}");
        let is_whole = |how: Crash| {
            let after = disk.crash(how);
            let opened = on(&after).open(beside(&after, "copy"));
            opened.is_ok_and(|store| scene::listed(&store, path) == truth.alive() && content_stands(&store, &truth))
        };
        let mut seeds = Random::new(5);
        let noticed = !is_whole(Crash::NOTHING_KEPT) || (0..60).any(|_| !is_whole(Crash::random(seeds.next())));
        assert!(noticed, "without the {kind:?} sync of {path} nothing is lost");
    }
}

fn content_stands(store: &Store, truth: &Truth) -> bool {
    truth.alive().iter().all(|key| {
        let found = store.account(&key.0).unwrap().get(&key.1);
        found.is_ok_and(|blob| blob.is_some_and(|blob| blob[..] == truth.current(key).unwrap().bytes))
    })
}

#[test]
fn on_a_disk_without_room_a_checkpoint_fails_and_the_store_goes_on() {
    let (disk, store, mut truth) = store_on(6);
    disk.refuse_links();
    disk.limit_room(100 << 10);
    let error = store.checkpoint(beside(&disk, "copy")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    truth.hold(&store, "the store");
    assert!(!opens_as(&disk, "copy", &[&truth], "not whole"));
    disk.heal();
    fill(&store, &mut truth, 9);
    store.checkpoint(beside(&disk, "copy")).unwrap();
    assert!(opens_as(&disk, "copy", &[&truth], "whole"));
}

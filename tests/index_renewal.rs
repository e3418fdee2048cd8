//! The index is kept in shape: written anew when its files have outgrown their rows, while others read and write;
//! cut at any call, there is one that can be used.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mediacask::{Account, DeleteOptions, Durability, IndexState, ListOptions, PutOptions, Store, Upkeep};
use scene::{PARTS, Truth, content, happen, options};
use support::place::{by_hand, files_below, temp_dir};
use support::{Crash, FaultDisk, wait_until};

/// A name whose row is long.
fn name(n: u32) -> String {
    format!("{n:06}/{}", "long ".repeat(70))
}

fn put_all(account: &Account, names: std::ops::Range<u32>) {
    let numbers: Vec<u32> = names.collect();
    for some in numbers.chunks(500) {
        let mut batch = account.batch();
        batch.durability(Durability::Os);
        for n in some {
            batch.put(&name(*n), b"1".to_vec(), &PutOptions::new()).unwrap();
        }
        batch.commit().unwrap();
    }
}

fn names(account: &Account) -> Vec<String> {
    account.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect()
}

fn index_bytes(store: &Store) -> u64 {
    let files = files_below(&store.path().join("index"));
    // One that goes at this moment takes nothing any more.
    files.iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum()
}

/// Waits for what the background does of its own accord.
fn wait_for_renewal(store: &Store) -> mediacask::Activity {
    wait_until("the index is written anew", || store.health().last.index_renewal.is_some());
    store.health().last.index_renewal.unwrap()
}

#[test]
fn names_that_were_deleted_give_the_index_its_room_back() {
    const NAMES: u32 = 60_000;
    let (_dir, store, account) = by_hand();
    put_all(&account, 0..NAMES);
    assert_eq!(names(&account).len(), NAMES as usize);
    store.sweep().unwrap();
    assert!(store.health().last.index_renewal.is_none(), "as large as its rows: there is nothing to do");
    let full = index_bytes(&store);
    assert!(full > 24 << 20, "{full} bytes");

    for thousand in 1..NAMES / 1000 {
        account.purge(&format!("{thousand:03}")).unwrap();
    }
    let left = names(&account);
    assert_eq!(left, (0..1000).map(name).collect::<Vec<_>>());
    store.sweep().unwrap();
    let renewal = store.health().last.index_renewal.expect("it was due");
    assert_eq!(renewal.error, None);
    assert_eq!(renewal.counts[0], ("rows".to_owned(), left.len() as u64));
    assert_eq!(renewal.counts[2], ("bytes_after".to_owned(), index_bytes(&store)));
    assert!(index_bytes(&store) < full / 4, "{} of {full} bytes", index_bytes(&store));
    assert_eq!(names(&account), left);
    assert_eq!(store.health().index, IndexState::Current);

    // It is not due again, and what it is now is what the next process finds.
    store.sweep().unwrap();
    assert_eq!(store.health().last.index_renewal.unwrap().at, renewal.at);
    store.close().unwrap();
    let store = Store::options().upkeep(Upkeep::ByHand).open(store.path()).unwrap();
    assert_eq!(names(&store.account("5500001").unwrap()), left);
    assert_eq!(store.health().last.index_renewal.unwrap().counts, renewal.counts);
}

#[test]
fn the_background_writes_an_index_anew_that_has_outgrown_its_rows() {
    let (_dir, store, account) = by_hand();
    put_all(&account, 0..60_000);
    assert_eq!(names(&account).len(), 60_000);
    for thousand in 1..60 {
        account.purge(&format!("{thousand:03}")).unwrap();
    }
    let left = names(&account);
    store.close().unwrap();
    let full = index_bytes(&store);
    let store = Store::open(store.path()).unwrap();
    let renewal = wait_for_renewal(&store);
    assert_eq!((renewal.error, renewal.counts[0].1), (None, left.len() as u64));
    assert!(index_bytes(&store) < full / 4, "{} of {full} bytes", index_bytes(&store));
    assert_eq!(names(&store.account("5500001").unwrap()), left);
}

#[test]
fn the_background_writes_an_index_anew_that_was_slow_to_open() {
    let disk = FaultDisk::new(21);
    let open = |upkeep| Store::options().upkeep(upkeep).disk(disk.clone()).open(disk.root()).unwrap();
    let store = open(Upkeep::ByHand);
    put_all(&store.account("5500001").unwrap(), 0..100);
    assert_eq!(names(&store.account("5500001").unwrap()).len(), 100);
    store.close().unwrap();
    // What is left of an earlier tree is removed at open; this disk takes its time for that.
    std::fs::create_dir(disk.root().join("index/00000099.aside")).unwrap();
    disk.skip_syncs_where(|synced| {
        if synced.path.ends_with("index") {
            std::thread::sleep(Duration::from_millis(400));
        }
        false
    });
    let store = open(Upkeep::Background);
    let renewal = wait_for_renewal(&store);
    assert_eq!((renewal.error, renewal.counts[0].1), (None, 100));
    assert_eq!(names(&store.account("5500001").unwrap()).len(), 100);
}

#[test]
fn listings_reads_and_writes_go_on_while_the_index_is_written_anew() {
    let dir = temp_dir();
    let store = Store::options().open(dir.path().join("store")).unwrap();
    let account = store.account("5500001").unwrap();
    put_all(&account, 0..6000);
    // These live through it all; between them, others come and go.
    let stay: Vec<String> = (0..6000).filter(|n| n % 3 == 0).map(name).collect();
    assert_eq!(names(&account).len(), 6000);
    let done = AtomicBool::new(false);
    let (mut walks, mut pages) = (0, 0);
    std::thread::scope(|scope| {
        let writes = scope.spawn(|| {
            let mut count = 0;
            let options = PutOptions::new().durability(Durability::Os);
            for n in (0..6000u32).cycle().filter(|n| n % 3 != 0) {
                account.delete(&name(n), &DeleteOptions::new().durability(Durability::Os)).unwrap();
                account.put(&format!("{n:06}/new"), n.to_le_bytes(), &options).unwrap();
                account.put(&name(n), n.to_le_bytes(), &options).unwrap();
                count += 1;
                if done.load(Ordering::SeqCst) {
                    break;
                }
            }
            count
        });
        let renewals = scope.spawn(|| {
            for _ in 0..4 {
                // A listing may hold what was before: then it is asked again.
                while let Err(error) = store.renew_index() {
                    assert!(error.to_string().contains("a listing that goes on"), "{error}");
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        while !renewals.is_finished() {
            let (mut listed, mut token) = (Vec::new(), None);
            loop {
                let page = account.list(&ListOptions::new().limit(500).token(token)).unwrap();
                listed.extend(page.entries.into_iter().map(|entry| entry.name));
                pages += 1;
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
            assert!(listed.windows(2).all(|two| two[0] < two[1]), "out of order, or twice");
            let listed: BTreeSet<String> = listed.into_iter().collect();
            assert!(stay.iter().all(|name| listed.contains(name)), "a name that stayed is missing");
            walks += 1;
        }
        renewals.join().unwrap();
        assert!(writes.join().unwrap() > 0);
    });
    assert!(walks > 0 && pages > walks);
    assert_eq!(store.health().index, IndexState::Current);
    let before = names(&account);
    // As the log has it, too.
    assert_eq!(store.rebuild_index(&mut |_, _| ()).unwrap(), before.len() as u64);
    assert_eq!(names(&account), before);
}

#[test]
fn after_it_was_written_anew_by_hand_no_file_of_the_index_before_is_there() {
    let (_dir, store, account) = by_hand();
    put_all(&account, 0..100);
    account.put("gone/zq-secret-5177", b"1", &PutOptions::new()).unwrap();
    let all = names(&account);
    store.sweep().unwrap();
    let files = || files_below(&store.path().join("index"));
    let holds = || {
        files().iter().any(|path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(14).any(|window| window == b"zq-secret-5177")
        })
    };
    let before: BTreeSet<_> = files().into_iter().collect();
    assert!(holds(), "else this test shows nothing");
    account.delete("gone/zq-secret-5177", &DeleteOptions::new()).unwrap();
    store.renew_index().unwrap();
    assert!(files().iter().all(|path| !before.contains(path)), "{:?}", files());
    assert!(!holds());
    assert_eq!(names(&account).len(), all.len() - 1);
    assert!(store.health().last.index_renewal.unwrap().error.is_none());
}

#[test]
fn a_renewal_may_be_cut_at_any_call_and_the_listings_are_right() {
    let mut calls = 0;
    for nth in 1.. {
        let disk = FaultDisk::new(nth);
        let open = |disk: &Arc<FaultDisk>| options().disk(disk.clone()).open(disk.root()).unwrap();
        let store = open(&disk);
        let mut truth = Truth::default();
        for part in 0..PARTS {
            happen(&store, &mut truth, part);
        }
        truth.hold(&store, "before");
        store.sweep().unwrap();
        disk.snapshot_index();
        truth.put(&store.account("5500001").unwrap(), "behind", &content(3, 30), &PutOptions::new());
        disk.crash_at_call(disk.calls() + nth);
        let outcome = store.renew_index();
        if !disk.is_off() {
            outcome.unwrap();
            break;
        }
        calls = nth;
        for how in [Crash::NOTHING_KEPT, Crash::ALL_KEPT, Crash::random(nth)] {
            let after = disk.crash(how);
            let store = open(&after);
            truth.hold(&store, &format!("call {nth}, {how:?}"));
            store.renew_index().unwrap();
            truth.hold(&store, &format!("call {nth}, {how:?}, written anew"));
        }
    }
    assert!(calls > 5, "{calls} calls");
}

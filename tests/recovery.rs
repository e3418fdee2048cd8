//! Recovery may be cut at any step and repeated; opening twice is opening once; what was acknowledged
//! outlives any number of unclean ends, and what has expired comes back under no clock.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{Clock, DeleteOptions, Durability, PutOptions, Store, StoreOptions};
use scene::{
    Image, Truth, closed_store, content, happen, killed_store, listed, options, scratch, store_of_many_segments,
};
use support::{Crash, FaultDisk, Random};

fn on(disk: &Arc<FaultDisk>) -> StoreOptions {
    options().disk(disk.clone())
}

/// Puts that are not synced, and uploads that are not finished: there may be something of each, or nothing.
const UNSYNCED: usize = 5;

/// A store whose power went while it was swept, with work for recovery: groups that were not synced, an
/// upload under way, segments that were about to leave the log.
fn cut_store(seed: u64) -> (Arc<FaultDisk>, Truth) {
    let mut random = Random::new(seed);
    let disk = FaultDisk::new(seed);
    let mut truth = Truth::default();
    for day in 0..scene::PARTS {
        let store = on(&disk).open(disk.root()).unwrap();
        happen(&store, &mut truth, day);
        let account = store.account("churn").unwrap();
        for n in 0..45 {
            truth.put(&account, &format!("{}", n % 2), &content(n, 3800), &PutOptions::new());
        }
        truth.put(&account, "large", &content(day as u8, 6000), &PutOptions::new());
        if day + 1 < scene::PARTS {
            store.close().unwrap();
        } else {
            listed(&store, "before the power goes");
            store.checkpoint_catalog().unwrap();
            let upload = unsynced(&store);
            disk.crash_at_call(1 + random.below(12));
            let _ = store.sweep();
            disk.power_off();
            drop(upload);
        }
    }
    (disk.crash(Crash::random(seed)), truth)
}

fn unsynced(store: &Store) -> mediacask::Writer {
    let account = store.account("5500001").unwrap();
    for n in 0..UNSYNCED {
        let options = PutOptions::new().durability(Durability::Os);
        account.put(&format!("unsynced/{n}"), content(n as u8, 200 + n), &options).unwrap();
    }
    let mut upload = account.writer("upload", &PutOptions::new()).unwrap();
    upload.write_all(&content(99, 200_000)).unwrap();
    upload
}

/// Everything that was acknowledged as durable is there; of the rest each is there as it was put, or not,
/// and none without those before it.
fn hold(store: &Store, truth: &Truth, told: &str) {
    let account = store.account("5500001").unwrap();
    let mut lost = false;
    for n in 0..UNSYNCED {
        let name = format!("unsynced/{n}");
        match account.get(&name).unwrap_or_else(|e| panic!("{told}: {name} answers {e}")) {
            None => lost = true,
            Some(blob) => {
                assert_eq!(&blob[..], content(n as u8, 200 + n), "{told}: {name}");
                assert!(!lost, "{told}: {name} is there without those before it");
                assert!(account.delete(&name, &DeleteOptions::new()).unwrap(), "{told}: {name}");
            }
        }
    }
    assert!(account.get("upload").unwrap().is_none(), "{told}: an upload that was not finished");
    truth.hold(store, told);
    assert!(store.health().damage.is_empty(), "{told}: {:?}", store.health().damage);
}

#[test]
fn recovery_may_be_killed_at_any_call_and_repeated() {
    let mut kills = 0;
    for seed in 0..6 {
        let (disk, truth) = cut_store(seed);
        let whole = disk.crash(Crash::ALL_KEPT);
        let store = on(&whole).open(whole.root()).unwrap();
        let calls = whole.calls();
        hold(&store, &truth, &format!("seed {seed}, not killed"));
        drop(store);
        for nth in 1..=calls {
            let told = format!("seed {seed}, killed at call {nth} of {calls}");
            let killed = disk.crash(Crash::ALL_KEPT);
            killed.crash_at_call(nth);
            drop(on(&killed).open(killed.root()));
            let told = format!("{told}, {}", killed.tell(nth));
            let left = killed.crash(Crash::random(seed * 1000 + nth));
            let store = on(&left).open(left.root()).unwrap_or_else(|e| panic!("{told}: {e}"));
            hold(&store, &truth, &told);
            kills += 1;
        }
    }
    assert!(kills > 60, "recovery made {kills} calls in all");
}

#[test]
fn recoveries_killed_one_after_the_other_lose_nothing() {
    for seed in 0..10 {
        let (mut disk, truth) = cut_store(seed);
        let mut random = Random::new(seed);
        for _ in 0..20 {
            disk.crash_at_call(1 + random.below(25));
            drop(on(&disk).open(disk.root()));
            disk.power_off();
            disk = disk.crash(Crash::random(random.next()));
        }
        let store = on(&disk).open(disk.root()).unwrap();
        hold(&store, &truth, &format!("seed {seed}, after twenty kills"));
    }
}

#[test]
fn unclean_ends_in_a_row_lose_nothing_that_was_acknowledged() {
    for seed in 0..4 {
        let mut disk = FaultDisk::new(seed);
        let mut truth = Truth::default();
        let mut highest = 0;
        for time in 0..25_usize {
            let told = format!("seed {seed}, unclean end {time}");
            let store = on(&disk).open(disk.root()).unwrap();
            truth.hold(&store, &told);
            assert!(!store.health().recovery.clean || time < 2, "{told}: it was not clean");
            let account = store.account("5500001").unwrap();
            if time < scene::PARTS {
                happen(&store, &mut truth, time);
            }
            for n in 0..3_usize {
                truth.put(&account, &format!("{n}"), &content(time as u8, 50 + n * 1000), &PutOptions::new());
                let generation = account.head(&format!("{n}")).unwrap().unwrap().generation;
                assert!(generation > highest, "{told}: generation {generation} after {highest}");
                highest = generation;
            }
            let os = PutOptions::new().durability(Durability::Os);
            let entry = account.put("unsynced", content(time as u8, 70), &os).unwrap();
            highest = entry.generation;
            disk.power_off();
            drop(store);
            disk = disk.crash(Crash::random(seed * 100 + time as u64));
            // It may be there or not; from here on it is gone.
            let store = on(&disk).open(disk.root()).unwrap();
            if store.account("5500001").unwrap().delete("unsynced", &DeleteOptions::new()).unwrap() {
                highest += 1;
            }
            disk.power_off();
            drop(store);
            disk = disk.crash(Crash::NOTHING_KEPT);
        }
    }
}

/// The files of the log, and how long the catalog's checkpoint is: its rows are in no order.
fn lasting(image: &Image) -> (Image, usize) {
    (image.without("index").without("LOCK").without("catalog"), image.file("catalog").len())
}

#[test]
fn opening_twice_is_opening_once() {
    for (image, truth) in [closed_store(), killed_store(), store_of_many_segments()] {
        let dir = scratch();
        image.put(dir.path());
        let mut before: Option<Image> = None;
        for time in 0..4 {
            let store = scene::open(dir.path());
            truth.hold(&store, &format!("opened {time} times before"));
            store.close().unwrap();
            drop(store);
            let now = Image::of(dir.path());
            if let Some(before) = before {
                let ((now, catalog), (before, catalog_before)) = (lasting(&now), lasting(&before));
                assert_eq!(catalog, catalog_before, "the length of the checkpoint");
                let paths = now.0.keys().chain(before.0.keys());
                let differs: BTreeSet<_> = paths.filter(|path| now.0.get(*path) != before.0.get(*path)).collect();
                assert!(differs.is_empty(), "opening it again changed {differs:?}");
            }
            before = Some(now);
        }
    }
}

#[test]
fn reading_only_a_killed_store_twice_finds_the_same() {
    let (image, truth) = killed_store();
    let dir = scratch();
    image.put(dir.path());
    let mut ends = Vec::new();
    for _ in 0..3 {
        let store = scene::open(dir.path());
        truth.hold(&store, "killed");
        // Killed again before anything is written down.
        let killed = Image::of(dir.path());
        drop(store);
        killed.put(dir.path());
        ends.push(killed.segments().iter().map(|path| killed.file(path).to_vec()).collect::<Vec<_>>());
    }
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "each recovery leaves the same log");
}

#[test]
fn a_clock_set_back_brings_nothing_swept_back_and_no_generation_twice() {
    for killed in [false, true] {
        let dir = scratch();
        let now = Arc::new(AtomicU64::new(1_700_000_000));
        let hand = now.clone();
        let clock = Clock::from_fn(move || UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::Relaxed)));
        let open = || options().clock(clock.clone()).open(dir.path()).unwrap();
        let store = open();
        let account = store.account("5500001").unwrap();
        let kept = account.put("kept", "kept", &PutOptions::new()).unwrap();
        let mut generations = vec![kept.generation];
        for n in 0..20 {
            let options = PutOptions::new().ttl(Duration::from_secs(10 + n % 2));
            generations.push(account.put(&format!("{n}"), format!("of {n}"), &options).unwrap().generation);
        }
        now.fetch_add(60, Ordering::Relaxed);
        assert_eq!(store.sweep().unwrap().expired, 20);
        drop(account);
        if killed {
            let image = Image::of(dir.path());
            drop(store);
            image.put(dir.path());
        } else {
            store.close().unwrap();
            drop(store);
        }

        now.fetch_sub(3600, Ordering::Relaxed);
        let store = open();
        let account = store.account("5500001").unwrap();
        assert_eq!(listed(&store, "set back"), BTreeSet::from([("5500001".into(), "kept".into())]));
        for n in 0..20 {
            let name = format!("{n}");
            assert!(account.get(&name).unwrap().is_none(), "{name} came back");
            let entry = account.put(&name, "again", &PutOptions::new()).unwrap();
            assert!(generations.iter().all(|known| *known < entry.generation), "a generation was given twice");
            assert_eq!(entry.created_at, clock.now(), "it lives anew");
            generations.push(entry.generation);
        }
        assert_eq!(store.stats().unwrap().names, 21);
    }
}

//! What time to live promises: gone to the millisecond, whoever sweeps or not; swept, it frees what it held;
//! and a clock that jumps costs nothing that is still wanted.

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use mediacask::{
    Account, Clock, DeleteOptions, Durability, ErrorKind, Expiry, ListOptions, PutOptions, Store, UpdateOptions, Upkeep,
};
use support::Random;
use support::place::{Hand, files_below, small, temp_dir};

const HOUR_MS: u64 = 3_600_000;

fn ttl(ms: u64) -> PutOptions {
    PutOptions::new().ttl(Duration::from_millis(ms))
}

fn names(account: &Account) -> Vec<String> {
    account.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect()
}

/// Waits for what the background does by itself.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn at_its_instant_an_entry_is_gone_everywhere_and_a_millisecond_before_nowhere() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let large = Random::new(1).bytes(20_000);
    let begin = hand.now_ms();
    for round in 0..3 {
        hand.set_ms(begin + round * 10_000);
        let born = hand.now();
        let put = media.put("a", "first", &ttl(1000)).unwrap();
        media.put("large", &large, &PutOptions::new().expires_at(born + Duration::from_secs(1))).unwrap();
        hand.advance_ms(999);
        assert!(media.get("a").unwrap().is_some() && media.head("large").unwrap().is_some());
        assert!(media.contains("a").unwrap() && media.reader("large").unwrap().is_some());
        assert_eq!(names(&media), ["a", "large"]);
        let taken = media.put("a", "x", &PutOptions::new().if_absent()).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::PreconditionFailed);

        hand.advance_ms(1);
        if round == 1 {
            assert_eq!(store.sweep().unwrap().expired, 2);
        }
        assert!(media.get("a").unwrap().is_none() && media.get("large").unwrap().is_none());
        assert!(media.get_range("a", ..1).unwrap().is_none() && media.reader("large").unwrap().is_none());
        assert_eq!(media.head("a").unwrap(), None);
        assert!(!media.contains("a").unwrap());
        assert_eq!(names(&media), [""; 0]);
        assert_eq!(store.names_of(&put.digest).unwrap(), []);
        assert!(!media.delete("a", &DeleteOptions::new()).unwrap());
        assert_eq!(media.update("a", &UpdateOptions::new().expiry(Expiry::Never)).unwrap(), None);
        assert_eq!(media.copy("a", "b", &PutOptions::new()).unwrap(), None);
        for gone in [
            media.put("a", "x", &PutOptions::new().if_match(put.digest)).unwrap_err(),
            media.put("a", "x", &PutOptions::new().if_generation(put.generation)).unwrap_err(),
            media.delete("a", &DeleteOptions::new().if_match(put.digest)).unwrap_err(),
            media.update("a", &UpdateOptions::new().if_match(put.digest)).unwrap_err(),
        ] {
            assert_eq!(gone.kind(), ErrorKind::PreconditionFailed);
        }
        // Its name is free, and what is put there is a new life.
        hand.advance_ms(1);
        let again = media.put("a", "second", &PutOptions::new().if_absent()).unwrap();
        assert_eq!(again.created_at, hand.now());
        media.delete("a", &DeleteOptions::new()).unwrap();
        store.sweep().unwrap();
        assert_eq!(store.recount().unwrap(), []);
        assert_eq!(store.stats().unwrap().names, 0);
    }
}

#[test]
fn a_sweep_frees_names_contents_segments_and_files() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut random = Random::new(2);
    for i in 0..60 {
        media.put(&format!("short/{i}"), random.bytes(9000), &ttl(1000 + i)).unwrap();
        media.put(&format!("file/{i}"), random.bytes(16_384), &ttl(1000 + i)).unwrap();
    }
    media.put("stays", "here", &PutOptions::new()).unwrap();
    let before = store.stats().unwrap();
    assert_eq!((before.names, before.contents, before.blob_files), (121, 121, 60));
    assert!(before.segments > 9);
    assert_eq!(store.sweep().unwrap().expired, 0);
    // In part, to the millisecond.
    hand.advance_ms(1029);
    let part = store.sweep().unwrap();
    assert_eq!((part.expired, part.files_freed), (60, 30));
    assert_eq!(names(&media).len(), 61);
    hand.advance_ms(HOUR_MS);
    let rest = store.sweep().unwrap();
    assert_eq!((rest.expired, rest.files_freed), (60, 30));
    // A segment goes once a checkpoint of the catalog covers it.
    store.checkpoint_catalog().unwrap();
    let last = store.sweep().unwrap();
    assert!(part.segments_freed + rest.segments_freed + last.segments_freed > 7);
    let after = store.stats().unwrap();
    assert_eq!((after.names, after.contents, after.content_bytes, after.blob_files), (1, 1, 4, 0));
    assert_eq!(files_below(&dir.path().join("files")).len(), 0);
    assert!(after.segments <= 3, "{} segments are left for one name", after.segments);
    assert!(after.spare_segments > before.spare_segments, "some wait to be written again");
    assert!(after.total_bytes < before.total_bytes / 2);
    assert_eq!(&media.get("stays").unwrap().unwrap()[..], b"here");
    assert_eq!(store.recount().unwrap(), []);
    store.close().unwrap();
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    assert_eq!(names(&store.account("5500001").unwrap()), ["stays"]);
    assert_eq!(store.stats().unwrap().names, 1);
}

#[test]
fn entries_go_in_the_order_of_their_instants_across_sealed_segments() {
    for reopened in [false, true] {
        let hand = Hand::new();
        let dir = temp_dir();
        let open = || small().clock(hand.clock()).open(dir.path()).unwrap();
        let mut store = open();
        let mut media = store.account("5500001").unwrap();
        let mut random = Random::new(3);
        let begin = hand.now_ms();
        // Instants in no order, over many segments; some names twice, some without an end.
        let mut instants: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for i in 0..300 {
            let name = format!("{}", random.below(250));
            let after = 1 + random.below(2000);
            if i % 10 == 9 {
                media.put(&name, random.bytes(2000), &PutOptions::new()).unwrap();
                instants.remove(&name);
            } else {
                media.put(&name, random.bytes(2000), &ttl(after)).unwrap();
                instants.insert(name, begin + after);
            }
        }
        assert!(store.stats().unwrap().segments > 8);
        if reopened {
            store.close().unwrap();
            store = open();
            media = store.account("5500001").unwrap();
        }
        let endless = store.stats().unwrap().names - instants.len() as u64;
        while !instants.is_empty() {
            hand.advance_ms(1 + random.below(100));
            let now_ms = hand.now_ms();
            let due = instants.values().filter(|at| **at <= now_ms).count() as u64;
            instants.retain(|_, at| *at > now_ms);
            assert_eq!(store.sweep().unwrap().expired, due);
            assert_eq!(store.stats().unwrap().names, endless + instants.len() as u64);
        }
        assert_eq!(names(&media).len() as u64, endless);
        assert_eq!(store.recount().unwrap(), []);
    }
}

#[test]
fn an_entry_that_was_touched_survives_its_earlier_instant() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut random = Random::new(4);
    for name in ["touched", "persisted", "put again", "copied over", "shortened", "left"] {
        media.put(name, random.bytes(3000), &ttl(1000)).unwrap();
    }
    // The segment with the earlier instants is sealed meanwhile.
    for i in 0..40 {
        media.put(&format!("between/{i}"), random.bytes(3000), &PutOptions::new()).unwrap();
    }
    hand.advance_ms(500);
    let touch = UpdateOptions::new().expiry(Expiry::After(Duration::from_secs(1)));
    media.update("touched", &touch).unwrap().unwrap();
    media.update("persisted", &UpdateOptions::new().expiry(Expiry::Never)).unwrap().unwrap();
    media.put("put again", "again", &ttl(1000)).unwrap();
    media.copy("left", "copied over", &ttl(1000)).unwrap().unwrap();
    let shorten = UpdateOptions::new().expiry(Expiry::After(Duration::from_millis(1)));
    media.update("shortened", &shorten).unwrap().unwrap();
    hand.advance_ms(1);
    assert_eq!(store.sweep().unwrap().expired, 1, "shortened");
    hand.advance_ms(499);
    assert_eq!(store.sweep().unwrap().expired, 1, "left");
    for name in ["touched", "persisted", "put again", "copied over"] {
        assert!(media.get(name).unwrap().is_some(), "{name}");
    }
    hand.advance_ms(500);
    assert_eq!(store.sweep().unwrap().expired, 3);
    assert!(media.get("persisted").unwrap().is_some());
    assert_eq!(names(&media).len(), 41);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn the_background_sweeps_by_itself() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = small().upkeep(Upkeep::Background).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut random = Random::new(5);
    for round in 0..3 {
        for i in 0..40 {
            media.put(&format!("{round}/{i}"), random.bytes(8000), &ttl(60_000)).unwrap();
        }
        media.put(&format!("{round}/large"), random.bytes(100_000), &ttl(60_000)).unwrap();
        hand.advance_ms(60_000);
        eventually("what has expired is swept", || store.stats().unwrap().names == 0);
        eventually("its file is removed", || files_below(&dir.path().join("files")).is_empty());
    }
    eventually("segments make room", || store.stats().unwrap().segments < 12);
    let stats = store.stats().unwrap();
    assert_eq!((stats.contents, stats.blob_files), (0, 0));
    assert_eq!(store.health().trouble, None);
}

#[test]
fn the_background_sweeps_four_times_a_second_at_most_and_then_all_that_is_due_at_once() {
    const TURNS: u64 = 4;
    const EACH: u64 = 50;
    let (hand, looks) = (Hand::new(), Arc::new(AtomicU64::new(0)));
    let clock = {
        let (hand, looks) = (hand.clone(), looks.clone());
        Clock::from_fn(move || {
            let is_upkeep = std::thread::current().name() == Some("mediacask-upkeep");
            looks.fetch_add(u64::from(is_upkeep), SeqCst);
            hand.now()
        })
    };
    let dir = temp_dir();
    // In segments of their usual length all of it goes into one record.
    let store = Store::options().upkeep(Upkeep::Background).clock(clock).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut batch = media.batch();
    for i in 0..TURNS * EACH {
        batch.put(&format!("{i}"), format!("{i}"), &ttl(10_000 + i)).unwrap();
    }
    batch.commit().unwrap();
    hand.advance_ms(9_999);
    let (began, syncs, looks_before) = (Instant::now(), store.stats().unwrap().syncs, looks.load(SeqCst));
    for turn in 1..=TURNS {
        hand.advance_ms(EACH);
        // Only to wake it: it sleeps by the machine's clock.
        media.put("other", format!("{turn}"), &PutOptions::new()).unwrap();
        eventually("what is due is swept", || store.stats().unwrap().names == (TURNS - turn) * EACH + 1);
    }
    let took = began.elapsed();
    assert_eq!(
        store.stats().unwrap().syncs - syncs,
        2 * TURNS,
        "one for each put, and one for all that expired by then"
    );
    assert!(took >= Duration::from_millis(250) * (TURNS as u32 - 1), "{TURNS} sweeps in {took:?}");
    // Nor does the thread go round and round while something is due: ten looks at a hundred rounds a second.
    let (looked, rounds) = (looks.load(SeqCst) - looks_before, took.as_millis() as u64 / 10 + 10 * TURNS);
    assert!(looked <= 10 * rounds, "{looked} looks at the clock in {took:?}");
    assert_eq!(store.health().trouble, None);
}

#[test]
fn the_background_is_there_when_the_instant_comes_by_the_machine_s_clock() {
    let dir = temp_dir();
    let store = Store::open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let entry = media.put("a", "x", &ttl(300)).unwrap();
    eventually("the sweep comes", || store.stats().unwrap().names == 0);
    assert!(std::time::SystemTime::now() >= entry.expires_at.unwrap());
}

#[test]
fn after_a_jump_of_the_clock_entries_are_hidden_but_only_a_sweep_by_hand_frees_them() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = small().upkeep(Upkeep::Background).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    for i in 0..10 {
        media.put(&format!("{i}"), format!("{i}"), &ttl(60_000)).unwrap();
    }
    hand.advance_ms(HOUR_MS + 60_000);
    assert_eq!(names(&media), [""; 0], "hidden at once");
    assert!(media.get("3").unwrap().is_none());
    // The background syncs what was written with `Os`, and sweeps in the same round, behind that: after
    // three such syncs two rounds have gone by.
    for round in 0..3 {
        let syncs = store.stats().unwrap().syncs;
        let options = PutOptions::new().durability(Durability::Os);
        media.put("other", format!("{round}"), &options).unwrap();
        eventually("the background goes round", || store.stats().unwrap().syncs > syncs);
    }
    assert_eq!(store.stats().unwrap().names, 11, "nothing is freed");
    // Somebody had set it wrong: they are all there again.
    let right = hand.now_ms() - HOUR_MS - 60_000;
    hand.set_ms(right);
    assert_eq!(names(&media).len(), 11);
    assert_eq!(&media.get("3").unwrap().unwrap()[..], b"3");
    hand.set_ms(right + HOUR_MS + 60_000);
    assert_eq!(store.sweep().unwrap().expired, 10, "by hand it frees at once");
    hand.set_ms(right);
    assert_eq!(names(&media), ["other"]);
}

#[test]
fn a_jump_of_the_clock_while_the_store_was_closed_frees_nothing_by_itself_either() {
    let hand = Hand::new();
    let dir = temp_dir();
    let open = || small().upkeep(Upkeep::Background).clock(hand.clock()).open(dir.path()).unwrap();
    let store = open();
    store.account("5500001").unwrap().put("a", "x", &ttl(1000)).unwrap();
    store.close().unwrap();
    hand.advance_ms(2 * HOUR_MS);
    let store = open();
    let media = store.account("5500001").unwrap();
    for round in 0..3 {
        let syncs = store.stats().unwrap().syncs;
        media.put("b", format!("{round}"), &PutOptions::new().durability(Durability::Os)).unwrap();
        eventually("the background goes round", || store.stats().unwrap().syncs > syncs);
    }
    assert_eq!(store.stats().unwrap().names, 2);
    assert_eq!(names(&media), ["b"]);
    assert_eq!(store.sweep().unwrap().expired, 1);
}

#[test]
fn what_was_swept_stays_gone_when_the_clock_was_set_back() {
    for without_catalog in [false, true] {
        let hand = Hand::new();
        let dir = temp_dir();
        let open = || small().clock(hand.clock()).open(dir.path()).unwrap();
        let store = open();
        let media = store.account("5500001").unwrap();
        let mut random = Random::new(6);
        for i in 0..30 {
            media.put(&format!("{i:02}"), random.bytes(5000), &ttl(10_000 + i)).unwrap();
        }
        hand.advance_ms(10_014);
        assert_eq!(store.sweep().unwrap().expired, 15);
        store.close().unwrap();
        if without_catalog {
            std::fs::remove_file(dir.path().join("catalog")).unwrap();
            std::fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        hand.set_ms(hand.now_ms() - 24 * HOUR_MS);
        let store = open();
        let media = store.account("5500001").unwrap();
        let left: Vec<String> = (15..30).map(|i| format!("{i:02}")).collect();
        assert_eq!(names(&media), left);
        assert_eq!(store.stats().unwrap().names, 15);
        assert_eq!(store.recount().unwrap(), []);
        // Names go on, in a time that seems earlier.
        let entry = media.put("00", "new", &ttl(1000)).unwrap();
        assert_eq!(entry.expires_at, Some(hand.now() + Duration::from_secs(1)));
        assert_eq!(&media.get("00").unwrap().unwrap()[..], b"new");
    }
}

#[test]
fn in_a_steady_state_nothing_is_allocated_and_spares_are_written_again() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut random = Random::new(7);
    let (mut most, mut seen) = (0, BTreeSet::new());
    // Each second two of 3 KB that live a minute: some 360 KB alive, and the log turns over 15 times.
    for second in 0..1000 {
        for i in 0..2 {
            let options = ttl(60_000).durability(Durability::Os);
            media.put(&format!("{second}/{i}"), random.bytes(3000), &options).unwrap();
        }
        hand.advance_ms(1000);
        if second % 5 == 4 {
            store.sweep().unwrap();
        }
        let stats = store.stats().unwrap();
        if second < 400 {
            most = most.max(stats.total_bytes);
            seen.extend(inodes(&dir.path().join("segments")));
        } else {
            assert!(stats.total_bytes <= most, "second {second}: {} bytes, before at most {most}", stats.total_bytes);
            let now: BTreeSet<u64> = inodes(&dir.path().join("segments")).collect();
            assert!(now.is_subset(&seen), "second {second}: a segment was allocated");
        }
    }
    let stats = store.stats().unwrap();
    assert!(stats.log_bytes_written > 10 * most, "the log has turned over");
    assert!(most < 3 * 60 * 2 * 3100, "{most} bytes for some 360 KB that are alive");
    assert_eq!(store.recount().unwrap(), []);
    assert_eq!(names(&media).len(), store.stats().unwrap().names as usize);
}

/// What the system calls the files of a directory, whatever their names.
fn inodes(dir: &Path) -> impl Iterator<Item = u64> {
    files_below(dir).into_iter().map(|path| std::fs::metadata(path).unwrap().ino())
}

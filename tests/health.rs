//! Promised here: statistics and health say what is in the store, what upkeep did last, and what is wrong.

mod support;

use std::time::Duration;

use mediacask::{Activities, DeleteOptions, Durability, ErrorKind, ListOptions, PutOptions};
use support::Random;
use support::place::{Hand, files_below, small, temp_dir};

#[test]
fn a_sweep_by_hand_is_kept_with_its_time_and_counts() {
    let (dir, hand) = (temp_dir(), Hand::new());
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    assert!(store.health().last.sweep.is_none());
    for n in 0..3 {
        media.put(&format!("{n}"), "x", &PutOptions::new().ttl(Duration::from_mins(1))).unwrap();
    }
    hand.advance_ms(60_001);
    let report = store.sweep().unwrap();
    let last = store.health().last.sweep.unwrap();
    assert_eq!((report.expired, last.at, last.error), (3, hand.now(), None));
    assert_eq!(last.counts[0], ("expired".to_owned(), 3));

    hand.advance_ms(10);
    store.checkpoint_catalog().unwrap();
    let last = store.health().last;
    let checkpoint = last.catalog_checkpoint.unwrap();
    assert_eq!(checkpoint.at, hand.now());
    assert!(checkpoint.counts.iter().any(|(name, bytes)| name == "bytes" && *bytes > 0));
    assert!(last.compaction.is_none() && last.verify.is_none());
}

#[test]
fn what_was_done_last_is_known_to_the_next_process_unless_the_file_that_says_it_is_damaged() {
    let (dir, hand) = (temp_dir(), Hand::new());
    let open = || small().clock(hand.clock()).open(dir.path()).unwrap();
    let store = open();
    store.sweep().unwrap();
    let at = hand.now();
    store.close().unwrap();
    hand.advance_ms(1000);
    let store = open();
    let last = store.health().last;
    assert_eq!(last.sweep.unwrap().at, at);
    assert!(last.catalog_checkpoint.unwrap().counts[0].1 > 0);
    store.close().unwrap();

    let path = dir.path().join("activity");
    let whole = std::fs::read(&path).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let store = open();
        assert!(store.health().last == Activities::default(), "byte {place}");
        assert!(store.health().damage.is_empty());
    }
}

#[test]
fn statistics_say_where_catalog_and_index_stand() {
    let dir = temp_dir();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let empty = store.stats().unwrap();
    assert_eq!((empty.catalog_checkpoint_bytes, empty.catalog_behind_bytes, empty.events_floor), (0, 0, 0));
    for n in 0..30 {
        media.put(&format!("{n}"), Random::new(n).bytes(9000), &PutOptions::new()).unwrap();
    }
    let quick = PutOptions::new().durability(Durability::Os);
    let last = media.put("last", "x", &PutOptions::new()).unwrap().generation;
    media.put("not durable", "y", &quick).unwrap();
    let before = store.stats().unwrap();
    assert!(before.segments > 3);
    // About the length of the records: all of 30 bodies, and less than twice that.
    let bytes = 270_000..540_000;
    assert!(bytes.contains(&before.catalog_behind_bytes), "{before:?}");
    assert!(before.index_behind_bytes.is_some_and(|behind| bytes.contains(&behind)));
    assert!((last..last + 2).contains(&before.last_sequence));

    media.list(&ListOptions::new()).unwrap();
    store.checkpoint_catalog().unwrap();
    let after = store.stats().unwrap();
    assert_eq!((after.catalog_behind_bytes, after.index_behind_bytes), (0, Some(0)));
    assert_eq!(after.catalog_checkpoint_sequence, after.last_sequence);
    assert_eq!(after.catalog_checkpoint_bytes, dir.path().join("catalog").metadata().unwrap().len());
    assert!(after.last_sequence > last + 1);
    store.close().unwrap();
    let store = small().open(dir.path()).unwrap();
    let again = store.stats().unwrap();
    assert_eq!((again.catalog_behind_bytes, again.index_behind_bytes), (0, Some(0)));
    assert_eq!(store.account("a").unwrap().stats().unwrap().count, again.names);
}

#[test]
fn content_that_was_found_damaged_is_listed_until_it_is_put_again_or_gone() {
    let dir = temp_dir();
    let path = dir.path().join("store");
    let store = small().open(&path).unwrap();
    let media = store.account("a").unwrap();
    let content = Random::new(1).bytes(20_000);
    let digest = media.put("healed", &content, &PutOptions::new()).unwrap().digest;
    let other = media.put("gone", Random::new(2).bytes(20_000), &PutOptions::new()).unwrap().digest;
    store.close().unwrap();
    for file in files_below(&path.join("files")) {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[500] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let store = small().open(&path).unwrap();
    let media = store.account("a").unwrap();
    assert!(store.health().damaged_contents.is_empty(), "nobody has looked yet");
    assert_eq!(media.get("healed").unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(media.get("gone").unwrap_err().kind(), ErrorKind::Corrupt);
    let mut both = vec![digest, other];
    both.sort_unstable();
    assert_eq!(store.health().damaged_contents, both);
    media.put("healed", &content, &PutOptions::new()).unwrap();
    assert_eq!(store.health().damaged_contents, [other]);
    media.delete("gone", &DeleteOptions::new()).unwrap();
    assert!(store.health().damaged_contents.is_empty());
}

#[test]
fn the_catalog_takes_no_more_memory_for_a_name_and_a_content_than_is_said() {
    // As README says: bytes for each, while they come and after opening.
    const NAME: [u64; 2] = [72, 66];
    const CONTENT: [u64; 2] = [82, 76];
    const FIXED: u64 = 64 << 10;
    // A little more than 512 for each of the catalog's 64 shards: tables that doubled would take far more.
    const NAMES: u64 = 35_000;
    let dir = temp_dir();
    let open = || mediacask::Store::options().durability(Durability::Os).open(dir.path()).unwrap();
    let catalog_bytes = |store: &mediacask::Store| store.stats().unwrap().catalog_bytes;
    let store = open();
    let media = store.account("a").unwrap();
    for n in 0..NAMES {
        media.put(&format!("{n}"), n.to_le_bytes(), &PutOptions::new()).unwrap();
    }
    let distinct = catalog_bytes(&store);
    assert!(distinct <= (NAME[0] + CONTENT[0]) * NAMES + FIXED, "{distinct}");
    assert!(distinct >= 100 * NAMES, "rows of 48 and 56 bytes cannot take {distinct}");
    for n in 0..NAMES {
        media.put(&format!("again {n}"), 7u64.to_le_bytes(), &PutOptions::new()).unwrap();
    }
    let shared = catalog_bytes(&store);
    assert!(shared <= (2 * NAME[0] + CONTENT[0]) * NAMES + FIXED, "{shared}");
    store.close().unwrap();
    let opened = catalog_bytes(&open());
    assert!(opened <= (2 * NAME[1] + CONTENT[1]) * NAMES + FIXED, "{opened}");
}

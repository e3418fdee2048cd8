//! Promised here: statistics and health say what is in the store, what upkeep did last, and what is wrong.

mod support;

use std::time::Duration;

use mediacask::PutOptions;
use support::place::{Hand, small, temp_dir};

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
    assert_eq!(last.counts[0], ("expired", 3));

    hand.advance_ms(10);
    store.checkpoint_catalog().unwrap();
    let last = store.health().last;
    let checkpoint = last.catalog_checkpoint.unwrap();
    assert_eq!(checkpoint.at, hand.now());
    assert!(checkpoint.counts.iter().any(|(name, bytes)| *name == "bytes" && *bytes > 0));
    assert!(last.compaction.is_none() && last.verify.is_none());
}

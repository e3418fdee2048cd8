//! Erasure on a disk that loses power, fails and fills: what was deleted is gone by the deadline, and nothing else.

#[path = "erasure/scene.rs"]
mod scene;
mod support;

use std::sync::Arc;

use mediacask::Store;
use scene::{
    HALF_MS, Kept, WITHIN, compare, count, end_ahead_of_its_put, found_in, let_go_of_everything, mixed, options,
};
use support::place::Hand;
use support::{Crash, Fault, FaultDisk, Random};

/// A store on a disk that fails, with all that is to be erased.
fn on_faulty(seed: u64, hand: &Hand) -> (std::sync::Arc<FaultDisk>, Store, Kept) {
    let (disk, mut random) = (FaultDisk::new(seed), Random::new(seed));
    let store = options(hand).disk(disk.clone()).open(disk.root()).unwrap();
    let kept = let_go_of_everything(&store, hand, &mut random, 20);
    (disk, store, kept)
}

#[test]
fn a_crash_at_any_call_of_an_erasure_loses_nothing_and_the_next_one_erases() {
    let calls = {
        let hand = Hand::new();
        let (disk, store, _) = on_faulty(8, &hand);
        let before = disk.calls();
        store.compact().unwrap();
        disk.calls() - before
    };
    assert!(calls > 60, "{calls}");
    for nth in 1..=calls {
        let hand = Hand::new();
        let (disk, store, kept) = on_faulty(8, &hand);
        disk.crash_at_call(disk.calls() + nth);
        let _ = store.compact();
        let after = disk.crash(if nth % 2 == 0 { Crash::NOTHING_KEPT } else { Crash::random(nth) });
        drop(store);
        let when = format!("crash at call {nth} of {calls}");
        let store = options(&hand).disk(after.clone()).open(after.root()).unwrap();
        assert!(store.health().damage.is_empty(), "{when}: {:?}", store.health().damage);
        compare(&store, &kept, &when);
        store.compact().unwrap();
        assert_eq!(found_in(&after.root()), Vec::<String>::new(), "{when}");
        compare(&store, &kept, &when);
    }
}

#[test]
fn a_crash_while_an_end_waits_for_its_put_to_go_brings_nothing_back() {
    let (hand, mut random) = (Hand::new(), Random::new(15));
    let begun = FaultDisk::new(15);
    let kept = end_ahead_of_its_put(&mixed(&hand).disk(begun.clone()).open(begun.root()).unwrap(), &mut random);
    let open = |disk: &Arc<FaultDisk>| {
        mixed(&hand).erase_within(WITHIN).disk(disk.clone()).open(disk.root()).expect("it opens")
    };
    for nth in 1.. {
        let disk = begun.crash(Crash::ALL_KEPT);
        let store = open(&disk);
        disk.crash_at_call(disk.calls() + nth);
        let is_done = store.compact().is_ok() && !disk.is_off();
        let after = disk.crash(if nth % 2 == 0 { Crash::NOTHING_KEPT } else { Crash::random(nth) });
        drop(store);
        let when = format!("crash at call {nth}");
        let store = open(&after);
        compare(&store, &kept, &when);
        store.compact().unwrap();
        assert_eq!(found_in(&after.root()), Vec::<String>::new(), "{when}");
        compare(&store, &kept, &when);
        if is_done {
            assert!(nth > 60, "{nth} calls");
            break;
        }
    }
}

#[test]
fn a_full_disk_does_not_keep_anything_from_being_erased_for_longer_than_it_is_full() {
    let hand = Hand::new();
    let (disk, store, kept) = on_faulty(9, &hand);
    disk.limit_room(0);
    store.compact().unwrap();
    compare(&store, &kept, "no room");
    disk.heal();
    hand.advance_ms(HALF_MS);
    store.sweep().unwrap();
    assert_eq!(found_in(&disk.root()), Vec::<String>::new());
    assert_eq!(count(&store, "late_ms"), 0);
    compare(&store, &kept, "room again");
}

#[test]
fn a_call_that_fails_puts_erasure_off_and_is_told() {
    let (mut put_off, mut stopped) = (0, 0);
    for nth in 1.. {
        let hand = Hand::new();
        let (disk, store, kept) = on_faulty(10, &hand);
        let when = format!("call {nth} has failed");
        let last = disk.calls() + nth;
        disk.fail_nth(last, Fault::Eio);
        let outcome = store.compact();
        if disk.calls() < last {
            break;
        }
        disk.heal();
        if store.health().poisoned.is_none() {
            compare(&store, &kept, &when);
        }
        hand.advance_ms(2 * HALF_MS - 1000 + 1);
        let health = store.health();
        let is_told = health.last.erasure.is_some_and(|last| last.error.is_some());
        let store = if outcome.is_ok() && !is_told {
            // It was tried again, or nothing of what is erased hung on it.
            store
        } else if health.poisoned.is_none() && store.sweep().is_ok() && found_in(&disk.root()).is_empty() {
            if let Some(why) = health.erasure_overdue {
                assert!(why.contains("1ms ago"), "{when}: {why}");
                assert_eq!(count(&store, "late_ms"), 1, "{when}");
                put_off += 1;
            }
            store
        } else {
            // What was removed may come back, or nothing can be written any more: the next process goes on.
            stopped += 1;
            assert!(health.erasure_overdue.is_some() || found_in(&disk.root()).is_empty(), "{when}");
            drop(store);
            let store = options(&hand).disk(disk.clone()).open(disk.root()).unwrap();
            store.compact().unwrap();
            store
        };
        assert_eq!(found_in(&disk.root()), Vec::<String>::new(), "{when}");
        compare(&store, &kept, &when);
    }
    assert!(put_off > 5 && stopped > 5, "{put_off} put off, {stopped} stopped");
}

#[test]
fn no_power_cut_after_the_deadline_brings_a_file_back() {
    let hand = Hand::new();
    let (disk, store, kept) = on_faulty(14, &hand);
    hand.advance_ms(HALF_MS);
    store.sweep().unwrap();
    assert_eq!(found_in(&disk.root()), Vec::<String>::new());
    for seed in 0..40 {
        let how = [Crash::NOTHING_KEPT, Crash::ALL_KEPT, Crash::random(seed)][(seed as usize).min(2)];
        let after = disk.crash(how);
        assert_eq!(found_in(&after.root()), Vec::<String>::new(), "before it is opened, seed {seed}");
        let store = options(&hand).disk(after.clone()).open(after.root()).unwrap();
        compare(&store, &kept, &format!("seed {seed}"));
        assert_eq!(found_in(&after.root()), Vec::<String>::new(), "seed {seed}");
    }
}

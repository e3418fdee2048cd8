//! Whether a store was closed is known wherever its process died, at the seam of two segments, too.

mod support;

use std::sync::Arc;

use mediacask::{PutOptions, Store, Upkeep};
use support::{CallKind, Crash, FaultDisk};

const SEGMENT: u64 = 64 << 10;
const CONTENTS: u32 = 12;

fn open(disk: &Arc<FaultDisk>) -> Store {
    let options = Store::options().upkeep(Upkeep::ByHand).segment_len(SEGMENT).file_threshold(SEGMENT / 4);
    options.disk(disk.clone()).open(disk.root()).unwrap()
}

fn content(number: u32) -> Vec<u8> {
    (0..3000u32).flat_map(|place| (place ^ number).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// How many were acknowledged.
fn put_all(store: &Store) -> u32 {
    let account = store.account("a").unwrap();
    let put = |number: u32| account.put(&number.to_string(), content(number), &PutOptions::new());
    (0..CONTENTS).take_while(|number| put(*number).is_ok()).count() as u32
}

/// The calls that give a segment its name, counted from 1.
fn beginnings() -> Vec<u64> {
    let disk = FaultDisk::new(1);
    assert_eq!(put_all(&open(&disk)), CONTENTS);
    let (mut calls, mut found) = (0, Vec::new());
    disk.each_call(|kind, path| {
        calls += 1;
        if kind == CallKind::Rename && path.contains(".spare") {
            found.push(calls);
        }
    });
    found
}

#[test]
fn a_store_left_between_two_segments_was_not_closed() {
    let beginnings = beginnings();
    assert!(beginnings.len() > 2, "{beginnings:?}");
    for call in beginnings.into_iter().skip(1) {
        let disk = FaultDisk::new(1);
        let store = open(&disk);
        disk.crash_at_call(call);
        let acknowledged = put_all(&store);
        assert!(disk.is_off() && acknowledged > 0, "call {call}: {}", disk.tell(call));
        for how in [Crash::NOTHING_KEPT, Crash::ALL_KEPT] {
            let store = open(&disk.crash(how));
            assert!(!store.health().recovery.clean, "call {call}, {how:?}");
            let account = store.account("a").unwrap();
            for number in 0..acknowledged {
                assert!(account.get(&number.to_string()).unwrap().unwrap()[..] == content(number));
            }
            store.close().unwrap();
        }
    }
}

//! What a full disk does not take away: what was stored, its deletion, and the way back to room.

mod support;

use mediacask::{Account, Create, DeleteOptions, ErrorKind, PutOptions, Store, Upkeep};
use support::FaultDisk;

const SEGMENT: u64 = 64 << 10;

/// A process that keeps no thread for upkeep, as one does that ends after one command.
fn open(disk: &std::sync::Arc<FaultDisk>) -> (Store, Account) {
    let options = Store::options().create(Create::IfMissing).upkeep(Upkeep::ByHand);
    let options = options.segment_len(SEGMENT).file_threshold(SEGMENT / 4).disk(disk.clone());
    let store = options.open(disk.root()).unwrap();
    let account = store.account("a").unwrap();
    (store, account)
}

fn content(number: u32) -> Vec<u8> {
    (0..3000u32).flat_map(|place| (place ^ number).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn put(account: &Account, number: u32) -> Result<mediacask::Entry, mediacask::Error> {
    account.put(&number.to_string(), content(number), &PutOptions::new())
}

/// Puts from `first` on, a process each or all in one, until there is no room; gives the one that failed.
fn fill(disk: &std::sync::Arc<FaultDisk>, process_each: bool, first: u32) -> u32 {
    let mut opened = open(disk);
    for number in first.. {
        if process_each {
            opened.0.close().unwrap();
            opened = open(disk);
        }
        if let Err(error) = put(&opened.1, number) {
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
            return number;
        }
    }
    unreachable!("the room is limited")
}

/// Deletes one name after the other on the full disk, until a sweep has freed a segment.
fn make_room(disk: &std::sync::Arc<FaultDisk>, names: std::ops::Range<u32>) {
    for number in names.clone() {
        let (store, account) = open(disk);
        assert_eq!(put(&account, u32::MAX).unwrap_err().kind(), ErrorKind::NoSpace);
        let deleted = account.delete(&number.to_string(), &DeleteOptions::new());
        assert!(deleted.unwrap_or_else(|error| panic!("{number} of {names:?}: {error}")));
        for kept in number + 1..names.end {
            assert!(account.get(&kept.to_string()).unwrap().unwrap()[..] == content(kept));
        }
        drop((store, account));
        if open(disk).0.sweep().unwrap().segments_freed > 0 {
            return;
        }
    }
}

#[test]
fn deletes_work_on_a_disk_that_a_put_has_just_found_full() {
    for process_each in [false, true] {
        // From three segments on: one in use, one in reserve, one to go on in.
        for more in [3 * SEGMENT, 7 * SEGMENT / 2, 4 * SEGMENT, 9 * SEGMENT / 2] {
            let disk = FaultDisk::new(1);
            open(&disk).0.close().unwrap();
            disk.limit_room(more + SEGMENT / 2);
            let stored = fill(&disk, process_each, 0);
            assert!(stored > 4, "{stored} contents with {more} bytes");
            make_room(&disk, 0..stored);
            // Filled once more, with what was left for deletes in use.
            let stored_again = fill(&disk, process_each, stored);
            assert!(stored_again > stored, "no room again with {more} bytes");
            make_room(&disk, stored..stored_again);
        }
    }
}

//! A disk without room: names are deleted, compaction gathers what is left, room comes back and puts go on; nothing
//! that was acknowledged is lost. On a disk of the tests that counts its bytes; `full_file_system.rs` tries a real one.

mod compaction {
    pub(crate) mod full;
}
mod support;

use compaction::full::{Full, options};
use mediacask::Upkeep;
use mediacask::disk::Disk;
use support::{Crash, FaultDisk, wait_until};

const SEGMENT: u64 = 64 << 10;

#[test]
fn room_comes_back_on_a_full_disk_by_hand_again_and_again() {
    for segments in [5, 6, 8, 12] {
        for keep_every in [2, 3, 5] {
            let disk = FaultDisk::new(1);
            let by_hand = || options(SEGMENT).upkeep(Upkeep::ByHand).disk(disk.clone());
            let mut full = Full::new(by_hand(), &disk.root(), SEGMENT);
            full.store.compact().unwrap();
            disk.limit_room(segments * SEGMENT);
            for round in 0..6 {
                let when = format!("{segments} segments of room, one of {keep_every} kept, round {round}");
                let stored = full.fill();
                assert!(stored > segments / 2, "{when}: room for {stored}");
                full.thin_out(keep_every, round);
                full.compare(&when);
                let report = full.store.compact().unwrap_or_else(|error| panic!("{when}: {error}"));
                assert!(report.segments_freed > 0 || full.put().is_ok(), "{when}: {report:?}");
                full.compare(&when);
                if round % 2 == 1 {
                    full = full.reopen(by_hand(), &disk.root());
                    full.compare(&format!("{when}, opened again"));
                }
            }
        }
    }
}

#[test]
fn room_comes_back_on_a_full_disk_by_itself() {
    let disk = FaultDisk::new(2);
    let mut full = Full::new(options(SEGMENT).disk(disk.clone()), &disk.root(), SEGMENT);
    disk.limit_room(10 * SEGMENT);
    for round in 0..5 {
        full.fill();
        full.thin_out(3, round);
        wait_until(&format!("round {round}: there is room"), || full.put().is_ok());
        full.compare(&format!("round {round}"));
    }
}

#[test]
fn a_checkpoint_that_finds_no_room_makes_way() {
    for more in [0, SEGMENT / 8, SEGMENT / 2] {
        let disk = FaultDisk::new(3);
        let by_hand = || options(SEGMENT).upkeep(Upkeep::ByHand).disk(disk.clone());
        let mut full = Full::new(by_hand(), &disk.root(), SEGMENT);
        // So many names that the catalog takes more than a segment.
        full.len_max = 100;
        disk.limit_room(14 * SEGMENT);
        assert!(full.fill() > 1000);
        full.thin_out(4, 0);
        full = full.reopen(by_hand(), &disk.root());
        if more == 0 {
            // It is derived, and somebody has taken it away.
            disk.unlink(&disk.root().join("catalog")).unwrap();
            disk.sync_dir(&disk.root()).unwrap();
        } else {
            disk.limit_room(more);
        }
        let when = format!("{more} bytes of room");
        let report = full.store.compact().unwrap_or_else(|error| panic!("{when}: {error}"));
        assert!(report.segments_freed > 0, "{when}: {report:?}");
        full.put().unwrap_or_else(|error| panic!("{when}: {error}"));
        full.compare(&when);
        // Whatever a crash leaves of the names, the log says it all.
        disk.power_off();
        let Full { store, account, wanted, .. } = full;
        drop((store, account));
        for seed in 0..20 {
            let left = disk.crash(Crash::random(seed));
            let store = options(SEGMENT).upkeep(Upkeep::ByHand).disk(left.clone()).open(left.root()).unwrap();
            let account = store.account("5500001").unwrap();
            for (nth, content) in &wanted {
                assert!(account.get(&nth.to_string()).unwrap().unwrap()[..] == content[..], "seed {seed}: {nth}");
            }
            assert_eq!(store.stats().unwrap().names, wanted.len() as u64, "{when}, seed {seed}");
            assert!(store.health().damage.is_empty(), "{when}, seed {seed}: {:?}", store.health().damage);
        }
    }
}

//! A checkpoint taken while others write: a whole prefix of what they did, with all that was acknowledged before.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use mediacask::{Account, ListOptions, PutOptions, Store};
use support::place::temp_dir;
use support::wait_until;

const WRITERS: usize = 8;
const ROUNDS: usize = 8;
/// Names each writer writes over in a batch, again and again.
const PARTS: usize = 3;

/// Content that says which version of which part it is; the last part has a file of its own.
fn content(writer: usize, version: u64, part: usize) -> Vec<u8> {
    let len = if part + 1 == PARTS && version.is_multiple_of(8) { 20_000usize } else { 700 };
    let head = format!("{writer} {version} {part} ");
    head.bytes().chain((0..len).map(|n| (n as u8).wrapping_mul(version as u8 | 1))).collect()
}

/// What the writers have been told.
#[derive(Default)]
struct Told {
    /// Per writer: the last version that was acknowledged.
    versions: [AtomicU64; WRITERS],
    /// How many names of the common row were put, each after the one before was acknowledged.
    row: Mutex<u64>,
    /// The writers wait: what they wrote is being looked at.
    pause: AtomicBool,
    stop: AtomicBool,
}

fn write(account: &Account, row: &Account, writer: usize, told: &Told) {
    let options = PutOptions::new();
    for version in 1.. {
        let mut batch = account.batch();
        for part in 0..PARTS {
            batch.put(&format!("{writer}/{part}"), content(writer, version, part), &options).unwrap();
        }
        batch.commit().unwrap();
        told.versions[writer].store(version, Ordering::SeqCst);
        {
            let mut next = told.row.lock().unwrap_or_else(PoisonError::into_inner);
            row.put(&format!("{next:08}"), next.to_le_bytes(), &options).unwrap();
            *next += 1;
        }
        while told.pause.load(Ordering::SeqCst) && !told.stop.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if told.stop.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// What was told when the checkpoint began, and when it was done.
fn told_now(told: &Told) -> ([u64; WRITERS], u64) {
    let row = *told.row.lock().unwrap_or_else(PoisonError::into_inner);
    (std::array::from_fn(|writer| told.versions[writer].load(Ordering::SeqCst)), row)
}

fn check(copy: &Store, before: &([u64; WRITERS], u64), after: &([u64; WRITERS], u64)) {
    assert!(copy.health().damage.is_empty(), "{:?}", copy.health().damage);
    let account = copy.account("churn").unwrap();
    for writer in 0..WRITERS {
        let parts: Vec<_> = (0..PARTS).map(|part| account.get(&format!("{writer}/{part}")).unwrap()).collect();
        let version = |part: &mediacask::Blob| -> u64 {
            std::str::from_utf8(part[..part.len().min(40)].split(|byte| *byte == b' ').nth(1).unwrap())
                .unwrap()
                .parse()
                .unwrap()
        };
        let versions: Vec<u64> = parts.iter().flatten().map(version).collect();
        assert!(versions.is_empty() || versions.len() == PARTS, "writer {writer}: {versions:?}");
        let found = versions.first().copied().unwrap_or(0);
        assert!((before.0[writer]..=after.0[writer] + 1).contains(&found), "writer {writer}: {found}");
        for (part, blob) in parts.iter().flatten().enumerate() {
            assert_eq!(blob[..], content(writer, found, part), "writer {writer}, part {part}");
        }
    }
    // Each name of the row was put after the one before it was acknowledged: none is missing in between.
    let row = copy.account("row").unwrap();
    let names: Vec<String> = row.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect();
    assert!((before.1..=after.1 + 1).contains(&(names.len() as u64)), "{} of {before:?}", names.len());
    assert!(names.iter().enumerate().all(|(n, name)| *name == format!("{n:08}")), "{names:?}");
    assert!(copy.recount().unwrap().is_empty());
}

#[test]
fn a_checkpoint_while_eight_write_is_a_whole_prefix_of_what_they_did() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name);
    // Small segments that the background frees and writes again, and blobs with files of their own.
    let options = || Store::options().segment_len(128 << 10).file_threshold(16 << 10);
    let store = options().open(at("store")).unwrap();
    let told = Told::default();
    let mut kept = 0;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (account, row) = (store.account("churn").unwrap(), store.account("row").unwrap());
            let told = &told;
            scope.spawn(move || write(&account, &row, writer, told));
        }
        let stops = Stops(&told.stop);
        for round in 0..ROUNDS {
            told.pause.store(false, Ordering::SeqCst);
            // So that there is something new each time.
            let begun = told_now(&told).1;
            wait_until("more is put", || told_now(&told).1 >= begun + 300);
            let before = told_now(&told);
            let report = store.checkpoint(at("copy")).unwrap();
            let after = told_now(&told);
            told.pause.store(true, Ordering::SeqCst);
            kept += report.files_kept;
            let restored = at(&format!("restored{round}"));
            Store::restore(at("copy"), &restored).unwrap();
            let copy = options().open(&restored).unwrap();
            check(&copy, &before, &after);
            copy.close().unwrap();
            std::fs::remove_dir_all(restored).unwrap();
        }
        drop(stops);
    });
    assert!(kept > 0, "the later checkpoints kept nothing of the earlier ones");
    let now = told_now(&told);
    check(&store, &now, &now);
}

/// Stops the writers, also when the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

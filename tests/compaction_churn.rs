//! Names that are written over without end: the store takes no more room than it may, and writes less than its
//! callers do to keep to that.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use mediacask::{Account, PutOptions, Store};
use parking_lot::Mutex;
use support::Random;

const WRITERS: u64 = 16;
const NAMES: u64 = 1280;
const CONTENT: usize = 16 << 10;
/// As 20,000 of these names would be to a segment of 128 MiB.
const SEGMENT: u64 = 8 << 20;
/// How often each name is written over, about.
const TIMES: u64 = 12;
/// Writes of one writer after which it looks at the room that the store takes.
const LOOK: u64 = 32;

/// Content that tells its name and its version from others.
fn content(name: u64, version: u64) -> Vec<u8> {
    let mut bytes = vec![name as u8; CONTENT];
    bytes[..16].copy_from_slice(&(u128::from(name) << 64 | u128::from(version)).to_le_bytes());
    bytes
}

fn put(account: &Account, name: u64, version: u64) {
    account.put(&format!("m/{name}"), content(name, version), &PutOptions::new()).unwrap();
}

/// Writes over the names of one writer, and looks at the room now and then.
fn write_over(store: &Store, writer: u64, versions: &[AtomicU64], looks: &Mutex<Vec<u64>>) {
    let (account, mut random) = (store.account("5500001").unwrap(), Random::new(writer));
    for version in 1..=NAMES / WRITERS * TIMES {
        // Each writer has names of its own, so that it knows what stands there.
        let name = random.below(NAMES / WRITERS) * WRITERS + writer;
        put(&account, name, version);
        versions[name as usize].store(version, Ordering::SeqCst);
        if version.is_multiple_of(LOOK) {
            let stats = store.stats().unwrap();
            looks.lock().push(stats.total_bytes - stats.spare_bytes);
        }
    }
}

#[test]
fn a_store_that_is_written_over_without_end_keeps_to_its_bound_and_writes_less_than_its_callers() {
    // On a disk, where its callers wait for it: one of memory lets them take all of the machine.
    let dir = tempfile::tempdir().unwrap();
    let store = Store::options().segment_len(SEGMENT).file_threshold(SEGMENT / 4).open(dir.path()).unwrap();
    let account = store.account("5500001").unwrap();
    (0..NAMES).for_each(|name| put(&account, name, 0));
    let live = store.stats().unwrap().live_bytes;
    let versions: Vec<AtomicU64> = (0..NAMES).map(|_| AtomicU64::new(0)).collect();
    let looks = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, versions, looks) = (&store, &versions, &looks);
            scope.spawn(move || write_over(store, writer, versions, looks));
        }
    });
    let stats = store.stats().unwrap();
    let written = NAMES * TIMES * CONTENT as u64;
    assert!(stats.compacted_bytes > 0 && stats.compacted_bytes < written, "{written} bytes written, {stats:?}");
    // The two segments: the one that is written, and one that compaction writes. For a moment that stands beside
    // those it was gathered from, and who frees may be slow on a machine that is busy: beyond the bound at times, but
    // never by more than three more.
    let bound = live * 13 / 10 + 2 * SEGMENT;
    let mut looks = looks.into_inner();
    looks.sort_unstable();
    let (median, worst) = (looks[looks.len() / 2], looks[looks.len() - 1]);
    assert!(median <= bound && worst <= bound + 3 * SEGMENT, "{median} and {worst} bytes; {bound} are allowed");
    for name in 0..NAMES {
        let wanted = content(name, versions[name as usize].load(Ordering::SeqCst));
        assert!(account.get(&format!("m/{name}")).unwrap().unwrap()[..] == wanted, "m/{name}");
    }
    assert!(store.health().trouble.is_none() && store.health().damage.is_empty(), "{:?}", store.health());
}

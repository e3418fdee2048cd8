//! An index that is far behind the log, as after names by the million were put, holds up nothing else: neither
//! closing, nor syncs behind the acknowledgement, nor what is done by and by. It goes on from where it stands.

mod support;

use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

use mediacask::testing::{Fault, break_index};
use mediacask::{Durability, ErrorKind, IndexState, ListOptions, PutOptions, Store, Upkeep};
use support::place::temp_dir;
use support::wait_until;

/// Rows change some thousands at a time: this many names are well over ten of these steps.
const NAMES: usize = 60_000;
/// So long that all steps would take longer than anybody here waits, and one does not.
const SLOW: Fault = Fault::Delay(Duration::from_millis(700));

fn by_hand(dir: &Path) -> Store {
    Store::options().upkeep(Upkeep::ByHand).open(dir).unwrap()
}

fn name(n: usize) -> String {
    format!("name/{n:06}")
}

fn put(store: &Store, numbers: Range<usize>) {
    let account = store.account("many").unwrap();
    let numbers: Vec<usize> = numbers.collect();
    for some in numbers.chunks(1_000) {
        let mut batch = account.batch();
        let options = PutOptions::new().durability(Durability::Os);
        for n in some {
            batch.put(&name(*n), "the same", &options).unwrap();
        }
        batch.commit().unwrap();
    }
}

fn behind(store: &Store) -> u64 {
    store.stats().unwrap().index_behind_bytes.expect("nobody works on it")
}

/// A store that has put all names, and whose index has read none; and the bytes that it has to read.
fn far_behind(dir: &Path) -> (Store, u64) {
    let store = by_hand(dir);
    put(&store, 0..NAMES);
    let whole = behind(&store);
    (store, whole)
}

fn all_names(store: &Store) -> Vec<String> {
    let account = store.account("many").unwrap();
    account.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect()
}

#[test]
fn closing_waits_for_a_while_only_and_the_next_open_goes_on() {
    let dir = temp_dir();
    let (store, whole) = far_behind(dir.path());
    break_index(dir.path(), SLOW, u32::MAX);
    store.close().unwrap();
    break_index(dir.path(), SLOW, 0);

    let store = by_hand(dir.path());
    let left = behind(&store);
    assert!(0 < left && left < whole, "{left} bytes of {whole} are left to be read");
    assert_eq!(store.health().index, IndexState::Current);
    assert!(all_names(&store).into_iter().eq((0..NAMES).map(name)));
    assert_eq!(behind(&store), 0);
}

#[test]
fn closing_breaks_off_a_listing_that_waits_for_the_index() {
    let dir = temp_dir();
    let (store, whole) = far_behind(dir.path());
    break_index(dir.path(), SLOW, u32::MAX);
    let (listing, closing) = (store.clone(), store.clone());
    let listed = thread::spawn(move || {
        let account = listing.account("many").unwrap();
        account.list(&ListOptions::new()).map(drop)
    });
    wait_until("the listing has moved the index", || store.stats().unwrap().index_behind_bytes != Some(whole));
    closing.close().unwrap();
    break_index(dir.path(), SLOW, 0);
    assert_eq!(listed.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    drop(store);
    assert!(all_names(&by_hand(dir.path())).into_iter().eq((0..NAMES).map(name)));
}

#[test]
fn rows_that_cannot_be_written_are_built_anew_once() {
    let dir = temp_dir();
    let (store, _) = far_behind(dir.path());
    // In the middle of what it has to read: what comes after is in the sums, too.
    break_index(dir.path(), Fault::Error, 1);
    assert!(all_names(&store).into_iter().eq((0..NAMES).map(name)));
}

#[test]
fn what_waits_to_be_synced_and_swept_is_while_the_index_is_behind() {
    let dir = temp_dir();
    break_index(dir.path(), SLOW, u32::MAX);
    let store = Store::open(dir.path()).unwrap();
    let short = PutOptions::new().ttl(Duration::from_millis(1));
    store.account("short").unwrap().put("lived", "soon gone", &short).unwrap();
    put(&store, 0..NAMES);
    let syncs = store.stats().unwrap().syncs;
    wait_until("what was put is synced", || store.stats().unwrap().syncs > syncs);
    wait_until("what has expired is swept", || store.stats().unwrap().accounts == 1);
    // Somebody is at work on it, or much is left.
    assert_ne!(
        store.stats().unwrap().index_behind_bytes,
        Some(0),
        "the index has caught up first, so this shows nothing"
    );
    store.close().unwrap();
    break_index(dir.path(), SLOW, 0);
}

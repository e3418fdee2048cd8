//! A group of writes fails as a whole and everybody hears of it; and what it costs is counted in calls.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use mediacask::{Account, DeleteOptions, ErrorKind, ListOptions, PutOptions, Result, Store, StoreOptions, Upkeep};

use crate::support::{CallKind, Crash, FaultDisk, Keep, Tear, wait_until};
use crate::tap::{Call, Tap};
use crate::{content, numbered, stamp_of};

/// No rotation and nothing in the background: what is counted is what was asked for.
fn quiet() -> StoreOptions {
    Store::options().upkeep(Upkeep::ByHand)
}

/// Sixteen threads put on and on until it fails; gives per thread the last stamp that was acknowledged
/// and how it failed, `None` for a panic.
fn put_until_failure(media: &Account) -> Vec<(u64, Option<ErrorKind>)> {
    let put_on = |thread: u64| {
        for n in 1..20_000 {
            let put = || -> Result<()> {
                media.put(&format!("name/{thread}"), content(numbered(thread, n), 300), &PutOptions::new()).map(drop)
            };
            match catch_unwind(AssertUnwindSafe(put)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return (n - 1, Some(error.kind())),
                Err(_) => return (n - 1, None),
            }
        }
        panic!("nothing failed")
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|thread| scope.spawn(move || put_on(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// What holds of a store whose writing has stopped.
fn check_poisoned(store: &Store, media: &Account, acknowledged: &[u64]) {
    let mut batch = media.batch();
    batch.put("later", "no", &PutOptions::new()).unwrap();
    let refused = [
        media.put("later", "no", &PutOptions::new()).map(drop),
        media.delete("name/0", &DeleteOptions::new()).map(drop),
        media.put("large", vec![7; 5 << 20], &PutOptions::new()).map(drop),
        batch.commit().map(drop),
        store.sync(),
    ];
    for outcome in refused {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Poisoned);
    }
    assert!(store.health().poisoned.is_some());
    for (thread, n) in acknowledged.iter().enumerate().filter(|(_, n)| **n > 0) {
        let blob = media.get(&format!("name/{thread}")).unwrap().unwrap();
        assert_eq!(stamp_of(&blob), numbered(thread as u64, *n), "reads go on, with what was acknowledged");
    }
    assert_eq!(store.recount().unwrap(), []);
}

/// What holds after such a store was opened again: what was acknowledged, or the one put that was not.
fn check_reopened(disk: &Arc<FaultDisk>, acknowledged: &[u64], seed: u64) {
    let store = quiet().disk(disk.clone()).open(disk.root()).unwrap();
    let media = store.account("a").unwrap();
    for (thread, n) in acknowledged.iter().enumerate() {
        let thread = thread as u64;
        let found = media.get(&format!("name/{thread}")).unwrap().map(|blob| stamp_of(&blob));
        let kept = (*n > 0).then_some(numbered(thread, *n));
        assert!(found == kept || found == Some(numbered(thread, n + 1)), "seed {seed}: {found:?}, not {kept:?}");
        media.put(&format!("name/{thread}"), content(numbered(thread, n + 2), 300), &PutOptions::new()).unwrap();
    }
    assert!(media.get("later").unwrap().is_none() && media.get("large").unwrap().is_none());
    assert_eq!(media.entries(ListOptions::new()).filter_map(Result::ok).count(), 16, "seed {seed}");
    assert_eq!(store.recount().unwrap(), []);
}

/// A store over a disk that fails, and what is set to have the next group fail.
fn failing(
    disk: &Arc<FaultDisk>,
    of: Call,
    fail: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> (Store, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&armed);
    let tap = Tap::new(disk.clone(), move |call| {
        if call == Call::Sync {
            // A device takes its time; the others gather meanwhile.
            thread::sleep(Duration::from_micros(200));
        }
        if call == of && hears.swap(false, Ordering::SeqCst) { fail() } else { Ok(()) }
    });
    (quiet().disk(tap).open(disk.root()).unwrap(), armed)
}

/// Has writing fail while sixteen threads write, and looks at what they and later ones heard.
fn fail_amid_writers(seed: u64, of: Call, fail: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> usize {
    let disk = FaultDisk::new(seed);
    disk.lying_fsync_after_failure(true);
    let (store, armed) = failing(&disk, of, fail);
    let media = store.account("a").unwrap();
    let ended = thread::scope(|scope| {
        let writers = scope.spawn(|| put_until_failure(&media));
        wait_until("some groups are written", || store.stats().unwrap().groups >= 5 + seed);
        armed.store(true, Ordering::SeqCst);
        writers.join().unwrap()
    });
    let panicked = ended.iter().filter(|(_, how)| how.is_none()).count();
    assert!(ended.iter().all(|(_, how)| matches!(how, None | Some(ErrorKind::Poisoned))), "seed {seed}: {ended:?}");
    let acknowledged: Vec<u64> = ended.into_iter().map(|(n, _)| n).collect();
    check_poisoned(&store, &media, &acknowledged);
    let crashed = disk.crash(Crash { keep: Keep::Random(seed), tear: Tear::Page4096 });
    check_reopened(&crashed, &acknowledged, seed);
    // Closing cannot write anything down either, and lets others have the store all the same.
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
    check_reopened(&disk, &acknowledged, seed);
    panicked
}

#[test]
fn a_failed_sync_reaches_every_waiter_and_every_later_writer() {
    for seed in 0..6 {
        let panicked = fail_amid_writers(seed, Call::Sync, || Err(io::Error::from_raw_os_error(libc::EIO)));
        assert_eq!(panicked, 0);
    }
}

#[test]
fn a_leader_that_panics_reaches_every_waiter_and_every_later_writer() {
    for (seed, of) in [(0, Call::Write), (1, Call::Sync), (2, Call::Write), (3, Call::Sync)] {
        let panicked = fail_amid_writers(seed, of, || panic!("the disk's driver fell over"));
        assert_eq!(panicked, 1, "the leader alone panics");
    }
}

/// A store on a disk that counts, its first segment begun.
fn counting() -> (Arc<FaultDisk>, Store, Account) {
    let disk = FaultDisk::new(1);
    let store = quiet().disk(disk.clone()).open(disk.root()).unwrap();
    let media = store.account("a").unwrap();
    media.put("first", "opens the segment", &PutOptions::new()).unwrap();
    (disk, store, media)
}

#[test]
fn a_durable_put_is_one_write_and_one_sync() {
    let (disk, _store, media) = counting();
    let before = disk.counts();
    for n in 0..200 {
        media.put(&format!("name/{n}"), content(n, 1_000), &PutOptions::new()).unwrap();
    }
    let after = disk.counts();
    let more = |kind| after.of(kind) - before.of(kind);
    assert_eq!((more(CallKind::Write), more(CallKind::Sync), more(CallKind::SyncDir)), (200, 200, 0));
}

#[test]
fn the_puts_of_sixteen_threads_share_writes_and_syncs() {
    let disk = FaultDisk::new(1);
    let (store, _armed) = failing(&disk, Call::Sync, || Ok(()));
    let media = store.account("a").unwrap();
    media.put("first", "opens the segment", &PutOptions::new()).unwrap();
    let (before, groups) = (disk.counts(), store.stats().unwrap().groups);
    thread::scope(|scope| {
        for thread in 0..16 {
            let media = &media;
            scope.spawn(move || {
                for n in 0..50 {
                    let name = format!("name/{thread}/{n}");
                    media.put(&name, content(numbered(thread, n), 1_000), &PutOptions::new()).unwrap();
                }
            });
        }
    });
    let (after, groups) = (disk.counts(), store.stats().unwrap().groups - groups);
    let more = |kind| after.of(kind) - before.of(kind);
    assert_eq!((more(CallKind::Write), more(CallKind::Sync)), (groups, groups), "a group is one write and one sync");
    assert!(groups <= 800 / 4, "800 puts took {groups} groups");
}

#[test]
fn a_batch_is_one_write_and_one_sync() {
    let (disk, _store, media) = counting();
    let before = disk.counts();
    let mut batch = media.batch();
    for n in 0..100 {
        batch.put(&format!("name/{n}"), content(n, 1_000), &PutOptions::new()).unwrap();
    }
    batch.commit().unwrap();
    let after = disk.counts();
    let more = |kind| after.of(kind) - before.of(kind);
    assert_eq!((more(CallKind::Write), more(CallKind::Sync)), (1, 1));
}

#[test]
fn reads_write_nothing_and_sync_nothing() {
    let (disk, store, media) = counting();
    for n in 0..50 {
        media.put(&format!("name/{n}"), content(n, 1_000), &PutOptions::new()).unwrap();
    }
    media.list(&ListOptions::new()).unwrap();
    let before = disk.counts();
    let read = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for n in 0..50 {
                    let name = format!("name/{n}");
                    assert_eq!(stamp_of(&media.get(&name).unwrap().unwrap()), n);
                    assert!(media.head(&name).unwrap().is_some() && media.contains(&name).unwrap());
                    assert!(media.get_range(&name, 5..10).unwrap().is_some());
                    read.fetch_add(1, Ordering::SeqCst);
                }
                assert_eq!(media.list(&ListOptions::new()).unwrap().entries.len(), 51);
                store.stats().unwrap();
            });
        }
    });
    let after = disk.counts();
    assert_eq!((read.into_inner(), after.syncs() - before.syncs()), (16 * 50, 0));
    assert_eq!(after.of(CallKind::Write), before.of(CallKind::Write));
}

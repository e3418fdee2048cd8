//! A store that is closed while others use it: they hear `Closed` and nothing else, and once it is closed
//! nothing touches its directory any more.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mediacask::{
    DeleteOptions, Error, ErrorKind, ListOptions, PutOptions, Result, Store, UpdateOptions, VerifyOptions,
};

use crate::support::{FaultDisk, wait_until};
use crate::{content, directory, numbered, small, stamp_of};

/// One call of every sort, the sort by number.
fn call(store: &Store, thread: u64, n: u64) -> Result<()> {
    let media = store.account("a")?;
    let name = format!("{thread}/{}", n % 7);
    let bytes = || content(numbered(thread + 1, n), if n.is_multiple_of(5) { 20_000 } else { 700 });
    match (thread + n) % 12 {
        0 | 1 => media.put(&name, bytes(), &PutOptions::new()).map(drop),
        2 => media.delete(&name, &DeleteOptions::new()).map(drop),
        3 => media.list(&ListOptions::new()).map(drop),
        4 => store.sweep().map(drop),
        5 => store.checkpoint_catalog(),
        6 => media.update(&name, &UpdateOptions::new().set_metadata("k", "v")).map(drop),
        7 => {
            let mut writer = media.writer(&name, &PutOptions::new())?;
            writer.write_all(&bytes()).map_err(|error| error.downcast::<Error>().unwrap())?;
            writer.commit().map(drop)
        }
        8 => {
            let mut batch = media.batch();
            batch.put(&name, bytes(), &PutOptions::new())?;
            batch.commit().map(drop)
        }
        9 => store.sync(),
        10 if n.is_multiple_of(8) => store.rebuild_index(&mut |_, _| ()).map(drop),
        _ => {
            media.get(&name)?.iter().for_each(|blob| assert_ne!(stamp_of(blob), 1));
            Ok(())
        }
    }
}

/// Calls on and on until a call fails, and says how it did.
fn call_until_failure(store: &Store, thread: u64, calls: &AtomicU64) -> Error {
    for n in 0.. {
        if let Err(error) = call(store, thread, n) {
            return error;
        }
        calls.fetch_add(1, Ordering::SeqCst);
    }
    unreachable!("it is closed some time")
}

#[test]
fn a_store_that_is_closed_while_others_use_it_answers_closed_and_lies_still() {
    for seed in 0..8 {
        let disk = FaultDisk::new(seed);
        let store = small().disk(disk.clone()).open(disk.root()).unwrap();
        let media = store.account("a").unwrap();
        media.put("held", content(1, 900), &PutOptions::new()).unwrap();
        let held = media.get("held").unwrap().unwrap();
        let calls = AtomicU64::new(0);
        let at_close = thread::scope(|scope| {
            let spawn = |thread| {
                let (store, calls) = (store.clone(), &calls);
                scope.spawn(move || call_until_failure(&store, thread, calls))
            };
            let threads: Vec<_> = (0..12).map(spawn).collect();
            wait_until("calls are under way", || calls.load(Ordering::SeqCst) >= 100 + 37 * seed);
            let closers = [store.clone(), store.clone()];
            thread::scope(|inner| {
                closers.iter().for_each(|store| drop(inner.spawn(|| store.close().unwrap())));
            });
            let at_close = disk.calls();
            for thread in threads {
                let error = thread.join().unwrap();
                assert_eq!(error.kind(), ErrorKind::Closed, "seed {seed}: {error}");
            }
            at_close
        });
        // Files under way are dropped: of the store's own, nothing is written any more.
        let later: Vec<_> = (at_close + 1..=disk.calls()).map(|nth| disk.tell(nth)).collect();
        assert!(later.iter().all(|call| call.contains("staging")), "seed {seed}: after close: {later:?}");
        assert_eq!(stamp_of(&held), 1);
        assert_eq!(store.account("b").unwrap_err().kind(), ErrorKind::Closed);
        store.close().unwrap();

        let again = small().disk(disk.clone()).open(disk.root()).unwrap();
        assert_eq!(stamp_of(&again.account("a").unwrap().get("held").unwrap().unwrap()), 1);
        assert_eq!(again.recount().unwrap(), [], "seed {seed}");
        assert!(again.health().damage.is_empty(), "seed {seed}");
    }
}

#[test]
fn the_last_clone_that_is_dropped_closes_the_store_in_whatever_thread() {
    let dir = directory();
    for round in 0..30 {
        let store = small().open(dir.path()).unwrap();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for thread in 0..8 {
                let (store, barrier) = (store.clone(), &barrier);
                scope.spawn(move || {
                    let media = store.account("a").unwrap();
                    media.put(&format!("{thread}"), content(numbered(round, thread), 300), &PutOptions::new()).unwrap();
                    let writer = media.writer("never", &PutOptions::new()).unwrap();
                    let batch = media.batch();
                    barrier.wait();
                    match thread % 2 {
                        0 => drop((store, media, writer, batch)),
                        _ => drop((batch, writer, media, store)),
                    }
                });
            }
            drop(store);
        });
    }
    let store = small().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    for thread in 0..8 {
        assert_eq!(stamp_of(&media.get(&format!("{thread}")).unwrap().unwrap()), numbered(29, thread));
    }
    assert!(media.get("never").unwrap().is_none());
    assert!(store.health().recovery.clean, "it was not closed, but left behind");
}

#[test]
fn what_a_store_tells_its_progress_to_cannot_close_it_and_hears_so() {
    let disk = FaultDisk::new(11);
    let store = small().disk(disk.clone()).open(disk.root()).unwrap();
    let media = store.account("a").unwrap();
    (0..200).for_each(|n| drop(media.put(&format!("{n}"), content(numbered(1, n), 700), &PutOptions::new()).unwrap()));
    let mut answers = Vec::new();
    let refused = |answers: &mut Vec<ErrorKind>| answers.push(store.close().unwrap_err().kind());
    store.rebuild_index(&mut |_, _| refused(&mut answers)).unwrap();
    let of_rebuild = answers.len();
    let report = store.verify(&VerifyOptions::new(), &mut |_| {
        refused(&mut answers);
        ControlFlow::Break(())
    });
    assert!(report.unwrap().resume.is_some());
    assert!(of_rebuild > 0 && answers.len() == of_rebuild + 1);
    assert!(answers.iter().all(|kind| *kind == ErrorKind::InvalidOption), "{answers:?}");
    media.put("goes on", "x", &PutOptions::new()).unwrap();
    // Another thread waits for the call to end, as it always did; a call of another store is none of this one's.
    let other = FaultDisk::new(12);
    let others = small().disk(other.clone()).open(other.root()).unwrap();
    others.account("a").unwrap().put("n", "x", &PutOptions::new()).unwrap();
    others.rebuild_index(&mut |_, _| store.close().unwrap()).unwrap();
    assert_eq!(media.get("goes on").unwrap_err().kind(), ErrorKind::Closed);
}

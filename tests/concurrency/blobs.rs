//! Blobs that readers hold stay what they were, whatever becomes of their names, their segments and the
//! store; and what was written with `Durability::Os` shows at once.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mediacask::{Blob, DeleteOptions, Durability, PutOptions, Store, Upkeep};

use crate::support::{Crash, FaultDisk};
use crate::{Hands, content, directory, numbered, small, stamp_of};

/// Overwrites, expires, sweeps: what was held is needed by nobody else.
fn turn_over(store: &Store, hands: &Hands, round: u64) -> u64 {
    let media = store.account("a").unwrap();
    let options = PutOptions::new().ttl(Duration::from_secs(1)).durability(Durability::Os);
    for n in 0..150 {
        let len = if n % 10 == 0 { 20_000 } else { 2_000 };
        media.put(&format!("held/{n}"), content(numbered(round, n), len), &options).unwrap();
    }
    hands.advance(Duration::from_secs(2));
    store.sweep().unwrap().segments_freed
}

#[test]
fn a_thousand_held_blobs_stay_what_they_were_through_overwrite_recycling_close_and_reopen() {
    let dir = directory();
    let hands = Hands::new();
    let options = small().upkeep(Upkeep::ByHand).clock(hands.clock());
    let mut store = options.clone().open(dir.path()).unwrap();
    let mut held: Vec<(u64, Blob)> = Vec::new();
    let (mut shared, mut readers, mut freed) = (Vec::<(u64, Bytes)>::new(), Vec::new(), 0);
    let check = |held: &[(u64, Blob)]| held.iter().for_each(|(stamp, blob)| assert_eq!(stamp_of(blob), *stamp));
    for round in 0..10 {
        let media = store.account("a").unwrap();
        for n in 0..120 {
            let stamp = numbered(1_000 + round, n);
            let name = format!("held/{n}");
            let len = if n % 10 == 0 { 20_000 } else { 1_500 };
            media.put(&name, content(stamp, len), &PutOptions::new().durability(Durability::Os)).unwrap();
            let blob = media.get(&name).unwrap().unwrap();
            match n {
                0..5 => readers.push((stamp, media.reader(&name).unwrap().unwrap())),
                5..15 => shared.push((stamp, Bytes::from(blob))),
                _ => held.push((stamp, blob)),
            }
        }
        for again in 0..4 {
            freed += turn_over(&store, &hands, round * 4 + again);
        }
        // Some are let go, so that segments are written again beside those that are held.
        if round % 2 == 1 {
            held.drain(..30);
        }
        check(&held);
        if round % 3 == 2 {
            store.close().unwrap();
            check(&held);
            store = options.clone().open(dir.path()).unwrap();
        }
    }
    assert!(held.len() + shared.len() >= 1_000, "{} blobs are held", held.len());
    assert!(freed > 100, "{freed} segments only were freed");
    drop(store);
    check(&held);
    assert!(shared.iter().all(|(stamp, bytes)| stamp_of(bytes) == *stamp));
    for (stamp, mut reader) in readers {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(stamp_of(&bytes), stamp);
    }
}

#[test]
fn blobs_are_read_by_many_threads_while_their_segments_are_written_again() {
    let dir = directory();
    let hands = Hands::new();
    let store = small().upkeep(Upkeep::ByHand).clock(hands.clock()).open(dir.path()).unwrap();
    let over = AtomicBool::new(false);
    let freed = thread::scope(|scope| {
        for reader in 0..8 {
            let (store, over) = (&store, &over);
            scope.spawn(move || {
                let media = store.account("a").unwrap();
                let mut held = Vec::new();
                let mut n = reader;
                while !over.load(Ordering::SeqCst) {
                    n += 1;
                    let Some(blob) = media.get(&format!("held/{}", n % 150)).unwrap() else { continue };
                    held.push((stamp_of(&blob), blob));
                    if held.len() == 64 {
                        held.drain(..).for_each(|(stamp, blob)| assert_eq!(stamp_of(&blob), stamp));
                    }
                }
                held.iter().for_each(|(stamp, blob)| assert_eq!(stamp_of(blob), *stamp));
            });
        }
        let freed: u64 = (0..40).map(|round| turn_over(&store, &hands, round)).sum();
        over.store(true, Ordering::SeqCst);
        freed
    });
    assert!(freed > 100, "{freed} segments only were freed");
}

#[test]
fn what_was_written_with_os_durability_shows_at_once_and_lasts_after_a_sync() {
    let disk = FaultDisk::new(1);
    let options = || small().upkeep(Upkeep::ByHand).durability(Durability::Os);
    let store = options().disk(disk.clone()).open(disk.root()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let media = store.account("a").unwrap();
            scope.spawn(move || {
                for n in 0..30 {
                    let (name, stamp) = (format!("{thread}/{n}"), numbered(thread, n));
                    media.put(&name, content(stamp, 500), &PutOptions::new()).unwrap();
                    assert_eq!(stamp_of(&media.get(&name).unwrap().unwrap()), stamp);
                    if n % 3 == 0 {
                        assert!(media.delete(&name, &DeleteOptions::new()).unwrap());
                        assert!(media.get(&name).unwrap().is_none());
                    }
                }
            });
        }
    });
    store.sync().unwrap();
    store.account("a").unwrap().put("later", "not synced", &PutOptions::new()).unwrap();
    let crashed = disk.crash(Crash::NOTHING_KEPT);
    let found = options().disk(crashed.clone()).open(crashed.root()).unwrap();
    let media = found.account("a").unwrap();
    assert!(media.get("later").unwrap().is_none(), "nothing made it durable, and nobody said so");
    for (thread, n) in (0..8).flat_map(|thread| (0..30).map(move |n| (thread, n))) {
        let stamp = media.get(&format!("{thread}/{n}")).unwrap().map(|blob| stamp_of(&blob));
        assert_eq!(stamp, (n % 3 != 0).then_some(numbered(thread, n)));
    }
    assert_eq!(found.recount().unwrap(), []);
}

//! What the feed of events promises: everything that became durable, in the order of the log, the same every
//! time it is asked for, in this process and the next; nothing that was lost; and plain words when the past
//! that is asked for is gone or damaged.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mediacask::{
    Account, DeleteOptions, Digest, Durability, ErrorKind, Event, EventKind, ListOptions, Policy, PutOptions, Store,
    UpdateOptions,
};
use scene::Image;
use support::place::{Hand, by_hand, small, temp_dir};
use support::{CallKind, Crash, Fault, FaultDisk, Random};

const LONG: Duration = Duration::from_mins(1);

/// All events after a sequence number; there is no damage.
fn after(store: &Store, sequence: u64) -> Vec<Event> {
    store.events(sequence).unwrap().map(Result::unwrap).collect()
}

/// What an event says, the time aside.
fn told(event: &Event) -> (EventKind, &str, &str, Digest) {
    (event.kind, &event.account, &event.name, event.digest)
}

/// Content that a name ends with, by the events alone.
fn replayed(events: &[Event]) -> BTreeMap<(String, String), Digest> {
    let mut names = BTreeMap::new();
    let mut last = 0;
    for event in events {
        assert!(event.sequence > last, "{} comes after {last}", event.sequence);
        last = event.sequence;
        let key = (event.account.clone(), event.name.clone());
        match event.kind {
            EventKind::Put => drop(names.insert(key, event.digest)),
            EventKind::Update => assert_eq!(names.get(&key), Some(&event.digest), "{event:?}"),
            _ => assert_eq!(names.remove(&key), Some(event.digest), "{event:?}"),
        }
    }
    names
}

/// What the store holds, by its listings.
fn held(store: &Store) -> BTreeMap<(String, String), Digest> {
    let mut names = BTreeMap::new();
    for account in store.accounts().unwrap() {
        for entry in store.account(&account.account).unwrap().entries(ListOptions::new()) {
            let entry = entry.unwrap();
            names.insert((account.account.clone(), entry.name), entry.digest);
        }
    }
    names
}

#[test]
fn every_operation_that_changes_a_name_yields_its_event_and_no_other_does() {
    let (dir, hand) = (temp_dir(), Hand::new());
    let store = small().clock(hand.clock()).open(dir.path()).unwrap();
    let (a, b) = (store.account("a").unwrap(), store.account("b").unwrap());
    let (plain, end) = (PutOptions::new(), DeleteOptions::new());
    let [one, two, large] = [&b"one"[..], b"two", &vec![7; 20_000]].map(Digest::of);
    let begin = hand.now();

    let first = a.put("x", "one", &plain).unwrap();
    a.put("x", "two", &plain).unwrap();
    a.put("large", vec![7; 20_000], &plain).unwrap();
    hand.advance_ms(5);
    let updated = a.update("x", &UpdateOptions::new().content_type(Some("text/plain".into()))).unwrap().unwrap();
    a.copy("x", "y", &plain).unwrap().unwrap();
    a.copy_to("large", &b, "z", &plain).unwrap().unwrap();
    a.set_policy(&Policy::default()).unwrap();
    a.put("x", "one", &PutOptions::new().if_absent()).unwrap_err();
    assert!(!a.delete("absent", &end).unwrap());
    assert!(a.update("absent", &UpdateOptions::new()).unwrap().is_none());
    a.delete("y", &end).unwrap();
    let mut batch = a.batch();
    batch.delete("absent", &end).unwrap().put("m/0", "one", &plain).unwrap();
    batch.delete("large", &end).unwrap().put("m/1", "two", &plain).unwrap();
    batch.commit().unwrap();
    b.put("short", "one", &PutOptions::new().ttl(Duration::from_secs(1))).unwrap();
    hand.advance_ms(1000);
    assert!(b.get("short").unwrap().is_none());
    let before_sweep = after(&store, 0).len();
    assert_eq!(store.sweep().unwrap().expired, 1);
    assert_eq!(a.purge("m/").unwrap(), 2);
    assert_eq!(store.purge_digest(&large).unwrap(), 1);
    store.checkpoint_catalog().unwrap();

    let events = after(&store, 0);
    let (put, delete) = (EventKind::Put, EventKind::Delete);
    let expected = [
        (put, "a", "x", one),
        (put, "a", "x", two),
        (put, "a", "large", large),
        (EventKind::Update, "a", "x", two),
        (put, "a", "y", two),
        (put, "b", "z", large),
        (delete, "a", "y", two),
        (put, "a", "m/0", one),
        (delete, "a", "large", large),
        (put, "a", "m/1", two),
        (put, "b", "short", one),
        (EventKind::Expire, "b", "short", one),
    ];
    assert_eq!(events[..expected.len()].iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(before_sweep, expected.len() - 1, "an entry expires in the feed when it is swept");
    let purged: BTreeSet<_> = events[expected.len()..].iter().map(|event| event.name.as_str()).collect();
    assert_eq!(purged, BTreeSet::from(["m/0", "m/1", "z"]));
    assert!(events[expected.len()..].iter().all(|event| event.kind == delete));
    assert_eq!((events[0].sequence, events[3].sequence), (first.generation, updated.generation));
    assert_eq!((events[0].at, events[3].at), (begin, begin + Duration::from_millis(5)));
    assert_eq!(events[11].at, hand.now());
    assert_eq!(replayed(&events), held(&store));
    let told: Vec<_> = [put, EventKind::Update, delete, EventKind::Expire].iter().map(ToString::to_string).collect();
    assert_eq!(told, ["put", "update", "delete", "expire"]);

    // From any event on, the feed is the rest; the end of the feed is not its end for good.
    for (n, event) in events.iter().enumerate() {
        assert_eq!(after(&store, event.sequence), events[n + 1..]);
    }
    let mut feed = store.events(events.last().unwrap().sequence).unwrap();
    assert!(feed.next().is_none() && feed.next().is_none());
    a.put("x", "one", &plain).unwrap();
    assert_eq!(feed.next().unwrap().unwrap().name, "x");
    assert!(feed.next().is_none());
}

#[test]
fn what_lies_ahead_is_waited_for() {
    let (_dir, store, media) = by_hand();
    let mut never = store.events(u64::MAX).unwrap();
    let mut early = store.events(0).unwrap();
    assert!(early.next().is_none() && never.next().is_none());
    let first = media.put("a", "1", &PutOptions::new()).unwrap().generation;
    let mut ahead = store.events(first + 1).unwrap();
    let second = media.put("b", "2", &PutOptions::new()).unwrap().generation;
    let third = media.put("c", "3", &PutOptions::new()).unwrap().generation;
    assert!(second > first + 1, "the bodies take numbers, too");
    assert_eq!(ahead.by_ref().map(|event| event.unwrap().sequence).collect::<Vec<_>>(), [second, third]);
    assert_eq!(early.by_ref().count(), 3);
    assert!(never.next().is_none());
}

/// One of sixteen writers: puts, updates, deletes and batches of names that others write, too.
fn write_much(store: &Store, thread: u64) -> Vec<u64> {
    let (media, mut random, mut generations) = (store.account("a").unwrap(), Random::new(thread), Vec::new());
    for n in 0..150 {
        let name = format!("{}", random.below(20));
        match random.below(8) {
            0 => drop(media.delete(&name, &DeleteOptions::new()).unwrap()),
            1 => drop(media.update(&name, &UpdateOptions::new().set_metadata("n", n.to_string())).unwrap()),
            2 => {
                let mut batch = media.batch();
                for part in 0..3 {
                    batch.put(&format!("{name}/{part}"), format!("{thread} {n}"), &PutOptions::new()).unwrap();
                }
                batch.commit().unwrap();
            }
            n => {
                let durability = if n == 3 { Durability::Os } else { Durability::Sync };
                let options = PutOptions::new().durability(durability);
                generations.push(media.put(&name, random.bytes(300), &options).unwrap().generation);
            }
        }
    }
    generations
}

#[test]
fn under_sixteen_writers_the_feed_is_the_order_of_the_log_and_ends_in_what_is_there() {
    let dir = temp_dir();
    let store = small().open(dir.path()).unwrap();
    let (live, generations) = thread::scope(|scope| {
        let store = &store;
        let reader = scope.spawn(move || {
            let (mut events, mut all) = (store.events(0).unwrap(), Vec::<Event>::new());
            while all.last().is_none_or(|event| event.name != "the end") {
                all.push(events.wait(LONG).unwrap().expect("more comes"));
            }
            all
        });
        let writers: Vec<_> = (0..16).map(|n| scope.spawn(move || write_much(store, n))).collect();
        let generations: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        store.account("b").unwrap().put("the end", "", &PutOptions::new()).unwrap();
        (reader.join().unwrap(), generations)
    });
    let events = after(&store, 0);
    assert_eq!(live, events, "what was told while it happened is told again");
    assert_eq!(replayed(&events), held(&store));
    let sequences: BTreeSet<_> = events.iter().map(|event| event.sequence).collect();
    assert!(generations.iter().all(|generation| sequences.contains(generation)));
    assert!(store.stats().unwrap().segments > 3, "the feed went from one segment to the next");
    // The parts of a batch, one after the other.
    let parts: Vec<_> = events.iter().enumerate().filter(|(_, event)| event.name.ends_with("/0")).collect();
    assert!(parts.len() > 50);
    for (n, event) in parts {
        let names: Vec<_> = events[n..n + 3].iter().map(|event| event.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["0", "1", "2"]);
        assert!(events[n + 1..n + 3].iter().all(|part| part.digest == event.digest));
    }
}

/// A random operation; gives the generation that was acknowledged as durable, if one was.
fn operate(store: &Store, random: &mut Random, seed: &str) -> Result<Option<u64>, mediacask::Error> {
    let media: Account = store.account(["a", "b"][random.below(2) as usize])?;
    let (name, durability) = (random.below(6).to_string(), Durability::Os);
    Ok(match random.below(11) {
        0 => media.delete(&name, &DeleteOptions::new()).map(|_| None)?,
        1 => media.update(&name, &UpdateOptions::new().set_metadata("seed", seed))?.map(|entry| entry.generation),
        2 => media.copy(&name, "copy", &PutOptions::new())?.map(|entry| entry.generation),
        3 => store.sync().map(|()| None)?,
        4 => store.checkpoint_catalog().map(|()| None)?,
        10 => store.compact().map(|_| None)?,
        5..=7 => {
            media.put(&name, random.bytes(40), &PutOptions::new().durability(durability))?;
            None
        }
        _ => Some(media.put(&name, random.bytes(9000), &PutOptions::new())?.generation),
    })
}

#[test]
fn after_a_power_cut_the_feed_goes_on_where_it_was_and_tells_what_is_there() {
    let (mut cut, mut shown, mut dropped) = (0, 0, 0);
    for seed in 0..60 {
        let (mut random, mut disk) = (Random::new(seed), FaultDisk::new(seed));
        // Of all lives of the store: what the feed showed, and what was acknowledged as durable.
        let (mut seen, mut acknowledged) = (Vec::<Event>::new(), BTreeSet::new());
        // What the last feed was to go on from: it was caught up, so nothing that is dropped is missed.
        let mut position = 0;
        for life in 0..4 {
            let told = format!("seed {seed}, life {life}");
            let store = small().disk(disk.clone()).open(disk.root()).unwrap();
            let floor = store.events_floor();
            let events = after(&store, floor);
            let later = seen.split_off(seen.partition_point(|event| event.sequence <= floor));
            assert_eq!(events[..later.len()], later, "{told}: what was shown was durable");
            seen.extend(events);
            assert_eq!(replayed(&seen), held(&store), "{told}");
            let sequences: BTreeSet<_> = seen.iter().map(|event| event.sequence).collect();
            assert!(acknowledged.is_subset(&sequences), "{told}: something acknowledged is missing");
            dropped += u64::from(floor > 0);
            let mut feed = store.events(position).unwrap_or_else(|error| panic!("{told}: {error}"));
            feed.by_ref().for_each(|event| drop(event.unwrap()));
            if life == 2 {
                store.close().unwrap();
                continue;
            }
            disk.crash_at_call(disk.calls() + 20 + random.below(500));
            while let Ok(generation) = operate(&store, &mut random, &told) {
                acknowledged.extend(generation);
                let before = seen.len();
                seen.extend(feed.by_ref().map(Result::unwrap));
                position = feed.seen();
                shown += seen.len() - before;
            }
            disk.power_off();
            drop((feed, store));
            cut += 1;
            disk = disk.crash(Crash::random(random.next()));
        }
    }
    assert!(cut == 180 && shown > 1000 && dropped > 20, "{cut} cuts, {shown} events, {dropped} floors");
}

#[test]
fn what_is_not_durable_is_shown_after_the_sync() {
    let (_dir, store, media) = by_hand();
    let quick = PutOptions::new().durability(Durability::Os);
    let mut events = store.events(0).unwrap();
    media.put("a", "1", &quick).unwrap();
    media.put("b", "2", &quick).unwrap();
    assert!(media.contains("a").unwrap() && events.next().is_none());
    assert!(events.wait(Duration::ZERO).unwrap().is_none());
    store.sync().unwrap();
    let names = |events: &mut mediacask::Events| events.map(|event| event.unwrap().name).collect::<Vec<_>>();
    assert_eq!(names(&mut events), ["a", "b"]);
    media.put("c", "3", &quick).unwrap();
    media.put("d", "4", &PutOptions::new()).unwrap();
    assert_eq!(names(&mut events), ["c", "d"]);
    media.put("e", "5", &PutOptions::new()).unwrap();
    // Longer than any clock goes.
    assert_eq!(events.wait(Duration::MAX).unwrap().unwrap().name, "e");
}

#[test]
fn a_failed_sync_shows_nothing() {
    let disk = FaultDisk::new(3);
    let store = small().disk(disk.clone()).open(disk.root()).unwrap();
    let media = store.account("a").unwrap();
    media.put("a", "1", &PutOptions::new()).unwrap();
    disk.fail_nth_of(CallKind::Sync, disk.counts().of(CallKind::Sync) + 1, Fault::Eio);
    media.put("b", "2", &PutOptions::new()).unwrap_err();
    assert_eq!(after(&store, 0).len(), 1);
    assert!(store.events(0).unwrap().nth(1).is_none());
}

#[test]
fn who_waits_is_woken_by_a_put_by_a_sync_and_by_the_end() {
    let (_dir, store, media) = by_hand();
    let (ready, go) = mpsc::channel();
    thread::scope(|scope| {
        let mut events = store.events(0).unwrap();
        let waiter = scope.spawn(move || {
            for expected in ["durable", "synced"] {
                ready.send(()).unwrap();
                assert_eq!(events.wait(LONG).unwrap().unwrap().name, expected);
            }
            ready.send(()).unwrap();
            events.wait(LONG).unwrap_err().kind()
        });
        go.recv().unwrap();
        media.put("durable", "1", &PutOptions::new()).unwrap();
        go.recv().unwrap();
        media.put("synced", "2", &PutOptions::new().durability(Durability::Os)).unwrap();
        store.sync().unwrap();
        go.recv().unwrap();
        store.close().unwrap();
        assert_eq!(waiter.join().unwrap(), ErrorKind::Closed);
    });
    assert_eq!(store.events(0).unwrap_err().kind(), ErrorKind::Closed);
}

/// Puts that fill segments and expire at once.
fn fill(media: &Account, round: u64) {
    for n in 0..12 {
        let options = PutOptions::new().ttl(Duration::from_secs(1));
        media.put(&format!("{round}/{n}"), Random::new(round << 8 | n).bytes(9000), &options).unwrap();
    }
}

#[test]
fn a_past_that_was_freed_is_refused_with_the_place_to_go_on_from() {
    let (dir, hand) = (temp_dir(), Hand::new());
    let open = || small().clock(hand.clock()).open(dir.path()).unwrap();
    let store = open();
    let media = store.account("a").unwrap();
    media.put("first", "1", &PutOptions::new().ttl(Duration::from_secs(1))).unwrap();
    assert_eq!(store.events_floor(), 0);
    let mut late = store.events(0).unwrap();
    assert_eq!(late.next().unwrap().unwrap().name, "first");
    let mut steady = store.events(0).unwrap();
    let mut floors = vec![0];
    for round in 0..6 {
        fill(&media, round);
        assert!(steady.by_ref().map(Result::unwrap).count() >= 12);
        hand.advance_ms(2000);
        store.sweep().unwrap();
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
        floors.push(store.events_floor());
    }
    // Who has read to the end goes on, whatever was freed behind it.
    assert!(steady.by_ref().map(Result::unwrap).count() >= 12);
    assert!(floors.is_sorted() && floors[2] > 0 && floors[6] > floors[2], "{floors:?}");
    let floor = floors[6];

    for refused in [store.events(0), store.events(floor - 1)] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidToken);
        assert!(error.to_string().contains(&floor.to_string()) && error.to_string().contains("list the accounts"));
    }
    // Who fell behind hears the same, again and again, and gets no bytes of a later life.
    for _ in 0..2 {
        assert_eq!(late.next().unwrap().unwrap_err().kind(), ErrorKind::InvalidToken);
        assert_eq!(late.wait(LONG).unwrap_err().kind(), ErrorKind::InvalidToken);
    }
    let rest = after(&store, floor);
    assert!(rest.iter().all(|event| event.sequence > floor));
    media.put("again", "2", &PutOptions::new()).unwrap();
    assert_eq!(after(&store, floor).len(), rest.len() + 1);
    let events = after(&store, floor);
    store.close().unwrap();
    let store = open();
    assert_eq!(store.events_floor(), floor);
    assert_eq!(after(&store, floor), events);
    assert_eq!(store.events(floor - 1).unwrap_err().kind(), ErrorKind::InvalidToken);
}

#[test]
fn compaction_tells_nothing_twice_and_raises_the_floor() {
    let (dir, hand) = (temp_dir(), Hand::new());
    let open = || small().clock(hand.clock()).open(dir.path()).unwrap();
    let store = open();
    let media = store.account("a").unwrap();
    let mut late = store.events(0).unwrap();
    // Every segment holds something that stays, and much that is overwritten.
    for n in 0..60 {
        media.put(&format!("stays/{n}"), Random::new(n).bytes(500), &PutOptions::new()).unwrap();
        media.put("over", Random::new(100 + n).bytes(9000), &PutOptions::new()).unwrap();
    }
    assert_eq!(late.next().unwrap().unwrap().name, "stays/0");
    let before = after(&store, 0);
    hand.advance_ms(2 * 3_600_000);
    store.checkpoint_catalog().unwrap();
    assert!(store.compact().unwrap().segments_compacted > 2);
    assert_eq!(held(&store), replayed(&before));
    let floor = store.events_floor();
    assert!(floor >= before[20].sequence, "{floor}");
    let rest = after(&store, floor);
    assert!(before.ends_with(&rest), "what was copied is not told again");
    assert_eq!(store.events(before[0].sequence).unwrap_err().kind(), ErrorKind::InvalidToken);
    // What it had read already it gives, then it says so.
    assert_eq!(late.find_map(Result::err).unwrap().kind(), ErrorKind::InvalidToken);
    media.put("new", "x", &PutOptions::new()).unwrap();
    assert_eq!(after(&store, floor).len(), rest.len() + 1);
    store.close().unwrap();
    let store = open();
    assert_eq!((store.events_floor(), after(&store, floor).len()), (floor, rest.len() + 1));
}

#[test]
fn a_segment_that_is_missing_is_a_past_that_is_gone() {
    let (image, _) = scene::store_of_many_segments();
    let dir = scene::scratch();
    image.put(dir.path());
    let store = scene::open(dir.path());
    let events = after(&store, 0);
    assert_eq!((store.events_floor(), replayed(&events)), (0, held(&store)));
    drop(store);
    for (n, segment) in image.segments().iter().enumerate() {
        image.without(segment.to_str().unwrap()).put(dir.path());
        let store = scene::open(dir.path());
        store.account("5500001").unwrap().put("new", "x", &PutOptions::new()).unwrap();
        let floor = store.events_floor();
        assert!(floor > 0, "segment {n}");
        assert_eq!(store.events(0).unwrap_err().kind(), ErrorKind::InvalidToken);
        let rest = after(&store, floor);
        let known = events.iter().filter(|event| event.sequence > floor).count();
        assert_eq!((rest.len(), &*rest.last().unwrap().name), (known + 1, "new"), "segment {n}");
    }
}

#[test]
fn damage_is_told_with_its_place_and_the_feed_goes_on_behind_it() {
    for (image, _) in [scene::closed_store(), scene::killed_store(), scene::store_of_many_segments()] {
        let dir = scene::scratch();
        image.put(dir.path());
        let store = scene::open(dir.path());
        let events = after(&store, 0);
        store.close().unwrap();
        let closed = Image::of(dir.path());
        let mut lost_events = 0;
        for path in closed.segments() {
            let sound = closed.file(&path);
            for (start, end) in scene::records(sound) {
                let mut bytes = sound.to_vec();
                // In the header, and in the head behind it.
                bytes[start as usize + [8, 70.min((end - start) as usize - 1)][(start / 8 % 2) as usize]] ^= 4;
                let mut damaged = closed.clone();
                damaged.set(&path, bytes);
                damaged.put(dir.path());
                let told = format!("{} at {start}", path.display());
                let store = scene::open(dir.path());
                let (mut found, mut errors) = (Vec::new(), Vec::new());
                for event in store.events(0).unwrap() {
                    match event {
                        Ok(event) => found.push(event),
                        Err(error) => errors.push(error),
                    }
                }
                let lost: Vec<_> = events.iter().filter(|event| !found.contains(event)).collect();
                assert!(found.iter().all(|event| events.contains(event)), "{told}");
                assert!(found.is_sorted_by_key(|event| event.sequence), "{told}");
                let is_told = errors.iter().all(|error| {
                    let says = error.to_string();
                    error.kind() == ErrorKind::Corrupt
                        && error.path() == Some(&*dir.path().join(&path))
                        && says.contains(&format!("offset {start}:"))
                });
                assert!(is_told && errors.len() <= 1, "{told}: {errors:?}");
                assert!(lost.is_empty() || errors.len() == 1, "{told}: {lost:?} are lost in silence");
                lost_events += lost.len();
                // Who goes on behind the stretch is told nothing of it.
                if let Some(later) = found.iter().find(|event| lost.last().is_some_and(|l| event.sequence > l.sequence))
                {
                    let rest = after(&store, later.sequence);
                    assert_eq!(rest.len(), found.iter().filter(|e| e.sequence > later.sequence).count(), "{told}");
                }
            }
        }
        assert!(lost_events >= events.len() - 1, "{lost_events} of {} were hit", events.len());
    }
}

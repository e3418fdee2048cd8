//! Readers see whole versions and never older ones; puts on a condition win once; a delete makes room
//! at once; batches show all together.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use mediacask::disk::files::RealDisk;
use mediacask::{Account, DeleteOptions, Entry, ErrorKind, ListOptions, PutOptions, Store};
use parking_lot::{Condvar, Mutex};

use crate::support::{Crash, FaultDisk, Keep, Random, Tear, wait_until};
use crate::tap::{Call, Tap};
use crate::{content, directory, numbered, small, stamp_of};

const HOT_NAMES: u64 = 4;

/// Lengths of content: records of a chunk, of nothing much, and files of their own.
const LENS: [usize; 5] = [8, 100, 3_000, 15_000, 40_000];

fn hot(n: u64) -> String {
    format!("hot/{}", n % HOT_NAMES)
}

/// Reads a version in one of the ways there are; gives its entry and its stamp.
fn read_one(media: &Account, name: &str, way: u64) -> Option<(Entry, u64)> {
    match way % 3 {
        0 => {
            let blob = media.get(name).unwrap()?;
            Some((blob.entry(), stamp_of(&blob)))
        }
        1 => {
            let mut reader = media.reader(name).unwrap()?;
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            Some((reader.entry(), stamp_of(&bytes)))
        }
        _ => {
            let blob = media.get_range(name, 0..8).unwrap()?;
            let stamp = u64::from_le_bytes(blob[..].try_into().unwrap());
            Some((blob.entry(), stamp))
        }
    }
}

#[test]
fn readers_of_hot_names_see_whole_versions_and_never_an_older_one() {
    let dir = directory();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let writers_left = AtomicU64::new(16);
    let put = Mutex::new(HashMap::new());
    let seen = Mutex::new(HashMap::new());
    thread::scope(|scope| {
        for writer in 0..16 {
            let (media, put, writers_left) = (media.clone(), &put, &writers_left);
            scope.spawn(move || {
                let mut random = Random::new(writer);
                for n in 0..120 {
                    let stamp = numbered(writer, n);
                    let bytes = content(stamp, LENS[random.below(5) as usize]);
                    let options = PutOptions::new().content_type(format!("version/{stamp}"));
                    let entry = media.put(&hot(random.next()), &bytes, &options).unwrap();
                    assert!(put.lock().insert(entry.generation, stamp).is_none(), "a generation came twice");
                }
                writers_left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for reader in 0..16 {
            let (media, seen, writers_left) = (media.clone(), &seen, &writers_left);
            scope.spawn(move || {
                let (mut last, mut mine, mut n) = (HashMap::new(), HashMap::new(), reader);
                while writers_left.load(Ordering::SeqCst) > 0 {
                    n += 1;
                    let Some((entry, stamp)) = read_one(&media, &hot(n), n / HOT_NAMES) else { continue };
                    assert_eq!(entry.content_type, Some(format!("version/{stamp}")), "{}", entry.name);
                    let before = last.insert(entry.name.clone(), entry.generation).unwrap_or(0);
                    assert!(before <= entry.generation, "{} went back in time", entry.name);
                    mine.insert(entry.generation, stamp);
                }
                seen.lock().extend(mine);
            });
        }
    });
    let (put, seen) = (put.into_inner(), seen.into_inner());
    assert_eq!(put.len(), 16 * 120);
    assert!(seen.len() > 16, "the readers saw {} versions only", seen.len());
    for (generation, stamp) in seen {
        assert_eq!(put.get(&generation), Some(&stamp), "of generation {generation}");
    }
    for n in 0..HOT_NAMES {
        let newest = media.head(&hot(n)).unwrap().unwrap();
        let (blob, stamp) = read_one(&media, &hot(n), 0).unwrap();
        assert_eq!((blob, Some(&stamp)), (newest.clone(), put.get(&newest.generation)));
    }
    assert_eq!(store.recount().unwrap(), []);
}

/// Holds the log's syncs up while it is shut.
#[derive(Default)]
struct Gate {
    /// Guards whether it is shut, and how many wait at it.
    state: Mutex<(bool, u64)>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        self.state.lock().0 = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.1 += 1;
        self.changed.notify_all();
        while state.0 {
            self.changed.wait(&mut state);
        }
        state.1 -= 1;
    }

    fn wait_for_one(&self) {
        let mut state = self.state.lock();
        while state.1 == 0 {
            self.changed.wait(&mut state);
        }
    }
}

/// Sixteen threads put one name if it is absent; gives who won.
fn contend(media: &Account, name: &str, ready: &AtomicU64) -> Vec<u64> {
    let barrier = Barrier::new(16);
    thread::scope(|scope| {
        let spawn = |n: u64| {
            let (media, barrier) = (media.clone(), &barrier);
            scope.spawn(move || {
                let bytes = content(n, 100 + n as usize);
                barrier.wait();
                ready.fetch_add(1, Ordering::SeqCst);
                match media.put(name, &bytes, &PutOptions::new().if_absent()) {
                    Ok(_) => Some(n),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
                        None
                    }
                }
            })
        };
        let threads: Vec<_> = (0..16).map(spawn).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_sixteen_puts_if_absent_exactly_one_wins() {
    let dir = directory();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    for round in 0..150 {
        let name = format!("round/{round}");
        let winners = contend(&media, &name, &AtomicU64::new(0));
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(stamp_of(&media.get(&name).unwrap().unwrap()), winners[0]);
        if round % 2 == 0 {
            assert!(media.delete(&name, &DeleteOptions::new()).unwrap());
            assert_eq!(contend(&media, &name, &AtomicU64::new(0)).len(), 1, "round {round}, after a delete");
        }
    }
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn of_sixteen_puts_if_absent_in_one_group_exactly_one_wins() {
    let dir = directory();
    let gate = Arc::new(Gate::default());
    let passed = Arc::clone(&gate);
    let disk = Tap::new(Arc::new(RealDisk), move |call| {
        if call == Call::Sync {
            passed.pass();
        }
        Ok(())
    });
    let store = Store::options().disk(disk).open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    media.put("first", "opens the segment", &PutOptions::new()).unwrap();
    let mut in_one_group = 0;
    for round in 0..2_000 {
        let before = store.stats().unwrap().groups;
        let ready = AtomicU64::new(0);
        let name = format!("round/{round}");
        gate.set(true);
        thread::scope(|scope| {
            // Somebody leads, and is held up: the sixteen gather behind.
            let leader = media.clone();
            scope.spawn(move || leader.put("leader", content(round, 8), &PutOptions::new()).unwrap());
            gate.wait_for_one();
            let contest = scope.spawn(|| contend(&media, &name, &ready));
            wait_until("the sixteen are ready", || ready.load(Ordering::SeqCst) == 16);
            // Between a thread's last word and its place in the queue nobody can look; give them a turn each.
            (0..64).for_each(|_| thread::yield_now());
            gate.set(false);
            assert_eq!(contest.join().unwrap().len(), 1, "round {round}");
        });
        in_one_group += u64::from(store.stats().unwrap().groups - before == 2);
        if in_one_group == 20 {
            return;
        }
    }
    panic!("the sixteen came to be one group {in_one_group} times only");
}

#[test]
fn a_put_right_after_a_delete_stands_and_its_life_is_a_new_one() {
    let dir = directory();
    let store = small().open(dir.path()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let media = store.account("a").unwrap();
            scope.spawn(move || {
                let name = format!("own/{thread}");
                for n in 0..100 {
                    let stamp = numbered(thread, n);
                    // Every other time the same content comes back.
                    let bytes = content(numbered(thread, n / 2), 200);
                    let entry = media.put(&name, &bytes, &PutOptions::new().if_absent()).unwrap();
                    assert_eq!(media.head(&name).unwrap().unwrap(), entry, "{stamp}");
                    assert!(media.get(&name).unwrap().unwrap()[..] == bytes[..]);
                    assert!(media.delete(&name, &DeleteOptions::new().if_generation(entry.generation)).unwrap());
                    assert!(media.get(&name).unwrap().is_none());
                }
            });
        }
    });
    assert_eq!(store.recount().unwrap(), []);
    assert_eq!(store.stats().unwrap().contents, 0);
}

const PARTS: u64 = 10;

/// Which version each part of a message is of, read one after the other.
fn parts(media: &Account, message: u64) -> Vec<u64> {
    let version = |part: u64| {
        let blob = media.get(&format!("{message}/part-{part}")).unwrap();
        blob.map_or(0, |blob| stamp_of(&blob) & 0xffff_ffff)
    };
    (0..PARTS).map(version).collect()
}

fn put_message(media: &Account, message: u64, version: u64) -> mediacask::Result<()> {
    let mut batch = media.batch();
    for part in 0..PARTS {
        let bytes = content((message * PARTS + part) << 32 | version, 50 + part as usize);
        batch.put(&format!("{message}/part-{part}"), bytes, &PutOptions::new())?;
    }
    batch.commit().map(drop)
}

#[test]
fn who_reads_one_part_of_a_batch_finds_all_the_others() {
    let dir = directory();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    // What is read later is never older, or half a batch was shown.
                    let read = parts(&media, 0);
                    assert!(read.is_sorted(), "{read:?}");
                }
            });
        }
        for version in 1..400 {
            put_message(&media, 0, version).unwrap();
            assert_eq!(parts(&media, 0), vec![version; PARTS as usize]);
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn batches_of_many_threads_are_whole_or_absent_after_a_crash() {
    for seed in 0..12 {
        let disk = FaultDisk::new(seed);
        let store = small().disk(disk.clone()).open(disk.root()).unwrap();
        let media = store.account("a").unwrap();
        disk.crash_at_call(disk.calls() + 20 + 13 * seed);
        let acknowledged = thread::scope(|scope| {
            let spawn = |message: u64| {
                let media = &media;
                scope.spawn(move || {
                    (1..1_000).take_while(|version| put_message(media, message, *version).is_ok()).last()
                })
            };
            let threads: Vec<_> = (0..6).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap_or(0)).collect::<Vec<_>>()
        });
        assert!(disk.is_off(), "seed {seed}: the power did not go");
        drop((media, store));
        let disk = disk.crash(Crash { keep: Keep::Random(seed), tear: Tear::Sector512 });
        let store = small().disk(disk.clone()).open(disk.root()).unwrap();
        let media = store.account("a").unwrap();
        for (message, acknowledged) in (0..6).zip(acknowledged) {
            let found = parts(&media, message);
            let first = found[0];
            assert_eq!(found, vec![first; PARTS as usize], "seed {seed}, message {message}");
            assert!(first == acknowledged || first == acknowledged + 1, "seed {seed}: {first}, not {acknowledged}");
        }
        let listed: HashSet<_> = media.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect();
        assert_eq!(listed.len() as u64, store.stats().unwrap().names, "seed {seed}");
        assert_eq!(store.recount().unwrap(), [], "seed {seed}");
    }
}

//! Quotas of an account and limits of a prefix hold exactly while sixteen threads write, and refuse
//! nothing for which there is room.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{
    Account, Clock, DeleteOptions, Durability, ErrorKind, ListOptions, Policy, PrefixLimit, PutOptions, Result, Store,
    StoreOptions, Upkeep,
};
use support::Random;
use tempfile::TempDir;

/// Writing is to race, not to wait for a device.
fn directory() -> TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("mediacask-test-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap()
}

/// A store whose clock stands still until it is set on.
fn with_clock() -> (StoreOptions, Arc<AtomicU64>) {
    let hands = Arc::new(AtomicU64::new(1_700_000_000_000));
    let shown = Arc::clone(&hands);
    let clock = Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(shown.load(Ordering::SeqCst)));
    (Store::options().clock(clock).upkeep(Upkeep::ByHand), hands)
}

/// Whether it was done; all that may stand against it is a quota.
fn done<T>(outcome: Result<T>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::QuotaExceeded => false,
        Err(error) => panic!("{error}"),
    }
}

/// Names and bytes under a prefix, as they are listed.
fn held(media: &Account, prefix: &str) -> (u64, u64) {
    let sizes = media.entries(ListOptions::new().prefix(prefix)).map(|entry| entry.unwrap().size);
    sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
}

const QUOTA_COUNT: u64 = 60;
const QUOTA_BYTES: u64 = 200_000;

/// Content of a length that is nobody else's, or one that many share.
fn some_content(random: &mut Random) -> Vec<u8> {
    let len = random.below(9_000) as usize;
    if random.sixteenths(4) { vec![7; len / 1_000 * 1_000] } else { random.bytes(len) }
}

fn some_options(random: &mut Random) -> PutOptions {
    let durability = if random.sixteenths(4) { Durability::Os } else { Durability::Sync };
    let options = PutOptions::new().durability(durability);
    if random.sixteenths(8) { options.ttl(Duration::from_millis(1 + random.below(300))) } else { options }
}

/// Puts, overwrites, deletes, copies and batches of one thread; gives how many the quota refused.
fn crowd(media: &Account, seed: u64, prefix_limit: Option<&(dyn Fn(u64) -> PrefixLimit + Sync)>) -> u64 {
    let mut random = Random::new(seed);
    let mut refused = 0;
    for _ in 0..150 {
        let message = random.below(4);
        let name = |random: &mut Random| format!("m{message}/{}", random.below(40));
        let options = |random: &mut Random| {
            let options = some_options(random);
            prefix_limit.map_or_else(|| options.clone(), |limit| options.clone().prefix_limit(limit(message)))
        };
        let was_done = match random.below(8) {
            0..4 => {
                let (name, bytes, options) = (name(&mut random), some_content(&mut random), options(&mut random));
                done(media.put(&name, bytes, &options))
            }
            4 | 5 => done(media.delete(&name(&mut random), &DeleteOptions::new())),
            6 => {
                let (from, to, options) = (name(&mut random), name(&mut random), options(&mut random));
                done(media.copy(&from, &to, &options))
            }
            _ => {
                let mut batch = media.batch();
                for _ in 0..3 {
                    let (name, bytes, options) = (name(&mut random), some_content(&mut random), options(&mut random));
                    batch.put(&name, bytes, &options).unwrap();
                }
                batch.delete(&name(&mut random), &DeleteOptions::new()).unwrap();
                done(batch.commit())
            }
        };
        refused += u64::from(!was_done);
    }
    refused
}

#[test]
fn an_accounts_quotas_hold_exactly_and_refuse_nothing_there_is_room_for() {
    let dir = directory();
    let (options, hands) = with_clock();
    let store = options.open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let mut policy = Policy::default();
    (policy.quota_bytes, policy.quota_count) = (Some(QUOTA_BYTES), Some(QUOTA_COUNT));
    media.set_policy(&policy).unwrap();
    for round in 0..4_u64 {
        let over = AtomicBool::new(false);
        let refused: u64 = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let stats = media.stats().unwrap();
                    assert!(stats.count <= QUOTA_COUNT && stats.bytes <= QUOTA_BYTES, "{stats:?}");
                    hands.fetch_add(1, Ordering::SeqCst);
                    store.sweep().unwrap();
                }
            });
            let spawn = |thread: u64| {
                let media = &media;
                scope.spawn(move || crowd(media, round << 8 | thread, None))
            };
            let threads: Vec<_> = (0..16).map(spawn).collect();
            let refused = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            over.store(true, Ordering::SeqCst);
            refused
        });
        assert!(refused > 0, "round {round}: nothing came near the quotas");
        store.sweep().unwrap();
        let stats = media.stats().unwrap();
        assert_eq!((stats.count, stats.bytes), held(&media, ""), "round {round}");
        assert_eq!(store.recount().unwrap(), [], "round {round}");
        fill_up(&media, &PutOptions::new(), "", (QUOTA_COUNT, QUOTA_BYTES));
    }
}

/// All the room there is can be used, to the last name and byte, and no more; then gives some back.
fn fill_up(media: &Account, options: &PutOptions, prefix: &str, (count_max, bytes_max): (u64, u64)) {
    let put = |name: &str, len: u64| done(media.put(&format!("{prefix}{name}"), vec![9; len as usize], options));
    let (count, bytes) = held(media, prefix);
    assert!(count <= count_max && bytes <= bytes_max, "{prefix}: {count} names of {bytes} bytes");
    if count < count_max {
        let left = bytes_max - bytes;
        assert!(!put("fill", left + 1), "{prefix}: a byte too many was taken");
        assert!(put("fill", left), "{prefix}: {left} bytes of room were refused");
        assert!(!put("one byte", 1) && !put("fill", left + 1), "{prefix}: a byte too many was taken");
        for n in count + 1..count_max {
            assert!(put(&format!("empty {n}"), 0), "{prefix}: name {n} was refused");
        }
    }
    assert_eq!(held(media, prefix).0, count_max);
    assert!(!put("one name", 0), "{prefix}: a name too many was taken");
    let entries: Vec<_> = media.entries(ListOptions::new().prefix(prefix)).map(|entry| entry.unwrap().name).collect();
    let own = |name: &str| ["fill", "empty"].iter().any(|own| name[prefix.len()..].starts_with(own));
    for name in entries.iter().enumerate().filter_map(|(n, name)| (n % 2 == 0 || own(name)).then_some(name)) {
        assert!(media.delete(name, &DeleteOptions::new()).unwrap());
    }
}

#[test]
fn the_limits_of_prefixes_hold_exactly_under_overwrites_deletes_batches_and_expiry() {
    let dir = directory();
    let (options, hands) = with_clock();
    let store = options.open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let limit = |message| PrefixLimit::new(format!("m{message}/"), 10, 40_000);
    for round in 0..4_u64 {
        let over = AtomicBool::new(false);
        let refused: u64 = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    hands.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                }
            });
            let spawn = |thread: u64| {
                let media = &media;
                scope.spawn(move || crowd(media, 1 << 16 | round << 8 | thread, Some(&limit)))
            };
            let threads: Vec<_> = (0..16).map(spawn).collect();
            let refused = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            over.store(true, Ordering::SeqCst);
            refused
        });
        assert!(refused > 0, "round {round}: nothing came near the limits");
        for message in 0..4 {
            let options = PutOptions::new().prefix_limit(limit(message));
            fill_up(&media, &options, &format!("m{message}/"), (10, 40_000));
        }
        // What has expired takes no room, swept or not.
        if round % 2 == 0 {
            store.sweep().unwrap();
        }
        assert_eq!(store.recount().unwrap(), [], "round {round}");
    }
}

#[test]
fn ten_media_and_five_megabytes_a_message_are_what_sixteen_threads_can_put() {
    let dir = directory();
    let store = Store::options().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    // (bytes a part, parts that fit): bounded by their count, then by their bytes.
    let cases = [(10_000, 10), (500_000, 10), (600_000, 8), (2_500_000, 2), (5_000_000, 1), (5_000_001, 0)];
    for (len, fit) in cases {
        let prefix = format!("of {len}/");
        let options = PutOptions::new().prefix_limit(PrefixLimit::new(prefix.as_str(), 10, 5_000_000));
        let barrier = Barrier::new(16);
        let taken: u64 = thread::scope(|scope| {
            let spawn = |thread: u64| {
                let (media, prefix, options, barrier) = (&media, &prefix, &options, &barrier);
                scope.spawn(move || {
                    let part = |n: u64| {
                        // Every other one is the content of another, too: the size of each counts.
                        let bytes = vec![(thread / 2) as u8; len];
                        u64::from(done(media.put(&format!("{prefix}{thread}-{n}"), bytes, options)))
                    };
                    barrier.wait();
                    (0..2).map(part).sum::<u64>()
                })
            };
            let threads: Vec<_> = (0..16).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((taken, held(&media, &prefix).0), (fit, fit), "parts of {len} bytes");
        let left = 5_000_000 - fit * len as u64;
        if fit < 10 {
            assert!(done(media.put(&format!("{prefix}rest"), vec![1; left as usize], &options)));
            assert!(!done(media.put(&format!("{prefix}byte"), vec![1; 1], &options)));
        }
    }
}

#[test]
fn a_name_that_is_deleted_while_its_prefix_is_counted_takes_no_room() {
    let dir = directory();
    let store = Store::options().durability(Durability::Os).upkeep(Upkeep::ByHand).open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    for round in 0..400 {
        let prefix = format!("{round}/");
        for n in 0..10 {
            media.put(&format!("{prefix}{n}"), "part", &PutOptions::new()).unwrap();
        }
        let options = PutOptions::new().prefix_limit(PrefixLimit::new(prefix.as_str(), 10, 1_000));
        let barrier = Barrier::new(7);
        thread::scope(|scope| {
            for thread in 0..6 {
                let (media, prefix, options, barrier) = (&media, &prefix, &options, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    done(media.put(&format!("{prefix}new-{thread}"), "part", options))
                });
            }
            barrier.wait();
            for n in 0..8 {
                assert!(media.delete(&format!("{prefix}{n}"), &DeleteOptions::new()).unwrap());
            }
        });
        let (count, _) = held(&media, &prefix);
        for n in count..10 {
            assert!(done(media.put(&format!("{prefix}late-{n}"), "part", &options)), "round {round}: room was refused");
        }
        assert!(!done(media.put(&format!("{prefix}too-many"), "part", &options)), "round {round}");
    }
}

//! Puts, deletes, copies, batches, expiry and sweeps of the same few contents race: no byte is lost, no
//! reference is left behind, while segments leave the log and are written again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use mediacask::{Account, Clock, Dedup, DeleteOptions, Entry, Expiry, PutOptions, Store, StoreOptions};
use mediacask::{UpdateOptions, Upkeep};

use crate::support::Random;
use crate::{Hands, content, directory, small, stamp_of};

/// Lengths of the shared contents; the last two have files of their own.
const LENS: [usize; 6] = [0, 60, 2_000, 9_000, 17_000, 30_000];
const THREADS: u64 = 8;
const NAMES: u64 = 6;
const ROUNDS: u64 = 9;
/// Operations of a thread in a round: at least,
const OPERATIONS: u64 = 120;
/// and at most, while no segment was freed beside them.
const OPERATIONS_MAX: u64 = 200 * OPERATIONS;

/// A content, of which a new set comes up each round and the old one goes.
fn shared(n: u64) -> Vec<u8> {
    let len = LENS[n as usize % LENS.len()];
    if len == 0 { Vec::new() } else { content(n, len) }
}

/// What a thread knows of its own names: which content each has, and until when.
type Known = HashMap<String, (u64, Option<SystemTime>)>;

/// One thread's names in one account.
struct Owner {
    media: Account,
    clock: Clock,
    thread: u64,
    round: u64,
    known: Known,
    random: Random,
}

impl Owner {
    fn name(&mut self) -> String {
        format!("{}/{}", self.thread, self.random.below(NAMES))
    }

    fn content(&mut self) -> u64 {
        self.round * LENS.len() as u64 + self.random.below(LENS.len() as u64)
    }

    fn options(&mut self) -> PutOptions {
        match self.random.below(3) {
            0 => PutOptions::new(),
            _ => PutOptions::new().ttl(Duration::from_millis(1 + self.random.below(400))),
        }
    }

    fn keep(&mut self, name: &str, n: u64, entry: &Entry) {
        assert_eq!(entry.size, shared(n).len() as u64);
        self.known.insert(name.to_owned(), (n, entry.expires_at));
    }

    fn is_over(&self, until: Option<SystemTime>) -> bool {
        until.is_some_and(|until| until <= self.clock.now())
    }

    /// One operation on a name of the thread's own, with content that all threads use.
    fn act(&mut self) {
        let (name, n, options) = (self.name(), self.content(), self.options());
        match self.random.below(12) {
            0..5 => {
                let entry = self.media.put(&name, shared(n), &options).unwrap();
                self.keep(&name, n, &entry);
            }
            5 => {
                let entry = self.media.put_reader(&name, &shared(n)[..], &options).unwrap();
                self.keep(&name, n, &entry);
            }
            6 | 7 => {
                self.media.delete(&name, &DeleteOptions::new()).unwrap();
                self.known.remove(&name);
            }
            8 => {
                let to = self.name();
                let source = self.known.get(&name).copied();
                if let Some(entry) = self.media.copy(&name, &to, &options).unwrap() {
                    self.keep(&to, source.unwrap().0, &entry);
                }
            }
            9 => {
                let options = UpdateOptions::new().expiry(Expiry::After(Duration::from_millis(300)));
                if let Some(entry) = self.media.update(&name, &options).unwrap() {
                    let n = self.known[&name].0;
                    self.keep(&name, n, &entry);
                }
            }
            10 => {
                let other = self.name();
                let mut batch = self.media.batch();
                batch.delete(&other, &DeleteOptions::new()).unwrap().put(&name, shared(n), &options).unwrap();
                let outcomes = batch.commit().unwrap();
                self.known.remove(&other);
                let mediacask::Outcome::Put(entry) = &outcomes[1] else { panic!("{outcomes:?}") };
                self.keep(&name, n, entry);
            }
            _ => self.check(&name),
        }
    }

    /// The name is what its owner made it, and nothing else.
    fn check(&self, name: &str) {
        let before = self.known.get(name).filter(|(_, until)| !self.is_over(*until));
        let found = self.media.get(name).unwrap();
        if let Some(blob) = &found {
            let (n, _) = before.unwrap_or_else(|| panic!("{name} came back"));
            assert!(blob[..] == shared(*n)[..], "{name} holds something else");
            if !blob.is_empty() {
                assert_eq!(stamp_of(blob), *n);
            }
        }
        // The clock goes on meanwhile: what was there may be over, but what is not over is there.
        let still = before.is_some_and(|(_, until)| !self.is_over(*until));
        assert!(found.is_some() || !still, "{name} was lost");
    }
}

/// Races for some rounds; each begins where the last ended. Where sweeping is by hand, each goes on until a
/// segment was freed meanwhile. In the end all that is left is freed.
fn race(options: &StoreOptions, upkeep: Upkeep, seed: u64) {
    let dir = directory();
    let hands = Hands::new();
    let clock = hands.clock();
    let options = options.clone().upkeep(upkeep).clock(clock.clone());
    let mut store = options.clone().open(dir.path()).unwrap();
    let mut all: Vec<Known> = (0..THREADS).map(|_| Known::new()).collect();
    for round in 0..ROUNDS {
        println!("seed {seed}, round {round}");
        let (over, freed) = (AtomicBool::new(false), AtomicU64::new(0));
        // The background does not tell what it frees.
        let is_enough = || upkeep == Upkeep::Background || freed.load(Ordering::SeqCst) > 0;
        all = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    hands.advance(Duration::from_millis(3));
                    freed.fetch_add(store.sweep().unwrap().segments_freed, Ordering::SeqCst);
                }
            });
            let owners = all.drain(..).zip(0..).map(|(known, thread)| {
                let media = store.account(if thread % 2 == 0 { "even" } else { "odd" }).unwrap();
                let random = Random::new(seed ^ (round << 16) ^ (thread << 8));
                Owner { media, clock: clock.clone(), thread, round, known, random }
            });
            let act = |mut owner: Owner| {
                scope.spawn(|| {
                    let mut done = 0;
                    while done < OPERATIONS || (done < OPERATIONS_MAX && !is_enough()) {
                        owner.act();
                        done += 1;
                    }
                    owner
                })
            };
            let threads: Vec<_> = owners.map(act).collect();
            let owners: Vec<Owner> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            over.store(true, Ordering::SeqCst);
            owners
                .into_iter()
                .map(|owner| {
                    let names: Vec<_> = (0..NAMES).map(|n| format!("{}/{n}", owner.thread)).collect();
                    names.iter().for_each(|name| owner.check(name));
                    owner.known
                })
                .collect()
        });
        assert!(is_enough(), "no segment was freed beside {OPERATIONS_MAX} operations of each thread");
        settle(&store, &clock, &all);
        if round % 3 == 2 {
            store.close().unwrap();
            store = options.clone().open(dir.path()).unwrap();
            settle(&store, &clock, &all);
        }
    }
    for account in ["even", "odd"] {
        store.account(account).unwrap().purge("").unwrap();
    }
    // A segment of deletions may wait for the one before it, whose puts they hold back.
    for _ in 0..=store.stats().unwrap().segments {
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.names, stats.contents, stats.logical_bytes), (0, 0, 0));
    assert!(stats.segments <= 2, "an emptied store keeps {} segments", stats.segments);
    assert_eq!(store.recount().unwrap(), []);
}

/// While nobody writes: references are what names there are, and every living name is right.
fn settle(store: &Store, clock: &Clock, all: &[Known]) {
    store.sweep().unwrap();
    assert_eq!(store.recount().unwrap(), []);
    let mut alive = 0;
    for (thread, known) in all.iter().enumerate() {
        let media = store.account(if thread % 2 == 0 { "even" } else { "odd" }).unwrap();
        for (name, (n, until)) in known {
            let is_over = until.is_some_and(|until| until <= clock.now());
            alive += u64::from(!is_over);
            match media.get(name).unwrap() {
                Some(blob) => assert!(!is_over && blob[..] == shared(*n)[..], "{name}"),
                None => assert!(is_over, "{name} was lost"),
            }
        }
    }
    let stats = store.stats().unwrap();
    assert_eq!(stats.names, alive);
    let listed: usize = store.accounts().unwrap().iter().map(|account| account.count as usize).sum();
    assert_eq!(listed as u64, alive);
}

#[test]
fn races_swept_by_hand_lose_no_byte_and_leak_no_reference() {
    race(&small(), Upkeep::ByHand, 1);
}

#[test]
fn races_swept_in_the_background_lose_no_byte_and_leak_no_reference() {
    race(&small(), Upkeep::Background, 2);
}

#[test]
fn races_over_content_that_accounts_share_lose_no_byte_and_leak_no_reference() {
    let options = small().dedup(Dedup::Store);
    race(&options, Upkeep::Background, 3);
    race(&options.verify(mediacask::Verify::Once), Upkeep::ByHand, 4);
}

#[test]
fn a_put_refused_by_its_prefix_limit_lets_go_of_the_content_it_shared() {
    let dir = directory();
    let store = Store::options().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    for n in 0..1_001 {
        media.put(&format!("m/{n}"), "shared", &PutOptions::new().durability(mediacask::Durability::Os)).unwrap();
    }
    let limit = mediacask::PrefixLimit::new("m/", 1_000, 1 << 20);
    let refused = media.put("m/one-more", "shared", &PutOptions::new().prefix_limit(limit)).unwrap_err();
    assert_eq!(refused.kind(), mediacask::ErrorKind::QuotaExceeded);
    assert_eq!(store.recount().unwrap(), []);
}

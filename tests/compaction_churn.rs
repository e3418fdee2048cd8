//! Names that are written over without end: the store takes no more room than it may, nobody waits long for upkeep, and
//! compaction writes less than its callers do.
//!
//! In short with every run of the tests; `make churn` does it at full size, and prints the figures.

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mediacask::{Account, PutOptions, Stats, Store, StoreOptions, testing};
use parking_lot::Mutex;
use support::Random;

const WRITERS: u64 = 16;
const CONTENT: usize = 16 << 10;
/// Writes of one writer after which it looks at the room that the store takes.
const LOOK: u64 = 32;

/// Spares that a store keeps which has no more than some dozens of segments.
const SPARES_MAX: u64 = 4;

/// How much is written.
struct Scale {
    names: u64,
    /// How often each name is written over, about.
    times: u64,
    /// Two of these there may be beside what is needed and its share of dead.
    segment: u64,
}

/// What it came to.
struct Figures {
    stats: Stats,
    /// What may be taken: 1.3 times what is needed, and two segments.
    bound: u64,
    /// Of all looks at the room taken, the smallest first.
    looks: Vec<u64>,
    /// At the brake, and for the right to write: how many there were, how many took longer than 100 ms, the longest.
    waits: [(u64, u64, Duration); 2],
    written: u64,
    took: Duration,
}

impl Figures {
    /// What no more was taken than at this share of the looks.
    fn taken(&self, percent: usize) -> u64 {
        self.looks[(self.looks.len() - 1) * percent / 100]
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        let [braked, held] = self.waits;
        write!(
            f,
            "{} MiB written in {:?}, {} MiB again by compaction; {} MiB taken in the middle, no more than {} nine times of \
             ten, {} at most, {} are allowed; {} waits at the brake, the longest {:?}, {} for the right to write, the longest {:?}, {} in all \
             of more than 100 ms",
            mib(self.written),
            self.took,
            mib(self.stats.compacted_bytes),
            mib(self.taken(50)),
            mib(self.taken(90)),
            mib(self.taken(100)),
            mib(self.bound),
            braked.0,
            braked.2,
            held.0,
            held.2,
            braked.1 + held.1
        )
    }
}

/// Content that tells its name and its version from others.
fn content(name: u64, version: u64) -> Vec<u8> {
    let mut bytes = vec![name as u8; CONTENT];
    bytes[..16].copy_from_slice(&(u128::from(name) << 64 | u128::from(version)).to_le_bytes());
    bytes
}

fn put(account: &Account, name: u64, version: u64) {
    account.put(&format!("m/{name}"), content(name, version), &PutOptions::new()).unwrap();
}

/// Does a part of the work in each writer.
fn in_parallel(work: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let work = &work;
            scope.spawn(move || work(writer));
        }
    });
}

/// Bytes of the files that are segments, or are being gathered for one, as the directory has them.
fn bytes_on_disk(dir: &Path) -> u64 {
    // What is gathered gets its name last: in this order nothing is counted twice.
    let lens = ["segments", "staging"].map(|sub| {
        let files = std::fs::read_dir(dir.join(sub)).unwrap().map(|file| file.unwrap().path());
        // One that has gone meanwhile takes nothing.
        let segments = files.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
        segments.filter_map(|path| std::fs::metadata(path).ok()).map(|facts| facts.len()).sum::<u64>()
    });
    lens.iter().sum()
}

/// Writes over the names of one writer, and looks at the room now and then: as the store tells it, and as it is.
fn write_over(at: (&Store, &Path), scale: &Scale, writer: u64, versions: &[AtomicU64], looks: &Mutex<Vec<u64>>) {
    let (store, dir) = at;
    let (account, mut random) = (store.account("5500001").unwrap(), Random::new(writer));
    let own = scale.names / WRITERS;
    for version in 1..=own * scale.times {
        // Each writer has names of its own, so that it knows what stands there.
        let name = random.below(own) * WRITERS + writer;
        put(&account, name, version);
        versions[name as usize].store(version, Ordering::SeqCst);
        if version.is_multiple_of(LOOK) {
            let stats = store.stats().unwrap();
            looks.lock().push((stats.total_bytes - stats.spare_bytes).max(bytes_on_disk(dir)));
            assert!(stats.spare_segments <= SPARES_MAX, "{} spares", stats.spare_segments);
        }
    }
}

fn churn(options: StoreOptions, scale: &Scale) -> Figures {
    // On a disk, where its callers wait for it: one of memory lets them take all of the machine.
    let dir = tempfile::tempdir().unwrap();
    let store = options.open(dir.path()).unwrap();
    in_parallel(|writer| {
        let account = store.account("5500001").unwrap();
        (0..scale.names / WRITERS).for_each(|name| put(&account, name * WRITERS + writer, 0));
    });
    let live = store.stats().unwrap().live_bytes;
    let versions: Vec<AtomicU64> = (0..scale.names).map(|_| AtomicU64::new(0)).collect();
    let (looks, begun) = (Mutex::new(Vec::new()), Instant::now());
    in_parallel(|writer| write_over((&store, dir.path()), scale, writer, &versions, &looks));
    let took = begun.elapsed();
    let account = store.account("5500001").unwrap();
    for name in 0..scale.names {
        let wanted = content(name, versions[name as usize].load(Ordering::SeqCst));
        assert!(account.get(&format!("m/{name}")).unwrap().unwrap()[..] == wanted, "m/{name}");
    }
    assert!(store.health().trouble.is_none() && store.health().damage.is_empty(), "{:?}", store.health());
    let mut looks = looks.into_inner();
    looks.sort_unstable();
    Figures {
        stats: store.stats().unwrap(),
        bound: live * 13 / 10 + 2 * scale.segment,
        looks,
        waits: testing::waits_for_upkeep(&store),
        written: scale.names * scale.times * CONTENT as u64,
        took,
    }
}

#[test]
fn a_store_that_is_written_over_without_end_keeps_to_its_bound_and_writes_less_than_its_callers() {
    let is_whole = std::env::var_os("MEDIACASK_CHURN").is_some_and(|how| how == "whole");
    let (scale, options) = if is_whole {
        (Scale { names: 20_000, times: 10, segment: 128 << 20 }, Store::options())
    } else {
        let scale = Scale { names: 640, times: 20, segment: 8 << 20 };
        let options = Store::options().segment_len(scale.segment).file_threshold(scale.segment / 4);
        (scale, options)
    };
    let figures = churn(options, &scale);
    println!("{figures}");
    assert!(figures.stats.compacted_bytes > 0 && figures.stats.compacted_bytes < figures.written, "{figures}");
    assert!(figures.taken(100) <= figures.bound, "{figures}");
    let [braked, held] = figures.waits;
    // Upkeep has the right to write for moments, but the machine may not let it go on.
    assert!(braked.1 == 0 && held.1 <= scale.names * scale.times / 1000, "{figures}");
}

//! How fast does a store let go of names whose time has come: from the log and the catalog, space and index included?
#![allow(missing_docs)] // Criterion makes functions without.

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacask::{Durability, PutOptions, Store, Upkeep};
use support::{content, directory};

const NAMES: u64 = 20_000;
/// Longer than it takes to put them.
const TTL: Duration = Duration::from_secs(3);

/// A sweep of as many names as were put, all of them due.
fn swept() -> Duration {
    let dir = directory();
    let store = Store::options().durability(Durability::Os).upkeep(Upkeep::ByHand).open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    let options = PutOptions::new().ttl(TTL);
    let mut expires = std::time::SystemTime::now();
    for n in 0..NAMES {
        let name = format!("media/{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let entry = media.put(&name, content(512), &options).expect("a put");
        expires = entry.expires_at.expect("each has a time to live");
    }
    // What was put is in the index before anything is measured.
    assert_eq!(store.sweep().expect("a sweep").expired, 0, "they were put too slowly");
    std::thread::sleep(expires.duration_since(std::time::SystemTime::now()).unwrap_or_default());
    let begun = Instant::now();
    assert_eq!(store.sweep().expect("a sweep").expired, NAMES);
    begun.elapsed()
}

fn expire(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("expire");
    group.throughput(Throughput::Elements(NAMES)).sample_size(10).warm_up_time(Duration::from_millis(1));
    group.bench_function("20,000 names that are due", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| swept()).sum());
    });
    group.finish();
}

criterion_group!(benches, expire);
criterion_main!(benches);

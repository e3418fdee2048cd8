//! How many names a second does a walk by pages of a thousand give?
#![allow(missing_docs)] // Criterion makes functions without.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacask::{Durability, ListOptions, PutOptions, Store};
use support::directory;

const NAMES: u64 = 100_000;

fn list(criterion: &mut Criterion) {
    let dir = directory();
    let store = Store::options().durability(Durability::Os).open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    for n in 0..NAMES {
        media
            .put(&format!("media/{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), "x", &PutOptions::new())
            .expect("a put");
    }
    let mut group = criterion.benchmark_group("list");
    group.throughput(Throughput::Elements(NAMES));
    group.bench_function("a walk over 100,000 names", |bencher| {
        bencher.iter(|| media.entries(ListOptions::new()).inspect(|entry| assert!(entry.is_ok())).count());
    });
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = list }
criterion_main!(benches);

//! What does a put cost whose content is stored already?
#![allow(missing_docs)] // Criterion makes functions without.

mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mediacask::{PutOptions, Store};
use support::{content, directory};

const LEN: usize = 1 << 20;

fn dedup(criterion: &mut Criterion) {
    let dir = directory();
    let store = Store::open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    let stored = content(LEN);
    media.put("first", &stored, &PutOptions::new()).expect("a put");
    media.put("second", &stored, &PutOptions::new()).expect("a put");
    assert_eq!(store.stats().expect("counts").dedup_hits, 1);
    let mut number = 0u64;
    let mut name = || {
        number += 1;
        number.to_string()
    };
    let mut group = criterion.benchmark_group("put 1 MiB, durable, one thread");
    group.throughput(Throughput::Bytes(LEN as u64));
    group.bench_function("content that is stored already", |bencher| {
        bencher.iter_batched(
            &mut name,
            |name| media.put(&name, &stored, &PutOptions::new()).expect("a put"),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("content that is new", |bencher| {
        bencher.iter_batched(
            || (name(), content(LEN)),
            |(name, bytes)| media.put(&name, bytes, &PutOptions::new()).expect("a put"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = dedup }
criterion_main!(benches);

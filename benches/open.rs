//! How long until the first get after opening a store of a hundred thousand names?
#![allow(missing_docs)] // Criterion makes functions without.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use mediacask::{Durability, PutOptions, Store};
use support::directory;

const NAMES: u64 = 100_000;

fn open(criterion: &mut Criterion) {
    let dir = directory();
    let store = Store::options().durability(Durability::Os).open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    for n in 0..NAMES {
        media.put(&format!("media/{n}"), n.to_le_bytes(), &PutOptions::new()).expect("a put");
    }
    drop(media);
    store.close().expect("a close");
    drop(store);
    let first_get = || {
        let store = Store::open(dir.path()).expect("a store");
        let blob = store.account("bench").expect("an account").get("media/77").expect("a get");
        (store, blob)
    };
    let mut group = criterion.benchmark_group("open to first get, 100,000 names");
    group.bench_function("after a clean close", |bencher| bencher.iter_with_large_drop(first_get));
    group.bench_function("without catalog and index", |bencher| {
        bencher.iter_batched(
            || {
                let _ = std::fs::remove_file(dir.path().join("catalog"));
                let _ = std::fs::remove_dir_all(dir.path().join("index"));
            },
            |()| first_get(),
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = open }
criterion_main!(benches);

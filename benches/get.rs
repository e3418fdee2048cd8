//! How fast are hot reads: slices, every byte, ranges; a thousand names and a hundred thousand?
#![allow(missing_docs)] // Criterion makes functions without.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacask::{Durability, PutOptions, Store, Verify};
use support::{content, directory};

fn get(criterion: &mut Criterion) {
    for (len, names) in [(16 << 10, 1000u64), (1 << 20, 200), (200, 100_000)] {
        for (verify, called) in [(Verify::Always, "always"), (Verify::Once, "once")] {
            let dir = directory();
            let store = Store::options().verify(verify).durability(Durability::Os).open(dir.path()).expect("a store");
            let media = store.account("bench").expect("an account");
            for n in 0..names {
                media.put(&format!("media/{n}"), content(len), &PutOptions::new()).expect("a put");
            }
            store.sync().expect("a sync");
            let all: Vec<String> = (0..names).map(|n| format!("media/{}", n * 7919 % names)).collect();
            let mut group = criterion.benchmark_group(format!("get of {len} bytes, {names} names, verify {called}"));
            let mut turn = 0;
            let mut next = || {
                turn = (turn + 1) % all.len();
                &all[turn]
            };
            group.bench_function("slice", |bencher| {
                bencher.iter(|| media.get(next()).expect("a get").expect("there").len());
            });
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function("every byte", |bencher| {
                bencher.iter(|| {
                    let blob = media.get(next()).expect("a get").expect("there");
                    blob.chunks_exact(8).fold(0u64, |sum, word| sum ^ u64::from_le_bytes(word.try_into().expect("8")))
                });
            });
            group.finish();
        }
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = get }
criterion_main!(benches);

//! How much of the disk's own speed do durable puts reach?
//!
//! Each round writes the same bytes raw and through the store, one after the other, so that a disk that
//! changes its mind changes both. The table at the end is the answer; criterion's own figures follow.
#![allow(missing_docs, clippy::cast_precision_loss)] // Criterion makes functions without docs; ratios are for people.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use mediacask::{PutOptions, Store};
use support::{Raw, content, directory, on_threads};

const ROUNDS: usize = 7;

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn ratios() {
    println!("size      threads   mediacask/raw   ops/s (mediacask)");
    for (len, threads, each) in
        [(16 << 10, 1, 300), (16 << 10, 16, 100), (128 << 10, 16, 24), (1 << 20, 16, 4), (8 << 20, 1, 6)]
    {
        let dir = directory();
        let ops = threads * each;
        let raw = Raw::new(dir.path(), (ops * (ROUNDS + 1) * (len + 4096)) as u64, false);
        let store = Store::open(dir.path().join("store")).expect("a store");
        let media = store.account("bench").expect("an account");
        let (mut ratios, mut speeds) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let contents: Vec<Vec<u8>> = (0..ops).map(|_| content(len)).collect();
            let by_raw = on_threads(threads, each, |thread, n| raw.put(contents[thread * each + n].clone()));
            let by_store = on_threads(threads, each, |thread, n| {
                let name = format!("{round}/{thread}/{n}");
                media.put(&name, &contents[thread * each + n], &PutOptions::new()).expect("a put");
            });
            if round > 0 {
                ratios.push(by_raw / by_store);
                speeds.push(ops as f64 / by_store);
            }
        }
        println!("{:>4} KiB {threads:>8} {:>12.2} {:>16.0}", len >> 10, median(ratios), median(speeds));
    }
}

fn put(criterion: &mut Criterion) {
    ratios();
    let dir = directory();
    let store = Store::open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    let mut number = 0u64;
    criterion.bench_function("put 16 KiB, durable, one thread", |bencher| {
        bencher.iter_batched(
            || content(16 << 10),
            |bytes| {
                number += 1;
                media.put(&number.to_string(), bytes, &PutOptions::new()).expect("a put")
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = put }
criterion_main!(benches);

//! How fast are names overwritten without end, with upkeep on, and how much room do they take?
//!
//! Each round writes the same bytes raw and through the store, one after the other, so that a disk that
//! changes its mind changes both. The line it prints is the answer; criterion's own figures follow.
#![allow(missing_docs, clippy::cast_precision_loss)] // Criterion makes functions without docs; ratios are for people.

mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mediacask::{Account, PutOptions, Store};
use support::{Raw, content, directory, on_threads};

const LEN: usize = 16 << 10;
const NAMES: usize = 4_000;
const THREADS: usize = 16;
const EACH: usize = 60;
const OPS: usize = THREADS * EACH;
const ROUNDS: usize = 15;

fn contents() -> Vec<Vec<u8>> {
    (0..OPS).map(|_| content(LEN)).collect()
}

/// Gives new content to as many names as there are operations in a round, all over the place.
fn overwrite(media: &Account, round: usize, contents: &[Vec<u8>]) -> f64 {
    on_threads(THREADS, EACH, |thread, n| {
        let place = thread * EACH + n;
        let name = ((round * OPS + place) * 2_654_435_761 % NAMES).to_string();
        media.put(&name, &contents[place], &PutOptions::new()).expect("a put");
    })
}

fn churn(criterion: &mut Criterion) {
    let dir = directory();
    let store = Store::open(dir.path().join("store")).expect("a store");
    let media = store.account("bench").expect("an account");
    for n in 0..NAMES {
        media.put(&n.to_string(), content(LEN), &PutOptions::new()).expect("a put");
    }
    let raw = Raw::new(dir.path(), (OPS * ROUNDS * LEN) as u64, false);
    let (mut by_raw, mut by_store) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let contents = contents();
        by_raw += on_threads(THREADS, EACH, |thread, n| raw.put(contents[thread * EACH + n].clone()));
        by_store += overwrite(&media, round, &contents);
    }
    let stats = store.stats().expect("counts");
    let room = stats.total_bytes as f64 / stats.live_bytes as f64;
    println!("{:.2} of raw; {room:.2} bytes on the disk for each that lives, spares included", by_raw / by_store);

    let mut group = criterion.benchmark_group("overwrite");
    group.throughput(Throughput::Elements(OPS as u64)).sample_size(20);
    let mut round = ROUNDS;
    group.bench_function("16 KiB, 16 threads", |bencher| {
        bencher.iter_batched(
            contents,
            |contents| {
                round += 1;
                overwrite(&media, round, &contents)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default(); targets = churn }
criterion_main!(benches);

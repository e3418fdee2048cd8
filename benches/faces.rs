//! What a face of another language adds to a put and a get: the work that it does too, through this library.
//!
//! `cargo bench --bench faces -- put|get BYTES COUNT` prints how many seconds one of COUNT took, in one thread, on a
//! store of its own; without arguments it measures what faces are measured by. `make bench-python` runs both sides
//! in turns. Of gets, which wait for nothing, it is that of the median pass over the names: a pass is short enough
//! for the most to run through on a machine that has other work.

#![allow(clippy::cast_precision_loss)] // Counts are far from where it begins.

mod support;

use std::hint::black_box;
use std::time::Instant;

use mediacask::{Account, Durability, PutOptions, Store};
use support::{content, directory};

/// Names that are read again and again.
const HOT: usize = 100;

fn puts(len: usize, count: usize) -> f64 {
    let dir = directory();
    let store = Store::open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    let contents: Vec<Vec<u8>> = (0..count).map(|_| content(len)).collect();
    let begun = Instant::now();
    for (number, content) in contents.iter().enumerate() {
        media.put(&number.to_string(), content, &PutOptions::new()).expect("a put");
    }
    begun.elapsed().as_secs_f64() / count as f64
}

fn gets(len: usize, count: usize) -> f64 {
    let dir = directory();
    let store = Store::open(dir.path()).expect("a store");
    let media = store.account("bench").expect("an account");
    let names: Vec<String> = (0..HOT).map(|number| number.to_string()).collect();
    for name in &names {
        media.put(name, content(len), &PutOptions::new().durability(Durability::Os)).expect("a put");
    }
    store.sync().expect("a sync");
    let mut passes: Vec<f64> = (0..count / HOT).map(|_| pass(&media, &names)).collect();
    passes.sort_by(f64::total_cmp);
    passes[passes.len() / 2] / HOT as f64
}

/// How long it takes to get each of these.
fn pass(media: &Account, names: &[String]) -> f64 {
    let begun = Instant::now();
    for name in names {
        black_box(media.get(name).expect("a get").expect("it is there"));
    }
    begun.elapsed().as_secs_f64()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |text: &String| text.parse().expect("a number");
    match &arguments[..] {
        [work, len, count] if work == "put" => println!("{}", puts(number(len), number(count))),
        [work, len, count] if work == "get" => println!("{}", gets(number(len), number(count))),
        _ => {
            for (len, puts_count, gets_count) in [(16 << 10, 300, 100_000), (1 << 20, 40, 3_000)] {
                let (put, get) = (1.0 / puts(len, puts_count), 1.0 / gets(len, gets_count));
                println!("{:>5} KiB   put {put:>8.0}/s   get {get:>9.0}/s", len >> 10);
            }
        }
    }
}

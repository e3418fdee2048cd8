//! A listing while others write: what lives through the walk comes exactly once, nothing twice, in order;
//! and who wrote sees it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mediacask::{Account, DeleteOptions, Durability, ListOptions, PutOptions, StoreOptions};

use crate::support::Random;
use crate::{content, directory, small};

/// Segments that hold more: names that stay keep every segment they stand in.
fn roomy() -> StoreOptions {
    small().segment_len(1 << 20)
}

const STABLE: u64 = 300;

fn stable(n: u64) -> String {
    format!("{:04}/stable", n * 3)
}

/// Puts and deletes names between, before and behind those that stay.
fn churn(media: &Account, seed: u64, over: &AtomicBool) {
    let mut random = Random::new(seed);
    while !over.load(Ordering::SeqCst) {
        let name = format!("{:04}/fleeting-{seed}", random.below(STABLE * 3));
        let durability = if random.sixteenths(8) { Durability::Os } else { Durability::Sync };
        if random.sixteenths(8) {
            media.put(&name, content(random.next(), 40), &PutOptions::new().durability(durability)).unwrap();
        } else {
            media.delete(&name, &DeleteOptions::new().durability(durability)).unwrap();
        }
        // What stays may change as long as it lives.
        media.put(&stable(random.below(STABLE)), content(random.next(), 40), &PutOptions::new()).unwrap();
    }
}

#[test]
fn a_name_that_lives_through_the_walk_comes_exactly_once_and_nothing_twice() {
    let dir = directory();
    let store = roomy().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    for n in 0..STABLE {
        media.put(&stable(n), content(n, 40), &PutOptions::new().durability(Durability::Os)).unwrap();
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (media, over) = (&media, &over);
            scope.spawn(move || churn(media, seed, over));
        }
        for limit in [7, 40, 100, 400, 1_000] {
            let mut options = ListOptions::new().limit(limit);
            let (mut names, mut pages) = (Vec::new(), 0);
            loop {
                let page = media.list(&options).unwrap();
                names.extend(page.entries.into_iter().map(|entry| entry.name));
                pages += 1;
                match page.next_token {
                    Some(token) => options = options.token(Some(token)),
                    None => break,
                }
            }
            assert!(names.is_sorted_by(|a, b| a < b), "a name came twice, or out of order");
            let stayed: Vec<_> = names.iter().filter(|name| name.ends_with("stable")).cloned().collect();
            assert_eq!(stayed, (0..STABLE).map(stable).collect::<Vec<_>>(), "in {pages} pages");
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn common_prefixes_come_exactly_once_while_names_below_them_come_and_go() {
    let dir = directory();
    let store = roomy().open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    for n in 0..STABLE {
        media.put(&stable(n), content(n, 40), &PutOptions::new().durability(Durability::Os)).unwrap();
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (media, over) = (&media, &over);
            scope.spawn(move || churn(media, seed, over));
        }
        for limit in [11, 60, 1_000] {
            let mut options = ListOptions::new().delimiter("/").limit(limit);
            let mut counts = HashMap::new();
            loop {
                let page = media.list(&options).unwrap();
                assert!(page.entries.is_empty());
                page.prefixes.into_iter().for_each(|prefix| *counts.entry(prefix).or_insert(0) += 1);
                match page.next_token {
                    Some(token) => options = options.token(Some(token)),
                    None => break,
                }
            }
            assert!(counts.values().all(|count| *count == 1));
            assert!((0..STABLE).all(|n| counts.contains_key(&format!("{:04}/", n * 3))));
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn who_wrote_sees_it_in_the_next_listing() {
    let dir = directory();
    let store = roomy().open(dir.path()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let media = store.account("a").unwrap();
            scope.spawn(move || {
                let prefix = format!("{thread}/");
                let durability = if thread % 2 == 0 { Durability::Sync } else { Durability::Os };
                let names = || -> Vec<String> {
                    media.entries(ListOptions::new().prefix(&prefix)).map(|entry| entry.unwrap().name).collect()
                };
                let mut put = Vec::new();
                for n in 0..40 {
                    let name = format!("{prefix}{n:03}");
                    media.put(&name, content(n, 30), &PutOptions::new().durability(durability)).unwrap();
                    put.push(name);
                    assert_eq!(names(), put);
                    if n % 4 == 3 {
                        let gone = put.remove(n as usize / 8);
                        assert!(media.delete(&gone, &DeleteOptions::new().durability(durability)).unwrap());
                        assert_eq!(names(), put);
                    }
                }
            });
        }
    });
}

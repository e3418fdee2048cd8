//! What a feed of any length promises: reading 100,000 events takes no more memory than reading a few hundred.
//! The only test of its binary: what it measures is the whole process.

mod support;

use std::thread;

use mediacask::{Durability, PutOptions};
use support::place::by_hand;

/// Kibibytes of memory that are this process's own, as the kernel says.
fn anonymous_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells it");
    line.trim().strip_suffix("kB").expect("in kibibytes").trim().parse().expect("a number")
}

#[test]
fn a_hundred_thousand_events_are_read_in_the_memory_of_a_few_hundred() {
    const THREADS: usize = 4;
    const PUTS: usize = 25_000;
    let (_dir, store, media) = by_hand();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let media = &media;
            scope.spawn(move || {
                let options = PutOptions::new().durability(Durability::Os);
                for n in 0..PUTS {
                    // Over and over, so that the catalog stays small; long, so that the feed would not.
                    let name = format!("{thread}/{}/{}", n % 50, "long".repeat(200));
                    media.put(&name, "x", &options).unwrap();
                }
            });
        }
    });
    store.sync().unwrap();
    assert!(store.stats().unwrap().log_bytes_written > 90 << 20);
    let mut events = store.events(0).unwrap();
    assert_eq!(events.by_ref().take(1000).flatten().count(), 1000);
    let (before, mut count, mut most) = (anonymous_kib(), 1000, 0);
    for event in events {
        event.unwrap();
        count += 1;
        if count % 1000 == 0 {
            most = most.max(anonymous_kib());
        }
    }
    assert_eq!(count, THREADS * PUTS);
    let added = most.saturating_sub(before);
    assert!(added < 4 << 10, "{added} KiB were added, for {} MiB of names", (count * 800) >> 20);
}

//! The catalog's checkpoint is derived: deleted, cut, stale or foreign, it changes no answer. Segments are
//! not: one that is missing is told, its names answer that they are damaged, and should it come back, it
//! counts again. One that had left the log does not.

#[path = "damage/scene.rs"]
mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use mediacask::{DeleteOptions, PutOptions, Store};
use scene::{
    Answer, Image, Truth, closed_store, content, happen, killed_store, listed, open, scratch, store_of_many_segments,
};

/// Opens an image whose checkpoint may be anything, and finds all as it should be; twice.
fn all_is_right(image: &Image, truth: &Truth, told: &str) {
    let dir = scratch();
    image.put(dir.path());
    let store = open(dir.path());
    truth.hold(&store, told);
    let mut truth = truth.clone();
    truth.put(&store.account("5500001").unwrap(), "later", &content(40, 70), &PutOptions::new());
    store.close().unwrap_or_else(|e| panic!("{told}: {e}"));
    drop(store);
    let store = open(dir.path());
    truth.hold(&store, &format!("{told}, opened again"));
    assert!(store.health().recovery.from_checkpoint, "{told}: it was not written anew");
    assert!(store.health().damage.is_empty(), "{told}: it is damaged still: {:?}", store.health().damage);
}

#[test]
fn a_checkpoint_that_is_gone_cut_or_garbage_changes_no_answer() {
    for (image, truth) in [closed_store(), killed_store(), store_of_many_segments()] {
        let catalog = image.file("catalog").to_vec();
        all_is_right(&image.without("catalog"), &truth, "without a checkpoint");
        let mut damaged = image.clone();
        for len in (0..catalog.len()).step_by(3) {
            damaged.set("catalog", catalog[..len].to_vec());
            all_is_right(&damaged, &truth, &format!("checkpoint cut at {len}"));
        }
        let mut longer = catalog.clone();
        longer.extend_from_slice(&catalog);
        for (bytes, told) in [
            (longer, "too long"),
            (vec![0; catalog.len()], "zeros"),
            (vec![0xff; 100_000], "ones"),
            (content(1, 5000), "garbage"),
            (image.file(&image.segments()[0]).to_vec(), "a segment"),
        ] {
            damaged.set("catalog", bytes);
            all_is_right(&damaged, &truth, told);
        }
        let mut none = image.without("catalog");
        none.0.insert("catalog".into(), None);
        none.set("catalog/of", b"something else".to_vec());
        all_is_right(&none, &truth, "a directory in its place");
    }
}

#[test]
fn a_damaged_checkpoint_is_told() {
    let (mut image, _) = closed_store();
    image.set("catalog", b"MCASKCT1".to_vec());
    let dir = scratch();
    image.put(dir.path());
    let damage = open(dir.path()).health().damage;
    assert_eq!(damage.len(), 1);
    assert!(damage[0].path.ends_with("catalog"), "{damage:?}");
}

#[test]
fn a_checkpoint_of_another_store_is_left_aside() {
    let (mut image, truth) = closed_store();
    let (other, _) = store_of_many_segments();
    image.set("catalog", other.file("catalog").to_vec());
    all_is_right(&image, &truth, "of another store");
}

/// A store under churn, so that segments leave the log: what it looked like at the end of each day.
struct Days {
    images: Vec<(Image, Truth)>,
    /// Every segment's file there ever was, as it was last.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn days(count: usize, kills: bool) -> Days {
    let dir = scratch();
    let mut truth = Truth::default();
    let mut days = Days { images: Vec::new(), files: BTreeMap::new() };
    for day in 0..count {
        let store = open(dir.path());
        if day < scene::PARTS {
            happen(&store, &mut truth, day);
        }
        let account = store.account("5500001").unwrap();
        for n in 0..40 {
            let seed = (day * 40 + n) as u8;
            truth.put(&account, &format!("churn/{}", n % 3), &content(seed, 3900 - n), &PutOptions::new());
            if n % 8 == 0 {
                truth.put(&account, &format!("of day {day}, {n}"), &content(seed, 33), &PutOptions::new());
            }
            if n % 8 == 4 && day > 0 {
                truth.delete(&account, &format!("of day {}, {}", day - 1, n - 4));
            }
        }
        let seen = Image::of(dir.path());
        days.files.extend(seen.segments().iter().map(|path| (path.clone(), seen.file(path).to_vec())));
        listed(&store, "in the evening");
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
        if kills && day % 2 == 1 {
            let killed = Image::of(dir.path());
            drop(store);
            killed.put(dir.path());
            days.images.push((killed, truth.clone()));
        } else {
            store.close().unwrap();
            drop(store);
            days.images.push((Image::of(dir.path()), truth.clone()));
        }
    }
    days
}

#[test]
fn a_checkpoint_from_an_earlier_day_changes_no_answer() {
    for kills in [false, true] {
        let days = days(9, kills);
        for (today, (image, truth)) in days.images.iter().enumerate() {
            let here: BTreeSet<_> = image.segments().into_iter().collect();
            assert!(today < 4 || days.files.keys().any(|path| !here.contains(path)), "segments leave the log");
            for (day, (earlier, _)) in days.images[..today].iter().enumerate() {
                let mut image = image.clone();
                image.set("catalog", earlier.file("catalog").to_vec());
                all_is_right(&image, truth, &format!("checkpoint of day {day} on day {today}"));
            }
        }
    }
}

#[test]
fn segments_that_had_left_the_log_and_come_back_change_nothing() {
    for kills in [false, true] {
        let days = days(9, kills);
        for (today, (image, truth)) in days.images.iter().enumerate() {
            let mut back = image.clone();
            let here: BTreeSet<_> = image.segments().into_iter().collect();
            let last = here.last().unwrap();
            for (path, bytes) in days.files.iter().filter(|(path, _)| !here.contains(*path) && *path < last) {
                back.set(path, bytes.clone());
            }
            all_is_right(&back, truth, &format!("all segments back on day {today}"));
            let dir = scratch();
            back.put(dir.path());
            drop(open(dir.path()));
            let left: BTreeSet<_> = Image::of(dir.path()).segments().into_iter().filter(|path| path <= last).collect();
            assert_eq!(left, here, "they are removed again");
        }
    }
}

#[test]
fn a_segment_that_left_the_log_and_comes_back_without_the_checkpoint_brings_nothing_back() {
    let dir = scratch();
    let mut truth = Truth::default();
    let store = open(dir.path());
    let account = store.account("5500001").unwrap();
    let fill = |truth: &mut Truth, turn: u8| {
        for n in 0..20 {
            truth.put(&account, &format!("churn/{}", n % 2), &content(turn * 20 + n, 3900), &PutOptions::new());
        }
    };
    // Names in one segment that are taken down in a later one; both are dead in the end.
    (0..9).for_each(|n| truth.put(&account, &format!("gone/{n}"), &content(n, 40), &PutOptions::new()));
    fill(&mut truth, 0);
    let old = Image::of(dir.path());
    let old = (old.segments()[0].clone(), old.file(&old.segments()[0]).to_vec());
    (0..9).for_each(|n| truth.delete(&account, &format!("gone/{n}")));
    for turn in 1..4 {
        fill(&mut truth, turn);
    }
    listed(&store, "as it was made");
    store.close().unwrap();
    drop((account, store));
    for _ in 0..4 {
        let store = open(dir.path());
        store.sweep().unwrap();
        store.close().unwrap();
    }
    let image = Image::of(dir.path());
    let kept = image.segments().iter().map(|path| image.file(path).to_vec()).collect::<Vec<_>>();
    let holds = |segment: &Vec<u8>| segment.windows(6).any(|window| window == b"gone/3");
    assert!(!kept.iter().any(holds), "neither the names nor their ends are in the log any more");
    let mut back = image.without("catalog");
    back.set(&old.0, old.1);
    all_is_right(&back, &truth, "the segment of the names is back");
}

#[test]
fn a_missing_segment_is_damage_and_not_silence() {
    let (image, truth) = store_of_many_segments();
    for path in image.segments() {
        let told = format!("{} missing", path.display());
        let dir = scratch();
        image.put(dir.path());
        fs::remove_file(dir.path().join(&path)).unwrap();
        let mut hit = BTreeSet::new();
        for time in ["", ", opened again", ", opened once more"] {
            let told = format!("{told}{time}");
            let store = open(dir.path());
            let damage = store.health().damage;
            assert!(damage.iter().any(|damage| damage.path.ends_with(&path)), "{told}: health says {damage:?}");
            let answers = truth.ask(&store, &told);
            assert!(answers.values().all(|answer| *answer != Answer::Earlier), "{told}: {answers:?}");
            let now: BTreeSet<_> =
                answers.into_iter().filter(|(_, answer)| *answer == Answer::Corrupt).map(|(key, _)| key).collect();
            assert!(time.is_empty() || now == hit, "{told}: {now:?} and not {hit:?}");
            hit = now;
            assert!(!hit.is_empty() && hit.len() < truth.alive().len(), "{told}: {hit:?}");
            assert_eq!(listed(&store, &told), truth.alive(), "{told}");
            store.close().unwrap();
        }
        // It comes back: all is well again.
        let gone = Image::of(dir.path());
        scene::write(&dir.path().join(&path), image.file(&path));
        let store = open(dir.path());
        truth.hold(&store, &format!("{told}, and back"));
        assert!(store.health().damage.is_empty());
        drop(store);
        // It does not: what is put again is healed, what is deleted is gone, and then nothing is missed.
        gone.put(dir.path());
        let store = open(dir.path());
        let mut truth = truth.clone();
        for (n, key) in hit.iter().enumerate() {
            if n % 3 == 2 {
                assert!(store.account(&key.0).unwrap().delete(&key.1, &DeleteOptions::new()).unwrap());
                truth.note(&key.0, &key.1, None);
            } else {
                truth.heal(&store, key, &told);
            }
        }
        for (account, policy) in &truth.policies {
            store.account(account).unwrap().set_policy(policy).unwrap();
        }
        truth.hold(&store, &format!("{told}, healed"));
        store.close().unwrap();
        drop(store);
        let store: Store = open(dir.path());
        truth.hold(&store, &format!("{told}, healed and opened again"));
        assert!(store.health().damage.is_empty(), "{told}: {:?}", store.health().damage);
    }
}

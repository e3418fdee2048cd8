//! The index is never believed: whatever becomes of it, listings are right and complete in the end, and
//! gets, puts and deletes never fail because of it.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use mediacask::testing::{Fault, break_index};
use mediacask::{IndexState, ListOptions, PutOptions, Store};
use scene::{Image, Truth, content, happen, listed, open, scratch};
use support::Random;

/// How many damaged images each random test tries.
const IMAGES: u64 = 400;

/// A store with names enough for many pages of the index: as it was on an earlier day, and now.
struct Scene {
    earlier: Image,
    now: Image,
    truth: Truth,
}

fn scene() -> Scene {
    let dir = scratch();
    let mut truth = Truth::default();
    let store = open(dir.path());
    happen(&store, &mut truth, 0);
    many(&store, &mut truth, 0..200);
    assert_eq!(listed(&store, "as it was made"), truth.alive());
    store.close().unwrap();
    drop(store);
    let earlier = Image::of(dir.path());
    let store = open(dir.path());
    happen(&store, &mut truth, 1);
    many(&store, &mut truth, 150..300);
    for n in (0..200).step_by(7) {
        truth.delete(&store.account("many").unwrap(), &format!("name/{n:04}"));
    }
    assert_eq!(listed(&store, "as it was made"), truth.alive());
    store.close().unwrap();
    Scene { earlier, now: Image::of(dir.path()), truth }
}

/// Puts names, a batch at a time.
fn many(store: &Store, truth: &mut Truth, numbers: std::ops::Range<usize>) {
    let account = store.account("many").unwrap();
    let numbers: Vec<usize> = numbers.collect();
    for some in numbers.chunks(50) {
        let mut batch = account.batch();
        let made: Vec<(String, Vec<u8>)> =
            some.iter().map(|n| (format!("name/{n:04}"), content((n % 5) as u8, 20))).collect();
        for (name, bytes) in &made {
            batch.put(name, bytes.clone(), &PutOptions::new()).unwrap();
        }
        for (outcome, (name, bytes)) in batch.commit().unwrap().into_iter().zip(made) {
            let mediacask::Outcome::Put(entry) = outcome else { panic!("a put is answered as one") };
            let version = scene::Version { bytes, content_type: None, generation: entry.generation };
            truth.note("many", &name, Some(version));
        }
    }
}

/// Opens an image whose index may be anything. Reads and writes first, then lists; and after a restart.
fn all_is_right(image: &Image, truth: &Truth, told: &str) {
    let dir = scratch();
    image.put(dir.path());
    let mut truth = truth.clone();
    let store = open(dir.path());
    read_write_list(&store, &mut truth, told);
    store.close().unwrap_or_else(|e| panic!("{told}: {e}"));
    drop(store);
    let told = format!("{told}, opened again");
    let store = open(dir.path());
    truth.hold(&store, &told);
    assert!(matches!(store.health().index, IndexState::Current | IndexState::InMemory { .. }), "{told}");
}

fn read_write_list(store: &Store, truth: &mut Truth, told: &str) {
    let account = store.account("many").unwrap();
    for (key, answer) in truth.ask(store, told) {
        assert_eq!(answer, scene::Answer::Right, "{told}: {key:?}");
    }
    truth.put(&account, "name/0100", &content(50, 60), &PutOptions::new());
    truth.put(&account, "new", &content(51, 60), &PutOptions::new());
    truth.delete(&account, "name/0299");
    truth.hold(store, told);
    let page = account.list(&ListOptions::new().delimiter("/")).unwrap_or_else(|e| panic!("{told}: {e}"));
    assert_eq!((page.prefixes, page.entries.len()), (vec!["name/".to_owned()], 1), "{told}");
}

/// The index's files of an image.
fn files(image: &Image) -> Vec<PathBuf> {
    image.below("index", "")
}

/// The file sled keeps its pages in.
fn db(image: &Image) -> PathBuf {
    image.below("index", "/db").into_iter().next().expect("sled has a file")
}

#[test]
fn an_index_that_is_gone_empty_or_in_the_way_is_built_anew() {
    let Scene { now, truth, .. } = scene();
    all_is_right(&now, &truth, "undamaged");
    all_is_right(&now.without("index"), &truth, "deleted");
    let mut image = now.without("index");
    image.0.insert("index".into(), None);
    all_is_right(&image, &truth, "emptied");
    let trees: Vec<PathBuf> = now.0.keys().filter(|path| path.parent() == Some(Path::new("index"))).cloned().collect();
    assert!(!trees.is_empty());
    for tree in &trees {
        image.0.insert(tree.clone(), None);
    }
    all_is_right(&image, &truth, "its tree emptied");
    let mut image = now.without("index");
    image.set("index", b"a file".to_vec());
    all_is_right(&image, &truth, "a file in its place");
    for tree in trees {
        let mut image = now.without(tree.to_str().unwrap());
        image.set(&tree, b"a file".to_vec());
        all_is_right(&image, &truth, "a file in its tree's place");
    }
}

#[test]
fn an_index_of_another_store_or_of_an_earlier_day_is_found_out() {
    let Scene { earlier, now, truth } = scene();
    let other = scene();
    for (from, told) in [(&earlier, "of an earlier day"), (&other.now, "of another store")] {
        let mut image = now.without("index");
        image
            .0
            .extend(from.0.iter().filter(|(path, _)| path.starts_with("index")).map(|(p, b)| (p.clone(), b.clone())));
        all_is_right(&image, &truth, told);
        all_is_right(&image.without("catalog"), &truth, &format!("{told}, and no checkpoint"));
    }
    // The log of an earlier day under the index of a later one.
    let mut image = earlier.without("index");
    image.0.extend(now.0.iter().filter(|(path, _)| path.starts_with("index")).map(|(p, b)| (p.clone(), b.clone())));
    let dir = scratch();
    image.put(dir.path());
    let store = open(dir.path());
    let names = listed(&store, "an index that is ahead");
    assert_eq!(names.iter().filter(|(account, _)| account == "many").count(), 200);
}

#[test]
fn an_index_of_a_copy_of_the_store_that_went_its_own_way_is_found_out() {
    let Scene { now, mut truth, .. } = scene();
    let ways = [0..100, 100..210].map(|numbers| {
        let dir = scratch();
        now.put(dir.path());
        let store = open(dir.path());
        let mut truth = truth.clone();
        let account = store.account("own way").unwrap();
        numbers.for_each(|n| truth.put(&account, &format!("{n}"), &content(1, 30), &PutOptions::new()));
        listed(&store, "on its own way");
        store.close().unwrap();
        (Image::of(dir.path()), truth)
    });
    let [(theirs, _), (ours, our_truth)] = ways;
    truth = our_truth;
    let mut image = ours.without("index");
    image.0.extend(theirs.0.into_iter().filter(|(path, _)| path.starts_with("index")));
    all_is_right(&image, &truth, "an index of another way");
}

#[test]
fn an_index_whose_files_are_scrambled_or_cut_is_built_anew() {
    let Scene { now, truth, .. } = scene();
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut image = now.clone();
        for path in files(&now) {
            let mut bytes = now.file(&path).to_vec();
            match random.below(4) {
                0 => bytes = random.bytes(bytes.len()),
                1 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
                2 => bytes.fill(0),
                _ => {}
            }
            image.set(path, bytes);
        }
        all_is_right(&image, &truth, &format!("scrambled with seed {seed}"));
    }
}

#[test]
fn single_bits_flipped_in_the_index_change_no_answer() {
    let Scene { now, truth, .. } = scene();
    for seed in 0..IMAGES {
        let mut random = Random::new(seed);
        let paths = files(&now);
        let path = if seed % 4 == 0 { &paths[random.below(paths.len() as u64) as usize] } else { &db(&now) };
        let mut bytes = now.file(path).to_vec();
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        if used.is_empty() {
            continue;
        }
        for _ in 0..=seed % 3 {
            bytes[used[random.below(used.len() as u64) as usize]] ^= 1 << random.below(8);
        }
        let mut image = now.clone();
        image.set(path, bytes);
        all_is_right(&image, &truth, &format!("bits of {} flipped with seed {seed}", path.display()));
    }
}

#[test]
fn pages_of_the_index_put_back_to_an_earlier_state_change_no_answer() {
    let Scene { earlier, now, truth } = scene();
    let (old, path) = (earlier.file(db(&earlier)), db(&now));
    for seed in 0..IMAGES {
        let mut random = Random::new(seed);
        let mut bytes = now.file(&path).to_vec();
        for _ in 0..=random.below(4) {
            let page = 4096 * random.below((bytes.len() as u64).div_ceil(4096)) as usize;
            let end = (page + 4096).min(bytes.len());
            let was = old.iter().skip(page).copied().chain(std::iter::repeat(0));
            bytes[page..end].iter_mut().zip(was).for_each(|(byte, was)| *byte = was);
        }
        let mut image = now.clone();
        image.set(&path, bytes);
        all_is_right(&image, &truth, &format!("pages put back with seed {seed}"));
    }
}

#[test]
fn an_unfinished_snapshot_left_in_the_index_does_no_harm() {
    let Scene { now, truth, .. } = scene();
    let tree = db(&now).parent().unwrap().to_path_buf();
    for bytes in [Vec::new(), content(3, 700)] {
        let mut image = now.clone();
        image.set(tree.join("snap.00000000000FFFFF.generating"), bytes);
        all_is_right(&image, &truth, "an unfinished snapshot");
    }
}

#[test]
fn an_index_that_fails_at_open_or_at_any_later_call_is_replaced() {
    let Scene { now, truth, .. } = scene();
    for fault in [Fault::Panic, Fault::Error] {
        for calls in [1, 2, 3, 10, u32::MAX] {
            let told = format!("{fault:?} at open, {calls} times");
            let dir = scratch();
            now.put(dir.path());
            break_index(dir.path(), fault, calls);
            let mut truth = truth.clone();
            let store = open(dir.path());
            read_write_list(&store, &mut truth, &told);
            break_index(dir.path(), fault, 0);
            store.close().unwrap();
            drop(store);
            truth.hold(&open(dir.path()), &format!("{told}, opened again"));
        }
        for calls in [1, 2, 3, 10, u32::MAX] {
            let told = format!("{fault:?} later, {calls} times");
            let dir = scratch();
            now.put(dir.path());
            let mut truth = truth.clone();
            let store = open(dir.path());
            truth.hold(&store, &told);
            break_index(dir.path(), fault, calls);
            read_write_list(&store, &mut truth, &told);
            break_index(dir.path(), fault, 0);
            truth.hold(&store, &told);
            store.close().unwrap();
            drop(store);
            truth.hold(&open(dir.path()), &format!("{told}, opened again"));
        }
    }
}

#[test]
fn damaged_names_stay_listed_when_the_index_is_built_anew() {
    let Scene { now, truth, .. } = scene();
    let segment = &now.segments()[0];
    let mut image = now.clone();
    let mut bytes = image.file(segment).to_vec();
    // The batch of fifty names: each operation is checked by itself, this hits one.
    let place = bytes.windows(13).position(|window| window == b"manyname/0010").expect("it was put");
    bytes[place] ^= 1;
    image.set(segment, bytes);
    let dir = scratch();
    image.put(dir.path());
    let store = open(dir.path());
    let alive = truth.alive();
    for _ in 0..3 {
        store.rebuild_index(&mut |_, _| ()).unwrap();
        assert_eq!(listed(&store, "built anew"), alive);
    }
    // Without the index nobody knows how it is called; nothing else is missing, however often it is built.
    store.close().unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(dir.path());
    let mut known = alive.clone();
    known.remove(&("many".to_owned(), "name/0010".to_owned()));
    for _ in 0..3 {
        assert_eq!(listed(&store, "the index lost"), known);
        store.rebuild_index(&mut |_, _| ()).unwrap();
    }
    let mut truth = truth;
    truth.heal(&store, &("many".to_owned(), "name/0010".to_owned()), "healed");
    truth.hold(&store, "healed");
    store.rebuild_index(&mut |_, _| ()).unwrap();
    truth.hold(&store, "healed, and built anew");
}

//! What damage costs: only what it hits.
//!
//! Whatever byte of whatever file of a store is not what was written there, the store opens; a name
//! answers its own bytes or that they are damaged: never other bytes, never an earlier version, never that
//! it is absent, wherever a footer, the catalog's checkpoint or the index still knows it. What was not hit
//! is as it was, listings stay right and show damaged names, putting the content again heals.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::collections::BTreeSet;
use std::path::Path;

use mediacask::{DeleteOptions, PutOptions};
use scene::{
    Answer, Image, Key, Truth, closed_store, content, killed_store, listed, open, records, scratch,
    store_of_many_segments,
};
use support::Random;

/// What an image may have lost when one place of it is damaged.
struct Allowance {
    /// Names that nothing but their records knows: they may be as they once were, if health says so.
    unknown: BTreeSet<Key>,
    /// Whether what knows a damaged name knows how it is called, for the listing.
    named: bool,
    /// Most names one place concerns.
    hit_max: usize,
}

impl Allowance {
    fn strict() -> Allowance {
        Allowance { unknown: BTreeSet::new(), named: true, hit_max: 2 }
    }
}

/// Opens a damaged store, holds it against what it must answer, heals it, and looks at it once more.
/// Gives how many names were hit.
fn survive(dir: &Path, truth: &Truth, allowed: &Allowance, told: &str, thorough: bool) -> usize {
    let mut truth = truth.clone();
    let store = open(dir);
    let answers = truth.ask(&store, told);
    let hit: Vec<Key> = answers.iter().filter(|(_, a)| **a != Answer::Right).map(|(key, _)| key.clone()).collect();
    assert!(hit.len() <= allowed.hit_max, "{told}: damage in one place cost {hit:?}");
    let health = store.health();
    for key in &hit {
        let known = answers[key] == Answer::Corrupt || allowed.unknown.contains(key);
        assert!(known, "{told}: {key:?} is as it once was, or absent");
        let named = !health.damage.is_empty() || health.recovery.bytes_cut > 0 || answers[key] == Answer::Corrupt;
        assert!(named, "{told}: {key:?} was lost and health is silent");
    }
    let lost = truth.policies_lost(&store);
    assert!(
        lost == 0 || !health.damage.is_empty() || health.recovery.bytes_cut > 0,
        "{told}: a policy was lost in silence"
    );

    let listed_now = listed(&store, told);
    for (key, answer) in &answers {
        let there = listed_now.contains(key);
        match answer {
            Answer::Right => assert_eq!(there, truth.current(key).is_some(), "{told}: {key:?} in the listing"),
            Answer::Corrupt => assert!(there || !allowed.named, "{told}: {key:?} is damaged and not listed"),
            Answer::Earlier => {}
        }
    }
    assert!(listed_now.iter().all(|key| truth.names.contains_key(key)), "{told}: the listing invents names");

    for (n, key) in hit.iter().enumerate() {
        if n % 2 == 1 && answers[key] == Answer::Corrupt {
            let deleted = store.account(&key.0).unwrap().delete(&key.1, &DeleteOptions::new());
            assert!(deleted.unwrap_or_else(|e| panic!("{told}: {key:?} cannot be deleted: {e}")), "{told}: {key:?}");
            truth.note(&key.0, &key.1, None);
        } else {
            truth.heal(&store, key, told);
        }
    }
    for (account, policy) in &truth.policies {
        store.account(account).unwrap().set_policy(policy).unwrap();
    }
    // The content may be damaged where only another name, which was not asked since, holds it.
    truth.hold(&store, &format!("{told}, healed"));
    if thorough {
        store.close().unwrap_or_else(|e| panic!("{told}: {e}"));
        truth.hold(&open(dir), &format!("{told}, healed and opened again"));
    }
    hit.len()
}

/// Flips a bit at each of some places of a file; gives how many names were hit in all.
fn flip_all(
    image: &Image,
    truth: &Truth,
    allowed: &Allowance,
    path: &Path,
    places: impl Iterator<Item = usize>,
) -> usize {
    let dir = scratch();
    let mut hit = 0;
    for place in places {
        image.put(dir.path());
        let mut bytes = image.file(path).to_vec();
        bytes[place] ^= 1 << (place % 8);
        scene::write(&dir.path().join(path), &bytes);
        let told = format!("bit {} of byte {place} of {} flipped", place % 8, path.display());
        hit += survive(dir.path(), truth, allowed, &told, place % 64 < 2);
    }
    hit
}

/// The places worth hitting in a file of mostly zeros: every byte that is none, and some of the others.
fn places(bytes: &[u8]) -> Vec<usize> {
    let near = |at: usize| bytes[at.saturating_sub(8)..(at + 8).min(bytes.len())].iter().any(|byte| *byte != 0);
    (0..bytes.len()).filter(|at| near(*at) || at % 509 == 0).collect()
}

/// Runs a test over the halves of some places at a time.
fn in_two<T: Send>(places: &[usize], run: impl Fn(&mut dyn Iterator<Item = usize>) -> T + Sync) -> (T, T) {
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| run(&mut places.iter().copied().skip(1).step_by(2)));
        let even = run(&mut places.iter().copied().step_by(2));
        (even, odd.join().unwrap())
    })
}

/// Flips a bit of every byte of some files of a store.
fn flip_every_byte(image: &Image, truth: &Truth, allowed: &Allowance, paths: &[std::path::PathBuf]) -> usize {
    let mut hit = 0;
    for path in paths {
        let (even, odd) = in_two(&places(image.file(path)), |places| flip_all(image, truth, allowed, path, places));
        hit += even + odd;
    }
    hit
}

#[test]
fn a_flipped_byte_of_a_closed_store_costs_only_what_it_hits() {
    let (image, truth) = closed_store();
    let hit = flip_every_byte(&image, &truth, &Allowance::strict(), &image.segments());
    assert!(hit > 1000, "{hit} names were hit");
}

#[test]
fn a_flipped_byte_without_the_catalog_s_checkpoint_costs_only_what_it_hits() {
    let (image, truth) = closed_store();
    let image = image.without("catalog");
    // That a name was taken down is known to the record alone.
    let allowed = Allowance { unknown: BTreeSet::from([("5500001".into(), "gone".into())]), ..Allowance::strict() };
    let hit = flip_every_byte(&image, &truth, &allowed, &image.segments());
    assert!(hit > 1000, "{hit} names were hit");
}

#[test]
fn a_flipped_byte_after_a_kill_costs_only_what_it_hits() {
    let (image, truth) = killed_store();
    // All of the first part that was not touched later stands in the checkpoint; neither it nor the index,
    // which was never flushed, has heard of the rest.
    let touched = |key: &Key| !["a.png", "c"].contains(&key.1.as_str());
    let unknown = truth.names.keys().filter(|key| touched(key)).cloned().collect();
    let hit = flip_every_byte(&image, &truth, &Allowance { unknown, named: false, hit_max: 2 }, &image.segments());
    assert!(hit > 500, "{hit} names were hit");
}

#[test]
fn a_flipped_byte_of_a_sealed_segment_costs_only_what_it_hits_with_the_checkpoint_and_without() {
    let (with, truth) = store_of_many_segments();
    let without = with.without("catalog");
    assert!(with.segments().len() > 3);
    let mut hit = 0;
    for path in with.segments() {
        let places = places(with.file(&path));
        let (even, odd) = places.iter().partition::<Vec<usize>, _>(|place| *place % 2 == 0);
        let flip = |image, places: Vec<usize>| flip_all(image, &truth, &Allowance::strict(), &path, places.into_iter());
        hit += std::thread::scope(|scope| {
            let odd = scope.spawn(|| flip(&without, odd));
            flip(&with, even) + odd.join().unwrap()
        });
    }
    assert!(hit > 1000, "{hit} names were hit");
}

#[test]
fn a_flipped_byte_of_store_or_catalog_costs_nothing() {
    let (image, truth) = store_of_many_segments();
    let allowed = Allowance { hit_max: 0, ..Allowance::strict() };
    flip_every_byte(&image, &truth, &allowed, &["STORE".into(), "catalog".into(), "LOCK".into()]);
}

#[test]
fn a_flipped_byte_of_a_large_blob_costs_that_blob() {
    let (image, truth) = closed_store();
    let path = &image.below("files", "")[0];
    let allowed = Allowance { hit_max: 1, ..Allowance::strict() };
    let places: Vec<usize> = (0..image.file(path).len()).step_by(3).collect();
    let (even, odd) = in_two(&places, |places| flip_all(&image, &truth, &allowed, path, places));
    assert_eq!(even + odd, places.len(), "each flip is noticed");
}

#[test]
fn several_damaged_places_cost_what_each_hits() {
    let scenes = [closed_store(), store_of_many_segments()];
    let dir = scratch();
    for seed in 0..300 {
        let (sound, truth) = &scenes[seed as usize % 2];
        let mut random = Random::new(seed);
        let mut image = if seed % 4 < 2 { sound.clone() } else { sound.without("catalog") };
        let places = 2 + random.below(4) as usize;
        for _ in 0..places {
            let segments = image.segments();
            let path = &segments[random.below(segments.len() as u64) as usize];
            let mut bytes = image.file(path).to_vec();
            let (start, end) = (4096, records(sound.file(path)).last().map_or(4200, |(_, end)| *end));
            bytes[(start + random.below(end - start)) as usize] ^= 1 << random.below(8);
            image.set(path, bytes);
        }
        image.put(dir.path());
        // What was taken down comes back where the log alone knew of it.
        let gone = BTreeSet::from([("5500001".into(), "gone".into())]);
        let allowed = Allowance { unknown: gone, hit_max: 2 * places, ..Allowance::strict() };
        survive(dir.path(), truth, &allowed, &format!("{places} places hit with seed {seed}"), true);
    }
}

/// A store whose log takes many pages, killed; its checkpoint knows the first half.
fn store_of_many_pages() -> (Image, Truth) {
    let dir = scratch();
    let mut truth = Truth::default();
    let store = open(dir.path());
    let account = store.account("5500001").unwrap();
    for n in 0..24_u8 {
        truth.put(&account, &format!("{n}"), &content(n, 300 + 60 * usize::from(n)), &PutOptions::new());
        if n == 11 {
            assert_eq!(listed(&store, "as it was made"), truth.alive());
            store.checkpoint_catalog().unwrap();
        }
    }
    assert_eq!(Image::of(dir.path()).segments().len(), 1);
    (Image::of(dir.path()), truth)
}

#[test]
fn a_page_of_zeros_costs_what_stood_in_it() {
    let (killed, truth) = store_of_many_pages();
    let dir = scratch();
    killed.put(dir.path());
    drop(open(dir.path()));
    let sealed = Image::of(dir.path());
    let path = &killed.segments()[0];
    let all = records(killed.file(path));
    let unknown: BTreeSet<Key> = truth.names.keys().filter(|key| key.1.parse::<u8>().unwrap() > 11).cloned().collect();
    let footer_at = footer_at(sealed.file(path));
    for (image, told) in [(&killed, "killed"), (&sealed, "sealed")] {
        for catalog in [true, false] {
            let image = if catalog { image.clone() } else { image.without("catalog") };
            for page in (0..image.file(path).len()).step_by(4096) {
                let told = format!("page at {page} of the {told} segment zeroed, checkpoint there: {catalog}");
                let mut bytes = image.file(path).to_vec();
                let end = (page + 4096).min(bytes.len());
                bytes[page..end].fill(0);
                image.put(dir.path());
                scene::write(&dir.path().join(path), &bytes);
                let hit_max = all.iter().filter(|(start, stop)| *start < end as u64 && *stop > page as u64).count();
                // The index was not written down: what no footer and no checkpoint has, the records alone know.
                let unknown = match catalog {
                    _ if told.contains("sealed") && end <= footer_at => BTreeSet::new(),
                    true => unknown.clone(),
                    false => truth.names.keys().cloned().collect(),
                };
                survive(dir.path(), &truth, &Allowance { unknown, named: false, hit_max }, &told, true);
            }
        }
    }
}

/// Where the footer of a sealed segment begins.
fn footer_at(segment: &[u8]) -> usize {
    let at = segment.len() - 64 + 24;
    segment.len() - u64::from_le_bytes(segment[at..at + 8].try_into().unwrap()) as usize
}

#[test]
fn damage_below_the_proven_end_is_named_by_health_and_nothing_behind_it_is_lost() {
    let (image, truth) = store_of_many_pages();
    let image = image.without("catalog");
    let path = &image.segments()[0];
    let all = records(image.file(path));
    let dir = scratch();
    // The last group, a body and its commit, is not proven: what does not stand there was never durable.
    for (start, end) in &all[..all.len() - 2] {
        for place in [*start, start + 8, start + 24, start + 61, start + 70] {
            image.put(dir.path());
            let mut bytes = image.file(path).to_vec();
            bytes[place as usize] ^= 2;
            scene::write(&dir.path().join(path), &bytes);
            let store = open(dir.path());
            let damage = store.health().damage;
            let named = damage.iter().any(|damage| {
                damage.path.ends_with(path) && damage.offset <= place && place < damage.offset + damage.len
            });
            assert!(named, "byte {place} of the record at {start}..{end} flipped: {damage:?}");
            let answers = truth.ask(&store, "damaged");
            assert!(answers.values().filter(|answer| **answer != Answer::Right).count() == 1, "{place}: {answers:?}");
        }
    }
}

#[test]
fn content_is_found_and_taken_down_under_names_whose_entries_are_damaged_too() {
    let dir = scratch();
    let store = open(dir.path());
    let media = store.account("5500001").unwrap();
    media.put("sound", "to be taken down", &PutOptions::new()).unwrap();
    media.put("unmistakable", "to be taken down", &PutOptions::new()).unwrap();
    store.close().unwrap();

    let mut image = Image::of(dir.path());
    let name = b"unmistakable";
    let segment = image.0.iter_mut().find(|(path, bytes)| path.starts_with("segments") && bytes.is_some()).unwrap();
    let bytes = segment.1.as_mut().unwrap();
    let at = bytes.windows(name.len()).position(|window| window == name).expect("its entry is in the log");
    bytes[at + 3] ^= 0x20;
    std::fs::write(dir.path().join(segment.0), bytes).unwrap();

    let store = open(dir.path());
    let media = store.account("5500001").unwrap();
    assert_eq!(media.get("unmistakable").unwrap_err().kind(), mediacask::ErrorKind::Corrupt);
    let digest = mediacask::Digest::of(b"to be taken down");
    let names: Vec<String> = store.names_of(&digest).unwrap().into_iter().map(|(_, entry)| entry.name).collect();
    assert_eq!(names, ["sound", "unmistakable"]);
    assert_eq!(store.purge_digest(&digest).unwrap(), 2);
    assert!(media.get("sound").unwrap().is_none() && media.get("unmistakable").unwrap().is_none());
}

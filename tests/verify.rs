//! Verification: every changed bit of what was written is found and rightly named; nothing sound is ever
//! blamed; what is damaged heals by putting it again, or is set aside by repair, which invents nothing.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::IoSlice;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mediacask::disk::{Access, Disk};
use mediacask::{
    Damaged, DeleteOptions, Digest, ErrorKind, ListOptions, Policy, PutOptions, Store, VerifyOptions, VerifyReport,
};
use scene::{Image, Key, content, open, records, scratch};
use support::{Crash, FaultDisk, Random};

fn verify(store: &Store, options: &VerifyOptions) -> VerifyReport {
    store.verify(options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn look(store: &Store) -> VerifyReport {
    verify(store, &VerifyOptions::new())
}

fn repair(store: &Store) -> VerifyReport {
    verify(store, &VerifyOptions::new().repair(true))
}

#[track_caller]
fn assert_sound(report: &VerifyReport) {
    assert!(report.damaged.is_empty(), "{:#?}", report.damaged);
    assert_eq!((report.wrong_references, report.index_differences, report.repaired), (0, 0, 0));
    assert!(!report.damage_stands() && report.resume.is_none());
}

/// A store with some of everything: sealed segments and one that is written, large contents, shared contents,
/// names that were replaced and taken down, a batch, a policy.
fn fill(store: &Store) {
    let (one, other) = (store.account("5500001").unwrap(), store.account("é/..").unwrap());
    let plain = PutOptions::new();
    for n in 0..90_u8 {
        one.put(&format!("{n:03}"), content(n, 700 + 35 * usize::from(n)), &plain).unwrap();
        other.put(&format!("short {}", n % 7), content(n, 100), &plain.clone().metadata("n", n.to_string())).unwrap();
        if n % 9 == 4 {
            one.put(&format!("large {n}"), content(n, 5_000 + 900 * usize::from(n)), &plain).unwrap();
            one.copy(&format!("{n:03}"), &format!("second name of {n}"), &plain).unwrap();
            assert!(one.delete(&format!("{:03}", n - 3), &DeleteOptions::new()).unwrap());
        }
        if n == 40 {
            other.set_policy(&Policy { quota_count: Some(1000), ..Policy::default() }).unwrap();
            store.checkpoint_catalog().unwrap();
        }
    }
    let mut batch = one.batch();
    batch.put("m/0", content(200, 90), &plain).unwrap().put("m/1", content(201, 0), &plain).unwrap();
    batch.commit().unwrap();
    store.checkpoint_catalog().unwrap();
}

/// Such a store, its index in step with the log: it knows how names are called whose entries get damaged.
fn filled() -> (tempfile::TempDir, Store) {
    let dir = scratch();
    let store = open(dir.path());
    fill(&store);
    assert!(names(&store).len() > 100);
    (dir, store)
}

/// Every name with what it holds: its content's digest and its generation.
fn names(store: &Store) -> BTreeMap<Key, (Digest, u64)> {
    let mut all = BTreeMap::new();
    for stats in store.accounts().unwrap() {
        for entry in store.account(&stats.account).unwrap().entries(ListOptions::new()) {
            let entry = entry.unwrap();
            all.insert((stats.account.clone(), entry.name), (entry.digest, entry.generation));
        }
    }
    all
}

/// The bytes of every name.
fn contents(store: &Store) -> BTreeMap<Key, Vec<u8>> {
    let get = |(account, name): &Key| store.account(account).unwrap().get(name).unwrap().unwrap().to_vec();
    names(store).into_keys().map(|key| (key.clone(), get(&key))).collect()
}

/// Flips a bit of a file, also while a store has it open.
fn flip(path: &Path, place: u64, bit: u8) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], place).unwrap();
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// A stretch of a file in which no bit may change, and what it costs if one does.
struct Stretch {
    path: PathBuf,
    place: Range<u64>,
    digest: Option<Digest>,
    names: BTreeSet<Key>,
}

/// All stretches of a store that was written down, by the tables of `src/log/format.rs` alone; and those in
/// segments that mean nothing.
fn stretches(image: &Image, names: &BTreeMap<Key, (Digest, u64)>) -> (Vec<Stretch>, Vec<(PathBuf, Range<u64>)>) {
    let (mut all, mut nothing) = (Vec::new(), Vec::new());
    let holders = |account: &str, digest: Digest| -> BTreeSet<Key> {
        names.iter().filter(|(key, held)| key.0 == account && held.0 == digest).map(|(key, _)| key.clone()).collect()
    };
    // The last record of a content is the one that counts.
    let mut last: BTreeMap<(String, Digest), usize> = BTreeMap::new();
    for path in image.segments() {
        let bytes = image.file(&path);
        let mut push = |place: Range<u64>, digest, names| {
            all.push(Stretch { path: path.clone(), place, digest, names });
            all.len() - 1
        };
        push(0..4096, None, BTreeSet::new());
        let records = records(bytes);
        for (start, end) in &records {
            let record = &bytes[*start as usize..*end as usize];
            let head = &record[64..64 + u32_at(record, 20)];
            let end = start + 64 + head.len() as u64 + u64_at(record, 24);
            // Behind it are zeros to a multiple of 8: none may change, and none is missed.
            push(end..end.next_multiple_of(8), None, BTreeSet::new());
            match record[4] {
                kind @ (2 | 3) => {
                    let digest = Digest::from_bytes(head[..32].try_into().unwrap());
                    let (len, crcs_at) = if kind == 2 { (u64_at(record, 24), 32) } else { (u64_at(head, 32), 48) };
                    let account = &head[crcs_at + 4 * len.div_ceil(65536) as usize..];
                    let account = String::from_utf8(account.to_vec()).unwrap();
                    let place = push(*start..end, Some(digest), holders(&account, digest));
                    last.insert((account, digest), place);
                }
                _ => {
                    let (mut at, mut hit) = (0, BTreeSet::new());
                    while record[4] == 4 && at < head.len() {
                        let op = &head[at..];
                        if op[4] == 1 {
                            let (account, name) = (u16_at(op, 6), u16_at(op, 8));
                            let text = |from: usize, to: usize| String::from_utf8(op[from..to].to_vec()).unwrap();
                            let key = (text(136, 136 + account), text(136 + account, 136 + account + name));
                            let is_current = names.get(&key).is_some_and(|held| held.1 == u64_at(op, 24));
                            hit.extend(is_current.then_some(key));
                        }
                        at += u32_at(op, 0);
                    }
                    push(*start..end, None, hit);
                }
            }
        }
        let (end, len) = (records.last().map_or(4096, |(_, end)| *end), bytes.len() as u64);
        let is_sealed = bytes[bytes.len() - 64..].starts_with(b"MCASKFT1");
        let footer_at = if is_sealed { len - u64_at(bytes, bytes.len() - 40) } else { len };
        nothing.push((path.clone(), end..footer_at));
        if is_sealed {
            push(footer_at..len, None, BTreeSet::new());
        }
    }
    for (n, stretch) in all.iter_mut().enumerate() {
        if stretch.digest.is_some() && !last.values().any(|last| *last == n) {
            stretch.names.clear();
        }
    }
    for path in image.below("files", "") {
        let digest: Digest = path.file_name().unwrap().to_str().unwrap()[..64].parse().unwrap();
        let place = 0..image.file(&path).len() as u64;
        all.push(Stretch { path, place, digest: Some(digest), names: holders("5500001", digest) });
    }
    for path in ["STORE", "catalog"] {
        let place = 0..image.file(path).len() as u64;
        all.push(Stretch { path: path.into(), place, digest: None, names: BTreeSet::new() });
    }
    all.retain(|stretch| !stretch.place.is_empty());
    (all, nothing)
}

/// Holds the one finding against the flip and what it hit.
fn assert_names(damaged: &[Damaged], dir: &Path, hit: &Stretch, place: u64, told: &str) {
    let [found] = damaged else { panic!("{told}: {damaged:#?}") };
    assert_eq!(found.path, dir.join(&hit.path), "{told}");
    let is_whole_file = found.len == 0 && hit.path.ends_with("catalog");
    let is_there = found.offset <= place && place < found.offset + found.len;
    assert!(is_there || is_whole_file, "{told}: {found:?}");
    let end = hit.place.end.next_multiple_of(8);
    let is_within = hit.place.start <= found.offset && found.offset + found.len <= end;
    assert!(is_within, "{told}: {found:?} is beyond {:?}", hit.place);
    assert_eq!(found.names.iter().cloned().collect::<BTreeSet<_>>(), hit.names, "{told}: {found:?}");
    if !hit.names.is_empty() && hit.digest.is_some() {
        assert_eq!(found.digest, hit.digest, "{told}: {found:?}");
    }
}

#[test]
fn each_of_a_thousand_flipped_bits_is_found_and_rightly_named_and_no_other_is() {
    const SEED: u64 = 0x5eed_0f1b;
    let (dir, store) = filled();
    let names = names(&store);
    assert_sound(&look(&store));
    let image = Image::of(dir.path());
    let (all, nothing) = stretches(&image, &names);
    assert!(image.segments().len() > 3 && image.below("files", "").len() > 5 && all.len() > 200);
    let mut random = Random::new(SEED);
    let (mut alive, mut dead, mut in_files) = (0, 0, 0);
    for round in 0..1000 {
        // Half of the places are picked by length, half by stretch: headers and footers are short.
        let total: u64 = all.iter().map(|stretch| stretch.place.end - stretch.place.start).sum();
        let mut pick = random.below(total);
        let by_len = all.iter().find(|stretch| {
            let len = stretch.place.end - stretch.place.start;
            let here = pick < len;
            pick = pick.wrapping_sub(if here { 0 } else { len });
            here
        });
        let stretch = if round % 2 == 0 { by_len.unwrap() } else { &all[random.below(all.len() as u64) as usize] };
        let place = stretch.place.start + random.below(stretch.place.end - stretch.place.start);
        let bit = random.below(8) as u8;
        let told = format!("seed {SEED:#x}: bit {bit} of byte {place} of {} flipped", stretch.path.display());
        let path = dir.path().join(&stretch.path);
        flip(&path, place, bit);
        let report = look(&store);
        flip(&path, place, bit);
        assert!(report.damage_stands() && report.repaired == 0, "{told}: not found");
        assert_names(&report.damaged, dir.path(), stretch, place, &told);
        assert!(store.health().damage.iter().any(|damage| damage.path == path), "{told}: health is silent");
        *if stretch.names.is_empty() { &mut dead } else { &mut alive } += 1;
        in_files += u64::from(stretch.path.starts_with("files"));
    }
    assert!(alive > 300 && dead > 100, "{alive} flips hit something alive, {dead} did not");
    assert!(alive + dead == 1000 && (100..900).contains(&in_files), "{in_files} flips were in files of large contents");
    for round in 0..100 {
        let (path, place) = &nothing[round % nothing.len()];
        let at = place.start + random.below(place.end - place.start);
        flip(&dir.path().join(path), at, 3);
        assert_sound(&look(&store));
    }
    assert!(store.health().damage.is_empty());
}

#[test]
fn a_flipped_bit_is_found_after_the_store_was_opened_over_it() {
    const SEED: u64 = 77;
    let (dir, store) = filled();
    let names = names(&store);
    store.close().unwrap();
    let image = Image::of(dir.path());
    let (all, _) = stretches(&image, &names);
    let mut random = Random::new(SEED);
    for _ in 0..120 {
        let stretch = &all[random.below(all.len() as u64) as usize];
        let place = stretch.place.start + random.below(stretch.place.end - stretch.place.start);
        let told = format!("seed {SEED}: byte {place} of {} flipped", stretch.path.display());
        image.put(dir.path());
        flip(&dir.path().join(&stretch.path), place, 5);
        let store = open(dir.path());
        let report = look(&store);
        assert_names(&report.damaged, dir.path(), stretch, place, &told);
    }
}

/// All but the index, which follows the log, and the lock.
fn lasting(dir: &Path) -> Image {
    Image::of(dir).without("index").without("LOCK")
}

/// The middle of some bytes that stand in a segment.
fn place_of(dir: &Path, bytes: &[u8]) -> (PathBuf, u64) {
    let image = Image::of(dir);
    let at = |path: &PathBuf| image.file(path).windows(bytes.len()).position(|window| window == bytes);
    let (path, at) = image.segments().into_iter().find_map(|path| Some((path.clone(), at(&path)?))).unwrap();
    (dir.join(path), (at + bytes.len() / 2) as u64)
}

/// The middle of the file of a large content.
fn file_of(dir: &Path, bytes: &[u8]) -> (PathBuf, u64) {
    let image = Image::of(dir);
    let path = image.below("files", "").into_iter().find(|path| image.file(path) == bytes).unwrap();
    (dir.join(path), bytes.len() as u64 / 2)
}

/// A place in the header of the record that made a name's entry: the entry in it stands.
fn commit_of(dir: &Path, name: &str) -> (PathBuf, u64) {
    let image = Image::of(dir);
    let place = |path: &PathBuf| {
        let bytes = image.file(path);
        let is_wanted = |(start, end): &&(u64, u64)| {
            let record = &bytes[*start as usize..*end as usize];
            record[4] == 4 && record.windows(name.len()).any(|window| window == name.as_bytes())
        };
        records(bytes).iter().find(is_wanted).map(|(start, _)| start + 50)
    };
    let (path, place) = image.segments().into_iter().find_map(|path| Some((path.clone(), place(&path)?))).unwrap();
    (dir.join(path), place)
}

/// A place in one thing of each sort, the catalog's checkpoint last; the names whose contents stand there, and
/// the name whose entry does.
fn some_of_everything(dir: &Path) -> (Vec<(PathBuf, u64)>, BTreeSet<Key>, Key) {
    let key = |name: &str| ("5500001".to_owned(), name.to_owned());
    let segments = Image::of(dir).segments();
    let footer = dir.join(&segments[1]);
    let len = fs::metadata(&footer).unwrap().len();
    let places = vec![
        place_of(dir, &content(22, 700 + 35 * 22)),
        file_of(dir, &content(31, 5_000 + 900 * 31)),
        place_of(dir, b"second name of 40"),
        // Of a name that was taken down.
        place_of(dir, &content(1, 735)),
        (dir.join(&segments[0]), 20),
        (dir.join(&segments[1]), 3000),
        (footer, len - 1000),
        (dir.join("STORE"), 40),
        (dir.join("catalog"), 70),
    ];
    let lost = ["022", "second name of 22", "large 31"].map(key);
    (places, BTreeSet::from(lost), key("second name of 40"))
}

/// Damages one thing of each sort.
fn damage_some_of_everything(dir: &Path, store: &Store) -> (BTreeSet<Key>, Key) {
    let (places, lost, entry) = some_of_everything(dir);
    places.iter().for_each(|(path, place)| flip(path, *place, 2));
    assert!(store.account("5500001").unwrap().get("022").is_err());
    (lost, entry)
}

#[test]
fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let (dir, store) = filled();
    let (lost, entry) = damage_some_of_everything(dir.path(), &store);
    let before = lasting(dir.path());
    let report = look(&store);
    assert!(lasting(dir.path()) == before, "a dry run has changed something");
    assert_eq!((report.damaged.len(), report.repaired), (9, 0), "{:#?}", report.damaged);
    assert!(report.damaged.iter().all(|damaged| damaged.remedy.starts_with("repair would ")));
    let hit: BTreeSet<Key> = report.damaged.iter().flat_map(|damaged| damaged.names.clone()).collect();
    assert_eq!(hit, lost.into_iter().chain([entry]).collect());
}

#[test]
fn repair_changes_nothing_in_a_sound_store() {
    let (dir, store) = filled();
    let before = lasting(dir.path());
    assert_sound(&repair(&store));
    assert!(lasting(dir.path()) == before, "repair has changed something");
    store.close().unwrap();
    let store = open(dir.path());
    let before = lasting(dir.path());
    assert_sound(&repair(&store));
    assert!(lasting(dir.path()) == before, "repair has changed something");
}

#[test]
fn repair_sets_aside_what_is_damaged_and_touches_nothing_else() {
    let (dir, store) = filled();
    let whole = contents(&store);
    let (mut lost, entry) = damage_some_of_everything(dir.path(), &store);
    let report = repair(&store);
    assert_eq!((report.damaged.len(), report.repaired), (9, 9), "{:#?}", report.damaged);
    assert!(!report.damage_stands() && store.health().damage.is_empty());
    lost.insert(entry);
    let expected: BTreeMap<_, _> = whole.into_iter().filter(|(key, _)| !lost.contains(key)).collect();
    assert!(contents(&store) == expected, "other names than those that were lost are gone or changed");
    assert_sound(&look(&store));
    assert!(store.recount().unwrap().is_empty());

    // What could be read lies in quarantine, with a note that names what it was.
    let aside = Image::of(dir.path());
    let notes = aside.below("quarantine", ".txt");
    let text: String = notes.iter().map(|note| String::from_utf8_lossy(aside.file(note)).into_owned()).collect();
    assert!(lost.iter().all(|(_, name)| text.contains(&format!("{name:?}"))), "{text}");
    let digest = Digest::of(&content(31, 5_000 + 900 * 31)).to_string();
    assert!(
        aside
            .below("quarantine", "")
            .iter()
            .any(|path| { path.to_string_lossy().contains(&digest) && aside.file(path).len() == 5_000 + 900 * 31 })
    );

    store.sweep().unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert!(store.health().recovery.clean && store.health().damage.is_empty(), "{:?}", store.health());
    assert!(contents(&store) == expected);
    assert_sound(&repair(&store));
    store.close().unwrap();
    fs::remove_file(dir.path().join("catalog")).unwrap();
    let store = open(dir.path());
    assert!(contents(&store) == expected, "the log alone says something else");
    assert_sound(&look(&store));
}

#[test]
fn repair_may_be_cut_at_any_call_and_repeated() {
    let disk = FaultDisk::new(3);
    let on = |disk: &Arc<FaultDisk>| scene::options().disk(disk.clone()).open(disk.root()).unwrap();
    let store = on(&disk);
    fill(&store);
    let whole = contents(&store);
    store.close().unwrap();
    drop(store);
    let (mut places, lost, _) = some_of_everything(&disk.root());
    // A crash may take the index, and nothing else knows how a damaged entry is called; nor is the catalog's
    // checkpoint touched, which knows that there is one.
    places[2] = commit_of(&disk.root(), "011");
    for (path, place) in &places[..places.len() - 1] {
        let file = disk.open(path, Access::Write).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, *place).unwrap();
        file.write_at(&[IoSlice::new(&[byte[0] ^ 4])], *place).unwrap();
        file.sync().unwrap();
    }
    let expected: BTreeMap<_, _> = whole.into_iter().filter(|(key, _)| !lost.contains(key)).collect();
    let mut nth = 0;
    loop {
        nth += 1;
        let killed = disk.crash(Crash::ALL_KEPT);
        let store = on(&killed);
        killed.crash_at_call(killed.calls() + nth);
        let is_done = store
            .verify(&VerifyOptions::new().repair(true), &mut |_| ControlFlow::Continue(()))
            .is_ok_and(|report| !report.damage_stands());
        drop(store);
        let told = format!("cut at call {nth}, {}", killed.tell(nth));
        let left = killed.crash(Crash::random(nth));
        let store = on(&left);
        let report = repair(&store);
        assert!(!report.damage_stands(), "{told}: {:#?}", report.damaged);
        assert_sound(&look(&store));
        assert!(contents(&store) == expected, "{told}: other names than those that were lost are gone or changed");
        if is_done {
            break;
        }
    }
    assert!(nth > 40, "repair made {nth} calls");
}

#[test]
fn an_entry_that_can_still_be_read_is_written_again_and_not_ended() {
    let (dir, store) = filled();
    let whole = contents(&store);
    let media = store.account("5500001").unwrap();
    let (path, place) = commit_of(dir.path(), "011");
    let before = media.head("011").unwrap().unwrap();
    flip(&path, place, 0);
    let report = repair(&store);
    assert_eq!((report.damaged.len(), report.repaired), (1, 1));
    assert_eq!(report.damaged[0].names, [("5500001".to_owned(), "011".to_owned())]);
    let after = media.head("011").unwrap().unwrap();
    assert_eq!((after.digest, after.created_at), (before.digest, before.created_at));
    assert!(after.generation > before.generation && contents(&store) == whole);
    assert_sound(&look(&store));
}

#[test]
fn a_policy_that_was_hit_is_written_again() {
    let (dir, store) = filled();
    let image = Image::of(dir.path());
    let (path, at) = image
        .segments()
        .into_iter()
        .find_map(|path| {
            let bytes = image.file(&path);
            let of_policy =
                |(start, _): &&(u64, u64)| bytes[*start as usize + 4] == 4 && bytes[*start as usize + 68] == 3;
            let at = records(bytes).iter().find(of_policy).map(|(start, _)| *start);
            at.map(|at| (path, at))
        })
        .unwrap();
    flip(&dir.path().join(path), at + 64 + 110, 1);
    let report = repair(&store);
    assert!(report.repaired == 1 && report.damaged[0].what.contains("policy"), "{:?}", report.damaged);
    assert_sound(&look(&store));
    store.close().unwrap();
    fs::remove_file(dir.path().join("catalog")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.account("é/..").unwrap().policy().unwrap().quota_count, Some(1000));
}

#[test]
fn putting_the_same_bytes_again_heals_what_verification_has_found() {
    let (dir, store) = filled();
    let media = store.account("5500001").unwrap();
    let (small, large) = (content(22, 700 + 35 * 22), content(31, 5_000 + 900 * 31));
    for (path, place) in [place_of(dir.path(), &small), file_of(dir.path(), &large)] {
        flip(&path, place, 7);
    }
    let found: BTreeSet<_> = look(&store).damaged.into_iter().map(|damaged| damaged.digest.unwrap()).collect();
    assert_eq!(found, BTreeSet::from([Digest::of(&small), Digest::of(&large)]));
    media.put("022", &small, &PutOptions::new()).unwrap();
    media.put("elsewhere", &large, &PutOptions::new()).unwrap();
    assert!(*media.get("second name of 22").unwrap().unwrap() == small[..]);
    assert!(*media.get("large 31").unwrap().unwrap() == large[..]);
    // The old bytes stay what they are until their segment goes; nothing alive is among them.
    let report = look(&store);
    assert!(report.damaged.len() == 1 && report.damaged[0].names.is_empty(), "{:?}", report.damaged);
    assert!(!repair(&store).damage_stands());
    assert_sound(&look(&store));
    assert!(*media.get("022").unwrap().unwrap() == small[..]);
}

#[test]
fn a_missing_or_cut_file_is_found_and_its_names_are_ended_by_repair() {
    let (dir, store) = filled();
    let media = store.account("5500001").unwrap();
    let (gone, _) = file_of(dir.path(), &content(13, 5_000 + 900 * 13));
    let (cut, _) = file_of(dir.path(), &content(49, 5_000 + 900 * 49));
    fs::remove_file(gone).unwrap();
    fs::OpenOptions::new().write(true).open(&cut).unwrap().set_len(5_000).unwrap();
    let report = repair(&store);
    let names: BTreeSet<_> = report.damaged.iter().flat_map(|damaged| damaged.names.clone()).map(|key| key.1).collect();
    assert_eq!(names, BTreeSet::from(["large 13".to_owned(), "large 49".to_owned()]), "{:?}", report.damaged);
    assert!(!report.damage_stands());
    assert!(media.get("large 13").unwrap().is_none() && media.get("large 49").unwrap().is_none());
    assert_sound(&look(&store));
}

#[test]
fn a_missing_segment_is_found_with_every_name_it_cost() {
    let (dir, store) = filled();
    let whole = contents(&store);
    store.close().unwrap();
    fs::remove_file(dir.path().join(&Image::of(dir.path()).segments()[1])).unwrap();
    let store = open(dir.path());
    let lost = |store: &Store| -> BTreeSet<Key> {
        let get = |(account, name): &Key| store.account(account).unwrap().get(name);
        whole.keys().filter(|key| get(key).is_err()).cloned().collect()
    };
    let missing = lost(&store);
    assert!(missing.len() > 5);
    let report = repair(&store);
    let named: BTreeSet<Key> = report.damaged.iter().flat_map(|damaged| damaged.names.clone()).collect();
    assert_eq!(named, missing);
    assert!(!report.damage_stands(), "{:#?}", report.damaged);
    assert_sound(&look(&store));
    let expected: BTreeMap<_, _> = whole.iter().filter(|(key, _)| !missing.contains(key)).collect();
    assert!(contents(&store).iter().eq(expected));
}

#[test]
fn a_run_that_is_broken_off_goes_on_in_another_process_and_finds_all_damage() {
    let (dir, store) = filled();
    let (lost, entry) = damage_some_of_everything(dir.path(), &store);
    let at_once = look(&store);
    let damaged: BTreeSet<_> = at_once.damaged.iter().map(|d| (d.path.clone(), d.offset, d.names.clone())).collect();
    let (mut options, mut runs, mut found, mut bytes) = (VerifyOptions::new(), 0, Vec::new(), 0);
    loop {
        let mut left = 3;
        let report = store
            .verify(&options, &mut |progress| {
                assert!(progress.bytes_checked <= progress.bytes_total);
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        (runs, bytes) = (runs + 1, bytes + report.bytes_checked);
        found.extend(report.damaged);
        let Some(resume) = report.resume else { break };
        assert!(runs < 1000, "it never comes to an end: {resume}");
        options = VerifyOptions::new().resume(&resume);
    }
    assert!(runs > 3 && bytes >= at_once.bytes_checked, "{runs} runs, {bytes} bytes");
    // What something alive points to is told of again by the run that reads the catalog's rows.
    let found_again = found.iter().filter(|found| found.what.contains("the catalog has")).count();
    assert_eq!(found.len(), damaged.len() + found_again, "{found:#?}");
    let told: BTreeSet<_> = found.iter().map(|d| (d.path.clone(), d.offset, d.names.clone())).collect();
    assert!(told.is_superset(&damaged) && found_again <= 2, "{found:#?}");
    assert_eq!(store.health().damage.len(), found.len());
    let names: BTreeSet<Key> = found.into_iter().flat_map(|damaged| damaged.names).collect();
    assert_eq!(names, lost.into_iter().chain([entry]).collect());

    // Across a restart, too.
    let mut first = true;
    let broken = store.verify(&VerifyOptions::new(), &mut |_| {
        if std::mem::take(&mut first) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let resume = broken.unwrap().resume.unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert!(verify(&store, &VerifyOptions::new().resume(&resume)).resume.is_none());
    let altered = resume.replace('-', "0-");
    let refused = store.verify(&VerifyOptions::new().resume(&altered), &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidToken);
}

#[test]
fn a_slow_run_can_be_broken_off_and_does_not_hold_the_store_open() {
    let (_dir, store) = filled();
    let slow = VerifyOptions::new().bytes_per_sec(1);
    let report = store.verify(&slow, &mut |_| ControlFlow::Break(())).unwrap();
    assert!(report.resume.is_some());
    // While it waits, the store is closed by somebody else.
    let (told, hear) = std::sync::mpsc::channel();
    let ended = std::thread::scope(|scope| {
        let store = &store;
        scope.spawn(move || {
            hear.recv().unwrap();
            store.close().unwrap();
        });
        store.verify(&slow, &mut |_| {
            let _ = told.send(());
            ControlFlow::Continue(())
        })
    });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_run_reads_no_faster_than_it_may() {
    const RATE: u64 = 2 << 20;
    let (_dir, store) = filled();
    let begun = Instant::now();
    let report = verify(&store, &VerifyOptions::new().bytes_per_sec(RATE));
    // It waits after each 64 KiB, until so much was due.
    let waited_for = report.bytes_checked.saturating_sub(128 << 10);
    let due = Duration::from_micros(waited_for * 1_000_000 / RATE);
    assert!(due > Duration::from_millis(100) && begun.elapsed() >= due, "{:?} instead of {due:?}", begun.elapsed());
    assert_sound(&report);
}

#[test]
fn rows_of_the_index_that_are_not_the_log_s_are_found_and_built_anew_by_repair() {
    let (dir, store) = filled();
    store.close().unwrap();
    let before = Image::of(dir.path());
    // Two futures of one store that take as much of the log: the rows of the one under the log of the other.
    let future = |name: &str| {
        before.put(dir.path());
        let store = open(dir.path());
        store.account("5500001").unwrap().put(name, "late", &PutOptions::new()).unwrap();
        store.close().unwrap();
        Image::of(dir.path())
    };
    let (other, mut image) = (future("one"), future("two"));
    image = image.without("index");
    image.0.extend(other.0.into_iter().filter(|(path, _)| path.starts_with("index")));
    image.put(dir.path());
    let store = open(dir.path());
    let report = look(&store);
    assert_eq!((report.index_differences, report.damaged.len(), report.repaired), (1, 0, 0));
    assert!(report.damage_stands());
    let report = repair(&store);
    assert_eq!((report.index_differences, report.repaired), (1, 1));
    assert_sound(&look(&store));
    let names = names(&store);
    let has = |name: &str| names.contains_key(&("5500001".to_owned(), name.to_owned()));
    assert!(has("two") && !has("one"));
}

#[test]
fn nothing_is_blamed_while_others_write_overwrite_sweep_compact_and_write_the_catalog_down() {
    const ROUNDS: u64 = 400;
    let dir = scratch();
    let store = Store::options().segment_len(65536).file_threshold(8192).open(dir.path()).unwrap();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let runs = std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let media = store.account(&format!("{}", thread % 2)).unwrap();
                let mut random = Random::new(thread);
                for round in 0..ROUNDS {
                    let name = format!("{}", random.below(40));
                    let len = if random.sixteenths(1) { 9_000 } else { random.below(4_000) as usize };
                    // Some contents are shared by many names and put all the time.
                    let seed = if random.sixteenths(8) { 7 } else { random.below(250) as u8 };
                    let mut options = PutOptions::new();
                    if random.sixteenths(4) {
                        options = options.ttl(Duration::from_millis(1 + random.below(20)));
                    }
                    media.put(&name, content(seed, if seed == 7 { 3_000 } else { len }), &options).unwrap();
                    if random.sixteenths(3) {
                        media.delete(&format!("{}", random.below(40)), &DeleteOptions::new()).unwrap();
                    }
                    if round % 64 == thread * 16 {
                        store.checkpoint_catalog().unwrap();
                        store.sweep().unwrap();
                    }
                    if round % 32 == thread * 8 + 5 {
                        store.compact().unwrap();
                    }
                }
                done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
        let mut runs = 0;
        loop {
            let is_last = done.load(std::sync::atomic::Ordering::SeqCst) == 4;
            assert_sound(&look(&store));
            runs += 1;
            if is_last {
                return runs;
            }
        }
    });
    assert!(runs > 2, "{runs} runs");
    assert!(store.stats().unwrap().compacted_bytes > 0);
    assert!(store.recount().unwrap().is_empty());
}

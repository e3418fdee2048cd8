//! A checkpoint is the store as it was: whole, apart from it from then on, and brought back by `restore` or by
//! opening it.

#[path = "damage/scene.rs"]
mod scene;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mediacask::{DeleteOptions, ErrorKind, PutOptions, Store, StoreOptions, VerifyOptions};
use scene::{Image, PARTS, Truth, content, happen, open, options, scratch};
use support::FaultDisk;
use support::place::files_below;

/// A store with some of everything and several sealed segments, open, and what it must answer.
fn store_at(dir: &Path) -> (Store, Truth) {
    store_on(options(), dir)
}

fn store_on(options: StoreOptions, dir: &Path) -> (Store, Truth) {
    let store = options.open(dir).unwrap();
    let mut truth = Truth::default();
    for part in 0..PARTS {
        happen(&store, &mut truth, part);
        fill(&store, &mut truth, part, 30);
    }
    (store, truth)
}

/// Small and large contents: with 30 of them, a segment is sealed.
fn fill(store: &Store, truth: &mut Truth, round: usize, count: u8) {
    let account = store.account("fill").unwrap();
    for n in 0..count {
        truth.put(&account, &format!("{round}/{n}"), &content(n, 3000 + round), &PutOptions::new());
    }
    truth.put(&account, &format!("{round}/large"), &content(round as u8, 9000), &PutOptions::new());
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let all = files_below(&dir.join("segments"));
    all.into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect()
}

/// Files and bytes of the log and its blobs, of what is derived nothing.
fn log_of(dir: &Path) -> Image {
    let image = Image::of(dir);
    Image(image.0.into_iter().filter(|(path, _)| path.starts_with("segments") || path.starts_with("files")).collect())
}

fn id_of(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("STORE")).unwrap()[16..32].to_vec()
}

#[test]
fn a_checkpoint_opens_as_a_store_of_its_own_that_holds_everything() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, mut truth) = store_at(&source);
    let report = store.checkpoint(&copy).unwrap();
    let sealed = segments(&source).len() as u64 - 1;
    assert!(sealed >= 3, "{sealed} sealed segments");
    assert_eq!((report.files_linked, report.files_copied, report.files_kept), (sealed + 4, 1, 0));
    assert!(report.bytes_copied < 65536 && report.bytes_linked > sealed * 65536);
    let newest = truth.alive().iter().map(|key| truth.current(key).unwrap().generation).max().unwrap();
    let next = store.account("fill").unwrap().put("next", b"", &PutOptions::new()).unwrap();
    assert!((newest..next.generation).contains(&report.last_sequence));
    assert!(store.account("fill").unwrap().delete("next", &DeleteOptions::new()).unwrap());
    assert_eq!(id_of(&source), id_of(&copy));

    let before = truth.clone();
    fill(&store, &mut truth, 9, 5);
    let copied = open(&copy);
    before.hold(&copied, "the copy");
    assert!(copied.health().damage.is_empty(), "{:?}", copied.health().damage);
    assert_ne!(id_of(&source), id_of(&copy));
    assert!(!copy.join("MANIFEST").exists());
    truth.hold(&store, "the store");
    copied.close().unwrap();
    before.hold(&open(&copy), "the copy, opened again");
}

#[test]
fn an_empty_store_has_a_checkpoint_too() {
    let dir = scratch();
    let store = open(&dir.path().join("store"));
    let report = store.checkpoint(dir.path().join("copy")).unwrap();
    assert_eq!(report.files_linked + report.files_copied, 0);
    Truth::default().hold(&open(&dir.path().join("copy")), "the copy");
}

#[test]
fn what_was_acknowledged_without_a_sync_is_in_the_checkpoint_durably() {
    let disk = FaultDisk::new(1);
    let store = options().disk(disk.clone()).open(disk.root()).unwrap();
    let lazily = PutOptions::new().durability(mediacask::Durability::Os);
    store.account("a").unwrap().put("n", b"bytes", &lazily).unwrap();
    let copy = beside(&disk);
    store.checkpoint(&copy).unwrap();
    let after = disk.crash(support::Crash::NOTHING_KEPT);
    let copied = options().disk(after.clone()).open(beside(&after)).unwrap();
    assert_eq!(&copied.account("a").unwrap().get("n").unwrap().unwrap()[..], b"bytes");
}

fn beside(disk: &FaultDisk) -> PathBuf {
    disk.root().parent().unwrap().join("copy")
}

#[test]
fn a_second_checkpoint_brings_only_what_is_new_and_drops_what_is_gone() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, mut truth) = store_at(&source);
    let first = store.checkpoint(&copy).unwrap();
    let all = first.files_linked + first.files_copied;

    let same = store.checkpoint(&copy).unwrap();
    assert_eq!((same.files_linked, same.files_copied, same.files_kept), (0, 0, all));
    assert_eq!((same.bytes_linked, same.bytes_copied), (0, 0));

    fill(&store, &mut truth, 5, 60);
    let account = store.account("fill").unwrap();
    truth.delete(&account, "0/large");
    store.sweep().unwrap();
    let before = files_below(&copy.join("files")).len();
    let later = store.checkpoint(&copy).unwrap();
    // The segment that was written then is sealed now, and at least another; one blob's file went, one came.
    assert_eq!(later.files_kept, all - 2);
    assert!(later.files_linked >= 3 && later.files_copied == 1, "{later:?}");
    assert_eq!(files_below(&copy.join("files")).len(), before);
    let tails = files_below(&copy.join("segments")).into_iter().filter(|path| path.extension().unwrap() == "tail");
    assert_eq!(tails.count(), 1);
    truth.hold(&open(&copy), "the copy");
}

#[test]
fn a_shared_segment_is_read_only_and_neither_store_ever_writes_it() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, truth) = store_at(&source);
    store.checkpoint(&copy).unwrap();
    let mut shared = 0;
    for path in segments(&source) {
        let facts = fs::metadata(&path).unwrap();
        let is_shared = facts.nlink() == 2;
        shared += usize::from(is_shared);
        assert_eq!(facts.permissions().mode() & 0o777, if is_shared { 0o400 } else { 0o600 }, "{}", path.display());
    }
    assert_eq!(shared, segments(&source).len() - 1);

    // First the copy empties itself and writes everything anew, then the store.
    let untouched = log_of(&source);
    let copied = open(&copy);
    churn(&copied, truth.clone());
    assert_eq!(log_of(&source), untouched, "the store, after its copy was emptied and filled");
    truth.hold(&store, "the store");
    let of_copy = log_of(&copy);
    churn(&store, truth);
    assert_eq!(log_of(&copy), of_copy, "the copy, after its store was emptied and filled");
}

/// Takes everything down and puts as much again, so that every segment that may be written again is.
fn churn(store: &Store, mut truth: Truth) {
    for (account, name) in truth.alive() {
        truth.delete(&store.account(&account).unwrap(), &name);
    }
    for round in 20..24 {
        fill(store, &mut truth, round, 60);
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
    }
    truth.hold(store, "emptied and filled again");
}

#[test]
fn a_segment_that_was_ever_shared_is_not_recycled_and_one_that_never_was_is() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    for takes_one in [false, true] {
        let (store, truth) = store_at(&source);
        if takes_one {
            store.checkpoint(&copy).unwrap();
            // Nobody else has them any more; but somebody may have opened the copy and hold its bytes.
            fs::remove_dir_all(&copy).unwrap();
        }
        let inodes = |end: &str| -> Vec<u64> {
            let all = files_below(&source.join("segments")).into_iter();
            all.filter(|path| path.extension().unwrap() == end).map(|path| path.metadata().unwrap().ino()).collect()
        };
        let were = inodes("seg");
        let mut gone = truth.clone();
        for (account, name) in truth.alive() {
            gone.delete(&store.account(&account).unwrap(), &name);
        }
        fill(&store, &mut gone, 7, 60);
        store.checkpoint_catalog().unwrap();
        let report = store.sweep().unwrap();
        assert!(report.segments_freed >= 2, "{report:?}");
        let recycled = inodes("spare").iter().filter(|spare| were.contains(spare)).count();
        assert_eq!(recycled > 0, !takes_one, "{recycled} of {} segments", were.len());
        store.close().unwrap();
        fs::remove_dir_all(&source).unwrap();
    }
}

#[test]
fn where_nothing_can_be_linked_everything_is_copied_and_the_store_stays_its_own() {
    let disk = FaultDisk::new(2);
    disk.refuse_links();
    let (store, truth) = store_on(options().disk(disk.clone()), &disk.root());
    let copy = beside(&disk);
    let first = store.checkpoint(&copy).unwrap();
    assert!(first.files_linked == 0 && first.files_copied >= 8, "{first:?}");
    let same = store.checkpoint(&copy).unwrap();
    assert_eq!((same.files_copied, same.files_kept), (0, first.files_copied));
    for path in segments(&disk.root()) {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let after = disk.crash(support::Crash::NOTHING_KEPT);
    truth.hold(&options().disk(after.clone()).open(beside(&after)).unwrap(), "the copy");
}

#[test]
fn a_checkpoint_on_another_file_system_is_a_copy_and_one_on_the_same_is_links() {
    let (here, there) = (scratch(), tempfile::tempdir().unwrap());
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let (store, truth) = store_at(&here.path().join("store"));
    for dest in [here.path(), there.path()] {
        let report = store.checkpoint(dest.join("copy")).unwrap();
        let is_same = device(dest) == device(here.path());
        assert_eq!(report.files_linked > 0, is_same, "{report:?} at {}", dest.display());
        truth.hold(&open(&dest.join("copy")), "the copy");
    }
}

#[test]
fn restore_brings_a_checkpoint_back_and_leaves_it_as_it_is() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, mut truth) = store_at(&source);
    store.checkpoint(&copy).unwrap();
    let first = truth.clone();
    let untouched = Image::of(&copy).without("LOCK");
    for turn in 0..2 {
        let dest = dir.path().join(format!("restored/{turn}"));
        let report = Store::restore(&copy, &dest).unwrap();
        assert_eq!(report.files_copied, 1, "the end of the log, which is going to be written");
        let restored = open(&dest);
        first.hold(&restored, "restored");
        churn(&restored, first.clone());
        assert_eq!(Image::of(&copy).without("LOCK"), untouched, "the checkpoint after turn {turn}");
    }
    // It is one still: another goes on from it.
    fill(&store, &mut truth, 6, 40);
    assert!(store.checkpoint(&copy).unwrap().files_kept >= 6);
    truth.hold(&open(&copy), "the checkpoint, opened");
}

#[test]
fn blobs_that_are_held_stay_what_they_are_whatever_becomes_of_either_store() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, truth) = store_at(&source);
    store.checkpoint(&copy).unwrap();
    let copied = open(&copy);
    let mut held = Vec::new();
    for (account, name) in truth.alive() {
        for store in [&store, &copied] {
            held.push(store.account(&account).unwrap().get(&name).unwrap().unwrap());
        }
    }
    let were: Vec<Vec<u8>> = held.iter().map(|blob| blob.to_vec()).collect();
    churn(&copied, truth.clone());
    churn(&store, truth);
    drop((store, copied));
    for path in [source, copy] {
        fs::remove_dir_all(path).unwrap();
    }
    assert!(held.iter().zip(&were).all(|(blob, was)| blob[..] == was[..]));
}

#[test]
fn only_what_the_manifest_lists_counts() {
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, truth) = store_at(&source);
    store.checkpoint(&copy).unwrap();
    let mut later = truth.clone();
    fill(&store, &mut later, 3, 90);
    store.close().unwrap();
    // Segments, files, catalog and index of a later day, as of a copying that went wrong.
    let untouched = Image::of(&copy);
    let mut image = untouched.clone();
    for (path, bytes) in Image::of(&source).0 {
        if path != Path::new("STORE") {
            image.0.entry(path).or_insert(bytes);
        }
    }
    assert!(image.segments().len() > untouched.segments().len() + 1);
    image.put(&copy);
    let copied = open(&copy);
    truth.hold(&copied, "the copy");
    assert!(copied.health().damage.is_empty(), "{:?}", copied.health().damage);
}

/// A refusal: its kind, and words of its message.
fn refused<T>(result: Result<T, mediacask::Error>, kind: ErrorKind, words: &[&str]) {
    let error = result.err().expect("it is refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    let (store, _) = store_at(&at("store"));
    let (other, _) = store_at(&at("other"));
    other.checkpoint(at("others")).unwrap();
    other.close().unwrap();
    store.checkpoint(at("copy")).unwrap();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/letter.txt"), "mine").unwrap();
    fs::write(at("file"), "mine").unwrap();
    let untouched = |name: &str| Image::of(&at(name));
    for (name, words) in [
        ("full", ["letter.txt", "empty directory"]),
        ("others", ["another store", "another directory"]),
        ("other", ["holds", "MANIFEST"]),
        ("store", ["holds", "MANIFEST"]),
    ] {
        let before = untouched(name);
        refused(store.checkpoint(at(name)), ErrorKind::InvalidOption, &words);
        refused(Store::restore(at("copy"), at(name)), ErrorKind::InvalidOption, &[name]);
        assert_eq!(untouched(name), before);
    }
    refused(store.checkpoint(at("file")), ErrorKind::Io, &["file"]);
    // What is restored is a store that was: a directory that has a checkpoint takes no other.
    refused(Store::restore(at("copy"), at("copy")), ErrorKind::InvalidOption, &["holds a checkpoint already"]);
    refused(Store::restore(at("others"), at("copy")), ErrorKind::InvalidOption, &["another store"]);
    // Once opened, it is a store, and no place for checkpoints.
    open(&at("copy")).close().unwrap();
    refused(store.checkpoint(at("copy")), ErrorKind::InvalidOption, &["MANIFEST"]);
    refused(
        Store::restore(at("copy"), at("new")),
        ErrorKind::InvalidOption,
        &["no checkpoint", "mediacask checkpoint"],
    );
    refused(Store::restore(at("nothing"), at("new")), ErrorKind::InvalidOption, &["no checkpoint"]);
    assert!(!at("new").exists() && !at("nothing").exists());
}

#[test]
fn a_checkpoint_that_lacks_anything_is_refused_and_not_touched() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    let (store, truth) = store_at(&at("store"));
    store.checkpoint(at("copy")).unwrap();
    let whole = Image::of(&at("copy")).without("LOCK");
    let files = whole.0.iter().filter(|(path, bytes)| bytes.is_some() && path.components().count() > 1);
    let mut tried = 0;
    for (path, bytes) in files {
        let shorter = bytes.as_ref().unwrap()[..bytes.as_ref().unwrap().len() - 1].to_vec();
        let mut cut = whole.clone();
        cut.set(path, shorter);
        for broken in [whole.without(path.to_str().unwrap()), cut] {
            broken.put(&at("broken"));
            let name = path.file_name().unwrap().to_str().unwrap();
            refused(options().open(at("broken")), ErrorKind::Corrupt, &[name, "not whole"]);
            refused(Store::restore(at("broken"), at("dest")), ErrorKind::Corrupt, &[name, "not whole"]);
            assert_eq!(Image::of(&at("broken")).without("LOCK"), broken);
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried} files");
    let manifest = whole.file("MANIFEST");
    for bit in [0, 100, 8 * manifest.len() - 1] {
        let mut broken = whole.clone();
        let mut turned = manifest.to_vec();
        turned[bit / 8] ^= 1 << (bit % 8);
        broken.set("MANIFEST", turned);
        broken.put(&at("broken"));
        refused(options().open(at("broken")), ErrorKind::Corrupt, &["MANIFEST", "damaged"]);
        refused(Store::restore(at("broken"), at("dest")), ErrorKind::Corrupt, &["MANIFEST", "damaged"]);
        refused(store.checkpoint(at("broken")), ErrorKind::Corrupt, &["MANIFEST", "damaged"]);
    }
    whole.put(&at("broken"));
    truth.hold(&open(&at("broken")), "put together again");
}

#[test]
fn a_checkpoint_of_another_history_of_the_store_is_left_alone() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    let (store, mut truth) = store_at(&at("store"));
    store.close().unwrap();
    let early = Image::of(&at("store"));
    let grow = |truth: &mut Truth, round: usize| {
        let store = open(&at("store"));
        fill(&store, truth, round, 60);
        store
    };
    let store = grow(&mut truth, 4);
    store.checkpoint(at("copy")).unwrap();
    store.close().unwrap();
    // Somebody has put the directory back to what it was, and the store went another way.
    early.put(&at("store"));
    let mut other = truth.clone();
    let store = grow(&mut other, 5);
    refused(store.checkpoint(at("copy")), ErrorKind::InvalidOption, &["another history", "another directory"]);
    truth.hold(&open(&at("copy")), "the checkpoint of the first history");
}

#[test]
fn a_checkpoint_is_not_taken_into_a_directory_that_is_in_use() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    let (store, truth) = store_at(&at("store"));
    store.checkpoint(at("copy")).unwrap();
    let lock = fs::OpenOptions::new().write(true).open(at("copy/LOCK")).unwrap();
    lock.lock().unwrap();
    for used in [store.checkpoint(at("copy")), Store::restore(at("copy"), at("new"))] {
        refused(used, ErrorKind::Locked, &["copy"]);
    }
    drop(lock);
    Store::restore(at("copy"), at("new")).unwrap();
    truth.hold(&open(&at("new")), "restored");
}

#[test]
fn conditions_and_lifetimes_of_the_copy_are_its_own() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    let (store, truth) = store_at(&at("store"));
    store.checkpoint(at("copy")).unwrap();
    let copied = open(&at("copy"));
    let (here, there) = (store.account("fill").unwrap(), copied.account("fill").unwrap());
    let generations: BTreeMap<String, u64> =
        truth.alive().into_iter().map(|key| (key.1.clone(), truth.current(&key).unwrap().generation)).collect();
    let newest = *generations.values().max().unwrap();
    // Numbers of the copy are later than all that the store gave before.
    assert!(there.put("new", b"1", &PutOptions::new()).unwrap().generation > newest);
    assert!(there.delete("0/1", &DeleteOptions::new()).unwrap());
    assert!(here.contains("0/1").unwrap() && !here.contains("new").unwrap());
}

#[test]
fn a_segment_that_is_repaired_is_written_anew_and_brought_to_the_next_checkpoint() {
    for from_end in [false, true] {
        let dir = scratch();
        let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
        let (store, truth) = store_at(&source);
        store.checkpoint(&copy).unwrap();
        store.close().unwrap();
        // A bit of the header's first copy, or of the footer, turns: in the one file of both directories.
        let hit = segments(&source)[1].clone();
        let mut bytes = fs::read(&hit).unwrap();
        let place = if from_end { bytes.len() - 100 } else { 20 };
        bytes[place] ^= 1;
        fs::set_permissions(&hit, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&hit, &bytes).unwrap();
        fs::set_permissions(&hit, fs::Permissions::from_mode(0o400)).unwrap();

        let store = open(&source);
        let repair = || store.verify(&VerifyOptions::new().repair(true), &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((repair().repaired, repair().damaged.len()), (1, 0));
        let shared = copy.join("segments").join(hit.file_name().unwrap());
        assert_eq!(fs::read(&shared).unwrap(), bytes, "the checkpoint's file was written");
        let report = store.checkpoint(&copy).unwrap();
        assert_eq!((report.files_linked, report.files_copied), (1, 0), "{report:?}");
        assert_eq!(fs::read(&shared).unwrap(), fs::read(&hit).unwrap());
        let copied = open(&copy);
        truth.hold(&copied, "the copy");
        assert!(copied.verify(&VerifyOptions::new(), &mut |_| ControlFlow::Continue(())).unwrap().damaged.is_empty());
    }
}

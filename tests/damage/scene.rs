//! Stores to damage: small ones with some of everything, as files in memory, and what they must answer.

// Each test crate takes its own part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{
    Account, Clock, DeleteOptions, ErrorKind, ListOptions, Policy, PutOptions, Store, StoreOptions, UpdateOptions,
    Upkeep,
};

/// An account and a name.
pub(crate) type Key = (String, String);

/// How a store of these tests is opened: small segments, nothing behind the scenes, time that stands still.
pub(crate) fn options() -> StoreOptions {
    Store::options()
        .segment_len(65536)
        .file_threshold(4096)
        .upkeep(Upkeep::ByHand)
        .clock(Clock::from_fn(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000)))
}

pub(crate) fn open(dir: &Path) -> Store {
    options().open(dir).unwrap_or_else(|e| panic!("{} does not open: {e}", dir.display()))
}

/// A directory in memory where there is some: none of these tests needs a device.
pub(crate) fn scratch() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("mediacask-test-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a directory for temporary files")
}

/// Bytes that tell themselves from others.
pub(crate) fn content(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed).wrapping_add((n >> 8) as u8)).collect()
}

/// Every file of a directory, and every directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image(pub(crate) BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Image {
    pub(crate) fn of(dir: &Path) -> Image {
        let mut all = BTreeMap::new();
        let mut dirs = vec![PathBuf::new()];
        while let Some(below) = dirs.pop() {
            for found in fs::read_dir(dir.join(&below)).unwrap().map(Result::unwrap) {
                let path = below.join(found.file_name());
                if found.file_type().unwrap().is_dir() {
                    dirs.push(path.clone());
                    all.insert(path, None);
                } else {
                    all.insert(path.clone(), Some(fs::read(dir.join(&path)).unwrap()));
                }
            }
        }
        Image(all)
    }

    /// Writes it into a directory, in the place of all that is there.
    pub(crate) fn put(&self, dir: &Path) {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).unwrap();
        for (path, bytes) in &self.0 {
            match bytes {
                None => fs::create_dir_all(dir.join(path)).unwrap(),
                Some(bytes) => write(&dir.join(path), bytes),
            }
        }
    }

    pub(crate) fn file(&self, path: impl AsRef<Path>) -> &[u8] {
        self.0[path.as_ref()].as_deref().expect("a file")
    }

    pub(crate) fn set(&mut self, path: impl AsRef<Path>, bytes: Vec<u8>) {
        self.0.insert(path.as_ref().to_path_buf(), Some(bytes));
    }

    /// Without a file, or without a directory and all below it.
    pub(crate) fn without(&self, path: &str) -> Image {
        Image(
            self.0.iter().filter(|(known, _)| !known.starts_with(path)).map(|(p, b)| (p.clone(), b.clone())).collect(),
        )
    }

    /// The files below a directory whose names end with this.
    pub(crate) fn below(&self, dir: &str, end: &str) -> Vec<PathBuf> {
        let wanted = |path: &&PathBuf| path.starts_with(dir) && path.to_string_lossy().ends_with(end);
        self.0.iter().filter(|(_, bytes)| bytes.is_some()).map(|(path, _)| path).filter(wanted).cloned().collect()
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        self.below("segments", ".seg")
    }
}

/// Writes a file as the store would: for its owner only.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap().write_all(bytes).unwrap();
}

/// Where the records of a segment's file are, and what stands there, by the tables of `src/log/format.rs`.
pub(crate) fn records(segment: &[u8]) -> Vec<(u64, u64)> {
    let number = |at: usize| u64::from_le_bytes(segment[at..at + 8].try_into().unwrap());
    let mut all = Vec::new();
    let mut at = 4096;
    while at + 64 <= segment.len() && &segment[at..at + 4] == b"mcR1" {
        let head = u32::from_le_bytes(segment[at + 20..at + 24].try_into().unwrap()) as usize;
        let len = (64 + head + number(at + 24) as usize).next_multiple_of(8);
        all.push((at as u64, (at + len) as u64));
        at += len;
    }
    all
}

/// One version of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) generation: u64,
}

/// All versions each name has had, the last one current; `None` where it was taken down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) names: BTreeMap<Key, Vec<Option<Version>>>,
    pub(crate) policies: BTreeMap<String, Policy>,
}

/// What a store answers for one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Right,
    Corrupt,
    /// As it once was, or absent before it was first put.
    Earlier,
}

impl Truth {
    pub(crate) fn current(&self, key: &Key) -> Option<&Version> {
        self.names.get(key)?.last()?.as_ref()
    }

    pub(crate) fn note(&mut self, account: &str, name: &str, version: Option<Version>) {
        self.names.entry((account.to_owned(), name.to_owned())).or_default().push(version);
    }

    pub(crate) fn put(&mut self, account: &Account, name: &str, bytes: &[u8], options: &PutOptions) {
        let entry = account.put(name, bytes, options).unwrap();
        let version = Version { bytes: bytes.to_vec(), content_type: entry.content_type, generation: entry.generation };
        self.note(account.name(), name, Some(version));
    }

    pub(crate) fn delete(&mut self, account: &Account, name: &str) {
        assert!(account.delete(name, &DeleteOptions::new()).unwrap());
        self.note(account.name(), name, None);
    }

    /// Asks for every name. Bytes that are neither the current nor an earlier version's, and errors of
    /// another kind than [`ErrorKind::Corrupt`], fail at once.
    pub(crate) fn ask(&self, store: &Store, told: &str) -> BTreeMap<Key, Answer> {
        let mut answers = BTreeMap::new();
        for (key, versions) in &self.names {
            let account = store.account(&key.0).unwrap();
            let head = account.head(&key.1);
            let answer = match account.get(&key.1) {
                Err(error) if error.kind() == ErrorKind::Corrupt => Answer::Corrupt,
                Err(error) => panic!("{told}: {key:?} answers {error}"),
                Ok(found) => {
                    let found = found.map(|blob| Version {
                        bytes: blob.to_vec(),
                        content_type: blob.entry().content_type,
                        generation: blob.entry().generation,
                    });
                    let generation = head.as_ref().ok().and_then(|e| e.as_ref().map(|e| e.generation));
                    assert_eq!(
                        generation,
                        found.as_ref().map(|found| found.generation),
                        "{told}: {key:?}: head and get"
                    );
                    if Some(&found) == versions.last() {
                        Answer::Right
                    } else {
                        assert!(
                            found.is_none() || versions.contains(&found),
                            "{told}: {key:?} answers what it never was"
                        );
                        Answer::Earlier
                    }
                }
            };
            answers.insert(key.clone(), answer);
        }
        answers
    }

    /// The accounts whose policy is not what was set.
    pub(crate) fn policies_lost(&self, store: &Store) -> usize {
        self.policies.iter().filter(|(account, set)| store.account(account).unwrap().policy().unwrap() != **set).count()
    }

    /// Fails unless the store answers everything rightly, listings included.
    pub(crate) fn hold(&self, store: &Store, told: &str) {
        for (key, answer) in self.ask(store, told) {
            assert_eq!(answer, Answer::Right, "{told}: {key:?}");
        }
        assert_eq!(self.policies_lost(store), 0, "{told}: a policy is lost");
        assert_eq!(listed(store, told), self.alive(), "{told}: the listings");
        assert!(store.recount().unwrap().is_empty(), "{told}: references");
    }

    /// The names that are there.
    pub(crate) fn alive(&self) -> BTreeSet<Key> {
        self.names.keys().filter(|key| self.current(key).is_some()).cloned().collect()
    }

    /// Puts what a name should hold; it then answers so.
    pub(crate) fn heal(&mut self, store: &Store, key: &Key, told: &str) {
        let account = store.account(&key.0).unwrap();
        match self.current(key).cloned() {
            None => {
                account.delete(&key.1, &DeleteOptions::new()).unwrap_or_else(|e| panic!("{told}: {key:?}: {e}"));
                self.note(&key.0, &key.1, None);
            }
            Some(version) => {
                let mut options = PutOptions::new();
                if let Some(value) = version.content_type {
                    options = options.content_type(value);
                }
                self.put(&account, &key.1, &version.bytes, &options);
            }
        }
    }
}

/// Every name that is listed, of every account, page by page; each page as long as the next.
pub(crate) fn listed(store: &Store, told: &str) -> BTreeSet<Key> {
    let mut all = BTreeSet::new();
    for stats in store.accounts().unwrap() {
        let account = store.account(&stats.account).unwrap();
        let mut last: Option<String> = None;
        for entry in account.entries(ListOptions::new().limit(7)) {
            let name = entry.unwrap_or_else(|e| panic!("{told}: the listing of {:?} says {e}", stats.account)).name;
            assert!(last.as_ref().is_none_or(|last| *last < name), "{told}: {name:?} is out of order");
            last = Some(name.clone());
            all.insert((stats.account.clone(), name));
        }
    }
    all
}

/// What happened in the stores of these tests, in parts.
pub(crate) const PARTS: usize = 3;

/// Lets one part of the history happen.
pub(crate) fn happen(store: &Store, truth: &mut Truth, part: usize) {
    let (one, other) = (store.account("5500001").unwrap(), store.account("é/..").unwrap());
    let plain = PutOptions::new();
    match part {
        0 => {
            truth.put(&one, "a.png", &content(1, 300), &PutOptions::new().content_type("image/png"));
            truth.put(&one, "same.png", &content(1, 300), &plain.clone().metadata("from", "a.png"));
            truth.put(&one, "b.txt", &content(2, 50), &plain);
            truth.put(&other, "c", &content(3, 111), &plain);
        }
        1 => {
            truth.put(&one, "b.txt", &content(4, 77), &PutOptions::new().content_type("text/plain"));
            truth.put(&one, "gone", &content(5, 60), &plain);
            truth.delete(&one, "gone");
            let (first, second) = (content(6, 90), content(7, 0));
            let mut batch = one.batch();
            batch.put("m/0", first.clone(), &plain).unwrap().put("m/1", second.clone(), &plain).unwrap();
            let made = batch.commit().unwrap();
            for (outcome, bytes) in made.into_iter().zip([first, second]) {
                let mediacask::Outcome::Put(entry) = outcome else { panic!("a put is answered as one") };
                let version = Version { bytes, content_type: None, generation: entry.generation };
                truth.note("5500001", &entry.name, Some(version));
            }
            let policy = Policy { quota_count: Some(1000), ..Policy::default() };
            other.set_policy(&policy).unwrap();
            truth.policies.insert(other.name().to_owned(), policy);
        }
        _ => {
            truth.put(&other, "large", &content(8, 5000), &plain);
            let options = UpdateOptions::new().content_type(Some("image/x-png".into()));
            let entry = one.update("same.png", &options).unwrap().unwrap();
            let (content_type, generation) = (entry.content_type, entry.generation);
            truth.note("5500001", "same.png", Some(Version { bytes: content(1, 300), content_type, generation }));
            truth.put(&one, "last", &content(9, 40), &plain);
        }
    }
}

/// A store with the whole history in one segment, closed.
pub(crate) fn closed_store() -> (Image, Truth) {
    let dir = scratch();
    let mut truth = Truth::default();
    let store = open(dir.path());
    (0..PARTS).for_each(|part| happen(&store, &mut truth, part));
    assert_eq!(listed(&store, "as it was made"), truth.alive());
    store.close().unwrap();
    (Image::of(dir.path()), truth)
}

/// The same, killed in the end; its catalog was written down after the first part.
pub(crate) fn killed_store() -> (Image, Truth) {
    let dir = scratch();
    let mut truth = Truth::default();
    let store = open(dir.path());
    happen(&store, &mut truth, 0);
    store.checkpoint_catalog().unwrap();
    (1..PARTS).for_each(|part| happen(&store, &mut truth, part));
    (Image::of(dir.path()), truth)
}

/// The history in several sealed segments, a part in each, and one that is not: each part ends in a kill.
pub(crate) fn store_of_many_segments() -> (Image, Truth) {
    let dir = scratch();
    let mut truth = Truth::default();
    for part in 0..PARTS {
        let store = open(dir.path());
        happen(&store, &mut truth, part);
        let killed = Image::of(dir.path());
        drop(store);
        killed.put(dir.path());
    }
    let store = open(dir.path());
    truth.put(&store.account("5500001").unwrap(), "b.txt", &content(10, 33), &PutOptions::new());
    assert_eq!(listed(&store, "as it was made"), truth.alive());
    store.close().unwrap();
    (Image::of(dir.path()), truth)
}

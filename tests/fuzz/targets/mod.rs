//! What each fuzzer does with its bytes; the same is done with the kept ones by `tests/fuzz_corpora.rs`.

// Each fuzzer takes its own part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use mediacask::{ListOptions, PutOptions, Store, Upkeep, testing};

/// Inputs are cut here: what a reader of lengths does wrong, it does on short ones.
const INPUT_LEN_MAX: usize = 64 << 10;

pub(crate) fn record(bytes: &[u8]) {
    testing::read_record(bytes);
}

pub(crate) fn footer(bytes: &[u8]) {
    testing::read_footer(bytes);
}

pub(crate) fn store_file(bytes: &[u8]) {
    testing::read_store_file(bytes);
}

pub(crate) fn catalog(bytes: &[u8]) {
    testing::read_catalog(bytes);
}

pub(crate) fn token(bytes: &[u8]) {
    testing::read_token(bytes);
}

/// Reads the bytes as a MANIFEST; then opens a checkpoint whose MANIFEST and segment say what they say. Nothing
/// panics, nothing outside is touched; what is refused is left as it was, and refused again; what opens is a store
/// from then on.
pub(crate) fn manifest(bytes: &[u8]) {
    testing::read_manifest(bytes);
    let (listed, said) = bytes.split_at(bytes.len().min(16 + 3 * 48));
    let dir = temporary();
    let (store_file, segment) = testing::forge_store(&said[..said.len().min(INPUT_LEN_MAX)]);
    let (manifest, name) = testing::forge_manifest(listed, segment.len() as u64);
    let _in_memory = RowsInMemory::below(dir.path());
    let at = dir.path().join("copy");
    fs::create_dir_all(at.join("segments")).expect("a fresh directory");
    fs::write(dir.path().join("outside"), "as it was").expect("a fresh directory");
    fs::write(at.join("STORE"), store_file).expect("a fresh directory");
    fs::write(at.join("segments").join(name), segment).expect("a fresh directory");
    fs::write(at.join("MANIFEST"), &manifest).expect("a fresh directory");
    let before = files_below(&at);
    let opened = open(&at);
    assert_eq!(fs::read(dir.path().join("outside")).ok().as_deref(), Some(&b"as it was"[..]));
    let is_refused = at.join("MANIFEST").exists();
    match opened {
        Ok(store) => {
            assert!(!is_refused, "a checkpoint that was opened is a store");
            let first = read_all(&store);
            drop(store);
            let again = open(&at).expect("what opened once opens again");
            let second = read_all(&again);
            assert!(first.iter().all(|name| second.contains(name)), "{first:?} was there, and now there is {second:?}");
        }
        Err(_) if is_refused => {
            assert!(files_below(&at) == before, "a checkpoint that was refused is left as it was");
            assert!(open(&at).is_err(), "what was refused is refused again");
        }
        // It was made a store, and as one it does not open.
        Err(_) => {}
    }
}

/// The files of a checkpoint and what is in them.
fn files_below(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for dir in [dir.to_owned(), dir.join("segments")] {
        for file in fs::read_dir(dir).expect("it is there").map(|file| file.expect("it can be listed").path()) {
            // Who opens it locks it, and leaves its number.
            if file.is_file() && !file.ends_with("LOCK") {
                let bytes = fs::read(&file).expect("it can be read");
                files.push((file, bytes));
            }
        }
    }
    files.sort();
    files
}

fn temporary() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("mediacask-fuzz-").tempdir_in("/dev/shm");
    dir.or_else(|_| tempfile::tempdir()).expect("a directory for temporary files")
}

/// While it lives, the stores below a directory keep the rows of their indexes in memory: none of what is tried here is
/// the index's, and sled's threads hand each opening to one another several times.
struct RowsInMemory(PathBuf);

impl RowsInMemory {
    fn below(dir: &Path) -> RowsInMemory {
        testing::break_index(dir, testing::Fault::Error, u32::MAX);
        RowsInMemory(dir.to_owned())
    }
}

impl Drop for RowsInMemory {
    fn drop(&mut self) {
        testing::break_index(&self.0, testing::Fault::Error, 0);
    }
}

fn open(dir: &Path) -> mediacask::Result<Store> {
    let options = Store::options().upkeep(Upkeep::ByHand).segment_len(64 << 10).file_threshold(4096);
    options.index_cache_bytes(1 << 20).open(dir)
}

/// Opens a store whose one segment says what the bytes say, reads all of it, writes to it, and opens it again:
/// nothing panics, nothing that was read differs the second time, and references are counted right.
pub(crate) fn segment(bytes: &[u8]) {
    let dir = temporary();
    let _in_memory = RowsInMemory::below(dir.path());
    let (store_file, segment) = testing::forge_store(&bytes[..bytes.len().min(INPUT_LEN_MAX)]);
    fs::create_dir(dir.path().join("segments")).expect("a fresh directory");
    fs::write(dir.path().join("STORE"), store_file).expect("a fresh directory");
    fs::write(dir.path().join("segments/0000000001.seg"), segment).expect("a fresh directory");
    let Ok(store) = open(dir.path()) else { return };
    let first = read_all(&store);
    if let Ok(account) = store.account("55") {
        let put = account.put("a new one", b"bytes", &PutOptions::new());
        assert!(put.is_err() || account.get("a new one").is_ok_and(|blob| blob.is_some()));
    }
    let _ = (store.sweep(), store.stats(), store.health());
    drop(store);
    let store = open(dir.path()).expect("what opened once opens again");
    let second = read_all(&store);
    assert!(first.iter().all(|name| second.contains(name)), "{first:?} was there, and now there is {second:?}");
}

/// Every name there is that does not expire, once all that can be read of it was read.
fn read_all(store: &Store) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for account in store.accounts().unwrap_or_default() {
        let Ok(account) = store.account(&account.account) else { continue };
        for entry in account.entries(ListOptions::new()).map_while(Result::ok) {
            let _ = (account.get(&entry.name), account.get_range(&entry.name, 0..1), account.reader(&entry.name));
            if entry.expires_at.is_none() {
                names.push((account.name().to_owned(), entry.name));
            }
        }
    }
    assert!(store.recount().is_ok_and(|wrong| wrong.is_empty()), "references are miscounted");
    names
}

//! What each fuzzer does with its bytes; the same is done with the kept ones by `tests/fuzz_corpora.rs`.

// Each fuzzer takes its own part of this.
#![allow(dead_code)]

use std::fs;

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

/// Opens a store whose one segment says what the bytes say, reads all of it, writes to it, and opens it again:
/// nothing panics, nothing that was read differs the second time, and references are counted right.
pub(crate) fn segment(bytes: &[u8]) {
    let dir = tempfile::Builder::new().prefix("mediacask-fuzz-").tempdir_in("/dev/shm");
    let dir = dir.or_else(|_| tempfile::tempdir()).expect("a directory for temporary files");
    let (store_file, segment) = testing::forge_store(&bytes[..bytes.len().min(INPUT_LEN_MAX)]);
    fs::create_dir(dir.path().join("segments")).expect("a fresh directory");
    fs::write(dir.path().join("STORE"), store_file).expect("a fresh directory");
    fs::write(dir.path().join("segments/0000000001.seg"), segment).expect("a fresh directory");
    let open = || {
        let options = Store::options().upkeep(Upkeep::ByHand).segment_len(64 << 10).file_threshold(4096);
        options.index_cache_bytes(1 << 20).open(dir.path())
    };
    let Ok(store) = open() else { return };
    let first = read_all(&store);
    if let Ok(account) = store.account("55") {
        let put = account.put("a new one", b"bytes", &PutOptions::new());
        assert!(put.is_err() || account.get("a new one").is_ok_and(|blob| blob.is_some()));
    }
    let _ = (store.sweep(), store.stats(), store.health());
    drop(store);
    let Ok(store) = open() else { panic!("what opened once opens again") };
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

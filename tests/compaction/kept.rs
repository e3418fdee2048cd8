//! A small store and what it should hold: written over, deleted and compacted, then compared byte for byte.

// Each test crate takes its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mediacask::disk::Disk;
use mediacask::{Account, DeleteOptions, ListOptions, PutOptions, Store, StoreOptions};

use crate::support::{Crash, FaultDisk, Random, place};

/// What stands under each name.
pub(crate) type Wanted = BTreeMap<String, Vec<u8>>;

pub(crate) fn options() -> StoreOptions {
    place::small().file_threshold(8 << 10)
}

pub(crate) fn account(store: &Store) -> Account {
    store.account("5500001").unwrap()
}

/// Content nobody else has; some of it as long as to get a file of its own.
pub(crate) fn content(random: &mut Random) -> Vec<u8> {
    let len = match random.below(8) {
        0 => 8192 + random.below(3000),
        1..=3 => 3000 + random.below(5000),
        _ => random.below(1500),
    };
    random.bytes(len as usize + 8)
}

/// Overwrites, adds and deletes names by chance: most names change often, every eighth seldom.
pub(crate) fn churn(store: &Store, wanted: &mut Wanted, random: &mut Random, changes: u64) {
    let account = account(store);
    for _ in 0..changes {
        let mut nth = random.below(64);
        if nth.is_multiple_of(8) && random.below(8) > 0 {
            nth += 1;
        }
        let name = format!("m{}/{nth}.png", nth % 5);
        if random.below(5) == 0 {
            let existed = account.delete(&name, &DeleteOptions::new()).unwrap();
            assert_eq!(existed, wanted.remove(&name).is_some(), "{name}");
        } else {
            let content = content(random);
            account.put(&name, &content, &PutOptions::new()).unwrap();
            wanted.insert(name, content);
        }
    }
}

/// Whether the store holds this and nothing else; an answer that differs is told.
pub(crate) fn differs(store: &Store, wanted: &Wanted) -> Option<String> {
    let account = account(store);
    // A store that takes no writes any more lists nothing either.
    let names: Vec<String> = match store.health().poisoned {
        None => account.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect(),
        Some(_) => wanted.keys().cloned().collect(),
    };
    let found: BTreeMap<String, Vec<u8>> = names
        .into_iter()
        .map(|name| {
            let blob = account.get(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name.clone(), blob.unwrap_or_else(|| panic!("{name} is not there")).to_vec())
        })
        .collect();
    let mut names: Vec<&String> = found.keys().chain(wanted.keys()).collect();
    names.sort();
    names.dedup();
    let len = |content: Option<&Vec<u8>>| content.map(Vec::len);
    names
        .into_iter()
        .find(|name| found.get(*name) != wanted.get(*name))
        .map(|name| format!("{name}: {:?} bytes where {:?} should be", len(found.get(name)), len(wanted.get(name))))
}

pub(crate) fn compare(store: &Store, wanted: &Wanted, when: &str) {
    if let Some(how) = differs(store, wanted) {
        panic!("{when}: {how}");
    }
    assert_eq!(store.recount().unwrap(), [], "{when}: references are miscounted");
    // What a listing does not show is not there for a reader either.
    for nth in 0..72 {
        let name = format!("m{}/{nth}.png", nth % 5);
        assert_eq!(account(store).contains(&name).unwrap(), wanted.contains_key(&name), "{when}: {name}");
    }
}

/// Opens the store once more with nothing but its log: the rest is derived.
pub(crate) fn rebuilt(path: &Path, options: StoreOptions) -> Store {
    let _ = std::fs::remove_file(path.join("catalog"));
    let _ = std::fs::remove_dir_all(path.join("index"));
    options.open(path).unwrap()
}

/// A store on a disk that fails, its churn behind it, ready to be compacted.
pub(crate) struct Scene {
    pub(crate) disk: Arc<FaultDisk>,
    pub(crate) store: Store,
    pub(crate) wanted: Wanted,
}

impl Scene {
    /// The same for the same seed.
    pub(crate) fn new(seed: u64) -> Scene {
        let (disk, mut random) = (FaultDisk::new(seed), Random::new(seed));
        let store = on(&disk).open(disk.root()).unwrap();
        let mut wanted = Wanted::new();
        churn(&store, &mut wanted, &mut random, 150);
        // Some of what is compacted was compacted before.
        store.compact().unwrap();
        churn(&store, &mut wanted, &mut random, 150);
        Scene { disk, store, wanted }
    }

    /// Lets go of the store and cuts the power; gives the disk as it may be found.
    pub(crate) fn crash(self, how: Crash) -> (Arc<FaultDisk>, Wanted) {
        self.disk.power_off();
        drop(self.store);
        (self.disk.crash(how), self.wanted)
    }
}

pub(crate) fn on(disk: &Arc<FaultDisk>) -> StoreOptions {
    options().disk(disk.clone())
}

/// Takes away all that is derived.
pub(crate) fn leave_the_log_alone(disk: &FaultDisk) {
    let root = disk.root();
    let _ = std::fs::remove_dir_all(root.join("index"));
    if disk.unlink(&root.join("catalog")).is_ok() {
        disk.sync_dir(&root).unwrap();
    }
}

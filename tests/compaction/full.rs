//! A store on a disk that has no room, and what it acknowledged.

use std::collections::BTreeMap;
use std::path::Path;

use mediacask::{Account, DeleteOptions, ErrorKind, PutOptions, Store, StoreOptions};

use crate::support::Random;

pub(crate) fn options(segment: u64) -> StoreOptions {
    Store::options().segment_len(segment).file_threshold(segment / 4)
}

/// A store and what it acknowledged.
pub(crate) struct Full {
    pub(crate) store: Store,
    pub(crate) account: Account,
    pub(crate) wanted: BTreeMap<u64, Vec<u8>>,
    random: Random,
    next: u64,
    /// Longest content.
    pub(crate) len_max: u64,
}

impl Full {
    pub(crate) fn new(options: StoreOptions, path: &Path, segment: u64) -> Full {
        let store = options.open(path).unwrap();
        let account = store.account("5500001").unwrap();
        let (wanted, random) = (BTreeMap::new(), Random::new(segment));
        // A few have files of their own.
        Full { store, account, wanted, random, next: 0, len_max: segment / 4 + segment / 16 }
    }

    pub(crate) fn put(&mut self) -> Result<(), mediacask::Error> {
        let len = 1 + self.random.below(self.len_max);
        let content = self.random.bytes(len as usize);
        self.account.put(&self.next.to_string(), &content, &PutOptions::new())?;
        self.wanted.insert(self.next, content);
        self.next += 1;
        Ok(())
    }

    /// Puts until there is no room; gives how many it took.
    pub(crate) fn fill(&mut self) -> u64 {
        let before = self.next;
        loop {
            if let Err(error) = self.put() {
                assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                return self.next - before;
            }
        }
    }

    /// Deletes some of each part of the log; all of it must work.
    pub(crate) fn thin_out(&mut self, keep_every: u64, nth: u64) {
        let is_kept = |name: u64| name % keep_every == nth % keep_every;
        let gone: Vec<u64> = self.wanted.keys().copied().filter(|name| !is_kept(*name)).collect();
        for nth in gone {
            let deleted = self.account.delete(&nth.to_string(), &DeleteOptions::new());
            assert!(deleted.unwrap_or_else(|error| panic!("{nth}: {error}")));
            self.wanted.remove(&nth);
        }
    }

    pub(crate) fn compare(&self, when: &str) {
        for nth in 0..self.next {
            let found = self.account.get(&nth.to_string()).unwrap_or_else(|error| panic!("{when}, {nth}: {error}"));
            assert!(found.as_deref() == self.wanted.get(&nth).map(Vec::as_slice), "{when}: {nth}");
        }
        assert!(self.store.health().damage.is_empty(), "{when}: {:?}", self.store.health().damage);
    }

    pub(crate) fn reopen(self, options: StoreOptions, path: &Path) -> Full {
        let Full { store, account, wanted, random, next, len_max } = self;
        store.close().unwrap();
        drop((store, account));
        let store = options.open(path).unwrap();
        let account = store.account("5500001").unwrap();
        Full { store, account, wanted, random, next, len_max }
    }
}

//! What a store holds, read through every way of reading there is.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use mediacask::{Account, Digest, Entry, ListOptions, Policy, Result, Store};

use super::state::{Item, State, Target};

/// A store's names with their entries, and its policies.
pub(crate) struct Observed {
    names: BTreeMap<Target, Entry>,
    totals: BTreeMap<&'static str, (u64, u64, Policy)>,
}

impl Observed {
    /// Reads the store at a time when nothing has expired. `universe` is every name there can be.
    pub(crate) fn read(
        store: &Store,
        universe: &[Target],
        accounts: &[&'static str],
        by_list: bool,
    ) -> Result<Observed> {
        let (mut names, mut totals) = (BTreeMap::new(), BTreeMap::new());
        for account in accounts {
            let (stats, policy) = (store.account(account)?.stats()?, store.account(account)?.policy()?);
            totals.insert(*account, (stats.count, stats.bytes, policy));
        }
        for target in universe {
            let account = store.account(target.0)?;
            let Some(entry) = account.head(&target.1)? else { continue };
            check_content(&account, &target.1, &entry)?;
            names.insert(target.clone(), entry);
        }
        if by_list {
            for account in accounts {
                let listed = store.account(account)?.entries(ListOptions::new()).collect::<Result<Vec<_>>>()?;
                let heads: Vec<_> = names.iter().filter(|((of, _), _)| of == account).map(|(_, e)| e.clone()).collect();
                assert_eq!(listed, heads, "the listing of {account} and what its names say for themselves");
            }
        }
        Ok(Observed { names, totals })
    }

    /// The state as it was found, when it is `state`; else how it differs.
    pub(crate) fn match_with(&self, state: &State) -> Result<State, String> {
        for (target, entry) in &self.names {
            let item = state.names.get(target).ok_or_else(|| format!("{target:?} is there: {entry:?}"))?;
            item.compare(entry).map_err(|how| format!("{target:?}: {how}"))?;
        }
        if let Some(missing) = state.names.keys().find(|target| !self.names.contains_key(*target)) {
            return Err(format!("{missing:?} is missing"));
        }
        for (account, (count, bytes, policy)) in &self.totals {
            if (*count, *bytes) != state.totals(account) {
                return Err(format!("{account} holds {count} names of {bytes} bytes, not {:?}", state.totals(account)));
            }
            if *policy != state.policy(account) {
                return Err(format!("{account} has {policy:?}, not {:?}", state.policy(account)));
            }
        }
        let mut found = state.clone();
        for (target, item) in &mut found.names {
            if item.generation.is_err() {
                *item = Arc::new(Item { generation: Ok(self.names[target].generation), ..Item::clone(item) });
            }
        }
        Ok(found)
    }

    /// The highest generation found.
    pub(crate) fn newest(&self) -> u64 {
        self.names.values().map(|entry| entry.generation).max().unwrap_or(0)
    }
}

fn check_content(account: &Account, name: &str, entry: &Entry) -> Result<()> {
    let blob = account.get(name)?.expect("head has just found it");
    assert_eq!((Digest::of(&blob), blob.len() as u64), (entry.digest, entry.size), "the bytes of {name:?}");
    assert_eq!(blob.entry(), *entry);
    Ok(())
}

/// Reads a whole content through a reader, from the middle on and then from the start.
pub(crate) fn read_all(mut reader: mediacask::BlobReader) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

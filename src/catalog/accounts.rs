//! The accounts: what each holds in all, what its policy allows, and the prefixes that are counted.
//!
//! Only the leader of a group changes an account, under its lock; the lock guards the totals against
//! readers and is never held across I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Place;
use crate::digest::NameKey;
use crate::disk::locks::{Mutex, RwLock};
use crate::options::Policy;

/// Prefixes counted at a time in one account; beyond, all are forgotten and counted anew when needed.
const PREFIXES_MAX: usize = 1024;
/// Names remembered of one prefix; beyond, it is forgotten.
const MEMBERS_MAX: usize = 4096;

/// One account.
pub(crate) struct Account {
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    /// Guards the totals, the policy and the counted prefixes.
    pub(crate) state: Mutex<AccountState>,
}

/// What an account holds in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) count: u64,
    /// Of content, each name's own.
    pub(crate) bytes: u64,
    /// Sum over the shares of (name, sequence): what the index's rows must add up to.
    pub(crate) sum: u128,
}

impl Totals {
    pub(super) fn add(&mut self, more: Totals) {
        self.count += more.count;
        self.bytes += more.bytes;
        self.sum = self.sum.wrapping_add(more.sum);
    }
}

#[derive(Default)]
pub(crate) struct AccountState {
    pub(crate) totals: Totals,
    pub(crate) policy: Option<PolicyRow>,
    prefixes: HashMap<String, Members>,
    /// How many counts of prefixes were begun.
    counts: u64,
    /// How many counted prefixes have each length, so that a name is looked up once per length.
    lengths: BTreeMap<usize, usize>,
}

/// A policy and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyRow {
    pub(crate) policy: Policy,
    pub(crate) sequence: u64,
    pub(crate) place: Place,
}

/// One name under a counted prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) sequence: u64,
    /// `None`: the name ended at `sequence`.
    pub(crate) size: Option<u64>,
    /// Unix ms; 0: never.
    pub(crate) expires_ms: u64,
}

/// The names under a counted prefix: changes arrive from the moment it is counted, what was there
/// before by a scan; for each name the highest sequence counts, so the two meet in any order.
#[derive(Default)]
pub(crate) struct Members {
    pub(crate) names: HashMap<NameKey, Member>,
    /// Which count it is: a prefix that was forgotten is counted anew.
    count: u64,
    complete: bool,
}

impl AccountState {
    /// Begins to count a prefix, if it is not counted yet; gives which count it is.
    pub(crate) fn count_prefix(&mut self, prefix: &str) -> u64 {
        if self.prefixes.len() >= PREFIXES_MAX && !self.prefixes.contains_key(prefix) {
            self.prefixes.clear();
            self.lengths.clear();
        }
        if let Some(members) = self.prefixes.get(prefix) {
            return members.count;
        }
        self.counts += 1;
        self.prefixes.insert(prefix.to_owned(), Members { count: self.counts, ..Members::default() });
        *self.lengths.entry(prefix.len()).or_default() += 1;
        self.counts
    }

    /// Takes in what a scan found under a prefix, after `count` was begun. From now on its members are
    /// known. Of several scans only the first is taken in: what has ended since is remembered no more.
    pub(crate) fn complete_prefix(&mut self, prefix: &str, count: u64, found: impl Iterator<Item = (NameKey, Member)>) {
        let underway = self.prefixes.get_mut(prefix).filter(|members| members.count == count && !members.complete);
        let Some(members) = underway else { return };
        for (key, member) in found {
            members.take(key, member);
        }
        members.names.retain(|_, member| member.size.is_some());
        members.complete = true;
    }

    /// The members of a prefix, once they are all known.
    pub(crate) fn members(&self, prefix: &str) -> Option<&Members> {
        self.prefixes.get(prefix).filter(|members| members.complete)
    }

    /// Lets the counted prefixes of `name` know of a change.
    pub(super) fn changed(&mut self, key: NameKey, name: &str, member: Member) {
        let mut forget = Vec::new();
        for len in self.lengths.keys() {
            let Some(prefix) = name.get(..*len) else { continue };
            if let Some(members) = self.prefixes.get_mut(prefix) {
                members.take(key, member);
                if members.names.len() > MEMBERS_MAX {
                    forget.push(prefix.to_owned());
                }
            }
        }
        forget.iter().for_each(|prefix| self.forget_prefix(prefix));
    }

    /// Stops counting a prefix.
    pub(crate) fn forget_prefix(&mut self, prefix: &str) {
        if self.prefixes.remove(prefix).is_some()
            && let Some(count) = self.lengths.get_mut(&prefix.len())
        {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy.map_or_else(Policy::default, |row| row.policy)
    }
}

impl Members {
    fn take(&mut self, key: NameKey, member: Member) {
        if self.names.get(&key).is_some_and(|known| known.sequence > member.sequence) {
            return;
        }
        if member.size.is_none() && self.complete {
            self.names.remove(&key);
        } else {
            self.names.insert(key, member);
        }
    }
}

/// All accounts, by name and by id.
#[derive(Default)]
pub(crate) struct Accounts(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_name: HashMap<Arc<str>, Arc<Account>>,
    by_id: Vec<Arc<Account>>,
}

impl Accounts {
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Account>> {
        self.0.read().by_name.get(name).cloned()
    }

    pub(crate) fn get(&self, id: u32) -> Option<Arc<Account>> {
        self.0.read().by_id.get(id as usize).cloned()
    }

    /// The account of this name, which gets an id if it has none yet.
    pub(crate) fn intern(&self, name: &str) -> Arc<Account> {
        if let Some(known) = self.find(name) {
            return known;
        }
        let mut known = self.0.write();
        if let Some(found) = known.by_name.get(name) {
            return found.clone();
        }
        let name: Arc<str> = name.into();
        let account = Arc::new(Account { id: known.by_id.len() as u32, name: name.clone(), state: Mutex::default() });
        known.by_name.insert(name, account.clone());
        known.by_id.push(account.clone());
        account
    }

    /// All of them, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.0.read().by_id.clone()
    }
}

//! What a store should hold: plain maps, and the rules by which operations change them.
//!
//! A rule gives the state after the operation, or the kinds of error of which one must be the answer.
//! Entries stay in the map when their time has come, until a sweep ends them, as in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::{Digest, Entry, ErrorKind, Expiry, Policy, PrefixLimit, PutOptions, UpdateOptions};

pub(crate) type Ruled = Result<State, Vec<ErrorKind>>;

/// Bytes and their digest.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) digest: Digest,
}

impl Content {
    pub(crate) fn new(bytes: Vec<u8>) -> Content {
        Content { digest: Digest::of(&bytes), bytes: bytes.into() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// An account and a name of it.
pub(crate) type Target = (&'static str, String);

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) content: Content,
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    /// 0: never.
    pub(crate) expires_ms: u64,
    /// `None`: it was never told; above the bound.
    pub(crate) generation: Result<u64, u64>,
}

impl Item {
    pub(crate) fn is_alive(&self, now_ms: u64) -> bool {
        self.expires_ms == 0 || self.expires_ms > now_ms
    }

    /// Says how `entry` differs.
    pub(crate) fn compare(&self, entry: &Entry) -> Result<(), String> {
        let ms = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let expires_ms = entry.expires_at.map_or(0, ms);
        let same = (entry.digest, entry.size) == (self.content.digest, self.content.len())
            && entry.content_type == self.content_type
            && entry.metadata == self.metadata
            && (ms(entry.created_at), ms(entry.updated_at), expires_ms)
                == (self.created_ms, self.updated_ms, self.expires_ms)
            && match self.generation {
                Ok(generation) => entry.generation == generation,
                Err(above) => entry.generation > above,
            };
        if same { Ok(()) } else { Err(format!("found {entry:?}, not {:?}", self.brief())) }
    }

    fn brief(&self) -> impl std::fmt::Debug {
        let times = (self.created_ms, self.updated_ms, self.expires_ms);
        (self.content.digest, self.content.len(), times, self.generation, self.content_type.clone())
    }
}

/// What a put or a copy is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) expiry: Expiry,
    pub(crate) condition: Condition,
    pub(crate) prefix_limit: Option<PrefixLimit>,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Condition {
    #[default]
    None,
    Absent,
    Match(Digest),
    Generation(u64),
}

impl Wish {
    pub(crate) fn options(&self) -> PutOptions {
        let mut options = PutOptions::new().expiry(self.expiry);
        if let Some(text) = &self.content_type {
            options = options.content_type(text);
        }
        for (key, value) in &self.metadata {
            options = options.metadata(key, value);
        }
        if let Some(limit) = &self.prefix_limit {
            options = options.prefix_limit(limit.clone());
        }
        match self.condition {
            Condition::None => options,
            Condition::Absent => options.if_absent(),
            Condition::Match(digest) => options.if_match(digest),
            Condition::Generation(generation) => options.if_generation(generation),
        }
    }
}

impl Condition {
    fn holds(&self, item: Option<&Item>) -> bool {
        match self {
            Condition::None => true,
            Condition::Absent => item.is_none(),
            Condition::Match(digest) => item.is_some_and(|item| item.content.digest == *digest),
            Condition::Generation(wanted) => item.is_some_and(|item| item.generation == Ok(*wanted)),
        }
    }
}

/// What an update changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touch {
    /// An empty text takes it away.
    pub(crate) content_type: Option<String>,
    pub(crate) set: Option<(String, String)>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) condition: Condition,
}

impl Touch {
    pub(crate) fn options(&self) -> UpdateOptions {
        let mut options = UpdateOptions::new();
        if let Some(text) = &self.content_type {
            options = options.content_type(Some(text.clone()).filter(|text| !text.is_empty()));
        }
        if let Some((key, value)) = &self.set {
            options = options.set_metadata(key, value);
        }
        if let Some(expiry) = self.expiry {
            options = options.expiry(expiry);
        }
        match self.condition {
            Condition::Match(digest) => options.if_match(digest),
            Condition::Generation(generation) => options.if_generation(generation),
            Condition::None | Condition::Absent => options,
        }
    }
}

/// All that a store holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) names: BTreeMap<Target, Arc<Item>>,
    pub(crate) policies: BTreeMap<&'static str, Policy>,
}

impl State {
    pub(crate) fn policy(&self, account: &str) -> Policy {
        self.policies.get(account).copied().unwrap_or_default()
    }

    pub(crate) fn alive(&self, target: &Target, now_ms: u64) -> Option<&Arc<Item>> {
        self.names.get(target).filter(|item| item.is_alive(now_ms))
    }

    /// The names of an account that begin with a prefix and are alive, in order.
    pub(crate) fn listed(&self, account: &str, prefix: &str, now_ms: u64) -> BTreeMap<String, Arc<Item>> {
        let of = |((of, name), item): &(&Target, &Arc<Item>)| {
            *of == account && name.starts_with(prefix) && item.is_alive(now_ms)
        };
        let names = self.names.iter().filter(of);
        names.map(|((_, name), item)| (name.clone(), Arc::clone(item))).collect()
    }

    /// Names and bytes of an account, what has expired and was not swept included.
    pub(crate) fn totals(&self, account: &str) -> (u64, u64) {
        let items = self.names.iter().filter(|((of, _), _)| *of == account);
        items.fold((0, 0), |(count, bytes), (_, item)| (count + 1, bytes + item.content.len()))
    }

    pub(crate) fn put(&self, target: &Target, content: &Content, wish: &Wish, now_ms: u64, above: u64) -> Ruled {
        let item = Item {
            content: content.clone(),
            content_type: wish.content_type.clone(),
            metadata: wish.metadata.clone(),
            created_ms: 0,
            updated_ms: now_ms,
            expires_ms: 0,
            generation: Err(above),
        };
        self.set(target, item, wish, now_ms)
    }

    /// Gives a name an entry, when conditions and policy allow it.
    fn set(&self, target: &Target, mut item: Item, wish: &Wish, now_ms: u64) -> Ruled {
        let mut refusals = Vec::new();
        let (policy, size) = (self.policy(target.0), item.content.len());
        let (old, alive) = (self.names.get(target), self.alive(target, now_ms));
        if !wish.condition.holds(alive.map(|item| &**item)) {
            refusals.push(ErrorKind::PreconditionFailed);
        }
        if policy.largest_blob.is_some_and(|largest| size > largest) {
            refusals.push(ErrorKind::TooLarge);
        }
        match expires_ms(wish.expiry, &policy, now_ms) {
            Ok(expires_ms) => item.expires_ms = expires_ms,
            Err(kind) => refusals.push(kind),
        }
        let (count, bytes) = self.totals(target.0);
        let old_size = old.map_or(0, |old| old.content.len());
        // Beyond a quota that was lowered since, what does not make it worse is still done.
        let is_over_bytes = size > old_size && policy.quota_bytes.is_some_and(|q| bytes + size - old_size > q);
        let is_over_count = old.is_none() && policy.quota_count.is_some_and(|quota| count + 1 > quota);
        if is_over_bytes || is_over_count {
            refusals.push(ErrorKind::QuotaExceeded);
        }
        if let Some(limit) = &wish.prefix_limit {
            let mut under = self.listed(target.0, &limit.prefix, now_ms);
            under.remove(&target.1);
            let bytes = size + under.values().map(|item| item.content.len()).sum::<u64>();
            if under.len() as u64 + 1 > limit.count || bytes > limit.bytes {
                refusals.push(ErrorKind::QuotaExceeded);
            }
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        item.created_ms = alive.map_or(now_ms, |old| old.created_ms);
        let mut after = self.clone();
        after.names.insert(target.clone(), Arc::new(item));
        Ok(after)
    }

    pub(crate) fn copy(&self, from: &Target, to: &Target, wish: &Wish, now_ms: u64, above: u64) -> Ruled {
        let Some(source) = self.alive(from, now_ms) else { return Ok(self.clone()) };
        let mut metadata = source.metadata.clone();
        metadata.extend(wish.metadata.clone());
        let wish = Wish {
            content_type: wish.content_type.clone().or_else(|| source.content_type.clone()),
            metadata,
            ..wish.clone()
        };
        self.put(to, &source.content, &wish, now_ms, above)
    }

    pub(crate) fn update(&self, target: &Target, touch: &Touch, now_ms: u64, above: u64) -> Ruled {
        let alive = self.alive(target, now_ms);
        let mut refusals = Vec::new();
        if !touch.condition.holds(alive.map(|item| &**item)) {
            refusals.push(ErrorKind::PreconditionFailed);
        }
        let Some(old) = alive else {
            return if refusals.is_empty() { Ok(self.clone()) } else { Err(refusals) };
        };
        let mut item = Item { updated_ms: now_ms, generation: Err(above), ..Item::clone(old) };
        if let Some(text) = &touch.content_type {
            item.content_type = Some(text.clone()).filter(|text| !text.is_empty());
        }
        item.metadata.extend(touch.set.clone());
        match touch.expiry.map(|expiry| expires_ms(expiry, &self.policy(target.0), now_ms)) {
            Some(Ok(expires_ms)) => item.expires_ms = expires_ms,
            Some(Err(kind)) => refusals.push(kind),
            None => {}
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let mut after = self.clone();
        after.names.insert(target.clone(), Arc::new(item));
        Ok(after)
    }

    pub(crate) fn delete(&self, target: &Target, condition: &Condition, now_ms: u64) -> Ruled {
        let alive = self.alive(target, now_ms);
        if !condition.holds(alive.map(|item| &**item)) {
            return Err(vec![ErrorKind::PreconditionFailed]);
        }
        let mut after = self.clone();
        if alive.is_some() {
            after.names.remove(target);
        }
        Ok(after)
    }

    /// Without what `gone` says of what is alive; and how many that were.
    pub(crate) fn purge(&self, now_ms: u64, gone: impl Fn(&Target, &Item) -> bool) -> (State, u64) {
        let mut after = self.clone();
        after.names.retain(|target, item| !(item.is_alive(now_ms) && gone(target, item)));
        let count = self.names.len() - after.names.len();
        (after, count as u64)
    }

    /// Without what has expired; and how many that were.
    pub(crate) fn sweep(&self, now_ms: u64) -> (State, u64) {
        let mut after = self.clone();
        after.names.retain(|_, item| item.is_alive(now_ms));
        let count = self.names.len() - after.names.len();
        (after, count as u64)
    }

    /// How many contents have files of their own, when accounts share content or not.
    pub(crate) fn blob_files(&self, threshold: u64, shared: bool) -> u64 {
        let large = self.names.iter().filter(|(_, item)| item.content.len() >= threshold);
        let contents = large.map(|((account, _), item)| (if shared { "" } else { *account }, item.content.digest));
        contents.collect::<BTreeSet<_>>().len() as u64
    }
}

/// The instant an entry ends at, 0 for never.
fn expires_ms(expiry: Expiry, policy: &Policy, now_ms: u64) -> Result<u64, ErrorKind> {
    let ms = |ttl: Duration| ttl.as_millis() as u64;
    let longest = policy.longest_ttl.map(ms);
    let ttl_ms = match expiry {
        Expiry::Policy => match policy.default_ttl.map(ms).or(longest) {
            Some(ttl_ms) => longest.map_or(ttl_ms, |longest| ttl_ms.min(longest)),
            None => return Ok(0),
        },
        Expiry::Never if longest.is_some() => return Err(ErrorKind::InvalidOption),
        Expiry::Never => return Ok(0),
        Expiry::After(ttl) => ms(ttl),
        Expiry::At(instant) => ms(instant.duration_since(UNIX_EPOCH).unwrap()).saturating_sub(now_ms),
    };
    if ttl_ms == 0 || longest.is_some_and(|longest| ttl_ms > longest) {
        return Err(ErrorKind::InvalidOption);
    }
    Ok(now_ms + ttl_ms)
}

//! What a group of requests comes to: conditions, quotas and dedup, decided in the order of the log.
//!
//! The plan sees the catalog as it is and the requests before it in the group as if they were done; it
//! changes neither. A request is taken as a whole or refused as a whole, with an error of its own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::request::{BodySource, Done, Intent, PutIntent, Refused, Request, Target};
use crate::catalog::accounts::{Account, Member};
use crate::catalog::{Catalog, Change, Place, STORE_SCOPE};
use crate::digest::{Digest, NameKey};
use crate::entry::Facts;
use crate::error::{Error, ErrorKind, Result};
use crate::log::record::{self, Kind, OpView, PutFields, Reason, Stamp};
use crate::log::{Group, Log, Tail};
use crate::options::{Conditions, Durability, Expiry, PrefixLimit, UpdateOptions};

/// A name as the plan sees it at some place in the log's order.
#[derive(Clone)]
struct Known<'a> {
    sequence: u64,
    expires_ms: u64,
    digest: Digest,
    size: u64,
    /// `None`: what the log says of the entry is damaged.
    rest: Option<(u64, Cow<'a, Facts>)>,
}

impl Known<'_> {
    fn is_alive(&self, now_ms: u64) -> bool {
        self.expires_ms == 0 || self.expires_ms > now_ms
    }

    fn created_ms(&self) -> Option<u64> {
        self.rest.as_ref().map(|(created_ms, _)| *created_ms)
    }
}

/// What requests before this one did to a name, a content, an account.
#[derive(Clone, Default)]
struct Overlay<'a> {
    names: HashMap<NameKey, (u32, &'a str, Option<Known<'a>>)>,
    references: HashMap<(Digest, u32), i64>,
    totals: HashMap<u32, (i64, i64)>,
}

/// The plan of one group.
pub(crate) struct Plan<'a> {
    log: &'a Log,
    catalog: &'a Catalog,
    store_wide: bool,
    now_ms: u64,
    /// Contents that are being taken down.
    barred: Vec<Digest>,
    done: Overlay<'a>,
    pub(crate) group: Group<'a>,
    pub(crate) changes: Vec<Change<'a>>,
    pub(crate) needs_sync: bool,
    pub(crate) dedup_hits: u64,
}

/// A request while it is examined: nothing of it is in the plan yet.
struct Draft<'a> {
    overlay: Overlay<'a>,
    head: Vec<u8>,
    operations: u32,
    bodies: Vec<(&'a BodySource, Digest, u64, u32)>,
    changes: Vec<Pending<'a>>,
    done: Vec<Done>,
    dedup_hits: u64,
}

/// A change that waits for the places of what it names.
enum Pending<'a> {
    Put {
        at: usize,
        key: NameKey,
        account: Arc<Account>,
        name: &'a str,
        known: Known<'a>,
        scope: u32,
        body: Option<usize>,
    },
    Policy {
        at: usize,
        account: Arc<Account>,
        policy: crate::options::Policy,
        sequence: u64,
    },
    Ready(Change<'a>),
    Pinned {
        body: usize,
    },
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        log: &'a Log,
        catalog: &'a Catalog,
        tail: &Tail,
        store_wide: bool,
        now_ms: u64,
        barred: Vec<Digest>,
    ) -> Plan<'a> {
        Plan {
            log,
            catalog,
            store_wide,
            now_ms,
            barred,
            done: Overlay::default(),
            group: Group::begin(tail),
            changes: Vec::new(),
            needs_sync: false,
            dedup_hits: 0,
        }
    }

    /// Takes a request into the plan, or says why not.
    pub(crate) fn admit(&mut self, tail: &mut Tail, request: &'a Request) -> Result<Vec<Done>, Refused> {
        let first = tail.take_sequences(request.intents.len() as u64);
        let mut draft = Draft {
            overlay: Overlay::default(),
            head: Vec::new(),
            operations: 0,
            bodies: Vec::new(),
            changes: Vec::new(),
            done: Vec::with_capacity(request.intents.len()),
            dedup_hits: 0,
        };
        let mut outcome = Ok(());
        for (intent, sequence) in request.intents.iter().zip(first..) {
            outcome = outcome.and_then(|()| self.examine(&mut draft, intent, sequence));
        }
        // A pin ends with its request, taken or refused.
        let unpin = |(digest, scope): &(Digest, u32)| Change::Unpin { digest: *digest, scope: *scope };
        match outcome {
            Ok(()) => {}
            // It comes again, with its pins.
            Err(Refused::PrefixUnknown) => return Err(Refused::PrefixUnknown),
            Err(error) => {
                self.changes.extend(request.pins.iter().map(unpin));
                return Err(error);
            }
        }
        // Also when nothing is to be written: that a name is absent may rest on a delete that is not durable.
        self.needs_sync |= request.durability == Durability::Sync;
        let done = self.take(tail, draft, first);
        self.changes.extend(request.pins.iter().map(unpin));
        Ok(done)
    }

    /// Lays a draft's records out in the group, bodies first, and makes what it did visible to the
    /// requests after it.
    fn take(&mut self, tail: &mut Tail, draft: Draft<'a>, first: u64) -> Vec<Done> {
        let mut placed = Vec::with_capacity(draft.bodies.len());
        for (body, digest, size, scope) in &draft.bodies {
            let (kind, head, content): (_, &[u8], &[u8]) = match body {
                BodySource::Bytes { head, content } => (Kind::Blob, head, content),
                BodySource::File { head, .. } => (Kind::File, head, &[]),
                BodySource::Pinned => unreachable!("only what is to be written is among the bodies"),
            };
            let segment = self.group.position().segment;
            let offset = self.group.push(kind, tail.take_sequences(1), 1, head, content) as u32;
            let offset = offset | u32::from(kind == Kind::File);
            placed.push((Place { segment, offset }, *digest, *size, *scope));
        }
        let segment = self.group.position().segment;
        let at = if draft.operations == 0 {
            0
        } else {
            self.group.push(Kind::Commit, first, draft.operations, &draft.head, &[]) as usize + record::HEADER_LEN
        };
        let place = |op: usize| Place { segment, offset: (at + op) as u32 };
        for pending in draft.changes {
            self.changes.push(match pending {
                Pending::Put { at, key, account, name, known, scope, body } => Change::Put {
                    key,
                    account,
                    name,
                    sequence: known.sequence,
                    expires_ms: known.expires_ms,
                    place: place(at),
                    digest: known.digest,
                    size: known.size,
                    scope,
                    blob: body.map(|body| placed[body].0),
                },
                Pending::Policy { at, account, policy, sequence } => {
                    Change::Policy { account, policy, sequence, place: place(at) }
                }
                Pending::Ready(change) => change,
                Pending::Pinned { body } => {
                    let (blob, digest, size, scope) = placed[body];
                    Change::Pinned { digest, size, scope, blob }
                }
            });
        }
        self.done.names.extend(draft.overlay.names);
        for (content, change) in draft.overlay.references {
            *self.done.references.entry(content).or_default() += change;
        }
        for (account, (count, bytes)) in draft.overlay.totals {
            let totals = self.done.totals.entry(account).or_default();
            *totals = (totals.0 + count, totals.1 + bytes);
        }
        self.dedup_hits += draft.dedup_hits;
        draft.done
    }

    fn examine(&self, draft: &mut Draft<'a>, intent: &'a Intent, sequence: u64) -> Result<(), Refused> {
        match intent {
            Intent::Put(put) => self.put(draft, put, sequence),
            Intent::Update { target, options } => self.update(draft, target, options, sequence),
            Intent::Copy { from, to, replace, expiry, conditions, prefix_limit } => {
                let Some(source) = self.known(draft, from)?.filter(|known| known.is_alive(self.now_ms)) else {
                    draft.done.push(Done::Absent);
                    return Ok(());
                };
                let Some((_, facts)) = &source.rest else { return Err(damaged(from).into()) };
                let facts = replace(facts);
                facts.check()?;
                let limits = Limits { expiry: Some(*expiry), conditions, prefix_limit: prefix_limit.as_ref() };
                let content = (source.digest, source.size, None);
                self.set(draft, to, Reason::Copy, content, Cow::Owned(facts), &limits, sequence)
            }
            Intent::End { target, reason, conditions } => self.end(draft, target, *reason, conditions, sequence),
            Intent::Expire { target, sequence: seen } => {
                let due =
                    self.known(draft, target)?.filter(|known| known.sequence == *seen && !known.is_alive(self.now_ms));
                draft.done.push(Done::Ended(due.is_some()));
                if let Some(known) = due {
                    self.write_end(draft, target, Reason::Expiry, &known, sequence);
                }
                Ok(())
            }
            Intent::Policy { account, policy } => {
                let stamp = Stamp { sequence, replaces: 0, lets_go: Digest::default(), at_ms: self.now_ms };
                let (at, account) = (draft.head.len(), self.catalog.accounts.intern(account));
                record::encode_policy(&mut draft.head, &stamp, &account.name, policy);
                draft.operations += 1;
                draft.changes.push(Pending::Policy { at, account, policy: *policy, sequence });
                draft.done.push(Done::Nothing);
                Ok(())
            }
            Intent::Retire { segment } => {
                let stamp = Stamp { sequence, replaces: 0, lets_go: Digest::default(), at_ms: self.now_ms };
                record::encode_retire(&mut draft.head, &stamp, *segment);
                draft.operations += 1;
                draft.done.push(Done::Nothing);
                Ok(())
            }
            Intent::Stage { account, digest, size, body } => {
                let scope = self.scope(account);
                draft.bodies.push((body, *digest, *size, scope));
                draft.changes.push(Pending::Pinned { body: draft.bodies.len() - 1 });
                *draft.overlay.references.entry((*digest, scope)).or_default() += 1;
                draft.done.push(Done::Nothing);
                Ok(())
            }
        }
    }

    fn put(&self, draft: &mut Draft<'a>, put: &'a PutIntent, sequence: u64) -> Result<(), Refused> {
        let limits =
            Limits { expiry: Some(put.expiry), conditions: &put.conditions, prefix_limit: put.prefix_limit.as_ref() };
        let content = (put.digest, put.size, Some(&put.body));
        self.set(draft, &put.target, Reason::Put, content, Cow::Borrowed(&put.facts), &limits, sequence)
    }

    fn update(
        &self,
        draft: &mut Draft<'a>,
        target: &'a Target,
        options: &'a UpdateOptions,
        sequence: u64,
    ) -> Result<(), Refused> {
        let Some(known) = self.known(draft, target)?.filter(|known| known.is_alive(self.now_ms)) else {
            Self::check_conditions(target, None, &options.conditions)?;
            draft.done.push(Done::Absent);
            return Ok(());
        };
        let Some((_, facts)) = &known.rest else { return Err(damaged(target).into()) };
        let mut facts = facts.clone().into_owned();
        for (field, change) in [
            (&mut facts.content_type, &options.content_type),
            (&mut facts.cache_control, &options.cache_control),
            (&mut facts.content_disposition, &options.content_disposition),
        ] {
            if let Some(change) = change {
                field.clone_from(change);
            }
        }
        options.unset.iter().for_each(|key| drop(facts.metadata.remove(key)));
        facts.metadata.extend(options.set.iter().cloned());
        facts.check()?;
        let limits = Limits { expiry: options.expiry, conditions: &options.conditions, prefix_limit: None };
        let content = (known.digest, known.size, None);
        self.set(draft, target, Reason::Update, content, Cow::Owned(facts), &limits, sequence)
    }

    /// Gives a name an entry: all of put, update and copy that is the same.
    #[allow(clippy::too_many_arguments)] // The parts of an entry; a struct for one call would only rename them.
    fn set(
        &self,
        draft: &mut Draft<'a>,
        target: &'a Target,
        reason: Reason,
        content: (Digest, u64, Option<&'a BodySource>),
        facts: Cow<'a, Facts>,
        limits: &Limits<'_>,
        sequence: u64,
    ) -> Result<(), Refused> {
        let (digest, size, body) = content;
        if reason != Reason::Update && self.barred.contains(&digest) {
            let message = format!("{digest} is being taken down; nothing that holds it can be put meanwhile");
            return Err(Error::new(ErrorKind::PreconditionFailed, message).into());
        }
        let account = self.catalog.accounts.intern(&target.account);
        let old = self.known(draft, target)?;
        let alive = old.as_ref().filter(|known| known.is_alive(self.now_ms));
        Self::check_conditions(target, alive, limits.conditions)?;
        let policy = account.state.lock().policy();
        if policy.largest_blob.is_some_and(|largest| size > largest) && reason != Reason::Update {
            let largest = policy.largest_blob.unwrap_or_default();
            let message = format!("the content has {size} bytes; the account's policy allows {largest}");
            return Err(Error::new(ErrorKind::TooLarge, message).into());
        }
        let expires_ms = match (limits.expiry, alive) {
            (None, Some(known)) => known.expires_ms,
            (expiry, _) => expiry.unwrap_or_default().instant(self.now_ms, &policy)?,
        };
        self.check_quota(draft, &account, &policy, old.as_ref(), size)?;
        if let Some(limit) = limits.prefix_limit {
            self.check_prefix(draft, &account, target, limit, size)?;
        }
        let created_ms = alive.and_then(Known::created_ms).unwrap_or(self.now_ms);
        let stamp = Stamp {
            sequence,
            replaces: old.as_ref().map_or(0, |known| known.sequence),
            lets_go: old.as_ref().map_or_else(Digest::default, |known| known.digest),
            at_ms: self.now_ms,
        };
        let fields = PutFields { digest, size, created_ms, expires_ms };
        let at = draft.head.len();
        record::encode_put(&mut draft.head, reason, &stamp, &target.account, &target.name, &fields, &facts);
        draft.operations += 1;

        let scope = self.scope_of(&account);
        let body = body.filter(|body| self.must_write(draft, &digest, scope, body));
        draft.dedup_hits += u64::from(reason == Reason::Put && body.is_none());
        let body = body.map(|body| {
            draft.bodies.push((body, digest, size, scope));
            draft.bodies.len() - 1
        });
        Self::let_go(draft, &account, scope, old.as_ref());
        *draft.overlay.references.entry((digest, scope)).or_default() += 1;
        let totals = draft.overlay.totals.entry(account.id).or_default();
        *totals = (totals.0 + 1, totals.1 + size.cast_signed());
        draft.done.push(match reason {
            Reason::Put => Done::Put { sequence, created_ms, at_ms: self.now_ms, expires_ms },
            _ => OpView::decode(&draft.head[at..]).and_then(|op| op.entry()).map_or(Done::Nothing, Done::Entry),
        });
        let known = Known { sequence, expires_ms, digest, size, rest: Some((created_ms, facts)) };
        draft.overlay.names.insert(target.key, (account.id, &target.name, Some(known.clone())));
        let (key, name) = (target.key, target.name.as_str());
        draft.changes.push(Pending::Put { at, key, account, name, known, scope, body });
        Ok(())
    }

    fn end(
        &self,
        draft: &mut Draft<'a>,
        target: &'a Target,
        reason: Reason,
        conditions: &Conditions,
        sequence: u64,
    ) -> Result<(), Refused> {
        let known = self.known(draft, target)?.filter(|known| known.is_alive(self.now_ms));
        Self::check_conditions(target, known.as_ref(), conditions)?;
        draft.done.push(Done::Ended(known.is_some()));
        if let Some(known) = known {
            self.write_end(draft, target, reason, &known, sequence);
        }
        Ok(())
    }

    fn write_end(&self, draft: &mut Draft<'a>, target: &'a Target, reason: Reason, known: &Known<'a>, sequence: u64) {
        let account = self.catalog.accounts.intern(&target.account);
        let stamp = Stamp { sequence, replaces: known.sequence, lets_go: known.digest, at_ms: self.now_ms };
        record::encode_end(&mut draft.head, reason, &stamp, &target.account, &target.name);
        draft.operations += 1;
        let scope = self.scope_of(&account);
        Self::let_go(draft, &account, scope, Some(known));
        draft.overlay.names.insert(target.key, (account.id, &target.name, None));
        let change = Change::End { key: target.key, account, name: &target.name, sequence };
        draft.changes.push(Pending::Ready(change));
    }

    fn let_go(draft: &mut Draft<'a>, account: &Account, scope: u32, old: Option<&Known<'_>>) {
        if let Some(old) = old {
            *draft.overlay.references.entry((old.digest, scope)).or_default() -= 1;
            let totals = draft.overlay.totals.entry(account.id).or_default();
            *totals = (totals.0 - 1, totals.1 - old.size.cast_signed());
        }
    }

    fn scope(&self, account: &str) -> u32 {
        if self.store_wide { STORE_SCOPE } else { self.catalog.accounts.intern(account).id }
    }

    fn scope_of(&self, account: &Account) -> u32 {
        if self.store_wide { STORE_SCOPE } else { account.id }
    }

    /// A name at this place in the log's order.
    fn known(&self, draft: &Draft<'a>, target: &Target) -> Result<Option<Known<'a>>> {
        if let Some((_, _, known)) = draft.overlay.names.get(&target.key).or_else(|| self.done.names.get(&target.key)) {
            return Ok(known.clone());
        }
        let Some(row) = self.catalog.name(target.key) else { return Ok(None) };
        let content = self.catalog.content(row.content);
        let segment = self.log.segment(row.place.segment);
        let op = segment.as_ref().map(|segment| segment.op(row.place.offset.into()));
        let rest = match &op {
            Some(Ok(bytes)) => {
                OpView::decode(bytes).and_then(|op| Some((op.put()?.created_ms, Cow::Owned(op.facts()?))))
            }
            Some(Err(error)) if error.kind() == ErrorKind::Io => return Err(error.clone()),
            _ => None,
        };
        Ok(content.map(|content| Known {
            sequence: row.sequence,
            expires_ms: row.expires_ms,
            digest: content.digest,
            size: content.len,
            rest,
        }))
    }

    fn check_conditions(target: &Target, known: Option<&Known<'_>>, conditions: &Conditions) -> Result<()> {
        let complaint = if conditions.absent && known.is_some() {
            "the name is taken".to_owned()
        } else if let Some(digest) =
            conditions.digest.filter(|digest| known.is_none_or(|known| known.digest != *digest))
        {
            match known {
                Some(known) => format!("it holds {}, not {digest}", known.digest),
                None => format!("there is no such name that could hold {digest}"),
            }
        } else if let Some(generation) = conditions.generation.filter(|g| known.is_none_or(|k| k.sequence != *g)) {
            match known {
                Some(known) => format!("its generation is {}, not {generation}", known.sequence),
                None => format!("there is no such name of generation {generation}"),
            }
        } else {
            return Ok(());
        };
        let message = format!("nothing was changed at {:?} of account {:?}: {complaint}", target.name, target.account);
        Err(Error::new(ErrorKind::PreconditionFailed, message))
    }

    fn check_quota(
        &self,
        draft: &Draft<'a>,
        account: &Account,
        policy: &crate::options::Policy,
        old: Option<&Known<'_>>,
        size: u64,
    ) -> Result<()> {
        if policy.quota_bytes.is_none() && policy.quota_count.is_none() {
            return Ok(());
        }
        let totals = account.state.lock().totals;
        let pending =
            [&draft.overlay, &self.done].map(|overlay| overlay.totals.get(&account.id).copied().unwrap_or_default());
        let sum = |base: u64, part: fn(&(i64, i64)) -> i64| base.cast_signed() + pending.iter().map(part).sum::<i64>();
        let (old_count, old_size) = old.map_or((0, 0), |known| (1, known.size.cast_signed()));
        let count = sum(totals.count, |p| p.0) - old_count + 1;
        let bytes = sum(totals.bytes, |p| p.1) - old_size + size.cast_signed();
        // Beyond a quota that was lowered since, what does not make it worse is still done.
        let over = |quota: Option<u64>, held: i64, more: bool| {
            quota.filter(|quota| more && u64::try_from(held).is_ok_and(|held| held > *quota))
        };
        let more_bytes = size.cast_signed() > old_size;
        let over = (over(policy.quota_bytes, bytes, more_bytes), over(policy.quota_count, count, old.is_none()));
        let complaint = match over {
            (Some(quota), _) => format!("{bytes} bytes; its quota is {quota}"),
            (None, Some(quota)) => format!("{count} names; its quota is {quota}"),
            (None, None) => return Ok(()),
        };
        let message = format!("with this the account {:?} would hold {complaint}", account.name);
        Err(Error::new(ErrorKind::QuotaExceeded, message))
    }

    /// Counts the names under a limited prefix: those the account knows, as the requests before this one
    /// have changed them.
    fn check_prefix(
        &self,
        draft: &Draft<'a>,
        account: &Account,
        target: &Target,
        limit: &PrefixLimit,
        size: u64,
    ) -> Result<(), Refused> {
        let state = account.state.lock();
        let Some(members) = state.members(&limit.prefix) else { return Err(Refused::PrefixUnknown) };
        let mut counted: HashMap<NameKey, u64> = HashMap::new();
        let alive = |member: &Member| member.expires_ms == 0 || member.expires_ms > self.now_ms;
        counted.extend(members.names.iter().filter(|(_, m)| alive(m)).filter_map(|(key, m)| Some((*key, m.size?))));
        drop(state);
        for overlay in [&self.done, &draft.overlay] {
            for (key, (_, _, known)) in
                overlay.names.iter().filter(|(_, (id, name, _))| *id == account.id && name.starts_with(&limit.prefix))
            {
                match known.as_ref().filter(|known| known.is_alive(self.now_ms)) {
                    Some(known) => counted.insert(*key, known.size),
                    None => counted.remove(key),
                };
            }
        }
        counted.insert(target.key, size);
        let (count, bytes) = (counted.len() as u64, counted.values().sum::<u64>());
        if count <= limit.count && bytes <= limit.bytes {
            return Ok(());
        }
        let message = format!(
            "with this {count} names of {bytes} bytes would begin with {:?}; the limit is {} names of {} bytes",
            limit.prefix, limit.count, limit.bytes
        );
        Err(Error::new(ErrorKind::QuotaExceeded, message).into())
    }

    /// Whether a put must bring its bytes: unless the content has a reference at this place in the log's
    /// order and its record's header stands.
    fn must_write(&self, draft: &Draft<'a>, digest: &Digest, scope: u32, body: &BodySource) -> bool {
        if matches!(body, BodySource::Pinned) {
            return false;
        }
        let pending: i64 =
            [&draft.overlay, &self.done].iter().filter_map(|overlay| overlay.references.get(&(*digest, scope))).sum();
        let row = self.catalog.content_of(digest, scope);
        if row.map_or(0, |row| i64::from(row.references)) + pending <= 0 || self.catalog.is_suspect(digest) {
            return true;
        }
        // What the group itself brings has no place yet, and will stand if the group does.
        row.is_some_and(|row| {
            let segment = self.log.segment(row.place.segment);
            !segment.is_some_and(|segment| matches!(segment.record(row.place.record_at()), Ok(Some(_))))
        })
    }
}

/// What bounds an entry that is about to be made.
struct Limits<'l> {
    /// `None`: as it was.
    expiry: Option<Expiry>,
    conditions: &'l Conditions,
    prefix_limit: Option<&'l PrefixLimit>,
}

fn damaged(target: &Target) -> Error {
    let message = format!(
        "what the log says of {:?} in account {:?} is damaged; put it again, or delete it",
        target.name, target.account
    );
    Error::new(ErrorKind::Corrupt, message)
}

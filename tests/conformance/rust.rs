//! The conformance scripts' steps through the Rust API itself, which lacks nothing.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::{
    Account, Batch, Blob, CheckpointReport, CompactReport, Entry, Error, EventKind, Grant, IndexState, Method, Outcome,
    Policy, Signer, Store, StoreOptions, VerifyReport, Writer,
};
use serde_json::{Value, json};

use crate::options::{
    delete_options, digest, durability, list_options, policy, put_options, store_options, update_options,
    verify_options,
};
use crate::script::{Answer, Face, Failure, Step, bytes_of};
use crate::support::place::Hand;

type Done = Result<Answer, Failure>;

/// A store, its clock, and what is open on it.
pub(crate) struct Rust {
    hand: Hand,
    store: Option<Store>,
    /// How the store was opened, for opening it again.
    options: StoreOptions,
    writer: Option<Writer>,
    batch: Option<Batch>,
    held: Option<Blob>,
}

impl Rust {
    pub(crate) fn new() -> Rust {
        let hand = Hand::new();
        Rust { hand, store: None, options: Store::options(), writer: None, batch: None, held: None }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("the script has opened it")
    }

    fn account(&self, step: &Step) -> Result<Account, Failure> {
        Ok(self.store().account(&step.account())?)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { code: error.kind().face().name.into(), message: error.to_string() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::from(error.downcast::<Error>().expect("the store's own error"))
    }
}

impl Face for Rust {
    fn lacks(&self) -> &'static [&'static str] {
        &[]
    }

    fn begin(&mut self, _: &Path) -> i64 {
        *self = Rust::new();
        self.hand.now_ms().try_into().expect("in this age")
    }

    fn end(&mut self) {
        *self = Rust::new();
    }

    fn code(&self, kind: &mediacask::Face) -> String {
        kind.name.into()
    }

    fn step(&mut self, step: &Step) -> Done {
        match step.op() {
            "open" | "open_again" | "reopen" | "close" | "wait_ms" => self.stand(step),
            "put" | "put_reader" | "delete" | "update" | "copy" | "purge" => self.change(step),
            "writer_open" | "writer_write" | "writer_commit" | "writer_drop" => self.write(step),
            "batch_begin" | "batch_put" | "batch_delete" | "batch_commit" | "batch_drop" => self.gather(step),
            "get" | "get_range" | "reader" | "hold" | "held" => self.read(step),
            "head" | "contains" | "list" | "entries" | "policy" | "set_policy" | "account_stats" => self.ask(step),
            _ => self.look_after(step),
        }
    }
}

impl Rust {
    /// The store itself, and time.
    fn stand(&mut self, step: &Step) -> Done {
        match step.op() {
            "open" => {
                self.options = store_options(step).clock(self.hand.clock());
                self.store = Some(self.options.clone().open(step.path("store"))?);
            }
            "open_again" => drop(Store::open(step.path("store"))?),
            "reopen" => {
                self.store().close()?;
                self.store = Some(self.options.clone().open(step.path("store"))?);
            }
            "close" => self.store().close()?,
            _ => self.hand.advance_ms(step.number("ms").expect("milliseconds")),
        }
        Ok(Answer::default())
    }

    fn change(&self, step: &Step) -> Done {
        let account = self.account(step)?;
        match step.op() {
            "put" => Ok(facts(&account.put(&step.name(), step.content(), &put_options(step)?)?)),
            "put_reader" => Ok(facts(&account.put_reader(&step.name(), &step.content()[..], &put_options(step)?)?)),
            "delete" => {
                let existed = account.delete(&step.name(), &delete_options(step)?)?;
                Ok(Answer::of([("existed", existed.into())]))
            }
            "update" => Ok(maybe(account.update(&step.name(), &update_options(step)?)?.as_ref())),
            "copy" => {
                let (from, to, options) = (step.name(), step.must("to_name"), put_options(step)?);
                let copied = match step.text("to_account") {
                    Some(other) => account.copy_to(&from, &self.store().account(other)?, to, &options)?,
                    None => account.copy(&from, to, &options)?,
                };
                Ok(maybe(copied.as_ref()))
            }
            _ => Ok(Answer::of([("count", account.purge(step.must("prefix"))?.into())])),
        }
    }

    fn write(&mut self, step: &Step) -> Done {
        match step.op() {
            "writer_open" => {
                self.writer = Some(self.account(step)?.writer(&step.name(), &put_options(step)?)?);
                Ok(Answer::default())
            }
            "writer_write" => {
                let writer = self.writer.as_mut().expect("an open writer");
                writer.write_all(&step.content())?;
                Ok(Answer::of([("written", writer.len().into())]))
            }
            "writer_commit" => Ok(facts(&self.writer.take().expect("an open writer").commit()?)),
            _ => {
                drop(self.writer.take().expect("an open writer"));
                Ok(Answer::default())
            }
        }
    }

    fn gather(&mut self, step: &Step) -> Done {
        match step.op() {
            "batch_begin" => {
                let mut batch = self.account(step)?.batch();
                if let Some(durability) = durability(step) {
                    batch.durability(durability);
                }
                self.batch = Some(batch);
            }
            "batch_put" => {
                let options = put_options(step)?;
                self.batch.as_mut().expect("a batch").put(&step.name(), step.content(), &options)?;
            }
            "batch_delete" => {
                let options = delete_options(step)?;
                self.batch.as_mut().expect("a batch").delete(&step.name(), &options)?;
            }
            "batch_drop" => drop(self.batch.take().expect("a batch")),
            _ => {
                let outcomes = self.batch.take().expect("a batch").commit()?;
                let outcomes = outcomes.iter().map(|outcome| match outcome {
                    Outcome::Put(_) => "put",
                    Outcome::Deleted(true) => "deleted",
                    _ => "absent",
                });
                return Ok(Answer::of([("outcomes", outcomes.collect())]));
            }
        }
        Ok(Answer::default())
    }

    fn read(&mut self, step: &Step) -> Done {
        if step.op() == "held" {
            return Ok(content(self.held.as_ref()));
        }
        let account = self.account(step)?;
        match step.op() {
            "get" => Ok(content(account.get(&step.name())?.as_ref())),
            "get_range" => {
                let end = step.number("end").map_or(Bound::Unbounded, Bound::Excluded);
                let start = Bound::Included(step.number("start").expect("a start"));
                Ok(content(account.get_range(&step.name(), (start, end))?.as_ref()))
            }
            "hold" => {
                self.held = account.get(&step.name())?;
                Ok(content(self.held.as_ref()))
            }
            _ => {
                let Some(mut reader) = account.reader(&step.name())? else { return Ok(Answer::absent()) };
                let mut bytes = Vec::new();
                reader.seek(SeekFrom::Start(step.number("seek").unwrap_or(0)))?;
                reader.read_to_end(&mut bytes)?;
                Ok(facts(&reader.entry()).with_content(bytes))
            }
        }
    }

    fn ask(&self, step: &Step) -> Done {
        let account = self.account(step)?;
        match step.op() {
            "head" => Ok(maybe(account.head(&step.name())?.as_ref())),
            "contains" => Ok(Answer::of([("exists", account.contains(&step.name())?.into())])),
            "list" => {
                let page = account.list(&list_options(step))?;
                let names: Value = page.entries.iter().map(|entry| entry.name.as_str()).collect();
                let (more, token) = (page.next_token.is_some().into(), page.next_token.into());
                Ok(Answer::of([("names", names), ("prefixes", page.prefixes.into()), ("more", more), ("token", token)]))
            }
            "entries" => {
                let names: Result<Vec<String>, Error> =
                    account.entries(list_options(step)).map(|entry| Ok(entry?.name)).collect();
                Ok(Answer::of([("names", names?.into())]))
            }
            "policy" => Ok(policy_facts(&account.policy()?)),
            "set_policy" => {
                account.set_policy(&policy(step))?;
                Ok(Answer::default())
            }
            _ => {
                let stats = account.stats()?;
                let facts = [("account", stats.account.into()), ("count", stats.count.into())];
                let mut answer = Answer::of(facts);
                answer.facts.insert("bytes".into(), stats.bytes.into());
                Ok(answer)
            }
        }
    }

    fn look_after(&self, step: &Step) -> Done {
        let store = self.store();
        match step.op() {
            "accounts" => {
                let accounts: Value = store.accounts()?.into_iter().map(|account| account.account).collect();
                Ok(Answer::of([("accounts", accounts)]))
            }
            "stats" => {
                let stats = store.stats()?;
                Ok(Answer::of([
                    ("names", stats.names.into()),
                    ("accounts", stats.accounts.into()),
                    ("logical_bytes", stats.logical_bytes.into()),
                    ("contents", stats.contents.into()),
                    ("content_bytes", stats.content_bytes.into()),
                    ("blob_files", stats.blob_files.into()),
                ]))
            }
            "health" => {
                let health = store.health();
                let index = if health.index == IndexState::Current { "current" } else { "behind" };
                Ok(Answer::of([
                    ("poisoned", health.poisoned.is_some().into()),
                    ("index", index.into()),
                    ("damage", health.damage.len().into()),
                    ("last_erasure", health.last.erasure.is_some_and(|last| last.error.is_none()).into()),
                    ("erasure_overdue", health.erasure_overdue.is_some().into()),
                ]))
            }
            "sync" => store.sync().map(|()| Answer::default()).map_err(Failure::from),
            "checkpoint_catalog" => store.checkpoint_catalog().map(|()| Answer::default()).map_err(Failure::from),
            "sweep" => Ok(Answer::of([("expired", store.sweep()?.expired.into())])),
            "rebuild_index" => Ok(Answer::of([("rows", store.rebuild_index(&mut |_, _| {})?.into())])),
            "names_of" => {
                let names = store.names_of(&digest(step, "digest")?.expect("a digest"))?;
                let names = names.iter().map(|(account, entry)| format!("{account}/{}", entry.name));
                Ok(Answer::of([("names", names.collect())]))
            }
            "purge_digest" => {
                let count = store.purge_digest(&digest(step, "digest")?.expect("a digest"))?;
                Ok(Answer::of([("count", count.into())]))
            }
            "events" => {
                let after = step.number("after").expect("where to begin");
                let events = store.events(after)?.collect::<Result<Vec<_>, Error>>()?;
                let last = events.last().map_or(after, |event| event.sequence);
                let told = events.iter().map(|event| {
                    let kind = match event.kind {
                        EventKind::Put => "put",
                        EventKind::Update => "update",
                        EventKind::Delete => "delete",
                        EventKind::Expire => "expire",
                        _ => "another",
                    };
                    format!("{kind} {}/{}", event.account, event.name)
                });
                Ok(Answer::of([("events", told.collect()), ("last", last.into())]))
            }
            "compact" => Ok(compacted(&store.compact()?)),
            "verify" => Ok(verified(&store.verify(&verify_options(step), &mut |_| ControlFlow::Continue(()))?)),
            "checkpoint" => Ok(report(&store.checkpoint(step.path("copy"))?)),
            "restore" => Ok(report(&Store::restore(step.path("copy"), step.path_of(step.must("to_path")))?)),
            "sign" | "verify_grant" => self.vouch(step),
            "events_floor" => Ok(Answer::of([("floor", store.events_floor().into())])),
            _ => step.unknown(),
        }
    }

    /// What is read by whoever shows a grant.
    fn vouch(&self, step: &Step) -> Done {
        let method = match step.text("method") {
            None | Some("get") => Method::Get,
            Some("head") => Method::Head,
            Some(other) => panic!("no method {other:?}"),
        };
        let signer = signer(step, self.store(), &self.hand)?;
        if step.op() == "sign" {
            let grant = Grant::new(step.account(), step.name()).method(method);
            let ttl = step.number("ttl_ms").map(Duration::from_millis);
            let grant = ttl.map_or(grant.clone(), |ttl| grant.ttl(ttl));
            return Ok(Answer::of([("grant", signer.sign(&grant)?.into())]));
        }
        let text = format!("{}{}", step.must("grant"), step.text("grant_suffix").unwrap_or_default());
        let until = signer.verify(&text, &step.account(), &step.name(), method)?;
        Ok(Answer::of([("expires_at", unix_ms(until))]))
    }
}

/// The signer with the step's keys, or the store's own.
fn signer(step: &Step, store: &Store, hand: &Hand) -> Result<Signer, Failure> {
    let keys = step.pairs("keys").into_iter();
    let mut keys = keys.map(|(id, secret)| (id, bytes_of(&secret).try_into().expect("a secret of 32 bytes")));
    let Some((id, secret)) = keys.next() else { return Ok(store.signer()?) };
    let first = Signer::new(&id, secret)?.clock(hand.clock());
    Ok(keys.try_fold(first, |signer, (id, secret)| signer.accept(&id, secret))?)
}

fn report(report: &CheckpointReport) -> Answer {
    Answer::of([
        ("files_linked", report.files_linked.into()),
        ("files_copied", report.files_copied.into()),
        ("files_kept", report.files_kept.into()),
        ("last_sequence", report.last_sequence.into()),
    ])
}

fn compacted(report: &CompactReport) -> Answer {
    Answer::of([
        ("segments_compacted", report.segments_compacted.into()),
        ("segments_freed", report.segments_freed.into()),
        ("files_freed", report.files_freed.into()),
        ("bytes_rewritten", report.bytes_rewritten.into()),
        ("bytes_freed", report.bytes_freed.into()),
    ])
}

fn verified(report: &VerifyReport) -> Answer {
    let names = report.damaged.iter().flat_map(|damaged| &damaged.names);
    Answer::of([
        ("contents_checked", report.contents_checked.into()),
        ("entries_checked", report.entries_checked.into()),
        ("damaged", names.map(|(account, name)| format!("{account}/{name}")).collect()),
        ("wrong_references", report.wrong_references.into()),
        ("index_differences", report.index_differences.into()),
        ("repaired", report.repaired.into()),
    ])
}

fn unix_ms(time: SystemTime) -> Value {
    let since = time.duration_since(UNIX_EPOCH).expect("after 1970");
    json!(u64::try_from(since.as_millis()).expect("in this age"))
}

fn facts(entry: &Entry) -> Answer {
    let metadata: Value = entry.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Answer::of([
        ("name", entry.name.as_str().into()),
        ("digest", entry.digest.to_string().into()),
        ("size", entry.size.into()),
        ("content_type", entry.content_type.clone().into()),
        ("cache_control", entry.cache_control.clone().into()),
        ("content_disposition", entry.content_disposition.clone().into()),
        ("metadata", metadata),
        ("created_at", unix_ms(entry.created_at)),
        ("updated_at", unix_ms(entry.updated_at)),
        ("expires_at", entry.expires_at.map_or(Value::Null, unix_ms)),
        ("generation", entry.generation.into()),
    ])
}

fn maybe(entry: Option<&Entry>) -> Answer {
    entry.map_or_else(Answer::absent, facts)
}

fn content(blob: Option<&Blob>) -> Answer {
    blob.map_or_else(Answer::absent, |blob| facts(&blob.entry()).with_content(&blob[..]))
}

fn policy_facts(policy: &Policy) -> Answer {
    let ms = |ttl: Option<Duration>| ttl.map(|ttl| u64::try_from(ttl.as_millis()).expect("a policy's")).into();
    Answer::of([
        ("default_ttl_ms", ms(policy.default_ttl)),
        ("longest_ttl_ms", ms(policy.longest_ttl)),
        ("largest_blob", policy.largest_blob.into()),
        ("quota_bytes", policy.quota_bytes.into()),
        ("quota_count", policy.quota_count.into()),
    ])
}

//! Batches: several puts and deletes that happen all together or not at all, across a crash, too.

use crate::commit::request::{BodySource, Done, Intent, PutIntent, Refused, Request};
use crate::digest::Digest;
use crate::engine::{Engine, Handle};
use crate::entry::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{BATCH_OPERATIONS_MAX, BATCH_RECORD_LEN_MAX};
use crate::log::record::Reason;
use crate::options::{DeleteOptions, Durability, PutOptions};
use crate::upload::{abandon, drop_unused_files, entry, prepare};

/// What became of one operation of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // Nearly all of them are puts.
pub enum Outcome {
    /// The entry that a put has made.
    Put(Entry),
    /// Whether there was something to delete.
    Deleted(bool),
}

/// Several puts and deletes of one account, all or nothing: e.g. the ten parts of a message.
///
/// Operations see those before them. At most 1000 of them, and 1 MiB of names and metadata. Durable when
/// [`Batch::commit`] returns, unless the store's durability is [`Durability::Os`].
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = mediacask::Store::open(dir.path())?;
/// use mediacask::{DeleteOptions, PutOptions};
///
/// let media = store.account("5500001")?;
/// let mut batch = media.batch();
/// batch.put("msg1/0.png", "...", &PutOptions::new())?;
/// batch.put("msg1/1.ogg", "...", &PutOptions::new())?;
/// batch.delete("draft", &DeleteOptions::new())?;
/// assert_eq!(batch.commit()?.len(), 3);
/// # Ok::<(), mediacask::Error>(())
/// ```
pub struct Batch {
    handle: Handle,
    account: String,
    operations: Vec<Operation>,
    durability: Option<Durability>,
}

#[allow(clippy::large_enum_variant)] // Nearly all of them are puts.
enum Operation {
    Put { name: String, content: Vec<u8>, options: PutOptions },
    Delete { name: String, options: DeleteOptions },
}

impl Batch {
    pub(crate) fn new(handle: &Handle, account: &str) -> Batch {
        Batch { handle: handle.clone(), account: account.to_owned(), operations: Vec::new(), durability: None }
    }

    /// Adds a put. Its durability option is not looked at: the batch has one for all.
    pub fn put(&mut self, name: &str, content: impl Into<Vec<u8>>, options: &PutOptions) -> Result<&mut Batch> {
        options.check(name)?;
        self.add(name, |name| Operation::Put { name, content: content.into(), options: options.clone() })
    }

    /// Adds a delete. Its durability option is not looked at: the batch has one for all.
    pub fn delete(&mut self, name: &str, options: &DeleteOptions) -> Result<&mut Batch> {
        self.add(name, |name| Operation::Delete { name, options: *options })
    }

    /// When the batch is acknowledged. Default: as the store says.
    pub fn durability(&mut self, durability: Durability) -> &mut Batch {
        self.durability = Some(durability);
        self
    }

    fn add(&mut self, name: &str, operation: impl FnOnce(String) -> Operation) -> Result<&mut Batch> {
        self.handle.engine()?.target(&self.account, name)?;
        if self.operations.len() == BATCH_OPERATIONS_MAX {
            let message =
                format!("a batch has at most {BATCH_OPERATIONS_MAX} operations; commit this one and begin another");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.operations.push(operation(name.to_owned()));
        Ok(self)
    }

    /// Does all of it, or nothing. Gives what became of each operation, in their order.
    pub fn commit(self) -> Result<Vec<Outcome>> {
        let engine = self.handle.engine()?;
        let durability = self.durability.unwrap_or(engine.options.durability);
        let mut request = Request { durability, ..Request::default() };
        let filled = self.operations.iter().try_for_each(|operation| self.intend(engine, operation, &mut request));
        let len_max = BATCH_RECORD_LEN_MAX as u64;
        let outcome = filled.and_then(|()| {
            if request.commit_len() > len_max {
                let message = format!(
                    "the names and metadata of this batch take {} bytes; at most {len_max} fit into one record",
                    request.commit_len()
                );
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            self.stage(engine, &mut request)
        });
        if let Err(error) = outcome {
            abandon(engine, &self.account, request);
            return Err(error);
        }
        let digest = |intent: &Intent| if let Intent::Put(put) = intent { put.digest } else { Digest::default() };
        let digests: Vec<Digest> = request.intents.iter().map(digest).collect();
        let done = loop {
            let (back, outcome) = engine.submit(request);
            match (back, outcome) {
                (Some(again), Err(Refused::PrefixUnknown)) => {
                    request = again;
                    if let Err(error) = crate::prefix::count(engine, &request) {
                        abandon(engine, &self.account, request);
                        return Err(error);
                    }
                }
                (back, outcome) => {
                    if let Some(back) = &back {
                        drop_unused_files(engine, &self.account, back);
                    }
                    break match outcome {
                        Ok(done) => done,
                        Err(Refused::Error(error)) => return Err(error),
                        Err(Refused::PrefixUnknown) => unreachable!("a refused request comes back"),
                    };
                }
            }
        };
        let answered = self.operations.iter().zip(digests).zip(done);
        Ok(answered.map(|((operation, digest), done)| outcome_of(operation, digest, &done)).collect())
    }

    fn intend(&self, engine: &Engine, operation: &Operation, request: &mut Request) -> Result<()> {
        match operation {
            Operation::Put { name, content, options } => {
                let ready = prepare(engine, &self.account, content, &options.expected)?;
                request.pins.extend(ready.pin);
                request.intents.push(Intent::Put(PutIntent {
                    target: engine.target(&self.account, name)?,
                    facts: options.facts.clone(),
                    expiry: options.expiry,
                    conditions: options.conditions,
                    prefix_limit: options.prefix_limit.clone(),
                    digest: ready.digest,
                    size: ready.size,
                    body: ready.body,
                }));
            }
            Operation::Delete { name, options } => request.intents.push(Intent::End {
                target: engine.target(&self.account, name)?,
                reason: Reason::Delete,
                conditions: options.conditions,
            }),
        }
        Ok(())
    }

    /// Writes bodies ahead that do not fit into one segment together with the rest: each in a request of
    /// its own, pinned until the batch names it. They are durable before the batch is: they stand before it
    /// in the log.
    fn stage(&self, engine: &Engine, request: &mut Request) -> Result<()> {
        if request.len() <= engine.log.record_len_max() {
            return Ok(());
        }
        let Request { intents, pins, .. } = request;
        for intent in intents {
            let Intent::Put(put) = intent else { continue };
            if !matches!(put.body, BodySource::Bytes { .. }) {
                continue;
            }
            let body = std::mem::replace(&mut put.body, BodySource::Pinned);
            let account = self.account.clone();
            let stage = Intent::Stage { account, digest: put.digest, size: put.size, body };
            engine.carry_out(Request::one(stage, Durability::Os))?;
            pins.extend(engine.scope(&self.account).map(|scope| (put.digest, scope)));
        }
        Ok(())
    }
}

fn outcome_of(operation: &Operation, digest: Digest, done: &Done) -> Outcome {
    match (operation, done) {
        (Operation::Put { name, content, options }, Done::Put { sequence, created_ms, at_ms, expires_ms }) => {
            let stamp = (*sequence, *created_ms, *at_ms, *expires_ms);
            Outcome::Put(entry(name, digest, content.len() as u64, options, stamp))
        }
        (_, Done::Ended(existed)) => Outcome::Deleted(*existed),
        _ => unreachable!("puts are answered as puts, deletes as deletes"),
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("account", &self.account).field("operations", &self.operations.len()).finish()
    }
}

//! An account: the names of one customer, and what can be done with them.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::ops::RangeBounds;

use crate::batch::Batch;
use crate::blob::{Blob, BlobReader};
use crate::commit::request::{Done, Intent, Refused, Request, Target};
use crate::digest::NameKey;
use crate::engine::{Engine, Handle};
use crate::entry::{Entry, Facts};
use crate::error::{Error, Result};
use crate::limits::BATCH_OPERATIONS_MAX;
use crate::listing::{Page, list};
use crate::log::record::Reason;
use crate::options::{
    Conditions, DeleteOptions, Durability, ListOptions, Policy, PrefixLimit, PutOptions, UpdateOptions,
};
use crate::stats::AccountStats;
use crate::upload::{Writer, prepare, put};

/// How much of a reader is read in one go.
const READ_LEN: usize = 256 << 10;

/// The names of one account. Cheap to clone, and to be used from any thread.
///
/// Names are 1 to 1024 bytes of UTF-8 without NUL; slashes and dots are plain characters.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use mediacask::{PutOptions, Store};
/// use std::time::Duration;
///
/// let store = Store::open(dir.path())?;
/// let media = store.account("5500001")?;
/// let options = PutOptions::new().content_type("text/plain").ttl(Duration::from_secs(48 * 3600));
/// let entry = media.put("greeting.txt", "hello", &options)?;
/// assert_eq!(entry.size, 5);
/// assert_eq!(&media.get("greeting.txt")?.expect("it is there")[..], b"hello");
/// assert!(media.get("another.txt")?.is_none());
/// # Ok::<(), mediacask::Error>(())
/// ```
#[derive(Clone)]
pub struct Account {
    handle: Handle,
    name: String,
}

impl Account {
    pub(crate) fn new(handle: Handle, name: String) -> Account {
        Account { handle, name }
    }

    /// The account's own name.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// assert_eq!(media.name(), "5500001");
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    fn target(&self, name: &str) -> Result<(&Engine, Target)> {
        let engine = self.handle.engine()?;
        Ok((engine, engine.target(&self.name, name)?))
    }

    fn key(&self, name: &str) -> Result<(&Engine, NameKey)> {
        let engine = self.handle.engine()?;
        Ok((engine, engine.key(&self.name, name)?))
    }

    /// Stores `content` under `name`, in the place of what was there; the time to live starts anew.
    ///
    /// All or nothing: readers see the old version or the new one. Durable when this returns, unless the
    /// options or the store say [`Durability::Os`]. Content that the account holds already, under whatever
    /// name, is not written again. Fails as [`crate::ErrorKind`] says, having changed nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use mediacask::{ErrorKind, PutOptions};
    /// let first = media.put("a.png", b"one", &PutOptions::new())?;
    /// let second = media.put("a.png", b"two", &PutOptions::new())?;
    /// assert!(second.generation > first.generation && second.created_at == first.created_at);
    /// let taken = media.put("a.png", b"three", &PutOptions::new().if_absent()).unwrap_err();
    /// assert_eq!(taken.kind(), ErrorKind::PreconditionFailed);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>, options: &PutOptions) -> Result<Entry> {
        let (engine, _) = self.key(name)?;
        options.check(name)?;
        let ready = prepare(engine, &self.name, content.as_ref(), &options.expected)?;
        put(engine, &self.name, name, ready, options)
    }

    /// Stores what `reader` gives, to its end, under `name`: content of any length in bounded memory.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// let entry = media.put_reader("zeros", std::io::Read::take(std::io::repeat(0), 1 << 20), &Default::default())?;
    /// assert_eq!(entry.size, 1 << 20);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn put_reader(&self, name: &str, mut reader: impl Read, options: &PutOptions) -> Result<Entry> {
        let mut writer = self.writer(name, options)?;
        let mut buffer = vec![0; READ_LEN];
        let source = |e| Error::io("read the content to put from its source, for", name.as_ref(), e);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return writer.commit(),
                Ok(len) => writer.write_all(&buffer[..len]).map_err(unwrap_io)?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A reader of a store, this one or another, has failed as that store says.
                Err(error) => return Err(error.downcast::<Error>().unwrap_or_else(source)),
            }
        }
    }

    /// A writer for content that comes in pieces; see [`Writer`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use std::io::Write;
    /// let mut writer = media.writer("a.txt", &Default::default())?;
    /// writer.write_all(b"in pieces").expect("room");
    /// assert_eq!(writer.commit()?.size, 9);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn writer(&self, name: &str, options: &PutOptions) -> Result<Writer> {
        Writer::new(&self.handle, &self.name, name, options)
    }

    /// The content of `name`, all of it checked; `None` when there is no such name. No copy is made.
    ///
    /// Of content of gigabytes, [`Account::reader`] and [`Account::get_range`] check only what they read.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// assert_eq!(&media.get("a.txt")?.expect("just put")[..], b"hello");
    /// assert!(media.get("b.txt")?.is_none());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn get(&self, name: &str) -> Result<Option<Blob>> {
        let (engine, key) = self.key(name)?;
        engine.lookup.get(key)
    }

    /// A range of the content of `name`, in bytes; an end beyond the content is brought back to it.
    ///
    /// A start beyond the content, or an end before the start, is [`crate::ErrorKind::InvalidOption`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello world", &Default::default())?;
    /// assert_eq!(&media.get_range("a.txt", 6..)?.expect("just put")[..], b"world");
    /// assert!(media.get_range("a.txt", 12..).is_err());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn get_range(&self, name: &str, range: impl RangeBounds<u64>) -> Result<Option<Blob>> {
        let (engine, key) = self.key(name)?;
        engine.lookup.get_range(key, range)
    }

    /// A reader over the content of `name`, with `Read` and `Seek`; each chunk is checked when it is read.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use std::io::{Read, Seek, SeekFrom};
    /// media.put("a.txt", "hello world", &Default::default())?;
    /// let mut reader = media.reader("a.txt")?.expect("just put");
    /// let mut text = String::new();
    /// reader.seek(SeekFrom::Start(6)).expect("within");
    /// reader.read_to_string(&mut text).expect("sound");
    /// assert_eq!(text, "world");
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn reader(&self, name: &str) -> Result<Option<BlobReader>> {
        let (engine, key) = self.key(name)?;
        engine.lookup.reader(key)
    }

    /// Whether `name` and the first `len` bytes of its content were read before and are still in memory, as far as can
    /// be told at once: reading them again waits for no disk.
    ///
    /// For threads that may not wait, like those of an async runtime: what is at hand they read themselves, the rest
    /// they leave to others. It is a hint, and the answer may be out of date when it comes. What is absent is at
    /// hand; content that has a file of its own is not, until a reader has opened it ([`BlobReader::is_at_hand`]).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// if media.is_at_hand("a.txt", u64::MAX)? {
    ///     let blob = media.get("a.txt")?.expect("just put");
    ///     assert_eq!(&blob[..], b"hello");
    /// }
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn is_at_hand(&self, name: &str, len: u64) -> Result<bool> {
        let (engine, target) = self.target(name)?;
        Ok(engine.lookup.is_at_hand(target.key, len))
    }

    /// The facts of `name` without its content.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// assert_eq!(media.head("a.txt")?.expect("just put").size, 5);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn head(&self, name: &str) -> Result<Option<Entry>> {
        let (engine, key) = self.key(name)?;
        engine.lookup.head(key)
    }

    /// Whether there is such a name.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// assert!(media.contains("a.txt")? && !media.contains("b.txt")?);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn contains(&self, name: &str) -> Result<bool> {
        let (engine, key) = self.key(name)?;
        let now_ms = engine.clock.now_ms();
        Ok(engine.catalog.name(key).is_some_and(|row| !row.is_over(now_ms)))
    }

    /// Takes `name` down; says whether it was there. Durable when this returns, unless told otherwise.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use mediacask::DeleteOptions;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// assert!(media.delete("a.txt", &DeleteOptions::new())?);
    /// assert!(!media.delete("a.txt", &DeleteOptions::new())?);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn delete(&self, name: &str, options: &DeleteOptions) -> Result<bool> {
        let (engine, target) = self.target(name)?;
        let durability = options.durability.unwrap_or(engine.options.durability);
        let intent = Intent::End { target, reason: Reason::Delete, conditions: options.conditions };
        let done = engine.carry_out(Request::one(intent, durability))?;
        Ok(matches!(done[..], [Done::Ended(true)]))
    }

    /// One page of the account's names, in bytewise order.
    ///
    /// Walking from page to page by [`Page::next_token`], a name that lives through the whole walk is
    /// returned exactly once, whatever is written meanwhile. Tokens survive restarts.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use mediacask::ListOptions;
    /// for name in ["img/a.png", "img/b.png", "note.txt"] {
    ///     media.put(name, name, &Default::default())?;
    /// }
    /// let page = media.list(&ListOptions::new().delimiter("/"))?;
    /// assert_eq!((page.prefixes, page.entries.len()), (vec!["img/".to_owned()], 1));
    ///
    /// let first = media.list(&ListOptions::new().limit(2))?;
    /// let second = media.list(&ListOptions::new().limit(2).token(first.next_token))?;
    /// assert_eq!(second.entries[0].name, "note.txt");
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn list(&self, options: &ListOptions) -> Result<Page> {
        list(self.handle.engine()?, &self.name, options)
    }

    /// All entries that the options let through, page after page.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use mediacask::ListOptions;
    /// media.put("img/a.png", "a", &Default::default())?;
    /// media.put("img/b.png", "b", &Default::default())?;
    /// let images = media.entries(ListOptions::new().prefix("img/"));
    /// let names = images.map(|entry| Ok(entry?.name)).collect::<Result<Vec<String>, mediacask::Error>>()?;
    /// assert_eq!(names, ["img/a.png", "img/b.png"]);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn entries(&self, options: ListOptions) -> Entries {
        Entries { account: self.clone(), options, page: VecDeque::new(), over: false }
    }

    /// Changes facts and expiry of `name` without touching its content; `None` when there is no such name.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use mediacask::{Expiry, UpdateOptions};
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let options = UpdateOptions::new().content_type(Some("text/plain".into())).expiry(Expiry::Never);
    /// let entry = media.update("a.txt", &options)?.expect("it is there");
    /// assert_eq!(entry.content_type.as_deref(), Some("text/plain"));
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn update(&self, name: &str, options: &UpdateOptions) -> Result<Option<Entry>> {
        let (engine, target) = self.target(name)?;
        let durability = options.durability.unwrap_or(engine.options.durability);
        let intent = Intent::Update { target, options: options.clone() };
        Ok(made_entry(engine.carry_out(Request::one(intent, durability))?))
    }

    /// Gives the content of `from` a second name in this account, without moving a byte; `None` when there
    /// is no such name.
    ///
    /// Facts that `options` set replace those of the source, whose others come along. The expiry is that of
    /// `options`, not of the source. Expected digests are compared with the content's BLAKE3 only.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let copy = media.copy("a.txt", "b.txt", &Default::default())?.expect("a.txt is there");
    /// assert_eq!(copy.digest, media.head("a.txt")?.expect("it still is").digest);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn copy(&self, from: &str, to: &str, options: &PutOptions) -> Result<Option<Entry>> {
        let (engine, from) = self.target(from)?;
        let (_, to_target) = self.target(to)?;
        options.check(to)?;
        if let Some(wanted) = options.expected.digest
            && let Some(entry) = engine.lookup.head(from.key)?.filter(|entry| entry.digest != wanted)
        {
            let message = format!("the content to copy is {}, not {wanted} as expected", entry.digest);
            return Err(Error::new(crate::ErrorKind::DigestMismatch, message));
        }
        let facts = options.facts.clone();
        let intent = Intent::Copy {
            from,
            to: to_target,
            replace: Box::new(move |source| merge(source, &facts)),
            expiry: options.expiry,
            conditions: options.conditions,
            prefix_limit: options.prefix_limit.clone(),
        };
        let durability = options.durability.unwrap_or(engine.options.durability);
        let mut request = Request::one(intent, durability);
        loop {
            let (back, outcome) = engine.submit(request);
            match (back, outcome) {
                (Some(again), Err(Refused::PrefixUnknown)) => {
                    crate::prefix::count(engine, &again)?;
                    request = again;
                }
                (_, Ok(done)) => return Ok(made_entry(done)),
                (_, Err(Refused::Error(error))) => return Err(error),
                (None, Err(Refused::PrefixUnknown)) => unreachable!("a refused request comes back"),
            }
        }
    }

    /// Gives the content of `from` a name in another account of the same store. Where accounts do not
    /// share content its bytes are copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// let (ours, theirs) = (store.account("5500001")?, store.account("5500002")?);
    /// ours.put("a.txt", "hello", &Default::default())?;
    /// ours.copy_to("a.txt", &theirs, "b.txt", &Default::default())?;
    /// assert_eq!(&theirs.get("b.txt")?.expect("just copied")[..], b"hello");
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn copy_to(&self, from: &str, account: &Account, to: &str, options: &PutOptions) -> Result<Option<Entry>> {
        if account.name == self.name {
            return self.copy(from, to, options);
        }
        let Some(reader) = self.reader(from)? else { return Ok(None) };
        let source = reader.entry();
        let source = Facts {
            content_type: source.content_type,
            cache_control: source.cache_control,
            content_disposition: source.content_disposition,
            metadata: source.metadata,
        };
        let mut options = options.clone();
        options.facts = merge(&source, &options.facts);
        account.put_reader(to, reader, &options).map(Some)
    }

    /// A batch of puts and deletes; see [`Batch`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// let mut batch = media.batch();
    /// batch.put("1", "one", &Default::default())?.put("2", "two", &Default::default())?;
    /// batch.commit()?;
    /// assert!(media.contains("1")? && media.contains("2")?);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn batch(&self) -> Batch {
        Batch::new(&self.handle, &self.name)
    }

    /// What holds for the puts of this account.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// assert_eq!(media.policy()?, mediacask::Policy::default());
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn policy(&self) -> Result<Policy> {
        let known = self.handle.engine()?.catalog.accounts.find(&self.name);
        Ok(known.map(|account| account.state.lock().policy()).unwrap_or_default())
    }

    /// Sets what holds for the puts of this account from now on; names that are there stay as they are.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// use mediacask::{ErrorKind, Policy};
    /// use std::time::Duration;
    /// let mut policy = Policy::default();
    /// policy.default_ttl = Some(Duration::from_secs(48 * 3600));
    /// policy.largest_blob = Some(3_932_160);
    /// media.set_policy(&policy)?;
    /// let refused = media.put("big", vec![0; 4_000_000], &Default::default()).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::TooLarge);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn set_policy(&self, policy: &Policy) -> Result<()> {
        policy.check()?;
        let engine = self.handle.engine()?;
        let intent = Intent::Policy { account: self.name.clone(), policy: *policy };
        engine.carry_out(Request::one(intent, Durability::Sync)).map(drop)
    }

    /// What the account holds in all.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let stats = media.stats()?;
    /// assert_eq!((stats.count, stats.bytes), (1, 5));
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn stats(&self) -> Result<AccountStats> {
        let engine = self.handle.engine()?;
        Ok(crate::stats::account(engine, &self.name))
    }

    /// Takes down every name that begins with `prefix`, all of them with an empty one; gives their number.
    ///
    /// Goes in turns of at most 1000 names, each durable; if it is broken off, calling it again goes on.
    /// Names that are put meanwhile may stay.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let media = mediacask::Store::open(dir.path())?.account("5500001")?;
    /// media.put("msg1/a.png", "a", &Default::default())?;
    /// media.put("msg2/b.png", "b", &Default::default())?;
    /// assert_eq!(media.purge("msg1/")?, 1);
    /// assert!(media.contains("msg2/b.png")?);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn purge(&self, prefix: &str) -> Result<u64> {
        let engine = self.handle.engine()?;
        let mut options = ListOptions::new().prefix(prefix);
        let mut purged = 0;
        loop {
            let page = self.list(&options)?;
            let mut intents = Vec::with_capacity(BATCH_OPERATIONS_MAX);
            for entry in &page.entries {
                let target = engine.target(&self.name, &entry.name)?;
                intents.push(Intent::End { target, reason: Reason::Purge, conditions: Conditions::default() });
            }
            purged += end_all(engine, intents)?;
            match page.next_token {
                Some(token) => options = options.token(Some(token)),
                None => return Ok(purged),
            }
        }
    }
}

/// Ends names in requests that fit into the log; gives how many were there.
pub(crate) fn end_all(engine: &Engine, intents: Vec<Intent>) -> Result<u64> {
    let len_max = engine.log.record_len_max() / 2;
    let mut ended = 0;
    let mut intents = intents.into_iter().peekable();
    while intents.peek().is_some() {
        let mut request = Request::default();
        while let Some(intent) = intents.next_if(|_| request.commit_len() < len_max) {
            request.intents.push(intent);
        }
        let done = engine.carry_out(request)?;
        ended += done.iter().filter(|done| matches!(done, Done::Ended(true))).count() as u64;
    }
    Ok(ended)
}

fn made_entry(mut done: Vec<Done>) -> Option<Entry> {
    match done.pop() {
        Some(Done::Entry(entry)) => Some(entry),
        _ => None,
    }
}

/// The facts of a copy: those of the source, replaced by those that were asked for.
fn merge(source: &Facts, asked: &Facts) -> Facts {
    let mut facts = source.clone();
    facts.content_type = asked.content_type.clone().or(facts.content_type);
    facts.cache_control = asked.cache_control.clone().or(facts.cache_control);
    facts.content_disposition = asked.content_disposition.clone().or(facts.content_disposition);
    facts.metadata.extend(asked.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    facts
}

/// The store's own error out of the `io::Error` that `Write` had to make of it.
fn unwrap_io(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io("write the content to", "the store".as_ref(), error),
    }
}

/// All entries of a listing, page after page; made by [`Account::entries`].
///
/// Ends after the first error.
pub struct Entries {
    account: Account,
    options: ListOptions,
    page: VecDeque<Entry>,
    over: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        while self.page.is_empty() && !self.over {
            match self.account.list(&self.options) {
                Ok(page) => {
                    self.page = page.entries.into();
                    self.over = page.next_token.is_none();
                    self.options.token = page.next_token;
                }
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        self.page.pop_front().map(Ok)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries")
            .field("account", &self.account)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A limit for puts under a prefix, made in one go.
impl PrefixLimit {
    /// At most `count` names of `bytes` bytes together under `prefix`.
    pub fn new(prefix: impl Into<String>, count: u64, bytes: u64) -> PrefixLimit {
        PrefixLimit { prefix: prefix.into(), count, bytes }
    }
}

//! The way of content into the store, up to the leader: hashed, checked against what the caller expects,
//! and brought where it can be written from, in the caller's own thread.
//!
//! Content under the file threshold stays in memory and becomes a record's body. Larger content streams
//! into a file in staging as it comes, so an upload of any length takes bounded memory. What all uploads
//! under way hold is bounded, too: when others hold it all, one goes on in staging early, and what turns
//! out small in the end is read back.

use std::io::{self, Write};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::buffers::Claim;
use crate::commit::request::{BodySource, Done, Intent, PutIntent, Refused, Request};
use crate::digest::{Digest, Hasher, crc};
use crate::engine::{Engine, Handle};
use crate::entry::{Entry, time_of};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::BLOB_LEN_MAX;
use crate::log::blob_files::StagedFile;
use crate::log::format::CHUNK;
use crate::log::record::{chunk_crcs, encode_blob_head, encode_file_head};
use crate::options::{Durability, Expected, PutOptions};

/// Bytes written to a staged file in one go, at most.
const PIECE: usize = 1 << 20;

/// Bytes that every upload may hold in memory, and steps in which it claims more. Whole chunks.
const GATHER: usize = 2 * CHUNK;

/// Content that is ready to be named.
pub(crate) struct Ready {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) body: BodySource,
    /// The content was pinned, for who shares it.
    pub(crate) pin: Option<(Digest, u32)>,
}

/// Brings content that is in memory as a whole.
pub(crate) fn prepare(engine: &Engine, account: &str, content: &[u8], expected: &Expected) -> Result<Ready> {
    if content.len() as u64 >= engine.options.file_threshold {
        let mut upload = Upload::new(expected);
        upload.stage(engine, content.len() as u64)?;
        upload.write(engine, content)?;
        return upload.finish(engine, account);
    }
    let digest = Digest::of(content);
    check_expected(expected, &digest, || Md5::digest(content).into(), || Sha256::digest(content).into())?;
    Ok(in_memory(engine, account, digest, || engine.buffers.copy_of(content)))
}

/// Content that stays in memory: not even copied when the store has it, sound, already.
fn in_memory(engine: &Engine, account: &str, digest: Digest, content: impl FnOnce() -> Vec<u8>) -> Ready {
    let pinned = engine.scope(account).and_then(|scope| Some((engine.catalog.pin(&digest, scope)?, (digest, scope))));
    let pin = pinned.map(|(_, pin)| pin);
    if let Some((row, _)) = pinned.filter(|(row, _)| !engine.catalog.is_suspect(&digest) && engine.lookup.is_sound(row))
    {
        return Ready { digest, size: row.len, body: BodySource::Pinned, pin };
    }
    let content = content();
    let sharer = if engine.home.store.store_wide { "" } else { account };
    let head = encode_blob_head(&digest, chunk_crcs(&content), sharer);
    Ready { digest, size: content.len() as u64, body: BodySource::Bytes { head, content }, pin }
}

fn check_expected(
    expected: &Expected,
    digest: &Digest,
    md5: impl FnOnce() -> [u8; 16],
    sha256: impl FnOnce() -> [u8; 32],
) -> Result<()> {
    let mismatch = |what: &str, wanted: &[u8], found: &[u8]| {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let message =
            format!("the content has {what} {}, not {} as expected; nothing was stored", hex(found), hex(wanted));
        Err(Error::new(ErrorKind::DigestMismatch, message))
    };
    if let Some(wanted) = expected.digest.filter(|wanted| wanted != digest) {
        return mismatch("BLAKE3", wanted.as_bytes(), digest.as_bytes());
    }
    if let Some((wanted, found)) = expected.md5.map(|wanted| (wanted, md5())).filter(|(wanted, found)| wanted != found)
    {
        return mismatch("MD5", &wanted, &found);
    }
    let sha256 = expected.sha256.map(|wanted| (wanted, sha256()));
    match sha256.filter(|(wanted, found)| wanted != found) {
        Some((wanted, found)) => mismatch("SHA-256", &wanted, &found),
        None => Ok(()),
    }
}

/// Content that comes in pieces, its length unknown.
struct Upload {
    expected: Expected,
    hasher: Hasher,
    md5: Option<Md5>,
    sha256: Option<Sha256>,
    /// What has come and is in no file yet.
    buffer: Vec<u8>,
    /// For what the buffer has beyond what every upload may have.
    claim: Claim,
    staged: Option<StagedFile>,
    crcs: Vec<u32>,
    len: u64,
}

impl Upload {
    fn new(expected: &Expected) -> Upload {
        Upload {
            expected: *expected,
            hasher: Hasher::default(),
            md5: expected.md5.map(|_| Md5::new()),
            sha256: expected.sha256.map(|_| Sha256::new()),
            buffer: Vec::new(),
            claim: Claim::default(),
            staged: None,
            crcs: Vec::new(),
            len: 0,
        }
    }

    fn write(&mut self, engine: &Engine, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        if self.len > BLOB_LEN_MAX {
            let message = format!("the content has more than {BLOB_LEN_MAX} bytes; nothing was stored");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.staged.is_some() && self.buffer.is_empty() && rest.len() >= GATHER {
                let (piece, after) = rest.split_at((rest.len() - rest.len() % CHUNK).min(PIECE));
                let _open = engine.hold_open()?;
                self.absorb(piece)?;
                rest = after;
                continue;
            }
            let whole = self.room(engine);
            let (piece, after) = rest.split_at(rest.len().min(whole - self.buffer.len()));
            self.buffer.extend_from_slice(piece);
            rest = after;
            if self.buffer.len() == whole && self.room(engine) == whole {
                self.spill(engine, false)?;
            }
        }
        Ok(())
    }

    /// Bytes that the buffer takes before it must go into the file: beyond the first, what others leave.
    fn room(&mut self, engine: &Engine) -> usize {
        let threshold = engine.options.file_threshold as usize;
        if self.staged.is_some() {
            return GATHER;
        }
        let mut room = GATHER.min(threshold);
        while room <= self.buffer.len() && room < threshold && self.claim.grow(&engine.buffers, room) {
            room = (room + GATHER).min(threshold);
        }
        room
    }

    /// Begins the file, with room for `expected_len` bytes.
    fn stage(&mut self, engine: &Engine, expected_len: u64) -> Result<()> {
        if expected_len > BLOB_LEN_MAX {
            let message = format!("the content has {expected_len} bytes; at most {BLOB_LEN_MAX} are stored");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let _open = engine.hold_open()?;
        self.staged = Some(engine.files.stage(expected_len)?);
        Ok(())
    }

    /// Moves what is buffered into the file: whole chunks, or at the end all of it.
    fn spill(&mut self, engine: &Engine, all: bool) -> Result<()> {
        let _open = engine.hold_open()?;
        let len = if all { self.buffer.len() } else { self.buffer.len() - self.buffer.len() % CHUNK };
        // A threshold under a chunk spills nothing yet, but what it has gathered is to be a file.
        if self.staged.is_none() {
            self.staged = Some(engine.files.stage(0)?);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer[..len].chunks(PIECE).try_for_each(|piece| self.absorb(piece))?;
        buffer.drain(..len);
        buffer.shrink_to(GATHER);
        self.buffer = buffer;
        self.claim = Claim::default();
        Ok(())
    }

    /// Takes whole chunks into the file: written first and hashed then, so that the disk works meanwhile.
    fn absorb(&mut self, piece: &[u8]) -> Result<()> {
        self.staged.as_mut().expect("made before").append(piece)?;
        for chunk in piece.chunks(CHUNK) {
            self.hasher.update(chunk);
            self.crcs.push(crc(chunk));
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(piece);
        }
        Ok(())
    }

    fn finish(mut self, engine: &Engine, account: &str) -> Result<Ready> {
        if self.len < engine.options.file_threshold {
            let mut content = match self.staged.take() {
                Some(staged) => {
                    let _open = engine.hold_open()?;
                    staged.read_back(self.len as usize)?
                }
                None => Vec::new(),
            };
            if content.is_empty() {
                content = std::mem::take(&mut self.buffer);
            } else {
                content.extend_from_slice(&self.buffer);
            }
            let digest = Digest::of(&content);
            check_expected(
                &self.expected,
                &digest,
                || Md5::digest(&content).into(),
                || Sha256::digest(&content).into(),
            )?;
            return Ok(in_memory(engine, account, digest, || content));
        }
        self.spill(engine, true)?;
        let digest = self.hasher.finish();
        let (md5, sha256) = (self.md5.unwrap_or_default(), self.sha256.unwrap_or_default());
        check_expected(&self.expected, &digest, || md5.finalize().into(), || sha256.finalize().into())?;

        let scope = engine.scope(account);
        let pinned = scope.and_then(|scope| Some((engine.catalog.pin(&digest, scope)?, (digest, scope))));
        let pin = pinned.map(|(_, pin)| pin);
        let sound =
            |row: &crate::catalog::ContentRow| !engine.catalog.is_suspect(&digest) && engine.lookup.is_sound(row);
        if let Some((row, _)) = pinned.filter(|(row, _)| sound(row)) {
            return Ok(Ready { digest, size: row.len, body: BodySource::Pinned, pin });
        }
        let staged = self.staged.take().expect("spilled above");
        let kept = engine.hold_open().and_then(|_open| engine.files.keep(staged, digest));
        let name = match kept {
            Ok(name) => name,
            Err(error) => {
                release_pin(engine, pin);
                return Err(error);
            }
        };
        let sharer = if engine.home.store.store_wide { "" } else { account };
        let head = encode_file_head(&digest, self.len, name.id, &self.crcs, sharer);
        Ok(Ready { digest, size: self.len, body: BodySource::File { head, name }, pin })
    }
}

/// Lets a pin go whose put will not be.
pub(crate) fn release_pin(engine: &Engine, pin: Option<(Digest, u32)>) {
    if pin.is_some() {
        let pins = pin.into_iter().collect();
        let _ = engine.submit(Request { durability: Durability::Os, pins, ..Request::default() });
    }
}

/// Gives content that is ready a name.
pub(crate) fn put(engine: &Engine, account: &str, name: &str, ready: Ready, options: &PutOptions) -> Result<Entry> {
    let Ready { digest, size, body, pin } = ready;
    let intent = Intent::Put(PutIntent {
        target: engine.target(account, name)?,
        facts: options.facts.clone(),
        expiry: options.expiry,
        conditions: options.conditions,
        prefix_limit: options.prefix_limit.clone(),
        digest,
        size,
        body,
    });
    let durability = options.durability.unwrap_or(engine.options.durability);
    let mut request = Request { pins: pin.into_iter().collect(), ..Request::one(intent, durability) };
    let outcome = loop {
        let (back, outcome) = engine.submit(request);
        match (back, outcome) {
            (Some(again), Err(Refused::PrefixUnknown)) => {
                request = again;
                if let Err(error) = crate::prefix::count(engine, &request) {
                    abandon(engine, account, request);
                    return Err(error);
                }
            }
            (back, Ok(done)) => break (back, Ok(done)),
            (back, Err(Refused::Error(error))) => break (back, Err(error)),
            (None, Err(Refused::PrefixUnknown)) => unreachable!("a refused request comes back"),
        }
    };
    let (back, outcome) = outcome;
    if let Some(back) = back {
        drop_unused_files(engine, account, &back);
        take_buffers_back(engine, back);
    }
    let stamp = match outcome?.pop() {
        Some(Done::Put { sequence, created_ms, at_ms, expires_ms }) => (sequence, created_ms, at_ms, expires_ms),
        _ => unreachable!("a put is answered as one"),
    };
    Ok(entry(name, digest, size, options, stamp))
}

/// The entry a put has made, from what it asked for and what the leader answered.
pub(crate) fn entry(name: &str, digest: Digest, size: u64, options: &PutOptions, stamp: (u64, u64, u64, u64)) -> Entry {
    let (generation, created_ms, at_ms, expires_ms) = stamp;
    // An empty text is stored as none.
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Entry {
        name: name.to_owned(),
        digest,
        size,
        content_type: text(&options.facts.content_type),
        cache_control: text(&options.facts.cache_control),
        content_disposition: text(&options.facts.content_disposition),
        metadata: options.facts.metadata.clone(),
        created_at: time_of(created_ms),
        updated_at: time_of(at_ms),
        expires_at: (expires_ms != 0).then(|| time_of(expires_ms)),
        generation,
    }
}

/// Lets go of what was pinned and brought for a request that will not be done.
pub(crate) fn abandon(engine: &Engine, account: &str, request: Request) {
    drop_unused_files(engine, account, &request);
    let _ = engine.submit(Request { durability: Durability::Os, pins: request.pins, ..Request::default() });
}

/// Keeps the buffers of a request that is over for those to come.
fn take_buffers_back(engine: &Engine, request: Request) {
    for intent in request.intents {
        if let Intent::Put(PutIntent { body: BodySource::Bytes { content, .. }, .. }) = intent {
            engine.buffers.give_back(content);
        }
    }
}

/// Removes files that a request brought and that its puts, refused or shared, do not stand in.
pub(crate) fn drop_unused_files(engine: &Engine, account: &str, request: &Request) {
    // After a failed sync a record may stand that names one: the next open knows.
    if engine.commit.poison().is_some() {
        return;
    }
    // Of a store that was closed meanwhile, the next open removes them.
    let Ok(_open) = engine.hold_open() else { return };
    for (name, _) in request.blob_files() {
        let row = engine.scope(account).and_then(|scope| engine.catalog.content_of(&name.digest, scope));
        // Where nobody can say which file a content has, it may be this one; the next open knows.
        let used = row.is_some_and(|row| engine.lookup.stands_in(&row, name.id).unwrap_or(true));
        if !used {
            let _ = engine.files.remove(&name);
        }
    }
}

/// Writes content of unknown length under a name; nothing happens before [`Writer::commit`], and nothing at
/// all if it is dropped without.
///
/// Takes bounded memory whatever the length: content at or beyond the file threshold streams to the disk.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = mediacask::Store::open(dir.path())?;
/// use std::io::Write;
///
/// let media = store.account("5500001")?;
/// let mut writer = media.writer("voice.ogg", &mediacask::PutOptions::new())?;
/// writer.write_all(b"OggS")?;
/// writer.write_all(b"...")?;
/// let entry = writer.commit()?;
/// assert_eq!(entry.size, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer {
    handle: Handle,
    account: String,
    name: String,
    options: PutOptions,
    upload: Option<Upload>,
}

impl Writer {
    pub(crate) fn new(handle: &Handle, account: &str, name: &str, options: &PutOptions) -> Result<Writer> {
        let engine = handle.engine()?;
        engine.target(account, name)?;
        options.check(name)?;
        Ok(Writer {
            handle: handle.clone(),
            account: account.to_owned(),
            name: name.to_owned(),
            options: options.clone(),
            upload: Some(Upload::new(&options.expected)),
        })
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.upload.as_ref().map_or(0, |upload| upload.len)
    }

    /// Whether nothing was written so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives what was written its name. Durable when this returns, unless the options say
    /// [`crate::Durability::Os`].
    pub fn commit(mut self) -> Result<Entry> {
        let engine = self.handle.engine()?;
        let upload = self.upload.take().ok_or_else(failed_before)?;
        let ready = upload.finish(engine, &self.account)?;
        put(engine, &self.account, &self.name, ready, &self.options)
    }
}

fn failed_before() -> Error {
    Error::new(ErrorKind::Io, "an earlier write to this writer failed; begin the upload anew")
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let engine = self.handle.engine()?;
        let mut upload = self.upload.take().ok_or_else(failed_before)?;
        // What failed once is not gone on with: some of it may be missing.
        upload.write(engine, bytes)?;
        self.upload = Some(upload);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("account", &self.account)
            .field("name", &self.name)
            .field("len", &self.len())
            .finish()
    }
}

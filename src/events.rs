//! Events: what happened to names, in order, read out of the log.
//!
//! The feed keeps nothing of its own. It reads the commit records of the chain up to where the log is durable,
//! a bounded number at a time, and remembers only where it stands; the segments it has read may be dropped
//! behind it, and those it has not read before it: then it says so.
//!
//! Sequence numbers grow along the log. So one that was seen says where to go on, in another process, too.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::digest::Digest;
use crate::engine::{Engine, Handle};
use crate::entry::time_of;
use crate::error::{Error, ErrorKind, Result};
use crate::log::chain::Next;
use crate::log::format::{PAGE, RECORDS_AT};
use crate::log::record::{Header, Kind, MAGIC, OpView, Reason, Tag, operations};
use crate::log::segment::Segment;
use crate::log::{Log, Position};

/// Events read in one go, about: those of a record are never parted.
const READ_AHEAD: usize = 256;

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// It was given content, by a put or a copy; whether it had some before or not.
    Put,
    /// Its metadata or its expiry changed; its content did not.
    Update,
    /// It was deleted, or purged.
    Delete,
    /// Its time had come. Said when it is swept, normally within a second; nothing is said of an entry that was
    /// overwritten between its instant and the sweep.
    Expire,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EventKind::Put => "put",
            EventKind::Update => "update",
            EventKind::Delete => "delete",
            EventKind::Expire => "expire",
        })
    }
}

/// Something that happened to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its place in the order of all events of the store. Of a put and an update it is the entry's generation.
    pub sequence: u64,
    /// What happened.
    pub kind: EventKind,
    /// The account.
    pub account: String,
    /// The name.
    pub name: String,
    /// The content: of a put and an update the name's own, of an end the one that it lets go.
    pub digest: Digest,
    /// When, by the store's clock, in whole milliseconds.
    pub at: SystemTime,
}

/// The feed of what happens to names; made by [`crate::Store::events`].
///
/// As an iterator it gives what has happened so far, then `None`; asked again, it gives what has happened since.
/// [`Events::wait`] waits for it. An error of the kind [`ErrorKind::Corrupt`] tells of a stretch of the log that
/// is damaged: events of that stretch are lost, and the feed goes on behind it. Any other error lasts: each
/// later call says it again.
///
/// It takes as much memory as a few hundred events do. While it exists the store is open.
pub struct Events {
    handle: Handle,
    /// The sequence number of the last event that was read.
    after: u64,
    /// Up to where everything was given.
    seen: u64,
    /// Where to read on; `None` until the log has a segment.
    at: Option<Position>,
    /// A stretch that was passed over, until it is known whether it lies behind `after`.
    gap: Option<Gap>,
    /// Read, and not given yet.
    ready: VecDeque<Result<Event>>,
}

/// A stretch of a segment that does not stand.
struct Gap {
    path: PathBuf,
    offset: u64,
    len: u64,
    /// Why it could not be read, if that is so.
    unread: Option<Error>,
}

impl Gap {
    fn told(self) -> Error {
        let Gap { path, offset, len, unread } = self;
        let found = unread.map_or_else(|| "do not stand".to_owned(), |error| format!("cannot be read ({error})"));
        let message = format!(
            "damage in {} at offset {offset}: {len} bytes of records {found}; what happened there is lost to the \
             feed, which goes on behind it",
            path.display()
        );
        Error::new(ErrorKind::Corrupt, message).at(&path)
    }
}

impl Events {
    /// A feed of what has a higher sequence number than `after`.
    pub(crate) fn new(handle: &Handle, after: u64) -> Result<Events> {
        let log = &handle.engine()?.log;
        let floor = log.dropped_up_to();
        if after < floor {
            return Err(dropped(after, floor));
        }
        let (handle, at) = (handle.clone(), log.place_after(after));
        Ok(Events { handle, after, seen: after, at, gap: None, ready: VecDeque::new() })
    }

    /// The next event; waits for it as long as `timeout`, and gives `None` after that.
    ///
    /// Ends early with [`ErrorKind::Closed`] when the store is closed meanwhile.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// use std::time::Duration;
    /// let mut events = store.events(0)?;
    /// assert!(events.wait(Duration::from_millis(1))?.is_none());
    /// let writer = std::thread::spawn(move || media.put("a.txt", "hello", &Default::default()));
    /// assert_eq!(events.wait(Duration::from_secs(60))?.expect("put").name, "a.txt");
    /// # writer.join().unwrap()?;
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Event>> {
        // Of a time that no clock will show: for ever.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let seen = self.handle.engine()?.commit.durable();
            if let Some(event) = self.next() {
                return event.map(Some);
            }
            let handle = &self.handle;
            if !handle.commit.wait_beyond(seen, deadline, &|| handle.check().is_err()) {
                return Ok(None);
            }
        }
    }

    /// The sequence number up to which everything was given: what [`crate::Store::events`] is to be given to go on
    /// from here, in another process, too. Once there are no more events it moves on over what is none, so it
    /// is a better thing to keep than the number of the last event: it falls behind the floor later.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = mediacask::Store::open(dir.path())?;
    /// # let media = store.account("5500001")?;
    /// media.put("a.txt", "hello", &Default::default())?;
    /// let mut events = store.events(0)?;
    /// let first = events.next().expect("put")?;
    /// assert_eq!(events.seen(), first.sequence);
    /// assert!(events.next().is_none() && events.seen() == store.stats()?.last_sequence);
    /// # Ok::<(), mediacask::Error>(())
    /// ```
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Reads on, until something is ready or all that is durable was read.
    fn read_on(&mut self) -> Result<()> {
        let handle = self.handle.clone();
        let engine: &Engine = handle.engine()?;
        let _open = engine.hold_open()?;
        let (durable, last) = engine.commit.durable_up_to();
        while self.ready.is_empty() {
            let Some(at) = self.at.or_else(|| engine.log.place_after(self.after)) else { return Ok(()) };
            self.at = Some(at);
            // Held only here: a segment that a feed has mapped is not written again.
            if let Some(segment) = engine.log.segment(at.segment) {
                let until = match at.segment.cmp(&durable.segment) {
                    std::cmp::Ordering::Less => segment.records_end(),
                    std::cmp::Ordering::Equal => durable.offset,
                    std::cmp::Ordering::Greater => RECORDS_AT,
                };
                if self.read(&segment, at.offset, until) {
                    continue;
                }
                if at.segment >= durable.segment {
                    self.close_gap(u64::MAX);
                    if self.ready.is_empty() {
                        self.seen = self.seen.max(last);
                    }
                    return Ok(());
                }
            }
            self.go_on_behind(&engine.log)?;
        }
        Ok(())
    }

    /// Reads records of a segment up to `until`; says whether to come again before going on behind them.
    fn read(&mut self, segment: &Segment, from: u64, until: u64) -> bool {
        let mut offset = from;
        while offset < until && self.ready.len() < READ_AHEAD {
            let record = segment.record(offset);
            match record {
                Ok(Some((header, head))) if offset + header.len() <= until => {
                    self.take(segment, offset, &header, &head);
                    offset += header.len();
                }
                record => {
                    let end = next_standing(segment, offset + 8, until);
                    let (path, unread) = (segment.path.clone(), record.err());
                    let gap = self.gap.get_or_insert(Gap { path, offset, len: 0, unread });
                    gap.len = end - gap.offset;
                    offset = end;
                }
            }
        }
        self.at = Some(Position { segment: segment.id(), offset });
        !self.ready.is_empty() || offset < until
    }

    /// Takes the events of a record that stands.
    fn take(&mut self, segment: &Segment, offset: u64, header: &Header, head: &[u8]) {
        // What compaction copied was told already. Numbers of other records do not grow along the log.
        if header.kind != Kind::Commit || header.copied {
            return;
        }
        self.close_gap(header.sequence);
        for op in operations(head) {
            let Some((_, op)) = op else {
                let (path, len) = (segment.path.clone(), header.len());
                self.ready.push_back(Err(Gap { path, offset, len, unread: None }.told()));
                break;
            };
            if op.sequence() > self.after {
                self.after = op.sequence();
                self.ready.extend(event(&op).map(Ok));
            }
        }
    }

    /// Goes on in the segment after the one that was read, or that was dropped.
    fn go_on_behind(&mut self, log: &Log) -> Result<()> {
        let at = self.at.expect("a place was read");
        match log.next_in_chain(at) {
            Next::Segment(header) => {
                self.close_gap(header.first_sequence);
                self.at = Some(Position { segment: header.segment, offset: RECORDS_AT });
                Ok(())
            }
            Next::Dropped | Next::Nothing => Err(dropped(self.after, log.dropped_up_to())),
        }
    }

    /// Tells of a gap, if there is one, unless all of it lies before what is asked for: `behind` is the first
    /// number behind it.
    fn close_gap(&mut self, behind: u64) {
        let gap = self.gap.take().filter(|_| behind > self.after.saturating_add(1));
        self.ready.extend(gap.map(|gap| Err(gap.told())));
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        if let Err(error) = self.handle.check() {
            return Some(Err(error));
        }
        if self.ready.is_empty()
            && let Err(error) = self.read_on()
        {
            return Some(Err(error));
        }
        let event = self.ready.pop_front();
        if let Some(Ok(event)) = &event {
            self.seen = event.sequence;
        }
        event
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// What an operation is to who follows names.
fn event(op: &OpView<'_>) -> Option<Event> {
    let stamp = op.stamp();
    let (kind, digest) = match (op.tag, op.reason()) {
        (Tag::Put, Reason::Update) => (EventKind::Update, op.put()?.digest),
        (Tag::Put, _) => (EventKind::Put, op.put()?.digest),
        (Tag::End, Reason::Expiry) => (EventKind::Expire, stamp.lets_go),
        (Tag::End, _) => (EventKind::Delete, stamp.lets_go),
        (Tag::Policy | Tag::Retire, _) => return None,
    };
    let (account, name) = (op.account().to_owned(), op.name().to_owned());
    Some(Event { sequence: stamp.sequence, kind, account, name, digest, at: time_of(stamp.at_ms) })
}

/// The first place from `from` on where a record stands; `until` when there is none. A page that cannot be
/// read is passed over.
fn next_standing(segment: &Segment, from: u64, until: u64) -> u64 {
    let stands = |at: u64| {
        let record = segment.record(at).ok().flatten();
        record.is_some_and(|(header, _)| at + header.len() <= until)
    };
    let mut at = from;
    while at < until {
        let len = (PAGE - at % PAGE).min(until - at);
        if let Ok(bytes) = segment.bytes(at, len as usize) {
            let words = bytes.chunks_exact(8).enumerate().filter(|(_, word)| word.starts_with(MAGIC));
            if let Some(found) = words.map(|(n, _)| at + 8 * n as u64).find(|at| stands(*at)) {
                return found;
            }
        }
        at += len;
    }
    until
}

fn dropped(after: u64, floor: u64) -> Error {
    let message = format!(
        "what happened after {after} cannot be told in full: up to {floor}, records have left the log; list the \
         accounts for what there is now, and go on with the events after {floor}"
    );
    Error::new(ErrorKind::InvalidToken, message)
}

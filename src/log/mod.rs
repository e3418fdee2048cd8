//! The log: the truth. It owns the segment files and their table, the active segment, the spares and
//! the sequence numbers.
//!
//! Invariants:
//! - Only the holder of the [`Tail`] appends, syncs, seals or begins a segment.
//! - A group of records never spans segments, and is one vectored write.
//! - Each record that begins a group says up to where the segment was durable at that time.
//! - A segment is written only after its header is durable under the name `.spare`, and found only
//!   after it was renamed to `.seg` and the directory synced.

pub(crate) mod blob_files;
pub(crate) mod chain;
pub(crate) mod footer;
pub(crate) mod format;
pub(crate) mod gather;
mod group;
pub(crate) mod manifest;
pub(crate) mod record;
pub(crate) mod segment;
mod spares;

use std::collections::HashMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::digest::Secret;
use crate::disk::locks::{Mutex, MutexGuard, RwLock};
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind, Result};
use footer::Rows;
use format::{PAGE, RECORDS_AT, SegmentHeader, TRAILER_LEN, Trailer};
pub(crate) use group::Group;
use record::Kind;
use segment::{Segment, path_of};
use spares::Spare;

/// While the log is smaller than this, its segments are small, and while it is smaller than that, not large yet. Of few
/// segments those to compact hold much that is needed: measured with 320 MiB overwritten at random, compaction wrote
/// 0.8 to 1.6 times what its callers wrote with large ones, and a third of that with these.
const SMALL_LOG_LEN: u64 = 256 << 20;
const MEDIUM_LOG_LEN: u64 = 2 << 30;
const SMALL_SEGMENT_LEN: u64 = 8 << 20;
const MEDIUM_SEGMENT_LEN: u64 = 32 << 20;
const LARGE_SEGMENT_LEN: u64 = 128 << 20;
/// Without a spare in reserve, this share of a segment is kept for deletes.
const KEPT_SHARE: u64 = 16;
/// This share of a segment, but no less and no more than so much, is kept for the word that files are about to go.
const LAST_SHARE: u64 = 64;
const LAST_LEN_MIN: u64 = 1 << 10;
const LAST_LEN_MAX: u64 = 16 << 10;
/// After a sync that failed nobody knows what is durable, and a later one that succeeds proves nothing.
const SYNC_FAILED: &str = "what was written may not be on the disk; open the store again";

/// Whether a segment may begin with this length.
pub(crate) fn is_whole_segment(len: u64, segment_len: Option<u64>) -> bool {
    const ALL: [u64; 3] = [SMALL_SEGMENT_LEN, MEDIUM_SEGMENT_LEN, LARGE_SEGMENT_LEN];
    segment_len.map_or(ALL.contains(&len), |wanted| wanted == len)
}

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// What an append may use when the disk is full; each can do with less than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// All but the last spare, and what is kept of the segment for others.
    Ordinary,
    /// What is kept of the segment, too, and a part of one: for what lets go of names.
    Reserve,
    /// The end of the segment, too, and a part of the last spare: for the word that a file is about to go.
    Last,
}

/// Where and how the log goes on.
pub(crate) struct Tail {
    active: Option<Active>,
    /// The last segment of the chain and the end of its records: what the next header names.
    predecessor: Position,
    next_segment: u32,
    next_sequence: u64,
}

struct Active {
    segment: Arc<Segment>,
    end: u64,
    synced: u64,
    rows: Rows,
    /// Its extents were written in an earlier life: a write that ends within a page would make the
    /// kernel read that page first.
    rewritten: bool,
    /// Gone on with after a clean close: its range of sequence numbers is yet to be opened.
    unopened: bool,
    /// Behind its end there may be what an earlier life has left, or a write that failed.
    has_remains: bool,
}

/// What the log has done since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
    /// Written by compaction: what others had written before.
    pub(crate) bytes_compacted: AtomicU64,
}

/// The segments of a store.
pub(crate) struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) secret: Secret,
    dir: PathBuf,
    /// Where compaction writes what is no segment yet.
    staging: PathBuf,
    segment_len: Option<u64>,
    /// Guards which segments can be found. Never held across I/O.
    table: RwLock<HashMap<u32, Arc<Segment>>>,
    /// Guards the right to write. Held by the leader of a group, and by upkeep for moments.
    tail: Mutex<Tail>,
    /// How much of the active segment was written, in thousandths: what the tail says, for who should not wait for it.
    fill: AtomicU64,
    /// Guards the list of spares. Never held across I/O.
    spares: Mutex<Vec<Spare>>,
    /// Bytes that the segments take which compaction writes, and which are none yet. Goes down with the table.
    gathering: AtomicU64,
    /// Bytes of the files of segments that were taken out, and are there still. Goes up with the table.
    leaving: AtomicU64,
    /// Segments that names stand in, and whose files were not there at open, or could not be read. Should one come
    /// back, it counts.
    pub(crate) missing: Vec<u32>,
    /// The first segment that this process may begin; ids are never used twice.
    first_own: u32,
    /// Whether files that held content become spares.
    recycles: bool,
    pub(crate) counters: Counters,
}

/// What recovery found, for the log to go on from.
pub(crate) struct Found {
    /// `segments/` and `staging/`.
    pub(crate) dirs: (PathBuf, PathBuf),
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) spares: Vec<(PathBuf, u64, bool)>,
    pub(crate) predecessor: Position,
    pub(crate) next_segment: u32,
    /// Segments that names stand in, and whose files are not there.
    pub(crate) missing: Vec<u32>,
    /// Where this process's sequence numbers begin.
    pub(crate) first_sequence: u64,
    /// Whether files that held content become spares.
    pub(crate) recycles: bool,
    /// The segment to go on with, its end and its rows, after a clean close.
    pub(crate) resume: Option<(Arc<Segment>, u64, Rows)>,
}

impl Log {
    pub(crate) fn new(disk: Arc<dyn Disk>, secret: Secret, segment_len: Option<u64>, found: Found) -> Log {
        let active = found.resume.map(|(segment, end, rows)| Active {
            segment,
            end,
            synced: end,
            rows,
            rewritten: true,
            unopened: true,
            has_remains: true,
        });
        let tail = Tail {
            active,
            predecessor: found.predecessor,
            next_segment: found.next_segment,
            next_sequence: found.first_sequence,
        };
        let spares = found.spares.into_iter().map(|(path, len, rewritten)| Spare { path, len, rewritten });
        let (dir, staging) = found.dirs;
        Log {
            disk,
            secret,
            dir,
            staging,
            segment_len,
            table: RwLock::new(found.segments.into_iter().map(|segment| (segment.id(), segment)).collect()),
            fill: AtomicU64::new(tail.fill()),
            tail: Mutex::new(tail),
            spares: Mutex::new(spares.collect()),
            gathering: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            missing: found.missing,
            first_own: found.next_segment,
            recycles: found.recycles,
            counters: Counters::default(),
        }
    }

    /// The right to write.
    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock()
    }

    /// The same, unless somebody has it.
    pub(crate) fn try_tail(&self) -> Option<MutexGuard<'_, Tail>> {
        self.tail.try_lock()
    }

    /// How much of the active segment was written, in thousandths, a moment ago. Waits for nobody who writes.
    pub(crate) fn fill(&self) -> u64 {
        self.fill.load(Relaxed)
    }

    /// The segment of this id, unless it has left the log.
    pub(crate) fn segment(&self, id: u32) -> Option<Arc<Segment>> {
        self.table.read().get(&id).cloned()
    }

    /// Where the file of a segment is, or was.
    pub(crate) fn path_of(&self, id: u32) -> PathBuf {
        path_of(&self.dir, id, "seg")
    }

    /// All segments, the oldest first.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        let mut all: Vec<_> = self.table.read().values().cloned().collect();
        all.sort_by_key(|segment| segment.id());
        all
    }

    /// The segments there are at one moment, and the bytes of files that are to be one or were one till now.
    pub(crate) fn present(&self) -> (Vec<Arc<Segment>>, u64) {
        let table = self.table.read();
        (table.values().cloned().collect(), self.gathering() + self.leaving.load(Relaxed))
    }

    /// The length the next segment gets.
    pub(crate) fn segment_len(&self) -> u64 {
        self.segment_len.unwrap_or_else(|| match self.total() {
            ..SMALL_LOG_LEN => SMALL_SEGMENT_LEN,
            SMALL_LOG_LEN..MEDIUM_LOG_LEN => MEDIUM_SEGMENT_LEN,
            _ => LARGE_SEGMENT_LEN,
        })
    }

    /// Bytes that the segments may take beside what is needed and its share of dead: two of them, which are large ones
    /// unless the log is small.
    pub(crate) fn margin(&self) -> u64 {
        let is_small = || self.total() < SMALL_LOG_LEN;
        2 * self.segment_len.unwrap_or_else(|| if is_small() { SMALL_SEGMENT_LEN } else { LARGE_SEGMENT_LEN })
    }

    fn total(&self) -> u64 {
        self.table.read().values().map(|segment| segment.len()).sum()
    }

    /// Longest record that a segment has room for, its footer left aside.
    pub(crate) fn record_len_max(&self) -> u64 {
        self.segment_len.unwrap_or(SMALL_SEGMENT_LEN) * 3 / 4
    }

    /// Sees to it that a group of `len` bytes with `rows` rows and `texts` bytes of new accounts can be
    /// appended: goes on in the active segment, or seals it and begins the next.
    pub(crate) fn make_room(&self, tail: &mut Tail, len: u64, rows: usize, texts: usize, room: Room) -> Result<()> {
        let is_without_reserve = room == Room::Ordinary && self.spares.lock().is_empty();
        let fits = |active: &Active| {
            let share = |share: u64| active.segment.len() / share;
            let kept = if is_without_reserve { share(KEPT_SHARE) } else { 0 };
            let last = if room == Room::Last { 0 } else { share(LAST_SHARE).clamp(LAST_LEN_MIN, LAST_LEN_MAX) };
            active.end + len + active.rows.footer_len(rows, texts) + PAGE + kept + last <= active.segment.len()
        };
        if !tail.active.as_ref().is_some_and(fits) {
            let least = RECORDS_AT + len + Rows::new().footer_len(rows, texts) + 2 * PAGE;
            // The next one's room first: when there is none, what is left of this one still takes deletes.
            let spare = self.take_spare(tail, room, least)?;
            if let Err(error) = self.seal(tail).and_then(|()| self.begin(tail, &spare)) {
                self.spares.lock().push(spare);
                return Err(error);
            }
        }
        if tail.active.as_ref().is_some_and(|active| active.unopened) {
            self.open_range(tail)?;
        }
        Ok(())
    }

    /// Opens this process's range of sequence numbers in a segment that an earlier one closed cleanly:
    /// a record of its own, durable before any other is written.
    fn open_range(&self, tail: &mut Tail) -> Result<()> {
        let sequence = tail.take_sequences(1);
        let mut group = Group::begin(tail);
        group.push(Kind::Begin, sequence, 1, &[], &[]);
        self.append(tail, &group)?;
        self.sync(tail)?;
        tail.active.as_mut().expect("a group was appended to it").unopened = false;
        Ok(())
    }

    /// Writes a group at the end of the active segment: one vectored write.
    ///
    /// On an error, what may have been written is made to not stand; if that fails, too, the error says
    /// [`ErrorKind::Poisoned`].
    pub(crate) fn append(&self, tail: &mut Tail, group: &Group<'_>) -> Result<()> {
        let active = tail.active.as_mut().expect("make_room comes before");
        debug_assert_eq!(active.end, group.start);
        let fill = if active.rewritten { group.end.next_multiple_of(PAGE) - group.end } else { 0 };
        let zeros = [0; PAGE as usize];
        let mut slices = Vec::with_capacity(2 * group.pieces.len() + 1);
        for piece in &group.pieces {
            slices.push(IoSlice::new(&piece.front));
            slices.push(IoSlice::new(piece.body));
            slices.push(IoSlice::new(&zeros[..piece.padding]));
        }
        slices.push(IoSlice::new(&zeros[..fill as usize]));
        let segment = &active.segment;
        if let Err(error) = segment.file.write_at(&slices, group.start) {
            let error = Error::io("append to", &segment.path, error);
            active.has_remains = true;
            // A record whose first bytes are zeros does not stand, nor does one behind it whose
            // predecessor is missing. Synced, so that no power cut brings back what was refused.
            let head = [IoSlice::new(&zeros[..record::HEADER_LEN])];
            let taken_back = segment.file.write_at(&head, group.start).and_then(|()| segment.file.sync());
            return Err(match taken_back {
                Ok(()) => error,
                Err(_) => error.become_kind(ErrorKind::Poisoned, "an append failed and could not be taken back"),
            });
        }
        for piece in &group.pieces {
            active.rows.add(&self.secret, &piece.header, piece.offset, &piece.front[record::HEADER_LEN..]);
        }
        active.end = group.end;
        self.fill.store(tail.fill(), Relaxed);
        self.counters.groups.fetch_add(1, Relaxed);
        self.counters.bytes_written.fetch_add(group.end - group.start + fill, Relaxed);
        Ok(())
    }

    /// Makes all that was appended durable: one fdatasync, none if nothing is outstanding.
    pub(crate) fn sync(&self, tail: &mut Tail) -> Result<()> {
        let Some(active) = tail.active.as_mut().filter(|active| active.synced < active.end) else { return Ok(()) };
        self.sync_file(active.segment.file.as_ref(), &active.segment.path)?;
        check_named(&active.segment)?;
        active.synced = active.end;
        active.segment.reveal(active.end);
        Ok(())
    }

    fn sync_file(&self, file: &dyn crate::disk::DiskFile, path: &Path) -> Result<()> {
        self.counters.syncs.fetch_add(1, Relaxed);
        file.sync().map_err(|e| Error::io("sync", path, e).become_kind(ErrorKind::Poisoned, SYNC_FAILED))
    }

    /// Makes the names of segments and spares durable, and that some have gone.
    pub(crate) fn sync_dir(&self) -> Result<()> {
        let failed = |e| Error::io("sync the directory", &self.dir, e).become_kind(ErrorKind::Poisoned, SYNC_FAILED);
        self.disk.sync_dir(&self.dir).map_err(failed)
    }

    /// Ends the active segment: syncs it, writes its footer at the end of the file, syncs that.
    pub(crate) fn seal(&self, tail: &mut Tail) -> Result<()> {
        self.sync(tail)?;
        let Some(active) = &tail.active else { return Ok(()) };
        let segment = &active.segment;
        let footer = active.rows.encode(&segment.header, active.end);
        let at = segment.len() - footer.len() as u64;
        segment.file.write_at(&[IoSlice::new(&footer)], at).map_err(|e| Error::io("seal", &segment.path, e))?;
        self.sync_file(segment.file.as_ref(), &segment.path)?;
        self.counters.bytes_written.fetch_add(footer.len() as u64, Relaxed);
        let trailer = Trailer::decode(&footer[footer.len() - TRAILER_LEN..], &segment.header, segment.len());
        segment.set_sealed(trailer.expect("just encoded"));
        tail.predecessor = Position { segment: segment.id(), offset: active.end };
        tail.active = None;
        Ok(())
    }

    /// Whether in a complete segment something may stand of which its footer does not tell. Who wrote all of it has
    /// told of all; recovery, which sealed it after a crash and cut it to size, only of what stood by then.
    pub(crate) fn may_have_gaps(&self, segment: &Segment) -> bool {
        let is_of_recovery = !segment.is_compacted() && !is_whole_segment(segment.len(), self.segment_len);
        is_of_recovery || segment.footer_is_damaged()
    }

    /// Ends the active segment, if there is one, and begins the next: so that the one may leave the log.
    pub(crate) fn roll(&self, tail: &mut Tail) -> Result<()> {
        let spare = self.take_spare(tail, Room::Reserve, RECORDS_AT + Rows::new().footer_len(0, 0) + 2 * PAGE)?;
        self.seal(tail).and_then(|()| self.begin(tail, &spare)).inspect_err(|_| self.spares.lock().push(spare))
    }

    /// Begins the next segment in a spare. A crash
    /// 1. before the rename leaves a spare;
    /// 2. after it, a segment without records, which recovery finds in order.
    fn begin(&self, tail: &mut Tail, spare: &Spare) -> Result<()> {
        let segment = Arc::new(self.begin_in(tail, &spare.path)?);
        segment.reveal(RECORDS_AT);
        self.table.write().insert(segment.id(), segment.clone());
        tail.next_segment += 1;
        let (end, rows) = (RECORDS_AT, Rows::new());
        let rewritten = spare.rewritten;
        let (unopened, has_remains) = (false, rewritten);
        tail.active = Some(Active { segment, end, synced: end, rows, rewritten, unopened, has_remains });
        self.fill.store(tail.fill(), Relaxed);
        Ok(())
    }

    fn begin_in(&self, tail: &Tail, spare: &Path) -> Result<Segment> {
        let id = tail.next_segment;
        let header = SegmentHeader {
            segment: id,
            salt: getrandom::u64().map_err(|e| Error::new(ErrorKind::Io, format!("no randomness to be had: {e}")))?,
            first_sequence: tail.next_sequence,
            predecessor: tail.predecessor.segment,
            predecessor_end: tail.predecessor.offset,
            compacted: false,
        };
        let file = self.disk.open(spare, Access::Write).map_err(|e| Error::io("open", spare, e))?;
        file.write_at(&[IoSlice::new(&header.encode())], 0).map_err(|e| Error::io("write", spare, e))?;
        self.sync_file(file.as_ref(), spare)?;
        let path = path_of(&self.dir, id, "seg");
        // Mapped before it has its name: after the renaming nothing may fail that leaves the log writable.
        let segment = Segment::new(header, path.clone(), file)?;
        self.disk.rename(spare, &path).map_err(|e| Error::io("rename to", &path, e))?;
        self.sync_dir()?;
        Ok(segment)
    }

    /// Takes a segment nobody needs out of the log: from here on, who looks for it looks its name up
    /// again. Its file goes by [`Log::give_back`].
    pub(crate) fn take_out(&self, id: u32) -> Option<Arc<Segment>> {
        let mut table = self.table.write();
        let gone = table.remove(&id);
        self.leaving.fetch_add(gone.as_ref().map_or(0, |segment| segment.len()), Relaxed);
        gone
    }

    /// Puts a segment in the place of the one of its id: the same records, in another file of the same name.
    pub(crate) fn exchange(&self, segment: Arc<Segment>) {
        self.table.write().insert(segment.id(), segment);
    }
}

/// A segment whose file was removed under our feet goes with this process.
fn check_named(segment: &Segment) -> Result<()> {
    let path = &segment.path;
    if segment.file.facts().map_err(|e| Error::io("look at", path, e))?.links > 0 {
        return Ok(());
    }
    let message = format!("{} was removed while the store was open; nothing written there lasts", path.display());
    Err(Error::new(ErrorKind::Poisoned, message).at(path))
}

impl Tail {
    /// The next `count` sequence numbers; gives the first.
    pub(crate) fn take_sequences(&mut self, count: u64) -> u64 {
        let first = self.next_sequence;
        self.next_sequence += count;
        first
    }

    /// The number of the next segment or spare.
    pub(super) fn take_segment(&mut self) -> u32 {
        self.next_segment += 1;
        self.next_segment - 1
    }

    /// The sequence number taken last.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Lets readers see what was appended, before it is durable.
    pub(crate) fn reveal(&self) {
        if let Some(active) = &self.active {
            active.segment.reveal(active.end);
        }
    }

    /// Refuses to acknowledge what was appended to a file that has no name any more.
    pub(crate) fn check_named(&self) -> Result<()> {
        self.active.as_ref().map_or(Ok(()), |active| check_named(&active.segment))
    }

    /// The end of the log.
    pub(crate) fn position(&self) -> Position {
        match &self.active {
            Some(active) => Position { segment: active.segment.id(), offset: active.end },
            None => self.predecessor,
        }
    }

    /// The end of what is durable.
    pub(crate) fn synced_position(&self) -> Position {
        match &self.active {
            Some(active) => Position { segment: active.segment.id(), offset: active.synced },
            None => self.predecessor,
        }
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.active.as_ref().is_none_or(|active| active.synced == active.end)
    }

    /// How much of the active segment was written, in thousandths.
    pub(crate) fn fill(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.end * 1000 / active.segment.len())
    }

    /// The rows of the active segment.
    pub(crate) fn rows(&self) -> Option<(&Arc<Segment>, &Rows)> {
        self.active.as_ref().map(|active| (&active.segment, &active.rows))
    }

    /// Whether behind the end of the active segment there may be what nobody has written there since.
    pub(crate) fn has_remains(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.has_remains)
    }

    pub(crate) fn next_segment(&self) -> u32 {
        self.next_segment
    }
}

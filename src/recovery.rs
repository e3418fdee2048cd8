//! Recovery: from the files of a store to its log and its catalog.
//!
//! ```text
//! 1  find     the segments, spares and blob files there are
//! 2  load     the catalog's checkpoint, if it is whole; it covers the log up to a sequence and a place
//! 3  replay   every segment from that place on, the last one first: from its footer, else from its records;
//!             all of them anew when that shows the checkpoint to be from before a later one
//! 4  cut      the end of the last segment, where the log stops standing
//! 5  ask      the index about names whose records are damaged
//! 6  finish   the catalog: references and totals
//! 7  mend     the disk: the end written again and sealed, what nobody needs removed
//! ```
//!
//! Steps 1 to 6 only read. A crash within 7 leaves what 1 to 6 find again, so opening twice is opening
//! once. Without a checkpoint, 3 begins with the first segment.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::builder::{Builder, StandingPut};
use crate::catalog::checkpoint::{self, Loaded, Stamp};
use crate::catalog::{Catalog, Place};
use crate::digest::Secret;
use crate::disk::{Access, Disk, map};
use crate::error::{Error, ErrorKind, Result};
use crate::home::Home;
use crate::limits::SEGMENT_LEN_MIN;
use crate::log::blob_files::BlobFiles;
use crate::log::footer::{FooterView, PutRow, Rows};
use crate::log::format::{PAGE, RANGE, RECORDS_AT, Refusal, SegmentHeader, TRAILER_LEN, Trailer, VERSION};
use crate::log::record::{Header, Kind, OpView};
use crate::log::segment::{Segment, parse_name, path_of};
use crate::log::{Found, Log, Position};
use crate::options::StoreOptions;

/// Bytes of a store's files that are not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes are concerned; 0 when the whole file is.
    pub len: u64,
    /// What was found, as a sentence.
    pub what: String,
}

/// What opening the store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The store had been closed; nothing had to be done.
    pub clean: bool,
    /// The checkpoint of the catalog was whole, and only what came after it was read.
    pub from_checkpoint: bool,
    /// Rows of footers and records that were read.
    pub records_replayed: u64,
    /// Bytes at the end of the log that did not stand: writes under way when the power went.
    pub bytes_cut: u64,
    /// Segments in the log.
    pub segments: u64,
    /// How long it took.
    pub duration: Duration,
}

/// What the index remembers, for names whose records are damaged.
pub(crate) struct Witness<'a> {
    /// Up to where in the log it has read.
    pub(crate) end: Option<Position>,
    /// All its rows: (account, name, sequence).
    pub(crate) rows: &'a dyn Fn() -> Vec<(String, String, u64)>,
}

/// A store's state, brought back.
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) catalog: Catalog,
    pub(crate) damage: Vec<Damage>,
    pub(crate) report: RecoveryReport,
    /// The sequence the catalog's checkpoint covers, and the segments it knows to be sealed.
    pub(crate) checkpoint: Option<Stamp>,
    /// The newest time found in the log, Unix ms.
    pub(crate) newest_ms: u64,
}

/// Brings the store back; `witness` is asked only when records are damaged.
pub(crate) fn recover(
    home: &Home,
    options: &StoreOptions,
    files: &BlobFiles,
    witness: &Witness<'_>,
) -> Result<Recovered> {
    let begun = Instant::now();
    let secret = Secret(home.store.secret);
    let mut replay = Replay::find(home, options.disk.clone(), &secret)?;
    let loaded = replay.load(home);
    let mut stamp = loaded.as_ref().map(|loaded| loaded.stamp);
    let mut builder = replay.builder(loaded, home.store.store_wide);
    let mut end = replay.replay(&mut builder, stamp.as_ref())?;
    if stamp.is_some_and(|stamp| replay.is_outdated(&stamp)) {
        replay.begin_again(home);
        stamp = None;
        builder = replay.builder(None, home.store.store_wide);
        end = replay.replay(&mut builder, None)?;
    }
    replay.note_missing();
    replay.note_lost_end(end.as_ref(), witness.end);
    if !replay.gaps.is_empty() {
        replay.ask(&mut builder, end.as_mut(), witness);
    }
    let catalog = builder.finish();
    let mut report = RecoveryReport {
        clean: end.as_ref().map_or_else(|| replay.was_closed(stamp.as_ref()), |end| end.clean),
        from_checkpoint: stamp.is_some(),
        records_replayed: replay.rows_read,
        bytes_cut: end.as_ref().map_or(0, |end| end.bytes_cut),
        segments: replay.segments.len() as u64,
        duration: Duration::ZERO,
    };
    let newest_ms = replay.newest_ms();
    let damage = replay.damage.clone();
    let log = replay.mend(options, files, &catalog, end)?;
    report.duration = begun.elapsed();
    Ok(Recovered { log, catalog, damage, report, checkpoint: stamp, newest_ms })
}

/// Recovery under way.
struct Replay {
    disk: Arc<dyn Disk>,
    secret: Secret,
    dir: PathBuf,
    /// By id.
    segments: Vec<Arc<Segment>>,
    spares: Vec<(PathBuf, u64, bool)>,
    /// Segments that left the log, whose files are still there.
    leftover: Vec<PathBuf>,
    next_segment: u32,
    last_sequence: u64,
    /// The rows the checkpoint has of the segment that was active then.
    active: Vec<u8>,
    rows_read: u64,
    retired: HashSet<u32>,
    /// The segments the checkpoint lists.
    listed: Vec<u32>,
    /// Those of them that are missing.
    missing: Vec<u32>,
    /// The sequence the checkpoint covers.
    floor: u64,
    /// A directory where the checkpoint should be.
    in_the_way: Option<PathBuf>,
    damage: Vec<Damage>,
    /// How much of it was found before the replay.
    damage_found: usize,
    gaps: Vec<Gap>,
    /// A place near the end of the log where an operation stands.
    newest: Option<(u32, u32)>,
}

/// A damaged stretch of the log: what was committed there has sequences between those on either side.
struct Gap {
    segment: u32,
    start: u64,
    end: u64,
    before: u64,
    behind: u64,
}

/// The last segment, which was not sealed.
struct End {
    segment: Arc<Segment>,
    rows: Rows,
    /// What is known to be durable.
    proven: u64,
    /// Where the log stops standing.
    cut: u64,
    bytes_cut: u64,
    clean: bool,
}

impl Replay {
    /// Step 1.
    fn find(home: &Home, disk: Arc<dyn Disk>, secret: &Secret) -> Result<Replay> {
        let dir = home.segments();
        let mut replay = Replay {
            disk,
            secret: secret.clone(),
            dir,
            segments: Vec::new(),
            spares: Vec::new(),
            leftover: Vec::new(),
            next_segment: 1,
            last_sequence: 0,
            active: Vec::new(),
            rows_read: 0,
            retired: HashSet::new(),
            listed: Vec::new(),
            missing: Vec::new(),
            floor: 0,
            in_the_way: None,
            damage: Vec::new(),
            damage_found: 0,
            gaps: Vec::new(),
            newest: None,
        };
        let found = replay.disk.read_dir(&replay.dir).map_err(|e| Error::io("list", &replay.dir, e))?;
        for file in found {
            let Some((id, extension)) = parse_name(&file.name).filter(|_| !file.is_dir) else { continue };
            replay.next_segment = replay.next_segment.max(id.saturating_add(1));
            if extension == "spare" {
                replay.find_spare(replay.dir.join(&file.name), file.len)?;
            } else if let Some(segment) = replay.open_segment(id, file.len)? {
                replay.last_sequence = replay.last_sequence.max(segment.header.first_sequence);
                replay.next_segment = replay.next_segment.max(segment.header.predecessor.saturating_add(1));
                replay.segments.push(Arc::new(segment));
            }
        }
        replay.segments.sort_by_key(|segment| segment.id());
        Ok(replay)
    }

    fn find_spare(&mut self, path: PathBuf, len: u64) -> Result<()> {
        // Its room was being set aside when the power went: nothing fits into it.
        if len < SEGMENT_LEN_MIN {
            self.leftover.push(path);
            return Ok(());
        }
        let mut first = [0; 8];
        let file = self.disk.open(&path, Access::Read).map_err(|e| Error::io("open", &path, e))?;
        let rewritten = file.read_at(&mut first, 0).is_ok() && first != [0; 8];
        self.spares.push((path, len, rewritten));
        Ok(())
    }

    fn open_segment(&mut self, id: u32, len: u64) -> Result<Option<Segment>> {
        let path = path_of(&self.dir, id, "seg");
        let file = self.disk.open(&path, Access::Write).map_err(|e| Error::io("open", &path, e))?;
        let mut page = vec![0; PAGE as usize];
        let read = file.read_at(&mut page, 0);
        let header = match read.map_err(|_| Refusal::Damaged).and_then(|()| SegmentHeader::decode(&page)) {
            Ok(header) if header.segment == id => header,
            Err(Refusal::Version(version)) => {
                let message = format!(
                    "{} has format version {version}; this is a mediacask for version {VERSION}: use a newer one",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Version, message).at(&path));
            }
            _ => {
                self.note(&path, 0, PAGE, "neither copy of the segment's header stands");
                match guess_header(file.as_ref(), id, len) {
                    Some(header) => header,
                    None => return Ok(None),
                }
            }
        };
        let segment = Segment::new(header, path, file)?;
        let mut tail = [0; TRAILER_LEN];
        if len >= RECORDS_AT + TRAILER_LEN as u64
            && segment.file.read_at(&mut tail, len - TRAILER_LEN as u64).is_ok()
            && let Some(trailer) = Trailer::decode(&tail, &header, len)
        {
            segment.set_sealed(trailer);
        }
        Ok(Some(segment))
    }

    fn note(&mut self, path: &std::path::Path, offset: u64, len: u64, what: &str) {
        self.damage.push(Damage { path: path.to_path_buf(), offset, len, what: what.to_owned() });
    }

    /// Step 2. Segments that had left the log before the checkpoint are left aside.
    fn load(&mut self, home: &Home) -> Option<Loaded> {
        let path = home.catalog();
        let Ok(file) = self.disk.open(&path, Access::Read) else { return None };
        let read = || -> std::io::Result<Option<Loaded>> {
            let len = file.facts()?.len;
            let map = file.map(len)?;
            Ok(checkpoint::read(&map.bytes(0, len as usize)?, &home.store.id))
        };
        let Some(mut loaded) = read().ok().flatten() else {
            self.note(&path, 0, 0, "the catalog's checkpoint is not whole; the log was read instead");
            self.in_the_way = self.disk.read_dir(&path).is_ok().then_some(path);
            return None;
        };
        let stamp = loaded.stamp;
        let known: HashSet<u32> = loaded.segments.iter().copied().collect();
        let left = |segment: &Arc<Segment>| segment.id() < stamp.next_segment && !known.contains(&segment.id());
        self.leftover.extend(self.segments.iter().filter(|segment| left(segment)).map(|segment| segment.path.clone()));
        self.segments.retain(|segment| !left(segment));
        self.next_segment = self.next_segment.max(stamp.next_segment);
        self.last_sequence = self.last_sequence.max(stamp.sequence);
        self.floor = stamp.sequence;
        self.active = std::mem::take(&mut loaded.active);
        self.listed = std::mem::take(&mut loaded.segments);
        Some(loaded)
    }

    fn builder(&self, loaded: Option<Loaded>, store_wide: bool) -> Builder {
        let segments = self.segments.iter().map(|segment| segment.id()).collect();
        match loaded {
            Some(loaded) => Builder::new(loaded.catalog, loaded.stamp.sequence, store_wide, segments),
            None => Builder::new(Catalog::new(), 0, store_wide, segments),
        }
    }

    /// Whether segments have left the log that the checkpoint needs: then a later one was there once, and
    /// this one is a copy from before. The log alone says it all at any time.
    fn is_outdated(&mut self, stamp: &Stamp) -> bool {
        let needed = |id: u32| id > stamp.segment || (id == stamp.segment && !self.active.is_empty());
        if self.retired.iter().any(|id| needed(*id)) {
            return true;
        }
        let mut later = self.segments.last();
        while let Some(segment) = later.filter(|segment| segment.header.predecessor > stamp.segment) {
            let id = segment.header.predecessor;
            later = self.segments.iter().find(|known| known.id() == id && id < segment.id());
            if later.is_none() {
                self.missing.push(id);
                return true;
            }
        }
        false
    }

    /// Leaves the checkpoint aside, and what was read by it.
    fn begin_again(&mut self, home: &Home) {
        self.damage.truncate(self.damage_found);
        match self.missing.pop() {
            Some(id) => {
                let what = "a segment of the log is missing, or the catalog's checkpoint is from before it was let \
                            go; the log was read instead";
                self.note(&path_of(&self.dir.clone(), id, "seg"), 0, 0, what);
            }
            None => self.note(&home.catalog(), 0, 0, "it is from an earlier day; the log was read instead"),
        }
        self.gaps.clear();
        self.active.clear();
        self.listed.clear();
        (self.floor, self.rows_read, self.newest) = (0, 0, None);
    }

    /// Whether the store was closed with every segment sealed, rather than left between two of them.
    fn was_closed(&self, stamp: Option<&Stamp>) -> bool {
        self.segments.last().is_none_or(|last| {
            let ends_there = |stamp: &Stamp| (stamp.segment, stamp.offset) == (last.id(), last.records_end());
            stamp.is_some_and(|stamp| stamp.clean && ends_there(stamp))
        })
    }

    /// Steps 3 and 4. From the last segment to the first: which segments have left the log is said in later
    /// ones.
    fn replay(&mut self, builder: &mut Builder, stamp: Option<&Stamp>) -> Result<Option<End>> {
        let from = stamp.map_or(0, |stamp| stamp.segment);
        self.unseal_torn(from)?;
        let ends: HashMap<u32, u64> =
            self.segments.iter().map(|s| (s.header.predecessor, s.header.predecessor_end)).collect();
        let last = self.segments.last().map(|segment| segment.id());
        let mut end = None;
        self.damage_found = self.damage.len();
        for segment in self.segments.clone().into_iter().rev() {
            let id = segment.id();
            if self.retired.contains(&id) {
                // Nothing in it is needed; a crash, or somebody, has brought its file back.
            } else if segment.trailer().is_some() {
                if id >= from {
                    let rows = segment.rows(&self.secret)?;
                    self.take_rows(builder, &segment, &rows)?;
                    self.note_footer(&segment)?;
                }
            } else if Some(id) == last && !ends.contains_key(&id) {
                let found = self.find_end(segment, stamp.filter(|stamp| stamp.segment == id))?;
                self.take_rows(builder, &found.segment, &found.rows)?;
                end = Some(found);
            } else {
                self.replay_unsealed(builder, &segment, ends.get(&id).copied(), id >= from)?;
            }
        }
        Ok(end)
    }

    /// A footer that is not whole, at the end of the log: it was being written when the power went. The
    /// segment is taken as one that was not sealed yet.
    fn unseal_torn(&mut self, from: u32) -> Result<()> {
        let Some(last) = self.segments.last_mut() else { return Ok(()) };
        if last.id() >= from && last.trailer().is_some() && !last.footer_stands()? {
            *last = Arc::new(Segment::new(last.header, last.path.clone(), last.file.clone())?);
        }
        Ok(())
    }

    /// A segment that others followed, whose trailer is damaged: where its records end is known from the
    /// header of the next, or else is where the last one stands.
    fn replay_unsealed(
        &mut self,
        builder: &mut Builder,
        segment: &Arc<Segment>,
        known_end: Option<u64>,
        replay: bool,
    ) -> Result<()> {
        segment.reveal(segment.len());
        let len = segment.len();
        let end = match known_end {
            Some(end) => end.clamp(RECORDS_AT.min(len), len),
            None => {
                let mut end = RECORDS_AT.min(len);
                segment.walk(end, len, &mut |at, header, _| end = at + header.len(), &mut |_, _| ())?;
                end
            }
        };
        segment.set_ended(end);
        self.note(&segment.path, len.saturating_sub(TRAILER_LEN as u64), TRAILER_LEN as u64, "the footer is damaged");
        if replay {
            let rows = self.walk_tolerantly(segment, RECORDS_AT, end, Rows::new())?;
            self.take_rows(builder, segment, &rows)?;
        }
        Ok(())
    }

    fn note_footer(&mut self, segment: &Arc<Segment>) -> Result<()> {
        if segment.footer_is_damaged() {
            let len = segment.trailer().map_or(0, |trailer| trailer.footer_len);
            self.note(&segment.path, segment.len() - len, len, "the footer is damaged; its records were read instead");
            // The rows hold what stands; this notes what does not.
            self.walk_tolerantly(segment, RECORDS_AT, segment.records_end(), Rows::new())?;
        }
        Ok(())
    }

    /// The rows of all records that stand between two places; what lies between them is damage.
    fn walk_tolerantly(&mut self, segment: &Arc<Segment>, from: u64, to: u64, mut rows: Rows) -> Result<Rows> {
        let secret = self.secret.clone();
        let after = self.segments.iter().filter(|later| later.id() > segment.id());
        let behind = after.map(|later| later.header.first_sequence).min().unwrap_or(u64::MAX);
        let of = |start, end, before| Gap { segment: segment.id(), start, end, before, behind };
        let before = std::cell::Cell::new(self.floor.max(segment.header.first_sequence.saturating_sub(1)));
        let gaps = std::cell::RefCell::new(Vec::new());
        let mut closed = 0;
        segment.walk(
            from,
            to,
            &mut |at, header, head| {
                let mut gaps = gaps.borrow_mut();
                if !rows.add(&secret, header, at, head) {
                    gaps.push(of(at, at + header.len(), before.get()));
                }
                // A body takes its number after the commit that names it, and stands before it.
                if matches!(header.kind, Kind::Commit | Kind::Begin) {
                    gaps[closed..].iter_mut().filter(|gap| gap.end <= at).for_each(|gap| gap.behind = header.sequence);
                    closed = gaps.len();
                    before.set(rows.last_sequence);
                }
            },
            &mut |start, end| gaps.borrow_mut().push(of(start, end, before.get())),
        )?;
        for gap in gaps.into_inner() {
            self.note(&segment.path, gap.start, gap.end - gap.start, "records that were durable do not stand");
            self.gaps.push(gap);
        }
        Ok(rows)
    }

    /// Where the log stops standing: below what is proven to have been durable, damage costs only what it
    /// hits; beyond, a record stands only with its whole body and the record before it.
    fn find_end(&mut self, segment: Arc<Segment>, stamp: Option<&Stamp>) -> Result<End> {
        segment.reveal(segment.len());
        let len = segment.len();
        let records_at = RECORDS_AT.min(len);
        let (from, rows) = self.rows_before(&segment, stamp).unwrap_or((records_at, Rows::new()));
        let mut proven = from.max(stamp.map_or(0, |stamp| stamp.offset)).min(len);
        segment.walk(from, len, &mut |_, header, _| proven = proven.max(header.proven.min(len)), &mut |_, _| ())?;
        let mut rows = self.walk_tolerantly(&segment, from, proven, rows)?;
        let mut cut = proven;
        let gap_ends = |at: u64| self.gaps.last().is_some_and(|gap| gap.segment == segment.id() && gap.end == at);
        while let Some((header, head)) = segment.record(cut)? {
            // What the last record before is, nobody knows where that is damaged.
            let follows =
                (header.previous == rows.last_sequence || (cut == proven && gap_ends(cut))) && header.proven <= cut;
            if !follows || !segment.body_is_sound(cut, &header, &head)? || !rows.add(&self.secret, &header, cut, &head)
            {
                break;
            }
            cut += header.len();
        }
        let left = segment.bytes(cut, (len - cut).min(64 << 10) as usize)?;
        let bytes_cut =
            left.chunks(8).rposition(|word| word.iter().any(|byte| *byte != 0)).map_or(0, |n| 8 * (n as u64 + 1));
        let clean = stamp.is_some_and(|stamp| stamp.clean && stamp.offset == cut) && self.gaps.is_empty();
        Ok(End { segment, rows, proven, cut, bytes_cut: if clean { 0 } else { bytes_cut }, clean })
    }

    /// The rows of a segment up to where the checkpoint had read it, if the checkpoint says so.
    fn rows_before(&self, segment: &Segment, stamp: Option<&Stamp>) -> Option<(u64, Rows)> {
        let stamp = stamp.filter(|stamp| stamp.offset <= segment.len())?;
        let tail = self.active.get(self.active.len().checked_sub(TRAILER_LEN)?..)?;
        let trailer = Trailer::decode(tail, &segment.header, u64::MAX)?;
        Some((stamp.offset, FooterView::decode(&self.active, &trailer)?.rows()?))
    }

    fn take_rows(&mut self, builder: &mut Builder, segment: &Arc<Segment>, rows: &Rows) -> Result<()> {
        let id = segment.id();
        let place = |offset: u32| Place { segment: id, offset };
        self.rows_read += (rows.puts.len() + rows.ends.len() + rows.blobs.len() + rows.others.len()) as u64;
        self.last_sequence = self.last_sequence.max(rows.last_sequence);
        let newest = rows.puts.iter().map(|row| row.offset).chain(rows.ends.iter().map(|row| row.offset)).max();
        self.newest = self.newest.or_else(|| newest.map(|offset| (id, offset)));
        for row in &rows.blobs {
            let account = row.account.map(|account| rows.accounts[account as usize].as_str());
            builder.blob(account, &row.digest, row.len, row.sequence, place(row.offset));
        }
        for row in &rows.puts {
            let (key, sequence, expires_ms, size, digest) =
                (row.key, row.sequence, row.expires_ms, row.size, row.digest);
            let put = StandingPut { key, sequence, expires_ms, size, digest, place: place(row.offset) };
            builder.put(&rows.accounts[row.account as usize], &put);
        }
        rows.ends.iter().for_each(|row| builder.end(row.key, row.sequence));
        for offset in &rows.others {
            match segment.op(u64::from(*offset)) {
                Ok(bytes) => {
                    let Some(op) = OpView::decode(&bytes) else { continue };
                    if let Some(policy) = op.policy() {
                        builder.policy(op.account(), policy, op.sequence(), place(*offset));
                    }
                    self.retired.extend(op.retired());
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.note(&segment.path, u64::from(*offset), 0, "a policy that was set does not stand");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A segment that the checkpoint lists, and that did not leave the log since, is missed.
    fn note_missing(&mut self) {
        let there: HashSet<u32> = self.segments.iter().map(|segment| segment.id()).collect();
        for id in std::mem::take(&mut self.listed) {
            if !there.contains(&id) && !self.retired.contains(&id) {
                self.note(&path_of(&self.dir.clone(), id, "seg"), 0, 0, "a segment of the log is missing");
                self.missing.push(id);
            }
        }
    }

    /// The index reads only what is durable: where it has read further than the log goes, there is damage.
    fn note_lost_end(&mut self, end: Option<&End>, read: Option<Position>) {
        let Some((end, read)) = end.filter(|end| !end.clean).zip(read) else { return };
        let (segment, start) = (end.segment.id(), end.cut);
        if read > (Position { segment, offset: start }) {
            let puts = end.rows.puts.iter().map(|row| row.sequence);
            let last = puts.chain(end.rows.ends.iter().map(|row| row.sequence)).max();
            let before = last.unwrap_or(end.segment.header.first_sequence.saturating_sub(1)).max(self.floor);
            let path = end.segment.path.clone();
            self.note(&path, start, end.bytes_cut, "the log ends there; records that were durable do not stand");
            self.gaps.push(Gap { segment, start, end: start, before, behind: u64::MAX });
        }
    }

    /// Step 5: a name that the index knows with a sequence out of a damaged stretch was written there. It
    /// is kept, and answers that it is damaged: neither absent nor an older version. The footer that is to be
    /// written of the segment says so from then on.
    fn ask(&mut self, builder: &mut Builder, mut end: Option<&mut End>, witness: &Witness<'_>) {
        for (account, name, sequence) in (witness.rows)() {
            let key = self.secret.name_key(&account, &name);
            let known = builder.name(key).map(|row| row.sequence).max(builder.ended(key)).unwrap_or(0);
            let gap = self.gaps.iter().find(|gap| gap.before < sequence && sequence < gap.behind);
            let Some(gap) = gap.filter(|_| known < sequence) else { continue };
            let (digest, offset) = (crate::digest::Digest::default(), gap.start as u32);
            let place = Place { segment: gap.segment, offset };
            builder.put(&account, &StandingPut { key, sequence, expires_ms: 0, size: 0, digest, place });
            if let Some(end) = end.as_mut().filter(|end| end.segment.id() == gap.segment) {
                let account = end.rows.account(&account);
                end.rows.puts.push(PutRow { key, sequence, expires_ms: 0, size: 0, digest, offset, account });
            }
            self.last_sequence = self.last_sequence.max(sequence);
        }
        // A damaged stretch may have opened a range of numbers.
        self.last_sequence += RANGE;
    }

    fn newest_ms(&self) -> u64 {
        let segment = self.newest.and_then(|(id, _)| self.segments.iter().find(|segment| segment.id() == id));
        let op = segment.zip(self.newest).and_then(|(segment, (_, offset))| segment.op(offset.into()).ok());
        op.and_then(|bytes| OpView::decode(&bytes).map(|op| op.stamp().at_ms)).unwrap_or(0)
    }

    /// Step 7. A crash after any of its parts leaves a store that is recovered in the same way.
    fn mend(mut self, options: &StoreOptions, files: &BlobFiles, catalog: &Catalog, end: Option<End>) -> Result<Log> {
        self.sync_names()?;
        if end.is_none() {
            self.seal_again()?;
        }
        let mut resume = None;
        if let Some(end) = end {
            self.segments.retain(|segment| segment.id() != end.segment.id());
            if end.clean {
                self.segments.push(end.segment.clone());
                resume = Some((end.segment, end.cut, end.rows));
            } else {
                let sealed = self.seal(end)?;
                self.segments.push(Arc::new(sealed));
            }
        }
        let retired = std::mem::take(&mut self.retired);
        let (gone, segments): (Vec<_>, Vec<_>) = self
            .segments
            .drain(..)
            .partition(|segment| retired.contains(&segment.id()) && catalog.live(segment.id()).is_nothing());
        self.leftover.extend(gone.iter().map(|segment| segment.path.clone()));
        drop(gone);
        for path in &self.leftover {
            match self.disk.unlink(path) {
                Err(error) if error.kind() != IoKind::NotFound => return Err(Error::io("remove", path, error)),
                _ => {}
            }
        }
        if !self.leftover.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(|e| Error::io("sync the directory", &self.dir, e))?;
        }
        if let Some(path) = &self.in_the_way {
            self.disk.remove_dir_all(path).map_err(|e| Error::io("remove", path, e))?;
        }
        files.empty_staging()?;
        if self.damage.is_empty() {
            remove_unnamed(files, &segments, catalog)?;
        }
        let predecessor =
            segments.last().map(|s| Position { segment: s.id(), offset: s.records_end() }).unwrap_or_default();
        let found = Found {
            segments,
            spares: self.spares,
            predecessor,
            next_segment: self.next_segment,
            missing: self.missing,
            last_sequence: self.last_sequence.max(RANGE - 1),
            resume,
        };
        Ok(Log::new(self.disk, self.secret, self.dir, options.segment_len, found))
    }

    /// Makes the names durable that were found: a process that died between a renaming and the sync of its
    /// directory leaves one that reads well and that a power cut takes back.
    fn sync_names(&self) -> Result<()> {
        for dir in [Some(&*self.dir), self.dir.parent()].into_iter().flatten() {
            self.disk.sync_dir(dir).map_err(|e| Error::io("sync the directory", dir, e))?;
        }
        Ok(())
    }

    /// Writes the last segment's footer once more: a process may have died before it was synced. Of the
    /// segments before it that is certain, each has a successor.
    fn seal_again(&self) -> Result<()> {
        let Some((segment, trailer)) = self.segments.last().and_then(|last| Some((last, last.trailer()?))) else {
            return Ok(());
        };
        let failed = |e| Error::io("seal", &segment.path, e);
        let at = segment.len() - trailer.footer_len;
        let footer = segment.bytes(at, trailer.footer_len as usize)?.into_owned();
        segment.file.write_at(&[IoSlice::new(&footer)], at).map_err(failed)?;
        segment.file.sync().map_err(failed)
    }

    /// Writes again what is not proven to be durable, cuts the file if nobody has it mapped, and seals it.
    fn seal(&mut self, end: End) -> Result<Segment> {
        let End { segment, rows, proven, cut, .. } = end;
        let (path, header, file, facts) = (segment.path.clone(), segment.header, segment.file.clone(), segment.facts);
        let failed = |e| Error::io("seal", &path, e);
        if cut > proven {
            let bytes = segment.bytes(proven, (cut - proven) as usize)?.into_owned();
            file.write_at(&[IoSlice::new(&bytes)], proven).map_err(failed)?;
            file.sync().map_err(failed)?;
        }
        // The one map of this recovery goes before the file is cut.
        self.segments.retain(|known| known.id() != segment.id());
        drop(segment);
        let footer = rows.encode(&header, cut);
        let mut len = facts.len;
        if !map::is_mapped(facts.id) || cut + footer.len() as u64 > len {
            len = cut + footer.len() as u64;
            file.set_len(len).map_err(failed)?;
        }
        file.write_at(&[IoSlice::new(&footer)], len - footer.len() as u64).map_err(failed)?;
        file.sync().map_err(failed)?;
        let sealed = Segment::new(header, path.clone(), file)?;
        let trailer = Trailer::decode(&footer[footer.len() - TRAILER_LEN..], &header, len);
        sealed.set_sealed(trailer.expect("just encoded"));
        Ok(sealed)
    }
}

/// The header of a segment whose header page is damaged, from its trailer or its first record: both say
/// the salt, under a checksum.
fn guess_header(file: &dyn crate::disk::DiskFile, id: u32, len: u64) -> Option<SegmentHeader> {
    let of =
        |salt, first_sequence| SegmentHeader { segment: id, salt, first_sequence, predecessor: 0, predecessor_end: 0 };
    let mut tail = [0; TRAILER_LEN];
    file.read_at(&mut tail, len.checked_sub(TRAILER_LEN as u64)?).ok()?;
    let salt = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let guess = of(salt(&tail, 16), 0);
    if let Some(trailer) = Trailer::decode(&tail, &guess, len) {
        return Some(of(guess.salt, trailer.lowest_sequence.min(trailer.last_sequence)));
    }
    let mut fixed = [0; crate::log::record::HEADER_LEN];
    file.read_at(&mut fixed, RECORDS_AT).ok()?;
    let header = Header::decode(&fixed, id, salt(&fixed, 8))?;
    let mut head = vec![0; header.head_len as usize];
    file.read_at(&mut head, RECORDS_AT + fixed.len() as u64).ok()?;
    Header::stands(&fixed, RECORDS_AT, &head).then(|| of(header.salt, header.sequence))
}

/// Removes blob files that no content stands in: what a crash left between rename and record, or between
/// record and removal. Only after a replay without damage.
fn remove_unnamed(files: &BlobFiles, segments: &[Arc<Segment>], catalog: &Catalog) -> Result<()> {
    let found = files.list()?;
    if found.is_empty() {
        return Ok(());
    }
    let mut named = HashSet::new();
    for place in catalog.file_places() {
        let Some(segment) = segments.iter().find(|segment| segment.id() == place.segment) else { continue };
        let Some((header, head)) = segment.record(place.record_at())? else { return Ok(()) };
        let Some(blob) = crate::log::record::BlobView::decode(&header, &head) else { return Ok(()) };
        named.extend(blob.file);
    }
    for (name, _) in found.iter().filter(|(name, _)| !named.contains(&name.id)) {
        files.remove(name)?;
    }
    Ok(())
}

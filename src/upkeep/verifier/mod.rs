//! Verifying: everything that was written is read again and held against its checksums, while others read
//! and write.
//!
//! ```text
//! 1  STORE and the catalog's checkpoint                          this file
//! 2  the segments in order, record by record; each large blob's
//!    file when its record is met; footers; headers               walk.rs
//! 3  the catalog's rows, each against the log: what a damaged
//!    place costs; what moved behind the walk's back is read      rows.rs
//! 4  references counted anew; the index's keyed sums             rows.rs
//! 5  damaged things put right or set aside, if so asked          repair.rs
//! ```
//!
//! Every bit of the following is checked, be it alive or dead: both copies of STORE and the zeros between
//! them; the first page of a segment, its zeros included; its records from their first byte to the zeros
//! behind their last; the footer of a sealed one; the file of a large blob that is held; the catalog's
//! checkpoint. These bytes mean nothing and are not looked at: what lies between the last record of a
//! segment and its footer, or its end; spares; `staging/`, `LOCK` and files called `.new`; files of blobs that
//! nobody holds any more, on their way out. The index's files are sled's: its rows are compared instead.
//!
//! Invariants:
//! - What is sound is never blamed. Whatever seems damaged is read once more, and counts only if the catalog
//!   still has it there, or the log still has the segment, after it was read: what others move, replace or
//!   free meanwhile is theirs.
//! - Without `repair` nothing is written. A damaged content becomes a suspect, in memory: putting the same
//!   bytes again heals it.
//! - No lock is held while something is read from a segment or a file, but for an account's rows of the index;
//!   the leader of a group waits only for counting references, when these seemed wrong several times.

pub(super) mod repair;
pub(crate) mod report;
mod rows;
mod walk;

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind as IoKind;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Task, Upkeep};
use crate::catalog::checkpoint;
use crate::digest::Digest;
use crate::disk::Access;
use crate::disk::locks::RwLockReadGuard;
use crate::error::{Error, Result};
use crate::log::Position;
use crate::log::blob_files::BlobFileName;
use crate::log::format::PAGE;
use crate::log::segment::Segment;
use crate::recovery::Damage;
use report::{Damaged, VerifyOptions, VerifyProgress, VerifyReport, decode_resume, encode_resume};
use rows::Case;

/// The store's directory, held while files in it are read.
pub(crate) type Held<'a> = RwLockReadGuard<'a, ()>;

/// Most bytes that are read without a look at whether to go on.
const PIECE: u64 = 64 << 10;
/// Longest sleep between two such looks.
const NAP: Duration = Duration::from_millis(20);

/// Why a run does not go on.
enum Stop {
    BrokenOff,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

/// What a damaged place is in.
#[derive(Clone)]
enum Kind {
    Store,
    Catalog,
    Header(Arc<Segment>),
    Footer(Arc<Segment>),
    Records(Arc<Segment>),
    File(BlobFileName),
    /// What should stand somewhere, and nobody knows where.
    Missing,
}

/// A place that is not what was written there.
#[derive(Clone)]
struct Found {
    kind: Kind,
    path: PathBuf,
    offset: u64,
    len: u64,
    /// The content it is about, where that is known from the place itself.
    digest: Option<Digest>,
    what: String,
    /// The catalog's rows that are hit: those that point into this stretch of this segment.
    claim: (u32, Range<u64>),
}

impl Found {
    fn new(kind: Kind, path: &Path, place: Range<u64>, what: impl Into<String>) -> Found {
        let (offset, len) = (place.start, place.end - place.start);
        Found { kind, path: path.to_path_buf(), offset, len, digest: None, what: what.into(), claim: (0, 0..0) }
    }

    /// The same, of a segment whose rows of the catalog in `stretch` are hit.
    fn claiming(mut self, segment: u32, stretch: Range<u64>) -> Found {
        self.claim = (segment, stretch);
        self
    }
}

/// A verification under way.
struct Run<'r, 'h> {
    upkeep: &'r Upkeep,
    hold: &'r dyn Fn() -> Result<Held<'h>>,
    held: Option<Held<'h>>,
    progress: &'r mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
    told: VerifyProgress,
    /// Bytes since it was last asked whether to go on.
    unasked: u64,
    bytes_per_sec: u64,
    begun: Instant,
    /// Everything in the segments before it was read, by this run or those it goes on from.
    position: Position,
    /// So many shards of the catalog's rows were read, contents first.
    shards: usize,
    /// The first segment that this run reads; those it goes on from have read the ones before.
    from: u32,
    /// Up to where each segment was read in this run.
    walked: HashMap<u32, u64>,
    /// The last segment to be read.
    last: u32,
    found: Vec<Found>,
    /// The stretches of segments they claim: where each begins, and its end.
    claims: BTreeMap<(u32, u64), u64>,
    contents_checked: u64,
    entries_checked: u64,
    wrong_references: u64,
    differing: Vec<String>,
}

impl Upkeep {
    /// Verifies the store; `hold` holds its directory, and says no once the store is closed.
    pub(crate) fn verify<'h>(
        &self,
        options: &VerifyOptions,
        hold: &dyn Fn() -> Result<Held<'h>>,
        progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        let (_span, begun) = Task::Verify.begin();
        self.keep_activity(Task::Verify, begun, self.run_verification(options, hold, progress))
    }

    fn run_verification<'h>(
        &self,
        options: &VerifyOptions,
        hold: &dyn Fn() -> Result<Held<'h>>,
        progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        let from = options.resume.as_deref().map(|text| decode_resume(&self.home.store.id, text)).transpose()?;
        let mut run = Run {
            upkeep: self,
            hold,
            held: Some(hold()?),
            progress,
            told: VerifyProgress::default(),
            unasked: 0,
            bytes_per_sec: options.bytes_per_sec,
            begun: Instant::now(),
            position: from.map_or_else(Position::default, |(position, _)| position),
            from: from.map_or(0, |(position, _)| position.segment),
            shards: from.map_or(0, |(_, shards)| shards),
            walked: HashMap::new(),
            last: self.log.segments().last().map_or(0, |segment| segment.id()),
            found: Vec::new(),
            claims: BTreeMap::new(),
            contents_checked: 0,
            entries_checked: 0,
            wrong_references: 0,
            differing: Vec::new(),
        };
        run.told.bytes_total = run.bytes_to_read();
        let broken_off = match run.everything(from.is_none()) {
            Ok(()) => false,
            Err(Stop::BrokenOff) => true,
            Err(Stop::Failed(error)) => return Err(error),
        };
        if run.held.is_none() {
            run.held = Some(hold()?);
        }
        let cases = run.cases()?;
        let (report, standing) = run.conclude(options.repair, broken_off, cases);
        let mut seen = self.damage_seen.lock();
        if from.is_none() {
            seen.clear();
        }
        seen.extend(standing);
        Ok(report)
    }

    /// Where the records of a segment end, and whether it is sealed.
    fn end_of(&self, segment: &Segment) -> (u64, bool) {
        // Nobody writes or seals meanwhile. Of the segment that is written on after a restart, more could be read.
        let tail = self.log.tail();
        let written = Some(tail.position()).filter(|end| end.segment == segment.id() && segment.trailer().is_none());
        (written.map_or_else(|| segment.records_end(), |end| end.offset), segment.trailer().is_some())
    }

    /// The damage that the last verification has found and that stands, or the parts of it that went on from
    /// each other.
    pub(crate) fn damage_seen(&self) -> Vec<Damage> {
        self.damage_seen.lock().clone()
    }
}

impl Run<'_, '_> {
    fn everything(&mut self, from_the_beginning: bool) -> Result<(), Stop> {
        if from_the_beginning {
            self.store_file()?;
            self.checkpoint_file()?;
        }
        self.walk()?;
        self.read_rows()?;
        self.count_references()?;
        self.compare_index()
    }

    /// The report, after damaged things were put right or set aside, if so asked; and what still stands.
    fn conclude(mut self, repair: bool, broken_off: bool, mut cases: Vec<Case>) -> (VerifyReport, Vec<Damage>) {
        // Segments that have left the log meanwhile take their damage with them.
        cases.retain(|case| case.is_hit() || (!case.aside && self.upkeep.still_has(&case.found)));
        let mut repaired = 0;
        if repair {
            let _one = self.upkeep.repairing.lock();
            for case in &mut cases {
                self.upkeep.repair(case);
                repaired += if case.is_done { case.told().len() as u64 } else { 0 };
            }
            if !self.differing.is_empty() && self.upkeep.rebuild_index(&mut |_, _| ()).is_ok() {
                repaired += self.differing.len() as u64;
            }
        }
        self.held = None;
        let standing = cases.iter().filter(|case| !case.is_done).flat_map(Case::told).map(|damaged| {
            let Damaged { path, offset, len, what, .. } = damaged;
            Damage { path, offset, len, what }
        });
        let standing = standing.collect();
        let report = VerifyReport {
            bytes_checked: self.told.bytes_checked,
            contents_checked: self.contents_checked,
            entries_checked: self.entries_checked,
            damaged: cases.iter().flat_map(Case::told).collect(),
            wrong_references: self.wrong_references,
            index_differences: self.differing.len() as u64,
            repaired,
            resume: broken_off.then(|| encode_resume(&self.upkeep.home.store.id, self.position, self.shards)),
        };
        (report, standing)
    }

    /// About what there is to read from the position on.
    fn bytes_to_read(&self) -> u64 {
        let from = self.position;
        let segments = self.upkeep.log.segments();
        let in_segments = segments.iter().filter(|segment| segment.id() >= from.segment).map(|segment| {
            let before = if segment.id() == from.segment { from.offset } else { 0 };
            let footer = segment.trailer().map_or(0, |trailer| trailer.footer_len);
            self.upkeep.end_of(segment).0.saturating_sub(before) + footer
        });
        let in_files = self.upkeep.catalog.file_bytes_from(from.segment, from.offset);
        let catalog = match self.upkeep.log.disk.open(&self.upkeep.home.catalog(), Access::Read) {
            Ok(file) if from == Position::default() => file.facts().map_or(0, |facts| facts.len),
            _ => 0,
        };
        in_segments.sum::<u64>() + in_files + catalog + self.bytes_of_rows()
    }

    /// Keeps a damaged place.
    fn blame(&mut self, found: Found) {
        let (segment, stretch) = found.claim.clone();
        if !stretch.is_empty() {
            let end = self.claims.entry((segment, stretch.start)).or_default();
            *end = stretch.end.max(*end);
        }
        self.found.push(found);
    }

    /// Counts bytes that were read, and now and then asks whether to go on. Nothing of a file is held
    /// across it.
    fn pace(&mut self, bytes: u64) -> Result<(), Stop> {
        self.told.bytes_checked += bytes;
        self.unasked += bytes;
        if self.unasked < PIECE { Ok(()) } else { self.ask() }
    }

    /// Tells how far it is, lets others close the store, and waits as long as the rate asks for.
    fn ask(&mut self) -> Result<(), Stop> {
        self.unasked = 0;
        self.held = None;
        self.told.bytes_total = self.told.bytes_total.max(self.told.bytes_checked);
        self.told.damaged = self.found.len() as u64;
        loop {
            if (self.progress)(&self.told).is_break() {
                return Err(Stop::BrokenOff);
            }
            let due = self.told.bytes_checked.saturating_mul(1_000_000).checked_div(self.bytes_per_sec);
            let early = due.map_or(Duration::ZERO, Duration::from_micros).saturating_sub(self.begun.elapsed());
            if early.is_zero() {
                break;
            }
            // Asked again after each nap: the store may be closed meanwhile.
            std::thread::sleep(early.min(NAP));
            drop((self.hold)()?);
        }
        self.held = Some((self.hold)()?);
        Ok(())
    }

    /// 1. Both copies of what STORE says, and the zeros between them.
    fn store_file(&mut self) -> Result<(), Stop> {
        let (disk, path) = (&self.upkeep.log.disk, self.upkeep.home.dir.join("STORE"));
        let expected = self.upkeep.home.store.encode();
        let read = || -> std::io::Result<Vec<u8>> {
            let file = disk.open(&path, Access::Read)?;
            let mut bytes = vec![0; file.facts()?.len.min(2 * PAGE) as usize];
            file.read_at(&mut bytes, 0).map(|()| bytes)
        };
        let mut found = read();
        if !matches!(&found, Ok(bytes) if *bytes == expected) {
            found = read();
        }
        let copies = [0..PAGE as usize, PAGE as usize..expected.len()];
        match found {
            Ok(bytes) if bytes.len() == expected.len() => {
                let differs = |copy: &Range<usize>| difference(&bytes[copy.clone()], &expected[copy.clone()]);
                for (copy, place) in copies.iter().filter_map(|copy| Some((copy.start as u64, differs(copy)?))) {
                    let place = copy + place.start..copy + place.end;
                    self.blame(Found::new(Kind::Store, &path, place, "a copy of the store's header is damaged"));
                }
            }
            Ok(bytes) => {
                let what = format!("the store's header has {} bytes, not {}", bytes.len(), expected.len());
                self.blame(Found::new(Kind::Store, &path, 0..0, what));
            }
            Err(error) => {
                let what = format!("the store's header cannot be read: {error}");
                self.blame(Found::new(Kind::Store, &path, 0..0, what));
            }
        }
        self.pace(expected.len() as u64)
    }

    /// 1. The catalog's checkpoint, if there is one: derived, so that its checksums are all that is asked.
    fn checkpoint_file(&mut self) -> Result<(), Stop> {
        // A later checkpoint may take its place meanwhile; what is open is a whole one.
        for again in [false, true] {
            let path = self.upkeep.home.catalog();
            let what = match self.upkeep.log.disk.open(&path, Access::Read) {
                Err(error) if error.kind() == IoKind::NotFound => return Ok(()),
                Err(error) => format!("the catalog's checkpoint cannot be opened: {error}"),
                Ok(file) => match self.checkpoint_stands(file.as_ref())? {
                    Ok(()) => return Ok(()),
                    Err(what) => what,
                },
            };
            if again {
                self.blame(Found::new(Kind::Catalog, &path, 0..0, what));
            }
        }
        Ok(())
    }

    fn checkpoint_stands(&mut self, file: &dyn crate::disk::DiskFile) -> Result<Result<(), String>, Stop> {
        let mut header = [0; checkpoint::HEADER_LEN];
        let len = match file.facts().and_then(|facts| file.read_at(&mut header, 0).map(|()| facts.len)) {
            Ok(len) => len,
            Err(error) => return Ok(Err(format!("the catalog's checkpoint cannot be read: {error}"))),
        };
        let at = header.len() as u64;
        let Some((_, crc)) = checkpoint::sums_of(&header).filter(|(body, _)| *body == len - at) else {
            return Ok(Err("the header of the catalog's checkpoint is damaged".into()));
        };
        let (mut piece, mut sum) = (vec![0; PIECE as usize], crate::digest::Crc::default());
        for offset in (at..len).step_by(piece.len()) {
            let part = &mut piece[..(len - offset).min(PIECE) as usize];
            if let Err(error) = file.read_at(part, offset) {
                return Ok(Err(format!("the catalog's checkpoint cannot be read at {offset}: {error}")));
            }
            sum.update(part);
            let part = part.len() as u64;
            self.pace(part)?;
        }
        Ok(if sum.finish() == crc { Ok(()) } else { Err("the catalog's checkpoint is damaged".into()) })
    }
}

/// The stretch from the first byte that differs to the last, if one does.
fn difference(found: &[u8], expected: &[u8]) -> Option<Range<u64>> {
    let mut differing = found.iter().zip(expected).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at as u64);
    let first = differing.next()?;
    Some(first..differing.next_back().unwrap_or(first) + 1)
}

//! Steps 1 and 2: what files there are, and what the catalog's checkpoint says of them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Replay;
use crate::catalog::checkpoint::{self, Loaded, Stamp};
use crate::digest::Secret;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Error, ErrorKind, Result};
use crate::home::Home;
use crate::limits::SEGMENT_LEN_MIN;
use crate::log::format::{PAGE, RECORDS_AT, Refusal, SegmentHeader, TRAILER_LEN, Trailer, VERSION};
use crate::log::record::Header;
use crate::log::segment::{Segment, parse_name, path_of};

impl Replay {
    /// Step 1.
    pub(super) fn find(home: &Home, disk: Arc<dyn Disk>, secret: &Secret) -> Result<Replay> {
        let dir = home.segments();
        let mut replay = Replay {
            disk,
            secret: secret.clone(),
            dir,
            staging: home.staging(),
            segments: Vec::new(),
            spares: Vec::new(),
            leftover: Vec::new(),
            next_segment: 1,
            last_sequence: 0,
            active: Vec::new(),
            rows_read: 0,
            retired: HashMap::new(),
            listed: Vec::new(),
            missing: Vec::new(),
            unreadable: Vec::new(),
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
            } else {
                replay.unreadable.push(id);
            }
        }
        replay.segments.sort_by_key(|segment| segment.id());
        Ok(replay)
    }

    pub(super) fn find_spare(&mut self, path: PathBuf, len: u64) -> Result<()> {
        // Its room was being set aside when the power went: nothing fits into it.
        if len < SEGMENT_LEN_MIN {
            self.leftover.push(path);
            return Ok(());
        }
        let mut first = [0; 8];
        let file = self.disk.open(&path, Access::Read).map_err(|e| Error::io("open", &path, e))?;
        // Somebody has copied the directory by links: what one of the two writes there, the other would read.
        if file.facts().map_err(|e| Error::io("look at", &path, e))?.is_shared() {
            self.leftover.push(path);
            return Ok(());
        }
        let rewritten = file.read_at(&mut first, 0).is_ok() && first != [0; 8];
        self.spares.push((path, len, rewritten));
        Ok(())
    }

    pub(super) fn open_segment(&mut self, id: u32, len: u64) -> Result<Option<Segment>> {
        let path = path_of(&self.dir, id, "seg");
        let file = self.disk.open(&path, Access::Read).map_err(|e| Error::io("open", &path, e))?;
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
        let mut tail = [0; TRAILER_LEN];
        let has_tail =
            len >= RECORDS_AT + TRAILER_LEN as u64 && file.read_at(&mut tail, len - TRAILER_LEN as u64).is_ok();
        let Some(trailer) = Trailer::decode(&tail, &header, len).filter(|_| has_tail) else {
            return self.open_to_write(header, path, file).map(Some);
        };
        let segment = Segment::new(header, path, file)?;
        segment.set_sealed(trailer);
        Ok(Some(segment))
    }

    /// A segment that is not sealed, to be written unless it is shared.
    pub(super) fn open_to_write(
        &self,
        header: SegmentHeader,
        path: PathBuf,
        file: Arc<dyn DiskFile>,
    ) -> Result<Segment> {
        if file.facts().map_err(|e| Error::io("look at", &path, e))?.is_shared() {
            return Segment::new(header, path, file);
        }
        let file = self.disk.open(&path, Access::Write).map_err(|e| Error::io("open", &path, e))?;
        Segment::new(header, path, file)
    }

    /// Step 2. Segments that had left the log before the checkpoint are left aside: those with an id given
    /// before it that it does not list. Compacted ones are none of these while they are young: an id that
    /// compaction takes has its segment before the next checkpoint is taken, or never.
    pub(super) fn load(&mut self, home: &Home) -> Option<Loaded> {
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

    /// Whether segments have left the log since the checkpoint that were not complete then: only those leave that
    /// a durable checkpoint lists as complete, so a later one was there once, and this one is a copy from before.
    /// The log alone says it all at any time.
    pub(super) fn is_outdated(&mut self, stamp: &Stamp) -> bool {
        let was_active = |id: u32| id == stamp.segment && !self.active.is_empty();
        let since = self.retired.iter().filter(|(_, sequence)| **sequence > stamp.sequence);
        if since.map(|(id, _)| *id).any(|id| !self.listed.contains(&id) || was_active(id)) {
            return true;
        }
        let mut later = self.last_of_chain();
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
    pub(super) fn begin_again(&mut self, home: &Home) {
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
        self.retired.clear();
        self.active.clear();
        self.listed.clear();
        (self.floor, self.rows_read, self.newest) = (0, 0, None);
    }
}

/// The header of a segment whose header page is damaged, from its trailer or its first record: both say
/// the salt, under a checksum. Whether it is a compacted one, the first record says alone.
fn guess_header(file: &dyn crate::disk::DiskFile, id: u32, len: u64) -> Option<SegmentHeader> {
    let of = |salt, first_sequence, compacted| {
        let (predecessor, predecessor_end) = (0, 0);
        SegmentHeader { segment: id, salt, first_sequence, predecessor, predecessor_end, compacted }
    };
    let salt = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let mut fixed = [0; crate::log::record::HEADER_LEN];
    let first = file.read_at(&mut fixed, RECORDS_AT).ok().and_then(|()| {
        let header = Header::decode(&fixed, id, salt(&fixed, 8))?;
        let mut head = vec![0; header.head_len as usize];
        file.read_at(&mut head, RECORDS_AT + fixed.len() as u64).ok()?;
        Header::stands(&fixed, RECORDS_AT, &head).then_some(header)
    });
    let mut tail = [0; TRAILER_LEN];
    file.read_at(&mut tail, len.checked_sub(TRAILER_LEN as u64)?).ok()?;
    let guess = of(salt(&tail, 16), 0, first.is_some_and(|first| first.copied));
    if let Some(trailer) = Trailer::decode(&tail, &guess, len) {
        return Some(of(guess.salt, trailer.lowest_sequence.min(trailer.last_sequence), guess.compacted));
    }
    first.map(|first| of(first.salt, first.sequence, first.copied))
}

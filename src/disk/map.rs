//! Files mapped to read: bytes without copying, and without the signal a bad disk would raise.
//!
//! A [`Map`] is the first bytes of one file; a [`View`] is a piece of one that keeps it alive. Every
//! live map is in a registry of the process, by device and inode, so that a file is written over
//! only when no map of it can exist anywhere ([`is_mapped`]).
//!
//! Invariants:
//! - No page is touched before the kernel said it can be read: `madvise(MADV_POPULATE_READ)` answers
//!   with an error where a touch would raise SIGBUS. A bitmap remembers what was asked, so that a
//!   hot read makes no system call. Pages may leave memory again, when the kernel is short of it or
//!   with a [`Passing`] view; who still has a view of them has them read again. Where the kernel
//!   knows no such advice, or refuses to map, the bytes are read instead.
//! - What is behind a slice does not change. `log/` upholds it: it cuts slices only below the synced
//!   (or, where so promised, the written) end of segments that are only appended to, never truncates
//!   a file that is mapped, and recycles one only if this process began it and [`is_mapped`] said no:
//!   what another process maps, or a child of it, no registry here can know.
//! - In a child of `fork`, dropping a map does nothing at all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem;
use std::ops::{Deref, Range, RangeInclusive};
use std::os::fd::{AsFd, AsRawFd};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};

use super::locks::Mutex;
use super::{FileId, fork};

/// The unit of the bitmap. Larger pages of the system are a whole number of these.
const PAGE_LEN: usize = 4096;
/// Pages that are asked for together, as Linux maps them when one is touched.
const AROUND: usize = 16;

/// The first bytes of a file, mapped to read.
pub struct Map {
    id: FileId,
    len: u64,
    /// Nothing where there is nothing to map, or mapping is refused.
    raw: Option<MmapRaw>,
    /// One bit a page: whether it was populated.
    populated: Box<[AtomicU64]>,
    /// What is read where nothing is mapped. Else it is let go, so that blobs held for long cost no
    /// descriptors.
    file: Option<Arc<dyn AsFd + Send + Sync>>,
    birth: fork::Moment,
    generation: u64,
}

impl Map {
    /// Maps the first `len` bytes of `file`, which must have them, or prepares to read them where
    /// the system refuses to map.
    pub fn of<F>(file: Arc<F>, id: FileId, len: u64) -> io::Result<Map>
    where
        F: AsFd + Send + Sync + 'static,
    {
        let mut map = Map::unmapped(file, id, len)?;
        let mapped = match &map.file {
            Some(file) if len > 0 && can_populate() => {
                let fd = file.as_fd().as_raw_fd();
                MmapOptions::new().len(length(len)?).map_raw_read_only(fd)
            }
            _ => return Ok(map),
        };
        if let Ok(raw) = mapped {
            let words = raw.len().div_ceil(PAGE_LEN).div_ceil(64);
            map.populated = (0..words).map(|_| AtomicU64::new(0)).collect();
            map.raw = Some(raw);
            map.file = None;
        }
        Ok(map)
    }

    /// Like [`Map::of`] on a system that refuses to map: every read copies.
    pub fn unmapped<F>(file: Arc<F>, id: FileId, len: u64) -> io::Result<Map>
    where
        F: AsFd + Send + Sync + 'static,
    {
        length(len)?;
        fork::install();
        // The moment comes first: a fork between it and the mapping then counts as one since.
        let birth = fork::Moment::now();
        fork::map_begins();
        registry::add(id);
        let populated = Box::default();
        let generation = fork::generation();
        Ok(Map { id, len, raw: None, populated, file: Some(file), birth, generation })
    }

    /// How many bytes can be read.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file, whatever its path.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Whether a child of this process may have inherited this map.
    pub fn fork_since(&self) -> bool {
        self.birth.fork_since()
    }

    /// The bytes of a range; borrowed where mapped, read where not. An error, and never a signal,
    /// where the range is not within the map or the disk cannot give it.
    pub fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let range = self.range(offset, len)?;
        let Some(raw) = &self.raw else {
            return self.read(offset, len).map(Cow::Owned);
        };
        self.populate(raw, &range)?;
        Ok(Cow::Borrowed(self.cut(range)))
    }

    /// A piece that keeps this map alive, or owns the bytes where they are not mapped.
    pub fn view(self: &Arc<Map>, offset: u64, len: usize) -> io::Result<View> {
        let range = self.range(offset, len)?;
        let Some(raw) = &self.raw else {
            return self.read(offset, len).map(View::owned);
        };
        self.populate(raw, &range)?;
        Ok(View { held: Held::Mapped(Arc::clone(self)), range })
    }

    /// Whether a range was read before and is still in memory, as far as the kernel tells: reading it again waits for
    /// no disk. A hint: its pages may leave the moment after, and where nothing is mapped nobody knows.
    pub fn is_at_hand(&self, offset: u64, len: usize) -> bool {
        let (Ok(range), Some(raw)) = (self.range(offset, len), &self.raw) else { return false };
        if range.is_empty() {
            return true;
        }
        // What was not populated yet is, with its neighbours, when it is read: they may be far away.
        let all = range.start / PAGE_LEN..=(range.end - 1) / PAGE_LEN;
        if words_of(&all).any(|(word, bits)| self.populated[word].load(Ordering::Acquire) & bits != bits) {
            return false;
        }
        let (mut at, mut answer) = (all.start() * PAGE_LEN, [0_u8; 64]);
        while at < range.end {
            let part = (range.end - at).min(answer.len() * PAGE_LEN);
            let pages = &mut answer[..part.div_ceil(PAGE_LEN)];
            // SAFETY: the part lies within the mapping, which lives as long as `self`, and `pages` has a byte for each
            // page of it; the call reads nothing behind the address. Where the system's pages are larger it refuses an
            // address that is not at the begin of one.
            let told = unsafe { libc::mincore(raw.as_mut_ptr().add(at).cast(), part, pages.as_mut_ptr()) };
            if told != 0 || pages.iter().any(|page| page & 1 == 0) {
                return false;
            }
            at += part;
        }
        true
    }

    fn range(&self, offset: u64, len: usize) -> io::Result<Range<usize>> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.len);
        let Some(end) = end else {
            let message = format!("{len} bytes at {offset} are not within the {} that are mapped", self.len);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        };
        // Both fit: they are at most `self.len`, of which `length` said so.
        Ok(offset as usize..end as usize)
    }

    /// Has the kernel bring in the pages of a range that it was not asked for before.
    fn populate(&self, raw: &MmapRaw, range: &Range<usize>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let pages = range.start / PAGE_LEN..=(range.end - 1) / PAGE_LEN;
        // Acquire: whoever finds a bit set comes after the call that populated its page.
        if words_of(&pages).all(|(word, bits)| self.populated[word].load(Ordering::Acquire) & bits == bits) {
            return Ok(());
        }
        // The kernel maps its neighbours with a page in any case: to ask for them along spares asking again.
        let around = pages.start() / AROUND * AROUND..=pages.end() / AROUND * AROUND + AROUND - 1;
        if self.ask_for(raw, around).is_ok() {
            return Ok(());
        }
        // A neighbour that the disk cannot give is not what was asked for.
        self.ask_for(raw, pages).map_err(|e| unreadable(range, &e))
    }

    /// Has the kernel bring in pages, as far as there are.
    fn ask_for(&self, raw: &MmapRaw, pages: RangeInclusive<usize>) -> io::Result<()> {
        let pages = *pages.start()..=(*pages.end()).min((raw.len() - 1) / PAGE_LEN);
        let first = pages.start() * PAGE_LEN;
        let end = ((pages.end() + 1) * PAGE_LEN).min(raw.len());
        loop {
            match raw.advise_range(Advice::PopulateRead, first, end - first) {
                Ok(()) => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        for (word, bits) in words_of(&pages) {
            self.populated[word].fetch_or(bits, Ordering::Release);
        }
        Ok(())
    }

    /// Takes the pages within a range out of this process's memory, as the kernel does with any map when memory is
    /// short: whoever still has a view of them reads them again.
    fn let_go(&self, range: &Range<usize>) {
        let Some(raw) = &self.raw else { return };
        let (first, end) = (range.start.next_multiple_of(PAGE_LEN), range.end / PAGE_LEN * PAGE_LEN);
        // The page at the end of the file counts, though it is not full.
        let end = if range.end == raw.len() { range.end } else { end };
        if first >= end {
            return;
        }
        // Before the pages go: who comes now asks the kernel for them anew.
        for (word, bits) in words_of(&(first / PAGE_LEN..=(end - 1) / PAGE_LEN)) {
            self.populated[word].fetch_and(!bits, Ordering::AcqRel);
        }
        // SAFETY: the map is of a file, read-only, and nobody writes through it: what is dropped is a copy of what the
        // file has, and behind a slice the same bytes appear again. Where it fails, the pages stay.
        let _ = unsafe { raw.unchecked_advise_range(UncheckedAdvice::DontNeed, first, end - first) };
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        let Some(file) = &self.file else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        while filled < len {
            match rustix::io::pread(file, &mut bytes[filled..], offset + filled as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(bytes)
    }

    /// The mapped bytes of a range that was populated.
    fn cut(&self, range: Range<usize>) -> &[u8] {
        let Some(raw) = &self.raw else { return &[] };
        assert!(range.start <= range.end && range.end <= raw.len(), "a slice beyond its map");
        // SAFETY: the range lies within the mapping (asserted), which lives as long as `self`; bytes
        // have no alignment. Nothing changes behind the slice: `log/` cuts only below the written
        // end of files that are only appended to, truncates none that is mapped, and writes over one
        // only after `is_mapped` denied that this map exists. `populate` asked the kernel for the
        // pages, so that a disk that cannot give them has already said so.
        unsafe { slice::from_raw_parts(raw.as_ptr().add(range.start), range.end - range.start) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if fork::generation() != self.generation {
            mem::forget(self.raw.take());
            mem::forget(self.file.take());
            return;
        }
        // 1. Unmap: a fork from here on gives this map to nobody. 2. Ask whether one had it before.
        // 3. Only then tell the registry, which those ask who want to write over the file.
        drop(self.raw.take());
        let inherited = self.birth.fork_since();
        registry::remove(self.id, inherited);
        if !inherited {
            fork::map_ended();
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("id", &self.id).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Whether a map of this file may exist: in this process, or in one that was forked from it. Also
/// true of everything in a process that was itself forked from one with maps.
///
/// Who wants to write over a file first takes its map out of every table, then asks.
pub fn is_mapped(id: FileId) -> bool {
    fork::child_of_maps() || registry::holds(id)
}

/// Some bytes of a file that stay what they are for as long as this lives. Cheap to clone.
#[derive(Clone)]
pub struct View {
    held: Held,
    range: Range<usize>,
}

#[derive(Clone)]
enum Held {
    Mapped(Arc<Map>),
    Owned(Arc<Vec<u8>>),
}

impl View {
    /// Bytes that are in memory already.
    pub fn owned(bytes: Vec<u8>) -> View {
        let range = 0..bytes.len();
        View { held: Held::Owned(Arc::new(bytes)), range }
    }

    /// This view, as one that is read once: its pages leave the memory of this process when it is dropped.
    #[must_use]
    pub fn passing(self) -> Passing {
        Passing(self)
    }

    /// A part of this view, of the same bytes.
    ///
    /// # Panics
    /// When `part` is not within this view, as slices do.
    #[must_use]
    pub fn slice(&self, part: Range<usize>) -> View {
        assert!(part.start <= part.end && part.end <= self.range.len(), "a part beyond its view");
        let range = self.range.start + part.start..self.range.start + part.end;
        View { held: self.held.clone(), range }
    }
}

impl Deref for View {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.held {
            Held::Mapped(map) => map.cut(self.range.clone()),
            Held::Owned(bytes) => &bytes[self.range.clone()],
        }
    }
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// A view whose pages are let go when it is dropped, so that reading a file of any length through its map takes as
/// much memory as its reader holds at a time.
pub struct Passing(View);

impl AsRef<[u8]> for Passing {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Held::Mapped(map) = &self.0.held {
            map.let_go(&self.0.range);
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({} bytes)", self.range.len())
    }
}

/// Starts writing a range of a file out, without waiting and without a promise.
pub(super) fn push_out(file: &impl AsFd, offset: u64, len: u64) -> io::Result<()> {
    sync_range(file, offset, len, libc::SYNC_FILE_RANGE_WRITE)
}

/// Waits until what was started of a range is written.
pub(super) fn wait_out(file: &impl AsFd, offset: u64, len: u64) -> io::Result<()> {
    sync_range(file, offset, len, libc::SYNC_FILE_RANGE_WAIT_BEFORE)
}

fn sync_range(file: &impl AsFd, offset: u64, len: u64, how: libc::c_uint) -> io::Result<()> {
    let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the call takes numbers only, and the descriptor is borrowed for as long as it lasts.
    let answer = unsafe { libc::sync_file_range(fd, offset, len, how) };
    if answer == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // It is only a hint: what does not know it needs it not.
        e if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::ESPIPE)) => Ok(()),
        e => Err(e),
    }
}

fn length(len: u64) -> io::Result<usize> {
    // What is longer than `isize::MAX` no slice can be.
    if isize::try_from(len).is_err() {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(len as usize)
}

/// The words of the bitmap that hold these pages, each with the bits that stand for them.
fn words_of(pages: &RangeInclusive<usize>) -> impl Iterator<Item = (usize, u64)> {
    let (first, last) = (*pages.start(), *pages.end());
    (first / 64..=last / 64).map(move |word| {
        let from = first.max(word * 64) % 64;
        let to = last.min(word * 64 + 63) % 64;
        (word, (u64::MAX << from) & (u64::MAX >> (63 - to)))
    })
}

/// Whether this kernel populates on advice (Linux 5.14), asked once of memory without a file.
fn can_populate() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        MmapOptions::new()
            .len(PAGE_LEN)
            .map_anon()
            .is_ok_and(|memory| memory.advise_range(Advice::PopulateRead, 0, PAGE_LEN).is_ok())
    })
}

/// The kernel says EFAULT for what a read would call an error of the device.
fn unreadable(range: &Range<usize>, e: &io::Error) -> io::Error {
    let message = format!("the disk cannot give the bytes from {} to {}: {e}", range.start, range.end);
    io::Error::other(message)
}

/// The live maps of this process.
mod registry {
    use super::{BTreeMap, FileId, Mutex, fork};

    /// How a file is mapped.
    #[derive(Default)]
    struct Maps {
        live: usize,
        /// Whether a child was given one that is gone here, and may have it still.
        inherited: bool,
    }

    /// One registry for each process from the first to a child's child, guarding who maps what: a
    /// child must not wait for a lock that a thread of its parent held. Deeper than this, files
    /// simply count as mapped.
    const DEPTHS: usize = 16;
    static MAPS: [Mutex<BTreeMap<FileId, Maps>>; DEPTHS] = [const { Mutex::new(BTreeMap::new()) }; DEPTHS];

    fn here() -> Option<&'static Mutex<BTreeMap<FileId, Maps>>> {
        MAPS.get(usize::try_from(fork::generation()).ok()?)
    }

    pub(super) fn add(id: FileId) {
        if let Some(maps) = here() {
            maps.lock().entry(id).or_default().live += 1;
        }
    }

    pub(super) fn remove(id: FileId, inherited: bool) {
        let Some(mut maps) = here().map(Mutex::lock) else {
            return;
        };
        if let Some(of_file) = maps.get_mut(&id) {
            of_file.live -= 1;
            of_file.inherited |= inherited;
            if of_file.live == 0 && !of_file.inherited {
                maps.remove(&id);
            }
        }
    }

    pub(super) fn holds(id: FileId) -> bool {
        here().is_none_or(|maps| maps.lock().contains_key(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::files::RealFile;
    use crate::disk::fork::tests::{alone, in_child};
    use crate::disk::{Access, DiskFile};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    const LEN: usize = 3 * PAGE_LEN + 100;

    fn text() -> Vec<u8> {
        (0..LEN).map(|i| (i % 251) as u8).collect()
    }

    fn file_of(bytes: &[u8]) -> (tempfile::TempDir, RealFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = RealFile::open(&dir.path().join("f"), Access::Create).unwrap();
        file.write_at(&[io::IoSlice::new(bytes)], 0).unwrap();
        (dir, file)
    }

    #[test]
    fn ranges_within_are_the_bytes_and_ranges_without_are_errors() {
        let (_dir, file) = file_of(&text());
        let mapped = file.map(LEN as u64).unwrap();
        let fd = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut &fd, &text()).unwrap();
        let read = Map::unmapped(Arc::new(OwnedFd::from(fd)), mapped.id(), LEN as u64).unwrap();
        for map in [mapped, read].map(Arc::new) {
            for (from, to) in [(0, LEN), (0, 0), (LEN, LEN), (1, PAGE_LEN), (PAGE_LEN - 1, 2 * PAGE_LEN + 1)] {
                assert_eq!(*map.bytes(from as u64, to - from).unwrap(), text()[from..to]);
                assert_eq!(*map.view(from as u64, to - from).unwrap(), text()[from..to]);
            }
            for (offset, len) in [(0, LEN + 1), (LEN as u64 + 1, 0), (u64::MAX, 2), (1, usize::MAX)] {
                assert_eq!(map.bytes(offset, len).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
                assert_eq!(map.view(offset, len).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }

    #[test]
    fn what_was_read_and_is_still_in_memory_is_at_hand_and_nothing_else() {
        let (_dir, file) = file_of(&text());
        let map = file.map(LEN as u64).unwrap();
        assert!(map.is_at_hand(0, 0) && map.is_at_hand(LEN as u64, 0) && !map.is_at_hand(0, 1), "nothing was read");
        map.bytes(0, LEN).unwrap();
        for (offset, len) in [(0, LEN), (PAGE_LEN as u64 + 1, 2 * PAGE_LEN), (LEN as u64 - 1, 1)] {
            assert!(map.is_at_hand(offset, len), "{len} at {offset}");
        }
        assert!(!map.is_at_hand(0, LEN + 1) && !map.is_at_hand(u64::MAX, 2), "there is no more");
        let fd = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut &fd, &text()).unwrap();
        let unmapped = Map::unmapped(Arc::new(OwnedFd::from(fd)), map.id(), LEN as u64).unwrap();
        unmapped.bytes(0, LEN).unwrap();
        assert!(!unmapped.is_at_hand(0, 1));
        // More pages than are asked about at a time; the last of them leave the memory.
        let (_dir, long) = file_of(&vec![7; 200 * PAGE_LEN]);
        let map = long.map(200 * PAGE_LEN as u64).unwrap();
        map.bytes(0, 200 * PAGE_LEN).unwrap();
        assert!(map.is_at_hand(0, 200 * PAGE_LEN));
        map.let_go(&(150 * PAGE_LEN..200 * PAGE_LEN));
        assert!(map.is_at_hand(0, 150 * PAGE_LEN) && !map.is_at_hand(0, 151 * PAGE_LEN));
    }

    #[test]
    fn a_page_that_the_disk_cannot_give_is_an_error_and_no_signal() {
        let (_dir, file) = file_of(&text());
        let map = file.map(LEN as u64).unwrap();
        // What the rules forbid, as a stand-in for a bad disk: the kernel answers both alike.
        file.set_len(PAGE_LEN as u64).unwrap();
        assert_eq!(*map.bytes(0, PAGE_LEN).unwrap(), text()[..PAGE_LEN]);
        assert!(map.bytes(0, PAGE_LEN + 1).is_err());
        assert!(map.bytes(2 * PAGE_LEN as u64, 1).is_err());
    }

    #[test]
    fn a_file_counts_as_mapped_while_a_map_or_a_view_lives() {
        let (_dir, file) = file_of(&text());
        let id = file.facts().unwrap().id;
        assert!(!is_mapped(id));
        let map = Arc::new(file.map(LEN as u64).unwrap());
        let other = file.map(10).unwrap();
        drop(other);
        assert!(is_mapped(id));
        let part = map.view(5, 100).unwrap().slice(10..20);
        drop((map, file));
        assert!(is_mapped(id));
        assert_eq!(*part, text()[15..25]);
        assert!(!part.clone().is_empty());
        drop(part);
        assert!(!is_mapped(id));
    }

    #[test]
    fn a_file_that_a_child_may_have_mapped_counts_as_mapped_for_good() {
        const NAME: &str = "disk::map::tests::a_file_that_a_child_may_have_mapped_counts_as_mapped_for_good";
        alone(NAME, || {
            let (_dir, file) = file_of(&text());
            let (_other_dir, other) = file_of(&text());
            let id = file.facts().unwrap().id;
            let view = Arc::new(file.map(LEN as u64).unwrap()).view(7, 3).unwrap();
            let other_id = other.facts().unwrap().id;
            // The child's copy stays what it is, and all it sees counts as mapped.
            let (mut in_both, expected) = (Some(view), text());
            assert!(in_child(|| {
                let same = in_both.as_deref() == Some(&expected[7..10]);
                in_both = None;
                same && is_mapped(id) && is_mapped(other_id)
            }));
            assert!(in_both.is_some());
            in_both = None;
            assert!(in_both.is_none() && is_mapped(id));
            // What was mapped after the fork is no child's.
            let later = other.map(1).unwrap();
            assert!(!later.fork_since() && is_mapped(other_id));
            drop(later);
            assert!(!is_mapped(other_id));
            assert!(in_child(|| is_mapped(other_id)));
        });
    }

    #[test]
    fn an_empty_file_maps_and_gives_nothing() {
        let (_dir, file) = file_of(b"");
        let map = Arc::new(file.map(0).unwrap());
        assert!(map.is_empty() && map.bytes(0, 0).unwrap().is_empty());
        assert!(map.view(0, 0).unwrap().is_empty());
        assert!(map.bytes(0, 1).is_err() && file.map(1).is_err());
    }

    #[test]
    fn where_the_system_refuses_to_map_bytes_are_read() {
        let (_dir, file) = file_of(b"");
        let id = file.facts().unwrap().id;
        // A socket cannot be mapped.
        let (end, _other) = UnixStream::pair().unwrap();
        let map = Map::of(Arc::new(end), id, 10).unwrap();
        assert!(map.raw.is_none() && map.file.is_some());
        // Nor read at an offset: an error again, and nothing worse.
        assert!(map.bytes(0, 10).is_err());
    }

    #[test]
    fn the_bits_of_pages_are_those_of_each_page() {
        for (first, last) in [(0, 0), (0, 63), (63, 64), (5, 200), (64, 127), (130, 131)] {
            let set: Vec<usize> = words_of(&(first..=last))
                .flat_map(|(word, bits)| {
                    (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
                })
                .collect();
            assert!(set.into_iter().eq(first..=last));
        }
    }

    #[test]
    fn views_travel_between_threads() {
        fn travels<T: Send + Sync + Clone + 'static>() {}
        travels::<View>();
        travels::<Arc<Map>>();
        let view = View::owned(vec![1, 2, 3]);
        assert_eq!(*view.slice(1..3), [2, 3]);
    }
}

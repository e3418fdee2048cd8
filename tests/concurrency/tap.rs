//! A disk between the store and another disk, which tells a test of every write and sync before it
//! happens: the test may count it, hold it up, have it fail, or panic.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use mediacask::disk::map::Map;
use mediacask::disk::{Access, Disk, DiskFile, FileFacts, Found};

/// What is about to happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Write,
    Sync,
}

/// Hears of a call on a segment before it is made; an error takes its place.
type Hear = dyn Fn(Call) -> io::Result<()> + Send + Sync;

/// The disk. Only calls on segments of the log are told.
pub(crate) struct Tap {
    disk: Arc<dyn Disk>,
    hear: Arc<Hear>,
}

impl Tap {
    pub(crate) fn new(disk: Arc<dyn Disk>, hear: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) -> Arc<Tap> {
        Arc::new(Tap { disk, hear: Arc::new(hear) })
    }
}

impl Disk for Tap {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let is_log = path.extension().is_some_and(|end| end == "seg" || end == "spare");
        let file = self.disk.open(path, access)?;
        let hear = Arc::clone(&self.hear);
        Ok(if is_log { Arc::new(TappedFile { file, hear }) } else { file })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        self.disk.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn index_at(&self, path: &Path) {
        self.disk.index_at(path);
    }
}

struct TappedFile {
    file: Arc<dyn DiskFile>,
    hear: Arc<Hear>,
}

impl DiskFile for TappedFile {
    fn facts(&self) -> io::Result<FileFacts> {
        self.file.facts()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, from: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        (self.hear)(Call::Write)?;
        self.file.write_at(from, offset)
    }

    fn sync(&self) -> io::Result<()> {
        (self.hear)(Call::Sync)?;
        self.file.sync()
    }

    fn push_out(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.push_out(offset, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_mode(mode)
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        self.file.map(len)
    }

    fn try_lock(&self) -> io::Result<()> {
        self.file.try_lock()
    }
}

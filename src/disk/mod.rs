//! The one seam to the machine: what the store asks of a disk, and what a disk promises.
//!
//! There are two disks: [`files::RealDisk`], and one in the tests that loses what was not synced,
//! tears writes and fails calls. Rules both keep:
//!
//! - Written bytes are durable after [`DiskFile::sync`] returns `Ok`, and not before.
//! - A name (created, renamed, unlinked) is durable after [`Disk::sync_dir`] of its directory, and a
//!   directory's own name after that of its parent.
//! - A failed sync says nothing about what is durable, and a later one that succeeds says nothing
//!   about what was written before the failed one.

pub mod files;
pub mod fork;
pub(crate) mod locks;
pub mod map;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use map::Map;

/// What a file is to the system, whatever its path: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The device the file lives on.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
}

/// What the system says of a file.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts {
    /// Device and inode.
    pub id: FileId,
    /// Length in bytes.
    pub len: u64,
    /// How many names it has; 0 after its last one was unlinked.
    pub links: u64,
    /// Permission bits.
    pub mode: u32,
}

impl FileFacts {
    /// Whether another directory may have this file, too: then it is not to be written.
    pub fn is_shared(&self) -> bool {
        self.links > 1 || self.mode & 0o200 == 0
    }
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file's name, without its directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes.
    pub len: u64,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A file that must not exist yet, to read and write; mode 0600.
    Create,
}

/// A directory tree that can lose its power.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes one directory, mode 0700; `AlreadyExists` when there is one.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>>;

    /// Renames within the store, replacing what stands there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file one more name, on the same file system; `AlreadyExists` when the name is taken, `Unsupported`
    /// on a disk where a file has one name only.
    fn hard_link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes a file's name away.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Takes a directory and all below it away; for what is derived only.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Tells the disk where the index keeps its files, which are written past this trait (sled opens
    /// its own). The real disk does nothing; the tests' disk remembers to save and restore it.
    fn index_at(&self, _path: &Path) {}
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Device, inode, length, links, mode.
    fn facts(&self) -> io::Result<FileFacts>;

    /// Fills `into` from `offset`; `UnexpectedEof` when the file ends before.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `from`, in order, at `offset`. On an error any part may have been written.
    fn write_at(&self, from: &[IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Makes what was written, and the length, durable (fdatasync).
    fn sync(&self) -> io::Result<()>;

    /// Starts writing a range out, without waiting and without a promise (`sync_file_range`).
    fn push_out(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Waits until a range that was pushed out has been written, without a promise: so that no more than that is
    /// under way at a time. An error says that some of it was not, and the next sync may not say so again. A disk
    /// that pushes nothing out has nothing to wait for.
    fn wait_out(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    /// Gives the file this length and room on the disk for all of it (fallocate).
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Cuts the file, or extends it by zeros. Never done to a file that is mapped.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Sets the permission bits; `Unsupported` on a disk that has none.
    fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Maps the first `len` bytes to read, or reads them where mapping is refused.
    fn map(&self, len: u64) -> io::Result<Map>;

    /// Takes the lock on this file, or says `WouldBlock`. It is held until the file is dropped, and
    /// never by a forked child.
    fn try_lock(&self) -> io::Result<()>;
}

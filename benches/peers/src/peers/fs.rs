//! The file system by itself: a file for each name, as one writes it who wants to keep it: to a temporary name,
//! fdatasync, rename, fsync of the directory.
//!
//! 256 directories, so that none grows large and directory syncs of different names rarely meet. The journal of the
//! file system is what commits in groups here. Many at once are synced by one call for the whole file system.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Gathered, Item, directory, sync_all_below};
use crate::peer::{Content, Peer, Reader, Result, Setup};

struct Fs {
    root: File,
    dirs: Vec<(PathBuf, File)>,
    /// Two who put the same name at once must not share a temporary file.
    temporaries: AtomicU64,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let shard = |n: u8| -> Result<(PathBuf, File)> {
        let path = dir.join(format!("{n:02x}"));
        let handle = directory(&path)?;
        Ok((path, handle))
    };
    let dirs = (0..=255).map(shard).collect::<Result<Vec<_>>>()?;
    let root = directory(dir)?;
    root.sync_all()?;
    Ok(Box::new(Fs { root, dirs, temporaries: AtomicU64::new(0) }))
}

impl Fs {
    fn shard(&self, name: &str) -> &(PathBuf, File) {
        // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), folded to a byte.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        &self.dirs[((hash >> 24) ^ (hash >> 8) & 0xff) as usize]
    }

    /// No name here holds a percent sign.
    fn path(&self, name: &str) -> PathBuf {
        self.shard(name).0.join(name.replace('/', "%2F"))
    }

    fn temporary(&self, name: &str) -> PathBuf {
        self.shard(name).0.join(format!("{}%tmp", self.temporaries.fetch_add(1, Ordering::Relaxed)))
    }
}

fn write(path: &Path, content: &[u8]) -> Result<File> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    Ok(file)
}

impl Peer for Fs {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        let temporary = self.temporary(name);
        write(&temporary, content)?.sync_data()?;
        fs::rename(&temporary, self.path(name))?;
        self.shard(name).1.sync_all()?;
        Ok(())
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        let mut written = Vec::with_capacity(items.len());
        for (name, content) in items {
            let temporary = self.temporary(name);
            write(&temporary, content)?;
            written.push((temporary, self.path(name)));
        }
        sync_all_below(&self.root)?;
        for (temporary, path) in written {
            fs::rename(temporary, path)?;
        }
        sync_all_below(&self.root)
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        for name in names {
            fs::remove_file(self.path(name))?;
        }
        sync_all_below(&self.root)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(FsReader { fs: self, buffer: Vec::new(), names: Gathered::default() }))
    }
}

struct FsReader<'a> {
    fs: &'a Fs,
    buffer: Vec<u8>,
    names: Gathered,
}

impl FsReader<'_> {
    fn open(&self, name: &str) -> Result<Option<File>> {
        match File::open(self.fs.path(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Reader for FsReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Some(mut file) = self.open(name)? else { return Ok(false) };
        self.buffer.clear();
        file.read_to_end(&mut self.buffer)?;
        look(&self.buffer);
        Ok(true)
    }

    fn range(&mut self, name: &str, part: Range<usize>, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Some(file) = self.open(name)? else { return Ok(false) };
        self.buffer.resize(part.len(), 0);
        file.read_exact_at(&mut self.buffer, part.start as u64)?;
        look(&self.buffer);
        Ok(true)
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        self.names.page(after, limit, each, || {
            let mut all = Vec::new();
            for (path, _) in &self.fs.dirs {
                for entry in fs::read_dir(path)? {
                    let file = entry?.file_name().to_string_lossy().replace("%2F", "/");
                    all.extend(Some(file).filter(|name| !name.ends_with("%tmp")));
                }
            }
            Ok(all)
        })
    }
}

//! sled, holding the values themselves.
//!
//! - Each value by a plain insert, and a flush for the group: batches take one lock for the whole process.
//! - Its flush on Linux is `sync_file_range`, which commits neither lengths nor the device's cache, and values near
//!   128 KiB and beyond go to files of their own that it does not sync at all: so the file system is synced after it.
//! - No flusher of its own beside that, no compression, a cache of 1 GiB (its default).

use std::fs::File;
use std::ops::Bound;
use std::path::Path;

use super::{Item, directory, sync_all_below};
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

struct Sled {
    dir: File,
    tree: sled::Db,
    front: Front<Item>,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let tree = sled::Config::new().path(dir).cache_capacity(1 << 30).flush_every_ms(None).open()?;
    Ok(Box::new(Sled { dir: directory(dir)?, tree, front: Front::new() }))
}

impl Sled {
    fn sync(&self) -> Result<()> {
        self.tree.flush()?;
        sync_all_below(&self.dir)
    }
}

impl Peer for Sled {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.front.submit((name.to_owned(), content.clone()), |group| self.put_many(&group))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        for (name, content) in items {
            self.tree.insert(name, &content[..])?;
        }
        self.sync()
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.tree.remove(name)?;
        }
        self.sync()
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(SledReader(&self.tree)))
    }
}

struct SledReader<'a>(&'a sled::Db);

impl Reader for SledReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get(name)?.map(|value| look(&value)).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for row in self.0.range::<&str, _>((start, Bound::Unbounded)).take(limit) {
            each(std::str::from_utf8(&row?.0)?);
        }
        Ok(())
    }
}

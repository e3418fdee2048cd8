//! cacache, npm's content-addressed cache, in its synchronous form.
//!
//! - It syncs nothing. So a put writes in its own thread, and then waits in a line for a sync of the file system,
//!   one for all who wait: cheaper than four syncs a put (content, its directory, the name's bucket, its directory).
//! - XXH3 instead of its default SHA-256: the fastest it has. It checks what it reads, as mediacask does.
//! - What is overwritten stays: it never removes content by itself. What is deleted is removed with its content.
//! - It keeps no order: a listing gathers all names and sorts them.

use std::fs::File;
use std::path::{Path, PathBuf};

use cacache::{Algorithm, Error};

use super::{Gathered, Item, directory, sync_all_below};
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

struct Cacache {
    path: PathBuf,
    dir: File,
    front: Front<()>,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    Ok(Box::new(Cacache { path: dir.to_owned(), dir: directory(dir)?, front: Front::new() }))
}

impl Cacache {
    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        cacache::write_sync_with_algo(Algorithm::Xxh3, &self.path, name, content)?;
        Ok(())
    }
}

impl Peer for Cacache {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.write(name, content)?;
        self.front.submit((), |_| sync_all_below(&self.dir))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        items.iter().try_for_each(|(name, content)| self.write(name, content))?;
        sync_all_below(&self.dir)
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        for name in names {
            if let Some(entry) = cacache::metadata_sync(&self.path, name)? {
                cacache::remove_hash_sync(&self.path, &entry.integrity)?;
            }
            cacache::remove_sync(&self.path, name)?;
        }
        sync_all_below(&self.dir)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(CacacheReader { path: &self.path, names: Gathered::default() }))
    }
}

struct CacacheReader<'a> {
    path: &'a Path,
    names: Gathered,
}

impl Reader for CacacheReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        match cacache::read_sync(self.path, name) {
            Ok(bytes) => look(&bytes),
            Err(Error::EntryNotFound(..)) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let gather = || -> Result<Vec<String>> {
            // Before the first put there is no index to walk, which is an error there.
            if !self.path.join("index-v5").exists() {
                return Ok(Vec::new());
            }
            cacache::list_sync(self.path).map(|entry| Ok(entry?.key)).collect()
        };
        self.names.page(after, limit, each, gather)
    }
}

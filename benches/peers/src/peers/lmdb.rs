//! LMDB, by way of heed.
//!
//! - A map far larger than what is put: it is only address space, and LMDB cannot go on when it is full.
//! - Its default of full syncs, without a writable map: pages are written and fdatasync'ed. (A writable map saves a
//!   copy, but its msync walks the whole map, and a stray write of the program would damage the store.)
//! - With the system's read-ahead, as by default: content is many pages in a row, and without it each would be a read
//!   of its own.
//! - One writer at a time is its design, so a group is a transaction; a get is a read transaction of its own, which
//!   takes no lock.

use std::ops::Bound;
use std::path::Path;

use heed::types::{Bytes, Str};
use heed::{Database, Env, EnvOpenOptions, WithoutTls};

use super::Item;
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

/// More than any work puts, and little enough for several such maps in one address space.
const MAP_LEN: usize = 256 << 30;

struct Lmdb {
    env: Env<WithoutTls>,
    media: Database<Str, Bytes>,
    front: Front<Item>,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_LEN).max_readers(256);
    // SAFETY: the directory is this run's own, and no other process changes its files while they are mapped.
    let env = unsafe { options.open(dir)? };
    let mut transaction = env.write_txn()?;
    let media = env.create_database(&mut transaction, None)?;
    transaction.commit()?;
    Ok(Box::new(Lmdb { env, media, front: Front::new() }))
}

impl Peer for Lmdb {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.front.submit((name.to_owned(), content.clone()), |group| self.put_many(&group))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (name, content) in items {
            self.media.put(&mut transaction, name, content)?;
        }
        Ok(transaction.commit()?)
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for name in names {
            self.media.delete(&mut transaction, name)?;
        }
        Ok(transaction.commit()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(LmdbReader(self)))
    }
}

struct LmdbReader<'a>(&'a Lmdb);

impl Reader for LmdbReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let transaction = self.0.env.read_txn()?;
        Ok(self.0.media.get(&transaction, name)?.map(look).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let transaction = self.0.env.read_txn()?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for row in self.0.media.range(&transaction, &(start, Bound::Unbounded))?.take(limit) {
            each(row?.0);
        }
        Ok(())
    }
}

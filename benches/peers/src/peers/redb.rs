//! redb, with its default of one fdatasync a commit (`Durability::Immediate`, one phase).
//!
//! - A cache of 1 GiB, its default: all hot sets fit.
//! - One writer at a time is its design, so a group is a transaction; a get is a read transaction of its own.
//! - Content is copied into its page directly (`insert_reserve`), not by way of a buffer.
//! - Quick repair stays off, as by default: it makes every commit slower so that an open after a kill is faster.

use std::ops::Bound;
use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};

use super::Item;
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

const MEDIA: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("media");

struct Redb {
    database: Database,
    front: Front<Item>,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let database = Database::builder().set_cache_size(1 << 30).create(dir.join("media.redb"))?;
    // Nothing is written when it is opened again.
    if database.begin_read()?.open_table(MEDIA).is_err() {
        let transaction = database.begin_write()?;
        transaction.open_table(MEDIA)?;
        transaction.commit()?;
    }
    Ok(Box::new(Redb { database, front: Front::new() }))
}

impl Peer for Redb {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.front.submit((name.to_owned(), content.clone()), |group| self.put_many(&group))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        let transaction = self.database.begin_write()?;
        let mut media = transaction.open_table(MEDIA)?;
        for (name, content) in items {
            media.insert_reserve(name.as_str(), content.len())?.as_mut().copy_from_slice(content);
        }
        drop(media);
        Ok(transaction.commit()?)
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        let transaction = self.database.begin_write()?;
        let mut media = transaction.open_table(MEDIA)?;
        for name in names {
            media.remove(name.as_str())?;
        }
        drop(media);
        Ok(transaction.commit()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(RedbReader(self)))
    }
}

struct RedbReader<'a>(&'a Redb);

impl Reader for RedbReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let media = self.0.database.begin_read()?.open_table(MEDIA)?;
        Ok(media.get(name)?.map(|value| look(value.value())).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let media = self.0.database.begin_read()?.open_table(MEDIA)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for row in media.range::<&str>((start, Bound::Unbounded))?.take(limit) {
            each(row?.0.value());
        }
        Ok(())
    }
}

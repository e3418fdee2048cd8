//! fjall, with key-value separation: values go to blob files, and compaction moves names alone.
//!
//! - A group is a batch with `PersistMode::SyncData`: one fdatasync of the journal, as everybody else has.
//! - Nothing is compressed: the content cannot be, and trying would cost.
//! - A block cache of 256 MiB, two workers for two cores; the rest as it comes, which its author keeps tuned.
//! - A listing asks for names alone; values would be fetched from the blob files one by one.

use std::ops::Bound;
use std::path::Path;

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};

use super::Item;
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

struct Fjall {
    database: Database,
    media: Keyspace,
    front: Front<Item>,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let database = Database::builder(dir)
        .cache_size(256 << 20)
        .worker_threads(2)
        .journal_compression(CompressionType::None)
        .open()?;
    let media = database.keyspace("media", || {
        KeyspaceCreateOptions::default()
            .data_block_compression_policy(CompressionPolicy::disabled())
            .with_kv_separation(Some(KvSeparationOptions::default().compression(CompressionType::None)))
    })?;
    Ok(Box::new(Fjall { database, media, front: Front::new() }))
}

impl Peer for Fjall {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.front.submit((name.to_owned(), content.clone()), |group| self.put_many(&group))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (name, content) in items {
            batch.insert(&self.media, name.as_str(), &content[..]);
        }
        Ok(batch.commit()?)
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for name in names {
            batch.remove(&self.media, name.as_str());
        }
        Ok(batch.commit()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(FjallReader(&self.media)))
    }

    fn settle(&self) -> Result<()> {
        Ok(self.media.rotate_memtable_and_wait()?)
    }
}

struct FjallReader<'a>(&'a Keyspace);

impl Reader for FjallReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get(name)?.map(|value| look(&value)).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for row in self.0.range::<&str, _>((start, Bound::Unbounded)).take(limit) {
            each(std::str::from_utf8(&row.key()?)?);
        }
        Ok(())
    }
}

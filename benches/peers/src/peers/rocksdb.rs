//! RocksDB with integrated BlobDB: values of 4 KiB and more go to blob files, compaction moves names alone.
//!
//! - Sync writes. It commits in groups by itself, so there is no front before it; pipelined, so that the next group
//!   writes its log while this one enters the memtable.
//! - Logs are recycled: a log written over extents that exist needs no journal commit of the file system.
//! - Nothing is compressed: the content cannot be. Blob files are collected at their default age cutoff.
//! - Bloom filters and a block cache of 256 MiB; the page cache holds the blobs, read by way of a map.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Direction, IteratorMode, Options, WriteBatch, WriteOptions,
};

use super::Item;
use crate::peer::{Content, Peer, Reader, Result, Setup};

struct Rocks {
    database: DB,
}

pub fn open(dir: &Path, _setup: &Setup) -> Result<Box<dyn Peer>> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(256 << 20));
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(128 << 20);
    options.set_max_background_jobs(2);
    options.set_enable_pipelined_write(true);
    options.set_recycle_log_file_num(4);
    options.set_bytes_per_sync(1 << 20);
    options.set_allow_mmap_reads(true);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(4096);
    options.set_blob_file_size(256 << 20);
    options.set_blob_compression_type(DBCompressionType::None);
    options.set_enable_blob_gc(true);
    Ok(Box::new(Rocks { database: DB::open(&options, dir)? }))
}

fn durably() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

impl Peer for Rocks {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        Ok(self.database.put_opt(name, &content[..], &durably())?)
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (name, content) in items {
            batch.put(name, &content[..]);
        }
        Ok(self.database.write_opt(batch, &durably())?)
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for name in names {
            batch.delete(name);
        }
        Ok(self.database.write_opt(batch, &durably())?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(RocksReader(&self.database)))
    }
}

struct RocksReader<'a>(&'a DB);

impl Reader for RocksReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get_pinned(name)?.map(|value| look(&value)).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let start = after.map_or(IteratorMode::Start, |name| IteratorMode::From(name.as_bytes(), Direction::Forward));
        let rows = self.0.iterator(start).map(|row| row.map(|(name, _)| name));
        let is_new = |name: &[u8]| after.is_none_or(|after| after.as_bytes() != name);
        for name in rows.filter(|name| name.as_ref().is_ok_and(|name| is_new(name)) || name.is_err()).take(limit) {
            each(std::str::from_utf8(&name?)?);
        }
        Ok(())
    }
}

//! RocksDB with integrated BlobDB: values of 4 KiB and more go to blob files, compaction moves names alone.
//!
//! - Sync writes: a put has been through fdatasync of the log when it returns. It commits in groups by itself, so
//!   there is no front before it; pipelined, so that the next group writes its log while this one enters the memtable.
//!   A group may hold 32 MiB instead of 1: sixteen writers of a megabyte each would sync alone otherwise.
//! - Logs are recycled: a log written over extents that exist needs no journal commit of the file system.
//! - Nothing is compressed: media are already.
//! - Memtables of 128 MiB, four of them, so that writers do not wait while one is being flushed; a flush makes blob
//!   files of at most 256 MiB.
//! - Blobs are collected from the older half of the files as soon as half of what those hold is dead (by default a
//!   quarter, and only when a compaction comes by, which small rows seldom need): overwriting without end would keep
//!   all of it otherwise.
//! - Bloom filters, a hash index in each block, a block cache of 256 MiB; and 1 GiB for blobs, from which a get is
//!   handed out without a copy and without another look at its checksum. No maps: each read of one would be checked.
//! - A listing fetches the values of the rows that it passes, from that cache: the binding cannot put this off.
//! - The library is built for this machine's processor, as its own makefile does it: its checksums need that.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType, Options, WaitForCompactOptions, WriteBatch,
    WriteOptions,
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
    blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    // The binding has no function of its own for this one.
    let mut options = Options::default().get_options_from_string("max_write_batch_group_size_bytes=33554432")?;
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(128 << 20);
    options.set_max_write_buffer_number(4);
    options.set_max_background_jobs(2);
    options.set_enable_pipelined_write(true);
    options.set_recycle_log_file_num(4);
    options.set_bytes_per_sync(1 << 20);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(4096);
    options.set_blob_file_size(256 << 20);
    options.set_blob_compression_type(DBCompressionType::None);
    options.set_blob_cache(&Cache::new_lru_cache(1 << 30));
    options.set_enable_blob_gc(true);
    options.set_blob_gc_age_cutoff(0.5);
    options.set_blob_gc_force_threshold(0.5);
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

    fn settle(&self) -> Result<()> {
        self.database.flush()?;
        Ok(self.database.wait_for_compact(&WaitForCompactOptions::default())?)
    }
}

struct RocksReader<'a>(&'a DB);

impl Reader for RocksReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.0.get_pinned(name)?.map(|value| look(&value)).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        // It shows keys where they lie, where the other kind of iterator copies each with its value.
        let mut rows = self.0.raw_iterator();
        match after {
            None => rows.seek_to_first(),
            Some(after) => {
                rows.seek(after);
                if rows.key() == Some(after.as_bytes()) {
                    rows.next();
                }
            }
        }
        for _ in 0..limit {
            let Some(name) = rows.key() else { break };
            each(std::str::from_utf8(name)?);
            rows.next();
        }
        Ok(rows.status()?)
    }
}

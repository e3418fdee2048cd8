//! mediacask itself, with its defaults: every read checked, upkeep on.
//!
//! A work with lifetimes gives it a clock that moves a millisecond with each put, so that several lifetimes pass in
//! the time it takes to write them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mediacask::{Account, Clock, DeleteOptions, ListOptions, PutOptions, Store, Verify, limits};

use crate::peer::{Content, Counts, Peer, Reader, Result, Setup};

struct Mediacask {
    store: Store,
    media: Account,
    put: PutOptions,
    bytes_put: AtomicU64,
    /// Milliseconds since the store was opened, as its clock has it; `None` when it shows the machine's time.
    ticks: Option<Arc<AtomicU64>>,
}

pub fn open(dir: &Path, setup: &Setup) -> Result<Box<dyn Peer>> {
    open_with(dir, setup, Verify::Always)
}

/// Checks each chunk the first time it is read.
pub fn open_once(dir: &Path, setup: &Setup) -> Result<Box<dyn Peer>> {
    open_with(dir, setup, Verify::Once)
}

fn open_with(dir: &Path, setup: &Setup, verify: Verify) -> Result<Box<dyn Peer>> {
    let mut options = Store::options().verify(verify);
    if let Some(len) = setup.segment_len {
        // What is larger than a quarter of a segment has a file of its own.
        options = options.segment_len(len).file_threshold((len / 4).min(4 << 20));
    }
    let (mut put, mut ticks) = (PutOptions::new(), None);
    if let Some(lifetime) = setup.lifetime {
        let hand = Arc::new(AtomicU64::new(0));
        ticks = Some(Arc::clone(&hand));
        let base = SystemTime::now();
        options = options
            .clock(Clock::from_fn(move || base + Duration::from_millis(hand.load(Ordering::Relaxed))))
            // What has expired is to be written over at once, not kept for who asks for events.
            .events_keep(Duration::ZERO);
        put = put.ttl(Duration::from_millis(lifetime));
    }
    let store = options.open(dir)?;
    let media = store.account("5500001")?;
    Ok(Box::new(Mediacask { store, media, put, bytes_put: AtomicU64::new(0), ticks }))
}

impl Peer for Mediacask {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.media.put(name, content, &self.put)?;
        self.bytes_put.fetch_add(content.len() as u64, Ordering::Relaxed);
        self.pass(1);
        Ok(())
    }

    fn put_many(&self, items: &[(String, Content)]) -> Result<()> {
        for part in items.chunks(limits::BATCH_OPERATIONS_MAX) {
            let mut batch = self.media.batch();
            for (name, content) in part {
                batch.put(name, content.to_vec(), &self.put)?;
                self.bytes_put.fetch_add(content.len() as u64, Ordering::Relaxed);
            }
            batch.commit()?;
            self.pass(part.len() as u64);
        }
        Ok(())
    }

    fn delete_many(&self, names: &[String]) -> Result<()> {
        for part in names.chunks(limits::BATCH_OPERATIONS_MAX) {
            let mut batch = self.media.batch();
            for name in part {
                batch.delete(name, &DeleteOptions::new())?;
            }
            batch.commit()?;
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(MediacaskReader { media: &self.media, token: None }))
    }

    fn pass(&self, ticks: u64) {
        if let Some(hand) = &self.ticks {
            hand.fetch_add(ticks, Ordering::Relaxed);
        }
    }

    fn expire(&self, names: &[String]) -> Result<()> {
        if self.ticks.is_none() {
            return self.delete_many(names);
        }
        self.store.sweep()?;
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        self.store.sweep()?;
        self.store.checkpoint_catalog()?;
        // What waited for the checkpoint leaves the log now.
        self.store.sweep()?;
        Ok(())
    }

    fn counts(&self) -> Option<Counts> {
        let stats = self.store.stats().ok()?;
        Some(Counts { names: stats.names, table_bytes: stats.catalog_bytes })
    }

    fn note(&self) -> Option<String> {
        let stats = self.store.stats().ok()?;
        let put = self.bytes_put.load(Ordering::Relaxed).max(1) as f64;
        Some(format!(
            "{} groups, {} syncs; the log {:.3} bytes a byte put, compaction {} bytes, index {} bytes, {} spares",
            stats.groups,
            stats.syncs,
            stats.log_bytes_written as f64 / put,
            stats.compacted_bytes,
            stats.index_bytes,
            stats.spare_segments,
        ))
    }
}

struct MediacaskReader<'a> {
    media: &'a Account,
    /// Where the page after the last one goes on.
    token: Option<String>,
}

impl Reader for MediacaskReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let blob = self.media.get(name)?;
        Ok(blob.map(|blob| look(&blob)).is_some())
    }

    fn range(&mut self, name: &str, part: Range<usize>, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let blob = self.media.get_range(name, part.start as u64..part.end as u64)?;
        Ok(blob.map(|blob| look(&blob)).is_some())
    }

    fn list(&mut self, after: Option<&str>, limit: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
        let mut options = ListOptions::new().limit(limit);
        match (after, self.token.take()) {
            (None, _) => {}
            (Some(_), Some(token)) => options = options.token(Some(token)),
            (Some(_), None) => return Ok(()),
        }
        let page = self.media.list(&options)?;
        page.entries.iter().for_each(|entry| each(&entry.name));
        self.token = page.next_token;
        Ok(())
    }
}

//! The physical limit: a file with its room allocated beforehand, to which groups are appended with one vectored
//! write and one fdatasync each. `rawpre` is the same over extents that were written before, in whole pages (zeros
//! to the end of the page, which the next group overwrites): what the best store could do in its steady state.
//!
//! It keeps its names in memory and nothing of them on the disk, checks nothing, and reads from a map of the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::IoSlice;
use std::path::Path;

use memmap2::Mmap;
use parking_lot::{Mutex, RwLock};
use rustix::fs::{FallocateFlags, fallocate};

use super::Item;
use crate::content;
use crate::front::Front;
use crate::peer::{Content, Peer, Reader, Result, Setup};

const PAGE: u64 = 4096;
/// `IOV_MAX` of Linux: the most slices of one write.
const SLICES_MAX: usize = 1024;

struct Raw {
    file: File,
    map: Mmap,
    is_prewritten: bool,
    front: Front<Item>,
    /// Where the next group goes; only its leader asks.
    end: Mutex<u64>,
    /// Name to start and length.
    places: RwLock<HashMap<String, (usize, usize)>>,
}

pub fn open(dir: &Path, setup: &Setup) -> Result<Box<dyn Peer>> {
    open_with(dir, setup, false)
}

pub fn open_prewritten(dir: &Path, setup: &Setup) -> Result<Box<dyn Peer>> {
    open_with(dir, setup, true)
}

fn open_with(dir: &Path, setup: &Setup, is_prewritten: bool) -> Result<Box<dyn Peer>> {
    let path = dir.join("raw");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    let len = (setup.bytes + (setup.puts + 2) * PAGE).next_multiple_of(PAGE);
    fallocate(&file, FallocateFlags::empty(), 0, len)?;
    if is_prewritten {
        let noise = content::fresh(1 << 20);
        let mut at = 0;
        while at < len {
            let count = (len - at).min(noise.len() as u64);
            at += rustix::io::pwrite(&file, &noise[..count as usize], at)? as u64;
        }
    }
    file.sync_all()?;
    // SAFETY: the file is this store's own, in a directory made for this run; it is neither cut nor written where
    // a name points to already, so what is read from the map does not change.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Box::new(Raw { file, map, is_prewritten, front: Front::new(), end: Mutex::new(0), places: RwLock::default() }))
}

impl Raw {
    fn commit(&self, group: &[Item]) -> Result<()> {
        let mut end = self.end.lock();
        let start = *end;
        let len: u64 = group.iter().map(|(_, content)| content.len() as u64).sum();
        let fill = if self.is_prewritten { (start + len).next_multiple_of(PAGE) - start - len } else { 0 };
        if start + len + fill > self.map.len() as u64 {
            return Err(format!("the file of {} bytes is full: more was put than was said", self.map.len()).into());
        }
        let zeros = [0; PAGE as usize];
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|(_, content)| IoSlice::new(content)).collect();
        slices.push(IoSlice::new(&zeros[..fill as usize]));
        let (mut slices, mut at) = (&mut slices[..], start);
        while !slices.is_empty() {
            let written = rustix::io::pwritev(&self.file, &slices[..slices.len().min(SLICES_MAX)], at)?;
            at += written as u64;
            IoSlice::advance_slices(&mut slices, written);
        }
        self.file.sync_data()?;
        *end = start + len;
        let (mut places, mut at) = (self.places.write(), start as usize);
        for (name, content) in group {
            places.insert(name.clone(), (at, content.len()));
            at += content.len();
        }
        Ok(())
    }
}

impl Peer for Raw {
    fn put(&self, name: &str, content: &Content) -> Result<()> {
        self.front.submit((name.to_owned(), content.clone()), |group| self.commit(&group))
    }

    fn put_many(&self, items: &[Item]) -> Result<()> {
        self.commit(items)
    }

    fn delete_many(&self, _names: &[String]) -> Result<()> {
        Err("it only appends".into())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(RawReader(self)))
    }
}

struct RawReader<'a>(&'a Raw);

impl Reader for RawReader<'_> {
    fn get(&mut self, name: &str, look: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let place = self.0.places.read().get(name).copied();
        Ok(place.map(|(at, len)| look(&self.0.map[at..at + len])).is_some())
    }

    fn list(&mut self, _after: Option<&str>, _limit: usize, _each: &mut dyn FnMut(&str)) -> Result<()> {
        Err("it keeps names in no order".into())
    }
}

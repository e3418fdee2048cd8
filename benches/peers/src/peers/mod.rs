//! The peers, one file each.

mod cacache;
mod fjall;
mod fs;
mod lmdb;
mod mediacask;
mod raw;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sled;
mod sqlite;

use std::fs::File;
use std::path::Path;

use crate::peer::{Content, Kind, Result, Role};

/// What waits in a front: a name and its content.
type Item = (String, Content);

/// Every kind there is, in the order of the report.
pub fn all() -> Vec<Kind> {
    let stores = |name, open| Kind { name, open, role: Role::Store };
    vec![
        stores("mediacask", mediacask::open),
        Kind { name: "mediacask-once", open: mediacask::open_once, role: Role::Reads },
        Kind { name: "raw", open: raw::open, role: Role::Limit },
        Kind { name: "rawpre", open: raw::open_prewritten, role: Role::Limit },
        stores("fs", fs::open),
        stores("sqlite", sqlite::open),
        stores("lmdb", lmdb::open),
        stores("redb", redb::open),
        stores("fjall", fjall::open),
        #[cfg(feature = "rocksdb")]
        stores("rocksdb", rocksdb::open),
        stores("cacache", cacache::open),
        stores("sled", sled::open),
    ]
}

/// Makes everything durable that was written to the file system a directory is on (syncfs(2), which on Linux waits):
/// one call for a group of files, where a sync of each and of its directory would be two for each.
fn sync_all_below(dir: &File) -> Result<()> {
    Ok(rustix::fs::syncfs(dir)?)
}

/// Names as a store without an order of its own lists them: all of them gathered and sorted at the first page.
#[derive(Default)]
struct Gathered(Vec<String>);

impl Gathered {
    fn page(
        &mut self,
        after: Option<&str>,
        limit: usize,
        each: &mut dyn FnMut(&str),
        gather: impl FnOnce() -> Result<Vec<String>>,
    ) -> Result<()> {
        if after.is_none() {
            self.0 = gather()?;
            self.0.sort_unstable();
        }
        let start = after.map_or(0, |after| self.0.partition_point(|name| name.as_str() <= after));
        self.0[start..].iter().take(limit).for_each(|name| each(name));
        Ok(())
    }
}

/// Opens a directory, to sync it.
fn directory(path: &Path) -> Result<File> {
    std::fs::create_dir_all(path)?;
    Ok(File::open(path)?)
}

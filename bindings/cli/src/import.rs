//! `import`: a directory tree goes in, several files at once.
//!
//! The tree is walked first, so that the bar knows its end; then a few threads put the files, and
//! the store gathers their writes into common syncs. A file that cannot be taken in is told and
//! left out; what concerns the whole store ends the import.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use indicatif::ProgressBar;
use mediacask::{Account, ErrorKind, PutOptions, Store};
use serde_json::json;

use crate::failure::{Failure, complain};
use crate::manifest::{self, MANIFEST};
use crate::output::{counted, size};
use crate::put::content_type_of;
use crate::session::Session;
use crate::{progress, values};

/// Files under way at once: enough that a sync is shared, few enough for a small machine.
const THREADS: usize = 8;

/// Take in every file below a directory; each name is the path below it, with slashes.
///
/// Symbolic links, special files and the store itself are left out. The directory of an export is
/// taken back by its manifest: names, content types, metadata and the ends of lifetimes.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// The account the names go to.
    account: String,
    /// The directory.
    dir: PathBuf,
    /// Put this before every name.
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// Gone after this long: a whole number and a unit of ms, s, m, h, d, w, like 48h.
    #[arg(long, value_parser = values::ttl)]
    ttl: Option<Duration>,
}

/// A file to take in.
struct Item {
    path: PathBuf,
    len: u64,
    name: String,
    options: PutOptions,
}

/// What an import came to.
#[derive(Default)]
struct Tally {
    files: u64,
    bytes: u64,
    skipped: u64,
    expired: u64,
    failed: u64,
    /// The store itself is at fault: nothing further can go in.
    stop: Option<mediacask::Error>,
}

impl Import {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        if !self.dir.is_dir() {
            let dir = self.dir.display();
            return Err(Failure::Other(format!("{dir} is not a directory; `mediacask put` takes a single file")));
        }
        session.with_new_store(|store, out| {
            let account = store.account(&self.account)?;
            let mut tally = Tally::default();
            let items = self.collect(store, &mut tally)?;
            let tally = put_all(&account, &items, tally);
            if out.json() {
                out.object(&json!({
                    "files": tally.files, "bytes": tally.bytes, "skipped": tally.skipped,
                    "expired": tally.expired, "failed": tally.failed,
                }))?;
            } else {
                out.line(format_args!("{}", tally.sentence()))?;
            }
            match tally.stop {
                Some(error) => Err(Failure::Store(error)),
                None if tally.failed > 0 => Err(Failure::Told(1)),
                None => Ok(()),
            }
        })
    }

    /// Every file below the directory, folder by folder, in the order of their file names.
    fn collect(&self, store: &Store, tally: &mut Tally) -> Result<Vec<Item>, Failure> {
        let mut listed = manifest::read(&self.dir)?;
        let own = fs::metadata(store.path()).ok().map(|facts| (facts.dev(), facts.ino()));
        let mut items = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            let children = match children(&folder) {
                Ok(children) => children,
                Err(error) => {
                    tally.failure(&Failure::io("read", &folder, &error));
                    continue;
                }
            };
            let first = folders.len();
            for (path, facts) in children {
                let is_store = own == Some((facts.dev(), facts.ino()));
                if facts.is_dir() && !is_store {
                    folders.push(path);
                } else if !facts.is_file() {
                    tally.skipped += 1;
                } else if let Some(below) = self.below(&path, tally).filter(|p| p != MANIFEST) {
                    let listed = listed.remove(&below);
                    items.extend(self.item(path, facts.len(), &below, listed.as_ref(), tally));
                }
            }
            folders[first..].reverse();
        }
        Ok(items)
    }

    /// The path below the directory, with slashes; told where it is not UTF-8.
    fn below(&self, path: &Path, tally: &mut Tally) -> Option<String> {
        let below = path.strip_prefix(&self.dir).ok().and_then(Path::to_str);
        if below.is_none() {
            tally.failure(&Failure::Other(format!(
                "the name of {} is not UTF-8, as names in a store are; rename the file",
                path.display()
            )));
        }
        below.map(str::to_owned)
    }

    /// What is to be put for a file; nothing when its manifest says that its time is over.
    fn item(
        &self,
        path: PathBuf,
        len: u64,
        below: &str,
        listed: Option<&manifest::Listed>,
        tally: &mut Tally,
    ) -> Option<Item> {
        let expired = listed.and_then(|listed| listed.expires_at).is_some_and(|at| at <= SystemTime::now());
        if expired && self.ttl.is_none() {
            tally.expired += 1;
            return None;
        }
        let mut options = listed
            .map_or_else(|| PutOptions::new().content_type(content_type_of(below, &path)), manifest::Listed::options);
        if let Some(ttl) = self.ttl {
            options = options.ttl(ttl);
        }
        let name = listed.map_or(below, |listed| listed.name.as_str());
        let name = format!("{}{name}", self.prefix);
        Some(Item { path, len, name, options })
    }
}

/// The paths in a folder with their facts, links not followed, in the order of their names.
fn children(folder: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let mut found = Vec::new();
    for child in fs::read_dir(folder)? {
        let child = child?;
        match child.metadata() {
            Ok(facts) => found.push((child.path(), facts)),
            // Removed while we walk: it is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

fn put_all(account: &Account, items: &[Item], tally: Tally) -> Tally {
    let bar = progress::files(items.iter().map(|item| item.len).sum());
    let next = AtomicUsize::new(0);
    // Guards the counts, which every thread adds to.
    let tally = Mutex::new(tally);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let put = put_one(account, item, &bar);
            let mut tally = tally.lock().expect("no thread panics while it counts");
            if tally.stop.is_some() {
                return;
            }
            bar.suspend(|| tally.add(put, item));
            bar.set_message(counted(tally.files, "file"));
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS.min(items.len()) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    tally.into_inner().expect("no thread panics while it counts")
}

/// Puts one file; should it have become a link since the walk, it is not followed.
fn put_one(account: &Account, item: &Item, bar: &ProgressBar) -> Result<u64, Failure> {
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = File::options().read(true).custom_flags(no_link).open(&item.path);
    let file = file.map_err(|error| Failure::io("read", &item.path, &error))?;
    let entry = account.put_reader(&item.name, bar.wrap_read(file), &item.options)?;
    Ok(entry.size)
}

impl Tally {
    fn add(&mut self, put: Result<u64, Failure>, item: &Item) {
        match put {
            Ok(bytes) => {
                self.files += 1;
                self.bytes += bytes;
            }
            Err(Failure::Store(error)) if concerns_the_store(error.kind()) => {
                self.failed += 1;
                self.stop = Some(error);
            }
            Err(Failure::Store(error)) => {
                let path = item.path.display();
                self.failure(&Failure::Other(format!("{path} was not taken in: {error}")));
            }
            Err(failure) => self.failure(&failure),
        }
    }

    fn failure(&mut self, failure: &Failure) {
        self.failed += 1;
        complain(&failure.message().unwrap_or_default());
    }

    fn sentence(&self) -> String {
        let mut text = format!("imported {}, {}", counted(self.files, "file"), size(self.bytes));
        let left_out = [
            (self.skipped, "link, special file or store", "left out"),
            (self.expired, "expired file", "left out"),
            (self.failed, "file", "failed"),
        ];
        for (number, what, why) in left_out {
            if number > 0 {
                let _ = write!(text, "; {} {why}", counted(number, what));
            }
        }
        text
    }
}

/// Whether an error says that the next file would fare no better.
fn concerns_the_store(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Poisoned | ErrorKind::ReadOnly | ErrorKind::NoSpace | ErrorKind::Forked | ErrorKind::Closed
    )
}

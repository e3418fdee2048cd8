//! `export`: every name of an account becomes a file below one directory, and never outside it.
//!
//! `place.rs` says which path a name has, `tree.rs` makes files there; this file goes through the
//! names: once to learn the folders, once to write. The manifest gets a line for a file only when
//! all of it is written.

mod place;
mod tree;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use mediacask::{Account, Entry, ListOptions};
use serde_json::json;

use crate::failure::{Failure, complain};
use crate::manifest::{Line, MANIFEST};
use crate::output::{counted, printable, size};
use crate::progress;
use crate::session::Session;
use place::Places;
use tree::Tree;

/// Write the names of an account as files below a new or empty directory.
///
/// Names that make no safe path get another one: `%` and control characters, `.`, `..` and empty
/// parts are written as %XX (an empty part as %00), a name that is a folder of others ends in `%~`,
/// and what is too long or finds its place taken goes to `%~HASH`. The manifest,
/// mediacask-manifest.jsonl, has the path and the facts of every name; `import` takes them back.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// The account.
    account: String,
    /// The directory; made when it is missing, refused when it is not empty.
    dir: PathBuf,
    /// Only names that begin with this.
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
}

/// What an export came to.
#[derive(Default)]
struct Tally {
    names: u64,
    bytes: u64,
    mapped: u64,
    failed: u64,
    /// Of the first failure.
    exit_code: u8,
}

impl Export {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let account = store.account(&self.account)?;
            let tree = Tree::open(&self.dir, store.path())?;
            let tally = self.write(&account, tree)?;
            let manifest = self.dir.join(MANIFEST).display().to_string();
            if out.json() {
                out.object(&json!({
                    "names": tally.names, "bytes": tally.bytes, "mapped": tally.mapped,
                    "failed": tally.failed, "manifest": manifest,
                }))?;
            } else {
                let (names, bytes) = (counted(tally.names, "name"), size(tally.bytes));
                out.line(format_args!(
                    "exported {names}, {bytes}; {} under another path, as {manifest} says",
                    tally.mapped
                ))?;
            }
            if tally.failed > 0 { Err(Failure::Told(tally.exit_code)) } else { Ok(()) }
        })
    }

    fn write(&self, account: &Account, mut tree: Tree) -> Result<Tally, Failure> {
        let options = ListOptions::new().prefix(&self.prefix);
        let (mut places, mut total) = (Places::default(), 0);
        for entry in account.entries(options.clone()) {
            places.learn(&entry?.name);
            total += 1;
        }
        let no_manifest = |error: io::Error| Failure::io("write", &self.dir.join(MANIFEST), &error);
        let manifest = tree.create(MANIFEST).map_err(no_manifest)?;
        let manifest = manifest.ok_or_else(|| no_manifest(io::ErrorKind::AlreadyExists.into()))?;
        let mut manifest = BufWriter::new(manifest);
        let mut tally = Tally::default();
        let bar = progress::things(total, "names");
        for entry in account.entries(options) {
            let entry = entry?;
            match write_one(account, &entry, &places, &mut tree) {
                Ok(Some(path)) => {
                    let line = serde_json::to_writer(&mut manifest, &Line::new(&path, &entry));
                    line.map_err(io::Error::from).and_then(|()| manifest.write_all(b"\n")).map_err(no_manifest)?;
                    tally.names += 1;
                    tally.bytes += entry.size;
                    tally.mapped += u64::from(path != entry.name);
                }
                Ok(None) => {}
                Err(failure) => bar.suspend(|| tally.failure(&entry, &failure)),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        manifest.flush().map_err(no_manifest)?;
        Ok(tally)
    }
}

/// The path of the file that now holds the entry's content; `None` when the name has expired since
/// it was listed.
fn write_one(account: &Account, entry: &Entry, places: &Places, tree: &mut Tree) -> Result<Option<String>, Failure> {
    let Some(blob) = account.get(&entry.name)? else {
        return Ok(None);
    };
    let (path, mut file) = make(&entry.name, places, tree)
        .map_err(|error| Failure::Other(format!("no file could be made for it: {error}")))?;
    if let Err(error) = file.write_all(&blob) {
        // Half a file is worse than none; the first error is the one to tell.
        let _ = tree.remove(&path);
        return Err(Failure::Other(format!("cannot write {path}: {error}")));
    }
    Ok(Some(path))
}

fn make(name: &str, places: &Places, tree: &mut Tree) -> io::Result<(String, File)> {
    if let Some(path) = places.path(name)
        && let Some(file) = tree.create(&path)?
    {
        return Ok((path, file));
    }
    let path = place::hashed(name);
    let file = tree.create(&path)?.ok_or(io::ErrorKind::AlreadyExists)?;
    Ok((path, file))
}

impl Tally {
    fn failure(&mut self, entry: &Entry, failure: &Failure) {
        self.failed += 1;
        if self.exit_code == 0 {
            self.exit_code = failure.exit_code();
        }
        let (name, why) = (printable(&entry.name), failure.message().unwrap_or_default());
        complain(&format!("`{name}` was not exported: {why}"));
    }
}

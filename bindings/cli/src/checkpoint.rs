//! `checkpoint` and `restore`: a consistent copy of the store in another directory, and back.

use std::path::PathBuf;

use mediacask::{CheckpointReport, Store};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Out, counted, size};
use crate::session::Session;

/// Copy the store into a directory, consistently, by hard links where that is possible.
///
/// Again into the same directory, only what is new is brought there.
#[derive(clap::Args)]
pub(crate) struct Checkpoint {
    /// A directory that is new, empty, or holds an earlier checkpoint of this store.
    #[arg(value_name = "DEST")]
    dest: PathBuf,
}

/// Bring a checkpoint back, into the directory that --store names: a new or an empty one.
#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The directory of the checkpoint; it stays as it is.
    #[arg(value_name = "SRC")]
    source: PathBuf,
}

impl Checkpoint {
    pub(crate) fn run(&self, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let report = store.checkpoint(&self.dest)?;
            show(out, &report)
        })
    }
}

impl Restore {
    pub(crate) fn run(&self, session: Session) -> Result<(), Failure> {
        session.with_path(|dest, out| {
            let report = Store::restore(&self.source, dest)?;
            show(out, &report)
        })
    }
}

fn show(out: &mut Out, report: &CheckpointReport) -> Result<(), Failure> {
    if out.json() {
        return out.object(&json!({
            "files_linked": report.files_linked,
            "files_copied": report.files_copied,
            "files_kept": report.files_kept,
            "bytes_linked": report.bytes_linked,
            "bytes_copied": report.bytes_copied,
            "last_sequence": report.last_sequence,
        }));
    }
    out.line(format_args!(
        "{} linked ({}), {} copied ({}), {} there before",
        counted(report.files_linked, "file"),
        size(report.bytes_linked),
        report.files_copied,
        size(report.bytes_copied),
        report.files_kept,
    ))
}

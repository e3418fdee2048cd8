//! `demo`: the store's main promises, kept before the reader's eyes on real media.
//!
//! Seven steps on a store in a temporary directory. Each opens the store, does its work, checks what
//! came of it against the files, and closes the store; one that fails does not stop the others.
//! `steps.rs` has those that one process can show, `kill.rs` the one that needs a process to kill.

mod kill;
mod media;
mod steps;

use std::fmt::Arguments;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mediacask::{Create, Store};
use tempfile::TempDir;

use crate::failure::{Failure, complain};
use crate::output::{Out, counted, size};
use crate::session::Session;
pub(crate) use kill::{WRITER, Writer};
use media::Media;

/// Show the store at work on real media files, in a temporary directory.
///
/// Takes under a minute; the exit code is 1 when a step does not find what it should.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// A directory of media files; README.md, scripts and folders in it are left out.
    #[arg(long, value_name = "DIR", default_value = "tests/media")]
    media: PathBuf,
}

/// What the steps share.
struct Stage<'a> {
    media_dir: PathBuf,
    media: Vec<Media>,
    temp: TempDir,
    out: &'a mut Out,
}

/// A step: what it shows, and the work, which gives a line on what was seen.
struct Step {
    title: &'static str,
    work: fn(&mut Stage<'_>) -> Result<String, Failure>,
}

const STEPS: [Step; 7] = [
    Step { title: "Media go in for two accounts, and come back byte by byte", work: steps::files_go_in },
    Step { title: "A picture is replaced; who reads the old one keeps it", work: steps::one_is_replaced },
    Step { title: "A listing is walked page by page, from token to token", work: steps::listing_is_walked },
    Step { title: "One picture for a thousand recipients takes the space of one", work: steps::sent_to_a_thousand },
    Step { title: "A time to live of two seconds runs out", work: steps::lifetime_ends },
    Step { title: "A process is killed amid its puts; what it acknowledged is there", work: kill::writer_is_killed },
    Step { title: "The index is deleted, and built anew from the log", work: steps::index_is_rebuilt },
];

impl Demo {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        session.without_store(|out| {
            let media = media::load(&self.media)?;
            let temp = tempfile::Builder::new().prefix("mediacask-demo-").tempdir();
            let temp =
                temp.map_err(|error| Failure::Other(format!("no temporary directory could be made: {error}")))?;
            let bytes = media.iter().map(|file| file.content.len() as u64).sum();
            let (files, dir) = (counted(media.len() as u64, "file"), self.media.display());
            let mut stage = Stage { media_dir: self.media.clone(), media, temp, out };
            let path = stage.store_path();
            stage.say(format_args!("{files} of media, {}, from {dir}", size(bytes)))?;
            stage.say(format_args!("a new store at {}", path.display()))?;
            stage.perform()
        })
    }
}

impl Stage<'_> {
    /// Runs every step and sums up.
    fn perform(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        let mut seen = Vec::new();
        for (number, step) in (1..).zip(&STEPS) {
            let title = self.out.paint("1", &format!("{number}  {}", step.title));
            self.say(format_args!("\n{title}"))?;
            let begun = Instant::now();
            let result = (step.work)(self);
            if matches!(result, Err(Failure::ReaderGone)) {
                return Err(Failure::ReaderGone);
            }
            let result = result.map_err(|failure| failure.message().unwrap_or_default());
            let line = self.verdict(&result, begun.elapsed());
            self.say(format_args!("{line}"))?;
            seen.push((step.title, result));
        }
        self.say(format_args!("\n{}", self.out.paint("1", "Summary")))?;
        for (title, result) in &seen {
            let mark = self.mark(result.is_ok());
            self.say(format_args!("   {mark}  {title}"))?;
        }
        let failed = seen.iter().filter(|(_, result)| result.is_err()).count();
        let seconds = start.elapsed().as_secs_f64();
        if failed == 0 {
            let kept = self.kept()?;
            self.say(format_args!("\n{kept}"))?;
            return self.say(format_args!("All {} steps found what they should, in {seconds:.1} s.", seen.len()));
        }
        complain(&format!("{failed} of {} steps did not find what they should", seen.len()));
        Err(Failure::Told(1))
    }

    /// What the steps have left in the store.
    fn kept(&self) -> Result<String, Failure> {
        let store = self.open()?;
        let stats = store.stats()?;
        store.close()?;
        let (names, accounts) = (counted(stats.names, "name"), counted(stats.accounts, "account"));
        let (sent, kept) = (size(stats.logical_bytes), size(stats.content_bytes));
        Ok(format!("The store holds {names} in {accounts}: {sent} of media, kept as {kept}."))
    }

    fn verdict(&self, result: &Result<String, String>, took: Duration) -> String {
        let (Ok(text) | Err(text)) = result;
        let seconds = self.out.paint("2", &format!("({:.2} s)", took.as_secs_f64()));
        format!("   {}  {text}  {seconds}", self.mark(result.is_ok()))
    }

    fn mark(&self, good: bool) -> String {
        if good { self.out.paint("32", "ok") } else { self.out.paint("31;1", "FAILED") }
    }

    fn store_path(&self) -> PathBuf {
        self.temp.path().join("media.cask")
    }

    fn open(&self) -> Result<Store, Failure> {
        Ok(Store::options().create(Create::IfMissing).open(self.store_path())?)
    }

    /// A line, at once: a demo is watched.
    fn say(&mut self, text: Arguments<'_>) -> Result<(), Failure> {
        self.out.line(text)?;
        self.out.flush()
    }

    /// A line below a step's title.
    fn note(&mut self, text: Arguments<'_>) -> Result<(), Failure> {
        self.say(format_args!("       {text}"))
    }
}

/// What a step has found is as it should be, or else the step ends with `complaint`.
fn check(good: bool, complaint: impl FnOnce() -> String) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(Failure::Other(complaint())) }
}

//! The step with the killed process: this program runs itself as a writer that names on its standard
//! output each put the store has acknowledged, and is killed with SIGKILL amid them.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use mediacask::{Account, Store};

use super::media::{self, Media};
use super::steps::{names_of, same_bytes};
use super::{Stage, check};
use crate::failure::Failure;
use crate::output::{count, counted};

/// The hidden command that the child runs.
pub(crate) const WRITER: &str = "demo-writer";

const ACCOUNT: &str = "5500004";

/// Threads of the child: so many puts are under way when it dies.
const THREADS: u64 = 8;

/// Acknowledged puts after which it is killed, or this long after its start, if that is sooner.
const ACKNOWLEDGED: usize = 400;
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts of media without end, until it is killed.
#[derive(clap::Args)]
pub(crate) struct Writer {
    dir: PathBuf,
    media: PathBuf,
}

impl Writer {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let media = media::load(&self.media)?;
        let account = Store::open(&self.dir)?.account(ACCOUNT)?;
        let next = AtomicU64::new(0);
        let work = || -> Result<(), Failure> {
            loop {
                let (name, content) = nth(next.fetch_add(1, Ordering::Relaxed), &media);
                account.put(&name, &content, &media::picture(&media).options())?;
                // Only now: what is named here has been acknowledged. A line goes out in one write.
                let told = io::stdout().lock().write_all(format!("{name}\n").as_bytes());
                told.map_err(|_| Failure::ReaderGone)?;
            }
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err(Failure::Other("a writer panicked".into())))
            })
        })
    }
}

/// The name and the content of the writer's `number`th put; no two contents are the same.
fn nth(number: u64, media: &[Media]) -> (String, Vec<u8>) {
    let file = &media[number as usize % media.len()];
    let mut content = file.content.clone();
    content.extend_from_slice(&number.to_le_bytes());
    (format!("{number:06}/{}", file.name), content)
}

/// The content that a name of the writer's stands for.
fn content_of(name: &str, media: &[Media]) -> Result<Vec<u8>, Failure> {
    let number = name.split('/').next().and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| Failure::Other(format!("the writer never put `{name}`")))?;
    let (wanted, content) = nth(number, media);
    check(wanted == name, || format!("the writer never put `{name}`"))?;
    Ok(content)
}

pub(super) fn writer_is_killed(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let (acknowledged, how) = start_and_kill(stage)?;
    stage.note(format_args!("{how} after {}", counted(acknowledged.len() as u64, "acknowledged put")))?;
    let begun = Instant::now();
    let store = stage.open()?;
    let opened = begun.elapsed();
    let recovery = store.health().recovery;
    check(!recovery.clean, || "the store believes that it was closed".into())?;
    stage.note(format_args!(
        "opened again in {} ms: {} replayed, {} bytes cut from the end",
        opened.as_millis(),
        counted(recovery.records_replayed, "record"),
        count(recovery.bytes_cut)
    ))?;
    let account = store.account(ACCOUNT)?;
    let bytes = all_there(&account, &acknowledged, &stage.media)?;
    // Puts under way at the kill may be there or not; one that is there is whole.
    let listed = names_of(&account)?;
    all_there(&account, &listed, &stage.media)?;
    let more = listed.len() - acknowledged.len();
    store.close()?;
    Ok(format!(
        "all {} there, {} bytes compared; {more} more were on their way and are whole",
        count(acknowledged.len() as u64),
        count(bytes)
    ))
}

/// Bytes compared.
fn all_there(account: &Account, names: &[String], media: &[Media]) -> Result<u64, Failure> {
    let mut bytes = 0;
    for name in names {
        let content = content_of(name, media)?;
        same_bytes(account, name, &content)?;
        bytes += content.len() as u64;
    }
    Ok(bytes)
}

/// The names the child acknowledged, and how it ended.
fn start_and_kill(stage: &Stage<'_>) -> Result<(Vec<String>, String), Failure> {
    let failed = |error: io::Error| Failure::Other(format!("cannot run this program as the writer: {error}"));
    let mut child = Command::new(env::current_exe().map_err(failed)?)
        .arg(WRITER)
        .args([stage.store_path().as_os_str(), stage.media_dir.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let names = lines_of(&mut child);
    let mut acknowledged = Vec::new();
    let end = Instant::now() + PATIENCE;
    while acknowledged.len() < ACKNOWLEDGED {
        match names.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(name) => acknowledged.push(name),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    child.kill().map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    // What it said before it died counts as well.
    acknowledged.extend(names);
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    check(killed, || format!("the writer ended by itself, with {status}"))?;
    check(!acknowledged.is_empty(), || format!("the writer acknowledged nothing in {PATIENCE:?}"))?;
    Ok((acknowledged, format!("process {} was killed (SIGKILL)", child.id())))
}

/// The child's standard output, line by line; only whole lines were acknowledged.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (to, lines) = mpsc::channel();
    let output = child.stdout.take();
    thread::spawn(move || {
        let mut output = BufReader::new(output.expect("it was asked for as a pipe"));
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|len| len > 0) && line.ends_with('\n') {
            line.pop();
            if to.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    lines
}

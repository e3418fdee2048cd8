//! What needs a process of its own: to be killed in the middle, or to have nothing else in its memory.
//!
//! The bench starts itself again for it. A child that is to be killed says so on its standard output when what it
//! put is acknowledged, and then waits.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Subcommand;

use crate::content::{self, random_name, scattered};
use crate::measure::memory;
use crate::peer::{Content, Kind, Result, Setup};

/// Names that a store is filled with at a time.
pub const GROUP: u64 = 1_000;
/// Lookups before the memory is read.
const LOOKUPS: u64 = 100_000;

/// What a child does.
#[derive(Subcommand)]
pub enum Task {
    /// Puts the names of these numbers, says so, and waits to be killed.
    Fill { peer: String, dir: PathBuf, first: u64, count: u64, size: usize },
    /// Opens a store of so many names, looks some up, lists all, and says how much memory each takes.
    Memory { peer: String, dir: PathBuf, names: u64 },
}

fn find(kinds: &[Kind], name: &str) -> Result<Kind> {
    let found = kinds.iter().find(|kind| kind.name == name);
    Ok(*found.ok_or_else(|| format!("there is no peer called {name} here"))?)
}

/// Items of these numbers; their content goes by the number, so that another process knows it.
pub fn items(first: u64, count: u64, size: usize) -> Vec<(String, Content)> {
    (first..first + count).map(|n| (random_name(n), content::of(n, size))).collect()
}

/// Does the task, in the child.
pub fn run(kinds: &[Kind], task: &Task) -> Result<()> {
    match task {
        Task::Fill { peer, dir, first, count, size } => {
            let peer = (find(kinds, peer)?.open)(dir, &Setup::default())?;
            let mut done = 0;
            while done < *count {
                let group = GROUP.min(count - done);
                peer.put_many(&items(first + done, group, *size))?;
                done += group;
            }
            println!("filled");
            std::io::stdout().flush()?;
            // Ends with the parent, should it die first.
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        Task::Memory { peer, dir, names } => {
            let peer = (find(kinds, peer)?.open)(dir, &Setup::default())?;
            let mut reader = peer.reader()?;
            for turn in 0..LOOKUPS.min(*names) {
                reader.get(&random_name(scattered(turn, *names)), &mut |_| ())?;
            }
            println!("{}", memory());
            let mut last: Option<String> = None;
            loop {
                let (mut count, mut page_end) = (0, None);
                reader.list(last.as_deref(), 1_000, &mut |name| {
                    count += 1;
                    page_end = Some(name.to_owned());
                })?;
                last = page_end;
                if count == 0 {
                    break;
                }
            }
            println!("{}", memory());
            if let Some(counts) = peer.counts() {
                println!("{}", counts.table_bytes);
            }
        }
    }
    Ok(())
}

fn command(words: &[&str], dir: &Path, numbers: &[u64]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).arg(dir).args(numbers.iter().map(ToString::to_string));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Has a child put names into a store, and kills it (SIGKILL) when they are acknowledged.
pub fn fill_and_kill(kind: Kind, dir: &Path, first: u64, count: u64, size: usize) -> Result<()> {
    let mut child = command(&["fill", kind.name], dir, &[first, count, size as u64])?.spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    child.kill()?;
    child.wait()?;
    if line.trim() == "filled" { Ok(()) } else { Err("the child that fills the store failed".into()) }
}

/// Bytes of anonymous memory of a process that has nothing else open.
pub struct Memory {
    /// Opened, and names looked up in it.
    pub opened: u64,
    /// All names listed as well.
    pub listed: u64,
    /// What of it the store's table of names takes, if it says so.
    pub table: Option<u64>,
}

/// Has a child open a store of so many names and use it.
pub fn memory_of(kind: Kind, dir: &Path, names: u64) -> Result<Memory> {
    let output = command(&["memory", kind.name], dir, &[names])?.output()?;
    let text = String::from_utf8(output.stdout)?;
    let figures = text.lines().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let [opened, listed, table @ ..] = &figures[..] else { return Err("the child that measures memory failed".into()) };
    Ok(Memory { opened: *opened, listed: *listed, table: table.first().copied() })
}

//! The command line: every command, and the two flags that all of them share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::Failure;
use crate::output::Out;
use crate::session::Session;
use crate::{checkpoint, demo, export, get, import, ls, names, put, serve, stat, store, values, verify};

const AFTER_HELP: &str = "\
Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 corrupt, 5 store held by another process,
            6 precondition failed

Names and accounts are texts of any characters but NUL; one that begins with a dash goes after --.
Without --json, control characters in names are shown as \\u{..}; with it, texts are exact.

Examples:
  mediacask --store media.cask put 5500001 logo.png logo.png --ttl 48h
  mediacask --store media.cask get 5500001 logo.png -o copy.png
  mediacask --store media.cask ls 5500001 --prefix img/ --json";

/// The heading of the flags that every command takes.
const SHARED: &str = "Options of every command";

/// A crash-safe store for messaging media, in one directory.
#[derive(Parser)]
#[command(name = "mediacask", bin_name = "mediacask", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The directory of the store; put and import create it.
    #[arg(help_heading = SHARED, long, global = true, env = "MEDIACASK_STORE", value_name = "DIR")]
    store: Option<PathBuf>,

    /// Print one JSON object a line; times are RFC 3339 in UTC.
    #[arg(help_heading = SHARED, long, global = true)]
    json: bool,

    /// Have what was deleted, overwritten or has expired in no file of the store when this long has passed: the
    /// command does what is due for it, in the background; `sweep` all that is due, `compact` all of it.
    #[arg(help_heading = SHARED, long, global = true, env = "MEDIACASK_ERASE_WITHIN", value_name = "DURATION",
        value_parser = values::duration)]
    erase_within: Option<Duration>,

    /// Not required by clap: its complaint would list the hidden one as well.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Put(put::Put),
    Get(get::Get),
    Head(names::Head),
    Ls(ls::Ls),
    Rm(names::Rm),
    Cp(names::Cp),
    /// Show the accounts: names, bytes, policy.
    Accounts,
    /// Show what the store holds, what it takes on the disk, and its health.
    Stat,
    /// Remove at once what has expired, and free its space.
    Sweep,
    /// Free at once the space of what was deleted or overwritten, by gathering what is left.
    Compact,
    Verify(verify::Verify),
    Checkpoint(checkpoint::Checkpoint),
    Restore(checkpoint::Restore),
    /// Drop the index and build it anew from the log; listings need it, nothing else does.
    RebuildIndex,
    /// Print the facts of every name of every account, one JSON object a line.
    Dump,
    Import(import::Import),
    Export(export::Export),
    Serve(serve::Serve),
    Demo(demo::Demo),
    #[command(name = demo::WRITER, hide = true)]
    DemoWriter(demo::Writer),
    Completions(Completions),
}

/// Print a completion script, e.g. `mediacask completions bash > mediacask.bash`.
#[derive(clap::Args)]
struct Completions {
    /// The shell it is for.
    shell: clap_complete::Shell,
}

impl Arguments {
    /// Does what was asked for.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Some(command) = self.command else {
            let help = Arguments::command().render_help();
            return Err(Failure::Usage(format!("no command was given\n\n{help}")));
        };
        let out = Out::new(self.json);
        let session = Session::new(self.store, self.erase_within, out);
        match command {
            Command::Put(put) => put.run(session),
            Command::Get(get) => get.run(session),
            Command::Head(head) => head.run(session),
            Command::Ls(ls) => ls.run(session),
            Command::Rm(rm) => rm.run(session),
            Command::Cp(cp) => cp.run(session),
            Command::Accounts => store::accounts(session),
            Command::Stat => stat::stat(session),
            Command::Sweep => store::sweep(session),
            Command::Compact => store::compact(session),
            Command::Verify(verify) => verify.run(session),
            Command::Checkpoint(checkpoint) => checkpoint.run(session),
            Command::Restore(restore) => restore.run(session),
            Command::RebuildIndex => store::rebuild_index(session),
            Command::Dump => store::dump(session),
            Command::Import(import) => import.run(session),
            Command::Export(export) => export.run(session),
            Command::Serve(serve) => serve.run(session),
            Command::Demo(demo) => demo.run(session),
            Command::DemoWriter(writer) => writer.run(),
            Command::Completions(completions) => completions.run(session),
        }
    }
}

impl Completions {
    fn run(&self, session: Session) -> Result<(), Failure> {
        // Into memory first: the generator panics when its writer fails, as a closed pipe does.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "mediacask", &mut script);
        session.without_store(|out| out.bytes(&script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        Arguments::command().debug_assert();
    }
}

//! How the tool fails: one sentence on standard error, and an exit code that scripts can rely on.
//!
//! The codes of the store's own errors come from the library's table (`ErrorKind::face`).

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Why a command did not do all it was asked to.
pub(crate) enum Failure {
    /// The store refused or failed; the kind has the exit code.
    Store(mediacask::Error),
    /// The command line does not make sense. Exit code 2.
    Usage(String),
    /// A name is not there. Exit code 3.
    NotFound(String),
    /// Anything else. Exit code 1.
    Other(String),
    /// Each failure has been told on standard error as it came; this exit code is left.
    Told(u8),
    /// Who read our standard output has gone, as `head` does: no failure of ours.
    ReaderGone,
}

impl Failure {
    /// There is no `name` in `account`.
    pub(crate) fn not_found(account: &str, name: &str) -> Failure {
        let (account, name) = (crate::output::printable(account), crate::output::printable(name));
        Failure::NotFound(format!("there is no `{name}` in account `{account}`"))
    }

    /// The system failed while `doing` something to `path`.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Failure {
        Failure::Other(format!("cannot {doing} {}: {error}", path.display()))
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Store(error) => error.kind().face().exit_code,
            Failure::Usage(_) => 2,
            Failure::NotFound(_) => 3,
            Failure::Other(_) => 1,
            Failure::Told(code) => *code,
            Failure::ReaderGone => 0,
        }
    }

    /// The sentence for the person, where there is one left to say.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Failure::Store(error) => Some(error.to_string()),
            Failure::Usage(text) | Failure::NotFound(text) | Failure::Other(text) => Some(text.clone()),
            Failure::Told(_) | Failure::ReaderGone => None,
        }
    }

    /// Says it and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if let Some(message) = self.message() {
            complain(&message);
        }
        ExitCode::from(self.exit_code())
    }
}

impl From<mediacask::Error> for Failure {
    fn from(error: mediacask::Error) -> Failure {
        Failure::Store(error)
    }
}

/// Says `message` on standard error; a closed standard error is no reason to panic.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "mediacask: {message}");
}

//! Errors: one type, a stable kind, and one table from kind to what each face answers.
//!
//! A message is a sentence for an operator: what was tried, on which file and offset, what was
//! found, what to do. Absence is never an error: it is `None`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What this crate's fallible calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an [`Error`], stable across versions and faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name or account is empty, too long, or holds a NUL byte.
    InvalidName,
    /// An option, a range or a limit makes no sense.
    InvalidOption,
    /// The content, the metadata or the batch is larger than a limit.
    TooLarge,
    /// The account's quota or a prefix limit would be exceeded.
    QuotaExceeded,
    /// A condition of the call (absent, digest, generation) does not hold; nothing was changed.
    PreconditionFailed,
    /// A continuation token was altered, or belongs to another account, filter or store; or a signed grant
    /// was, or is for another name, account or method.
    InvalidToken,
    /// The content does not have the digest the caller expected; nothing was stored.
    DigestMismatch,
    /// Bytes on the disk are not what was written there.
    Corrupt,
    /// Another process holds the store.
    Locked,
    /// The store was written by a newer version of the format.
    Version,
    /// An earlier failure of the disk stopped writing; reads go on. Open the store again.
    Poisoned,
    /// The directory cannot be written to.
    ReadOnly,
    /// The disk is full; nothing was changed.
    NoSpace,
    /// The handle was opened by another process and came here by fork.
    Forked,
    /// The store was closed.
    Closed,
    /// The operating system refused a call.
    Io,
    /// The time of a signed grant is over.
    ExpiredToken,
    /// A signed grant names a key that is not accepted.
    UnknownKey,
}

/// What one kind of error is called in each face.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Face {
    /// The kind.
    pub kind: ErrorKind,
    /// Its name in logs and JSON.
    pub name: &'static str,
    /// The status code of the C library.
    pub c_code: i32,
    /// The exception class of the Python package.
    pub python: &'static str,
    /// The HTTP status of the gateway.
    pub http_status: u16,
    /// The exit code of the command-line tool.
    pub exit_code: u8,
}

macro_rules! faces {
    ($($kind:ident $name:literal $c:literal $python:literal $http:literal $exit:literal;)*) => {
        /// The one table from kind to code, exception, status and exit code.
        pub const FACES: &[Face] = &[$(Face {
            kind: ErrorKind::$kind, name: $name, c_code: $c, python: $python,
            http_status: $http, exit_code: $exit,
        }),*];

        impl ErrorKind {
            /// This kind's row of [`FACES`].
            pub const fn face(self) -> &'static Face {
                &FACES[self as usize]
            }
        }
    };
}

faces! {
    InvalidName        "invalid_name"         -1  "InvalidNameError"        400 2;
    InvalidOption      "invalid_option"       -2  "InvalidOptionError"      400 2;
    TooLarge           "too_large"            -3  "TooLargeError"           413 1;
    QuotaExceeded      "quota_exceeded"       -4  "QuotaExceededError"      507 1;
    PreconditionFailed "precondition_failed"  -5  "PreconditionFailedError" 412 6;
    InvalidToken       "invalid_token"        -6  "InvalidTokenError"       400 2;
    DigestMismatch     "digest_mismatch"      -7  "DigestMismatchError"     400 1;
    Corrupt            "corrupt"              -8  "CorruptError"            500 4;
    Locked             "locked"               -9  "StoreLockedError"        503 5;
    Version            "version"              -10 "VersionError"            500 1;
    Poisoned           "poisoned"             -11 "StorePoisonedError"      503 1;
    ReadOnly           "read_only"            -12 "ReadOnlyError"           503 1;
    NoSpace            "no_space"             -13 "NoSpaceError"            507 1;
    Forked             "forked"               -14 "ForkedStoreError"        500 1;
    Closed             "closed"               -15 "StoreClosedError"        503 1;
    Io                 "io"                   -16 "StoreIOError"            500 1;
    ExpiredToken       "expired_token"        -17 "ExpiredTokenError"       403 1;
    UnknownKey         "unknown_key"          -18 "UnknownKeyError"         403 1;
}

/// Why a call failed. Cheap to clone: a failed group of writes gives every member the same one.
#[derive(Clone, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(Box<Facts>);

#[derive(Clone)]
struct Facts {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    holder: Option<u32>,
    source: Option<Arc<io::Error>>,
}

impl Error {
    /// The stable class.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file or directory it is about.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The process that holds a [`ErrorKind::Locked`] store, where it left its number.
    pub fn holder_pid(&self) -> Option<u32> {
        self.0.holder
    }

    /// The operating system's error number, where there is one.
    pub fn os_error(&self) -> Option<i32> {
        self.0.source.as_ref().and_then(|e| e.raw_os_error())
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Facts { kind, message: message.into(), path: None, holder: None, source: None }))
    }

    /// Bytes at `offset` of `path` are not what was written: `found` says what is there instead.
    pub(crate) fn corrupt(path: &Path, offset: u64, found: impl fmt::Display) -> Error {
        let message = format!(
            "damage in {} at offset {offset}: {found}; the name stays listed, and putting the same \
             content again heals it",
            path.display()
        );
        Error::new(ErrorKind::Corrupt, message).at(path)
    }

    /// A call of the operating system failed while `doing` something to `path`.
    pub(crate) fn io(doing: &str, path: &Path, error: io::Error) -> Error {
        use io::ErrorKind as K;
        let (kind, way_out) = match error.kind() {
            K::StorageFull | K::QuotaExceeded => {
                (ErrorKind::NoSpace, "free some space on that disk; deletes still work")
            }
            K::ReadOnlyFilesystem | K::PermissionDenied => {
                (ErrorKind::ReadOnly, "give this process write permission there, or open another directory")
            }
            K::NotFound => (ErrorKind::Io, "check the path: nothing is there, or it was removed"),
            K::NotADirectory => (ErrorKind::Io, "a store is a directory; give the path of one, or of nothing"),
            _ => (ErrorKind::Io, "see the cause, and the system's log for the disk's own errors"),
        };
        let message = format!("cannot {doing} {}: {error}; {way_out}", path.display());
        let mut made = Error::new(kind, message).at(path);
        made.0.source = Some(Arc::new(error));
        made
    }

    pub(crate) fn locked(path: &Path, holder: Option<u32>) -> Error {
        let who = holder.map_or_else(|| "another process".into(), |pid| format!("process {pid}"));
        let message = format!(
            "the store at {} is held by {who}; one process has it at a time: stop that one or wait for it; \
             threads of one process share a Store by cloning it",
            path.display()
        );
        let mut made = Error::new(ErrorKind::Locked, message).at(path);
        made.0.holder = holder;
        made
    }

    pub(crate) fn at(mut self, path: &Path) -> Error {
        self.0.path = Some(path.to_path_buf());
        self
    }

    /// The same failure under another kind, its cause kept and told after `why`.
    pub(crate) fn become_kind(mut self, kind: ErrorKind, why: &str) -> Error {
        self.0.kind = kind;
        self.0.message = format!("{why}: {}", self.0.message);
        self
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("message", &self.0.message).finish()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        use io::ErrorKind as K;
        let kind = match error.kind() {
            ErrorKind::InvalidName | ErrorKind::InvalidOption | ErrorKind::InvalidToken => K::InvalidInput,
            ErrorKind::Corrupt | ErrorKind::DigestMismatch => K::InvalidData,
            ErrorKind::NoSpace => K::StorageFull,
            ErrorKind::QuotaExceeded => K::QuotaExceeded,
            ErrorKind::TooLarge => K::FileTooLarge,
            ErrorKind::ReadOnly => K::ReadOnlyFilesystem,
            ErrorKind::Locked => K::ResourceBusy,
            _ => K::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_faces_is_in_the_order_of_the_kinds_and_its_codes_are_distinct() {
        for (place, face) in FACES.iter().enumerate() {
            assert_eq!(face.kind as usize, place);
            assert_eq!(face.kind.face().name, face.name);
            assert!(FACES.iter().filter(|other| other.c_code == face.c_code).count() == 1);
            assert!(FACES.iter().filter(|other| other.python == face.python).count() == 1);
        }
    }
}

//! `get`: the content of one name, to standard output or into a file that is whole or not there.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mediacask::{Account, Blob};

use crate::failure::Failure;
use crate::output::EntryObject;
use crate::session::Session;
use crate::values::{self, ByteRange};

/// Write the content of a name to standard output, or to a file.
#[derive(clap::Args)]
pub(crate) struct Get {
    /// The account it belongs to.
    account: String,
    /// The name within the account.
    name: String,
    /// The file to write; it appears, or is replaced, only when all of it is there.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only these bytes: A-B (both included), A- (to the end), or -N (the last N).
    #[arg(long, allow_hyphen_values = true, value_parser = values::byte_range)]
    range: Option<ByteRange>,
}

impl Get {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        let file = self.output.as_deref().filter(|path| *path != Path::new("-"));
        if session.json() && file.is_none() {
            return Err(Failure::Usage(
                "--json prints the facts where the content would go; add -o FILE, or use head".into(),
            ));
        }
        session.with_store(|store, out| {
            let account = store.account(&self.account)?;
            let blob = self.find(&account)?;
            let blob = blob.ok_or_else(|| Failure::not_found(&self.account, &self.name))?;
            let Some(file) = file else {
                return out.bytes(&blob);
            };
            write_whole(file, &blob)?;
            if out.json() { out.object(&EntryObject::from(&blob.entry())) } else { Ok(()) }
        })
    }

    fn find(&self, account: &Account) -> Result<Option<Blob>, Failure> {
        let Some(range) = self.range else {
            return Ok(account.get(&self.name)?);
        };
        // This process holds the store: between the two calls nobody replaces the content.
        let Some(entry) = account.head(&self.name)? else {
            return Ok(None);
        };
        let bounds = range.bounds(entry.size).ok_or_else(|| {
            Failure::Usage(format!("the range begins behind the last byte: the content has {}", entry.size))
        })?;
        Ok(account.get_range(&self.name, bounds)?)
    }
}

/// Writes `content` beside `target` and renames it into place, so that a failure leaves what was
/// there. A pipe or a device is written to as it is: renaming would put a file in its place.
fn write_whole(target: &Path, content: &[u8]) -> Result<(), Failure> {
    let written = match fs::metadata(target) {
        Ok(facts) if facts.is_file() => {
            fs::canonicalize(target).and_then(|real| replace(&real, facts.permissions(), content))
        }
        Ok(facts) if facts.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => File::options().write(true).open(target).and_then(|mut to| to.write_all(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            replace(target, Permissions::from_mode(0o666), content)
        }
        Err(error) => Err(error),
    };
    written.map_err(|error| Failure::io("write", target, &error))
}

/// What a new file may be is narrowed by the umask; one that was there keeps its permissions.
fn replace(target: &Path, permissions: Permissions, content: &[u8]) -> io::Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut beside = tempfile::Builder::new()
        .prefix(".mediacask-")
        .permissions(permissions)
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    beside.write_all(content)?;
    beside.persist(target)?;
    Ok(())
}

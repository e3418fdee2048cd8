//! The store's directory: its paths, its creation, its lock.
//!
//! STORE is the last file that is made and comes into being by a rename, so a directory with a STORE has
//! everything else. A directory that holds something else is never made into a store. One with a MANIFEST is a
//! checkpoint, and becomes a store here (`checkpoint/adopt.rs`).

use std::io::{ErrorKind as IoKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::{MANIFEST, adopt};
use crate::disk::locks::Mutex;
use crate::disk::{Access, Disk, DiskFile, Found};
use crate::error::{Error, ErrorKind, Result};
use crate::log::format::{Refusal, StoreFile, VERSION};
use crate::options::{Create, Dedup, StoreOptions, invalid};

/// Names in the directory of a store that may stand there before STORE does.
const MADE_BEFORE: [&str; 5] = ["LOCK", "STORE.new", "segments", "files", "staging"];

/// An open directory, held by this process.
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) store: StoreFile,
    /// Guards the locked file; without it, the store is free for others.
    lock: Mutex<Option<Arc<dyn DiskFile>>>,
}

impl Home {
    /// Finds or makes the store at `dir`, and locks it.
    pub(crate) fn open(dir: &Path, options: &StoreOptions) -> Result<Home> {
        let disk = options.disk.as_ref();
        let found = match disk.read_dir(dir) {
            Ok(found) => found,
            Err(error) if error.kind() == IoKind::NotFound && options.create == Create::IfMissing => {
                create_dir_all(disk, dir)?;
                Vec::new()
            }
            Err(error) => return Err(Error::io("open the store", dir, error)),
        };
        let is_store = |found: &[Found]| found.iter().any(|found| found.name == "STORE" || found.name == MANIFEST);
        if !is_store(&found) {
            check_creation(disk, dir, &found, options.create)?;
        }
        let lock = lock(disk, dir)?;
        // Somebody may have made a store, or a checkpoint, of the empty directory meanwhile.
        let found = disk.read_dir(dir).map_err(|e| Error::io("open the store", dir, e))?;
        let store = if is_store(&found) {
            adopt(disk, dir)?;
            read_store(disk, dir)?
        } else {
            create_store(disk, dir, options.dedup)?
        };
        Ok(Home { dir: dir.to_path_buf(), store, lock: Mutex::new(Some(lock)) })
    }

    /// Lets others have the store.
    pub(crate) fn unlock(&self) {
        self.lock.lock().take();
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.dir.join("segments")
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.dir.join("files")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.dir.join("staging")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.dir.join("quarantine")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    pub(crate) fn activity(&self) -> PathBuf {
        self.dir.join("activity")
    }

    pub(crate) fn catalog(&self) -> PathBuf {
        self.dir.join("catalog")
    }
}

pub(crate) fn create_dir_all(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let parent = parent_of(dir);
    match disk.create_dir(dir) {
        Ok(()) => sync_parent(disk, dir),
        Err(error) if error.kind() == IoKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == IoKind::NotFound && parent != Path::new(".") => {
            create_dir_all(disk, parent)?;
            create_dir_all(disk, dir)
        }
        Err(error) => Err(Error::io("create the store's directory", dir, error)),
    }
}

fn parent_of(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the directory's own name durable.
pub(crate) fn sync_parent(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let parent = parent_of(dir);
    disk.sync_dir(parent).map_err(|e| Error::io("sync the directory", parent, e))
}

/// A directory becomes a store only if nothing in it could be somebody's.
fn check_creation(disk: &dyn Disk, dir: &Path, found: &[Found], create: Create) -> Result<()> {
    let lists = |name: &str| disk.read_dir(&dir.join(name)).map_err(|e| Error::io("list", &dir.join(name), e));
    for name in ["segments", "files"].iter().filter(|name| found.iter().any(|found| found.name == **name)) {
        if !lists(name)?.is_empty() {
            let path = dir.join("STORE");
            let message = format!(
                "{} is missing, but {name}/ beside it is not empty; put STORE back from a copy of this store",
                path.display()
            );
            return Err(Error::new(ErrorKind::Corrupt, message).at(&path));
        }
    }
    if let Some(other) = found.iter().find(|found| !MADE_BEFORE.contains(&found.name.as_str())) {
        return Err(invalid(format!(
            "{} is not a store: it holds {:?} and no STORE; give an empty directory, or one that does not exist",
            dir.display(),
            other.name
        ))
        .at(dir));
    }
    match create {
        Create::IfMissing => Ok(()),
        Create::Never => Err(invalid(format!("there is no store at {}", dir.display())).at(dir)),
    }
}

/// Takes the lock of a directory; it is held until the file is dropped.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Arc<dyn DiskFile>> {
    let path = dir.join("LOCK");
    let failed = |e| Error::io("open", &path, e);
    let file = match disk.open(&path, Access::Write) {
        Err(error) if error.kind() == IoKind::NotFound => match disk.open(&path, Access::Create) {
            Err(error) if error.kind() == IoKind::AlreadyExists => disk.open(&path, Access::Write).map_err(failed)?,
            created => created.map_err(failed)?,
        },
        opened => opened.map_err(failed)?,
    };
    if let Err(error) = file.try_lock() {
        return Err(match error.kind() {
            IoKind::WouldBlock | IoKind::ResourceBusy => Error::locked(dir, holder(file.as_ref())),
            _ => Error::io("lock", &path, error),
        });
    }
    let pid = format!("{}\n", std::process::id());
    // Who holds it is told for people; the lock holds without.
    let _ = file.set_len(0).and_then(|()| file.write_at(&[IoSlice::new(pid.as_bytes())], 0));
    Ok(file)
}

fn holder(file: &dyn DiskFile) -> Option<u32> {
    let len = file.facts().ok()?.len.min(16) as usize;
    let mut text = vec![0; len];
    file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

/// What STORE says.
pub(crate) fn read_store(disk: &dyn Disk, dir: &Path) -> Result<StoreFile> {
    let path = dir.join("STORE");
    let failed = |e| Error::io("read", &path, e);
    let file = disk.open(&path, Access::Read).map_err(failed)?;
    let mut bytes = vec![0; file.facts().map_err(failed)?.len.min(8192) as usize];
    file.read_at(&mut bytes, 0).map_err(failed)?;
    StoreFile::decode(&bytes).map_err(|refusal| match refusal {
        Refusal::Version(version) => {
            let message = format!(
                "{} has format version {version}; this is a mediacask for version {VERSION}: use a newer one",
                path.display()
            );
            Error::new(ErrorKind::Version, message).at(&path)
        }
        Refusal::Damaged => Error::corrupt(&path, 0, "neither copy of the store's header stands"),
    })
}

fn create_store(disk: &dyn Disk, dir: &Path, dedup: Dedup) -> Result<StoreFile> {
    // Who made the directory may have died before its name was durable.
    match disk.sync_dir(parent_of(dir)) {
        Err(error) if error.kind() != IoKind::PermissionDenied => {
            return Err(Error::io("sync the directory", parent_of(dir), error));
        }
        _ => {}
    }
    for name in ["segments", "files", "staging"] {
        let path = dir.join(name);
        match disk.create_dir(&path) {
            Err(error) if error.kind() != IoKind::AlreadyExists => return Err(Error::io("create", &path, error)),
            _ => {}
        }
    }
    // Names reach the disk in any order: STORE must not be there before them.
    disk.sync_dir(dir).map_err(|e| Error::io("sync the directory", dir, e))?;
    let store = StoreFile { id: random()?, secret: random()?, store_wide: dedup == Dedup::Store };
    // Whoever made the directory, a crash that takes its name must not take a store with it.
    sync_parent(disk, dir)?;
    replace_file(disk, dir, "STORE", &mut |file| file.write_at(&[IoSlice::new(&store.encode())], 0))?;
    Ok(store)
}

/// Bytes that nobody knows before.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::new(ErrorKind::Io, format!("no randomness to be had: {e}")))?;
    Ok(bytes)
}

/// Writes a file of `dir` anew, atomically: under another name, synced, renamed, the directory synced. A
/// crash leaves the old file or the new one, and maybe `NAME.new`, which the next replacement overwrites.
pub(crate) fn replace_file(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    write: &mut dyn FnMut(&dyn DiskFile) -> std::io::Result<()>,
) -> Result<()> {
    let (path, fresh) = (dir.join(name), dir.join(format!("{name}.new")));
    match disk.unlink(&fresh) {
        Err(error) if error.kind() != IoKind::NotFound => return Err(Error::io("remove", &fresh, error)),
        _ => {}
    }
    let file = disk.open(&fresh, Access::Create).map_err(|e| Error::io("create", &fresh, e))?;
    let written = write(file.as_ref()).and_then(|()| file.sync());
    if let Err(error) = written {
        let _ = disk.unlink(&fresh);
        // What the writer has told already is not told again.
        return Err(error.downcast().unwrap_or_else(|error| Error::io("write", &fresh, error)));
    }
    disk.rename(&fresh, &path).map_err(|e| Error::io("rename to", &path, e))?;
    disk.sync_dir(dir).map_err(|e| Error::io("sync the directory", dir, e))
}

//! The directory an export writes into: files are made below it and nowhere else.
//!
//! Every step down is taken from the open folder above it, never through a link, and a file is made
//! only where nothing stands: whoever changes the directory meanwhile cannot lead us out of it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use crate::failure::Failure;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directory, and the folder below it that was used last: names in order come folder by folder.
pub(crate) struct Tree {
    root: OwnedFd,
    last: Option<(String, OwnedFd)>,
}

impl Tree {
    /// Takes `dir`, made new where it is missing; it must be empty, and not within `store`.
    pub(crate) fn open(dir: &Path, store: &Path) -> Result<Tree, Failure> {
        let failed = |error: io::Error| Failure::io("export to", dir, &error);
        // Before anything is made, and again when what `..` leads to is there.
        let above = dir.ancestors().find(|folder| folder.exists());
        outside(store, above.unwrap_or(Path::new(".")))?;
        fs::create_dir_all(dir).map_err(failed)?;
        outside(store, dir)?;
        if fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(Failure::Other(format!(
                "{} is not empty; an export overwrites nothing, give it a new directory",
                dir.display()
            )));
        }
        // The directory itself may be a link: it is the caller's choice.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        Ok(Tree { root, last: None })
    }

    /// Makes the file at `path`, its folders with it; `None` when it cannot stand there: the place
    /// is taken, a part of the path would not lead down, or the file system refuses such a name.
    pub(crate) fn create(&mut self, path: &str) -> io::Result<Option<File>> {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Ok(None);
        }
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let made = self.folder(folder).and_then(|folder| openat(folder, file, NEW_FILE, Mode::from_raw_mode(0o666)));
        match made {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::EXIST | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ) => {
                Ok(None)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes back a file that [`Tree::create`] made and that could not be filled.
    pub(crate) fn remove(&mut self, path: &str) -> io::Result<()> {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let removed = self.folder(folder).and_then(|folder| unlinkat(folder, file, AtFlags::empty()));
        Ok(removed?)
    }

    fn folder(&mut self, path: &str) -> Result<BorrowedFd<'_>, Errno> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let mut folder =
                self.root.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE))?;
            for part in path.split('/') {
                match mkdirat(&folder, part, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                folder = openat(&folder, part, FOLDER, Mode::empty())?;
            }
            self.last = Some((path.to_owned(), folder));
        }
        let (_, folder) = self.last.as_ref().expect("set above");
        Ok(folder.as_fd())
    }
}

/// Refuses a folder that is the store's or lies below it.
fn outside(store: &Path, folder: &Path) -> Result<(), Failure> {
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| Failure::io("export to", path, &error));
    if real(folder)?.starts_with(real(store)?) {
        return Err(Failure::Usage(format!(
            "{} lies within the store; export to a directory outside of it",
            folder.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("store")).unwrap();
        let tree = Tree::open(&temp.path().join("out"), &temp.path().join("store"));
        let Ok(tree) = tree else { panic!("a new directory is refused") };
        (temp, tree)
    }

    #[test]
    fn a_link_that_appears_meanwhile_is_not_followed() {
        let (temp, mut tree) = tree();
        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, temp.path().join("out/folder")).unwrap();
        symlink(outside.join("made"), temp.path().join("out/file")).unwrap();
        assert!(tree.create("folder/a").unwrap().is_none());
        assert!(tree.create("file").unwrap().is_none());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_does_not_lead_down_is_refused() {
        let (temp, mut tree) = tree();
        for path in ["", ".", "..", "../up", "/up", "a/../../up", "a//b", "a/."] {
            assert!(tree.create(path).unwrap().is_none(), "{path}");
        }
        assert!(!temp.path().join("up").exists());
        assert_eq!(fs::read_dir(temp.path().join("out")).unwrap().count(), 0);
    }

    #[test]
    fn a_taken_place_is_left_alone() {
        let (temp, mut tree) = tree();
        assert!(tree.create("a/b").unwrap().is_some());
        assert!(tree.create("a/b").unwrap().is_none());
        assert!(tree.create("a").unwrap().is_none());
        assert!(tree.create("a/b/c").unwrap().is_none());
        tree.remove("a/b").unwrap();
        assert_eq!(fs::read_dir(temp.path().join("out/a")).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_with_files_or_within_the_store_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let store = temp.path().join("store");
        fs::create_dir(&store).unwrap();
        assert!(Tree::open(&store.join("x"), &store).is_err_and(|f| f.exit_code() == 2));
        assert!(Tree::open(temp.path(), &store).is_err_and(|f| f.exit_code() == 1));
    }
}

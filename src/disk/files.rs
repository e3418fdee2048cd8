//! The real disk: files and directories of the operating system.
//!
//! This is the only file that names `std::fs`. It owns how the store's files are made (0600,
//! directories 0700), how short writes and interrupted calls go on, and what happens where a file
//! system lacks a call.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::map::{self, Map};
use super::{Access, Disk, DiskFile, FileFacts, FileId, Found, fork};

/// The most slices one call of the system takes (`IOV_MAX`).
const SLICES_MAX: usize = 1024;

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        RealFile::open(path, access).map(|file| Arc::new(file) as Arc<dyn DiskFile>)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let facts = match entry.metadata() {
                Ok(facts) => facts,
                // It went between the two calls.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            // The store's own names are ASCII; of others no more is needed than that they are there.
            let name = entry.file_name().to_string_lossy().into_owned();
            all.push(Found { name, is_dir: facts.is_dir(), len: facts.len() });
        }
        Ok(all)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// An open file of the system.
pub struct RealFile {
    file: Arc<File>,
    /// One more than the generation of the process that holds the lock; 0: none does.
    locked_in: AtomicU64,
}

impl RealFile {
    /// Opens a file; one it makes has mode 0600.
    pub fn open(path: &Path, access: Access) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(access != Access::Read);
        if access == Access::Create {
            options.create_new(true).mode(0o600);
        }
        let file = Arc::new(options.open(path)?);
        Ok(RealFile { file, locked_in: AtomicU64::new(0) })
    }
}

impl DiskFile for RealFile {
    fn facts(&self) -> io::Result<FileFacts> {
        let facts = self.file.metadata()?;
        let id = FileId { device: facts.dev(), inode: facts.ino() };
        Ok(FileFacts { id, len: facts.len(), links: facts.nlink(), mode: facts.mode() & 0o7777 })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn write_at(&self, from: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        write_all(from, offset, |slices, offset| rustix::io::pwritev(&self.file, slices, offset))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn push_out(&self, offset: u64, len: u64) -> io::Result<()> {
        map::push_out(&self.file, offset, len)
    }

    fn wait_out(&self, offset: u64, len: u64) -> io::Result<()> {
        // A length of nothing would mean all of the file.
        if len == 0 { Ok(()) } else { map::wait_out(&self.file, offset, len) }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return self.file.set_len(0);
        }
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                // Without room set aside, a full disk shows itself at the write instead.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return self.file.set_len(len),
                Err(e) => return Err(e.into()),
            }
        }
        // `fallocate` lengthens and never cuts.
        if self.file.metadata()?.len() > len {
            self.file.set_len(len)?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        let facts = self.facts()?;
        if facts.len < len {
            let message = format!("to map {len} bytes of a file that has {}", facts.len);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Map::of(Arc::clone(&self.file), facts.id, len)
    }

    fn try_lock(&self) -> io::Result<()> {
        if self.locked_in.load(Ordering::Acquire) != 0 {
            return Ok(());
        }
        let fd = self.file.as_raw_fd();
        // On the list first: a child forked in between has then no lock that stays.
        fork::register_lock_fd(fd)?;
        match self.file.try_lock() {
            Ok(()) => {
                self.locked_in.store(fork::generation() + 1, Ordering::Release);
                Ok(())
            }
            Err(refused) => {
                fork::unregister_lock_fd(fd);
                Err(refused.into())
            }
        }
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        match self.locked_in.load(Ordering::Acquire) {
            0 => {}
            holder if holder == fork::generation() + 1 => {
                // Closing alone lets go only when no child has the descriptor: one that was forked just now may
                // not have come to closing it. If this fails, closing is what is left.
                let _ = self.file.unlock();
                fork::unregister_lock_fd(self.file.as_raw_fd());
            }
            // In a child the number was closed already and may be another file's by now.
            _ => std::mem::forget(Arc::clone(&self.file)),
        }
    }
}

/// Writes all of `from` through calls that take some slices and say how many bytes they wrote.
fn write_all(
    mut from: &[IoSlice<'_>],
    mut offset: u64,
    write: impl Fn(&[IoSlice<'_>], u64) -> rustix::io::Result<usize>,
) -> io::Result<()> {
    // How much of the first slice is written.
    let mut done = 0;
    while let Some(first) = from.first() {
        if done == first.len() {
            (from, done) = (&from[1..], 0);
            continue;
        }
        let result = if done > 0 {
            write(&[IoSlice::new(&first[done..])], offset)
        } else {
            write(&from[..from.len().min(SLICES_MAX)], offset)
        };
        let written = match result {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        };
        offset += written as u64;
        done += written;
        while let Some(first) = from.first().filter(|first| done >= first.len()) {
            done -= first.len();
            from = &from[1..];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    #[test]
    fn a_vectored_write_goes_on_after_short_and_interrupted_calls() {
        let text: Vec<u8> = (0..5000_u32).map(|i| (i % 251) as u8).collect();
        let mut slices: Vec<IoSlice<'_>> = text.chunks(2).map(IoSlice::new).collect();
        slices.insert(0, IoSlice::new(&[]));
        slices.insert(700, IoSlice::new(&[]));
        slices.push(IoSlice::new(&[]));

        for step in [1, 2, 3, 7, 100, 1 << 20] {
            let file = RefCell::new(vec![0; 10]);
            let calls = RefCell::new(0);
            write_all(&slices, 10, |slices, offset| {
                *calls.borrow_mut() += 1;
                if *calls.borrow() % 3 == 0 {
                    return Err(Errno::INTR);
                }
                assert!(slices.len() <= SLICES_MAX);
                let mut file = file.borrow_mut();
                assert_eq!(offset, file.len() as u64);
                let before = file.len();
                file.extend(slices.iter().flat_map(|slice| slice.iter()).take(step));
                Ok(file.len() - before)
            })
            .unwrap();
            assert_eq!(file.borrow()[10..], text, "{step} bytes a call");
        }
    }

    #[test]
    fn a_write_that_makes_no_progress_fails() {
        let error = write_all(&[IoSlice::new(b"x")], 0, |_, _| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn a_write_of_nothing_makes_no_call() {
        write_all(&[IoSlice::new(&[])], 0, |_, _| unreachable!()).unwrap();
    }

    #[test]
    fn what_the_store_makes_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (sub, name) = (dir.path().join("d"), dir.path().join("f"));
        RealDisk.create_dir(&sub).unwrap();
        assert_eq!(fs::metadata(&sub).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(RealDisk.create_dir(&sub).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(RealDisk.open(&name, Access::Create).unwrap().facts().unwrap().mode, 0o600);
        let again = RealDisk.open(&name, Access::Create).err().unwrap();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_has_a_second_name_and_can_be_made_read_only() {
        let dir = tempfile::tempdir().unwrap();
        let (name, other) = (dir.path().join("f"), dir.path().join("g"));
        let file = RealDisk.open(&name, Access::Create).unwrap();
        file.set_mode(0o400).unwrap();
        RealDisk.hard_link(&name, &other).unwrap();
        let facts = RealDisk.open(&other, Access::Read).unwrap().facts().unwrap();
        assert_eq!((facts.id, facts.links, facts.mode), (file.facts().unwrap().id, 2, 0o400));
        assert_eq!(RealDisk.hard_link(&name, &other).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_lock_is_held_once_and_ends_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("LOCK");
        let first = RealFile::open(&name, Access::Create).unwrap();
        // What a child has that was forked just now.
        let _inherited = first.file.try_clone().unwrap();
        let second = RealDisk.open(&name, Access::Write).unwrap();
        first.try_lock().unwrap();
        first.try_lock().unwrap();
        assert_eq!(second.try_lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        second.try_lock().unwrap();
    }

    #[test]
    fn allocate_gives_the_length_and_keeps_what_stands() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.open(&dir.path().join("f"), Access::Create).unwrap();
        file.write_at(&[IoSlice::new(b"abcdef")], 0).unwrap();
        let mut bytes = [9; 8];
        file.allocate(8).unwrap();
        file.read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"abcdef\0\0");
        file.push_out(0, 8).unwrap();
        for len in [4, 0] {
            file.allocate(len).unwrap();
            assert_eq!(file.facts().unwrap().len, len);
        }
        assert_eq!(file.read_at(&mut bytes, 0).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn names_are_listed_with_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        RealDisk.create_dir(&dir.path().join("d")).unwrap();
        let file = RealDisk.open(&dir.path().join("f"), Access::Create).unwrap();
        file.set_len(7).unwrap();
        let mut all = RealDisk.read_dir(dir.path()).unwrap();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let seen: Vec<_> = all.iter().map(|found| (found.name.as_str(), found.is_dir)).collect();
        assert_eq!(seen, [("d", true), ("f", false)]);
        assert_eq!(all[1].len, 7);
        RealDisk.rename(&dir.path().join("f"), &dir.path().join("g")).unwrap();
        RealDisk.unlink(&dir.path().join("g")).unwrap();
        RealDisk.remove_dir_all(&dir.path().join("d")).unwrap();
        RealDisk.sync_dir(dir.path()).unwrap();
        assert!(RealDisk.read_dir(dir.path()).unwrap().is_empty());
        assert_eq!(file.facts().unwrap().links, 0);
    }
}

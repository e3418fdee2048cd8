//! The index's files, which sled writes past the disk: copied as they are, whole or not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a directory at some moment, each with its path below it.
#[derive(Clone)]
pub(super) struct Image(Arc<Vec<(PathBuf, Vec<u8>)>>);

impl Image {
    /// Takes a copy of a directory; nothing when there is none.
    pub(super) fn take(dir: &Path) -> Option<Image> {
        let mut files = Vec::new();
        let mut dirs = vec![PathBuf::new()];
        while let Some(below) = dirs.pop() {
            let entries = match fs::read_dir(dir.join(&below)) {
                Ok(entries) => entries,
                Err(_) if below.as_os_str().is_empty() => return None,
                // It went meanwhile: whoever owns these files goes on while they are copied.
                Err(_) => continue,
            };
            for entry in entries.flatten() {
                let path = below.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    dirs.push(path);
                } else if let Ok(bytes) = fs::read(dir.join(&path)) {
                    files.push((path, bytes));
                }
            }
        }
        Some(Image(Arc::new(files)))
    }

    /// Writes the copy to a directory that has none of these files.
    pub(super) fn put(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        for (path, bytes) in &*self.0 {
            let path = dir.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

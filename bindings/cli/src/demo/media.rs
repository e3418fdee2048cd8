//! The media files that the demo works with, read once.

use std::fs;
use std::path::Path;

use mediacask::PutOptions;

use crate::failure::Failure;
use crate::put::content_type_of;

/// Steps of the demo walk, replace and pick among the files.
const FILES_MIN: usize = 2;

/// One file, as a message would carry it.
pub(super) struct Media {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) content: Vec<u8>,
}

impl Media {
    pub(super) fn options(&self) -> PutOptions {
        PutOptions::new().content_type(&self.content_type)
    }
}

/// The files of `dir` in the order of their names, without what says how they were made.
pub(super) fn load(dir: &Path) -> Result<Vec<Media>, Failure> {
    let failed = |error| Failure::io("read the media in", dir, &error);
    let mut files = Vec::new();
    for child in fs::read_dir(dir).map_err(failed)? {
        let child = child.map_err(failed)?;
        let path = child.path();
        let Ok(name) = child.file_name().into_string() else {
            continue;
        };
        let about_them = path.extension().is_some_and(|ending| ending == "md" || ending == "sh");
        let regular = child.file_type().map_err(failed)?.is_file();
        if about_them || name.starts_with('.') || !regular {
            continue;
        }
        let content = fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
        files.push(Media { content_type: content_type_of(&name, &path), name, content });
    }
    if files.len() < FILES_MIN {
        return Err(Failure::Other(format!(
            "{} holds fewer than {FILES_MIN} media files; give another directory with --media",
            dir.display()
        )));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The largest picture, or else the first file.
pub(super) fn picture(media: &[Media]) -> &Media {
    let pictures = media.iter().filter(|file| file.content_type.starts_with("image/"));
    pictures.max_by_key(|file| file.content.len()).unwrap_or(&media[0])
}

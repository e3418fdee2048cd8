//! The manifest of an export: which file holds which name, with its facts, one JSON object a line.
//!
//! `export` writes it at the top of its directory; `import` of such a directory reads it, and gives
//! the files it lists their names and facts back. A file it does not list is taken in by its path.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::time::SystemTime;

use mediacask::{Entry, PutOptions};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::output::EntryObject;
use crate::values;

/// Its name in the directory of an export.
pub(crate) const MANIFEST: &str = "mediacask-manifest.jsonl";

/// A line as it is written: the path below the directory, and the entry.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    entry: EntryObject<'a>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(path: &'a str, entry: &'a Entry) -> Line<'a> {
        Line { path, entry: EntryObject::from(entry) }
    }
}

/// What a line gives back to an import. The digest is not asked for: files may have been edited.
#[derive(Deserialize)]
pub(crate) struct Listed {
    path: String,
    pub(crate) name: String,
    content_type: Option<String>,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "instant")]
    pub(crate) expires_at: Option<SystemTime>,
}

fn instant<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SystemTime>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| values::instant(&text).map_err(serde::de::Error::custom)).transpose()
}

impl Listed {
    /// The facts as a put sets them.
    pub(crate) fn options(&self) -> PutOptions {
        let mut options = PutOptions::new();
        if let Some(text) = &self.content_type {
            options = options.content_type(text);
        }
        if let Some(text) = &self.cache_control {
            options = options.cache_control(text);
        }
        if let Some(text) = &self.content_disposition {
            options = options.content_disposition(text);
        }
        for (key, value) in &self.metadata {
            options = options.metadata(key, value);
        }
        if let Some(instant) = self.expires_at {
            options = options.expires_at(instant);
        }
        options
    }
}

/// The manifest of `dir` by path; empty where there is none.
pub(crate) fn read(dir: &Path) -> Result<HashMap<String, Listed>, Failure> {
    let path = dir.join(MANIFEST);
    let file = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(Failure::io("read", &path, &error)),
    };
    let mut listed = HashMap::new();
    for (number, line) in file.lines().enumerate() {
        let line = line.map_err(|error| Failure::io("read", &path, &error))?;
        let line: Listed = serde_json::from_str(&line).map_err(|error| {
            Failure::Other(format!(
                "line {} of {} is not one of a manifest: {error}; mend it, or remove the file to \
                 take the others in by their paths",
                number + 1,
                path.display()
            ))
        })?;
        listed.insert(line.path.clone(), line);
    }
    Ok(listed)
}

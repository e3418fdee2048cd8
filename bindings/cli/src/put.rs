//! `put`: one file, or standard input, under one name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mediacask::{Digest, PutOptions};

use crate::failure::Failure;
use crate::output::{EntryObject, sentence};
use crate::session::Session;
use crate::{progress, values};

/// Store a file, or standard input, under a name; what the name held before is replaced.
#[derive(clap::Args)]
pub(crate) struct Put {
    /// The account it belongs to.
    account: String,
    /// The name within the account.
    name: String,
    /// The file, or - for standard input.
    file: PathBuf,
    /// The media type to serve it with. Without it: guessed from the extension of NAME, then of
    /// FILE, else application/octet-stream.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The Cache-Control to serve it with.
    #[arg(long, value_name = "TEXT")]
    cache_control: Option<String>,
    /// The Content-Disposition to serve it with.
    #[arg(long, value_name = "TEXT")]
    disposition: Option<String>,
    /// A pair of your own to keep with it; can be given again.
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::pair)]
    meta: Vec<(String, String)>,
    /// Gone after this long: a whole number and a unit of ms, s, m, h, d, w, like 48h.
    #[arg(long, value_parser = values::ttl, conflicts_with = "expires_at")]
    ttl: Option<Duration>,
    /// Gone from this instant on, in RFC 3339, like 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = values::instant)]
    expires_at: Option<SystemTime>,
    /// Only if the name is free; else exit code 6.
    #[arg(long, conflicts_with = "if_match")]
    if_absent: bool,
    /// Only if the name holds the content with this digest; else exit code 6.
    #[arg(long, value_name = "DIGEST")]
    if_match: Option<Digest>,
}

impl Put {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        // The file first: a slip of the pen in its path must not leave a new, empty store behind.
        let source = Source::open(&self.file)?;
        session.with_new_store(|store, out| {
            let account = store.account(&self.account)?;
            let entry = source.into_store(&account, &self.name, &self.options())?;
            if out.json() {
                out.object(&EntryObject::from(&entry))
            } else {
                out.line(format_args!("{}", sentence("stored", &entry)))
            }
        })
    }

    fn options(&self) -> PutOptions {
        let content_type = self.content_type.clone();
        let content_type = content_type.unwrap_or_else(|| content_type_of(&self.name, &self.file));
        let mut options = PutOptions::new().content_type(content_type);
        if let Some(text) = &self.cache_control {
            options = options.cache_control(text);
        }
        if let Some(text) = &self.disposition {
            options = options.content_disposition(text);
        }
        for (key, value) in &self.meta {
            options = options.metadata(key, value);
        }
        if let Some(ttl) = self.ttl {
            options = options.ttl(ttl);
        }
        if let Some(instant) = self.expires_at {
            options = options.expires_at(instant);
        }
        if self.if_absent {
            options = options.if_absent();
        }
        if let Some(digest) = self.if_match {
            options = options.if_match(digest);
        }
        options
    }
}

/// Where the content comes from.
enum Source {
    Input,
    File(File, u64),
}

impl Source {
    fn open(path: &Path) -> Result<Source, Failure> {
        if path == Path::new("-") {
            return Ok(Source::Input);
        }
        let failed = |error: io::Error| Failure::io("read", path, &error);
        let file = File::open(path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if facts.is_dir() {
            let path = path.display();
            return Err(Failure::Other(format!(
                "{path} is a directory; `mediacask import` takes a whole directory in"
            )));
        }
        Ok(Source::File(file, facts.len()))
    }

    fn into_store(
        self,
        account: &mediacask::Account,
        name: &str,
        options: &PutOptions,
    ) -> mediacask::Result<mediacask::Entry> {
        match self {
            Source::Input => account.put_reader(name, io::stdin().lock(), options),
            Source::File(file, len) => {
                let bar = progress::bytes(len);
                let stored = account.put_reader(name, bar.wrap_read(file), options);
                bar.finish_and_clear();
                stored
            }
        }
    }
}

/// Extensions of messaging that the table of `mime_guess` misses, or knows by a name that is no
/// longer registered: RFC 4867 (AMR) and RFC 6350 (vCard).
const MESSAGING: [(&str, &str); 3] = [("amr", "audio/amr"), ("awb", "audio/amr-wb"), ("vcf", "text/vcard")];

/// The media type that the extension of the name stands for, or else that of the file.
pub(crate) fn content_type_of(name: &str, file: &Path) -> String {
    let guess = by_extension(Path::new(name)).or_else(|| by_extension(file));
    guess.unwrap_or_else(|| "application/octet-stream".into())
}

fn by_extension(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    let known = MESSAGING.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    let known = known.map(|(_, kind)| (*kind).to_owned());
    known.or_else(|| mime_guess::from_ext(extension).first().map(|kind| kind.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_the_type_then_the_file() {
        assert_eq!(content_type_of("a/logo.png", Path::new("upload.txt")), "image/png");
        assert_eq!(content_type_of("logo", Path::new("upload.GIF")), "image/gif");
        assert_eq!(content_type_of("late.AMR", Path::new("-")), "audio/amr");
        assert_eq!(content_type_of("logo", Path::new("-")), "application/octet-stream");
    }
}

//! `head`, `rm` and `cp`: what is done with names, without touching their content.

use mediacask::{DeleteOptions, Digest, PutOptions};
use serde_json::json;

use crate::failure::{Failure, complain};
use crate::output::{EntryObject, counted, facts, printable, sentence};
use crate::session::Session;

/// Show the facts of a name.
#[derive(clap::Args)]
pub(crate) struct Head {
    /// The account it belongs to.
    account: String,
    /// The name within the account.
    name: String,
}

impl Head {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let entry = store.account(&self.account)?.head(&self.name)?;
            let entry = entry.ok_or_else(|| Failure::not_found(&self.account, &self.name))?;
            if out.json() {
                out.object(&EntryObject::from(&entry))
            } else {
                out.line(format_args!("{}", facts(&entry)))
            }
        })
    }
}

/// Remove names; exit code 3 when one of them was not there.
#[derive(clap::Args)]
pub(crate) struct Rm {
    /// The account they belong to.
    account: String,
    /// The names.
    #[arg(required_unless_present = "prefix")]
    names: Vec<String>,
    /// Remove every name that begins with this instead (an empty text: all names of the account).
    #[arg(long, conflicts_with_all = ["names", "if_match"], requires = "yes")]
    prefix: Option<String>,
    /// Yes, all names under the prefix.
    #[arg(long)]
    yes: bool,
    /// Only if the name holds the content with this digest; else exit code 6.
    #[arg(long, value_name = "DIGEST")]
    if_match: Option<Digest>,
}

impl Rm {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        match &self.prefix {
            Some(prefix) => self.purge(prefix, session),
            None => self.delete(session),
        }
    }

    fn delete(&self, session: Session) -> Result<(), Failure> {
        let options = self.if_match.map_or_else(DeleteOptions::new, |digest| DeleteOptions::new().if_match(digest));
        session.with_store(|store, out| {
            let account = store.account(&self.account)?;
            let mut absent = false;
            for name in &self.names {
                let deleted = account.delete(name, &options)?;
                if out.json() {
                    out.object(&json!({ "name": name, "deleted": deleted }))?;
                }
                if !deleted {
                    absent = true;
                    complain(&Failure::not_found(&self.account, name).message().unwrap_or_default());
                }
            }
            if absent { Err(Failure::Told(3)) } else { Ok(()) }
        })
    }

    fn purge(&self, prefix: &str, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let deleted = store.account(&self.account)?.purge(prefix)?;
            if out.json() {
                out.object(&json!({ "prefix": prefix, "deleted": deleted }))
            } else {
                let names = counted(deleted, "name");
                out.line(format_args!("removed {names} under `{}`", printable(prefix)))
            }
        })
    }
}

/// Give the content of a name a second name, with the same facts; no bytes are moved within an
/// account.
#[derive(clap::Args)]
pub(crate) struct Cp {
    /// The account of the name that is there.
    account: String,
    /// The name that is there.
    from: String,
    /// The name to make, or to replace.
    to: String,
    /// The account of the name to make. Without it: the same.
    #[arg(long, value_name = "ACCOUNT")]
    to_account: Option<String>,
}

impl Cp {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let account = store.account(&self.account)?;
            let options = PutOptions::new();
            let copied = match &self.to_account {
                None => account.copy(&self.from, &self.to, &options)?,
                Some(other) => account.copy_to(&self.from, &store.account(other)?, &self.to, &options)?,
            };
            let entry = copied.ok_or_else(|| Failure::not_found(&self.account, &self.from))?;
            if out.json() {
                out.object(&EntryObject::from(&entry))
            } else {
                out.line(format_args!("{}", sentence("copied to", &entry)))
            }
        })
    }
}

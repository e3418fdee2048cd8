//! `ls`: the names of an account in order, in as many pages as it takes.
//!
//! The library's pages may be short and still go on. Here a limit means what it says: pages are
//! asked for until there are that many names, or no more of them.

use std::iter::Peekable;
use std::vec;

use mediacask::{Account, Entry, ListOptions, Page};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{EntryObject, Out, printable, rfc3339, size};
use crate::session::Session;

/// Names a listing shows when nothing else is said.
const LIMIT_DEFAULT: usize = 1000;

/// List names in bytewise order.
///
/// When there are more names, the last line is `token TOKEN`, or with --json an object with
/// `next_token`; give it back with --token to go on.
#[derive(clap::Args)]
pub(crate) struct Ls {
    /// The account.
    account: String,
    /// Only names that begin with this.
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// Show names that hold this text after the prefix as one common prefix each, like folders.
    #[arg(long, value_name = "TEXT")]
    delimiter: Option<String>,
    /// Show at most this many names and common prefixes (default 1000).
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Go on where an earlier listing ended, with the same account, prefix and delimiter.
    #[arg(long)]
    token: Option<String>,
    /// Show them all.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Ls {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        session.with_store(|store, out| {
            let account = store.account(&self.account)?;
            let mut left = if self.all { usize::MAX } else { self.limit.unwrap_or(LIMIT_DEFAULT) };
            let mut token = self.token.clone();
            loop {
                let page = self.page(&account, left, token.take())?;
                left = left.saturating_sub(page.entries.len() + page.prefixes.len());
                token.clone_from(&page.next_token);
                show(page, out)?;
                if left == 0 || token.is_none() {
                    break;
                }
            }
            match token {
                Some(token) if out.json() => out.object(&json!({ "next_token": token })),
                Some(token) => out.line(format_args!("token {token}")),
                None => Ok(()),
            }
        })
    }

    fn page(&self, account: &Account, left: usize, token: Option<String>) -> Result<Page, Failure> {
        let limit = left.min(mediacask::limits::PAGE_ENTRIES_MAX);
        let mut options = ListOptions::new().prefix(&self.prefix).limit(limit).token(token);
        if let Some(delimiter) = &self.delimiter {
            options = options.delimiter(delimiter);
        }
        Ok(account.list(&options)?)
    }
}

/// Entries and common prefixes are two sorted lists; a reader wants one.
fn show(page: Page, out: &mut Out) -> Result<(), Failure> {
    let mut entries = page.entries.into_iter().peekable();
    let mut prefixes = page.prefixes.into_iter().peekable();
    loop {
        if entry_is_next(&mut entries, &mut prefixes) {
            let Some(entry) = entries.next() else {
                return Ok(());
            };
            if out.json() {
                out.object(&EntryObject::from(&entry))?;
            } else {
                let (date, bytes) = (rfc3339(entry.updated_at), size(entry.size));
                out.line(format_args!("{date}  {bytes:>10}  {}", printable(&entry.name)))?;
            }
        } else if let Some(prefix) = prefixes.next() {
            if out.json() {
                out.object(&json!({ "prefix": prefix }))?;
            } else {
                out.line(format_args!("{:24}  {:>10}  {}", "", "prefix", printable(&prefix)))?;
            }
        }
    }
}

fn entry_is_next(entries: &mut Peekable<vec::IntoIter<Entry>>, prefixes: &mut Peekable<vec::IntoIter<String>>) -> bool {
    match (entries.peek(), prefixes.peek()) {
        (Some(entry), Some(prefix)) => entry.name < *prefix,
        (_, prefix) => prefix.is_none(),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a limit is a whole number from 1; --all shows every name".into()),
    }
}

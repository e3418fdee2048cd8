//! The way of a listing: token -> rows of the index, in order, each checked against the catalog -> page.
//!
//! Rows come in batches, and so do the look-ups: what each waits for in memory, it waits for beside the others.
//!
//! A row is only a hint that there may be such a name: what a page shows comes from the catalog and the
//! log. That no name is missing is seen to before: the index has caught up with the listing's start, and
//! its rows of the account add up (`upkeep/applier.rs`). A name that lives through a whole walk keeps its
//! place in the order, whatever is written meanwhile, so it is returned exactly once.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use crate::catalog::NameRow;
use crate::engine::Engine;
use crate::entry::{Entry, ms_of};
use crate::error::Result;
use crate::index::{Broken, NameAt, ScanEnd};
use crate::limits::PAGE_ENTRIES_MAX;
use crate::log::segment::Segment;
use crate::options::{ListOptions, invalid};
use crate::token::{self, Resume};

/// Most rows looked at for one page: a page may be short, and even empty, and still have a token.
const ROWS_MAX: usize = 20_000;

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Entries in the bytewise order of their names.
    pub entries: Vec<Entry>,
    /// Common prefixes, each ending with the delimiter, in the same order.
    pub prefixes: Vec<String>,
    /// Where to go on; `None` on the last page. A page may be short and still have a token.
    pub next_token: Option<String>,
}

/// A listing under way.
struct Walk<'a> {
    engine: &'a Engine,
    account: &'a str,
    options: &'a ListOptions,
    limit: usize,
    /// Created at or after, and before; Unix ms.
    created: (Option<u64>, Option<u64>),
    page: Page,
    /// Segments that entries were read from, so as not to ask the log for them one by one.
    segments: HashMap<u32, Arc<Segment>>,
    /// The name or prefix the walk has come to.
    at: Option<Resume>,
    /// When it began, Unix ms: the page shows what was there then.
    now_ms: u64,
}

/// One page of an account's names.
pub(crate) fn list(engine: &Engine, account: &str, options: &ListOptions) -> Result<Page> {
    let limit = options.limit.unwrap_or(PAGE_ENTRIES_MAX);
    if !(1..=PAGE_ENTRIES_MAX).contains(&limit) {
        return Err(invalid(format!("a page has 1 to {PAGE_ENTRIES_MAX} entries, not {limit}")));
    }
    if options.delimiter.as_deref() == Some("") {
        return Err(invalid("an empty delimiter was given; leave it out to list every name"));
    }
    let created = (options.created_from.map(ms_of), options.created_to.map(ms_of));
    let delimiter = options.delimiter.as_deref();
    let binding = token::binding(account, &options.prefix, delimiter, created.0, created.1);
    let secret = &engine.log.secret;
    let resume = options.token.as_deref().map(|token| token::open(secret, &binding, token)).transpose()?;

    let _open = engine.hold_open()?;
    engine.commit.sync_if_behind()?;
    let begin = engine.commit.durable();
    loop {
        engine.upkeep.make_current(account, begin)?;
        let (page, segments) = (Page::default(), HashMap::new());
        let (at, now_ms) = (resume.clone(), engine.clock.now_ms());
        let mut walk = Walk { engine, account, options, limit, created, page, segments, at, now_ms };
        match walk.walk()? {
            Ok(more) => {
                let Walk { mut page, at, .. } = walk;
                page.next_token = at.filter(|_| more).map(|at| token::seal(secret, &binding, &at));
                return Ok(page);
            }
            Err(broken) => engine.upkeep.distrust_index(&broken.to_string()),
        }
    }
}

impl Walk<'_> {
    /// Fills the page; says whether there may be more.
    fn walk(&mut self) -> Result<Result<bool, Broken>> {
        let mut rows_left = ROWS_MAX;
        loop {
            let (mut failed, mut skip, mut full) = (Ok(()), None, false);
            let from = self.at.clone();
            let past;
            let bound = match &from {
                None => Bound::Unbounded,
                Some(Resume::After(name)) => Bound::Excluded(name.as_str()),
                // Names are UTF-8 and this is greater than any of them that begins with the prefix.
                Some(Resume::Past(prefix)) => {
                    past = format!("{prefix}\u{10FFFF}\u{10FFFF}");
                    Bound::Included(past.as_str())
                }
            };
            let (index, prefix) = (&self.engine.index, &self.options.prefix);
            let limit = self.limit;
            let room = |page: &Page| limit - page.entries.len() - page.prefixes.len();
            // One more tells whether there is another page; of names that are rolled up one tells of many.
            let likely = self.options.delimiter.is_none().then(|| room(&self.page) + 1);
            let scanned = index.scan_batches(self.account, bound, prefix, (rows_left, likely), &mut |names| {
                let rows = self.rows_of(&names[..names.len().min(room(&self.page))]);
                for (place, (name, _)) in names.iter().enumerate() {
                    rows_left -= 1;
                    if let Some(Resume::Past(prefix)) = &from
                        && name.starts_with(prefix.as_str())
                    {
                        self.come_to(name);
                        continue;
                    }
                    if self.page.entries.len() + self.page.prefixes.len() >= self.limit {
                        full = true;
                        return ControlFlow::Break(());
                    }
                    let row = match rows.get(place) {
                        Some(row) => *row,
                        None => self.engine.catalog.name(self.engine.log.secret.name_key(self.account, name)),
                    };
                    match self.take(name, row) {
                        Ok(prefix) => skip = prefix,
                        Err(error) => failed = Err(error),
                    }
                    if skip.is_some() || failed.is_err() {
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            });
            let end = match scanned {
                Ok(end) => end,
                Err(broken) => return Ok(Err(broken)),
            };
            failed?;
            if let Some(prefix) = skip {
                self.at = Some(Resume::Past(prefix));
            } else {
                return Ok(Ok(full || end == ScanEnd::Limit));
            }
            if rows_left == 0 {
                return Ok(Ok(true));
            }
        }
    }

    /// The rows that the catalog has of names, their entries on the way into the processor. Of names that are to be
    /// rolled up most are never looked at: none.
    fn rows_of(&mut self, names: &[NameAt<'_>]) -> Vec<Option<NameRow>> {
        if self.options.delimiter.is_some() {
            return Vec::new();
        }
        let secret = &self.engine.log.secret;
        let keys: Vec<_> = names.iter().map(|(name, _)| secret.name_key(self.account, name)).collect();
        let rows = self.engine.catalog.names(&keys);
        for place in rows.iter().flatten().map(|row| row.place) {
            if let Some(segment) = self.segment(place.segment) {
                segment.touch(place.offset.into());
            }
        }
        rows
    }

    fn segment(&mut self, id: u32) -> Option<&Segment> {
        match self.segments.entry(id) {
            Slot::Occupied(slot) => Some(slot.into_mut()),
            Slot::Vacant(slot) => Some(slot.insert(self.engine.log.segment(id)?)),
        }
    }

    fn come_to(&mut self, name: &str) {
        match &mut self.at {
            Some(Resume::After(last)) => {
                last.clear();
                last.push_str(name);
            }
            at => *at = Some(Resume::After(name.to_owned())),
        }
    }

    /// Takes a name into the page, if it is there and passes the filters; gives the common prefix it was
    /// rolled up into. `row` is what the catalog has of it.
    fn take(&mut self, name: &str, row: Option<NameRow>) -> Result<Option<String>> {
        let Some(row) = row.filter(|row| !row.is_over(self.now_ms)) else {
            self.come_to(name);
            return Ok(None);
        };
        let delimiter = self.options.delimiter.as_deref();
        let rest = &name[self.options.prefix.len()..];
        let cut = delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
        let unfiltered = self.created == (None, None);
        if let Some(cut) = cut.filter(|_| unfiltered) {
            let prefix = name[..self.options.prefix.len() + cut].to_owned();
            self.page.prefixes.push(prefix.clone());
            return Ok(Some(prefix));
        }
        self.come_to(name);
        // What fails is looked up again: it may have been moved meanwhile, or be damaged.
        let read = |segment: &Segment| segment.read_op(row.place.offset.into(), |op| op.entry()).ok().flatten();
        let entry = match self.segment(row.place.segment).and_then(read) {
            Some(entry) => entry,
            None => match self.engine.lookup.listed(name, row)? {
                Some(entry) => entry,
                None => return Ok(None),
            },
        };
        let created_ms = ms_of(entry.created_at);
        let within =
            self.created.0.is_none_or(|from| created_ms >= from) && self.created.1.is_none_or(|to| created_ms < to);
        match cut {
            _ if !within => Ok(None),
            Some(cut) => {
                let prefix = name[..self.options.prefix.len() + cut].to_owned();
                self.page.prefixes.push(prefix.clone());
                Ok(Some(prefix))
            }
            None => {
                self.page.entries.push(entry);
                Ok(None)
            }
        }
    }
}

//! Pages of a message's media.
//!
//! A page is told by a cut: the medium before which one page ends and the next begins. Cuts are names, and names are in
//! one order for ever, so whatever is added and deleted between two requests, going forth and back neither skips nor
//! repeats what stays. A token is a cut and a direction, signed by the store's key for the account, the message and the
//! filters; it holds for a week.
//!
//! A message has so few media that each request reads all of their entries.

use std::fmt::Write as _;
use std::time::Duration;

use mediacask::{Account, Entry, Grant, ListOptions, Method};

use super::dates::Filter;
use super::resource::{Form, Medium, Page};
use super::{Asked, is_sid, media_uri};
use crate::path::encoded;
use crate::refusal::{Answer, Refusal};

const SIZE_DEFAULT: u64 = 50;
const SIZE_MAX: u64 = 1000;

/// How long a token holds.
const TOKEN_TIME: Duration = Duration::from_hours(7 * 24);

/// What a query asks for.
#[derive(Default)]
struct Query {
    size: Option<u64>,
    page: u64,
    token: Option<String>,
    filters: Vec<Filter>,
    /// The filters as they were given, for the links and for the tokens.
    filtered_by: Vec<(String, String)>,
}

impl Query {
    fn read(pairs: Vec<(String, String)>) -> Answer<Query> {
        let mut query = Query::default();
        for (key, value) in pairs {
            let number = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse::<u64>().ok()).flatten();
            match key.as_str() {
                "PageSize" => match number {
                    Some(size @ 1..) => query.size = Some(size.min(SIZE_MAX)),
                    _ => return Err(Refusal::bad_request("PageSize is a whole number of 1 at least")),
                },
                "Page" => {
                    let wrong = || Refusal::bad_request("Page is a whole number of 0 at least");
                    query.page = number.ok_or_else(wrong)?;
                }
                "PageToken" => query.token = Some(value),
                _ => {
                    if let Some(filter) = Filter::read(&key, &value) {
                        query.filters.push(filter.map_err(Refusal::bad_request)?);
                        query.filtered_by.push((key, value));
                    }
                }
            }
        }
        Ok(query)
    }

    fn size(&self) -> u64 {
        self.size.unwrap_or(SIZE_DEFAULT)
    }
}

/// Which side of a cut a page is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Behind,
    Before,
}

impl Side {
    fn word(self) -> &'static str {
        if self == Side::Behind { "PA" } else { "PB" }
    }
}

pub(super) async fn list(asked: Asked<'_>, message: String, form: Form) -> Answer {
    let query = Query::read(super::query(asked.head)?)?;
    let listing = Listing { asked: &asked, message: &message, query: &query, form };
    let cut = query.token.as_deref().map(|token| listing.opened(token)).transpose()?;
    let (media, prefix) = (asked.media.clone(), format!("{message}/"));
    let mut entries = asked.gateway.read(move || all(&media, &prefix)).await??;
    entries.retain(|entry| query.filters.iter().all(|filter| filter.lets_through(entry.created_at)));
    Ok(listing.page(&entries, cut.as_ref())?.answer(form))
}

fn all(media: &Account, prefix: &str) -> mediacask::Result<Vec<Entry>> {
    media.entries(ListOptions::new().prefix(prefix)).collect()
}

struct Listing<'a> {
    asked: &'a Asked<'a>,
    message: &'a str,
    query: &'a Query,
    form: Form,
}

impl Listing<'_> {
    /// The page of these entries that the cut, or else the number, leads to.
    fn page(&self, entries: &[Entry], cut: Option<&(Side, String)>) -> Answer<Page> {
        let (size, number) = (self.query.size(), self.query.page);
        let len = entries.len();
        let place = |cut: &str| entries.partition_point(|entry| sid(entry) < cut);
        let size_here = usize::try_from(size).unwrap_or(usize::MAX);
        let (from, to) = match cut {
            Some((Side::Behind, cut)) => (place(cut), len.min(place(cut).saturating_add(size_here))),
            Some((Side::Before, cut)) => (place(cut).saturating_sub(size_here), place(cut)),
            None => {
                let from = usize::try_from(number.saturating_mul(size)).map_or(len, |from| from.min(len));
                (from, len.min(from.saturating_add(size_here)))
            }
        };
        let next = entries.get(to).map(|entry| self.linked(number.saturating_add(1), Side::Behind, sid(entry)));
        let previous = (number > 0).then(|| {
            // Where this page begins; behind the last medium, what the request itself says.
            let begin = entries.get(from).map(sid).or(cut.map(|(_, cut)| cut.as_str()));
            begin.map_or_else(|| Ok(self.uri(number - 1)), |begin| self.linked(number - 1, Side::Before, begin))
        });
        let media = entries[from..to].iter();
        let start = number.saturating_mul(size);
        Ok(Page {
            media_list: media.map(|entry| Medium::of(self.account(), self.message, entry, self.form)).collect(),
            page: number,
            page_size: size,
            start,
            end: start.saturating_add((to - from) as u64).saturating_sub(1).max(start),
            uri: self.query.token.iter().fold(self.uri(number), |uri, token| format!("{uri}&PageToken={token}")),
            first_page_uri: self.uri(0),
            next_page_uri: next.transpose()?,
            previous_page_uri: previous.transpose()?,
        })
    }

    fn account(&self) -> &str {
        &self.asked.account.sid
    }

    /// The link to a page by its number alone, relative to the host. The filters stay in it.
    fn uri(&self, number: u64) -> String {
        let path = media_uri(self.account(), self.message);
        let mut uri = format!("{path}.{}?PageSize={}&Page={number}", self.form.extension(), self.query.size());
        for (key, value) in &self.query.filtered_by {
            let _ = write!(uri, "&{}={}", encoded(key), encoded(value));
        }
        uri
    }

    /// The link to the page on that side of the cut.
    fn linked(&self, number: u64, side: Side, cut: &str) -> Answer<String> {
        let grant = Grant::new(self.asked.media.name(), self.granted(side, cut)).ttl(TOKEN_TIME);
        let text = self.asked.gateway.store.signer()?.sign(&grant)?;
        Ok(format!("{}&PageToken={}{cut}.{text}", self.uri(number), side.word()))
    }

    /// The name that a token grants: to go on from there. No medium has such a name; and where there are so many
    /// filters that it would be none at all, the listing is refused.
    fn granted(&self, side: Side, cut: &str) -> String {
        let mut name = format!("page/{}/{}/{cut}", self.message, side.word());
        for (key, value) in &self.query.filtered_by {
            let _ = write!(name, "/{key}={value}");
        }
        name
    }

    fn opened(&self, token: &str) -> Answer<(Side, String)> {
        let refused = || Refusal::bad_request("the PageToken was altered, or belongs to another listing; begin anew");
        let side = [Side::Behind, Side::Before].into_iter().find(|side| token.starts_with(side.word()));
        let side = side.ok_or_else(refused)?;
        let (cut, text) = token[side.word().len()..].split_once('.').ok_or_else(refused)?;
        if !is_sid(cut, &["ME"]) {
            return Err(refused());
        }
        let (signer, granted) = (self.asked.gateway.store.signer()?, self.granted(side, cut));
        signer.verify(text, self.asked.media.name(), &granted, Method::Get).map_err(|_| refused())?;
        Ok((side, cut.to_owned()))
    }
}

fn sid(entry: &Entry) -> &str {
    entry.name.rsplit('/').next().unwrap_or_default()
}

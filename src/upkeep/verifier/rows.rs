//! Steps 3 and 4: the catalog's rows against the log, what each damaged place costs, references, and the
//! index.
//!
//! Rows change while they are read: one counts only if it is still the catalog's after what it points to was
//! found wanting. References are counted in a moment when nobody changes them, and only those that seemed
//! wrong several times before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::ops::{Bound, ControlFlow};

use super::{Found, Kind, PIECE, Run, Stop};
use crate::catalog::accounts::PolicyRow;
use crate::catalog::lives::{BLOB_HEAD_LEN, ENTRY_LEN};
use crate::catalog::{ContentId, ContentRow, NameRow, SHARDS};
use crate::digest::Digest;
use crate::error::Result;
use crate::log::record::{BlobView, HEADER_LEN, OpView};
use crate::upkeep::Upkeep;
use crate::upkeep::verifier::report::Damaged;

/// How often references are counted beside those who write before they are counted without them.
const COUNTS: usize = 3;

/// What comparing an account's rows counts for, in bytes, between two looks at whether to go on.
const ACCOUNT_LEN: u64 = PIECE / 16;

/// A name that a damaged place costs.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) row: NameRow,
    pub(super) account: String,
    /// `None`: its entry is damaged, and the index does not know it.
    pub(super) name: Option<String>,
    pub(super) digest: Digest,
}

/// A content that is damaged, and the names that hold it.
pub(super) struct Content {
    pub(super) id: ContentId,
    pub(super) row: ContentRow,
    pub(super) holders: Vec<Holder>,
}

/// A damaged place, and what it costs.
pub(super) struct Case {
    pub(super) found: Found,
    pub(super) contents: Vec<Content>,
    /// Names whose own entries stand there.
    pub(super) entries: Vec<Holder>,
    /// Accounts whose policies stand there.
    pub(super) policies: Vec<(String, PolicyRow)>,
    /// An earlier repair has set it aside.
    pub(super) aside: bool,
    /// What a repair came to.
    pub(super) outcome: Option<String>,
    pub(super) is_done: bool,
}

impl Case {
    fn new(found: Found, aside: bool) -> Case {
        let (contents, entries, policies) = (Vec::new(), Vec::new(), Vec::new());
        Case { found, contents, entries, policies, aside, outcome: None, is_done: false }
    }

    /// Whether something alive was hit.
    pub(super) fn is_hit(&self) -> bool {
        !self.contents.is_empty() || !self.entries.is_empty() || !self.policies.is_empty()
    }

    /// What is told of it: of each content with its names, and of the names whose entries stand there.
    pub(super) fn told(&self) -> Vec<Damaged> {
        let of = |digest: Option<Digest>, holders: &[Holder]| {
            let key_of = |holder: &Holder| Some((holder.account.clone(), holder.name.clone()?));
            let names: Vec<_> = holders.iter().filter_map(key_of).collect();
            let mut what = self.found.what.clone();
            if names.len() < holders.len() {
                let _ = write!(what, "; how {} of its names are called is not known", holders.len() - names.len());
            }
            for (account, _) in &self.policies {
                let _ = write!(what, "; the policy of account {account:?} stands there");
            }
            if !self.is_hit() {
                what += "; nothing alive was hit";
            }
            let Found { path, offset, len, .. } = self.found.clone();
            let remedy = self.outcome.clone().unwrap_or_else(|| self.remedy());
            Damaged { path, offset, len, digest, names, what, remedy }
        };
        let mut told: Vec<_> =
            self.contents.iter().map(|content| of(Some(content.row.digest), &content.holders)).collect();
        if !self.entries.is_empty() {
            let held: HashSet<Digest> = self.entries.iter().map(|holder| holder.digest).collect();
            let one = held.iter().next().filter(|digest| held.len() == 1 && **digest != Digest::default());
            told.push(of(one.copied(), &self.entries));
        }
        if told.is_empty() {
            told.push(of(self.found.digest, &[]));
        }
        told
    }
}

impl Run<'_, '_> {
    /// About what is read for the rows.
    pub(super) fn bytes_of_rows(&self) -> u64 {
        let sums = self.upkeep.catalog.sums();
        sums.names * ENTRY_LEN + sums.contents * BLOB_HEAD_LEN
    }

    fn is_claimed(&self, segment: u32, offset: u64) -> bool {
        let before = self.claims.range(..=(segment, offset)).next_back();
        before.is_some_and(|((of, _), end)| *of == segment && offset < *end)
    }

    /// Each content's record stands, and those that the walk did not meet are read; then, each name's entry
    /// stands where the catalog has it, and is that name's.
    pub(super) fn read_rows(&mut self) -> Result<(), Stop> {
        let catalog = &self.upkeep.catalog;
        while self.shards < SHARDS {
            for (id, row) in catalog.contents_in(self.shards) {
                self.read_content(id, &row)?;
            }
            self.shards += 1;
        }
        while self.shards < 2 * SHARDS {
            for row in catalog.names_in(self.shards - SHARDS) {
                self.read_entry(&row)?;
            }
            self.shards += 1;
        }
        Ok(())
    }

    fn read_content(&mut self, id: ContentId, row: &ContentRow) -> Result<(), Stop> {
        let (at, number) = (row.place.record_at(), row.place.segment);
        // A name whose record is damaged may have no content that anybody knows of.
        if self.is_claimed(number, at) || row.digest == Digest::default() {
            return Ok(());
        }
        let segment = self.upkeep.log.segment(number);
        let record = segment.as_ref().and_then(|segment| {
            let (header, head) = segment.record(at).ok()??;
            let blob = BlobView::decode(&header, &head)?;
            (blob.digest == row.digest && blob.len == row.len).then(|| (segment, header, head.into_owned()))
        });
        if let Some((segment, header, head)) = record {
            let is_behind = self.walked.get(&number).map_or(number >= self.from, |end| at >= *end);
            if is_behind {
                self.content(segment, at, &header, &head)?;
            }
        } else if self.upkeep.is_still(id, row) {
            let what = format!("the catalog has the content {} there, and its record does not stand", row.digest);
            self.blame_row(number, at, HEADER_LEN as u64, what);
        }
        self.pace(BLOB_HEAD_LEN)
    }

    fn read_entry(&mut self, row: &NameRow) -> Result<(), Stop> {
        self.entries_checked += 1;
        let (number, at) = (row.place.segment, u64::from(row.place.offset));
        let is_wanting = !self.is_claimed(number, at) && !self.upkeep.entry_stands(row);
        if is_wanting && self.upkeep.catalog.name(row.key) == Some(*row) {
            self.blame_row(number, at, 0, "the entry that the catalog has there does not stand".into());
        }
        self.pace(ENTRY_LEN)
    }

    /// Keeps the place that a row points to and where nothing stands; of a segment that is missing, once.
    fn blame_row(&mut self, number: u32, at: u64, len: u64, what: String) {
        let path = self.upkeep.log.path_of(number);
        let found = match self.upkeep.log.segment(number) {
            Some(segment) => {
                Found::new(Kind::Records(segment), &path, at..at + len, what).claiming(number, at..at + len.max(1))
            }
            None if number == 0 => {
                let dir = self.upkeep.home.segments();
                let what = "contents that names hold are nowhere in the log";
                Found::new(Kind::Missing, &dir, 0..0, what).claiming(0, 0..u64::MAX)
            }
            None => {
                Found::new(Kind::Missing, &path, 0..0, "a segment of the log is missing").claiming(number, 0..u64::MAX)
            }
        };
        self.blame(found);
    }

    /// What was found, each place with the rows that point into it. The contents become suspects.
    pub(super) fn cases(&self) -> Result<Vec<Case>> {
        let aside = self.upkeep.aside();
        let mut cases: Vec<Case> = self.found.iter().map(|found| Case::new(found.clone(), aside.has(found))).collect();
        let mut claims = BTreeMap::new();
        for (n, found) in self.found.iter().enumerate().filter(|(_, found)| !found.claim.1.is_empty()) {
            claims.entry((found.claim.0, found.claim.1.start)).or_insert((found.claim.1.end, n));
        }
        if claims.is_empty() {
            return Ok(cases);
        }
        let case_of = |segment: u32, offset: u64| {
            let ((of, _), (end, n)) = claims.range(..=(segment, offset)).next_back()?;
            (*of == segment && offset < *end).then_some(*n)
        };
        let (upkeep, catalog) = (self.upkeep, &self.upkeep.catalog);
        let mut held: HashMap<ContentId, (usize, usize)> = HashMap::new();
        catalog.for_each_content(|id, row| {
            if let Some(n) = case_of(row.place.segment, row.place.record_at()) {
                catalog.suspect(&row.digest);
                held.insert(id, (n, cases[n].contents.len()));
                cases[n].contents.push(Content { id, row: *row, holders: Vec::new() });
            }
        });
        let mut failed = Ok(());
        catalog.for_each_name(|row| {
            let hit = case_of(row.place.segment, row.place.offset.into());
            let holds = held.get(&row.content).copied();
            if hit.is_none() && holds.is_none() {
                return;
            }
            match upkeep.holder(row) {
                Ok(Some(holder)) => {
                    let content = holds.map(|(n, c)| (n, &cases[n].contents[c].row.digest));
                    // Another content may have come in the slot of one that was let go.
                    if content.is_some_and(|(_, digest)| *digest == holder.digest)
                        && let Some((n, c)) = holds
                    {
                        cases[n].contents[c].holders.push(holder.clone());
                    }
                    if let Some(n) = hit {
                        cases[n].entries.push(holder);
                    }
                }
                Ok(None) => {}
                Err(error) => failed = Err(error),
            }
        });
        failed?;
        for account in catalog.accounts.all() {
            let policy = account.state.lock().policy;
            let Some(policy) = policy else { continue };
            if let Some(n) = case_of(policy.place.segment, policy.place.offset.into()) {
                cases[n].policies.push((account.name.to_string(), policy));
            }
        }
        upkeep.recall_names(&mut cases);
        Ok(cases)
    }

    /// References, counted anew.
    pub(super) fn count_references(&mut self) -> Result<(), Stop> {
        let catalog = &self.upkeep.catalog;
        let mut wrong: Option<HashSet<(Digest, u32)>> = None;
        for _ in 0..COUNTS {
            let now: HashSet<_> = catalog.miscounted().into_iter().map(|(digest, scope, ..)| (digest, scope)).collect();
            let both = wrong.map_or(now.clone(), |wrong| wrong.intersection(&now).copied().collect());
            if both.is_empty() {
                return Ok(());
            }
            wrong = Some(both);
            self.ask()?;
        }
        // Who holds the tail lets nobody change references but by pins, and those only add.
        let _still = self.upkeep.log.tail();
        let before = catalog.pins();
        let counted = catalog.miscounted();
        let unpinned = before == catalog.pins() && before.0 == before.1;
        let is_wrong = |counted: u32, held: u32| if unpinned { counted != held } else { counted > held };
        self.wrong_references = counted.iter().filter(|(.., counted, held)| is_wrong(*counted, *held)).count() as u64;
        Ok(())
    }

    /// The rows of each account in the index, against the sums that follow the log.
    pub(super) fn compare_index(&mut self) -> Result<(), Stop> {
        for account in self.upkeep.catalog.accounts.all() {
            if self.upkeep.index_differs(&account.name)? {
                self.differing.push(account.name.to_string());
            }
            self.unasked += ACCOUNT_LEN;
            self.pace(0)?;
        }
        Ok(())
    }
}

impl Upkeep {
    /// Whether a content is still where a row has it.
    pub(super) fn is_still(&self, id: ContentId, row: &ContentRow) -> bool {
        let now = self.catalog.content(id);
        now.is_some_and(|now| (now.digest, now.scope, now.place) == (row.digest, row.scope, row.place))
    }

    /// Whether the entry of a row stands in the log, and is what the row says.
    fn entry_stands(&self, row: &NameRow) -> bool {
        let Some(segment) = self.log.segment(row.place.segment) else { return false };
        let Ok(bytes) = segment.op(row.place.offset.into()) else { return false };
        OpView::decode(&bytes).is_some_and(|op| {
            let digest = op.put().map(|put| put.digest);
            let content = self.catalog.content(row.content).map(|content| content.digest);
            op.sequence() == row.sequence
                && digest.is_some()
                && content.is_none_or(|content| digest == Some(content))
                && self.log.secret.name_key(op.account(), op.name()) == row.key
                && op.texts_are_sound()
        })
    }

    /// The name of a row, and the content it holds; `None` when it was overtaken.
    pub(super) fn holder(&self, row: &NameRow) -> Result<Option<Holder>> {
        let target = self.target(row)?.filter(|target| {
            let key = self.log.secret.name_key(&target.account, &target.name);
            key == row.key
        });
        let content = self.catalog.content(row.content);
        let account = self.catalog.accounts.get(row.account).map(|account| account.name.to_string());
        let (Some(account), Some(content)) = (account, content) else { return Ok(None) };
        let is_current = self.catalog.name(row.key) == Some(*row);
        let name = target.map(|target| target.name);
        Ok(is_current.then_some(Holder { row: *row, account, name, digest: content.digest }))
    }

    /// Asks the index how names are called whose entries are damaged; then all are in order.
    fn recall_names(&self, cases: &mut [Case]) {
        let all = |case: &mut Case, each: &mut dyn FnMut(&mut Vec<Holder>)| {
            case.contents.iter_mut().for_each(|content| each(&mut content.holders));
            each(&mut case.entries);
        };
        let mut unknown: HashMap<String, HashMap<_, Option<String>>> = HashMap::new();
        cases.iter_mut().for_each(|case| {
            all(case, &mut |holders| {
                for holder in holders.iter().filter(|holder| holder.name.is_none()) {
                    unknown.entry(holder.account.clone()).or_default().insert(holder.row.key, None);
                }
            });
        });
        for (account, keys) in &mut unknown {
            // An index that cannot be read knows nothing.
            let _ = self.index.scan(account, Bound::Unbounded, "", usize::MAX, &mut |name, _| {
                if let Some(known) = keys.get_mut(&self.log.secret.name_key(account, name)) {
                    *known = Some(name.to_owned());
                }
                ControlFlow::Continue(())
            });
        }
        cases.iter_mut().for_each(|case| {
            all(case, &mut |holders| {
                for holder in holders.iter_mut().filter(|holder| holder.name.is_none()) {
                    holder.name = unknown.get(&holder.account).and_then(|keys| keys.get(&holder.row.key).cloned()?);
                }
                holders.sort_by(|a, b| (&a.account, &a.name).cmp(&(&b.account, &b.name)));
            });
        });
    }
}

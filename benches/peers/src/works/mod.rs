//! The works, and the field they are done on: all peers open at once, each in a directory of its own, taking turns.
//!
//! A round is one slice of each peer, one after the other, and each round begins with another one: a disk that
//! changes its mind changes all of them. What a peer does behind is over before the next one's slice begins, or has
//! had its time: else they would pay for each other. How long that took stands in the report. A peer that fails leaves
//! the field; that is reported, and fails the run.

pub mod check;
mod churn;
mod cold;
mod day;
mod dedup;
mod expire;
mod get;
mod names;
mod put;
mod recycled;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::form::Form;
use crate::measure::{Slice, bytes_on_disk, come_to_rest};
use crate::peer::{Kind, Peer, Result, Role, Setup};
use crate::report::{Report, Tally};

/// How long a peer may go on behind its slice before it is the next one's turn.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// What every work is given.
pub struct Bench<'a> {
    pub form: &'a Form,
    pub kinds: &'a [Kind],
    /// Where the stores lie.
    pub dir: &'a Path,
    pub report: &'a mut Report,
}

/// A work: its name on the command line, and what it does.
pub type Work = (&'static str, fn(&mut Bench<'_>));

/// All works, in the order they are done.
pub const ALL: &[Work] = &[
    ("check", check::work),
    ("put", put::work),
    ("put_recycled", recycled::work),
    ("get", get::work),
    ("get_cold", cold::work),
    ("names", names::work),
    ("churn", churn::work),
    ("dedup", dedup::work),
    ("expire", expire::work),
    ("day", day::work),
];

/// A peer on the field.
struct Entrant {
    kind: Kind,
    // Before its directory: it is closed first.
    peer: Box<dyn Peer>,
    dir: TempDir,
    tally: Tally,
    /// Operations done, those of the warm-up as well.
    done: u64,
}

impl Entrant {
    fn open(kind: Kind, below: &Path, setup: &Setup) -> Result<Entrant> {
        let dir = tempfile::Builder::new().prefix(kind.name).tempdir_in(below)?;
        let peer = (kind.open)(dir.path(), setup)?;
        Ok(Entrant { kind, peer, dir, tally: Tally::default(), done: 0 })
    }

    /// Closes the store, and keeps its directory.
    fn close(self) -> (Kind, TempDir, Tally) {
        drop(self.peer);
        (self.kind, self.dir, Tally::default())
    }

    /// Bytes on the disk for each that lives; not of the physical limit, whose room is all allocated beforehand.
    fn disk_per_byte(&self, alive: u64) -> Option<f64> {
        let bytes = (self.kind.role != Role::Limit).then(|| bytes_on_disk(self.dir.path()).ok()).flatten()?;
        (alive > 0).then(|| bytes as f64 / alive as f64)
    }
}

/// The peers that take part in a work.
struct Field {
    work: String,
    entrants: Vec<Entrant>,
}

impl Bench<'_> {
    /// Opens the peers of these roles.
    fn field(&mut self, work: &str, roles: &[Role], setup: &Setup) -> Field {
        eprintln!("peers: {work}");
        let mut entrants = Vec::new();
        for kind in self.kinds.iter().filter(|kind| roles.contains(&kind.role)) {
            match Entrant::open(*kind, self.dir, setup) {
                Ok(entrant) => entrants.push(entrant),
                Err(error) => self.report.fail(kind.name, work, &error),
            }
        }
        Field { work: work.to_owned(), entrants }
    }

    /// Has each peer do something; who fails leaves.
    fn each(&mut self, field: &mut Field, mut ask: impl FnMut(&mut Entrant) -> Result<()>) {
        let (work, report) = (&field.work, &mut self.report);
        field.entrants.retain_mut(|entrant| {
            // A store that panics is out, and the others go on.
            let outcome = catch_unwind(AssertUnwindSafe(|| ask(entrant)));
            let outcome = outcome.unwrap_or_else(|_| Err("it panicked".into()));
            outcome.inspect_err(|error| report.fail(entrant.kind.name, work, error)).is_ok()
        });
    }

    /// A round: a slice of each peer, beginning with another one each time. Round 0 warms up and does not count.
    fn round(&mut self, field: &mut Field, round: usize, slice: impl Fn(&Entrant) -> Result<Slice>) {
        let first = round.min(field.entrants.len());
        field.entrants.rotate_left(first);
        self.each(field, |entrant| {
            let mut slice = slice(entrant)?;
            slice.behind = come_to_rest(BEHIND_MAX);
            entrant.done += slice.ops;
            if round > 0 { entrant.tally.add(&slice) } else { Ok(()) }
        });
    }

    /// The entrants in the order of the report.
    fn in_order(&self, field: Field) -> Vec<Entrant> {
        let place = |entrant: &Entrant| self.kinds.iter().position(|kind| kind.name == entrant.kind.name);
        let mut entrants = field.entrants;
        entrants.sort_by_key(place);
        entrants
    }
}

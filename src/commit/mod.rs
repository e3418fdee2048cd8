//! Group commit: the way every change takes into the log, and the only one.
//!
//! ```text
//! submit    whoever comes first leads; all who wait by then are its group
//! admit     conditions, quotas, dedup, in the order of the log (plan.rs)
//! append    one vectored write for the whole group
//! sync      one fdatasync
//! apply     the catalog shows it; every member learns its own result
//! ```
//!
//! Invariants:
//! - Nothing is shown or acknowledged as durable before the sync of its group.
//! - After a failed sync, or an append that cannot be taken back, nothing is written any more: the
//!   store is poisoned, here and nowhere else; every waiter and every later writer hears so.
//! - What changes let go counts as dead only once they are durable.

pub(crate) mod brake;
mod company;
mod plan;
pub(crate) mod queue;
pub(crate) mod request;
mod sync;
mod waits;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::catalog::{Catalog, LetGo};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::disk::locks::{Condvar, Mutex};
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Log, Position, Room, Tail};
use crate::telemetry::{self, Phase, Timer};
use brake::Brake;
use plan::Plan;
use queue::Queue;
use request::{Done, Intent, Refused, Request};
use waits::Waits;

type Answer = (Option<Request>, Result<Vec<Done>, Refused>);

/// The one writer of the log and the catalog.
pub(crate) struct Commit {
    log: Arc<Log>,
    catalog: Arc<Catalog>,
    clock: Clock,
    store_wide: bool,
    queue: Queue<Request, Answer>,
    poison: OnceLock<Error>,
    /// Guards what is durable, and what waits to be.
    behind: Mutex<Behind>,
    /// Wakes who waits for more to be durable; costs nothing when nobody does.
    durable_moved: Condvar,
    /// Wakes upkeep when there is something to do behind the acknowledgement.
    wake: Box<dyn Fn() + Send + Sync>,
    pub(crate) brake: Brake,
    /// For the right to write, while upkeep had it.
    pub(crate) waits: Waits,
    closed: AtomicBool,
    /// Guards the contents that are being taken down.
    barred: Mutex<Vec<Digest>>,
    pub(crate) dedup_hits: AtomicU64,
    pub(crate) puts: AtomicU64,
}

/// While it lives, a content cannot be put.
pub(crate) struct Bar<'a> {
    commit: &'a Commit,
    digest: Digest,
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        let mut barred = self.commit.barred.lock();
        if let Some(place) = barred.iter().position(|digest| *digest == self.digest) {
            barred.swap_remove(place);
        }
    }
}

#[derive(Default)]
struct Behind {
    /// The end of what is durable and applied.
    durable: Position,
    /// The last sequence number that is durable.
    durable_sequence: u64,
    /// Something was applied that is not durable yet.
    outstanding: bool,
    /// Let go by changes that are not durable yet.
    unsettled: Vec<LetGo>,
    /// Let go for good, for upkeep to free what has a file of its own.
    settled: Vec<LetGo>,
    /// When something was let go first that upkeep has not been told of, Unix ms.
    died_ms: Option<u64>,
}

impl Behind {
    fn let_go(&mut self, let_go: Vec<LetGo>, now_ms: u64) {
        if !let_go.is_empty() {
            self.died_ms.get_or_insert(now_ms);
        }
        self.unsettled.extend(let_go);
    }
}

impl Commit {
    pub(crate) fn new(
        log: Arc<Log>,
        catalog: Arc<Catalog>,
        clock: Clock,
        store_wide: bool,
        brake: Brake,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Commit {
        let (durable, durable_sequence) = {
            let tail = log.tail();
            (tail.synced_position(), tail.last_sequence())
        };
        Commit {
            log,
            catalog,
            clock,
            store_wide,
            queue: Queue::new(Request::len),
            poison: OnceLock::new(),
            behind: Mutex::new(Behind { durable, durable_sequence, ..Behind::default() }),
            durable_moved: Condvar::new(),
            wake,
            brake,
            waits: Waits::default(),
            closed: AtomicBool::new(false),
            barred: Mutex::default(),
            dedup_hits: AtomicU64::new(0),
            puts: AtomicU64::new(0),
        }
    }

    /// Does a request, in a group with those that wait by its side.
    pub(crate) fn submit(&self, request: Request) -> (Option<Request>, Result<Vec<Done>, Refused>) {
        if request.room() == Some(Room::Ordinary) {
            self.brake.pass();
        }
        let abandoned = || (None, Err(self.poisoned_by_panic().into()));
        let answer = self.queue.submit(request, |group| self.lead(group), &abandoned);
        if let Err(Refused::Error(error)) = &answer.1 {
            telemetry::failed(error);
        }
        answer
    }

    /// Makes all that was acknowledged so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check_poison()?;
        self.sync_tail(&mut self.log.tail())
    }

    /// The same for who holds the right to write.
    pub(crate) fn sync_tail(&self, tail: &mut Tail) -> Result<()> {
        self.log.sync(tail).map_err(|error| self.poison_if_lasting(error))?;
        self.settle(tail, Vec::new());
        Ok(())
    }

    /// The same, when something is outstanding.
    pub(crate) fn sync_if_behind(&self) -> Result<()> {
        if self.is_behind() { self.sync() } else { self.check_poison() }
    }

    /// Whether something was acknowledged that is not durable yet. Waits for nobody who writes.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.lock().outstanding
    }

    /// Leads a group: as few runs as the segment's room allows, normally one.
    fn lead(&self, requests: Vec<Request>) -> Vec<Answer> {
        let mut answers: Vec<Result<Vec<Done>, Refused>> = Vec::with_capacity(requests.len());
        // Leaders come one at a time: if somebody has it, that is upkeep.
        let mut tail = self.log.try_tail().unwrap_or_else(|| self.waits.during(|| self.log.tail()));
        while answers.len() < requests.len() {
            let rest = &requests[answers.len()..];
            match self.check_open().and_then(|()| self.make_room(&mut tail, rest)) {
                Ok(count) => self.write(&mut tail, &rest[..count], &mut answers),
                Err(error) => {
                    answers.push(Err(self.poison_if_lasting(error).into()));
                    let unpin = |(digest, scope)| crate::catalog::Change::Unpin { digest, scope };
                    let let_go = self.catalog.apply(rest[0].pins.iter().copied().map(unpin).collect());
                    self.behind.lock().let_go(let_go, self.clock.now_ms());
                }
            }
        }
        drop(tail);
        requests.into_iter().map(Some).zip(answers).collect()
    }

    /// Writes one run: append, sync, apply. Everything a put waits for is here.
    fn write(&self, tail: &mut Tail, requests: &[Request], answers: &mut Vec<Result<Vec<Done>, Refused>>) {
        let (_span, timer) = (telemetry::span(Phase::Group), Timer::start());
        let barred = self.barred.lock().clone();
        let mut plan = Plan::new(&self.log, &self.catalog, tail, self.store_wide, self.clock.now_ms(), barred);
        let admitted: Vec<_> = requests.iter().map(|request| plan.admit(tail, request)).collect();
        let Plan { group, changes, needs_sync, dedup_hits, .. } = plan;

        let written = if group.is_empty() { Ok(()) } else { self.log.append(tail, &group) };
        let durable = written.and_then(|()| match needs_sync {
            true => self.log.sync(tail),
            false if group.is_empty() => Ok(()),
            false => tail.check_named(),
        });
        if let Err(error) = durable {
            let error = self.poison_if_lasting(error);
            let pins = changes.into_iter().filter(|change| matches!(change, crate::catalog::Change::Unpin { .. }));
            let let_go = self.catalog.apply(pins.collect());
            self.behind.lock().let_go(let_go, self.clock.now_ms());
            answers.extend(admitted.into_iter().map(|done| done.and_then(|_| Err(error.clone().into()))));
            return;
        }
        tail.reveal();
        let let_go = self.catalog.apply(changes);
        self.settle(tail, let_go);
        self.dedup_hits.fetch_add(dedup_hits, Ordering::Relaxed);
        self.puts.fetch_add(admitted.len() as u64, Ordering::Relaxed);
        telemetry::group(timer, requests.len(), dedup_hits);
        if telemetry::METRICS {
            requests.iter().zip(&admitted).for_each(|(request, done)| tell(request, done));
        }
        answers.extend(admitted);
        (self.wake)();
    }

    /// Counts what is let go as dead, if nothing is outstanding; else once nothing is.
    fn settle(&self, tail: &Tail, let_go: Vec<LetGo>) {
        let now_ms = self.clock.now_ms();
        let mut behind = self.behind.lock();
        behind.let_go(let_go, now_ms);
        behind.outstanding = !tail.is_synced();
        if !behind.outstanding {
            let settled = std::mem::take(&mut behind.unsettled);
            self.catalog.settle(&settled);
            behind.settled.extend(
                settled.into_iter().filter(|gone| matches!(gone, LetGo::Blob { place, .. } if place.is_file())),
            );
            behind.durable = tail.synced_position();
            behind.durable_sequence = tail.last_sequence();
            self.durable_moved.notify_all();
        }
    }

    /// Sees to room for as many of the requests as fit into one segment together; at least the first.
    fn make_room(&self, tail: &mut Tail, requests: &[Request]) -> Result<usize> {
        let len_max = self.log.record_len_max();
        let (mut len, mut rows, mut texts, mut count) = (0, 0, 0, 0);
        for request in requests {
            let (more_rows, more_texts) = request.footer_share();
            if count > 0 && len + request.len() > len_max {
                break;
            }
            len += request.len();
            rows += more_rows;
            texts += more_texts;
            count += 1;
        }
        if len > len_max {
            let message = format!("the records of this call take {len} bytes; a segment has room for {len_max}");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let room = requests[..count].iter().filter_map(Request::room).min().unwrap_or(Room::Ordinary);
        let before = tail.position().segment;
        let made = self.log.make_room(tail, len, rows, texts, room);
        if tail.position().segment != before {
            self.brake.measure_all(&self.log, &self.catalog);
        }
        self.brake.look(tail);
        match made {
            // On a full disk each is on its own: what frees space may still find room.
            Err(error) if error.kind() == ErrorKind::NoSpace && count > 1 => self.make_room(tail, &requests[..1]),
            made => made.map(|()| count),
        }
    }

    /// Keeps a failure that must stop all writing: a sync that failed, an append that could not be taken
    /// back. The one place that poisons.
    fn poison_if_lasting(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Poisoned => {
                let why = "writing has stopped, reads go on; open the store again";
                self.poison_with(|| error.become_kind(ErrorKind::Poisoned, why))
            }
            _ => error,
        }
    }

    fn poisoned_by_panic(&self) -> Error {
        let why = "the thread that wrote for all panicked; reads go on; open the store again";
        self.poison_with(|| Error::new(ErrorKind::Poisoned, why))
    }

    fn poison_with(&self, why: impl FnOnce() -> Error) -> Error {
        let told = || {
            let error = why();
            telemetry::poisoned(&error);
            error
        };
        self.poison.get_or_init(told).clone()
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the store was closed; open it again"));
        }
        self.check_poison()
    }

    /// Why nothing can be written any more.
    pub(crate) fn poison(&self) -> Option<&Error> {
        self.poison.get()
    }

    fn check_poison(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Refuses puts of a content until the guard is dropped: it is being taken down.
    pub(crate) fn bar(&self, digest: Digest) -> Bar<'_> {
        self.barred.lock().push(digest);
        Bar { commit: self, digest }
    }

    /// Lets nobody write any more; who writes now is waited for.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.log.tail());
    }

    /// The end of what is durable.
    pub(crate) fn durable(&self) -> Position {
        self.behind.lock().durable
    }

    /// The same, with the last sequence number before it.
    pub(crate) fn durable_up_to(&self) -> (Position, u64) {
        let behind = self.behind.lock();
        (behind.durable, behind.durable_sequence)
    }

    /// Waits until more than `seen` is durable, or `give_up` holds after [`Commit::wake_waiters`]; `false` when
    /// the deadline came first.
    pub(crate) fn wait_beyond(&self, seen: Position, deadline: Option<Instant>, give_up: &dyn Fn() -> bool) -> bool {
        let mut behind = self.behind.lock();
        while behind.durable == seen && !give_up() {
            match deadline {
                None => self.durable_moved.wait(&mut behind),
                Some(deadline) if !self.durable_moved.wait_until(&mut behind, deadline) => {
                    return behind.durable != seen || give_up();
                }
                Some(_) => {}
            }
        }
        true
    }

    /// Has who waits look whether to give up.
    pub(crate) fn wake_waiters(&self) {
        // Behind this lock whoever has looked already sleeps.
        drop(self.behind.lock());
        self.durable_moved.notify_all();
    }

    /// Files of blobs that nobody refers to any more, durably; each is given once.
    pub(crate) fn take_settled(&self) -> Vec<LetGo> {
        std::mem::take(&mut self.behind.lock().settled)
    }

    /// Takes some of them back that could not be freed.
    pub(crate) fn return_settled(&self, settled: impl Iterator<Item = LetGo>) {
        self.behind.lock().settled.extend(settled);
    }

    /// When something was let go first since this was taken, Unix ms.
    pub(crate) fn take_first_death(&self) -> Option<u64> {
        self.behind.lock().died_ms.take()
    }

    /// The same, left where it is.
    pub(crate) fn first_death(&self) -> Option<u64> {
        self.behind.lock().died_ms
    }

    /// Ends the segment that is written, and begins the next.
    pub(crate) fn roll(&self) -> Result<()> {
        self.check_open()?;
        let mut tail = self.log.tail();
        self.sync_tail(&mut tail)?;
        self.log.roll(&mut tail).map_err(|error| self.poison_if_lasting(error))?;
        self.settle(&tail, Vec::new());
        Ok(())
    }
}

/// Counts what a request came to.
fn tell(request: &Request, done: &Result<Vec<Done>, Refused>) {
    for (intent, done) in request.intents.iter().zip(done.iter().flatten()) {
        match (intent, done) {
            (Intent::Put(put), Done::Put { .. }) => telemetry::put(put.size),
            (Intent::End { .. }, Done::Ended(true)) => telemetry::ended(false),
            (Intent::Expire { .. }, Done::Ended(true)) => telemetry::ended(true),
            _ => {}
        }
    }
}

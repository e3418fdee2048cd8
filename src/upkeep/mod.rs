//! Upkeep: what happens behind the acknowledgement, in one background thread or by hand.
//!
//! ```text
//! sync        what was written with `Durability::Os`, at an interval
//! apply       the index follows the log (applier.rs)
//! sweep       entries whose time has come are ended in the log, then freed (sweeper.rs)
//! checkpoint  the catalog is written down from time to time (checkpointer.rs)
//! recycle     segments and files that nobody needs make room (recycler.rs)
//! renew       the index is written anew when its files are far too large, or were slow to open (renewer.rs)
//! compact     what is needed in segments that hold much dead is gathered elsewhere (compactor.rs)
//! erase       what was deleted is gone from all files within a stated time (eraser/)
//! prepare     the next segment, ahead of need
//! verify      by hand: everything is read again, and what is damaged put right or set aside (verifier/)
//! ```
//!
//! What it did last is kept for health (activity.rs).
//!
//! Nothing here is needed for an answer to be right; all of it may fail and be tried again.

mod activity;
pub(crate) mod applier;
mod checkpointer;
mod chooser;
mod compactor;
mod copier;
mod ends;
mod eraser;
mod recycler;
mod renewer;
mod survivors;
mod sweeper;
pub(crate) mod verifier;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::catalog::Catalog;
use crate::catalog::checkpoint::Stamp;
use crate::clock::Clock;
use crate::commit::Commit;
use crate::disk::locks::{Condvar, Mutex};
use crate::error::{ErrorKind, Result};
use crate::home::Home;
use crate::index::Index;
use crate::log::blob_files::BlobFiles;
use crate::log::{Log, Position};
use crate::options::StoreOptions;
use crate::recovery::Damage;
use crate::telemetry;
use activity::Kept;
pub use activity::{Activities, Activity};
pub(crate) use activity::{Counts, Task};
use applier::Applier;
use checkpointer::Checkpointer;
pub use compactor::CompactReport;
use compactor::Compactor;
use eraser::{Eraser, Owed};
use recycler::Recycler;
use renewer::Renewer;
use sweeper::Sweeper;
pub use verifier::report::{Damaged, VerifyOptions, VerifyProgress, VerifyReport};

/// After being woken, the thread lets this long pass, so that it does things by the hundred.
const GATHER: Duration = Duration::from_millis(10);
/// How often what has expired is swept: many entries in one record, one sync for all of it. To readers they are
/// gone all the while.
const SWEEP: Duration = Duration::from_millis(250);
/// Longest sleep.
const IDLE: Duration = Duration::from_secs(1);
/// How often the index is pushed to the disk while it changes.
const INDEX_FLUSH: Duration = Duration::from_secs(1);
/// Each time so much of a segment was written, it is looked whether something is worth compacting.
const COMPACTION_SHARE: u64 = 16;
/// How often a full disk is tried again.
const FULL: Duration = Duration::from_secs(1);

/// What a sweep by hand did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Entries whose time had come.
    pub expired: u64,
    /// Segments that left the log.
    pub segments_freed: u64,
    /// Files of large blobs that were removed.
    pub files_freed: u64,
}

impl Counts for SweepReport {
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let SweepReport { expired, segments_freed, files_freed } = *self;
        vec![("expired", expired), ("segments_freed", segments_freed), ("files_freed", files_freed)]
    }
}

/// Wakes the thread; cheap when it is awake.
#[derive(Default)]
pub(crate) struct Signal {
    asleep: AtomicBool,
    /// Guards whether something is to be done, and whether it is time to stop.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.state.lock().0 = true;
            self.changed.notify_all();
        }
    }

    /// Ends the thread, and whatever else of upkeep takes long.
    pub(crate) fn stop(&self) {
        self.state.lock().1 = true;
        self.changed.notify_all();
    }

    /// Lets this long pass, unless it is time to stop; says whether to go on.
    fn pause(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.1 && pause > Duration::ZERO {
            self.changed.wait_for(&mut state, pause);
        }
        !state.1
    }

    /// Sleeps until woken, or for `longest`; says whether to go on.
    fn sleep(&self, longest: Duration) -> bool {
        let mut state = self.state.lock();
        self.asleep.store(true, Ordering::Release);
        if !state.0 && !state.1 {
            self.changed.wait_for(&mut state, longest);
        }
        state.0 = false;
        if !state.1 {
            self.changed.wait_for(&mut state, GATHER.min(longest));
        }
        !state.1
    }
}

/// The upkeep of one store.
pub(crate) struct Upkeep {
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) files: Arc<BlobFiles>,
    pub(crate) commit: Arc<Commit>,
    pub(crate) index: Arc<Index>,
    pub(crate) clock: Clock,
    pub(crate) home: Arc<Home>,
    pub(crate) signal: Arc<Signal>,
    os_sync_interval: Duration,
    space_amplification: f64,
    events_keep: Duration,
    erase_within: Option<Duration>,
    /// Guards when it was last looked whether something waits to be synced.
    synced: Mutex<Instant>,
    /// Guards where the index stands in the log. Taken before all other locks of upkeep but the eraser's and the
    /// renewer's.
    pub(crate) applier: Mutex<Applier>,
    /// Guards that one thread renews the index at a time. Taken before the applier's.
    renewer: Mutex<Renewer>,
    /// Guards how far each segment's expiries were walked.
    sweeper: Mutex<Sweeper>,
    /// Guards that one thread erases at a time. Taken before all other locks of upkeep, and by nobody who repairs.
    eraser: Mutex<Eraser>,
    /// Guards what is to be erased, and by when. Held for moments.
    owed: Mutex<Owed>,
    /// Guards that one thread compacts at a time. Taken before the recycler's.
    compactor: Mutex<Compactor>,
    /// Guards that one thread frees at a time. Taken before the checkpointer's.
    recycler: Mutex<Recycler>,
    /// Guards what the last checkpoint covers, and that none is taken while another one's segments change.
    checkpointer: Mutex<Checkpointer>,
    /// Guards the damage that compaction came upon.
    damage: Mutex<Vec<Damage>>,
    /// Guards the thread.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Guards what went wrong last.
    trouble: Mutex<Option<String>>,
    /// Guards what the catalog's checkpoint covers: up to which sequence number, and where in the log.
    checkpointed: Mutex<(u64, Position)>,
    /// Guards what was done last of each kind.
    activities: Mutex<Kept>,
    /// Guards the damage that verifications have found, and that stands.
    damage_seen: Mutex<Vec<crate::recovery::Damage>>,
    /// Guards that one thread repairs at a time.
    repairing: Mutex<()>,
}

/// When the thread did last what it does not do in every round.
struct Rounds {
    flushed: Instant,
    swept: Option<Instant>,
    /// What had been written to the log when nothing was worth compacting.
    compacted: u64,
    /// When the disk had no room for a checkpoint.
    full: Option<Instant>,
    /// There is more to read for the index, to erase, or to compact, at once.
    is_busy: bool,
}

/// The parts upkeep works on.
pub(crate) struct Parts {
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) files: Arc<BlobFiles>,
    pub(crate) commit: Arc<Commit>,
    pub(crate) index: Arc<Index>,
    pub(crate) clock: Clock,
    pub(crate) home: Arc<Home>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) options: StoreOptions,
}

impl Upkeep {
    pub(crate) fn new(parts: Parts, checkpoint: Option<Stamp>, newest_ms: u64) -> Upkeep {
        let Parts { log, catalog, files, commit, index, clock, home, signal, options } = parts;
        let applier = Mutex::new(Applier::new(&log, &catalog, &index, &home.store.id));
        let checkpointer = Mutex::new(Checkpointer::new(checkpoint.as_ref(), &log));
        let place = |stamp: Stamp| Position { segment: stamp.segment, offset: stamp.offset };
        let covered = checkpoint.map(|stamp| (stamp.sequence, place(stamp))).unwrap_or_default();
        let activities = Mutex::new(Kept::load(&home, log.disk.as_ref()));
        let sweeper = Mutex::new(Sweeper::new(newest_ms, clock.now_ms()));
        if let Some((segment, rows)) = log.tail().rows() {
            rows.puts.iter().for_each(|row| catalog.will_expire(segment.id(), row.expires_ms, row.key, row.sequence));
        }
        let opened_ms = clock.now_ms();
        let owed = Owed::at_open(log.segments().is_empty(), activities.lock().last().erasure.as_ref());
        Upkeep {
            log,
            catalog,
            files,
            commit,
            index,
            clock,
            home,
            signal,
            os_sync_interval: options.os_sync_interval,
            space_amplification: options.space_amplification,
            events_keep: options.events_keep,
            erase_within: options.erase_within,
            synced: Mutex::new(Instant::now()),
            applier,
            renewer: Mutex::default(),
            sweeper,
            eraser: Mutex::new(Eraser::new(opened_ms)),
            owed: Mutex::new(owed),
            compactor: Mutex::default(),
            recycler: Mutex::default(),
            checkpointer,
            damage: Mutex::default(),
            thread: Mutex::default(),
            trouble: Mutex::default(),
            checkpointed: Mutex::new(covered),
            activities,
            damage_seen: Mutex::default(),
            repairing: Mutex::default(),
        }
    }

    /// Begins the background thread.
    pub(crate) fn start(self: &Arc<Self>) -> Result<()> {
        let upkeep = self.clone();
        let spawned = std::thread::Builder::new().name("mediacask-upkeep".into()).spawn(move || upkeep.run());
        let thread = spawned.map_err(|e| crate::Error::io("start the upkeep thread for", &self.home.dir, e))?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    /// Ends the background thread and waits for it.
    pub(crate) fn stop(&self) {
        self.signal.stop();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }

    fn run(&self) {
        let now = Instant::now();
        let mut rounds = Rounds { flushed: now, swept: None, compacted: 0, full: None, is_busy: false };
        loop {
            let next = self.sweeper.lock().next_due(&self.log, &self.catalog, self.clock.now_ms());
            let longest = if self.commit.is_behind() { self.os_sync_interval.min(IDLE) } else { IDLE };
            let longest = self.renewal_waits(longest);
            let longest = if std::mem::take(&mut rounds.is_busy) { Duration::ZERO } else { longest };
            let rest = rounds.swept.map_or(Duration::ZERO, |then| SWEEP.saturating_sub(then.elapsed()));
            if !self.signal.sleep(next.map_or(longest, |ms| longest.min(Duration::from_millis(ms).max(rest)))) {
                return;
            }
            let round = catch_unwind(AssertUnwindSafe(|| {
                self.note(self.sync_if_due());
                if self.commit.poison().is_none() {
                    self.round(&mut rounds);
                }
            }));
            if round.is_err() {
                *self.trouble.lock() = Some("the upkeep thread panicked; it goes on with the next round".into());
            }
        }
    }

    /// Syncs what waits for it, at an interval.
    fn sync_if_due(&self) -> Result<()> {
        let mut synced = self.synced.lock();
        if synced.elapsed() < self.os_sync_interval {
            return Ok(());
        }
        *synced = Instant::now();
        drop(synced);
        self.commit.sync_if_behind()
    }

    /// Between the steps of something long: does what cannot wait, and pauses. Fails when there is no going on.
    fn breathe(&self, pause: Duration) -> Result<()> {
        self.sync_if_due()?;
        match self.commit.poison() {
            Some(error) => Err(error.clone()),
            None => self.rest(pause),
        }
    }

    /// Pauses; fails when the store is being closed.
    fn rest(&self, pause: Duration) -> Result<()> {
        if self.signal.pause(pause) {
            return Ok(());
        }
        Err(crate::Error::new(ErrorKind::Closed, "the store is being closed; open it again"))
    }

    /// One round of everything that is due.
    fn round(&self, rounds: &mut Rounds) {
        let followed = self.follow_a_step(self.commit.durable());
        rounds.is_busy |= matches!(followed, Ok(false));
        self.note(followed.map(drop));
        if rounds.flushed.elapsed() >= INDEX_FLUSH {
            self.flush_index();
            rounds.flushed = Instant::now();
        }
        self.note(self.renew_index_if_due());
        if rounds.swept.is_none_or(|then| then.elapsed() >= SWEEP) {
            self.note(self.sweep_due().map(drop));
            rounds.swept = Some(Instant::now());
        }
        let was_full = rounds.full.is_some_and(|then| then.elapsed() < FULL);
        if !was_full {
            let outcome = self.checkpoint_if_due();
            let is_full = outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoSpace);
            rounds.full = is_full.then(Instant::now);
            self.note(outcome);
        }
        self.note(self.recycle().map(drop));
        let prepared = self.log.prepare_spare();
        let is_pressed = prepared.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoSpace);
        self.note(prepared);
        let written = self.log.counters.bytes_written.load(Ordering::Relaxed);
        if written - rounds.compacted >= self.log.segment_len() / COMPACTION_SHARE || is_pressed {
            match self.compact_if_needed(is_pressed) {
                Ok(true) => rounds.is_busy = true,
                Ok(false) => rounds.compacted = written,
                Err(error) => {
                    rounds.compacted = written;
                    self.note(Err(error));
                }
            }
        }
        let erased = self.erase_if_due();
        rounds.is_busy |= matches!(erased, Ok(true));
        self.note(erased.map(drop));
    }

    fn note(&self, outcome: Result<()>) {
        // That it is broken off by closing is no trouble.
        if let Err(error) = outcome.or_else(|error| if error.kind() == ErrorKind::Closed { Ok(()) } else { Err(error) })
        {
            telemetry::failed(&error);
            *self.trouble.lock() = Some(error.to_string());
        }
    }

    /// What went wrong last behind the scenes.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// The damage that compaction came upon: it leaves such segments as they are.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.damage.lock().clone()
    }

    /// Sweeps all that is due and frees what can be, now.
    pub(crate) fn sweep_by_hand(&self) -> Result<SweepReport> {
        let (_span, begun) = Task::Sweep.begin();
        self.keep_activity(Task::Sweep, begun, self.sweep_and_free())
    }

    fn sweep_and_free(&self) -> Result<SweepReport> {
        self.commit.sync_if_behind()?;
        let expired = self.sweep_all()?;
        self.follow(self.commit.durable())?;
        self.flush_index();
        // On a full disk there may be no room for it yet; what an earlier one covers can be freed.
        match self.checkpoint_if_due() {
            Err(error) if error.kind() == ErrorKind::NoSpace => self.note(Err(error)),
            outcome => outcome?,
        }
        let freed = self.recycle()?;
        let erased = self.erase_due_by_hand()?;
        self.note(self.log.prepare_spare());
        self.note(self.renew_index_by_hand());
        let segments_freed = freed.segments + erased.segments_freed;
        Ok(SweepReport { expired, segments_freed, files_freed: freed.files + erased.files_freed })
    }
}

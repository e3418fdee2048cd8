//! A store on a disk that fails, beside the model of what it should hold: every operation is done to both,
//! every answer compared, and after every crash the store is held against the states it may be in.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{Blob, BlobReader, Clock, Dedup, Entry, Error, ErrorKind, Result, Store, Upkeep, Verify, testing};
use parking_lot::Mutex;

use super::history::History;
use super::observed::{Observed, read_all};
use super::state::{Content, Item, Ruled, State, Target};
use super::tally::Tally;
use crate::support::{CallKind, Crash, Fault, FaultDisk, Random, Synced};

pub(crate) const ACCOUNTS: [&str; 3] = ["5500001", "5500002", "ü"];
pub(crate) const FILE_THRESHOLD: u64 = 12 << 10;
const SEGMENT_LEN: u64 = 64 << 10;
/// 2023; the clock of an observer stands here, before anything expires.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// Names of each account. Few in worlds of long lives, so that all that is in a segment ends soon.
const NAMES: u64 = 14;
const NAMES_OF_LONG_LIVES: u64 = 4;
/// Most blobs and readers held at a time.
const HELD_MAX: usize = 12;

/// Which syncs are to do nothing, on every disk of the world.
pub(crate) type Skips = Arc<dyn Fn(&Synced<'_>, Phase) -> bool + Send + Sync>;

/// What the store is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    Running,
}

/// What a world is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// Whether crashes and failures are thrown in.
    pub(crate) faults: bool,
    pub(crate) skips: Option<Skips>,
    /// A call during which the power goes, and how; then the world is over.
    pub(crate) crash: Option<(u64, Crash)>,
    /// A call at which the process dies. The power goes as `crash` says, its call
    /// counted from the recovery after that.
    pub(crate) kill: Option<u64>,
}

/// What was read once and must never change.
enum Held {
    Blob(Blob, Vec<u8>),
    Reader(BlobReader, Vec<u8>),
}

impl Held {
    fn check(self) {
        let (found, wanted) = match self {
            Held::Blob(blob, wanted) => (blob.to_vec(), wanted),
            Held::Reader(reader, wanted) => (read_all(reader).expect("a reader that is held reads on"), wanted),
        };
        assert!(found == wanted, "{} bytes that were held have changed", wanted.len());
    }
}

/// The store and its model.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) history: History,
    pub(crate) tally: Tally,
    pub(crate) disk: Arc<FaultDisk>,
    pub(crate) contents: Vec<Content>,
    pub(crate) universe: Vec<Target>,
    /// The index does without its files.
    pub(crate) has_rows_in_memory: bool,
    setup: Setup,
    shared: bool,
    store: Option<Store>,
    now_ms: Arc<AtomicU64>,
    phase: Arc<Mutex<Phase>>,
    /// The highest generation ever told of.
    newest: u64,
    /// The call at which a failure was ordered.
    armed: Option<u64>,
    /// The call of this disk during which the power is to go.
    doom: Option<u64>,
    /// The same, counted from the end of a recovery that is under way.
    crash_after: Option<u64>,
    held: Vec<Held>,
    /// Ids of segments that became spares.
    recycled: HashSet<String>,
    trace: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// An empty store on an empty disk.
    pub(crate) fn new(setup: Setup, trace: Arc<Mutex<Vec<String>>>) -> World {
        let mut random = Random::new(setup.seed);
        let names = if lives_long(setup.seed) { NAMES_OF_LONG_LIVES } else { NAMES };
        let universe = ACCOUNTS.iter().flat_map(|account| (0..names).map(|n| (*account, name(n)))).collect();
        let contents = (0..24).map(|nth| content(&mut random, nth)).collect();
        let mut world = World {
            history: History::default(),
            tally: Tally::default(),
            disk: FaultDisk::new(random.next()),
            contents,
            universe,
            has_rows_in_memory: false,
            shared: !setup.seed.is_multiple_of(2),
            setup,
            store: None,
            now_ms: Arc::new(AtomicU64::new(BEGIN_MS + 1_000_000)),
            phase: Arc::new(Mutex::new(Phase::Opening)),
            newest: 0,
            armed: None,
            doom: None,
            crash_after: None,
            held: Vec::new(),
            recycled: HashSet::new(),
            random,
            trace,
        };
        world.prepare_disk();
        match (world.setup.kill, world.setup.crash) {
            (Some(nth), _) => world.disk.fail_all_from(nth, Fault::Eio),
            (None, crash) => world.doom = crash.map(|(nth, _)| nth),
        }
        world
    }

    pub(crate) fn note(&self, what: impl Into<String>) {
        let text = format!("call {}, {} ms: {}", self.disk.calls(), self.now_ms() - BEGIN_MS, what.into());
        self.trace.lock().push(text);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Whether the crash that was asked for has come.
    pub(crate) fn is_over(&self) -> bool {
        self.setup.crash.is_some() && self.tally.of("crashes") > 0
    }

    /// Whether accounts get policies in this world.
    pub(crate) fn has_policies(&self) -> bool {
        !self.setup.seed.is_multiple_of(4)
    }

    /// Whether the processes of this world live long, and write over what they have written.
    pub(crate) fn lives_long(&self) -> bool {
        lives_long(self.setup.seed)
    }

    /// Whether what is deleted in this world is erased, by each compaction and now and then by a sweep.
    pub(crate) fn erases(&self) -> bool {
        self.setup.seed % 8 == 5
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Moves the clock; it never goes back beyond the beginning.
    pub(crate) fn set_clock(&mut self, now_ms: u64) {
        self.now_ms.store(now_ms.max(BEGIN_MS + 1), Ordering::Relaxed);
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("opened before")
    }

    pub(crate) fn account(&self, account: &str) -> mediacask::Account {
        self.store().account(account).expect("an open store has accounts")
    }

    fn prepare_disk(&self) {
        if let Some(skips) = self.setup.skips.clone() {
            let phase = self.phase.clone();
            self.disk.skip_syncs_where(move |synced| skips(synced, *phase.lock()));
        }
    }

    // ---- opening, and what it must find -------------------------------------------------------------

    pub(crate) fn open(&mut self) -> Result<()> {
        let hand = self.now_ms.clone();
        let verify = [Verify::Always, Verify::Once][self.random.below(2) as usize];
        *self.phase.lock() = Phase::Opening;
        self.break_index(if self.has_rows_in_memory { u32::MAX } else { 0 });
        let mut options = Store::options();
        if self.erases() {
            options = options.erase_within(Duration::from_millis(mediacask::limits::ERASE_WITHIN_MS_MIN));
        }
        let opened = options
            .upkeep(Upkeep::ByHand)
            .segment_len(SEGMENT_LEN)
            .file_threshold(FILE_THRESHOLD)
            .index_cache_bytes(1 << 20)
            .verify(verify)
            .dedup(if self.shared { Dedup::Store } else { Dedup::Account })
            .clock(Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(hand.load(Ordering::Relaxed))))
            .disk(self.disk.clone())
            .open(self.disk.root());
        *self.phase.lock() = Phase::Running;
        self.store = Some(opened?);
        Ok(())
    }

    /// Has so many calls of the index's files fail on this disk.
    fn break_index(&self, calls: u32) {
        testing::break_index(&self.disk.root(), testing::Fault::Error, calls);
    }

    /// Reads everything, at a time when nothing has expired.
    fn observe(&mut self, by_list: bool) -> Result<Observed> {
        let now_ms = self.now_ms.swap(BEGIN_MS, Ordering::Relaxed);
        let observed = Observed::read(self.store(), &self.universe, &ACCOUNTS, by_list);
        self.now_ms.store(now_ms, Ordering::Relaxed);
        observed
    }

    /// Holds the store against the model, in every detail.
    pub(crate) fn check_all(&mut self, by_list: bool) {
        let observed = match self.observe(by_list) {
            Ok(observed) => observed,
            Err(error) => return self.must_be_disturbed(&error),
        };
        if let Err(how) = observed.match_with(self.history.live()) {
            panic!("the store is not as it should be: {how}");
        }
        let wrong = self.store().recount().expect("an open store counts");
        assert!(wrong.is_empty(), "references are miscounted: {wrong:?}");
        self.tally.count("whole comparisons");
    }

    /// After opening: the store must be in one of the states it may be in, which becomes the one it is in.
    fn find_state(&mut self, after_power_cut: bool, failed_by_order: bool) {
        self.note("open");
        let by_list = self.random.sixteenths(8);
        let observed = self.observe(by_list).expect("an open store on a sound disk can be read");
        let candidates = if after_power_cut { self.history.after_power_cut() } else { self.history.after_kill() };
        let mut complaints = Vec::new();
        let mut found = None;
        for candidate in candidates.into_iter().rev() {
            match observed.match_with(candidate) {
                Ok(state) => found = found.or(Some(state)),
                Err(how) => complaints.push(how),
            }
        }
        let Some(found) = found else {
            panic!("the store holds nothing that it may hold: {complaints:#?}");
        };
        self.newest = self.newest.max(observed.newest());
        self.history.settle(found);
        let mut health = self.store().health();
        // A checkpoint that could not be read is left aside, and what nobody names is left alone then.
        let whole = health.damage.len();
        health.damage.retain(|damage| !(failed_by_order && damage.path.ends_with("catalog")));
        assert!(health.damage.is_empty(), "damage that nobody did: {:#?}", health.damage);
        let wrong = self.store().recount().expect("an open store counts");
        assert!(wrong.is_empty(), "references are miscounted after opening: {wrong:?}");
        let files = self.history.live().blob_files(FILE_THRESHOLD, self.shared);
        let found = self.store().stats().expect("an open store has statistics").blob_files;
        assert!(found == files || whole > 0, "{found} files of {files} large blobs after opening");
        self.tally.add("recovered from a checkpoint", u64::from(health.recovery.from_checkpoint));
        self.tally.add("recovered from the whole log", u64::from(!health.recovery.from_checkpoint));
        self.tally.add("listings after recovery", u64::from(by_list));
    }

    /// The store is opened, crashed at any call of that and opened again, until it stands.
    fn recover(&mut self, mut power_cut: bool) {
        let mut failed_by_order;
        loop {
            self.die_if_due();
            self.throw_in_recovery();
            let outcome = self.open();
            let calls = self.disk.calls();
            if self.disk.is_off() {
                self.tally.count("recoveries cut");
                self.note("the power goes during recovery");
                self.cut_power();
                power_cut = true;
                continue;
            }
            self.calm();
            failed_by_order = self.armed.take().is_some_and(|nth| calls >= nth);
            match outcome {
                Ok(()) => break,
                Err(_) if self.is_dead() => self.note("the process dies during recovery"),
                Err(_) if failed_by_order => self.note("a call fails during recovery"),
                Err(error) => panic!("the store does not open: {error}"),
            }
        }
        self.find_state(power_cut, failed_by_order);
        if let Some(nth) = self.crash_after.take() {
            self.doom = Some(self.disk.calls() + nth);
        }
        self.die_if_due();
    }

    /// Whether the process is to be dead by now.
    fn is_dead(&self) -> bool {
        self.setup.kill.is_some_and(|nth| self.disk.calls() >= nth)
    }

    /// The process that was to die at a call is dead: what comes now comes after it.
    fn die_if_due(&mut self) {
        if self.is_dead() {
            self.setup.kill = None;
            self.calm();
            self.crash_after = self.setup.crash.map(|(nth, _)| nth);
        }
        if let Some(nth) = self.doom {
            self.disk.crash_at_call(nth);
        }
    }

    fn throw_in_recovery(&mut self) {
        if !self.setup.faults {
            return;
        }
        if self.random.sixteenths(1) {
            let catalog = self.disk.root().join("catalog");
            if mediacask::disk::Disk::unlink(&*self.disk, &catalog).is_ok() {
                let synced = mediacask::disk::Disk::sync_dir(&*self.disk, &self.disk.root());
                // The power may go at this very call; what was to be recovered is recovered after that.
                assert!(synced.is_ok() || self.disk.is_off(), "a sound disk syncs: {synced:?}");
                self.tally.count("checkpoints deleted");
            }
        }
        let nth = self.disk.calls() + 1 + self.random.below(40);
        match self.random.below(16) {
            0..=4 => self.disk.crash_at_call(nth),
            5..=6 => {
                let fault = [Fault::Eio, Fault::Enospc, Fault::ShortWrite][self.random.below(3) as usize];
                self.disk.lying_fsync_after_failure(self.random.sixteenths(8));
                self.disk.fail_nth(nth, fault);
                self.armed = Some(nth);
            }
            _ => {}
        }
    }

    /// Opens a new store, which nobody may find half made.
    pub(crate) fn create(&mut self) {
        self.recover(true);
    }

    // ---- ends of a store's life ---------------------------------------------------------------------

    /// The power goes: the store and its process are gone, and of the disk what a crash may leave.
    fn cut_power(&mut self) {
        self.disk.power_off();
        self.store = None;
        let how = match self.random.below(8) {
            _ if self.setup.crash.is_some() => self.setup.crash.expect("it is some").1,
            0..=1 => Crash::NOTHING_KEPT,
            2 => Crash::ALL_KEPT,
            _ => Crash::random(self.random.next()),
        };
        self.tally.count("crashes");
        self.tally.take_calls(&self.disk, &mut self.recycled);
        self.break_index(0);
        self.disk = self.disk.crash(how);
        (self.armed, self.doom) = (None, None);
        self.prepare_disk();
    }

    /// Crashes and recovers.
    pub(crate) fn crash(&mut self) {
        self.note("crash");
        self.cut_power();
        self.recover(true);
        if self.setup.faults && self.random.sixteenths(4) {
            self.note("crash right after recovery");
            self.cut_power();
            self.recover(true);
        }
    }

    /// Crashes in the worst way: nothing survives that was not synced.
    pub(crate) fn crash_hard(&mut self) {
        self.disk.power_off();
        self.store = None;
        self.setup.crash = Some((0, Crash::NOTHING_KEPT));
        self.cut_power();
        self.recover(true);
    }

    /// Dies, and has the power go in the worst way, some calls after the recovery.
    pub(crate) fn kill_and_doom(&mut self, nth: u64) {
        self.setup.crash = Some((nth, Crash::NOTHING_KEPT));
        self.crash_after = Some(nth);
        self.kill();
    }

    /// The next sync of a directory fails, and so does what it was part of.
    pub(crate) fn fail_next_dir_sync(&mut self) {
        let past = self.disk.counts().of(CallKind::SyncDir);
        self.disk.fail_nth_of(CallKind::SyncDir, past + 1, Fault::Eio);
        self.armed = Some(self.disk.calls() + 1);
    }

    /// The process dies, the machine lives: what was written is there, synced or not.
    pub(crate) fn kill(&mut self) {
        self.note("kill");
        self.tally.count("kills");
        self.disk.lying_fsync_after_failure(false);
        self.disk.fail_all_from(self.disk.calls() + 1, Fault::Eio);
        self.store = None;
        self.disk.heal();
        self.armed = None;
        self.recover(false);
    }

    /// Closes and opens again; after a clean close nothing is left to recover.
    pub(crate) fn reopen(&mut self) {
        self.note("close and open");
        self.reopen_after(|_| ());
    }

    /// The same, with something done to the closed store.
    pub(crate) fn reopen_after(&mut self, act: impl FnOnce(&mut World)) {
        match self.store().close() {
            Ok(()) => self.history.sync(),
            Err(error) => self.must_be_disturbed(&error),
        }
        self.store = None;
        if self.disk.is_off() {
            return self.crash();
        }
        self.calm();
        self.armed = None;
        act(self);
        self.tally.count("closes");
        self.recover(false);
    }

    // ---- one operation ------------------------------------------------------------------------------

    /// Orders a crash or a failure within the next calls, now and then.
    pub(crate) fn throw_in(&mut self) {
        if !self.setup.faults || self.armed.is_some() {
            return;
        }
        let nth = self.disk.calls() + 1 + self.random.below(10);
        match self.random.below(48) {
            0 => self.disk.crash_at_call(nth),
            1..=2 => {
                let fault =
                    [Fault::Eio, Fault::Enospc, Fault::Enospc, Fault::ShortWrite][self.random.below(4) as usize];
                self.disk.lying_fsync_after_failure(self.random.sixteenths(8));
                self.disk.fail_nth(nth, fault);
                self.armed = Some(nth);
                self.note(format!("call {nth} will fail: {fault:?}"));
            }
            _ => {}
        }
    }

    /// Whether something was thrown in that excuses a failure.
    fn is_disturbed(&self) -> bool {
        let fired = self.armed.is_some_and(|nth| self.disk.calls() >= nth);
        fired
            || self.disk.is_off()
            || self.is_dead()
            || self.store.as_ref().is_some_and(|store| store.health().poisoned.is_some())
    }

    pub(crate) fn must_be_disturbed(&self, error: &Error) {
        assert!(self.is_disturbed(), "a call failed that nothing disturbed: {error}");
    }

    /// After an operation: recovers from what was thrown in.
    pub(crate) fn mend(&mut self) {
        if self.disk.is_off() {
            return self.crash();
        }
        if self.is_dead() {
            return self.kill();
        }
        if self.armed.is_some_and(|nth| self.disk.calls() >= nth) {
            self.tally.count("failures");
            self.armed = None;
            self.disk.heal();
            if self.store().health().poisoned.is_none() {
                self.tally.count("failures that did not poison");
                return self.check_all(false);
            }
        }
        if self.store().health().poisoned.is_some() {
            self.tally.count("poisonings");
            self.note("poisoned");
            self.check_poisoned();
            match self.random.below(3) {
                0 => self.crash(),
                1 => self.kill(),
                _ => self.reopen(),
            }
        }
    }

    /// Nothing happens any more of what was ordered.
    fn calm(&self) {
        self.disk.crash_at_call(u64::MAX);
        self.disk.heal();
    }

    /// A poisoned store reads on, and writes nothing.
    fn check_poisoned(&mut self) {
        self.calm();
        let observed = self.observe(false).expect("a poisoned store reads on");
        if let Err(how) = observed.match_with(self.history.live()) {
            panic!("a poisoned store does not show what it acknowledged: {how}");
        }
        let refused = self.account(ACCOUNTS[0]).put("x", "x", &mediacask::PutOptions::new());
        assert_eq!(refused.expect_err("a poisoned store takes nothing").kind(), ErrorKind::Poisoned);
    }

    /// Compares an answer with the rule's; `fill` completes the state by what the answer tells.
    pub(crate) fn settle<T>(
        &mut self,
        answer: Result<T>,
        ruled: Ruled,
        is_durable: bool,
        fill: impl FnOnce(&mut World, T, &mut State),
    ) {
        self.tally.count("writes");
        match (answer, ruled) {
            (Ok(answer), Ok(mut after)) => {
                fill(self, answer, &mut after);
                self.tally.count(if is_durable { "acknowledged when durable" } else { "acknowledged when written" });
                self.history.acknowledge(after, is_durable);
            }
            (Ok(_), Err(kinds)) => panic!("what was to be refused ({kinds:?}) was done"),
            (Err(error), Err(kinds)) if kinds.contains(&error.kind()) => self.tally.count("refused"),
            (Err(error), ruled) => {
                self.must_be_disturbed(&error);
                self.note(format!("failed: {error}"));
                self.tally.count("failed");
                // What fails without poisoning the store was taken back for good.
                if self.disk.is_off() || self.store().health().poisoned.is_some() {
                    ruled.into_iter().for_each(|after| self.history.fail(after));
                }
            }
        }
    }

    /// The same for what is made of several steps, of which some may be done when it fails.
    pub(crate) fn settle_steps<T>(&mut self, answer: Result<T>, after: State, check: impl FnOnce(&mut World, T)) {
        self.tally.count("writes");
        match answer {
            Ok(answer) => {
                check(self, answer);
                self.history.acknowledge(after, true);
            }
            // A removal has failed before, and nothing more leaves until the store is opened again; all else is done.
            Err(error) if self.erases() && error.to_string().contains("was removed and may come back") => {
                self.tally.count("erasures put off");
                self.history.acknowledge(after, true);
            }
            Err(error) => {
                self.must_be_disturbed(&error);
                self.note(format!("failed: {error}"));
                self.tally.count("failed");
                let is_done = !self.disk.is_off() && {
                    self.calm();
                    let observed = self.observe(false).expect("a store on a disk that was mended reads on");
                    observed.match_with(self.history.live()).is_err() && observed.match_with(&after).is_ok()
                };
                if is_done {
                    self.history.acknowledge(after, true);
                } else {
                    self.history.fail(after);
                }
            }
        }
    }

    /// Compares the entry a write has answered with, and takes its generation down.
    pub(crate) fn take_entry(&mut self, target: &Target, entry: &Entry, after: &mut State) {
        let item = after.names.get_mut(target).expect("a write leaves an entry");
        item.compare(entry).unwrap_or_else(|how| panic!("the answer to a write of {target:?}: {how}"));
        assert!(entry.generation > self.newest, "generation {} after {}", entry.generation, self.newest);
        self.newest = entry.generation;
        *item = Arc::new(Item { generation: Ok(entry.generation), ..Item::clone(item) });
    }

    // ---- blobs that are held ------------------------------------------------------------------------

    pub(crate) fn hold_blob(&mut self, blob: Blob, wanted: &Content) {
        self.hold(Held::Blob(blob, wanted.bytes.to_vec()));
    }

    pub(crate) fn hold_reader(&mut self, reader: BlobReader, wanted: Vec<u8>) {
        self.hold(Held::Reader(reader, wanted));
    }

    fn hold(&mut self, held: Held) {
        if self.held.len() == HELD_MAX {
            let nth = self.random.below(HELD_MAX as u64) as usize;
            self.held.swap_remove(nth).check();
        }
        self.held.push(held);
        self.tally.count("blobs held");
    }

    /// Lets go of what is held, so that its segments can be written again.
    pub(crate) fn let_go(&mut self) {
        self.held.drain(..).for_each(Held::check);
    }

    /// The end: all that is held is compared, and an emptied store gives its room back.
    pub(crate) fn finish(mut self) -> Tally {
        self.calm();
        (self.doom, self.setup.kill) = (None, None);
        self.armed = None;
        if self.tally.of("crashes") < 3 && self.setup.faults {
            (0..3).for_each(|_| self.crash());
        }
        self.setup.faults = false;
        self.check_all(true);
        self.let_go();
        if self.setup.crash.is_none() {
            self.reopen();
            self.check_room();
            self.reopen();
        }
        self.store().close().expect("a sound store closes");
        self.break_index(0);
        self.tally.take_calls(&self.disk, &mut self.recycled);
        self.tally
    }

    fn check_room(&mut self) {
        for account in ACCOUNTS {
            self.account(account).purge("").expect("a sound store purges");
        }
        self.set_clock(self.now_ms() + (1 << 40));
        self.store().sweep().expect("a sound store sweeps");
        // A segment of deletions may wait for the one before it, whose puts they hold back.
        for _ in 0..self.store().stats().expect("an open store has statistics").segments {
            self.store().checkpoint_catalog().expect("a sound store writes its catalog down");
            self.store().sweep().expect("a sound store sweeps");
        }
        let policies = self.history.live().policies.clone();
        self.history.settle(State { policies, ..State::default() });
        let stats = self.store().stats().expect("an open store has statistics");
        assert_eq!((stats.names, stats.contents, stats.blob_files), (0, 0, 0), "an emptied store: {stats:?}");
        if !self.history.live().policies.is_empty() {
            // A segment with a policy stays, and with it what ends the names that were put there.
            return;
        }
        let kept = 2;
        assert!(stats.segments <= kept, "an emptied store keeps {} segments", stats.segments);
    }
}

/// A segment becomes a spare only in the life of the process that began it: most worlds are too rough for
/// that to happen often. Of those that are not, half share content between accounts, and half have policies.
fn lives_long(seed: u64) -> bool {
    matches!(seed % 8, 4 | 7)
}

fn name(nth: u64) -> String {
    match nth {
        0 => "..".into(),
        1 => "a/../b".into(),
        2 => "line\nfeed".into(),
        3 => "\u{10FFFF}".into(),
        _ => format!("m{}/{}.png", nth % 3, nth),
    }
}

/// Content of many lengths: nothing, a few bytes, several chunks of a file.
fn content(random: &mut Random, nth: u64) -> Content {
    let len = match nth {
        0 => 0,
        1 => 1,
        2 => FILE_THRESHOLD - 1,
        3 => FILE_THRESHOLD,
        4 => 70_000,
        5..=6 => 4096,
        7..=15 => 1 + random.below(600),
        16..=20 => 1 + random.below(5000),
        _ => 5000 + random.below(FILE_THRESHOLD - 5000),
    };
    Content::new(random.bytes(len as usize))
}

//! An open store: its parts, put together, and taken apart in order.

use std::cell::RefCell;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::buffers::Buffers;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::commit::Commit;
use crate::commit::brake::Brake;
use crate::commit::request::{Done, Refused, Request, Target};
use crate::digest::NameKey;
use crate::disk::fork;
use crate::disk::locks::{Mutex, RwLock, RwLockReadGuard};
use crate::entry::{Entry, check_account, check_name};
use crate::error::{Error, ErrorKind, Result};
use crate::home::Home;
use crate::index::Index;
use crate::log::blob_files::BlobFiles;
use crate::log::{Log, Position, Room};
use crate::lookup::Lookup;
use crate::options::{StoreOptions, Upkeep as Who};
use crate::recovery::{Damage, Recovered, RecoveryReport, Witness, recover};
use crate::telemetry::{self, Phase, Timer, span};
use crate::upkeep::{Parts, Signal, Upkeep};

thread_local! {
    /// The engines that are telling of their progress in this thread.
    static TELLING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// An open store.
pub(crate) struct Engine {
    pub(crate) home: Arc<Home>,
    pub(crate) options: StoreOptions,
    pub(crate) clock: Clock,
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) files: Arc<BlobFiles>,
    pub(crate) index: Arc<Index>,
    pub(crate) commit: Arc<Commit>,
    pub(crate) lookup: Lookup,
    pub(crate) upkeep: Arc<Upkeep>,
    pub(crate) buffers: Buffers,
    pub(crate) damage: Vec<Damage>,
    pub(crate) report: RecoveryReport,
    process: u64,
    closed: AtomicBool,
    /// Guards the directory against being let go of: held by who works on its files beside the commit, and
    /// alone by who closes.
    closing: RwLock<()>,
}

impl Engine {
    pub(crate) fn open(dir: &Path, options: StoreOptions) -> Result<Engine> {
        let (_span, timer) = (span(Phase::Open), Timer::start());
        options.check()?;
        fork::install();
        let process = fork::generation();
        let home = Arc::new(Home::open(dir, &options)?);
        let disk = options.disk.clone();
        disk.index_at(&home.index());
        let files = Arc::new(BlobFiles::new(disk.clone(), home.staging(), home.files()));
        let (index, recovered) = open_index_and_recover(&home, &options, &files);
        let recovered = recovered?;

        let (log, catalog) = (Arc::new(recovered.log), Arc::new(recovered.catalog));
        let clock = options.clock.clone();
        let signal = Arc::new(Signal::default());
        let bell = signal.clone();
        let wake = Box::new(move || bell.wake());
        let frees = options.upkeep == Who::Background;
        let brake = Brake::new(frees.then_some(options.space_amplification));
        let commit = Commit::new(log.clone(), catalog.clone(), clock.clone(), home.store.store_wide, brake, wake);
        let commit = Arc::new(commit);
        let parts = Parts {
            log: log.clone(),
            catalog: catalog.clone(),
            files: files.clone(),
            commit: commit.clone(),
            index: index.clone(),
            clock: clock.clone(),
            home: home.clone(),
            signal,
            options: options.clone(),
        };
        tell_opened(&recovered.report, &recovered.damage, timer);
        let upkeep = Arc::new(Upkeep::new(parts, recovered.checkpoint, recovered.newest_ms));
        if options.upkeep == Who::Background {
            upkeep.start()?;
        }
        let lookup = Lookup {
            log: log.clone(),
            catalog: catalog.clone(),
            files: files.clone(),
            clock: clock.clone(),
            verify: options.verify,
        };
        Ok(Engine {
            home,
            options,
            clock,
            log,
            catalog,
            files,
            index,
            commit,
            lookup,
            upkeep,
            buffers: Buffers::default(),
            damage: recovered.damage,
            report: recovered.report,
            process,
            closed: AtomicBool::new(false),
            closing: RwLock::new(()),
        })
    }

    /// Refuses calls in a forked child and after close.
    pub(crate) fn check(&self) -> Result<()> {
        if self.process != fork::generation() {
            let message = "this store was opened before a fork, by the parent process; open it anew where the \
                           parent does not hold it, or let the parent serve it";
            return Err(Error::new(ErrorKind::Forked, message));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the store was closed; open it again"));
        }
        Ok(())
    }

    /// Holds off closing, for as long as files are worked on that another process may have afterwards.
    pub(crate) fn hold_open(&self) -> Result<RwLockReadGuard<'_, ()>> {
        self.check()?;
        let held = self.closing.read();
        // It may have been closed while this waited.
        self.check()?;
        Ok(held)
    }

    /// The key of the name to look up, if it is one.
    pub(crate) fn key(&self, account: &str, name: &str) -> Result<NameKey> {
        check_account(account)?;
        check_name(name)?;
        Ok(self.log.secret.name_key(account, name))
    }

    /// The name to act on, if it is one.
    pub(crate) fn target(&self, account: &str, name: &str) -> Result<Target> {
        let key = self.key(account, name)?;
        Ok(Target { account: account.to_owned(), name: name.to_owned(), key })
    }

    /// Has a request done whose prefix limits, if any, are counted.
    pub(crate) fn submit(&self, request: Request) -> (Option<Request>, Result<Vec<Done>, Refused>) {
        self.commit.submit(request)
    }

    /// Has a request done that has no prefix limits. On a full disk room is made for what lets go of names.
    pub(crate) fn carry_out(&self, request: Request) -> Result<Vec<Done>> {
        let lets_go = request.room() == Some(Room::Reserve);
        let answer = match self.submit(request) {
            (Some(again), Err(Refused::Error(error))) if lets_go && error.kind() == ErrorKind::NoSpace => {
                let _open = self.hold_open()?;
                self.upkeep.let_go_on_full_disk(again)
            }
            (_, answer) => answer,
        };
        match answer {
            Ok(done) => Ok(done),
            Err(Refused::Error(error)) => Err(error),
            Err(Refused::PrefixUnknown) => unreachable!("only a prefix limit asks for a count"),
        }
    }

    /// Tells the caller of a call that holds off closing of its progress: meanwhile this thread cannot close.
    pub(crate) fn tell<T>(&self, progress: impl FnOnce() -> T) -> T {
        struct Told;
        impl Drop for Told {
            fn drop(&mut self) {
                TELLING.with_borrow_mut(|telling| _ = telling.pop());
            }
        }
        TELLING.with_borrow_mut(|telling| telling.push(std::ptr::from_ref(self).addr()));
        let _told = Told;
        progress()
    }

    /// Writes everything down and lets others have the store.
    pub(crate) fn close(&self) -> Result<()> {
        if TELLING.with_borrow(|telling| telling.contains(&std::ptr::from_ref(self).addr())) {
            let message = "a store cannot be closed by what is told of the progress of one of its calls; have that \
                           call break off, and close the store when it has returned";
            return Err(Error::new(ErrorKind::InvalidOption, message));
        }
        // What takes long breaks off.
        self.upkeep.signal.stop();
        let _alone = self.closing.write();
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let _span = span(Phase::Close);
        self.upkeep.stop();
        self.commit.close();
        let outcome = self.write_down();
        self.closed.store(true, Ordering::Release);
        self.commit.wake_waiters();
        self.index.close();
        self.home.unlock();
        outcome
    }

    fn write_down(&self) -> Result<()> {
        self.commit.sync()?;
        self.upkeep.follow_at_last()?;
        self.upkeep.flush_index();
        match self.upkeep.checkpoint(true) {
            // The log has it all; without room for a checkpoint the next open reads more of it.
            Err(error) if error.kind() == ErrorKind::NoSpace => Ok(()),
            outcome => outcome,
        }
    }

    /// What is known of an entry whose record is damaged; `None` when nobody knows what it is called.
    pub(crate) fn damaged_entry(&self, account: &str, key: NameKey) -> Result<Option<Entry>> {
        let mut found = None;
        let all = std::ops::Bound::Unbounded;
        // An index that cannot be read knows nothing.
        let _ = self.index.scan(account, all, "", usize::MAX, &mut |name, _| {
            if self.log.secret.name_key(account, name) != key {
                return std::ops::ControlFlow::Continue(());
            }
            found = Some(name.to_owned());
            std::ops::ControlFlow::Break(())
        });
        let row = self.catalog.name(key);
        found.zip(row).map_or(Ok(None), |(name, row)| self.lookup.listed(&name, row))
    }

    /// Whether content is stored once for the whole store, and the scope of an account's contents.
    pub(crate) fn scope(&self, account: &str) -> Option<u32> {
        if self.home.store.store_wide {
            return Some(crate::catalog::STORE_SCOPE);
        }
        self.catalog.accounts.find(account).map(|account| account.id)
    }
}

fn tell_opened(report: &RecoveryReport, damage: &[Damage], timer: Timer) {
    damage.iter().for_each(|damage| telemetry::damage(&damage.path, damage.offset, &damage.what));
    telemetry::opened(timer, report.clean, report.records_replayed, damage.len() as u64);
}

/// Side by side, unless upkeep is by hand, which is to say in order: recovery asks the index about damage alone.
fn open_index_and_recover(home: &Home, options: &StoreOptions, files: &BlobFiles) -> (Arc<Index>, Result<Recovered>) {
    let (disk, cache_bytes) = (&options.disk, options.index_cache_bytes);
    let open = || Arc::new(Index::open(disk.clone(), &home.index(), home.store.id, cache_bytes));
    let recover = |index: &dyn Fn() -> Arc<Index>| {
        let _span = span(Phase::Recovery);
        recover(home, options, files, &Witness { end: &|| end_of(&index(), home), rows: &|| witness(&index()) })
    };
    if options.upkeep == Who::ByHand {
        let index = open();
        return (index.clone(), recover(&|| index.clone()));
    }
    thread::scope(|scope| {
        let opening = Mutex::new(Some(scope.spawn(open)));
        let opened = OnceLock::new();
        let join = || opening.lock().take().expect("joined once").join().unwrap_or_else(|panic| resume_unwind(panic));
        let index = || opened.get_or_init(join).clone();
        let recovered = recover(&index);
        (index(), recovered)
    })
}

/// Up to where in the log of its own store the index has read.
fn end_of(index: &Index, home: &Home) -> Option<Position> {
    let position = index.position().filter(|position| position.store_id == home.store.id)?;
    Some(Position { segment: position.segment, offset: position.offset })
}

/// All rows of the index: what it remembers of names whose records are damaged.
fn witness(index: &Index) -> Vec<(String, String, u64)> {
    let mut rows = Vec::new();
    for account in index.accounts_in_rows().unwrap_or_default() {
        let all = std::ops::Bound::Unbounded;
        let _ = index.scan(&account, all, "", usize::MAX, &mut |name, sequence| {
            rows.push((account.clone(), name.to_owned(), sequence));
            std::ops::ControlFlow::Continue(())
        });
    }
    rows
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Whoever wants to hear how it went closes first.
        let _ = self.close();
    }
}

/// A share in an open store; the last one closes it. In a forked child it forgets the store: no flush, no
/// unlock, no unlink, no join.
pub(crate) struct Handle(Option<Arc<Engine>>);

impl Handle {
    pub(crate) fn new(engine: Engine) -> Handle {
        Handle(Some(Arc::new(engine)))
    }

    /// The store, if it may be used here and now.
    pub(crate) fn engine(&self) -> Result<&Engine> {
        self.check()?;
        Ok(self)
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        Handle(self.0.clone())
    }
}

impl Deref for Handle {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.0.as_deref().expect("taken only by drop")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.process == fork::generation() {
            drop(self.0.take());
        } else {
            std::mem::forget(self.0.take());
        }
    }
}

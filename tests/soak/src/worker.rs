//! The process that is killed: it does what the script says and tells of each thing once it is acknowledged.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{
    Account, Blob, DeleteOptions, Entry, ErrorKind, Expiry, ListOptions, PutOptions, Result, Store, UpdateOptions,
    VerifyOptions,
};

use crate::script::{Content, Operation, Random};

/// Blobs each worker holds on to, whatever becomes of their names.
const HELD: usize = 60;

/// Works in `dir` until its standard input ends, or it is killed.
pub fn work(dir: &Path, seed: u64, workers: u64) -> Result<()> {
    let store = crate::options(seed).open(dir)?;
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for worker in 0..workers {
            let (store, stop) = (&store, &stop);
            threads.push(scope.spawn(move || Worker::new(store, worker)?.run(seed, stop)));
        }
        let (store, stop) = (&store, &stop);
        threads.push(scope.spawn(move || keep(store, dir, seed, stop)));
        threads.push(scope.spawn(move || follow(store, stop)));
        // The one who started this closes it when it is to end in order.
        let _ = std::io::stdin().read(&mut [0]);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("a worker panicked")).collect::<Result<Vec<()>>>()
    });
    outcome?;
    tell("held", "closing");
    store.close()?;
    tell("closed", "");
    Ok(())
}

/// One line to the one who watches, whole.
fn tell(what: &str, more: impl std::fmt::Display) {
    static LINE: Mutex<()> = Mutex::new(());
    let _one = LINE.lock();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{what} {more}").and_then(|()| out.flush());
}

struct Worker {
    account: Account,
    worker: u64,
    held: Vec<(Blob, Content)>,
}

impl Worker {
    fn new(store: &Store, worker: u64) -> Result<Worker> {
        Ok(Worker { account: store.account(&crate::account(worker))?, worker, held: Vec::new() })
    }

    fn run(&mut self, seed: u64, stop: &AtomicBool) -> Result<()> {
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let told = self.carry_out(&Operation::nth(seed, self.worker, n))?;
            tell("done", format_args!("{} {n} {told}", self.worker));
            n += 1;
        }
        self.held.iter().for_each(check_held);
        Ok(())
    }

    /// Does one thing; tells what came of it.
    fn carry_out(&mut self, operation: &Operation) -> Result<String> {
        let account = &self.account;
        Ok(match operation {
            Operation::Put { name, content, ttl_ms } => {
                let options = ttl_ms.map_or(PutOptions::new(), |ms| PutOptions::new().ttl(Duration::from_millis(ms)));
                entry(&account.put(name, content.bytes(), &options)?)
            }
            Operation::Write { name, content } => {
                let mut writer = account.writer(name, &PutOptions::new())?;
                for piece in content.bytes().chunks(30_000) {
                    writer.write_all(piece).expect("a writer takes bytes");
                }
                entry(&writer.commit()?)
            }
            Operation::Delete { name } => {
                if account.delete(name, &DeleteOptions::new())? {
                    "was".into()
                } else {
                    "was-not".into()
                }
            }
            Operation::Update { name, ttl_ms } => {
                let expiry = ttl_ms.map_or(Expiry::Never, |ms| Expiry::After(Duration::from_millis(ms)));
                let updated = account.update(name, &UpdateOptions::new().expiry(expiry))?;
                updated.map_or("was-not".into(), |updated| entry(&updated))
            }
            Operation::Copy { from, to } => {
                let copied = account.copy(from, to, &PutOptions::new())?;
                copied.map_or("was-not".into(), |copied| entry(&copied))
            }
            Operation::Batch { puts, delete } => {
                let mut batch = account.batch();
                for (name, content) in puts {
                    batch.put(name, content.bytes(), &PutOptions::new())?;
                }
                batch.delete(delete, &DeleteOptions::new())?;
                batch.commit()?;
                "was".into()
            }
            Operation::Read { name } => self.read(name)?,
            Operation::List { prefix } => self.list(prefix)?,
        })
    }

    fn read(&mut self, name: &str) -> Result<String> {
        let Some(blob) = self.account.get(name)? else { return Ok("was-not".into()) };
        let Some(content) = Content::told_by(&blob) else { panic!("{name} holds what nobody has put") };
        let told = entry(&blob.entry());
        if self.held.len() == HELD {
            check_held(&self.held.swap_remove(content.number as usize % HELD));
        }
        self.held.push((blob, content));
        Ok(told)
    }

    fn list(&self, prefix: &str) -> Result<String> {
        let mut last = String::new();
        let mut count = 0;
        for entry in self.account.entries(ListOptions::new().prefix(prefix).limit(37)) {
            let name = entry?.name;
            assert!(name > last && name.starts_with(prefix), "{name} after {last} in a listing of {prefix}");
            (last, count) = (name, count + 1);
        }
        Ok(format!("was {count}"))
    }
}

fn check_held((blob, content): &(Blob, Content)) {
    assert!(Content::told_by(blob) == Some(*content), "a blob that was held has changed");
}

/// What is told of an entry: its generation, when it expires, and its size.
fn entry(entry: &Entry) -> String {
    let expires = entry.expires_at.map_or(0, |at| at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64));
    format!("is {} {expires} {} {}", entry.generation, entry.size, entry.digest)
}

/// Where copies of the store are made: one that grows, beside it.
pub fn copies(dir: &Path) -> PathBuf {
    dir.with_extension("checkpoint")
}

/// Upkeep by hand, beside the store's own.
fn keep(store: &Store, dir: &Path, seed: u64, stop: &AtomicBool) -> Result<()> {
    let mut random = Random(seed);
    // What was done last of these is from before.
    let mut last = [None, None];
    let activities = store.health().last;
    for (last, activity) in last.iter_mut().zip([activities.erasure, activities.index_renewal]) {
        *last = activity.map(|activity| activity.at);
    }
    while !stop.load(Ordering::Relaxed) {
        let activities = store.health().last;
        let both = [(activities.erasure, "erased"), (activities.index_renewal, "renewed")];
        for (last, (activity, what)) in last.iter_mut().zip(both) {
            let done = activity.filter(|activity| activity.error.is_none() && *last != Some(activity.at));
            if let Some(done) = done {
                *last = Some(done.at);
                tell(what, "");
            }
        }
        std::thread::sleep(Duration::from_millis(200 + random.below(1500)));
        match random.below(8) {
            0..=1 => {
                let report = store.compact()?;
                tell("compacted", report.bytes_rewritten);
            }
            2 => {
                store.sweep()?;
            }
            3 => store.checkpoint_catalog()?,
            4 => {
                let report = store.checkpoint(copies(dir))?;
                tell("copied", report.bytes_copied);
            }
            5 => {
                let mut go_on = |_: &_| {
                    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                let report = store.verify(&VerifyOptions::new(), &mut go_on)?;
                assert!(
                    report.damaged.is_empty() && report.wrong_references == 0,
                    "verify blames what is sound: {report:?}"
                );
                tell("verified", report.bytes_checked);
            }
            6 if random.below(6) == 0 => {
                store.rebuild_index(&mut |_, _| ())?;
                tell("rebuilt", "");
            }
            _ => {
                let stats = store.stats()?;
                tell(
                    "holds",
                    format_args!("{} {} {} {}", stats.names, stats.live_bytes, stats.total_bytes, stats.spare_bytes),
                );
            }
        }
    }
    Ok(())
}

/// Follows the events from the oldest there is; where it falls behind what is kept, it goes on from there.
fn follow(store: &Store, stop: &AtomicBool) -> Result<()> {
    let mut last = store.events_floor();
    let mut count = 0u64;
    'again: while !stop.load(Ordering::Relaxed) {
        let mut events = match store.events(last) {
            Err(error) if error.kind() == ErrorKind::InvalidToken => {
                last = store.events_floor();
                continue;
            }
            events => events?,
        };
        while !stop.load(Ordering::Relaxed) {
            match events.wait(Duration::from_millis(500)) {
                Ok(Some(event)) => {
                    assert!(event.sequence > last, "event {} after {last}", event.sequence);
                    last = event.sequence;
                    count += 1;
                }
                Ok(None) => tell("followed", count),
                Err(error) if error.kind() == ErrorKind::InvalidToken => {
                    last = store.events_floor();
                    continue 'again;
                }
                Err(error) => return Err(error),
            }
        }
    }
    tell("followed", count);
    Ok(())
}

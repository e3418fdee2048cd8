//! What holds after `fork`: the child reads the blobs it was given, hears `Forked` from everything else,
//! touches no file and never hangs; its parent goes on as if nothing had been; and no child keeps a store
//! from others.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio, id};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use mediacask::{
    Account, Blob, DeleteOptions, Digest, Durability, ErrorKind, ListOptions, Policy, PutOptions, Result, Store,
    StoreOptions, UpdateOptions, Upkeep,
};
use support::{Random, wait_until};
use tempfile::TempDir;

/// Seconds after which a child that hangs is ended by the system.
const CHILD_SECS_MAX: u32 = 60;

/// A forked child.
struct Child(libc::pid_t);

/// Has the system end this process, should it hang.
fn limit_life() {
    // SAFETY: the call takes a number.
    unsafe { libc::alarm(CHILD_SECS_MAX) };
}

/// Forks. The child does `act` and exits in the ordinary way, with 0 unless it panics.
fn fork(act: impl FnOnce()) -> Child {
    // SAFETY: the child goes on with this thread alone. It takes no lock that another thread may have
    // held: that it need not is what is tested, and `alarm` ends it if it hangs.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child > 0 {
        return Child(child);
    }
    limit_life();
    let done = catch_unwind(AssertUnwindSafe(act));
    // SAFETY: the call takes a number. It is the end that any child in C has. That of Rust's runtime first
    // waits for a lock of the runtime's own, which a thread that was just ending in the parent may have held.
    unsafe { libc::exit(done.is_err().into()) };
}

impl Child {
    /// Waits for the end of the child, which is to be a good one.
    fn join(self) {
        let mut status = -1;
        // SAFETY: `status` is ours while the call lasts, and the child is ours to wait for.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        assert!(!libc::WIFSIGNALED(status), "the child was ended by signal {}", libc::WTERMSIG(status));
        assert_eq!(libc::WEXITSTATUS(status), 0, "the child panicked");
    }
}

fn small() -> StoreOptions {
    Store::options().segment_len(64 << 10).file_threshold(16 << 10).index_cache_bytes(1 << 20)
}

fn content(stamp: u64, len: usize) -> Vec<u8> {
    Random::new(stamp).bytes(len)
}

fn len_of(n: u64) -> usize {
    if n.is_multiple_of(7) { 20_000 } else { 900 }
}

/// A store with some names, and blobs of them all that are held.
fn filled(options: StoreOptions) -> (TempDir, Store, Account, Vec<Blob>) {
    let dir = TempDir::new().unwrap();
    let store = options.open(dir.path().join("store")).unwrap();
    let media = store.account("a").unwrap();
    let mut held = Vec::new();
    for n in 0..40 {
        let name = format!("name/{n}");
        media.put(&name, content(n, len_of(n)), &PutOptions::new().durability(Durability::Os)).unwrap();
        held.push(media.get(&name).unwrap().unwrap());
    }
    store.sync().unwrap();
    assert_eq!(media.list(&ListOptions::new()).unwrap().entries.len(), 40);
    (dir, store, media, held)
}

fn check_held(held: &[Blob]) {
    for (n, blob) in (0..).zip(held) {
        assert!(blob[..] == content(n, len_of(n))[..], "blob {n} changed");
        assert_eq!(blob.entry().name, format!("name/{n}"));
    }
}

/// Every file below a directory: its bytes, and when it was last changed.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(std::io::Result::unwrap) {
        let (path, facts) = (entry.path(), entry.metadata().unwrap());
        let bytes = if facts.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        if facts.is_dir() {
            all.extend(tree(&path));
        }
        all.insert(path, (bytes, facts.modified().unwrap()));
    }
    all
}

fn assert_untouched(root: &Path, before: &BTreeMap<PathBuf, (Vec<u8>, SystemTime)>) {
    let after = tree(root);
    let paths = before.keys().chain(after.keys());
    let touched: Vec<_> = paths.filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(touched.is_empty(), "{touched:?}");
}

/// Calls everything that there is to call; all of it is to answer `Forked`.
fn call_everything(store: &Store, media: &Account) {
    let (put, delete, list) = (PutOptions::new(), DeleteOptions::new(), ListOptions::new());
    let forked = |what: &str, outcome: Result<()>| {
        assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::Forked), "{what}");
    };
    forked("account", store.account("b").map(drop));
    forked("accounts", store.accounts().map(drop));
    forked("sync", store.sync());
    forked("sweep", store.sweep().map(drop));
    forked("checkpoint_catalog", store.checkpoint_catalog());
    forked("rebuild_index", store.rebuild_index(&mut |_, _| ()).map(drop));
    forked("names_of", store.names_of(&Digest::of(b"x")).map(drop));
    forked("purge_digest", store.purge_digest(&Digest::of(b"x")).map(drop));
    forked("events", store.events(0).map(drop));
    assert_eq!(store.events_floor(), u64::MAX);
    forked("stats", store.stats().map(drop));
    forked("recount", store.recount().map(drop));
    forked("close", store.close());
    forked("put", media.put("name/1", "x", &put).map(drop));
    forked("put of much", media.put("name/1", vec![1; 100_000], &put).map(drop));
    forked("put_reader", media.put_reader("name/1", &b"x"[..], &put).map(drop));
    forked("writer", media.writer("name/1", &put).map(drop));
    forked("get", media.get("name/1").map(drop));
    forked("get_range", media.get_range("name/1", ..1).map(drop));
    forked("reader", media.reader("name/1").map(drop));
    forked("head", media.head("name/1").map(drop));
    forked("contains", media.contains("name/1").map(drop));
    forked("delete", media.delete("name/1", &delete).map(drop));
    forked("list", media.list(&list).map(drop));
    forked("entries", media.entries(list.clone()).next().unwrap().map(drop));
    forked("update", media.update("name/1", &UpdateOptions::new()).map(drop));
    forked("copy", media.copy("name/1", "name/2", &put).map(drop));
    forked("copy_to", media.copy_to("name/1", &media.clone(), "name/2", &put).map(drop));
    forked("batch", media.batch().put("name/1", "x", &put).map(drop));
    forked("policy", media.policy().map(drop));
    forked("set_policy", media.set_policy(&Policy::default()));
    forked("account stats", media.stats().map(drop));
    forked("purge", media.purge("").map(drop));
    assert!(store.health().poisoned.is_some_and(|why| why.contains("fork")));
    assert!(!format!("{store:?} {media:?} {}", store.path().display()).is_empty());
}

#[test]
fn a_child_reads_what_it_holds_hears_forked_and_touches_no_file() {
    let (dir, store, media, held) = filled(small().upkeep(Upkeep::ByHand));
    let mut readers: Vec<_> = (0..20).map(|n| media.reader(&format!("name/{n}")).unwrap().unwrap()).collect();
    let mut writer = media.writer("under way", &PutOptions::new()).unwrap();
    writer.write_all(&vec![1; 200_000]).unwrap();
    let mut batch = media.batch();
    batch.put("in a batch", "x", &PutOptions::new()).unwrap();
    let before = tree(dir.path());
    let (inner, inner_media) = (store.clone(), media.clone());
    let mut events = store.events(0).unwrap();
    assert!(events.next().unwrap().is_ok());
    let mut given = Some((inner, inner_media, held.clone(), writer, batch));
    fork(|| {
        let (store, media, held, mut writer, batch) = given.take().unwrap();
        assert_eq!(events.next().unwrap().unwrap_err().kind(), ErrorKind::Forked);
        assert_eq!(events.wait(Duration::from_hours(1)).unwrap_err().kind(), ErrorKind::Forked);
        check_held(&held);
        for (n, reader) in (0..).zip(&mut readers) {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            assert!(bytes == content(n, len_of(n)));
        }
        call_everything(&store, &media);
        assert!(writer.write_all(b"more").is_err());
        assert_eq!(writer.commit().unwrap_err().kind(), ErrorKind::Forked);
        assert_eq!(batch.commit().unwrap_err().kind(), ErrorKind::Forked);
        drop((store, media, held));
    })
    .join();
    assert_untouched(dir.path(), &before);

    // Neither did a child that just ends, nor one that drops the last share of all it has.
    assert_eq!(events.count(), 39);
    let all = AssertUnwindSafe((store, media, held, readers, given.take()));
    let mut all = Some(all);
    fork(|| ()).join();
    fork(|| drop(all.take())).join();
    assert_untouched(dir.path(), &before);

    let AssertUnwindSafe((store, media, held, _, given)) = all.take().unwrap();
    let (.., writer, batch) = given.unwrap();
    writer.commit().unwrap();
    batch.commit().unwrap();
    check_held(&held);
    assert_eq!(media.get("under way").unwrap().unwrap().len(), 200_000);
    assert!(media.contains("in a batch").unwrap());
    store.close().unwrap();
    let store = small().open(dir.path().join("store")).unwrap();
    assert_eq!(store.account("a").unwrap().entries(ListOptions::new()).filter_map(Result::ok).count(), 42);
    assert!(store.health().recovery.clean);
}

#[test]
fn forks_amid_eight_writers_disturb_neither_parent_nor_child() {
    let (dir, store, media, held) = filled(small());
    let (over, puts) = (AtomicBool::new(false), AtomicU64::new(0));
    let last = thread::scope(|scope| {
        let spawn = |thread: u64| {
            let (store, over, puts) = (&store, &over, &puts);
            scope.spawn(move || {
                let media = store.account("b").unwrap();
                let mut n = 0;
                while !over.load(Ordering::SeqCst) {
                    n += 1;
                    let options = PutOptions::new().ttl(Duration::from_hours(1));
                    media.put(&format!("{thread}"), content(thread << 32 | n, len_of(n)), &options).unwrap();
                    if n % 16 == 0 {
                        media.list(&ListOptions::new()).unwrap();
                        store.sweep().unwrap();
                    }
                    puts.fetch_add(1, Ordering::SeqCst);
                }
                n
            })
        };
        let threads: Vec<_> = (0..8).map(spawn).collect();
        for n in 0..60 {
            wait_until("the threads have put more", || puts.load(Ordering::SeqCst) >= 20 * n);
            let child = fork(|| {
                check_held(&held);
                call_everything(&store, &media);
                drop((held.clone(), store.clone(), media.clone()));
            });
            // Some children live beside each other and their parent's work.
            if n % 3 != 0 {
                child.join();
            } else {
                scope.spawn(move || child.join());
            }
        }
        over.store(true, Ordering::SeqCst);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    check_held(&held);
    assert_eq!(store.recount().unwrap(), []);
    store.close().unwrap();
    let store = small().open(dir.path().join("store")).unwrap();
    let media = store.account("b").unwrap();
    for (thread, n) in (0..).zip(last) {
        assert!(media.get(&format!("{thread}")).unwrap().unwrap()[..] == content(thread << 32 | n, len_of(n))[..]);
    }
    check_held(&held);
}

/// A child that lives until this is dropped or told to go.
struct Lingering {
    child: Child,
    end: std::os::unix::net::UnixStream,
}

impl Lingering {
    /// The child does `act` when it is told to go.
    fn fork(act: impl FnOnce()) -> Lingering {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let child = fork(|| {
            let mut byte = [0];
            theirs.read_exact(&mut byte).unwrap();
            act();
        });
        Lingering { child, end: ours }
    }

    fn end(mut self) {
        self.end.write_all(&[1]).unwrap();
        self.child.join();
    }
}

const DIR: &str = "MEDIACASK_TEST_FORK_DIR";

/// Runs a test of this binary in a process of its own, on a store's directory.
fn elsewhere(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(DIR, dir);
    command
}

/// Fails unless the one test that a process was to run has passed.
fn assert_passed(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

#[test]
fn a_child_that_lives_on_keeps_no_closed_store_from_others() {
    const NAME: &str = "a_child_that_lives_on_keeps_no_closed_store_from_others";
    if let Some(dir) = std::env::var_os(DIR) {
        let store = Store::open(dir).unwrap();
        let media = store.account("a").unwrap();
        assert_eq!(media.entries(ListOptions::new()).filter_map(Result::ok).count(), 40);
        media.put("from elsewhere", "x", &PutOptions::new()).unwrap();
        return;
    }
    let (dir, store, media, held) = filled(small());
    let path = dir.path().join("store");
    let child = Lingering::fork(|| {
        check_held(&held);
        call_everything(&store, &media);
    });
    store.close().unwrap();
    let output = elsewhere(NAME, &path).output().unwrap();
    assert_passed(&output);
    // And the parent itself may have it again.
    let again = small().open(&path).unwrap();
    assert!(again.account("a").unwrap().contains("from elsewhere").unwrap());
    assert_eq!(again.account("a").unwrap().list(&ListOptions::new()).unwrap().entries.len(), 41);
    child.end();
}

/// The parent: it opens, forks, and ends without a word, as if killed. Its child holds blobs and lives on.
fn end_before_a_child(path: &Path) -> ! {
    limit_life();
    let store = small().upkeep(Upkeep::ByHand).open(path).unwrap();
    let media = store.account("a").unwrap();
    for n in 0..300 {
        let options = PutOptions::new().durability(Durability::Os);
        media.put(&format!("name/{n}"), content(n, len_of(n)), &options).unwrap();
    }
    store.sync().unwrap();
    let held: Vec<_> = (0..300).map(|n| media.get(&format!("name/{n}")).unwrap().unwrap()).collect();
    fork(|| {
        println!("forked");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        check_held(&held);
        call_everything(&store, &media);
        println!("all was well");
    });
    // SAFETY: the call takes a number, and nothing here needs an end.
    unsafe { libc::_exit(0) };
}

/// The next to open the store: it frees all that the child maps, and writes as much again many times. It
/// never forks, so that it writes over what it may.
fn free_and_write_again(path: &Path) {
    limit_life();
    let store = small().upkeep(Upkeep::ByHand).open(path).unwrap();
    let media = store.account("a").unwrap();
    assert_eq!(media.list(&ListOptions::new()).unwrap().entries.len(), 300);
    let found = ids_of(path, "seg");
    assert!(found.len() >= 5, "{found:?}");
    media.purge("").unwrap();
    let (mut freed, mut begun, mut spares) = (0, BTreeSet::new(), BTreeSet::new());
    for round in 1..=30 {
        for n in 0..20 {
            let options = PutOptions::new().durability(Durability::Os);
            media.put(&format!("{n}"), content(round << 32 | n, 3_000), &options).unwrap();
        }
        begun.extend(ids_of(path, "seg"));
        freed += store.sweep().unwrap().segments_freed;
        spares.extend(ids_of(path, "spare"));
    }
    assert!(found.is_disjoint(&ids_of(path, "seg")), "what was found at open is to leave the log: {found:?}");
    assert!(found.is_disjoint(&spares), "what was found at open is to be written again: {found:?}, {spares:?}");
    let again = begun.intersection(&spares).count();
    assert!(freed >= found.len() as u64 + 10 && again >= 10, "{freed} segments freed, {again} to be written again");
}

#[test]
fn a_child_that_outlives_its_parent_keeps_no_store_from_others_and_reads_on() {
    const NAME: &str = "a_child_that_outlives_its_parent_keeps_no_store_from_others_and_reads_on";
    const NEXT: &str = "MEDIACASK_TEST_FORK_NEXT";
    match std::env::var_os(DIR).map(PathBuf::from) {
        Some(path) if std::env::var_os(NEXT).is_some() => return free_and_write_again(&path),
        Some(path) => end_before_a_child(&path),
        None => {}
    }
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let mut parent = elsewhere(NAME, &path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Taken first: waiting would close it, and its child still reads it.
    let mut stdin = parent.stdin.take().unwrap();
    let ended = parent.wait().unwrap();
    assert!(ended.success(), "the parent did not come to its end: {ended}");
    let mut stdout = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(stdout.any(|line| line.contains("forked")), "there is no child");

    let output = elsewhere(NAME, &path).env(NEXT, "1").output().unwrap();
    assert_passed(&output);
    stdin.write_all(b"go\n").expect("the child is there until it is told to go");
    // To its last word only: a child of another test may hold the pipe's end for longer.
    let is_well = stdout.any(|line| line.contains("all was well"));
    assert!(is_well, "the child was not well, or was ended after {CHILD_SECS_MAX} s; what it said is above");
}

/// The ids of a store's segments, or of its spares.
fn ids_of(store: &Path, extension: &str) -> BTreeSet<String> {
    let files = fs::read_dir(store.join("segments")).unwrap().map(|file| file.unwrap().file_name());
    let ids = files.filter_map(|file| Some(file.to_str()?.strip_suffix(extension)?.to_owned()));
    ids.collect()
}

#[test]
fn a_child_may_have_a_store_of_its_own_but_not_the_one_of_its_parent() {
    let (dir, store, media, held) = filled(small());
    let own = TempDir::new().unwrap();
    let parent = id();
    fork(|| {
        let refused = small().open(dir.path().join("store")).unwrap_err();
        assert_eq!((refused.kind(), refused.holder_pid()), (ErrorKind::Locked, Some(parent)));
        let mine = small().open(own.path().join("store")).unwrap();
        let own_media = mine.account("a").unwrap();
        for n in 0..60 {
            own_media.put(&format!("name/{}", n % 20), content(n, len_of(n)), &PutOptions::new()).unwrap();
        }
        mine.sweep().unwrap();
        assert_eq!(own_media.list(&ListOptions::new()).unwrap().entries.len(), 20);
        assert_eq!(mine.recount().unwrap(), []);
        mine.close().unwrap();
        check_held(&held);
    })
    .join();
    let found = small().open(own.path().join("store")).unwrap();
    assert_eq!(found.account("a").unwrap().list(&ListOptions::new()).unwrap().entries.len(), 20);
    media.put("later", "x", &PutOptions::new()).unwrap();
    store.close().unwrap();
}

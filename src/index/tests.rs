//! The index against a model, against damage, and against a sled that panics.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::disk::files::RealDisk;
use crate::disk::{Access, Disk};

use super::{Broken, Change, Copied, Fault, Index, Position, ScanEnd, break_index};

const STORE: [u8; 16] = [7; 16];

const CACHE_BYTES: u64 = 4 << 20;

fn at(offset: u64) -> Position {
    Position { segment: 3, offset, store_id: STORE }
}

fn open(dir: &Path) -> Index {
    Index::open(Arc::new(RealDisk), &dir.join("index"), STORE, CACHE_BYTES)
}

/// Runs a test on an index on the disk and on one in memory.
fn on_both(test: impl Fn(&Index)) {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    assert_eq!(index.in_memory_reason(), None);
    test(&index);
    index.close();
    break_index(dir.path(), Fault::Error, u32::MAX);
    let index = open(dir.path());
    assert!(index.in_memory_reason().is_some());
    test(&index);
    break_index(dir.path(), Fault::Error, 0);
}

fn set(index: &Index, account: &str, rows: &[(&str, u64)]) {
    let change = |&(name, sequence)| Change::Set { account, name, sequence };
    index.apply(&mut rows.iter().map(change).collect::<Vec<_>>()).unwrap();
}

/// All rows of an account that a scan gives, and why it ended.
fn scanned(
    index: &Index,
    account: &str,
    from: Bound<&str>,
    prefix: &str,
    rows_max: usize,
) -> Result<(Vec<(String, u64)>, ScanEnd), Broken> {
    let mut rows = Vec::new();
    let end = index.scan(account, from, prefix, rows_max, &mut |name, sequence| {
        rows.push((name.to_owned(), sequence));
        ControlFlow::Continue(())
    })?;
    Ok((rows, end))
}

fn all(index: &Index, account: &str) -> Vec<(String, u64)> {
    scanned(index, account, Bound::Unbounded, "", usize::MAX).unwrap().0
}

/// `count` rows of account `a`, as a rebuild takes them.
fn sorted(count: u64) -> impl Iterator<Item = (String, String, u64)> {
    (0..count).map(|n| ("a".to_owned(), format!("name {n:06}"), n + 1))
}

fn replace(index: &Index, count: u64) -> Result<Option<u64>, Broken> {
    index.replace(at(count), &mut sorted(count), &mut |_| ControlFlow::Continue(()))
}

#[test]
fn no_more_rows_are_read_than_are_likely_to_be_visited() {
    on_both(|index| {
        replace(index, 2_000).unwrap();
        for (likely, read) in [(Some(1_001), vec![512, 489]), (Some(2), vec![2, 8]), (None, vec![16, 64])] {
            let mut batches = Vec::new();
            index
                .scan_batches("a", Bound::Unbounded, "", (usize::MAX, likely), &mut |names| {
                    batches.push(names.len());
                    if batches.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
            assert_eq!(batches, read, "{likely:?}");
        }
    });
}

/// What stands in the directory of the index.
fn names_in(dir: &Path) -> Vec<String> {
    let found = RealDisk.read_dir(&dir.join("index")).unwrap();
    let mut names: Vec<_> = found.into_iter().map(|found| found.name).collect();
    names.sort();
    names
}

fn write(path: &Path, bytes: &[u8]) {
    let file = RealDisk.open(path, Access::Create).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
}

/// Copies a directory as it stands: what a crash at this moment may leave.
fn copy_tree(from: &Path, to: &Path) {
    RealDisk.create_dir(to).unwrap();
    for found in RealDisk.read_dir(from).unwrap() {
        let (from, to) = (from.join(&found.name), to.join(&found.name));
        if found.is_dir {
            copy_tree(&from, &to);
            continue;
        }
        let file = RealDisk.open(&from, Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.facts().unwrap().len).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        write(&to, &bytes);
    }
}

/// The file that holds the rows of the only tree.
fn db_file(dir: &Path) -> PathBuf {
    dir.join("index").join(&names_in(dir)[0]).join("db")
}

#[test]
fn a_scan_gives_what_a_sorted_map_gives() {
    let names = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a0",
        "a\u{1}",
        "ab",
        "b",
        "B",
        "é",
        "éa",
        "\u{10FFFF}",
        "\n",
        " ",
        "..",
        "a/é",
        "a/\u{10FFFF}",
        "z",
    ];
    let model: BTreeMap<&str, u64> = names.iter().copied().zip(1..).collect();
    on_both(|index| {
        set(index, "account", &names.iter().copied().zip(1..).collect::<Vec<_>>());
        set(index, "accoun", &[("a", 99)]);
        set(index, "account\u{1}", &[("a", 99)]);
        set(index, "accounts", &[("a", 99)]);
        for prefix in ["", "a", "a/", "a/b", "é", "\u{10FFFF}", "none", "b"] {
            let begins = |name: &&str| name.starts_with(prefix);
            for from in names.iter().chain(&["", "a/a", "m", "\u{10FFFF}\u{10FFFF}"]) {
                for from in [Bound::Included(*from), Bound::Excluded(*from), Bound::Unbounded] {
                    let range = model.range::<str, _>((from, Bound::Unbounded));
                    let wanted: Vec<_> = range
                        .filter(|(name, _)| begins(name))
                        .map(|(name, &sequence)| ((*name).to_owned(), sequence))
                        .collect();
                    let (found, end) = scanned(index, "account", from, prefix, usize::MAX).unwrap();
                    assert_eq!(found, wanted, "from {from:?} with prefix {prefix:?}");
                    assert_eq!(end, ScanEnd::Done);
                }
            }
        }
    });
}

#[test]
fn accounts_that_begin_alike_do_not_run_into_each_other() {
    on_both(|index| {
        let accounts = ["a", "a\u{1}", "aa", "ab", "b", "é"];
        for (account, sequence) in accounts.into_iter().zip(1..) {
            set(index, account, &[("same", sequence), ("\u{1}", sequence)]);
        }
        assert_eq!(index.accounts_in_rows().unwrap(), accounts);
        assert_eq!(index.clear_account("a").unwrap(), 2);
        assert_eq!(index.clear_account("a").unwrap(), 0);
        assert_eq!(index.accounts_in_rows().unwrap(), accounts[1..]);
        assert_eq!(all(index, "aa"), [("\u{1}".to_owned(), 3), ("same".to_owned(), 3)]);
    });
}

#[test]
fn a_scan_ends_where_the_caller_says() {
    on_both(|index| {
        set(index, "a", &[("1", 1), ("2", 2), ("3", 3)]);
        let up_to = |rows_max| scanned(index, "a", Bound::Unbounded, "", rows_max).unwrap();
        assert_eq!(up_to(0), (vec![], ScanEnd::Limit));
        assert_eq!(up_to(2).0.len(), 2);
        assert_eq!(up_to(2).1, ScanEnd::Limit);
        assert_eq!(up_to(4).1, ScanEnd::Done);
        let mut seen = 0;
        let end = index.scan("a", Bound::Unbounded, "", 9, &mut |_, _| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!((end, seen), (Ok(ScanEnd::Stopped), 1));
    });
}

#[test]
fn of_several_changes_to_one_name_the_last_counts() {
    on_both(|index| {
        let (account, one, two) = ("a", "one", "two");
        let changes = &mut [
            Change::Set { account, name: two, sequence: 1 },
            Change::Set { account, name: one, sequence: 2 },
            Change::Remove { account, name: two },
            Change::Set { account, name: one, sequence: 4 },
            Change::Set { account: "b", name: one, sequence: 5 },
        ];
        index.apply(changes).unwrap();
        assert_eq!(all(index, account), [(one.to_owned(), 4)]);
        index.apply(&mut [Change::Remove { account, name: one }]).unwrap();
        assert_eq!(all(index, account), []);
        assert_eq!(all(index, "b"), [(one.to_owned(), 5)]);
    });
}

#[test]
fn a_long_walk_gives_each_row_once_and_its_sum_is_that_of_the_rows() {
    on_both(|index| {
        assert_eq!(replace(index, 5_000), Ok(Some(5_000)));
        let wanted: Vec<_> = sorted(5_000).map(|(_, name, sequence)| (name, sequence)).collect();
        assert_eq!(all(index, "a"), wanted);
        let share =
            |name: &str, sequence: u64| u128::MAX - u128::from(sequence) * u128::from(name.as_bytes()[name.len() - 1]);
        let sum = wanted.iter().fold(0_u128, |sum, row| sum.wrapping_add(share(&row.0, row.1)));
        assert_eq!(index.rows_sum("a", &share), Ok((5_000, sum)));
        assert_eq!(index.rows_sum("b", &share), Ok((0, 0)));
        assert_eq!(index.clear_account("a"), Ok(5_000));
    });
}

#[test]
fn rows_and_position_are_there_again_at_once_after_closing() {
    let dir = TempDir::new().unwrap();
    for round in 0..10 {
        let index = open(dir.path());
        assert_eq!(index.position(), (round > 0).then(|| at(round)));
        assert_eq!(all(&index, "a").len() as u64, round);
        set(&index, "a", &[(&format!("name {round}"), round)]);
        index.flush(at(round + 1)).unwrap();
        if round % 2 == 0 {
            index.close();
            assert!(index.apply(&mut []).is_err(), "closed");
        }
        drop(index);
        assert_eq!(names_in(dir.path()), ["00000001"], "the tree is the same one");
    }
}

#[test]
fn rows_without_a_position_or_of_another_store_are_begun_afresh() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    set(&index, "a", &[("name", 1)]);
    index.close();
    let index = open(dir.path());
    assert_eq!((index.position(), all(&index, "a").len()), (None, 0));
    assert_eq!(index.state().set_aside, 0, "this is no damage");
    set(&index, "a", &[("name", 1)]);
    index.flush(at(1)).unwrap();
    index.close();
    let other = Index::open(Arc::new(RealDisk), &dir.path().join("index"), [8; 16], CACHE_BYTES);
    assert_eq!((other.position(), all(&other, "a").len()), (None, 0));
    assert!(other.state().last_set_aside.unwrap().contains("another store"));
}

#[test]
fn new_rows_take_the_place_of_the_old_ones_and_nothing_else_is_left() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    set(&index, "b", &[("old", 1)]);
    index.flush(at(1)).unwrap();
    assert_eq!(replace(&index, 3_000), Ok(Some(3_000)));
    assert_eq!(index.accounts_in_rows().unwrap(), ["a"]);
    assert_eq!(index.position(), Some(at(3_000)));
    assert_eq!(names_in(dir.path()), ["00000002"]);
    assert!(index.bytes_on_disk() > 0);
    index.close();
    let index = open(dir.path());
    assert_eq!(index.position(), Some(at(3_000)));
    assert_eq!(all(&index, "a").len(), 3_000);
}

#[test]
fn a_rebuild_that_is_broken_off_or_cut_by_a_crash_leaves_the_old_rows() {
    let (dir, after_crash) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let index = open(dir.path());
    set(&index, "b", &[("old", 1)]);
    index.flush(at(1)).unwrap();
    let done = index.replace(at(9), &mut sorted(5_000), &mut |count| {
        assert_eq!(names_in(dir.path()), ["00000001", "00000002"]);
        copy_tree(&dir.path().join("index"), &after_crash.path().join(format!("{count}")));
        if count > 2_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(done, Ok(None));
    assert_eq!(names_in(dir.path()), ["00000001"]);
    let crashes = RealDisk.read_dir(after_crash.path()).unwrap();
    assert_eq!(crashes.len(), 2);
    let after = |crash: &str| Index::open(Arc::new(RealDisk), &after_crash.path().join(crash), STORE, CACHE_BYTES);
    for index in crashes.iter().map(|found| after(&found.name)).chain([index]) {
        assert_eq!(index.accounts_in_rows().unwrap(), ["b"]);
        assert_eq!(index.position(), Some(at(1)));
    }
}

#[test]
fn of_two_complete_trees_the_one_that_was_there_first_stands() {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    replace(&open(old.path()), 7).unwrap();
    replace(&open(new.path()), 9).unwrap();
    let new_tree = new.path().join("index").join("00000002");
    copy_tree(&new_tree, &old.path().join("index").join("00000003"));
    let index = open(old.path());
    assert_eq!((index.position(), all(&index, "a").len()), (Some(at(7)), 7));
    assert_eq!(names_in(old.path()), ["00000002"]);
    assert_eq!(index.state().set_aside, 0);
}

#[test]
fn a_reader_finishes_on_the_rows_it_began_with() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    replace(&index, 2_000).unwrap();
    let mut seen = 0;
    let end = index.scan("a", Bound::Unbounded, "", usize::MAX, &mut |_, _| {
        seen += 1;
        if seen == 1 {
            assert_eq!(replace(&index, 5), Ok(Some(5)));
            index.set_aside("a test says so");
        }
        ControlFlow::Continue(())
    });
    assert_eq!((end, seen), (Ok(ScanEnd::Done), 2_000));
    assert_eq!(all(&index, "a"), []);
    assert_eq!(names_in(dir.path()), ["00000004"]);
}

/// Stops the other thread, also when an assertion fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_name_that_lives_through_a_walk_is_seen_once_whatever_others_do() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    let kept: Vec<_> = (0..2_000).map(|n| format!("{n:05} kept")).collect();
    set(&index, "a", &kept.iter().map(|name| (&name[..], 1)).collect::<Vec<_>>());
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let _stop = StopAtEnd(&stop);
        threads.spawn(|| {
            let mut n = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let name = format!("{:05} passing", n * 7919 % 2_000);
                set(&index, "a", &[(&name, n)]);
                let (account, name) = ("a", format!("{:05} passing", n * 7907 % 2_000));
                index.apply(&mut [Change::Remove { account, name: &name }]).unwrap();
            }
        });
        for _ in 0..20 {
            let mut seen = all(&index, "a");
            assert!(seen.is_sorted_by(|one, next| one.0 < next.0));
            seen.retain(|(name, _)| name.ends_with("kept"));
            assert!(seen.iter().map(|row| &row.0).eq(&kept));
        }
    });
}

#[test]
fn whatever_stands_in_its_directory_it_opens() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("index");
    write(&path, b"a file in its place");
    let index = open(dir.path());
    assert_eq!(index.in_memory_reason(), None);
    replace(&index, 10).unwrap();
    index.close();

    // What a crash inside sled's open leaves; without help no later open succeeds.
    write(&path.join("00000002").join("snap.FFFFFFFFFFFFFFFF.generating"), b"half a snapshot");
    write(&path.join("notes.txt"), b"none of ours");
    write(&path.join("00000003"), b"a file with the name of a tree");
    RealDisk.create_dir(&path.join("00000000")).unwrap();
    write(&path.join("00000000").join("db"), b"junk");
    RealDisk.create_dir(&path.join("00000001.aside")).unwrap();
    let index = open(dir.path());
    assert_eq!(all(&index, "a").len(), 10);
    assert_eq!(names_in(dir.path()), ["00000002", "notes.txt"]);
    index.set_aside("a test says so");
    assert_eq!(names_in(dir.path()), ["00000004", "notes.txt"], "no number is used twice");
}

#[test]
fn damage_never_gets_out_as_a_panic_and_a_rebuild_ends_it() {
    let whole = TempDir::new().unwrap();
    let index = open(whole.path());
    replace(&index, 3_000).unwrap();
    let (account, name) = ("a", "name 000000");
    index.apply(&mut [Change::Set { account, name, sequence: 77 }]).unwrap();
    index.flush(at(5)).unwrap();
    index.close();
    let wanted: BTreeMap<_, _> = all(&open(whole.path()), "a").into_iter().collect();
    assert_eq!((wanted.len(), wanted[name]), (3_000, 77));

    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for image in 0..60 {
        let dir = TempDir::new().unwrap();
        copy_tree(&whole.path().join("index"), &dir.path().join("index"));
        let db = RealDisk.open(&db_file(dir.path()), Access::Write).unwrap();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let place = random % db.facts().unwrap().len;
        if image % 3 == 0 {
            db.set_len(place).unwrap();
        } else {
            let mut byte = [0];
            db.read_at(&mut byte, place).unwrap();
            byte[0] ^= 1 << (random >> 61);
            db.write_at(&[IoSlice::new(&byte)], place).unwrap();
        }
        let index = open(dir.path());
        // Broken, or rows of some time; which of the two is sled's to choose, and ours to check.
        let _ = index.accounts_in_rows();
        let _ = scanned(&index, "a", Bound::Unbounded, "", usize::MAX);
        let _ = index.apply(&mut [Change::Remove { account, name }]);
        let _ = index.flush(at(6));
        assert_eq!(replace(&index, 3_000), Ok(Some(3_000)), "image {image} at {place}");
        assert_eq!(all(&index, "a").len(), 3_000);
        assert_eq!(index.in_memory_reason(), None);
    }
}

#[test]
fn a_panic_or_error_at_open_sets_the_rows_aside() {
    for fault in [Fault::Panic, Fault::Error] {
        let dir = TempDir::new().unwrap();
        let index = open(dir.path());
        replace(&index, 10).unwrap();
        index.close();
        break_index(dir.path(), fault, 1);
        let index = open(dir.path());
        assert_eq!((index.position(), all(&index, "a").len()), (None, 0));
        let state = index.state();
        assert_eq!((state.set_aside, state.in_memory, state.broken), (1, None, None));
        assert!(state.last_set_aside.unwrap().contains("a test ordered"));
        assert_eq!(replace(&index, 10), Ok(Some(10)));
    }
}

#[test]
fn a_panic_or_error_at_a_later_call_breaks_the_rows_until_they_are_set_aside() {
    for fault in [Fault::Panic, Fault::Error] {
        let dir = TempDir::new().unwrap();
        let index = open(dir.path());
        replace(&index, 10).unwrap();
        break_index(dir.path(), fault, 1);
        let broken = scanned(&index, "a", Bound::Unbounded, "", 1).unwrap_err();
        assert!(broken.to_string().contains("a test ordered"), "{broken}");
        assert_eq!(index.rows_sum("a", &|_, _| 0).unwrap_err(), broken, "it stays broken");
        assert_eq!(index.flush(at(1)).unwrap_err(), broken);
        assert!(index.state().broken.is_some());
        index.set_aside(&broken.to_string());
        assert_eq!(all(&index, "a"), []);
        assert_eq!((index.state().broken, index.state().set_aside), (None, 1));
        assert_eq!(index.position(), None);
        assert_eq!(names_in(dir.path()).len(), 1);
    }
}

#[test]
fn where_sled_does_not_work_rows_are_kept_in_memory_and_the_next_rebuild_tries_again() {
    for fault in [Fault::Panic, Fault::Error] {
        let dir = TempDir::new().unwrap();
        break_index(dir.path(), fault, u32::MAX);
        let index = open(dir.path());
        assert!(index.state().in_memory.unwrap().contains("a test ordered"));
        assert_eq!(replace(&index, 10), Ok(Some(10)));
        index.flush(at(1)).unwrap();
        assert_eq!((all(&index, "a").len(), index.position()), (10, None));
        assert!(names_in(dir.path()).is_empty());
        break_index(dir.path(), fault, 0);
        assert_eq!(replace(&index, 20), Ok(Some(20)));
        assert_eq!((index.in_memory_reason(), index.position()), (None, Some(at(20))));
    }
}

#[test]
fn a_rebuild_that_fails_on_the_disk_is_done_in_memory_the_next_time() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    replace(&index, 10).unwrap();
    let failed = index.replace(at(9), &mut sorted(5_000), &mut |count| {
        break_index(dir.path(), Fault::Error, u32::from(count == 2_048));
        ControlFlow::Continue(())
    });
    assert!(failed.is_err());
    assert_eq!(all(&index, "a").len(), 10, "the old rows serve on");
    assert_eq!(names_in(dir.path()).len(), 1);
    assert_eq!(replace(&index, 5_000), Ok(Some(5_000)));
    assert!(index.in_memory_reason().unwrap().contains("a test ordered"));
    assert!(names_in(dir.path()).is_empty());
    assert_eq!(replace(&index, 5_000), Ok(Some(5_000)));
    assert_eq!(index.in_memory_reason(), None);
}

#[test]
fn a_cache_of_no_size_is_no_reason_to_fail() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(Arc::new(RealDisk), &dir.path().join("index"), STORE, 0);
    assert_eq!(replace(&index, 1_000), Ok(Some(1_000)));
    assert_eq!(all(&index, "a").len(), 1_000);
    assert_eq!(index.in_memory_reason(), None);
}

#[test]
fn a_directory_that_cannot_be_made_costs_nothing_but_memory() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing").join("index");
    let index = Index::open(Arc::new(RealDisk), &missing, STORE, CACHE_BYTES);
    assert!(index.in_memory_reason().unwrap().contains("cannot make"));
    set(&index, "a", &[("name", 1)]);
    assert_eq!(all(&index, "a").len(), 1);
    index.close();
}

/// Copies all rows, some at a time; says how often.
fn copy_all(index: &Index, rows: usize, mut between: impl FnMut(u64)) -> u64 {
    let mut turns = 0;
    loop {
        match index.renew_some(rows).unwrap() {
            Copied::Some(copied) => between(copied),
            Copied::All(_) => return turns,
            Copied::None => panic!("it is under way"),
        }
        turns += 1;
    }
}

/// Makes a random change, in the index and in the model.
fn change_some(index: &Index, model: &mut BTreeMap<String, u64>, random: &mut u64) {
    let mut next = || {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *random >> 33
    };
    for _ in 0..5 {
        let (name, sequence) = (format!("name {:06}", next() % 4000), next());
        if sequence.is_multiple_of(3) {
            model.remove(&name);
            index.apply(&mut [Change::Remove { account: "a", name: &name }]).unwrap();
        } else {
            index.apply(&mut [Change::Set { account: "a", name: &name, sequence }]).unwrap();
            model.insert(name, sequence);
        }
    }
}

#[test]
fn a_renewal_keeps_every_change_that_is_made_meanwhile() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    replace(&index, 3000).unwrap();
    let mut model: BTreeMap<String, u64> = all(&index, "a").into_iter().collect();
    let mut random = 1;
    for round in 0..3 {
        assert!(index.renew_begin().unwrap());
        change_some(&index, &mut model, &mut random);
        let turns = copy_all(&index, 97, |_| change_some(&index, &mut model, &mut random));
        assert!(turns > 20, "{turns} turns");
        // While the fresh tree is opened again, changes wait.
        std::thread::scope(|scope| {
            let settles = scope.spawn(|| index.renew_settle().unwrap());
            while !settles.is_finished() {
                change_some(&index, &mut model, &mut random);
            }
            assert!(settles.join().unwrap(), "it went on");
        });
        change_some(&index, &mut model, &mut random);
        assert_eq!(all(&index, "a"), model.clone().into_iter().collect::<Vec<_>>());
        assert!(index.renew_end(at(round)).unwrap().unwrap() >= 1000);
        assert_eq!(all(&index, "a"), model.clone().into_iter().collect::<Vec<_>>(), "round {round}");
        assert!(index.is_alone() && names_in(dir.path()).len() == 1, "{:?}", names_in(dir.path()));
        change_some(&index, &mut model, &mut random);
    }
    index.flush(at(7)).unwrap();
    index.close();
    let index = open(dir.path());
    assert_eq!(index.position(), Some(at(7)));
    assert_eq!(all(&index, "a"), model.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_crash_at_any_step_of_a_renewal_leaves_the_old_rows_or_the_new() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    replace(&index, 2000).unwrap();
    index.flush(at(1)).unwrap();
    let rows = all(&index, "a");
    let images = TempDir::new().unwrap();
    let mut count = 0;
    let mut crash = |told: &str, position: &[Position]| {
        count += 1;
        let image = images.path().join(count.to_string());
        RealDisk.create_dir(&image).unwrap();
        copy_tree(&dir.path().join("index"), &image.join("index"));
        let left = open(&image);
        assert!(position.contains(&left.position().unwrap()), "{told}: {:?}", left.position());
        assert_eq!(all(&left, "a"), rows, "{told}");
        assert_eq!(names_in(&image).len(), 1, "{told}: {:?}", names_in(&image));
        left.close();
    };
    index.renew_begin().unwrap();
    crash("begun", &[at(1)]);
    index.renew_some(900).unwrap();
    crash("some are copied", &[at(1)]);
    copy_all(&index, 900, |_| ());
    crash("all are copied", &[at(1)]);
    assert!(index.renew_settle().unwrap());
    crash("opened again", &[at(1)]);
    // Somebody reads the old rows, so that they stay for now.
    index
        .scan("a", Bound::Unbounded, "", 1, &mut |_, _| {
            index.renew_end(at(2)).unwrap();
            crash("exchanged, the old one read", &[at(1)]);
            ControlFlow::Continue(())
        })
        .unwrap();
    crash("done", &[at(2)]);
    index.close();
}

#[test]
fn a_renewal_that_fails_leaves_the_rows_as_they_are() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    replace(&index, 500).unwrap();
    let rows = all(&index, "a");
    for fault in [Fault::Panic, Fault::Error] {
        // While rows are copied, while a change is made along, while it is opened again, at the end.
        for step in 0..4 {
            index.renew_begin().unwrap();
            let fresh = dir.path().join("index").join(names_in(dir.path()).last().unwrap());
            if step > 0 {
                copy_all(&index, 100, |_| ());
            }
            if step == 3 {
                assert!(index.renew_settle().unwrap());
            }
            break_index(&fresh, fault, u32::MAX);
            let failed = match step {
                0 => index.renew_some(100).is_err(),
                1 => {
                    set(&index, "b", &[("n", 1)]);
                    index.apply(&mut [Change::Remove { account: "b", name: "n" }]).unwrap();
                    index.renew_some(100).is_err()
                }
                2 => index.renew_settle().is_err(),
                _ => index.renew_end(at(9)).is_err(),
            };
            assert!(failed, "{fault:?} at step {step}");
            break_index(&fresh, fault, 0);
            assert_eq!(index.renew_some(100), Ok(Copied::None));
            assert_eq!((all(&index, "a"), index.state().broken), (rows.clone(), None));
            assert!(index.is_alone(), "{:?}", names_in(dir.path()));
        }
    }
    // Rows that are exchanged otherwise end it, too.
    index.renew_begin().unwrap();
    index.set_aside("a test says so");
    assert_eq!(index.renew_some(100), Ok(Copied::None));
    index.renew_begin().unwrap();
    replace(&index, 5).unwrap();
    assert!(!index.renew_settle().unwrap() && index.renew_end(at(9)).unwrap().is_none());
    index.renew_begin().unwrap();
    index.close();
    assert_eq!(all(&open(dir.path()), "a").len(), 5);
}

/// Whether any file of the index holds these bytes.
fn holds(dir: &Path, text: &[u8]) -> bool {
    let read = |path: &Path| {
        let file = RealDisk.open(path, Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.facts().unwrap().len).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        bytes.windows(text.len()).any(|window| window == text)
    };
    RealDisk.read_dir(dir).unwrap().iter().any(|found| {
        let path = dir.join(&found.name);
        if found.is_dir { holds(&path, text) } else { read(&path) }
    })
}

#[test]
fn a_renewal_gives_room_back_and_keeps_nothing_of_what_was_removed() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    replace(&index, 30_000).unwrap();
    set(&index, "a", &[("name 000007/xq-secret-4711", 1)]);
    index.flush(at(1)).unwrap();
    let names: Vec<String> = all(&index, "a").into_iter().skip(5).map(|(name, _)| name).collect();
    for names in names.chunks(1000) {
        let mut removals: Vec<_> = names.iter().map(|name| Change::Remove { account: "a", name }).collect();
        index.apply(&mut removals).unwrap();
    }
    index.flush(at(2)).unwrap();
    let before = index.bytes_on_disk();
    assert!(holds(dir.path(), b"xq-secret-4711"), "else this test shows nothing");
    let rows = all(&index, "a");
    assert_eq!(rows.len(), 5);
    index.renew_begin().unwrap();
    copy_all(&index, 512, |_| ());
    assert!(index.renew_settle().unwrap());
    assert_eq!(index.renew_end(at(3)).unwrap(), Some(5));
    assert!(index.is_alone());
    assert!(!holds(dir.path(), b"xq-secret-4711"));
    assert!(index.bytes_on_disk() < before / 3, "{} of {before} bytes", index.bytes_on_disk());
    assert_eq!(all(&index, "a"), rows);
}

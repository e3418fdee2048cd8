//! What compaction promises: space comes back, and nothing else changes. Survivors stay readable and their bytes
//! the same, what was deleted stays deleted, also when only the log is left, blobs that are held stay what they
//! are, and damage is not spread.

mod compaction {
    pub(crate) mod kept;
}
mod support;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compaction::kept::{self, Wanted};
use mediacask::{Blob, DeleteOptions, ErrorKind, Policy, PutOptions, Store};
use support::{Random, place};

#[test]
fn survivors_stay_what_they_are_through_many_rounds_and_rebuilds() {
    let dir = place::temp_dir();
    let (mut wanted, mut random) = (Wanted::new(), Random::new(1));
    let mut store = kept::options().open(dir.path()).unwrap();
    let (mut compacted, mut freed) = (0, 0);
    for round in 0..40 {
        kept::churn(&store, &mut wanted, &mut random, 120);
        let report = store.compact().unwrap();
        (compacted, freed) = (compacted + report.segments_compacted, freed + report.bytes_freed);
        kept::compare(&store, &wanted, &format!("round {round}"));
        if round % 4 == 3 {
            store.close().unwrap();
            store = kept::rebuilt(dir.path(), kept::options());
            kept::compare(&store, &wanted, &format!("round {round}, rebuilt"));
        } else if round % 4 == 1 {
            store.close().unwrap();
            store = kept::options().open(dir.path()).unwrap();
            kept::compare(&store, &wanted, &format!("round {round}, opened again"));
        }
        assert!(store.health().damage.is_empty(), "{:?}", store.health().damage);
    }
    assert!(compacted > 40 && freed > 40 * 65536, "{compacted} segments compacted, {freed} bytes freed");
}

#[test]
fn a_thousand_blobs_that_are_held_stay_what_they_are_whatever_is_compacted_and_written_again() {
    let dir = place::temp_dir();
    let (mut wanted, mut random) = (Wanted::new(), Random::new(2));
    let store = kept::options().open(dir.path()).unwrap();
    let account = kept::account(&store);
    let mut held: Vec<(Blob, Vec<u8>)> = Vec::new();
    for round in 0..50 {
        kept::churn(&store, &mut wanted, &mut random, 80);
        let names: Vec<&String> = wanted.keys().collect();
        for _ in 0..20 {
            let name = names[random.below(names.len() as u64) as usize];
            held.push((account.get(name).unwrap().unwrap(), wanted[name].clone()));
        }
        store.compact().unwrap();
        if round % 10 == 9 {
            assert!(held.iter().all(|(blob, wanted)| blob[..] == wanted[..]), "round {round}");
        }
    }
    assert_eq!(held.len(), 1000);
    kept::compare(&store, &wanted, "at the end");
    drop(account);
    store.close().unwrap();
    assert!(held.iter().all(|(blob, wanted)| blob[..] == wanted[..]), "after closing");
}

#[test]
fn what_was_deleted_long_ago_does_not_come_back_when_only_the_log_is_left() {
    let dir = place::temp_dir();
    let mut random = Random::new(3);
    let store = kept::options().open(dir.path()).unwrap();
    let account = kept::account(&store);
    let mut wanted = Wanted::new();
    for nth in 0..200 {
        let name = format!("old/{nth}");
        account.put(&name, random.bytes(1000), &PutOptions::new()).unwrap();
    }
    for nth in 0..200 {
        if nth % 20 == 0 {
            let name = format!("old/{nth}");
            wanted.insert(name.clone(), account.get(&name).unwrap().unwrap().to_vec());
        } else {
            account.delete(&format!("old/{nth}"), &DeleteOptions::new()).unwrap();
        }
    }
    // The deletions themselves grow old, and their segments go, too.
    for round in 0..30 {
        for nth in 0..10 {
            let (name, content) = (format!("new/{nth}"), random.bytes(7000));
            account.put(&name, &content, &PutOptions::new()).unwrap();
            wanted.insert(name, content);
        }
        let report = store.compact().unwrap();
        assert!(round == 0 || report.segments_freed > 0, "round {round}");
    }
    let segments = store.stats().unwrap().segments;
    assert!(segments <= 5, "{segments} segments for {} contents", wanted.len());
    drop(account);
    store.close().unwrap();
    let store = kept::rebuilt(dir.path(), kept::options());
    assert_eq!(kept::differs(&store, &wanted), None);
}

#[test]
fn a_large_blob_frees_its_file_when_its_last_name_goes_and_not_when_its_record_moves() {
    let dir = place::temp_dir();
    let mut random = Random::new(4);
    let store = kept::options().open(dir.path()).unwrap();
    let account = kept::account(&store);
    let large = random.bytes(20_000);
    account.put("large", &large, &PutOptions::new()).unwrap();
    account.copy("large", "copy", &PutOptions::new()).unwrap();
    for nth in 0..60 {
        account.put("small", random.bytes(5000), &PutOptions::new()).unwrap();
        if nth % 20 == 19 {
            assert!(store.compact().unwrap().segments_freed > 0);
        }
    }
    assert_eq!(
        (store.stats().unwrap().blob_files, account.get("large").unwrap().unwrap().to_vec()),
        (1, large.clone())
    );
    account.delete("large", &DeleteOptions::new()).unwrap();
    assert_eq!(store.sweep().unwrap().files_freed, 0);
    assert_eq!(account.get("copy").unwrap().unwrap()[..], large);
    account.delete("copy", &DeleteOptions::new()).unwrap();
    assert_eq!((store.sweep().unwrap().files_freed, store.stats().unwrap().blob_files), (1, 0));
}

/// The file below `segments/` in which these bytes stand, and where.
fn find(dir: &Path, bytes: &[u8]) -> (PathBuf, usize) {
    let files = place::files_below(&dir.join("segments"));
    let found = files.into_iter().find_map(|path| {
        let held = std::fs::read(&path).unwrap();
        let at = held.windows(bytes.len()).position(|window| window == bytes)?;
        Some((path, at))
    });
    found.expect("the bytes stand in a segment")
}

fn flip(path: &Path, at: usize) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at as u64).unwrap();
}

#[test]
fn a_survivor_that_is_damaged_stays_where_it_is_and_answers_so_until_it_is_healed() {
    let (dir, mut random) = (place::temp_dir(), Random::new(6));
    let store = kept::options().open(dir.path()).unwrap();
    let account = kept::account(&store);
    let (hit, beside) = (random.bytes(3000), random.bytes(3000));
    account.put("hit", &hit, &PutOptions::new()).unwrap();
    account.put("beside", &beside, &PutOptions::new()).unwrap();
    let churn = |random: &mut Random| {
        (0..40).for_each(|_| drop(account.put("other", random.bytes(7000), &PutOptions::new()).unwrap()));
    };
    churn(&mut random);
    let (path, at) = find(dir.path(), &hit);
    flip(&path, at + 100);
    let freed = store.compact().unwrap().segments_freed;
    assert!(freed >= 2, "{freed} segments: the others go");
    assert!(path.exists(), "the damaged one stays");
    let told = |store: &Store| store.health().damage.iter().any(|damage| damage.path == path);
    assert!(told(&store), "{:?}", store.health().damage);
    let answers = |store: &Store, when: &str| {
        let account = kept::account(store);
        assert_eq!(account.get("hit").unwrap_err().kind(), ErrorKind::Corrupt, "{when}");
        assert_eq!(account.get("beside").unwrap().unwrap()[..], beside, "{when}");
    };
    answers(&store, "after compaction");
    churn(&mut random);
    store.compact().unwrap();
    answers(&store, "after another one");
    // The same bytes heal it; then its segment goes like any other.
    account.put("again", &hit, &PutOptions::new()).unwrap();
    churn(&mut random);
    store.compact().unwrap();
    assert!(!path.exists(), "nothing in it is alive");
    assert_eq!(account.get("hit").unwrap().unwrap()[..], hit);
    assert_eq!(account.get("beside").unwrap().unwrap()[..], beside);
}

#[test]
fn an_entry_that_is_damaged_is_never_absent_and_never_an_older_version() {
    let (dir, mut random) = (place::temp_dir(), Random::new(7));
    let store = kept::options().open(dir.path()).unwrap();
    let account = kept::account(&store);
    account.put("name/that/is/hit", b"older", &PutOptions::new()).unwrap();
    (0..12).for_each(|_| drop(account.put("other", random.bytes(7000), &PutOptions::new()).unwrap()));
    account.put("name/that/is/hit", b"newer", &PutOptions::new().metadata("mark", "a text that is found")).unwrap();
    (0..12).for_each(|_| drop(account.put("other", random.bytes(7000), &PutOptions::new()).unwrap()));
    let (path, at) = find(dir.path(), b"a text that is found");
    flip(&path, at);
    for _ in 0..3 {
        store.compact().unwrap();
        assert_eq!(account.get("name/that/is/hit").unwrap_err().kind(), ErrorKind::Corrupt);
        (0..12).for_each(|_| drop(account.put("other", random.bytes(7000), &PutOptions::new()).unwrap()));
    }
    assert!(path.exists());
    drop(account);
    store.close().unwrap();
    let store = kept::options().open(dir.path()).unwrap();
    assert_eq!(kept::account(&store).get("name/that/is/hit").unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn compaction_that_is_asked_for_again_finds_nothing_more_to_do() {
    let (dir, mut random) = (place::temp_dir(), Random::new(8));
    let store = kept::options().open(dir.path()).unwrap();
    let mut wanted = Wanted::new();
    kept::churn(&store, &mut wanted, &mut random, 400);
    let before = store.stats().unwrap();
    let report = store.compact().unwrap();
    let after = store.stats().unwrap();
    let size = |stats: &mediacask::Stats| stats.total_bytes - stats.spare_bytes;
    assert!(report.segments_compacted > 0 && report.bytes_rewritten > 0, "{report:?}");
    assert!(report.bytes_freed > 0 && size(&before) - size(&after) == report.bytes_freed, "{report:?}, {after:?}");
    assert_eq!(after.compacted_bytes, report.bytes_rewritten);
    let again = store.compact().unwrap();
    assert_eq!((again.segments_compacted, again.bytes_rewritten, again.segments_freed), (0, 0, 0), "{again:?}");
    assert!(store.health().last.compaction.is_some());
}

#[test]
fn expiring_names_end_at_their_instant_though_they_were_moved() {
    let (dir, mut random, hand) = (place::temp_dir(), Random::new(9), place::Hand::new());
    let store = kept::options().clock(hand.clock()).open(dir.path()).unwrap();
    let account = kept::account(&store);
    for nth in 0..60u64 {
        let options = PutOptions::new().ttl(Duration::from_millis(10_000 + 1000 * (nth % 3)));
        account.put(&format!("t{nth}"), random.bytes(1000), &options).unwrap();
        account.put("other", random.bytes(6000), &PutOptions::new()).unwrap();
    }
    assert!(store.compact().unwrap().segments_compacted > 0);
    let left = || (0..60).filter(|nth| account.contains(&format!("t{nth}")).unwrap()).count();
    assert_eq!(left(), 60);
    hand.advance_ms(10_000);
    assert_eq!((left(), store.sweep().unwrap().expired), (40, 20));
    (0..30).for_each(|_| drop(account.put("other", random.bytes(6000), &PutOptions::new()).unwrap()));
    assert!(store.compact().unwrap().segments_compacted > 0);
    hand.advance_ms(2000);
    assert_eq!((left(), store.sweep().unwrap().expired, store.stats().unwrap().names), (0, 40, 1));
}

#[test]
fn a_policy_outlives_the_segment_it_was_set_in() {
    let (dir, mut random) = (place::temp_dir(), Random::new(10));
    let mut store = kept::options().open(dir.path()).unwrap();
    let policy = Policy { largest_blob: Some(7000), ..Policy::default() };
    kept::account(&store).set_policy(&policy).unwrap();
    for round in 0..4 {
        let account = kept::account(&store);
        (0..40).for_each(|_| drop(account.put("other", random.bytes(7000), &PutOptions::new()).unwrap()));
        assert!(store.compact().unwrap().segments_freed > 0);
        assert_eq!(account.policy().unwrap(), policy, "round {round}");
        drop(account);
        store.close().unwrap();
        store = kept::rebuilt(dir.path(), kept::options());
        assert_eq!(kept::account(&store).policy().unwrap(), policy, "round {round}, rebuilt");
    }
    assert!(store.stats().unwrap().segments <= 4);
}

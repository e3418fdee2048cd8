//! What compaction promises: space comes back, and nothing else changes. Survivors stay readable and their bytes
//! the same, what was deleted stays deleted, also when only the log is left, blobs that are held stay what they
//! are, and damage is not spread.

mod compaction {
    pub(crate) mod kept;
}
mod support;

use compaction::kept::{self, Wanted};
use mediacask::{Blob, DeleteOptions, PutOptions};
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

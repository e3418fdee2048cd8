//! What `erase_within` promises: when the time is over, the bytes, names and facts of what was deleted, overwritten or
//! has expired are in no file below the store's directory. These tests look for them there, byte by byte.

#[path = "erasure/scene.rs"]
mod scene;
mod support;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use mediacask::{DeleteOptions, ErrorKind, PutOptions, Store, StoreOptions, Upkeep, VerifyOptions};
use scene::{
    BYTES, HALF_MS, NAME, WITHIN, account, compare, count, end_ahead_of_its_put, found_in, let_go_of_everything, mixed,
    options, secret, secret_put,
};
use support::place::{self, Hand};
use support::{Random, wait_until};

/// Opens the store once more with nothing but its log.
fn rebuilt(dir: &Path, options: StoreOptions) -> Store {
    let _ = std::fs::remove_file(dir.join("catalog"));
    let _ = std::fs::remove_dir_all(dir.join("index"));
    options.open(dir).unwrap()
}

#[test]
fn compaction_by_hand_leaves_nothing_of_what_was_let_go_of_in_any_file() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(1));
    let store = options(&hand).open(dir.path()).unwrap();
    let kept = let_go_of_everything(&store, &hand, &mut random, 60);
    let held = account(&store).get("message/0/kept").unwrap().unwrap();
    store.compact().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    assert!(count(&store, "segments_compacted") > 3 && count(&store, "late_ms") == 0);
    compare(&store, &kept, "erased");
    assert!(held[..] == kept[0].1[..]);
    store.close().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    compare(&rebuilt(dir.path(), options(&hand)), &kept, "rebuilt");
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
}

#[test]
fn a_sweep_each_half_of_the_time_keeps_the_deadline() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(2));
    let store = options(&hand).open(dir.path()).unwrap();
    for round in 0..4 {
        let kept = let_go_of_everything(&store, &hand, &mut random, 60);
        store.sweep().unwrap();
        hand.advance_ms(HALF_MS - 2000);
        store.sweep().unwrap();
        assert!(!found_in(dir.path()).is_empty(), "round {round}: it was not due");
        assert!(store.health().erasure_overdue.is_none());
        hand.advance_ms(2000);
        store.sweep().unwrap();
        assert_eq!(found_in(dir.path()), Vec::<String>::new(), "round {round}");
        assert_eq!(count(&store, "late_ms"), 0);
        compare(&store, &kept, &format!("round {round}"));
        kept.iter().for_each(|(name, _)| assert!(account(&store).delete(name, &DeleteOptions::new()).unwrap()));
    }
}

#[test]
fn the_background_keeps_the_deadline_by_itself() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(3));
    let store = options(&hand).upkeep(Upkeep::Background).open(dir.path()).unwrap();
    let kept = let_go_of_everything(&store, &hand, &mut random, 60);
    // What is swept while something is being erased is for the next time.
    wait_until("what expired is swept", || store.stats().unwrap().names == kept.len() as u64);
    hand.advance_ms(HALF_MS);
    wait_until("it is erased", || store.health().last.erasure.is_some());
    assert_eq!(count(&store, "late_ms"), 0);
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    compare(&store, &kept, "erased");
}

#[test]
fn ends_of_names_go_whatever_the_order_of_puts_and_ends_in_many_segments() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(4));
    let store = options(&hand).open(dir.path()).unwrap();
    let account = account(&store);
    // Puts and ends of the same names in turns, with compactions between that mix old with new.
    for round in 0..300 {
        let nth = random.below(40);
        if round % 3 == 2 {
            account.delete(&format!("message/{nth}/{NAME}"), &DeleteOptions::new()).unwrap();
        } else {
            let len = 1000 + random.below(9000) as usize;
            secret_put(&account, nth, &mut random, len, PutOptions::new());
        }
        let name = format!("kept/{}", random.below(12));
        account.put(&name, random.bytes(3000), &PutOptions::new()).unwrap();
    }
    for nth in 0..40 {
        account.delete(&format!("message/{nth}/{NAME}"), &DeleteOptions::new()).unwrap();
    }
    assert!(store.stats().unwrap().segments > 20);
    let names = account.entries(mediacask::ListOptions::new()).map(|entry| entry.unwrap().name);
    let kept: Vec<_> = names.map(|name| (name.clone(), account.get(&name).unwrap().unwrap().to_vec())).collect();
    store.compact().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    store.close().unwrap();
    compare(&rebuilt(dir.path(), options(&hand)), &kept, "rebuilt");
}

#[test]
fn an_end_that_comes_before_its_put_by_age_goes_with_it() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(15));
    let kept = end_ahead_of_its_put(&mixed(&hand).open(dir.path()).unwrap(), &mut random);
    let store = mixed(&hand).erase_within(WITHIN).open(dir.path()).unwrap();
    assert!(!found_in(dir.path()).is_empty());
    store.compact().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    assert!(count(&store, "late_ms") == 0 && store.health().erasure_overdue.is_none());
    compare(&store, &kept, "erased");
    store.close().unwrap();
    compare(&rebuilt(dir.path(), mixed(&hand)), &kept, "rebuilt");
}

#[test]
fn what_an_earlier_process_left_is_erased_its_spares_and_the_ends_of_its_segments_included() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(5));
    let before = || place::small().clock(hand.clock());
    let store = before().open(dir.path()).unwrap();
    for nth in 0..60 {
        secret_put(&account(&store), nth, &mut random, 5000, PutOptions::new());
        account(&store).delete(&format!("message/{nth}/{NAME}"), &DeleteOptions::new()).unwrap();
    }
    for _ in 0..3 {
        account(&store).put("kept", random.bytes(9000), &PutOptions::new()).unwrap();
        store.compact().unwrap();
        store.sweep().unwrap();
    }
    assert!(store.stats().unwrap().spare_segments > 1);
    // One that was begun in a spare, and is not written to its end.
    let content = random.bytes(9000);
    account(&store).put("kept", &content, &PutOptions::new()).unwrap();
    store.close().unwrap();
    let spares = |found: &[String]| found.iter().filter(|path| path.contains(".spare")).count();
    let found = found_in(dir.path());
    assert!(spares(&found) > 0 && found.iter().any(|path| path.contains(".seg")), "{found:?}");

    let store = options(&hand).open(dir.path()).unwrap();
    assert_eq!(spares(&found_in(dir.path())), 0);
    // The log says when the oldest of it was deleted, or else the time counts from now.
    hand.advance_ms(HALF_MS);
    store.sweep().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    compare(&store, &[("kept".to_owned(), content)], "erased");
}

#[test]
fn the_time_of_what_has_expired_counts_from_its_instant_and_not_from_the_sweep() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(16));
    let store = options(&hand).open(dir.path()).unwrap();
    secret_put(&account(&store), 1, &mut random, 3000, PutOptions::new().ttl(Duration::from_secs(1)));
    account(&store).put("kept", b"stays", &PutOptions::new()).unwrap();
    hand.advance_ms(1000 + HALF_MS);
    store.sweep().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    assert_eq!(count(&store, "late_ms"), 0);
    compare(&store, &[("kept".to_owned(), b"stays".to_vec())], "erased");
}

#[test]
fn the_next_process_says_how_late_it_erases_what_the_one_before_has_deleted() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(17));
    let store = options(&hand).open(dir.path()).unwrap();
    secret_put(&account(&store), 1, &mut random, 3000, PutOptions::new());
    account(&store).delete(&format!("message/1/{NAME}"), &DeleteOptions::new()).unwrap();
    store.close().unwrap();
    hand.advance_ms(2 * HALF_MS + 5);
    let store = options(&hand).open(dir.path()).unwrap();
    store.sweep().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    assert_eq!(count(&store, "late_ms"), 5);
}

#[test]
fn nothing_is_written_over_what_was_deleted() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(6));
    let store = options(&hand).open(dir.path()).unwrap();
    for nth in 0..40 {
        secret_put(&account(&store), nth, &mut random, 9000, PutOptions::new().ttl(Duration::from_secs(1)));
    }
    hand.advance_ms(1000);
    let freed = store.sweep().unwrap().segments_freed;
    store.checkpoint_catalog().unwrap();
    assert!(freed + store.sweep().unwrap().segments_freed > 3);
    assert!(!found_in(dir.path()).iter().any(|path| path.contains(".spare")));
}

#[test]
fn what_repair_has_set_aside_goes_when_it_is_old_enough() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(7));
    let store = options(&hand).open(dir.path()).unwrap();
    let account = account(&store);
    secret_put(&account, 1, &mut random, 3000, PutOptions::new());
    secret_put(&account, 2, &mut random, 20_000, PutOptions::new());
    account.put("kept", b"stays", &PutOptions::new()).unwrap();
    for path in place::files_below(dir.path()) {
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(BYTES.len()).position(|window| window == BYTES) {
            bytes[at - 100] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    // Damaged, so not compacted: and told of when the time is over.
    account.delete(&format!("message/2/{NAME}"), &DeleteOptions::new()).unwrap();
    account.put("kept", b"stays here", &PutOptions::new()).unwrap();
    store.compact().unwrap();
    let told = store.health().last.erasure.unwrap().error.unwrap();
    assert!(told.contains("cannot be compacted") && told.contains("verify"), "{told}");
    assert!(store.health().erasure_overdue.is_none());
    hand.advance_ms(2 * HALF_MS + 1);
    let overdue = store.health().erasure_overdue.unwrap();
    assert!(overdue.contains("1ms ago") && overdue.contains("verify"), "{overdue}");

    store.verify(&VerifyOptions::new().repair(true), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(found_in(dir.path()).iter().any(|path| path.contains("quarantine")));
    assert!(store.health().damage.is_empty(), "{:?}", store.health().damage);
    store.sweep().unwrap();
    let found = found_in(dir.path());
    assert!(!found.is_empty() && found.iter().all(|path| path.contains("quarantine")), "{found:?}");
    assert!(count(&store, "late_ms") > 0 && store.health().erasure_overdue.is_none());
    hand.advance_ms(HALF_MS);
    store.sweep().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    assert_eq!(&account.get("kept").unwrap().unwrap()[..], b"stays here");
}

#[test]
fn a_time_that_cannot_be_kept_is_refused() {
    let dir = place::temp_dir();
    for within in [Duration::ZERO, Duration::from_secs(59)] {
        let error = Store::options().erase_within(within).open(dir.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        assert!(error.to_string().contains("60s at least"), "{error}");
    }
    let shortest = Duration::from_millis(mediacask::limits::ERASE_WITHIN_MS_MIN);
    let at_least = Store::options().upkeep(Upkeep::ByHand).erase_within(shortest);
    assert!(at_least.open(dir.path()).is_ok());
}

#[test]
fn processes_that_live_for_less_than_half_of_the_time_keep_the_deadline_together() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(11));
    let open = || options(&hand).open(dir.path()).unwrap();
    for round in 0..3 {
        let store = open();
        let kept = let_go_of_everything(&store, &hand, &mut random, 40);
        store.compact().unwrap();
        assert_eq!(found_in(dir.path()), Vec::<String>::new());
        let name = "message/overwritten";
        account(&store).put(name, secret(&mut random, 2000), &PutOptions::new()).unwrap();
        account(&store).put(name, b"nothing", &PutOptions::new()).unwrap();
        // No end of a name says when: what died is found out by what the last process did.
        store.close().unwrap();
        let mut waited_ms = 0;
        while !found_in(dir.path()).is_empty() {
            assert!(waited_ms < 2 * HALF_MS, "round {round}: {:?}", found_in(dir.path()));
            hand.advance_ms(HALF_MS / 4);
            waited_ms += HALF_MS / 4;
            let store = open();
            store.sweep().unwrap();
            store.close().unwrap();
        }
        assert!(waited_ms >= HALF_MS / 2, "round {round}: it was done before it was due");
        let store = open();
        let kept = [kept, vec![(name.to_owned(), b"nothing".to_vec())]].concat();
        compare(&store, &kept, &format!("round {round}"));
        kept.iter().for_each(|(name, _)| assert!(account(&store).delete(name, &DeleteOptions::new()).unwrap()));
        store.compact().unwrap();
    }
}

#[test]
fn nothing_is_written_anew_for_what_was_erased_before() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(12));
    let store = options(&hand).open(dir.path()).unwrap();
    let kept = let_go_of_everything(&store, &hand, &mut random, 60);
    store.compact().unwrap();
    assert!(count(&store, "segments_compacted") > 3);
    store.compact().unwrap();
    assert_eq!(count(&store, "segments_compacted"), 0);
    compare(&store, &kept, "twice");
    let at = store.health().last.erasure.unwrap().at;
    hand.advance_ms(4 * HALF_MS);
    store.sweep().unwrap();
    assert_eq!(store.health().last.erasure.unwrap().at, at, "nothing was let go of since");
}

#[test]
fn what_a_crash_has_damaged_goes_when_repair_has_set_it_aside() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(13));
    let store = options(&hand).open(dir.path()).unwrap();
    let content = random.bytes(1500);
    account(&store).put("kept/1", &content, &PutOptions::new()).unwrap();
    secret_put(&account(&store), 1, &mut random, 1500, PutOptions::new());
    account(&store).put("kept/2", &content[..700], &PutOptions::new()).unwrap();
    // The file of a content that was deleted, which a power cut may bring back.
    let before = place::files_below(dir.path());
    secret_put(&account(&store), 2, &mut random, 20_000, PutOptions::new());
    let file = place::files_below(&dir.path().join("files")).into_iter().find(|path| !before.contains(path)).unwrap();
    let file_bytes = std::fs::read(&file).unwrap();
    account(&store).delete(&format!("message/2/{NAME}"), &DeleteOptions::new()).unwrap();
    // As after the power was cut: the segment that was written is not complete, and nothing derived is there.
    let copy = place::temp_dir();
    let copy_of = |path: &Path| copy.path().join(path.strip_prefix(dir.path()).unwrap());
    for path in place::files_below(dir.path()) {
        let is_derived = ["index", "catalog", "activity", "LOCK"]
            .iter()
            .any(|name| path.strip_prefix(dir.path()).unwrap().starts_with(name));
        if is_derived {
            continue;
        }
        std::fs::create_dir_all(copy_of(&path).parent().unwrap()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // The head of the entry, in front of its name: no row of the log tells of it then.
        if let Some(at) = bytes.windows(NAME.len()).position(|window| window == NAME.as_bytes()) {
            bytes[at - 20] ^= 1;
        }
        std::fs::write(copy_of(&path), bytes).unwrap();
    }
    drop(store);
    std::fs::create_dir_all(copy_of(&file).parent().unwrap()).unwrap();
    std::fs::write(copy_of(&file), file_bytes).unwrap();
    let _ = std::fs::create_dir(copy.path().join("staging"));
    let store = options(&hand).open(copy.path()).unwrap();
    assert!(!store.health().damage.is_empty());
    assert!(!found_in(copy.path()).is_empty());
    store.verify(&VerifyOptions::new().repair(true), &mut |_| ControlFlow::Continue(())).unwrap();
    store.compact().unwrap();
    let in_files = |found: &[String]| found.iter().filter(|path| path.starts_with("files/")).count();
    let found = found_in(copy.path());
    assert!(found.iter().all(|path| path.contains("quarantine") || path.starts_with("files/")), "{found:?}");
    // For all that is known, the damaged entry had this file.
    let told = store.health().last.erasure.unwrap().error.unwrap();
    assert!(in_files(&found) == 1 && told.contains("named by nothing that stands"), "{told}");
    assert!(found.len() > 1, "{found:?}");
    // The note says since when it is there, to the next process, too.
    store.close().unwrap();
    hand.advance_ms(HALF_MS);
    let store = options(&hand).open(copy.path()).unwrap();
    store.sweep().unwrap();
    assert_eq!(found_in(copy.path()), Vec::<String>::new());
    for (name, content) in [("kept/1", &content[..]), ("kept/2", &content[..700])] {
        assert!(account(&store).get(name).unwrap().unwrap()[..] == *content, "{name}");
    }
}

#[test]
fn where_what_was_set_aside_cannot_be_listed_nothing_is_said_to_be_erased() {
    let (dir, hand, mut random) = (place::temp_dir(), Hand::new(), Random::new(12));
    let store = options(&hand).open(dir.path()).unwrap();
    let kept = let_go_of_everything(&store, &hand, &mut random, 20);
    store.close().unwrap();
    // Whoever may read everything is refused by this, too.
    std::fs::write(dir.path().join("quarantine"), "no directory").unwrap();
    let store = options(&hand).open(dir.path()).unwrap();
    let error = store.compact().unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("quarantine"), "{error}");
    assert_eq!(store.sweep().unwrap_err().kind(), ErrorKind::Io);
    std::fs::remove_file(dir.path().join("quarantine")).unwrap();
    store.compact().unwrap();
    assert_eq!(found_in(dir.path()), Vec::<String>::new());
    compare(&store, &kept, "erased");
}

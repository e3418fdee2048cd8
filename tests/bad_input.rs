//! What is promised whatever callers and machines do: names, times, ranges and tokens that make no sense,
//! directories that are no store or none of ours, disks that are full, read-only or gone. A clear error,
//! nothing lost, nothing panics.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, IoSlice, Write};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::disk::files::RealDisk;
use mediacask::disk::map::Map;
use mediacask::disk::{Access, Disk, DiskFile, FileFacts, Found};
use mediacask::limits::{ACCOUNT_LEN_MAX, BLOB_LEN_MAX, METADATA_LEN_MAX, NAME_LEN_MAX, TTL_MS_MAX};
use mediacask::{
    Account, Clock, DeleteOptions, Durability, Entry, Error, ErrorKind, Expiry, ListOptions, PutOptions, Store,
    UpdateOptions, Upkeep,
};
use proptest::prelude::*;
use support::place::{Hand, by_hand, files_below, small, temp_dir};
use support::{CallKind, FaultDisk, Random};

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorKind {
    outcome.expect_err("it should be refused").kind()
}

/// Refused as `kind`, in a sentence that has these words.
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: ErrorKind, words: &[&str]) -> Error {
    let error = outcome.expect_err("it should be refused");
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not said in: {message}");
    }
    error
}

fn content(account: &Account, name: &str) -> Option<Vec<u8>> {
    account.get(name).unwrap().map(|blob| blob.to_vec())
}

fn names(account: &Account) -> Vec<String> {
    account.entries(ListOptions::new()).map(|entry| entry.unwrap().name).collect()
}

fn plain() -> PutOptions {
    PutOptions::new()
}

/// Every file below a directory and its bytes, the lock aside.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(dir).into_iter().filter(|path| !path.ends_with("LOCK"));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

// Names and accounts.

#[test]
fn names_and_accounts_beyond_their_limits_are_refused_by_every_operation() {
    let (_dir, store, media) = by_hand();
    media.put("fine", "x", &plain()).unwrap();
    let bad =
        [String::new(), "a".repeat(NAME_LEN_MAX + 1), "é".repeat(NAME_LEN_MAX / 2) + "a", "a\0b".into(), "\0".into()];
    let other = store.account("other").unwrap();
    for name in &bad {
        let outcomes = [
            media.put(name, "x", &plain()).map(drop),
            media.put_reader(name, &b"x"[..], &plain()).map(drop),
            media.writer(name, &plain()).map(drop),
            media.get(name).map(drop),
            media.get_range(name, ..).map(drop),
            media.reader(name).map(drop),
            media.head(name).map(drop),
            media.contains(name).map(drop),
            media.delete(name, &DeleteOptions::new()).map(drop),
            media.update(name, &UpdateOptions::new()).map(drop),
            media.copy(name, "to", &plain()).map(drop),
            media.copy("fine", name, &plain()).map(drop),
            media.copy_to("fine", &other, name, &plain()).map(drop),
            media.copy_to(name, &other, "to", &plain()).map(drop),
            media.batch().put(name, "x", &plain()).map(drop),
            media.batch().delete(name, &DeleteOptions::new()).map(drop),
        ];
        for (place, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(kind(outcome), ErrorKind::InvalidName, "operation {place} of {:?}", name.get(..10));
        }
    }
    refused(media.get(""), ErrorKind::InvalidName, &["empty", "1024"]);
    refused(media.get(&bad[1]), ErrorKind::InvalidName, &["1025", "1024"]);
    refused(media.get("a\0b"), ErrorKind::InvalidName, &["NUL", "offset 1"]);
    for account in [String::new(), "a".repeat(ACCOUNT_LEN_MAX + 1), "a\0".into()] {
        refused(store.account(&account), ErrorKind::InvalidName, &["account"]);
    }
    assert_eq!(names(&media), ["fine"]);
    assert_eq!(store.accounts().unwrap().len(), 1);
}

/// Names as odd as they are allowed to be.
fn odd_names(len_max: usize) -> Vec<String> {
    let mut all: Vec<String> = [
        ".",
        "..",
        "../..",
        "../../etc/passwd",
        "/",
        "//",
        "/etc/passwd",
        "a/../b",
        "a/./b",
        "\\",
        "C:\\x",
        "~",
        "-rf",
        "*",
        "%00",
        "%2e%2e%2f",
        " ",
        "\n",
        "a\nb",
        "\r\n",
        "\t",
        "\u{1}",
        "\u{7f}",
        "\"",
        "'",
        "`",
        "$(x)",
        "<b>",
        "STORE",
        "LOCK",
        "staging/x",
        "index",
        "\u{202e}abc",
        "\u{feff}",
        "a\u{301}",
        "á",
        "\u{fffd}",
        "\u{ffff}",
    ]
    .map(String::from)
    .into();
    for plane in 0..=16_u32 {
        all.extend([1, 0x41, 0xfffe, 0xffff].iter().filter_map(|c| char::from_u32(plane << 16 | c)).map(String::from));
    }
    for c in ['a', 'é', '€', '\u{10FFFF}'] {
        let whole = c.to_string().repeat(len_max / c.len_utf8());
        all.push(whole.clone() + &"x".repeat(len_max - whole.len()));
    }
    all.sort();
    all.dedup();
    all
}

#[test]
fn every_other_name_and_account_is_taken_and_never_becomes_a_path() {
    let dir = temp_dir();
    let inside = dir.path().join("deep/store");
    let options = || Store::options().upkeep(Upkeep::ByHand).file_threshold(1000);
    let all = odd_names(NAME_LEN_MAX);
    let accounts = odd_names(ACCOUNT_LEN_MAX);
    {
        let store = options().open(&inside).unwrap();
        for account in &accounts {
            let media = store.account(account).unwrap();
            media.put(account, account, &plain().durability(Durability::Os)).unwrap();
        }
        let media = store.account("5500001").unwrap();
        for name in &all {
            let entry = media.put(name, name, &plain().content_type(name).durability(Durability::Os)).unwrap();
            assert_eq!((&entry.name, entry.content_type.as_ref()), (name, Some(name)));
            let large = name.repeat(1000);
            media.put_reader(name, large.as_bytes(), &plain().durability(Durability::Os)).unwrap();
        }
        media.purge("").unwrap();
        for name in &all {
            media.put(name, name, &plain().metadata(name, "").durability(Durability::Os)).unwrap();
        }
        store.close().unwrap();
    }
    let store = options().open(&inside).unwrap();
    let media = store.account("5500001").unwrap();
    assert_eq!(names(&media), all);
    for name in &all {
        assert_eq!(content(&media, name).unwrap(), name.as_bytes());
        assert!(media.head(name).unwrap().unwrap().metadata.contains_key(name));
        assert!(media.delete(name, &DeleteOptions::new().durability(Durability::Os)).unwrap());
    }
    assert_eq!(names(&media), [""; 0]);
    let told: Vec<String> = store.accounts().unwrap().into_iter().map(|account| account.account).collect();
    assert_eq!(told, accounts);
    for account in &accounts {
        assert_eq!(content(&store.account(account).unwrap(), account).unwrap(), account.as_bytes());
    }
    // Nothing stands outside, and inside only what the format knows.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1);
    for found in fs::read_dir(&inside).unwrap() {
        let name = found.unwrap().file_name();
        let known = ["STORE", "LOCK", "segments", "files", "staging", "catalog", "index"];
        assert!(known.contains(&name.to_str().unwrap()), "{name:?}");
    }
}

fn text(chars: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>().prop_filter("NUL", |c| *c != '\0'), chars).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_and_facts_come_back_as_they_went_in(
        puts in proptest::collection::btree_map(
            text(1..40),
            (any::<Vec<u8>>(), text(0..9), text(0..9), text(0..9), proptest::collection::btree_map(any::<String>(), any::<String>(), 0..4)),
            1..8,
        ),
        account in text(1..20),
    ) {
        let dir = temp_dir();
        let mut expected: Vec<Entry> = Vec::new();
        {
            let store = small().open(dir.path()).unwrap();
            let media = store.account(&account).unwrap();
            for (name, (bytes, content_type, cache_control, disposition, metadata)) in &puts {
                let options = plain().content_type(content_type).cache_control(cache_control);
                let options = options.content_disposition(disposition).durability(Durability::Os);
                let options = metadata.iter().fold(options, |options, (key, value)| options.metadata(key, value));
                let entry = media.put(name, bytes, &options).unwrap();
                // An empty text is none.
                let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
                prop_assert_eq!(&entry.content_type, &some(content_type));
                prop_assert_eq!(&entry.cache_control, &some(cache_control));
                prop_assert_eq!(&entry.content_disposition, &some(disposition));
                prop_assert_eq!(&entry.metadata, metadata);
                expected.push(entry);
            }
            store.close().unwrap();
        }
        let store = small().open(dir.path()).unwrap();
        let media = store.account(&account).unwrap();
        for (entry, (name, (bytes, ..))) in expected.iter().zip(&puts) {
            let blob = media.get(name).unwrap().unwrap();
            prop_assert_eq!(&blob[..], &bytes[..]);
            prop_assert_eq!(&blob.entry(), entry);
        }
        let listed: Vec<Entry> = media.entries(ListOptions::new()).map(Result::unwrap).collect();
        prop_assert_eq!(listed, expected);
    }
}

// Facts and times.

#[test]
fn metadata_up_to_its_limit_is_taken_and_beyond_it_nothing_changes() {
    let (_dir, _store, media) = by_hand();
    let full = || plain().content_type("x".repeat(100)).metadata("k", "v".repeat(METADATA_LEN_MAX - 100 - 4 - 1));
    let over = || full().cache_control("y");
    let entry = media.put("a", "1", &full()).unwrap();
    assert_eq!(media.head("a").unwrap(), Some(entry.clone()));
    media.put("a8", "1", &plain().content_disposition("x".repeat(METADATA_LEN_MAX))).unwrap();
    refused(media.put("a", "2", &over()), ErrorKind::TooLarge, &["8193", "8192"]);
    assert_eq!(kind(media.put_reader("a", &b"2"[..], &over())), ErrorKind::TooLarge);
    assert_eq!(kind(media.writer("a", &over())), ErrorKind::TooLarge);
    assert_eq!(kind(media.batch().put("a", "2", &over()).map(drop)), ErrorKind::TooLarge);
    assert_eq!(kind(media.update("a", &UpdateOptions::new().set_metadata("", ""))), ErrorKind::TooLarge);
    let huge = UpdateOptions::new().set_metadata("k".repeat(70_000), "v".repeat(1 << 20));
    assert_eq!(kind(media.update("a", &huge)), ErrorKind::TooLarge);
    // A copy brings the source's facts along; both together may be too much.
    assert_eq!(kind(media.copy("a", "b", &plain().cache_control("y"))), ErrorKind::TooLarge);
    assert_eq!(media.head("a").unwrap(), Some(entry));
    assert_eq!(names(&media), ["a", "a8"]);
    media.copy("a", "b", &plain()).unwrap().unwrap();
    let trade = UpdateOptions::new().content_type(None).set_metadata("l", "w".repeat(95));
    media.update("a", &trade).unwrap().unwrap();
}

#[test]
fn times_to_live_that_make_no_sense_are_refused() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let before = media.put("a", "old", &plain()).unwrap();
    let (now, longest) = (hand.now(), Duration::from_millis(TTL_MS_MAX));
    let far = |ahead| now.checked_add(ahead).unwrap();
    for expiry in [
        Expiry::After(Duration::ZERO),
        Expiry::After(Duration::from_nanos(999_999)),
        Expiry::After(longest + Duration::from_millis(1)),
        Expiry::After(Duration::MAX),
        Expiry::At(now),
        Expiry::At(now + Duration::from_nanos(999_999)),
        Expiry::At(now - Duration::from_millis(1)),
        Expiry::At(UNIX_EPOCH),
        Expiry::At(UNIX_EPOCH - Duration::from_secs(1_000_000_000_000)),
        Expiry::At(far(longest + Duration::from_millis(1))),
        Expiry::At(far(Duration::from_secs(1 << 55))),
    ] {
        assert_eq!(kind(media.put("a", "new", &plain().expiry(expiry))), ErrorKind::InvalidOption, "{expiry:?}");
        assert_eq!(kind(media.update("a", &UpdateOptions::new().expiry(expiry))), ErrorKind::InvalidOption);
        assert_eq!(kind(media.copy("a", "b", &plain().expiry(expiry))), ErrorKind::InvalidOption);
        let mut batch = media.batch();
        batch.put("c", "new", &plain().expiry(expiry)).unwrap();
        assert_eq!(kind(batch.commit()), ErrorKind::InvalidOption);
    }
    assert_eq!(media.head("a").unwrap(), Some(before));
    assert_eq!(store.stats().unwrap().contents, 1);
    let entry = media.put("a", "new", &plain().ttl(longest)).unwrap();
    assert_eq!(entry.expires_at, Some(far(longest)));
    assert!(media.put("a", "new", &plain().ttl(Duration::from_millis(1))).unwrap().expires_at.is_some());
}

#[test]
fn a_clock_that_shows_nonsense_breaks_nothing() {
    let beyond = UNIX_EPOCH + Duration::from_secs(1 << 62);
    for time in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH, beyond] {
        let dir = temp_dir();
        let open = || small().clock(Clock::from_fn(move || time)).open(dir.path()).unwrap();
        let store = open();
        let media = store.account("5500001").unwrap();
        media.put("a", "1", &plain()).unwrap();
        let _ = media.put("b", "1", &plain().ttl(Duration::from_secs(1)));
        let _ = media.put("c", "1", &plain().expires_at(beyond));
        let _ = media.put("d", "1", &plain().expires_at(SystemTime::UNIX_EPOCH));
        media.list(&ListOptions::new().created_from(time).created_to(time)).unwrap();
        store.sweep().unwrap();
        store.close().unwrap();
        assert_eq!(content(&open().account("5500001").unwrap(), "a").unwrap(), b"1");
    }
}

#[test]
fn options_that_contradict_themselves_are_refused_before_anything_is_made() {
    let dir = temp_dir();
    let path = dir.path().join("store");
    for options in [
        Store::options().file_threshold(0),
        Store::options().file_threshold(u64::MAX),
        Store::options().segment_len(0),
        Store::options().segment_len(u64::MAX),
        Store::options().segment_len(64 << 10),
        small().file_threshold(u64::MAX),
    ] {
        assert_eq!(kind(options.open(&path)), ErrorKind::InvalidOption);
        assert!(!path.exists());
    }
}

// Ranges.

#[test]
fn ranges_at_the_ends_of_numbers_are_answered_or_refused() {
    let (_dir, _store, media) = by_hand();
    let large = Random::new(1).bytes((4 << 20) + 100);
    media.put("empty", "", &plain()).unwrap();
    media.put("small", "0123456789", &plain()).unwrap();
    media.put("large", &large, &plain()).unwrap();
    for (name, bytes) in [("empty", &b""[..]), ("small", b"0123456789"), ("large", &large)] {
        let len = bytes.len() as u64;
        let whole = [
            media.get_range(name, ..),
            media.get_range(name, ..u64::MAX),
            media.get_range(name, ..=u64::MAX),
            media.get_range(name, 0..=u64::MAX),
            media.get_range(name, 0..=len),
        ];
        for range in whole {
            assert!(range.unwrap().unwrap()[..] == *bytes, "{name}");
        }
        let none = [
            media.get_range(name, len..),
            media.get_range(name, len..u64::MAX),
            media.get_range(name, 0..0),
            media.get_range(name, len..len),
            media.get_range(name, (Bound::Unbounded, Bound::Excluded(0))),
        ];
        for range in none {
            let range = range.unwrap().unwrap();
            assert_eq!((range.len(), range.entry().size), (0, len));
        }
        #[allow(clippy::reversed_empty_ranges)] // That is what is refused.
        let refusals = [
            media.get_range(name, len + 1..),
            media.get_range(name, u64::MAX..),
            media.get_range(name, u64::MAX..u64::MAX),
            media.get_range(name, u64::MAX..=u64::MAX),
            media.get_range(name, 1..0),
            media.get_range(name, u64::MAX..0),
            media.get_range(name, (Bound::Excluded(u64::MAX), Bound::Unbounded)),
            media.get_range(name, (Bound::Excluded(len), Bound::Included(u64::MAX))),
        ];
        for range in refusals {
            refused(range, ErrorKind::InvalidOption, &["range", &len.to_string()]);
        }
    }
    assert_eq!(&media.get_range("small", (Bound::Excluded(3), Bound::Included(5))).unwrap().unwrap()[..], b"45");
    // An absent name has no ranges that could be wrong.
    assert!(media.get_range("absent", u64::MAX..).unwrap().is_none());
}

// Tokens.

#[test]
fn a_token_is_taken_by_the_listing_it_comes_from_and_by_no_other() {
    let (_dir, store, media) = by_hand();
    for account in [&media, &store.account("another").unwrap()] {
        for name in ["p/a", "p/é", "p/x/1", "q"] {
            account.put(name, name, &plain()).unwrap();
        }
    }
    let hour = UNIX_EPOCH + Duration::from_hours(1);
    let listing = || ListOptions::new().prefix("p").delimiter("/x").created_from(hour).limit(1);
    let token = media.list(&listing()).unwrap().next_token.unwrap();
    let next = |account: &Account, options: ListOptions, token: &str| account.list(&options.token(Some(token.into())));
    assert_eq!(next(&media, listing(), &token).unwrap().prefixes, ["p/x"]);
    assert_eq!(next(&media, listing().limit(7), &token).unwrap().entries.len(), 1);

    for place in 0..token.len() {
        for bit in 0..8 {
            let mut altered = token.clone().into_bytes();
            altered[place] ^= 1 << bit;
            if let Ok(altered) = String::from_utf8(altered) {
                assert_eq!(kind(next(&media, listing(), &altered)), ErrorKind::InvalidToken, "{altered}");
            }
        }
        assert_eq!(kind(next(&media, listing(), &token[..place])), ErrorKind::InvalidToken);
        assert_eq!(kind(next(&media, listing(), &token[place + 1..])), ErrorKind::InvalidToken);
    }
    for end in ["A", "=", " ", "\n", "\0", "é", &token] {
        assert_eq!(kind(next(&media, listing(), &format!("{token}{end}"))), ErrorKind::InvalidToken);
    }
    for nonsense in ["", "A", "token", "💥", &"A".repeat(100_000)] {
        assert_eq!(kind(next(&media, listing(), nonsense)), ErrorKind::InvalidToken);
    }
    let others = [
        listing().prefix(""),
        listing().prefix("p/"),
        listing().prefix("p\0"),
        listing().delimiter("/"),
        ListOptions::new().prefix("p").created_from(hour),
        ListOptions::new().prefix("p").delimiter("/x"),
        listing().created_from(hour + Duration::from_millis(1)),
        listing().created_to(hour),
        ListOptions::new().prefix("p").delimiter("/x").created_to(hour),
    ];
    for options in others {
        assert_eq!(kind(next(&media, options.clone(), &token)), ErrorKind::InvalidToken, "{options:?}");
    }
    let another = store.account("another").unwrap();
    refused(next(&another, listing(), &token), ErrorKind::InvalidToken, &["begin", "anew"]);
    let (_dir, _store, elsewhere) = by_hand();
    assert_eq!(kind(next(&elsewhere, listing(), &token)), ErrorKind::InvalidToken, "of another store");
}

// Directories.

#[test]
fn what_is_no_directory_is_no_store() {
    let dir = temp_dir();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let named = file.to_str().unwrap();
    let error = refused(Store::open(&file), ErrorKind::Io, &[named, "directory"]);
    assert_eq!(error.path(), Some(file.as_path()));
    refused(Store::open(file.join("below")), ErrorKind::Io, &[named, "directory"]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    for odd in ["", "a\0b"] {
        assert_eq!(kind(Store::open(odd)), ErrorKind::Io);
    }
    // Parts of a store that are no files, or no directories.
    for (part, is_dir) in [("LOCK", true), ("STORE", true), ("segments", false), ("staging", false), ("files", false)] {
        let dir = temp_dir();
        if is_dir {
            fs::create_dir(dir.path().join(part)).unwrap();
        } else {
            fs::write(dir.path().join(part), "mine").unwrap();
        }
        let error = Store::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{part}: {error}");
        assert!(dir.path().join(part).exists());
    }
}

#[test]
fn a_path_that_is_no_text_is_a_path() {
    let dir = temp_dir();
    let path = dir.path().join(std::ffi::OsStr::from_bytes(b"not \xff text"));
    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        let media = store.account("5500001").unwrap();
        media.put("a", "1", &plain()).unwrap();
        assert_eq!(names(&media), ["a"]);
        assert_eq!(store.path(), path);
    }
}

#[test]
fn a_directory_that_holds_something_else_is_never_made_into_a_store() {
    let dir = temp_dir();
    fs::write(dir.path().join("holiday.jpg"), "mine").unwrap();
    let named = dir.path().to_str().unwrap();
    let error = refused(Store::open(dir.path()), ErrorKind::InvalidOption, &[named, "holiday.jpg", "empty directory"]);
    assert_eq!(error.path(), Some(dir.path()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn files_of_others_in_a_store_are_left_alone() {
    let dir = temp_dir();
    small().open(dir.path()).unwrap().close().unwrap();
    let foreign = ["notes.txt", "segments/x", "segments/1.seg", "segments/0000000001.seg.bak", "files/x", "files/ab/x"];
    fs::create_dir_all(dir.path().join("files/ab")).unwrap();
    fs::create_dir_all(dir.path().join("segments/directory.seg")).unwrap();
    for name in foreign {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"segments/\xff.seg")), "mine").unwrap();
    for round in 0..3 {
        let store = small().open(dir.path()).unwrap();
        let media = store.account("5500001").unwrap();
        for i in 0..30 {
            media.put(&format!("{i}"), Random::new(round * 100 + i).bytes(10_000), &plain()).unwrap();
        }
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
        assert!(store.health().damage.is_empty());
        assert_eq!(store.stats().unwrap().blob_files, 0);
    }
    for name in foreign {
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"mine", "{name}");
    }
}

/// A store with some of everything, closed.
fn some_store(dir: &Path) {
    let store = small().open(dir).unwrap();
    let media = store.account("5500001").unwrap();
    for i in 0..20 {
        media.put(&format!("{i:02}"), Random::new(i).bytes(9000), &plain()).unwrap();
    }
    media.put("large", Random::new(99).bytes(50_000), &plain()).unwrap();
    store.close().unwrap();
}

fn check_some_store(store: &Store) {
    let media = store.account("5500001").unwrap();
    for i in 0..20 {
        assert_eq!(content(&media, &format!("{i:02}")).unwrap(), Random::new(i).bytes(9000));
    }
    assert_eq!(content(&media, "large").unwrap(), Random::new(99).bytes(50_000));
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn without_its_store_file_nothing_is_made_anew_over_the_data() {
    let dir = temp_dir();
    some_store(dir.path());
    let file = dir.path().join("STORE");
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let before = tree(dir.path());
    let error = refused(small().open(dir.path()), ErrorKind::Corrupt, &["STORE", "missing", "put STORE back"]);
    assert_eq!(error.path(), Some(file.as_path()));
    assert!(tree(dir.path()) == before);
    // Neither with only the derived parts beside it.
    let derived = temp_dir();
    fs::create_dir(derived.path().join("index")).unwrap();
    assert_eq!(kind(small().open(derived.path())), ErrorKind::InvalidOption);

    for damaged in [Vec::new(), b"not it".to_vec(), vec![0; bytes.len()], bytes[..40].to_vec()] {
        fs::write(&file, &damaged).unwrap();
        refused(small().open(dir.path()), ErrorKind::Corrupt, &[file.to_str().unwrap()]);
        assert_eq!(fs::read(&file).unwrap(), damaged);
    }
    fs::write(&file, bytes).unwrap();
    check_some_store(&small().open(dir.path()).unwrap());
}

/// Writes a version into a structure of the format, and its checksum.
fn set_version(bytes: &mut [u8], at: usize, checked: usize, version: u32) {
    bytes[at + 8..at + 12].copy_from_slice(&version.to_le_bytes());
    let crc = crc32fast::hash(&bytes[at..at + checked]);
    bytes[at + checked..at + checked + 4].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let dir = temp_dir();
    some_store(dir.path());
    let segment = files_below(&dir.path().join("segments")).into_iter().find(|path| path.extension().unwrap() == "seg");
    for (path, copies, checked) in [(dir.path().join("STORE"), [0, 4096], 64), (segment.unwrap(), [0, 2048], 48)] {
        let good = fs::read(&path).unwrap();
        let mut newer = good.clone();
        copies.iter().for_each(|at| set_version(&mut newer, *at, checked, 2));
        fs::write(&path, newer).unwrap();
        let before = tree(dir.path());
        let error =
            refused(small().open(dir.path()), ErrorKind::Version, &[path.to_str().unwrap(), "version 2", "newer"]);
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(tree(dir.path()) == before, "nothing was touched");
        fs::write(&path, good).unwrap();
        check_some_store(&small().open(dir.path()).unwrap());
    }
}

// Other processes.

/// Not a test of its own: holds a store for the one below, in a process of its own.
#[test]
fn a_child_that_holds_a_store() {
    let Ok(path) = std::env::var("MEDIACASK_TEST_HOLD") else { return };
    // By hand: what its background does behind would be taken for what the refused open did.
    let store = Store::options().upkeep(Upkeep::ByHand).open(path).unwrap();
    store.account("5500001").unwrap().put("a", "held", &plain()).unwrap();
    println!("held by {}", std::process::id());
    let _ = io::stdin().read_line(&mut String::new());
}

#[test]
fn a_store_that_another_process_holds_is_locked_and_the_error_names_its_pid() {
    let dir = temp_dir();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_that_holds_a_store", "--nocapture"])
        .env("MEDIACASK_TEST_HOLD", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held by")));
    let pid = child.id();
    let before = tree(&dir.path().join("segments"));
    let words = [dir.path().to_str().unwrap(), &format!("process {pid}"), "one process"];
    let error = refused(Store::open(dir.path()), ErrorKind::Locked, &words);
    assert_eq!((error.holder_pid(), error.path()), (Some(pid), Some(dir.path())));
    assert!(tree(&dir.path().join("segments")) == before);
    // What LOCK says is for people; the lock holds whatever it says.
    fs::write(dir.path().join("LOCK"), "somebody's note\0").unwrap();
    assert_eq!(refused(Store::open(dir.path()), ErrorKind::Locked, &["another process"]).holder_pid(), None);
    // Killed, it lets go, and what it had acknowledged is there.
    child.kill().unwrap();
    child.wait().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(content(&store.account("5500001").unwrap(), "a").unwrap(), b"held");
    // Nor is it opened twice in one process.
    let twice = refused(Store::open(dir.path()), ErrorKind::Locked, &["share a Store"]);
    assert_eq!(twice.holder_pid(), Some(std::process::id()));
    drop(store);
    Store::open(dir.path()).unwrap();
}

// Disks.

#[test]
fn a_directory_without_write_permission_is_read_only() {
    let dir = temp_dir();
    let (store, none) = (dir.path().join("store"), dir.path().join("none"));
    some_store(&store);
    let before = tree(&store);
    let set = |mode_of_dirs: u32, mode_of_files: u32| {
        for path in files_below(&store) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode_of_files)).unwrap();
        }
        for path in ["", "store", "store/segments", "store/files", "store/staging", "store/index"] {
            fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(mode_of_dirs)).unwrap();
        }
    };
    set(0o555, 0o444);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            // SAFETY: it changes who this thread is to the file system, and nothing else; the thread ends here.
            // Root may write everywhere; who is not root stays itself.
            unsafe { libc::setfsuid(65_534) };
            let error = refused(small().open(&store), ErrorKind::ReadOnly, &["LOCK", "write permission"]);
            assert!(error.path().unwrap().starts_with(&store));
            refused(small().open(&none), ErrorKind::ReadOnly, &[none.to_str().unwrap(), "write permission"]);
        });
    });
    set(0o755, 0o600);
    assert!(tree(&store) == before && !none.exists());
    check_some_store(&small().open(&store).unwrap());
}

/// A disk that can turn read-only, as Linux does with one that fails, and one that keeps nothing of uploads.
#[derive(Clone, Default)]
struct TurningDisk {
    read_only: Arc<AtomicBool>,
    forgets_uploads: bool,
}

impl TurningDisk {
    fn writable(&self) -> io::Result<()> {
        if self.read_only.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(libc::EROFS)) } else { Ok(()) }
    }
}

struct TurningFile {
    disk: TurningDisk,
    file: Arc<dyn DiskFile>,
    is_upload: bool,
}

impl Disk for TurningDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access != Access::Read {
            self.writable()?;
        }
        let is_upload = path.parent().is_some_and(|parent| parent.ends_with("staging"));
        Ok(Arc::new(TurningFile { disk: self.clone(), file: RealDisk.open(path, access)?, is_upload }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.writable().and_then(|()| RealDisk.create_dir(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Found>> {
        RealDisk.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.writable().and_then(|()| RealDisk.rename(from, to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.writable().and_then(|()| RealDisk.hard_link(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.writable().and_then(|()| RealDisk.unlink(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.writable().and_then(|()| RealDisk.remove_dir_all(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

impl DiskFile for TurningFile {
    fn facts(&self) -> io::Result<FileFacts> {
        self.file.facts()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, from: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.disk.writable()?;
        if self.is_upload && self.disk.forgets_uploads { Ok(()) } else { self.file.write_at(from, offset) }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn push_out(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.push_out(offset, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.writable().and_then(|()| self.file.allocate(len))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.writable().and_then(|()| self.file.set_len(len))
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.disk.writable().and_then(|()| self.file.set_mode(mode))
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        self.file.map(len)
    }

    fn try_lock(&self) -> io::Result<()> {
        self.file.try_lock()
    }
}

#[test]
fn a_disk_that_turns_read_only_stops_writing_and_nothing_else() {
    let dir = temp_dir();
    some_store(dir.path());
    let disk = TurningDisk::default();
    let open = || small().disk(Arc::new(disk.clone())).open(dir.path());
    let store = open().unwrap();
    let media = store.account("5500001").unwrap();
    media.put("before", "1", &plain()).unwrap();
    disk.read_only.store(true, Ordering::SeqCst);
    let large = Random::new(5).bytes(50_000);
    refused(media.put("large too", &large, &plain()), ErrorKind::ReadOnly, &["staging", "write permission"]);
    refused(media.put("after", "1", &plain()), ErrorKind::Poisoned, &["segments", "Read-only"]);
    assert_eq!(kind(media.delete("before", &DeleteOptions::new())), ErrorKind::Poisoned);
    assert!(store.health().poisoned.is_some());
    check_some_store(&store);
    assert_eq!(content(&media, "before").unwrap(), b"1");
    store.close().unwrap_err();
    drop((store, media));
    let error = refused(open(), ErrorKind::ReadOnly, &["LOCK", "write permission"]);
    assert!(error.path().unwrap().starts_with(dir.path()));
    disk.read_only.store(false, Ordering::SeqCst);
    let store = open().unwrap();
    check_some_store(&store);
    let media = store.account("5500001").unwrap();
    assert_eq!((content(&media, "before").unwrap(), content(&media, "after")), (b"1".to_vec(), None));
}

#[test]
fn a_blob_beyond_the_largest_is_refused_and_leaves_nothing() {
    let dir = temp_dir();
    let disk = TurningDisk { forgets_uploads: true, ..TurningDisk::default() };
    let store = Store::options().upkeep(Upkeep::ByHand).disk(Arc::new(disk)).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut writer = media.writer("a", &plain()).unwrap();
    let piece = vec![0; 16 << 20];
    for _ in 0..BLOB_LEN_MAX >> 24 {
        writer.write_all(&piece).unwrap();
    }
    assert_eq!(writer.len(), BLOB_LEN_MAX);
    let error = writer.write(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert!(error.to_string().contains("5368709120"), "{error}");
    assert_eq!(kind(writer.commit()), ErrorKind::Io, "what failed once is not gone on with");
    assert_eq!(files_below(&dir.path().join("staging")).len(), 0);
    assert!(!media.contains("a").unwrap());
}

#[test]
fn on_a_full_disk_reads_and_deletes_work_and_puts_go_on_when_there_is_room() {
    for more in [0, 5_000, 70_000, 200_000] {
        let disk = FaultDisk::new(more);
        let open = || small().disk(disk.clone()).open(disk.root()).unwrap();
        let store = open();
        let media = store.account("5500001").unwrap();
        let mut held = BTreeMap::new();
        for i in 0..30 {
            held.insert(format!("{i:03}"), Random::new(i).bytes(3000));
            media.put(&format!("{i:03}"), &held[&format!("{i:03}")], &plain()).unwrap();
        }
        store.sweep().unwrap();
        disk.limit_room(more);
        let large = Random::new(1000).bytes(300_000);
        refused(media.put("large", &large, &plain()), ErrorKind::NoSpace, &["free some space"]);
        assert_eq!(files_below(&disk.root().join("staging")).len(), 0);
        let mut full = 0;
        for i in 30..200 {
            let (name, bytes) = (format!("{i:03}"), Random::new(i).bytes(3000));
            match media.put(&name, &bytes, &plain()) {
                Ok(_) => drop(held.insert(name, bytes)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                    full += 1;
                }
            }
        }
        assert!(full > 100, "with {more} bytes of room only {full} puts were refused");
        assert_eq!(store.health().poisoned, None);
        let check = |media: &Account, held: &BTreeMap<String, Vec<u8>>| {
            assert!(held.iter().all(|(name, bytes)| content(media, name).as_ref() == Some(bytes)));
            assert_eq!(names(media), held.keys().cloned().collect::<Vec<_>>());
        };
        check(&media, &held);
        for name in held.keys().cloned().collect::<Vec<_>>().iter().step_by(2) {
            assert!(media.delete(name, &DeleteOptions::new()).unwrap());
            held.remove(name);
        }
        check(&media, &held);
        assert_eq!(store.stats().unwrap().logical_bytes, held.len() as u64 * 3000);

        disk.heal();
        for i in 500..550 {
            held.insert(format!("{i:03}"), Random::new(i).bytes(3000));
            media.put(&format!("{i:03}"), &held[&format!("{i:03}")], &plain()).unwrap();
        }
        media.put("large", &large, &plain()).unwrap();
        held.insert("large".into(), large);
        check(&media, &held);
        assert_eq!(store.recount().unwrap(), []);
        store.close().unwrap();
        // Opened while it is full, it serves what it has.
        disk.limit_room(0);
        let store = open();
        let media = store.account("5500001").unwrap();
        check(&media, &held);
        assert!(media.delete("large", &DeleteOptions::new()).unwrap());
        disk.heal();
        assert_eq!(store.recount().unwrap(), []);
        assert!(disk.counts().of(CallKind::Write) > 0);
    }
}

#[test]
fn on_a_full_disk_deleting_everything_makes_room_again() {
    for more in [0, 3000, 40_000, 64 << 10, 128 << 10, 300_000] {
        let disk = FaultDisk::new(7);
        let store = small().disk(disk.clone()).open(disk.root()).unwrap();
        let media = store.account("5500001").unwrap();
        for i in 0..100 {
            media.put(&format!("{i:03}"), Random::new(i).bytes(3000), &plain()).unwrap();
        }
        store.sweep().unwrap();
        disk.limit_room(more);
        let full = (100..300).find_map(|i| media.put(&format!("{i:03}"), Random::new(i).bytes(3000), &plain()).err());
        assert_eq!(full.unwrap().kind(), ErrorKind::NoSpace);
        media.purge("").unwrap();
        assert!(store.sweep().unwrap().segments_freed > 2, "with {more} bytes");
        for i in 0..40 {
            media.put(&format!("{i:03}"), Random::new(i).bytes(3000), &plain()).unwrap();
        }
        assert_eq!(names(&media).len(), 40);
        assert_eq!(store.recount().unwrap(), []);
        // There is no room for a checkpoint, maybe; what is closed is whole all the same.
        store.close().unwrap();
        let store = small().disk(disk.clone()).open(disk.root()).unwrap();
        assert_eq!(names(&store.account("5500001").unwrap()).len(), 40);
        assert_eq!(store.recount().unwrap(), []);
    }
}

#[test]
fn no_store_is_made_on_a_full_disk() {
    let disk = FaultDisk::new(1);
    disk.limit_room(0);
    refused(small().disk(disk.clone()).open(disk.root()), ErrorKind::NoSpace, &["free some space"]);
    disk.heal();
    let store = small().disk(disk.clone()).open(disk.root()).unwrap();
    store.account("5500001").unwrap().put("a", "1", &plain()).unwrap();
}

#[test]
fn after_a_store_was_removed_under_its_feet_nothing_is_acknowledged_any_more() {
    for durability in [Durability::Sync, Durability::Os] {
        let dir = temp_dir();
        let path = dir.path().join("store");
        let store = small().open(&path).unwrap();
        let media = store.account("5500001").unwrap();
        let large = Random::new(6).bytes(50_000);
        media.put("a", "1", &plain()).unwrap();
        media.put("large", &large, &plain()).unwrap();
        let held = media.get("large").unwrap().unwrap();
        fs::remove_dir_all(&path).unwrap();
        let options = plain().durability(durability);
        refused(media.put("b", "2", &options), ErrorKind::Poisoned, &["removed", path.to_str().unwrap()]);
        // Nor what brings no bytes, nor what goes into a file.
        assert_eq!(kind(media.put("c", "1", &options)), ErrorKind::Poisoned);
        assert_eq!(kind(media.delete("a", &DeleteOptions::new().durability(durability))), ErrorKind::Poisoned);
        assert!(media.put("d", Random::new(7).bytes(50_000), &options).is_err());
        assert!(!media.contains("b").unwrap());
        assert_eq!(content(&media, "a").unwrap(), b"1", "what is mapped can be read");
        assert!(held[..] == large[..]);
        store.close().unwrap_err();
        drop((store, media));
        assert!(!path.exists(), "nothing of it comes back");
        // Another one can be made there.
        let store = small().open(&path).unwrap();
        assert_eq!(store.stats().unwrap().names, 0);
        store.account("5500001").unwrap().put("a", "new", &plain()).unwrap();
    }
}

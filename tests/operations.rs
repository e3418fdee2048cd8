//! What every operation does, promised through the public API: put, get, head, delete, update, copy, batch,
//! conditions, expected digests, policies, limits, lookups by digest, purges, accounts, statistics.

mod support;

use std::fs;
use std::io::{ErrorKind as IoKind, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use md5::Digest as _;
use mediacask::{
    Account, Clock, Create, Dedup, DeleteOptions, Digest, Durability, Entry, Error, ErrorKind, Expiry, ListOptions,
    Outcome, Policy, PrefixLimit, PutOptions, Store, UpdateOptions, Upkeep, Verify,
};
use support::Random;
use support::place::{Hand, by_hand, files_below, small, temp_dir};

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorKind {
    outcome.expect_err("it should be refused").kind()
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

// Put and get.

#[test]
fn what_is_put_is_got_whole_in_ranges_and_through_a_reader() {
    let (_dir, _store, media) = by_hand();
    let mut random = Random::new(1);
    // Around the chunk of 64 KiB, and beyond the file threshold.
    for len in [0, 1, 65_535, 65_536, 65_537, 200_000, (4 << 20) - 1, 4 << 20, (4 << 20) + 65_537] {
        let bytes = random.bytes(len);
        let entry = media.put("name", &bytes, &plain()).unwrap();
        assert_eq!((entry.size, entry.digest), (len as u64, Digest::of(&bytes)));
        let blob = media.get("name").unwrap().unwrap();
        assert!(blob[..] == bytes[..], "{len} bytes");
        assert_eq!((blob.entry(), blob.digest()), (entry.clone(), entry.digest));
        assert_eq!(media.head("name").unwrap(), Some(entry));
        for _ in 0..20 {
            let start = random.below(len as u64 + 1);
            let end = start + random.below(len as u64 - start + 1);
            let range = media.get_range("name", start..end).unwrap().unwrap();
            assert!(range[..] == bytes[start as usize..end as usize], "{start}..{end} of {len}");
        }
        let mut read = Vec::new();
        media.reader("name").unwrap().unwrap().read_to_end(&mut read).unwrap();
        assert!(read == bytes, "{len} bytes through a reader");
    }
}

#[test]
fn a_reader_seeks_and_reads_from_anywhere() {
    let (_dir, _store, media) = by_hand();
    let bytes = Random::new(2).bytes(300_000);
    media.put("name", &bytes, &plain()).unwrap();
    let mut reader = media.reader("name").unwrap().unwrap();
    assert_eq!((reader.len(), reader.is_empty(), reader.entry().size), (300_000, false, 300_000));
    assert_eq!(reader.seek(SeekFrom::End(-5)).unwrap(), 299_995);
    let mut tail = Vec::new();
    reader.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, bytes[299_995..]);
    assert_eq!(reader.seek(SeekFrom::Start(65_530)).unwrap(), 65_530);
    let mut across = [0; 12];
    reader.read_exact(&mut across).unwrap();
    assert_eq!(across, bytes[65_530..65_542]);
    assert_eq!(reader.seek(SeekFrom::Current(-12)).unwrap(), 65_530);
    assert_eq!(reader.next_chunk().unwrap().len(), 6);
    assert_eq!(reader.next_chunk().unwrap()[..], bytes[65_536..131_072]);
    // Beyond the end there is nothing, as with a file; before the start it is an error.
    assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(reader.read(&mut across).unwrap(), 0);
    assert!(reader.next_chunk().unwrap().is_empty());
    assert_eq!(reader.seek(SeekFrom::End(-300_001)).unwrap_err().kind(), IoKind::InvalidInput);
}

#[test]
fn a_writer_and_a_put_of_a_reader_store_what_came_in_pieces() {
    let (dir, store, media) = by_hand();
    let mut random = Random::new(3);
    for len in [0, 1, 70_000, (4 << 20) - 1, 4 << 20, (5 << 20) + 3] {
        let bytes = random.bytes(len);
        let mut writer = media.writer("pieces", &plain().content_type("image/gif")).unwrap();
        assert!(writer.is_empty());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + random.below(500_000) as usize));
            writer.write_all(piece).unwrap();
            rest = after;
        }
        writer.flush().unwrap();
        assert_eq!(writer.len(), len as u64);
        let entry = writer.commit().unwrap();
        assert_eq!((entry.size, entry.digest), (len as u64, Digest::of(&bytes)));
        assert_eq!(entry.content_type.as_deref(), Some("image/gif"));
        assert_eq!(media.put_reader("read", &bytes[..], &plain()).unwrap().digest, entry.digest);
        assert!(content(&media, "pieces").unwrap() == bytes);
        assert!(content(&media, "read").unwrap() == bytes);
    }
    // A writer that is dropped, and a reader that fails, leave nothing.
    let before = store.stats().unwrap();
    let mut writer = media.writer("dropped", &plain()).unwrap();
    writer.write_all(&random.bytes(6 << 20)).unwrap();
    assert_eq!(files_below(&dir.path().join("store/staging")).len(), 1);
    drop(writer);
    let failing = random.bytes(5 << 20);
    let failing = failing.chain(Broken);
    assert_eq!(kind(media.put_reader("failed", failing, &plain())), ErrorKind::Io);
    assert!(!media.contains("dropped").unwrap() && !media.contains("failed").unwrap());
    assert_eq!(files_below(&dir.path().join("store/staging")), Vec::<std::path::PathBuf>::new());
    assert_eq!(store.stats().unwrap().contents, before.contents);
}

/// A source that breaks.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(IoKind::ConnectionReset.into())
    }
}

/// Chains like `Read::chain`, for a source that is owned.
trait Chained {
    fn chain(self, then: Broken) -> Box<dyn Read>;
}

impl Chained for Vec<u8> {
    fn chain(self, then: Broken) -> Box<dyn Read> {
        Box::new(Read::chain(std::io::Cursor::new(self), then))
    }
}

#[test]
fn absent_is_no_error() {
    let (_dir, _store, media) = by_hand();
    assert!(media.get("x").unwrap().is_none());
    assert!(media.get_range("x", ..).unwrap().is_none());
    assert!(media.reader("x").unwrap().is_none());
    assert_eq!(media.head("x").unwrap(), None);
    assert!(!media.contains("x").unwrap());
    assert!(!media.delete("x", &DeleteOptions::new()).unwrap());
    assert_eq!(media.update("x", &UpdateOptions::new()).unwrap(), None);
    assert_eq!(media.copy("x", "y", &plain()).unwrap(), None);
    assert_eq!(media.purge("").unwrap(), 0);
    assert_eq!(media.policy().unwrap(), Policy::default());
    let stats = media.stats().unwrap();
    assert_eq!((stats.count, stats.bytes, stats.policy), (0, 0, None));
}

#[test]
fn an_entry_carries_the_facts_it_was_put_with() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let options = plain()
        .content_type("image/png")
        .cache_control("max-age=60")
        .content_disposition("attachment; filename=\"ä.png\"")
        .metadata("campaign", "spring")
        .metadata("", "an empty key")
        .metadata("empty value", "")
        .ttl(Duration::from_millis(1500));
    let entry = media.put("logo.png", "png", &options).unwrap();
    assert_eq!(entry.name, "logo.png");
    assert_eq!(entry.content_type.as_deref(), Some("image/png"));
    assert_eq!(entry.cache_control.as_deref(), Some("max-age=60"));
    assert_eq!(entry.content_disposition.as_deref(), Some("attachment; filename=\"ä.png\""));
    assert_eq!(entry.metadata.len(), 3);
    assert_eq!((entry.created_at, entry.updated_at), (hand.now(), hand.now()));
    assert_eq!(entry.expires_at, Some(hand.now() + Duration::from_millis(1500)));
    assert_eq!(media.head("logo.png").unwrap().as_ref(), Some(&entry));
    assert_eq!(media.list(&ListOptions::new()).unwrap().entries, [entry]);
    let at = media.put("at", "x", &plain().expires_at(hand.now() + Duration::from_micros(2500))).unwrap();
    assert_eq!(at.expires_at, Some(hand.now() + Duration::from_millis(2)));
}

#[test]
fn created_stays_while_the_name_lives_and_updated_and_generation_move() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let born = hand.now();
    let first = media.put("a", "1", &plain()).unwrap();
    hand.advance_ms(10);
    let second = media.put("a", "2", &plain()).unwrap();
    hand.advance_ms(10);
    let third = media.update("a", &UpdateOptions::new()).unwrap().unwrap();
    hand.advance_ms(10);
    media.put("b", "3", &plain()).unwrap();
    let fourth = media.copy("b", "a", &plain()).unwrap().unwrap();
    for (entry, ms) in [(&first, 0), (&second, 10), (&third, 20), (&fourth, 30)] {
        assert_eq!((entry.created_at, entry.updated_at), (born, born + Duration::from_millis(ms)));
    }
    assert!(first.generation < second.generation && second.generation < third.generation);
    assert!(third.generation < fourth.generation);
    hand.advance_ms(10);
    media.delete("a", &DeleteOptions::new()).unwrap();
    let again = media.put("a", "4", &plain()).unwrap();
    assert_eq!(again.created_at, hand.now(), "a new life");
    assert!(again.generation > fourth.generation);
}

#[test]
fn overwriting_restarts_the_time_to_live() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let options = plain().ttl(Duration::from_secs(10));
    media.put("a", "1", &options).unwrap();
    hand.advance_ms(9_999);
    media.put("a", "1", &options).unwrap();
    hand.advance_ms(9_999);
    assert_eq!(content(&media, "a").unwrap(), b"1");
    media.put("a", "2", &plain()).unwrap();
    hand.advance_ms(1_000_000);
    assert_eq!(media.head("a").unwrap().unwrap().expires_at, None, "put without one, it has none");
}

#[test]
fn delete_says_whether_there_was_something_and_put_works_at_once_after() {
    let (_dir, store, media) = by_hand();
    for round in 0..50 {
        media.put("a", format!("{round}"), &plain()).unwrap();
        assert!(media.delete("a", &DeleteOptions::new()).unwrap());
        assert!(!media.delete("a", &DeleteOptions::new()).unwrap());
        assert!(media.get("a").unwrap().is_none());
        media.put("a", "same", &plain()).unwrap();
        assert_eq!(content(&media, "a").unwrap(), b"same");
    }
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn a_blob_stays_as_it_was_after_overwrite_delete_sweep_and_close() {
    let dir = temp_dir();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut random = Random::new(4);
    let (little, large) = (random.bytes(9_000), random.bytes(40_000));
    media.put("little", &little, &plain()).unwrap();
    media.put("large", &large, &plain()).unwrap();
    let held = [media.get("little").unwrap().unwrap(), media.get("large").unwrap().unwrap()];
    let mut reader = media.reader("large").unwrap().unwrap();
    // Enough writes that the segments they are in would be written over.
    for _ in 0..100 {
        media.put("little", random.bytes(9_000), &plain()).unwrap();
        media.put("large", random.bytes(40_000), &plain()).unwrap();
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
    }
    media.purge("").unwrap();
    store.close().unwrap();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    for _ in 0..50 {
        media.put("little", random.bytes(9_000), &plain()).unwrap();
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
    }
    assert!(held[0][..] == little[..] && held[1][..] == large[..]);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == large);
    assert!(bytes::Bytes::from(held[1].clone())[..] == large[..]);
}

// Update and copy.

#[test]
fn update_changes_what_it_names_and_nothing_else() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let options = plain()
        .content_type("a/b")
        .cache_control("no-store")
        .metadata("k", "1")
        .metadata("l", "2")
        .expiry(Expiry::Never);
    let put = media.put("a", "content", &options).unwrap();
    let change = UpdateOptions::new()
        .content_type(Some("c/d".into()))
        .cache_control(None)
        .content_disposition(Some("inline".into()))
        .set_metadata("k", "one")
        .set_metadata("m", "3")
        .unset_metadata("l")
        .unset_metadata("not there")
        .expiry(Expiry::After(Duration::from_secs(5)));
    let entry = media.update("a", &change).unwrap().unwrap();
    assert_eq!((entry.digest, entry.size), (put.digest, put.size));
    assert_eq!(entry.content_type.as_deref(), Some("c/d"));
    assert_eq!(entry.cache_control, None);
    assert_eq!(entry.content_disposition.as_deref(), Some("inline"));
    let pairs: Vec<_> = entry.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(pairs, [("k", "one"), ("m", "3")]);
    assert_eq!(entry.expires_at, Some(hand.now() + Duration::from_secs(5)));
    assert_eq!(media.head("a").unwrap().as_ref(), Some(&entry));

    // Not named, the expiry stays; named, it is lengthened, shortened, taken away.
    hand.advance_ms(1);
    let touched = media.update("a", &UpdateOptions::new()).unwrap().unwrap();
    assert_eq!((touched.expires_at, touched.content_type), (entry.expires_at, entry.content_type));
    let kept = media.update("a", &UpdateOptions::new().expiry(Expiry::Never)).unwrap().unwrap();
    assert_eq!(kept.expires_at, None);
    let instant = hand.now() + Duration::from_millis(1);
    let shortened = media.update("a", &UpdateOptions::new().expiry(Expiry::At(instant))).unwrap().unwrap();
    assert_eq!(shortened.expires_at, Some(instant));
    assert_eq!(content(&media, "a").unwrap(), b"content");
    hand.advance_ms(1);
    assert_eq!(media.update("a", &UpdateOptions::new().expiry(Expiry::Never)).unwrap(), None);
}

#[test]
fn a_copy_is_a_second_name_for_the_same_bytes() {
    let (_dir, store, media) = by_hand();
    let bytes = Random::new(5).bytes(100_000);
    media.put("a", &bytes, &plain().content_type("image/png").metadata("k", "1").metadata("l", "2")).unwrap();
    let written = store.stats().unwrap().log_bytes_written;
    let copy = media.copy("a", "b", &plain().metadata("k", "one").cache_control("no-store")).unwrap().unwrap();
    assert_eq!(copy.content_type.as_deref(), Some("image/png"));
    assert_eq!(copy.cache_control.as_deref(), Some("no-store"));
    assert_eq!((copy.metadata["k"].as_str(), copy.metadata["l"].as_str()), ("one", "2"));
    let stats = store.stats().unwrap();
    assert!(stats.log_bytes_written - written < 8192, "no byte of the content was moved");
    assert_eq!((stats.names, stats.contents, stats.logical_bytes), (2, 1, 200_000));
    // To itself, over another, and the source gone.
    media.copy("a", "a", &plain()).unwrap().unwrap();
    media.put("c", "other", &plain()).unwrap();
    assert_eq!(kind(media.copy("a", "c", &plain().if_absent())), ErrorKind::PreconditionFailed);
    assert_eq!(kind(media.copy("a", "c", &plain().expect_digest(Digest::of(b"")))), ErrorKind::DigestMismatch);
    assert_eq!(content(&media, "c").unwrap(), b"other");
    media.copy("a", "c", &plain().expect_digest(Digest::of(&bytes))).unwrap().unwrap();
    for gone in ["a", "b"] {
        media.delete(gone, &DeleteOptions::new()).unwrap();
        store.sweep().unwrap();
    }
    assert!(content(&media, "c").unwrap() == bytes);
    assert_eq!(store.stats().unwrap().contents, 1);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn a_copy_to_another_account_shares_bytes_only_where_accounts_share_them() {
    for (dedup, contents) in [(Dedup::Account, 2), (Dedup::Store, 1)] {
        let dir = temp_dir();
        let store = Store::options().upkeep(Upkeep::ByHand).dedup(dedup).open(dir.path()).unwrap();
        let (one, two) = (store.account("1").unwrap(), store.account("2").unwrap());
        for len in [1000, 5 << 20] {
            let bytes = Random::new(6).bytes(len);
            one.put("a", &bytes, &plain().content_type("image/png")).unwrap();
            let copy = one.copy_to("a", &two, "b", &plain()).unwrap().unwrap();
            assert_eq!(copy.content_type.as_deref(), Some("image/png"));
            assert!(content(&two, "b").unwrap() == bytes);
            assert_eq!(store.stats().unwrap().contents, contents, "{dedup:?}");
            one.delete("a", &DeleteOptions::new()).unwrap();
            store.sweep().unwrap();
            assert!(content(&two, "b").unwrap() == bytes);
            two.delete("b", &DeleteOptions::new()).unwrap();
        }
        assert_eq!(one.copy_to("a", &two, "b", &plain()).unwrap(), None);
        assert_eq!(store.recount().unwrap(), []);
    }
}

// Conditions and expected digests.

#[test]
fn conditions_hold_or_nothing_happens() {
    let (_dir, store, media) = by_hand();
    let failed = ErrorKind::PreconditionFailed;
    let first = media.put("a", "1", &plain().if_absent()).unwrap();
    let (mine, other) = (first.digest, Digest::of(b"other"));
    assert_eq!(kind(media.put("a", "2", &plain().if_absent())), failed);
    assert_eq!(kind(media.put("a", "2", &plain().if_match(other))), failed);
    assert_eq!(kind(media.put("a", "2", &plain().if_generation(first.generation + 1))), failed);
    assert_eq!(kind(media.put("a", "2", &plain().if_match(mine).if_generation(first.generation + 1))), failed);
    assert_eq!(kind(media.put("free", "2", &plain().if_match(mine))), failed);
    assert_eq!(kind(media.put("free", "2", &plain().if_generation(first.generation))), failed);
    assert_eq!(kind(media.update("a", &UpdateOptions::new().if_match(other))), failed);
    assert_eq!(kind(media.update("a", &UpdateOptions::new().if_generation(1))), failed);
    assert_eq!(kind(media.update("free", &UpdateOptions::new().if_match(mine))), failed);
    assert_eq!(kind(media.delete("a", &DeleteOptions::new().if_match(other))), failed);
    assert_eq!(kind(media.delete("a", &DeleteOptions::new().if_generation(1))), failed);
    assert_eq!(kind(media.delete("free", &DeleteOptions::new().if_match(mine))), failed);
    assert_eq!(media.head("a").unwrap(), Some(first.clone()));
    assert_eq!(store.stats().unwrap().contents, 1, "what was refused is not stored");

    let second = media.put("a", "2", &plain().if_match(mine).if_generation(first.generation)).unwrap();
    let third = media.update("a", &UpdateOptions::new().if_generation(second.generation)).unwrap().unwrap();
    assert!(media.delete("a", &DeleteOptions::new().if_match(third.digest).if_generation(third.generation)).unwrap());
    media.put("a", "3", &plain().if_absent()).unwrap();
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn expected_digests_are_checked_before_anything_is_stored() {
    let (dir, store, media) = by_hand();
    let mut random = Random::new(7);
    media.put("a", "old", &plain()).unwrap();
    for len in [0, 100, 5 << 20] {
        let bytes = random.bytes(len);
        let (blake3, md5) = (Digest::of(&bytes), md5::Md5::digest(&bytes).into());
        let sha256 = sha2::Sha256::digest(&bytes).into();
        let refused = [
            plain().expect_digest(Digest::of(b"else")),
            plain().expect_md5([7; 16]),
            plain().expect_sha256([7; 32]),
            plain().expect_digest(blake3).expect_md5(md5).expect_sha256([0; 32]),
        ];
        for options in refused {
            assert_eq!(kind(media.put("a", &bytes, &options)), ErrorKind::DigestMismatch);
            assert_eq!(kind(media.put_reader("a", &bytes[..], &options)), ErrorKind::DigestMismatch);
            let mut batch = media.batch();
            batch.put("b", "fine", &plain()).unwrap().put("a", bytes.clone(), &options).unwrap();
            assert_eq!(kind(batch.commit()), ErrorKind::DigestMismatch);
        }
        assert_eq!(content(&media, "a").unwrap(), b"old");
        assert!(!media.contains("b").unwrap());
        assert_eq!(store.stats().unwrap().contents, 1);
        assert_eq!(files_below(&dir.path().join("store/files")).len(), 0);
        assert_eq!(files_below(&dir.path().join("store/staging")).len(), 0);
        let all = plain().expect_digest(blake3).expect_md5(md5).expect_sha256(sha256);
        assert_eq!(media.put("good", &bytes, &all).unwrap().digest, blake3);
        assert_eq!(media.put_reader("good", &bytes[..], &all).unwrap().digest, blake3);
        media.delete("good", &DeleteOptions::new()).unwrap();
        store.sweep().unwrap();
    }
}

// Batches.

#[test]
fn a_batch_does_all_of_it_and_its_operations_see_those_before_them() {
    let (_dir, store, media) = by_hand();
    media.put("draft", "d", &plain()).unwrap();
    let mut batch = media.batch();
    batch.put("a", "1", &plain().if_absent().content_type("x/y")).unwrap();
    batch.put("a", "2", &plain().if_match(Digest::of(b"1"))).unwrap();
    batch.delete("a", &DeleteOptions::new().if_match(Digest::of(b"2"))).unwrap();
    batch.delete("a", &DeleteOptions::new()).unwrap();
    batch.put("a", "3", &plain().if_absent()).unwrap();
    batch.delete("draft", &DeleteOptions::new()).unwrap();
    batch.put("b", "3", &plain()).unwrap();
    let outcomes = batch.commit().unwrap();
    let told: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Put(entry) => entry.digest.to_string()[..4].to_owned(),
            Outcome::Deleted(existed) => existed.to_string(),
            _ => unreachable!("there are no others"),
        })
        .collect();
    let digest = |text: &[u8]| Digest::of(text).to_string()[..4].to_owned();
    let expected =
        [digest(b"1"), digest(b"2"), "true".into(), "false".into(), digest(b"3"), "true".into(), digest(b"3")];
    assert_eq!(told, expected);
    let Outcome::Put(last) = &outcomes[4] else { panic!("the fifth is a put") };
    assert_eq!(media.head("a").unwrap().as_ref(), Some(last));
    assert_eq!(names(&media), ["a", "b"]);
    assert_eq!(store.stats().unwrap().contents, 1);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn a_batch_that_fails_in_one_operation_does_nothing() {
    let (dir, store, media) = by_hand();
    media.put("a", "old", &plain()).unwrap();
    let before = media.head("a").unwrap();
    let large = Random::new(8).bytes(5 << 20);
    let mut batch = media.batch();
    batch.put("a", "new", &plain()).unwrap().put("large", large, &plain()).unwrap();
    batch.delete("a", &DeleteOptions::new()).unwrap();
    batch.put("c", "x", &plain().if_match(Digest::of(b"never there"))).unwrap();
    assert_eq!(kind(batch.commit()), ErrorKind::PreconditionFailed);
    assert_eq!(media.head("a").unwrap(), before);
    assert_eq!(names(&media), ["a"]);
    assert_eq!(files_below(&dir.path().join("store/files")).len(), 0, "the file it brought is gone, too");
    assert_eq!(store.stats().unwrap().contents, 1);
    assert_eq!(media.batch().commit().unwrap(), [], "an empty batch is done at once");
}

#[test]
fn a_batch_takes_a_thousand_operations_and_no_more() {
    let (_dir, store, media) = by_hand();
    let mut batch = media.batch();
    for i in 0..1000 {
        batch.put(&format!("{i:04}"), format!("{}", i % 7), &plain()).unwrap();
    }
    assert_eq!(kind(batch.put("one more", "x", &plain())), ErrorKind::TooLarge);
    assert_eq!(batch.commit().unwrap().len(), 1000);
    assert_eq!(names(&media).len(), 1000);
    assert_eq!(store.stats().unwrap().contents, 7);
    let mut batch = media.batch();
    for i in 0..1000 {
        batch.delete(&format!("{i:04}"), &DeleteOptions::new()).unwrap();
    }
    assert_eq!(batch.commit().unwrap(), vec![Outcome::Deleted(true); 1000]);
    assert_eq!(names(&media), [""; 0]);
    // Few, but with more names and metadata than one record takes.
    let mut batch = media.batch();
    for i in 0..200 {
        batch.put(&format!("{i}"), "x", &plain().metadata("k", "v".repeat(8000))).unwrap();
    }
    assert_eq!(kind(batch.commit()), ErrorKind::TooLarge);
    assert_eq!(store.stats().unwrap().names, 0);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn a_batch_whose_bodies_are_larger_than_a_segment_is_still_one() {
    let dir = temp_dir();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let mut random = Random::new(9);
    let bodies: Vec<Vec<u8>> = (0..20).map(|_| random.bytes(16_000)).collect();
    let large = random.bytes(100_000);
    let mut batch = media.batch();
    for (i, body) in bodies.iter().enumerate() {
        batch.put(&format!("{i:02}"), body.clone(), &plain()).unwrap();
    }
    batch.put("large", large.clone(), &plain()).unwrap();
    batch.durability(Durability::Sync);
    assert_eq!(batch.commit().unwrap().len(), 21);
    assert!(store.stats().unwrap().segments > 4);
    // The same, refused: what was written ahead is let go.
    let mut batch = media.batch();
    for i in 0..20 {
        batch.put(&format!("{i:02}"), random.bytes(16_000), &plain()).unwrap();
    }
    batch.put("large", "x", &plain().if_absent()).unwrap();
    assert_eq!(kind(batch.commit()), ErrorKind::PreconditionFailed);
    assert_eq!(store.stats().unwrap().contents, 21);
    for reopened in [false, true] {
        let store = if reopened {
            store.close().unwrap();
            small().open(dir.path()).unwrap()
        } else {
            store.clone()
        };
        let media = store.account("5500001").unwrap();
        for (i, body) in bodies.iter().enumerate() {
            assert!(content(&media, &format!("{i:02}")).unwrap() == *body);
        }
        assert!(content(&media, "large").unwrap() == large);
        assert_eq!(store.recount().unwrap(), []);
        assert_eq!(store.stats().unwrap().contents, 21);
    }
}

// Policies and limits.

#[test]
fn a_policy_bounds_every_put_from_then_on_and_survives_reopening() {
    let hand = Hand::new();
    let dir = temp_dir();
    let open = || Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let store = open();
    let media = store.account("5500001").unwrap();
    media.put("before", "x", &plain()).unwrap();
    let policy = Policy {
        default_ttl: Some(Duration::from_mins(1)),
        longest_ttl: Some(Duration::from_hours(1)),
        largest_blob: Some(1000),
        ..Policy::default()
    };
    media.set_policy(&policy).unwrap();
    store.close().unwrap();
    let store = open();
    let media = store.account("5500001").unwrap();
    assert_eq!(media.policy().unwrap(), policy);
    assert_eq!(media.stats().unwrap().policy, Some(policy));
    assert_eq!(media.head("before").unwrap().unwrap().expires_at, None, "what was there stays as it is");

    let minute = Some(hand.now() + Duration::from_mins(1));
    assert_eq!(media.put("a", "x", &plain()).unwrap().expires_at, minute);
    assert_eq!(media.copy("a", "b", &plain()).unwrap().unwrap().expires_at, minute);
    let policy_again = UpdateOptions::new().expiry(Expiry::Policy);
    assert_eq!(media.update("before", &policy_again).unwrap().unwrap().expires_at, minute);
    let hour = plain().ttl(Duration::from_hours(1));
    assert_eq!(media.put("a", "x", &hour).unwrap().expires_at, Some(hand.now() + Duration::from_hours(1)));
    let beyond = Duration::from_millis(3_600_001);
    for refused in [plain().ttl(beyond), plain().expires_at(hand.now() + beyond), plain().expiry(Expiry::Never)] {
        assert_eq!(kind(media.put("a", "x", &refused)), ErrorKind::InvalidOption);
        assert_eq!(kind(media.copy("a", "b", &refused)), ErrorKind::InvalidOption);
    }
    assert_eq!(kind(media.update("a", &UpdateOptions::new().expiry(Expiry::Never))), ErrorKind::InvalidOption);
    media.put("a", [0; 1000], &plain()).unwrap();
    assert_eq!(kind(media.put("a", [0; 1001], &plain())), ErrorKind::TooLarge);
    assert_eq!(kind(media.put_reader("a", &[0; 1001][..], &plain())), ErrorKind::TooLarge);
    let mut batch = media.batch();
    batch.put("c", [0; 1001], &plain()).unwrap();
    assert_eq!(kind(batch.commit()), ErrorKind::TooLarge);
    // Only of this account.
    store.account("another").unwrap().put("a", [0; 1001], &plain().expiry(Expiry::Never)).unwrap();
    media.set_policy(&Policy::default()).unwrap();
    assert_eq!(media.put("a", [0; 1001], &plain()).unwrap().expires_at, None);

    let only_longest = Policy { longest_ttl: Some(Duration::from_secs(5)), ..Policy::default() };
    media.set_policy(&only_longest).unwrap();
    let entry = media.put("a", "x", &plain()).unwrap();
    assert_eq!(entry.expires_at, Some(hand.now() + Duration::from_secs(5)), "the longest is the default, too");
    for nonsense in [
        Policy { default_ttl: Some(Duration::ZERO), ..Policy::default() },
        Policy { longest_ttl: Some(Duration::MAX), ..Policy::default() },
        Policy { default_ttl: Some(Duration::from_secs(6)), ..only_longest },
    ] {
        assert_eq!(kind(media.set_policy(&nonsense)), ErrorKind::InvalidOption);
    }
    assert_eq!(media.policy().unwrap(), only_longest);
}

#[test]
fn quotas_count_what_an_account_holds_by_logical_size() {
    let (_dir, store, media) = by_hand();
    let policy = Policy { quota_bytes: Some(100), quota_count: Some(3), ..Policy::default() };
    media.set_policy(&policy).unwrap();
    media.put("a", [1; 60], &plain()).unwrap();
    assert_eq!(kind(media.put("b", [1; 41], &plain())), ErrorKind::QuotaExceeded);
    assert_eq!(kind(media.copy("a", "b", &plain())), ErrorKind::QuotaExceeded, "shared content is charged, too");
    media.put("a", [2; 100], &plain()).unwrap();
    media.put("a", [2; 50], &plain()).unwrap();
    media.copy("a", "b", &plain()).unwrap().unwrap();
    media.put("c", "", &plain()).unwrap();
    let boundless = Policy { quota_bytes: Some(u64::MAX), quota_count: Some(u64::MAX), ..Policy::default() };
    media.set_policy(&boundless).unwrap();
    media.put("c", "", &plain()).unwrap();
    media.set_policy(&policy).unwrap();
    assert_eq!(kind(media.put("d", "", &plain())), ErrorKind::QuotaExceeded);
    assert_eq!((media.stats().unwrap().count, media.stats().unwrap().bytes), (3, 100));
    // A batch is counted as a whole, in order.
    let mut batch = media.batch();
    batch.delete("c", &DeleteOptions::new()).unwrap().put("d", "", &plain()).unwrap();
    batch.commit().unwrap();
    let mut batch = media.batch();
    batch.put("e", "", &plain()).unwrap().delete("d", &DeleteOptions::new()).unwrap();
    assert_eq!(kind(batch.commit()), ErrorKind::QuotaExceeded);
    assert_eq!(names(&media), ["a", "b", "d"]);
    store.account("another").unwrap().put("a", [0; 1000], &plain()).unwrap();
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn an_account_over_a_lowered_quota_can_touch_shrink_and_delete_what_it_has() {
    let (_dir, _store, media) = by_hand();
    media.put("a", [1; 60], &plain()).unwrap();
    media.put("b", [1; 60], &plain()).unwrap();
    media.set_policy(&Policy { quota_bytes: Some(10), quota_count: Some(1), ..Policy::default() }).unwrap();
    media.update("a", &UpdateOptions::new().content_type(Some("x/y".into()))).unwrap().unwrap();
    media.put("a", [1; 20], &plain()).unwrap();
    assert_eq!(kind(media.put("a", [1; 21], &plain())), ErrorKind::QuotaExceeded);
    assert!(media.delete("b", &DeleteOptions::new()).unwrap());
    assert_eq!(kind(media.put("b", "", &plain())), ErrorKind::QuotaExceeded);
}

#[test]
fn a_prefix_limit_counts_names_and_bytes_under_it() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    // Some were there before anybody counted.
    media.put("msg1/a", [0; 10], &plain().ttl(Duration::from_secs(1))).unwrap();
    media.put("msg1/b", [1; 10], &plain()).unwrap();
    media.put("msg2/x", [1; 1000], &plain()).unwrap();
    let limited = |count, bytes| plain().prefix_limit(PrefixLimit::new("msg1/", count, bytes));
    let over = ErrorKind::QuotaExceeded;
    assert_eq!(kind(media.put("msg1/c", [2; 10], &limited(2, 1000))), over);
    assert_eq!(kind(media.put("msg1/c", [2; 10], &limited(3, 29))), over);
    media.put("msg1/c", [2; 10], &limited(3, 30)).unwrap();
    assert_eq!(kind(media.copy("msg2/x", "msg1/d", &limited(10, 1000))), over);
    media.copy("msg1/b", "msg1/d", &limited(4, 40)).unwrap().unwrap();
    // In the place of another, it counts for that one.
    media.put("msg1/d", [3; 5], &limited(4, 35)).unwrap();
    assert_eq!(kind(media.put("msg1/d", [3; 6], &limited(4, 35))), over);
    // Expired, deleted and unlimited ones are counted as they are.
    hand.advance_ms(1000);
    media.put("msg1/e", [4; 5], &limited(4, 30)).unwrap();
    media.delete("msg1/e", &DeleteOptions::new()).unwrap();
    media.put("msg1/f", [4; 1], &plain()).unwrap();
    assert_eq!(kind(media.put("msg1/g", [4; 5], &limited(4, 100))), over);
    // Within a batch, too.
    let mut batch = media.batch();
    batch.delete("msg1/f", &DeleteOptions::new()).unwrap();
    batch.put("msg1/g", [4; 5], &limited(4, 100)).unwrap().put("msg1/h", [4; 5], &limited(4, 100)).unwrap();
    assert_eq!(kind(batch.commit()), over);
    let mut batch = media.batch();
    for i in 0..10 {
        batch.put(&format!("msg3/{i}"), "x", &plain().prefix_limit(PrefixLimit::new("msg3/", 10, 10))).unwrap();
    }
    batch.commit().unwrap();

    let wrong = plain().prefix_limit(PrefixLimit::new("msg2/", 1, 1));
    assert_eq!(kind(media.put("msg1/x", "", &wrong)), ErrorKind::InvalidOption);
    let countless = plain().prefix_limit(PrefixLimit::new("msg1/", 1001, 1));
    assert_eq!(kind(media.put("msg1/x", "", &countless)), ErrorKind::InvalidOption);
}

#[test]
fn a_put_refused_since_too_many_names_share_its_prefix_leaves_no_content_and_no_file() {
    let (dir, store, media) = by_hand();
    for page in 0..2 {
        let mut batch = media.batch();
        for i in 0..600 {
            batch.put(&format!("p/{page}/{i}"), "same", &plain()).unwrap();
        }
        batch.commit().unwrap();
    }
    let limit = || PrefixLimit::new("p/", 1000, u64::MAX);
    let large = Random::new(10).bytes(5 << 20);
    assert_eq!(kind(media.put("p/x", "same", &plain().prefix_limit(limit()))), ErrorKind::QuotaExceeded);
    assert_eq!(kind(media.put("p/x", &large, &plain().prefix_limit(limit()))), ErrorKind::QuotaExceeded);
    let mut batch = media.batch();
    batch.put("p/x", "same", &plain().prefix_limit(limit())).unwrap();
    batch.put("p/y", large, &plain().prefix_limit(limit())).unwrap();
    assert_eq!(kind(batch.commit()), ErrorKind::QuotaExceeded);
    assert_eq!(files_below(&dir.path().join("store/files")).len(), 0);
    assert_eq!(media.purge("").unwrap(), 1200);
    store.sweep().unwrap();
    assert_eq!(store.stats().unwrap().contents, 0, "nothing holds the content any more");
}

// By digest; purges; accounts; statistics.

#[test]
fn the_names_of_a_content_are_found_in_every_account() {
    for dedup in [Dedup::Account, Dedup::Store] {
        let dir = temp_dir();
        let store = Store::options().upkeep(Upkeep::ByHand).dedup(dedup).open(dir.path()).unwrap();
        for (account, name) in [("b", "2"), ("a", "z"), ("a", "1"), ("b", "1")] {
            store.account(account).unwrap().put(name, "wanted", &plain()).unwrap();
            store.account(account).unwrap().put("other", "other", &plain()).unwrap();
        }
        store.account("c").unwrap().put("was", "wanted", &plain()).unwrap();
        store.account("c").unwrap().put("was", "else", &plain()).unwrap();
        let wanted = Digest::of(b"wanted");
        let found = store.names_of(&wanted).unwrap();
        let found: Vec<_> = found.iter().map(|(account, entry)| (account.as_str(), entry.name.as_str())).collect();
        assert_eq!(found, [("a", "1"), ("a", "z"), ("b", "1"), ("b", "2")]);
        assert_eq!(store.purge_digest(&wanted).unwrap(), 4);
        assert_eq!(store.names_of(&wanted).unwrap(), []);
        assert_eq!(store.purge_digest(&wanted).unwrap(), 0);
        store.sweep().unwrap();
        let stats = store.stats().unwrap();
        assert_eq!(stats.names, 3);
        assert_eq!(stats.contents, if dedup == Dedup::Store { 2 } else { 3 });
        store.account("a").unwrap().put("again", "wanted", &plain()).unwrap();
        assert_eq!(store.names_of(&wanted).unwrap().len(), 1);
        assert_eq!(store.recount().unwrap(), []);
    }
}

#[test]
fn a_content_that_is_being_purged_cannot_be_put() {
    // The clock is asked in the midst of the purge; it then has somebody else put the same content.
    let (armed, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let slot: Arc<parking_lot::Mutex<Option<Account>>> = Arc::default();
    let clock = {
        let (armed, refused, slot) = (armed.clone(), refused.clone(), slot.clone());
        Clock::from_fn(move || {
            if armed.swap(false, Ordering::SeqCst) {
                let (media, refused) = (slot.lock().take().unwrap(), refused.clone());
                let putting = std::thread::spawn(move || {
                    let put = kind(media.put("late", "wanted", &plain()));
                    let copy = kind(media.copy("a", "late", &plain()));
                    media.put("fine", "something else", &plain()).unwrap();
                    refused.store((put, copy) == (ErrorKind::PreconditionFailed, put), Ordering::SeqCst);
                });
                putting.join().unwrap();
            }
            UNIX_EPOCH + Duration::from_secs(1_700_000_000)
        })
    };
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(clock).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    media.put("a", "wanted", &plain()).unwrap();
    *slot.lock() = Some(media.clone());
    armed.store(true, Ordering::SeqCst);
    assert_eq!(store.purge_digest(&Digest::of(b"wanted")).unwrap(), 1);
    assert!(refused.load(Ordering::SeqCst));
    assert_eq!(names(&media), ["fine"]);
    media.put("late", "wanted", &plain()).unwrap();
    assert_eq!(names(&media), ["fine", "late"]);
}

#[test]
fn a_purge_takes_a_prefix_or_an_account_and_nothing_else() {
    let (_dir, store, media) = by_hand();
    let other = store.account("another").unwrap();
    other.put("p/a", "kept", &plain()).unwrap();
    for batch in 0..3 {
        let mut all = media.batch();
        for i in 0..900 {
            all.put(&format!("p/{batch}/{i}"), format!("{i}"), &plain()).unwrap();
        }
        all.commit().unwrap();
    }
    for name in ["p", "p.", "p0", "o/a"] {
        media.put(name, name, &plain()).unwrap();
    }
    assert_eq!(media.purge("p/").unwrap(), 2700);
    assert_eq!(names(&media), ["o/a", "p", "p.", "p0"]);
    assert_eq!(media.purge("none").unwrap(), 0);
    assert_eq!(media.purge("").unwrap(), 4);
    assert_eq!(names(&media), [""; 0]);
    assert_eq!(names(&other), ["p/a"]);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn accounts_are_those_that_hold_names_or_have_a_policy() {
    let (_dir, store, _) = by_hand();
    for name in ["b", "a", "é", "A"] {
        store.account(name).unwrap().put("x", "12345", &plain()).unwrap();
    }
    store.account("never used").unwrap().get("x").unwrap();
    let policy = Policy { largest_blob: Some(5), ..Policy::default() };
    store.account("ruled").unwrap().set_policy(&policy).unwrap();
    store.account("b").unwrap().delete("x", &DeleteOptions::new()).unwrap();
    let accounts = store.accounts().unwrap();
    let told: Vec<_> = accounts.iter().map(|a| (a.account.as_str(), a.count, a.bytes, a.policy.is_some())).collect();
    assert_eq!(told, [("A", 1, 5, false), ("a", 1, 5, false), ("ruled", 0, 0, true), ("é", 1, 5, false)]);
    assert_eq!(store.stats().unwrap().accounts, 4);
}

#[test]
fn equal_content_is_stored_once_and_the_statistics_say_so() {
    for (dedup, contents) in [(Dedup::Account, 2_u32), (Dedup::Store, 1)] {
        let dir = temp_dir();
        let store = Store::options().upkeep(Upkeep::ByHand).dedup(dedup).open(dir.path()).unwrap();
        let bytes = Random::new(11).bytes(100_000);
        for account in ["1", "2"] {
            let media = store.account(account).unwrap();
            for recipient in 0..50 {
                media.put(&format!("{recipient}"), &bytes, &plain()).unwrap();
            }
        }
        let stats = store.stats().unwrap();
        assert_eq!((stats.names, stats.logical_bytes), (100, 10_000_000));
        assert_eq!((stats.contents, stats.content_bytes), (contents.into(), u64::from(contents) * 100_000));
        assert!((stats.dedup_ratio() - 100.0 / f64::from(contents)).abs() < 1e-9);
        assert_eq!((stats.puts, stats.dedup_hits), (100, 100 - u64::from(contents)));
        assert!(stats.log_bytes_written < u64::from(contents) * 100_000 + 100 * 1000);
        assert!(stats.live_bytes >= stats.content_bytes && stats.live_bytes <= stats.total_bytes);
        assert!(stats.syncs > 0 && stats.groups > 0 && stats.catalog_bytes > 0 && stats.segments == 1);
        // The scope is of the store, not of who opens it.
        store.close().unwrap();
        let store = Store::options().upkeep(Upkeep::ByHand).dedup(Dedup::Account).open(dir.path()).unwrap();
        store.account("3").unwrap().put("a", &bytes, &plain()).unwrap();
        assert_eq!(store.stats().unwrap().contents, if dedup == Dedup::Store { 1 } else { 3 });
        for account in ["1", "2", "3"] {
            store.account(account).unwrap().purge("").unwrap();
        }
        let stats = store.stats().unwrap();
        assert_eq!((stats.names, stats.contents, stats.content_bytes, stats.logical_bytes), (0, 0, 0, 0));
        assert!((stats.dedup_ratio() - 1.0).abs() < 1e-9);
    }
}

// Checks at reading; large blobs; durability; opening again.

/// Flips a bit of a content where it lies in the files of a store.
fn damage(dir: &std::path::Path, content: &[u8], at: usize) {
    for path in files_below(dir) {
        let bytes = fs::read(&path).unwrap();
        if let Some(place) = bytes.windows(content.len()).position(|window| window == content) {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[content[at] ^ 1], (place + at) as u64).unwrap();
            return;
        }
    }
    panic!("the content is nowhere");
}

#[test]
fn how_much_is_checked_at_reading_is_as_asked() {
    for len in [200_000, 5 << 20] {
        for verify in [Verify::Always, Verify::Once, Verify::Never] {
            let dir = temp_dir();
            let store = Store::options().upkeep(Upkeep::ByHand).verify(verify).open(dir.path()).unwrap();
            let media = store.account("5500001").unwrap();
            let bytes = Random::new(12).bytes(len);
            media.put("a", &bytes, &plain()).unwrap();
            media.put("b", "untouched", &plain()).unwrap();
            // The first chunk was read before the damage, the second was not.
            media.get_range("a", ..10).unwrap().unwrap();
            damage(dir.path(), &bytes, 100);
            let again = media.get_range("a", ..10).map(|blob| blob.unwrap().to_vec());
            let whole = media.get_range("a", ..200).map(|blob| blob.unwrap()[100] == bytes[100]);
            match verify {
                Verify::Always => {
                    let error = again.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    assert!(error.path().is_some_and(|path| path.starts_with(dir.path())));
                    assert_eq!(kind(whole), ErrorKind::Corrupt);
                    let mut reader = media.reader("a").unwrap().unwrap();
                    assert_eq!(reader.read(&mut [0; 10]).unwrap_err().kind(), IoKind::InvalidData);
                    assert_eq!(media.get_range("a", 70_000..70_010).unwrap().unwrap()[..], bytes[70_000..70_010]);
                    // Putting the same bytes again heals it.
                    media.put("c", &bytes, &plain()).unwrap();
                    assert!(content(&media, "a").unwrap() == bytes);
                }
                Verify::Once => {
                    assert_eq!(again.unwrap(), bytes[..10]);
                    assert!(!whole.unwrap(), "this chunk was checked before");
                    damage(dir.path(), &bytes[65_536..], 0);
                    assert_eq!(kind(media.get("a")), ErrorKind::Corrupt, "this one is checked for the first time");
                }
                Verify::Never => assert!(!whole.unwrap()),
            }
            assert_eq!(content(&media, "b").unwrap(), b"untouched");
        }
    }
}

#[test]
fn a_large_blob_is_a_file_of_exactly_its_bytes_and_goes_with_its_last_name() {
    let (dir, store, media) = by_hand();
    let files = dir.path().join("store/files");
    let bytes = Random::new(13).bytes((4 << 20) + 5);
    let entry = media.put("a", &bytes, &plain()).unwrap();
    media.put("b", &bytes, &plain()).unwrap();
    media.put_reader("c", &bytes[..], &plain()).unwrap();
    media.put("small", &bytes[..(4 << 20) - 1], &plain()).unwrap();
    let found = files_below(&files);
    assert_eq!(found.len(), 1, "one content, one file");
    assert!(fs::read(&found[0]).unwrap() == bytes);
    let digest = entry.digest.to_string();
    assert!(found[0].file_name().unwrap().to_str().unwrap().starts_with(&digest));
    assert_eq!(found[0].parent().unwrap().file_name().unwrap().to_str().unwrap(), &digest[..2]);
    assert_eq!(store.stats().unwrap().blob_files, 1);
    for name in ["a", "b"] {
        media.delete(name, &DeleteOptions::new()).unwrap();
        assert_eq!(store.sweep().unwrap().files_freed, 0);
        assert_eq!(files_below(&files), found);
    }
    let held = media.get("c").unwrap().unwrap();
    media.put("c", "small now", &plain()).unwrap();
    assert_eq!(store.sweep().unwrap().files_freed, 1);
    assert_eq!(files_below(&files).len(), 0);
    assert!(held[..] == bytes[..], "who holds it keeps it");
    // It comes back under a name that never stood before.
    media.put("a", &bytes, &plain()).unwrap();
    assert_ne!(files_below(&files), found);
    assert!(content(&media, "a").unwrap() == bytes);
    assert_eq!(files_below(&dir.path().join("store/staging")).len(), 0);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn the_file_threshold_is_as_asked() {
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).file_threshold(1).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    media.put("empty", "", &plain()).unwrap();
    media.put("one", "1", &plain()).unwrap();
    media.put_reader("two", &b"22"[..], &plain()).unwrap();
    assert_eq!(store.stats().unwrap().blob_files, 2);
    store.close().unwrap();
    // Another threshold does not move what is there.
    let store = small().open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let found: Vec<_> = ["empty", "one", "two"].map(|name| content(&media, name).unwrap()).into();
    assert_eq!(found, [&b""[..], b"1", b"22"]);
    let refused = small().file_threshold(0).open(temp_dir().path());
    assert_eq!(kind(refused), ErrorKind::InvalidOption);
    assert_eq!(kind(small().file_threshold((16 << 10) + 1).open(temp_dir().path())), ErrorKind::InvalidOption);
    for len in [0, 4096, 65_535, (64 << 10) + 1, (1 << 30) + 4096] {
        assert_eq!(kind(small().segment_len(len).open(temp_dir().path())), ErrorKind::InvalidOption, "{len}");
    }
}

#[test]
fn what_is_written_with_os_durability_is_seen_at_once_and_kept_by_close() {
    let dir = temp_dir();
    let open = || Store::options().upkeep(Upkeep::ByHand).durability(Durability::Os).open(dir.path()).unwrap();
    let store = open();
    let media = store.account("5500001").unwrap();
    media.put("first", "x", &plain()).unwrap();
    let syncs = store.stats().unwrap().syncs;
    media.put("a", "1", &plain()).unwrap();
    media.put("b", "1", &plain()).unwrap();
    media.delete("b", &DeleteOptions::new()).unwrap();
    assert_eq!(content(&media, "a").unwrap(), b"1");
    assert!(!media.contains("b").unwrap());
    assert_eq!(store.stats().unwrap().syncs, syncs, "nothing was waited for");
    assert_eq!(names(&media), ["a", "first"], "a listing syncs what it shows");
    assert!(store.stats().unwrap().syncs > syncs);
    media.put("c", "1", &plain().durability(Durability::Sync)).unwrap();
    media.put("d", "1", &plain()).unwrap();
    store.sync().unwrap();
    media.put("e", "1", &plain()).unwrap();
    store.close().unwrap();
    assert_eq!(names(&open().account("5500001").unwrap()), ["a", "c", "d", "e", "first"]);
}

#[test]
fn opening_again_finds_everything_as_it_was() {
    let dir = temp_dir();
    let mut random = Random::new(14);
    let mut expected: Vec<(&str, Entry, Vec<u8>)> = Vec::new();
    for round in 0..4 {
        let store = small().open(dir.path()).unwrap();
        assert!(store.health().damage.is_empty() && store.health().recovery.clean);
        assert_eq!(store.recount().unwrap(), []);
        for (account, entry, bytes) in &expected {
            let media = store.account(account).unwrap();
            assert_eq!(media.head(&entry.name).unwrap().as_ref(), Some(entry), "round {round}");
            assert!(content(&media, &entry.name).as_ref() == Some(bytes));
        }
        for account in ["1", "2"] {
            let media = store.account(account).unwrap();
            let listed: Vec<_> = media.entries(ListOptions::new()).map(Result::unwrap).collect();
            let kept = expected.iter().filter(|(of, ..)| *of == account).map(|(_, entry, _)| entry.clone());
            let mut kept: Vec<_> = kept.collect();
            kept.sort_by(|a, b| a.name.cmp(&b.name));
            assert_eq!(listed, kept);
            for i in 0..20 {
                let len = [0, 10, 5_000, 15_000, 20_000][random.below(5) as usize];
                let (name, bytes) = (format!("{}/{i}", random.below(5)), random.bytes(len));
                let options = plain().content_type("image/png").metadata("round", format!("{round}"));
                let entry = media.put(&name, &bytes, &options).unwrap();
                expected.retain(|(of, entry, _)| (*of, &entry.name) != (account, &name));
                if random.sixteenths(4) {
                    media.delete(&name, &DeleteOptions::new()).unwrap();
                } else {
                    expected.push((account, entry, bytes));
                }
            }
        }
        store.close().unwrap();
    }
}

#[test]
fn a_store_that_must_be_there_is_not_made() {
    let dir = temp_dir();
    let path = dir.path().join("none");
    let refused = Store::options().create(Create::Never).open(&path);
    assert_eq!(kind(refused), ErrorKind::Io);
    assert!(!path.exists());
    assert_eq!(kind(Store::options().create(Create::Never).open(dir.path())), ErrorKind::InvalidOption);
    assert_eq!(files_below(dir.path()).len(), 0);
    // With its parents.
    let deep = dir.path().join("a/b/c");
    Store::open(&deep).unwrap().close().unwrap();
    let store = Store::options().create(Create::Never).open(&deep).unwrap();
    assert_eq!(store.path(), deep);
}

#[test]
fn a_closed_store_answers_so_and_closing_again_is_nothing() {
    let (dir, store, media) = by_hand();
    media.put("a", "1", &plain()).unwrap();
    let mut writer = media.writer("w", &plain()).unwrap();
    writer.write_all(b"w").unwrap();
    let (mut batch, clone) = (media.batch(), store.clone());
    batch.put("b", "1", &plain()).unwrap();
    store.close().unwrap();
    store.close().unwrap();
    clone.close().unwrap();
    let closed = ErrorKind::Closed;
    assert_eq!(kind(media.put("a", "2", &plain())), closed);
    assert_eq!(kind(media.get("a")), closed);
    assert_eq!(kind(media.head("a")), closed);
    assert_eq!(kind(media.contains("a")), closed);
    assert_eq!(kind(media.list(&ListOptions::new())), closed);
    assert_eq!(kind(media.entries(ListOptions::new()).next().unwrap()), closed);
    assert_eq!(kind(media.delete("a", &DeleteOptions::new())), closed);
    assert_eq!(kind(media.update("a", &UpdateOptions::new())), closed);
    assert_eq!(kind(media.copy("a", "b", &plain())), closed);
    assert_eq!(kind(media.purge("")), closed);
    assert_eq!(kind(media.policy()), closed);
    assert_eq!(kind(media.stats()), closed);
    assert_eq!(kind(batch.commit()), closed);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), IoKind::Other);
    assert_eq!(kind(writer.commit()), closed);
    assert_eq!(kind(clone.account("a")), closed);
    assert_eq!(kind(clone.accounts()), closed);
    assert_eq!(kind(clone.sync()), closed);
    assert_eq!(kind(clone.sweep()), closed);
    assert_eq!(kind(clone.stats()), closed);
    assert_eq!(kind(clone.checkpoint_catalog()), closed);
    assert_eq!(kind(clone.names_of(&Digest::of(b"1"))), closed);
    // It is free for others, and as it was acknowledged.
    let store = Store::open(dir.path().join("store")).unwrap();
    assert_eq!(names(&store.account("5500001").unwrap()), ["a"]);
}

#[test]
fn the_index_is_rebuilt_from_the_log_on_demand() {
    let (_dir, store, media) = by_hand();
    for i in 0..3000 {
        media.put(&format!("{i:04}"), "x", &plain().durability(Durability::Os)).unwrap();
    }
    let mut told = Vec::new();
    assert_eq!(store.rebuild_index(&mut |done, of| told.push((done, of))).unwrap(), 3000);
    assert!(told.iter().all(|(done, of)| done <= of && *of == 3000) && told.is_sorted());
    assert_eq!(names(&media).len(), 3000);
    assert_eq!(store.health().index, mediacask::IndexState::Current);
}

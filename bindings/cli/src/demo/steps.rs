//! The steps of the demo that need no second process.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use mediacask::{Account, Digest, Entry, ListOptions, Store};

use super::media::{self, Media};
use super::{Stage, check};
use crate::failure::Failure;
use crate::output::{count, counted, size};

/// Two senders, and the one that writes to a thousand recipients.
const ACCOUNTS: [&str; 2] = ["5500001", "5500002"];
const CAMPAIGN: &str = "5500003";

const RECIPIENTS: usize = 1000;

/// Names on a page of the listing: few, so that there are tokens to follow.
const PAGE: usize = 3;

const TTL: Duration = Duration::from_secs(2);

/// Between two looks at the name that is about to expire.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// By how much the machine's clock may be set right while we look at it.
const TOLERANCE: Duration = Duration::from_millis(100);

pub(super) fn files_go_in(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let store = stage.open()?;
    for name in ACCOUNTS {
        let account = store.account(name)?;
        for file in &stage.media {
            account.put_reader(&file.name, &file.content[..], &file.options())?;
        }
    }
    let mut lines = Vec::new();
    for file in &stage.media {
        for name in ACCOUNTS {
            same_bytes(&store.account(name)?, &file.name, &file.content)?;
        }
        let digest = Digest::of(&file.content).to_string();
        let bytes = size(file.content.len() as u64);
        lines.push(format!("{:<14} {:<26} {bytes:>10}  {}", file.name, file.content_type, &digest[..16]));
    }
    for line in lines {
        stage.note(format_args!("{line}"))?;
    }
    let names = store.stats()?.names;
    let wanted = (stage.media.len() * ACCOUNTS.len()) as u64;
    check(names == wanted, || format!("{names} names are there, not {wanted}"))?;
    store.close()?;
    Ok(format!("{} in {} accounts, every byte read back", counted(names, "name"), ACCOUNTS.len()))
}

pub(super) fn one_is_replaced(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let store = stage.open()?;
    let account = store.account(ACCOUNTS[0])?;
    let file = media::picture(&stage.media);
    let held = found(account.get(&file.name)?, &file.name)?;
    let before = held.entry();
    // The same picture with a comment behind it: other bytes, as another version has.
    let mut content = file.content.clone();
    content.extend_from_slice(b"retouched");
    let after = account.put(&file.name, &content, &file.options())?;
    same_bytes(&account, &file.name, &content)?;
    check(after.created_at == before.created_at, || "the date it was created has moved".into())?;
    check(after.generation > before.generation, || "its generation has not grown".into())?;
    check(held[..] == file.content[..], || "the blob that was held has changed".into())?;
    same_bytes(&store.account(ACCOUNTS[1])?, &file.name, &file.content)?;
    store.close()?;
    check(held[..] == file.content[..], || "the blob that was held changed when the store closed".into())?;
    Ok(format!(
        "{}: generation {} became {}, the blob read before still has its {}",
        file.name,
        before.generation,
        after.generation,
        size(held.len() as u64)
    ))
}

pub(super) fn listing_is_walked(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let store = stage.open()?;
    let account = store.account(ACCOUNTS[0])?;
    let (mut walked, mut pages, mut token) = (Vec::new(), 0, None);
    loop {
        let page = account.list(&ListOptions::new().limit(PAGE).token(token))?;
        pages += 1;
        let names: Vec<String> = page.entries.into_iter().map(|entry| entry.name).collect();
        let follows = page.next_token.as_ref().map_or("the end".into(), |token| format!("token {token:.12}..."));
        stage.note(format_args!("page {pages}: {}; {follows}", names.join(", ")))?;
        walked.extend(names);
        match page.next_token {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    let wanted: Vec<&str> = stage.media.iter().map(|file| file.name.as_str()).collect();
    check(walked == wanted, || format!("the walk found {walked:?}, not {wanted:?}"))?;
    store.close()?;
    Ok(format!("{}, each once and in order, on {}", counted(walked.len() as u64, "name"), counted(pages, "page")))
}

pub(super) fn sent_to_a_thousand(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let store = stage.open()?;
    let file = media::picture(&stage.media);
    let one = file.content.len() as u64;
    let before = store.stats()?;
    send(&store.account(CAMPAIGN)?, file)?;
    let after = store.stats()?;
    let sent = after.logical_bytes - before.logical_bytes;
    let stored = after.content_bytes - before.content_bytes;
    check(sent == one * RECIPIENTS as u64, || format!("{sent} bytes were sent, not {RECIPIENTS} times {one}"))?;
    check(stored == one, || format!("they take {stored} bytes, not the {one} of one picture"))?;
    for number in [1, RECIPIENTS / 2, RECIPIENTS] {
        same_bytes(&store.account(CAMPAIGN)?, &recipient(number, file), &file.content)?;
    }
    let written = after.log_bytes_written - before.log_bytes_written;
    let syncs = after.syncs - before.syncs;
    store.close()?;
    stage.note(format_args!("sent     {:>16} bytes ({})", count(sent), size(sent)))?;
    stage.note(format_args!("stored   {:>16} bytes of content ({})", count(stored), size(stored)))?;
    stage.note(format_args!("written  {:>16} bytes of log, the records of all names included", count(written)))?;
    Ok(format!("{} durable puts with {}; {} kept once", count(RECIPIENTS as u64), counted(syncs, "sync"), size(one)))
}

/// From a few threads at once, as a service would: they share the syncs.
fn send(account: &Account, file: &Media) -> Result<(), Failure> {
    let next = AtomicUsize::new(1);
    let work = || -> Result<(), Failure> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > RECIPIENTS {
                return Ok(());
            }
            account.put(&recipient(number, file), &file.content, &file.options())?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Failure::Other("a sender panicked".into()))))
    })
}

fn recipient(number: usize, file: &Media) -> String {
    format!("+1202555{number:04}/{}", file.name)
}

pub(super) fn lifetime_ends(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let store = stage.open()?;
    let account = store.account(ACCOUNTS[0])?;
    let names_before = store.stats()?.names;
    let name = "code.txt";
    let options = mediacask::PutOptions::new().content_type("text/plain").ttl(TTL);
    let entry = account.put(name, b"Your code is 4471", &options)?;
    let end = entry.expires_at.ok_or_else(|| Failure::Other("the entry says it never expires".into()))?;
    let (mut looks, mut told) = (0, None);
    let late = loop {
        let before = SystemTime::now();
        let there = account.contains(name)?;
        let after = SystemTime::now();
        looks += 1;
        if !there {
            check(after + TOLERANCE >= end, || "it was gone before its time".into())?;
            break after.duration_since(end).unwrap_or_default();
        }
        check(before < end + TOLERANCE, || "it is still there after its end".into())?;
        let left = end.duration_since(before).unwrap_or_default();
        let half_seconds = left.as_millis().div_ceil(500);
        if told.replace(half_seconds) != Some(half_seconds) {
            stage.note(format_args!("{name} is there, {:.1} s left", left.as_secs_f64()))?;
        }
        thread::sleep(LOOK_AGAIN);
    };
    check(account.get(name)?.is_none(), || "get still finds it".into())?;
    let listed = names_of(&account)?.iter().any(|listed| listed == name);
    check(!listed, || "a listing still shows it".into())?;
    store.sweep()?;
    let names = store.stats()?.names;
    check(names == names_before, || format!("{names} names are left, not {names_before}"))?;
    store.close()?;
    Ok(format!("gone at the first look after its end, {} ms late at most ({looks} looks)", late.as_millis()))
}

pub(super) fn index_is_rebuilt(stage: &mut Stage<'_>) -> Result<String, Failure> {
    let store = stage.open()?;
    let before = all_entries(&store)?;
    store.close()?;
    let index = stage.store_path().join("index");
    fs::remove_dir_all(&index).map_err(|error| Failure::io("delete", &index, &error))?;
    stage.note(format_args!("deleted {}", index.display()))?;
    let store = stage.open()?;
    let rows = store.rebuild_index(&mut |_, _| ())?;
    let after = all_entries(&store)?;
    check(rows == before.len() as u64, || format!("it has {rows} rows, not {}", before.len()))?;
    check(before == after, || "the listings differ from those before".into())?;
    check(index.is_dir(), || format!("{} is not there again", index.display()))?;
    store.close()?;
    Ok(format!("{} listed as before", counted(rows, "name")))
}

/// Every account's every entry, by the listings.
fn all_entries(store: &Store) -> Result<Vec<(String, Entry)>, Failure> {
    let mut all = Vec::new();
    for account in store.accounts()? {
        for entry in store.account(&account.account)?.entries(ListOptions::new()) {
            all.push((account.account.clone(), entry?));
        }
    }
    Ok(all)
}

/// The names of an account, by its listing.
pub(super) fn names_of(account: &Account) -> Result<Vec<String>, Failure> {
    let entries = account.entries(ListOptions::new());
    Ok(entries.map(|entry| entry.map(|entry| entry.name)).collect::<mediacask::Result<_>>()?)
}

/// The name holds `content`, to the byte.
pub(super) fn same_bytes(account: &Account, name: &str, content: &[u8]) -> Result<(), Failure> {
    let blob = found(account.get(name)?, name)?;
    check(blob.digest() == Digest::of(content), || format!("{name} has another digest"))?;
    check(blob[..] == *content, || format!("{name} has other bytes than were put"))
}

fn found<T>(answer: Option<T>, name: &str) -> Result<T, Failure> {
    answer.ok_or_else(|| Failure::Other(format!("{name} is not there")))
}

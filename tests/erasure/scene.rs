//! What the tests of erasure share: what is to be found nowhere, ways to let go of it, and how it is looked for.

use std::io;
use std::path::Path;
use std::time::Duration;

use mediacask::{Account, DeleteOptions, PutOptions, Store, StoreOptions, UpdateOptions};

use super::support::Random;
use super::support::place::{self, Hand};
use super::support::wait_until;

pub(crate) const WITHIN: Duration = Duration::from_hours(1);
pub(crate) const HALF_MS: u64 = 1_800_000;
/// So long that what a segment takes beside its records is little of it.
const MIXED_LEN: u64 = 256 << 10;

/// Texts that stand nowhere by chance. Index rows share the beginnings of names, so their ends are looked for.
pub(crate) const NAME: &str = "unlikely-7f3a9c";
pub(crate) const BYTES: &[u8] = b"\xffsecret\x00bytes\xfe-51c02e77";
pub(crate) const FACT: &str = "fact-e07b44d1";

pub(crate) fn options(hand: &Hand) -> StoreOptions {
    place::small().clock(hand.clock()).erase_within(WITHIN)
}

pub(crate) fn account(store: &Store) -> Account {
    store.account("5500001").unwrap()
}

/// What stays: names and contents.
pub(crate) type Kept = Vec<(String, Vec<u8>)>;

/// The files below a directory that hold any of the texts, and which. When one has gone, or has another name, by the
/// time it is read, upkeep is at work: then all are looked through again.
pub(crate) fn found_in(dir: &Path) -> Vec<String> {
    let mut found = None;
    wait_until("no file goes while it is looked for", || {
        found = match look_through(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            outcome => Some(outcome.unwrap()),
        };
        found.is_some()
    });
    found.unwrap()
}

fn look_through(dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for path in place::files_below(dir) {
        let bytes = std::fs::read(&path)?;
        for text in [NAME.as_bytes(), BYTES, FACT.as_bytes()] {
            if bytes.windows(text.len()).any(|window| window == text) {
                found.push(format!("{}: {}", path.strip_prefix(dir).unwrap().display(), text.escape_ascii()));
            }
        }
    }
    Ok(found)
}

/// Content that holds the searched-for bytes at its end, and is nobody else's.
pub(crate) fn secret(random: &mut Random, len: usize) -> Vec<u8> {
    [&random.bytes(len)[..], BYTES].concat()
}

pub(crate) fn secret_put(account: &Account, nth: u64, random: &mut Random, len: usize, options: PutOptions) {
    let name = format!("message/{nth}/{NAME}");
    account.put(&name, secret(random, len), &options.metadata("from", FACT)).unwrap();
}

/// Every way to let go of something, with what stays beside it in the same segments. Gives what stays.
pub(crate) fn let_go_of_everything(store: &Store, hand: &Hand, random: &mut Random, count: u64) -> Kept {
    let account = account(store);
    let mut kept = Vec::new();
    for nth in 0..count {
        let (name, content) = (format!("message/{nth}/kept"), random.bytes(2000));
        account.put(&name, &content, &PutOptions::new()).unwrap();
        kept.push((name, content));
        match nth % 7 {
            0 => secret_put(&account, nth, random, 1500, PutOptions::new()),
            1 => secret_put(&account, nth, random, 1500, PutOptions::new().ttl(Duration::from_secs(1))),
            // A file of its own.
            2 => secret_put(&account, nth, random, 20_000, PutOptions::new()),
            3 => {
                // What stays has let go of bytes and facts.
                let name = format!("message/{nth}/overwritten");
                account.put(&name, secret(random, 900), &PutOptions::new().metadata("from", FACT)).unwrap();
                let content = random.bytes(700);
                account.put(&name, &content, &PutOptions::new().content_type(FACT)).unwrap();
                account.update(&name, &UpdateOptions::new().content_type(None)).unwrap();
                kept.push((name, content));
            }
            4 => secret_put(&account, nth, random, 3000, PutOptions::new()),
            5 => {
                let name = format!("purged/{nth}/{NAME}");
                account.put(&name, secret(random, 800), &PutOptions::new()).unwrap();
            }
            _ => {
                let mut batch = account.batch();
                let name = format!("message/{nth}/{NAME}");
                batch.put(&name, secret(random, 500), &PutOptions::new()).unwrap();
                batch.commit().unwrap();
            }
        }
    }
    // Listed, so that the index has them, too, and swept, so that its files do.
    store.sweep().unwrap();
    assert!(account.entries(mediacask::ListOptions::new()).count() as u64 > count);
    let found = found_in(store.path());
    for place in ["segments/", "files/", "index/"] {
        assert!(found.iter().any(|path| path.starts_with(place)), "else these tests show nothing: {found:?}");
    }
    for nth in 0..count {
        let name = format!("message/{nth}/{NAME}");
        match nth % 7 {
            0 | 2 | 6 => assert!(account.delete(&name, &DeleteOptions::new()).unwrap()),
            4 => {
                let digest = account.head(&name).unwrap().unwrap().digest;
                assert_eq!(store.purge_digest(&digest).unwrap(), 1);
            }
            _ => {}
        }
    }
    assert!(account.purge("purged/").unwrap() > 0);
    hand.advance_ms(1000);
    kept
}

/// Options of a store that erases nothing, for [`end_ahead_of_its_put`].
pub(crate) fn mixed(hand: &Hand) -> StoreOptions {
    place::small().segment_len(MIXED_LEN).clock(hand.clock())
}

/// A name's end that compaction has gathered with what is older than the segment of its put, and has kept since of that
/// segment too little is dead: by age the end comes first, and it is needed until the put is gone. Given a store of
/// [`mixed`] options, which is closed then. Gives what stays.
pub(crate) fn end_ahead_of_its_put(store: &Store, random: &mut Random) -> Kept {
    let (account, mut kept) = (account(store), Vec::new());
    let mut stays = |name: String, random: &mut Random| {
        let content = random.bytes(9000);
        account.put(&name, &content, &PutOptions::new()).unwrap();
        kept.push((name, content));
    };
    let until_the_next_segment = |put: &mut dyn FnMut(u64)| {
        let segments = store.stats().unwrap().segments;
        for nth in (0..).take_while(|_| store.stats().unwrap().segments == segments) {
            put(nth);
        }
    };
    let overwritten = |random: &mut Random| {
        account.put("overwritten", random.bytes(3000), &PutOptions::new()).unwrap();
    };
    (0..4).for_each(|nth| stays(format!("old/{nth}"), random));
    until_the_next_segment(&mut |_| overwritten(random));
    secret_put(&account, 1, random, 500, PutOptions::new());
    until_the_next_segment(&mut |nth| stays(format!("beside/{nth}"), random));
    account.delete(&format!("message/1/{NAME}"), &DeleteOptions::new()).unwrap();
    until_the_next_segment(&mut |_| overwritten(random));
    account.delete("overwritten", &DeleteOptions::new()).unwrap();
    store.compact().unwrap();
    store.close().unwrap();
    // Else a test shows nothing: the put still beside its bytes, the end in a younger file, with the oldest contents.
    let holds = |path: &Path, text: &[u8]| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text)
    };
    let of_name = place::files_below(&store.path().join("segments"));
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == "seg");
    let of_name: Vec<_> = of_name.into_iter().filter(|path| is_segment(path) && holds(path, NAME.as_bytes())).collect();
    let [put, end] = &of_name[..] else { panic!("{of_name:?}") };
    assert!(holds(put, BYTES) && holds(put, &kept[4].1) && !holds(end, BYTES) && holds(end, &kept[0].1));
    kept
}

/// Everything that stays is there, and nothing else.
pub(crate) fn compare(store: &Store, kept: &[(String, Vec<u8>)], when: &str) {
    let account = account(store);
    for (name, content) in kept {
        let blob = account.get(name).unwrap().unwrap_or_else(|| panic!("{when}: {name} is not there"));
        assert!(blob[..] == content[..], "{when}: {name}");
    }
    let listed: mediacask::Result<Vec<_>> = account.entries(mediacask::ListOptions::new()).collect();
    assert_eq!(listed.unwrap().len(), kept.len(), "{when}");
    assert_eq!(store.recount().unwrap(), [], "{when}");
}

pub(crate) fn count(store: &Store, what: &str) -> u64 {
    let last = store.health().last.erasure.expect("something was erased");
    assert_eq!(last.error, None);
    last.counts.iter().find(|(name, _)| *name == what).unwrap().1
}

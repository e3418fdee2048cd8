//! Content that looks like records: somebody stores the file of a segment, of another store or of this
//! very one. Wherever the record around it is damaged, nothing inside the body ever stands.

#[path = "damage/scene.rs"]
mod scene;

use std::path::PathBuf;

use mediacask::{PutOptions, Store};
use scene::{Answer, Image, Truth, happen, listed, open, options, records, scratch};

/// A store that holds segment files as content: its files, what it must answer, and where the records of
/// those contents are.
struct Nested {
    image: Image,
    truth: Truth,
    segment: PathBuf,
    bodies: Vec<(usize, usize)>,
}

/// Roomier than elsewhere, so that a segment's file is not too large for a body.
fn roomy(dir: &std::path::Path) -> Store {
    options().segment_len(1 << 20).file_threshold(1 << 17).open(dir).unwrap()
}

/// `account` decides by its length where in a page of eight bytes the body begins.
fn nested(account: &str) -> Nested {
    let (dir, other) = (scratch(), scratch());
    let mut foreign = Truth::default();
    let store = open(other.path());
    (0..scene::PARTS).for_each(|part| happen(&store, &mut foreign, part));
    store.account(account).unwrap().put("never", "was here", &PutOptions::new()).unwrap();
    store.close().unwrap();
    let foreign = Image::of(other.path());

    let mut truth = Truth::default();
    let store = roomy(dir.path());
    happen(&store, &mut truth, 0);
    let account = store.account(account).unwrap();
    truth.put(&account, "early", b"an early version", &PutOptions::new());
    truth.put(&account, "short", b"of life", &PutOptions::new());
    // The segment as it is now: its records stand, once, where they are.
    let own = Image::of(dir.path());
    let own = own.file(&own.segments()[0]);
    let used = records(own).last().unwrap().1 as usize;
    truth.put(&account, "early", b"the last version", &PutOptions::new());
    truth.delete(&account, "short");
    truth.put(&account, "own", &own[..used + 64], &PutOptions::new());
    truth.put(&account, "own records", &own[4096..used], &PutOptions::new());
    truth.put(&account, "foreign", foreign.file(&foreign.segments()[0]), &PutOptions::new());
    truth.put(&account, "after", b"and what comes then", &PutOptions::new());
    happen(&store, &mut truth, 1);
    assert_eq!(listed(&store, "as it was made"), truth.alive());
    store.close().unwrap();
    let image = Image::of(dir.path());
    let segment = image.segments()[0].clone();
    let all = records(image.file(&segment));
    let long = all.iter().filter(|(start, end)| end - start > 1000);
    let bodies: Vec<_> = long.map(|(start, end)| (*start as usize, *end as usize)).collect();
    assert_eq!(bodies.len(), 3);
    Nested { image, truth, segment, bodies }
}

#[test]
fn no_record_inside_a_body_ever_stands() {
    for account in ["0", "00", "000", "0000", "00000", "000000", "0000000", "00000000"] {
        let nested = nested(account);
        for catalog in [true, false] {
            for (start, _) in &nested.bodies {
                for at in (*start..start + 100).step_by(9) {
                    hit(&nested, account, catalog, &[at]);
                }
            }
            let all: Vec<usize> = nested.bodies.iter().map(|(start, _)| start + 20).collect();
            hit(&nested, account, catalog, &all);
        }
    }
}

fn hit(nested: &Nested, account: &str, catalog: bool, places: &[usize]) {
    let told = format!("bytes {places:?} flipped, account {account:?}, checkpoint there: {catalog}");
    let dir = scratch();
    let mut image = if catalog { nested.image.clone() } else { nested.image.without("catalog") };
    let mut bytes = image.file(&nested.segment).to_vec();
    places.iter().for_each(|place| bytes[*place] ^= 0x40);
    image.set(&nested.segment, bytes);
    image.put(dir.path());
    let store = roomy(dir.path());
    let before = store.stats().unwrap();
    for (key, answer) in nested.truth.ask(&store, &told) {
        let holds_a_body = ["own", "own records", "foreign"].contains(&key.1.as_str());
        assert!(
            answer == Answer::Right || (holds_a_body && answer == Answer::Corrupt),
            "{told}: {key:?} is {answer:?}"
        );
    }
    assert_eq!(listed(&store, &told), nested.truth.alive(), "{told}");
    assert!(store.account(account).unwrap().get("never").unwrap().is_none(), "{told}: a record of another store");
    assert_eq!(before.names, nested.truth.alive().len() as u64, "{told}");
    assert!(store.recount().unwrap().is_empty(), "{told}");
    let mut truth = nested.truth.clone();
    for name in ["own", "own records", "foreign"] {
        truth.heal(&store, &(account.to_owned(), name.to_owned()), &told);
    }
    truth.hold(&store, &format!("{told}, healed"));
    store.close().unwrap();
    truth.hold(&roomy(dir.path()), &format!("{told}, opened again"));
}

//! The end of a log that was torn: whatever the last group looks like after a power cut, the store opens,
//! everything before is there, the group is there as a whole or not at all, and later writes work.

#[path = "damage/scene.rs"]
mod scene;

use std::path::{Path, PathBuf};

use mediacask::{Durability, PutOptions, Store};
use scene::{Answer, Image, Key, Truth, content, happen, open, records, scratch};

/// A killed store whose last group nothing proves to be durable.
struct Torn {
    image: Image,
    segment: PathBuf,
    /// What must be there.
    before: Truth,
    /// What may be there, too.
    group: Vec<Key>,
    after: Truth,
    /// The bytes of the last group.
    from: usize,
    to: usize,
}

/// The last group is one batch, or several puts of which none was synced.
fn torn(batch: bool) -> Torn {
    let dir = scratch();
    let mut truth = Truth::default();
    let store = open(dir.path());
    happen(&store, &mut truth, 0);
    let before = truth.clone();
    let from = end_of(&Image::of(dir.path()));
    let account = store.account("5500001").unwrap();
    let options = PutOptions::new().durability(Durability::Os);
    let made = [("torn/0", content(20, 100)), ("torn/1", content(21, 70)), ("b.txt", content(22, 90))];
    if batch {
        let mut batch = account.batch();
        batch.durability(Durability::Os);
        for (name, bytes) in &made {
            batch.put(name, bytes.clone(), &PutOptions::new()).unwrap();
        }
        let outcomes = batch.commit().unwrap();
        for (outcome, (name, bytes)) in outcomes.into_iter().zip(made.clone()) {
            let mediacask::Outcome::Put(entry) = outcome else { panic!("a put is answered as one") };
            let version = scene::Version { bytes, content_type: None, generation: entry.generation };
            truth.note("5500001", name, Some(version));
        }
    } else {
        made.iter().for_each(|(name, bytes)| truth.put(&account, name, bytes, &options));
    }
    let image = Image::of(dir.path());
    let (segment, to) = (image.segments()[0].clone(), end_of(&image));
    let group = made.iter().map(|(name, _)| ("5500001".to_owned(), (*name).to_owned())).collect();
    Torn { image, segment, before, group, after: truth, from, to }
}

/// Where the records of the only segment end.
fn end_of(image: &Image) -> usize {
    records(image.file(&image.segments()[0])).last().map_or(4096, |(_, end)| *end as usize)
}

impl Torn {
    /// Opens it with its segment's file as it is given; says how many names of the group are there.
    fn survive(&self, dir: &Path, segment: &[u8], whole: bool, told: &str) -> usize {
        self.image.put(dir);
        scene::write(&dir.join(&self.segment), segment);
        let store = open(dir);
        let answers = self.after.ask(&store, told);
        let there = self.group.iter().filter(|key| answers[*key] == Answer::Right).count();
        if whole {
            assert!(there == 0 || there == self.group.len(), "{told}: half of a batch is there");
        } else {
            let first_lost = self.group.iter().position(|key| answers[key] != Answer::Right);
            assert_eq!(first_lost.unwrap_or(self.group.len()), there, "{told}: a later put without an earlier one");
        }
        let mut truth = if there == self.group.len() { self.after.clone() } else { self.before.clone() };
        for key in self.group.iter().take(there) {
            let version = self.after.current(key).cloned();
            truth.note(&key.0, &key.1, version);
        }
        truth.hold(&store, told);
        assert!(store.health().damage.is_empty(), "{told}: a torn tail is no damage: {:?}", store.health().damage);
        self.go_on(&store, &mut truth, told);
        store.close().unwrap_or_else(|e| panic!("{told}: {e}"));
        drop(store);
        truth.hold(&open(dir), &format!("{told}, opened again"));
        there
    }

    fn go_on(&self, store: &Store, truth: &mut Truth, told: &str) {
        let account = store.account("5500001").unwrap();
        truth.put(&account, "later", &content(30, 80), &PutOptions::new());
        truth.put(&account, &self.group[0].1, &content(31, 60), &PutOptions::new());
        truth.delete(&account, "a.png");
        truth.hold(store, &format!("{told}, gone on with"));
    }
}

/// Tears the last group in every way at every byte; gives how often all of it was there.
fn tear(batch: bool, how: impl Fn(&mut Vec<u8>, usize) + Sync) {
    let torn = torn(batch);
    let run = |parity: usize| {
        let dir = scratch();
        let mut whole = 0;
        for at in (torn.from..=torn.to).filter(|at| at % 2 == parity) {
            let mut bytes = torn.image.file(&torn.segment).to_vec();
            how(&mut bytes, at);
            let there = torn.survive(dir.path(), &bytes, batch, &format!("torn at {at} of {}..{}", torn.from, torn.to));
            whole += usize::from(there == torn.group.len());
        }
        whole
    };
    let whole = std::thread::scope(|scope| {
        let odd = scope.spawn(|| run(1));
        run(0) + odd.join().unwrap()
    });
    // Nothing is torn at the end; the padding of the last record may be torn as well.
    assert!((1..=8).contains(&whole), "the group was whole {whole} times");
}

#[test]
fn a_batch_cut_at_any_byte_is_there_or_not() {
    tear(true, Vec::truncate);
}

#[test]
fn a_batch_zeroed_from_any_byte_on_is_there_or_not() {
    tear(true, |bytes, at| bytes[at..].fill(0));
}

#[test]
fn a_batch_garbled_from_any_byte_on_is_there_or_not() {
    let garble = |bytes: &mut Vec<u8>, at: usize| {
        let end = bytes.len();
        let mut random = at as u64 + 1;
        for byte in &mut bytes[at..(at + 2000).min(end)] {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte ^= (random >> 56) as u8 | 1;
        }
    };
    tear(true, garble);
}

#[test]
fn unsynced_puts_cut_at_any_byte_are_there_in_order() {
    tear(false, Vec::truncate);
}

#[test]
fn unsynced_puts_zeroed_from_any_byte_on_are_there_in_order() {
    tear(false, |bytes, at| bytes[at..].fill(0));
}

#[test]
fn a_sector_that_did_not_make_it_ends_the_log_there() {
    for batch in [true, false] {
        let torn = torn(batch);
        let dir = scratch();
        for at in (torn.from..torn.to).step_by(8) {
            let mut bytes = torn.image.file(&torn.segment).to_vec();
            let (start, end) = (at.max(torn.from), (at + 512).min(torn.to));
            bytes[start..end].fill(0);
            torn.survive(dir.path(), &bytes, batch, &format!("zeros at {start}..{end}"));
        }
    }
}

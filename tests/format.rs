//! Stores of earlier versions of the format open for ever.
//!
//! `tests/fixtures/v1` is a store that the first version wrote, byte for byte, without what is derived or
//! of a process alone (`LOCK`, `index/`): see `story`, which is how it was made. It is never made again as
//! long as version 1 is read; to look at one that today's code writes, run
//! `MEDIACASK_WRITE_FIXTURE=/some/directory cargo test --test format`.

#[path = "damage/scene.rs"]
mod scene;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::{DeleteOptions, Digest, Entry, ListOptions, Policy, PutOptions, Store, UpdateOptions};
use scene::{Image, content, open, scratch};

/// When the store was written, on its own clock.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// Until when what has a time to live lives: the year 2105.
fn far() -> SystemTime {
    UNIX_EPOCH + Duration::from_mins(71_500_000)
}

fn policy() -> Policy {
    Policy {
        default_ttl: Some(Duration::from_hours(48)),
        longest_ttl: Some(Duration::from_hours(24 * 365)),
        largest_blob: Some(3_932_160),
        quota_count: Some(500),
        ..Policy::default()
    }
}

/// What was done to it, in two sessions of which the first was killed: so one segment is sealed, one is not.
fn story(dir: &Path) {
    let store = open(dir);
    let media = store.account("5500001").unwrap();
    let options = PutOptions::new()
        .content_type("image/png")
        .cache_control("max-age=3600")
        .content_disposition("inline; filename=\"logo.png\"")
        .metadata("campaign", "spring")
        .metadata("ключ", "значение");
    media.put("img/logo.png", content(1, 700), &options).unwrap();
    media.put("img/same.png", content(1, 700), &PutOptions::new()).unwrap();
    media.put("note.txt", "an early version", &PutOptions::new()).unwrap();
    media.put("gone", "deleted later", &PutOptions::new()).unwrap();
    media.put("empty", "", &PutOptions::new().expires_at(far())).unwrap();
    let killed = Image::of(dir);
    drop((media, store));
    killed.put(dir);

    let store = open(dir);
    let media = store.account("5500001").unwrap();
    media.put("note.txt", "the last version", &PutOptions::new().content_type("text/plain")).unwrap();
    media.delete("gone", &DeleteOptions::new()).unwrap();
    media.put("large.bin", content(2, 70_000), &PutOptions::new()).unwrap();
    media.copy("img/logo.png", "copy.png", &PutOptions::new()).unwrap();
    media.update("img/same.png", &UpdateOptions::new().content_type(Some("image/x-png".into()))).unwrap();
    let mut batch = media.batch();
    for n in 0..10 {
        batch.put(&format!("msg/{n}"), format!("part {n}"), &PutOptions::new()).unwrap();
    }
    batch.delete("msg/9", &DeleteOptions::new()).unwrap();
    batch.commit().unwrap();
    let other = store.account("Konto/../€").unwrap();
    other.put("nom\n", "bytes", &PutOptions::new().expires_at(far())).unwrap();
    other.set_policy(&policy()).unwrap();
    store.close().unwrap();
}

/// An entry of the story, without its generation.
fn told(entry: &Entry) -> (String, Digest, u64, Option<SystemTime>, SystemTime) {
    (entry.name.clone(), entry.digest, entry.size, entry.expires_at, entry.created_at)
}

fn compare(store: &Store) {
    let health = store.health();
    assert!(health.damage.is_empty(), "{:?}", health.damage);
    let media = store.account("5500001").unwrap();
    let mut expected: Vec<(String, Vec<u8>, Option<SystemTime>)> = vec![
        ("copy.png".into(), content(1, 700), None),
        ("empty".into(), Vec::new(), Some(far())),
        ("img/logo.png".into(), content(1, 700), None),
        ("img/same.png".into(), content(1, 700), None),
        ("large.bin".into(), content(2, 70_000), None),
    ];
    expected.extend((0..9).map(|n| (format!("msg/{n}"), format!("part {n}").into_bytes(), None)));
    expected.push(("note.txt".into(), b"the last version".to_vec(), None));
    let listed: Vec<Entry> = media.entries(ListOptions::new()).map(Result::unwrap).collect();
    let facts: Vec<_> = listed.iter().map(told).collect();
    let wanted: Vec<_> = expected
        .iter()
        .map(|(name, bytes, expires)| (name.clone(), Digest::of(bytes), bytes.len() as u64, *expires, then()))
        .collect();
    assert_eq!(facts, wanted);
    for (name, bytes, _) in &expected {
        let blob = media.get(name).unwrap().unwrap_or_else(|| panic!("{name} is absent"));
        assert_eq!(&blob[..], &bytes[..], "{name}");
    }
    assert!(media.get("gone").unwrap().is_none());

    let logo = media.head("img/logo.png").unwrap().unwrap();
    let copy = media.head("copy.png").unwrap().unwrap();
    for entry in [&logo, &copy] {
        assert_eq!(entry.content_type.as_deref(), Some("image/png"));
        assert_eq!(entry.cache_control.as_deref(), Some("max-age=3600"));
        assert_eq!(entry.content_disposition.as_deref(), Some("inline; filename=\"logo.png\""));
        assert_eq!(entry.metadata.len(), 2);
        assert_eq!(entry.metadata["ключ"], "значение");
    }
    assert_eq!(media.head("img/same.png").unwrap().unwrap().content_type.as_deref(), Some("image/x-png"));
    assert_eq!(media.head("note.txt").unwrap().unwrap().content_type.as_deref(), Some("text/plain"));

    let other = store.account("Konto/../€").unwrap();
    assert_eq!(&other.get("nom\n").unwrap().unwrap()[..], b"bytes");
    assert_eq!(other.policy().unwrap(), policy());
    assert_eq!(store.accounts().unwrap().len(), 2);
    assert!(store.recount().unwrap().is_empty());
    assert_eq!(store.stats().unwrap().blob_files, 1);
}

#[test]
fn a_store_of_version_1_opens_for_ever() {
    let fixture = Image::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1"));
    assert!(fixture.segments().len() == 2 && fixture.0.contains_key(Path::new("catalog")));
    for (image, told) in [(fixture.clone(), "as it is"), (fixture.without("catalog"), "without the checkpoint")] {
        let dir = scratch();
        with_empty_directories(image).put(dir.path());
        let store = open(dir.path());
        assert!(store.health().recovery.clean || told != "as it is");
        compare(&store);
        // And it is a store like any other.
        let media = store.account("5500001").unwrap();
        let generation = media.head("note.txt").unwrap().unwrap().generation;
        let entry = media.put("new", "by today's code", &PutOptions::new()).unwrap();
        assert!(entry.generation > generation, "{told}");
        media.delete("new", &DeleteOptions::new()).unwrap();
        store.close().unwrap();
        drop((media, store));
        compare(&open(dir.path()));
    }
}

/// A version control system keeps no empty directories.
fn with_empty_directories(mut image: Image) -> Image {
    for name in ["segments", "files", "staging"] {
        image.0.entry(name.into()).or_insert(None);
    }
    image
}

#[test]
fn what_is_written_today_reads_like_the_fixture() {
    let dir = scratch();
    story(dir.path());
    let mut image = Image::of(dir.path()).without("LOCK").without("index");
    image.0.retain(|path, _| path.extension().is_none_or(|extension| extension != "spare"));
    image.put(dir.path());
    compare(&open(dir.path()));
    if let Some(target) = std::env::var_os("MEDIACASK_WRITE_FIXTURE") {
        image.put(Path::new(&target));
    }
}

//! The README's quick start of the library, to the letter, and behind it a way in for the test.

use std::time::Duration;

use mediacask::{ListOptions, PutOptions, Store};

fn main() -> mediacask::Result<()> {
    let store = Store::open("media.cask")?;
    let media = store.account("5500001")?;

    // Durable when it returns.
    let options = PutOptions::new().content_type("image/png").ttl(Duration::from_hours(48));
    let entry = media.put("img/logo.png", b"\x89PNG...", &options)?;
    println!("{} has {} bytes, digest {}", entry.name, entry.size, entry.digest);

    // No copy is made: the blob is the store's own memory map, and stays valid whatever happens to the name.
    let blob = media.get("img/logo.png")?.expect("it was just put");
    media.put("img/logo.png", b"another version", &options)?;
    assert_eq!(&blob[..], b"\x89PNG...");

    // Absence is an answer, not an error.
    assert!(media.get("img/absent.png")?.is_none());

    for entry in media.entries(ListOptions::new().prefix("img/")) {
        println!("{}", entry?.name);
    }
    store.close()
}

/// Runs it in the directory of this process.
pub(crate) fn run() -> mediacask::Result<()> {
    main()
}

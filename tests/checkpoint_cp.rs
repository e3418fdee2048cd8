//! A checkpoint, or a closed store, that `cp` brought elsewhere, also by links: it opens there, and what happens to
//! the one does not happen to the other.

#[path = "damage/scene.rs"]
mod scene;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use mediacask::{PutOptions, Store, StoreOptions};
use scene::{Image, PARTS, Truth, content, happen, open, options, scratch};

/// Guards the process against its own children: one that is being made holds the locks of the stores that are open
/// until it is another program.
static ALONE: Mutex<()> = Mutex::new(());

fn cp(flag: &str, from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(flag).args([from, to]).status().unwrap().success(), "cp {flag}");
}

/// A store with some of everything and several sealed segments, open, and what it must answer.
fn store_at(dir: &Path) -> (Store, Truth) {
    store_on(options(), dir)
}

fn store_on(options: StoreOptions, dir: &Path) -> (Store, Truth) {
    let store = options.open(dir).unwrap();
    let mut truth = Truth::default();
    for part in 0..PARTS {
        happen(&store, &mut truth, part);
        fill(&store, &mut truth, part, 30);
    }
    (store, truth)
}

/// Small and large contents: with 30 of them, a segment is sealed.
fn fill(store: &Store, truth: &mut Truth, round: usize, count: u8) {
    let account = store.account("fill").unwrap();
    for n in 0..count {
        truth.put(&account, &format!("{round}/{n}"), &content(n, 3000 + round), &PutOptions::new());
    }
    truth.put(&account, &format!("{round}/large"), &content(round as u8, 9000), &PutOptions::new());
}

/// Takes everything down and puts as much again, so that every segment that may be written again is.
fn churn(store: &Store, mut truth: Truth) {
    for (account, name) in truth.alive() {
        truth.delete(&store.account(&account).unwrap(), &name);
    }
    for round in 20..24 {
        fill(store, &mut truth, round, 60);
        store.checkpoint_catalog().unwrap();
        store.sweep().unwrap();
    }
    truth.hold(store, "emptied and filled again");
}

#[test]
fn a_checkpoint_that_cp_brought_elsewhere_opens_there() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, truth) = store_at(&source);
    store.checkpoint(&copy).unwrap();
    for flag in ["-a", "-r", "-al"] {
        let dest = dir.path().join(format!("cp{flag}"));
        cp(flag, &copy, &dest);
        let restored = open(&dest);
        truth.hold(&restored, flag);
        churn(&restored, truth.clone());
        restored.close().unwrap();
    }
    truth.hold(&open(&copy), "the checkpoint after its copies were emptied");
}

#[test]
fn a_closed_store_that_was_copied_by_links_shares_nothing_that_is_written() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = scratch();
    let (source, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let (store, truth) = store_at(&source);
    store.close().unwrap();
    let untouched = Image::of(&source).without("LOCK").without("index");
    cp("-al", &source, &copy);
    // sled writes in place, and is derived.
    fs::remove_dir_all(copy.join("index")).unwrap();
    let copied = open(&copy);
    truth.hold(&copied, "the copy");
    churn(&copied, truth.clone());
    copied.close().unwrap();
    assert_eq!(Image::of(&source).without("LOCK").without("index"), untouched);
    let store = open(&source);
    truth.hold(&store, "the store");
    assert!(store.health().damage.is_empty());
}

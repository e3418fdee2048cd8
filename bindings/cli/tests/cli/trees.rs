//! import and export: directory trees in and out, whatever the names are.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use mediacask::{PutOptions, Store};
use serde_json::json;

use crate::bench::{Bench, files_below};

#[test]
fn import_takes_a_tree_in_under_the_paths_of_its_files() {
    let bench = Bench::new();
    bench.file("tree/logo.png", "picture");
    bench.file("tree/msg/1/a b.txt", "text");
    bench.file("tree/msg/ü", "");
    let tally = bench.run(&["import", "a", "tree", "--prefix", "in/", "--ttl", "2w", "--json"]).ok().object();
    assert_eq!(tally, json!({ "files": 3, "bytes": 11, "skipped": 0, "expired": 0, "failed": 0 }));
    let listed = bench.run(&["ls", "a", "--json"]).ok();
    assert_eq!(listed.texts("name"), ["in/logo.png", "in/msg/1/a b.txt", "in/msg/ü"]);
    assert_eq!(listed.texts("content_type"), ["image/png", "text/plain", "application/octet-stream"]);
    assert_eq!(listed.texts("expires_at").len(), 3);
    assert_eq!(bench.content("in/msg/1/a b.txt"), b"text");
}

#[test]
fn import_follows_no_link_and_leaves_special_files_out() {
    let bench = Bench::new();
    bench.file("outside/secret", "secret");
    bench.file("tree/plain", "plain");
    symlink("../outside", bench.path("tree/folder")).unwrap();
    symlink("../outside/secret", bench.path("tree/link")).unwrap();
    symlink(".", bench.path("tree/loop")).unwrap();
    let _socket = UnixListener::bind(bench.path("tree/socket")).unwrap();
    let tally = bench.run(&["import", "a", "tree", "--json"]).ok().object();
    assert_eq!((&tally["files"], &tally["skipped"]), (&json!(1), &json!(4)));
    assert_eq!(bench.run(&["ls", "a", "--json"]).ok().texts("name"), ["plain"]);
}

#[test]
fn import_of_the_directory_around_the_store_leaves_the_store_out() {
    let bench = Bench::new();
    bench.file("plain", "plain");
    bench.run(&["import", "a", "."]).ok();
    assert_eq!(bench.run(&["ls", "a", "--json"]).ok().texts("name"), ["plain"]);
}

#[test]
fn import_tells_the_files_it_cannot_take_and_goes_on() {
    let bench = Bench::new();
    bench.file("tree/plain", "plain");
    let latin1 = bench.path("tree").join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(latin1, "x").unwrap();
    let deep = format!("tree/{}", vec!["x".repeat(200); 6].join("/"));
    bench.file(&deep, "its path is longer than a name may be");
    let run = bench.run(&["import", "a", "tree", "--json"]).exits(1).says("UTF-8").says("at most 1024");
    assert_eq!(run.object()["failed"], 2);
    assert_eq!(bench.run(&["ls", "a", "--json"]).ok().texts("name"), ["plain"]);
}

#[test]
fn a_plain_tree_comes_back_as_it_went_in() {
    let bench = Bench::new();
    for number in 0..40 {
        bench.file(&format!("tree/{}/{number}.txt", number % 7), format!("content {number}"));
    }
    bench.run(&["import", "a", "tree"]).ok();
    let text = bench.run(&["export", "a", "deep/out"]).ok().text();
    assert!(text.starts_with("exported 40 names, "), "{text}");
    fs::remove_file(bench.path("deep/out/mediacask-manifest.jsonl")).unwrap();
    assert_eq!(files_below(&bench.path("deep/out")), files_below(&bench.path("tree")));
}

/// Names that are plain characters to a store and traps to a file system.
fn hostile_names() -> Vec<String> {
    let plain = [
        "..",
        ".",
        "../up",
        "../../../../tmp/up",
        "/etc/passwd",
        "/",
        "//",
        "a//b",
        "a/",
        "a/./b",
        "a/../b",
        "t",
        "t/a",
        "t/a/b",
        "T",
        "T/A",
        "t%~",
        "t%7E",
        "%2E%2E",
        "%2e%2e/x",
        "%00",
        "%",
        "new\nline",
        "\u{1b}[2J",
        "tab\there",
        "\u{202e}txt.exe",
        "back\\slash",
        "c:\\x",
        "-rf",
        "~",
        "~root",
        "$HOME",
        "*",
        " ",
        " lead",
        "trail ",
        "trail.",
        "con",
        "é",
        "e\u{301}",
        "\u{1f600}",
        "\u{10ffff}",
        "\u{feff}bom",
        "mediacask-manifest.jsonl",
        "Mediacask-Manifest.jsonl",
        "mediacask-manifest.jsonl/x",
        "a\u{85}b",
    ];
    let mut names: Vec<String> = plain.map(str::to_owned).into();
    names.push("/".repeat(1024));
    names.push("../".repeat(341));
    names.push("x".repeat(255));
    names.push("x".repeat(256));
    names.push("x".repeat(1024));
    names.push("é".repeat(512));
    names.push("\n".repeat(1024));
    names.push(vec!["d"; 512].join("/"));
    // What would be the place of a name that has none of its own.
    names.push(format!("%~{}", mediacask::Digest::of("x".repeat(256).as_bytes())));
    names
}

#[test]
fn hostile_names_stay_inside_the_directory_and_come_back_exactly() {
    let bench = Bench::new();
    let names = hostile_names();
    let store = Store::open(bench.store()).unwrap();
    for name in &names {
        let options = PutOptions::new().content_type("x/own").cache_control("no-store").metadata("of", name);
        store.account("a").unwrap().put(name, name, &options).unwrap();
    }
    store.close().unwrap();
    let beside = beside_the_store(&bench);

    let tally = bench.run(&["export", "a", "jail/out", "--json"]).ok().object();
    assert_eq!(tally["names"], names.len());
    let mut now_beside = beside.clone();
    now_beside.insert("jail".into());
    assert_eq!(beside_the_store(&bench), now_beside);
    assert_eq!(fs::read_dir(bench.path("jail")).unwrap().count(), 1);
    // A name that is a folder, too, stays beside what is below it.
    for (path, name) in [("t%~", "t"), ("t/a%~", "t/a"), ("t/a/b", "t/a/b")] {
        let content = fs::read(bench.path("jail/out").join(path)).unwrap();
        assert_eq!(content, name.as_bytes());
    }
    let files = files_below(&bench.path("jail/out"));
    assert_eq!(files.len(), names.len() + 1);
    // Each file holds its name: the manifest must say the same.
    let manifest = fs::read_to_string(bench.path("jail/out/mediacask-manifest.jsonl")).unwrap();
    for line in manifest.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let content = fs::read(bench.path("jail/out").join(line["path"].as_str().unwrap())).unwrap();
        assert_eq!(content, line["name"].as_str().unwrap().as_bytes());
    }

    bench.run(&["import", "b", "jail/out"]).ok();
    let facts = |account: &str| {
        let listed = bench.run(&["ls", account, "--all", "--json"]).ok().objects();
        let facts = ["name", "digest", "size", "content_type", "cache_control", "metadata"];
        listed.iter().map(|entry| facts.map(|fact| entry[fact].clone())).collect::<Vec<_>>()
    };
    assert_eq!(facts("a").len(), names.len());
    assert_eq!(facts("a"), facts("b"));
}

fn beside_the_store(bench: &Bench) -> BTreeSet<String> {
    let children = fs::read_dir(bench.path(".")).unwrap();
    children.map(|child| child.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_manifest_keeps_the_end_of_a_lifetime() {
    let bench = Bench::new();
    bench.run_with(b"x", &["put", "a", "n", "-", "--expires-at", "2100-01-01T00:00:00Z"]).ok();
    bench.put("gone", b"y");
    bench.run(&["export", "a", "out"]).ok();
    // As if the export had lain about until the end of one of its names.
    let path = bench.path("out/mediacask-manifest.jsonl");
    let manifest = fs::read_to_string(&path).unwrap();
    let past = manifest.replace("\"expires_at\":null", "\"expires_at\":\"2001-01-01T00:00:00.000Z\"");
    assert_ne!(past, manifest);
    fs::write(&path, past).unwrap();
    let tally = bench.run(&["import", "b", "out", "--json"]).ok().object();
    assert_eq!((&tally["files"], &tally["expired"]), (&json!(1), &json!(1)));
    let back = bench.run(&["ls", "b", "--json"]).ok();
    assert_eq!(back.texts("expires_at"), ["2100-01-01T00:00:00.000Z"]);
}

#[test]
fn a_manifest_that_is_none_is_named_with_its_line() {
    let bench = Bench::new();
    bench.file("tree/mediacask-manifest.jsonl", "{}\n");
    bench.run(&["import", "a", "tree"]).exits(1).says("line 1 of tree/mediacask-manifest.jsonl");
}

#[test]
fn export_overwrites_nothing_and_follows_no_link_that_is_there() {
    let bench = Bench::new();
    bench.put("link/n", b"x");
    bench.file("full/n", "mine");
    bench.run(&["export", "a", "full"]).exits(1).says("not empty");
    assert_eq!(fs::read(bench.path("full/n")).unwrap(), b"mine");
    fs::create_dir_all(bench.path("linked")).unwrap();
    fs::create_dir_all(bench.path("outside")).unwrap();
    symlink("../outside", bench.path("linked/link")).unwrap();
    bench.run(&["export", "a", "linked"]).exits(1).says("not empty");
    assert_eq!(fs::read_dir(bench.path("outside")).unwrap().count(), 0);
    bench.run(&["export", "a", "media.cask/out"]).exits(2).says("within the store");
    assert!(!bench.path("media.cask/out").exists());
}

#[test]
fn export_can_be_narrowed_by_a_prefix() {
    let bench = Bench::new();
    for name in ["m/1", "m/2", "n"] {
        bench.put(name, b"x");
    }
    let tally = bench.run(&["export", "a", "out", "--prefix", "m/", "--json"]).ok().object();
    assert_eq!((&tally["names"], &tally["mapped"]), (&json!(2), &json!(0)));
    assert!(bench.path("out/m/2").is_file() && !bench.path("out/n").exists());
}

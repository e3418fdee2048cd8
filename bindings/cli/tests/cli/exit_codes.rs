//! The exit codes that scripts rely on, and the sentences that go with them.

use std::fs;
use std::path::{Path, PathBuf};

use mediacask::Store;

use crate::bench::Bench;

#[test]
fn what_makes_no_sense_exits_2_and_says_what_would() {
    let bench = Bench::new();
    bench.put("n", b"hello");
    let long = "x".repeat(1025);
    let wrong: &[(&[&str], &str)] = &[
        (&["nonsense"], "nonsense"),
        (&["put", "a", "n"], "FILE"),
        (&["put", "a", "n", "-", "--ttl", "soon"], "48h"),
        (&["put", "a", "n", "-", "--expires-at", "tomorrow"], "2030-01-31T12:00:00Z"),
        (&["put", "a", "n", "-", "--expires-at", "2001-01-01T00:00:00Z"], "past"),
        (&["put", "a", "n", "-", "--ttl", "1h", "--expires-at", "2030-01-31T12:00:00Z"], "--ttl"),
        (&["put", "a", "n", "-", "--meta", "k"], "KEY=VALUE"),
        (&["put", "a", "n", "-", "--if-match", "12"], "64 hex digits"),
        (&["put", "a", "", "-"], "empty name"),
        (&["put", "a", &long, "-"], "1025 bytes"),
        (&["put", "", "n", "-"], "empty account"),
        (&["get", "a", "n", "--range", "4-2"], "A-B"),
        (&["get", "a", "n", "--json"], "-o FILE"),
        (&["ls", "a", "--limit", "0"], "whole number"),
        (&["ls", "a", "--all", "--limit", "5"], "--limit"),
        (&["ls", "a", "--token", "x"], "token"),
        (&["rm", "a"], "NAMES"),
        (&["rm", "a", "--prefix", "m/"], "--yes"),
        (&["rm", "a", "n", "--prefix", "m/", "--yes"], "--prefix"),
        (&["verify", "--rate", "0"], "--rate"),
        (&["verify", "--for", "soon"], "30m"),
        (&["verify", "--resume", "1-2-3-4"], "begin anew"),
        (&["completions", "abacus"], "bash"),
    ];
    for (arguments, hint) in wrong {
        bench.run(arguments).exits(2).says(hint);
    }
    assert_eq!(bench.content("n"), b"hello");
}

#[test]
fn without_a_store_named_it_says_how_to_name_one() {
    let bench = Bench::new();
    let output = bench.tool().args(["ls", "a"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--store DIR") && message.contains("MEDIACASK_STORE"), "{message}");
}

#[test]
fn without_a_command_it_shows_the_help_and_exits_2() {
    let bench = Bench::new();
    let none = bench.run(&[]).exits(2).says("no command").says("rebuild-index").says("Exit codes");
    assert!(!none.stderr.contains("demo-writer"), "{}", none.stderr);
    bench.run(&["help"]).ok();
    bench.run(&["--help"]).ok();
}

#[test]
fn only_put_and_import_make_a_store() {
    let bench = Bench::new();
    let reading: &[&[&str]] = &[
        &["get", "a", "n"],
        &["head", "a", "n"],
        &["ls", "a"],
        &["rm", "a", "n"],
        &["cp", "a", "n", "m"],
        &["accounts"],
        &["stat"],
        &["sweep"],
        &["compact"],
        &["verify"],
        &["rebuild-index"],
        &["dump"],
        &["export", "a", "out"],
    ];
    for arguments in reading {
        bench.run(arguments).exits(1).says("media.cask: No such file").says("check the path");
        assert!(!bench.store().exists(), "{arguments:?}");
    }
    bench.run(&["put", "a", "n", "no-such-file"]).exits(1).says("no-such-file");
    bench.run(&["import", "a", "no-such-directory"]).exits(1).says("no-such-directory");
    assert!(!bench.store().exists());
}

#[test]
fn what_is_not_there_exits_3_and_is_named() {
    let bench = Bench::new();
    bench.put("n", b"x");
    for arguments in [&["get", "a", "absent"][..], &["head", "a", "absent"], &["head", "b", "absent"]] {
        bench.run(arguments).exits(3).says("`absent`");
    }
    bench.run(&["get", "a", "absent", "--range", "-3"]).exits(3);
}

#[test]
fn a_condition_that_does_not_hold_exits_6_and_changes_nothing() {
    let bench = Bench::new();
    bench.put("n", b"hello");
    let head = bench.run(&["head", "a", "n", "--json"]).ok();
    let (other, own) = ("0".repeat(64), head.texts("digest").remove(0));
    bench.run_with(b"x", &["put", "a", "n", "-", "--if-absent"]).exits(6);
    bench.run_with(b"x", &["put", "a", "n", "-", "--if-match", &other]).exits(6);
    bench.run(&["rm", "a", "n", "--if-match", &other]).exits(6);
    assert_eq!(bench.run(&["head", "a", "n", "--json"]).ok().stdout, head.stdout);
    bench.run_with(b"x", &["put", "a", "n", "-", "--if-match", &own]).ok();
    bench.run_with(b"x", &["put", "a", "m", "-", "--if-absent"]).ok();
    bench.run(&["rm", "a", "m", "--if-match", &bench.run(&["head", "a", "m", "--json"]).texts("digest")[0]]).ok();
}

#[test]
fn a_store_that_is_held_exits_5_and_names_the_holder() {
    let bench = Bench::new();
    bench.put("n", b"x");
    let held = Store::open(bench.store()).expect("it is free");
    let pid = std::process::id().to_string();
    for arguments in [&["get", "a", "n"][..], &["ls", "a"], &["stat"], &["import", "a", "."]] {
        bench.run(arguments).exits(5).says(&pid);
    }
    held.close().expect("it closes");
    bench.run(&["get", "a", "n"]).ok();
}

#[test]
fn a_flipped_byte_exits_4_and_leaves_nothing_half_written() {
    let bench = Bench::new();
    let content: Vec<u8> = (0..60_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    bench.put("n", &content);
    bench.put("whole", b"untouched");
    flip(&bench.store().join("segments"), &content[120_000..120_016]);
    bench.run(&["get", "a", "n", "-o", "out"]).exits(4).says(".seg");
    assert!(!bench.path("out").exists());
    let piped = bench.run(&["get", "a", "n"]).exits(4);
    assert!(piped.stdout.is_empty());
    assert_eq!(bench.content("whole"), b"untouched");
    bench.run(&["export", "a", "exported"]).exits(4).says("`n`");
    assert_eq!(fs::read(bench.path("exported/whole")).unwrap(), b"untouched");
    assert!(!bench.path("exported/n").exists());
    // The way out that the message names: the same bytes again.
    bench.put("n", &content);
    assert!(bench.content("n") == content);
}

#[test]
fn damage_that_verify_finds_exits_4_until_it_is_repaired() {
    let bench = Bench::new();
    let content: Vec<u8> = (0..30_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    bench.put("n", &content);
    bench.put("whole", b"untouched");
    let sound = bench.run(&["verify", "--json"]).ok().object();
    assert_eq!((&sound["damaged"], &sound["damage_stands"]), (&0.into(), &false.into()));
    flip(&bench.store().join("segments"), &content[60_000..60_016]);
    let damaged = &bench.run(&["verify", "--json"]).exits(4).objects()[0]["damaged"];
    assert_eq!(damaged["names"][0]["name"], "n");
    assert!(damaged["path"].as_str().unwrap().contains(".seg"), "{damaged}");
    assert!(damaged["remedy"].as_str().unwrap().starts_with("repair would"), "{damaged}");
    assert!(!bench.store().join("quarantine").exists());
    let text = bench.run(&["verify"]).exits(4).text();
    assert!(text.contains("a  n") && text.contains("repair would"), "{text}");

    // A part of it that is stopped says where to go on.
    let stopped = bench.run(&["verify", "--rate", "1", "--for", "1ms", "--json"]).objects().pop().unwrap();
    let resume = stopped["resume"].as_str().unwrap().to_owned();
    let rest = bench.run(&["verify", "--resume", &resume, "--json"]).exits(4).objects().pop().unwrap();
    assert!(rest["resume"].is_null() && rest["damage_stands"] == true, "{rest}");

    bench.run(&["verify", "--repair"]).ok();
    assert!(bench.store().join("quarantine").is_dir());
    bench.run(&["verify"]).ok();
    bench.run(&["get", "a", "n"]).exits(3);
    assert_eq!(bench.content("whole"), b"untouched");
}

/// Flips a bit where `bytes` stand in a file of `dir`.
fn flip(dir: &Path, bytes: &[u8]) {
    let files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|child| child.unwrap().path()).collect();
    for file in files {
        let mut content = fs::read(&file).unwrap();
        if let Some(place) = content.windows(bytes.len()).position(|window| window == bytes) {
            content[place] ^= 1;
            fs::write(&file, content).unwrap();
            return;
        }
    }
    panic!("the bytes are in no file of {}", dir.display());
}

//! put, get, head, rm, cp, accounts, stat, sweep, compact, checkpoint, restore, rebuild-index, dump, completions.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use mediacask::Digest;
use serde_json::json;

use crate::bench::Bench;

#[test]
fn what_is_put_from_a_file_or_from_standard_input_is_what_get_gives() {
    let bench = Bench::new();
    let content: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    bench.file("clip.mp4", &content);
    bench.run(&["put", "a", "clip", "clip.mp4"]).ok();
    bench.put("piped", &content);
    bench.put("empty", b"");
    assert!(bench.content("clip") == content && bench.content("piped") == content);
    assert!(bench.content("empty").is_empty());
}

#[test]
fn every_fact_that_put_takes_comes_back_from_head() {
    let bench = Bench::new();
    let options = [
        "--json",
        "put",
        "a",
        "x/ü.bin",
        "-",
        "--content-type",
        "image/x-own",
        "--cache-control",
        "max-age=60",
        "--disposition",
        "inline",
        "--meta",
        "k=v=w",
        "--meta",
        "ü=",
        "--expires-at",
        "2100-01-31T12:00:00.5+02:00",
    ];
    let put = bench.run_with(b"hello", &options).ok().object();
    let head = bench.run(&["head", "a", "x/ü.bin", "--json"]).ok().object();
    assert_eq!(put, head);
    let fields: Vec<&String> = head.as_object().expect("an object").keys().collect();
    let mut wanted = [
        "name",
        "digest",
        "size",
        "content_type",
        "cache_control",
        "content_disposition",
        "metadata",
        "created_at",
        "updated_at",
        "expires_at",
        "generation",
    ];
    wanted.sort_unstable();
    assert_eq!(fields, wanted);
    assert_eq!(head["name"], "x/ü.bin");
    assert_eq!(head["digest"], Digest::of(b"hello").to_string());
    assert_eq!(head["size"], 5);
    assert_eq!(head["content_type"], "image/x-own");
    assert_eq!(head["cache_control"], "max-age=60");
    assert_eq!(head["content_disposition"], "inline");
    assert_eq!(head["metadata"], json!({ "k": "v=w", "ü": "" }));
    assert_eq!(head["expires_at"], "2100-01-31T10:00:00.500Z");
    let created = head["created_at"].as_str().expect("a time");
    assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
}

#[test]
fn the_content_type_is_guessed_from_the_name_then_from_the_file() {
    let bench = Bench::new();
    bench.file("upload.gif", "x");
    for (name, wanted) in [("logo.png", "image/png"), ("logo", "image/gif")] {
        let put = bench.run(&["put", "a", name, "upload.gif", "--json"]).ok().object();
        assert_eq!(put["content_type"], wanted);
    }
    let put = bench.run_with(b"x", &["put", "a", "logo", "-", "--json"]).ok().object();
    assert_eq!(put["content_type"], "application/octet-stream");
}

#[test]
fn a_time_to_live_ends_that_long_after_the_put() {
    let bench = Bench::new();
    let put = bench.run_with(b"x", &["put", "a", "n", "-", "--ttl", "48h", "--json"]).ok().object();
    let time = |field: &str| -> jiff::Timestamp { put[field].as_str().unwrap().parse().unwrap() };
    assert_eq!(time("expires_at").duration_since(time("updated_at")).as_secs(), 48 * 3600);
}

#[test]
fn the_store_may_be_named_by_the_environment() {
    let bench = Bench::new();
    bench.put("n", b"hello");
    let output = bench.tool().env("MEDIACASK_STORE", bench.store()).args(["get", "a", "n"]).output();
    assert_eq!(output.expect("the tool runs").stdout, b"hello");
}

#[test]
fn ranges_are_inclusive_open_or_from_the_end() {
    let bench = Bench::new();
    bench.put("n", b"0123456789");
    bench.put("empty", b"");
    let part = |range: &str| bench.run(&["get", "a", "n", "--range", range]).ok().text();
    assert_eq!(part("2-4"), "234");
    assert_eq!(part("0-0"), "0");
    assert_eq!(part("7-"), "789");
    assert_eq!(part("-3"), "789");
    assert_eq!(part("-99"), "0123456789");
    assert_eq!(part("8-18446744073709551615"), "89");
    bench.run(&["get", "a", "n", "--range", "10-"]).exits(2).says("the content has 10");
    assert!(bench.run(&["get", "a", "empty", "--range", "-3"]).ok().stdout.is_empty());
}

#[test]
fn get_replaces_a_file_whole_and_keeps_its_permissions_and_links() {
    let bench = Bench::new();
    bench.put("n", b"new");
    let old = bench.file("old", "old and longer");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("old", bench.path("link")).unwrap();
    // A second name of the file that is there: writing into that file would show in it.
    fs::hard_link(&old, bench.path("old file")).unwrap();
    bench.run(&["get", "a", "n", "-o", "link"]).ok();
    assert_eq!(fs::read(bench.path("old file")).unwrap(), b"old and longer");
    assert_eq!(fs::read(&old).unwrap(), b"new");
    assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(bench.path("link")).unwrap().is_symlink());
    let shown = bench.run(&["get", "a", "n", "-o", "fresh", "--json"]).ok().object();
    assert_eq!(shown["size"], 3);
    assert_eq!(fs::read(bench.path("fresh")).unwrap(), b"new");
}

#[test]
fn get_writes_into_a_device_and_does_not_replace_it() {
    let bench = Bench::new();
    bench.put("n", b"new");
    symlink("/dev/null", bench.path("sink")).unwrap();
    bench.run(&["get", "a", "n", "-o", "sink"]).ok();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_get_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it() {
    let bench = Bench::new();
    bench.put("n", b"new");
    fs::create_dir(bench.path("out")).unwrap();
    bench.file("out/kept", "kept");
    bench.run(&["get", "a", "absent", "-o", "out/kept"]).exits(3);
    bench.run(&["get", "a", "n", "-o", "out"]).exits(1).says("out");
    assert_eq!(fs::read(bench.path("out/kept")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 1);
}

#[test]
fn rm_takes_several_names_or_a_prefix() {
    let bench = Bench::new();
    for name in ["m/1", "m/2", "m/3", "n"] {
        bench.put(name, b"x");
    }
    bench.run(&["rm", "a", "m/1", "n"]).ok();
    let removed = bench.run(&["rm", "a", "--prefix", "m/", "--yes", "--json"]).ok().object();
    assert_eq!(removed, json!({ "prefix": "m/", "deleted": 2 }));
    assert!(bench.run(&["ls", "a"]).ok().stdout.is_empty());
    let removed = bench.run(&["rm", "a", "--prefix", "m/", "--yes"]).ok().text();
    assert_eq!(removed, "removed 0 names under `m/`\n");
}

#[test]
fn rm_of_an_absent_name_removes_the_others_and_exits_3() {
    let bench = Bench::new();
    bench.put("n", b"x");
    let run = bench.run(&["rm", "a", "absent", "n", "--json"]).exits(3).says("`absent`");
    let wanted = [json!({ "name": "absent", "deleted": false }), json!({ "name": "n", "deleted": true })];
    assert_eq!(run.objects(), wanted);
    bench.run(&["head", "a", "n"]).exits(3);
}

#[test]
fn cp_gives_the_same_content_and_facts_a_second_name() {
    let bench = Bench::new();
    bench.run_with(b"hello", &["put", "a", "n.png", "-", "--meta", "k=v"]).ok();
    bench.run(&["cp", "a", "n.png", "m"]).ok();
    bench.run(&["cp", "a", "n.png", "m", "--to-account", "b"]).ok();
    for account in ["a", "b"] {
        let copy = bench.run(&["head", account, "m", "--json"]).ok().object();
        assert_eq!(copy["digest"], Digest::of(b"hello").to_string());
        assert_eq!(copy["content_type"], "image/png");
        assert_eq!(copy["metadata"], json!({ "k": "v" }));
        assert_eq!(bench.run(&["get", account, "m"]).ok().stdout, b"hello");
    }
    bench.run(&["cp", "a", "absent", "m"]).exits(3).says("`absent`");
}

#[test]
fn accounts_and_stat_count_what_is_there() {
    let bench = Bench::new();
    bench.put("n", b"hello");
    bench.put("m", b"hello");
    bench.run_with(b"hi", &["put", "b", "n", "-"]).ok();
    let accounts = bench.run(&["accounts", "--json"]).ok().objects();
    assert_eq!(accounts[0], json!({ "account": "a", "count": 2, "bytes": 10, "policy": null }));
    assert_eq!(accounts[1], json!({ "account": "b", "count": 1, "bytes": 2, "policy": null }));
    let stat = bench.run(&["stat", "--json"]).ok().object();
    assert_eq!(stat["stats"]["names"], 3);
    assert_eq!(stat["stats"]["accounts"], 2);
    assert_eq!(stat["stats"]["logical_bytes"], 12);
    assert_eq!(stat["stats"]["content_bytes"], 7);
    assert_eq!(stat["health"]["poisoned"], json!(null));
    assert_eq!(stat["health"]["damage"], json!([]));
    assert_eq!(stat["health"]["recovery"]["clean"], true);
    assert_eq!((&stat["health"]["index"], &stat["health"]["index_reason"]), (&json!("current"), &json!(null)));
    assert_eq!(stat["accounts"][1], json!({ "account": "b", "count": 1, "bytes": 2, "policy": null }));
    assert_eq!(stat["stats"]["dedup_ratio"], 12.0 / 7.0);
    assert_eq!((&stat["stats"]["index_behind_bytes"], &stat["stats"]["events_floor"]), (&json!(0), &json!(0)));
    assert!(stat["stats"]["last_sequence"].as_u64() >= stat["stats"]["catalog_checkpoint_sequence"].as_u64());
    assert_eq!(stat["health"]["last"]["sweep"], json!(null));
    let text = bench.run(&["stat"]).ok().text();
    assert!(text.contains("b: 1 name, 2 B") && text.contains("last sweep"), "{text}");
    assert!(text.contains("3 in 2 accounts") && text.contains("none known"), "{text}");
}

#[test]
fn what_was_removed_is_in_no_file_after_a_sweep_that_is_told_to_erase() {
    fn holds(dir: &std::path::Path, text: &[u8]) -> bool {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
            if path.is_dir() {
                return holds(&path, text);
            }
            fs::read(path).unwrap().windows(text.len()).any(|window| window == text)
        })
    }
    let bench = Bench::new();
    bench.put("kept", b"kept");
    bench.put("message/gone-7f3a9c", b"secret-51c02e77");
    bench.run(&["ls", "a"]).ok();
    bench.run(&["rm", "a", "message/gone-7f3a9c"]).ok();
    assert!(holds(&bench.store(), b"gone-7f3a9c") && holds(&bench.store(), b"secret-51c02e77"));
    bench.run(&["sweep", "--erase-within", "1s"]).exits(2);
    // No erasure before is known of: so it is due.
    bench.run(&["sweep", "--erase-within", "24h"]).ok();
    assert!(!holds(&bench.store(), b"gone-7f3a9c") && !holds(&bench.store(), b"secret-51c02e77"));
    let stat = bench.run(&["stat", "--json"]).ok().object();
    assert_eq!(stat["health"]["last"]["erasure"]["counts"]["late_ms"], 0);
    assert_eq!((&stat["health"]["erasure_overdue"], &stat["stats"]["names"]), (&json!(null), &json!(1)));
    assert!(bench.run(&["stat"]).ok().text().contains("last erasure"));
}

#[test]
fn sweep_frees_what_has_expired() {
    let bench = Bench::new();
    bench.put("kept", b"x");
    bench.run_with(b"y", &["put", "a", "n", "-", "--ttl", "1ms"]).ok();
    bench.run(&["head", "a", "n"]).exits(3);
    bench.run(&["sweep"]).ok();
    let stat = bench.run(&["stat", "--json"]).ok().object();
    assert_eq!(stat["stats"]["names"], 1);
    assert!(stat["health"]["last"]["sweep"]["counts"]["expired"].is_u64());
    assert_eq!(bench.run(&["sweep", "--json"]).ok().object()["expired"], 0);
}

#[test]
fn compact_says_what_it_has_freed() {
    let bench = Bench::new();
    bench.put("kept", b"x");
    let report = bench.run(&["compact", "--json"]).ok().object();
    for count in ["segments_compacted", "segments_freed", "files_freed", "bytes_rewritten", "bytes_freed"] {
        assert_eq!(report[count], 0, "{report}");
    }
    // A file of its own: its space is free when its last name goes.
    bench.put("large", &vec![7; 5 << 20]);
    bench.run(&["rm", "a", "large"]).ok();
    let text = bench.run(&["compact"]).ok().text();
    assert!(text.contains("0 segments compacted") && text.ends_with("freed, 0 B in all\n"), "{text}");
    let stat = bench.run(&["stat", "--json"]).ok().object();
    assert_eq!((&stat["stats"]["names"], &stat["stats"]["blob_files"]), (&json!(1), &json!(0)));
}

#[test]
fn the_index_can_be_deleted_and_built_anew() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.put(name, b"x");
    }
    let before = bench.run(&["ls", "a", "--json"]).ok().stdout;
    fs::remove_dir_all(bench.store().join("index")).unwrap();
    assert_eq!(bench.run(&["rebuild-index", "--json"]).ok().object(), json!({ "rows": 3 }));
    assert_eq!(bench.run(&["ls", "a", "--json"]).ok().stdout, before);
}

#[test]
fn dump_names_every_entry_of_every_account() {
    let bench = Bench::new();
    bench.put("line\nbreak", b"x");
    bench.run_with(b"y", &["put", "b", "n", "-"]).ok();
    let dump = bench.run(&["dump"]).ok();
    assert_eq!(dump.texts("account"), ["a", "b"]);
    assert_eq!(dump.texts("name"), ["line\nbreak", "n"]);
    assert_eq!(dump.objects()[1]["digest"], Digest::of(b"y").to_string());
}

#[test]
fn names_cannot_play_with_the_terminal() {
    let bench = Bench::new();
    bench.put("a\x1b[2Jb\nc", b"x");
    for arguments in [&["ls", "a"][..], &["head", "a", "a\x1b[2Jb\nc"]] {
        let text = bench.run(arguments).ok().text();
        assert!(text.contains("a\\u{1b}[2Jb\\u{a}c") && !text.contains('\x1b'), "{text}");
    }
    let absent = bench.run(&["get", "a", "\x1b[2J"]).exits(3);
    assert!(!absent.stderr.contains('\x1b'));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::new();
    bench.put("n", &vec![7; 4 << 20]);
    for arguments in [&["get", "a", "n"][..], &["dump"], &["completions", "bash"], &["ls", "a"]] {
        let mut tool = bench.tool();
        tool.arg("--store").arg(bench.store()).args(arguments);
        let mut child = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert_eq!(bench.run(&["stat", "--json"]).ok().object()["health"]["recovery"]["clean"], true);
}

#[test]
fn completions_are_there_for_the_common_shells() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.tool().args(["completions", shell]).output().unwrap().stdout;
        assert!(String::from_utf8(script).unwrap().contains("rebuild-index"));
    }
}

#[test]
fn a_checkpoint_is_restored_and_taken_again_with_only_what_is_new() {
    let bench = Bench::new();
    bench.put("logo.png", b"first");
    let taken = bench.run(&["checkpoint", "backup", "--json"]).ok().object();
    assert_eq!(taken["files_copied"], 1);
    bench.put("logo.png", b"second");
    bench.run_on("restored", &["restore", "backup"]).ok();
    assert_eq!(bench.run_on("restored", &["get", "a", "logo.png"]).ok().stdout, b"first");
    // With a store's own directory, or one that is no checkpoint, it says what to do.
    bench.run_on("restored", &["restore", "backup"]).exits(2).says("empty directory");
    bench.run_on("other", &["restore", "restored"]).exits(2).says("mediacask checkpoint");
    bench.run(&["checkpoint", "restored"]).exits(2).says("MANIFEST");

    let shown = bench.run(&["checkpoint", "backup"]).ok();
    assert!(shown.text().contains("copied"), "{}", shown.text());
    bench.run_on("again", &["restore", "backup"]).ok();
    assert_eq!(bench.run_on("again", &["get", "a", "logo.png"]).ok().stdout, b"second");
    assert_eq!(bench.content("logo.png"), b"second");
}

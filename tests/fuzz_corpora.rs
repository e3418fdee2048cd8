//! What the fuzzers found worth keeping is tried again at every run of the tests.
//!
//! The fuzzers stand in `tests/fuzz`, each with a folder of inputs below `tests/fuzz/corpus`; here every input goes
//! through the same function, built as the other tests are. An input that once made one of them fail is kept there,
//! too.

#[path = "fuzz/targets/model.rs"]
mod model;
#[path = "fuzz/targets/operations.rs"]
mod operations;
mod support;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Tries every input of a fuzzer's corpus; all of them, before it says which failed.
fn replay(fuzzer: &str, try_input: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(fuzzer);
    let found = fs::read_dir(&dir).unwrap_or_else(|e| panic!("no corpus in {}: {e}", dir.display()));
    let mut paths: Vec<_> = found.map(|file| file.expect("it can be listed").path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{} holds only {} inputs", dir.display(), paths.len());
    let fails = |path: &&std::path::PathBuf| {
        let input = fs::read(path).expect("an input can be read");
        catch_unwind(AssertUnwindSafe(|| try_input(&input))).is_err()
    };
    let failed: Vec<_> = paths.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{fuzzer} fails on {failed:#?}");
}

#[test]
fn kept_records_are_read_without_a_panic() {
    replay("record", targets::record);
}

#[test]
fn kept_footers_are_read_without_a_panic() {
    replay("footer", targets::footer);
}

#[test]
fn kept_store_files_are_read_without_a_panic() {
    replay("store_file", targets::store_file);
}

#[test]
fn kept_catalogs_are_read_without_a_panic() {
    replay("catalog", targets::catalog);
}

#[test]
fn kept_manifests_are_taken_whole_or_not_at_all() {
    replay("manifest", targets::manifest);
}

#[test]
fn kept_tokens_are_refused_without_a_panic() {
    replay("token", targets::token);
}

#[test]
fn kept_segments_open_twice_and_say_the_same() {
    replay("segment", targets::segment);
}

#[test]
fn kept_operations_lose_nothing() {
    replay("operations", operations::operations);
}

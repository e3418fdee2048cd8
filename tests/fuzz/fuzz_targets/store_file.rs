//! Bytes as the file STORE, and as a segment header.

#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::store_file(bytes));

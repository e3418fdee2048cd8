//! Bytes as what a segment holds; a store is opened on it, twice.

#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::segment(bytes));

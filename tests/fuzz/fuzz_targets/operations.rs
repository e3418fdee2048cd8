//! Bytes as operations, crashes and failures, held against the model.

#![no_main]

#[path = "../targets/model.rs"]
mod model;
#[path = "../../support/mod.rs"]
mod support;
#[path = "../targets/operations.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::operations(bytes));

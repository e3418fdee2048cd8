//! What the command-line tool promises, tested as a process.
//!
//! Each file holds the promises of one idea; `bench.rs` has the store to try them on.

mod bench;
mod commands;
mod demo;
mod deploy;
mod exit_codes;
mod listings;
mod serve;
mod serve_files;
mod serve_log;
mod server;
mod trees;
#[path = "../../../../tests/support/wait.rs"]
mod wait;

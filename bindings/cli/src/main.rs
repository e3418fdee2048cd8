//! `mediacask`, the command-line tool: it reads its arguments, makes one call after the other on the
//! library's public API, and prints what came back. No logic of the store lives here.
//!
//! - `arguments.rs` is the whole command line; each command's own flags stand with the command.
//! - A command takes a [`session::Session`], which opens the store and closes it again.
//! - `output.rs` is the only file that decides how things look, `failure.rs` the only one that
//!   decides how the process ends.

mod arguments;
mod checkpoint;
mod demo;
mod descriptors;
mod export;
mod failure;
mod get;
mod import;
mod ls;
mod manifest;
mod names;
mod output;
mod progress;
mod put;
mod serve;
mod session;
mod stat;
mod store;
mod values;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match arguments::Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

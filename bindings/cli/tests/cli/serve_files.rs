//! `serve` and the system's limit of open files.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use crate::bench::Bench;
use crate::server::{CONFIG, Server, answered, head, put};

/// More than the soft limit of the test, and fewer than that of the process that tests.
const CONNECTIONS: usize = 300;

/// A server that a shell has started after this.
fn start_after(bench: &Bench, command: &str) -> Server {
    bench.file("gateway.toml", CONFIG);
    let tool = bench.tool();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} && exec \"$0\" \"$@\"")]).arg(tool.get_program());
    shell.arg("--store").arg(bench.store()).args(["serve", "--config", "gateway.toml"]);
    shell.current_dir(bench.path(""));
    Server::spawn(bench, shell)
}

#[test]
fn more_connections_are_served_than_the_soft_limit_of_open_files_allows() {
    let bench = Bench::new();
    let server = start_after(&bench, "ulimit -Sn 256");
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| server.connect().unwrap()).collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(put(stream, &n.to_string(), b"content").unwrap(), 204, "connection {n}");
    }
    // All of them are still there.
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.write_all(head("HEAD", &n.to_string(), "").as_bytes()).unwrap();
        assert_eq!(answered(stream).unwrap(), 200, "connection {n}");
    }
    let log = fs::read_to_string(bench.path("log")).unwrap();
    assert!(log.contains("the limit of open files is raised from 256 to "), "{log}");
}

#[test]
fn connections_that_the_system_cannot_hold_are_warned_of() {
    let bench = Bench::new();
    let server = start_after(&bench, "ulimit -n 512");
    assert_eq!(server.get("a").0, 404);
    let log = fs::read_to_string(bench.path("log")).unwrap();
    let warning = "4096 connections may need 8448 open files, and the system allows 512";
    assert!(log.contains(warning) && log.contains("\"level\":\"WARN\""), "{log}");
}

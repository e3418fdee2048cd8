//! `serve`: a process that can be told to stop, to read its configuration again, and that can be killed.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::bench::Bench;
use crate::server::{CONFIG, Server, answered, head, put};
use crate::wait::wait_until;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("gateway.toml", CONFIG);
    bench
}

/// Content by which it can be told what was put, of a length of its own: in memory, in the log, some in a file.
fn content(name: &str, turn: usize) -> Vec<u8> {
    let len = [10, 5_000, 70_000, 300_000][turn % 4] + turn;
    format!("{name} {turn} ").bytes().cycle().take(len).collect()
}

#[test]
fn every_put_that_was_answered_is_there_after_kill_9() {
    let bench = bench();
    // Of each name, the last turn that was answered.
    let answered: Mutex<HashMap<String, usize>> = Mutex::default();
    for life in 0..3 {
        let server = Server::start(&bench);
        thread::scope(|scope| {
            for client in 0..8 {
                let (server, answered) = (&server, &answered);
                scope.spawn(move || {
                    let Ok(mut stream) = server.connect() else { return };
                    for turn in 0.. {
                        let names = [format!("{life}-{client}-{turn}"), format!("again-{client}")];
                        for name in names {
                            let turn = life * 1_000_000 + turn;
                            match put(&mut stream, &name, &content(&name, turn)) {
                                Ok(204) => answered.lock().unwrap().insert(name, turn),
                                Ok(status) => panic!("{status}"),
                                Err(_) => return,
                            };
                        }
                    }
                });
            }
            wait_until("puts are answered", || answered.lock().unwrap().len() >= (life + 1) * 150);
            server.signal("KILL");
        });
        drop(server);
        let server = Server::start(&bench);
        let answered = answered.lock().unwrap();
        for (name, turn) in answered.iter() {
            let (status, found) = server.get(name);
            assert_eq!(status, 200, "{name} was answered in life {life} and is not there");
            // Of a name that was being put again, the version under way may have come through.
            let next = content(name, turn + 1);
            assert!(found == content(name, *turn) || name.starts_with("again") && found == next, "{name}: {turn}");
        }
        server.signal("TERM");
        assert_eq!(server.end(), Some(0));
    }
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way_and_closes_the_store() {
    let bench = bench();
    let server = Server::start(&bench);
    let mut stream = server.connect().unwrap();
    stream.write_all(head("PUT", "a", "Content-Length: 10\r\nExpect: 100-continue\r\n").as_bytes()).unwrap();
    assert_eq!(answered(&mut stream).unwrap(), 100);
    server.signal("TERM");
    wait_until("it accepts nothing more", || server.connect().is_err());
    stream.write_all(b"0123456789").unwrap();
    assert_eq!(answered(&mut stream).unwrap(), 204);
    assert_eq!(server.end(), Some(0));
    let got = bench.run(&["get", "bandwidth:5500001", "a"]).ok();
    assert_eq!(got.stdout, b"0123456789");
}

#[test]
fn it_reads_its_configuration_again_and_keeps_it_when_that_has_mistakes() {
    let bench = bench();
    let server = Server::start(&bench);
    let log = || fs::read_to_string(bench.path("log")).unwrap();
    assert_eq!(server.get("a").0, 404);
    bench.file("gateway.toml", CONFIG.replace("[limits]", "[limitz]"));
    server.signal("HUP");
    wait_until("the mistake is told", || log().contains("gateway.toml:3: unknown field `limitz`"));
    assert_eq!(server.get("a").0, 404, "as it was");
    bench.file("gateway.toml", CONFIG.replace("bw-hidden-pass", "another"));
    server.signal("HUP");
    wait_until("the other password holds", || server.get("a").0 == 401);
    server.signal("INT");
    assert_eq!(server.end(), Some(0));
    let log = log();
    assert!(log.contains("\"method\":\"GET\"") && log.contains("\"status\":401"), "{log}");
    for secret in ["hidden", "another", "Ynd1c2Vy"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_line() {
    let bench = Bench::new();
    bench.file("gateway.toml", "\n\nlisten = \"everywhere\"\n");
    let serve = ["serve", "--config", "gateway.toml"];
    bench.run(&serve).exits(2).says("gateway.toml:3: `listen` is an address and a port");
    assert!(!bench.store().exists(), "nothing was made for it");
    bench.run(&["serve", "--config", "absent.toml"]).exits(2).says("absent.toml: the configuration cannot be read");
    bench.run(&["serve"]).exits(2).says("--config");
    let help = bench.run(&["serve", "--help"]).ok().text();
    let (_, clock) = help.split_once("--test-clock").unwrap();
    assert!(clock.contains("For tests only"), "{help}");
}

/// CONFIG with TLS; the certificates are of the gateway's own tests.
fn with_tls(certificate: &str) -> String {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../http/tests/gateway/tls");
    format!("{CONFIG}[tls]\ncertificate = \"{here}/{certificate}\"\nkey = \"{here}/key.pem\"\n")
}

#[cfg(feature = "tls")]
#[test]
fn with_a_certificate_it_speaks_tls_and_says_so() {
    let bench = bench();
    bench.file("gateway.toml", with_tls("certificate.pem"));
    let server = Server::start(&bench);
    assert_eq!(server.scheme, "https");
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    bench.file("gateway.toml", with_tls("absent.pem"));
    let line = CONFIG.lines().count() + 1;
    let refused = bench.run(&["serve", "--config", "gateway.toml"]).exits(2);
    refused.says(&format!("gateway.toml:{line}: ")).says("absent.pem is no PEM file that can be used");
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_serves_and_says_plainly_that_it_has_none() {
    let bench = bench();
    let server = Server::start(&bench);
    assert_eq!((server.scheme.as_str(), server.get("a").0), ("http", 404));
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    let line = CONFIG.lines().count() + 1;
    let plainly = "this build has no TLS: build it with the feature `tls`, or take the table [tls] away";
    bench.file("gateway.toml", with_tls("certificate.pem"));
    let serve = ["serve", "--config", "gateway.toml"];
    bench.run(&serve).exits(2).says(&format!("gateway.toml:{line}: {plainly}"));
}

#[test]
fn without_tls_there_is_no_cryptography_in_it_and_nothing_of_another_language() {
    let packages = |features: &[&str]| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["tree", "-e", "normal", "--locked", "--offline"]);
        let tree = cargo.args(["--prefix", "none", "-f", "{p}"]).args(features).output().unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        String::from_utf8(tree.stdout).unwrap()
    };
    let has = |tree: &str, name: &str| tree.lines().any(|line| line.starts_with(&format!("{name} ")));
    let (with, without) = (packages(&[]), packages(&["--no-default-features"]));
    for name in ["ring", "rustls", "tokio-rustls", "rustls-native-certs"] {
        assert!(has(&with, name) && !has(&without, name), "{name}");
    }
    assert!(has(&without, "mediacask-http") && has(&without, "hyper"));
}

/// Kilobytes of memory that the process had at most.
fn resident_kib_max(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn two_hundred_uploads_and_as_many_downloads_of_100_mb_fit_into_400_mb() {
    const LEN: usize = 100_000_000;
    let bench = bench();
    let server = Server::start(&bench);
    let piece: Vec<u8> = (0..LEN / 100).map(|at| (at >> 9) as u8).collect();
    let length = format!("Content-Length: {LEN}\r\n");
    for name in ["x", "y"] {
        let mut stream = server.connect().unwrap();
        stream.write_all(head("PUT", name, &length).as_bytes()).unwrap();
        stream.write_all(name.as_bytes()).unwrap();
        (0..100).for_each(|n| stream.write_all(&piece[usize::from(n == 0)..]).unwrap());
        assert_eq!(answered(&mut stream).unwrap(), 204);
    }
    // Each has sent a megabyte and more, or read it, and stays where it is while the others come as far.
    let mut uploads: Vec<_> = (0..200).map(|_| server.connect().unwrap()).collect();
    for (n, stream) in uploads.iter_mut().enumerate() {
        stream.write_all(head("PUT", &format!("u{n}"), &length).as_bytes()).unwrap();
    }
    let mut downloads: Vec<_> = (0..200).map(|_| server.connect().unwrap()).collect();
    for (n, stream) in downloads.iter_mut().enumerate() {
        stream.write_all(head("GET", ["x", "y"][n % 2], "").as_bytes()).unwrap();
        assert_eq!(answered(stream).unwrap(), 200);
    }
    let mut into = vec![0; piece.len()];
    for _ in 0..2 {
        uploads.iter_mut().for_each(|stream| stream.write_all(&piece).unwrap());
        downloads.iter_mut().for_each(|stream| stream.read_exact(&mut into).unwrap());
    }
    // Two of them go to their end.
    (2..100).for_each(|_| uploads[7].write_all(&piece).unwrap());
    assert_eq!(answered(&mut uploads[7]).unwrap(), 204);
    (2..100).for_each(|_| downloads[7].read_exact(&mut into).unwrap());
    assert!(into == piece);
    let most = resident_kib_max(&server);
    assert!(most < 400_000, "{most} KiB");
}

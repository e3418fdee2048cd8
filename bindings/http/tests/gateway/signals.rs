//! Signals: none is lost, and none ends the process, from the moment on at which they are taken.

use std::process::{Command, id};

use crate::support::{BANDWIDTH, Served};

/// Sends it to this process.
fn send(signal: &str) {
    let line = format!("kill -{signal} {}", id());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
}

#[test]
fn what_comes_before_the_gateway_waits_for_signals_is_heeded_when_it_does() {
    let served = Served::start(BANDWIDTH);
    for last in ["TERM", "INT"] {
        let signals = served.gateway().take_signals().unwrap();
        send("HUP");
        let mut reads = 0;
        served.gateway().run_until_told(signals, || {
            reads += 1;
            send(last);
            None
        });
        assert_eq!(reads, 1, "{last}");
        let signals = served.gateway().take_signals().unwrap();
        send(last);
        served.gateway().run_until_told(signals, || panic!("nobody said to read it again"));
    }
}

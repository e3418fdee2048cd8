//! What the gateway says when the disk under its store fails: reads go on, writes are refused in plain words, and a
//! balancer is told.

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use mediacask::{Clock, Store, Upkeep};
use mediacask_http::{Config, Gateway, Listen, Overrides};
use support::{CallKind, Fault, FaultDisk};

const CONFIG: &str = "
log = { requests = \"off\" }
[[bandwidth.users]]
username = \"u\"
password = \"p\"
account = \"1\"
";

/// A gateway over a disk that can be told to fail. Stopped before the disk is looked at for broken rules.
struct Failing {
    gateway: Gateway,
    address: SocketAddr,
    disk: Arc<FaultDisk>,
}

impl Failing {
    fn new() -> Failing {
        let disk = FaultDisk::new(1);
        // The background syncs, too, and would take the fault that is meant for an upload.
        let store = Store::options().disk(disk.clone()).upkeep(Upkeep::ByHand).open(disk.root()).unwrap();
        let overrides = Overrides { listen: Some("127.0.0.1:0".into()), ..Overrides::default() };
        let config = Config::parse(CONFIG, "gateway.toml".as_ref(), &overrides).unwrap();
        let gateway = Gateway::start(store, Clock::system(), config).unwrap();
        let Listen::Tcp(address) = *gateway.address() else { unreachable!("it was told to") };
        Failing { gateway, address, disk }
    }

    /// Sends one request; gives the status and the body.
    fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_mins(2))).unwrap();
        // `u:p`
        let head = "Host: g\r\nConnection: close\r\nContent-Type: text/plain\r\nAuthorization: Basic dTpw\r\n";
        let len = body.len();
        stream
            .write_all(format!("{method} {path} HTTP/1.1\r\n{head}Content-Length: {len}\r\n\r\n{body}").as_bytes())
            .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn medium(&self, method: &str, name: &str, body: &str) -> (u16, String) {
        self.send(method, &format!("/api/v2/users/1/media/{name}"), body)
    }
}

#[test]
fn after_a_failed_sync_writes_are_refused_reads_go_on_and_a_balancer_is_told() {
    let failing = Failing::new();
    assert_eq!(failing.medium("PUT", "a", "kept").0, 204);
    assert_eq!(failing.send("GET", "/readyz", ""), (200, "{\"status\":\"ready\"}".to_owned()));
    let syncs = failing.disk.counts().of(CallKind::Sync);
    failing.disk.fail_nth_of(CallKind::Sync, syncs + 1, Fault::Eio);
    let (status, said) = failing.medium("PUT", "b", "lost");
    assert!((500..600).contains(&status) && said.contains("\"description\""), "{status} {said}");
    for (method, name) in [("PUT", "c"), ("DELETE", "a")] {
        let (status, said) = failing.medium(method, name, "");
        assert!(status == 503 && said.contains("cannot write at present"), "{method}: {status} {said}");
    }
    assert_eq!(failing.medium("GET", "a", ""), (200, "kept".to_owned()));
    assert_eq!(failing.medium("GET", "b", "").0, 404, "it was not acknowledged");
    assert_eq!(failing.send("GET", "/readyz", ""), (503, "{\"status\":\"read only\"}".to_owned()));
    assert_eq!(failing.send("GET", "/healthz", "").0, 200, "it need not be started again to answer");
    failing.gateway.stop();
}

#[test]
fn on_a_full_disk_uploads_are_refused_until_there_is_room_again() {
    let failing = Failing::new();
    assert_eq!(failing.medium("PUT", "a", "kept").0, 204);
    failing.disk.limit_room(0);
    // Room that was allocated before is used up first.
    let content = "x".repeat(3_000_000);
    let refused = (0..100)
        .map(|n| failing.medium("PUT", &format!("{n}"), &format!("{n}{content}")))
        .find(|(status, _)| *status != 204);
    let (status, said) = refused.expect("the disk is full at last");
    assert!(status == 507 && said.contains("the disk of the server is full"), "{status} {said}");
    assert_eq!(failing.medium("GET", "a", ""), (200, "kept".to_owned()));
    assert_eq!(failing.medium("DELETE", "a", "").0, 204, "deletes go on");
    assert_eq!(failing.send("GET", "/readyz", "").0, 200);
    failing.disk.heal();
    assert_eq!(failing.medium("PUT", "a", &content).0, 204);
    failing.gateway.stop();
}

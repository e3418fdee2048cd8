//! What operators rely on: health, figures, a configuration read again, limits of patience, TLS, Unix sockets.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use mediacask_http::{Config, Overrides};

use crate::support::{BANDWIDTH, Media, Served, basic};

const PATH: &str = "/api/v2/users/5500001/media/a";

#[test]
fn health_and_figures_need_no_credentials_and_tell_no_names() {
    let media = Media::new();
    media.put("/a-secret-name", "image/png", b"12345");
    for path in ["/healthz", "/readyz"] {
        let reply = media.served.send("GET", path, &[], None);
        assert_eq!(reply.status, 200);
        assert!(reply.json()["status"].is_string());
    }
    let reply = media.served.send("GET", "/metrics", &[], None);
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(reply.body).unwrap();
    for line in [
        "\nmediacask_http_requests_total{api=\"bandwidth\",method=\"PUT\",status=\"204\"} ",
        "\nmediacask_http_received_bytes_total{api=\"bandwidth\"} ",
        "\nmediacask_http_request_seconds_bucket{api=\"bandwidth\",method=\"PUT\",le=\"+Inf\"} ",
        "\nmediacask_names ",
        "\nmediacask_total_bytes ",
    ] {
        assert!(text.contains(line), "{line:?} is not in: {text}");
    }
    assert!(!text.contains("secret") && !text.contains("5500001"), "{text}");
}

#[test]
fn a_store_that_is_closed_is_not_ready() {
    let served = Served::start(BANDWIDTH);
    served.store.close().unwrap();
    assert_eq!(served.send("GET", "/healthz", &[], None).status, 200);
    assert_eq!(served.send("GET", "/readyz", &[], None).status, 503);
    let reply = served.send("GET", PATH, &[("Authorization", &basic("bwuser", "bwpass"))], None);
    assert_eq!(reply.status, 503);
    assert!(reply.json()["description"].is_string());
}

#[test]
fn a_configuration_that_is_read_again_holds_from_the_next_request_on() {
    let served = Served::start(BANDWIDTH);
    let mut wire = served.connect();
    let mut status = |user: &str, password: &str| {
        wire.request("GET", PATH, &[("Authorization", &basic(user, password))], None);
        wire.reply("GET").status
    };
    assert_eq!((status("bwuser", "bwpass"), status("new", "newpass")), (404, 401));
    let text = "[[bandwidth.users]]\nusername = \"new\"\npassword = \"newpass\"\naccount = \"5500001\"\n";
    served.configure(text);
    assert_eq!((status("bwuser", "bwpass"), status("new", "newpass")), (401, 404));
}

#[test]
fn stalled_clients_are_let_go_and_store_nothing() {
    let served = Served::start(&format!("{BANDWIDTH}[limits]\nheader_secs = 1\nstall_secs = 1\n"));
    let authorization = basic("bwuser", "bwpass");
    let head = format!("PUT {PATH} HTTP/1.1\r\nHost: g\r\nAuthorization: {authorization}\r\nContent-Length: 9\r\n\r\n");
    for begun in [String::new(), head[..20].to_owned(), format!("{head}1234")] {
        let mut wire = served.connect();
        wire.raw(begun.as_bytes());
        let mut rest = Vec::new();
        wire.write.read_to_end(&mut rest).unwrap();
        let text = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty() || text.starts_with("HTTP/1.1 4"), "{begun:?}: {text}");
    }
    assert_eq!(served.send("GET", PATH, &[("Authorization", &authorization)], None).status, 404);
}

#[test]
fn a_body_has_its_time_and_no_more() {
    let served = Served::start(&format!("{BANDWIDTH}[limits]\nbody_secs = 1\n"));
    let mut wire = served.connect();
    let authorization = basic("bwuser", "bwpass");
    wire.raw(format!("PUT {PATH} HTTP/1.1\r\nHost: g\r\nAuthorization: {authorization}\r\n").as_bytes());
    wire.raw(b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(wire.try_reply("PUT").unwrap().status, 100);
    wire.raw(b"1234");
    assert_eq!(wire.reply("PUT").status, 408);
    assert!(wire.is_closed());
    assert_eq!(served.send("GET", PATH, &[("Authorization", &authorization)], None).status, 404);
}

#[test]
fn the_head_of_a_request_is_as_long_as_the_operator_says() {
    let served = Served::start(&format!("{BANDWIDTH}[limits]\nheader_bytes = 8192\n"));
    let authorization = basic("bwuser", "bwpass");
    let status = |len: usize| {
        let long = "x".repeat(len);
        served.send("GET", PATH, &[("Authorization", &authorization), ("X-Long", &long)], None).status
    };
    assert_eq!((status(7000), status(9000)), (404, 431));
    assert_eq!(status(7000), 404, "and goes on");
    // However much of it comes at once, and whatever part of it is long.
    served.configure(BANDWIDTH);
    for len in [66_000, 80_000, 100_000, 130_000] {
        assert_eq!(status(len), 431, "{len}");
        let path = format!("{PATH}?{}", "x".repeat(len));
        let refused = served.send("GET", &path, &[("Authorization", &authorization)], None).status;
        assert!(matches!(refused, 414 | 431), "{len}: {refused}");
    }
    assert_eq!(status(60_000), 404);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let served = Served::start(&format!("{BANDWIDTH}[limits]\nconnections = 2\n"));
    let (mut first, second) = (served.connect(), served.connect());
    first.request("GET", "/healthz", &[], None);
    assert_eq!(first.reply("GET").status, 200);
    let mut third = served.connect();
    third.request("GET", "/healthz", &[], None);
    third.write.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(third.write.peek(&mut [0]).is_err(), "both places are taken");
    third.write.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    drop((first, second));
    assert_eq!(third.reply("GET").status, 200);
}

#[test]
fn requests_under_way_finish_when_the_gateway_stops() {
    let mut served = Served::start(BANDWIDTH);
    let (mut busy, mut idle) = (served.connect(), served.connect());
    idle.request("GET", "/healthz", &[], None);
    assert_eq!(idle.reply("GET").status, 200);
    let authorization = basic("bwuser", "bwpass");
    busy.raw(format!("PUT {PATH} HTTP/1.1\r\nHost: g\r\nAuthorization: {authorization}\r\n").as_bytes());
    busy.raw(b"Content-Length: 8\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(busy.try_reply("PUT").unwrap().status, 100, "it is under way");
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| served.stop());
        assert!(idle.is_closed(), "who waits for nothing is let go at once");
        busy.raw(b"12345678");
        assert_eq!(busy.reply("PUT").status, 204);
        assert!(busy.is_closed());
        stopping.join().unwrap();
    });
    let account = served.store.account("bandwidth:5500001").unwrap();
    assert_eq!(&account.get("a").unwrap().unwrap()[..], b"12345678");
}

#[test]
fn a_unix_socket_serves_as_a_port_does_and_is_gone_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    let listen = format!("unix:{}", path.display());
    // One that a killed process has left.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let served = Served::start_on(BANDWIDTH, &listen);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    drop(served);
    assert!(!path.exists());
}

#[cfg(feature = "tls")]
#[test]
fn with_a_certificate_the_socket_speaks_tls_and_nothing_else() {
    use std::sync::Arc;
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/tls");
    let tls = format!("{BANDWIDTH}[tls]\ncertificate = \"{here}/certificate.pem\"\nkey = \"{here}/key.pem\"\n");
    let served = Served::start(&tls);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(format!("{here}/certificate.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "gateway.test".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, served.connect().write);
    let authorization = basic("bwuser", "bwpass");
    let body = "x".repeat(100_000);
    let len = body.len();
    let put =
        format!("PUT {PATH} HTTP/1.1\r\nHost: g\r\nAuthorization: {authorization}\r\nContent-Length: {len}\r\n\r\n");
    stream.write_all(format!("{put}{body}").as_bytes()).unwrap();
    let get = format!("GET {PATH} HTTP/1.1\r\nHost: g\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n");
    stream.write_all(get.as_bytes()).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert!(replies.starts_with("HTTP/1.1 204 ") && replies.ends_with(&body), "{}", &replies[..200.min(replies.len())]);

    let mut plain = served.connect();
    plain.request("GET", "/healthz", &[], None);
    let mut answer = Vec::new();
    let _ = plain.write.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn the_configuration_of_the_readme_is_one_and_shows_the_defaults() {
    let readme = include_str!("../../../../README.md");
    let (_, text) = readme.split_once("```toml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let read = |text: &str| Config::parse(text, "README.md".as_ref(), &Overrides::default()).unwrap();
    let (shown, default) = (read(text), read(""));
    assert_eq!((shown.bandwidth.len(), shown.twilio.len(), shown.messagebird.len()), (1, 1, 1));
    assert_eq!(format!("{:?}", shown.limits), format!("{:?}", default.limits));
    assert_eq!((shown.listen, shown.log), (default.listen, default.log));
}

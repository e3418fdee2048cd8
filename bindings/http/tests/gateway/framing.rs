//! Framing: what delimits a body is never guessed, bytes of a body are never taken for a request, and no refusal breaks
//! a connection.

use std::fmt::Write as _;

use crate::support::{BANDWIDTH, Reply, Served, basic};

const PATH: &str = "/api/v2/users/5500001/media/a";

fn authorization() -> String {
    basic("bwuser", "bwpass")
}

/// A request's head, credentials included, up to the lines that the test adds.
fn head(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: {}\r\n", authorization())
}

fn get(served: &Served) -> Reply {
    served.send("GET", PATH, &[("Authorization", &authorization())], None)
}

#[test]
fn a_refused_body_is_read_and_the_connection_goes_on() {
    let served = Served::start(BANDWIDTH);
    let mut wire = served.connect();
    wire.request("PUT", PATH, &[("Authorization", &basic("bwuser", "wrong"))], Some(&vec![7; 3_700_000]));
    wire.request("GET", PATH, &[("Authorization", &authorization())], None);
    let refused = wire.reply("PUT");
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
    assert_eq!(wire.reply("GET").status, 404, "answered in order, and nothing was stored");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = Served::start(BANDWIDTH);
    let mut wire = served.connect();
    let mut text = String::new();
    for n in 0..20 {
        let path = format!("{PATH}{n}");
        text += &head("PUT", &path);
        write!(text, "Content-Length: 2\r\n\r\n{n:02}{}\r\n", head("GET", &path)).unwrap();
    }
    wire.raw(text.as_bytes());
    for n in 0..20 {
        assert_eq!(wire.reply("PUT").status, 204);
        assert_eq!(wire.reply("GET").body, format!("{n:02}").as_bytes());
    }
}

#[test]
fn bodies_come_with_a_length_or_in_chunks_with_extensions_and_trailers() {
    let served = Served::start(BANDWIDTH);
    let mut wire = served.connect();
    let chunks = "5;name=value\r\nhello\r\n1 ; a=\"b\"\r\n \r\n0005\r\nworld\r\n0;last\r\nX-Trailer: 1\r\n\r\n";
    wire.raw(format!("{}Transfer-Encoding: chunked\r\n\r\n{chunks}", head("PUT", PATH)).as_bytes());
    assert_eq!(wire.reply("PUT").status, 204);
    wire.request("GET", PATH, &[("Authorization", &authorization())], None);
    assert_eq!(wire.reply("GET").body, b"hello world");
    wire.raw(format!("{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", head("PUT", PATH)).as_bytes());
    assert_eq!(wire.reply("PUT").status, 204);
    wire.raw(format!("{}Content-Length: 0\r\n\r\n", head("GET", PATH)).as_bytes());
    assert_eq!(wire.reply("GET").body, b"", "a GET may say that it has no body");
    wire.raw(format!("{}Content-Length: 2\r\n\r\n{{}}", head("DELETE", PATH)).as_bytes());
    assert_eq!(wire.reply("DELETE").status, 204, "and a DELETE may have one, which is read and ignored");
    wire.request("GET", PATH, &[("Authorization", &authorization())], None);
    assert_eq!(wire.reply("GET").status, 404);
}

#[test]
fn who_waits_for_the_word_to_go_on_hears_it_or_the_refusal_instead() {
    let served = Served::start(BANDWIDTH);
    let mut wire = served.connect();
    let expect = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    wire.raw(format!("{}{expect}", head("PUT", PATH)).as_bytes());
    assert_eq!(wire.try_reply("PUT").unwrap().status, 100);
    wire.raw(b"hello");
    assert_eq!(wire.reply("PUT").status, 204);
    assert_eq!(get(&served).body, b"hello");

    let mut wire = served.connect();
    wire.raw(format!("PUT {PATH} HTTP/1.1\r\nHost: g\r\n{expect}").as_bytes());
    assert_eq!(wire.try_reply("PUT").unwrap().status, 401, "without the word before it");
    let mut wire = served.connect();
    let long = "Expect: 100-continue\r\nContent-Length: 4000000\r\n\r\n";
    wire.raw(format!("{}{long}", head("PUT", PATH)).as_bytes());
    assert_eq!(wire.try_reply("PUT").unwrap().status, 400, "too long: not asked to send it");
    assert_eq!(get(&served).body, b"hello");
}

#[test]
fn bad_lengths_and_chunks_are_refused_and_store_nothing() {
    let served = Served::start(BANDWIDTH);
    for framing in [
        "Content-Length: five\r\n\r\nhello",
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5, 6\r\n\r\nhello",
        "Content-Length: 99999999999999999999999\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\nhello",
        "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut wire = served.connect();
        wire.raw(format!("{}{framing}", head("PUT", PATH)).as_bytes());
        let reply = wire.reply("PUT");
        assert_eq!(reply.status, 400, "{framing:?}: {reply:?}");
        assert!(wire.is_closed(), "{framing:?}");
        assert_eq!(get(&served).status, 404, "{framing:?}");
    }
}

#[test]
fn bytes_of_a_body_are_never_taken_for_a_request() {
    let served = Served::start(BANDWIDTH);
    let smuggled = format!("{}Content-Length: 1\r\n\r\nx", head("PUT", &format!("{PATH}-smuggled")));
    let chunked = format!("5\r\nhello\r\n0\r\n\r\n{smuggled}");
    for lengths in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n", chunked.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n", chunked.len()),
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n".to_owned(),
    ] {
        let mut wire = served.connect();
        wire.raw(format!("{}{lengths}{chunked}", head("PUT", PATH)).as_bytes());
        let reply = wire.reply("PUT");
        assert!(matches!(reply.status, 204 | 400), "{reply:?}");
        assert!(wire.is_closed(), "what comes behind is of doubtful origin: {lengths:?}");
        let smuggled = served.send("GET", &format!("{PATH}-smuggled"), &[("Authorization", &authorization())], None);
        assert_eq!(smuggled.status, 404, "{lengths:?}");
    }
}

#[test]
fn an_upload_that_is_broken_off_changes_nothing() {
    let served = Served::start(BANDWIDTH);
    let old = served.send("PUT", PATH, &[("Authorization", &authorization())], Some(b"old"));
    assert_eq!(old.status, 204);
    for (name, framing) in [
        ("a", "Content-Length: 1000000\r\n\r\nnew"),
        ("b", "Content-Length: 1000000\r\n\r\nnew"),
        ("a", "Transfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n"),
        ("b", "Transfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n0\r\n"),
        ("b", "Transfer-Encoding: chunked\r\n\r\n100000\r\nnew"),
    ] {
        let mut wire = served.connect();
        let path = format!("/api/v2/users/5500001/media/{name}");
        wire.raw(format!("{}{framing}", head("PUT", &path)).as_bytes());
        wire.write.shutdown(std::net::Shutdown::Write).unwrap();
        let status = wire.try_reply("PUT").map(|reply| reply.status);
        assert!(matches!(status, None | Some(400)), "{framing:?}: {status:?}");
    }
    let names = served.send("GET", "/api/v2/users/5500001/media", &[("Authorization", &authorization())], None).json();
    assert_eq!(names.as_array().unwrap().len(), 1, "{names}");
    assert_eq!(get(&served).body, b"old");
}

#[test]
fn what_is_no_request_is_refused_and_the_server_goes_on() {
    let served = Served::start(BANDWIDTH);
    let long_path = format!("{}\r\n", head("GET", &format!("{PATH}{}", "x".repeat(20_000))));
    let longer_path = format!("{}\r\n", head("GET", &format!("{PATH}{}", "x".repeat(200_000))));
    let long_header = format!("{}X-Long: {}\r\n\r\n", head("GET", PATH), "x".repeat(100_000));
    let headers = "X-Again: y\r\n".repeat(500);
    let many_headers = format!("{}{headers}\r\n", head("GET", PATH));
    let requests: [&[u8]; 10] = [
        long_path.as_bytes(),
        longer_path.as_bytes(),
        long_header.as_bytes(),
        many_headers.as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello",
        b"GET /api/v2 HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /a b c HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for request in requests {
        let mut wire = served.connect();
        wire.raw(request);
        wire.write.shutdown(std::net::Shutdown::Write).unwrap();
        let status = wire.try_reply("GET").map(|reply| reply.status);
        let beginning = String::from_utf8_lossy(&request[..request.len().min(60)]);
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{beginning:?}: {status:?}");
    }
    let mut wire = served.connect();
    wire.raw(format!("\r\n\r\n{}\r\n", head("GET", PATH)).as_bytes());
    assert_eq!(wire.reply("GET").status, 404, "blank lines before a request are nothing");
}

#[test]
fn bad_escapes_are_refused() {
    let served = Served::start(BANDWIDTH);
    for escape in ["%", "%z", "%zz", "%2", "%00", "%ff%fe", "%c3", "%ed%a0%80"] {
        for method in ["GET", "DELETE", "PUT"] {
            let body = (method == "PUT").then_some(&b"x"[..]);
            let reply = served.send(method, &format!("{PATH}{escape}"), &[("Authorization", &authorization())], body);
            assert_eq!(reply.status, 400, "{method} {escape}");
            assert!(reply.json()["description"].is_string());
        }
    }
}

#[test]
fn an_http_1_0_request_is_answered_whole_and_the_connection_closed() {
    let served = Served::start(BANDWIDTH);
    served.send("PUT", PATH, &[("Authorization", &authorization())], Some(b"hello"));
    let mut wire = served.connect();
    wire.raw(head("GET", PATH).replace("HTTP/1.1", "HTTP/1.0").as_bytes());
    wire.raw(b"\r\n");
    let reply = wire.reply("GET");
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hello"[..]));
    assert!(wire.is_closed());
}

#[test]
fn the_answer_to_head_has_no_body() {
    let served = Served::start(BANDWIDTH);
    served.send("PUT", PATH, &[("Authorization", &authorization())], Some(b"hello"));
    let mut wire = served.connect();
    for (path, status, len) in [(PATH, 200, Some("5")), ("/api/v2/users/5500001/media/absent", 404, None)] {
        wire.request("HEAD", path, &[("Authorization", &authorization())], None);
        let reply = wire.reply("HEAD");
        assert_eq!(reply.status, status);
        assert!(len.is_none() || reply.header("content-length") == len);
        wire.request("GET", path, &[("Authorization", &authorization())], None);
        assert_eq!(wire.reply("GET").status, status, "the next answer begins right behind");
    }
}

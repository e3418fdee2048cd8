//! MessageBird's API: ids, names, dispositions, who may read what.

use std::time::Duration;

use crate::support::{Reply, Served, basic};

const MESSAGEBIRD: &str = "
log = { requests = \"off\" }
[[messagebird.keys]]
key = \"public_key\"
account = \"mb1\"
[[messagebird.keys]]
key = \"restricted_key\"
account = \"mb2\"
restricted = true
[[messagebird.keys]]
key = \"second_restricted_key\"
account = \"mb2\"
[[messagebird.keys]]
key = \"other_key\"
account = \"mb3\"
";

const ABSENT: &str = "00000000-0000-4000-8000-000000000000";

fn authorized(key: &str) -> String {
    format!("AccessKey {key}")
}

fn post(served: &Served, key: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let authorization = authorized(key);
    let all = [&[("Authorization", authorization.as_str())], headers].concat();
    served.send("POST", "/v1/files", &all, Some(body))
}

/// Stores a file; gives its path.
fn stored(served: &Served, key: &str, body: &[u8]) -> String {
    let reply = post(served, key, &[("Content-Type", "application/pdf")], body);
    assert_eq!(reply.status, 200, "{reply:?}");
    format!("/v1/files/{}", reply.json()["id"].as_str().unwrap())
}

fn with_key(served: &Served, method: &str, path: &str, key: &str) -> Reply {
    served.send(method, path, &[("Authorization", &authorized(key))], None)
}

fn bare(served: &Served, path: &str) -> Reply {
    served.send("GET", path, &[], None)
}

/// Holds a refusal against what clients read.
fn is_refused(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{reply:?}");
    let errors = reply.json();
    let [error] = errors["errors"].as_array().unwrap().as_slice() else { panic!("{errors}") };
    assert!(error["code"].is_u64() && error["description"].is_string(), "{error}");
    let parameter = error.as_object().unwrap().get("parameter").expect("always there");
    assert!(parameter.is_null() || parameter.is_string());
    if status == 401 {
        assert_eq!((&error["code"], parameter), (&1001.into(), &serde_json::Value::Null));
        assert_eq!(error["description"], "You are requesting with an invalid credential.");
    }
}

#[test]
fn a_file_comes_back_as_it_was_given_under_an_id_of_its_own() {
    let served = Served::start(MESSAGEBIRD);
    let bytes: Vec<u8> = (0..=255).collect();
    let disposition = "attachment; filename=\"contract.pdf\"";
    let headers = [("Content-Type", "application/pdf; v=1"), ("Content-Disposition", disposition)];
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = post(&served, "public_key", &headers, &bytes);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["name"], "contract.pdf");
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        let dashes: Vec<_> = id.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((id.len(), dashes), (36, vec![8, 13, 18, 23]), "{id}");
        assert!(id.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
        assert!(!ids.contains(&id), "equal bytes are files of their own");
        ids.push(id);
    }
    let path = format!("/v1/files/{}", ids[0]);
    let file = bare(&served, &path);
    assert_eq!((file.status, &file.body), (200, &bytes));
    assert_eq!(file.header("content-type"), Some("application/pdf; v=1"));
    assert_eq!(file.header("content-disposition"), Some(disposition));
    assert_eq!(file.header("content-length"), Some("256"));
    let tag = file.header("etag").unwrap();
    assert_eq!(served.send("GET", &path, &[("If-None-Match", tag)], None).status, 304);
    assert_eq!(served.send("GET", &path, &[("Range", "bytes=-2")], None).body, [254, 255]);
    served.forward(Duration::from_hours(10 * 365 * 24));
    assert_eq!(bare(&served, &path).status, 200, "files do not expire");
    assert_eq!(with_key(&served, "DELETE", &path, "public_key").status, 204);
    is_refused(&bare(&served, &path), 404);
    is_refused(&with_key(&served, "DELETE", &path, "public_key"), 404);
    assert_eq!(bare(&served, &format!("/v1/files/{}", ids[1])).body, bytes);
}

#[test]
fn the_name_is_what_the_disposition_says() {
    let served = Served::start(MESSAGEBIRD);
    for (disposition, name) in [
        ("inline; filename=token.txt", "token.txt"),
        ("ATTACHMENT; FILENAME=\"a; b \\\"c\\\".txt\"", "a; b \"c\".txt"),
        ("attachment; filename=\"x\"; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("attachment; filename=\"é.txt\"", "é.txt"),
    ] {
        let headers = [("Content-Type", "text/plain"), ("Content-Disposition", disposition)];
        let reply = post(&served, "public_key", &headers, b"x").json();
        assert_eq!(reply["name"], name, "{disposition}");
        let file = bare(&served, &format!("/v1/files/{}", reply["id"].as_str().unwrap()));
        assert_eq!(file.header("content-disposition"), Some(disposition));
    }
    let unnamed = post(&served, "public_key", &[("Content-Type", "text/plain")], b"x").json();
    assert!(unnamed["name"].is_null());
    let long = format!("attachment; filename=\"{}\"", "x".repeat(1000));
    let longer = format!("attachment; filename=\"{}\"", "x".repeat(9000));
    for strange in
        ["", ";", "filename=", "attachment; filename=\"../../x\"", "attachment; filename=\"un", &long, &longer]
    {
        let headers = [("Content-Type", "text/plain"), ("Content-Disposition", strange)];
        let reply = post(&served, "public_key", &headers, b"x");
        assert!([200, 400].contains(&reply.status), "{strange}: {reply:?}");
        if reply.status == 200 {
            let id = reply.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(bare(&served, &format!("/v1/files/{id}")).body, b"x");
        }
    }
}

#[test]
fn a_file_needs_a_type() {
    let served = Served::start(MESSAGEBIRD);
    is_refused(&post(&served, "public_key", &[], b"x"), 400);
    is_refused(&post(&served, "public_key", &[("Content-Type", "")], b"x"), 400);
    assert_eq!(post(&served, "public_key", &[("Content-Type", "text/plain")], b"").status, 200);
}

#[test]
fn bodies_come_in_chunks_as_well_and_whole_or_not_at_all() {
    let served = Served::start(MESSAGEBIRD);
    let head = "POST /v1/files HTTP/1.1\r\nHost: h\r\nAuthorization: AccessKey public_key\r\n\
                Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut wire = served.connect();
    wire.raw(format!("{head}3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n").as_bytes());
    let reply = wire.reply("POST");
    assert_eq!(reply.status, 200, "{reply:?}");
    let path = format!("/v1/files/{}", reply.json()["id"].as_str().unwrap());
    assert_eq!(bare(&served, &path).body, b"abcdefg");
    let mut wire = served.connect();
    wire.raw(format!("{head}3\r\nabc\r\n").as_bytes());
    wire.write.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(wire.try_reply("POST").is_none_or(|reply| reply.status >= 400));
    assert_eq!(served.store.stats().unwrap().names, 1);
}

#[test]
fn a_hundred_megabytes_pass_and_what_is_over_the_limit_does_not() {
    let served = Served::start(MESSAGEBIRD);
    let large: Vec<u8> = (0..100_000_000u32).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect();
    let path = stored(&served, "public_key", &large);
    let part = served.send("GET", &path, &[("Range", "bytes=99999990-")], None);
    assert_eq!((part.status, part.body.as_slice()), (206, &large[99_999_990..]));
    assert_eq!(part.header("content-range"), Some("bytes 99999990-99999999/100000000"));
    let middle = served.send("GET", &path, &[("Range", "bytes=65535-65537")], None);
    assert_eq!(middle.body, &large[65_535..=65_537]);
    assert!(bare(&served, &path).body == large);
    // Who asks before sending is told at once.
    let mut wire = served.connect();
    let head = [
        ("Authorization", "AccessKey public_key"),
        ("Content-Type", "text/plain"),
        ("Expect", "100-continue"),
        ("Content-Length", "104857601"),
    ];
    wire.request("POST", "/v1/files", &head, None);
    let reply = wire.reply("POST");
    is_refused(&reply, 400);
    assert_eq!(served.store.stats().unwrap().names, 1);
}

#[test]
fn a_chunked_body_is_cut_off_where_it_passes_the_limit() {
    let served = Served::start(&format!("{MESSAGEBIRD}[limits]\nmessagebird_bytes = 1000\n"));
    let send = |len: usize| {
        let mut wire = served.connect();
        let head = "POST /v1/files HTTP/1.1\r\nHost: h\r\nAuthorization: AccessKey public_key\r\n\
                    Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        wire.raw(format!("{head}{len:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(len)).as_bytes());
        wire.reply("POST")
    };
    assert_eq!(send(1000).status, 200);
    is_refused(&send(1001), 400);
    assert_eq!(served.store.stats().unwrap().names, 1);
}

#[test]
fn posts_and_deletes_need_a_key_that_is_known() {
    let served = Served::start(MESSAGEBIRD);
    let path = stored(&served, "public_key", b"x");
    let wrong = [
        None,
        Some(authorized("wrong")),
        Some(authorized("")),
        Some("public_key".to_owned()),
        Some("Bearer public_key".to_owned()),
        Some(basic("public_key", "public_key")),
        Some(String::new()),
    ];
    for authorization in &wrong {
        let header = authorization.as_deref().map(|value| ("Authorization", value));
        let header: Vec<_> = header.into_iter().collect();
        let typed = [&header[..], &[("Content-Type", "text/plain")]].concat();
        is_refused(&served.send("POST", "/v1/files", &typed, Some(b"x")), 401);
        is_refused(&served.send("DELETE", &path, &header, None), 401);
        let read = served.send("GET", &path, &header, None);
        if authorization.is_some() {
            is_refused(&read, 401);
        } else {
            assert_eq!(read.status, 200);
        }
    }
    is_refused(&with_key(&served, "DELETE", &path, "other_key"), 403);
    assert_eq!(with_key(&served, "GET", &path, "other_key").status, 200, "public to everyone");
    assert_eq!(served.store.stats().unwrap().names, 1);
}

#[test]
fn files_of_a_restricted_account_are_read_with_a_key_of_it_only() {
    let served = Served::start(MESSAGEBIRD);
    let path = stored(&served, "restricted_key", b"secret");
    let tag = with_key(&served, "GET", &path, "restricted_key");
    assert_eq!((tag.status, tag.body.as_slice()), (200, &b"secret"[..]));
    assert_eq!(with_key(&served, "GET", &path, "second_restricted_key").body, b"secret");
    let tag = tag.header("etag").unwrap();
    for condition in [None, Some("*"), Some(tag)] {
        let with = |authorization: Option<&str>| {
            let condition = condition.map(|condition| ("If-None-Match", condition));
            let authorization = authorization.map(|value| ("Authorization", value));
            let headers: Vec<_> = condition.into_iter().chain(authorization).collect();
            served.send("GET", &path, &headers, None)
        };
        is_refused(&with(None), 401);
        is_refused(&with(Some("AccessKey wrong")), 401);
        is_refused(&with(Some("AccessKey public_key")), 403);
    }
    is_refused(&with_key(&served, "DELETE", &path, "public_key"), 403);
    assert_eq!(with_key(&served, "DELETE", &path, "second_restricted_key").status, 204);
}

#[test]
fn what_is_no_file_is_not_found_and_there_is_no_listing() {
    let served = Served::start(MESSAGEBIRD);
    let path = stored(&served, "public_key", b"x");
    let upper = path.to_ascii_uppercase().replace("/V1/FILES/", "/v1/files/");
    let long = format!("/v1/files/{}", "x".repeat(5000));
    let absent = format!("/v1/files/{ABSENT}");
    let below = format!("{path}/x");
    let odd = path.replace('-', "");
    for path in [
        absent.as_str(),
        "/v1/files/nope",
        "/v1/files/%00",
        "/v1/files/..%2F..%2Fetc%2Fpasswd",
        "/v1/files/%zz",
        &long,
        &below,
        &odd,
        "/v1/files/%ff",
        "/v1/filesystem",
        "/v1/other",
    ] {
        for method in ["GET", "DELETE"] {
            let reply = with_key(&served, method, path, "public_key");
            assert!([400, 404].contains(&reply.status), "{method} {path}: {reply:?}");
            is_refused(&reply, reply.status);
        }
    }
    if upper != path {
        is_refused(&bare(&served, &upper), 404);
    }
    for method in ["GET", "DELETE"] {
        is_refused(&with_key(&served, method, "/v1/files", "public_key"), 405);
    }
    is_refused(&served.send("PUT", &path, &[("Authorization", "AccessKey public_key")], Some(b"x")), 405);
    assert_eq!(bare(&served, &path).body, b"x");
}

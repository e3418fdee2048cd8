//! The native API: what a token reaches, conditions, facts, batches, listings, events, a Unix socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mediacask::{Clock, Store};
use mediacask_http::{Config, Gateway, Overrides};
use serde_json::{Value, json};

use crate::support::{Reply, Served};

/// Two readers and writers, one of them of another API's account, and an administrator.
pub(crate) const TOKENS: &str = "
log = { requests = \"off\" }
[[native.tokens]]
token = \"reader\"
[[native.tokens]]
token = \"writer\"
access = \"write\"
[[native.tokens]]
token = \"one\"
accounts = [\"m\", \"bandwidth:5500001\"]
access = \"write\"
[[native.tokens]]
token = \"admin\"
access = \"admin\"
[limits]
native_bytes = 1000000
native_batch_bytes = 10000
stall_secs = 3
";

pub(crate) const API: &str = "/mediacask/v1";

pub(crate) fn ask(
    served: &Served,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut all = vec![("Authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    served.send(method, &format!("{API}{path}"), &all, body)
}

pub(crate) fn put(served: &Served, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    ask(served, "writer", "PUT", path, headers, Some(body))
}

pub(crate) fn json_of(served: &Served, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    ask(served, token, method, path, &[("Content-Type", "application/json")], Some(body.to_string().as_bytes()))
}

/// The word of an error; it comes with a sentence.
pub(crate) fn word(reply: &Reply) -> (u16, String) {
    let error = reply.json();
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    (reply.status, error["error"].as_str().unwrap().to_owned())
}

pub(crate) fn says(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[test]
fn every_route_asks_for_a_token_that_may_and_the_description_alone_for_none() {
    let served = Served::start(TOKENS);
    let digest = "0".repeat(64);
    let of_account = [
        ("GET", "/accounts/o"),
        ("GET", "/accounts/o/policy"),
        ("GET", "/accounts/o/blobs"),
        ("GET", "/accounts/o/blobs/a"),
        ("HEAD", "/accounts/o/blobs/a"),
        ("GET", "/accounts/o/entries/a"),
        ("GET", &format!("/accounts/o/digests/{digest}")),
        ("GET", "/accounts/o/events"),
    ];
    let changes = [
        ("PUT", "/accounts/o/blobs/a"),
        ("PATCH", "/accounts/o/blobs/a"),
        ("DELETE", "/accounts/o/blobs/a"),
        ("DELETE", "/accounts/o/blobs?prefix="),
        ("POST", "/accounts/o/copy"),
        ("POST", "/accounts/o/batch"),
    ];
    let content = format!("/digests/{digest}");
    let whole = [
        ("GET", "/accounts"),
        ("PUT", "/accounts/o/policy"),
        ("GET", "/stats"),
        ("GET", "/health"),
        ("GET", "/events"),
        ("GET", content.as_str()),
        ("DELETE", content.as_str()),
        ("POST", "/upkeep/sync"),
        ("POST", "/upkeep/verify"),
    ];
    let basic = crate::support::basic("reader", "reader");
    for (method, path) in of_account.iter().chain(&changes).chain(&whole) {
        let full = format!("{API}{path}");
        for credentials in [None, Some("Bearer wrong"), Some("Bearer"), Some("Bearer readers"), Some(basic.as_str())] {
            let headers: Vec<_> = credentials.iter().map(|given| ("Authorization", *given)).collect();
            let reply = served.send(method, &full, &headers, Some(b""));
            assert_eq!(reply.status, 401, "{method} {path} {credentials:?}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"mediacask\""), "{method} {path}");
        }
        // A token of other accounts.
        assert_eq!(ask(&served, "one", method, path, &[], Some(b"")).status, 403, "{method} {path}");
    }
    for (method, path) in changes.iter().chain(&whole) {
        assert_eq!(ask(&served, "reader", method, path, &[], Some(b"")).status, 403, "{method} {path}");
    }
    for (method, path) in whole {
        assert_eq!(ask(&served, "writer", method, path, &[], Some(b"")).status, 403, "{method} {path}");
        if path != "/events" {
            assert_eq!(ask(&served, "admin", method, path, &[], Some(b"{}")).status, 200, "{method} {path}");
        }
    }
    assert_eq!(served.send("GET", &format!("{API}/openapi.json"), &[], None).json()["openapi"], "3.1.0");
    assert_eq!(word(&ask(&served, "admin", "GET", "/nothing", &[], None)), says(404, "not_found"));
    let reply = ask(&served, "admin", "POST", "/accounts/o/blobs/a", &[], Some(b""));
    assert_eq!(word(&reply), says(405, "method_not_allowed"));
    assert_eq!(reply.header("allow"), Some("GET, HEAD, PUT, PATCH, DELETE"));
}

#[test]
fn accounts_of_other_apis_are_reached_by_who_is_told_so() {
    let served = Served::start(&format!("{TOKENS}{}", crate::support::BANDWIDTH.replace("log =", "#")));
    let basic = crate::support::basic("bwuser", "bwpass");
    let media = "/api/v2/users/5500001/media/a.txt";
    assert_eq!(served.send("PUT", media, &[("Authorization", &basic)], Some(b"theirs")).status, 204);
    let path = "/accounts/bandwidth%3A5500001/blobs/a.txt";
    assert_eq!(word(&ask(&served, "writer", "GET", path, &[], None)), says(403, "forbidden"));
    assert_eq!(ask(&served, "one", "GET", path, &[], None).body, b"theirs");
    assert_eq!(ask(&served, "admin", "GET", path, &[], None).body, b"theirs");
    let copy = json!({ "from": "a", "to": "b", "to_account": "bandwidth:5500001" });
    assert_eq!(put(&served, "/accounts/m/blobs/a", &[], b"mine").status, 200);
    assert_eq!(json_of(&served, "writer", "POST", "/accounts/m/copy", &copy).status, 403);
    assert_eq!(json_of(&served, "one", "POST", "/accounts/m/copy", &copy).status, 200);
}

#[test]
fn a_name_keeps_what_its_put_said_of_it() {
    let served = Served::start(TOKENS);
    let name = "/accounts/m/blobs/d%2F%C3%A9/1%25";
    let headers = [
        ("Content-Type", "text/html"),
        ("Cache-Control", "no-store"),
        ("Mediacask-Metadata", "a=1, k%20%C3%A9=v%2C%3D"),
        ("Mediacask-Ttl-Ms", "60000"),
    ];
    let reply = put(&served, name, &headers, b"<b>");
    let entry = reply.json();
    assert_eq!((reply.status, &entry["name"], &entry["size"]), (200, &json!("d/é/1%"), &json!(3)));
    assert_eq!(entry["metadata"], json!({ "a": "1", "k é": "v,=" }));
    let got = ask(&served, "reader", "GET", name, &[], None);
    assert_eq!((got.status, got.body.as_slice(), got.header("etag")), (200, &b"<b>"[..], reply.header("etag")));
    assert_eq!(got.header("content-disposition"), Some("attachment"), "active types are saved, not shown");
    assert_eq!(got.header("mediacask-digest"), entry["digest"].as_str());
    assert_eq!(got.header("mediacask-metadata"), Some("a=1,k%20%C3%A9=v%2C%3D"));
    assert_eq!(got.header("mediacask-expires-at"), entry["expires_at"].as_str());
    assert_eq!(ask(&served, "reader", "GET", "/accounts/m/entries/d/é/1%25", &[], None).json(), entry);
    assert_eq!(ask(&served, "reader", "GET", name, &[("Range", "bytes=1-1")], None).body, b"b");
    let found = format!("/accounts/m/digests/{}", entry["digest"].as_str().unwrap());
    assert_eq!(ask(&served, "reader", "GET", &found, &[], None).json()["names"][0]["entry"], entry);
    served.forward(Duration::from_mins(1));
    assert_eq!(word(&ask(&served, "reader", "GET", name, &[], None)), says(404, "not_found"));
}

#[test]
fn conditions_hold_or_nothing_changes() {
    let served = Served::start(TOKENS);
    let name = "/accounts/m/blobs/a";
    let first = put(&served, name, &[("If-None-Match", "*")], b"one");
    let tag = first.header("etag").unwrap().to_owned();
    let failed = says(412, "precondition_failed");
    assert_eq!(word(&put(&served, name, &[("If-None-Match", "*")], b"two")), failed);
    assert_eq!(put(&served, name, &[("If-Match", &format!("\"x\", {tag}"))], b"two").status, 200);
    assert_eq!(word(&put(&served, name, &[("If-Match", &tag)], b"three")), failed);
    assert_eq!(word(&put(&served, "/accounts/m/blobs/b", &[("If-Match", "*")], b"three")), failed);
    let digest = mediacask::Digest::of(b"two").to_string();
    let changed = json!({ "if_match": digest, "content_type": "text/plain", "set_metadata": { "k": "v" } });
    let updated = json_of(&served, "writer", "PATCH", name, &changed);
    assert_eq!((updated.status, &updated.json()["content_type"]), (200, &json!("text/plain")));
    assert_eq!(
        json_of(&served, "writer", "PATCH", name, &json!({ "content_type": null })).json()["content_type"],
        json!(null)
    );
    assert_eq!(word(&ask(&served, "writer", "DELETE", name, &[("If-Match", &tag)], None)), failed);
    assert_eq!(ask(&served, "writer", "DELETE", name, &[("Mediacask-If-Match", &digest)], None).status, 204);
    assert_eq!(word(&ask(&served, "writer", "DELETE", name, &[], None)), says(404, "not_found"));
    for (header, value) in [
        ("If-None-Match", "\"x\""),
        ("If-Unmodified-Since", "Fri, 26 Apr 2013 05:41:35 GMT"),
        ("Mediacask-If-Macth", "*"),
        ("Mediacask-Ttl-Ms", "+5"),
        ("Mediacask-Expect-Md5", "ab"),
        ("Mediacask-Limit-Count", "3"),
        ("Mediacask-Metadata", "novalue"),
    ] {
        assert_eq!(word(&put(&served, name, &[(header, value)], b"x")), says(400, "invalid_option"), "{header}");
    }
    let wrong = [("Mediacask-Expect-Digest", digest.as_str())];
    assert_eq!(word(&put(&served, name, &wrong, b"one")), says(400, "digest_mismatch"));
    assert_eq!(word(&put(&served, name, &[], &vec![0; 1_000_001])), says(413, "too_large"));
    assert_eq!(word(&put(&served, "/accounts/m/blobs/", &[], b"x")), says(400, "invalid_name"));
    assert_eq!(word(&put(&served, "/accounts/m/blobs/a%00", &[], b"x")), says(400, "invalid_name"));
    let page = ask(&served, "reader", "GET", "/accounts/m/blobs", &[], None).json();
    assert_eq!(page, json!({ "entries": [], "prefixes": [], "next_token": null }));
}

#[test]
fn batches_are_all_or_nothing_and_listings_go_on_by_their_tokens() {
    let served = Served::start(TOKENS);
    let operations = json!({ "operations": [
        { "put": { "name": "img/1", "base64": "AP8=", "options": { "content_type": "image/png" } } },
        { "put": { "name": "img/2", "text": "é" } },
        { "put": { "name": "z", "text": "" } },
        { "delete": { "name": "absent" } },
    ] });
    let done = json_of(&served, "writer", "POST", "/accounts/m/batch", &operations).json();
    assert_eq!((&done["outcomes"][0]["put"]["size"], &done["outcomes"][3]), (&json!(2), &json!({ "deleted": false })));
    let refused = json!({ "operations": [
        { "delete": { "name": "z" } },
        { "put": { "name": "img/1", "text": "x", "options": { "if_absent": true } } },
    ] });
    let reply = json_of(&served, "writer", "POST", "/accounts/m/batch", &refused);
    assert_eq!(word(&reply), says(412, "precondition_failed"));
    let large = json!({ "operations": [{ "put": { "name": "l", "text": "x".repeat(10_000) } }] });
    assert_eq!(word(&json_of(&served, "writer", "POST", "/accounts/m/batch", &large)), says(413, "too_large"));
    let list = |query: &str| ask(&served, "reader", "GET", &format!("/accounts/m/blobs?{query}"), &[], None);
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("limit=1&{token}")).json();
        names.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["name"].clone()));
        let Some(next) = page["next_token"].as_str() else { break };
        token = format!("token={next}");
    }
    assert_eq!(names, ["img/1", "img/2", "z"]);
    let page = list("delimiter=%2F&prefix=").json();
    assert_eq!((&page["prefixes"], &page["entries"][0]["name"]), (&json!(["img/"]), &json!("z")));
    assert_eq!(list("created_to=2020-01-01T00%3A00%3A00Z").json()["entries"], json!([]));
    assert_eq!(word(&list("token=x")), says(400, "invalid_token"));
    for query in ["limit=0", "limit=x", "prefix=a&prefix=b", "perfix=a", "created_from=yesterday"] {
        assert_eq!(word(&list(query)), says(400, "invalid_option"), "{query}");
    }
    assert_eq!(word(&ask(&served, "writer", "DELETE", "/accounts/m/blobs", &[], None)), says(400, "invalid_option"));
    let purged = ask(&served, "writer", "DELETE", "/accounts/m/blobs?prefix=img%2F", &[], None);
    assert_eq!(purged.json(), json!({ "count": 2 }));
    let policy = json!({ "quota_count": 1, "default_ttl_ms": 5000 });
    let set = json_of(&served, "admin", "PUT", "/accounts/m/policy", &policy).json();
    assert_eq!((&set["quota_count"], &set["largest_blob"]), (&json!(1), &json!(null)));
    assert_eq!(word(&put(&served, "/accounts/m/blobs/more", &[], b"x")), says(507, "quota_exceeded"));
    let account = ask(&served, "reader", "GET", "/accounts/m", &[], None).json();
    assert_eq!((&account["count"], &account["policy"]["default_ttl_ms"]), (&json!(1), &json!(5000)));
}

/// The frames of a stream of events, read one at a time.
pub(crate) struct Frames(pub(crate) BufReader<UnixStream>);

impl Frames {
    /// The fields of the next frame that has an event, and its id; heartbeats move the id alone.
    pub(crate) fn next(&mut self) -> Option<(String, String, Value)> {
        let (mut id, mut event, mut data) = (String::new(), String::new(), None);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            // The last chunk. What frames the others has no colon.
            if line == "0\r\n" {
                return None;
            }
            match line.trim_end().split_once(':') {
                Some(("id", text)) => text.trim().clone_into(&mut id),
                Some(("event", text)) => text.trim().clone_into(&mut event),
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                _ => {}
            }
            if line == "\n"
                && let Some(data) = data.take()
            {
                return Some((id, event, data));
            }
        }
    }
}

/// A gateway on a Unix socket, and requests on it.
pub(crate) struct OnSocket {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) store: Store,
    dir: tempfile::TempDir,
}

impl OnSocket {
    pub(crate) fn start() -> OnSocket {
        OnSocket::start_with(TOKENS)
    }

    pub(crate) fn start_with(config: &str) -> OnSocket {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let listen = format!("unix:{}", dir.path().join("socket").display());
        let overrides = Overrides { listen: Some(listen), ..Overrides::default() };
        let config = Config::parse(config, &dir.path().join("gateway.toml"), &overrides).unwrap();
        let gateway = Gateway::start(store.clone(), Clock::system(), config).unwrap();
        OnSocket { gateway: Some(gateway), store, dir }
    }

    fn connect(&self, request: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.dir.path().join("socket")).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The status of a GET.
    pub(crate) fn status(&self, path: &str, header: &str) -> u16 {
        let request = format!(
            "GET {API}{path} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer reader\r\n{header}Connection: close\r\n\r\n"
        );
        let mut line = String::new();
        BufReader::new(self.connect(&request)).read_line(&mut line).unwrap();
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {line:?}"))
    }

    pub(crate) fn follow(&self, query: &str, header: &str) -> Frames {
        let request = format!(
            "GET {API}/accounts/m/events{query} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer reader\r\n{header}\r\n"
        );
        let mut frames = Frames(BufReader::new(self.connect(&request)));
        let mut line = String::new();
        frames.0.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            frames.0.read_line(&mut line).unwrap();
        }
        frames
    }

    pub(crate) fn stop(&mut self) {
        self.gateway.take().unwrap().stop();
        self.store.close().unwrap();
    }
}

#[test]
fn the_workers_of_one_machine_share_a_store_by_a_socket() {
    let mut on = OnSocket::start();
    let put = format!(
        "PUT {API}/accounts/m/blobs/a HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer writer\r\nConnection: close\r\n\
         Content-Length: 5\r\n\r\nhello"
    );
    let mut answer = String::new();
    on.connect(&put).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(&on.store.account("m").unwrap().get("a").unwrap().unwrap()[..], b"hello");
    on.stop();
    assert!(!on.dir.path().join("socket").exists());
}

#[test]
fn events_are_told_as_they_happen_and_from_where_a_client_was() {
    let mut on = OnSocket::start();
    let (media, other) = (on.store.account("m").unwrap(), on.store.account("o").unwrap());
    media.put("a", "1", &mediacask::PutOptions::new()).unwrap();
    let mut frames = on.follow("?after=0", "");
    let (first, kind, event) = frames.next().unwrap();
    assert_eq!((kind.as_str(), &event["name"], &event["sequence"].to_string()), ("put", &json!("a"), &first));
    other.put("b", "2", &mediacask::PutOptions::new()).unwrap();
    media.delete("a", &mediacask::DeleteOptions::new()).unwrap();
    let (second, kind, event) = frames.next().unwrap();
    assert_eq!((kind.as_str(), &event["account"]), ("delete", &json!("m")), "events of others are not told");
    // More than are read at a time, to one who comes back.
    for number in 0..200 {
        media.put(&number.to_string(), "x", &mediacask::PutOptions::new()).unwrap();
    }
    let mut again = on.follow("?after=0", &format!("Last-Event-ID: {second}\r\n"));
    for number in 0..200 {
        assert_eq!(again.next().unwrap().2["name"], json!(number.to_string()));
    }
    on.stop();
    assert_eq!(again.next(), None, "the stream ends with the gateway, and in good order");
}

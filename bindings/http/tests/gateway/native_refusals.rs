//! The native API, where it says no, or nothing: mistakes that must not pass for something else, what belongs to
//! others, streams of events that are quiet, or over.

use std::io::{BufRead as _, Read as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mediacask::{DeleteOptions, PutOptions};
use mediacask_http::{Config, Overrides};
use serde_json::{Value, json};

use crate::native::{OnSocket, TOKENS, ask, json_of, put, says, word};
use crate::support::Served;

const NAME: &str = "/accounts/m/blobs/a";

#[test]
fn a_get_is_conditional_and_partial_as_http_has_it_and_its_mistakes_are_told() {
    let served = Served::start(TOKENS);
    let tag = put(&served, NAME, &[], b"0123456789").header("etag").unwrap().to_owned();
    let get = |headers: &[(&str, &str)]| ask(&served, "reader", "GET", NAME, headers, None);
    let not_modified = get(&[("If-None-Match", &format!("\"x\", W/{tag}"))]);
    assert_eq!((not_modified.status, not_modified.header("etag")), (304, Some(tag.as_str())));
    assert_eq!(get(&[("If-None-Match", "*")]).status, 304);
    assert_eq!(get(&[("If-None-Match", "\"x\"")]).status, 200);
    assert_eq!(word(&get(&[("If-Match", "\"x\"")])), says(412, "precondition_failed"));
    assert_eq!(get(&[("If-Match", &tag)]).body, b"0123456789");
    let part = get(&[("Range", "bytes=-3")]);
    assert_eq!(
        (part.status, part.body.as_slice(), part.header("content-range")),
        (206, &b"789"[..], Some("bytes 7-9/10"))
    );
    let beyond = get(&[("Range", "bytes=10-")]);
    assert_eq!(beyond.header("content-range"), Some("bytes */10"));
    assert_eq!(word(&beyond), says(416, "range_not_satisfiable"));
    assert_eq!(get(&[("Range", "bytes=0-1"), ("If-Range", "\"x\"")]).status, 200);
    assert_eq!(get(&[("Range", "bytes=0-1"), ("If-Range", &tag)]).status, 206);
    assert_eq!(get(&[("Range", "lines=0-1")]).status, 200, "a unit that is not known is passed over");
    for (header, value) in [
        ("If-Match", "x"),
        ("If-None-Match", ""),
        ("If-None-Match", "\"x"),
        ("If-Range", "x"),
        ("Range", ""),
        ("Range", "bytes=5-2"),
        ("Range", "bytes=a-b"),
    ] {
        assert_eq!(word(&get(&[(header, value)])), says(400, "invalid_option"), "{header}: {value}");
    }
    for method in ["PUT", "DELETE"] {
        let reply = ask(&served, "writer", method, NAME, &[("If-Match", "x")], Some(b""));
        assert_eq!(word(&reply), says(400, "invalid_option"), "{method}");
    }
    assert_eq!(get(&[]).body, b"0123456789");
}

#[test]
fn what_was_left_out_by_mistake_is_not_taken_for_none() {
    let served = Served::start(TOKENS);
    put(&served, NAME, &[], b"1");
    let policy = json!({ "quota_count": 7.0 });
    assert_eq!(json_of(&served, "admin", "PUT", "/accounts/m/policy", &policy).status, 200);
    let refused = says(400, "invalid_option");
    for (method, path) in [("PUT", "/accounts/m/policy"), ("PATCH", NAME), ("POST", "/accounts/m/copy")] {
        assert_eq!(word(&ask(&served, "admin", method, path, &[], Some(b""))), refused, "{method} {path}");
        assert_eq!(word(&json_of(&served, "admin", method, path, &json!([]))), refused, "{method} {path}");
    }
    for body in [
        json!({ "if_match": null }),
        json!({ "if_generation": null }),
        json!({ "ttl_ms": null }),
        json!({ "ttl_ms": 1.5 }),
    ] {
        assert_eq!(word(&json_of(&served, "writer", "PATCH", NAME, &body)), refused, "{body}");
    }
    let batch = |options: Value| json!({ "operations": [{ "put": { "name": "b", "text": "", "options": options } }] });
    for options in [json!({ "if_match": null }), json!([]), json!(null)] {
        assert_eq!(word(&json_of(&served, "writer", "POST", "/accounts/m/batch", &batch(options))), refused);
    }
    assert_eq!(word(&put(&served, NAME, &[("Mediacask-Metadata", "")], b"2")), refused);
    assert_eq!(ask(&served, "reader", "GET", NAME, &[], None).body, b"1");
    let policy = ask(&served, "reader", "GET", "/accounts/m/policy", &[], None).json();
    assert_eq!(policy["quota_count"], json!(7));
}

#[test]
fn what_others_hold_is_not_told() {
    let served = Served::start(TOKENS);
    for account in ["m", "o"] {
        for name in ["1", "2"] {
            assert_eq!(put(&served, &format!("/accounts/{account}/blobs/{name}"), &[], b"shared").status, 200);
        }
    }
    let digest = mediacask::Digest::of(b"shared");
    let holders = |token: &str, path: &str| {
        let found = ask(&served, token, "GET", path, &[], None).json();
        let names = found["names"].as_array().unwrap().iter();
        names.map(|held| format!("{}/{}", held["account"], held["entry"]["name"])).collect::<Vec<_>>()
    };
    assert_eq!(holders("one", &format!("/accounts/m/digests/{digest}")), ["\"m\"/\"1\"", "\"m\"/\"2\""]);
    assert_eq!(holders("admin", &format!("/digests/{digest}")).len(), 4);
    let none = mediacask::Digest::of(b"nobody's");
    assert!(holders("one", &format!("/accounts/m/digests/{none}")).is_empty());
    // A listing's token is its account's.
    let page = ask(&served, "reader", "GET", "/accounts/m/blobs?limit=1", &[], None).json();
    let token = page["next_token"].as_str().unwrap();
    let list = |account: &str| {
        ask(&served, "reader", "GET", &format!("/accounts/{account}/blobs?limit=1&token={token}"), &[], None)
    };
    assert_eq!((list("m").status, word(&list("o"))), (200, says(400, "invalid_token")));
}

#[test]
fn a_stream_of_events_says_that_it_is_there_and_ends_with_its_token() {
    let mut on = OnSocket::start();
    let mut frames = on.follow("", "");
    let mut beats = 0;
    let mut line = String::new();
    while beats < 3 {
        line.clear();
        assert!(frames.0.read_line(&mut line).unwrap() > 0, "the stream ended");
        beats += usize::from(line.starts_with(": nothing new"));
    }
    for id in ["x", "-1", "1.5"] {
        let path = format!("/accounts/m/events?after={id}");
        assert_eq!(on.status(&path, ""), 400, "{path}");
        assert_eq!(on.status("/accounts/m/events", &format!("Last-Event-ID: {id}\r\n")), 400, "{id}");
    }
    let media = on.store.account("m").unwrap();
    media.put("a", "1", &PutOptions::new()).unwrap();
    assert_eq!(frames.next().unwrap().2["name"], json!("a"));
    // The configuration is read again, and the token is none of it.
    let text = "[[native.tokens]]\ntoken = \"writer\"\n";
    let config = Config::parse(text, "gateway.toml".as_ref(), &Overrides::default()).unwrap();
    on.gateway.as_ref().unwrap().configure(config).unwrap();
    media.delete("a", &DeleteOptions::new()).unwrap();
    // What was read before that was known may still come.
    while frames.next().is_some() {}
    on.stop();
}

#[test]
fn who_follows_and_stops_reading_holds_up_no_stop() {
    // With these a stop would wait for an hour.
    let patient = TOKENS.replace("stall_secs = 3", "stall_secs = 3600\nshutdown_secs = 3600");
    let mut on = OnSocket::start_with(&patient);
    let media = on.store.account("m").unwrap();
    // Far more than sockets and the gateway hold for a follower.
    for turn in 0..8 {
        let mut batch = media.batch();
        for number in 0..500 {
            batch.put(&format!("{turn}-{number}-{}", "x".repeat(1000)), "x", &PutOptions::new()).unwrap();
        }
        batch.commit().unwrap();
    }
    let mut frames = on.follow("?after=0", "");
    frames.0.read_exact(&mut vec![0; 500_000]).unwrap();
    let (told, stopped) = mpsc::channel();
    let stopping = thread::spawn(move || {
        on.stop();
        told.send(()).unwrap();
    });
    stopped.recv_timeout(Duration::from_mins(1)).expect("the stop waits for who does not read");
    stopping.join().unwrap();
}

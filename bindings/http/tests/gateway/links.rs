//! Signed links of the native API: by keys of one's own, which a service elsewhere has as well, and by the store's.

use std::time::Duration;

use mediacask::{Grant, Method, PutOptions, Signer};
use serde_json::json;

use crate::support::{Reply, Served};

const OLD: [u8; 32] = [0x0a; 32];
const NEW: [u8; 32] = [0x0b; 32];

/// A reader, a writer, and these keys, the first of which signs.
fn with(keys: &[(&str, [u8; 32])]) -> String {
    let key = |(id, secret): &(&str, [u8; 32])| {
        format!("[[signing.keys]]\nid = \"{id}\"\nsecret = \"{}\"\n", data_encoding::HEXLOWER.encode(secret))
    };
    "log = { requests = \"off\" }\n[[native.tokens]]\ntoken = \"reader\"\naccounts = [\"m\"]\n".to_owned()
        + &keys.iter().map(key).collect::<String>()
}

/// A gateway with these keys and a name to be read.
fn serving(keys: &[(&str, [u8; 32])]) -> Served {
    let served = Served::start(&with(keys));
    let options = PutOptions::new().content_type("image/png");
    served.store.account("m").unwrap().put("img/é.png", b"bytes", &options).unwrap();
    served
}

/// Asks for the name with this grant, and without credentials.
fn show(served: &Served, method: &str, grant: &str) -> Reply {
    served.send(method, &format!("/mediacask/v1/accounts/m/blobs/img/%C3%A9.png?grant={grant}"), &[], None)
}

fn refused(served: &Served, grant: &str) -> (u16, String) {
    let reply = show(served, "GET", grant);
    (reply.status, reply.json()["error"].as_str().unwrap().to_owned())
}

/// What a service with this key signs, by the gateway's clock.
fn signed(served: &Served, id: &str, secret: [u8; 32], grant: &Grant) -> String {
    let ahead = served.now().duration_since(std::time::SystemTime::now()).unwrap_or_default();
    let clock = mediacask::Clock::from_fn(move || std::time::SystemTime::now() + ahead);
    Signer::new(id, secret).unwrap().clock(clock).sign(grant).unwrap()
}

fn grant() -> Grant {
    Grant::new("m", "img/é.png")
}

#[test]
fn a_link_that_a_service_has_signed_is_served_for_four_hours() {
    let served = serving(&[("2026-11", NEW)]);
    let text = signed(&served, "2026-11", NEW, &grant());
    let reply = show(&served, "GET", &text);
    assert_eq!(
        (reply.status, reply.body.as_slice(), reply.header("content-type")),
        (200, &b"bytes"[..], Some("image/png"))
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(show(&served, "HEAD", &text).status, 200);
    let path = format!("/mediacask/v1/accounts/m/blobs/img%2F%C3%A9.png?utm_source=mail&grant={text}");
    let part = served.send("GET", &path, &[("Range", "bytes=1-2")], None);
    assert_eq!((part.status, part.body.as_slice()), (206, &b"yt"[..]));
    served.forward(Duration::from_mins(239));
    assert_eq!(show(&served, "GET", &text).status, 200);
    served.forward(Duration::from_mins(1));
    assert_eq!(refused(&served, &text), (403, "expired_token".into()));
    // What it grants is the name, not what it held.
    let text = signed(&served, "2026-11", NEW, &grant().ttl(Duration::from_hours(24)));
    served.store.account("m").unwrap().delete("img/é.png", &mediacask::DeleteOptions::new()).unwrap();
    assert_eq!(refused(&served, &text), (404, "not_found".into()));
}

#[test]
fn a_link_lets_nobody_do_anything_else() {
    let served = serving(&[("2026-11", NEW)]);
    let text = signed(&served, "2026-11", NEW, &grant());
    let blobs = "/mediacask/v1/accounts/m/blobs";
    for (method, path) in [
        ("PUT", format!("{blobs}/img/%C3%A9.png")),
        ("PATCH", format!("{blobs}/img/%C3%A9.png")),
        ("DELETE", format!("{blobs}/img/%C3%A9.png")),
        ("GET", blobs.to_owned()),
        ("GET", "/mediacask/v1/accounts/m/entries/img/%C3%A9.png".into()),
        ("GET", "/mediacask/v1/accounts/m/events".into()),
        ("GET", "/mediacask/v1/stats".into()),
    ] {
        let reply = served.send(method, &format!("{path}?grant={text}"), &[], Some(b"{}"));
        assert_eq!(reply.status, 401, "{method} {path}");
    }
    for (account, name) in [("m", "img/e.png"), ("n", "img/%C3%A9.png"), ("m", "img")] {
        let reply =
            served.send("GET", &format!("/mediacask/v1/accounts/{account}/blobs/{name}?grant={text}"), &[], None);
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_token")), "{account} {name}");
    }
    let head = signed(&served, "2026-11", NEW, &grant().method(Method::Head));
    assert_eq!(show(&served, "HEAD", &head).status, 200);
    assert_eq!(refused(&served, &head), (400, "invalid_token".into()));
    let moved: String = text.chars().rev().collect();
    for altered in ["", "x", &text[1..], &format!("{text}A"), &format!("{text}&grant={text}"), &moved] {
        assert_eq!(show(&served, "GET", altered).status, 400, "{altered}");
    }
    // A link that does not hold is not saved by a token that would.
    let path = format!("{blobs}/img/%C3%A9.png");
    let bearer = [("Authorization", "Bearer reader")];
    assert_eq!(served.send("GET", &format!("{path}?grant=x"), &bearer, None).status, 400);
    assert_eq!(served.send("GET", &path, &bearer, None).status, 200);
    assert_eq!(served.store.account("m").unwrap().head("img/é.png").unwrap().unwrap().size, 5);
}

#[test]
fn keys_are_changed_without_refusing_what_is_under_way() {
    let served = serving(&[("2026-10", OLD)]);
    let foreign = signed(&served, "2026-11", NEW, &grant());
    assert_eq!(refused(&served, &foreign), (403, "unknown_key".into()));
    let old = signed(&served, "2026-10", OLD, &grant());
    served.configure(&with(&[("2026-11", NEW), ("2026-10", OLD)]));
    assert_eq!((show(&served, "GET", &old).status, show(&served, "GET", &foreign).status), (200, 200));
    served.configure(&with(&[("2026-11", NEW)]));
    assert_eq!(refused(&served, &old), (403, "unknown_key".into()));
    assert_eq!(show(&served, "GET", &foreign).status, 200);
    // The id of a key with the secret of another.
    let wrong = signed(&served, "2026-11", OLD, &grant());
    assert_eq!(refused(&served, &wrong), (400, "invalid_token".into()));
    // What the store's own key has signed holds beside them.
    let own = served.store.signer().unwrap().sign(&grant()).unwrap();
    assert_eq!(show(&served, "GET", &own).status, 200);
}

#[test]
fn who_may_read_has_links_signed_here_as_well() {
    for keys in [&[][..], &[("2026-11", NEW)]] {
        let served = serving(keys);
        let sign = |path: &str, token: &str, body: &serde_json::Value| {
            let headers = [("Authorization", token), ("Content-Type", "application/json")];
            served.send(
                "POST",
                &format!("/mediacask/v1/accounts/{path}/grants"),
                &headers,
                Some(body.to_string().as_bytes()),
            )
        };
        let reply = sign("m", "Bearer reader", &json!({ "name": "img/é.png" }));
        let made = reply.json();
        let url = made["url"].as_str().unwrap();
        assert_eq!(
            (reply.status, url.starts_with("http://gateway.test/mediacask/v1/accounts/m/blobs/img%2F")),
            (200, true)
        );
        let path = url.strip_prefix("http://gateway.test").unwrap();
        assert_eq!(served.send("GET", path, &[], None).body, b"bytes");
        if !keys.is_empty() {
            let elsewhere = Signer::new("2026-11", NEW).unwrap();
            elsewhere.verify(made["grant"].as_str().unwrap(), "m", "img/é.png", Method::Get).unwrap();
        }
        let until: jiff::Timestamp = made["expires_at"].as_str().unwrap().parse().unwrap();
        let left = std::time::SystemTime::from(until).duration_since(served.now()).unwrap();
        assert!(left <= Duration::from_hours(4) && left > Duration::from_mins(230), "{left:?}");
        let head =
            sign("m", "Bearer reader", &json!({ "name": "img/é.png", "method": "head", "ttl_ms": 60_000 })).json();
        let head = head["grant"].as_str().unwrap();
        assert_eq!((show(&served, "HEAD", head).status, show(&served, "GET", head).status), (200, 400));
        served.forward(Duration::from_mins(2));
        assert_eq!(show(&served, "HEAD", head).status, 403);
        assert_eq!(sign("n", "Bearer reader", &json!({ "name": "a" })).status, 403);
        assert_eq!(sign("m", "Bearer wrong", &json!({ "name": "a" })).status, 401);
        for wrong in [
            json!({}),
            json!({ "name": "" }),
            json!({ "name": "a", "ttl_ms": 0 }),
            json!({ "name": "a", "method": "put" }),
        ] {
            assert_eq!(sign("m", "Bearer reader", &wrong).status, 400, "{wrong}");
        }
    }
}

#[test]
fn links_to_protected_media_are_signed_by_the_same_keys() {
    let sid = format!("AC{}", "1".repeat(32));
    let twilio = format!("[[twilio.accounts]]\nsid = \"{sid}\"\nauth_token = \"t\"\nprotect_media = true\n");
    let served = Served::start(&(with(&[("2026-11", NEW)]) + &twilio));
    let basic = crate::support::basic(&sid, "t");
    let message = format!("MM{}", "a".repeat(32));
    let media = format!("/2010-04-01/Accounts/{sid}/Messages/{message}/Media");
    let made =
        served.send("POST", &media, &[("Authorization", &basic), ("Content-Type", "image/png")], Some(b"medium"));
    let medium = format!("{media}/{}", made.json()["sid"].as_str().unwrap());
    let location = served.send("GET", &medium, &[("Authorization", &basic)], None);
    let link = location.header("location").unwrap();
    assert_eq!(served.send("GET", link, &[], None).body, b"medium");
    let name = medium.split_once("/Messages/").unwrap().1.replace("/Media/", "/");
    let given = link.split_once("Grant=").unwrap().1;
    let elsewhere = Signer::new("2026-11", NEW).unwrap();
    elsewhere.verify(given, &format!("twilio:{sid}"), &name, Method::Get).unwrap();
    let minted = elsewhere.sign(&Grant::new(format!("twilio:{sid}"), name)).unwrap();
    assert_eq!(served.send("GET", &format!("{medium}?Grant={minted}"), &[], None).body, b"medium");
    served.configure(&(with(&[]) + &twilio));
    assert_eq!(served.send("GET", &format!("{medium}?Grant={minted}"), &[], None).status, 403);
}

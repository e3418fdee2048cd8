//! Twilio's outgoing messages: media that are fetched, all or none, from where that is allowed, and once only while
//! they stay what they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::origin::{Origin, answer};
use crate::support::Reply;
use crate::twilio::{A, Twilio, is_refused, sids};

/// Fetching from this machine is allowed: the origins of the tests are there.
const HERE: &str = "private_addresses = true\n";

fn create(twilio: &Twilio, fields: &[(&str, &str)]) -> Reply {
    let escaped = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    let form: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let path = format!("/2010-04-01/Accounts/{A}/Messages.json");
    twilio.send("POST", &path, &headers, Some(form.join("&").as_bytes()))
}

/// The names that the store holds for the account.
fn names(twilio: &Twilio) -> Vec<String> {
    let account = twilio.served.store.account(&format!("twilio:{A}")).unwrap();
    account.entries(mediacask::ListOptions::new()).map(|entry| entry.unwrap().name).collect()
}

#[test]
fn a_message_is_answered_as_queued_and_its_media_are_stored_in_their_order() {
    let origin = Origin::start(|head| match head.split(' ').nth(1).unwrap() {
        "/untyped" => answer("200 OK", "", b"untyped"),
        path => answer("200 OK", "Content-Type: image/png\r\n", path.as_bytes()),
    });
    let twilio = Twilio::with(A, HERE);
    let (one, two, three) = (origin.url("/1?a=b"), origin.url("/2"), origin.url("/untyped"));
    let fields = [("To", "+1555"), ("From", "+1556"), ("Body", "Hi é + &"), ("MediaUrl", &one), ("MediaUrl", &two)];
    let reply = create(&twilio, &[&fields[..], &[("MediaUrl", &three)]].concat());
    assert_eq!(reply.status, 201, "{reply:?}");
    let message = reply.json();
    let sid = message["sid"].as_str().unwrap();
    assert!((sid.starts_with("MM") || sid.starts_with("SM")) && sid.len() == 34, "{sid}");
    for (key, value) in [
        ("account_sid", A),
        ("to", "+1555"),
        ("from", "+1556"),
        ("body", "Hi é + &"),
        ("num_media", "3"),
        ("num_segments", "1"),
        ("status", "queued"),
        ("api_version", "2010-04-01"),
        ("direction", "outbound-api"),
    ] {
        assert_eq!(message[key], value, "{key}");
    }
    for key in ["date_sent", "error_code", "error_message", "price", "price_unit", "messaging_service_sid"] {
        assert!(message.as_object().unwrap().contains_key(key) && message[key].is_null(), "{key}");
    }
    for key in ["date_created", "date_updated"] {
        assert!(message[key].as_str().unwrap().ends_with(" +0000"), "{key}");
    }
    assert_eq!(message["uri"], format!("/2010-04-01/Accounts/{A}/Messages/{sid}.json"));
    let media = message["subresource_uris"]["media"].as_str().unwrap();
    assert_eq!(media, twilio.path(sid, ".json"));
    let listed = sids(&twilio.get(media).json());
    let contents: Vec<_> = listed.iter().map(|medium| twilio.get(&twilio.path(sid, &format!("/{medium}")))).collect();
    let bodies: Vec<_> = contents.iter().map(|reply| String::from_utf8_lossy(&reply.body).into_owned()).collect();
    assert_eq!(bodies, ["/1?a=b", "/2", "untyped"]);
    assert_eq!(contents[0].header("content-type"), Some("image/png"));
    assert_eq!(contents[2].header("content-type"), Some("application/octet-stream"));
    let asked = &origin.asked()[0];
    assert!(asked.starts_with("GET /1?a=b HTTP/1.1"), "{asked}");
    assert!(!asked.to_ascii_lowercase().contains("authorization"), "{asked}");
}

#[test]
fn a_message_needs_one_to_send_to_and_no_media() {
    let twilio = Twilio::new(A);
    is_refused(&create(&twilio, &[("From", "+1"), ("Body", "x")]), 400, 20001);
    is_refused(&create(&twilio, &[("To", "")]), 400, 20001);
    let plain = create(&twilio, &[("To", "+1"), ("Body", &"x".repeat(161))]).json();
    assert_eq!((&plain["num_media"], &plain["num_segments"]), (&"0".into(), &"2".into()));
    assert!(plain["sid"].as_str().unwrap().starts_with("SM"));
    let list = twilio.get(plain["subresource_uris"]["media"].as_str().unwrap()).json();
    assert_eq!(sids(&list), Vec::<String>::new());
    let wide = create(&twilio, &[("To", "+1"), ("Body", &"é".repeat(71))]).json();
    assert_eq!(wide["num_segments"], "2");
    let path = format!("/2010-04-01/Accounts/{A}/Messages.json");
    is_refused(&twilio.send("POST", &path, &[], Some(b"To=%zz")), 400, 20001);
    is_refused(&twilio.send("POST", &path, &[], Some(b"To=\xff")), 400, 20001);
    is_refused(&twilio.send("POST", &path, &[], Some(&vec![b'x'; 300 << 10])), 400, 20001);
    is_refused(&twilio.get(&path), 405, 20004);
}

#[test]
fn a_message_gets_all_of_its_media_or_none() {
    let origin = Origin::start(|head| match head.split(' ').nth(1).unwrap() {
        "/missing" => answer("404 Not Found", "", b"no"),
        "/large" => answer("200 OK", "", &vec![7; 5_242_880]),
        "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort".to_vec(),
        "/endless" => [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &vec![7; 5_242_881]].concat(),
        "/said" => b"HTTP/1.1 200 OK\r\nContent-Length: 5242881\r\n\r\n".to_vec(),
        "/nonsense" => b"220 smtp.example.com\r\n".to_vec(),
        "/gzip" => answer("200 OK", "Content-Encoding: gzip\r\n", b"zip"),
        "/unasked" => answer("304 Not Modified", "", b""),
        _ => answer("200 OK", "Content-Type: a/b\r\nETag: \"v\"\r\n", b"good"),
    });
    let twilio = Twilio::with(A, HERE);
    let good = origin.url("/good");
    for bad in ["/missing", "/large", "/short", "/endless", "/said", "/nonsense", "/gzip", "/unasked"] {
        let bad = origin.url(bad);
        is_refused(&create(&twilio, &[("To", "+1"), ("MediaUrl", &good), ("MediaUrl", &bad)]), 400, 20001);
        assert_eq!(names(&twilio), Vec::<String>::new(), "{bad}");
    }
    let eleven: Vec<_> = [("To", "+1")].into_iter().chain([("MediaUrl", good.as_str()); 11]).collect();
    is_refused(&create(&twilio, &eleven), 400, 20001);
    assert_eq!(names(&twilio), Vec::<String>::new());
    let ten = create(&twilio, &eleven[..11]);
    assert_eq!((ten.status, &ten.json()["num_media"]), (201, &"10".into()));
    let whole = origin.url("/large");
    assert_eq!(create(&twilio, &[("To", "+1"), ("MediaUrl", &whole)]).status, 201, "as much as a message may have");
}

#[test]
fn what_an_origin_still_has_is_not_fetched_again() {
    let changed = Arc::new(AtomicBool::new(false));
    let hand = changed.clone();
    let origin = Origin::start(move |head| {
        let tag = if hand.load(Ordering::SeqCst) { "\"v2\"" } else { "\"v1\"" };
        let dated = head.contains(" /dated ");
        let known = head.to_ascii_lowercase();
        let same = known.contains(&format!("if-none-match: {tag}"))
            || (dated && known.contains("if-modified-since: fri, 26 apr 2013 05:41:35 gmt"));
        match (same, dated) {
            (true, _) => b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec(),
            (_, true) => answer("200 OK", "Last-Modified: Fri, 26 Apr 2013 05:41:35 GMT\r\n", b"dated"),
            _ => answer("200 OK", &format!("Content-Type: text/plain\r\nETag: {tag}\r\n"), tag.as_bytes()),
        }
    });
    let twilio = Twilio::with(A, HERE);
    let fetched = |path: &str| {
        let url = origin.url(path);
        let reply = create(&twilio, &[("To", "+1"), ("MediaUrl", &url)]);
        assert_eq!(reply.status, 201, "{reply:?}");
        let list = twilio.get(reply.json()["subresource_uris"]["media"].as_str().unwrap()).json();
        let content = twilio.get(list["media_list"][0]["uri"].as_str().unwrap().strip_suffix(".json").unwrap());
        (String::from_utf8(content.body.clone()).unwrap(), content.header("content-type").unwrap().to_owned())
    };
    let plain = |text: &str| (text.to_owned(), "text/plain".to_owned());
    assert_eq!(fetched("/tagged"), plain("\"v1\""));
    assert!(!origin.asked()[0].to_ascii_lowercase().contains("if-none-match"));
    assert_eq!(fetched("/tagged"), plain("\"v1\""), "the stored copy");
    assert!(origin.asked()[1].to_ascii_lowercase().contains("if-none-match: \"v1\""), "{:?}", origin.asked());
    changed.store(true, Ordering::SeqCst);
    assert_eq!(fetched("/tagged"), plain("\"v2\""));
    assert_eq!(fetched("/dated").0, "dated");
    assert_eq!(fetched("/dated").0, "dated");
    assert!(origin.asked()[4].contains("Fri, 26 Apr 2013 05:41:35 GMT"), "{:?}", origin.asked());
    twilio.served.forward(std::time::Duration::from_hours(25));
    assert_eq!(fetched("/tagged"), plain("\"v2\""), "fetched anew when the copy is too old");
    assert!(!origin.asked()[5].to_ascii_lowercase().contains("if-none-match"));
}

#[test]
fn nobody_is_asked_but_who_may_be() {
    let origin = Origin::start(|_| answer("200 OK", "", b"secret"));
    let here = origin.url("/x");
    let refused = |twilio: &Twilio, url: &str| {
        let reply = create(twilio, &[("To", "+1"), ("MediaUrl", url)]);
        is_refused(&reply, 400, 20001);
        assert_eq!(names(twilio), Vec::<String>::new(), "{url}");
    };
    let cautious = Twilio::new(A);
    let port = here.rsplit(':').next().unwrap();
    for url in [
        here.as_str(),
        &format!("http://localhost:{port}"),
        &format!("http://[::ffff:127.0.0.1]:{port}"),
        &format!("http://0x7f.1:{port}"),
        &format!("http://2130706433:{port}"),
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://10.0.0.1/",
    ] {
        refused(&cautious, url);
    }
    let listed = Twilio::with(A, "private_addresses = true\nhosts = [\"media.example.com\"]\n");
    refused(&listed, &here);
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/x", "not a url", "", "http://", "data:,x", "//127.0.0.1/x"] {
        refused(&Twilio::with(A, HERE), url);
    }
    refused(&Twilio::with(A, HERE), &here.replace("http://", "http://user:password@"));
    assert_eq!(origin.asked(), Vec::<String>::new(), "nobody was connected to");
    // By HTTPS only those whose certificate can be trusted; this one has none.
    refused(&Twilio::with(A, &format!("{HERE}secs = 5\n")), &here.replace("http:", "https:"));
    let host = here.strip_prefix("http://").unwrap().strip_suffix("/x").unwrap();
    let allowed = Twilio::with(A, &format!("{HERE}hosts = [\"{host}\"]\n"));
    assert_eq!(create(&allowed, &[("To", "+1"), ("MediaUrl", &here)]).status, 201);
}

#[cfg(feature = "tls")]
#[test]
fn by_https_media_come_from_those_whose_certificate_can_be_traced_to_a_root() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/tls");
    let trusting = Twilio::with(A, &format!("{HERE}roots = \"{here}/root.pem\"\n"));
    let origin = Origin::start_tls("origin", |_| answer("200 OK", "Content-Type: image/png\r\n", b"by tls"));
    let url = origin.url("/a.png");
    let message = create(&trusting, &[("To", "+1"), ("MediaUrl", &url)]);
    assert_eq!(message.status, 201, "{message:?}");
    let list = trusting.get(message.json()["subresource_uris"]["media"].as_str().unwrap()).json();
    let content = trusting.get(list["media_list"][0]["uri"].as_str().unwrap().strip_suffix(".json").unwrap());
    assert_eq!((content.body.as_slice(), content.header("content-type")), (&b"by tls"[..], Some("image/png")));
    assert!(origin.asked()[0].starts_with("GET /a.png HTTP/1.1"), "{:?}", origin.asked());

    // Without the root nobody vouches for it; with it, still not for another host, an old one, or one that nobody
    // signed.
    let cautious = Twilio::with(A, HERE);
    let refused = |twilio: &Twilio, url: &str, why: &str| {
        let names = names(twilio);
        let reply = create(twilio, &[("To", "+1"), ("MediaUrl", url)]);
        is_refused(&reply, 400, 20001);
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("cannot be reached by TLS") && message.contains(why), "{message}");
        assert_eq!(self::names(twilio), names);
    };
    refused(&cautious, &url, "UnknownIssuer");
    assert_eq!(origin.asked().len(), 1, "it was told nothing");
    for (certificate, why) in
        [("elsewhere", "not valid for name"), ("expired", "certificate expired"), ("certificate", "UnknownIssuer")]
    {
        let origin = Origin::start_tls(certificate, |_| answer("200 OK", "", b"x"));
        refused(&trusting, &origin.url("/"), why);
        assert_eq!(origin.asked(), Vec::<String>::new(), "{certificate}");
    }
}

#[test]
fn what_is_too_long_to_be_kept_is_only_fetched_again() {
    let tag = format!("ETag: \"{}\"\r\n", "x".repeat(9000));
    let origin = Origin::start(move |_| answer("200 OK", &tag, b"medium"));
    let twilio = Twilio::with(A, HERE);
    let url = origin.url("/");
    for _ in 0..2 {
        let reply = create(&twilio, &[("To", "+1"), ("MediaUrl", &url)]);
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    assert_eq!(names(&twilio).len(), 2, "the media, and nothing beside");
    assert!(!origin.asked()[1].to_ascii_lowercase().contains("if-none-match"));
}

#[test]
fn redirects_stay_on_their_host_and_come_to_an_end() {
    let other = Origin::start(|_| answer("200 OK", "", b"elsewhere"));
    let away = other.url("/x");
    let origin = Origin::start(move |head| {
        let to = |location: &str| answer("302 Found", &format!("Location: {location}\r\n"), b"");
        match head.split(' ').nth(1).unwrap() {
            "/relative" => to("end?x"),
            "/away" => to(&away),
            "/round" => to("/round"),
            "/file" => to("file:///etc/passwd"),
            "/nowhere" => answer("302 Found", "", b""),
            path => answer("200 OK", "", path.as_bytes()),
        }
    });
    let twilio = Twilio::with(A, HERE);
    for bad in ["/away", "/round", "/file", "/nowhere"] {
        is_refused(&create(&twilio, &[("To", "+1"), ("MediaUrl", &origin.url(bad))]), 400, 20001);
    }
    assert_eq!((names(&twilio), other.asked()), (vec![], vec![]));
    let reply = create(&twilio, &[("To", "+1"), ("MediaUrl", &origin.url("/relative"))]).json();
    let list = twilio.get(reply["subresource_uris"]["media"].as_str().unwrap()).json();
    let content = twilio.get(list["media_list"][0]["uri"].as_str().unwrap().strip_suffix(".json").unwrap());
    assert_eq!(content.body, b"/end?x");
}

#[test]
fn an_origin_that_does_not_answer_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let twilio = Twilio::with(A, &format!("{HERE}secs = 1\n"));
    let url = format!("http://{}/", listener.local_addr().unwrap());
    is_refused(&create(&twilio, &[("To", "+1"), ("MediaUrl", &url)]), 400, 20001);
    assert_eq!(names(&twilio), Vec::<String>::new());
}

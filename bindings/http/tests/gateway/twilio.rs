//! Twilio's API: media and their resources, limits of a message, credentials, signed links.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Reply, Served, basic};

pub(crate) const A: &str = "AC11111111111111111111111111111111";
pub(crate) const PROTECTED: &str = "AC22222222222222222222222222222222";
pub(crate) const M: &str = "MMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const OTHER_M: &str = "SMbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const NO_S: &str = "ME00000000000000000000000000000000";

/// Two accounts, one of which is protected, and what tests of fetching need.
pub(crate) const TWILIO: &str = "
log = { requests = \"off\" }
[[twilio.accounts]]
sid = \"AC11111111111111111111111111111111\"
auth_token = \"twtoken1\"
[[twilio.accounts]]
sid = \"AC22222222222222222222222222222222\"
auth_token = \"twtoken2\"
protect_media = true
[twilio.fetch]
";

/// A gateway, and the account of the one who asks.
pub(crate) struct Twilio {
    pub(crate) served: Served,
    pub(crate) account: &'static str,
    pub(crate) authorization: String,
}

impl Twilio {
    pub(crate) fn new(account: &'static str) -> Twilio {
        Twilio::with(account, "")
    }

    /// With these lines behind the configuration.
    pub(crate) fn with(account: &'static str, more: &str) -> Twilio {
        let token = if account == A { "twtoken1" } else { "twtoken2" };
        let served = Served::start(&format!("{TWILIO}{more}"));
        Twilio { served, account, authorization: basic(account, token) }
    }

    pub(crate) fn path(&self, message: &str, rest: &str) -> String {
        format!("/2010-04-01/Accounts/{}/Messages/{message}/Media{rest}", self.account)
    }

    /// With credentials, the path as it is.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut all = vec![("Authorization", self.authorization.as_str())];
        all.extend_from_slice(headers);
        self.served.send(method, path, &all, body)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// Stores a medium; gives its SID.
    pub(crate) fn post(&self, message: &str, content_type: &str, body: &[u8]) -> String {
        let reply = self.send("POST", &self.path(message, ""), &[("Content-Type", content_type)], Some(body));
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) fn list(&self, message: &str) -> Vec<String> {
        sids(&self.get(&self.path(message, ".json?PageSize=1000")).json())
    }
}

/// The SIDs on a page.
pub(crate) fn sids(page: &Value) -> Vec<String> {
    let media = page["media_list"].as_array().unwrap();
    media.iter().map(|medium| medium["sid"].as_str().unwrap().to_owned()).collect()
}

/// Holds a refusal against what the SDKs read.
pub(crate) fn is_refused(reply: &Reply, status: u16, code: u64) {
    assert_eq!(reply.status, status, "{reply:?}");
    let error = reply.json();
    assert_eq!((&error["status"], &error["code"]), (&status.into(), &code.into()), "{error}");
    assert!(error["message"].is_string() && error["more_info"].as_str().unwrap().starts_with("https://"), "{error}");
    assert!(error.get("type").is_none() && error.get("title").is_none(), "{error}");
    assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
}

#[test]
fn a_medium_has_a_resource_as_json_and_as_xml_and_its_bytes() {
    let twilio = Twilio::new(A);
    let bytes: Vec<u8> = (0..=255).collect();
    let stored = twilio.send("POST", &twilio.path(M, ""), &[("Content-Type", "text/x; a=\"<&>\"")], Some(&bytes));
    assert_eq!(stored.status, 201, "{stored:?}");
    let resource = stored.json();
    let fields: Vec<_> = resource.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["account_sid", "content_type", "date_created", "date_updated", "parent_sid", "sid", "uri"];
    assert_eq!(fields, expected);
    let sid = resource["sid"].as_str().unwrap();
    assert!(sid.starts_with("ME") && sid.len() == 34, "{sid}");
    assert!(sid[2..].bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{sid}");
    assert_eq!((&resource["account_sid"], &resource["parent_sid"]), (&A.into(), &M.into()));
    assert_eq!(resource["content_type"], "text/x; a=\"<&>\"");
    for date in ["date_created", "date_updated"] {
        let date = resource[date].as_str().unwrap();
        // `Fri, 26 Apr 2013 05:41:35 +0000`
        assert!(date.len() == 31 && httpdate::parse_http_date(&date.replace("+0000", "GMT")).is_ok(), "{date}");
    }
    let uri = resource["uri"].as_str().unwrap();
    assert_eq!(uri, twilio.path(M, &format!("/{sid}.json")));
    let again = twilio.get(uri);
    assert_eq!((again.status, again.json()), (200, resource.clone()), "the identical document");
    let singular = uri.replace("/Messages/", "/Message/");
    assert_eq!(twilio.get(&singular).json(), resource);

    let xml = twilio.get(&uri.replace(".json", ".xml"));
    assert_eq!((xml.status, xml.header("content-type")), (200, Some("application/xml")));
    let text = String::from_utf8(xml.body).unwrap();
    let (_, inner) = text.split_once("<TwilioResponse><Media>").unwrap();
    let inner = inner.strip_suffix("</Media></TwilioResponse>").unwrap();
    let tags: Vec<_> = inner.split("</").skip(1).map(|part| part.split('>').next().unwrap()).collect();
    assert_eq!(tags, ["Sid", "AccountSid", "ParentSid", "ContentType", "DateCreated", "DateUpdated", "Uri"]);
    assert!(inner.contains("<ContentType>text/x; a=&quot;&lt;&amp;&gt;&quot;</ContentType>"), "{inner}");
    assert!(inner.ends_with(&format!("/Messages/{M}/Media/{sid}.xml</Uri>")), "{inner}");

    let content = twilio.get(uri.strip_suffix(".json").unwrap());
    assert_eq!((content.status, content.body), (200, bytes));
    let headers = content.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<_> = headers.filter(|(name, _)| ["content-type", "content-length"].contains(name)).collect();
    assert!(headers.contains(&("content-type", "text/x; a=\"<&>\"")) && headers.contains(&("content-length", "256")));
}

#[test]
fn what_the_sdks_send_along_changes_nothing() {
    let twilio = Twilio::new(A);
    let sid = twilio.post(M, "image/png", b"png");
    let path = twilio.path(M, &format!("/{sid}"));
    let along = [
        ("X-Twilio-Client", "python-9"),
        ("Accept-Charset", "utf-8"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "*/*"),
    ];
    assert_eq!(twilio.send("GET", &format!("{path}.json"), &along, None).status, 200);
    assert_eq!(twilio.send("GET", &path, &along, None).body, b"png");
    let deleted = twilio.send("DELETE", &format!("{path}.json"), &along, None);
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
}

#[test]
fn a_deleted_medium_is_gone_and_nothing_else_is() {
    let twilio = Twilio::new(A);
    let (first, second) = (twilio.post(M, "image/png", b"same"), twilio.post(M, "image/gif", b"same"));
    assert_ne!(first, second, "equal bytes are media of their own");
    let path = |sid: &str, end: &str| twilio.path(M, &format!("/{sid}{end}"));
    assert_eq!(twilio.send("DELETE", &path(&first, ".json"), &[], None).status, 204);
    is_refused(&twilio.send("DELETE", &path(&first, ".json"), &[], None), 404, 20404);
    is_refused(&twilio.get(&path(&first, "")), 404, 20404);
    is_refused(&twilio.get(&path(&first, ".json")), 404, 20404);
    assert_eq!(twilio.list(M), std::slice::from_ref(&second));
    let kept = twilio.get(&path(&second, ""));
    assert_eq!((kept.body.as_slice(), kept.header("content-type")), (&b"same"[..], Some("image/gif")));
    assert_eq!(twilio.send("DELETE", &path(&second, ""), &[], None).status, 204);
    is_refused(&twilio.send("DELETE", &path(&second, ""), &[], None), 404, 20404);
}

#[test]
fn media_stay_until_they_are_deleted() {
    let twilio = Twilio::new(A);
    let sid = twilio.post(M, "image/png", b"png");
    twilio.served.forward(Duration::from_hours(10 * 365 * 24));
    assert_eq!(twilio.get(&twilio.path(M, &format!("/{sid}"))).body, b"png");
    assert_eq!(twilio.list(M), [sid]);
}

#[test]
fn a_medium_is_found_under_its_own_message_and_account_only() {
    let twilio = Twilio::new(A);
    let sid = twilio.post(M, "image/png", b"png");
    for end in ["", ".json", ".xml"] {
        is_refused(&twilio.get(&twilio.path(OTHER_M, &format!("/{sid}{end}"))), 404, 20404);
        is_refused(&twilio.get(&twilio.path(M, &format!("/{NO_S}{end}"))), 404, 20404);
    }
    let elsewhere = twilio.path(M, &format!("/{sid}")).replace(A, PROTECTED);
    let other = basic(PROTECTED, "twtoken2");
    is_refused(&twilio.served.send("GET", &elsewhere, &[("Authorization", &other)], None), 404, 20404);
    is_refused(&twilio.send("DELETE", &twilio.path(OTHER_M, &format!("/{sid}.json")), &[], None), 404, 20404);
    let nobody = twilio.path(M, &format!("/{sid}")).replace(A, "AC99999999999999999999999999999999");
    is_refused(&twilio.served.send("GET", &nobody, &[], None), 404, 20404);
    for nowhere in ["MMaa", "XX00000000000000000000000000000000", "%2e%2e", "%zz"] {
        assert_eq!(twilio.get(&twilio.path(nowhere, ".json")).status, 404, "{nowhere}");
    }
    assert_eq!(twilio.get("/2010-04-01/Accounts").status, 404);
    is_refused(&twilio.send("PUT", &twilio.path(M, &format!("/{sid}")), &[], Some(b"x")), 405, 20004);
    is_refused(&twilio.send("PATCH", &twilio.path(M, ".json"), &[], Some(b"x")), 405, 20004);
    assert_eq!(twilio.get(&twilio.path(M, &format!("/{sid}"))).body, b"png");
}

#[test]
fn a_message_takes_ten_media_and_not_an_eleventh() {
    let twilio = Twilio::new(A);
    let mut stored: Vec<String> = (0..10u8).map(|n| twilio.post(M, "image/png", &[n])).collect();
    let eleventh = twilio.send("POST", &twilio.path(M, ""), &[("Content-Type", "image/png")], Some(b"11"));
    is_refused(&eleventh, 400, 21623);
    stored.sort();
    assert_eq!(twilio.list(M), stored, "what was there stays");
    assert_eq!(twilio.send("DELETE", &twilio.path(M, &format!("/{}.json", stored[0])), &[], None).status, 204);
    twilio.post(M, "image/png", b"in its place");
    twilio.post(OTHER_M, "image/png", b"of another message");
}

#[test]
fn a_message_takes_five_megabytes_in_all() {
    let twilio = Twilio::new(A);
    twilio.post(M, "video/mp4", &vec![1; 5_000_000]);
    let refused = |message: &str, len: usize| {
        let reply = twilio.send("POST", &twilio.path(message, ""), &[("Content-Type", "a/b")], Some(&vec![2; len]));
        assert_eq!(reply.status, 400, "{len}: {reply:?}");
        assert!(reply.json()["code"].is_u64());
    };
    refused(M, 242_881);
    assert_eq!(twilio.list(M).len(), 1);
    twilio.post(M, "a/b", &vec![2; 242_880]);
    refused(M, 1);
    refused(OTHER_M, 5_242_881);
    assert_eq!(twilio.list(OTHER_M), Vec::<String>::new());
    for n in 0..10u8 {
        twilio.post(OTHER_M, "a/b", &vec![n; 500_000]);
    }
    assert_eq!(twilio.list(OTHER_M).len(), 10);
}

#[test]
fn limits_hold_however_many_come_at_once() {
    let twilio = Twilio::new(A);
    let send = |n: usize, message: &str, len: usize| {
        let path = twilio.path(message, "");
        twilio.send("POST", &path, &[("Content-Type", "a/b")], Some(&vec![n as u8; len])).status
    };
    let statuses: Vec<Vec<u16>> = std::thread::scope(|scope| {
        let send = &send;
        let handles: Vec<_> = (0..12).map(|n| scope.spawn(move || vec![send(n, M, 9), send(n, M, 9)])).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let stored = statuses.concat().iter().filter(|status| **status == 201).count();
    assert_eq!((stored, twilio.list(M).len()), (10, 10));
    assert!(statuses.concat().iter().all(|status| [201, 400].contains(status)));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let send = &send;
        let handles: Vec<_> = (0..8).map(|n| scope.spawn(move || send(n, OTHER_M, 1_000_000))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 5);
    assert_eq!(twilio.list(OTHER_M).len(), 5);
}

#[test]
fn everything_but_public_bytes_needs_the_credentials_of_the_account() {
    let twilio = Twilio::new(A);
    let sid = twilio.post(M, "image/png", b"png");
    let messages = format!("/2010-04-01/Accounts/{A}/Messages.json");
    let asked = [
        ("GET", twilio.path(M, ".json")),
        ("GET", twilio.path(M, ".xml")),
        ("GET", twilio.path(M, &format!("/{sid}.json"))),
        ("GET", twilio.path(M, &format!("/{sid}.xml"))),
        ("GET", twilio.path(M, &format!("/{NO_S}.json"))),
        ("POST", twilio.path(M, "")),
        ("POST", messages),
        ("DELETE", twilio.path(M, &format!("/{sid}.json"))),
        ("DELETE", twilio.path(M, &format!("/{sid}"))),
        ("GET", format!("/2010-04-01/Accounts/{A}/Nothing")),
    ];
    let wrong = [
        None,
        Some(basic(A, "twtoken2")),
        Some(basic(A, "")),
        Some(basic("bwuser", "twtoken1")),
        Some("Basic !!!".to_owned()),
        Some("AccessKey twtoken1".to_owned()),
    ];
    for (method, path) in &asked {
        let body = (*method == "POST").then_some(&b"To=1"[..]);
        for authorization in &wrong {
            let header = authorization.as_deref().map(|value| ("Authorization", value));
            let header: Vec<_> = header.into_iter().collect();
            is_refused(&twilio.served.send(method, path, &header, body), 401, 20003);
        }
        // What is nowhere is nobody's.
        let (status, code) = if path.ends_with("/Nothing") { (404, 20404) } else { (403, 20403) };
        let foreign = basic(PROTECTED, "twtoken2");
        is_refused(&twilio.served.send(method, path, &[("Authorization", &foreign)], body), status, code);
    }
    let bytes = twilio.path(M, &format!("/{sid}"));
    let public = twilio.served.send("GET", &bytes, &[], None);
    assert_eq!((public.status, public.body.as_slice()), (200, &b"png"[..]));
    assert_eq!(twilio.served.send("HEAD", &bytes, &[], None).status, 200);
    assert_eq!(twilio.served.send("GET", &bytes, &[("Range", "bytes=1-")], None).body, b"ng");
    assert_eq!(twilio.list(M), [sid]);
}

#[test]
fn protected_bytes_are_given_out_by_a_link_that_holds_four_hours() {
    let twilio = Twilio::new(PROTECTED);
    let sid = twilio.post(M, "image/png", b"0123456789");
    let path = twilio.path(M, &format!("/{sid}"));
    let bare = |method: &str, path: &str| twilio.served.send(method, path, &[], None);
    is_refused(&bare("GET", &path), 401, 20003);
    let wrong = basic(PROTECTED, "twtoken1");
    is_refused(&twilio.served.send("GET", &path, &[("Authorization", &wrong)], None), 401, 20003);
    is_refused(&twilio.get(&twilio.path(M, &format!("/{NO_S}"))), 404, 20404);

    let redirect = twilio.get(&path);
    assert_eq!(redirect.status, 307, "{redirect:?}");
    let link = redirect.header("location").unwrap().to_owned();
    assert!(!link.contains("twtoken2") && !link.contains(&twilio.authorization["Basic ".len()..]), "{link}");
    let content = bare("GET", &link);
    assert_eq!((content.status, content.body.as_slice()), (200, &b"0123456789"[..]));
    assert_eq!(content.header("content-type"), Some("image/png"));
    let part = twilio.served.send("GET", &link, &[("Range", "bytes=2-4")], None);
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(bare("HEAD", &link).status, 200);
    assert_eq!(twilio.get(&link).body, b"0123456789", "with the credentials sent again, too");
    for method in ["DELETE", "PUT", "POST"] {
        assert!([401, 405].contains(&bare(method, &link).status), "{method}");
    }
    twilio.served.forward(Duration::from_mins(239));
    assert_eq!(bare("GET", &link).status, 200);
    twilio.served.forward(Duration::from_mins(1));
    is_refused(&bare("GET", &link), 403, 20403);
    let anew = twilio.get(&path).header("location").unwrap().to_owned();
    assert_eq!(bare("GET", &anew).body, b"0123456789");
    assert_eq!(twilio.send("DELETE", &format!("{path}.json"), &[], None).status, 204);
    is_refused(&bare("GET", &anew), 404, 20404);
}

#[test]
fn a_link_that_was_changed_in_whatever_way_is_refused() {
    let twilio = Twilio::new(PROTECTED);
    let (one, two) = (twilio.post(M, "image/png", b"one"), twilio.post(M, "image/png", b"two"));
    let elsewhere = twilio.post(OTHER_M, "image/png", b"elsewhere");
    let link = twilio.get(&twilio.path(M, &format!("/{one}"))).header("location").unwrap().to_owned();
    let (path, query) = link.split_once('?').unwrap();
    let refused = |link: &str| {
        let status = twilio.served.send("GET", link, &[], None).status;
        assert!((400..500).contains(&status), "{status}: {link}");
    };
    refused(path);
    refused(&format!("{path}?"));
    refused(&link.replace(&one, &two));
    refused(&link.replace(&one, &elsewhere).replace(M, OTHER_M));
    refused(&link.replace(PROTECTED, A));
    refused(&format!("{link}&{query}"));
    let (key, text) = query.split_once('=').unwrap();
    for at in 0..text.len() {
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        refused(&format!("{path}?{key}={}{other}{}", &text[..at], &text[at + 1..]));
        refused(&format!("{path}?{key}={}", &text[..at]));
    }
    refused(&format!("{path}?{key}={text}A"));
    refused(&format!("{path}?{key}={text}="));
    refused(&format!("{path}?{key}=%zz"));
    assert_eq!(twilio.served.send("GET", &link, &[], None).body, b"one");
}

#[test]
fn a_body_that_ends_early_stores_nothing() {
    let twilio = Twilio::new(A);
    let mut wire = twilio.served.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nContent-Length: 100\r\n\r\nshort",
        twilio.path(M, ""),
        twilio.authorization
    );
    wire.raw(head.as_bytes());
    wire.write.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(wire.try_reply("POST").is_none_or(|reply| reply.status >= 400));
    assert_eq!(twilio.list(M), Vec::<String>::new());
}

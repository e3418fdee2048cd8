//! Who may do what: each route with no, wrong, foreign and right credentials.

use crate::support::{BANDWIDTH, Media, Served, basic};

#[test]
fn without_the_right_credentials_nothing_is_told_and_nothing_changes() {
    let media = Media::new();
    media.put("/a", "text/plain", b"kept");
    let long = "x".repeat(5000);
    let wrong = [
        None,
        Some(basic("bwuser", "wrong")),
        Some(basic("nobody", "bwpass")),
        Some(basic("", "")),
        Some(basic("bwuser", &long)),
        Some("Basic".into()),
        Some("Basic !!!!".into()),
        Some("Basic bm9jb2xvbg==".into()),
        Some("Basic /zr/".into()),
        Some("Bearer bwpass".into()),
        Some("AccessKey bwpass".into()),
        Some("bwuser:bwpass".into()),
        Some(String::new()),
    ];
    let routes = [("GET", ""), ("GET", "/a"), ("GET", "/absent"), ("PUT", "/a"), ("DELETE", "/a"), ("HEAD", "/a")];
    for authorization in &wrong {
        for (method, name) in routes {
            let path = format!("/api/v2/users/5500001/media{name}");
            let header = authorization.as_ref().map(|value| ("Authorization", value.as_str()));
            let body = (method == "PUT").then_some(&b"changed"[..]);
            let mut headers = vec![("If-None-Match", "*")];
            headers.extend(header);
            let reply = media.served.send(method, &path, &headers, body);
            assert_eq!(reply.status, 401, "{method} {name} as {authorization:?}");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Basic "));
            if method != "HEAD" {
                let json = reply.json();
                assert!(json["type"].is_string() && json["description"].is_string());
            }
        }
    }
    assert_eq!(media.get("/a").body, b"kept");
}

#[test]
fn a_user_has_one_account_and_reaches_no_other() {
    let media = Media::new();
    media.put("/a", "text/plain", b"ours");
    let other = basic("other", "otherpass");
    let theirs = [("Authorization", other.as_str()), ("Content-Type", "text/plain")];
    let ours = "/api/v2/users/5500001/media";
    for (method, path) in [("GET", ""), ("GET", "/a"), ("GET", "/absent"), ("PUT", "/a"), ("DELETE", "/a")] {
        let body = (method == "PUT").then_some(&b"changed"[..]);
        assert_eq!(media.served.send(method, &format!("{ours}{path}"), &theirs, body).status, 403, "{method} {path}");
    }
    assert_eq!(media.get("/a").body, b"ours");
    // The same name in their account is another object.
    let path = "/api/v2/users/5500002/media/a";
    assert_eq!(media.served.send("PUT", path, &theirs, Some(b"theirs")).status, 204);
    assert_eq!(
        (media.get("/a").body, media.served.send("GET", path, &theirs, None).body),
        (b"ours".to_vec(), b"theirs".to_vec())
    );
    assert_eq!(media.served.send("DELETE", path, &theirs, None).status, 204);
    assert_eq!(media.get("/a").body, b"ours");
}

#[test]
fn unknown_routes_and_methods_are_refused_in_the_shape_of_their_api() {
    let served = Served::start(BANDWIDTH);
    let authorization = basic("bwuser", "bwpass");
    let headers = [("Authorization", authorization.as_str())];
    for path in ["/mediax", "/media2/a", "", "/", "/MEDIA/a"] {
        let reply = served.send("GET", &format!("/api/v2/users/5500001{path}"), &headers, None);
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["description"].is_string());
    }
    for (method, path, allowed) in [
        ("POST", "/media/a", "GET, HEAD, PUT, DELETE"),
        ("PATCH", "/media/a", "GET, HEAD, PUT, DELETE"),
        ("OPTIONS", "/media/a", "GET, HEAD, PUT, DELETE"),
        ("BREW", "/media/a", "GET, HEAD, PUT, DELETE"),
        ("PUT", "/media", "GET, HEAD"),
        ("DELETE", "/media", "GET, HEAD"),
    ] {
        let reply = served.send(method, &format!("/api/v2/users/5500001{path}"), &headers, Some(b"{}"));
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
    }
    for path in ["/", "/api/v2", "/api/v3/users/5500001/media", "/etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//"] {
        assert_eq!(served.send("GET", path, &headers, None).status, 404, "{path}");
    }
}

#[test]
fn what_is_right_at_one_api_is_nothing_at_the_others() {
    let sid = "AC11111111111111111111111111111111";
    let served = Served::start(&format!(
        "{BANDWIDTH}[[twilio.accounts]]\nsid = \"{sid}\"\nauth_token = \"twtoken1\"\nprotect_media = true\n\
         [[messagebird.keys]]\nkey = \"key1\"\naccount = \"5500001\"\nrestricted = true\n"
    ));
    let right = [basic("bwuser", "bwpass"), basic(sid, "twtoken1"), "AccessKey key1".to_owned()];
    let send = |method: &str, path: &str, authorization: &str, body: Option<&[u8]>| {
        let headers = [("Authorization", authorization), ("Content-Type", "text/plain")];
        served.send(method, path, &headers, body)
    };
    // The same account by name at two of them, the same bytes at all.
    let bandwidth = "/api/v2/users/5500001/media/a".to_owned();
    assert_eq!(send("PUT", &bandwidth, &right[0], Some(b"x")).status, 204);
    let media = format!("/2010-04-01/Accounts/{sid}/Messages/MMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Media");
    let stored = send("POST", &media, &right[1], Some(b"x"));
    let twilio = format!("{media}/{}", stored.json()["sid"].as_str().unwrap());
    let stored = send("POST", "/v1/files", &right[2], Some(b"x"));
    let messagebird = format!("/v1/files/{}", stored.json()["id"].as_str().unwrap());
    for (at, path) in [bandwidth, twilio, messagebird].iter().enumerate() {
        for (of, authorization) in right.iter().enumerate() {
            for method in ["GET", "HEAD", "DELETE"] {
                if of != at {
                    assert_eq!(
                        send(method, path, authorization, None).status,
                        401,
                        "{method} {path} by {authorization}"
                    );
                }
            }
        }
        assert!(matches!(send("GET", path, &right[at], None).status, 200 | 307), "{path}");
    }
    assert_eq!(served.store.stats().unwrap().names, 3);
}

//! Bandwidth's API: names, bytes, lifetimes, listings, credentials.

use std::time::Duration;

use crate::support::Media;

#[test]
fn what_was_put_comes_back_with_its_type_length_tag_and_date() {
    let media = Media::new();
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n\0\r\n\r\n").collect();
    media.put("/a.bin", "text/plain; charset=utf-8", &bytes);
    let reply = media.get("/a.bin");
    assert_eq!((reply.status, &reply.body), (200, &bytes));
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(reply.header("content-length"), Some(bytes.len().to_string().as_str()));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    let tag = reply.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    assert!(httpdate::parse_http_date(reply.header("last-modified").unwrap()).is_ok());
    assert!(reply.header("last-modified").unwrap().ends_with(" GMT"));
    assert_eq!(reply.header("content-encoding"), None);
    assert_eq!(media.get("/a.bin").header("etag"), Some(tag), "the same at every GET of a version");
    media.put("/a.bin", "image/png", b"");
    let empty = media.get("/a.bin");
    assert_eq!((empty.status, empty.body.len(), empty.header("content-length")), (200, 0, Some("0")));
    assert_eq!(empty.header("content-type"), Some("image/png"));
    assert_ne!(empty.header("etag"), Some(tag));
}

#[test]
fn a_medium_lives_48_hours_from_its_last_upload() {
    let media = Media::new();
    media.put("/a", "image/png", b"one");
    media.served.forward(Duration::from_hours(47));
    assert_eq!(media.get("/a").status, 200);
    media.put("/a", "image/png", b"two");
    media.served.forward(Duration::from_hours(47));
    assert_eq!(media.get("/a").body, b"two");
    media.served.forward(Duration::from_hours(1));
    assert_eq!(media.get("/a").status, 404);
    assert_eq!(media.send("GET", "/a", &[("If-None-Match", "*")], None).status, 404);
    assert_eq!(media.send("DELETE", "/a", &[], None).status, 404);
    assert_eq!(media.get("").json(), serde_json::json!([]));
    media.put("/a", "image/png", b"three");
    assert_eq!(media.get("/a").body, b"three");
}

#[test]
fn a_listing_has_exactly_typed_fields_and_links_that_work() {
    let media = Media::new();
    media.put("/b%2F%C3%A9%201%25.png", "image/png", b"12345");
    media.put("/a", "text/plain", b"");
    let reply = media.get("");
    assert_eq!((reply.status, reply.header("continuation-token")), (200, None));
    let link = |name: &str| format!("http://gateway.test/api/v2/users/5500001/media/{name}");
    let expected = serde_json::json!([
        { "contentLength": 0, "mediaName": "a", "content": link("a") },
        { "contentLength": 5, "mediaName": "b/é 1%.png", "content": link("b%2F%C3%A9%201%25.png") },
    ]);
    assert_eq!(reply.json(), expected);
    let path = link("b%2F%C3%A9%201%25.png").replace("http://gateway.test", "");
    let read = media.served.send("GET", &path, &[("Authorization", &media.authorization)], None);
    assert_eq!(read.body, b"12345");
    assert_eq!(media.served.send("GET", &path, &[], None).status, 401);
}

//! Names: everything behind `media/`, decoded once and never changed.

use crate::support::Media;

#[test]
fn a_slash_is_the_same_escaped_or_not_and_an_escape_is_decoded_once() {
    let media = Media::new();
    media.put("/a%2Fb", "text/plain", b"slash");
    media.put("/a%252Fb", "text/plain", b"escape");
    for path in ["/a/b", "/a%2fb", "/a%2Fb", "/%61/%62"] {
        assert_eq!(media.get(path).body, b"slash", "{path}");
    }
    assert_eq!(media.get("/a%252Fb").body, b"escape");
    assert_eq!(media.get("/a%25252Fb").status, 404);
    let list = media.get("").json();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|medium| medium["mediaName"].as_str().unwrap()).collect();
    assert_eq!(names, ["a%2Fb", "a/b"]);
}

#[test]
fn every_text_is_a_name_of_its_own() {
    let media = Media::new();
    let long = "n".repeat(255);
    let longest = "n".repeat(1024);
    let names = [
        "media",
        "t",
        "t/A",
        "t/a",
        "t/A/b",
        "d//e",
        "//d",
        "d/",
        "+",
        " ",
        "a b",
        "%",
        "%2F",
        "?",
        "#",
        "\\",
        "\"",
        "'",
        "é",
        "e\u{301}",
        "🦆",
        "..",
        "../../etc/passwd",
        "/lead",
        ".",
        "a\nb",
        "a;b=c",
        "users/5500002/media/x",
        long.as_str(),
        longest.as_str(),
    ];
    let escaped = |name: &str| name.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
    for name in names {
        media.put(&format!("/{}", escaped(name)), "text/plain", name.as_bytes());
    }
    for name in names {
        assert_eq!(media.get(&format!("/{}", escaped(name))).body, name.as_bytes(), "{name:?}");
    }
    let list = media.get("").json();
    let mut listed: Vec<_> =
        list.as_array().unwrap().iter().map(|medium| medium["mediaName"].as_str().unwrap().to_owned()).collect();
    let mut expected = names.map(str::to_owned);
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);
    // Each link leads to its name.
    for medium in list.as_array().unwrap() {
        let link = medium["content"].as_str().unwrap();
        let path = link.strip_prefix("http://gateway.test/api/v2/users/5500001/media").unwrap();
        assert_eq!(media.get(path).body, medium["mediaName"].as_str().unwrap().as_bytes(), "{link}");
    }
    for name in names {
        assert_eq!(media.send("DELETE", &format!("/{}", escaped(name)), &[], None).status, 204, "{name:?}");
    }
    assert_eq!(media.get("").json(), serde_json::json!([]));
}

#[test]
fn a_name_that_is_too_long_is_refused() {
    let media = Media::new();
    for path in [format!("/{}", "n".repeat(1025)), format!("/{}", "n".repeat(20_000))] {
        assert_eq!(media.send("PUT", &path, &[], Some(b"x")).status, 400);
        assert!((400..500).contains(&media.get(&path).status));
    }
}

#[test]
fn equal_bytes_under_several_names_are_independent() {
    let media = Media::new();
    media.put("/one", "image/png", b"same");
    media.put("/two", "text/plain", b"same");
    assert_eq!(media.send("DELETE", "/one", &[], None).status, 204);
    let two = media.get("/two");
    assert_eq!((two.body.as_slice(), two.header("content-type")), (&b"same"[..], Some("text/plain")));
    assert_eq!(media.send("DELETE", "/one", &[], None).status, 404);
    media.put("/one", "image/gif", b"same");
    assert_eq!(media.get("/one").header("content-type"), Some("image/gif"), "right after its deletion");
}

//! Listings in pages: exactly a thousand at a time, each name once, tokens that nobody can make.

use std::collections::BTreeMap;
use std::thread;

use crate::support::{Media, Reply, basic};

/// Stores empty media, on several connections at a time.
fn fill(media: &Media, names: impl Iterator<Item = String>) {
    let names: Vec<_> = names.collect();
    thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(8)) {
            scope.spawn(move || {
                let mut wire = media.served.connect();
                for name in part {
                    let path = format!("/api/v2/users/5500001/media/{name}");
                    wire.request("PUT", &path, &[("Authorization", &media.authorization)], Some(b""));
                    assert_eq!(wire.reply("PUT").status, 204);
                }
            });
        }
    });
}

fn page(media: &Media, token: Option<&str>) -> (Vec<String>, Option<String>) {
    let headers: Vec<_> = token.map(|token| ("Continuation-Token", token)).into_iter().collect();
    let reply = media.send("GET", "", &headers, None);
    assert_eq!(reply.status, 200, "{reply:?}");
    let list = reply.json();
    let names = list.as_array().unwrap().iter().map(|medium| medium["mediaName"].as_str().unwrap().to_owned());
    (names.collect(), reply.header("continuation-token").map(str::to_owned))
}

#[test]
fn a_thousand_names_are_one_page_and_one_more_is_two() {
    let media = Media::new();
    fill(&media, (0..1000).map(|n| format!("n{n:04}")));
    let (names, token) = page(&media, None);
    assert_eq!((names.len(), token), (1000, None));

    // One that has gone from the middle, one more at the end, and one that comes behind it and goes again.
    fill(&media, ["n1000".to_owned()].into_iter());
    let (names, token) = page(&media, None);
    assert_eq!(names.len(), 1000);
    let token = token.unwrap();
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
    for _ in 0..2 {
        let (rest, end) = page(&media, Some(&token));
        assert_eq!((rest, end), (vec!["n1000".to_owned()], None), "the same token gives the same page");
    }
    assert_eq!(media.send("DELETE", "/n1000", &[], None).status, 204);
    assert_eq!(page(&media, None).1, None, "no token leads to an empty page");
}

#[test]
fn a_name_that_stays_is_listed_once_whatever_happens_beside_it() {
    let media = Media::new();
    fill(&media, (0..1205).map(|n| format!("n{n:04}")));
    let (first, token) = page(&media, None);
    assert_eq!(first.len(), 1000);
    // Between the pages: some go, some come before and behind the place, all others are written over.
    for n in [0, 500, 999, 1000, 1204] {
        assert_eq!(media.send("DELETE", &format!("/n{n:04}"), &[], None).status, 204);
    }
    fill(&media, ["a", "n0500x", "n1100x", "z"].map(str::to_owned).into_iter());
    fill(&media, (0..1205).filter(|n| ![0, 500, 999, 1000, 1204].contains(n)).map(|n| format!("n{n:04}")));
    let (second, end) = page(&media, token.as_deref());
    assert_eq!(end, None);
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    first.iter().chain(&second).for_each(|name| *times.entry(name).or_default() += 1);
    assert!(times.values().all(|times| *times == 1), "nothing twice");
    for n in (0..1205).filter(|n| ![0, 500, 999, 1000, 1204].contains(n)) {
        assert!(times.contains_key(format!("n{n:04}").as_str()), "n{n:04} was there all the time");
    }
}

#[test]
fn a_token_that_was_not_given_out_is_refused() {
    let media = Media::new();
    fill(&media, (0..1002).map(|n| format!("n{n:04}")));
    let token = page(&media, None).1.unwrap();
    let mut altered = token.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let refused = |reply: &Reply| reply.status == 400 && reply.json()["description"].is_string();
    for wrong in [
        "garbage".to_owned(),
        String::from_utf8(altered).unwrap(),
        token[..token.len() - 1].to_owned(),
        token[1..].to_owned(),
        format!("{token}A"),
        format!("{token}{token}"),
        "n0999".to_owned(),
        "1000".to_owned(),
        "x".repeat(4000),
    ] {
        let reply = media.send("GET", "", &[("Continuation-Token", &wrong)], None);
        assert!(refused(&reply), "{wrong}: {reply:?}");
    }
    // Nor does it lead anywhere in another account.
    let other = basic("other", "otherpass");
    let headers = [("Authorization", other.as_str()), ("Continuation-Token", &token)];
    assert!(refused(&media.served.send("GET", "/api/v2/users/5500002/media", &headers, None)));
    assert_eq!(page(&media, Some(&token)).0, ["n1000", "n1001"], "it is good for its own account, and still is");
}

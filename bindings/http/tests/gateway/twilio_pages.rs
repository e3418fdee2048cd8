//! Twilio's listings: pages forth and back, filters by date, tokens that nobody can make.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::basic;
use crate::twilio::{A, M, OTHER_M, PROTECTED, Twilio, is_refused, sids};

fn stored(twilio: &Twilio, count: u8) -> Vec<String> {
    let mut sids: Vec<String> = (0..count).map(|n| twilio.post(M, "image/png", &[n])).collect();
    sids.sort();
    sids
}

fn page(twilio: &Twilio, uri: &str) -> Value {
    let reply = twilio.get(uri);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    reply.json()
}

/// All pages from this one on, by their links.
fn walk(twilio: &Twilio, from: &str, link: &str) -> Vec<Value> {
    let mut pages = vec![page(twilio, from)];
    while let Some(uri) = pages.last().unwrap()[link].as_str().map(str::to_owned) {
        pages.push(page(twilio, &uri));
        assert!(pages.len() < 50, "the links lead round in a circle");
    }
    pages
}

/// Moves the clock to so many days from today, at noon by GMT, or a little later; gives the date.
fn noon(twilio: &Twilio, days: u64) -> String {
    let now = twilio.served.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let target = (today + days) * 86_400 + 43_200;
    twilio.served.forward(Duration::from_secs(target.saturating_sub(now)));
    let text = httpdate::fmt_http_date(twilio.served.now());
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&text[8..11]).unwrap() / 3 + 1;
    format!("{}-{month:02}-{}", &text[12..16], &text[5..7])
}

#[test]
fn a_page_has_the_keys_that_the_sdks_look_for_and_one_more() {
    let twilio = Twilio::new(A);
    let all = stored(&twilio, 10);
    let list = twilio.path(M, ".json");
    let first = page(&twilio, &format!("{list}?PageSize=4"));
    let keys: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    let paging = ["end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri", "start", "uri"];
    let others: Vec<_> = keys.iter().filter(|key| !paging.contains(key)).collect();
    assert_eq!(others, [&"media_list"]);
    assert_eq!(keys.len(), paging.len() + 1);
    let numbers = |page: &Value| ["page", "page_size", "start", "end"].map(|key| page[key].as_u64().unwrap());
    assert_eq!(numbers(&first), [0, 4, 0, 3]);
    assert_eq!((sids(&first), &first["previous_page_uri"]), (all[..4].to_vec(), &Value::Null));
    let pages = walk(&twilio, &format!("{list}?PageSize=4"), "next_page_uri");
    assert_eq!(pages.iter().map(numbers).collect::<Vec<_>>(), [[0, 4, 0, 3], [1, 4, 4, 7], [2, 4, 8, 9]]);
    assert_eq!((sids(&pages[2]), &pages[2]["next_page_uri"]), (all[8..].to_vec(), &Value::Null));
    for page in &pages {
        for key in ["uri", "first_page_uri", "next_page_uri", "previous_page_uri"] {
            let uri = page[key].as_str();
            assert!(uri.is_none_or(|uri| uri.starts_with(&format!("{list}?"))), "{key}: {page}");
        }
        let again = self::page(&twilio, page["uri"].as_str().unwrap());
        assert_eq!((sids(&again), &again["uri"], numbers(&again)), (sids(page), &page["uri"], numbers(page)));
    }
    assert_eq!(numbers(&page(&twilio, &list)), [0, 50, 0, 9]);
    assert_eq!(page(&twilio, &format!("{list}?PageSize=5000"))["page_size"], 1000);
    let empty = page(&twilio, &twilio.path(OTHER_M, ".json"));
    assert_eq!((sids(&empty), &empty["next_page_uri"]), (vec![], &Value::Null));
    assert_eq!(sids(&page(&twilio, &format!("{list}?PageSize=4&Page=1"))), all[4..8], "by number alone");
}

#[test]
fn links_forth_and_back_give_each_medium_once_in_one_order_for_every_size() {
    let twilio = Twilio::new(A);
    let all = stored(&twilio, 10);
    let list = twilio.path(M, ".json");
    for size in [1, 2, 3, 5, 9, 10, 11] {
        let forth = walk(&twilio, &format!("{list}?PageSize={size}"), "next_page_uri");
        assert_eq!(forth.iter().flat_map(sids).collect::<Vec<_>>(), all, "{size}");
        let end = forth.last().unwrap();
        let mut back = walk(&twilio, end["uri"].as_str().unwrap(), "previous_page_uri");
        back.reverse();
        assert_eq!(back.iter().flat_map(sids).collect::<Vec<_>>(), all, "{size}, back");
        assert_eq!(back[0]["previous_page_uri"], Value::Null);
        assert_eq!(sids(&page(&twilio, end["first_page_uri"].as_str().unwrap())), sids(&forth[0]));
    }
}

#[test]
fn what_is_deleted_and_added_between_two_pages_makes_none_skip_or_repeat() {
    let twilio = Twilio::new(A);
    let all = stored(&twilio, 9);
    let first = page(&twilio, &format!("{}?PageSize=3", twilio.path(M, ".json")));
    for sid in &all[..2] {
        assert_eq!(twilio.send("DELETE", &twilio.path(M, &format!("/{sid}.json")), &[], None).status, 204);
    }
    let added = twilio.post(M, "image/png", b"added");
    let pages = walk(&twilio, first["next_page_uri"].as_str().unwrap(), "next_page_uri");
    let mut rest: Vec<String> = pages.iter().flat_map(sids).collect();
    rest.retain(|sid| *sid != added);
    assert_eq!(rest, all[3..]);
    // The very medium at which a page begins is deleted; the token is good for the others.
    let next = first["next_page_uri"].as_str().unwrap();
    assert_eq!(twilio.send("DELETE", &twilio.path(M, &format!("/{}.json", all[3])), &[], None).status, 204);
    assert_eq!(sids(&page(&twilio, next))[..2], all[4..6]);
    let back = page(&twilio, page(&twilio, next)["previous_page_uri"].as_str().unwrap());
    assert_eq!(sids(&back), all[2..3]);
}

#[test]
fn tokens_that_were_changed_or_belong_elsewhere_are_refused() {
    let twilio = Twilio::new(A);
    stored(&twilio, 4);
    for n in 0..4 {
        twilio.post(OTHER_M, "image/png", &[n]);
    }
    let list = twilio.path(M, ".json");
    let first = page(&twilio, &format!("{list}?PageSize=2"));
    let next = first["next_page_uri"].as_str().unwrap();
    let (before, token) = next.split_once("PageToken=").unwrap();
    let refused = |uri: &str| {
        let reply = twilio.get(uri);
        assert_eq!(reply.status, 400, "{uri}: {reply:?}");
    };
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        refused(&format!("{before}PageToken={}{other}{}", &token[..at], &token[at + 1..]));
        refused(&format!("{before}PageToken={}", &token[..at]));
    }
    for garbage in ["", "1", "garbage", "PA", "PA.", "%00", "PAME00000000000000000000000000000000"] {
        refused(&format!("{before}PageToken={garbage}"));
    }
    refused(&format!("{next}A"));
    refused(&format!("{next}%3D"));
    refused(&next.replace(M, OTHER_M));
    refused(&format!("{next}&DateCreated=2013-04-26"));
    let other = basic(PROTECTED, "twtoken2");
    let foreign = next.replace(A, PROTECTED);
    assert_eq!(twilio.served.send("GET", &foreign, &[("Authorization", &other)], None).status, 400);
    assert_eq!(sids(&page(&twilio, next)), sids(&page(&twilio, next)), "a token is good for more than one use");
}

#[test]
fn numbers_and_dates_that_are_none_are_refused() {
    let twilio = Twilio::new(A);
    stored(&twilio, 1);
    for query in [
        "PageSize=0",
        "PageSize=-1",
        "PageSize=a",
        "PageSize=",
        "PageSize=1.5",
        "Page=-1",
        "Page=a",
        "Page=",
        "PageSize=99999999999999999999",
        "DateCreated=yesterday",
        "DateCreated%3C=2013-02-30",
        "DateCreated%3E=",
        "DateCreated=2013-04-26T05:41:35",
    ] {
        is_refused(&twilio.get(&format!("{}?{query}", twilio.path(M, ".json"))), 400, 20001);
    }
    let far = page(&twilio, &format!("{}?Page=18446744073709551615&PageSize=1000", twilio.path(M, ".json")));
    assert_eq!(sids(&far), Vec::<String>::new());
}

#[test]
fn media_are_filtered_by_the_date_of_their_making() {
    let twilio = Twilio::new(A);
    let days: Vec<(String, String)> =
        [1, 2, 3].map(|day| (noon(&twilio, day), twilio.post(M, "image/png", &[day as u8]))).into();
    let listed = |query: &str| {
        let page = page(&twilio, &format!("{}?{query}", twilio.path(M, ".json")));
        let place = |sid: &String| days.iter().position(|(_, known)| known == sid).unwrap() + 1;
        sids(&page).iter().map(place).collect::<Vec<_>>()
    };
    let second = &days[1].0;
    assert_eq!(listed(&format!("DateCreated={second}")), [2]);
    assert_eq!(listed(&format!("DateCreated={second}T23:59:59Z")), [2], "a time means its day");
    assert_eq!(listed(&format!("DateCreated%3C={second}")), [1]);
    assert_eq!(listed(&format!("DateCreated%3e={second}")), [2, 3]);
    assert_eq!(listed(&format!("DateCreated%3C={second}T23:00:00Z")), [1, 2]);
    assert_eq!(listed(&format!("DateCreated%3E={second}T23:00:00Z")), [3]);
    assert_eq!(listed(&format!("DateCreated%3E={}&DateCreated%3C={second}T23:00:00Z", days[0].0)), [1, 2]);
    assert_eq!(listed("DateCreated=2013-04-26"), Vec::<usize>::new());

    let query = format!("PageSize=1&DateCreated%3E={second}");
    let pages = walk(&twilio, &format!("{}?{query}", twilio.path(M, ".json")), "next_page_uri");
    let shown: Vec<String> = pages.iter().flat_map(sids).collect();
    assert_eq!(shown, [days[1].1.clone(), days[2].1.clone()], "filters stay in the links");
}

#[test]
fn a_listing_is_to_be_had_as_xml() {
    let twilio = Twilio::new(A);
    let all = stored(&twilio, 3);
    let reply = twilio.get(&format!("{}?PageSize=2", twilio.path(M, ".xml")));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/xml")));
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.contains("<TwilioResponse><MediaList page=\"0\" pagesize=\"2\" start=\"0\" end=\"1\""), "{text}");
    assert_eq!(text.matches("<Media>").count(), 2);
    assert!(text.contains(&format!("<Sid>{}</Sid>", all[0])), "{text}");
    let next = text.split("nextpageuri=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(next.contains("/Media.xml?"), "{next}");
    let next = twilio.get(&next);
    assert!(String::from_utf8(next.body).unwrap().contains(&format!("<Sid>{}</Sid>", all[2])));
}

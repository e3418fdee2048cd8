//! What a listing promises: names in bytewise order, filters, pages and tokens; a name that lives through a
//! whole walk is returned exactly once. Compared with a naive model of it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use mediacask::{Account, DeleteOptions, Durability, ErrorKind, ListOptions, Page, PutOptions, Store, Upkeep};
use proptest::prelude::*;
use support::Random;
use support::place::{Hand, by_hand, small, temp_dir};

fn put(account: &Account, names: impl IntoIterator<Item = impl AsRef<str>>) {
    for name in names {
        account.put(name.as_ref(), "x", &PutOptions::new().durability(Durability::Os)).unwrap();
    }
}

fn names(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.name.as_str()).collect()
}

/// All names and all common prefixes, page by page, and how long the pages were.
fn walk(account: &Account, options: &ListOptions) -> (Vec<String>, Vec<String>, Vec<usize>) {
    let (mut entries, mut prefixes, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    let mut options = options.clone();
    loop {
        let page = account.list(&options).unwrap();
        pages.push(page.entries.len() + page.prefixes.len());
        entries.extend(page.entries.into_iter().map(|entry| entry.name));
        prefixes.extend(page.prefixes);
        match page.next_token {
            Some(token) => options = options.token(Some(token)),
            None => return (entries, prefixes, pages),
        }
    }
}

#[test]
fn twelve_hundred_and_five_names_are_a_page_of_a_thousand_and_the_rest() {
    let (_dir, _store, media) = by_hand();
    let all: Vec<String> = (0..1205).map(|i| format!("{i:05}")).collect();
    put(&media, &all);
    let (found, _, pages) = walk(&media, &ListOptions::new());
    assert_eq!(found, all);
    assert_eq!(pages, [1000, 205]);
    assert_eq!(walk(&media, &ListOptions::new().limit(1000)).2, [1000, 205]);
    let (found, _, pages) = walk(&media, &ListOptions::new().limit(241));
    assert_eq!(found, all);
    assert_eq!(pages[..5], [241; 5]);
    let exactly = walk(&media, &ListOptions::new().prefix("00").limit(1000));
    assert_eq!((exactly.0.len(), exactly.2.iter().sum::<usize>()), (1000, 1000));
    let entries: Vec<_> = media.entries(ListOptions::new().limit(7)).map(|entry| entry.unwrap().name).collect();
    assert_eq!(entries, all);
}

#[test]
fn a_page_has_one_to_a_thousand_entries() {
    let (_dir, _store, media) = by_hand();
    for limit in [0, 1001, usize::MAX] {
        assert_eq!(media.list(&ListOptions::new().limit(limit)).unwrap_err().kind(), ErrorKind::InvalidOption);
    }
    assert_eq!(media.list(&ListOptions::new().delimiter("")).unwrap_err().kind(), ErrorKind::InvalidOption);
    assert_eq!(media.list(&ListOptions::new().limit(1)).unwrap(), Page::default());
}

#[test]
fn the_order_is_that_of_the_bytes_in_every_plane_of_unicode() {
    let (_dir, _store, media) = by_hand();
    let mut all: Vec<String> = (0..=16_u32)
        .flat_map(|plane| [plane << 16 | 0x41, plane << 16 | 0xFFFD, plane << 16 | 0xFFFF])
        .filter_map(char::from_u32)
        .flat_map(|c| [format!("{c}"), format!("{c}{c}"), format!("a{c}"), format!("{c}/a")])
        .collect();
    all.extend(
        ["\u{1}", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\n", " ", "Z", "a", "ä", "a\u{308}"].map(String::from),
    );
    put(&media, &all);
    all.sort();
    all.dedup();
    for limit in [1000, 3, 1] {
        assert_eq!(walk(&media, &ListOptions::new().limit(limit)).0, all);
    }
}

#[test]
fn names_that_begin_alike_are_told_apart() {
    let (_dir, _store, media) = by_hand();
    let all = ["a", "a ", "a/", "a//", "a/a", "a/\u{10FFFF}", "a/\u{10FFFF}\u{10FFFF}", "a0", "aa", "a\u{10FFFF}", "b"];
    put(&media, all);
    assert_eq!(walk(&media, &ListOptions::new()).0, all);
    assert_eq!(walk(&media, &ListOptions::new().prefix("a/")).0, all[2..7]);
    assert_eq!(walk(&media, &ListOptions::new().prefix("a")).0, all[..10]);
    assert_eq!(walk(&media, &ListOptions::new().prefix("a\u{10FFFF}")).0, all[9..10]);
    for limit in [1, 2, 1000] {
        let (entries, prefixes, _) = walk(&media, &ListOptions::new().delimiter("/").limit(limit));
        assert_eq!(entries, ["a", "a ", "a0", "aa", "a\u{10FFFF}", "b"]);
        assert_eq!(prefixes, ["a/"]);
        // A name that equals the prefix is an entry; what follows the prefix is searched for the delimiter.
        let (entries, prefixes, _) = walk(&media, &ListOptions::new().prefix("a/").delimiter("/").limit(limit));
        assert_eq!(entries, ["a/", "a/a", "a/\u{10FFFF}", "a/\u{10FFFF}\u{10FFFF}"]);
        assert_eq!(prefixes, ["a//"]);
    }
}

#[test]
fn accounts_that_begin_alike_do_not_see_each_other() {
    let (_dir, store, _) = by_hand();
    for account in ["a", "ab", "a\u{1}", "a/", "\u{10FFFF}", "b"] {
        let media = store.account(account).unwrap();
        put(&media, ["x", "b", account]);
        assert_eq!(media.entries(ListOptions::new()).count(), BTreeSet::from(["x", "b", account]).len());
    }
    assert_eq!(walk(&store.account("a").unwrap(), &ListOptions::new()).0, ["a", "b", "x"]);
}

#[test]
fn a_delimiter_may_have_several_characters_and_be_at_either_end() {
    let (_dir, _store, media) = by_hand();
    put(
        &media,
        ["", "a--b", "a-b", "--", "--x", "---", "a--", "é→x", "é→", "→", "x"].into_iter().filter(|n| !n.is_empty()),
    );
    for limit in [1, 2, 1000] {
        let (entries, prefixes, _) = walk(&media, &ListOptions::new().delimiter("--").limit(limit));
        assert_eq!(entries, ["a-b", "x", "é→", "é→x", "→"]);
        assert_eq!(prefixes, ["--", "a--"]);
        let (entries, prefixes, _) = walk(&media, &ListOptions::new().delimiter("→").limit(limit));
        assert_eq!(entries, ["--", "---", "--x", "a--", "a--b", "a-b", "x"]);
        assert_eq!(prefixes, ["é→", "→"]);
        let (entries, prefixes, _) = walk(&media, &ListOptions::new().prefix("-").delimiter("-").limit(limit));
        assert_eq!((entries.len(), prefixes), (0, vec!["--".to_owned()]));
    }
}

#[test]
fn a_common_prefix_of_very_many_names_is_one_line_found_at_once() {
    let (_dir, store, media) = by_hand();
    let mut batch = media.batch();
    for i in 0..60_000 {
        batch.put(&format!("big/{i:06}"), "x", &PutOptions::new()).unwrap();
        if i % 1000 == 999 {
            std::mem::replace(&mut batch, media.batch()).commit().unwrap();
        }
    }
    put(&media, ["a", "big", "big0", "z/1", "z/2"]);
    let page = media.list(&ListOptions::new().delimiter("/")).unwrap();
    assert_eq!((names(&page), page.prefixes.clone()), (vec!["a", "big", "big0"], vec!["big/".into(), "z/".into()]));
    assert_eq!(page.next_token, None, "60,000 names were not walked for it");

    // Rows that the filter keeps out fill no page: it is short, and has a token.
    let none = ListOptions::new().created_from(SystemTime::now() + Duration::from_hours(1));
    let first = media.list(&none).unwrap();
    assert_eq!(first.entries.len(), 0);
    assert!(first.next_token.is_some(), "a page is found in bounded time");
    let (entries, _, pages) = walk(&media, &none);
    assert_eq!(entries.len(), 0);
    assert!(pages.len() > 1);
    assert_eq!(store.recount().unwrap(), []);
}

#[test]
fn created_from_and_to_let_through_what_was_created_between() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    let begin = hand.now();
    for i in 0..10 {
        put(&media, [format!("{i}"), format!("dir{}/{i}", i % 3)]);
        hand.advance_ms(1);
    }
    let at = |ms| begin + Duration::from_millis(ms);
    let between = |from: u64, to: u64| ListOptions::new().created_from(at(from)).created_to(at(to));
    assert_eq!(walk(&media, &between(3, 5).limit(1)).0, ["3", "4", "dir0/3", "dir1/4"]);
    assert_eq!(walk(&media, &between(3, 3)).0, [""; 0]);
    assert_eq!(walk(&media, &between(5, 3)).0, [""; 0]);
    assert_eq!(walk(&media, &ListOptions::new().created_from(at(9))).0, ["9", "dir0/9"]);
    assert_eq!(walk(&media, &ListOptions::new().created_to(at(1)).prefix("dir")).0, ["dir0/0"]);
    // A common prefix is shown if any name under it passes.
    let rolled = walk(&media, &between(4, 6).delimiter("/").limit(1));
    assert_eq!((rolled.0, rolled.1), (vec!["4".into(), "5".into()], vec!["dir1/".into(), "dir2/".into()]));
    // It is the name's creation that counts, not the entry's.
    put(&media, ["0"]);
    assert_eq!(walk(&media, &ListOptions::new().created_to(at(1))).0, ["0", "dir0/0"]);
    let before_all = ListOptions::new().created_from(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(walk(&media, &before_all).0.len(), 20);
}

#[test]
fn a_token_survives_a_restart_and_the_deletion_of_the_name_it_points_at() {
    let dir = temp_dir();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    put(&media, ["a", "b", "c/1", "c/2", "d"]);
    let first = media.list(&ListOptions::new().limit(2)).unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    let rolled = media.list(&ListOptions::new().limit(3).delimiter("/")).unwrap();
    assert_eq!(rolled.prefixes, ["c/"]);
    media.delete("b", &DeleteOptions::new()).unwrap();
    media.delete("c/1", &DeleteOptions::new()).unwrap();
    media.delete("c/2", &DeleteOptions::new()).unwrap();
    store.sweep().unwrap();
    store.close().unwrap();
    let store = small().open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    put(&media, ["aa", "bb"]);
    let next = ListOptions::new().token(first.next_token);
    assert_eq!(names(&media.list(&next).unwrap()), ["bb", "d"]);
    // Another page size is no other listing.
    assert_eq!(names(&media.list(&next.limit(1)).unwrap()), ["bb"]);
    let next = ListOptions::new().delimiter("/").token(rolled.next_token);
    assert_eq!(names(&media.list(&next).unwrap()), ["d"]);
}

#[test]
fn expired_names_are_in_no_page_swept_or_not() {
    let hand = Hand::new();
    let dir = temp_dir();
    let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    put(&media, ["a", "c", "dir/stays"]);
    for name in ["b", "dir/goes", "other/goes"] {
        media.put(name, "x", &PutOptions::new().ttl(Duration::from_millis(5))).unwrap();
    }
    let all = ListOptions::new();
    assert_eq!(walk(&media, &all).0.len(), 6);
    hand.advance_ms(5);
    for swept in [false, true] {
        if swept {
            assert_eq!(store.sweep().unwrap().expired, 3);
        }
        assert_eq!(walk(&media, &all).0, ["a", "c", "dir/stays"]);
        let rolled = walk(&media, &ListOptions::new().delimiter("/"));
        assert_eq!((rolled.0, rolled.1), (vec!["a".into(), "c".into()], vec!["dir/".into()]));
    }
}

#[test]
fn a_name_that_lives_through_a_walk_is_returned_once_whatever_is_written_meanwhile() {
    for seed in 0..8 {
        let dir = temp_dir();
        let store = small().open(dir.path()).unwrap();
        let media = store.account("5500001").unwrap();
        let mut random = Random::new(seed);
        let stays: BTreeSet<String> = (0..200).map(|i| format!("{:03}", i * 5)).collect();
        put(&media, &stays);
        let mut options = ListOptions::new().limit(1 + random.below(20) as usize);
        let mut seen = Vec::new();
        loop {
            let page = media.list(&options).unwrap();
            seen.extend(page.entries.into_iter().map(|entry| entry.name));
            for _ in 0..10 {
                let name = format!("{:03}", random.below(1000));
                // Those that stay are overwritten; the others come and go.
                if stays.contains(&name) || random.sixteenths(10) {
                    put(&media, [&name]);
                } else {
                    media.delete(&name, &DeleteOptions::new()).unwrap();
                }
            }
            if random.sixteenths(2) {
                store.rebuild_index(&mut |_, _| ()).unwrap();
            }
            match page.next_token {
                Some(token) => options = options.token(Some(token)),
                None => break,
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: in order, and nothing twice");
        let seen: BTreeSet<String> = seen.into_iter().collect();
        assert!(stays.is_subset(&seen), "seed {seed}: {:?} are missing", stays.difference(&seen));
    }
}

#[test]
fn prefixes_and_delimiters_of_any_length_are_taken() {
    let (_dir, _store, media) = by_hand();
    let longest = "\u{10FFFF}".repeat(256);
    put(&media, [longest.as_str(), "a"]);
    assert_eq!(walk(&media, &ListOptions::new().prefix(&longest)).0, [longest.as_str()]);
    assert_eq!(walk(&media, &ListOptions::new().prefix(longest.repeat(100))).0, [""; 0]);
    assert_eq!(walk(&media, &ListOptions::new().prefix("a\0")).0, [""; 0]);
    assert_eq!(walk(&media, &ListOptions::new().delimiter("\0")).0.len(), 2);
    assert_eq!(walk(&media, &ListOptions::new().delimiter(longest.repeat(100))).0.len(), 2);
    let rolled = walk(&media, &ListOptions::new().delimiter(&longest).limit(1));
    assert_eq!((rolled.0, rolled.1), (vec!["a".into()], vec![longest.clone()]));
    let rolled = walk(&media, &ListOptions::new().delimiter("\u{10FFFF}").limit(1));
    assert_eq!((rolled.0, rolled.1), (vec!["a".into()], vec!["\u{10FFFF}".into()]));
}

/// What a listing of `names` shows, told without any cleverness: every line, `true` for common prefixes.
fn model(names: &BTreeMap<String, u64>, filter: &Filter) -> Vec<(String, bool)> {
    let mut lines: Vec<(String, bool)> = Vec::new();
    for (name, created) in names {
        let Some(rest) = name.strip_prefix(filter.prefix.as_str()) else { continue };
        if filter.from.is_some_and(|from| *created < from) || filter.to.is_some_and(|to| *created >= to) {
            continue;
        }
        let rolled = filter.delimiter.as_ref().and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        let line = match rolled {
            Some(end) => (name[..filter.prefix.len() + end].to_owned(), true),
            None => (name.clone(), false),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

#[derive(Clone, Debug)]
struct Filter {
    prefix: String,
    delimiter: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
    limit: usize,
}

fn filters() -> impl Strategy<Value = Filter> {
    let text = || "[ab/\u{10FFFF}]{0,3}";
    let time = || proptest::option::weighted(0.2, 0..40_u64);
    (text(), proptest::option::of("[ab/\u{10FFFF}]{1,2}"), time(), time(), 1..12_usize)
        .prop_map(|(prefix, delimiter, from, to, limit)| Filter { prefix, delimiter, from, to, limit })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_listing_shows_what_the_naive_model_shows(
        puts in proptest::collection::vec(("[ab/é\u{10FFFF}]{1,6}", any::<bool>()), 1..60),
        filters in proptest::collection::vec(filters(), 1..12),
    ) {
        let hand = Hand::new();
        let (dir, begin) = (temp_dir(), hand.now());
        let store = Store::options().upkeep(Upkeep::ByHand).clock(hand.clock()).open(dir.path()).unwrap();
        let media = store.account("5500001").unwrap();
        let mut names = BTreeMap::new();
        for (ms, (name, is_put)) in (0_u64..).zip(&puts) {
            hand.set_ms(mediacask_ms(begin) + ms);
            if *is_put {
                put(&media, [name]);
                names.entry(name.clone()).or_insert(ms);
            } else {
                prop_assert_eq!(media.delete(name, &DeleteOptions::new()).unwrap(), names.remove(name).is_some());
            }
        }
        for filter in filters {
            let mut options = ListOptions::new().prefix(&filter.prefix).limit(filter.limit);
            if let Some(delimiter) = &filter.delimiter {
                options = options.delimiter(delimiter);
            }
            if let Some(from) = filter.from {
                options = options.created_from(begin + Duration::from_millis(from));
            }
            if let Some(to) = filter.to {
                options = options.created_to(begin + Duration::from_millis(to));
            }
            let mut found: Vec<(String, bool)> = Vec::new();
            loop {
                let page = media.list(&options).unwrap();
                let entries = page.entries.iter().map(|entry| (entry.name.clone(), false));
                let mut lines: Vec<_> = entries.chain(page.prefixes.into_iter().map(|prefix| (prefix, true))).collect();
                prop_assert!(lines.len() <= filter.limit);
                lines.sort();
                found.extend(lines);
                match page.next_token {
                    Some(token) => options = options.token(Some(token)),
                    None => break,
                }
            }
            let mut expected = model(&names, &filter);
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected, "{:?}", filter);
        }
    }
}

fn mediacask_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

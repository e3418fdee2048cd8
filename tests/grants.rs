//! What signed grants promise: whoever shows one reads one name for a while; whatever is changed in it, or about it,
//! refuses it; keys change without refusing what is under way.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use mediacask::{ErrorKind, Grant, Method, Signer, Store};
use support::place::{Hand, by_hand, temp_dir};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn signer(hand: &Hand) -> Signer {
    Signer::new("2026-11", [7; 32]).unwrap().clock(hand.clock())
}

fn kind(signer: &Signer, text: &str, name: &str, method: Method) -> ErrorKind {
    signer.verify(text, "5500001", name, method).unwrap_err().kind()
}

#[test]
fn every_changed_character_cut_and_extension_is_refused() {
    let hand = Hand::new();
    let signer = signer(&hand).accept("2026-10", [8; 32]).unwrap();
    let text = signer.sign(&Grant::new("5500001", "img/é.png")).unwrap();
    assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)));
    assert!(signer.verify(&text, "5500001", "img/é.png", Method::Get).is_ok());
    let others = ALPHABET.iter().chain(b"+/=. \n%\0~").map(|byte| char::from(*byte)).chain(['é', '\u{ff21}']);
    let others: Vec<char> = others.collect();
    let refused = |text: &str| kind(&signer, text, "img/é.png", Method::Get);
    for (at, old) in text.char_indices() {
        for &other in others.iter().filter(|other| **other != old) {
            let altered = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            let kind = refused(&altered);
            assert!([ErrorKind::InvalidToken, ErrorKind::UnknownKey].contains(&kind), "{altered}: {kind:?}");
            let longer = format!("{}{other}{}", &text[..at], &text[at..]);
            assert!(signer.verify(&longer, "5500001", "img/é.png", Method::Get).is_err(), "{longer}");
        }
        assert_eq!(refused(&text[..at]), ErrorKind::InvalidToken);
        assert_eq!(refused(&text[at + 1..]), ErrorKind::InvalidToken);
    }
    for suffix in ["A", "AA", "AAAA", "=", "==", "\0", "\n", &"A".repeat(1 << 20)] {
        assert_eq!(refused(&format!("{text}{suffix}")), ErrorKind::InvalidToken);
    }
}

#[test]
fn every_bit_counts_of_what_is_signed() {
    let hand = Hand::new();
    let signer = signer(&hand);
    let text = signer.sign(&Grant::new("5500001", "a").method(Method::Head)).unwrap();
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    let mut kinds = BTreeSet::new();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            kinds.insert(kind(&signer, &BASE64URL_NOPAD.encode(&altered), "a", Method::Head));
        }
    }
    // A method or an expiry that was moved is a forgery, not another grant; another id is another key.
    assert_eq!(kinds, BTreeSet::from([ErrorKind::InvalidToken, ErrorKind::UnknownKey]));
}

#[test]
fn a_grant_is_for_one_account_and_one_name() {
    let hand = Hand::new();
    let signer = signer(&hand);
    let text = signer.sign(&Grant::new("5500001", "img/a")).unwrap();
    let others = [("5500001", "img/b"), ("5500001", "img/A"), ("5500001", "img/a/"), ("5500001i", "mg/a"), ("", "")];
    for (account, name) in others.into_iter().chain([("550000", "1img/a"), ("5500001", ""), ("5500001", "img/a\0")]) {
        let error = signer.verify(&text, account, name, Method::Get).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidToken, "{account} {name}");
    }
}

#[test]
fn four_hours_are_four_hours_and_what_is_over_is_told_of_genuine_grants_only() {
    let hand = Hand::new();
    let signer = signer(&hand);
    let text = signer.sign(&Grant::new("5500001", "a")).unwrap();
    let until = hand.now() + Duration::from_hours(4);
    hand.advance_ms(4 * 3_600_000 - 1);
    assert_eq!(signer.verify(&text, "5500001", "a", Method::Get).unwrap(), until);
    hand.advance_ms(1);
    assert_eq!(kind(&signer, &text, "a", Method::Get), ErrorKind::ExpiredToken);
    assert_eq!(kind(&signer, &text, "b", Method::Get), ErrorKind::InvalidToken);
    let anew = signer.sign(&Grant::new("5500001", "a")).unwrap();
    assert_eq!(signer.verify(&anew, "5500001", "a", Method::Get).unwrap(), until + Duration::from_hours(4));
    for ttl in [Duration::ZERO, Duration::from_micros(999), Duration::from_hours(7 * 24 + 1), Duration::MAX] {
        let error = signer.sign(&Grant::new("5500001", "a").ttl(ttl)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{ttl:?}");
    }
}

#[test]
fn facts_are_granted_with_content_and_not_the_other_way_round() {
    let hand = Hand::new();
    let signer = signer(&hand);
    let get = signer.sign(&Grant::new("5500001", "a")).unwrap();
    let head = signer.sign(&Grant::new("5500001", "a").method(Method::Head)).unwrap();
    assert!(signer.verify(&get, "5500001", "a", Method::Head).is_ok());
    assert!(signer.verify(&head, "5500001", "a", Method::Head).is_ok());
    assert_eq!(kind(&signer, &head, "a", Method::Get), ErrorKind::InvalidToken);
}

#[test]
fn keys_change_without_refusing_what_is_under_way() {
    let hand = Hand::new();
    let old = Signer::new("a", [1; 32]).unwrap().clock(hand.clock());
    let ready = old.clone().accept("b", [2; 32]).unwrap();
    let new = Signer::new("b", [2; 32]).unwrap().accept("a", [1; 32]).unwrap().clock(hand.clock());
    let dropped = Signer::new("b", [2; 32]).unwrap().clock(hand.clock());
    let (of_old, of_new) = [&old, &new].map(|signer| signer.sign(&Grant::new("5500001", "a")).unwrap()).into();
    for signer in [&ready, &new] {
        assert!(signer.verify(&of_old, "5500001", "a", Method::Get).is_ok());
        assert!(signer.verify(&of_new, "5500001", "a", Method::Get).is_ok());
    }
    assert_eq!(kind(&old, &of_new, "a", Method::Get), ErrorKind::UnknownKey);
    assert_eq!(kind(&dropped, &of_old, "a", Method::Get), ErrorKind::UnknownKey);
    // An id that was used again for another secret vouches for nothing of the old one.
    let again = Signer::new("a", [3; 32]).unwrap();
    assert_eq!(kind(&again, &of_old, "a", Method::Get), ErrorKind::InvalidToken);
}

#[test]
fn a_key_needs_an_id_of_its_own() {
    for id in ["", " ", "a b", "é", "a\n", &"x".repeat(33)] {
        assert_eq!(Signer::new(id, [1; 32]).unwrap_err().kind(), ErrorKind::InvalidOption, "{id:?}");
    }
    let mut full = Signer::new(&"x".repeat(32), [1; 32]).unwrap();
    assert!(full.sign(&Grant::new("a", "b")).unwrap().len() <= 79);
    assert!(full.clone().accept(&"x".repeat(32), [2; 32]).is_err());
    for n in 1..16 {
        full = full.accept(&n.to_string(), [n; 32]).unwrap();
    }
    assert_eq!(full.clone().accept("16", [16; 32]).unwrap_err().kind(), ErrorKind::InvalidOption);
    let shown = format!("{full:?}");
    assert!(shown.contains("\"15\"") && !shown.contains("15, 15"), "{shown}");
}

#[test]
fn the_key_of_a_store_comes_and_goes_with_it() {
    let (dir, store, media) = by_hand();
    media.put("a", "hello", &mediacask::PutOptions::new()).unwrap();
    let text = store.signer().unwrap().sign(&Grant::new("5500001", "a")).unwrap();
    let kept = store.signer().unwrap();
    store.close().unwrap();
    assert_eq!(store.signer().unwrap_err().kind(), ErrorKind::Closed);
    assert!(kept.verify(&text, "5500001", "a", Method::Get).is_ok());
    let store = Store::open(dir.path().join("store")).unwrap();
    assert!(store.signer().unwrap().verify(&text, "5500001", "a", Method::Get).is_ok());
    let other = temp_dir();
    let other = Store::open(other.path()).unwrap().signer().unwrap();
    assert_eq!(kind(&other, &text, "a", Method::Get), ErrorKind::InvalidToken);
}

#[test]
fn a_text_that_was_signed_stays_good_in_later_versions() {
    let hand = Hand::new();
    hand.set_ms(1_700_000_000_000);
    let text = signer(&hand).sign(&Grant::new("5500001", "img/é.png")).unwrap();
    assert_eq!(text, "AQAAIsHQiwEAAAcyMDI2LTExH2lgT6X1wgZjDOR9pi2IMA");
}

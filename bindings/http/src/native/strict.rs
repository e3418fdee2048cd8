//! Conditions and ranges are understood, or refused.
//!
//! HTTP passes over a range or a date that is none, and clients of the other APIs count on that. Here a mistake is
//! told: a condition that is misspelt must not be taken for none, nor all of a content for the part that was meant.

use http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

use super::options::invalid;
use crate::refusal::Answer;

/// Goes on when the headers of a GET that bear on its answer can be read.
pub(super) fn check(headers: &HeaderMap) -> Answer<()> {
    tags(headers, &IF_MATCH)?;
    tags(headers, &IF_NONE_MATCH)?;
    let readable = |name: &HeaderName, is: fn(&str) -> bool| {
        headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(|text| is(text.trim())))
    };
    if !readable(&IF_RANGE, |text| are_tags(text) || httpdate::parse_http_date(text).is_ok()) {
        return Err(invalid("If-Range is one entity tag, in quotes, or a date"));
    }
    if !readable(&RANGE, is_range) {
        return Err(invalid("Range is like bytes=0-99, bytes=100- or bytes=-100, and does not end before it begins"));
    }
    Ok(())
}

/// Goes on when this header, if it is there, is `*` or entity tags.
pub(super) fn tags(headers: &HeaderMap, name: &HeaderName) -> Answer<()> {
    let is = |text: &str| text == "*" || are_tags(text);
    if headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(|text| is(text.trim()))) {
        return Ok(());
    }
    Err(invalid(format!("{name} is * or a list of entity tags, each in quotes")))
}

/// One entity tag at least, with commas between them (RFC 9110, 8.8.3).
fn are_tags(mut text: &str) -> bool {
    loop {
        let tag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"');
        let Some((tag, rest)) = tag.and_then(|tag| tag.split_once('"')) else { return false };
        if tag.contains(' ') {
            return false;
        }
        match rest.trim_start().strip_prefix(',') {
            Some(more) => text = more.trim_start(),
            None => return rest.trim_start().is_empty(),
        }
    }
}

/// Ranges of bytes, or of a unit that is not ours: such are passed over, as they must be (RFC 9110, 14.2).
fn is_range(text: &str) -> bool {
    let Some((unit, ranges)) = text.split_once('=') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = |range: &str| match range.trim().split_once('-') {
        Some(("", last)) => is_number(last),
        Some((first, "")) => is_number(first),
        // A number beyond every size is as good as the largest.
        Some((first, last)) if is_number(first) && is_number(last) => {
            let number = |text: &str| text.parse().unwrap_or(u64::MAX);
            number(first) <= number(last)
        }
        _ => false,
    };
    !unit.trim().eq_ignore_ascii_case("bytes") || ranges.split(',').all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_quoted_and_ranges_go_forward() {
        for sound in ["\"a\"", "W/\"a\"", "\"a\", \"b\"", "\"a\",W/\"b,c\"", "\"\""] {
            assert!(are_tags(sound), "{sound}");
        }
        for mistake in ["", "a", "\"a", "\"a\" \"b\"", "\"a\",", ",\"a\"", "w/\"a\"", "\"a b\"", "*, \"a\""] {
            assert!(!are_tags(mistake), "{mistake}");
        }
        for sound in ["bytes=0-0", "Bytes=3-", "bytes=-3", "bytes=0-1, 3-4", "bytes=1-99999999999999999999", "lines=x"]
        {
            assert!(is_range(sound), "{sound}");
        }
        for mistake in ["", "bytes", "bytes=", "bytes=-", "bytes=3-2", "bytes=a-b", "bytes=0-1,", "bytes=+1-2", "0-1"] {
            assert!(!is_range(mistake), "{mistake}");
        }
    }
}

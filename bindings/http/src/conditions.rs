//! Conditions and ranges of a GET (RFC 9110, sections 13 and 14), decided before a byte is read.
//!
//! Nothing here knows of the store or of hyper: an entity tag, a time and a size go in, a [`Plan`] comes out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

/// The version that is there.
pub(crate) struct Version<'a> {
    /// Its strong entity tag, quotes included.
    pub(crate) etag: &'a str,
    pub(crate) modified: SystemTime,
    pub(crate) size: u64,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All of it: 200.
    Whole,
    /// These bytes, the end excluded: 206.
    Part(u64, u64),
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416.
    Unsatisfiable,
}

/// What a GET with these headers is answered with, in the order of RFC 9110, section 13.2.2.
pub(crate) fn plan(headers: &HeaderMap, version: &Version<'_>) -> Plan {
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, IF_MATCH, |tag| tag == version.etag) {
            return Plan::Failed;
        }
    } else if time(headers, &IF_UNMODIFIED_SINCE).is_some_and(|since| seconds(version.modified) > since) {
        return Plan::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if any_tag(headers, IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == version.etag) {
            return Plan::NotModified;
        }
    } else if time(headers, &IF_MODIFIED_SINCE).is_some_and(|since| seconds(version.modified) <= since) {
        return Plan::NotModified;
    }
    match range(headers, version) {
        None => Plan::Whole,
        Some((first, _)) if first >= version.size => Plan::Unsatisfiable,
        Some((first, end)) => Plan::Part(first, end),
    }
}

/// Whole seconds: dates in headers have no finer ones.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn time(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(seconds)
}

/// Whether one of the tags of a header, `*` among them, fits. Tags are quoted and may hold commas.
pub(crate) fn any_tag(headers: &HeaderMap, name: HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let mut rest = value.trim();
        if rest == "*" {
            return true;
        }
        while !rest.is_empty() {
            let quote = rest.find('"').and_then(|from| Some((from, from + 1 + rest[from + 1..].find('"')?)));
            let Some((from, to)) = quote else { return false };
            let begin = if rest[..from].ends_with("W/") { from - 2 } else { from };
            if fits(&rest[begin..=to]) {
                return true;
            }
            rest = rest[to + 1..].trim_start_matches([',', ' ', '\t']);
        }
        false
    })
}

/// The bytes that are asked for, the end excluded and within the size; `None` asks for all. Several ranges, a unit
/// that is not known, and what cannot be read do as well.
fn range(headers: &HeaderMap, version: &Version<'_>) -> Option<(u64, u64)> {
    let spec = headers.get(RANGE)?.to_str().ok()?;
    if let Some(condition) = headers.get(IF_RANGE) {
        let condition = condition.to_str().ok()?;
        let same = if condition.contains('"') {
            condition == version.etag
        } else {
            httpdate::parse_http_date(condition).is_ok_and(|date| seconds(date) == seconds(version.modified))
        };
        if !same {
            return None;
        }
    }
    let (unit, spec) = spec.split_once('=')?;
    let (first, last) = spec.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond every size is as good as the largest.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.is_empty(), last.is_empty()) {
        // The last so many bytes; of nothing there are none.
        (true, false) => number(last)
            .map(|len| if len == 0 { (u64::MAX, u64::MAX) } else { (version.size.saturating_sub(len), version.size) }),
        (false, true) => number(first).map(|first| (first, version.size)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| (first, last.saturating_add(1).min(version.size)))
        }
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const MODIFIED: &str = "Fri, 26 Apr 2013 05:41:35 GMT";

    fn planned(headers: &[(HeaderName, &str)]) -> Plan {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let modified = httpdate::parse_http_date(MODIFIED).unwrap() + Duration::from_millis(700);
        plan(&map, &Version { etag: "\"v1\"", modified, size: 10 })
    }

    #[test]
    fn tags_are_compared_weakly_singly_in_lists_and_by_the_star() {
        for value in ["\"v1\"", "W/\"v1\"", "*", "\"a,b\", W/\"v1\"", "\"v0\",\"v1\""] {
            assert_eq!(planned(&[(IF_NONE_MATCH, value)]), Plan::NotModified, "{value}");
        }
        for value in ["\"v2\"", "v1", "\"v1", "", "\"v11\", \"xv1\""] {
            assert_eq!(planned(&[(IF_NONE_MATCH, value)]), Plan::Whole, "{value}");
        }
        assert_eq!(planned(&[(IF_MATCH, "\"v1\"")]), Plan::Whole);
        assert_eq!(planned(&[(IF_MATCH, "W/\"v1\"")]), Plan::Failed);
    }

    #[test]
    fn dates_count_in_seconds_and_only_without_tags() {
        let later = "Fri, 26 Apr 2013 05:41:36 GMT";
        let earlier = "Fri, 26 Apr 2013 05:41:34 GMT";
        assert_eq!(planned(&[(IF_MODIFIED_SINCE, MODIFIED)]), Plan::NotModified);
        assert_eq!(planned(&[(IF_MODIFIED_SINCE, later)]), Plan::NotModified);
        assert_eq!(planned(&[(IF_MODIFIED_SINCE, earlier)]), Plan::Whole);
        assert_eq!(planned(&[(IF_MODIFIED_SINCE, "yesterday")]), Plan::Whole);
        assert_eq!(planned(&[(IF_MODIFIED_SINCE, later), (IF_NONE_MATCH, "\"v2\"")]), Plan::Whole);
        assert_eq!(planned(&[(IF_UNMODIFIED_SINCE, MODIFIED)]), Plan::Whole);
        assert_eq!(planned(&[(IF_UNMODIFIED_SINCE, earlier)]), Plan::Failed);
    }

    #[test]
    fn ranges_are_clamped_refused_or_ignored() {
        for (value, plan) in [
            ("bytes=0-3", Plan::Part(0, 4)),
            ("bytes=4-", Plan::Part(4, 10)),
            ("bytes=-3", Plan::Part(7, 10)),
            ("bytes=-30", Plan::Part(0, 10)),
            ("bytes=2-99999999999999999999999", Plan::Part(2, 10)),
            ("Bytes=9-9", Plan::Part(9, 10)),
            ("bytes=10-", Plan::Unsatisfiable),
            ("bytes=99999999999999999999999-", Plan::Unsatisfiable),
            ("bytes=-0", Plan::Unsatisfiable),
            ("bytes=3-2", Plan::Whole),
            ("bytes=-", Plan::Whole),
            ("bytes=a-b", Plan::Whole),
            ("bytes=0-1,3-4", Plan::Whole),
            ("lines=0-1", Plan::Whole),
            ("bytes 0-1", Plan::Whole),
            ("bytes=+1-2", Plan::Whole),
        ] {
            assert_eq!(planned(&[(RANGE, value)]), plan, "{value}");
        }
        assert_eq!(planned(&[(RANGE, "bytes=0-3"), (IF_RANGE, "\"v1\"")]), Plan::Part(0, 4));
        assert_eq!(planned(&[(RANGE, "bytes=0-3"), (IF_RANGE, "W/\"v1\"")]), Plan::Whole);
        assert_eq!(planned(&[(RANGE, "bytes=0-3"), (IF_RANGE, "\"v2\"")]), Plan::Whole);
        assert_eq!(planned(&[(RANGE, "bytes=0-3"), (IF_RANGE, MODIFIED)]), Plan::Part(0, 4));
    }
}

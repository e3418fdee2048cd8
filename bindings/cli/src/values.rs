//! Values on the command line that are more than a text: lifetimes, instants, ranges, pairs.
//!
//! Each parser's error is a sentence that says what would have been understood.

use std::ops::Bound;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Units of a time to live, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// A time to live: a whole number and a unit, like `48h`.
pub(crate) fn ttl(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
    let (Ok(number), Some(unit_ms)) = (number.parse::<u64>(), unit_ms) else {
        return Err("a time to live is a whole number and one unit of ms, s, m, h, d, w: \
                    90s, 48h, 2w"
            .into());
    };
    match number.checked_mul(unit_ms) {
        Some(0) => Err("a time to live is at least 1ms".into()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("this time to live is beyond a hundred years; leave it out to keep it".into()),
    }
}

/// How long something may take: a whole number and a unit, like `30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    ttl(text).map_err(|_| "a duration is a whole number and one unit of ms, s, m, h, d, w: 90s, 30m".into())
}

/// An instant in RFC 3339, like `2030-01-31T12:00:00Z` or `2030-01-31T12:00:00+02:00`.
pub(crate) fn instant(text: &str) -> Result<SystemTime, String> {
    text.parse::<Timestamp>().map(SystemTime::from).map_err(|_| {
        "an instant is a date, a time and an offset as in RFC 3339: 2030-01-31T12:00:00Z, \
         2030-01-31T12:00:00+02:00"
            .into()
    })
}

/// A pair of the caller's own, `KEY=VALUE`; the value may hold further equal signs.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("metadata is given as KEY=VALUE, the key not empty".into()),
    }
}

/// A part of a content, as HTTP's byte ranges have it (RFC 9110, section 14.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `A-B`: both ends belong to it.
    Between(u64, u64),
    /// `A-`: from there to the end.
    From(u64),
    /// `-N`: the last N bytes, or all where there are fewer.
    Last(u64),
}

impl ByteRange {
    /// The bounds in a content of `size` bytes; `None` when its first byte is not among them.
    pub(crate) fn bounds(self, size: u64) -> Option<(Bound<u64>, Bound<u64>)> {
        match self {
            ByteRange::Between(first, _) | ByteRange::From(first) if first >= size => None,
            ByteRange::Between(first, last) => Some((Bound::Included(first), Bound::Included(last))),
            ByteRange::From(first) => Some((Bound::Included(first), Bound::Unbounded)),
            ByteRange::Last(len) => Some((Bound::Included(size.saturating_sub(len)), Bound::Unbounded)),
        }
    }
}

/// Reads `A-B`, `A-` or `-N`.
pub(crate) fn byte_range(text: &str) -> Result<ByteRange, String> {
    let understood = text.split_once('-').and_then(|(first, last)| match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Some(ByteRange::Between(first, last)),
        (Ok(first), Err(_)) if last.is_empty() => Some(ByteRange::From(first)),
        (Err(_), Ok(len)) if first.is_empty() && len > 0 => Some(ByteRange::Last(len)),
        _ => None,
    });
    understood.ok_or_else(|| {
        "a range is A-B with both ends included and A not beyond B, A- to the end, or -N for the \
         last N bytes"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_take_one_number_and_one_unit() {
        assert_eq!(ttl("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(ttl("48h"), Ok(Duration::from_hours(48)));
        assert_eq!(ttl("2w"), Ok(Duration::from_hours(14 * 24)));
        for wrong in ["", "48", "h", "-1h", "1.5h", "1h30m", "1 h", "48H", "0s", "99999999999999999999s"] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
        assert!(ttl(&format!("{}w", u64::MAX)).is_err_and(|message| message.contains("hundred years")));
    }

    #[test]
    fn instants_need_an_offset() {
        assert_eq!(instant("2030-01-31T12:00:00Z"), instant("2030-01-31T14:00:00+02:00"));
        assert!(instant("2030-01-31T12:00:00Z").is_ok());
        for wrong in ["", "tomorrow", "2030-01-31", "2030-01-31T12:00:00", "2030-02-30T12:00:00Z"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pairs_split_at_the_first_equal_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("=b").is_err() && pair("ab").is_err());
    }

    #[test]
    fn ranges_are_inclusive_open_or_counted_from_the_end() {
        assert_eq!(byte_range("0-0"), Ok(ByteRange::Between(0, 0)));
        assert_eq!(byte_range("7-"), Ok(ByteRange::From(7)));
        assert_eq!(byte_range("-5"), Ok(ByteRange::Last(5)));
        for wrong in ["", "-", "5", "5-4", "-0", "a-b", "1-2-3", "+1-2x", "--1"] {
            assert!(byte_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_that_begins_behind_the_last_byte_has_no_bounds() {
        assert_eq!(ByteRange::Last(5).bounds(3), Some((Bound::Included(0), Bound::Unbounded)));
        assert_eq!(ByteRange::Last(5).bounds(9), Some((Bound::Included(4), Bound::Unbounded)));
        assert_eq!(ByteRange::From(8).bounds(9), Some((Bound::Included(8), Bound::Unbounded)));
        assert_eq!((ByteRange::From(9).bounds(9), ByteRange::Between(9, 12).bounds(9)), (None, None));
    }
}

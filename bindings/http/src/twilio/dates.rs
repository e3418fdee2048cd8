//! Dates as Twilio writes them, and the filters of a listing by them.
//!
//! Whole seconds throughout: that is all that the dates of a resource show, and a filter that is given the date of a
//! resource finds it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_SECS: u64 = 24 * 3600;

/// `Fri, 26 Apr 2013 05:41:35 +0000` (RFC 2822).
pub(super) fn rfc2822(time: SystemTime) -> String {
    httpdate::fmt_http_date(time).replace("GMT", "+0000")
}

/// Which media a listing shows, by when they were created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// On the day that begins then, by GMT.
    On(u64),
    /// At that second or before.
    UpTo(u64),
    /// At that second or after.
    From(u64),
}

impl Filter {
    /// The filter of a pair of the query; `None` where it is none, an error where its date is none.
    pub(super) fn read(key: &str, value: &str) -> Option<Result<Filter, String>> {
        let filter: fn(u64) -> Filter = match key {
            "DateCreated" => |second| Filter::On(second / DAY_SECS * DAY_SECS),
            "DateCreated<" => Filter::UpTo,
            "DateCreated>" => Filter::From,
            _ => return None,
        };
        let wrong = || format!("{key} is a date, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, not {value:?}");
        Some(instant(value).map(filter).ok_or_else(wrong))
    }

    pub(super) fn lets_through(self, created: SystemTime) -> bool {
        let second = created.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        match self {
            Filter::On(day) => (day..day + DAY_SECS).contains(&second),
            Filter::UpTo(last) => second <= last,
            Filter::From(first) => second >= first,
        }
    }
}

/// Seconds since 1970 of a date, at its midnight, or of a date and a time.
fn instant(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days_since_1970(year, month, day)?;
    let Some(time) = time else { return Some(days * DAY_SECS) };
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    (hour < 24 && minute < 60 && second < 60).then_some(days * DAY_SECS + hour * 3600 + minute * 60 + second)
}

/// Numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let parts: Vec<&str> = text.split(between).collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    let mut numbers = [0; 3];
    for ((number, part), digits) in numbers.iter_mut().zip(parts).zip(digits) {
        let sound = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| sound)?;
    }
    Some(numbers)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let leap = u64::from(leaps(year) > leaps(year.checked_sub(1)?));
    let lengths = [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || !(1..=*lengths.get(month)?).contains(&day) {
        return None;
    }
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + lengths[..month].iter().sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(text: &str) -> SystemTime {
        httpdate::parse_http_date(text).unwrap() + Duration::from_millis(700)
    }

    fn read(key: &str, value: &str) -> Filter {
        Filter::read(key, value).unwrap().unwrap()
    }

    #[test]
    fn a_date_is_written_as_in_rfc_2822() {
        assert_eq!(rfc2822(created("Fri, 26 Apr 2013 05:41:35 GMT")), "Fri, 26 Apr 2013 05:41:35 +0000");
        assert_eq!(rfc2822(created("Sun, 05 Jan 2025 00:00:00 GMT")), "Sun, 05 Jan 2025 00:00:00 +0000");
    }

    #[test]
    fn every_day_is_the_one_that_another_library_has() {
        for day in (0..60_000).step_by(13).chain([11_016, 11_017, 19_782, 19_783]) {
            let time = UNIX_EPOCH + Duration::from_secs(day * DAY_SECS);
            let text = httpdate::fmt_http_date(time);
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(&text[8..11]).unwrap() / 3 + 1;
            let date = format!("{}-{month:02}-{}", &text[12..16], &text[5..7]);
            assert_eq!(instant(&date), Some(day * DAY_SECS), "{date}");
            assert_eq!(instant(&format!("{date}T23:59:58Z")), Some(day * DAY_SECS + DAY_SECS - 2));
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2013",
            "2013-04",
            "2013-4-26",
            "2013-04-31",
            "2013-13-01",
            "2013-00-10",
            "2013-02-29",
            "1900-02-29",
            "2013-04-26T",
            "2013-04-26T05:41Z",
            "2013-04-26T05:41:35",
            "2013-04-26T24:00:00Z",
            "2013-04-26 05:41:35Z",
            "2013-04-26T05:41:60Z",
            "yesterday",
            "+013-04-26",
            "2013-04-26-",
            "1969-12-31",
            "0000-01-01",
        ] {
            assert!(matches!(Filter::read("DateCreated>", text), Some(Err(_))), "{text}");
        }
        assert!(Filter::read("PageSize", "2013-04-26").is_none());
    }

    #[test]
    fn both_ends_belong_to_it() {
        let medium = created("Fri, 26 Apr 2013 05:41:35 GMT");
        for (key, value, shown) in [
            ("DateCreated", "2013-04-26", true),
            ("DateCreated", "2013-04-26T00:00:00Z", true),
            ("DateCreated", "2013-04-26T23:00:00Z", true),
            ("DateCreated", "2013-04-25", false),
            ("DateCreated", "2013-04-27", false),
            ("DateCreated<", "2013-04-26", false),
            ("DateCreated<", "2013-04-27", true),
            ("DateCreated<", "2013-04-26T05:41:35Z", true),
            ("DateCreated<", "2013-04-26T05:41:34Z", false),
            ("DateCreated>", "2013-04-26", true),
            ("DateCreated>", "2013-04-27", false),
            ("DateCreated>", "2013-04-26T05:41:35Z", true),
            ("DateCreated>", "2013-04-26T05:41:36Z", false),
        ] {
            assert_eq!(read(key, value).lets_through(medium), shown, "{key}={value}");
        }
    }
}

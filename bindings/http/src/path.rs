//! Names in paths: the raw path is split first and each part decoded then, exactly once.
//!
//! So `a%2Fb` and `a/b` are one name where a name may hold slashes, `a%252Fb` is another one, and nothing is ever
//! normalised. A name never becomes a path of the file system.

use crate::refusal::Refusal;

/// Every byte that stands for itself in a link's path: the unreserved ones (RFC 3986, 2.3).
const ESCAPED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The text that a raw part of a path stands for.
pub(crate) fn decoded(raw: &str) -> Result<String, Refusal> {
    let wrong = |what: &str| Refusal::bad_request(format!("the path {what}"));
    let mut bytes = raw.bytes();
    let mut text = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err(wrong("has a percent sign that two hexadecimal digits do not follow"));
        };
        text.push((high * 16 + low) as u8);
    }
    if text.contains(&0) {
        return Err(wrong("holds a NUL"));
    }
    String::from_utf8(text).map_err(|_| wrong("is not UTF-8 when decoded"))
}

/// The text as it stands in a link, slashes escaped as well.
pub(crate) fn encoded(text: &str) -> impl std::fmt::Display {
    percent_encoding::utf8_percent_encode(text, ESCAPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_exactly_once() {
        for (raw, name) in [
            ("a%2Fb", "a/b"),
            ("a%2fb", "a/b"),
            ("a%252Fb", "a%2Fb"),
            ("d/%C3%A9%201%25.png", "d/é 1%.png"),
            ("a+b//c", "a+b//c"),
            ("%2e%2e/x", "../x"),
            ("é", "é"),
        ] {
            assert_eq!(decoded(raw).unwrap(), name);
        }
        for raw in ["%", "%z", "%zz", "a%2", "%00", "%ff", "%C3", "%+1"] {
            assert!(decoded(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn what_was_encoded_is_decoded_to_itself() {
        for name in ["a/b", "%2F", "é 1%.png", "+?#\\\"'", "a\nb", "🦆", "..", "e\u{301}"] {
            assert_eq!(decoded(&encoded(name).to_string()).unwrap(), name);
        }
    }
}

//! What a request says about who sent it.
//!
//! Reads the `Authorization` header; comparing is [`crate::secret::Secret::is`], in constant time. What cannot be read
//! is no credential: it is answered like a missing one, and never with a failure.

use data_encoding::BASE64;
use http::header::{AUTHORIZATION, HeaderMap};

/// What stands in the `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// There is none.
    Nothing,
    /// `Basic`, decoded (RFC 7617).
    Basic { user: String, password: String },
    /// `AccessKey` (MessageBird).
    AccessKey(String),
    /// `Bearer` (RFC 6750).
    Bearer(String),
    /// Something that no scheme here can read.
    Unreadable,
}

/// Reads the header; more than one of them is unreadable.
pub(crate) fn given(headers: &HeaderMap) -> Given {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Given::Unreadable } else { Given::Nothing };
    };
    let Ok(text) = std::str::from_utf8(header.as_bytes()) else { return Given::Unreadable };
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Given::Unreadable;
    }
    if scheme.eq_ignore_ascii_case("basic") {
        basic(rest).unwrap_or(Given::Unreadable)
    } else if scheme.eq_ignore_ascii_case("accesskey") {
        Given::AccessKey(rest.to_owned())
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Given::Bearer(rest.to_owned())
    } else {
        Given::Unreadable
    }
}

fn basic(encoded: &str) -> Option<Given> {
    let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Given::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(value: &[u8]) -> Given {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        given(&headers)
    }

    #[test]
    fn every_scheme_is_read_and_nothing_else() {
        let basic = Given::Basic { user: "bwuser".into(), password: "bw:pass".into() };
        assert_eq!(read(format!("basic  {}", BASE64.encode(b"bwuser:bw:pass")).as_bytes()), basic);
        assert_eq!(read(b"AccessKey abc"), Given::AccessKey("abc".into()));
        assert_eq!(read(b"Bearer t.o.k"), Given::Bearer("t.o.k".into()));
        assert_eq!(given(&HeaderMap::new()), Given::Nothing);
        let colonless = format!("Basic {}", BASE64.encode(b"nocolon"));
        let latin = format!("Basic {}", BASE64.encode(b"\xff:\xfe"));
        for value in
            [&b"Basic"[..], b"Basic ", b"Basic !!!", b"", b"xyz", b"Digest a=b", b"AccessKey", b"\xff\xfe", b"Basic YQ"]
        {
            assert_eq!(read(value), Given::Unreadable, "{value:?}");
        }
        assert_eq!(read(colonless.as_bytes()), Given::Unreadable);
        assert_eq!(read(latin.as_bytes()), Given::Unreadable);
    }
}

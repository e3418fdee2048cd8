//! Headers that keep stored content from doing harm to who opens it.
//!
//! Uploads are strangers' bytes. They are served so that a browser takes them for what they were declared
//! (`nosniff`), runs nothing in them (a sandbox without scripts and sources), and saves rather than shows types that
//! can carry scripts, unless the operator says otherwise. Stored texts become header values or are left out: none can
//! begin a header of its own.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use mediacask::Entry;

use crate::config::Content;

/// What is served when nothing was declared, or nothing that is header text.
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// Types that browsers run scripts in, besides all that are XML.
const ACTIVE: [&str; 12] = [
    "text/html",
    "text/xml",
    "text/xsl",
    "text/javascript",
    "text/ecmascript",
    "application/xml",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/x-shockwave-flash",
    "multipart/x-mixed-replace",
    "message/rfc822",
];

/// The headers that say what the content is and keep it harmless.
pub(crate) fn describe(entry: &Entry, content: &Content, headers: &mut HeaderMap) {
    let stored = entry.content_type.as_deref().and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
    let active = entry.content_type.as_deref().is_some_and(is_active) && !content.active_inline;
    headers.insert(CONTENT_TYPE, stored.unwrap_or(UNKNOWN));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    put_text(headers, CACHE_CONTROL, entry.cache_control.as_deref());
    let disposition = entry.content_disposition.as_deref();
    match disposition {
        Some(text) if active => put_text(headers, CONTENT_DISPOSITION, Some(&attached(text))),
        None if active => put_text(headers, CONTENT_DISPOSITION, Some("attachment")),
        given => put_text(headers, CONTENT_DISPOSITION, given),
    }
}

fn put_text(headers: &mut HeaderMap, name: HeaderName, text: Option<&str>) {
    if let Some(value) = text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
        headers.insert(name, value);
    }
}

/// Whether a browser may run what is declared so.
fn is_active(content_type: &str) -> bool {
    let kind = content_type.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
    ACTIVE.contains(&kind.as_str()) || kind.ends_with("+xml") || !kind.contains('/')
}

/// The same disposition, as one to save: parameters are kept, `inline` is not.
fn attached(disposition: &str) -> String {
    match disposition.split_once(';') {
        Some((_, parameters)) => format!("attachment;{parameters}"),
        None => "attachment".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_carry_scripts_are_known_however_they_are_written() {
        for active in [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            " image/svg+xml",
            "application/xhtml+xml",
            "text/html,image/png",
            "html",
        ] {
            assert!(is_active(active), "{active}");
        }
        for still in ["image/png", "text/plain; charset=utf-8", "application/pdf", "text/vcard", "video/mp4"] {
            assert!(!is_active(still), "{still}");
        }
    }

    #[test]
    fn what_is_active_is_saved_under_the_name_it_has() {
        assert_eq!(attached("inline; filename=\"a.html\""), "attachment; filename=\"a.html\"");
        assert_eq!(attached("Inline"), "attachment");
    }
}

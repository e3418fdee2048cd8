//! What a medium and a listing look like, as JSON and as XML, and what refusals look like.

use std::fmt::Write as _;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use mediacask::{Entry, ErrorKind};
use serde::Serialize;
use serde_json::json;

use super::dates::rfc2822;
use crate::refusal::{Refusal, json};

/// The form of an answer; what the path ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml,
}

impl Form {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Xml => "xml",
        }
    }
}

/// A medium as the SDKs read it.
#[derive(Serialize)]
pub(super) struct Medium {
    sid: String,
    account_sid: String,
    parent_sid: String,
    content_type: String,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl Medium {
    pub(super) fn of(account: &str, message: &str, entry: &Entry, form: Form) -> Medium {
        let sid = entry.name.rsplit('/').next().unwrap_or_default().to_owned();
        let uri = format!("{}/{sid}.{}", super::media_uri(account, message), form.extension());
        Medium {
            account_sid: account.to_owned(),
            parent_sid: message.to_owned(),
            content_type: entry.content_type.clone().unwrap_or_default(),
            date_created: rfc2822(entry.created_at),
            date_updated: rfc2822(entry.updated_at),
            uri,
            sid,
        }
    }

    fn xml(&self, into: &mut String) {
        into.push_str("<Media>");
        for (tag, text) in [
            ("Sid", &self.sid),
            ("AccountSid", &self.account_sid),
            ("ParentSid", &self.parent_sid),
            ("ContentType", &self.content_type),
            ("DateCreated", &self.date_created),
            ("DateUpdated", &self.date_updated),
            ("Uri", &self.uri),
        ] {
            let _ = write!(into, "<{tag}>{}</{tag}>", escaped(text));
        }
        into.push_str("</Media>");
    }

    pub(super) fn answer(&self, status: StatusCode, form: Form) -> Response<Body> {
        match form {
            Form::Json => json(status, self),
            Form::Xml => {
                let mut text = String::new();
                self.xml(&mut text);
                xml(status, &text)
            }
        }
    }
}

/// A page of media. The SDKs take the one key that is none of the paging ones for the records.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the SDKs'")]
pub(super) struct Page {
    pub(super) media_list: Vec<Medium>,
    pub(super) page: u64,
    pub(super) page_size: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) uri: String,
    pub(super) first_page_uri: String,
    pub(super) next_page_uri: Option<String>,
    pub(super) previous_page_uri: Option<String>,
}

impl Page {
    pub(super) fn answer(&self, form: Form) -> Response<Body> {
        if form == Form::Json {
            return json(StatusCode::OK, self);
        }
        let mut text = String::from("<MediaList");
        for (name, value) in [
            ("page", self.page.to_string()),
            ("pagesize", self.page_size.to_string()),
            ("start", self.start.to_string()),
            ("end", self.end.to_string()),
            ("uri", self.uri.clone()),
            ("firstpageuri", self.first_page_uri.clone()),
            ("nextpageuri", self.next_page_uri.clone().unwrap_or_default()),
            ("previouspageuri", self.previous_page_uri.clone().unwrap_or_default()),
        ] {
            let _ = write!(text, " {name}=\"{}\"", escaped(&value));
        }
        text.push('>');
        self.media_list.iter().for_each(|medium| medium.xml(&mut text));
        text.push_str("</MediaList>");
        xml(StatusCode::OK, &text)
    }
}

fn xml(status: StatusCode, inner: &str) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse>{inner}</TwilioResponse>");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Text as it stands between tags and in quotes; what XML cannot hold at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A refusal as the SDKs read it. A title and a type beside would make another class of it.
pub(super) fn refused(mut refusal: Refusal) -> Response<Body> {
    let full = refusal.kind == Some(ErrorKind::QuotaExceeded);
    if full {
        refusal.status = StatusCode::BAD_REQUEST;
    }
    let code = match refusal.status {
        _ if full => 21623,
        StatusCode::BAD_REQUEST => 20001,
        StatusCode::UNAUTHORIZED => 20003,
        StatusCode::FORBIDDEN => 20403,
        StatusCode::NOT_FOUND => 20404,
        StatusCode::METHOD_NOT_ALLOWED => 20004,
        status if status.is_server_error() => 20500,
        _ => 20000,
    };
    let shape = json!({
        "code": code,
        "message": refusal.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": refusal.status.as_u16(),
    });
    refusal.shaped(&shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_xml_ends_no_tag() {
        assert_eq!(escaped("a/b; n=\"<&>'\""), "a/b; n=&quot;&lt;&amp;&gt;&apos;&quot;");
        assert_eq!(escaped("é\u{1}\n"), "é&#10;");
    }
}

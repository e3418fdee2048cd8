//! Refusals: why a request is not done, before a provider gives it its shape.
//!
//! Everything under the providers answers with a [`Refusal`]: a status, a sentence for the client, and the headers that
//! belong to the status. Each provider's file turns it into the JSON its SDKs read. What went wrong inside is told to
//! the log and not to the client: paths and offsets are the operator's.

use std::fmt;

use http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use mediacask::{Error, ErrorKind};

use axum::body::Body;

/// Why a request is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A sentence for the client.
    pub(crate) message: String,
    /// What the store calls it, where it was the store.
    pub(crate) kind: Option<ErrorKind>,
    /// What belongs to the status: `WWW-Authenticate`, `Allow`, `Content-Range`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// What handlers give.
pub(crate) type Answer<T = Response<Body>> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), kind: None, headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Refusal {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, message)
    }

    /// The method is none of `allowed`, as they stand in the header `Allow`.
    pub(crate) fn method(allowed: &'static str) -> Refusal {
        let message = format!("this resource takes {allowed}");
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// The body has more bytes than are taken. 400 and not 413: it is in every table of the SDKs, and some take 413 for
    /// a reason to try again. The native API goes by the kind.
    pub(crate) fn too_large(bytes_max: u64) -> Refusal {
        let message = format!("the body is larger than the {bytes_max} bytes that are taken");
        Refusal { kind: Some(ErrorKind::TooLarge), ..Refusal::bad_request(message) }
    }

    /// No byte of the content is in the range that was asked for.
    pub(crate) fn range(size: u64) -> Refusal {
        let value = HeaderValue::from_str(&format!("bytes */{size}")).expect("digits are header text");
        let message = format!("the range begins behind the last of {size} bytes");
        Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, message).with(CONTENT_RANGE, value)
    }

    /// The answer: this refusal's status and headers, and the JSON that a provider made of it.
    pub(crate) fn shaped(self, shape: &serde_json::Value) -> Response<Body> {
        let mut response = json(self.status, shape);
        response.headers_mut().extend(self.headers);
        response
    }

    /// Something inside failed in a way that is no client's fault.
    pub(crate) fn internal(why: impl fmt::Display) -> Refusal {
        tracing::error!(target: "mediacask_http", "a request failed inside: {why}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside; the log of the server says why")
    }
}

/// An answer whose body is JSON.
pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("texts and numbers become JSON");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let status = StatusCode::from_u16(error.kind().face().http_status);
        let status = match status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
            // As in `too_large`.
            StatusCode::PAYLOAD_TOO_LARGE => StatusCode::BAD_REQUEST,
            status => status,
        };
        if !status.is_server_error() {
            return Refusal { kind: Some(error.kind()), ..Refusal::new(status, error.to_string()) };
        }
        tracing::error!(target: "mediacask_http", kind = error.kind().face().name, "the store failed: {error}");
        let message = match error.kind() {
            ErrorKind::QuotaExceeded => "this would exceed the quota",
            ErrorKind::NoSpace => "the disk of the server is full",
            ErrorKind::Corrupt => "the stored content is damaged; storing it again heals it",
            ErrorKind::Poisoned | ErrorKind::ReadOnly => "the server cannot write at present",
            ErrorKind::Closed => "the server is stopping",
            _ => "the request failed inside; the log of the server says why",
        };
        Refusal { kind: Some(error.kind()), ..Refusal::new(status, message) }
    }
}

//! What the operator learns of each request: a line of the access log, and figures for `/metrics`.
//!
//! Both are written when the last byte of the answer has been given to the socket, or the client has gone. Nothing of
//! a request's headers but its size is told, so no credential can be; query strings, which hold signatures, are not.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use metrics::{counter, gauge, histogram};

use crate::config::Log;
use crate::gateway::Gateway;

/// Who a connection is with; nobody's address on a Unix socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Option<SocketAddr>);

/// The middleware, outside all others.
pub(crate) async fn observe(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let log = gateway.config().log;
    let begun = Instant::now();
    let mut told = Told {
        log,
        begun,
        method: request.method().clone(),
        path: if log == Log::Off { String::new() } else { request.uri().path().to_owned() },
        api: api(request.uri().path()),
        peer: request.extensions().get::<Peer>().and_then(|peer| peer.0),
        received: request.body().size_hint().exact(),
        status: StatusCode::INTERNAL_SERVER_ERROR,
        sent: 0,
        whole: false,
    };
    gauge!("mediacask_http_requests_under_way").increment(1);
    let response = next.run(request).await;
    told.status = response.status();
    told.whole = response.body().is_end_stream();
    response.map(|body| Body::new(Observed { body, told }))
}

/// The API a path belongs to.
fn api(path: &str) -> &'static str {
    let apis =
        [("/api/v2/", "bandwidth"), ("/2010-04-01/", "twilio"), ("/v1/", "messagebird"), ("/mediacask/v1/", "native")];
    apis.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or("other", |(_, api)| api)
}

/// What will be told of a request: when this is dropped, it is.
struct Told {
    log: Log,
    begun: Instant,
    method: Method,
    path: String,
    api: &'static str,
    peer: Option<SocketAddr>,
    received: Option<u64>,
    status: StatusCode,
    sent: u64,
    whole: bool,
}

impl Drop for Told {
    fn drop(&mut self) {
        let (method, status, took) = (method(&self.method), self.status.as_u16(), self.begun.elapsed());
        let labels = [("api", self.api.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
        gauge!("mediacask_http_requests_under_way").decrement(1);
        counter!("mediacask_http_requests_total", &labels).increment(1);
        counter!("mediacask_http_sent_bytes_total", "api" => self.api).increment(self.sent);
        counter!("mediacask_http_received_bytes_total", "api" => self.api).increment(self.received.unwrap_or(0));
        histogram!("mediacask_http_request_seconds", "api" => self.api, "method" => method).record(took);
        if self.log != Log::Off {
            tracing::info!(
                target: "mediacask_http::access",
                peer = self.peer.map(|peer| peer.to_string()),
                method = %self.method,
                path = self.path,
                status,
                received = self.received,
                sent = self.sent,
                whole = self.whole,
                milliseconds = took.as_millis() as u64,
            );
        }
    }
}

/// Methods by name; those that clients make up share one, so that they cannot fill the memory with figures.
fn method(method: &Method) -> &'static str {
    let known = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH];
    let names = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"];
    known.iter().position(|known| known == method).map_or("other", |at| names[at])
}

/// A body whose bytes are counted.
struct Observed {
    body: Body,
    told: Told,
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.told.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(error)) => tracing::error!(target: "mediacask_http", "a download was broken off: {error}"),
            None => {}
        }
        self.told.whole = frame.is_none() || self.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Request bodies: read to their end before the answer goes out, whoever was not interested in them.
//!
//! A client that still sends while it is refused sees a reset instead of the status, and what is left of its body
//! would be taken for the next request. So the body comes back here when the handler lets go of it, and the rest is
//! read and dropped. Where that would take too long, or the client waits for `100 Continue` before it sends, the
//! answer goes out at once, and the connection closes with patience (`connection.rs`).

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;

/// Most bytes that are read only to be dropped: the largest upload that is refused, and some more.
const DROPPED_MAX: u64 = 256 << 20;

/// How long that may take.
const DROPPING_MAX: Duration = Duration::from_mins(2);

/// Where a body is put when its reader lets go of it.
type Home = Arc<Mutex<Option<Left>>>;

/// What its reader has left of a body.
struct Left {
    body: Body,
    /// Some of it was asked for, so that a client which waited for that has begun to send.
    touched: bool,
}

/// A body that goes home.
struct Lent {
    left: Option<Left>,
    home: Home,
}

impl Lent {
    fn left(&self) -> &Left {
        self.left.as_ref().expect("only drop takes it")
    }
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let left = self.left.as_mut().expect("only drop takes it");
        left.touched = true;
        let frame = std::task::ready!(Pin::new(&mut left.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            // Over, or broken: nothing is left to be read.
            left.body = Body::empty();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left().body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Ok(mut home) = self.home.lock() {
            *home = self.left.take();
        }
    }
}

/// The middleware: lends the body to the handler, and reads what it has left.
pub(crate) async fn read_to_its_end(request: Request, next: Next) -> Response {
    let waits = request.headers().contains_key(EXPECT);
    let home = Home::default();
    let lender = home.clone();
    let lend = |body| Body::new(Lent { left: Some(Left { body, touched: false }), home: lender });
    let mut response = next.run(request.map(lend)).await;
    let left = home.lock().ok().and_then(|mut home| home.take());
    if let Some(mut left) = left.filter(|left| !left.body.is_end_stream()) {
        let waits = waits && !left.touched;
        // Who has let the time for its body pass is not given more of it.
        let late = response.status() == StatusCode::REQUEST_TIMEOUT;
        let read = !(waits || late)
            && left.body.size_hint().lower() <= DROPPED_MAX
            && matches!(tokio::time::timeout(DROPPING_MAX, drop_rest(&mut left.body)).await, Ok(true));
        if !read {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

/// Reads a body and drops it; whether it came to its end.
async fn drop_rest(body: &mut Body) -> bool {
    let mut dropped = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        dropped += frame.data_ref().map_or(0, |data| data.len() as u64);
        if dropped > DROPPED_MAX {
            return false;
        }
    }
    true
}

//! Events as server-sent events (WHATWG HTML, 9.2): what happens to names, from any place that is still in the log.
//!
//! - The id of an event is its sequence number; a client that comes back with `Last-Event-ID` misses nothing and is
//!   told nothing twice. Ids come behind the last event there is and with heartbeats as well, so that a client whose
//!   account is quiet stays ahead of what the log forgets.
//! - A follower holds at most [`AT_ONCE`] events besides the feed's own few hundred: the next are read when the socket
//!   has taken these.
//! - The stream ends when the gateway stops, when the store can tell no more, and when the token no longer holds.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use mediacask::{Account, ErrorKind, Events};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::bell::Bell;
use super::options::{invalid, of_query};
use super::scope::admit;
use super::shapes;
use crate::config::Access;
use crate::connection::Endless;
use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal};

/// Events that are read and sent together, at most.
const AT_ONCE: usize = 64;

/// How often a quiet stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where to begin.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FollowFields {
    after: Option<u64>,
}

/// Follows what happens to the names of an account, or of all of them.
pub(super) async fn follow(
    gateway: &Arc<Gateway>,
    account: Option<Account>,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Answer {
    let FollowFields { after } = of_query(query)?;
    let last = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()).map(|id| {
        let id = id.to_str().ok().and_then(|id| id.parse().ok());
        id.ok_or_else(|| invalid("Last-Event-ID is a number that this stream has given"))
    });
    // A client that comes back asks by the address it began with: what it has seen since counts.
    let after = last.transpose()?.or(after);
    let (store, bell) = (gateway.store.clone(), Bell::follow(gateway));
    let begin = move || -> mediacask::Result<Events> {
        let after = match after {
            Some(after) => after,
            None => store.stats()?.last_sequence,
        };
        store.events(after)
    };
    let feed = gateway.read(begin).await??;
    let account = account.map(|account| account.name().to_owned());
    let follower = Follower { gateway: gateway.clone(), headers: headers.clone(), account, bell };
    let (socket, frames) = mpsc::channel(1);
    tokio::spawn(follower.follow(Some(feed), socket));
    let mut response = Response::new(Body::new(Stream(frames)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Endless);
    Ok(response)
}

/// One who follows events.
struct Follower {
    gateway: Arc<Gateway>,
    /// Those of the request: its token must hold for as long as the stream does.
    headers: HeaderMap,
    /// Whose events are told; `None`: everybody's.
    account: Option<String>,
    bell: watch::Receiver<u64>,
}

/// What was read at a time.
struct Told {
    feed: Events,
    frames: String,
    /// There may be more at once.
    more: bool,
    /// There will be no more.
    over: bool,
}

impl Follower {
    async fn follow(mut self, mut feed: Option<Events>, socket: mpsc::Sender<Bytes>) {
        let mut stopping = self.gateway.stopping();
        let mut quiet = true;
        while let Some(events) = feed.take() {
            self.bell.borrow_and_update();
            let account = self.account.clone();
            let Ok(told) = self.gateway.read(move || tell(events, account.as_deref(), quiet)).await else { return };
            if !told.frames.is_empty() {
                tokio::select! {
                    sent = socket.send(told.frames.into()) => if sent.is_err() { return },
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                }
            }
            if told.over || !self.is_admitted() {
                return;
            }
            feed = Some(told.feed);
            quiet = false;
            if told.more {
                continue;
            }
            let heartbeat = self.heartbeat();
            tokio::select! {
                rung = self.bell.changed() => if rung.is_err() { return },
                () = tokio::time::sleep(heartbeat) => quiet = true,
                () = socket.closed() => return,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Well before the connection is taken for a dead one.
    fn heartbeat(&self) -> Duration {
        HEARTBEAT.min(self.gateway.config().limits.stall_time / 3).max(Duration::from_millis(100))
    }

    /// Whether the token is still one that may read this: the configuration may have been read again.
    fn is_admitted(&self) -> bool {
        let config = self.gateway.config();
        let Ok(caller) = admit(&config, &self.headers) else { return false };
        match &self.account {
            Some(account) => caller.named(&self.gateway, account, Access::Read).is_ok(),
            None => caller.administrates().is_ok(),
        }
    }
}

/// The next events as frames, and at the end of them the place that was reached; where there are none, only if `quiet`.
fn tell(mut feed: Events, account: Option<&str>, quiet: bool) -> Told {
    let (mut frames, mut read) = (String::new(), 0);
    while read < AT_ONCE {
        let Some(event) = feed.next() else {
            if quiet || !frames.is_empty() {
                let _ = write!(frames, ": nothing new\nid: {}\n\n", feed.seen());
            }
            return Told { feed, frames, more: false, over: false };
        };
        read += 1;
        match event {
            Ok(event) if account.is_none_or(|account| account == event.account) => {
                let data = shapes::event(&event);
                let _ = write!(frames, "id: {}\nevent: {}\ndata: {data}\n\n", event.sequence, event.kind);
            }
            Ok(_) => {}
            Err(error) => {
                // A stretch that is damaged is passed over; anything else is the end.
                let lost = error.kind() == ErrorKind::Corrupt;
                let (event, word) = (if lost { "lost" } else { "end" }, error.kind().face().name);
                let data = json!({ "error": word, "message": Refusal::from(error).message });
                let _ = write!(frames, "event: {event}\ndata: {data}\n\n");
                if !lost {
                    return Told { feed, frames, more: false, over: true };
                }
            }
        }
    }
    Told { feed, frames, more: true, over: false }
}

/// The frames as a body.
struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

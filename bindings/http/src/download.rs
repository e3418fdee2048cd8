//! The journey of a download: a name -> its version -> conditions and range -> bytes of the store's own map.
//!
//! A body is a queue of chunks of 64 KiB, each a piece of the mapped segment that was checked just before: nothing is
//! copied between the disk's cache and the socket. Chunks are fetched a few at a time, by a thread that may wait for
//! the disk unless they are in memory already, and the next few only when the socket has taken most of the last: a slow
//! client holds little memory, and no lock. A chunk that is found damaged in the middle ends the connection, so that
//! nobody takes a part for the whole.

use std::collections::VecDeque;
use std::io::{self, Seek as _, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::body::Body;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use http::{Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use mediacask::{Account, BlobReader, Entry};

use crate::conditions::{Plan, Version, plan};
use crate::gateway::Gateway;
use crate::harmless;
use crate::refusal::{Answer, Refusal};

/// Chunks that are fetched at a time, of 64 KiB each.
const CHUNKS: usize = 4;
const AHEAD: u64 = (CHUNKS as u64) << 16;

/// The entity tag of a version: new with every upload, the same for as long as it stays.
pub(crate) fn etag(entry: &Entry) -> String {
    let digest = entry.digest.to_string();
    format!("\"{:x}-{}\"", entry.generation, &digest[..16])
}

/// Answers a GET or HEAD of `name`, or refuses with `absent`.
pub(crate) async fn respond(
    gateway: &Arc<Gateway>,
    account: Account,
    name: String,
    method: &Method,
    headers: &HeaderMap,
    absent: impl FnOnce() -> Refusal,
) -> Answer {
    let (headers, head) = (headers.clone(), method == Method::HEAD);
    let at_hand = account.is_at_hand(&name, if head { 0 } else { AHEAD })?;
    let open = move || -> mediacask::Result<Option<Opened>> {
        let Some(mut reader) = account.reader(&name)? else { return Ok(None) };
        let entry = reader.entry();
        let etag = etag(&entry);
        let version = Version { etag: &etag, modified: entry.updated_at, size: entry.size };
        let plan = plan(&headers, &version);
        let (from, to) = match plan {
            Plan::Whole => (0, entry.size),
            Plan::Part(from, to) => (from, to),
            _ => (0, 0),
        };
        // The first chunks before the status: damage there is told as one.
        let chunks = if head || from == to { VecDeque::new() } else { fetch(&mut reader, from, to - from)? };
        Ok(Some(Opened { entry, etag, plan, from, len: to - from, reader, chunks }))
    };
    let opened = gateway.read_or_wait(at_hand, open).await??.ok_or_else(absent)?;
    opened.answer(gateway, head)
}

/// A version that was found, and what of it is given.
struct Opened {
    entry: Entry,
    etag: String,
    plan: Plan,
    from: u64,
    len: u64,
    reader: BlobReader,
    chunks: VecDeque<Bytes>,
}

impl Opened {
    fn answer(self, gateway: &Arc<Gateway>, head: bool) -> Answer {
        let Opened { entry, etag, plan, from, len, reader, chunks } = self;
        let status = match plan {
            Plan::Whole => StatusCode::OK,
            Plan::Part(..) => StatusCode::PARTIAL_CONTENT,
            Plan::NotModified => StatusCode::NOT_MODIFIED,
            Plan::Failed => {
                return Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "another version is stored"));
            }
            Plan::Unsatisfiable => return Err(Refusal::range(entry.size)),
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        // For an API that tells more of it.
        response.extensions_mut().insert(entry.clone());
        let headers = response.headers_mut();
        describe(&entry, &etag, gateway, headers);
        if plan == Plan::NotModified {
            headers.remove(http::header::CONTENT_TYPE);
            headers.remove(http::header::CONTENT_DISPOSITION);
            return Ok(response);
        }
        if status == StatusCode::PARTIAL_CONTENT {
            set(headers, CONTENT_RANGE, &format!("bytes {from}-{}/{}", from + len - 1, entry.size));
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
        if !head {
            let rest = len - chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
            let source = if rest == 0 { Source::Over } else { Source::Idle(Box::new(reader), from + len - rest) };
            *response.body_mut() = Body::new(Download { gateway: gateway.clone(), chunks, rest, source, left: len });
        }
        Ok(response)
    }
}

/// What every answer about a version carries.
fn describe(entry: &Entry, etag: &str, gateway: &Gateway, headers: &mut HeaderMap) {
    harmless::describe(entry, &gateway.config().content, headers);
    // By the clock that dates the uploads: none of them is younger than the answer.
    set(headers, DATE, &http_date(gateway.clock.now()));
    set(headers, ETAG, etag);
    set(headers, LAST_MODIFIED, &http_date(entry.updated_at));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    headers.insert(name, HeaderValue::from_str(text).expect("digits, quotes and dates are header text"));
}

/// The next chunks from `from` on, of `len` bytes at most.
fn fetch(reader: &mut BlobReader, from: u64, len: u64) -> mediacask::Result<VecDeque<Bytes>> {
    reader.seek(SeekFrom::Start(from)).expect("an offset from the start");
    let (mut chunks, mut left) = (VecDeque::with_capacity(CHUNKS), len);
    while left > 0 && chunks.len() < CHUNKS {
        let mut chunk = reader.next_chunk()?;
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= chunk.len() as u64;
        chunks.push_back(chunk);
    }
    Ok(chunks)
}

type Fetched = Answer<mediacask::Result<(Box<BlobReader>, VecDeque<Bytes>)>>;

/// Where further chunks come from.
enum Source {
    /// Nobody fetches; the next chunk begins there.
    Idle(Box<BlobReader>, u64),
    /// A thread fetches.
    Busy(Pin<Box<dyn Future<Output = Fetched> + Send>>),
    /// There are none.
    Over,
}

/// The body of a download.
struct Download {
    gateway: Arc<Gateway>,
    /// Fetched, and not yet given to the socket.
    chunks: VecDeque<Bytes>,
    /// Bytes that are still to be fetched.
    rest: u64,
    source: Source,
    /// Bytes that are still to be given.
    left: u64,
}

impl Download {
    fn begin(&mut self, mut reader: Box<BlobReader>, from: u64) {
        let (gateway, len) = (self.gateway.clone(), self.rest);
        let fetch = move || fetch(&mut reader, from, len).map(|chunks| (reader, chunks));
        self.source = Source::Busy(Box::pin(async move { gateway.read(fetch).await }));
    }

    /// What was fetched comes next; the reader stands behind it.
    fn take(&mut self, mut reader: Box<BlobReader>, chunks: VecDeque<Bytes>) {
        self.rest -= chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if self.rest > 0 {
            let from = reader.stream_position().expect("a position is known");
            self.source = Source::Idle(reader, from);
        }
        self.chunks = chunks;
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                self.left -= chunk.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match std::mem::replace(&mut self.source, Source::Over) {
                Source::Over => return Poll::Ready(None),
                Source::Idle(mut reader, from) if reader.is_at_hand(self.rest.min(AHEAD)) => {
                    match fetch(&mut reader, from, self.rest) {
                        Ok(chunks) => self.take(reader, chunks),
                        Err(error) => return Poll::Ready(Some(Err(broken(error.into())))),
                    }
                }
                Source::Idle(reader, from) => self.begin(reader, from),
                Source::Busy(mut fetched) => match fetched.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.source = Source::Busy(fetched);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(Ok((reader, chunks)))) => self.take(reader, chunks),
                    Poll::Ready(Ok(Err(error))) => return Poll::Ready(Some(Err(broken(error.into())))),
                    Poll::Ready(Err(refusal)) => return Poll::Ready(Some(Err(broken(refusal)))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Ends the connection; why, the log has been told.
fn broken(refusal: Refusal) -> axum::Error {
    axum::Error::new(io::Error::other(refusal.message))
}

//! The server: listens, gives each connection to hyper, and stops without breaking a request.
//!
//! Steps of a stop: nothing more is accepted; connections that wait for a request close, and so do those whose answer has
//! no end of its own; requests under way finish, for at most `shutdown_time`; then the caller closes the store.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use crate::config::{Config, Limits, Listen};
use crate::connection::{Connection, Endless};
use crate::observe::Peer;
use crate::tls;

/// A socket that is listened on.
pub(crate) struct Listener {
    socket: Socket,
    /// The path of a Unix socket, removed at the end.
    path: Option<PathBuf>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds the address. A Unix socket that a dead process left there is replaced.
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Listener> {
        match listen {
            Listen::Tcp(address) => Ok(Listener { socket: Socket::Tcp(TcpListener::bind(address).await?), path: None }),
            Listen::Unix(path) => {
                if std::os::unix::net::UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
                {
                    std::fs::remove_file(path)?;
                }
                let socket = Socket::Unix(UnixListener::bind(path)?);
                Ok(Listener { socket, path: Some(path.clone()) })
            }
        }
    }

    /// Where it listens now: with the port that was taken for port 0.
    pub(crate) fn address(&self) -> io::Result<Listen> {
        match (&self.socket, &self.path) {
            (Socket::Tcp(socket), _) => socket.local_addr().map(Listen::Tcp),
            (Socket::Unix(_), path) => Ok(Listen::Unix(path.clone().unwrap_or_default())),
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), Peer(Some(address))))
            }
            Socket::Unix(socket) => Ok((Box::new(socket.accept().await?.0), Peer(None))),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Both directions of a connection.
pub(crate) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

/// A connection of whichever kind.
pub(crate) type Stream = Box<dyn Both>;

/// Serves until `stop` comes, then lets what is under way finish.
pub(crate) async fn serve(
    listener: Listener,
    router: Router,
    config: impl Fn() -> Arc<Config>,
    tls: tls::Current,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(config().limits.connections));
    let graceful = GracefulShutdown::new();
    let (told, stopping) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.expect("nobody closes it"),
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: some come back when connections end.
                tracing::warn!(target: "mediacask_http", "no connection could be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, limits, watcher) = (router.clone(), config().limits.clone(), graceful.watcher());
        let (tls, stopping) = (tls.acceptor(), stopping.clone());
        tokio::spawn(async move {
            let stream = match tls {
                Some(tls) => tls::handshake(&tls, stream, limits.header_time).await,
                None => Some(stream),
            };
            if let Some(stream) = stream {
                let stream = Connection::new(stream, limits.stall_time, stopping);
                converse(stream, peer, router, &limits, watcher).await;
            }
            drop(place);
        });
    }
    drop(listener);
    told.send_replace(true);
    let patience = config().limits.shutdown_time;
    if tokio::time::timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!(target: "mediacask_http", "requests under way are broken off after {} s", patience.as_secs());
    }
}

/// Why a request goes to no API. hyper reads in pieces that grow, so that a head may be larger than its buffer; and it
/// takes the codings before `chunked` for the sender's affair, where what is stored would not be what was sent.
fn refused<B>(request: &Request<B>, header_bytes: usize) -> Option<StatusCode> {
    let headers = request.headers();
    let target = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let len = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>();
    if target + len > header_bytes {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    let codings = headers.get_all(TRANSFER_ENCODING);
    (!codings.iter().all(chunked)).then_some(StatusCode::BAD_REQUEST)
}

/// An answer as hyper gives to what it cannot read: the connection ends with it.
fn closing(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// One connection, to its end.
async fn converse(stream: Connection<Stream>, peer: Peer, router: Router, limits: &Limits, watcher: Watcher) {
    let (course, header_bytes) = (stream.course(), limits.header_bytes);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let refused = refused(&request, header_bytes);
        let (router, course) = (router.clone(), course.clone());
        async move {
            let answer = match refused {
                Some(status) => closing(status),
                None => {
                    let Ok(answer) = router.oneshot(request.map(Body::new)).await;
                    answer
                }
            };
            // `body.rs` says by this header that it has not read the request to its end.
            if !answer.headers().contains_key(CONNECTION) {
                course.read_to_its_end();
            }
            course.answers(answer.extensions().get::<Endless>().copied());
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(target: "mediacask_http", "a connection ended early: {error}");
    }
}

//! A connection with limits to its patience, and with patience at its end.
//!
//! - When nothing has moved in either direction for a while, it fails: stalled and vanished clients, and keep-alive
//!   connections that nobody uses, cost nothing for longer than that.
//! - When the server is done with it, only its own direction is shut; what the client still sends is read and dropped
//!   for a short time. Without that the kernel would answer those bytes with a reset, and the client would lose the
//!   last response with it. A client whose requests were all read to their end sends nothing, and is not waited for.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long, and how many bytes, are read and dropped at the end.
const LINGER_TIME: Duration = Duration::from_secs(10);
const LINGER_LEN: u64 = 256 << 20;

/// A socket, or what speaks TLS over one.
pub(crate) struct Connection<S> {
    stream: S,
    stall_time: Duration,
    moved: Instant,
    alarm: Pin<Box<Sleep>>,
    sending: Sending,
    closing: Option<Closing>,
}

/// Whether the client may be in the midst of a request: from its first byte until it is known to be read to its end.
#[derive(Clone)]
pub(crate) struct Sending(Arc<AtomicBool>);

impl Sending {
    /// A request was read to its end.
    pub(crate) fn over(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn begun(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the end of a connection has come to.
struct Closing {
    shut: bool,
    dropped: u64,
    until: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, stall_time: Duration) -> Connection<S> {
        let moved = Instant::now();
        let alarm = Box::pin(sleep_until(moved + stall_time));
        let sending = Sending(Arc::new(AtomicBool::new(true)));
        Connection { stream, stall_time, moved, alarm, sending, closing: None }
    }

    /// For whoever reads the requests.
    pub(crate) fn sending(&self) -> Sending {
        self.sending.clone()
    }

    /// Takes note of what a read or write has come to, and fails it when nothing has moved for too long.
    fn note<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.moved = Instant::now();
            return done;
        }
        // The alarm is set again only when it rings: most reads and writes set none.
        while self.alarm.as_mut().poll(cx).is_ready() {
            let due = self.moved + self.stall_time;
            if Instant::now() >= due {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing moved for too long")));
            }
            self.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.sending.begun();
        }
        self.note(cx, done)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.note(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(cx, done)
    }

    /// Shuts the own direction; then, of a client that sends, reads and drops until it has done the same.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let begin = || Closing { shut: false, dropped: 0, until: Box::pin(sleep_until(Instant::now() + LINGER_TIME)) };
        let closing = this.closing.get_or_insert_with(begin);
        if !closing.shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            closing.shut = true;
        }
        let mut scratch = [0; 8192];
        while closing.dropped < LINGER_LEN {
            let mut into = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    this.sending.begun();
                    closing.dropped += into.filled().len() as u64;
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if !this.sending.is_under_way() => return Poll::Ready(Ok(())),
                Poll::Pending => return closing.until.as_mut().poll(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test(flavor = "current_thread")]
    async fn a_client_that_reads_nothing_more_is_given_up() {
        let (mut client, server) = duplex(1000);
        let mut connection = Connection::new(server, Duration::from_millis(20));
        let failed = connection.write_all(&[7; 5000]).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 1000, "it had taken what fits");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn at_the_end_what_the_client_still_sends_is_dropped() {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, Duration::from_mins(1));
        connection.write_all(b"401").await.unwrap();
        let sending = async {
            client.write_all(&vec![7; 100_000]).await.unwrap();
            let mut answer = [0; 3];
            client.read_exact(&mut answer).await.unwrap();
            client.shutdown().await.unwrap();
            answer
        };
        let (shut, answer) = tokio::join!(connection.shutdown(), sending);
        shut.unwrap();
        assert_eq!(&answer, b"401");
    }
}

#[cfg(test)]
mod silence {
    use super::*;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    /// A connection that has read a request of four bytes; and what its shutdown comes to at once, while the client
    /// stays.
    async fn ended(last: &[u8], after: impl Fn(&Sending)) -> (DuplexStream, bool) {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, Duration::from_mins(1));
        client.write_all(b"GET\n").await.unwrap();
        connection.read_exact(&mut [0; 4]).await.unwrap();
        after(&connection.sending());
        client.write_all(last).await.unwrap();
        let shutdown = std::pin::pin!(connection.shutdown()).poll(&mut Context::from_waker(Waker::noop()));
        (client, shutdown.is_ready())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_has_said_all_and_stays_is_not_waited_for() {
        assert!(ended(b"", Sending::over).await.1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_is_in_the_midst_of_a_request_or_begins_one_is_waited_for() {
        assert!(!ended(b"", |_| {}).await.1);
        assert!(!ended(b"GET", Sending::over).await.1);
    }
}

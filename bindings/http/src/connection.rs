//! A connection with limits to its patience, and with patience at its end.
//!
//! - When nothing has moved in either direction for a while, it fails: stalled and vanished clients, and keep-alive
//!   connections that nobody uses, cost nothing for longer than that.
//! - When the server is done with it, only its own direction is shut; what the client still sends is read and dropped
//!   for a short time. Without that the kernel would answer those bytes with a reset, and the client would lose the
//!   last response with it. A client whose requests were all read to their end sends nothing, and is not waited for.
//! - An answer that has no end of its own is not waited for when the server stops: who takes the end of it at once has
//!   it, and who has stopped reading is let go.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long, and how many bytes, are read and dropped at the end.
const LINGER_TIME: Duration = Duration::from_secs(10);
const LINGER_LEN: u64 = 256 << 20;

/// How long a client may take nothing of an answer without an end, when the server stops.
const LAST_WORDS_TIME: Duration = Duration::from_secs(1);

/// A socket, or what speaks TLS over one.
pub(crate) struct Connection<S> {
    stream: S,
    stall_time: Duration,
    moved: Instant,
    alarm: Pin<Box<Sleep>>,
    course: Course,
    stopping: watch::Receiver<bool>,
    closing: Option<Closing>,
}

/// An extension of answers that have no end of their own: they end when the server stops.
#[derive(Clone, Copy)]
pub(crate) struct Endless;

/// What a connection must know of its requests and answers.
#[derive(Clone, Default)]
pub(crate) struct Course(Arc<Marks>);

#[derive(Default)]
struct Marks {
    /// The client may be in the midst of a request: from its first byte until it is known to be read to its end.
    sending: AtomicBool,
    /// The answer has no end of its own.
    endless: AtomicBool,
}

impl Course {
    /// A request was read to its end.
    pub(crate) fn read_to_its_end(&self) {
        self.0.sending.store(false, Ordering::Relaxed);
    }

    /// From now on this answer is given.
    pub(crate) fn answers(&self, endless: Option<Endless>) {
        self.0.endless.store(endless.is_some(), Ordering::Relaxed);
    }

    fn receives(&self) {
        self.0.sending.store(true, Ordering::Relaxed);
    }

    fn is_sending(&self) -> bool {
        self.0.sending.load(Ordering::Relaxed)
    }

    fn is_endless(&self) -> bool {
        self.0.endless.load(Ordering::Relaxed)
    }
}

/// Where the end of a connection has come to.
struct Closing {
    shut: bool,
    dropped: u64,
    until: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    /// `stopping` becomes true when the server stops.
    pub(crate) fn new(stream: S, stall_time: Duration, stopping: watch::Receiver<bool>) -> Connection<S> {
        let moved = Instant::now();
        let alarm = Box::pin(sleep_until(moved + stall_time));
        let course = Course::default();
        course.receives();
        Connection { stream, stall_time, moved, alarm, course, stopping, closing: None }
    }

    /// For whoever reads the requests and answers them.
    pub(crate) fn course(&self) -> Course {
        self.course.clone()
    }

    /// Takes note of what a read has come to, and fails it when nothing has moved for too long.
    fn note<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let patience = self.stall_time;
        self.note_within(patience, cx, done)
    }

    /// The same for a write.
    fn note_written<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let hurried = done.is_pending() && self.course.is_endless() && *self.stopping.borrow();
        let patience = if hurried { self.stall_time.min(LAST_WORDS_TIME) } else { self.stall_time };
        self.note_within(patience, cx, done)
    }

    fn note_within<T>(
        &mut self,
        patience: Duration,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.moved = Instant::now();
            return done;
        }
        let due = self.moved + patience;
        if due < self.alarm.deadline() {
            self.alarm.as_mut().reset(due);
        }
        // The alarm is put off only when it rings: most reads and writes set none.
        while self.alarm.as_mut().poll(cx).is_ready() {
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
            self.course.receives();
        }
        self.note(cx, done)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.note_written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        self.note_written(cx, done)
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
                    this.course.receives();
                    closing.dropped += into.filled().len() as u64;
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if !this.course.is_sending() => return Poll::Ready(Ok(())),
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
        let mut connection = Connection::new(server, Duration::from_millis(20), watch::channel(false).1);
        let failed = connection.write_all(&[7; 5000]).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 1000, "it had taken what fits");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn of_an_answer_without_an_end_who_reads_nothing_is_given_up_when_the_server_stops() {
        let (stop, stopping) = watch::channel(false);
        let connect = |endless| {
            let (client, server) = duplex(1000);
            let connection = Connection::new(server, Duration::from_hours(1), stopping.clone());
            connection.course().answers(endless);
            (client, connection)
        };
        let (_stream, mut endless) = connect(Some(Endless));
        let (_download, mut other) = connect(None);
        let mut going = std::pin::pin!(other.write_all(&[7; 5000]));
        let mut stuck = std::pin::pin!(endless.write_all(&[7; 5000]));
        let mut at_once = Context::from_waker(std::task::Waker::noop());
        assert!(going.as_mut().poll(&mut at_once).is_pending() && stuck.as_mut().poll(&mut at_once).is_pending());
        stop.send(true).unwrap();
        let failed = tokio::time::timeout(Duration::from_mins(1), stuck).await.expect("it waits for the client");
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(going.as_mut().poll(&mut at_once).is_pending(), "what has an end has its time");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn at_the_end_what_the_client_still_sends_is_dropped() {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, Duration::from_mins(1), watch::channel(false).1);
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
    async fn ended(last: &[u8], after: impl Fn(&Course)) -> (DuplexStream, bool) {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, Duration::from_mins(1), watch::channel(false).1);
        client.write_all(b"GET\n").await.unwrap();
        connection.read_exact(&mut [0; 4]).await.unwrap();
        after(&connection.course());
        client.write_all(last).await.unwrap();
        let shutdown = std::pin::pin!(connection.shutdown()).poll(&mut Context::from_waker(Waker::noop()));
        (client, shutdown.is_ready())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_has_said_all_and_stays_is_not_waited_for() {
        assert!(ended(b"", Course::read_to_its_end).await.1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_is_in_the_midst_of_a_request_or_begins_one_is_waited_for() {
        assert!(!ended(b"", |_| {}).await.1);
        assert!(!ended(b"GET", Course::read_to_its_end).await.1);
    }
}

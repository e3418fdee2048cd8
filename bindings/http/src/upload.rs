//! The journey of an upload: frames from the socket -> pieces -> the store's writer -> a name.
//!
//! Takes bounded memory whatever the length: a piece is gathered while the socket gives it, then handed to a thread
//! that may wait for the disk; meanwhile nothing more is read, so a fast client is slowed to the disk's pace. Nothing
//! is stored before the body has come to its end as it was framed: a client that vanishes leaves no trace. No lock of
//! the store is held between pieces.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use mediacask::{Account, Entry, Error, PutOptions, Writer};

use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal};

/// Bytes that are gathered before a thread is asked to take them. Smaller bodies take one call in all.
const PIECE_LEN: usize = 256 << 10;

/// What is to be stored, and where.
pub(crate) struct Upload {
    pub(crate) account: Account,
    pub(crate) name: String,
    pub(crate) options: PutOptions,
    /// Most bytes that are taken.
    pub(crate) bytes_max: u64,
    /// How long the body may take.
    pub(crate) time_max: Duration,
}

impl Upload {
    /// Reads the body to its end and stores it under the name, at once or not at all.
    pub(crate) async fn receive(self, gateway: &Gateway, mut body: Body) -> Answer<Entry> {
        if body.size_hint().lower() > self.bytes_max {
            return Err(Refusal::too_large(self.bytes_max));
        }
        let late = tokio::time::Instant::now() + self.time_max;
        let (mut left, mut writer) = (self.bytes_max, None);
        loop {
            let gathered = tokio::time::timeout_at(late, gather(&mut body, &mut left, self.bytes_max));
            let Ok(gathered) = gathered.await else {
                return Err(Refusal::new(http::StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"));
            };
            let (pieces, over) = gathered?;
            let (account, name, options) = (self.account.clone(), self.name.clone(), self.options.clone());
            let begun = writer.take();
            let write = move || -> mediacask::Result<ControlFlow<Entry, Box<Writer>>> {
                let mut writer = match begun {
                    Some(writer) => writer,
                    None => Box::new(account.writer(&name, &options)?),
                };
                pieces.iter().try_for_each(|piece| write_all(&mut writer, piece))?;
                drop(pieces);
                if over { (*writer).commit().map(ControlFlow::Break) } else { Ok(ControlFlow::Continue(writer)) }
            };
            match gateway.write(write).await?? {
                ControlFlow::Break(entry) => return Ok(entry),
                ControlFlow::Continue(part) => writer = Some(part),
            }
        }
    }
}

fn write_all(writer: &mut Writer, bytes: &[u8]) -> mediacask::Result<()> {
    // The writer's errors are the store's own, under the name that `io::Write` has for them.
    writer.write_all(bytes).map_err(|error| match error.downcast::<Error>() {
        Ok(error) => error,
        Err(_) => unreachable!("a writer of the store fails with the store's errors"),
    })
}

/// Frames of a piece's length together, or less at the end of the body; and whether that was reached.
async fn gather(body: &mut Body, left: &mut u64, bytes_max: u64) -> Answer<(Vec<Bytes>, bool)> {
    let (mut pieces, mut len) = (Vec::new(), 0);
    while len < PIECE_LEN {
        let Some(frame) = body.frame().await else { return Ok((pieces, true)) };
        let frame = frame.map_err(|error| Refusal::bad_request(format!("the body cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        *left = left.checked_sub(data.len() as u64).ok_or_else(|| Refusal::too_large(bytes_max))?;
        len += data.len();
        pieces.push(data);
    }
    Ok((pieces, body.is_end_stream()))
}

//! JSON bodies: read to their end, of bounded length and within bounded time.

use std::time::Duration;

use axum::body::Body;
use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::options::{invalid, of_json};
use crate::refusal::{Answer, Refusal};

/// Most bytes of a body that is not a batch: metadata are 8 KiB at most, and escapes may make six of one.
pub(super) const SMALL: u64 = 256 << 10;

/// Reads a body and decodes it. One that is missing is not taken for an empty object: that would change what the sender
/// did not mean, all of a policy for one.
pub(super) async fn json<T: DeserializeOwned>(body: Body, bytes_max: u64, time_max: Duration) -> Answer<T> {
    let bytes = in_time(body, bytes_max, time_max).await?;
    if bytes.is_empty() { Err(invalid("the body is missing; send a JSON object")) } else { of_json(&bytes) }
}

/// Reads a body that may be left out, and decodes it.
pub(super) async fn json_or_nothing<T>(body: Body, bytes_max: u64, time_max: Duration) -> Answer<T>
where
    T: DeserializeOwned + Default,
{
    let bytes = in_time(body, bytes_max, time_max).await?;
    if bytes.is_empty() { Ok(T::default()) } else { of_json(&bytes) }
}

async fn in_time(body: Body, bytes_max: u64, time_max: Duration) -> Answer<Vec<u8>> {
    let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive");
    tokio::time::timeout(time_max, gather(body, bytes_max)).await.map_err(late)?
}

async fn gather(mut body: Body, bytes_max: u64) -> Answer<Vec<u8>> {
    if body.size_hint().lower() > bytes_max {
        return Err(Refusal::too_large(bytes_max));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::bad_request(format!("the body cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > bytes_max {
            return Err(Refusal::too_large(bytes_max));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

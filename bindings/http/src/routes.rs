//! Which API a path belongs to, and what wraps all of them.
//!
//! A provider is one file with `routes()`; its prefix is taken off before it sees a path. From the outside in, a
//! request passes: figures and log, panics become 500, bodies are read to their end, the provider.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::middleware::{from_fn, from_fn_with_state};
use http::{Response, StatusCode};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

use crate::gateway::Gateway;
use crate::refusal::json;
use crate::{bandwidth, body, messagebird, native, observe, operations, twilio};

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .merge(operations::routes())
        .nest("/api/v2", bandwidth::routes())
        .nest("/2010-04-01", twilio::routes())
        .nest("/v1", messagebird::routes())
        .nest("/mediacask/v1", native::routes())
        .fallback(nowhere)
        .layer(from_fn(body::read_to_its_end))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(gateway.clone(), observe::observe))
        .with_state(gateway)
}

async fn nowhere() -> Response<Body> {
    json(StatusCode::NOT_FOUND, &json!({ "error": "no API of this gateway has that path" }))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer gives it so")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    tracing::error!(target: "mediacask_http", "a request panicked: {}", message.unwrap_or("without a word"));
    json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "the request failed inside" }))
}

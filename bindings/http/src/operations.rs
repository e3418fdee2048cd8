//! What the operator's tools ask: `/healthz`, `/readyz` and `/metrics`. They need no credentials and tell no names.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use crate::gateway::Gateway;
use crate::refusal::json;

/// Buckets of durations, in seconds: from a hit in memory to a large upload on a slow line.
const SECONDS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

/// The figures of this process. One recorder serves all gateways in it.
///
/// `None` where the program has a recorder of its own: then the figures are there.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || PrometheusBuilder::new().set_buckets(&SECONDS).ok()?.install_recorder().ok();
    RECORDER.get_or_init(install).as_ref()
}

/// The process answers.
async fn healthz() -> Response<Body> {
    json(StatusCode::OK, &json!({ "status": "ok" }))
}

/// The store takes writes: 503 when it does not, so that a balancer looks elsewhere.
async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let store = gateway.store.clone();
    let look = move || (store.health().poisoned, store.stats().is_ok());
    match gateway.read(look).await {
        Ok((None, true)) => json(StatusCode::OK, &json!({ "status": "ready" })),
        Ok((Some(_), _)) => json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "read only" })),
        _ => json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "closed" })),
    }
}

/// Figures of the requests and of the store, as Prometheus reads them.
async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let Some(recorder) = recorder() else {
        return json(
            StatusCode::NOT_FOUND,
            &json!({ "status": "the figures of this process are collected elsewhere" }),
        );
    };
    let store = gateway.store.clone();
    if let Ok(Ok(stats)) = gateway.read(move || store.stats()).await {
        let figures = [
            ("mediacask_names", stats.names),
            ("mediacask_accounts", stats.accounts),
            ("mediacask_contents", stats.contents),
            ("mediacask_logical_bytes", stats.logical_bytes),
            ("mediacask_content_bytes", stats.content_bytes),
            ("mediacask_live_bytes", stats.live_bytes),
            ("mediacask_dead_bytes", stats.dead_bytes),
            ("mediacask_spare_bytes", stats.spare_bytes),
            ("mediacask_total_bytes", stats.total_bytes),
            ("mediacask_segments", stats.segments),
            ("mediacask_blob_files", stats.blob_files),
        ];
        // A count that is beyond what a float tells exactly is told nearly.
        #[expect(clippy::cast_precision_loss, reason = "figures for a chart")]
        figures.into_iter().for_each(|(name, figure)| gauge!(name).set(figure as f64));
    }
    let mut response = Response::new(Body::from(recorder.render()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

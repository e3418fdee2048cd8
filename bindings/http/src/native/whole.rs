//! What concerns an account or the store as a whole: figures, policies, contents, health, upkeep by hand.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Method;
use mediacask::{Account, Digest, VerifyOptions};
use serde::Deserialize;
use serde_json::json;

use super::blobs::found;
use super::options::{Given, PolicyFields, Whole, invalid};
use super::{receive, shapes};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::refusal::Answer;

/// What upkeep can be told to do.
pub(super) const TASKS: [&str; 6] = ["sync", "sweep", "compact", "checkpoint_catalog", "rebuild_index", "verify"];

/// How long a verification goes on when nothing is said, and at most, in seconds.
const VERIFY_SECS: u64 = 30;
const VERIFY_SECS_MAX: u64 = 3600;

pub(super) async fn accounts(gateway: &Arc<Gateway>) -> Answer {
    let store = gateway.store.clone();
    let accounts = gateway.read(move || store.accounts()).await??;
    Ok(found(&json!({ "accounts": accounts.iter().map(shapes::account).collect::<Vec<_>>() })))
}

pub(super) async fn account(gateway: &Arc<Gateway>, account: Account) -> Answer {
    Ok(found(&shapes::account(&gateway.read(move || account.stats()).await??)))
}

pub(super) async fn policy(gateway: &Arc<Gateway>, account: Account) -> Answer {
    Ok(found(&shapes::policy(&gateway.read(move || account.policy()).await??)))
}

pub(super) async fn set_policy(gateway: &Arc<Gateway>, config: &Config, account: Account, body: Body) -> Answer {
    let fields: PolicyFields = receive::json(body, receive::SMALL, config.limits.body_time).await?;
    let policy = mediacask::Policy::from(fields);
    gateway.write(move || account.set_policy(&policy)).await??;
    Ok(found(&shapes::policy(&policy)))
}

pub(super) async fn stats(gateway: &Arc<Gateway>) -> Answer {
    let store = gateway.store.clone();
    Ok(found(&shapes::stats(&gateway.read(move || store.stats()).await??)))
}

pub(super) async fn health(gateway: &Arc<Gateway>) -> Answer {
    let store = gateway.store.clone();
    Ok(found(&shapes::health(&gateway.read(move || store.health()).await?)))
}

/// All names of a content, or their end.
pub(super) async fn content(gateway: &Arc<Gateway>, method: &Method, digest: &str) -> Answer {
    let digest: Digest = digest.parse()?;
    let store = gateway.store.clone();
    if method == Method::DELETE {
        let count = gateway.write(move || store.purge_digest(&digest)).await??;
        return Ok(found(&json!({ "count": count })));
    }
    let names = gateway.read(move || store.names_of(&digest)).await??;
    Ok(found(&json!({ "names": shapes::holders(&names) })))
}

/// What upkeep by hand is told; only a verification has something to be told.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UpkeepFields {
    repair: bool,
    bytes_per_sec: Given<Whole>,
    resume: Given<String>,
    secs: Given<Whole>,
}

impl UpkeepFields {
    fn is_nothing(&self) -> bool {
        !self.repair && self.bytes_per_sec.0.is_none() && self.resume.0.is_none() && self.secs.0.is_none()
    }
}

pub(super) async fn upkeep(gateway: &Arc<Gateway>, config: &Config, task: &str, body: Body) -> Answer {
    let fields: UpkeepFields = receive::json_or_nothing(body, receive::SMALL, config.limits.body_time).await?;
    if task != "verify" && !fields.is_nothing() {
        return Err(invalid(format!("{task} is told nothing: send no body, or an empty object")));
    }
    let secs = fields.secs.number().unwrap_or(VERIFY_SECS);
    if !(1..=VERIFY_SECS_MAX).contains(&secs) {
        return Err(invalid(format!("a verification goes on for 1 to {VERIFY_SECS_MAX} seconds, not {secs}")));
    }
    let (store, task) = (gateway.store.clone(), task.to_owned());
    let run = move || -> mediacask::Result<_> {
        Ok(match task.as_str() {
            "sync" => store.sync().map(|()| json!({}))?,
            "sweep" => shapes::sweep(&store.sweep()?),
            "compact" => shapes::compaction(&store.compact()?),
            "checkpoint_catalog" => store.checkpoint_catalog().map(|()| json!({}))?,
            "rebuild_index" => json!({ "rows": store.rebuild_index(&mut |_, _| {})? }),
            _ => shapes::verification(&verify(&store, &fields, Duration::from_secs(secs))?),
        })
    };
    Ok(found(&gateway.write(run).await??))
}

/// Verifies for so long; the report says where to go on.
fn verify(
    store: &mediacask::Store,
    fields: &UpkeepFields,
    time_max: Duration,
) -> mediacask::Result<mediacask::VerifyReport> {
    let mut options = VerifyOptions::new().repair(fields.repair);
    if let Some(bytes) = fields.bytes_per_sec.number() {
        options = options.bytes_per_sec(bytes);
    }
    if let Some(place) = &fields.resume.0 {
        options = options.resume(place);
    }
    let begun = Instant::now();
    store.verify(&options, &mut |_| {
        if begun.elapsed() < time_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

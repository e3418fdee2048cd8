//! Signed links of this API: signed here for who may read, served to whoever shows one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Method;
use http::header::HeaderMap;
use mediacask::{Account, Grant};
use serde::Deserialize;
use serde_json::json;

use super::blobs::{self, found};
use super::options::{Given, Whole, of_query};
use super::{PREFIX, receive, shapes};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::refusal::Answer;
use crate::{links, path};

/// How long a link holds when nothing is said.
const TTL: Duration = Duration::from_hours(4);

/// What is to be granted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantFields {
    name: String,
    #[serde(default)]
    method: Granted,
    #[serde(default)]
    ttl_ms: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Granted {
    #[default]
    Get,
    Head,
}

/// Signs a link to a name, be it there or not.
pub(super) async fn sign(
    gateway: &Arc<Gateway>,
    config: &Config,
    account: Account,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let fields: GrantFields = receive::json(body, receive::SMALL, config.limits.body_time).await?;
    let method = match fields.method {
        Granted::Get => mediacask::Method::Get,
        Granted::Head => mediacask::Method::Head,
    };
    let ttl = fields.ttl_ms.number().map_or(TTL, Duration::from_millis);
    let (owner, now) = (account.name(), gateway.clock.now());
    let text = links::sign(gateway, config, &Grant::new(owner, &fields.name).method(method).ttl(ttl))?;
    let (base, owner, name) = (links::base(config, headers), path::encoded(owner), path::encoded(&fields.name));
    Ok(found(&json!({
        "grant": text,
        "url": format!("{base}{PREFIX}/accounts/{owner}/blobs/{name}?grant={text}"),
        "expires_at": shapes::rfc3339(now + ttl),
    })))
}

/// What a link adds to its path. Other fields are none of ours: who passes links on may add some.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LinkFields {
    grant: Option<String>,
}

/// The grant that a request shows.
pub(super) fn shown(query: Option<&str>) -> Answer<Option<String>> {
    Ok(of_query::<LinkFields>(query)?.grant)
}

/// The content, to who shows a grant for it.
pub(super) async fn redeem(
    gateway: &Arc<Gateway>,
    config: &Config,
    grant: &str,
    (owner, name): (String, String),
    method: &Method,
    headers: &HeaderMap,
) -> Answer {
    links::verify(gateway, config, grant, &owner, &name, method)?;
    blobs::get(gateway, gateway.store.account(&owner)?, name, method, headers).await
}

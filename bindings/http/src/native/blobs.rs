//! The names of an account: content in and out, facts, conditions, listings.
//!
//! The entity tag of a version names its generation and its content. A write with `If-Match` is resolved to both, and
//! the store checks them when it writes: what came between is seen. `If-Match: *` holds for the version that is there
//! when the request comes.

use std::sync::Arc;

use axum::body::Body;
use http::header::{ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{Method, Response, StatusCode};
use mediacask::{Account, Digest, Entry, ErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::absent;
use super::options::{DeleteFields, Given, ListFields, Object, PutFields, UpdateFields, invalid, of_headers, of_query};
use super::scope::Caller;
use super::{receive, shapes, strict};
use crate::conditions::any_tag;
use crate::config::{Access, Config};
use crate::gateway::Gateway;
use crate::refusal::{self, Answer, Refusal};
use crate::upload::Upload;
use crate::{download, refusal::json};

/// An answer that is JSON.
pub(super) fn found(value: &Value) -> Response<Body> {
    json(StatusCode::OK, value)
}

/// An entry that was made or changed, with its tag.
fn written(entry: &Entry) -> Response<Body> {
    let mut response = found(&shapes::entry(entry));
    let tag = HeaderValue::from_str(&download::etag(entry)).expect("quotes and digits are header text");
    response.headers_mut().insert(ETAG, tag);
    response
}

/// The version that a write with `If-Match` is for.
struct Matched {
    digest: Digest,
    generation: u64,
}

/// Resolves the header `If-Match`; `None` where there is none.
async fn matched(gateway: &Gateway, account: &Account, name: &str, headers: &HeaderMap) -> Answer<Option<Matched>> {
    if headers.contains_key(IF_UNMODIFIED_SINCE) {
        return Err(invalid("a write is not conditional on a time: versions may be of one second; use If-Match"));
    }
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    strict::tags(headers, &IF_MATCH)?;
    let (account, name) = (account.clone(), name.to_owned());
    let entry = gateway.read(move || account.head(&name)).await??;
    let failed = || Refusal {
        kind: Some(ErrorKind::PreconditionFailed),
        ..Refusal::new(StatusCode::PRECONDITION_FAILED, "another version is stored, or none")
    };
    let entry = entry.ok_or_else(failed)?;
    let tag = download::etag(&entry);
    if !any_tag(headers, IF_MATCH, |given| given == tag) {
        return Err(failed());
    }
    Ok(Some(Matched { digest: entry.digest, generation: entry.generation }))
}

fn unconditional(headers: &HeaderMap) -> Answer<()> {
    let given = headers.contains_key(IF_NONE_MATCH);
    if given { Err(invalid("If-None-Match is for GET, HEAD and PUT")) } else { Ok(()) }
}

pub(super) async fn put(
    gateway: &Arc<Gateway>,
    config: &Config,
    account: Account,
    name: String,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let mut options = of_headers::<PutFields>(headers)?.options()?;
    if let Some(matched) = matched(gateway, &account, &name, headers).await? {
        options = options.if_match(matched.digest).if_generation(matched.generation);
    }
    let (bytes_max, time_max) = (config.limits.native_bytes, config.limits.body_time);
    let entry = Upload { account, name, options, bytes_max, time_max }.receive(gateway, body).await?;
    Ok(written(&entry))
}

pub(super) async fn get(
    gateway: &Arc<Gateway>,
    account: Account,
    name: String,
    method: &Method,
    headers: &HeaderMap,
) -> Answer {
    strict::check(headers)?;
    let mut response = download::respond(gateway, account, name, method, headers, absent).await?;
    if let Some(entry) = response.extensions_mut().remove::<Entry>() {
        shapes::describe(&entry, response.headers_mut());
    }
    Ok(response)
}

pub(super) async fn facts(gateway: &Arc<Gateway>, account: Account, name: String) -> Answer {
    let entry = gateway.read(move || account.head(&name)).await??;
    Ok(written(&entry.ok_or_else(absent)?))
}

pub(super) async fn update(
    gateway: &Arc<Gateway>,
    config: &Config,
    account: Account,
    name: String,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    unconditional(headers)?;
    let fields: UpdateFields = receive::json(body, receive::SMALL, config.limits.body_time).await?;
    let mut options = fields.options()?;
    if let Some(matched) = matched(gateway, &account, &name, headers).await? {
        options = options.if_match(matched.digest).if_generation(matched.generation);
    }
    let entry = gateway.write(move || account.update(&name, &options)).await??;
    Ok(written(&entry.ok_or_else(absent)?))
}

pub(super) async fn delete(gateway: &Arc<Gateway>, account: Account, name: String, headers: &HeaderMap) -> Answer {
    unconditional(headers)?;
    // Facts of a content that is sent are nothing to a delete.
    let own = headers.iter().filter(|(name, _)| name.as_str().starts_with("mediacask-"));
    let own: HeaderMap = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut options = of_headers::<DeleteFields>(&own)?.options();
    if let Some(matched) = matched(gateway, &account, &name, headers).await? {
        options = options.if_match(matched.digest).if_generation(matched.generation);
    }
    let existed = gateway.write(move || account.delete(&name, &options)).await??;
    if existed { Ok(refusal::empty(StatusCode::NO_CONTENT)) } else { Err(absent()) }
}

/// What a copy is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CopyFields {
    from: String,
    to: String,
    /// Left out: the account it is copied from.
    #[serde(default)]
    to_account: Given<String>,
    #[serde(default)]
    options: Object<PutFields>,
}

pub(super) async fn copy(
    gateway: &Arc<Gateway>,
    config: &Config,
    caller: &Caller<'_>,
    account: Account,
    body: Body,
) -> Answer {
    let fields: CopyFields = receive::json(body, receive::SMALL, config.limits.body_time).await?;
    let target = match &fields.to_account.0 {
        Some(name) => caller.named(gateway, name, Access::Write)?,
        None => account.clone(),
    };
    let options = fields.options.0.options()?;
    let copy = move || account.copy_to(&fields.from, &target, &fields.to, &options);
    let entry = gateway.write(copy).await??;
    Ok(written(&entry.ok_or_else(absent)?))
}

pub(super) async fn list(gateway: &Arc<Gateway>, account: Account, query: Option<&str>) -> Answer {
    let options = of_query::<ListFields>(query)?.options();
    let page = gateway.read(move || account.list(&options)).await??;
    Ok(found(&shapes::page(&page)))
}

/// What a purge is told: a prefix, and be it the empty one, so that no slip deletes all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeFields {
    prefix: String,
}

pub(super) async fn purge(gateway: &Arc<Gateway>, account: Account, query: Option<&str>) -> Answer {
    let PurgeFields { prefix } = of_query(query)?;
    let count = gateway.write(move || account.purge(&prefix)).await??;
    Ok(found(&json!({ "count": count })))
}

/// The account's own names of a content.
pub(super) async fn names(gateway: &Arc<Gateway>, account: &Account, digest: &str) -> Answer {
    let digest: Digest = digest.parse()?;
    let (store, owner) = (gateway.store.clone(), account.name().to_owned());
    let mut names = gateway.read(move || store.names_of(&digest)).await??;
    names.retain(|(account, _)| *account == owner);
    Ok(found(&json!({ "names": shapes::holders(&names) })))
}

//! The native API, below `/mediacask/v1`: all that the store can do, for services that know it.
//!
//! | path | methods |
//! |---|---|
//! | `/openapi.json` | GET: what is told here, for machines; the only one that needs no token |
//! | `/accounts/{account}/blobs` | GET: a page of entries; DELETE: every name under a prefix |
//! | `/accounts/{account}/blobs/{name}` | PUT, GET, HEAD, PATCH, DELETE |
//! | `/accounts/{account}/entries/{name}` | GET: the facts of a name |
//! | `/accounts/{account}/copy`, `/batch` | POST |
//! | `/accounts/{account}/grants` | POST: a link to a name that holds for a while, without a token |
//! | `/accounts/{account}/digests/{digest}` | GET: the account's names of a content |
//! | `/accounts/{account}/events` | GET: server-sent events |
//! | `/accounts/{account}`, `/accounts/{account}/policy` | GET: figures; GET, PUT: the policy |
//! | `/accounts`, `/stats`, `/health`, `/events` | GET, for administrators |
//! | `/digests/{digest}` | GET: all names of a content; DELETE: takes them all down; for administrators |
//! | `/upkeep/{task}` | POST, for administrators |
//!
//! The name is everything behind `blobs/` or `entries/`, slashes included, decoded once. A request passes: its token
//! (`scope.rs`), its options (`options.rs`, `strict.rs`), the store (`blobs.rs`, `batch.rs`, `whole.rs`,
//! `events.rs`), and the shape of its answer (`shapes.rs`, or `errors.rs`). `openapi.json` stands beside.

mod batch;
mod bell;
mod blobs;
mod errors;
mod events;
mod grants;
mod options;
mod receive;
mod scope;
mod shapes;
mod strict;
mod whole;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Method, Response};

use self::errors::refused;
use self::scope::{Caller, admit};
use crate::config::{Access, Config};
use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal};

pub(crate) use self::bell::Bell;

/// Where all of it is.
const PREFIX: &str = "/mediacask/v1";

/// The description of this API.
const OPENAPI: &str = include_str!("openapi.json");

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().fallback(answer)
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, request).await.unwrap_or_else(refused)
}

/// What a path leads to; its parts are raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    OpenApi,
    Accounts,
    Account(&'a str),
    Policy(&'a str),
    Blobs(&'a str),
    Blob(&'a str, &'a str),
    Entry(&'a str, &'a str),
    Copy(&'a str),
    Batch(&'a str),
    Grants(&'a str),
    Digest(&'a str, &'a str),
    Events(Option<&'a str>),
    Content(&'a str),
    Stats,
    Health,
    Upkeep(&'a str),
}

impl<'a> Resource<'a> {
    fn at(path: &'a str) -> Option<Resource<'a>> {
        let parts: Vec<&str> = path.strip_prefix('/')?.splitn(4, '/').collect();
        Some(match parts[..] {
            ["openapi.json"] => Resource::OpenApi,
            ["accounts"] => Resource::Accounts,
            ["accounts", account] => Resource::Account(account),
            ["accounts", account, "policy"] => Resource::Policy(account),
            ["accounts", account, "blobs"] => Resource::Blobs(account),
            ["accounts", account, "blobs", name] => Resource::Blob(account, name),
            ["accounts", account, "entries", name] => Resource::Entry(account, name),
            ["accounts", account, "copy"] => Resource::Copy(account),
            ["accounts", account, "batch"] => Resource::Batch(account),
            ["accounts", account, "grants"] => Resource::Grants(account),
            ["accounts", account, "digests", digest] => Resource::Digest(account, digest),
            ["accounts", account, "events"] => Resource::Events(Some(account)),
            ["events"] => Resource::Events(None),
            ["digests", digest] => Resource::Content(digest),
            ["stats"] => Resource::Stats,
            ["health"] => Resource::Health,
            ["upkeep", task] if whole::TASKS.contains(&task) => Resource::Upkeep(task),
            _ => return None,
        })
    }

    /// The account whose it is.
    fn account(&self) -> Option<&'a str> {
        match *self {
            Resource::Account(owner)
            | Resource::Policy(owner)
            | Resource::Blobs(owner)
            | Resource::Blob(owner, _)
            | Resource::Entry(owner, _)
            | Resource::Copy(owner)
            | Resource::Batch(owner)
            | Resource::Grants(owner)
            | Resource::Digest(owner, _) => Some(owner),
            Resource::Events(owner) => owner,
            _ => None,
        }
    }

    /// The methods it has, as they stand in the header `Allow`.
    fn methods(&self) -> &'static str {
        match self {
            Resource::Blob(..) => "GET, HEAD, PUT, PATCH, DELETE",
            Resource::Blobs(_) | Resource::Content(_) => "GET, HEAD, DELETE",
            Resource::Policy(_) => "GET, HEAD, PUT",
            Resource::Copy(_) | Resource::Batch(_) | Resource::Grants(_) | Resource::Upkeep(_) => "POST",
            Resource::Events(_) => "GET",
            _ => "GET, HEAD",
        }
    }
}

async fn serve(gateway: &Arc<Gateway>, request: Request) -> Answer {
    let config = gateway.config();
    let (head, body) = request.into_parts();
    let resource = Resource::at(head.uri.path()).ok_or_else(|| Refusal::not_found("there is no such route"))?;
    let allowed = resource.methods().split(", ").any(|method| method == head.method.as_str());
    let refusal = || Refusal::method(resource.methods());
    if resource == Resource::OpenApi {
        return if allowed { Ok(openapi()) } else { Err(refusal()) };
    }
    if let Resource::Blob(owner, name) = resource
        && head.method.is_safe()
        && allowed
        && let Some(grant) = grants::shown(head.uri.query())?
    {
        let place = (scope::text(owner)?, scope::text(name)?);
        return grants::redeem(gateway, &config, &grant, place, &head.method, &head.headers).await;
    }
    let caller = admit(&config, &head.headers)?;
    if !allowed {
        return Err(refusal());
    }
    let asked = Asked { gateway, config: &config, caller, head: &head };
    match resource.account() {
        Some(owner) => asked.of_account(owner, resource, body).await,
        None => asked.of_store(resource, body).await,
    }
}

/// A request that is understood, of one who was admitted.
struct Asked<'a> {
    gateway: &'a Arc<Gateway>,
    config: &'a Config,
    caller: Caller<'a>,
    head: &'a Parts,
}

impl Asked<'_> {
    /// What concerns an account.
    async fn of_account(&self, owner: &str, resource: Resource<'_>, body: Body) -> Answer {
        let Asked { gateway, config, caller, head } = self;
        let (headers, query) = (&head.headers, head.uri.query());
        // Who may read may let others read.
        let reads = head.method.is_safe() || matches!(resource, Resource::Grants(_));
        let account = caller.account(gateway, owner, if reads { Access::Read } else { Access::Write })?;
        match (resource, &head.method) {
            (Resource::Blob(_, name), method) => {
                let name = scope::text(name)?;
                match *method {
                    Method::PUT => blobs::put(gateway, config, account, name, headers, body).await,
                    Method::PATCH => blobs::update(gateway, config, account, name, headers, body).await,
                    Method::DELETE => blobs::delete(gateway, account, name, headers).await,
                    _ => blobs::get(gateway, account, name, method, headers).await,
                }
            }
            (Resource::Blobs(_), &Method::DELETE) => blobs::purge(gateway, account, query).await,
            (Resource::Blobs(_), _) => blobs::list(gateway, account, query).await,
            (Resource::Entry(_, name), _) => blobs::facts(gateway, account, scope::text(name)?).await,
            (Resource::Digest(_, digest), _) => blobs::names(gateway, &account, &scope::text(digest)?).await,
            (Resource::Copy(_), _) => blobs::copy(gateway, config, caller, account, body).await,
            (Resource::Batch(_), _) => batch::run(gateway, config, account, body).await,
            (Resource::Grants(_), _) => grants::sign(gateway, config, account, headers, body).await,
            (Resource::Events(_), _) => events::follow(gateway, Some(account), headers, query).await,
            (Resource::Policy(_), &Method::PUT) => {
                caller.administrates()?;
                whole::set_policy(gateway, config, account, body).await
            }
            (Resource::Policy(_), _) => whole::policy(gateway, account).await,
            _ => whole::account(gateway, account).await,
        }
    }

    /// What concerns the store as a whole.
    async fn of_store(&self, resource: Resource<'_>, body: Body) -> Answer {
        let Asked { gateway, config, caller, head } = self;
        caller.administrates()?;
        match resource {
            Resource::Events(_) => events::follow(gateway, None, &head.headers, head.uri.query()).await,
            Resource::Content(digest) => whole::content(gateway, &head.method, &scope::text(digest)?).await,
            Resource::Upkeep(task) => whole::upkeep(gateway, config, task, body).await,
            Resource::Health => whole::health(gateway).await,
            Resource::Stats => whole::stats(gateway).await,
            _ => whole::accounts(gateway).await,
        }
    }
}

fn openapi() -> Response<Body> {
    let mut response = Response::new(Body::from(OPENAPI));
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn everything_behind_blobs_is_the_name() {
        assert_eq!(Resource::at("/accounts/1/blobs/a/b//"), Some(Resource::Blob("1", "a/b//")));
        assert_eq!(Resource::at("/accounts/1/blobs/"), Some(Resource::Blob("1", "")));
        assert_eq!(Resource::at("/accounts/1/blobs"), Some(Resource::Blobs("1")));
        assert_eq!(Resource::at("/accounts/1/blobs//x"), Some(Resource::Blob("1", "/x")));
        for nowhere in ["", "/", "/account", "/accounts/1/blob/a", "/stats/", "/upkeep/other", "/digests/a/b"] {
            assert_eq!(Resource::at(nowhere), None, "{nowhere}");
        }
    }

    /// HEAD is GET without the body, and told of a content only.
    #[test]
    fn the_description_has_every_path_method_and_word() {
        let described: Value = serde_json::from_str(OPENAPI).unwrap();
        let paths = described["paths"].as_object().unwrap();
        for (path, item) in paths {
            let resource = Resource::at(path).unwrap_or_else(|| panic!("{path} leads nowhere"));
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            let told: BTreeSet<String> = methods.map(|method| method.to_uppercase()).collect();
            let heads = matches!(resource, Resource::Blob(..));
            let has = resource.methods().split(", ").filter(|method| heads || *method != "HEAD");
            assert_eq!(told, has.map(str::to_owned).collect(), "{path}");
        }
        for task in whole::TASKS {
            assert!(paths.contains_key(&format!("/upkeep/{task}")), "{task}");
        }
        let paths_of_resources = 16 + whole::TASKS.len();
        assert_eq!(paths.len(), paths_of_resources, "every resource, /events for an account as well, every task");
        let words = described["components"]["schemas"]["Error"]["properties"]["error"]["enum"].as_array().unwrap();
        let told: BTreeSet<&str> = words.iter().filter_map(Value::as_str).collect();
        let store = mediacask::FACES.iter().map(|face| face.name);
        assert_eq!(told, store.chain(errors::OWN.map(|(_, word)| word)).collect());
    }
}

//! The native API, below `/mediacask/v1`: all that the store can do, for services that know it.
//!
//! | path | methods |
//! |---|---|
//! | `/openapi.json` | GET: what is told here, for machines; the only one that needs no token |
//! | `/accounts/{account}/blobs` | GET: a page of entries; DELETE: every name under a prefix |
//! | `/accounts/{account}/blobs/{name}` | PUT, GET, HEAD, PATCH, DELETE |
//! | `/accounts/{account}/entries/{name}` | GET: the facts of a name |
//! | `/accounts/{account}/copy`, `/batch` | POST |
//! | `/accounts/{account}/digests/{digest}` | GET: the account's names of a content |
//! | `/accounts/{account}/events` | GET: server-sent events |
//! | `/accounts/{account}`, `/accounts/{account}/policy` | GET: figures; GET, PUT: the policy |
//! | `/accounts`, `/stats`, `/health`, `/events` | GET, for administrators |
//! | `/digests/{digest}` | GET: all names of a content; DELETE: takes them all down; for administrators |
//! | `/upkeep/{task}` | POST, for administrators |
//!
//! The name is everything behind `blobs/` or `entries/`, slashes included, decoded once. A request passes: its token
//! (`scope.rs`), its options (`options.rs`, `strict.rs`), the store (`blobs.rs`, `batch.rs`, `whole.rs`, `events.rs`), and the shape
//! of its answer (`shapes.rs`, or `errors.rs`). `openapi.json` stands beside.

mod batch;
mod bell;
mod blobs;
mod errors;
mod events;
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
use http::{Method, Response};

use self::errors::refused;
use self::scope::admit;
use crate::config::Access;
use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal};

pub(crate) use self::bell::Bell;

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

    /// The methods it has, as they stand in the header `Allow`.
    fn methods(&self) -> &'static str {
        match self {
            Resource::Blob(..) => "GET, HEAD, PUT, PATCH, DELETE",
            Resource::Blobs(_) | Resource::Content(_) => "GET, HEAD, DELETE",
            Resource::Policy(_) => "GET, HEAD, PUT",
            Resource::Copy(_) | Resource::Batch(_) | Resource::Upkeep(_) => "POST",
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
    let caller = admit(&config, &head.headers)?;
    if !allowed {
        return Err(refusal());
    }
    let (headers, query) = (&head.headers, head.uri.query());
    let access = if head.method.is_safe() { Access::Read } else { Access::Write };
    let account = |raw| caller.account(gateway, raw, access);
    match (resource, &head.method) {
        (Resource::Blob(owner, name), method) => {
            let (account, name) = (account(owner)?, scope::text(name)?);
            match *method {
                Method::PUT => blobs::put(gateway, &config, account, name, headers, body).await,
                Method::PATCH => blobs::update(gateway, &config, account, name, headers, body).await,
                Method::DELETE => blobs::delete(gateway, account, name, headers).await,
                _ => blobs::get(gateway, account, name, method, headers).await,
            }
        }
        (Resource::Blobs(owner), &Method::DELETE) => blobs::purge(gateway, account(owner)?, query).await,
        (Resource::Blobs(owner), _) => blobs::list(gateway, account(owner)?, query).await,
        (Resource::Entry(owner, name), _) => blobs::facts(gateway, account(owner)?, scope::text(name)?).await,
        (Resource::Digest(owner, digest), _) => blobs::names(gateway, &account(owner)?, &scope::text(digest)?).await,
        (Resource::Copy(owner), _) => blobs::copy(gateway, &config, &caller, account(owner)?, body).await,
        (Resource::Batch(owner), _) => batch::run(gateway, &config, account(owner)?, body).await,
        (Resource::Account(owner), _) => whole::account(gateway, account(owner)?).await,
        (Resource::Policy(owner), &Method::PUT) => {
            caller.administrates()?;
            whole::set_policy(gateway, &config, account(owner)?, body).await
        }
        (Resource::Policy(owner), _) => whole::policy(gateway, account(owner)?).await,
        (Resource::Events(Some(owner)), _) => events::follow(gateway, Some(account(owner)?), headers, query).await,
        (resource, method) => {
            caller.administrates()?;
            match (resource, method) {
                (Resource::Events(_), _) => events::follow(gateway, None, headers, query).await,
                (Resource::Content(digest), method) => whole::content(gateway, method, &scope::text(digest)?).await,
                (Resource::Upkeep(task), _) => whole::upkeep(gateway, &config, task, body).await,
                (Resource::Health, _) => whole::health(gateway).await,
                (Resource::Stats, _) => whole::stats(gateway).await,
                _ => whole::accounts(gateway).await,
            }
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
        let paths_of_resources = 15 + whole::TASKS.len();
        assert_eq!(paths.len(), paths_of_resources, "every resource, /events for an account as well, every task");
        let words = described["components"]["schemas"]["Error"]["properties"]["error"]["enum"].as_array().unwrap();
        let told: BTreeSet<&str> = words.iter().filter_map(Value::as_str).collect();
        let store = mediacask::FACES.iter().map(|face| face.name);
        assert_eq!(told, store.chain(errors::OWN.map(|(_, word)| word)).collect());
    }
}

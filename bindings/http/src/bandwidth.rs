//! Bandwidth's Media API, below `/api/v2`: names of the users' own choice, kept for 48 hours.
//!
//! | path | methods |
//! |---|---|
//! | `/users/{account}/media` | GET: a page of names |
//! | `/users/{account}/media/{name}` | PUT, GET, HEAD, DELETE |
//!
//! The name is everything after `media/`, slashes included, decoded once. Every request needs the Basic credentials of
//! a user of the account; who has none learns of nothing whether it exists.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use mediacask::limits::PAGE_ENTRIES_MAX;
use mediacask::{Account, DeleteOptions, Entry, ErrorKind, ListOptions, PutOptions};
use serde_json::json;

use crate::auth::{Given, given};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal, empty, json};
use crate::upload::Upload;
use crate::{download, links, path};

/// The account space of the store that belongs to this API.
const SPACE: &str = "bandwidth";

/// Where a listing goes on, in answers and requests.
const TOKEN: HeaderName = HeaderName::from_static("continuation-token");

/// What is stored when no type is declared.
const UNTYPED: &str = "application/octet-stream";

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().fallback(answer)
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, request).await.unwrap_or_else(refused)
}

/// A refusal as the SDKs read it: both fields are texts and required.
fn refused(refusal: Refusal) -> Response<Body> {
    let kind = match refusal.status {
        StatusCode::BAD_REQUEST => "request-validation",
        StatusCode::UNAUTHORIZED => "authentication",
        StatusCode::FORBIDDEN => "authorization",
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        status if status.is_server_error() => "internal-server-error",
        _ => "request-error",
    };
    let shape = json!({ "type": kind, "description": refusal.message });
    refusal.shaped(&shape)
}

/// What a path leads to.
enum Resource<'a> {
    List,
    /// Its raw name.
    Medium(&'a str),
}

/// The raw account of a path, and what it leads to there.
fn resource(path: &str) -> Option<(&str, Resource<'_>)> {
    let (account, rest) = path.strip_prefix("/users/")?.split_once('/')?;
    match rest.split_once('/') {
        None | Some((_, "")) => matches!(rest, "media" | "media/").then_some((account, Resource::List)),
        Some((media, name)) => (media == "media").then_some((account, Resource::Medium(name))),
    }
}

async fn serve(gateway: &Arc<Gateway>, request: Request) -> Answer {
    let config = gateway.config();
    let (head, body) = request.into_parts();
    let nowhere = || Refusal::not_found("there is no such route");
    let (account, resource) = resource(head.uri.path()).ok_or_else(nowhere)?;
    let account = admit(&config, &head.headers, account)?;
    let media = gateway.account(SPACE, account)?;
    match (resource, &head.method) {
        (Resource::List, &Method::GET | &Method::HEAD) => list(gateway, &config, media, account, &head.headers).await,
        (Resource::List, _) => Err(Refusal::method("GET, HEAD")),
        (Resource::Medium(name), method) => {
            let name = path::decoded(name)?;
            match *method {
                Method::PUT => put(gateway, &config, media, name, &head.headers, body).await,
                Method::GET | Method::HEAD => {
                    download::respond(gateway, media, name, method, &head.headers, absent).await
                }
                Method::DELETE => delete(gateway, media, name).await,
                _ => Err(Refusal::method("GET, HEAD, PUT, DELETE")),
            }
        }
    }
}

fn absent() -> Refusal {
    Refusal::not_found("there is no such media file, or its lifetime is over")
}

/// Checks the credentials, then that they are of a user of the account in the path; gives that account.
fn admit<'a>(config: &'a Config, headers: &HeaderMap, raw_account: &str) -> Answer<&'a str> {
    let challenge = || {
        let value = HeaderValue::from_static("Basic realm=\"media\", charset=\"UTF-8\"");
        let message = "the credentials are missing or wrong";
        Refusal::new(StatusCode::UNAUTHORIZED, message).with(WWW_AUTHENTICATE, value)
    };
    let Given::Basic { user, password } = given(headers) else { return Err(challenge()) };
    let known = config.bandwidth.iter().find(|known| known.username == user);
    let known = known.filter(|known| known.password.is(&password)).ok_or_else(challenge)?;
    if path::decoded(raw_account)? != known.account {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "this user does not belong to that account"));
    }
    Ok(&known.account)
}

/// A header as text; `None` when it is missing.
fn text(headers: &HeaderMap, name: &HeaderName) -> Answer<Option<String>> {
    let value = headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()));
    value
        .transpose()
        .map(|text| text.map(str::to_owned))
        .map_err(|_| Refusal::bad_request(format!("the header {name} is not UTF-8")))
}

async fn put(
    gateway: &Arc<Gateway>,
    config: &Config,
    account: Account,
    name: String,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let content_type = text(headers, &CONTENT_TYPE)?.filter(|text| !text.is_empty());
    let mut options = PutOptions::new()
        .content_type(content_type.unwrap_or_else(|| UNTYPED.to_owned()))
        .ttl(config.limits.bandwidth_ttl);
    if let Some(text) = text(headers, &CACHE_CONTROL)? {
        options = options.cache_control(text);
    }
    let bytes_max = config.limits.bandwidth_bytes;
    Upload { account, name, options, bytes_max, time_max: config.limits.body_time }.receive(gateway, body).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn delete(gateway: &Arc<Gateway>, account: Account, name: String) -> Answer {
    let delete = move || account.delete(&name, &DeleteOptions::new());
    if gateway.write(delete).await?? { Ok(empty(StatusCode::NO_CONTENT)) } else { Err(absent()) }
}

async fn list(gateway: &Arc<Gateway>, config: &Config, media: Account, account: &str, headers: &HeaderMap) -> Answer {
    let token = text(headers, &TOKEN)?;
    let page = gateway.read(move || page(&media, token)).await?;
    let (entries, next) = page.map_err(|error| match error.kind() {
        ErrorKind::InvalidToken => Refusal::bad_request(error.to_string()),
        _ => error.into(),
    })?;
    let base = links::base(config, headers);
    let media: Vec<_> = entries
        .iter()
        .map(|entry| {
            let content =
                format!("{base}/api/v2/users/{}/media/{}", path::encoded(account), path::encoded(&entry.name));
            json!({ "contentLength": entry.size, "mediaName": entry.name, "content": content })
        })
        .collect();
    let mut response = json(StatusCode::OK, &media);
    if let Some(token) = next {
        let token = HeaderValue::from_str(&token).map_err(Refusal::internal)?;
        response.headers_mut().insert(TOKEN, token);
    }
    Ok(response)
}

/// A full page, and a token if, and only if, something comes behind it: a page of the store's may be short and still
/// have one.
fn page(account: &Account, token: Option<String>) -> mediacask::Result<(Vec<Entry>, Option<String>)> {
    let (mut entries, mut token) = (Vec::new(), token);
    loop {
        let options = ListOptions::new().limit(PAGE_ENTRIES_MAX - entries.len()).token(token);
        let page = account.list(&options)?;
        entries.extend(page.entries);
        token = page.next_token;
        if token.is_none() || entries.len() == PAGE_ENTRIES_MAX {
            break;
        }
    }
    let mut ahead = token.clone();
    while ahead.is_some() {
        let page = account.list(&ListOptions::new().limit(1).token(ahead))?;
        if !page.entries.is_empty() {
            return Ok((entries, token));
        }
        ahead = page.next_token;
    }
    Ok((entries, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_behind_media_is_the_name() {
        let name = |path| match resource(path) {
            Some((account, Resource::Medium(name))) => Some((account, name)),
            _ => None,
        };
        assert_eq!(name("/users/1/media/a"), Some(("1", "a")));
        assert_eq!(name("/users/1/media//a//b/"), Some(("1", "/a//b/")));
        assert_eq!(name("/users/1/media/media"), Some(("1", "media")));
        assert!(matches!(resource("/users/1/media"), Some(("1", Resource::List))));
        assert!(matches!(resource("/users/1/media/"), Some(("1", Resource::List))));
        for nowhere in ["/users/1/mediax", "/users/1/mediax/a", "/users/1", "/users", "/", "/user/1/media/a"] {
            assert!(resource(nowhere).is_none(), "{nowhere}");
        }
    }
}

//! MessageBird's File Storage API, below `/v1`: files under ids of the gateway's making, kept until they are deleted.
//!
//! | path | methods |
//! |---|---|
//! | `/files` | POST: the bytes as they are |
//! | `/files/{id}` | GET, HEAD, DELETE |
//!
//! A file is public: its id is random, and whoever has it may read. Of an account that is restricted, reading takes a
//! key of that account. The path names no account, so a reader's file is looked for in each that is configured.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use mediacask::{Account, DeleteOptions, PutOptions};
use serde_json::json;
use uuid::Uuid;

use crate::auth::{Given, given};
use crate::config::{Config, MessageBirdKey};
use crate::disposition::filename;
use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal, empty, json};
use crate::upload::Upload;
use crate::{download, path};

/// The account space of the store that belongs to this API.
const SPACE: &str = "messagebird";

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().fallback(answer)
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, request).await.unwrap_or_else(refused)
}

/// A refusal as MessageBird words it: all three fields are always there.
fn refused(refusal: Refusal) -> Response<Body> {
    let code = match refusal.status {
        StatusCode::UNAUTHORIZED => 1001,
        StatusCode::FORBIDDEN => 2,
        StatusCode::NOT_FOUND => 20,
        status if status.is_server_error() => 99,
        _ => 21,
    };
    let shape = json!({ "errors": [{ "code": code, "description": refusal.message, "parameter": null }] });
    refusal.shaped(&shape)
}

fn invalid_credential() -> Refusal {
    let value = HeaderValue::from_static("AccessKey realm=\"files\"");
    let message = "You are requesting with an invalid credential.";
    Refusal::new(StatusCode::UNAUTHORIZED, message).with(WWW_AUTHENTICATE, value)
}

fn absent() -> Refusal {
    Refusal::not_found("there is no such file")
}

fn of_another() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "the file belongs to another account")
}

async fn serve(gateway: &Arc<Gateway>, request: Request) -> Answer {
    let config = gateway.config();
    let (head, body) = request.into_parts();
    let raw = head.uri.path().strip_prefix("/files").ok_or_else(|| Refusal::not_found("there is no such route"))?;
    match (raw.strip_prefix('/'), &head.method) {
        (None | Some(""), &Method::POST) if raw.len() < 2 => post(gateway, &config, &head.headers, body).await,
        (None, _) if !raw.is_empty() => Err(Refusal::not_found("there is no such route")),
        (None | Some(""), _) => Err(Refusal::method("POST")),
        (Some(raw), method) => {
            let id = path::decoded(raw)?;
            match *method {
                Method::GET | Method::HEAD => get(gateway, &config, id, method, &head.headers).await,
                Method::DELETE => delete(gateway, &config, id, &head.headers).await,
                _ => Err(Refusal::method("GET, HEAD, DELETE")),
            }
        }
    }
}

/// The key that a request gives. All keys are compared, so that the time tells nothing of which is near.
fn admit<'a>(config: &'a Config, headers: &HeaderMap) -> Answer<&'a MessageBirdKey> {
    let Given::AccessKey(key) = given(headers) else { return Err(invalid_credential()) };
    let compare = |found, known: &'a MessageBirdKey| if known.key.is(&key) { Some(known) } else { found };
    config.messagebird.iter().fold(None, compare).ok_or_else(invalid_credential)
}

/// A header as text; `None` when it is missing or empty.
fn text(headers: &HeaderMap, name: &HeaderName) -> Answer<Option<String>> {
    let value = headers.get(name).map(|value| std::str::from_utf8(value.as_bytes())).transpose();
    let value = value.map_err(|_| Refusal::bad_request(format!("the header {name} is not UTF-8")))?;
    Ok(value.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))
}

async fn post(gateway: &Arc<Gateway>, config: &Config, headers: &HeaderMap, body: Body) -> Answer {
    let key = admit(config, headers)?;
    let content_type = text(headers, &CONTENT_TYPE)?;
    let content_type = content_type.ok_or_else(|| Refusal::bad_request("the header Content-Type is missing"))?;
    let disposition = text(headers, &CONTENT_DISPOSITION)?;
    let name = disposition.as_deref().and_then(filename);
    // An id that is taken would be a fault of the random numbers: nothing is ever replaced.
    let mut options = PutOptions::new().content_type(content_type).if_absent();
    if let Some(disposition) = disposition {
        options = options.content_disposition(disposition);
    }
    let id = Uuid::new_v4().hyphenated().to_string();
    let upload = Upload {
        account: gateway.account(SPACE, &key.account)?,
        name: id.clone(),
        options,
        bytes_max: config.limits.messagebird_bytes,
        time_max: config.limits.body_time,
    };
    upload.receive(gateway, body).await?;
    Ok(json(StatusCode::OK, &json!({ "id": id, "name": name })))
}

/// The account that holds the file, and whether it is restricted.
async fn find(gateway: &Arc<Gateway>, config: &Config, id: &str) -> Answer<(String, Account, bool)> {
    // What is no id of the gateway's making is not looked for.
    let id = Uuid::try_parse(id).ok().map(|uuid| uuid.hyphenated().to_string()).filter(|canonical| canonical == id);
    let id = id.ok_or_else(absent)?;
    let mut accounts: Vec<(String, Account)> = Vec::new();
    for key in &config.messagebird {
        if accounts.iter().all(|(name, _)| *name != key.account) {
            accounts.push((key.account.clone(), gateway.account(SPACE, &key.account)?));
        }
    }
    let at_hand = accounts.iter().all(|(_, account)| account.is_at_hand(&id, 0).is_ok_and(|at_hand| at_hand));
    let find = move || -> mediacask::Result<Option<(String, Account)>> {
        for (name, account) in accounts {
            if account.contains(&id)? {
                return Ok(Some((name, account)));
            }
        }
        Ok(None)
    };
    let (name, account) = gateway.read_or_wait(at_hand, find).await??.ok_or_else(absent)?;
    let restricted = config.messagebird.iter().any(|key| key.account == name && key.restricted);
    Ok((name, account, restricted))
}

async fn get(gateway: &Arc<Gateway>, config: &Config, id: String, method: &Method, headers: &HeaderMap) -> Answer {
    let reader = match given(headers) {
        Given::Nothing => None,
        _ => Some(&admit(config, headers)?.account),
    };
    let (owner, account, restricted) = find(gateway, config, &id).await?;
    match reader {
        None if restricted => return Err(invalid_credential()),
        Some(reader) if restricted && *reader != owner => return Err(of_another()),
        _ => {}
    }
    download::respond(gateway, account, id, method, headers, absent).await
}

async fn delete(gateway: &Arc<Gateway>, config: &Config, id: String, headers: &HeaderMap) -> Answer {
    let key = admit(config, headers)?;
    let (owner, account, _) = find(gateway, config, &id).await?;
    if owner != key.account {
        return Err(of_another());
    }
    let delete = move || account.delete(&id, &DeleteOptions::new());
    if gateway.write(delete).await?? { Ok(empty(StatusCode::NO_CONTENT)) } else { Err(absent()) }
}

//! `POST /Messages.json`: a message whose media are fetched from where the form says, all of them or none.
//!
//! Nothing is sent to anyone: the message is answered as one that was queued, and what is kept of it is its media.
//!
//! What was fetched is kept beside, under `fetched/` and the digest of its URL, for as long as somebody may ask for it
//! again: the next fetch of that URL is conditional, and an origin that says 304 is spared the bytes. The same content
//! takes no second room.

use axum::body::Body;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use mediacask::{Account, Digest, PutOptions};
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use super::dates::rfc2822;
use super::{Asked, PREFIX, UNTYPED, media_uri, pairs};
use crate::fetch::{Fetched, Origin, Validators, fetch};
use crate::refusal::{Answer, Refusal, json};

/// Most bytes of a form: ten long URLs and a long text.
const FORM_LEN_MAX: usize = 256 << 10;

/// Messages whose media are fetched at a time: each may hold the bytes of a whole message.
static TURNS: Semaphore = Semaphore::const_new(16);

/// How long what was fetched is kept for the next to ask.
const KEPT: std::time::Duration = std::time::Duration::from_hours(24);

/// Where the validators of a fetched content stand in its metadata.
const ETAG: &str = "etag";
const LAST_MODIFIED: &str = "last-modified";

/// The fields of the form that count.
#[derive(Default)]
struct Form {
    to: Option<String>,
    from: Option<String>,
    body: Option<String>,
    media: Vec<Url>,
}

impl Form {
    fn read(text: &str) -> Answer<Form> {
        let mut form = Form::default();
        for (key, value) in pairs(text)? {
            match key.as_str() {
                "To" => form.to = Some(value).filter(|to| !to.is_empty()),
                "From" => form.from = Some(value),
                "Body" => form.body = Some(value),
                "MediaUrl" => {
                    let wrong = |why: String| Refusal::bad_request(format!("a MediaUrl cannot be fetched: {why}"));
                    form.media.push(Url::parse(&value).map_err(|error| wrong(error.to_string()))?);
                }
                _ => {}
            }
        }
        Ok(form)
    }
}

/// A medium that is to be stored.
struct Part {
    /// The name of what was fetched from its URL.
    kept: String,
    content: Content,
}

enum Content {
    New(Fetched),
    /// What is there still holds.
    Kept,
}

pub(super) async fn create(asked: Asked<'_>, body: Body) -> Answer {
    let body = Limited::new(body, FORM_LEN_MAX).collect();
    let body = tokio::time::timeout(asked.config.limits.body_time, body).await;
    let body = body.map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the form took too long to arrive"))?;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Refusal::too_large(FORM_LEN_MAX as u64),
        None => Refusal::bad_request(format!("the form cannot be read: {error}")),
    })?;
    let text = String::from_utf8(body.to_bytes().into()).map_err(|_| Refusal::bad_request("the form is not UTF-8"))?;
    let form = Form::read(&text)?;
    let Some(to) = &form.to else { return Err(Refusal::bad_request("A 'To' phone number is required.")) };
    let count = form.media.len() as u64;
    if count > asked.config.limits.twilio_media {
        let most = asked.config.limits.twilio_media;
        return Err(Refusal::bad_request(format!("a message has {most} media at most, not {count}")));
    }
    let message = asked.new_sid(if form.media.is_empty() { "SM" } else { "MM" });
    let _turn = TURNS.acquire().await.map_err(Refusal::internal)?;
    let parts = gather(&asked, &form.media).await?;
    store(&asked, &message, parts).await?;
    Ok(answer(&asked, &message, to, &form))
}

/// Fetches one after the other, so that no message holds more than it may have.
async fn gather(asked: &Asked<'_>, urls: &[Url]) -> Answer<Vec<Part>> {
    let (mut parts, mut left) = (Vec::new(), asked.config.limits.twilio_bytes);
    for url in urls {
        let kept = format!("fetched/{}", Digest::of(url.as_str().as_bytes()));
        let (media, name) = (asked.media.clone(), kept.clone());
        let known = asked.gateway.read(move || media.head(&name)).await??;
        let validators = known.as_ref().map_or_else(Validators::default, |entry| Validators {
            etag: entry.metadata.get(ETAG).cloned(),
            last_modified: entry.metadata.get(LAST_MODIFIED).cloned(),
        });
        let fetched = fetch(url, &validators, left, &asked.config.fetch).await.map_err(Refusal::bad_request)?;
        let (content, size) = match (fetched, known) {
            (Origin::Unchanged, Some(entry)) => (Content::Kept, entry.size),
            (Origin::Unchanged, None) => return Err(Refusal::bad_request(format!("{url} answered 304 unasked"))),
            (Origin::Sent(fetched), _) => {
                let size = fetched.content.len() as u64;
                (Content::New(fetched), size)
            }
        };
        left = left.checked_sub(size).ok_or_else(|| Refusal::too_large(asked.config.limits.twilio_bytes))?;
        parts.push(Part { kept, content });
    }
    Ok(parts)
}

/// Stores all media of the message at once; then what was fetched, to ask the origin about the next time.
async fn store(asked: &Asked<'_>, message: &str, parts: Vec<Part>) -> Answer<()> {
    if parts.is_empty() {
        return Ok(());
    }
    // In the order of the form: many of them are made in one millisecond, and chance decides between those.
    let mut names: Vec<_> = parts.iter().map(|_| format!("{message}/{}", asked.new_sid("ME"))).collect();
    names.sort_unstable();
    let (media, limit) = (asked.media.clone(), asked.limit(message));
    let store = move || -> mediacask::Result<Option<()>> {
        let (mut batch, mut beside) = (media.batch(), Vec::new());
        for (name, part) in names.iter().zip(parts) {
            let Some((content, content_type, validators)) = contents(&media, &part)? else { return Ok(None) };
            let options = PutOptions::new().content_type(&content_type).if_absent().prefix_limit(limit.clone());
            batch.put(name, content, &options)?;
            if validators.are_there() {
                beside.push((part, content_type, validators));
            }
        }
        batch.commit()?;
        // The message is whole: what cannot be kept is fetched in full once more, and that is all.
        if let Err(error) = keep(&media, beside) {
            tracing::warn!(target: "mediacask_http", "what was fetched is not kept: {error}");
        }
        Ok(Some(()))
    };
    // What was to be used again ended while the origin was asked.
    let gone = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "what was fetched before is gone; ask again");
    asked.gateway.write(store).await??.ok_or_else(gone)
}

/// Keeps what was fetched with its validators, under the digest of its URL.
fn keep(media: &Account, parts: Vec<(Part, String, Validators)>) -> mediacask::Result<()> {
    let mut batch = media.batch();
    for (part, content_type, validators) in parts {
        let mut options = PutOptions::new().content_type(content_type).ttl(KEPT);
        for (key, value) in [(ETAG, validators.etag), (LAST_MODIFIED, validators.last_modified)] {
            options = value.into_iter().fold(options, |options, value| options.metadata(key, value));
        }
        match part.content {
            Content::New(fetched) => batch.put(&part.kept, fetched.content, &options)?,
            Content::Kept => match media.get(&part.kept)? {
                Some(blob) => batch.put(&part.kept, blob.to_vec(), &options)?,
                None => continue,
            },
        };
    }
    batch.commit().map(drop)
}

/// The bytes of a part, their type, and what to ask the origin with the next time; `None` when they are gone.
fn contents(media: &Account, part: &Part) -> mediacask::Result<Option<(Vec<u8>, String, Validators)>> {
    let untyped = || UNTYPED.to_owned();
    match &part.content {
        Content::New(fetched) => {
            let content_type = fetched.content_type.clone().unwrap_or_else(untyped);
            Ok(Some((fetched.content.clone(), content_type, fetched.validators.clone())))
        }
        Content::Kept => {
            let Some(blob) = media.get(&part.kept)? else { return Ok(None) };
            let entry = blob.entry();
            let of = |key| entry.metadata.get(key).cloned();
            let validators = Validators { etag: of(ETAG), last_modified: of(LAST_MODIFIED) };
            Ok(Some((blob.to_vec(), entry.content_type.clone().unwrap_or_else(untyped), validators)))
        }
    }
}

fn answer(asked: &Asked<'_>, message: &str, to: &str, form: &Form) -> Response<Body> {
    let (account, now) = (&asked.account.sid, rfc2822(asked.gateway.clock.now()));
    let body = form.body.as_deref().unwrap_or_default();
    let uri = format!("{PREFIX}/Accounts/{account}/Messages/{message}.json");
    let shape = json!({
        "sid": message,
        "account_sid": account,
        "to": to,
        "from": form.from,
        "body": body,
        "num_media": form.media.len().to_string(),
        "num_segments": segments(body, !form.media.is_empty()).to_string(),
        "status": "queued",
        "direction": "outbound-api",
        "date_created": now,
        "date_updated": now,
        "date_sent": null,
        "error_code": null,
        "error_message": null,
        "price": null,
        "price_unit": null,
        "messaging_service_sid": null,
        "api_version": "2010-04-01",
        "uri": uri,
        "subresource_uris": { "media": format!("{}.json", media_uri(account, message)) },
    });
    json(StatusCode::CREATED, &shape)
}

/// Into how many short messages a text is cut: of 7 bits a character where ASCII does, else of 16; one with media is
/// never cut.
fn segments(body: &str, has_media: bool) -> usize {
    let (len, alone, joined) =
        if body.is_ascii() { (body.len(), 160, 153) } else { (body.encode_utf16().count(), 70, 67) };
    if has_media || len <= alone { 1 } else { len.div_ceil(joined) }
}

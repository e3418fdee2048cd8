//! Twilio's Media resource, below `/2010-04-01`: the media of messages, kept until they are deleted.
//!
//! | path below `/Accounts/{A}` | methods |
//! |---|---|
//! | `/Messages/{M}/Media` | POST: the bytes as they are |
//! | `/Messages/{M}/Media.json`, `.xml` | GET: a page of media |
//! | `/Messages/{M}/Media/{S}` | GET, HEAD: the bytes, or the way to them; DELETE |
//! | `/Messages/{M}/Media/{S}.json`, `.xml` | GET, HEAD: the resource; DELETE |
//! | `/Messages.json` | POST: a message whose media are fetched |
//!
//! `/Message/` does as well. A medium is stored under `{M}/{S}`: a message has its prefix, which bounds its media, and
//! an SID begins with the time, so that their order is that of their making. Everything needs the account's
//! credentials but bytes: those of an account that is not protected are public, those of one that is are given out by
//! signed links that hold for four hours.

mod dates;
mod messages;
mod pages;
mod resource;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use mediacask::{Account, DeleteOptions, Grant, PrefixLimit, PutOptions};

use crate::auth::{Given, given};
use crate::config::{Config, TwilioAccount};
use crate::gateway::Gateway;
use crate::refusal::{Answer, Refusal, empty};
use crate::upload::Upload;
use crate::{download, links, path};
use resource::{Form, Medium, refused};

/// The account space of the store that belongs to this API.
const SPACE: &str = "twilio";

/// Where all of it is.
const PREFIX: &str = "/2010-04-01";

/// What is stored when no type is declared.
const UNTYPED: &str = "application/octet-stream";

/// The parameter of a link that holds its signature.
const GRANT: &str = "Grant";

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().fallback(answer)
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, request).await.unwrap_or_else(refused)
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    /// All messages.
    Messages,
    /// The media of a message.
    List(String, Option<Form>),
    /// A medium; without a form, its bytes.
    Medium(String, String, Option<Form>),
}

/// The account SID of a path, and what it leads to there. No SID has a character that would be escaped.
fn resource(path: &str) -> Option<(&str, Resource)> {
    let (account, rest) = path.strip_prefix("/Accounts/")?.split_once('/')?;
    let parts: Vec<&str> = rest.split('/').collect();
    let resource = match *parts {
        ["Messages.json"] => Resource::Messages,
        ["Messages" | "Message", message, media] if is_sid(message, &["MM", "SM"]) => {
            Resource::List(message.to_owned(), form(media, "Media")?)
        }
        ["Messages" | "Message", message, "Media", medium] if is_sid(message, &["MM", "SM"]) => {
            let sid = medium.get(..34).filter(|sid| is_sid(sid, &["ME"]))?;
            Resource::Medium(message.to_owned(), sid.to_owned(), form(medium, sid)?)
        }
        _ => return None,
    };
    is_sid(account, &["AC"]).then_some((account, resource))
}

/// What stands behind the name: an extension that is known, or nothing.
#[expect(clippy::option_option, reason = "the outer one: whether it is that name; the inner one: what it ends in")]
fn form(part: &str, name: &str) -> Option<Option<Form>> {
    match part.strip_prefix(name)? {
        "" => Some(None),
        ".json" => Some(Some(Form::Json)),
        ".xml" => Some(Some(Form::Xml)),
        _ => None,
    }
}

fn is_sid(text: &str, kinds: &[&str]) -> bool {
    let digits = kinds.iter().find_map(|kind| text.strip_prefix(kind));
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The path of a message's media, without an extension.
fn media_uri(account: &str, message: &str) -> String {
    format!("{PREFIX}/Accounts/{account}/Messages/{message}/Media")
}

/// A request on its way: what every route needs.
struct Asked<'a> {
    gateway: &'a Arc<Gateway>,
    config: &'a Config,
    /// Whose path it is.
    account: &'a TwilioAccount,
    media: Account,
    head: &'a Parts,
}

async fn serve(gateway: &Arc<Gateway>, request: Request) -> Answer {
    let config = gateway.config();
    let (head, body) = request.into_parts();
    let found = resource(head.uri.path());
    let bytes =
        matches!(found, Some((_, Resource::Medium(_, _, None)))) && matches!(head.method, Method::GET | Method::HEAD);
    if !bytes {
        admit(&config, &head.headers, found.as_ref().map(|(account, _)| *account))?;
    }
    let nowhere = || Refusal::not_found("The requested resource was not found");
    let (account, resource) = found.ok_or_else(nowhere)?;
    let account = config.twilio.iter().find(|known| known.sid == account).ok_or_else(nowhere)?;
    let media = gateway.account(SPACE, &account.sid)?;
    let asked = Asked { gateway, config: &config, account, media, head: &head };
    match (resource, &head.method) {
        (Resource::Messages, &Method::POST) => messages::create(asked, body).await,
        (Resource::List(message, None | Some(Form::Json)), &Method::POST) => asked.ingest(message, body).await,
        (Resource::List(message, Some(form)), &Method::GET | &Method::HEAD) => pages::list(asked, message, form).await,
        (Resource::Messages | Resource::List(_, None), _) => Err(Refusal::method("POST")),
        (Resource::List(..), _) => Err(Refusal::method("GET, HEAD, POST")),
        (Resource::Medium(message, sid, None), method @ (&Method::GET | &Method::HEAD)) => {
            asked.bytes(&message, &sid, method).await
        }
        (Resource::Medium(message, sid, Some(form)), &Method::GET | &Method::HEAD) => {
            asked.resource(message, &sid, form).await
        }
        (Resource::Medium(message, sid, _), &Method::DELETE) => asked.delete(&message, &sid).await,
        (Resource::Medium(..), _) => Err(Refusal::method("GET, HEAD, DELETE")),
    }
}

/// Checks the credentials, then that they are of the account in the path.
fn admit(config: &Config, headers: &HeaderMap, account: Option<&str>) -> Answer<()> {
    let challenge = || {
        let value = HeaderValue::from_static("Basic realm=\"Twilio API\", charset=\"UTF-8\"");
        Refusal::new(StatusCode::UNAUTHORIZED, "Authenticate").with(WWW_AUTHENTICATE, value)
    };
    let Given::Basic { user, password } = given(headers) else { return Err(challenge()) };
    let known = config.twilio.iter().find(|known| known.sid == user);
    let known = known.filter(|known| known.auth_token.is(&password)).ok_or_else(challenge)?;
    match account {
        Some(account) if account != known.sid => {
            Err(Refusal::new(StatusCode::FORBIDDEN, "the credentials belong to another account"))
        }
        _ => Ok(()),
    }
}

fn absent() -> Refusal {
    Refusal::not_found("The requested medium was not found")
}

impl Asked<'_> {
    /// How many media of how many bytes the message may have; the put that would go beyond is refused by the store.
    fn limit(&self, message: &str) -> PrefixLimit {
        let limits = &self.config.limits;
        PrefixLimit { prefix: format!("{message}/"), count: limits.twilio_media, bytes: limits.twilio_bytes }
    }

    /// What `name` is put with.
    fn put_options(&self, message: &str, content_type: &str) -> PutOptions {
        PutOptions::new().content_type(content_type).if_absent().prefix_limit(self.limit(message))
    }

    /// A new SID: 48 bits of the time, 80 of chance.
    fn new_sid(&self, kind: &str) -> String {
        let since = self.gateway.clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let random = &uuid::Uuid::new_v4().simple().to_string()[12..];
        format!("{kind}{:012x}{random}", since.as_millis() & ((1 << 48) - 1))
    }

    async fn ingest(self, message: String, body: Body) -> Answer {
        let declared = self.head.headers.get(CONTENT_TYPE).map(|value| std::str::from_utf8(value.as_bytes()));
        let declared =
            declared.transpose().map_err(|_| Refusal::bad_request("the header Content-Type is not UTF-8"))?;
        let content_type = declared.filter(|text| !text.is_empty()).unwrap_or(UNTYPED);
        let upload = Upload {
            account: self.media.clone(),
            name: format!("{message}/{}", self.new_sid("ME")),
            options: self.put_options(&message, content_type),
            bytes_max: self.config.limits.twilio_bytes,
            time_max: self.config.limits.body_time,
        };
        let entry = upload.receive(self.gateway, body).await?;
        Ok(Medium::of(&self.account.sid, &message, &entry, Form::Json).answer(StatusCode::CREATED, Form::Json))
    }

    async fn resource(self, message: String, sid: &str, form: Form) -> Answer {
        let (media, name) = (self.media, format!("{message}/{sid}"));
        let entry = self.gateway.read(move || media.head(&name)).await??.ok_or_else(absent)?;
        Ok(Medium::of(&self.account.sid, &message, &entry, form).answer(StatusCode::OK, form))
    }

    async fn delete(self, message: &str, sid: &str) -> Answer {
        let (media, name) = (self.media, format!("{message}/{sid}"));
        let existed = self.gateway.write(move || media.delete(&name, &DeleteOptions::new())).await??;
        if existed { Ok(empty(StatusCode::NO_CONTENT)) } else { Err(absent()) }
    }

    /// The bytes: to everyone, or to who shows a signed link; who shows credentials is given one.
    async fn bytes(self, message: &str, sid: &str, method: &Method) -> Answer {
        let name = format!("{message}/{sid}");
        let grants = query(self.head)?.into_iter().filter(|(key, _)| key == GRANT).map(|(_, value)| value);
        let grants: Vec<String> = grants.collect();
        if self.account.protect_media && grants.is_empty() {
            admit(self.config, &self.head.headers, Some(&self.account.sid))?;
            return self.link(name).await;
        }
        if self.account.protect_media {
            self.verify(&grants, &name, method)?;
        }
        download::respond(self.gateway, self.media, name, method, &self.head.headers, absent).await
    }

    /// Whether the link of this request holds.
    fn verify(&self, grants: &[String], name: &str, method: &Method) -> Answer<()> {
        let wrong = |why: &str| Refusal::new(StatusCode::FORBIDDEN, why);
        let [grant] = grants else { return Err(wrong("the link was altered")) };
        match links::verify(self.gateway, self.config, grant, self.media.name(), name, method) {
            Ok(_) => Ok(()),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }

    /// The way to the bytes without credentials, for a while.
    async fn link(self, name: String) -> Answer {
        let (media, sought) = (self.media.clone(), name.clone());
        if !self.gateway.read(move || media.contains(&sought)).await?? {
            return Err(absent());
        }
        let grant = Grant::new(self.media.name(), name).ttl(self.config.limits.twilio_link);
        let grant = links::sign(self.gateway, self.config, &grant)?;
        let location = format!("{PREFIX}{}?{GRANT}={grant}", self.head.uri.path());
        let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
        let headers = response.headers_mut();
        headers.insert(LOCATION, HeaderValue::from_str(&location).map_err(Refusal::internal)?);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        Ok(response)
    }
}

/// The pairs of the query.
fn query(head: &Parts) -> Answer<Vec<(String, String)>> {
    pairs(head.uri.query().unwrap_or_default())
}

/// The pairs of a form or a query, decoded.
fn pairs(text: &str) -> Answer<Vec<(String, String)>> {
    let decoded = |part: &str| path::decoded(&part.replace('+', "%20"));
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(key)?, decoded(value)?))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AC11111111111111111111111111111111";
    const M: &str = "MMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const S: &str = "ME0123456789abcdef0123456789abcdef";

    #[test]
    fn paths_lead_where_the_table_says() {
        let at = |rest: &str| {
            resource(&format!("/Accounts/{A}{rest}")).map(|(account, found)| {
                assert_eq!(account, A);
                found
            })
        };
        let (m, s) = (M.to_owned(), S.to_owned());
        assert_eq!(at("/Messages.json"), Some(Resource::Messages));
        assert_eq!(at(&format!("/Messages/{M}/Media")), Some(Resource::List(m.clone(), None)));
        assert_eq!(at(&format!("/Message/{M}/Media.xml")), Some(Resource::List(m.clone(), Some(Form::Xml))));
        let medium = |form| Some(Resource::Medium(m.clone(), s.clone(), form));
        assert_eq!(at(&format!("/Messages/{M}/Media/{S}")), medium(None));
        assert_eq!(at(&format!("/Message/{M}/Media/{S}.json")), medium(Some(Form::Json)));
        for nowhere in [
            String::new(),
            "/Messages".into(),
            "/Messages.xml".into(),
            format!("/Messages/{M}"),
            format!("/Messages/{M}/Media.csv"),
            format!("/Messages/{M}/Mediax"),
            format!("/Messages/{M}/Media/"),
            format!("/Messages/{M}/Media/{S}.jpg"),
            format!("/Messages/{M}/Media/{S}/x"),
            format!("/Messages/{M}/Media/{M}"),
            format!("/Messages/{S}/Media"),
            format!("/Messages/{}/Media", &M[..33]),
            format!("/Messages/{M}/Media/é{S}"),
        ] {
            assert_eq!(at(&nowhere), None, "{nowhere}");
        }
        assert_eq!(resource(&format!("/Accounts/{M}/Messages.json")), None);
    }

    #[test]
    fn pairs_are_decoded_once() {
        let found = pairs("DateCreated%3C=2013-04-26&&a+b=c%2Bd&flag").unwrap();
        let expected = [("DateCreated<", "2013-04-26"), ("a b", "c+d"), ("flag", "")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(pairs("a=%zz").is_err());
    }
}

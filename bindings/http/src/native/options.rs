//! What requests ask for: headers, query and JSON bodies become JSON values first and are decoded in one place, so that
//! an option has one name, one shape and one sentence when it is wrong, wherever it stands.
//!
//! A field `ttl_ms` of a JSON body is the header `Mediacask-Ttl-Ms` of a PUT. What is not known is refused: a condition
//! that is misspelt must not be taken for none.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER_PERMISSIVE;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH};
use jiff::Timestamp;
use mediacask::{
    DeleteOptions, Digest, Durability, ErrorKind, Expiry, ListOptions, Policy, PrefixLimit, PutOptions, UpdateOptions,
};
use percent_encoding::percent_decode_str;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::refusal::{Answer, Refusal};

/// What the headers of this API begin with.
const OWN: &str = "mediacask-";

/// Fields whose header or query text is a number.
const NUMBERS: [&str; 6] = ["ttl_ms", "if_generation", "limit_count", "limit_bytes", "limit", "after"];

/// A refusal of something that was asked for in a way that is not understood.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { kind: Some(ErrorKind::InvalidOption), ..Refusal::bad_request(message) }
}

/// Decodes what a body holds.
pub(super) fn of_json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let object = serde_json::from_slice(bytes).map(|Object(fields)| fields);
    object.map_err(|error| invalid(format!("the JSON of the body is not understood: {error}")))
}

/// Decodes a query, each field once.
pub(super) fn of_query<T: DeserializeOwned>(query: Option<&str>) -> Answer<T> {
    let mut fields = Map::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (field, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (field, text) = (decoded(&field.replace('+', " "))?, decoded(&text.replace('+', " "))?);
        let value = value(&field, text)?;
        if fields.insert(field.clone(), value).is_some() {
            return Err(invalid(format!("the query has {field:?} twice")));
        }
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| invalid(format!("the query is not understood: {error}")))
}

/// Decodes the headers of a write.
pub(super) fn of_headers<T: DeserializeOwned>(headers: &HeaderMap) -> Answer<T> {
    let mut fields = Map::new();
    let mut add = |field: &str, value: Value| match fields.insert(field.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("the header for {field} stands twice"))),
    };
    let facts = [(CONTENT_TYPE, "content_type"), (CACHE_CONTROL, "cache_control")];
    for (name, field) in facts.iter().chain(&[(CONTENT_DISPOSITION, "content_disposition")]) {
        for text in headers.get_all(name) {
            add(field, text_of(text, name.as_str())?.into())?;
        }
    }
    let mut metadata = Map::new();
    for (name, text) in headers {
        let Some(field) = name.as_str().strip_prefix(OWN) else { continue };
        let (field, text) = (field.replace('-', "_"), text_of(text, name.as_str())?);
        match field.as_str() {
            "metadata" => pairs(&text, &mut metadata)?,
            "limit_prefix" => add(&field, decoded(&text)?.into())?,
            _ => add(&field, value(&field, text)?)?,
        }
    }
    if !metadata.is_empty() {
        add("metadata", metadata.into())?;
    }
    for text in headers.get_all(IF_NONE_MATCH) {
        if text_of(text, "If-None-Match")?.trim() != "*" {
            return Err(invalid("a write takes If-None-Match with * only, for a name that must be new"));
        }
        add("if_absent", true.into())?;
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| invalid(format!("the headers are not understood: {error}")))
}

fn text_of(value: &HeaderValue, name: &str) -> Answer<String> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| invalid(format!("the header {name} is not UTF-8")));
    text.map(str::to_owned)
}

fn value(field: &str, text: String) -> Answer<Value> {
    if !NUMBERS.contains(&field) {
        return Ok(text.into());
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|_| digits);
    number.map(Value::from).ok_or_else(|| invalid(format!("{field} is a whole number, not {text:?}")))
}

fn decoded(text: &str) -> Answer<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| invalid("a percent-encoded text is not UTF-8 when decoded"))
}

/// Pairs `key=value`, percent-encoded, with commas between them.
fn pairs(list: &str, into: &mut Map<String, Value>) -> Answer<()> {
    for pair in list.split(',').map(str::trim) {
        let pair = pair.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            pair.ok_or_else(|| invalid("metadata are pairs like key=value, with commas between them"))?;
        if into.insert(decoded(key)?, decoded(value)?.into()).is_some() {
            return Err(invalid("a key of the metadata stands twice"));
        }
    }
    Ok(())
}

/// What is written as a text and is something else.
#[derive(Clone, Copy)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Parsed).map_err(D::Error::custom)
    }
}

impl Parsed<Timestamp> {
    fn time(self) -> SystemTime {
        self.0.into()
    }
}

/// Bytes in hexadecimal digits.
struct Hex<const N: usize>([u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = HEXLOWER_PERMISSIVE.decode(String::deserialize(from)?.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Hex).ok_or_else(|| D::Error::custom(format!("{} hexadecimal digits are needed", 2 * N)))
    }
}

/// What may be left out. `null` is not leaving out: a condition that came to nothing on its way here must not be taken
/// for none.
pub(super) struct Given<T>(pub(super) Option<T>);

impl<T> Default for Given<T> {
    fn default() -> Given<T> {
        Given(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(|given| Given(Some(given)))
    }
}

/// A whole number. 5.0 is one as well, to a schema and to who has reckoned with fractions.
#[derive(Clone, Copy)]
pub(super) struct Whole(u64);

impl Given<Whole> {
    pub(super) fn number(&self) -> Option<u64> {
        self.0.map(|Whole(number)| number)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number that is not negative")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Whole, E> {
                // Beyond that, numbers with a point are not told apart.
                let exact = 0.0..=9_007_199_254_740_992.0;
                if exact.contains(&number) && number.fract() == 0.0 {
                    return Ok(Whole(number as u64));
                }
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }
        from.deserialize_u64(Number)
    }
}

/// Fields by their names. Without this an array would do as well, of the fields in their order.
#[derive(Default)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, fields: M) -> Result<Object<T>, M::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }
        from.deserialize_map(Fields(PhantomData))
    }
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Acknowledged {
    Sync,
    Os,
}

impl From<Acknowledged> for Durability {
    fn from(word: Acknowledged) -> Durability {
        match word {
            Acknowledged::Sync => Durability::Sync,
            Acknowledged::Os => Durability::Os,
        }
    }
}

/// A lifetime without a number.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Lifetime {
    Never,
    Policy,
}

fn expiry(ttl_ms: Option<u64>, at: Option<Parsed<Timestamp>>, word: Option<Lifetime>) -> Answer<Option<Expiry>> {
    Ok(match (ttl_ms, at, word) {
        (None, None, None) => None,
        (Some(ms), None, None) => Some(Expiry::After(Duration::from_millis(ms))),
        (None, Some(at), None) => Some(Expiry::At(at.time())),
        (None, None, Some(Lifetime::Never)) => Some(Expiry::Never),
        (None, None, Some(Lifetime::Policy)) => Some(Expiry::Policy),
        _ => return Err(invalid("give one of ttl_ms, expires_at and expiry")),
    })
}

/// The options of a put and of a copy.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PutFields {
    content_type: Given<String>,
    cache_control: Given<String>,
    content_disposition: Given<String>,
    metadata: BTreeMap<String, String>,
    ttl_ms: Given<Whole>,
    expires_at: Given<Parsed<Timestamp>>,
    expiry: Given<Lifetime>,
    if_absent: bool,
    if_match: Given<Parsed<Digest>>,
    if_generation: Given<Whole>,
    expect_digest: Given<Parsed<Digest>>,
    expect_md5: Given<Hex<16>>,
    expect_sha256: Given<Hex<32>>,
    limit_prefix: Given<String>,
    limit_count: Given<Whole>,
    limit_bytes: Given<Whole>,
    durability: Given<Acknowledged>,
}

/// Sets one of the facts that a content has.
type SetFact = fn(PutOptions, String) -> PutOptions;

impl PutFields {
    pub(super) fn options(self) -> Answer<PutOptions> {
        let lifetime = expiry(self.ttl_ms.number(), self.expires_at.0, self.expiry.0)?;
        let mut options = PutOptions::new().expiry(lifetime.unwrap_or_default());
        let facts: [(Option<String>, SetFact); 3] = [
            (self.content_type.0, PutOptions::content_type),
            (self.cache_control.0, PutOptions::cache_control),
            (self.content_disposition.0, PutOptions::content_disposition),
        ];
        options = facts.into_iter().fold(options, |options, (text, set)| match text {
            Some(text) => set(options, text),
            None => options,
        });
        options = self.metadata.into_iter().fold(options, |options, (key, value)| options.metadata(key, value));
        if self.if_absent {
            options = options.if_absent();
        }
        if let Some(Parsed(digest)) = self.if_match.0 {
            options = options.if_match(digest);
        }
        if let Some(generation) = self.if_generation.number() {
            options = options.if_generation(generation);
        }
        if let Some(Parsed(digest)) = self.expect_digest.0 {
            options = options.expect_digest(digest);
        }
        if let Some(Hex(md5)) = self.expect_md5.0 {
            options = options.expect_md5(md5);
        }
        if let Some(Hex(sha256)) = self.expect_sha256.0 {
            options = options.expect_sha256(sha256);
        }
        options = match (self.limit_prefix.0, self.limit_count.number(), self.limit_bytes.number()) {
            (None, None, None) => options,
            (Some(prefix), Some(count), Some(bytes)) => options.prefix_limit(PrefixLimit::new(prefix, count, bytes)),
            _ => return Err(invalid("limit_prefix, limit_count and limit_bytes are given together or not at all")),
        };
        Ok(self.durability.0.map_or(options.clone(), |word| options.durability(word.into())))
    }
}

/// What becomes of a fact: it stays where nothing is said, `null` takes it away.
#[derive(Default)]
enum Change {
    #[default]
    Stays,
    Becomes(Option<String>),
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(Change::Becomes)
    }
}

/// What an update changes.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UpdateFields {
    content_type: Change,
    cache_control: Change,
    content_disposition: Change,
    set_metadata: BTreeMap<String, String>,
    unset_metadata: Vec<String>,
    ttl_ms: Given<Whole>,
    expires_at: Given<Parsed<Timestamp>>,
    expiry: Given<Lifetime>,
    if_match: Given<Parsed<Digest>>,
    if_generation: Given<Whole>,
    durability: Given<Acknowledged>,
}

impl UpdateFields {
    pub(super) fn options(self) -> Answer<UpdateOptions> {
        let mut options = UpdateOptions::new();
        if let Change::Becomes(text) = self.content_type {
            options = options.content_type(text);
        }
        if let Change::Becomes(text) = self.cache_control {
            options = options.cache_control(text);
        }
        if let Change::Becomes(text) = self.content_disposition {
            options = options.content_disposition(text);
        }
        options = self.set_metadata.into_iter().fold(options, |options, (key, value)| options.set_metadata(key, value));
        options = self.unset_metadata.into_iter().fold(options, UpdateOptions::unset_metadata);
        if let Some(lifetime) = expiry(self.ttl_ms.number(), self.expires_at.0, self.expiry.0)? {
            options = options.expiry(lifetime);
        }
        if let Some(Parsed(digest)) = self.if_match.0 {
            options = options.if_match(digest);
        }
        if let Some(generation) = self.if_generation.number() {
            options = options.if_generation(generation);
        }
        Ok(self.durability.0.map_or(options.clone(), |word| options.durability(word.into())))
    }
}

/// The options of a delete.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeleteFields {
    if_match: Given<Parsed<Digest>>,
    if_generation: Given<Whole>,
    durability: Given<Acknowledged>,
}

impl DeleteFields {
    pub(super) fn options(self) -> DeleteOptions {
        let mut options = DeleteOptions::new();
        if let Some(Parsed(digest)) = self.if_match.0 {
            options = options.if_match(digest);
        }
        if let Some(generation) = self.if_generation.number() {
            options = options.if_generation(generation);
        }
        self.durability.0.map_or(options, |word| options.durability(word.into()))
    }
}

/// Which names a listing shows.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListFields {
    prefix: String,
    delimiter: Option<String>,
    created_from: Option<Parsed<Timestamp>>,
    created_to: Option<Parsed<Timestamp>>,
    limit: Option<usize>,
    token: Option<String>,
}

impl ListFields {
    pub(super) fn options(self) -> ListOptions {
        let mut options = ListOptions::new().prefix(self.prefix).token(self.token);
        if let Some(delimiter) = self.delimiter {
            options = options.delimiter(delimiter);
        }
        if let Some(from) = self.created_from {
            options = options.created_from(from.time());
        }
        if let Some(to) = self.created_to {
            options = options.created_to(to.time());
        }
        self.limit.map_or(options.clone(), |limit| options.limit(limit))
    }
}

/// What holds for an account; what is left out or `null` is not limited.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PolicyFields {
    default_ttl_ms: Option<Whole>,
    longest_ttl_ms: Option<Whole>,
    largest_blob: Option<Whole>,
    quota_bytes: Option<Whole>,
    quota_count: Option<Whole>,
}

impl From<PolicyFields> for Policy {
    fn from(fields: PolicyFields) -> Policy {
        let number = |given: Option<Whole>| given.map(|Whole(number)| number);
        Policy {
            default_ttl: number(fields.default_ttl_ms).map(Duration::from_millis),
            longest_ttl: number(fields.longest_ttl_ms).map(Duration::from_millis),
            largest_blob: number(fields.largest_blob),
            quota_bytes: number(fields.quota_bytes),
            quota_count: number(fields.quota_count),
        }
    }
}

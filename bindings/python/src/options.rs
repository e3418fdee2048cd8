//! The options of each operation, from keyword arguments.
//!
//! Operations that take the options of a put collect them as a dict, so that there is one place that knows
//! them; their `text_signature` shows them to `help` and to editors.

use std::collections::BTreeMap;

use mediacask::{DeleteOptions, Durability, Expiry, ListOptions, PrefixLimit, PutOptions, UpdateOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyEllipsis};

use crate::entry::{bytes_of, digest};
use crate::{errors, times};

/// One of a few words, or what is wrong with it.
pub(crate) fn word<T: Copy>(py: Python<'_>, option: &str, value: &str, words: &[(&str, T)]) -> PyResult<T> {
    let found = words.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        errors::invalid(py, &format!("{option} is {}, not {value:?}", words.join(" or ")))
    })
}

pub(crate) fn durability(py: Python<'_>, value: &str) -> PyResult<Durability> {
    word(py, "durability", value, &[("sync", Durability::Sync), ("os", Durability::Os)])
}

/// The options of a put: `operation` is who takes them, for what it says to an unknown one.
pub(crate) fn put(operation: &str, named: Option<&Bound<'_, PyDict>>) -> PyResult<PutOptions> {
    let mut options = PutOptions::new();
    let mut expiry = Expiries::default();
    for (key, value) in named.into_iter().flatten() {
        let key = key.extract::<&str>()?;
        if value.is_none() {
            known(operation, key, PUT_OPTIONS)?;
            continue;
        }
        let py = value.py();
        options = match key {
            "content_type" => options.content_type(value.extract::<&str>()?),
            "cache_control" => options.cache_control(value.extract::<&str>()?),
            "content_disposition" => options.content_disposition(value.extract::<&str>()?),
            "metadata" => {
                let pairs = pairs_of::<String>(&value)?.into_iter();
                pairs.fold(options, |options, (key, value)| options.metadata(key, value))
            }
            "ttl" => expiry.take(py, times::expiry(&value)?).map(|()| options)?,
            "expires_at" => expiry.take(py, Expiry::At(times::instant(&value, "expires_at")?)).map(|()| options)?,
            "if_absent" => {
                if value.extract()? {
                    options.if_absent()
                } else {
                    options
                }
            }
            "if_match" => options.if_match(digest(&value)?),
            "if_generation" => options.if_generation(value.extract()?),
            "expect_digest" => options.expect_digest(digest(&value)?),
            "expect_md5" => options.expect_md5(bytes_of(&value, "expect_md5")?),
            "expect_sha256" => options.expect_sha256(bytes_of(&value, "expect_sha256")?),
            "durability" => options.durability(durability(py, value.extract()?)?),
            "prefix_limit" => options.prefix_limit(prefix_limit(&value)?),
            other => return Err(unknown(operation, other)),
        };
    }
    Ok(expiry.0.map_or(options.clone(), |expiry| options.expiry(expiry)))
}

const PUT_OPTIONS: &[&str] = &[
    "content_type",
    "cache_control",
    "content_disposition",
    "metadata",
    "ttl",
    "expires_at",
    "if_absent",
    "if_match",
    "if_generation",
    "expect_digest",
    "expect_md5",
    "expect_sha256",
    "durability",
    "prefix_limit",
];

/// The options of an update. An ellipsis leaves a fact as it is, `None` takes it away.
pub(crate) fn update(named: Option<&Bound<'_, PyDict>>) -> PyResult<UpdateOptions> {
    let mut options = UpdateOptions::new();
    let mut expiry = Expiries::default();
    for (key, value) in named.into_iter().flatten() {
        let key = key.extract::<&str>()?;
        let py = value.py();
        known("update", key, UPDATE_OPTIONS)?;
        if value.is_instance_of::<PyEllipsis>() {
            continue;
        }
        options = match key {
            "content_type" => options.content_type(value.extract()?),
            "cache_control" => options.cache_control(value.extract()?),
            "content_disposition" => options.content_disposition(value.extract()?),
            _ if value.is_none() => options,
            "metadata" => {
                let pairs = pairs_of::<Option<String>>(&value)?.into_iter();
                pairs.fold(options, |options, (key, value)| match value {
                    Some(value) => options.set_metadata(key, value),
                    None => options.unset_metadata(key),
                })
            }
            "ttl" => expiry.take(py, times::expiry(&value)?).map(|()| options)?,
            "expires_at" => expiry.take(py, Expiry::At(times::instant(&value, "expires_at")?)).map(|()| options)?,
            "if_match" => options.if_match(digest(&value)?),
            "if_generation" => options.if_generation(value.extract()?),
            _ => options.durability(durability(py, value.extract()?)?),
        };
    }
    Ok(expiry.0.map_or(options.clone(), |expiry| options.expiry(expiry)))
}

const UPDATE_OPTIONS: &[&str] = &[
    "content_type",
    "cache_control",
    "content_disposition",
    "metadata",
    "ttl",
    "expires_at",
    "if_match",
    "if_generation",
    "durability",
];

pub(crate) fn delete(
    if_match: Option<&Bound<'_, PyAny>>,
    if_generation: Option<u64>,
    durability: Option<&str>,
    py: Python<'_>,
) -> PyResult<DeleteOptions> {
    let mut options = DeleteOptions::new();
    if let Some(wanted) = if_match {
        options = options.if_match(digest(wanted)?);
    }
    if let Some(generation) = if_generation {
        options = options.if_generation(generation);
    }
    if let Some(word) = durability {
        options = options.durability(self::durability(py, word)?);
    }
    Ok(options)
}

pub(crate) fn list(
    prefix: &str,
    delimiter: Option<&str>,
    created: (Option<&Bound<'_, PyAny>>, Option<&Bound<'_, PyAny>>),
    limit: Option<usize>,
    token: Option<String>,
) -> PyResult<ListOptions> {
    let mut options = ListOptions::new().prefix(prefix).token(token);
    if let Some(delimiter) = delimiter {
        options = options.delimiter(delimiter);
    }
    if let Some(from) = created.0 {
        options = options.created_from(times::instant(from, "created_from")?);
    }
    if let Some(to) = created.1 {
        options = options.created_to(times::instant(to, "created_to")?);
    }
    Ok(limit.map_or(options.clone(), |limit| options.limit(limit)))
}

/// At most one of `ttl` and `expires_at`.
#[derive(Default)]
struct Expiries(Option<Expiry>);

impl Expiries {
    fn take(&mut self, py: Python<'_>, expiry: Expiry) -> PyResult<()> {
        match self.0.replace(expiry) {
            None => Ok(()),
            Some(_) => Err(errors::invalid(py, "both ttl and expires_at were given; one of them says it all")),
        }
    }
}

/// The pairs of a mapping of texts.
fn pairs_of<T>(value: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, T>>
where
    BTreeMap<String, T>: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    let dict = PyDict::new(value.py());
    dict.call_method1("update", (value,))?;
    dict.extract().map_err(|_| errors::wrong_type("metadata is a mapping of texts to texts".into()))
}

/// A `PrefixLimit` as callers give it.
fn prefix_limit(value: &Bound<'_, PyAny>) -> PyResult<PrefixLimit> {
    let prefix: String = value.getattr("prefix")?.extract()?;
    Ok(PrefixLimit::new(prefix, value.getattr("count")?.extract()?, value.getattr("bytes")?.extract()?))
}

fn known(operation: &str, key: &str, options: &[&str]) -> PyResult<()> {
    if options.contains(&key) { Ok(()) } else { Err(unknown(operation, key)) }
}

fn unknown(operation: &str, key: &str) -> PyErr {
    PyTypeError::new_err(format!("{operation}() got an unexpected keyword argument '{key}'"))
}

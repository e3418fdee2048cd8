//! Batches: puts and deletes of one account in one request, all of them or none.
//!
//! The contents stand in the JSON, so a batch is for small ones: the whole body is in memory, bounded by
//! `native_batch_bytes`.

use std::sync::Arc;

use axum::body::Body;
use data_encoding::BASE64;
use mediacask::{Account, DeleteOptions, PutOptions};
use serde::Deserialize;
use serde_json::json;

use super::blobs::found;
use super::options::{Acknowledged, DeleteFields, Given, Object, PutFields, invalid};
use super::{receive, shapes};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::refusal::Answer;

/// What a batch is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchFields {
    operations: Vec<Operation>,
    #[serde(default)]
    durability: Given<Acknowledged>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are puts")]
enum Operation {
    Put(Object<Put>),
    Delete(Object<Delete>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    name: String,
    /// The content, when it is text.
    #[serde(default)]
    text: Given<String>,
    /// The content, whatever it is.
    #[serde(default)]
    base64: Given<String>,
    #[serde(default)]
    options: Object<PutFields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    name: String,
    #[serde(default)]
    options: Object<DeleteFields>,
}

/// An operation that was understood.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are puts")]
enum Ready {
    Put(String, Vec<u8>, PutOptions),
    Delete(String, DeleteOptions),
}

impl Operation {
    fn ready(self) -> Answer<Ready> {
        match self {
            Operation::Put(Object(Put { name, text, base64, options })) => {
                let content = match (text.0, base64.0) {
                    (Some(text), None) => text.into_bytes(),
                    (None, Some(base64)) => BASE64
                        .decode(base64.as_bytes())
                        .map_err(|error| invalid(format!("the base64 of {name:?} cannot be read: {error}")))?,
                    _ => return Err(invalid(format!("the put of {name:?} needs one of `text` and `base64`"))),
                };
                Ok(Ready::Put(name, content, options.0.options()?))
            }
            Operation::Delete(Object(Delete { name, options })) => Ok(Ready::Delete(name, options.0.options())),
        }
    }
}

pub(super) async fn run(gateway: &Arc<Gateway>, config: &Config, account: Account, body: Body) -> Answer {
    let limits = &config.limits;
    let fields: BatchFields = receive::json(body, limits.native_batch_bytes, limits.body_time).await?;
    let ready = fields.operations.into_iter().map(Operation::ready).collect::<Answer<Vec<_>>>()?;
    let commit = move || -> mediacask::Result<_> {
        let mut batch = account.batch();
        if let Some(word) = fields.durability.0 {
            batch.durability(word.into());
        }
        for operation in ready {
            match operation {
                Ready::Put(name, content, options) => batch.put(&name, content, &options)?,
                Ready::Delete(name, options) => batch.delete(&name, &options)?,
            };
        }
        batch.commit()
    };
    let outcomes = gateway.write(commit).await??;
    Ok(found(&json!({ "outcomes": outcomes.iter().map(shapes::outcome).collect::<Vec<_>>() })))
}

//! Signed links: who has one reads one name without credentials, by GET and HEAD, until its time is over.
//!
//! What makes a link a signed one is a grant of the core's ([`mediacask::Signer`]). It can be signed wherever the key
//! is, by a service that knows nothing of HTTP, and is verified here. The first key of the configuration signs, and all
//! of them are accepted. Where there is none, the store's own key signs; it is accepted in any case, so that what it
//! has signed holds when keys come to the configuration.

use std::time::SystemTime;

use http::Method;
use http::header::{HOST, HeaderMap};
use mediacask::{ErrorKind, Grant, Result, Signer};

use crate::config::Config;
use crate::gateway::Gateway;

/// What links begin with.
pub(crate) fn base(config: &Config, headers: &HeaderMap) -> String {
    let host = || headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    config.public_base.clone().unwrap_or_else(|| format!("{scheme}://{}", host()))
}

/// The text of a grant, by the key that signs now.
pub(crate) fn sign(gateway: &Gateway, config: &Config, grant: &Grant) -> Result<String> {
    match configured(gateway, config) {
        Some(signer) => signer.sign(grant),
        None => gateway.store.signer()?.sign(grant),
    }
}

/// Until when the text lets its bearer do that with the name. Refuses one that does not.
pub(crate) fn verify(
    gateway: &Gateway,
    config: &Config,
    text: &str,
    account: &str,
    name: &str,
    method: &Method,
) -> Result<SystemTime> {
    let method = if method == Method::HEAD { mediacask::Method::Head } else { mediacask::Method::Get };
    match configured(gateway, config).map(|signer| signer.verify(text, account, name, method)) {
        Some(Err(error)) if error.kind() != ErrorKind::UnknownKey => Err(error),
        Some(Ok(until)) => Ok(until),
        _ => gateway.store.signer()?.verify(text, account, name, method),
    }
}

/// The keys of the configuration, by the gateway's clock.
fn configured(gateway: &Gateway, config: &Config) -> Option<Signer> {
    config.signer.clone().map(|signer| signer.clock(gateway.clock.clone()))
}

//! TLS by rustls: on the listening socket, when a certificate is configured, and to origins that are fetched from.
//!
//! A crate feature: `spoken.rs` is there with `tls`, `absent.rs` without it. They have the same items, and in a build
//! without TLS a configuration that asks for it is refused in plain words, and so is fetching by https.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod spoken;

use std::sync::{Arc, RwLock};

#[cfg(not(feature = "tls"))]
use absent as tls;
#[cfg(feature = "tls")]
use spoken as tls;

pub(crate) use tls::{Trust, handshake};

use crate::config::{Config, Tls};

/// The certificate of this moment; SIGHUP brings a new one. Handles share it.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<RwLock<Option<tls::Acceptor>>>);

impl Current {
    pub(crate) fn acceptor(&self) -> Option<tls::Acceptor> {
        self.0.read().expect("nobody panics with it").clone()
    }

    /// Takes what the configuration has; an error leaves what there was.
    pub(crate) fn configure(&self, config: &Config) -> Result<(), String> {
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        *self.0.write().expect("nobody panics with it") = acceptor;
        Ok(())
    }
}

/// Whether a socket can be served with this certificate and key.
pub(crate) fn check(tls: &Tls) -> Result<(), String> {
    tls::acceptor(tls).map(drop)
}

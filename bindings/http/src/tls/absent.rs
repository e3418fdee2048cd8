//! No TLS: the same items as in a build with it, and whoever wants some is told that there is none.

use std::path::Path;
use std::time::Duration;

use crate::config::Tls;
use crate::server::Stream;

/// There is none.
#[derive(Clone)]
pub(crate) enum Acceptor {}

fn refused<T>(what: &str) -> Result<T, String> {
    Err(format!("this build has no TLS: build it with the feature `tls`, or {what}"))
}

pub(super) fn acceptor(_: &Tls) -> Result<Acceptor, String> {
    refused("take the table [tls] away")
}

pub(crate) async fn handshake(acceptor: &Acceptor, _: Stream, _: Duration) -> Option<Stream> {
    match *acceptor {}
}

/// Nobody's certificates are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(());

impl Trust {
    pub(crate) fn adding(_: &Path) -> Result<Trust, String> {
        refused("take `roots` away")
    }

    #[expect(clippy::unused_async, reason = "the one with TLS awaits")]
    pub(crate) async fn connect(&self, _: &url::Host<String>, _: Stream) -> Result<Stream, String> {
        Err("this gateway speaks no TLS, so nothing is fetched by https".to_owned())
    }
}

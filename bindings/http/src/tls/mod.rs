//! TLS by rustls: on the listening socket, when a certificate is configured, and to origins that are fetched from.
//!
//! A crate feature: without `tls` a configuration that asks for it is refused, and so is fetching by https.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::config::{Config, Tls};
use crate::server::Stream;

#[cfg(feature = "tls")]
pub(crate) use tokio_rustls::TlsAcceptor as Acceptor;

/// Without the feature there is none.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(crate) enum Acceptor {}

/// The certificate of this moment; SIGHUP brings a new one. Handles share it.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<RwLock<Option<Acceptor>>>);

impl Current {
    pub(crate) fn acceptor(&self) -> Option<Acceptor> {
        self.0.read().expect("nobody panics with it").clone()
    }

    /// Takes what the configuration has; an error leaves what there was.
    pub(crate) fn configure(&self, config: &Config) -> Result<(), String> {
        let acceptor = config.tls.as_ref().map(acceptor).transpose()?;
        *self.0.write().expect("nobody panics with it") = acceptor;
        Ok(())
    }
}

#[cfg(feature = "tls")]
fn acceptor(tls: &Tls) -> Result<Acceptor, String> {
    use tokio_rustls::rustls;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let unread = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        format!("{} is no PEM file that can be read: {error}", path.display())
    };
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unread(&tls.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unread(&tls.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("{} and {} do not fit: {error}", tls.certificate.display(), tls.key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor::from(Arc::new(config)))
}

#[cfg(not(feature = "tls"))]
fn acceptor(_: &Tls) -> Result<Acceptor, String> {
    Err("this build has no TLS: build it with the feature `tls`, or take the table [tls] away".into())
}

/// The stream inside; `None` when client and server did not come to terms in time.
#[cfg(feature = "tls")]
pub(crate) async fn handshake(acceptor: &Acceptor, stream: Stream, time: Duration) -> Option<Stream> {
    match tokio::time::timeout(time, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!(target: "mediacask_http", "a TLS handshake failed: {error}");
            None
        }
        Err(_) => None,
    }
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "the one with TLS awaits")]
pub(crate) async fn handshake(acceptor: &Acceptor, _: Stream, _: Duration) -> Option<Stream> {
    match *acceptor {}
}

/// Speaks TLS with an origin whose certificate the machine trusts.
#[cfg(feature = "tls")]
pub(crate) async fn connect(host: &url::Host<String>, stream: Stream) -> Result<Stream, String> {
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;

    let name = match host {
        url::Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_| format!("{host} is no name of a host"))?
        }
        url::Host::Ipv4(address) => ServerName::IpAddress((*address).into()),
        url::Host::Ipv6(address) => ServerName::IpAddress((*address).into()),
    };
    let connector = TlsConnector::from(client().clone()?);
    let failed = |error: std::io::Error| format!("{host} cannot be reached by TLS: {error}");
    Ok(Box::new(connector.connect(name, stream).await.map_err(failed)?))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "the one with TLS awaits")]
pub(crate) async fn connect(_: &url::Host<String>, _: Stream) -> Result<Stream, String> {
    Err("this build has no TLS".to_owned())
}

/// Trusts what the machine trusts, as it was at the first use.
#[cfg(feature = "tls")]
fn client() -> &'static Result<Arc<tokio_rustls::rustls::ClientConfig>, String> {
    use std::sync::OnceLock;
    use tokio_rustls::rustls;

    static CLIENT: OnceLock<Result<Arc<rustls::ClientConfig>, String>> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| format!("TLS cannot be spoken: {error}"))?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    })
}

//! TLS as rustls speaks it, with the cryptography of `ring`.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};

use crate::config::Tls;
use crate::server::Stream;

pub(crate) use tokio_rustls::TlsAcceptor as Acceptor;

pub(super) fn acceptor(tls: &Tls) -> Result<Acceptor, String> {
    let chain = certificates(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unread(&tls.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("{} and {} do not fit: {error}", tls.certificate.display(), tls.key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor::from(Arc::new(config)))
}

/// The certificates of a PEM file; there is one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unread(path, &error))?;
    if found.is_empty() { Err(unread(path, &"it holds no certificate")) } else { Ok(found) }
}

fn unread(path: &Path, error: &dyn fmt::Display) -> String {
    format!("{} is no PEM file that can be used: {error}", path.display())
}

/// The stream inside; `None` when client and server did not come to terms in time.
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

/// Whose certificates are trusted where media are fetched from: those whom the machine trusts, as it is at the first
/// use, and those whom the operator adds. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Trust(Arc<Trusted>);

#[derive(Default)]
struct Trusted {
    added: Vec<CertificateDer<'static>>,
    client: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    /// The machine's roots, and those of a PEM file.
    pub(crate) fn adding(path: &Path) -> Result<Trust, String> {
        let added = certificates(path)?;
        let usable = added.iter().try_for_each(|root| RootCertStore::empty().add(root.clone()));
        usable.map_err(|error| unread(path, &error))?;
        Ok(Trust(Arc::new(Trusted { added, client: OnceLock::new() })))
    }

    /// Speaks TLS with an origin whose certificate can be traced to one of the roots.
    pub(crate) async fn connect(&self, host: &url::Host<String>, stream: Stream) -> Result<Stream, String> {
        let name = match host {
            url::Host::Domain(name) => {
                ServerName::try_from(name.clone()).map_err(|_| format!("{host} is no name of a host"))?
            }
            url::Host::Ipv4(address) => ServerName::IpAddress((*address).into()),
            url::Host::Ipv6(address) => ServerName::IpAddress((*address).into()),
        };
        let connector = TlsConnector::from(self.0.client.get_or_init(|| self.0.client()).clone()?);
        let failed = |error: std::io::Error| format!("{host} cannot be reached by TLS: {error}");
        Ok(Box::new(connector.connect(name, stream).await.map_err(failed)?))
    }
}

impl Trusted {
    fn client(&self) -> Result<Arc<ClientConfig>, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.added.iter().cloned());
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| format!("TLS cannot be spoken: {error}"))?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} roots added)", self.0.added.len())
    }
}

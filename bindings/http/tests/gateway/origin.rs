//! A server on this machine that a gateway is told to fetch from: answers what a test says, and keeps what it was
//! asked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[cfg(feature = "tls")]
use tokio_rustls::rustls;

/// It answers each connection with what the test makes of the head of the request, until the process ends.
pub(crate) struct Origin {
    scheme: &'static str,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Origin {
        Origin::serve("http", answer, Some)
    }

    /// One that speaks TLS with this certificate of `tls/`, by its name.
    #[cfg(feature = "tls")]
    pub(crate) fn start_tls(certificate: &str, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Origin {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/tls");
        let certificate = CertificateDer::from_pem_file(format!("{here}/{certificate}.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(format!("{here}/key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let config = Arc::new(config);
        Origin::serve("https", answer, move |stream| {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = stream;
            while session.is_handshaking() {
                // Who does not trust the certificate goes away here.
                session.complete_io(&mut stream).ok()?;
            }
            Some(rustls::StreamOwned::new(session, stream))
        })
    }

    fn serve<S: Read + Write>(
        scheme: &'static str,
        answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
        open: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    ) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(mut stream) = open(stream) else { continue };
                let head = head(&mut stream);
                notes.lock().unwrap().push(head.clone());
                let _ = stream.write_all(&answer(&head)).and_then(|()| stream.flush());
            }
        });
        Origin { scheme, address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The heads of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn head(stream: &mut impl Read) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// An answer with these headers and this body.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

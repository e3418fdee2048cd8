//! Fetches what stands at a URL that a client has named: a stranger decides where this machine connects to.
//!
//! So every connection, those of redirects included, goes through [`Target::of`] and [`connect`]: HTTP and HTTPS only,
//! hosts of the operator's list only where there is one, public addresses only unless the operator says otherwise. An
//! address is checked after it was looked up and is the one that is connected to, so that no name can change its
//! meaning in between. Redirects stay on their host. Time and size are bounded, and nothing of this machine's
//! credentials goes out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::body::Body;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderName,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, USER_AGENT,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::{Host, Url};

use crate::config::Fetch;
use crate::server::Stream;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Largest head of an answer.
const HEAD_LEN_MAX: usize = 64 << 10;

/// What tells whether an origin still has what it gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

impl Validators {
    pub(crate) fn are_there(&self) -> bool {
        *self != Validators::default()
    }
}

/// What an origin has given.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) content: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) validators: Validators,
}

/// What an origin answers.
#[derive(Debug)]
pub(crate) enum Origin {
    Sent(Fetched),
    /// What the validators are of.
    Unchanged,
}

/// Why nothing was fetched: a sentence for the client, which says nothing of what is behind this machine.
type Fetching<T> = Result<T, String>;

/// Fetches at most `bytes_max` bytes; with validators, only what is not theirs.
pub(crate) async fn fetch(url: &Url, known: &Validators, bytes_max: u64, config: &Fetch) -> Fetching<Origin> {
    let late = |_| format!("{url} took longer than {} seconds", config.time.as_secs());
    tokio::time::timeout(config.time, follow(url, known, bytes_max, config)).await.map_err(late)?
}

async fn follow(url: &Url, known: &Validators, bytes_max: u64, config: &Fetch) -> Fetching<Origin> {
    let mut target = Target::of(url.clone(), config)?;
    for _ in 0..=REDIRECTS_MAX {
        // Ends what speaks on the connection when the answer was taken, or given up.
        let mut speaking = JoinSet::new();
        let (head, body) = ask(&target, known, config, &mut speaking).await?.into_parts();
        match head.status {
            StatusCode::OK => return receive(&head.headers, body, bytes_max, url).await,
            StatusCode::NOT_MODIFIED if known.are_there() => return Ok(Origin::Unchanged),
            status if status.is_redirection() && head.headers.contains_key(LOCATION) => {
                let location = text(&head.headers, &LOCATION).and_then(|location| target.url.join(&location).ok());
                let next = location.ok_or_else(|| format!("{url} redirects to what is no URL"))?;
                target = target.redirected(next, config)?;
            }
            status => return Err(format!("{url} answered {}", status.as_u16())),
        }
    }
    Err(format!("{url} redirects more than {REDIRECTS_MAX} times"))
}

/// A URL that may be asked.
struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
}

impl Target {
    fn of(url: Url, config: &Fetch) -> Fetching<Target> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{url} is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials in a URL are not sent".to_owned());
        }
        let (Some(host), Some(port)) = (url.host().map(|host| host.to_owned()), url.port_or_known_default()) else {
            return Err(format!("{url} names no host"));
        };
        let listed = |entry: &String| {
            entry.eq_ignore_ascii_case(&host.to_string()) || entry.eq_ignore_ascii_case(&format!("{host}:{port}"))
        };
        if config.hosts.as_ref().is_some_and(|hosts| !hosts.iter().any(listed)) {
            return Err(format!("{host} is not among the hosts that may be asked"));
        }
        Ok(Target { url, host, port })
    }

    /// The target of a redirect: on the same host and port, or the secure one of a host in the clear.
    fn redirected(&self, next: Url, config: &Fetch) -> Fetching<Target> {
        let next = Target::of(next, config)?;
        let secured = (self.url.scheme(), self.port, next.url.scheme(), next.port) == ("http", 80, "https", 443);
        let same = self.port == next.port && self.url.scheme() == next.url.scheme();
        if next.host != self.host || !(same || secured) {
            return Err(format!("{} redirects to another host", self.url));
        }
        Ok(next)
    }
}

async fn ask(
    target: &Target,
    known: &Validators,
    config: &Fetch,
    speaking: &mut JoinSet<()>,
) -> Fetching<http::Response<Incoming>> {
    let url = &target.url;
    let stream = connect(target, config).await?;
    let broken = |error: hyper::Error| format!("{url} does not answer as HTTP does: {error}");
    let mut connection = http1::Builder::new();
    connection.max_buf_size(HEAD_LEN_MAX);
    let (mut sender, connection) = connection.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    speaking.spawn(async move {
        // What goes wrong, the sender or the body is told.
        let _ = connection.await;
    });
    let host = url.port().map_or_else(|| target.host.to_string(), |port| format!("{}:{port}", target.host));
    let mut request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, host)
        .header(USER_AGENT, concat!("mediacask/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(ACCEPT_ENCODING, "identity");
    for (name, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)] {
        request = value.iter().fold(request, |request, value| request.header(&name, value));
    }
    let request = request.body(Body::empty()).map_err(|error| format!("{url} cannot be asked for: {error}"))?;
    sender.send_request(request).await.map_err(broken)
}

/// Connects to the first address of the host that may be asked, and is there.
async fn connect(target: &Target, config: &Fetch) -> Fetching<Stream> {
    let Target { url, host, port } = target;
    let unknown = |_| format!("the host {host} is not known");
    let addresses: Vec<SocketAddr> = match host {
        Host::Domain(name) => tokio::net::lookup_host((name.as_str(), *port)).await.map_err(unknown)?.collect(),
        Host::Ipv4(address) => vec![(*address, *port).into()],
        Host::Ipv6(address) => vec![(*address, *port).into()],
    };
    let mut stream = Err(format!("{host} has no public address"));
    for address in addresses {
        if config.private_addresses || is_public(address.ip()) {
            stream = TcpStream::connect(address).await.map_err(|_| format!("{host} cannot be reached"));
            if stream.is_ok() {
                break;
            }
        }
    }
    let stream: Stream = Box::new(stream?);
    if url.scheme() == "http" { Ok(stream) } else { config.trust.connect(host, stream).await }
}

async fn receive(headers: &HeaderMap, mut body: Incoming, bytes_max: u64, url: &Url) -> Fetching<Origin> {
    let too_large = || format!("{url} has more than the {bytes_max} bytes that are left for it");
    let len = text(headers, &CONTENT_LENGTH).and_then(|len| len.parse::<u64>().ok());
    if len.is_some_and(|len| len > bytes_max) {
        return Err(too_large());
    }
    if text(headers, &CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(format!("{url} sends its content encoded, unasked"));
    }
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("{url} ended early: {error}"))?;
        let data = frame.into_data().unwrap_or_default();
        if (content.len() + data.len()) as u64 > bytes_max {
            return Err(too_large());
        }
        content.extend_from_slice(&data);
    }
    let validators = Validators { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) };
    Ok(Origin::Sent(Fetched { content, content_type: text(headers, &CONTENT_TYPE), validators }))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whether an address belongs to the network of everybody: not to this machine, a network of its owner, or nobody
/// (the special-purpose registries of IANA, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127 | 240.., ..]
        | [169, 254, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => true,
        [100, second, ..] => (64..128).contains(&second),
        [172, second, ..] => (16..32).contains(&second),
        _ => address.is_multicast(),
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // An IPv4 address in the clothes of another: mapped, translated (RFC 6052), by 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        // Teredo, benchmarks, ORCHID and the like; documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Of the rest, only this is given out to anybody.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hosts: Option<&[&str]>) -> Fetch {
        let hosts = hosts.map(|hosts| hosts.iter().map(|&host| host.to_owned()).collect());
        Fetch {
            hosts,
            private_addresses: false,
            trust: crate::tls::Trust::default(),
            time: std::time::Duration::from_secs(30),
        }
    }

    fn target(url: &str, config: &Fetch) -> Fetching<Target> {
        Target::of(Url::parse(url).unwrap(), config)
    }

    #[test]
    fn addresses_of_this_machine_its_networks_and_nobody_are_not_public() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a01:203::1",
            "fec0::1",
            "100::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "2606:4700::1",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn only_listed_hosts_are_asked_and_without_credentials() {
        let listed = config(Some(&["media.example.com", "other.example:8443", "[2001:db8::1]:80"]));
        for url in [
            "http://media.example.com/a",
            "https://MEDIA.example.com:444/a",
            "https://other.example:8443/",
            "http://[2001:db8::1]/a",
        ] {
            assert!(target(url, &listed).is_ok(), "{url}");
        }
        for url in [
            "https://other.example/",
            "http://example.com/",
            "http://media.example.com.evil.example/",
            "http://evil.example/media.example.com",
            "http://evil.example#media.example.com",
            "http://media.example.com@evil.example/",
            "http://u:p@media.example.com/",
            "ftp://media.example.com/a",
            "file:///etc/passwd",
            "data:text/plain,a",
        ] {
            assert!(target(url, &listed).is_err(), "{url}");
        }
        assert!(target("http://anywhere.example/", &config(None)).is_ok());
        assert!(target("file:///etc/passwd", &config(None)).is_err());
    }

    #[test]
    fn redirects_stay_where_they_are() {
        let open = config(None);
        for (from, to, follows) in [
            ("http://a.example/1", "http://a.example/2", true),
            ("http://a.example/1", "https://a.example/2", true),
            ("https://a.example/1", "http://a.example/2", false),
            ("http://a.example/1", "http://b.example/1", false),
            ("http://a.example/1", "http://a.example:81/1", false),
            ("http://a.example:81/1", "http://a.example:81/2", true),
            ("http://a.example/1", "file:///etc/passwd", false),
        ] {
            let next = target(from, &open).unwrap().redirected(Url::parse(to).unwrap(), &open);
            assert_eq!(next.is_ok(), follows, "{from} -> {to}");
        }
    }
}

//! A gateway for a test, and a client that sends exactly the bytes it is given.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mediacask::{Clock, Store};
use mediacask_http::{Config, Gateway, Listen, Overrides};

/// How long a test waits for an answer before it fails: long, for a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Two users of Bandwidth's API, on two accounts.
pub(crate) const BANDWIDTH: &str = "
log = { requests = \"off\" }
[[bandwidth.users]]
username = \"bwuser\"
password = \"bwpass\"
account = \"5500001\"
[[bandwidth.users]]
username = \"other\"
password = \"otherpass\"
account = \"5500002\"
";

/// A gateway on a free port of this machine.
pub(crate) struct Served {
    // Stopped before the store is closed and its directory removed.
    gateway: Option<Gateway>,
    pub(crate) store: Store,
    listen: Listen,
    /// Seconds that the clock is ahead of the machine's.
    ahead: Arc<AtomicU64>,
    _dir: tempfile::TempDir,
}

impl Served {
    /// Starts one with this configuration, its `listen` aside.
    pub(crate) fn start(config: &str) -> Served {
        Served::start_on(config, "127.0.0.1:0")
    }

    /// Starts one that listens there.
    pub(crate) fn start_on(config: &str, listen: &str) -> Served {
        let dir = tempfile::tempdir().unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let hand = ahead.clone();
        let clock = Clock::from_fn(move || SystemTime::now() + Duration::from_secs(hand.load(Ordering::Relaxed)));
        let store = Store::options().clock(clock.clone()).open(dir.path().join("store")).unwrap();
        let overrides = Overrides { listen: Some(listen.into()), ..Overrides::default() };
        let config = Config::parse(config, &dir.path().join("gateway.toml"), &overrides).unwrap();
        let gateway = Gateway::start(store.clone(), clock, config).unwrap();
        let listen = gateway.address().clone();
        Served { gateway: Some(gateway), store, listen, ahead, _dir: dir }
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// Moves the clock.
    pub(crate) fn forward(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    /// Has it take another configuration.
    pub(crate) fn configure(&self, config: &str) {
        let config = Config::parse(config, "gateway.toml".as_ref(), &Overrides::default()).unwrap();
        self.gateway().configure(config).unwrap();
    }

    /// Stops it, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.gateway.take().unwrap().stop();
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Wire {
        let Listen::Tcp(address) = self.listen else { panic!("this one is on a Unix socket") };
        Wire::to(address)
    }

    /// Sends one request on a connection of its own. A body goes with its length; without one there is no length.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut wire = self.connect();
        wire.request(method, path, headers, body);
        wire.reply(method)
    }
}

impl Drop for Served {
    /// Nothing of a gateway that has stopped holds the store.
    fn drop(&mut self) {
        drop(self.gateway.take());
        let closed = self.store.close();
        assert!(closed.is_ok() || std::thread::panicking(), "{closed:?}");
    }
}

/// The Basic credentials of a user.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// A connection that sends what it is told to, byte for byte.
pub(crate) struct Wire {
    read: BufReader<TcpStream>,
    pub(crate) write: TcpStream,
}

impl Wire {
    /// A connection to a gateway at this address.
    pub(crate) fn to(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { read: BufReader::new(stream.try_clone().unwrap()), write: stream }
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: gateway.test\r\n");
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if let Some(body) = body {
            write!(text, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        self.raw(format!("{text}\r\n").as_bytes());
        self.raw(body.unwrap_or_default());
    }

    /// Sends these bytes. That the server has closed already is no failure: what it said is still to be read.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.write.write_all(bytes);
    }

    /// Reads the answer to a request of this method; interim ones are skipped.
    pub(crate) fn reply(&mut self, method: &str) -> Reply {
        loop {
            let reply = self.try_reply(method).expect("the connection ended before an answer");
            if reply.status >= 200 {
                return reply;
            }
        }
    }

    /// Reads the next answer, an interim one like `100 Continue` as well; `None` where the connection ends before it.
    pub(crate) fn try_reply(&mut self, method: &str) -> Option<Reply> {
        let mut line = String::new();
        if !self.read.read_line(&mut line).is_ok_and(|len| len > 0) {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|status| status.trim().parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("not an answer: {line:?}"));
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.read.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        if method != "HEAD" && status != 204 && status != 304 && status >= 200 {
            reply.body = self.body(&reply);
        }
        Some(reply)
    }

    fn body(&mut self, reply: &Reply) -> Vec<u8> {
        let mut body = Vec::new();
        if let Some(len) = reply.header("content-length") {
            body.resize(len.parse().unwrap(), 0);
            self.read.read_exact(&mut body).expect("the body is as long as it was said to be");
        } else if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                self.read.read_line(&mut line).unwrap();
                let len = usize::from_str_radix(line.trim(), 16).unwrap();
                let mut chunk = vec![0; len + 2];
                self.read.read_exact(&mut chunk).unwrap();
                body.extend_from_slice(&chunk[..len]);
                if len == 0 {
                    break;
                }
            }
        } else {
            self.read.read_to_end(&mut body).unwrap();
        }
        body
    }

    /// Whether the server ends the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        // A reset is an end as well.
        self.read
            .read(&mut byte)
            .map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |len| len == 0)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "the body is of type {kind:?}");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A gateway with Bandwidth's API, and the credentials of one of its users.
pub(crate) struct Media {
    pub(crate) served: Served,
    pub(crate) authorization: String,
}

impl Media {
    pub(crate) fn new() -> Media {
        Media { served: Served::start(BANDWIDTH), authorization: basic("bwuser", "bwpass") }
    }

    pub(crate) fn send(&self, method: &str, name: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut all = vec![("Authorization", self.authorization.as_str())];
        all.extend_from_slice(headers);
        self.served.send(method, &format!("/api/v2/users/5500001/media{name}"), &all, body)
    }

    pub(crate) fn put(&self, name: &str, content_type: &str, body: &[u8]) {
        let reply = self.send("PUT", name, &[("Content-Type", content_type)], Some(body));
        assert_eq!(reply.status, 204, "{name}: {reply:?}");
        assert!(reply.body.is_empty() && reply.header("content-length").is_none_or(|len| len == "0"));
    }

    pub(crate) fn get(&self, name: &str) -> Reply {
        self.send("GET", name, &[], None)
    }
}

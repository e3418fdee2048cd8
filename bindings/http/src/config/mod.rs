//! The configuration: what the gateway listens on, who may do what, and how much of it.
//!
//! `file.rs` reads it from TOML, two of its tables by `limits.rs` and `fetch.rs`, and answers mistakes with file and
//! line; here is what is left when all was checked.
//! A running gateway holds one [`Config`] at a time, each request the one that was current when it came, and SIGHUP
//! brings a new one. Secrets are of a type that shows nothing.

mod fetch;
mod file;
mod limits;
mod signing;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::secret::Secret;
use crate::tls::Trust;

/// What a gateway is told to do, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// What absolute links begin with, without a slash at the end; `None` takes the request's Host header.
    pub public_base: Option<String>,
    /// The users of the Bandwidth API.
    pub bandwidth: Vec<BandwidthUser>,
    /// The accounts of the Twilio API.
    pub twilio: Vec<TwilioAccount>,
    /// How the Twilio API fetches the media of outgoing messages.
    pub fetch: Fetch,
    /// The keys of the MessageBird API.
    pub messagebird: Vec<MessageBirdKey>,
    /// The tokens of the native API.
    pub native: Vec<NativeToken>,
    /// Signs links with the first of its keys, and accepts those of all; `None`: the store's own key signs.
    pub signer: Option<mediacask::Signer>,
    /// How much of everything.
    pub limits: Limits,
    /// How stored content is served.
    pub content: Content,
    /// Certificate and key, when the socket speaks TLS.
    pub tls: Option<Tls>,
    /// How requests are logged.
    pub log: Log,
}

/// What to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address, `127.0.0.1:8080`; port 0 takes a free one.
    Tcp(std::net::SocketAddr),
    /// A Unix socket, `unix:PATH`.
    Unix(PathBuf),
}

/// A user of the Bandwidth API; belongs to one account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BandwidthUser {
    /// The name in the Basic credentials.
    pub username: String,
    /// The password in the Basic credentials.
    pub password: Secret,
    /// The account id in the paths.
    pub account: String,
}

/// An account of the Twilio API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TwilioAccount {
    /// `AC` and 32 hexadecimal digits.
    pub sid: String,
    /// The password in the Basic credentials.
    pub auth_token: Secret,
    /// Whether bytes need credentials and are given out by signed links.
    pub protect_media: bool,
}

/// A key of the MessageBird API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessageBirdKey {
    /// What stands after `AccessKey`.
    pub key: Secret,
    /// The account it belongs to.
    pub account: String,
    /// Whether reading needs the key as well.
    pub restricted: bool,
}

/// A bearer token of the native API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NativeToken {
    /// What stands after `Bearer`.
    pub token: Secret,
    /// The accounts of the store it is for, by their full names: `bandwidth:5500001` is that account of another API.
    /// `None` is all that are of no other API, and for an administrator all.
    pub accounts: Option<Vec<String>>,
    /// What it may do there.
    pub access: Access,
}

/// What a token of the native API may do; each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Get, list, follow.
    #[default]
    Read,
    /// Put, update, copy, delete.
    Write,
    /// Set policies, and ask and tell the store as a whole; in every account.
    Admin,
}

/// How media are fetched from the URLs that a message names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetch {
    /// The hosts that may be asked, by name or name and port; `None` is every public one.
    pub hosts: Option<Vec<String>>,
    /// Whether addresses of private networks and of this machine may be asked.
    pub private_addresses: bool,
    /// Whose certificates are trusted there.
    pub(crate) trust: Trust,
    /// How long one of them may take.
    pub time: Duration,
}

/// How much of everything. Bytes, counts and times.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Largest medium of the Bandwidth API.
    pub bandwidth_bytes: u64,
    /// How long such a medium lives.
    pub bandwidth_ttl: Duration,
    /// Most media of one message of the Twilio API.
    pub twilio_media: u64,
    /// Most bytes of the media of one message together.
    pub twilio_bytes: u64,
    /// How long a signed link holds.
    pub twilio_link: Duration,
    /// Largest file of the MessageBird API.
    pub messagebird_bytes: u64,
    /// Largest content of the native API.
    pub native_bytes: u64,
    /// Largest batch of the native API: all of it is in memory.
    pub native_batch_bytes: u64,
    /// Largest head of a request.
    pub header_bytes: usize,
    /// Most connections at a time; further ones wait.
    pub connections: usize,
    /// How long the head of a request may take to arrive.
    pub header_time: Duration,
    /// How long nothing may move on a connection.
    pub stall_time: Duration,
    /// How long the body of one request may take.
    pub body_time: Duration,
    /// How long requests under way may take to finish when the gateway is told to stop.
    pub shutdown_time: Duration,
}

/// How stored content is served.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Content {
    /// Whether a browser may show types that can carry scripts, instead of saving them.
    pub active_inline: bool,
}

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tls {
    /// The certificate and what leads to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// None is written.
    Off,
}

/// What the command line says in the place of the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In the place of `listen`.
    pub listen: Option<String>,
    /// In the place of `public_base`.
    pub public_base: Option<String>,
}

/// A mistake in the configuration, and where it stands.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.message),
            None => write!(f, "{}: {}", self.file.display(), self.message),
        }
    }
}

impl Config {
    /// Reads a configuration file. Files it names are read from beside it.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: path.to_owned(),
            line: None,
            message: format!("the configuration cannot be read: {error}"),
        })?;
        Config::parse(&text, path, overrides)
    }

    /// Takes the text of a configuration file that stands at `path`.
    ///
    /// ```
    /// use mediacask_http::{Config, Overrides};
    /// let text = "listen = \"127.0.0.1:0\"\nlisten_on = 3\n";
    /// let mistake = Config::parse(text, "gateway.toml".as_ref(), &Overrides::default()).unwrap_err();
    /// assert!(mistake.to_string().starts_with("gateway.toml:2: unknown field `listen_on`"), "{mistake}");
    /// ```
    pub fn parse(text: &str, path: &Path, overrides: &Overrides) -> Result<Config, ConfigError> {
        file::parse(text, path, overrides)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

//! A gateway from HTTP to a [`mediacask::Store`]: it speaks the media APIs of Bandwidth, Twilio and MessageBird, so
//! that their own SDKs can be pointed at it unchanged.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use mediacask_http::{Config, Gateway, Overrides};
//!
//! let text = "listen = \"127.0.0.1:0\"\n\
//!             [[bandwidth.users]]\nusername = \"bwuser\"\npassword = \"bwpass\"\naccount = \"5500001\"\n";
//! let config = Config::parse(text, "gateway.toml".as_ref(), &Overrides::default())?;
//! let store = mediacask::Store::open(dir.path())?;
//! let gateway = Gateway::start(store.clone(), mediacask::Clock::system(), config)?;
//! println!("listening on {}", gateway.address());
//! gateway.stop();
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The two journeys
//!
//! ```text
//! upload    socket -> connection.rs   timeouts; hyper frames the body
//!                  -> observe.rs      access log and figures, when all is over
//!                  -> body.rs         whatever the answer, the body is read to its end
//!                  -> bandwidth.rs..  the provider's paths, credentials and rules
//!                  -> upload.rs       pieces, on a thread that may wait, into Account::writer; commit
//!
//! download  socket -> ... -> bandwidth.rs..
//!                  -> download.rs     Account::reader: the version that is there now
//!                  -> conditions.rs   If-*, Range: all of it, a part, or nothing
//!                  -> harmless.rs     headers that keep a browser from running it
//!                  -> download.rs     chunks of the store's own map, checked, to the socket without a copy
//! ```
//!
//! # Where things are
//!
//! | file | what |
//! |---|---|
//! | `running.rs` | starting, stopping, reading the configuration again |
//! | `server.rs`, `connection.rs`, `tls.rs` | sockets |
//! | `gateway.rs` | what all requests share, and the threads that wait for the disk |
//! | `routes.rs` | which API a path belongs to, and what wraps all of them |
//! | `bandwidth.rs`, `twilio/`, `messagebird.rs` | the APIs: their paths, their rules, the shape of their errors |
//! | `links.rs` | links that hold without credentials for a while |
//! | `fetch.rs`, `disposition.rs` | what one of them needs: URLs that strangers name, names in a header |
//! | `native/` | the store's own API, and its description |
//! | `operations.rs`, `observe.rs` | health, figures, access log |
//! | `config/`, `secret.rs`, `auth.rs`, `clock.rs` | who may do what, and how much |
//! | `refusal.rs`, `path.rs` | words that all of them use |
//!
//! Each provider's media live in accounts of their own in the store, `bandwidth:5500001` for one, so that no
//! credential of one reaches the media of another. All of it goes through the public API of the store.

mod auth;
mod bandwidth;
mod body;
mod clock;
mod conditions;
mod config;
mod connection;
mod disposition;
mod download;
mod fetch;
mod gateway;
mod harmless;
mod links;
mod messagebird;
mod native;
mod observe;
mod operations;
mod path;
mod refusal;
mod routes;
mod running;
mod secret;
mod server;
mod tls;
mod twilio;
mod upload;

pub use clock::test_clock;
pub use config::{
    Access, BandwidthUser, Config, ConfigError, Content, Fetch, Limits, Listen, Log, MessageBirdKey, NativeToken,
    Overrides, Tls, TwilioAccount,
};
pub use running::{Gateway, Signals, StartError};
pub use secret::Secret;

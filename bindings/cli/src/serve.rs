//! `serve`: the store on HTTP, until a signal ends it.
//!
//! What is served, and to whom, is the gateway's (`mediacask-http`); here are its flags, its signals and its log.

use std::io;
use std::path::PathBuf;

use mediacask::{Clock, Create, Store};
use mediacask_http::{Config, ConfigError, Gateway, Listen, Log, Overrides, StartError};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::descriptors;
use crate::failure::Failure;
use crate::session::Session;

/// Serve the store on HTTP, as the media APIs of Bandwidth, Twilio and MessageBird, until SIGTERM or SIGINT; SIGHUP
/// reads the configuration again.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// The configuration, in TOML: users, keys, limits.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to listen, in the place of what the file says: an address and a port, or unix:PATH.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What absolute links begin with, in the place of what the file says.
    #[arg(long, value_name = "URL")]
    public_base: Option<String>,
    /// For tests only: a file with a number of seconds that are added to the clock, read at each use.
    #[arg(long, value_name = "FILE")]
    test_clock: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn run(self, session: Session) -> Result<(), Failure> {
        let config = self.load()?;
        begin_log(config.log);
        descriptors::allow_for(config.limits.connections);
        let clock = self.test_clock.clone().map_or_else(Clock::system, mediacask_http::test_clock);
        let options = Store::options().create(Create::IfMissing).clock(clock.clone());
        session.with_options(options, |store, out| {
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            let gateway = Gateway::start(store.clone(), clock, config)?;
            // Before the line below: who reads it may send a signal at once.
            let signals = gateway.take_signals();
            let signals = signals.map_err(|error| Failure::Other(format!("cannot take signals: {error}")))?;
            let address = match gateway.address() {
                Listen::Tcp(address) => format!("{scheme}://{address}"),
                unix @ Listen::Unix(_) => unix.to_string(),
            };
            if out.json() {
                out.object(&json!({ "listening": address }))?;
            } else {
                out.line(format_args!("listening on {address}"))?;
            }
            out.flush()?;
            let read = || self.load().inspect_err(|error| tracing::error!("the configuration stays: {error}")).ok();
            gateway.run_until_told(signals, read);
            gateway.stop();
            Ok(())
        })
    }

    fn load(&self) -> Result<Config, ConfigError> {
        let overrides = Overrides { listen: self.listen.clone(), public_base: self.public_base.clone() };
        Config::load(&self.config, &overrides)
    }
}

/// Events go to standard error; `RUST_LOG` says which, by default all that an operator needs.
fn begin_log(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    match log {
        Log::Json => lines.json().flatten_event(true).init(),
        Log::Text | Log::Off => lines.init(),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        Failure::Other(error.to_string())
    }
}

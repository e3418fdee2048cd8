//! A gateway that runs: started in a program of its own threads, told to stop, told to read its configuration again.

use std::io;
use std::sync::Arc;

use mediacask::{Clock, Store};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{Config, Listen};
use crate::server::{self, Listener};
use crate::{gateway, operations, routes, tls};

/// A gateway that listens. It serves on threads of its own until it is stopped, or dropped.
pub struct Gateway {
    shared: Arc<gateway::Gateway>,
    tls: tls::Current,
    address: Listen,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

/// The signals by which a process is told to stop, or to read its configuration again: [`Gateway::take_signals`].
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is another server there, or the port below 1024?")]
    Listen {
        /// What was to be listened on.
        address: Listen,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

impl Gateway {
    /// Begins to listen. The store stays the caller's: close it after [`Gateway::stop`]. The clock must be the one that
    /// the store was opened with.
    pub fn start(store: Store, clock: Clock, config: Config) -> Result<Gateway, StartError> {
        let tls = tls::Current::default();
        tls.configure(&config).map_err(StartError::Tls)?;
        operations::recorder();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(gateway::THREADS_MAX)
            .thread_name("mediacask-http")
            .build()
            .map_err(StartError::Threads)?;
        let failed = |error| StartError::Listen { address: config.listen.clone(), error };
        let listener = runtime.block_on(Listener::bind(&config.listen)).map_err(failed)?;
        let address = listener.address().map_err(failed)?;
        let shared = Arc::new(gateway::Gateway::new(store, clock, config));
        let (stop, stopped) = oneshot::channel();
        let (router, of) = (routes::router(shared.clone()), shared.clone());
        let serve = server::serve(listener, router, move || of.config(), tls.clone(), async move {
            let _ = stopped.await;
        });
        let serving = runtime.spawn(serve);
        let (stop, serving, runtime) = (Some(stop), Some(serving), Some(runtime));
        Ok(Gateway { shared, tls, address, stop, serving, runtime })
    }

    /// Where it listens: with the port that was taken for port 0.
    pub fn address(&self) -> &Listen {
        &self.address
    }

    /// From now on this configuration holds, for requests to come and, as to limits of connections and certificates,
    /// for connections to come. The address and the number of connections stay.
    pub fn configure(&self, config: Config) -> Result<(), StartError> {
        self.tls.configure(&config).map_err(StartError::Tls)?;
        self.shared.configure(config);
        Ok(())
    }

    /// From now on this process takes SIGTERM, SIGINT and SIGHUP here, for [`Gateway::run_until_told`]. Call it before
    /// anybody is told that the gateway is there: until then the system ends the process at any of the three.
    pub fn take_signals(&self) -> io::Result<Signals> {
        let runtime = self.runtime.as_ref().ok_or_else(|| io::Error::other("the gateway has stopped"))?;
        let _in_runtime = runtime.enter();
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT, also one that has come since the signals were taken; at each SIGHUP takes the
    /// configuration that `read` gives, or keeps what it has.
    pub fn run_until_told(&self, mut signals: Signals, mut read: impl FnMut() -> Option<Config>) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = signals.terminate.recv() => return,
                    _ = signals.interrupt.recv() => return,
                    _ = signals.hang_up.recv() => {
                        let Some(config) = read() else { continue };
                        match self.configure(config) {
                            Ok(()) => tracing::info!(target: "mediacask_http", "the configuration was read again"),
                            Err(error) => tracing::error!(target: "mediacask_http", "the configuration stays as it was: {error}"),
                        }
                    }
                }
            }
        });
    }

    /// Stops: requests under way finish, nothing more is accepted. The store can be closed then.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stop();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let (Some(runtime), Some(serving)) = (self.runtime.take(), self.serving.take()) {
            let _ = runtime.block_on(serving);
            // Calls of the store that are under way come to their end; tasks that wait are dropped.
            drop(runtime);
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

//! What every request works with: the store, the clock, the configuration of the moment, and the threads that wait for
//! the disk.
//!
//! Calls of the store block: a put waits for its fdatasync, a read for pages that are not in memory. They run on
//! tokio's blocking threads, never on those that move bytes to and from sockets: a disk that is slow for one download
//! must not hold up the sockets of all others. Writers are bounded apart from readers, so that puts which wait for a
//! slow disk leave threads to the gets. What was read before and is still in memory is read on the spot: handing it
//! to a thread and back costs more than the reading.

use std::sync::{Arc, RwLock};

use mediacask::{Account, Clock, Store};
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::native::Bell;
use crate::refusal::{Answer, Refusal};

/// Most calls that wait for the disk to write, at a time. Groups of this size are synced at once.
const WRITERS_MAX: usize = 64;

/// Most calls that read at a time, on the threads beside.
const READERS_MAX: usize = 32;

/// Threads that the runtime needs for calls that block.
pub(crate) const THREADS_MAX: usize = WRITERS_MAX + READERS_MAX + 8;

/// What all requests share.
pub(crate) struct Gateway {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    /// Guards which configuration holds for the requests to come.
    config: RwLock<Arc<Config>>,
    writers: Semaphore,
    readers: Semaphore,
    /// Whether answers that have no end of their own must end now.
    stopping: watch::Sender<bool>,
    pub(crate) bell: Bell,
}

impl Gateway {
    pub(crate) fn new(store: Store, clock: Clock, config: Config) -> Gateway {
        Gateway {
            store,
            clock,
            config: RwLock::new(Arc::new(config)),
            writers: Semaphore::new(WRITERS_MAX),
            readers: Semaphore::new(READERS_MAX),
            stopping: watch::Sender::new(false),
            bell: Bell::new(),
        }
    }

    /// The configuration of this moment. A request takes it once and keeps to it.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().expect("nobody panics with it").clone()
    }

    /// From now on this one holds.
    pub(crate) fn configure(&self, config: Config) {
        *self.config.write().expect("nobody panics with it") = Arc::new(config);
    }

    /// Answers that have no end of their own end now.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether it has been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// To be told when it is told to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// An account of the store that belongs to a provider: no credential of one provider leads into another's.
    pub(crate) fn account(&self, provider: &str, account: &str) -> Answer<Account> {
        Ok(self.store.account(&format!("{provider}:{account}"))?)
    }

    /// Runs a call of the store that reads.
    pub(crate) async fn read<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        on_a_thread(&self.readers, call).await
    }

    /// Runs a call of the store that reads: here, when all that it reads is at hand.
    pub(crate) async fn read_or_wait<T: Send + 'static>(
        &self,
        at_hand: bool,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<T> {
        if at_hand { Ok(call()) } else { self.read(call).await }
    }

    /// Runs a call of the store that changes something, and waits for the disk.
    pub(crate) async fn write<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        on_a_thread(&self.writers, call).await
    }
}

async fn on_a_thread<T: Send + 'static>(bound: &Semaphore, call: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
    let _turn = bound.acquire().await.map_err(Refusal::internal)?;
    tokio::task::spawn_blocking(call).await.map_err(Refusal::internal)
}

//! The bell: wakes those who follow events when something has happened.
//!
//! Waiting for the store takes a thread, so one waits for all of them, and only while somebody follows. It rings; what
//! has happened, each follower reads for itself, from where it stands: who is slow holds up nobody and piles up
//! nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mediacask::Events;
use tokio::sync::watch;

use crate::gateway::Gateway;

/// How long the thread waits before it looks whether anybody still follows.
const PATIENCE: Duration = Duration::from_millis(250);

/// Rings when something has happened in the store.
pub(crate) struct Bell {
    /// How often it rang.
    rung: watch::Sender<u64>,
    /// Guards whether a thread waits for the store.
    waits: Mutex<bool>,
}

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell { rung: watch::Sender::new(0), waits: Mutex::new(false) }
    }

    /// To be told of every ring from now on.
    pub(super) fn follow(gateway: &Arc<Gateway>) -> watch::Receiver<u64> {
        let mut waits = gateway.bell.waits.lock().expect("nobody panics with it");
        let follower = gateway.bell.rung.subscribe();
        if !*waits {
            *waits = true;
            let gateway = gateway.clone();
            tokio::task::spawn_blocking(move || gateway.bell.wait_and_ring(&gateway));
        }
        follower
    }

    fn ring(&self) {
        self.rung.send_modify(|times| *times += 1);
    }

    /// Waits until nobody follows, or the gateway stops.
    fn wait_and_ring(&self, gateway: &Gateway) {
        let mut feed: Option<Events> = None;
        loop {
            {
                let mut waits = self.waits.lock().expect("nobody panics with it");
                if self.rung.receiver_count() == 0 || gateway.is_stopping() {
                    *waits = false;
                    return;
                }
            }
            let Some(events) = &mut feed else {
                feed = gateway.store.stats().and_then(|stats| gateway.store.events(stats.last_sequence)).ok();
                if feed.is_none() {
                    // Closed, or forked: the followers find out what it is.
                    std::thread::sleep(PATIENCE);
                }
                // Whatever happened before the feed began.
                self.ring();
                continue;
            };
            match events.wait(PATIENCE) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    while events.next().is_some_and(|event| event.is_ok()) {}
                    self.ring();
                }
                Err(_) => {
                    feed = None;
                    std::thread::sleep(PATIENCE);
                }
            }
        }
    }
}

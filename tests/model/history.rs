//! What a crash may leave: the durable state, and the states after it that are not durable yet.
//!
//! Operations that were acknowledged and are not durable survive as a prefix of their order. One that
//! failed, or was under way, may come back as the last of the prefix it followed: the operation after it
//! was written in its place.

use super::state::State;

/// The states a store may be found in.
#[derive(Default)]
pub(crate) struct History {
    durable: State,
    /// After each operation that was acknowledged since.
    steps: Vec<State>,
    /// After each operation that failed since: how many steps it followed, and the state with it done.
    failed: Vec<(usize, State)>,
}

impl History {
    /// What readers see.
    pub(crate) fn live(&self) -> &State {
        self.steps.last().unwrap_or(&self.durable)
    }

    /// An operation was acknowledged; with it, all before it, when it is durable.
    pub(crate) fn acknowledge(&mut self, after: State, is_durable: bool) {
        if is_durable {
            self.settle(after);
        } else {
            self.steps.push(after);
        }
    }

    /// An operation failed, or was broken off.
    pub(crate) fn fail(&mut self, after: State) {
        self.failed.push((self.steps.len(), after));
    }

    /// All is durable that was acknowledged.
    pub(crate) fn sync(&mut self) {
        let live = self.live().clone();
        self.settle(live);
    }

    /// The store was found in this state, and everything in it is durable.
    pub(crate) fn settle(&mut self, state: State) {
        *self = History { durable: state, ..History::default() };
    }

    /// What may be found after the power went.
    pub(crate) fn after_power_cut(&self) -> Vec<&State> {
        let failed = self.failed.iter().map(|(_, state)| state);
        [&self.durable].into_iter().chain(&self.steps).chain(failed).collect()
    }

    /// What may be found after the process died alone: no acknowledged operation is missing.
    pub(crate) fn after_kill(&self) -> Vec<&State> {
        let failed = self.failed.iter().filter(|(steps, _)| *steps == self.steps.len());
        [self.live()].into_iter().chain(failed.map(|(_, state)| state)).collect()
    }
}

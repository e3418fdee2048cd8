//! The commit queue of mediacask, the very source, over locks that a model checker schedules.
//!
//! `src/commit/queue.rs` names its locks and its clock in `commit/sync.rs` alone; here another module stands in that
//! place, beside the queue as there. What the checker explores is in `tests/queue.rs`.

#[path = "../../../src/commit/company.rs"]
mod company;
#[path = "../../../src/commit/queue.rs"]
mod queue;
mod sync;

/// The queue of group commit, as `mediacask` uses it.
pub struct Queue<J, R>(queue::Queue<J, R>);

impl<J, R> Queue<J, R> {
    /// A queue nobody waits in.
    #[must_use]
    #[allow(clippy::new_without_default)] // As the queue itself has it.
    pub fn new() -> Queue<J, R> {
        Queue(queue::Queue::new(|_| 1))
    }

    /// Has `job` done by this thread or another one that leads.
    pub fn submit(&self, job: J, lead: impl FnOnce(Vec<J>) -> Vec<R>, abandoned: &dyn Fn() -> R) -> R {
        self.0.submit(job, lead, abandoned)
    }
}

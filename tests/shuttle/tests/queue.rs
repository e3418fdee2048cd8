//! The queue of group commit under many thread interleavings: everybody is answered with an answer to
//! their own job, one thread leads at a time and in the order of the line, a leader that panics leaves
//! nobody waiting, and nothing deadlocks (the checker fails a schedule in which no thread can go on).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use mediacask_shuttle::Queue;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, Runner, thread};

/// What a submitter hears.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Done { job: u64, group: u64 },
    Abandoned,
}

/// A log that one leader at a time may write.
#[derive(Default)]
struct Log {
    led: AtomicBool,
    groups: AtomicU64,
    jobs: Mutex<Vec<u64>>,
    /// The group whose leader panics, counted from 0.
    panics_at: Option<u64>,
}

impl Log {
    /// Leads a group, and gives others every chance to get in between.
    fn lead(&self, jobs: &[u64]) -> Vec<Answer> {
        assert!(!self.led.swap(true, SeqCst), "two lead at a time");
        let group = self.groups.fetch_add(1, SeqCst);
        thread::yield_now();
        assert!(!jobs.is_empty(), "nobody was led");
        self.jobs.lock().unwrap().extend(jobs);
        thread::yield_now();
        let panics = self.panics_at == Some(group);
        self.led.store(false, SeqCst);
        assert!(!panics, "the leader of group {group} fails");
        jobs.iter().map(|job| Answer::Done { job: *job, group }).collect()
    }
}

/// `threads` threads submit `each` jobs one after the other.
fn submit_all(threads: u64, each: u64, panics_at: Option<u64>) {
    let queue = Arc::new(Queue::<u64, Answer>::new());
    let log = Arc::new(Log { panics_at, ..Log::default() });
    let failed = Arc::new(AtomicU64::new(0));
    let spawn = |thread: u64| {
        let (queue, log, failed) = (Arc::clone(&queue), Arc::clone(&log), Arc::clone(&failed));
        thread::spawn(move || {
            let mut before = None;
            for n in 0..each {
                let job = thread << 8 | n;
                let submit = || queue.submit(job, |jobs| log.lead(&jobs), &|| Answer::Abandoned);
                match catch_unwind(AssertUnwindSafe(submit)) {
                    Ok(Answer::Done { job: answered, group }) => {
                        assert_eq!(answered, job, "an answer to somebody else's job");
                        assert!(before.replace(group) < Some(group), "groups went backwards");
                    }
                    Ok(Answer::Abandoned) => assert!(panics_at.is_some()),
                    Err(_) => {
                        assert!(panics_at.is_some());
                        failed.fetch_add(1, SeqCst);
                    }
                }
            }
        })
    };
    let spawned: Vec<_> = (0..threads).map(spawn).collect();
    for thread in spawned {
        thread.join().unwrap();
    }

    let mut jobs = std::mem::take(&mut *log.jobs.lock().unwrap());
    for thread in 0..threads {
        let own: Vec<_> = jobs.iter().filter(|job| **job >> 8 == thread).collect();
        assert!(own.is_sorted(), "a thread's jobs were led out of order");
    }
    jobs.sort_unstable();
    let all: Vec<u64> = (0..threads).flat_map(|thread| (0..each).map(move |n| thread << 8 | n)).collect();
    assert_eq!(jobs, all, "each job is led once");
    let led = log.groups.load(SeqCst);
    assert_eq!(failed.load(SeqCst), u64::from(panics_at.is_some_and(|at| at < led)), "the leader alone panics");
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 128 << 10;
    config
}

#[test]
fn random_schedules_of_two_threads_answer_both() {
    Runner::new(RandomScheduler::new(10_000), config()).run(|| submit_all(2, 1, None));
}

#[test]
fn random_schedules_of_two_threads_survive_a_leader_that_panics() {
    Runner::new(RandomScheduler::new(5_000), config()).run(|| submit_all(2, 1, Some(0)));
}

#[test]
fn random_schedules_of_many_threads_answer_everybody() {
    Runner::new(RandomScheduler::new(3_000), config()).run(|| submit_all(5, 3, None));
}

#[test]
fn schedules_with_few_switches_answer_everybody() {
    Runner::new(PctScheduler::new(3, 3_000), config()).run(|| submit_all(5, 3, None));
}

#[test]
fn a_leader_that_panics_at_any_time_leaves_nobody_waiting() {
    for group in 0..4 {
        Runner::new(RandomScheduler::new(800), config()).run(move || submit_all(4, 2, Some(group)));
        Runner::new(PctScheduler::new(3, 800), config()).run(move || submit_all(4, 2, Some(group)));
    }
}

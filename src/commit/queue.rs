//! The queue of group commit: who comes first leads, takes all who wait along, and hands the lead on
//! before it wakes them.
//!
//! Invariants:
//! - At most one thread leads at a time; jobs are led in the order they came.
//! - Whoever submitted gets an answer, also when the leader of its group panics.
//! - The next leader is awake before the last group is. It waits for company for a moment, if that has
//!   paid off (`company.rs`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::company::Company;
use super::sync::{Condvar, Instant, Mutex};

/// Most jobs led together.
const GROUP_MAX: usize = 1024;

/// Jobs that wait to be led.
pub(crate) struct Queue<J, R> {
    /// Guards who waits and whether somebody leads. Held for moments.
    line: Mutex<Line<J, R>>,
    /// Wakes a leader that waits for company.
    gathered: Condvar,
    /// Bytes that a job will write.
    len: fn(&J) -> u64,
}

struct Line<J, R> {
    waiting: VecDeque<(J, Arc<Seat<R>>)>,
    /// Bytes that those who wait will write.
    bytes: u64,
    led: bool,
    company: Company,
    /// How many the leader waits for.
    wanted: Option<usize>,
}

impl<J, R> Line<J, R> {
    fn is_enough(&self, wanted: usize) -> bool {
        Company::is_enough(wanted, self.waiting.len(), self.bytes)
    }
}

/// Where one submitter waits for its turn or its answer.
struct Seat<R> {
    /// Guards what the seat was told.
    turn: Mutex<Turn<R>>,
    told: Condvar,
}

enum Turn<R> {
    Wait,
    Lead,
    Done(R),
}

impl<R> Seat<R> {
    fn tell(&self, turn: Turn<R>) {
        *self.turn.lock() = turn;
        self.told.notify_one();
    }

    /// Waits until told; `None` is the lead.
    fn wait(&self) -> Option<R> {
        let mut turn = self.turn.lock();
        loop {
            match std::mem::replace(&mut *turn, Turn::Wait) {
                Turn::Wait => self.told.wait(&mut turn),
                Turn::Lead => return None,
                Turn::Done(answer) => return Some(answer),
            }
        }
    }
}

impl<J, R> Queue<J, R> {
    pub(crate) fn new(len: fn(&J) -> u64) -> Queue<J, R> {
        let line = Line { waiting: VecDeque::new(), bytes: 0, led: false, company: Company::default(), wanted: None };
        Queue { line: Mutex::new(line), gathered: Condvar::new(), len }
    }

    /// Has `job` done, by this thread or by another that leads: `lead` does a group of jobs and answers
    /// each; if it panics, `abandoned` answers for it.
    pub(crate) fn submit(&self, job: J, lead: impl FnOnce(Vec<J>) -> Vec<R>, abandoned: &dyn Fn() -> R) -> R {
        let seat = Arc::new(Seat { turn: Mutex::new(Turn::Wait), told: Condvar::new() });
        {
            let mut line = self.line.lock();
            line.bytes += (self.len)(&job);
            line.waiting.push_back((job, seat.clone()));
            if !line.led {
                line.led = true;
                *seat.turn.lock() = Turn::Lead;
            } else if line.wanted.is_some_and(|wanted| line.is_enough(wanted)) {
                self.gathered.notify_one();
            }
        }
        if let Some(answer) = seat.wait() {
            return answer;
        }
        let (jobs, seats) = self.take_group();
        let group = Led { queue: self, seats, answers: Vec::new(), abandoned, begun: Instant::now() };
        group.answer(lead, jobs);
        // The leader came first in its own group.
        seat.wait().expect("answered with its group")
    }

    fn take_group(&self) -> (Vec<J>, Vec<Arc<Seat<R>>>) {
        let mut line = self.line.lock();
        let (waiting, bytes) = (line.waiting.len(), line.bytes);
        if let Some((wanted, longest)) = line.company.expect(waiting, bytes) {
            let deadline = Instant::now() + longest;
            line.wanted = Some(wanted);
            while !line.is_enough(wanted) && self.gathered.wait_until(&mut line, deadline) {}
            line.wanted = None;
            let all = line.is_enough(wanted);
            line.company.came(all);
        }
        let count = line.waiting.len().min(GROUP_MAX);
        let (jobs, seats): (Vec<J>, _) = line.waiting.drain(..count).unzip();
        line.bytes -= jobs.iter().map(self.len).sum::<u64>();
        (jobs, seats)
    }

    fn hand_on(&self, led: usize, begun: Instant) {
        let next = {
            let mut line = self.line.lock();
            let waiting = line.waiting.len();
            line.company.done(led, waiting, begun.elapsed());
            let next = line.waiting.front().map(|(_, seat)| seat.clone());
            line.led = next.is_some();
            next
        };
        if let Some(seat) = next {
            seat.tell(Turn::Lead);
        }
    }
}

/// A group being led. Dropping it hands the lead on and answers everybody, whatever happened.
struct Led<'a, J, R> {
    queue: &'a Queue<J, R>,
    seats: Vec<Arc<Seat<R>>>,
    answers: Vec<R>,
    abandoned: &'a dyn Fn() -> R,
    begun: Instant,
}

impl<J, R> Led<'_, J, R> {
    fn answer(mut self, lead: impl FnOnce(Vec<J>) -> Vec<R>, jobs: Vec<J>) {
        self.answers = lead(jobs);
    }
}

impl<J, R> Drop for Led<'_, J, R> {
    fn drop(&mut self) {
        let mut answers = std::mem::take(&mut self.answers).into_iter();
        let answers: Vec<R> = self.seats.iter().map(|_| answers.next().unwrap_or_else(self.abandoned)).collect();
        self.queue.hand_on(self.seats.len(), self.begun);
        for (seat, answer) in self.seats.iter().zip(answers) {
            seat.tell(Turn::Done(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// The longest that a leader waits for company (`company.rs`).
    const LONGEST: Duration = Duration::from_millis(1);
    /// A group that takes so long is waited for as long as that.
    const LONG: Duration = Duration::from_millis(3);

    /// Far longer than a busy machine needs: a test that waits in vain fails.
    const PATIENCE: Duration = Duration::from_mins(2);

    /// How many jobs the leader had.
    fn count(jobs: &[u64]) -> Vec<usize> {
        vec![jobs.len(); jobs.len()]
    }

    /// What came of a second job that came while the first was led alone: by the time the first is done, its leader
    /// has seen two writers.
    struct Second {
        /// How many it was led with.
        led: usize,
        /// How long after the first was done it was begun.
        after: Duration,
    }

    /// Has such a second job of `bytes` led, and does something `beside` once both are there.
    fn second(queue: &Queue<u64, usize>, bytes: u64, beside: impl FnOnce()) -> Second {
        let (done, begun) = (Mutex::new(None), Mutex::new(None));
        let wait_until = |is_so: &dyn Fn() -> bool| {
            let since = Instant::now();
            while !is_so() {
                assert!(since.elapsed() < PATIENCE, "waited in vain");
                thread::yield_now();
            }
        };
        let led = thread::scope(|scope| {
            scope.spawn(|| {
                let lead = |jobs: Vec<u64>| {
                    let since = Instant::now();
                    wait_until(&|| queue.line.lock().waiting.len() == 1 && since.elapsed() >= LONG);
                    *done.lock() = Some(Instant::now());
                    count(&jobs)
                };
                queue.submit(1, lead, &|| 0)
            });
            let is_led = || {
                let line = queue.line.lock();
                line.led && line.waiting.is_empty()
            };
            wait_until(&is_led);
            let second = scope.spawn(|| {
                let lead = |jobs: Vec<u64>| {
                    *begun.lock() = Some(Instant::now());
                    count(&jobs)
                };
                queue.submit(bytes, lead, &|| 0)
            });
            beside();
            second.join().expect("it was led")
        });
        let (done, begun) = (done.lock().expect("the first was led"), begun.lock().expect("the second was led"));
        Second { led, after: begun - done }
    }

    #[test]
    fn a_leader_waits_for_who_was_there_before_and_not_for_ever() {
        for _ in 0..20 {
            let Second { led, after } = second(&Queue::new(|bytes| *bytes), 1, || ());
            assert!(led == 1 && after >= LONGEST, "the first does not come back, and it waited {after:?} for it");
        }
    }

    #[test]
    fn a_leader_with_much_to_write_waits_for_nobody() {
        // A thread may be slow to begin; that every one is slow by so much is no accident.
        let much = || second(&Queue::new(|bytes| *bytes), 512 << 10, || ()).after < LONGEST;
        assert!((0..1_000).any(|_| much()));
    }

    #[test]
    fn who_comes_while_a_leader_waits_for_company_is_led_along_and_ends_the_wait() {
        // Whether the third is there within the moment that is waited is up to the machine; in some round it is.
        let is_led_along = |queue: Queue<u64, usize>| {
            let third = Mutex::new(None);
            let second = thread::scope(|scope| {
                second(&queue, 1, || {
                    let come = || {
                        let waits_for = || {
                            let line = queue.line.lock();
                            if line.led { line.wanted } else { Some(0) }
                        };
                        let wanted = loop {
                            match waits_for() {
                                None => thread::yield_now(),
                                Some(wanted) => break wanted,
                            }
                        };
                        let led = queue.submit(1, |jobs| count(&jobs), &|| 0);
                        *third.lock() = Some((wanted, led));
                    };
                    drop(scope.spawn(come));
                })
            });
            let third = third.lock().take();
            third == Some((2, 2)) && second.led == 2 && second.after < LONGEST
        };
        assert!((0..1_000).any(|_| is_led_along(Queue::new(|bytes| *bytes))));
    }

    #[test]
    fn every_job_is_answered_once_and_in_order_of_its_group() {
        let queue = Queue::<u32, u32>::new(|_| 1);
        std::thread::scope(|scope| {
            for n in 0..64 {
                let queue = &queue;
                scope.spawn(move || {
                    let answer = queue.submit(n, |jobs| jobs.iter().map(|job| job * 2).collect(), &|| 0);
                    assert_eq!(answer, n * 2);
                });
            }
        });
    }

    #[test]
    fn a_leader_that_panics_answers_its_group_and_lets_others_go_on() {
        let queue = Queue::<(), bool>::new(|()| 1);
        let led = || queue.submit((), |_| panic!("the leader fails"), &|| false);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(led)).is_err());
        assert!(queue.submit((), |jobs| jobs.iter().map(|()| true).collect(), &|| false));
    }
}

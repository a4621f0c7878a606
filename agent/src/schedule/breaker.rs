//! The circuit breaker: a destination that fails again and again is asked with one event, and a struggling one less often.
//! Pure.
//!
//! It knows two kinds of failure. Where nothing answers, knocking costs nobody anything: the pause stays the backoff's, so
//! that a link that comes back is noticed as soon as without a breaker. Where something answers and cannot cope, a success
//! in between is no sign of health, and it gets its rest.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many failures within [`WITHIN`] open it.
const FAILURES: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);
/// How long a destination that cannot cope is left alone.
const REST: Duration = Duration::from_secs(30);

/// How a destination failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing answered.
    Unreachable,
    /// It said that it cannot, and not for how long.
    Overloaded,
}

/// Closed until too much fails, then open until an answer.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The last ones, oldest first.
    failures: VecDeque<Instant>,
    is_open: bool,
}

impl Breaker {
    /// One more failure, after which the backoff would wait for `pause`. Returns how long to wait.
    pub(super) fn failed(&mut self, failure: Failure, pause: Duration, now: Instant) -> Duration {
        self.failures.push_back(now);
        self.failures.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        if self.failures.len() >= FAILURES {
            self.is_open = true;
            self.failures.pop_front();
        }
        match failure {
            Failure::Overloaded if self.is_open => pause.max(REST),
            Failure::Overloaded | Failure::Unreachable => pause,
        }
    }

    /// Events had an answer. The failures before it are forgotten only if it was the probe's.
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.failures.clear();
        }
    }

    /// Whether what goes next is a probe: one event.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::Failure::{Overloaded, Unreachable};
    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);

    /// What comes so many seconds after the start: a failure and what it opens and costs, or an answer.
    enum Step {
        Fails(u64, Failure, bool, Duration),
        Answers,
    }
    use Step::{Answers, Fails};

    #[test]
    fn five_failures_within_a_minute_open_it_and_an_answer_to_the_probe_closes_it() {
        let cases = [
            // Nothing answers: the pause is the backoff's all the time.
            vec![
                Fails(0, Unreachable, false, PAUSE),
                Fails(5, Unreachable, false, PAUSE),
                Fails(10, Unreachable, false, PAUSE),
                Fails(20, Unreachable, false, PAUSE),
                Fails(59, Unreachable, true, PAUSE),
                Fails(200, Unreachable, true, PAUSE),
                Answers,
                Fails(201, Unreachable, false, PAUSE),
            ],
            // Something cannot cope, and now and then it can.
            vec![
                Fails(0, Overloaded, false, PAUSE),
                Answers,
                Fails(5, Overloaded, false, PAUSE),
                Fails(10, Overloaded, false, PAUSE),
                Answers,
                Fails(15, Overloaded, false, PAUSE),
                Fails(20, Overloaded, true, REST),
                Fails(50, Overloaded, true, REST),
                Answers,
                Fails(55, Overloaded, false, PAUSE),
            ],
            // Too seldom.
            vec![
                Fails(0, Overloaded, false, PAUSE),
                Fails(20, Overloaded, false, PAUSE),
                Fails(40, Overloaded, false, PAUSE),
                Fails(60, Overloaded, false, PAUSE),
                Fails(80, Overloaded, false, PAUSE),
                Fails(100, Overloaded, false, PAUSE),
            ],
        ];
        for (case, steps) in cases.iter().enumerate() {
            let (start, mut breaker) = (Instant::now(), Breaker::default());
            for step in steps {
                match step {
                    Answers => breaker.answered(),
                    Fails(at, failure, opens, pause) => {
                        let found = breaker.failed(*failure, PAUSE, start + Duration::from_secs(*at));
                        assert_eq!((breaker.is_open(), found), (*opens, *pause), "case {case}, second {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_long_pause_of_the_backoff_is_not_shortened() {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.failed(Overloaded, PAUSE, Instant::now());
        }
        assert_eq!(breaker.failed(Overloaded, REST * 2, Instant::now()), REST * 2);
    }
}

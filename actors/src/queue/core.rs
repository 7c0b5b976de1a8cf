//! The thinking of a queue: when it is full, and what a drain means for the next one.

use kitty_runtime::mailbox::Attempt;
use std::time::Duration;

/// The longest pause between two drains that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Records are to be appended at this Lamport value.
    Append {
        /// The value that orders them.
        lamport: u64,
        /// Whether the queue was found full before.
        marked_full: bool,
    },
    /// The undelivered events were counted for an append.
    Counted {
        /// How many there are.
        waiting: u64,
        /// Whether the queue was found full before.
        marked_full: bool,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Count the undelivered events.
    Count,
    /// Remember that the queue is full.
    MarkFull,
    /// Forget that the queue was full.
    ClearMark,
    /// Store the records.
    Store,
    /// Refuse them.
    Refuse {
        /// How many wait.
        waiting: u64,
    },
}

/// What a queue goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueCore {
    limit: u64,
}

impl QueueCore {
    /// Creates the core of a queue that holds up to `limit` undelivered events.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { limit }
    }

    /// Returns how many undelivered events the queue holds at most.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes in what happened and says what is to be done.
    ///
    /// Counting is too dear for every append, so only one in 64 counts, and more of them where the
    /// limit is low; a queue that was found full is counted each time until it has room again.
    #[must_use]
    pub fn step(&self, input: &Input) -> Vec<Effect> {
        match *input {
            Input::Append {
                lamport,
                marked_full,
            } if marked_full || lamport % self.interval() == 0 => {
                vec![Effect::Count]
            }
            Input::Append { .. } => vec![Effect::Store],
            Input::Counted {
                waiting,
                marked_full,
            } if waiting >= self.limit => {
                let refuse = Effect::Refuse { waiting };
                if marked_full {
                    vec![refuse]
                } else {
                    vec![Effect::MarkFull, refuse]
                }
            }
            Input::Counted {
                marked_full: true, ..
            } => vec![Effect::ClearMark, Effect::Store],
            Input::Counted { .. } => vec![Effect::Store],
        }
    }

    /// Returns how many appends share one count.
    const fn interval(&self) -> u64 {
        let sixteenth = self.limit / 16;
        if sixteenth == 0 {
            1
        } else if sixteenth > 64 {
            64
        } else {
            sixteenth
        }
    }
}

/// How a drain ended, for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrainEnd {
    /// Whether the server answered for at least one event.
    pub progress: bool,
    /// What ended it early, if anything did.
    pub trouble: Option<String>,
    /// How long the server asked to wait.
    pub wait: Option<Duration>,
    /// The HTTP status of the last answer.
    pub http_status: Option<u16>,
}

/// Returns what is remembered after a drain.
///
/// Trouble counts up and progress starts again at zero. Only the server's own wish binds the next
/// drain ([`Attempt::not_before_ms`]); how long a schedule waits is [`backoff`].
#[must_use]
pub fn after_drain(before: &Attempt, end: &DrainEnd, now_ms: u64) -> Attempt {
    let failures = match (&end.trouble, end.progress) {
        (None, _) => 0,
        (Some(_), true) => 1,
        (Some(_), false) => before.failures.saturating_add(1),
    };
    Attempt {
        last_ms: Some(now_ms),
        last_success_ms: if end.progress {
            Some(now_ms)
        } else {
            before.last_success_ms
        },
        not_before_ms: end
            .wait
            .map(|wait| now_ms + u64::try_from(wait.as_millis()).unwrap_or(0)),
        failures,
        message: end.trouble.clone().unwrap_or_default(),
        http_status: end.http_status,
    }
}

/// Returns how long a schedule waits after so many failures: 0.5 s doubling to five minutes, jittered
/// by up to a half in either direction.
#[must_use]
pub fn backoff(failures: u32, jitter: f64) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doubled = Duration::from_millis(500) * 2_u32.saturating_pow((failures - 1).min(12));
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(0.5 + jitter.clamp(0.0, 1.0))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_appends_are_stored_without_counting() {
        let core = QueueCore::new(100_000);
        let counted = (0..6400).filter(|lamport| {
            core.step(&Input::Append {
                lamport: *lamport,
                marked_full: false,
            }) == [Effect::Count]
        });
        assert_eq!(counted.count(), 100);
        let small = QueueCore::new(3);
        assert_eq!(
            small.step(&Input::Append {
                lamport: 7,
                marked_full: false
            }),
            [Effect::Count]
        );
    }

    #[test]
    fn a_full_queue_refuses_loudly_until_it_has_room() {
        let core = QueueCore::new(10);
        let counted = |waiting, marked_full| {
            core.step(&Input::Counted {
                waiting,
                marked_full,
            })
        };
        assert_eq!(counted(9, false), [Effect::Store]);
        assert_eq!(
            counted(10, false),
            [Effect::MarkFull, Effect::Refuse { waiting: 10 }]
        );
        assert_eq!(counted(12, true), [Effect::Refuse { waiting: 12 }]);
        assert_eq!(counted(9, true), [Effect::ClearMark, Effect::Store]);
        assert_eq!(
            core.step(&Input::Append {
                lamport: 1,
                marked_full: true
            }),
            [Effect::Count]
        );
    }

    #[test]
    fn trouble_counts_up_and_progress_starts_again() {
        let trouble = DrainEnd {
            trouble: Some("broken".into()),
            ..DrainEnd::default()
        };
        let mut attempt = Attempt::default();
        for failures in 1..4 {
            attempt = after_drain(&attempt, &trouble, 50);
            assert_eq!(
                (attempt.failures, attempt.message.as_str()),
                (failures, "broken")
            );
        }
        let waited = DrainEnd {
            wait: Some(Duration::from_secs(7)),
            ..trouble
        };
        assert_eq!(
            after_drain(&attempt, &waited, 1000).not_before_ms,
            Some(8000)
        );
        let good = DrainEnd {
            progress: true,
            ..DrainEnd::default()
        };
        let attempt = after_drain(&attempt, &good, 60);
        assert_eq!(
            (
                attempt.failures,
                attempt.last_success_ms,
                attempt.not_before_ms
            ),
            (0, Some(60), None)
        );
    }

    #[test]
    fn pauses_double_and_are_bounded() {
        assert_eq!(backoff(0, 0.5), Duration::ZERO);
        assert_eq!(backoff(1, 0.5), Duration::from_millis(500));
        assert_eq!(backoff(3, 0.5), Duration::from_secs(2));
        for jitter in [0.0, 0.5, 1.0] {
            assert!(backoff(60, jitter) <= LONGEST_PAUSE);
        }
    }
}

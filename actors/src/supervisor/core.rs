//! When an actor is started again, and when no more: one for one, five times in a minute.

use super::messages::{ChildHealth, ChildState};
use crate::supervise::ChildId;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often a child may end within [`WINDOW`].
pub const MOST_RESTARTS: usize = 5;
/// The time over which ends are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The pause before the first restart; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A child was started.
    Started(ChildId),
    /// A child ended, or a reply of it panicked.
    Exited {
        /// The child.
        child: ChildId,
        /// Whether it panicked.
        panicked: bool,
        /// Whether it is still there: only a reply was lost.
        alive: bool,
        /// A number from 0 to 1, so that many processes do not restart in step.
        jitter: f64,
    },
    /// Everything is to stop.
    ShutDown,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Start the child again after a pause.
    Restart {
        /// The child.
        child: ChildId,
        /// The pause.
        after: Duration,
    },
    /// Say that the child stays down.
    GiveUp(ChildId),
    /// Stop all children.
    StopChildren,
    /// Say that every child has stopped.
    AllStopped,
}

#[derive(Debug)]
struct Record {
    state: ChildState,
    restarts: u32,
    ends: VecDeque<Timestamp>,
}

/// The children and what became of them.
#[derive(Debug, Default)]
pub struct SupervisorCore {
    children: BTreeMap<ChildId, Record>,
    stopping: bool,
}

impl SupervisorCore {
    /// Takes in what happened and says what is to be done.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            Input::Started(child) => {
                let stopping = self.stopping;
                self.record(child).state = if stopping {
                    ChildState::Stopping
                } else {
                    ChildState::Running
                };
                Vec::new()
            }
            Input::Exited {
                child,
                panicked,
                alive,
                jitter,
            } => self.exited(now, child, panicked, alive, jitter),
            Input::ShutDown => {
                self.stopping = true;
                for record in self.children.values_mut() {
                    record.state = match record.state {
                        ChildState::Running | ChildState::Stopping => ChildState::Stopping,
                        _ => ChildState::Stopped,
                    };
                }
                let mut effects = vec![Effect::StopChildren];
                effects.extend(self.all_stopped());
                effects
            }
        }
    }

    /// Returns how the children do, by name.
    #[must_use]
    pub fn health(&self) -> Vec<ChildHealth> {
        self.children
            .iter()
            .map(|(child, record)| ChildHealth {
                child: child.name,
                state: record.state,
                restarts: record.restarts,
            })
            .collect()
    }

    /// Tells whether children are still started.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stopping
    }

    fn all_stopped(&self) -> Option<Effect> {
        let is_left = |record: &Record| record.state == ChildState::Stopping;
        (!self.children.values().any(is_left)).then_some(Effect::AllStopped)
    }

    fn record(&mut self, child: ChildId) -> &mut Record {
        self.children.entry(child).or_insert_with(|| Record {
            state: ChildState::Running,
            restarts: 0,
            ends: VecDeque::new(),
        })
    }

    fn exited(
        &mut self,
        now: Timestamp,
        child: ChildId,
        panicked: bool,
        alive: bool,
        jitter: f64,
    ) -> Vec<Effect> {
        if self.stopping {
            if !alive {
                self.record(child).state = ChildState::Stopped;
            }
            return self.all_stopped().into_iter().collect();
        }
        let record = self.record(child);
        if record.state == ChildState::GivenUp {
            return Vec::new();
        }
        record.ends.push_back(now);
        while record
            .ends
            .front()
            .is_some_and(|first| older_than_window(*first, now))
        {
            record.ends.pop_front();
        }
        if record.ends.len() > MOST_RESTARTS {
            record.state = ChildState::GivenUp;
            return vec![Effect::GiveUp(child)];
        }
        if alive {
            return Vec::new();
        }
        record.restarts += 1;
        record.state = ChildState::Restarting;
        let doublings = u32::try_from(record.ends.len() - 1)
            .unwrap_or(u32::MAX)
            .min(10);
        let pause = if panicked {
            FIRST_PAUSE * 2_u32.pow(doublings)
        } else {
            Duration::ZERO
        };
        vec![Effect::Restart {
            child,
            after: pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0)),
        }]
    }
}

fn older_than_window(moment: Timestamp, now: Timestamp) -> bool {
    let age = now.as_millisecond().saturating_sub(moment.as_millisecond());
    u64::try_from(age).is_ok_and(|age| u128::from(age) > WINDOW.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn id(name: &'static str) -> ChildId {
        ChildId { name, number: 0 }
    }

    fn panic_of(child: &'static str) -> Input {
        Input::Exited {
            child: id(child),
            panicked: true,
            alive: false,
            jitter: 0.5,
        }
    }

    #[test]
    fn a_child_is_restarted_with_growing_pauses_and_the_sixth_end_in_a_minute_is_the_last() {
        let mut core = SupervisorCore::default();
        core.step(at(0), Input::Started(id("auth")));
        let mut previous = Duration::ZERO;
        for end in 0..5 {
            let effects = core.step(at(end), panic_of("auth"));
            let [Effect::Restart { child, after }] = effects[..] else {
                panic!("{effects:?}")
            };
            assert_eq!(child, id("auth"));
            assert!(after > previous);
            previous = after;
            core.step(at(end), Input::Started(id("auth")));
        }
        assert_eq!(
            core.step(at(6), panic_of("auth")),
            [Effect::GiveUp(id("auth"))]
        );
        assert!(core.step(at(7), panic_of("auth")).is_empty());
        assert_eq!(core.health()[0].state, ChildState::GivenUp);
    }

    #[test]
    fn ends_that_are_far_apart_never_exhaust_the_budget() {
        let mut core = SupervisorCore::default();
        for end in 0..100 {
            let effects = core.step(at(end * 61), panic_of("queue"));
            assert!(
                matches!(effects[..], [Effect::Restart { .. }]),
                "{effects:?}"
            );
        }
    }

    #[test]
    fn one_child_never_pays_for_another() {
        let mut core = SupervisorCore::default();
        for end in 0..10 {
            core.step(at(end), panic_of("auth"));
        }
        assert!(matches!(
            core.step(at(11), panic_of("gate"))[..],
            [Effect::Restart { child, .. }] if child == id("gate")
        ));
    }

    #[test]
    fn a_lost_reply_counts_and_restarts_nothing() {
        let mut core = SupervisorCore::default();
        let lost = Input::Exited {
            child: id("gate"),
            panicked: true,
            alive: true,
            jitter: 0.0,
        };
        for _ in 0..5 {
            assert!(core.step(at(0), lost.clone()).is_empty());
        }
        assert_eq!(core.step(at(1), lost), [Effect::GiveUp(id("gate"))]);
    }

    #[test]
    fn nothing_is_restarted_while_everything_stops() {
        let mut core = SupervisorCore::default();
        core.step(at(0), Input::Started(id("auth")));
        core.step(at(0), Input::Started(id("gate")));
        assert_eq!(core.step(at(0), Input::ShutDown), [Effect::StopChildren]);
        assert!(core.step(at(0), panic_of("auth")).is_empty());
        assert_eq!(core.step(at(0), panic_of("gate")), [Effect::AllStopped]);
    }

    #[test]
    fn nothing_is_awaited_when_nothing_runs() {
        let mut core = SupervisorCore::default();
        core.step(at(0), panic_of("auth"));
        let effects = core.step(at(0), Input::ShutDown);
        assert_eq!(effects, [Effect::StopChildren, Effect::AllStopped]);
    }

    proptest! {
        #[test]
        fn no_child_ends_more_often_than_the_budget_and_is_still_restarted(
            gaps in proptest::collection::vec(0_i64..30, 1..60),
        ) {
            let mut core = SupervisorCore::default();
            let (mut now, mut restarts): (i64, Vec<i64>) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if let [Effect::Restart { .. }] = core.step(at(now), panic_of("x"))[..] {
                    restarts.push(now);
                }
            }
            for window in restarts.windows(MOST_RESTARTS + 1) {
                prop_assert!(window[MOST_RESTARTS] - window[0] > 60, "{window:?}");
            }
        }
    }
}

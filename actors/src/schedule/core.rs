//! The thinking of the background daemon: which project is next, how long to leave the server alone,
//! when to look for work, when to retire.
//!
//! Every step ends in exactly one effect, so the shell is a loop around [`ScheduleCore::step`].

use std::collections::BTreeMap;
use std::time::Duration;

/// How often projects are looked through for work that nobody announced.
const SCAN_EVERY_MS: u64 = 60_000;
/// How long a project that another process delivers is left alone.
const OWNED_ELSEWHERE_MS: u64 = 1_000;
/// How long a project is left alone whose drain was interrupted, so that others have their turn.
const INTERRUPTED_MS: u64 = 100;
/// How long a project is left alone of which the server has not decided everything.
const UNDECIDED_MS: u64 = 30_000;
/// The first and the longest pause after a server that was of no use.
const FIRST_BACKOFF_MS: u64 = 1_000;
const LONGEST_BACKOFF_MS: u64 = 300_000;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time passed, or the daemon began.
    Woke,
    /// A command announced work of a project.
    Asked(String),
    /// A look through the projects found these with work.
    Found(Vec<String>),
    /// The drain of a project ended.
    Drained {
        /// The project.
        project: String,
        /// How.
        end: DrainEnd,
        /// Random, 0 to 1000.
        jitter: u64,
    },
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainEnd {
    /// Nothing is left to do.
    Done {
        /// Whether anything was delivered.
        progress: bool,
    },
    /// The server has taken events and not decided yet.
    Undecided {
        /// Whether anything was delivered.
        progress: bool,
    },
    /// It ended because its time was used up; other projects come first, then this one again.
    Interrupted,
    /// Another process delivers this project.
    OwnedElsewhere,
    /// The server was of no use, or asked to be left alone for this long.
    Useless {
        /// What the server asked for.
        wait: Option<Duration>,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look through the projects.
    Scan,
    /// Deliver a project.
    Drain(String),
    /// Do nothing until then, or until somebody asks.
    SleepUntil(u64),
    /// End: nobody needs this process.
    Retire,
}

/// The schedule of one daemon, which has one server; times are milliseconds of one clock.
#[derive(Debug, Clone)]
pub struct ScheduleCore {
    /// Projects with work, and from when on each may be tried.
    due: BTreeMap<String, u64>,
    next_scan: u64,
    not_before: u64,
    failures: u32,
    last_active: u64,
    idle_limit: Option<u64>,
}

impl ScheduleCore {
    /// Creates the schedule of a daemon that begins now; without a limit it never retires.
    #[must_use]
    pub fn new(now: u64, idle_limit: Option<Duration>) -> Self {
        Self {
            due: BTreeMap::new(),
            next_scan: now,
            not_before: 0,
            failures: 0,
            last_active: now,
            idle_limit: idle_limit.map(milliseconds),
        }
    }

    /// Returns how many projects wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.due.len() as u64
    }

    /// Returns how many drains in a row were of no use, and until when the server is left alone.
    #[must_use]
    pub const fn failures(&self) -> (u32, u64) {
        (self.failures, self.not_before)
    }

    /// Takes in what happened and decides what to do next.
    pub fn step(&mut self, now: u64, input: Input) -> Effect {
        match input {
            Input::Woke => {}
            Input::Asked(project) => {
                self.last_active = now;
                self.due.insert(project, now);
            }
            Input::Found(projects) => {
                for project in projects {
                    self.due.entry(project).or_insert(now);
                }
            }
            Input::Drained {
                project,
                end,
                jitter,
            } => self.drained(now, project, end, jitter),
        }
        self.next(now)
    }

    fn drained(&mut self, now: u64, project: String, end: DrainEnd, jitter: u64) {
        match end {
            DrainEnd::Done { progress } => {
                self.reached(now, progress);
                self.due.remove(&project);
            }
            DrainEnd::Interrupted => {
                self.reached(now, true);
                self.due.insert(project, now + INTERRUPTED_MS);
            }
            DrainEnd::Undecided { progress } => {
                self.reached(now, progress);
                self.due.insert(project, now + UNDECIDED_MS);
            }
            DrainEnd::OwnedElsewhere => {
                self.due.insert(project, now + OWNED_ELSEWHERE_MS);
            }
            DrainEnd::Useless { wait } => {
                self.failures = self.failures.saturating_add(1);
                let doubled = FIRST_BACKOFF_MS << (self.failures - 1).min(16);
                let backoff = doubled.min(LONGEST_BACKOFF_MS);
                // Between 80 and 120 per cent, so that many machines do not come back together.
                let jittered = backoff * (800 + jitter.min(1000) * 2 / 5) / 1000;
                let asked_for = wait.map_or(0, milliseconds);
                self.not_before = now + jittered.max(asked_for);
                self.due.insert(project, now);
            }
        }
    }

    fn reached(&mut self, now: u64, progress: bool) {
        self.failures = 0;
        self.not_before = 0;
        if progress {
            self.last_active = now;
        }
    }

    fn next(&mut self, now: u64) -> Effect {
        if now >= self.next_scan {
            self.next_scan = now + SCAN_EVERY_MS;
            return Effect::Scan;
        }
        let earliest = self.due.iter().min_by_key(|(_, due)| **due);
        let work = earliest.map(|(project, due)| (project.clone(), (*due).max(self.not_before)));
        if let Some((project, at)) = &work
            && now >= *at
        {
            return Effect::Drain(project.clone());
        }
        let retire_at = self.idle_limit.map(|limit| self.last_active + limit);
        if retire_at.is_some_and(|at| now >= at) {
            return Effect::Retire;
        }
        let times = [Some(self.next_scan), work.map(|(_, at)| at), retire_at];
        let first = times.into_iter().flatten().min();
        Effect::SleepUntil(first.unwrap_or(self.next_scan))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(900);

    /// A daemon that has looked through its projects at 0 and found nothing.
    fn idle() -> ScheduleCore {
        let mut core = ScheduleCore::new(0, Some(IDLE));
        assert_eq!(core.step(0, Input::Woke), Effect::Scan);
        assert_eq!(
            core.step(0, Input::Found(vec![])),
            Effect::SleepUntil(60_000)
        );
        core
    }

    fn ask(project: &str) -> Input {
        Input::Asked(project.to_owned())
    }

    fn drained(end: DrainEnd) -> Input {
        Input::Drained {
            project: "a".to_owned(),
            end,
            jitter: 500,
        }
    }

    fn drain(project: &str) -> Effect {
        Effect::Drain(project.to_owned())
    }

    #[test]
    fn who_asks_is_served_at_once_and_then_the_daemon_sleeps_again() {
        let mut core = idle();
        assert_eq!(core.step(5, ask("a")), drain("a"));
        let done = drained(DrainEnd::Done { progress: true });
        assert_eq!(core.step(9, done), Effect::SleepUntil(60_000));
    }

    #[test]
    fn a_useless_server_is_left_alone_longer_each_time_whoever_asks() {
        let mut core = idle();
        let mut now = 10;
        assert_eq!(core.step(now, ask("a")), drain("a"));
        for pause in [1_000, 2_000, 4_000, 8_000] {
            let useless = drained(DrainEnd::Useless { wait: None });
            assert_eq!(core.step(now, useless), Effect::SleepUntil(now + pause));
            assert_eq!(core.step(now, ask("b")), Effect::SleepUntil(now + pause));
            now += pause;
            assert!(matches!(core.step(now, Input::Woke), Effect::Drain(_)));
        }
        assert_eq!(core.failures().0, 4);
        let done = drained(DrainEnd::Done { progress: true });
        assert_eq!(core.step(now, done), drain("b"), "it is back for everybody");
        assert_eq!(core.failures(), (0, 0));
    }

    #[test]
    fn what_the_server_asked_for_is_more_than_the_backoff() {
        let mut core = idle();
        core.step(0, ask("a"));
        let wait = Some(Duration::from_secs(50));
        let slept = core.step(0, drained(DrainEnd::Useless { wait }));
        assert_eq!(slept, Effect::SleepUntil(50_000));
        for jitter in [0, 500, 1000] {
            let mut core = core.clone();
            for _ in 0..40 {
                let project = "a".to_owned();
                let end = DrainEnd::Useless { wait: None };
                core.step(
                    0,
                    Input::Drained {
                        project,
                        end,
                        jitter,
                    },
                );
            }
            let (_, until) = core.failures();
            assert_eq!(until, 300_000 * (800 + jitter * 2 / 5) / 1000);
        }
    }

    #[test]
    fn a_project_of_another_process_waits_and_others_do_not() {
        let mut core = idle();
        core.step(0, ask("a"));
        core.step(0, ask("b"));
        assert_eq!(core.step(0, drained(DrainEnd::OwnedElsewhere)), drain("b"));
    }

    #[test]
    fn nobody_needs_a_daemon_that_does_nothing_even_when_work_is_stuck() {
        for stuck in [false, true] {
            let mut core = idle();
            if stuck {
                core.step(0, ask("a"));
                core.step(0, drained(DrainEnd::Useless { wait: None }));
            }
            let (mut now, mut steps) = (0, 0);
            let mut effect = core.step(now, Input::Woke);
            while effect != Effect::Retire {
                steps += 1;
                assert!(steps < 200, "few wake-ups: {now}");
                effect = match effect {
                    Effect::Scan => core.step(now, Input::Found(vec![])),
                    Effect::Drain(_) => core.step(now, drained(DrainEnd::Useless { wait: None })),
                    Effect::SleepUntil(until) => {
                        assert!(until > now, "it never spins");
                        now = until;
                        core.step(now, Input::Woke)
                    }
                    Effect::Retire => unreachable!(),
                };
            }
            assert!((900_000..960_000).contains(&now), "{now}");
        }
        let mut stays = ScheduleCore::new(0, None);
        stays.next_scan = u64::MAX;
        assert_eq!(
            stays.step(1 << 50, Input::Woke),
            Effect::SleepUntil(u64::MAX)
        );
    }
}

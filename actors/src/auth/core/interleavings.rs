//! Several processes, one store, one server: 1,000 seeded interleavings.
//!
//! Each simulated process is a real core; store, lock, server and clock are models whose steps are
//! shuffled. A stale process must never cost the login (user need 21): whatever is deleted was dead
//! at the server, and unless somebody logged out the store ends with a pair the server accepts.

use super::story::{grant, stored};
use super::{
    AuthCore, Deleted, Effect, Input, Job, LockOutcome, RequestId, Secret, Stored, TokenPair,
};
use crate::auth::endpoints::RefreshAnswer;
use crate::auth::store::Exchanged;
use crate::auth::testing::later;
use kitty_config::ServerUrl;
use std::collections::BTreeMap;
use std::time::Duration;

const PROCESSES: usize = 4;
const STEPS: usize = 400;

/// A small deterministic source of choices (splitmix64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

struct World {
    choices: Choices,
    cores: Vec<AuthCore>,
    /// What each process still has to do, in any order between processes.
    effects: Vec<Vec<Effect>>,
    /// Answers of the server that are on their way.
    answers: Vec<(usize, Input)>,
    store: Option<Stored>,
    lock: Option<usize>,
    /// The refresh token that the server accepts, by session.
    server: BTreeMap<String, Secret>,
    seconds: i64,
    names: u64,
    sends: usize,
    logged_out: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let server = ServerUrl::parse("https://a.example").unwrap();
        let core = || AuthCore::new(Some(server.clone()), None);
        let mut world = Self {
            choices: Choices(seed),
            cores: (0..PROCESSES).map(|_| core()).collect(),
            effects: vec![Vec::new(); PROCESSES],
            answers: Vec::new(),
            store: None,
            lock: None,
            server: BTreeMap::new(),
            seconds: 0,
            names: 0,
            sends: 0,
            logged_out: false,
        };
        world.log_in();
        world
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    /// Another program logs in: it replaces the session without asking anybody.
    fn log_in(&mut self) {
        let name = self.name();
        let mut new = stored(&name);
        new.session.session_id = format!("session-{name}");
        new.session = new.session.expiring_at(self.seconds + 60);
        let (id, token) = (
            new.session.session_id.clone(),
            new.session.refresh_token.clone(),
        );
        self.server.insert(id, token);
        self.store = Some(new);
        self.logged_out = false;
    }

    fn feed(&mut self, process: usize, input: Input) {
        let effects = self.cores[process].step(later(self.seconds), input);
        self.effects[process].extend(effects);
    }

    fn ask(&mut self, process: usize) {
        self.names += 1;
        let request = RequestId(self.names);
        let rejects = self.choices.below(3) == 0;
        let stored = self.store.as_ref().filter(|_| rejects);
        let rejected = stored.map(|stored| stored.session.access_fingerprint());
        let limit = Duration::from_secs(10);
        self.feed(
            process,
            Input::AccessToken {
                request,
                rejected,
                limit,
            },
        );
    }

    /// What the server does with a refresh token: it rotates the valid one and rejects the rest.
    fn refresh(&mut self, session_id: &str, token: &Secret) -> RefreshAnswer {
        self.sends += 1;
        if self.server.get(session_id) != Some(token) {
            return RefreshAnswer::Expired;
        }
        let name = self.name();
        let granted = grant(&name);
        let new_token = granted.refresh_token.clone().unwrap();
        self.server.insert(session_id.to_owned(), new_token);
        let mut granted = granted;
        granted.expires_in = 60;
        RefreshAnswer::Granted(granted)
    }

    /// Carries out the oldest effect of a process; a lock that is held may make it wait.
    fn carry_out(&mut self, process: usize) {
        if self.effects[process].is_empty() {
            return;
        }
        let effect = self.effects[process].remove(0);
        match effect {
            Effect::Read(ticket) => self.feed(process, Input::Read(ticket, Ok(self.store.clone()))),
            Effect::AcquireLock(ticket) => match self.lock {
                None => {
                    self.lock = Some(process);
                    self.feed(process, Input::Locked(ticket, LockOutcome::Acquired));
                }
                Some(_) if self.choices.below(20) == 0 => {
                    self.feed(process, Input::Locked(ticket, LockOutcome::TimedOut));
                }
                Some(_) => self.effects[process].insert(0, Effect::AcquireLock(ticket)),
            },
            Effect::ReleaseLock => {
                assert_eq!(self.lock.take(), Some(process));
            }
            Effect::SendRefresh {
                ticket,
                refresh_token,
                ..
            } => {
                let session_id = self.session_of(&refresh_token);
                let answer = self.refresh(&session_id, &refresh_token);
                self.answers
                    .push((process, Input::Refreshed(ticket, Ok(answer))));
            }
            Effect::Exchange {
                ticket,
                expected,
                next,
            } => {
                let current = self.store.clone();
                let outcome = match current {
                    Some(current) if current.session.pair() == expected => {
                        self.store = Some(*next);
                        Exchanged::Written
                    }
                    other => Exchanged::Superseded(other.map(Box::new)),
                };
                self.feed(process, Input::Exchanged(ticket, Ok(outcome)));
            }
            Effect::Delete { ticket, only } => {
                let outcome = self.delete(only.as_ref());
                self.feed(process, Input::Deleted(ticket, Ok(outcome)));
            }
            Effect::FetchMe { .. } | Effect::StoreTeams { .. } => {
                panic!("the sessions of this test have a private team")
            }
            Effect::Wake { .. }
            | Effect::Answer(..)
            | Effect::Refreshed(_)
            | Effect::Ended(_)
            | Effect::Report(_) => {}
        }
    }

    /// Finds the session a token was made for, by the model's own books.
    fn session_of(&self, token: &Secret) -> String {
        let accepted = self.server.iter().find(|(_, accepted)| *accepted == token);
        accepted.map_or_else(|| "unknown".to_owned(), |(id, _)| id.clone())
    }

    fn delete(&mut self, only: Option<&TokenPair>) -> Deleted {
        match (self.store.take(), only) {
            (None, _) => Deleted::Absent,
            (Some(current), Some(pair)) if current.session.pair() != *pair => {
                self.store = Some(current.clone());
                Deleted::Newer(Box::new(current))
            }
            (Some(current), Some(_)) => {
                let accepted = self.server.get(&current.session.session_id);
                assert_ne!(
                    accepted,
                    Some(&current.session.refresh_token),
                    "a session that the server accepts was deleted"
                );
                Deleted::Deleted
            }
            (Some(_), None) => {
                self.logged_out = true;
                Deleted::Deleted
            }
        }
    }

    fn deliver(&mut self) {
        if !self.answers.is_empty() {
            let chosen = self.choices.below(self.answers.len());
            let (process, input) = self.answers.remove(chosen);
            self.feed(process, input);
        }
    }

    fn step(&mut self) {
        let process = self.choices.below(PROCESSES);
        match self.choices.below(100) {
            0..12 => self.ask(process),
            12..15 => self.seconds += 61,
            15 => self.log_in(),
            16 if self.choices.below(4) == 0 => {
                self.names += 1;
                let request = RequestId(self.names);
                self.feed(process, Input::Logout { request });
            }
            16..40 => self.deliver(),
            _ => self.carry_out(process),
        }
    }

    fn finish(&mut self) {
        for _ in 0..10_000 {
            let process = self.choices.below(PROCESSES);
            self.deliver();
            self.carry_out(process);
        }
        assert!(
            self.effects.iter().all(Vec::is_empty),
            "everything comes to an end"
        );
        assert!(self.cores.iter().all(|core| matches!(core.job, Job::Idle)));
        assert_eq!(self.lock, None);
        match &self.store {
            None => assert!(self.logged_out, "a login was lost"),
            Some(stored) => assert_eq!(
                self.server.get(&stored.session.session_id),
                Some(&stored.session.refresh_token),
                "a dead pair is stored"
            ),
        }
    }
}

/// How many interleavings are tried: 1,000, and more at night.
#[expect(
    clippy::disallowed_methods,
    reason = "the nightly run asks for more by a variable"
)]
fn seeds() -> u64 {
    std::env::var("SPEC_KITTY_FAULT_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(1000)
}

#[test]
fn in_a_thousand_interleavings_no_stale_process_costs_the_login() {
    let mut sends = 0;
    for seed in 0..seeds() {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
        sends += world.sends;
    }
    assert!(sends > 1000, "the interleavings did refresh: {sends}");
}

#[test]
fn processes_that_find_an_old_token_at_once_send_one_refresh() {
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.seconds = 61;
        for process in 0..PROCESSES {
            let request = RequestId(u64::try_from(process).unwrap());
            let limit = Duration::from_secs(10);
            world.feed(
                process,
                Input::AccessToken {
                    request,
                    rejected: None,
                    limit,
                },
            );
        }
        world.finish();
        assert_eq!(world.sends, 1, "seed {seed}");
    }
}

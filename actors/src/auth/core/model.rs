//! Any inputs in any order: the promises that must hold whatever happens.

use super::story::{grant, stored};
use super::{
    Answer, AuthCore, AuthError, Deleted, Effect, Input, Job, LockOutcome, Profile, RequestId,
    StoreError, Stored, Ticket, TokenPair,
};
use crate::auth::endpoints::{MeAnswer, RefreshAnswer};
use crate::auth::store::Exchanged;
use crate::auth::testing::{later, session};
use kitty_config::ServerUrl;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// One random happening; numbers are reduced to what exists when it happens.
#[derive(Debug, Clone)]
enum Happening {
    AskToken {
        rejected: Option<u8>,
    },
    AskTeams {
        rehydrate: bool,
    },
    Logout,
    Deadline {
        request: u8,
    },
    /// An outcome, for the awaited ticket or for an older one.
    Outcome {
        kind: u8,
        variant: u8,
        session: u8,
        age: u8,
    },
    TimePasses {
        seconds: u16,
    },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        3 => proptest::option::of(0..4_u8).prop_map(|rejected| Happening::AskToken { rejected }),
        2 => any::<bool>().prop_map(|rehydrate| Happening::AskTeams { rehydrate }),
        1 => Just(Happening::Logout),
        1 => any::<u8>().prop_map(|request| Happening::Deadline { request }),
        12 => (0..7_u8, any::<u8>(), 0..4_u8, 0..3_u8).prop_map(|(kind, variant, session, age)| {
            Happening::Outcome { kind, variant, session, age: age.saturating_sub(1) }
        }),
        1 => any::<u16>().prop_map(|seconds| Happening::TimePasses { seconds }),
    ];
    proptest::collection::vec(one, 1..80)
}

fn some_session(number: u8, variant: u8) -> Stored {
    let mut stored = stored(&format!("s{number}"));
    if variant.is_multiple_of(3) {
        stored.session = stored.session.with_shared_team_only();
    }
    if variant.is_multiple_of(2) {
        stored.session = stored.session.expiring_at(i64::from(variant) * 60);
    }
    if variant.is_multiple_of(11) {
        stored.session = stored.session.refreshable_until(1000);
    }
    if variant.is_multiple_of(7) {
        stored.issuer = ServerUrl::parse("https://other.example").ok();
    }
    stored
}

fn outcome(ticket: Ticket, kind: u8, variant: u8, number: u8) -> Input {
    let other = Box::new(some_session(number, variant / 5));
    match kind {
        0 => Input::Read(
            ticket,
            match variant % 8 {
                0 => Ok(None),
                1 => Err(StoreError::Interrupted),
                _ => Ok(Some(*other)),
            },
        ),
        1 => Input::Locked(
            ticket,
            match variant % 4 {
                0 => LockOutcome::TimedOut,
                1 => LockOutcome::Failed("no".to_owned()),
                _ => LockOutcome::Acquired,
            },
        ),
        2 => Input::Refreshed(
            ticket,
            Ok(match variant % 5 {
                0 => RefreshAnswer::Expired,
                1 => RefreshAnswer::Invalid,
                2 => RefreshAnswer::Replay,
                3 => RefreshAnswer::Granted(grant(&format!("s{number}"))),
                _ => RefreshAnswer::Failed {
                    status: 500,
                    body: String::new(),
                },
            }),
        ),
        3 => Input::Exchanged(
            ticket,
            match variant % 4 {
                0 => Ok(Exchanged::Superseded(None)),
                1 => Ok(Exchanged::Superseded(Some(other))),
                2 => Err(StoreError::Interrupted),
                _ => Ok(Exchanged::Written),
            },
        ),
        4 => Input::Deleted(
            ticket,
            match variant % 4 {
                0 => Ok(Deleted::Absent),
                1 => Ok(Deleted::Newer(other)),
                2 => Err(StoreError::Interrupted),
                _ => Ok(Deleted::Deleted),
            },
        ),
        5 => Input::Me(
            ticket,
            match variant % 4 {
                0 => Ok(MeAnswer::Unauthorized),
                1 => Ok(MeAnswer::Unusable(String::new())),
                2 => Err(AuthError::NoServer),
                _ => Ok(MeAnswer::Member(Box::new(Profile {
                    user_id: String::new(),
                    email: String::new(),
                    name: String::new(),
                    teams: other.session.teams,
                    refresh_token_expires_at: None,
                }))),
            },
        ),
        _ => Input::TeamsStored(
            ticket,
            match variant % 3 {
                0 => Ok(None),
                1 => Err(StoreError::Interrupted),
                _ => Ok(Some(*other)),
            },
        ),
    }
}

/// Watches inputs and effects, and fails the test when a promise is broken.
#[derive(Default)]
struct Watch {
    asked: BTreeSet<RequestId>,
    logouts: usize,
    in_flight: Option<(Ticket, TokenPair)>,
    rejected: Option<TokenPair>,
    lock_held: bool,
    /// The last session read; a refresh token that is sent must be its.
    last_seen: Option<Stored>,
}

impl Watch {
    fn input(&mut self, input: &Input, awaited: Ticket) {
        match input {
            Input::AccessToken { request, .. } | Input::Membership { request, .. } => {
                self.asked.insert(*request);
            }
            Input::Logout { request } => {
                self.asked.insert(*request);
                self.logouts += 1;
            }
            Input::Refreshed(ticket, answer)
                if self
                    .in_flight
                    .as_ref()
                    .is_some_and(|(sent, _)| sent == ticket) =>
            {
                let pair = self.in_flight.take().map(|(_, pair)| pair);
                if matches!(answer, Ok(RefreshAnswer::Expired | RefreshAnswer::Invalid)) {
                    self.rejected = pair;
                }
            }
            Input::Read(ticket, Ok(Some(stored))) if *ticket == awaited => {
                self.last_seen = Some(stored.clone());
            }
            _ => {}
        }
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::AcquireLock(_) => assert!(!self.lock_held, "the lock is asked for once"),
            Effect::ReleaseLock => {
                assert!(self.lock_held, "only a held lock is released");
                self.lock_held = false;
            }
            Effect::SendRefresh {
                ticket,
                server,
                refresh_token,
            } => {
                assert!(self.in_flight.is_none(), "at most one refresh is in flight");
                assert!(self.lock_held, "a refresh is sent under the lock only");
                let seen = self.last_seen.as_ref().expect("a session was read");
                assert_eq!(*refresh_token, seen.session.refresh_token);
                let issuer = seen
                    .issuer
                    .as_ref()
                    .expect("the sessions of this test are bound");
                assert_eq!(
                    server.origin(),
                    issuer.origin(),
                    "a token goes to its issuer"
                );
                self.in_flight = Some((*ticket, seen.session.pair()));
            }
            Effect::Delete {
                only: Some(pair), ..
            } => {
                let rejected = self.rejected.take();
                assert_eq!(
                    rejected.as_ref(),
                    Some(pair),
                    "only the rejected pair is deleted"
                );
            }
            Effect::Delete { only: None, .. } => {
                assert!(self.logouts > 0, "only a logout deletes without looking");
            }
            Effect::Answer(request, answer) => {
                assert!(self.asked.remove(request), "each asker is answered once");
                if matches!(answer, Answer::LoggedOut(_)) {
                    self.logouts -= 1;
                }
            }
            _ => {}
        }
    }

    fn after(&self, core: &AuthCore) {
        let waiting: BTreeSet<RequestId> = core.waiters.iter().map(|w| w.request).collect();
        assert_eq!(waiting, self.asked, "nobody is forgotten");
        let idle = matches!(core.job, Job::Idle);
        assert!(!idle || waiting.is_empty(), "who waits is worked for");
        assert!(!idle || !self.lock_held, "an idle actor holds no lock");
        assert_eq!(core.holds_lock, self.lock_held);
    }
}

fn run(happenings: Vec<Happening>) {
    let server = ServerUrl::parse("https://a.example").unwrap();
    let mut core = AuthCore::new(Some(server), None);
    let mut watch = Watch::default();
    let mut requests = 0;
    let mut seconds = 0;
    for happening in happenings {
        let mut request = || {
            requests += 1;
            RequestId(requests)
        };
        let limit = Duration::from_secs(1);
        let input = match happening {
            Happening::AskToken { rejected } => Input::AccessToken {
                request: request(),
                rejected: rejected.map(|n| session(&format!("s{n}")).access_fingerprint()),
                limit,
            },
            Happening::AskTeams { rehydrate } => Input::Membership {
                request: request(),
                rehydrate,
                limit,
            },
            Happening::Logout => Input::Logout { request: request() },
            Happening::Deadline { request } => Input::DeadlinePassed {
                request: RequestId(u64::from(request) % (requests + 1)),
            },
            Happening::Outcome {
                kind,
                variant,
                session,
                age,
            } => {
                let ticket = Ticket(core.ticket.0.saturating_sub(u64::from(age)));
                outcome(ticket, kind, variant, session)
            }
            Happening::TimePasses { seconds: passed } => {
                seconds += i64::from(passed);
                continue;
            }
        };
        watch.input(&input, core.ticket);
        let acquiring = matches!(core.job, Job::Locking)
            && matches!(&input, Input::Locked(ticket, LockOutcome::Acquired) if *ticket == core.ticket);
        watch.lock_held |= acquiring;
        for effect in core.step(later(seconds), input) {
            watch.effect(&effect);
        }
        watch.after(&core);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_of_inputs_at_most_one_refresh_flies_and_only_its_pair_is_deleted(
        happenings in happenings()
    ) {
        run(happenings);
    }
}

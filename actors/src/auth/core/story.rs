//! What the tables over the core are told in: a core, and what it was told to do.

use super::{
    AccessToken, Answer, AuthCore, AuthError, Deleted, Effect, Effects, Input, LockOutcome,
    Profile, RequestId, StoreError, Stored,
};
use crate::auth::endpoints::{MeAnswer, RefreshAnswer, RefreshEnd, TokenGrant};
use crate::auth::messages::{Membership, Rehydrate, SessionRefreshed};
use crate::auth::session::Team;
use crate::auth::store::Exchanged;
use crate::auth::testing::{later, session};
use kitty_config::ServerUrl;
use std::time::Duration;

pub(super) const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn server() -> ServerUrl {
    ServerUrl::parse("https://a.example").unwrap()
}

pub(super) fn stored(name: &str) -> Stored {
    Stored {
        session: session(name),
        issuer: Some(server()),
    }
}

pub(super) fn expired(name: &str) -> Stored {
    Stored {
        session: session(name).expiring_at(0),
        issuer: Some(server()),
    }
}

pub(super) fn shared_only(name: &str) -> Stored {
    Stored {
        session: session(name).with_shared_team_only(),
        issuer: Some(server()),
    }
}

pub(super) fn token(name: &str) -> AccessToken {
    AccessToken::new(session(name).access_token, server())
}

pub(super) fn grant(name: &str) -> TokenGrant {
    TokenGrant {
        access_token: session(name).access_token,
        refresh_token: Some(session(name).refresh_token),
        scope: None,
        expires_in: 3600,
        generation: None,
        refresh_end: RefreshEnd::Unsaid,
        session_id: None,
    }
}

/// Drives a core at [`crate::auth::testing::START`] and remembers what it was told to do.
pub(super) struct Story {
    pub(super) core: AuthCore,
    pub(super) next: u64,
    pub(super) answers: Vec<Answer>,
    pub(super) log: Vec<String>,
    pub(super) last: Effects,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::with(AuthCore::new(Some(server()), None))
    }

    pub(super) fn with(core: AuthCore) -> Self {
        Self {
            core,
            next: 0,
            answers: Vec::new(),
            log: Vec::new(),
            last: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, input: Input) -> &mut Self {
        self.last = self.core.step(later(0), input);
        for effect in &self.last {
            match effect {
                Effect::Answer(_, answer) => self.answers.push(answer.clone()),
                Effect::Wake { .. } => {}
                Effect::Read(_) => self.log.push("read".to_owned()),
                Effect::AcquireLock(_) => self.log.push("lock".to_owned()),
                Effect::ReleaseLock => self.log.push("unlock".to_owned()),
                Effect::SendRefresh { refresh_token, .. } => {
                    self.log.push(format!("send {}", refresh_token.expose()));
                }
                Effect::Exchange { expected, next, .. } => self.log.push(format!(
                    "exchange {} for {}",
                    expected.refresh_token.expose(),
                    next.session.refresh_token.expose()
                )),
                Effect::Delete { only, .. } => {
                    let only = only
                        .as_ref()
                        .map_or("any", |pair| pair.refresh_token.expose());
                    self.log.push(format!("delete {only}"));
                }
                Effect::FetchMe { .. } => self.log.push("me".to_owned()),
                Effect::StoreTeams { .. } => self.log.push("teams".to_owned()),
                Effect::Refreshed(SessionRefreshed { .. }) => self.log.push("refreshed".to_owned()),
                Effect::Ended(ended) => self.log.push(format!("ended {:?}", ended.reason)),
                Effect::Report(diagnostic) => self.log.push(format!("report {}", diagnostic.phase)),
            }
        }
        self
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.next += 1;
        RequestId(self.next)
    }

    pub(super) fn ask(&mut self, rejected: Option<&str>) -> &mut Self {
        let request = self.request();
        let rejected = rejected.map(|name| session(name).access_fingerprint());
        self.step(Input::AccessToken {
            request,
            rejected,
            limit: LIMIT,
        })
    }

    pub(super) fn ask_teams(&mut self, rehydrate: bool) -> &mut Self {
        let request = self.request();
        self.step(Input::Membership {
            request,
            rehydrate,
            limit: LIMIT,
        })
    }

    pub(super) fn read(&mut self, found: Option<Stored>) -> &mut Self {
        self.step(Input::Read(self.core.ticket, Ok(found)))
    }

    pub(super) fn locked(&mut self, outcome: LockOutcome) -> &mut Self {
        self.step(Input::Locked(self.core.ticket, outcome))
    }

    pub(super) fn server_says(&mut self, answer: RefreshAnswer) -> &mut Self {
        self.step(Input::Refreshed(self.core.ticket, Ok(answer)))
    }

    pub(super) fn exchanged(&mut self, outcome: Exchanged) -> &mut Self {
        self.step(Input::Exchanged(self.core.ticket, Ok(outcome)))
    }

    pub(super) fn not_exchanged(&mut self, error: &StoreError) -> &mut Self {
        self.step(Input::Exchanged(self.core.ticket, Err(error.clone())))
    }

    pub(super) fn deleted(&mut self, outcome: Deleted) -> &mut Self {
        self.step(Input::Deleted(self.core.ticket, Ok(outcome)))
    }

    pub(super) fn me(&mut self, teams: Vec<Team>) -> &mut Self {
        let profile = Profile {
            user_id: "u-1".to_owned(),
            email: "a@b.co".to_owned(),
            name: "Zoe".to_owned(),
            teams,
            refresh_token_expires_at: None,
        };
        let answer = Ok(MeAnswer::Member(Box::new(profile)));
        self.step(Input::Me(self.core.ticket, answer))
    }

    /// Goes as far as the request to the server: `old` is stored and has ended.
    pub(super) fn until_sent(&mut self) -> &mut Self {
        self.ask(None).read(Some(expired("old")));
        self.locked(LockOutcome::Acquired)
            .read(Some(expired("old")))
    }

    #[track_caller]
    pub(super) fn expect(&mut self, log: &[&str], answers: &[Answer]) -> &mut Self {
        assert_eq!(self.log, log);
        assert_eq!(self.answers, answers);
        self.log.clear();
        self.answers.clear();
        self
    }
}

pub(super) fn ok(name: &str) -> Answer {
    Answer::Token(Ok(token(name)))
}

pub(super) fn refused(error: AuthError) -> Answer {
    Answer::Token(Err(error))
}

pub(super) fn teams(stored: &Stored, rehydrate: Rehydrate) -> Answer {
    Answer::Membership(Ok(Membership {
        user_id: Some(stored.session.user_id.clone()),
        teams: stored.session.teams.clone(),
        rehydrate,
    }))
}

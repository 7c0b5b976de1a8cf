//! The thinking of the auth actor: pure, one input at a time.
//!
//! Askers queue up; one *job* at a time works for all of them. A job is a chain of effects, each
//! awaited by its ticket: read the store, wait for the refresh lock, read again under it, send the
//! refresh token, exchange the stored session. So at most one refresh is in flight here, and the
//! comparison under the lock makes it one across processes.
//!
//! The rules that keep a login alive (user need 21):
//! 1. The store is the truth. Nothing is decided from a session that was read before the lock.
//! 2. Storing and deleting name the pair they replace; another pair in the store wins.
//! 3. A session is deleted only when the server rejected exactly the pair that is stored.
//! 4. A token goes only to the server that issued it.

mod membership;
mod protocol;
mod refresh;

pub(crate) use protocol::{Answer, Effect, Input, LockOutcome, RequestId, Ticket};

use super::endpoints::Profile;
use super::error::AuthError;
use super::messages::{EndReason, LoggedOut, SessionEnded};
use super::secret::{AccessToken, Secret, TokenFingerprint};
use super::session::TokenPair;
use super::store::{Deleted, StoreError, Stored};
use jiff::Timestamp;
use kitty_config::ServerUrl;
use kitty_runtime::diagnostic::Diagnostic;
use std::time::Duration;

/// One asker that has no answer yet.
#[derive(Debug, Clone)]
struct Waiter {
    request: RequestId,
    need: Need,
    limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Token { rejected: Option<TokenFingerprint> },
    Membership { rehydrate: bool },
    Logout,
}

/// What is being done; every state but the first awaits one outcome.
#[derive(Debug)]
enum Job {
    Idle,
    /// Reading the store for whoever waits.
    Reading,
    /// Waiting for the refresh lock.
    Locking,
    /// Reading again under the lock.
    Rereading,
    /// Reading after the lock did not come.
    FallingBack,
    /// Waiting for the server's answer to this session's refresh token.
    Refreshing {
        sent: Box<Stored>,
        retried: bool,
    },
    /// Storing the renewed session.
    Saving {
        expected: TokenPair,
        renewed: Box<Stored>,
    },
    /// Reading to see whether somebody stored a newer pair than the one the server has seen twice.
    Comparing {
        sent: TokenPair,
    },
    /// Deleting the pair that the server rejected.
    Deleting {
        rejected: TokenPair,
        reason: EndReason,
    },
    /// Waiting for the server's word on the user; `renewed` when its token is brand new.
    Fetching {
        stored: Box<Stored>,
        renewed: bool,
    },
    /// The same for the token of the environment.
    FetchingForEnvironment,
    /// Storing teams.
    Recording {
        profile: Box<Profile>,
    },
    /// Deleting whatever is stored.
    LoggingOut,
}

/// A renewed session that could not be stored; the stored pair is used up, so this one is precious.
#[derive(Debug)]
struct Unsaved {
    expected: TokenPair,
    renewed: Box<Stored>,
}

/// The state of the auth actor.
#[derive(Debug)]
pub(crate) struct AuthCore {
    server: Option<ServerUrl>,
    environment_token: Option<Secret>,
    /// Whose token the environment's is, once the server has said so.
    environment_profile: Option<Box<Profile>>,
    waiters: Vec<Waiter>,
    job: Job,
    ticket: Ticket,
    holds_lock: bool,
    /// The access token that `/api/v1/me` rejected, until a refresh replaced it.
    rejected_by_me: Option<TokenFingerprint>,
    /// The pair for which the server named no Private Teamspace.
    no_private_team: Option<TokenPair>,
    unsaved: Option<Unsaved>,
}

type Effects = Vec<Effect>;

impl AuthCore {
    /// Creates the state for one configured server, or for none.
    pub(crate) fn new(server: Option<ServerUrl>, environment_token: Option<Secret>) -> Self {
        Self {
            server,
            environment_token,
            environment_profile: None,
            waiters: Vec::new(),
            job: Job::Idle,
            ticket: Ticket(0),
            holds_lock: false,
            rejected_by_me: None,
            no_private_team: None,
            unsaved: None,
        }
    }

    /// Takes in one input and returns what to do, in order.
    pub(crate) fn step(&mut self, now: Timestamp, input: Input) -> Effects {
        let mut effects = Vec::new();
        match input {
            Input::AccessToken {
                request,
                rejected,
                limit,
            } => match self.at_hand(now, rejected) {
                Some(token) => {
                    effects.push(Effect::Answer(request, Answer::Token(Ok(token))));
                }
                None => self.enqueue(request, Need::Token { rejected }, limit, &mut effects),
            },
            Input::Membership {
                request,
                rehydrate,
                limit,
            } => self.enqueue(request, Need::Membership { rehydrate }, limit, &mut effects),
            // Deleting needs no network and has the deadline of the store's lock.
            Input::Logout { request } => self.waiters.push(Waiter {
                request,
                need: Need::Logout,
                limit: Duration::MAX,
            }),
            Input::DeadlinePassed { request } => self.give_up(request, &mut effects),
            outcome => self.outcome(now, outcome, &mut effects),
        }
        self.begin(&mut effects);
        effects
    }

    /// Returns the token of the session whose teams are being fetched, if it serves: nobody waits
    /// for a membership who asked for a token.
    fn at_hand(&self, now: Timestamp, rejected: Option<TokenFingerprint>) -> Option<AccessToken> {
        let Job::Fetching { stored, .. } = &self.job else {
            return None;
        };
        let session = &stored.session;
        let serves = session.access_is_valid(now) && rejected != Some(session.access_fingerprint());
        let server = self.check(now, stored).ok().filter(|_| serves)?;
        Some(AccessToken::new(session.access_token.clone(), server))
    }

    fn enqueue(&mut self, request: RequestId, need: Need, limit: Duration, effects: &mut Effects) {
        effects.push(Effect::Wake {
            request,
            after: limit,
        });
        self.waiters.push(Waiter {
            request,
            need,
            limit,
        });
    }

    fn give_up(&mut self, request: RequestId, effects: &mut Effects) {
        let expired = |waiter: &Waiter| waiter.request == request && waiter.need != Need::Logout;
        if let Some(position) = self.waiters.iter().position(expired) {
            let waiter = self.waiters.remove(position);
            let what = match waiter.need {
                Need::Token { .. } => "the access token",
                Need::Membership { .. } | Need::Logout => "the membership",
            };
            let error = AuthError::Deadline {
                what,
                after: waiter.limit,
            };
            answer_error(&waiter, error, effects);
        }
    }

    /// Hands an outcome to the job that awaits it; any other is ignored.
    fn outcome(&mut self, now: Timestamp, input: Input, effects: &mut Effects) {
        let (Input::Read(ticket, _)
        | Input::Locked(ticket, _)
        | Input::Refreshed(ticket, _)
        | Input::Exchanged(ticket, _)
        | Input::Deleted(ticket, _)
        | Input::Me(ticket, _)
        | Input::TeamsStored(ticket, _)) = &input
        else {
            return;
        };
        if *ticket != self.ticket {
            return;
        }
        // Its ticket is used up, whether or not the kind of the outcome fits the job.
        let job = std::mem::replace(&mut self.job, Job::Idle);
        match (job, input) {
            (Job::Reading, Input::Read(_, result)) => self.on_read(now, result, effects),
            (Job::Locking, Input::Locked(_, outcome)) => self.on_lock(outcome, effects),
            (Job::Rereading, Input::Read(_, result)) => self.on_reread(now, result, effects),
            (Job::FallingBack, Input::Read(_, result)) => {
                self.on_fallback(now, result, effects);
            }
            (Job::Refreshing { sent, retried }, Input::Refreshed(_, answer)) => {
                self.on_refreshed(now, *sent, retried, answer, effects);
            }
            (Job::Saving { expected, renewed }, Input::Exchanged(_, result)) => {
                self.on_saved(now, expected, renewed, result, effects);
            }
            (Job::Comparing { sent }, Input::Read(_, result)) => {
                self.on_compared(now, &sent, result, effects);
            }
            (Job::Deleting { rejected, reason }, Input::Deleted(_, result)) => {
                self.on_deleted(now, &rejected, reason, result, effects);
            }
            (Job::Fetching { stored, renewed }, Input::Me(_, answer)) => {
                self.on_me(*stored, renewed, answer, effects);
            }
            (Job::FetchingForEnvironment, Input::Me(_, answer)) => {
                self.on_environment_me(answer, effects);
            }
            (Job::Recording { profile }, Input::TeamsStored(_, result)) => {
                self.on_recorded(*profile, result, effects);
            }
            (Job::LoggingOut, Input::Deleted(_, result)) => self.on_logged_out(result, effects),
            (job, _) => self.job = job,
        }
    }

    /// Makes an effect awaited: whatever outcome comes with another ticket is ignored.
    fn launch(&mut self, job: Job, effects: &mut Effects, effect: impl FnOnce(Ticket) -> Effect) {
        self.ticket = Ticket(self.ticket.0 + 1);
        self.job = job;
        effects.push(effect(self.ticket));
    }

    /// Starts the next job if somebody waits and nothing runs.
    fn begin(&mut self, effects: &mut Effects) {
        if !matches!(self.job, Job::Idle) || self.waiters.is_empty() {
            return;
        }
        debug_assert!(!self.holds_lock, "an idle actor holds no lock");
        if self
            .waiters
            .iter()
            .any(|waiter| waiter.need == Need::Logout)
        {
            let only = None;
            self.launch(Job::LoggingOut, effects, |ticket| Effect::Delete {
                ticket,
                only,
            });
        } else if let Some(token) = self.environment_token.clone() {
            self.serve_environment(token, effects);
        } else if let Some(unsaved) = self.unsaved.take() {
            self.save(unsaved.expected, unsaved.renewed, effects);
        } else {
            self.launch(Job::Reading, effects, Effect::Read);
        }
    }

    fn on_read(
        &mut self,
        now: Timestamp,
        result: Result<Option<Stored>, StoreError>,
        effects: &mut Effects,
    ) {
        match result {
            Err(error) => self.fail(AuthError::UnusableSession(error), effects),
            Ok(None) => self.fail(AuthError::NoSession, effects),
            Ok(Some(stored)) => match self.check(now, &stored) {
                Err(error) => self.fail(error, effects),
                Ok(server) => self.serve(now, stored, server, false, effects),
            },
        }
    }

    /// Tells which server the session may be used with, if any.
    fn check(&self, now: Timestamp, stored: &Stored) -> Result<ServerUrl, AuthError> {
        if !stored.session.is_alive(now) {
            return Err(AuthError::RefreshTokenExpired);
        }
        let server = self.server.clone().ok_or(AuthError::NoServer)?;
        match &stored.issuer {
            Some(issuer) if issuer.origin() != server.origin() => Err(AuthError::OtherIssuer {
                issuer: issuer.to_string(),
                configured: server.to_string(),
            }),
            _ => Ok(server),
        }
    }

    /// Answers whom the session can answer, and starts what the others need.
    ///
    /// `renewed`: the session is the outcome of a refresh, so there is nothing better to get.
    fn serve(
        &mut self,
        now: Timestamp,
        stored: Stored,
        server: ServerUrl,
        renewed: bool,
        effects: &mut Effects,
    ) {
        let usable = renewed || stored.session.access_is_valid(now);
        let fingerprint = stored.session.access_fingerprint();
        let token = AccessToken::new(stored.session.access_token.clone(), server);
        let (mut refresh, mut fetch) = (false, false);
        let mut left = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter.need {
                Need::Token { rejected } if usable && rejected != Some(fingerprint) => {
                    let answer = Answer::Token(Ok(token.clone()));
                    effects.push(Effect::Answer(waiter.request, answer));
                    continue;
                }
                Need::Token { .. } if renewed => {
                    answer_error(&waiter, AuthError::AuthenticationExpired, effects);
                    continue;
                }
                Need::Token { .. } => refresh = true,
                Need::Membership { rehydrate } => match self.membership_from(&stored, rehydrate) {
                    Some(membership) => {
                        let answer = Answer::Membership(Ok(membership));
                        effects.push(Effect::Answer(waiter.request, answer));
                        continue;
                    }
                    None if usable => fetch = true,
                    None => refresh = true,
                },
                Need::Logout => {}
            }
            left.push(waiter);
        }
        let left_alone = left.is_empty();
        self.waiters = left;
        if refresh {
            self.launch(Job::Locking, effects, Effect::AcquireLock);
        } else if fetch || (renewed && left_alone && self.membership_from(&stored, true).is_none())
        {
            let stored = Box::new(stored);
            self.launch(Job::Fetching { stored, renewed }, effects, |ticket| {
                Effect::FetchMe { ticket, token }
            });
        }
    }

    /// Answers every asker but those who log out with an error, and lets go of the lock.
    fn fail(&mut self, error: AuthError, effects: &mut Effects) {
        self.release(effects);
        self.rejected_by_me = None;
        let (logouts, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| waiter.need == Need::Logout);
        self.waiters = logouts;
        for waiter in others {
            answer_error(&waiter, error.clone(), effects);
        }
    }

    fn release(&mut self, effects: &mut Effects) {
        if std::mem::take(&mut self.holds_lock) {
            effects.push(Effect::ReleaseLock);
        }
    }

    fn on_logged_out(&mut self, result: Result<Deleted, StoreError>, effects: &mut Effects) {
        let result = result.map(|deleted| match deleted {
            Deleted::Absent => LoggedOut::NothingStored,
            Deleted::Deleted | Deleted::Newer(_) => LoggedOut::SessionDeleted,
        });
        if result.is_ok() {
            self.unsaved = None;
            self.no_private_team = None;
        }
        if result == Ok(LoggedOut::SessionDeleted) {
            effects.push(Effect::Ended(SessionEnded {
                session_id: None,
                reason: EndReason::LoggedOut,
            }));
        }
        self.waiters.retain(|waiter| {
            if waiter.need == Need::Logout {
                let answer = Answer::LoggedOut(result.clone());
                effects.push(Effect::Answer(waiter.request, answer));
            }
            waiter.need != Need::Logout
        });
    }
}

fn answer_error(waiter: &Waiter, error: AuthError, effects: &mut Effects) {
    let answer = match waiter.need {
        Need::Token { .. } => Answer::Token(Err(error)),
        Need::Membership { .. } | Need::Logout => Answer::Membership(Err(error)),
    };
    effects.push(Effect::Answer(waiter.request, answer));
}

fn report(code: &'static str, phase: &'static str, message: String) -> Effect {
    Effect::Report(Diagnostic::warning(code, phase, message))
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod model;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;

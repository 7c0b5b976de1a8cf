//! Which teams: from the session, else from the server (reference/auth-state-daemon.md 5).

use super::{Answer, AuthCore, Effect, Effects, Job, Need, answer_error, report};
use crate::auth::endpoints::{MeAnswer, Profile};
use crate::auth::error::AuthError;
use crate::auth::messages::{Membership, Rehydrate};
use crate::auth::secret::{AccessToken, Secret};
use crate::auth::session::{StoredSession, Team, private_team};
use crate::auth::store::{StoreError, Stored};

/// Whose teams are told, and which they are.
#[derive(Clone, Copy)]
struct User<'a> {
    id: Option<&'a str>,
    teams: &'a [Team],
}

impl<'a> User<'a> {
    /// The owner of the environment's token before a server named them.
    const UNKNOWN: Self = Self {
        id: None,
        teams: &[],
    };

    fn of(session: &'a StoredSession) -> Self {
        Self {
            id: Some(&session.user_id),
            teams: &session.teams,
        }
    }

    fn named(profile: &'a Profile) -> Self {
        Self {
            id: Some(&profile.user_id),
            teams: &profile.teams,
        }
    }

    fn membership(self, rehydrate: Rehydrate) -> Membership {
        Membership {
            user_id: self.id.map(str::to_owned),
            teams: self.teams.to_vec(),
            rehydrate,
        }
    }
}

impl AuthCore {
    /// Answers from what is known here; `None` when the server has to be asked.
    pub(super) fn membership_from(&self, stored: &Stored, rehydrate: bool) -> Option<Membership> {
        let outcome = if stored.session.private_team().is_some() {
            Rehydrate::NotNeeded
        } else if !rehydrate {
            Rehydrate::NotWanted
        } else if self.no_private_team.as_ref() == Some(&stored.session.pair()) {
            Rehydrate::RememberedNone
        } else {
            return None;
        };
        Some(User::of(&stored.session).membership(outcome))
    }

    pub(super) fn on_me(
        &mut self,
        stored: Stored,
        renewed: bool,
        answer: Result<MeAnswer, AuthError>,
        effects: &mut Effects,
    ) {
        let user = User::of(&stored.session);
        match answer {
            Ok(MeAnswer::Member(profile)) if private_team(&profile.teams).is_some() => {
                self.record(&stored, profile, effects);
            }
            Ok(MeAnswer::Member(_)) => {
                self.no_private_team = Some(stored.session.pair());
                self.answer_memberships(user, &Rehydrate::FoundNone, effects);
            }
            Ok(MeAnswer::Unauthorized) if !renewed => {
                self.rejected_by_me = Some(stored.session.access_fingerprint());
                self.launch(Job::Locking, effects, Effect::AcquireLock);
            }
            Ok(MeAnswer::Unauthorized) => {
                let failed = AuthError::AuthenticationExpired;
                self.fetch_failed(user, failed, effects);
            }
            Ok(MeAnswer::Unusable(reason)) => {
                self.fetch_failed(user, AuthError::Membership(reason), effects);
            }
            Err(error) => self.fetch_failed(user, error, effects),
        }
    }

    fn fetch_failed(&mut self, user: User<'_>, error: AuthError, effects: &mut Effects) {
        let wanted = |need| need == Need::Membership { rehydrate: true };
        if !self.waiters.iter().any(|waiter| wanted(waiter.need)) {
            // Nobody asked: this fetch followed a refresh. An asker gets the error and judges it.
            let message =
                format!("rehydrate_membership_if_needed: /api/v1/me fetch failed: {error}");
            effects.push(report(error.diagnostic_code(), "membership", message));
        }
        self.answer_memberships(user, &Rehydrate::Failed(error), effects);
    }

    /// Stores teams among which there is a private one.
    fn record(&mut self, stored: &Stored, profile: Box<Profile>, effects: &mut Effects) {
        let Some(issuer) = self.server.clone() else {
            return self.fail(AuthError::NoServer, effects);
        };
        let session_id = stored.session.session_id.clone();
        let teams = profile.teams.clone();
        self.launch(Job::Recording { profile }, effects, |ticket| {
            Effect::StoreTeams {
                ticket,
                session_id,
                teams,
                issuer,
            }
        });
    }

    pub(super) fn on_recorded(
        &mut self,
        profile: Profile,
        result: Result<Option<Stored>, StoreError>,
        effects: &mut Effects,
    ) {
        match result {
            Ok(Some(stored)) => {
                self.no_private_team = None;
                self.answer_memberships(User::of(&stored.session), &Rehydrate::Found, effects);
            }
            // Another session stands there by now; its askers are served from it.
            Ok(None) => {}
            Err(error) => {
                let message = format!("the teams are not stored: {error}");
                effects.push(report("sync.server_auth_failure", "membership", message));
                self.answer_memberships(User::named(&profile), &Rehydrate::Found, effects);
            }
        }
    }

    fn answer_memberships(&mut self, user: User<'_>, outcome: &Rehydrate, effects: &mut Effects) {
        self.waiters.retain(|waiter| {
            let Need::Membership { rehydrate } = waiter.need else {
                return true;
            };
            let outcome = if rehydrate {
                outcome.clone()
            } else {
                Rehydrate::NotWanted
            };
            let membership = user.membership(outcome);
            let answer = Answer::Membership(Ok(membership));
            effects.push(Effect::Answer(waiter.request, answer));
            false
        });
    }

    /// Serves everybody with the token of the environment, which nothing can refresh or store.
    pub(super) fn serve_environment(&mut self, token: Secret, effects: &mut Effects) {
        let Some(server) = self.server.clone() else {
            return self.fail(AuthError::NoServer, effects);
        };
        let token = AccessToken::new(token, server);
        let mut left = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            match (waiter.need, &self.environment_profile) {
                (Need::Token { rejected }, _) if rejected == Some(token.fingerprint()) => {
                    answer_error(&waiter, AuthError::EnvironmentTokenRejected, effects);
                }
                (Need::Token { .. }, _) => {
                    let answer = Answer::Token(Ok(token.clone()));
                    effects.push(Effect::Answer(waiter.request, answer));
                }
                (Need::Membership { rehydrate: true }, None) | (Need::Logout, _) => {
                    left.push(waiter);
                }
                (Need::Membership { rehydrate }, known) => {
                    let user = known.as_deref().map_or(User::UNKNOWN, User::named);
                    let outcome = match (private_team(user.teams), rehydrate) {
                        (Some(_), _) => Rehydrate::NotNeeded,
                        (None, true) => Rehydrate::RememberedNone,
                        (None, false) => Rehydrate::NotWanted,
                    };
                    let answer = Answer::Membership(Ok(user.membership(outcome)));
                    effects.push(Effect::Answer(waiter.request, answer));
                }
            }
        }
        self.waiters = left;
        if !self.waiters.is_empty() {
            self.launch(Job::FetchingForEnvironment, effects, |ticket| {
                Effect::FetchMe { ticket, token }
            });
        }
    }

    pub(super) fn on_environment_me(
        &mut self,
        answer: Result<MeAnswer, AuthError>,
        effects: &mut Effects,
    ) {
        let outcome = match answer {
            Ok(MeAnswer::Member(profile)) => {
                let outcome = match private_team(&profile.teams) {
                    Some(_) => Rehydrate::Found,
                    None => Rehydrate::FoundNone,
                };
                self.answer_memberships(User::named(&profile), &outcome, effects);
                self.environment_profile = Some(profile);
                return;
            }
            Ok(MeAnswer::Unauthorized) => Rehydrate::Failed(AuthError::EnvironmentTokenRejected),
            Ok(MeAnswer::Unusable(reason)) => Rehydrate::Failed(AuthError::Membership(reason)),
            Err(error) => Rehydrate::Failed(error),
        };
        self.answer_memberships(User::UNKNOWN, &outcome, effects);
    }
}

#[cfg(test)]
mod tests;

//! The refresh job: lock, compare, send, exchange (reference/auth-state-daemon.md 4).

use super::{AuthCore, Effect, Effects, Job, LockOutcome, Need, Unsaved, report};
use crate::auth::endpoints::RefreshAnswer;
use crate::auth::error::AuthError;
use crate::auth::messages::{EndReason, SessionEnded, SessionRefreshed};
use crate::auth::session::TokenPair;
use crate::auth::store::{Deleted, Exchanged, StoreError, Stored};
use crate::transport::TransportError;
use jiff::Timestamp;
use kitty_config::ServerUrl;

impl AuthCore {
    pub(super) fn on_lock(&mut self, outcome: LockOutcome, effects: &mut Effects) {
        match outcome {
            LockOutcome::Acquired => {
                self.holds_lock = true;
                self.launch(Job::Rereading, effects, Effect::Read);
            }
            LockOutcome::TimedOut => self.launch(Job::FallingBack, effects, Effect::Read),
            LockOutcome::Failed(reason) => self.fail(AuthError::Lock(reason), effects),
        }
    }

    /// Decides under the lock: somebody else's refresh is taken over, an old pair is sent.
    pub(super) fn on_reread(
        &mut self,
        now: Timestamp,
        result: Result<Option<Stored>, StoreError>,
        effects: &mut Effects,
    ) {
        match result {
            Err(error) => self.fail(AuthError::UnusableSession(error), effects),
            Ok(None) => self.fail(AuthError::SessionChanged, effects),
            Ok(Some(stored)) => match self.check(now, &stored) {
                Err(error) => self.fail(error, effects),
                Ok(server) if self.is_wanted(now, &stored) => {
                    self.adopt(now, stored, server, effects);
                }
                Ok(server) => self.send(stored, server, false, effects),
            },
        }
    }

    pub(super) fn on_fallback(
        &mut self,
        now: Timestamp,
        result: Result<Option<Stored>, StoreError>,
        effects: &mut Effects,
    ) {
        let Ok(Some(stored)) = result else {
            return self.fail(AuthError::RefreshInProgress, effects);
        };
        match self.check(now, &stored) {
            Ok(server) if self.is_wanted(now, &stored) => self.adopt(now, stored, server, effects),
            Ok(_) => self.fail(AuthError::RefreshInProgress, effects),
            Err(error) => self.fail(error, effects),
        }
    }

    /// Tells whether a stored session serves the askers: valid, and not what a server rejected.
    fn is_wanted(&self, now: Timestamp, stored: &Stored) -> bool {
        let fingerprint = Some(stored.session.access_fingerprint());
        let unwanted = self.rejected_by_me == fingerprint
            || self.waiters.iter().any(
                |waiter| matches!(waiter.need, Need::Token { rejected } if rejected == fingerprint),
            );
        stored.session.access_is_valid(now) && !unwanted
    }

    /// Takes over what another process stored.
    fn adopt(&mut self, now: Timestamp, stored: Stored, server: ServerUrl, effects: &mut Effects) {
        self.announce(&stored, effects);
        self.serve(now, stored, server, true, effects);
    }

    /// Ends a refresh that gave a session, whoever made it.
    fn announce(&mut self, stored: &Stored, effects: &mut Effects) {
        self.release(effects);
        self.rejected_by_me = None;
        effects.push(Effect::Refreshed(SessionRefreshed {
            session_id: stored.session.session_id.clone(),
            access_token_expires_at: stored.session.access_token_expires_at,
        }));
    }

    fn send(&mut self, stored: Stored, server: ServerUrl, retried: bool, effects: &mut Effects) {
        let refresh_token = stored.session.refresh_token.clone();
        let sent = Box::new(Stored {
            session: stored.session,
            issuer: Some(server.clone()),
        });
        self.launch(Job::Refreshing { sent, retried }, effects, |ticket| {
            Effect::SendRefresh {
                ticket,
                server,
                refresh_token,
            }
        });
    }

    pub(super) fn on_refreshed(
        &mut self,
        now: Timestamp,
        sent: Stored,
        retried: bool,
        answer: Result<RefreshAnswer, TransportError>,
        effects: &mut Effects,
    ) {
        let pair = sent.session.pair();
        match answer {
            Ok(RefreshAnswer::Granted(grant)) => {
                let renewed = Box::new(Stored {
                    session: grant.renew(&sent.session, now),
                    issuer: sent.issuer,
                });
                self.save(pair, renewed, effects);
            }
            Ok(RefreshAnswer::Expired) => {
                self.remove(pair, EndReason::RefreshTokenExpired, effects);
            }
            Ok(RefreshAnswer::Invalid) => self.remove(pair, EndReason::EndedByServer, effects),
            Ok(RefreshAnswer::Replay) if retried => self.fail(AuthError::RefreshReplay, effects),
            Ok(RefreshAnswer::Replay) => {
                self.launch(Job::Comparing { sent: pair }, effects, Effect::Read);
            }
            Ok(RefreshAnswer::Failed { status, body }) => {
                self.fail(AuthError::RefreshFailed { status, body }, effects);
            }
            Err(error) => self.fail(AuthError::Transport(error), effects),
        }
    }

    pub(super) fn save(
        &mut self,
        expected: TokenPair,
        renewed: Box<Stored>,
        effects: &mut Effects,
    ) {
        let (pair, next) = (expected.clone(), renewed.clone());
        self.launch(Job::Saving { expected, renewed }, effects, |ticket| {
            Effect::Exchange {
                ticket,
                expected: pair,
                next,
            }
        });
    }

    pub(super) fn on_saved(
        &mut self,
        now: Timestamp,
        expected: TokenPair,
        renewed: Box<Stored>,
        result: Result<Exchanged, StoreError>,
        effects: &mut Effects,
    ) {
        match result {
            Ok(Exchanged::Written) => {
                self.no_private_team = None;
                self.announce(&renewed, effects);
                match self.check(now, &renewed) {
                    Ok(server) => self.serve(now, *renewed, server, true, effects),
                    Err(error) => self.fail(error, effects),
                }
            }
            Ok(Exchanged::Superseded(Some(newer))) => self.on_newer(now, *newer, effects),
            Ok(Exchanged::Superseded(None)) => {
                effects.push(Effect::Ended(SessionEnded {
                    session_id: Some(expected.session_id),
                    reason: EndReason::DeletedElsewhere,
                }));
                self.fail(AuthError::NoSession, effects);
            }
            Err(error) => self.on_unsaved(now, Unsaved { expected, renewed }, error, effects),
        }
    }

    /// Keeps a session that the disk refused: its predecessor is used up on the server.
    fn on_unsaved(
        &mut self,
        now: Timestamp,
        unsaved: Unsaved,
        error: StoreError,
        effects: &mut Effects,
    ) {
        self.release(effects);
        effects.push(report(
            "sync.server_auth_failure",
            "auth_refresh",
            format!("the refreshed session is not stored: {error}"),
        ));
        let session = &unsaved.renewed.session;
        let server = self
            .check(now, &unsaved.renewed)
            .ok()
            .filter(|_| session.access_is_valid(now) && self.is_wanted(now, &unsaved.renewed));
        if let Some(server) = server {
            let token = crate::auth::AccessToken::new(session.access_token.clone(), server);
            self.waiters.retain(|waiter| {
                let is_token = matches!(waiter.need, Need::Token { .. });
                if is_token {
                    let answer = super::Answer::Token(Ok(token.clone()));
                    effects.push(Effect::Answer(waiter.request, answer));
                }
                !is_token
            });
        }
        self.unsaved = Some(unsaved);
        self.fail(AuthError::Store(error), effects);
    }

    /// Deletes the pair that the server rejected, unless another one is stored by now.
    fn remove(&mut self, rejected: TokenPair, reason: EndReason, effects: &mut Effects) {
        let only = Some(rejected.clone());
        self.launch(Job::Deleting { rejected, reason }, effects, |ticket| {
            Effect::Delete { ticket, only }
        });
    }

    pub(super) fn on_deleted(
        &mut self,
        now: Timestamp,
        rejected: &TokenPair,
        reason: EndReason,
        result: Result<Deleted, StoreError>,
        effects: &mut Effects,
    ) {
        match result {
            Ok(Deleted::Newer(newer)) => self.on_newer(now, *newer, effects),
            Ok(Deleted::Deleted | Deleted::Absent) => {
                effects.push(Effect::Ended(SessionEnded {
                    session_id: Some(rejected.session_id.clone()),
                    reason,
                }));
                let error = match reason {
                    EndReason::EndedByServer => AuthError::SessionInvalid,
                    _ => AuthError::RefreshTokenExpired,
                };
                self.fail(error, effects);
            }
            Err(error) => self.fail(AuthError::Store(error), effects),
        }
    }

    /// Somebody stored another session meanwhile: it is used or left alone, never removed.
    fn on_newer(&mut self, now: Timestamp, newer: Stored, effects: &mut Effects) {
        match self.check(now, &newer) {
            Ok(server) if self.is_wanted(now, &newer) => self.adopt(now, newer, server, effects),
            Ok(_) => self.fail(AuthError::SessionChanged, effects),
            Err(error) => self.fail(error, effects),
        }
    }

    /// After a replay: a newer stored pair is used, once; without one the asker has to know.
    pub(super) fn on_compared(
        &mut self,
        now: Timestamp,
        sent: &TokenPair,
        result: Result<Option<Stored>, StoreError>,
        effects: &mut Effects,
    ) {
        let newer = result.ok().flatten();
        let Some(newer) = newer.filter(|stored| stored.session.pair() != *sent) else {
            return self.fail(AuthError::RefreshReplay, effects);
        };
        match self.check(now, &newer) {
            Ok(server) if self.is_wanted(now, &newer) => self.adopt(now, newer, server, effects),
            Ok(server) => self.send(newer, server, true, effects),
            Err(error) => self.fail(error, effects),
        }
    }
}

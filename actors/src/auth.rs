//! The auth actor: the session, its tokens, and their renewal.
//!
//! `messages.rs` is the whole protocol, `core.rs` the thinking; this shell runs the effects through
//! four ports: the session store (blocking, on the blocking pool), the refresh lock, the transport
//! and the clock. Logging in is not part of the actor: it talks to a person for minutes, so it is a
//! plain function (`flows`) that a command runs and that ends by writing the store.

mod authorized;
mod core;
mod describe;
mod effects;
mod endpoints;
pub mod error;
pub mod flows;
pub mod messages;
pub mod pause;
mod ports;
pub mod refresh_lock;
pub mod report;
pub mod secret;
pub mod session;
pub mod session_status;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;

pub use self::authorized::{access_token, revoke, send_authorized};
pub use self::describe::{UNUSABLE_SESSION, describe};
pub use self::error::AuthError;
pub use self::ports::{AuthListeners, AuthPorts, environment_token};
pub use self::secret::{AccessToken, Secret, TokenFingerprint};

use self::core::{Answer, AuthCore, Input, RequestId};
use self::effects::on_blocking_thread;
use self::messages::{
    GetAccessToken, GetMembership, GetRevocation, GetSession, LoggedOut, Logout, Membership,
    Revocation, RevokeToken, SessionAnswer,
};
use self::refresh_lock::RefreshGuard;
use self::store::{ReadPurpose, StoreError};
use crate::supervise::{ExitGuard, caught};
use crate::transport::TransportError;
use actix::{Actor, AsyncContext as _, Context, Handler, ResponseFuture, SpawnHandle};
use kitty_config::ServerUrl;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;

enum Asker {
    Token(oneshot::Sender<Result<AccessToken, AuthError>>),
    Membership(oneshot::Sender<Result<Membership, AuthError>>),
    Logout(oneshot::Sender<Result<LoggedOut, StoreError>>),
}

/// Owns the session, the token pair and its refresh.
pub struct AuthActor {
    core: AuthCore,
    ports: AuthPorts,
    listeners: AuthListeners,
    server: Option<ServerUrl>,
    has_environment_token: bool,
    refresh_guard: Option<RefreshGuard>,
    exit_guard: Option<Arc<ExitGuard>>,
    askers: HashMap<RequestId, Asker>,
    deadlines: HashMap<RequestId, SpawnHandle>,
    last_request: u64,
}

/// Prints what it is bound to and how many wait, and no secret.
impl fmt::Debug for AuthActor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthActor")
            .field("server", &self.server)
            .field("has_environment_token", &self.has_environment_token)
            .field("askers", &self.askers.len())
            .finish_non_exhaustive()
    }
}

impl AuthActor {
    /// Creates the actor for one configured server, or for none; touches no file.
    #[must_use]
    pub fn new(
        server: Option<ServerUrl>,
        environment_token: Option<Secret>,
        ports: AuthPorts,
        listeners: AuthListeners,
    ) -> Self {
        Self {
            has_environment_token: environment_token.is_some(),
            core: AuthCore::new(server.clone(), environment_token),
            ports,
            listeners,
            server,
            refresh_guard: None,
            exit_guard: None,
            askers: HashMap::new(),
            deadlines: HashMap::new(),
            last_request: 0,
        }
    }

    /// Returns the actor with a guard that reports its end to the supervisor.
    #[must_use]
    pub fn with_guard(mut self, guard: ExitGuard) -> Self {
        self.exit_guard = Some(Arc::new(guard));
        self
    }

    /// Answers from a future; when that panics, `lost` is the answer and the supervisor is told.
    fn reply<T: 'static>(
        &self,
        work: impl Future<Output = T> + 'static,
        lost: impl FnOnce() -> T + 'static,
    ) -> ResponseFuture<T> {
        // A weak one: the guard speaks for the actor and must not outlive it in a reply.
        let guard = self.exit_guard.as_ref().map(Arc::downgrade);
        Box::pin(async move {
            match caught(work).await {
                Some(answer) => answer,
                None => {
                    if let Some(guard) = guard.and_then(|guard| guard.upgrade()) {
                        guard.reply_panicked();
                    }
                    lost()
                }
            }
        })
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        for effect in self.core.step(self.ports.time.now(), input) {
            self.perform(effect, context);
        }
    }

    /// Hands an answer over; an asker that went away needs none.
    fn answer(&mut self, request: RequestId, answer: Answer, context: &mut Context<Self>) {
        if let Some(deadline) = self.deadlines.remove(&request) {
            // Nothing may keep the actor alive once everybody has an answer.
            context.cancel_future(deadline);
        }
        let heard = match (self.askers.remove(&request), answer) {
            (Some(Asker::Token(asker)), Answer::Token(answer)) => asker.send(answer).is_ok(),
            (Some(Asker::Membership(asker)), Answer::Membership(answer)) => {
                asker.send(answer).is_ok()
            }
            (Some(Asker::Logout(asker)), Answer::LoggedOut(answer)) => asker.send(answer).is_ok(),
            _ => false,
        };
        if !heard {
            tracing::debug!(?request, "the asker went away before its answer came");
        }
    }

    fn register(&mut self, asker: Asker) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.askers.insert(request, asker);
        request
    }
}

impl Actor for AuthActor {
    type Context = Context<Self>;
}

impl Handler<GetSession> for AuthActor {
    type Result = ResponseFuture<SessionAnswer>;

    fn handle(&mut self, message: GetSession, _: &mut Context<Self>) -> Self::Result {
        if self.has_environment_token {
            return Box::pin(std::future::ready(describe::from_environment()));
        }
        let (store, now) = (Arc::clone(&self.ports.store), self.ports.time.now());
        let work = on_blocking_thread(store, move |store| Ok(describe(store, message.detail, now)));
        Box::pin(async move {
            work.await
                .unwrap_or_else(|error| describe::unusable(&error))
        })
    }
}

impl Handler<GetAccessToken> for AuthActor {
    type Result = ResponseFuture<Result<AccessToken, AuthError>>;

    fn handle(&mut self, message: GetAccessToken, context: &mut Context<Self>) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        let input = Input::AccessToken {
            request: self.register(Asker::Token(asker)),
            rejected: message.rejected,
            limit: message.limit,
        };
        self.step(input, context);
        Box::pin(async move { answer.await.unwrap_or(Err(AuthError::ActorStopped)) })
    }
}

impl Handler<GetMembership> for AuthActor {
    type Result = ResponseFuture<Result<Membership, AuthError>>;

    fn handle(&mut self, message: GetMembership, context: &mut Context<Self>) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        let input = Input::Membership {
            request: self.register(Asker::Membership(asker)),
            rehydrate: message.rehydrate,
            limit: message.limit,
        };
        self.step(input, context);
        Box::pin(async move { answer.await.unwrap_or(Err(AuthError::ActorStopped)) })
    }
}

impl Handler<Logout> for AuthActor {
    type Result = ResponseFuture<Result<LoggedOut, StoreError>>;

    fn handle(&mut self, _: Logout, context: &mut Context<Self>) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        let request = self.register(Asker::Logout(asker));
        self.step(Input::Logout { request }, context);
        Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Interrupted)) })
    }
}

impl Handler<GetRevocation> for AuthActor {
    type Result = ResponseFuture<Option<RevokeToken>>;

    fn handle(&mut self, _: GetRevocation, _: &mut Context<Self>) -> Self::Result {
        let (store, configured) = (Arc::clone(&self.ports.store), self.server.clone());
        let work = on_blocking_thread(store, |store| store.read(ReadPurpose::Inspect));
        let command = async move {
            let stored = work.await.ok().flatten()?;
            Some(RevokeToken {
                server: stored.issuer.or(configured)?,
                refresh_token: stored.session.refresh_token,
            })
        };
        self.reply(command, || None)
    }
}

impl Handler<RevokeToken> for AuthActor {
    type Result = ResponseFuture<Revocation>;

    fn handle(&mut self, command: RevokeToken, _: &mut Context<Self>) -> Self::Result {
        let transport = Arc::clone(&self.ports.transport);
        let lost = Revocation::NetworkError(TransportError::Broken {
            name: "the token revocation",
            endpoint: command.server.to_string(),
            reason: "the transport failed".to_owned(),
        });
        let revocation = async move {
            revoke(transport.as_ref(), &command.server, &command.refresh_token).await
        };
        self.reply(revocation, || lost)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;

//! Running the effects of the core through the ports.

use super::core::{Effect, Input, LockOutcome, Ticket};
use super::endpoints::{me_request, parse_me, parse_refresh, refresh_request};
use super::refresh_lock::REFRESH_LOCK_LIMIT;
use super::secret::Secret;
use super::store::{ReadPurpose, SessionStore, SharedStore, StoreError};
use super::{AccessToken, AuthActor, AuthError};
use actix::{
    ActorFutureExt as _, AsyncContext as _, Context, Recipient, SpawnHandle, WrapFuture as _,
};
use kitty_config::ServerUrl;
use std::sync::Arc;

impl AuthActor {
    /// Runs work whose outcome is the next input.
    fn spawn(
        &self,
        work: impl Future<Output = Input> + 'static,
        context: &mut Context<Self>,
    ) -> SpawnHandle {
        let work = work.into_actor(self);
        context.spawn(work.map(|input, actor, context| actor.step(input, context)))
    }

    pub(super) fn perform(&mut self, effect: Effect, context: &mut Context<Self>) {
        let store = Arc::clone(&self.ports.store);
        match effect {
            Effect::Read(ticket) => {
                let work = on_blocking_thread(store, |store| store.read(ReadPurpose::Use));
                self.spawn(async move { Input::Read(ticket, work.await) }, context);
            }
            Effect::Exchange {
                ticket,
                expected,
                next,
            } => {
                let work = on_blocking_thread(store, move |store| store.exchange(&expected, &next));
                self.spawn(async move { Input::Exchanged(ticket, work.await) }, context);
            }
            Effect::Delete { ticket, only } => {
                let work = on_blocking_thread(store, move |store| store.delete(only.as_ref()));
                self.spawn(async move { Input::Deleted(ticket, work.await) }, context);
            }
            Effect::StoreTeams {
                ticket,
                session_id,
                teams,
                issuer,
            } => {
                let work = on_blocking_thread(store, move |store| {
                    store.update_teams(&session_id, &teams, &issuer)
                });
                self.spawn(
                    async move { Input::TeamsStored(ticket, work.await) },
                    context,
                );
            }
            Effect::AcquireLock(ticket) => self.acquire_lock(ticket, context),
            Effect::ReleaseLock => self.refresh_guard = None,
            Effect::SendRefresh {
                ticket,
                server,
                refresh_token,
            } => self.send_refresh(ticket, &server, refresh_token, context),
            Effect::FetchMe { ticket, token } => self.fetch_me(ticket, token, context),
            Effect::Wake { request, after } => {
                let pause = self.ports.pauses.pause(after);
                let work = async move {
                    pause.await;
                    Input::DeadlinePassed { request }
                };
                let deadline = self.spawn(work, context);
                self.deadlines.insert(request, deadline);
            }
            Effect::Answer(request, answer) => self.answer(request, answer, context),
            Effect::Refreshed(event) => tell(&self.listeners.refreshed, &event),
            Effect::Ended(event) => tell(&self.listeners.ended, &event),
            Effect::Report(diagnostic) => tracing::warn!(
                code = diagnostic.code,
                phase = diagnostic.phase,
                "{}",
                diagnostic.message
            ),
        }
    }

    fn send_refresh(
        &self,
        ticket: Ticket,
        server: &ServerUrl,
        refresh_token: Secret,
        context: &mut Context<Self>,
    ) {
        let request = refresh_request(server, &refresh_token);
        let sending = self.ports.transport.send(request);
        let work = async move {
            let answer = sending.await;
            let answer = answer.map(|response| parse_refresh(&response, &refresh_token));
            Input::Refreshed(ticket, answer)
        };
        self.spawn(work, context);
    }

    fn fetch_me(&self, ticket: Ticket, token: AccessToken, context: &mut Context<Self>) {
        let transport = Arc::clone(&self.ports.transport);
        let work = async move {
            let answer = match me_request(&token) {
                Ok(request) => transport.send(request).await.map_err(AuthError::Transport),
                Err(error) => Err(error.into()),
            };
            Input::Me(ticket, answer.map(|response| parse_me(&response)))
        };
        self.spawn(work, context);
    }

    fn acquire_lock(&self, ticket: Ticket, context: &mut Context<Self>) {
        let (lock, pauses) = (self.ports.lock.clone(), Arc::clone(&self.ports.pauses));
        let work = async move { lock.enter(pauses.as_ref(), REFRESH_LOCK_LIMIT).await };
        let work = work.into_actor(self).map(move |entered, actor, context| {
            let outcome = match entered {
                Ok(Some(guard)) => {
                    actor.refresh_guard = Some(guard);
                    LockOutcome::Acquired
                }
                Ok(None) => LockOutcome::TimedOut,
                Err(error) => LockOutcome::Failed(error.to_string()),
            };
            actor.step(Input::Locked(ticket, outcome), context);
        });
        context.spawn(work);
    }
}

/// Tells the listeners; each event repeats what the store says, so a missed one is no loss.
fn tell<E>(listeners: &[Recipient<E>], event: &E)
where
    E: actix::Message<Result = ()> + Clone + Send,
{
    for listener in listeners {
        if let Err(error) = listener.try_send(event.clone()) {
            tracing::debug!(%error, "a listener of the auth actor missed an event");
        }
    }
}

/// Runs work on the store where blocking is allowed.
pub(super) async fn on_blocking_thread<T: Send + 'static>(
    store: SharedStore,
    work: impl FnOnce(&dyn SessionStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(move || work(store.as_ref()))
        .await
        .unwrap_or(Err(StoreError::Interrupted))
}

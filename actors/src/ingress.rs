//! IngressResolverActor: the only one who decides which Teamspace may receive events.

pub mod core;
pub mod messages;

use crate::auth::messages::{
    GetMembership, GetSession, Membership, Rehydrate, SessionDetail, SessionOrigin,
};
use crate::auth::{AuthActor, AuthError};
use crate::host_memory::HostMemories;
use crate::supervise::{AskError, Child, ExitGuard, caught};
use actix::{Actor, Context, Handler, ResponseFuture};
use core::{Account, Effect, IngressCore, Input, Lookup};
use kitty_config::ServerUrl;
use kitty_runtime::owner::now_ms;
use kitty_runtime::time::SharedTime;
use messages::{IngressAnswer, IngressSkipped, ResolveIngress};
use std::sync::Arc;
use std::time::Duration;

/// What the resolver works with.
#[derive(Debug, Clone)]
pub struct IngressPorts {
    /// Whether hosted sync is on.
    pub hosted_sync: bool,
    /// The configured server.
    pub server: Option<ServerUrl>,
    /// The session.
    pub auth: Child<AuthActor>,
    /// What is remembered of the server.
    pub memories: HostMemories,
    /// The time.
    pub time: SharedTime,
}

/// Resolves ingress; one resolution at a time needs nothing of another.
#[derive(Debug)]
pub struct IngressResolverActor {
    ports: IngressPorts,
    guard: Arc<ExitGuard>,
}

impl IngressResolverActor {
    /// Creates the actor.
    #[must_use]
    pub fn new(ports: IngressPorts, guard: ExitGuard) -> Self {
        Self {
            ports,
            guard: Arc::new(guard),
        }
    }
}

impl Actor for IngressResolverActor {
    type Context = Context<Self>;
}

impl Handler<ResolveIngress> for IngressResolverActor {
    type Result = ResponseFuture<IngressAnswer>;

    fn handle(&mut self, ask: ResolveIngress, _: &mut Self::Context) -> Self::Result {
        // A weak one: the guard speaks for the actor and must not outlive it in a reply.
        let (ports, guard) = (self.ports.clone(), Arc::downgrade(&self.guard));
        Box::pin(async move {
            caught(resolve(ports, ask)).await.unwrap_or_else(|| {
                if let Some(guard) = guard.upgrade() {
                    guard.reply_panicked();
                }
                failed(&ask, "the ingress resolver failed; run the command again")
            })
        })
    }
}

fn failed(ask: &ResolveIngress, why: &str) -> IngressAnswer {
    IngressAnswer::Skipped(IngressSkipped {
        endpoint: ask.endpoint,
        rehydrate_attempted: false,
        lookup_failed: Some(why.to_owned()),
    })
}

async fn resolve(ports: IngressPorts, ask: ResolveIngress) -> IngressAnswer {
    let mut core = IngressCore::new(ask.endpoint);
    let server = ports.server.as_ref().map(ToString::to_string);
    let mut effects = core.step(Input::Asked {
        hosted_sync: ports.hosted_sync,
        server,
    });
    loop {
        let mut next = None;
        for effect in effects {
            match effect {
                Effect::LookAtSession => {
                    next = Some(Input::Session(ports.account(ask.limit).await));
                }
                Effect::Remember(user_id) => {
                    next = Some(Input::Remembered(!ask.insist && ports.remembers(&user_id)));
                }
                Effect::LookUp => next = Some(Input::LookedUp(ports.look_up(ask.limit).await)),
                Effect::NoteFruitless(user_id) => ports.note_fruitless(&user_id),
                Effect::Answer(answer) => return answer,
            }
        }
        let Some(input) = next else {
            return failed(
                &ask,
                "the ingress resolver came to no answer; run the command again",
            );
        };
        effects = core.step(input);
    }
}

fn looked_up(membership: Membership) -> Lookup {
    let team = membership.private_team().map(|team| team.id.clone());
    match (membership.user_id, team, membership.rehydrate) {
        (Some(user_id), Some(team), _) => Lookup::Private { user_id, team },
        (_, _, Rehydrate::Failed(error @ AuthError::EnvironmentTokenRejected)) => {
            Lookup::NotAuthenticated(error.to_string())
        }
        (_, _, Rehydrate::Failed(error)) => Lookup::Failed(error.to_string()),
        _ => Lookup::None,
    }
}

impl IngressPorts {
    /// Looks at the session; a token of the environment is nobody's before a server is asked.
    async fn account(&self, limit: Duration) -> Result<Option<Account>, String> {
        let question = GetSession {
            detail: SessionDetail::Summary,
        };
        let answer = self
            .auth
            .ask(question, limit)
            .await
            .map_err(|error| error.to_string())?;
        if answer.origin == SessionOrigin::Environment {
            return Ok(None);
        }
        let Some(summary) = answer.summary else {
            let why = answer.diagnostic.map(|diagnostic| diagnostic.message);
            return Err(why.unwrap_or_else(|| AuthError::NoSession.to_string()));
        };
        match (&summary.issuer, &self.server) {
            (Some(issuer), Some(server)) if issuer != server => Err(AuthError::OtherIssuer {
                issuer: issuer.to_string(),
                configured: server.to_string(),
            }
            .to_string()),
            _ => Ok(Some(Account {
                private_team: summary.private_team().map(|team| team.id.clone()),
                user_id: summary.user_id,
            })),
        }
    }

    fn remembers(&self, user_id: &str) -> bool {
        let now = now_ms(&self.time);
        self.server
            .as_ref()
            .is_some_and(|server| self.memories.of(server).lacks_private_team(user_id, now))
    }

    async fn look_up(&self, limit: Duration) -> Lookup {
        let question = GetMembership {
            rehydrate: true,
            limit,
        };
        match self.auth.ask(question, limit).await {
            Ok(Ok(membership)) => {
                if let Rehydrate::Failed(error) = &membership.rehydrate {
                    self.note_failure(error);
                }
                looked_up(membership)
            }
            Ok(Err(error)) => {
                self.note_failure(&error);
                if error.means_logged_out() {
                    Lookup::NotAuthenticated(error.to_string())
                } else {
                    Lookup::Failed(error.to_string())
                }
            }
            Err(
                error @ (AskError::Timeout { .. }
                | AskError::Unavailable { .. }
                | AskError::Panicked { .. }),
            ) => Lookup::Failed(error.to_string()),
        }
    }

    /// Lets the server rest that gave nothing; the account may have a team all the same.
    fn note_failure(&self, error: &AuthError) {
        if let Some(server) = self
            .server
            .as_ref()
            .filter(|_| error.comes_from_the_server())
        {
            let now = now_ms(&self.time);
            self.memories.update(server, |memory| memory.failed(now));
        }
    }

    fn note_fruitless(&self, user_id: &str) {
        if let Some(server) = &self.server {
            let now = now_ms(&self.time);
            self.memories
                .update(server, |memory| memory.found_no_private_team(user_id, now));
        }
    }
}

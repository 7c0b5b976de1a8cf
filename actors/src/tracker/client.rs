//! Runs requests to the tracker: session, team, idempotency key, retries, polling.

use super::core::{Next, OPERATION_LIMIT, Operation, Pauses, judge, operation, stale};
use super::error::TrackerError;
use super::identity::{BindIdentity, GatedIdentity};
use super::requests::TrackerRequest;
use crate::auth::messages::GetMembership;
use crate::auth::pause::SharedPauses;
use crate::auth::session::Team;
use crate::auth::{AuthActor, send_authorized};
use crate::gate::GateActor;
use crate::gate::gated;
use crate::gate::messages::CheckOutbound;
use crate::supervise::Child;
use crate::transport::{HttpRequest, HttpResponse, SharedTransport};
use kitty_config::ServerUrl;
use kitty_contract::Context;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// How long one exchange may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long the session's actor may take, a refresh included.
const TOKEN_LIMIT: Duration = Duration::from_secs(20);
/// How long the gate may take; it computes only.
const GATE_LIMIT: Duration = Duration::from_secs(5);

/// Talks to the tracker of one server, as one team.
#[derive(Debug)]
pub struct TrackerClient {
    server: ServerUrl,
    auth: Child<AuthActor>,
    gate: Child<GateActor>,
    transport: SharedTransport,
    pauses: SharedPauses,
    team: String,
}

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct TrackerPorts {
    /// The server.
    pub server: ServerUrl,
    /// The session.
    pub auth: Child<AuthActor>,
    /// Lets identities pass.
    pub gate: Child<GateActor>,
    /// The network.
    pub transport: SharedTransport,
    /// Lets time pass.
    pub pauses: SharedPauses,
}

impl TrackerClient {
    /// Finds out as which team to speak; asks the server when the session does not know.
    ///
    /// # Errors
    /// [`TrackerError::Teams`] unless the account has a Private Teamspace and exactly one other.
    pub async fn connect(ports: TrackerPorts) -> Result<Self, TrackerError> {
        let ask = GetMembership {
            rehydrate: true,
            limit: TOKEN_LIMIT,
        };
        let grace = TOKEN_LIMIT + Duration::from_secs(1);
        let membership = ports.auth.ask(ask, grace).await??;
        let team = collaborative(&membership.teams).ok_or(TrackerError::Teams)?;
        Ok(Self {
            team: team.id.clone(),
            server: ports.server,
            auth: ports.auth,
            gate: ports.gate,
            transport: ports.transport,
            pauses: ports.pauses,
        })
    }

    /// Lets a project's identity pass the gate, in the context of a bind.
    ///
    /// # Errors
    /// [`TrackerError::Contract`] names what is wrong with it; nothing was sent.
    pub async fn gate(&self, identity: &BindIdentity) -> Result<GatedIdentity, TrackerError> {
        let check = CheckOutbound {
            context: Context::TrackerBind,
            json: identity.to_bytes(),
        };
        let verdict = self.gate.ask(check, GATE_LIMIT).await?;
        verdict
            .map(GatedIdentity::new)
            .map_err(TrackerError::Contract)
    }

    /// Sends a request and returns its result, however the server takes its time.
    ///
    /// Every call is an operation of its own: its idempotency key is drawn anew and stays the same
    /// through its retries, so that asking twice asks the server twice.
    ///
    /// # Errors
    /// [`TrackerError`].
    pub async fn call(&self, request: &TrackerRequest) -> Result<Value, TrackerError> {
        let key = if request.writes {
            Some(operation_key(request)?)
        } else {
            None
        };
        let result = self.exchange(request, key.as_deref()).await;
        result.map_err(|error| stale(error, request.binding.as_ref()))
    }

    async fn exchange(
        &self,
        request: &TrackerRequest,
        key: Option<&str>,
    ) -> Result<Value, TrackerError> {
        let mut is_repeat = false;
        loop {
            let answer = self.send(request, key).await?;
            match judge(request.name, &answer, is_repeat) {
                Next::Done(result) => return Ok(result),
                Next::Failed(error) => return Err(error),
                Next::Repeat(wait) => {
                    is_repeat = true;
                    self.pauses.pause(wait).await;
                }
                Next::Poll(id) => return self.wait_for(&id).await,
            }
        }
    }

    /// Looks at an operation until it ends or its time is up.
    async fn wait_for(&self, id: &str) -> Result<Value, TrackerError> {
        let timed_out = || TrackerError::OperationTimedOut {
            operation: id.to_owned(),
            seconds: OPERATION_LIMIT.as_secs(),
        };
        let ended = tokio::time::timeout(OPERATION_LIMIT, async {
            let request = TrackerRequest::operation(id);
            let mut pauses = Pauses::default();
            loop {
                let answer = Box::pin(self.look(&request)).await?;
                match operation(request.name, &answer) {
                    Operation::Completed(result) => return Ok(result),
                    Operation::Failed(error) => return Err(error),
                    Operation::Pending => {
                        let mut chance = [128];
                        // Without randomness the pause has its nominal length.
                        let _ = getrandom::fill(&mut chance);
                        let pause = pauses.next(chance[0]).ok_or_else(timed_out)?;
                        self.pauses.pause(pause).await;
                    }
                }
            }
        });
        ended.await.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn look(&self, request: &TrackerRequest) -> Result<Value, TrackerError> {
        let mut is_repeat = false;
        loop {
            let answer = self.send(request, None).await?;
            match judge(request.name, &answer, is_repeat) {
                Next::Done(body) => return Ok(body),
                Next::Failed(error) => return Err(error),
                Next::Repeat(wait) => {
                    is_repeat = true;
                    self.pauses.pause(wait).await;
                }
                Next::Poll(_) => {
                    return Err(TrackerError::Answer {
                        name: request.name,
                        reason: "an operation that is an operation".to_owned(),
                    });
                }
            }
        }
    }

    async fn send(
        &self,
        request: &TrackerRequest,
        key: Option<&str>,
    ) -> Result<HttpResponse, TrackerError> {
        let url = self.server.endpoint(&request.target);
        let mut http = HttpRequest::new(request.name, request.method, url, REQUEST_LIMIT)
            .header("X-Team-Slug", &self.team);
        if let Some(key) = key {
            http = http.header("Idempotency-Key", key);
        }
        if let Some(body) = &request.body {
            http = http.json(&gated::request(body).map_err(TrackerError::Contract)?);
        }
        let sent = send_authorized(&self.auth, &*self.transport, http, TOKEN_LIMIT).await;
        Ok(sent?)
    }
}

/// Returns the one team that is not private, if there is a private one as well.
fn collaborative(teams: &[Team]) -> Option<&Team> {
    let mut others = teams.iter().filter(|team| !team.is_private_teamspace);
    let only = others.next().filter(|_| others.next().is_none())?;
    let has_private = teams.iter().any(|team| team.is_private_teamspace);
    has_private.then_some(only)
}

/// Draws the key of one logical operation.
fn operation_key(request: &TrackerRequest) -> Result<String, TrackerError> {
    let mut drawn = [0; 32];
    getrandom::fill(&mut drawn).map_err(|error| TrackerError::Randomness(error.to_string()))?;
    let digest = Sha256::new()
        .chain_update(drawn)
        .chain_update(request.target.as_bytes())
        .finalize();
    Ok(format!("logical-operation:write:{}", hex::encode(digest)))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;

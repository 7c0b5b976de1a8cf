//! Readiness: whether a hosted command has what it needs, and the one next step if not.
//!
//! `messages.rs` has the states and their exact words, `core.rs` the order; this shell finds the
//! answers out. It reads only, never fails, and sends at most one HEAD request, without a token.
//! It never decides whether the daemon starts (082 contract).

pub mod core;
pub mod messages;

use self::core::{Facts, Host, Known, Question, Reach, Step, step};
use crate::auth::AuthActor;
use crate::auth::messages::{GetSession, SessionDetail};
use crate::supervise::{Child, caught};
use crate::transport::{HttpRequest, Method, SharedTransport};
use kitty_config::ServerUrl;
use messages::{Readiness, Requirements};
use std::fmt;
use std::time::Duration;

/// How long the probe may take in total: one try.
pub const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// How long the session's actor may take; it reads one file.
const SESSION_LIMIT: Duration = Duration::from_secs(2);

/// Where the answers come from.
pub struct ReadinessPorts<'a> {
    /// Whether the machine has opted in.
    pub hosted_sync: bool,
    /// The session.
    pub auth: &'a Child<AuthActor>,
    /// The configured server.
    pub host: Host,
    /// The network, for the probe.
    pub transport: &'a SharedTransport,
    /// Reads whether the project is bound.
    pub binding: &'a dyn Fn() -> Known<bool>,
    /// What the binding is missing for, as the message names it.
    pub subject: String,
}

impl fmt::Debug for ReadinessPorts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReadinessPorts")
            .field("hosted_sync", &self.hosted_sync)
            .field("host", &self.host)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Evaluates the readiness of a command; a fault inside is an answer too.
pub async fn evaluate(ports: &ReadinessPorts<'_>, requirements: Requirements) -> Readiness {
    let evaluated = caught(find_out(ports, requirements)).await;
    evaluated.unwrap_or_else(|| {
        Readiness::host_unreachable(None).with("error", "the evaluation failed inside")
    })
}

async fn find_out(ports: &ReadinessPorts<'_>, requirements: Requirements) -> Readiness {
    let mut facts = Facts {
        subject: ports.subject.clone(),
        ..Facts::default()
    };
    loop {
        match step(requirements, &facts) {
            Step::Done(readiness) => return readiness,
            Step::Ask(Question::Rollout) => facts.rollout = Some(Ok(ports.hosted_sync)),
            Step::Ask(Question::Session) => facts.session = Some(session(ports.auth).await),
            Step::Ask(Question::Host) => facts.host = Some(Ok(ports.host.clone())),
            Step::Ask(Question::Reach(server)) => {
                facts.reach = Some(Ok(probe(ports.transport, &server).await));
            }
            Step::Ask(Question::Binding) => facts.binding = Some((ports.binding)()),
        }
    }
}

async fn session(auth: &Child<AuthActor>) -> Known<bool> {
    let ask = GetSession {
        detail: SessionDetail::Presence,
    };
    let answer = auth.ask(ask, SESSION_LIMIT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    Ok(answer.is_authenticated())
}

/// Asks the server once whether it answers; a status of 400 or more is no (reference 7).
async fn probe(transport: &SharedTransport, server: &ServerUrl) -> Reach {
    let request = HttpRequest::new(
        "the readiness probe",
        Method::Head,
        server.endpoint("/"),
        PROBE_LIMIT,
    );
    let answer = tokio::time::timeout(PROBE_LIMIT, transport.send(request)).await;
    match answer {
        Ok(Ok(response)) if response.status < 400 => Reach::Answered,
        Ok(Ok(response)) => Reach::Failed(format!("HTTP {}", response.status)),
        Ok(Err(error)) => Reach::Failed(error.to_string()),
        Err(_) => Reach::Failed(format!("no answer within {} ms", PROBE_LIMIT.as_millis())),
    }
}

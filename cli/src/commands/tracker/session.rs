//! What every tracker command goes through: the checks, and then the client.

use super::binding::{self, refuse_egress, refuse_local_provider, route};
use super::providers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::Invocation;
use kitty_actors::readiness::core::Host;
use kitty_actors::readiness::messages::{Readiness, Requirements};
use kitty_actors::readiness::{ReadinessPorts, evaluate};
use kitty_actors::tracker::client::TrackerPorts;
use kitty_actors::tracker::{Route, TrackerClient, TrackerError, TrackerRequest};
use kitty_config::{ServerUrl, Settings, resolve_host};
use kitty_missions::project::tracker::TrackerBinding;
use serde_json::Value;

/// The commands that talk about the tracker, for the table of what each needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `discover`
    Discover,
    /// `bind`
    Bind,
    /// `status`
    Status,
    /// `map add`
    MapAdd,
    /// `map list`
    MapList,
    /// `map list --provider`, `list-tickets` and `issue-search`
    Browse,
    /// `sync pull|push|run|publish`
    Sync,
    /// `unbind`
    Unbind,
}

impl Verb {
    /// Returns what the command needs beyond opt-in, session and host (082 contract).
    ///
    /// `discover` needs no binding: it is how a project that is not bound finds what to bind to.
    pub const fn requirements(self) -> Requirements {
        let (binding, reachability) = match self {
            Self::Discover | Self::Bind | Self::Browse => (false, false),
            Self::Status | Self::MapAdd | Self::MapList | Self::Unbind => (true, false),
            Self::Sync => (true, true),
        };
        Requirements {
            binding,
            reachability,
        }
    }

    /// Tells whether the command sends something of this project.
    const fn sends(self) -> bool {
        !matches!(self, Self::MapAdd | Self::Unbind)
    }
}

/// A command whose prerequisites hold.
pub struct Session<'a> {
    /// What the command started from.
    pub invocation: &'a Invocation,
    /// What the project is bound to; empty where there is no project.
    pub binding: TrackerBinding,
    hosted: &'a Hosted,
    server: ServerUrl,
}

/// Checks the prerequisites of a command and runs it, or says what is missing.
///
/// # Errors
/// [`Failure`] of the command, or when the project forbids it.
pub fn within(
    invocation: &Invocation,
    verb: Verb,
    json: bool,
    work: impl AsyncFnOnce(&Session<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let settings = invocation.settings();
    let place = binding::Place::find(invocation);
    if let Ok(Some(binding)) = &place.binding {
        refuse_local_provider(binding)?;
    }
    // A binding that cannot be read stops the others in the checks below before anybody is asked.
    let needs = verb.requirements();
    let asks = place.binding.is_ok() || needs.reachability || !needs.binding;
    if verb.sends() && asks {
        refuse_egress(invocation, &place)?;
    }
    within_actors(async {
        let hosted = Hosted::start(invocation, &settings);
        let host = host(invocation, &settings);
        let readiness = check(invocation, &hosted, host.clone(), &place, verb).await;
        let outcome = match (readiness.is_ready(), host) {
            (true, Host::Named(server)) => {
                let session = Session {
                    invocation,
                    binding: place.binding.unwrap_or_default().unwrap_or_default(),
                    hosted: &hosted,
                    server,
                };
                work(&session).await
            }
            _ => Ok(not_ready(invocation, &readiness, json)),
        };
        hosted.shut_down().await;
        outcome
    })
}

async fn check(
    invocation: &Invocation,
    hosted: &Hosted,
    host: Host,
    place: &binding::Place,
    verb: Verb,
) -> Readiness {
    let ports = ReadinessPorts {
        hosted_sync: invocation.hosted_sync(),
        auth: hosted.system.auth(),
        host,
        transport: &hosted.transport,
        binding: &|| place.is_bound(),
        subject: place.subject.clone(),
    };
    evaluate(&ports, verb.requirements()).await
}

fn host(invocation: &Invocation, settings: &Settings) -> Host {
    match resolve_host(&invocation.environment, settings) {
        Ok(Some(host)) => Host::Named(host.url),
        Ok(None) => Host::None,
        Err(error) => Host::Unusable(error.to_string()),
    }
}

/// Says what is missing: the stable lines, or one document.
fn not_ready(invocation: &Invocation, readiness: &Readiness, json: bool) -> Exit {
    let printer = invocation.printer;
    if json {
        printer.json().finish_indented(&readiness.document());
    } else {
        for line in readiness.lines() {
            printer.line(line);
        }
    }
    Exit::Failed
}

impl Session<'_> {
    /// Connects to the tracker as the account's team.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn client(&self) -> Result<TrackerClient, Failure> {
        let ports = TrackerPorts {
            server: self.server.clone(),
            auth: self.hosted.system.auth().clone(),
            gate: self.hosted.system.gate().clone(),
            transport: self.hosted.transport.clone(),
            pauses: self.hosted.pauses.clone(),
        };
        TrackerClient::connect(ports).await.map_err(failed)
    }

    /// Sends one request and returns its result.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn call(&self, request: &TrackerRequest) -> Result<Value, Failure> {
        self.client().await?.call(request).await.map_err(failed)
    }

    /// Returns the bound resource; the readiness of the command has made sure that there is one.
    ///
    /// # Errors
    /// [`Failure`] when the bound provider is not one that the server knows.
    pub fn route(&self) -> Result<Route, Failure> {
        let provider = self.binding.provider.as_deref().unwrap_or_default();
        Ok(route(providers::hosted(provider)?, &self.binding))
    }

    /// Returns the route of a provider: the bound resource if the project is bound to that provider.
    ///
    /// # Errors
    /// [`Failure`] when this program does not know the provider.
    pub fn route_of(&self, provider: &str) -> Result<Route, Failure> {
        let provider = providers::hosted(provider)?;
        if self.binding.provider.as_deref() == Some(provider) {
            Ok(route(provider, &self.binding))
        } else {
            Ok(Route::provider(provider))
        }
    }

    /// Returns the reference that an answer has and the project has not stored; never stored here.
    pub fn pending_upgrade(&self, answer: &Value) -> Option<String> {
        let offered = answer.get("binding_ref")?.as_str()?;
        let is_new = !offered.is_empty() && self.binding.binding_ref.as_deref() != Some(offered);
        is_new.then(|| offered.to_owned())
    }
}

/// Turns a failure of the tracker into that of the command.
pub fn failed(error: TrackerError) -> Failure {
    let kind = match &error {
        TrackerError::Refused { .. } => "tracker_refused",
        TrackerError::StaleBinding { .. } => "tracker_binding_stale",
        TrackerError::Teams => "tracker_teams",
        TrackerError::OperationTimedOut { .. } => "tracker_operation_timed_out",
        TrackerError::Contract(_) => "contract_violation",
        TrackerError::Auth(_) => "tracker_not_asked",
        _ => "tracker_failed",
    };
    Failure::from_error(kind, error)
}

/// Returns a field of an answer as text for people, on one line and without control characters.
pub fn text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return "unknown".to_owned(),
        other => other.to_string(),
    };
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_needs_what_the_contract_says() {
        for (verb, binding, reachability) in [
            (Verb::Discover, false, false),
            (Verb::Bind, false, false),
            (Verb::Browse, false, false),
            (Verb::Status, true, false),
            (Verb::MapAdd, true, false),
            (Verb::MapList, true, false),
            (Verb::Unbind, true, false),
            (Verb::Sync, true, true),
        ] {
            let expected = Requirements {
                binding,
                reachability,
            };
            assert_eq!(verb.requirements(), expected, "{verb:?}");
        }
    }

    #[test]
    fn an_answer_cannot_write_escape_sequences_to_a_terminal() {
        assert_eq!(text(&"a\u{1b}[2Jb\nc".into()), "a [2Jb c");
        assert_eq!(text(&7.into()), "7");
    }
}

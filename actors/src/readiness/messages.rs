//! What is asked about readiness and what is answered; the wordings are byte-exact (082 contract).

use kitty_config::ServerUrl;
use serde_json::{Map, Value, json};

/// What a command needs beyond opt-in, session and host, which every hosted command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirements {
    /// The project must be bound to a resource of a tracker.
    pub binding: bool,
    /// The server must answer one HEAD request.
    pub reachability: bool,
}

/// Which prerequisite is missing, in the order in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The machine has not opted in.
    RolloutDisabled,
    /// Nobody is logged in.
    MissingAuth,
    /// No server is named.
    MissingHostConfig,
    /// The server does not answer, or the evaluation itself failed.
    HostUnreachable,
    /// The project is bound to nothing.
    MissingMissionBinding,
    /// Nothing is missing.
    Ready,
}

impl State {
    /// Every state, in order.
    pub const ALL: [Self; 6] = [
        Self::RolloutDisabled,
        Self::MissingAuth,
        Self::MissingHostConfig,
        Self::HostUnreachable,
        Self::MissingMissionBinding,
        Self::Ready,
    ];

    /// Returns the stable word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RolloutDisabled => "rollout_disabled",
            Self::MissingAuth => "missing_auth",
            Self::MissingHostConfig => "missing_host_config",
            Self::HostUnreachable => "host_unreachable",
            Self::MissingMissionBinding => "missing_mission_binding",
            Self::Ready => "ready",
        }
    }
}

/// The outcome of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// What is missing first.
    pub state: State,
    /// The sentence that names it; empty when ready.
    pub message: String,
    /// The one next step; `None` when ready.
    pub next_action: Option<String>,
    /// What else is known: `server_url`, `error`, `subject`.
    pub details: Map<String, Value>,
}

impl Readiness {
    fn new(state: State, message: impl Into<String>, next_action: Option<String>) -> Self {
        Self {
            state,
            message: message.into(),
            next_action,
            details: Map::new(),
        }
    }

    /// Nothing is missing.
    #[must_use]
    pub fn ready() -> Self {
        Self::new(State::Ready, "", None)
    }

    /// The machine has not opted in.
    #[must_use]
    pub fn rollout_disabled() -> Self {
        Self::new(
            State::RolloutDisabled,
            "Hosted SaaS sync is not enabled on this machine.",
            Some("Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.".to_owned()),
        )
    }

    /// Nobody is logged in.
    #[must_use]
    pub fn missing_auth() -> Self {
        Self::new(
            State::MissingAuth,
            "No SaaS authentication token is present.",
            Some("Run `spec-kitty auth login`.".to_owned()),
        )
    }

    /// No server is named.
    #[must_use]
    pub fn missing_host_config() -> Self {
        Self::new(
            State::MissingHostConfig,
            "No SaaS host URL is configured.",
            Some("Set `SPEC_KITTY_SAAS_URL` in your environment.".to_owned()),
        )
    }

    /// The server does not answer; `server` is unknown when the evaluation failed before.
    #[must_use]
    pub fn host_unreachable(server: Option<&ServerUrl>) -> Self {
        let address = server.map_or("the configured server", ServerUrl::as_str);
        let mut readiness = Self::new(
            State::HostUnreachable,
            "The configured SaaS host did not respond within 2 seconds.",
            Some(format!(
                "Check network connectivity to `{address}` and retry."
            )),
        );
        if let Some(server) = server {
            readiness = readiness.with("server_url", server.as_str());
        }
        readiness
    }

    /// The project is bound to nothing.
    #[must_use]
    pub fn missing_mission_binding(subject: &str) -> Self {
        Self::new(
            State::MissingMissionBinding,
            format!("No tracker binding exists for feature `{subject}`."),
            Some("Run `spec-kitty tracker bind` from this repo.".to_owned()),
        )
        .with("subject", subject)
    }

    /// Returns it with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Tells whether nothing is missing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Returns the one document of `--json`.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "state": self.state.as_str(),
            "message": self.message,
            "next_action": self.next_action,
            "details": self.details,
        })
    }

    /// Returns the stable lines for people: message, blank line, next action.
    #[must_use]
    pub fn lines(&self) -> Vec<&str> {
        match &self.next_action {
            Some(action) => vec![&self.message, "", action],
            None => vec![&self.message],
        }
    }
}

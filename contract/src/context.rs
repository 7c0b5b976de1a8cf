//! The surfaces that a value can leave the machine through.

use std::fmt;

/// Which section of the contract a value is checked against.
///
/// One context per outbound surface, as the upstream gate names them (document 4, FR-012).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// An event envelope: its own keys, and legacy keys at any depth.
    ///
    /// The payload's rules are not part of it; [`crate::Gate::check_event`] adds them.
    Envelope,
    /// A payload with the name of its event type: `{"event_type": …, "payload": …}`.
    Payload,
    /// A body upload request.
    BodySync,
    /// The project identity of a tracker bind request.
    TrackerBind,
    /// The data of a successful orchestrator-api answer that concerns a mission.
    OrchestratorApi,
    /// Any other request with a JSON body: tracker calls, what is said over the WebSocket.
    ///
    /// It has no shape of its own; the artifact's keys that no value may have bind it as well.
    Request,
}

impl Context {
    /// Every context, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::Envelope,
        Self::Payload,
        Self::BodySync,
        Self::TrackerBind,
        Self::OrchestratorApi,
        Self::Request,
    ];

    /// The context's name in the artifact and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Payload => "payload",
            Self::BodySync => "body_sync",
            Self::TrackerBind => "tracker_bind",
            Self::OrchestratorApi => "orchestrator_api",
            Self::Request => "request",
        }
    }

    /// The context of this name; nothing for an unknown one, where the upstream gate would
    /// let everything pass.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.name() == name)
    }
}

impl fmt::Display for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

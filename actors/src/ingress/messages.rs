//! The protocol of the ingress resolver.

use actix::Message;
use kitty_runtime::target::DeliveryTarget;
use std::time::Duration;

/// Asks which Private Teamspace may receive what is sent to an endpoint.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "IngressAnswer")]
pub struct ResolveIngress {
    /// The endpoint, for example `/api/v1/events/batch/`.
    pub endpoint: &'static str,
    /// Whether a lookup that was remembered to fail is made again all the same.
    pub insist: bool,
    /// How long the asker waits.
    pub limit: Duration,
}

/// Where events may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngressAnswer {
    /// To this Private Teamspace.
    Direct(DeliveryTarget),
    /// Nowhere: hosted sync is off; nothing is said about it.
    Off,
    /// Nowhere: no server is configured.
    NoHost,
    /// Nowhere: nobody is logged in, or the session cannot be used here.
    NotAuthenticated {
        /// Why, with the next step.
        message: String,
    },
    /// Nowhere: the account has no Private Teamspace, or that could not be found out.
    Skipped(IngressSkipped),
}

/// Direct ingress was skipped; published for whoever reports it.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct IngressSkipped {
    /// The endpoint.
    pub endpoint: &'static str,
    /// Whether the server was asked for the account's teams.
    pub rehydrate_attempted: bool,
    /// Why the server could not be asked, if it could not.
    pub lookup_failed: Option<String>,
}

impl IngressSkipped {
    /// The stable category.
    pub const CATEGORY: &'static str = "direct_ingress_missing_private_team";

    /// Renders the warning of the Python CLI, a dictionary in its notation (reference 5).
    #[must_use]
    pub fn warning(&self) -> String {
        format!(
            "direct ingress skipped: {{'category': '{}', 'rehydrate_attempted': {}, 'ingress_sent': False, 'endpoint': '{}'}}",
            Self::CATEGORY,
            if self.rehydrate_attempted {
                "True"
            } else {
                "False"
            },
            self.endpoint
        )
    }
}

//! Why the tracker did not do what it was asked.

use crate::auth::AuthError;
use crate::supervise::AskError;
use kitty_contract::Violation;

/// What the server said instead of an answer, in its own words (the error body of the contract).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status; `None` inside an operation that failed later.
    pub status: Option<u16>,
    /// `error_code`.
    pub code: Option<String>,
    /// `message`, or the status in words.
    pub message: String,
    /// `user_action_required`.
    pub user_action_required: bool,
}

/// A request to the tracker failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackerError {
    /// The server refused.
    #[error("{}{}", refusal.message, advice(refusal))]
    Refused {
        /// Its words.
        refusal: Refusal,
    },
    /// The stored binding no longer fits the server's.
    #[error(
        "Tracker binding '{binding_ref}' is stale: {reason}. \
         Run `spec-kitty tracker bind --provider {provider}` to rebind."
    )]
    StaleBinding {
        /// The stored reference.
        binding_ref: String,
        /// The server's words.
        reason: String,
        /// The provider it belongs to.
        provider: String,
    },
    /// The account does not tell which team is meant (reference 9).
    #[error(
        "Token-matched account, Private Teamspace, and exactly one Collaborative Teamspace are \
         required. Run `spec-kitty auth login` to authenticate."
    )]
    Teams,
    /// An operation that the server went on with did not end in time; it may still end.
    #[error(
        "Operation {operation} timed out after {seconds} seconds; it may still complete. \
         Run `spec-kitty tracker status` to see."
    )]
    OperationTimedOut {
        /// Its id.
        operation: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The answer is not what the contract says.
    #[error(
        "{name}: the server's answer cannot be understood ({reason}); report it to its operator"
    )]
    Answer {
        /// What was asked.
        name: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The gate let the project's identity not pass.
    #[error("Refusing to send tracker data to Spec Kitty SaaS: {0}")]
    Contract(Violation),
    /// No token, or no answer.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// An actor did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// This machine has no randomness to name an operation with.
    #[error("no random number could be drawn ({0}); retry in a moment")]
    Randomness(String),
}

impl TrackerError {
    /// Returns the server's code, if the server refused with one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { refusal } => refusal.code.as_deref(),
            _ => None,
        }
    }
}

fn advice(refusal: &Refusal) -> &'static str {
    if refusal.user_action_required {
        " (action required — check the Spec Kitty dashboard)"
    } else {
        ""
    }
}

//! What is said on the socket: the whole protocol between processes of this program.
//!
//! A line is `{"protocol": 1, "request": …}` one way and one [`Answer`] back. Unknown fields are
//! refused, so that two releases that differ notice it instead of guessing.

use crate::process::ProcessIdentity;
use serde::{Deserialize, Serialize};

/// The version of this protocol.
pub const PROTOCOL_VERSION: u32 = 1;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The version that the asker speaks.
    pub protocol: u32,
    /// What is asked.
    pub request: Request,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who are you?
    Hello {},
    /// How do you do?
    GetHealth {},
    /// A newer release takes over: end in order.
    Retire {
        /// The asker's release.
        version: String,
    },
    /// A project has something to deliver.
    DrainProject {
        /// The project's UUID.
        project: String,
        /// The state root of the asker; another one is refused.
        state_root: String,
        /// The server of the asker; another one is refused.
        server: Option<String>,
        /// The checkout that the asker works in, for what is said about builds.
        checkout: Option<String>,
    },
    /// Somebody logged in or out: look at the session again before answering.
    SessionChanged {},
    /// End in order.
    Stop {},
}

impl Request {
    /// Returns what the question is called in errors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello {} => "Hello",
            Self::GetHealth {} => "GetHealth",
            Self::Retire { .. } => "Retire",
            Self::DrainProject { .. } => "DrainProject",
            Self::SessionChanged {} => "SessionChanged",
            Self::Stop {} => "Stop",
        }
    }
}

/// What may be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// To [`Request::Hello`].
    Hello(Box<Greeting>),
    /// To [`Request::GetHealth`].
    Health(Box<Health>),
    /// The work is taken over; it is done as soon as the server lets it.
    Accepted {},
    /// The daemon ends; the connection stays open until it has.
    Ending {},
    /// It is not done, and nothing else was.
    Refused {
        /// A stable word.
        code: String,
        /// Why, and one next step.
        message: String,
    },
}

/// Who a daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// The release it runs.
    pub version: String,
    /// The protocol it speaks.
    pub protocol: u32,
    /// The process.
    pub process: ProcessIdentity,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// The program file.
    pub executable: String,
    /// The state root that it serves.
    pub state_root: String,
    /// The server that it delivers to.
    pub server: Option<String>,
}

/// How a daemon does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Whether a project is being delivered right now.
    pub draining: bool,
    /// Projects that wait for their turn.
    pub waiting: u64,
    /// Drains since it began.
    pub drains: u64,
    /// Events delivered since it began.
    pub delivered: u64,
    /// Drains in a row that reached no server.
    pub consecutive_failures: u32,
    /// When it tries again after those, in milliseconds since the Unix epoch.
    pub not_before_ms: Option<u64>,
    /// When it last finished a drain, in milliseconds since the Unix epoch.
    pub last_drain_ms: Option<u64>,
    /// What kept events here last.
    pub last_trouble: Option<String>,
    /// How its WebSocket stands; a release without one says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocketHealth>,
}

/// How the WebSocket of a daemon stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketHealth {
    /// `Connected`, `Reconnecting`, `Offline` or `OfflineBatchMode`.
    pub status: String,
    /// Events that went over it since the daemon began.
    pub told: u64,
    /// Events of these that the server answered for.
    pub answered: u64,
    /// Why it is not open.
    pub trouble: Option<String>,
    /// The code of the warning that goes with it.
    pub diagnostic_code: Option<String>,
}

/// Tells whether one release is newer than another; releases that are not three numbers never are.
#[must_use]
pub fn is_newer(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Option<[u64; 3]> {
        let core = text.split(['-', '+']).next()?;
        let parts: Option<Vec<u64>> = core.split('.').map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    matches!((numbers(version), numbers(than)), (Some(one), Some(other)) if one > other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_questions_fields_and_answers_are_refused() {
        for good in [
            r#"{"protocol":1,"request":{"hello":{}}}"#,
            r#"{"protocol":1,"request":{"retire":{"version":"1.2.3"}}}"#,
        ] {
            assert!(serde_json::from_str::<Asked>(good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"protocol":1,"request":{"hello":{"x":1}}}"#,
            r#"{"protocol":1,"request":{"hello":{}},"token":"t"}"#,
            r#"{"protocol":1,"request":{"retire":{"version":"1","x":2}}}"#,
            r#"{"protocol":1,"request":{"explode":{}}}"#,
            r#"{"request":{"hello":{}}}"#,
            "[]",
            "",
        ] {
            assert!(serde_json::from_str::<Asked>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_higher_release_is_newer() {
        for (one, other, expected) in [
            ("0.2.0", "0.1.9", true),
            ("0.10.0", "0.9.0", true),
            ("0.1.0", "0.1.0", false),
            ("0.1.0", "0.2.0", false),
            ("1.0.0-rc.1", "0.9.0", true),
            ("garbage", "0.1.0", false),
            ("1.0.0", "", false),
        ] {
            assert_eq!(is_newer(one, other), expected, "{one} {other}");
        }
    }
}

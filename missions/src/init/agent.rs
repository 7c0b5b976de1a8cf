//! The AI agents that a project can name.

use serde::{Serialize, Serializer};

/// The names that `--ai` takes, in the order of messages.
const KNOWN: [&str; 16] = [
    "copilot",
    "claude",
    "gemini",
    "cursor",
    "qwen",
    "opencode",
    "codex",
    "windsurf",
    "kilocode",
    "auggie",
    "q",
    "kiro",
    "antigravity",
    "vibe",
    "pi",
    "letta",
];

/// An agent by the name that configurations use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent(&'static str);

/// A name that no agent has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown AI agent {given:?}: use one of {}", KNOWN.join(", "))]
pub struct UnknownAgent {
    /// What was typed, at most 40 characters of it.
    pub given: String,
}

impl Agent {
    /// Reads a list as typed: separated by commas, in any case, each counted once.
    ///
    /// # Errors
    /// [`UnknownAgent`] for the first name that is not known; an empty list is one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UnknownAgent> {
        let unknown = |name: &str| UnknownAgent {
            given: name.chars().take(40).collect(),
        };
        let mut agents = Vec::new();
        for name in text.split([',', ';']).map(str::trim) {
            if name.is_empty() {
                continue;
            }
            let known = KNOWN.iter().find(|known| name.eq_ignore_ascii_case(known));
            let agent = Self(known.ok_or_else(|| unknown(name))?);
            if !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        if agents.is_empty() {
            return Err(unknown(text));
        }
        Ok(agents)
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl Serialize for Agent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_in_any_case_and_each_name_counts_once() {
        let names = |text: &str| -> Vec<&str> {
            let agents = Agent::parse_list(text).unwrap();
            agents.into_iter().map(Agent::name).collect()
        };
        assert_eq!(names("codex"), ["codex"]);
        assert_eq!(names(" Claude; codex,claude ,"), ["claude", "codex"]);
        for wrong in ["", " , ", "gpt", "codex,gpt", "../x"] {
            assert!(Agent::parse_list(wrong).is_err(), "{wrong}");
        }
        let long = "x".repeat(4_000);
        assert!(Agent::parse_list(&long).unwrap_err().to_string().len() < 250);
    }
}

//! Checks the `--policy` of an orchestrator: what it says about itself before it may change a mission.
//!
//! The checks run in a fixed order, because programs match on the messages. Which values an
//! orchestrator gives is its own business; only their types are checked, that no banned flag is
//! among its flags, and that no value looks like a secret: the eight fields end up in the status
//! log, which is committed and pushed.
//!
//! Source: reference orchestrator-missions, section 1.2.

mod secret;

use serde_json::{Map, Value};

/// Flags that switch off an agent's own safety; no orchestrator may use them.
const BANNED: [&str; 4] = [
    "--full-auto",
    "--yolo",
    "--dangerously-bypass-approvals-and-sandbox",
    "--dangerously-skip-permissions",
];
/// The required fields that hold text, in the order they are checked in.
const TEXTS: [&str; 6] = [
    "orchestrator_id",
    "orchestrator_version",
    "agent_family",
    "approval_mode",
    "sandbox_mode",
    "network_mode",
];
/// The required list of flags.
const FLAGS: &str = "dangerous_flags";
/// The field that may be absent.
const RESTRICTIONS: &str = "tool_restrictions";

/// A policy that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    recorded: Map<String, Value>,
}

/// A policy is missing or refused; the text is what the orchestrator is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// The text is not JSON.
    #[error("--policy is not valid JSON: {0}")]
    NotJson(String),
    /// The JSON is not an object.
    #[error("--policy must be a JSON object")]
    NotAnObject,
    /// A required field is missing.
    #[error("--policy missing required field: '{0}'")]
    Missing(&'static str),
    /// A field must be text.
    #[error("--policy.{0} must be a string")]
    NotText(&'static str),
    /// The flags are not a list.
    #[error("--policy.dangerous_flags must be a JSON array")]
    FlagsNotAList,
    /// A flag is not text.
    #[error("--policy.dangerous_flags entries must be strings")]
    FlagNotText,
    /// A flag is banned.
    #[error(
        "--policy.dangerous_flags contains a banned flag: '{0}'. \
         Banned flags must never appear in orchestrator policy payloads."
    )]
    BannedFlag(String),
    /// The restrictions are neither text nor null.
    #[error("--policy.tool_restrictions must be a string or null")]
    Restrictions,
    /// A value looks like a secret; only its place is named.
    #[error(
        "--policy field '{0}' appears to contain a secret \
         (matched pattern: token|secret|key|password|credential). Do not pass secrets via --policy."
    )]
    Secret(String),
}

impl Policy {
    /// Checks the text of `--policy`.
    ///
    /// # Errors
    /// [`PolicyProblem`], the first in the documented order.
    pub fn parse(text: &str) -> Result<Self, PolicyProblem> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| PolicyProblem::NotJson(error.to_string()))?;
        let Value::Object(fields) = &value else {
            return Err(PolicyProblem::NotAnObject);
        };
        for field in TEXTS.iter().chain([&FLAGS]) {
            if !fields.contains_key(*field) {
                return Err(PolicyProblem::Missing(field));
            }
        }
        for field in TEXTS {
            if !fields[field].is_string() {
                return Err(PolicyProblem::NotText(field));
            }
        }
        check_flags(&fields[FLAGS])?;
        match fields.get(RESTRICTIONS) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(_) => return Err(PolicyProblem::Restrictions),
        }
        if let Some(place) = secret::find(fields) {
            return Err(PolicyProblem::Secret(place));
        }
        let names = TEXTS.iter().chain([&FLAGS, &RESTRICTIONS]);
        let recorded = names.map(|name| {
            let value = fields.get(*name).cloned().unwrap_or(Value::Null);
            ((*name).to_owned(), value)
        });
        Ok(Self {
            recorded: recorded.collect(),
        })
    }

    /// Returns the eight fields that every row of the status log records; others are dropped.
    #[must_use]
    pub fn recorded(&self) -> &Map<String, Value> {
        &self.recorded
    }
}

fn check_flags(flags: &Value) -> Result<(), PolicyProblem> {
    let Value::Array(flags) = flags else {
        return Err(PolicyProblem::FlagsNotAList);
    };
    for flag in flags {
        let Value::String(flag) = flag else {
            return Err(PolicyProblem::FlagNotText);
        };
        if BANNED.contains(&flag.as_str()) {
            return Err(PolicyProblem::BannedFlag(flag.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "orchestrator_id": "orch", "orchestrator_version": "0.1.2", "agent_family": "claude",
            "approval_mode": "anything", "sandbox_mode": "workspace_write", "network_mode": "none",
            "dangerous_flags": ["--verbose"], "extra": 1,
        })
    }

    fn with(field: &str, value: Value) -> String {
        let mut policy = good();
        policy[field] = value;
        policy.to_string()
    }

    #[test]
    fn eight_fields_are_recorded_and_a_missing_restriction_is_null() {
        let policy = Policy::parse(&good().to_string()).unwrap();
        assert_eq!(policy.recorded().len(), 8);
        assert_eq!(policy.recorded()["tool_restrictions"], Value::Null);
        assert!(!policy.recorded().contains_key("extra"));
        let policy = Policy::parse(&with("tool_restrictions", json!("read-only"))).unwrap();
        assert_eq!(policy.recorded()["tool_restrictions"], "read-only");
    }

    #[test]
    fn each_refusal_has_its_words() {
        for (text, message) in [
            ("[]".to_owned(), "--policy must be a JSON object".to_owned()),
            ("{}".to_owned(), "--policy missing required field: 'orchestrator_id'".to_owned()),
            (with("orchestrator_id", json!(1)), "--policy.orchestrator_id must be a string".to_owned()),
            (with("dangerous_flags", json!("x")), "--policy.dangerous_flags must be a JSON array".to_owned()),
            (with("dangerous_flags", json!([1])), "--policy.dangerous_flags entries must be strings".to_owned()),
            (
                with("dangerous_flags", json!(["--yolo"])),
                "--policy.dangerous_flags contains a banned flag: '--yolo'. Banned flags must never appear in orchestrator policy payloads.".to_owned(),
            ),
            (with("tool_restrictions", json!([])), "--policy.tool_restrictions must be a string or null".to_owned()),
        ] {
            assert_eq!(Policy::parse(&text).unwrap_err().to_string(), message);
        }
        let broken = Policy::parse("{").unwrap_err().to_string();
        assert!(
            broken.starts_with("--policy is not valid JSON: "),
            "{broken}"
        );
    }

    #[test]
    fn required_fields_are_looked_for_in_their_order_before_any_type() {
        for field in TEXTS.iter().chain([&FLAGS]) {
            let mut policy = good();
            policy.as_object_mut().unwrap().remove(*field);
            policy["tool_restrictions"] = json!(7);
            assert_eq!(
                Policy::parse(&policy.to_string()),
                Err(PolicyProblem::Missing(field))
            );
        }
    }

    #[test]
    fn a_value_that_looks_like_a_secret_is_named_by_its_place_only() {
        for (field, value, place) in [
            (
                "dangerous_flags",
                json!(["--a", "--my-token"]),
                "dangerous_flags[1]",
            ),
            ("agent_family", json!("my-Secret-agent"), "agent_family"),
            ("extra", json!({"a": ["mypassword"]}), "extra.a[0]"),
        ] {
            let text = with(field, value.clone());
            let problem = Policy::parse(&text).unwrap_err();
            assert_eq!(problem, PolicyProblem::Secret(place.to_owned()));
            assert!(!problem.to_string().contains("my-"));
            assert!(!problem.to_string().contains("mypassword"));
        }
        assert!(Policy::parse(&with("api_key", json!("zzz"))).is_ok());
    }
}

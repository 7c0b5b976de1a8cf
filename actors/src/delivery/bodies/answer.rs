//! What a Teamspace answered to the upload of one body: the table of reference 6, and nothing else.
//!
//! Only what the server calls permanent is permanent. Whatever else comes, the body is kept and sent
//! again; that the server has it needs its word with the path and the hash of this very body.

use crate::delivery::answer::{retry_after, shorten};
use crate::transport::HttpResponse;
use jiff::Timestamp;
use kitty_runtime::body::BodyTask;
use kitty_runtime::outcome::DeliveryState;
use serde_json::{Map, Value};
use std::time::Duration;

/// What the server said about one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyAnswer {
    /// Where the body stands now.
    pub state: DeliveryState,
    /// Why, in the words of the reference.
    pub reason: String,
    /// How long the server asks to wait.
    pub wait: Option<Duration>,
    /// Whether it is the server that is in trouble and not the body.
    pub trouble: bool,
}

impl BodyAnswer {
    fn new(state: DeliveryState, reason: impl Into<String>) -> Self {
        Self {
            state,
            reason: shorten(&reason.into()),
            wait: None,
            trouble: false,
        }
    }

    fn retryable(reason: impl Into<String>) -> Self {
        Self::new(DeliveryState::Transient, reason)
    }

    fn permanent(reason: impl Into<String>) -> Self {
        Self::new(DeliveryState::Rejected, reason)
    }

    fn trouble(reason: impl Into<String>) -> Self {
        Self {
            trouble: true,
            ..Self::retryable(reason)
        }
    }
}

/// Reads an answer that came at `now`; total over anything a server may send.
#[must_use]
pub fn read(task: &BodyTask, response: &HttpResponse, now: Timestamp) -> BodyAnswer {
    let body: Map<String, Value> = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_ours =
        text("artifact_path") == task.artifact_path && text("content_hash") == task.content_hash;
    let uncorrelated =
        || BodyAnswer::retryable("uncorrelated_response: artifact_path/content_hash did not match");
    let answer = match response.status {
        201 if is_ours && text("status") == "stored" => {
            BodyAnswer::new(DeliveryState::Delivered, "stored")
        }
        200 if is_ours && text("status") == "already_exists" => {
            BodyAnswer::new(DeliveryState::Duplicate, "already_exists")
        }
        200 | 201 => uncorrelated(),
        202 => BodyAnswer::new(DeliveryState::Pending, "accepted_pending"),
        400 => BodyAnswer::permanent(format!("bad_request: {}", bad_request(&body))),
        401 => BodyAnswer::retryable("unauthorized"),
        403 if is_ours => BodyAnswer::permanent(forbidden(&body)),
        403 => uncorrelated(),
        404 => not_found(&body),
        429 => BodyAnswer::trouble("rate_limited"),
        status @ 500..=599 => BodyAnswer::trouble(format!("server_error: {status}")),
        // The time ran out on the way, or too early: neither says anything about the body.
        status @ (408 | 425) => BodyAnswer::trouble(format!("server_error: {status}")),
        // Neither a redirect of something on the way nor another protocol is a verdict on the body.
        status @ (300..=399 | 412 | 426) => {
            BodyAnswer::trouble(format!("unexpected_status: {status}"))
        }
        status => BodyAnswer::permanent(format!("unexpected_status: {status}")),
    };
    BodyAnswer {
        wait: retry_after(response, now).filter(|_| answer.state.is_open()),
        ..answer
    }
}

fn not_found(body: &Map<String, Value>) -> BodyAnswer {
    let error = body
        .get("error")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match error {
        // The event that names this body has not been taken in yet.
        "index_entry_not_found" => BodyAnswer::retryable(error),
        "namespace_not_found" => BodyAnswer::permanent(error),
        other => {
            let error = if other.is_empty() { "missing" } else { other };
            let detail = body.get("detail").and_then(Value::as_str);
            BodyAnswer::retryable(format!(
                "not_found: {} (error={error})",
                detail.unwrap_or("unknown")
            ))
        }
    }
}

/// Says what is wrong with a request, in the forms that Django servers use.
fn bad_request(body: &Map<String, Value>) -> String {
    let is_said = |text: &&str| !text.trim().is_empty();
    if let Some(detail) = body.get("detail").and_then(Value::as_str).filter(is_said) {
        return detail.to_owned();
    }
    let fields = body.iter().filter(|(field, _)| *field != "detail");
    let messages = fields.filter_map(|(field, value)| {
        let said = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("; "),
            _ => String::new(),
        };
        Some(format!("{field}: {said}")).filter(|_| is_said(&said.as_str()))
    });
    let messages: Vec<String> = messages.collect();
    if messages.is_empty() {
        return "unknown".to_owned();
    }
    messages.join(" | ")
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn forbidden(body: &Map<String, Value>) -> String {
    let said = |keys: &[&str]| {
        let mut texts = keys.iter().filter_map(|key| body.get(*key)?.as_str());
        texts
            .find(|text| !text.trim().is_empty())
            .map(str::to_owned)
    };
    if let Some(category) = said(&["error_category", "category", "code"]) {
        return category.trim().to_lowercase();
    }
    let words = ["error_code", "error", "message", "detail"];
    let all: Vec<&str> = words
        .iter()
        .filter_map(|key| body.get(*key)?.as_str())
        .collect();
    let all = all.join(" ").to_lowercase();
    let no_team = all.contains("direct_ingress_missing_private_team")
        || all.contains("private teamspace")
        || (all.contains("private team") && all.contains("direct ingress"));
    let reason = if no_team {
        "direct_ingress_missing_private_team"
    } else {
        "unauthorized"
    };
    reason.to_owned()
}

/// Returns how long a body rests after so many tries: 1, 2, 4 … 300 seconds.
#[must_use]
pub fn backoff(tries: u32) -> Duration {
    let doubled = 2_u64.saturating_pow(tries.saturating_sub(1).min(20));
    Duration::from_secs(doubled.min(300))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Headers;
    use DeliveryState::{Delivered, Duplicate, Pending, Rejected, Transient};
    use serde_json::json;

    fn task() -> BodyTask {
        BodyTask {
            artifact_path: "spec.md".into(),
            build_id: None,
            content_body: "x".into(),
            content_hash: "ab".into(),
            hash_algorithm: "sha256".into(),
            manifest_version: "1".into(),
            mission_slug: "one".into(),
            mission_type: "software-dev".into(),
            project_uuid: "p".into(),
            target_branch: "main".into(),
        }
    }

    fn answer(status: u16, body: &Value) -> BodyAnswer {
        let response = HttpResponse {
            status,
            headers: Headers::default(),
            body: body.to_string().into(),
        };
        read(&task(), &response, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn fr_011_every_row_of_the_table_has_its_meaning() {
        let ours = |mut body: Value| {
            body["artifact_path"] = json!("spec.md");
            body["content_hash"] = json!("ab");
            body
        };
        let uncorrelated = "uncorrelated_response: artifact_path/content_hash did not match";
        for (status, body, state, reason) in [
            (201, ours(json!({"status": "stored"})), Delivered, "stored"),
            (201, json!({"status": "stored"}), Transient, uncorrelated),
            (
                201,
                ours(json!({"status": "already_exists"})),
                Transient,
                uncorrelated,
            ),
            (
                200,
                ours(json!({"status": "already_exists"})),
                Duplicate,
                "already_exists",
            ),
            (200, json!([]), Transient, uncorrelated),
            (202, json!({}), Pending, "accepted_pending"),
            (400, json!({"detail": "no"}), Rejected, "bad_request: no"),
            (
                400,
                json!({"b": ["x", "y"], "a": "z"}),
                Rejected,
                "bad_request: a: z | b: x; y",
            ),
            (400, json!({}), Rejected, "bad_request: unknown"),
            (401, json!({}), Transient, "unauthorized"),
            (
                403,
                ours(json!({"category": "Project_Not_Admitted"})),
                Rejected,
                "project_not_admitted",
            ),
            (
                403,
                ours(json!({"detail": "no Private Teamspace"})),
                Rejected,
                "direct_ingress_missing_private_team",
            ),
            (403, ours(json!({})), Rejected, "unauthorized"),
            (
                403,
                json!({"category": "project_not_admitted"}),
                Transient,
                uncorrelated,
            ),
            (
                404,
                json!({"error": "index_entry_not_found"}),
                Transient,
                "index_entry_not_found",
            ),
            (
                404,
                json!({"error": "namespace_not_found"}),
                Rejected,
                "namespace_not_found",
            ),
            (
                404,
                json!({"detail": "gone"}),
                Transient,
                "not_found: gone (error=missing)",
            ),
            (
                404,
                json!({"error": "x"}),
                Transient,
                "not_found: unknown (error=x)",
            ),
            (429, json!({}), Transient, "rate_limited"),
            (500, json!({}), Transient, "server_error: 500"),
            (503, json!("<html>"), Transient, "server_error: 503"),
            (302, json!({}), Transient, "unexpected_status: 302"),
            (412, json!({}), Transient, "unexpected_status: 412"),
            (418, json!({}), Rejected, "unexpected_status: 418"),
        ] {
            let read = answer(status, &body);
            assert_eq!(
                (read.state, read.reason.as_str()),
                (state, reason),
                "{status} {body}"
            );
            let trouble = [302, 412, 429, 500, 503].contains(&status);
            assert_eq!(read.trouble, trouble, "{status}");
        }
    }

    #[test]
    fn a_wait_is_taken_in_where_the_body_stays_open() {
        let mut headers = Headers::default();
        headers.add("Retry-After", "7");
        let response = |status| HttpResponse {
            status,
            headers: headers.clone(),
            body: "{}".into(),
        };
        let wait = |status| read(&task(), &response(status), Timestamp::UNIX_EPOCH).wait;
        assert_eq!(wait(429), Some(Duration::from_secs(7)));
        assert_eq!(wait(503), Some(Duration::from_secs(7)));
        assert_eq!(wait(400), None);
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let seconds: Vec<u64> = (1..12).map(|tries| backoff(tries).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff(u32::MAX).as_secs(), 300);
    }
}

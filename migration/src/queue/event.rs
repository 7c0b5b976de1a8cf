//! One queued event: what is wrong with it, or the envelope that may leave.
//!
//! An envelope of before 3.1.0 has other names and lacks fields that are required today. Names are
//! translated where the new one means the same; fields are added where their value follows from the
//! row (reference events-queue-wire 1 and 7). Everything else is refused with a reason: an event is
//! never guessed at, and never sent as it is.

use crate::words;
use kitty_contract::Gate;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::record::{MAX_ID_LENGTH, MAX_PAYLOAD_LENGTH};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Why a row cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word for programs.
    pub reason: &'static str,
    /// What exactly.
    pub detail: String,
}

/// An event that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Whose event it is.
    pub project: ProjectUuid,
    /// The id in the envelope.
    pub id: String,
    /// The team that the envelope names.
    pub team: Option<String>,
    /// The bytes to send.
    pub bytes: Vec<u8>,
    /// What was changed, in order; empty when the bytes are those of the row.
    pub changes: Vec<String>,
}

/// The namespace under which 3.2.x derives the id of a build.
const BUILD_NAMESPACE: Uuid = Uuid::from_u128(0x18c0fef1_8e60_5d6b_89d9_e2f1ccb9cc03);
/// The envelope version of today.
const SCHEMA_VERSION: &str = "3.0.0";

fn refuse<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        reason,
        detail: detail.into(),
    })
}

/// Judges the bytes of a row.
///
/// `row_id` and `row_type` are the columns beside them; `store` is the project that the file is of,
/// where it is of one.
///
/// # Errors
/// [`Refusal`].
pub fn judge(
    bytes: &[u8],
    row_id: &str,
    row_type: Option<&str>,
    store: Option<ProjectUuid>,
) -> Result<Sound, Refusal> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refuse("data_is_not_text", "the envelope is not UTF-8");
    };
    let envelope: Value = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => return refuse("data_is_not_json", error.to_string()),
    };
    let Value::Object(mut envelope) = envelope else {
        return refuse("data_is_not_an_object", "the envelope is no JSON object");
    };
    let id = identity(&envelope, row_id, row_type)?;
    let project = project(&envelope, store)?;
    if let Some(Value::Object(payload)) = envelope.get("payload")
        && payload.values().any(has_nul)
    {
        return refuse("nul_in_text", "a text of the payload contains NUL");
    }
    let mut changes = Vec::new();
    renamed(&mut envelope, &mut changes)?;
    completed(&mut envelope, &id, project, &mut changes);
    let bytes = if changes.is_empty() && text.starts_with('{') && text.ends_with('}') {
        bytes.to_vec()
    } else {
        serde_json::to_vec(&envelope).expect("a JSON value has a text")
    };
    if bytes.len() > MAX_PAYLOAD_LENGTH {
        return refuse(
            "oversized",
            format!("the envelope has {} bytes", bytes.len()),
        );
    }
    if let Err(violation) = Gate::vendored().check_event(&bytes) {
        return refuse("contract", violation.to_string());
    }
    Ok(Sound {
        project,
        id,
        team: text_of(&envelope, "team_slug").map(str::to_owned),
        bytes,
        changes,
    })
}

impl Sound {
    /// Returns the event without the team that it was captured for, for somebody who adopts it: a
    /// server takes events for its own teams only.
    #[must_use]
    pub fn adopted(&self) -> Self {
        let mut sound = self.clone();
        let envelope = serde_json::from_slice::<Map<String, Value>>(&self.bytes);
        if let (Some(team), Ok(mut envelope)) = (sound.team.take(), envelope) {
            envelope.insert("team_slug".to_owned(), Value::Null);
            sound.bytes = serde_json::to_vec(&envelope).expect("a JSON value has a text");
            sound.changes.push(format!("team_slug: {team:?} ->"));
        }
        sound
    }
}

fn text_of<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn identity(
    envelope: &Map<String, Value>,
    row_id: &str,
    row_type: Option<&str>,
) -> Result<String, Refusal> {
    let Some(id) = text_of(envelope, "event_id") else {
        return refuse("missing_event_id", "the envelope has no event_id");
    };
    if id != row_id {
        return refuse(
            "id_mismatch",
            format!("the row says {row_id}, its envelope says {id}"),
        );
    }
    if id.is_empty() || id.len() > MAX_ID_LENGTH {
        return refuse("event_id_length", format!("the id has {} bytes", id.len()));
    }
    let kind = text_of(envelope, "event_type");
    if let Some(row_type) = row_type
        && kind != Some(row_type)
    {
        let kind = kind.unwrap_or("nothing");
        return refuse(
            "type_mismatch",
            format!("the row says {row_type}, its envelope says {kind}"),
        );
    }
    Ok(id.to_owned())
}

/// Reads whose event it is; nobody is guessed (reference events-queue-wire 8).
fn project(
    envelope: &Map<String, Value>,
    store: Option<ProjectUuid>,
) -> Result<ProjectUuid, Refusal> {
    let found = match envelope.get("project_uuid") {
        None | Some(Value::Null) => return refuse("missing_project_uuid", "no project is named"),
        Some(Value::String(text)) => project_of(text)?,
        Some(other) => return refuse("malformed_project_uuid", other.to_string()),
    };
    match store {
        Some(store) if store != found => refuse(
            "conflicting_project_uuid",
            format!("the store is of {store}, the event of {found}"),
        ),
        _ => Ok(found),
    }
}

/// Reads the text of a project's UUID.
///
/// # Errors
/// [`Refusal`] says whether it is missing, nil or malformed.
pub fn project_of(text: &str) -> Result<ProjectUuid, Refusal> {
    if text.is_empty() {
        return refuse("missing_project_uuid", "the project is empty");
    }
    match text.parse() {
        Ok(project) => Ok(project),
        Err(_) if Uuid::try_parse(text).is_ok_and(|uuid| uuid.is_nil()) => {
            refuse("nil_project_uuid", text)
        }
        Err(_) => refuse("malformed_project_uuid", text),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        _ => false,
    }
}

/// Gives everything its name of today.
fn renamed(envelope: &mut Map<String, Value>, changes: &mut Vec<String>) -> Result<(), Refusal> {
    let kind = text_of(envelope, "event_type")
        .unwrap_or_default()
        .to_owned();
    if matches!(
        kind.as_str(),
        "FeatureCreated" | "FeatureClosed" | "FeatureCompleted"
    ) {
        return refuse(
            "event_of_the_feature_era",
            format!(
                "{kind} says less than its successor requires (mission type, friendly name, purpose), \
                 and those are not guessed"
            ),
        );
    }
    let timestamp = envelope.get("timestamp").cloned().unwrap_or_default();
    let mut payload = match envelope.get_mut("payload") {
        Some(Value::Object(payload)) => std::mem::take(payload),
        _ => return Ok(()),
    };
    let before = changes.len();
    translate(&mut payload, changes, "payload")?;
    match kind.as_str() {
        "WPCreated" => of_work_package(&mut payload, changes)?,
        "WPStatusChanged" => of_transition(&mut payload, changes),
        "MissionDossierArtifactIndexed" if payload.contains_key("relative_path") => {
            payload = artifact(payload, timestamp)?;
            changes.push("payload: flat -> namespaced".to_owned());
        }
        name if name.starts_with("MissionDossier")
            && changes.len() > before
            && !payload.contains_key("namespace") =>
        {
            return refuse(
                "flat_dossier_payload",
                "target branch and mission type are not in the row, and are not guessed",
            );
        }
        _ => {}
    }
    envelope.insert("payload".to_owned(), Value::Object(payload));
    Ok(())
}

/// The names that mean the same as one of today, at any depth.
fn translate(
    object: &mut Map<String, Value>,
    changes: &mut Vec<String>,
    place: &str,
) -> Result<(), Refusal> {
    for (old, new) in [
        (words::SLUG, "mission_slug"),
        (words::KEY, "mission_type"),
        (words::WORK_PACKAGE, "wp_id"),
        (words::NUMBER, "mission_number"),
    ] {
        let Some(mut value) = object.remove(old) else {
            continue;
        };
        if old == words::NUMBER {
            value = number(value)?;
        }
        match object.get(new) {
            Some(there) if *there != value => {
                return refuse(
                    "two_names_differ",
                    format!("{place}: {old} and {new} say different things"),
                );
            }
            _ => drop(object.insert(new.to_owned(), value)),
        }
        changes.push(format!("{place}: {old} -> {new}"));
    }
    for (key, value) in object.iter_mut() {
        let place = format!("{place}.{key}");
        match value {
            Value::Object(inner) => translate(inner, changes, &place)?,
            Value::Array(items) => {
                for item in items {
                    if let Value::Object(inner) = item {
                        translate(inner, changes, &place)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `"012"` is 12.
fn number(value: Value) -> Result<Value, Refusal> {
    match &value {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            match text.parse::<u64>() {
                Ok(number) => Ok(number.into()),
                Err(_) if text.is_empty() => Ok(Value::Null),
                Err(_) => refuse("number", format!("{text} is too large a number")),
            }
        }
        Value::Null | Value::Number(_) => Ok(value),
        other => refuse("number", format!("{other} is no number")),
    }
}

/// `title` and `dependencies` have other names today; the actor was always this program.
fn of_work_package(
    payload: &mut Map<String, Value>,
    changes: &mut Vec<String>,
) -> Result<(), Refusal> {
    for (old, new) in [("title", "wp_title"), ("dependencies", "depends_on")] {
        let Some(value) = payload.remove(old) else {
            continue;
        };
        if payload.get(new).is_some_and(|there| *there != value) {
            return refuse(
                "two_names_differ",
                format!("payload: {old} and {new} say different things"),
            );
        }
        payload.insert(new.to_owned(), value);
        changes.push(format!("payload: {old} -> {new}"));
    }
    if !payload.contains_key("actor") {
        payload.insert("actor".to_owned(), json!("cli"));
        changes.push("payload: + actor".to_owned());
    }
    Ok(())
}

/// Until 3.1.0 a move of a work package named neither a mode nor force, and a lane had another name.
///
/// The values are those that 3.2.7's own repair gives the same rows of a status log: nothing was forced
/// then, and no worktree is named.
fn of_transition(payload: &mut Map<String, Value>, changes: &mut Vec<String>) {
    for (key, value) in [
        ("execution_mode", json!("direct_repo")),
        ("force", json!(false)),
    ] {
        if !payload.contains_key(key) {
            payload.insert(key.to_owned(), value);
            changes.push(format!("payload: + {key}"));
        }
    }
    // A policy that says nothing; the contract has no place for one.
    if payload.get("policy_metadata").is_some_and(Value::is_null) {
        payload.remove("policy_metadata");
        changes.push("payload: - policy_metadata: null".to_owned());
    }
    for key in ["from_lane", "to_lane"] {
        if text_of(payload, key) == Some("doing") {
            payload.insert(key.to_owned(), json!("in_progress"));
            changes.push(format!("payload: {key}: doing -> in_progress"));
        }
    }
}

/// The flat form of an indexed artifact as the namespaced one; every value has its place there.
fn artifact(mut flat: Map<String, Value>, timestamp: Value) -> Result<Map<String, Value>, Refusal> {
    let Some(Value::Object(namespace)) = flat.remove("namespace") else {
        return refuse(
            "flat_dossier_payload",
            "target branch and mission type are not in the row, and are not guessed",
        );
    };
    if flat.get("mission_slug").is_some()
        && flat.get("mission_slug") != namespace.get("mission_slug")
    {
        return refuse(
            "two_names_differ",
            "the payload and its namespace name two missions",
        );
    }
    flat.remove("mission_slug");
    let class = flat.remove("artifact_class").unwrap_or_default();
    let mut diagnostics = Map::new();
    for key in ["artifact_key", "required_status"] {
        diagnostics.extend(flat.remove(key).map(|value| (key.to_owned(), value)));
    }
    // `other` has no place among the classes of today; the reference maps it so.
    let class = if class == "other" {
        diagnostics.insert("artifact_class".to_owned(), class);
        json!("runtime")
    } else {
        class
    };
    let mut content = Map::new();
    content.insert("algorithm".to_owned(), json!("sha256"));
    content.insert(
        "hash".to_owned(),
        flat.remove("content_hash_sha256").unwrap_or_default(),
    );
    content.extend(
        flat.remove("size_bytes")
            .map(|size| ("size_bytes".to_owned(), size)),
    );
    let mut artifact = Map::new();
    artifact.insert("artifact_class".to_owned(), class);
    let kind = namespace.get("mission_type").cloned().unwrap_or_default();
    artifact.insert("mission_type".to_owned(), kind);
    artifact.insert(
        "path".to_owned(),
        flat.remove("relative_path").unwrap_or_default(),
    );
    artifact.extend(flat.remove("wp_id").map(|id| ("wp_id".to_owned(), id)));
    if let Some(key) = flat.keys().find(|key| *key != "step_id") {
        return refuse(
            "flat_dossier_payload",
            format!("`{key}` has no place in the namespaced form"),
        );
    }
    flat.insert("artifact_id".to_owned(), Value::Object(artifact));
    flat.insert("content_ref".to_owned(), Value::Object(content));
    flat.insert("context_diagnostics".to_owned(), Value::Object(diagnostics));
    flat.insert("indexed_at".to_owned(), timestamp);
    flat.insert("namespace".to_owned(), Value::Object(namespace));
    Ok(flat)
}

/// Adds what is required today and follows from the row.
fn completed(
    envelope: &mut Map<String, Value>,
    id: &str,
    project: ProjectUuid,
    changes: &mut Vec<String>,
) {
    let mut set = |envelope: &mut Map<String, Value>, key: &str, value: Value| {
        let before = envelope.insert(key.to_owned(), value);
        changes.push(match before {
            None => format!("+ {key}"),
            Some(before) => format!("{key}: {before} ->"),
        });
    };
    if text_of(envelope, "schema_version") != Some(SCHEMA_VERSION) {
        set(envelope, "schema_version", json!(SCHEMA_VERSION));
    }
    if text_of(envelope, "build_id").is_none_or(str::is_empty) {
        // The Python CLI gives a checkout without an id this one, on every run.
        let node = text_of(envelope, "node_id").unwrap_or_default();
        let build = Uuid::new_v5(&BUILD_NAMESPACE, format!("{project}:{node}").as_bytes());
        set(envelope, "build_id", json!(build.to_string()));
    }
    if text_of(envelope, "correlation_id").is_none_or(str::is_empty) {
        let cause = text_of(envelope, "causation_id").filter(|cause| !cause.is_empty());
        let correlation = cause.unwrap_or(id).to_owned();
        set(envelope, "correlation_id", json!(correlation));
    }
    // Until 3.0.3 a team that was not known was called so; servers take it for the name of one.
    if matches!(text_of(envelope, "team_slug"), Some("" | "local")) {
        set(envelope, "team_slug", Value::Null);
    }
    // Why it could not be sent then is local knowledge and never leaves.
    if envelope
        .get("drain_blocked_reason")
        .is_some_and(|reason| !reason.is_null())
    {
        set(envelope, "drain_blocked_reason", Value::Null);
    }
}

#[cfg(test)]
mod tests;

//! One queued body: what is wrong with it, or the task that may be uploaded.

use super::event::{Refusal, project_of};
use super::row::{Cell, Row};
use crate::words;
use kitty_runtime::body::BodyTask;
use kitty_runtime::id::ProjectUuid;
use serde_json::Value;

/// The most that a server takes.
const MAX_BYTES: usize = 512 * 1024;

/// A body that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundBody {
    /// Whose it is.
    pub project: ProjectUuid,
    /// The task.
    pub task: BodyTask,
}

fn refuse<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        reason,
        detail: detail.into(),
    })
}

/// Judges a row of `body_upload_queue`, under either name of its columns.
///
/// # Errors
/// [`Refusal`].
pub fn judge(row: &Row) -> Result<SoundBody, Refusal> {
    let text = |name: &'static str, cell: &Cell| match cell.text() {
        Some(text) => Ok(text.to_owned()),
        None => refuse("not_text", format!("{name} is not UTF-8 text")),
    };
    let content = match row.get("content_body") {
        Cell::Text(bytes) => bytes,
        _ => return refuse("content_is_not_text", "the content is not text"),
    };
    let Ok(content) = std::str::from_utf8(content) else {
        return refuse("content_is_not_text", "the content is not UTF-8");
    };
    let task = BodyTask {
        artifact_path: text("artifact_path", row.get("artifact_path"))?,
        build_id: None,
        content_body: content.to_owned(),
        content_hash: text("content_hash", row.get("content_hash"))?,
        hash_algorithm: text("hash_algorithm", row.get("hash_algorithm"))?,
        manifest_version: text("manifest_version", row.get("manifest_version"))?,
        mission_slug: text("mission_slug", row.either("mission_slug", words::SLUG))?,
        mission_type: text("mission_type", row.either("mission_type", words::KEY))?,
        project_uuid: text("project_uuid", row.get("project_uuid"))?,
        target_branch: text("target_branch", row.get("target_branch"))?,
    };
    let size = match row.get("size_bytes") {
        Cell::Integer(size) => Some(*size),
        _ => None,
    };
    checked(task, size)
}

/// Judges the reference of a task of 3.2.7, which holds the same fields as JSON.
///
/// # Errors
/// [`Refusal`].
pub fn judge_reference(
    reference: &str,
    project: &str,
    content_hash: &str,
) -> Result<(SoundBody, Value), Refusal> {
    let value: Value = match serde_json::from_str(reference) {
        Ok(value) => value,
        Err(error) => return refuse("data_is_not_json", error.to_string()),
    };
    let text = |name: &str, before: &str| match value.get(name).or_else(|| value.get(before)) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => refuse("not_text", format!("{name} is not text")),
    };
    let task = BodyTask {
        artifact_path: text("artifact_path", "")?,
        build_id: None,
        content_body: text("content_body", "")?,
        content_hash: content_hash.to_owned(),
        hash_algorithm: text("hash_algorithm", "")?,
        manifest_version: text("manifest_version", "")?,
        mission_slug: text("mission_slug", words::SLUG)?,
        mission_type: text("mission_type", words::KEY)?,
        project_uuid: project.to_owned(),
        target_branch: text("target_branch", "")?,
    };
    let size = value.get("size_bytes").and_then(Value::as_i64);
    checked(task, size).map(|sound| (sound, value))
}

fn checked(task: BodyTask, size: Option<i64>) -> Result<SoundBody, Refusal> {
    let project = project_of(&task.project_uuid)?;
    for (name, value) in [
        ("mission_slug", &task.mission_slug),
        ("target_branch", &task.target_branch),
        ("mission_type", &task.mission_type),
        ("manifest_version", &task.manifest_version),
        ("artifact_path", &task.artifact_path),
    ] {
        if value.trim().is_empty() {
            return refuse("blank_key", format!("{name} is blank"));
        }
        if value.contains('\0') {
            return refuse("nul_in_text", format!("{name} contains NUL"));
        }
    }
    if !is_inside(&task.artifact_path) {
        return refuse("unsafe_path", task.artifact_path);
    }
    let bytes = task.content_body.len();
    if bytes == 0 {
        return refuse("empty_content", "the content is empty");
    }
    if bytes > MAX_BYTES {
        return refuse("oversized", format!("{bytes} bytes > {MAX_BYTES} limit"));
    }
    if task.content_body.contains('\0') {
        return refuse("nul_in_text", "the content contains NUL");
    }
    if size.is_some_and(|size| usize::try_from(size) != Ok(bytes)) {
        return refuse(
            "size_mismatch",
            "size_bytes is not the length of the content",
        );
    }
    if task.hash_algorithm != "sha256" {
        return refuse("hash_algorithm", task.hash_algorithm);
    }
    if task.content_hash != BodyTask::hash_of(task.content_body.as_bytes()) {
        return refuse("content_hash_mismatch", task.content_hash);
    }
    Ok(SoundBody { project, task })
}

/// A path of an artifact stays inside of its mission.
fn is_inside(path: &str) -> bool {
    let parts = || path.split(['/', '\\']);
    !path.starts_with(['/', '\\']) && parts().all(|part| !matches!(part, "" | "." | ".."))
}

//! The bytes of one upload: what is stored of a body, and what delivery adds.

use crate::delivery::wire::audience;
use kitty_config::ServerUrl;
use kitty_runtime::body::BodyTask;
use serde::Serialize;

/// The endpoint of bodies.
pub const CONTENT_ENDPOINT: &str = "/api/dossier/push-content/";

/// The keys in the order of the wire.
#[derive(Serialize)]
struct Wire<'a> {
    admission_generation: u32,
    artifact_path: &'a str,
    binding_audience: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_id: Option<&'a str>,
    content_body: &'a str,
    content_hash: &'a str,
    hash_algorithm: &'a str,
    manifest_version: &'a str,
    mission_slug: &'a str,
    mission_type: &'a str,
    project_uuid: &'a str,
    target_branch: &'a str,
}

/// Returns the request body: sorted keys, no spaces, UTF-8.
///
/// # Panics
/// Never: text has a JSON form.
#[must_use]
pub fn content_request(task: &BodyTask, server: &ServerUrl) -> Vec<u8> {
    let wire = Wire {
        admission_generation: 1,
        artifact_path: &task.artifact_path,
        binding_audience: audience(server),
        build_id: task.build_id.as_deref(),
        content_body: &task.content_body,
        content_hash: &task.content_hash,
        hash_algorithm: &task.hash_algorithm,
        manifest_version: &task.manifest_version,
        mission_slug: &task.mission_slug,
        mission_type: &task.mission_type,
        project_uuid: &task.project_uuid,
        target_branch: &task.target_branch,
    };
    serde_json::to_vec(&wire).expect("text has a JSON form")
}

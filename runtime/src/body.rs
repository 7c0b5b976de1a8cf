//! One artifact body that waits to be uploaded (reference 6): what a `queue.append_body.v1` record
//! holds.
//!
//! The seven namespace and content keys make the task's id, so the same bytes at the same place of
//! the same mission are queued once, and the same bytes in two missions are two tasks. What delivery
//! adds (`admission_generation`, `binding_audience`) is not stored.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A body task, as it is stored: sorted keys, no spaces, UTF-8.
///
/// Document 4, FR-010 and FR-011: the names are those of missions, nothing else is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyTask {
    /// Relative to the mission's directory, with `/`.
    pub artifact_path: String,
    /// The checkout it was captured in; absent on tasks that a migration took over without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// The whole content; bodies are text.
    pub content_body: String,
    /// Lower-case hexadecimal SHA-256 of the raw bytes, without a prefix.
    pub content_hash: String,
    /// `sha256`.
    pub hash_algorithm: String,
    /// The mission's manifest version, `1` without a manifest.
    pub manifest_version: String,
    /// The mission's directory name.
    pub mission_slug: String,
    /// For example `software-dev`.
    pub mission_type: String,
    /// The project the mission is in.
    pub project_uuid: String,
    /// The branch that the mission lands on.
    pub target_branch: String,
}

impl BodyTask {
    /// Returns the task's id: `body-` and the hash of its seven keys, as the Python CLI computes it.
    #[must_use]
    pub fn id(&self) -> String {
        let keys = [
            &self.project_uuid,
            &self.mission_slug,
            &self.target_branch,
            &self.mission_type,
            &self.manifest_version,
            &self.artifact_path,
            &self.content_hash,
        ];
        let joined = keys.map(String::as_str).join("\0");
        format!("body-{}", hex::encode(Sha256::digest(joined.as_bytes())))
    }

    /// Returns the hash of content as it is named in a task.
    #[must_use]
    pub fn hash_of(content: &[u8]) -> String {
        hex::encode(Sha256::digest(content))
    }

    /// Returns the bytes of the record.
    ///
    /// # Panics
    /// Never: text has a JSON form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text has a JSON form")
    }

    /// Reads the bytes of a record.
    ///
    /// # Errors
    /// What is wrong with them, by serde's words.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(mission: &str) -> BodyTask {
        BodyTask {
            artifact_path: "spec.md".into(),
            content_body: "# Grüße\n".into(),
            content_hash: BodyTask::hash_of("# Grüße\n".as_bytes()),
            hash_algorithm: "sha256".into(),
            manifest_version: "1".into(),
            mission_slug: mission.into(),
            mission_type: "software-dev".into(),
            project_uuid: "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4".into(),
            build_id: None,
            target_branch: "main".into(),
        }
    }

    #[test]
    fn the_same_content_in_two_missions_is_two_tasks() {
        assert_eq!(task("one").id(), task("one").id());
        assert_ne!(task("one").id(), task("two").id());
    }

    #[test]
    fn an_id_is_the_hash_of_the_seven_keys_and_of_nothing_else() {
        let with_build = BodyTask {
            build_id: Some("c4ad781d-049b-5533-a459-64c1ad68b1ce".into()),
            ..task("one")
        };
        assert_eq!(with_build.id(), task("one").id());
        assert_eq!(
            task("one").id(),
            "body-d807d03396dd1f754b706b2da8cee2bf4b081302246656eb4112cbae30f95129"
        );
    }

    #[test]
    fn bytes_are_sorted_and_read_back_and_feature_names_are_refused() {
        let bytes = task("one").to_bytes();
        assert!(bytes.starts_with(br#"{"artifact_path":"spec.md","content_body":"#));
        assert_eq!(BodyTask::from_bytes(&bytes).unwrap(), task("one"));
        let text = String::from_utf8(bytes).unwrap();
        let old = text.replace("mission_slug", concat!("feature", "_slug"));
        assert!(BodyTask::from_bytes(old.as_bytes()).is_err());
    }
}

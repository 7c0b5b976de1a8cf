//! What was told of a mission's artifacts last, so that only what is new is told the next time.
//!
//! It lies below the state root, one file per checkout, account and mission. It can be made again: what
//! is lost with it is told once more, which changes nothing at the server. The snapshot that the Python
//! CLI keeps in the working tree is left to it; the baseline that somebody accepted there is read.

use super::{Absence, ArtifactClass, Counts, Namespace};
use crate::files::{Links, read_text};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{Filesystem, read_all};
use kitty_runtime::record::CaptureScope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The version of the format.
const VERSION: u32 = 1;
/// The most that is read of a baseline.
const LIMIT: u64 = 64 << 10;

/// What is remembered of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Its class.
    pub class: ArtifactClass,
    /// Its hash, or why it had none.
    pub content: Result<String, Absence>,
}

/// What was told of a mission last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The mission.
    pub namespace: Namespace,
    /// The hash of the whole.
    pub snapshot_hash: String,
    /// How many artifacts there were.
    pub counts: Counts,
    /// The artifacts by path.
    pub artifacts: BTreeMap<String, Remembered>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    told: Told,
}

impl Told {
    /// Returns the name of the file for a mission: another checkout, or another account, has been told
    /// nothing yet.
    #[must_use]
    pub fn file_name(build_id: &str, scope: CaptureScope, mission_slug: &str) -> String {
        let mut hasher = Sha256::new();
        for part in [build_id.as_bytes(), &scope.0, mission_slug.as_bytes()] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        format!("{}.json", hex::encode(&hasher.finalize()[..16]))
    }

    /// Forgets an artifact, so that it is told of again.
    pub fn forget(&mut self, path: &str) {
        self.artifacts.remove(path);
    }

    /// Reads what was told; `None` when nothing was, or the file cannot be used.
    #[must_use]
    pub fn read(filesystem: &dyn Filesystem, path: &Path) -> Option<Self> {
        let file: File = serde_json::from_slice(&read_all(filesystem, path).ok()?).ok()?;
        (file.version == VERSION).then_some(file.told)
    }

    /// Remembers what was told; survives the process and not a power cut.
    ///
    /// # Errors
    /// The file system's; then it is told once more.
    pub fn write(self, filesystem: &dyn Filesystem, path: &Path) -> io::Result<()> {
        let file = File {
            version: VERSION,
            told: self,
        };
        let text = serde_json::to_vec(&file).map_err(io::Error::other)?;
        crashsafe::replace(filesystem, path, &text, Durability::ProcessDeath)
    }
}

/// Returns the snapshot hash that somebody has accepted with the Python CLI, if it was accepted for
/// this mission on this machine.
#[must_use]
pub fn baseline(root: &Path, namespace: &Namespace, node_id: &str) -> Option<String> {
    let directory = root.join(".kittify/dossiers").join(&namespace.mission_slug);
    let file = directory.join("parity-baseline.json");
    let text = read_text(&file, LIMIT, Links::Refuse).ok()??;
    let document: Value = serde_json::from_str(&text).ok()?;
    let key = document.get("baseline_key")?;
    let is = |name: &str, value: &str| key.get(name).and_then(Value::as_str) == Some(value);
    let fits = is("project_uuid", &namespace.project_uuid)
        && is("node_id", node_id)
        && is("mission_slug", &namespace.mission_slug)
        && is("target_branch", &namespace.target_branch)
        && is("mission_type", &namespace.mission_type)
        && is("manifest_version", &namespace.manifest_version);
    let hash = document.get("parity_hash_sha256")?.as_str()?;
    // Baselines of before the prefix came are of another computation.
    (fits && hash.starts_with("sha256:")).then(|| hash.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::write;

    #[test]
    fn a_baseline_counts_for_the_mission_and_the_machine_it_was_accepted_on_only() {
        let place = tempfile::tempdir().unwrap();
        let namespace = Namespace {
            manifest_version: "1".into(),
            mission_slug: "one-01AAAAAA".into(),
            mission_type: "software-dev".into(),
            project_uuid: "p".into(),
            target_branch: "main".into(),
        };
        let directory = place.path().join(".kittify/dossiers/one-01AAAAAA");
        std::fs::create_dir_all(&directory).unwrap();
        let mut key = serde_json::to_value(&namespace).unwrap();
        key["node_id"] = "n".into();
        let document = serde_json::json!({
            "baseline_key": key,
            "parity_hash_sha256": "sha256:ab",
        });
        write(
            &directory.join("parity-baseline.json"),
            &document.to_string(),
        );
        let found = |node| baseline(place.path(), &namespace, node);
        assert_eq!(found("n").as_deref(), Some("sha256:ab"));
        assert_eq!(found("other"), None);
    }

    #[test]
    fn another_checkout_account_or_mission_is_another_file() {
        let name = Told::file_name;
        let nobody = CaptureScope::NOBODY;
        let one = name("b", nobody, "m");
        assert_eq!(one, name("b", nobody, "m"));
        assert_ne!(one, name("bm", nobody, ""));
        assert_ne!(one, name("b", CaptureScope([1; 16]), "m"));
        assert_ne!(one, name("b", nobody, "n"));
    }
}

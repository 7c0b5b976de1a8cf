//! The text of the files of a new project.

use super::Agent;
use crate::schema::SCHEMA_VERSION;
use kitty_runtime::id::ProjectUuid;
use serde_yaml_ng::Value;
use std::fmt::Write as _;

/// Stands above our lines of `.gitignore`.
pub(super) const IGNORE_HEADING: &str = "# Spec Kitty: worktrees and state of this checkout";

/// What is made in a checkout and belongs to nobody else.
pub(super) const IGNORED: [&str; 11] = [
    ".worktrees/",
    ".kittify/.dashboard",
    ".kittify/derived/",
    ".kittify/dossiers/",
    ".kittify/events/",
    ".kittify/logs/",
    ".kittify/merge-state.json",
    ".kittify/migrations/",
    ".kittify/runtime/",
    ".kittify/sync-state.json",
    ".kittify/workspaces/",
];

/// `.kittify/config.yaml`.
pub(super) fn config(uuid: ProjectUuid, slug: &str, agents: &[Agent]) -> String {
    let mut text = format!(
        "project:\n  uuid: {uuid}\n  slug: {}\n\
         mission_type_activations:\n- software-dev\n- documentation\n- research\n- plan\n\
         vcs:\n  type: git\n\
         agents:\n  available:",
        scalar(slug)
    );
    if agents.is_empty() {
        text.push_str(" []");
    }
    for agent in agents {
        write!(text, "\n  - {}", agent.name()).expect("writing to a string cannot fail");
    }
    text.push_str("\n  auto_commit: true\n");
    text
}

/// `.kittify/metadata.yaml`.
pub(super) fn metadata(version: &str, now: &str) -> String {
    format!(
        "# What made this project and which layout it has; spec-kitty keeps this file.\n\
         spec_kitty:\n  schema_version: {SCHEMA_VERSION}\n  version: {}\n  initialized_at: '{now}'\n  \
         last_upgraded_at:\n  schema_capabilities:\n    canonical_context: true\n    \
         event_log_authority: true\n    ownership_manifest: true\n    thin_shims: true\n\
         environment:\n  platform: {}\n\
         migrations:\n  applied: []\n",
        scalar(version),
        std::env::consts::OS,
    )
}

/// One value in YAML, quoted where it must be.
fn scalar(text: &str) -> String {
    let value = Value::String(text.to_owned());
    let text = serde_yaml_ng::to_string(&value).expect("text is always YAML");
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::ProjectConfig;

    #[test]
    fn whatever_the_directory_is_called_the_configuration_can_be_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        for slug in [
            "demo", "null", "1.5", "- x", "a: b", "#x", "'", "ü 猫", "@y", "~",
        ] {
            let uuid = ProjectUuid::random();
            crate::tests_support::write(&file, &config(uuid, slug, &[]));
            let read = ProjectConfig::read(&file).unwrap();
            assert_eq!(read.project.slug.as_deref(), Some(slug));
            assert_eq!(read.project.uuid, Some(uuid.to_string()));
            assert_eq!(read.mission_type_activations.unwrap().len(), 4);
        }
    }
}

//! The schema gate: whether this release understands a project (reference orchestrator-missions, 6).
//!
//! `.kittify/metadata.yaml` says which layout a project has. A project without the file passes: it
//! was marked by hand and never migrated by anybody.

use crate::files::{Links, read_text};
use crate::project::MARKER;
use serde_yaml_ng::Value;
use std::path::{Path, PathBuf};

/// The layout that this release reads and writes.
pub const SCHEMA_VERSION: u64 = 3;
/// The file's name in `.kittify/`.
pub const FILE_NAME: &str = "metadata.yaml";
/// The most that is read of the file.
const LIMIT: u64 = 256 * 1024;

/// This release must not touch the project.
///
/// `Display` is the prose for stderr; the first line is the one of 3.2.7.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaProblem {
    /// The version is missing, lower, or no number.
    #[error(
        "This project needs Spec Kitty project migrations before this command can run.\n\
         Run: spec-kitty upgrade\n\
         Preview first: spec-kitty upgrade --dry-run"
    )]
    NeedsMigration,
    /// A newer release wrote the project.
    #[error(
        "This project uses Spec Kitty project schema {found}, but this CLI supports up to schema {SCHEMA_VERSION}.\n\
         Install a newer spec-kitty and run the command again."
    )]
    TooNew {
        /// The version in the file.
        found: u64,
    },
}

/// Returns `.kittify/metadata.yaml` of a project.
#[must_use]
pub fn file(root: &Path) -> PathBuf {
    root.join(MARKER).join(FILE_NAME)
}

/// Checks the project with this root; reads one file and writes none.
///
/// # Errors
/// [`SchemaProblem`].
pub fn check(root: &Path) -> Result<(), SchemaProblem> {
    match read_text(&file(root), LIMIT, Links::Follow) {
        Ok(None) => Ok(()),
        Ok(Some(text)) => judge(&text),
        Err(_) => Err(SchemaProblem::NeedsMigration),
    }
}

fn judge(text: &str) -> Result<(), SchemaProblem> {
    match version(text) {
        Some(SCHEMA_VERSION) => Ok(()),
        Some(found) if found > SCHEMA_VERSION => Err(SchemaProblem::TooNew { found }),
        _ => Err(SchemaProblem::NeedsMigration),
    }
}

/// Returns the text of a `metadata.yaml` with this release's version; `None` when it has it, a newer
/// one, or a form in which it cannot be changed by lines.
///
/// The layouts before [`SCHEMA_VERSION`] differ in files of agents that this program does not touch.
#[must_use]
pub fn raised(text: &str) -> Option<String> {
    if !matches!(judge(text), Err(SchemaProblem::NeedsMigration)) {
        return None;
    }
    let fields = [("schema_version", Some(Value::from(SCHEMA_VERSION)))];
    let after = crate::project::tracker::edit::section(text, "spec_kitty", &fields)?;
    judge(&after).is_ok().then_some(after)
}

/// Reads `spec_kitty.schema_version`, a number or a number as text.
fn version(text: &str) -> Option<u64> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document: Value = serde_yaml_ng::from_str(text).ok()?;
    match document.get("spec_kitty")?.get("schema_version")? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_of_this_release_passes() {
        for (version, expected) in [
            ("3", Ok(())),
            ("\"3\"", Ok(())),
            ("2", Err(SchemaProblem::NeedsMigration)),
            ("-1", Err(SchemaProblem::NeedsMigration)),
            ("three", Err(SchemaProblem::NeedsMigration)),
            ("null", Err(SchemaProblem::NeedsMigration)),
            ("[3]", Err(SchemaProblem::NeedsMigration)),
            ("4", Err(SchemaProblem::TooNew { found: 4 })),
            ("99", Err(SchemaProblem::TooNew { found: 99 })),
        ] {
            let text = format!("spec_kitty:\n  schema_version: {version}\n");
            assert_eq!(judge(&text), expected, "{version}");
        }
        for damaged in ["", "a: [", "[]", "spec_kitty: 3", "other: {}"] {
            assert_eq!(judge(damaged), Err(SchemaProblem::NeedsMigration));
        }
        assert_eq!(judge("\u{feff}spec_kitty: {schema_version: 3}"), Ok(()));
    }

    #[test]
    fn an_older_version_is_raised_and_nothing_else_is_changed() {
        let old = "# kept\nspec_kitty:\n  version: 3.0.3\n  initialized_at: 'x'\nmigrations: {}\n";
        let new = raised(old).unwrap();
        assert!(judge(&new).is_ok());
        assert_eq!(new.replace("  schema_version: 3\n", ""), old);
        assert_eq!(raised("spec_kitty:\n  schema_version: 3\n"), None);
        assert_eq!(raised("spec_kitty:\n  schema_version: 4\n"), None);
        assert_eq!(raised("spec_kitty: {version: 1}\n"), None);
    }

    #[test]
    fn a_missing_file_passes_and_one_that_cannot_be_read_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert_eq!(check(root), Ok(()));
        std::fs::create_dir_all(file(root)).unwrap();
        assert_eq!(check(root), Err(SchemaProblem::NeedsMigration));
    }

    #[test]
    fn the_messages_are_those_that_people_know() {
        let prose = SchemaProblem::TooNew { found: 99 }.to_string();
        assert!(prose.starts_with(
            "This project uses Spec Kitty project schema 99, but this CLI supports up to schema 3.\n"
        ));
        let prose = SchemaProblem::NeedsMigration.to_string();
        assert_eq!(prose.lines().count(), 3);
        assert!(prose.contains("\nRun: spec-kitty upgrade\n"));
    }
}

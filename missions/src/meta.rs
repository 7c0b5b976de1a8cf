//! Reads the `meta.json` of a mission, tolerantly.

use crate::files::{Links, ReadProblem, read_text};
use kitty_runtime::python_json;
use serde_json::{Map, Value};
use std::path::Path;

/// The most that is read of a file.
const LIMIT: u64 = 4 << 20;
/// The name of the file in a mission's directory.
pub const FILE_NAME: &str = "meta.json";
/// Begins the names of keys from before missions were called missions.
const LEGACY_WORD: &str = "feature";

/// What is read of a mission's metadata; unknown keys are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissionMeta {
    /// The ULID; missing in missions from before it existed.
    pub mission_id: Option<String>,
    /// The slug; the directory's name where the file has none.
    pub mission_slug: String,
    /// The number, once merged.
    pub mission_number: Option<u64>,
    /// The type.
    pub mission_type: Option<String>,
    /// The title for people.
    pub friendly_name: Option<String>,
    /// The branch it is planned on.
    pub target_branch: Option<String>,
    /// The branch it is merged into, where that is another one.
    pub merge_target_branch: Option<String>,
    /// Whether its branches stay after the merge.
    pub retain_branches: bool,
    /// Whether its worktrees stay after the merge.
    pub retain_worktrees: bool,
    /// How its work is spread over branches.
    pub topology: Option<String>,
    /// When it was created, as written.
    pub created_at: Option<String>,
}

/// A mission's metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetaProblem {
    /// The directory is a link or not a directory.
    #[error("it is not a plain directory")]
    NotADirectory,
    /// No file.
    #[error("{FILE_NAME} is missing")]
    Missing,
    /// The file cannot be read.
    #[error("{FILE_NAME} cannot be read: {0}")]
    Unreadable(ReadProblem),
    /// The file is not a JSON object.
    #[error("{FILE_NAME} is not a JSON object")]
    NotAnObject,
    /// The file has the keys of an earlier release.
    #[error("{FILE_NAME} has the form of an earlier release: it needs `spec-kitty upgrade`")]
    NeedsUpgrade,
    /// A field has a value of the wrong kind.
    #[error("{FILE_NAME}: `{field}` must be {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl MissionMeta {
    /// Reads the metadata of a mission's directory.
    ///
    /// # Errors
    /// [`MetaProblem`]; none names a value of the file.
    pub fn read(directory: &Path) -> Result<Self, MetaProblem> {
        let text = read_text(&directory.join(FILE_NAME), LIMIT, Links::Refuse)
            .map_err(MetaProblem::Unreadable)?
            .ok_or(MetaProblem::Missing)?;
        let mut meta = Self::parse(&text)?;
        if meta.mission_slug.is_empty()
            && let Some(name) = directory.file_name()
        {
            meta.mission_slug = name.to_string_lossy().into_owned();
        }
        Ok(meta)
    }

    /// Reads the text of a `meta.json`.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, MetaProblem> {
        let Ok(Value::Object(keys)) = serde_json::from_str(text) else {
            return Err(MetaProblem::NotAnObject);
        };
        if is_legacy(&keys) {
            return Err(MetaProblem::NeedsUpgrade);
        }
        let text = |field: &'static str| match keys.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(MetaProblem::Field {
                field,
                expected: "text",
            }),
        };
        let flag = |field: &str| keys.get(field) == Some(&Value::Bool(true));
        Ok(Self {
            mission_id: text("mission_id")?,
            mission_slug: match text("mission_slug")? {
                Some(slug) => slug,
                None => text("slug")?.unwrap_or_default(),
            },
            mission_number: number(&keys)?,
            mission_type: text("mission_type")?,
            friendly_name: text("friendly_name")?,
            target_branch: text("target_branch")?,
            merge_target_branch: text("merge_target_branch")?,
            retain_branches: flag("retain_branches"),
            retain_worktrees: flag("retain_worktrees"),
            topology: text("topology")?,
            created_at: text("created_at")?,
        })
    }
}

/// Renders the `meta.json` of a mission's directory after a change of its keys; others are kept.
///
/// # Errors
/// Those of [`MissionMeta::read`].
pub fn edited(
    directory: &Path,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<String, MetaProblem> {
    let text = read_text(&directory.join(FILE_NAME), LIMIT, Links::Refuse)
        .map_err(MetaProblem::Unreadable)?
        .ok_or(MetaProblem::Missing)?;
    MissionMeta::parse(&text)?;
    let Ok(Value::Object(mut keys)) = serde_json::from_str(&text) else {
        return Err(MetaProblem::NotAnObject);
    };
    change(&mut keys);
    Ok(python_json::indented_unescaped(&keys) + "\n")
}

fn is_legacy(keys: &Map<String, Value>) -> bool {
    let prefixed = |key: &String| {
        key.strip_prefix(LEGACY_WORD)
            .is_some_and(|rest| rest.starts_with('_'))
    };
    keys.keys().any(prefixed) || keys.contains_key("mission")
}

/// Null, a number, or a number as text with leading zeros.
fn number(keys: &Map<String, Value>) -> Result<Option<u64>, MetaProblem> {
    let field = "mission_number";
    let wrong = || MetaProblem::Field {
        field,
        expected: "null or a whole number",
    };
    match keys.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => number.as_u64().map(Some).ok_or_else(wrong),
        Some(Value::String(text)) => {
            let text = text.trim();
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| text.parse().ok()).flatten();
            number.map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_null_whole_or_text_with_leading_zeros() {
        for (value, number) in [
            ("null", None),
            ("7", Some(7)),
            ("\"042\"", Some(42)),
            ("\" 7 \"", Some(7)),
        ] {
            let text = format!("{{\"mission_number\": {value}}}");
            assert_eq!(MissionMeta::parse(&text).unwrap().mission_number, number);
        }
        for value in ["-1", "1.5", "\"x\"", "\"\"", "\"+3\"", "true", "[]"] {
            let text = format!("{{\"mission_number\": {value}}}");
            let error = MissionMeta::parse(&text).unwrap_err().to_string();
            assert_eq!(
                error,
                "meta.json: `mission_number` must be null or a whole number"
            );
        }
    }

    #[test]
    fn the_form_of_an_earlier_release_needs_an_upgrade_and_no_value_is_named() {
        for key in [
            "mission",
            concat!("feature", "_slug"),
            concat!("feature", "_number"),
        ] {
            let text = format!("{{\"{key}\": \"private-name\", \"mission_slug\": \"x\"}}");
            let error = MissionMeta::parse(&text).unwrap_err();
            assert!(matches!(error, MetaProblem::NeedsUpgrade));
            assert!(!error.to_string().contains("private-name"));
        }
        assert!(MissionMeta::parse(r#"{"features": 1, "mission_slug": "x"}"#).is_ok());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "{", "null", "\"x\""] {
            assert!(matches!(
                MissionMeta::parse(text),
                Err(MetaProblem::NotAnObject)
            ));
        }
        let error = MissionMeta::parse(r#"{"friendly_name": 3}"#).unwrap_err();
        assert_eq!(error.to_string(), "meta.json: `friendly_name` must be text");
    }
}

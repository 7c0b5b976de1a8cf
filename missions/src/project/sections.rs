//! Gives `.kittify/config.yaml` the sections of today: `project`, `build` and `node` (document 4,
//! FR-005).
//!
//! Until 3.2.7 one `project` section held everything. The ids move, lines of others stay as they are,
//! and what comes out is read again: it must name the same identity, or the text is left alone.

use super::config::{ConfigProblem, ProjectConfig, document};
use super::tracker::edit;
use serde_yaml_ng::{Mapping, Value};
use std::path::Path;

/// The ids that have a section of their own, by the key they had in `project`.
const MOVED: [(&str, &str); 2] = [("build_id", "build"), ("node_id", "node")];

/// The text cannot be given the sections of today.
#[derive(Debug, thiserror::Error)]
pub enum SectionProblem {
    /// The file cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// The old place and the new one hold different ids.
    #[error("`project.{key}` and `{section}.id` in {file} differ: remove the one that is wrong")]
    Differ {
        /// The key in `project`.
        key: &'static str,
        /// The section.
        section: &'static str,
        /// The file.
        file: String,
    },
    /// It is written in a way that only its author can change.
    #[error("{file} cannot be changed by lines: write its `project` section as a block")]
    Style {
        /// The file.
        file: String,
    },
}

/// Returns the text with the ids in their sections; `None` when they are there.
///
/// # Errors
/// [`SectionProblem`]; the file must then be left alone.
pub fn moved(file: &Path, text: &str) -> Result<Option<String>, SectionProblem> {
    let before = ProjectConfig::parse(file, text)?;
    let root = document(file, text)?.unwrap_or_default();
    let Some(Value::Mapping(project)) = root.get("project") else {
        return Ok(None);
    };
    let name = || file.display().to_string();
    let style = || SectionProblem::Style { file: name() };
    let mut after = text.to_owned();
    for (key, section) in MOVED {
        let Some(value) = project.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let id = written(value).ok_or_else(style)?;
        let there = match root.get(section) {
            None | Some(Value::Null) => None,
            Some(Value::Mapping(fields)) => fields.get("id").and_then(written),
            // Another tool's; it keeps its word.
            Some(_) => return Err(style()),
        };
        if there.as_ref().is_some_and(|there| *there != id) {
            let file = name();
            return Err(SectionProblem::Differ { key, section, file });
        }
        let comment = comment(&after, key).map(str::to_owned);
        after = edit::section(&after, "project", &[(key, None)]).ok_or_else(style)?;
        if there.is_none() {
            let field = [("id", Some(Value::from(id)))];
            after = edit::section(&after, section, &field).ok_or_else(style)?;
            if let Some(comment) = comment {
                after = commented(&after, section, &comment);
            }
        }
    }
    if after == text {
        return Ok(None);
    }
    let same_identity = ProjectConfig::parse(file, &after)? == before;
    let rest = without_ids(document(file, &after)?.unwrap_or_default());
    if same_identity && rest == without_ids(root) {
        Ok(Some(after))
    } else {
        Err(style())
    }
}

/// The text of an id, as the reader of the configuration sees it.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Everything but the ids, in whatever order.
fn without_ids(mut root: Mapping) -> Mapping {
    for (key, section) in MOVED {
        if let Some(Value::Mapping(project)) = root.get_mut("project") {
            project.remove(key);
        }
        if let Some(Value::Mapping(fields)) = root.get_mut(section) {
            fields.remove("id");
            if fields.is_empty() {
                root.remove(section);
            }
        }
    }
    root
}

/// Returns the comment behind a field of `project`, where its value has no quotes.
fn comment<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| {
        let rest = line.trim_start().strip_prefix(key);
        line.starts_with(' ') && rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    })?;
    if line.contains(['"', '\'']) {
        return None;
    }
    line.find(" #").map(|at| line[at + 1..].trim_end())
}

/// Puts a comment behind the `id` of a section.
fn commented(text: &str, section: &str, comment: &str) -> String {
    let mut inside = false;
    let lines = text.split_inclusive('\n').map(|line| {
        if !line.starts_with([' ', '#', '\n', '\r']) {
            inside = line.starts_with(&format!("{section}:"));
        }
        let body = line.trim_end_matches(['\n', '\r']);
        if inside && body.trim_start().starts_with("id:") && !body.contains(" #") {
            format!("{body}  {comment}{}", &line[body.len()..])
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(text: &str) -> Result<Option<String>, SectionProblem> {
        super::moved(Path::new("config.yaml"), text)
    }

    #[test]
    fn the_ids_move_and_every_other_line_stays() {
        let before = "# top\nproject:\n  uuid: 29036a5d-5672-4566-8b2c-9278a6c62cea  # who\n  slug: demo\n\
                      \x20 node_id: b805cd5cee74  # this machine\n  build_id: 96be34e6-c378-5fd4-83e5-c5b315dc979b\n\
                      \x20 future: 1\nvcs:\n  type: git # kept\n";
        let after = moved(before).unwrap().unwrap();
        assert_eq!(
            after,
            "# top\nproject:\n  uuid: 29036a5d-5672-4566-8b2c-9278a6c62cea  # who\n  slug: demo\n\
             \x20 future: 1\nvcs:\n  type: git # kept\nbuild:\n  id: \"96be34e6-c378-5fd4-83e5-c5b315dc979b\"\n\
             node:\n  id: b805cd5cee74  # this machine\n"
        );
        assert!(moved(&after).unwrap().is_none());
    }

    #[test]
    fn what_needs_no_move_is_left_alone() {
        for text in [
            "",
            "project:\n  uuid: x\n",
            "build: {id: b}\nnode: {id: n}\n",
        ] {
            assert!(moved(text).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn a_number_keeps_its_text_and_line_ends_stay() {
        let after = moved("project:\r\n  slug: a\r\n  node_id: 123456789012\r\n").unwrap();
        assert_eq!(
            after.unwrap(),
            "project:\r\n  slug: a\r\nnode:\r\n  id: \"123456789012\"\r\n"
        );
    }

    #[test]
    fn two_different_ids_and_a_style_of_its_own_are_refused() {
        let differ = moved("project:\n  build_id: a\nbuild:\n  id: b\n").unwrap_err();
        assert!(matches!(differ, SectionProblem::Differ { .. }));
        for text in [
            "project: {node_id: a}\n",
            "project:\n  node_id: a\nnode: 20\n",
        ] {
            assert!(
                matches!(moved(text), Err(SectionProblem::Style { .. })),
                "{text}"
            );
        }
        let same = moved("project:\n  slug: s\n  build_id: a\nbuild:\n  id: a\n").unwrap();
        assert_eq!(same.unwrap(), "project:\n  slug: s\nbuild:\n  id: a\n");
    }
}

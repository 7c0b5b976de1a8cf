//! A tolerant reader of `.kittify/config.yaml`.
//!
//! The file is the user's and has many sections that are not ours; they are ignored. What is ours is
//! read leniently as today (values are trimmed, numbers become text) and refused with the name of
//! the field when it cannot be understood. Nothing here writes.

use crate::files::{Links, ReadProblem, read_text};
use serde_yaml_ng::{Mapping, Value};
use std::path::{Path, PathBuf};

/// The most that is read of a configuration.
pub(crate) const LIMIT: u64 = 1 << 20;

/// The configuration cannot be understood; it is never rewritten.
#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    /// The file cannot be read.
    #[error("{} cannot be read: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        problem: ReadProblem,
    },
    /// The file is not YAML.
    #[error("{} is not valid YAML{}: correct it by hand", file.display(), place(*line))]
    NotYaml {
        /// The file.
        file: PathBuf,
        /// The line of the first mistake, counted from one.
        line: Option<usize>,
    },
    /// A field has a value of the wrong kind.
    #[error("`{field}` in {} must be {expected}: correct it by hand", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The field with its section, for example `project.uuid`.
        field: String,
        /// What it must be.
        expected: &'static str,
    },
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

/// What this program takes from `.kittify/config.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectConfig {
    /// Who the project is.
    pub project: ProjectSection,
    /// The activated mission types in file order; `None` when the file does not list them.
    pub mission_type_activations: Option<Vec<String>>,
    /// `protection.protected_branches`: branches that agents' moves are not committed to.
    pub protected_branches: Vec<String>,
}

/// Who the project is, from either form of the file: one `project` section with all fields, or
/// `project`, `build` and `node` sections (document 4, FR-005).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectSection {
    /// `project.uuid` as written; it may not be a UUID.
    pub uuid: Option<String>,
    /// `project.slug`.
    pub slug: Option<String>,
    /// `project.node_id`, or `node.id`.
    pub node_id: Option<String>,
    /// `build.id`, or `project.build_id`. Never an identity by itself: the file travels with every
    /// clone and copy (see `identity`).
    pub build_id: Option<String>,
    /// `build.checkout`: which checkout `build.id` is of, as [`crate::identity`] tells it.
    pub build_checkout: Option<String>,
    /// `project.repo_slug`, or `repo_slug`: wins over `origin` when it has a slash.
    pub repo_slug: Option<String>,
}

impl ProjectConfig {
    /// Reads a file; a missing or empty one is an empty configuration.
    ///
    /// # Errors
    /// [`ConfigProblem`].
    pub fn read(file: &Path) -> Result<Self, ConfigProblem> {
        let text =
            read_text(file, LIMIT, Links::Follow).map_err(|problem| ConfigProblem::Unreadable {
                file: file.to_owned(),
                problem,
            })?;
        Self::parse(file, text.as_deref().unwrap_or_default())
    }

    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, ConfigProblem> {
        let reader = Reader { file };
        let Some(root) = document(file, text)? else {
            return Ok(Self::default());
        };
        let project = reader.section(&root, "project")?;
        let build = reader.section(&root, "build")?;
        let node = reader.section(&root, "node")?;
        let protection = reader.section(&root, "protection")?;
        let text = |section: &Mapping, name: &str, key: &str| reader.text(section, name, key);
        let first = |one: Option<String>, other: Option<String>| one.or(other);
        Ok(Self {
            project: ProjectSection {
                uuid: text(&project, "project.uuid", "uuid")?,
                slug: text(&project, "project.slug", "slug")?,
                node_id: first(
                    text(&node, "node.id", "id")?,
                    text(&project, "project.node_id", "node_id")?,
                ),
                build_id: first(
                    text(&build, "build.id", "id")?,
                    text(&project, "project.build_id", "build_id")?,
                ),
                build_checkout: text(&build, "build.checkout", "checkout")?,
                repo_slug: first(
                    text(&project, "project.repo_slug", "repo_slug")?,
                    text(&root, "repo_slug", "repo_slug")?,
                ),
            },
            mission_type_activations: reader.texts(
                &root,
                "mission_type_activations",
                "mission_type_activations",
            )?,
            protected_branches: reader
                .texts(
                    &protection,
                    "protection.protected_branches",
                    "protected_branches",
                )?
                .unwrap_or_default(),
        })
    }
}

/// Parses a configuration; `None` when it is empty.
pub(crate) fn document(file: &Path, text: &str) -> Result<Option<Mapping>, ConfigProblem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document: Value =
        serde_yaml_ng::from_str(text).map_err(|error| ConfigProblem::NotYaml {
            file: file.to_owned(),
            line: error.location().map(|location| location.line()),
        })?;
    match document {
        Value::Null => Ok(None),
        Value::Mapping(root) => Ok(Some(root)),
        _ => Err(Reader { file }.wrong("the document", "a mapping")),
    }
}

/// Knows the file, so that every refusal names it.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Path,
}

impl Reader<'_> {
    pub(super) fn wrong(&self, field: &str, expected: &'static str) -> ConfigProblem {
        ConfigProblem::Field {
            file: self.file.to_owned(),
            field: field.to_owned(),
            expected,
        }
    }

    /// A section; missing and empty are the same. A scalar counts as missing for everything but
    /// `project`: names that other tools may use for something else.
    fn section(&self, root: &Mapping, name: &str) -> Result<Mapping, ConfigProblem> {
        match root.get(name) {
            None | Some(Value::Null) => Ok(Mapping::new()),
            Some(Value::Mapping(section)) => Ok(section.clone()),
            Some(_) if name != "project" => Ok(Mapping::new()),
            Some(_) => Err(self.wrong(name, "a mapping")),
        }
    }

    pub(super) fn text(
        &self,
        section: &Mapping,
        field: &str,
        key: &str,
    ) -> Result<Option<String>, ConfigProblem> {
        let text = match section.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(self.wrong(field, "text")),
        };
        Ok((!text.is_empty()).then_some(text))
    }

    fn texts(
        &self,
        section: &Mapping,
        field: &str,
        key: &str,
    ) -> Result<Option<Vec<String>>, ConfigProblem> {
        let expected = "a list of names";
        match section.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Sequence(items)) => items
                .iter()
                .map(|item| match item {
                    Value::String(name) => Ok(name.trim().to_owned()),
                    _ => Err(self.wrong(field, expected)),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(self.wrong(field, expected)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProjectConfig, ConfigProblem> {
        ProjectConfig::parse(Path::new("config.yaml"), text)
    }

    #[test]
    fn both_forms_of_the_file_say_the_same() {
        let one = parse(
            "# comment\nproject:\n  uuid: ' AE17D5B9-a76d-4567-8acb-c0bf7b9410b4 '\n  slug: demo\n  \
             node_id: 123456789012\n  build_id: b\n  repo_slug: a/b\nvcs:\n  type: git\n\
             mission_type_activations:\n- plan\n- research\n",
        )
        .unwrap();
        let three = parse(
            "project: {uuid: AE17D5B9-a76d-4567-8acb-c0bf7b9410b4, slug: demo}\n\
             build: {id: b}\nnode: {id: '123456789012'}\nrepo_slug: a/b\n\
             mission_type_activations: [plan, research]\n",
        )
        .unwrap();
        assert_eq!(one, three);
        assert_eq!(one.project.node_id.as_deref(), Some("123456789012"));
        assert_eq!(
            one.mission_type_activations,
            Some(vec!["plan".to_owned(), "research".to_owned()])
        );
    }

    #[test]
    fn a_missing_file_and_an_empty_one_are_empty_configurations() {
        assert_eq!(parse("").unwrap(), ProjectConfig::default());
        assert_eq!(
            parse("# only a comment\n").unwrap(),
            ProjectConfig::default()
        );
        assert_eq!(
            parse("project:\nbuild: release\nnode: 20\n").unwrap(),
            ProjectConfig::default()
        );
        let missing = ProjectConfig::read(Path::new("no/such/config.yaml")).unwrap();
        assert_eq!(missing, ProjectConfig::default());
    }

    #[test]
    fn only_branches_that_are_listed_are_protected() {
        let protected = |text: &str| parse(text).unwrap().protected_branches;
        assert_eq!(protected(""), [""; 0]);
        assert_eq!(protected("protection: {}\n"), [""; 0]);
        let listed = "protection:\n  protected_branches: [main, ' stable ']\n";
        assert_eq!(protected(listed), ["main", "stable"]);
    }

    #[test]
    fn an_empty_list_of_types_is_not_a_missing_one() {
        let config = parse("mission_type_activations: []\n").unwrap();
        assert_eq!(config.mission_type_activations, Some(Vec::new()));
    }

    #[test]
    fn a_refusal_names_the_file_and_the_field() {
        for (text, message) in [
            (
                "project: [x]\n",
                "`project` in config.yaml must be a mapping",
            ),
            (
                "project: {slug: [x]}\n",
                "`project.slug` in config.yaml must be text",
            ),
            (
                "build: {id: true}\n",
                "`build.id` in config.yaml must be text",
            ),
            (
                "protection: {protected_branches: main}\n",
                "`protection.protected_branches` in config.yaml must be a list of names",
            ),
            (
                "mission_type_activations: plan\n",
                "`mission_type_activations` in config.yaml must be a list of names",
            ),
            ("- x\n", "`the document` in config.yaml must be a mapping"),
            (
                "project:\n  a: b\n  a: c\n",
                "config.yaml is not valid YAML",
            ),
            ("project: {\n", "config.yaml is not valid YAML"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_document_that_multiplies_itself_is_refused() {
        let mut text = String::from("a0: &a0 [x, x]\n");
        for level in 1..30 {
            let below = level - 1;
            text.push_str(&format!("a{level}: &a{level} [*a{below}, *a{below}]\n"));
        }
        assert!(matches!(parse(&text), Err(ConfigProblem::NotYaml { .. })));
    }
}

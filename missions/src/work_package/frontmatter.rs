//! What is read of a work package's frontmatter; unknown keys are ignored.

use super::{WorkPackageFile, WorkPackageProblem};
use serde_yaml_ng::{Mapping, Value};

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// It changes code, in a lane's worktree.
    CodeChange,
    /// It only plans, in the primary checkout.
    PlanningArtifact,
}

/// What a work package says about itself.
///
/// Its lane is never read from here: only the status log knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontmatter {
    /// `work_package_id`.
    pub work_package_id: Option<String>,
    /// `title`, or `work_package_title` of earlier releases.
    pub title: Option<String>,
    /// What must be approved before it starts.
    pub dependencies: Vec<String>,
    /// The requirements that it meets.
    pub requirement_refs: Vec<String>,
    /// References into a tracker.
    pub tracker_refs: Vec<String>,
    /// Its subtasks, by id.
    pub subtasks: Vec<String>,
    /// The globs of the files that it owns.
    pub owned_files: Vec<String>,
    /// Files of those that it will create.
    pub create_intent: Vec<String>,
    /// The directory that it is mainly about.
    pub authoritative_surface: Option<String>,
    /// `execution_mode`.
    pub kind: Option<WorkKind>,
    /// `codebase-wide` for work that may touch everything.
    pub scope: Option<String>,
    /// The branch that was planned on.
    pub planning_base_branch: Option<String>,
    /// The branch that it ends on.
    pub merge_target_branch: Option<String>,
    /// The same in words.
    pub branch_strategy: Option<String>,
}

impl Frontmatter {
    /// Reads the frontmatter; `file` names it in problems.
    ///
    /// # Errors
    /// [`WorkPackageProblem`].
    pub fn read(file: &str, parsed: &WorkPackageFile<'_>) -> Result<Self, WorkPackageProblem> {
        let mapping = mapping(file, parsed.yaml())?;
        let reader = Reader {
            file,
            mapping: &mapping,
        };
        let kind = match reader.text("execution_mode")?.as_deref() {
            None => None,
            Some("code_change") => Some(WorkKind::CodeChange),
            Some("planning_artifact") => Some(WorkKind::PlanningArtifact),
            Some(_) => {
                return Err(reader.wrong("execution_mode", "code_change or planning_artifact"));
            }
        };
        let title = match reader.text("title")? {
            Some(title) => Some(title),
            None => reader.text("work_package_title")?,
        };
        Ok(Self {
            work_package_id: reader.text("work_package_id")?,
            title,
            dependencies: reader.texts("dependencies")?,
            requirement_refs: reader.texts("requirement_refs")?,
            tracker_refs: reader.texts("tracker_refs")?,
            subtasks: reader.texts("subtasks")?,
            owned_files: reader.texts("owned_files")?,
            create_intent: reader.texts("create_intent")?,
            authoritative_surface: reader.text("authoritative_surface")?,
            kind,
            scope: reader.text("scope")?,
            planning_base_branch: reader.text("planning_base_branch")?,
            merge_target_branch: reader.text("merge_target_branch")?,
            branch_strategy: reader.text("branch_strategy")?,
        })
    }
}

/// Parses the frontmatter; an empty one is an empty mapping.
pub(super) fn mapping(file: &str, yaml: &str) -> Result<Mapping, WorkPackageProblem> {
    let wrong = |line| WorkPackageProblem::NotYaml {
        file: file.to_owned(),
        line,
    };
    // The first line of the file is the opening mark.
    match serde_yaml_ng::from_str(yaml) {
        Ok(Value::Null) => Ok(Mapping::new()),
        Ok(Value::Mapping(mapping)) => Ok(mapping),
        Ok(_) => Err(wrong(None)),
        Err(error) => Err(wrong(error.location().map(|place| place.line() + 1))),
    }
}

struct Reader<'a> {
    file: &'a str,
    mapping: &'a Mapping,
}

impl Reader<'_> {
    fn wrong(&self, field: &'static str, expected: &'static str) -> WorkPackageProblem {
        WorkPackageProblem::Field {
            file: self.file.to_owned(),
            field,
            expected,
        }
    }

    fn text(&self, field: &'static str) -> Result<Option<String>, WorkPackageProblem> {
        match self.mapping.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => scalar(value)
                .map(|text| (!text.is_empty()).then_some(text))
                .ok_or_else(|| self.wrong(field, "text")),
        }
    }

    /// A list; a text with commas is one too, as earlier releases wrote it.
    fn texts(&self, field: &'static str) -> Result<Vec<String>, WorkPackageProblem> {
        let wrong = || self.wrong(field, "a list of names");
        match self.mapping.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) if text.trim() == "[]" => Ok(Vec::new()),
            Some(Value::String(text)) => {
                let names = text.split(',').map(str::trim);
                Ok(names
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect())
            }
            Some(Value::Sequence(items)) => items
                .iter()
                .map(|item| scalar(item).ok_or_else(wrong))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

//! Work package files: YAML frontmatter, then a body that is the agent's prompt.
//!
//! The file is the user's. Reading takes what is known of the frontmatter; an edit touches the lines
//! of the fields that it sets and no other: the body, comments, order and foreign keys stay.
//!
//! Source: reference orchestrator-missions, section 4.2.

mod edit;
mod find;
mod frontmatter;

pub use edit::FieldValue;
pub use find::{find, list, read};
pub use frontmatter::{Frontmatter, WorkKind};

use crate::files::ReadProblem;
use std::path::PathBuf;

/// The directory of the work packages in a mission's directory.
pub const DIRECTORY: &str = "tasks";

/// A work package file, split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkPackageFile<'a> {
    text: &'a str,
    /// Where the YAML begins and ends, and where the body begins.
    yaml: (usize, usize),
    body: usize,
}

/// A work package file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkPackageProblem {
    /// The file or the directory cannot be read.
    #[error("{} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The reason.
        problem: ReadProblem,
    },
    /// The file does not begin with `---`.
    #[error("{file} has no frontmatter: begin it with a line `---`")]
    NoFrontmatter {
        /// The file's name.
        file: String,
    },
    /// No second `---`.
    #[error("{file}: the frontmatter does not end: add a line `---` below it")]
    Unclosed {
        /// The file's name.
        file: String,
    },
    /// The frontmatter is not a YAML mapping.
    #[error("{file}: the frontmatter is not a valid YAML mapping{}: correct it by hand", place(*line))]
    NotYaml {
        /// The file's name.
        file: String,
        /// The line of the first mistake, counted from one in the file.
        line: Option<usize>,
    },
    /// A field has a value of the wrong kind.
    #[error("{file}: `{field}` must be {expected}: correct it by hand")]
    Field {
        /// The file's name.
        file: String,
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The file's name and its frontmatter name different work packages.
    #[error("{file}: the frontmatter says {found}: name the file and `work_package_id` alike")]
    Mismatch {
        /// The file's name.
        file: String,
        /// What the frontmatter says.
        found: String,
    },
    /// A field stands there in a style that an edit does not understand.
    #[error(
        "{file}: `{field}` cannot be changed in the style it is written in: write it as a block"
    )]
    Style {
        /// The file's name.
        file: String,
        /// The field.
        field: String,
    },
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

impl<'a> WorkPackageFile<'a> {
    /// Splits the text of a file; `file` names it in problems.
    ///
    /// # Errors
    /// [`WorkPackageProblem::NoFrontmatter`] and [`WorkPackageProblem::Unclosed`].
    pub fn parse(file: &str, text: &'a str) -> Result<Self, WorkPackageProblem> {
        let missing = || WorkPackageProblem::NoFrontmatter {
            file: file.to_owned(),
        };
        let start = text.len() - text.trim_start_matches('\u{feff}').len();
        let mut lines = text[start..].split_inclusive('\n');
        let first = lines.next().filter(|line| line.trim_end() == "---");
        let yaml = start + first.ok_or_else(missing)?.len();
        let mut at = yaml;
        for line in lines {
            if line.trim() == "---" {
                return Ok(Self {
                    text,
                    yaml: (yaml, at),
                    body: at + line.len(),
                });
            }
            at += line.len();
        }
        Err(WorkPackageProblem::Unclosed {
            file: file.to_owned(),
        })
    }

    /// Returns the frontmatter as text.
    #[must_use]
    pub fn yaml(&self) -> &'a str {
        &self.text[self.yaml.0..self.yaml.1]
    }

    /// Returns what stands below the frontmatter.
    #[must_use]
    pub fn body(&self) -> &'a str {
        &self.text[self.body..]
    }
}

#[cfg(test)]
mod tests;

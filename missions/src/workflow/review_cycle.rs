//! The file that keeps a reviewer's feedback: `tasks/<work package>/review-cycle-<n>.md`.
//!
//! Source: reference orchestrator-missions, section 4.7.

use crate::files::is_plain_directory;
use crate::handle::NamedMission;
use crate::status_writer::FileChange;
use crate::work_package;
use kitty_runtime::python_json;
use std::io;
use std::path::{Path, PathBuf};

/// A review that sent work back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewCycle {
    /// Counted from one.
    pub number: u32,
    /// The name of the work package's file without its ending.
    pub stem: String,
    /// What status rows call it.
    pub reference: String,
    /// The file, below the mission's directory.
    pub path: PathBuf,
}

impl ReviewCycle {
    /// Numbers the next review of a work package.
    ///
    /// # Errors
    /// The directory of earlier reviews cannot be listed.
    pub(super) fn next(mission: &NamedMission, prompt: &Path) -> io::Result<Self> {
        let stem = prompt.file_stem().unwrap_or_default().to_string_lossy();
        let below = Path::new(work_package::DIRECTORY).join(&*stem);
        let number = highest(&mission.directory.join(&below))? + 1;
        let name = format!("review-cycle-{number}.md");
        Ok(Self {
            number,
            reference: format!("review-cycle://{}/{stem}/{name}", mission.slug),
            path: below.join(name),
            stem: stem.into_owned(),
        })
    }

    /// The file with the feedback.
    pub(super) fn file(
        &self,
        (mission, wp_id): (&NamedMission, &str),
        reviewer: &str,
        at: &str,
        feedback: &str,
    ) -> FileChange {
        let number = self.number;
        // JSON texts are YAML texts; a time without quotes would be none.
        let [slug, reviewed_at, reviewer, wp_id] =
            [&mission.slug, at, reviewer, wp_id].map(|text: &str| python_json::line(&text));
        let end = if feedback.ends_with('\n') { "" } else { "\n" };
        let text = format!(
            "---\naffected_files: []\ncycle_number: {number}\nmission_slug: {slug}\n\
             reproduction_command: null\nreviewed_at: {reviewed_at}\nreviewer_agent: {reviewer}\n\
             wp_id: {wp_id}\n---\n\n{feedback}{end}"
        );
        FileChange {
            path: self.path.clone(),
            text,
        }
    }
}

/// The highest number of a review that is there; zero without any.
fn highest(directory: &Path) -> io::Result<u32> {
    if !is_plain_directory(directory)? {
        return Ok(0);
    }
    let mut highest = 0;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name
            .strip_prefix("review-cycle-")
            .and_then(|rest| rest.strip_suffix(".md"))
            .and_then(|number| number.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

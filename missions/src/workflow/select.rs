//! Which mission a command is about that names none.

use super::{Desk, WorkflowError};
use crate::board;
use crate::handle::{HandleProblem, NamedMission};
use std::path::Path;

impl Desk<'_> {
    /// Finds the mission that is named, or else the one that `directory` is about: that of the lane
    /// worktree or of the mission directory it lies in, or the only one there is.
    ///
    /// # Errors
    /// [`WorkflowError::WhichMission`], and those of [`Self::mission`].
    pub fn chosen_mission(
        &self,
        typed: Option<&str>,
        directory: &Path,
    ) -> Result<NamedMission, WorkflowError> {
        if let Some(typed) = typed {
            return self.mission(typed);
        }
        let board = board::read(self.project).map_err(|error| {
            WorkflowError::Handle(HandleProblem::Unlistable {
                path: error.path,
                source: error.source,
            })
        })?;
        let slugs: Vec<String> = board.missions.into_iter().map(|entry| entry.name).collect();
        let here = self.slug_of(directory, &slugs);
        match (here, &slugs[..]) {
            (Some(slug), _) => self.mission(&slug),
            (None, [only]) => self.mission(only),
            (None, _) => Err(WorkflowError::WhichMission { candidates: slugs }),
        }
    }

    /// The mission whose worktree or directory a path lies in; of two slugs of which one begins with
    /// the other the longer is meant.
    fn slug_of(&self, directory: &Path, slugs: &[String]) -> Option<String> {
        let directory = directory.canonicalize().ok()?;
        let below = directory.strip_prefix(&self.project.root).ok()?;
        let mut parts = below.iter().map(|part| part.to_string_lossy());
        let (folder, name) = (parts.next()?, parts.next()?);
        let is_meant = |slug: &&String| match &*folder {
            crate::project::SPECS => **slug == name,
            ".worktrees" => {
                let rest = name.strip_prefix(slug.as_str());
                rest.is_some_and(|rest| rest.starts_with('-'))
            }
            _ => false,
        };
        let meant = slugs.iter().filter(is_meant);
        meant.max_by_key(|slug| slug.len()).cloned()
    }
}

//! The temporary worktree in which merges are made: made when needed, gone afterwards.

use super::IntegrationError;
use super::journal::Journal;
use crate::git::{At, Checkout};
use std::io;
use std::path::Path;

/// A detached worktree inside the git directory.
///
/// Its place is the same for every run of a mission, so what a run that died left there is removed
/// by the next. Nothing in it is anybody's: every result is a commit.
pub(super) struct Tree<'a> {
    repository: &'a Checkout,
    path: &'a Path,
    /// Whether a run that died left it, or git's record of it.
    is_left: bool,
    made: Option<Checkout>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(repository: &'a Checkout, journal: &'a Journal, is_left: bool) -> Self {
        Self {
            repository,
            path: journal.tree(),
            is_left,
            made: None,
        }
    }

    /// Returns the worktree with a commit checked out.
    pub(super) fn at(&mut self, commit: &str) -> Result<&Checkout, IntegrationError> {
        let made = match self.made.take() {
            Some(made) => {
                made.detach_at(commit)?;
                made
            }
            None => {
                if self.is_left {
                    self.sweep()?;
                }
                self.repository
                    .add_worktree(self.path, At::Commit(commit))?;
                let made = Checkout::open(self.repository.program(), self.path)?;
                made.ok_or_else(|| IntegrationError::Tree {
                    path: self.path.to_owned(),
                    source: io::ErrorKind::NotFound.into(),
                })?
            }
        };
        Ok(self.made.insert(made))
    }

    /// Removes it, whichever run made it.
    pub(super) fn remove(self) -> Result<(), IntegrationError> {
        if self.made.is_some() || self.is_left {
            self.sweep()?;
        }
        Ok(())
    }

    fn sweep(&self) -> Result<(), IntegrationError> {
        let failed = |source| IntegrationError::Tree {
            path: self.path.to_owned(),
            source,
        };
        match std::fs::remove_dir_all(self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let known = self.repository.worktrees()?;
        if known.iter().any(|known| known.path == self.path) {
            self.repository.remove_worktree(self.path, true)?;
        }
        Ok(())
    }
}

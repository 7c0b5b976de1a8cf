//! Commits of files that may be new, changed or as they were.

use super::commit::with_paths;
use super::program::arguments;
use super::{Checkout, Committed, GitError, Head, Reader};
use std::path::{Path, PathBuf};

/// How many commits behind HEAD ours may be when it is looked for; others may commit meanwhile.
const FARTHEST: usize = 100;

impl Checkout {
    /// Commits the present content of exactly these files, whatever else is staged or modified.
    ///
    /// Paths are relative to the root; ignored ones are committed as well. `None` when the files are
    /// as the last commit has them. The user's hooks run and may refuse.
    ///
    /// # Errors
    /// Those of [`Self::commit_only`]; then there is no commit and nothing of these files is staged.
    pub fn record(&self, paths: &[PathBuf], message: &str) -> Result<Option<Committed>, GitError> {
        let recorded = self.try_record(paths, message);
        if recorded.is_err() {
            // The first failure is the one to report; what stays staged harms nobody.
            let all = with_paths(arguments(["reset", "--quiet", "HEAD", "--"]), paths);
            let _ = self
                .program()
                .run(&self.described("unstage the mission's files", &all, false));
        }
        recorded
    }

    fn try_record(&self, paths: &[PathBuf], message: &str) -> Result<Option<Committed>, GitError> {
        let before = self.head()?;
        if !self.needs_no_staging(&before, paths) {
            self.stage(paths)?;
            if !self.differs_from_head(paths)? {
                return Ok(None);
            }
            return self.commit_staged(&before, paths, message).map(Some);
        }
        let error = match self.commit_staged(&before, paths, message) {
            Ok(committed) => return Ok(Some(committed)),
            Err(error) => error,
        };
        // Bytes differed, which a filter may have made the same.
        self.stage(paths)?;
        if self.differs_from_head(paths)? {
            return Err(error);
        }
        Ok(None)
    }

    /// Tells whether git's partial commit alone records these files: each start of git costs as much
    /// as the rest of a step. A repository that cannot be looked into is asked the usual way.
    fn needs_no_staging(&self, before: &Head, paths: &[PathBuf]) -> bool {
        match (&self.reader, before.commit()) {
            (Reader::Library(library), Some(commit)) => library
                .are_tracked_and_differ(&self.root, commit, paths)
                .unwrap_or(false),
            _ => false,
        }
    }

    fn commit_staged(
        &self,
        before: &Head,
        paths: &[PathBuf],
        message: &str,
    ) -> Result<Committed, GitError> {
        let outcome = self.commit_files("commit the mission's files", paths, message);
        match (outcome, self.commit_after(before.commit(), paths)?) {
            (_, Some(committed)) => Ok(committed),
            (Ok(finished), None) => Err(self.explain("commit the mission's files", finished)),
            (Err(error), None) => Err(error),
        }
    }

    /// Tells whether a file (relative to the root) is in the commit that is checked out.
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn is_committed(&self, path: &Path) -> Result<bool, GitError> {
        match self.head()?.commit() {
            Some(commit) => self.is_in_commit(commit, path),
            None => Ok(false),
        }
    }

    /// Tells whether the commit that is checked out changed a file (relative to the root).
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn head_changed(&self, path: &Path) -> Result<bool, GitError> {
        let head = self.head()?;
        let Some(commit) = head.commit() else {
            return Ok(false);
        };
        let before = match self.first_parent(commit)? {
            Some(parent) => self.blob(&parent, path)?,
            None => None,
        };
        Ok(self.blob(commit, path)? != before)
    }

    fn differs_from_head(&self, paths: &[PathBuf]) -> Result<bool, GitError> {
        let all = arguments(["diff", "--cached", "--quiet", "--no-ext-diff", "HEAD", "--"]);
        let all = with_paths(all, paths);
        let finished =
            self.program()
                .run(&self.described("compare the mission's files", &all, false))?;
        match finished.code {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(finished.failure("compare the mission's files")),
        }
    }

    /// Finds the oldest commit behind HEAD and after `before` that changed one of our files.
    fn commit_after(
        &self,
        before: Option<&str>,
        paths: &[PathBuf],
    ) -> Result<Option<Committed>, GitError> {
        let Head::Branch { name, mut commit } = self.head()? else {
            return Ok(None);
        };
        let mut ours = None;
        for _ in 0..FARTHEST {
            if before == Some(commit.as_str()) {
                break;
            }
            let Some(parent) = self.first_parent(&commit)? else {
                break;
            };
            for path in paths {
                if self.blob(&commit, path)? != self.blob(&parent, path)? {
                    ours = Some(Committed {
                        commit: commit.clone(),
                        parent: parent.clone(),
                        branch: name.clone(),
                    });
                    break;
                }
            }
            commit = parent;
        }
        Ok(ours)
    }

    /// Moves the branch back behind a commit that [`record`](Self::record) made; files and index
    /// are left to the caller.
    ///
    /// Returns `false` and does nothing unless the commit is still the tip of the branch that is
    /// checked out. The branch moves by compare-and-swap.
    ///
    /// # Errors
    /// Git's refusal, a timeout, or a missing program.
    pub fn move_back(&self, ours: &Committed) -> Result<bool, GitError> {
        let tip = Head::Branch {
            name: ours.branch.clone(),
            commit: ours.commit.clone(),
        };
        if self.head()? != tip {
            return Ok(false);
        }
        let mut all = arguments(["update-ref", "-m", "spec-kitty: roll back"]);
        all.push(format!("refs/heads/{}", ours.branch).into());
        all.push(ours.parent.clone().into());
        all.push(ours.commit.clone().into());
        let purpose = "take back the commit";
        self.program()
            .require(&self.described(purpose, &all, true))?;
        Ok(true)
    }
}

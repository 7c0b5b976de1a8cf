//! Branches made, moved and deleted, each by compare-and-swap.
//!
//! Every call names the commit that the branch is expected at, so a commit that somebody adds in
//! the same moment is never lost: git refuses instead. Names reach git as full references only.

use super::program::quiet;
use super::{Checkout, GitError, is_branch_name};
use std::ffi::OsString;

impl Checkout {
    /// Makes a branch that does not exist yet.
    ///
    /// # Errors
    /// Git's refusal, also when somebody made the branch meanwhile.
    pub fn create_branch(&self, branch: &str, commit: &str) -> Result<(), GitError> {
        self.update(
            "create the branch",
            "spec-kitty: create",
            branch,
            [commit, ""],
        )
    }

    /// Moves a branch that nobody has checked out from one commit to another.
    ///
    /// # Errors
    /// Git's refusal, also when the branch is no longer at `from`.
    pub fn move_branch(&self, branch: &str, from: &str, to: &str) -> Result<(), GitError> {
        self.update(
            "move the branch",
            "spec-kitty: integrate",
            branch,
            [to, from],
        )
    }

    /// Deletes a branch that nobody has checked out.
    ///
    /// # Errors
    /// Git's refusal, also when the branch is no longer at `tip`.
    pub fn delete_branch(&self, branch: &str, tip: &str) -> Result<(), GitError> {
        let mut all = quiet(["update-ref", "-d"]);
        all.extend([full_name(branch)?, tip.into()]);
        self.call("delete the branch", &all, true).map(drop)
    }

    fn update(
        &self,
        purpose: &'static str,
        reason: &str,
        branch: &str,
        values: [&str; 2],
    ) -> Result<(), GitError> {
        let mut all = quiet(["update-ref", "-m", reason]);
        all.push(full_name(branch)?);
        all.extend(values.map(OsString::from));
        self.call(purpose, &all, true).map(drop)
    }
}

fn full_name(branch: &str) -> Result<OsString, GitError> {
    if is_branch_name(branch) {
        return Ok(format!("refs/heads/{branch}").into());
    }
    Err(GitError::Failed {
        purpose: "name the branch",
        detail: format!("`{}` is not a branch name", branch.escape_debug()),
    })
}

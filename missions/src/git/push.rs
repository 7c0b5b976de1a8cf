//! Pushing one branch to `origin`.

use super::program::quiet;
use super::{Checkout, GitError, is_branch_name};

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// `origin` has the commits now, or had them already.
    Done,
    /// The repository has no remote `origin`.
    NoRemote,
}

impl Checkout {
    /// Pushes a branch to the branch of the same name of `origin`, never by force.
    ///
    /// The URL, the transport and the `pre-push` hook are those of the user's configuration.
    /// Nothing prompts.
    ///
    /// # Errors
    /// Git's refusal, above all when `origin` has commits that the branch has not; a timeout.
    pub fn push(&self, branch: &str) -> Result<Pushed, GitError> {
        if self.origin_url()?.is_none() {
            return Ok(Pushed::NoRemote);
        }
        if !is_branch_name(branch) {
            return Err(GitError::Failed {
                purpose: "push the branch",
                detail: format!("`{}` is not a branch name", branch.escape_debug()),
            });
        }
        let mut all = quiet(["push", "--quiet", "origin"]);
        all.push(format!("refs/heads/{branch}:refs/heads/{branch}").into());
        self.call("push the branch", &all, true)?;
        Ok(Pushed::Done)
    }
}

//! Linked worktrees: listed, added and removed through the program.

use super::graph::path;
use super::program::{Call, quiet};
use super::{Checkout, GitError};
use std::path::{Path, PathBuf};

/// What git writes into the lock of a worktree while it makes it.
const HALF_MADE: &str = "initializing";

/// One worktree of the repository, the primary checkout included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Worktree {
    /// The top of it, as git recorded it.
    pub path: PathBuf,
    /// The commit, in hexadecimal.
    pub head: Option<String>,
    /// The branch without `refs/heads/`; `None` when the head is detached.
    pub branch: Option<String>,
    /// Why it is locked; may be empty.
    pub locked: Option<String>,
    /// Whether its directory is gone.
    pub is_missing: bool,
}

impl Worktree {
    /// Tells whether git was ended while it made this worktree, or is still making it.
    #[must_use]
    pub fn is_half_made(&self) -> bool {
        self.locked.as_deref() == Some(HALF_MADE)
    }
}

/// What a new worktree has checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At<'a> {
    /// A branch that exists.
    Branch(&'a str),
    /// A branch that is made at this commit, before the worktree.
    NewBranch {
        /// The name without `refs/heads/`.
        name: &'a str,
        /// The commit, in hexadecimal.
        commit: &'a str,
    },
    /// A commit and no branch.
    Commit(&'a str),
}

impl Checkout {
    /// Lists the worktrees of the repository, the primary checkout first.
    ///
    /// # Errors
    /// Git's refusal, a timeout, or a missing program.
    pub fn worktrees(&self) -> Result<Vec<Worktree>, GitError> {
        let all = quiet(["worktree", "list", "--porcelain", "-z"]);
        let finished = self.program.require(&Call {
            purpose: "list the worktrees",
            directory: &self.root,
            arguments: &all,
            runs_hooks: false,
            reads_output: true,
        })?;
        Ok(parse(&finished.output))
    }

    /// Makes a worktree; the user's `post-checkout` hook runs.
    ///
    /// The path is absolute. Git makes missing parents, and refuses a directory that is not empty
    /// and a branch that is checked out elsewhere. A new branch is made by a call of its own: git's
    /// own `-b` leaves the branch when it gives up after it, so that it could not be tried again.
    ///
    /// # Errors
    /// Git's refusal; then git removed the worktree again, and a new branch stays.
    pub fn add_worktree(&self, path: &Path, at: At<'_>) -> Result<(), GitError> {
        let mut all = quiet(["worktree", "add", "--quiet"]);
        let start = match at {
            At::Branch(name) => name,
            At::NewBranch { name, commit } => {
                self.create_branch(name, commit)?;
                name
            }
            At::Commit(commit) => {
                all.push("--detach".into());
                commit
            }
        };
        all.extend(["--".into(), path.into(), start.into()]);
        self.call("add the worktree", &all, true).map(drop)
    }

    /// Removes a worktree with everything in it; one whose directory is gone is forgotten.
    ///
    /// The caller has made sure that nothing uncommitted is in it. `half_made` overrides the lock
    /// that git holds while it makes a worktree.
    ///
    /// # Errors
    /// Git's refusal.
    pub fn remove_worktree(&self, path: &Path, half_made: bool) -> Result<(), GitError> {
        let mut all = quiet(["worktree", "remove", "--force"]);
        if half_made {
            all.push("--force".into());
        }
        all.extend(["--".into(), path.into()]);
        self.call("remove the worktree", &all, true).map(drop)
    }

    /// Tells whether git was ended while it made this worktree, or is still making it.
    #[must_use]
    pub fn is_half_made(&self) -> bool {
        let lock = self.git_dir.join("locked");
        self.is_linked()
            && std::fs::read_to_string(lock).is_ok_and(|reason| reason.trim_end() == HALF_MADE)
    }
}

fn parse(output: &[u8]) -> Vec<Worktree> {
    let mut all: Vec<Worktree> = Vec::new();
    for line in output.split(|byte| *byte == 0) {
        let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
            Some(space) => (&line[..space], &line[space + 1..]),
            None => (line, &[][..]),
        };
        let text = || String::from_utf8_lossy(rest).into_owned();
        if word == b"worktree" {
            all.push(Worktree {
                path: path(rest),
                ..Worktree::default()
            });
        }
        let Some(last) = all.last_mut() else {
            continue;
        };
        match word {
            b"HEAD" => last.head = Some(text()),
            b"branch" => {
                let full = text();
                let name = full.strip_prefix("refs/heads/").unwrap_or(&full);
                last.branch = Some(name.to_owned());
            }
            b"locked" => last.locked = Some(text()),
            b"prunable" => last.is_missing = true,
            _ => {}
        }
    }
    for worktree in &mut all {
        // A locked worktree is not called prunable.
        worktree.is_missing |= !worktree.path.exists();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_git_is_read_with_every_kind_of_worktree() {
        let listed = parse(
            b"worktree /\0HEAD aa\0branch refs/heads/main\0\0\
              worktree /no such/a b\0HEAD bb\0detached\0prunable gone\0\0\
              worktree /no\nsuch\0HEAD cc\0branch refs/heads/x/y\0locked initializing\0\0",
        );
        assert_eq!(listed.len(), 3);
        assert_eq!(listed[0].branch.as_deref(), Some("main"));
        assert!(!listed[0].is_missing && !listed[0].is_half_made());
        assert_eq!(listed[1].path, Path::new("/no such/a b"));
        assert!(listed[1].is_missing && listed[1].branch.is_none());
        assert_eq!(listed[2].path, Path::new("/no\nsuch"));
        assert!(listed[2].is_half_made() && listed[2].is_missing);
    }
}

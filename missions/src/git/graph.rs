//! Questions about commits: which contains which, and what lies between.

use super::library::{Library, unreadable};
use super::program::arguments;
use super::questions::{Questions, READ};
use super::{Checkout, GitError, Reader};
use git2::{ErrorCode, Oid};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

impl Checkout {
    /// Returns the commit that a local branch points at.
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn branch_tip(&self, branch: &str) -> Result<Option<String>, GitError> {
        self.reference(&format!("refs/heads/{branch}"))
    }

    /// Tells whether the repository holds this commit (full hexadecimal id).
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn holds_commit(&self, commit: &str) -> Result<bool, GitError> {
        ask!(self, reader => reader.holds_commit(&self.root, commit))
    }

    /// Tells whether `descendant` contains `ancestor`; every commit contains itself.
    ///
    /// # Errors
    /// Those of [`Self::head`], also when one of them is no commit of the repository.
    pub fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Result<bool, GitError> {
        if ancestor == descendant {
            return Ok(true);
        }
        ask!(self, reader => reader.is_ancestor(&self.root, ancestor, descendant))
    }

    /// Tells whether `tip` has a commit that `base` does not contain.
    ///
    /// # Errors
    /// Those of [`Self::is_ancestor`].
    pub fn has_commits_beyond(&self, tip: &str, base: &str) -> Result<bool, GitError> {
        Ok(!self.is_ancestor(tip, base)?)
    }

    /// Returns a best common ancestor of two commits; `None` for unrelated histories.
    ///
    /// # Errors
    /// Those of [`Self::is_ancestor`].
    pub fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, GitError> {
        ask!(self, reader => reader.merge_base(&self.root, one, other))
    }

    /// Lists the paths that differ between two commits; a renamed file counts under both names.
    ///
    /// # Errors
    /// Those of [`Self::is_ancestor`].
    pub fn changed_files(&self, from: &str, to: &str) -> Result<BTreeSet<PathBuf>, GitError> {
        ask!(self, reader => reader.changed_files(&self.root, from, to))
    }
}

impl Library {
    fn holds_commit(&self, root: &Path, commit: &str) -> Result<bool, GitError> {
        let found = Oid::from_str(commit).and_then(|id| self.0.find_commit(id));
        match found {
            Ok(_) => Ok(true),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(unreadable(root, &error)),
        }
    }

    fn is_ancestor(&self, root: &Path, ancestor: &str, descendant: &str) -> Result<bool, GitError> {
        let ask = || {
            let (ancestor, descendant) = (Oid::from_str(ancestor)?, Oid::from_str(descendant)?);
            self.0.find_commit(ancestor)?;
            self.0.graph_descendant_of(descendant, ancestor)
        };
        ask().map_err(|error| unreadable(root, &error))
    }

    fn merge_base(&self, root: &Path, one: &str, other: &str) -> Result<Option<String>, GitError> {
        let ask = || {
            self.0
                .merge_base(Oid::from_str(one)?, Oid::from_str(other)?)
        };
        match ask() {
            Ok(base) => Ok(Some(base.to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(root, &error)),
        }
    }

    fn changed_files(
        &self,
        root: &Path,
        from: &str,
        to: &str,
    ) -> Result<BTreeSet<PathBuf>, GitError> {
        let ask = || {
            let tree = |commit: &str| self.0.find_commit(Oid::from_str(commit)?)?.tree();
            let (from, to) = (tree(from)?, tree(to)?);
            let difference = self.0.diff_tree_to_tree(Some(&from), Some(&to), None)?;
            let paths = difference
                .deltas()
                .flat_map(|delta| [delta.old_file().path(), delta.new_file().path()])
                .flatten()
                .map(Path::to_owned)
                .collect();
            Ok(paths)
        };
        ask().map_err(|error: git2::Error| unreadable(root, &error))
    }
}

impl Questions {
    fn holds_commit(&self, root: &Path, commit: &str) -> Result<bool, GitError> {
        let mut all = arguments(["cat-file", "-e"]);
        all.push(format!("{commit}^{{commit}}").into());
        Ok(self.ask(root, all)?.success)
    }

    fn is_ancestor(&self, root: &Path, ancestor: &str, descendant: &str) -> Result<bool, GitError> {
        let mut all = arguments(["merge-base", "--is-ancestor"]);
        all.extend([ancestor.into(), descendant.into()]);
        let finished = self.ask(root, all)?;
        match finished.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(finished.failure(READ)),
        }
    }

    fn merge_base(&self, root: &Path, one: &str, other: &str) -> Result<Option<String>, GitError> {
        let mut all = arguments(["merge-base"]);
        all.extend([one.into(), other.into()]);
        self.line(root, all)
    }

    fn changed_files(
        &self,
        root: &Path,
        from: &str,
        to: &str,
    ) -> Result<BTreeSet<PathBuf>, GitError> {
        let mut all = arguments(["diff-tree", "-r", "-z", "--no-renames", "--name-only"]);
        all.extend([from, to].map(OsString::from));
        let finished = self.ask(root, all)?;
        if !finished.success {
            return Err(finished.failure(READ));
        }
        Ok(paths(&finished.output).collect())
    }
}

/// Splits a list of paths that git ended with NUL each.
pub(super) fn paths(output: &[u8]) -> impl Iterator<Item = PathBuf> {
    output
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(path)
}

/// Takes git's bytes as a path.
#[cfg(unix)]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// Takes git's bytes as a path.
#[cfg(not(unix))]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

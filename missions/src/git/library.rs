//! Questions answered by libgit2, in process.

use super::{GitError, Head, Places};
use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryOpenFlags};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// One repository opened by libgit2.
pub(super) struct Library(pub(super) Repository);

impl Library {
    /// Opens the checkout whose top is `root`; `None` when its `.git` is no repository.
    ///
    /// An error means that libgit2 refuses what git may accept: the program is asked next.
    pub(super) fn open(root: &Path) -> Result<Option<(Places, Self)>, git2::Error> {
        let dot_git = root.join(".git");
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let repository = match Repository::open_ext(&dot_git, flags, std::iter::empty::<&OsStr>()) {
            Ok(repository) => repository,
            Err(error) if error.code() == ErrorCode::NotFound && dot_git.is_dir() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let refused = |what: &str| git2::Error::from_str(what);
        let work_tree = repository
            .workdir()
            .ok_or_else(|| refused("the repository has no working tree"))?;
        let resolve = |path: &Path| {
            path.canonicalize()
                .map_err(|error| refused(&error.to_string()))
        };
        let places = Places {
            root: resolve(work_tree)?,
            git_dir: resolve(repository.path())?,
            common_dir: resolve(repository.commondir())?,
        };
        if places.root != resolve(root)? {
            return Err(refused("the working tree is configured to lie elsewhere"));
        }
        Ok(Some((places, Self(repository))))
    }

    pub(super) fn primary_root(&self, common_dir: &Path) -> Result<Option<PathBuf>, GitError> {
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let primary = Repository::open_ext(common_dir, flags, std::iter::empty::<&OsStr>())
            .map_err(|error| unreadable(common_dir, &error))?;
        Ok(primary
            .workdir()
            .and_then(|work_tree| work_tree.canonicalize().ok()))
    }

    pub(super) fn head(&self, root: &Path) -> Result<Head, GitError> {
        let failed = |error: git2::Error| unreadable(root, &error);
        let head = self.0.find_reference("HEAD").map_err(failed)?;
        let target = head.symbolic_target().map_err(failed)?;
        let Some(target) = target else {
            let commit = head.target().ok_or_else(|| GitError::Unreadable {
                path: root.to_owned(),
                detail: "HEAD names neither a branch nor a commit".to_owned(),
            })?;
            return Ok(Head::Detached {
                commit: commit.to_string(),
            });
        };
        let name = target
            .strip_prefix("refs/heads/")
            .unwrap_or(target)
            .to_owned();
        match self.0.refname_to_id(target) {
            Ok(commit) => Ok(Head::Branch {
                name,
                commit: commit.to_string(),
            }),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Head::Unborn { name }),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn origin_url(&self, root: &Path) -> Result<Option<String>, GitError> {
        let config = self.0.config().map_err(|error| unreadable(root, &error))?;
        match config.get_string("remote.origin.url") {
            Ok(url) => Ok(Some(url)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(root, &error)),
        }
    }

    pub(super) fn hooks_path(&self, root: &Path) -> Result<Option<PathBuf>, GitError> {
        let config = self.0.config().map_err(|error| unreadable(root, &error))?;
        match config.get_path("core.hooksPath") {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(root, &error)),
        }
    }

    pub(super) fn is_ignored(&self, root: &Path, path: &Path) -> Result<bool, GitError> {
        self.0
            .is_path_ignored(path)
            .map_err(|error| unreadable(root, &error))
    }

    pub(super) fn reference(&self, root: &Path, name: &str) -> Result<Option<String>, GitError> {
        match self.0.refname_to_id(name) {
            Ok(commit) => Ok(Some(commit.to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(root, &error)),
        }
    }

    pub(super) fn origin_head(&self, root: &Path) -> Result<Option<String>, GitError> {
        const PREFIX: &str = "refs/remotes/origin/";
        match self.0.find_reference("refs/remotes/origin/HEAD") {
            Ok(head) => Ok(head
                .symbolic_target()
                .map_err(|error| unreadable(root, &error))?
                .and_then(|target| target.strip_prefix(PREFIX))
                .map(str::to_owned)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(unreadable(root, &error)),
        }
    }

    pub(super) fn is_in_commit(
        &self,
        root: &Path,
        commit: &str,
        path: &Path,
    ) -> Result<bool, GitError> {
        Ok(self.blob(root, commit, path)?.is_some())
    }

    pub(super) fn blob(
        &self,
        root: &Path,
        commit: &str,
        path: &Path,
    ) -> Result<Option<String>, GitError> {
        let failed = |error: git2::Error| unreadable(root, &error);
        let commit = Oid::from_str(commit)
            .and_then(|id| self.0.find_object(id, Some(ObjectType::Commit)))
            .map_err(failed)?;
        let tree = commit.peel_to_tree().map_err(failed)?;
        match tree.get_path(path) {
            Ok(entry) => Ok(Some(entry.id().to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Tells whether files are tracked, and at least one holds other bytes than the commit has.
    ///
    /// Filters (line ends, for example) are not applied: what differs here may be the same to git.
    pub(super) fn are_tracked_and_differ(
        &self,
        root: &Path,
        commit: &str,
        paths: &[PathBuf],
    ) -> Result<bool, GitError> {
        let index = self.0.index().map_err(|error| unreadable(root, &error))?;
        let mut differ = false;
        for path in paths {
            let known = self.blob(root, commit, path)?;
            let Ok(bytes) = std::fs::read(root.join(path)) else {
                return Ok(false);
            };
            if known.is_none() || index.get_path(path, 0).is_none() {
                return Ok(false);
            }
            let present = Oid::hash_object(ObjectType::Blob, &bytes).map(|id| id.to_string());
            differ |= present.ok() != known;
        }
        Ok(differ)
    }

    pub(super) fn first_parent(
        &self,
        root: &Path,
        commit: &str,
    ) -> Result<Option<String>, GitError> {
        let commit = Oid::from_str(commit)
            .and_then(|id| self.0.find_commit(id))
            .map_err(|error| unreadable(root, &error))?;
        Ok(commit.parent_id(0).ok().map(|id| id.to_string()))
    }
}

/// Says why libgit2 did not open a repository, when the program cannot be asked.
pub(super) fn refused(path: &Path, error: &git2::Error) -> GitError {
    if error.code() == ErrorCode::Owner {
        GitError::NotTrusted {
            path: path.to_owned(),
        }
    } else {
        unreadable(path, error)
    }
}

pub(super) fn unreadable(path: &Path, error: &git2::Error) -> GitError {
    GitError::Unreadable {
        path: path.to_owned(),
        detail: error.message().to_owned(),
    }
}

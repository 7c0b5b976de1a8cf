//! The same questions answered by the program, for repositories that libgit2 refuses.

use super::program::{Call, Finished, GitProgram, arguments};
use super::{GitError, Head, Places};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(super) const READ: &str = "read the repository";

/// Asks the program; one start per question.
pub(super) struct Questions(GitProgram);

impl Questions {
    pub(super) fn open(
        program: &GitProgram,
        root: &Path,
    ) -> Result<Option<(Places, Self)>, GitError> {
        let questions = Self(program.clone());
        let finished = questions.ask(
            root,
            arguments([
                "rev-parse",
                "--path-format=absolute",
                "--show-toplevel",
                "--git-dir",
                "--git-common-dir",
            ]),
        )?;
        if !finished.success {
            return Err(not_readable(root, finished.error));
        }
        let lines: Vec<PathBuf> = lines(&finished.output).map(PathBuf::from).collect();
        let [top, git_dir, common_dir] = lines.as_slice() else {
            return Err(not_readable(root, "git names no directories".to_owned()));
        };
        let resolve = |path: &Path| {
            path.canonicalize().map_err(|source| GitError::Io {
                purpose: READ,
                source,
            })
        };
        let places = Places {
            root: resolve(top)?,
            git_dir: resolve(git_dir)?,
            common_dir: resolve(common_dir)?,
        };
        // Git looked further up because this `.git` is no repository.
        if places.root != resolve(root)? {
            return Ok(None);
        }
        Ok(Some((places, questions)))
    }

    pub(super) fn primary_root(&self, common_dir: &Path) -> Result<Option<PathBuf>, GitError> {
        let top = common_dir
            .parent()
            .filter(|_| common_dir.ends_with(".git"))
            .map(Path::to_owned);
        Ok(top.filter(|top| top.join(".git").is_dir()))
    }

    pub(super) fn head(&self, root: &Path) -> Result<Head, GitError> {
        let branch = self.line(root, arguments(["symbolic-ref", "--quiet", "HEAD"]))?;
        let commit = self.reference(root, "HEAD")?;
        let name = branch.map(|full| match full.strip_prefix("refs/heads/") {
            Some(name) => name.to_owned(),
            None => full,
        });
        match (name, commit) {
            (Some(name), Some(commit)) => Ok(Head::Branch { name, commit }),
            (Some(name), None) => Ok(Head::Unborn { name }),
            (None, Some(commit)) => Ok(Head::Detached { commit }),
            (None, None) => Err(not_readable(
                root,
                "HEAD names neither a branch nor a commit".to_owned(),
            )),
        }
    }

    pub(super) fn origin_url(&self, root: &Path) -> Result<Option<String>, GitError> {
        self.line(root, arguments(["config", "--get", "remote.origin.url"]))
    }

    pub(super) fn hooks_path(&self, root: &Path) -> Result<Option<PathBuf>, GitError> {
        let path = self.line(
            root,
            arguments(["config", "--type=path", "--get", "core.hooksPath"]),
        )?;
        Ok(path.map(PathBuf::from))
    }

    pub(super) fn is_ignored(&self, root: &Path, path: &Path) -> Result<bool, GitError> {
        let mut all = arguments(["check-ignore", "--quiet", "--"]);
        all.push(path.into());
        let finished = self.ask(root, all)?;
        match finished.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(finished.failure(READ)),
        }
    }

    pub(super) fn reference(&self, root: &Path, name: &str) -> Result<Option<String>, GitError> {
        let mut all = arguments(["rev-parse", "--quiet", "--verify", "--end-of-options"]);
        all.push(OsString::from(format!("{name}^{{commit}}")));
        self.line(root, all)
    }

    pub(super) fn origin_head(&self, root: &Path) -> Result<Option<String>, GitError> {
        let full = self.line(
            root,
            arguments(["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]),
        )?;
        Ok(full.and_then(|full| full.strip_prefix("refs/remotes/origin/").map(str::to_owned)))
    }

    pub(super) fn is_in_commit(
        &self,
        root: &Path,
        commit: &str,
        path: &Path,
    ) -> Result<bool, GitError> {
        let mut object = OsString::from(format!("{commit}:"));
        object.push(path);
        let mut all = arguments(["cat-file", "-e"]);
        all.push(object);
        Ok(self.ask(root, all)?.success)
    }

    pub(super) fn blob(
        &self,
        root: &Path,
        commit: &str,
        path: &Path,
    ) -> Result<Option<String>, GitError> {
        let mut object = OsString::from(format!("{commit}:"));
        object.push(path);
        let mut all = arguments(["rev-parse", "--quiet", "--verify", "--end-of-options"]);
        all.push(object);
        self.line(root, all)
    }

    pub(super) fn first_parent(
        &self,
        root: &Path,
        commit: &str,
    ) -> Result<Option<String>, GitError> {
        self.reference(root, &format!("{commit}^1"))
    }

    /// The first line of the answer; `None` when git answers with exit code 1 (nothing found).
    pub(super) fn line(&self, root: &Path, all: Vec<OsString>) -> Result<Option<String>, GitError> {
        let finished = self.ask(root, all)?;
        match finished.code {
            Some(0) => Ok(lines(&finished.output).next()),
            Some(1) => Ok(None),
            _ => Err(not_readable(root, finished.error)),
        }
    }

    pub(super) fn ask(&self, root: &Path, all: Vec<OsString>) -> Result<Finished, GitError> {
        self.0.run(&Call {
            purpose: READ,
            directory: root,
            arguments: &all,
            runs_hooks: false,
            reads_output: true,
        })
    }
}

fn lines(output: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(output).into_owned();
    text.lines()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
        .filter(|line| !line.is_empty())
}

fn not_readable(root: &Path, detail: String) -> GitError {
    if detail.contains("dubious ownership") {
        GitError::NotTrusted {
            path: root.to_owned(),
        }
    } else {
        GitError::Unreadable {
            path: root.to_owned(),
            detail,
        }
    }
}

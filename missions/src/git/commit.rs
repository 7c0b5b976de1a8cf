//! Everything that writes: staging, committing and undoing exactly our paths, switching branches.
//!
//! A partial commit (`git commit --only`) records our paths and nothing else: what the user staged
//! stays staged and uncommitted, what the user modified stays modified.

use super::interference::head_moved;
use super::program::{Call, Finished, arguments, literal};
use super::{Checkout, GitError, Head, Reader};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How many commits behind HEAD ours may be when it is looked for; others may commit meanwhile.
const FARTHEST: usize = 100;
/// How often a commit is tried while others commit at the same moment; each of them got through.
const COMMIT_TRIES: usize = 50;

/// A commit that this program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit, in hexadecimal.
    pub commit: String,
    /// Its parent, in hexadecimal.
    pub parent: String,
    /// The branch it was made on.
    pub branch: String,
}

/// A branch switch that can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// What was checked out before.
    pub from: Head,
    /// The branch that is checked out now.
    pub branch: String,
    /// Whether the branch was made by the switch.
    pub created: bool,
}

impl Checkout {
    /// Adds files to the index, also ignored ones.
    ///
    /// Paths are relative to the root. On failure the index is as it was.
    ///
    /// # Errors
    /// Git's refusal, a timeout, or a missing program.
    pub fn stage(&self, paths: &[PathBuf]) -> Result<(), GitError> {
        let all = with_paths(arguments(["add", "--force", "--"]), paths);
        self.call("stage the scaffold", &all, false).map(drop)
    }

    /// Takes newly added files out of the index again; the files stay.
    ///
    /// # Errors
    /// Those of [`Self::stage`].
    pub fn unstage(&self, paths: &[PathBuf]) -> Result<(), GitError> {
        let fixed = ["rm", "--cached", "--quiet", "--force", "--ignore-unmatch"];
        let mut all = arguments(fixed);
        all.push("--".into());
        let all = with_paths(all, paths);
        self.call("unstage the scaffold", &all, false).map(drop)
    }

    /// Commits exactly these staged new files, whatever else is staged or modified.
    ///
    /// The user's hooks run and may refuse. A commit that was made counts as made, also when git
    /// did not end in time afterwards (a `post-commit` hook that hangs).
    ///
    /// # Errors
    /// [`GitError::HookRefused`], [`GitError::NoIdentity`], or those of [`Self::stage`]; then there
    /// is no commit and the files are still staged.
    pub fn commit_only(&self, paths: &[PathBuf], message: &str) -> Result<Committed, GitError> {
        let before = self.head()?;
        let outcome = self.commit_files("commit the scaffold", paths, message);
        let found = match paths.first() {
            Some(path) => self.find_commit(before.commit(), path)?,
            None => None,
        };
        match (outcome, found) {
            (_, Some(committed)) => Ok(committed),
            (Ok(finished), None) => Err(self.explain("commit the scaffold", finished)),
            (Err(error), None) => Err(error),
        }
    }

    /// Runs git's partial commit of these files; tells how it ended.
    ///
    /// Another process that commits between git's first look at HEAD and its last makes git refuse.
    /// These files are committed on top of that commit then; a commit of the whole index could not
    /// be repeated like this, because it would take the other one back.
    pub(super) fn commit_files(
        &self,
        purpose: &'static str,
        paths: &[PathBuf],
        message: &str,
    ) -> Result<Finished, GitError> {
        // Housekeeping is left to the user's own git commands; it would cost a third of the time.
        let mut all = arguments(["-c", "maintenance.auto=false"]);
        all.extend(arguments(["commit", "--quiet", "--only", "--message"]));
        all.push(message.into());
        all.push("--".into());
        let all = with_paths(all, paths);
        let commit = self.described(purpose, &all, true);
        for _ in 1..COMMIT_TRIES {
            let finished = self.program.run(&commit)?;
            if finished.success || !head_moved(&finished.error) {
                return Ok(finished);
            }
        }
        self.program.run(&commit)
    }

    /// Checks out a branch, making it from HEAD when neither it nor `origin`'s exists.
    ///
    /// # Errors
    /// Git's refusal (for example local changes that would be overwritten); then nothing changed.
    pub fn switch_to(&self, branch: &str) -> Result<Switched, GitError> {
        let from = self.head()?;
        let created = self.reference(&format!("refs/heads/{branch}"))?.is_none();
        let remote = self.reference(&format!("refs/remotes/origin/{branch}"))?;
        let mut all = arguments(["switch", "--quiet"]);
        if created && remote.is_none() {
            all.push("--create".into());
        }
        all.push(branch.into());
        let switched = Switched {
            from,
            branch: branch.to_owned(),
            created,
        };
        let purpose = "switch to the start branch";
        let outcome = self.program.require(&self.described(purpose, &all, true));
        if let Err(error) = outcome {
            // A `post-checkout` hook can fail the call although the branch was switched.
            if self.head()?.branch() == Some(branch) {
                self.switch_back(&switched)?;
            }
            return Err(error);
        }
        Ok(switched)
    }

    /// Takes a switch back, and removes the branch if the switch made it.
    ///
    /// # Errors
    /// Git's refusal.
    pub fn switch_back(&self, switched: &Switched) -> Result<(), GitError> {
        let mut all = arguments(["switch", "--quiet"]);
        match &switched.from {
            Head::Branch { name, .. } | Head::Unborn { name } => all.push(name.into()),
            Head::Detached { commit } => {
                all.push("--detach".into());
                all.push(commit.into());
            }
        }
        self.call("switch back to the first branch", &all, true)?;
        if switched.created {
            let mut all = arguments(["branch", "--quiet", "-D"]);
            all.push((&switched.branch).into());
            self.call("remove the start branch", &all, true)?;
        }
        Ok(())
    }

    /// Finds the commit behind HEAD that added a path.
    fn find_commit(
        &self,
        before: Option<&str>,
        path: &Path,
    ) -> Result<Option<Committed>, GitError> {
        let Head::Branch { name, mut commit } = self.head()? else {
            return Ok(None);
        };
        for _ in 0..FARTHEST {
            if before == Some(commit.as_str()) || !self.is_in_commit(&commit, path)? {
                return Ok(None);
            }
            let Some(parent) = self.first_parent(&commit)? else {
                return Ok(None);
            };
            if !self.is_in_commit(&parent, path)? {
                return Ok(Some(Committed {
                    commit,
                    parent,
                    branch: name,
                }));
            }
            commit = parent;
        }
        Ok(None)
    }

    /// Says why git refused to commit.
    pub(super) fn explain(&self, purpose: &'static str, finished: Finished) -> GitError {
        let detail = &finished.error;
        if detail.contains("tell me who you are") || detail.contains("empty ident name") {
            return GitError::NoIdentity;
        }
        // Git ends with 128 when it fails itself, and with 1 when a hook refused.
        let hooks = if finished.code == Some(1) {
            self.refusing_hooks()
        } else {
            Vec::new()
        };
        if hooks.is_empty() {
            return finished.failure(purpose);
        }
        GitError::HookRefused {
            hooks: hooks.join(" or "),
            detail: if detail.is_empty() {
                "it printed nothing".to_owned()
            } else {
                finished.error
            },
        }
    }

    /// Lists the installed hooks that can refuse a commit.
    fn refusing_hooks(&self) -> Vec<&'static str> {
        let configured = match &self.reader {
            Reader::Library(library) => library.hooks_path(&self.root),
            Reader::Program(questions) => questions.hooks_path(&self.root),
        };
        let folder = match configured {
            Ok(Some(path)) => self.root.join(path),
            _ => self.common_dir.join("hooks"),
        };
        ["pre-commit", "prepare-commit-msg", "commit-msg"]
            .into_iter()
            .filter(|hook| is_executable(&folder.join(hook)))
            .collect()
    }

    pub(super) fn call(
        &self,
        purpose: &'static str,
        all: &[OsString],
        runs_hooks: bool,
    ) -> Result<Finished, GitError> {
        self.program
            .require(&self.described(purpose, all, runs_hooks))
    }

    pub(super) fn described<'a>(
        &'a self,
        purpose: &'static str,
        all: &'a [OsString],
        runs_hooks: bool,
    ) -> Call<'a> {
        Call {
            purpose,
            directory: &self.root,
            arguments: all,
            runs_hooks,
            reads_output: false,
        }
    }
}

pub(super) fn with_paths(mut all: Vec<OsString>, paths: &[PathBuf]) -> Vec<OsString> {
    all.extend(paths.iter().map(|path| literal(path)));
    all
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

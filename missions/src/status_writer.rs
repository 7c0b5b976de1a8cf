//! Appends to a mission's status log and commits it: the one writer of `status.events.jsonl` and
//! `status.json`.
//!
//! A writer holds the lock of the mission from the moment it reads the log until it is dropped, so
//! that what it decided on is what it appends to. Both files are replaced atomically, then committed
//! with whatever else belongs to the step, and nothing besides. Whatever goes wrong, the files are as
//! they were.
//!
//! | Killed | Left | The next writer |
//! |---|---|---|
//! | before the log is replaced | nothing | – |
//! | after it | the rows, uncommitted | goes on from them and commits them with its own |
//! | after the commit | the rows, committed | goes on from them |
//!
//! Source: reference orchestrator-missions, sections 1.5 and 4.4.

mod ground;

pub use ground::lock;
pub(crate) use ground::{require_plain, sweep};

use crate::files::{Links, ReadProblem, WorktreeFilesystem, is_plain_directory, read_text};
use crate::git::{Checkout, Committed, GitError, GitProgram, Head};
use crate::handle::NamedMission;
use crate::meta::{self, MissionMeta};
use crate::project::Project;
use crate::reducer::reduce;
use crate::snapshot;
use crate::status_log::row::Row;
use crate::status_log::{self, LogProblem, StatusLog};
use kitty_runtime::crashsafe::{Durability, remove, replace};
use kitty_runtime::inbox::Claim;
use kitty_runtime::lock::{FileLock, LockError};
use std::io;
use std::path::{Path, PathBuf};

/// The most that is read of a file that is about to be replaced.
const FILE_LIMIT: u64 = 64 << 20;

/// The status of a mission cannot be written; everything is as it was, unless it is
/// [`StatusError::NotRestored`].
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The mission does not lie in a git checkout.
    #[error("{} is not in a git repository: run `git init` first", path.display())]
    NotARepository {
        /// The project.
        path: PathBuf,
    },
    /// A link on the way: what is written could end up anywhere.
    #[error(
        "{} must be a plain file or directory of the project and no link: replace it, then try again",
        path.display()
    )]
    NotPlain {
        /// The link, or whatever else is there.
        path: PathBuf,
    },
    /// Another process writes.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log cannot be understood.
    #[error(transparent)]
    Log(#[from] LogProblem),
    /// The primary checkout has another branch than the mission's.
    #[error(
        "the status of {slug} is kept on branch '{target}', and {} has {current} checked out: \
         run `git switch {target}` there",
        root.display()
    )]
    OtherBranch {
        /// The mission.
        slug: String,
        /// The mission's branch.
        target: String,
        /// What is checked out, in words.
        current: String,
        /// The primary checkout.
        root: PathBuf,
    },
    /// Git could not commit.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file cannot be read.
    #[error("{} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: ReadProblem,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A failure that could not be undone.
    #[error("{cause}; {} could not be restored: {source}", path.display())]
    NotRestored {
        /// What failed first.
        cause: Box<StatusError>,
        /// The file that has the new content.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// The status of one mission, locked for writing.
#[derive(Debug)]
pub struct StatusWriter {
    checkout: Checkout,
    mission: NamedMission,
    text: String,
    commits: bool,
    lock: FileLock,
}

/// Rows that were written.
#[derive(Debug)]
#[must_use = "rows that were written are captured as events"]
pub struct Written {
    /// The commit; `None` for a mission whose status is not committed.
    pub committed: Option<Committed>,
    before: Files,
}

/// A file of the mission that is written and committed together with rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path below the mission's directory.
    pub path: PathBuf,
    /// Its new content.
    pub text: String,
}

/// The log, and every other file, as they were; `None` for a file that was not there.
#[derive(Debug)]
struct Files {
    log: String,
    others: Vec<(PathBuf, Option<String>)>,
}

impl StatusWriter {
    /// Locks the status of a mission and reads its log.
    ///
    /// # Errors
    /// [`StatusError`]; a log with a line that cannot be understood is refused.
    pub fn open(
        git: &GitProgram,
        project: &Project,
        mission: &NamedMission,
    ) -> Result<Self, StatusError> {
        let not_a_repository = || StatusError::NotARepository {
            path: project.root.clone(),
        };
        let checkout = Checkout::discover(git, &project.root)?.ok_or_else(not_a_repository)?;
        require_plain(project, &mission.directory)?;
        let lock = lock(&checkout, &mission.slug)?;
        sweep(&mission.directory);
        let text = status_log::read(&mission.directory)?;
        StatusLog::parse(&text).strict()?;
        let commits = crate::handle::split(&mission.slug).is_some();
        Ok(Self {
            checkout,
            mission: mission.clone(),
            text,
            commits,
            lock,
        })
    }

    /// The rows as they are now.
    #[must_use]
    pub fn log(&self) -> StatusLog<'_> {
        StatusLog::parse(&self.text)
    }

    /// The primary checkout, where the status is committed.
    #[must_use]
    pub const fn checkout(&self) -> &Checkout {
        &self.checkout
    }

    /// Says how to find out later whether rows were written: where the log is, and which lock
    /// whoever writes it holds.
    #[must_use]
    pub fn claim<'r, 'd: 'r>(&self, rows: impl IntoIterator<Item = &'r Row<'d>>) -> Claim {
        Claim {
            log: self.log_path(),
            lock: self.lock.path().to_owned(),
            rows: rows
                .into_iter()
                .map(|row| row.event_id().to_owned())
                .collect(),
            creates_log: false,
        }
    }

    /// Appends rows, refreshes `status.json`, writes further files of the mission and commits all of
    /// them, and nothing else.
    ///
    /// Without rows it commits what an earlier writer, or the Python CLI, left uncommitted. The
    /// files are on stable storage when this returns; the commit is as durable as git is configured
    /// to make it.
    ///
    /// # Errors
    /// [`StatusError`]; then all files are as they were.
    pub fn write(
        &mut self,
        rows: &[Row<'_>],
        changes: &[FileChange],
        message: &str,
    ) -> Result<Written, StatusError> {
        self.require_branch()?;
        let text = self.with_rows(rows);
        let mut wanted = vec![(self.status_path(), self.render(&text, changes)?)];
        let directory = &self.mission.directory;
        wanted.extend(
            changes
                .iter()
                .map(|change| (directory.join(&change.path), change.text.clone())),
        );
        let before = Files {
            log: std::mem::replace(&mut self.text, text),
            others: read_all(&wanted)?,
        };
        let written = self.replace_all(&before, &wanted).and_then(|()| {
            if self.commits {
                Ok(self.checkout.record(&self.paths(&before), message)?)
            } else {
                Ok(None)
            }
        });
        match written {
            Ok(committed) => Ok(Written { committed, before }),
            Err(cause) => Err(self.restore(before, cause)),
        }
    }

    /// The text of the log with more rows.
    fn with_rows(&self, rows: &[Row<'_>]) -> String {
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for row in rows {
            text.push_str(&row.to_line());
            text.push('\n');
        }
        text
    }

    /// Takes rows back that were just written, because what had to follow failed.
    ///
    /// Returns `false` and changes nothing when somebody has committed since.
    ///
    /// # Errors
    /// [`StatusError`].
    pub fn take_back(&mut self, written: Written) -> Result<bool, StatusError> {
        if let Some(committed) = &written.committed
            && !self.checkout.move_back(committed)?
        {
            return Ok(false);
        }
        self.put_back(&written.before)?;
        if self.commits {
            self.checkout.stage(&self.paths_there(&written.before))?;
        }
        self.text = written.before.log;
        Ok(true)
    }

    /// Takes back the commits of a step whose next one failed with `cause`, the newest first.
    pub(crate) fn take_all_back(
        &mut self,
        written: Vec<Written>,
        cause: StatusError,
    ) -> StatusError {
        for done in written.into_iter().rev() {
            let source = match self.take_back(done) {
                Ok(true) => continue,
                Ok(false) => io::Error::other("somebody has committed since"),
                Err(problem) => io::Error::other(problem.to_string()),
            };
            return StatusError::NotRestored {
                cause: Box::new(cause),
                path: self.log_path(),
                source,
            };
        }
        cause
    }

    /// Refuses to commit to another branch than the mission's.
    fn require_branch(&self) -> Result<(), StatusError> {
        let Some(target) = self.mission.meta.target_branch.as_deref() else {
            return Ok(());
        };
        if !self.commits || target.is_empty() {
            return Ok(());
        }
        let head = self.checkout.head()?;
        if head.branch() == Some(target) {
            return Ok(());
        }
        Err(StatusError::OtherBranch {
            slug: self.mission.slug.clone(),
            target: target.to_owned(),
            current: match head {
                Head::Branch { name, .. } | Head::Unborn { name } => format!("'{name}'"),
                Head::Detached { commit } => format!("commit {commit}"),
            },
            root: self.checkout.root().to_owned(),
        })
    }

    /// Renders `status.json`, which repeats what `meta.json` says after the changes.
    fn render(&self, text: &str, changes: &[FileChange]) -> Result<String, StatusError> {
        let log = StatusLog::parse(text).strict()?;
        let is_meta = |change: &&FileChange| change.path == Path::new(meta::FILE_NAME);
        let changed = changes.iter().find(is_meta);
        let changed = changed.and_then(|change| MissionMeta::parse(&change.text).ok());
        let meta = changed.as_ref().unwrap_or(&self.mission.meta);
        let kind = meta.mission_type.as_deref().unwrap_or_default();
        Ok(reduce(&log).to_status_json(meta.mission_number, kind))
    }

    fn replace_all(&self, before: &Files, wanted: &[(PathBuf, String)]) -> Result<(), StatusError> {
        if before.log != self.text {
            write_file(&self.log_path(), &self.text)?;
        }
        for ((path, text), (_, old)) in wanted.iter().zip(&before.others) {
            if old.as_deref() != Some(text.as_str()) {
                make_directory(path)?;
                write_file(path, text)?;
            }
        }
        Ok(())
    }

    /// Puts every file back after a failure and says what failed.
    fn restore(&mut self, before: Files, cause: StatusError) -> StatusError {
        let restored = self.put_back(&before);
        if self.commits && restored.is_ok() {
            // The index is only tidied; whoever commits next stages the files again.
            let _ = self.checkout.stage(&self.paths_there(&before));
        }
        self.text = before.log;
        match restored {
            Err(StatusError::Unwritable { path, source }) => StatusError::NotRestored {
                cause: Box::new(cause),
                path,
                source,
            },
            _ => cause,
        }
    }

    fn put_back(&self, before: &Files) -> Result<(), StatusError> {
        if before.log != self.text {
            write_file(&self.log_path(), &before.log)?;
        }
        for (path, text) in &before.others {
            match text {
                Some(text) => write_file(path, text)?,
                None => {
                    remove(&WorktreeFilesystem, path).map_err(|source| {
                        StatusError::Unwritable {
                            path: path.clone(),
                            source,
                        }
                    })?;
                }
            }
        }
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.mission.directory.join(status_log::FILE_NAME)
    }

    fn status_path(&self) -> PathBuf {
        self.mission.directory.join(snapshot::FILE_NAME)
    }

    /// The files that are committed, relative to the checkout.
    fn paths(&self, files: &Files) -> Vec<PathBuf> {
        let others = files.others.iter().map(|(path, _)| path.clone());
        let all = std::iter::once(self.log_path()).chain(others);
        let root = self.checkout.root();
        all.map(|path| path.strip_prefix(root).map(Path::to_owned).unwrap_or(path))
            .collect()
    }

    /// Those of them that are there.
    fn paths_there(&self, files: &Files) -> Vec<PathBuf> {
        let root = self.checkout.root();
        let mut paths = self.paths(files);
        paths.retain(|path| root.join(path).exists());
        paths
    }
}

/// Reads the files that are about to be replaced.
fn read_all(wanted: &[(PathBuf, String)]) -> Result<Vec<(PathBuf, Option<String>)>, StatusError> {
    let read = |(path, _): &(PathBuf, String)| {
        let text = read_text(path, FILE_LIMIT, Links::Refuse);
        let text = text.map_err(|problem| StatusError::Unreadable {
            path: path.clone(),
            problem,
        })?;
        Ok((path.clone(), text))
    };
    wanted.iter().map(read).collect()
}

/// Makes the directory that a file goes to; a link in its place is refused, it could lead anywhere.
fn make_directory(file: &Path) -> Result<(), StatusError> {
    let Some(directory) = file.parent() else {
        return Ok(());
    };
    let made = match is_plain_directory(directory) {
        Ok(true) => Ok(()),
        Ok(false) => std::fs::create_dir(directory),
        Err(error) => Err(error),
    };
    made.map_err(|source| StatusError::Unwritable {
        path: directory.to_owned(),
        source,
    })
}

fn write_file(path: &Path, text: &str) -> Result<(), StatusError> {
    replace(
        &WorktreeFilesystem,
        path,
        text.as_bytes(),
        Durability::PowerCut,
    )
    .map_err(|source| StatusError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

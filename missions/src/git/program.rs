//! Runs the `git` program: the one place of this crate that starts a process.
//!
//! Writing goes through the program and not through libgit2 because hooks, signing and the user's
//! configuration are the user's. What is fixed here for every call: the working directory is the
//! top of the checkout, variables that point git at another repository or index are removed, stdin
//! is empty, nothing prompts, stdout and stderr are captured, and a deadline ends it.
//!
//! Pathspecs are spelled `:(literal)…` instead of setting `GIT_LITERAL_PATHSPECS`: the variable
//! would reach the user's hooks and silently turn their `'*.py'` into a file name.

use super::GitError;
use super::interference::{Interference, PATIENCE, pause};
use super::output::{Capture, tidy};
use super::wait::{WaitFailure, wait};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a call without hooks may take.
const PLAIN_DEADLINE: Duration = Duration::from_secs(30);
/// How long a call that may run the user's hooks or ask for a signature may take.
const HOOK_DEADLINE: Duration = Duration::from_secs(120);
/// How long the rest of git's output is awaited; longer only when a hook left a process behind.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long another writer of a mission's status may take; it may be waiting for the user's hooks.
const STATUS_LOCK_LIMIT: Duration = Duration::from_secs(30);

/// Variables that would point git at another repository, index or pathspec syntax.
const REMOVED: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
];

/// The `git` program and what it is started with.
#[derive(Debug, Clone)]
pub struct GitProgram {
    program: OsString,
    environment: Option<BTreeMap<OsString, OsString>>,
    plain_deadline: Duration,
    hook_deadline: Duration,
    status_lock_limit: Duration,
}

impl Default for GitProgram {
    fn default() -> Self {
        Self {
            program: "git".into(),
            environment: None,
            plain_deadline: PLAIN_DEADLINE,
            hook_deadline: HOOK_DEADLINE,
            status_lock_limit: STATUS_LOCK_LIMIT,
        }
    }
}

impl GitProgram {
    /// Uses another program than the first `git` on the search path.
    #[must_use]
    pub fn at(mut self, program: impl Into<OsString>) -> Self {
        self.program = program.into();
        self
    }

    /// Starts git with exactly these variables instead of this process's (tests).
    #[must_use]
    pub fn with_only_environment<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.environment = Some(pairs.collect());
        self
    }

    /// Changes both deadlines: without hooks, and where the user's hooks or a signature may run.
    #[must_use]
    pub const fn with_deadlines(mut self, plain: Duration, hooks: Duration) -> Self {
        self.plain_deadline = plain;
        self.hook_deadline = hooks;
        self
    }

    /// Changes how long another process may hold the status of a mission, whose lock lies in the git
    /// directory.
    #[must_use]
    pub const fn with_status_lock_limit(mut self, limit: Duration) -> Self {
        self.status_lock_limit = limit;
        self
    }

    /// Returns how long another process may hold the status of a mission.
    #[must_use]
    pub const fn status_lock_limit(&self) -> Duration {
        self.status_lock_limit
    }

    /// Runs one call and returns what it printed, also when git reported failure.
    ///
    /// Other git processes that stand in the way are waited for: the call is made again.
    pub(super) fn run(&self, call: &Call<'_>) -> Result<Finished, GitError> {
        let started = Instant::now();
        loop {
            let finished = self.run_once(call)?;
            if finished.success {
                return Ok(finished);
            }
            let Some(interference) = Interference::of(&finished.error) else {
                return Ok(finished);
            };
            if started.elapsed() >= PATIENCE {
                return Err(interference.lasted(call.purpose, finished.error));
            }
            pause();
        }
    }

    /// Runs one call that must succeed.
    pub(super) fn require(&self, call: &Call<'_>) -> Result<Finished, GitError> {
        let finished = self.run(call)?;
        if finished.success {
            Ok(finished)
        } else {
            Err(finished.failure(call.purpose))
        }
    }

    fn run_once(&self, call: &Call<'_>) -> Result<Finished, GitError> {
        let mut child = self.command(call).spawn().map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound && call.directory.is_dir() {
                GitError::Missing
            } else {
                GitError::Io {
                    purpose: call.purpose,
                    source,
                }
            }
        })?;
        let output = child.stdout.take().map(Capture::start);
        let errors = child.stderr.take().map(Capture::start);
        let deadline = if call.runs_hooks {
            self.hook_deadline
        } else {
            self.plain_deadline
        };
        let status = wait(&mut child, deadline).map_err(|failure| match failure {
            WaitFailure::TimedOut => GitError::TimedOut {
                purpose: call.purpose,
                seconds: deadline.as_secs_f64(),
            },
            WaitFailure::Io(source) => GitError::Io {
                purpose: call.purpose,
                source,
            },
        })?;
        let collect = |capture: Option<Capture>| {
            capture.map_or_else(Vec::new, |capture| capture.finish(LAST_WORDS))
        };
        Ok(Finished {
            success: status.success(),
            code: status.code(),
            output: collect(output),
            error: tidy(&collect(errors)),
        })
    }

    fn command(&self, call: &Call<'_>) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment);
        }
        for name in REMOVED {
            command.env_remove(name);
        }
        // `LANGUAGE=C` keeps messages in English and, unlike `LC_ALL=C`, leaves hooks their encoding.
        command.env("LANGUAGE", "C").env("GIT_TERMINAL_PROMPT", "0");
        if !call.runs_hooks {
            command.env("LC_ALL", "C");
        }
        command
            .args(call.arguments)
            .current_dir(call.directory)
            .stdin(Stdio::null())
            .stdout(if call.reads_output {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stderr(Stdio::piped());
        command
    }
}

/// One call of the program.
pub(super) struct Call<'a> {
    /// What it is for, as it stands in an error: "commit the scaffold".
    pub(super) purpose: &'static str,
    /// Where it runs: the top of the checkout.
    pub(super) directory: &'a Path,
    /// Every argument after the program's name.
    pub(super) arguments: &'a [OsString],
    /// Whether the user's hooks or a signature may run.
    pub(super) runs_hooks: bool,
    /// Whether the caller reads stdout; otherwise it is discarded.
    pub(super) reads_output: bool,
}

/// What one call left behind.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) success: bool,
    pub(super) code: Option<i32>,
    pub(super) output: Vec<u8>,
    /// The tidied stderr: one line, no control characters, no credentials.
    pub(super) error: String,
}

impl Finished {
    pub(super) fn failure(self, purpose: &'static str) -> GitError {
        GitError::Failed {
            purpose,
            detail: if self.error.is_empty() {
                match self.code {
                    Some(code) => format!("exit code {code} and no message"),
                    None => "it was ended by a signal".to_owned(),
                }
            } else {
                self.error
            },
        }
    }
}

/// Spells a path so that no character of it is pathspec syntax.
pub(super) fn literal(path: &Path) -> OsString {
    let mut spelled = OsString::from(":(literal)");
    spelled.push(path);
    spelled
}

/// Settings of every call that makes or changes a working tree or a branch.
///
/// Housekeeping is left to the user's own git commands, where it does not cost an agent's time. The
/// file watcher is a program that the result does not need. Submodules are the user's to update:
/// recursing would fetch and run what nobody asked for.
const QUIET: [&str; 6] = [
    "-c",
    "maintenance.auto=false",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "submodule.recurse=false",
];

/// Begins the arguments of a call that makes or changes a working tree or a branch.
pub(super) fn quiet<const N: usize>(fixed: [&str; N]) -> Vec<OsString> {
    let mut all = arguments(QUIET);
    all.extend(arguments(fixed));
    all
}

/// Collects arguments of mixed kinds.
pub(super) fn arguments<const N: usize>(fixed: [&str; N]) -> Vec<OsString> {
    fixed.iter().map(|text| OsStr::new(text).into()).collect()
}

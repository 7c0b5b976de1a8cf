//! The tracker and the releases on GitHub, through `gh`, which holds the login.

use super::facts::{Act, IssueRef, IssueState, Release, Verb, Witness};
use super::world::{ReleaseSource, Tracker, WorldError};
use crate::machine::run;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::SharedFilesystem;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(60);

/// `gh`, with the environment that it finds its login in.
#[derive(Clone)]
pub struct GitHub {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    /// Where the bytes of a comment lie while they are posted.
    scratch: PathBuf,
    repo: String,
    filesystem: SharedFilesystem,
}

/// Shows no variable: one of them may hold a token.
impl std::fmt::Debug for GitHub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GitHub")
            .field("program", &self.program)
            .field("environment", &"<redacted>")
            .field("repo", &self.repo)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Issue {
    state: IssueState,
}

#[derive(Deserialize)]
struct Comment {
    html_url: String,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Published {
    tag_name: String,
    prerelease: bool,
    draft: bool,
    target_commitish: String,
}

impl GitHub {
    /// Takes `gh` when it is there and logged in; `None` otherwise.
    #[must_use]
    pub fn available(
        filesystem: SharedFilesystem,
        program: &Path,
        environment: Vec<(OsString, OsString)>,
        scratch: &Path,
        repo: &str,
    ) -> Option<Self> {
        let github = Self {
            program: program.to_owned(),
            environment,
            scratch: scratch.to_owned(),
            repo: repo.to_owned(),
            filesystem,
        };
        github
            .call(&["auth", "status"], None)
            .is_ok()
            .then_some(github)
    }

    fn call(&self, words: &[&str], body: Option<&Path>) -> Result<String, WorldError> {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("GH_PROMPT_DISABLED", "1")
            .env("NO_COLOR", "1");
        if let Some(path) = body {
            command.arg(path);
        }
        let called = run(command, &format!("gh {}", words.join(" ")), LIMIT);
        let called = called.map_err(WorldError::new)?;
        if called.code == Some(0) {
            return Ok(called.stdout);
        }
        Err(WorldError(called.told()))
    }

    /// Returns the comment that holds a mark.
    fn find(&self, issue: &IssueRef, mark: &str) -> Result<Option<String>, WorldError> {
        let path = format!(
            "repos/{}/issues/{}/comments?per_page=100",
            issue.repo, issue.number
        );
        let text = self.call(&["api", "--paginate", "--slurp", &path], None)?;
        let pages: Vec<Vec<Comment>> = serde_json::from_str(&text).map_err(WorldError::new)?;
        let mut comments = pages.into_iter().flatten();
        let found = comments.find(|it| it.body.as_ref().is_some_and(|body| body.contains(mark)));
        Ok(found.map(|it| it.html_url))
    }

    fn post(&self, act: &Act) -> Result<String, WorldError> {
        let mark = Act::mark(&act.id);
        if let Some(url) = self.find(&act.issue, &mark)? {
            return Ok(url);
        }
        let path = self.scratch.join(format!("{}.md", act.id));
        let bytes = act.body.as_bytes();
        crashsafe::replace(&*self.filesystem, &path, bytes, Durability::ProcessDeath)
            .map_err(WorldError::new)?;
        let number = act.issue.number.to_string();
        let words = [
            "issue",
            "comment",
            &number,
            "--repo",
            &act.issue.repo,
            "--body-file",
        ];
        let url = self.call(&words, Some(&path))?;
        Ok(url.trim().to_owned())
    }
}

impl Tracker for GitHub {
    fn state(&self, issue: &IssueRef) -> Result<IssueState, WorldError> {
        let number = issue.number.to_string();
        let words = [
            "issue",
            "view",
            &number,
            "--repo",
            &issue.repo,
            "--json",
            "state",
        ];
        let found: Issue =
            serde_json::from_str(&self.call(&words, None)?).map_err(WorldError::new)?;
        Ok(found.state)
    }

    fn perform(&self, act: &Act) -> Result<Witness, WorldError> {
        let url = self.post(act)?;
        let wanted = match act.verb {
            Verb::Comment => None,
            Verb::Close => Some((IssueState::Closed, "close")),
            Verb::Reopen => Some((IssueState::Open, "reopen")),
        };
        if let Some((state, word)) = wanted
            && self.state(&act.issue)? != state
        {
            let number = act.issue.number.to_string();
            self.call(&["issue", word, &number, "--repo", &act.issue.repo], None)?;
        }
        Ok(Witness::Executed(url))
    }
}

impl ReleaseSource for GitHub {
    fn releases(&self) -> Result<Vec<Release>, WorldError> {
        let path = format!("repos/{}/releases?per_page=100", self.repo);
        let text = self.call(&["api", "--paginate", "--slurp", &path], None)?;
        let pages: Vec<Vec<Published>> = serde_json::from_str(&text).map_err(WorldError::new)?;
        let published = pages.into_iter().flatten().filter(|it| !it.draft);
        Ok(published
            .map(|it| Release {
                artifact: it.tag_name.clone(),
                tag: it.tag_name,
                prerelease: it.prerelease,
                commit: it.target_commitish,
            })
            .collect())
    }
}

//! The tracker and the releases without a network: files that a person carries out.
//!
//! ```text
//! outbox/01-close-<id>.md     the exact bytes of the comment
//! outbox/01-close-<id>.json   what is to be done with them; there only when the act is whole
//! ```

use super::facts::{Act, IssueRef, IssueState, Release, Verb, Witness};
use super::world::{ReleaseSource, Tracker, WorldError};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{Filesystem, SharedFilesystem, read_all};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What is known of an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownIssue {
    /// The issue.
    pub issue: IssueRef,
    /// Its state.
    pub state: IssueState,
}

/// An act as it waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The id of the act.
    pub id: String,
    /// The repository.
    pub repo: String,
    /// The number of the issue.
    pub issue: u64,
    /// What is to be done.
    pub action: Verb,
    /// The file with the comment, beside this one.
    pub body_file: String,
    /// The SHA-256 of that file.
    pub body_sha256: String,
    /// What must hold before it is done.
    pub precondition: Precondition,
}

/// What must hold before an act is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precondition {
    /// The state of the issue.
    pub state: IssueState,
}

/// A tracker of files.
#[derive(Debug)]
pub struct Outbox {
    filesystem: SharedFilesystem,
    directory: PathBuf,
    known: Vec<KnownIssue>,
}

impl Outbox {
    /// Creates a tracker over a directory, which need not exist.
    #[must_use]
    pub fn new(filesystem: SharedFilesystem, directory: PathBuf, known: Vec<KnownIssue>) -> Self {
        Self {
            filesystem,
            directory,
            known,
        }
    }

    fn names(&self) -> Result<Vec<String>, WorldError> {
        let mut names = match self.filesystem.list(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(|error| at(&self.directory, &error))?,
        };
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(names)
    }

    /// Returns what waits, in order.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn waiting(&self) -> Result<Vec<Waiting>, WorldError> {
        let names = self.names()?;
        let whole = names.iter().filter(|name| name.ends_with(".json"));
        whole
            .map(|name| read_json(&*self.filesystem, &self.directory.join(name)))
            .collect()
    }

    /// Returns what the acts that wait will make of an issue; `None` when none changes its state.
    fn foreseen(&self, issue: &IssueRef) -> Result<Option<IssueState>, WorldError> {
        let waiting = self.waiting()?;
        let of_issue = |it: &&Waiting| it.repo == issue.repo && it.issue == issue.number;
        let mut states = waiting
            .iter()
            .filter(of_issue)
            .filter_map(|it| match it.action {
                Verb::Comment => None,
                Verb::Close => Some(IssueState::Closed),
                Verb::Reopen => Some(IssueState::Open),
            });
        Ok(states.next_back())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), WorldError> {
        let path = self.directory.join(name);
        crashsafe::replace(&*self.filesystem, &path, bytes, Durability::PowerCut)
            .map_err(|error| at(&path, &error))
    }
}

fn at(path: &Path, error: &io::Error) -> WorldError {
    WorldError(format!("{}: {error}", path.display()))
}

/// Reads a JSON file.
///
/// # Errors
/// [`WorldError`].
pub fn read_json<T: for<'de> Deserialize<'de>>(
    filesystem: &dyn Filesystem,
    path: &Path,
) -> Result<T, WorldError> {
    let bytes = read_all(filesystem, path).map_err(|error| at(path, &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| WorldError(format!("{}: {error}", path.display())))
}

impl Tracker for Outbox {
    /// What is known, and what the acts that wait will make of it.
    fn state(&self, issue: &IssueRef) -> Result<IssueState, WorldError> {
        let known = self.known.iter().find(|it| it.issue == *issue);
        let known = known.map(|it| it.state);
        self.foreseen(issue)?.or(known).ok_or_else(|| {
            WorldError(format!(
                "the state of {issue} is not in the file of the issues; add it"
            ))
        })
    }

    fn perform(&self, act: &Act) -> Result<Witness, WorldError> {
        let names = self.names()?;
        let ending = format!("-{}-{}", act.verb, act.id);
        let mine = names.iter().find_map(|name| {
            let stem = name
                .strip_suffix(".json")
                .or_else(|| name.strip_suffix(".md"))?;
            stem.ends_with(&ending).then(|| stem.to_owned())
        });
        let number = |name: &String| name.split('-').next()?.parse::<u32>().ok();
        let next = names.iter().filter_map(number).max().unwrap_or(0) + 1;
        let stem = mine.unwrap_or_else(|| format!("{next:02}{ending}"));
        let path = self.directory.join(format!("{stem}.json"));
        if names.contains(&format!("{stem}.json")) {
            return Ok(Witness::Rendered(path.display().to_string()));
        }
        let waiting = Waiting {
            id: act.id.clone(),
            repo: act.issue.repo.clone(),
            issue: act.issue.number,
            action: act.verb,
            body_file: format!("{stem}.md"),
            body_sha256: super::digest(act.body.as_bytes()),
            precondition: Precondition {
                state: match act.verb {
                    Verb::Comment | Verb::Close => IssueState::Open,
                    Verb::Reopen => IssueState::Closed,
                },
            },
        };
        let text = serde_json::to_string_pretty(&waiting).expect("every field has a JSON form");
        self.write(&waiting.body_file, act.body.as_bytes())?;
        self.write(&format!("{stem}.json"), format!("{text}\n").as_bytes())?;
        Ok(Witness::Rendered(path.display().to_string()))
    }
}

/// A tracker that is read elsewhere and written here: what was found there waits for a person.
#[derive(Debug)]
pub struct Rendered {
    /// Where the states come from.
    pub reads: Box<dyn Tracker>,
    /// Where the acts go.
    pub outbox: Outbox,
}

impl Tracker for Rendered {
    fn state(&self, issue: &IssueRef) -> Result<IssueState, WorldError> {
        match self.outbox.foreseen(issue)? {
            Some(state) => Ok(state),
            None => self.reads.state(issue),
        }
    }

    fn perform(&self, act: &Act) -> Result<Witness, WorldError> {
        self.outbox.perform(act)
    }
}

/// Releases in a file: a JSON list.
#[derive(Debug)]
pub struct ReleaseFile {
    /// The file system.
    pub filesystem: SharedFilesystem,
    /// The file.
    pub path: PathBuf,
}

impl ReleaseSource for ReleaseFile {
    fn releases(&self) -> Result<Vec<Release>, WorldError> {
        read_json(&*self.filesystem, &self.path)
    }
}

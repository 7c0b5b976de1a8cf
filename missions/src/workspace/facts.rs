//! What git and the file system say about a lane before anything is done.

use super::{LaneRequest, Workspace, WorkspaceError, check_commit, lane_branch, names};
use crate::files::is_plain_directory;
use crate::git::{Checkout, Worktree};
use crate::project::Project;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a worktree that another git is still making is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// What is at the place of the worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directory {
    /// Nothing, or an empty directory.
    Absent {
        /// Whether git still knows a worktree there.
        is_registered: bool,
    },
    /// A worktree whose making was interrupted.
    HalfMade,
    /// A worktree of this repository.
    Worktree {
        /// The branch that is checked out.
        branch: Option<String>,
        /// What is uncommitted.
        changes: Vec<PathBuf>,
        /// The first line of the message of a merge that was not concluded.
        unfinished_merge: Option<String>,
    },
    /// Anything else.
    Foreign,
}

/// A commit that the lane must contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The commit, in hexadecimal.
    pub commit: String,
    /// What it is, for a message: "lane-a (kitty/mission-…-lane-a)".
    pub name: String,
    /// The lane it is the tip of; `None` for the planning commit.
    pub lane: Option<String>,
    /// What it is, for `missing_refs`.
    pub described: String,
    /// Whether the repository holds the commit.
    pub exists: bool,
    /// Whether the lane, or what it will be made from, contains it.
    pub is_contained: bool,
}

/// Everything the plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The tip of the target branch.
    pub target_tip: Option<String>,
    /// The tip of the mission branch.
    pub mission_tip: Option<String>,
    /// The tip of the lane's branch.
    pub lane_tip: Option<String>,
    /// What is at the place of the worktree.
    pub directory: Directory,
    /// Another worktree that has the lane's branch checked out.
    pub elsewhere: Option<PathBuf>,
    /// What the lane must contain, in the order of merging.
    pub wanted: Vec<Wanted>,
    /// Dependencies without a branch.
    pub absent_dependencies: Vec<String>,
}

pub(super) fn gather(
    project: &Project,
    checkout: &Checkout,
    request: &LaneRequest,
    workspace: &Workspace,
) -> Result<Facts, WorkspaceError> {
    require_plain_folder(&names::folder(&project.root))?;
    let (directory, elsewhere) = look(checkout, workspace)?;
    let target_tip = checkout.branch_tip(&request.target_branch)?;
    let mission_tip = checkout.branch_tip(&request.mission_branch)?;
    let lane_tip = checkout.branch_tip(&workspace.branch)?;
    let mut facts = Facts {
        target_tip,
        mission_tip,
        lane_tip,
        directory,
        elsewhere,
        wanted: Vec::new(),
        absent_dependencies: Vec::new(),
    };
    let start = facts
        .lane_tip
        .as_ref()
        .or(facts.mission_tip.as_ref())
        .or(facts.target_tip.as_ref())
        .cloned();
    let Some(start) = start else {
        return Ok(facts);
    };
    if let Some(commit) = &request.planning_commit {
        check_commit(commit)?;
        let exists = checkout.holds_commit(commit)?;
        facts.wanted.push(Wanted {
            commit: commit.clone(),
            name: format!("the planning commit {commit}"),
            lane: None,
            described: format!("recorded planning commit {commit}"),
            exists,
            is_contained: exists && checkout.is_ancestor(commit, &start)?,
        });
    }
    let mut dependencies = request.depends_on.clone();
    dependencies.sort();
    for dependency in dependencies {
        let branch = lane_branch(&request.mission_branch, &dependency.lane_id);
        let Some(commit) = checkout.branch_tip(&branch)? else {
            facts.absent_dependencies.push(dependency.lane_id);
            continue;
        };
        facts.wanted.push(Wanted {
            is_contained: checkout.is_ancestor(&commit, &start)?,
            commit,
            name: format!("{} ({branch})", dependency.lane_id),
            described: format!("approved dependency lane {} ({branch})", dependency.lane_id),
            lane: Some(dependency.lane_id),
            exists: true,
        });
    }
    Ok(facts)
}

/// A link would have git write outside of the project.
fn require_plain_folder(folder: &Path) -> Result<(), WorkspaceError> {
    match folder.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(WorkspaceError::Folder {
            path: folder.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(WorkspaceError::Io {
            path: folder.to_owned(),
            source,
        }),
    }
}

fn look(
    checkout: &Checkout,
    workspace: &Workspace,
) -> Result<(Directory, Option<PathBuf>), WorkspaceError> {
    if let Some(found) = worktree_at(checkout, &workspace.path)?
        && !found.is_half_made()
    {
        let changes = found.changes()?;
        let directory = Directory::Worktree {
            branch: found.head()?.branch().map(str::to_owned),
            changes: changes.into_iter().map(|change| change.path).collect(),
            unfinished_merge: found.unfinished_merge(),
        };
        return Ok((directory, None));
    }
    let known = known_worktrees(checkout, &workspace.path)?;
    let here = known.iter().find(|known| known.path == workspace.path);
    let elsewhere = known
        .iter()
        .filter(|known| known.path != workspace.path)
        .find(|known| known.branch.as_deref() == Some(workspace.branch.as_str()))
        .map(|known| known.path.clone());
    let directory = if here.is_some_and(Worktree::is_half_made) {
        Directory::HalfMade
    } else if is_absent(&workspace.path)? {
        Directory::Absent {
            is_registered: here.is_some(),
        }
    } else if worktree_at(checkout, &workspace.path)?.is_some() {
        // Another git finished it while it was waited for.
        return look(checkout, workspace);
    } else {
        Directory::Foreign
    };
    Ok((directory, elsewhere))
}

/// Opens the directory if it is a linked worktree of this repository.
pub(crate) fn worktree_at(
    checkout: &Checkout,
    path: &Path,
) -> Result<Option<Checkout>, WorkspaceError> {
    let plain = is_plain_directory(path).map_err(|source| unreadable(path, source))?;
    if !plain || !path.join(".git").is_file() {
        return Ok(None);
    }
    // What git cannot open is not ours to change; what it is, is said by the caller.
    let Ok(Some(found)) = Checkout::open(checkout.program(), path) else {
        return Ok(None);
    };
    let is_ours = found.is_linked() && found.common_dir() == checkout.common_dir();
    Ok(is_ours.then_some(found))
}

/// Lists the worktrees, waiting a moment for one that another git is still making here.
///
/// A process that was killed leaves its git running; that git ends in a moment, and what it made is
/// used then.
fn known_worktrees(checkout: &Checkout, path: &Path) -> Result<Vec<Worktree>, WorkspaceError> {
    let started = Instant::now();
    loop {
        let known = checkout.worktrees()?;
        let busy = known
            .iter()
            .any(|known| known.path == path && known.is_half_made());
        if !busy || started.elapsed() >= PATIENCE {
            return Ok(known);
        }
        pause();
    }
}

fn is_absent(path: &Path) -> Result<bool, WorkspaceError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let mut entries = path.read_dir().map_err(|source| unreadable(path, source))?;
            Ok(entries.next().is_none())
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> WorkspaceError {
    WorkspaceError::Io {
        path: path.to_owned(),
        source,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "git offers no way to wait for another git's worktree"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

//! Whether the work can be looked at: everything is committed, and on top of the target branch.
//!
//! The words are those of the Python CLI, which scripts and agents act on.

use super::{MoveRefusal, Moving};
use crate::git::{Change, Checkout};
use crate::lane::Lane;
use crate::workflow::WorkflowError;
use crate::workflow::workspaces::place_of;
use crate::workspace::Workspace;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The most names that a list shows.
const SHOWN: usize = 5;
const SPECS: &str = "kitty-specs/";
/// What this program, or the Python CLI, keeps in a worktree for itself.
const OURS: [&str; 2] = [".spec-kitty/", ".kittify/"];
/// Files of a mission that its commands write, whoever is at work.
const WRITTEN_BY_COMMANDS: [&str; 8] = [
    "status.events.jsonl",
    "status.json",
    "meta.json",
    "lanes.json",
    "tasks.md",
    "acceptance-matrix.json",
    "issue-matrix.json",
    "issue-matrix.md",
];

/// One look at a lane: what is wrong there, if anything.
type Look<'a> = fn(&Moving<'a>, &Checkout, &Workspace) -> Result<Option<String>, WorkflowError>;

impl Moving<'_> {
    /// Refuses what a reviewer could not look at, or would look at in vain.
    pub(super) fn guard_readiness(&self) -> Result<(), WorkflowError> {
        let guidance = match self.plan_is_committed()? {
            Some(guidance) => Some(guidance),
            None => self.lane_is_ready()?,
        };
        let Some(guidance) = guidance else {
            return Ok(());
        };
        let retry = format!(
            "Then retry: spec-kitty agent tasks move-task {} --to {}",
            self.wp_id, self.to
        );
        Err(MoveRefusal::NotReady {
            wp_id: self.wp_id.to_owned(),
            to: self.to,
            guidance: format!("{guidance}\n\n{retry}"),
        }
        .into())
    }

    /// The plan must be committed: others would work by another one.
    fn plan_is_committed(&self) -> Result<Option<String>, WorkflowError> {
        let project = self.desk.project;
        let Some(checkout) = Checkout::discover(self.desk.git, &project.root)? else {
            return Ok(None);
        };
        let below = format!("{SPECS}{}/", self.mission.slug);
        let mut changes = checkout.changes()?;
        changes.retain(|change| {
            let path = change.path.to_string_lossy();
            path.strip_prefix(&below)
                .is_some_and(|name| !is_written_by_commands(name))
        });
        if changes.is_empty() {
            return Ok(None);
        }
        let (root, slug, wp_id) = (checkout.root().display(), &self.mission.slug, self.wp_id);
        Ok(Some(format!(
            "Blocking: {} uncommitted file(s) owned by {wp_id}:\n\nModified files in {SPECS}:\n{}\n\
             Commit these files before moving to {}.\n  cd {root}\n  git add {SPECS}{slug}/\n  \
             git commit -m \"docs({wp_id}): <describe your changes>\"",
            changes.len(),
            listed(&changes, true),
            self.to,
        )))
    }

    /// The lane must have its work committed, on top of everything that the target branch has. A
    /// worktree that is gone is not asked: its branch is what counts.
    fn lane_is_ready(&self) -> Result<Option<String>, WorkflowError> {
        let place = place_of(self.desk, self.mission, self.wp_id)?;
        let Some(lane) = place.lane.filter(|lane| lane.branch != lane.base_ref) else {
            return Ok(None);
        };
        if !lane.path.join(".git").exists() {
            return Ok(None);
        }
        let Some(worktree) = Checkout::open(self.desk.git, &lane.path)? else {
            return Ok(None);
        };
        let looks: &[Look<'_>] = match self.to {
            // That the work is in the target branch is looked at apart from this.
            Lane::Done => &[Self::is_at_rest, Self::is_committed, Self::has_no_plan],
            _ => &[
                Self::is_at_rest,
                Self::is_current,
                Self::is_committed,
                Self::has_work,
                Self::has_no_plan,
            ],
        };
        for look in looks {
            let found = look(self, &worktree, &lane)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn is_at_rest(
        &self,
        worktree: &Checkout,
        lane: &Workspace,
    ) -> Result<Option<String>, WorkflowError> {
        let path = lane.path.display();
        if worktree.head()?.branch().is_none() {
            return Ok(Some(format!(
                "Detached HEAD detected in worktree!\n\nPlease reattach to a branch before review:\n  \
                 cd {path}\n  git checkout {}",
                lane.branch
            )));
        }
        let begun = [
            ("MERGE_HEAD", "merge"),
            ("REBASE_HEAD", "rebase"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
        ];
        let begun = begun
            .into_iter()
            .filter(|(file, _)| worktree.git_dir().join(file).exists());
        let begun: Vec<&str> = begun.map(|(_, name)| name).collect();
        if begun.is_empty() {
            return Ok(None);
        }
        let aborts: String = begun.iter().fold(String::new(), |mut text, name| {
            let _ = write!(text, "\n  git {name} --abort");
            text
        });
        Ok(Some(format!(
            "In-progress git operation detected in worktree!\n\nActive operation(s): {}\n\n\
             Resolve or abort before review:\n  cd {path}\n  git status{aborts}",
            begun.join(", ")
        )))
    }

    /// Commits that only concern the mission's own files do not make a lane old.
    fn is_current(
        &self,
        worktree: &Checkout,
        lane: &Workspace,
    ) -> Result<Option<String>, WorkflowError> {
        let base = &lane.base_ref;
        let (Some(tip), Some(target)) = (
            worktree.branch_tip(&lane.branch)?,
            worktree.branch_tip(base)?,
        ) else {
            return Ok(None);
        };
        if worktree.is_ancestor(&target, &tip)? {
            return Ok(None);
        }
        let of_mission = format!("{SPECS}{}/", self.mission.slug);
        let concerns_work = |path: &PathBuf| {
            let path = path.to_string_lossy();
            !path.starts_with(&of_mission)
                && !path.starts_with(".kittify/workspaces/")
                && !matches!(&*path, ".kittify/config.yaml" | ".kittify/config.yml")
        };
        let news = match worktree.merge_base(&tip, &target)? {
            Some(base) => worktree.changed_files(&base, &target)?,
            None => worktree.changed_files(&tip, &target)?,
        };
        if !news.iter().any(concerns_work) {
            return Ok(None);
        }
        Ok(Some(format!(
            "{base} branch has new commits not in this worktree!\n\n\
             Your branch is behind {base}.\nRebase before review:\n  cd {}\n  git rebase {base}",
            lane.path.display()
        )))
    }

    fn is_committed(
        &self,
        worktree: &Checkout,
        lane: &Workspace,
    ) -> Result<Option<String>, WorkflowError> {
        let mut changes = worktree.changes()?;
        changes.retain(|change| {
            let path = change.path.to_string_lossy();
            !OURS.iter().any(|prefix| path.starts_with(prefix))
        });
        if changes.is_empty() {
            return Ok(None);
        }
        let is_staged = |change: &Change| !change.is_untracked && !change.code.starts_with(' ');
        let is_unstaged = |change: &Change| change.is_untracked || !change.code.ends_with(' ');
        let title = match (
            changes.iter().any(is_staged),
            changes.iter().any(is_unstaged),
        ) {
            (true, false) => "Staged but uncommitted changes in worktree!",
            (true, true) => "Staged and unstaged changes in worktree!",
            _ => "Uncommitted implementation changes in worktree!",
        };
        Ok(Some(format!(
            "{title}\n\nModified files:\n{}\nCommit your work first:\n{}",
            listed(&changes, false),
            how_to_commit(self.wp_id, &lane.path)
        )))
    }

    fn has_work(
        &self,
        worktree: &Checkout,
        lane: &Workspace,
    ) -> Result<Option<String>, WorkflowError> {
        let base = &lane.base_ref;
        let tips = (
            worktree.branch_tip(&lane.branch)?,
            worktree.branch_tip(base)?,
        );
        if let (Some(tip), Some(base)) = &tips
            && !worktree.has_commits_beyond(tip, base)?
        {
            return Ok(Some(format!(
                "No implementation commits on lane branch!\n\n\
                 The worktree exists but has no commits beyond {}.\nEither:\n  \
                 1. Commit your implementation work to the worktree\n  \
                 2. Or verify work is complete (use --force if nothing to commit)\n\n{}",
                lane.base_ref,
                how_to_commit(self.wp_id, &lane.path)
            )));
        }
        Ok(None)
    }

    /// The plan lives on the target branch alone; a lane that changes it would merge a second one.
    fn has_no_plan(
        &self,
        worktree: &Checkout,
        lane: &Workspace,
    ) -> Result<Option<String>, WorkflowError> {
        let base = &lane.base_ref;
        let (Some(tip), Some(target)) = (
            worktree.branch_tip(&lane.branch)?,
            worktree.branch_tip(base)?,
        ) else {
            return Ok(None);
        };
        let Some(since) = worktree.merge_base(&tip, &target)? else {
            return Ok(None);
        };
        let changed = worktree.changed_files(&since, &tip)?;
        let plans = changed.iter().filter(|path| path.starts_with(SPECS));
        let plans: Vec<String> = plans.map(|path| path.display().to_string()).collect();
        let Some(first) = plans.first() else {
            return Ok(None);
        };
        let mut names: String = plans
            .iter()
            .take(SHOWN)
            .fold(String::new(), |mut text, path| {
                let _ = writeln!(text, "  {path}");
                text
            });
        if plans.len() > SHOWN {
            let _ = writeln!(names, "  ... and {} more", plans.len() - SHOWN);
        }
        Ok(Some(format!(
            "Committed kitty-specs files on this lane branch:\n{names}\n\
             {SPECS} changes are not allowed on lane branches.\n\
             Planning artifacts must live on: {base}\n\n\
             To verify a file exists on the planning branch:\n  git show {base}:{first}\n\n\
             Clean the branch before moving to {}:\n  cd {}\n  \
             git restore --source {base} --staged --worktree -- {SPECS}\n  \
             git commit -m \"chore: remove planning artifacts from lane branch\"",
            self.to,
            lane.path.display()
        )))
    }
}

/// Tells whether a file of a mission, by its path below it, is written by commands.
fn is_written_by_commands(name: &str) -> bool {
    let is_package = name
        .strip_prefix("tasks/")
        .is_some_and(|file| file.starts_with("WP") && file.ends_with(".md") && !file.contains('/'));
    is_package || WRITTEN_BY_COMMANDS.contains(&name)
}

/// The first changes as `git status` prints them; `counts` says how many there are more.
fn listed(changes: &[Change], counts: bool) -> String {
    let mut text = String::new();
    for change in changes.iter().take(SHOWN) {
        let _ = writeln!(text, "  {} {}", change.code, change.path.display());
    }
    if counts && changes.len() > SHOWN {
        let _ = writeln!(text, "  ... and {} more", changes.len() - SHOWN);
    }
    text
}

fn how_to_commit(wp_id: &str, worktree: &Path) -> String {
    format!(
        "  cd {}\n  git add <deliverable-path-1> <deliverable-path-2> ...\n  \
         git commit -m \"feat({wp_id}): <describe implementation>\"",
        worktree.display()
    )
}

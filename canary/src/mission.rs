//! A mission as the scenarios need it, made with public commands only (reference A3, "lifecycle").

use crate::machine::{CallError, Called, Machine};
use serde_json::Value;
use std::path::PathBuf;

/// The mission of a scenario, with one work package in `planned`.
#[derive(Debug)]
pub struct Mission {
    /// Its slug, which every command takes.
    pub slug: String,
    /// Its id, when the binary under test names one.
    pub id: Option<String>,
    directory: PathBuf,
}

/// A step of the lifecycle that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// The call came to nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The command refused.
    #[error("{}", .0.told())]
    Refused(Box<Called>),
}

const SPEC: &str = "# Canary\n\n## Requirements\n\n| ID | Requirement |\n|----|----|\n\
    | FR-001 | greet |\n";
const PLAN: &str = "# Plan\n\n## Summary\n\nOne greeting in one file.\n\n## Technical Context\n\n\
    **Language/Version**: Python 3.11\n";
const TASKS: &str = "# Tasks\n\n## WP01 Greeting\n\n**Dependencies**: None\n";
const PACKAGE: &str = "---\nwork_package_id: WP01\ntitle: The greeting\ndependencies: []\n\
    requirement_refs: [FR-001]\nsubtasks: []\nowned_files: [src/greeting.py]\n\
    create_intent: [src/greeting.py]\nauthoritative_surface: src/\nexecution_mode: code_change\n---\n\n\
    # Greeting\n\nWrite `src/greeting.py`.\n";
/// Who works on it.
const AGENT: &str = "canary";

/// Runs a command that must end with 0.
fn must(machine: &Machine, words: &[&str]) -> Result<Called, LifecycleError> {
    let called = machine.spec_kitty(words)?;
    if called.code == Some(0) {
        return Ok(called);
    }
    Err(LifecycleError::Refused(Box::new(called)))
}

/// Makes the checkout a project and takes it into hosted sync, as far as the program lets it.
///
/// # Errors
/// [`LifecycleError`].
pub fn initialise(machine: &Machine) -> Result<(), LifecycleError> {
    must(machine, &["init", "--ai", "claude", "--non-interactive"])?;
    machine.commit("Initialise the project")?;
    Ok(())
}

/// Opts the project in. A program that refuses before anything was captured is asked again later, so
/// how this ends decides nothing; what is delivered does.
///
/// # Errors
/// [`LifecycleError::Call`].
pub fn opt_in(machine: &Machine) -> Result<Called, LifecycleError> {
    Ok(machine.spec_kitty(&["sync", "opt-in"])?)
}

impl Mission {
    /// Creates, plans and finalises a mission of one work package.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn create(machine: &Machine, label: &str) -> Result<Self, LifecycleError> {
        let words = [
            "agent",
            "mission",
            "create",
            label,
            "--mission-type",
            "software-dev",
            "--json",
        ];
        let created = must(machine, &words)?;
        let answer = created.json().unwrap_or(Value::Null);
        let text = |key: &str| answer[key].as_str().map(str::to_owned);
        let Some(slug) = text("mission_slug") else {
            return Err(LifecycleError::Refused(Box::new(created)));
        };
        let mission = Self {
            directory: machine.checkout().join("kitty-specs").join(&slug),
            id: text("mission_id"),
            slug,
        };
        machine.write(&mission.directory.join("spec.md"), SPEC.as_bytes())?;
        machine.commit("Specify the mission")?;
        mission.about(machine, &["agent", "mission", "setup-plan"])?;
        for (name, content) in [
            ("plan.md", PLAN),
            ("tasks.md", TASKS),
            ("tasks/WP01-greeting.md", PACKAGE),
        ] {
            machine.write(&mission.directory.join(name), content.as_bytes())?;
        }
        machine.commit("Plan the mission")?;
        mission.about(machine, &["agent", "mission", "finalize-tasks"])?;
        machine.commit("Finalise the tasks")?;
        Ok(mission)
    }

    /// Returns the same mission in the repository of another machine.
    #[must_use]
    pub fn at(&self, machine: &Machine) -> Self {
        Self {
            slug: self.slug.clone(),
            id: self.id.clone(),
            directory: machine.checkout().join("kitty-specs").join(&self.slug),
        }
    }

    fn about(&self, machine: &Machine, words: &[&str]) -> Result<Called, LifecycleError> {
        must(
            machine,
            &[words, &["--mission", &self.slug, "--json"]].concat(),
        )
    }

    /// Asks for a move of the work package, however it ends.
    ///
    /// # Errors
    /// [`LifecycleError::Call`].
    pub fn try_move(
        &self,
        machine: &Machine,
        lane: &str,
        more: &[&str],
    ) -> Result<Called, LifecycleError> {
        let words = ["agent", "tasks", "move-task", "WP01", "--to", lane];
        let about = ["--mission", &self.slug, "--agent", AGENT, "--json"];
        Ok(machine.spec_kitty(&[&words[..], &about, more].concat())?)
    }

    /// Moves the work package.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn move_to(
        &self,
        machine: &Machine,
        lane: &str,
        more: &[&str],
    ) -> Result<Called, LifecycleError> {
        let called = self.try_move(machine, lane, more)?;
        if called.code == Some(0) {
            return Ok(called);
        }
        Err(LifecycleError::Refused(Box::new(called)))
    }

    /// Takes the work package to `done` without a merge, and says why.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn finish(&self, machine: &Machine) -> Result<(), LifecycleError> {
        let approval = format!("sync-identity-boundary-canary:{}", self.slug);
        let more = [
            "--reviewer",
            AGENT,
            "--approval-ref",
            &approval,
            "--done-override-reason",
            "the canary has nothing to merge",
        ];
        self.move_to(machine, "done", &more)?;
        machine.commit("Finish the work")?;
        Ok(())
    }

    /// Takes the work package into review, with work in its lane.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn take_into_review(&self, machine: &Machine) -> Result<(), LifecycleError> {
        self.move_to(machine, "claimed", &[])?;
        self.move_to(machine, "in_progress", &[])?;
        self.work(machine)?;
        self.move_to(machine, "for_review", &[])?;
        self.move_to(machine, "in_review", &[])?;
        Ok(())
    }

    /// Commits work wherever the binary under test has the work done: its worktrees, or the checkout.
    fn work(&self, machine: &Machine) -> Result<(), LifecycleError> {
        let worktrees = std::fs::read_dir(machine.checkout().join(".worktrees"));
        let mut places: Vec<PathBuf> = worktrees
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join(".git").exists())
            .collect();
        if places.is_empty() {
            places.push(machine.checkout());
        }
        for place in places {
            machine.write(&place.join("src/greeting.py"), b"GREETING = 'hello'\n")?;
            machine.git_in(&place, &["add", "--all"])?;
            machine.git_in(&place, &["commit", "--quiet", "-m", "Write the greeting"])?;
        }
        Ok(())
    }
}

//! A mission with three work packages, of which the third depends on the other two.

use crate::support::process::{Run, run};
use crate::support::sandbox::{Sandbox, write};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the mission is to be like.
pub struct Plan<'a> {
    pub topology: &'a str,
    pub branch: &'a str,
    pub slug: &'a str,
    /// The program that makes it; ours unless another is named.
    pub program: Option<&'a Path>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            topology: "lanes",
            branch: "work",
            slug: "demo-feature",
            program: None,
        }
    }
}

/// The mission and how it was made.
pub struct Fixture {
    pub root: PathBuf,
    pub slug: String,
    pub id: String,
    pub directory: PathBuf,
    /// `init`, `agent mission create`, `setup-plan`, `finalize-tasks`.
    pub calls: Vec<Run>,
}

const SPEC: &str = "# Mission Specification: Demo Feature\n\n\
**Status**: Draft\n\n## User Scenarios & Testing\n\n\
### User Story 1 - Greet (Priority: P1)\n\n\
A caller asks for a greeting and gets the same one every time.\n\n\
**Acceptance Scenarios**:\n\n\
1. **Given** the package, **When** `greet(\"x\")` runs, **Then** it returns `hello x`.\n\n\
## Requirements\n\n### Functional Requirements\n\n\
| ID | Title | User Story | Priority | Status |\n|----|-------|------------|----------|--------|\n\
| FR-001 | Greeting | As a caller, I want to greet a name so that guests feel welcome. | High | Open |\n\
| FR-002 | Farewell | As a caller, I want to say farewell so that guests leave happily. | High | Open |\n\
| FR-003 | Facade | As a caller, I want one module so that I import one thing. | Medium | Open |\n\n\
### Non-Functional Requirements\n\n\
| ID | Title | Requirement | Category | Priority | Status |\n|----|-------|-------------|----------|----------|--------|\n\
| NFR-001 | Speed | Every call returns within 10 ms. | Performance | Low | Open |\n\n\
### Constraints\n\n\
| ID | Title | Constraint | Category | Priority | Status |\n|----|-------|------------|----------|----------|--------|\n\
| C-001 | Standard library | Nothing else is needed. | Technical | High | Open |\n\n\
## Success Criteria\n\n- **SC-001**: All three functions return what is written here.\n";

const PLAN: &str = "# Implementation Plan: Demo Feature\n\n## Summary\n\n\
Three small Python modules; the third puts the others together.\n\n\
## Technical Context\n\n**Language/Version**: Python 3.11\n\
**Primary Dependencies**: none (standard library only)\n**Storage**: N/A\n**Testing**: pytest\n\
**Target Platform**: Linux\n**Project Type**: single\n**Performance Goals**: below 10 ms a call\n\
**Constraints**: standard library only\n**Scale/Scope**: three functions\n\n\
## Project Structure\n\n```\nsrc/greet.py\nsrc/farewell.py\nsrc/facade.py\n```\n\n\
**Structure Decision**: one flat package.\n";

/// Id, title, file, dependencies, requirement, subtask.
const PACKAGES: [[&str; 6]; 3] = [
    ["WP01", "greeting", "src/greet.py", "[]", "FR-001", "T001"],
    [
        "WP02",
        "farewell",
        "src/farewell.py",
        "[]",
        "FR-002",
        "T002",
    ],
    [
        "WP03",
        "facade",
        "src/facade.py",
        "[\"WP01\", \"WP02\"]",
        "FR-003",
        "T003",
    ],
];

impl Fixture {
    /// Makes the mission in a directory of the sandbox.
    pub fn make(sandbox: &Sandbox, root: &Path, plan: &Plan<'_>) -> Self {
        let git = |words: &[&str]| sandbox.git_in(root, words);
        let call = |words: &[&str]| {
            let mut command = match plan.program {
                Some(program) => sandbox.command(program),
                None => sandbox.command(crate::support::process::program()),
            };
            command.args(words).current_dir(root);
            run(&mut command).expect_code(0)
        };
        std::fs::create_dir_all(root).unwrap();
        git(&["init", "--quiet", "--initial-branch=main"]);
        let initialised = call(&["init", "--ai", "codex", "--non-interactive"]);
        write(&root.join("README.md"), "# fixture project\n");
        write(
            &root.join("src/__init__.py"),
            "\"\"\"fixture package\"\"\"\n",
        );
        git(&["add", "--all"]);
        git(&[
            "commit",
            "--quiet",
            "-m",
            "chore: initialise fixture project",
        ]);
        git(&["checkout", "--quiet", "-b", plan.branch]);
        let created = call(&[
            "agent",
            "mission",
            "create",
            plan.slug,
            "--mission-type",
            "software-dev",
            "--friendly-name",
            "Demo Feature",
            "--purpose-tldr",
            "Fixture mission",
            "--purpose-context",
            "A small mission that exercises the whole lifecycle.",
            "--topology",
            plan.topology,
            "--json",
        ]);
        let answer: Value = created.json();
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        let slug = text("mission_slug");
        let directory = PathBuf::from(text("feature_dir"));
        let commit_all = |message: String| {
            git(&["add", "--all"]);
            git(&["commit", "--quiet", "-m", &message]);
        };
        write(&directory.join("spec.md"), SPEC);
        commit_all(format!("docs: populate spec for {slug}"));
        let planned = call(&[
            "agent",
            "mission",
            "setup-plan",
            "--mission",
            &slug,
            "--json",
        ]);
        write(&directory.join("plan.md"), PLAN);
        commit_all(format!("docs: populate plan for {slug}"));
        write_packages(&directory);
        commit_all(format!("docs: add tasks for {slug}"));
        let finalized = call(&[
            "agent",
            "mission",
            "finalize-tasks",
            "--mission",
            &slug,
            "--json",
        ]);
        if !git(&["status", "--porcelain"]).is_empty() {
            commit_all("chore: fixture ready".to_owned());
        }
        Self {
            root: root.to_owned(),
            id: text("mission_id"),
            slug,
            directory,
            calls: vec![initialised, created, planned, finalized],
        }
    }

    /// The worktree of a lane.
    pub fn worktree(&self, lane: &str) -> PathBuf {
        self.root
            .join(".worktrees")
            .join(format!("{}-{lane}", self.slug))
    }

    /// Commits a file in the worktree of a lane.
    pub fn commit_on(&self, sandbox: &Sandbox, lane: &str, file: &str, text: &str, message: &str) {
        let worktree = self.worktree(lane);
        write(&worktree.join(file), text);
        sandbox.git_in(&worktree, &["add", "--all"]);
        sandbox.git_in(&worktree, &["commit", "--quiet", "-m", message]);
    }

    /// A call of `orchestrator-api` in the project.
    pub fn command(&self, sandbox: &Sandbox, words: &[&str]) -> Command {
        let mut command = sandbox.command(crate::support::process::program());
        command
            .arg("orchestrator-api")
            .args(words)
            .current_dir(&self.root);
        command
    }
}

fn write_packages(directory: &Path) {
    let mut tasks = String::from("# Work Packages: Demo Feature\n");
    for [id, title, file, dependencies, requirement, subtask] in PACKAGES {
        let needs = match dependencies {
            "[]" => "None",
            _ => "WP01, WP02",
        };
        tasks.push_str(&format!(
            "\n## Work Package {id}: {title} (Priority: P1)\n\n**Goal**: provide it.\n\
             **Requirement Refs**: {requirement}\n**Dependencies**: {needs}\n\n\
             - [ ] {subtask} Create {file} ({id})\n"
        ));
        let package = format!(
            "---\nwork_package_id: \"{id}\"\ntitle: \"{title}\"\ndependencies: {dependencies}\n\
             requirement_refs:\n  - \"{requirement}\"\nsubtasks:\n  - \"{subtask}\"\n\
             owned_files:\n  - \"{file}\"\ncreate_intent:\n  - \"{file}\"\n\
             authoritative_surface: \"src/\"\nexecution_mode: \"code_change\"\n---\n\n\
             # Work Package Prompt: {id} - {title}\n\nCreate `{file}` as the specification says.\n"
        );
        write(
            &directory.join("tasks").join(format!("{id}-{title}.md")),
            package,
        );
    }
    write(&directory.join("tasks.md"), tasks);
}

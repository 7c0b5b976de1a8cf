//! Missions as people and agents write them, up to the point where a command takes over.

use super::sandbox::{Sandbox, write};
use std::path::{Path, PathBuf};

/// A mission that was created in a sandbox, with a specification of three requirements.
pub struct Mission {
    pub slug: String,
    pub directory: PathBuf,
}

const SPEC: &str = "# Demo\n\n## Requirements\n\n| ID | Requirement |\n|----|----|\n\
    | FR-001 | greet |\n| FR-002 | say farewell |\n| FR-003 | do both |\n";
const TASKS: &str = "# Tasks\n\n## WP01 Greeting\n\n**Dependencies**: None\n\n\
    ## WP02 Farewell\n\n**Dependencies**: None\n\n## WP03 Facade\n\n**Dependencies**: WP01, WP02\n";

impl Mission {
    /// Creates the mission and commits its specification.
    pub fn specified(sandbox: &Sandbox) -> Self {
        let created = sandbox.create_mission("demo-feature");
        let text = |key: &str| created[key].as_str().unwrap().to_owned();
        let mission = Self {
            slug: text("mission_slug"),
            directory: text("feature_dir").into(),
        };
        write(&mission.file("spec.md"), SPEC);
        sandbox.commit_all("Specify");
        mission
    }

    /// The same with three work packages, of which the last needs the others; committed.
    pub fn with_tasks(sandbox: &Sandbox) -> Self {
        let mission = Self::specified(sandbox);
        write(&mission.file("tasks.md"), TASKS);
        for (wp_id, name, needs, requirement) in [
            ("WP01", "greeting", "[]", "FR-001"),
            ("WP02", "farewell", "[]", "FR-002"),
            ("WP03", "facade", "[WP01, WP02]", "FR-003"),
        ] {
            mission.work_package(wp_id, name, needs, requirement);
        }
        sandbox.commit_all("Write the tasks");
        mission
    }

    /// Writes a work package that owns `src/<name>.py`.
    pub fn work_package(&self, wp_id: &str, name: &str, needs: &str, requirement: &str) {
        let text = format!(
            "---\nwork_package_id: {wp_id}\ntitle: The {name}  # for people\ndependencies: {needs}\n\
             requirement_refs: [{requirement}]\nsubtasks: [T001]\nowned_files: [src/{name}.py]\n\
             create_intent: [src/{name}.py]\nauthoritative_surface: src/\n\
             execution_mode: code_change\n---\n\n# {name}\n\nWrite `src/{name}.py`.\n"
        );
        write(&self.file(&format!("tasks/{wp_id}-{name}.md")), text);
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        read(&self.file(name))
    }

    /// Replaces a part of a file that must be there.
    #[track_caller]
    pub fn change(&self, name: &str, what: &str, with: &str) {
        let text = self.read(name);
        assert!(text.contains(what), "{name} lacks {what}");
        write(&self.file(name), text.replacen(what, with, 1));
    }
}

impl Sandbox {
    /// Commits everything in the working tree.
    pub fn commit_all(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// The subjects of the commits, the newest first.
    pub fn subjects(&self) -> Vec<String> {
        let log = self.git(&["log", "--format=%s"]);
        log.lines().map(str::to_owned).collect()
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

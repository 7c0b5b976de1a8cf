//! The orchestrator API beside the Python CLI, and a mission of the largest size.

use crate::Size;
use crate::launch::{Launched, launch};
use crate::measure::Samples;
use crate::place::{Place, put};
use crate::report::{Report, Row, Target};
use crate::startup::interpreter;
use kitty_config::env;
use serde_json::Value;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const POLICY: &str = r#"{"orchestrator_id": "o", "orchestrator_version": "1", "agent_family": "a", "approval_mode": "m", "sandbox_mode": "s", "network_mode": "n", "dangerous_flags": []}"#;
const PYTHON: &str = "Python 3.2.7";

/// Measures the orchestrator API.
///
/// # Errors
/// When a process fails.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let ours = Mission::new(3)?;
    let peer = match interpreter(&ours.place) {
        Ok(python) => Some((Mission::new(3)?, python)),
        Err(why) => {
            report.add(Row::skipped("missions", "beside the Python CLI", &why));
            None
        }
    };
    for (name, words, target) in [
        ("contract-version", &["contract-version"][..], 300.0),
        (
            "mission-state",
            &["mission-state", "--mission", "SLUG"],
            300.0,
        ),
        ("transition and its commit", &["transition"], 40.0),
    ] {
        let rounds = size.pick(6, 20);
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            fast.push(
                ours.call(&Command::new(crate::program()), words, round)?
                    .wall
                    * 1e3,
            );
            if let Some((mission, python)) = peer.as_ref().filter(|_| round < rounds.min(6)) {
                let mut command = Command::new(python);
                command.arg(python.with_file_name("spec-kitty"));
                slow.push(mission.call(&command, words, round)?.wall * 1e3);
            }
        }
        let mut row = Row::new("missions", name, "ms", &Samples::new(fast));
        if !slow.is_empty() {
            row = row.beside(PYTHON, &Samples::new(slow));
        }
        report.add(row.target(Target::TimesBetter(target)));
    }
    grown(size, report)
}

/// `mission-state` of a thousand work packages after so many rows.
fn grown(size: Size, report: &mut Report) -> io::Result<()> {
    let mission = Mission::new(1_000)?;
    let words = ["mission-state", "--mission", "SLUG"];
    let timed = |rows: usize| -> io::Result<Samples> {
        mission.fill(rows)?;
        let mut walls = Vec::new();
        for round in 0..size.pick(6, 20) {
            walls.push(
                mission
                    .call(&Command::new(crate::program()), &words, round)?
                    .wall
                    * 1e3,
            );
        }
        Ok(Samples::new(walls))
    };
    let (small, large) = (timed(10_000)?, timed(100_000)?);
    let row = Row::new(
        "missions",
        "mission-state, 1,000 WPs, 100,000 rows",
        "ms",
        &large,
    );
    report.add(row.target(Target::AtMost(100.0)));
    let row = Row::new("missions", "the same beside 10,000 rows", "ms", &large);
    let row = row.beside("10,000 rows", &small);
    report.add(row.target(Target::RatioAtMost(12.0)));
    Ok(())
}

/// A mission in a machine of its own.
struct Mission {
    place: Place,
    slug: String,
    directory: PathBuf,
}

impl Mission {
    /// Makes a mission of so many independent work packages.
    fn new(packages: usize) -> io::Result<Self> {
        let place = Place::new(crate::scratch())?;
        let create = [
            "agent",
            "mission",
            "create",
            "demo",
            "--topology",
            "lanes",
            "--json",
        ];
        let created = Self::ask(&place, &create)?.json()?;
        let text = |key: &str| created[key].as_str().unwrap_or_default().to_owned();
        let mission = Self {
            slug: text("mission_slug"),
            directory: text("feature_dir").into(),
            place,
        };
        mission.plan(packages)?;
        let finalize = [
            "agent",
            "mission",
            "finalize-tasks",
            "--mission",
            &mission.slug,
            "--json",
        ];
        Self::ask(&mission.place, &finalize)?;
        Ok(mission)
    }

    fn plan(&self, packages: usize) -> io::Result<()> {
        put(
            &self.directory.join("spec.md"),
            "# Demo\n\n## Requirements\n\n| ID | Requirement |\n|----|----|\n| FR-001 | greet |\n",
        )?;
        let mut tasks = "# Tasks\n".to_owned();
        for number in 1..=packages {
            let id = format!("WP{number:02}");
            let _ = write!(tasks, "\n## {id} Part\n\n**Dependencies**: None\n");
            let text = format!(
                "---\nwork_package_id: {id}\ntitle: Part\ndependencies: []\nrequirement_refs: [FR-001]\n\
                 subtasks: [T{number:03}]\nowned_files: [src/part{number}.py]\n\
                 create_intent: [src/part{number}.py]\nauthoritative_surface: src/\n\
                 execution_mode: code_change\n---\n\n# Part\n\nWrite it.\n"
            );
            put(
                &self.directory.join("tasks").join(format!("{id}-part.md")),
                &text,
            )?;
        }
        put(&self.directory.join("tasks.md"), &tasks)?;
        for words in [&["add", "--all"][..], &["commit", "-q", "-m", "Plan"]] {
            let status = self.place.command(Path::new("git")).args(words).status()?;
            if !status.success() {
                return Err(io::Error::other(format!("git {words:?}: {status}")));
            }
        }
        Ok(())
    }

    fn ask(place: &Place, words: &[&str]) -> io::Result<Launched> {
        let mut command = place.command(crate::program());
        command.args(words);
        command.env_remove(env::SPEC_KITTY_ENABLE_SAAS_SYNC.name);
        launch(&command)?.expect_success()
    }

    /// Calls a verb; a transition goes to and fro between two lanes.
    fn call(&self, program: &Command, words: &[&str], round: usize) -> io::Result<Launched> {
        let mut command = self.place.command(Path::new(program.get_program()));
        command.args(program.get_args()).arg("orchestrator-api");
        command.env_remove(env::SPEC_KITTY_ENABLE_SAAS_SYNC.name);
        command.env("SPEC_KITTY_NO_UPGRADE_CHECK", "1");
        for word in words {
            command.arg(if *word == "SLUG" {
                self.slug.as_str()
            } else {
                word
            });
        }
        if words == ["transition"] {
            let to = ["blocked", "in_progress"][round % 2];
            command.args(["--mission", &self.slug, "--wp", "WP01", "--to", to]);
            command.args(["--actor", "o", "--note", "n", "--policy", POLICY]);
        }
        launch(&command)?.expect_success()
    }

    /// Replaces the log by one of so many transitions, which visit every work package in turn.
    fn fill(&self, rows: usize) -> io::Result<()> {
        let log = self.directory.join("status.events.jsonl");
        let text = std::fs::read_to_string(&log)?;
        let sample = text.lines().rev().find_map(|line| {
            let row: Value = serde_json::from_str(line).ok()?;
            row.get("from_lane").is_some().then_some(row)
        });
        let mut row = sample.ok_or_else(|| io::Error::other("the mission has no transition"))?;
        let lanes = [
            "planned",
            "claimed",
            "in_progress",
            "blocked",
            "in_progress",
            "planned",
        ];
        row["policy_metadata"] = serde_json::from_str(POLICY)?;
        let mut log_text = String::with_capacity(rows * 700);
        for number in 0..rows {
            let (turn, package) = (number / 1_000, number % 1_000 + 1);
            row["wp_id"] = format!("WP{package:02}").into();
            row["from_lane"] = lanes[turn % 5].into();
            row["to_lane"] = lanes[turn % 5 + 1].into();
            let second = number / 1_000;
            row["at"] = format!(
                "2026-11-21T{:02}:{:02}:{:02}.{:06}+00:00",
                second / 3600,
                second / 60 % 60,
                second % 60,
                number % 1_000
            )
            .into();
            row["event_id"] = format!("01M7XAS67MT30DH0DY9E{number:06}").into();
            // The form that both programs write: sorted keys, a blank after every colon and comma.
            let line = kitty_runtime::python_json::line(&row);
            log_text.push_str(&line);
            log_text.push('\n');
        }
        put(&log, &log_text)
    }
}

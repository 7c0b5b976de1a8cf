//! The recorded scenario of the Python CLI 3.2.7, replayed on this program.
//!
//! `tests/recordings/orchestrator_transcript.jsonl` holds every call with what it printed and did in
//! git. Each call is made again; times, ids, hashes and places are put into a normal form; and what
//! then differs must be in the table of differences, each with its reason in
//! `docs/decisions/`. An entry of the table that no longer differs fails the test as well.

use super::fixture::{Fixture, Plan};
use super::normal_form::NormalForm;
use crate::support::process::{Run, program, run};
use crate::support::sandbox::{Sandbox, write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const RECORDING: &str = include_str!("../../recordings/orchestrator_transcript.jsonl");
const RECORDED_ID: &str = "01M7XCRBZDR9YZR1SQYAEG4FH9";
const RECORDED_SLUG: &str = "demo-feature-01M7XCRB";

/// The steps whose answer or effect is another one, and what of it must then be ours. The reasons are
/// in `docs/decisions/0021-where-the-orchestrator-api-differs.md`, which has the same table.
const DIFFERENCES: &[(&str, &str)] = &[
    ("accept", "chore(spec-kitty): accept mission"),
    ("accept.again", "chore(spec-kitty): accept mission"),
    ("append-history", "inner-state annotation WP01"),
    (
        "append-history.from-lane-worktree",
        "inner-state annotation WP01",
    ),
    (
        "final-files",
        "backward rewind: in_progress -> planned: restart",
    ),
    ("fixture.1", "A template: it is committed"),
    ("fixture.2", "The mission is planned on work"),
    ("in_review.evidence-bad-json", "EOF while parsing an object"),
    ("in_review.result-bad-json", "EOF while parsing an object"),
    ("list-ready.final", "\"mission_number\": 1"),
    ("mark-status", "inner-state annotation WP01"),
    ("merge", "\"merged_wps\": [\"WP01\", \"WP02\", \"WP03\"]"),
    ("merge.again", "\"mission_number\": 1"),
    ("meta-after-merge", "\"accepted_by\": \"orch\""),
    ("mission-state", "\"last_actor\": \"finalize-tasks\""),
    ("mission-state.final", "\"last_actor\": \"merge\""),
    (
        "mission-state.human-slug",
        "\"last_actor\": \"finalize-tasks\"",
    ),
    ("mission-state.mid8", "\"last_actor\": \"finalize-tasks\""),
    ("mission-state.ulid", "\"last_actor\": \"finalize-tasks\""),
    ("mission.empty", "Mission '' not found"),
    ("mission.traversal", "Mission '../x' not found"),
    ("policy.bad-json", "EOF while parsing an object"),
    (
        "rework.start-implementation-by-implementer",
        "\"no_op\": true",
    ),
    ("start-implementation.dirty-lane", "(src/greet.py)"),
    ("status-materialize", "\"force_count\": 2"),
    ("transition.for_review", "status transition WP01"),
    ("transition.unknown-lane", "Unknown lane: 'nolane'"),
    ("wp03.for_review", "status transition WP03"),
    ("wp03.for_review-2", "status transition WP03"),
    ("wp03.mark-status", "inner-state annotation WP03"),
    ("wp03.mark-status-2", "inner-state annotation WP03"),
];

/// The page that says why.
const DECISION: &str =
    include_str!("../../../docs/decisions/0021-where-the-orchestrator-api-differs.md");

/// What is seen of one step.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    exit: Option<i64>,
    stdout: String,
    effect: BTreeMap<String, String>,
}

#[test]
fn the_recorded_scenario_differs_only_where_a_decision_says_so() {
    let sandbox = Sandbox::empty();
    let work = sandbox.base().join("transcript");
    std::fs::create_dir(&work).unwrap();
    let rows: Vec<Value> = RECORDING
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let fixture = Fixture::make(&sandbox, &work.join("project"), &Plan::default());
    let mut replay = Replay::new(&sandbox, &work, fixture);
    let mut different = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let step = step_name(row, index);
        if let Some((recorded, ours)) = replay.step(row, index)
            && recorded != ours
        {
            different.insert(step, (recorded, ours));
        }
    }
    let known: BTreeSet<&str> = DIFFERENCES.iter().map(|(step, _)| *step).collect();
    let found: BTreeSet<&str> = different.keys().map(String::as_str).collect();
    let mut report = String::new();
    for step in found.difference(&known) {
        let (recorded, ours) = &different[*step];
        report.push_str(&format!(
            "\n{step}\n recorded {recorded:?}\n     ours {ours:?}\n"
        ));
    }
    for step in known.difference(&found) {
        report.push_str(&format!("\n{step} does not differ any more\n"));
    }
    for (step, must_hold) in DIFFERENCES {
        let ours = different.get(*step).map(|(_, ours)| ours);
        let holds = |seen: &Seen| {
            seen.stdout.contains(must_hold)
                || seen.effect.values().any(|part| part.contains(must_hold))
        };
        if ours.is_some_and(|ours| !holds(ours)) {
            report.push_str(&format!("\n{step} lacks {must_hold}: {ours:?}\n"));
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Every step that differs has a row in the table of the decision, and no other has.
#[test]
fn the_decision_names_exactly_the_steps_that_differ() {
    let named: BTreeSet<&str> = DECISION
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .flat_map(|(steps, _)| steps.split("`, `"))
        .collect();
    let known: BTreeSet<&str> = DIFFERENCES.iter().map(|(step, _)| *step).collect();
    assert_eq!(named, known);
}

fn step_name(row: &Value, index: usize) -> String {
    let step = row["step"].as_str().unwrap();
    match step {
        "fixture" => format!("fixture.{index}"),
        step => step.to_owned(),
    }
}

/// The state of git between two steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Git {
    branches: BTreeMap<String, String>,
    worktrees: Vec<String>,
    status: Vec<String>,
}

struct Replay<'a> {
    sandbox: &'a Sandbox,
    work: PathBuf,
    fixture: Fixture,
    before: Git,
    recorded_form: NormalForm,
    our_form: NormalForm,
}

impl<'a> Replay<'a> {
    fn new(sandbox: &'a Sandbox, work: &Path, fixture: Fixture) -> Self {
        let feedback = "**Issue**: facade must re-export farewell\n";
        write(&work.join("feedback.md"), feedback);
        let our_form = NormalForm::new(work.to_str().unwrap(), &fixture.id);
        let mut replay = Self {
            sandbox,
            work: work.to_owned(),
            recorded_form: NormalForm::new("$WORK", RECORDED_ID),
            our_form,
            before: Git::default(),
            fixture,
        };
        replay.before = replay.git();
        replay
    }

    /// Makes one step and returns what was recorded of it and what is seen now; `None` for what is
    /// no call.
    fn step(&mut self, row: &Value, index: usize) -> Option<(Seen, Seen)> {
        let step = row["step"].as_str().unwrap();
        if step == "fixture" {
            // The banner of `init` is no contract; the rest of its effect shows in what follows.
            return (index > 0).then(|| self.compare_fixture(row, index));
        }
        if row.get("argv").is_none() {
            return self.act(step, row);
        }
        let ran = self.call(row);
        let after = self.git();
        let effect = self.effect(&after);
        self.before = after;
        Some((self.recorded(row), self.seen(&ran, &effect)))
    }

    fn compare_fixture(&mut self, row: &Value, index: usize) -> (Seen, Seen) {
        let ran = Run::clone(&self.fixture.calls[index]);
        let ours = self.seen(&ran, &json!({}));
        (self.recorded(row), ours)
    }

    fn call(&self, row: &Value) -> Run {
        let words = row["argv"].as_array().unwrap().iter().skip(1);
        let words = words.map(|word| self.here(word.as_str().unwrap()));
        // 3.2.7 ignores the flag, and it works here: without it the scenario goes on as recorded.
        let words = words.filter(|word| word != "--subtasks-complete");
        let mut command = self.sandbox.command(program());
        command
            .args(words)
            .current_dir(self.here(row["cwd"].as_str().unwrap()))
            .env("SPEC_KITTY_ENABLE_SAAS_SYNC", "0")
            .env("COLUMNS", "200");
        for (name, value) in row["env"].as_object().into_iter().flatten() {
            command.env(name, self.here(value.as_str().unwrap()));
        }
        run(&mut command)
    }

    /// Turns a recorded text into one of this run.
    fn here(&self, text: &str) -> String {
        text.replace("$WORK", self.work.to_str().unwrap())
            .replace(RECORDED_SLUG, &self.fixture.slug)
            .replace(RECORDED_ID, &self.fixture.id)
            .replace(&RECORDED_ID[..8], &self.fixture.id[..8])
    }

    fn recorded(&mut self, row: &Value) -> Seen {
        let form = &mut self.recorded_form;
        let stdout = row["stdout"].as_str().unwrap_or_default();
        Seen {
            exit: row["exit"].as_i64(),
            stdout: form.of(&stdout
                .replace("1.5.0", "1.3.0")
                .replace("3.2.7", "<version>")),
            effect: normal_effect(form, &row["git_effect"]),
        }
    }

    fn seen(&mut self, ran: &Run, effect: &Value) -> Seen {
        let form = &mut self.our_form;
        let version = format!("\"spec_kitty_version\": \"{}\"", env!("CARGO_PKG_VERSION"));
        let stdout = ran
            .stdout
            .replace(&version, "\"spec_kitty_version\": \"<version>\"");
        Seen {
            exit: Some(i64::from(ran.code())),
            stdout: form.of(&stdout),
            effect: normal_effect(form, effect),
        }
    }

    fn git(&self) -> Git {
        let root = &self.fixture.root;
        let ask = |words: &[&str]| self.sandbox.git_in(root, words);
        let branches = ask(&[
            "for-each-ref",
            "--format=%(refname:short) %(objectname)",
            "refs/heads",
        ]);
        let worktrees = ask(&["worktree", "list", "--porcelain"]);
        Git {
            branches: branches
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(name, commit)| (name.to_owned(), commit.to_owned()))
                .collect(),
            worktrees: worktrees
                .lines()
                .filter_map(|line| line.strip_prefix("worktree "))
                .map(str::to_owned)
                .collect(),
            status: self
                .sandbox
                .git_in(root, &["status", "--porcelain"])
                .lines()
                .map(|line| line.trim_start().to_owned())
                .collect(),
        }
    }

    /// Describes what a step did in git, as the recording does.
    fn effect(&self, after: &Git) -> Value {
        let root = &self.fixture.root;
        let ask = |words: &[&str]| self.sandbox.git_in(root, words);
        let before = &self.before;
        let mut effect = json!({});
        let mut commits = json!({});
        let mut new = json!({});
        for (branch, commit) in &after.branches {
            match before.branches.get(branch) {
                None => new[branch] = ask(&["log", "-1", "--format=%s", branch]).into(),
                Some(old) if old != commit => {
                    let range = format!("{old}..{branch}");
                    let log = ask(&["log", "--format=> %s", "--name-status", "--reverse", &range]);
                    commits[branch] = log.lines().collect::<Vec<_>>().into();
                }
                Some(_) => {}
            }
        }
        let gone = before
            .branches
            .keys()
            .filter(|name| !after.branches.contains_key(*name));
        let gone: Vec<&String> = gone.collect();
        if new != json!({}) {
            effect["new_branches"] = new;
        }
        if !gone.is_empty() {
            effect["gone_branches"] = json!(gone);
        }
        if commits != json!({}) {
            effect["commits"] = commits;
        }
        if after.worktrees != before.worktrees {
            effect["worktrees"] = json!(after.worktrees);
        }
        if after.status != before.status {
            effect["status"] = json!(after.status);
        }
        effect
    }

    /// Does what the driver of the recording did beside the program.
    fn act(&mut self, step: &str, row: &Value) -> Option<(Seen, Seen)> {
        let commit = |lane, file, text, message| {
            self.fixture
                .commit_on(self.sandbox, lane, file, text, message);
        };
        match step {
            "dirty lane-a" => write(&self.fixture.worktree("lane-a").join("src/greet.py"), "x\n"),
            "commit on lane-a" => commit(
                "lane-a",
                "src/greet.py",
                "def greet(n):\n    return 'hello ' + n\n",
                "feat(WP01): greet",
            ),
            "rework on lane-a" => commit(
                "lane-a",
                "src/greet.py",
                "def greet(n):\n    return f'hello {n}'\n",
                "fix(WP01): rework",
            ),
            "commit on lane-b" => commit(
                "lane-b",
                "src/farewell.py",
                "def farewell(n):\n    return 'bye ' + n\n",
                "feat(WP02): farewell",
            ),
            "commit on lane-c" => commit(
                "lane-c",
                "src/facade.py",
                "from .greet import greet\n",
                "feat(WP03): facade",
            ),
            "rework on lane-c" => commit(
                "lane-c",
                "src/facade.py",
                "from .greet import greet\nfrom .farewell import farewell\n",
                "fix(WP03): facade",
            ),
            "events-after-rollback" => return Some(self.compare_note(row, &self.last_rows(2))),
            "meta-after-merge" => {
                return Some(self.compare_note(row, &self.mission_json("meta.json")));
            }
            "final-files" => {
                let ours = json!({
                    "status.json": self.mission_json("status.json"),
                    "status.events.jsonl": self.last_rows(usize::MAX),
                    "lanes.json": self.mission_json("lanes.json"),
                });
                return Some(self.compare_note(row, &ours));
            }
            other => panic!("the driver does not know {other}"),
        }
        self.before = self.git();
        None
    }

    fn mission_json(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.fixture.directory.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn last_rows(&self, count: usize) -> Value {
        let log = std::fs::read_to_string(self.fixture.directory.join("status.events.jsonl"));
        let log = log.unwrap();
        let rows: Vec<Value> = log
            .lines()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect();
        json!(rows[rows.len().saturating_sub(count)..])
    }

    fn compare_note(&mut self, row: &Value, ours: &Value) -> (Seen, Seen) {
        let seen = |form: &mut NormalForm, value: &Value| Seen {
            exit: None,
            stdout: form.of(&format!("{value:#}")),
            effect: BTreeMap::new(),
        };
        let recorded = seen(&mut self.recorded_form, &row["note"]);
        (recorded, seen(&mut self.our_form, ours))
    }
}

/// The parts of an effect; of a working tree's status only the names count.
fn normal_effect(form: &mut NormalForm, effect: &Value) -> BTreeMap<String, String> {
    let parts = effect.as_object().into_iter().flatten();
    parts
        .map(|(name, value)| {
            let value = match value.as_array() {
                Some(lines) if name == "status" => {
                    json!(
                        lines
                            .iter()
                            .map(|line| line.as_str().unwrap().trim_start())
                            .collect::<Vec<_>>()
                    )
                }
                _ => value.clone(),
            };
            (name.clone(), form.of(&value.to_string()))
        })
        .collect()
}

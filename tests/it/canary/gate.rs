//! The release gate, as a process, over a real Teamspace, a real repository with a real fix, and files
//! for the tracker and the releases.
//!
//! In [`real`] the canary itself is real too. Elsewhere, where the scenarios prove nothing about the
//! gate, a runner leaves evidence that was recorded; everything else is the same.

mod github;
mod killed;
mod real;
mod recorded;
mod stopped_after_runs;
mod stopped_before_runs;

use super::evidence::result;
use crate::support::process::{Run, program, variable};
use crate::support::sandbox::{Sandbox, write, write_script};
use crate::support::teamspace::{OWNER, Teamspace};
use kitty_canary::gate::State;
use kitty_canary::result::FailureMode;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The version that the program says it has, as the tag of its release.
pub const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// A gate, and everything around it.
pub struct Works {
    pub sandbox: Sandbox,
    pub teamspace: Teamspace,
    pub config: Value,
    /// The commits of the repository: `parent`, `fix`, and fixes that are none.
    pub commits: Commits,
}

pub struct Commits {
    pub parent: String,
    pub fix: String,
    pub diagnostic: String,
}

/// An issue, as the configuration names it.
pub fn issue(repo: &str, number: u64) -> Value {
    json!({"repo": format!("Org/{repo}"), "number": number})
}

impl Works {
    /// A gate of which everything would let it through, and a runner that leaves recorded evidence.
    pub fn new() -> Self {
        let sandbox = Sandbox::empty();
        let teamspace = Teamspace::start();
        let commits = make_fixes(&sandbox);
        let fix = |commit: &str| {
            json!({
                "repository": "fixes", "commit": commit, "paths": ["queue.sh"],
                "test_files": ["test.sh"], "test": ["sh", "test.sh"],
            })
        };
        let config = json!({
            "blockers": [
                {"issue": issue("spec-kitty", 1141), "fix": fix(&commits.fix),
                 "failure_modes": ["rollback_row_mismatch"]},
                {"issue": issue("spec-kitty", 1182), "fix": fix(&commits.fix),
                 "failure_modes": ["sync.event_loop_unavailable"]},
            ],
            "evidence_issue": issue("e2e", 41),
            "release_issue": issue("spec-kitty", 1038),
            "last_tag": format!("{TAG}rc1"),
            "candidate": {
                "repository": "fixes", "minimum_commit": commits.parent,
                "imports": [["{program}", "sync", "status", "--help"]],
            },
            "server": {
                "url": teamspace.url(), "account": OWNER,
                "approval_key_file": teamspace.approval_key_file(), "retry_seconds": 0,
            },
            "events_commit": "0123456789abcdef0123456789abcdef01234567",
            "business_rule_rows": 0,
            "runner": ["sh", "runner.sh"],
            "suite": ["sh", "suite.sh", "{run}", "{xml}"],
            "watch": ["watched"],
            "releases_file": "releases.json",
            "issues_file": "issues.json",
        });
        let works = Self {
            sandbox,
            teamspace,
            config,
            commits,
        };
        works.write_issues(&[("CLOSED", 1141), ("CLOSED", 1182)], "OPEN");
        works.write_releases(&works.commits.fix, "candidate.sh");
        works.write_candidate("");
        recorded::write_runner(&works);
        works
    }

    /// A file beside the configuration.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.repo().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.path(name), text);
    }

    /// The directory of the gate.
    pub fn directory(&self) -> PathBuf {
        self.path("canary-gate")
    }

    /// The states of the blockers and of the release tracker; the evidence issue is open.
    pub fn write_issues(&self, blockers: &[(&str, u64)], release: &str) {
        let known = |issue: Value, state: &str| json!({"issue": issue, "state": state});
        let mut all: Vec<Value> = blockers
            .iter()
            .map(|(state, number)| known(issue("spec-kitty", *number), state))
            .collect();
        all.push(known(issue("e2e", 41), "OPEN"));
        all.push(known(issue("spec-kitty", 1038), release));
        self.write("issues.json", json!(all).to_string());
    }

    pub fn write_releases(&self, commit: &str, artifact: &str) {
        let release = |tag: &str, prerelease: bool| json!({"tag": tag, "prerelease": prerelease, "commit": commit, "artifact": artifact});
        let old = release(&format!("{TAG}rc1"), true);
        let other = release("v99.0.0", false);
        let all = json!([old, release(TAG, true), other]);
        self.write("releases.json", all.to_string());
    }

    /// A candidate that is our program but for its commit and what a shell line makes of it.
    pub fn write_candidate(&self, breaking: &str) {
        let (real, commit) = (program().display(), &self.commits.fix);
        let text = format!(
            "#!/bin/sh\nreal() {{ '{real}' \"$@\"; }}\n\
             if [ \"$1 $2\" = 'canary origin' ]; then echo {commit}; exit 0; fi\n\
             {breaking}\nreal \"$@\"\n"
        );
        write_script(&self.path("candidate.sh"), &text);
    }

    /// Writes the configuration and runs the gate.
    pub fn gate(&self, words: &[&str]) -> Run {
        self.start(words).finish()
    }

    pub fn start(&self, words: &[&str]) -> crate::support::process::Running {
        self.write("canary-gate.json", self.config.to_string());
        let words = [&["canary", "gate"], words].concat();
        self.sandbox.call(&words).start()
    }

    /// Puts a script before every program of its name.
    pub fn stand_in(&mut self, name: &str, script: &str) {
        let programs = self.sandbox.base().join("programs");
        write_script(&programs.join(name), script);
        let mut path = programs.into_os_string();
        path.push(":");
        path.push(variable("PATH").unwrap());
        self.sandbox.set("PATH", path);
    }

    /// The log of the gate.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("gate.jsonl")).unwrap_or_default()
    }

    /// Waits until the gate reaches a state.
    #[track_caller]
    pub fn reaches(&self, state: State) {
        let reached = format!("\"to\":{{\"at\":\"{state}\"}}");
        recorded::until(state.name(), || self.log().contains(&reached));
    }

    /// Runs the gate, which must be complete. Every part of it has a deadline of its own, because the
    /// real canary takes its time.
    #[track_caller]
    pub fn completes(&self) -> Value {
        let gate = self.start(&["--json"]);
        if self.config.get("runner").is_none() {
            self.reaches(State::SingleRunPassed);
            self.reaches(State::FourRunPassed);
        }
        let document = gate.finish().expect_code(0).json();
        assert_eq!(document["outcome"], "complete", "{document:#}");
        assert_eq!(document["state"], "GATE_COMPLETE");
        document
    }

    /// Runs the gate, which must stop.
    #[track_caller]
    pub fn stops(&self, at: &str, message: &str) -> Value {
        let document = self.gate(&["--json"]).expect_code(1).json();
        assert_eq!(document["outcome"], "stopped", "{document:#}");
        assert_eq!(document["state"], at, "{document:#}");
        assert_eq!(document["message"], message, "{document:#}");
        assert!(document["next_action"].is_string(), "{document:#}");
        document
    }

    /// What waits in the outbox, in order: what is to be done, and the exact bytes.
    pub fn outbox(&self) -> Vec<(Value, String)> {
        let outbox = self.directory().join("outbox");
        let Ok(entries) = std::fs::read_dir(&outbox) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let acts = names.iter().filter(|name| name.ends_with(".json"));
        let acts: Vec<(Value, String)> = acts
            .map(|name| {
                let text = std::fs::read_to_string(outbox.join(name)).unwrap();
                let act: Value = serde_json::from_str(&text).unwrap();
                let body = act["body_file"].as_str().unwrap();
                let body = std::fs::read_to_string(outbox.join(body)).unwrap();
                let digest = kitty_canary::gate::digest(body.as_bytes());
                assert_eq!(act["body_sha256"], digest, "{name}");
                (act, body)
            })
            .collect();
        assert_eq!(names.len(), 2 * acts.len(), "{names:?}");
        acts
    }

    /// What the outbox asks for, in order: `close e2e#41`.
    pub fn asked(&self) -> Vec<String> {
        let asked = |(act, _): (Value, String)| {
            let repo = act["repo"].as_str().unwrap().replace("Org/", "");
            format!(
                "{} {repo}#{}",
                act["action"].as_str().unwrap(),
                act["issue"]
            )
        };
        self.outbox().into_iter().map(asked).collect()
    }

    /// Judges the gate as a release would.
    pub fn verify(&self, commit: &str, more: &[&str]) -> Run {
        let directory = self.directory();
        let words = ["canary", "gate", "verify", "--json", "--commit", commit];
        let words = [&words[..], &[directory.to_str().unwrap()], more].concat();
        self.sandbox.run(&words)
    }
}

/// Makes a repository whose fix is one: its test fails without it. Another commit only explains.
fn make_fixes(sandbox: &Sandbox) -> Commits {
    let checkout = sandbox.repo().join("fixes");
    std::fs::create_dir_all(&checkout).unwrap();
    sandbox.git_in(&checkout, &["init", "--quiet", "--initial-branch=main"]);
    let commit = |files: &[(&str, &str)], message: &str| {
        for (name, text) in files {
            write(&checkout.join(name), text);
        }
        sandbox.git_in(&checkout, &["add", "--all"]);
        sandbox.git_in(&checkout, &["commit", "--quiet", "-m", message]);
        sandbox.git_in(&checkout, &["rev-parse", "HEAD"])
    };
    let test = "test \"$(printf 'old\\nnew\\n' | sh queue.sh)\" = new\n";
    let parent = commit(&[("queue.sh", "head -n 1\n")], "Take a row");
    let fix = commit(
        &[("queue.sh", "tail -n 1\n"), ("test.sh", test)],
        "Take the last row",
    );
    let explained = "# The newest row is the last one.\ntail -n 1\n";
    let diagnostic = commit(&[("queue.sh", explained)], "Explain it");
    Commits {
        parent,
        fix,
        diagnostic,
    }
}

/// The stored form of a run, with places for what a runner knows.
pub fn template(failed: Option<FailureMode>) -> String {
    let mut run = result(1, failed);
    run.run_id = "@ID@".to_owned();
    run.timestamp = "@AT@".to_owned();
    run.cli_path = "@CLI@".to_owned();
    run.saas_url = "@URL@".to_owned();
    run.cli_version = env!("CARGO_PKG_VERSION").to_owned();
    run.to_json()
        .replace("\"run_number\": 1", "\"run_number\": @N@")
}

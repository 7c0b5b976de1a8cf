//! The gates of CI (`docs/decisions/`): what may not hide a test that fails.
//!
//! The failure that this project begins with was committed, red, and unseen, because the job that
//! ran it was skipped by a path filter. So no filter, one required job that fails unless every other
//! job succeeded, and a committed minimum of tests per binary.

use super::source::{Finding, TextFile, files, workspace};
use super::{hold, proves};
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeSet;
use std::process::Command;

fn workflows() -> Vec<&'static TextFile> {
    let found: Vec<&TextFile> = files()
        .iter()
        .filter(|file| file.is_below(&[".github/workflows/"]))
        .collect();
    assert!(found.len() >= 2, "ci.yml and nightly.yml are there");
    found
}

fn parse(file: &TextFile) -> Value {
    serde_yaml_ng::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path))
}

/// Walks every mapping.
fn mappings<'a>(value: &'a Value, found: &mut Vec<&'a Mapping>) {
    match value {
        Value::Mapping(mapping) => {
            found.push(mapping);
            mapping.values().for_each(|value| mappings(value, found));
        }
        Value::Sequence(values) => values.iter().for_each(|value| mappings(value, found)),
        _ => {}
    }
}

const SWALLOWS: &[&str] = &["|| true", "||true", "|| :", "set +e", "--no-fail-fast || "];

/// What hides failures, in any workflow.
fn hides_nothing(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let key = line
            .trim_start()
            .trim_start_matches("- ")
            .split(':')
            .next()
            .unwrap_or_default();
        if ["paths", "paths-ignore"].contains(&key) {
            findings.push(file.finding(number, "no path filter: it hides tests that fail"));
        }
        if key == "continue-on-error" {
            findings.push(file.finding(number, "a step that may fail checks nothing"));
        }
        if SWALLOWS.iter().any(|it| line.contains(it)) {
            findings.push(file.finding(number, "do not swallow the exit code"));
        }
        if key == "uses" && !is_pinned(line) {
            let advice = "pin the action by its 40-digit commit, with the release as a comment";
            findings.push(file.finding(number, advice));
        }
    }
    findings
}

/// Tells whether a line reads `uses: owner/name@<40 hex digits> # v…`.
fn is_pinned(line: &str) -> bool {
    let (action, comment) = line.split_once('#').unwrap_or((line, ""));
    let commit = action.trim().rsplit('@').next().unwrap_or_default();
    commit.len() == 40
        && commit
            .chars()
            .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        && comment.trim().starts_with('v')
}

/// What every workflow declares.
fn is_bounded(file: &TextFile, workflow: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut need = |truth: bool, advice: &str| {
        if !truth {
            findings.push(file.finding(1, advice));
        }
    };
    let read_only: Value = serde_yaml_ng::from_str("contents: read").expect("a mapping");
    need(
        workflow["permissions"] == read_only,
        "set `permissions: {contents: read}` and nothing else",
    );
    need(
        workflow["concurrency"]["group"].is_string(),
        "set a concurrency group",
    );
    need(
        workflow["defaults"]["run"]["shell"] == "bash",
        "set `shell: bash`, which has pipefail",
    );
    let mut all = Vec::new();
    mappings(&workflow["jobs"], &mut all);
    let publishing = &workflow["jobs"][PUBLISHES];
    let more = all.iter().filter(|it| it.contains_key("permissions"));
    need(
        more.filter(|it| publishing.as_mapping() != Some(**it))
            .count()
            == 0,
        "a job asks for more permissions",
    );
    let shells = all.iter().filter_map(|it| it.get("shell"));
    need(
        shells.into_iter().all(|shell| shell == "bash"),
        "a step has a shell without pipefail",
    );
    for (name, job) in workflow["jobs"].as_mapping().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        need(
            job["timeout-minutes"].is_u64(),
            &format!("give job {name} `timeout-minutes`"),
        );
    }
    findings
}

/// The one job that may write, and what must have succeeded before.
const PUBLISHES: &str = "publish";
const BEFORE_PUBLISHING: [&str; 2] = ["gate", "suite"];

/// What a workflow that publishes declares: nothing goes out without the evidence of the release gate
/// for the very commit (document 5).
fn waits_for_the_gate(file: &TextFile, workflow: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut need = |truth: bool, advice: &str| {
        if !truth {
            findings.push(file.finding(1, advice));
        }
    };
    let jobs = &workflow["jobs"];
    let needed: Vec<&str> = jobs[PUBLISHES]["needs"]
        .as_sequence()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    need(
        needed == BEFORE_PUBLISHING,
        "publishing needs the gate and the suite",
    );
    let mut conditions = Vec::new();
    mappings(jobs, &mut conditions);
    need(
        !conditions.iter().any(|it| it.contains_key("if")),
        "nothing before a release, and not the release, depends on a condition",
    );
    let verifies = |step: &Value| {
        let run = step["run"].as_str().unwrap_or_default();
        let demands = [
            "--commit \"$GITHUB_SHA\"",
            "--config .github/canary-gate.json",
        ];
        run.contains("canary gate verify") && demands.iter().all(|it| run.contains(it))
    };
    let steps = jobs["gate"]["steps"].as_sequence();
    need(
        steps.into_iter().flatten().any(verifies),
        "the gate verifies the evidence for this commit, with the configuration of this commit",
    );
    findings
}

/// Tells whether anything of a workflow publishes.
fn publishes(file: &TextFile) -> bool {
    ["gh release", "contents: write", "cargo publish"]
        .iter()
        .any(|it| file.text.contains(it))
}

const REQUIRED: &str = "ci-ok";

/// What the workflow of every push and pull request declares.
fn is_a_gate(file: &TextFile, workflow: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut need = |truth: bool, advice: &str| {
        if !truth {
            findings.push(file.finding(1, advice));
        }
    };
    for event in ["push", "pull_request"] {
        let all = workflow["on"].get(event).is_some_and(Value::is_null);
        need(
            all,
            &format!("run on every {event}: `{event}:` without conditions"),
        );
    }
    let jobs: BTreeSet<&str> = workflow["jobs"]
        .as_mapping()
        .into_iter()
        .flat_map(Mapping::keys)
        .filter_map(Value::as_str)
        .collect();
    let gate = &workflow["jobs"][REQUIRED];
    let mut needed: BTreeSet<&str> = gate["needs"]
        .as_sequence()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    needed.insert(REQUIRED);
    need(
        needed == jobs,
        &format!("{REQUIRED} needs every other job: {jobs:?}, not {needed:?}"),
    );
    need(
        gate["if"] == "always()",
        &format!("{REQUIRED} runs `if: always()`"),
    );
    for name in jobs.iter().filter(|name| **name != REQUIRED) {
        let conditional = workflow["jobs"][*name].get("if").is_some();
        need(
            !conditional,
            &format!("job {name} may be skipped; remove its `if`"),
        );
    }
    let results = &gate["steps"][0]["env"]["RESULTS"];
    need(
        results == "${{ join(needs.*.result, ' ') }}",
        "give the gate every result",
    );
    findings
}

#[test]
fn no_workflow_hides_a_failure() {
    for file in workflows() {
        hold(&hides_nothing(file));
        hold(&is_bounded(file, &parse(file)));
    }
    let script = files().iter().find(|file| file.path == ".ci/run").unwrap();
    hold(&hides_nothing(script));
    assert!(
        script.text.contains("\nset -euo pipefail\n"),
        "{}",
        script.text
    );
}

#[test]
fn a_workflow_that_hides_a_failure_is_found() {
    let bad = "on:\n  push:\n    paths: [a]\njobs:\n  a:\n    steps:\n      - uses: a/b@v4\n\
               \x20     - uses: a/b@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5\n\
               \x20     - run: test || true\n        continue-on-error: true\n        shell: sh\n";
    let file = TextFile::new("w.yml", bad);
    proves(
        &hides_nothing(&file),
        &["w.yml:3", "w.yml:7", "w.yml:9", "w.yml:10"],
    );
    assert_eq!(is_bounded(&file, &parse(&file)).len(), 5);
    assert!(
        !is_pinned("uses: a/b@08c6903cd8c0fde910a37f88322edcfb5dd907a8"),
        "no release named"
    );
    assert!(!is_pinned("uses: a/b@08c6903 # v5"), "a short hash");
}

#[test]
fn no_release_goes_out_without_the_gate() {
    let publishing: Vec<_> = workflows().into_iter().filter(|it| publishes(it)).collect();
    assert_eq!(publishing.len(), 1, "one workflow publishes");
    hold(&waits_for_the_gate(publishing[0], &parse(publishing[0])));
}

#[test]
fn a_release_that_does_not_wait_is_found() {
    let gate = "{steps: [{run: 'x canary gate verify d --commit \"$GITHUB_SHA\" \
                --config .github/canary-gate.json'}]}";
    let findings = |gate: &str, needs: &str, more: &str| {
        let text =
            format!("jobs:\n  gate: {gate}\n  suite: {{}}\n  publish: {{needs: {needs}{more}}}\n");
        let file = TextFile::new("release.yml", &text);
        waits_for_the_gate(&file, &parse(&file)).len()
    };
    assert_eq!(findings(gate, "[gate, suite]", ""), 0);
    assert_eq!(findings(gate, "[suite]", ""), 1);
    assert_eq!(findings(gate, "[gate, suite]", ", if: always()"), 1);
    assert_eq!(findings("{steps: [{run: x}]}", "[gate, suite]", ""), 1);
    let anything = "{steps: [{run: 'x canary gate verify d --commit \"$GITHUB_SHA\"'}]}";
    assert_eq!(findings(anything, "[gate, suite]", ""), 1);
    assert_eq!(findings("{}", "[]", ", if: x"), 3);
}

#[test]
fn the_canary_runs_every_night_and_its_evidence_is_kept() {
    let nightly = workflows()
        .into_iter()
        .find(|file| file.path == ".github/workflows/nightly.yml")
        .expect("nightly.yml is there");
    let steps = &parse(nightly)["jobs"]["canary"]["steps"];
    let steps = steps.as_sequence().expect("the canary is a job");
    let runs = |it: &&Value| {
        let run = it["run"].as_str().unwrap_or_default();
        run.contains("run-sync-identity-boundary-canary.sh --four")
    };
    let uploads = |it: &&Value| {
        let action = it["uses"].as_str().unwrap_or_default();
        action.starts_with("actions/upload-artifact@") && it["if"] == "always()"
    };
    assert!(steps.iter().any(|it| runs(&it)), "it runs the four runs");
    assert!(steps.iter().any(|it| uploads(&it)), "it keeps the evidence");
}

fn ci() -> &'static TextFile {
    let found = files()
        .iter()
        .find(|file| file.path == ".github/workflows/ci.yml");
    found.expect("ci.yml is there")
}

#[test]
fn the_required_job_needs_every_other_job() {
    hold(&is_a_gate(ci(), &parse(ci())));
}

#[test]
fn a_gate_that_forgets_a_job_is_found() {
    let gate = |on: &str, job: &str, needs: &str| {
        let text = format!(
            "on: {on}\njobs:\n  a: {job}\n  b: {{}}\n  ci-ok:\n    if: always()\n    needs: {needs}\n    \
             steps:\n      - env:\n          RESULTS: ${{{{ join(needs.*.result, ' ') }}}}\n"
        );
        let file = TextFile::new("ci.yml", &text);
        is_a_gate(&file, &parse(&file)).len()
    };
    assert_eq!(gate("{push: , pull_request: }", "{}", "[a, b]"), 0);
    assert_eq!(gate("{push: , pull_request: }", "{}", "[a]"), 1);
    assert_eq!(
        gate("{push: {branches: [main]}, pull_request: }", "{}", "[a, b]"),
        1
    );
    assert_eq!(gate("{push: }", "{if: x}", "[a, b]"), 2);
}

/// Runs the script of the required job as the runner would.
#[cfg(unix)]
#[test]
fn the_required_job_fails_unless_every_result_is_success() {
    let workflow = parse(ci());
    let script = workflow["jobs"][REQUIRED]["steps"][0]["run"]
        .as_str()
        .unwrap();
    let passes = |results: &str| {
        let status = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .env("RESULTS", results)
            .current_dir(workspace())
            .output();
        status.unwrap().status.success()
    };
    assert!(passes("success success success"));
    for bad in [
        "",
        "success skipped success",
        "success failure",
        "cancelled",
        "success success unheard-of",
    ] {
        assert!(!passes(bad), "{bad:?} passes the gate");
    }
}

/// The test binaries of the workspace and the committed minimum of each.
#[test]
fn every_test_binary_has_a_committed_minimum() {
    let minimums = files()
        .iter()
        .find(|file| file.path == ".ci/minimum-tests")
        .unwrap();
    let committed: BTreeSet<&str> = minimums
        .text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (name, minimum) = line.split_once(' ').unwrap();
            assert!(minimum.trim().parse::<u32>().unwrap() > 0, "{line}");
            name
        })
        .collect();
    let built = super::crate_rules::test_binaries();
    let built: BTreeSet<&str> = built.iter().map(String::as_str).collect();
    assert_eq!(
        committed, built,
        "one line per test binary in .ci/minimum-tests"
    );
}

#[test]
fn tests_that_are_ignored_run_at_night() {
    if super::code_rules::ignored_tests() > 0 {
        let nightly = files()
            .iter()
            .find(|file| file.path == ".github/workflows/nightly.yml");
        let nightly = &nightly.expect("nightly.yml is there").text;
        assert!(
            nightly.contains("--include-ignored"),
            "no job runs the ignored tests"
        );
    }
}

//! `canary suite` over real processes: our binary passes; one that differs in one behaviour fails in the
//! case of that behaviour, with the reason that names it, and in no other.

use super::{Canary, workspace};
use crate::support::process::{Run, program};
use crate::support::sandbox::write_script;
use crate::support::teamspace::Teamspace;
use kitty_canary::suite::SuiteFailure;
use serde_json::Value;
use std::path::Path;

/// The failure modes of go-live, pulse and sync; `None` where one passed.
type Modes = [Option<String>; 3];

fn suite(canary: &Canary, words: &[&str]) -> Run {
    canary.call(&[&["canary", "suite", "--json"], words].concat())
}

fn modes(run: &Run) -> Modes {
    let document = run.json();
    let cases = document["cases"].as_array().unwrap();
    let names: Vec<&str> = cases
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["go_live", "pulse", "sync"]);
    let modes = [0, 1, 2].map(|at| {
        let case: &Value = &cases[at];
        let mode = case["failure_mode"].as_str().map(str::to_owned);
        assert_eq!(case["status"] == "fail", mode.is_some(), "{case}");
        assert_eq!(case["details"].is_string(), mode.is_some(), "{case}");
        mode
    });
    let failed = modes.iter().any(Option::is_some);
    assert_eq!(run.code(), i32::from(failed), "{run:?}");
    assert_eq!(document["outcome"] == "fail", failed, "{document}");
    modes
}

/// Runs the suite over our binary behind a shell script, in which `real "$@"` is the true call.
fn over(breaking: &str) -> (Modes, Value) {
    let canary = Canary::new();
    let script = canary.sandbox.base().join("broken-spec-kitty");
    let real = program().display();
    let text = format!("#!/bin/sh\nreal() {{ '{real}' \"$@\"; }}\n{breaking}\nreal \"$@\"\n");
    write_script(&script, &text);
    let words = ["--cli", script.to_str().unwrap(), "--patience", "4"];
    let run = suite(&canary, &words);
    (modes(&run), run.json())
}

fn says(document: &Value, case: usize, words: &str) {
    let details = document["cases"][case]["details"].as_str().unwrap();
    assert!(details.contains(words), "{details}");
}

/// An element of a document, with its attributes by name.
fn element<'x>(document: &'x roxmltree::Document<'_>, name: &str) -> Vec<roxmltree::Node<'x, 'x>> {
    let named = |node: &roxmltree::Node<'_, '_>| node.has_tag_name(name);
    document.descendants().filter(named).collect()
}

#[test]
fn our_binary_passes_at_a_teamspace_of_somebody_else_and_the_report_says_so() {
    let teamspace = Teamspace::start();
    let canary = Canary::new();
    let file = |name: &str| canary.sandbox.base().join(name);
    let (xml, log) = (file("suite.xml"), file("suite.log"));
    let key = teamspace.approval_key_file();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (xml_path, log_path, key) = (path(&xml), path(&log), path(&key));
    let server = teamspace.url();
    let mut words = vec!["--server", server, "--approval-key-file", &key];
    words.extend(["--xml", &xml_path, "--log", &log_path]);
    let run = suite(&canary, &words);
    assert_eq!(modes(&run), [None, None, None], "{run:?}");
    let document = run.json();
    assert_eq!(document["saas_url"], teamspace.url());
    for case in document["cases"].as_array().unwrap() {
        assert!(case["events"].as_u64().unwrap() > 15, "{case}");
    }
    let xml = std::fs::read_to_string(xml).unwrap();
    let xml = roxmltree::Document::parse(&xml).unwrap();
    let suites = element(&xml, "testsuite");
    let said = |name: &str| suites[0].attribute(name).unwrap();
    assert_eq!((suites.len(), said("name")), (1, "teamspace"));
    assert_eq!((said("tests"), said("failures")), ("3", "0"));
    let cases = element(&xml, "testcase");
    let names: Vec<&str> = cases
        .iter()
        .map(|it| it.attribute("name").unwrap())
        .collect();
    assert_eq!(names, ["go_live", "pulse", "sync"]);
    for case in cases {
        assert!(case.attribute("time").unwrap().parse::<f64>().unwrap() > 0.0);
        assert_eq!(
            case.children().filter(roxmltree::Node::is_element).count(),
            0
        );
    }
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("$ spec-kitty sync daemon start"), "{log}");
    let secret =
        ["Bearer ey", "skta_", teamspace.approval_key().as_str()].map(|it| log.contains(it));
    assert_eq!(secret, [false; 3], "a secret in the log");
}

#[test]
fn work_that_is_not_captured_beside_a_daemon_fails_go_live() {
    let (modes, document) = over(
        "if grep -qs 'background_daemon = \"auto\"' \"$SPEC_KITTY_HOME/config.toml\"; then\n\
         SPEC_KITTY_SYNC_DISABLE=1; export SPEC_KITTY_SYNC_DISABLE; fi",
    );
    assert_eq!(modes, [Some("not_materialized".to_owned()), None, None]);
    says(
        &document,
        0,
        "did not materialize within 4s: expected WP01 in done",
    );
}

#[test]
fn deliveries_that_wait_for_the_end_of_the_work_fail_pulse() {
    let (modes, document) = over(
        // In a repository with one working tree.
        "if [ \"$1 $2\" = 'sync now' ] && [ ! -d .git/worktrees ] &&\n\
         ! grep -qs '\"to_lane\": *\"done\"' kitty-specs/*/status.events.jsonl; then exit 0; fi",
    );
    assert_eq!(modes, [None, Some("pulse_missed".to_owned()), None]);
    says(&document, 1, "were not told of within 4s");
}

#[test]
fn an_offline_period_that_costs_events_fails_sync_and_the_report_says_why() {
    let canary = Canary::new();
    let script = canary.sandbox.base().join("broken-spec-kitty");
    let real = program().display();
    let text = format!(
        "#!/bin/sh\n'{real}' \"$@\"; code=$?\n\
         if [ \"$1 $2\" = 'sync now' ] && [ $code -ne 0 ]; then\n\
         rm -rf \"$SPEC_KITTY_HOME/runtime/projects\"; fi\n\
         exit $code\n"
    );
    write_script(&script, &text);
    let xml = canary.sandbox.base().join("suite.xml");
    let mut words = vec!["--cli", script.to_str().unwrap(), "--patience", "4"];
    words.extend(["--xml", xml.to_str().unwrap()]);
    let run = suite(&canary, &words);
    assert_eq!(modes(&run), [None, None, Some("events_differ".to_owned())]);
    says(&run.json(), 2, "while it was offline");
    let xml = std::fs::read_to_string(xml).unwrap();
    let xml = roxmltree::Document::parse(&xml).unwrap();
    assert_eq!(
        element(&xml, "testsuite")[0].attribute("failures"),
        Some("1")
    );
    let failures = element(&xml, "failure");
    assert_eq!(failures.len(), 1);
    assert_eq!(
        failures[0].parent().unwrap().attribute("name"),
        Some("sync")
    );
    let message = failures[0].attribute("message").unwrap();
    assert!(message.starts_with("events_differ: "), "{message}");
}

#[test]
fn without_a_server_a_binary_or_a_place_for_the_report_it_says_so() {
    let canary = Canary::new();
    for words in [
        &["--server", "http://127.0.0.1:1"][..],
        &["--cli", "/nonexistent/spec-kitty"],
    ] {
        let run = suite(&canary, words).expect_code(2);
        assert_eq!(run.json()["code"], "canary_preflight", "{run:?}");
    }
    canary
        .call(&["canary", "suite", "--patience", "0"])
        .expect_code(2);
}

#[test]
fn the_page_says_what_each_failure_mode_means() {
    let page = std::fs::read_to_string(workspace().join("docs/canary.md")).unwrap();
    for (mode, meaning) in SuiteFailure::ALL {
        let row = format!("| `{mode}` | {meaning} |\n");
        assert!(page.contains(&row), "{row}");
    }
}

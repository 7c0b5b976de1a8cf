//! The whole gate, nothing recorded: our own program as the candidate, the canary's scenarios over it,
//! a Teamspace, git, and what a release asks of it afterwards.

use super::{TAG, Works};
use crate::canary::workspace;
use crate::support::process::program;
use crate::support::sandbox::write;
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::json;

/// The works with the real canary.
fn real() -> Works {
    let mut works = Works::new();
    works.config.as_object_mut().unwrap().remove("runner");
    works
}

#[test]
fn over_our_own_program_the_gate_completes_and_a_release_of_its_commit_may_go_out() {
    let mut works = real();
    let origin = works.sandbox.json(&["canary", "origin", "--json"]);
    let commit = origin["commit"].as_str().unwrap().to_owned();
    works.config["candidate"]["repository"] = json!(workspace());
    works.config["candidate"]["minimum_commit"] = json!(commit);
    works.write_releases(&commit, program().to_str().unwrap());
    let before = rehearse(&works);
    let document = works.completes();
    assert_eq!(document["commit"], commit.as_str());
    assert_eq!(document["candidate"], TAG);

    let acts = works.outbox();
    assert_eq!(works.asked(), ["close e2e#41", "comment spec-kitty#1038"]);
    for (at, (act, body)) in acts.iter().enumerate() {
        let id = act["id"].as_str().unwrap();
        assert!(body.ends_with(&format!("\n<!-- spec-kitty-gate:{id} -->\n")));
        assert!(
            body.contains(&commit) && body.contains("| 4 | PASS | pass | pass | pass | pass |")
        );
        assert_eq!(document["acts"][at]["id"], id);
        // What was shown before has the same lines, but for what was not known then.
        let shown = before[at].lines().filter(|line| !line.contains('<'));
        for line in shown {
            assert!(body.contains(line), "{line}: {body}");
        }
    }
    released(&works, &commit, document["head"].as_str().unwrap());
}

/// Shows what would be done, which changes nothing; returns the comments that are posted when all is
/// well.
fn rehearse(works: &Works) -> Vec<String> {
    works.write("canary-gate.json", works.config.to_string());
    let before = Tree::of(works.sandbox.base());
    let plan = works
        .sandbox
        .json(&["canary", "gate", "--dry-run", "--json"]);
    let text = works.sandbox.run(&["canary", "gate", "--dry-run"]);
    assert_unchanged(&before, works.sandbox.base());
    assert_eq!(plan["steps"].as_array().unwrap().len(), 8, "{plan:#}");
    let posts = plan["posts"].as_array().unwrap();
    let text = text.expect_code(0).stdout;
    for post in posts {
        assert!(text.contains(post["body"].as_str().unwrap()), "{post:#}");
    }
    let verbs: Vec<&str> = posts
        .iter()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert_eq!(verbs, ["reopen", "reopen", "close", "comment"]);
    let evidence = posts[2]["body"].as_str().unwrap();
    assert!(evidence.contains("commit `<CLI commit>`"), "{evidence}");
    let bodies = posts[2..].iter().map(|it| it["body"].as_str().unwrap());
    bodies.map(str::to_owned).collect()
}

/// What a release asks, and that it is refused whenever anything is not as it was.
fn released(works: &Works, commit: &str, head: &str) {
    let config = works.path("canary-gate.json");
    let config = ["--config", config.to_str().unwrap(), "--head", head];
    works.verify(commit, &config).expect_code(0);
    let refused = |commit: &str, more: &[&str], says: &str| {
        let run = works.verify(commit, more).expect_code(1);
        let findings = run.json()["findings"].to_string();
        assert!(findings.contains(says), "{says}: {findings}");
    };
    let other = "0".repeat(40);
    refused(
        &other,
        &[],
        &format!("the candidate is of {commit}, not of {other}"),
    );
    refused(
        commit,
        &["--head", &"0".repeat(64)],
        "does not end with the digest",
    );
    works.write(
        "other.json",
        works
            .config
            .to_string()
            .replace("\"business_rule_rows\":0", "\"business_rule_rows\":1"),
    );
    let path = works.path("other.json");
    refused(
        commit,
        &["--config", path.to_str().unwrap()],
        "another configuration",
    );

    // A complete gate is complete: nothing is run or told again.
    let again = works.completes();
    assert_eq!(again["acts"].as_array().unwrap().len(), 2);

    let run = works.directory().join(format!(
        "artifacts/sync_identity_boundary/{TAG}-attempt2/runs/run-3.json"
    ));
    let text = std::fs::read_to_string(&run).unwrap();
    std::fs::remove_file(&run).unwrap();
    write(
        &run,
        text.replacen("\"duration_ms\": ", "\"duration_ms\": 1", 1),
    );
    refused(commit, &[], "run-3.json: was changed since it was written");
    std::fs::remove_file(&run).unwrap();
    write(&run, &text);
    works.verify(commit, &[]).expect_code(0);
    let log = works.directory().join("gate.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    write(&log, text.replacen("GATE_COMPLETE", "TEAMSPACE_PASSED", 1));
    refused(commit, &[], "changed");
}

#[test]
fn a_candidate_that_fails_a_scenario_stops_the_gate_and_opens_the_issue_of_that_failure_once() {
    let works = real();
    // As in `broken`: the rollback is not queued, which is the failure of the fourth scenario.
    works.write_candidate(
        "case \" $* \" in *' move-task '*' --to planned '*)\n\
         SPEC_KITTY_SYNC_DISABLE=1; export SPEC_KITTY_SYNC_DISABLE;; esac",
    );
    let message = format!("GATE BLOCKED: Single-run canary failed on {TAG} (attempt 1).");
    let document = works.stops("PREFLIGHT_CLEAN", &message);
    assert_eq!(
        document["details"],
        json!([
            "run 1, scenario 4: rollback_row_mismatch",
            format!("evidence: artifacts/sync_identity_boundary/{TAG}-attempt1")
        ])
    );
    assert_eq!(works.asked(), ["reopen spec-kitty#1141"]);
    works.stops(
        "PREFLIGHT_CLEAN",
        "GATE BLOCKED: spec-kitty#1141 is still OPEN.",
    );
    assert_eq!(works.asked(), ["reopen spec-kitty#1141"]);
}

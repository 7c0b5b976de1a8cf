//! Command lines that cannot be parsed, and the envelope that answers them.

use crate::support::sandbox::Sandbox;
use serde_json::Value;

/// Every envelope has these keys in this order.
const KEYS: [&str; 7] = [
    "contract_version",
    "command",
    "timestamp",
    "correlation_id",
    "success",
    "error_code",
    "data",
];

#[track_caller]
fn refused(sandbox: &Sandbox, words: &[&str], code: i32) -> Value {
    let all: Vec<&str> = ["orchestrator-api"].iter().chain(words).copied().collect();
    let ran = sandbox.run(&all).expect_code(code);
    assert_eq!(ran.stdout.matches('\n').count(), 1, "{ran:?}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
    let mut end = 0;
    for key in KEYS {
        let found = ran.stdout.find(&format!("\"{key}\": ")).unwrap();
        assert!(found >= end, "{key} is out of order: {ran:?}");
        end = found;
    }
    let envelope: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(envelope.as_object().unwrap().len(), KEYS.len());
    assert_eq!(envelope["contract_version"], "1.3.0");
    assert_eq!(envelope["success"], false);
    envelope
}

#[test]
fn fr_004_fr_022_a_command_line_that_cannot_be_parsed_is_answered_with_an_envelope_and_exit_2() {
    let sandbox = Sandbox::empty();
    for (words, message) in [
        (&[][..], "Missing command."),
        (
            &["feature-state", "--mission", "x"],
            "No such command 'feature-state'.",
        ),
        (&["accept-feature"], "No such command 'accept-feature'."),
        (&["merge-feature"], "No such command 'merge-feature'."),
        (
            &["mission-state", "--feature", "x"],
            "No such option: --feature",
        ),
        (
            &["mission-state", "--mission", "x", "y"],
            "Got unexpected extra argument(s) (y)",
        ),
        (&["--version"], "No such option: --version"),
    ] {
        let envelope = refused(&sandbox, words, 2);
        assert_eq!(envelope["command"], "orchestrator-api.unknown");
        assert_eq!(envelope["error_code"], "USAGE_ERROR");
        assert_eq!(envelope["data"]["message"], message, "{words:?}");
    }
}

#[test]
fn the_contract_has_a_version_and_a_provider_that_is_too_old_is_refused() {
    let sandbox = Sandbox::empty();
    let answer = sandbox.json(&["orchestrator-api", "contract-version"]);
    assert_eq!(answer["command"], "orchestrator-api.contract-version");
    assert_eq!(answer["error_code"], Value::Null);
    assert_eq!(answer["data"]["api_version"], "1.3.0");
    let words = ["contract-version", "--provider-version", "0.0.1"];
    let refused = refused(&sandbox, &words, 1);
    assert_eq!(refused["error_code"], "CONTRACT_VERSION_MISMATCH");
    assert_eq!(refused["data"]["min_supported_provider_version"], "0.1.0");
}

#[test]
fn without_a_state_root_or_a_directory_there_is_still_one_envelope() {
    let sandbox = Sandbox::empty();
    let gone = sandbox.base().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let ran = sandbox
        .call(&["orchestrator-api", "mission-state", "--mission", "x"])
        .within_shell(&format!("cd {gone:?} && rmdir {gone:?} && exec \"$@\""));
    assert_eq!(ran.code(), 1, "{ran:?}");
    let envelope: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(envelope["success"], false);
    assert_eq!(envelope["command"], "orchestrator-api.mission-state");
}

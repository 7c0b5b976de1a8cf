//! What `tracker bind` asks a person: at a real terminal, and where there is none.

use super::{bound, machine, ok};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::ScriptedServer;
use crate::support::terminal::{CONTROL_C, CONTROL_D, Terminal};
use serde_json::json;

const RESOLVE: &str = "/api/v1/tracker/bind-resolve/";
const CONFIRM: &str = "/api/v1/tracker/bind-confirm/";
const BIND: &[&str] = &["tracker", "bind", "--provider", "linear"];
const SELECT: &str = "Select resource (1-2): ";
const REPLACE: &str = "Replace existing binding? (y/N): ";

fn config(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.repo().join(".kittify/config.yaml")).unwrap_or_default()
}

/// Two resources fit, and each can be bound.
fn two_fit(server: &ScriptedServer) {
    let candidate = |number: usize| json!({"candidate_token": format!("c-{number}"), "display_label": format!("Team {number}"), "confidence": "high", "match_reason": "same name"});
    let list = [candidate(1), candidate(2)];
    let answer = json!({"match_type": "candidates", "candidates": list});
    server.always(RESOLVE, ok(&answer));
    server.always(
        CONFIRM,
        ok(&json!({"binding_ref": "b-7", "display_label": "Team 2"})),
    );
}

/// Starts a bind and waits for its question.
fn asked(sandbox: &Sandbox, question: &str) -> Terminal {
    let mut terminal = sandbox.call(BIND).at_terminal();
    terminal.until(question);
    terminal
}

#[test]
fn the_chosen_resource_is_bound() {
    let (sandbox, server) = machine();
    two_fit(&server);
    let terminal = asked(&sandbox, SELECT);
    terminal.type_in(" 2 \r");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 0, "{screen}");
    for shown in [
        "Multiple resources found for provider 'linear':\n  1. Team 1 (high confidence)\n     Reason: same name\n",
        "Tracker binding saved\n- provider: linear\n- binding_ref: b-7\n- display_label: Team 2\n",
    ] {
        assert!(screen.contains(shown), "{screen}");
    }
    assert_eq!(
        server.requests_to(CONFIRM)[0].json()["candidate_token"],
        "c-2"
    );
    assert!(config(&sandbox).contains("binding_ref: b-7"));
}

#[test]
fn an_answer_that_is_no_choice_binds_nothing() {
    let (sandbox, server) = machine();
    two_fit(&server);
    let cases: &[(&[u8], &str)] = &[
        (b"seven\r", "Error: Invalid selection."),
        (b"\r", "Error: Invalid selection."),
        (b"-1\r", "Error: Invalid selection."),
        (b"99999999999999999999999\r", "Error: Invalid selection."),
        (b"\xff\xfe\r", "Error: Invalid selection."),
        (
            b"0\r",
            "Error: Selection 0 is out of range. Valid range: 1-2.",
        ),
        (
            b"3\r",
            "Error: Selection 3 is out of range. Valid range: 1-2.",
        ),
    ];
    for (keys, expected) in cases {
        let terminal = asked(&sandbox, SELECT);
        terminal.type_bytes(keys);
        let (code, screen) = terminal.finish();
        assert_eq!(code, 1, "{screen}");
        assert!(screen.contains(expected), "{screen}");
    }
    assert_eq!(server.count(CONFIRM), 0);
    assert_eq!(config(&sandbox), "");
}

#[test]
fn only_a_yes_replaces_a_binding() {
    for (keys, replaces) in [
        ("y\r", true),
        ("Y\r", true),
        ("yes\r", true),
        ("n\r", false),
        ("\r", false),
        ("maybe\r", false),
    ] {
        let (sandbox, server) = bound();
        let exact = json!({"match_type": "exact", "binding_ref": "b-9", "display_label": "New"});
        server.always(RESOLVE, ok(&exact));
        let before = config(&sandbox);
        let mut terminal = asked(&sandbox, REPLACE);
        terminal.until("Existing binding: b-1\n");
        terminal.type_in(keys);
        let (code, screen) = terminal.finish();
        assert_eq!(code, 0, "{screen}");
        if replaces {
            assert!(screen.contains("- binding_ref: b-9\n"), "{screen}");
            assert!(config(&sandbox).contains("binding_ref: b-9"));
        } else {
            assert!(screen.ends_with("Bind cancelled.\n"), "{screen}");
            assert_eq!(config(&sandbox), before);
            assert_eq!(server.connections(), 0, "{keys:?}");
        }
    }
}

#[test]
fn control_c_ends_either_question_with_130_and_the_end_of_the_input_with_advice() {
    let (free, server) = machine();
    two_fit(&server);
    let (taken, _silent) = bound();
    for (sandbox, question, advice) in [
        (&free, SELECT, "Choose one with `--select N`."),
        (
            &taken,
            REPLACE,
            "with `--select N` or `--bind-ref REF` to replace it.",
        ),
    ] {
        let before = config(sandbox);
        let terminal = asked(sandbox, question);
        terminal.type_in(CONTROL_C);
        let (code, screen) = terminal.finish();
        assert_eq!(code, 130, "{screen}");
        let terminal = asked(sandbox, question);
        terminal.type_in(CONTROL_D);
        let (code, screen) = terminal.finish();
        assert_eq!(code, 1, "{screen}");
        assert!(screen.contains("there was no answer"), "{screen}");
        assert!(screen.trim_end().ends_with(advice), "{screen}");
        assert_eq!(config(sandbox), before);
    }
    assert_eq!(server.count(CONFIRM), 0);
}

#[test]
fn where_nobody_can_answer_or_see_the_question_nothing_waits() {
    let (sandbox, server) = machine();
    two_fit(&server);
    // Input that never comes and never ends, and a question that nobody would see.
    let fifo = "mkfifo ../silent && exec 3<>../silent && \"$@\" <&3";
    let refused = sandbox.call(BIND).within_shell(fifo).expect_code(1);
    assert!(
        refused.stderr.ends_with("Choose one with `--select N`.\n"),
        "{refused:?}"
    );
    let hidden = sandbox
        .call(BIND)
        .at_terminal_within_shell("\"$@\" 2>../said");
    let (code, screen) = hidden.finish();
    assert_eq!((code, screen.as_str()), (1, ""));
    let said = std::fs::read_to_string(sandbox.base().join("said")).unwrap();
    assert!(!said.contains(SELECT), "{said}");
    assert!(said.ends_with("Choose one with `--select N`.\n"), "{said}");
    assert_eq!(server.count(CONFIRM), 0);
}

//! What one line says, what is wrong with another, and how a row is printed.

use super::row::{Actor, Binding, Row, TextField};
use super::*;
use crate::lane::Lane;

const ROW: &str = r#"{"actor": "x", "at": "2026-01-01T00:00:00+00:00", "event_id": "A", "evidence": null, "execution_mode": "worktree", "force": false, "from_lane": "planned", "mission_id": "01M7XCRBZDR9YZR1SQYAEG4FH9", "mission_slug": "m", "policy_metadata": null, "reason": null, "review_ref": null, "to_lane": "claimed", "wp_id": "WP01"}"#;
const FULL: &str = r#"{"actor": {"model": null, "profile": "p", "role": "r", "tool": "t\u00e9"}, "at": "1", "event_id": "B", "evidence": {"repos": [{"branch": "b", "commit": "c", "files_touched": ["f"], "repo": "r"}], "review": {"reference": "r", "reviewer": "v", "verdict": "approved"}, "verification": [{"command": "c", "result": "pass", "summary": "s"}]}, "execution_mode": "direct_repo", "force": true, "from_lane": "in_review", "mission_slug": "m", "policy_metadata": {"a": [1, 2.5, null], "b": {}}, "reason": "\ud83d\ude00", "reason_source": "operator", "review_ref": "r", "review_result": {"feedback_path": "f", "reference": "r", "reviewer": "v", "verdict": "approved"}, "to_lane": "done", "wp_id": "WP02"}"#;
const ANNOTATION: &str = r#"{"actor": "user", "at": "2", "delta": {"agent": "a", "note": "n", "release_runtime_claim": true, "review": {"actor": "", "at": "", "reason": "", "wp_id": ""}, "shell_pid": 7, "subtasks": {"T001": "done"}, "tracker_refs": ["x"], "tracker_refs_replace": []}, "event_id": "01M7XCXWDCVG6TZZZ5WGJC6C9A", "kind": "annotation", "wp_id": "WP01"}"#;

fn messages(text: &str) -> Vec<String> {
    let log = StatusLog::parse(text);
    log.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_row_prints_the_bytes_it_was_read_from() {
    for line in [ROW, FULL, ANNOTATION] {
        let log = StatusLog::parse(line).strict().unwrap();
        let row = match (&log.transitions[..], &log.annotations[..]) {
            ([row], []) => Row::Transition(row.clone()),
            ([], [row]) => Row::Annotation(row.clone()),
            _ => panic!("one row"),
        };
        assert_eq!(row.to_line(), line);
        assert!(log.contains(row.event_id()));
    }
}

#[test]
fn unknown_keys_are_ignored_and_private_ones_never_printed() {
    let line = ROW
        .replace("\"reason\": null", "\"reason\": null, \"new\": [1]")
        .replace(
            "\"policy_metadata\": null",
            "\"policy_metadata\": {\"a\": [{\"hostname\": \"h\", \"b\": 1}], \"workspace_path\": \"/\"}",
        );
    let log = StatusLog::parse(&line).strict().unwrap();
    assert_eq!(
        log.transitions[0].to_line(),
        ROW.replace(
            "\"policy_metadata\": null",
            "\"policy_metadata\": {\"a\": [{\"b\": 1}]}"
        )
    );
}

#[test]
fn rows_of_other_writers_are_skipped() {
    let text = [
        ROW,
        "",
        r#"{"event_type": "MissionCreated", "payload": {}}"#,
        r#"{"event_type": null, "kind": null, "force": "x"}"#,
        r#"{"event_name": "retrospective.requested", "at": 3}"#,
        r#"{"type": "RetrospectiveCaptured"}"#,
        "   ",
        &ROW.replace("\"A\"", "\"B\", \"type\": \"own\", \"event_name\": \"own\""),
    ]
    .join("\n");
    let log = StatusLog::parse(&text).strict().unwrap();
    assert_eq!(log.transitions.len(), 2);
    assert_eq!(log.transitions[0].to_lane, Lane::Claimed);
    assert_eq!(log.retrospective.len(), 1);
}

#[test]
fn a_broken_line_is_a_problem_with_its_number_and_the_others_count() {
    let without = |field: &str| ROW.replace(&format!("\"{field}\""), "\"other\"");
    let wrong = |field: &str, value: &str| {
        let (before, after) = ROW.split_once(&format!("\"{field}\": ")).unwrap();
        let end = after.find([',', '}']).unwrap();
        format!("{before}\"{field}\": {value}{}", &after[end..])
    };
    let annotation = |from: &str, to: &str| {
        assert!(ANNOTATION.contains(from), "{from}");
        ANNOTATION.replace(from, to)
    };
    let cases = [
        ("{\"torn".to_owned(), "is not a JSON object"),
        ("[]".to_owned(), "is not a JSON object"),
        (without("wp_id"), ": `wp_id` is missing or not understood"),
        (
            without("event_id"),
            ": `event_id` is missing or not understood",
        ),
        (without("at"), ": `at` is missing or not understood"),
        (without("force"), ": `force` is missing or not understood"),
        (
            without("execution_mode"),
            ": `execution_mode` is missing or not understood",
        ),
        (without("actor"), ": `actor` is missing or not understood"),
        (
            wrong("to_lane", "\"doing\""),
            ": `to_lane` is missing or not understood",
        ),
        (
            wrong("from_lane", "null"),
            ": `from_lane` is missing or not understood",
        ),
        (
            wrong("force", "1"),
            ": `force` is missing or not understood",
        ),
        (
            wrong("actor", "{\"tool\": \"x\"}"),
            ": `actor` is missing or not understood",
        ),
        (
            wrong("reason", "3"),
            ": `reason` is missing or not understood",
        ),
        (
            wrong("policy_metadata", "\"x\""),
            ": `policy_metadata` is missing or not understood",
        ),
        (
            wrong("evidence", "{\"review\": {}}"),
            ": `evidence` is missing or not understood",
        ),
        (
            ROW.replace("\"actor\": \"x\"", "\"actor\": \"x\", \"kind\": \"new\""),
            ": `kind` is missing or not understood",
        ),
        (
            annotation("\"01M7", "\"x1M7"),
            ": `event_id` is missing or not understood",
        ),
        (
            annotation("\"done\"", "\"doing\""),
            ": `delta` is missing or not understood",
        ),
        (
            annotation("\"wp_id\": \"\"", "\"x\": \"\""),
            ": `delta` is missing or not understood",
        ),
    ];
    let text: Vec<&str> = cases
        .iter()
        .map(|(line, _)| line.as_str())
        .chain([ROW])
        .collect();
    let expected: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, (_, message))| {
            let space = if message.starts_with(':') { "" } else { " " };
            format!("{FILE_NAME} line {}{space}{message}", index + 1)
        })
        .collect();
    assert_eq!(messages(&text.join("\r\n")), expected);
    assert_eq!(StatusLog::parse(&text.join("\n")).transitions.len(), 1);
    let first = StatusLog::parse(&text.join("\n")).strict().unwrap_err();
    assert_eq!(first.to_string(), expected[0]);
}

#[test]
fn a_row_that_names_no_mission_needs_an_upgrade() {
    for line in [
        ROW.replace("\"mission_slug\": \"m\"", "\"other_slug\": \"private\""),
        ROW.replace("\"mission_slug\": \"m\"", "\"mission_slug\": \"\""),
    ] {
        assert_eq!(
            messages(&line),
            [
                "status.events.jsonl line 1 has the form of an earlier release: it needs `spec-kitty upgrade`"
            ]
        );
    }
}

#[test]
fn empty_objects_and_blank_texts_say_nothing() {
    let line = ROW.replace(
        "\"evidence\": null",
        "\"evidence\": { }, \"review_result\": {}",
    );
    let log = StatusLog::parse(&line).strict().unwrap();
    assert_eq!(log.transitions[0].to_line(), ROW);
    let line = ANNOTATION.replace("\"agent\": \"a\"", "\"agent\": \"\", \"model\": null");
    let log = StatusLog::parse(&line).strict().unwrap();
    let delta = &log.annotations[0].delta;
    assert!(!delta.texts.contains_key(&TextField::Agent));
    assert!(!delta.is_empty() && row::Delta::default().is_empty());
}

#[test]
fn the_name_of_a_binding_is_its_tool_or_its_role() {
    let name = |tool: Option<&str>, role: Option<&str>| {
        let binding = Binding {
            role: role.map(str::to_owned),
            profile: Some("p".to_owned()),
            tool: tool.map(str::to_owned),
            model: None,
        };
        Actor::Binding(Box::new(binding)).identity().to_owned()
    };
    assert_eq!(name(Some("t"), Some("r")), "t");
    assert_eq!(name(Some(""), Some("r")), "r");
    assert_eq!(name(None, None), "");
}

#[test]
fn a_log_that_is_read_in_parts_says_the_same() {
    let mut lines: Vec<String> = (0..60)
        .map(|at| ROW.replace("\"A\"", &format!("\"{at}\"")))
        .collect();
    for (at, line) in [
        (3, "{torn"),
        (20, ANNOTATION),
        (21, ""),
        (40, "[]"),
        (59, FULL),
    ] {
        lines[at] = line.to_owned();
    }
    for text in [
        lines.join("\n"),
        lines.join("\n") + "\n",
        String::new(),
        "\n".to_owned(),
    ] {
        let whole = StatusLog::parse_in(&text, 1);
        for parts in 2..9 {
            let log = StatusLog::parse_in(&text, parts);
            assert_eq!(log.transitions, whole.transitions, "{parts}");
            assert_eq!(log.annotations, whole.annotations, "{parts}");
            let words = |log: &StatusLog<'_>| {
                log.problems
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&log), words(&whole), "{parts}");
        }
    }
}

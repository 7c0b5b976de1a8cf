//! Order, repetition, rollbacks and what annotations leave.

use super::*;
use crate::lane::Lane;
use crate::snapshot::Slot;
use crate::status_log::evidence::ReviewResult;
use crate::status_log::row::{
    Actor, Annotation, Delta, ExecutionMode, Policy, ReviewOverride, TextField,
};
use proptest::prelude::*;
use serde_json::json;

fn row(id: &str, at: &str, wp: &str, from: Lane, to: Lane) -> Transition<'static> {
    Transition {
        event_id: id.to_owned().into(),
        mission_slug: "m".into(),
        mission_id: None,
        wp_id: wp.to_owned().into(),
        from_lane: from,
        to_lane: to,
        at: at.to_owned().into(),
        actor: Actor::from("a"),
        force: false,
        execution_mode: ExecutionMode::Worktree,
        reason: None,
        reason_source: None,
        review_ref: None,
        evidence: None,
        review_result: None,
        policy_metadata: None,
    }
}

fn annotation(id: u32, delta: Delta) -> Annotation<'static> {
    Annotation {
        event_id: format!("{id:026}").into(),
        wp_id: "WP01".into(),
        at: format!("{id:02}").into(),
        actor: Actor::from("a"),
        delta: Box::new(delta),
    }
}

fn log(
    transitions: &[Transition<'static>],
    annotations: &[Annotation<'static>],
) -> StatusLog<'static> {
    StatusLog {
        transitions: transitions.to_vec(),
        annotations: annotations.to_vec(),
        ..StatusLog::default()
    }
}

fn lane_of(rows: &[Transition<'static>]) -> Lane {
    reduce(&log(rows, &[])).lane("WP01")
}

#[test]
fn the_last_row_in_time_decides_wherever_it_stands_in_the_file() {
    let rows = [
        row("C", "3", "WP01", Lane::InProgress, Lane::ForReview),
        row("A", "1", "WP01", Lane::Planned, Lane::Claimed),
        row("B", "2", "WP01", Lane::Claimed, Lane::InProgress),
        row("D", "1", "WP02", Lane::Genesis, Lane::Planned),
    ];
    let snapshot = reduce(&log(&rows, &[]));
    assert_eq!(snapshot.lane("WP01"), Lane::ForReview);
    assert_eq!(snapshot.lane("WP02"), Lane::Planned);
    assert_eq!(snapshot.lane("WP09"), Lane::Genesis);
    assert_eq!(snapshot.last_event_id.as_deref(), Some("C"));
    assert_eq!(
        (snapshot.event_count, snapshot.materialized_at.as_str()),
        (4, "3")
    );
    let counted: usize = snapshot.summary().iter().map(|(_, count)| count).sum();
    assert_eq!(counted, 2);
}

#[test]
fn of_two_rows_with_one_id_the_first_in_the_file_counts() {
    let rows = [
        row("A", "1", "WP01", Lane::Planned, Lane::Claimed),
        row("A", "9", "WP01", Lane::Claimed, Lane::Done),
    ];
    assert_eq!(lane_of(&rows), Lane::Claimed);
}

#[test]
fn at_the_same_time_a_rollback_beats_a_forward_move_whatever_the_ids() {
    for (rollback, forward) in [("A", "B"), ("B", "A")] {
        let rows = [
            row(rollback, "1", "WP01", Lane::InReview, Lane::InProgress),
            row(forward, "1", "WP01", Lane::InReview, Lane::Approved),
        ];
        assert_eq!(lane_of(&rows), Lane::InProgress);
    }
    let mut legacy = row("A", "1", "WP01", Lane::ForReview, Lane::InProgress);
    let forward = row("B", "1", "WP01", Lane::ForReview, Lane::Approved);
    assert_eq!(lane_of(&[legacy.clone(), forward.clone()]), Lane::Approved);
    legacy.review_ref = Some("r".into());
    assert_eq!(lane_of(&[legacy, forward]), Lane::InProgress);
}

#[test]
fn a_claim_takes_who_claimed_from_the_policy_and_keeps_what_it_does_not_say() {
    let claim = |id: &str, from, policy: serde_json::Value| Transition {
        policy_metadata: Some(Policy::new(policy.as_object().unwrap())),
        ..row(id, id, "WP01", from, Lane::Claimed)
    };
    let rows = [
        claim(
            "1",
            Lane::Planned,
            json!({"agent": "x", "shell_pid": 0, "other": 1}),
        ),
        claim(
            "2",
            Lane::Planned,
            json!({"agent": "", "shell_pid_created_at": "t"}),
        ),
        claim("3", Lane::Blocked, json!({"agent": "y"})),
    ];
    let snapshot = reduce(&log(&rows, &[]));
    let state = &snapshot.work_packages["WP01"];
    assert_eq!(state.text(TextField::Agent), Some("x"));
    assert_eq!(state.text(TextField::ShellPidCreatedAt), Some("t"));
    assert_eq!(state.shell_pid, Slot::Set(json!(0)));
}

#[test]
fn what_the_reviewer_said_stays_until_a_way_out_of_review_says_otherwise() {
    let result = ReviewResult {
        feedback_path: None,
        reference: "r".to_owned(),
        reviewer: "v".to_owned(),
        verdict: "approved".to_owned(),
    };
    let mut rows = vec![row("1", "1", "WP01", Lane::Planned, Lane::Claimed)];
    let said = |rows: &[Transition<'static>]| {
        reduce(&log(rows, &[])).work_packages["WP01"]
            .review_result
            .clone()
    };
    assert_eq!(said(&rows), Slot::Absent);
    rows.push(Transition {
        review_result: Some(Box::new(result.clone())),
        ..row("2", "2", "WP01", Lane::InProgress, Lane::Approved)
    });
    rows.push(row("3", "3", "WP01", Lane::Approved, Lane::Done));
    assert_eq!(said(&rows), Slot::Set(result));
    rows.push(row("4", "4", "WP01", Lane::InReview, Lane::Planned));
    assert_eq!(said(&rows), Slot::Cleared);
}

#[test]
fn only_a_cancellation_with_a_reason_of_a_person_satisfies_dependents() {
    for (reason, source, satisfies) in [
        (Some("not needed"), None, true),
        (Some("Force move to canceled"), None, false),
        (Some("move-task: planned -> canceled"), None, false),
        (Some(" "), None, false),
        (None, None, false),
        (None, Some("operator"), true),
        (Some("not needed"), Some("synthetic"), false),
    ] {
        let canceled = Transition {
            reason: reason.map(Into::into),
            reason_source: source.map(Into::into),
            ..row("1", "1", "WP01", Lane::Planned, Lane::Canceled)
        };
        let mut rows = vec![canceled];
        let state =
            |rows: &[Transition<'static>]| reduce(&log(rows, &[])).work_packages["WP01"].clone();
        assert_eq!(
            state(&rows).satisfies_dependents(),
            satisfies,
            "{reason:?} {source:?}"
        );
        rows.push(row("2", "2", "WP01", Lane::Canceled, Lane::Planned));
        assert_eq!(state(&rows).cancellation, None);
    }
}

#[test]
fn annotations_replace_merge_append_and_clear() {
    let texts = |agent: &str| [(TextField::Agent, agent.to_owned())].into();
    let refs = |refs: &[&str]| Some(refs.iter().map(|text| (*text).to_owned()).collect());
    let deltas = [
        Delta {
            texts: texts("x"),
            shell_pid: Some(7),
            note: Some("one".to_owned()),
            subtasks: Some([("T1".to_owned(), Lane::Done)].into()),
            tracker_refs: refs(&["a", "b", "a"]),
            review: Some(ReviewOverride {
                actor: "v".to_owned(),
                ..ReviewOverride::default()
            }),
            ..Delta::default()
        },
        Delta {
            texts: texts(""),
            note: Some(String::new()),
            subtasks: Some([("T2".to_owned(), Lane::Planned)].into()),
            tracker_refs: refs(&["b", "c"]),
            ..Delta::default()
        },
        Delta {
            release_runtime_claim: true,
            texts: texts("y"),
            review: Some(ReviewOverride::default()),
            tracker_refs: refs(&["ignored"]),
            tracker_refs_replace: refs(&["z", "z"]),
            ..Delta::default()
        },
    ];
    let rows: Vec<Annotation<'_>> = (0..)
        .zip(deltas)
        .map(|(id, delta)| annotation(id, delta))
        .collect();
    let state = |count: usize| reduce(&log(&[], &rows[..count])).work_packages["WP01"].clone();
    assert_eq!(state(1).lane, Lane::Uninitialized);
    let two = state(2);
    assert_eq!(two.text(TextField::Agent), Some("x"));
    assert_eq!(
        two.notes.as_deref(),
        Some(&["one".to_owned(), String::new()][..])
    );
    assert_eq!(two.tracker_refs.as_deref().unwrap(), ["a", "b", "c"]);
    assert!(matches!(&two.review, Slot::Set(review) if !review.is_complete()));
    let roster = ["T1", "T2", "T3"].map(str::to_owned);
    assert_eq!(two.open_subtasks(&roster), ["T2", "T3"]);
    let three = state(3);
    assert_eq!(three.text(TextField::Agent), Some("y"));
    assert_eq!(three.shell_pid, Slot::Cleared);
    assert_eq!(three.texts[&TextField::ShellPidCreatedAt], Slot::Cleared);
    assert_eq!(three.review, Slot::Cleared);
    assert_eq!(three.tracker_refs.as_deref().unwrap(), ["z"]);
}

#[test]
fn a_slug_that_leads_elsewhere_is_no_slug() {
    for (slug, kept) in [
        ("m-01", true),
        ("../x", false),
        ("a..b", false),
        (".x", false),
        ("a/b", false),
        ("é", false),
    ] {
        let mut row = row("1", "1", "WP01", Lane::Genesis, Lane::Planned);
        row.mission_slug = slug.into();
        assert_eq!(
            reduce(&log(&[row], &[])).mission_slug == slug,
            kept,
            "{slug}"
        );
    }
}

#[test]
fn an_empty_log_prints_an_empty_mission() {
    let text = reduce(&StatusLog::default()).to_status_json(None, "plan");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["last_event_id"], json!(null));
    assert_eq!(value["mission_number"], "");
    assert!(text.starts_with("{\n  \"event_count\": 0,\n") && text.ends_with("}\n"));
}

fn any_row() -> impl Strategy<Value = Transition<'static>> {
    let lane = || prop::sample::select(Lane::DISPLAYED.to_vec());
    (
        0..5_u32,
        1..4_u32,
        lane(),
        lane(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(at, wp, from, to, review, force)| Transition {
            review_ref: review.then(|| "r".into()),
            force,
            ..row("", &at.to_string(), &format!("WP{wp:02}"), from, to)
        })
}

fn any_annotation() -> impl Strategy<Value = Annotation<'static>> {
    (
        0..5_u32,
        prop::option::of("[a-c]{0,2}"),
        any::<bool>(),
        prop::collection::vec("[a-d]", 0..3),
    )
        .prop_map(|(at, note, release, refs)| Annotation {
            at: at.to_string().into(),
            ..annotation(
                0,
                Delta {
                    texts: note
                        .iter()
                        .map(|text| (TextField::Agent, text.clone()))
                        .collect(),
                    note,
                    release_runtime_claim: release,
                    tracker_refs: Some(refs),
                    ..Delta::default()
                },
            )
        })
}

proptest! {
    #[test]
    fn the_order_of_lines_and_repeated_lines_change_nothing(
        mut rows in prop::collection::vec(any_row(), 0..40),
        mut annotations in prop::collection::vec(any_annotation(), 0..20),
        seed in any::<u64>(),
    ) {
        // Distinct ids: which of two different rows with one id comes first does matter.
        for (index, row) in rows.iter_mut().enumerate() {
            row.event_id = format!("{:026}", (index * 7) % 41).into();
        }
        for (index, row) in annotations.iter_mut().enumerate() {
            row.event_id = format!("{:026}", (index * 7) % 23).into();
        }
        let lines = |rows: &[Transition<'_>], annotations: &[Annotation<'_>]| -> Vec<String> {
            let rows = rows.iter().map(Transition::to_line);
            rows.chain(annotations.iter().map(Annotation::to_line)).collect()
        };
        let plain = lines(&rows, &annotations).join("\n");
        let mut mixed = lines(&rows, &annotations);
        mixed.extend(lines(&rows[..rows.len().min(5)], &annotations[..annotations.len().min(5)]));
        let mut state = seed | 1;
        for index in (1..mixed.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(state >> 33).unwrap() % (index + 1);
            mixed.swap(index, other);
        }
        let mixed = mixed.join("\n");
        let read = |text: &str| {
            let log = StatusLog::parse(text).strict().unwrap();
            reduce(&log).to_status_json(Some(3), "t")
        };
        prop_assert_eq!(read(&plain), read(&mixed));
        // Reducing the same log again, and a log that is its own continuation, says the same.
        prop_assert_eq!(read(&plain), read(&format!("{plain}\n{plain}")));
    }
}

//! Random logs: what we write Python reads and writes again, and both reduce to the same bytes.

use super::{Dice, ask};
use kitty_missions::lane::Lane;
use kitty_missions::reducer::reduce;
use kitty_missions::status_log::StatusLog;
use kitty_missions::status_log::evidence::{
    Evidence, RepoEvidence, Review, ReviewResult, Verification,
};
use kitty_missions::status_log::row::{
    Actor, Annotation, Binding, Delta, ExecutionMode, Policy, ReviewOverride, Row, TextField,
    Transition,
};
use serde_json::{Value, json};

const WORDS: [&str; 9] = [
    "plain",
    "é 漢 😀",
    "",
    " ",
    "tab\t\"quote\" \\ \u{7f}\u{2028}",
    "Force move to done",
    "move-task: a",
    "line\nline",
    "ref-1",
];

fn word(dice: &mut Dice) -> String {
    (*dice.pick(&WORDS)).to_owned()
}

fn sometimes<T>(dice: &mut Dice, of: usize, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    dice.chance(of).then(|| make(dice))
}

fn lane(dice: &mut Dice) -> Lane {
    *dice.pick(&[&Lane::DISPLAYED[..], &[Lane::Genesis]].concat())
}

fn actor(dice: &mut Dice) -> Actor<'static> {
    if !dice.chance(4) {
        return Actor::from(word(dice));
    }
    Actor::Binding(Box::new(Binding {
        role: sometimes(dice, 2, word),
        profile: sometimes(dice, 2, word),
        tool: sometimes(dice, 2, word),
        model: sometimes(dice, 2, word),
    }))
}

fn review(dice: &mut Dice) -> Review {
    Review {
        reference: word(dice),
        reviewer: word(dice),
        verdict: (*dice.pick(&["approved", "changes_requested"])).to_owned(),
    }
}

fn evidence(dice: &mut Dice) -> Evidence {
    let review = review(dice);
    let repo = RepoEvidence {
        branch: word(dice),
        commit: word(dice),
        files_touched: (0..dice.roll(3)).map(|_| word(dice)).collect(),
        repo: word(dice),
    };
    let run = Verification {
        command: word(dice),
        result: word(dice),
        summary: word(dice),
    };
    Evidence {
        repos: sometimes(dice, 2, |_| repo).into_iter().collect(),
        review,
        verification: sometimes(dice, 2, |_| run).into_iter().collect(),
    }
}

fn result(dice: &mut Dice) -> ReviewResult {
    let Review {
        reference,
        reviewer,
        verdict,
    } = review(dice);
    ReviewResult {
        feedback_path: sometimes(dice, 2, word),
        reference,
        reviewer,
        verdict,
    }
}

fn policy(dice: &mut Dice) -> Policy<'static> {
    let any = [
        json!(null),
        json!(0),
        json!(7),
        json!(""),
        json!("x é"),
        json!(1e22),
        json!([]),
        json!({"b": 1, "a": [2.5]}),
        json!(true),
        json!(false),
    ];
    let mut policy = json!({"dangerous_flags": [], "hostname": "private"});
    for key in ["agent", "shell_pid", "shell_pid_created_at", "é"] {
        if dice.chance(2) {
            policy[key] = dice.pick(&any).clone();
        }
    }
    Policy::new(policy.as_object().unwrap())
}

/// One of the moves that matter, or any.
fn edge(dice: &mut Dice) -> (Lane, Lane) {
    match dice.roll(5) {
        0 => (Lane::Planned, Lane::Claimed),
        1 => (Lane::InReview, Lane::InProgress),
        2 => (Lane::ForReview, Lane::InProgress),
        _ => (lane(dice), lane(dice)),
    }
}

fn transition(dice: &mut Dice, id: String) -> Transition<'static> {
    let (from_lane, to_lane) = edge(dice);
    Transition {
        event_id: id.into(),
        mission_slug: "a-mission".into(),
        mission_id: sometimes(dice, 2, |_| "01M7XCRBZDR9YZR1SQYAEG4FH9".into()),
        wp_id: format!("WP0{}", 1 + dice.roll(4)).into(),
        from_lane,
        to_lane,
        // Few times, so that many are equal.
        at: format!("2026-01-01T00:00:0{}+00:00", dice.roll(6)).into(),
        actor: actor(dice),
        force: dice.chance(3),
        execution_mode: *dice.pick(&[ExecutionMode::Worktree, ExecutionMode::DirectRepo]),
        reason: sometimes(dice, 2, |dice| word(dice).into()),
        reason_source: sometimes(dice, 6, |dice| {
            (*dice.pick(&["operator", "synthetic"])).into()
        }),
        review_ref: sometimes(dice, 2, |dice| word(dice).into()),
        evidence: sometimes(dice, 4, |dice| Box::new(evidence(dice))),
        review_result: sometimes(dice, 4, |dice| Box::new(result(dice))),
        policy_metadata: sometimes(dice, 2, policy),
    }
}

fn annotation(dice: &mut Dice, id: String) -> Annotation<'static> {
    let list = |dice: &mut Dice| (0..dice.roll(4)).map(|_| word(dice)).collect::<Vec<_>>();
    let texts = TextField::ALL.into_iter().filter_map(|field| {
        let text = sometimes(dice, 4, word)?;
        (!text.is_empty()).then_some((field, text))
    });
    let texts = texts.collect();
    let delta = Delta {
        texts,
        note: sometimes(dice, 3, word),
        subtasks: sometimes(dice, 3, |dice| {
            (0..dice.roll(3))
                .map(|at| (format!("T00{at}"), lane(dice)))
                .collect()
        }),
        shell_pid: sometimes(dice, 4, |dice| i64::try_from(dice.roll(3)).unwrap()),
        tracker_refs: sometimes(dice, 3, list),
        tracker_refs_replace: sometimes(dice, 6, list),
        review: sometimes(dice, 3, |dice| {
            if dice.chance(2) {
                return ReviewOverride::default();
            }
            ReviewOverride {
                actor: word(dice),
                at: word(dice),
                reason: word(dice),
                wp_id: word(dice),
            }
        }),
        release_runtime_claim: dice.chance(5),
    };
    Annotation {
        event_id: id.into(),
        // One work package that no row moves.
        wp_id: format!("WP0{}", 1 + dice.roll(5)).into(),
        at: format!("2026-01-01T00:00:0{}+00:00", dice.roll(6)).into(),
        actor: actor(dice),
        delta: Box::new(delta),
    }
}

fn foreign(dice: &mut Dice) -> String {
    let name = *dice.pick(&[
        "requested",
        "started",
        "completed",
        "skipped",
        "failed",
        "proposal.generated",
        "proposal.applied",
        "proposal.rejected",
    ]);
    let mode = json!({"value": dice.pick(&["autonomous", "other"]), "source_signal": {"kind": "environment", "evidence": "é"}});
    let row = match dice.roll(3) {
        0 => json!({"event_type": "WPCreated", "payload": {"at": 1}, "event_id": "x"}),
        1 => json!({"type": "RetrospectiveCaptured", "at": null}),
        _ => json!({
            "event_name": format!("retrospective.{name}"),
            "at": dice.roll(5).to_string(),
            "event_id": dice.roll(1_000).to_string(),
            "payload": {"mode": mode, "record_path": dice.pick(&[json!(null), json!("p/é")])},
        }),
    };
    row.to_string()
}

/// The lines of a log. Transitions may be repeated; an annotation is there once, because Python
/// counts a repeated one twice.
fn log(seed: u64) -> String {
    let mut dice = Dice(seed);
    let with_retrospective = dice.chance(3);
    let mut lines = Vec::new();
    for _ in 0..dice.roll(60) {
        let id = format!("01M7XCXHVZWH6XDZ25{:08}", dice.roll(99_999_999));
        let row = if dice.chance(3) {
            Row::Annotation(annotation(&mut dice, id))
        } else {
            Row::Transition(transition(&mut dice, id))
        };
        lines.push(row.to_line());
        if matches!(row, Row::Transition(_)) && dice.chance(8) {
            lines.push(row.to_line());
        }
        if with_retrospective && dice.chance(4) {
            lines.push(foreign(&mut dice));
        }
        if dice.chance(20) {
            lines.push(String::new());
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn python_reduces_our_logs_to_our_bytes_and_prints_our_rows_as_we_do() {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    let mut ours = Vec::new();
    for seed in 0..400_u64 {
        let number = [None, Some(0), Some(64)][usize::try_from(seed % 3).unwrap()];
        let text = log(seed);
        let path = directory.path().join(format!("{seed:03}/a-mission"));
        let meta = json!({"mission_number": number, "mission_slug": "a-mission", "mission_type": "software-dev"});
        crate::support::write(&path.join("meta.json"), &meta.to_string());
        crate::support::write(&path.join("status.events.jsonl"), &text);
        paths.push(path.to_str().unwrap().to_owned());
        let log = StatusLog::parse(&text).strict().unwrap();
        let rows: Vec<String> = log
            .transitions
            .iter()
            .map(Transition::to_line)
            .chain(log.annotations.iter().map(Annotation::to_line))
            .collect();
        for row in &rows {
            assert!(
                text.contains(row.as_str()),
                "what we read we print as it was: {row}"
            );
        }
        let status = reduce(&log).to_status_json(number, "software-dev");
        ours.push(json!({"status": status, "rows": rows}));
    }
    let Some(theirs) = ask(&json!({"missions": paths})) else {
        return;
    };
    for ((path, ours), theirs) in paths.iter().zip(&ours).zip(theirs.as_array().unwrap()) {
        let text = |value: &Value| value["status"].as_str().unwrap().to_owned();
        assert_eq!(text(ours), text(theirs), "{path}");
        assert_eq!(ours["rows"], theirs["rows"], "{path}");
    }
}

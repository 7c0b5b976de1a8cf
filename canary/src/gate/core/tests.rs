//! The machine's own tests; every stop is in the table of [`stops`].

mod stops;

use super::super::facts::{BlockerFound, Insubstantial, IssueRef, IssueState, Witness};
use super::super::snapshot::{Snapshot, Span};
use super::*;
use crate::gate::facts::RunFound;
use crate::result::Outcome;

fn issue(number: u64) -> IssueRef {
    let repo = match number {
        41 => "Org/e2e",
        _ => "Org/spec-kitty",
    };
    IssueRef {
        repo: repo.into(),
        number,
    }
}

/// A configuration with the issues of the reference.
pub(crate) fn config() -> GateConfig {
    let blocker = |number: u64, mode: &str| {
        serde_json::json!({
            "issue": issue(number),
            "fix": {"repository": ".", "commit": "c", "paths": ["src"], "test_files": ["t"], "test": ["t"]},
            "failure_modes": [mode],
        })
    };
    let text = serde_json::json!({
        "blockers": [blocker(1141, "rollback_row_mismatch"), blocker(1182, "sync.event_loop_unavailable")],
        "evidence_issue": issue(41),
        "release_issue": issue(1038),
        "last_tag": "v3.2.0rc15",
        "candidate": {"repository": "."},
        "server": {"url": "http://127.0.0.1:1", "account": "a@b", "approval_key_file": "k"},
        "events_commit": "feed",
        "suite": ["s"],
    });
    GateConfig::parse(&text.to_string()).unwrap()
}

fn closed() -> Answer {
    let found = |number| BlockerFound {
        issue: issue(number),
        state: IssueState::Closed,
        insubstantial: None,
    };
    Answer::Blockers(vec![found(1141), found(1182)])
}

fn release(tag: &str) -> Release {
    Release {
        tag: tag.into(),
        prerelease: true,
        commit: "abc".into(),
        artifact: "a".into(),
    }
}

fn rows() -> Rows {
    Rows {
        count: 22,
        digest: "d22".into(),
    }
}

fn clean() -> Preflight {
    Preflight {
        cli_version: "3.2.0rc16".into(),
        cli_commit: Some("abc".into()),
        commit_is_recent: true,
        import_error: None,
        health_status: 200,
        service_version: "1.0".into(),
        service_commit: "def".into(),
        events_version: "5.1.0".into(),
        ready_status: 200,
        terminal_failed_infra: Some(0),
        business_rule: Some(22),
        rows: rows(),
        at: 1_000,
    }
}

fn runs(numbers: &[u8]) -> Runs {
    let snapshot = |count: u64| Snapshot {
        events: count,
        events_digest: format!("e{count}"),
        ..Snapshot::default()
    };
    let run = |number: &u8| RunFound {
        run_number: *number,
        run_id: format!("RUN{number}"),
        outcome: Outcome::Pass,
        cli_version: "3.2.0rc16".into(),
        scenarios: vec![None; 4],
        span: Span {
            before: snapshot(u64::from(*number)),
            after: snapshot(u64::from(*number) + 1),
            earlier_events_digest: format!("e{number}"),
            foreign_events: 0,
        },
    };
    Runs {
        attempt: 2,
        evidence: "artifacts/v3.2.0rc16-attempt2".into(),
        digest: "5e".into(),
        runs: numbers.iter().map(run).collect(),
    }
}

fn failing(numbers: &[u8], mode: &str) -> Runs {
    let mut runs = runs(numbers);
    let last = runs.runs.last_mut().unwrap();
    last.outcome = Outcome::Fail;
    last.scenarios[3] = Some(mode.into());
    runs
}

fn suite(passed: &[bool]) -> Answer {
    Answer::Suite(SuiteFound {
        evidence: "suite".into(),
        digest: "d".into(),
        passed: passed.to_vec(),
    })
}

/// The answer that lets the gate go on.
pub(crate) fn good(question: &Question) -> Answer {
    match question {
        Question::Blockers => closed(),
        Question::Releases => Answer::Releases(vec![release("v3.2.0rc15"), release("v3.2.0rc16")]),
        Question::Install => Answer::Install(Ok(Installed {
            prefix: "p".into(),
            program: "p/bin/spec-kitty".into(),
        })),
        Question::Preflight => Answer::Preflight(Box::new(clean())),
        Question::SingleRun => Answer::SingleRun(runs(&[1])),
        Question::FourRuns => Answer::FourRuns(runs(&[1, 2, 3, 4])),
        Question::Rows => Answer::Rows(rows()),
        Question::Issue(it) if it.number == 41 => Answer::Issue(IssueState::Closed),
        Question::Issue(_) => Answer::Issue(IssueState::Open),
        Question::Suite => suite(&[true; 4]),
    }
}

fn activated(at: i64, from: Option<State>) -> Input {
    Input::Activated {
        at,
        config: "c".into(),
        from,
    }
}

/// Plays until nothing is left; `replace` may answer in the place of [`good`].
fn play(gate: &mut Gate, replace: impl Fn(State, &Question) -> Option<Answer>) -> Vec<Act> {
    let mut acts = Vec::new();
    while let Some(effect) = gate.next() {
        let input = match effect {
            Effect::Ask(question) => {
                let state = gate.standing().state();
                Input::Answered(replace(state, &question).unwrap_or_else(|| good(&question)))
            }
            Effect::Do(act) => {
                let (id, witness) = (act.id.clone(), Witness::Rendered("outbox".into()));
                acts.push(act);
                Input::Done { id, witness }
            }
        };
        gate.step(&input);
    }
    acts
}

fn begun() -> Gate {
    let mut gate = Gate::new(config());
    assert_eq!(gate.next(), None, "nobody activated it");
    gate.step(&activated(1_000, None));
    gate
}

#[test]
fn with_good_answers_every_state_is_reached_in_order_and_two_acts_are_done() {
    let mut gate = begun();
    let mut states = vec![State::Idle];
    let mut acts = Vec::new();
    while let Some(effect) = gate.next() {
        let input = match effect {
            Effect::Ask(question) => Input::Answered(good(&question)),
            Effect::Do(act) => {
                let id = act.id.clone();
                acts.push(act);
                Input::Done {
                    id,
                    witness: Witness::Executed("url".into()),
                }
            }
        };
        gate.step(&input);
        if states.last() != Some(&gate.standing().state()) {
            states.push(gate.standing().state());
        }
    }
    assert_eq!(states, State::ALL);
    let done: Vec<_> = acts.iter().map(|it| (it.issue.number, it.verb)).collect();
    assert_eq!(done, [(41, Verb::Close), (1038, Verb::Comment)]);
    for act in &acts {
        assert!(act.body.ends_with(&format!("{}\n", Act::mark(&act.id))));
        assert!(act.body.contains(template::INTEGRITY));
        assert!(
            !act.body.contains('<') || act.body.matches('<').count() == 1,
            "{}",
            act.body
        );
    }
    // A complete gate stays complete and does nothing when it is activated again.
    gate.step(&activated(2_000, None));
    assert_eq!(gate.next(), None);
    assert_eq!(*gate.standing(), Standing::At(State::GateComplete));
}

fn preflight(change: impl FnOnce(&mut Preflight)) -> Answer {
    let mut found = clean();
    change(&mut found);
    Answer::Preflight(Box::new(found))
}

fn blocker(number: u64, state: IssueState, insubstantial: Option<Insubstantial>) -> Answer {
    let Answer::Blockers(mut found) = closed() else {
        unreachable!()
    };
    let at = found
        .iter()
        .position(|it| it.issue.number == number)
        .unwrap();
    found[at].state = state;
    found[at].insubstantial = insubstantial;
    Answer::Blockers(found)
}

fn mutated() -> Answer {
    let mut found = runs(&[1, 2, 3, 4]);
    found.runs[2].span.before.events_digest = "other".into();
    Answer::FourRuns(found)
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let questions = [
        Question::Blockers,
        Question::Releases,
        Question::Install,
        Question::Preflight,
        Question::SingleRun,
        Question::FourRuns,
        Question::Rows,
        Question::Issue(issue(41)),
        Question::Suite,
    ];
    let mut gate = begun();
    while let Some(effect) = gate.next() {
        for question in &questions {
            let answer = good(question);
            if !fits(&effect, &answer) {
                let before = gate.standing().clone();
                let effects = gate.step(&Input::Answered(answer));
                assert_eq!((gate.standing(), effects), (&before, vec![effect.clone()]));
            }
        }
        gate.step(&match effect {
            Effect::Ask(question) => Input::Answered(good(&question)),
            Effect::Do(act) => Input::Done {
                id: act.id,
                witness: Witness::Rendered("o".into()),
            },
        });
    }
    assert_eq!(*gate.standing(), Standing::At(State::GateComplete));
}

#[test]
fn a_failed_run_opens_the_issue_whose_failure_came_back_and_all_when_none_is_named() {
    for (mode, expected) in [
        ("rollback_row_mismatch", vec![1141]),
        ("sync.event_loop_unavailable", vec![1182]),
        ("not_materialized", vec![1141, 1182]),
    ] {
        let mut gate = begun();
        let acts = play(&mut gate, |_, question| {
            (*question == Question::SingleRun).then(|| Answer::SingleRun(failing(&[1], mode)))
        });
        let found: Vec<_> = acts.iter().map(|it| it.issue.number).collect();
        assert_eq!(found, expected, "{mode}");
        assert!(
            acts.iter()
                .all(|it| it.verb == Verb::Reopen && it.body.contains(mode))
        );
        let Standing::Stopped { report, .. } = gate.standing() else {
            panic!("{}", gate.standing());
        };
        assert_eq!(
            report.details,
            [
                format!("run 1, scenario 4: {mode}"),
                "evidence: artifacts/v3.2.0rc16-attempt2".to_owned()
            ]
        );

        // The very same failure is not told twice.
        gate.step(&activated(1_001, None));
        let again = play(&mut gate, |_, question| {
            (*question == Question::SingleRun).then(|| Answer::SingleRun(failing(&[1], mode)))
        });
        assert_eq!(again, [], "{mode}");
    }
}

#[test]
fn a_mutation_between_runs_blames_no_fix() {
    let mut gate = begun();
    let acts = play(&mut gate, |_, question| {
        (*question == Question::FourRuns).then(mutated)
    });
    assert_eq!(acts, []);
    let Standing::Stopped { report, .. } = gate.standing() else {
        panic!("{}", gate.standing());
    };
    assert!(
        report
            .details
            .contains(&"between run 2 and run 3 the server's events changed".to_owned())
    );
}

#[test]
fn a_blocker_that_opens_again_stops_the_gate_wherever_it_stands() {
    for state in &State::ALL[1..8] {
        let mut gate = begun();
        while gate.standing().state() < *state {
            let input = match gate.next().unwrap() {
                Effect::Ask(question) => Input::Answered(good(&question)),
                Effect::Do(act) => Input::Done {
                    id: act.id,
                    witness: Witness::Rendered("o".into()),
                },
            };
            gate.step(&input);
        }
        gate.step(&activated(1_001, None));
        gate.step(&Input::Answered(blocker(1182, IssueState::Open, None)));
        let report = Report::new("GATE BLOCKED: spec-kitty#1182 is still OPEN.");
        assert_eq!(*gate.standing(), Standing::Stopped { at: *state, report });
    }
}

#[test]
fn a_preflight_of_yesterday_is_taken_again_before_a_run() {
    let mut gate = begun();
    play(&mut gate, |_, question| {
        (*question == Question::SingleRun).then(|| Answer::SingleRun(failing(&[1], "http_413")))
    });
    for (at, expected) in [
        (1_000 + PREFLIGHT_LASTS, Question::SingleRun),
        (1_001 + PREFLIGHT_LASTS, Question::Preflight),
    ] {
        let mut gate = gate.clone();
        gate.step(&activated(at, None));
        let effects = gate.step(&Input::Answered(closed()));
        assert_eq!(effects, [Effect::Ask(expected)]);
    }
    gate.step(&activated(1_001 + PREFLIGHT_LASTS, None));
    gate.step(&Input::Answered(closed()));
    gate.step(&Input::Answered(preflight(|it| {
        it.rows.digest = "x".into();
    })));
    let Standing::Stopped { report, .. } = gate.standing() else {
        panic!("{}", gate.standing());
    };
    assert_eq!(
        report.message,
        "UNEXPECTED: historical business_rule rows changed in content."
    );
}

#[test]
fn it_can_go_back_but_never_ahead() {
    let mut gate = begun();
    play(&mut gate, |_, question| {
        (*question == Question::FourRuns).then(|| Answer::FourRuns(failing(&[1], "http_413")))
    });
    gate.step(&activated(1_001, Some(State::TeamspacePassed)));
    assert_eq!(*gate.standing(), Standing::At(State::SingleRunPassed));
    gate.step(&activated(1_002, Some(State::RcInstalled)));
    assert_eq!(*gate.standing(), Standing::At(State::RcInstalled));
    let effects = gate.step(&Input::Answered(closed()));
    assert_eq!(effects, [Effect::Ask(Question::Preflight)]);
}

/// What is left out, and the field that is then missed.
type Gap = (fn(&mut Preflight), &'static str);

#[test]
fn a_candidate_that_was_made_from_another_commit_than_it_says_stops_the_gate() {
    let mut gate = begun();
    let made_from = "a".repeat(40);
    let found = Release {
        commit: made_from.clone(),
        ..release("v3.2.0rc16")
    };
    play(&mut gate, |_, question| {
        (*question == Question::Releases).then(|| Answer::Releases(vec![found.clone()]))
    });
    let report = Report::new(format!(
        "GATE BLOCKED: v3.2.0rc16 was made from {made_from} but says abc."
    ));
    let at = State::RcInstalled;
    assert_eq!(*gate.standing(), Standing::Stopped { at, report });
}

#[test]
fn a_comment_that_lacks_a_field_stops_the_gate() {
    let gaps: [Gap; 3] = [
        (|it| it.service_commit = String::new(), "SaaS commit"),
        (|it| it.service_commit = "unknown".into(), "SaaS commit"),
        (|it| it.service_version = "<IMAGE>".into(), "SaaS version"),
    ];
    for (gap, field) in gaps {
        let mut gate = begun();
        let acts = play(&mut gate, |_, question| {
            (*question == Question::Preflight).then(|| preflight(gap))
        });
        assert_eq!(acts, []);
        let report = Report::new(format!(
            "GATE BLOCKED: the comment for e2e#41 lacks {field}."
        ));
        let at = State::FourRunPassed;
        assert_eq!(*gate.standing(), Standing::Stopped { at, report });
    }
    let mut config = config();
    config.events_commit = String::new();
    let mut gate = Gate::new(config);
    gate.step(&activated(1_000, None));
    play(&mut gate, |_, _| None);
    let report = Report::new("GATE BLOCKED: the comment for spec-kitty#1038 lacks events commit.");
    let at = State::TeamspacePassed;
    assert_eq!(*gate.standing(), Standing::Stopped { at, report });
}

#[test]
fn the_same_inputs_make_the_same_gate() {
    // How a gate is resumed: whatever is not in the inputs must not matter.
    let mut first = begun();
    let mut inputs = vec![activated(1_000, None)];
    while let Some(effect) = first.next() {
        let mut again = Gate::new(config());
        for input in &inputs {
            again.step(input);
        }
        assert_eq!(again.next(), Some(effect.clone()));
        let input = match effect {
            Effect::Ask(question) => Input::Answered(good(&question)),
            Effect::Do(act) => Input::Done {
                id: act.id,
                witness: Witness::Rendered("o".into()),
            },
        };
        first.step(&input);
        inputs.push(input);
    }
}

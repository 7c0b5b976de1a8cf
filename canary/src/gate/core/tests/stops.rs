//! Every stop of the gate, as a table: the state, what is answered there, and the message.

use super::*;

/// Where, what is answered instead, and what the gate says.
type Case = (State, Answer, &'static str);

fn cases() -> Vec<Case> {
    use Insubstantial::{DiagnosticOnly, TestFailsOnFix, TestPassesOnParent};
    use State::*;
    let shut = IssueState::Closed;
    vec![
        (
            Idle,
            blocker(1141, IssueState::Open, None),
            "GATE BLOCKED: spec-kitty#1141 is still OPEN.",
        ),
        (
            Idle,
            blocker(1182, IssueState::Open, None),
            "GATE BLOCKED: spec-kitty#1182 is still OPEN.",
        ),
        (
            Idle,
            blocker(1141, shut, Some(DiagnosticOnly)),
            "GATE BLOCKED: spec-kitty#1141 fix appears to be diagnostic-only.",
        ),
        (
            Idle,
            blocker(1141, shut, Some(TestFailsOnFix("x".into()))),
            "GATE BLOCKED: spec-kitty#1141 fix does not pass its own test.",
        ),
        (
            Idle,
            blocker(1182, shut, Some(TestPassesOnParent)),
            "GATE BLOCKED: spec-kitty#1182 fix is not tested: its test passes without it.",
        ),
        (
            Idle,
            Answer::Blockers(vec![]),
            "GATE BLOCKED: spec-kitty#1141 was not found.",
        ),
        (
            BlockersVerified,
            Answer::Releases(vec![release("v3.2.0rc15"), release("v3.2.0rc9")]),
            "GATE BLOCKED: Latest published prerelease is still v3.2.0rc15.",
        ),
        (
            BlockersVerified,
            Answer::Releases(vec![Release {
                prerelease: false,
                ..release("v3.2.0")
            }]),
            "GATE BLOCKED: Latest published prerelease is still v3.2.0rc15.",
        ),
        (
            BlockersVerified,
            Answer::Install(Err("no room".into())),
            "GATE BLOCKED: v3.2.0rc16 could not be installed.",
        ),
        (
            RcInstalled,
            preflight(|it| it.import_error = Some("x".into())),
            "GATE BLOCKED: v3.2.0rc16 does not load.",
        ),
        (
            RcInstalled,
            preflight(|it| it.cli_version = "3.2.0rc15".into()),
            "GATE BLOCKED: v3.2.0rc16 says that it is 3.2.0rc15.",
        ),
        (
            RcInstalled,
            preflight(|it| it.commit_is_recent = false),
            "GATE BLOCKED: CLI commit abc is not at or after cc5e1ca983adff4a45489ce7afe11ad3a3a26e30.",
        ),
        (
            RcInstalled,
            preflight(|it| it.cli_commit = None),
            "GATE BLOCKED: CLI commit unknown is not at or after cc5e1ca983adff4a45489ce7afe11ad3a3a26e30.",
        ),
        (
            RcInstalled,
            preflight(|it| it.health_status = 500),
            "GATE BLOCKED: /health/ returned non-200.",
        ),
        (
            RcInstalled,
            preflight(|it| it.events_version = "5.0.9".into()),
            "GATE BLOCKED: /health/ reports spec_kitty_events=5.0.9, expected >= 5.1.0.",
        ),
        (
            RcInstalled,
            preflight(|it| it.events_version = String::new()),
            "GATE BLOCKED: /health/ reports spec_kitty_events=, expected >= 5.1.0.",
        ),
        (
            RcInstalled,
            preflight(|it| it.ready_status = 503),
            "GATE BLOCKED: /health/ready/ returned non-200.",
        ),
        (
            RcInstalled,
            preflight(|it| it.terminal_failed_infra = None),
            "GATE BLOCKED: /health/ready/ returned non-200.",
        ),
        (
            RcInstalled,
            preflight(|it| {
                it.ready_status = 503;
                it.terminal_failed_infra = Some(3);
            }),
            "GATE BLOCKED: terminal_failed_infra=3 > 0.",
        ),
        (
            RcInstalled,
            preflight(|it| it.business_rule = Some(23)),
            "UNEXPECTED: business_rule_rejected_count=23, expected 22.",
        ),
        (
            RcInstalled,
            preflight(|it| it.rows.count = 21),
            "UNEXPECTED: business_rule_rejected_count=21, expected 22.",
        ),
        (
            PreflightClean,
            Answer::SingleRun(failing(&[1], "http_413")),
            "GATE BLOCKED: Single-run canary failed on v3.2.0rc16 (attempt 2).",
        ),
        (
            PreflightClean,
            Answer::SingleRun(runs(&[])),
            "GATE BLOCKED: Single-run canary failed on v3.2.0rc16 (attempt 2).",
        ),
        (
            SingleRunPassed,
            Answer::FourRuns(failing(&[1, 2], "http_413")),
            "GATE BLOCKED: Four-run protocol failed.",
        ),
        (
            SingleRunPassed,
            Answer::FourRuns(runs(&[1, 2, 3])),
            "GATE BLOCKED: Four-run protocol failed.",
        ),
        (
            SingleRunPassed,
            Answer::FourRuns(runs(&[1, 2, 4, 3])),
            "GATE BLOCKED: Four-run protocol failed.",
        ),
        (
            SingleRunPassed,
            mutated(),
            "GATE BLOCKED: Four-run protocol failed.",
        ),
        (
            FourRunPassed,
            Answer::Rows(Rows {
                count: 23,
                ..rows()
            }),
            "UNEXPECTED: business_rule_rejected_count=23, expected 22.",
        ),
        (
            FourRunPassed,
            Answer::Rows(Rows {
                digest: "x".into(),
                ..rows()
            }),
            "UNEXPECTED: historical business_rule rows changed in content.",
        ),
        (
            FourRunPassed,
            Answer::Issue(IssueState::Open),
            "GATE BLOCKED: e2e#41 is still OPEN.",
        ),
        (
            E2eGateClosed,
            suite(&[true, true, false]),
            "GATE BLOCKED: Teamspace suite failed in run 3; root cause required.",
        ),
        (
            E2eGateClosed,
            suite(&[true; 3]),
            "GATE BLOCKED: Teamspace suite failed in run 4; root cause required.",
        ),
        (
            TeamspacePassed,
            Answer::Rows(Rows {
                digest: "x".into(),
                ..rows()
            }),
            "UNEXPECTED: historical business_rule rows changed in content.",
        ),
        (
            TeamspacePassed,
            Answer::Issue(shut),
            "GATE BLOCKED: spec-kitty#1038 is CLOSED and must remain OPEN.",
        ),
    ]
}

#[test]
fn whatever_is_not_as_it_must_be_stops_the_gate_with_its_message_and_it_resumes_there() {
    let mut stopped = std::collections::BTreeSet::new();
    for (state, bad, message) in cases() {
        let mut gate = begun();
        let answer = bad.clone();
        play(&mut gate, |at, question| {
            let asked = Effect::Ask(question.clone());
            (at == state && fits(&asked, &answer)).then(|| answer.clone())
        });
        let Standing::Stopped { at, report } = gate.standing() else {
            panic!("{message}: {}", gate.standing());
        };
        assert_eq!((*at, report.message.as_str()), (state, message));
        assert_eq!(gate.next(), None, "{message}");
        stopped.insert(state);

        // Again with the cause gone: the blockers are asked about first, then it goes on there.
        gate.step(&activated(1_001, None));
        assert_eq!(
            gate.next(),
            Some(Effect::Ask(Question::Blockers)),
            "{message}"
        );
        assert_eq!(*gate.standing(), Standing::At(state));
        play(&mut gate, |_, _| None);
        assert_eq!(
            *gate.standing(),
            Standing::At(State::GateComplete),
            "{message}"
        );
    }
    assert_eq!(
        stopped.len(),
        State::ALL.len() - 1,
        "every state but the last can stop"
    );
}

//! Every edge, every guard, and what the shared contract makes of it.

use super::*;
use crate::status_log::evidence::APPROVED;

fn result(verdict: &str) -> ReviewResult {
    ReviewResult {
        feedback_path: None,
        reference: "ref".to_owned(),
        reviewer: "rev".to_owned(),
        verdict: verdict.to_owned(),
    }
}

fn evidence(verdict: &str) -> Evidence {
    Evidence {
        repos: Vec::new(),
        review: Review {
            reference: "ref".to_owned(),
            reviewer: "rev".to_owned(),
            verdict: verdict.to_owned(),
        },
        verification: Vec::new(),
    }
}

/// A request that satisfies every guard.
fn everything<'a>(evidence: &'a Evidence, result: &'a ReviewResult) -> Request<'a> {
    Request {
        actor: "a",
        force: false,
        reason: Some("why"),
        review_ref: Some("ref"),
        evidence: Some(evidence),
        review_result: Some(result),
        has_workspace: true,
        subtasks_complete: true,
        implementation_evidence_present: true,
    }
}

fn all_lanes() -> impl Iterator<Item = Lane> {
    let hidden = [Lane::Genesis, Lane::Uninitialized];
    Lane::DISPLAYED.into_iter().chain(hidden)
}

#[test]
fn an_edge_that_is_missing_needs_force_and_no_force_leads_into_a_hidden_lane() {
    let (evidence, result) = (evidence(APPROVED), result(APPROVED));
    let asked = everything(&evidence, &result);
    let forced = Request {
        force: true,
        ..asked
    };
    for from in all_lanes() {
        for to in all_lanes() {
            let refusal = Refusal::Illegal { from, to };
            let is_edge = targets(from).contains(&to);
            let decided = decide(from, to, &asked).map(|_| ());
            assert_eq!(decided, if is_edge { Ok(()) } else { Err(refusal) });
            let may = to.is_displayed() && from != Lane::Uninitialized;
            let decided = decide(from, to, &forced).map(|decision| decision.force);
            assert_eq!(decided, if may { Ok(true) } else { Err(refusal) });
        }
    }
}

#[test]
fn force_needs_an_actor_and_a_reason() {
    for (actor, reason) in [
        ("", Some("why")),
        (" ", Some("why")),
        ("a", None),
        ("a", Some(" ")),
    ] {
        let request = Request {
            actor,
            force: true,
            reason,
            ..Request::default()
        };
        let refused = decide(Lane::Done, Lane::Planned, &request).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Force transitions require actor and reason"
        );
    }
}

#[test]
fn each_guard_refuses_with_its_message() {
    let (yes, ok) = (evidence(APPROVED), result(APPROVED));
    let (no, rejected) = (evidence("changes_requested"), result("changes_requested"));
    let all = everything(&yes, &ok);
    let blank = ReviewResult {
        reviewer: " ".to_owned(),
        ..ok.clone()
    };
    let other = ReviewResult {
        reference: "other".to_owned(),
        ..ok.clone()
    };
    let illegal = |from: Lane, to: Lane, request: Request<'_>, message: &str| {
        let refusal = decide(from, to, &request).unwrap_err();
        assert_eq!(refusal.to_string(), message, "{from} -> {to}");
    };
    use Lane::*;
    for (from, to) in [(Planned, Claimed), (ForReview, InReview)] {
        illegal(
            from,
            to,
            Request { actor: " ", ..all },
            "Transition requires actor identity",
        );
    }
    illegal(
        Claimed,
        InProgress,
        Request {
            has_workspace: false,
            ..all
        },
        "Transition claimed -> in_progress requires workspace context",
    );
    illegal(
        InProgress,
        ForReview,
        Request {
            subtasks_complete: false,
            ..all
        },
        "Transition in_progress -> for_review requires completed subtasks or force with reason",
    );
    illegal(
        InProgress,
        ForReview,
        Request {
            implementation_evidence_present: false,
            ..all
        },
        "Transition in_progress -> for_review requires implementation evidence or force with reason",
    );
    let approval =
        "Transition to approved/done requires evidence (reviewer identity and approval reference)";
    for (from, to) in [(InProgress, Approved), (Approved, Done), (InReview, Done)] {
        illegal(
            from,
            to,
            Request {
                evidence: Some(&no),
                ..all
            },
            approval,
        );
    }
    illegal(
        InProgress,
        Approved,
        Request {
            evidence: None,
            ..all
        },
        approval,
    );
    illegal(
        InReview,
        Approved,
        Request {
            evidence: None,
            review_result: Some(&rejected),
            ..all
        },
        approval,
    );
    for reason in [None, Some(" ")] {
        illegal(
            InProgress,
            Planned,
            Request { reason, ..all },
            "Transition in_progress -> planned requires reason",
        );
    }
    for to in [InProgress, Planned] {
        illegal(
            Approved,
            to,
            Request {
                review_ref: Some(""),
                ..all
            },
            "Transition requires review_ref (review feedback reference)",
        );
    }
    for to in targets(InReview) {
        let none = Request {
            review_result: None,
            ..all
        };
        illegal(
            InReview,
            *to,
            none,
            "Transition from in_review requires review_result (structured review outcome)",
        );
        illegal(
            InReview,
            *to,
            Request {
                review_result: Some(&blank),
                ..all
            },
            "Transition from in_review requires review_result with reviewer",
        );
        illegal(
            InReview,
            *to,
            Request {
                review_ref: Some("x"),
                ..all
            },
            "review_ref must match review_result.reference",
        );
        let mismatch = Request {
            review_ref: None,
            review_result: Some(&other),
            ..all
        };
        illegal(
            InReview,
            *to,
            mismatch,
            "Review evidence must match review_result",
        );
    }
}

#[test]
fn a_move_back_that_the_shared_contract_wants_forced_is_promoted_with_its_reason() {
    let (yes, rejected) = (evidence(APPROVED), result("changes_requested"));
    let all = Request {
        evidence: None,
        ..everything(&yes, &rejected)
    };
    for (from, request, reason, review_ref) in [
        (
            Lane::InReview,
            all,
            "backward rewind: in_review -> planned: ref: why",
            Some("ref"),
        ),
        (
            Lane::InReview,
            Request {
                reason: None,
                review_ref: None,
                ..all
            },
            "backward rewind: in_review -> planned: ref",
            Some("ref"),
        ),
        (
            Lane::Approved,
            all,
            "backward rewind: approved -> planned: ref: why",
            Some("ref"),
        ),
        (
            Lane::InProgress,
            Request {
                review_ref: None,
                ..all
            },
            "backward rewind: in_progress -> planned: why",
            None,
        ),
    ] {
        let decision = decide(from, Lane::Planned, &request).unwrap();
        assert!(decision.force);
        assert_eq!(decision.reason.as_deref(), Some(reason));
        assert_eq!(decision.review_ref.as_deref(), review_ref);
        let forced = Request {
            force: true,
            reason: Some("X"),
            ..request
        };
        let decision = decide(from, Lane::Planned, &forced).unwrap();
        assert_eq!(decision.reason.as_deref(), Some("X"));
    }
    let rework = Request {
        review_ref: None,
        ..all
    };
    let decision = decide(Lane::InReview, Lane::InProgress, &rework).unwrap();
    assert!(!decision.force);
    assert_eq!(decision.review_ref.as_deref(), Some("ref"));
    assert_eq!(decision.reason.as_deref(), Some("why"));
    let silent = Request {
        actor: "a",
        force: true,
        reason: Some("why"),
        ..Request::default()
    };
    let decision = decide(Lane::ForReview, Lane::InProgress, &silent).unwrap();
    assert_eq!(decision.review_ref.as_deref(), Some(FORCE_OVERRIDE));
}

#[test]
fn whatever_is_decided_the_shared_contract_accepts() {
    let (yes, ok) = (evidence(APPROVED), result(APPROVED));
    let mut decided = 0;
    for from in all_lanes() {
        for to in all_lanes() {
            for bits in 0..64_u32 {
                let bit = |index: u32| bits >> index & 1 == 1;
                let request = Request {
                    force: bit(0),
                    reason: bit(1).then_some("why"),
                    review_ref: bit(2).then_some("ref"),
                    evidence: bit(3).then_some(&yes),
                    review_result: bit(4).then_some(&ok),
                    subtasks_complete: bit(5),
                    ..everything(&yes, &ok)
                };
                let Ok(decision) = decide(from, to, &request) else {
                    continue;
                };
                decided += 1;
                let fields = Fields {
                    force: decision.force,
                    reason: decision.reason.as_deref(),
                    review_ref: decision.review_ref.as_deref(),
                };
                let violations = shared_contract::violations(from, to, &fields);
                assert_eq!(violations, [""; 0], "{from} -> {to} {request:?}");
            }
        }
    }
    assert!(decided > 1_000, "{decided}");
}

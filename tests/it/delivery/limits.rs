//! Batches that the server does not take as they are: too large, or with one bad event in them.

use super::{Case, DELIVERED, FAILED, PENDING, counts, why};
use crate::support::scripted_server::{Answer, BATCH, Step};
use serde_json::{Value, json};

/// Answers what a predicate on the ids of a batch wants answered, and is honest about the rest.
fn refuse(answer: &Answer, is_refused: impl Fn(&[String]) -> bool + Send + Sync + 'static) -> Step {
    let answer = answer.clone();
    Step::unless(move |batch| is_refused(&batch.ids()).then(|| answer.clone()))
}

fn too_large() -> Answer {
    Answer::new(413, "")
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_is_taken() {
    let case = Case::with_events(20);
    case.server
        .always(BATCH, refuse(&too_large(), |ids| ids.len() > 3));
    let report = case.sync(DELIVERED);
    assert_eq!(counts(&report), [20, 0, 0, 0, 0, 0]);
    assert_eq!(case.server.stored_ids(), case.ids);
    assert_eq!(case.server.batch_sizes()[..4], [20, 10, 5, 2]);
}

#[test]
fn a_single_event_that_is_too_large_is_parked_with_the_reason_and_the_others_are_delivered() {
    let case = Case::with_events(7);
    let large = case.ids[4].clone();
    let holds_it = move |ids: &[String]| ids.contains(&large);
    case.server.always(BATCH, refuse(&too_large(), holds_it));
    let report = case.sync(FAILED);
    assert_eq!(counts(&report), [6, 0, 0, 1, 0, 0]);
    assert_eq!(report["terminal_failed"], 1);
    let mut others = case.ids.clone();
    let large = others.remove(4);
    assert_eq!(case.server.stored_ids(), others);
    let why = why(&case.sandbox, &large);
    let target = &why["targets"][0];
    assert_eq!(
        (&target["state"], &target["http_status"]),
        (&json!("rejected"), &json!(413))
    );
    assert_eq!(
        target["message"],
        "payload too large (oversized, permanent)"
    );
    assert_eq!(target["next_attempt"], "never");
    assert!(target["next_action"].is_string(), "{why}");
    let sent = case.server.batches().len();
    case.sync(DELIVERED);
    assert_eq!(
        case.server.batches().len(),
        sent,
        "a parked event is not sent again by itself"
    );
}

#[test]
fn a_server_that_says_how_many_it_takes_is_given_no_more_at_first() {
    for answer in [
        Answer::json(413, &json!({"limits": {"max_events_per_batch": 2}})),
        Answer::json(
            413,
            &json!({"sync_ingress": {"limits": {"max_events_per_batch": 2}}}),
        ),
        Answer::json(
            400,
            &json!({"error": "Payload too large", "limits": {"max_events_per_batch": 2}}),
        ),
    ] {
        let case = Case::with_events(8);
        case.server.script(BATCH, [Step::Answer(answer)]);
        case.sync(DELIVERED);
        assert_eq!(case.server.batch_sizes()[..2], [8, 2]);
        assert_eq!(case.server.stored_ids(), case.ids);
    }
}

#[test]
fn a_refusal_with_details_rejects_its_culprits_and_delivers_the_others() {
    for as_text in [false, true] {
        let case = Case::with_events(5);
        let details = json!([
            {"event_id": case.ids[1], "detail": "unknown lane"},
            {"event_id": case.ids[3], "reason": "no such package"},
            {"event_id": "01J00000000000000000000000", "detail": "not ours"},
        ]);
        let details = if as_text {
            Value::from(details.to_string())
        } else {
            details
        };
        let refusal = json!({"error": "validation_failed", "details": details});
        case.server.script(BATCH, [Step::json(400, &refusal)]);
        let report = case.sync(FAILED);
        assert_eq!(counts(&report), [3, 0, 0, 2, 0, 0]);
        let others = [0, 2, 4].map(|index: usize| case.ids[index].clone());
        assert_eq!(case.server.stored_ids(), others);
        for (index, reason) in [(1, "unknown lane"), (3, "no such package")] {
            let why = why(&case.sandbox, &case.ids[index]);
            assert_eq!(why["targets"][0]["state"], "rejected");
            assert_eq!(why["targets"][0]["message"], reason);
        }
    }
}

#[test]
fn a_refusal_without_details_is_bisected_to_the_one_bad_event() {
    for poisoned in [0, 7, 15] {
        let case = Case::with_events(16);
        let poison = case.ids[poisoned].clone();
        let refusal = Answer::json(400, &json!({"error": "malformed"}));
        let holds_it = move |ids: &[String]| ids.contains(&poison);
        case.server.always(BATCH, refuse(&refusal, holds_it));
        let report = case.sync(FAILED);
        assert_eq!(counts(&report), [15, 0, 0, 1, 0, 0]);
        let mut others = case.ids.clone();
        let poison = others.remove(poisoned);
        assert_eq!(
            case.server.stored_ids(),
            others,
            "in order, around the bad one"
        );
        assert_eq!(case.state(&poison), "rejected");
        // One request per level and half: the whole, and two for each of four halvings.
        assert_eq!(report["requests"], 9);
    }
}

#[test]
fn bad_events_side_by_side_are_all_found() {
    let case = Case::with_events(8);
    let bad = [
        case.ids[2].clone(),
        case.ids[3].clone(),
        case.ids[6].clone(),
    ];
    let holds_one = {
        let bad = bad.clone();
        move |ids: &[String]| ids.iter().any(|id| bad.contains(id))
    };
    let refusal = Answer::new(422, "no");
    case.server.always(BATCH, refuse(&refusal, holds_one));
    let report = case.sync(FAILED);
    assert_eq!(counts(&report), [5, 0, 0, 3, 0, 0]);
    for id in &case.ids {
        let expected = if bad.contains(id) {
            "rejected"
        } else {
            "delivered"
        };
        assert_eq!(case.state(id), expected);
    }
}

#[test]
fn details_about_other_events_than_the_sent_ones_reject_none_of_them_unseen() {
    let case = Case::with_events(4);
    let foreign = json!({"details": [{"event_id": "01J00000000000000000000000", "detail": "no"}]});
    case.server.script(BATCH, [Step::json(400, &foreign)]);
    let report = case.sync(DELIVERED);
    assert_eq!(counts(&report), [4, 0, 0, 0, 0, 0]);
    assert_eq!(case.server.batch_sizes(), [4, 2, 2]);
}

#[test]
fn trouble_after_some_batches_keeps_what_they_brought() {
    let case = Case::with_events(8);
    let steps = [
        Step::json(413, &json!({"limits": {"max_events_per_batch": 2}})),
        Step::Honest,
    ];
    case.server.script(BATCH, steps);
    case.server
        .always(BATCH, Step::Answer(Answer::new(500, "broken")));
    let report = case.sync(PENDING);
    assert_eq!(counts(&report), [2, 0, 0, 0, 0, 0]);
    assert_eq!(case.sandbox.waiting(), case.ids[2..]);
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&case.ids[2..]);
}

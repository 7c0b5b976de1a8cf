//! Answers, operations and pauses as tables.

use super::*;
use crate::transport::Headers;
use bytes::Bytes;
use serde_json::json;

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse {
        status,
        headers: Headers::default(),
        body: Bytes::from(body.to_string()),
    }
}

fn refused(next: Next) -> Refusal {
    match next {
        Next::Failed(TrackerError::Refused { refusal }) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_success_is_its_object_and_anything_else_is_not_understood() {
    let done = judge("the test", &answer(200, &json!({"a": 1})), false);
    assert_eq!(done, Next::Done(json!({"a": 1})));
    for body in [json!([1]), json!("x"), Value::Null] {
        let next = judge("the test", &answer(200, &body), false);
        assert!(
            matches!(next, Next::Failed(TrackerError::Answer { .. })),
            "{next:?}"
        );
    }
    let mut broken = answer(200, &Value::Null);
    broken.body = Bytes::from_static(b"<html>");
    let next = judge("the test", &broken, false);
    assert!(
        matches!(next, Next::Failed(TrackerError::Answer { .. })),
        "{next:?}"
    );
}

#[test]
fn a_202_is_polled_under_an_id_that_is_safe_in_a_path() {
    for (id, expected) in [
        (json!("op-1_a"), Some("op-1_a")),
        (json!(7), Some("7")),
        (json!(""), None),
        (json!("../me"), None),
        (json!("a?b"), None),
        (Value::Null, None),
    ] {
        let next = judge(
            "the test",
            &answer(202, &json!({"operation_id": id})),
            false,
        );
        match expected {
            Some(expected) => assert_eq!(next, Next::Poll(expected.to_owned())),
            None => assert!(matches!(next, Next::Failed(TrackerError::Answer { .. }))),
        }
    }
}

#[test]
fn a_429_is_waited_for_once_as_long_as_it_says() {
    let with = |body: Value| judge("the test", &answer(429, &body), false);
    let seconds = |seconds| Next::Repeat(Duration::from_secs(seconds));
    assert_eq!(with(json!({"retry_after_seconds": 3})), seconds(3));
    assert_eq!(with(json!({"retry_after_seconds": -3})), seconds(5));
    assert_eq!(with(json!({"retry_after_seconds": "soon"})), seconds(5));
    assert_eq!(with(json!({})), seconds(5));
    let mut by_header = answer(429, &json!({}));
    by_header.headers.add("Retry-After", "9");
    assert_eq!(judge("the test", &by_header, false), seconds(9));
    let again = answer(
        429,
        &json!({"message": "Slow down.", "error_code": "rate_limited"}),
    );
    assert_eq!(
        refused(judge("the test", &again, true)).message,
        "Slow down."
    );
    let too_long = answer(429, &json!({"retry_after_seconds": 3600}));
    assert_eq!(
        refused(judge("the test", &too_long, false)).message,
        "HTTP 429"
    );
}

#[test]
fn a_refusal_has_the_servers_words_and_says_when_a_person_must_act() {
    let body = json!({
        "error_code": "not_connected", "message": "Linear is not connected.",
        "user_action_required": true,
    });
    let Next::Failed(error) = judge("the test", &answer(409, &body), false) else {
        panic!("a refusal")
    };
    assert_eq!(error.code(), Some("not_connected"));
    assert_eq!(
        error.to_string(),
        "Linear is not connected. (action required — check the Spec Kitty dashboard)"
    );
    let bare = refused(judge("the test", &answer(500, &json!({})), false));
    assert_eq!(
        (bare.message.as_str(), bare.status),
        ("HTTP 500", Some(500))
    );
}

#[test]
fn an_operation_is_pending_until_it_is_completed_or_failed() {
    let stands = |body: Value| operation("the test", &body);
    assert_eq!(stands(json!({"status": "pending"})), Operation::Pending);
    assert_eq!(stands(json!({"status": "running"})), Operation::Pending);
    let completed = json!({"status": "completed", "result": {"a": 1}});
    assert_eq!(stands(completed), Operation::Completed(json!({"a": 1})));
    for (error, expected) in [
        (json!({"message": "No access."}), "No access."),
        (json!("Boom"), "Boom"),
        (Value::Null, "Operation failed"),
    ] {
        let Operation::Failed(failed) = stands(json!({"status": "failed", "error": error})) else {
            panic!("failed")
        };
        assert_eq!(failed.to_string(), expected);
    }
    assert!(matches!(stands(json!({})), Operation::Failed(_)));
}

#[test]
fn pauses_double_to_thirty_seconds_and_end_before_the_deadline() {
    for chance in [0, 128, 255] {
        let mut pauses = Pauses::default();
        let all: Vec<f64> = std::iter::from_fn(|| pauses.next(chance))
            .map(|pause| pause.as_secs_f64())
            .collect();
        let nominal = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0];
        for (pause, nominal) in all.iter().zip(nominal) {
            assert!((0.79..1.21).contains(&(pause / nominal)), "{all:?}");
        }
        let total: f64 = all.iter().sum();
        assert!(total < 120.0 && total > 80.0, "{all:?}");
    }
}

#[test]
fn only_the_three_codes_make_a_stored_reference_stale() {
    let error = |code: &str| TrackerError::Refused {
        refusal: Refusal {
            status: Some(404),
            code: Some(code.to_owned()),
            message: "It is gone.".to_owned(),
            user_action_required: false,
        },
    };
    let binding = ("b-1".to_owned(), "linear".to_owned());
    for code in STALE {
        assert_eq!(
            stale(error(code), Some(&binding)).to_string(),
            "Tracker binding 'b-1' is stale: It is gone. \
             Run `spec-kitty tracker bind --provider linear` to rebind."
        );
        assert_eq!(stale(error(code), None), error(code));
    }
    assert_eq!(stale(error("other"), Some(&binding)), error("other"));
}

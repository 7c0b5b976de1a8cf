use super::*;
use crate::transport::Headers;
use bytes::Bytes;
use proptest::prelude::*;

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: Headers::default(),
        body: Bytes::from(body.to_owned()),
    }
}

fn read_now(response: &HttpResponse) -> BatchAnswer {
    read(response, "2026-10-21T07:20:00Z".parse().unwrap())
}

#[test]
fn two_words_about_one_event_are_its_word_only_when_they_agree() {
    let state = |first: &str, second: &str| {
        let body = format!(
            r#"{{"results":[{{"event_id":"e","status":"{first}"}},{{"event_id":"e","status":"{second}"}}]}}"#
        );
        let BatchAnswer::PerEvent(results) = read_now(&response(200, &body)) else {
            panic!("{body}")
        };
        results["e"].state
    };
    assert_eq!(state("success", "success"), DeliveryState::Delivered);
    assert_eq!(state("success", "rejected"), DeliveryState::Transient);
    assert_eq!(state("rejected", "success"), DeliveryState::Transient);
}

#[test]
fn every_word_of_the_wire_has_its_state_and_unknown_words_are_transient() {
    for (word, state) in [
        ("success", DeliveryState::Delivered),
        ("accepted", DeliveryState::Delivered),
        ("warning", DeliveryState::Delivered),
        ("duplicate", DeliveryState::Duplicate),
        ("pending", DeliveryState::Pending),
        ("queued", DeliveryState::Pending),
        ("rejected", DeliveryState::Rejected),
        ("failed_permanent", DeliveryState::Rejected),
        ("failed_transient", DeliveryState::Transient),
        ("SUCCESS", DeliveryState::Transient),
        ("fine", DeliveryState::Transient),
    ] {
        let body = format!(r#"{{"results":[{{"event_id":"e","status":"{word}","error":"why"}}]}}"#);
        let BatchAnswer::PerEvent(results) = read_now(&response(200, &body)) else {
            panic!("{word}")
        };
        assert_eq!(results["e"].state, state, "{word}");
        assert_eq!(results["e"].message.as_deref(), Some("why"));
    }
}

#[test]
fn two_hundred_without_results_says_nothing_about_the_events() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"results":{}}"#,
        "<html>",
        r#"{"ok":true}"#,
    ] {
        assert!(
            matches!(read_now(&response(200, body)), BatchAnswer::Trouble { .. }),
            "{body}"
        );
    }
}

#[test]
fn details_may_be_a_list_or_the_text_of_a_list() {
    let list = r#"[{"event_id":"a","detail":"bad lane"},{"event_id":"b","reason":"worse"}]"#;
    let text = serde_json::to_string(list).unwrap();
    for details in [list, text.as_str()] {
        let body = format!(r#"{{"error":"invalid","details":{details}}}"#);
        let BatchAnswer::Culprits(culprits) = read_now(&response(400, &body)) else {
            panic!("{body}")
        };
        assert_eq!(culprits["a"], "bad lane");
        assert_eq!(culprits["b"], "worse");
    }
    for body in [
        r#"{"error":"no"}"#,
        r#"{"details":"oops"}"#,
        r#"{"details":[1]}"#,
        "x",
    ] {
        assert!(
            matches!(read_now(&response(400, body)), BatchAnswer::Unacceptable(_)),
            "{body}"
        );
    }
}

#[test]
fn too_large_has_several_spellings() {
    let limits = r#"{"error":"x","limits":{"max_events_per_batch":50}}"#;
    assert_eq!(
        read_now(&response(413, limits)),
        BatchAnswer::TooLarge { events: Some(50) }
    );
    assert_eq!(
        read_now(&response(413, "")),
        BatchAnswer::TooLarge { events: None }
    );
    let body = r#"{"error":"Payload too large"}"#;
    assert_eq!(
        read_now(&response(400, body)),
        BatchAnswer::TooLarge { events: None }
    );
}

#[test]
fn protocol_advice_is_the_servers() {
    let body = r#"{"error_code":"x","error_description":"old","sync_protocol":{"upgrade_guidance":"get 4.0"}}"#;
    for status in [412, 426] {
        let answer = read_now(&response(status, body));
        assert_eq!(
            answer,
            BatchAnswer::ProtocolMismatch {
                advice: "get 4.0".into()
            }
        );
    }
}

#[test]
fn a_wait_is_read_and_bounded() {
    for (header, expected) in [
        ("7", 7),
        ("99999999", 3600),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 480),
        ("Wed, 21 Oct 2026 07:19:00 GMT", 0),
        ("Fri, 21 Oct 2033 07:28:00 GMT", 3600),
        ("Sun, 21 Oct 2026 07:28:00 GMT", 60),
        ("-1", 60),
        ("soon", 60),
    ] {
        let mut throttled = response(429, "");
        throttled.headers.add("Retry-After", header);
        let wait = Some(Duration::from_secs(expected));
        assert_eq!(read_now(&throttled), BatchAnswer::Throttled { wait });
    }
}

#[test]
fn a_row_that_is_unusual_costs_that_row_and_no_other() {
    let usual = r#"{"event_id":"a","status":"success"}"#;
    for (row, state) in [
        (r#"{"event_id":7,"status":"success"}"#, None),
        (r#"{"status":"success"}"#, None),
        ("[]", None),
        (
            r#"["b","success",null,null,null,null,null,null,null]"#,
            None,
        ),
        (
            r#"{"event_id":"b","status":1}"#,
            Some(DeliveryState::Transient),
        ),
        (
            r#"{"event_id":"b","status":"success","error":{}}"#,
            Some(DeliveryState::Delivered),
        ),
        (
            r#"{"event_id":"b","status":"success","status":"rejected"}"#,
            Some(DeliveryState::Rejected),
        ),
    ] {
        let body = format!(r#"{{"results":[{usual},{row}]}}"#);
        let BatchAnswer::PerEvent(results) = read_now(&response(200, &body)) else {
            panic!("{row}")
        };
        assert_eq!(results["a"].state, DeliveryState::Delivered, "{row}");
        assert_eq!(results.get("b").map(|answer| answer.state), state, "{row}");
    }
}

/// A word, escaped or not, or something that is no word.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "(success|duplicate|pending|rejected|x\\\\u00e9)".prop_map(|word| format!("\"{word}\"")),
        "(null|1|true|\\[\\]|\\{\\})",
    ]
}

proptest! {
    #[test]
    fn both_ways_of_reading_say_the_same(
        rows in proptest::collection::vec(
            proptest::collection::vec(("(event_id|status|code|category|error|detail|reason|z)", value()), 0..5),
            0..4,
        )
    ) {
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let fields: Vec<String> =
                    row.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            })
            .collect();
        let body = format!(r#"{{"results":[{}]}}"#, rows.join(","));
        if let Some(fast) = usual_results(body.as_bytes()) {
            let tree: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(Some(fast), results(&tree));
        }
    }

    #[test]
    fn any_answer_can_be_read(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let response = HttpResponse { status, headers: Headers::default(), body: body.into() };
        let answer = read_now(&response);
        if !(200..300).contains(&status) {
            prop_assert!(!matches!(answer, BatchAnswer::PerEvent(_)));
        }
    }
}

//! What the server says about each event, and what it does not say.

use super::{Case, DELIVERED, FAILED, PENDING, accept, counts, target, why};
use crate::support::scripted_server::{Answer, BATCH, Step};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_word_of_the_server_is_kept_for_its_event_and_only_open_events_are_sent_again() {
    let case = Case::with_events(9);
    let words = [
        "success",
        "accepted",
        "duplicate",
        "pending",
        "rejected",
        "failed_transient",
        "splendid",
        "",
    ];
    let says = move |index: usize, _: &str| {
        let word = words.get(index).filter(|word| !word.is_empty())?;
        Some(json!({"status": word, "error_message": format!("because {word}")}))
    };
    case.server.script(BATCH, [Step::per_event(says)]);
    let report = case.sync(FAILED);
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["selected"], 9);
    assert_eq!(counts(&report), [2, 1, 1, 1, 0, 4]);
    let states = [
        "delivered",
        "delivered",
        "duplicate",
        "pending",
        "rejected",
        "transient",
        "transient",
        "transient",
        "transient",
    ];
    for (id, state) in case.ids.iter().zip(states) {
        assert_eq!(case.state(id), state, "{id}");
    }
    let message =
        |index: usize| why(&case.sandbox, &case.ids[index])["targets"][0]["message"].clone();
    assert_eq!(message(0), Value::Null);
    assert_eq!(message(4), "because rejected");
    assert_eq!(message(6), "because splendid");
    assert_eq!(message(8), "missing per-event result");
    let failed: Vec<&Value> = report["failures"].as_array().unwrap().iter().collect();
    let failed: Vec<&str> = failed
        .iter()
        .map(|row| row["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(failed, case.ids[3..]);
    // What is final is not asked again; the rest is, in order.
    let open: Vec<String> = [3, 5, 6, 7, 8]
        .map(|index: usize| case.ids[index].clone())
        .into();
    assert_eq!(case.sandbox.waiting(), open);
    case.delivers_in_the_end(&open);
    assert_eq!(case.server.batches().len(), 2);
    case.sync(DELIVERED);
    assert_eq!(case.server.batches().len(), 2, "nothing is left to be sent");
    let target = target(&case.sandbox);
    assert_eq!(
        (&target["delivered"], &target["rejected"]),
        (&json!(7), &json!(1))
    );
}

#[test]
fn an_answer_that_says_nothing_about_the_events_delivers_none_and_loses_none() {
    let case = Case::with_events(2);
    let unknown =
        json!({"results": [{"event_id": "01J00000000000000000000000", "status": "success"}]});
    let honest = json!({"results": [{"event_id": case.ids[0], "status": "success"}]}).to_string();
    let packed = gzip(&honest);
    let json_answer = |body: Value| Answer::json(200, &body);
    let answers = [
        ("unknown ids", json_answer(unknown)),
        (
            "no ids",
            json_answer(json!({"results": [{"status": "success"}, 7, null]})),
        ),
        (
            "ids of another type",
            json_answer(json!({"results": [{"event_id": 7, "status": "success"}]})),
        ),
        ("no results", json_answer(json!({"results": []}))),
        (
            "no list",
            json_answer(json!({"results": {"status": "success"}})),
        ),
        (
            "a promise for all",
            json_answer(json!({"status": "success", "ok": true})),
        ),
        ("garbage", Answer::new(200, b"\x00\xff{]".to_vec())),
        ("nothing", Answer::new(200, "")),
        ("no content", Answer::new(204, "")),
        (
            "a page",
            Answer::new(200, "<html>Welcome</html>").header("Content-Type", "text/html"),
        ),
        (
            "half an answer",
            Answer::new(200, honest[..honest.len() - 2].to_owned()),
        ),
        (
            "half of something packed",
            Answer::new(200, packed[..packed.len() / 2].to_vec())
                .header("Content-Encoding", "gzip"),
        ),
    ];
    for (what, answer) in answers {
        let seen = case.server.batches().len();
        case.server.always(BATCH, Step::Answer(answer));
        let report = case.sync(PENDING);
        assert_eq!(report["outcome"], "pending", "{what}: {report}");
        assert_eq!(counts(&report)[..5], [0; 5], "{what}: {report}");
        for batch in &case.server.batches()[seen..] {
            assert_eq!(batch.ids(), case.ids, "{what}");
        }
        assert_eq!(case.sandbox.waiting(), case.ids, "{what}");
    }
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&case.ids);
}

#[test]
fn the_servers_word_counts_whatever_kind_of_document_it_claims_to_be() {
    let case = Case::with_events(2);
    let mislabelled = Step::with(|batch| accept(batch).header("Content-Type", "text/html"));
    case.server.script(BATCH, [mislabelled]);
    let report = case.sync(DELIVERED);
    assert_eq!(counts(&report), [2, 0, 0, 0, 0, 0]);
}

#[test]
fn a_server_that_contradicts_itself_about_an_event_has_said_nothing_about_it() {
    let case = Case::with_events(2);
    let (first, second) = (case.ids[0].clone(), case.ids[1].clone());
    let answer = json!({"results": [
        {"event_id": first, "status": "success"},
        {"event_id": second, "status": "success"},
        {"event_id": first, "status": "rejected"},
    ]});
    case.server.script(BATCH, [Step::json(200, &answer)]);
    let report = case.sync(PENDING);
    assert_eq!(counts(&report), [1, 0, 0, 0, 0, 1]);
    case.delivers_in_the_end(&case.ids[..1]);
}

#[test]
fn an_event_is_not_delivered_by_an_answer_to_a_batch_that_did_not_hold_it() {
    let case = Case::with_events(4);
    let all: Vec<Value> = case
        .ids
        .iter()
        .map(|id| json!({"event_id": id, "status": "success"}))
        .collect();
    let smaller = json!({"error": "too many", "limits": {"max_events_per_batch": 1}});
    let steps = [
        Step::json(413, &smaller),
        Step::json(200, &json!({"results": all})),
    ];
    case.server.script(BATCH, steps);
    let report = case.sync(DELIVERED);
    assert_eq!(counts(&report), [4, 0, 0, 0, 0, 0]);
    assert_eq!(case.server.stored_ids(), case.ids[1..]);
}

#[test]
fn what_the_server_has_queued_is_not_failed_and_not_delivered_and_is_asked_again() {
    let case = Case::with_events(3);
    let queued = Step::per_event(|_, _| Some(json!({"status": "queued"})));
    case.server.script(BATCH, [queued]);
    let report = case.sync(DELIVERED);
    assert_eq!(report["outcome"], "pending", "{report}");
    assert_eq!(counts(&report), [0, 0, 3, 0, 0, 0]);
    assert_eq!(case.state(&case.ids[0]), "pending");
    assert_eq!(target(&case.sandbox)["pending"], 3);
    case.delivers_in_the_end(&case.ids);
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_the_events_are_counted_as_duplicates() {
    let case = Case::with_events(3);
    case.server.script(BATCH, [Step::LoseTheAnswer]);
    let report = case.sync(DELIVERED);
    assert_eq!(counts(&report), [0, 3, 0, 0, 0, 0], "{report}");
    assert_eq!(report["requests"], 2);
    assert_eq!(case.server.stored_ids(), case.ids);
    assert_eq!(case.state(&case.ids[0]), "duplicate");
}

#[test]
fn a_connection_that_always_breaks_leaves_every_event_and_says_so() {
    let case = Case::with_events(2);
    for step in [
        Step::Close,
        Step::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
    ] {
        case.server.always(BATCH, step);
        let report = case.sync(PENDING);
        assert_eq!(counts(&report), [0; 6]);
        assert!(
            report["stopped"]
                .as_str()
                .unwrap()
                .contains("the event batch"),
            "{report}"
        );
    }
    let last_error = target(&case.sandbox)["last_error"].clone();
    assert!(
        last_error.as_str().unwrap().contains("the event batch"),
        "{last_error}"
    );
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&case.ids);
}

//! Every row of the response table, and what the runtime makes of it.

use super::{Case, body_id};
use crate::support::scripted_server::{Answer, BATCH, CONTENT, Step, content_answer};
use serde_json::{Value, json};

/// What becomes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The server has it.
    Taken(&'static str),
    /// It is sent again.
    Again(&'static str),
    /// It is kept and not sent again.
    Parked,
}

/// Asserts what becomes of the one body of a mission when it is answered so.
#[track_caller]
fn answered(step: Step, fate: Fate, status: Option<u16>, reason: &str) {
    let case = Case::new();
    let waiting = case.waiting();
    assert_eq!(waiting.len(), 1, "the specification: {waiting:?}");
    let id = body_id(&waiting[0]);
    case.server.always(CONTENT, step);
    let report = case.sync();
    let tried = case.uploads().len();
    assert!(tried >= 1, "{report}");
    assert_eq!(case.uploads()[0], waiting[0], "preview shows what leaves");
    let why = case.why(&id);
    let target = &why["targets"][0];
    let (state, count) = match fate {
        Fate::Taken("duplicate") => ("duplicate", "already_exists"),
        Fate::Taken(state) => (state, "uploaded"),
        Fate::Again(state) => (state, "later"),
        Fate::Parked => ("rejected", "rejected"),
    };
    assert_eq!(target["state"], state, "{why}");
    assert_eq!(report[count], 1, "{report}");
    if !matches!(fate, Fate::Taken(_)) {
        let message = target["message"].as_str().unwrap();
        assert!(message.starts_with(reason), "{message:?} is not {reason:?}");
        assert_eq!(target["http_status"], json!(status), "{why}");
    }
    case.server.be_honest(CONTENT);
    let report = case.sync();
    let uploads = case.uploads().len();
    match fate {
        Fate::Again(_) => {
            assert_eq!(uploads, tried + 1, "{reason}: it is sent again");
            assert_eq!(report["uploaded"], 1, "{reason}: {report}");
            assert_eq!(case.why(&id)["targets"][0]["state"], "delivered");
        }
        Fate::Taken(_) | Fate::Parked => {
            assert_eq!(uploads, tried, "{reason}: it is not sent again");
        }
    }
    let open = case.sandbox.json(&["sync", "status", "--json"])["open_bodies"].clone();
    assert_eq!(open, 0);
}

fn json_step(status: u16, body: Value) -> Step {
    Step::json(status, &body)
}

/// An answer that names the content, with more in it.
fn about_it(status: u16, more: Value) -> Step {
    Step::with(move |request| {
        let sent = request.json();
        let mut body = more.clone();
        body["artifact_path"] = sent["artifact_path"].clone();
        body["content_hash"] = sent["content_hash"].clone();
        Answer::json(status, &body)
    })
}

#[test]
fn fr_011_what_the_server_took_is_settled_by_its_word_for_this_very_content() {
    let stored = Step::with(|request| content_answer(request, 201, "stored"));
    answered(stored, Fate::Taken("delivered"), Some(201), "");
    let already = Step::with(|request| content_answer(request, 200, "already_exists"));
    answered(already, Fate::Taken("duplicate"), Some(200), "");
    for (status, word) in [(201, "stored"), (200, "already_exists")] {
        let other = json!({"status": word, "artifact_path": "spec.md", "content_hash": "00"});
        let fate = Fate::Again("transient");
        answered(
            json_step(status, other),
            fate,
            Some(status),
            "uncorrelated_response: ",
        );
    }
    answered(
        json_step(202, json!({})),
        Fate::Again("pending"),
        Some(202),
        "accepted_pending",
    );
}

#[test]
fn fr_011_only_what_the_server_calls_permanent_is_parked_with_its_reason() {
    for (status, body, reason) in [
        (400, json!({"detail": "too odd"}), "bad_request: too odd"),
        (
            400,
            json!({"content_hash": ["bad", "worse"]}),
            "bad_request: content_hash: bad; worse",
        ),
        (
            404,
            json!({"error": "namespace_not_found"}),
            "namespace_not_found",
        ),
        (418, json!({}), "unexpected_status: 418"),
    ] {
        answered(json_step(status, body), Fate::Parked, Some(status), reason);
    }
    let refused = about_it(403, json!({"error_category": "project_not_admitted"}));
    answered(refused, Fate::Parked, Some(403), "project_not_admitted");
    let no_team = about_it(403, json!({"detail": "There is no Private Teamspace here"}));
    let reason = "direct_ingress_missing_private_team";
    answered(no_team, Fate::Parked, Some(403), reason);
}

#[test]
fn fr_011_everything_else_is_sent_again_and_none_is_parked_for_ever() {
    for (status, body, reason) in [
        (
            403,
            json!({"category": "forbidden"}),
            "uncorrelated_response: ",
        ),
        (
            404,
            json!({"error": "index_entry_not_found"}),
            "index_entry_not_found",
        ),
        (
            404,
            json!({"detail": "gone"}),
            "not_found: gone (error=missing)",
        ),
        (429, json!({}), "rate_limited"),
        (500, json!({}), "server_error: 500"),
        (503, json!("<html>"), "server_error: 503"),
        (302, json!({}), "unexpected_status: 302"),
        (412, json!({}), "unexpected_status: 412"),
    ] {
        let fate = Fate::Again("transient");
        answered(json_step(status, body), fate, Some(status), reason);
    }
    answered(
        Step::Close,
        Fate::Again("transient"),
        None,
        "connection_error: ",
    );
    answered(
        Step::Raw(b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{".to_vec()),
        Fate::Again("transient"),
        None,
        "connection_error: ",
    );
}

#[test]
fn an_expired_token_is_renewed_once_and_the_body_goes() {
    let case = Case::new();
    let expire = case.server.clone();
    case.server.script(
        CONTENT,
        [Step::with(move |_| {
            expire.expire_access_tokens();
            Answer::json(401, &json!({"error": "token_invalid"}))
        })],
    );
    let report = case.sync();
    assert_eq!(report["uploaded"], 1, "{report}");
    let uploads = case.server.requests_to(CONTENT);
    assert_eq!(uploads.len(), 2);
    assert_ne!(uploads[0].token(), uploads[1].token());
}

#[test]
fn a_wait_that_the_server_asks_for_binds_every_body_and_no_event() {
    let case = Case::new();
    case.edit("plan.md", "# Plan\n");
    let throttle = Answer::new(429, "{}").header("Retry-After", "1200");
    case.server.always(CONTENT, Step::Answer(throttle));
    assert_eq!(case.sync()["later"], 1);
    let asked = case.uploads().len();
    let report = case.sync();
    assert!(
        report["stopped"].as_str().unwrap().contains("again in"),
        "{report}"
    );
    assert_eq!(case.uploads().len(), asked, "it was not left alone");
    case.sandbox.create_mission("two");
    assert_eq!(case.uploads().len(), asked, "nor by another mission");
    assert!(case.sandbox.waiting().is_empty(), "and its events went");
    let doctor = case.sandbox.run(&["sync", "doctor", "--json"]);
    assert!(doctor.stdout.contains("bodies_throttled"), "{doctor:?}");
    assert!(doctor.stdout.contains("bodies_failing"), "{doctor:?}");
}

#[test]
fn a_body_rests_longer_after_each_try_unless_a_person_insists() {
    let case = Case::new();
    let id = body_id(&case.waiting()[0]);
    case.server.always(
        CONTENT,
        json_step(404, json!({"error": "index_entry_not_found"})),
    );
    let mut waits = Vec::new();
    for tries in 1..=4 {
        let before = jiff::Timestamp::now();
        case.sync();
        assert_eq!(case.uploads().len(), tries, "who insists does not wait");
        let next = case.why(&id)["targets"][0]["next_attempt"].clone();
        let next = kitty_runtime::time::parse_iso(next.as_str().unwrap_or_default());
        waits.push(next.map_or(0.0, |next| next.duration_since(before).as_secs_f64()));
    }
    assert!(
        waits[3] > waits[2] && waits[2] > waits[1] && waits[3] > 6.0,
        "{waits:?}"
    );
    // Nobody insists here: a command that tells of something else leaves the body alone.
    case.sandbox.create_mission("two");
    let again = case
        .uploads()
        .iter()
        .filter(|upload| body_id(upload) == id)
        .count();
    assert_eq!(again, 4);
}

#[test]
fn a_body_never_holds_up_events() {
    let case = Case::new();
    let limit = ["config", "set", "sync.final_sync_timeout_seconds", "4"];
    case.sandbox.run(&limit).expect_code(0);
    case.server.always(CONTENT, Step::Hang);
    let create = ["agent", "mission", "create", "two", "--json"];
    let run = case.sandbox.run(&create).expect_code(0);
    assert_eq!(run.json()["result"], "success");
    assert!(
        case.sandbox.waiting().is_empty(),
        "the events went: {run:?}"
    );
    assert!(!case.uploads().is_empty());
    // The endpoint of bodies is left alone now; that of events is not.
    let tried = case.uploads().len();
    let batches = case.server.count(BATCH);
    case.sandbox.create_mission("three");
    assert!(case.server.count(BATCH) > batches);
    assert_eq!(case.uploads().len(), tried, "bodies rest after a hang");
    assert!(case.sandbox.waiting().is_empty());
}

//! Servers that ask for time, or take it.

use super::{Case, DELIVERED, PENDING, counts, target, why};
use crate::support::scripted_server::{Answer, BATCH, Step};
use crate::support::teamspace::Teamspace;
use jiff::{SignedDuration, Timestamp};
use kitty_runtime::time::parse_iso;
use serde_json::{Value, json};

fn throttle(retry_after: &str) -> Step {
    Step::Answer(Answer::new(429, "").header("Retry-After", retry_after))
}

fn moment(value: &Value) -> Timestamp {
    parse_iso(value.as_str().unwrap()).unwrap()
}

#[test]
fn a_wait_that_the_server_asks_for_binds_the_next_process_too() {
    let soon = Timestamp::now() + SignedDuration::from_mins(20);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&soon)
        .unwrap();
    for (retry_after, seconds) in [("1200", 1200), (date.as_str(), 1200)] {
        let began = Timestamp::now();
        let case = Case::with_events(2);
        case.server.always(BATCH, throttle(retry_after));
        let report = case.sync(PENDING);
        assert_eq!(report["requests"], 1, "{report}");
        let asked = case.server.requests().len();
        let report = case.sync(PENDING);
        assert_eq!(case.server.requests().len(), asked, "it was not left alone");
        assert_eq!(report["outcome"], "pending");
        assert_eq!(report["blocked"]["reason"], "throttled");
        assert!(
            report["blocked"]["message"]
                .as_str()
                .unwrap()
                .contains("left alone"),
            "{report}"
        );
        // Until then, and not much later: the wait was counted from the answer on.
        let next = moment(&target(&case.sandbox)["next_attempt_at"]);
        let wait = next.duration_since(began);
        assert!(wait >= SignedDuration::from_secs(seconds / 2), "{wait}");
        assert!(wait <= SignedDuration::from_secs(seconds * 2), "{wait}");
        let text = case.sandbox.run(&["sync", "status"]).expect_code(0);
        assert!(text.stdout.contains("as the server asked"), "{text:?}");
        case.sandbox
            .run(&["sync", "now", "--no-strict"])
            .expect_code(DELIVERED);
        assert_eq!(case.server.requests().len(), asked);
    }
}

#[test]
fn why_tells_until_when_an_event_waits() {
    let case = Case::with_events(1);
    let partly = json!({"results": []});
    case.server
        .script(BATCH, [Step::json(200, &partly), throttle("600")]);
    case.sync(PENDING);
    case.sync(PENDING);
    let why = why(&case.sandbox, &case.ids[0]);
    let next = moment(&why["targets"][0]["next_attempt"]);
    assert!(
        next > Timestamp::now() + SignedDuration::from_secs(60),
        "{why}"
    );
}

#[test]
fn a_short_wait_is_waited_for_and_the_batch_is_sent_again() {
    let case = Case::with_events(2);
    let past = throttle("Wed, 21 Oct 2020 07:28:00 GMT");
    case.server.script(BATCH, [throttle("1"), past]);
    let report = case.sync(DELIVERED);
    assert_eq!(report["requests"], 3);
    assert_eq!(counts(&report), [2, 0, 0, 0, 0, 0]);
    assert_eq!(target(&case.sandbox)["next_attempt_at"], Value::Null);
    let at: Vec<_> = case.server.batches().iter().map(|batch| batch.at).collect();
    assert!(
        at[1] - at[0] > at[2] - at[1],
        "the wait is the longer of the two pauses: {at:?}"
    );
}

#[test]
fn trouble_is_tried_again_within_the_run_and_a_later_run_is_free_to_try() {
    let case = Case::with_events(2);
    let trouble = || Step::json(503, &json!({"error": "away"}));
    case.server.script(BATCH, [trouble(), trouble()]);
    let report = case.sync(DELIVERED);
    assert_eq!(report["requests"], 3);
    assert_eq!(counts(&report), [2, 0, 0, 0, 0, 0]);
    let more = super::capture(&case.sandbox, 1);
    case.server.always(BATCH, trouble());
    for failures in 1..=2 {
        let report = case.sync(PENDING);
        assert_eq!(report["requests"], 3);
        assert_eq!(report["stopped"], "HTTP 503: away");
        let target = target(&case.sandbox);
        assert_eq!(target["consecutive_failures"], failures);
        assert_eq!(target["last_error"], "HTTP 503: away");
    }
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&more);
    assert_eq!(target(&case.sandbox)["consecutive_failures"], 0);
}

#[test]
fn trouble_with_a_wait_binds_like_a_throttle() {
    let case = Case::with_events(1);
    let away = Answer::new(503, "").header("Retry-After", "600");
    case.server.always(BATCH, Step::Answer(away));
    assert_eq!(case.sync(PENDING)["requests"], 1);
    assert_eq!(case.sync(PENDING)["requests"], 0);
    assert_eq!(case.server.batches().len(), 1);
}

#[test]
fn a_server_that_is_gone_keeps_the_events_here_until_it_is_back() {
    let mut teamspace = Teamspace::start();
    let sandbox = crate::support::sandbox::Sandbox::hosted(teamspace.url());
    teamspace.log_in(&sandbox);
    let ids = super::capture(&sandbox, 3);
    teamspace.kill();
    let report = sandbox
        .run(&["sync", "now", "--json"])
        .expect_code(PENDING)
        .json();
    assert!(
        report["stopped"]
            .as_str()
            .unwrap()
            .contains("connection refused"),
        "{report}"
    );
    assert_eq!(sandbox.waiting(), ids);
    teamspace.start_again();
    sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(teamspace.stored_ids(), ids);
}

#[test]
fn a_server_that_never_answers_holds_up_a_local_command_no_longer_than_its_deadline() {
    let case = Case::with_events(1);
    let set = ["config", "set", "sync.final_sync_timeout_seconds", "1"];
    case.sandbox.run(&set).expect_code(0);
    case.server.always(BATCH, Step::Hang);
    let create = ["agent", "mission", "create", "patient", "--json"];
    let run = case.sandbox.run(&create).expect_code(0);
    assert_eq!(run.json()["result"], "success");
    assert!(run.stderr.contains("sync.final_sync_timeout"), "{run:?}");
    assert_eq!(case.server.batches().len(), 1);
    let waiting = case.sandbox.waiting();
    assert_eq!((waiting.len(), &waiting[0]), (4, &case.ids[0]));
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&waiting);
}

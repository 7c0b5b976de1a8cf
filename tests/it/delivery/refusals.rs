//! Servers that do not want to talk: expired tokens, missing rights, other protocols, other places.

use super::{BLOCKED, Case, DELIVERED, PENDING, counts, target, why};
use crate::support::scripted_server::{Answer, BATCH, ScriptedServer, Step, TOKEN};
use serde_json::json;

#[test]
fn an_expired_token_is_renewed_once_and_the_batch_is_sent_again_with_the_new_one() {
    let case = Case::with_events(3);
    case.server.expire_access_tokens();
    let report = case.sync(DELIVERED);
    assert_eq!(counts(&report), [3, 0, 0, 0, 0, 0]);
    assert_eq!(case.server.count(TOKEN), 1);
    let tokens: Vec<String> = case
        .server
        .batches()
        .iter()
        .map(|batch| batch.token().unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["s3cret-access-0", "s3cret-access-1"]);
    let session = case.sandbox.session().unwrap().session;
    assert_eq!(session.access_token.expose(), "s3cret-access-1");
    // The next process goes on with it.
    let more = super::capture(&case.sandbox, 1);
    case.delivers_in_the_end(&more);
    assert_eq!(case.server.count(TOKEN), 1);
}

#[test]
fn a_server_that_accepts_no_token_ends_the_run_after_one_renewal_and_asks_for_a_login() {
    let case = Case::with_events(2);
    case.server
        .always(BATCH, Step::json(401, &json!({"error": "token_invalid"})));
    let report = case.sync(BLOCKED);
    assert_eq!(report["outcome"], "blocked");
    assert_eq!(report["blocked"]["reason"], "auth_present");
    assert!(
        report["blocked"]["next_action"]
            .as_str()
            .unwrap()
            .contains("spec-kitty auth login")
    );
    assert_eq!(
        (case.server.batches().len(), case.server.count(TOKEN)),
        (2, 1)
    );
    assert_eq!(counts(&report), [0; 6]);
    let text = case.sandbox.run(&["sync", "now"]).expect_code(BLOCKED);
    assert!(text.stdout.contains("spec-kitty auth login"), "{text:?}");
    assert!(!text.says("s3cret"), "{text:?}");
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&case.ids);
}

#[test]
fn a_refused_renewal_ends_the_run_and_keeps_every_event() {
    let case = Case::with_events(2);
    case.server.expire_access_tokens();
    case.server
        .always(TOKEN, Step::json(400, &json!({"error": "invalid_grant"})));
    let report = case.sync(BLOCKED);
    assert_eq!(report["blocked"]["reason"], "auth_present", "{report}");
    assert_eq!(
        (case.server.batches().len(), case.server.count(TOKEN)),
        (1, 1)
    );
    assert_eq!(
        why(&case.sandbox, &case.ids[0])["targets"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    assert_eq!(case.sandbox.stored_events().len(), 2);
}

#[test]
fn a_forbidden_account_is_told_so_in_the_servers_words_and_tried_once() {
    for (body, reason, words) in [
        (
            json!({"error": "suspended", "error_category": "account_suspended", "message": "Pay first."}),
            "permission_denied",
            "account_suspended): Pay first.",
        ),
        (
            json!({"error_code": "direct_ingress_missing_private_team"}),
            "private_teamspace",
            "no Private Teamspace",
        ),
        (json!("no"), "permission_denied", "refused this account"),
    ] {
        let case = Case::with_events(2);
        case.server.script(BATCH, [Step::json(403, &body)]);
        let report = case.sync(BLOCKED);
        assert_eq!(report["blocked"]["reason"], reason, "{report}");
        assert!(
            report["blocked"]["message"]
                .as_str()
                .unwrap()
                .contains(words),
            "{report}"
        );
        assert_eq!(
            (case.server.batches().len(), case.server.count(TOKEN)),
            (1, 0)
        );
        assert_eq!(case.sandbox.waiting(), case.ids);
        case.delivers_in_the_end(&case.ids);
    }
}

#[test]
fn a_server_that_wants_another_protocol_ends_the_run_at_once_with_its_advice() {
    for status in [412, 426] {
        let case = Case::with_events(6);
        let refusal = json!({
            "error_code": "sync_protocol_mismatch", "error_description": "too old",
            "sync_protocol": {"upgrade_guidance": "Install release 9 from your operator."},
        });
        case.server.always(BATCH, Step::json(status, &refusal));
        let report = case.sync(BLOCKED);
        assert_eq!(report["blocked"]["reason"], "protocol_mismatch");
        assert_eq!(
            report["blocked"]["next_action"],
            "Install release 9 from your operator."
        );
        assert_eq!(
            case.server.batches().len(),
            1,
            "no further try in the same run"
        );
        assert_eq!(case.sandbox.waiting(), case.ids);
        let text = case.sandbox.run(&["sync", "now"]).expect_code(BLOCKED);
        assert!(
            text.stdout
                .starts_with("Event sync gated: protocol_mismatch\n"),
            "{text:?}"
        );
        assert!(text.stdout.contains("Install release 9"), "{text:?}");
        case.server.be_honest(BATCH);
        case.delivers_in_the_end(&case.ids);
    }
}

#[test]
fn a_refusal_in_the_middle_tells_what_was_delivered_before() {
    let case = Case::with_events(6);
    let steps = [
        Step::json(413, &json!({"limits": {"max_events_per_batch": 2}})),
        Step::Honest,
        Step::json(403, &json!({"message": "Enough."})),
    ];
    case.server.script(BATCH, steps);
    let text = case.sandbox.run(&["sync", "now"]).expect_code(BLOCKED);
    assert!(
        text.stdout
            .starts_with("Event sync gated: permission_denied\n"),
        "{text:?}"
    );
    assert!(text.stdout.contains("delivered 2  duplicate 0"), "{text:?}");
    assert_eq!(target(&case.sandbox)["delivered"], 2);
    case.delivers_in_the_end(&case.ids[2..]);
}

#[test]
fn a_missing_endpoint_is_no_verdict_about_the_events() {
    let case = Case::with_events(2);
    for status in [404, 405, 408, 410, 418, 500, 501, 502, 503, 504, 599] {
        case.server.always(
            BATCH,
            Step::Answer(Answer::new(status, "<html>somewhere else</html>")),
        );
        let report = case.sync(PENDING);
        let stopped = report["stopped"].as_str().unwrap();
        assert!(stopped.contains(&format!("HTTP {status}")), "{report}");
        assert_eq!(case.sandbox.waiting(), case.ids, "{status}");
    }
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&case.ids);
}

#[test]
fn a_redirect_is_not_followed_neither_with_the_events_nor_with_the_token() {
    let case = Case::with_events(2);
    let elsewhere = ScriptedServer::start();
    for status in [301, 302, 303, 307, 308] {
        let away =
            Answer::new(status, "").header("Location", &format!("{}{BATCH}", elsewhere.url()));
        case.server.always(BATCH, Step::Answer(away));
        let report = case.sync(PENDING);
        assert_eq!(counts(&report), [0; 6]);
        assert_eq!(elsewhere.connections(), 0, "HTTP {status} was followed");
    }
    case.server.be_honest(BATCH);
    case.delivers_in_the_end(&case.ids);
    assert_eq!(elsewhere.connections(), 0);
}

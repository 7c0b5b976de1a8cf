//! Batches: what is stored, what is refused, and in whose words.

use crate::house::{House, OWNER, batch_of, event, id, text, wire};
use kitty_teamspace::NewAccount;
use serde_json::{Value, json};

/// What the Python CLI 3.2.7 sent to a loopback server, one wire item per line.
const CAPTURED: &str = include_str!("../../../contract/testdata/captured_envelopes.jsonl");

pub(crate) fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|result| result["status"].as_str().unwrap())
        .collect()
}

pub(crate) fn headers<'a>(
    bearer: &'a str,
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![
        ("authorization", bearer),
        ("x-spec-kitty-sync-protocol", "2.0"),
    ];
    for change in changes {
        headers.retain(|(name, _)| *name != change.0);
        headers.push(*change);
    }
    headers
}

#[actix_web::test]
async fn every_captured_envelope_is_kept_byte_for_byte_or_rejected_by_the_contract() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let team = house.get("/api/v1/me", &token).await.expect(200)["teams"][0]["id"].clone();
    let team = text(&team);
    let events: Vec<String> = CAPTURED
        .lines()
        .map(|line| {
            line.replace(
                "\"team_slug\":\"t-private\"",
                &format!("\"team_slug\":\"{team}\""),
            )
        })
        .collect();
    let results = house.deliver(&token, &events).await;
    assert_eq!(results.len(), events.len());
    let mut stored = 0;
    for (event, result) in events.iter().zip(&results) {
        let sent: Value = serde_json::from_str(event).unwrap();
        assert_eq!(result["event_id"], sent["event_id"]);
        let path = format!("/api/v1/events/{}", text(&sent["event_id"]));
        let read = house.get(&path, &token).await;
        if result["status"] == "success" {
            assert_eq!(read.text(), *event);
            stored += 1;
        } else {
            assert_eq!(result["status"], "rejected");
            assert_eq!(result["error_category"], "contract_violation", "{result}");
            read.refuses(404, "event_not_found");
        }
    }
    assert_eq!(stored, 24, "the others have an empty build_id");
    let again = house.deliver(&token, &events).await;
    for (first, second) in results.iter().zip(&again) {
        let expected = match first["status"].as_str().unwrap() {
            "success" => "duplicate",
            other => other,
        };
        assert_eq!(second["status"], expected);
    }
}

#[actix_web::test]
async fn a_preflight_tells_what_a_batch_would_be_told_and_stores_nothing() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    house.deliver(&token, &[wire(1)]).await;
    let mut homeless = event(3);
    homeless["build_id"] = json!("");
    let good = [wire(1), wire(2)];
    let mixed = [wire(1), wire(2), homeless.to_string()];
    for (events, accepted) in [(&good[..], true), (&mixed[..], false)] {
        let bearer = format!("Bearer {token}");
        let headers = headers(&bearer, &[("content-type", "application/json")]);
        let body = batch_of(events);
        let path = "/api/v1/events/preflight/";
        let answer = house.send("POST", path, &headers, body).await.expect(200);
        assert_eq!(answer["accepted"], accepted, "{answer}");
        assert_eq!(answer["stored"], 0, "{answer}");
        let foreseen = answer["results"].as_array().unwrap();
        let all = ["duplicate", "success", "rejected"];
        assert_eq!(statuses(foreseen), all[..events.len()], "{answer}");
        let path = format!("/api/v1/events/{}", id(2));
        house
            .get(&path, &token)
            .await
            .refuses(404, "event_not_found");
    }
    let told = house.deliver(&token, &mixed).await;
    assert_eq!(statuses(&told), ["duplicate", "success", "rejected"]);
    let nobody = house.send("POST", "/api/v1/events/preflight/", &[], Vec::new());
    assert_eq!(nobody.await.status, 401);
}

#[actix_web::test]
async fn white_space_key_order_and_escapes_survive_as_they_were_sent() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let plain = wire(1);
    let strange = plain
        .replacen('{', "{ \n\t", 1)
        .replace("\"claude\"", "\"cl\\u0061ude \\ud83d\\ude00 \u{1f600}\"");
    let results = house.deliver(&token, std::slice::from_ref(&strange)).await;
    assert_eq!(statuses(&results), ["success"], "{results:?}");
    let read = house
        .get(&format!("/api/v1/events/{}", id(1)), &token)
        .await;
    assert_eq!(read.body, strange.as_bytes());
    assert_eq!(read.header("content-type"), Some("application/json"));
}

#[actix_web::test]
async fn a_mixed_batch_is_answered_in_order_and_its_good_events_are_stored() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    house.deliver(&token, &[wire(1), wire(2)]).await;
    let mut resent = event(1);
    resent["admission_generation"] = json!(7);
    resent["binding_audience"] = json!("local-nonstrict:http://127.0.0.1:1");
    let mut divergent = event(2);
    divergent["git_branch"] = json!("another");
    let mut nameless = event(3);
    nameless.as_object_mut().unwrap().remove("event_id");
    let mut misnamed = event(4);
    misnamed["spec_kitty_delivery_identity"] = json!(id(5));
    let mut foreign = event(6);
    foreign["team_slug"] = json!("somebody-else");
    let mut divergent_in_batch = event(7);
    divergent_in_batch["lamport_clock"] = json!(999);
    let mut legacy = event(8);
    let forbidden = kitty_contract::Gate::vendored()
        .forbidden_keys()
        .next()
        .unwrap();
    legacy["payload"][forbidden] = json!("001-x");
    let batch: Vec<String> = [
        json!(5).to_string(),
        wire(7),
        resent.to_string(),
        divergent.to_string(),
        nameless.to_string(),
        misnamed.to_string(),
        foreign.to_string(),
        wire(7),
        divergent_in_batch.to_string(),
        legacy.to_string(),
        "[\"event_id\"]".to_owned(),
        "{\"event_id\":\"a\",\"event_id\":\"b\"}".to_owned(),
        wire(9),
    ]
    .into();
    let results = house.deliver(&token, &batch).await;
    let outcome = |result: &Value| {
        let category = result["error_category"].as_str();
        category
            .unwrap_or(result["status"].as_str().unwrap())
            .to_owned()
    };
    let outcomes: Vec<String> = results.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [
            "not_an_object",
            "success",
            "duplicate",
            "divergent_duplicate",
            "invalid_event_id",
            "delivery_identity_mismatch",
            "team_mismatch",
            "duplicate",
            "divergent_duplicate",
            "contract_violation",
            "not_an_object",
            "contract_violation",
            "success",
        ]
    );
    for result in &results {
        assert_eq!(
            result["status"] == "rejected",
            result.get("error_message").is_some()
        );
    }
    assert_eq!(results[0]["event_id"], Value::Null);
    assert_eq!(results[3]["event_id"], id(2));
    let stored = house
        .server
        .administration()
        .count_events("owner-private")
        .await
        .unwrap();
    assert_eq!(stored, 4);
    let kept = house
        .get(&format!("/api/v1/events/{}", id(2)), &token)
        .await;
    assert_eq!(kept.text(), wire(2), "the first content of an id stays");
}

#[actix_web::test]
async fn a_thousand_events_with_duplicates_across_statements_are_each_stored_once() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let first: Vec<String> = (0..450).map(wire).collect();
    let results = house.deliver(&token, &first).await;
    assert!(statuses(&results).iter().all(|status| *status == "success"));
    let second: Vec<String> = (0..1_000).map(wire).collect();
    let results = house.deliver(&token, &second).await;
    let statuses = statuses(&results);
    assert!(statuses[..450].iter().all(|status| *status == "duplicate"));
    assert!(statuses[450..].iter().all(|status| *status == "success"));
    let stored = house
        .server
        .administration()
        .count_events("owner-private")
        .await
        .unwrap();
    assert_eq!(stored, 1_000);
    let projects = house.get("/api/v1/projects", &token).await.expect(200);
    assert_eq!(projects["projects"][0]["events"], 1_000);
}

#[actix_web::test]
async fn an_event_may_name_the_team_by_id_or_slug_or_not_at_all() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let me = house.get("/api/v1/me", &token).await.expect(200);
    let (mut by_id, mut by_slug, mut absent) = (event(1), event(2), event(3));
    by_id["team_slug"] = me["teams"][0]["id"].clone();
    by_slug["team_slug"] = json!("owner-private");
    absent.as_object_mut().unwrap().remove("team_slug");
    let events = [by_id, by_slug, absent, event(4)].map(|event| event.to_string());
    let results = house.deliver(&token, &events).await;
    assert_eq!(statuses(&results), ["success"; 4], "{results:?}");
}

#[actix_web::test]
async fn another_protocol_version_is_refused_with_the_supported_one() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let bearer = format!("Bearer {token}");
    let body = batch_of(&[wire(1)]);
    for version in ["1.0", "3.0", "", "20", "2.x", "two"] {
        let headers = headers(&bearer, &[("x-spec-kitty-sync-protocol", version)]);
        let answer = house
            .send("POST", "/api/v1/events/batch/", &headers, body.clone())
            .await;
        let refusal = answer.refuses(412, "sync_protocol_unsupported");
        assert_eq!(refusal["error_code"], "sync_protocol_unsupported");
        assert_eq!(refusal["sync_protocol"]["supported"], "2.0");
        assert!(!text(&refusal["sync_protocol"]["upgrade_guidance"]).is_empty());
        assert!(!text(&refusal["error_description"]).is_empty());
    }
    let missing = [("authorization", bearer.as_str())];
    let answer = house
        .send("POST", "/api/v1/events/batch/", &missing, body.clone())
        .await;
    answer.refuses(412, "sync_protocol_unsupported");
    for version in ["2", "2.0", "2.7", "2.0.1"] {
        let headers = headers(&bearer, &[("x-spec-kitty-sync-protocol", version)]);
        house
            .send("POST", "/api/v1/events/batch", &headers, body.clone())
            .await
            .expect(200);
    }
}

#[actix_web::test]
async fn an_account_without_a_private_teamspace_may_not_send_until_it_gets_one() {
    let house = House::start().await;
    let administration = house.server.administration();
    let ann = NewAccount::new("ann@example.com", "Ann").shared_team("crew", "The crew");
    administration.create_account(ann).await.unwrap();
    let token = house.token("ann@example.com").await;
    let refused = house.batch(&token, &batch_of(&[wire(1)])).await;
    let body = refused.refuses(403, "direct_ingress_missing_private_team");
    assert_eq!(
        body["error_category"],
        "direct_ingress_missing_private_team"
    );
    administration
        .grant_private_team("Ann@Example.com")
        .await
        .unwrap();
    let results = house.deliver(&token, &[wire(1)]).await;
    assert_eq!(statuses(&results), ["success"]);
}

#[actix_web::test]
async fn the_team_header_must_name_the_private_teamspace() {
    let house = House::start().await;
    let ann = NewAccount::new("ann@example.com", "Ann")
        .with_private_team()
        .shared_team("crew", "The crew");
    let ann = house
        .server
        .administration()
        .create_account(ann)
        .await
        .unwrap();
    let token = house.token("ann@example.com").await;
    let bearer = format!("Bearer {token}");
    let body = batch_of(&[wire(1)]);
    let send = async |team: &str| {
        let headers = headers(&bearer, &[("x-team-slug", team)]);
        house
            .send("POST", "/api/v1/events/batch/", &headers, body.clone())
            .await
    };
    for wrong in ["crew", "owner-private", ""] {
        send(wrong).await.refuses(403, "team_mismatch");
    }
    send("ann-private").await.expect(200);
    send(&ann.private_team().unwrap().id).await.expect(200);
}

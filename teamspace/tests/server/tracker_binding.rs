//! Binding a project to a resource of a tracker, and bindings that no longer serve.

use crate::crew::{ANN, Crew, identity};
use crate::house::{House, PROJECT, text};
use kitty_teamspace::NewAccount;
use serde_json::json;
use std::time::Duration;

const OTHER_PROJECT: &str = "bf28e6ca-b87e-4678-9bdc-d1ca8c0521c5";

#[actix_web::test]
async fn a_project_resolves_to_the_resource_of_its_name_and_then_to_its_binding() {
    let crew = Crew::start().await;
    let resolve =
        json!({"provider": "github", "project_identity": identity(PROJECT, "Acme Demo-Repo")});
    let found = crew.post("bind-resolve/", &resolve).await.expect(200);
    assert_eq!(found["match_type"], "exact", "{found}");
    assert!(found.get("binding_ref").is_none());
    let confirm = json!({
        "provider": "github",
        "candidate_token": found["candidate_token"],
        "project_identity": identity(PROJECT, "Acme Demo-Repo"),
    });
    let bound = crew.post("bind-confirm/", &confirm).await.expect(200);
    assert_eq!(bound["display_label"], "acme/demo-repo");
    assert_eq!(bound["provider_context"]["workspace_name"], "acme");
    assert_eq!(bound["project_slug"], "Acme Demo-Repo");
    assert!(bound["bound_at"].is_string());
    let again = crew.post("bind-resolve/", &resolve).await.expect(200);
    assert_eq!(again["match_type"], "exact");
    assert_eq!(again["binding_ref"], bound["binding_ref"]);
    // Confirming the same resource once more keeps the reference.
    let repeated = crew.post("bind-confirm/", &confirm).await.expect(200);
    assert_eq!(repeated["binding_ref"], bound["binding_ref"]);
    let listed = crew.get("resources/?provider=github").await.expect(200);
    assert_eq!(listed["resources"][0]["binding_ref"], bound["binding_ref"]);
    assert_eq!(
        listed["resources"][0]["bound_project_slug"],
        "Acme Demo-Repo"
    );
}

#[actix_web::test]
async fn several_resources_are_ranked_candidates_and_no_resource_is_none() {
    let crew = Crew::start().await;
    crew.seed_many(1).await;
    let resolve =
        json!({"provider": "jira", "project_identity": identity(PROJECT, "my-big-thing")});
    let found = crew.post("bind-resolve/", &resolve).await.expect(200);
    assert_eq!(found["match_type"], "candidates");
    let candidates = found["candidates"].as_array().unwrap();
    let seen: Vec<_> = candidates
        .iter()
        .map(|one| {
            (
                text(&one["display_label"]),
                text(&one["confidence"]),
                one["sort_position"].clone(),
            )
        })
        .collect();
    let expected = [
        ("Big".to_owned(), "medium".to_owned(), json!(0)),
        ("Operations".to_owned(), "low".to_owned(), json!(1)),
    ];
    assert_eq!(seen, expected);
    let house = House::start().await;
    let alone = NewAccount::new(ANN, "Ann")
        .with_private_team()
        .shared_team("crew", "Crew");
    house
        .server
        .administration()
        .create_account(alone)
        .await
        .unwrap();
    let bearer = format!("Bearer {}", house.token(ANN).await);
    let headers = [("authorization", bearer.as_str()), ("x-team-slug", "crew")];
    let body = resolve.to_string().into_bytes();
    let none = house
        .send("POST", "/api/v1/tracker/bind-resolve/", &headers, body)
        .await;
    assert_eq!(
        none.expect(200),
        json!({"match_type": "none", "candidates": []})
    );
}

#[actix_web::test]
async fn a_project_identity_must_pass_the_contract() {
    let crew = Crew::start().await;
    let mut lacking = identity(PROJECT, "demo");
    lacking.as_object_mut().unwrap().remove("build_id");
    let mut no_uuid = identity("not-a-uuid", "demo");
    for (identity, word) in [(&lacking, "build_id"), (&no_uuid, "uuid")] {
        for path in ["bind-resolve/", "bind-confirm/", "bind-validate/"] {
            let body = json!({
                "provider": "linear", "project_identity": identity,
                "candidate_token": "x", "binding_ref": "x",
            });
            let refused = crew
                .post(path, &body)
                .await
                .refuses(400, "contract_violation");
            assert!(text(&refused["message"]).contains(word), "{refused}");
        }
    }
    no_uuid.take();
    let body = json!({"provider": "linear", "project_identity": no_uuid});
    crew.post("bind-resolve/", &body)
        .await
        .refuses(400, "invalid_field");
}

#[actix_web::test]
async fn a_candidate_token_expires_and_serves_only_its_owner_provider_and_server() {
    let crew = Crew::start().await;
    let found = crew.get("resources/?provider=linear").await.expect(200);
    let token = found["resources"][0]["candidate_token"].clone();
    let body = |provider: &str, token: &serde_json::Value| {
        json!({
            "provider": provider, "candidate_token": token,
            "project_identity": identity(PROJECT, "demo-repo"),
        })
    };
    for (provider, token) in [("jira", &token), ("linear", &json!("trackercandidate.x.y"))] {
        let refused = crew.post("bind-confirm/", &body(provider, token)).await;
        let refused = refused.refuses(400, "invalid_candidate_token");
        assert_eq!(refused["error_category"], "invalid_candidate_token");
    }
    crew.house.time.pass(Duration::from_secs(601));
    crew.post("bind-confirm/", &body("linear", &token))
        .await
        .refuses(400, "invalid_candidate_token");
}

#[actix_web::test]
async fn a_reference_is_valid_for_its_project_and_the_reason_is_named_otherwise() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let validate = async |reference: &str, uuid: &str| {
        let body = json!({
            "provider": "linear", "binding_ref": reference,
            "project_identity": identity(uuid, "demo-repo"),
        });
        crew.post("bind-validate/", &body).await.expect(200)
    };
    let valid = validate(&reference, PROJECT).await;
    assert_eq!(valid["valid"], true);
    assert_eq!(valid["display_label"], "Engineering");
    assert_eq!(valid["provider_context"]["resource_key"], "ENG");
    assert_eq!(
        validate(&reference, OTHER_PROJECT).await["reason"],
        "project_mismatch"
    );
    assert_eq!(
        validate("binding_x", PROJECT).await["reason"],
        "binding_not_found"
    );
    let administration = crew.house.server.administration();
    administration
        .disable_binding("crew", &reference)
        .await
        .unwrap();
    let disabled = validate(&reference, PROJECT).await;
    assert_eq!(disabled["valid"], false);
    assert_eq!(disabled["reason"], "mapping_disabled");
    assert!(disabled["guidance"].is_string());
}

#[actix_web::test]
async fn a_stale_binding_is_refused_by_every_endpoint_that_is_routed_by_it() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let mismatch = json!({"provider": "linear", "binding_ref": reference, "project_slug": "other"});
    crew.post("pull/", &mismatch)
        .await
        .refuses(409, "project_mismatch");
    let administration = crew.house.server.administration();
    administration
        .disable_binding("crew", &reference)
        .await
        .unwrap();
    for (reference, status, code) in [
        (reference.as_str(), 409, "mapping_disabled"),
        ("binding_x", 404, "binding_not_found"),
    ] {
        for path in ["status/", "mappings/"] {
            let path = format!("{path}?provider=linear&binding_ref={reference}");
            crew.get(&path).await.refuses(status, code);
        }
        let body = json!({
            "provider": "linear", "binding_ref": reference, "items": [], "query_text": "x",
            "mission_id": "m", "external_issue_id": "i", "external_issue_key": "k",
            "external_title": "t",
        });
        for path in [
            "pull/",
            "push/",
            "run/",
            "issue-search/",
            "list-tickets/",
            "mission-origin/bind/",
        ] {
            let refused = crew.post(path, &body).await.refuses(status, code);
            assert_eq!(refused["error_category"], code, "{path}");
            assert_eq!(refused["user_action_required"], true);
        }
    }
    // Binding anew gives a reference that serves.
    let anew = crew.bind("linear", "Engineering").await;
    assert_ne!(anew, reference);
    crew.get(&format!("status/?provider=linear&binding_ref={anew}"))
        .await
        .expect(200);
}

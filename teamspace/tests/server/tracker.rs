//! The tracker API: who may ask, what is found and how it is paged, what a seed is.

use crate::crew::Crew;
use crate::house::{House, OWNER, text};
use kitty_teamspace::{AdministrationError, IssueSeed, NewAccount};
use serde_json::json;

/// The headers of a request.
type Headers<'a> = &'a [(&'a str, &'a str)];

#[actix_web::test]
async fn only_a_member_who_names_the_one_shared_team_is_let_in() {
    let crew = Crew::start().await;
    let path = "/api/v1/tracker/resources/?provider=linear";
    let bearer = format!("Bearer {}", crew.token);
    let cases: [(Headers<'_>, u16, &str); 5] = [
        (&[("x-team-slug", &crew.team_id)], 401, "token_missing"),
        (
            &[("authorization", "Bearer nonsense")],
            401,
            "token_invalid",
        ),
        (&[("authorization", &bearer)], 400, "missing_team"),
        (
            &[("authorization", &bearer), ("x-team-slug", "team_x")],
            403,
            "team_mismatch",
        ),
        (
            &[("authorization", &bearer), ("x-team-slug", "ann-private")],
            403,
            "team_mismatch",
        ),
    ];
    for (headers, status, code) in cases {
        let refused = crew.house.send("GET", path, headers, Vec::new()).await;
        let refused = refused.refuses(status, code);
        assert_eq!(refused["error_code"], code);
        assert!(refused["user_action_required"].is_boolean(), "{refused}");
    }
    crew.get("resources/?provider=linear").await.expect(200);
}

#[actix_web::test]
async fn an_account_needs_a_private_team_and_exactly_one_shared_team() {
    let house = House::start().await;
    let administration = house.server.administration();
    let two = NewAccount::new("two@example.com", "Two").with_private_team();
    let two = two.shared_team("a", "A").shared_team("b", "B");
    let none = NewAccount::new("none@example.com", "None").shared_team("a", "A");
    for account in [two, none] {
        administration.create_account(account).await.unwrap();
    }
    for email in [OWNER, "two@example.com", "none@example.com"] {
        let token = house.token(email).await;
        let answer = house
            .get("/api/v1/tracker/status/?provider=linear", &token)
            .await;
        let refused = answer.refuses(403, "collaborative_team_required");
        assert_eq!(refused["user_action_required"], true);
    }
}

#[actix_web::test]
async fn every_provider_lists_its_seeded_resources_and_others_are_unknown() {
    let crew = Crew::start().await;
    for (provider, label, kind) in [
        ("linear", "Engineering", "linear_team"),
        ("jira", "Operations", "jira_project"),
        ("github", "acme/demo-repo", "github_repository"),
        ("gitlab", "acme/demo-repo", "gitlab_project"),
    ] {
        let found = crew
            .get(&format!("resources/?provider={provider}"))
            .await
            .expect(200);
        let resource = &found["resources"][0];
        assert_eq!(resource["display_label"], label);
        assert_eq!(resource["provider"], provider);
        assert_eq!(resource["provider_context"]["resource_type"], kind);
        assert!(resource["candidate_token"].is_string());
        assert!(resource["binding_ref"].is_null());
    }
    for path in [
        "resources/",
        "resources/?provider=beads",
        "status/?provider=azure_devops",
    ] {
        crew.get(path).await.refuses(400, "unknown_provider");
    }
    crew.get("status/?provider=linear&provider=jira")
        .await
        .refuses(400, "repeated_parameter");
}

#[actix_web::test]
async fn status_tells_of_one_binding_by_reference_or_slug_and_of_all() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    for routing in [
        format!("binding_ref={reference}"),
        "project_slug=demo-repo".to_owned(),
    ] {
        let status = crew
            .get(&format!("status/?provider=linear&{routing}"))
            .await
            .expect(200);
        assert_eq!(status["binding_ref"], reference.as_str());
        assert_eq!(status["configured"], true);
        assert_eq!(status["sync_state"], "never_synced");
        assert_eq!(status["issue_count"], 3);
        assert_eq!(status["identity_path"]["provider"], "linear");
    }
    let all = crew.get("status/?provider=linear").await.expect(200);
    assert_eq!(all["connected"], true);
    assert_eq!(all["resource_count"], 1);
    assert_eq!(all["bindings"][0]["project_slug"], "demo-repo");
    let body = json!({"provider": "linear"});
    crew.post("pull/", &body)
        .await
        .refuses(400, "missing_routing_key");
}

#[actix_web::test]
async fn a_pull_pages_through_every_issue_once_and_filters_them() {
    let crew = Crew::start().await;
    crew.seed_many(25).await;
    let reference = crew.bind("jira", "Big").await;
    let mut seen = Vec::new();
    let mut cursor = serde_json::Value::Null;
    loop {
        let body = json!({
            "provider": "jira", "binding_ref": reference, "limit": 10, "cursor": cursor,
        });
        let page = crew.post("pull/", &body).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(page["summary"]["total"], items.len());
        assert_eq!(page["status"], "complete");
        seen.extend(items.iter().map(|item| text(&item["identifier"])));
        cursor = page["next_cursor"].clone();
        assert_eq!(page["has_more"], !cursor.is_null());
        if cursor.is_null() {
            break;
        }
    }
    let expected: Vec<String> = (1..=25).map(|number| format!("BIG-{number}")).collect();
    assert_eq!(seen, expected);
    let linear = crew.bind("linear", "Engineering").await;
    for (filters, count) in [
        (json!({"status": "done"}), 1),
        (json!({"assignee": "ann"}), 1),
        (json!({"updated_since": "2026-11-10T00:00:00Z"}), 2),
        (json!({"status": "nothing' OR 1=1"}), 0),
    ] {
        let body = json!({"provider": "linear", "binding_ref": linear, "filters": filters});
        let page = crew.post("pull/", &body).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{filters}");
    }
    for (member, value, code) in [
        ("limit", json!(0), "invalid_field"),
        ("limit", json!(10_001), "invalid_field"),
        ("limit", json!("5"), "invalid_field"),
        ("cursor", json!("somewhere"), "invalid_cursor"),
        ("cursor", json!("change:-1"), "invalid_cursor"),
        ("filters", json!([]), "invalid_field"),
        ("filters", json!({"color": "red"}), "invalid_filter"),
        (
            "filters",
            json!({"updated_since": "yesterday"}),
            "invalid_filter",
        ),
    ] {
        let mut body = json!({"provider": "linear", "binding_ref": linear});
        body[member] = value;
        crew.post("pull/", &body).await.refuses(400, code);
    }
}

#[actix_web::test]
async fn a_search_finds_a_key_alone_a_text_anywhere_and_no_wildcards() {
    let crew = Crew::start().await;
    let search = async |extra: serde_json::Value| {
        let mut body = json!({"provider": "linear", "limit": 20});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        crew.post("issue-search/", &body).await.expect(200)
    };
    let exact = search(json!({"query_key": "eng-2", "query_text": "eng-2"})).await;
    assert_eq!(exact["candidates"].as_array().unwrap().len(), 1);
    let found = &exact["candidates"][0];
    assert_eq!(found["match_type"], "exact");
    assert_eq!(found["external_issue_key"], "ENG-2");
    assert_eq!(found["state"]["name"], "todo");
    assert_eq!(found["status"], "todo");
    assert_eq!(exact["resource_type"], "linear_team");
    let by_text = search(json!({"query_text": "DEVICE code"})).await;
    assert_eq!(by_text["candidates"][0]["identifier"], "ENG-1");
    assert_eq!(by_text["candidates"][0]["match_type"], "text");
    for nothing in ["%", "_", "' OR ''='", "\\"] {
        let none = search(json!({"query_text": nothing})).await;
        assert_eq!(none["candidates"], json!([]), "{nothing}");
    }
    let body = json!({"provider": "linear"});
    crew.post("issue-search/", &body)
        .await
        .refuses(400, "invalid_field");
    let tickets = crew
        .post("list-tickets/", &json!({"provider": "linear", "limit": 2}))
        .await;
    let tickets = tickets.expect(200);
    let keys: Vec<_> = tickets["tickets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["identifier"])
        .collect();
    assert_eq!(
        keys,
        ["ENG-1", "ENG-2"],
        "the one that changed last is first"
    );
}

#[actix_web::test]
async fn what_is_not_json_or_too_large_or_of_another_type_is_refused_and_never_panics() {
    let crew = Crew::start().await;
    let bearer = format!("Bearer {}", crew.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-team-slug", &crew.team_id),
        ("idempotency-key", "k"),
    ];
    let deep = "[".repeat(100_000);
    let bodies: Vec<(Vec<u8>, u16)> = vec![
        (b"".to_vec(), 400),
        (b"{".to_vec(), 400),
        (b"[]".to_vec(), 400),
        (b"\"x\"".to_vec(), 400),
        (vec![0xff, 0xfe], 400),
        (deep.into_bytes(), 400),
        (b"{}".to_vec(), 400),
        (b"{\"provider\": 5}".to_vec(), 400),
        (
            b"{\"provider\": \"linear\", \"binding_ref\": [\"x\"]}".to_vec(),
            400,
        ),
        (vec![b' '; 1024 * 1024 + 1], 413),
    ];
    for path in [
        "pull/",
        "push/",
        "run/",
        "bind-resolve/",
        "bind-confirm/",
        "bind-validate/",
        "issue-search/",
        "list-tickets/",
        "mission-origin/bind/",
    ] {
        for (body, status) in &bodies {
            let path = format!("/api/v1/tracker/{path}");
            let answer = crew.house.send("POST", &path, &headers, body.clone()).await;
            let body = answer.expect(*status);
            assert!(body["error_code"].is_string() && body["message"].is_string());
        }
        let path = format!("/api/v1/tracker/{path}");
        let answer = crew.house.send("GET", &path, &headers, Vec::new()).await;
        answer.refuses(405, "method_not_allowed");
    }
}

#[actix_web::test]
async fn a_seed_is_taken_whole_or_not_at_all_and_twice_changes_nothing_twice() {
    let crew = Crew::start().await;
    let administration = crew.house.server.administration();
    let again = administration
        .seed_issues("crew", &IssueSeed::sample().unwrap())
        .await
        .unwrap();
    assert_eq!((again.resources, again.added, again.changed), (4, 0, 12));
    for (seed, word) in [
        ("{", "EOF"),
        (
            r#"{"resources": [{"provider": "beads", "key": "X"}]}"#,
            "none of linear",
        ),
        (
            r#"{"resources": [{"provider": "jira", "key": ""}]}"#,
            "key of a resource",
        ),
        (r#"{"resources": [], "more": 1}"#, "unknown field"),
        (
            r#"{"resources": [{"provider": "jira", "key": "X", "issues": [{"title": "t", "created_at": "now"}]}]}"#,
            "RFC 3339",
        ),
    ] {
        let error = IssueSeed::parse(seed).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let torn = r#"{"resources": [{"provider": "jira", "key": "NEW", "issues": [
        {"title": "a", "key": "NEW-1", "id": "1"}, {"title": "b", "key": "NEW-1", "id": "2"}]}]}"#;
    let torn = IssueSeed::parse(torn).unwrap();
    let refused = administration.seed_issues("crew", &torn).await;
    assert!(matches!(refused, Err(AdministrationError::Seed(_))));
    let unknown = administration.seed_issues("nobody", &torn).await;
    assert!(matches!(unknown, Err(AdministrationError::UnknownTeam(_))));
    let listed = crew.get("resources/?provider=jira").await.expect(200);
    assert_eq!(listed["resources"].as_array().unwrap().len(), 1);
}

//! Writes to the tracker: pushes, runs, origins, idempotency and operations.

use crate::crew::Crew;
use crate::house::{send, text};
use futures_util::future::join_all;
use serde_json::{Value, json};

async fn push(crew: &Crew, reference: &str, items: Value) -> Value {
    let body = json!({"provider": "linear", "binding_ref": reference, "items": items});
    crew.post("push/", &body).await.expect(200)
}

#[actix_web::test]
async fn a_push_creates_updates_and_moves_issues_and_names_what_failed() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let pushed = push(
        &crew,
        &reference,
        json!([
            {"action": "create", "patch": {"title": "New", "labels": ["a"]}, "wp_id": "WP01"},
            {"ref": {"key": "ENG-1"}, "action": "update", "patch": {"assignee": null}},
            {"ref": "ENG-2", "action": "transition", "target_status": "done"},
            {"ref": "ENG-2", "action": "transition", "target_status": "done"},
            {"ref": {"identifier": "ENG-99"}, "action": "update", "patch": {"title": "x"}},
            {"ref": "ENG-1", "action": "delete"},
            {"ref": "ENG-1", "action": "update", "patch": {"color": "red"}},
            {"action": "create", "patch": {}},
            "nonsense",
        ]),
    )
    .await;
    assert_eq!(pushed["status"], "partial");
    assert_eq!(
        pushed["summary"],
        json!({"total": 9, "succeeded": 3, "failed": 5, "skipped": 1})
    );
    let items = pushed["items"].as_array().unwrap();
    assert_eq!(items[0]["external_issue_key"], "ENG-4");
    let codes: Vec<&str> = items
        .iter()
        .filter_map(|item| item["error_code"].as_str())
        .collect();
    let expected = [
        "issue_not_found",
        "unsupported_action",
        "invalid_item",
        "invalid_item",
        "invalid_item",
    ];
    assert_eq!(codes, expected);
    let body = json!({"provider": "linear", "query_key": "ENG-1"});
    let issue = crew.post("issue-search/", &body).await.expect(200);
    assert!(issue["candidates"][0]["assignee"].is_null());
    let path = format!("mappings/?provider=linear&binding_ref={reference}");
    let mappings = crew.get(&path).await.expect(200);
    assert_eq!(mappings["mappings"][0]["wp_id"], "WP01");
    assert_eq!(mappings["mappings"][0]["system"], "linear");
    assert_eq!(mappings["mappings"][0]["external_key"], "ENG-4");
    let everything = crew.get("mappings/?provider=linear").await.expect(200);
    assert_eq!(everything["mappings"], mappings["mappings"]);
}

#[actix_web::test]
async fn a_write_without_a_key_is_refused_and_a_read_needs_none() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let body = json!({"provider": "linear", "binding_ref": reference, "items": []});
    for key in ["", &"k".repeat(513)] {
        for path in ["push/", "run/", "bind-confirm/", "mission-origin/bind/"] {
            let refused = crew.post_as(path, key, &body).await;
            refused.refuses(400, "idempotency_key_required");
        }
    }
    crew.post_as("pull/", "", &body).await.expect(200);
}

#[actix_web::test]
async fn a_repeated_key_gets_the_first_answer_and_another_key_a_new_one() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let create = json!([{"action": "create", "patch": {"title": "Once"}}]);
    let body = json!({"provider": "linear", "binding_ref": reference, "items": create});
    let first = crew.post_as("push/", "one", &body).await;
    let again = crew.post_as("push/", "one", &body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // The key stands for the operation, whatever the repetition contains.
    let other = json!({"provider": "linear", "binding_ref": reference, "items": []});
    assert_eq!(crew.post_as("push/", "one", &other).await.body, first.body);
    let second = crew.post_as("push/", "two", &body).await.expect(200);
    assert_ne!(second["items"], first.json()["items"]);
    // Another endpoint has keys of its own.
    let run = json!({"provider": "linear", "binding_ref": reference});
    let run = crew.post_as("run/", "one", &run).await.expect(200);
    assert_eq!(run["summary"]["total"], 5);
}

#[actix_web::test]
async fn a_refusal_is_not_kept_under_its_key() {
    let crew = Crew::start().await;
    let body = json!({"provider": "linear", "project_slug": "demo-repo", "items": []});
    crew.post_as("push/", "one", &body)
        .await
        .refuses(404, "binding_not_found");
    crew.bind("linear", "Engineering").await;
    crew.post_as("push/", "one", &body).await.expect(200);
}

#[actix_web::test]
async fn a_key_that_is_used_by_many_at_once_changes_things_once() {
    let crew = Crew::start_with(|options| options.workers = 4).await;
    let reference = crew.bind("linear", "Engineering").await;
    let create = json!([{"action": "create", "patch": {"title": "Once"}}]);
    let body = json!({"provider": "linear", "binding_ref": reference, "items": create});
    let answers = join_all((0..24).map(|_| crew.post_as("push/", "same", &body))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.body, answers[0].body);
    }
    let own = join_all((0..24).map(|_| crew.post("push/", &body))).await;
    let mut keys: Vec<String> = own
        .iter()
        .map(|answer| text(&answer.expect(200)["items"][0]["external_issue_key"]))
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 24);
    let status = crew
        .get(&format!("status/?provider=linear&binding_ref={reference}"))
        .await;
    assert_eq!(status.expect(200)["issue_count"], 3 + 1 + 24);
}

#[actix_web::test]
async fn a_run_takes_in_what_changed_since_the_last_one() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let body = json!({
        "provider": "linear", "binding_ref": reference, "pull_first": true, "limit": 2,
    });
    let run = async || crew.post("run/", &body).await.expect(200);
    let first = run().await;
    assert_eq!(first["summary"]["total"], 2);
    assert_eq!(first["has_more"], true);
    assert_eq!(run().await["summary"]["total"], 1);
    assert_eq!(run().await["summary"]["total"], 0);
    push(
        &crew,
        &reference,
        json!([
            {"ref": "ENG-3", "action": "update", "patch": {"title": "Changed"}}
        ]),
    )
    .await;
    let without = json!({"provider": "linear", "binding_ref": reference, "pull_first": false});
    assert_eq!(
        crew.post("run/", &without).await.expect(200)["summary"]["total"],
        0
    );
    assert_eq!(run().await["summary"]["total"], 1);
    let status = crew
        .get(&format!("status/?provider=linear&binding_ref={reference}"))
        .await;
    let status = status.expect(200);
    assert_eq!(status["sync_state"], "synced");
    assert!(status["last_synced_at"].is_string());
}

#[actix_web::test]
async fn large_work_is_an_operation_that_completes_and_is_shown_to_its_team_only() {
    let crew = Crew::start_with(|options| options.limits.max_inline_tracker_items = Some(2)).await;
    let reference = crew.bind("linear", "Engineering").await;
    let body = json!({"provider": "linear", "binding_ref": reference});
    let accepted = crew.post_as("run/", "large", &body).await.expect(202);
    assert_eq!(accepted["status"], "pending");
    assert_eq!(
        crew.post_as("run/", "large", &body).await.expect(202),
        accepted
    );
    let operation_id = text(&accepted["operation_id"]);
    let done = crew.finished(&operation_id).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["operation_id"], operation_id.as_str());
    assert_eq!(done["result"]["summary"]["total"], 3);
    assert_eq!(done["result"]["binding_ref"], reference.as_str());
    crew.get("operations/operation_x/")
        .await
        .refuses(404, "operation_not_found");
    let small = json!({"provider": "linear", "binding_ref": reference, "limit": 2});
    crew.post("run/", &small).await.expect(200);
    let stranger = kitty_teamspace::NewAccount::new("eve@example.com", "Eve")
        .with_private_team()
        .shared_team("others", "Others");
    crew.house
        .server
        .administration()
        .create_account(stranger)
        .await
        .unwrap();
    let bearer = format!("Bearer {}", crew.house.token("eve@example.com").await);
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-team-slug", "others"),
    ];
    let path = format!("/api/v1/tracker/operations/{operation_id}/");
    let hidden = crew.house.send("GET", &path, &headers, Vec::new()).await;
    hidden.refuses(404, "operation_not_found");
}

#[actix_web::test]
async fn an_operation_that_a_stopped_server_left_is_finished_by_the_next() {
    let crew = Crew::start_with(|options| options.limits.max_inline_tracker_items = None).await;
    let reference = crew.bind("linear", "Engineering").await;
    let items = json!([{"ref": "ENG-1", "action": "transition", "target_status": "done"}]);
    let body = json!({"provider": "linear", "binding_ref": reference, "items": items});
    let accepted = crew.post("push/", &body).await.expect(202);
    let operation_id = text(&accepted["operation_id"]);
    let (token, team_id) = (crew.token.clone(), crew.team_id.clone());
    let house = crew.house.restart().await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-team-slug", team_id.as_str()),
    ];
    let url = house.url(&format!("/api/v1/tracker/operations/{operation_id}/"));
    let asking = async {
        loop {
            let operation = send(&house.client, "GET", &url, &headers, Vec::new()).await;
            let operation = operation.expect(200);
            if operation["status"] == "completed" {
                return operation;
            }
            actix_web::rt::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(30);
    let done = actix_web::rt::time::timeout(deadline, asking)
        .await
        .unwrap();
    let summary = &done["result"]["summary"];
    assert_eq!(summary["succeeded"], 1, "it is carried out once: {done}");
}

#[actix_web::test]
async fn a_mission_keeps_the_issue_it_began_with() {
    let crew = Crew::start().await;
    let reference = crew.bind("linear", "Engineering").await;
    let found = json!({"provider": "linear", "query_text": "e", "limit": 20});
    let found = crew.post("issue-search/", &found).await.expect(200);
    let issue = |number: usize| found["candidates"][number].clone();
    let body = |issue: &Value| {
        json!({
            "provider": "linear", "binding_ref": reference,
            "mission_id": "01M7XAS67MT30DH0DY00000001", "mission_slug": "third-thing",
            "external_issue_id": issue["external_issue_id"],
            "external_issue_key": issue["external_issue_key"],
            "external_issue_url": issue["url"],
            "external_title": issue["title"], "external_status": issue["status"],
        })
    };
    let bound = crew
        .post("mission-origin/bind/", &body(&issue(0)))
        .await
        .expect(200);
    assert_eq!(
        (bound["status"].as_str(), &bound["created"]),
        (Some("bound"), &json!(true))
    );
    let again = crew
        .post("mission-origin/bind/", &body(&issue(0)))
        .await
        .expect(200);
    assert_eq!(again["created"], false);
    assert_eq!(again["bound_at"], bound["bound_at"]);
    crew.post("mission-origin/bind/", &body(&issue(1)))
        .await
        .refuses(409, "origin_conflict");
    let unknown = body(&json!({
        "external_issue_id": "issue_x", "external_issue_key": "X", "title": "t"
    }));
    crew.post("mission-origin/bind/", &unknown)
        .await
        .refuses(404, "issue_not_found");
    let mappings = crew.get("mappings/?provider=linear").await.expect(200);
    assert_eq!(
        mappings["mission_origins"][0]["mission_slug"],
        "third-thing"
    );
}

#[actix_web::test]
async fn too_many_items_are_refused_and_the_limit_itself_is_not() {
    let crew = Crew::start_with(|options| options.limits.max_tracker_items = 3).await;
    let reference = crew.bind("linear", "Engineering").await;
    for (count, status) in [(3, 200), (4, 413)] {
        let items = vec![json!({}); count];
        let body = json!({"provider": "linear", "binding_ref": reference, "items": items});
        crew.post("push/", &body).await.expect(status);
    }
    let body = json!({"provider": "linear", "binding_ref": reference, "items": {}});
    crew.post("push/", &body)
        .await
        .refuses(400, "invalid_field");
}

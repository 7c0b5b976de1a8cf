//! Contents of artifacts: which are taken, which are refused, and in whose words.

use crate::house::{Answer, House, OWNER, PROJECT, event};
use kitty_teamspace::NewAccount;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MISSION: &str = "third-thing-01M7XAND";

fn hash(content: &str) -> String {
    hex::encode(Sha256::digest(content.as_bytes()))
}

fn upload(path: &str, content: &str) -> Value {
    json!({
        "admission_generation": 1,
        "artifact_path": path,
        "binding_audience": "local-nonstrict:http://127.0.0.1",
        "build_id": "c4ad781d-049b-5533-a459-64c1ad68b1ce",
        "content_body": content,
        "content_hash": hash(content),
        "hash_algorithm": "sha256",
        "manifest_version": "1",
        "mission_slug": MISSION,
        "mission_type": "software-dev",
        "project_uuid": PROJECT,
        "target_branch": "main",
    })
}

/// The event that names a content.
fn indexed(number: usize, upload: &Value) -> String {
    let mut event = event(number);
    let path = upload["artifact_path"].as_str().unwrap();
    event["aggregate_type"] = json!("MissionDossier");
    event["aggregate_id"] = json!(format!("{MISSION}:{path}"));
    event["event_type"] = json!("MissionDossierArtifactIndexed");
    event["payload"] = json!({
        "artifact_id": {"artifact_class": "input", "mission_type": "software-dev", "path": path},
        "content_ref": {"algorithm": "sha256", "hash": upload["content_hash"]},
        "indexed_at": "2026-11-20T20:00:00+00:00",
        "namespace": {
            "manifest_version": "1", "mission_slug": MISSION, "mission_type": "software-dev",
            "project_uuid": PROJECT, "target_branch": "main"
        },
    });
    event.to_string()
}

async fn push(house: &House, token: &str, upload: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-spec-kitty-sync-protocol", "2.0"),
    ];
    let path = "/api/dossier/push-content/";
    house
        .send("POST", path, &headers, upload.to_string().into())
        .await
}

fn content_of(path: &str) -> String {
    format!("/api/v1/bodies/content?project={PROJECT}&mission={MISSION}&path={path}")
}

#[actix_web::test]
async fn a_content_is_stored_once_after_its_event_and_served_back_byte_for_byte() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let text = "# Grüße \u{1f600}\r\n\u{1}";
    let first = upload("spec.md", text);
    push(&house, &token, &first)
        .await
        .refuses(404, "index_entry_not_found");
    house.deliver(&token, &[indexed(1, &first)]).await;
    let stored = push(&house, &token, &first).await.expect(201);
    let echo = json!({
        "status": "stored", "artifact_path": "spec.md", "content_hash": hash(text),
    });
    assert_eq!(stored, echo);
    let again = push(&house, &token, &first).await.expect(200);
    assert_eq!(again["status"], "already_exists");
    // The same content elsewhere needs an event of its own.
    let elsewhere = upload("plan.md", text);
    push(&house, &token, &elsewhere)
        .await
        .refuses(404, "index_entry_not_found");
    let newer = upload("spec.md", "# Newer\n");
    house
        .deliver(&token, &[indexed(2, &elsewhere), indexed(3, &newer)])
        .await;
    push(&house, &token, &elsewhere).await.expect(201);
    push(&house, &token, &newer).await.expect(201);
    let house = house.restart().await;
    let token = house.token(OWNER).await;
    assert_eq!(house.get(&content_of("plan.md"), &token).await.text(), text);
    assert_eq!(
        house.get(&content_of("spec.md"), &token).await.text(),
        "# Newer\n"
    );
    let older = format!("{}&hash={}", content_of("spec.md"), hash(text));
    assert_eq!(house.get(&older, &token).await.text(), text);
    let listed = house
        .get("/api/v1/bodies?limit=2", &token)
        .await
        .expect(200);
    assert_eq!(listed["bodies"].as_array().unwrap().len(), 2);
    assert_eq!(listed["has_more"], true);
    let rest = format!("/api/v1/bodies?after={}", listed["next_after"]);
    let rest = house.get(&rest, &token).await.expect(200);
    assert_eq!(rest["bodies"][0]["content_hash"], hash("# Newer\n"));
    assert_eq!(rest["bodies"][0]["build_id"], first["build_id"]);
    house
        .get(&content_of("tasks.md"), &token)
        .await
        .refuses(404, "body_not_found");
}

#[actix_web::test]
async fn what_is_not_right_is_refused_by_name_and_stores_nothing() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let good = upload("spec.md", "# Spec\n");
    house.deliver(&token, &[indexed(1, &good)]).await;
    let large = "x".repeat(512 * 1024 + 1);
    for (key, value, named) in [
        ("content_hash", json!(hash("other")), "content_hash"),
        ("content_body", json!("other"), "content_hash"),
        ("content_body", json!(7), "content_body"),
        ("content_body", json!(large), "content_body"),
        ("hash_algorithm", json!("md5"), "hash_algorithm"),
        ("artifact_path", json!("../spec.md"), "artifact_path"),
        ("artifact_path", json!("/etc/passwd"), "artifact_path"),
        ("mission_slug", json!(""), "mission_slug"),
        ("mission_key", json!("old"), "mission_key"),
    ] {
        let mut wrong = good.clone();
        wrong[key] = value;
        let refused = push(&house, &token, &wrong)
            .await
            .refuses(400, "invalid_body");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{key}: {detail}");
    }
    for key in ["project_uuid", "admission_generation", "manifest_version"] {
        let mut wrong = good.clone();
        wrong.as_object_mut().unwrap().remove(key);
        let refused = push(&house, &token, &wrong)
            .await
            .refuses(400, "invalid_body");
        assert!(
            refused["detail"].as_str().unwrap().contains(key),
            "{refused}"
        );
    }
    push(&house, "nonsense", &good)
        .await
        .refuses(401, "token_invalid");
    let bearer = format!("Bearer {token}");
    let path = "/api/dossier/push-content/";
    house
        .send(
            "POST",
            path,
            &[("authorization", &bearer)],
            good.to_string().into(),
        )
        .await
        .refuses(412, "sync_protocol_unsupported");
    let listed = house.get("/api/v1/bodies", &token).await.expect(200);
    assert_eq!(listed["bodies"], json!([]));
}

#[actix_web::test]
async fn only_a_private_teamspace_takes_contents_and_no_team_sees_those_of_another() {
    let house = House::start().await;
    let administration = house.server.administration();
    let ann = NewAccount::new("ann@example.com", "Ann").shared_team("crew", "The crew");
    administration.create_account(ann).await.unwrap();
    let bob = NewAccount::new("bob@example.com", "Bob").with_private_team();
    administration.create_account(bob).await.unwrap();
    let good = upload("spec.md", "# Spec\n");
    let ann = house.token("ann@example.com").await;
    let refused = push(&house, &ann, &good).await;
    let refused = refused.refuses(403, "direct_ingress_missing_private_team");
    assert_eq!(refused["artifact_path"], "spec.md");
    assert_eq!(refused["content_hash"], good["content_hash"]);
    let owner = house.token(OWNER).await;
    house.deliver(&owner, &[indexed(1, &good)]).await;
    push(&house, &owner, &good).await.expect(201);
    let bob = house.token("bob@example.com").await;
    push(&house, &bob, &good)
        .await
        .refuses(404, "index_entry_not_found");
    house
        .get(&content_of("spec.md"), &bob)
        .await
        .refuses(404, "body_not_found");
}

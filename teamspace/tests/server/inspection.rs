//! What a release gate reads: health, historical rows, snapshots; and who may read them.

use crate::house::{House, OWNER, event, id, text, wire};
use kitty_teamspace::NewAccount;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

const FAILURES: &str = "/api/v1/admin/failures";
const SNAPSHOT: &str = "/api/v1/admin/snapshot";

/// An event under the id of another, which no rule lets in.
fn divergent(number: usize) -> String {
    let mut event = event(number);
    event["git_branch"] = json!("another");
    event.to_string()
}

async fn ready(house: &House) -> (u16, Value) {
    let answer = house.send("GET", "/health/ready/", &[], Vec::new()).await;
    (answer.status, answer.json())
}

/// Another program on the same database.
async fn beside(house: &House) -> SqliteConnection {
    let path = house.directory.path().join("data/teamspace.db");
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[actix_web::test]
async fn health_tells_the_packages_and_readiness_counts_by_class() {
    let house = House::start().await;
    let live = house
        .send("GET", "/health/", &[], Vec::new())
        .await
        .expect(200);
    assert_eq!(live["status"], "ok");
    assert!(text(&live["spec_kitty_events"]).contains('.'), "{live}");
    for key in [
        "service",
        "version",
        "git_sha",
        "build_timestamp",
        "environment",
    ] {
        assert!(live.get(key).is_some(), "{key}: {live}");
    }
    let (status, document) = ready(&house).await;
    assert_eq!((status, &document["status"]), (200, &json!("ready")));
    let dependencies = document["dependencies"].as_object().unwrap();
    for name in [
        "postgres",
        "redis",
        "channel_layer",
        "celery_broker",
        "drain_queue",
    ] {
        assert_eq!(dependencies[name]["status"], "ok", "{name}");
    }
    let drain = &dependencies["drain_queue"];
    assert_eq!(drain["terminal_failed_count"], 0);
    assert_eq!(drain["business_rule_rejected_count"], 0);

    let token = house.token(OWNER).await;
    house
        .deliver(&token, &[wire(1), divergent(1), wire(2), divergent(2)])
        .await;
    // The same refusal is one row, however often the client asks.
    house.deliver(&token, &[divergent(1)]).await;
    let (status, document) = ready(&house).await;
    assert_eq!(
        status, 200,
        "what a rule refused does not make the server unwell"
    );
    let drain = &document["dependencies"]["drain_queue"];
    assert_eq!(drain["business_rule_rejected_count"], 2);

    let mut other = beside(&house).await;
    let failed = "INSERT INTO failures (team_id, event_id, failure_class, category, message, failed_at) \
                  SELECT team_id, 'x', 'infra', 'lost', 'lost', 1 FROM teams LIMIT 1";
    sqlx::raw_sql(failed).execute(&mut other).await.unwrap();
    let (status, document) = ready(&house).await;
    assert_eq!((status, &document["status"]), (503, &json!("degraded")));
    let drain = &document["dependencies"]["drain_queue"];
    assert_eq!(drain["status"], "degraded");
    assert_eq!(drain["reason"], "terminal_failed_count_exceeded");
    assert_eq!(drain["terminal_failed_count"], 1);
}

#[actix_web::test]
async fn a_preflight_writes_no_history() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    house.deliver(&token, &[wire(1)]).await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-spec-kitty-sync-protocol", "2.0"),
    ];
    let body = format!("{{\"events\":[{}]}}", divergent(1)).into_bytes();
    let path = "/api/v1/events/preflight/";
    let told = house.send("POST", path, &headers, body).await.expect(200);
    assert_eq!(told["accepted"], false);
    assert_eq!(house.get(FAILURES, &token).await.expect(200)["count"], 0);
}

#[actix_web::test]
async fn historical_rows_are_listed_in_pages_and_nobody_can_change_them() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let events: Vec<String> = (1..=3).flat_map(|it| [wire(it), divergent(it)]).collect();
    house.deliver(&token, &events).await;
    let before = house.get(FAILURES, &token).await.expect(200);
    assert_eq!(before["count"], 3);
    let row = &before["rows"][0];
    assert_eq!(row["event_id"], id(1));
    assert_eq!(row["failure_class"], "business_rule");
    assert_eq!(row["category"], "divergent_duplicate");

    let first = house
        .get(&format!("{FAILURES}?limit=2"), &token)
        .await
        .expect(200);
    assert_eq!(
        (first["rows"].as_array().unwrap().len(), &first["has_more"]),
        (2, &json!(true))
    );
    let rest = format!("{FAILURES}?limit=2&after={}", first["next_after"]);
    let rest = house.get(&rest, &token).await.expect(200);
    assert_eq!(
        (&rest["rows"][0], &rest["has_more"]),
        (&before["rows"][2], &json!(false))
    );
    assert_eq!(
        rest["digest"], before["digest"],
        "the digest is over all rows"
    );

    let mut other = beside(&house).await;
    for change in [
        "UPDATE failures SET message = 'nothing happened'",
        "DELETE FROM failures",
    ] {
        let refused = sqlx::raw_sql(change).execute(&mut other).await.unwrap_err();
        assert!(refused.to_string().contains("historical row"), "{refused}");
    }
    let house = house.restart().await;
    let token = house.token(OWNER).await;
    assert_eq!(house.get(FAILURES, &token).await.expect(200), before);
    let infra = house.get(&format!("{FAILURES}?class=infra"), &token).await;
    assert_eq!(infra.expect(200)["count"], 0);
    let unknown = house.get(&format!("{FAILURES}?class=x"), &token).await;
    unknown.refuses(400, "invalid_class");
}

#[actix_web::test]
async fn a_snapshot_shows_every_change_and_proves_that_the_past_stayed() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    house.deliver(&token, &[wire(1), wire(2)]).await;
    let before = house.get(SNAPSHOT, &token).await.expect(200);
    assert_eq!(
        (&before["events"], &before["foreign_events"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        house.get(SNAPSHOT, &token).await.expect(200),
        before,
        "reading changes nothing"
    );

    house.deliver(&token, &[wire(3)]).await;
    let after = house.get(SNAPSHOT, &token).await.expect(200);
    assert_eq!(after["events"], 3);
    assert_ne!(after["events_digest"], before["events_digest"]);
    let past = format!("{SNAPSHOT}?through={}", before["last_sequence"]);
    let through = house.get(&past, &token).await.expect(200);
    assert_eq!(through["events_digest"], before["events_digest"]);

    let mut other = beside(&house).await;
    let change =
        "UPDATE events SET envelope = replace(envelope, 'claude', 'nobody') WHERE sequence = 1";
    sqlx::raw_sql(change).execute(&mut other).await.unwrap();
    let through = house.get(&past, &token).await.expect(200);
    assert_ne!(through["events_digest"], before["events_digest"]);
    assert_eq!(through["events"], before["events"]);

    house.deliver(&token, &[divergent(3)]).await;
    let refused = house.get(SNAPSHOT, &token).await.expect(200);
    assert_eq!(refused["failures"], 1);
    assert_ne!(refused["failures_digest"], after["failures_digest"]);
}

#[actix_web::test]
async fn nobody_inspects_another_team_nor_a_shared_one_as_a_mere_member() {
    let house = House::start().await;
    let administration = house.server.administration();
    let ann = NewAccount::new("ann@example.com", "Ann")
        .with_private_team()
        .shared_team("crew", "The crew");
    administration.create_account(ann).await.unwrap();
    let (owner, ann) = (
        house.token(OWNER).await,
        house.token("ann@example.com").await,
    );
    house.deliver(&owner, &[wire(1), divergent(1)]).await;
    let team = text(&house.get(SNAPSHOT, &owner).await.expect(200)["team_id"]);
    for path in [FAILURES, SNAPSHOT] {
        let named = format!("{path}?team={team}");
        house.get(&named, &owner).await.expect(200);
        house.get(&named, &ann).await.refuses(404, "team_not_found");
        let mine = house.get(path, &ann).await.expect(200);
        assert_ne!(mine["team_id"], team.as_str());
        let count = mine.get("count").unwrap_or(&mine["failures"]);
        assert_eq!(*count, 0, "{mine}");
        let crew = house.get(&format!("{path}?team=crew"), &ann).await;
        crew.refuses(403, "not_an_owner");
        let nobody = house.send("GET", path, &[], Vec::new()).await;
        nobody.refuses(401, "token_missing");
        let writing = house.send("POST", path, &[], Vec::new()).await;
        writing.refuses(405, "method_not_allowed");
    }
}

//! Sessions: rotation, replay, revocation, expiry.

use crate::house::{House, OWNER, refresh, text};
use actix_web::rt::spawn;
use std::fs;
use std::time::Duration;

#[actix_web::test]
async fn a_refresh_rotates_the_pair_and_counts_the_generation() {
    let house = House::start().await;
    let first = house.login(OWNER).await;
    let second = house
        .refresh(&text(&first["refresh_token"]))
        .await
        .expect(200);
    assert_eq!(second["generation"], 2);
    assert_eq!(second["session_id"], first["session_id"]);
    assert_eq!(second["scope"], "offline_access");
    assert_eq!(second["expires_in"], 3_600);
    assert_eq!(second["refresh_token_expires_in"], 30 * 24 * 3_600);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    for pair in [&first, &second] {
        house
            .get("/api/v1/me", &text(&pair["access_token"]))
            .await
            .expect(200);
    }
    let third = house
        .refresh(&text(&second["refresh_token"]))
        .await
        .expect(200);
    assert_eq!(third["generation"], 3);
}

#[actix_web::test]
async fn a_replay_within_the_grace_is_told_to_retry_and_harms_nothing() {
    let house = House::start().await;
    let first = house.login(OWNER).await;
    let second = house
        .refresh(&text(&first["refresh_token"]))
        .await
        .expect(200);
    house.time.pass(Duration::from_secs(30));
    let replayed = house.refresh(&text(&first["refresh_token"])).await;
    replayed.refuses(409, "refresh_replay_benign_retry");
    house
        .refresh(&text(&second["refresh_token"]))
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_replay_after_the_grace_ends_the_whole_family() {
    let house = House::start().await;
    let first = house.login(OWNER).await;
    let other = house.login(OWNER).await;
    let second = house
        .refresh(&text(&first["refresh_token"]))
        .await
        .expect(200);
    house.time.pass(Duration::from_millis(30_001));
    house
        .refresh(&text(&first["refresh_token"]))
        .await
        .refuses(400, "invalid_grant");
    house
        .refresh(&text(&second["refresh_token"]))
        .await
        .refuses(400, "session_invalid");
    for pair in [&first, &second] {
        let access = text(&pair["access_token"]);
        house
            .get("/api/v1/me", &access)
            .await
            .refuses(401, "session_invalid");
    }
    house
        .get("/api/v1/me", &text(&other["access_token"]))
        .await
        .expect(200);
}

#[actix_web::test]
async fn of_fifty_refreshes_at_once_exactly_one_succeeds() {
    let house = House::start_with(|options| options.workers = 2).await;
    let token = text(&house.login(OWNER).await["refresh_token"]);
    let url = house.url("/oauth/token");
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (client, url, token) = (crate::house::client(), url.clone(), token.clone());
            spawn(async move { refresh(&client, &url, &token).await })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let answer = task.await.unwrap();
        match answer.status {
            200 => winners.push(answer.json()),
            _ => drop(answer.refuses(409, "refresh_replay_benign_retry")),
        }
    }
    assert_eq!(winners.len(), 1);
    let access = text(&winners[0]["access_token"]);
    house.get("/api/v1/me", &access).await.expect(200);
}

#[actix_web::test]
async fn a_revoked_session_is_over_and_revoking_is_idempotent() {
    let house = House::start().await;
    for kind in ["refresh_token", "access_token"] {
        let pair = house.login(OWNER).await;
        let token = text(&pair[kind]);
        for _ in 0..2 {
            let fields = [("token", token.as_str()), ("token_type_hint", kind)];
            let revoked = house.form("/oauth/revoke", &fields).await.expect(200);
            assert_eq!(revoked["revoked"], true);
        }
        let access = text(&pair["access_token"]);
        house
            .get("/api/v1/me", &access)
            .await
            .refuses(401, "session_invalid");
        house
            .refresh(&text(&pair["refresh_token"]))
            .await
            .refuses(400, "session_invalid");
    }
    let unknown = house
        .form("/oauth/revoke", &[("token", "never seen")])
        .await
        .expect(200);
    assert_eq!(unknown["revoked"], true);
}

#[actix_web::test]
async fn tokens_expire_and_say_so() {
    let house = House::start().await;
    let pair = house.login(OWNER).await;
    let access = text(&pair["access_token"]);
    let status = house
        .get("/api/v1/session-status", &access)
        .await
        .expect(200);
    assert_eq!(status["active"], true);
    assert_eq!(status["session_id"], pair["session_id"]);
    house.time.pass(Duration::from_secs(3_600));
    house
        .get("/api/v1/me", &access)
        .await
        .refuses(401, "token_expired");
    house
        .get("/api/v1/session-status", &access)
        .await
        .refuses(401, "token_expired");
    house.time.pass(Duration::from_secs(30 * 24 * 3_600));
    house
        .refresh(&text(&pair["refresh_token"]))
        .await
        .refuses(400, "invalid_grant");
}

#[actix_web::test]
async fn a_request_without_a_usable_token_is_told_what_it_lacks() {
    let house = House::start().await;
    let me = async |headers: &[(&str, &str)]| {
        let answer = house.send("GET", "/api/v1/me", headers, Vec::new()).await;
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"teamspace\"")
        );
        answer
    };
    let body = me(&[]).await.refuses(401, "token_missing");
    assert_eq!(body["error_code"], "token_missing");
    assert_eq!(body["error_category"], "authentication");
    assert_eq!(body["retryable"], false);
    for value in [
        "Bearer unknown",
        "Basic b3duZXI6",
        "Bearer",
        "Bearer  ",
        "x",
    ] {
        me(&[("authorization", value)])
            .await
            .refuses(401, "token_invalid");
    }
}

#[actix_web::test]
async fn the_caller_learns_about_itself_and_its_teams() {
    let house = House::start().await;
    let access = house.token(OWNER).await;
    let me = house.get("/api/v1/me", &access).await.expect(200);
    assert_eq!(me["name"], "Owner");
    let teams = me["teams"].as_array().unwrap();
    assert_eq!(teams.len(), 1);
    assert_eq!(teams[0]["is_private_teamspace"], true);
    assert_eq!(teams[0]["role"], "owner");
    assert_eq!(teams[0]["slug"], "owner-private");
    assert!(text(&teams[0]["id"]).starts_with("team_"));
    assert_eq!(me["refresh_token_expires_at"], "2027-02-14T08:00:00+00:00");
}

#[actix_web::test]
async fn no_secret_is_in_any_file_but_the_key_in_its_own() {
    let house = House::start().await;
    let pair = house.login(OWNER).await;
    let again = house
        .refresh(&text(&pair["refresh_token"]))
        .await
        .expect(200);
    let key = house.key();
    let mut secrets = vec![key.clone()];
    for pair in [&pair, &again] {
        secrets.extend([text(&pair["access_token"]), text(&pair["refresh_token"])]);
    }
    let directory = house.directory.path().join("data");
    house.server.stop().await;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        let content = String::from_utf8_lossy(&content);
        let of_key = path.file_name().unwrap() == "approval.key";
        for secret in &secrets {
            let allowed = of_key && *secret == key;
            assert!(
                allowed || !content.contains(secret.as_str()),
                "{}",
                path.display()
            );
        }
    }
}

//! Batches: how large, how slow, how deep and how many at once they may be.

use crate::house::{House, OWNER, batch_of, event, gzip, text, wire};
use crate::ingress::{headers, statuses};
use serde_json::json;

#[actix_web::test]
async fn a_batch_beyond_a_limit_is_refused_whole_and_told_the_limits() {
    let house = House::start_with(|options| {
        options.limits.max_events_per_batch = 3;
        options.limits.max_decompressed_bytes_per_batch = 20_000;
        options.limits.max_body_bytes = 30_000;
        options.limits.max_event_bytes = 2_000;
    })
    .await;
    let token = house.token(OWNER).await;
    let four: Vec<String> = (0..4).map(wire).collect();
    let mut refusals = vec![house.batch(&token, &batch_of(&four)).await];
    let bomb = format!("{{\"events\":[],\"x\":\"{}\"}}", " ".repeat(5_000_000));
    refusals.push(house.batch(&token, bomb.as_bytes()).await);
    let bearer = format!("Bearer {token}");
    for size in [25_000, 31_000, 3_000_000] {
        let body = format!("{{\"events\":[],\"x\":\"{}\"}}", "y".repeat(size));
        let headers = headers(&bearer, &[]);
        let path = "/api/v1/events/batch/";
        refusals.push(house.send("POST", path, &headers, body.into_bytes()).await);
    }
    for refusal in refusals {
        let body = refusal.refuses(413, "payload_too_large");
        assert_eq!(body["limits"]["max_events_per_batch"], 3);
        assert_eq!(body["limits"]["max_decompressed_bytes_per_batch"], 20_000);
        assert!(text(&body["message"]).contains("too large"));
    }
    let stored = house
        .server
        .administration()
        .count_events("owner-private")
        .await
        .unwrap();
    assert_eq!(stored, 0);
    let mut large = event(2);
    large["payload"]["reason"] = json!("z".repeat(2_000));
    let results = house
        .deliver(&token, &[wire(1), large.to_string(), wire(3)])
        .await;
    assert_eq!(statuses(&results), ["success", "rejected", "success"]);
    assert_eq!(results[1]["error_category"], "event_too_large");
    let health = house.get("/api/v1/sync/health/", &token).await.expect(200);
    assert_eq!(health["sync_ingress"]["limits"]["max_events_per_batch"], 3);
    house
        .get("/api/v1/sync/health/", "")
        .await
        .refuses(401, "token_invalid");
}

#[actix_web::test]
async fn a_body_of_a_wrong_form_is_refused_with_details() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    for body in [
        "",
        "x",
        "[]",
        "5",
        "null",
        "{",
        "{}",
        "{\"events\":null}",
        "{\"events\":{}}",
        "{\"events\":5}",
        "{\"events\":[}",
        "{\"events\":[1,]}",
        "{\"events\":[]} x",
        "{\"events\":[],\"events\":[]}",
        "[[]]",
        "\u{feff}{\"events\":[]}",
    ] {
        let refusal = house
            .batch(&token, body.as_bytes())
            .await
            .refuses(400, "invalid_batch");
        assert!(!text(&refusal["details"]).is_empty(), "{body}");
        assert_eq!(refusal["retryable"], false);
    }
    let not_utf8 = house.batch(&token, b"{\"events\":[\"\xff\"]}").await;
    not_utf8.refuses(400, "invalid_batch");
    let bearer = format!("Bearer {token}");
    let send = async |encoding: &str, body: Vec<u8>| {
        let headers = headers(&bearer, &[("content-encoding", encoding)]);
        house
            .send("POST", "/api/v1/events/batch/", &headers, body)
            .await
    };
    send("gzip", b"{\"events\":[]}".to_vec())
        .await
        .refuses(400, "invalid_batch");
    let torn = gzip(b"{\"events\":[]}");
    send("gzip", torn[..torn.len() - 4].to_vec())
        .await
        .refuses(400, "invalid_batch");
    send("br", b"x".to_vec())
        .await
        .refuses(415, "unsupported_content_encoding");
    let empty = send("identity", b" {\"events\":[], \"more\":1}\n".to_vec())
        .await
        .expect(200);
    assert_eq!(empty, json!({"results": []}));
}

#[actix_web::test]
async fn an_event_nested_without_end_is_rejected_like_any_other() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let nested = wire(1).replacen("\"force\":false", &format!("\"force\":{deep}"), 1);
    let results = house.deliver(&token, &[nested, deep, wire(2)]).await;
    assert_eq!(statuses(&results), ["rejected", "rejected", "success"]);
    assert_eq!(results[0]["error_category"], "contract_violation");
    assert_eq!(results[1]["error_category"], "not_an_object");
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_given_up_at_its_deadline() {
    use std::io::{Read as _, Write as _};
    let house = House::start_with(|options| {
        options.limits.body_deadline = std::time::Duration::from_millis(50);
    })
    .await;
    let token = house.token(OWNER).await;
    let address = house.server.address();
    let answer = actix_web::web::block(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        let head = format!(
            "POST /api/v1/events/batch/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             x-spec-kitty-sync-protocol: 2.0\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = vec![0; 4_096];
        let read = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"retryable\":true"), "{answer}");
}

#[actix_web::test]
async fn batches_that_arrive_at_once_are_all_stored() {
    let house = House::start_with(|options| options.workers = 2).await;
    let token = house.token(OWNER).await;
    let bearer = format!("Bearer {token}");
    let url = house.url("/api/v1/events/batch/");
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            // Neighbours overlap by half, so most events arrive twice.
            let events: Vec<String> = (number * 20..number * 20 + 40).map(wire).collect();
            let (bearer, url) = (bearer.clone(), url.clone());
            actix_web::rt::spawn(async move {
                let client = crate::house::client();
                let headers = headers(&bearer, &[]);
                crate::house::send(&client, "POST", &url, &headers, batch_of(&events)).await
            })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        let answer = task.await.unwrap().expect(200);
        let results = answer["results"].as_array().unwrap().clone();
        for status in statuses(&results) {
            match status {
                "success" => stored += 1,
                other => assert_eq!(other, "duplicate"),
            }
        }
    }
    assert_eq!(stored, 340);
    let counted = house
        .server
        .administration()
        .count_events("owner-private")
        .await
        .unwrap();
    assert_eq!(counted, 340);
    let summary = house.get("/api/v1/summary", &token).await.expect(200);
    assert_eq!(summary["events"], 340);
}

#[actix_web::test]
async fn bodies_wait_for_room_and_all_get_their_turn() {
    let house = House::start_with(|options| {
        options.limits.max_body_bytes = 16 * 1024;
        options.limits.max_held_body_bytes = 1;
        options.limits.concurrent_batches = 1;
    })
    .await;
    let token = house.token(OWNER).await;
    let bearer = format!("Bearer {token}");
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (bearer, url) = (bearer.clone(), house.url("/api/v1/events/batch/"));
            actix_web::rt::spawn(async move {
                let client = crate::house::client();
                let events: Vec<String> = (number * 10..number * 10 + 10).map(wire).collect();
                let headers = headers(&bearer, &[]);
                crate::house::send(&client, "POST", &url, &headers, batch_of(&events)).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().expect(200);
    }
    let counted = house
        .server
        .administration()
        .count_events("owner-private")
        .await
        .unwrap();
    assert_eq!(counted, 80);
}

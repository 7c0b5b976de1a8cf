//! The WebSocket, spoken to by a real client.

use crate::house::{House, OWNER, event, id, text, wire};
use actix_web::rt::time::timeout;
use actix_web::web::Bytes;
use awc::error::{WsClientError, WsProtocolError};
use awc::ws::{CloseCode, Frame, Message};
use futures_util::future::join_all;
use futures_util::stream::LocalBoxStream;
use futures_util::{Sink, SinkExt as _, StreamExt as _};
use kitty_teamspace::NewAccount;
use serde_json::{Value, json};
use std::pin::Pin;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);
const PROTOCOL: (&str, &str) = ("x-spec-kitty-sync-protocol", "2.0");

/// The headers of a request.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// An open WebSocket.
pub(crate) struct Line {
    sending: Pin<Box<dyn Sink<Message, Error = WsProtocolError>>>,
    receiving: LocalBoxStream<'static, Result<Frame, WsProtocolError>>,
}

impl Line {
    async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, WsClientError> {
        let client = awc::Client::builder()
            .max_http_version(awc::http::Version::HTTP_11)
            .finish();
        let mut request = client.ws(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (_, framed) = request.connect().await?;
        let (sending, receiving) = framed.split();
        Ok(Self {
            sending: Box::pin(sending),
            receiving: receiving.boxed_local(),
        })
    }

    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let frame = timeout(DEADLINE, self.receiving.next()).await.unwrap();
        frame.and_then(Result::ok)
    }

    /// Returns the next text that is not a ping.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let value = self.any().await;
            if value["type"] != "ping" {
                return value;
            }
        }
    }

    async fn any(&mut self) -> Value {
        match self.frame().await {
            Some(Frame::Text(text)) => serde_json::from_slice(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        self.sending
            .send(Message::Text(text.into().into()))
            .await
            .unwrap();
    }

    /// Answers a ping of the protocol, as a client library does by itself.
    pub(crate) async fn pong(&mut self, content: Bytes) {
        self.sending.send(Message::Pong(content)).await.unwrap();
    }

    /// Sends an event as it stands and returns the answer.
    pub(crate) async fn tell(&mut self, event: &str) -> Value {
        self.say(format!("{{\"type\":\"event\",\"event\":{event}}}"))
            .await;
        self.hear().await
    }

    /// Waits for the end and returns its code.
    async fn closed(&mut self) -> Option<CloseCode> {
        loop {
            match self.frame().await {
                Some(Frame::Close(reason)) => return reason.map(|reason| reason.code),
                Some(_) => {}
                None => return None,
            }
        }
    }
}

async fn private_team(house: &House, token: &str) -> String {
    let me = house.get("/api/v1/me", token).await.expect(200);
    let teams = me["teams"].as_array().unwrap();
    let private = teams
        .iter()
        .find(|team| team["is_private_teamspace"] == true);
    text(&private.unwrap()["id"])
}

async fn ask(house: &House, token: &str, body: &Value) -> crate::house::Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let body = body.to_string().into_bytes();
    house.send("POST", "/api/v1/ws-token", &headers, body).await
}

async fn ticket(house: &House, token: &str) -> Value {
    let team_id = private_team(house, token).await;
    ask(house, token, &json!({"team_id": team_id}))
        .await
        .expect(200)
}

/// Opens a WebSocket and returns it with its snapshot.
pub(crate) async fn connect(house: &House, token: &str) -> (Line, Value) {
    let ticket = ticket(house, token).await;
    let bearer = format!("Bearer {}", text(&ticket["ws_token"]));
    let headers = [("authorization", bearer.as_str()), PROTOCOL];
    let mut line = Line::open(&text(&ticket["ws_url"]), &headers)
        .await
        .unwrap();
    let snapshot = line.any().await;
    (line, snapshot)
}

#[actix_web::test]
async fn a_token_is_for_the_private_team_of_its_caller() {
    let house = House::start().await;
    let shared = NewAccount::new("ann@example.com", "Ann").shared_team("crew", "Crew");
    house
        .server
        .administration()
        .create_account(shared)
        .await
        .unwrap();
    let token = house.token(OWNER).await;
    let given = ticket(&house, &token).await;
    assert!(
        text(&given["ws_url"]).starts_with("ws://127.0.0.1:"),
        "{given}"
    );
    assert!(!text(&given["ws_url"]).contains('?'));
    assert_eq!(given["expires_in"], 300);
    assert!(given["session_id"].is_string());
    ask(&house, &token, &json!({"team_id": "team_x"}))
        .await
        .refuses(403, "team_mismatch");
    for body in [
        json!({}),
        json!([]),
        json!({"team_id": 5}),
        json!({"team_id": "x".repeat(20_000)}),
    ] {
        ask(&house, &token, &body)
            .await
            .refuses(400, "invalid_body");
    }
    ask(&house, "nonsense", &json!({"team_id": "x"}))
        .await
        .refuses(401, "token_invalid");
    let ann = house.token("ann@example.com").await;
    ask(&house, &ann, &json!({"team_id": "crew"}))
        .await
        .refuses(403, "direct_ingress_missing_private_team");
}

#[actix_web::test]
async fn a_handshake_needs_a_token_in_the_header_and_the_protocol() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let given = ticket(&house, &token).await;
    let good = format!("Bearer {}", text(&given["ws_token"]));
    let access = format!("Bearer {token}");
    let path = "/api/v1/ws";
    let with_token = format!("{path}?access_token={}", text(&given["ws_token"]));
    let cases: [(&str, Headers<'_>, u16, &str); 6] = [
        (path, &[PROTOCOL], 401, "token_missing"),
        (
            path,
            &[("authorization", &access), PROTOCOL],
            401,
            "token_invalid",
        ),
        (
            path,
            &[("authorization", &good)],
            412,
            "sync_protocol_unsupported",
        ),
        (
            path,
            &[
                ("authorization", &good),
                ("x-spec-kitty-sync-protocol", "1.0"),
            ],
            412,
            "sync_protocol_unsupported",
        ),
        (
            path,
            &[("authorization", &good), PROTOCOL],
            400,
            "websocket_required",
        ),
        (&with_token, &[PROTOCOL], 400, "token_in_query"),
    ];
    for (path, headers, status, code) in cases {
        let refused = house.send("GET", path, headers, Vec::new()).await;
        refused.refuses(status, code);
    }
    house.time.pass(Duration::from_secs(301));
    let late = [("authorization", good.as_str()), PROTOCOL];
    let refused = Line::open(&text(&given["ws_url"]), &late).await;
    let Err(WsClientError::InvalidResponseStatus(status)) = refused else {
        panic!("an expired token must be refused");
    };
    assert_eq!(status.as_u16(), 401);
}

#[actix_web::test]
async fn the_first_frame_is_a_snapshot_with_the_lanes_of_work_packages() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let (_, empty) = connect(&house, &token).await;
    assert_eq!(empty["type"], "snapshot");
    assert_eq!(empty["work_packages"], json!([]));
    let mut second = event(2);
    second["payload"]["from_lane"] = json!("claimed");
    second["payload"]["to_lane"] = json!("in_progress");
    house.deliver(&token, &[wire(1), second.to_string()]).await;
    let (_, snapshot) = connect(&house, &token).await;
    assert_eq!(snapshot["events"], 2);
    let packages = snapshot["work_packages"].as_array().unwrap();
    assert_eq!(packages.len(), 1, "{snapshot}");
    assert_eq!(packages[0]["wp_id"], "WP01");
    assert_eq!(packages[0]["lane"], "in_progress");
}

#[actix_web::test]
async fn an_event_is_accepted_once_over_either_way_and_kept_byte_for_byte() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    let strange = wire(1).replacen('{', "{ \n\t", 1);
    let accepted = line.tell(&strange).await;
    assert_eq!(
        accepted,
        json!({"type": "ack", "event_id": id(1), "status": "accepted"})
    );
    assert_eq!(line.tell(&strange).await["status"], "duplicate");
    let read = house
        .get(&format!("/api/v1/events/{}", id(1)), &token)
        .await;
    assert_eq!(read.body, strange.as_bytes());
    assert_eq!(
        house.deliver(&token, &[wire(1)]).await[0]["status"],
        "duplicate"
    );
    house.deliver(&token, &[wire(2)]).await;
    let known = line.tell(&wire(2)).await;
    assert_eq!(
        (&known["type"], &known["status"]),
        (&json!("ack"), &json!("duplicate"))
    );
    // The Python CLI sends the envelope as the frame itself.
    line.say(wire(3)).await;
    assert_eq!(line.hear().await["status"], "accepted");
    let house = house.restart().await;
    for number in 1..=3 {
        let path = format!("/api/v1/events/{}", id(number));
        assert_eq!(house.get(&path, &token).await.status, 200);
    }
}

#[actix_web::test]
async fn what_the_batch_ingress_rejects_is_rejected_here_in_the_same_words() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    house.deliver(&token, &[wire(1)]).await;
    let mut divergent = event(1);
    divergent["git_branch"] = json!("another");
    let mut broken = event(2);
    broken["build_id"] = json!("");
    let mut nameless = event(3);
    nameless.as_object_mut().unwrap().remove("event_id");
    let mut foreign = event(4);
    foreign["team_slug"] = json!("team_x");
    for event in [divergent, broken, nameless, foreign, json!([]), json!("x")] {
        let batch = house.deliver(&token, &[event.to_string()]).await;
        let answer = line.tell(&event.to_string()).await;
        assert_eq!(answer["type"], "error");
        assert_eq!(answer["status"], "rejected");
        assert_eq!(answer["event_id"], batch[0]["event_id"]);
        assert_eq!(answer["error_category"], batch[0]["error_category"]);
        assert_eq!(answer["message"], batch[0]["error_message"]);
    }
    assert_eq!(line.tell(&wire(5)).await["status"], "accepted");
}

#[actix_web::test]
async fn nonsense_is_answered_and_the_line_stays_open() {
    let house = House::start().await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    for nonsense in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"type":"LocalCommit"}"#,
        r#"{"type":{}}"#,
    ] {
        line.say(nonsense).await;
        let answer = line.hear().await;
        assert_eq!(
            answer["error_code"], "invalid_frame",
            "{nonsense}: {answer}"
        );
    }
    line.sending
        .send(Message::Binary(vec![0xff].into()))
        .await
        .unwrap();
    assert_eq!(line.hear().await["error_code"], "invalid_frame");
    line.sending.send(Message::Ping("x".into())).await.unwrap();
    assert!(matches!(line.frame().await, Some(Frame::Pong(content)) if content == "x"));
    assert_eq!(line.tell(&wire(1)).await["status"], "accepted");
    line.sending.send(Message::Close(None)).await.unwrap();
    line.closed().await;
}

#[actix_web::test]
async fn a_frame_beyond_the_limit_ends_the_line_and_not_the_server() {
    let house = House::start_with(|options| options.limits.max_event_bytes = 4_096).await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    let mut large = event(1);
    large["git_branch"] = json!("x".repeat(8_000));
    assert_eq!(
        line.tell(&large.to_string()).await["error_code"],
        "event_too_large"
    );
    line.say("x".repeat(200_000)).await;
    line.closed().await;
    let (mut line, _) = connect(&house, &token).await;
    assert_eq!(line.tell(&wire(2)).await["status"], "accepted");
}

#[actix_web::test]
async fn pings_go_on_while_they_are_answered_and_end_a_silent_line() {
    let ping = Duration::from_millis(20);
    let house = House::start_with(|options| options.lifetimes.websocket_ping = ping).await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    for _ in 0..8 {
        let ping = line.any().await;
        assert_eq!(ping["type"], "ping");
        let pong = json!({"type": "pong", "timestamp": ping["timestamp"], "build_id": "b"});
        line.say(pong.to_string()).await;
    }
    assert_eq!(
        line.closed().await,
        Some(CloseCode::Policy),
        "three stay unanswered"
    );
}

#[actix_web::test]
async fn a_revoked_session_ends_its_line_and_its_token() {
    let ping = Duration::from_millis(20);
    let house = House::start_with(|options| options.lifetimes.websocket_ping = ping).await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    let given = ticket(&house, &token).await;
    house
        .server
        .administration()
        .revoke_sessions(OWNER)
        .await
        .unwrap();
    assert_eq!(line.closed().await, Some(CloseCode::Policy));
    let bearer = format!("Bearer {}", text(&given["ws_token"]));
    let headers = [("authorization", bearer.as_str()), PROTOCOL];
    assert!(Line::open(&text(&given["ws_url"]), &headers).await.is_err());
}

#[actix_web::test]
async fn many_lines_that_send_the_same_events_store_each_once() {
    let house = House::start_with(|options| options.workers = 4).await;
    let token = house.token(OWNER).await;
    let lines = join_all((0..6).map(|_| connect(&house, &token))).await;
    let telling = lines.into_iter().map(|(mut line, _)| async move {
        let mut accepted = 0;
        for number in 0..20 {
            let answer = line.tell(&wire(number)).await;
            assert_eq!(answer["type"], "ack", "{answer}");
            accepted += usize::from(answer["status"] == "accepted");
        }
        accepted
    });
    let accepted: usize = join_all(telling).await.into_iter().sum();
    assert_eq!(accepted, 20);
    let stored = house
        .server
        .administration()
        .count_events("owner-private")
        .await
        .unwrap();
    assert_eq!(stored, 20);
}

#[actix_web::test]
async fn only_so_many_lines_may_be_open_and_a_stop_closes_them() {
    let house = House::start_with(|options| options.limits.max_websockets = 1).await;
    let token = house.token(OWNER).await;
    let (mut line, _) = connect(&house, &token).await;
    let given = ticket(&house, &token).await;
    let bearer = format!("Bearer {}", text(&given["ws_token"]));
    let headers = [("authorization", bearer.as_str()), PROTOCOL];
    let refused = Line::open(&text(&given["ws_url"]), &headers).await;
    let Err(WsClientError::InvalidResponseStatus(status)) = refused else {
        panic!("a line too many must be refused");
    };
    assert_eq!(status.as_u16(), 503);
    let (_, code) = futures_util::join!(house.server.stop(), line.closed());
    assert_eq!(code, Some(CloseCode::Away));
}

//! Whatever is sent, the server answers, and never with its own failure.

use crate::house::{House, OWNER, batch_of, gzip, try_send, wire};
use actix_web::rt::System;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const PATHS: [&str; 14] = [
    "/",
    "/device",
    "/oauth/device",
    "/oauth/authorize",
    "/oauth/token",
    "/oauth/revoke",
    "/sign-in",
    "/sign-out",
    "/api/v1/me",
    "/api/v1/events/batch/",
    "/api/v1/events",
    "/api/v1/summary",
    "/api/v1/missions",
    "/health/ready/",
];

#[derive(Debug, Clone)]
struct Request {
    method: &'static str,
    path: String,
    authorized: bool,
    encoding: Option<&'static str>,
    header: Option<(&'static str, String)>,
    body: Vec<u8>,
}

/// A batch with a piece cut out or written over, which keeps most of it valid.
fn mutated_batch() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::collection::vec(any::<u8>(), 0..4);
    (1_usize..4, any::<prop::sample::Index>(), 0_usize..6, piece).prop_map(
        |(events, at, cut, piece)| {
            let events: Vec<String> = (0..events).map(wire).collect();
            let mut batch = batch_of(&events);
            let start = at.index(batch.len());
            let end = (start + cut).min(batch.len());
            batch.splice(start..end, piece);
            batch
        },
    )
}

/// JSON that looks like a batch, with anything for events.
fn strange_batch() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("null"),
        Just("[]"),
        Just("{}"),
        Just("1e999"),
        Just("\"\\ud800\""),
        Just("true"),
        Just("{\"event_id\":null}"),
        Just("{\"event_id\":\"\"}"),
        Just("[[[[[[[[]]]]]]]]"),
        Just("{\"event_id\":\"01M7XAS67MT30DH0DY9EW5WFQY\"}"),
        Just("-0"),
        Just("\"\\u0000\""),
    ];
    proptest::collection::vec(word, 0..6)
        .prop_map(|events| format!("{{\"events\":[{}]}}", events.join(",")).into_bytes())
}

fn form() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just("client_id"),
        Just("grant_type"),
        Just("device_code"),
        Just("user_code"),
        Just("token"),
        Just("email"),
        Just("approval_key"),
        Just("decision"),
        Just("redirect_uri"),
        Just("code"),
        Just("refresh_token"),
        Just("state"),
        Just("scope"),
    ];
    let value = prop_oneof![
        Just("cli_native".to_owned()),
        Just("approve".to_owned()),
        Just("deny".to_owned()),
        Just("refresh_token".to_owned()),
        Just("authorization_code".to_owned()),
        Just("urn:ietf:params:oauth:grant-type:device_code".to_owned()),
        Just("http://127.0.0.1:1/".to_owned()),
        Just("ABCD-2345".to_owned()),
        ".{0,20}",
    ];
    proptest::collection::vec((name, value), 0..8).prop_map(|pairs| {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
            .into_bytes()
    })
}

fn request() -> impl Strategy<Value = Request> {
    let noise = proptest::collection::vec(any::<u8>(), 0..200);
    let body = prop_oneof![mutated_batch(), strange_batch(), form(), noise];
    let query = prop_oneof![
        Just(String::new()),
        "[a-z_]{1,8}=[!$-;=?-Z_a-z~]{0,12}".prop_map(|text| format!("?{text}")),
        "(after|limit|project|type|team)=[0-9a-z%-]{0,12}".prop_map(|text| format!("?{text}")),
    ];
    let header = proptest::option::of((
        prop_oneof![
            Just("x-team-slug"),
            Just("content-type"),
            Just("cookie"),
            Just("accept"),
            Just("x-spec-kitty-sync-protocol"),
        ],
        "[ -~]{0,20}",
    ));
    let encoding = prop_oneof![
        Just(None),
        Just(Some("gzip")),
        Just(Some("raw gzip")),
        Just(Some("br"))
    ];
    (
        prop_oneof![
            Just("GET"),
            Just("POST"),
            Just("POST"),
            Just("PUT"),
            Just("HEAD")
        ],
        prop::sample::select(PATHS.to_vec()),
        query,
        any::<bool>(),
        encoding,
        header,
        body,
    )
        .prop_map(
            |(method, path, query, authorized, encoding, header, body)| Request {
                method,
                path: format!("{path}{query}"),
                authorized,
                encoding,
                header,
                body,
            },
        )
}

async fn answer_of(house: &House, token: &str, request: Request) -> Result<u16, String> {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![];
    if request.authorized {
        headers.push(("authorization", bearer.as_str()));
    }
    let (coding, body) = match request.encoding {
        Some("gzip") => (Some("gzip"), gzip(&request.body)),
        Some("raw gzip") => (Some("gzip"), request.body),
        other => (other, request.body),
    };
    if let Some(coding) = coding {
        headers.push(("content-encoding", coding));
    }
    if !matches!(&request.header, Some(("x-spec-kitty-sync-protocol", _))) {
        headers.push(("x-spec-kitty-sync-protocol", "2.0"));
    }
    if let Some((name, value)) = &request.header {
        headers.push((name, value.trim()));
    }
    let url = house.url(&request.path);
    let answer = try_send(&house.client, request.method, &url, &headers, body).await?;
    Ok(answer.status)
}

#[test]
fn no_request_makes_the_server_fail_or_fall_silent() {
    let system = System::new();
    let house = system.block_on(House::start_with(|options| {
        options.limits.max_failed_approvals_per_minute = u32::MAX;
        options.limits.max_pending_devices = u32::MAX;
    }));
    let token = system.block_on(house.token(OWNER));
    let config = Config {
        cases: 600,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&request(), |request| {
            let status = system
                .block_on(answer_of(&house, &token, request))
                .map_err(TestCaseError::fail)?;
            prop_assert!((200..500).contains(&status), "answered {}", status);
            Ok(())
        })
        .unwrap();
    system.block_on(async {
        house.get("/api/v1/me", &token).await.expect(200);
        house.server.stop().await;
    });
}

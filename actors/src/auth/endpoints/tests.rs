use super::*;
use crate::auth::testing::{later, session};
use crate::transport::Headers;
use serde_json::json;

fn answer(status: u16, body: &Value) -> HttpResponse {
    raw_answer(status, &body.to_string())
}

fn raw_answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: Headers::default(),
        body: body.to_owned().into(),
    }
}

fn granted(body: &Value) -> TokenGrant {
    parse_grant(&answer(200, body)).unwrap()
}

#[test]
fn the_forms_are_those_of_the_reference() {
    let server = ServerUrl::parse("http://127.0.0.1:9/base").unwrap();
    let secret = Secret::new("s");
    for (request, path, body) in [
        (
            refresh_request(&server, &secret),
            "/oauth/token",
            "grant_type=refresh_token&refresh_token=s&client_id=cli_native",
        ),
        (
            revoke_request(&server, &secret),
            "/oauth/revoke",
            "token=s&token_type_hint=refresh_token",
        ),
        (
            device_request(&server),
            "/oauth/device",
            "client_id=cli_native&scope=offline_access",
        ),
        (
            device_poll_request(&server, &secret),
            "/oauth/token",
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=s\
             &client_id=cli_native",
        ),
        (
            code_request(&server, &secret, "http://127.0.0.1:28888/callback", &secret),
            "/oauth/token",
            "grant_type=authorization_code&code=s&redirect_uri=http%3A%2F%2F127.0.0.1%3A28888\
             %2Fcallback&client_id=cli_native&code_verifier=s",
        ),
    ] {
        assert_eq!(request.url, format!("http://127.0.0.1:9/base{path}"));
        assert_eq!(request.body_bytes(), body.as_bytes());
        assert_eq!(request.timeout, Duration::from_secs(10));
    }
}

#[test]
fn a_full_grant_renews_everything_but_identity_and_teams() {
    let old = session("old").refreshable_until(50);
    let grant = granted(&json!({
        "access_token": "a", "refresh_token": "r", "scope": "wide", "expires_in": 1800,
        "generation": 7, "session_id": "ignored", "refresh_token_expires_in": 9000,
    }));
    let new = grant.renew(&old, later(10));
    assert_eq!(
        (new.access_token.expose(), new.refresh_token.expose()),
        ("a", "r")
    );
    assert_eq!((new.scope.as_str(), new.generation), ("wide", Some(7)));
    assert_eq!((new.issued_at, new.last_used_at), (later(10), later(10)));
    assert_eq!(new.access_token_expires_at, later(1810));
    assert_eq!(new.refresh_token_expires_at, Some(later(9010)));
    assert_eq!((&new.session_id, &new.teams), (&old.session_id, &old.teams));
}

#[test]
fn a_bare_grant_keeps_what_it_does_not_mention() {
    let old = session("old").refreshable_until(50);
    let new = granted(&json!({"access_token": "a"})).renew(&old, later(10));
    assert_eq!(new.refresh_token, old.refresh_token);
    assert_eq!(new.scope, old.scope);
    assert_eq!(new.access_token_expires_at, later(3610));
    assert_eq!(new.refresh_token_expires_at, old.refresh_token_expires_at);
    assert_eq!(new.generation, None);
}

#[test]
fn surprising_optional_values_do_not_cost_the_tokens() {
    let grant = granted(&json!({
        "access_token": "a", "refresh_token": "", "scope": 5, "expires_in": "soon",
        "generation": "x", "session_id": null, "refresh_token_expires_at": "later",
        "refresh_token_expires_in": 1e300, "more": [1],
    }));
    assert_eq!(grant.refresh_token, None);
    assert_eq!((grant.scope.clone(), grant.expires_in), (None, 3600));
    let new = grant.renew(&session("old"), later(0));
    assert_eq!(new.refresh_token_expires_at, Some(later(MAXIMUM_LIFETIME)));
    let negative = granted(&json!({"access_token": "a", "expires_in": -5}));
    assert_eq!(negative.access_end(later(0)), later(0));
}

#[test]
fn the_stated_end_of_a_refresh_token_wins_over_its_lifetime() {
    let grant = granted(&json!({
        "access_token": "a", "refresh_token_expires_at": "2026-01-02T03:04:06Z",
        "refresh_token_expires_in": 9000,
    }));
    assert_eq!(grant.refresh_end, RefreshEnd::At(later(1)));
}

#[test]
fn each_answer_to_a_refresh_has_its_meaning() {
    let parse = |status, body: Value| parse_refresh(&answer(status, &body), &Secret::new("rt"));
    let error = |word: &str| json!({"error": word});
    for status in [400, 401] {
        assert_eq!(
            parse(status, error("invalid_grant")),
            RefreshAnswer::Expired
        );
        assert_eq!(
            parse(status, error("session_invalid")),
            RefreshAnswer::Invalid
        );
    }
    let replay = error("refresh_replay_benign_retry");
    assert_eq!(parse(409, replay), RefreshAnswer::Replay);
    for (status, body) in [
        (403, error("invalid_grant")),
        (500, error("invalid_grant")),
        (409, error("conflict")),
        (400, error("invalid_client")),
        (400, json!("invalid_grant")),
        (302, json!({})),
        (201, json!({"access_token": "a"})),
        (200, json!({"access_token": ""})),
        (200, json!({"access_token": 5})),
        (200, json!([])),
    ] {
        let answer = parse(status, body.clone());
        assert!(
            matches!(answer, RefreshAnswer::Failed { status: seen, .. } if seen == status),
            "{status} {body} {answer:?}"
        );
    }
}

#[test]
fn an_echoed_token_does_not_reach_the_error() {
    let token = Secret::new("s3cret-token");
    let body = format!("{}{}", "x".repeat(495), token.expose());
    let RefreshAnswer::Failed { body, .. } = parse_refresh(&raw_answer(500, &body), &token) else {
        panic!("a failure");
    };
    assert_eq!(body.len(), 500);
    assert!(!body.contains("s3c"), "{body}");
}

#[test]
fn a_profile_is_read_strictly() {
    let team = json!({"id": "p", "name": "P", "role": "owner", "is_private_teamspace": true});
    let good = json!({"user_id": "u", "email": "e@x", "teams": [team]});
    let MeAnswer::Member(profile) = parse_me(&answer(200, &good)) else {
        panic!("a member");
    };
    assert_eq!(
        (profile.name.as_str(), profile.teams[0].slug.as_str()),
        ("e@x", "p")
    );
    assert!(profile.teams[0].is_private_teamspace);

    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        changed
    };
    let with_team = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed["teams"][0][key] = value;
        changed
    };
    for bad in [
        with("user_id", json!(5)),
        with("user_id", json!("")),
        with("email", Value::Null),
        with("teams", json!([])),
        with("teams", json!({})),
        with_team("id", json!("")),
        with_team("id", json!(7)),
        with_team("role", Value::Null),
        with_team("name", json!(1)),
        with_team("is_private_teamspace", json!("true")),
        json!([1]),
    ] {
        let parsed = parse_me(&answer(200, &bad));
        assert!(matches!(parsed, MeAnswer::Unusable(_)), "{bad}");
    }
    assert_eq!(parse_me(&answer(401, &good)), MeAnswer::Unauthorized);
    for status in [204, 302, 403, 500] {
        assert!(matches!(
            parse_me(&answer(status, &good)),
            MeAnswer::Unusable(_)
        ));
    }
}

#[test]
fn only_the_words_of_the_server_confirm_a_revocation() {
    let confirmed = parse_revoke(&answer(200, &json!({"revoked": true})));
    assert_eq!(confirmed, Revocation::Confirmed);
    for (status, body) in [
        (200, json!({})),
        (200, json!({"revoked": false})),
        (200, json!("ok")),
        (204, json!({"revoked": true})),
        (500, json!({"revoked": true})),
    ] {
        let parsed = parse_revoke(&answer(status, &body));
        assert_eq!(parsed, Revocation::ServerError { status });
    }
}

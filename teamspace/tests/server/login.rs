//! Both ways to log in, and every way they end without one.

use crate::house::{House, OWNER, text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use url::Url;

#[actix_web::test]
async fn a_device_login_is_granted_once_after_its_approval() {
    let house = House::start().await;
    let begun = house.begin_device().await;
    let (device, user) = (text(&begun["device_code"]), text(&begun["user_code"]));
    assert_eq!(begun["expires_in"], 900);
    assert_eq!(begun["interval"], 5);
    assert_eq!(text(&begun["verification_uri"]), house.url("/device"));
    let complete = text(&begun["verification_uri_complete"]);
    assert_eq!(complete, house.url(&format!("/device?user_code={user}")));
    house
        .poll(&device)
        .await
        .refuses(400, "authorization_pending");
    let page = house.get(&format!("/device?user_code={user}"), "").await;
    assert!(page.text().contains(&format!("value=\"{user}\"")));
    let typed = user.to_lowercase().replace('-', "");
    assert_eq!(
        house
            .decide(&typed, OWNER, &house.key(), "approve")
            .await
            .status,
        200
    );
    let granted = house.poll(&device).await.expect(200);
    assert_eq!(granted["token_type"], "Bearer");
    assert_eq!(granted["expires_in"], 3_600);
    assert_eq!(granted["generation"], 1);
    assert_eq!(granted["scope"], "offline_access");
    let me = house
        .get("/api/v1/me", &text(&granted["access_token"]))
        .await
        .expect(200);
    assert_eq!(me["email"], OWNER);
    house.poll(&device).await.refuses(400, "invalid_grant");
}

#[actix_web::test]
async fn a_denied_device_login_stays_denied() {
    let house = House::start().await;
    let begun = house.begin_device().await;
    let user = text(&begun["user_code"]);
    assert_eq!(house.decide(&user, "", "", "deny").await.status, 200);
    assert_eq!(
        house
            .decide(&user, OWNER, &house.key(), "approve")
            .await
            .status,
        404
    );
    house
        .poll(&text(&begun["device_code"]))
        .await
        .refuses(400, "access_denied");
}

#[actix_web::test]
async fn an_expired_device_code_can_be_neither_approved_nor_exchanged() {
    let house = House::start().await;
    let (waiting, approved) = (house.begin_device().await, house.begin_device().await);
    let key = house.key();
    let decided = house
        .decide(&text(&approved["user_code"]), OWNER, &key, "approve")
        .await;
    assert_eq!(decided.status, 200);
    house.time.pass(Duration::from_secs(900));
    assert_eq!(
        house
            .decide(&text(&waiting["user_code"]), OWNER, &key, "approve")
            .await
            .status,
        404
    );
    for begun in [waiting, approved] {
        house
            .poll(&text(&begun["device_code"]))
            .await
            .refuses(400, "expired_token");
    }
}

#[actix_web::test]
async fn a_client_that_polls_too_fast_is_told_to_slow_down() {
    let house = House::start().await;
    let device = text(&house.begin_device().await["device_code"]);
    house
        .poll(&device)
        .await
        .refuses(400, "authorization_pending");
    house.time.pass(Duration::from_secs(4));
    house.poll(&device).await.refuses(400, "slow_down");
    house.time.pass(Duration::from_secs(5));
    house
        .poll(&device)
        .await
        .refuses(400, "authorization_pending");
}

#[actix_web::test]
async fn guessing_the_approval_key_is_stopped_for_a_minute() {
    let house = House::start_with(|options| {
        options.limits.max_failed_approvals_per_minute = 3;
    })
    .await;
    let user = text(&house.begin_device().await["user_code"]);
    let wrong = "0".repeat(32);
    for _ in 0..3 {
        assert_eq!(
            house.decide(&user, OWNER, &wrong, "approve").await.status,
            403
        );
    }
    let key = house.key();
    let blocked = house.decide(&user, OWNER, &key, "approve").await;
    assert_eq!(blocked.status, 429);
    assert!(!blocked.text().contains(&key));
    house.time.pass(Duration::from_secs(60));
    assert_eq!(
        house
            .decide(&user, "nobody@example.com", &key, "approve")
            .await
            .status,
        404
    );
    assert_eq!(house.decide(&user, OWNER, &key, "").await.status, 400);
    assert_eq!(house.decide("AB", OWNER, &key, "approve").await.status, 400);
    assert_eq!(
        house.decide(&user, OWNER, &key, "approve").await.status,
        200
    );
}

#[actix_web::test]
async fn only_so_many_device_logins_may_wait() {
    let house = House::start_with(|options| options.limits.max_pending_devices = 2).await;
    house.begin_device().await;
    house.begin_device().await;
    let fields = [("client_id", "cli_native")];
    let refused = house.form("/oauth/device", &fields).await;
    refused.refuses(429, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    house.time.pass(Duration::from_secs(900));
    house.begin_device().await;
}

#[actix_web::test]
async fn oauth_requests_of_a_wrong_form_are_refused_in_oauth_terms() {
    let house = House::start().await;
    let form = async |path: &str, fields: &[(&str, &str)]| house.form(path, fields).await;
    form("/oauth/device", &[])
        .await
        .refuses(400, "invalid_request");
    form("/oauth/device", &[("client_id", "other")])
        .await
        .refuses(401, "invalid_client");
    let twice = [("client_id", "cli_native"), ("client_id", "cli_native")];
    form("/oauth/device", &twice)
        .await
        .refuses(400, "invalid_request");
    let strange = [("client_id", "cli_native"), ("scope", "a\"b")];
    form("/oauth/device", &strange)
        .await
        .refuses(400, "invalid_scope");
    form("/oauth/token", &[("grant_type", "password")])
        .await
        .refuses(400, "unsupported_grant_type");
    form("/oauth/token", &[])
        .await
        .refuses(400, "invalid_request");
    form("/oauth/revoke", &[])
        .await
        .refuses(400, "invalid_request");
    house.poll("nothing").await.refuses(400, "invalid_grant");
    let long = "x".repeat(20_000);
    form("/oauth/token", &[("grant_type", &long)])
        .await
        .refuses(413, "invalid_request");
}

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0123456789";
const REDIRECT: &str = "http://127.0.0.1:28888/callback";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The parameters of a browser login, with some of them changed; empty means left out.
fn parameters(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = challenge();
    let mut parameters: Vec<(String, String)> = [
        ("client_id", "cli_native"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "offline_access"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("state", "s t&a"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in changes {
        parameters.retain(|(key, _)| key != name);
        if !value.is_empty() {
            parameters.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    parameters
}

impl House {
    async fn ask(&self, changes: &[(&str, &str)]) -> crate::house::Answer {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters(changes))
            .finish();
        self.get(&format!("/oauth/authorize?{query}"), "").await
    }

    async fn answer(&self, changes: &[(&str, &str)]) -> crate::house::Answer {
        let parameters = parameters(changes);
        let fields: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.form("/oauth/authorize", &fields).await
    }

    /// Approves a browser login and returns its code.
    async fn code(&self) -> String {
        let key = self.key();
        let approval = [
            ("email", OWNER),
            ("approval_key", &key),
            ("decision", "approve"),
        ];
        let answer = self.answer(&approval).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        let back = Url::parse(answer.header("location").unwrap()).unwrap();
        assert!(back.as_str().starts_with(REDIRECT), "{back}");
        let pairs: Vec<(String, String)> = back.query_pairs().into_owned().collect();
        assert_eq!(pairs[1], ("state".to_owned(), "s t&a".to_owned()));
        assert_eq!(pairs[0].0, "code");
        pairs[0].1.clone()
    }

    async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> crate::house::Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", "cli_native"),
            ("code_verifier", VERIFIER),
        ];
        for change in changes {
            fields.retain(|(name, _)| *name != change.0);
            fields.push(*change);
        }
        self.form("/oauth/token", &fields).await
    }
}

#[actix_web::test]
async fn a_browser_login_leads_back_with_a_code_that_works_once() {
    let house = House::start().await;
    let page = house.ask(&[]).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("name=\"state\" value=\"s t&amp;a\""));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    let code = house.code().await;
    let granted = house.exchange(&code, &[]).await.expect(200);
    let access = text(&granted["access_token"]);
    assert_eq!(
        house.get("/api/v1/me", &access).await.expect(200)["email"],
        OWNER
    );
    // The second exchange is refused and ends what the first one opened.
    house
        .exchange(&code, &[])
        .await
        .refuses(400, "invalid_grant");
    house
        .get("/api/v1/me", &access)
        .await
        .refuses(401, "session_invalid");
}

#[actix_web::test]
async fn a_code_is_bound_to_verifier_address_client_and_time() {
    let house = House::start().await;
    for change in [
        (
            "code_verifier",
            "another-verifier-of-at-least-forty-three-characters-012345",
        ),
        ("redirect_uri", "http://127.0.0.1:28889/callback"),
    ] {
        let code = house.code().await;
        house
            .exchange(&code, &[change])
            .await
            .refuses(400, "invalid_grant");
        // A failed exchange has consumed the code.
        house
            .exchange(&code, &[])
            .await
            .refuses(400, "invalid_grant");
    }
    let code = house.code().await;
    house
        .exchange(&code, &[("client_id", "other")])
        .await
        .refuses(401, "invalid_client");
    house.time.pass(Duration::from_secs(60));
    house
        .exchange(&code, &[])
        .await
        .refuses(400, "invalid_grant");
    house
        .exchange("unknown", &[])
        .await
        .refuses(400, "invalid_grant");
}

#[actix_web::test]
async fn a_denied_browser_login_leads_back_with_access_denied() {
    let house = House::start().await;
    let denied = house.answer(&[("decision", "deny")]).await;
    assert_eq!(denied.status, 302);
    assert_eq!(
        denied.header("location").unwrap(),
        format!("{REDIRECT}?error=access_denied&state=s+t%26a")
    );
    let wrong = [
        ("email", OWNER),
        ("approval_key", "no"),
        ("decision", "approve"),
    ];
    let refused = house.answer(&wrong).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("name=\"code_challenge\""),
        "the form can be sent again"
    );
    assert_eq!(house.answer(&[]).await.status, 400);
}

#[actix_web::test]
async fn a_request_that_names_a_wrong_address_or_client_is_never_redirected() {
    let house = House::start().await;
    for change in [
        ("redirect_uri", "http://example.com/callback"),
        ("redirect_uri", "https://127.0.0.1/callback"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", ""),
        ("client_id", "other"),
        ("client_id", ""),
    ] {
        for answer in [house.ask(&[change]).await, house.answer(&[change]).await] {
            assert!(
                (400..=401).contains(&answer.status),
                "{change:?} {}",
                answer.status
            );
            assert_eq!(answer.header("location"), None, "{change:?}");
        }
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("scope", "\u{e9}"), "invalid_scope"),
    ] {
        let answer = house.ask(&[change]).await;
        assert_eq!(answer.status, 302, "{change:?}");
        let location = answer.header("location").unwrap();
        assert!(
            location.starts_with(&format!("{REDIRECT}?error={error}&")),
            "{location}"
        );
        assert!(location.ends_with("&state=s+t%26a"), "{location}");
    }
}

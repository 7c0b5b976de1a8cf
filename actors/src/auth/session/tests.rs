use super::*;

/// The full session of reference/auth-state-daemon.md 3.
pub(crate) const VECTOR: &str = r#"{"user_id": "u-1", "email": "a@b.co", "name": "Zo\u00eb", "teams": [{"id": "t-shared", "name": "Shared", "role": "member", "is_private_teamspace": false, "slug": "t-shared"}], "default_team_id": "t-shared", "access_token": "at", "refresh_token": "rt", "session_id": "s-1", "issued_at": "2026-01-02T03:04:05+00:00", "access_token_expires_at": "2026-01-02T04:04:05.123456+00:00", "refresh_token_expires_at": null, "scope": "openid", "storage_backend": "file", "last_used_at": "2026-01-02T03:04:05+00:00", "auth_method": "authorization_code", "generation": null}"#;

fn parse(text: &str) -> Result<StoredSession, SessionContentError> {
    StoredSession::from_json(text.as_bytes())
}

#[test]
fn the_reference_session_is_written_byte_for_byte() {
    assert_eq!(VECTOR.len(), 559);
    let session = parse(VECTOR).unwrap();
    assert_eq!(session.name, "Zoë");
    assert_eq!(&*session.to_json(), VECTOR);
}

#[test]
fn unknown_keys_survive_a_rewrite_with_their_values_and_order() {
    let with_extras = VECTOR
        .replace(
            r#""slug": "t-shared"}"#,
            r#""slug": "t-shared", "z": {"b": 1.50, "a": [1e400]}, "a": "\u00e9"}"#,
        )
        .replace(
            r#""generation": null}"#,
            r#""generation": 3, "zeta": 12345678901234567890123, "alpha": {"y": null}}"#,
        );
    let session = parse(&with_extras).unwrap();
    assert_eq!(session.generation, Some(3));
    assert_eq!(*session.to_json(), with_extras);
}

#[test]
fn missing_optional_keys_get_their_defaults() {
    let text = VECTOR
        .replace(r#", "generation": null"#, "")
        .replace(r#", "is_private_teamspace": false, "slug": "t-shared""#, "");
    assert_eq!(&*parse(&text).unwrap().to_json(), VECTOR);
}

#[test]
fn every_other_missing_or_mistyped_key_is_named_without_its_value() {
    for key in [
        "user_id",
        "email",
        "name",
        "teams",
        "default_team_id",
        "access_token",
        "refresh_token",
        "session_id",
        "issued_at",
        "access_token_expires_at",
        "scope",
        "storage_backend",
        "last_used_at",
        "auth_method",
    ] {
        let renamed = VECTOR.replacen(&format!("\"{key}\": "), "\"other\": ", 1);
        assert_eq!(parse(&renamed), Err(SessionContentError::Missing(key)));
        let mistyped = VECTOR.replacen(
            &format!("\"{key}\": "),
            &format!("\"{key}\": 7, \"o\": "),
            1,
        );
        assert_eq!(parse(&mistyped), Err(SessionContentError::Unusable(key)));
    }
    for text in ["", "[]", "null", "{", "{\"a\"}", "\u{0}"] {
        assert_eq!(parse(text), Err(SessionContentError::NotAnObject));
    }
}

#[test]
fn times_of_other_writers_are_read_and_normalised() {
    let text = VECTOR
        .replace("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05")
        .replace(
            "2026-01-02T04:04:05.123456+00:00",
            "2026-01-02T06:04:05.123456+02:00",
        );
    assert_eq!(&*parse(&text).unwrap().to_json(), VECTOR);
}

#[test]
fn the_private_team_is_never_the_default_or_first_shared_one() {
    let shared = Team::new("s", "S", "member", false);
    let private = Team::new("p", "P", "owner", true);
    assert_eq!(private_team(std::slice::from_ref(&shared)), None);
    assert_eq!(default_team_id(std::slice::from_ref(&shared)), "s");
    let both = [shared, private.clone()];
    assert_eq!(private_team(&both), Some(&private));
    assert_eq!(default_team_id(&both), "p");
    assert_eq!(default_team_id(&[]), "");
}

#[test]
fn an_access_token_ends_five_seconds_early() {
    let session = parse(VECTOR).unwrap();
    let end = session.access_token_expires_at;
    let before = |seconds: i64| end - jiff::SignedDuration::from_secs(seconds);
    assert!(session.access_is_valid(before(6)));
    assert!(!session.access_is_valid(before(5)));
    assert!(!session.access_is_valid(before(0)));
    assert!(!session.access_is_valid(Timestamp::MAX));
}

#[test]
fn debug_output_holds_no_token() {
    let text = VECTOR
        .replace("\"at\"", "\"s3cret\"")
        .replace("\"rt\"", "\"s3cret\"");
    let session = parse(&text).unwrap();
    let printed = format!("{session:?} {:?}", session.pair());
    assert!(!printed.contains("s3cret"), "{printed}");
}

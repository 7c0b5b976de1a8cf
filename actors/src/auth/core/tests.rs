//! Tables over the core: tokens, one story per test.

use super::story::{LIMIT, Story, expired, grant, ok, refused, server, stored};
use super::*;
use crate::auth::endpoints::RefreshAnswer;
use crate::auth::store::Exchanged;
use crate::transport::TransportError;

#[test]
fn a_valid_token_is_given_without_lock_and_network() {
    let mut story = Story::new();
    story.ask(None).read(Some(stored("one")));
    story.expect(&["read"], &[ok("one")]);
}

#[test]
fn several_askers_share_one_read_and_one_refresh() {
    let mut story = Story::new();
    story
        .ask(None)
        .ask(None)
        .read(Some(expired("old")))
        .ask(None);
    story
        .locked(LockOutcome::Acquired)
        .read(Some(expired("old")))
        .ask(None);
    story.server_says(RefreshAnswer::Granted(grant("new")));
    story.exchanged(Exchanged::Written);
    let all = [ok("new"), ok("new"), ok("new"), ok("new")];
    story.expect(
        &[
            "read",
            "lock",
            "read",
            "send refresh-old",
            "exchange refresh-old for refresh-new",
            "unlock",
            "refreshed",
        ],
        &all,
    );
}

#[test]
fn what_another_process_stored_is_taken_over_without_network() {
    let mut story = Story::new();
    story.ask(None).read(Some(expired("old")));
    story
        .locked(LockOutcome::Acquired)
        .read(Some(stored("new")));
    story.expect(
        &["read", "lock", "read", "unlock", "refreshed"],
        &[ok("new")],
    );
}

#[test]
fn a_rejected_token_is_refreshed_although_the_clock_says_it_is_valid() {
    let mut story = Story::new();
    story.ask(Some("old")).read(Some(stored("old")));
    story
        .locked(LockOutcome::Acquired)
        .read(Some(stored("old")));
    story.expect(&["read", "lock", "read", "send refresh-old"], &[]);
}

#[test]
fn a_rejected_token_that_is_no_longer_stored_needs_no_refresh() {
    let mut story = Story::new();
    story.ask(Some("old")).read(Some(stored("new")));
    story.expect(&["read"], &[ok("new")]);
}

#[test]
fn a_refresh_that_gives_the_rejected_token_again_ends_with_an_error() {
    let mut story = Story::new();
    story.ask(Some("old")).read(Some(stored("old")));
    story
        .locked(LockOutcome::Acquired)
        .read(Some(stored("old")));
    story.server_says(RefreshAnswer::Granted(grant("old")));
    story.exchanged(Exchanged::Written);
    assert_eq!(story.answers, [refused(AuthError::AuthenticationExpired)]);
}

#[test]
fn a_brand_new_token_is_given_even_if_it_ends_at_once() {
    let mut story = Story::new();
    let mut short = grant("new");
    short.expires_in = 0;
    story
        .until_sent()
        .server_says(RefreshAnswer::Granted(short));
    story.exchanged(Exchanged::Written);
    assert_eq!(story.answers, [ok("new")]);
}

#[test]
fn a_rejected_pair_that_is_still_stored_is_deleted_and_named() {
    for (answer, reason, error) in [
        (
            RefreshAnswer::Expired,
            "ended RefreshTokenExpired",
            AuthError::RefreshTokenExpired,
        ),
        (
            RefreshAnswer::Invalid,
            "ended EndedByServer",
            AuthError::SessionInvalid,
        ),
    ] {
        for outcome in [Deleted::Deleted, Deleted::Absent] {
            let mut story = Story::new();
            story
                .until_sent()
                .server_says(answer.clone())
                .deleted(outcome);
            let log = [
                "read",
                "lock",
                "read",
                "send refresh-old",
                "delete refresh-old",
                reason,
                "unlock",
            ];
            story.expect(&log, &[refused(error.clone())]);
        }
    }
}

#[test]
fn a_newer_session_survives_the_rejection_of_an_older_one() {
    let newer = |stored: Stored| Deleted::Newer(Box::new(stored));
    let mut story = Story::new();
    story.until_sent().server_says(RefreshAnswer::Expired);
    story.deleted(newer(stored("new")));
    assert_eq!(story.answers, [ok("new")]);
    assert_eq!(story.log.last().unwrap(), "refreshed");

    let mut story = Story::new();
    story.until_sent().server_says(RefreshAnswer::Expired);
    story.deleted(newer(expired("new")));
    assert_eq!(story.answers, [refused(AuthError::SessionChanged)]);

    let mut dead = stored("new");
    dead.session = dead.session.refreshable_until(0);
    let mut story = Story::new();
    story.until_sent().server_says(RefreshAnswer::Expired);
    story.deleted(newer(dead));
    assert_eq!(story.answers, [refused(AuthError::RefreshTokenExpired)]);
    let deletions = story
        .log
        .iter()
        .filter(|line| line.starts_with("delete"))
        .count();
    assert_eq!(deletions, 1);
}

#[test]
fn a_login_during_the_refresh_wins_over_its_result() {
    let mut story = Story::new();
    story
        .until_sent()
        .server_says(RefreshAnswer::Granted(grant("new")));
    let login = stored("login");
    story.exchanged(Exchanged::Superseded(Some(Box::new(login))));
    assert_eq!(story.answers, [ok("login")]);
}

#[test]
fn a_logout_during_the_refresh_wins_over_its_result() {
    let mut story = Story::new();
    story
        .until_sent()
        .server_says(RefreshAnswer::Granted(grant("new")));
    story.exchanged(Exchanged::Superseded(None));
    assert_eq!(story.answers, [refused(AuthError::NoSession)]);
    assert!(story.log.contains(&"ended DeletedElsewhere".to_owned()));
}

#[test]
fn a_replay_is_retried_once_with_a_newer_stored_pair() {
    let mut story = Story::new();
    story.until_sent().server_says(RefreshAnswer::Replay);
    story
        .read(Some(expired("newer")))
        .server_says(RefreshAnswer::Replay);
    let log = [
        "read",
        "lock",
        "read",
        "send refresh-old",
        "read",
        "send refresh-newer",
        "unlock",
    ];
    story.expect(&log, &[refused(AuthError::RefreshReplay)]);
}

#[test]
fn a_replay_with_a_valid_newer_session_needs_no_second_request() {
    let mut story = Story::new();
    story.until_sent().server_says(RefreshAnswer::Replay);
    story.read(Some(stored("newer")));
    assert_eq!(story.answers, [ok("newer")]);
}

#[test]
fn a_replay_without_a_newer_pair_deletes_nothing_and_says_so() {
    for found in [Some(expired("old")), None] {
        let mut story = Story::new();
        story
            .until_sent()
            .server_says(RefreshAnswer::Replay)
            .read(found);
        assert_eq!(story.answers, [refused(AuthError::RefreshReplay)]);
        assert_eq!(
            AuthError::RefreshReplay.to_string(),
            "Refresh token replay detected and no newer local token is available. \
             Run `spec-kitty auth login` if this persists."
        );
        assert!(!story.log.iter().any(|line| line.starts_with("delete")));
    }
}

#[test]
fn an_unclear_answer_or_a_lost_one_keeps_the_session() {
    let failed = RefreshAnswer::Failed {
        status: 500,
        body: "kaboom".to_owned(),
    };
    let mut story = Story::new();
    story.until_sent().server_says(failed);
    let [Answer::Token(Err(error))] = &story.answers[..] else {
        panic!("one error");
    };
    assert_eq!(error.to_string(), "Token refresh failed: HTTP 500 - kaboom");

    let lost = TransportError::Broken {
        name: "the token refresh",
        endpoint: "https://a.example/oauth/token".to_owned(),
        reason: "reset".to_owned(),
    };
    let mut story = Story::new();
    story.until_sent();
    story.step(Input::Refreshed(story.core.ticket, Err(lost.clone())));
    assert_eq!(story.answers, [refused(AuthError::Transport(lost))]);
    assert_eq!(story.log.last().unwrap(), "unlock");
}

#[test]
fn without_the_lock_a_valid_stored_token_is_used_and_nothing_is_sent() {
    for (found, expected) in [
        (Some(stored("new")), ok("new")),
        (Some(expired("old")), refused(AuthError::RefreshInProgress)),
        (None, refused(AuthError::RefreshInProgress)),
    ] {
        let mut story = Story::new();
        story.ask(None).read(Some(expired("old")));
        story.locked(LockOutcome::TimedOut).read(found);
        assert_eq!(story.answers, [expected]);
        assert!(!story.log.iter().any(|line| line.starts_with("send")));
    }
    assert_eq!(
        AuthError::RefreshInProgress.to_string(),
        "Another spec-kitty process is refreshing the auth session; retry in a moment."
    );
}

#[test]
fn a_token_is_never_sent_to_a_server_that_did_not_issue_it() {
    let foreign = |stored: Stored| Stored {
        issuer: ServerUrl::parse("https://other.example").ok(),
        ..stored
    };
    for found in [foreign(stored("one")), foreign(expired("old"))] {
        let mut story = Story::new();
        story.ask(None).read(Some(found));
        let [Answer::Token(Err(error))] = &story.answers[..] else {
            panic!("one error");
        };
        assert!(matches!(error, AuthError::OtherIssuer { .. }));
        assert!(
            error.to_string().contains("https://other.example"),
            "{error}"
        );
        assert_eq!(story.log, ["read"]);
    }
    // It may also change while the lock is awaited.
    let mut story = Story::new();
    story.ask(None).read(Some(expired("old")));
    story
        .locked(LockOutcome::Acquired)
        .read(Some(foreign(expired("old"))));
    assert_eq!(story.log, ["read", "lock", "read", "unlock"]);
}

#[test]
fn a_session_of_the_python_cli_is_bound_by_its_first_refresh() {
    let mut story = Story::new();
    let unbound = Stored {
        issuer: None,
        ..expired("old")
    };
    story.ask(None).read(Some(unbound.clone()));
    story.locked(LockOutcome::Acquired).read(Some(unbound));
    story.server_says(RefreshAnswer::Granted(grant("new")));
    let [Effect::Exchange { next, .. }] = &story.last[..] else {
        panic!("an exchange");
    };
    assert_eq!(next.issuer, Some(server()));
}

#[test]
fn without_a_session_or_server_the_answer_says_which() {
    let mut story = Story::new();
    story.ask(None).read(None);
    assert_eq!(story.answers, [refused(AuthError::NoSession)]);

    let mut story = Story::with(AuthCore::new(None, None));
    story.ask(None).read(Some(stored("one")));
    assert_eq!(story.answers, [refused(AuthError::NoServer)]);

    let mut story = Story::new();
    let broken = StoreError::Interrupted;
    story
        .ask(None)
        .step(Input::Read(Ticket(1), Err(broken.clone())));
    assert_eq!(story.answers, [refused(AuthError::UnusableSession(broken))]);

    let mut story = Story::new();
    let mut dead = stored("one");
    dead.session = dead.session.refreshable_until(0);
    story.ask(None).read(Some(dead));
    assert_eq!(story.answers, [refused(AuthError::RefreshTokenExpired)]);
}

#[test]
fn an_asker_whose_time_is_up_is_told_once_and_the_refresh_goes_on() {
    let mut story = Story::new();
    story.until_sent();
    let request = RequestId(1);
    story.step(Input::DeadlinePassed { request });
    let gone = AuthError::Deadline {
        what: "the access token",
        after: LIMIT,
    };
    assert_eq!(story.answers, [refused(gone)]);
    story.step(Input::DeadlinePassed { request });
    story.server_says(RefreshAnswer::Granted(grant("new")));
    story.exchanged(Exchanged::Written);
    assert_eq!(story.answers.len(), 1);
    assert_eq!(story.log.last().unwrap(), "refreshed");
}

#[test]
fn an_outcome_that_nobody_awaits_changes_nothing() {
    let mut story = Story::new();
    story.until_sent();
    let before = story.log.len();
    let stale = Ticket(story.core.ticket.0 - 1);
    story.step(Input::Refreshed(stale, Ok(RefreshAnswer::Expired)));
    story.step(Input::Read(stale, Ok(None)));
    story.deleted(Deleted::Deleted);
    assert_eq!(story.log.len(), before);
    story.server_says(RefreshAnswer::Granted(grant("new")));
    assert_eq!(
        story.log.last().unwrap(),
        "exchange refresh-old for refresh-new"
    );
}

#[test]
fn a_renewed_session_that_cannot_be_stored_serves_and_is_stored_later() {
    let full = StoreError::Unwritable {
        path: "session.json".into(),
        reason: "no space".to_owned(),
    };
    let mut story = Story::new();
    story
        .until_sent()
        .server_says(RefreshAnswer::Granted(grant("new")));
    story.not_exchanged(&full);
    assert_eq!(story.answers, [ok("new")]);
    assert!(story.log.contains(&"report auth_refresh".to_owned()));
    story.log.clear();
    story.answers.clear();

    story.ask(None).not_exchanged(&full);
    story.ask(Some("new")).not_exchanged(&full);
    assert_eq!(story.answers, [ok("new"), refused(AuthError::Store(full))]);
    story.log.clear();
    story.answers.clear();

    story.ask(None).exchanged(Exchanged::Written);
    story.expect(
        &["exchange refresh-old for refresh-new", "refreshed"],
        &[ok("new")],
    );
}

#[test]
fn a_logout_deletes_whatever_is_stored_and_comes_before_new_refreshes() {
    let mut story = Story::new();
    let request = story.request();
    story
        .step(Input::Logout { request })
        .ask(None)
        .deleted(Deleted::Deleted);
    assert_eq!(
        story.answers,
        [Answer::LoggedOut(Ok(LoggedOut::SessionDeleted))]
    );
    story.read(None);
    assert_eq!(story.answers[1], refused(AuthError::NoSession));
    assert_eq!(story.log, ["delete any", "ended LoggedOut", "read"]);

    let mut story = Story::new();
    story
        .step(Input::Logout { request })
        .deleted(Deleted::Absent);
    assert_eq!(
        story.answers,
        [Answer::LoggedOut(Ok(LoggedOut::NothingStored))]
    );
}

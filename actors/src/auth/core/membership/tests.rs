//! Tables over the core: teams, one story per test.

use super::*;
use crate::auth::core::story::{
    Story, expired, grant, ok, refused, server, shared_only, stored, teams,
};
use crate::auth::core::{Input, LockOutcome};
use crate::auth::endpoints::RefreshAnswer;
use crate::auth::store::Exchanged;
use crate::auth::testing::session;

#[test]
fn a_stored_private_team_is_never_fetched() {
    let mut story = Story::new();
    story.ask_teams(true).read(Some(stored("one")));
    story.expect(&["read"], &[teams(&stored("one"), Rehydrate::NotNeeded)]);
}

#[test]
fn teams_are_fetched_stored_and_then_known() {
    let mut story = Story::new();
    story
        .ask_teams(true)
        .ask_teams(false)
        .read(Some(shared_only("one")));
    story.me(session("one").teams);
    story.step(Input::TeamsStored(
        story.core.ticket,
        Ok(Some(stored("one"))),
    ));
    story.expect(
        &["read", "me", "teams"],
        &[
            teams(&shared_only("one"), Rehydrate::NotWanted),
            teams(&stored("one"), Rehydrate::Found),
        ],
    );
}

#[test]
fn no_private_team_is_remembered_until_another_session_is_stored() {
    let shared = shared_only("one");
    let mut story = Story::new();
    story.ask_teams(true).read(Some(shared.clone()));
    story.me(shared.session.teams.clone());
    story.ask_teams(true).read(Some(shared.clone()));
    story.expect(
        &["read", "me", "read"],
        &[
            teams(&shared, Rehydrate::FoundNone),
            teams(&shared, Rehydrate::RememberedNone),
        ],
    );
    story.ask_teams(true).read(Some(shared_only("two")));
    story.expect(&["read", "me"], &[]);
}

#[test]
fn a_fetch_that_fails_stores_and_remembers_nothing() {
    let shared = shared_only("one");
    let failed = AuthError::Membership("the server answered HTTP 500".to_owned());
    let unusable = MeAnswer::Unusable("the server answered HTTP 500".to_owned());
    let mut story = Story::new();
    for _ in 0..2 {
        story.ask_teams(true).read(Some(shared.clone()));
        story.step(Input::Me(story.core.ticket, Ok(unusable.clone())));
        story.expect(
            &["read", "me"],
            &[teams(&shared, Rehydrate::Failed(failed.clone()))],
        );
    }
    assert!(Rehydrate::Failed(failed).attempted());
    assert!(!Rehydrate::RememberedNone.attempted());
}

#[test]
fn a_token_rejected_by_the_membership_request_is_refreshed_once() {
    let shared = shared_only("old");
    let mut story = Story::new();
    story.ask_teams(true).read(Some(shared.clone()));
    story.step(Input::Me(story.core.ticket, Ok(MeAnswer::Unauthorized)));
    story
        .locked(LockOutcome::Acquired)
        .read(Some(shared.clone()));
    story.server_says(RefreshAnswer::Granted(grant("new")));
    story.exchanged(Exchanged::Written);
    story.expect(
        &[
            "read",
            "me",
            "lock",
            "read",
            "send refresh-old",
            "exchange refresh-old for refresh-new",
            "unlock",
            "refreshed",
            "me",
        ],
        &[],
    );
    story.step(Input::Me(story.core.ticket, Ok(MeAnswer::Unauthorized)));
    let failed = Rehydrate::Failed(AuthError::AuthenticationExpired);
    story.expect(&[], &[teams(&shared, failed)]);
}

#[test]
fn an_expired_token_is_refreshed_before_the_teams_are_fetched() {
    let mut old = shared_only("old");
    old.session = old.session.expiring_at(0);
    let mut story = Story::new();
    story.ask_teams(true).read(Some(old.clone()));
    story.locked(LockOutcome::Acquired).read(Some(old));
    story.server_says(RefreshAnswer::Granted(grant("new")));
    story.exchanged(Exchanged::Written);
    assert_eq!(story.log.last().unwrap(), "me");
}

#[test]
fn taking_over_a_session_without_private_team_fetches_the_teams_behind_the_answer() {
    let mut story = Story::new();
    story.ask(None).read(Some(expired("old")));
    story
        .locked(LockOutcome::Acquired)
        .read(Some(shared_only("new")));
    story.expect(
        &["read", "lock", "read", "unlock", "refreshed", "me"],
        &[ok("new")],
    );
    // Who asks for a token meanwhile does not wait for the teams.
    story.ask(None);
    story.expect(&[], &[ok("new")]);
    let unusable = MeAnswer::Unusable("no".to_owned());
    story.step(Input::Me(story.core.ticket, Ok(unusable)));
    story.expect(&["report membership"], &[]);
}

#[test]
fn a_session_replaced_while_its_teams_were_fetched_is_looked_at_anew() {
    let mut story = Story::new();
    story.ask_teams(true).read(Some(shared_only("one")));
    story.me(session("one").teams);
    story.step(Input::TeamsStored(story.core.ticket, Ok(None)));
    story.read(Some(stored("two")));
    story.expect(
        &["read", "me", "teams", "read"],
        &[teams(&stored("two"), Rehydrate::NotNeeded)],
    );
}

#[test]
fn the_token_of_the_environment_wins_and_is_neither_stored_nor_refreshed() {
    let environment = || {
        let secret = session("env").access_token;
        Story::with(AuthCore::new(Some(server()), Some(secret)))
    };
    let mut story = environment();
    story.ask(None).ask(Some("env"));
    let rejected = refused(AuthError::EnvironmentTokenRejected);
    story.expect(&[], &[ok("env"), rejected]);

    story
        .ask_teams(false)
        .ask_teams(true)
        .me(session("x").teams);
    story.ask_teams(true);
    let empty = Answer::Membership(Ok(Membership {
        user_id: None,
        teams: Vec::new(),
        rehydrate: Rehydrate::NotWanted,
    }));
    let known = |outcome| teams(&stored("x"), outcome);
    story.expect(
        &["me"],
        &[empty, known(Rehydrate::Found), known(Rehydrate::NotNeeded)],
    );

    let mut story = environment();
    story.ask_teams(true);
    story.step(Input::Me(story.core.ticket, Ok(MeAnswer::Unauthorized)));
    let [Answer::Membership(Ok(membership))] = &story.answers[..] else {
        panic!("a membership");
    };
    let failed = Rehydrate::Failed(AuthError::EnvironmentTokenRejected);
    assert_eq!(membership.rehydrate, failed);

    let secret = session("env").access_token;
    let mut story = Story::with(AuthCore::new(None, Some(secret)));
    story.ask(None);
    assert_eq!(story.answers, [refused(AuthError::NoServer)]);
}

//! Document 1: stdout stays one JSON document while sync says on stderr why it does not send.

use crate::support::process::Run;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{BATCH, ME, ScriptedServer};
use crate::support::sessions::Seed;
use crate::support::tree::{Tree, assert_unchanged};
use std::time::Duration;

/// A host that refuses connections at once, as in document 1.
const NOBODY: &str = "http://localhost:1";

const CREATE: [&str; 5] = ["agent", "mission", "create", "ac-006-smoke", "--json"];

fn shared_only() -> Sandbox {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.seed(&Seed::shared_only());
    sandbox
}

/// What document 1 demands of the run with a shared-only session.
#[track_caller]
fn assert_ingress_skipped(run: &Run) {
    assert_eq!(run.code(), 0, "{run:?}");
    assert_one_success(run);
    let skipped = "direct_ingress_missing_private_team";
    assert!(run.stderr.contains(skipped), "{run:?}");
    for text in ["no valid access token", "Not authenticated"] {
        assert!(!run.says(text), "{text}: {run:?}");
    }
}

#[track_caller]
fn assert_one_success(run: &Run) {
    let answer = run.json();
    assert_eq!(answer["result"], "success", "{run:?}");
    let slug = answer["mission_slug"].as_str().unwrap();
    assert!(slug.starts_with("ac-006-smoke-"), "{slug}");
    for prose in [
        "Connection failed",
        "direct ingress skipped",
        "direct_ingress_missing_private_team",
        "sync_diagnostic",
        "WARNING",
    ] {
        assert!(!run.stdout.contains(prose), "{prose} on stdout: {run:?}");
    }
}

#[test]
fn a_shared_only_session_skips_ingress_and_stdout_is_one_document() {
    let sandbox = shared_only();
    let run = sandbox.run(&CREATE);
    assert_ingress_skipped(&run);
    insta::assert_snapshot!(run.stderr.trim_end(), @"sync_diagnostic severity=warning diagnostic_code=sync.direct_ingress_missing_private_team fatal=false sync_phase=final_sync message=Final sync failed after local command success. Queued events remain durable and will be retried. Detail: skipped: no Private Teamspace available for direct ingress");
}

#[test]
fn the_same_holds_ten_times_one_after_the_other() {
    for _ in 0..10 {
        assert_ingress_skipped(&shared_only().run(&CREATE));
    }
}

#[test]
fn the_same_holds_ten_times_at_once() {
    let sandboxes: Vec<Sandbox> = (0..10).map(|_| shared_only()).collect();
    let running: Vec<_> = sandboxes
        .iter()
        .map(|sandbox| sandbox.call(&CREATE).start())
        .collect();
    for running in running {
        assert_ingress_skipped(&running.finish());
    }
}

#[test]
fn the_same_holds_when_the_server_confirms_that_there_is_no_private_teamspace() {
    let server = ScriptedServer::start().without_private_team();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::shared_only().issued_by(&server.url()));
    assert_ingress_skipped(&sandbox.run(&CREATE));
    assert_eq!((server.count(ME), server.count(BATCH)), (1, 0));
}

#[test]
fn the_same_holds_with_a_refresh_token_that_never_ends_and_a_session_bound_to_its_server() {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.seed(&Seed::shared_only().issued_by(NOBODY).access_expired());
    assert_ingress_skipped(&sandbox.run(&CREATE));
}

#[test]
fn a_person_reads_the_same_diagnostic_without_json() {
    let sandbox = shared_only();
    let run = sandbox.run(&CREATE[..4]).expect_code(0);
    assert!(
        run.stdout.starts_with("✓ Mission created: ac-006-smoke-"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("direct_ingress_missing_private_team"),
        "{run:?}"
    );
    assert!(!run.stdout.contains("direct_ingress"), "{run:?}");
}

#[test]
fn without_a_session_the_code_is_another_one() {
    let run = Sandbox::hosted(NOBODY).run(&CREATE);
    assert_one_success(&run);
    assert_eq!(run.code(), 0);
    insta::assert_snapshot!(run.stderr.trim_end(), @"sync_diagnostic severity=warning diagnostic_code=sync.server_auth_failure fatal=false sync_phase=final_sync message=Final sync failed after local command success. Queued events remain durable and will be retried. Detail: Not authenticated: no valid access token. Run `spec-kitty auth login`.");
}

#[test]
fn with_hosted_sync_off_nothing_is_said_nothing_is_reached_and_nothing_is_written_elsewhere() {
    let mut sandbox = shared_only();
    sandbox.unset("SPEC_KITTY_ENABLE_SAAS_SYNC");
    let (home, state) = (Tree::of(&sandbox.home()), Tree::of(&sandbox.state()));
    let run = sandbox.run(&CREATE).expect_code(0);
    assert_one_success(&run);
    assert_eq!(run.stderr, "");
    assert_unchanged(&home, &sandbox.home());
    assert_unchanged(&state, &sandbox.state());
    let again = ["agent", "mission", "create", "another-one", "--json"];
    if let Some(trace) = sandbox.call(&again).trace() {
        trace.run.clone().expect_code(0);
        trace.reached_nobody();
        trace.wrote_only_below(&[&sandbox.repo()]);
    }
}

#[test]
fn merged_streams_of_a_quiet_run_are_one_document() {
    let both = r#"exec "$@" 2>&1"#;
    let mut off = shared_only();
    off.unset("SPEC_KITTY_ENABLE_SAAS_SYNC");
    for sandbox in [shared_only(), Sandbox::hosted(NOBODY), off] {
        let quiet = [
            "--quiet",
            "agent",
            "mission",
            "create",
            "ac-006-smoke",
            "--json",
        ];
        assert_one_success(&sandbox.call(&quiet).within_shell(both).expect_code(0));
        let by_variable = sandbox.call(&CREATE).env("SPEC_KITTY_QUIET", "1");
        assert_one_success(&by_variable.within_shell(both).expect_code(0));
    }
}

#[test]
fn a_log_that_was_asked_for_goes_to_stderr_and_never_to_stdout() {
    let sandbox = shared_only();
    let run = sandbox.call(&CREATE).env("SPEC_KITTY_LOG", "trace").run();
    assert_ingress_skipped(&run);
    assert!(run.stderr.lines().count() > 1, "{run:?}");
    assert!(!run.says("s3cret"), "a token was logged");
}

#[test]
fn the_whole_command_ends_soon_although_the_host_refuses() {
    let sandbox = shared_only();
    let run = sandbox.run(&CREATE);
    assert_ingress_skipped(&run);
    // Nothing here waits: refused is refused. The limit is that of a busy machine.
    assert!(run.took < Duration::from_secs(20), "{run:?}");
}

//! A canary that cannot fail is worthless: for each scenario a binary that differs from ours in one
//! behaviour, and the failure mode that names it. The other scenarios pass.

use super::{Canary, modes};
use crate::support::process::program;
use crate::support::sandbox::write_script;

/// Runs the canary over our binary behind a shell script, in which `real "$@"` is the true call.
fn over(breaking: &str) -> [Option<String>; 4] {
    let canary = Canary::new();
    let script = canary.sandbox.base().join("broken-spec-kitty");
    let real = program().display();
    let text = format!("#!/bin/sh\nreal() {{ '{real}' \"$@\"; }}\n{breaking}\nreal \"$@\"\n");
    write_script(&script, &text);
    let run = canary.over(&script, &[]);
    let document = run.json();
    assert_eq!(
        run.code(),
        i32::from(document["outcome"] != "pass"),
        "{run:?}"
    );
    modes(&document["runs"][0])
}

fn only(scenario: usize, mode: &str) -> [Option<String>; 4] {
    let mut modes = [None, None, None, None];
    modes[scenario - 1] = Some(mode.to_owned());
    modes
}

#[test]
fn a_binary_that_only_goes_through_a_script_passes() {
    assert_eq!(over(""), [None, None, None, None]);
}

#[test]
fn events_that_are_queued_and_reported_as_unknown_fail_the_first_scenario() {
    // On a machine without an earlier queue, the first delivery of finished work.
    let modes = over(
        "if [ \"$1 $2\" = 'sync now' ] && [ ! -e \"$SPEC_KITTY_HOME/queue.db\" ] &&\n\
         grep -qs '\"to_lane\": *\"done\"' kitty-specs/*/status.events.jsonl; then\n\
         echo 'Synced: 0  Errors: 3'; echo '  unknown: 3'; exit 1; fi",
    );
    assert_eq!(modes, only(1, "sync.event_loop_unavailable"));
}

#[test]
fn rows_of_another_identity_that_are_lost_fail_the_second_scenario() {
    let modes = over(
        "if [ \"$1 $2\" = 'sync now' ]; then real \"$@\"; code=$?\n\
         rm -f \"$SPEC_KITTY_HOME/queue.db\"; exit $code; fi",
    );
    assert_eq!(modes, only(2, "legacy_rows_stranded"));
}

#[test]
fn a_second_owner_that_is_ignored_fails_the_third_scenario() {
    let modes = over(
        "if [ \"$1 $2\" = 'sync now' ]; then rm -f \"$SPEC_KITTY_HOME/sync/daemon/owner.json\"; fi",
    );
    assert_eq!(modes, only(3, "emitted_despite_refusal"));
}

#[test]
fn a_rollback_that_is_not_queued_fails_the_fourth_scenario() {
    let modes = over(
        "case \" $* \" in *' move-task '*' --to planned '*)\n\
         SPEC_KITTY_SYNC_DISABLE=1; export SPEC_KITTY_SYNC_DISABLE;; esac",
    );
    assert_eq!(modes, only(4, "rollback_row_mismatch"));
}

//! The real program, killed with SIGKILL at moments spread over its work.

use super::fixture::{OTHERS, OURS, waiting, with_odd_queue};
use super::project::legacy_project;
use super::queues::upgrade;
use crate::support::process::unique;
use crate::support::sandbox::Sandbox;
use crate::support::tree::Tree;
use std::time::{Duration, Instant};

/// Runs an upgrade and kills it after a while; tells whether it was still at work.
fn kill_after(sandbox: &Sandbox, after: Duration) -> bool {
    let mut running = sandbox.call(&["upgrade", "--json"]).start().lines();
    let begun = Instant::now();
    while running.is_running() && begun.elapsed() < after {
        std::thread::yield_now();
    }
    let at_work = running.is_running();
    running.kill();
    at_work
}

#[test]
fn nfr_004_an_upgrade_that_is_killed_again_and_again_ends_as_one_that_was_not() {
    let undisturbed = with_odd_queue(true);
    legacy_project(&undisturbed);
    let begun = Instant::now();
    let expected = upgrade(&undisturbed);
    let whole = begun.elapsed();
    let disturbed = with_odd_queue(true);
    legacy_project(&disturbed);
    let mut killed = 0;
    for step in 0..12_u32 {
        killed += usize::from(kill_after(&disturbed, whole * step / 12));
    }
    assert!(killed > 0, "nothing was interrupted (test {})", unique());
    let found = upgrade(&disturbed);
    assert_eq!(found["queues"]["total"], expected["queues"]["total"]);
    assert_eq!(
        found["queues"]["quarantine"],
        expected["queues"]["quarantine"]
    );
    for project in [OURS, OTHERS] {
        let stored = |sandbox: &Sandbox| waiting(&sandbox.state(), project);
        assert_eq!(stored(&disturbed), stored(&undisturbed));
    }
    let specs = |sandbox: &Sandbox| Tree::of(&sandbox.repo().join("kitty-specs"));
    let names = specs(&disturbed).names();
    assert_eq!(names, specs(&undisturbed).names());
    for name in names {
        let read =
            |sandbox: &Sandbox| std::fs::read(sandbox.repo().join("kitty-specs").join(&name)).ok();
        assert_eq!(read(&disturbed), read(&undisturbed), "{name}");
    }
}

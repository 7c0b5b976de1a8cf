//! Killed wherever it stands, a gate goes on, and nobody is told anything twice.

use super::Works;
use crate::support::process::{Running, signal};
use kitty_canary::gate::State;
use kitty_runtime::process::of_this_user;
use std::path::Path;

/// Kills a gate at once.
fn kill(gate: Running) {
    signal("KILL", gate.id());
    assert_eq!(
        gate.finish().status.code(),
        None,
        "it ended before it was killed"
    );
}

/// How many acts were begun and done, by the word of the log.
fn acts(works: &Works) -> Vec<String> {
    let log = works.log();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let done = lines.filter_map(|entry: serde_json::Value| {
        let id = entry["input"]["done"]["id"].as_str()?;
        Some(id.to_owned())
    });
    done.collect()
}

#[test]
fn killed_with_sigkill_at_every_state_it_ends_complete_and_every_act_is_done_once() {
    let works = Works::new();
    // The gate is killed as soon as a state is in its log; it cannot run past the suite before.
    works.close("suite-4");
    let mut killed = 0;
    for state in State::ALL {
        if state == State::TeamspacePassed {
            works.open("suite-4");
        }
        let gate = works.start(&[]);
        works.reaches(state);
        signal("KILL", gate.id());
        killed += usize::from(gate.finish().status.code().is_none());
    }
    // In its last two states it may have ended by itself before.
    assert!(killed >= State::ALL.len() - 2, "{killed}");
    works.completes();
    assert_eq!(works.asked(), ["close e2e#41", "comment spec-kitty#1038"]);
    let acts = acts(&works);
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert_ne!(acts[0], acts[1]);
    works.verify(&works.commits.fix, &[]).expect_code(0);
}

/// Tells whether a script of these works runs.
fn runs(works: &Works, script: &str) -> bool {
    let scripts = of_this_user(|arguments| arguments.iter().any(|it| it == script));
    let base = works.path("");
    let ours = |pid: u32| {
        let cwd = Path::new("/proc").join(pid.to_string()).join("cwd");
        std::fs::read_link(cwd).is_ok_and(|cwd| cwd.starts_with(&base))
    };
    scripts.iter().any(|it| ours(it.identity.pid))
}

#[test]
fn killed_in_a_run_it_ends_what_it_left_running_and_begins_a_new_attempt() {
    let works = Works::new();
    works.close("run-3");
    let gate = works.start(&[]);
    works.arrives("run-3");
    // Another gate does not run beside it.
    let other = works.gate(&[]).expect_code(2);
    assert!(
        other.stderr.contains("another process runs the gate"),
        "{other:?}"
    );
    assert!(runs(&works, "runner.sh"));
    kill(gate);
    assert!(runs(&works, "runner.sh"), "it outlives the gate");
    works.close("suite-2");
    let gate = works.start(&[]);
    works.arrives("suite-2");
    assert!(!runs(&works, "runner.sh"), "it was ended");
    kill(gate);
    works.open("suite-2");
    works.completes();
    assert!(!runs(&works, "suite.sh"));
    // One run, one that was killed in the second of four, four whole ones.
    assert_eq!(works.runs(), 1 + 2 + 4);
    let folder = works.directory().join("artifacts/sync_identity_boundary");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
    assert_eq!(works.asked(), ["close e2e#41", "comment spec-kitty#1038"]);
}

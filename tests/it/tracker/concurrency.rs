//! Many programs change `.kittify/config.yaml` at once: no change of anybody is lost.

use super::machine;
use crate::support::process::{DEADLINE, Running};
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{Answer, ScriptedServer, Step};
use kitty_runtime::lock::FileLock;
use serde_json::json;
use std::path::PathBuf;

const VALIDATE: &str = "/api/v1/tracker/bind-validate/";
const FOREIGN: &str = "# The project's own settings.\nproject:\n  slug: demo  # ours\n\
                       agents: [a, b]\ntracker:\n  # what may leave\n  egress: permitted\n";

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.repo().join(".kittify/config.yaml")
}

/// Takes the lock that every change of the file is made under.
fn lock(sandbox: &Sandbox) -> FileLock {
    let locks = sandbox.repo().join(".git/spec-kitty-locks");
    std::fs::create_dir_all(&locks).unwrap();
    let path = locks.join("project-config.lock");
    FileLock::acquire("the test's change", &path, DEADLINE).unwrap()
}

/// Every reference is valid and has a label of its own.
fn validate(server: &ScriptedServer) {
    let valid = |request: &crate::support::scripted_server::Received| {
        let reference = request.json()["binding_ref"].clone();
        let label = format!("Label of {}", reference.as_str().unwrap());
        Answer::json(
            200,
            &json!({"valid": true, "binding_ref": reference, "display_label": label}),
        )
    };
    server.always(VALIDATE, Step::with(valid));
}

fn bind(sandbox: &Sandbox, reference: &str) -> Running {
    let words = [
        "tracker",
        "bind",
        "--provider",
        "linear",
        "--bind-ref",
        reference,
    ];
    sandbox.call(&words).start()
}

#[test]
fn changes_of_many_processes_at_once_are_all_kept() {
    let (sandbox, server) = machine();
    validate(&server);
    write(&file(&sandbox), FOREIGN);
    let (rounds, each) = (4, 8);
    for round in 0..rounds {
        let held = lock(&sandbox);
        let binds: Vec<Running> = (0..each)
            .map(|number| bind(&sandbox, &format!("b-{round}-{number}")))
            .collect();
        let unbinds: Vec<Running> = (0..2)
            .map(|_| sandbox.call(&["tracker", "unbind"]).start())
            .collect();
        // All have their answer and want to write now.
        server.wait_until("every bind is validated", |server| {
            server.count(VALIDATE) == (round + 1) * each
        });
        // What another program adds under the lock is not overwritten by what was read before it.
        let text = std::fs::read_to_string(file(&sandbox)).unwrap();
        write(
            &file(&sandbox),
            format!("# line {round}\nother_{round}: kept\n{text}"),
        );
        drop(held);
        for running in binds {
            running.finish().expect_code(0);
        }
        for running in unbinds {
            // It may have come when nothing was bound.
            let run = running.finish();
            let words = ["Tracker binding removed", "No tracker binding exists"];
            assert!(words.iter().any(|said| run.says(said)), "{run:?}");
        }
        let text = std::fs::read_to_string(file(&sandbox)).unwrap();
        for line in FOREIGN.lines() {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} is gone:\n{text}"
            );
        }
        for earlier in 0..=round {
            assert!(
                text.contains(&format!("# line {earlier}\nother_{earlier}: kept\n")),
                "{text}"
            );
        }
        // One binding as a whole, never a mixture of two.
        let config: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
        if let Some(reference) = config["tracker"]["binding_ref"].as_str() {
            let label = config["tracker"]["display_label"].as_str().unwrap();
            assert_eq!(label, format!("Label of {reference}"));
        }
    }
}

#[test]
fn a_lock_that_is_never_given_back_is_named_and_nothing_is_changed() {
    let (sandbox, server) = machine();
    validate(&server);
    write(&file(&sandbox), FOREIGN);
    let _held = lock(&sandbox);
    let refused = bind(&sandbox, "b-1").finish().expect_code(1);
    assert!(
        refused
            .stderr
            .contains("the project's configuration is held by another process"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(file(&sandbox)).unwrap(), FOREIGN);
}

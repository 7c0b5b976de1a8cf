//! `auth doctor`: every section, the server only when it is asked for, and the lock only when its
//! holder is gone.

use super::{NOBODY, findings, keys, machine};
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use crate::support::teamspace::{OWNER, Teamspace};
use crate::support::tree::{Tree, assert_unchanged};
use kitty_actors::auth::store::HostIdentity;
use kitty_runtime::lock::FileLock;
use serde_json::{Value, json};

const DOCTOR: &[&str] = &["auth", "doctor", "--json"];

#[test]
fn a_healthy_session_has_no_problems_and_nobody_is_asked() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let before = Tree::of(&sandbox.state());
    let run = sandbox.run(DOCTOR).expect_code(0);
    let sorted = [
        "auth_root",
        "daemon",
        "findings",
        "generated_at",
        "orphans",
        "refresh_lock",
        "schema_version",
        "session",
    ];
    assert_eq!(keys(&run.stdout), sorted);
    let document = run.json();
    assert_eq!(document["schema_version"], 2);
    assert_eq!(document["session"]["user_email"], "ada@example.invalid");
    assert_eq!(document["session"]["in_memory_drift"], false);
    assert_eq!(document["refresh_lock"]["held"], false);
    assert_eq!(document["refresh_lock"]["stuck_threshold_s"], 60.0);
    assert_eq!(findings(&document), ["F-005"]);
    let text = sandbox.run(&["auth", "doctor"]).expect_code(0).stdout;
    assert!(text.contains("i F-005: Daemon not running"), "{text}");
    assert!(text.lines().count() < 12, "{text}");
    assert_unchanged(&before, &sandbox.state());
    assert_eq!(server.connections(), 0);
}

#[test]
fn without_a_session_it_is_critical_and_with_hosted_sync_off_no_file_is_made() {
    let mut sandbox = Sandbox::hosted(NOBODY);
    for hosted in [true, false] {
        if !hosted {
            sandbox.unset("SPEC_KITTY_ENABLE_SAAS_SYNC");
        }
        for more in [
            &[][..],
            &["--reset", "--force"],
            &["--unstick-lock"],
            &["--server"],
        ] {
            let run = sandbox.run(&[DOCTOR, more].concat()).expect_code(1);
            let document = run.json();
            assert_eq!(document["session"], Value::Null);
            assert!(findings(&document).contains(&"F-001"), "{document}");
            if more == ["--server"] {
                assert_eq!(document["server_session"]["active"], false, "{document}");
            }
            assert!(!sandbox.state().exists(), "{more:?} made the state root");
        }
    }
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
}

#[test]
fn a_session_that_cannot_be_opened_is_named_with_its_cause() {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.seed(&Seed::private());
    write(&sandbox.map().auth().session(), "{");
    let document = sandbox.run(DOCTOR).expect_code(1).json();
    let summary = document["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("session.json"), "{summary}");
    sandbox.seed(&Seed::private().access_expired());
    let document = sandbox.run(DOCTOR).expect_code(0).json();
    assert_eq!(findings(&document), ["F-005", "F-008"]);
    sandbox.seed(&Seed::private().refresh_expired());
    let document = sandbox.run(DOCTOR).expect_code(1).json();
    assert_eq!(document["findings"][1]["severity"], "critical");
}

#[test]
fn the_teamspace_says_whether_the_session_is_alive() {
    let mut teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    teamspace.log_in(&sandbox);
    let asked = || sandbox.run(&["auth", "doctor", "--server", "--json"]);
    let document = asked().expect_code(0).json();
    let session = &document["server_session"];
    assert_eq!(session["active"], true, "{document}");
    assert_eq!(session["session_id"], document["session"]["session_id"]);
    assert_eq!(document["session"]["user_email"], OWNER);
    assert_eq!(session["error"], Value::Null);
    teamspace.kill();
    let document = asked().expect_code(0).json();
    assert_eq!(document["server_session"]["active"], false);
    assert!(findings(&document).contains(&"F-008"), "{document}");
    teamspace.start_again();
    sandbox.seed(
        &Seed::private()
            .issued_by(teamspace.url())
            .with_access_token("nobody-knows-this"),
    );
    let document = asked().expect_code(1).json();
    assert_eq!(document["server_session"]["error"], "re-authenticate");
}

/// Writes the record of a refresh that began long ago.
fn leave_record(sandbox: &Sandbox, host: &str) {
    let record = json!({
        "host": host, "pid": std::process::id(), "schema_version": 1,
        "started_at": "2020-01-02T03:04:05+00:00", "version": "3.2.7",
    });
    write(&sandbox.map().auth().refresh_lock(), record.to_string());
}

#[test]
fn only_a_lock_whose_holder_is_gone_is_freed() {
    let machine = machine();
    machine.seed(&Seed::private());
    let lock = machine.map().auth().refresh_lock();
    let host = HostIdentity::of_this_process().hostname;
    let unstick = || machine.run(&["auth", "doctor", "--unstick-lock", "--json"]);
    leave_record(&machine, &host);
    let held = FileLock::try_acquire("a test", &lock).unwrap().unwrap();
    let document = unstick().expect_code(1).json();
    assert_eq!(document["refresh_lock"]["held"], true);
    assert!(findings(&document).contains(&"F-003"), "{document}");
    drop(held);
    let patient = machine.json(&["auth", "doctor", "--json", "--stuck-threshold", "1e12"]);
    assert_eq!(patient["refresh_lock"]["stuck"], false);
    machine.run(DOCTOR).expect_code(1);
    let document = unstick().expect_code(0).json();
    assert_eq!(document["refresh_lock"]["holder_pid"], Value::Null);
    assert_eq!(std::fs::read(&lock).unwrap(), b"");
    leave_record(&machine, "another-host");
    let document = unstick().expect_code(1).json();
    assert!(findings(&document).contains(&"F-007"), "{document}");
    assert_ne!(std::fs::read(&lock).unwrap(), b"");
}

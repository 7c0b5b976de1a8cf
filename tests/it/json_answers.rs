//! `--json` is a promise: whatever lies in the state root, a command that reads answers with exactly
//! one document and a documented code, and creates nothing.

use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use crate::support::sessions::Seed;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_config::ScopePaths;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// A host that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

/// Commands that read, with what they need, and the codes they may end with.
const READS: &[(&str, &[&str], &[i32])] = &[
    ("agent status doctor", &[], &[0, 1]),
    ("agent status validate", &[], &[0, 1]),
    ("agent tasks status", &[], &[0, 1]),
    ("auth doctor", &[], &[0, 1]),
    (
        "canary gate verify",
        &[
            "no-gate",
            "--commit",
            "0123456789abcdef0123456789abcdef01234567",
        ],
        &[1],
    ),
    ("canary origin", &[], &[0, 1]),
    ("canary verify", &["no-attempt"], &[1]),
    ("config list", &[], &[0, 1]),
    ("doctor orphan-daemons", &[], &[0, 1]),
    ("doctor state-roots", &[], &[0, 1]),
    (
        "issue-search",
        &["--provider", "linear", "--query", "x"],
        &[1],
    ),
    ("state doctor", &[], &[0, 1]),
    ("status", &[], &[0]),
    ("sync daemon logs", &[], &[0, 1]),
    ("sync daemon status", &[], &[0, 1]),
    ("sync diagnose", &[], &[0, 1]),
    ("sync doctor", &[], &[0, 1]),
    ("sync preview", &[], &[0, 1, 3]),
    ("sync status", &[], &[0, 1]),
    ("sync status", &["--check"], &[0, 1, 2]),
    ("sync why", &["01M7XAS67MT30DH0DY9EW5WFQY"], &[1, 3]),
    ("tracker discover", &["--provider", "linear"], &[1]),
    ("tracker list-tickets", &["--provider", "linear"], &[1]),
    ("tracker map list", &[], &[1]),
    ("tracker providers", &[], &[0]),
    ("tracker status", &[], &[1]),
];

/// Commands with `--json` that change something; their own tests hold their documents.
const CHANGES: &[&str] = &[
    "accept",
    "agent mission create",
    "agent mission finalize-tasks",
    "agent mission setup-plan",
    "agent status emit",
    "agent status materialize",
    "agent tasks mark-status",
    "agent tasks move-task",
    "canary gate",
    "canary run",
    "canary suite",
    "doctor restart-daemon",
    "init",
    "merge",
    "sync daemon install",
    "sync daemon restart",
    "sync daemon start",
    "sync daemon stop",
    "sync daemon uninstall",
    "sync now",
    "sync opt-in",
    "sync opt-out",
    "sync reconcile",
    "sync run",
    "tracker sync publish",
    "upgrade",
    "tracker sync pull",
    "tracker sync push",
    "tracker sync run",
];

/// What is done to a machine.
type Harm = fn(&mut Sandbox);

fn scope(sandbox: &Sandbox) -> ScopePaths {
    let map = sandbox.map();
    let project = std::fs::read_dir(map.projects()).unwrap().next().unwrap();
    map.project_scope(project.unwrap().file_name().to_str().unwrap())
}

/// Puts a directory where a file is expected.
fn directory(path: &Path) {
    if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
    std::fs::create_dir_all(path).unwrap();
}

const HARMS: &[(&str, Harm)] = &[
    ("nothing", |_| {}),
    ("no root", |m| std::fs::remove_dir_all(m.state()).unwrap()),
    ("the root is a file", |m| {
        std::fs::remove_dir_all(m.state()).unwrap();
        write(&m.state(), "no directory");
    }),
    ("no home and no root", |m| {
        m.unset("SPEC_KITTY_HOME");
        m.set("HOME", "/nonexistent/home");
    }),
    ("an owner of garbage", |m| {
        write(&m.map().daemon_owner(), "{");
    }),
    ("an owner of bytes", |m| {
        write(&m.map().daemon_owner(), [0xff_u8, 0xfe, 0]);
    }),
    ("an owner of odd types", |m| {
        let odd = json!({"pid": std::process::id(), "auth_team": 7, "server_url": []});
        write(&m.map().daemon_owner(), odd.to_string());
    }),
    ("a directory for an owner", |m| {
        directory(&m.map().daemon_owner());
    }),
    ("a record of garbage", |m| {
        write(&m.map().daemon_record(), "{}");
    }),
    ("a directory for a record", |m| {
        directory(&m.map().daemon_record());
    }),
    ("a socket that is a file", |m| {
        write(&m.map().daemon_socket(), "x");
    }),
    ("a state file of garbage", |m| {
        write(&m.map().daemon_state(), "a\nb\nc\nd\n");
    }),
    ("a directory for a log", |m| {
        directory(&m.map().daemon_log());
    }),
    ("a session of garbage", |m| {
        write(&m.map().auth().session(), "{");
    }),
    ("a session of zeros", |m| {
        write(&m.map().auth().session(), [0_u8; 600]);
    }),
    ("a directory for a session", |m| {
        directory(&m.map().auth().session());
    }),
    ("a lock record of garbage", |m| {
        write(&m.map().auth().refresh_lock(), [0xff_u8; 9]);
    }),
    ("a directory for a lock", |m| {
        directory(&m.map().auth().refresh_lock());
    }),
    ("settings of garbage", |m| {
        write(&m.map().config_toml(), "[sync\n");
    }),
    ("settings of bytes", |m| {
        write(&m.map().config_toml(), [0xff_u8; 9]);
    }),
    ("a directory for settings", |m| {
        directory(&m.map().config_toml());
    }),
    ("settings of odd types", |m| {
        write(
            &m.map().config_toml(),
            "[sync]\nbackground_daemon = \"\"\nserver_url = 3\n",
        );
    }),
    ("a status of garbage", |m| write(&scope(m).status(), "{")),
    ("a consent of garbage", |m| write(&scope(m).consent(), "no")),
    ("a file for an inbox", |m| {
        let inbox = scope(m).inbox_new();
        std::fs::remove_dir_all(&inbox).unwrap();
        write(&inbox, "no directory");
    }),
    ("an unknown store", |m| {
        m.set("SPEC_KITTY_AUTH_STORE", "shelf");
    }),
    ("no address", |m| {
        m.set("SPEC_KITTY_SAAS_URL", "not an address");
    }),
    ("a token of the environment", |m| {
        m.set("SPEC_KITTY_ACCESS_TOKEN", "token");
    }),
];

fn machine() -> Sandbox {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.seed(&Seed::private().issued_by(NOBODY));
    sandbox
        .run(&["config", "set", "event_sync.mode", "local_retention"])
        .expect_code(0);
    sandbox.create_mission("first");
    sandbox
}

#[track_caller]
fn is_one_document(what: &str, run: &Run, codes: &[i32]) {
    let parsed = serde_json::from_str::<Value>(&run.stdout);
    assert!(
        parsed.is_ok_and(|document| document.is_object() || document.is_array()),
        "{what}: {run:?}"
    );
    assert!(codes.contains(&run.code()), "{what}: {run:?}");
}

#[test]
fn every_reading_command_answers_with_one_document_whatever_lies_in_the_state_root() {
    for (name, harm) in HARMS {
        let mut sandbox = machine();
        harm(&mut sandbox);
        let (state, home) = (Tree::of(&sandbox.state()), Tree::of(&sandbox.home()));
        for (command, more, codes) in READS {
            let words = command.split(' ').chain(more.iter().copied());
            let words: Vec<&str> = words.chain(["--json"]).collect();
            for columns in ["20", "200"] {
                let run = sandbox.call(&words).env("COLUMNS", columns).run();
                is_one_document(&format!("{name}: {words:?}"), &run, codes);
            }
        }
        assert_unchanged(&state, &sandbox.state());
        assert_unchanged(&home, &sandbox.home());
    }
}

#[test]
fn a_restart_that_cannot_write_answers_with_one_document_too() {
    let sandbox = Sandbox::hosted(NOBODY);
    write(&sandbox.map().daemon_owner(), "{");
    directory(&sandbox.map().daemon_start_lock());
    let run = sandbox.run(&["doctor", "restart-daemon", "--json"]);
    is_one_document("restart", &run, &[3]);
    assert_eq!(run.json()["status"], "stop_failed", "{run:?}");
}

/// Every command that help shows, with the text of its help.
fn commands(sandbox: &Sandbox, path: &[String], found: &mut Vec<(String, String)>) {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let help = sandbox.run(&words).expect_code(0).stdout;
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    for line in list.lines().take_while(|line| !line.is_empty()) {
        let Some(name) = line.strip_prefix("  ").filter(|it| !it.starts_with(' ')) else {
            continue;
        };
        let name = name.split(' ').next().unwrap_or_default();
        if name != "help" {
            commands(sandbox, &[path, &[name.to_owned()]].concat(), found);
        }
    }
    found.push((path.join(" "), help));
}

#[test]
fn no_command_with_json_is_missing_here() {
    let sandbox = Sandbox::hosted(NOBODY);
    let mut found = Vec::new();
    commands(&sandbox, &[], &mut found);
    let with_json: BTreeSet<&str> = found
        .iter()
        .filter(|(path, help)| help.contains("--json") && !path.starts_with("teamspace"))
        .map(|(path, _)| path.as_str())
        .collect();
    let known: BTreeSet<&str> = READS
        .iter()
        .map(|(command, ..)| *command)
        .chain(CHANGES.iter().copied())
        .collect();
    assert_eq!(with_json, known);
}

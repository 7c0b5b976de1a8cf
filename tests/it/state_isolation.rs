//! Document 3: `SPEC_KITTY_HOME` selects the root for all local state, and nothing lands elsewhere.

use crate::support::sandbox::{Sandbox, set_mode, write};
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[test]
fn a_whole_life_lands_below_the_chosen_root_and_home_stays_empty() {
    let teamspace = Teamspace::start();
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    sandbox
        .run(&["sync", "server", teamspace.url()])
        .expect_code(0);
    teamspace.log_in(&sandbox);
    sandbox.create_mission("whole-life");
    sandbox.run(&["sync", "now"]).expect_code(0);
    sandbox
        .run(&["config", "set", "sync.background_daemon", "manual"])
        .expect_code(0);
    sandbox.run(&["sync", "status"]).expect_code(0);
    sandbox.run(&["auth", "logout"]).expect_code(0);
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
    let state = Tree::of(&sandbox.state());
    let names = state.names();
    for expected in [
        "config.toml",
        "auth/session.lock",
        "runtime/clock",
        "runtime/projects",
    ] {
        assert!(
            names.iter().any(|name| name == expected),
            "{expected}: {names:#?}"
        );
    }
    assert!(
        !names.iter().any(|name| name == "auth/session.json"),
        "{names:#?}"
    );
}

#[test]
fn everything_in_the_state_root_is_for_the_owner_only_and_no_file_holds_a_token() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url()).with_artifacts();
    sandbox
        .run(&["sync", "server", &server.url()])
        .expect_code(0);
    sandbox.seed(&Seed::private().issued_by(&server.url()).access_expired());
    sandbox.create_mission("one");
    sandbox.run(&["sync", "now"]).expect_code(0);
    let state = Tree::of(&sandbox.state());
    for (path, mode) in state.files() {
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    for (path, mode) in state.directories() {
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    assert_eq!(state.holding("s3cret"), [""; 0]);
    assert_eq!(Tree::of(&sandbox.repo()).holding("s3cret"), [""; 0]);
}

#[test]
fn setting_the_server_writes_the_settings_below_the_root_and_nothing_else() {
    let sandbox = Sandbox::new();
    let run = sandbox
        .run(&["sync", "server", "https://example.invalid"])
        .expect_code(0);
    insta::assert_snapshot!(run.stdout, @"
    ✓ Sync server set to https://example.invalid
    If you switched environments, run 'spec-kitty auth login --force' to refresh credentials.
    ");
    assert_eq!(Tree::of(&sandbox.state()).names(), ["config.toml"]);
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
    let shown = sandbox.run(&["sync", "server"]).expect_code(0);
    let file = sandbox.state().join("config.toml");
    assert_eq!(
        shown.stdout,
        format!(
            "Server URL: https://example.invalid\nConfig File: {}\n",
            file.display()
        )
    );
}

#[test]
fn the_default_root_is_in_home_when_the_variable_is_unset_or_empty() {
    for empty in [false, true] {
        let mut sandbox = Sandbox::new();
        if empty {
            sandbox.set("SPEC_KITTY_HOME", "");
        } else {
            sandbox.unset("SPEC_KITTY_HOME");
        }
        sandbox
            .run(&["sync", "server", "https://example.invalid"])
            .expect_code(0);
        assert!(sandbox.home().join(".spec-kitty/config.toml").is_file());
        assert!(!sandbox.state().exists());
        assert_eq!(
            reported_roots(&sandbox).1,
            sandbox.home().join(".spec-kitty")
        );
    }
}

#[test]
fn what_the_other_home_holds_contributes_nothing() {
    let server = ScriptedServer::start();
    let mut sandbox = Sandbox::new();
    sandbox.unset("SPEC_KITTY_HOME");
    sandbox
        .run(&["sync", "server", &server.url()])
        .expect_code(0);
    let everyday = Tree::of(&sandbox.home());
    sandbox.set("SPEC_KITTY_HOME", sandbox.state());
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    sandbox.create_mission("isolated");
    let status = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["server_url"], Value::Null);
    assert_eq!(status["events"], sandbox.all_stored_events().len());
    assert_eq!(sandbox.stored_events().len(), 3);
    assert_unchanged(&everyday, &sandbox.home());
    assert_eq!(server.connections(), 0);
}

/// What `state doctor` says: the runtime root and the sync root.
fn reported_roots(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let report = sandbox.json(&["state", "doctor", "--json"]);
    let root = |name: &str| {
        let roots = report["roots"].as_array().unwrap();
        let root = roots.iter().find(|root| root["name"] == name).unwrap();
        PathBuf::from(root["resolved_path"].as_str().unwrap())
    };
    (root("global_runtime"), root("global_sync"))
}

#[test]
fn the_doctor_reports_the_root_that_is_written_to_under_every_environment() {
    for (name, value) in [
        ("set", Some("state")),
        ("missing", Some("not/yet")),
        ("empty", Some("")),
        ("unset", None),
    ] {
        let mut sandbox = Sandbox::new();
        let expected = match value {
            Some("") | None => sandbox.home().join(".spec-kitty"),
            Some(below) => sandbox.base().join(below),
        };
        match value {
            Some("") => sandbox.set("SPEC_KITTY_HOME", ""),
            Some(_) => sandbox.set("SPEC_KITTY_HOME", &expected),
            None => sandbox.unset("SPEC_KITTY_HOME"),
        }
        assert_eq!(
            reported_roots(&sandbox),
            (expected.clone(), expected.clone()),
            "{name}"
        );
        assert!(!expected.exists(), "{name}: reporting made the root");
        sandbox
            .run(&["config", "set", "sync.max_queue_size", "5"])
            .expect_code(0);
        assert!(expected.join("config.toml").is_file(), "{name}");
        assert_eq!(
            reported_roots(&sandbox),
            (expected.clone(), expected),
            "{name}"
        );
    }
}

#[test]
fn the_doctor_s_document_has_the_shape_of_today() {
    let sandbox = Sandbox::new();
    let report = sandbox.json(&["state", "doctor", "--json"]);
    let by_other_name = sandbox.json(&["doctor", "state-roots", "--json"]);
    assert_eq!(report, by_other_name);
    let keys = |value: &Value| {
        let keys = value.as_object().unwrap().keys();
        keys.cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&report), "healthy roots surfaces warnings");
    let roots = report["roots"].as_array().unwrap();
    let names: Vec<_> = roots
        .iter()
        .map(|root| root["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["project", "global_runtime", "global_sync"]);
    for root in roots {
        assert_eq!(keys(root), "exists label name resolved_path");
    }
    for surface in report["surfaces"].as_array().unwrap() {
        assert_eq!(
            keys(surface),
            "authority git_class gitignore_covered name path_pattern present root warning"
        );
    }
    assert_eq!(report["healthy"], true);
    let outside = Sandbox::empty();
    let roots = outside.json(&["state", "doctor", "--json"]);
    assert_eq!(roots["roots"].as_array().unwrap().len(), 2);
}

#[test]
fn the_doctor_shows_what_is_there() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    sandbox.seed(&Seed::shared_only());
    sandbox
        .run(&["sync", "server", "https://example.invalid"])
        .expect_code(0);
    sandbox.create_mission("present");
    let report = sandbox.json(&["state", "doctor", "--json"]);
    let present = |name: &str| {
        let surfaces = report["surfaces"].as_array().unwrap();
        let surface = surfaces.iter().find(|surface| surface["name"] == name);
        surface.unwrap_or_else(|| panic!("{name}: {report:#}"))["present"].clone()
    };
    assert_eq!(present("sync_config"), true);
    assert_eq!(present("legacy_queue"), false);
    let text = sandbox.run(&["state", "doctor"]).expect_code(0).stdout;
    let line = format!(
        "  {:<20} {}  exists",
        "global_sync",
        sandbox.state().display()
    );
    assert!(text.lines().any(|shown| shown == line), "{text}");
}

/// The ways in which `config.toml` cannot be used, and the word for each.
const BROKEN: [(&str, &str); 4] = [
    ("[sync\nserver_url = 1", "unparseable"),
    (
        "[sync]\nserver_url = \"a\"\nserver_url = \"b\"\n",
        "unparseable",
    ),
    ("sync = 3\n# a comment\n", "wrong_shape"),
    ("[[event_sync]]\nmode = \"x\"\n", "wrong_shape"),
];

#[track_caller]
fn assert_refused(run: &crate::support::process::Run, what: &str, kind: &str, file: &Path) {
    assert_eq!(run.code(), 1, "{run:?}");
    assert_eq!(run.stdout, "");
    let beginning = format!(
        "Error: {what} was not recorded. Refusing to write: the existing configuration could not be \
         read ({kind}) and writing would rebuild it from an empty document, discarding every record \
         it holds. Repair the file first — {}: ",
        file.display()
    );
    assert!(
        run.stderr.starts_with(&beginning),
        "{run:?}\nexpected {beginning}"
    );
}

#[test]
fn broken_settings_are_never_overwritten_and_the_refusal_says_what_to_repair() {
    for (text, kind) in BROKEN {
        let sandbox = Sandbox::new();
        let file = sandbox.state().join("config.toml");
        write(&file, text);
        let before = Tree::of(&sandbox.state());
        let server = sandbox.run(&["sync", "server", "https://example.invalid"]);
        assert_refused(&server, "The sync server URL", kind, &file);
        let setting = sandbox.run(&["config", "set", "sync.background_daemon", "manual"]);
        assert_refused(&setting, "The setting", kind, &file);
        assert_unchanged(&before, &sandbox.state());
    }
}

#[test]
fn settings_that_are_not_text_or_not_a_file_are_never_overwritten_either() {
    let sandbox = Sandbox::new();
    let file = sandbox.state().join("config.toml");
    write(&file, b"[sync]\nserver_url = \"\xff\"\n");
    let before = Tree::of(&sandbox.state());
    let run = sandbox.run(&["sync", "server", "https://example.invalid"]);
    assert_refused(&run, "The sync server URL", "unparseable", &file);
    assert_unchanged(&before, &sandbox.state());

    let sandbox = Sandbox::new();
    let file = sandbox.state().join("config.toml");
    std::fs::create_dir_all(&file).unwrap();
    let before = Tree::of(&sandbox.state());
    let run = sandbox.run(&["config", "set", "sync.max_queue_size", "9"]);
    assert_refused(&run, "The setting", "unreadable", &file);
    assert_unchanged(&before, &sandbox.state());
}

#[test]
fn settings_that_may_not_be_read_are_never_overwritten() {
    let sandbox = Sandbox::new();
    let file = sandbox.state().join("config.toml");
    write(&file, "[sync]\nserver_url = \"https://kept.invalid\"\n");
    set_mode(&file, 0o000);
    for arguments in [
        &["sync", "server", "https://example.invalid"][..],
        &["config", "set", "sync.background_daemon", "manual"],
    ] {
        let Some(call) = sandbox.call(arguments).powerless() else {
            return;
        };
        let run = call.run();
        let what = if arguments[0] == "sync" {
            "The sync server URL"
        } else {
            "The setting"
        };
        assert_refused(&run, what, "unreadable", &file);
    }
    set_mode(&file, 0o600);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "[sync]\nserver_url = \"https://kept.invalid\"\n"
    );
}

#[test]
fn commands_that_only_need_settings_go_on_without_and_say_so_once() {
    let sandbox = Sandbox::new();
    write(&sandbox.state().join("config.toml"), BROKEN[0].0);
    let run = sandbox.run(&["sync", "status"]).expect_code(0);
    assert_eq!(
        run.stderr
            .matches("config.toml is unparseable and counts as empty")
            .count(),
        1
    );
    let created = sandbox.run(&["agent", "mission", "create", "still-works", "--json"]);
    assert_eq!(created.expect_code(0).json()["result"], "success");
    let list = sandbox.run(&["config", "list"]).expect_code(1);
    assert!(list.stderr.contains("Repair"), "{list:?}");
}

#[test]
fn comments_and_foreign_keys_survive_a_change() {
    let sandbox = Sandbox::new();
    let file = sandbox.state().join("config.toml");
    let text = "# mine\n[other]\nkey = [1, 2] # kept\n\n[sync]\n# the server\nserver_url = \"https://old.invalid\"\nunknown = true\n";
    write(&file, text);
    sandbox
        .run(&["sync", "server", "https://new.invalid"])
        .expect_code(0);
    let changed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(changed, text.replace("old.invalid", "new.invalid"));
}

#[test]
fn an_address_that_may_not_be_used_is_refused_in_the_known_words_and_not_recorded() {
    let sandbox = Sandbox::new();
    for address in [
        "example.invalid",
        "http://example.invalid",
        "ftp://localhost",
        "https://u:p@example.invalid",
        "",
    ] {
        let run = sandbox.run(&["sync", "server", address]).expect_code(1);
        assert_eq!(
            run.stderr,
            "Error: Invalid server URL. Use a full HTTPS URL (or http://localhost[:port] for local \
             development), for example: https://your-teamspace.example.com\n"
        );
    }
    assert!(!sandbox.state().exists());
}

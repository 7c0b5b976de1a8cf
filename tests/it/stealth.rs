//! Stealth and purity, by what the kernel was asked: with hosted sync off nobody is reached, and a
//! command that only reads writes nothing, also when sync is on.

use crate::support::process::{Trace, is_installed, run, skip, unique, variable};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{BATCH, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_config::{
    Environment, FileMap, Platform, PlatformDirectories, RuntimeRoot, env, surfaces,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that read and do nothing else.
const READS: &[&[&str]] = &[
    &["--version"],
    &["--help"],
    &["sync", "--help"],
    &["status"],
    &["status", "--json"],
    &["state", "doctor"],
    &["state", "doctor", "--json"],
    &["doctor", "state-roots"],
    &["config", "list"],
    &["config", "list", "--json"],
    &["config", "get", "sync.server_url"],
    &["sync", "status"],
    &["sync", "status", "--json"],
    &["sync", "why", "01M7XAS67MT30DH0DY9EW5WFQY"],
    &["sync", "preview"],
    &["sync", "preview", "--json"],
    &["sync", "diagnose"],
    &["sync", "diagnose", "--json"],
    &["sync", "server"],
    &["sync", "daemon", "status"],
    &["sync", "daemon", "status", "--json"],
    &["sync", "daemon", "logs"],
    &["auth", "status"],
    &["auth", "whoami"],
    &["auth", "doctor"],
    &["auth", "doctor", "--json"],
    &["doctor", "orphan-daemons"],
    &["doctor", "orphan-daemons", "--json"],
    &["sync", "status", "--check", "--json"],
    &["completions", "bash"],
];

/// Traces a command that reads and fails if it did anything else.
#[track_caller]
fn assert_pure(sandbox: &Sandbox, arguments: &[&str]) -> Option<Trace> {
    let trace = sandbox.call(arguments).trace()?;
    assert!(trace.run.status.code().is_some(), "{:?}", trace.run);
    trace.reached_nobody();
    trace.wrote_only_below(&[]);
    Some(trace)
}

#[test]
fn with_hosted_sync_off_no_command_that_reads_reaches_anybody_or_writes_anything() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_SAAS_URL", "http://127.0.0.1:1");
    sandbox.create_mission("first");
    let repo = Tree::of(&sandbox.repo());
    for arguments in READS {
        if assert_pure(&sandbox, arguments).is_none() {
            return;
        }
        assert!(
            !sandbox.state().exists(),
            "{arguments:?} made the state root"
        );
    }
    assert_unchanged(&repo, &sandbox.repo());
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
}

#[test]
fn with_hosted_sync_off_commands_of_sync_and_login_reach_nobody_and_write_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_SAAS_URL", "http://127.0.0.1:1");
    for arguments in [
        &["sync", "now"][..],
        &["sync", "now", "--json"],
        &["sync", "run"],
        &["sync", "daemon", "start"],
        &["sync", "daemon", "restart", "--json"],
        &["sync", "daemon", "stop"],
        &["sync", "daemon", "serve"],
        &["sync", "daemon", "install"],
        &["sync", "daemon", "uninstall"],
        &["auth", "login", "--headless"],
        &["auth", "logout"],
        &["auth", "doctor", "--reset", "--force", "--unstick-lock"],
        &["auth", "doctor", "--server", "--json"],
        &["doctor", "restart-daemon", "--json"],
        &["tracker", "status"],
        &["tracker", "sync", "run"],
        &["issue-search", "--provider", "linear", "--query", "x"],
    ] {
        if assert_pure(&sandbox, arguments).is_none() {
            return;
        }
        assert!(
            !sandbox.state().exists(),
            "{arguments:?} made the state root"
        );
    }
}

#[test]
fn with_hosted_sync_off_a_mission_writes_the_repository_and_nothing_else() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_SAAS_URL", "http://127.0.0.1:1");
    for (slug, disabled_by) in [
        ("never-on", None),
        ("garbage", Some(("SPEC_KITTY_ENABLE_SAAS_SYNC", "perhaps"))),
        ("disabled", Some(("SPEC_KITTY_SYNC_DISABLE", "1"))),
    ] {
        let call = sandbox.call(&["agent", "mission", "create", slug, "--json"]);
        let call = match disabled_by {
            Some(("SPEC_KITTY_SYNC_DISABLE", value)) => call
                .env("SPEC_KITTY_ENABLE_SAAS_SYNC", "1")
                .env("SPEC_KITTY_SYNC_DISABLE", value),
            Some((name, value)) => call.env(name, value),
            None => call,
        };
        let Some(trace) = call.trace() else { return };
        trace.run.clone().expect_code(0);
        trace.reached_nobody();
        trace.wrote_only_below(&[&sandbox.repo()]);
    }
    assert!(!sandbox.state().exists());
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
}

/// Everything that tells a person or a shell which commands there are.
fn everything_said(sandbox: &Sandbox) -> String {
    let mut said = sandbox.run(&["--help"]).expect_code(0).stdout;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        said += &sandbox.run(&["completions", shell]).expect_code(0).stdout;
    }
    let pages = sandbox.base().join(format!("man-{}", unique()));
    let pages = pages.to_str().unwrap();
    sandbox.run(&["man", pages]).expect_code(0);
    for entry in std::fs::read_dir(pages).unwrap() {
        let path = entry.unwrap().path();
        said += &format!("{}\n", path.file_name().unwrap().to_string_lossy());
        said += &std::fs::read_to_string(&path).unwrap();
    }
    said
}

#[test]
fn with_hosted_sync_off_the_hosted_commands_do_not_exist() {
    let sandbox = Sandbox::new();
    let said = everything_said(&sandbox).to_lowercase();
    for word in ["tracker", "issue-search", "issue_search"] {
        assert!(!said.contains(word), "{word}");
    }
    for (arguments, name) in [
        (&["tracker"][..], "tracker"),
        (&["tracker", "--help"], "tracker"),
        (&["tracker", "status", "--json"], "tracker"),
        (&["tracker", "sync", "run"], "tracker"),
        (
            &["issue-search", "--provider", "x", "--query", "y"],
            "issue-search",
        ),
        // Close to what does not exist, and no hint that it might.
        (&["track"], "track"),
        (&["trackr", "status"], "trackr"),
    ] {
        let refused = sandbox.run(arguments).expect_code(2);
        let expected = format!("No such command '{name}'.");
        assert!(refused.stderr.contains(&expected), "{refused:?}");
        let hint = refused.stderr.replace(&expected, "");
        assert!(
            !hint.contains("tracker") && !hint.contains("issue-search"),
            "{refused:?}"
        );
        assert_eq!(refused.stdout, "");
    }
    assert!(!sandbox.state().exists());
}

#[test]
fn with_hosted_sync_on_the_hosted_commands_are_everywhere() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    let help = sandbox.run(&["--help"]).expect_code(0).stdout;
    assert!(help.contains("tracker"), "{help}");
    assert!(help.contains("Hosted SaaS tracker commands"), "{help}");
    let said = everything_said(&sandbox);
    for word in ["issue-search", "list-tickets", "spec-kitty-tracker-sync.1"] {
        assert!(said.contains(word), "{word}");
    }
    let disabled = sandbox
        .call(&["tracker", "providers"])
        .env("SPEC_KITTY_SYNC_DISABLE", "1")
        .run();
    assert!(
        disabled
            .expect_code(2)
            .stderr
            .contains("No such command 'tracker'.")
    );
    for value in ["1", "true", " Yes ", "y", "ON"] {
        let call = sandbox.call(&["tracker", "providers"]);
        call.env("SPEC_KITTY_ENABLE_SAAS_SYNC", value)
            .run()
            .expect_code(0);
    }
    for value in ["", "0", "no", "perhaps"] {
        let call = sandbox.call(&["tracker", "providers"]);
        call.env("SPEC_KITTY_ENABLE_SAAS_SYNC", value)
            .run()
            .expect_code(2);
    }
}

/// A machine with everything: a session, delivered, waiting and refused events, a backlog in the
/// inbox, and a remembered host.
fn lived_in() -> (Sandbox, ScriptedServer) {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.create_mission("delivered");
    server.script(
        BATCH,
        [Step::per_event(|index, _| {
            let status = ["rejected", "pending", "success"][index % 3];
            Some(serde_json::json!({"status": status}))
        })],
    );
    sandbox.create_mission("mixed");
    server.always(
        BATCH,
        Step::json(503, &serde_json::json!({"error": "away"})),
    );
    sandbox.create_mission("waiting");
    (sandbox, server)
}

#[test]
fn with_hosted_sync_on_reading_still_writes_nothing_and_reaches_nobody() {
    let (sandbox, server) = lived_in();
    let ids = sandbox.waiting();
    assert!(ids.len() >= 3, "{ids:?}");
    let state = Tree::of(&sandbox.state());
    let (repo, connections) = (Tree::of(&sandbox.repo()), server.connections());
    let why: [&[&str]; 2] = [
        &["sync", "why", &ids[0]],
        &["sync", "why", &ids[0], "--json"],
    ];
    for arguments in READS.iter().copied().chain(why) {
        if assert_pure(&sandbox, arguments).is_none() {
            return;
        }
        let changes = state.changes(&Tree::of(&sandbox.state()));
        assert!(changes.is_empty(), "{arguments:?} changed {changes:?}");
    }
    assert_unchanged(&repo, &sandbox.repo());
    assert_eq!(server.connections(), connections);
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
}

#[test]
fn reading_works_on_a_state_root_that_nobody_may_write() {
    let (sandbox, _server) = lived_in();
    let state = Tree::of(&sandbox.state());
    for (path, mode) in state.directories().chain(state.files()) {
        crate::support::sandbox::set_mode(&sandbox.state().join(path), mode & 0o555);
    }
    let outcomes: Vec<_> = READS
        .iter()
        .map(|arguments| {
            let run = sandbox
                .call(arguments)
                .powerless()
                .map(super::support::sandbox::Call::run);
            (arguments, run)
        })
        .collect();
    // Before anything can fail: the directory must be removable again.
    for (path, mode) in state.directories() {
        crate::support::sandbox::set_mode(&sandbox.state().join(path), mode);
    }
    for (arguments, run) in outcomes {
        let Some(run) = run else { return };
        let expected = match arguments {
            ["sync", "why", ..] | ["config", "get", ..] => 1,
            _ => 0,
        };
        assert_eq!(run.code(), expected, "{run:?}");
    }
}

/// Stands for a path that does not exist; asking for it marks a moment in a trace.
fn mark(which: &str) {
    assert!(
        Path::new("/spec-kitty-marker")
            .join(which)
            .metadata()
            .is_err()
    );
}

/// Everything that resolving is: every rule, every path, every surface.
fn resolve_everything(directory: &Path) -> Vec<PathBuf> {
    let environments = [
        Environment::default().with(env::SPEC_KITTY_HOME, directory.join("missing")),
        Environment::default().with(env::HOME, directory),
        Environment::from_pairs([
            (env::SPEC_KITTY_HOME, directory.to_owned()),
            (env::HOME, "/".into()),
        ]),
        Environment::from_pairs([
            (env::SPEC_KITTY_HOME, PathBuf::new()),
            (env::HOME, directory.to_owned()),
        ]),
    ];
    let mut paths = Vec::new();
    for environment in environments {
        let root = RuntimeRoot::resolve(
            Platform::Posix,
            &environment,
            PlatformDirectories::of_system(),
        )
        .unwrap();
        let map = FileMap::new(&root);
        let (project, machine, auth) = (
            map.project_scope("11111111-2222-4333-8444-555555555555"),
            map.machine_scope(),
            map.auth(),
        );
        paths.extend([
            map.root().to_owned(),
            map.config_toml(),
            map.credentials(),
            map.clock(),
            map.clock_json(),
            map.host_memory(),
            map.daemon_owner(),
            auth.session(),
            auth.refresh_lock(),
            project.journal(),
            machine.mailbox(),
        ]);
        paths.extend(surfaces(&map).iter().map(|surface| surface.probe.clone()));
    }
    paths
}

#[test]
fn resolving_the_state_root_between_two_markers() {
    let directory = Path::new("/spec-kitty-nowhere");
    // The standard library finds out once, at the first file, what the kernel can do.
    mark("warm-up");
    mark("begin");
    let paths = resolve_everything(directory);
    mark("end");
    assert!(paths.len() > 40);
}

#[test]
fn resolving_the_state_root_asks_the_kernel_for_nothing() {
    if !is_installed("strace") {
        return skip("this test needs strace");
    }
    let sandbox = Sandbox::empty();
    let log = sandbox.base().join(format!("log-{}", unique()));
    let child = "stealth::resolving_the_state_root_between_two_markers";
    let mut command = Command::new("strace");
    command
        .args(["-ff", "-qq", "-s", "4096", "-e", "signal=none", "-o"])
        .arg(&log)
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args([child, "--exact", "--test-threads=1"])
        .env_clear()
        .env("PATH", variable("PATH").unwrap_or_default())
        .env("HOME", sandbox.home());
    let outcome = run(&mut command).expect_code(0);
    assert!(outcome.stdout.contains("1 passed"), "{outcome:?}");
    let traces = std::fs::read_dir(sandbox.base()).unwrap();
    let texts = traces
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.to_string_lossy().contains("log-"))
        .map(|path| std::fs::read_to_string(path).unwrap());
    let between: Vec<Vec<String>> = texts
        .filter_map(|text| {
            let (_, after) = text.split_once("/spec-kitty-marker/begin")?;
            let (between, _) = after.split_once("/spec-kitty-marker/end")?;
            // The rest of the first marker's line, and the beginning of the second's.
            let mut lines: Vec<String> = between.lines().skip(1).map(str::to_owned).collect();
            lines.pop();
            Some(lines)
        })
        .collect();
    let [between] = between.as_slice() else {
        panic!("the markers are in {} traces", between.len())
    };
    // Memory is the only thing that it may ask for.
    let other: Vec<&String> = between
        .iter()
        .filter(|line| {
            !["brk(", "mmap(", "munmap(", "mremap(", "madvise("]
                .iter()
                .any(|call| line.starts_with(call))
        })
        .collect();
    assert!(other.is_empty(), "{other:#?}");
}

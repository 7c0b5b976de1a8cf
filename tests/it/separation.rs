//! What is kept on a machine is its owner's, and each project's its own.

use crate::support::daemons::DaemonMachine;
use crate::support::process::{Run, signal};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::tree::Tree;
use std::path::Path;

/// Runs a command for a person who shields nothing from others.
fn unshielded(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let script = "umask 000; exec \"$@\"";
    sandbox.call(arguments).within_shell(script)
}

#[track_caller]
fn is_the_owners_alone(state: &Path, after: &str) {
    let at_work = |_: &Path| false;
    nothing_is_open(state, at_work, after);
}

/// As [`is_the_owners_alone`], while a daemon drains.
///
/// sled makes its files as the umask has it, in a directory that nobody else enters (which is held
/// here), and they are the owner's a moment later: `runtime/src/mailbox/sled_store.rs`.
#[track_caller]
fn is_the_owners_alone_meanwhile(state: &Path, after: &str) {
    let in_sled = |path: &Path| {
        let mut names = path
            .components()
            .filter_map(|name| name.as_os_str().to_str());
        names.any(|name| name.starts_with("mailbox") || name.starts_with(".mailbox"))
    };
    nothing_is_open(state, in_sled, after);
}

#[track_caller]
fn nothing_is_open(state: &Path, unfinished: impl Fn(&Path) -> bool, after: &str) {
    let tree = Tree::of(state);
    assert!(tree.files().count() > 0, "{after}");
    for (path, mode) in tree.files().filter(|(path, _)| !unfinished(path)) {
        assert_eq!(mode, 0o600, "{} after {after}", path.display());
    }
    for (path, mode) in tree.directories().filter(|(path, _)| !unfinished(path)) {
        assert_eq!(mode, 0o700, "{} after {after}", path.display());
    }
}

#[test]
fn a_whole_story_leaves_nothing_that_others_may_read_whatever_the_umask() {
    let teamspace = Teamspace::start();
    let machine = DaemonMachine::of(Sandbox::hosted(teamspace.url()).with_artifacts());
    let story: &[(&str, &[&str])] = &[
        (
            "settings",
            &["config", "set", "sync.max_queue_size", "5000"],
        ),
        (
            "a capture",
            &["agent", "mission", "create", "first", "--json"],
        ),
        ("opting out", &["sync", "opt-out"]),
        ("opting in", &["sync", "opt-in"]),
    ];
    for (after, command) in story {
        unshielded(&machine, command).expect_code(0);
        is_the_owners_alone(&machine.state(), after);
    }
    teamspace.log_in(&machine);
    is_the_owners_alone(&machine.state(), "a login");
    for (after, command) in [
        ("a delivery", &["sync", "now"][..]),
        ("the start of a daemon", &["sync", "daemon", "start"]),
        (
            "a capture for the daemon",
            &["agent", "mission", "create", "second", "--json"],
        ),
    ] {
        unshielded(&machine, command).expect_code(0);
        is_the_owners_alone_meanwhile(&machine.state(), after);
    }
    machine.until("nothing waits", || machine.waiting().is_empty());
    // What it comes to does not matter here; what it leaves does.
    unshielded(&machine, &["tracker", "bind", "--provider", "linear"]);
    is_the_owners_alone_meanwhile(&machine.state(), "a bind");
    signal("KILL", machine.record().unwrap().process.pid);
    machine.until_ended();
    is_the_owners_alone(&machine.state(), "the death of the daemon");
    unshielded(&machine, &["sync", "daemon", "restart"]).expect_code(0);
    is_the_owners_alone_meanwhile(&machine.state(), "its recovery");
    machine.stop();
    is_the_owners_alone(&machine.state(), "its end");
    unshielded(&machine, &["auth", "logout"]).expect_code(0);
    is_the_owners_alone(&machine.state(), "a logout");
}

#[test]
fn no_command_in_one_project_opens_anything_of_another() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url()).with_artifacts();
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let other = sandbox.base().join("other");
    sandbox.make_repository(&other);
    let create = ["agent", "mission", "create", "theirs", "--json"];
    sandbox.call(&create).directory(&other).run().expect_code(0);
    let status = sandbox
        .call(&["sync", "status", "--json"])
        .directory(&other)
        .run()
        .json();
    let scope = |project: &str| {
        let inside = sandbox.map().project_scope(project).consent();
        inside.parent().unwrap().to_owned()
    };
    let theirs = scope(status["project_uuid"].as_str().unwrap());
    assert!(theirs.is_dir());
    sandbox.create_mission("ours");
    let ours = scope(&sandbox.project_uuid());
    for command in [
        &["agent", "mission", "create", "more", "--json"][..],
        &["sync", "now"],
        &["sync", "run"],
        &["sync", "status"],
        &["sync", "preview"],
        &["sync", "doctor"],
        &["sync", "opt-out"],
        &["sync", "opt-in"],
    ] {
        let Some(trace) = sandbox.call(command).trace() else {
            return;
        };
        let names = |directory: &Path| {
            let calls = trace.calls().iter();
            calls
                .filter(|call| call.paths().iter().any(|path| path.starts_with(directory)))
                .collect::<Vec<_>>()
        };
        assert!(!names(&ours).is_empty(), "{:?}", trace.run);
        let foreign = names(&theirs);
        assert!(foreign.is_empty(), "{foreign:#?}\n{:?}", trace.run);
    }
}

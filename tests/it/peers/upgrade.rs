//! Projects and queues that the released CLIs made are taken over and delivered.

use super::Peer;
use crate::support::process::run;
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::Teamspace;
use crate::support::tree::Tree;
use serde_json::{Value, json};

/// A release and what differs between them.
struct Release {
    peer: Option<Peer>,
    /// The options of its `init`.
    init: &'static [&'static str],
    /// What it calls the slug of a mission.
    slug_key: &'static str,
}

fn queue(peer: &Peer, sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let ids = peer.script(sandbox, "queue_events.py", arguments);
    let ids = ids.as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// The state root where every release looks, whether it knows `SPEC_KITTY_HOME` or not.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::empty();
    let root = sandbox.home().join(".spec-kitty");
    sandbox.set("SPEC_KITTY_HOME", root);
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    sandbox.git(&["init", "--quiet", "--initial-branch", "work"]);
    sandbox.git(&[
        "remote",
        "add",
        "origin",
        "git@example.invalid:acme/demo.git",
    ]);
    sandbox
}

fn identity(sandbox: &Sandbox, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.repo().join(file)).unwrap_or_default();
    let ids = ["uuid: ", "node_id: ", "build_id: "].into_iter();
    ids.filter_map(|key| {
        let (_, rest) = text.split_once(key)?;
        Some(rest.lines().next()?.trim().trim_matches('\'').to_owned())
    })
    .collect()
}

/// Upgrades, logs in and delivers; returns what arrived and what the upgrade said.
fn taken_over(sandbox: &mut Sandbox) -> (Vec<String>, Value) {
    let config = ".kittify/config.yaml";
    let before = identity(sandbox, config);
    assert!(!before.is_empty());
    let root = sandbox.home().join(".spec-kitty");
    let queues = Tree::of(&root);
    let document = sandbox.json(&["upgrade", "--json"]);
    assert_eq!(document["queues"]["total"]["unaccounted"], 0, "{document}");
    let changes = queues.changes(&Tree::of(&root));
    assert!(
        changes
            .iter()
            .all(|change| change.is_empty() || change.starts_with("runtime")),
        "{changes:?}"
    );
    let after = std::fs::read_to_string(sandbox.repo().join(config)).unwrap();
    for id in before {
        assert!(after.contains(&id), "{id} is gone: {after}");
    }
    let server = Teamspace::start();
    sandbox.host(server.url());
    server.log_in(sandbox);
    sandbox.run(&["sync", "now", "--json"]);
    (server.stored_ids(), document)
}

fn is_taken_over_and_delivered(release: &Release) {
    let Some(peer) = &release.peer else { return };
    let mut sandbox = sandbox();
    let init = ["init", "--ai", "codex", "--non-interactive"];
    let mut command = peer.script_command(&sandbox, "foreground_cli.py");
    run(command.args(init).args(release.init)).expect_code(0);
    sandbox.git(&["add", "--all"]);
    sandbox.git(&["commit", "--quiet", "--message", "made by a release"]);
    let queued = queue(peer, &sandbox, &["5", release.slug_key]);
    let (arrived, document) = taken_over(&mut sandbox);
    let arrived: Vec<&String> = arrived.iter().filter(|id| queued.contains(id)).collect();
    assert_eq!(arrived, queued.iter().collect::<Vec<_>>(), "{document}");
}

#[test]
fn nfr_004_a_project_of_3_0_3_keeps_its_identity_and_delivers_what_it_had_queued() {
    is_taken_over_and_delivered(&Release {
        peer: Peer::find("SPEC_KITTY_PEER_CLI303_PYTHON", "cli-3.0.3"),
        init: &["--here", "--force"],
        slug_key: "feature_slug",
    });
}

#[test]
fn nfr_004_a_project_of_3_1_0_keeps_its_identity_and_delivers_what_it_had_queued() {
    is_taken_over_and_delivered(&Release {
        peer: Peer::find("SPEC_KITTY_PEER_CLI310_PYTHON", "cli-3.1.0"),
        init: &["--here", "--force"],
        slug_key: "mission_slug",
    });
}

#[test]
fn nfr_004_a_project_of_3_2_5_keeps_its_identity_and_delivers_what_it_had_queued() {
    is_taken_over_and_delivered(&Release {
        peer: Peer::find("SPEC_KITTY_PEER_CLI325_PYTHON", "cli-3.2.5"),
        init: &[],
        slug_key: "mission_slug",
    });
}

#[test]
fn nfr_004_a_project_of_3_2_7_delivers_what_it_queued_after_its_opt_in_and_holds_the_rest() {
    let Some(peer) = Peer::cli() else { return };
    let mut sandbox = sandbox();
    let init = ["init", "--ai", "codex", "--non-interactive"];
    peer.spec_kitty(&sandbox, &init).expect_code(0);
    sandbox.git(&["add", "--all"]);
    sandbox.git(&["commit", "--quiet", "--message", "made by a release"]);
    let before = queue(&peer, &sandbox, &["1"]);
    peer.spec_kitty(&sandbox, &["sync", "opt-in"])
        .expect_code(0);
    let queued = queue(&peer, &sandbox, &["3", "mission_slug"]);
    let (arrived, document) = taken_over(&mut sandbox);
    let ours: Vec<&String> = arrived.iter().filter(|id| queued.contains(id)).collect();
    assert_eq!(ours, queued.iter().collect::<Vec<_>>(), "{document}");
    assert!(!arrived.contains(&before[0]));
    assert!(document["queues"]["held"]["before-opt-in"].as_u64() > Some(0));
    // It said so, and sends them when it is told to.
    let adopted = sandbox.json(&["upgrade", "--json", "--adopt", "before-opt-in"]);
    assert_eq!(adopted["queues"]["held"], json!({}));
}

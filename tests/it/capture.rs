//! What is captured: the stored envelopes, their order, and for whom they are.

use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{BATCH, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A host that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

const ENVELOPE_KEYS: [&str; 19] = [
    "aggregate_id",
    "aggregate_type",
    "build_id",
    "causation_id",
    "correlation_id",
    "drain_blocked_reason",
    "event_id",
    "event_type",
    "git_branch",
    "head_commit_sha",
    "lamport_clock",
    "node_id",
    "payload",
    "project_slug",
    "project_uuid",
    "repo_slug",
    "schema_version",
    "team_slug",
    "timestamp",
];

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event_type"].as_str().unwrap())
        .collect()
}

fn rows(sandbox: &Sandbox, created: &Value) -> Vec<Value> {
    let slug = created["mission_slug"].as_str().unwrap();
    let log = sandbox
        .repo()
        .join("kitty-specs")
        .join(slug)
        .join("status.events.jsonl");
    let text = std::fs::read_to_string(log).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_mission_is_captured_as_three_envelopes_with_the_nineteen_keys() {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.seed(&Seed::private());
    sandbox.git(&[
        "remote",
        "add",
        "origin",
        "git@example.invalid:acme/demo-repo.git",
    ]);
    // The envelope is stored before the mission's own commit is made.
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    let created = sandbox.create_mission("user-auth");
    let events = sandbox.stored_events();
    assert_eq!(
        types(&events),
        ["BuildRegistered", "MissionCreated", "SpecifyStarted"]
    );
    for event in &events {
        assert_eq!(keys(event), ENVELOPE_KEYS);
        assert_eq!(event["schema_version"], "3.0.0");
        assert_eq!(event["team_slug"], "t-private");
        assert_eq!(event["repo_slug"], "acme/demo-repo");
        assert_eq!(event["project_slug"], "demo-repo");
        assert_eq!(event["git_branch"], "main");
        assert_eq!(event["head_commit_sha"], head.as_str());
        assert_eq!(event["drain_blocked_reason"], Value::Null);
        assert_eq!(event["causation_id"], Value::Null);
        assert_eq!(event["correlation_id"], event["event_id"]);
        assert_eq!(event["node_id"].as_str().unwrap().len(), 12);
        assert_ne!(event["build_id"], "");
        let at = event["timestamp"].as_str().unwrap();
        assert!(at.ends_with("+00:00"), "{at}");
    }
    let mission = &events[1];
    assert_eq!(mission["aggregate_type"], "Mission");
    assert_eq!(mission["aggregate_id"], created["mission_id"]);
    assert_eq!(
        keys(&mission["payload"]),
        [
            "created_at",
            "friendly_name",
            "mission_id",
            "mission_number",
            "mission_slug",
            "mission_type",
            "purpose_context",
            "purpose_tldr",
            "target_branch",
            "wp_count"
        ]
    );
    assert_eq!(mission["payload"]["mission_number"], Value::Null);
    assert_eq!(mission["payload"]["wp_count"], 0);
    assert!(!events[2]["payload"].to_string().contains("artifact_path"));
}

#[test]
fn the_checkout_registers_itself_with_what_the_contract_allows_and_no_more() {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.create_mission("user-auth");
    let build = &sandbox.stored_events()[0];
    assert_eq!(build["aggregate_type"], "Build");
    assert_eq!(build["aggregate_id"], build["build_id"]);
    assert_eq!(
        build["payload"],
        json!({
            "git_branch": "main",
            "head_commit_sha": sandbox.git(&["rev-parse", "HEAD^"]),
            "repo_slug": null,
        })
    );
}

#[test]
fn no_envelope_tells_the_machine_the_user_or_a_path() {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.seed(&Seed::private());
    sandbox.create_mission("user-auth");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    for event in sandbox.stored_events() {
        let text = event.to_string();
        let base = sandbox.base().display().to_string();
        for secret in [
            base.as_str(),
            "ada@example.invalid",
            "s3cret",
            "test@example.invalid",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for key in ["workspace_path", "machine_name", "developer_name"] {
            assert!(!text.contains(key), "{key} in {text}");
        }
        assert!(
            host.trim().len() < 4 || !text.contains(host.trim()),
            "the host in {text}"
        );
    }
}

#[test]
fn events_and_status_rows_tell_of_the_same_thing_under_one_id() {
    let sandbox = Sandbox::hosted(NOBODY);
    let created = sandbox.create_mission("user-auth");
    let (events, rows) = (sandbox.stored_events(), rows(&sandbox, &created));
    assert_eq!(rows.len(), 2);
    for (event, row) in events[1..].iter().zip(&rows) {
        for key in [
            "event_id",
            "event_type",
            "aggregate_id",
            "aggregate_type",
            "timestamp",
        ] {
            assert_eq!(event[key], row[key], "{key}");
        }
    }
}

#[test]
fn the_lamport_clock_rises_over_commands_and_projects() {
    let sandbox = Sandbox::hosted(NOBODY);
    let other = sandbox.base().join("other");
    sandbox.make_repository(&other);
    let mut seen = Vec::new();
    for round in 0..3 {
        sandbox.create_mission(&format!("round-{round}"));
        let clock = |event: &Value| event["lamport_clock"].as_u64().unwrap();
        seen.extend(sandbox.stored_events()[3 * round..].iter().map(clock));
        let create = ["agent", "mission", "create", "between", "--json"];
        sandbox.call(&create).directory(&other).run().expect_code(0);
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    assert!(
        *seen.last().unwrap() >= 15,
        "the other project ticks the same clock: {seen:?}"
    );
    assert!(seen[0] >= 1);
}

#[test]
fn the_team_is_the_private_one_and_never_a_shared_one() {
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.create_mission("logged-out");
    sandbox.seed(&Seed::shared_only());
    sandbox.create_mission("shared-only");
    sandbox.seed(&Seed::private());
    sandbox.create_mission("private");
    let events = sandbox.stored_events();
    let teams: Vec<&Value> = events.iter().map(|event| &event["team_slug"]).collect();
    assert_eq!(teams[..6], [&Value::Null; 6]);
    assert_eq!(teams[6..], [&json!("t-private"); 3]);
}

#[test]
fn two_worktrees_and_two_clones_have_build_ids_of_their_own_and_a_branch_switch_keeps_it() {
    let sandbox = Sandbox::hosted(NOBODY);
    let config = "project:\n  uuid: 11111111-2222-4333-8444-555555555555\n  slug: shared\n";
    write(&sandbox.repo().join(".kittify/config.yaml"), config);
    sandbox.git(&["add", "--all"]);
    sandbox.git(&["commit", "--quiet", "-m", "Configure"]);
    let (worktree, clone) = (
        sandbox.base().join("worktree"),
        sandbox.base().join("clone"),
    );
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    sandbox.git(&["worktree", "add", "--quiet", "-b", "side", &text(&worktree)]);
    sandbox.git(&["clone", "--quiet", &text(&sandbox.repo()), &text(&clone)]);
    sandbox.create_mission("in-main");
    sandbox.git(&["switch", "--quiet", "--create", "topic"]);
    sandbox.create_mission("in-topic");
    let owned = [
        "agent",
        "mission",
        "create",
        "in-worktree",
        "--json",
        "--owned-checkout",
    ];
    let owned: Vec<String> = owned
        .iter()
        .map(|&word| word.to_owned())
        .chain([text(&worktree)])
        .collect();
    sandbox
        .call(&owned)
        .directory(&worktree)
        .run()
        .expect_code(0);
    let create = ["agent", "mission", "create", "in-clone", "--json"];
    sandbox.call(&create).directory(&clone).run().expect_code(0);
    let events = sandbox.stored_events();
    assert_eq!(
        events.len(),
        12,
        "one project, whose events are kept together"
    );
    let builds: Vec<&Value> = events
        .chunks(3)
        .map(|events| &events[0]["build_id"])
        .collect();
    assert_eq!(builds[0], builds[1], "a branch switch keeps the build id");
    assert_eq!(
        builds
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
            .len(),
        3
    );
    let nodes: BTreeSet<String> = events
        .iter()
        .map(|event| event["node_id"].to_string())
        .collect();
    assert_eq!(nodes.len(), 1, "one machine, one node");
}

#[test]
fn two_projects_without_identity_get_two_and_keep_their_events_apart() {
    let sandbox = Sandbox::hosted(NOBODY);
    let other = sandbox.base().join("other");
    sandbox.make_repository(&other);
    sandbox.create_mission("here");
    let create = ["agent", "mission", "create", "there", "--json"];
    sandbox.call(&create).directory(&other).run().expect_code(0);
    let here = sandbox.waiting();
    let there = sandbox
        .call(&["sync", "preview"])
        .directory(&other)
        .run()
        .expect_code(0);
    assert_eq!((here.len(), there.stdout.lines().count()), (3, 3));
    assert!(here.iter().all(|id| !there.stdout.contains(id)));
    assert_eq!(
        sandbox.git(&["status", "--porcelain", "--", ".kittify"]),
        ""
    );
}

#[test]
fn what_was_captured_while_logged_out_is_delivered_after_a_login() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    sandbox.create_mission("logged-out");
    let captured = sandbox.waiting();
    let blocked = sandbox.run(&["sync", "now"]).expect_code(3);
    assert!(
        blocked
            .stdout
            .starts_with("Event sync gated: auth_present\n"),
        "{blocked:?}"
    );
    assert_eq!(teamspace.stored_ids(), [""; 0]);
    teamspace.log_in(&sandbox);
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(teamspace.stored_ids(), captured);
}

#[test]
fn what_was_captured_for_one_account_is_never_sent_for_another_and_the_status_says_so() {
    let server = ScriptedServer::start();
    server.always(BATCH, Step::json(503, &json!({"error": "away"})));
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.create_mission("of-the-first");
    let of_the_first = sandbox.waiting();
    let seen = server.batches().len();
    server.be_honest(BATCH);
    sandbox.seed(&Seed::private().of("u-2", "t-2").issued_by(&server.url()));
    assert_eq!(
        sandbox.waiting(),
        [""; 0],
        "the preview shows what would leave, and nothing would"
    );
    let report = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(report["held"], 3, "{report}");
    assert_eq!(report["delivered"], 0);
    assert_eq!(server.batches().len(), seen, "something was sent");
    let text = sandbox.run(&["sync", "now"]).expect_code(0);
    assert!(
        text.stdout.contains("captured for another account"),
        "{text:?}"
    );
    let status = sandbox.run(&["sync", "status"]).expect_code(0);
    assert!(status.stdout.contains("held 3"), "{status:?}");
    assert!(
        status
            .stdout
            .contains("captured for another account, team or server"),
        "{status:?}"
    );
    let document = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(document["healthy"], false, "{document}");
    let why = sandbox
        .run(&["sync", "why", &of_the_first[0]])
        .expect_code(0);
    assert!(why.stdout.contains("held at"), "{why:?}");
    assert!(why.stdout.contains("next try: never"), "{why:?}");
    // Their own events go, and only these. The server, which was away, still rests for the final sync.
    sandbox.create_mission("of-the-second");
    sandbox.run(&["sync", "now"]).expect_code(0);
    let sent: Vec<String> = server.batches()[seen..]
        .iter()
        .flat_map(super::support::scripted_server::Received::ids)
        .collect();
    assert_eq!(sent.len(), 3);
    assert!(of_the_first.iter().all(|id| !sent.contains(id)));
    // The first account comes back and gets what is theirs.
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let report = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(
        (&report["delivered"], &report["held"]),
        (&json!(3), &json!(3)),
        "{report}"
    );
    let stored = server.stored_ids();
    assert!(of_the_first.iter().all(|id| stored.contains(id)));
}

#[test]
fn what_was_captured_for_one_server_is_never_sent_to_another() {
    let (first, second) = (ScriptedServer::start(), ScriptedServer::start());
    first.always(BATCH, Step::json(503, &json!({"error": "away"})));
    let mut sandbox = Sandbox::hosted(&first.url());
    sandbox.seed(&Seed::private().issued_by(&first.url()));
    sandbox.create_mission("for-the-first");
    sandbox.host(&second.url());
    sandbox.seed(&Seed::private().issued_by(&second.url()));
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(second.batches().len(), 0);
    first.be_honest(BATCH);
    sandbox.host(&first.url());
    sandbox.seed(&Seed::private().issued_by(&first.url()));
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(first.stored_ids().len(), 3);
}

#[test]
fn nothing_is_captured_after_opting_out() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox
        .run(&["config", "set", "event_sync.mode", "opt_out"])
        .expect_code(0);
    sandbox.create_mission("not-captured");
    assert!(!sandbox.map().projects().exists());
    assert_eq!(server.connections(), 0);
}

#[test]
fn events_are_kept_and_nothing_is_sent_in_the_other_modes() {
    for mode in ["local_retention", "external_receiver"] {
        let server = ScriptedServer::start();
        let sandbox = Sandbox::hosted(&server.url());
        sandbox.seed(&Seed::private().issued_by(&server.url()));
        sandbox
            .run(&["config", "set", "event_sync.mode", mode])
            .expect_code(0);
        sandbox.create_mission("kept");
        let blocked = sandbox.run(&["sync", "now"]).expect_code(3);
        assert!(
            blocked
                .stdout
                .starts_with("Event sync gated: event_sync_mode\n"),
            "{blocked:?}"
        );
        assert_eq!(server.connections(), 0);
        sandbox
            .run(&["config", "set", "event_sync.mode", "teamspace"])
            .expect_code(0);
        sandbox.run(&["sync", "now"]).expect_code(0);
        assert_eq!(server.stored_ids().len(), 3);
    }
}

#[test]
fn missions_that_are_created_at_the_same_time_are_all_captured_in_their_own_order() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let running: Vec<_> = (0..6)
        .map(|number| {
            let slug = format!("at-once-{number}");
            sandbox
                .call(&["agent", "mission", "create", &slug, "--json"])
                .start()
        })
        .collect();
    let mut expected = BTreeSet::new();
    for running in running {
        let created = running.finish().expect_code(0).json();
        expected.extend(
            rows(&sandbox, &created)
                .iter()
                .map(|row| row["event_id"].to_string()),
        );
    }
    sandbox.run(&["sync", "now"]).expect_code(0);
    let stored = server.stored_ids();
    assert_eq!(stored.len(), 18);
    let stored: BTreeSet<String> = stored.iter().map(|id| format!("\"{id}\"")).collect();
    assert!(expected.is_subset(&stored));
}

#[test]
fn the_first_account_of_a_teamspace_is_the_one_that_the_tests_log_in_as() {
    let teamspace = Teamspace::start();
    assert_eq!(teamspace.stored_of(OWNER), [""; 0]);
}

//! The mission cutover as a whole, by the requirements of document 4 that no other subject holds.
//!
//! A test that holds a requirement carries its number in its name; `architecture::requirements` holds
//! that each has one.

use crate::architecture::event_kinds_in_sources;
use crate::conformance::everything;
use crate::support::missions::{Mission, read};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::ScriptedServer;
use crate::support::teamspace::Teamspace;
use kitty_contract::Gate;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every key of every object in a document.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

/// Says which keys of the feature era a document has.
fn old_keys(document: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    keys(document, &mut found);
    let forbidden: BTreeSet<&str> = Gate::vendored().forbidden_keys().collect();
    found.retain(|key| forbidden.contains(key.as_str()));
    found.into_iter().collect()
}

#[test]
fn fr_001_missions_are_created_by_one_command_and_no_command_speaks_of_features() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:9");
    for words in [
        &["create-feature", "x"][..],
        &["agent", "create-feature", "x"],
        &["agent", "feature", "create", "x"],
        &["agent", "feature", "create-feature", "x", "--json"],
        &["agent", "mission", "create-feature", "x"],
    ] {
        let refused = sandbox.run(words).expect_code(2);
        assert!(
            !refused.stderr.contains("mission create"),
            "no hint: {refused:?}"
        );
    }
    let mut asked = vec![Vec::<String>::new()];
    let mut creating = 0;
    while let Some(path) = asked.pop() {
        let mut words: Vec<&str> = path.iter().map(String::as_str).collect();
        words.push("--help");
        let help = sandbox.run(&words).expect_code(0).stdout;
        assert!(!help.to_lowercase().contains("feature"), "{path:?}: {help}");
        creating += usize::from(path == ["agent", "mission", "create"]);
        let commands = help.split_once("Commands:").map_or("", |(_, rest)| rest);
        let commands = commands.split("\n\n").next().unwrap_or_default();
        for line in commands
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        {
            let name = line.split_whitespace().next().unwrap_or("help");
            if name != "help" {
                asked.push([path.clone(), vec![name.to_owned()]].concat());
            }
        }
    }
    assert_eq!(creating, 1);
}

#[test]
fn fr_002_no_source_can_emit_an_event_of_the_feature_era() {
    let gate = Gate::vendored();
    let forbidden: BTreeSet<String> = gate.forbidden_event_types().map(str::to_owned).collect();
    assert!(forbidden.len() >= 2, "{forbidden:?}");
    assert_eq!(event_kinds_in_sources(&forbidden), BTreeSet::new());
    let known: BTreeSet<String> = gate.event_types().map(str::to_owned).collect();
    let emitted = event_kinds_in_sources(&known);
    for kind in ["MissionCreated", "MissionClosed"] {
        assert!(emitted.contains(kind), "{emitted:?}");
    }
}

#[test]
fn fr_003_no_document_that_the_program_prints_has_a_key_of_the_feature_era() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url()).with_artifacts();
    let mission = Mission::with_tasks(&sandbox);
    let slug = mission.slug.as_str();
    for words in [
        &[
            "agent",
            "mission",
            "setup-plan",
            "--mission",
            slug,
            "--json",
        ][..],
        &[
            "agent",
            "mission",
            "finalize-tasks",
            "--mission",
            slug,
            "--json",
        ],
        &["agent", "tasks", "status", "--mission", slug, "--json"],
        &["agent", "status", "validate", "--mission", slug, "--json"],
        &["agent", "status", "doctor", "--mission", slug, "--json"],
        &["status", "--json"],
        &["orchestrator-api", "contract-version"],
        &["orchestrator-api", "mission-state", "--mission", slug],
        &["orchestrator-api", "list-ready", "--mission", slug],
        &["sync", "status", "--json"],
        &["sync", "preview", "--json"],
        &["sync", "diagnose", "--json"],
        &["sync", "doctor", "--json"],
        &["upgrade", "--dry-run", "--json"],
    ] {
        let run = sandbox.run(words);
        let document: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
        assert_eq!(old_keys(&document), [""; 0], "{words:?}");
    }
    let poisoned =
        serde_json::json!({"a": [{"b": {Gate::vendored().forbidden_keys().next().unwrap(): 1}}]});
    assert_eq!(
        old_keys(&poisoned).len(),
        1,
        "the search finds what it looks for"
    );
}

#[test]
fn fr_007_every_envelope_names_its_schema_and_its_build_and_missions_their_slug_number_and_type() {
    let teamspace = Teamspace::start();
    let (_machine, stored) = everything(&teamspace);
    let mut missions = 0;
    for line in &stored {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["schema_version"], "3.0.0", "{line}");
        assert!(
            event["build_id"].as_str().is_some_and(|id| !id.is_empty()),
            "{line}"
        );
        let kind = event["event_type"].as_str().unwrap();
        if ["MissionCreated", "MissionClosed"].contains(&kind) {
            missions += 1;
            for key in ["mission_slug", "mission_number", "mission_type"] {
                assert!(event["payload"].get(key).is_some(), "{key}: {line}");
            }
        }
    }
    assert!(missions >= 2, "{missions}");
}

#[test]
fn fr_019_new_metadata_has_the_names_of_missions() {
    let sandbox = Sandbox::new();
    let mission = Mission::specified(&sandbox);
    let meta: Value = serde_json::from_str(&read(&mission.file("meta.json"))).unwrap();
    for key in ["mission_slug", "mission_number", "mission_type"] {
        assert!(meta.get(key).is_some(), "{key}: {meta}");
    }
    assert_eq!(old_keys(&meta), [""; 0]);
    assert!(meta.get("mission").is_none(), "{meta}");
}

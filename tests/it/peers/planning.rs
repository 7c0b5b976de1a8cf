//! Plans that one side made, worked on by the other.

use super::Peer;
use crate::support::missions::Mission;
use crate::support::sandbox::{Sandbox, write};
use serde_json::{Value, json};

const POLICY: &str = r#"{"orchestrator_id": "o", "orchestrator_version": "1", "agent_family": "a", "approval_mode": "m", "sandbox_mode": "s", "network_mode": "n", "dangerous_flags": []}"#;

const WPS: &str = "work_packages:\n\
    - {id: WP01, title: Greeting, requirement_refs: [FR-001], owned_files: [src/greeting.py]}\n\
    - {id: WP02, title: Farewell, subtasks: [T001, T002], plan_concern_refs: [IC-01]}\n\
    - {id: WP03, title: Facade, dependencies: [WP01, WP02], prompt_file: tasks/WP03-facade.md}\n";

#[test]
fn python_works_on_a_project_and_a_plan_of_ours() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::new();
    sandbox.json(&["init", "--json", "--ai", "codex"]);
    sandbox.commit_all("Begin the project");
    sandbox.git(&["switch", "--quiet", "--create", "work"]);
    let created = [
        "agent",
        "mission",
        "create",
        "theirs",
        "--json",
        "--topology",
        "lanes",
    ];
    peer.spec_kitty(&sandbox, &created).expect_code(0);
    assert_eq!(
        sandbox.git(&["diff", "--name-only"]),
        "",
        "our files were rewritten"
    );
    let mission = Mission::with_tasks(&sandbox);
    sandbox.json(&[
        "agent",
        "mission",
        "finalize-tasks",
        "--mission",
        &mission.slug,
        "--json",
    ]);
    let ask = |verb: &str, more: &[&str]| -> Value {
        let arguments = [
            &["orchestrator-api", verb, "--mission", &mission.slug],
            more,
        ]
        .concat();
        peer.spec_kitty(&sandbox, &arguments).expect_code(0).json()
    };
    let state = ask("mission-state", &[]);
    let packages = state["data"]["work_packages"].as_array().unwrap();
    let lanes: Vec<&Value> = packages.iter().map(|package| &package["lane"]).collect();
    assert_eq!(lanes, ["planned"; 3]);
    assert_eq!(packages[2]["dependencies"], json!(["WP01", "WP02"]));
    let started = ask(
        "start-implementation",
        &["--wp", "WP01", "--actor", "o", "--policy", POLICY],
    );
    assert_eq!(started["data"]["to_lane"], "in_progress", "{started}");
    assert_eq!(started["data"]["lane_id"], "lane-a");
}

#[test]
fn both_sides_make_the_same_of_one_set_of_work_packages() {
    let Some(peer) = Peer::cli() else { return };
    let of = |python: bool, manifest: bool| {
        let sandbox = Sandbox::new();
        sandbox.git(&["switch", "--quiet", "--create", "work"]);
        let mission = Mission::with_tasks(&sandbox);
        if manifest {
            write(&mission.file("wps.yaml"), WPS);
            mission.change("spec.md", "# Demo", "# Demo\n\nCloses #1163 (see #22).");
            sandbox.commit_all("List the work packages");
        }
        let finalize = [
            "agent",
            "mission",
            "finalize-tasks",
            "--mission",
            &mission.slug,
            "--json",
        ];
        let answer: Value = if python {
            peer.spec_kitty(&sandbox, &finalize).expect_code(0).json()
        } else {
            sandbox.json(&finalize)
        };
        let document = |name: &str| serde_json::from_str::<Value>(&mission.read(name)).unwrap();
        let lanes = document("lanes.json");
        let status = sandbox.json(&["status", "--json"]);
        let mut criteria = document("acceptance-matrix.json");
        criteria["mission_slug"] = Value::Null;
        let keys =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let subjects: Vec<String> = sandbox
            .subjects()
            .iter()
            .map(|subject| subject.replace(&mission.slug, "SLUG"))
            .collect();
        let rows = mission.read("status.events.jsonl").lines().count();
        json!({
            "lanes": lanes["lanes"], "lane_keys": keys(&lanes), "criteria": criteria,
            "answer": keys(&answer), "dependencies": answer["dependencies_parsed"],
            "summary": status["missions"][0]["summary"], "problems": status["missions"][0]["problems"],
            "subjects": subjects, "rows": rows,
            "tasks": mission.read("tasks.md").replace(&mission.slug, "SLUG"),
            "issues": std::fs::read_to_string(mission.file("issue-matrix.json")).ok(),
        })
    };
    for manifest in [false, true] {
        assert_eq!(of(false, manifest), of(true, manifest));
    }
}

//! Where contents come from, where they go, and when they do not.

use super::{Case, body_id, set_mode};
use crate::support::missions::Mission;
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::CONTENT;
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::{Value, json};
use std::path::Path;

/// A Teamspace, and a machine that is logged in there.
fn at_a_teamspace() -> (Teamspace, Sandbox) {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url()).with_artifacts();
    teamspace.log_in(&sandbox);
    (teamspace, sandbox)
}

fn ask(teamspace: &Teamspace, sandbox: &Sandbox, path: &str) -> String {
    let token = sandbox.access_token();
    let answer = teamspace.get(path, &token);
    assert_eq!(answer.status, 200, "{path}: {}", answer.snippet(500));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn fr_010_fr_011_what_a_mission_says_is_stored_at_the_teamspace_and_served_back() {
    let (teamspace, sandbox) = at_a_teamspace();
    let mission = Mission::with_tasks(&sandbox);
    let finalize = ["agent", "mission", "finalize-tasks", "--json"];
    sandbox.run(&finalize).expect_code(0);
    sandbox.run(&["sync", "now"]).expect_code(0);
    let project = sandbox.project_uuid();
    let question = format!("/api/v1/bodies?project={project}&mission={}", mission.slug);
    let listed: Value = serde_json::from_str(&ask(&teamspace, &sandbox, &question)).unwrap();
    let bodies = listed["bodies"].as_array().unwrap();
    for path in ["spec.md", "tasks.md", "tasks/WP01-greeting.md"] {
        let mut of_path = bodies.iter().filter(|body| body["artifact_path"] == path);
        let newest = of_path
            .next_back()
            .unwrap_or_else(|| panic!("{path} is not in {listed}"));
        assert_eq!(newest["mission_type"], "software-dev");
        assert!(!newest["build_id"].as_str().unwrap().is_empty());
        let text = mission.read(path);
        let hash = kitty_runtime::body::BodyTask::hash_of(text.as_bytes());
        assert_eq!(newest["content_hash"], hash, "{path}");
        let question = format!(
            "/api/v1/bodies/content?project={project}&mission={}&path={path}",
            mission.slug
        );
        assert_eq!(ask(&teamspace, &sandbox, &question), text);
    }
    let stored = teamspace.all_stored_of(OWNER).join("\n");
    for kind in ["ArtifactIndexed", "SnapshotComputed", "ParityDriftDetected"] {
        assert!(stored.contains(&format!("MissionDossier{kind}")), "{kind}");
    }
    let legacy = ["feature", "_slug"].concat();
    assert!(!stored.contains(&legacy) && !stored.contains("mission_key"));
    let status = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["open_bodies"], 0, "{status}");
    assert_eq!(status["targets"][0]["bodies"]["uploaded"], bodies.len());
    assert_eq!(status["healthy"], true, "{status}");
}

#[test]
fn a_content_goes_after_the_event_that_names_it_and_not_before() {
    let (teamspace, sandbox) = at_a_teamspace();
    set_mode(&sandbox, "local_retention");
    sandbox.create_mission("one");
    let preview = sandbox.json(&["sync", "preview", "--json"]);
    let request = preview["bodies"]["requests"][0].clone();
    let token = sandbox.access_token();
    let send = |request: &Value| teamspace.push_content(request, &token);
    let early = send(&request);
    assert_eq!(early.status, 404);
    assert!(early.snippet(500).contains("index_entry_not_found"));
    set_mode(&sandbox, "teamspace");
    let report = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(report["bodies"]["uploaded"], 1, "{report}");
    assert_eq!(send(&request).status, 200);
    // What the server refuses it refuses by name.
    for (key, value, reason) in [
        ("content_body", json!("other"), "content_hash"),
        ("artifact_path", json!("../x"), "artifact_path"),
        ("hash_algorithm", json!("md5"), "hash_algorithm"),
        ("mission_slug", json!(null), "mission_slug"),
    ] {
        let mut wrong = request.clone();
        wrong[key] = value;
        let answer = send(&wrong);
        assert_eq!(answer.status, 400, "{key}");
        assert!(
            answer.snippet(500).contains(reason),
            "{key}: {}",
            answer.snippet(500)
        );
    }
    let stranger = teamspace.push_content(&request, "nobody");
    assert_eq!(stranger.status, 401);
}

#[test]
fn the_same_content_in_two_missions_is_two_contents_and_each_is_sent_once() {
    let case = Case::new();
    set_mode(&case.sandbox, "local_retention");
    let created = case.sandbox.create_mission("two");
    let two = Path::new(created["feature_dir"].as_str().unwrap());
    for mission in [&*case.mission, two] {
        write(&mission.join("research.md"), "# The same\n");
        let slug = mission.file_name().unwrap().to_str().unwrap();
        let plan = [
            "agent",
            "mission",
            "setup-plan",
            "--json",
            "--mission",
            slug,
        ];
        case.sandbox.run(&plan).expect_code(0);
    }
    let mut same = case.waiting();
    assert_eq!(same.len(), 4, "two specifications and two of the same");
    same.retain(|it| it["artifact_path"] == "research.md");
    assert_eq!(same[0]["content_hash"], same[1]["content_hash"]);
    assert_ne!(body_id(&same[0]), body_id(&same[1]));
    set_mode(&case.sandbox, "teamspace");
    assert_eq!(case.sync()["uploaded"], 4);
    assert_eq!(case.sync()["requests"], 0);
    assert_eq!(case.uploads().len(), 4);
}

#[test]
fn nothing_is_captured_of_artifacts_with_hosted_sync_off_or_after_an_opt_out() {
    let sandbox = Sandbox::new();
    Mission::with_tasks(&sandbox);
    sandbox
        .run(&["agent", "mission", "finalize-tasks", "--json"])
        .expect_code(0);
    assert!(!sandbox.state().join("runtime").exists());
    let case = Case::new();
    let before = case.sandbox.json(&["sync", "status", "--json"])["bodies"].clone();
    case.sandbox.run(&["sync", "opt-out"]).expect_code(0);
    case.sandbox.create_mission("two");
    let status = case.sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["bodies"], before);
    case.sandbox.run(&["sync", "now"]);
    assert_eq!(case.server.count(CONTENT), 0);
    // What is still there is told of by the first command after the opt-in.
    case.sandbox.run(&["sync", "opt-in"]).expect_code(0);
    case.sandbox.create_mission("three");
    case.sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(
        case.server.count(CONTENT),
        2,
        "that of one and that of three"
    );
}

#[test]
fn artifacts_stay_here_when_the_environment_says_so() {
    let mut case = Case::new();
    let before = case.sandbox.json(&["sync", "status", "--json"])["bodies"].clone();
    for word in ["0", " Off ", "no"] {
        case.sandbox.set("SPEC_KITTY_SYNC_ARTIFACTS", word);
        case.sandbox
            .create_mission(&format!("kept-{}", word.trim().len()));
    }
    let status = case.sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["bodies"], before);
    let told = case.sandbox.all_stored_events();
    let of_kept = |it: &&Value| {
        let id = it["aggregate_id"].as_str().unwrap();
        it["aggregate_type"] == "MissionDossier" && id.starts_with("kept-")
    };
    let told: Vec<&Value> = told.iter().filter(of_kept).collect();
    assert_eq!(told, Vec::<&Value>::new());
}

#[test]
fn a_body_that_was_tampered_with_is_kept_back_by_the_gate_and_the_rest_goes() {
    let case = Case::new();
    let good = case.waiting()[0].clone();
    let mut foreign = good.clone();
    foreign["project_uuid"] = json!("11111111-2222-4333-8444-555555555555");
    let id = case.sandbox.plant_body(&foreign);
    let report = case.sync();
    assert_eq!(
        (&report["uploaded"], &report["quarantined"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(case.uploads(), [good]);
    let why = case.why(&id);
    assert_eq!(why["targets"][0]["state"], "quarantined", "{why}");
    assert!(why["gate"].as_str().unwrap().contains("project"), "{why}");
}

#[test]
fn a_document_is_told_of_when_it_changes_and_only_then() {
    let case = Case::new();
    case.sync();
    let stored = case.sandbox.all_stored_events().len();
    write(&case.mission.join("research.md"), "# Findings\n");
    let plan = ["agent", "mission", "setup-plan", "--json"];
    case.sandbox.run(&plan).expect_code(0);
    case.sandbox.run(&["sync", "now"]).expect_code(0);
    let events = case.sandbox.all_stored_events();
    let told: Vec<&str> = events[stored..]
        .iter()
        .filter_map(|event| event["payload"]["artifact_id"]["path"].as_str())
        .collect();
    assert!(told.contains(&"research.md"), "{told:?}");
    assert!(!told.contains(&"spec.md"), "it had not changed: {told:?}");
    let researched = case
        .uploads()
        .iter()
        .any(|it| it["artifact_path"] == "research.md");
    assert!(researched);
}

//! Bytes compared with what the Python CLI 3.2.7 wrote for the same commands.
//!
//! The files in `golden/` were recorded from it, with ids, times and paths replaced by words, and its
//! sentences by `SENTENCE`: those are ours.

use crate::support::{Sandbox, VERSION, with_tools_at};
use kitty_missions::create::{CreatedMission, MissionOptions, create};
use kitty_missions::files::WorktreeFilesystem;
use kitty_runtime::python_json;
use kitty_runtime::time::TimeSource;

const TIME: &str = "2026-11-20T21:10:48.086283";
const PROJECT_UUID: &str = "a793eaab-497f-4d96-8d7c-c1cce7e29558";

#[derive(Debug)]
struct Fixed;

impl TimeSource for Fixed {
    fn now(&self) -> jiff::Timestamp {
        format!("{TIME}Z").parse().unwrap()
    }
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::project();
    sandbox.write(
        ".kittify/config.yaml",
        &format!("project:\n  uuid: {PROJECT_UUID}\n  slug: demo\n  node_id: b805cd5cee74\n"),
    );
    sandbox.commit_all("configuration");
    sandbox.git(&["switch", "--quiet", "--create", "work"]);
    sandbox
}

fn created(sandbox: &Sandbox, options: &MissionOptions) -> CreatedMission {
    with_tools_at(&WorktreeFilesystem, &Fixed, |tools| {
        create(&sandbox.locate(), options, tools).unwrap()
    })
}

fn normalised(sandbox: &Sandbox, created: &CreatedMission, text: &str) -> String {
    text.replace(&created.mission_id, "MISSION_ID")
        .replace(&created.events[0].event_id.to_string(), "EVENT_1")
        .replace(&created.events[1].event_id.to_string(), "EVENT_2")
        .replace(&created.mission_id[..8], "MID8")
        .replace(TIME, "TIME")
        .replace(&TIME[..19], "TIME")
        .replace(PROJECT_UUID, "PROJECT_UUID")
        .replace(sandbox.root.to_str().unwrap(), "ROOT")
        .replace(VERSION, "VERSION")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn assert_files(options: &MissionOptions, meta: &str, rows: &str) {
    let sandbox = sandbox();
    let created = created(&sandbox, options);
    for (name, expected) in [("meta.json", meta), ("status.events.jsonl", rows)] {
        let text = std::fs::read_to_string(created.directory.join(name)).unwrap();
        assert_eq!(normalised(&sandbox, &created, &text), expected, "{name}");
    }
}

fn plain() -> MissionOptions {
    MissionOptions {
        slug: "demo-thing".to_owned(),
        friendly_name: some("Demo thing"),
        purpose_tldr: some("A demo"),
        purpose_context: some("Shows the files."),
        topology: some("lanes"),
        ..MissionOptions::default()
    }
}

#[test]
fn the_files_of_a_plain_mission_are_those_of_the_python_cli() {
    assert_files(
        &plain(),
        include_str!("golden/plain.meta.json"),
        include_str!("golden/plain.status.events.jsonl"),
    );
}

#[test]
fn the_files_of_a_documentation_mission_are_those_of_the_python_cli() {
    let options = MissionOptions {
        slug: "042-docs-thing".to_owned(),
        mission_type: some("documentation"),
        friendly_name: some("Docs"),
        purpose_tldr: some("Docs"),
        purpose_context: some("Docs."),
        topology: some("single_branch"),
        ..MissionOptions::default()
    };
    assert_files(
        &options,
        include_str!("golden/documentation.meta.json"),
        include_str!("golden/documentation.status.events.jsonl"),
    );
}

#[test]
fn flags_and_unusual_characters_are_written_as_the_python_cli_writes_them() {
    let options = MissionOptions {
        slug: "unusual-9".to_owned(),
        friendly_name: some("  Ünïcode   😀  <&> \"q\" \\ "),
        purpose_tldr: some("tl\tdr"),
        purpose_context: some("one\ntwo"),
        retain_branches: true,
        retain_worktrees: true,
        pr_bound: true,
        branch_strategy: some("already-confirmed"),
        topology: some("single_branch"),
        ..MissionOptions::default()
    };
    assert_files(
        &options,
        include_str!("golden/options.meta.json"),
        include_str!("golden/options.status.events.jsonl"),
    );
}

#[test]
fn the_answer_has_every_key_of_the_python_cli_in_its_order_and_its_values() {
    let sandbox = sandbox();
    let created = created(&sandbox, &plain());
    let mut text = python_json::line(&created) + "\n";
    for sentence in sentences(&text) {
        text = text.replace(&sentence, "SENTENCE");
    }
    assert_eq!(
        normalised(&sandbox, &created, &text),
        include_str!("golden/plain.answer.json")
    );
}

/// The values that are prose.
fn sentences(answer: &str) -> Vec<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    [
        &answer["uncommitted_artifacts"][0]["reason"],
        &answer["next_step"],
        &answer["branch_strategy_summary"],
    ]
    .into_iter()
    .map(|value| value.as_str().unwrap().to_owned())
    .collect()
}

#[test]
fn a_project_without_configuration_has_no_project_in_its_rows() {
    let sandbox = Sandbox::project();
    let created = created(&sandbox, &plain());
    assert_eq!(created.events[0].project_uuid, None);
    assert_eq!(created.events[0].project_slug, None);
}

#[test]
fn a_uuid_that_is_none_does_not_stop_a_local_command_and_is_not_written() {
    let sandbox = sandbox();
    sandbox.write(
        ".kittify/config.yaml",
        "project:\n  uuid: not-a-uuid\n  slug: demo\n",
    );
    let created = created(&sandbox, &plain());
    assert_eq!(created.events[0].project_uuid, None);
    assert_eq!(created.events[0].project_slug, None);
}

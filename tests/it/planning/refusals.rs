//! `finalize-tasks` when the work packages do not hold together.

use super::finalize;
use crate::support::missions::Mission;
use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::{Tree, assert_unchanged};

type Spoil = fn(&Sandbox, &Mission);

/// Why a plan is refused: the code, what is spoiled, and what the error says.
const REFUSALS: &[(&str, Spoil, &str)] = &[
    (
        "DEPENDENCY_CYCLE",
        |_, mission| {
            mission.change(
                "tasks/WP01-greeting.md",
                "dependencies: []",
                "dependencies: [WP03]",
            );
        },
        "WP01 → WP03 → WP01",
    ),
    (
        "UNKNOWN_DEPENDENCY",
        |_, mission| {
            mission.change(
                "tasks/WP01-greeting.md",
                "dependencies: []",
                "dependencies: [WP09]",
            );
        },
        "WP01: dependency WP09 not found",
    ),
    (
        "WORK_PACKAGE_UNUSABLE",
        |_, mission| {
            mission.change(
                "tasks/WP02-farewell.md",
                "dependencies: []",
                "dependencies: [",
            );
        },
        "WP02-farewell.md: the frontmatter is not a valid YAML mapping",
    ),
    (
        "WORK_PACKAGE_UNUSABLE",
        |_, mission| {
            mission.change("tasks/WP02-farewell.md", "---\n", "");
        },
        "WP02-farewell.md has no frontmatter",
    ),
    (
        "WORK_PACKAGE_UNUSABLE",
        |_, mission| {
            mission.change(
                "tasks/WP02-farewell.md",
                "work_package_id: WP02",
                "work_package_id: WP07",
            );
        },
        "the frontmatter says WP07",
    ),
    (
        "WORK_PACKAGE_UNUSABLE",
        |_, mission| {
            write(
                &mission.file("tasks/WP02-other.md"),
                mission.read("tasks/WP02-farewell.md"),
            );
        },
        "are both WP02",
    ),
    (
        "REQUIREMENT_MAPPING_FAILED",
        |_, mission| {
            mission.change("tasks/WP02-farewell.md", "FR-002", "FR-009");
        },
        "not in spec.md: WP02 FR-009, no work package for FR-002",
    ),
    (
        "TASKS_MD_INCOMPLETE",
        |_, mission| {
            mission.change("tasks.md", "## WP02 Farewell", "## Farewell");
        },
        "no section for WP02",
    ),
    (
        "OWNERSHIP_INVALID",
        |_, mission| {
            mission.change(
                "tasks/WP02-farewell.md",
                "owned_files: [src/farewell.py]",
                "owned_files: [src/greeting.py]",
            );
        },
        "WP01 and WP02 can run at the same time",
    ),
    (
        "OWNERSHIP_INVALID",
        |_, mission| {
            mission.change(
                "tasks/WP02-farewell.md",
                "create_intent: [src/farewell.py]",
                "create_intent: []",
            );
        },
        "src/farewell.py does not exist",
    ),
    (
        "OWNERSHIP_CONTRADICTION_CODE_CHANGE_EMPTY_OWNED_FILES",
        |_, mission| {
            mission.change(
                "tasks/WP02-farewell.md",
                "owned_files: [src/farewell.py]",
                "owned_files: []",
            );
        },
        "WP02: code_change",
    ),
    (
        "NO_WORK_PACKAGES",
        |_, mission| {
            std::fs::remove_dir_all(mission.file("tasks")).unwrap();
        },
        "no work package found",
    ),
    (
        "SPEC_FILE_MISSING",
        |_, mission| std::fs::remove_file(mission.file("spec.md")).unwrap(),
        "spec.md is missing",
    ),
    (
        "WPS_YAML_UNUSABLE",
        |_, mission| write(&mission.file("wps.yaml"), "{}"),
        "wps.yaml cannot be used: missing field `work_packages`",
    ),
    (
        "WPS_YAML_INCOMPLETE",
        |_, mission| {
            let one =
                "work_packages: [{id: WP01, title: x}, {id: WP02, title: y}, {id: WP04, title: z}]";
            write(&mission.file("wps.yaml"), one);
        },
        "no entry for WP03, no file for WP04",
    ),
    (
        "STATUS_LOG_UNUSABLE",
        |_, mission| {
            let log = mission.read("status.events.jsonl");
            write(
                &mission.file("status.events.jsonl"),
                format!("{log}garbage\n"),
            );
        },
        "line 3 is not a JSON object",
    ),
    (
        "WRONG_BRANCH",
        |sandbox, _| {
            sandbox.git(&["switch", "--quiet", "--create", "other"]);
        },
        "is on 'other' and the mission is planned on 'main'",
    ),
    (
        "TOPOLOGY_NOT_AVAILABLE",
        |_, mission| {
            mission.change(
                "meta.json",
                "\"topology\": \"lanes\"",
                "\"topology\": \"lanes_with_coord\"",
            );
        },
        "lanes_with_coord",
    ),
];

#[test]
fn what_does_not_hold_together_is_refused_and_nothing_is_changed() {
    for (code, spoil, said) in REFUSALS {
        let sandbox = Sandbox::new();
        let mission = Mission::with_tasks(&sandbox);
        spoil(&sandbox, &mission);
        let before = (
            Tree::of(&mission.directory),
            sandbox.git(&["rev-parse", "HEAD"]),
        );
        let run = finalize(&sandbox, &[]).expect_code(1);
        let refusal = run.json();
        assert_eq!(refusal["code"], *code, "{run:?}");
        assert!(
            refusal["error"].as_str().unwrap().contains(said),
            "{said}: {run:?}"
        );
        assert_unchanged(&before.0, &mission.directory);
        assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before.1, "{code}");
        assert_eq!(
            sandbox.git(&["diff", "--cached", "--name-only"]),
            "",
            "{code}"
        );
    }
}

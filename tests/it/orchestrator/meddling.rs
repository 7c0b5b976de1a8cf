//! Lanes that change the status of missions, and missions that lie behind links.

use super::refusals::{Project, envelope, start};
use crate::support::missions::read;
use crate::support::process::run;
use crate::support::sandbox::write;
use crate::support::tree::Tree;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const LANES: [(&str, &str, &str); 3] = [
    ("WP01", "lane-a", "src/greet.py"),
    ("WP02", "lane-b", "src/farewell.py"),
    ("WP03", "lane-c", "src/facade.py"),
];
const FORGED: &str = r#"{"actor": "mallory", "at": "2030-01-01T00:00:00+00:00", "event_id": "01M7XCRBZDR9YZR1SQYAEG4FH9", "evidence": null, "execution_mode": "worktree", "force": true, "from_lane": "approved", "mission_slug": "x", "policy_metadata": null, "reason": "mine", "review_ref": null, "to_lane": "done", "wp_id": "WP01"}"#;

/// How a lane changes the status log.
type Meddle = fn(&str) -> String;

fn appended(log: &str) -> String {
    format!("{log}{FORGED}\n")
}

fn shortened(log: &str) -> String {
    let kept = log.lines().take(2).map(|line| format!("{line}\n"));
    kept.collect()
}

fn emptied(_: &str) -> String {
    String::new()
}

/// A mission of which a lane changed the status log, ready to be merged.
fn meddled(with: Meddle) -> Project {
    let project = Project::new();
    for (wp_id, lane, file) in LANES {
        project.implement(wp_id, lane, file);
        if lane == "lane-a" {
            let name = format!("kitty-specs/{}/status.events.jsonl", project.fixture.slug);
            let log = read(&project.fixture.worktree(lane).join(&name));
            project
                .fixture
                .commit_on(&project.sandbox, lane, &name, &with(&log), "Meddle");
        }
        project.approve(wp_id);
    }
    project
}

fn log(project: &Project) -> String {
    read(&project.fixture.directory.join("status.events.jsonl"))
}

#[test]
fn what_a_lane_wrote_into_the_status_is_not_taken_over_and_no_row_is_lost() {
    for (with, strategies) in [
        (appended as Meddle, &["merge", "squash"][..]),
        (shortened, &["merge", "squash"]),
        (emptied, &["squash"]),
    ] {
        for strategy in strategies {
            let project = meddled(with);
            let before = log(&project);
            let ran = project
                .call(&["merge-mission", "--strategy", strategy])
                .run()
                .expect_code(0);
            assert_eq!(ran.json()["data"]["merged"], true, "{ran:?}");
            let after = log(&project);
            assert!(after.starts_with(&before), "{strategy}: {after}");
            assert!(!after.contains("mallory"), "{after}");
            assert_eq!(after.lines().count(), before.lines().count() + 3, "{after}");
            let says = "lane-a changed the status of a mission; it was not taken over";
            assert!(ran.stderr.contains(says), "{ran:?}");
            for (_, _, file) in LANES {
                assert!(project.sandbox.repo().join(file).exists(), "{file}");
            }
            let kept = format!("kitty/mission-{}-lane-a", project.fixture.slug);
            let branches = project.sandbox.git(&["branch", "--list", "kitty/*"]);
            // What the lane wrote is in the history, or its branch stays.
            assert_eq!(
                branches.contains(&kept),
                *strategy == "squash",
                "{branches}"
            );
            assert_eq!(project.sandbox.git(&["status", "--porcelain"]), "");
        }
    }
}

#[test]
fn lanes_that_change_the_status_against_each_other_are_refused_or_merged_without_loss() {
    for strategy in ["merge", "squash", "rebase"] {
        let project = Project::new();
        for (wp_id, lane, file) in &LANES[..2] {
            project.implement(wp_id, lane, file);
            let name = format!("kitty-specs/{}/status.json", project.fixture.slug);
            let text = format!("{{\"from\": \"{lane}\"}}\n");
            project
                .fixture
                .commit_on(&project.sandbox, lane, &name, &text, "Meddle");
            project.approve(wp_id);
        }
        let cancel = [
            "transition",
            "--wp",
            "WP03",
            "--to",
            "canceled",
            "--actor",
            "o",
        ];
        let why = ["--note", "not needed", "--force"];
        project.succeeds(&[&cancel[..], &why].concat());
        let before = log(&project);
        let ran = project
            .call(&["merge-mission", "--strategy", strategy])
            .run();
        assert_eq!(ran.stdout.matches('\n').count(), 1, "{ran:?}");
        let merged = ran.json()["success"] == true;
        if !merged {
            envelope(&ran.stdout, "PREFLIGHT_FAILED");
            assert_eq!(strategy, "rebase", "{ran:?}");
        }
        assert!(log(&project).starts_with(&before), "{strategy}");
        assert_eq!(project.sandbox.git(&["status", "--porcelain"]), "");
        let state = project.succeeds(&["mission-state"]);
        let done = if merged { "done" } else { "approved" };
        assert_eq!(
            state["work_packages"][0]["lane"], done,
            "{strategy}: {state}"
        );
    }
}

#[test]
fn a_lane_that_put_a_link_in_the_place_of_the_mission_is_refused_or_merged_without_loss() {
    let project = Project::new();
    let elsewhere = project.sandbox.base().join("elsewhere");
    write(&elsewhere.join("status.events.jsonl"), "");
    let before_elsewhere = Tree::of(&elsewhere);
    for (wp_id, lane, file) in LANES {
        project.implement(wp_id, lane, file);
        if lane == "lane-b" {
            let worktree = project.fixture.worktree(lane);
            let mission = worktree.join("kitty-specs").join(&project.fixture.slug);
            std::fs::remove_dir_all(&mission).unwrap();
            symlink(&elsewhere, &mission).unwrap();
            let git = |words: &[&str]| project.sandbox.git_in(&worktree, words);
            git(&["add", "--all"]);
            git(&["commit", "--quiet", "-m", "Lead elsewhere"]);
        }
        let called = project.call(&start(wp_id)).run();
        assert_eq!(called.stdout.matches('\n').count(), 1, "{called:?}");
        if lane != "lane-c" {
            project.approve(wp_id);
        }
    }
    let cancel = [
        "transition",
        "--wp",
        "WP03",
        "--to",
        "canceled",
        "--actor",
        "o",
    ];
    project.succeeds(&[&cancel[..], &["--note", "no", "--force"]].concat());
    let before = log(&project);
    for strategy in ["squash", "merge"] {
        let ran = project
            .call(&["merge-mission", "--strategy", strategy])
            .run();
        assert_eq!(ran.stdout.matches('\n').count(), 1, "{ran:?}");
        assert!(log(&project).starts_with(&before), "{ran:?}");
        crate::support::tree::assert_unchanged(&before_elsewhere, &elsewhere);
        assert!(!project.fixture.directory.is_symlink(), "{ran:?}");
    }
}

#[test]
fn a_status_behind_a_link_is_refused_before_anything_is_written() {
    let words: [&[&str]; 3] = [
        &[
            "append-history",
            "--wp",
            "WP01",
            "--actor",
            "o",
            "--note",
            "n",
        ],
        &start("WP01"),
        &["accept-mission", "--actor", "o"],
    ];
    let places: [fn(&Project) -> PathBuf; 4] = [
        |project| project.sandbox.repo().join("kitty-specs"),
        |project| project.fixture.directory.clone(),
        |project| project.fixture.directory.join("status.events.jsonl"),
        |project| project.fixture.directory.join("status.json"),
    ];
    for place in places {
        let project = Project::new();
        let place = place(&project);
        let elsewhere = project.sandbox.base().join("elsewhere");
        std::fs::rename(&place, &elsewhere).unwrap();
        symlink(&elsewhere, &place).unwrap();
        let outside = Tree::of(project.sandbox.base());
        for words in words {
            let ran = project.call(words).run().expect_code(1);
            assert_eq!(ran.stdout.matches('\n').count(), 1, "{ran:?}");
            assert_eq!(ran.json()["success"], false, "{ran:?}");
        }
        for command in ["setup-plan", "finalize-tasks"] {
            let words = [
                "agent",
                "mission",
                command,
                "--mission",
                &project.fixture.slug,
            ];
            let ran = run(project
                .sandbox
                .command(crate::support::process::program())
                .args(words)
                .arg("--json")
                .current_dir(project.sandbox.repo()));
            assert_eq!(ran.code(), 1, "{ran:?}");
        }
        crate::support::tree::assert_unchanged(&outside, project.sandbox.base());
    }
}

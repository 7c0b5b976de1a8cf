//! Damaged missions, hooks that refuse, disks that are full, writers that contend: one envelope each,
//! and nothing is lost.

use super::refusals::{BLOCK, Project, envelope, message, start};
use crate::support::missions::read;
use crate::support::sandbox::write;
use serde_json::Value;

#[test]
fn a_mission_that_cannot_be_read_is_named_with_what_is_wrong() {
    let project = Project::new();
    let file = |name: &str| project.fixture.directory.join(name);
    let state = ["mission-state"];
    let damaged = |name: &str, damage: &dyn Fn(&str) -> String, words: &[&str], code: &str| {
        let whole = read(&file(name));
        write(&file(name), damage(&whole));
        let told = project.refused(words, code);
        write(&file(name), whole);
        message(&told).to_owned()
    };
    let not_json = |_: &str| "{".to_owned();
    let said = damaged("meta.json", &not_json, &state, "MISSION_NOT_READY");
    assert!(said.contains("meta.json"), "{said}");
    let coord = |meta: &str| meta.replace("\"lanes\"", "\"coord\"");
    let said = damaged("meta.json", &coord, &state, "MISSION_NOT_READY");
    assert!(said.contains("topology coord"), "{said}");
    let cut = |log: &str| log.replacen("\n", "\n{\"broken\"\n", 1);
    for words in [&state[..], &["list-ready"], &start("WP01")] {
        let code = "STATUS_READ_PATH_NOT_FOUND";
        let said = damaged("status.events.jsonl", &cut, words, code);
        assert!(said.contains("line 2"), "{said}");
    }
    let said = damaged(
        "lanes.json",
        &not_json,
        &start("WP01"),
        "LANE_ALLOCATION_FAILED",
    );
    assert!(said.contains("lanes.json"), "{said}");
    let bare = |_: &str| "no frontmatter".to_owned();
    let prompt = "tasks/WP01-greeting.md";
    let said = damaged(prompt, &bare, &state, "STATUS_READ_PATH_NOT_FOUND");
    assert!(said.contains("WP01-greeting.md"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_mission_that_is_a_link_is_refused() {
    let project = Project::new();
    let elsewhere = project.sandbox.base().join("elsewhere");
    std::fs::rename(&project.fixture.directory, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &project.fixture.directory).unwrap();
    let before = read(&elsewhere.join("status.events.jsonl"));
    for words in [&["mission-state"][..], &start("WP01")] {
        let ran = project.call(words).run().expect_code(1);
        let envelope: Value = ran.json();
        assert_eq!(envelope["success"], false, "{envelope}");
    }
    assert_eq!(read(&elsewhere.join("status.events.jsonl")), before);
}

#[test]
fn nothing_is_committed_on_another_branch_than_the_missions() {
    let project = Project::new();
    project
        .sandbox
        .git(&["switch", "--quiet", "--create", "aside"]);
    let told = project.refused(
        &[
            "append-history",
            "--wp",
            "WP01",
            "--actor",
            "o",
            "--note",
            "n",
        ],
        "SAFE_COMMIT_HEAD_MISMATCH",
    );
    assert!(message(&told).contains("git switch work"), "{told}");
}

#[test]
fn a_hook_that_refuses_the_commit_leaves_everything_as_it_was() {
    let project = Project::new();
    let hook = project.sandbox.repo().join(".git/hooks/pre-commit");
    crate::support::sandbox::write_script(&hook, "#!/bin/sh\necho not today >&2\nexit 1\n");
    let note = [
        "append-history",
        "--wp",
        "WP01",
        "--actor",
        "o",
        "--note",
        "n",
    ];
    let told = project.refused(&note, "HISTORY_COMMIT_FAILED");
    assert!(message(&told).contains("not today"), "{told}");
    let told = project.refused(&BLOCK, "SAFE_COMMIT_GENERIC");
    assert!(message(&told).contains("not today"), "{told}");
}

#[test]
fn a_mission_that_cannot_be_written_stays_as_it_is() {
    let project = Project::new();
    let set_mode = |mode| crate::support::sandbox::set_mode(&project.fixture.directory, mode);
    set_mode(0o555);
    if let Some(call) = project.call(&BLOCK).powerless() {
        project.refuses(call, "SAFE_COMMIT_GENERIC");
    }
    set_mode(0o755);
    // What a full disk does: no file can grow.
    let before = project.sandbox.checkout();
    let ran = project
        .call(&BLOCK)
        .within_shell("trap '' XFSZ; ulimit -f 1; exec \"$@\"");
    envelope(&ran.stdout, "SAFE_COMMIT_GENERIC");
    assert_eq!(ran.code(), 1, "{ran:?}");
    project.unchanged(&before);
    assert_eq!(project.succeeds(&BLOCK)["to_lane"], "blocked");
}

#[test]
fn without_the_git_program_there_is_an_envelope() {
    let project = Project::new();
    let nowhere = project.sandbox.base().join("nowhere");
    let call = project.call(&BLOCK).env("PATH", nowhere);
    let told = project.refuses(call, "SAFE_COMMIT_GENERIC");
    assert!(message(&told).contains("git"), "{told}");
}

#[test]
fn writers_wait_for_one_another_and_no_row_is_lost() {
    let project = Project::new();
    let notes = ["one", "two", "three", "four", "five", "six"];
    let note = |note| {
        let words = ["append-history", "--wp", "WP01", "--actor", "o", "--note"];
        project.call(&[&words[..], &[note]].concat()).start()
    };
    let writers: Vec<_> = notes.iter().map(|text| note(text)).collect();
    for writer in writers {
        let envelope = writer.finish().expect_code(0).json();
        assert_eq!(envelope["success"], true, "{envelope}");
    }
    let log = read(&project.fixture.directory.join("status.events.jsonl"));
    for note in notes {
        let row = format!("o: {note}\"");
        assert_eq!(log.matches(&row).count(), 1, "{note}: {log}");
    }
    let subjects = project.sandbox.subjects();
    let own =
        |subject: &&String| subject.as_str() == "chore(spec-kitty): inner-state annotation WP01";
    assert_eq!(subjects.iter().filter(own).count(), notes.len());
    assert_eq!(project.sandbox.git(&["status", "--porcelain"]), "");
}

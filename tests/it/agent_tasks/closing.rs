//! `accept` and `merge`: what a person closes a mission with.

use super::table::{EVERY, Table};
use crate::support::missions::read;
use serde_json::{Value, json};

fn meta(table: &Table) -> Value {
    serde_json::from_str(&read(&table.fixture.directory.join("meta.json"))).unwrap()
}

fn branches(table: &Table) -> String {
    table
        .sandbox
        .git(&["branch", "--list", "--format=%(refname:short)", "kitty/*"])
}

#[test]
fn an_acceptance_names_the_work_packages_that_are_left() {
    let table = Table::hosted();
    table.hand_in(EVERY[0]);
    table.move_to("WP01", "approved", &["--reviewer", "rev"]);
    assert_eq!(
        table.refusal(&["accept"]),
        "Mission has 2 incomplete WP(s): WP02, WP03"
    );
    assert_eq!(
        table.refusal(&["merge"]),
        "Mission has 2 incomplete WP(s): WP02, WP03"
    );
    table.assert_captured();
}

#[test]
fn an_acceptance_is_kept_in_the_meta_and_committed() {
    let table = Table::offline();
    table.approve_all();
    let answer = table.json(&["accept", "--actor", "ann"]);
    assert_eq!(answer["result"], "success");
    assert_eq!(answer["accepted"], true);
    assert_eq!(answer["accepted_by"], "ann");
    assert_eq!(answer["approved_wps"], json!(["WP01", "WP02", "WP03"]));
    assert_eq!(answer["done_wps"], json!([]));
    let meta = meta(&table);
    assert_eq!(meta["accepted_by"], "ann");
    assert_eq!(meta["accepted_at"], answer["accepted_at"]);
    assert_eq!(meta["acceptance_history"].as_array().unwrap().len(), 1);
    // Nothing is done by being accepted.
    assert_eq!(table.package("WP01")["lane"], "approved");
    table.assert_clean();
    let slug = &table.fixture.slug;
    let ran = table.run(&["accept"]).expect_code(0);
    assert_eq!(
        ran.stdout,
        format!(
            "✓ Accepted {slug}: 3 work package(s)\n  \
             Merge it with `spec-kitty merge --mission {slug}`.\n"
        )
    );
    table.assert_clean();
    table.assert_silent();
}

#[test]
fn a_merge_closes_the_mission_with_its_number_its_events_and_its_worktrees() {
    let table = Table::hosted();
    table.approve_all();
    table.json(&["accept"]);
    let answer = table.json(&["merge"]);
    assert_eq!(answer["merged"], true);
    assert_eq!(answer["target_branch"], "work");
    assert_eq!(answer["strategy"], "squash");
    assert_eq!(answer["mission_number"], 1);
    assert_eq!(answer["merged_wps"], json!(["WP01", "WP02", "WP03"]));
    assert_eq!(answer["pushed"], false);
    assert_eq!(answer["removed_worktrees"].as_array().unwrap().len(), 3);
    assert_eq!(meta(&table)["mission_number"], 1);
    assert_eq!(
        meta(&table)["accepted_by"],
        "user",
        "the acceptance is kept"
    );
    for [wp_id, lane, file, _] in EVERY {
        assert_eq!(table.package(wp_id)["lane"], "done");
        assert!(!table.fixture.worktree(lane).exists());
        let committed = table.sandbox.git(&["show", &format!("work:{file}")]);
        assert_eq!(committed, "made = True");
    }
    assert_eq!(branches(&table), "");
    table.assert_clean();
    table.assert_captured();
    let events = table.sandbox.stored_events();
    let closed = events
        .iter()
        .filter(|event| event["event_type"] == "MissionClosed");
    assert_eq!(closed.count(), 1);
    // There is nothing left to merge a second time.
    let refused = table.refusal(&["merge"]);
    assert!(refused.contains("-lane-a does not exist"), "{refused}");
    assert_eq!(table.sandbox.stored_events().len(), events.len());
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let table = Table::offline();
    table.approve_all();
    let before = table.sandbox.checkout();
    let answer = table.json(&["merge", "--dry-run"]);
    let expected = json!({
        "result": "success", "dry_run": true, "mission_slug": table.fixture.slug,
        "target_branch": "work", "strategy": "squash", "already_integrated": false,
        "merged_wps": ["WP01", "WP02", "WP03"],
    });
    assert_eq!(answer, expected);
    let ran = table.run(&["merge", "--dry-run"]).expect_code(0);
    let slug = &table.fixture.slug;
    assert_eq!(
        ran.stdout,
        format!("Would merge {slug} into work (squash): WP01, WP02, WP03\n")
    );
    assert_eq!(table.sandbox.checkout(), before);
    table.assert_silent();
}

#[test]
fn a_person_may_keep_the_branches_and_the_worktrees() {
    let table = Table::offline();
    table.approve_all();
    let words = [
        "merge",
        "--strategy",
        "merge",
        "--keep-branch",
        "--keep-worktree",
    ];
    let ran = table.run(&words).expect_code(0);
    let slug = &table.fixture.slug;
    let line = format!("✓ Merged {slug} into work (merge): 3 work package(s), mission 1\n");
    assert_eq!(ran.stdout, line);
    assert_eq!(branches(&table).lines().count(), 4);
    assert!(table.fixture.worktree("lane-a").is_dir());
    let subjects = table.sandbox.subjects();
    let merge = format!("Merge kitty/mission-{slug} into work");
    assert!(subjects.contains(&merge), "{subjects:?}");
    table.assert_clean();
    table.assert_silent();
}

#[test]
fn a_strategy_and_a_target_that_are_none_are_named() {
    let table = Table::offline();
    table.approve_all();
    let refused = table.refusal(&["merge", "--strategy", "octopus"]);
    assert!(
        refused.contains("octopus") && refused.contains("squash"),
        "{refused}"
    );
    let refused = table.refusal(&["merge", "--target", "nowhere"]);
    assert!(
        refused.contains("Target branch 'nowhere' does not exist"),
        "{refused}"
    );
}

#[test]
fn a_merge_that_cannot_be_pushed_says_so_and_the_same_command_does_the_rest() {
    let table = Table::hosted();
    table.approve_all();
    let origin = table.sandbox.base().join("origin.git");
    let shown = origin.to_str().unwrap();
    table.sandbox.git(&["remote", "add", "origin", shown]);
    let ran = table.run(&["merge", "--push", "--json"]).expect_code(1);
    let error = ran.json()["error"].as_str().unwrap().to_owned();
    let end = "\nThe mission is in 'work' already; the same command does the rest.";
    assert!(error.ends_with(end), "{error}");
    table.assert_captured();
    table.sandbox.git(&["init", "--quiet", "--bare", shown]);
    let answer = table.json(&["merge", "--push"]);
    assert_eq!(answer["pushed"], true);
    let there = table.sandbox.git_in(&origin, &["rev-parse", "work"]);
    assert_eq!(there, table.sandbox.git(&["rev-parse", "work"]));
    assert_eq!(branches(&table), "");
    table.assert_captured();
    table.assert_clean();
}

//! What must be in order before work can be looked at or approved.

use super::table::Table;
use crate::support::sandbox::write;

/// The first work package with its work committed and its subtask done.
fn ready() -> Table {
    let table = Table::offline();
    table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    table.work("lane-a", "src/greet.py");
    table.mark_done(&["T001"]);
    table
}

/// What a review is refused with, between the first line and the advice about force.
#[track_caller]
fn guidance(table: &Table, lane: &str) -> String {
    let refused = table.move_refused("WP01", lane, &[]);
    let begin = format!("Cannot move WP01 to {lane}\n\n");
    let end = format!(
        "\n\nThen retry: spec-kitty agent tasks move-task WP01 --to {lane}\n\n\
         Or use --force to override (not recommended)"
    );
    let inner = refused.strip_prefix(&begin);
    let inner = inner.and_then(|rest| rest.strip_suffix(&end));
    inner.unwrap_or_else(|| panic!("{refused}")).to_owned()
}

fn how_to_commit(table: &Table) -> String {
    format!(
        "  cd {}\n  git add <deliverable-path-1> <deliverable-path-2> ...\n  \
         git commit -m \"feat(WP01): <describe implementation>\"",
        table.fixture.worktree("lane-a").display()
    )
}

#[test]
fn work_that_is_not_committed_cannot_be_reviewed() {
    let table = ready();
    let worktree = table.fixture.worktree("lane-a");
    write(&worktree.join("junk.txt"), "x");
    let unstaged = guidance(&table, "for_review");
    let advice = how_to_commit(&table);
    assert_eq!(
        unstaged,
        format!(
            "Uncommitted implementation changes in worktree!\n\nModified files:\n  ?? junk.txt\n\n\
             Commit your work first:\n{advice}"
        )
    );
    table.sandbox.git_in(&worktree, &["add", "junk.txt"]);
    let staged = guidance(&table, "approved");
    assert!(
        staged.starts_with(
            "Staged but uncommitted changes in worktree!\n\nModified files:\n  A  junk.txt\n\n"
        ),
        "{staged}"
    );
    write(&worktree.join("junk.txt"), "y");
    let both = guidance(&table, "approved");
    assert!(
        both.starts_with("Staged and unstaged changes in worktree!\n"),
        "{both}"
    );
    table.move_to("WP01", "for_review", &["--force", "--note", "it is fine"]);
    assert_eq!(table.package("WP01")["lane"], "for_review");
}

#[test]
fn what_the_tools_keep_in_a_worktree_is_not_work() {
    let table = ready();
    let worktree = table.fixture.worktree("lane-a");
    write(&worktree.join(".spec-kitty/review-lock.json"), "{}");
    write(&worktree.join(".kittify/note.json"), "{}");
    table.move_to("WP01", "for_review", &[]);
}

#[test]
fn a_lane_without_a_commit_has_nothing_to_review() {
    let table = Table::offline();
    table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    table.mark_done(&["T001"]);
    let advice = how_to_commit(&table);
    assert_eq!(
        guidance(&table, "for_review"),
        format!(
            "No implementation commits on lane branch!\n\n\
             The worktree exists but has no commits beyond work.\nEither:\n  \
             1. Commit your implementation work to the worktree\n  \
             2. Or verify work is complete (use --force if nothing to commit)\n\n{advice}"
        )
    );
    // Without a worktree the branch is asked.
    let worktree = table.fixture.worktree("lane-a");
    let shown = worktree.to_str().unwrap();
    table.sandbox.git(&["worktree", "remove", "--force", shown]);
    let refused = table.move_refused("WP01", "for_review", &[]);
    assert!(
        refused.starts_with(
            "WP01 cannot move to for_review: no implementation commit on lane lane-a "
        ),
        "{refused}"
    );
}

#[test]
fn a_lane_behind_the_target_branch_is_to_be_rebased_first() {
    let table = ready();
    // Steps of the mission itself do not make a lane old.
    table.move_to("WP02", "claimed", &["--agent", "other"]);
    write(&table.sandbox.repo().join("news.txt"), "news\n");
    table.sandbox.commit_all("News");
    let worktree = table.fixture.worktree("lane-a");
    let behind = guidance(&table, "for_review");
    assert_eq!(
        behind,
        format!(
            "work branch has new commits not in this worktree!\n\n\
             Your branch is behind work.\nRebase before review:\n  cd {}\n  git rebase work",
            worktree.display()
        )
    );
    table
        .sandbox
        .git_in(&worktree, &["rebase", "--quiet", "work"]);
    table.move_to("WP01", "for_review", &[]);
    table.assert_clean();
}

#[test]
fn an_unfinished_operation_of_git_is_named() {
    let table = ready();
    let worktree = table.fixture.worktree("lane-a");
    table
        .sandbox
        .git_in(&worktree, &["checkout", "--quiet", "--detach"]);
    let detached = guidance(&table, "for_review");
    assert!(detached.starts_with("Detached HEAD detected in worktree!\n\nPlease reattach"));
    let branch = format!("kitty/mission-{}-lane-a", table.fixture.slug);
    table
        .sandbox
        .git_in(&worktree, &["checkout", "--quiet", &branch]);
    table
        .sandbox
        .git(&["switch", "--quiet", "--create", "side", "main"]);
    write(&table.sandbox.repo().join("other.txt"), "x\n");
    table.sandbox.commit_all("Other");
    table.sandbox.git(&["switch", "--quiet", "work"]);
    table.sandbox.git_in(
        &worktree,
        &["merge", "--quiet", "--no-commit", "--no-ff", "side"],
    );
    let merging = guidance(&table, "for_review");
    assert!(
        merging.starts_with(
            "In-progress git operation detected in worktree!\n\nActive operation(s): merge\n"
        ),
        "{merging}"
    );
}

#[test]
fn a_plan_that_is_not_committed_or_that_a_lane_changes_is_refused() {
    let table = ready();
    let spec = table.fixture.directory.join("spec.md");
    let text = crate::support::missions::read(&spec);
    write(&spec, format!("{text}More.\n"));
    let slug = table.fixture.slug.clone();
    let root = table.sandbox.repo();
    assert_eq!(
        guidance(&table, "for_review"),
        format!(
            "Blocking: 1 uncommitted file(s) owned by WP01:\n\nModified files in kitty-specs/:\n   \
             M kitty-specs/{slug}/spec.md\n\nCommit these files before moving to for_review.\n  \
             cd {}\n  git add kitty-specs/{slug}/\n  \
             git commit -m \"docs(WP01): <describe your changes>\"",
            root.display()
        )
    );
    write(&spec, text);
    let file = format!("kitty-specs/{slug}/notes.md");
    table.work("lane-a", &file);
    let refused = guidance(&table, "for_review");
    assert!(
        refused.starts_with(&format!(
            "Committed kitty-specs files on this lane branch:\n  {file}\n\n"
        )),
        "{refused}"
    );
    assert!(
        refused.contains("\nPlanning artifacts must live on: work\n"),
        "{refused}"
    );
}

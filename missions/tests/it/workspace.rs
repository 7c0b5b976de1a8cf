//! Lane workspaces against real git.

use crate::lanes::{
    LANES, MISSION, SLUG, allocated, branch, branches, path, planned, request, subjects, work,
};
use crate::support::{names, write};
use kitty_missions::workspace::{Step, WorkspaceError, allocate, resolve};
use std::collections::BTreeSet;

#[test]
fn a_lane_gets_the_branches_and_the_worktree_of_the_reference() {
    let sandbox = planned("a b/ü");
    let before = sandbox.state();
    let place = resolve(&sandbox.locate(), &request("lane-a")).unwrap();
    assert_eq!(sandbox.state(), before, "resolving changes nothing");
    let made = allocated(&sandbox, "lane-a").unwrap();
    assert_eq!(made.workspace, place);
    assert_eq!(made.workspace.path, path(&sandbox, "lane-a"));
    assert_eq!(made.workspace.branch, branch("lane-a"));
    assert_eq!(made.workspace.base_ref, "work");
    assert_eq!(made.head, sandbox.git(&["rev-parse", "work"]));
    assert_eq!(
        branches(&sandbox),
        [MISSION, &branch("lane-a"), "main", "work"]
    );
    assert_eq!(
        sandbox.git_in(&made.workspace.path, &["branch", "--show-current"]),
        branch("lane-a")
    );
    assert!(made.workspace.path.join("src/code.txt").exists());
    let again = allocated(&sandbox, "lane-a").unwrap();
    assert_eq!(again.steps, []);
    assert_eq!((again.workspace, again.head), (made.workspace, made.head));
}

#[test]
fn dependencies_are_merged_in_order_and_late_ones_later() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    work(&sandbox, "lane-a", "a", "1");
    let first = allocated(&sandbox, "lane-c").unwrap();
    assert_eq!(first.absent_dependencies, ["lane-b"]);
    assert!(path(&sandbox, "lane-c").join("a").exists());
    allocated(&sandbox, "lane-b").unwrap();
    work(&sandbox, "lane-b", "b", "1");
    work(&sandbox, "lane-a", "a", "2");
    allocated(&sandbox, "lane-c").unwrap();
    // Lane a came by fast-forward; b needed a merge commit, and so does what a got since.
    let merges = sandbox.git(&[
        "log",
        "--merges",
        "--reverse",
        "--format=%s",
        &branch("lane-c"),
    ]);
    assert_eq!(merges, "Merge dependency lane lane-b into lane-c");
    assert_eq!(
        sandbox.git(&["show", &format!("{}:a", branch("lane-c"))]),
        "2"
    );
    work(&sandbox, "lane-c", "c", "1");
    work(&sandbox, "lane-b", "b", "2");
    work(&sandbox, "lane-a", "a", "3");
    allocated(&sandbox, "lane-c").unwrap();
    assert_eq!(
        subjects(&sandbox, &branch("lane-c"))[..1],
        ["Merge dependency lane lane-b into lane-c"]
    );
    assert!(
        subjects(&sandbox, &branch("lane-c"))
            .contains(&"Merge dependency lane lane-a into lane-c".to_owned())
    );
}

#[test]
fn the_recorded_planning_commit_is_merged_and_a_missing_one_is_named() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    work(&sandbox, "lane-a", "a", "1");
    sandbox.write("kitty-specs/plan.md", "later\n");
    sandbox.commit_all("later plan");
    let mut wanted = request("lane-a");
    wanted.planning_commit = Some(sandbox.git(&["rev-parse", "HEAD"]));
    allocate(&sandbox.locate(), &wanted).unwrap();
    assert_eq!(
        subjects(&sandbox, &branch("lane-a"))[0],
        "Merge recorded planning-artifact commit into lane-a (FR-009)"
    );
    wanted.planning_commit = Some("1".repeat(40));
    let error = allocate(&sandbox.locate(), &wanted).unwrap_err();
    let WorkspaceError::Ancestry { missing } = error else {
        panic!("{error}");
    };
    assert_eq!(
        missing,
        [format!("recorded planning commit {}", "1".repeat(40))]
    );
}

#[test]
fn a_conflict_leaves_the_lane_as_it_was_and_goes_away_when_it_is_solved() {
    let sandbox = planned("repo");
    for (lane, text) in [("lane-a", "one\n"), ("lane-b", "two\n")] {
        allocated(&sandbox, lane).unwrap();
        work(&sandbox, lane, "same", text);
    }
    let error = allocated(&sandbox, "lane-c").unwrap_err();
    let WorkspaceError::Conflict {
        paths, source_name, ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(paths, &[std::path::PathBuf::from("same")]);
    assert!(source_name.starts_with("lane-b (kitty/"), "{source_name}");
    // Nothing is left of the first merge either.
    let tip = sandbox.git(&["rev-parse", &branch("lane-c")]);
    assert_eq!(tip, sandbox.git(&["rev-parse", MISSION]));
    let lane = path(&sandbox, "lane-c");
    assert_eq!(sandbox.git_in(&lane, &["status", "--porcelain"]), "");
    sandbox.git_in(&lane, &["merge", "--quiet", &branch("lane-a")]);
    sandbox.git_in(
        &lane,
        &[
            "merge",
            "--quiet",
            "-X",
            "ours",
            "-m",
            "by hand",
            &branch("lane-b"),
        ],
    );
    assert_eq!(allocated(&sandbox, "lane-c").unwrap().steps, []);
}

#[test]
fn uncommitted_changes_refuse_and_ignored_files_do_not() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    let lane = path(&sandbox, "lane-a");
    write(&lane.join("x.ignored"), "");
    allocated(&sandbox, "lane-a").unwrap();
    for (file, text) in [("new file", ""), ("src/code.txt", "changed\n")] {
        write(&lane.join(file), text);
        let error = allocated(&sandbox, "lane-a").unwrap_err();
        assert!(matches!(error, WorkspaceError::Dirty { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
        assert_eq!(std::fs::read_to_string(lane.join(file)).unwrap(), text);
        sandbox.git_in(&lane, &["stash", "--quiet", "--include-untracked"]);
    }
    // A merge of the user is not ours to give up.
    sandbox.git_in(&lane, &["switch", "--quiet", "--create", "other"]);
    work(&sandbox, "lane-a", "other", "1");
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(
        matches!(error, WorkspaceError::OtherBranch { .. }),
        "{error}"
    );
    sandbox.git_in(&lane, &["switch", "--quiet", &branch("lane-a")]);
    sandbox.git_in(
        &lane,
        &["merge", "--quiet", "--no-ff", "--no-commit", "other"],
    );
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(matches!(error, WorkspaceError::Dirty { .. }), "{error}");
    assert!(
        sandbox
            .root
            .join(format!(".git/worktrees/{SLUG}-lane-a/MERGE_HEAD"))
            .exists()
    );
}

#[test]
fn a_lane_without_its_directory_is_attached_again_with_its_commits() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    work(&sandbox, "lane-a", "a", "1");
    std::fs::remove_dir_all(path(&sandbox, "lane-a")).unwrap();
    let again = allocated(&sandbox, "lane-a").unwrap();
    assert_eq!(
        again.steps,
        [
            Step::ForgetMissing,
            Step::AddWorktree {
                new_branch_at: None
            }
        ]
    );
    assert!(path(&sandbox, "lane-a").join("a").exists());
    // Also when git was told to forget it, and when an empty directory is there.
    sandbox.git(&[
        "worktree",
        "remove",
        path(&sandbox, "lane-a").to_str().unwrap(),
    ]);
    std::fs::create_dir_all(path(&sandbox, "lane-a")).unwrap();
    allocated(&sandbox, "lane-a").unwrap();
    assert!(path(&sandbox, "lane-a").join("a").exists());
}

#[test]
fn a_directory_of_somebody_else_is_an_error_and_stays() {
    let sandbox = planned("repo");
    let place = path(&sandbox, "lane-a");
    write(&place.join("precious"), "mine");
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(matches!(error, WorkspaceError::NotOurs { .. }), "{error}");
    sandbox.git_in(&place, &["init", "--quiet"]);
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(matches!(error, WorkspaceError::NotOurs { .. }), "{error}");
    assert_eq!(names(&place), [".git", "precious"]);
    // The lane's branch checked out in another place.
    allocated(&sandbox, "lane-b").unwrap();
    let elsewhere = sandbox.base().join("elsewhere");
    let from = path(&sandbox, "lane-b");
    sandbox.git(&[
        "worktree",
        "move",
        from.to_str().unwrap(),
        elsewhere.to_str().unwrap(),
    ]);
    let error = allocated(&sandbox, "lane-b").unwrap_err();
    assert!(matches!(error, WorkspaceError::Elsewhere { .. }), "{error}");
}

#[test]
fn a_worktree_whose_making_was_interrupted_is_made_anew() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    work(&sandbox, "lane-a", "a", "1");
    let place = path(&sandbox, "lane-a");
    let admin = sandbox.root.join(format!(".git/worktrees/{SLUG}-lane-a"));
    // What git leaves when it is killed while it writes the files.
    write(&admin.join("locked"), "initializing");
    std::fs::remove_file(admin.join("index")).unwrap();
    std::fs::remove_file(place.join("src/code.txt")).unwrap();
    let made = allocated(&sandbox, "lane-a").unwrap();
    assert_eq!(made.steps[0], Step::RemoveHalfMade);
    assert_eq!(sandbox.git_in(&place, &["status", "--porcelain"]), "");
    assert!(place.join("a").exists() && place.join("src/code.txt").exists());
    // Killed before the first file.
    write(&admin.join("locked"), "initializing");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    allocated(&sandbox, "lane-a").unwrap();
    assert!(place.join("a").exists() && !admin.join("locked").exists());
}

#[test]
fn planning_work_packages_are_made_in_the_project_itself() {
    let sandbox = planned("repo");
    let before = sandbox.state();
    let made = allocated(&sandbox, "lane-planning").unwrap();
    assert_eq!(made.workspace.path, sandbox.root);
    assert_eq!(made.workspace.branch, "work");
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_lane_is_allocated_from_inside_another_lane() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    let inside = path(&sandbox, "lane-a");
    let project =
        kitty_missions::project::Project::locate(&sandbox.program(), &inside, None).unwrap();
    let made = allocate(&project, &request("lane-b")).unwrap();
    assert_eq!(made.workspace.path, path(&sandbox, "lane-b"));
}

/// Other missions allocate in the same repository at the same time; git's locks are waited for.
#[test]
fn many_missions_allocate_at_once_in_one_repository() {
    let sandbox = planned("repo");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    let mut wanted = request(LANES[number % 2]);
                    wanted.mission_slug = format!("demo-0000000{}", number / 2);
                    wanted.mission_branch = format!("kitty/mission-{}", wanted.mission_slug);
                    allocate(&sandbox.locate(), &wanted).unwrap().workspace.path
                })
            })
            .collect();
        let paths: BTreeSet<_> = threads.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(paths.len(), 8);
    });
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 9);
}

/// Without the caller's lock one of two may be refused; nothing is broken, and the next call works.
#[test]
fn two_at_once_on_one_lane_leave_a_lane_that_works() {
    let sandbox = planned("repo");
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| allocated(&sandbox, "lane-a")));
        let ready = both.map(|one| one.join().unwrap().is_ok());
        assert!(ready.contains(&true));
    });
    allocated(&sandbox, "lane-a").unwrap();
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 2);
    let lane = path(&sandbox, "lane-a");
    assert_eq!(sandbox.git_in(&lane, &["status", "--porcelain"]), "");
}

//! Missions into their target branch, against real git.

use crate::lanes::{
    LANES, MISSION, allocated, branch, branches, integrate, integration, path, planned, subjects,
    whole, work, worked,
};
use crate::support::write;
use kitty_missions::git::Pushed;
use kitty_missions::integration::{IntegrationError, Retain, Strategy, prepare};

fn is_gone(sandbox: &crate::support::Sandbox) {
    assert_eq!(branches(sandbox), ["main", "work"]);
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 1);
    let left = crate::support::names(&sandbox.root.join(".git/spec-kitty-merge"));
    assert_eq!(left, [""; 0]);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_merge_has_the_commits_of_the_reference() {
    let sandbox = worked();
    let before = sandbox.git(&["rev-parse", "work"]);
    let project = sandbox.locate();
    let done = integrate(&project, &integration(Strategy::Merge)).unwrap();
    assert_eq!(done.target_before(), before);
    assert_eq!(done.commit(), sandbox.git(&["rev-parse", "work"]));
    let merges = sandbox.git(&["log", "--merges", "--topo-order", "--format=%s", "work"]);
    assert_eq!(
        merges.lines().collect::<Vec<_>>(),
        [
            &format!("Merge {MISSION} into work"),
            &format!("Merge branch '{MISSION}' into {}", branch("lane-c")),
            &format!("Merge {} into {MISSION}", branch("lane-b")),
            "Merge dependency lane lane-b into lane-c",
        ]
    );
    for lane in LANES {
        assert_eq!(
            sandbox.read(&format!("src/{lane}.txt")),
            lane,
            "the checkout follows"
        );
    }
    let cleaned = done.clean_up(Retain::default()).unwrap();
    assert_eq!(
        cleaned.removed_worktrees,
        LANES.map(|lane| path(&sandbox, lane))
    );
    assert_eq!(cleaned.deleted_branches.len(), 4);
    assert_eq!(cleaned.kept, []);
    is_gone(&sandbox);
    let error = whole(&project, Strategy::Merge).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Lane branch {} does not exist", branch("lane-a"))
    );
}

#[test]
fn squash_and_rebase_leave_a_straight_history_and_clean_up_as_well() {
    let sandbox = worked();
    whole(&sandbox.locate(), Strategy::Squash).unwrap();
    assert_eq!(
        subjects(&sandbox, "work")[..2],
        [
            format!("feat({MISSION}): squash merge of mission"),
            "status".to_owned()
        ]
    );
    is_gone(&sandbox);
    let sandbox = worked();
    whole(&sandbox.locate(), Strategy::Rebase).unwrap();
    assert_eq!(sandbox.git(&["log", "--merges", "--format=%s", "work"]), "");
    assert_eq!(sandbox.read("src/lane-c.txt"), "lane-c");
    is_gone(&sandbox);
}

#[test]
fn what_is_retained_stays_and_another_run_changes_nothing() {
    for strategy in Strategy::ALL {
        let sandbox = worked();
        let project = sandbox.locate();
        let all = Retain {
            worktrees: true,
            branches: true,
        };
        let done = integrate(&project, &integration(strategy)).unwrap();
        assert_eq!(done.clean_up(all).unwrap(), Default::default());
        // Later work on the same lines must not be taken back by a second squash.
        sandbox.write("src/lane-a.txt", "later\n");
        sandbox.commit_all("later");
        let tip = sandbox.git(&["rev-parse", "work"]);
        let again = integrate(&project, &integration(strategy)).unwrap();
        assert!(again.is_resumed(), "{strategy}");
        assert_eq!(sandbox.git(&["rev-parse", "work"]), tip);
        again.clean_up(Retain::default()).unwrap();
        is_gone(&sandbox);
    }
}

#[test]
fn changes_of_the_user_in_the_target_checkout_are_kept_or_refuse() {
    let sandbox = worked();
    let project = sandbox.locate();
    sandbox.write("src/code.txt", "edited\n");
    sandbox.write("src/lane-b.txt", "untracked and in the way\n");
    let before = sandbox.git(&["rev-parse", "work"]);
    let error = integrate(&project, &integration(Strategy::Merge)).unwrap_err();
    assert!(
        matches!(error, IntegrationError::Checkout { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("src/lane-b.txt"), "{error}");
    assert_eq!(sandbox.git(&["rev-parse", "work"]), before);
    assert_eq!(sandbox.read("src/lane-b.txt"), "untracked and in the way\n");
    std::fs::remove_file(sandbox.root.join("src/lane-b.txt")).unwrap();
    let done = integrate(&project, &integration(Strategy::Merge)).unwrap();
    assert_eq!(sandbox.read("src/code.txt"), "edited\n");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), " M src/code.txt");
    assert_eq!(sandbox.read("src/lane-b.txt"), "lane-b");
    done.clean_up(Retain::default()).unwrap();
}

#[test]
fn work_that_is_not_in_the_target_is_never_removed() {
    let sandbox = worked();
    let project = sandbox.locate();
    write(&path(&sandbox, "lane-a").join("draft"), "mine");
    let done = integrate(&project, &integration(Strategy::Squash)).unwrap();
    work(&sandbox, "lane-b", "late", "1");
    let cleaned = done.clean_up(Retain::default()).unwrap();
    let kept: Vec<_> = cleaned.kept.iter().map(|kept| kept.reason).collect();
    assert_eq!(
        kept,
        [
            "it has uncommitted changes",
            "it has commits that are not in the target branch",
            "a worktree has it checked out",
            "it has commits that are not in the target branch",
        ]
    );
    assert!(path(&sandbox, "lane-a").join("draft").exists());
    assert!(path(&sandbox, "lane-b").join("late").exists());
    assert!(!path(&sandbox, "lane-c").exists());
}

#[test]
fn abandoned_lanes_are_not_integrated_and_their_work_stays() {
    let sandbox = worked();
    let mut request = integration(Strategy::Merge);
    request.lanes = vec!["lane-a".to_owned(), "lane-planning".to_owned()];
    request.abandoned = vec!["lane-b".to_owned(), "lane-never".to_owned()];
    let done = integrate(&sandbox.locate(), &request).unwrap();
    let cleaned = done.clean_up(Retain::default()).unwrap();
    assert!(!sandbox.root.join("src/lane-b.txt").exists());
    assert_eq!(cleaned.kept.len(), 2, "{cleaned:?}");
    assert!(branches(&sandbox).contains(&branch("lane-b")));
    assert!(!branches(&sandbox).contains(&branch("lane-a")));
}

#[test]
fn a_conflict_names_both_branches_and_changes_no_checkout() {
    let sandbox = planned("repo");
    for lane in ["lane-a", "lane-b"] {
        allocated(&sandbox, lane).unwrap();
        work(&sandbox, lane, "same", lane);
    }
    let mut request = integration(Strategy::Merge);
    request.lanes.pop();
    let before = sandbox.state();
    let error = integrate(&sandbox.locate(), &request).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!(
            "{MISSION} cannot be merged into {}, both changed same",
            branch("lane-b")
        )),
        "{error}"
    );
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 3);
    // The first lane is in the mission branch; nothing else moved.
    sandbox.git(&["branch", "--force", MISSION, "work"]);
    assert_eq!(sandbox.state(), before);
    for (strategy, from) in [(Strategy::Merge, "same"), (Strategy::Rebase, "same")] {
        sandbox.git(&["branch", "--force", MISSION, &branch("lane-a")]);
        sandbox.write(from, "on the target");
        sandbox.commit_all("target");
        let mut request = integration(strategy);
        request.lanes.truncate(1);
        let error = integrate(&sandbox.locate(), &request).unwrap_err();
        assert!(
            matches!(error, IntegrationError::Conflict { .. }),
            "{error}"
        );
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
        sandbox.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    }
}

#[test]
fn a_missing_target_is_refused_and_one_of_origin_is_enough() {
    let sandbox = worked();
    let mut request = integration(Strategy::Merge);
    request.target_branch = "nobranch".to_owned();
    let error = prepare(&sandbox.locate(), &request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Target branch 'nobranch' does not exist locally or on origin."
    );
    sandbox.git(&["update-ref", "refs/remotes/origin/nobranch", "main"]);
    integrate(&sandbox.locate(), &request).unwrap();
    assert_eq!(sandbox.git(&["show", "nobranch:src/lane-c.txt"]), "lane-c");
}

#[test]
fn a_push_needs_a_remote_and_can_be_repeated() {
    let sandbox = worked();
    let project = sandbox.locate();
    let done = integrate(&project, &integration(Strategy::Merge)).unwrap();
    assert_eq!(done.push().unwrap(), Pushed::NoRemote);
    let remote = sandbox.base().join("remote.git");
    sandbox.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let project = sandbox.locate();
    let done = integrate(&project, &integration(Strategy::Merge)).unwrap();
    assert!(done.is_resumed());
    for _ in 0..2 {
        assert_eq!(done.push().unwrap(), Pushed::Done);
    }
    assert_eq!(
        sandbox.git_in(&remote, &["rev-parse", "work"]),
        done.commit()
    );
    // What somebody else pushed is never overwritten.
    let other = sandbox.git(&["commit-tree", "-m", "theirs", "work^{tree}"]);
    sandbox.git(&[
        "push",
        "--quiet",
        "--force",
        "origin",
        &format!("{other}:refs/heads/work"),
    ]);
    let error = done.push().unwrap_err();
    assert!(error.to_string().contains("push the branch"), "{error}");
    assert_eq!(sandbox.git_in(&remote, &["rev-parse", "work"]), other);
}

//! Branches, worktrees and the graph of commits.

use crate::lanes::open;
use crate::support::{Sandbox, write};
use kitty_missions::git::{At, Merged};
use std::path::{Path, PathBuf};

fn commit(sandbox: &Sandbox, file: &str, text: &str) -> String {
    sandbox.write(file, text);
    sandbox.commit_all(file);
    sandbox.git(&["rev-parse", "HEAD"])
}

/// Through libgit2, and through the program where libgit2 refuses the repository.
#[test]
fn the_graph_is_answered_alike_in_process_and_by_the_program() {
    for format in ["--ref-format=files", "--ref-format=reftable"] {
        let sandbox = Sandbox::bare("repo");
        sandbox.git(&["init", "--quiet", "--initial-branch=main", format]);
        let base = commit(&sandbox, "é one", "1");
        sandbox.git(&["switch", "--quiet", "--create", "side"]);
        let side = commit(&sandbox, "side file", "1");
        sandbox.git(&["switch", "--quiet", "main"]);
        sandbox.git(&["mv", "é one", "two"]);
        let main = commit(&sandbox, "three", "1");
        let checkout = open(&sandbox.program(), &sandbox.root);
        assert_eq!(checkout.branch_tip("side").unwrap(), Some(side.clone()));
        assert_eq!(checkout.branch_tip("none").unwrap(), None);
        assert_eq!(
            checkout.merge_base(&main, &side).unwrap(),
            Some(base.clone())
        );
        for (ancestor, descendant, is) in [
            (&base, &main, true),
            (&main, &main, true),
            (&side, &main, false),
            (&main, &base, false),
        ] {
            assert_eq!(
                checkout.is_ancestor(ancestor, descendant).unwrap(),
                is,
                "{format}"
            );
        }
        assert!(checkout.has_commits_beyond(&side, &main).unwrap());
        assert!(!checkout.has_commits_beyond(&base, &main).unwrap());
        let changed: Vec<_> = checkout
            .changed_files(&base, &main)
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(changed, ["three", "two", "é one"].map(PathBuf::from));
        assert!(checkout.holds_commit(&main).unwrap());
        assert!(!checkout.holds_commit(&"1".repeat(main.len())).unwrap());
        assert!(
            checkout
                .is_ancestor(&"1".repeat(main.len()), &main)
                .is_err()
        );
        let unrelated = sandbox.git(&["commit-tree", "-m", "x", "HEAD^{tree}"]);
        assert_eq!(checkout.merge_base(&main, &unrelated).unwrap(), None);
    }
}

#[test]
fn a_branch_is_made_moved_and_deleted_only_from_where_it_was_expected() {
    let sandbox = Sandbox::project();
    let first = sandbox.git(&["rev-parse", "HEAD"]);
    let second = commit(&sandbox, "x", "1");
    let checkout = open(&sandbox.program(), &sandbox.root);
    checkout.create_branch("a/b", &first).unwrap();
    assert!(checkout.create_branch("a/b", &second).is_err());
    assert!(checkout.move_branch("a/b", &second, &first).is_err());
    assert!(checkout.delete_branch("a/b", &second).is_err());
    assert_eq!(checkout.branch_tip("a/b").unwrap(), Some(first.clone()));
    checkout.move_branch("a/b", &first, &second).unwrap();
    checkout.delete_branch("a/b", &second).unwrap();
    assert_eq!(checkout.branch_tip("a/b").unwrap(), None);
    for name in ["--upload-pack=x", "-x", "a..b", ""] {
        assert!(checkout.create_branch(name, &first).is_err(), "{name}");
        assert!(checkout.push(name).is_ok() || sandbox.git(&["remote"]).is_empty());
    }
}

#[test]
fn changes_are_what_is_modified_staged_or_untracked_and_not_ignored() {
    let sandbox = Sandbox::project();
    sandbox.write(".gitignore", "*.log\n");
    sandbox.commit_all("ignore");
    let checkout = open(&sandbox.program(), &sandbox.root);
    assert_eq!(checkout.changes().unwrap(), []);
    sandbox.write("x.log", "");
    sandbox.write("src/code.txt", "two\n");
    sandbox.write("new dir/ä\n\"b\"", "");
    sandbox.write("staged", "");
    sandbox.git(&["add", "staged"]);
    let found = checkout.changes().unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|change| (change.path.as_path(), change.is_untracked))
        .collect();
    assert_eq!(
        found,
        [
            (Path::new("src/code.txt"), false),
            (Path::new("staged"), false),
            (Path::new("new dir/"), true),
        ]
    );
}

#[test]
fn worktrees_of_every_kind_are_listed_and_removed() {
    let sandbox = Sandbox::project();
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    let checkout = open(&sandbox.program(), &sandbox.root);
    let one = sandbox.base().join("one ü");
    let two = sandbox.base().join("two");
    checkout
        .add_worktree(
            &one,
            At::NewBranch {
                name: "side",
                commit: &head,
            },
        )
        .unwrap();
    checkout.add_worktree(&two, At::Commit(&head)).unwrap();
    assert!(
        checkout
            .add_worktree(&sandbox.base().join("three"), At::Branch("side"))
            .is_err()
    );
    std::fs::remove_dir_all(&two).unwrap();
    let listed = checkout.worktrees().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0].path, sandbox.root);
    assert_eq!(
        (listed[1].path.as_path(), listed[1].branch.as_deref()),
        (one.as_path(), Some("side"))
    );
    assert_eq!(listed[1].head.as_deref(), Some(head.as_str()));
    assert!(listed[2].is_missing && listed[2].branch.is_none());
    for path in [&one, &two] {
        checkout.remove_worktree(path, false).unwrap();
    }
    assert_eq!(checkout.worktrees().unwrap().len(), 1);
    assert!(!one.exists());
}

/// The user's settings for merges change neither the message nor what is left behind.
#[test]
fn a_merge_is_the_same_under_every_configuration() {
    let sandbox = Sandbox::project();
    sandbox.git(&["switch", "--quiet", "--create", "side"]);
    let side = commit(&sandbox, "side", "1");
    sandbox.git(&["switch", "--quiet", "main"]);
    commit(&sandbox, "main", "1");
    for (name, value) in [
        ("merge.ff", "only"),
        ("merge.log", "true"),
        ("merge.autoStash", "true"),
        ("branch.main.mergeOptions", "--squash --no-commit"),
        ("commit.status", "true"),
        ("rebase.updateRefs", "true"),
        ("rebase.autoStash", "true"),
        ("core.fsmonitor", "touch ../ran-fsmonitor; false"),
        ("diff.external", "touch ../ran-diff"),
    ] {
        sandbox.git(&["config", name, value]);
    }
    let checkout = open(&sandbox.program(), &sandbox.root);
    assert!(matches!(
        checkout.merge(&side, "Exactly this").unwrap(),
        Merged::At(_)
    ));
    let message = sandbox.git(&["log", "-1", "--format=%B", "HEAD"]);
    assert_eq!(message, "Exactly this");
    assert_eq!(checkout.changes().unwrap(), []);
    assert_eq!(checkout.worktrees().unwrap().len(), 1);
    for mark in ["ran-fsmonitor", "ran-diff"] {
        assert!(!sandbox.base().join(mark).exists(), "{mark}");
    }
}

#[test]
fn a_refusing_hook_stops_a_merge_and_nothing_is_left_of_it() {
    let sandbox = Sandbox::project();
    sandbox.git(&["switch", "--quiet", "--create", "side"]);
    let side = commit(&sandbox, "side", "1");
    sandbox.git(&["switch", "--quiet", "main"]);
    let main = commit(&sandbox, "main", "1");
    sandbox.hook("commit-msg", "echo not today >&2; exit 1");
    let checkout = open(&sandbox.program(), &sandbox.root);
    let error = checkout.merge(&side, "m").unwrap_err();
    assert!(error.to_string().contains("not today"), "{error}");
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), main);
    assert_eq!(checkout.unfinished_merge(), None);
    assert_eq!(checkout.changes().unwrap(), []);
    write(&sandbox.root.join(".git/refs/heads/main.lock"), "");
    let error = checkout.create_branch("main/x", &main).unwrap_err();
    assert!(!error.to_string().is_empty());
    let error = checkout.move_branch("main", &main, &side).unwrap_err();
    assert!(
        error.to_string().contains("main.lock"),
        "a held lock is named: {error}"
    );
}

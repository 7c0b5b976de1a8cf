//! Commits of exactly our files: new, changed, unchanged, ignored, and the same but for a filter.

use crate::support::Sandbox;
use kitty_missions::git::{Checkout, Committed, GitError};
use std::path::PathBuf;

fn record(sandbox: &Sandbox, names: &[&str]) -> Result<Option<Committed>, GitError> {
    let checkout = Checkout::discover(&sandbox.program(), &sandbox.root)
        .unwrap()
        .unwrap();
    let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    checkout.record(&paths, "ours")
}

/// Counts how often the `pre-commit` hook ran.
fn counting_hook(sandbox: &Sandbox, then: &str) -> impl Fn() -> usize {
    let ran = sandbox.base().join("ran");
    sandbox.hook(
        "pre-commit",
        &format!("echo x >> '{}'; {then}", ran.display()),
    );
    move || {
        std::fs::read_to_string(&ran)
            .unwrap_or_default()
            .lines()
            .count()
    }
}

#[test]
fn only_our_files_are_committed_whether_new_changed_or_ignored() {
    let sandbox = Sandbox::project();
    sandbox.write(".gitignore", "*.log\n");
    sandbox.commit_all("ignore");
    sandbox.write("staged", "x\n");
    sandbox.git(&["add", "staged"]);
    sandbox.write("src/code.txt", "modified\n");
    for text in ["one\n", "two\n"] {
        sandbox.write("ours.log", text);
        sandbox.write("ours.json", "{}\n");
        let committed = record(&sandbox, &["ours.log", "ours.json"])
            .unwrap()
            .unwrap();
        assert_eq!(committed.commit, sandbox.git(&["rev-parse", "HEAD"]));
        assert_eq!(sandbox.git(&["show", "HEAD:ours.log"]), text.trim());
        let others = sandbox.git(&["status", "--porcelain"]);
        assert_eq!(
            others.split_whitespace().collect::<Vec<_>>(),
            ["M", "src/code.txt", "A", "staged"]
        );
    }
}

#[test]
fn what_is_as_committed_makes_no_commit_and_runs_no_hook() {
    let sandbox = Sandbox::project();
    let ran = counting_hook(&sandbox, "exit 0");
    let before = sandbox.state();
    assert_eq!(record(&sandbox, &["src/code.txt"]).unwrap(), None);
    assert_eq!((ran(), sandbox.state()), (0, before));
}

#[test]
fn a_file_that_only_a_filter_makes_the_same_is_no_change() {
    let sandbox = Sandbox::project();
    sandbox.git(&["config", "core.autocrlf", "input"]);
    sandbox.write("src/code.txt", "one\r\n");
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    assert_eq!(record(&sandbox, &["src/code.txt"]).unwrap(), None);
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before);
}

#[test]
fn a_file_that_the_user_took_out_of_the_index_is_committed_all_the_same() {
    let sandbox = Sandbox::project();
    sandbox.git(&["rm", "--quiet", "--cached", "src/code.txt"]);
    sandbox.write("src/code.txt", "two\n");
    assert!(record(&sandbox, &["src/code.txt"]).unwrap().is_some());
    assert_eq!(sandbox.git(&["show", "HEAD:src/code.txt"]), "two");
}

#[test]
fn a_hook_that_refuses_a_changed_file_runs_once_and_leaves_nothing_staged() {
    let sandbox = Sandbox::project();
    let ran = counting_hook(&sandbox, "exit 1");
    sandbox.write("src/code.txt", "two\n");
    let before = sandbox.state();
    let error = record(&sandbox, &["src/code.txt"]).unwrap_err();
    assert!(matches!(error, GitError::HookRefused { .. }), "{error}");
    assert_eq!((ran(), sandbox.state()), (1, before));
}

//! Reading repositories of every kind.

use crate::support::{Sandbox, write};
use kitty_missions::git::{Checkout, GitError, Head};
use std::path::Path;

fn open(sandbox: &Sandbox, directory: &Path) -> Checkout {
    Checkout::discover(&sandbox.program(), directory)
        .unwrap()
        .unwrap()
}

#[test]
fn a_checkout_is_found_from_any_directory_below_it() {
    let sandbox = Sandbox::project_at("a b/ü");
    sandbox.write("x/y/z", "");
    let checkout = open(&sandbox, &sandbox.root.join("x/y"));
    assert_eq!(checkout.root(), sandbox.root);
    assert_eq!(checkout.git_dir(), sandbox.root.join(".git"));
    assert_eq!(checkout.common_dir(), checkout.git_dir());
    assert!(!checkout.is_linked());
    let outside = Checkout::discover(&sandbox.program(), &sandbox.base()).unwrap();
    assert!(outside.is_none());
}

#[test]
fn head_is_a_branch_unborn_or_detached() {
    let sandbox = Sandbox::bare("repo");
    sandbox.git(&["init", "--quiet", "--initial-branch=topic/one"]);
    let checkout = open(&sandbox, &sandbox.root);
    let name = "topic/one".to_owned();
    assert_eq!(
        checkout.head().unwrap(),
        Head::Unborn { name: name.clone() }
    );
    sandbox.write("file", "x");
    sandbox.commit_all("first");
    let commit = sandbox.git(&["rev-parse", "HEAD"]);
    assert_eq!(
        checkout.head().unwrap(),
        Head::Branch {
            name,
            commit: commit.clone()
        }
    );
    sandbox.git(&["switch", "--quiet", "--detach"]);
    assert_eq!(checkout.head().unwrap(), Head::Detached { commit });
}

#[test]
fn a_linked_worktree_knows_its_primary_checkout() {
    let sandbox = Sandbox::project();
    let linked = sandbox.base().join("linked-tree");
    sandbox.git(&[
        "worktree",
        "add",
        "--quiet",
        "-b",
        "side",
        linked.to_str().unwrap(),
    ]);
    let checkout = open(&sandbox, &linked);
    assert!(checkout.is_linked());
    assert_eq!(checkout.root(), linked);
    assert_eq!(
        checkout.git_dir(),
        sandbox.root.join(".git/worktrees/linked-tree")
    );
    assert_eq!(checkout.common_dir(), sandbox.root.join(".git"));
    assert_eq!(checkout.primary_root().unwrap(), Some(sandbox.root.clone()));
    assert_eq!(checkout.head().unwrap().branch(), Some("side"));
}

#[test]
fn worktrees_of_a_bare_repository_have_no_primary_checkout() {
    let sandbox = Sandbox::project();
    let bare = sandbox.base().join("bare.git");
    let source = sandbox.root.to_str().unwrap();
    sandbox.git(&["clone", "--quiet", "--bare", source, bare.to_str().unwrap()]);
    let tree = sandbox.base().join("tree");
    sandbox.git_in(
        &bare,
        &["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"],
    );
    let checkout = open(&sandbox, &tree);
    assert!(checkout.is_linked());
    assert_eq!(checkout.primary_root().unwrap(), None);
}

#[test]
fn a_git_directory_elsewhere_is_not_a_linked_worktree() {
    let sandbox = Sandbox::project();
    let tree = sandbox.base().join("tree");
    let apart = sandbox.base().join("apart.git");
    sandbox.git(&[
        "clone",
        "--quiet",
        "--separate-git-dir",
        apart.to_str().unwrap(),
        sandbox.root.to_str().unwrap(),
        tree.to_str().unwrap(),
    ]);
    let checkout = open(&sandbox, &tree);
    assert_eq!(checkout.git_dir(), apart);
    assert_eq!(checkout.primary_root().unwrap(), Some(tree));
}

#[test]
fn a_directory_that_looks_like_a_bare_repository_is_never_opened() {
    let sandbox = Sandbox::project();
    let planted = sandbox.root.join("vendor/planted");
    let mark = sandbox.base().join("executed");
    sandbox.git(&["init", "--quiet", "--bare", planted.to_str().unwrap()]);
    let script = format!("touch '{}'", mark.display());
    sandbox.git_in(&planted, &["config", "core.fsmonitor", &script]);
    sandbox.git_in(&planted, &["config", "core.hooksPath", "."]);
    for start in [planted.clone(), planted.join("objects")] {
        assert_eq!(open(&sandbox, &start).root(), sandbox.root);
    }
    // A `.git` that is no repository is passed over, as git does.
    std::fs::create_dir(planted.join(".git")).unwrap();
    assert_eq!(open(&sandbox, &planted).root(), sandbox.root);
    sandbox.create("user-auth").unwrap();
    assert!(!mark.exists());
}

#[test]
fn a_git_file_that_leads_nowhere_is_an_error_with_its_place() {
    let sandbox = Sandbox::bare("repo");
    sandbox.write(".git", "gitdir: /nowhere/at/all\n");
    let error = Checkout::discover(&sandbox.program(), &sandbox.root).unwrap_err();
    assert!(matches!(error, GitError::Unreadable { .. }), "{error}");
    assert!(
        error.to_string().contains(sandbox.root.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn the_repository_slug_comes_from_origin_and_never_its_credentials() {
    let sandbox = Sandbox::project();
    let checkout = open(&sandbox, &sandbox.root);
    assert_eq!(checkout.repo_slug().unwrap(), None);
    sandbox.git(&[
        "remote",
        "add",
        "origin",
        "https://me:secret@host/acme/demo.git",
    ]);
    let checkout = open(&sandbox, &sandbox.root);
    assert_eq!(checkout.repo_slug().unwrap().as_deref(), Some("acme/demo"));
    assert!(!format!("{checkout:?}").contains("secret"));
    sandbox.git(&["remote", "set-url", "origin", "/some/where/demo.git"]);
    assert_eq!(open(&sandbox, &sandbox.root).repo_slug().unwrap(), None);
}

#[test]
fn ignored_paths_are_told_from_others() {
    let sandbox = Sandbox::project();
    sandbox.write(".gitignore", "target/\n*.log\n");
    let checkout = open(&sandbox, &sandbox.root);
    for (path, ignored) in [
        ("target/x", true),
        ("a/b.log", true),
        ("src/code.txt", false),
    ] {
        assert_eq!(
            checkout.is_ignored(Path::new(path)).unwrap(),
            ignored,
            "{path}"
        );
    }
}

#[test]
fn the_primary_branch_is_origin_s_else_a_common_name_else_the_current_one() {
    let sandbox = Sandbox::bare("repo");
    sandbox.git(&["init", "--quiet", "--initial-branch=trunk"]);
    sandbox.write("file", "x");
    sandbox.commit_all("first");
    let checkout = open(&sandbox, &sandbox.root);
    let primary = |current: &str| checkout.primary_branch(current).unwrap();
    assert_eq!(primary("trunk"), "trunk");
    sandbox.git(&["branch", "develop"]);
    assert_eq!(primary("trunk"), "develop");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    assert_eq!(primary("trunk"), "main");
    assert_eq!(primary("develop"), "develop");
    sandbox.git(&[
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/x/y",
    ]);
    assert_eq!(primary("develop"), "x/y");
}

/// What libgit2 refuses is asked from the program, with the same answers.
#[test]
fn repositories_that_the_library_refuses_are_read_and_written_through_the_program() {
    for format in ["--ref-format=reftable", "--object-format=sha256"] {
        let sandbox = Sandbox::bare("re po");
        sandbox.git(&["init", "--quiet", "--initial-branch=main", format]);
        let checkout = open(&sandbox, &sandbox.root);
        let debug = format!("{checkout:?}");
        assert!(debug.contains("in_process: false"), "{format}: {debug}");
        assert!(matches!(checkout.head().unwrap(), Head::Unborn { .. }));
        sandbox.write(".kittify/config.yaml", "");
        sandbox.write(".gitignore", "ignored\n");
        sandbox.commit_all("first");
        sandbox.git(&["remote", "add", "origin", "git@host:acme/demo.git"]);
        assert_eq!(checkout.head().unwrap().branch(), Some("main"));
        assert_eq!(checkout.repo_slug().unwrap().as_deref(), Some("acme/demo"));
        assert!(checkout.is_ignored(Path::new("ignored")).unwrap());
        assert!(!checkout.is_ignored(Path::new("other")).unwrap());
        assert_eq!(checkout.primary_branch("side").unwrap(), "main");
        let created = sandbox.create("user-auth").unwrap();
        assert_eq!(
            created.committed.commit,
            sandbox.git(&["rev-parse", "HEAD"])
        );
        let linked = sandbox.base().join("linked");
        sandbox.git(&[
            "worktree",
            "add",
            "--quiet",
            "-b",
            "side",
            linked.to_str().unwrap(),
        ]);
        let checkout = open(&sandbox, &linked);
        assert_eq!(checkout.primary_root().unwrap(), Some(sandbox.root.clone()));
    }
}

#[test]
fn a_repository_of_another_user_is_not_trusted_until_git_is_told_to() {
    use std::os::unix::fs::chown;
    let sandbox = Sandbox::project();
    // Only a superuser can give files away; without one there is nothing to test.
    if chown(&sandbox.root, Some(54_321), None).is_err() {
        return;
    }
    for path in [".git", ".git/HEAD", ".git/config"] {
        chown(sandbox.root.join(path), Some(54_321), None).unwrap();
    }
    let error = Checkout::discover(&sandbox.program(), &sandbox.root).unwrap_err();
    assert!(matches!(error, GitError::NotTrusted { .. }), "{error}");
    assert!(error.to_string().contains("safe.directory"), "{error}");
    let missing = sandbox.program().at("git-that-does-not-exist");
    let error = Checkout::discover(&missing, &sandbox.root).unwrap_err();
    assert!(matches!(error, GitError::NotTrusted { .. }), "{error}");
    write(
        &sandbox.base().join("gitconfig"),
        &format!("[safe]\n\tdirectory = {}\n", sandbox.root.display()),
    );
    assert_eq!(open(&sandbox, &sandbox.root).root(), sandbox.root);
}

//! Other git processes that make a worktree or commit at the same moment: nobody fails for it.

use crate::lanes::open;
use crate::support::{Sandbox, write, write_script};
use kitty_missions::git::{At, Checkout, GitError};
use std::path::PathBuf;
use std::process::Command;

/// A repository in which another git has just begun to make the worktree `other`.
struct Begun {
    sandbox: Sandbox,
    commondir: PathBuf,
}

impl Begun {
    fn new() -> Self {
        let sandbox = Sandbox::project();
        let other = sandbox.base().join("other");
        sandbox.git(&["worktree", "add", "--quiet", other.to_str().unwrap()]);
        let commondir = sandbox.root.join(".git/worktrees/other/commondir");
        Self { sandbox, commondir }
    }

    /// What git leaves between opening the file and writing it.
    fn empty(&self) {
        write(&self.commondir, "");
    }

    /// The repository through a git beside which the other one goes on after each call that looks at
    /// the worktrees.
    fn checkout(&self) -> Checkout {
        let program = self.sandbox.base().join("git-beside-another");
        write_script(
            &program,
            &format!(
                "#!/bin/sh\n\
                 git \"$@\"\n\
                 status=$?\n\
                 case \"$*\" in *worktree*) echo ../.. > '{}';; esac\n\
                 exit $status\n",
                self.commondir.display()
            ),
        );
        open(&self.sandbox.program().at(program), &self.sandbox.root)
    }

    /// What git itself says at this moment.
    fn said_by_git(&self) -> String {
        let output = Command::new("git")
            .args(["worktree", "list"])
            .current_dir(&self.sandbox.root)
            .env_clear()
            .envs(self.sandbox.environment())
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn a_worktree_that_another_git_is_making_is_waited_for() {
    let begun = Begun::new();
    begun.empty();
    assert!(
        begun.said_by_git().contains("/commondir"),
        "{}",
        begun.said_by_git()
    );
    assert_eq!(begun.checkout().worktrees().unwrap().len(), 2);
}

/// The other git begins when the branch has been made and the worktree has not.
#[test]
fn a_worktree_with_a_new_branch_is_made_beside_another_git() {
    let begun = Begun::new();
    begun.sandbox.hook(
        "reference-transaction",
        &format!(
            "[ \"$1\" = committed ] && grep -q refs/heads/new && : > '{}'\nexit 0",
            begun.commondir.display()
        ),
    );
    let commit = begun.sandbox.git(&["rev-parse", "main"]);
    let place = begun.sandbox.base().join("ours");
    let at = At::NewBranch {
        name: "new",
        commit: &commit,
    };
    begun.checkout().add_worktree(&place, at).unwrap();
    assert_eq!(
        begun.sandbox.git_in(&place, &["branch", "--show-current"]),
        "new"
    );
}

#[test]
fn a_worktree_that_stays_half_made_is_named_with_what_to_do() {
    let begun = Begun::new();
    begun.empty();
    let checkout = open(&begun.sandbox.program(), &begun.sandbox.root);
    let error = checkout.worktrees().unwrap_err();
    assert!(
        matches!(error, GitError::WorktreeInTheMaking { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("worktrees/other/commondir") && text.contains("remove the directory"),
        "{text}"
    );
}

/// A project in which somebody else commits while git makes our first commit.
fn with_another_committer() -> Sandbox {
    let sandbox = Sandbox::project();
    let mark = sandbox.base().join("committed");
    sandbox.hook(
        "pre-commit",
        &format!(
            "[ -e '{mark}' ] && exit 0\n\
             touch '{mark}'\n\
             git update-ref HEAD $(git commit-tree -p HEAD -m theirs 'HEAD^{{tree}}')",
            mark = mark.display()
        ),
    );
    sandbox
}

#[test]
fn files_are_committed_on_top_of_a_commit_that_was_made_meanwhile() {
    let sandbox = with_another_committer();
    sandbox.write("ours", "1");
    let checkout = open(&sandbox.program(), &sandbox.root);
    let committed = checkout.record(&["ours".into()], "ours").unwrap().unwrap();
    assert_eq!(committed.commit, sandbox.git(&["rev-parse", "HEAD"]));
    let subjects = sandbox.git(&["log", "--format=%s"]);
    assert_eq!(subjects, "ours\ntheirs\nfirst");
}

#[test]
fn a_mission_is_created_on_top_of_a_commit_that_was_made_meanwhile() {
    let sandbox = with_another_committer();
    let created = sandbox.create("user-auth").unwrap();
    let below = sandbox.git(&["log", "-1", "--format=%s", &created.committed.parent]);
    assert_eq!(below, "theirs");
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "3");
}

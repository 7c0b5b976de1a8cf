//! Every reason not to create a mission, and that nothing is left of the attempt.

use crate::support::{Sandbox, names, options, write};
use kitty_missions::create::{CreateError, MissionOptions};
use kitty_missions::git::GitError;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_link_or_a_file_in_the_place_of_the_missions_is_refused() {
    let sandbox = Sandbox::project();
    let outside = sandbox.base().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, sandbox.root.join("kitty-specs")).unwrap();
    let before = sandbox.state();
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(matches!(error, CreateError::UnsafePath { .. }), "{error}");
    assert_eq!(sandbox.state(), before);
    assert_eq!(names(&outside), [""; 0]);
    std::fs::remove_file(sandbox.root.join("kitty-specs")).unwrap();
    sandbox.write("kitty-specs", "a file");
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(matches!(error, CreateError::UnsafePath { .. }), "{error}");
}

#[test]
fn a_mission_whose_directory_name_was_typed_exists_already() {
    let sandbox = Sandbox::project();
    let existing = sandbox.create("user-auth").unwrap().mission_slug;
    let error = sandbox.create(&existing.to_lowercase()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the mission '{existing}' exists already: choose another slug")
    );
    std::fs::create_dir(sandbox.root.join("kitty-specs/legacy")).unwrap();
    assert!(matches!(
        sandbox.create("legacy"),
        Err(CreateError::Exists { .. })
    ));
    assert!(matches!(
        sandbox.create("001-legacy"),
        Err(CreateError::Exists { .. })
    ));
}

#[test]
fn nothing_is_created_outside_of_a_repository_on_no_branch_and_without_a_commit() {
    let sandbox = Sandbox::bare("plain");
    sandbox.write(".kittify/config.yaml", "");
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(
        matches!(error, CreateError::NotARepository { .. }),
        "{error}"
    );

    sandbox.git(&["init", "--quiet", "--initial-branch=main"]);
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(matches!(error, CreateError::NoCommit), "{error}");

    sandbox.commit_all("first");
    sandbox.git(&["switch", "--quiet", "--detach"]);
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(matches!(error, CreateError::DetachedHead), "{error}");
    assert_eq!(names(&sandbox.root), [".git", ".kittify"]);
}

#[test]
fn a_missing_git_program_is_named_and_nothing_is_left() {
    let sandbox = Sandbox::project();
    let before = sandbox.state();
    let program = sandbox.program().at("git-that-does-not-exist");
    let error = sandbox.create_through(&program).unwrap_err();
    assert!(
        matches!(error, CreateError::Git(GitError::Missing)),
        "{error}"
    );
    assert_eq!(sandbox.state(), before);
}

#[test]
fn without_a_name_for_the_commit_git_is_to_be_configured_and_nothing_is_left() {
    let sandbox = Sandbox::project();
    write(
        &sandbox.base().join("gitconfig"),
        "[user]\n\tuseConfigOnly = true\n",
    );
    let before = sandbox.state();
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(
        matches!(error, CreateError::Git(GitError::NoIdentity)),
        "{error}"
    );
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_branch_that_is_not_checked_out_cannot_be_the_target() {
    let sandbox = Sandbox::project();
    let on = |target: &str| {
        sandbox.create_with(&MissionOptions {
            target_branch: some(target),
            ..options("user-auth")
        })
    };
    let error = on("work").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the checkout is on 'main' and not on the target branch 'work': switch to it first, or use --start-branch"
    );
    on("main").unwrap();
}

#[test]
fn a_pull_request_mission_on_its_own_target_must_be_confirmed() {
    let sandbox = Sandbox::project();
    let ask = |strategy: Option<String>, start: Option<String>| {
        sandbox.create_with(&MissionOptions {
            pr_bound: true,
            branch_strategy: strategy,
            start_branch: start,
            ..options("user-auth")
        })
    };
    let error = ask(None, None).unwrap_err();
    assert_eq!(error.code(), Some("BRANCH_STRATEGY_CONFIRMATION_REQUIRED"));
    assert!(matches!(
        ask(some("maybe"), None),
        Err(CreateError::UnknownBranchStrategy { .. })
    ));
    ask(some("already-confirmed"), None).unwrap();
    ask(None, some("work")).unwrap();
}

#[test]
fn a_configuration_that_cannot_be_understood_stops_the_command_by_name() {
    let sandbox = Sandbox::project();
    for (text, part) in [
        ("a: [\n", "config.yaml is not valid YAML"),
        (
            "mission_type_activations: []\n",
            "no mission type is activated",
        ),
        (
            "mission_type_activations: [plan]\n",
            "'software-dev' is not activated",
        ),
        (
            "mission_type_activations: 3\n",
            "`mission_type_activations` in",
        ),
    ] {
        sandbox.write(".kittify/config.yaml", text);
        let before = sandbox.state();
        let error = sandbox.create("user-auth").unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(sandbox.state(), before);
    }
}

#[test]
fn a_merge_in_progress_is_git_s_refusal_and_nothing_is_left() {
    let sandbox = Sandbox::project();
    sandbox.git(&["switch", "--quiet", "--create", "side"]);
    sandbox.write("other", "x\n");
    sandbox.commit_all("other");
    sandbox.git(&["switch", "--quiet", "main"]);
    sandbox.git(&["merge", "--quiet", "--no-ff", "--no-commit", "side"]);
    let before = sandbox.state();
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(error.to_string().contains("during a merge"), "{error}");
    assert_eq!(sandbox.state(), before);
}

//! Failing at every step: everything is as it was.

use crate::faulty::{Fault, FaultyFilesystem};
use crate::support::{Sandbox, options};
use kitty_missions::create::{CreateError, MissionOptions};
use std::io::ErrorKind;

/// Fails every call in turn; returns how many calls a creation makes.
fn fail_everywhere(
    sandbox: &Sandbox,
    options: &MissionOptions,
    fault: Fault,
    check: impl Fn(&CreateError),
) -> usize {
    let before = sandbox.state();
    for at in 0..200 {
        let filesystem = FaultyFilesystem::new(at, fault);
        match sandbox.create_on(&filesystem, options) {
            Ok(_) => {
                assert!(!filesystem.was_reached(), "call {at} failed unnoticed");
                return at;
            }
            Err(error) => {
                check(&error);
                assert_eq!(sandbox.state(), before, "call {at}: {error}");
            }
        }
    }
    panic!("a creation makes fewer calls than that");
}

/// A project in which the user has staged something.
fn staged() -> Sandbox {
    let sandbox = Sandbox::project();
    sandbox.write("staged", "x\n");
    sandbox.git(&["add", "staged"]);
    sandbox
}

#[test]
fn a_full_disk_at_any_call_leaves_everything_as_it_was() {
    let once = Fault::Once(ErrorKind::StorageFull);
    let calls = fail_everywhere(&staged(), &options("user-auth"), once, |error| {
        assert!(matches!(error, CreateError::DiskFull { .. }), "{error}");
        assert!(error.to_string().contains("the disk is full"), "{error}");
    });
    let ever = Fault::FromThenOn(ErrorKind::StorageFull);
    fail_everywhere(&staged(), &options("user-auth"), ever, |error| {
        assert!(matches!(error, CreateError::DiskFull { .. }), "{error}");
    });
    assert!(calls > 20, "{calls}");
}

#[test]
fn a_read_only_tree_is_named_and_left_as_it_was() {
    let sandbox = Sandbox::project();
    sandbox.create("existing").unwrap();
    let fault = Fault::FromThenOn(ErrorKind::ReadOnlyFilesystem);
    fail_everywhere(&sandbox, &options("user-auth"), fault, |error| {
        assert!(matches!(error, CreateError::ReadOnly { .. }), "{error}");
    });
}

#[test]
fn a_git_directory_on_another_file_system_is_no_obstacle() {
    let sandbox = Sandbox::project();
    // The rename out of the git directory is the one call of this kind that is not a failure.
    let fault = Fault::Once(ErrorKind::CrossesDevices);
    let mut crossed = 0;
    for at in 0..200 {
        let filesystem = FaultyFilesystem::new(at, fault);
        let outcome = sandbox.create_on(&filesystem, &options("user-auth"));
        if !filesystem.was_reached() {
            break;
        }
        crossed += usize::from(outcome.is_ok());
    }
    assert_eq!(crossed, 1);
    assert!(sandbox.missions().iter().all(|name| !name.starts_with('.')));
}

#[test]
fn a_failure_after_the_branch_was_switched_switches_back() {
    for branch in ["made-for-it", "existing"] {
        let sandbox = staged();
        sandbox.git(&["branch", "existing"]);
        let options = MissionOptions {
            start_branch: Some(branch.to_owned()),
            ..options("user-auth")
        };
        let fault = Fault::Once(ErrorKind::StorageFull);
        fail_everywhere(&sandbox, &options, fault, |_| {});
    }
}

#[test]
fn a_hook_that_fails_the_switch_leaves_the_branch_as_it_was() {
    let sandbox = Sandbox::project();
    sandbox.hook(
        "post-checkout",
        "test \"$(git branch --show-current)\" != made-for-it",
    );
    let before = sandbox.state();
    let error = sandbox
        .create_with(&MissionOptions {
            start_branch: Some("made-for-it".to_owned()),
            ..options("user-auth")
        })
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("git could not switch to the start branch"),
        "{error}"
    );
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_failure_that_cannot_be_undone_says_what_is_left() {
    let sandbox = Sandbox::project();
    // The hook refuses and makes the index unusable for the undo.
    sandbox.hook("pre-commit", "printf x > .git/index; exit 1");
    let error = sandbox.create("user-auth").unwrap_err();
    let CreateError::NotUndone { left, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(left.len(), 1);
    assert!(
        left[0].starts_with("the index (git could not unstage"),
        "{error}"
    );
    assert!(!error.to_string().contains('\n'));
}

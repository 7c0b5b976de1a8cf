//! `agent mission create` when it cannot: one document that says why, and nothing left behind.

use crate::support::process::{Run, is_superuser, run, skip};
use crate::support::sandbox::{Sandbox, set_mode, write, write_script};
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use crate::support::tree::Tree;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fails unless a run printed one document that names the error, and ended with 1.
#[track_caller]
fn assert_refusal(run: &Run, expected: &str) {
    assert_eq!(run.code(), 1, "{run:?}");
    let document = run.json();
    let error = document["error"].as_str().unwrap();
    assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    assert!(!error.contains('\n'), "{error:?}");
    assert_eq!(document["spec_kitty_version"], env!("CARGO_PKG_VERSION"));
    let known = ["error", "code", "next_action", "spec_kitty_version"];
    for key in document.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key} in {document}");
    }
    assert_eq!(run.stderr, "", "{run:?}");
}

type Prepare = fn(&Sandbox);

const NOTHING: Prepare = |_| {};

fn refusing_hook(sandbox: &Sandbox) {
    let hook = sandbox.repo().join(".git/hooks/pre-commit");
    write_script(&hook, "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n");
}

/// Why a mission is refused: a name, what is prepared, more arguments, and what the error says.
const REFUSALS: &[(&str, Prepare, &[&str], &str)] = &[
    (
        "no kebab case",
        NOTHING,
        &["User_Auth"],
        "is not a mission slug",
    ),
    ("spaces", NOTHING, &["user auth"], "is not a mission slug"),
    (
        "two hyphens",
        NOTHING,
        &["user--auth"],
        "is not a mission slug",
    ),
    ("a path", NOTHING, &["../escape"], "is not a mission slug"),
    ("nothing", NOTHING, &[""], "is not a mission slug"),
    (
        "unknown type",
        NOTHING,
        &["ok", "--mission-type", "poem"],
        "unknown mission type \"poem\"",
    ),
    (
        "coordination",
        NOTHING,
        &["ok", "--topology", "coord"],
        "topology \"coord\" is not available",
    ),
    (
        "lanes with coordination",
        NOTHING,
        &["ok", "--topology", "lanes_with_coord"],
        "is not available",
    ),
    (
        "empty text",
        NOTHING,
        &["ok", "--friendly-name", ""],
        "--friendly-name is empty",
    ),
    (
        "other target",
        NOTHING,
        &["ok", "--target-branch", "elsewhere"],
        "not on the target branch",
    ),
    (
        "bad branch",
        NOTHING,
        &["ok", "--start-branch", "a..b"],
        "is not a valid branch name",
    ),
    (
        "detached",
        |sandbox| {
            sandbox.git(&["checkout", "--quiet", "--detach"]);
        },
        &["ok"],
        "HEAD is detached",
    ),
    (
        "hook",
        refusing_hook,
        &["ok"],
        "the pre-commit hook refused the commit: not on a Friday",
    ),
    (
        "broken project configuration",
        |sandbox| write(&sandbox.repo().join(".kittify/config.yaml"), "a: [\n"),
        &["ok"],
        "config.yaml is not valid YAML",
    ),
    (
        "no type activated",
        |sandbox| {
            write(
                &sandbox.repo().join(".kittify/config.yaml"),
                "mission_type_activations: []\n",
            );
        },
        &["ok"],
        "no mission type is activated",
    ),
    (
        "the index is held",
        |sandbox| write(&sandbox.repo().join(".git/index.lock"), ""),
        &["ok"],
        "index.lock",
    ),
    (
        "a file where missions go",
        |sandbox| write(&sandbox.repo().join("kitty-specs"), "a file"),
        &["ok"],
        "is not a plain directory",
    ),
];

#[test]
fn every_refusal_is_one_document_and_leaves_everything_as_it_was() {
    for hosted in [false, true] {
        for (name, prepare, arguments, expected) in REFUSALS {
            let mut sandbox = Sandbox::new();
            if hosted {
                sandbox.host("http://127.0.0.1:1");
            }
            prepare(&sandbox);
            // What the user was about to commit is part of what must not change.
            write(&sandbox.repo().join("staged.txt"), "mine\n");
            if *name != "the index is held" {
                sandbox.git(&["add", "staged.txt"]);
            }
            write(&sandbox.repo().join("untracked.txt"), "mine too\n");
            let before = sandbox.checkout();
            let create = ["agent", "mission", "create", "--json", "--"];
            let (slug, options) = arguments.split_first().unwrap();
            let mut all: Vec<&str> = create[..4].to_vec();
            all.extend(options);
            all.extend(["--", slug]);
            let run = sandbox.run(&all);
            assert_refusal(&run, expected);
            assert_eq!(sandbox.checkout(), before, "{name}");
            assert_eq!(records(&sandbox), [""; 0], "{name}: something was captured");
        }
    }
}

/// The files with records of any project, whoever may see them.
fn records(sandbox: &Sandbox) -> Vec<String> {
    let mut names = Tree::of(&sandbox.map().projects()).names();
    names.retain(|name| name.contains(".rec") || name.contains("journal/"));
    names
}

#[test]
fn outside_of_a_project_and_outside_of_git_there_is_a_next_step() {
    let sandbox = Sandbox::empty();
    let create = ["agent", "mission", "create", "ok", "--json"];
    assert_refusal(&sandbox.run(&create), "no Spec Kitty project at");
    std::fs::create_dir(sandbox.repo().join(".kittify")).unwrap();
    assert_refusal(
        &sandbox.run(&create),
        "is not in a git repository: run `git init` there",
    );
    sandbox.git(&["init", "--quiet", "--initial-branch=main"]);
    assert_refusal(&sandbox.run(&create), "the repository has no commit yet");
    assert_eq!(
        Tree::of(&sandbox.repo().join("kitty-specs")).names(),
        [""; 0]
    );
    assert!(!sandbox.state().exists());
}

#[test]
fn a_person_reads_the_same_refusal_on_stderr() {
    let sandbox = Sandbox::new();
    let run = sandbox
        .run(&["agent", "mission", "create", "User_Auth"])
        .expect_code(1);
    assert_eq!(run.stdout, "");
    insta::assert_snapshot!(run.stderr, @r#"Error: "User_Auth" is not a mission slug: use lower-case letters and digits joined by single hyphens, for example user-auth"#);
}

#[test]
fn a_missing_argument_is_a_refusal_of_the_command_line() {
    let sandbox = Sandbox::new();
    let run = sandbox
        .run(&["agent", "mission", "create", "--json"])
        .expect_code(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("<MISSION_SLUG>"), "{run:?}");
    let run = sandbox
        .run(&["agent", "mission", "create", "ok", "--no-such-flag"])
        .expect_code(2);
    assert!(run.stderr.contains("--no-such-flag"), "{run:?}");
}

#[test]
fn a_tree_that_may_not_be_written_is_named_and_left_alone() {
    let sandbox = Sandbox::new();
    let before = sandbox.checkout();
    set_mode(&sandbox.repo(), 0o555);
    let call = sandbox.call(&["agent", "mission", "create", "ok", "--json"]);
    let run = call.powerless().map(super::support::sandbox::Call::run);
    set_mode(&sandbox.repo(), 0o755);
    let Some(run) = run else { return };
    assert_refusal(&run, "cannot be written (read-only or not permitted)");
    assert_eq!(sandbox.checkout().head, before.head);
    assert_eq!(
        Tree::of(&sandbox.repo().join("kitty-specs")).names(),
        [""; 0]
    );
}

#[test]
fn a_git_directory_that_may_not_be_written_is_named_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.repo().join("kitty-specs")).unwrap();
    let before = sandbox.checkout();
    for directory in ["", "objects", "refs", "refs/heads"] {
        set_mode(&sandbox.repo().join(".git").join(directory), 0o555);
    }
    let call = sandbox.call(&["agent", "mission", "create", "ok", "--json"]);
    let run = call.powerless().map(super::support::sandbox::Call::run);
    for directory in ["", "objects", "refs", "refs/heads"] {
        set_mode(&sandbox.repo().join(".git").join(directory), 0o755);
    }
    let Some(run) = run else { return };
    assert_refusal(&run, "cannot be written");
    assert_eq!(sandbox.checkout(), before);
}

/// A small file system that is full but for some bytes; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one; `None` (after saying so) for everybody but the superuser.
    fn mount(path: &Path, kilobytes: u32) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        if !is_superuser() {
            skip("only the superuser can mount a small disk; the limit on file sizes is tested");
            return None;
        }
        let mut mount = Command::new("mount");
        mount
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={kilobytes}k,mode=700"),
                "tmpfs",
            ])
            .arg(path);
        if run(&mut mount).status.success() {
            return Some(Self {
                path: path.to_owned(),
            });
        }
        skip("a small disk cannot be mounted here; the limit on file sizes is tested");
        None
    }

    /// Fills it until exactly so many pages are free.
    fn fill_but(&self, pages: usize) {
        use std::io::Write as _;
        let filler = self.path.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let mut written = 0;
        while file.write_all(&[0; 4096]).is_ok() {
            written += 4096;
        }
        let rest = written - (pages as u64 * 4096).min(written);
        file.set_len(rest).unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_at_any_moment_leaves_nothing_behind() {
    let sandbox = Sandbox::empty();
    let Some(disk) = SmallDisk::mount(&sandbox.repo(), 2048) else {
        return;
    };
    sandbox.make_repository(&sandbox.repo());
    let mut refused = 0;
    for pages in 0..40 {
        let before = sandbox.checkout();
        disk.fill_but(pages);
        let run = sandbox.run(&["agent", "mission", "create", "ok", "--json"]);
        disk.empty();
        if run.code() == 0 {
            assert_eq!(run.json()["result"], "success");
            break;
        }
        refused += 1;
        assert_eq!(run.code(), 1, "{run:?}");
        let document = run.json();
        let error = document["error"].as_str().unwrap();
        assert!(error.contains("the disk is full"), "{pages} pages: {error}");
        assert_eq!(sandbox.checkout(), before, "{pages} pages: {error}");
    }
    assert!(refused > 3, "only {refused} sizes were too small");
    sandbox.create_mission("room-again");
}

/// The limit on file sizes that `ulimit -f` sets fails writes without a full disk and for everybody;
/// the kernel's signal is ignored, so that the write itself is told (EFBIG).
const NO_FILE_MAY_GROW: &str = r#"trap '' XFSZ; ulimit -f 0; exec "$@""#;

#[test]
fn a_write_that_fails_is_named_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let before = sandbox.checkout();
    let create = sandbox.call(&["agent", "mission", "create", "ok", "--json"]);
    let run = create.within_shell(NO_FILE_MAY_GROW);
    assert_refusal(&run, "cannot be written");
    assert_eq!(sandbox.checkout(), before);
}

#[track_caller]
fn assert_taken_back(sandbox: &Sandbox, run: &Run) {
    assert_refusal(run, "The mission's events could not be stored: ");
    assert_eq!(
        sandbox.git(&["status", "--porcelain", "--untracked-files=all"]),
        ""
    );
    assert_eq!(sandbox.git(&["rev-list", "--count", "--all"]), "1");
    assert_eq!(
        Tree::of(&sandbox.repo().join("kitty-specs")).names(),
        [""; 0]
    );
}

#[test]
fn a_mission_whose_events_cannot_be_stored_is_taken_back() {
    // Below a file nobody can make a directory, not even the superuser.
    let mut sandbox = Sandbox::hosted("http://127.0.0.1:1");
    write(&sandbox.base().join("a-file"), "");
    sandbox.set(
        "SPEC_KITTY_HOME",
        sandbox.base().join("a-file").join("state"),
    );
    let run = sandbox.run(&["agent", "mission", "create", "ok", "--json"]);
    assert_taken_back(&sandbox, &run);
}

#[test]
fn a_mission_is_taken_back_when_the_state_root_may_not_be_written() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    std::fs::create_dir(sandbox.state()).unwrap();
    set_mode(&sandbox.state(), 0o500);
    let call = sandbox.call(&["agent", "mission", "create", "ok", "--json"]);
    let run = call.powerless().map(super::support::sandbox::Call::run);
    set_mode(&sandbox.state(), 0o700);
    let Some(run) = run else { return };
    assert_taken_back(&sandbox, &run);
    assert_eq!(Tree::of(&sandbox.state()).names(), [""; 0]);
}

#[test]
fn a_mission_is_taken_back_when_the_disk_of_the_state_root_is_full_and_works_again_with_space() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    let Some(disk) = SmallDisk::mount(&sandbox.state(), 256) else {
        return;
    };
    let mut refused = 0;
    for pages in 0..20 {
        disk.fill_but(pages);
        let run = sandbox.run(&["agent", "mission", "create", "ok", "--json"]);
        disk.empty();
        if run.code() == 0 {
            break;
        }
        refused += 1;
        assert_taken_back(&sandbox, &run);
        let status = sandbox.json(&["sync", "status", "--json"]);
        assert_eq!(
            status["events"], 0,
            "{pages} pages: something is queued of what was taken back"
        );
    }
    assert!(refused > 0);
    let status = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["events"], 3);
}

#[test]
fn a_full_queue_refuses_loudly_keeps_everything_and_takes_new_work_after_a_delivery() {
    let server = ScriptedServer::start();
    let mut sandbox = Sandbox::hosted(&server.url());
    sandbox
        .run(&["config", "set", "sync.max_queue_size", "3"])
        .expect_code(0);
    sandbox.create_mission("first");
    let waiting = sandbox.waiting();
    assert_eq!(waiting.len(), 3);
    let before = sandbox.checkout();
    let run = sandbox.run(&["agent", "mission", "create", "second", "--json"]);
    assert_refusal(&run, "is full (3 undelivered events, the limit is 3)");
    assert_eq!(sandbox.checkout(), before);
    assert_eq!(sandbox.waiting(), waiting, "nothing older was dropped");
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(server.stored_ids(), waiting);
    sandbox.create_mission("second");
    assert_eq!(server.stored_ids().len(), 6);
}

#[test]
fn with_hosted_sync_off_the_state_root_does_not_matter() {
    let mut sandbox = Sandbox::new();
    write(&sandbox.base().join("a-file"), "");
    sandbox.set(
        "SPEC_KITTY_HOME",
        sandbox.base().join("a-file").join("state"),
    );
    let run = sandbox
        .run(&["agent", "mission", "create", "ok", "--json"])
        .expect_code(0);
    assert_eq!(run.json()["result"], "success");
    assert_eq!(run.stderr, "");
}

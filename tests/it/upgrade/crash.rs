//! Every call to the file system fails, once and for ever: a second run ends as a first one would.

use super::fixture::{OTHERS, OURS, make_queue, odd_queue, waiting};
use crate::support::faulty_fs::{Fault, FaultyFilesystem};
use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::Tree;
use kitty_config::FileMap;
use kitty_migration::project::ProjectPlan;
use kitty_migration::queue::decide::Decisions;
use kitty_migration::queue::{QueuePorts, QueueReport};
use kitty_migration::rewrite::{RewriteFiles, Rewrites, Stage};
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::git::GitProgram;
use kitty_missions::project::Project;
use kitty_runtime::fs::{OsFilesystem, SharedFilesystem, os_filesystem};
use kitty_runtime::time::system_time;
use std::path::Path;
use std::sync::Arc;

fn ports(map: &FileMap, filesystem: SharedFilesystem) -> QueuePorts {
    QueuePorts {
        filesystem,
        map: map.clone(),
        time: system_time(),
    }
}

/// What stays of a take-over, whatever interrupted it.
fn outcome(sandbox: &Sandbox, report: &QueueReport) -> Vec<String> {
    let mut lines = vec![format!("{:?} {:?}", report.total, report.quarantine)];
    for project in [OURS, OTHERS] {
        let records = waiting(&sandbox.state(), project).into_iter();
        lines.extend(records.map(|(kind, id, bytes)| format!("{kind} {id} {}", bytes.len())));
    }
    let migration = sandbox.map().migration();
    let kept = std::fs::read_to_string(migration.quarantine()).unwrap();
    lines.extend(kept.lines().map(str::to_owned));
    lines
}

fn small_queue() -> Sandbox {
    let sandbox = Sandbox::empty();
    let (mut queue, _) = odd_queue();
    // The large bodies say nothing about crashes.
    queue.bodies.retain(|body| body.content.len() < 1000);
    make_queue(&sandbox.state().join("queue.db"), &queue);
    sandbox
}

fn take_over_and_fail(fail_at: usize, fault: Fault) -> (usize, Vec<String>) {
    let sandbox = small_queue();
    let map = sandbox.map();
    let faulty = FaultyFilesystem::new(fail_at, fault);
    let source = std::fs::read(sandbox.state().join("queue.db")).unwrap();
    // It may fail; what it may not do is lose or double something.
    let _ = ports(&map, faulty.clone()).take_over(&Decisions::default());
    let report = ports(&map, os_filesystem())
        .take_over(&Decisions::default())
        .unwrap();
    assert_eq!(
        std::fs::read(sandbox.state().join("queue.db")).unwrap(),
        source
    );
    (faulty.calls(), outcome(&sandbox, &report))
}

#[test]
fn nfr_004_a_take_over_that_fails_at_any_call_ends_as_if_nothing_had_happened() {
    let (calls, expected) = take_over_and_fail(usize::MAX, Fault::Once);
    assert!(calls > 30, "the take-over makes only {calls} calls");
    for fault in [Fault::Once, Fault::Forever, Fault::HalfWritten] {
        for fail_at in 0..calls {
            let (_, found) = take_over_and_fail(fail_at, fault);
            assert_eq!(found, expected, "call {fail_at}, {fault:?}");
        }
    }
}

#[test]
fn nfr_004_a_rollback_of_rows_that_fails_at_any_call_is_finished_by_the_next() {
    let run = |fail_at: usize| {
        let sandbox = small_queue();
        let map = sandbox.map();
        let healthy = ports(&map, os_filesystem());
        healthy.take_over(&Decisions::default()).unwrap();
        let before = waiting(&sandbox.state(), OURS);
        let faulty = FaultyFilesystem::new(fail_at, Fault::Forever);
        let _ = ports(&map, faulty.clone()).roll_back();
        healthy.roll_back().unwrap();
        assert!(waiting(&sandbox.state(), OURS).is_empty(), "call {fail_at}");
        healthy.take_over(&Decisions::default()).unwrap();
        assert_eq!(waiting(&sandbox.state(), OURS), before, "call {fail_at}");
        faulty.calls()
    };
    let calls = run(usize::MAX);
    for fail_at in 0..calls {
        run(fail_at);
    }
}

/// A project outside of git, so that nothing but the file system is in play.
fn project() -> (Sandbox, Project) {
    let sandbox = Sandbox::empty();
    let root = sandbox.repo();
    for (path, text) in super::project::LEGACY {
        write(&root.join(path), text);
    }
    let project = Project::locate(&GitProgram::default(), &root, None).unwrap();
    (sandbox, project)
}

/// Every file of a project with its content, without what the upgrade keeps for itself.
fn texts(root: &Path) -> Vec<(String, Vec<u8>)> {
    let names = Tree::of(root).names().into_iter();
    names
        .filter(|name| !name.contains("migrations") && root.join(name).is_file())
        // The kernel's lock; it stays, see `FileLock`.
        .filter(|name| !name.ends_with(".lock"))
        .map(|name| (name.clone(), std::fs::read(root.join(name)).unwrap()))
        .collect()
}

fn apply(project: &Project, tree: &Arc<FaultyFilesystem>) -> Option<Stage> {
    let files = RewriteFiles {
        tree: &**tree,
        private: &**tree,
    };
    let plan = ProjectPlan::of(project).unwrap();
    let manifest = Rewrites::new(files, project).apply(&plan).ok().flatten();
    manifest.map(|manifest| manifest.stage)
}

#[test]
fn nfr_004_a_rewrite_that_fails_at_any_call_is_finished_or_taken_back_byte_by_byte() {
    let healthy = RewriteFiles {
        tree: &WorktreeFilesystem,
        private: &OsFilesystem,
    };
    let run = |fail_at: usize, fault: Fault| {
        let (_sandbox, project) = project();
        let before = texts(&project.root);
        let faulty = FaultyFilesystem::new(fail_at, fault);
        let _ = apply(&project, &faulty);
        let calls = faulty.calls();
        // Forward: the next run finishes it.
        let plan = ProjectPlan::of(&project).unwrap();
        let rewrites = Rewrites::new(healthy, &project);
        rewrites.apply(&plan).unwrap();
        let after = texts(&project.root);
        assert!(ProjectPlan::of(&project).unwrap().changes.is_empty());
        // Back: as it was, whatever was interrupted.
        assert!(rewrites.roll_back().unwrap().changed_since.is_empty());
        assert_eq!(texts(&project.root), before, "call {fail_at}, {fault:?}");
        (calls, after)
    };
    let (calls, expected) = run(usize::MAX, Fault::Once);
    assert!(calls > 30, "the rewrite makes only {calls} calls");
    for fault in [Fault::Once, Fault::Forever, Fault::HalfWritten] {
        for fail_at in 0..calls {
            assert_eq!(run(fail_at, fault).1, expected, "call {fail_at}, {fault:?}");
        }
    }
}

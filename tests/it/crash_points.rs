//! Every call to the file system fails once, in turn: nothing acknowledged may be lost.

use crate::support::faulty_fs::{Fault, FaultyFilesystem};
use crate::support::pipeline::{Network, Observed, Pipeline};
use kitty_runtime::fs::{SharedFilesystem, os_filesystem};
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::owner::{MailboxFactory, MemoryFactory, SledFactory};
use kitty_runtime::time::system_time;
use std::path::Path;

/// Three commands and three owners between and after them, the first of them offline.
fn scenario(
    pipeline: &Pipeline,
    factory: &dyn Fn() -> Box<dyn MailboxFactory>,
    observed: &mut Observed,
) {
    let clock = pipeline.clock();
    let ids = |from: usize, to: usize| (from..to).map(|n| format!("event-{n}")).collect::<Vec<_>>();
    pipeline.append(&clock, &ids(0, 3), observed);
    pipeline.append(&clock, &ids(3, 4), observed);
    work(pipeline, factory(), Network::Down, observed);
    pipeline.append(&clock, &ids(4, 6), observed);
    work(pipeline, factory(), Network::Up, observed);
    pipeline.append(&clock, &ids(6, 9), observed);
    work(pipeline, factory(), Network::Down, observed);
}

/// Takes the lease through the healthy file system: the lock itself is the kernel's.
fn work(
    pipeline: &Pipeline,
    factory: Box<dyn MailboxFactory>,
    network: Network,
    observed: &mut Observed,
) {
    let lease = OwnerLease::try_acquire(
        &os_filesystem(),
        &pipeline.scope.paths,
        &system_time(),
        "test",
    );
    // Errors are expected here; what they may not cost is checked afterwards.
    let _ = pipeline.work(factory, lease.unwrap().unwrap(), network, observed);
}

fn run(root: &Path, fail_at: usize, fault: Fault, keep_mailbox: bool) -> usize {
    let faulty = FaultyFilesystem::new(fail_at, fault);
    let memory = MemoryFactory::default();
    let mut observed = Observed::default();
    let pipeline = Pipeline::new(faulty.clone(), root);
    scenario(&pipeline, &|| Box::new(memory.clone()), &mut observed);
    let healthy = Pipeline::new(os_filesystem(), root);
    let after = if keep_mailbox {
        memory
    } else {
        MemoryFactory::default()
    };
    healthy.append(&healthy.clock(), &["after".to_owned()], &mut observed);
    work(&healthy, Box::new(after), Network::Up, &mut observed);
    observed.check(&format!(
        "call {fail_at} failed ({fault:?}), mailbox kept: {keep_mailbox}"
    ));
    assert!(observed.received.contains_key("after"));
    faulty.calls()
}

fn every_call_fails(fault: Fault) {
    let calls = run(tempfile::tempdir().unwrap().path(), usize::MAX, fault, true);
    assert!(calls > 100, "the scenario makes only {calls} calls");
    for fail_at in 0..calls {
        for keep_mailbox in [true, false] {
            run(
                tempfile::tempdir().unwrap().path(),
                fail_at,
                fault,
                keep_mailbox,
            );
        }
    }
}

#[test]
fn every_file_system_call_may_fail_once() {
    every_call_fails(Fault::Once);
}

#[test]
fn the_process_may_die_at_every_file_system_call() {
    every_call_fails(Fault::Forever);
}

#[test]
fn the_process_may_die_in_the_middle_of_every_write() {
    every_call_fails(Fault::HalfWritten);
}

#[test]
fn the_same_holds_with_sled_as_the_mailbox() {
    let directory = tempfile::tempdir().unwrap();
    let counting = FaultyFilesystem::new(usize::MAX, Fault::Forever);
    let calls = run_with_sled(&counting, directory.path(), &counting.clone());
    for fail_at in (0..calls).step_by(3) {
        let directory = tempfile::tempdir().unwrap();
        let faulty = FaultyFilesystem::new(fail_at, Fault::Forever);
        run_with_sled(&faulty, directory.path(), &faulty.clone());
    }
}

fn run_with_sled(
    faulty: &FaultyFilesystem,
    root: &Path,
    shared: &std::sync::Arc<FaultyFilesystem>,
) -> usize {
    let mut observed = Observed::default();
    let shared: SharedFilesystem = shared.clone();
    let pipeline = Pipeline::new(shared.clone(), root);
    let sled = |filesystem: &SharedFilesystem| -> Box<dyn MailboxFactory> {
        Box::new(SledFactory::new(
            filesystem.clone(),
            pipeline.scope.paths.mailbox(),
        ))
    };
    scenario(&pipeline, &|| sled(&shared), &mut observed);
    let calls = faulty.calls();
    let healthy = Pipeline::new(os_filesystem(), root);
    work(&healthy, sled(&os_filesystem()), Network::Up, &mut observed);
    observed.check(&format!("{calls} calls with sled"));
    calls
}

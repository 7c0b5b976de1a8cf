//! The power is cut at a random moment, the disk keeps any part of what was not fsynced.

use crate::support::pipeline::{Network, Observed, Pipeline};
use crate::support::power_cut_fs::{PowerCutFilesystem, Random};
use kitty_runtime::fs::{SharedFilesystem, os_filesystem};
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::owner::MemoryFactory;
use kitty_runtime::time::system_time;
use std::path::Path;
use std::sync::Arc;

const ROOT: &str = "/state";

fn work(
    pipeline: &Pipeline,
    memory: &MemoryFactory,
    locks: &Path,
    network: Network,
    observed: &mut Observed,
) {
    let paths = kitty_config::ScopePaths::at(locks);
    let lease = OwnerLease::try_acquire(&os_filesystem(), &paths, &system_time(), "test");
    let _ = pipeline.work(
        Box::new(memory.clone()),
        lease.unwrap().unwrap(),
        network,
        observed,
    );
}

/// One life of the machine: some commands and owners, ending at any moment.
fn live(
    pipeline: &Pipeline,
    boot: &str,
    random: &mut Random,
    memory: &MemoryFactory,
    locks: &Path,
    observed: &mut Observed,
) {
    let clock = pipeline.clock().after_reboot(boot);
    for _ in 0..=random.below(6) {
        if random.below(3) == 0 {
            let network = if random.below(3) == 0 {
                Network::Up
            } else {
                Network::Down
            };
            work(pipeline, memory, locks, network, observed);
        } else {
            let first = observed.attempted.len();
            let ids: Vec<_> = (first..=first + random.below(4))
                .map(|n| format!("event-{n}"))
                .collect();
            pipeline.append(&clock, &ids, observed);
        }
    }
}

fn one_run(seed: u64, locks: &Path) {
    let mut random = Random::new(seed);
    let mut observed = Observed::default();
    let mut disk = PowerCutFilesystem::new(Path::new(ROOT));
    let mut memory = MemoryFactory::default();
    for life in 0..3 {
        let shared: SharedFilesystem = Arc::new(disk.clone());
        let pipeline = Pipeline::new(shared, Path::new(ROOT));
        live(
            &pipeline,
            &format!("{life:08x}"),
            &mut random,
            &memory,
            locks,
            &mut observed,
        );
        disk = disk.after_power_cut(&mut random);
        if random.below(2) == 0 {
            memory = MemoryFactory::default();
        }
    }
    let pipeline = Pipeline::new(Arc::new(disk), Path::new(ROOT));
    work(&pipeline, &memory, locks, Network::Up, &mut observed);
    observed.check(&format!("seed {seed}"));
}

/// How many seeds are tried: 2,000, and more at night.
#[expect(
    clippy::disallowed_methods,
    reason = "the nightly run asks for more by a variable"
)]
fn seeds() -> u64 {
    std::env::var("SPEC_KITTY_FAULT_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(2000)
}

#[test]
fn no_acknowledged_event_is_lost_by_a_power_cut_and_no_lamport_value_repeats() {
    let locks = tempfile::tempdir().unwrap();
    for seed in 0..seeds() {
        one_run(seed, locks.path());
    }
}

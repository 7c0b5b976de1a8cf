//! Sync: two machines with clones of one repository and two worktrees each work by turns, offline by turns,
//! hand each other their commits through git, and end with one board, which the Teamspace shows as well.

use super::SuiteFailure;
use super::stage::{Failing, Stage, ids, lanes, projects, some};
use crate::machine::{Bench, CALL_LIMIT, EventSync, Machine, run as run_program};
use crate::mission::{Mission, initialise, opt_in};
use crate::scene::text;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The branch that both machines share.
const BRANCH: &str = "work";

/// One of the two machines.
struct Side {
    name: &'static str,
    machine: Machine,
    /// Its two working trees: the checkout and a worktree beside it.
    trees: [PathBuf; 2],
}

/// Everything that was captured, by the machine on which it was.
#[derive(Default)]
struct Captured {
    ids: BTreeSet<String>,
    projects: BTreeSet<String>,
    /// The build id under which each working tree captured.
    builds: BTreeMap<String, BTreeSet<String>>,
}

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), Failing> {
    let origin = stage.place("origin.git");
    let (east, west) = prepare(stage, &origin)?;
    let mut captured = Captured::default();

    stage.step("east offline, west online");
    east.machine.set_online(false);
    let of_east = east.work(stage, &mut captured, 0, |machine| {
        Ok(Mission::create(machine, &stage.label("east"))?)
    })?;
    east.work(stage, &mut captured, 1, |machine| {
        Ok(of_east.move_to(machine, "claimed", &[]).map(drop)?)
    })?;
    require_offline(stage, &east)?;
    let of_west = west.work(stage, &mut captured, 0, |machine| {
        Ok(Mission::create(machine, &stage.label("west"))?)
    })?;
    stage.deliver(&west.machine)?;
    exchange(&east, &west)?;

    stage.step("west offline, east online and silent");
    east.machine.set_online(true);
    west.machine.set_online(false);
    let east_on_west = of_east.at(&west.machine);
    let west_on_east = of_west.at(&east.machine);
    west.work(stage, &mut captured, 1, |machine| {
        Ok(east_on_west.finish(machine)?)
    })?;
    require_offline(stage, &west)?;
    east.work(stage, &mut captured, 1, |machine| {
        Ok(west_on_east.move_to(machine, "claimed", &[]).map(drop)?)
    })?;
    exchange(&west, &east)?;

    stage.step("east offline again, west delivers first");
    east.machine.set_online(false);
    west.machine.set_online(true);
    // West's end of the work package arrives before east's beginning of it.
    stage.deliver(&west.machine)?;
    east.work(stage, &mut captured, 0, |machine| {
        let note = ["--note", "waits for the other machine"];
        Ok(west_on_east.move_to(machine, "blocked", &note).map(drop)?)
    })?;
    require_offline(stage, &east)?;
    exchange(&east, &west)?;

    stage.step("both online");
    east.machine.set_online(true);
    for side in [&east, &west] {
        stage.deliver(&side.machine)?;
    }
    judge(stage, [&east, &west], [&of_east, &of_west], &captured)
}

/// Makes the shared repository and both machines, which have logged in and joined the project.
fn prepare(stage: &Stage<'_>, origin: &Path) -> Result<(Side, Side), Failing> {
    stage.step("machines");
    let bench = &stage.suite.bench;
    let location = origin.to_string_lossy();
    let side = |name: &'static str, machine: Machine| -> Result<Side, Failing> {
        let machine = machine.with_uplink(stage.teamspace().uplink()?);
        let (checkout, second) = (machine.checkout(), machine.beside("second"));
        let place = second.to_string_lossy();
        let branch = format!("second-{name}");
        machine.git(&["worktree", "add", "--quiet", &place, "-b", &branch])?;
        stage.log_in(&machine)?;
        opt_in(&machine)?;
        Ok(Side {
            name,
            machine,
            trees: [checkout, second],
        })
    };
    let east = Machine::new(bench, &stage.place("east"), &location)?;
    make_bare(bench, &stage.suite.work, origin)?;
    initialise(&east)?;
    east.git(&["push", "--quiet", "--set-upstream", "origin", BRANCH])?;
    let west = Machine::cloned(bench, &stage.place("west"), &location)?;
    Ok((side("east", east)?, side("west", west)?))
}

fn make_bare(bench: &Bench, beside: &Path, origin: &Path) -> Result<(), Failing> {
    let mut command = Command::new("git");
    let branch = format!("--initial-branch={BRANCH}");
    command
        .args(["init", "--quiet", "--bare", &branch])
        .arg(origin)
        .current_dir(beside)
        .env_clear()
        .env("PATH", &bench.search_path)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", beside);
    let called = run_program(command, "git init --bare", CALL_LIMIT)?;
    if called.code == Some(0) {
        return Ok(());
    }
    Err(Failing::new(SuiteFailure::StepFailed, called.told()))
}

impl Side {
    /// Does something in one of the working trees and notes what it captured, and under which build id.
    fn work<T>(
        &self,
        stage: &Stage<'_>,
        captured: &mut Captured,
        tree: usize,
        work: impl FnOnce(&Machine) -> Result<T, Failing>,
    ) -> Result<T, Failing> {
        let before = ids(&stage.waiting(&self.machine)?);
        self.machine.go_to(&self.trees[tree]);
        let done = work(&self.machine);
        self.machine.go_to(&self.trees[0]);
        let done = done?;
        self.machine.commit("Keep the work")?;
        let mut new = stage.waiting(&self.machine)?;
        new.retain(|it| !before.contains(text(it, "event_id")));
        if new.is_empty() {
            let details = format!("nothing was captured on {}", self.name);
            return Err(Failing::new(SuiteFailure::EventsDiffer, details));
        }
        captured.ids.extend(ids(&new));
        captured.projects.extend(projects(&new));
        let place = format!("{}/{tree}", self.name);
        let builds = captured.builds.entry(place).or_default();
        builds.extend(new.iter().map(|it| text(it, "build_id").to_owned()));
        Ok(done)
    }
}

/// A machine without a way to the server says so, keeps everything, and nothing of it arrives.
fn require_offline(stage: &Stage<'_>, side: &Side) -> Result<(), Failing> {
    let waiting = ids(&stage.waiting(&side.machine)?);
    let called = stage.try_to_deliver(&side.machine)?;
    side.machine.event_sync(EventSync::Withheld)?;
    if called.code == Some(0) {
        return Err(Failing::new(SuiteFailure::OfflineNotTold, called.told()));
    }
    let still = ids(&stage.waiting(&side.machine)?);
    let lost: Vec<&String> = waiting.difference(&still).collect();
    if !lost.is_empty() {
        let lost = some(lost);
        let details = format!("{} lost {lost} while it was offline", side.name);
        return Err(Failing::new(SuiteFailure::EventsDiffer, details));
    }
    let stored = ids(&stage.teamspace().events()?);
    if stored.is_disjoint(&waiting) {
        return Ok(());
    }
    let details = format!("events of {} arrived while it was offline", side.name);
    Err(Failing::new(SuiteFailure::OfflineNotTold, details))
}

/// Hands the commits of each machine to the other.
fn exchange(first: &Side, second: &Side) -> Result<(), Failing> {
    let pull = |side: &Side| {
        let words = ["pull", "--quiet", "--no-rebase", "--no-edit"];
        side.machine
            .git(&[&words[..], &["origin", BRANCH]].concat())
    };
    let push = |side: &Side| side.machine.git(&["push", "--quiet", "origin", BRANCH]);
    pull(first)?;
    push(first)?;
    pull(second)?;
    push(second)?;
    pull(first)?;
    Ok(())
}

/// Requires one board in all four working trees and in the Teamspace, every event there once, and a build
/// id for each working tree.
fn judge(
    stage: &mut Stage<'_>,
    sides: [&Side; 2],
    missions: [&Mission; 2],
    captured: &Captured,
) -> Result<(), Failing> {
    stage.require_materialized(&missions[0].slug, "done")?;
    stage.require_materialized(&missions[1].slug, "blocked")?;
    stage.step("boards");
    stage.require_exactly(&captured.ids, &captured.projects)?;
    for mission in missions {
        let shown = stage.teamspace().mission(&mission.slug)?;
        let served = lanes(&shown.unwrap_or_default());
        for side in sides {
            for tree in &side.trees {
                side.machine.go_to(tree);
                let board = board(&side.machine, &mission.slug)?;
                if board != served {
                    let details = format!(
                        "{}: {} shows {board:?}, and the Teamspace shows {served:?}",
                        mission.slug,
                        tree.display()
                    );
                    return Err(Failing::new(SuiteFailure::BoardDiffers, details));
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    let alone = |builds: &BTreeSet<String>| builds.len() == 1;
    let distinct = captured
        .builds
        .values()
        .all(|builds| alone(builds) && builds.iter().all(|build| seen.insert(build.clone())));
    if distinct && captured.builds.len() == 4 {
        return Ok(());
    }
    let details = format!("the working trees captured under {:?}", captured.builds);
    Err(Failing::new(SuiteFailure::BuildIdShared, details))
}

/// The lanes of a mission's work packages, as the program shows them where it is called.
fn board(machine: &Machine, slug: &str) -> Result<BTreeMap<String, String>, Failing> {
    let words = ["agent", "tasks", "status", "--mission", slug, "--json"];
    let called = machine.spec_kitty(&words)?;
    let document = called.json().filter(|_| called.code == Some(0));
    let failed = || Failing::new(SuiteFailure::StepFailed, called.told());
    let document: Value = document.ok_or_else(failed)?;
    let packages = document["work_packages"].as_array().ok_or_else(failed)?;
    let lane = |it: &Value| (text(it, "id").to_owned(), text(it, "lane").to_owned());
    Ok(packages.iter().map(lane).collect())
}

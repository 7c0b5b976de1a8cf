//! Go-live: what one person does from the login to the finished work package is shown by the Teamspace, by
//! `sync now` and by the daemon, which nobody calls.

use super::SuiteFailure;
use super::stage::{Failing, Stage, ids, projects};
use crate::machine::Machine;
use crate::mission::{Mission, initialise, opt_in};

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), Failing> {
    by_command(stage)?;
    by_daemon(stage)
}

/// A machine on which somebody has logged in and made a project.
fn ready(stage: &Stage<'_>, name: &str) -> Result<Machine, Failing> {
    let machine = stage.machine(name)?;
    stage.log_in(&machine)?;
    initialise(&machine)?;
    opt_in(&machine)?;
    Ok(machine)
}

fn by_command(stage: &mut Stage<'_>) -> Result<(), Failing> {
    let machine = ready(stage, "command")?;
    stage.step("lifecycle");
    let mission = Mission::create(&machine, &stage.label("command"))?;
    mission.finish(&machine)?;
    let captured = stage.waiting(&machine)?;
    stage.step("sync now");
    stage.deliver(&machine)?;
    stage.require_materialized(&mission.slug, "done")?;
    stage.require_exactly(&ids(&captured), &projects(&captured))?;
    Ok(())
}

fn by_daemon(stage: &mut Stage<'_>) -> Result<(), Failing> {
    let machine = ready(stage, "daemon")?;
    stage.step("lifecycle with the daemon");
    let mission = Mission::create(&machine, &stage.label("daemon"))?;
    let captured = stage.waiting(&machine)?;
    machine.allow_daemon()?;
    let started = machine.spec_kitty(&["sync", "daemon", "start"])?;
    if started.code != Some(0) {
        return Err(Failing::new(SuiteFailure::StepFailed, started.told()));
    }
    // From here on nobody asks for a delivery.
    mission.finish(&machine)?;
    stage.require_materialized(&mission.slug, "done")?;
    stage.step("afterwards");
    // What the last move captured besides may still be on its way.
    let emptied = stage.until(|| Ok(stage.waiting(&machine)?.is_empty().then_some(())))?;
    if emptied.is_none() {
        let details = format!("the daemon did not deliver all of {}", mission.slug);
        return Err(Failing::new(SuiteFailure::NotMaterialized, details));
    }
    let project = projects(&captured);
    let mut expected = ids(&captured);
    // The move itself was captured after the events could be looked at.
    expected.extend(ids(&stage.stored_of(&project)?));
    stage.require_exactly(&expected, &project)?;
    Ok(())
}

//! Scenario 1: a machine that nobody used before logs in, makes a mission and delivers it at the first
//! try; the server holds exactly what was captured, under this identity.

use crate::result::FailureMode;
use crate::scene::{Failing, Scene, symptom};
use serde_json::Value;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<(), Failing> {
    scene.log_in()?;
    scene.step("boundary");
    scene.check()?;
    let mission = scene.create_mission("")?;
    scene.step("work");
    mission.finish(&scene.machine)?;
    let captured = scene.captured()?;
    let delivered = scene.deliver()?;
    // A report is written by every release that had something to deliver.
    let report = std::fs::read(scene.machine.beside("report.json")).unwrap_or_default();
    let report: Value = serde_json::from_slice(&report).unwrap_or(Value::Null);
    let unknown = report["summary"]["categories"]["unknown"].as_u64();
    if unknown.is_some_and(|count| count > 0) || symptom(&delivered).is_some() {
        let details = format!("the report counts unknown errors: {report}");
        return Err(Failing::new(FailureMode::EventLoopUnavailable, details));
    }
    scene.require_materialized(&mission, captured.as_deref(), "done")?;
    scene.step("afterwards");
    let check = scene.check()?;
    if check.open_events() > 0 {
        let details = format!("{} events still wait after `sync now`", check.open_events());
        return Err(Failing::new(FailureMode::NotMaterialized, details));
    }
    Ok(())
}

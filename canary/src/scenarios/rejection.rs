//! Scenario 4: a reviewer rejects a work package; what is queued is the rollback, forced and with its
//! reason, valid under the contract, newest, and it is delivered so.

use crate::result::FailureMode;
use crate::scene::{Failing, Scene, moves, text};
use kitty_contract::Gate;
use serde_json::Value;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<(), Failing> {
    scene.log_in()?;
    let mission = scene.create_mission("-s4")?;
    scene.step("review");
    mission.take_into_review(&scene.machine)?;
    scene.check()?;
    scene.step("rejection");
    let feedback = scene.machine.beside("feedback.md");
    scene
        .machine
        .write(&feedback, b"**Issue**: the greeting is rude\n")?;
    let feedback = feedback.to_string_lossy();
    let more = ["--review-feedback-file", &*feedback];
    let answer = mission.try_move(&scene.machine, "planned", &more)?;
    if answer.code != Some(0) {
        return Err(Failing::new(FailureMode::RollbackRefused, answer.told()));
    }
    scene.step("queue");
    let captured = scene.captured()?;
    if let Some(captured) = &captured {
        judge("the queue", captured)?;
    }
    scene.deliver()?;
    let stored = scene.require_materialized(&mission, captured.as_deref(), "planned");
    let stored = stored.map_err(|failing| match newest_is_rollback(scene) {
        Ok(true) | Err(_) => failing,
        Ok(false) => Failing::new(FailureMode::RollbackRowMismatch, failing.details),
    })?;
    judge("the server", &stored)
}

/// Tells whether the newest move of this scenario's mission on the server is the rollback.
fn newest_is_rollback(scene: &Scene<'_>) -> Result<bool, Failing> {
    let slug = scene.evidence.mission_slug.clone().unwrap_or_default();
    let stored = scene.stored()?;
    let of_mission = |it: &&&Value| it["payload"]["mission_slug"] == *slug;
    let moved = moves(&stored);
    let newest = moved.iter().rfind(of_mission);
    Ok(newest.is_none_or(|it| is_rollback(it)))
}

fn is_rollback(moved: &Value) -> bool {
    let payload = &moved["payload"];
    payload["from_lane"] == "in_review" && payload["to_lane"] == "planned"
}

/// Judges the newest move: it is the rollback, once, with force and reason, and the contract has it so.
fn judge(place: &str, events: &[Value]) -> Result<(), Failing> {
    let moved = moves(events);
    let Some(newest) = moved.last() else {
        let details = format!("{place} holds no WPStatusChanged of WP01");
        return Err(Failing::new(FailureMode::RollbackRowMismatch, details));
    };
    let way = |it: &Value| {
        let payload = &it["payload"];
        format!(
            "{}->{}",
            text(payload, "from_lane"),
            text(payload, "to_lane")
        )
    };
    let rollbacks = moved.iter().filter(|it| is_rollback(it)).count();
    if !is_rollback(newest) || rollbacks != 1 {
        let ways: Vec<String> = moved.iter().map(|it| way(it)).collect();
        let details = format!(
            "expected in_review->planned once and newest in {place}, found {}",
            ways.join(", ")
        );
        return Err(Failing::new(FailureMode::RollbackRowMismatch, details));
    }
    let payload = &newest["payload"];
    let gap = |what: String| Failing::new(FailureMode::ForceContractGap, what);
    if payload["force"] != true || text(payload, "reason").trim().is_empty() {
        return Err(gap(format!(
            "in {place} the rollback has force {} and reason {} (spec-kitty-events#32)",
            payload["force"], payload["reason"]
        )));
    }
    Gate::vendored()
        .check_event_value(newest)
        .map_err(|violation| {
            gap(format!(
                "in {place} the contract refuses the rollback: {}",
                violation.verdict()
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn moved(from: &str, to: &str, force: bool, reason: &str) -> Value {
        json!({"event_type": "WPStatusChanged", "payload": {
            "wp_id": "WP01", "from_lane": from, "to_lane": to, "force": force, "reason": reason,
        }})
    }

    fn mode(events: &[Value]) -> FailureMode {
        judge("the queue", events).unwrap_err().mode
    }

    #[test]
    fn what_is_not_the_rollback_forced_and_with_its_reason_is_named() {
        let review = moved("for_review", "in_review", false, "");
        let rollback = moved("in_review", "planned", true, "backward rewind");
        assert_eq!(mode(&[]), FailureMode::RollbackRowMismatch);
        assert_eq!(
            mode(std::slice::from_ref(&review)),
            FailureMode::RollbackRowMismatch
        );
        let overwritten = [rollback.clone(), review.clone()];
        assert_eq!(mode(&overwritten), FailureMode::RollbackRowMismatch);
        let twice = [rollback.clone(), rollback.clone()];
        assert_eq!(mode(&twice), FailureMode::RollbackRowMismatch);
        for (force, reason) in [(false, "backward rewind"), (true, ""), (true, " ")] {
            let rollback = moved("in_review", "planned", force, reason);
            assert_eq!(
                mode(&[review.clone(), rollback]),
                FailureMode::ForceContractGap
            );
        }
        // Forced and with a reason, and yet no envelope that the contract knows.
        assert_eq!(mode(&[review, rollback]), FailureMode::ForceContractGap);
    }
}

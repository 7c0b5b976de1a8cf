//! Pulse: somebody watches while two machines work by turns; every event that is delivered is told of once,
//! in the order in which the reading API lists it, and each machine's in the order of its captures.

use super::SuiteFailure;
use super::stage::{Failing, Stage, ids, projects, some};
use crate::machine::Machine;
use crate::mission::{Mission, initialise, opt_in};
use crate::ports::{Live, Subscription};
use crate::scene::text;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A machine that is watched, and the ids of what it captured, in order.
struct Watched {
    machine: Machine,
    mission: Mission,
    captured: Vec<String>,
}

/// A piece of work on a watched machine.
type Step = fn(&Watched) -> Result<(), Failing>;

/// What the subscriber has heard of the watched machines, in order.
struct Watch {
    line: Box<dyn Subscription>,
    heard: Vec<Live>,
}

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), Failing> {
    stage.step("subscription");
    let mut watch = Watch {
        line: stage.teamspace().subscribe()?,
        heard: Vec::new(),
    };
    let mut ours = BTreeSet::new();
    let mut machines = [
        begin(stage, "first", &mut ours)?,
        begin(stage, "second", &mut ours)?,
    ];
    let steps: [Step; 3] = [
        |_| Ok(()),
        |it| Ok(it.mission.move_to(&it.machine, "claimed", &[]).map(drop)?),
        |it| Ok(it.mission.finish(&it.machine)?),
    ];
    for step in steps {
        for watched in &mut machines {
            step(watched)?;
            turn(stage, watched, &mut watch, &ours)?;
        }
    }
    for watched in &machines {
        stage.require_materialized(&watched.mission.slug, "done")?;
    }
    let captured = machines.iter().flat_map(|it| it.captured.iter().cloned());
    let listed = stage.require_exactly(&captured.collect(), &ours)?;
    compare(&watch.heard, &listed)?;
    machines
        .iter()
        .try_for_each(|it| in_order(it, &watch.heard))
}

fn begin(stage: &Stage<'_>, name: &str, ours: &mut BTreeSet<String>) -> Result<Watched, Failing> {
    let machine = stage.machine(name)?;
    stage.log_in(&machine)?;
    stage.step("mission");
    initialise(&machine)?;
    opt_in(&machine)?;
    let mission = Mission::create(&machine, &stage.label(name))?;
    ours.extend(projects(&stage.waiting(&machine)?));
    Ok(Watched {
        machine,
        mission,
        captured: Vec::new(),
    })
}

/// Delivers what a machine captured; before anything else happens the subscriber hears of it.
fn turn(
    stage: &Stage<'_>,
    watched: &mut Watched,
    watch: &mut Watch,
    ours: &BTreeSet<String>,
) -> Result<(), Failing> {
    let waiting = stage.waiting(&watched.machine)?;
    let id = |it: &Value| text(it, "event_id").to_owned();
    watched.captured.extend(waiting.iter().map(id));
    stage.step("sync now");
    stage.deliver(&watched.machine)?;
    stage.step("live events");
    let mut missing = ids(&waiting);
    let started = Instant::now();
    while !missing.is_empty() {
        let left = stage.suite.patience.saturating_sub(started.elapsed());
        let Some(live) = watch.line.next(left.max(Duration::from_millis(1)))? else {
            let seconds = stage.suite.patience.as_secs();
            let details = format!(
                "{} of {} delivered events of {} were not told of within {seconds}s: {}",
                missing.len(),
                waiting.len(),
                watched.mission.slug,
                some(&missing)
            );
            return Err(Failing::new(SuiteFailure::PulseMissed, details));
        };
        // Others may work in the same Teamspace.
        if ours.contains(text(&live.envelope, "project_uuid")) {
            missing.remove(text(&live.envelope, "event_id"));
            watch.heard.push(live);
        }
    }
    Ok(())
}

/// Requires that what was heard is what is listed, once each, in the same order, with rising places.
fn compare(heard: &[Live], listed: &[Value]) -> Result<(), Failing> {
    let differs = |details: String| Err(Failing::new(SuiteFailure::PulseDiffers, details));
    if let Some(pair) = heard.windows(2).find(|it| it[0].sequence >= it[1].sequence) {
        let (one, next) = (pair[0].sequence, pair[1].sequence);
        return differs(format!("the place {next} was told of after {one}"));
    }
    if heard.len() != listed.len() {
        let (heard, listed) = (heard.len(), listed.len());
        return differs(format!("{heard} events were told of, {listed} are listed"));
    }
    let other = heard
        .iter()
        .zip(listed)
        .find(|(live, it)| live.envelope != **it);
    match other {
        None => Ok(()),
        Some((live, listed)) => differs(format!(
            "at the place {} {} was told of, and {} is listed",
            live.sequence,
            text(&live.envelope, "event_id"),
            text(listed, "event_id")
        )),
    }
}

fn in_order(watched: &Watched, heard: &[Live]) -> Result<(), Failing> {
    let captured: BTreeSet<&str> = watched.captured.iter().map(String::as_str).collect();
    let heard = heard.iter().map(|it| text(&it.envelope, "event_id"));
    let heard: Vec<&str> = heard.filter(|id| captured.contains(id)).collect();
    if heard == watched.captured {
        return Ok(());
    }
    let other = watched
        .captured
        .iter()
        .zip(&heard)
        .find(|(it, id)| it != *id);
    let details = format!(
        "{} captured {} events and {} were told of; the first that differ are {other:?}",
        watched.mission.slug,
        watched.captured.len(),
        heard.len()
    );
    Err(Failing::new(SuiteFailure::OrderBroken, details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(sequence: i64, id: &str) -> Live {
        Live {
            sequence,
            envelope: json!({"event_id": id}),
        }
    }

    #[test]
    fn whatever_is_missing_twice_exchanged_or_different_is_found() {
        let listed = [json!({"event_id": "a"}), json!({"event_id": "b"})];
        let verdict = |heard: &[Live]| compare(heard, &listed).map_err(|it| it.details);
        assert_eq!(verdict(&[live(3, "a"), live(7, "b")]), Ok(()));
        for (heard, says) in [
            (vec![live(3, "a")], "1 events were told of, 2 are listed"),
            (
                vec![live(3, "a"), live(3, "a")],
                "the place 3 was told of after 3",
            ),
            (
                vec![live(7, "b"), live(3, "a")],
                "the place 3 was told of after 7",
            ),
            (
                vec![live(3, "b"), live(7, "a")],
                "at the place 3 b was told of, and a is listed",
            ),
        ] {
            assert_eq!(verdict(&heard), Err(says.to_owned()));
        }
        let mut changed = live(7, "b");
        changed.envelope["payload"] = json!({});
        assert!(verdict(&[live(3, "a"), changed]).is_err());
    }
}

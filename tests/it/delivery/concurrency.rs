//! Many processes at once: writers never wait, and one process at a time delivers.

use super::relay::Relay;
use super::{DELIVERED, PENDING};
use crate::support::process::Running;
use crate::support::sandbox::Sandbox;
use std::collections::BTreeSet;

const PROCESSES: usize = 8;
const EVENTS: usize = 20;

#[test]
fn writers_and_deliveries_at_the_same_time_store_every_event_once() {
    let relay = Relay::start();
    let mut sandbox = Sandbox::new();
    relay.log_in(&mut sandbox);
    // The project gets its identity before anybody competes.
    let first = super::capture(&sandbox, 1);
    let start = |arguments: &[&str]| sandbox.call(arguments).start();
    let events = EVENTS.to_string();
    let (mut writers, mut deliveries) = (Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        writers.push(start(&["demo-burst", "--count", &events]));
        deliveries.push(start(&["sync", "now", "--json"]));
    }
    let written: Vec<Vec<String>> = writers
        .into_iter()
        .map(|writer| {
            let run = writer.finish().expect_code(0);
            let lines = run.stdout.lines();
            lines
                .filter_map(|line| line.strip_prefix("stored "))
                .map(str::to_owned)
                .collect()
        })
        .collect();
    let mut delivered = 0;
    for report in deliveries.into_iter().map(Running::finish) {
        assert!([DELIVERED, PENDING].contains(&report.code()), "{report:?}");
        let report = report.json();
        if report["outcome"] == "pending" {
            assert_eq!(
                report["blocked"]["reason"], "queue_owned_elsewhere",
                "{report}"
            );
        }
        assert_eq!(report["duplicate"], 0, "an event was sent twice: {report}");
        delivered += report["delivered"].as_u64().unwrap();
    }
    let report = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(report["duplicate"], 0, "{report}");
    delivered += report["delivered"].as_u64().unwrap();
    let stored = relay.teamspace.stored_ids();
    assert_eq!(
        (stored.len(), delivered),
        (PROCESSES * EVENTS + 1, stored.len() as u64)
    );
    let every: BTreeSet<&String> = written.iter().flatten().chain(&first).collect();
    assert_eq!(stored.iter().collect::<BTreeSet<_>>(), every);
    for of_one in &written {
        let kept: Vec<&String> = stored.iter().filter(|id| of_one.contains(id)).collect();
        assert_eq!(
            kept,
            of_one.iter().collect::<Vec<_>>(),
            "the order of one writer"
        );
    }
    assert_eq!(
        relay.most_at_once(),
        1,
        "two processes delivered at the same time"
    );
}

//! No mutation between runs: what was there before and after each run, compared by hash.

use super::facts::RunFound;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the gate watches at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// How many events the server holds for the team.
    pub events: u64,
    /// The sequence number of the last of them.
    pub last_sequence: i64,
    /// The SHA-256 over all of them, in order of arrival.
    pub events_digest: String,
    /// How many failed rows the server holds for the team.
    pub failures: u64,
    /// The SHA-256 over them.
    pub failures_digest: String,
    /// The SHA-256 of each watched file (queues and owner record) by path; absent files are not named.
    pub files: BTreeMap<String, String>,
}

/// One run between two snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Right before the run.
    pub before: Snapshot,
    /// Right after it.
    pub after: Snapshot,
    /// The digest, after the run, over the events that were there before it.
    pub earlier_events_digest: String,
    /// How many of the events that came during the run are not of the canary's account.
    pub foreign_events: u64,
}

/// Names everything that changed although no run changed it; empty when there is nothing.
#[must_use]
pub fn mutations(runs: &[RunFound]) -> Vec<String> {
    let mut found = Vec::new();
    for run in runs {
        found.extend(within(run));
    }
    for pair in runs.windows(2) {
        if let [first, second] = pair {
            let place = format!(
                "between run {} and run {}",
                first.run_number, second.run_number
            );
            let (before, after) = (&first.span.after, &second.span.before);
            if (before.events, &before.events_digest, before.last_sequence)
                != (after.events, &after.events_digest, after.last_sequence)
            {
                found.push(format!("{place} the server's events changed"));
            }
            if (before.failures, &before.failures_digest)
                != (after.failures, &after.failures_digest)
            {
                found.push(format!("{place} the server's failed rows changed"));
            }
            found.extend(files(&place, &before.files, &after.files));
        }
    }
    found
}

/// What a run itself must not change: older events, failed rows, the watched files.
fn within(run: &RunFound) -> Vec<String> {
    let place = format!("during run {}", run.run_number);
    let Span {
        before,
        after,
        earlier_events_digest,
        foreign_events,
    } = &run.span;
    let mut found = Vec::new();
    if *earlier_events_digest != before.events_digest {
        found.push(format!("{place} events that were there before it changed"));
    }
    if *foreign_events > 0 {
        found.push(format!(
            "{place} {foreign_events} event(s) of another account arrived"
        ));
    }
    if (before.failures, &before.failures_digest) != (after.failures, &after.failures_digest) {
        found.push(format!("{place} the server's failed rows changed"));
    }
    found.extend(files(&place, &before.files, &after.files));
    found
}

fn files(
    place: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differs = |name: &&&String| before.get(**name) != after.get(**name);
    let changed = names.iter().filter(differs);
    changed
        .map(|name| format!("{place} {name} changed"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Outcome;

    fn snapshot(events: u64) -> Snapshot {
        Snapshot {
            events,
            last_sequence: i64::try_from(events).unwrap(),
            events_digest: format!("e{events}"),
            failures: 22,
            failures_digest: "f".into(),
            files: BTreeMap::from([("owner.json".to_owned(), "o".to_owned())]),
        }
    }

    fn runs() -> Vec<RunFound> {
        let run = |number: u8| RunFound {
            run_number: number,
            run_id: format!("R{number}"),
            outcome: Outcome::Pass,
            cli_version: "1".into(),
            scenarios: vec![None; 4],
            span: Span {
                before: snapshot(u64::from(number)),
                after: snapshot(u64::from(number) + 1),
                earlier_events_digest: format!("e{number}"),
                foreign_events: 0,
            },
        };
        (1..=4).map(run).collect()
    }

    #[test]
    fn the_canarys_own_traffic_is_no_mutation() {
        assert_eq!(mutations(&runs()), Vec::<String>::new());
    }

    /// A change, and what is said about it.
    type Case = (fn(&mut [RunFound]), &'static str);

    #[test]
    fn every_other_change_is_named_with_its_place() {
        let cases: &[Case] = &[
            (
                |it| it[1].span.before.events += 1,
                "between run 1 and run 2 the server's events changed",
            ),
            (
                |it| it[1].span.before.last_sequence += 1,
                "between run 1 and run 2 the server's events changed",
            ),
            (
                |it| it[3].span.before.failures += 1,
                "between run 3 and run 4 the server's failed rows changed",
            ),
            (
                |it| it[2].span.earlier_events_digest = "x".into(),
                "during run 3 events that were there before it changed",
            ),
            (
                |it| it[0].span.foreign_events = 2,
                "during run 1 2 event(s) of another account arrived",
            ),
            (
                |it| it[0].span.after.failures_digest = "x".into(),
                "during run 1 the server's failed rows changed",
            ),
            (
                |it| {
                    it[2].span.before.files.clear();
                },
                "between run 2 and run 3 owner.json changed",
            ),
            (
                |it| {
                    it[3].span.after.files.insert("queue.db".into(), "q".into());
                },
                "during run 4 queue.db changed",
            ),
        ];
        for (change, expected) in cases {
            let mut runs = runs();
            change(&mut runs);
            let found = mutations(&runs);
            assert!(
                found.contains(&(*expected).to_owned()),
                "{expected}: {found:?}"
            );
        }
    }
}

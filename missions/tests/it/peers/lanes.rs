//! Random missions: the same lanes, and `lanes.json` byte for byte.

use super::{Dice, ask};
use kitty_missions::dependency_graph::DependencyGraph;
use kitty_missions::lanes_manifest::LanesManifest;
use kitty_missions::lanes_manifest::compute::{ComputeProblem, LanesRequest, Ownership, compute};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const GLOBS: [&str; 12] = [
    "src/a/**",
    "src/a/b.py",
    "src/b/*",
    "src/c.py",
    "tests/**",
    "docs/é.md",
    "src/[ab]/x.py",
    "src/?.py",
    "it's/x",
    "**",
    "lib/x*",
    "lib/xyz/q.rs",
];
const BODIES: [&str; 4] = [
    "",
    "The DASHBOARD and its route",
    "sync with the tracker",
    "Test suite",
];

fn packages(dice: &mut Dice) -> Value {
    let count = 1 + dice.roll(12);
    let mut packages = Map::new();
    for at in 0..count {
        // Mostly backwards, so that most missions have no cycle.
        let reach = if dice.chance(12) { count } else { at };
        let needs: Vec<String> = (0..if reach == 0 { 0 } else { dice.roll(3) })
            .map(|_| dice.roll(reach))
            .filter(|other| *other != at)
            .map(|other| format!("WP{:02}", other + 1))
            .collect();
        let globs: Vec<&str> = (0..dice.roll(3)).map(|_| *dice.pick(&GLOBS[..])).collect();
        let kind = if dice.chance(6) {
            "planning_artifact"
        } else {
            "code_change"
        };
        packages.insert(
            format!("WP{:02}", at + 1),
            json!({"needs": needs, "owned_files": globs, "kind": kind, "body": dice.pick(&BODIES[..])}),
        );
    }
    Value::Object(packages)
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().unwrap().iter();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn python_computes_the_same_lanes_and_reads_them() {
    let cases: Vec<Value> = (0..500)
        .map(|seed| {
            let packages = packages(&mut Dice(seed));
            json!({"packages": packages, "slug": "a-mission", "mission_id": null})
        })
        .collect();
    let Some(theirs) = ask(&json!({"lanes": cases})) else {
        return;
    };
    let mut refused = 0;
    for (case, theirs) in cases.iter().zip(theirs.as_array().unwrap()) {
        let packages = case["packages"].as_object().unwrap();
        let graph: DependencyGraph = packages
            .iter()
            .map(|(id, package)| (id.clone(), texts(&package["needs"])))
            .collect();
        let owned = packages.iter().map(|(id, package)| {
            let owned = Ownership {
                is_planning: package["kind"] == "planning_artifact",
                owned_files: texts(&package["owned_files"]),
                body: package["body"].as_str().unwrap().to_owned(),
            };
            (id.clone(), owned)
        });
        let owned: BTreeMap<String, Ownership> = owned.collect();
        let computed_at = theirs["text"].as_str().map(|text| {
            let read: Value = serde_json::from_str(text).unwrap();
            read["computed_at"].as_str().unwrap().to_owned()
        });
        let request = LanesRequest {
            mission_slug: "a-mission",
            mission_id: None,
            mission_branch: "kitty/mission-a-mission",
            target_branch: "main",
            computed_at: computed_at.as_deref().unwrap_or_default(),
        };
        match compute(&graph, &owned, &request) {
            Ok(lanes) => {
                let text = lanes.print();
                assert_eq!(Some(text.as_str()), theirs["text"].as_str(), "{case}");
                assert_eq!(LanesManifest::parse(&text).unwrap(), lanes);
            }
            Err(problem) => {
                refused += 1;
                let Some(theirs) = theirs["error"].as_str() else {
                    // Within the planning lane Python does not look for cycles here.
                    assert!(matches!(problem, ComputeProblem::Dependencies(_)), "{case}");
                    continue;
                };
                // Python meets a cycle within a lane first, and does not name it.
                if theirs != "Graph contains a cycle - cannot topologically sort" {
                    assert_eq!(problem.to_string(), theirs, "{case}");
                }
            }
        }
    }
    assert!((1..250).contains(&refused), "{refused} refused");
}

//! Reading and printing, and questions about lanes.

use super::compute::{ComputeProblem, LanesRequest, Ownership, compute};
use super::*;
use crate::dependency_graph::DependencyGraph;

const FILE: &str = r#"{
  "version": 1,
  "mission_slug": "m\u00e9",
  "mission_id": null,
  "mission_branch": "kitty/mission-m",
  "target_branch": "work",
  "lanes": [
    {
      "lane_id": "lane-a",
      "wp_ids": [
        "WP01"
      ],
      "write_scope": [],
      "predicted_surfaces": [],
      "depends_on_lanes": [],
      "parallel_group": 0
    },
    {
      "lane_id": "lane-planning",
      "wp_ids": [
        "WP02"
      ],
      "write_scope": [],
      "predicted_surfaces": [
        "planning"
      ],
      "depends_on_lanes": [],
      "parallel_group": 0
    }
  ],
  "computed_at": "t",
  "computed_from": "dependency_graph+ownership",
  "planning_artifact_wps": [
    "WP02"
  ],
  "planning_commit_sha": "0226dab"
}
"#;

#[test]
fn a_file_prints_as_it_was_and_keys_of_a_newer_release_stay() {
    let manifest = LanesManifest::parse(FILE).unwrap();
    assert_eq!(manifest.print(), FILE);
    let newer = FILE.replace(
        "\"0226dab\"\n",
        "\"0226dab\",\n  \"new\": {\n    \"a\": 1\n  }\n",
    );
    assert_eq!(LanesManifest::parse(&newer).unwrap().print(), newer);
}

#[test]
fn an_earlier_file_without_the_optional_keys_is_read() {
    let text = r#"{"version": 1, "mission_slug": "m", "mission_branch": "b", "target_branch": "t",
        "lanes": [{"lane_id": "lane-a", "wp_ids": ["WP01"]}], "computed_at": "", "computed_from": ""}"#;
    let manifest = LanesManifest::parse(text).unwrap();
    assert_eq!(manifest.planning_commit_sha, None);
    let broken = LanesManifest::parse("{\"version\": 1}")
        .unwrap_err()
        .to_string();
    assert!(
        broken.starts_with("lanes.json is corrupt or malformed: missing field"),
        "{broken}"
    );
}

#[test]
fn a_lane_has_its_own_branch_and_planning_works_on_the_target() {
    let manifest = LanesManifest::parse(FILE).unwrap();
    let branch = |id: &str| manifest.branch_of(manifest.lane_of(id).unwrap());
    assert_eq!(branch("WP01"), "kitty/mission-m-lane-a");
    assert_eq!(branch("WP02"), "work");
    assert!(manifest.lane_of("WP03").is_none());
    assert_eq!(manifest.by_work_package()["WP02"].lane_id, PLANNING_LANE);
}

fn request() -> LanesRequest<'static> {
    LanesRequest {
        mission_slug: "m",
        mission_id: None,
        mission_branch: "kitty/mission-m",
        target_branch: "main",
        computed_at: "t",
    }
}

#[test]
fn more_lanes_than_letters_have_two() {
    let ids: Vec<String> = (0..30).map(|at| format!("WP{at:02}")).collect();
    let graph: DependencyGraph = ids
        .iter()
        .map(|id| (id.clone(), Vec::<String>::new()))
        .collect();
    let owned = ids.iter().map(|id| {
        let owned = Ownership {
            owned_files: vec![format!("src/{id}.py")],
            ..Ownership::default()
        };
        (id.clone(), owned)
    });
    let manifest = compute(&graph, &owned.collect(), &request()).unwrap();
    assert_eq!(manifest.lane_of("WP25").unwrap().lane_id, "lane-z");
    assert_eq!(manifest.lane_of("WP29").unwrap().lane_id, "lane-ad");
}

#[test]
fn a_work_package_without_ownership_and_a_cycle_are_refused() {
    let graph: DependencyGraph = [("WP01", vec!["WP02"]), ("WP02", vec!["WP01"])]
        .into_iter()
        .collect();
    let missing = compute(&graph, &BTreeMap::new(), &request()).unwrap_err();
    assert_eq!(missing, ComputeProblem::NoOwnership("WP01".to_owned()));
    let owned = |two: &str| {
        let own = |glob: &str| Ownership {
            owned_files: vec![glob.to_owned()],
            ..Ownership::default()
        };
        [("WP01".to_owned(), own("a")), ("WP02".to_owned(), own(two))].into()
    };
    let apart = compute(&graph, &owned("b"), &request())
        .unwrap_err()
        .to_string();
    assert_eq!(
        apart,
        "Execution-lane dependency cycle detected: lane-a -> lane-b -> lane-a"
    );
    let together = compute(&graph, &owned("a"), &request())
        .unwrap_err()
        .to_string();
    assert!(
        together.starts_with("Circular dependency detected: WP01"),
        "{together}"
    );
}

//! Rows as the releases wrote them, and what becomes of each.

use super::*;

const PROJECT: &str = "11111111-2222-4333-8444-555555555555";

fn row(kind: &str, payload: Value) -> Value {
    json!({
        "event_id": "01KDWSPT000000000000000001", "event_type": kind, "aggregate_id": "WP01",
        "aggregate_type": "WorkPackage", "node_id": "abcdef012345", "lamport_clock": 1,
        "causation_id": null, "timestamp": "2026-01-02T03:04:05+00:00", "team_slug": "local",
        "project_uuid": PROJECT, "payload": payload,
    })
}

fn judged(row: &Value) -> Result<Value, &'static str> {
    let bytes = row.to_string().into_bytes();
    let id = "01KDWSPT000000000000000001";
    let sound = judge(&bytes, id, row["event_type"].as_str(), None);
    sound
        .map(|sound| serde_json::from_slice(&sound.bytes).unwrap())
        .map_err(|refusal| {
            assert!(
                refusal.reason != "contract" || row["aggregate_type"] == "Feature",
                "{refusal:?}"
            );
            refusal.reason
        })
}

/// The payload that 3.0.3 queues, recorded from the released package.
#[test]
fn fr_014_a_move_of_3_0_3_gets_the_mode_and_force_that_the_python_repair_gives_it() {
    let old = json!({"wp_id": "WP01", "from_lane": "claimed", "to_lane": "doing",
                     "actor": "claude", "feature_slug": "001-x", "policy_metadata": null});
    let new = judged(&row("WPStatusChanged", old)).unwrap();
    assert_eq!(
        new["payload"],
        json!({"wp_id": "WP01", "from_lane": "claimed", "to_lane": "in_progress",
               "actor": "claude", "mission_slug": "001-x",
               "execution_mode": "direct_repo", "force": false})
    );
}

#[test]
fn fr_014_a_flat_artifact_becomes_a_namespaced_one_and_keeps_every_value() {
    let namespace = json!({"project_uuid": PROJECT, "feature_slug": "001-x", "target_branch": "main",
                           "mission_key": "software-dev", "manifest_version": "1"});
    let hash = "a".repeat(64);
    let old = json!({"feature_slug": "001-x", "artifact_key": "input.spec.main", "artifact_class": "other",
                     "relative_path": "spec.md", "content_hash_sha256": hash, "size_bytes": 7,
                     "required_status": "required", "namespace": namespace});
    let mut old_row = row("MissionDossierArtifactIndexed", old);
    old_row["aggregate_type"] = json!("MissionDossier");
    let new = judged(&old_row).unwrap();
    assert_eq!(
        new["payload"],
        json!({
            "namespace": {"project_uuid": PROJECT, "mission_slug": "001-x", "target_branch": "main",
                          "mission_type": "software-dev", "manifest_version": "1"},
            "artifact_id": {"mission_type": "software-dev", "path": "spec.md", "artifact_class": "runtime"},
            "content_ref": {"algorithm": "sha256", "hash": hash, "size_bytes": 7},
            "indexed_at": "2026-01-02T03:04:05+00:00",
            "context_diagnostics": {"artifact_key": "input.spec.main", "required_status": "required",
                                    "artifact_class": "other"},
        })
    );
}

#[test]
fn fr_014_a_team_called_local_is_no_team() {
    let new = judged(&row(
        "HistoryAdded",
        json!({"wp_id": "WP01", "entry_type": "note", "entry_content": "x", "author": "user"}),
    ));
    assert_eq!(new.unwrap()["team_slug"], Value::Null);
}

#[test]
fn fr_018_no_event_of_the_feature_era_gets_through() {
    for kind in ["FeatureCreated", "FeatureClosed", "FeatureCompleted"] {
        let old = row(kind, json!({"feature_slug": "001-x"}));
        assert_eq!(judged(&old), Err("event_of_the_feature_era"));
    }
    let mut old = row(
        "HistoryAdded",
        json!({"wp_id": "WP01", "entry_type": "note", "entry_content": "x", "author": "user"}),
    );
    old["aggregate_type"] = json!("Feature");
    assert_eq!(judged(&old), Err("contract"));
}

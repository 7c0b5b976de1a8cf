//! The events that tell of a dossier: what is new since it was told of last.

use super::remembered::{Remembered, Told};
use super::{Absence, Artifact, ArtifactClass, Dossier, Namespace};
use jiff::Timestamp;
use kitty_runtime::envelope::EventDraft;
use kitty_runtime::id::EventIds;
use kitty_runtime::time::iso;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The kind of thing that dossier events are about.
const AGGREGATE: &str = "MissionDossier";

/// What is to be told, and what is to be remembered once it is stored.
#[derive(Debug, Clone)]
pub struct News {
    /// The events, in order; none when nothing has changed.
    pub drafts: Vec<EventDraft>,
    /// The paths whose content is new.
    pub changed: Vec<String>,
    /// What is known of the mission from now on.
    pub told: Told,
}

/// Compares a dossier with what was told of the mission last; `baseline` is the hash that somebody has
/// accepted as the right one, if anybody has.
///
/// One event per artifact that is new or changed or cannot be used although it is needed, one for the
/// snapshot, and one for the drift away from the last snapshot, or from the baseline.
#[must_use]
pub fn news(
    dossier: &Dossier,
    last: Option<&Told>,
    baseline: Option<&str>,
    ids: &EventIds,
    now: Timestamp,
) -> News {
    let told = Told {
        namespace: dossier.namespace.clone(),
        snapshot_hash: dossier.snapshot_hash(),
        counts: dossier.counts(),
        artifacts: remembered(dossier),
    };
    let telling = Telling {
        dossier,
        last: last.filter(|last| is_same_mission(&last.namespace, &told.namespace)),
        told: &told,
        ids,
        now,
    };
    let (mut drafts, changed) = telling.artifacts();
    let is_new = telling.last.is_none_or(|last| {
        (&last.snapshot_hash, last.counts, &last.namespace)
            != (&told.snapshot_hash, told.counts, &told.namespace)
    });
    if is_new {
        drafts.push(telling.snapshot());
        drafts.extend(telling.drift(baseline));
    }
    News {
        drafts,
        changed,
        told,
    }
}

fn remembered(dossier: &Dossier) -> BTreeMap<String, Remembered> {
    let artifacts = dossier.artifacts.iter().map(|artifact| {
        let remembered = Remembered {
            class: artifact.class,
            content: artifact.content.clone(),
        };
        (artifact.path.clone(), remembered)
    });
    artifacts.collect()
}

/// Another version of the list of expected artifacts does not make another mission.
fn is_same_mission(one: &Namespace, other: &Namespace) -> bool {
    let manifest_version = other.manifest_version.clone();
    let one = Namespace {
        manifest_version,
        ..one.clone()
    };
    one == *other
}

struct Telling<'a> {
    dossier: &'a Dossier,
    last: Option<&'a Told>,
    told: &'a Told,
    ids: &'a EventIds,
    now: Timestamp,
}

impl Telling<'_> {
    /// The events of single artifacts, and the paths with new content.
    fn artifacts(&self) -> (Vec<EventDraft>, Vec<String>) {
        let (mut drafts, mut changed) = (Vec::new(), Vec::new());
        // A name that has changed in any part is told of in whole.
        let last = self
            .last
            .filter(|last| last.namespace == self.told.namespace);
        for artifact in &self.dossier.artifacts {
            let before = last.and_then(|last| last.artifacts.get(&artifact.path));
            if before.is_some_and(|before| before.content == artifact.content) {
                continue;
            }
            match &artifact.content {
                Ok(hash) => {
                    drafts.push(self.indexed(artifact, hash));
                    changed.push(artifact.path.clone());
                }
                Err(why) if artifact.required => drafts.push(self.missing(artifact, *why)),
                Err(_) => {}
            }
        }
        (drafts, changed)
    }

    fn indexed(&self, artifact: &Artifact, hash: &str) -> EventDraft {
        let required = if artifact.required {
            "required"
        } else {
            "optional"
        };
        self.draft(
            "MissionDossierArtifactIndexed",
            &artifact.path,
            json!({
                "artifact_id": self.identity(&artifact.path, artifact.class),
                "content_ref": {
                    "algorithm": "sha256",
                    "hash": hash,
                    "size_bytes": artifact.size,
                },
                "context_diagnostics": {
                    "artifact_key": artifact.key,
                    "required_status": required,
                },
                "indexed_at": iso(self.now),
            }),
        )
    }

    fn missing(&self, artifact: &Artifact, why: Absence) -> EventDraft {
        self.draft(
            "MissionDossierArtifactMissing",
            &artifact.path,
            json!({
                "checked_at": iso(self.now),
                "context_diagnostics": {
                    "artifact_key": artifact.key,
                    "reason_code": why.to_string(),
                },
                "expected_identity": self.identity(&artifact.path, artifact.class),
                "manifest_step": "default",
            }),
        )
    }

    fn snapshot(&self) -> EventDraft {
        let counts = self.told.counts;
        let completeness = match (self.dossier.has_manifest, counts.required_missing()) {
            (false, _) => "unknown",
            (true, 0) => "complete",
            (true, _) => "incomplete",
        };
        let event_id = self.ids.next();
        let mut draft = self.draft(
            "MissionDossierSnapshotComputed",
            &event_id.to_string(),
            json!({
                "algorithm": "sha256",
                "anomaly_count": counts.required_missing(),
                "artifact_count": counts.total,
                "computed_at": iso(self.now),
                // The contract wants text here.
                "context_diagnostics": {
                    "completeness_status": completeness,
                    "optional_artifacts": counts.optional.to_string(),
                    "optional_present": counts.optional_present.to_string(),
                    "required_artifacts": counts.required.to_string(),
                    "required_present": counts.required_present.to_string(),
                    "snapshot_id": event_id.to_string(),
                },
                "snapshot_hash": self.told.snapshot_hash,
            }),
        );
        draft.event_id = event_id;
        draft
    }

    /// Drift away from the baseline, or else from the last snapshot; `None` where they agree.
    fn drift(&self, baseline: Option<&str>) -> Option<EventDraft> {
        let last = self.last.map(|last| last.snapshot_hash.as_str());
        let expected = baseline.or(last)?;
        if expected == self.told.snapshot_hash {
            return None;
        }
        let changes = self.last.map(|last| Changes::between(last, self.told));
        let changes = changes.unwrap_or_default();
        let changed: Vec<Value> = changes
            .all()
            .map(|(path, class)| self.identity(path, class))
            .collect();
        let mut payload = json!({
            "actual_hash": self.told.snapshot_hash,
            "context_diagnostics": { "severity": "warning" },
            "detected_at": iso(self.now),
            "drift_kind": self.drift_kind(&changes),
            "expected_hash": expected,
        });
        if !changed.is_empty() {
            payload["artifact_ids_changed"] = Value::Array(changed);
        }
        Some(self.draft("MissionDossierParityDriftDetected", "drift", payload))
    }

    fn drift_kind(&self, changes: &Changes<'_>) -> &'static str {
        let Some(last) = self.last else {
            return "anomaly_introduced";
        };
        let (before, now) = (
            last.counts.required_missing(),
            self.told.counts.required_missing(),
        );
        let is_empty = (
            changes.added.is_empty(),
            changes.removed.is_empty(),
            changes.mutated.is_empty(),
        );
        match is_empty {
            _ if last.namespace != self.told.namespace => "manifest_version_changed",
            _ if now > before => "anomaly_introduced",
            _ if now < before => "anomaly_resolved",
            (false, true, true) => "artifact_added",
            (true, false, true) => "artifact_removed",
            _ => "artifact_mutated",
        }
    }

    fn identity(&self, path: &str, class: ArtifactClass) -> Value {
        json!({
            "artifact_class": class.as_str(),
            "mission_type": self.told.namespace.mission_type,
            "path": path,
        })
    }

    fn draft(&self, event_type: &'static str, about: &str, payload: Value) -> EventDraft {
        let namespace = &self.told.namespace;
        let mut payload = match payload {
            Value::Object(payload) => payload,
            _ => Map::new(),
        };
        payload.insert("namespace".to_owned(), json!(namespace));
        EventDraft {
            event_id: self.ids.next(),
            event_type,
            aggregate_type: AGGREGATE,
            aggregate_id: format!("{}:{about}", namespace.mission_slug),
            payload,
            occurred_at: self.now,
            caused_by: None,
        }
    }
}

type Named<'a> = (&'a str, ArtifactClass);

/// What differs between two snapshots; what has no hash is in none of them.
#[derive(Default)]
struct Changes<'a> {
    added: Vec<Named<'a>>,
    removed: Vec<Named<'a>>,
    mutated: Vec<Named<'a>>,
}

impl<'a> Changes<'a> {
    fn between(last: &'a Told, now: &'a Told) -> Self {
        let mut changes = Self::default();
        for (path, artifact) in &now.artifacts {
            let Ok(hash) = &artifact.content else {
                continue;
            };
            let before = last.artifacts.get(path);
            match before.and_then(|before| before.content.as_ref().ok()) {
                None => changes.added.push((path, artifact.class)),
                Some(before) if before != hash => changes.mutated.push((path, artifact.class)),
                Some(_) => {}
            }
        }
        for (path, artifact) in &last.artifacts {
            let now = now.artifacts.get(path);
            let is_there = now.is_some_and(|now| now.content.is_ok());
            if artifact.content.is_ok() && !is_there {
                changes.removed.push((path, artifact.class));
            }
        }
        changes
    }

    fn all(&self) -> impl Iterator<Item = Named<'a>> {
        let all = [&self.added, &self.removed, &self.mutated];
        all.into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::Dossier;
    use crate::tests_support::write;
    use kitty_runtime::time::SystemTime;
    use std::path::Path;
    use std::sync::Arc;

    fn namespace(version: &str) -> Namespace {
        Namespace {
            manifest_version: version.into(),
            mission_slug: "one-01AAAAAA".into(),
            mission_type: "software-dev".into(),
            project_uuid: "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4".into(),
            target_branch: "main".into(),
        }
    }

    fn of(directory: &Path, last: Option<&Told>, baseline: Option<&str>) -> News {
        let dossier = Dossier::index(directory, namespace("1"), None).unwrap();
        let ids = EventIds::new(Arc::new(SystemTime));
        news(&dossier, last, baseline, &ids, Timestamp::UNIX_EPOCH)
    }

    fn kinds(news: &News) -> Vec<&str> {
        let kind = |draft: &EventDraft| draft.event_type.trim_start_matches(AGGREGATE);
        news.drafts.iter().map(kind).collect()
    }

    #[test]
    fn only_what_is_new_is_told_and_drift_is_named_for_what_it_is() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("spec.md"), "one");
        let first = of(place.path(), None, None);
        assert_eq!(kinds(&first), ["ArtifactIndexed", "SnapshotComputed"]);
        let same = of(place.path(), Some(&first.told), None);
        assert!(same.drafts.is_empty() && same.changed.is_empty());

        write(&place.path().join("research.md"), "two");
        let added = of(place.path(), Some(&first.told), None);
        assert_eq!(
            kinds(&added),
            ["ArtifactIndexed", "SnapshotComputed", "ParityDriftDetected"]
        );
        assert_eq!(added.changed, ["research.md"]);
        let drift = &added.drafts[2].payload;
        assert_eq!(drift["drift_kind"], "artifact_added");
        assert_eq!(drift["expected_hash"], first.told.snapshot_hash);
        assert_eq!(drift["artifact_ids_changed"][0]["path"], "research.md");

        write(&place.path().join("spec.md"), "other");
        let mutated = of(place.path(), Some(&added.told), None);
        assert_eq!(mutated.drafts[2].payload["drift_kind"], "artifact_mutated");

        std::fs::remove_file(place.path().join("research.md")).unwrap();
        let removed = of(place.path(), Some(&mutated.told), None);
        assert_eq!(kinds(&removed), ["SnapshotComputed", "ParityDriftDetected"]);
        assert_eq!(removed.drafts[1].payload["drift_kind"], "artifact_removed");
    }

    #[test]
    fn a_needed_artifact_that_is_no_text_is_missing_and_an_anomaly_until_it_is_mended() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("spec.md"), "one");
        let good = of(place.path(), None, None);
        let mut file = std::fs::File::create(place.path().join("spec.md")).unwrap();
        std::io::Write::write_all(&mut file, b"\xff").unwrap();
        let broken = of(place.path(), Some(&good.told), None);
        assert_eq!(
            kinds(&broken),
            ["ArtifactMissing", "SnapshotComputed", "ParityDriftDetected"]
        );
        let missing = &broken.drafts[0].payload;
        assert_eq!(
            missing["context_diagnostics"]["reason_code"],
            "invalid_utf8"
        );
        assert_eq!(broken.drafts[1].payload["anomaly_count"], 1);
        assert_eq!(broken.drafts[2].payload["drift_kind"], "anomaly_introduced");
        write(&place.path().join("spec.md"), "two");
        let mended = of(place.path(), Some(&broken.told), None);
        assert_eq!(mended.drafts[2].payload["drift_kind"], "anomaly_resolved");
    }

    #[test]
    fn an_accepted_baseline_is_what_drift_is_measured_against() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("spec.md"), "one");
        let first = of(place.path(), None, Some("sha256:00"));
        assert_eq!(first.drafts[2].payload["expected_hash"], "sha256:00");
        let agreed = of(place.path(), None, Some(&first.told.snapshot_hash));
        assert_eq!(kinds(&agreed), ["ArtifactIndexed", "SnapshotComputed"]);
    }

    #[test]
    fn another_mission_or_manifest_is_told_of_in_whole() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("spec.md"), "one");
        let mut told = of(place.path(), None, None).told;
        told.namespace = namespace("0");
        told.snapshot_hash = "sha256:00".into();
        let newer = of(place.path(), Some(&told), None);
        assert_eq!(newer.changed, ["spec.md"]);
        assert_eq!(
            newer.drafts[2].payload["drift_kind"],
            "manifest_version_changed"
        );
        told.namespace.target_branch = "other".into();
        let other = of(place.path(), Some(&told), None);
        assert_eq!(kinds(&other), ["ArtifactIndexed", "SnapshotComputed"]);
    }
}

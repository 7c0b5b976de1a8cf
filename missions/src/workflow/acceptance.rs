//! Accepting a mission: every work package is approved or done, and that is written down.

use super::{Desk, Packages, Step, WorkflowError};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::lanes_manifest::LanesManifest;
use crate::meta;
use crate::reducer::reduce;
use crate::snapshot::Snapshot;
use crate::status_writer::{FileChange, StatusWriter};
use kitty_runtime::time::iso;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The file that says how changed CI workflows were run.
const EVIDENCE_FILE: &str = "workflow-evidence.md";
/// Where CI workflows lie.
const WORKFLOWS: &str = ".github/workflows";
/// How many acceptances are remembered.
const HISTORY: usize = 20;

/// An acceptance; it counts once it is written.
#[derive(Debug)]
pub struct Acceptance {
    /// The mission.
    pub mission: NamedMission,
    /// When, as written.
    pub accepted_at: String,
    /// The approved work packages, which a merge will complete.
    pub approved: Vec<String>,
    /// The work packages that are done.
    pub done: Vec<String>,
    /// What is to be written.
    pub step: Step,
    /// The locked status.
    pub writer: StatusWriter,
}

/// Accepts a mission; `mode` is who accepts in general, for example `orchestrator`.
///
/// # Errors
/// [`WorkflowError::NotReady`], [`WorkflowError::EvidenceRequired`], and those of reading.
pub fn accept(
    desk: &Desk<'_>,
    typed: &str,
    actor: &str,
    mode: &str,
) -> Result<Acceptance, WorkflowError> {
    let mission = desk.mission(typed)?;
    let writer = desk.open(&mission)?;
    let packages = Packages::read(&mission)?;
    let snapshot = reduce(&writer.log());
    let in_lane = |lane| in_lane(&snapshot, &packages, lane);
    let (approved, done) = (in_lane(Lane::Approved), in_lane(Lane::Done));
    let incomplete = incomplete(&snapshot, &packages);
    if !incomplete.is_empty() {
        return Err(WorkflowError::NotReady { incomplete });
    }
    require_evidence(desk, &mission)?;
    let accepted_at = iso(desk.time.now());
    let entry = json!({
        "acceptance_mode": mode,
        "accepted_at": accepted_at,
        "accepted_by": actor,
    });
    let text = meta::edited(&mission.directory, |keys| record(keys, &entry))
        .map_err(|problem| unusable(&mission, problem))?;
    let change = FileChange {
        path: meta::FILE_NAME.into(),
        text,
    };
    let message = format!("chore(spec-kitty): accept mission {}", mission.slug);
    Ok(Acceptance {
        step: Step {
            changes: vec![change],
            ..Step::of_rows(Vec::new(), message)
        },
        accepted_at,
        approved,
        done,
        mission,
        writer,
    })
}

pub(super) fn unusable(mission: &NamedMission, problem: meta::MetaProblem) -> WorkflowError {
    WorkflowError::Handle(crate::handle::HandleProblem::Unusable {
        slug: mission.slug.clone(),
        problem,
    })
}

fn record(keys: &mut Map<String, Value>, entry: &Value) {
    for key in ["accepted_at", "accepted_by", "acceptance_mode"] {
        keys.insert(key.to_owned(), entry[key].clone());
    }
    for stale in ["accepted_from_commit", "accept_commit"] {
        keys.remove(stale);
    }
    let before = keys.get("acceptance_history").and_then(Value::as_array);
    let mut history = before.cloned().unwrap_or_default();
    history.push(entry.clone());
    let surplus = history.len().saturating_sub(HISTORY);
    keys.insert(
        "acceptance_history".to_owned(),
        history.split_off(surplus).into(),
    );
}

/// Lists the work packages that are neither approved nor done, in order.
pub(super) fn incomplete(snapshot: &Snapshot, packages: &Packages) -> Vec<String> {
    let ids: BTreeSet<&String> = packages
        .by_id
        .keys()
        .chain(snapshot.work_packages.keys())
        .collect();
    let is_open = |wp_id: &&String| !matches!(snapshot.lane(wp_id), Lane::Approved | Lane::Done);
    ids.into_iter().filter(is_open).cloned().collect()
}

fn in_lane(snapshot: &Snapshot, packages: &Packages, lane: Lane) -> Vec<String> {
    let ids: BTreeSet<&String> = packages
        .by_id
        .keys()
        .chain(snapshot.work_packages.keys())
        .collect();
    let matching = ids.into_iter().filter(|wp_id| snapshot.lane(wp_id) == lane);
    matching.cloned().collect()
}

/// Refuses a mission that changed CI workflows and does not say how they were run.
fn require_evidence(desk: &Desk<'_>, mission: &NamedMission) -> Result<(), WorkflowError> {
    let changed = changed_workflows(desk, mission)?;
    let path = mission.directory.join(EVIDENCE_FILE);
    if changed.is_empty() || names_a_run(&path) {
        return Ok(());
    }
    Err(WorkflowError::EvidenceRequired { changed, path })
}

fn changed_workflows(
    desk: &Desk<'_>,
    mission: &NamedMission,
) -> Result<Vec<String>, WorkflowError> {
    let (Some(manifest), Some(checkout)) = (
        LanesManifest::read(&mission.directory)?,
        &desk.project.checkout,
    ) else {
        return Ok(Vec::new());
    };
    let Some(target) = checkout.branch_tip(&manifest.target_branch)? else {
        return Ok(Vec::new());
    };
    let mut changed = BTreeSet::new();
    for lane in manifest.lanes.iter().filter(|lane| !lane.is_planning()) {
        let Some(tip) = checkout.branch_tip(&manifest.branch_of(lane))? else {
            continue;
        };
        let Some(base) = checkout.merge_base(&target, &tip)? else {
            continue;
        };
        let files = checkout.changed_files(&base, &tip)?;
        let workflows = files.iter().filter(|path| path.starts_with(WORKFLOWS));
        changed.extend(workflows.map(|path| path.display().to_string()));
    }
    Ok(changed.into_iter().collect())
}

/// Tells whether a file names a run of a workflow: by its address, or by a number of five digits or
/// more after the word "run".
fn names_a_run(path: &Path) -> bool {
    let text = crate::files::read_text(path, 1 << 20, crate::files::Links::Refuse);
    let Ok(Some(text)) = text else {
        return false;
    };
    text.contains("/actions/runs/") || text.lines().any(is_run_number)
}

fn is_run_number(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    let words = line
        .trim_start_matches("successful ")
        .trim_start_matches("github actions ");
    let Some(rest) = words.strip_prefix("run") else {
        return false;
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("id").unwrap_or(rest).trim_start();
    let number = rest.trim_start_matches([':', '#', '-']).trim();
    number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_acceptances_are_remembered_and_stale_commits_are_not() {
        let mut keys = Map::new();
        keys.insert("accept_commit".to_owned(), json!("abc"));
        for number in 0..25 {
            let entry = json!({
                "accepted_at": number.to_string(), "accepted_by": "x", "acceptance_mode": "y",
            });
            record(&mut keys, &entry);
        }
        let history = keys["acceptance_history"].as_array().unwrap();
        assert_eq!(history.len(), 20);
        assert_eq!(history[0]["accepted_at"], "5");
        assert_eq!(keys["accepted_at"], "24");
        assert!(!keys.contains_key("accept_commit"));
    }

    #[test]
    fn a_run_is_named_by_its_address_or_its_number() {
        for line in [
            "Run ID: 123456",
            "run 12345",
            "Successful run #9876543",
            "GitHub Actions run id 12345",
        ] {
            assert!(is_run_number(line), "{line}");
        }
        for line in ["run", "run 1234", "we ran it", "run id: 12a45", ""] {
            assert!(!is_run_number(line), "{line}");
        }
    }
}

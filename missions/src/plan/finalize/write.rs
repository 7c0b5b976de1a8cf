//! Writes and commits what the check found: first the status, then the matrix, then the tasks.

use super::answer::{BranchCommit, PlanningCommit, TargetOverride};
use super::check::{Checked, Package};
use super::{ACTOR, FinalizeError, FinalizeOptions, issues, wps};
use crate::create::Tools;
use crate::git::Committed;
use crate::lane::Lane;
use crate::lanes_manifest::compute::{LanesRequest, Ownership, compute};
use crate::lanes_manifest::{self, LanesManifest};
use crate::lifecycle::{self, LifecycleEvent, Phase, Recorded, WorkPackageFacts};
use crate::meta;
use crate::plan::PlanError;
use crate::plan::change::{Changes, read};
use crate::plan::place::Place;
use crate::reducer::reduce;
use crate::row_witness::{NewRow, claim};
use crate::snapshot;
use crate::status_log::row::{ExecutionMode, Transition};
use crate::status_log::{self, StatusLog};
use crate::work_package;
use kitty_runtime::lock::FileLock;
use kitty_runtime::python_json;
use kitty_runtime::time::iso;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Who the seeding rows name, and why.
const SEEDER: &str = "finalize-tasks";
const REASON: &str = "canonical bootstrap";
/// The acceptance matrix; gates look for this note in criteria that nobody has written yet.
const MATRIX: &str = "acceptance-matrix.json";
const UNWRITTEN: &str = "TODO: replace with a real acceptance criterion";

/// What was written and committed.
#[derive(Default)]
pub(super) struct Written {
    pub(super) events: Vec<LifecycleEvent>,
    pub(super) seeded: Vec<Transition<'static>>,
    pub(super) commits: Vec<Committed>,
    pub(super) tasks: Option<BranchCommit>,
    pub(super) files: Vec<String>,
    pub(super) target: TargetOverride,
}

/// Computes the lanes; writes nothing.
pub(super) fn lanes(
    place: &Place,
    checked: &Checked,
    now: &str,
) -> Result<LanesManifest, FinalizeError> {
    let packages = checked.packages.iter();
    let ownership =
        packages.filter_map(|(wp_id, package)| Some((wp_id.clone(), for_lanes(package)?)));
    let request = LanesRequest {
        mission_slug: &place.slug,
        mission_id: place.meta.mission_id.as_deref(),
        mission_branch: &format!("kitty/mission-{}", place.slug),
        target_branch: &place.target,
        computed_at: now,
    };
    Ok(compute(&checked.graph, &ownership.collect(), &request)?)
}

fn for_lanes(package: &Package) -> Option<Ownership> {
    Some(package.owned.as_ref()?.for_lanes(&package.body))
}

/// Decides which commit of the plan the lanes begin with.
///
/// Before execution it is the tip of the target branch; afterwards it stays as recorded, unless it is
/// to be moved on to an amendment.
pub(super) fn planning_commit(
    place: &Place,
    checked: &Checked,
    existing: Option<&LanesManifest>,
    refresh: bool,
) -> Result<PlanningCommit, FinalizeError> {
    let tip = place
        .checkout
        .head()
        .map_err(PlanError::from)?
        .commit()
        .map(str::to_owned);
    let recorded = match existing {
        Some(existing) if checked.execution_has_begun || checked.has_canceled => {
            existing.planning_commit_sha.clone()
        }
        None if checked.execution_has_begun => {
            return Err(FinalizeError::NoPlanningCommit {
                slug: place.slug.clone(),
            });
        }
        _ => {
            return Ok(PlanningCommit {
                sha: tip,
                action: "captured",
                previous_sha: None,
                branch_tip: None,
            });
        }
    };
    if !refresh {
        return Ok(PlanningCommit {
            sha: recorded.clone(),
            action: "preserved",
            previous_sha: recorded,
            branch_tip: tip,
        });
    }
    if let (Some(recorded), Some(tip)) = (&recorded, &tip) {
        let known = place
            .checkout
            .holds_commit(recorded)
            .map_err(PlanError::from)?;
        if !known
            || !place
                .checkout
                .is_ancestor(recorded, tip)
                .map_err(PlanError::from)?
        {
            return Err(FinalizeError::Rewritten {
                recorded: recorded.clone(),
                branch: place.target.clone(),
            });
        }
    }
    Ok(PlanningCommit {
        sha: tip.clone(),
        action: "refreshed",
        previous_sha: recorded,
        branch_tip: tip,
    })
}

/// Appends the lifecycle rows and the first status of each work package, one commit each.
///
/// What is written together is announced together: a run that is killed in between has written the
/// rows of some announcements and none of the others.
pub(super) fn status(
    (place, lock): (&Place, &FileLock),
    checked: &Checked,
    changes: &mut Changes<'_>,
    tools: &Tools<'_>,
    written: &mut Written,
) -> Result<(), PlanError> {
    let log_file = place.directory.join(status_log::FILE_NAME);
    let status_file = place.directory.join(snapshot::FILE_NAME);
    let events = lifecycle_rows(place, checked, tools);
    let announce = |rows: &[NewRow<'_>]| match rows {
        [] => Ok(()),
        rows => tools
            .witness
            .before(rows, claim(&log_file, lock.path(), rows)),
    };
    announce(&events.iter().map(NewRow::Lifecycle).collect::<Vec<_>>())?;
    let mut log = checked.log.clone();
    if !log.is_empty() && !log.ends_with('\n') {
        log.push('\n');
    }
    log.push_str(&lifecycle::log(&events));
    changes.write(&log_file, &log)?;
    written.events = events;
    let paths = [
        place.in_checkout(&log_file),
        place.in_checkout(&status_file),
    ];
    let unseeded = checked
        .packages
        .keys()
        .filter(|wp_id| !checked.seeded.contains(*wp_id));
    for wp_id in unseeded {
        let row = seed(place, wp_id, tools);
        announce(&[NewRow::Transition(&row)])?;
        log.push_str(&row.to_line());
        log.push('\n');
        changes.write(&log_file, &log)?;
        changes.write(&status_file, &status_json(place, &log))?;
        let message = format!("chore(spec-kitty): status transition {wp_id}");
        written
            .commits
            .extend(place.checkout.record(&paths, &message)?);
        changes.keep();
        written.seeded.push(row);
    }
    // A run that was killed between the two files left this one behind the log.
    changes.write(&status_file, &status_json(place, &log))
}

fn status_json(place: &Place, log: &str) -> String {
    let mission_type = place.meta.mission_type.as_deref().unwrap_or_default();
    reduce(&StatusLog::parse(log)).to_status_json(place.meta.mission_number, mission_type)
}

fn seed(place: &Place, wp_id: &str, tools: &Tools<'_>) -> Transition<'static> {
    Transition {
        event_id: tools.ids.next().to_string().into(),
        mission_slug: place.slug.clone().into(),
        mission_id: place.meta.mission_id.clone().map(Into::into),
        wp_id: wp_id.to_owned().into(),
        from_lane: Lane::Genesis,
        to_lane: Lane::Planned,
        at: iso(tools.time.now()).into(),
        actor: SEEDER.into(),
        force: false,
        execution_mode: ExecutionMode::Worktree,
        reason: Some(REASON.into()),
        reason_source: None,
        review_ref: None,
        evidence: None,
        review_result: None,
        policy_metadata: None,
    }
}

/// Builds the rows that the log lacks.
fn lifecycle_rows(place: &Place, checked: &Checked, tools: &Tools<'_>) -> Vec<LifecycleEvent> {
    let recorded = Recorded::read(&checked.log);
    let now = || iso(tools.time.now());
    let phase = |phase: Phase| {
        let missing = !recorded.has(phase.event_type(), "");
        missing.then(|| lifecycle::phase(phase, &place.slug, ACTOR, tools.ids.next(), now()))
    };
    let mut rows: Vec<LifecycleEvent> = phase(Phase::TasksStarted).into_iter().collect();
    for (wp_id, package) in &checked.packages {
        if recorded.has("WPCreated", wp_id) {
            continue;
        }
        let name = package
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let facts = WorkPackageFacts {
            wp_id,
            title: &package.title,
            path: &place.in_project(&format!("{}/{name}", work_package::DIRECTORY)),
            depends_on: &package.dependencies,
        };
        let row =
            lifecycle::work_package_created(&facts, &place.slug, ACTOR, tools.ids.next(), now());
        rows.push(row);
    }
    rows.extend(phase(Phase::TasksCompleted(checked.packages.len())));
    rows
}

/// Writes the issue matrix unless there is one, and commits it.
pub(super) fn issue_matrix(
    place: &Place,
    checked: &Checked,
    changes: &mut Changes<'_>,
    written: &mut Written,
) -> Result<(), PlanError> {
    let Some(text) = &checked.issue_matrix else {
        return Ok(());
    };
    let is_there = |name: &str| place.directory.join(name).symlink_metadata().is_ok();
    let file = place.directory.join(issues::FILE_NAME);
    if is_there(issues::FORMER_NAME) || is_there(issues::FILE_NAME) {
        return Ok(());
    }
    changes.write(&file, text)?;
    let message = format!("chore: update issue-matrix for {}", place.slug);
    let made = place
        .checkout
        .record(&[place.in_checkout(&file)], &message)?;
    written.commits.extend(made);
    changes.keep_file(&file);
    Ok(())
}

/// Writes the acceptance matrix unless there is one, and commits it.
pub(super) fn matrix(
    place: &Place,
    checked: &Checked,
    changes: &mut Changes<'_>,
    written: &mut Written,
) -> Result<(), PlanError> {
    let file = place.directory.join(MATRIX);
    if file.symlink_metadata().is_ok() {
        return Ok(());
    }
    changes.write(&file, &matrix_text(place, &checked.functional))?;
    let message = format!("chore({}): scaffold acceptance-matrix", place.slug);
    let made = place
        .checkout
        .record(&[place.in_checkout(&file)], &message)?;
    written.commits.extend(made);
    changes.keep_file(&file);
    Ok(())
}

/// One criterion for each functional requirement, to be proved; the keys are in today's order.
fn matrix_text(place: &Place, functional: &[String]) -> String {
    #[derive(serde::Serialize)]
    struct Criterion<'a> {
        criterion_id: &'a str,
        description: String,
        proof_type: &'static str,
        evidence: (),
        pass_fail: &'static str,
        verified_by: (),
        verified_at: (),
        notes: &'static str,
    }
    #[derive(serde::Serialize)]
    struct Matrix<'a> {
        mission_slug: &'a str,
        mission_number: String,
        mission_type: &'a str,
        overall_verdict: &'static str,
        criteria: Vec<Criterion<'a>>,
        negative_invariants: [(); 0],
    }
    let criterion = |criterion_id, description| Criterion {
        criterion_id,
        description,
        proof_type: "automated_test",
        evidence: (),
        pass_fail: "pending",
        verified_by: (),
        verified_at: (),
        notes: UNWRITTEN,
    };
    let ids = functional.iter();
    let mut criteria: Vec<Criterion<'_>> = ids
        .map(|id| criterion(id.as_str(), format!("Verify {id} is satisfied")))
        .collect();
    if criteria.is_empty() {
        criteria.push(criterion("AC-001", UNWRITTEN.to_owned()));
    }
    let number = place.meta.mission_number.map(|number| number.to_string());
    python_json::indented(&Matrix {
        mission_slug: &place.slug,
        mission_number: number.unwrap_or_default(),
        mission_type: place.meta.mission_type.as_deref().unwrap_or_default(),
        overall_verdict: "pending",
        criteria,
        negative_invariants: [],
    }) + "\n"
}

/// Writes work packages, lanes and, on request, the target branch, and commits all of the plan.
pub(super) fn tasks(
    place: &Place,
    checked: &Checked,
    lanes: &LanesManifest,
    options: &FinalizeOptions,
    changes: &mut Changes<'_>,
    written: &mut Written,
) -> Result<(), PlanError> {
    for package in checked.packages.values() {
        if let Some(text) = &package.edited {
            changes.write(&package.path, text)?;
        }
    }
    if let Some(text) = &checked.tasks_md {
        changes.write(&place.directory.join("tasks.md"), text)?;
    }
    changes.write(
        &place.directory.join(lanes_manifest::FILE_NAME),
        &lanes.print(),
    )?;
    written.target = retarget(place, options, changes)?;
    let files = artifacts(place)?;
    let paths: Vec<PathBuf> = files.iter().map(|file| place.in_checkout(file)).collect();
    let message = format!("Add tasks for feature {}", place.slug);
    if let Some(made) = place.checkout.record(&paths, &message)? {
        written.tasks = Some(BranchCommit {
            branch: made.branch.clone(),
            hash: made.commit.clone(),
        });
        written.files = paths
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        written.commits.push(made);
    }
    written.target.committed = written.target.persisted;
    changes.keep();
    Ok(())
}

/// Gives `meta.json` another target branch.
fn retarget(
    place: &Place,
    options: &FinalizeOptions,
    changes: &mut Changes<'_>,
) -> Result<TargetOverride, PlanError> {
    let mut outcome = TargetOverride {
        requested: options.target_branch.clone(),
        ..TargetOverride::default()
    };
    let Some(wanted) = &options.target_branch else {
        return Ok(outcome);
    };
    outcome.previous_value.clone_from(&place.meta.target_branch);
    if outcome.previous_value.as_ref() == Some(wanted) {
        return Ok(outcome);
    }
    let file = place.directory.join(meta::FILE_NAME);
    let unreadable = || PlanError::Unreadable {
        path: file.clone(),
        reason: "it is not a JSON object".to_owned(),
    };
    let text = read(&file)?.ok_or_else(unreadable)?;
    let mut keys: Map<String, Value> = serde_json::from_str(&text).map_err(|_| unreadable())?;
    keys.insert("target_branch".to_owned(), json!(wanted));
    changes.write(&file, &(python_json::indented(&keys) + "\n"))?;
    outcome.persisted = true;
    Ok(outcome)
}

/// Lists what belongs to a finalized plan, in today's order.
fn artifacts(place: &Place) -> Result<Vec<PathBuf>, PlanError> {
    let mut files: Vec<PathBuf> = [
        status_log::FILE_NAME,
        snapshot::FILE_NAME,
        "tasks.md",
        wps::FILE_NAME,
        meta::FILE_NAME,
        MATRIX,
        issues::FILE_NAME,
    ]
    .map(|name| place.directory.join(name))
    .to_vec();
    let tasks = place.directory.join(work_package::DIRECTORY);
    let unreadable = |error: std::io::Error| PlanError::Unreadable {
        path: tasks.clone(),
        reason: error.to_string(),
    };
    let mut below = Vec::new();
    for entry in std::fs::read_dir(&tasks).map_err(unreadable)? {
        below.push(entry.map_err(unreadable)?.path());
    }
    below.sort();
    files.extend(below);
    files.push(place.directory.join(lanes_manifest::FILE_NAME));
    let plain = |file: &PathBuf| {
        file.symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
    };
    files.retain(plain);
    Ok(files)
}

//! `finalize-tasks`: makes work packages out of files that people or agents wrote.
//!
//! Everything is read and checked first; a refusal changes nothing. Then, under the lock of the
//! mission's status: the issue matrix (a commit), the lifecycle rows and the first status of every work package (a commit each),
//! the acceptance matrix (a commit), the work packages' frontmatter and `lanes.json` (a commit). A
//! failure puts back what is not committed; a run that was killed is completed by the next one.
//! A run that finds nothing to do changes nothing.

mod answer;
mod check;
mod error;
mod issues;
mod ownership;
mod requirements;
mod tasks_md;
mod wps;
mod write;

pub use answer::{
    Bootstrap, BranchCommit, FinalizeAnswer, LanesSummary, PlanningCommit, Previews,
    TargetOverride, ValidationAnswer, WouldModify,
};
pub use error::FinalizeError;
pub use requirements::Mismatch;

use super::PlanError;
use super::change::Changes;
use super::place::Place;
use crate::create::Tools;
use crate::git::Committed;
use crate::lanes_manifest::{self, LanesManifest};
use crate::lifecycle::LifecycleEvent;
use crate::project::Project;
use crate::status_log::row::Transition;
use crate::work_package::{self, FieldValue};
use check::{Checked, check};
use kitty_runtime::time::iso;
use serde_json::{Map, json};
use std::path::PathBuf;
use write::Written;

/// Who the lifecycle rows name.
const ACTOR: &str = "spec-kitty agent mission finalize-tasks";

/// The options of `finalize-tasks`, as typed.
#[derive(Debug, Clone, Default)]
pub struct FinalizeOptions {
    /// `--mission`; without it the project must have exactly one mission.
    pub mission: Option<String>,
    /// `--target-branch`: another target than `meta.json` says; it is recorded there.
    pub target_branch: Option<String>,
    /// `--owned-checkout`: the linked worktree that has the mission, of topology `single_branch`.
    pub owned_checkout: Option<PathBuf>,
    /// `--refresh-planning-commit`: lanes begin with an amended plan although execution has begun.
    pub refresh_planning_commit: bool,
}

/// Work packages that are ready.
#[derive(Debug, Clone)]
pub struct Finalized {
    /// What is printed.
    pub answer: FinalizeAnswer,
    /// The lifecycle rows that this run wrote: events to send, each with its row's id.
    pub events: Vec<LifecycleEvent>,
    /// The transitions that this run wrote; the same.
    pub seeded: Vec<Transition<'static>>,
    /// Every commit of this run, the oldest first.
    pub commits: Vec<Committed>,
    /// The mission's directory.
    pub directory: PathBuf,
}

/// Checks, seeds and commits the work packages of a mission.
///
/// # Errors
/// [`FinalizeError`].
pub fn finalize(
    project: &Project,
    options: &FinalizeOptions,
    tools: &Tools<'_>,
) -> Result<Finalized, FinalizeError> {
    let place = find(project, options)?;
    place.require_target()?;
    let lock = place.lock()?;
    let checked = check(&place)?;
    let existing = LanesManifest::read(&place.directory);
    let existing = match existing {
        // Before execution a damaged file is simply computed again.
        Err(_) if !checked.execution_has_begun => None,
        read => read?,
    };
    let mut lanes = write::lanes(&place, &checked, &iso(tools.time.now()))?;
    // Refused before anything is written.
    write::planning_commit(
        &place,
        &checked,
        existing.as_ref(),
        options.refresh_planning_commit,
    )?;
    let mut written = Written::default();
    let mut changes = Changes::new(tools.filesystem);
    let attempt = (|| {
        write::issue_matrix(&place, &checked, &mut changes, &mut written)?;
        write::status((&place, &lock), &checked, &mut changes, tools, &mut written)?;
        let commit = write::planning_commit(
            &place,
            &checked,
            existing.as_ref(),
            options.refresh_planning_commit,
        )?;
        lanes.planning_commit_sha.clone_from(&commit.sha);
        let commit = keep_if_same(&place, existing.as_ref(), &mut lanes, commit)?;
        write::matrix(&place, &checked, &mut changes, &mut written)?;
        write::tasks(
            &place,
            &checked,
            &lanes,
            options,
            &mut changes,
            &mut written,
        )?;
        Ok(commit)
    })();
    let commit = match attempt {
        Ok(commit) => commit,
        Err(FinalizeError::Plan(cause)) => return Err(changes.undo(cause).into()),
        Err(other) => return Err(other),
    };
    Ok(Finalized {
        answer: answer(&place, &checked, &lanes, commit, &written, tools),
        events: written.events,
        seeded: written.seeded,
        commits: written.commits,
        directory: place.directory.clone(),
    })
}

/// Checks the work packages of a mission and says what would be done; writes nothing.
///
/// # Errors
/// [`FinalizeError`].
pub fn validate(
    project: &Project,
    options: &FinalizeOptions,
    tools: &Tools<'_>,
) -> Result<ValidationAnswer, FinalizeError> {
    let place = find(project, options)?;
    let checked = check(&place)?;
    let lanes = write::lanes(&place, &checked, &iso(tools.time.now()))?;
    let (modified, unchanged) = by_change(&checked);
    let would_modify = modified.iter().map(|wp_id| {
        let changes = checked.packages[wp_id].changes.iter();
        WouldModify {
            wp_id: wp_id.clone(),
            changes: changes
                .map(|(field, value)| {
                    let value = match value {
                        FieldValue::Text(text) => json!(text),
                        FieldValue::List(items) => json!(items),
                    };
                    ((*field).to_owned(), value)
                })
                .collect::<Map<_, _>>(),
        }
    });
    let seeded = checked
        .packages
        .keys()
        .filter(|wp_id| checked.seeded.contains(*wp_id))
        .count();
    Ok(ValidationAnswer {
        result: "validation_passed",
        mission_slug: place.slug.clone(),
        wp_count: checked.packages.len(),
        validate_only: true,
        would_modify: would_modify.collect(),
        would_preserve: [],
        unchanged,
        updated_wp_count: modified.len(),
        ownership_warnings: checked.ownership_warnings.clone(),
        requirement_extraction_warnings: checked.requirement_warnings.clone(),
        post_integration_acceptance_warnings: [],
        validation: Previews {
            bootstrap_preview: Bootstrap {
                total_wps: checked.packages.len(),
                newly_seeded: checked.packages.len() - seeded,
                already_initialized: seeded,
            },
            lanes_preview: LanesSummary::of(&lanes),
        },
        message: "The work packages hold together. Run again without --validate-only to commit them.",
        spec_kitty_version: tools.version.to_owned(),
    })
}

fn find(project: &Project, options: &FinalizeOptions) -> Result<Place, PlanError> {
    let target = options.target_branch.as_deref();
    let mission = options.mission.as_deref();
    match options.owned_checkout.as_deref() {
        Some(path) => Place::find_owned(project, path, mission, target),
        None => Place::find(project, mission, target),
    }
}

/// Keeps the lanes that are there when they are the same and nothing was committed since: a second
/// run then changes nothing.
fn keep_if_same(
    place: &Place,
    existing: Option<&LanesManifest>,
    lanes: &mut LanesManifest,
    commit: PlanningCommit,
) -> Result<PlanningCommit, FinalizeError> {
    let Some(existing) = existing else {
        return Ok(commit);
    };
    let mut same = lanes.clone();
    same.computed_at.clone_from(&existing.computed_at);
    let unmoved = commit.action != "captured" || {
        let file = place.in_checkout(&place.directory.join(lanes_manifest::FILE_NAME));
        place
            .checkout
            .head_changed(&file)
            .map_err(PlanError::from)?
    };
    if unmoved && commit.action == "captured" {
        same.planning_commit_sha
            .clone_from(&existing.planning_commit_sha);
    }
    if !unmoved || same != *existing {
        return Ok(commit);
    }
    *lanes = same;
    Ok(PlanningCommit {
        sha: existing.planning_commit_sha.clone(),
        ..commit
    })
}

/// Parts the work packages into those whose files change and the others.
fn by_change(checked: &Checked) -> (Vec<String>, Vec<String>) {
    let ids = checked.packages.keys().cloned();
    ids.partition(|wp_id| checked.packages[wp_id].edited.is_some())
}

fn answer(
    place: &Place,
    checked: &Checked,
    lanes: &LanesManifest,
    planning_commit: PlanningCommit,
    written: &Written,
    tools: &Tools<'_>,
) -> FinalizeAnswer {
    let (modified, unchanged) = by_change(checked);
    let of_each = |list: fn(&check::Package) -> &Vec<String>| {
        let packages = checked.packages.iter();
        packages
            .map(|(wp_id, package)| (wp_id.clone(), list(package).clone()))
            .collect()
    };
    let total = checked.packages.len();
    FinalizeAnswer {
        result: "success",
        wp_count: total,
        updated_wp_count: modified.len(),
        modified_wps: modified,
        unchanged_wps: unchanged,
        preserved_wps: [],
        tasks_dir: place
            .directory
            .join(work_package::DIRECTORY)
            .to_string_lossy()
            .into_owned(),
        commit_created: written.tasks.is_some(),
        commit_hash: written.tasks.as_ref().map(|made| made.hash.clone()),
        commit_hashes: written.tasks.clone().into_iter().collect(),
        files_committed: written.files.clone(),
        dependencies_parsed: of_each(|package| &package.dependencies),
        requirement_refs_parsed: of_each(|package| &package.requirement_refs),
        bootstrap: Bootstrap {
            total_wps: total,
            newly_seeded: written.seeded.len(),
            already_initialized: total - written.seeded.len(),
        },
        lanes: LanesSummary::of(lanes),
        ownership_warnings: checked.ownership_warnings.clone(),
        requirement_extraction_warnings: checked.requirement_warnings.clone(),
        post_integration_acceptance_warnings: [],
        target_branch_override: written.target.clone(),
        planning_commit,
        spec_kitty_version: tools.version.to_owned(),
    }
}

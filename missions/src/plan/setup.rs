//! `setup-plan`: lets planning begin when the specification is written, and ends it when the plan is.
//!
//! The first run makes `plan.md` from a template, a later one commits it when it says enough. The
//! rows `SpecifyCompleted`, `PlanStarted` and `PlanCompleted` are written once each; the first two
//! stay uncommitted until the plan or a status is committed, like the scaffold itself.

use super::branch_block::BranchBlock;
use super::change::{Changes, read};
use super::place::Place;
use super::substance::{plan_gap, spec_says_something};
use super::{PlanError, plan_template};
use crate::create::Tools;
use crate::git::Committed;
use crate::lifecycle::{self, LifecycleEvent, Phase, Recorded};
use crate::project::Project;
use crate::row_witness::{NewRow, claim};
use crate::template::fill;
use kitty_runtime::lock::FileLock;
use kitty_runtime::time::iso;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// Who the rows name.
const ACTOR: &str = "spec-kitty agent mission setup-plan";

/// What a run found and did.
#[derive(Debug, Clone)]
pub struct PlanOutcome {
    /// What is printed.
    pub answer: PlanAnswer,
    /// The rows that were written by this run: the events to send.
    pub events: Vec<LifecycleEvent>,
    /// The commit of the plan, if it was committed now.
    pub committed: Option<Committed>,
}

/// The answer of `setup-plan --json`; keys and order are those of 3.2.7 (transcript row 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanAnswer {
    /// Where the plan stands.
    pub standing: PlanStanding,
    mission_slug: String,
    directory: PathBuf,
    branches: BranchBlock,
    version: String,
}

/// Where a plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanStanding {
    /// The specification is not committed or says nothing: nothing was done.
    SpecNotReady {
        /// Whether it is committed.
        committed: bool,
        /// Whether it has a requirement with a text.
        substantive: bool,
        /// Where the commit was looked for.
        checked: String,
    },
    /// The plan is the untouched template.
    Scaffolded,
    /// The plan was begun and says too little.
    NotWritten {
        /// What it lacks, in one sentence.
        gap: String,
    },
    /// The plan is written and committed.
    Complete {
        /// The commit, if this run made it.
        commit: Option<String>,
    },
}

impl PlanStanding {
    /// Tells whether something must be written before planning can go on.
    #[must_use]
    pub const fn blocked_reason(&self) -> Option<&str> {
        match self {
            Self::SpecNotReady { .. } => Some(
                "spec.md must be written and committed first: describe at least one FR requirement, commit the file, and run setup-plan again",
            ),
            Self::NotWritten { gap } => Some(gap.as_str()),
            Self::Scaffolded | Self::Complete { .. } => None,
        }
    }
}

impl PlanAnswer {
    /// Returns where the plan is.
    #[must_use]
    pub fn plan_file(&self) -> PathBuf {
        self.directory.join("plan.md")
    }

    /// Returns the mission's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Serialize for PlanAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let blocked = self.standing.blocked_reason();
        let complete = matches!(self.standing, PlanStanding::Complete { .. });
        let result = if blocked.is_some() {
            "blocked"
        } else {
            "success"
        };
        map.serialize_entry("result", result)?;
        map.serialize_entry("phase_complete", &complete)?;
        let spec_file = self.directory.join("spec.md");
        let spec_file = spec_file.to_string_lossy();
        if let PlanStanding::SpecNotReady {
            committed,
            substantive,
            checked,
        } = &self.standing
        {
            map.serialize_entry("blocked_reason", &blocked)?;
            map.serialize_entry("error_code", "SPEC_NOT_SUBSTANTIVE_OR_UNCOMMITTED")?;
            map.serialize_entry("mission_slug", &self.mission_slug)?;
            map.serialize_entry("feature_dir", &self.directory.to_string_lossy())?;
            map.serialize_entry("spec_file", &spec_file)?;
            map.serialize_entry("spec_committed", committed)?;
            map.serialize_entry("spec_substantive", substantive)?;
            map.serialize_entry("spec_commit_surfaces_checked", &[checked])?;
        } else {
            map.serialize_entry("mission_slug", &self.mission_slug)?;
            map.serialize_entry("plan_file", &self.plan_file().to_string_lossy())?;
            map.serialize_entry("feature_dir", &self.directory.to_string_lossy())?;
            map.serialize_entry("spec_file", &spec_file)?;
            map.serialize_entry("plan_substantive", &complete)?;
        }
        match &self.standing {
            PlanStanding::Scaffolded => map.serialize_entry("scaffold_only", &true)?,
            PlanStanding::NotWritten { gap } => map.serialize_entry("blocked_reason", gap)?,
            PlanStanding::Complete { commit } => {
                let status = if commit.is_some() {
                    "committed"
                } else {
                    "unchanged"
                };
                map.serialize_entry("commit_created", &commit.is_some())?;
                map.serialize_entry("commit_hash", commit)?;
                map.serialize_entry("commit_status", status)?;
            }
            PlanStanding::SpecNotReady { .. } => {}
        }
        self.branches.write(&mut map)?;
        map.serialize_entry("spec_kitty_version", &self.version)?;
        map.end()
    }
}

/// Begins or ends the planning of a mission.
///
/// `handle` is the mission's slug, its id, the id's first eight characters or its name; without one
/// the project must have exactly one mission. Running it again changes nothing that was reached.
///
/// # Errors
/// [`PlanError`]; then every file is as before.
pub fn setup_plan(
    project: &Project,
    handle: Option<&str>,
    tools: &Tools<'_>,
) -> Result<PlanOutcome, PlanError> {
    let place = Place::find(project, handle, None)?;
    let spec_file = place.directory.join("spec.md");
    let spec = read(&spec_file)?.ok_or_else(|| PlanError::SpecMissing {
        path: spec_file.clone(),
    })?;
    let tracked = place.in_checkout(&spec_file);
    let committed = place.checkout.is_committed(&tracked)?;
    let substantive = spec_says_something(&spec);
    if !(committed && substantive) {
        let verdict = if committed { "hit" } else { "miss" };
        let standing = PlanStanding::SpecNotReady {
            committed,
            substantive,
            checked: format!(
                "HEAD:{} (cwd={}): {verdict}",
                tracked.display(),
                place.checkout.root().display()
            ),
        };
        return Ok(outcome(&place, standing, Vec::new(), None, tools));
    }
    let lock = place.lock()?;
    let mut changes = Changes::new(tools.filesystem);
    match begin_or_end(&place, &lock, &mut changes, tools) {
        Ok((standing, events, committed)) => {
            Ok(outcome(&place, standing, events, committed, tools))
        }
        Err(cause) => Err(changes.undo(cause)),
    }
}

type Reached = (PlanStanding, Vec<LifecycleEvent>, Option<Committed>);

fn begin_or_end(
    place: &Place,
    lock: &FileLock,
    changes: &mut Changes<'_>,
    tools: &Tools<'_>,
) -> Result<Reached, PlanError> {
    let mission_type = place.meta.mission_type.as_deref().unwrap_or("software-dev");
    let template = fill(plan_template(mission_type), |name| match name {
        "friendly_name" => place.meta.friendly_name.as_deref().or(Some(&place.slug)),
        "mission_slug" => Some(place.slug.as_str()),
        "target_branch" => Some(place.target.as_str()),
        _ => None,
    });
    let plan_file = place.directory.join("plan.md");
    let plan = match read(&plan_file)? {
        Some(plan) => plan,
        None => {
            changes.write(&plan_file, &template)?;
            template.clone()
        }
    };
    let gap = plan_gap(&plan, mission_type);
    let mut phases = vec![Phase::SpecifyCompleted, Phase::PlanStarted];
    if gap.is_none() {
        place.require_target()?;
        phases.push(Phase::PlanCompleted);
    }
    let log_file = place.directory.join(crate::status_log::FILE_NAME);
    let recorded = Recorded::read(&read(&log_file)?.unwrap_or_default());
    let missing = phases
        .into_iter()
        .filter(|phase| !recorded.has(phase.event_type(), ""));
    let row = |phase| {
        let now = iso(tools.time.now());
        lifecycle::phase(phase, &place.slug, ACTOR, tools.ids.next(), now)
    };
    let events: Vec<LifecycleEvent> = missing.map(row).collect();
    if !events.is_empty() {
        let rows: Vec<NewRow<'_>> = events.iter().map(NewRow::Lifecycle).collect();
        tools
            .witness
            .before(&rows, claim(&log_file, lock.path(), &rows))?;
        changes.append(&log_file, &lifecycle::log(&events))?;
    }
    let (standing, committed) = match gap {
        None => {
            let paths = [place.in_checkout(&log_file), place.in_checkout(&plan_file)];
            let message = format!("Add plan for feature {}", place.slug);
            let committed = place.checkout.record(&paths, &message)?;
            let commit = committed.as_ref().map(|made| made.commit.clone());
            (PlanStanding::Complete { commit }, committed)
        }
        Some(_) if plan == template => (PlanStanding::Scaffolded, None),
        Some(gap) => (PlanStanding::NotWritten { gap }, None),
    };
    changes.keep();
    Ok((standing, events, committed))
}

fn outcome(
    place: &Place,
    standing: PlanStanding,
    events: Vec<LifecycleEvent>,
    committed: Option<Committed>,
    tools: &Tools<'_>,
) -> PlanOutcome {
    let now = tools.time.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    PlanOutcome {
        answer: PlanAnswer {
            standing,
            mission_slug: place.slug.clone(),
            directory: place.directory.clone(),
            branches: BranchBlock {
                current: place.current_branch.clone(),
                target: place.target.clone(),
                now,
            },
            version: tools.version.to_owned(),
        },
        events,
        committed,
    }
}

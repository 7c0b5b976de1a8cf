//! Does one step of a mission: its events are held, its rows are written and committed, its events
//! are published, its answer is printed, and only then is anything tried that could wait.
//!
//! With hosted sync off only the rows are written. Killed anywhere, the step either happened with
//! its events or did not happen: what is held is settled by the log (`sync reconcile`, and every
//! delivery).

use crate::dossier_step;
use crate::failure::Failure;
use crate::final_sync::final_sync;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::Invocation;
use crate::project::project_identity;
use kitty_actors::capture::CapturePorts;
use kitty_config::{EventSyncMode, Settings};
use kitty_missions::events::{self, MissionFacts};
use kitty_missions::git::{Checkout, Head};
use kitty_missions::handle::NamedMission;
use kitty_missions::identity::ProjectIdentity;
use kitty_missions::lane::Lane;
use kitty_missions::project::Project;
use kitty_missions::status_log::evidence::RepoEvidence;
use kitty_missions::status_log::row::{Row, Transition};
use kitty_missions::status_writer::{StatusError, StatusWriter, Written};
use kitty_missions::workflow::{Desk, Packages, Step, place_of};
use kitty_runtime::envelope::{Emitter, EventDraft};
use kitty_runtime::inbox::Held;
use serde_json::{Map, Value};

/// A step did not happen; nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The rows could not be written.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The events of the rows could not be stored.
    #[error("{0}")]
    Events(Failure),
}

/// A step that is about to be done.
#[derive(Debug)]
pub struct Doing<'a> {
    /// What it is done with.
    pub desk: Desk<'a>,
    /// The mission.
    pub mission: &'a NamedMission,
    /// Its locked status.
    pub writer: StatusWriter,
    /// What is to be written.
    pub step: &'a Step,
}

/// Does the step and prints its answer; `print` is called once, when the step has happened.
///
/// # Errors
/// [`StepError`]; then nothing was printed.
pub fn perform(
    invocation: &Invocation,
    doing: Doing<'_>,
    print: impl FnOnce(&Written),
) -> Result<(), StepError> {
    let settings = invocation.settings();
    if !invocation.hosted_sync() || settings.event_sync_mode() == EventSyncMode::OptOut {
        let Doing {
            mut writer, step, ..
        } = doing;
        let written = step.write(&mut writer)?;
        drop(writer);
        print(&written);
        return Ok(());
    }
    within_actors(with_events(invocation, &settings, doing, print))
}

async fn with_events(
    invocation: &Invocation,
    settings: &Settings,
    doing: Doing<'_>,
    print: impl FnOnce(&Written),
) -> Result<(), StepError> {
    let hosted = Hosted::start(invocation, settings);
    let (identity, capture, held) = hold(invocation, &hosted, &doing)
        .await
        .map_err(StepError::Events)?;
    let Doing {
        mut writer,
        step,
        desk,
        mission,
    } = doing;
    let written = match step.write(&mut writer) {
        Ok(written) => written,
        Err(error) => {
            // What cannot be withdrawn now is withdrawn by the next delivery: its rows are not there.
            // After a failure that could not be undone it looks which rows are.
            if let Some(held) = held
                && !matches!(error, StatusError::NotRestored { .. })
            {
                let _ = capture.settle(held, false).await;
            }
            return Err(error.into());
        }
    };
    if let Some(held) = held
        && let Err(error) = capture.settle(held, true).await
    {
        invocation.printer.note(format!(
            "The events are stored and will be delivered; they could not be handed over now: {error}"
        ));
    }
    drop(writer);
    print(&written);
    let (project, directory) = (desk.project, &mission.directory);
    dossier_step::tell(invocation, &hosted, project, &identity, directory).await;
    final_sync(invocation, settings, &hosted, identity.project_uuid).await;
    hosted.shut_down().await;
    Ok(())
}

/// Stores the events of the rows, unseen by any owner.
async fn hold(
    invocation: &Invocation,
    hosted: &Hosted,
    doing: &Doing<'_>,
) -> Result<(ProjectIdentity, CapturePorts, Option<Held>), Failure> {
    let not_stored = |detail: String| {
        Failure::new(
            "event_not_stored",
            format!("The events of this step could not be stored: {detail}"),
        )
    };
    let identity = project_identity(invocation, doing.desk.project)?;
    let queue = hosted.queue(identity.project_uuid);
    let capture = hosted.system.capture(&queue);
    let attribution = capture
        .attribution()
        .await
        .map_err(|error| not_stored(error.to_string()))?;
    let emitter = emitter(doing.desk.project, &identity, attribution.team_id);
    let facts = facts(doing, &emitter);
    let drafts = drafts(doing, &facts).map_err(|problem| not_stored(problem.to_string()))?;
    let claim = doing.writer.claim(doing.step.all_rows());
    let held = capture
        .hold(&drafts, &emitter, attribution.scope, claim)
        .await
        .map_err(|error| not_stored(error.to_string()))?;
    Ok((identity, capture, held))
}

/// What an event about a checkout says of it, in the shape that both event packages take; which
/// checkout it is stands in the envelope (decision 0005).
#[must_use]
pub fn build_payload(emitter: &Emitter) -> Map<String, Value> {
    [
        ("git_branch", &emitter.git_branch),
        ("head_commit_sha", &emitter.head_commit_sha),
        ("repo_slug", &emitter.repo_slug),
    ]
    .map(|(key, value)| (key.to_owned(), Value::from(value.clone())))
    .into_iter()
    .collect()
}

/// Says who emits, and where git is.
#[must_use]
pub fn emitter(project: &Project, identity: &ProjectIdentity, team_id: Option<String>) -> Emitter {
    let checkout = project.checkout.as_ref();
    let head = checkout.and_then(|checkout| checkout.head().ok());
    Emitter {
        project_uuid: identity.project_uuid,
        project_slug: Some(identity.project_slug.clone()),
        build_id: identity.build_id.to_string(),
        node_id: identity.node_id.clone(),
        repo_slug: identity.repo_slug.clone(),
        git_branch: head.as_ref().and_then(Head::branch).map(str::to_owned),
        head_commit_sha: head.as_ref().and_then(Head::commit).map(str::to_owned),
        team_id,
    }
}

fn drafts(
    doing: &Doing<'_>,
    facts: &MissionFacts,
) -> Result<Vec<EventDraft>, events::EventProblem> {
    let mut drafts = Vec::new();
    for row in doing.step.all_rows() {
        drafts.extend(events::of_row(row, facts)?);
    }
    let last = transitions(doing.step).last();
    if let (Some(number), Some(last)) = (doing.step.closes_as, last) {
        let meta = &doing.mission.meta;
        let kind = meta.mission_type.as_deref().unwrap_or("software-dev");
        let id = meta.mission_id.as_deref();
        drafts.push(events::mission_closed(last, id, number, kind)?);
    }
    Ok(drafts)
}

fn transitions(step: &Step) -> impl Iterator<Item = &Transition<'static>> {
    step.all_rows().filter_map(|row| match row {
        Row::Transition(row) => Some(row),
        Row::Annotation(_) => None,
    })
}

fn facts(doing: &Doing<'_>, emitter: &Emitter) -> MissionFacts {
    let checkout = doing.writer.checkout();
    facts_of(
        (&doing.desk, doing.mission),
        checkout,
        transitions(doing.step),
        emitter,
    )
}

/// Collects what events say beside their rows. What cannot be found out is left out: the rows are
/// what counts.
pub fn facts_of<'r, 't: 'r>(
    (desk, mission): (&Desk<'_>, &NamedMission),
    checkout: &Checkout,
    rows: impl Iterator<Item = &'r Transition<'t>>,
    emitter: &Emitter,
) -> MissionFacts {
    let mut facts = MissionFacts {
        mission_slug: mission.slug.clone(),
        ..MissionFacts::default()
    };
    let approvals =
        rows.filter(|row| matches!(row.to_lane, Lane::Approved | Lane::Done | Lane::Canceled));
    for row in approvals {
        let wp_id = row.wp_id.clone().into_owned();
        if facts.dependents.is_empty() {
            facts.dependents = dependents(mission);
        }
        if !facts.worked_on.contains_key(&wp_id) {
            let worked_on = worked_on((desk, mission), checkout, &wp_id, emitter);
            facts.worked_on.extend(worked_on.map(|repo| (wp_id, repo)));
        }
    }
    facts
}

fn dependents(mission: &NamedMission) -> std::collections::BTreeMap<String, Vec<String>> {
    let graph = Packages::read(mission).unwrap_or_default().graph();
    let dependents = graph.ids().map(|wp_id| {
        let names = graph.dependents(wp_id).into_iter().map(str::to_owned);
        (wp_id.to_owned(), names.collect())
    });
    dependents.collect()
}

/// Names the commit that was reviewed: the tip of the lane, or of the checkout.
fn worked_on(
    (desk, mission): (&Desk<'_>, &NamedMission),
    checkout: &Checkout,
    wp_id: &str,
    emitter: &Emitter,
) -> Option<RepoEvidence> {
    // Without a lane, or without its manifest, the work is in the checkout.
    let lane = place_of(desk, mission, wp_id)
        .ok()
        .and_then(|place| place.lane);
    let of_lane = lane.and_then(|lane| {
        let tip = checkout.branch_tip(&lane.branch).ok()??;
        Some((lane.branch, tip))
    });
    let here = || {
        let head = checkout.head().ok()?;
        let branch = head.branch().unwrap_or("HEAD");
        Some((branch.to_owned(), head.commit()?.to_owned()))
    };
    let (branch, commit) = of_lane.or_else(here)?;
    Some(RepoEvidence {
        branch,
        commit,
        files_touched: Vec::new(),
        repo: emitter
            .repo_slug
            .clone()
            .or_else(|| emitter.project_slug.clone())?,
    })
}

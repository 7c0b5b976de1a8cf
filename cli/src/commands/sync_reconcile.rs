//! `sync reconcile`: compares the status logs of the missions with what is stored to be sent.
//!
//! What a command left that died is settled: published where its rows are in the log, withdrawn where
//! they are not. Rows that no event tells of are named, and sent when that is asked for.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::Invocation;
use crate::mission_step::{emitter, facts_of};
use crate::project;
use crate::project::project_identity;
use clap::Args;
use kitty_actors::capture::{CaptureError, CapturePorts};
use kitty_actors::queue::messages::ReconcileHeld;
use kitty_config::EventSyncMode;
use kitty_config::policy::DISABLED_MESSAGE;
use kitty_missions::handle::{self, NamedMission};
use kitty_missions::project::Project;
use kitty_missions::status_log;
use kitty_missions::unsent::{Unsent, UnsentCounts};
use kitty_missions::workflow::Desk;
use kitty_runtime::consent::Consent;
use kitty_runtime::envelope::{Emitter, EventDraft};
use kitty_runtime::id::{EventId, EventIds, ProjectUuid};
use kitty_runtime::inbox::{Inbox, Reconciled};
use kitty_runtime::record::CaptureScope;
use kitty_runtime::snapshot::{KnownEvents, known_events};
use serde::Serialize;
use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

/// How long the settling of what is held may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How many events are stored at once.
const AT_ONCE: usize = 500;

/// Arguments of `sync reconcile`.
#[derive(Debug, Args)]
pub struct SyncReconcileArgs {
    /// Looks at one mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Appends the events of rows that have none
    #[arg(long)]
    all: bool,
    /// Tells what would be done and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct ReconcileDocument {
    dry_run: bool,
    held: HeldDocument,
    missions: Vec<MissionDocument>,
    /// Rows without an event, before any were appended.
    without_event: usize,
    /// Rows older than what the journal still holds; their events were answered and deleted.
    forgotten: usize,
    /// Events that were appended, or would be.
    appended: usize,
}

#[derive(Debug, Serialize)]
struct HeldDocument {
    published: usize,
    withdrawn: usize,
    in_work: usize,
    undecided: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MissionDocument {
    mission: String,
    without_event: UnsentCounts,
    problems: Vec<String>,
}

/// Runs `sync reconcile`.
///
/// # Errors
/// [`Failure`] when hosted sync is off, a log cannot be read, the project has opted out (with
/// `--all`), or events could not be stored; what was appended before stays.
pub fn run(invocation: &Invocation, args: &SyncReconcileArgs) -> Result<Exit, Failure> {
    if !invocation.hosted_sync() {
        return Err(Failure::new("rollout_disabled", DISABLED_MESSAGE));
    }
    let project = project::current(invocation)?;
    let identity = project::known_identity(invocation)?;
    if args.all {
        refuse_to_append(invocation, identity)?;
    }
    let held = match identity {
        Some(identity) => settle(invocation, args, identity)?,
        None => Reconciled::default(),
    };
    let logs = logs(&project, args.mission.as_deref())?;
    // Read after the logs: the event of a row is stored before the row is written.
    let known = match identity {
        Some(identity) => {
            let scope = project::scope(invocation, identity);
            known_events(&invocation.filesystem, &scope).map_err(|error| unreadable(&error))?
        }
        None => KnownEvents::default(),
    };
    let forgotten = Cell::new(0);
    let is_known = |id: &EventId| known.contains(id) || is_forgotten(&known, *id, &forgotten);
    let mut found: Vec<(&NamedMission, Unsent<'_>)> = logs
        .iter()
        .map(|(mission, text)| (mission, Unsent::find(text, is_known)))
        .collect();
    found.retain(|(_, unsent)| unsent.counts().total() + unsent.problems.len() > 0);
    let mut document = document(args, held, &found, forgotten.get());
    if args.all && document.without_event > 0 {
        document.appended = append(invocation, args, &project, &known, &found, &mut document)?;
    }
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print(invocation, args, &document);
    }
    Ok(Exit::Success)
}

/// Nothing is appended that must not leave.
fn refuse_to_append(invocation: &Invocation, identity: Option<ProjectUuid>) -> Result<(), Failure> {
    let consent = identity.map_or(Consent::Granted, |identity| {
        let paths = project::scope(invocation, identity).paths;
        Consent::read(&*invocation.filesystem, &paths)
    });
    if consent == Consent::Refused {
        return Err(Failure::new(
            "project_refused",
            "This project has opted out of hosted sync; nothing of it leaves this machine.",
        )
        .exit(Exit::Blocked)
        .next("Run `spec-kitty sync opt-in` to let events leave that are captured from then on."));
    }
    let mode = invocation.settings().event_sync_mode();
    if mode == EventSyncMode::OptOut {
        return Err(Failure::new(
            "event_sync_mode",
            format!(
                "[event_sync].mode is '{}': events are not captured.",
                mode.as_str()
            ),
        )
        .exit(Exit::Blocked)
        .next("Run `spec-kitty config set event_sync.mode teamspace` to deliver them."));
    }
    Ok(())
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(
        "queue_unreadable",
        format!("the queue could not be read: {error}"),
    )
    .next("Check the permissions of the state root; `spec-kitty state doctor` shows it.")
}

/// Settles what was left held, or tells what that would do.
fn settle(
    invocation: &Invocation,
    args: &SyncReconcileArgs,
    identity: ProjectUuid,
) -> Result<Reconciled, Failure> {
    let scope = project::scope(invocation, identity);
    let inbox = Inbox::new(invocation.filesystem.clone(), scope.paths);
    let found = inbox.reconcilable().map_err(|error| unreadable(&error))?;
    if args.dry_run || found == Reconciled::default() {
        return Ok(found);
    }
    within_actors(async {
        let hosted = Hosted::start(invocation, &invocation.settings());
        let settled = hosted
            .queue(identity)
            .ask(ReconcileHeld, SETTLE_LIMIT)
            .await;
        hosted.shut_down().await;
        settled
            .map_err(|error| Failure::from_error("not_settled", error))?
            .map_err(|error| Failure::from_error("not_settled", error))
    })
}

/// Reads the status logs; a mission that cannot be used is a failure only when it was named.
fn logs(project: &Project, named: Option<&str>) -> Result<Vec<(NamedMission, String)>, Failure> {
    let unusable = |error| Failure::from_error("mission_unusable", error);
    let missions = match named {
        Some(typed) => vec![handle::find(project, typed).map_err(unusable)?],
        None => {
            let all = handle::all(project).map_err(unusable)?;
            all.into_iter().filter_map(Result::ok).collect()
        }
    };
    let read = |mission: NamedMission| {
        let text = status_log::read(&mission.directory);
        let text = text.map_err(|error| {
            let message = format!("mission {}: {error}", mission.slug);
            Failure::new("mission_unusable", message)
        })?;
        Ok((mission, text))
    };
    missions.into_iter().map(read).collect()
}

/// Tells whether a row is older than anything the journal holds, after segments were deleted: its
/// event was answered a week ago or more, and which rows had one is not known any more.
fn is_forgotten(known: &KnownEvents, id: EventId, count: &Cell<usize>) -> bool {
    let forgotten = known
        .forgotten_before_ms
        .is_some_and(|then| id.timestamp_ms() < then);
    count.set(count.get() + usize::from(forgotten));
    forgotten
}

fn document(
    args: &SyncReconcileArgs,
    held: Reconciled,
    found: &[(&NamedMission, Unsent<'_>)],
    forgotten: usize,
) -> ReconcileDocument {
    let missions = found.iter().map(|(mission, unsent)| MissionDocument {
        mission: mission.slug.clone(),
        without_event: unsent.counts(),
        problems: unsent.problems.clone(),
    });
    let missions: Vec<MissionDocument> = missions.collect();
    ReconcileDocument {
        dry_run: args.dry_run,
        held: HeldDocument {
            published: held.published,
            withdrawn: held.withdrawn,
            in_work: held.in_work,
            undecided: held.undecided,
        },
        without_event: missions
            .iter()
            .map(|mission| mission.without_event.total())
            .sum(),
        missions,
        forgotten,
        appended: 0,
    }
}

/// Appends the events of the rows, each mission in the order of its log; returns how many.
fn append(
    invocation: &Invocation,
    args: &SyncReconcileArgs,
    project: &Project,
    known: &KnownEvents,
    found: &[(&NamedMission, Unsent<'_>)],
    document: &mut ReconcileDocument,
) -> Result<usize, Failure> {
    let identity = match args.dry_run {
        true => None,
        false => Some(project_identity(invocation, project)?),
    };
    within_actors(async {
        let hosted = Hosted::start(invocation, &invocation.settings());
        let mut appended = 0;
        for ((mission, unsent), told) in found.iter().zip(&mut document.missions) {
            let Some(identity) = &identity else {
                appended += told.without_event.total();
                continue;
            };
            let capture = hosted.system.capture(&hosted.queue(identity.project_uuid));
            let attribution = capture
                .attribution()
                .await
                .map_err(|error| not_stored(appended, &error))?;
            let emitter = emitter(project, identity, attribution.team_id);
            let drafts = drafts(
                (invocation, project, &emitter),
                (mission, unsent),
                known,
                told,
            );
            let stored = store(&capture, &drafts, &emitter, attribution.scope, told).await;
            appended += stored.map_err(|(before, error)| not_stored(appended + before, &error))?;
        }
        hosted.shut_down().await;
        Ok(appended)
    })
}

fn not_stored(appended: usize, error: &dyn std::error::Error) -> Failure {
    Failure::new(
        "event_not_stored",
        format!(
            "The events of the rows could not be stored: {error}. {appended} were appended before"
        ),
    )
    .next("Put that right and run the command again; what was appended is not appended twice.")
}

fn drafts(
    (invocation, project, emitter): (&Invocation, &Project, &Emitter),
    (mission, unsent): (&NamedMission, &Unsent<'_>),
    known: &KnownEvents,
    told: &mut MissionDocument,
) -> Vec<EventDraft> {
    let (git, ids) = (invocation.git(), EventIds::new(invocation.time.clone()));
    let desk = Desk {
        git: &git,
        project,
        time: &*invocation.time,
        ids: &ids,
    };
    let facts = project
        .checkout
        .as_ref()
        .map(|checkout| facts_of((&desk, mission), checkout, unsent.transitions(), emitter));
    let (mut drafts, problems) = unsent.events(mission, &facts.unwrap_or_default());
    let problems = problems.iter().map(ToString::to_string);
    told.problems.extend(problems);
    let mut seen = HashSet::new();
    drafts.retain(|draft| !known.contains(&draft.event_id) && seen.insert(draft.event_id));
    drafts
}

/// Stores events in order; those that the contract forbids are named and left out.
async fn store(
    capture: &CapturePorts,
    drafts: &[EventDraft],
    emitter: &Emitter,
    scope: CaptureScope,
    told: &mut MissionDocument,
) -> Result<usize, (usize, CaptureError)> {
    let mut stored = 0;
    for part in drafts.chunks(AT_ONCE) {
        match capture.capture(part, emitter, scope).await {
            Ok(ids) => stored += ids.len(),
            Err(CaptureError::Contract { .. }) => {
                for draft in part {
                    let one = std::slice::from_ref(draft);
                    match capture.capture(one, emitter, scope).await {
                        Ok(_) => stored += 1,
                        Err(error @ CaptureError::Contract { .. }) => {
                            let id = draft.event_id;
                            told.problems.push(format!("the row '{id}': {error}"));
                        }
                        Err(error) => return Err((stored, error)),
                    }
                }
            }
            Err(error) => return Err((stored, error)),
        }
    }
    Ok(stored)
}

fn print(invocation: &Invocation, args: &SyncReconcileArgs, document: &ReconcileDocument) {
    let printer = invocation.printer;
    let held = &document.held;
    let would = if args.dry_run { "would be " } else { "" };
    if held.published + held.withdrawn > 0 {
        printer.line(format!(
            "{} interrupted step(s) {would}published, {} {would}withdrawn.",
            held.published, held.withdrawn
        ));
    }
    if held.in_work > 0 {
        printer.line(format!(
            "{} step(s) are under way in other processes.",
            held.in_work
        ));
    }
    for why in &held.undecided {
        printer.line(format!(
            " ! An interrupted step stays as it is: {why}. Check out the branch of its mission and run this command again."
        ));
    }
    for mission in &document.missions {
        let counts = mission.without_event;
        printer.line(format!(
            " {}: {} move(s), {} note(s), {} other row(s) without an event",
            mission.mission, counts.transitions, counts.notes, counts.lifecycle
        ));
        for problem in &mission.problems {
            printer.line(format!("   ! {problem}"));
        }
    }
    if document.forgotten > 0 {
        printer.line(format!(
            "{} row(s) are older than the journal, which forgets what was delivered; they are left alone.",
            document.forgotten
        ));
    }
    printer.line(match (document.without_event, args.all) {
        (0, _) => "Every row of the status logs has its event.".to_owned(),
        (rows, false) => format!(
            "{rows} row(s) have no event: they were made while hosted sync was off or by another program; `--all` appends them."
        ),
        (_, true) => format!(
            "{} event(s) {would}appended; `spec-kitty sync now` delivers them.",
            document.appended
        ),
    });
}

//! `agent tasks status`: the work packages of a mission and how far it is.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::mission_desk::{CallError, MissionCall};
use crate::ordered::Ordered;
use clap::Args;
use kitty_missions::handle::NamedMission;
use kitty_missions::lane::Lane;
use kitty_missions::lanes_manifest::LanesManifest;
use kitty_missions::reducer::reduce;
use kitty_missions::snapshot::{Snapshot, WorkPackageState};
use kitty_missions::status_log::row::TextField;
use kitty_missions::status_log::{self, StatusLog};
use kitty_missions::work_package::{self, Frontmatter, WorkKind};
use kitty_missions::workflow::{Packages, WorkflowError};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Arguments of `agent tasks status`.
#[derive(Debug, Args)]
pub struct TasksStatusArgs {
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Accepted for scripts: when a work package counts as stale, in minutes; none ever does here
    #[arg(long)]
    stale_threshold: Option<u32>,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    mission_slug: String,
    mission_number: Option<u64>,
    mission_type: String,
    total_wps: usize,
    by_lane: Ordered<u64>,
    work_packages: Vec<PackageAnswer>,
    progress_percentage: f64,
    progress_semantics: &'static str,
    weighted_percentage: f64,
    done_count: usize,
    done_percentage: f64,
    stale_wps: usize,
    stale_verdicts: Vec<String>,
    stalled_wps: Vec<String>,
    auto_commit: bool,
}

#[derive(Debug, Serialize)]
struct PackageAnswer {
    id: String,
    title: String,
    lane: Lane,
    phase: &'static str,
    file: String,
    agent: String,
    agent_profile: String,
    resolved_agent_profile: String,
    resolved_role: String,
    resolved_model: String,
    shell_pid: Value,
    shell_pid_created_at: Option<String>,
    execution_mode: &'static str,
    workspace_kind: &'static str,
}

/// Runs the command; reads only.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, args: &TasksStatusArgs) -> Result<Exit, Failure> {
    let call = MissionCall::begin(invocation)?;
    let told = read(&call, args).map_err(CallError::from).map(|answer| {
        if args.json {
            invocation.printer.json().finish_indented(&answer);
        } else {
            print(&call, &answer);
        }
        Exit::Success
    });
    Ok(call.end(args.json, told))
}

fn read(call: &MissionCall<'_>, args: &TasksStatusArgs) -> Result<Answer, WorkflowError> {
    let mission = call.mission(args.mission.as_deref())?;
    let text = status_log::read(&mission.directory)?;
    let snapshot = reduce(&StatusLog::parse(&text).strict()?);
    let packages = Packages::read(&mission)?;
    let lanes = LanesManifest::read(&mission.directory)?;
    let mut files = BTreeMap::new();
    for (wp_id, path) in work_package::list(&mission.directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.entry(wp_id).or_insert_with(|| name.into_owned());
    }
    let rows = packages.by_id.iter().map(|(wp_id, front)| {
        let file = files.get(wp_id).cloned().unwrap_or_default();
        package((wp_id, front), file, &snapshot, lanes.as_ref())
    });
    Ok(answer(mission, rows.collect()))
}

fn package(
    (wp_id, front): (&String, &Frontmatter),
    file: String,
    snapshot: &Snapshot,
    lanes: Option<&LanesManifest>,
) -> PackageAnswer {
    let state = snapshot.work_packages.get(wp_id);
    let text = |field| {
        let text = state.and_then(|state: &WorkPackageState| state.text(field));
        text.unwrap_or_default().to_owned()
    };
    let lane = lanes.and_then(|lanes| lanes.lane_of(wp_id));
    let shell_pid = state.and_then(|state| state.shell_pid.get()).cloned();
    let created = text(TextField::ShellPidCreatedAt);
    PackageAnswer {
        id: wp_id.clone(),
        title: front.title.clone().unwrap_or_default(),
        lane: snapshot.lane(wp_id),
        phase: "Unknown Phase",
        file,
        agent: text(TextField::Agent),
        agent_profile: text(TextField::AgentProfile),
        resolved_agent_profile: text(TextField::AgentProfile),
        resolved_role: text(TextField::Role),
        resolved_model: text(TextField::Model),
        shell_pid: shell_pid.unwrap_or_else(|| Value::from("")),
        shell_pid_created_at: (!created.is_empty()).then_some(created),
        execution_mode: match front.kind {
            Some(WorkKind::PlanningArtifact) => "planning_artifact",
            _ => "code_change",
        },
        workspace_kind: match lane {
            Some(lane) if lane.is_planning() => "repo_root",
            Some(_) => "lane_workspace",
            None => "unknown",
        },
    }
}

fn answer(mission: NamedMission, packages: Vec<PackageAnswer>) -> Answer {
    let total = packages.len();
    let mut counts: Vec<(Lane, u64)> = Vec::new();
    for package in &packages {
        match counts.iter_mut().find(|(lane, _)| *lane == package.lane) {
            Some((_, count)) => *count += 1,
            None => counts.push((package.lane, 1)),
        }
    }
    let weights: u64 = counts
        .iter()
        .map(|(lane, count)| weight(*lane) * count)
        .sum();
    let done = packages.iter().filter(|package| package.lane == Lane::Done);
    let done_count = done.count();
    let by_lane = counts
        .into_iter()
        .map(|(lane, count)| (lane.as_str().to_owned(), count));
    let weighted = share(weights, total as u64 * 100);
    Answer {
        mission_slug: mission.slug,
        mission_number: mission.meta.mission_number,
        mission_type: mission.meta.mission_type.unwrap_or_default(),
        total_wps: total,
        by_lane: Ordered(by_lane.collect()),
        work_packages: packages,
        progress_percentage: weighted,
        progress_semantics: "weighted_readiness",
        weighted_percentage: weighted,
        done_count,
        done_percentage: share(done_count as u64, total as u64),
        stale_wps: 0,
        stale_verdicts: Vec::new(),
        stalled_wps: Vec::new(),
        auto_commit: true,
    }
}

/// How far a lane is on the way, in hundredths.
const fn weight(lane: Lane) -> u64 {
    match lane {
        Lane::Claimed => 5,
        Lane::InProgress => 30,
        Lane::ForReview => 60,
        Lane::InReview => 70,
        Lane::Approved => 80,
        Lane::Done => 100,
        _ => 0,
    }
}

/// A share in percent with one decimal; of nothing it is zero.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    let thousandths = u32::try_from((part * 2000 / whole).div_ceil(2)).unwrap_or(u32::MAX);
    f64::from(thousandths) / 10.0
}

fn print(call: &MissionCall<'_>, answer: &Answer) {
    let printer = call.invocation.printer;
    printer.line(format!(
        "{}: {} of {} done, {:.1} % ready",
        answer.mission_slug, answer.done_count, answer.total_wps, answer.progress_percentage
    ));
    let width = answer
        .work_packages
        .iter()
        .map(|package| package.id.len())
        .max();
    let width = width.unwrap_or_default();
    for package in &answer.work_packages {
        let agent = match package.agent.as_str() {
            "" => String::new(),
            agent => format!("  ({agent})"),
        };
        printer.line(format!(
            "  {:width$}  {:11}  {}{agent}",
            package.id,
            package.lane.as_str(),
            package.title
        ));
    }
}

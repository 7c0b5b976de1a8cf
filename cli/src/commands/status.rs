//! `status`: the missions of this project, from the working tree alone.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_missions::board::{self, BoardEntry};
use kitty_missions::handle;
use kitty_missions::lane::Lane;
use serde::Serialize;
use serde_json::{Map, Value};

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
    /// Shows one mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
}

#[derive(Debug, Serialize)]
struct StatusDocument {
    project_root: String,
    missions: Vec<MissionDocument>,
}

#[derive(Debug, Serialize)]
struct MissionDocument {
    mission_slug: String,
    mission_id: Option<String>,
    mission_number: Option<u64>,
    mission_type: Option<String>,
    friendly_name: Option<String>,
    target_branch: Option<String>,
    topology: Option<String>,
    created_at: Option<String>,
    work_packages: usize,
    summary: Map<String, Value>,
    problems: Vec<String>,
}

impl From<&BoardEntry> for MissionDocument {
    fn from(entry: &BoardEntry) -> Self {
        let (meta, problem) = match &entry.meta {
            Ok(meta) => (Some(meta), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        let summary = entry.snapshot.summary();
        let problems = problem
            .into_iter()
            .chain(entry.log_problems.iter().map(ToString::to_string));
        Self {
            mission_slug: meta.map_or_else(|| entry.name.clone(), |meta| meta.mission_slug.clone()),
            mission_id: meta.and_then(|meta| meta.mission_id.clone()),
            mission_number: meta.and_then(|meta| meta.mission_number),
            mission_type: meta.and_then(|meta| meta.mission_type.clone()),
            friendly_name: meta.and_then(|meta| meta.friendly_name.clone()),
            target_branch: meta.and_then(|meta| meta.target_branch.clone()),
            topology: meta.and_then(|meta| meta.topology.clone()),
            created_at: meta.and_then(|meta| meta.created_at.clone()),
            work_packages: summary.iter().map(|(_, count)| count).sum(),
            summary: summary
                .iter()
                .map(|(lane, count)| (lane.as_str().to_owned(), Value::from(*count)))
                .collect(),
            problems: problems.collect(),
        }
    }
}

/// Runs `status`; reads the working tree and nothing else.
///
/// # Errors
/// [`Failure`] outside a project, or when the missions cannot be listed.
pub fn run(invocation: &Invocation, args: &StatusArgs) -> Result<Exit, Failure> {
    let project = project::current(invocation)?;
    let mut board =
        board::read(&project).map_err(|error| Failure::from_error("missions_unreadable", error))?;
    if let Some(typed) = &args.mission {
        let found = handle::find(&project, typed)
            .map_err(|error| Failure::from_error("mission_not_found", error))?;
        board.missions.retain(|entry| entry.name == found.slug);
    }
    let missions: Vec<MissionDocument> = board.missions.iter().map(MissionDocument::from).collect();
    if args.json {
        let document = StatusDocument {
            project_root: project.root.display().to_string(),
            missions,
        };
        invocation.printer.json().finish(&document);
        return Ok(Exit::Success);
    }
    let printer = invocation.printer;
    if missions.is_empty() {
        printer.line("No missions yet. Create one with `spec-kitty agent mission create <slug>`.");
    }
    for (mission, entry) in missions.iter().zip(&board.missions) {
        let kind = mission.mission_type.as_deref().unwrap_or("?");
        let name = mission.friendly_name.as_deref().unwrap_or_default();
        printer.line(format!("{}  [{kind}]  {name}", mission.mission_slug));
        printer.line(format!("  {}", lanes(mission, entry)));
        for line in lines(entry) {
            printer.line(line);
        }
        for problem in &mission.problems {
            printer.line(format!("  ! {problem}"));
        }
    }
    Ok(Exit::Success)
}

fn lanes(mission: &MissionDocument, entry: &BoardEntry) -> String {
    if mission.work_packages == 0 {
        return "no work packages yet".to_owned();
    }
    let summary = entry.snapshot.summary();
    let counted = summary.iter().filter(|(_, count)| *count != 0);
    let lanes: Vec<String> = counted
        .map(|(lane, count)| format!("{lane} {count}"))
        .collect();
    format!(
        "{} work package(s): {}",
        mission.work_packages,
        lanes.join(", ")
    )
}

/// How many work packages a lane names; of the others only the number is told.
const NAMED: usize = 12;

/// One line for each lane that has work packages.
fn lines(entry: &BoardEntry) -> Vec<String> {
    let in_lane = |lane: Lane| {
        let packages = entry.snapshot.work_packages.iter();
        let names = packages.filter(|(_, state)| state.lane == lane);
        let names: Vec<&str> = names.map(|(wp_id, _)| wp_id.as_str()).collect();
        (lane, names)
    };
    let lanes = Lane::DISPLAYED.into_iter().map(in_lane);
    lanes
        .filter(|(_, names)| !names.is_empty())
        .map(|(lane, names)| {
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = names[..names.len().min(NAMED)].join(" ");
            format!("    {:11} {named}{more}", lane.as_str())
        })
        .collect()
}

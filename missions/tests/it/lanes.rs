//! A mission with three lanes in a real repository: `lane-c` builds on `lane-a` and `lane-b`.

use crate::support::{Sandbox, write};
use kitty_missions::git::{Checkout, GitProgram};
use kitty_missions::integration::{
    CleanUp, Integrated, IntegrationError, IntegrationRequest, Retain, Strategy, prepare,
};
use kitty_missions::project::Project;
use kitty_missions::workspace::{Allocated, LaneDependency, LaneRequest, WorkspaceError, allocate};
use std::path::{Path, PathBuf};

pub(crate) const SLUG: &str = "demo-01M7XCRB";
pub(crate) const MISSION: &str = "kitty/mission-demo-01M7XCRB";
pub(crate) const LANES: [&str; 3] = ["lane-a", "lane-b", "lane-c"];

/// A project whose branch `work` is checked out and holds a planning commit.
pub(crate) fn planned(below: &str) -> Sandbox {
    let sandbox = Sandbox::project_at(below);
    sandbox.write(".gitignore", ".worktrees/\n*.ignored\n");
    sandbox.commit_all("ignore");
    sandbox.git(&["switch", "--quiet", "--create", "work"]);
    sandbox.write(&format!("kitty-specs/{SLUG}/spec.md"), "spec\n");
    sandbox.commit_all("plan");
    sandbox
}

pub(crate) fn request(lane: &str) -> LaneRequest {
    let depends_on = if lane == "lane-c" { &LANES[..2] } else { &[] };
    LaneRequest {
        mission_slug: SLUG.to_owned(),
        mission_branch: MISSION.to_owned(),
        target_branch: "work".to_owned(),
        planning_commit: None,
        lane_id: lane.to_owned(),
        depends_on: depends_on
            .iter()
            .rev()
            .map(|lane| LaneDependency {
                parallel_group: 0,
                lane_id: (*lane).to_owned(),
            })
            .collect(),
    }
}

pub(crate) fn branch(lane: &str) -> String {
    format!("{MISSION}-{lane}")
}

pub(crate) fn path(sandbox: &Sandbox, lane: &str) -> PathBuf {
    sandbox.root.join(format!(".worktrees/{SLUG}-{lane}"))
}

pub(crate) fn allocated(sandbox: &Sandbox, lane: &str) -> Result<Allocated, WorkspaceError> {
    allocate(&sandbox.locate(), &request(lane))
}

/// Writes and commits one file in a lane's worktree.
pub(crate) fn work(sandbox: &Sandbox, lane: &str, file: &str, text: &str) {
    let path = path(sandbox, lane);
    write(&path.join(file), text);
    sandbox.git_in(&path, &["add", "--all"]);
    let message = format!("{lane} {file}");
    sandbox.git_in(&path, &["commit", "--quiet", "-m", &message]);
}

/// All three lanes made and worked in; the target moved on meanwhile.
pub(crate) fn worked() -> Sandbox {
    let sandbox = planned("repo");
    for lane in LANES {
        allocated(&sandbox, lane).unwrap();
        work(&sandbox, lane, &format!("src/{lane}.txt"), lane);
    }
    sandbox.write(&format!("kitty-specs/{SLUG}/status.events.jsonl"), "{}\n");
    sandbox.commit_all("status");
    sandbox
}

pub(crate) fn integration(strategy: Strategy) -> IntegrationRequest {
    IntegrationRequest {
        mission_slug: SLUG.to_owned(),
        mission_branch: MISSION.to_owned(),
        target_branch: "work".to_owned(),
        strategy,
        lanes: LANES.map(str::to_owned).to_vec(),
        abandoned: Vec::new(),
    }
}

/// Integrates and lets the caller's part happen: a commit on the target branch.
pub(crate) fn integrate(
    project: &Project,
    request: &IntegrationRequest,
) -> Result<Integrated, IntegrationError> {
    prepare(project, request)?.integrate()
}

pub(crate) fn whole(project: &Project, strategy: Strategy) -> Result<CleanUp, IntegrationError> {
    integrate(project, &integration(strategy))?.clean_up(Retain::default())
}

pub(crate) fn open(program: &GitProgram, path: &Path) -> Checkout {
    Checkout::open(program, path).unwrap().unwrap()
}

/// The subjects of a branch, newest first.
pub(crate) fn subjects(sandbox: &Sandbox, range: &str) -> Vec<String> {
    let text = sandbox.git(&["log", "--topo-order", "--format=%s", range, "--"]);
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn branches(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    text.lines().map(str::to_owned).collect()
}

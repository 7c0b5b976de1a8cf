//! Computes the lanes of a mission from what its work packages own and need.
//!
//! Work packages share a lane when their files overlap. (A common surface joins them only where their
//! files are not provably apart, which is when they overlap; surfaces are noted all the same.)
//! Dependencies never join lanes: they become waits between them.

use super::overlap::globs_overlap;
use super::{CollapseEvent, CollapseReport, ExecutionLane, LanesManifest, PLANNING_LANE};
use crate::dependency_graph::{Cycle, DependencyGraph, GraphProblem};
use serde_json::Map;
use std::collections::{BTreeMap, BTreeSet};

/// What a work package says about the files it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Whether it only plans: it works in the primary checkout.
    pub is_planning: bool,
    /// The globs of its files.
    pub owned_files: Vec<String>,
    /// The text below its frontmatter, searched for surfaces.
    pub body: String,
}

/// The mission that lanes are computed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanesRequest<'a> {
    /// The mission's directory name.
    pub mission_slug: &'a str,
    /// The mission's ULID.
    pub mission_id: Option<&'a str>,
    /// The branch that the lanes are merged into.
    pub mission_branch: &'a str,
    /// The branch that the mission is merged into.
    pub target_branch: &'a str,
    /// Now.
    pub computed_at: &'a str,
}

/// The lanes cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComputeProblem {
    /// A work package does not say what it owns.
    #[error(
        "Executable WP '{0}' has no ownership manifest. Ensure owned_files and execution_mode are \
         set in WP frontmatter, or run finalize-tasks to infer them."
    )]
    NoOwnership(String),
    /// Lanes wait for each other.
    #[error("Execution-lane dependency cycle detected: {}", .0.0.join(" -> "))]
    LaneCycle(Cycle),
    /// Work packages of one lane wait for each other.
    #[error(transparent)]
    Dependencies(#[from] GraphProblem),
}

/// The surfaces of a product, each with the words that name it.
const SURFACES: [(&str, &[&str]); 8] = [
    ("dashboard", &["dashboard", "landing page", "landing-page"]),
    ("workspace", &["workspace", "mission workspace"]),
    (
        "app-shell",
        &["app shell", "app-shell", "navigation", "sidebar", "layout"],
    ),
    (
        "legacy-cleanup",
        &["legacy", "cleanup", "deprecat", "remov"],
    ),
    (
        "tests",
        &[
            "test suite",
            "test infrastructure",
            "e2e test",
            "integration test",
        ],
    ),
    ("tracker-integration", &["tracker", "saas", "sync"]),
    ("artifact-rendering", &["artifact", "render", "template"]),
    ("api", &["api", "endpoint", "route", "view"]),
];

fn surfaces(body: &str) -> BTreeSet<&'static str> {
    let body = body.to_lowercase();
    let named = SURFACES
        .iter()
        .filter(|(_, words)| words.iter().any(|word| body.contains(word)));
    named.map(|(surface, _)| *surface).collect()
}

/// Computes the lanes.
///
/// Every id of the graph needs an ownership; `planning_commit_sha` stays unset.
///
/// # Errors
/// [`ComputeProblem`].
pub fn compute(
    graph: &DependencyGraph,
    ownership: &BTreeMap<String, Ownership>,
    request: &LanesRequest<'_>,
) -> Result<LanesManifest, ComputeProblem> {
    let mut code: Vec<&str> = Vec::new();
    let mut planning: Vec<&str> = Vec::new();
    for id in graph.ids() {
        let owned = ownership.get(id);
        let owned = owned.ok_or_else(|| ComputeProblem::NoOwnership(id.to_owned()))?;
        if owned.is_planning {
            &mut planning
        } else {
            &mut code
        }
        .push(id);
    }
    let surfaces: BTreeMap<&str, BTreeSet<&str>> = code
        .iter()
        .map(|id| (*id, surfaces(&ownership[*id].body)))
        .collect();
    let mut groups = Groups::new(&code);
    let events = join(graph, ownership, &code, &mut groups);
    let mut lanes = lanes_of(graph, ownership, &surfaces, &groups.sets());
    if !planning.is_empty() {
        lanes.push(lane(
            PLANNING_LANE,
            planning.clone(),
            ownership,
            ["planning"].into(),
        ));
    }
    wait(graph, &mut lanes)?;
    if let Some(cycle) = graph.cycle() {
        return Err(GraphProblem::Cycle(cycle).into());
    }
    lanes.sort_by(|one, other| {
        (one.parallel_group, &one.lane_id).cmp(&(other.parallel_group, &other.lane_id))
    });
    Ok(LanesManifest {
        version: 1,
        mission_slug: request.mission_slug.to_owned(),
        mission_id: request.mission_id.map(str::to_owned),
        mission_branch: request.mission_branch.to_owned(),
        target_branch: request.target_branch.to_owned(),
        lanes,
        computed_at: request.computed_at.to_owned(),
        computed_from: "dependency_graph+ownership".to_owned(),
        planning_artifact_wps: planning.into_iter().map(str::to_owned).collect(),
        planning_commit_sha: None,
        collapse_report: report(graph, events),
        foreign: Map::new(),
    })
}

/// Joins the work packages that must share a lane, and tells why.
fn join(
    graph: &DependencyGraph,
    ownership: &BTreeMap<String, Ownership>,
    code: &[&str],
    groups: &mut Groups<'_>,
) -> Vec<CollapseEvent> {
    let mut events = Vec::new();
    for (a, b) in pairs(code.len()) {
        if overlap(&ownership[code[a]], &ownership[code[b]]) && groups.join(a, b) {
            events.push(CollapseEvent {
                wp_a: code[a].to_owned(),
                wp_b: code[b].to_owned(),
                rule: "write_scope_overlap".to_owned(),
                evidence: overlap_in_words(graph, ownership, code[a], code[b]),
            });
        }
    }
    events
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

fn overlap(one: &Ownership, other: &Ownership) -> bool {
    let mut globs = one.owned_files.iter();
    globs.any(|glob| {
        other
            .owned_files
            .iter()
            .any(|other| globs_overlap(glob, other))
    })
}

fn overlap_in_words(
    graph: &DependencyGraph,
    ownership: &BTreeMap<String, Ownership>,
    a: &str,
    b: &str,
) -> String {
    let mut globs = Vec::new();
    for one in &ownership[a].owned_files {
        for other in &ownership[b].owned_files {
            if globs_overlap(one, other) {
                globs.push(format!("{} vs {}", quoted(one), quoted(other)));
            }
        }
    }
    let depends = |one: &str, other: &str| {
        let needs = graph.dependencies(one).iter().any(|id| id == other);
        needs.then(|| format!("; {one} depends on {other}"))
    };
    let dependency = depends(a, b).or_else(|| depends(b, a)).unwrap_or_default();
    format!("overlapping globs: {}{dependency}", globs.join(", "))
}

/// Quotes a text as Python does: single quotes, unless only those occur in it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

/// Makes a lane of each group, named in the order of the smallest id.
fn lanes_of(
    graph: &DependencyGraph,
    ownership: &BTreeMap<String, Ownership>,
    surfaces: &BTreeMap<&str, BTreeSet<&str>>,
    groups: &[BTreeSet<&str>],
) -> Vec<ExecutionLane> {
    let lanes = groups.iter().enumerate().map(|(index, group)| {
        let named = group.iter().flat_map(|id| &surfaces[id]).copied().collect();
        lane(&lane_id(index), graph.in_order(group), ownership, named)
    });
    lanes.collect()
}

fn lane(
    lane_id: &str,
    wp_ids: Vec<&str>,
    ownership: &BTreeMap<String, Ownership>,
    surfaces: BTreeSet<&str>,
) -> ExecutionLane {
    let scope: BTreeSet<&String> = wp_ids
        .iter()
        .flat_map(|id| &ownership[*id].owned_files)
        .collect();
    ExecutionLane {
        lane_id: lane_id.to_owned(),
        write_scope: scope.into_iter().cloned().collect(),
        wp_ids: wp_ids.into_iter().map(str::to_owned).collect(),
        predicted_surfaces: surfaces.into_iter().map(str::to_owned).collect(),
        depends_on_lanes: Vec::new(),
        parallel_group: 0,
    }
}

/// Names a lane: `lane-a` to `lane-z`, then `lane-aa` and so on.
fn lane_id(index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index + 1;
    while rest > 0 {
        let letter = u8::try_from((rest - 1) % 26).unwrap_or_default();
        letters.insert(0, char::from(b'a' + letter));
        rest = (rest - 1) / 26;
    }
    format!("lane-{}", letters.into_iter().collect::<String>())
}

/// Fills in which lane waits for which, and the groups that can run at the same time.
fn wait(graph: &DependencyGraph, lanes: &mut [ExecutionLane]) -> Result<(), ComputeProblem> {
    let lane_of: BTreeMap<&str, &str> = lanes
        .iter()
        .flat_map(|lane| {
            lane.wp_ids
                .iter()
                .map(|id| (id.as_str(), lane.lane_id.as_str()))
        })
        .collect();
    let waits: Vec<(String, Vec<String>)> = lanes
        .iter()
        .map(|lane| {
            let needs = lane.wp_ids.iter().flat_map(|id| graph.dependencies(id));
            let lanes: BTreeSet<&str> = needs
                .filter_map(|id| lane_of.get(id.as_str()).copied())
                .filter(|other| *other != lane.lane_id)
                .collect();
            let lanes = lanes.into_iter().map(str::to_owned).collect();
            (lane.lane_id.clone(), lanes)
        })
        .collect();
    let waits: DependencyGraph = waits.into_iter().collect();
    if let Some(cycle) = waits.cycle() {
        return Err(ComputeProblem::LaneCycle(cycle));
    }
    let all: BTreeSet<&str> = waits.ids().collect();
    let mut depths: BTreeMap<&str, u32> = BTreeMap::new();
    for id in waits.in_order(&all) {
        let needs = waits.dependencies(id).iter();
        let depth = needs.map(|lane| depths[lane.as_str()] + 1).max();
        depths.insert(id, depth.unwrap_or(0));
    }
    for lane in lanes.iter_mut() {
        lane.depends_on_lanes = waits.dependencies(&lane.lane_id).to_vec();
        lane.parallel_group = depths[lane.lane_id.as_str()];
    }
    Ok(())
}

fn report(graph: &DependencyGraph, events: Vec<CollapseEvent>) -> Option<CollapseReport> {
    if events.is_empty() {
        return None;
    }
    let are_independent = |event: &&CollapseEvent| {
        !graph.reaches(&event.wp_a, &event.wp_b) && !graph.reaches(&event.wp_b, &event.wp_a)
    };
    let mut by_rule = Map::new();
    for event in &events {
        let count = by_rule.get(&event.rule).and_then(serde_json::Value::as_u64);
        by_rule.insert(event.rule.clone(), (count.unwrap_or(0) + 1).into());
    }
    Some(CollapseReport {
        total_merges: events.len(),
        independent_wps_collapsed: events.iter().filter(are_independent).count(),
        by_rule,
        events,
    })
}

/// Disjoint groups of work packages.
struct Groups<'a> {
    ids: &'a [&'a str],
    parents: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn new(ids: &'a [&'a str]) -> Self {
        Self {
            ids,
            parents: (0..ids.len()).collect(),
        }
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    /// Joins two groups; false when they are one already.
    fn join(&mut self, one: usize, other: usize) -> bool {
        let (one, other) = (self.root(one), self.root(other));
        let (low, high) = (one.min(other), one.max(other));
        self.parents[high] = low;
        low != high
    }

    /// Returns the groups in the order of their smallest id.
    fn sets(&mut self) -> Vec<BTreeSet<&'a str>> {
        let mut sets: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for index in 0..self.ids.len() {
            let root = self.root(index);
            sets.entry(root).or_default().insert(self.ids[index]);
        }
        sets.into_values().collect()
    }
}

//! Reads and checks everything before anything is written.

use super::FinalizeError;
use super::issues;
use super::ownership::{self, Owned, common_place, inferred_files, inferred_kind};
use super::requirements::{Requirements, references};
use super::tasks_md::{self, Section};
use super::wps::{Entry, Manifest};
use crate::dependency_graph::{DependencyGraph, GraphProblem};
use crate::lane::Lane;
use crate::plan::PlanError;
use crate::plan::change::read;
use crate::plan::place::Place;
use crate::reducer::reduce;
use crate::snapshot::Snapshot;
use crate::status_log::StatusLog;
use crate::work_package::{
    self, FieldValue, Frontmatter, WorkKind, WorkPackageFile, WorkPackageProblem,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Lanes in which nothing was executed yet.
const BEFORE_EXECUTION: [Lane; 3] = [Lane::Genesis, Lane::Planned, Lane::Canceled];

/// A mission whose work packages hold together.
pub(super) struct Checked {
    /// By id.
    pub(super) packages: BTreeMap<String, Package>,
    /// What each waits for, canceled ones left out.
    pub(super) graph: DependencyGraph,
    /// Every functional requirement of the specification.
    pub(super) functional: Vec<String>,
    /// The issue matrix that belongs to the specification.
    pub(super) issue_matrix: Option<String>,
    /// `tasks.md`, when it is made from `wps.yaml`.
    pub(super) tasks_md: Option<String>,
    /// The text of the status log.
    pub(super) log: String,
    /// Whether a work package was ever worked on, or is canceled.
    pub(super) execution_has_begun: bool,
    pub(super) has_canceled: bool,
    /// The work packages that have a status.
    pub(super) seeded: BTreeSet<String>,
    pub(super) ownership_warnings: Vec<String>,
    pub(super) requirement_warnings: Vec<String>,
}

/// One work package file.
pub(super) struct Package {
    pub(super) path: PathBuf,
    pub(super) title: String,
    pub(super) dependencies: Vec<String>,
    pub(super) requirement_refs: Vec<String>,
    /// The text after the edit, when it differs.
    pub(super) edited: Option<String>,
    /// The fields that differ, with their new values.
    pub(super) changes: Vec<(&'static str, FieldValue)>,
    /// What it owns; `None` for canceled work.
    pub(super) owned: Option<Owned>,
    pub(super) body: String,
}

/// What was read of a file.
struct Source {
    path: PathBuf,
    file: String,
    text: String,
    front: Frontmatter,
}

pub(super) fn check(place: &Place) -> Result<Checked, FinalizeError> {
    let manifest = Manifest::read(&place.directory)?;
    let spec_file = place.directory.join("spec.md");
    let spec = read(&spec_file)?.ok_or(PlanError::SpecMissing { path: spec_file })?;
    let sources = sources(place)?;
    let (dependencies, refs) = declared(place, &sources, manifest.as_ref())?;
    known(&dependencies)?;
    let requirements = Requirements::read(&spec);
    if let Some(mismatch) = requirements.mismatch(&refs) {
        return Err(FinalizeError::Requirements(mismatch));
    }
    let log = crate::status_log::read(&place.directory)?;
    let parsed = StatusLog::parse(&log).strict()?;
    let snapshot = reduce(&parsed);
    let canceled = |wp_id: &str| is_canceled(&snapshot, wp_id);
    let graph = eligible(&dependencies, &canceled)?;
    let concerns = manifest.as_ref().map(Manifest::warnings);
    let mut warnings = concerns.unwrap_or_default();
    let mut packages = BTreeMap::new();
    let mut owning_nothing = Vec::new();
    for (wp_id, source) in &sources {
        let mut package = Package {
            path: source.path.clone(),
            title: source.front.title.clone().unwrap_or_else(|| wp_id.clone()),
            dependencies: dependencies[wp_id].clone(),
            requirement_refs: refs[wp_id].clone(),
            edited: None,
            changes: Vec::new(),
            owned: None,
            body: WorkPackageFile::parse(&source.file, &source.text)?
                .body()
                .to_owned(),
        };
        if !canceled(wp_id) {
            match owned(source, place, &mut warnings) {
                Some(owned) => package.owned = Some(owned),
                None => owning_nothing.push(wp_id.clone()),
            }
        }
        edit(&mut package, source, place)?;
        packages.insert(wp_id.clone(), package);
    }
    if !owning_nothing.is_empty() {
        return Err(FinalizeError::OwnsNothing {
            wp_ids: owning_nothing,
        });
    }
    let owned: BTreeMap<String, Owned> = packages
        .iter()
        .filter(|(_, package)| {
            package
                .owned
                .as_ref()
                .is_some_and(|owned| !owned.files.is_empty())
        })
        .filter_map(|(wp_id, package)| Some((wp_id.clone(), package.owned.clone()?)))
        .collect();
    let (wrong, odd) = ownership::check(&owned, &graph, place.checkout.root());
    if !wrong.is_empty() {
        return Err(FinalizeError::Ownership(wrong));
    }
    warnings.extend(odd);
    let begun = |lane: Lane| !BEFORE_EXECUTION.contains(&lane);
    Ok(Checked {
        functional: requirements.functional(),
        issue_matrix: issues::matrix(&spec),
        tasks_md: manifest.map(|manifest| manifest.tasks_md(&place.slug)),
        requirement_warnings: requirements.warnings(&spec),
        ownership_warnings: warnings,
        execution_has_begun: parsed
            .transitions
            .iter()
            .any(|row| begun(row.from_lane) || begun(row.to_lane)),
        has_canceled: sources.keys().any(|wp_id| canceled(wp_id)),
        seeded: parsed
            .transitions
            .iter()
            .map(|row| row.wp_id.clone().into_owned())
            .collect(),
        packages,
        graph,
        log,
    })
}

fn is_canceled(snapshot: &Snapshot, wp_id: &str) -> bool {
    let state = snapshot.work_packages.get(wp_id);
    state.is_some_and(|state| state.lane == Lane::Canceled)
}

/// Reads every work package file.
fn sources(place: &Place) -> Result<BTreeMap<String, Source>, FinalizeError> {
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    for (wp_id, path) in work_package::list(&place.directory)? {
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = work_package::read(&path)?;
        let front = Frontmatter::read(&file, &WorkPackageFile::parse(&file, &text)?)?;
        match &front.work_package_id {
            Some(said) if *said == wp_id => {}
            Some(said) => {
                let found = said.clone();
                return Err(WorkPackageProblem::Mismatch { file, found }.into());
            }
            None => {
                return Err(WorkPackageProblem::Field {
                    file,
                    field: "work_package_id",
                    expected: "the id that the file is named after",
                }
                .into());
            }
        }
        if let Some(other) = sources.get(&wp_id) {
            return Err(FinalizeError::Twice {
                one: other.file.clone(),
                other: file,
                wp_id,
            });
        }
        sources.insert(
            wp_id,
            Source {
                path,
                file,
                text,
                front,
            },
        );
    }
    if sources.is_empty() {
        return Err(FinalizeError::NoWorkPackages {
            tasks: place.directory.join(work_package::DIRECTORY),
        });
    }
    Ok(sources)
}

type ByPackage = BTreeMap<String, Vec<String>>;

/// Returns dependencies and requirements: what `wps.yaml` says of dependencies counts, without it what
/// a frontmatter says, else `tasks.md`.
fn declared(
    place: &Place,
    sources: &BTreeMap<String, Source>,
    manifest: Option<&Manifest>,
) -> Result<(ByPackage, ByPackage), FinalizeError> {
    if let Some(manifest) = manifest {
        return declared_in(manifest, sources);
    }
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    if let Some(text) = read(&place.directory.join("tasks.md"))? {
        sections = tasks_md::sections(&text);
        let missing = sources
            .keys()
            .filter(|wp_id| !sections.contains_key(*wp_id));
        let missing: Vec<String> = missing.cloned().collect();
        let extra = sections
            .keys()
            .filter(|wp_id| !sources.contains_key(*wp_id));
        let extra: Vec<String> = extra.cloned().collect();
        if !(missing.is_empty() && extra.is_empty()) {
            return Err(FinalizeError::Coverage { missing, extra });
        }
    }
    let (mut dependencies, mut refs) = (BTreeMap::new(), BTreeMap::new());
    for (wp_id, source) in sources {
        let section = sections.remove(wp_id).unwrap_or_default();
        let first = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        let own = source.front.dependencies.clone();
        dependencies.insert(wp_id.clone(), first(own, section.dependencies));
        let own = source.front.requirement_refs.join(" ");
        refs.insert(
            wp_id.clone(),
            first(references(&own), section.requirement_refs),
        );
    }
    Ok((dependencies, refs))
}

/// The same of a mission with a `wps.yaml`, from which `tasks.md` is made.
fn declared_in(
    manifest: &Manifest,
    sources: &BTreeMap<String, Source>,
) -> Result<(ByPackage, ByPackage), FinalizeError> {
    let has_no_file = |id: &&String| !sources.contains_key(*id);
    let extra: Vec<String> = manifest.ids().filter(has_no_file).cloned().collect();
    let has_no_entry = |id: &&String| manifest.entry(id).is_none();
    let missing: Vec<String> = sources.keys().filter(has_no_entry).cloned().collect();
    if !(missing.is_empty() && extra.is_empty()) {
        return Err(FinalizeError::ManifestCoverage { missing, extra });
    }
    let (mut dependencies, mut refs) = (BTreeMap::new(), BTreeMap::new());
    for (wp_id, source) in sources {
        let entry = manifest.entry(wp_id);
        let of_entry = |list: fn(&Entry) -> &Vec<String>| entry.map(list).cloned();
        let needs = of_entry(|entry| &entry.dependencies).unwrap_or_default();
        dependencies.insert(wp_id.clone(), needs);
        let mut own = references(&source.front.requirement_refs.join(" "));
        if own.is_empty() {
            let listed = of_entry(|entry| &entry.requirement_refs).unwrap_or_default();
            own = references(&listed.join(" "));
        }
        refs.insert(wp_id.clone(), own);
    }
    Ok((dependencies, refs))
}

/// Refuses a dependency that is no work package of the mission.
fn known(dependencies: &ByPackage) -> Result<(), GraphProblem> {
    for (wp_id, needs) in dependencies {
        if let Some(unknown) = needs.iter().find(|id| !dependencies.contains_key(*id)) {
            return Err(GraphProblem::Unknown {
                wp_id: wp_id.clone(),
                dependency: unknown.clone(),
            });
        }
    }
    Ok(())
}

/// Leaves canceled work out; nothing that goes on may wait for it.
fn eligible(
    dependencies: &ByPackage,
    canceled: &impl Fn(&str) -> bool,
) -> Result<DependencyGraph, FinalizeError> {
    let going_on = || dependencies.iter().filter(|(wp_id, _)| !canceled(wp_id));
    for (wp_id, needs) in going_on() {
        if let Some(gone) = needs.iter().find(|id| canceled(id)) {
            return Err(FinalizeError::CanceledDependency {
                wp_id: wp_id.clone(),
                canceled: gone.clone(),
            });
        }
    }
    let graph: DependencyGraph = going_on()
        .map(|(id, needs)| (id.clone(), needs.clone()))
        .collect();
    graph.check()?;
    Ok(graph)
}

/// Returns what a work package owns, inferring what it does not say; `None` when it changes code and
/// says that it owns nothing.
fn owned(source: &Source, place: &Place, warnings: &mut Vec<String>) -> Option<Owned> {
    let front = &source.front;
    let kind = front.kind.unwrap_or_else(|| inferred_kind(&source.text));
    let mut files = front.owned_files.clone();
    let says_none = front.owned_files.is_empty() && says_empty_list(source);
    if says_none && kind == WorkKind::CodeChange {
        return None;
    }
    if files.is_empty() && !says_none {
        let (inferred, warning) = inferred_files(&source.text, &place.slug);
        files = inferred;
        let wp_id = front.work_package_id.as_deref().unwrap_or_default();
        warnings.extend(warning.map(|warning| format!("{wp_id}: {warning}")));
    }
    let inferred = || common_place(&files);
    Some(Owned {
        kind,
        create_intent: front.create_intent.clone(),
        surface: front.authoritative_surface.clone().unwrap_or_else(inferred),
        everywhere: front.scope.as_deref() == Some("codebase-wide"),
        files,
    })
}

fn says_empty_list(source: &Source) -> bool {
    let Ok(parsed) = WorkPackageFile::parse(&source.file, &source.text) else {
        return false;
    };
    let mut lines = parsed.yaml().lines();
    lines.any(|line| {
        line.strip_prefix("owned_files:")
            .is_some_and(|value| value.split_whitespace().collect::<String>() == "[]")
    })
}

/// Notes the fields that the file must say differently, and the text that says them.
fn edit(package: &mut Package, source: &Source, place: &Place) -> Result<(), FinalizeError> {
    let front = &source.front;
    let mut changes: Vec<(&'static str, FieldValue)> = Vec::new();
    let mut list = |field, is: &[String], wanted: &[String]| {
        if is != wanted || !mentions(source, field) {
            changes.push((field, FieldValue::List(wanted.to_vec())));
        }
    };
    list("dependencies", &front.dependencies, &package.dependencies);
    list(
        "requirement_refs",
        &front.requirement_refs,
        &package.requirement_refs,
    );
    if let Some(owned) = &package.owned {
        list("owned_files", &front.owned_files, &owned.files);
    }
    let target = &place.target;
    let strategy = format!(
        "The mission was planned on {target}. A lane may begin with the work that it depends on; completed changes are merged back into {target}."
    );
    let mut text = |field, is: &Option<String>, wanted: &str| {
        if is.as_deref() != Some(wanted) {
            changes.push((field, FieldValue::Text(wanted.to_owned())));
        }
    };
    text("planning_base_branch", &front.planning_base_branch, target);
    text("merge_target_branch", &front.merge_target_branch, target);
    if front
        .branch_strategy
        .as_deref()
        .is_none_or(|said| !said.contains(target.as_str()))
    {
        text("branch_strategy", &front.branch_strategy, &strategy);
    }
    if let Some(owned) = &package.owned {
        if front.kind.is_none() {
            let kind = match owned.kind {
                WorkKind::CodeChange => "code_change",
                WorkKind::PlanningArtifact => "planning_artifact",
            };
            text("execution_mode", &None, kind);
        }
        if front.authoritative_surface.is_none() && !owned.surface.is_empty() {
            text("authoritative_surface", &None, &owned.surface);
        }
    }
    let parsed = WorkPackageFile::parse(&source.file, &source.text)?;
    let fields: Vec<(&str, Option<FieldValue>)> = changes
        .iter()
        .map(|(field, value)| (*field, Some(value.clone())))
        .collect();
    let edited = parsed.edit(&source.file, &fields)?;
    package.edited = (edited != source.text).then_some(edited);
    package.changes = changes;
    Ok(())
}

fn mentions(source: &Source, field: &str) -> bool {
    WorkPackageFile::parse(&source.file, &source.text).is_ok_and(|parsed| {
        parsed
            .yaml()
            .lines()
            .any(|line| line.starts_with(&format!("{field}:")))
    })
}

//! One mission before it is written: its id, its texts, its rows, its files and its answer.

use super::answer::{MissionAnswer, Parts};
use super::metadata::{DocumentationState, Metadata};
use super::place::Place;
use super::request::{Request, Topology};
use super::scaffold::{Scaffold, Site};
use super::{CreateError, Tools};
use crate::lifecycle::{self, Facts, LifecycleEvent};
use crate::project::ProjectConfig;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::time::iso;
use std::path::Path;
use ulid::Ulid;

/// The low bits of a ULID's time that its first eight characters do not show.
const HIDDEN_BITS: u32 = 10;

const SPEC: &str = include_str!("../../templates/spec.md");
const TASKS_README: &str = include_str!("../../templates/tasks-readme.md");

/// Mints the mission's id so that its first eight characters are free.
///
/// They are a handle of the mission and show time in steps of 1,024 ms only: of two missions made
/// within one step the later gets the next free one.
pub(super) fn mint(
    site: &Site<'_>,
    request: &Request,
    tools: &Tools<'_>,
) -> Result<Ulid, CreateError> {
    let names = site
        .filesystem
        .list(&site.specs)
        .map_err(|error| CreateError::of_io(&site.specs, error))?;
    let same = |name: &&String| {
        name.eq_ignore_ascii_case(&request.human_slug)
            || name.eq_ignore_ascii_case(&request.typed_slug)
    };
    if let Some(existing) = names.iter().find(same) {
        return Err(CreateError::Exists {
            slug: existing.clone(),
        });
    }
    let fresh = Ulid::from_string(&tools.ids.next().to_string()).expect("an event id is a ULID");
    let mut time = fresh.timestamp_ms();
    loop {
        let id = Ulid::from_parts(time, fresh.random());
        let ending = format!("-{}", mid8(&id));
        let taken = |name: &String| {
            name.len() >= ending.len()
                && name.is_char_boundary(name.len() - ending.len())
                && name[name.len() - ending.len()..].eq_ignore_ascii_case(&ending)
        };
        if !names.iter().any(taken) {
            return Ok(id);
        }
        time = ((time >> HIDDEN_BITS) + 1) << HIDDEN_BITS;
    }
}

fn mid8(id: &Ulid) -> String {
    id.to_string()[..8].to_owned()
}

/// Everything that the files, the rows and the answer say.
pub(super) struct Mission<'a> {
    request: &'a Request,
    branch: &'a str,
    topology: Topology,
    pub(super) id: String,
    pub(super) slug: String,
    purpose_context: String,
    created_at: String,
    pub(super) events: [LifecycleEvent; 2],
}

impl<'a> Mission<'a> {
    pub(super) fn describe(
        request: &'a Request,
        config: &ProjectConfig,
        id: &Ulid,
        branch: &'a str,
        topology: Topology,
        tools: &Tools<'_>,
    ) -> Self {
        let slug = format!("{}-{}", request.human_slug, mid8(id));
        let id = id.to_string();
        let created_at = iso(tools.time.now());
        let purpose_context = request.purpose_context.clone().unwrap_or_else(|| {
            let name = &request.friendly_name;
            format!("{name}: planned on {branch} and merged back into it when done.")
        });
        let project_uuid = config.project.uuid.as_deref();
        let project_uuid = project_uuid.and_then(|uuid| uuid.parse::<ProjectUuid>().ok());
        // The rows are committed: only what every clone reads in the configuration belongs there.
        let facts = Facts {
            mission_id: &id,
            mission_slug: &slug,
            mission_type: request.mission_type,
            target_branch: branch,
            friendly_name: &request.friendly_name,
            purpose_tldr: &request.purpose_tldr,
            purpose_context: &purpose_context,
            created_at: &created_at,
            project_slug: config
                .project
                .slug
                .clone()
                .filter(|_| project_uuid.is_some()),
            project_uuid: project_uuid.map(|uuid| uuid.to_string()),
        };
        let stamp = || iso(tools.time.now());
        let events = [
            lifecycle::mission_created(&facts, tools.ids.next(), stamp()),
            lifecycle::specify_started(&facts, tools.ids.next(), stamp()),
        ];
        Self {
            request,
            branch,
            topology,
            id,
            slug,
            purpose_context,
            created_at,
            events,
        }
    }

    pub(super) fn scaffold(&self) -> Scaffold {
        let request = self.request;
        let metadata = Metadata {
            created_at: &self.created_at,
            documentation_state: DocumentationState::of(request.mission_type),
            flattened: false,
            friendly_name: &request.friendly_name,
            mission_id: &self.id,
            mission_number: (),
            mission_slug: &self.slug,
            mission_type: request.mission_type,
            pr_bound: request.pr_bound,
            purpose_context: &self.purpose_context,
            purpose_tldr: &request.purpose_tldr,
            retain_branches: request.retain_branches,
            retain_worktrees: request.retain_worktrees,
            slug: &self.slug,
            target_branch: self.branch,
            topology: self.topology,
        };
        let spec = self.fill(SPEC);
        Scaffold {
            files: [
                ("meta.json", metadata.render()),
                ("status.events.jsonl", lifecycle::log(&self.events)),
                ("spec.md", spec),
                ("tasks/README.md", self.fill(TASKS_README)),
                ("tasks/.gitkeep", String::new()),
            ],
        }
    }

    fn fill(&self, template: &str) -> String {
        crate::template::fill(template, |name| self.placeholder(name))
    }

    fn placeholder(&self, name: &str) -> Option<&str> {
        Some(match name {
            "friendly_name" => &self.request.friendly_name,
            "mission_slug" => &self.slug,
            "mission_type" => self.request.mission_type,
            "created" => self.created_at.get(..10)?,
            "target_branch" => self.branch,
            _ => return None,
        })
    }

    pub(super) fn answer(
        &self,
        directory: &Path,
        place: &Place<'_>,
        tools: &Tools<'_>,
    ) -> MissionAnswer {
        let now = tools.time.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        MissionAnswer::new(&Parts {
            mission_slug: &self.slug,
            mission_id: &self.id,
            mission_type: self.request.mission_type,
            friendly_name: &self.request.friendly_name,
            purpose_tldr: &self.request.purpose_tldr,
            purpose_context: &self.purpose_context,
            created_at: &self.created_at,
            now: &now,
            directory,
            branch: self.branch,
            topology: self.topology,
            owned: place.primary.map(|primary| (place.root.as_path(), primary)),
            version: tools.version,
        })
    }
}

//! Tells of a mission's artifacts after a command: what is new of them becomes events, and the contents
//! wait for upload beside them.
//!
//! The command's answer is printed before this begins, and nothing here changes it or its exit code.
//! What fails is told the next time, because nothing is remembered that was not stored.

use crate::hosted::Hosted;
use crate::invocation::Invocation;
use crate::mission_step::emitter;
use crate::project::scope;
use kitty_actors::capture::CaptureError;
use kitty_actors::queue::messages::{GetConsent, RoomForBodies};
use kitty_actors::supervise::AskError;
use kitty_config::env;
use kitty_missions::dossier::{
    Dossier, Namespace, News, Prepared, SkipReason, Told, baseline, bodies, news,
};
use kitty_missions::handle::NamedMission;
use kitty_missions::identity::ProjectIdentity;
use kitty_missions::meta::{MetaProblem, MissionMeta};
use kitty_missions::project::Project;
use kitty_runtime::body::BodyTask;
use kitty_runtime::consent::Consent;
use kitty_runtime::id::EventIds;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long one ask of the queue may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The artifacts were not told of; the next command tries again.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("the mission cannot be used: {0}")]
    Meta(#[from] MetaProblem),
    #[error("the artifacts cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Tells what is new of a mission's artifacts; returns whether anything was stored.
///
/// Nothing is stored while the project has opted out.
pub async fn tell(
    invocation: &Invocation,
    hosted: &Hosted,
    project: &Project,
    identity: &ProjectIdentity,
    directory: &Path,
) -> bool {
    if !is_wanted(invocation) {
        return false;
    }
    let step = Step {
        invocation,
        hosted,
        project,
        identity,
    };
    match step.tell(directory).await {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(%error, directory = %directory.display(), "the dossier was left out");
            false
        }
    }
}

/// Tells whether the environment lets artifacts be told of.
fn is_wanted(invocation: &Invocation) -> bool {
    let said = invocation.environment.text(env::SPEC_KITTY_SYNC_ARTIFACTS);
    let said = said.unwrap_or_default().trim().to_lowercase();
    !["0", "false", "no", "n", "off"].contains(&said.as_str())
}

struct Step<'a> {
    invocation: &'a Invocation,
    hosted: &'a Hosted,
    project: &'a Project,
    identity: &'a ProjectIdentity,
}

impl Step<'_> {
    async fn tell(&self, directory: &Path) -> Result<bool, Untold> {
        let queue = self.hosted.queue(self.identity.project_uuid);
        let consent = queue.ask(GetConsent, LIMIT).await?;
        if consent.unwrap_or(Consent::Refused) == Consent::Refused {
            tracing::debug!("{}", SkipReason::ProjectNotConsented);
            return Ok(false);
        }
        let capture = self.hosted.system.capture(&queue);
        let attribution = capture.attribution().await?;
        let mission = open(directory)?;
        let namespace = Namespace::of(self.identity.project_uuid, &mission);
        let build_id = self.identity.build_id.to_string();
        let paths = scope(self.invocation, self.identity.project_uuid).paths;
        let file = Told::file_name(&build_id, attribution.scope, &mission.slug);
        let file = paths.dossier(&file);
        let last = Told::read(&*self.invocation.filesystem, &file);
        let accepted = baseline(&self.project.root, &namespace, &self.identity.node_id);
        let dossier = Dossier::index(directory, namespace, None)?;
        let ids = EventIds::new(self.invocation.time.clone());
        let now = self.invocation.time.now();
        let News {
            drafts,
            changed,
            mut told,
        } = news(&dossier, last.as_ref(), accepted.as_deref(), &ids, now);
        if drafts.is_empty() {
            return Ok(false);
        }
        let room = queue.ask(RoomForBodies, LIMIT).await?.unwrap_or(false);
        let emitter = emitter(self.project, self.identity, attribution.team_id);
        let tasks = bodies(&dossier, directory, &build_id, &changed)
            .filter_map(|prepared| self.task(prepared, room, &mut told));
        capture
            .capture_with_bodies(&drafts, &emitter, attribution.scope, tasks)
            .await?;
        told.write(&*self.invocation.filesystem, &file)?;
        Ok(true)
    }

    /// Returns the task of an artifact, and sees to it that what may be captured later is.
    fn task(&self, prepared: Prepared, room: bool, told: &mut Told) -> Option<BodyTask> {
        let Prepared { path, task } = prepared;
        let task = match task {
            Ok(_) if !room => Err(SkipReason::QueueFull),
            other => other,
        };
        let why = match task {
            Ok(task) => return Some(task),
            Err(why) => why,
        };
        tracing::debug!(path, %why, "a content is not queued");
        if why.is_passing() {
            told.forget(&path);
        }
        if why == SkipReason::QueueFull {
            self.invocation.printer.note(format!(
                "The content of {path} is not queued for upload: queue_full. Nothing was dropped; \
                 deliver what waits with `spec-kitty sync now`."
            ));
        }
        None
    }
}

fn open(directory: &Path) -> Result<NamedMission, MetaProblem> {
    let name = directory.file_name().ok_or(MetaProblem::NotADirectory)?;
    Ok(NamedMission {
        slug: name.to_string_lossy().into_owned(),
        directory: directory.to_owned(),
        meta: MissionMeta::read(directory)?,
    })
}

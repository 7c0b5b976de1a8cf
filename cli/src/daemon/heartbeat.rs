//! BuildHeartbeat: a checkout that is worked in says so, with the deliveries of its project.
//!
//! The event is captured like any other: it passes the gate, is stored, and goes the same way. It
//! names no person, no machine and no path (reference 1).

use crate::hosted::Hosted;
use crate::invocation::Invocation;
use crate::mission_step::build_payload;
use kitty_missions::git::GitProgram;
use kitty_missions::identity::{self, ProjectIdentity};
use kitty_missions::project::Project;
use kitty_runtime::envelope::{Emitter, EventDraft};
use kitty_runtime::id::{EventIds, ProjectUuid};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The checkouts that commands named, and when each said last that it is worked in.
#[derive(Debug)]
pub struct Heartbeats {
    every_ms: u64,
    checkouts: BTreeMap<PathBuf, Beat>,
}

#[derive(Debug)]
struct Beat {
    project: String,
    last_ms: u64,
}

impl Heartbeats {
    /// Creates the list; `every` is the shortest time between two of one checkout.
    pub fn new(every: std::time::Duration) -> Self {
        Self {
            every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
            checkouts: BTreeMap::new(),
        }
    }

    /// Remembers that a project is worked in; it registered itself just now.
    pub fn noticed(&mut self, project: &str, checkout: PathBuf, now: u64) {
        self.checkouts.entry(checkout).or_insert_with(|| Beat {
            project: project.to_owned(),
            last_ms: now,
        });
    }

    /// Takes the checkouts of a project whose time has come.
    pub fn due(&mut self, project: &str, now: u64) -> Vec<PathBuf> {
        let every = self.every_ms;
        let ours = self.checkouts.iter_mut().filter(|(_, beat)| {
            beat.project == project && now.saturating_sub(beat.last_ms) >= every
        });
        let due = ours.map(|(checkout, beat)| {
            beat.last_ms = now;
            checkout.clone()
        });
        due.collect()
    }
}

/// Captures the heartbeat of a checkout; one that is gone, or of another project by now, has none.
///
/// # Errors
/// A sentence for the log; nothing else depends on a heartbeat.
pub async fn capture(
    invocation: &Invocation,
    hosted: &Hosted,
    project: ProjectUuid,
    checkout: &Path,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let Some((located, identity)) = checkout_identity(invocation, project, checkout)? else {
        return Ok(());
    };
    let capture = hosted.system.capture(&hosted.queue(project));
    let attribution = capture.attribution().await.map_err(|error| text(&error))?;
    let head = located
        .checkout
        .as_ref()
        .and_then(|checkout| checkout.head().ok());
    let emitter = Emitter {
        project_uuid: project,
        project_slug: Some(identity.project_slug.clone()),
        build_id: identity.build_id.to_string(),
        node_id: identity.node_id.clone(),
        repo_slug: identity.repo_slug.clone(),
        git_branch: head
            .as_ref()
            .and_then(|head| head.branch())
            .map(str::to_owned),
        head_commit_sha: head
            .as_ref()
            .and_then(|head| head.commit())
            .map(str::to_owned),
        team_id: attribution.team_id,
    };
    let draft = EventDraft {
        event_id: EventIds::new(invocation.time.clone()).next(),
        event_type: "BuildHeartbeat",
        aggregate_type: "Build",
        aggregate_id: emitter.build_id.clone(),
        payload: build_payload(&emitter),
        occurred_at: invocation.time.now(),
        caused_by: None,
    };
    let captured = capture.capture(&[draft], &emitter, attribution.scope).await;
    captured.map(|_| ()).map_err(|error| text(&error))
}

/// Returns what a checkout is and which build, if it is one of the project.
pub fn checkout_identity(
    invocation: &Invocation,
    project: ProjectUuid,
    checkout: &Path,
) -> Result<Option<(Project, ProjectIdentity)>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let located =
        Project::locate(&GitProgram::default(), checkout, None).map_err(|error| text(&error))?;
    let config = located.config().map_err(|error| text(&error))?;
    let node_id = identity::node_id(&invocation.map.clock_json());
    let known = identity::resolve(&located, &config, node_id).map_err(|error| text(&error))?;
    let known = known.complete();
    let ours = known.filter(|known| known.project_uuid == project);
    Ok(ours.map(|known| (located, known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_checkout_says_so_once_in_its_time_and_only_for_its_project() {
        let mut beats = Heartbeats::new(Duration::from_secs(300));
        let (one, other) = (PathBuf::from("/one"), PathBuf::from("/other"));
        beats.noticed("a", one.clone(), 0);
        beats.noticed("b", other, 0);
        assert_eq!(beats.due("a", 299_999), [] as [PathBuf; 0]);
        beats.noticed("a", one.clone(), 299_999);
        assert_eq!(beats.due("a", 300_000), std::slice::from_ref(&one));
        assert_eq!(beats.due("a", 300_001), [] as [PathBuf; 0]);
        assert_eq!(beats.due("a", 600_000), [one]);
    }
}

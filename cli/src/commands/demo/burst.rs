//! The process that the demo kills: it appends events, one command after the other, and says so.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_runtime::envelope::{Emitter, EventDraft};
use kitty_runtime::id::EventIds;
use serde_json::{Value, json};

/// Arguments of `demo-burst`.
#[derive(Debug, Args)]
pub struct BurstArgs {
    /// Appends this many events and ends; without it, appends until it is killed
    #[arg(long)]
    count: Option<u64>,
}

/// Appends events until it is killed; prints `append <id>` before and `stored <id>` after each.
///
/// # Errors
/// [`Failure`] when an event cannot be stored.
pub fn burst(invocation: &Invocation, args: &BurstArgs) -> Result<Exit, Failure> {
    let project = project::current(invocation)?;
    let identity = project::project_identity(invocation, &project)?;
    let ids = EventIds::new(invocation.time.clone());
    within_actors(async {
        let hosted = Hosted::start(invocation, &invocation.settings());
        let capture = hosted.system.capture(&hosted.queue(identity.project_uuid));
        let attribution = capture
            .attribution()
            .await
            .map_err(|error| Failure::from_error("session", error))?;
        let emitter = Emitter {
            project_uuid: identity.project_uuid,
            project_slug: Some(identity.project_slug),
            build_id: identity.build_id.to_string(),
            node_id: identity.node_id,
            repo_slug: identity.repo_slug,
            git_branch: None,
            head_commit_sha: None,
            team_id: attribution.team_id,
        };
        for number in 1..=args.count.unwrap_or(u64::MAX) {
            let draft = note(invocation, &ids, number);
            invocation
                .printer
                .line(format!("append {}", draft.event_id));
            let stored = capture
                .capture(std::slice::from_ref(&draft), &emitter, attribution.scope)
                .await;
            stored.map_err(|error| Failure::from_error("event_not_stored", error))?;
            invocation
                .printer
                .line(format!("stored {}", draft.event_id));
        }
        hosted.shut_down().await;
        Ok(Exit::Success)
    })
}

fn note(invocation: &Invocation, ids: &EventIds, number: u64) -> EventDraft {
    let payload = json!({
        "wp_id": "WP01",
        "entry_type": "note",
        "entry_content": format!("note {number} of a process that may be killed at any moment"),
        "author": "demo",
    });
    let Value::Object(payload) = payload else {
        unreachable!("the literal is an object")
    };
    EventDraft {
        event_id: ids.next(),
        event_type: "HistoryAdded",
        aggregate_type: "WorkPackage",
        aggregate_id: "WP01".to_owned(),
        payload,
        occurred_at: invocation.time.now(),
        caused_by: None,
    }
}

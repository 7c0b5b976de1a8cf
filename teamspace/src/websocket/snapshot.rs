//! The first frame of a WebSocket: what the Teamspace knows.

use super::ticket::Peer;
use crate::state::State;
use crate::store::StoreError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The type of the event that moves a work package.
const STATUS_CHANGED: &str = "WPStatusChanged";

/// How many of the latest moves are looked at.
const MOVES: u32 = 200;

/// Renders the snapshot: work packages in the lanes they moved to last, and what is stored.
pub(super) async fn render(state: &State, peer: &Peer) -> Result<Value, StoreError> {
    let team_id = &peer.team.id;
    let moves = state
        .store
        .latest_events(team_id, Some(STATUS_CHANGED), MOVES)
        .await?;
    let mut packages = BTreeMap::new();
    for event in moves {
        let Ok(envelope) = serde_json::from_str::<Value>(&event.envelope) else {
            continue;
        };
        let payload = &envelope["payload"];
        let (project, mission) = (&envelope["project_uuid"], &payload["mission_slug"]);
        let place = [project, mission, &payload["wp_id"]].map(Value::to_string);
        // The latest move comes first.
        packages.entry(place).or_insert_with(|| {
            json!({
                "project_uuid": project,
                "mission_slug": mission,
                "wp_id": payload["wp_id"],
                "lane": payload["to_lane"],
                "event_id": envelope["event_id"],
                "received_at": event.received_at.iso(),
            })
        });
    }
    Ok(json!({
        "type": "snapshot",
        "timestamp": state.now().iso(),
        "session_id": peer.session_id,
        "team_id": team_id,
        "events": state.store.count_events(team_id).await?,
        "work_packages": packages.into_values().collect::<Vec<Value>>(),
    }))
}

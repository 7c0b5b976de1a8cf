//! The first frame of a WebSocket: what the Teamspace knows.

use super::ticket::Peer;
use crate::board::{Board, STATUS_CHANGED};
use crate::state::State;
use crate::store::StoreError;
use serde_json::{Value, json};

/// How many of the latest moves are looked at.
const MOVES: u32 = 200;

/// Renders the snapshot: work packages in the lanes they moved to last, and what is stored.
pub(super) async fn render(state: &State, peer: &Peer) -> Result<Value, StoreError> {
    let team_id = &peer.team.id;
    let moves = state
        .store
        .latest_events(team_id, Some(STATUS_CHANGED), MOVES)
        .await?;
    let mut board = Board::default();
    for event in &moves {
        board.take(event);
    }
    Ok(json!({
        "type": "snapshot",
        "timestamp": state.now().iso(),
        "session_id": peer.session_id,
        "team_id": team_id,
        "events": state.store.count_events(team_id).await?,
        "work_packages": board.work_packages(),
    }))
}

//! Where work packages stand, told from their moves.
//!
//! Machines that were offline deliver late, so that moves arrive in another order than they were made in.
//! The newest move is therefore the one that was made last, by its time and then its id, as in the status
//! log of a mission; the order of arrival decides nothing.

use crate::store::StoredEvent;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The type of the event that moves a work package.
pub(crate) const STATUS_CHANGED: &str = "WPStatusChanged";

/// A work package in its lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Placed {
    pub(crate) project_uuid: String,
    pub(crate) mission_slug: String,
    pub(crate) wp_id: String,
    pub(crate) lane: String,
    /// The move that brought it there.
    pub(crate) event_id: String,
    pub(crate) received_at: String,
}

/// Project, mission and work package.
type Place = [String; 3];

/// Work packages by project, mission and id, each with its newest move.
#[derive(Debug, Default)]
pub(crate) struct Board(BTreeMap<Place, ((i64, String), Placed)>);

impl Board {
    /// Takes in a move, in any order; what is no move is passed over.
    pub(crate) fn take(&mut self, event: &StoredEvent) {
        let Ok(envelope) = serde_json::from_str::<Value>(&event.envelope) else {
            return;
        };
        if envelope["event_type"] != STATUS_CHANGED {
            return;
        }
        let payload = &envelope["payload"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let at = text(&envelope["timestamp"]).parse::<jiff::Timestamp>();
        let event_id = text(&envelope["event_id"]);
        let made = (
            at.map_or(0, jiff::Timestamp::as_microsecond),
            event_id.clone(),
        );
        let placed = Placed {
            project_uuid: text(&envelope["project_uuid"]).to_ascii_lowercase(),
            mission_slug: text(&payload["mission_slug"]),
            wp_id: text(&payload["wp_id"]),
            lane: text(&payload["to_lane"]),
            event_id,
            received_at: event.received_at.iso(),
        };
        let place = [&placed.project_uuid, &placed.mission_slug, &placed.wp_id].map(Clone::clone);
        let newer = self.0.get(&place).is_none_or(|(known, _)| *known < made);
        if newer {
            self.0.insert(place, (made, placed));
        }
    }

    /// Returns the work packages in the order of their places.
    pub(crate) fn work_packages(self) -> Vec<Placed> {
        self.0.into_values().map(|(_, placed)| placed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Moment;
    use serde_json::json;

    fn moved(id: &str, at: &str, package: &str, lane: &str) -> StoredEvent {
        let envelope = json!({
            "event_type": STATUS_CHANGED, "event_id": id, "timestamp": at, "project_uuid": "p",
            "payload": {"mission_slug": "m", "wp_id": package, "to_lane": lane},
        });
        StoredEvent {
            sequence: 0,
            received_at: Moment::from_millis(0),
            envelope: envelope.to_string(),
        }
    }

    #[test]
    fn the_move_that_was_made_last_counts_in_whatever_order_they_arrive() {
        let moves = [
            moved("A", "2026-01-01T00:00:00.5+00:00", "WP01", "planned"),
            moved("B", "2026-01-01T01:00:00+01:00", "WP01", "odd"),
            moved("C", "2026-01-01T00:00:01+00:00", "WP01", "claimed"),
            moved("D", "2026-01-01T00:00:01+00:00", "WP01", "done"),
            moved("E", "2026-01-01T00:00:00+00:00", "WP02", "planned"),
        ];
        for turn in 0..moves.len() {
            let mut board = Board::default();
            let turned = moves[turn..].iter().chain(&moves[..turn]);
            turned.for_each(|event| board.take(event));
            let lanes: Vec<(String, String)> = board
                .work_packages()
                .into_iter()
                .map(|it| (it.wp_id, it.lane))
                .collect();
            let expected = [("WP01", "done"), ("WP02", "planned")];
            assert_eq!(lanes, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        }
    }
}

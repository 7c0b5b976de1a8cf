//! The Teamspace as a release gate reads it: its health, and digests of what it holds.

use super::Remote;
use kitty_actors::transport::{HttpRequest, Method};
use kitty_canary::gate::WorldError;
use kitty_canary::gate::facts::Rows;
use kitty_canary::gate::snapshot::Snapshot;
use kitty_canary::gate::world::ServerView;
use serde_json::Value;
use std::time::Duration;

/// How long a health endpoint has (reference A2).
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

fn number(document: &Value, key: &str) -> Result<u64, WorldError> {
    document[key]
        .as_u64()
        .ok_or_else(|| WorldError(format!("the server's answer has no number `{key}`")))
}

fn text(document: &Value, key: &str) -> Result<String, WorldError> {
    let text = document[key].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| WorldError(format!("the server's answer has no text `{key}`")))
}

impl ServerView for Remote {
    fn health(&self, path: &str) -> Result<(u16, Value), WorldError> {
        let url = self.server.endpoint(path);
        let request = HttpRequest::new("the health", Method::Get, url, HEALTH_LIMIT);
        let response = self.send(request).map_err(WorldError::new)?;
        let document = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        Ok((response.status, document))
    }

    fn rows(&self) -> Result<Rows, WorldError> {
        let path = "/api/v1/admin/failures?class=business_rule&limit=1";
        let found = self
            .ask("the historical rows", path)
            .map_err(WorldError::new)?;
        Ok(Rows {
            count: number(&found, "count")?,
            digest: text(&found, "digest")?,
        })
    }

    fn snapshot(&self) -> Result<Snapshot, WorldError> {
        let found = self
            .ask("the snapshot", "/api/v1/admin/snapshot")
            .map_err(WorldError::new)?;
        Ok(Snapshot {
            events: number(&found, "events")?,
            last_sequence: i64::try_from(number(&found, "last_sequence")?)
                .map_err(WorldError::new)?,
            events_digest: text(&found, "events_digest")?,
            failures: number(&found, "failures")?,
            failures_digest: text(&found, "failures_digest")?,
            ..Snapshot::default()
        })
    }

    fn since(&self, sequence: i64) -> Result<(String, u64), WorldError> {
        let path = format!("/api/v1/admin/snapshot?through={sequence}");
        let found = self.ask("the snapshot", &path).map_err(WorldError::new)?;
        let foreign = number(&found, "foreign_events")?;
        Ok((text(&found, "events_digest")?, foreign))
    }
}

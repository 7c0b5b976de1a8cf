//! `sync status --check --json`, read as every implementation prints it (reference B3).

use crate::machine::Called;
use crate::result::BoundaryEvidence;
use serde_json::Value;

/// The fields of an identity, as the check names them.
pub(crate) const FOREGROUND: [&str; 6] = [
    "package_version",
    "executable_path",
    "source_path",
    "server_url",
    "team_or_user",
    "queue_db_path",
];

/// One field in which the program and the recorded daemon differ.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// Its name, without the `daemon_` that some releases put before it.
    pub(crate) field: String,
    pub(crate) foreground: Option<String>,
    pub(crate) daemon: Option<String>,
    pub(crate) remediation: String,
}

/// What the check said.
#[derive(Debug)]
pub(crate) struct StatusCheck {
    pub(crate) document: Value,
    pub(crate) code: Option<i32>,
}

impl StatusCheck {
    /// Reads an answer; the document must be there and its counts must be whole numbers.
    pub(crate) fn read(called: &Called) -> Result<Self, String> {
        let document = called
            .json()
            .filter(Value::is_object)
            .ok_or_else(|| format!("no JSON document: {}", called.told()))?;
        for key in ["event_count", "body_upload_count"] {
            let count = &document["active_queue"][key];
            if !count.is_u64() {
                return Err(format!("active_queue.{key} is {count}, not a whole number"));
            }
        }
        let code = called.code;
        Ok(Self { document, code })
    }

    pub(crate) fn foreground(&self, field: &str) -> Option<&str> {
        self.document["foreground"][field].as_str()
    }

    pub(crate) fn open_events(&self) -> u64 {
        self.document["active_queue"]["event_count"]
            .as_u64()
            .unwrap_or_default()
    }

    pub(crate) fn mismatches(&self) -> Vec<Named> {
        let found = self.document["mismatches"].as_array();
        let named = |entry: &Value| {
            let text = |key: &str| entry[key].as_str().map(str::to_owned);
            let field = text("field").unwrap_or_default();
            Named {
                field: bare(&field).to_owned(),
                foreground: text("foreground_value"),
                daemon: text("daemon_value"),
                remediation: text("remediation_hint").unwrap_or_default(),
            }
        };
        found.into_iter().flatten().map(named).collect()
    }

    /// Returns the places of queues of earlier releases that the check names.
    pub(crate) fn legacy_paths(&self) -> Vec<String> {
        let legacy = &self.document["legacy_queue"];
        let many = legacy["paths"].as_array().into_iter().flatten();
        let one = legacy.get("path");
        let texts = many.chain(one).filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// Returns the rows of earlier releases that the check counts.
    pub(crate) fn legacy_rows(&self) -> u64 {
        let count = |key: &str| self.document["legacy_queue"][key].as_u64();
        let counts = ["event_count", "body_upload_count", "rows_in_scope"].map(count);
        counts.into_iter().flatten().sum()
    }

    /// Writes what it said into the evidence.
    pub(crate) fn record(&self, called: &Called, evidence: &mut BoundaryEvidence) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let (active, legacy) = (
            &self.document["active_queue"],
            &self.document["legacy_queue"],
        );
        evidence.sync_status_check_exit_code = called.code;
        evidence.sync_status_check_stdout.clone_from(&called.stdout);
        evidence.sync_status_check_stderr.clone_from(&called.stderr);
        evidence.active_queue_db_path = text(&active["path"]);
        evidence.active_event_count = count(&active["event_count"]);
        evidence.active_body_upload_count = count(&active["body_upload_count"]);
        evidence.legacy_queue_db_path = self.legacy_paths().join(", ");
        evidence.legacy_event_count = count(&legacy["event_count"]);
        evidence.legacy_body_upload_count = count(&legacy["body_upload_count"]);
        let record = &self.document["daemon_owner_record"];
        let owner = &mut evidence.daemon_owner;
        owner.pid = record["pid"].as_u64().and_then(|pid| pid.try_into().ok());
        owner.version = text(&record["package_version"]);
        owner.executable_path = text(&record["executable_path"]);
        owner.source = text(&record["source_path"]);
        owner.server_url = text(&record["server_url"]);
        owner.queue_db_path = text(&record["queue_db_path"]);
    }
}

/// Returns a field's name without the prefix of some releases.
pub(crate) fn bare(field: &str) -> &str {
    field.strip_prefix("daemon_").unwrap_or(field)
}

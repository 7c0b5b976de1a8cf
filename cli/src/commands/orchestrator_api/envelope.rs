//! The one document that every call of `orchestrator-api` prints, whatever happens.
//!
//! Source: reference orchestrator-missions, section 1.1.

use crate::exit::Exit;
use crate::printer::Printer;
use jiff::Timestamp;
use kitty_runtime::time::iso;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

/// The version of the contract between host and orchestrator.
pub const CONTRACT_VERSION: &str = "1.3.0";

/// The seven keys, in their order.
#[derive(Debug, Serialize)]
struct Envelope<'a, D> {
    contract_version: &'static str,
    command: String,
    timestamp: String,
    correlation_id: String,
    success: bool,
    error_code: Option<&'a str>,
    data: D,
}

/// Why a call failed, as the orchestrator is told.
#[derive(Debug)]
pub struct Refusal {
    /// The code that programs match on.
    pub code: &'static str,
    /// What is the matter and, where there is one, the next step.
    pub message: String,
    /// 1, or 2 for a command line that cannot be parsed.
    pub exit: Exit,
    values: Vec<(&'static str, Value)>,
}

impl Refusal {
    /// Creates a refusal with its message.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            exit: Exit::Failed,
            values: Vec::new(),
        }
    }

    /// Changes how the program ends.
    #[must_use]
    pub const fn ending(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Adds a value that programs read.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((key, value.into()));
        self
    }
}

/// The data of a refusal: its values in the order they were added, then the message.
impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_map(Some(self.values.len() + 1))?;
        for (key, value) in &self.values {
            data.serialize_entry(key, value)?;
        }
        data.serialize_entry("message", &self.message)?;
        data.end()
    }
}

/// Prints the envelope of a call that succeeded.
pub fn print_success(printer: Printer, now: Timestamp, verb: &str, data: &impl Serialize) {
    print(printer, now, verb, None, data);
}

/// Prints the envelope of a call that failed and returns how the program ends.
pub fn print_refusal(printer: Printer, now: Timestamp, verb: &str, refusal: &Refusal) -> Exit {
    print(printer, now, verb, Some(refusal.code), refusal);
    refusal.exit
}

fn print(
    printer: Printer,
    now: Timestamp,
    verb: &str,
    error_code: Option<&str>,
    data: &impl Serialize,
) {
    printer.json().finish(&Envelope {
        contract_version: CONTRACT_VERSION,
        command: format!("orchestrator-api.{verb}"),
        timestamp: iso(now),
        correlation_id: format!("corr-{}", Uuid::new_v4().simple()),
        success: error_code.is_none(),
        error_code,
        data,
    });
}

//! Why a command did not do what it was asked.

use crate::exit::Exit;
use serde::Serialize;
use std::error::Error;
use std::fmt;

/// A command that failed: what, why, and the one next step.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A stable word for programs.
    pub kind: &'static str,
    /// What is the matter, in one sentence that names the thing.
    pub message: String,
    /// The one next step.
    pub next_action: Option<String>,
    /// What caused it.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure with exit code 1.
    #[must_use]
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            kind,
            message: message.into(),
            next_action: None,
            source: None,
        }
    }

    /// Creates a failure from an error, whose text says it all.
    #[must_use]
    pub fn from_error(kind: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: None,
            ..Self::new(kind, error.to_string())
        }
    }

    /// Sets the exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn next(mut self, action: impl Into<String>) -> Self {
        self.next_action = Some(action.into());
        self
    }

    /// Returns the document that a JSON command prints for it.
    #[must_use]
    pub fn document(&self) -> FailureDocument<'_> {
        FailureDocument {
            error: &self.message,
            code: self.kind,
            next_action: self.next_action.as_deref(),
            spec_kitty_version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A failure as a JSON command prints it.
#[derive(Debug, Serialize)]
pub struct FailureDocument<'a> {
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_action: Option<&'a str>,
    spec_kitty_version: &'a str,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Error: {}", self.message)?;
        let mut source = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(cause) = source {
            write!(formatter, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        match &self.next_action {
            Some(action) => write!(formatter, "\n{action}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

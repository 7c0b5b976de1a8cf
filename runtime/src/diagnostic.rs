//! Diagnostics as values: libraries return them, the printer renders them on stderr.

use std::fmt;

/// How serious a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something was not done, or was forgiven.
    Warning,
    /// Something was lost or refused.
    Error,
}

impl Severity {
    /// Returns the word of the diagnostic line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing a person or a program may want to know about what just happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How serious it is.
    pub severity: Severity,
    /// A stable code, for example `sync.direct_ingress_missing_private_team`.
    pub code: &'static str,
    /// Where it happened, for example `final_sync`.
    pub phase: &'static str,
    /// One line that names the resource and one next step.
    pub message: String,
}

impl Diagnostic {
    /// Creates a warning.
    #[must_use]
    pub fn warning(code: &'static str, phase: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            code,
            phase,
            message: message.into(),
        }
    }
}

/// Renders the line of the Python CLI (reference 6), without the line end.
impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "sync_diagnostic severity={} diagnostic_code={} fatal=false sync_phase={} message={}",
            self.severity.as_str(),
            self.code,
            self.phase,
            self.message
        )
    }
}

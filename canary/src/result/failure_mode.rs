//! The closed set of reasons for which a scenario fails (reference A5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! modes {
    ($($name:ident = $word:literal, $meaning:literal;)*) => {
        /// Why a scenario failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum FailureMode {
            $(
                #[doc = $meaning]
                #[serde(rename = $word)]
                $name,
            )*
        }

        impl FailureMode {
            /// Every mode.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the word that is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Returns what the word means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

modes! {
    EventLoopUnavailable = "sync.event_loop_unavailable", "An event that is stored or queued is reported as an unknown error.";
    MigrationRequired = "teamspace_migration_required", "The program asks for a migration instead of delivering.";
    SyncNowNonzero = "sync_now_nonzero", "`sync now` did not end with 0.";
    NotMaterialized = "not_materialized", "The server does not hold exactly what was captured.";
    Http413 = "http_413", "The server refused a request as too large.";
    LegacyRowsStranded = "legacy_rows_stranded", "Rows of another identity are lost, or kept where nobody is told of them.";
    LegacyRowsDuplicated = "legacy_rows_duplicated", "Rows of another identity were taken into this one as well.";
    LegacyBodyMissing = "legacy_body_missing", "A body of another identity is lost.";
    MismatchNotRefused = "mismatch_not_refused", "A daemon of another identity was not refused.";
    MismatchFieldNotNamed = "mismatch_field_not_named", "The refusal does not name the field, both values and a remediation that works.";
    EmittedDespiteRefusal = "emitted_despite_refusal", "Something left over the boundary although it was refused.";
    RollbackRowMismatch = "rollback_row_mismatch", "The newest row of the work package is not the rollback.";
    RollbackRefused = "rollback_refused_unexpectedly", "The rollback was refused.";
    ForceContractGap = "force_contract_gap", "The rollback is stored without force and reason, or not as the contract has it.";
    ReadinessDegraded = "readiness_degraded", "The server was not ready before or after.";
    StatusParseError = "status_parse_error", "`sync status --check` could not be read.";
    AuthFailed = "auth_failed", "The login failed.";
    HarnessError = "harness_error", "A step that prepares the scenario failed.";
}

impl fmt::Display for FailureMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

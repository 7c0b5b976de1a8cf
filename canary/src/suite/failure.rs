//! The closed set of reasons for which a case of the suite fails.

use serde::Serialize;
use std::fmt;

macro_rules! modes {
    ($($name:ident = $word:literal, $meaning:literal;)*) => {
        /// Why a case failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum SuiteFailure {
            $(
                #[doc = $meaning]
                #[serde(rename = $word)]
                $name,
            )*
        }

        impl SuiteFailure {
            /// Every mode, with what it means.
            pub const ALL: &[(Self, &'static str)] = &[$((Self::$name, $meaning)),*];

            /// Returns the word that is shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

modes! {
    NotMaterialized = "not_materialized", "The Teamspace does not show the mission with its work packages in their lanes in time.";
    EventsDiffer = "events_differ", "The Teamspace does not hold every captured event exactly once, or a machine lost one.";
    RowsFailed = "rows_failed", "The Teamspace refused events for good.";
    ReadinessDegraded = "readiness_degraded", "The Teamspace was not ready before or after.";
    PulseMissed = "pulse_missed", "An event that was delivered was not told of while it happened.";
    PulseDiffers = "pulse_differs", "What was told of is not what the reading API lists, in its order and once each.";
    OrderBroken = "order_broken", "Events of one machine are in another order than they were captured in.";
    OfflineNotTold = "offline_not_told", "A delivery without a way to the Teamspace was called a success, or arrived.";
    BoardDiffers = "board_differs", "Two places show the same work package in different lanes.";
    BuildIdShared = "build_id_shared", "Two working trees captured events under one build id.";
    StepFailed = "step_failed", "A command that the case needs did not do what it should.";
}

impl fmt::Display for SuiteFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

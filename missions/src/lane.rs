//! The lanes that a work package moves through.

use std::fmt;
use std::str::FromStr;

macro_rules! lanes {
    ($($(#[$doc:meta])* $lane:ident = $name:literal;)*) => {
        /// Where a work package stands (reference orchestrator-missions, 4.3).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Lane {
            $($(#[$doc])* $lane,)*
        }

        impl Lane {
            /// Returns the word of the status log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$lane => $name,)*
                }
            }
        }

        impl FromStr for Lane {
            type Err = UnknownLane;

            fn from_str(text: &str) -> Result<Self, UnknownLane> {
                match text {
                    $($name => Ok(Self::$lane),)*
                    _ => Err(UnknownLane),
                }
            }
        }
    };
}

lanes! {
    /// Not started.
    Planned = "planned";
    /// Somebody has taken it.
    Claimed = "claimed";
    /// Being implemented.
    InProgress = "in_progress";
    /// Waits for a reviewer.
    ForReview = "for_review";
    /// Being reviewed.
    InReview = "in_review";
    /// Accepted by a reviewer.
    Approved = "approved";
    /// Merged; terminal.
    Done = "done";
    /// Cannot go on.
    Blocked = "blocked";
    /// Given up; terminal.
    Canceled = "canceled";
    /// Created but not seeded yet; never displayed.
    Genesis = "genesis";
    /// No row at all; a read-time word that no log holds.
    Uninitialized = "uninitialized";
}

/// The text is not a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown lane")]
pub struct UnknownLane;

impl Lane {
    /// The lanes that people see, in the order of every summary.
    pub const DISPLAYED: [Self; 9] = [
        Self::Planned,
        Self::Claimed,
        Self::InProgress,
        Self::ForReview,
        Self::InReview,
        Self::Approved,
        Self::Done,
        Self::Blocked,
        Self::Canceled,
    ];
}

impl fmt::Display for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_reads_back_and_nothing_else_is_one() {
        for lane in Lane::DISPLAYED
            .into_iter()
            .chain([Lane::Genesis, Lane::Uninitialized])
        {
            assert_eq!(lane.as_str().parse(), Ok(lane));
        }
        for text in ["", "doing", "Planned", " planned"] {
            assert_eq!(text.parse::<Lane>(), Err(UnknownLane), "{text:?}");
        }
    }
}

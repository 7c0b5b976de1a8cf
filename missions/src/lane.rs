//! The lanes that a work package moves through.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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

    /// Reads what a person or a program typed: spaces around it, capitals and the one alias `doing`
    /// are understood. A status log holds canonical words only.
    ///
    /// # Errors
    /// [`UnknownLane`].
    pub fn from_typed(text: &str) -> Result<Self, UnknownLane> {
        match text.trim().to_lowercase().as_str() {
            "doing" => Ok(Self::InProgress),
            canonical => canonical.parse(),
        }
    }

    /// Tells whether people see it; `genesis` and `uninitialized` are never on a board.
    #[must_use]
    pub const fn is_displayed(self) -> bool {
        !matches!(self, Self::Genesis | Self::Uninitialized)
    }

    /// Tells whether only a forced transition leads out of it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Canceled)
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Lane;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a lane")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Lane, E> {
                text.parse().map_err(E::custom)
            }
        }
        reader.deserialize_str(Word)
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(self.as_str())
    }
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

    #[test]
    fn what_is_typed_may_have_spaces_capitals_and_one_alias() {
        for (text, lane) in [
            (" Doing\n", Lane::InProgress),
            ("IN_REVIEW", Lane::InReview),
            ("genesis", Lane::Genesis),
        ] {
            assert_eq!(Lane::from_typed(text), Ok(lane), "{text:?}");
        }
        for text in ["", "in review", "in-progress", "todo"] {
            assert_eq!(Lane::from_typed(text), Err(UnknownLane), "{text:?}");
        }
    }

    #[test]
    fn two_lanes_are_hidden_and_two_are_terminal() {
        let hidden = [Lane::Genesis, Lane::Uninitialized];
        for lane in Lane::DISPLAYED.into_iter().chain(hidden) {
            assert_eq!(lane.is_displayed(), !hidden.contains(&lane));
            assert_eq!(
                lane.is_terminal(),
                [Lane::Done, Lane::Canceled].contains(&lane)
            );
        }
    }
}

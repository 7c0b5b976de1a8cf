//! The rows of a status log as values: what one line says.
//!
//! Texts are borrowed from the log that was read, so that a hundred thousand rows cost no
//! allocation each; a row that is about to be written owns its texts. Keys that are not known here
//! are not kept: a row that exists is never printed again, the file's own bytes are.

use super::evidence::{Evidence, ReviewResult};
use crate::lane::Lane;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A text of a row.
pub type Text<'a> = Cow<'a, str>;

/// One row that says something about a work package.
#[derive(Debug, Clone, PartialEq)]
pub enum Row<'a> {
    /// It moved from lane to lane.
    Transition(Transition<'a>),
    /// Something else about it changed.
    Annotation(Annotation<'a>),
}

/// One work package moved from lane to lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition<'a> {
    /// Identifies the row; a second row with the same id is ignored. A ULID in what we write.
    pub event_id: Text<'a>,
    /// The mission's directory name.
    pub mission_slug: Text<'a>,
    /// The mission's ULID; left out of the line when unknown.
    pub mission_id: Option<Text<'a>>,
    /// The work package.
    pub wp_id: Text<'a>,
    /// The lane it left.
    pub from_lane: Lane,
    /// The lane it entered.
    pub to_lane: Lane,
    /// When it happened, as written; rows are ordered by this text.
    pub at: Text<'a>,
    /// Who did it.
    pub actor: Actor<'a>,
    /// Whether the guards were overridden.
    pub force: bool,
    /// Where the work happens.
    pub execution_mode: ExecutionMode,
    /// Why, in the actor's words.
    pub reason: Option<Text<'a>>,
    /// `operator` or `synthetic`: who wrote the reason of a cancellation. Left out when unset.
    pub reason_source: Option<Text<'a>>,
    /// The review that it refers to.
    pub review_ref: Option<Text<'a>>,
    /// Who approved it, and what was verified.
    pub evidence: Option<Box<Evidence>>,
    /// What the reviewer said; left out when unset.
    pub review_result: Option<Box<ReviewResult>>,
    /// What the caller's policy said.
    pub policy_metadata: Option<Policy<'a>>,
}

/// Where a work package is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionMode {
    /// In a lane's worktree.
    Worktree,
    /// In the primary checkout.
    DirectRepo,
}

impl ExecutionMode {
    /// Returns the word of the status log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worktree => "worktree",
            Self::DirectRepo => "direct_repo",
        }
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor<'a> {
    /// A plain name.
    Name(Text<'a>),
    /// What ran, resolved.
    Binding(Box<Binding>),
}

impl Actor<'_> {
    /// Returns the one name that boards and collision checks use: the tool of a binding, or its role.
    #[must_use]
    pub fn identity(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Binding(binding) => {
                let filled = |field: &'_ Option<String>| -> bool {
                    field.as_deref().is_some_and(|text| !text.is_empty())
                };
                let field = if filled(&binding.tool) {
                    &binding.tool
                } else {
                    &binding.role
                };
                field.as_deref().unwrap_or_default()
            }
        }
    }
}

impl<'a, T: Into<Text<'a>>> From<T> for Actor<'a> {
    fn from(name: T) -> Self {
        Self::Name(name.into())
    }
}

/// A resolved actor; all four keys are always written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What it acts as, for example `implementer`.
    pub role: Option<String>,
    /// The agent profile.
    pub profile: Option<String>,
    /// The agent's program.
    pub tool: Option<String>,
    /// The language model.
    pub model: Option<String>,
}

/// The policy of a row: a JSON object, kept as text until somebody asks.
#[derive(Debug, Clone)]
pub struct Policy<'a>(Cow<'a, RawValue>);

impl<'a> Policy<'a> {
    /// Keeps an object.
    #[must_use]
    pub fn new(object: &Map<String, Value>) -> Policy<'static> {
        let text = to_raw_value(object).expect("an object of JSON values serializes");
        Policy(Cow::Owned(text))
    }

    /// Keeps the text of an object; `None` when it is something else.
    pub(super) fn borrowed(text: &'a RawValue) -> Option<Self> {
        text.get()
            .starts_with('{')
            .then_some(Self(Cow::Borrowed(text)))
    }

    /// Returns the text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Parses the object.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl PartialEq for Policy<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_map() == other.to_map()
    }
}

/// A change of a work package's runtime state that moves it to no lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation<'a> {
    /// Identifies the row: a ULID.
    pub event_id: Text<'a>,
    /// The work package.
    pub wp_id: Text<'a>,
    /// When it happened, as written.
    pub at: Text<'a>,
    /// Who did it.
    pub actor: Actor<'a>,
    /// What changed; a field that is not set leaves what is there.
    pub delta: Box<Delta>,
}

/// What an annotation changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Added to the notes.
    pub note: Option<String>,
    /// Merged into the subtasks, by id.
    pub subtasks: Option<BTreeMap<String, Lane>>,
    /// The process that works on it.
    pub shell_pid: Option<i64>,
    /// The plain texts, by the field they replace.
    pub texts: BTreeMap<TextField, String>,
    /// Added to the tracker references.
    pub tracker_refs: Option<Vec<String>>,
    /// Replaces the tracker references; wins over `tracker_refs`.
    pub tracker_refs_replace: Option<Vec<String>>,
    /// An arbiter's override of a review; all fields empty clears the one that stands.
    pub review: Option<ReviewOverride>,
    /// Clears agent, shell_pid and shell_pid_created_at before the other fields apply.
    pub release_runtime_claim: bool,
}

macro_rules! text_fields {
    ($($field:ident = $name:literal;)*) => {
        /// A field of a delta that replaces the text of the same name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum TextField {
            $(#[doc = concat!("`", $name, "`.")] $field,)*
        }

        impl TextField {
            /// Every field.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$field),*];

            /// Returns the key of the status log and of `status.json`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }
        }
    };
}

text_fields! {
    ShellPidCreatedAt = "shell_pid_created_at";
    Agent = "agent";
    Assignee = "assignee";
    Role = "role";
    AgentProfile = "agent_profile";
    AgentProfileVersion = "agent_profile_version";
    Model = "model";
    Provider = "provider";
}

/// An arbiter's override of a review.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
pub struct ReviewOverride {
    /// Who decided.
    pub actor: String,
    /// When.
    pub at: String,
    /// Why.
    pub reason: String,
    /// The work package.
    pub wp_id: String,
}

impl ReviewOverride {
    /// Tells whether every field says something; only then the merge gate is clear.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.actor.is_empty()
            && !self.at.is_empty()
            && !self.reason.is_empty()
            && !self.wp_id.is_empty()
    }

    /// Tells whether no field says anything: the override that stands is taken back.
    #[must_use]
    pub const fn is_release(&self) -> bool {
        self.actor.is_empty()
            && self.at.is_empty()
            && self.reason.is_empty()
            && self.wp_id.is_empty()
    }
}

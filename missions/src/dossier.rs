//! The dossier of a mission: what artifacts it has, what is expected of it, and what changed.
//!
//! [`Dossier::index`] reads the mission's directory; [`news`] compares it with what was last told of
//! the mission and makes events of the difference; [`bodies`] prepares the contents for upload. Nothing
//! here writes into the working tree.
//!
//! Source: reference events-queue-wire, sections 1 and 6; document 4, FR-010 and FR-011.

mod bodies;
mod classify;
mod expected;
mod index;
mod news;
mod remembered;

pub use bodies::{Prepared, SkipReason, bodies};
pub use expected::{Expected, Manifest};
pub use news::{News, news};
pub use remembered::{Remembered, Told, baseline};

use crate::handle::NamedMission;
use kitty_runtime::id::ProjectUuid;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a mission is of when nothing says it.
const USUAL_TYPE: &str = "software-dev";
/// Where a mission lands when nothing says it.
const USUAL_BRANCH: &str = "main";

/// Names a mission to a Teamspace; none of the parts is blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// The version of the list of expected artifacts, `1` without one.
    pub manifest_version: String,
    /// The name of the mission's directory.
    pub mission_slug: String,
    /// For example `software-dev`.
    pub mission_type: String,
    /// The project.
    pub project_uuid: String,
    /// The branch that the mission lands on.
    pub target_branch: String,
}

impl Namespace {
    /// Names a mission of a project.
    #[must_use]
    pub fn of(project: ProjectUuid, mission: &NamedMission) -> Self {
        let or = |text: &Option<String>, usual: &str| {
            let said = text.as_deref().map(str::trim);
            said.filter(|text| !text.is_empty())
                .unwrap_or(usual)
                .to_owned()
        };
        let mission_type = or(&mission.meta.mission_type, USUAL_TYPE);
        Self {
            manifest_version: Manifest::of(&mission_type)
                .map_or("1", |manifest| manifest.version)
                .to_owned(),
            mission_slug: mission.slug.clone(),
            mission_type,
            project_uuid: project.to_string(),
            target_branch: or(&mission.meta.target_branch, USUAL_BRANCH),
        }
    }
}

/// What kind of artifact it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactClass {
    /// What the work begins with.
    Input,
    /// How it is planned.
    Workflow,
    /// What comes of it.
    Output,
    /// What it rests on.
    Evidence,
    /// What it must obey.
    Policy,
    /// What machines made.
    Runtime,
}

impl ArtifactClass {
    /// Returns the word of the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Workflow => "workflow",
            Self::Output => "output",
            Self::Evidence => "evidence",
            Self::Policy => "policy",
            Self::Runtime => "runtime",
        }
    }
}

/// Why an artifact cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// It is not there.
    NotFound,
    /// It cannot be read.
    Unreadable,
    /// It is not text.
    InvalidUtf8,
}

impl fmt::Display for Absence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
            Self::InvalidUtf8 => "invalid_utf8",
        })
    }
}

/// One artifact that was found, or that is expected and missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its stable name, for example `input.spec.main`.
    pub key: String,
    /// Its class.
    pub class: ArtifactClass,
    /// Relative to the mission's directory, with `/`; the pattern of one that is missing.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the mission needs it.
    pub required: bool,
    /// The lower-case hexadecimal SHA-256 of its bytes, or why it has none.
    pub content: Result<String, Absence>,
}

/// The artifacts of a mission at one moment, sorted by path; missing ones last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dossier {
    /// The mission.
    pub namespace: Namespace,
    /// The artifacts.
    pub artifacts: Vec<Artifact>,
    /// Whether it is known what is expected of such a mission.
    pub has_manifest: bool,
}

/// How many artifacts there are, as snapshots tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Those that the mission needs.
    pub required: usize,
    /// Those of them that are there.
    pub required_present: usize,
    /// The others.
    pub optional: usize,
    /// Those of them that are there.
    pub optional_present: usize,
}

impl Counts {
    /// Returns how many are needed and not there.
    #[must_use]
    pub const fn required_missing(&self) -> usize {
        self.required - self.required_present
    }
}

impl Dossier {
    /// Returns the hash of the whole: of `path TAB hash` lines, sorted by path, joined by line feeds.
    #[must_use]
    pub fn snapshot_hash(&self) -> String {
        let mut lines: Vec<(&str, &str)> = self.present().collect();
        lines.sort_unstable();
        let lines: Vec<String> = lines
            .into_iter()
            .map(|(path, hash)| format!("{path}\t{hash}"))
            .collect();
        let hash = Sha256::digest(lines.join("\n").as_bytes());
        format!("sha256:{}", hex::encode(hash))
    }

    /// Counts the artifacts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for artifact in &self.artifacts {
            let present = usize::from(artifact.content.is_ok());
            counts.total += 1;
            if artifact.required {
                counts.required += 1;
                counts.required_present += present;
            } else {
                counts.optional += 1;
                counts.optional_present += present;
            }
        }
        counts
    }

    fn present(&self) -> impl Iterator<Item = (&str, &str)> {
        let artifacts = self.artifacts.iter();
        artifacts.filter_map(|artifact| {
            let hash = artifact.content.as_ref().ok()?;
            Some((artifact.path.as_str(), hash.as_str()))
        })
    }
}

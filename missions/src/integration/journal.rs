//! What an integration made of a mission branch, kept until the mission branch is gone.

use super::{IntegrationError, Strategy};
use crate::files::{Links, WorktreeFilesystem, read_text};
use crate::git::Checkout;
use kitty_runtime::crashsafe::{self, Durability};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The directory in the git directory that all worktrees share.
const FOLDER: &str = "spec-kitty-merge";
/// The most that is read of a journal.
const LIMIT: u64 = 64 * 1024;
/// The version of the format.
const VERSION: u32 = 1;

/// The file of one mission.
#[derive(Debug)]
pub(super) struct Journal {
    file: PathBuf,
    tree: PathBuf,
}

/// One integration; written before the target branch moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Integration {
    version: u32,
    pub(super) mission_branch: String,
    pub(super) target_branch: String,
    pub(super) strategy: Strategy,
    /// The tip of the mission branch that was integrated.
    pub(super) mission_tip: String,
    /// The tip of the target branch before.
    pub(super) target_before: String,
    /// The commit that holds the mission and follows `target_before`.
    pub(super) result: String,
}

impl Integration {
    pub(super) fn new(
        request: &super::IntegrationRequest,
        mission_tip: String,
        target_before: String,
        result: String,
    ) -> Self {
        Self {
            version: VERSION,
            mission_branch: request.mission_branch.clone(),
            target_branch: request.target_branch.clone(),
            strategy: request.strategy,
            mission_tip,
            target_before,
            result,
        }
    }
}

impl Journal {
    /// The slug is checked: it is one plain part of a path.
    pub(super) fn of(checkout: &Checkout, mission_slug: &str) -> Self {
        let folder = checkout.common_dir().join(FOLDER);
        Self {
            file: folder.join(format!("{mission_slug}.json")),
            tree: folder.join(format!("{mission_slug}.tree")),
        }
    }

    /// The place of the temporary worktree.
    pub(super) fn tree(&self) -> &Path {
        &self.tree
    }

    pub(super) fn read(&self) -> Result<Option<Integration>, IntegrationError> {
        let text =
            read_text(&self.file, LIMIT, Links::Refuse).map_err(|error| self.failed(error))?;
        let Some(text) = text else {
            return Ok(None);
        };
        let read: Integration = serde_json::from_str(&text).map_err(|error| self.failed(error))?;
        if read.version == VERSION {
            Ok(Some(read))
        } else {
            Err(self.failed("a newer version of this program wrote it"))
        }
    }

    pub(super) fn write(&self, integration: &Integration) -> Result<(), IntegrationError> {
        let bytes = serde_json::to_vec(integration).map_err(|error| self.failed(error))?;
        crashsafe::replace(
            &WorktreeFilesystem,
            &self.file,
            &bytes,
            Durability::PowerCut,
        )
        .map_err(|error| self.failed(error))
    }

    pub(super) fn remove(&self) -> Result<(), IntegrationError> {
        if !self.file.exists() {
            return Ok(());
        }
        crashsafe::remove(&WorktreeFilesystem, &self.file).map_err(|error| self.failed(error))
    }

    fn failed(&self, detail: impl ToString) -> IntegrationError {
        IntegrationError::Journal {
            path: self.file.clone(),
            detail: detail.to_string(),
        }
    }
}

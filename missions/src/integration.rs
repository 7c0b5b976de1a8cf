//! Integration of a mission: its lanes into the mission branch, that into the target branch.
//!
//! Three steps, because the caller records status rows on the target branch between them:
//! [`prepare`] (reads only) → [`Prepared::integrate`] → the caller's commit → [`Integrated::push`]
//! and [`Integrated::clean_up`].
//!
//! Merges happen in one temporary detached worktree inside the git directory, so no checkout of the
//! user changes before the result is known. A branch moves by compare-and-swap; a checkout of it
//! moves forward the way `git merge --ff-only` does, which keeps uncommitted changes and refuses
//! where one would be overwritten.
//!
//! The status of missions stays as the target branch has it, whatever a lane committed of it.
//!
//! Every step leaves its result in a branch, so a run that died is continued by the next one from
//! git's state. A squash or a rebase leaves no such trace, so what was made of the mission branch is
//! written to a journal in the git directory (`spec-kitty-merge/<slug>.json`) before the target
//! moves. The journal goes with the mission branch: after a finished clean-up nothing is left, and
//! one more run says that the lane branches do not exist, as it always did.

mod advance;
mod clean_up;
mod error;
mod journal;
mod lanes;
mod prepare;
mod status;
mod target;
mod tree;

pub use clean_up::{CleanUp, Kept, Retain};
pub use error::IntegrationError;
pub use prepare::prepare;

use crate::git::{Checkout, Pushed};
use journal::{Integration, Journal};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use tree::Tree;

/// How the mission branch gets into the target branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// By a merge commit, or by fast-forward where that is possible.
    Merge,
    /// As one commit; the mission's side wins where both changed the same lines.
    Squash,
    /// Its commits repeated on top of the target.
    Rebase,
}

impl Strategy {
    /// All of them, in the order of an error's list.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Rebase, Self::Squash];

    /// Returns the word of the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| UnknownStrategy(text.to_owned()))
    }
}

/// The word is no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Strategy '{0}' is not supported. Supported strategies: ['merge', 'rebase', 'squash']")]
pub struct UnknownStrategy(
    /// What was given.
    pub String,
);

/// What is to be integrated, as `lanes.json` and the mission say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationRequest {
    /// The full mission slug.
    pub mission_slug: String,
    /// `kitty/mission-<slug>`.
    pub mission_branch: String,
    /// The branch that the mission is merged into.
    pub target_branch: String,
    /// How.
    pub strategy: Strategy,
    /// The lanes to integrate, in their order; the planning lane is on the target already and is
    /// passed over.
    pub lanes: Vec<String>,
    /// Lanes whose work packages were all canceled: not integrated, only cleaned up.
    pub abandoned: Vec<String>,
}

/// A mission that can be integrated as far as can be told without merging.
#[derive(Debug)]
pub struct Prepared {
    ground: Ground,
    /// Set when an earlier run integrated exactly this state of the mission.
    done: Option<Integration>,
    journal: Journal,
    /// Whether a run that died left its temporary worktree.
    tree_is_left: bool,
}

/// What every step needs.
#[derive(Debug)]
struct Ground {
    checkout: Checkout,
    project_root: PathBuf,
    request: IntegrationRequest,
}

/// A mission whose commits are in the target branch.
#[derive(Debug)]
pub struct Integrated {
    ground: Ground,
    journal: Journal,
    integration: Integration,
    is_resumed: bool,
    meddling: Vec<String>,
}

impl Prepared {
    /// Tells whether an earlier run integrated this state already; [`Self::integrate`] does nothing
    /// then, and the caller goes on with what follows it.
    #[must_use]
    pub const fn is_integrated(&self) -> bool {
        self.done.is_some()
    }

    /// Merges the lanes into the mission branch and the mission branch into the target.
    ///
    /// # Errors
    /// [`IntegrationError`]: a conflict, a checkout with changes that would be overwritten, git. A
    /// branch is either moved or not; the next run goes on where this one ended.
    pub fn integrate(self) -> Result<Integrated, IntegrationError> {
        let Self {
            ground,
            done,
            journal,
            tree_is_left,
        } = self;
        if let Some(integration) = done {
            Tree::new(&ground.checkout, &journal, tree_is_left).remove()?;
            return Ok(Integrated {
                ground,
                journal,
                integration,
                is_resumed: true,
                meddling: Vec::new(),
            });
        }
        let mut tree = Tree::new(&ground.checkout, &journal, tree_is_left);
        let mut meddling = Vec::new();
        let integration = lanes::merge(&ground, &mut tree, &mut meddling)
            .and_then(|mission_tip| target::merge(&ground, &mut tree, &journal, mission_tip));
        let removed = tree.remove();
        let integration = integration?;
        removed?;
        Ok(Integrated {
            ground,
            journal,
            integration,
            is_resumed: false,
            meddling,
        })
    }
}

impl Integrated {
    /// The branch that the mission is in now.
    #[must_use]
    pub fn target_branch(&self) -> &str {
        &self.ground.request.target_branch
    }

    /// The commit of the target branch before the mission came into it.
    #[must_use]
    pub fn target_before(&self) -> &str {
        &self.integration.target_before
    }

    /// The commit that brought the mission into the target branch.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.integration.result
    }

    /// Tells whether an earlier run had integrated it already.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Lists the branches that changed the status of a mission, which this run did not take over.
    #[must_use]
    pub fn meddling(&self) -> &[String] {
        &self.meddling
    }

    /// Pushes the target branch to `origin`, with whatever the caller committed on it meanwhile.
    ///
    /// # Errors
    /// [`IntegrationError::Git`]: the commits stay integrated, and the next run pushes them.
    pub fn push(&self) -> Result<Pushed, IntegrationError> {
        Ok(self.ground.checkout.push(self.target_branch())?)
    }

    /// Removes the lanes' worktrees and the branches of the mission, except what must be kept.
    ///
    /// A worktree with uncommitted changes and a branch with commits that are not in the target
    /// stay, and are named in the answer.
    ///
    /// # Errors
    /// [`IntegrationError::Git`]; a second call goes on.
    pub fn clean_up(&self, retain: Retain) -> Result<CleanUp, IntegrationError> {
        clean_up::clean_up(&self.ground, &self.journal, &self.integration, retain)
    }
}

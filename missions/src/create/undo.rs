//! Takes a creation back.

use super::CreateError;
use super::scaffold::Made;
use crate::git::{Checkout, Switched};
use kitty_runtime::fs::Filesystem;
use std::path::PathBuf;

/// What was done so far.
pub(super) struct Undo<'a> {
    checkout: &'a Checkout,
    filesystem: &'a dyn Filesystem,
    pub(super) staged: Vec<PathBuf>,
    pub(super) made: Made,
    pub(super) switched: Option<Switched>,
}

impl<'a> Undo<'a> {
    pub(super) fn new(checkout: &'a Checkout, filesystem: &'a dyn Filesystem) -> Self {
        Self {
            checkout,
            filesystem,
            staged: Vec::new(),
            made: Made::default(),
            switched: None,
        }
    }

    /// Takes everything back and returns the failure to report.
    pub(super) fn after(self, cause: CreateError) -> CreateError {
        let left = self.run();
        if left.is_empty() {
            cause
        } else {
            CreateError::NotUndone {
                cause: Box::new(cause),
                left,
            }
        }
    }

    /// Takes everything back; returns what is left, each with its reason.
    pub(super) fn run(mut self) -> Vec<String> {
        // The files first: on a full disk git has room for a new index only when they are gone.
        let mut left = self.made.remove(self.filesystem);
        if !self.staged.is_empty()
            && let Err(error) = self.checkout.unstage(&self.staged)
        {
            left.push(format!("the index ({error})"));
        }
        if let Some(switched) = &self.switched
            && let Err(error) = self.checkout.switch_back(switched)
        {
            left.push(format!("the branch ({error})"));
        }
        left
    }
}

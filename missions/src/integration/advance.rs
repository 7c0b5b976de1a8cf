//! Moving a branch forward together with its checkout.

use super::{Ground, IntegrationError};
use crate::git::Checkout;

impl Ground {
    /// Moves a branch from one commit to a later one; a checkout of it follows.
    ///
    /// # Errors
    /// [`IntegrationError::Checkout`] when uncommitted changes would be overwritten,
    /// [`IntegrationError::Moved`] when the branch is no longer at `from`; then nothing changed.
    pub(super) fn advance(
        &self,
        branch: &str,
        from: &str,
        to: &str,
    ) -> Result<(), IntegrationError> {
        if from == to {
            return Ok(());
        }
        let mut checkouts = self.checkout.worktrees()?;
        checkouts.retain(|known| known.branch.as_deref() == Some(branch) && !known.is_missing);
        let moved = match checkouts.as_slice() {
            [] => self.checkout.move_branch(branch, from, to),
            [one] => {
                let opened = Checkout::open(self.checkout.program(), &one.path)?;
                let opened = opened.ok_or_else(|| IntegrationError::Moved(branch.to_owned()))?;
                if self.checkout.branch_tip(branch)?.as_deref() != Some(from) {
                    return Err(IntegrationError::Moved(branch.to_owned()));
                }
                if let Err(detail) = opened.fast_forward(to) {
                    return Err(IntegrationError::Checkout {
                        branch: branch.to_owned(),
                        path: one.path.clone(),
                        detail,
                    });
                }
                Ok(())
            }
            several => {
                return Err(IntegrationError::CheckedOutTwice {
                    branch: branch.to_owned(),
                    count: several.len(),
                });
            }
        };
        match self.checkout.branch_tip(branch)? {
            Some(tip) if tip == to => Ok(()),
            Some(tip) if tip == from => Ok(moved?),
            _ => Err(IntegrationError::Moved(branch.to_owned())),
        }
    }
}

//! `tracker unbind`: forgets the binding on this machine; the server keeps its own.

use super::session::{Verb, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project;
use kitty_missions::project::tracker::{TrackerBinding, change};

/// Runs `tracker unbind`.
///
/// # Errors
/// [`Failure`] when the file cannot be changed; then it is as it was.
pub fn run(invocation: &Invocation) -> Result<Exit, Failure> {
    within(invocation, Verb::Unbind, false, async |_| {
        let project = project::current(invocation)?;
        change(&project, |_| TrackerBinding::default())
            .map_err(|error| Failure::from_error("tracker_binding_not_stored", error))?;
        invocation.printer.line("Tracker binding removed");
        Ok(Exit::Success)
    })
}

//! The end of a merge, whoever asked for it: its rows are written with their events, and then it is
//! told.

use crate::invocation::Invocation;
use crate::mission_step::{self, Doing, StepError};
use crate::printer::Printer;
use kitty_missions::integration::CleanUp;
use kitty_missions::status_writer::StatusWriter;
use kitty_missions::workflow::{Desk, Integrated};

/// Writes what a merge leads to, and then ends it; when an earlier merge wrote it, only ends it.
///
/// `end` pushes, cleans up and prints: printing waits for the clean-up, which the answer tells of.
///
/// # Errors
/// [`StepError`]; then `end` was not called.
pub fn conclude(
    invocation: &Invocation,
    desk: Desk<'_>,
    (integrated, writer): (&Integrated, StatusWriter),
    end: impl FnOnce(),
) -> Result<(), StepError> {
    let Some(step) = &integrated.step else {
        drop(writer);
        end();
        return Ok(());
    };
    let doing = Doing {
        desk,
        mission: &integrated.mission,
        writer,
        step,
    };
    mission_step::perform(invocation, doing, |_| end())
}

/// Names the lanes whose changes of a status were not taken over, and the branches and worktrees that
/// the clean-up left, on stderr.
pub fn name_what_stays(printer: Printer, merged: &Integrated, clean_up: &CleanUp) {
    for branch in merged.meddling() {
        printer.note(format!(
            "{branch} changed the status of a mission; it was not taken over"
        ));
    }
    for kept in &clean_up.kept {
        printer.note(format!("{} stays: {}", kept.name, kept.reason));
    }
}

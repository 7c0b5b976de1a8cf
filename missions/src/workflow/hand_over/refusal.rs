//! Why an agent's move is refused. The wording is that of the Python CLI where scripts look at it.

use crate::lane::Lane;
use std::fmt::Write as _;

/// An agent's move is refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefusal {
    /// The options of a self review do not fit.
    #[error("{0}")]
    SelfReview(&'static str),
    /// The project protects the branch that the status would be committed to.
    #[error(
        "Refusing to run `{command}` with auto-commit on protected branch '{branch}' before mutating \
         status files. Switch to another branch, or take '{branch}' off \
         `protection.protected_branches` in .kittify/config.yaml."
    )]
    ProtectedBranch {
        /// How it was called.
        command: &'static str,
        /// The branch.
        branch: String,
    },
    /// A rejection is overruled without a word.
    #[error("--skip-review-artifact-check requires --note so override evidence is durable.")]
    OverrideNeedsNote,
    /// There is nothing that a reviewer could look at.
    #[error(
        "Cannot move {wp_id} to {to}\n\n{guidance}\n\nOr use --force to override (not recommended)"
    )]
    NotReady {
        /// The work package.
        wp_id: String,
        /// Where it was to go.
        to: Lane,
        /// What is wrong, and what to do.
        guidance: String,
    },
    /// An issue that the mission speaks of has no verdict.
    #[error("{0}")]
    IssueMatrix(String),
    /// It is another agent's.
    #[error(
        "Agent mismatch: {wp_id} is assigned to '{assigned}', not '{agent}'. Use --force to override."
    )]
    AgentMismatch {
        /// The work package.
        wp_id: String,
        /// Whose it is.
        assigned: String,
        /// Who asks.
        agent: String,
    },
    /// Work goes back only with feedback.
    #[error(
        "❌ Moving {wp_id} to 'planned' requires review feedback.\n\n\
         Please provide feedback:\n  \
         1. Create feedback file: echo '**Issue**: Description' > feedback.md\n  \
         2. Run: spec-kitty agent tasks move-task {wp_id} --to planned --review-feedback-file feedback.md\n\n\
         This requirement cannot be bypassed with --force."
    )]
    FeedbackNeeded {
        /// The work package.
        wp_id: String,
    },
    /// The feedback says nothing.
    #[error("Review feedback file is empty: {file}")]
    FeedbackEmpty {
        /// The file.
        file: String,
    },
    /// Subtasks are not done.
    #[error("{}", open_subtasks(wp_id, *to, open))]
    OpenSubtasks {
        /// The work package.
        wp_id: String,
        /// Where it was to go.
        to: Lane,
        /// The subtasks.
        open: Vec<String>,
    },
    /// The work is not in the target branch.
    #[error(
        "Cannot move {wp_id} to done without verified merge ancestry.\n\
         Merge ancestry check failed: {why}\n\
         Merge first, or provide --done-override-reason to record a conscious exception.\n\
         If review just passed, move it to approved first:\n  \
         spec-kitty agent tasks move-task {wp_id} --to approved --note \"Review passed\"\n\
         To proceed anyway, provide --done-override-reason \"<why this is acceptable>\"."
    )]
    NotMerged {
        /// The work package.
        wp_id: String,
        /// What was found.
        why: String,
    },
}

fn open_subtasks(wp_id: &str, to: Lane, open: &[String]) -> String {
    let mut words = format!("Cannot move {wp_id} to {to} - unchecked subtasks:\n");
    for id in open {
        writeln!(words, "  - [ ] {id}").expect("writing to a string cannot fail");
    }
    words.push_str("\nMark these complete first:\n");
    for id in open.iter().take(3) {
        writeln!(
            words,
            "  spec-kitty agent tasks mark-status {id} --status done"
        )
        .expect("writing to a string cannot fail");
    }
    words.push_str("\nOr use --force to override (not recommended)");
    words
}

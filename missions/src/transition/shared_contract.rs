//! What the shared event contract says about a transition: the second authority.
//!
//! A Teamspace refuses a `WPStatusChanged` that breaks one of these rules. They are the rules of
//! spec-kitty-events 6.1.0 and, where it knows the lanes, of 3.0.0.

use super::says;
use crate::lane::Lane;

/// The fields of an event that the contract looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// Whether it is forced.
    pub force: bool,
    /// Why.
    pub reason: Option<&'a str>,
    /// The review that it refers to.
    pub review_ref: Option<&'a str>,
}

/// Lists what the contract has against an event, in its words; nothing when it accepts the event.
///
/// Evidence is not looked at: see [`needs_evidence`].
#[must_use]
pub fn violations(from: Lane, to: Lane, fields: &Fields<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if !fields.force {
        if from.is_terminal() {
            found.push(format!("{from} is terminal; requires force=True to exit"));
        }
        if is_review_rejection(from, to) {
            found.push(format!(
                "review-rejection rollback {from} -> {to} requires force=True"
            ));
        }
        if !is_edge(from, to) {
            found.push(format!("Transition {from} -> {to} is not allowed"));
        }
    } else if !says(fields.reason) {
        found.push("force=True requires a non-empty reason".to_owned());
    }
    let is_excused = fields.force && is_review_rejection(from, to);
    if is_rework(from, to) && !is_excused && !says(fields.review_ref) {
        found.push(format!("{from} -> {to} requires review_ref"));
    }
    if (from, to) == (Lane::InProgress, Lane::Planned) && !says(fields.reason) {
        found.push("in_progress -> planned requires reason".to_owned());
    }
    found
}

/// Tells whether an event that enters this lane must carry evidence: a review and at least one
/// repository.
#[must_use]
pub const fn needs_evidence(to: Lane) -> bool {
    matches!(to, Lane::Approved | Lane::Done)
}

/// Tells whether reviewed work goes back; such an event names the review.
pub(crate) const fn is_rework(from: Lane, to: Lane) -> bool {
    matches!(from, Lane::ForReview | Lane::InReview | Lane::Approved)
        && matches!(to, Lane::InProgress | Lane::Planned)
}

/// The family of moves that are always forced.
const fn is_review_rejection(from: Lane, to: Lane) -> bool {
    matches!(
        from,
        Lane::InProgress | Lane::ForReview | Lane::InReview | Lane::Approved
    ) && matches!(to, Lane::Planned)
}

/// Tells whether the contract knows the edge without force.
fn is_edge(from: Lane, to: Lane) -> bool {
    use Lane::{
        Approved, Blocked, Canceled, Claimed, Done, ForReview, Genesis, InProgress, InReview,
        Planned,
    };
    match (from, to) {
        (_, Blocked | Canceled) => !from.is_terminal(),
        (Genesis, Planned) | (Planned, Claimed) | (Claimed | Blocked, InProgress) => true,
        (InProgress, ForReview | Approved | Planned) => true,
        (ForReview, InReview | Approved | Done | InProgress | Planned) => true,
        (InReview, Approved | Done | InProgress | ForReview | Planned) => true,
        (Approved, Done | InProgress | Planned) => true,
        _ => false,
    }
}

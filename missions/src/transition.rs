//! The transition matrix: which lane follows which, under what guard, and what is then written.
//!
//! Two authorities judge an edge: the matrix here, and the shared event contract that a Teamspace
//! holds every event against. [`decide`] asks both. What it returns is written into the status row
//! and into the sync event alike, so that neither side sees a move that it must refuse.
//!
//! Source: reference orchestrator-missions, sections 4.3 and 4.7.

mod guards;
pub mod shared_contract;

use crate::lane::Lane;
use crate::status_log::evidence::{Evidence, Review, ReviewResult};
use shared_contract::Fields;

/// What a caller gives with a transition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Who asks.
    pub actor: &'a str,
    /// Whether edges and guards are overridden; needs an actor and a reason.
    pub force: bool,
    /// Why.
    pub reason: Option<&'a str>,
    /// The review that it refers to.
    pub review_ref: Option<&'a str>,
    /// What approves it.
    pub evidence: Option<&'a Evidence>,
    /// What the reviewer said.
    pub review_result: Option<&'a ReviewResult>,
    /// Whether there is a place to work in.
    pub has_workspace: bool,
    /// Whether every subtask is done.
    pub subtasks_complete: bool,
    /// Whether there is a commit to review.
    pub implementation_evidence_present: bool,
}

/// An allowed transition, as the status row and the sync event say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The lane it leaves.
    pub from: Lane,
    /// The lane it enters.
    pub to: Lane,
    /// Whether it counts as forced: asked for, or needed by the shared contract.
    pub force: bool,
    /// The caller's reason; that of a rewind where the shared contract needs one.
    pub reason: Option<String>,
    /// The caller's review reference; that of the review where the shared contract needs one.
    pub review_ref: Option<String>,
}

/// The transition is not allowed. The wording is that of the Python CLI: orchestrators show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such edge.
    #[error("Illegal transition: {from} -> {to}")]
    Illegal {
        /// The lane it is in.
        from: Lane,
        /// The lane asked for.
        to: Lane,
    },
    /// Force needs more than the flag.
    #[error("Force transitions require actor and reason")]
    ForceWithoutActorOrReason,
    /// Nobody is named.
    #[error("Transition requires actor identity")]
    Actor,
    /// There is no place to work in.
    #[error("Transition claimed -> in_progress requires workspace context")]
    Workspace,
    /// A subtask is open.
    #[error(
        "Transition in_progress -> for_review requires completed subtasks or force with reason"
    )]
    Subtasks,
    /// There is nothing to review.
    #[error(
        "Transition in_progress -> for_review requires implementation evidence or force with reason"
    )]
    Implementation,
    /// Nobody approved it.
    #[error(
        "Transition to approved/done requires evidence (reviewer identity and approval reference)"
    )]
    Approval,
    /// Giving up needs a reason.
    #[error("Transition in_progress -> planned requires reason")]
    Reason,
    /// The feedback is not named.
    #[error("Transition requires review_ref (review feedback reference)")]
    ReviewRef,
    /// The review has no outcome.
    #[error("Transition from in_review requires review_result (structured review outcome)")]
    ReviewResult,
    /// The outcome lacks a field.
    #[error("Transition from in_review requires review_result with {0}")]
    ReviewResultField(&'static str),
    /// Two fields name different reviews.
    #[error("review_ref must match review_result.reference")]
    ReviewRefMismatch,
    /// Two fields say different things about the review.
    #[error("Review evidence must match review_result")]
    EvidenceMismatch,
}

/// Lists the lanes that a lane leads to without force.
#[must_use]
pub const fn targets(from: Lane) -> &'static [Lane] {
    use Lane::{
        Approved, Blocked, Canceled, Claimed, Done, ForReview, Genesis, InProgress, InReview,
        Planned, Uninitialized,
    };
    match from {
        Genesis => &[Planned, Canceled],
        Planned => &[Claimed, Blocked, Canceled],
        Claimed => &[InProgress, Blocked, Canceled],
        InProgress => &[ForReview, Approved, Planned, Blocked, Canceled],
        ForReview => &[InReview, Blocked, Canceled],
        InReview => &[Approved, Done, InProgress, Planned, Blocked, Canceled],
        Approved => &[Done, InProgress, Planned, Blocked, Canceled],
        Blocked => &[InProgress, Canceled],
        Done | Canceled | Uninitialized => &[],
    }
}

/// Decides whether a work package may move, and how that is written.
///
/// Force overrides edges and guards, even out of a terminal lane, but never leads into a hidden one.
/// A move that only the shared contract refuses unforced is promoted: forced, with the reason
/// `backward rewind: FROM -> TO[: REFERENCE][: REASON]`.
///
/// # Errors
/// [`Refusal`].
pub fn decide(from: Lane, to: Lane, request: &Request<'_>) -> Result<Decision, Refusal> {
    check(from, to, request)?;
    let review_ref = reference(from, to, request);
    let fields = Fields {
        force: request.force,
        reason: request.reason,
        review_ref: review_ref.as_deref(),
    };
    let is_promoted = !request.force && !shared_contract::violations(from, to, &fields).is_empty();
    let reason = if is_promoted {
        Some(rewind_reason(
            from,
            to,
            review_ref.as_deref(),
            request.reason,
        ))
    } else {
        request.reason.map(str::to_owned)
    };
    Ok(Decision {
        from,
        to,
        force: request.force || is_promoted,
        reason,
        review_ref,
    })
}

/// Judges an edge by the matrix alone.
///
/// # Errors
/// [`Refusal`].
pub fn check(from: Lane, to: Lane, request: &Request<'_>) -> Result<(), Refusal> {
    let is_edge = targets(from).contains(&to);
    let is_reachable = to.is_displayed() && from != Lane::Uninitialized;
    if !is_reachable || !(is_edge || request.force) {
        return Err(Refusal::Illegal { from, to });
    }
    if request.force {
        let is_accounted_for = says(Some(request.actor)) && says(request.reason);
        return if is_accounted_for {
            Ok(())
        } else {
            Err(Refusal::ForceWithoutActorOrReason)
        };
    }
    guards::check(from, to, request)
}

/// Returns the review reference to write: the caller's, or that of the review where the shared
/// contract needs one.
fn reference(from: Lane, to: Lane, request: &Request<'_>) -> Option<String> {
    if says(request.review_ref) || !shared_contract::is_rework(from, to) {
        return request.review_ref.map(str::to_owned);
    }
    let result = request
        .review_result
        .map(|result| result.reference.as_str());
    let found = result.filter(|reference| says(Some(reference)));
    // A forced move may name no review at all; the contract asks for a reference all the same.
    let stand_in = || request.force.then_some(FORCE_OVERRIDE);
    found.or_else(stand_in).map(str::to_owned)
}

/// Stands for the review of a forced move back that names none.
pub const FORCE_OVERRIDE: &str = "force-override";

/// Words the reason of a move back that the caller did not call forced.
#[must_use]
pub fn rewind_reason(
    from: Lane,
    to: Lane,
    reference: Option<&str>,
    reason: Option<&str>,
) -> String {
    let mut words = format!("backward rewind: {from} -> {to}");
    let reference = reference.filter(|reference| *reference != FORCE_OVERRIDE);
    for part in [reference, reason].into_iter().flatten() {
        if says(Some(part)) {
            words.push_str(": ");
            words.push_str(part);
        }
    }
    words
}

/// Returns the review that the evidence of a sync event names: the shared contract wants one with
/// every move to approved or done. `None` when the caller gave none.
#[must_use]
pub fn approval(request: &Request<'_>) -> Option<Review> {
    if let Some(evidence) = request.evidence {
        return Some(evidence.review.clone());
    }
    let result = request.review_result?;
    Some(Review {
        reference: result.reference.clone(),
        reviewer: result.reviewer.clone(),
        verdict: result.verdict.clone(),
    })
}

fn says(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests;

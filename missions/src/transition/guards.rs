//! What an unforced edge asks for.

use super::{Refusal, Request, says};
use crate::lane::Lane;
use crate::status_log::evidence::{APPROVED, ReviewResult};

pub(super) fn check(from: Lane, to: Lane, request: &Request<'_>) -> Result<(), Refusal> {
    let ensure = |holds: bool, refusal| if holds { Ok(()) } else { Err(refusal) };
    match (from, to) {
        (Lane::Planned, Lane::Claimed) | (Lane::ForReview, Lane::InReview) => {
            ensure(says(Some(request.actor)), Refusal::Actor)
        }
        (Lane::Claimed, Lane::InProgress) => ensure(request.has_workspace, Refusal::Workspace),
        (Lane::InProgress, Lane::ForReview) => {
            ensure(request.subtasks_complete, Refusal::Subtasks)?;
            ensure(
                request.implementation_evidence_present,
                Refusal::Implementation,
            )
        }
        (Lane::InProgress, Lane::Approved) | (Lane::Approved, Lane::Done) => {
            ensure(is_approved(request), Refusal::Approval)
        }
        (Lane::InProgress, Lane::Planned) => ensure(says(request.reason), Refusal::Reason),
        (Lane::Approved, Lane::InProgress | Lane::Planned) => {
            ensure(says(request.review_ref), Refusal::ReviewRef)
        }
        (Lane::InReview, _) => check_review(to, request),
        _ => Ok(()),
    }
}

/// Tells whether the evidence names a reviewer, an approval and where it is written.
fn is_approved(request: &Request<'_>) -> bool {
    request.evidence.is_some_and(|evidence| {
        let review = &evidence.review;
        says(Some(&review.reviewer)) && says(Some(&review.reference)) && review.verdict == APPROVED
    })
}

fn check_review(to: Lane, request: &Request<'_>) -> Result<(), Refusal> {
    let result = request.review_result.ok_or(Refusal::ReviewResult)?;
    for (name, text) in [
        ("reviewer", &result.reviewer),
        ("verdict", &result.verdict),
        ("reference", &result.reference),
    ] {
        if !says(Some(text)) {
            return Err(Refusal::ReviewResultField(name));
        }
    }
    let approves = match request.evidence {
        Some(_) => is_approved(request),
        None => result.verdict == APPROVED,
    };
    if matches!(to, Lane::Approved | Lane::Done) && !approves {
        return Err(Refusal::Approval);
    }
    check_consistency(result, request)
}

fn check_consistency(result: &ReviewResult, request: &Request<'_>) -> Result<(), Refusal> {
    if request
        .review_ref
        .is_some_and(|reference| reference != result.reference)
    {
        return Err(Refusal::ReviewRefMismatch);
    }
    let agrees = request.evidence.is_none_or(|evidence| {
        let review = &evidence.review;
        (&review.reviewer, &review.verdict, &review.reference)
            == (&result.reviewer, &result.verdict, &result.reference)
    });
    if agrees {
        Ok(())
    } else {
        Err(Refusal::EvidenceMismatch)
    }
}

//! What proves a transition: the evidence of an approval and the outcome of a review.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The verdict that approves.
pub const APPROVED: &str = "approved";

/// What approves a work package. Fields are declared in the order of the printed keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Evidence {
    /// Where it was changed; left out when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repos: Vec<RepoEvidence>,
    /// Who approved it.
    pub review: Review,
    /// What was run; left out when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verification: Vec<Verification>,
}

/// Who reviewed, with what verdict and where that is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Review {
    /// Where the review is written.
    pub reference: String,
    /// Who reviewed.
    pub reviewer: String,
    /// `approved` or `changes_requested`.
    pub verdict: String,
}

/// A change in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct RepoEvidence {
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
    /// The files; left out when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_touched: Vec<String>,
    /// The repository.
    pub repo: String,
}

/// One run of a test suite or linter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Verification {
    /// What was run.
    pub command: String,
    /// `pass`, `fail` or `skip`.
    pub result: String,
    /// In words.
    pub summary: String,
}

/// The structured outcome of a review, required by every way out of `in_review`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct ReviewResult {
    /// The file with the feedback of a rejection; left out when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback_path: Option<String>,
    /// The approval, or the feedback.
    pub reference: String,
    /// Who reviewed.
    pub reviewer: String,
    /// `approved` or `changes_requested`.
    pub verdict: String,
}

/// Evidence of a caller is not of the documented shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceProblem {
    /// Reviewer, verdict or reference is missing or blank.
    #[error(
        "Moving to done requires evidence with review.reviewer review.verdict, and review.reference"
    )]
    Review,
    /// An entry of `repos` or `verification` lacks a field.
    #[error(
        "evidence.repos entries need repo, branch and commit, evidence.verification entries need \
         command, result and summary"
    )]
    Entries,
}

impl Evidence {
    /// Reads what a caller gave as evidence.
    ///
    /// # Errors
    /// [`EvidenceProblem`], with the wording of the Python CLI where it has one.
    pub fn from_caller(evidence: &Value) -> Result<Self, EvidenceProblem> {
        let field = |name: &str| {
            let text = evidence.get("review")?.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let reference = field("reference").filter(|text| !text.trim().is_empty());
        let review = Review {
            reference: reference.ok_or(EvidenceProblem::Review)?,
            reviewer: field("reviewer").ok_or(EvidenceProblem::Review)?,
            verdict: field("verdict").ok_or(EvidenceProblem::Review)?,
        };
        Ok(Self {
            repos: entries(evidence, "repos")?,
            review,
            verification: entries(evidence, "verification")?,
        })
    }
}

fn entries<T: for<'de> Deserialize<'de>>(
    evidence: &Value,
    name: &str,
) -> Result<Vec<T>, EvidenceProblem> {
    match evidence.get(name) {
        None => Ok(Vec::new()),
        Some(list) => Vec::deserialize(list).map_err(|_| EvidenceProblem::Entries),
    }
}

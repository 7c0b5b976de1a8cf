//! What is asked for when an agent or a person moves a work package.

/// What an agent or a person asks for.
#[derive(Debug, Clone, Default)]
pub struct MoveRequest<'a> {
    /// The agent that asks.
    pub agent: Option<&'a str>,
    /// Why.
    pub note: Option<&'a str>,
    /// Whether edges and guards are overridden; the feedback of a move to `planned` is not.
    pub force: bool,
    /// What the reviewer wrote.
    pub feedback: Option<Feedback<'a>>,
    /// Who reviewed.
    pub reviewer: Option<&'a str>,
    /// Where the approval is written.
    pub approval_ref: Option<&'a str>,
    /// Why `done` is right although the work is not merged.
    pub done_override_reason: Option<&'a str>,
    /// An approval by whoever implemented it.
    pub self_review: SelfReview<'a>,
    /// Whether an approval overrules a rejection on purpose; needs a note.
    pub overrules_rejection: bool,
    /// What else is recorded about who works on it.
    pub runtime: RuntimeFacts<'a>,
}

/// A reviewer's feedback.
#[derive(Debug, Clone, Copy)]
pub struct Feedback<'a> {
    /// The file, as given.
    pub source: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Why somebody approves their own work.
#[derive(Debug, Clone, Copy, Default)]
pub struct SelfReview<'a> {
    /// Whether they do.
    pub is_fallback: bool,
    /// Who should have reviewed.
    pub intended_reviewer: Option<&'a str>,
    /// Why they did not.
    pub failure_reason: Option<&'a str>,
}

/// What is recorded about who works on a work package.
#[derive(Debug, Clone, Default)]
pub struct RuntimeFacts<'a> {
    /// The process.
    pub shell_pid: Option<i64>,
    /// Who it is assigned to.
    pub assignee: Option<&'a str>,
    /// The language model.
    pub model: Option<&'a str>,
    /// The agent's profile.
    pub profile: Option<&'a str>,
    /// References into a tracker.
    pub tracker_refs: Vec<String>,
}

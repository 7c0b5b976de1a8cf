//! The comments that the gate posts: our own wording, every field of reference A9, and no gap.

use super::config::GateConfig;
use super::core::Facts;
use super::facts::{IssueRef, Release, Runs};
use crate::result::Outcome;
use std::fmt::Write as _;

/// Fields that a comment needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the comment for {issue} lacks {fields}.")]
pub struct Missing {
    issue: String,
    fields: String,
}

/// The integrity statement, word for word (reference A9).
pub const INTEGRITY: &str = "No manual SaaS queue mutation, Fly DB edits, daemon record surgery, local queue \
     deletion, event replay, or ingress-cap override was used at any point during or between the four runs.";

/// Collects named fields and notices those that are empty or still a placeholder.
struct Fields {
    issue: String,
    missing: Vec<&'static str>,
    /// Whether a field that is missing is named in its place.
    draft: bool,
}

impl Fields {
    fn new(issue: &IssueRef) -> Self {
        Self {
            issue: issue.to_string(),
            missing: Vec::new(),
            draft: false,
        }
    }

    fn draft(issue: &IssueRef) -> Self {
        Self {
            draft: true,
            ..Self::new(issue)
        }
    }

    fn take(&mut self, name: &'static str, value: Option<&str>) -> String {
        let value = value.map(str::trim).unwrap_or_default();
        let placeholder = value.starts_with('<') && value.ends_with('>');
        if value.is_empty() || placeholder || value == "unknown" {
            self.missing.push(name);
            if self.draft {
                return format!("<{name}>");
            }
        }
        value.to_owned()
    }

    fn finish(self, text: String) -> Result<String, Missing> {
        if self.draft || self.missing.is_empty() {
            return Ok(text);
        }
        Err(Missing {
            issue: self.issue,
            fields: self.missing.join(", "),
        })
    }
}

/// Renders the comment that closes the evidence issue.
///
/// # Errors
/// [`Missing`].
pub fn evidence(config: &GateConfig, facts: &Facts) -> Result<String, Missing> {
    render_evidence(Fields::new(&config.evidence_issue), facts)
}

fn render_evidence(mut fields: Fields, facts: &Facts) -> Result<String, Missing> {
    let mut text = String::from("## Auth identity-boundary canary — 4/4 pass evidence\n\n");
    text.push_str(&environment(&mut fields, facts));
    text.push_str("### Health snapshot (taken immediately before four-run protocol)\n\n");
    text.push_str(&health(&mut fields, facts));
    text.push_str("### Four-run protocol results\n\n");
    text.push_str(&table(&mut fields, facts));
    text.push_str("### Evidence paths\n\n");
    text.push_str(&paths(&mut fields, facts));
    let _ = write!(
        text,
        "### Integrity statement\n\n{INTEGRITY}\n\nClosing: 4/4 canary evidence attached above. \
         Identity-boundary gate complete.\n"
    );
    fields.finish(text)
}

/// Renders the comment on the release tracker.
///
/// # Errors
/// [`Missing`].
pub fn release(config: &GateConfig, facts: &Facts) -> Result<String, Missing> {
    render_release(Fields::new(&config.release_issue), config, facts)
}

fn render_release(
    mut fields: Fields,
    config: &GateConfig,
    facts: &Facts,
) -> Result<String, Missing> {
    let mut text =
        String::from("## Canary evidence - post planning#16 auth boundary hardening\n\n");
    text.push_str(&environment(&mut fields, facts));
    text.push_str(&events_and_counts(&mut fields, config, facts));
    text.push_str("### Canary results\n\n");
    text.push_str(&table(&mut fields, facts));
    let suite = facts.suite.as_ref();
    let passed = suite.map(|it| {
        it.passed
            .iter()
            .filter(|passed| **passed)
            .count()
            .to_string()
    });
    let passed = fields.take("teamspace suite", passed.as_deref());
    let _ = writeln!(
        text,
        "Teamspace suite: {passed} of 4 consecutive runs passed.\n"
    );
    text.push_str("### Evidence bundle\n\n");
    text.push_str(&paths(&mut fields, facts));
    let logs = fields.take("suite evidence", suite.map(|it| it.evidence.as_str()));
    let _ = writeln!(text, "- Teamspace suite: `{logs}`\n");
    let _ = writeln!(text, "### Integrity statement\n\n{INTEGRITY}");
    fields.finish(text)
}

/// Renders the comment that opens a blocker again.
///
/// # Errors
/// [`Missing`].
pub fn failure(tag: &str, issue: &IssueRef, runs: &Runs) -> Result<String, Missing> {
    render_failure(Fields::new(issue), Some(tag), Some(runs))
}

/// Which comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comment<'a> {
    /// The one that closes the evidence issue.
    Evidence,
    /// The one on the release tracker.
    Release,
    /// The one that opens a blocker again.
    Failure(&'a IssueRef),
}

/// Renders a comment from what is known; a field that is not known yet is named in its place.
#[must_use]
pub fn draft(comment: Comment<'_>, config: &GateConfig, facts: &Facts) -> String {
    let rendered = match comment {
        Comment::Evidence => render_evidence(Fields::draft(&config.evidence_issue), facts),
        Comment::Release => render_release(Fields::draft(&config.release_issue), config, facts),
        Comment::Failure(issue) => {
            let tag = facts.candidate.as_ref().map(|it| it.tag.as_str());
            render_failure(Fields::draft(issue), tag, None)
        }
    };
    rendered.expect("a draft lacks nothing: it names what is not known")
}

fn render_failure(
    mut fields: Fields,
    tag: Option<&str>,
    runs: Option<&Runs>,
) -> Result<String, Missing> {
    let tag = fields.take("candidate", tag);
    let attempt = runs.map(|it| it.attempt.to_string());
    let attempt = fields.take("attempt", attempt.as_deref());
    let path = fields.take("evidence path", runs.map(|it| it.evidence.as_str()));
    let digest = fields.take("evidence digest", runs.map(|it| it.digest.as_str()));
    let mut text = format!(
        "## Identity-boundary canary failed on {tag} (attempt {attempt})\n\n### Results\n\n"
    );
    text.push_str(&rows(runs));
    let _ = writeln!(
        text,
        "\n### Evidence\n\n- `{path}`\n- SHA-256 of its manifest: `{digest}`\n\n\
         Nothing is run again before the root cause is known."
    );
    fields.finish(text)
}

fn environment(fields: &mut Fields, facts: &Facts) -> String {
    let candidate = facts.candidate.as_ref();
    let preflight = facts.preflight.as_ref();
    let of = |get: fn(&Release) -> &str| candidate.map(get);
    let tag = fields.take("tag", of(|it| &it.tag));
    let version = fields.take("CLI version", preflight.map(|it| it.cli_version.as_str()));
    let commit = preflight.and_then(|it| it.cli_commit.as_deref());
    let commit = fields.take("CLI commit", commit);
    let image = fields.take(
        "SaaS version",
        preflight.map(|it| it.service_version.as_str()),
    );
    let sha = fields.take(
        "SaaS commit",
        preflight.map(|it| it.service_commit.as_str()),
    );
    let events = fields.take(
        "events version",
        preflight.map(|it| it.events_version.as_str()),
    );
    format!(
        "### Environment\n\n\
         - CLI: `spec-kitty-cli=={version}`, tag `{tag}`, commit `{commit}`\n\
         - SaaS: image `{image}`, commit `{sha}`\n\
         - Events: `spec-kitty-events=={events}`\n\n"
    )
}

fn events_and_counts(fields: &mut Fields, config: &GateConfig, facts: &Facts) -> String {
    let events = facts
        .preflight
        .as_ref()
        .map(|it| it.events_version.as_str());
    let tag = fields.take("events tag", events);
    let commit = fields.take("events commit", Some(&config.events_commit));
    let counts = counts(fields, facts);
    format!("- Events package: tag `v{tag}`, commit `{commit}`\n{counts}\n")
}

fn counts(fields: &mut Fields, facts: &Facts) -> String {
    let preflight = facts.preflight.as_ref();
    let infra = preflight.and_then(|it| it.terminal_failed_infra);
    let infra = fields.take(
        "terminal_failed_infra",
        infra.map(|it| it.to_string()).as_deref(),
    );
    let rows = facts.rows.as_ref().map(|it| it.count.to_string());
    let rows = fields.take("terminal_failed_business_rule", rows.as_deref());
    let digest = facts.rows.as_ref().map(|it| it.digest.as_str());
    let digest = fields.take("digest of the historical rows", digest);
    format!(
        "- `terminal_failed_infra={infra}`\n- `terminal_failed_business_rule={rows}` \
         (unchanged, SHA-256 `{digest}`)\n"
    )
}

fn health(fields: &mut Fields, facts: &Facts) -> String {
    let preflight = facts.preflight.as_ref();
    let status = |value: Option<u16>| value.map(|it| it.to_string());
    let live = status(preflight.map(|it| it.health_status));
    let live = fields.take("/health/", live.as_deref());
    let ready = status(preflight.map(|it| it.ready_status));
    let ready = fields.take("/health/ready/", ready.as_deref());
    let counts = counts(fields, facts);
    format!("- `/health/` HTTP {live}\n- `/health/ready/` HTTP {ready}\n{counts}\n")
}

fn table(fields: &mut Fields, facts: &Facts) -> String {
    let runs = facts.four.as_ref();
    let count = runs
        .map(|it| it.runs.len().to_string())
        .filter(|it| it == "4");
    fields.take("four runs", count.as_deref());
    format!("{}\n", rows(runs))
}

/// The table of the runs; the names of its fields while there is none.
fn rows(runs: Option<&Runs>) -> String {
    let mut text = String::from(
        "| Run | Outcome | Scenario 1 | Scenario 2 | Scenario 3 | Scenario 4 |\n|---|---|---|---|---|---|\n",
    );
    let Some(runs) = runs else {
        let cells = (1..=4).map(|it| format!(" <scenario {it}> |"));
        text.extend(
            ["| <run> | <outcome> |".to_owned()]
                .into_iter()
                .chain(cells),
        );
        text.push('\n');
        return text;
    };
    for run in &runs.runs {
        let outcome = if run.outcome == Outcome::Pass {
            "PASS"
        } else {
            "FAIL"
        };
        let _ = write!(text, "| {} | {outcome} |", run.run_number);
        for scenario in 0..4 {
            let cell = match run.scenarios.get(scenario) {
                Some(None) => "pass",
                Some(Some(mode)) => mode.as_str(),
                None => "missing",
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

fn paths(fields: &mut Fields, facts: &Facts) -> String {
    let mut text = String::new();
    for (name, runs) in [("Single run", &facts.single), ("Four runs", &facts.four)] {
        let path = fields.take(
            "evidence path",
            runs.as_ref().map(|it| it.evidence.as_str()),
        );
        let digest = fields.take(
            "evidence digest",
            runs.as_ref().map(|it| it.digest.as_str()),
        );
        let _ = writeln!(
            text,
            "- {name}: `{path}`, SHA-256 of its manifest `{digest}`"
        );
    }
    text.push('\n');
    text
}

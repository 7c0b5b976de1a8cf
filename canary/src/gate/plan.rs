//! What a gate would do: every step, and every byte that it would post. Pure.

use super::config::GateConfig;
use super::core::{Gate, State};
use super::facts::{IssueRef, Verb};
use super::template::{Comment, draft};
use serde::Serialize;

/// Everything that lies before a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Where it stands.
    pub standing: String,
    /// The steps that are left, in order.
    pub steps: Vec<Step>,
    /// The comments, with what is known put in; what is not is named, as `<field>`.
    pub posts: Vec<Post>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The state that it leaves.
    pub from: State,
    /// The state that it reaches.
    pub to: State,
    /// What it does, one thing a line.
    pub does: Vec<String>,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Post {
    /// When it is posted.
    pub when: String,
    /// The issue.
    pub issue: IssueRef,
    /// What is done to it.
    pub action: Verb,
    /// The text; a line that marks the comment follows it.
    pub body: String,
}

/// Plans what is left from where a gate stands, or from an earlier state.
#[must_use]
pub fn plan(gate: &Gate, from: Option<State>) -> Plan {
    let at = from.unwrap_or_else(|| gate.standing().state());
    let config = gate.config();
    let pairs = State::ALL.windows(2).filter(|pair| pair[0] >= at);
    let steps: Vec<Step> = pairs
        .map(|pair| Step {
            from: pair[0],
            to: pair[1],
            does: does(config, pair[0]),
        })
        .collect();
    Plan {
        standing: gate.standing().to_string(),
        posts: posts(gate, at),
        steps,
    }
}

fn does(config: &GateConfig, from: State) -> Vec<String> {
    let words = |words: &[String]| format!("`{}`", words.join(" "));
    let command = |named: &[String], without: &str| {
        if named.is_empty() {
            without.to_owned()
        } else {
            words(named)
        }
    };
    let url = &config.server.url;
    let candidate = &config.candidate;
    match from {
        State::Idle => {
            let blockers = config.blockers.iter().map(|blocker| {
                let fix = &blocker.fix;
                format!(
                    "{} must be CLOSED, and {} of {} must change {}: {} passes on it and fails on \
                     its parent",
                    blocker.issue,
                    fix.commit,
                    fix.repository.display(),
                    fix.paths.join(", "),
                    words(&fix.test)
                )
            });
            blockers.collect()
        }
        State::BlockersVerified => vec![
            format!(
                "takes the newest prerelease, which must be newer than {}",
                config.last_tag
            ),
            format!(
                "installs it into a fresh prefix by {}",
                command(&candidate.install, "copying the artifact")
            ),
        ],
        State::RcInstalled => {
            let imports = candidate
                .imports
                .iter()
                .map(|it| format!("runs {}", words(it)));
            let more = [
                format!(
                    "asks for the commit by {}; it must be {} or a descendant",
                    command(&candidate.origin, "`{program} canary origin`"),
                    candidate.minimum_commit
                ),
                format!(
                    "asks {url}/health/ (events >= {}) and {url}/health/ready/ \
                     (terminal_failed 0, business_rule {})",
                    config.minimum_events, config.business_rule_rows
                ),
            ];
            imports.chain(more).collect()
        }
        State::PreflightClean | State::SingleRunPassed => {
            let times = if from == State::PreflightClean {
                "once"
            } else {
                "four times"
            };
            vec![format!(
                "runs the canary {times} by {}, as {} against {url}; nothing else may change",
                command(&config.runner, "`spec-kitty canary run`"),
                config.server.account
            )]
        }
        State::FourRunPassed => vec![format!(
            "posts the evidence to {} and closes it",
            config.evidence_issue
        )],
        State::E2eGateClosed => vec![format!("runs {} four times", words(&config.suite))],
        State::TeamspacePassed => vec![format!(
            "posts the evidence to {}, which stays OPEN",
            config.release_issue
        )],
        State::GateComplete => Vec::new(),
    }
}

fn posts(gate: &Gate, at: State) -> Vec<Post> {
    let (config, facts) = (gate.config(), gate.facts());
    let mut posts = Vec::new();
    if at <= State::SingleRunPassed {
        posts.extend(config.blockers.iter().map(|blocker| Post {
            when: format!(
                "only when a run fails{}",
                if blocker.failure_modes.is_empty() {
                    String::new()
                } else {
                    format!(
                        " with {}, or with what no blocker names",
                        blocker.failure_modes.join(" or ")
                    )
                }
            ),
            issue: blocker.issue.clone(),
            action: Verb::Reopen,
            body: draft(Comment::Failure(&blocker.issue), config, facts),
        }));
    }
    if at <= State::FourRunPassed {
        posts.push(Post {
            when: format!("after {}", State::FourRunPassed),
            issue: config.evidence_issue.clone(),
            action: Verb::Close,
            body: draft(Comment::Evidence, config, facts),
        });
    }
    if at <= State::TeamspacePassed {
        posts.push(Post {
            when: format!("after {}", State::TeamspacePassed),
            issue: config.release_issue.clone(),
            action: Verb::Comment,
            body: draft(Comment::Release, config, facts),
        });
    }
    posts
}

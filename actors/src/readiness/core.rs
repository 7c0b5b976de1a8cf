//! Which question comes next, and what the answers so far amount to.
//!
//! The order is the contract's: opt-in, session, host, reachability, binding. The first answer that
//! is no ends it, so that nothing later is ever looked at; an answer that could not be had ends it
//! as `host_unreachable` with the reason in `details.error` (082 contract: never fails itself).

use super::messages::{Readiness, Requirements};
use kitty_config::ServerUrl;

/// An answer, or why it could not be had.
pub type Known<T> = Result<T, String>;

/// How the configured host stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// One is named and may be used.
    Named(ServerUrl),
    /// None is named.
    None,
    /// What is named is no address that secrets may be sent to; the reason.
    Unusable(String),
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The server answered with a status below 400.
    Answered,
    /// It did not, or refused; the reason.
    Failed(String),
}

/// What was answered so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the machine has opted in.
    pub rollout: Option<Known<bool>>,
    /// Whether somebody is logged in.
    pub session: Option<Known<bool>>,
    /// Which server is named.
    pub host: Option<Known<Host>>,
    /// Whether it answers.
    pub reach: Option<Known<Reach>>,
    /// Whether the project is bound.
    pub binding: Option<Known<bool>>,
    /// What the binding is missing for, as the message names it.
    pub subject: String,
}

/// What must be found out next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether the machine has opted in.
    Rollout,
    /// Whether somebody is logged in.
    Session,
    /// Which server is named.
    Host,
    /// Whether this server answers one HEAD request within [`super::PROBE_LIMIT`].
    Reach(ServerUrl),
    /// Whether the project is bound.
    Binding,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Find this out.
    Ask(Question),
    /// It is decided.
    Done(Readiness),
}

/// Decides from what is known so far.
#[must_use]
pub fn step(requirements: Requirements, facts: &Facts) -> Step {
    decide(requirements, facts).unwrap_or_else(|step| *step)
}

fn decide(requirements: Requirements, facts: &Facts) -> Result<Step, Box<Step>> {
    let opted_in = answered(&facts.rollout, Question::Rollout, None)?;
    unless(*opted_in, Readiness::rollout_disabled)?;
    let logged_in = answered(&facts.session, Question::Session, None)?;
    unless(*logged_in, Readiness::missing_auth)?;
    let server = match answered(&facts.host, Question::Host, None)? {
        Host::Named(server) => server,
        Host::None => return Ok(Step::Done(Readiness::missing_host_config())),
        Host::Unusable(reason) => {
            let readiness = Readiness::missing_host_config().with("error", reason);
            return Ok(Step::Done(readiness));
        }
    };
    if requirements.reachability {
        let question = Question::Reach(server.clone());
        if let Reach::Failed(reason) = answered(&facts.reach, question, Some(server))? {
            let readiness = Readiness::host_unreachable(Some(server)).with("error", reason);
            return Ok(Step::Done(readiness));
        }
    }
    if requirements.binding {
        let bound = answered(&facts.binding, Question::Binding, Some(server))?;
        unless(*bound, || {
            Readiness::missing_mission_binding(&facts.subject)
        })?;
    }
    Ok(Step::Done(Readiness::ready()))
}

/// Returns an answer; a missing one is asked for, one that could not be had ends the evaluation.
fn answered<'a, T>(
    fact: &'a Option<Known<T>>,
    question: Question,
    server: Option<&ServerUrl>,
) -> Result<&'a T, Box<Step>> {
    match fact {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(fault)) => {
            let readiness = Readiness::host_unreachable(server).with("error", fault);
            Err(Box::new(Step::Done(readiness)))
        }
        None => Err(Box::new(Step::Ask(question))),
    }
}

fn unless(holds: bool, missing: impl FnOnce() -> Readiness) -> Result<(), Box<Step>> {
    if holds {
        Ok(())
    } else {
        Err(Box::new(Step::Done(missing())))
    }
}

#[cfg(test)]
mod tests;

//! What `canary gate` says at its end.

use super::cannot_begin;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use kitty_canary::gate::drive::{Driver, LOG};
use kitty_canary::gate::facts::{Act, Input, IssueRef, Verb, Witness};
use kitty_canary::gate::log::Log;
use kitty_canary::gate::plan::{Plan, Post};
use kitty_canary::gate::{Standing, State};
use serde::Serialize;
use std::path::Path;

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct GateDocument {
    outcome: &'static str,
    exit_code: u8,
    state: State,
    message: Option<String>,
    details: Vec<String>,
    next_action: Option<String>,
    candidate: Option<String>,
    commit: Option<String>,
    directory: String,
    head: String,
    evidence: Vec<Evidence>,
    acts: Vec<Done>,
}

/// Evidence and where it lies below the directory.
#[derive(Debug, Serialize)]
struct Evidence {
    of: &'static str,
    path: String,
    digest: String,
}

/// Something that was done, and how.
#[derive(Debug, Serialize)]
struct Done {
    id: String,
    issue: IssueRef,
    action: Verb,
    witness: Option<Witness>,
}

/// Prints where a gate stands: 0 when it is complete, 1 when it stopped.
pub(super) fn print(
    invocation: &Invocation,
    json: bool,
    driver: &Driver<'_>,
    directory: &Path,
) -> Result<Exit, Failure> {
    let (gate, facts) = (driver.gate(), driver.gate().facts());
    let (state, report) = match gate.standing() {
        Standing::At(state) => (*state, None),
        Standing::Stopped { at, report } => (*at, Some(report)),
    };
    let exit = match report {
        None => Exit::Success,
        Some(_) => Exit::Failed,
    };
    let evidence = [("single run", &facts.single), ("four runs", &facts.four)];
    let mut evidence: Vec<Evidence> = evidence
        .into_iter()
        .filter_map(|(of, runs)| {
            let runs = runs.as_ref()?;
            let (path, digest) = (runs.evidence.clone(), runs.digest.clone());
            Some(Evidence { of, path, digest })
        })
        .collect();
    evidence.extend(facts.suite.as_ref().map(|suite| Evidence {
        of: "Teamspace suite",
        path: suite.evidence.clone(),
        digest: suite.digest.clone(),
    }));
    let document = GateDocument {
        outcome: if report.is_none() {
            "complete"
        } else {
            "stopped"
        },
        exit_code: exit.code(),
        state,
        message: report.map(|it| it.message.clone()),
        details: report.map(|it| it.details.clone()).unwrap_or_default(),
        next_action: report.map(|_| next_action(state)),
        candidate: facts.candidate.as_ref().map(|it| it.tag.clone()),
        commit: facts
            .preflight
            .as_ref()
            .and_then(|it| it.cli_commit.clone()),
        directory: directory.display().to_string(),
        head: driver.head().to_owned(),
        evidence,
        acts: acts(invocation, directory)?,
    };
    if json {
        invocation.printer.json().finish(&document);
    } else {
        print_text(invocation, &document);
    }
    Ok(exit)
}

fn next_action(state: State) -> String {
    let runs = [
        State::PreflightClean,
        State::SingleRunPassed,
        State::E2eGateClosed,
    ];
    let first = if runs.contains(&state) {
        "Find the root cause before anything is run again"
    } else {
        "Mend what is named"
    };
    format!(
        "{first}; then run `spec-kitty canary gate` again: it checks the blockers anew and goes on from {state}."
    )
}

/// Returns what was done so far, by the word of the log.
fn acts(invocation: &Invocation, directory: &Path) -> Result<Vec<Done>, Failure> {
    let path = directory.join(LOG);
    let (_, entries) = Log::open(&*invocation.filesystem, &path).map_err(cannot_begin)?;
    let mut acts: Vec<Done> = Vec::new();
    for entry in entries {
        match entry.input {
            Input::Intended(Act {
                id, issue, verb, ..
            }) if !acts.iter().any(|act| act.id == id) => acts.push(Done {
                id,
                issue,
                action: verb,
                witness: None,
            }),
            Input::Done { id, witness } => {
                let done = acts.iter_mut().filter(|act| act.id == id);
                done.for_each(|act| act.witness = Some(witness.clone()));
            }
            _ => {}
        }
    }
    Ok(acts)
}

fn print_text(invocation: &Invocation, document: &GateDocument) {
    let printer = invocation.printer;
    match &document.message {
        None => printer.line(document.state.name()),
        Some(message) => {
            printer.line(format!("STOPPED({})", document.state));
            printer.line(message);
        }
    }
    for detail in &document.details {
        printer.line(format!("  {detail}"));
    }
    for evidence in &document.evidence {
        let (path, digest) = (&evidence.path, &evidence.digest);
        printer.line(format!("Evidence   {}: {path} {digest}", evidence.of));
    }
    for act in &document.acts {
        let how = match &act.witness {
            None => "not done yet".to_owned(),
            Some(Witness::Rendered(path)) => format!("waits for a person in {path}"),
            Some(Witness::Executed(url)) => format!("done: {url}"),
        };
        printer.line(format!(
            "{:<10} {}: {how}",
            act.action.to_string(),
            act.issue
        ));
    }
    printer.line(format!("Directory  {}", document.directory));
    printer.line(format!("Head       {}", document.head));
    if let Some(next) = &document.next_action {
        printer.line(next);
    }
}

/// Prints what would be done.
pub(super) fn print_plan(invocation: &Invocation, json: bool, plan: &Plan) {
    let printer = invocation.printer;
    if json {
        printer.json().finish(plan);
        return;
    }
    printer.line(format!("Stands at {}; nothing is done.", plan.standing));
    for step in &plan.steps {
        printer.line(format!("\n{} -> {}", step.from, step.to));
        for line in &step.does {
            printer.line(format!("  {line}"));
        }
    }
    for post in &plan.posts {
        let Post {
            when,
            issue,
            action,
            body,
        } = post;
        printer.line(format!("\n=== {action} {issue}, {when}"));
        printer.line(body);
    }
}

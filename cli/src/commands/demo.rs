//! `demo`: carries real events all the way on this machine, with a real server, real git and a real
//! SIGKILL, and counts whether one was lost.

mod burst;
mod machine;
mod table;

pub use burst::{BurstArgs, burst};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::within_actors;
use crate::invocation::Invocation;
use clap::Args;
use kitty_teamspace::{Administration, DEFAULT_OWNER_EMAIL};
use machine::{Machine, Outcome};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;
use table::Table;

/// How many acknowledged appends each burst is killed after.
const KILLED_AFTER: [usize; 3] = [60, 180, 300];

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leaves everything running and prints the commands to try by hand
    #[arg(long)]
    keep: bool,
}

/// What the demo counts.
#[derive(Debug, Default)]
struct Count {
    /// Ids for which a command ended with yes.
    acknowledged: BTreeSet<String>,
    /// Ids that were being appended when their process was killed.
    in_flight: BTreeSet<String>,
    /// Ids in the server's database.
    stored: BTreeSet<String>,
    duplicates: u64,
}

/// Runs the demo; ends with 0 only if the server's database holds exactly the acknowledged ids.
///
/// An append that was killed before it could say yes may be stored or not; both are in order, and
/// the table shows how many there were.
///
/// # Errors
/// [`Failure`] when a step does not do what it should.
pub fn run(invocation: &Invocation, args: &DemoArgs) -> Result<Exit, Failure> {
    let mut table = Table::new(invocation.printer);
    let mut count = Count::default();
    let mut machine = table.step("repository, state root, Teamspace", || {
        let machine = Machine::start()?;
        let told = format!("listening at {}", machine.url());
        Ok((machine, told))
    })?;
    let machine = &mut machine;
    table.step("login by device flow", || {
        machine.log_in().map(|email| ((), format!("as {email}")))
    })?;
    table.step("mission created and captured", || {
        create_mission(machine, &mut count)
    })?;
    for after in KILLED_AFTER {
        table.step("burst of appends, killed", || {
            burst_and_kill(machine, after, &mut count)
        })?;
    }
    table.step("delivery, killed", || deliver_and_kill(machine))?;
    table.step("delivery", || deliver(machine, &mut count))?;
    table.step("database compared", || compare(machine, &mut count))?;
    let lost = count.acknowledged.difference(&count.stored).count();
    let known: BTreeSet<&String> = count.acknowledged.union(&count.in_flight).collect();
    let foreign = count.stored.iter().filter(|id| !known.contains(id)).count();
    print_totals(invocation, machine, &count, lost, foreign);
    let exit = if lost == 0 && foreign == 0 {
        Exit::Success
    } else {
        Exit::Failed
    };
    if args.keep {
        machine.keep(invocation.printer);
    }
    Ok(exit)
}

fn create_mission(machine: &Machine, count: &mut Count) -> Result<Outcome<()>, Failure> {
    let created =
        machine.spec_kitty_json(&["agent", "mission", "create", "demo-mission", "--json"])?;
    let slug = created["mission_slug"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let waiting = machine.waiting()?;
    if waiting.is_empty() && machine.stored_ids()?.is_empty() {
        return Err(machine::failed("the mission's events were not captured"));
    }
    count.acknowledged.extend(waiting);
    count.acknowledged.extend(machine.stored_ids()?);
    Ok(((), format!("{slug}, {} events", count.acknowledged.len())))
}

fn burst_and_kill(
    machine: &Machine,
    after: usize,
    count: &mut Count,
) -> Result<Outcome<()>, Failure> {
    let burst = machine.burst(after)?;
    let told = format!(
        "{} acknowledged, {} in flight",
        burst.acknowledged.len(),
        burst.in_flight.len()
    );
    count.acknowledged.extend(burst.acknowledged);
    count.in_flight.extend(burst.in_flight);
    Ok(((), told))
}

/// Kills a delivery as soon as the server holds something new: what it had not recorded is sent again.
fn deliver_and_kill(machine: &Machine) -> Result<Outcome<()>, Failure> {
    within_actors(async {
        let administration = open(&machine.teamspace_data()).await?;
        let team = private_team(&administration).await?;
        let count = async || {
            administration
                .count_events(&team)
                .await
                .map_err(|error| unreadable(&error))
        };
        let before = count().await?;
        let mut delivery = machine.start_delivery()?;
        let deadline = Instant::now() + machine::STEP_LIMIT;
        let mut after = before;
        while after == before && delivery.is_running() {
            if Instant::now() > deadline {
                return Err(machine::failed(
                    "the delivery did not reach the server in time",
                ));
            }
            after = count().await?;
        }
        delivery.kill();
        administration.close().await;
        Ok(((), format!("{} stored by then", after - before)))
    })
}

fn deliver(machine: &Machine, count: &mut Count) -> Result<Outcome<()>, Failure> {
    let report = machine.spec_kitty_json(&["sync", "now", "--json"])?;
    let number = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or_default();
    count.duplicates = number("duplicate");
    Ok((
        (),
        format!(
            "delivered {}, duplicates absorbed {}",
            number("delivered"),
            count.duplicates
        ),
    ))
}

fn compare(machine: &Machine, count: &mut Count) -> Result<Outcome<()>, Failure> {
    count.stored = machine.stored_ids()?;
    Ok(((), format!("{} events stored", count.stored.len())))
}

fn print_totals(
    invocation: &Invocation,
    machine: &Machine,
    count: &Count,
    lost: usize,
    foreign: usize,
) {
    let printer = invocation.printer;
    let delivered = count.stored.len();
    let survived = count.in_flight.intersection(&count.stored).count();
    printer.line("");
    for (name, value) in [
        ("captured (acknowledged)", count.acknowledged.len()),
        ("in flight when killed", count.in_flight.len()),
        ("  of these stored", survived),
        ("delivered", delivered),
        (
            "duplicates absorbed",
            usize::try_from(count.duplicates).unwrap_or(usize::MAX),
        ),
        ("unknown to us", foreign),
        ("lost", lost),
    ] {
        printer.line(format!("  {name:<26}{value:>8}"));
    }
    printer.line("");
    printer.line(format!("  Repository   {}", machine.repository().display()));
    printer.line(format!("  State root   {}", machine.state_root().display()));
    printer.line(format!(
        "  Teamspace    {} ({})",
        machine.teamspace_data().display(),
        machine.url()
    ));
}

fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    machine::failed(format!("the Teamspace cannot be read: {error}"))
}

async fn open(data: &Path) -> Result<Administration, Failure> {
    Administration::open(data)
        .await
        .map_err(|error| unreadable(&error))
}

async fn private_team(administration: &Administration) -> Result<String, Failure> {
    let accounts = administration
        .accounts()
        .await
        .map_err(|error| unreadable(&error))?;
    let owner = accounts
        .iter()
        .find(|account| account.email == DEFAULT_OWNER_EMAIL);
    let team = owner
        .and_then(|owner| owner.private_team())
        .map(|team| team.id.clone());
    team.ok_or_else(|| machine::failed("the Teamspace has no account"))
}

/// Reads the ids that the server's database holds.
fn stored_ids(data: &Path) -> Result<BTreeSet<String>, Failure> {
    within_actors(async {
        let administration = open(data).await?;
        let team = private_team(&administration).await?;
        let mut lines = Vec::new();
        administration
            .export_events(&team, &mut lines)
            .await
            .map_err(|error| unreadable(&error))?;
        administration.close().await;
        Ok(event_ids(&lines).into_iter().collect())
    })
}

fn event_ids(lines: &[u8]) -> Vec<String> {
    lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter_map(|event| event.get("event_id")?.as_str().map(str::to_owned))
        .collect()
}

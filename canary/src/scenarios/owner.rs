//! Scenario 3: a second owner that differs in one field stops a delivery before a byte leaves, and the
//! refusal names the field, both values and a remediation that exists and works.

use crate::machine::EventSync;
use crate::mission::Mission;
use crate::result::FailureMode;
use crate::scene::{Failing, Scene};
use crate::status_check::{FOREGROUND, Named, StatusCheck, bare};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

/// A width at which every path would have to be broken.
const NARROW: &str = "40";

/// A process that lives as long as the scenario: the record is of a living owner.
#[derive(Debug)]
struct Holder(Child);

impl Holder {
    fn start() -> Result<Self, Failing> {
        let mut command = Command::new("sleep");
        command.arg("3600").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn().map_err(|error| {
            Failing::new(
                FailureMode::HarnessError,
                format!("no second process: {error}"),
            )
        })?;
        Ok(Self(started))
    }

    /// Returns the process, which is started anew when something has ended it: the record of a dead
    /// owner would be another case.
    fn living(&mut self) -> Result<u32, Failing> {
        if !matches!(self.0.try_wait(), Ok(None)) {
            *self = Self::start()?;
        }
        Ok(self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // A remediation may have ended it already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A field of the record, the name that the check gives it, and the value of a second owner.
struct Difference {
    key: &'static str,
    field: &'static str,
    value: String,
}

/// Every field of the identity; paths are long, so that a table would have to break them.
fn differences() -> Vec<Difference> {
    let long = |name: &str| format!("/{}/{name}", "another-installation-of-it".repeat(6));
    let difference = |key, field, value| Difference { key, field, value };
    vec![
        difference(
            "package_version",
            "package_version",
            "0.0.1+second".to_owned(),
        ),
        difference("executable_path", "executable_path", long("bin/spec-kitty")),
        difference("source_checkout_path", "source_path", long("checkout")),
        difference(
            "server_url",
            "server_url",
            "https://second-teamspace.example.invalid".to_owned(),
        ),
        difference(
            "auth_principal",
            "team_or_user",
            "second-owner@example.invalid".to_owned(),
        ),
        difference("queue_db_path", "queue_db_path", long("queues/second.db")),
    ]
}

pub(super) fn run(scene: &mut Scene<'_>) -> Result<(), Failing> {
    scene.log_in()?;
    let mission = scene.create_mission("-s3")?;
    let captured = scene.captured()?;
    scene.machine.event_sync(EventSync::Delivering)?;
    let mut holder = Holder::start()?;
    let (agreeing, tolerated) = agreeing_record(scene, &holder)?;
    scene.evidence.daemon_owner.injected_mismatch = true;
    let before = scene.stored()?.len();
    let mut remedies = BTreeMap::new();
    let mut named = Vec::new();
    for difference in differences() {
        scene.step(difference.field);
        let mut record = agreeing.clone();
        record["pid"] = json!(holder.living()?);
        record[difference.key] = json!(difference.value);
        put(scene, &record)?;
        let check = look(scene)?;
        let found = require_named(&check, &difference, &tolerated)?;
        require_whole(scene, &difference, &check)?;
        require_nothing_leaves(scene, &difference, before)?;
        named.push(found.field.clone());
        for command in commands(&found.remediation) {
            remedies.entry(command).or_insert(difference.field);
        }
        if difference.field == "package_version" {
            scene
                .evidence
                .daemon_owner
                .version
                .clone_from(&difference.value);
        }
    }
    for (command, field) in &remedies {
        require_exists(scene, command, field)?;
    }
    let mut agreeing = agreeing;
    agreeing["pid"] = json!(holder.living()?);
    let result = remediate(scene, &agreeing, &mission, captured.as_deref());
    scene.evidence.daemon_owner.injected_mismatch = true;
    scene.evidence.daemon_owner.mismatch_fields = named;
    result
}

/// Puts a record of a second owner in place that agrees in everything; returns it, and the fields that
/// are named all the same.
fn agreeing_record(
    scene: &mut Scene<'_>,
    holder: &Holder,
) -> Result<(Value, BTreeSet<String>), Failing> {
    scene.step("second owner");
    let record = |check: &StatusCheck| {
        let ours = |field: &str| check.foreground(field).map(str::to_owned);
        let who = ours("team_or_user");
        let (principal, team) = match who.as_deref().map(|who| who.split_once('/')) {
            Some(Some((principal, team))) => (Some(principal), Some(team)),
            Some(None) => (who.as_deref(), None),
            None => (None, None),
        };
        json!({
            "pid": holder.0.id(), "port": 9400, "token": "second-owner-token",
            "package_version": ours("package_version"),
            "executable_path": ours("executable_path"),
            "source_checkout_path": ours("source_path"),
            "server_url": ours("server_url"),
            "auth_principal": principal, "auth_team": team, "auth_scope": null,
            "queue_db_path": ours("queue_db_path"),
            "started_at": "2026-01-01T00:00:00+00:00",
        })
    };
    // The account is only told beside a record.
    let first = scene.check()?;
    put(scene, &record(&first))?;
    let second = scene.check()?;
    let agreeing = record(&second);
    put(scene, &agreeing)?;
    let tolerated = scene.check()?.mismatches();
    Ok((agreeing, tolerated.into_iter().map(|it| it.field).collect()))
}

fn put(scene: &Scene<'_>, record: &Value) -> Result<(), Failing> {
    let path = scene.machine.map().daemon_owner();
    scene.machine.write(&path, record.to_string().as_bytes())?;
    Ok(())
}

/// Looks at the boundary; the evidence keeps that the record was put there.
fn look(scene: &mut Scene<'_>) -> Result<StatusCheck, Failing> {
    let check = scene.check()?;
    scene.evidence.daemon_owner.injected_mismatch = true;
    Ok(check)
}

fn require_named(
    check: &StatusCheck,
    difference: &Difference,
    tolerated: &BTreeSet<String>,
) -> Result<Named, Failing> {
    let field = difference.field;
    if check.code != Some(2) {
        let details = format!(
            "with another {field} `sync status --check` ended with {:?}, not 2",
            check.code
        );
        return Err(Failing::new(FailureMode::MismatchNotRefused, details));
    }
    let unnamed = |what: String| Failing::new(FailureMode::MismatchFieldNotNamed, what);
    let found = check.mismatches();
    let fields: Vec<&str> = found.iter().map(|it| it.field.as_str()).collect();
    let others = found
        .iter()
        .any(|it| it.field != bare(field) && !tolerated.contains(&it.field));
    let Some(named) = found.iter().find(|it| it.field == bare(field)) else {
        return Err(unnamed(format!(
            "with another {field} the check names {fields:?}"
        )));
    };
    if others {
        return Err(unnamed(format!(
            "only {field} differs, but the check names {fields:?}"
        )));
    }
    let theirs = named.daemon.clone().unwrap_or_default();
    let ours = check.foreground(field).map(str::to_owned);
    if !theirs.contains(&difference.value) || named.foreground != ours {
        return Err(unnamed(format!(
            "{field}: expected {ours:?} and {:?}, the check says {:?} and {theirs:?}",
            difference.value, named.foreground
        )));
    }
    if commands(&named.remediation).is_empty() {
        return Err(unnamed(format!(
            "{field}: the remediation names no command: {:?}",
            named.remediation
        )));
    }
    Ok(named.clone())
}

/// The text for people says the same, and breaks no value at whatever width.
fn require_whole(
    scene: &Scene<'_>,
    difference: &Difference,
    check: &StatusCheck,
) -> Result<(), Failing> {
    let called = scene
        .machine
        .spec_kitty_at_width(&["sync", "status", "--check"], NARROW)?;
    if called.code != Some(2) {
        return Err(Failing::new(FailureMode::MismatchNotRefused, called.told()));
    }
    let values = FOREGROUND
        .iter()
        .filter_map(|field| check.foreground(field));
    let expected = values.chain([difference.field, &difference.value]);
    for value in expected {
        if !called.stdout.contains(value) {
            let details = format!(
                "at a width of {NARROW} `sync status --check` does not show `{value}` whole ({})",
                difference.field
            );
            return Err(Failing::new(FailureMode::MismatchFieldNotNamed, details));
        }
    }
    Ok(())
}

fn require_nothing_leaves(
    scene: &Scene<'_>,
    difference: &Difference,
    before: usize,
) -> Result<(), Failing> {
    let called = scene.try_to_deliver()?;
    let after = scene.stored()?.len();
    if after != before {
        let details = format!(
            "with another {} {} events left; {}",
            difference.field,
            after.abs_diff(before),
            called.told()
        );
        return Err(Failing::new(FailureMode::EmittedDespiteRefusal, details));
    }
    if called.code == Some(0) {
        return Err(Failing::new(FailureMode::MismatchNotRefused, called.told()));
    }
    Ok(())
}

/// Returns the commands in a hint: what stands in backticks after the program's name.
fn commands(hint: &str) -> Vec<String> {
    let quoted = hint.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|text| text.strip_prefix("spec-kitty "))
        .map(str::to_owned)
        .collect()
}

fn require_exists(scene: &Scene<'_>, command: &str, field: &str) -> Result<(), Failing> {
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let called = scene.machine.spec_kitty(&words)?;
    if called.code == Some(0) {
        return Ok(());
    }
    let details = format!(
        "the remediation of {field} does not exist: {}",
        called.told()
    );
    Err(Failing::new(FailureMode::MismatchFieldNotNamed, details))
}

/// Does what the check advises for another release, after which everything is delivered.
fn remediate(
    scene: &mut Scene<'_>,
    agreeing: &Value,
    mission: &Mission,
    captured: Option<&[Value]>,
) -> Result<(), Failing> {
    scene.step("remediation");
    let mut record = agreeing.clone();
    record["package_version"] = json!("0.0.1+second");
    put(scene, &record)?;
    let hint = look(scene)?.mismatches();
    let advised = hint.iter().flat_map(|it| commands(&it.remediation)).next();
    let advised = advised.unwrap_or_default();
    let words: Vec<&str> = advised.split_whitespace().collect();
    scene.machine.allow_daemon()?;
    let called = scene.machine.spec_kitty(&words)?;
    let check = scene.check()?;
    // A remediation may have started a daemon; what it delivers would be nobody's doing.
    scene.machine.end_leftovers();
    if called.code != Some(0) || check.code != Some(0) {
        let details = format!(
            "the remediation does not work: {}; afterwards the check ends with {:?}",
            called.told(),
            check.code
        );
        return Err(Failing::new(FailureMode::MismatchFieldNotNamed, details));
    }
    scene.deliver()?;
    scene.require_materialized(mission, captured, "planned")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_hint_are_what_stands_in_backticks() {
        let hint =
            "Run `spec-kitty doctor restart-daemon`, or `spec-kitty auth login --force`; `x`.";
        assert_eq!(
            commands(hint),
            ["doctor restart-daemon", "auth login --force"]
        );
        assert!(commands("Run spec-kitty.").is_empty());
    }
}
